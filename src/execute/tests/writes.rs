//! What an answer that was lost left behind is adopted only when it is the very thing that was wanted, and nothing is taken from whoever
//! began to use it.

use super::*;
use crate::{
    failure::Kind,
    model::{addon::AddonAssociation, role::NewRole, trust::target},
    plan::{AddonStep, RoleOwnership},
};

fn new_role() -> NewRole {
    let role = world().role.unwrap();
    NewRole {
        name: role.name,
        path: role.path,
        arn: role.arn,
        trust: role.trust,
        tags: role.tags,
        permissions_boundary: None,
        description: String::new(),
    }
}

/// The status that a step comes to.
fn ends(services: &Services, step: Step) -> (Status, Vec<&'static str>) {
    let (report, writes, _) = carried_by(services, step);
    assert_eq!(report.status == Status::Failed, report.failure.is_some());
    (report.status, writes)
}

/// The world after a change.
fn changed(change: Change) -> World {
    let mut changed = world();
    change(&mut changed);
    changed
}

#[test]
fn a_role_of_that_name_is_adopted_only_when_it_is_the_very_one() {
    let create = || Step::CreateRole(Box::new(new_role()));
    assert_eq!(ends(&Services::new(world()), create()), (Status::Done, vec!["create role"]));
    let found = |world, kind| ends(&Services::new(world).refusing("create role", 1, kind), create()).0;
    assert_eq!(found(world(), Kind::InUse), Status::Done);
    assert_eq!(found(world(), Kind::Forbidden), Status::Failed);
    let others: [Change; 5] = [
        |world| world.role = None,
        |world| {
            world.role.as_mut().unwrap().tags.insert("owner".to_owned(), "theirs".to_owned());
        },
        |world| world.role.as_mut().unwrap().path = "/theirs/".to_owned(),
        |world| world.role.as_mut().unwrap().permissions_boundary = Some(BOUNDARY.to_owned()),
        |world| world.role.as_mut().unwrap().trust = trust::document(json!({"Effect": "Deny"})),
    ];
    for (i, other) in others.into_iter().enumerate() {
        assert_eq!(found(changed(other), Kind::InUse), Status::Failed, "{i}");
    }
}

#[test]
fn a_trust_policy_is_written_only_over_the_one_that_was_planned_from() {
    let (before, after) = (world().role.unwrap().trust, trust::document(json!({"Effect": "Deny"})));
    let put = || Step::PutTrust { role: "app".to_owned(), before: before.clone(), after: after.clone() };
    assert_eq!(ends(&Services::new(world()), put()), (Status::Done, vec!["put trust"]));
    let rows: [(Change, Status); 3] = [
        (|world| world.role.as_mut().unwrap().trust = trust::document(json!({"Effect": "Deny"})), Status::Skipped),
        (|world| world.role.as_mut().unwrap().trust = trust::document(json!({"Sid": "Theirs"})), Status::Failed),
        (|world| world.role = None, Status::Failed),
    ];
    for (change, status) in rows {
        assert_eq!(ends(&Services::new(changed(change)), put()), (status, vec![]));
    }
}

/// Of a role that this plan made a moment ago nobody else knows: its policy is neither compared nor read back.
#[test]
fn a_policy_is_written_only_over_the_one_that_was_planned_from() {
    let (before, after) = (world().inline, Document(json!({"Statement": [{}]})));
    let put = |holder| {
        let (before, after) = (before.clone(), after.clone());
        Step::PutPolicy { role: "app".to_owned(), name: "own".to_owned(), before, after, holder }
    };
    let unseen = || Services::new(world()).late_by(usize::MAX);
    assert_eq!(ends(&unseen(), put(RoleOwnership::New)), (Status::Done, vec!["put policy"]));
    for holder in [RoleOwnership::Own, RoleOwnership::Shared] {
        assert_eq!(ends(&Services::new(world()), put(holder)), (Status::Done, vec!["put policy"]));
        let wanted = changed(|world| world.inline = Some(Document(json!({"Statement": [{}]}))));
        assert_eq!(ends(&Services::new(wanted), put(holder)), (Status::Skipped, vec![]));
        let theirs = changed(|world| world.inline = Some(Document(json!({"Sid": "Theirs"}))));
        assert_eq!(ends(&Services::new(theirs), put(holder)), (Status::Failed, vec![]));
    }
}

#[test]
fn an_association_of_that_name_is_adopted_only_when_it_says_the_same() {
    let spec = AssociationSpec { role_arn: OLD.to_owned(), ..AssociationSpec::default() };
    let association = NewAssociation { subject: subject("carts/carts"), spec };
    let create = || Step::CreateAssociation { cluster: "eks-workshop".to_owned(), association: association.clone() };
    let found = |world, kind| {
        let services = Services::new(world).refusing("create association", usize::MAX, kind);
        let (report, writes, took) = carried_by(&services, create());
        assert_eq!((writes.len(), took), (0, Duration::ZERO));
        report
    };
    assert_eq!(found(changed(|world| world.listed = true), Kind::InUse).status, Status::Done);
    assert_eq!(found(changed(|world| world.listed = true), Kind::Other).status, Status::Failed);
    let theirs = changed(|world| {
        (world.listed, world.association) = (true, Some(fixtures::association(OTHER)));
    });
    let report = found(theirs, Kind::InUse);
    assert_eq!(report.failure.unwrap().causes, [format!("it was associated with {OTHER} concurrently")]);
}

/// A field that an update clears is gone only when a read says so.
#[test]
fn a_field_that_eks_did_not_clear_is_no_success() {
    let clear = |target: bool| {
        let empty = Some(String::new());
        let change = if target {
            AssociationChange { target_role_arn: empty, ..AssociationChange::default() }
        } else {
            AssociationChange { policy: empty, ..AssociationChange::default() }
        };
        let (cluster, association_id) = ("eks-workshop".to_owned(), "a-1".to_owned());
        Step::UpdateAssociation {
            cluster,
            association_id,
            subject: subject("carts/carts"),
            from_role: OLD.to_owned(),
            change,
        }
    };
    let full = || {
        changed(|world| {
            let association = world.association.as_mut().unwrap();
            association.target_role_arn = Some(OTHER.to_owned());
            association.policy = Some("{}".to_owned());
        })
    };
    for (target, name) in [(true, "target role"), (false, "session policy")] {
        let cleared = Services::new(full());
        let (report, writes, _) = carried_by(&cleared, clear(target));
        assert_eq!((report.status, writes.len()), (Status::Done, 1), "{:?}", report.failure);
        let (report, _, _) = carried_by(&Services::new(full()).keeping(), clear(target));
        let failure = report.failure.unwrap();
        assert_eq!(failure.message, format!("the service kept the {name} of the association of carts/carts"));
    }
    // What was not to be cleared is not missed.
    let (report, writes, _) = carried_by(&Services::new(world()).keeping(), rows()[3].step.clone());
    assert_eq!((report.status, writes.len()), (Status::Done, 1), "{:?}", report.failure);
}

/// The external id is EKS's: where it gave none, a trust policy that needs it is not written.
#[test]
fn a_target_role_trusts_the_external_id_that_the_association_has() {
    let before = world().role.unwrap().trust;
    let needs = trust::document(json!({"Condition": {"StringEquals": {"sts:ExternalId": target::EXTERNAL_ID}}}));
    let put = |after: Document| Step::PutTargetTrust {
        role: "app".to_owned(),
        cluster: "eks-workshop".to_owned(),
        subject: subject("carts/carts"),
        before: before.clone(),
        after,
    };
    let with_id = changed(|world| {
        (world.listed, world.association.as_mut().unwrap().external_id) = (true, Some("x-1".to_owned()));
    });
    let services = Services::new(with_id);
    assert_eq!(ends(&services, put(needs.clone())), (Status::Done, vec!["put trust"]));
    let written = services.world.lock().unwrap().role.clone().unwrap().trust;
    assert_eq!(written, target::with_external_id(&needs, "x-1"));
    assert_eq!(ends(&Services::new(world()), put(needs)), (Status::Failed, vec![]));
    let without = trust::document(json!({"Effect": "Deny"}));
    assert_eq!(ends(&Services::new(world()), put(without)), (Status::Done, vec!["put trust"]));
}

#[test]
fn a_role_that_somebody_began_to_use_keeps_its_policies() {
    let delete = |force| {
        let last = LastLook { arn: OLD.parse().unwrap(), cluster: fixtures::cluster().arn, force };
        Step::DeleteRole { role: "app".to_owned(), trust: world().role.unwrap().trust, last: Box::new(last) }
    };
    let (role, policy_arn) = ("app".to_owned(), BOUNDARY.to_owned());
    let detach = Step::DetachPolicy { role: role.clone(), policy_arn };
    let policy = Step::DeletePolicy { role, name: "own".to_owned(), before: world().inline };
    let run = |services: &Services, steps: Vec<Step>| {
        let (_signal, deadline) = Deadline::unhurried();
        let (outcome, _) = carry_out(services, &deadline, steps);
        (outcome.failure().map(|failure| failure.message.clone()), services.writes.lock().unwrap().clone())
    };
    let unused = Services::new(world());
    let all = vec!["detach policy", "delete policy", "delete role"];
    assert_eq!(run(&unused, vec![detach.clone(), policy.clone(), delete(false)]), (None, all));
    let in_use = "role `app` is in use now, and was not deleted".to_owned();
    let used = || Services::new(changed(|world| world.listed = true));
    for first in [&detach, &policy] {
        assert_eq!(run(&used(), vec![first.clone(), delete(true)]), (Some(in_use.clone()), vec![]));
        // A policy of a role that stays goes all the same.
        assert_eq!(run(&used(), vec![first.clone()]).1.len(), 1);
    }
    // An association that the same plan takes from the role may still be shown for a moment.
    for freeing in rows().into_iter().filter(|row| row.step.stage() == 2 && row.step.role().is_none()) {
        let (failure, writes) = run(&used(), vec![freeing.step.clone(), delete(false)]);
        assert_eq!((failure, writes.last()), (None, Some(&"delete role")), "{:?}", freeing.step);
    }
    // Doubts are no proof that nobody uses it.
    let unread = || Services::new(world()).refusing("list associations", usize::MAX, Kind::Forbidden);
    let doubt = Some("role `app` is possibly in use, and was not deleted".to_owned());
    assert_eq!(run(&unread(), vec![delete(false)]), (doubt, vec![]));
    assert_eq!(run(&unread(), vec![delete(true)]), (None, vec!["delete role"]));
}

/// The agent's add-on: one that is there already, or gone already, is what was wanted.
#[test]
fn the_agent_that_is_there_or_gone_already_is_what_was_wanted() {
    let (cluster, version) = ("eks-workshop".to_owned(), "v2".to_owned());
    let install =
        Step::InstallAgent { cluster: cluster.clone(), version: version.clone(), settings: Settings::default() };
    let remove = Step::RemoveAgent { cluster, version };
    let deleting: Change = |world| "DELETING".clone_into(&mut world.addon.as_mut().unwrap().status);
    let there: Change = |_| {};
    let gone: Change = |world| world.addon = None;
    for (step, operation, kind, change, status) in [
        (&install, "create add-on", Kind::InUse, there, Status::Skipped),
        (&install, "create add-on", Kind::InUse, gone, Status::Failed),
        (&install, "create add-on", Kind::Other, there, Status::Failed),
        (&remove, "delete add-on", Kind::InUse, there, Status::Failed),
        (&remove, "delete add-on", Kind::InUse, deleting, Status::Skipped),
        (&remove, "delete add-on", Kind::InUse, gone, Status::Skipped),
        (&remove, "delete add-on", Kind::Other, deleting, Status::Failed),
    ] {
        let services = Services::new(changed(change)).refusing(operation, 1, kind);
        assert_eq!(ends(&services, step.clone()), (status, vec![]), "{operation} {kind:?}");
        assert_eq!(ends(&Services::new(world()), step.clone()), (Status::Done, vec![operation]));
    }
}

/// UpdateAddon replaces the whole list of associations: it is sent only when add-on and list are as they were planned from.
#[test]
fn the_associations_of_an_add_on_are_written_only_over_those_that_were_planned_from() {
    let owning: Change = |world| {
        let arn = world.association.as_ref().unwrap().summary.association_arn.clone();
        world.addon.as_mut().unwrap().associations = vec![arn];
    };
    let start = changed(owning);
    let one = |role: &str| vec![AddonAssociation { service_account: "carts".to_owned(), role_arn: role.to_owned() }];
    let step = Step::UpdateAddon(Box::new(AddonStep {
        cluster: "eks-workshop".to_owned(),
        addon: start.addon.clone().unwrap(),
        subject: subject("carts/carts"),
        association_id: Some("a-1".to_owned()),
        before: Some(OLD.to_owned()),
        after: Some(OTHER.to_owned()),
        present: one(OLD),
        wanted: one(OTHER),
        service_account_role: None,
    }));
    let written = vec!["set associations"];
    assert_eq!(ends(&Services::new(start.clone()), step.clone()), (Status::Done, written.clone()));
    let late = Services::new(start.clone()).refusing("set associations", 2, Kind::RoleUnseen);
    assert_eq!(ends(&late, step.clone()), (Status::Done, written));
    let rows: [(Change, Status); 6] = [
        (|world| world.association.as_mut().unwrap().role_arn = OTHER.to_owned(), Status::Skipped),
        (|world| world.association.as_mut().unwrap().role_arn = BOUNDARY.to_owned(), Status::Failed),
        (|world| world.addon = None, Status::Failed),
        (|world| "v3".clone_into(&mut world.addon.as_mut().unwrap().version), Status::Failed),
        (|world| world.addon.as_mut().unwrap().configuration = Some("{}".to_owned()), Status::Failed),
        (|world| world.addon.as_mut().unwrap().service_account_role = Some(OLD.to_owned()), Status::Failed),
    ];
    for (i, (change, status)) in rows.into_iter().enumerate() {
        let mut found = start.clone();
        change(&mut found);
        assert_eq!(ends(&Services::new(found), step.clone()), (status, vec![]), "{i}");
    }
}
