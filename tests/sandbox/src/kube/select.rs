//! Label and field selectors.

use serde_json::Value;

use super::{
    failure::Failure,
    json::{entries, entry, list, text},
    kinds::Kind,
};

/// What a list or watch is narrowed to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<Term>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone)]
enum Term {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    pub(crate) fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, Failure> {
        let mut selector = Self::default();
        for term in split(labels) {
            selector.labels.push(Term::parse(term.trim())?);
        }
        for term in fields.split(',').filter(|t| !t.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = term.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (field, true, value)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{term}'; can't understand '{term}'")));
            };
            let known = matches!(field, "metadata.name" | "metadata.namespace")
                || match kind.resource {
                    "pods" => matches!(
                        field,
                        "spec.nodeName" | "spec.serviceAccountName" | "status.phase" | "spec.restartPolicy"
                    ),
                    "events" => field.starts_with("involvedObject.") || matches!(field, "reason" | "type" | "source"),
                    "nodes" => field == "spec.unschedulable",
                    "namespaces" => field == "status.phase",
                    "secrets" => field == "type",
                    _ => false,
                };
            if !known {
                return Err(Failure::bad_request(format!("field label not supported: {field}")));
            }
            selector.fields.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(selector)
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|term| term.matches(object))
            && self.fields.iter().all(|(field, equal, value)| {
                (text(object, &format!("/{}", field.replace('.', "/"))) == value) == *equal
            })
    }
}

impl Term {
    fn parse(term: &str) -> Result<Self, Failure> {
        let bad = |found: &str, expected: &str| {
            Failure::bad_request(format!("unable to parse requirement: found '{found}', expected: {expected}"))
        };
        let values = |set: &str| -> Vec<String> {
            set.trim().trim_matches(['(', ')']).split(',').map(|v| v.trim().to_owned()).collect()
        };
        let word = |key: &str| {
            if key.is_empty() || key.contains(char::is_whitespace) {
                Err(bad(term.get(..1).unwrap_or_default(), "identifier"))
            } else {
                Ok(key.to_owned())
            }
        };
        if let Some((key, set)) = term.split_once(" notin ").or_else(|| term.split_once(" notin")) {
            return Ok(Self::NotIn(word(key.trim())?, values(set)));
        }
        if let Some((key, set)) = term.split_once(" in ").or_else(|| term.split_once(" in(")) {
            return Ok(Self::In(word(key.trim())?, values(set)));
        }
        if let Some((key, value)) = term.split_once("!=") {
            return Ok(Self::NotIn(word(key.trim())?, vec![value.trim().to_owned()]));
        }
        if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            return Ok(Self::In(word(key.trim())?, vec![value.trim().to_owned()]));
        }
        match term.strip_prefix('!') {
            Some(key) => Ok(Self::Missing(word(key.trim())?)),
            None => Ok(Self::Exists(word(term)?)),
        }
    }

    fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| entry(object, "/metadata/labels", key);
        match self {
            Self::In(key, values) => label(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(key, values) => label(key).is_none_or(|v| values.iter().all(|w| w != v)),
            Self::Exists(key) => label(key).is_some(),
            Self::Missing(key) => label(key).is_none(),
        }
    }
}

/// Splits at commas outside parentheses.
fn split(selector: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in selector.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < selector.len() {
        parts.push(&selector[start..]);
    }
    parts
}

/// Whether an object's `LabelSelector` (at `pointer`) chooses `labels` of `object`.
pub(crate) fn chooses(owner: &Value, pointer: &str, object: &Value) -> bool {
    let Some(selector) = owner.pointer(pointer) else { return false };
    entries(selector, "/matchLabels").all(|(k, v)| entry(object, "/metadata/labels", k) == v.as_str())
        && list(selector, "/matchExpressions")
            .iter()
            .all(|e| expression(e, entry(object, "/metadata/labels", text(e, "/key"))))
}

/// One `matchExpressions` entry against a label's value.
pub(crate) fn expression(expression: &Value, value: Option<&str>) -> bool {
    let listed = || list(expression, "/values").iter().any(|v| v.as_str() == value);
    let than = |greater: bool| {
        let (a, b) = (value.and_then(|v| v.parse::<i64>().ok()), text(expression, "/values/0").parse::<i64>().ok());
        a.zip(b).is_some_and(|(a, b)| if greater { a > b } else { a < b })
    };
    match text(expression, "/operator") {
        "In" => value.is_some() && listed(),
        "NotIn" => value.is_none() || !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => than(true),
        "Lt" => than(false),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube::kinds;

    #[test]
    fn labels_by_equality_and_by_set() {
        let pod = json!({"metadata": {"name": "a", "labels": {"app": "web", "tier": "front"}}});
        let yes =
            ["app=web", "app==web,tier", "app in (web,db)", "app notin (db),!gone", "tier!=back", "x notin (y)", ""];
        for labels in yes {
            assert!(Selector::parse(kinds::of("pods"), labels, "").unwrap().matches(&pod), "{labels}");
        }
        for labels in ["app=db", "app in (db, api)", "!app", "gone", "app!=web"] {
            assert!(!Selector::parse(kinds::of("pods"), labels, "").unwrap().matches(&pod), "{labels}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_the_servers_words() {
        let error = Selector::parse(kinds::of("pods"), "=x", "").unwrap_err();
        assert_eq!(error.message, "unable to parse requirement: found '=', expected: identifier");
        let error = Selector::parse(kinds::of("pods"), "", "spec.foo=1").unwrap_err();
        assert_eq!(error.message, "field label not supported: spec.foo");
    }
}
