//! EKS Auth: how a pod's token becomes a role session, over HTTP and for the agents in this world.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Aws, Ctx, LOWER, UPPER,
    associations::{Association, SERVICE},
    eks::not_found,
    policy::{Fact, Facts, fact, trust_allows_role, trust_allows_service},
    sts::{Key, Limits, Session, Who},
    wire::{Answer, AwsError, Reply, epoch, err, uuid},
};
use crate::{State, kube::Claims, scenario::Scenario};

const ACTION: &str = "eks-auth:AssumeRoleForPodIdentity";

/// The operation of a method and path.
pub(super) fn operation(method: &str, path: &[String]) -> &'static str {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (method, &path[..]) {
        ("POST", ["clusters", _, "assume-role-for-pod-identity"]) => "AssumeRoleForPodIdentity",
        _ => "",
    }
}

/// Every failure to assume a role reads the same; it never names the cause.
fn unauthorized() -> AwsError {
    err(
        400,
        "AccessDeniedException",
        "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
    )
}

/// AssumeRoleForPodIdentity over HTTP.
pub(super) fn answer(state: &mut State, ctx: &Ctx<'_>) -> Answer {
    if ctx.call.operation.is_empty() {
        return Err(err(404, "UnknownOperationException", "The requested operation is not known."));
    }
    let cluster = ctx.call.segment(1);
    let arn = state.aws.cluster_arn(cluster);
    ctx.permit(&state.aws, ACTION, &arn, &Facts::new()).map_err(|e| AwsError { status: 400, ..e })?;
    Aws::cluster(ctx, cluster)?;
    let token = ctx.call.text("token").unwrap_or_default();
    let claims = verified(state, ctx.scenario, cluster, token, ctx.now)?;
    let (session, association) = assume(&mut state.aws, cluster, &claims, ctx.now)?;
    let key = state.aws.hand_out(&session, ctx.now, ctx.scenario.session_s);
    let access_key_id = state.aws.keys.iter().find(|(_, k)| k.token == key.token).map(|(id, _)| id.clone());
    let name = session.arn.rsplit('/').next().unwrap_or_default();
    let role_id = state.aws.role_by_arn(&session.role).map_or("AROAEXAMPLE", |role| role.id.as_str());
    Ok(Reply::Json(json!({
        "subject": {"namespace": claims.namespace, "serviceAccount": claims.service_account},
        "audience": SERVICE,
        "podIdentityAssociation": {"associationArn": association.arn, "associationId": association.id},
        "assumedRoleUser": {"arn": session.arn, "assumeRoleId": format!("{role_id}:{name}")},
        "credentials": {
            "accessKeyId": access_key_id,
            "secretAccessKey": key.secret,
            "sessionToken": key.token,
            "expiration": epoch(key.expires),
        },
    })))
}

/// What the agent on a node gets from EKS Auth for a pod's token; the error is the agent's text, as an SDK in the pod sees it.
pub(crate) fn agent_credentials(
    state: &mut State,
    scenario: &Scenario,
    node_role: &str,
    token: &str,
    now: Timestamp,
) -> Result<Session, String> {
    // What the agent checks by itself, before it asks.
    if token.is_empty() {
        return Err("Service account token cannot be empty".to_owned());
    }
    if token.split('.').count() != 3 {
        return Err(
            "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments"
                .to_owned(),
        );
    }
    if state.kube.read_token(token).is_ok_and(|claims| claims.expires <= now) {
        return Err("Service account token failed basic claim validations: token has invalid claims: token is expired"
            .to_owned());
    }
    let relayed = |error: AwsError| format!("[{}]: ({}): {}, fault: client", uuid(), error.code, error.message);
    let cluster = scenario.cluster().name.as_str();
    let node = state.aws.node_session(node_role, "i-0a1b2c3d4e5f60001");
    let arn = state.aws.cluster_arn(cluster);
    if let Err(why) = state.aws.permits(&Who::session(&node), ACTION, &arn, &Facts::new()) {
        let message =
            format!("User: {} is not authorized to perform: {ACTION} on resource: {arn}{}", node.arn, why.text(ACTION));
        return Err(relayed(err(400, "AccessDeniedException", message)));
    }
    let claims = verified(state, scenario, cluster, token, now).map_err(relayed)?;
    assume(&mut state.aws, cluster, &claims, now).map(|(session, _)| session).map_err(relayed)
}

/// The claims of a token that EKS Auth accepts.
fn verified(
    state: &State,
    scenario: &Scenario,
    cluster: &str,
    token: &str,
    now: Timestamp,
) -> Result<Claims, AwsError> {
    let bad = |message: &str| err(400, "InvalidTokenException", message);
    if cluster != scenario.cluster().name {
        return Err(bad("The token included in the request is not issued by the cluster."));
    }
    let claims = state.kube.read_token(token).map_err(|_| bad("The token included in the request is invalid."))?;
    if claims.audience != SERVICE {
        return Err(bad("The audience of the token included in the request is invalid."));
    }
    if claims.expires <= now {
        return Err(err(400, "ExpiredTokenException", "The token included in the request is expired."));
    }
    Ok(claims)
}

/// The six session tags of a pod: of a cluster's ARN, of namespace and service account, of its name and uid.
pub fn session_tags(cluster_arn: &str, account: [&str; 2], pod: [&str; 2]) -> BTreeMap<String, String> {
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    let tags = [
        ("eks-cluster-arn", cluster_arn),
        ("eks-cluster-name", name),
        ("kubernetes-namespace", account[0]),
        ("kubernetes-service-account", account[1]),
        ("kubernetes-pod-name", pod[0]),
        ("kubernetes-pod-uid", pod[1]),
    ];
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Whether a trust policy lets EKS do all of `actions` for a pod of a cluster; with these session tags, or none.
pub fn trust_admits(
    trust: &Value,
    cluster_arn: &str,
    tags: &BTreeMap<String, String>,
    now: Timestamp,
    actions: &[&str],
) -> bool {
    let account = cluster_arn.split(':').nth(4).unwrap_or_default();
    let mut facts = tag_facts(tags);
    facts.extend(time_facts(now));
    facts.push(fact("aws:SourceAccount", account));
    facts.push(fact("aws:SourceArn", cluster_arn));
    facts.push(fact("aws:ResourceAccount", account));
    facts.push(("aws:PrincipalIsAWSService".to_owned(), Fact::Flag(true)));
    facts.push(fact("aws:PrincipalServiceName", SERVICE));
    actions.iter().all(|action| trust_allows_service(trust, SERVICE, action, &facts))
}

fn tag_facts(tags: &BTreeMap<String, String>) -> Facts {
    let mut facts: Facts = tags.iter().map(|(key, value)| fact(&format!("aws:RequestTag/{key}"), value)).collect();
    if !tags.is_empty() {
        facts.push(("aws:TagKeys".to_owned(), Fact::Many(tags.keys().cloned().collect())));
        facts.push(("sts:TransitiveTagKeys".to_owned(), Fact::Many(tags.keys().cloned().collect())));
    }
    facts
}

fn time_facts(now: Timestamp) -> Facts {
    vec![fact("aws:CurrentTime", now.to_string()), fact("aws:EpochTime", now.as_second().to_string())]
}

/// The session that an association leads to.
pub(super) fn assume(
    aws: &mut Aws,
    cluster: &str,
    claims: &Claims,
    now: Timestamp,
) -> Result<(Session, Association), AwsError> {
    let association =
        aws.association_of(cluster, &claims.namespace, &claims.service_account).cloned().ok_or_else(|| {
            not_found("The token included in the request has no service account role association for it.")
        })?;
    let (pod, uid) = claims.pod.clone().unwrap_or_default();
    let mut tags = BTreeMap::new();
    if !association.disable_session_tags {
        let who = [claims.namespace.as_str(), claims.service_account.as_str()];
        tags = session_tags(&aws.cluster_arn(cluster), who, [&pod, &uid]);
    }
    let facts = [tag_facts(&tags), time_facts(now)].concat();
    // STS asks for sts:TagSession only where there are tags.
    let actions: &[&str] = if tags.is_empty() { &["sts:AssumeRole"] } else { &["sts:AssumeRole", "sts:TagSession"] };
    let trust =
        aws.role_by_arn(&association.role_arn).and_then(|role| role.trust_seen(now)).ok_or_else(unauthorized)?;
    if !trust_admits(&trust, &aws.cluster_arn(cluster), &tags, now, actions) {
        return Err(unauthorized());
    }
    let name = session_name(cluster, &pod);
    let mut session = aws.session(&association.role_arn, &name);
    let mut limits = Limits { tags, policy: None };
    if let Some(target) = &association.target_role_arn {
        aws.limits.insert(session.arn.clone(), limits.clone());
        aws.check_target(&session, &association, target, actions, facts, now)?;
        session = aws.session(target, &name);
    }
    limits.policy.clone_from(&association.policy);
    aws.limits.insert(session.arn.clone(), limits);
    Ok((session, association))
}

/// `eks-CLUSTER-POD-uuid`, cut to fit the 64 characters of a session name.
fn session_name(cluster: &str, pod: &str) -> String {
    let cut = |text: &str| text.chars().take(10).collect::<String>();
    format!("eks-{}-{}-{}", cut(cluster), cut(pod), uuid())
}

impl Aws {
    /// Whether a pod of a service account may do something: the session that its association leads to is asked.
    pub fn pod_may(
        &mut self,
        cluster: &str,
        [namespace, service_account]: [&str; 2],
        action: &str,
        resource: &str,
        now: Timestamp,
    ) -> bool {
        let claims = Claims {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            pod: Some(("app-5d9c".to_owned(), "0b1c".to_owned())),
            audience: SERVICE.to_owned(),
            expires: now,
        };
        let region = resource.split(':').nth(3).filter(|region| !region.is_empty());
        let facts: Facts = region.map(|region| fact("aws:RequestedRegion", region)).into_iter().collect();
        let session = assume(self, cluster, &claims, now);
        session.is_ok_and(|(session, _)| self.permits(&Who::session(&session), action, resource, &facts).is_ok())
    }

    fn session(&self, role: &str, name: &str) -> Session {
        let account = role.split(':').nth(4).unwrap_or_default();
        let role_name = role.rsplit('/').next().unwrap_or_default();
        let arn = format!("arn:{}:sts::{account}:assumed-role/{role_name}/{name}", self.partition);
        Session { arn, role: role.to_owned() }
    }

    /// The session of a node's instance role.
    pub(super) fn node_session(&self, role: &str, instance: &str) -> Session {
        let arn =
            self.roles.get(role).map_or_else(|| self.arn("iam", false, &format!("role/{role}")), |r| r.arn.clone());
        self.session(&arn, instance)
    }

    /// The second hop: the first role may, and the target lets it, as far as this account can see.
    fn check_target(
        &self,
        first: &Session,
        association: &Association,
        target: &str,
        actions: &[&str],
        mut facts: Facts,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let who = Who::session(first);
        if !actions.iter().all(|action| self.permits(&who, action, target, &facts).is_ok()) {
            return Err(unauthorized());
        }
        if target.split(':').nth(4) != Some(&self.account) {
            return Ok(());
        }
        let trust = self.role_by_arn(target).and_then(|role| role.trust_seen(now)).ok_or_else(unauthorized)?;
        facts.push(fact("aws:PrincipalArn", first.role.as_str()));
        facts.push(fact("aws:PrincipalAccount", self.account.as_str()));
        if let Some(id) = association.external_id(self) {
            facts.push(fact("sts:ExternalId", id));
        }
        if actions.iter().all(|action| trust_allows_role(&trust, &first.role, action, &facts)) {
            Ok(())
        } else {
            Err(unauthorized())
        }
    }

    /// Credentials of a session, good for so many seconds of the world's time.
    fn hand_out(&mut self, session: &Session, now: Timestamp, seconds: i64) -> Key {
        let id = format!("ASIA{}", self.mint(UPPER, 16));
        let secret = format!("{}{}", self.mint(LOWER, 20), self.mint(LOWER, 20));
        let token = format!("IQoJb3JpZ2luX2Vj{}{}", self.mint(LOWER, 32), self.mint(UPPER, 32));
        let key = Key { secret, token, session: session.clone(), expires: now + SignedDuration::from_secs(seconds) };
        self.keys.insert(id, key.clone());
        key
    }
}
