//! How far a trust policy reaches: the clusters it names, and the statements that name none. Whom it admits there is `evaluate`'s.

use std::collections::BTreeSet;

use serde_json::Value;

use super::is_podid_sid;
use crate::model::{
    arn::Arn,
    document::{Document, strings},
};

/// The clusters in which a role may have users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Clusters that podid's statements name.
    pub clusters: BTreeSet<Arn>,
    /// Statements of which podid cannot tell the users: others' own, and those that name no cluster; one line each.
    pub open: Vec<String>,
}

/// Reads off a trust policy where a role may have users.
pub fn reach(document: &Document) -> Reach {
    let mut reach = Reach::default();
    for (index, statement) in document.statements().into_iter().enumerate() {
        if statement.get("Effect").and_then(Value::as_str) == Some("Deny") {
            continue;
        }
        let sid = statement.get("Sid").and_then(Value::as_str);
        let clusters = clusters(statement);
        reach.clusters.extend(clusters.iter().cloned());
        match sid {
            Some(sid) if is_podid_sid(sid) && !clusters.is_empty() => {}
            Some(sid) if is_podid_sid(sid) => {
                reach.open.push(format!("statement {sid} admits every cluster of the account"));
            }
            Some(sid) => reach.open.push(format!("statement {sid} is not podid's")),
            None => reach.open.push(format!("statement {} is not podid's", index + 1)),
        }
    }
    reach
}

/// The cluster ARNs in the conditions that podid writes.
fn clusters(statement: &Value) -> Vec<Arn> {
    let keys = ["aws:RequestTag/eks-cluster-arn", "aws:SourceArn"];
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flat_map(|c| c.values());
    operators
        .filter_map(Value::as_object)
        .flat_map(|operator| {
            operator.iter().filter(|(key, _)| keys.iter().any(|known| known.eq_ignore_ascii_case(key)))
        })
        .flat_map(|(_, value)| strings(Some(value)))
        .filter_map(|text| text.parse::<Arn>().ok())
        .filter(|arn| arn.service == "eks" && arn.resource.starts_with("cluster/"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{
        fixtures::{cluster, subject},
        trust::{document, statement},
        want::Scope,
    };

    #[test]
    fn clusters_are_read_off_podids_statements() {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        for (scope, tags, named) in [
            (Scope::ServiceAccount, true, true),
            (Scope::Namespace, true, true),
            (Scope::Cluster, true, true),
            (Scope::Cluster, false, true),
            (Scope::None, true, false),
        ] {
            let reach = reach(&document(statement(&cluster, &subject, scope, tags)));
            assert_eq!(reach.clusters.contains(&cluster.arn), named, "{scope:?}");
            assert_eq!(reach.open.is_empty(), named, "{scope:?}");
        }
    }

    #[test]
    fn statements_of_others_are_open_and_denials_are_not() {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        let theirs =
            json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
        let mut denies = theirs.clone();
        denies["Effect"] = json!("Deny");
        let own = statement(&cluster, &subject, Scope::ServiceAccount, true);
        let both = Document(json!({"Version": "2012-10-17", "Statement": [own, denies, theirs]}));
        assert_eq!(reach(&both).open, ["statement 3 is not podid's"]);
    }
}
