//! What others change between the plan and the write is not overwritten: each step against services that are not as they were
//! planned from, beside its quiet twin.

mod outcome;
mod patience;
mod services;
mod writes;

use std::time::Duration;

use serde_json::json;

use self::services::{Change, Services, World};
use super::*;
use crate::{
    model::{
        addon::Settings,
        association::{AssociationChange, AssociationSpec, NewAssociation},
        document::Document,
        fixtures::{self, association, subject},
        trust,
        want::Scope,
    },
    plan::LastLook,
    wait::Moment,
};

const OLD: &str = "arn:aws:iam::111122223333:role/app";
const OTHER: &str = "arn:aws:iam::111122223333:role/theirs";
const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/boundary";

/// A role of podid's, its policy, its association, and the agent's add-on.
fn world() -> World {
    let own = trust::statement(&fixtures::cluster(), &subject("carts/carts"), Scope::ServiceAccount, true);
    World {
        role: Some(fixtures::role("app", trust::document(own))),
        inline: Some(Document(json!({"Statement": []}))),
        association: Some(association(OLD)),
        addon: fixtures::agent(&[], &[]).addon,
        listed: false,
    }
}

/// What steps come to, and how long that takes by the clock that pauses move.
fn carry_out(services: &Services, deadline: &Deadline, steps: Vec<Step>) -> (Outcome, Duration) {
    let ports = Ports { eks: services, iam: services, kube: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let began = Moment::now();
        (run(&ports, deadline, steps, |_| {}).await, began.elapsed())
    })
}

/// What one step comes to, what it wrote, and how long that took.
fn carried_by(services: &Services, step: Step) -> (Report, Vec<&'static str>, Duration) {
    let (_signal, deadline) = Deadline::unhurried();
    let (outcome, took) = carry_out(services, &deadline, vec![step]);
    (outcome.reports.into_iter().next().unwrap(), services.writes.lock().unwrap().clone(), took)
}

/// What the step comes to, and what it wrote.
fn carried_out(world: World, step: Step) -> (Report, Vec<&'static str>) {
    let (report, writes, _) = carried_by(&Services::new(world), step);
    (report, writes)
}

/// A step that reads right before it writes, as planned from [`world`]; what it writes, and what may have changed since, with what
/// podid says of it.
struct Row {
    step: Step,
    writes: Vec<&'static str>,
    changes: Vec<(Change, &'static str)>,
}

impl Row {
    fn new(step: Step, writes: &[&'static str]) -> Self {
        Self { step, writes: writes.to_vec(), changes: Vec::new() }
    }

    fn unless(mut self, change: Change, why: &'static str) -> Self {
        self.changes.push((change, why));
        self
    }
}

fn rows() -> [Row; 7] {
    let (cluster, id, role) = ("eks-workshop".to_owned(), "a-1".to_owned(), "app".to_owned());
    let (there, carts) = (world(), subject("carts/carts"));
    let trust = there.role.unwrap().trust;
    let spec = AssociationSpec { role_arn: OTHER.to_owned(), ..association(OLD).spec() };
    let new = NewAssociation { subject: carts.clone(), spec };
    let last = LastLook { arn: OLD.parse().unwrap(), cluster: fixtures::cluster().arn, force: false };
    let change = AssociationChange { role_arn: Some(OTHER.to_owned()), ..AssociationChange::default() };
    let from_role = OLD.to_owned();
    let theirs: Change = |world| world.association = Some(association(OTHER));
    let gone: Change = |world| world.association = None;
    let boundary = Step::PutBoundary { role: role.clone(), before: None, after: Some(BOUNDARY.to_owned()) };
    let policy = Step::DeletePolicy { role: role.clone(), name: "own".to_owned(), before: there.inline };
    let delete = Step::DeleteRole { role, trust, last: Box::new(last) };
    let update = Step::UpdateAssociation {
        cluster: cluster.clone(),
        association_id: id.clone(),
        subject: carts.clone(),
        from_role: from_role.clone(),
        change,
    };
    let replace = Step::ReplaceAssociation {
        cluster: cluster.clone(),
        association_id: id.clone(),
        from_role: from_role.clone(),
        association: Box::new(new),
    };
    let end =
        Step::DeleteAssociation { cluster: cluster.clone(), association_id: id, subject: carts, role_arn: from_role };
    let from = Box::new(there.addon.unwrap());
    let agent = Step::UpdateAgent { cluster, from, version: "v2".to_owned(), settings: Settings::default() };
    [
        Row::new(boundary, &["put boundary"])
            .unless(|world| world.role.as_mut().unwrap().permissions_boundary = Some("theirs".to_owned()), "theirs")
            .unless(|world| world.role = None, "the role was deleted"),
        Row::new(policy, &["delete policy"])
            .unless(|world| world.inline = Some(Document(json!({"Statement": [{}]}))), "its document was changed"),
        Row::new(delete, &["delete role"])
            .unless(
                |world| world.role.as_mut().unwrap().arn = "arn:aws:iam::111122223333:role/new/app".parse().unwrap(),
                "it was deleted and created again",
            )
            .unless(
                |world| world.role.as_mut().unwrap().trust = trust::document(json!({"Effect": "Deny"})),
                "its trust policy was changed",
            ),
        Row::new(update, &["update association"]).unless(theirs, OTHER).unless(gone, "deleted"),
        Row::new(replace, &["delete association", "create association"]).unless(theirs, OTHER).unless(gone, "deleted"),
        Row::new(end, &["delete association"]).unless(theirs, OTHER),
        Row::new(agent, &["update add-on"])
            .unless(|world| "v3".clone_into(&mut world.addon.as_mut().unwrap().version), "its version is v3 now")
            .unless(
                |world| world.addon.as_mut().unwrap().configuration = Some("{}".to_owned()),
                "its configuration was changed",
            )
            .unless(|world| world.addon = None, "it was deleted"),
    ]
}

#[test]
fn what_changed_since_the_plan_is_not_overwritten() {
    for Row { step, writes, changes } in rows() {
        let (report, wrote) = carried_out(world(), step.clone());
        assert_eq!((report.status, wrote), (Status::Done, writes), "{step:?}: {:?}", report.failure);
        for (change, why) in changes {
            let mut changed = world();
            change(&mut changed);
            let (report, wrote) = carried_out(changed, step.clone());
            assert_eq!((report.status, wrote.len()), (Status::Failed, 0), "{step:?}: {why}");
            let failure = report.failure.unwrap();
            assert!(failure.message.ends_with("was modified concurrently"), "{failure:?}");
            assert_eq!(failure.causes, [why], "{step:?}");
        }
    }
}

/// What is as it was wanted, or gone where it was to go, is no failure and no write.
#[test]
fn what_is_done_already_is_skipped() {
    let changes: [(&str, Change); 4] = [
        ("put-boundary", |world| world.role.as_mut().unwrap().permissions_boundary = Some(BOUNDARY.to_owned())),
        ("delete-policy/own", |world| world.inline = None),
        ("delete-role", |world| world.role = None),
        ("delete-association/carts/carts", |world| world.association = None),
    ];
    for (id, change) in changes {
        let row = rows().into_iter().find(|row| row.step.id() == id).unwrap();
        let mut found = world();
        change(&mut found);
        let (report, wrote) = carried_out(found, row.step);
        assert_eq!((report.status, wrote.len()), (Status::Skipped, 0), "{id}: {:?}", report.failure);
    }
}
