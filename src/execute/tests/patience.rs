//! A write is repeated only when a service refuses it because it does not see yet what was written before, or is busy; for as long as
//! that may take, and no longer.

use super::*;
use crate::{failure::Kind, model::role::NewRole, plan::RoleOwnership};

/// A role's writes, each with its operation.
fn writes_of_a_role() -> [(Step, &'static str); 8] {
    let (role, name, policy_arn) = ("app".to_owned(), "own".to_owned(), BOUNDARY.to_owned());
    let before = world().role.unwrap().trust;
    let after = trust::document(json!({"Effect": "Deny"}));
    let (inline, policy) = (world().inline, Document(json!({"Statement": [{}]})));
    let holder = RoleOwnership::Own;
    [
        (Step::PutTrust { role: role.clone(), before, after }, "put trust"),
        (Step::TagRole { role: role.clone(), tags: BTreeMap::new() }, "tag role"),
        (Step::UntagRole { role: role.clone(), keys: Vec::new() }, "untag role"),
        (Step::PutBoundary { role: role.clone(), before: None, after: Some(policy_arn.clone()) }, "put boundary"),
        (Step::AttachPolicy { role: role.clone(), policy_arn: policy_arn.clone(), holder }, "attach policy"),
        (
            Step::PutPolicy { role: role.clone(), name: name.clone(), before: inline.clone(), after: policy, holder },
            "put policy",
        ),
        (Step::DetachPolicy { role: role.clone(), policy_arn }, "detach policy"),
        (Step::DeletePolicy { role, name, before: inline }, "delete policy"),
    ]
}

/// The role's deletion, with nobody left who uses it.
fn delete_role(force: bool) -> Step {
    let last = LastLook { arn: OLD.parse().unwrap(), cluster: fixtures::cluster().arn, force };
    Step::DeleteRole { role: "app".to_owned(), trust: world().role.unwrap().trust, last: Box::new(last) }
}

fn create_association() -> Step {
    let spec = AssociationSpec { role_arn: OLD.to_owned(), ..AssociationSpec::default() };
    let association = NewAssociation { subject: subject("carts/carts"), spec };
    Step::CreateAssociation { cluster: "eks-workshop".to_owned(), association }
}

/// Refused twice it is done; refused for ever it fails after so many seconds, or the pause that was under way.
fn is_repeated_for(step: &Step, operation: &'static str, kind: Kind, seconds: u64) {
    let services = Services::new(world()).refusing(operation, 2, kind);
    let (report, writes, _) = carried_by(&services, step.clone());
    assert_eq!((report.status, writes), (Status::Done, vec![operation]), "{kind:?}: {:?}", report.failure);
    let services = Services::new(world()).refusing(operation, usize::MAX, kind);
    let (report, writes, took) = carried_by(&services, step.clone());
    assert_eq!((report.status, writes.len()), (Status::Failed, 0), "{operation} {kind:?}");
    assert!(report.failure.unwrap().is(kind), "{operation} {kind:?}");
    assert!((seconds..=seconds + 3).contains(&took.as_secs()), "{operation} {kind:?}: {took:?}");
}

/// Refused for any other reason it fails at once.
fn is_not_repeated(step: &Step, operation: &'static str, kind: Kind) {
    let services = Services::new(world()).refusing(operation, 1, kind);
    let (report, writes, took) = carried_by(&services, step.clone());
    assert_eq!((report.status, writes.len(), took), (Status::Failed, 0, Duration::ZERO), "{operation} {kind:?}");
}

#[test]
fn a_write_of_a_role_waits_for_iam_to_see_the_role_and_for_other_changes_of_it() {
    for (step, operation) in writes_of_a_role() {
        is_repeated_for(&step, operation, Kind::RoleUnseen, 15);
        is_repeated_for(&step, operation, Kind::Busy, 30);
        for kind in [Kind::Forbidden, Kind::InUse, Kind::Conflict, Kind::TrustUnseen, Kind::Other] {
            is_not_repeated(&step, operation, kind);
        }
    }
}

#[test]
fn a_role_is_deleted_once_iam_shows_it_without_its_policies() {
    is_repeated_for(&delete_role(false), "delete role", Kind::Conflict, 5);
    is_not_repeated(&delete_role(false), "delete role", Kind::Forbidden);
}

#[test]
fn an_association_waits_for_eks_to_see_its_role_and_its_trust_policy() {
    let update = rows().into_iter().find(|row| matches!(row.step, Step::UpdateAssociation { .. })).unwrap().step;
    for (step, operation) in [(create_association(), "create association"), (update, "update association")] {
        for kind in [Kind::RoleUnseen, Kind::TrustUnseen] {
            is_repeated_for(&step, operation, kind, 60);
        }
        for kind in [Kind::Forbidden, Kind::Busy, Kind::Conflict, Kind::Other] {
            is_not_repeated(&step, operation, kind);
        }
    }
}

/// How long podid believes that EKS is only late depends on whether the role is there.
#[test]
fn a_role_that_is_not_there_is_not_waited_for() {
    let refused = || {
        let mut gone = world();
        gone.role = None;
        Services::new(gone).refusing("create association", usize::MAX, Kind::RoleUnseen)
    };
    let (report, _, took) = carried_by(&refused(), create_association());
    assert_eq!((report.status, took), (Status::Failed, Duration::ZERO));

    // One that this plan made may be known to another of IAM's servers only.
    let (arn, trust) = (OLD.parse().unwrap(), trust::document(json!({})));
    let (name, path, description) = ("app".to_owned(), "/".to_owned(), String::new());
    let new = NewRole { name, path, arn, trust, tags: BTreeMap::new(), permissions_boundary: None, description };
    let steps = || vec![Step::CreateRole(Box::new(new.clone())), create_association()];
    let (_signal, deadline) = Deadline::unhurried();
    let (outcome, took) = carry_out(&refused(), &deadline, steps());
    assert_eq!(outcome.reports[1].status, Status::Failed);
    assert!((15..=18).contains(&took.as_secs()), "{took:?}");

    // Once it is there, EKS gets the whole minute.
    let mut gone = world();
    gone.role = None;
    let appears: Change = |found| found.role = world().role;
    let services = Services::new(gone).refusing("create association", 3, Kind::RoleUnseen).refusing_while(
        "create association",
        usize::MAX,
        Kind::RoleUnseen,
        appears,
    );
    let (outcome, took) = carry_out(&services, &deadline, steps());
    assert_eq!(outcome.reports[1].status, Status::Failed);
    assert!((60..=63).contains(&took.as_secs()), "{took:?}");

    // Where podid may not read the role, EKS's word is all there is.
    let services = Services::new(world()).refusing("create association", usize::MAX, Kind::RoleUnseen).refusing(
        "read role",
        usize::MAX,
        Kind::Forbidden,
    );
    let (report, _, took) = carried_by(&services, create_association());
    assert_eq!(report.status, Status::Failed);
    assert!((15..=18).contains(&took.as_secs()), "{took:?}");
}

/// Where the time is up before the next attempt, the service's last word stays the cause.
#[test]
fn out_of_time_the_refusal_is_told() {
    let services = Services::new(world()).refusing("create association", usize::MAX, Kind::RoleUnseen);
    let (_sender, signal) = tokio::sync::watch::channel(None);
    let deadline = Deadline::new(Duration::from_millis(250), signal);
    let (outcome, took) = carry_out(&services, &deadline, vec![create_association()]);
    let failure = outcome.failure().unwrap();
    assert_eq!((outcome.reports[0].status, failure.code, took), (Status::Failed, Code::TimedOut, Duration::ZERO));
    assert!(failure.message.starts_with("timed out after 250ms"), "{failure:?}");
    assert_eq!(failure.causes, ["create association was refused"]);
}

/// What is deleted already may be in the way for a moment.
#[test]
fn a_deleted_association_in_the_way_is_waited_for() {
    is_repeated_for(&create_association(), "create association", Kind::InUse, 30);
}

/// Every attempt of one write has one token: EKS knows that they are the same. Another write has another.
#[test]
fn a_write_keeps_its_token() {
    let services = Services::new(world()).refusing("create association", 2, Kind::RoleUnseen);
    carried_by(&services, create_association());
    carried_by(&services, create_association());
    let tokens = services.tokens.lock().unwrap();
    assert_eq!(tokens.len(), 4);
    assert_eq!(tokens[..3], [tokens[0].as_str(); 3]);
    assert_ne!(tokens[0], tokens[3]);
    assert!(tokens.iter().all(|token| token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit())), "{tokens:?}");
}

/// Neither is a document overwritten that somebody wrote while podid waited, nor is one written twice.
#[test]
fn a_document_is_read_again_before_it_is_written_again() {
    let [(trust, _), .., (policy, _), _, _] = writes_of_a_role();
    let theirs: Change = |world| {
        world.role.as_mut().unwrap().trust = trust::document(json!({"Sid": "Theirs"}));
        world.inline = Some(Document(json!({"Sid": "Theirs"})));
    };
    let wanted: Change = |world| {
        world.role.as_mut().unwrap().trust = trust::document(json!({"Effect": "Deny"}));
        world.inline = Some(Document(json!({"Statement": [{}]})));
    };
    for (step, operation) in [(trust, "put trust"), (policy, "put policy")] {
        for (change, status) in [(theirs, Status::Failed), (wanted, Status::Done)] {
            let services = Services::new(world()).refusing_while(operation, 1, Kind::Busy, change);
            let (report, writes, _) = carried_by(&services, step.clone());
            assert_eq!((report.status, writes.len()), (status, 0), "{operation}: {:?}", report.failure);
        }
    }
}

/// IAM may go on showing what was there for ten seconds; anything else that it shows is another's write.
#[test]
fn what_was_written_is_read_back() {
    let [(trust, _), .., (policy, _), _, _] = writes_of_a_role();
    let theirs: Change = |world| {
        world.role.as_mut().unwrap().trust = trust::document(json!({"Sid": "Theirs"}));
        world.inline = Some(Document(json!({"Sid": "Theirs"})));
    };
    for (step, operation) in [(trust, "put trust"), (policy, "put policy")] {
        let (report, writes, _) = carried_by(&Services::new(world()).late_by(3), step.clone());
        assert_eq!((report.status, writes), (Status::Done, vec![operation]), "{:?}", report.failure);
        let (report, _, took) = carried_by(&Services::new(world()).late_by(usize::MAX), step.clone());
        assert_eq!(report.status, Status::Failed, "{operation}");
        assert!((10..=12).contains(&took.as_secs()), "{operation}: {took:?}");
        let (report, _, took) = carried_by(&Services::new(world()).overwritten(theirs), step.clone());
        assert_eq!((report.status, took), (Status::Failed, Duration::ZERO), "{operation}");
    }
}
