//! How far a trust policy reaches: the clusters it names, and the statements that name none. Whom it admits there is `evaluate`'s.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Request, Verdict, evaluate, is_podid};
use crate::model::{
    arn::Arn,
    cluster::Cluster,
    document::{Document, strings},
    names::ServiceAccount,
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
            Some(_) if is_podid(statement) && !clusters.is_empty() => {}
            Some(sid) if is_podid(statement) => {
                reach.open.push(format!("statement {sid} allows every cluster of the account"));
            }
            Some(sid) => reach.open.push(format!("statement {sid} is not podid's")),
            None => reach.open.push(format!("statement {} is not podid's", index + 1)),
        }
    }
    reach
}

/// Whether a change opens a role of this account to every pod of every cluster in it, and it was not open before. Asked for
/// a pod that nobody can have in mind: whoever allows that one allows all.
pub fn opens(before: Option<&Document>, after: &Document, account: &Arn) -> bool {
    let any = |name: &str| format!("any-{name}-at-all");
    let cluster = Cluster::named(Arn {
        service: "eks".to_owned(),
        region: any("region"),
        resource: format!("cluster/{}", any("cluster")),
        ..account.clone()
    });
    let subject = ServiceAccount { namespace: any("namespace"), name: any("service-account") };
    let request = Request { cluster: &cluster, subject: &subject, session_tags: true, now: None, pod: None };
    let open = |document: &Document| evaluate(document, &request) == Verdict::Admits;
    open(after) && !before.is_some_and(open)
}

/// The warning for it.
pub fn opens_warning(role: &str, account: &str) -> String {
    format!(
        "every pod of every cluster in account {account} may assume role `{role}` then: the trust policy names no \
         cluster (not recommended)"
    )
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

    /// The source ARN of another service, or of another thing of EKS, is no cluster to look in.
    #[test]
    fn only_clusters_are_read() {
        for resource in ["ecs:us-west-2:111122223333:cluster/c", "eks:us-west-2:111122223333:nodegroup/c/n/1"] {
            let mut theirs = statement(&cluster(), &subject("carts/carts"), Scope::None, true);
            theirs["Condition"] = json!({"ArnEquals": {"aws:SourceArn": format!("arn:aws:{resource}")}});
            let reach = reach(&document(theirs));
            assert_eq!((reach.clusters.len(), reach.open.len()), (0, 1), "{resource}");
        }
    }

    #[test]
    fn only_what_names_no_cluster_opens_a_role() {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        for (scope, tags, opened) in [
            (Scope::ServiceAccount, true, false),
            (Scope::Namespace, true, false),
            (Scope::Cluster, true, false),
            (Scope::Cluster, false, false),
            (Scope::None, true, true),
            (Scope::None, false, true),
        ] {
            let after = document(statement(&cluster, &subject, scope, tags));
            assert_eq!(opens(None, &after, &cluster.arn), opened, "{scope:?}");
            assert!(!opens(Some(&after), &after, &cluster.arn), "{scope:?}: it is so already");
        }
    }

    #[test]
    fn a_statement_with_podids_sid_that_podid_did_not_write_is_anothers() {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        let own = statement(&cluster, &subject, Scope::ServiceAccount, true);
        let mut other = own.clone();
        other["Principal"] = json!({"AWS": "arn:aws:iam::111122223333:role/admin"});
        let sid = own["Sid"].as_str().unwrap();
        assert_eq!(reach(&document(other)).open, [format!("statement {sid} is not podid's")]);
        assert!(reach(&document(own)).open.is_empty());
    }
}
