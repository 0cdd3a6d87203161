//! What is reached by which statement, and what a boundary leaves of it.

use super::*;
use crate::model::{
    fixtures::{association, at, cluster, role, subject},
    have::Observed,
    snapshot::RoleView,
    trust::{document, statement},
    want::Scope,
};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

fn of(statements: &Value, boundary: Option<&Value>, session: Option<&Value>) -> Reach {
    let policy = |statements: &Value| Document(json!({"Version": "2012-10-17", "Statement": statements}));
    let trust = document(statement(&cluster(), &subject("carts/carts"), Scope::Cluster, true));
    let documents = RoleDocuments {
        identity: vec![("p".to_owned(), policy(statements))],
        boundary: boundary.map(|one| ("b".to_owned(), policy(one))),
    };
    let view = RoleView {
        role: Observed::Known(Some(role("app", trust))),
        documents: Observed::Known(documents),
        ..RoleView::default()
    };
    let mut association = association(ROLE);
    association.policy = session.map(|one| policy(one).0.to_string());
    let cluster = cluster();
    reach(&Holder { cluster: &cluster, association: &association, role: &view, target: None, now: at(0) })
}

fn allow(more: &Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
    for (key, value) in more.as_object().unwrap() {
        statement[key] = value.clone();
    }
    statement
}

#[test]
fn how_sensitive_actions_are() {
    for (action, word) in [
        ("*", "admin"),
        ("iam:*", "admin"),
        ("IAM:put*policy", "admin"),
        ("iam:PassRole", "pass role"),
        ("iam:Pass*", "pass role"),
        ("iam:GetRole", "read"),
        ("sts:AssumeRole", "assume role"),
        ("sts:*", "assume role"),
        ("sts:GetCallerIdentity", "read"),
        ("dynamodb:*", "all actions"),
        ("secretsmanager:Get*", "secrets"),
        ("ssm:GetParameter", "secrets"),
        ("kms:Decrypt", "keys"),
        ("s3:PutObject", "write"),
        ("s3:Get*", "read"),
    ] {
        assert_eq!(level(action).word(), word, "{action}");
    }
}

#[test]
fn the_most_sensitive_come_first() {
    let found = of(
        &json!([
            allow(&json!({})),
            allow(&json!({"Action": "iam:PassRole", "Resource": "*"})),
            allow(&json!({"Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "other"}}})),
            {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/secret/*"},
        ]),
        None,
        None,
    );
    let words: Vec<_> = found.allowed.iter().map(|row| (row.level.word(), row.counts())).collect();
    assert_eq!(words, [("pass role", true), ("read", true), ("admin", false)]);
    assert_eq!(found.denied.len(), 1);
}

#[test]
fn conditions_of_the_session_are_decided() {
    let one = |condition: Value| {
        let row = of(&json!([allow(&json!({"Condition": condition}))]), None, None).allowed.remove(0);
        (row.conditions.join(", "), row.never.join(", "))
    };
    let tag = |value: &str| json!({"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": value}});
    assert_eq!(one(tag("carts")), (String::new(), String::new()));
    let never = "aws:PrincipalTag/kubernetes-namespace StringEquals other";
    assert_eq!(one(tag("other")), (String::new(), never.to_owned()));
    let vpc = json!({"StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}});
    assert_eq!(one(vpc), ("aws:SourceVpce StringEquals vpce-1 or vpce-2".to_owned(), String::new()));
}

#[test]
fn variables_are_filled_in() {
    let resource = |text: &str| {
        let row = of(&json!([allow(&json!({"Resource": text}))]), None, None).allowed.remove(0);
        (row.resources.join(","), row.never.len())
    };
    assert_eq!(
        resource("arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*"),
        ("arn:aws:s3:::b/carts/*".to_owned(), 0)
    );
    assert_eq!(resource("arn:aws:s3:::b/${aws:PrincipalTag/none}/*").1, 1);
    assert_eq!(resource("arn:aws:s3:::b/${aws:userid}/*"), ("arn:aws:s3:::b/${aws:userid}/*".to_owned(), 0));
}

#[test]
fn what_a_boundary_leaves() {
    for (boundary, wanted) in [
        (json!({"Effect": "Allow", "Action": "*", "Resource": "*"}), Left::All),
        (json!({"Effect": "Allow", "Action": "S3:*", "Resource": "arn:aws:s3:::b*"}), Left::All),
        (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/x"}), Left::Part),
        (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::other/*"}), Left::Nothing),
        (json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}), Left::Nothing),
        (json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), Left::Part),
        (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3"}), Left::Part),
        (
            json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/x"}]),
            Left::Part,
        ),
    ] {
        let statements = json!([allow(&json!({}))]);
        let found = of(&statements, Some(&boundary), Some(&boundary)).allowed.remove(0);
        assert_eq!((found.boundary, found.session_policy), (Some(wanted), Some(wanted)), "{boundary}");
    }
}

#[test]
fn every_action_is_admin_where_iam_is_among_them() {
    for (resource, word) in [
        ("*", "admin"),
        ("arn:aws:iam::111122223333:role/*", "admin"),
        ("arn:aws:*", "admin"),
        ("arn:aws:s3:::b/*", "all actions"),
    ] {
        let row = of(&json!([allow(&json!({"Action": "*", "Resource": resource}))]), None, None).allowed.remove(0);
        assert_eq!(row.level.word(), word, "{resource}");
    }
}
