//! IRSA: how a pod's token becomes a role session at STS (AssumeRoleWithWebIdentity).

use jiff::Timestamp;

use super::{
    policy::{fact, trust_allows_provider},
    sts::Session,
};
use crate::{State, kube::issuer, scenario::Scenario};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// The session that STS gives for a token of the cluster; the error is what an SDK in the pod sees. The cluster's OIDC provider
/// is taken to exist in the account, for the audience `sts.amazonaws.com`.
pub(crate) fn session(
    state: &State,
    scenario: &Scenario,
    role: &str,
    token: &str,
    now: Timestamp,
) -> Result<Session, String> {
    let claims = state.kube.read_token(token).map_err(|_| "InvalidIdentityToken: the token is invalid".to_owned())?;
    if claims.expires <= now {
        return Err("ExpiredTokenException: Token expired".to_owned());
    }
    if claims.audience != "sts.amazonaws.com" {
        return Err("InvalidIdentityToken: Incorrect token audience".to_owned());
    }
    let refused = || format!("AccessDenied: Not authorized to perform {ACTION}");
    let trust = state.aws.role_by_arn(role).and_then(|role| role.trust_seen(now)).ok_or_else(refused)?;
    let issuer = issuer(scenario, &scenario.cluster().name);
    let host = issuer.trim_start_matches("https://");
    let account = role.split(':').nth(4).unwrap_or_default();
    let provider = format!("arn:{}:iam::{account}:oidc-provider/{host}", scenario.partition);
    let subject = format!("system:serviceaccount:{}:{}", claims.namespace, claims.service_account);
    let facts = vec![fact(&format!("{host}:sub"), subject), fact(&format!("{host}:aud"), claims.audience)];
    if !trust_allows_provider(&trust, &provider, ACTION, &facts) {
        return Err(refused());
    }
    let name = role.rsplit('/').next().unwrap_or_default();
    let arn = format!("arn:{}:sts::{account}:assumed-role/{name}/aws-sdk-java", scenario.partition);
    Ok(Session { arn, role: role.to_owned() })
}
