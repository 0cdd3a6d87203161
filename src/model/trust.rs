//! Trust policies: whom a role trusts, read and edited as untyped JSON. What a permission policy grants is not here.

pub(in crate::model) mod admits;
mod allowed;
mod cluster_names;
pub(in crate::model) mod conditions;
mod deleted;
mod evaluate;
mod fix;
pub mod hop;
pub mod irsa;
mod lint;
mod operator;
mod own;
mod principals;
mod reach;
mod size;
pub mod target;

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::{
    admits::{admits, everyone, lets_itself, others, trusts_pods},
    allowed::{Allowed, allowed, other_clusters},
    cluster_names::cluster_names,
    conditions::TAGS as SESSION_TAGS,
    deleted::without_deleted,
    evaluate::{at_run_time, evaluate},
    fix::{Unfixable, corrected, correction, no_room},
    lint::{Finding, Lint, lint},
    own::{
        SidTaken, admits_only, has_podid_statement, is_podid, is_podid_sid, narrows, own_scope, own_statements,
        podid_statement, sid, statement, taken, with_statement, without_own, without_statement,
    },
    reach::{Reach, opens, opens_warning, reach},
    size::{SHORTEN, TooLong, may_be_too_long, too_long},
};
use super::{cluster::Cluster, document::Document, names::ServiceAccount, want::Scope};

/// Principal that assumes roles for pods, in every partition (EKS User Guide, pod-id-role).
pub const PRINCIPAL: &str = "pods.eks.amazonaws.com";

/// The two actions that EKS needs; without the second even the creation of an association fails (EKS User Guide, pod-id-role).
pub const ACTIONS: [&str; 2] = ["sts:AssumeRole", "sts:TagSession"];

/// Whom EKS would assume a role for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Cluster.
    pub cluster: &'a Cluster,
    /// Service account.
    pub subject: &'a ServiceAccount,
    /// Whether the six session tags are sent.
    pub session_tags: bool,
    /// When it is asked; without it, conditions on the time cannot be told.
    pub now: Option<Timestamp>,
    /// The pod's name, where one pod's request is meant.
    pub pod: Option<&'a str>,
}

/// What kind of reason keeps a request out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No statement allows anything to the one who asks.
    Principal,
    /// The statements that fit do not allow this action.
    MissingAction(&'static str),
    /// A condition does not hold; the key that it asks for, in lower case.
    Condition(String),
    /// A condition asks for a session tag, and they are off.
    SessionTagsOff,
    /// A statement denies it.
    Denied,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Of what kind it is.
    pub cause: Cause,
    /// One line, without a full stop.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All reasons in one line.
pub fn in_words(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}

/// Whether a trust policy lets EKS assume the role for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Admits,
    /// It does not; why.
    Refuses(Vec<Reason>),
    /// It depends on something podid cannot know; what.
    Unknown(Vec<String>),
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// The trust policy allows the service account.
    Allows,
    /// It does not.
    Refuses,
    /// That cannot be determined.
    Unknown,
}

impl Verdict {
    /// Without the reasons.
    pub fn word(&self) -> VerdictWord {
        match self {
            Self::Admits => VerdictWord::Allows,
            Self::Refuses(_) => VerdictWord::Refuses,
            Self::Unknown(_) => VerdictWord::Unknown,
        }
    }
}

/// Whether IAM has this condition operator (`StringEquals`, `ForAnyValue:StringLikeIfExists`, …).
pub fn is_operator(text: &str) -> bool {
    operator::Operator::parse(text).is_known()
}

/// The scope that podid writes when none was asked for: without session tags nothing narrower than a cluster can be told apart.
pub fn default_scope(session_tags: bool) -> Scope {
    if session_tags { Scope::ServiceAccount } else { Scope::Cluster }
}

/// A trust policy with nothing but this statement.
pub fn document(statement: Value) -> Document {
    Document(json!({"Version": "2012-10-17", "Statement": Value::Array(vec![statement])}))
}

#[cfg(test)]
mod tests;
