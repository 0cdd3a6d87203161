//! Tokens for the Kubernetes API of an EKS cluster: a presigned GetCallerIdentity that the API server sends to STS.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;

use super::Aws;
use crate::{
    failure::{Failure, Result},
    ports::TokenSource,
    secrets,
};

/// What the API server asks of X-Amz-Expires. It takes the token for 15 minutes from signing whatever this says.
const EXPIRES: Duration = Duration::from_mins(1);

/// A token is used this long: well under 15 minutes, for clocks that differ.
const REFRESH: Duration = Duration::from_mins(8);

/// All but the unreserved characters of RFC 3986, as signature version 4 wants it.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Tokens for one cluster, signed anew as they age. Clones share the token.
#[derive(Clone)]
pub struct EksToken {
    aws: Aws,
    cluster: String,
    region: String,
    held: Arc<Mutex<Option<(SystemTime, String)>>>,
}

impl std::fmt::Debug for EksToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EksToken").field("cluster", &self.cluster).field("region", &self.region).finish_non_exhaustive()
    }
}

impl EksToken {
    pub(super) fn new(aws: Aws, cluster: &str, region: &str) -> Self {
        Self { aws, cluster: cluster.to_owned(), region: region.to_owned(), held: Arc::default() }
    }

    /// A token that is good for some minutes more.
    pub async fn token(&self) -> Result<String> {
        let mut held = self.held.lock().await;
        // AWS's: a token of another time is refused like one of nobody.
        let now = self.aws.0.clock.now();
        if let Some((signed, token)) = held.as_ref() {
            // A clock that was set back makes an error of the age: sign anew.
            if now.duration_since(*signed).is_ok_and(|age| age < REFRESH) {
                return Ok(token.clone());
            }
        }
        let doing = format!("cannot sign a token for cluster `{}`", self.cluster);
        let credentials = self.aws.credentials(&doing).await?;
        let token = presign(credentials, &self.region, &self.cluster, now)
            .map_err(|cause| Failure::failed(doing).because(cause))?;
        secrets::hold(&token);
        *held = Some((now, token.clone()));
        Ok(token)
    }
}

#[async_trait]
impl TokenSource for EksToken {
    async fn token(&self) -> Result<String> {
        Self::token(self).await
    }
}

/// The regional STS host of the region's partition, never an override: the API server refuses all others.
fn sts(region: &str) -> Result<String, String> {
    let params = Params::builder().region(region).use_fips(false).use_dual_stack(false).use_global_endpoint(false);
    let params = params.build().map_err(|error| error.to_string())?;
    // The built-in rules answer at once.
    let endpoint = futures::FutureExt::now_or_never(DefaultResolver::new().resolve_endpoint(&params));
    match endpoint {
        Some(Ok(endpoint)) => Ok(endpoint.url().to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!("no STS endpoint is known for region `{region}`")),
    }
}

/// `k8s-aws-v1.` and the presigned URL. `now` is part of the signature.
fn presign(credentials: Credentials, region: &str, cluster: &str, now: SystemTime) -> Result<String, String> {
    let mut url = format!("{}/?Action=GetCallerIdentity&Version=2011-06-15", sts(region)?);
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = [("x-k8s-aws-id", cluster)].into_iter();
    let request = SignableRequest::new("GET", url.as_str(), headers, SignableBody::Bytes(&[]));
    let signed = request.and_then(|request| sign(request, &params)).map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    let mut query: Vec<_> = instructions.params().to_vec();
    // The signature last, as every other signer writes it: then equal inputs give equal tokens.
    query.sort_by_key(|(name, _)| *name == "X-Amz-Signature");
    for (name, value) in query {
        url.push('&');
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(&value, QUERY));
    }
    Ok(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2026-11-23T12:34:56Z
    const INSTANT: u64 = 1_795_437_296;

    fn signed(session: Option<&str>, region: &str, cluster: &str) -> String {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, session.map(Into::into), None, "test");
        presign(credentials, region, cluster, SystemTime::UNIX_EPOCH + Duration::from_secs(INSTANT)).unwrap()
    }

    // Both tokens were made by botocore 1.44.5 (RequestSigner.generate_presigned_url), as `aws eks get-token` does.

    #[test]
    fn equals_botocores() {
        let token = signed(None, "us-west-2", "eks-workshop");
        assert_eq!(
            token,
            "k8s-aws-v1.\
             aHR0cHM6Ly9zdHMudXMtd2VzdC0yLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZGVudGl0eSZWZXJzaW\
             9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXotQ3JlZGVudGlhbD1BS0lE\
             RVhBTVBMRSUyRjIwMjYxMTIzJTJGdXMtd2VzdC0yJTJGc3RzJTJGYXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNj\
             ExMjNUMTIzNDU2WiZYLUFtei1FeHBpcmVzPTYwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCUzQngtazhzLWF3cy1p\
             ZCZYLUFtei1TaWduYXR1cmU9OGM0MDM4ZmRhNDM5YWUyNTE4M2YzMjM5YWZlNTYzNDRkM2NmMjM2YzQ1YmNkNzBlNT\
             U2YjFkMGQ0MWUzNWI2Zg"
        );
    }

    #[test]
    fn equals_botocores_with_a_session_token_in_china() {
        let token = signed(Some("IQoJb3JpZ2luX2VjE+/EXAMPLE=token=="), "cn-north-1", "my_cluster-1");
        assert_eq!(
            token,
            "k8s-aws-v1.\
             aHR0cHM6Ly9zdHMuY24tbm9ydGgtMS5hbWF6b25hd3MuY29tLmNuLz9BY3Rpb249R2V0Q2FsbGVySWRlbnRpdHkmVm\
             Vyc2lvbj0yMDExLTA2LTE1JlgtQW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2JlgtQW16LUNyZWRlbnRpYWw9\
             QUtJREVYQU1QTEUlMkYyMDI2MTEyMyUyRmNuLW5vcnRoLTElMkZzdHMlMkZhd3M0X3JlcXVlc3QmWC1BbXotRGF0ZT\
             0yMDI2MTEyM1QxMjM0NTZaJlgtQW16LUV4cGlyZXM9NjAmWC1BbXotU2lnbmVkSGVhZGVycz1ob3N0JTNCeC1rOHMt\
             YXdzLWlkJlgtQW16LVNlY3VyaXR5LVRva2VuPUlRb0piM0pwWjJsdVgyVmpFJTJCJTJGRVhBTVBMRSUzRHRva2VuJT\
             NEJTNEJlgtQW16LVNpZ25hdHVyZT1hZjNmNzNiZmNlYTYzYjcwYjM3MzcwMDMwZTJhZjYwOWE5M2U0MjE3YTQ0YmIx\
             ZWJjYzk2N2JmNTRjZDFhNWE2"
        );
    }

    #[test]
    fn each_partition_has_its_host() {
        for (region, host) in [
            ("us-east-1", "https://sts.us-east-1.amazonaws.com"),
            ("eu-west-1", "https://sts.eu-west-1.amazonaws.com"),
            ("cn-northwest-1", "https://sts.cn-northwest-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(sts(region).unwrap(), host);
        }
    }
}
