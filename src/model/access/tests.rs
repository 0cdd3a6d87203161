//! Needs as they are told, and policies as they are evaluated without IAM.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::model::{
    arn::Arn,
    document::Document,
    log_line::LogLine,
    want::{Access, TableGrant},
};

const TABLE: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
const ROLE: &str = "arn:aws:iam::111122223333:role/app/carts";

fn need(action: &str, resource: &str) -> Need {
    Need::new(action, resource, "--needs")
}

fn session() -> Session {
    let tags = [("kubernetes-namespace", "carts"), ("team", "shop")];
    let tags: BTreeMap<_, _> = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Session { role: ROLE.to_owned(), tags, tagged: true, complete: true }
}

fn documents(statements: &Value) -> RoleDocuments {
    let document = Document(json!({"Version": "2012-10-17", "Statement": statements}));
    RoleDocuments { identity: vec![("p".to_owned(), document)], boundary: None }
}

/// `allowed`, `implicitDeny`, `explicitDeny` or `unknown`.
fn comes_to(statements: &Value, need: &Need) -> &'static str {
    predict(&documents(statements), &session(), need).map_or("unknown", |decision| decision.effect.as_str())
}

#[test]
fn identity_policies() {
    let index = format!("{TABLE}/index/byId");
    let query = need("dynamodb:Query", &index);
    let allow = |more: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": "*"});
        for (key, value) in more.as_object().unwrap() {
            statement[key] = value.clone();
        }
        statement
    };
    let when = |condition: Value| allow(json!({"Condition": condition}));
    for (statements, wanted) in [
        (json!([]), "implicitDeny"),
        (allow(json!({})), "allowed"),
        (allow(json!({"Action": "DynamoDB:qu?ry"})), "allowed"),
        (allow(json!({"Action": ["dynamodb:Scan"]})), "implicitDeny"),
        (json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), "allowed"),
        (json!({"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"}), "implicitDeny"),
        (json!({"Effect": "Allow", "Action": "*", "NotResource": format!("{TABLE}/*")}), "implicitDeny"),
        (json!({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::*"}), "allowed"),
        (allow(json!({"Resource": TABLE})), "implicitDeny"),
        (allow(json!({"Resource": format!("{TABLE}/index/*")})), "allowed"),
        (allow(json!({"Resource": "arn:aws:dynamodb:*:*:table/c?rts/index/*"})), "allowed"),
        // A `*` reaches over a colon where it ends its part, and parts that are left out are `*`.
        (allow(json!({"Resource": "arn:aws:*:table/carts/index/byId"})), "allowed"),
        (allow(json!({"Resource": "arn:aws:*b:table/carts/index/byId"})), "implicitDeny"),
        (allow(json!({"Resource": "arn:aws:dynamodb:*"})), "allowed"),
        (allow(json!({"Resource": "arn:aws:dynamodb"})), "allowed"),
        (allow(json!({"Resource": "arn:aws:s3"})), "implicitDeny"),
        (allow(json!({"Resource": "arn:aws:dynamodb:us-*:table/carts/index/byId"})), "allowed"),
        (allow(json!({"Resource": "arn:aws:dynamodb:us-*2:table/carts/index/byId"})), "implicitDeny"),
        (json!([allow(json!({})), {"Effect": "Deny", "Action": "*", "Resource": TABLE}]), "allowed"),
        (json!([allow(json!({})), {"Effect": "Deny", "Action": "*", "Resource": index}]), "explicitDeny"),
        // Variables.
        (
            allow(json!({"Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/kubernetes-namespace}/*"})),
            "allowed",
        ),
        (allow(json!({"Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}/*"})), "implicitDeny"),
        (allow(json!({"Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/none}/*"})), "implicitDeny"),
        (allow(json!({"Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/none, 'carts'}/*"})), "allowed"),
        (allow(json!({"Resource": "arn:aws:dynamodb:*:*:table/${aws:userid}/*"})), "unknown"),
        (allow(json!({"Resource": "arn:aws:s3:::${aws:userid}/*"})), "implicitDeny"),
        // Conditions.
        (when(json!({"StringEquals": {"aws:principaltag/team": "shop"}})), "allowed"),
        (when(json!({"StringEquals": {"aws:PrincipalTag/team": "Shop"}})), "implicitDeny"),
        (when(json!({"StringEquals": {"aws:PrincipalTag/none": "x"}})), "implicitDeny"),
        (when(json!({"StringEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/team}"}})), "allowed"),
        (when(json!({"StringEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/none}"}})), "unknown"),
        (when(json!({"StringEquals": {"aws:PrincipalTag/kubernetes-pod-uid": "x"}})), "unknown"),
        (when(json!({"StringEquals": {"aws:RequestedRegion": "us-west-2"}})), "allowed"),
        (when(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/app/*"}})), "allowed"),
        (when(json!({"Bool": {"aws:SecureTransport": "true"}})), "allowed"),
        (when(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})), "unknown"),
        (
            json!([allow(json!({})), {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}]),
            "unknown",
        ),
        // What nothing allows needs no Deny.
        (
            json!([{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}]),
            "implicitDeny",
        ),
    ] {
        assert_eq!(comes_to(&statements, &query), wanted, "{statements}");
    }
}

#[test]
fn variables_are_plain_text_before_their_version() {
    let mut old = documents(
        &json!({"Effect": "Allow", "Action": "*", "Resource": format!("{}/*", TABLE.replace("carts", "${aws:PrincipalTag/kubernetes-namespace}"))}),
    );
    let query = need("dynamodb:Query", &format!("{TABLE}/index/i"));
    assert_eq!(predict(&old, &session(), &query).unwrap().effect, Effect::Allowed);
    old.identity[0].1.0["Version"] = json!("2008-10-17");
    assert_eq!(predict(&old, &session(), &query).unwrap().effect, Effect::Implicit);
}

#[test]
fn a_boundary_is_the_most_there_is() {
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let query = need("dynamodb:Query", TABLE);
    let within = |boundary: Value| {
        let boundary = Some(("b".to_owned(), Document(json!({"Version": "2012-10-17", "Statement": boundary}))));
        let decision = predict(&RoleDocuments { boundary, ..documents(&all) }, &session(), &query).unwrap();
        (decision.effect, decision.boundary)
    };
    assert_eq!(within(all.clone()), (Effect::Allowed, Some(true)));
    assert_eq!(within(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})), (Effect::Implicit, Some(false)));
    assert_eq!(
        within(json!([all.clone(), {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}])),
        (Effect::Explicit, Some(false))
    );
}

#[test]
fn a_tables_policy_names_whom_it_speaks_of() {
    let query = need("dynamodb:Query", TABLE);
    let says = |effect: &str, principal: Value, foreign: bool| {
        let document = Document(
            json!({"Version": "2012-10-17", "Statement": {"Effect": effect, "Principal": principal, "Action": "dynamodb:*", "Resource": TABLE}}),
        );
        match table_says(&document, &session(), &query, foreign) {
            Verdict::Is(effect, _) => effect.as_str(),
            Verdict::Unknown(_) => "unknown",
        }
    };
    let root = json!({"AWS": "arn:aws:iam::111122223333:root"});
    assert_eq!(says("Allow", json!("*"), false), "allowed");
    assert_eq!(says("Allow", json!({"AWS": [ROLE]}), false), "allowed");
    assert_eq!(says("Allow", root.clone(), false), "implicitDeny");
    assert_eq!(says("Allow", root.clone(), true), "allowed");
    assert_eq!(says("Deny", root, false), "explicitDeny");
    assert_eq!(says("Deny", json!({"AWS": "111122223333"}), false), "explicitDeny");
    assert_eq!(says("Deny", json!({"AWS": "arn:aws:iam::111122223333:role/other"}), false), "implicitDeny");
    assert_eq!(says("Deny", json!({"AWS": "arn:aws:sts::111122223333:assumed-role/carts/eks-1"}), false), "unknown");
}

#[test]
fn needs_are_found_in_refusals() {
    let line = |who: &str, rest: &str| {
        format!(
            "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/{who} is not authorized to perform: {rest}"
        )
    };
    let query = format!(
        "dynamodb:Query on resource: {TABLE}/index/byId because no identity-based policy allows the dynamodb:Query action"
    );
    let lines = [
        line("carts/eks-eks-worksh-carts-1", &query),
        line("carts/eks-eks-worksh-carts-2", &query),
        line("nodes/i-0a11b22c33d44e551", "s3:GetObject on resource: \"arn:aws:s3:::bucket/key\" because"),
        line("nodes/i-0a11b22c33d44e551", "dynamodb:ListTables on resource: *"),
        line(
            "nodes/i-0a11b22c33d44e551",
            "eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:111122223333:cluster/c",
        ),
        line("other/session", "dynamodb:Scan on resource: arn:aws:dynamodb:us-west-2:111122223333:table/other"),
        "nothing of it".to_owned(),
    ];
    let lines = lines.map(|line| LogLine::from(line.as_str()));
    let found: Vec<_> =
        from_log("carts/carts-1", &lines, None, &[]).into_iter().map(|need| (need.action, need.resource)).collect();
    let pair = |action: &str, resource: &str| (action.to_owned(), resource.to_owned());
    assert_eq!(
        found,
        [
            pair("dynamodb:Query", &format!("{TABLE}/index/byId")),
            pair("s3:GetObject", "arn:aws:s3:::bucket/key"),
            pair("dynamodb:ListTables", "*"),
        ]
    );
}

#[test]
fn needs_are_completed_from_the_cluster() {
    let cluster: Arn = "arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/c".parse().unwrap();
    let at = |text: &str| text.parse::<NeedText>().unwrap().at(&cluster).resource;
    assert_eq!(
        at("dynamodb:Query@carts/index/*"),
        "arn:aws-us-gov:dynamodb:us-gov-west-1:111122223333:table/carts/index/*"
    );
    assert_eq!(
        at("dynamodb:GetItem@us-gov-east-1:carts"),
        "arn:aws-us-gov:dynamodb:us-gov-east-1:111122223333:table/carts"
    );
    assert_eq!(at("dynamodb:ListTables@*"), "*");
    assert_eq!(at("s3:GetObject@arn:aws-us-gov:s3:::b/*"), "arn:aws-us-gov:s3:::b/*");
}

#[test]
fn an_access_comes_to_its_actions_and_is_found_again() {
    let table: Arn = TABLE.parse().unwrap();
    for access in Access::ALL {
        let needs = of_grant(&TableGrant::new(table.clone(), access));
        assert!(needs.iter().all(|need| !need.action.contains('*')), "{needs:?}");
        let wanted: Vec<_> = needs.iter().map(|need| (need.action.as_str(), need.resource.as_str())).collect();
        assert_eq!(covering(&table, &wanted), Some(access), "{wanted:?}");
    }
    assert_eq!(covering(&table, &[("dynamodb:GetItem", TABLE)]), Some(Access::Read));
    assert_eq!(covering(&table, &[("s3:GetObject", "arn:aws:s3:::b/k")]), None);
}
