//! Whom a trust policy lets in, in words: statement by statement, for people to read. Whether it lets in one in
//! particular is `evaluate`'s.

use serde_json::Value;

use super::{
    ACTIONS, PRINCIPAL,
    conditions::{self, AnyPod, TAGS, Truth},
    evaluate::{covers, names_everyone, who},
    operator::Operator,
};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
};

/// Whether any statement allows anything to the service principal: by name, or among everyone.
pub fn trusts_pods(document: &Document) -> bool {
    document.statements().into_iter().any(|s| for_pods(s) || for_everyone(s))
}

/// An Allow statement that names the service principal.
pub(super) fn for_pods(statement: &Value) -> bool {
    allows(statement) && services(statement).contains(&PRINCIPAL)
}

/// An Allow statement for everyone (`*`) whose conditions some pod's call can meet: `aws:PrincipalServiceName` may narrow it to
/// Pod Identity (IAM User Guide, global condition keys).
pub(super) fn for_everyone(statement: &Value) -> bool {
    let everyone = statement.get("Principal").is_some_and(names_everyone);
    allows(statement)
        && everyone
        && covers(statement, ACTIONS[0])
        && !matches!(conditions::holds(statement.get("Condition"), &AnyPod, "", true), Truth::No(_))
}

/// Statements that reach pods only by being for everyone, one line each: what narrows them is a condition, if anything does.
pub fn everyone(document: &Document) -> Vec<String> {
    let all = document.statements().into_iter().enumerate().filter(|(_, statement)| for_everyone(statement));
    let line = |(at, statement): (usize, &Value)| {
        let who = who(statement, at);
        let keys: Vec<&str> = conditions(statement).into_iter().map(|(_, key, _)| key.as_str()).collect();
        if keys.iter().any(|key| key.eq_ignore_ascii_case("aws:PrincipalServiceName")) {
            format!(
                "{who} allows everyone (`*`), limited to services only by its condition on aws:PrincipalServiceName: name {PRINCIPAL} instead"
            )
        } else if keys.is_empty() {
            format!("{who} allows everyone (`*`) to assume the role, without any condition")
        } else {
            format!(
                "{who} allows everyone (`*`), not only pods: every caller that meets its conditions ({}) may assume the role",
                keys.join(", ")
            )
        }
    };
    all.map(line).collect()
}

/// Whom the statements for the service principal admit, one phrase each: `carts/carts of cluster eks-workshop`.
pub fn admits(document: &Document) -> Vec<String> {
    let mut phrases = Vec::new();
    for statement in document.statements().into_iter().filter(|s| for_pods(s) || for_everyone(s)) {
        let phrase = phrase(statement);
        if !phrases.contains(&phrase) {
            phrases.push(phrase);
        }
    }
    phrases
}

/// Whether a statement that names the role itself allows it this action, whatever its conditions.
pub fn lets_itself(document: &Document, role: &Arn, action: &str) -> bool {
    let own = role.to_string();
    document.statements().into_iter().any(|statement| {
        let named = strings(statement.get("Principal").and_then(|principal| principal.get("AWS")));
        allows(statement) && named.contains(&own.as_str()) && covers(statement, action)
    })
}

/// Whom else the role trusts: `service ec2.amazonaws.com`, `aws arn:…`, `federated arn:…`.
pub fn others(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for statement in document.statements().into_iter().filter(|s| allows(s)) {
        match statement.get("Principal") {
            Some(Value::Object(kinds)) => {
                for (kind, ids) in kinds {
                    let ids = strings(Some(ids)).into_iter().filter(|id| kind != "Service" || *id != PRINCIPAL);
                    found.extend(ids.map(|id| format!("{} {id}", kind.to_lowercase())));
                }
            }
            Some(Value::String(all)) => found.push(format!("everyone ({all})")),
            _ => {}
        }
    }
    found.dedup();
    found
}

/// Whether it is an Allow statement.
pub(in crate::model) fn allows(statement: &Value) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
}

pub(super) fn services(statement: &Value) -> Vec<&str> {
    strings(statement.get("Principal").and_then(|principal| principal.get("Service")))
}

/// A condition taken apart: operator, key and values.
pub(in crate::model) fn conditions(statement: &Value) -> Vec<(&String, &String, &Value)> {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators
        .flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, value)| (operator, key, value))
        })
        .collect()
}

/// What the plain tests of a statement say; all else is only counted.
fn phrase(statement: &Value) -> String {
    let (mut cluster, mut namespace, mut account, mut name) = (None, None, None, None);
    let mut more = 0;
    for (operator, key, value) in conditions(statement) {
        let plain = Operator::parse(operator).is_plain();
        let values = strings(Some(value)).join(" or ");
        match key.to_ascii_lowercase().as_str() {
            _ if !plain => more += 1,
            "aws:requesttag/eks-cluster-arn" | "aws:sourcearn" => cluster = Some(cluster_name(&values)),
            "aws:requesttag/eks-cluster-name" => cluster = cluster.or(Some(values)),
            "aws:requesttag/kubernetes-namespace" => namespace = Some(values),
            "aws:requesttag/kubernetes-service-account" => name = Some(values),
            "aws:sourceaccount" => account = Some(values),
            // Says only that it is Pod Identity that calls.
            "aws:principalservicename" if values == PRINCIPAL => {}
            _ => more += 1,
        }
    }
    let place = match (&cluster, &account) {
        (Some(cluster), _) => format!("of cluster {cluster}"),
        (None, Some(account)) => format!("of account {account}"),
        (None, None) => "of any cluster".to_owned(),
    };
    let who = match (namespace, name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        (Some(namespace), None) => format!("{namespace}/*"),
        (None, Some(name)) => format!("*/{name}"),
        (None, None) => "every service account".to_owned(),
    };
    let more = match more {
        0 => String::new(),
        1 => " (one more condition)".to_owned(),
        n => format!(" ({n} more conditions)"),
    };
    format!("{who} {place}{more}")
}

/// The name in a cluster's ARN; any other text as it is.
fn cluster_name(text: &str) -> String {
    match text.parse::<Arn>() {
        Ok(arn) if arn.service == "eks" && !text.contains(" or ") => {
            arn.resource.strip_prefix("cluster/").map_or_else(|| text.to_owned(), str::to_owned)
        }
        _ => text.to_owned(),
    }
}

/// Whether EKS sends a session tag of this key.
pub(super) fn is_session_tag(tag: &str) -> bool {
    TAGS.contains(&tag)
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
    fn podids_statements_in_words() {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        for (scope, tags, words) in [
            (Scope::ServiceAccount, true, "carts/carts of cluster eks-workshop"),
            (Scope::Namespace, true, "carts/* of cluster eks-workshop"),
            (Scope::Cluster, true, "every service account of cluster eks-workshop"),
            (Scope::Cluster, false, "every service account of cluster eks-workshop"),
            (Scope::None, true, "every service account of any cluster"),
        ] {
            assert_eq!(admits(&document(statement(&cluster, &subject, scope, tags))), [words]);
        }
    }

    #[test]
    fn everyone_counts_where_a_pod_is_among_them() {
        let of = |principal: Value, condition: Value| {
            let mut one =
                json!({"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]});
            if !condition.is_null() {
                one["Condition"] = condition;
            }
            Document(json!({"Version": "2012-10-17", "Statement": one}))
        };
        let by_name = |name: &str| json!({"StringEquals": {"aws:PrincipalServiceName": name}});
        for (principal, condition, trusted) in [
            (json!("*"), by_name(PRINCIPAL), true),
            (json!({"AWS": "*"}), by_name(PRINCIPAL), true),
            (json!("*"), json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}), true),
            (json!("*"), json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}}), true),
            (json!("*"), Value::Null, true),
            (json!("*"), by_name("ec2.amazonaws.com"), false),
            (json!("*"), json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::1:role/*"}}), false),
            (json!("*"), json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), false),
            (json!("*"), json!({"StringEquals": {"aws:RequestTag/team": "a"}}), false),
            (json!({"AWS": "arn:aws:iam::1:root"}), by_name(PRINCIPAL), false),
        ] {
            let document = of(principal.clone(), condition.clone());
            assert_eq!(trusts_pods(&document), trusted, "{principal} {condition}");
            assert_eq!(everyone(&document).len(), usize::from(trusted), "{principal} {condition}");
            assert_eq!(admits(&document).len(), usize::from(trusted), "{principal} {condition}");
        }
        for (condition, text) in [
            (by_name(PRINCIPAL), "limited to services only by its condition on aws:PrincipalServiceName"),
            (Value::Null, "to assume the role, without any condition"),
            (
                json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}}),
                "every caller that meets its conditions (aws:RequestTag/kubernetes-namespace)",
            ),
        ] {
            assert!(everyone(&of(json!("*"), condition.clone()))[0].contains(text), "{condition}");
        }
        let named = of(json!({"Service": PRINCIPAL}), Value::Null);
        assert_eq!((trusts_pods(&named), everyone(&named)), (true, Vec::new()));
    }

    #[test]
    fn a_role_lets_itself_only_by_its_own_name() {
        let role: Arn = "arn:aws:iam::111122223333:role/app".parse().unwrap();
        let own = json!({"AWS": role.to_string()});
        for (effect, principal, action, lets) in [
            ("Allow", own.clone(), "sts:AssumeRole", true),
            ("Allow", own.clone(), "sts:TagSession", false),
            ("Deny", own, "sts:AssumeRole", false),
            ("Allow", json!({"AWS": "arn:aws:iam::111122223333:role/other"}), "sts:AssumeRole", false),
        ] {
            let one = json!({"Effect": effect, "Principal": principal, "Action": action});
            assert_eq!(lets_itself(&document(one.clone()), &role, ACTIONS[0]), lets, "{one}");
        }
    }

    #[test]
    fn of_others_hands() {
        let of = |condition: Value| {
            let mut own = statement(&cluster(), &subject("a/b"), Scope::None, true);
            own["Condition"] = condition;
            admits(&document(own)).remove(0)
        };
        for (condition, words) in [
            (json!({"StringEquals": {"aws:SourceAccount": "1"}}), "every service account of account 1"),
            (json!({"StringLike": {"aws:RequestTag/kubernetes-namespace": ["a", "b-*"]}}), "a or b-*/* of any cluster"),
            (json!({"StringEquals": {"aws:RequestTag/kubernetes-service-account": "x"}}), "*/x of any cluster"),
            (
                json!({"StringEquals": {"aws:RequestTag/eks-cluster-name": "blue"}}),
                "every service account of cluster blue",
            ),
            (
                json!({"ArnEquals": {"aws:SourceArn": ["arn:aws:eks:us-west-2:1:cluster/a", "arn:aws:eks:us-west-2:1:cluster/b"]}}),
                "every service account of cluster arn:aws:eks:us-west-2:1:cluster/a or arn:aws:eks:us-west-2:1:cluster/b",
            ),
            (
                json!({"ArnEquals": {"aws:SourceArn": "arn:aws:ecs:us-west-2:1:cluster/a"}}),
                "every service account of cluster arn:aws:ecs:us-west-2:1:cluster/a",
            ),
            (json!({"StringEquals": {"aws:PrincipalServiceName": PRINCIPAL}}), "every service account of any cluster"),
            (
                json!({"StringEquals": {"aws:PrincipalServiceName": "ec2.amazonaws.com"}}),
                "every service account of any cluster (one more condition)",
            ),
            (
                json!({"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "a"}, "Bool": {"x": "true"}}),
                "every service account of any cluster (2 more conditions)",
            ),
        ] {
            assert_eq!(of(condition), words);
        }
        let mixed = Document(json!({"Statement": [
            {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com", PRINCIPAL], "AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": "*", "Action": "*"}]}));
        assert_eq!(others(&mixed), ["service ec2.amazonaws.com", "aws arn:aws:iam::1:root"]);
        let all = document(json!({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}));
        assert_eq!(others(&all), ["everyone (*)"]);
        assert!(trusts_pods(&mixed));
        assert!(!trusts_pods(&Document(json!({"Statement": {"Effect": "Deny", "Principal": {"Service": PRINCIPAL}}}))));
    }
}
