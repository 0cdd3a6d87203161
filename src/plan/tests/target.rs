//! The tests of target roles, session policies, and of clearing them.

use serde_json::json;

use super::*;
use crate::model::{
    arn::Arn,
    document::Document,
    policy::DYNAMODB,
    role::Role,
    trust::{self, target},
    want::Scope,
};

const ARN: &str = "arn:aws:iam::111122223333:role/target";

/// An associated service account, wanted with a target role in the same account.
fn world() -> (Want, Have) {
    let (mut want, mut have) = (fixtures::want("app"), associable());
    want.target_role = Field::Set(ARN.parse().unwrap());
    have.inline = Observed::Known(BTreeMap::new());
    have.target = Observed::Known(Some(target_role()));
    (want, have)
}

/// A role that admits the service account.
fn associable() -> Have {
    let own = trust::statement(&fixtures::cluster(), &fixtures::subject("carts/carts"), Scope::ServiceAccount, true);
    let any = trust::statement(&fixtures::cluster(), &fixtures::subject("carts/carts"), Scope::Cluster, false);
    let mut both = trust::document(own);
    both.0["Statement"].as_array_mut().unwrap().push({
        let mut any = any;
        any["Sid"] = json!("Any");
        any
    });
    Have { role: Observed::Known(Some(fixtures::role("app", both))), ..fixtures::have() }
}

fn target_role() -> Role {
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    Role { arn: ARN.parse().unwrap(), ..fixtures::role("target", trust::document(ec2)) }
}

fn carried_out(want: &Want, have: &Have) -> Have {
    let mut after = have.clone();
    for step in planned(want, have).steps {
        apply(&step, &mut after);
    }
    after
}

#[test]
fn permission_association_and_trust() {
    let (mut want, mut have) = world();
    let plan = planned(&want, &have);
    assert!(ids(&plan).contains(&format!("put-policy/{}", target::POLICY)), "{:?}", ids(&plan));
    assert!(plan.warnings.iter().any(|w| w.contains("--fix-target-trust")), "{:?}", plan.warnings);
    want.fix_target_trust = true;
    assert_eq!(ids(&planned(&want, &have)).last().unwrap(), "put-target-trust");
    let after = carried_out(&want, &have);
    assert_eq!(ids(&planned(&want, &after)), Vec::<String>::new());
    let trust = &after.target.known().unwrap().as_ref().unwrap().trust;
    assert_eq!(trust.statements().len(), 2, "the other statement stays");
    // What another policy grants is not granted again.
    let granted = target::granting(None, ARN);
    have.inline = Observed::Known(BTreeMap::from([("theirs".to_owned(), granted)]));
    assert!(!ids(&planned(&want, &have)).contains(&format!("put-policy/{}", target::POLICY)));
    // Written unread it could lose what it grants.
    have.inline = Observed::Unreadable("no".to_owned());
    assert!(refused(&want, &have).denied);
}

#[test]
fn target_roles_that_cannot_be() {
    let (mut want, mut have) = world();
    want.fix_target_trust = true;
    let other: Arn = "arn:aws:iam::222233334444:role/target".parse().unwrap();
    (want.target_role, have.target) = (Field::Set(other), Observed::NotRequested);
    assert!(refused(&want, &have).message.contains("account 222233334444"));
    want.fix_target_trust = false;
    assert!(planned(&want, &have).warnings.iter().all(|w| !w.contains("target")));
    have.target = Observed::Known(None);
    assert!(refused(&want, &have).message.contains("does not exist"));
    let (mut own, have) = world();
    own.target_role = Field::Set(have.role.known().unwrap().as_ref().unwrap().arn.clone());
    assert!(refused(&own, &have).message.contains("own role"));
    own.target_role = Field::Set("arn:aws-cn:iam::111122223333:role/target".parse().unwrap());
    assert!(refused(&own, &have).message.contains("partition"));
    // The trust policy of the target would name every role that its path matches.
    let (want, mut have) = world();
    assert!(planned(&want, &have).warnings.iter().all(|w| !w.contains("wildcard")));
    let Observed::Known(Some(role)) = &mut have.role else { panic!("no role") };
    role.arn.resource = format!("role/te*ms/{}", role.name);
    assert!(refused(&want, &have).message.contains("wildcard"));
}

#[test]
fn cleared_by_an_empty_string_or_by_a_new_association() {
    let (mut want, mut have) = world();
    let mut association = fixtures::association(&have.role.known().unwrap().as_ref().unwrap().arn.to_string());
    association.target_role_arn = Some(ARN.to_owned());
    association.policy = Some(r#"{"Statement":[]}"#.to_owned());
    association.disable_session_tags = true;
    association.tags.insert("team".to_owned(), "a".to_owned());
    have.association = Observed::Known(Some(association));
    (want.target_role, want.session_policy) = (Field::Cleared, Field::Cleared);
    let plan = planned(&want, &have);
    let Some(Step::UpdateAssociation { change, .. }) = plan.steps.first() else { panic!("{plan:?}") };
    assert_eq!((change.target_role_arn.as_deref(), change.policy.as_deref()), (Some(""), Some("")));
    assert_eq!(change.role_arn, None);
    want.replace = true;
    let plan = planned(&want, &have);
    let Some(Step::ReplaceAssociation { association, .. }) = plan.steps.first() else { panic!("{plan:?}") };
    assert_eq!((&association.spec.target_role_arn, &association.spec.policy), (&None, &None));
    assert_eq!((association.spec.disable_session_tags, association.spec.tags["team"].as_str()), (true, "a"));
    let after = carried_out(&want, &have);
    assert!(planned(&want, &after).steps.is_empty());
}

#[test]
fn a_session_policy_of_the_same_meaning_is_no_change() {
    let (mut want, mut have) = (fixtures::want("app"), associable());
    have.inline = Observed::Known(BTreeMap::new());
    want.disable_session_tags = Field::Set(true);
    let document = json!({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]});
    want.session_policy = Field::Set(Document(document));
    let mut association = fixtures::association(&have.role.known().unwrap().as_ref().unwrap().arn.to_string());
    association.disable_session_tags = true;
    for (policy, changes) in [
        (r#"{"Statement":{"Resource":["*"],"Effect":"Allow","Action":["s3:GetObject"]}}"#, false),
        (r#"{"Statement":{"Resource":["*"],"Effect":"Allow","Action":["s3:PutObject"]}}"#, true),
    ] {
        association.policy = Some(policy.to_owned());
        have.association = Observed::Known(Some(association.clone()));
        assert_eq!(ids(&planned(&want, &have)).contains(&"update-association".to_owned()), changes, "{policy}");
    }
}

#[test]
fn policies_that_need_session_tags_are_named_when_there_are_none() {
    let (mut want, mut have) = (fixtures::want("app"), associable());
    let needs = Document(json!({"Statement": [{
        "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*",
    }]}));
    have.inline = Observed::Known(BTreeMap::from([(DYNAMODB.to_owned(), needs)]));
    let warned =
        |want: &Want, have: &Have| planned(want, have).warnings.iter().any(|w| w.contains("needs the session tag"));
    assert!(!warned(&want, &have));
    want.disable_session_tags = Field::Set(true);
    assert!(warned(&want, &have));
    have.inline = Observed::Known(BTreeMap::new());
    assert!(!warned(&want, &have));
}
