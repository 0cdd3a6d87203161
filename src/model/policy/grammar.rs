//! What IAM refuses in an identity policy, found before anything is written, and what it accepts although nobody meant it.
//!
//! The rules: IAM reference, grammar of the JSON policy language; IAM API reference, PutRolePolicy.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value};

use crate::model::{arn, document::Document, text, trust};

/// A rule that a document breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `statement 2 (ReadOrders)`; nothing for the document itself.
    at: Option<String>,
    /// What is wrong.
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{at}: {}", self.rule),
            None => f.write_str(&self.rule),
        }
    }
}

/// Faults as one text: one in a line, several each in its own.
pub fn in_words(faults: &[Fault]) -> String {
    match faults {
        [one] => one.to_string(),
        several => several.iter().map(|fault| format!("\n  {fault}")).collect::<Vec<_>>().concat(),
    }
}

const TOP: &[&str] = &["Version", "Id", "Statement"];

const STATEMENT: &[&str] = &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// All that IAM refuses in a policy of a role, in the document's order; nothing when IAM accepts it.
pub fn faults(document: &Document) -> Vec<Fault> {
    faults_with(document, resource)
}

/// The same for a session policy, for which STS takes whole ARNs only.
pub(super) fn session_faults(document: &Document) -> Vec<Fault> {
    faults_with(document, whole_resource)
}

fn faults_with(document: &Document, resource: Rule) -> Vec<Fault> {
    let mut found = Found { at: None, faults: Vec::new(), resource };
    let Some(root) = document.0.as_object() else {
        found.say("a policy document is a JSON object");
        return found.faults;
    };
    found.unknown(root, TOP);
    match root.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        _ => found.say("`Version` must be \"2012-10-17\" or \"2008-10-17\""),
    }
    if root.get("Id").is_some_and(|id| !id.is_string()) {
        found.say("`Id` must be a string");
    }
    if let Some(wrong) = refused_character(document) {
        found.say(format!("IAM does not accept the character {wrong:?}"));
    }
    let statements: Vec<&Value> = match root.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => {
            found.say("`Statement` must be an object or a list of objects");
            Vec::new()
        }
        None => Vec::new(),
    };
    if statements.is_empty() && found.faults.is_empty() {
        found.say("it has no Statement");
    }
    let mut sids = BTreeSet::new();
    for (index, statement) in statements.into_iter().enumerate() {
        found.at = Some(format!("statement {}", index + 1));
        match statement.as_object() {
            Some(statement) => found.statement(statement, &mut sids),
            None => found.say("a statement must be an object"),
        }
    }
    found.faults
}

/// The first character that no policy may have (IAM and STS API references: tab, line feed, carriage return, and from space
/// to U+00FF).
pub(super) fn refused_character(document: &Document) -> Option<char> {
    document.0.to_string().chars().find(|c| !matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'))
}

/// What an action or a resource must be.
type Rule = fn(&str) -> Result<(), String>;

struct Found {
    at: Option<String>,
    faults: Vec<Fault>,
    resource: Rule,
}

impl Found {
    fn say(&mut self, rule: impl Into<String>) {
        self.faults.push(Fault { at: self.at.clone(), rule: rule.into() });
    }

    fn unknown(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            match (key.as_str(), text::nearest(key, known.iter().copied()).first()) {
                ("Principal" | "NotPrincipal", _) => {
                    self.say(format!("`{key}` is not allowed in a policy of a role; it belongs in a trust policy"));
                }
                (_, Some(near)) => self.say(format!("unknown key `{key}`; did you mean `{near}`?")),
                (_, None) => self.say(format!("unknown key `{key}`; IAM knows only `{}`", known.join("`, `"))),
            }
        }
    }

    fn statement<'a>(&mut self, statement: &'a Map<String, Value>, sids: &mut BTreeSet<&'a str>) {
        match statement.get("Sid") {
            None => {}
            Some(Value::String(sid)) => {
                if !sid.is_empty() {
                    self.at = self.at.take().map(|at| format!("{at} ({sid})"));
                }
                if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    self.say(format!("the Sid `{sid}` may have only letters and digits"));
                } else if !sid.is_empty() && !sids.insert(sid) {
                    self.say(format!("the Sid `{sid}` is used twice"));
                }
            }
            Some(_) => self.say("`Sid` must be a string"),
        }
        self.unknown(statement, STATEMENT);
        match statement.get("Effect").map(Value::as_str) {
            Some(Some("Allow" | "Deny")) => {}
            None => self.say("`Effect` is missing: \"Allow\" or \"Deny\""),
            Some(_) => self.say("`Effect` must be \"Allow\" or \"Deny\""),
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
            (Some(_), Some(_)) => return self.say(format!("it has both `{key}` and `{not}`")),
            (None, None) => return self.say(format!("`{key}` is missing")),
            (Some(value), None) => (key, value),
            (None, Some(value)) => (not, value),
        };
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        if list.is_empty() {
            self.say(format!("`{key}` is an empty list"));
        }
        for one in list {
            match one.as_str().map(rule) {
                Some(Ok(())) => {}
                Some(Err(why)) => self.say(why),
                None => self.say(format!("`{key}` must be a string or a list of strings")),
            }
        }
    }

    fn condition(&mut self, condition: &Value) {
        let Some(operators) = condition.as_object() else {
            return self.say("`Condition` must be an object of operators");
        };
        for (operator, keys) in operators {
            if !trust::is_operator(operator) {
                self.say(format!("unknown condition operator `{operator}`"));
            }
            let Some(keys) = keys.as_object() else {
                self.say(format!("`{operator}` must be an object of condition keys"));
                continue;
            };
            for (key, value) in keys {
                if !key.contains(':') {
                    self.say(format!("the condition key `{key}` has no prefix such as `aws:`"));
                }
                let list = match value {
                    Value::Array(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                if list.iter().any(|one| one.is_object() || one.is_array() || one.is_null()) {
                    self.say(format!("the values of condition key `{key}` must be strings, numbers or booleans"));
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
        Some("iam") if arn::is_region(region) => {
            Err(format!("resource `{text}` has a region, which ARNs of IAM do not have"))
        }
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

/// Texts that look like placeholders nobody replaced: `${NAME}` (a policy variable has a colon), `<NAME>`, `{{NAME}}`.
pub fn placeholders(name: &str, document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    collect(&document.0, &mut found);
    let list = match &found[..] {
        [] => return Vec::new(),
        [one] => format!("`{one}` looks like a placeholder that was not replaced"),
        several => format!("`{}` look like placeholders that were not replaced", several.join("`, `")),
    };
    let variable = found.iter().any(|one| one.starts_with("${"));
    vec![format!(
        "{name}: {list}{}",
        if variable { " (a policy variable has a colon, such as `${aws:username}`)" } else { "" }
    )]
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for (open, close) in [("${", "}"), ("<", ">"), ("{{", "}}")] {
                for rest in text.split(open).skip(1) {
                    let Some((inner, _)) = rest.split_once(close) else { continue };
                    let whole = format!("{open}{inner}{close}");
                    if is_name(inner) && !found.contains(&whole) {
                        found.push(whole);
                    }
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| collect(one, found)),
        Value::Object(fields) => fields.values().for_each(|one| collect(one, found)),
        _ => {}
    }
}

/// `AWS_ACCOUNT_ID`, `your bucket`, ` .Values.bucket `; not `*`, `?` and `$`, which IAM escapes so, nor what has a colon.
fn is_name(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn healthy() -> Value {
        json!({"Version": "2012-10-17", "Id": "x y", "Statement": [
            {"Sid": "A1", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"},
            {"Sid": "", "Effect": "Deny", "NotAction": ["iam:*", "*"], "NotResource": ["*", "arn:aws-cn:s3:::<B>"],
             "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", 1, true]}, "bool": {"aws:x": true}}},
        ]})
    }

    #[test]
    fn incomplete_arns_are_for_roles_only() {
        let of = |resource: &str| {
            let mut document = healthy();
            document["Statement"][0]["Resource"] = json!(resource);
            Document(document)
        };
        for (text, whole) in [
            ("arn:aws", false),
            ("arn:aws:sqs", false),
            ("arn:aws:s3::b", false),
            ("arn:*:s3:::b", true),
            ("arn:aws:s3:::", true),
            ("arn:aws:iam:*:*:role/x", true),
            ("*", true),
        ] {
            assert_eq!(faults(&of(text)), [], "{text}");
            assert_eq!(session_faults(&of(text)).is_empty(), whole, "{text}");
        }
    }

    #[test]
    fn what_iam_takes() {
        for fine in [
            healthy(),
            json!({"Statement": healthy()["Statement"][0]}),
            json!({"Version": "2008-10-17", "Statement": healthy()["Statement"]}),
        ] {
            assert_eq!(faults(&Document(fine)), []);
        }
    }

    /// Each differs from the healthy one in one field.
    #[test]
    fn what_iam_refuses() {
        for (at, value, says) in [
            ("/_comment", json!("x"), "unknown key `_comment`; IAM knows only `Version`"),
            ("/statement", json!([]), "unknown key `statement`; did you mean `Statement`?"),
            ("/Version", json!("2012-10-18"), "`Version` must be"),
            ("/Version", json!(5), "`Version` must be"),
            ("/Id", json!(5), "`Id` must be a string"),
            ("/Statement", json!([]), "it has no Statement"),
            ("/Statement", json!("x"), "`Statement` must be an object or a list"),
            ("/Statement/0", json!("x"), "statement 1: a statement must be an object"),
            (
                "/Statement/0/Sid",
                json!("Read orders-1"),
                "statement 1 (Read orders-1): the Sid `Read orders-1` may have only letters and digits",
            ),
            ("/Statement/1/Sid", json!("A1"), "statement 2 (A1): the Sid `A1` is used twice"),
            ("/Statement/0/Sid", json!(7), "statement 1: `Sid` must be a string"),
            ("/Statement/0/Principal", json!("*"), "`Principal` is not allowed in a policy of a role"),
            ("/Statement/0/NotPrincipal", json!("*"), "`NotPrincipal` is not allowed"),
            ("/Statement/0/Actions", json!("s3:*"), "unknown key `Actions`; did you mean `Action`?"),
            ("/Statement/0/Effect", json!("allow"), "`Effect` must be"),
            ("/Statement/0/Effect", Value::Null, "`Effect` is missing"),
            ("/Statement/0/Action", Value::Null, "`Action` is missing"),
            ("/Statement/0/NotAction", json!("s3:*"), "both `Action` and `NotAction`"),
            ("/Statement/0/Action", json!("GetObject"), "action `GetObject` has no service prefix"),
            ("/Statement/0/Action", json!("s3:Get Object"), "is not an action"),
            ("/Statement/0/Action", json!([]), "`Action` is an empty list"),
            ("/Statement/0/Action", json!(5), "`Action` must be a string or a list of strings"),
            ("/Statement/0/Resource", Value::Null, "`Resource` is missing"),
            ("/Statement/0/NotResource", json!("*"), "both `Resource` and `NotResource`"),
            ("/Statement/0/Resource", json!(5), "`Resource` must be a string or a list of strings"),
            ("/Statement/0/Resource", json!([]), "`Resource` is an empty list"),
            ("/Statement/0/Resource", json!("my-bucket"), "resource `my-bucket` is neither an ARN"),
            ("/Statement/0/Resource", json!("arn:aws::::b"), "names no service"),
            ("/Statement/0/Resource", json!("arn:${AWS::Partition}:s3:::b"), "unknown partition `${AWS`"),
            ("/Statement/0/Resource", json!("arn:awz:s3:::b"), "unknown partition `awz`"),
            ("/Statement/0/Resource", json!("arn:aws:iam:us-west-2:111122223333:role/x"), "has a region"),
            ("/Statement/0/Condition", json!("x"), "`Condition` must be an object"),
            (
                "/Statement/0/Condition",
                json!({"StringEqual": {"aws:x": "y"}}),
                "unknown condition operator `StringEqual`",
            ),
            ("/Statement/0/Condition", json!({"StringEquals": "y"}), "`StringEquals` must be an object"),
            ("/Statement/0/Condition", json!({"StringEquals": {"x": "y"}}), "the condition key `x` has no prefix"),
            ("/Statement/0/Condition", json!({"StringEquals": {"aws:x": {"y": "z"}}}), "must be strings, numbers"),
            ("/Statement/0/Resource", json!("arn:aws:s3:::\u{4e16}"), "does not accept the character '世'"),
        ] {
            let mut broken = healthy();
            let (parent, key) = at.rsplit_once('/').unwrap();
            match broken.pointer_mut(parent).unwrap() {
                Value::Object(fields) if value.is_null() => {
                    fields.shift_remove(key);
                }
                Value::Object(fields) => {
                    fields.insert(key.to_owned(), value.clone());
                }
                list => list[key.parse::<usize>().unwrap()] = value.clone(),
            }
            let found = faults(&Document(broken));
            assert!(in_words(&found).contains(says), "{at} {value}: {found:?}");
            assert_eq!(found.len(), 1, "{at} {value}: {found:?}");
        }
    }

    #[test]
    fn placeholders_are_told_from_variables() {
        let of = |resource: &str| placeholders("p", &Document(json!({"Statement": [{"Resource": resource}]})));
        for (text, found) in [
            ("arn:aws:dynamodb:us-west-2:${AWS_ACCOUNT_ID}:table/t", "`${AWS_ACCOUNT_ID}`"),
            ("arn:aws:s3:::<BUCKET_NAME>/*", "`<BUCKET_NAME>`"),
            ("arn:aws:s3:::<your bucket>/*", "`<your bucket>`"),
            ("arn:aws:s3:::{{ .Values.bucket }}", "`{{ .Values.bucket }}`"),
        ] {
            assert!(of(text)[0].contains(found), "{text}: {:?}", of(text));
        }
        for fine in
            ["arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/${*}${?}${$}", "${aws:PrincipalTag/team, 'x'}", "a<b"]
        {
            assert!(of(fine).is_empty(), "{fine}");
        }
    }
}
