//! How a run ends: what was begun, what was not, what nobody knows, and the exit code that this leaves.

use super::*;
use crate::{
    failure::Kind,
    model::workload::{Strategy, WorkloadKind, WorkloadRef},
};

fn tag(role: &str) -> Step {
    Step::TagRole { role: role.to_owned(), tags: BTreeMap::new() }
}

fn tag_association() -> Step {
    let arn = association(OLD).summary.association_arn;
    Step::TagAssociation { association_arn: arn, subject: subject("carts/carts"), tags: BTreeMap::new() }
}

fn restart() -> Step {
    let workload =
        WorkloadRef { kind: WorkloadKind::Deployment, namespace: "carts".to_owned(), name: "carts".to_owned() };
    Step::Restart { workload, replicas: 2, strategy: Strategy::RollingUpdate, held: 0, spread: false }
}

fn ran(services: &Services, steps: Vec<Step>) -> (Outcome, Vec<Status>) {
    let (_signal, deadline) = Deadline::unhurried();
    let (outcome, _) = carry_out(services, &deadline, steps);
    let statuses = outcome.reports.iter().map(|report| report.status).collect();
    (outcome, statuses)
}

/// Stage after stage, whatever the order of the plan; restarts are left to whoever follows them.
#[test]
fn steps_are_carried_out_in_the_order_of_what_they_need() {
    let services = Services::new(world());
    let update = rows()[3].step.clone();
    let (outcome, statuses) = ran(&services, vec![restart(), tag_association(), update, tag("app")]);
    assert_eq!(*services.writes.lock().unwrap(), ["tag role", "update association", "tag association"]);
    assert_eq!(statuses, [Status::NotStarted, Status::Done, Status::Done, Status::Done]);
    assert!(outcome.wrote() && outcome.associated() && outcome.last_write.is_some());
    assert_eq!(outcome.association.unwrap().role_arn, OTHER);
    assert_eq!(outcome.associations.len(), 1);
}

/// What stands beside a failure is carried out, what needs it is not begun.
#[test]
fn after_a_failure_no_later_stage_is_begun() {
    let services = Services::new(world()).refusing("tag role", 1, Kind::Forbidden);
    let (outcome, statuses) = ran(&services, vec![tag("app"), tag("b"), tag_association()]);
    assert_eq!(statuses, [Status::Failed, Status::Done, Status::NotStarted]);
    assert!(outcome.wrote() && !outcome.associated());
    assert_eq!(outcome.failure().unwrap().message, "tag role was refused");
    let services = Services::new(world()).refusing("tag role", 1, Kind::Forbidden);
    let (outcome, _) = ran(&services, vec![tag("app")]);
    assert!(!outcome.wrote() && outcome.last_write.is_none());
}

/// Only what IAM and EKS spread takes time to arrive: what was found done, and what is written elsewhere, is not waited for.
#[test]
fn only_a_write_of_iam_or_an_association_is_waited_for() {
    let mut wanted = world();
    wanted.role.as_mut().unwrap().permissions_boundary = Some(BOUNDARY.to_owned());
    let (outcome, statuses) = ran(&Services::new(wanted), vec![rows()[0].step.clone()]);
    assert_eq!((statuses, outcome.last_write), (vec![Status::Skipped], None));
    assert!(!outcome.wrote() && outcome.associated());
    let (outcome, statuses) = ran(&Services::new(world()), vec![rows()[6].step.clone()]);
    assert_eq!((statuses, outcome.last_write), (vec![Status::Done], None));
    assert_eq!(outcome.addon_update.as_deref(), Some("u-1"));
}

/// A step that is cut off while it only reads has written nothing; one whose write has no answer yet may have.
#[test]
fn a_step_that_is_cut_off_is_unknown_only_once_its_write_was_sent() {
    let boundary = rows()[0].step.clone();
    for (hangs, status, wrote) in [("read role", Status::NotStarted, false), ("put boundary", Status::Unknown, true)] {
        let (outcome, statuses) =
            ran(&Services::new(world()).hanging(hangs), vec![boundary.clone(), tag_association()]);
        assert_eq!(statuses, [status, Status::NotStarted], "{hangs}");
        assert_eq!((outcome.wrote(), outcome.failure().unwrap().code), (wrote, Code::TimedOut), "{hangs}");
        assert!(!outcome.associated());
    }
}

#[test]
fn what_is_only_planned_wrote_nothing() {
    let planned = Outcome::planned(&[tag("app"), restart()]);
    assert_eq!(planned.reports.iter().map(|r| r.status).collect::<Vec<_>>(), [Status::Planned; 2]);
    assert!(!planned.wrote() && planned.associated() && planned.failure().is_none());
    let left = Outcome::not_started(vec![restart()]);
    assert!(left.associated(), "a restart is not what associates");
    assert!(!Outcome::not_started(vec![tag("app")]).associated());
}

#[test]
fn what_came_later_is_added_and_takes_nothing_away() {
    let services = Services::new(world());
    let (mut outcome, _) = ran(&services, vec![rows()[3].step.clone()]);
    let (first, at) = (outcome.association.clone(), outcome.last_write);
    outcome.add(ran(&Services::new(world()), vec![rows()[6].step.clone()]).0);
    assert_eq!((&outcome.association, outcome.last_write), (&first, at));
    assert_eq!((outcome.reports.len(), outcome.addon_update.as_deref()), (2, Some("u-1")));
    outcome.add(ran(&Services::new(world()), vec![rows()[4].step.clone()]).0);
    assert!(outcome.last_write > at);
    assert_eq!((outcome.reports.len(), outcome.associations.len()), (3, 2));
    assert_eq!(outcome.addon_update.as_deref(), Some("u-1"));
}

/// Exit 6 says that something was written; an interruption keeps its own code.
#[test]
fn a_failure_after_a_write_says_that_it_came_midway() {
    let failure = |code| Failure::new(code, "it failed");
    for (code, wrote, expected) in [
        (Code::Failed, false, Code::Failed),
        (Code::Denied, true, Code::Partial),
        (Code::Interrupted, true, Code::Interrupted),
        (Code::Terminated, true, Code::Terminated),
    ] {
        let after = after_write(failure(code), wrote);
        assert_eq!((after.code, after.hints.len()), (expected, usize::from(wrote)));
    }
}

#[test]
fn what_needs_kubernetes_fails_without_it() {
    let carts = subject("carts/carts");
    for step in [
        Step::CreateServiceAccount { subject: carts.clone() },
        Step::RemoveAnnotation { subject: carts, role: OLD.to_owned() },
    ] {
        let (outcome, statuses) = ran(&Services::new(world()), vec![step]);
        assert_eq!(statuses, [Status::Failed]);
        assert!(outcome.failure().unwrap().message.ends_with("without Kubernetes"));
    }
}
