//! Where a policy names one cluster and not another one beside it: what it allows or denies for pods of the first, it does not for
//! those of the second.

use serde_json::Value;

use super::{admits::conditions, evaluate::who};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    text::wildcard,
};

/// The places of a document that name the cluster `old` and not `new`, as in "statement `A`, condition StringEquals KEY". Statements
/// that `passes` holds true for are not looked at.
pub fn cluster_names(document: &Document, old: &Arn, new: &Arn, passes: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for (at, statement) in document.statements().into_iter().enumerate().filter(|(_, statement)| !passes(statement)) {
        let who = who(statement, at);
        for (operator, key, value) in conditions(statement) {
            let by_name = key.to_ascii_lowercase().ends_with("/eks-cluster-name");
            let names = |cluster: &Arn| {
                let named = |text: &&str| if by_name { wildcard(text, cluster.name()) } else { is_of(text, cluster) };
                strings(Some(value)).iter().any(named)
            };
            if names(old) && !names(new) {
                places.push(format!("{who}, condition {operator} {key}"));
            }
        }
        for element in ["Resource", "NotResource"] {
            let names = |cluster: &Arn| strings(statement.get(element)).iter().any(|text| is_of(text, cluster));
            if names(old) && !names(new) {
                places.push(format!("{who}, {element}"));
            }
        }
    }
    places
}

/// Whether a text is the ARN of a cluster, of something in it, or a pattern of its ARN.
fn is_of(text: &str, cluster: &Arn) -> bool {
    let arn = cluster.to_string();
    if wildcard(text, &arn) {
        return true;
    }
    let place = arn.strip_suffix(&cluster.resource).unwrap_or_default();
    let within = text.strip_prefix(place).and_then(|resource| resource.split('/').nth(1));
    within == Some(cluster.name())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arn(text: &str) -> Arn {
        text.parse().unwrap()
    }

    #[test]
    fn what_names_the_old_cluster_alone() {
        let (blue, green) = (
            arn("arn:aws:eks:us-west-2:111122223333:cluster/blue"),
            arn("arn:aws:eks:us-west-2:111122223333:cluster/green"),
        );
        let condition = |operator: &str, key: &str, value: Value| json!({"Condition": {operator: {key: value}}});
        let by_name = "aws:PrincipalTag/eks-cluster-name";
        let rows = [
            (condition("StringEquals", by_name, json!("blue")), true),
            (condition("StringNotEquals", by_name, json!(["blue"])), true),
            (condition("StringLike", "aws:principaltag/EKS-Cluster-Name", json!("blu*")), true),
            (condition("StringEquals", by_name, json!(["blue", "green"])), false),
            (condition("StringEquals", by_name, json!("*")), false),
            (condition("StringEquals", by_name, json!("green")), false),
            (condition("StringEquals", "aws:PrincipalTag/team", json!("blue")), false),
            (condition("StringEquals", "aws:PrincipalTag/eks-cluster-arn", json!(blue.to_string())), true),
            (condition("StringEquals", "aws:PrincipalTag/eks-cluster-arn", json!(green.to_string())), false),
            (condition("ArnLike", "aws:SourceArn", json!("arn:aws:eks:*:111122223333:cluster/blue")), true),
            (condition("ArnLike", "aws:SourceArn", json!("arn:aws:eks:*:111122223333:cluster/*")), false),
            (json!({"Resource": "arn:aws:eks:us-west-2:111122223333:cluster/blue"}), true),
            (json!({"Resource": "arn:aws:eks:us-west-2:111122223333:nodegroup/blue/*/*"}), true),
            (json!({"Resource": [blue.to_string(), green.to_string()]}), false),
            (json!({"NotResource": [blue.to_string()]}), true),
            (json!({"Resource": "*"}), false),
            (json!({"Resource": "arn:aws:eks:eu-west-1:111122223333:cluster/blue"}), false),
            (json!({"Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/blue"}), false),
        ];
        for (statement, found) in rows {
            let document = super::super::document(statement.clone());
            assert_eq!(!cluster_names(&document, &blue, &green, |_| false).is_empty(), found, "{statement}");
            assert!(cluster_names(&document, &blue, &green, |_| true).is_empty());
        }
    }

    /// It is the same by its name, and another one by its ARN.
    #[test]
    fn a_cluster_of_the_same_name_elsewhere() {
        let blue = arn("arn:aws:eks:us-west-2:111122223333:cluster/blue");
        let moved = arn("arn:aws:eks:eu-west-1:111122223333:cluster/blue");
        for (key, value, found) in [
            ("aws:PrincipalTag/eks-cluster-name", "blue".to_owned(), 0),
            ("aws:PrincipalTag/eks-cluster-arn", blue.to_string(), 1),
        ] {
            let document = super::super::document(json!({"Condition": {"StringEquals": {key: value}}}));
            assert_eq!(cluster_names(&document, &blue, &moved, |_| false).len(), found, "{key}");
        }
    }

    #[test]
    fn a_place_is_named() {
        let (blue, green) = (arn("arn:aws:eks:us-west-2:1:cluster/blue"), arn("arn:aws:eks:us-west-2:1:cluster/green"));
        let condition = json!({"StringEquals": {"aws:PrincipalTag/eks-cluster-name": "blue"}});
        let document =
            Document(json!({"Statement": [{}, {"Sid": "A", "Condition": condition, "Resource": blue.to_string()}]}));
        assert_eq!(
            cluster_names(&document, &blue, &green, |_| false),
            ["statement `A`, condition StringEquals aws:PrincipalTag/eks-cluster-name", "statement `A`, Resource"]
        );
    }
}
