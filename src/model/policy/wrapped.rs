//! Policy documents inside what other tools print: the AWS CLI, and iam-policy-autopilot.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::model::{document::Document, json};

/// A document, and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unwrapped {
    pub document: Document,
    /// Where in the text, as a JSON pointer.
    pub pointer: String,
    /// What to tell of it; `None` for a document that was not wrapped.
    pub note: Option<String>,
}

/// What `aws iam get-policy-version`, `get-role-policy` and their like print around a document.
const CLI: [&[&str]; 3] = [&["PolicyVersion", "Document"], &["PolicyDocument"], &["Document"]];

/// Takes the policy document out of what is around it, if anything is.
///
/// # Errors
/// What is wrong, when there is none in it, or not exactly one.
pub(super) fn unwrap(value: Value) -> Result<Unwrapped, String> {
    if value.get("Statement").is_some() {
        return Ok(Unwrapped { document: Document(value), pointer: String::new(), note: None });
    }
    let at = |keys: &[&str]| {
        let pointer = json::below("", keys);
        value.pointer(&pointer).map(|inner| (pointer, inner))
    };
    let (pointer, inner) = match value.get("Policies") {
        Some(Value::Array(list)) => only(list)?,
        _ if value.is_string() => (String::new(), &value),
        _ => CLI.into_iter().find_map(at).ok_or("not a policy document: it has no Statement")?,
    };
    let document = match inner {
        Value::String(text) => decoded(text).map_err(|why| format!("not a policy document: {why}"))?,
        other => other.clone(),
    };
    if document.get("Statement").is_none() {
        return Err("not a policy document: it has no Statement".to_owned());
    }
    let from = match pointer.trim_start_matches('/').replace('/', ".") {
        whole if whole.is_empty() => "a string".to_owned(),
        path => format!("`{path}`"),
    };
    Ok(Unwrapped {
        document: Document(document),
        pointer,
        note: Some(format!("the policy document was read from {from}")),
    })
}

/// The one policy that iam-policy-autopilot generated.
fn only(list: &[Value]) -> Result<(String, &Value), String> {
    let [one] = list else {
        return Err(format!("`Policies` has {} policies, not one: put each into a file of its own", list.len()));
    };
    let kind = one.get("PolicyType").and_then(Value::as_str);
    if let Some(other) = kind.filter(|kind| *kind != "Identity") {
        return Err(format!("the policy in `Policies` is of type `{other}`, not `Identity`"));
    }
    Ok(match one.get("Policy") {
        Some(policy) => (json::below("", &["Policies", "0", "Policy"]), policy),
        None => (json::below("", &["Policies", "0"]), one),
    })
}

/// A document in a string, as JSON or URL-encoded.
fn decoded(text: &str) -> Result<Value, String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "its URL encoding is not UTF-8".to_owned());
    let text = if text.trim_start().starts_with('%') { decoded? } else { text.into() };
    json::parse(&text).map_err(|wrong| format!("the string in it is not JSON: {}", wrong.why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_taken_out_of_what_is_around_them() {
        let document = json!({"Version": "2012-10-17", "Statement": []});
        let text = document.to_string();
        let encoded = text.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        for (wrapped, pointer, note) in [
            (document.clone(), "", None),
            (
                json!({"PolicyVersion": {"Document": document, "VersionId": "v1"}}),
                "/PolicyVersion/Document",
                Some("`PolicyVersion.Document`"),
            ),
            (json!({"Document": document, "VersionId": "v1"}), "/Document", Some("`Document`")),
            (json!({"RoleName": "r", "PolicyDocument": document}), "/PolicyDocument", Some("`PolicyDocument`")),
            (json!({"RoleName": "r", "PolicyDocument": encoded}), "/PolicyDocument", Some("`PolicyDocument`")),
            (json!(encoded), "", Some("a string")),
            (json!(text), "", Some("a string")),
            (
                json!({"Policies": [{"Policy": document, "PolicyType": "Identity"}], "Explanations": {}}),
                "/Policies/0/Policy",
                Some("`Policies.0.Policy`"),
            ),
            (json!({"Policies": [text]}), "/Policies/0", Some("`Policies.0`")),
        ] {
            let found = unwrap(wrapped.clone()).unwrap();
            assert_eq!((&found.document.0, found.pointer.as_str()), (&document, pointer), "{wrapped}");
            let note = note.map(|from| format!("the policy document was read from {from}"));
            assert_eq!(found.note, note, "{wrapped}");
        }
        let policy = json!({"Policy": document, "PolicyType": "Identity"});
        for (wrong, says) in [
            (json!({"hello": "world"}), "it has no Statement"),
            (json!([]), "it has no Statement"),
            (json!({"PolicyDocument": {"hello": "world"}}), "it has no Statement"),
            (json!({"PolicyDocument": "hello"}), "the string in it is not JSON"),
            (json!({"PolicyDocument": "%ff"}), "is not UTF-8"),
            (json!({"Policies": []}), "`Policies` has 0 policies, not one"),
            (json!({"Policies": [policy, policy]}), "`Policies` has 2 policies, not one"),
            (json!({"Policies": [{"Policy": document, "PolicyType": "Resource"}]}), "is of type `Resource`"),
        ] {
            let why = unwrap(wrong.clone()).unwrap_err();
            assert!(why.contains(says), "{wrong}: {why}");
        }
    }
}
