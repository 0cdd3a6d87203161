//! Trust policies: whom a role trusts, read and edited as untyped JSON.

use serde_json::Value;

use super::{cluster::Cluster, document::Document, names::ServiceAccount, want::Scope};

/// Principal that assumes roles for pods, in every partition (EKS User Guide, pod-id-role).
pub const PRINCIPAL: &str = "pods.eks.amazonaws.com";

/// Limit on a trust policy's size in characters, white space not counted; can be raised by quota (IAM User Guide, IAM quotas).
pub const MAX_SIZE: usize = 2048;

/// Whom EKS would assume a role for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Cluster.
    pub cluster: &'a Cluster,
    /// Service account.
    pub subject: &'a ServiceAccount,
    /// Whether the six session tags are sent.
    pub session_tags: bool,
}

/// Whether a trust policy lets EKS assume the role for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Admits,
    /// It does not; why, one line each.
    Refuses(Vec<String>),
    /// It depends on something podid cannot know; what.
    Unknown(Vec<String>),
}

/// podid's Sid for what it admits: `Podid` and 16 hex digits of a hash.
pub fn sid(_cluster: &Cluster, _subject: &ServiceAccount) -> String {
    String::new()
}

/// podid's own statement for one service account.
pub fn statement(_cluster: &Cluster, _subject: &ServiceAccount, _scope: Scope, _session_tags: bool) -> Value {
    Value::Null
}

/// Asks a trust policy about a request.
pub fn evaluate(_document: &Document, _request: &Request<'_>) -> Verdict {
    Verdict::Unknown(Vec::new())
}

/// The document with podid's statement for this service account in it; all other statements stay, in order.
pub fn with_statement(document: &Document, _statement: Value) -> Document {
    document.clone()
}
