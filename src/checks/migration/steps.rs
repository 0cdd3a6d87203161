//! The commands that carry a migration out, in the order in which running pods keep their access: the agent, podid's
//! statement beside that of IRSA, the association, the restart, the check.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Assessment, Readiness, Stage};
use crate::model::{arn::last, names::ServiceAccount};

/// The commands of one service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stepped {
    /// The service account; null for what is done once for the cluster.
    pub subject: Option<ServiceAccount>,
    /// The commands.
    pub commands: Vec<String>,
}

/// The commands for one service account, without what is done once for the cluster.
pub(super) fn of(it: &Assessment, cluster: &str) -> Vec<String> {
    if !matches!(it.readiness, Readiness::Ready | Readiness::ReadyWithChanges) {
        return Vec::new();
    }
    let (subject, role) = (&it.subject, last(&it.role_arn));
    // Of a role that podid did not create, `associate` does not change the trust policy.
    let trust = format!("podid role trust {role} --service-account {subject} --fix --cluster {cluster}");
    let trust = Some(trust).filter(|_| it.lacks_trust);
    let associate = format!("podid associate {subject} --role {role} --cluster {cluster}");
    let recycle = format!("podid recycle {subject} --cluster {cluster}");
    let verify = format!("podid verify {subject} --cluster {cluster}");
    let runs = it.pods.is_some_and(|pods| pods.total > 0);
    let rest = match it.stage {
        Stage::Irsa if runs => vec![associate, recycle, verify],
        Stage::Irsa => vec![associate, verify],
        Stage::Both if runs => vec![recycle, verify],
        Stage::Both => vec![verify],
        Stage::PodIdentity | Stage::OtherRole | Stage::Unknown => return Vec::new(),
    };
    trust.into_iter().chain(rest).collect()
}

/// All commands in a safe order: the agent first, service accounts that share a role one after the other, and those of
/// kube-system last, on which others depend.
pub fn steps(all: &[Assessment], cluster: &str) -> Vec<Stepped> {
    let mut going: Vec<&Assessment> = all.iter().filter(|it| !it.commands.is_empty()).collect();
    going.sort_by_key(|it| (it.subject.namespace == "kube-system", &it.role_arn, &it.subject));
    let agent = going.iter().any(|it| it.lacks_agent());
    let agent =
        agent.then(|| Stepped { subject: None, commands: vec![format!("podid agent install --cluster {cluster}")] });
    let each = going.into_iter().map(|it| Stepped { subject: Some(it.subject.clone()), commands: it.commands.clone() });
    agent.into_iter().chain(each).collect()
}
