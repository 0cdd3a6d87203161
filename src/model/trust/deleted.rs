//! Principals that were deleted: IAM shows their unique id in place of the ARN, and takes no document with it in (IAM User Guide,
//! "Troubleshoot IAM policies"). No principal ever has that id again, so that nobody loses anything with it.

use serde_json::Value;

use crate::model::document::Document;

/// Whether a principal is the unique id of a role or user (IAM User Guide, "Unique identifiers").
fn is_deleted(principal: &str) -> bool {
    let id = principal.strip_prefix("AROA").or_else(|| principal.strip_prefix("AIDA"));
    id.is_some_and(|rest| rest.len() >= 12 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// The document without principals that were deleted, and which those are. A statement that names nobody else goes.
pub fn without_deleted(document: &Document) -> (Document, Vec<String>) {
    let mut gone = Vec::new();
    let mut after = document.clone();
    let statements = document.statements().into_iter().cloned();
    let kept: Vec<Value> = statements.filter_map(|statement| living(statement, &mut gone)).collect();
    if !gone.is_empty() {
        after.set_statements(kept);
    }
    (after, gone)
}

/// A statement without deleted principals; `None` when it has no others.
fn living(mut statement: Value, gone: &mut Vec<String>) -> Option<Value> {
    let Some(Value::Object(principals)) = statement.get_mut("Principal") else { return Some(statement) };
    let mut dead = |text: &str| {
        let is = is_deleted(text);
        if is && !gone.iter().any(|known| known == text) {
            gone.push(text.to_owned());
        }
        is
    };
    let nobody = match principals.get_mut("AWS") {
        Some(Value::String(one)) => dead(one),
        Some(Value::Array(list)) => {
            let some = !list.is_empty();
            list.retain(|one| !one.as_str().is_some_and(&mut dead));
            some && list.is_empty()
        }
        _ => false,
    };
    if nobody {
        principals.remove("AWS");
    }
    let empty = nobody && principals.is_empty();
    (!empty).then_some(statement)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_go_and_everybody_else_stays() {
        let dead = "AROAEXAMPLEOLDROLEID1";
        let live = "arn:aws:iam::111122223333:role/ci";
        let statement =
            |principal: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        for (principal, wanted) in [
            (json!({ "AWS": dead }), None),
            (json!({ "AWS": [dead] }), None),
            (json!({ "AWS": [dead, dead] }), None),
            (json!({ "AWS": [dead, live] }), Some(json!({ "AWS": [live] }))),
            (json!({ "AWS": dead, "Service": "ec2.amazonaws.com" }), Some(json!({ "Service": "ec2.amazonaws.com" }))),
        ] {
            let other = statement(json!({ "Service": "pods.eks.amazonaws.com" }));
            let document = Document(json!({ "Statement": [statement(principal.clone()), other.clone()] }));
            let (after, gone) = without_deleted(&document);
            let left: Vec<Value> = wanted.map(statement).into_iter().chain([other]).collect();
            assert_eq!(after.0["Statement"], Value::Array(left), "{principal}");
            assert_eq!(gone, [dead]);
        }
        let names = ["AROAshort", "AROA1234", "AROAapplication1"].map(|name| json!({ "AWS": name }));
        for principal in [json!("*"), json!({ "AWS": live }), json!({ "AWS": [] })].into_iter().chain(names) {
            let document = Document(json!({ "Statement": statement(principal) }));
            assert_eq!(without_deleted(&document), (document, Vec::new()));
        }
    }
}
