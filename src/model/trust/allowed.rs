//! Where a trust policy lets a role have users: the clusters that it names, statements that name none, and principals other
//! than Pod Identity. Which statements are podid's own does not matter here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{PRINCIPAL, admits::conditions, operator::Operator};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    names::ServiceAccount,
};

/// Who may assume a role, as far as its trust policy tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Clusters whose pods may.
    pub clusters: BTreeSet<Arn>,
    /// Service accounts of clusters that are named one by one.
    pub subjects: BTreeSet<(Arn, ServiceAccount)>,
    /// Statements that let the pods of clusters that they do not name, one line each.
    pub open: Vec<String>,
    /// Principals other than Pod Identity, one line each.
    pub others: Vec<String>,
}

/// Reads from a trust policy who may assume the role. A Deny takes nothing from it: what it leaves is not podid's to guess.
pub fn allowed(document: &Document) -> Allowed {
    let mut allowed = Allowed::default();
    for (index, statement) in document.statements().into_iter().enumerate() {
        if statement.get("Effect").and_then(Value::as_str) == Some("Deny") {
            continue;
        }
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
        let name = sid.map_or_else(|| format!("statement {}", index + 1), |sid| format!("statement {sid}"));
        if principals(statement, &name, &mut allowed.others) {
            pods(statement, &name, &mut allowed);
        }
    }
    allowed
}

/// The clusters beside this one that a role trusts, one line each.
pub fn other_clusters(allowed: &Allowed, home: &Arn) -> Vec<String> {
    let others = allowed.clusters.iter().filter(|arn| *arn != home);
    others.map(|arn| format!("its trust policy allows cluster {arn} too")).collect()
}

/// Whether pods are among a statement's principals; all others are added.
fn principals(statement: &Value, name: &str, others: &mut Vec<String>) -> bool {
    let mut add = |other: String| {
        if !others.contains(&other) {
            others.push(other);
        }
    };
    match statement.get("Principal") {
        Some(Value::Object(kinds)) => {
            let mut pods = false;
            for (kind, ids) in kinds {
                for id in strings(Some(ids)) {
                    if kind == "Service" && id == PRINCIPAL {
                        pods = true;
                    } else {
                        add(format!("{kind} {id}"));
                    }
                }
            }
            pods
        }
        Some(Value::String(all)) => {
            add(format!("everyone ({all})"));
            true
        }
        _ => {
            add(format!("everyone except those in {name} (NotPrincipal)"));
            true
        }
    }
}

fn pods(statement: &Value, name: &str, allowed: &mut Allowed) {
    let mut named: Option<Vec<Arn>> = None;
    for (operator, key, value) in conditions(statement) {
        let cluster = ["aws:requesttag/eks-cluster-arn", "aws:sourcearn"];
        if cluster.contains(&key.to_ascii_lowercase().as_str()) && restricts(operator) {
            let values = strings(Some(value));
            let arns: Vec<Arn> = values.iter().filter_map(|text| cluster_arn(text)).collect();
            // One value that is a pattern lets clusters that nobody named; of two conditions both must hold.
            if !values.is_empty() && arns.len() == values.len() {
                named.get_or_insert(arns);
            }
        }
    }
    let Some(clusters) = named else {
        allowed.open.push(format!("{name} names no cluster"));
        return;
    };
    let named = |tag| values(statement, tag).filter(|(operator, _)| restricts(operator)).map(|(_, value)| value);
    for namespace in named("kubernetes-namespace") {
        for account in named("kubernetes-service-account") {
            let subject = ServiceAccount { namespace: namespace.to_owned(), name: account.to_owned() };
            allowed.subjects.extend(clusters.iter().map(|cluster| (cluster.clone(), subject.clone())));
        }
    }
    allowed.clusters.extend(clusters);
}

/// The values that a session tag is compared with.
fn values<'a>(statement: &'a Value, tag: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let key = format!("aws:requesttag/{tag}");
    let found = conditions(statement).into_iter().filter(move |(_, name, _)| name.eq_ignore_ascii_case(&key));
    found.flat_map(|(operator, _, value)| strings(Some(value)).into_iter().map(move |value| (operator.as_str(), value)))
}

/// Whether a condition holds only for the values that it names.
fn restricts(operator: &str) -> bool {
    let operator = Operator::parse(operator);
    operator.is_plain() && !operator.if_exists && operator.is_known() && operator.takes_variables()
}

/// The ARN of one cluster; a pattern or a variable is none.
fn cluster_arn(text: &str) -> Option<Arn> {
    let arn = text.parse::<Arn>().ok().filter(|_| !text.contains(['*', '?', '$']))?;
    let whole = !arn.region.is_empty() && !arn.account.is_empty();
    (arn.service == "eks" && whole && arn.resource.starts_with("cluster/")).then_some(arn)
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

    const FAR: &str = "arn:aws:eks:eu-west-1:111122223333:cluster/far";

    fn with(condition: &Value) -> Allowed {
        let mut own = statement(&cluster(), &subject("carts/carts"), Scope::None, true);
        own["Condition"] = condition.clone();
        allowed(&document(own))
    }

    #[test]
    fn statements_of_podid() {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        for (scope, tags) in
            [(Scope::ServiceAccount, true), (Scope::Namespace, true), (Scope::Cluster, true), (Scope::Cluster, false)]
        {
            let found = allowed(&document(statement(&cluster, &subject, scope, tags)));
            assert_eq!(found.clusters, BTreeSet::from([cluster.arn.clone()]), "{scope:?}");
            assert!(found.open.is_empty() && found.others.is_empty(), "{scope:?}");
            let named = BTreeSet::from([(cluster.arn.clone(), subject.clone())]);
            assert_eq!(found.subjects == named, scope == Scope::ServiceAccount, "{scope:?}");
        }
        let open = allowed(&document(statement(&cluster, &subject, Scope::None, true)));
        assert_eq!(open.open, ["statement Podid8233eca52c385fc1 names no cluster"]);
        assert!(open.clusters.is_empty());
    }

    #[test]
    fn a_condition_names_clusters_only_where_it_holds_for_nothing_else() {
        let near = cluster().arn.to_string();
        for (condition, clusters) in [
            (json!({"StringEquals": {"aws:RequestTag/eks-cluster-arn": [near, FAR]}}), 2),
            (json!({"ArnLike": {"AWS:SourceArn": FAR}}), 1),
            (json!({"ForAnyValue:StringLike": {"aws:SourceArn": FAR}}), 1),
            (
                json!({"StringEquals": {"aws:SourceArn": FAR}, "StringLike": {"aws:RequestTag/eks-cluster-arn": "arn:*"}}),
                1,
            ),
        ] {
            let found = with(&condition);
            assert_eq!((found.clusters.len(), found.open.len()), (clusters, 0), "{condition}");
        }
        for condition in [
            json!({"StringNotEquals": {"aws:RequestTag/eks-cluster-arn": FAR}}),
            json!({"StringEqualsIfExists": {"aws:SourceArn": FAR}}),
            json!({"ForAllValues:StringEquals": {"aws:SourceArn": FAR}}),
            json!({"Null": {"aws:SourceArn": "false"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:eks:*:111122223333:cluster/*"}}),
            json!({"StringLike": {"aws:SourceArn": [FAR, "arn:aws:eks:eu-west-1:111122223333:cluster/far-?"]}}),
            json!({"StringEquals": {"aws:SourceArn": "${aws:PrincipalTag/cluster}"}}),
            json!({"StringEquals": {"aws:RequestTag/eks-cluster-name": "far"}}),
            json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}),
            json!({"StringEquals": {"aws:SourceArn": []}}),
            json!({"StringResembles": {"aws:SourceArn": FAR}}),
            json!({"BinaryEquals": {"aws:SourceArn": FAR}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/far"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/far/a-1"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:eks::111122223333:cluster/far"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:eks:eu-west-1::cluster/far"}}),
        ] {
            let found = with(&condition);
            assert_eq!((found.clusters.len(), found.open.len()), (0, 1), "{condition}");
        }
    }

    #[test]
    fn every_cluster_but_this_one_is_another() {
        let both = with(&json!({"StringEquals": {"aws:SourceArn": [cluster().arn.to_string(), FAR]}}));
        assert_eq!(other_clusters(&both, &cluster().arn), [format!("its trust policy allows cluster {FAR} too")]);
    }

    /// Only what a condition lets: one that excludes a namespace or a service account names nobody in it.
    #[test]
    fn service_accounts_are_named_where_both_tags_are() {
        let of = |namespace: &str, account: &str| {
            let mut condition = json!({"ArnEquals": {"aws:SourceArn": FAR}});
            condition[namespace]["aws:RequestTag/kubernetes-namespace"] = json!("carts");
            condition[account]["aws:RequestTag/kubernetes-service-account"] = json!("carts");
            let found = with(&condition);
            (found.clusters.len(), found.subjects.len())
        };
        for (operator, named) in
            [("StringEquals", 1), ("StringLike", 1), ("StringNotEquals", 0), ("StringEqualsIfExists", 0)]
        {
            assert_eq!(of(operator, "StringEqualsIgnoreCase"), (1, named), "namespace: {operator}");
            assert_eq!(of("StringEqualsIgnoreCase", operator), (1, named), "service account: {operator}");
        }
    }

    #[test]
    fn a_statement_without_a_name_is_counted() {
        let mut own = statement(&cluster(), &subject("carts/carts"), Scope::None, true);
        own["Sid"] = json!("");
        assert_eq!(allowed(&document(own)).open, ["statement 1 names no cluster"]);
    }

    #[test]
    fn every_other_principal_is_another_user() {
        let of = |field: &str, principal: Value| {
            let mut own = statement(&cluster(), &subject("carts/carts"), Scope::ServiceAccount, true);
            own.as_object_mut().unwrap().remove("Principal");
            own[field] = principal;
            allowed(&document(own)).others
        };
        assert!(of("Principal", json!({"Service": PRINCIPAL})).is_empty());
        for (field, principal, other) in [
            ("Principal", json!({"Service": [PRINCIPAL, "ec2.amazonaws.com"]}), "Service ec2.amazonaws.com"),
            ("Principal", json!({"Service": PRINCIPAL, "AWS": "111122223333"}), "AWS 111122223333"),
            (
                "Principal",
                json!({"Federated": "cognito-identity.amazonaws.com"}),
                "Federated cognito-identity.amazonaws.com",
            ),
            ("Principal", json!({"AWS": PRINCIPAL}), "AWS pods.eks.amazonaws.com"),
            ("Principal", json!({"AWS": ["111122223333", "111122223333"]}), "AWS 111122223333"),
            ("Principal", json!("*"), "everyone (*)"),
            (
                "NotPrincipal",
                json!({"AWS": "111122223333"}),
                "everyone except those in statement Podid8233eca52c385fc1 (NotPrincipal)",
            ),
        ] {
            assert_eq!(of(field, principal), [other]);
        }
        let denied = Document(json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*"}}));
        assert_eq!(allowed(&denied), Allowed::default());
    }
}
