//! What is in the way of a need, by what IAM answers and the policies say.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    checks::Status,
    model::{
        access::{AccessView, Decision, Effect, RoleDocuments},
        document::Document,
        fixtures::{association, at, cluster, role, subject},
        snapshot::ClusterView,
    },
};

const ROLE: &str = "arn:aws:iam::111122223333:role/carts";
const TABLE: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";

fn answer(effect: Effect) -> Decision {
    Decision {
        action: "dynamodb:Query".to_owned(),
        resource: format!("{TABLE}/index/byId"),
        context: Vec::new(),
        effect,
        boundary: None,
        organization: None,
        missing: Vec::new(),
        policies: Vec::new(),
    }
}

/// carts/carts needs to query an index, and IAM answers this.
fn asked(decision: Decision) -> Snapshot {
    let view = ClusterView { cluster: Observed::Known(cluster()), ..ClusterView::default() };
    let mut it = Snapshot::unread(subject("carts/carts"), at(0), Arc::new(view));
    it.association = Observed::Known(Some(association(ROLE)));
    it.role.role = Observed::Known(Some(role("carts", Document(json!({})))));
    it.needs = vec![Need::new(&decision.action, &decision.resource, "--needs")];
    it.access = AccessView { simulated: Observed::Known(vec![decision]), ..AccessView::default() };
    it
}

fn found(it: &Snapshot) -> (&'static str, Status) {
    let findings = findings(it);
    assert_eq!(findings.len(), 1, "{findings:?}");
    (findings[0].check.id, findings[0].status)
}

fn allowing(statement: &Value) -> Observed<RoleDocuments> {
    let document = Document(json!({"Version": "2012-10-17", "Statement": statement}));
    Observed::Known(RoleDocuments { identity: vec![("p".to_owned(), document)], boundary: None })
}

#[test]
fn the_answer_decides_who_is_to_blame() {
    let explicit = answer(Effect::Explicit);
    let implicit = answer(Effect::Implicit);
    for (decision, id) in [
        (answer(Effect::Allowed), "permissions.ok"),
        (implicit.clone(), "permissions.missing"),
        (explicit.clone(), "permissions.explicit-deny"),
        (Decision { boundary: Some(true), ..implicit.clone() }, "permissions.missing"),
        (Decision { boundary: Some(false), ..implicit.clone() }, "permissions.boundary"),
        (Decision { boundary: Some(false), organization: Some(false), ..implicit.clone() }, "permissions.scp"),
        (Decision { organization: Some(false), ..explicit.clone() }, "permissions.scp"),
        (
            Decision { organization: Some(false), policies: vec!["p".to_owned()], ..explicit },
            "permissions.explicit-deny",
        ),
    ] {
        assert_eq!(found(&asked(decision.clone())).0, id, "{decision:?}");
    }
    let missing = vec!["aws:SourceVpc".to_owned()];
    assert_eq!(found(&asked(Decision { missing, ..implicit.clone() })), ("permissions.ok", Status::Unknown));
    // A tag that EKS does not send is known to be absent.
    let missing = vec!["aws:PrincipalTag/team".to_owned()];
    assert_eq!(found(&asked(Decision { missing, ..implicit })), ("permissions.missing", Status::Failed));
}

/// A Deny for all but one network is no Deny for pods in it: whether they are, nobody can know.
#[test]
fn a_denial_may_hang_on_what_podid_does_not_know() {
    let deny = Decision { missing: vec!["aws:SourceVpc".to_owned()], ..answer(Effect::Explicit) };
    assert_eq!(found(&asked(deny.clone())), ("permissions.ok", Status::Unknown));
    let perimeter = json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}},
    ]);
    let mut it = asked(deny.clone());
    it.role.documents = allowing(&perimeter);
    assert_eq!(found(&it), ("permissions.ok", Status::Unknown));
    it.role.documents = allowing(&json!({"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}));
    assert_eq!(found(&it), ("permissions.explicit-deny", Status::Failed));
    let organization = Decision { organization: Some(false), ..answer(Effect::Explicit) };
    assert_eq!(found(&asked(organization)), ("permissions.scp", Status::Warning));
}

#[test]
fn the_policies_tell_why_nothing_allows_it() {
    let on = |resource: &str| json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": resource});
    let tagged = json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "orders"}}});
    for (statement, id) in [
        (json!([]), "permissions.missing"),
        (on(TABLE), "permissions.index"),
        (
            json!([on(TABLE), on(&format!("{}/index/*", TABLE.replace("us-west-2", "us-east-1")))]),
            "permissions.wrong-arn",
        ),
        (on(&format!("{}/index/byId", TABLE.replace("1111", "4444"))), "permissions.wrong-arn"),
        (on(&format!("{}/index/byId", TABLE.replace("carts", "cart"))), "permissions.wrong-arn"),
        (on(&format!("{}/index/byId", TABLE.replace("carts", "payments"))), "permissions.missing"),
        (tagged, "permissions.session-tags"),
    ] {
        let mut it = asked(answer(Effect::Implicit));
        it.role.documents = allowing(&statement);
        assert_eq!(found(&it), (id, Status::Failed), "{statement}");
    }
}

#[test]
fn what_is_not_seen_is_not_judged() {
    let mut it = asked(answer(Effect::Allowed));
    it.access.simulated = Observed::Unreadable("not allowed: iam:SimulatePrincipalPolicy".to_owned());
    it.role.documents = Observed::Unreadable("not allowed: iam:GetRolePolicy".to_owned());
    assert_eq!(found(&it), ("permissions.ok", Status::Skipped));
    it.role.documents = allowing(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    assert_eq!(found(&it), ("permissions.ok", Status::Ok));
    it.needs.clear();
    assert_eq!(found(&it), ("permissions.ok", Status::Skipped));
    it.association = Observed::Known(None);
    assert!(findings(&it).is_empty());
}
