//! STS and identity: who a signature's key belongs to, what policies speak about them, and the EKS bearer token.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Aws, Ctx,
    policy::{Facts, Speaking, Why, fact},
    sigv4::{self, Refusal},
    wire::{Answer, AwsError, Reply, err, tag},
};
use crate::{
    http::Req,
    scenario::{Caller, Scenario},
    state::World,
};

/// Whose credentials an app in a pod ended up with.
#[derive(Debug, Clone)]
pub enum AppCredentials {
    /// From its environment.
    Static {
        /// Access key id.
        access_key_id: String,
    },
    /// From the agent: what EKS Auth handed out.
    PodIdentity(Session),
    /// From the instance's metadata.
    NodeRole {
        /// Role name.
        role: String,
        /// Instance id, the session's name.
        instance: String,
    },
}

/// A role session.
#[derive(Debug, Clone)]
pub struct Session {
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// Role ARN.
    pub role: String,
}

/// What narrows a role session.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    pub tags: BTreeMap<String, String>,
    pub policy: Option<String>,
}

/// Credentials of a role session.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub secret: String,
    pub token: String,
    pub session: Session,
    pub expires: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub arn: String,
    pub access: Access,
}

/// What a caller may do.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// Everything.
    All,
    /// What these identity policies allow.
    Policies(Vec<Value>),
    /// What the role's policies allow.
    Role(Session),
}

impl Who {
    pub(super) fn caller(caller: &Caller) -> Self {
        let access = if caller.policies.is_empty() { Access::All } else { Access::Policies(caller.policies.clone()) };
        Self { arn: caller.arn.clone(), access }
    }

    pub(super) fn session(session: &Session) -> Self {
        Self { arn: session.arn.clone(), access: Access::Role(session.clone()) }
    }

    /// What `aws:PrincipalArn` is: of a session, its role.
    fn principal_arn(&self) -> &str {
        if let Access::Role(session) = &self.access { &session.role } else { &self.arn }
    }

    /// The 12 digits in the ARN.
    pub(super) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// `AIDA…` for a user, `AROA…:SESSION` for a role session.
    fn user_id(&self) -> String {
        let resource = self.arn.rsplit(':').next().unwrap_or_default();
        let unique = |prefix: &str, text: &str| {
            let letters: String = Sha256::digest(text)
                .iter()
                .take(17)
                .map(|byte| char::from(super::UPPER[usize::from(*byte) % super::UPPER.len()]))
                .collect();
            format!("{prefix}{letters}")
        };
        match resource.split('/').collect::<Vec<_>>()[..] {
            ["assumed-role", role, session] => format!("{}:{session}", unique("AROA", role)),
            ["root"] => self.account().to_owned(),
            _ => unique("AIDA", resource),
        }
    }
}

impl Aws {
    /// Whose request this is, and the region of its credential scope.
    pub(super) fn authenticate(
        &self,
        scenario: &Scenario,
        req: &Req,
        service: &str,
        now: Timestamp,
    ) -> Result<(Who, String), AwsError> {
        self.signer(scenario, req, now).map_err(|refusal| refused(service, &refusal))
    }

    fn signer(&self, scenario: &Scenario, req: &Req, world_now: Timestamp) -> Result<(Who, String), Refusal> {
        let claim = sigv4::claim(req)?;
        // Signatures live in the servers' time, also when the world's clock was turned.
        let now = scenario.server_time();
        if let Some(caller) = scenario.callers.iter().find(|c| c.access_key_id == claim.access_key_id) {
            sigv4::verify(req, &claim, &caller.secret_access_key, now)?;
            return Ok((Who::caller(caller), claim.region));
        }
        let key = self.keys.get(&claim.access_key_id).ok_or(Refusal::UnknownKey)?;
        if claim.security_token.as_deref() != Some(&key.token) {
            return Err(Refusal::WrongToken);
        }
        sigv4::verify(req, &claim, &key.secret, now)?;
        if key.expires <= world_now {
            return Err(Refusal::ExpiredToken);
        }
        Ok((Who::session(&key.session), claim.region))
    }

    /// Whether the caller's policies allow an action.
    pub(super) fn permits(&self, who: &Who, action: &str, resource: &str, facts: &Facts) -> Result<(), Why> {
        let mut all = facts.clone();
        all.push(fact("aws:PrincipalArn", who.principal_arn()));
        all.push(fact("aws:PrincipalAccount", who.account()));
        if !all.iter().any(|(key, _)| key == "aws:RequestedRegion") {
            all.push(fact("aws:RequestedRegion", self.region.as_str()));
        }
        let everything = || vec![json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})];
        let mut speaking = match &who.access {
            Access::All if self.organization.is_empty() => return Ok(()),
            Access::All => Speaking { identity: everything(), ..Speaking::default() },
            Access::Policies(policies) => Speaking { identity: policies.clone(), ..Speaking::default() },
            Access::Role(session) => {
                for (key, value) in self.principal_tags(session) {
                    all.push(fact(&format!("aws:PrincipalTag/{key}"), value));
                }
                self.speaking(session)
            }
        };
        speaking.organization.clone_from(&self.organization);
        let policy = self.table_policy(resource).filter(|_| action.starts_with("dynamodb:"));
        speaking.resource = policy.map(|policy| (policy.clone(), who.principal_arn().to_owned()));
        speaking.allow(&who.arn, action, resource, &all)
    }

    /// The role's tags, over which session tags win.
    fn principal_tags(&self, session: &Session) -> BTreeMap<String, String> {
        let mut tags = self.role_by_arn(&session.role).map(|role| role.tags.clone()).unwrap_or_default();
        tags.extend(self.limits.get(&session.arn).map(|limits| limits.tags.clone()).unwrap_or_default());
        tags
    }

    /// The policies that speak about a role session.
    fn speaking(&self, session: &Session) -> Speaking {
        let parse = |text: &String| serde_json::from_str(text).ok();
        let Some(role) = self.role_by_arn(&session.role) else { return Speaking::default() };
        let attached = role.attached.iter().filter_map(|arn| self.managed_policy(arn).cloned());
        Speaking {
            identity: role.inline.values().filter_map(parse).chain(attached).collect(),
            boundary: role.boundary.as_ref().map(|arn| self.managed_policy(arn).cloned().unwrap_or(Value::Null)),
            session: self.limits.get(&session.arn).and_then(|limits| limits.policy.as_ref()).and_then(parse),
            ..Speaking::default()
        }
    }
}

/// A refusal in the service's own words.
fn refused(service: &str, refusal: &Refusal) -> AwsError {
    let query = matches!(service, "iam" | "sts");
    let status = if service == "dynamodb" { 400 } else { 403 };
    let unknown = if query { "InvalidClientTokenId" } else { "UnrecognizedClientException" };
    match refusal {
        Refusal::Missing if query => err(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        Refusal::Missing => err(status, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        Refusal::Incomplete(message) if query => err(400, "IncompleteSignature", message),
        Refusal::Incomplete(message) => err(status, "IncompleteSignatureException", message),
        Refusal::UnknownKey | Refusal::WrongToken => {
            // DynamoDB ends the sentence in the same way as EKS.
            err(status, unknown, "The security token included in the request is invalid.")
        }
        Refusal::ExpiredToken => {
            let code = if query { "ExpiredToken" } else { "ExpiredTokenException" };
            err(status, code, "The security token included in the request is expired")
        }
        Refusal::Expired(message) if query => err(403, "SignatureDoesNotMatch", message),
        Refusal::Expired(message) => err(status, "InvalidSignatureException", message),
        Refusal::Mismatch => {
            let code = if query { "SignatureDoesNotMatch" } else { "InvalidSignatureException" };
            err(
                status,
                code,
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
            )
        }
    }
}

/// STS: GetCallerIdentity is all that is asked of it here.
pub(super) fn answer(ctx: &Ctx<'_>) -> Answer {
    match ctx.call.operation.as_str() {
        "GetCallerIdentity" => {
            let who = &ctx.who;
            Ok(Reply::Xml(tag("Arn", &who.arn) + &tag("UserId", who.user_id()) + &tag("Account", who.account())))
        }
        other => Err(err(400, "InvalidAction", format!("Could not find operation {other} for version 2011-06-15"))),
    }
}

/// The caller behind an EKS bearer token (`k8s-aws-v1.…`), when its signature, expiry and cluster are right.
pub(crate) fn caller_of_eks_token<'w>(world: &'w World, token: &str) -> Option<&'w Caller> {
    let url = URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.")?).ok()?;
    let url: http::Uri = std::str::from_utf8(&url).ok()?.parse().ok()?;
    let host = url.host()?;
    // Of whichever region, but of this partition.
    let suffix = match world.scenario.partition.as_str() {
        "aws-cn" => ".amazonaws.com.cn",
        "aws-eusc" => ".amazonaws.eu",
        _ => ".amazonaws.com",
    };
    let sts = host.starts_with("sts.") && host.ends_with(suffix);
    if url.scheme_str() != Some("https") || !sts || url.path() != "/" {
        return None;
    }
    let query = url.query()?;
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    if value("Action").as_deref() != Some("GetCallerIdentity") || value("Version").as_deref() != Some("2011-06-15") {
        return None;
    }
    let claim = sigv4::claim_of_query(query).ok()?;
    if claim.service != "sts" || !(0..=60).contains(&claim.expires?) {
        return None;
    }
    if !claim.signed_headers.iter().any(|name| name == "x-k8s-aws-id") {
        return None;
    }
    // The URL is asked at once, but the token stays good for a quarter of an hour.
    let age = world.scenario.server_time().as_second() - sigv4::parse_time(&claim.time)?.as_second();
    if !(-300..=900).contains(&age) {
        return None;
    }
    let caller = world.scenario.callers.iter().find(|c| c.access_key_id == claim.access_key_id)?;
    let cluster = world.scenario.cluster().name.clone();
    let header = |name: &str| match name {
        "host" => Some(host.to_owned()),
        "x-k8s-aws-id" => Some(cluster.clone()),
        _ => None,
    };
    let signed = sigv4::Signed {
        method: "GET",
        path: "/",
        query,
        header: &header,
        payload_hash: hex::encode(Sha256::digest(b"")),
    };
    sigv4::matches(&claim, &caller.secret_access_key, &signed).then_some(caller)
}
