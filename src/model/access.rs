//! What a workload needs from AWS, and what IAM says of it. What the caller of podid needs is in `permissions`.

mod dynamodb;
mod evaluate;
mod needs;
mod onward;
mod question;
mod reach;
mod session;
mod who;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    dynamodb::{covering, table_of, uses_key},
    evaluate::{Place, Verdict, predict, session_allows, table_says},
    needs::{NeedError, NeedText, from_log, of_grant},
    onward::{policies_naming, resources_for, web_identity_keys},
    question::{QuestionError, QuestionText},
    reach::{Left, Level, Reach, Reached, in_words, level, reach},
    session::Session,
    who::{Answer, Holder, Ruling, holders},
};
pub(crate) use self::{
    evaluate::{but_for_tags, resource_like},
    onward::tags_asked,
};
use super::{document::Document, have::Observed, policy, table::Table};

/// An action that a workload makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// `dynamodb:Query`.
    pub action: String,
    /// ARN of what it is made on; `*` for actions without a resource.
    pub resource: String,
    /// How podid knows: `--needs`, `--s3 BUCKET=read`, or `the log of pod carts/carts-abc`.
    pub from: String,
    /// What the call is known to bring along.
    pub context: CallContext,
}

/// With this begins where a need comes from that a log tells of.
const FROM_LOG: &str = "the log of";

/// With this ends where a need comes from that was refused to another role than the workload's.
const OF_ANOTHER: &str = ", refused to another role";

/// Condition keys of a call with their values; `None` for a key that the call does not have.
pub type CallContext = Vec<(String, Option<String>)>;

impl Need {
    /// A need of which nothing more is known.
    pub fn new(action: impl Into<String>, resource: impl Into<String>, from: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), from: from.into(), context: Vec::new() }
    }

    /// Whether a log tells of it.
    pub fn is_told(&self) -> bool {
        self.from.starts_with(FROM_LOG)
    }

    /// Whether a log tells of it as refused to another role than the workload's, which was never asked.
    pub fn is_told_of_another(&self) -> bool {
        self.is_told() && self.from.ends_with(OF_ANOTHER)
    }

    /// Whether it does not say on what, although the action is made on a resource.
    pub fn names_no_resource(&self) -> bool {
        self.resource == "*" && policy::works_on_resources(&self.action)
    }

    /// Whether both ask the same.
    pub fn same_call(&self, other: &Self) -> bool {
        self.action == other.action && self.resource == other.resource && self.context == other.context
    }
}

/// The policies that speak about a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleDocuments {
    /// Attached managed policies by ARN, and inline ones by name, each with its document.
    pub identity: Vec<(String, Document)>,
    /// The permissions boundary, by ARN.
    pub boundary: Option<(String, Document)>,
}

/// What a policy, or all of them, come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Allowed, and nothing denies it.
    Allowed,
    /// Nothing allows it.
    Implicit,
    /// A statement denies it.
    Explicit,
}

impl Decision {
    /// The same, of a call that brings this along: what the call does not have is not unknown.
    #[must_use]
    pub fn with(&self, brings: &CallContext) -> Self {
        let told = |key: &&String| brings.iter().any(|(known, _)| known.eq_ignore_ascii_case(key));
        let missing = self.missing.iter().filter(|key| !told(key)).cloned().collect();
        Self { context: brings.clone(), missing, ..self.clone() }
    }

    /// Whether it is the answer to this need.
    pub fn is_of(&self, need: &Need) -> bool {
        self.action.eq_ignore_ascii_case(&need.action) && self.resource == need.resource && self.context == need.context
    }

    /// Keys that the policies ask for, of which podid cannot know what they hold. A Deny that hangs on one of them may not
    /// apply to the pods, and an Allow may.
    pub fn hangs_on(&self, session: &Session) -> Vec<&str> {
        self.missing.iter().filter(|key| !session.lacks(key)).map(String::as_str).collect()
    }
}

impl Effect {
    /// As IAM says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Implicit => "implicitDeny",
            Self::Explicit => "explicitDeny",
        }
    }
}

/// What IAM answers of one action on one resource (IAM API reference, EvaluationResult).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// `dynamodb:Query`.
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// What the call was said to bring along.
    pub context: CallContext,
    /// What the policies together come to.
    pub effect: Effect,
    /// Whether the permissions boundary allows it; `None` without one.
    pub boundary: Option<bool>,
    /// Whether the organization's service control policies allow it; `None` outside an organization.
    pub organization: Option<bool>,
    /// Context keys that the policies ask for and nobody gave.
    pub missing: Vec<String>,
    /// Names of the policies whose statements decided.
    pub policies: Vec<String>,
}

/// What SimulatePrincipalPolicy is asked: some actions on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// ARN of the role.
    pub role: String,
    /// Actions.
    pub actions: Vec<String>,
    /// ARN, or `*`.
    pub resource: String,
    /// Context keys, each with its value.
    pub context: Vec<(String, String)>,
}

/// What was asked about the needs of one service account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessView {
    /// IAM's answers.
    pub simulated: Observed<Vec<Decision>>,
    /// The tables that the needs name, by ARN.
    pub tables: BTreeMap<String, Observed<Option<Table>>>,
    /// Their resource policies.
    pub table_policies: BTreeMap<String, Observed<Option<Document>>>,
}

/// The role that nodes run as, and whether it may ask EKS Auth for credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRole {
    /// ARN.
    pub arn: String,
    /// IAM's answer.
    pub simulated: Observed<Vec<Decision>>,
    /// Its policies, when IAM could not be asked.
    pub documents: Observed<RoleDocuments>,
}

/// Why IAM does not say what a role may do that was deleted.
pub const NO_ROLE: &str = "the role does not exist";

/// What the agent of a node asks for, with its node's role (EKS User Guide, pod-id-agent-setup).
pub const EKS_AUTH: &str = "eks-auth:AssumeRoleForPodIdentity";

#[cfg(test)]
mod tests;
