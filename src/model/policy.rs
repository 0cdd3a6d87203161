//! Permission policies: the inline policies that podid writes, their limits, and what is wrong with those of others. Trust is elsewhere.

mod broad;
mod dynamodb;
mod grammar;
mod granted;
mod issue;
mod known;
mod lint;
mod placeholders;
mod wrapped;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use self::{
    dynamodb::{
        TableError, TableText, check_index_name, dynamodb, merged, parse_table, reduced, remarks, statements, wider,
        without,
    },
    grammar::faults,
    granted::{exactly, granted},
    issue::{Issue, Severity},
    known::{known_actions, unknown as unknown_action, works_on_resources},
    lint::{Checked, check_text, lint, unwrapped},
    placeholders::placeholders,
};
use super::{
    add_on_policy,
    arn::ArnError,
    document::{Document, strings},
};

/// Name of the inline policy that holds podid's DynamoDB statements.
pub const DYNAMODB: &str = "podid-dynamodb";

/// Characters of all inline policies of a role together, white space not counted (IAM User Guide, IAM quotas).
pub const MAX_INLINE: usize = 10_240;

/// Characters of a managed policy (IAM User Guide, IAM quotas).
pub const MAX_MANAGED: usize = 6_144;

/// Managed policies on a role before the quota is raised (IAM User Guide, IAM quotas).
pub const MAX_ATTACHED: usize = 10;

/// Names of podid's own inline policies, and why nobody else's document may have them. What add-ons need is in others: see
/// `add_on_policy`.
const OWN: [(&str, &str); 3] = [
    (DYNAMODB, "is reserved: podid stores access to DynamoDB tables in that policy"),
    (super::grant::POLICY, "is reserved: podid stores its grants in that policy"),
    (super::trust::target::POLICY, "is reserved: podid stores access to target roles in that policy"),
];

/// Whether podid keeps an inline policy of this name for itself.
pub fn is_podids(name: &str) -> bool {
    OWN.iter().any(|(own, _)| *own == name) || name.starts_with(add_on_policy::PREFIX)
}

/// What a document of a user's may not mean as it is, one line each; `name` is the document's.
pub fn warnings(name: &str, document: &Document) -> Vec<String> {
    lint(document).iter().map(|issue| format!("{name}: {issue}")).collect()
}

/// Whether two documents mean the same: a string is a list of one, and neither the order of a list's values, nor that
/// of keys or statements, means anything to IAM.
pub fn same_meaning(a: &Document, b: &Document) -> bool {
    same_value(&a.0, &b.0)
}

pub(super) fn same_value(a: &Value, b: &Value) -> bool {
    normal(a) == normal(b)
}

/// Brings statements of podid's up to date in place, by their Sids; new ones go to the end.
pub(super) fn put_by_sid(list: &mut Vec<Value>, wanted: Vec<Value>) {
    for statement in wanted {
        match list.iter_mut().find(|other| other.get("Sid") == statement.get("Sid")) {
            Some(own) if same_value(own, &statement) => {}
            Some(own) => *own = statement,
            None => list.push(statement),
        }
    }
}

/// One way of writing a policy value: lists for single values, everything in order.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, Value> = fields
                .iter()
                .map(|(key, value)| {
                    let value = match (key.as_str(), value) {
                        // These are never lists.
                        ("Version" | "Id" | "Sid" | "Effect", _) => value.clone(),
                        // Actions know no case (IAM reference, Action element).
                        ("Action" | "NotAction", _) => normal_list(&json!(
                            strings(Some(value)).iter().map(|one| one.to_ascii_lowercase()).collect::<Vec<_>>()
                        )),
                        ("Condition" | "Principal" | "NotPrincipal", Value::Object(_)) => normal(value),
                        (_, Value::Object(_)) if key != "Statement" => normal(value),
                        _ => normal_list(value),
                    };
                    (key, value)
                })
                .collect();
            json!(sorted)
        }
        Value::Bool(b) => json!(b.to_string()),
        Value::Number(n) => json!(n.to_string()),
        other => other.clone(),
    }
}

fn normal_list(value: &Value) -> Value {
    let mut list: Vec<Value> = match value {
        Value::Array(list) => list.iter().map(normal).collect(),
        one => vec![normal(one)],
    };
    list.sort_by_cached_key(Value::to_string);
    list.dedup();
    Value::Array(list)
}

/// Name of an inline policy that a user writes: by IAM's rule, and not one of podid's own, in whatever letter case.
///
/// # Errors
/// When it is none.
pub fn own_name(file: &str) -> Result<String, ArnError> {
    let name = inline_name(file)?;
    let own = OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(&name)).map(|(_, why)| *why);
    let of_add_on = "is reserved: podid stores what add-ons need in policies of such names";
    match own.or_else(|| add_on_policy::is_inline(&name).then_some(of_add_on)) {
        None => Ok(name),
        Some(why) => Err(ArnError::Name { what: "policy name", text: name, why }),
    }
}

/// Inline policy name for a file: its name without directories and extension, by IAM's rule `[\w+=,.@-]{1,128}`
/// (IAM API reference, PutRolePolicy).
///
/// # Errors
/// When what is left is no policy name.
pub fn inline_name(file: &str) -> Result<String, ArnError> {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = match base.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => base,
    };
    let rule = |why| Err(ArnError::Name { what: "policy name", text: stem.to_owned(), why });
    if stem.is_empty() {
        return rule("is empty");
    }
    if stem.len() > 128 {
        return rule("is longer than 128 characters");
    }
    if !stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        return rule("may have only letters, digits and `_+=,.@-`");
    }
    Ok(stem.to_owned())
}

/// Characters of a session policy (STS API reference, AssumeRole, Policy).
const SESSION_POLICY: usize = 2048;

/// Why a document is no session policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No policy document at all.
    #[error("is not a policy document: it has no Statement")]
    Form,
    /// A principal, which is the session's own.
    #[error("names a Principal, which a session policy cannot have")]
    Principal,
    /// A character that STS does not take.
    #[error("has the character {0:?}, which STS does not accept")]
    Character(char),
    /// Other rules of IAM's.
    #[error("is not a policy that IAM accepts: {0}")]
    Grammar(String),
    /// Too long.
    #[error("has {0} characters without white space; the EKS limit is {SESSION_POLICY}")]
    Size(usize),
}

/// Checks what EKS would refuse in a session policy.
///
/// # Errors
/// The first broken rule.
pub fn check_session(document: &Document) -> Result<(), SessionError> {
    let statements = document.statements();
    if statements.is_empty() {
        return Err(SessionError::Form);
    }
    if statements.iter().any(|statement| statement.get("Principal").is_some()) {
        return Err(SessionError::Principal);
    }
    if let Some(wrong) = grammar::refused_character(document) {
        return Err(SessionError::Character(wrong));
    }
    let wrong = grammar::session_faults(document);
    if !wrong.is_empty() {
        return Err(SessionError::Grammar(issue::in_words(&wrong)));
    }
    match document.0.to_string().chars().count() {
        size if size > SESSION_POLICY => Err(SessionError::Size(size)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
