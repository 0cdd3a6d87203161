//! What policies say without a call: the resources and tags that they name, other roles that are assumed with the credentials, and
//! conditions on the claims of a web identity.

use serde_json::Value;

use super::{RoleDocuments, evaluate::covers_action};
use crate::model::{document::strings, trust::admits::allows};

/// The condition keys of a web identity in these policies, each with its policy: `oidc.eks.…:sub`, `aws:FederatedProvider`.
pub fn web_identity_keys(documents: &RoleDocuments) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, document) in documents.identity.iter().chain(&documents.boundary) {
        for statement in document.statements() {
            let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
            let keys = operators.filter_map(|(_, keys)| keys.as_object()).flatten().map(|(key, _)| key.clone());
            // A policy variable asks for a key as well.
            let text = statement.to_string();
            let inside = text.split("${").skip(1).filter_map(|part| part.split(['}', ',']).next());
            for key in keys.chain(inside.map(|key| key.trim().to_owned())).filter(|key| is_of_web_identity(key)) {
                let one = (name.clone(), key);
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
    }
    found
}

/// What the statements that allow an action name as its resources, each with its policy.
pub fn resources_for(documents: &RoleDocuments, action: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, document) in &documents.identity {
        for statement in document.statements() {
            if allows(statement) && covers_action(statement, action) {
                found.extend(strings(statement.get("Resource")).into_iter().map(|r| (name.clone(), r.to_owned())));
                // All but what it names.
                if statement.get("NotResource").is_some() {
                    found.push((name.clone(), "*".to_owned()));
                }
            }
        }
    }
    found
}

/// The keys of the caller's tags that policies ask for, as far as they speak of an action.
pub(crate) fn tags_asked(documents: &RoleDocuments, action: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, document) in &documents.identity {
        for statement in document.statements().into_iter().filter(|statement| covers_action(statement, action)) {
            let text = statement.to_string();
            for part in text.split("aws:PrincipalTag/").skip(1) {
                let key = part.split(['"', '}', ',', ' ']).next().unwrap_or_default().to_owned();
                if !key.is_empty() && !found.contains(&key) {
                    found.push(key);
                }
            }
        }
    }
    found
}

/// Keys that only the session of a web identity has (IAM User Guide, available keys for web identity federation).
fn is_of_web_identity(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "aws:federatedprovider"
        || key.starts_with("oidc.eks") && [":sub", ":aud"].iter().any(|claim| key.ends_with(claim))
}

/// The policies that allow actions of this service by its name.
pub fn policies_naming(documents: &RoleDocuments, service: &str) -> Vec<String> {
    let prefix = format!("{service}:");
    let of_it = |action: &&str| action.to_ascii_lowercase().starts_with(&prefix);
    let allows = |statement: &&Value| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && strings(statement.get("Action")).iter().any(of_it)
    };
    let naming = documents.identity.iter().filter(|(_, document)| document.statements().iter().any(allows));
    naming.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::document::Document;

    fn documents(statement: Value) -> RoleDocuments {
        RoleDocuments { identity: vec![("app".to_owned(), Document::of([statement]))], boundary: None }
    }

    #[test]
    fn keys_of_a_web_identity() {
        let sub = "oidc.eks.us-west-2.amazonaws.com/id/ABC:sub";
        for (condition, resource, keys) in [
            (json!({"StringEquals": {sub: "x"}}), "*", vec![sub]),
            (json!({"Null": {"aws:FederatedProvider": "false"}}), "*", vec!["aws:FederatedProvider"]),
            (json!({}), "arn:aws:s3:::b/${oidc.eks.us-west-2.amazonaws.com/id/ABC:sub}/*", vec![sub]),
            (json!({"StringEquals": {"aws:PrincipalTag/team": "x"}}), "arn:aws:s3:::b/${aws:userid}", vec![]),
        ] {
            let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": resource, "Condition": condition});
            let found: Vec<String> =
                web_identity_keys(&documents(statement.clone())).into_iter().map(|(_, key)| key).collect();
            assert_eq!(found, keys, "{statement}");
        }
    }

    #[test]
    fn policies_that_name_a_service() {
        for (action, named) in [("kafka-cluster:Connect", true), ("Kafka-Cluster:*", true), ("*", false)] {
            let found = policies_naming(
                &documents(json!({"Effect": "Allow", "Action": action, "Resource": "*"})),
                "kafka-cluster",
            );
            assert_eq!(!found.is_empty(), named, "{action}");
        }
    }
}
