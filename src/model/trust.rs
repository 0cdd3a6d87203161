//! Trust policies: whom a role trusts, read and edited as untyped JSON. What a permission policy grants is not here.

mod admits;
pub(in crate::model) mod conditions;
mod evaluate;
pub mod hop;
mod lint;
mod operator;
mod reach;
pub mod target;

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use self::{
    admits::{admits, others, trusts_pods},
    conditions::TAGS as SESSION_TAGS,
    evaluate::{at_run_time, evaluate},
    lint::{Finding, Lint, corrected, lint},
    reach::{Reach, reach},
};
use super::{
    cluster::Cluster,
    document::{Document, strings},
    names::ServiceAccount,
    text,
    want::Scope,
};

/// Principal that assumes roles for pods, in every partition (EKS User Guide, pod-id-role).
pub const PRINCIPAL: &str = "pods.eks.amazonaws.com";

/// The two actions that EKS needs; without the second even the creation of an association fails (EKS User Guide, pod-id-role).
pub const ACTIONS: [&str; 2] = ["sts:AssumeRole", "sts:TagSession"];

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
    /// When it is asked; without it, conditions on the time cannot be told.
    pub now: Option<Timestamp>,
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

/// podid's Sid for what it admits: `Podid` and 16 hex digits of a hash. A Sid may have letters and digits only
/// (IAM reference, Sid element). The scope is not part of it: one statement per service account, whatever its width.
pub fn sid(cluster: &Cluster, subject: &ServiceAccount) -> String {
    format!("Podid{}", text::short_hash(&[&cluster.arn.to_string(), &subject.namespace, &subject.name], 16))
}

/// Whether a Sid is one that [`sid`] makes.
pub fn is_podid_sid(text: &str) -> bool {
    text.strip_prefix("Podid")
        .is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// The scope that podid writes when none was asked for: without session tags nothing narrower than a cluster can be told apart.
pub fn default_scope(session_tags: bool) -> Scope {
    if session_tags { Scope::ServiceAccount } else { Scope::Cluster }
}

/// podid's own statement for one service account. A scope that needs session tags keeps its conditions also when
/// there are none: such a statement admits nobody, which is safer than one that admits more than was asked for.
pub fn statement(cluster: &Cluster, subject: &ServiceAccount, scope: Scope, session_tags: bool) -> Value {
    let arn = cluster.arn.to_string();
    let mut statement = json!({
        "Sid": sid(cluster, subject),
        "Effect": "Allow",
        "Principal": {"Service": PRINCIPAL},
        "Action": ACTIONS,
    });
    let condition = match scope {
        Scope::ServiceAccount => json!({"StringEquals": {
            "aws:RequestTag/eks-cluster-arn": arn,
            "aws:RequestTag/kubernetes-namespace": subject.namespace,
            "aws:RequestTag/kubernetes-service-account": subject.name,
        }}),
        Scope::Namespace => json!({"StringEquals": {
            "aws:RequestTag/eks-cluster-arn": arn,
            "aws:RequestTag/kubernetes-namespace": subject.namespace,
        }}),
        Scope::Cluster if session_tags => json!({"StringEquals": {"aws:RequestTag/eks-cluster-arn": arn}}),
        // The source ARN is the cluster's, never the association's (AWS Containers blog, EKS Pod Identity launch).
        Scope::Cluster => json!({
            "ArnEquals": {"aws:SourceArn": arn},
            "StringEquals": {"aws:SourceAccount": cluster.arn.account},
        }),
        Scope::None => return statement,
    };
    statement["Condition"] = condition;
    statement
}

/// Whether a trust policy is podid's statement for this service account at its narrowest, and nothing else.
pub fn admits_only(document: &Document, cluster: &Cluster, subject: &ServiceAccount) -> bool {
    let narrow = statement(cluster, subject, Scope::ServiceAccount, true);
    super::policy::same_meaning(document, &self::document(narrow))
}

/// Whether writing podid's statements for these service accounts with another scope may come to admit fewer than today:
/// one that is wider than its service account is not of that scope. Whoever else uses the role has to be known then.
pub fn narrows<'a>(
    document: &Document,
    cluster: &Cluster,
    scope: Scope,
    users: impl IntoIterator<Item = &'a ServiceAccount>,
) -> bool {
    users.into_iter().any(|subject| {
        podid_statement(document, cluster, subject).is_some_and(|own| {
            let is = |scope, tags| *own == statement(cluster, subject, scope, tags);
            !is(Scope::ServiceAccount, true) && !is(scope, true) && !is(scope, false)
        })
    })
}

/// A trust policy with nothing but this statement.
pub fn document(statement: Value) -> Document {
    Document(json!({"Version": "2012-10-17", "Statement": Value::Array(vec![statement])}))
}

/// The document with podid's statement for this service account in it; all other statements stay, in order.
/// A statement with the same Sid is replaced where it stands. A document that is none at all becomes a new one.
pub fn with_statement(document: &Document, statement: Value) -> Document {
    let mut after = document.clone();
    let Some(fields) = after.0.as_object_mut() else { return self::document(statement) };
    let sid = statement.get("Sid").cloned().unwrap_or_default();
    let same = |other: &Value| sid.is_string() && other.get("Sid") == Some(&sid);
    match fields.get_mut("Statement") {
        Some(Value::Array(list)) => match list.iter_mut().find(|other| same(other)) {
            Some(own) => *own = statement,
            None => list.push(statement),
        },
        Some(one @ Value::Object(_)) if same(one) => *one = statement,
        Some(one @ Value::Object(_)) => *one = Value::Array(vec![one.take(), statement]),
        _ => {
            fields.insert("Statement".to_owned(), json!([statement]));
        }
    }
    after
}

/// The document without podid's statement for this service account. IAM refuses a document without statements:
/// whoever removes the last one has to delete the role or leave it.
pub fn without_statement(document: &Document, sid: &str) -> Document {
    let mut after = document.clone();
    let own = |other: &Value| other.get("Sid").and_then(Value::as_str) == Some(sid);
    match after.0.get_mut("Statement") {
        Some(Value::Array(list)) => list.retain(|other| !own(other)),
        Some(one @ Value::Object(_)) if own(one) => *one = json!([]),
        _ => {}
    }
    after
}

/// podid's own statement for a service account, if the document has it.
pub fn podid_statement<'a>(document: &'a Document, cluster: &Cluster, subject: &ServiceAccount) -> Option<&'a Value> {
    let sid = sid(cluster, subject);
    document.statements().into_iter().find(|s| s.get("Sid").and_then(Value::as_str) == Some(sid.as_str()))
}

/// Whether the document has podid's own statement for a service account.
pub fn has_podid_statement(document: &Document, cluster: &Cluster, subject: &ServiceAccount) -> bool {
    podid_statement(document, cluster, subject).is_some()
}

/// The document as it has to be to admit the request: a missing action is added where all else fits, otherwise podid's
/// statement is added. `None` when no addition helps, because a statement denies it.
pub fn correction(document: &Document, request: &Request<'_>, scope: Scope) -> Option<Document> {
    let completed = completed(document, request);
    let after = completed.unwrap_or_else(|| {
        with_statement(document, statement(request.cluster, request.subject, scope, request.session_tags))
    });
    (!matches!(evaluate(&after, request), Verdict::Refuses(_))).then_some(after)
}

/// The document with the missing actions added to the first foreign statement that admits the request but for them.
fn completed(document: &Document, request: &Request<'_>) -> Option<Document> {
    let count = document.statements().len();
    (0..count).find_map(|index| {
        let mut after = document.clone();
        let target = match after.0.get_mut("Statement") {
            Some(Value::Array(list)) => list.get_mut(index)?,
            Some(one) => one,
            None => return None,
        };
        let has: Vec<String> = strings(target.get("Action")).into_iter().map(str::to_owned).collect();
        if target.get("Effect").and_then(Value::as_str) != Some("Allow") || has.is_empty() {
            return None;
        }
        // A statement for web identities is another door; adding actions to it would not make sense of it.
        if !has.iter().any(|a| ACTIONS.iter().any(|wanted| wanted.eq_ignore_ascii_case(a))) {
            return None;
        }
        let mut actions = has.clone();
        let missing = ACTIONS.iter().filter(|wanted| !has.iter().any(|a| a.eq_ignore_ascii_case(wanted)));
        actions.extend(missing.map(|wanted| (*wanted).to_owned()));
        target["Action"] = json!(actions);
        // Judged alone, so that it is this statement that fits and not another one.
        let alone = self::document(target.clone());
        (actions.len() > has.len() && evaluate(&alone, request) == Verdict::Admits).then_some(after)
    })
}

#[cfg(test)]
mod tests;
