//! Signature Version 4: who sent a request, verified with the secret that the world knows.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

use super::wire::header;
use crate::http::Req;

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none.
    Missing,
    /// It cannot be read.
    Incomplete(String),
    /// The access key is unknown.
    UnknownKey,
    /// A session key came without its token, or with another's.
    WrongToken,
    /// The session is over.
    ExpiredToken,
    /// It is too old or too new.
    Expired(String),
    /// It was made with another secret, or for another request.
    Mismatch,
}

/// What a signature claims.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub access_key_id: String,
    pub date: String,
    pub region: String,
    pub service: String,
    pub signed_headers: Vec<String>,
    pub signature: String,
    pub time: String,
    /// Seconds, of a presigned URL.
    pub expires: Option<i64>,
    pub security_token: Option<String>,
}

/// The method, path, query and headers that were signed.
pub(super) struct Signed<'r> {
    pub method: &'r str,
    pub path: &'r str,
    pub query: &'r str,
    /// Value of a header by its lower-case name.
    pub header: &'r dyn Fn(&str) -> Option<String>,
    pub payload_hash: String,
}

/// `KEY/DATE/REGION/SERVICE/aws4_request`, from the header or a presigned query.
pub(super) fn credential(req: &Req) -> Option<String> {
    if let Some(authorization) = header(req, "authorization") {
        return field(authorization, "Credential=");
    }
    query_value(req.parts.uri.query().unwrap_or_default(), "X-Amz-Credential")
}

fn field(authorization: &str, name: &str) -> Option<String> {
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
    rest.split(',').find_map(|part| part.trim().strip_prefix(name)).map(|value| value.trim().to_owned())
}

fn query_value(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.into_owned())
}

/// Reads the claim of a request: its Authorization header, else its presigned query.
pub(super) fn claim(req: &Req) -> Result<Claim, Refusal> {
    let Some(authorization) = header(req, "authorization") else {
        return claim_of_query(req.parts.uri.query().unwrap_or_default());
    };
    let part = |name: &str| {
        field(authorization, name).ok_or_else(|| {
            let parameter = name.trim_end_matches('=');
            Refusal::Incomplete(format!(
                "Authorization header requires '{parameter}' parameter. Authorization={authorization}"
            ))
        })
    };
    let time = header(req, "x-amz-date").map(ToOwned::to_owned).ok_or_else(|| {
        Refusal::Incomplete(format!(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization={authorization}"
        ))
    })?;
    let security_token = header(req, "x-amz-security-token").map(ToOwned::to_owned);
    build(&part("Credential=")?, &part("SignedHeaders=")?, part("Signature=")?, time, None, security_token)
}

/// Reads the claim of a presigned query.
pub(super) fn claim_of_query(query: &str) -> Result<Claim, Refusal> {
    let credential = query_value(query, "X-Amz-Credential").ok_or(Refusal::Missing)?;
    let part = |name: &str| {
        query_value(query, name)
            .ok_or_else(|| Refusal::Incomplete(format!("AWS query-string parameters must include '{name}'.")))
    };
    let expires = match query_value(query, "X-Amz-Expires") {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| Refusal::Incomplete("X-Amz-Expires should be a number".to_owned()))?)
        }
    };
    let token = query_value(query, "X-Amz-Security-Token");
    build(&credential, &part("X-Amz-SignedHeaders")?, part("X-Amz-Signature")?, part("X-Amz-Date")?, expires, token)
}

fn build(
    credential: &str,
    signed_headers: &str,
    signature: String,
    time: String,
    expires: Option<i64>,
    security_token: Option<String>,
) -> Result<Claim, Refusal> {
    let [access_key_id, date, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(Refusal::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        )));
    };
    Ok(Claim {
        access_key_id: access_key_id.to_owned(),
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        signed_headers: signed_headers.split(';').map(ToOwned::to_owned).collect(),
        signature,
        time,
        expires,
        security_token,
    })
}

/// `20261123T231500Z` as a time.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Whether `claim` was made with `secret` for what was `signed`; not its time.
pub(super) fn matches(claim: &Claim, secret: &str, signed: &Signed<'_>) -> bool {
    signature(claim, secret, signed).is_some_and(|right| right == claim.signature)
}

/// The right signature; `None` when a signed header is missing.
pub(super) fn signature(claim: &Claim, secret: &str, signed: &Signed<'_>) -> Option<String> {
    let mut canonical =
        format!("{}\n{}\n{}\n", signed.method, canonical_path(signed.path), canonical_query(signed.query));
    for name in &claim.signed_headers {
        let value = (signed.header)(name)?;
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(canonical, "{name}:{value}");
    }
    // AWS signs over the host always; without it a signature could be replayed elsewhere.
    if !claim.signed_headers.iter().any(|name| name == "host") {
        return None;
    }
    let _ = write!(canonical, "\n{}\n{}", claim.signed_headers.join(";"), signed.payload_hash);
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", claim.time, hex::encode(Sha256::digest(canonical)));
    let key = [claim.date.as_str(), &claim.region, &claim.service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    Some(hex::encode(hmac(&key, to_sign.as_bytes())))
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a whole request, verified with `secret`.
pub(super) fn verify(req: &Req, claim: &Claim, secret: &str, now: Timestamp) -> Result<(), Refusal> {
    let time = parse_time(&claim.time).ok_or_else(|| {
        Refusal::Incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{}'.", claim.time))
    })?;
    let allowed = claim.expires.unwrap_or(0).max(300);
    let basic = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    if now.as_second() - time.as_second() > allowed {
        let oldest = basic(now - jiff::SignedDuration::from_secs(300));
        return Err(Refusal::Expired(format!(
            "Signature expired: {} is now earlier than {oldest} ({} - 5 min.)",
            claim.time,
            basic(now)
        )));
    }
    if time.as_second() - now.as_second() > 300 {
        let newest = basic(now + jiff::SignedDuration::from_secs(300));
        return Err(Refusal::Expired(format!(
            "Signature not yet current: {} is still later than {newest} ({} + 5 min.)",
            claim.time,
            basic(now)
        )));
    }
    let body_hash = hex::encode(Sha256::digest(&req.body));
    let payload_hash = match header(req, "x-amz-content-sha256") {
        Some(hash) if hash == "UNSIGNED-PAYLOAD" || hash == body_hash => hash.to_owned(),
        Some(_) => return Err(Refusal::Mismatch),
        None => body_hash,
    };
    let host = req.parts.uri.authority().map(ToString::to_string);
    let value = |name: &str| {
        header(req, name).map(ToOwned::to_owned).or_else(|| (name == "host").then(|| host.clone()).flatten())
    };
    let signed = Signed {
        method: req.parts.method.as_str(),
        path: req.parts.uri.path(),
        query: req.parts.uri.query().unwrap_or_default(),
        header: &value,
        payload_hash,
    };
    if !claim.date.is_empty() && !claim.time.starts_with(&claim.date) {
        return Err(Refusal::Mismatch);
    }
    if matches(claim, secret, &signed) { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// What stays as it is in a canonical request.
const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &percent_encoding::AsciiSet = &UNRESERVED.remove(b'/');

/// The path as sent, encoded once more, as every service but S3 wants it.
fn canonical_path(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { percent_encoding::utf8_percent_encode(path, PATH).to_string() }
}

fn canonical_query(query: &str) -> String {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let encode = |text: &str| percent_encoding::percent_encode(&decode(text), UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| *key != "X-Amz-Signature")
        .map(|(key, value)| (encode(key), encode(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}
