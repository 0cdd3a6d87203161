//! Permission policies: the inline policies that podid writes, their limits, and what is too wide. Trust is elsewhere.

mod broad;
mod dynamodb;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use self::{
    broad::broad,
    dynamodb::{TableError, TableText, check_index_name, dynamodb, merged, parse_table, remarks, statements, without},
};
use super::{
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

/// Whether two documents mean the same: a string is a list of one, and neither the order of a list's values, nor that
/// of keys or statements, means anything to IAM.
pub fn same_meaning(a: &Document, b: &Document) -> bool {
    same_value(&a.0, &b.0)
}

fn same_value(a: &Value, b: &Value) -> bool {
    normal(a) == normal(b)
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

#[cfg(test)]
mod tests;
