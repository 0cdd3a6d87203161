//! Statements that grant more than may be meant: `*` as action or resource.

use serde_json::Value;

use super::{
    grammar::statement_at,
    issue::{Issue, Severity},
    known,
};
use crate::model::{
    document::{Document, strings},
    json,
};

/// What an Allow statement allows by a `*`, one warning each.
pub(super) fn broad(document: &Document) -> Vec<Issue> {
    let mut found = Vec::new();
    for (index, statement) in document.statements().into_iter().enumerate() {
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            continue;
        }
        let mut wide = Vec::new();
        for action in strings(statement.get("Action")) {
            match action.split_once(':') {
                None if action == "*" => wide.push("every action of every service (`*`)".to_owned()),
                Some((service, "*")) => wide.push(format!("every action of {service} (`{action}`)")),
                _ => {}
            }
        }
        if statement.get("NotAction").is_some() {
            wide.push("every action but some (`NotAction`)".to_owned());
        }
        let resource = if strings(statement.get("Resource")).contains(&"*") {
            Some("every resource (`*`)")
        } else {
            statement.get("NotResource").map(|_| "every resource but some (`NotResource`)")
        };
        let (key, message) = match (wide.is_empty(), resource) {
            (true, None) => continue,
            (true, Some(_)) if !narrowable(statement) => continue,
            (true, Some(resource)) => ("Resource", format!("applies to {resource}")),
            (false, None) => ("Action", format!("allows {}", wide.join(", "))),
            (false, Some(resource)) => ("Action", format!("allows {} on {resource}", wide.join(", "))),
        };
        let key = if statement.get(key).is_some() { key.to_owned() } else { format!("Not{key}") };
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned);
        let place = Issue::error(json::below(&statement_at(document, index), &[&key]), message);
        found.push(Issue { severity: Severity::Warning, statement: Some(index + 1), sid, ..place });
    }
    found
}

/// Whether the statement could name a resource, and no condition limits it to some.
fn narrowable(statement: &Value) -> bool {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let mut keys = operators.filter_map(|(_, keys)| keys.as_object()).flatten();
    let limits = keys.any(|(key, _)| {
        let key = key.to_ascii_lowercase();
        !key.starts_with("aws:") || key.starts_with("aws:resource") || key.starts_with("aws:requesttag/")
    });
    !limits && strings(statement.get("Action")).into_iter().any(known::takes_resource)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(statement: &Value) -> Vec<String> {
        broad(&Document(json!({"Statement": [statement]}))).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn stars_are_found_where_they_stand_alone() {
        for (statement, found) in [
            (
                json!({"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}),
                "statement 1 (A): allows every action of every service (`*`) on every resource (`*`)",
            ),
            (
                json!({"Effect": "Allow", "Action": ["s3:GetObject", "s3:*"], "Resource": "arn:aws:s3:::b"}),
                "statement 1: allows every action of s3 (`s3:*`)",
            ),
            (
                json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["x", "*"]}),
                "statement 1: applies to every resource (`*`)",
            ),
            (
                json!({"Effect": "Allow", "Action": "ec2:RunInstances", "NotResource": "x"}),
                "statement 1: applies to every resource but some (`NotResource`)",
            ),
            (
                json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "x"}),
                "statement 1: allows every action but some (`NotAction`) on every resource but some (`NotResource`)",
            ),
        ] {
            assert_eq!(of(&statement), [found]);
        }
        for fine in [
            json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}),
        ] {
            assert!(of(&fine).is_empty());
        }
    }

    /// Each differs from the first in one thing.
    #[test]
    fn a_star_is_fine_where_no_resource_can_be_named() {
        let base = json!({"Effect": "Allow", "Action": ["ec2:TerminateInstances"], "Resource": "*"});
        assert_eq!(of(&base).len(), 1);
        let tagged = |key: &str| json!({"StringEquals": {key: "x"}});
        for (key, value, warned) in [
            ("Action", json!(["ec2:DescribeInstances", "ec2:DescribeVpcs"]), false),
            ("Action", json!(["ec2:DescribeInstances", "ec2:RunInstances"]), true),
            ("Action", json!("s3:ListAllMyBuckets"), false),
            ("Action", json!("cloudwatch:PutMetricData"), false),
            ("Condition", tagged("aws:ResourceTag/team"), false),
            ("Condition", tagged("ec2:ResourceTag/team"), false),
            ("Condition", tagged("aws:SourceVpc"), true),
        ] {
            let mut statement = base.clone();
            statement[key] = value.clone();
            assert_eq!(!of(&statement).is_empty(), warned, "{key} {value}");
        }
    }
}
