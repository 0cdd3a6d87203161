//! Who can make a call: each row differs from the first, where the pods can, in what it names.

use serde_json::{Value, json};

use super::*;
use crate::model::{
    fixtures::{association, at, cluster, role, subject},
    trust::{document, statement},
    want::Scope,
};

const TABLE: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
const ROLE: &str = "arn:aws:iam::111122223333:role/app";
const TARGET: &str = "arn:aws:iam::111122223333:role/target";

/// A world of one service account.
struct World {
    association: Association,
    role: RoleView,
    target: Option<RoleView>,
}

fn policy(statements: &Value) -> Document {
    Document(json!({"Version": "2012-10-17", "Statement": statements}))
}

fn view(role: Role, identity: &[(&str, Value)]) -> RoleView {
    let identity = identity.iter().map(|(name, statements)| ((*name).to_owned(), policy(statements))).collect();
    let documents = Observed::Known(RoleDocuments { identity, boundary: None });
    RoleView { role: Observed::Known(Some(role)), documents, ..RoleView::default() }
}

fn allow() -> Value {
    json!([{"Sid": "Table", "Effect": "Allow", "Action": "dynamodb:Query", "Resource": TABLE}])
}

fn app(identity: &[(&str, Value)]) -> RoleView {
    view(role("app", document(statement(&cluster(), &subject("carts/carts"), Scope::ServiceAccount, true))), identity)
}

fn healthy() -> World {
    World { association: association(ROLE), role: app(&[("carts", allow())]), target: None }
}

/// With a target role, which has the policies.
fn two() -> World {
    let mut world = healthy();
    world.association.target_role_arn = Some(TARGET.to_owned());
    let goes = json!([{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": TARGET}]);
    world.role = app(&[("hop", goes)]);
    let trusts = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"]});
    world.target = Some(view(role("target", document(trusts)), &[("carts", allow())]));
    world
}

fn ask(world: &World) -> (Answer, String) {
    let cluster = cluster();
    let holder = Holder {
        cluster: &cluster,
        association: &world.association,
        role: &world.role,
        target: world.target.as_ref(),
        now: at(0),
    };
    let ruling = holder.can(&Need::new("dynamodb:Query", TABLE, ""));
    (ruling.answer, ruling.reasons.join("; "))
}

/// The documents of a role that was read.
fn documents(view: &mut RoleView) -> &mut RoleDocuments {
    match &mut view.documents {
        Observed::Known(documents) => documents,
        _ => unreachable!(),
    }
}

fn set_identity(world: &mut World, statements: &Value) {
    documents(&mut world.role).identity[0].1 = policy(statements);
}

fn with(more: &Value) -> Value {
    let mut statements = allow();
    for (key, value) in more.as_object().unwrap() {
        statements[0][key] = value.clone();
    }
    statements
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_decides() {
    type Change = fn(&mut World);
    let rows: &[(Change, Answer, &str)] = &[
        (|_| {}, Answer::Can, "statement `Table` of policy carts allows it"),
        (
            |it| {
                documents(&mut it.role).identity.push((
                    "no".to_owned(),
                    policy(&json!([{"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}])),
                ));
            },
            Answer::Cannot,
            "statement 1 of policy no denies it",
        ),
        (
            |it| set_identity(it, &with(&json!({"Action": "dynamodb:Scan"}))),
            Answer::Cannot,
            "no policy of the role allows it",
        ),
        (|it| documents(&mut it.role).identity.clear(), Answer::Cannot, "the role has no policies"),
        (
            |it| {
                set_identity(
                    it,
                    &with(&json!({"Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "orders"}}})),
                );
            },
            Answer::Cannot,
            "no policy of the role allows it: the conditions of statement `Table` of policy carts do not hold",
        ),
        (
            |it| {
                set_identity(
                    it,
                    &with(&json!({"Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "carts"}}})),
                );
            },
            Answer::Can,
            "statement `Table` of policy carts allows it",
        ),
        (
            |it| set_identity(it, &with(&json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}))),
            Answer::Unknown,
            "statement `Table` of carts requires aws:SourceIp (IpAddress `10.0.0.0/8`), which podid cannot evaluate",
        ),
        (
            |it| {
                documents(&mut it.role).boundary = Some((
                    "arn:aws:iam::111122223333:policy/edge".to_owned(),
                    policy(&json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])),
                ));
            },
            Answer::Cannot,
            "the permissions boundary edge does not allow it",
        ),
        (
            |it| {
                it.association.policy = Some(
                    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#
                        .to_owned(),
                );
            },
            Answer::Cannot,
            "the session policy of the association does not allow it",
        ),
        (
            |it| it.association.policy = Some("{".to_owned()),
            Answer::Unknown,
            "the session policy is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        // A document that IAM would not take may say anything.
        (
            |it| set_identity(it, &with(&json!({"Effect": "allow"}))),
            Answer::Unknown,
            "policy carts cannot be evaluated: statement 1 (Table): `Effect` must be \"Allow\" or \"Deny\"",
        ),
        (
            |it| it.role.documents = Observed::Unreadable("not allowed: iam:GetRolePolicy".to_owned()),
            Answer::Unknown,
            "the policies of role app: not allowed: iam:GetRolePolicy",
        ),
        (
            |it| it.role.role = Observed::Unreadable("not allowed: iam:GetRole".to_owned()),
            Answer::Unknown,
            "role app: not allowed: iam:GetRole",
        ),
        (|it| it.role.role = Observed::Known(None), Answer::Cannot, "role app does not exist"),
        (
            |it| it.association.role_arn = "arn:aws:iam::111122223333:role/path/app".to_owned(),
            Answer::Cannot,
            "role arn:aws:iam::111122223333:role/path/app does not exist: the role of this name is arn:aws:iam::111122223333:role/app",
        ),
        (
            |it| it.association.summary.subject = subject("carts/other"),
            Answer::Cannot,
            "the trust policy of role app: podid's statement allows only other service accounts",
        ),
        // Session tags that are off fail the trust policy too.
        (
            |it| {
                it.association.disable_session_tags = true;
                let open = document(statement(&cluster(), &subject("carts/carts"), Scope::Cluster, false));
                it.role.role = Observed::Known(Some(role("app", open)));
                set_identity(
                    it,
                    &with(&json!({"Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "carts"}}})),
                );
            },
            Answer::Cannot,
            "no policy of the role allows it: the conditions of statement `Table` of policy carts do not hold",
        ),
    ];
    for (change, answer, reason) in rows {
        let mut world = healthy();
        change(&mut world);
        assert_eq!(ask(&world), (*answer, (*reason).to_owned()));
    }
}

#[test]
fn with_a_target_role() {
    type Change = fn(&mut World);
    let rows: &[(Change, Answer, &str)] = &[
        (|_| {}, Answer::Can, "statement `Table` of policy carts allows it"),
        (
            |it| documents(&mut it.role).identity.clear(),
            Answer::Cannot,
            "no policy of role app allows sts:AssumeRole on arn:aws:iam::111122223333:role/target; no policy of role app allows sts:TagSession on arn:aws:iam::111122223333:role/target",
        ),
        (
            |it| it.target.as_mut().unwrap().role = Observed::Unreadable("it is in another account".to_owned()),
            Answer::Unknown,
            "role target: it is in another account",
        ),
        (
            |it| {
                it.target.as_mut().unwrap().role = Observed::Known(Some(role(
                    "target",
                    document(
                        json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999988887777:root"}, "Action": "sts:AssumeRole"}),
                    ),
                )));
            },
            Answer::Cannot,
            "the trust policy of target role target: no statement trusts role app or its account",
        ),
        // The role's own policies are of no use behind the hop.
        (|it| documents(it.target.as_mut().unwrap()).identity.clear(), Answer::Cannot, "the role has no policies"),
    ];
    for (change, answer, reason) in rows {
        let mut world = two();
        change(&mut world);
        assert_eq!(ask(&world), (*answer, (*reason).to_owned()));
    }
}

#[test]
fn another_accounts_resource_is_unknown() {
    let mut world = healthy();
    set_identity(&mut world, &with(&json!({"Resource": "*"})));
    let cluster = cluster();
    let holder =
        Holder { cluster: &cluster, association: &world.association, role: &world.role, target: None, now: at(0) };
    let on =
        |account: &str| holder.can(&Need::new("dynamodb:Query", TABLE.replace("111122223333", account), "")).answer;
    assert_eq!((on("111122223333"), on("999988887777")), (Answer::Can, Answer::Unknown));
}

#[test]
fn how_kms_is_reached_is_unknown() {
    let mut world = healthy();
    let key = "arn:aws:kms:us-west-2:111122223333:key/k";
    let via = json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key,
        "Condition": {"StringEquals": {"kms:ViaService": "dynamodb.us-west-2.amazonaws.com"}}});
    set_identity(&mut world, &json!([via]));
    let cluster = cluster();
    let holder =
        Holder { cluster: &cluster, association: &world.association, role: &world.role, target: None, now: at(0) };
    assert_eq!(holder.can(&Need::new("kms:Decrypt", key, "")).answer, Answer::Unknown);
}
