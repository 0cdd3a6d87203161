//! Any answer at all of IAM and EKS, read as podid reads theirs, without a network: at length by `fuzz/`, for a moment below.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use aws_types::sdk_config;
use tokio::{runtime::Runtime, sync::OnceCell};

use super::{
    Aws, Inner, Settings,
    config::{Loaded, Who},
};
use crate::{
    failure::{Failure, Result},
    model::association::AssociationFilter,
    ports::{Eks, Iam},
};

/// Each answer's first character is taken for one of these, where it is a digit.
const STATUS: [u16; 6] = [200, 400, 403, 404, 409, 500];

/// What is read when IAM answers with this, whatever it is asked.
///
/// # Panics
/// When podid does, or when a failure has no words.
pub fn iam(answer: &str) {
    read(answer, async |aws: &Aws| {
        told(aws.role("carts").await);
        told(aws.inline_policies("carts").await);
        told(aws.inline_policy("carts", "dynamodb").await);
        told(aws.policy_exists("arn:aws:iam::aws:policy/x").await);
        told(aws.managed_policy("arn:aws:iam::aws:policy/x").await);
        told(aws.caller().await);
    });
}

/// What is read when EKS answers with this, whatever it is asked.
///
/// # Panics
/// When podid does, or when a failure has no words.
pub fn eks(answer: &str) {
    read(answer, async |aws: &Aws| {
        told(aws.cluster("eks-workshop").await);
        told(aws.associations("eks-workshop", &AssociationFilter::default()).await);
        told(aws.association("eks-workshop", "a-1").await);
        told(aws.addon("eks-workshop", "eks-pod-identity-agent").await);
        told(aws.addon_schema("eks-pod-identity-agent", "v1.0.0-eksbuild.1").await);
    });
}

fn told<T>(read: Result<T>) {
    if let Err(Failure { message, .. }) = read {
        assert!(!message.is_empty());
    }
}

fn read(answer: &str, calls: impl AsyncFnOnce(&Aws)) {
    let (status, body) = match answer.chars().next().and_then(|first| first.to_digit(10)) {
        Some(digit) => (STATUS[digit as usize % STATUS.len()], &answer[1..]),
        None => (200, answer),
    };
    WORLD.with(|(runtime, aws, says)| {
        *says.0.lock().unwrap() = (status, body.to_owned());
        runtime.block_on(calls(aws));
    });
}

thread_local! {
    /// Made once: that takes longer than to read an answer.
    static WORLD: (Runtime, Aws, Says) = {
        let says = Says::default();
        let connector = SharedHttpConnector::new(says.clone());
        let sdk = SdkConfig::builder().http_client(http_client_fn(move |_, _| connector.clone()));
        // Its clock goes on when nothing else does: a service that throttles costs no time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        (runtime, aws_of(sdk, Credentials::new("AKIDEXAMPLE", "secret", None, None, "fuzz")), says)
    };
}

/// AWS as the configuration says, in one attempt.
pub(super) fn aws_of(sdk: sdk_config::Builder, credentials: Credentials) -> Aws {
    let sdk = sdk
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(1))
        .build();
    let who = Who { profile: Some("dev".into()), sso: true };
    Aws(Arc::new(Inner { loaded: OnceCell::new_with(Some(Loaded { sdk, who })), ..Inner::new(Settings::default()) }))
}

/// A service with one answer for all.
#[derive(Debug, Clone, Default)]
struct Says(Arc<Mutex<(u16, String)>>);

impl HttpConnector for Says {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.0.lock().unwrap().clone();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fixtures::spoilt;

    const IAM: [&str; 3] = [
        "3<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no</Message></Error></ErrorResponse>",
        "0<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>r</RoleName><Arn>arn:aws:iam::111122223333:role/r</Arn><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>",
        "0<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames><member>a</member></PolicyNames><IsTruncated>true</IsTruncated><Marker>m</Marker></ListRolePoliciesResult></ListRolePoliciesResponse>",
    ];
    const EKS: [&str; 4] = [
        r#"1{"__type":"InvalidParameterException","message":"no"}"#,
        r#"0{"cluster":{"name":"c","arn":"arn:aws:eks:us-west-2:111122223333:cluster/c","status":"ACTIVE","certificateAuthority":{"data":"x"}}}"#,
        r#"0{"associations":[{"clusterName":"c","namespace":"a","serviceAccount":"b","associationId":"a-1"}],"nextToken":"x"}"#,
        r#"0{"association":{"clusterName":"c","namespace":"a","serviceAccount":"b","associationId":"a-1","roleArn":"x","createdAt":1.5}}"#,
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_answer_of_iam(answer in spoilt(&IAM)) {
            iam(&answer);
        }

        #[test]
        fn any_answer_of_eks(answer in spoilt(&EKS)) {
            eks(&answer);
        }
    }
}
