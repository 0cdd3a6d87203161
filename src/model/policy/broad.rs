//! Statements that grant more than anybody meant to: `"*"` as action or resource.

use serde_json::Value;

use crate::model::document::{Document, strings};

/// What an Allow statement gives away with a `*`, one line each; `name` is the document's.
pub(super) fn broad(name: &str, document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for (at, statement) in document.statements().into_iter().enumerate() {
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            continue;
        }
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
        let who = sid.map_or_else(|| format!("statement {}", at + 1), |sid| format!("statement `{sid}`"));
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
        match (wide.is_empty(), resource) {
            (true, None) => {}
            (true, Some(resource)) => found.push(format!("{name}: {who} is for {resource}")),
            (false, None) => found.push(format!("{name}: {who} allows {}", wide.join(", "))),
            (false, Some(resource)) => found.push(format!("{name}: {who} allows {} on {resource}", wide.join(", "))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stars_are_found_where_they_stand_alone() {
        let of = |statement: Value| broad("p", &Document(json!({"Statement": [statement]})));
        for (statement, found) in [
            (
                json!({"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}),
                "p: statement `A` allows every action of every service (`*`) on every resource (`*`)",
            ),
            (
                json!({"Effect": "Allow", "Action": ["s3:GetObject", "s3:*"], "Resource": "arn:aws:s3:::b"}),
                "p: statement 1 allows every action of s3 (`s3:*`)",
            ),
            (
                json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["x", "*"]}),
                "p: statement 1 is for every resource (`*`)",
            ),
            (
                json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "x"}),
                "p: statement 1 allows every action but some (`NotAction`) on every resource but some (`NotResource`)",
            ),
        ] {
            assert_eq!(of(statement), [found]);
        }
        for fine in [
            json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}),
        ] {
            assert!(of(fine).is_empty());
        }
    }
}
