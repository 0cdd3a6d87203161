//! What IAM refuses in an identity policy, found before anything is written.
//!
//! The rules: IAM reference, grammar of the JSON policy language; IAM API reference, PutRolePolicy.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::issue::Issue;
use crate::model::{arn, document::Document, json, text, trust};

const TOP: &[&str] = &["Version", "Id", "Statement"];

const STATEMENT: &[&str] = &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// All that IAM refuses in a policy of a role, in the document's order; nothing when IAM accepts it.
pub fn faults(document: &Document) -> Vec<Issue> {
    faults_with(document, resource)
}

/// The same for a session policy, for which STS takes whole ARNs only.
pub(super) fn session_faults(document: &Document) -> Vec<Issue> {
    faults_with(document, whole_resource)
}

fn faults_with(document: &Document, resource: Rule) -> Vec<Issue> {
    let mut found = Found { at: Issue::error(String::new(), ""), faults: Vec::new(), resource };
    let Some(root) = document.0.as_object() else {
        found.say("a policy document is a JSON object");
        return found.faults;
    };
    found.unknown(root, TOP);
    match root.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        _ => found.say_at(&["Version"], "`Version` must be \"2012-10-17\" or \"2008-10-17\""),
    }
    if root.get("Id").is_some_and(|id| !id.is_string()) {
        found.say_at(&["Id"], "`Id` must be a string");
    }
    if let Some(wrong) = refused_character(document) {
        found.say(format!("IAM does not accept the character {wrong:?}"));
    }
    let statements: Vec<&Value> = match root.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => {
            found.say_at(&["Statement"], "`Statement` must be an object or a list of objects");
            Vec::new()
        }
        None => Vec::new(),
    };
    if statements.is_empty() && found.faults.is_empty() {
        found.say("it has no Statement");
    }
    let mut sids = BTreeSet::new();
    for (index, statement) in statements.into_iter().enumerate() {
        found.at = Issue::error(statement_at(document, index), "");
        found.at.statement = Some(index + 1);
        match statement.as_object() {
            Some(statement) => found.statement(statement, &mut sids),
            None => found.say("a statement must be an object"),
        }
    }
    found.faults
}

/// Where a statement is: a list of one may be the statement itself.
pub(super) fn statement_at(document: &Document, index: usize) -> String {
    match &document.0["Statement"] {
        Value::Array(_) => json::below("", &["Statement", &index.to_string()]),
        _ => json::below("", &["Statement"]),
    }
}

/// The first character that no policy may have (IAM and STS API references: tab, line feed, carriage return, and from space
/// to U+00FF).
pub(super) fn refused_character(document: &Document) -> Option<char> {
    document.0.to_string().chars().find(|c| !matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'))
}

/// What an action or a resource must be.
type Rule = fn(&str) -> Result<(), String>;

struct Found {
    /// Where the next one is.
    at: Issue,
    faults: Vec<Issue>,
    resource: Rule,
}

impl Found {
    fn say(&mut self, rule: impl Into<String>) {
        self.faults.push(Issue { message: rule.into(), ..self.at.clone() });
    }

    /// The same of a key, and of what is below it.
    fn say_at(&mut self, keys: &[&str], rule: impl Into<String>) {
        let pointer = json::below(&self.at.pointer, keys);
        self.faults.push(Issue { message: rule.into(), pointer, ..self.at.clone() });
    }

    fn unknown(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            match (key.as_str(), text::nearest(key, known.iter().copied()).first()) {
                ("Principal" | "NotPrincipal", _) => {
                    self.say_at(
                        &[key],
                        format!("`{key}` is not allowed in a policy of a role; it belongs in a trust policy"),
                    );
                }
                (_, Some(near)) => self.say_at(&[key], format!("unknown key `{key}`; did you mean `{near}`?")),
                (_, None) => {
                    self.say_at(&[key], format!("unknown key `{key}`; IAM knows only `{}`", known.join("`, `")));
                }
            }
        }
    }

    fn statement<'a>(&mut self, statement: &'a Map<String, Value>, sids: &mut BTreeSet<&'a str>) {
        match statement.get("Sid") {
            None => {}
            Some(Value::String(sid)) => {
                self.at.sid = Some(sid.clone()).filter(|sid| !sid.is_empty());
                if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    self.say_at(&["Sid"], format!("the Sid `{sid}` may have only letters and digits"));
                } else if !sid.is_empty() && !sids.insert(sid) {
                    self.say_at(&["Sid"], format!("the Sid `{sid}` is used twice"));
                }
            }
            Some(_) => self.say_at(&["Sid"], "`Sid` must be a string"),
        }
        self.unknown(statement, STATEMENT);
        match statement.get("Effect").map(Value::as_str) {
            Some(Some("Allow" | "Deny")) => {}
            None => self.say("`Effect` is missing: \"Allow\" or \"Deny\""),
            Some(_) => self.say_at(&["Effect"], "`Effect` must be \"Allow\" or \"Deny\""),
        }
        self.either(statement, "Action", "NotAction", action);
        self.either(statement, "Resource", "NotResource", self.resource);
        if let Some(condition) = statement.get("Condition") {
            self.condition(condition);
        }
    }

    /// One of two keys, and the texts in it.
    fn either(&mut self, statement: &Map<String, Value>, key: &str, not: &str, rule: Rule) {
        let (key, value) = match (statement.get(key), statement.get(not)) {
            (Some(_), Some(_)) => return self.say_at(&[not], format!("it has both `{key}` and `{not}`")),
            (None, None) => return self.say(format!("`{key}` is missing")),
            (Some(value), None) => (key, value),
            (None, Some(value)) => (not, value),
        };
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        if list.is_empty() {
            self.say_at(&[key], format!("`{key}` is an empty list"));
        }
        for (index, one) in list.iter().enumerate() {
            let index = index.to_string();
            let at: &[&str] = if value.is_array() { &[key, &index] } else { &[key] };
            match one.as_str().map(rule) {
                Some(Ok(())) => {}
                Some(Err(why)) => self.say_at(at, why),
                None => self.say_at(at, format!("`{key}` must be a string or a list of strings")),
            }
        }
    }

    fn condition(&mut self, condition: &Value) {
        let Some(operators) = condition.as_object() else {
            return self.say_at(&["Condition"], "`Condition` must be an object of operators");
        };
        for (operator, keys) in operators {
            if !trust::is_operator(operator) {
                self.say_at(&["Condition", operator], format!("unknown condition operator `{operator}`"));
            }
            let Some(keys) = keys.as_object() else {
                self.say_at(&["Condition", operator], format!("`{operator}` must be an object of condition keys"));
                continue;
            };
            for (key, value) in keys {
                if !key.contains(':') {
                    self.say_at(
                        &["Condition", operator, key],
                        format!("the condition key `{key}` has no prefix such as `aws:`"),
                    );
                }
                let list = match value {
                    Value::Array(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                if list.iter().any(|one| one.is_object() || one.is_array() || one.is_null()) {
                    self.say_at(
                        &["Condition", operator, key],
                        format!("the values of condition key `{key}` must be strings, numbers or booleans"),
                    );
                }
            }
        }
    }
}

fn action(text: &str) -> Result<(), String> {
    let graphic = text.bytes().all(|b| b.is_ascii_graphic());
    match text.split_once(':') {
        _ if text == "*" => Ok(()),
        Some((vendor, name)) if !vendor.is_empty() && !name.is_empty() && graphic => Ok(()),
        Some(_) => Err(format!("`{text}` is not an action (SERVICE:ACTION)")),
        None => Err(format!("action `{text}` has no service prefix such as `s3:`")),
    }
}

/// An ARN, of which IAM takes missing fields for `*` (IAM User Guide, ARNs). Policy variables stand after the fifth colon only.
fn resource(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let (partition, service, region) = match parts[..] {
        _ if text == "*" => return Ok(()),
        ["arn", partition] => (partition, None, ""),
        ["arn", partition, service] => (partition, Some(service), ""),
        ["arn", partition, service, region, ..] => (partition, Some(service), region),
        _ => {
            return Err(format!(
                "resource `{text}` is neither an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE) nor `*`"
            ));
        }
    };
    if !arn::is_partition(partition) && !partition.contains(['*', '?']) {
        return Err(format!("resource `{text}` has the unknown partition `{partition}`"));
    }
    match service {
        Some("") => Err(format!("resource `{text}` names no service")),
        Some("iam") if arn::is_region(region) => Err(format!("resource `{text}` has a region, but IAM ARNs have none")),
        _ => Ok(()),
    }
}

fn whole_resource(text: &str) -> Result<(), String> {
    resource(text)?;
    if text != "*" && text.splitn(6, ':').count() < 6 {
        return Err(format!("resource `{text}` is an incomplete ARN, which a session policy may not have"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
