//! The session that pods get: what conditions are asked about. Whom a role trusts is `trust`'s.

use std::collections::BTreeMap;

use super::CallContext;
use crate::model::{
    arn::{self, Arn},
    association::Association,
    cluster::Cluster,
    role::Role,
    snapshot::Snapshot,
    trust::{
        SESSION_TAGS,
        conditions::{Context, Keys},
    },
};

/// Who makes a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// ARN of the role.
    pub role: String,
    /// Its tags, over which the session's win.
    pub tags: BTreeMap<String, String>,
    /// EKS sends the six session tags, those too whose value differs from pod to pod.
    pub tagged: bool,
    /// All tags of the role are among them: it was read.
    pub complete: bool,
}

impl Session {
    /// The session of a role without tags, such as a node's.
    pub fn plain(role: &str) -> Self {
        Self { role: role.to_owned(), ..Self::default() }
    }

    /// The session that the pods of a service account end up with: of the target role where there is one. `None` without an
    /// association.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let association = snapshot.associated()?;
        let view = if association.target_role_arn.is_some() { &snapshot.target } else { &snapshot.role };
        let role = view.role.known().and_then(Option::as_ref);
        let mut session = Self::through(association, role, snapshot.cluster.cluster.known());
        // One of the pods stands for all: which one is asking, nobody can tell.
        if let (true, Some(_), Some(pod)) =
            (session.tagged, snapshot.cluster.cluster.known(), snapshot.live_pods().first())
        {
            session.tags.insert(SESSION_TAGS[4].to_owned(), pod.name.clone());
        }
        Some(session)
    }

    /// The session that an association leads to. `role`: the one whose credentials pods get in the end, where it was read.
    pub fn through(association: &Association, role: Option<&Role>, cluster: Option<&Cluster>) -> Self {
        let mut tags = role.map(|role| role.tags.clone()).unwrap_or_default();
        let tagged = !association.disable_session_tags;
        if let (true, Some(cluster)) = (tagged, cluster) {
            let subject = &association.summary.subject;
            let values =
                [cluster.arn.to_string(), cluster.name.clone(), subject.namespace.clone(), subject.name.clone()];
            // A session's tags win over its role's, and the case of their keys does not matter (IAM User Guide, session tags).
            tags.retain(|key, _| !SESSION_TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(key)));
            tags.extend(SESSION_TAGS.iter().map(|tag| (*tag).to_owned()).zip(values));
        }
        let arn = association.acts_as().to_owned();
        Self { role: arn, tags, tagged, complete: role.is_some() }
    }

    /// Whether a condition key is one of whose absence podid knows, when IAM says that it was not told.
    pub fn lacks(&self, key: &str) -> bool {
        let lower = key.to_ascii_lowercase();
        let Some(tag) = lower.strip_prefix("aws:principaltag/") else { return false };
        if SESSION_TAGS.contains(&tag) { !self.tagged || !tag.starts_with("kubernetes-pod-") } else { self.complete }
    }

    /// What is known of a call on a resource, as SimulatePrincipalPolicy is told it.
    pub fn context(&self, action: &str, resource: &str, brings: &CallContext) -> Vec<(String, String)> {
        let mut context: Vec<(String, String)> =
            self.tags.iter().map(|(key, value)| (format!("aws:PrincipalTag/{key}"), value.clone())).collect();
        let known = ["aws:PrincipalArn", "aws:PrincipalAccount", "aws:RequestedRegion", "aws:ResourceAccount"];
        for key in known.into_iter().chain(["aws:SecureTransport", "kms:ViaService", "kms:CallerAccount"]) {
            if let Some(value) = self.global(&key.to_ascii_lowercase(), action, resource) {
                context.push((key.to_owned(), value));
            }
        }
        context.retain(|(key, _)| !brings.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)));
        context.extend(brings.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))));
        context
    }

    /// A global condition key's value, by its name in lower case.
    fn global(&self, key: &str, action: &str, resource: &str) -> Option<String> {
        let arn: Option<Arn> = resource.parse().ok();
        let account = || arn::account(&self.role).map(str::to_owned);
        let kms = action.starts_with("kms:");
        match key {
            "aws:principalarn" => Some(self.role.clone()),
            "aws:principalaccount" => account(),
            "aws:principaltype" => Some("AssumedRole".to_owned()),
            "aws:principalisawsservice" => Some("false".to_owned()),
            "aws:securetransport" => Some("true".to_owned()),
            "aws:requestedregion" => arn.map(|arn| arn.region).filter(|region| !region.is_empty()),
            "aws:resourceaccount" => arn.map(|arn| arn.account).filter(|account| !account.is_empty()),
            "kms:calleraccount" if kms => account(),
            // DynamoDB asks for its key in the name of the caller.
            "kms:viaservice" if kms => {
                let arn = arn?;
                let suffix = if arn.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
                Some(format!("dynamodb.{}.{suffix}", arn.region))
            }
            _ => None,
        }
    }
}

/// One call of a session.
pub(super) struct Call<'a> {
    pub session: &'a Session,
    pub action: &'a str,
    pub resource: &'a str,
    /// What the call is known to bring along.
    pub brings: &'a CallContext,
    /// Whatever a policy says of the caller's tags holds: what would be without them.
    pub any_tag: bool,
    /// How the call reaches its service is not known: a workload may make it, or a service in its name.
    pub any_way: bool,
}

impl Keys for Call<'_> {
    fn context(&self, key: &str) -> Context {
        let key = key.to_ascii_lowercase();
        if let Some((_, value)) = self.brings.iter().find(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            return value.clone().map_or(Context::Absent, Context::One);
        }
        if let Some(tag) = key.strip_prefix("aws:principaltag/") {
            if self.any_tag {
                return Context::Unknown;
            }
            // The value of these two differs from pod to pod.
            if self.session.tagged && SESSION_TAGS[4..].contains(&tag) {
                return Context::Present;
            }
            let found = self.session.tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
            let known = self.session.complete || SESSION_TAGS.contains(&tag);
            let without = if known { Context::Absent } else { Context::Unknown };
            return found.map_or(without, |(_, value)| Context::One(value.clone()));
        }
        if self.any_way && key == "kms:viaservice" {
            return Context::Unknown;
        }
        self.session.global(&key, self.action, self.resource).map_or(Context::Unknown, Context::One)
    }

    fn missing(&self, key: &str, who: &str) -> String {
        if key.to_ascii_lowercase().starts_with("aws:principaltag/") && !self.session.tagged {
            return format!("{who} requires {key}, and session tags are disabled");
        }
        format!("{who} requires {key}, which the session does not have")
    }
}
