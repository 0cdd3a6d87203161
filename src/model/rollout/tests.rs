//! The tests of how a rollout is judged.

use super::*;
use crate::model::{
    fixtures::{at, pod, rollout, workload},
    workload::{Exceeded, RolloutStatus, Terminated, Waiting},
};

/// Observed generation, total, updated, ready, available, what is waited for (empty: done).
type Event = (u64, u64, u64, u64, u64, &'static str);

fn follow(kind: WorkloadKind, events: &[Event]) {
    let mut set = workload(kind, "x");
    set.generation = 2;
    for (index, (observed_generation, total, updated, ready, available, wanted)) in events.iter().copied().enumerate() {
        set.status =
            RolloutStatus { observed_generation, total, updated, ready, available, ..RolloutStatus::default() };
        let progress = judge(&set, &[], 2);
        assert_eq!(progress.waiting_for, wanted, "{kind:?}, event {index}");
        assert_eq!(progress.done, wanted.is_empty(), "{kind:?}, event {index}");
    }
}

/// Status sequences of a Kubernetes 1.36 API server after a restart; the first event still has the old, complete counts.
#[test]
fn restarts_as_an_api_server_tells_them() {
    follow(
        WorkloadKind::Deployment,
        &[
            (1, 2, 2, 2, 2, "its controller to see the change"),
            (2, 3, 1, 2, 2, "1 of 2 new pods to be started"),
            (2, 3, 1, 3, 3, "1 of 2 new pods to be started"),
            (2, 3, 2, 2, 2, "1 old pod to end"),
            (2, 3, 2, 3, 3, "1 old pod to end"),
            (2, 2, 2, 2, 2, ""),
        ],
    );
    follow(
        WorkloadKind::StatefulSet,
        &[
            (1, 2, 2, 2, 2, "its controller to see the change"),
            (2, 2, 0, 2, 2, "2 of 2 new pods to be started"),
            (2, 2, 0, 1, 1, "1 of 2 pods to be ready"),
            (2, 1, 0, 1, 1, "1 of 2 pods to be ready"),
            (2, 2, 1, 1, 1, "1 of 2 pods to be ready"),
            (2, 2, 1, 2, 2, "1 of 2 new pods to be started"),
            (2, 2, 2, 1, 1, "1 of 2 pods to be ready"),
            (2, 2, 2, 2, 2, ""),
        ],
    );
    follow(
        WorkloadKind::DaemonSet,
        &[
            (1, 2, 2, 2, 2, "its controller to see the change"),
            (2, 2, 0, 2, 2, "2 of 2 new pods to be started"),
            (2, 2, 1, 1, 1, "1 of 2 new pods to be started"),
            (2, 1, 1, 1, 1, "1 of 2 new pods to be started"),
            (2, 2, 2, 1, 1, "1 of 2 new pods to be available"),
            (2, 2, 2, 2, 2, ""),
        ],
    );
}

#[test]
fn special_cases() {
    let mut set = workload(WorkloadKind::StatefulSet, "db");
    set.partition = 1;
    set.status.updated = 1;
    assert!(judge(&set, &[], 1).done, "only the pods from the partition on are replaced");
    set.status.updated = 0;
    assert_eq!(judge(&set, &[], 1).waiting_for, "1 of 1 new pods to be started");
    set.strategy = Strategy::OnDelete;
    assert!(!judge(&set, &[], 1).done);
    let mut none = workload(WorkloadKind::Deployment, "none");
    none.replicas = 0;
    none.status = RolloutStatus { observed_generation: 1, ..RolloutStatus::default() };
    assert!(judge(&none, &[], 1).done);
    // Changed again by somebody else: the later generation counts.
    let mut again = workload(WorkloadKind::Deployment, "again");
    again.generation = 3;
    again.status.observed_generation = 2;
    assert!(!judge(&again, &[], 2).done);
    // More of the new than are wanted: scaled down meanwhile.
    let mut fewer = workload(WorkloadKind::DaemonSet, "fewer");
    fewer.replicas = 1;
    assert!(judge(&fewer, &[], 1).done);
}

#[test]
fn waiting_ends_early_only_for_lasting_trouble_of_new_pods() {
    let mut carts = workload(WorkloadKind::Deployment, "carts");
    carts.status.update_revision = Some("new".to_owned());
    let broken = |revision: &str, waiting: Option<(&str, &str)>, restarts: u64| {
        let mut pod = pod(&carts, "p", true);
        pod.revision = Some(revision.to_owned());
        pod.ready = false;
        pod.containers[0].waiting =
            waiting.map(|(reason, message)| Waiting { reason: reason.to_owned(), message: message.to_owned() });
        pod.containers[0].restarts = restarts;
        pod.containers[0].terminated = (restarts > 0).then(|| Terminated { exit_code: 1, reason: "Error".to_owned() });
        pod
    };
    let image = broken("new", Some(("ImagePullBackOff", "no such image")), 0);
    let config = broken("new", Some(("CreateContainerConfigError", "no key")), 0);
    let once = broken("new", None, 1);
    let loops = broken("new", Some(("CrashLoopBackOff", "back-off")), 3);
    for (pod, seen_for, since_write, ends) in [
        (&image, 9, None, false),
        (&image, 10, Some(0), true),
        (&config, 10, None, true),
        (&once, 600, None, false),
        (&loops, 0, None, true),
        (&loops, 600, Some(59), false),
        (&loops, 0, Some(60), true),
    ] {
        let found = troubles(&carts, std::slice::from_ref(pod), 1);
        assert_eq!(found.len(), 1, "{pod:?}");
        assert_eq!(found[0].ends(seen_for, since_write), ends, "{:?} {seen_for} {since_write:?}", found[0]);
    }
    assert_eq!(troubles(&carts, std::slice::from_ref(&loops), 1)[0].reason, "exit code 1");
    let mut ending = loops.clone();
    ending.deleting = true;
    let mut recovered = loops.clone();
    recovered.ready = true;
    let old = broken("old", Some(("CrashLoopBackOff", "")), 9);
    let starting = broken("new", Some(("ContainerCreating", "")), 0);
    assert_eq!(troubles(&carts, &[old, ending, recovered, starting], 1), []);
}

#[test]
fn a_deadline_counts_only_once_the_change_was_observed() {
    let mut carts = workload(WorkloadKind::Deployment, "carts");
    carts.status.deadline_exceeded = Some(Exceeded { message: "timed out".to_owned(), updated_at: None });
    assert!(troubles(&carts, &[], 1)[0].ends(0, Some(0)));
    assert_eq!(troubles(&carts, &[], 2), []);
}

#[test]
fn before_the_change_was_observed_the_newest_revision_is_the_old_one() {
    let mut carts = workload(WorkloadKind::Deployment, "carts");
    carts.status.update_revision = Some("old".to_owned());
    let mut crashing = pod(&carts, "a", false);
    crashing.revision = Some("old".to_owned());
    crashing.ready = false;
    crashing.containers[0].restarts = 9;
    assert_eq!(troubles(&carts, std::slice::from_ref(&crashing), 1).len(), 1);
    assert_eq!(troubles(&carts, &[crashing], 2), []);
}

#[test]
fn without_a_revision_the_time_of_the_restart_tells_new_pods() {
    let mut carts = workload(WorkloadKind::Deployment, "carts");
    let pods = [pod(&carts, "old", true), {
        let mut p = pod(&carts, "new", true);
        p.created_at = Some(at(60));
        p
    }];
    assert!(new_pods(&carts, &pods).is_empty());
    carts.restarted_at = Some(at(30).to_string());
    assert_eq!(new_pods(&carts, &pods)[0].name, "new");
}

#[test]
fn failing_pods_are_in_the_way_of_an_ordered_set() {
    let mut set = workload(WorkloadKind::StatefulSet, "db");
    set.status.update_revision = Some("db-2".to_owned());
    let mut old = pod(&set, "db-0", false);
    old.revision = Some("db-1".to_owned());
    old.ready = false;
    let new = Pod { revision: Some("db-2".to_owned()), ..old.clone() };
    let names = |set: &Workload, pod: &Pod| {
        let pods = std::slice::from_ref(pod);
        (in_the_way(set, pods).len(), holding(set, pods, 1).len())
    };
    assert_eq!(names(&set, &old), (0, 0), "it only starts");
    let crash = |pod: &Pod| {
        let mut pod = pod.clone();
        pod.containers[0].restarts = 1;
        pod
    };
    assert_eq!(names(&set, &crash(&old)), (1, 1));
    assert_eq!(names(&set, &crash(&new)), (1, 0), "a new pod's crash is the restart's own");
    assert_eq!(names(&set, &Pod { ready: true, ..crash(&old) }), (0, 0));
    assert_eq!(names(&set, &Pod { deleting: true, ..crash(&old) }), (0, 0));
    assert_eq!(names(&Workload { ordered: false, ..set.clone() }, &crash(&old)), (0, 0));
    assert_eq!(names(&Workload { strategy: Strategy::OnDelete, ..set.clone() }, &crash(&old)), (0, 0));
    set.generation = 2;
    assert_eq!(names(&set, &crash(&old)), (1, 0), "the restart was not seen yet");
}

/// Seconds after noon of a pod's birth, whether it is ready, whether it is ending.
type Stand = (i64, bool, bool);

fn pods_of(rollout: &Workload, stands: &[Stand]) -> Vec<Pod> {
    let one = |(index, (born, ready, deleting)): (usize, &Stand)| Pod {
        created_at: Some(at(*born)),
        ready: *ready,
        deleting: *deleting,
        ..pod(rollout, &format!("{}-{index}", rollout.id.name), true)
    };
    stands.iter().enumerate().map(one).collect()
}

/// An Argo Rollout that is restarted at noon and 100 s; whether its controller noted that, available pods, and its pods.
#[test]
fn the_restart_of_an_argo_rollout_is_judged_by_its_pods() {
    let mut carts = rollout("carts");
    (carts.generation, carts.status.observed_generation) = (2, 2);
    carts.restarted_at = Some(at(100).to_string());
    let mut events = |noted: bool, available: u64, stands: &[Stand], wanted: &str| {
        carts.argo.as_mut().unwrap().evicted = noted.then(|| at(100).to_string());
        carts.status.available = available;
        let pods = pods_of(&carts, stands);
        let progress = judge(&carts, &pods, 2);
        assert_eq!(progress.waiting_for, wanted, "{noted} {stands:?}");
        assert_eq!(progress.done, wanted.is_empty());
        assert_eq!(under_way(&carts, &pods), !progress.done, "{noted} {stands:?}");
    };
    let (old, ending, starting, new) = ((0, true, false), (0, true, true), (100, false, false), (130, true, false));
    events(false, 2, &[old, old], "2 of 2 pods to be replaced");
    events(false, 2, &[old, ending], "1 of 1 pods to be replaced");
    events(false, 1, &[old, starting], "1 of 2 pods to be replaced");
    // The last old pod was told to go: the counts are of before.
    events(true, 2, &[ending, new], "1 of 2 new pods to be available");
    events(true, 1, &[ending, new, starting], "1 of 2 new pods to be available");
    // Ready, and not yet for minReadySeconds.
    events(true, 1, &[new, new], "1 of 2 new pods to be available");
    events(false, 2, &[new, new], "its controller to see the restart");
    events(true, 2, &[new, new], "");
    events(true, 2, &[ending, new, new], "");
    carts.generation = 3;
    assert_eq!(judge(&carts, &[], 3).waiting_for, "its controller to see the change");
    carts.restarted_at = None;
    assert!(!under_way(&carts, &[]), "an update that stands still is no restart");
}

#[test]
fn pods_that_are_not_ready_may_hold_a_restart_up() {
    let mut carts = rollout("carts");
    // Replicas, most of them unavailable at once, ready pods, others, how many are in the way.
    for (replicas, most, ready, others, wanted) in [
        (2, 0, 2, 0, 0),
        (2, 0, 0, 2, 2),
        (2, 0, 1, 1, 1),
        (1, 0, 0, 1, 1),
        (1, 0, 1, 0, 0),
        (8, 2, 7, 1, 0),
        (8, 2, 6, 2, 2),
        // More than wanted: a canary beside them.
        (4, 1, 4, 1, 1),
        (4, 2, 4, 1, 0),
    ] {
        carts.replicas = replicas;
        carts.argo.as_mut().unwrap().max_unavailable = most;
        let stands: Vec<Stand> = (0..ready + others).map(|n| (0, n < ready, false)).collect();
        let pods = pods_of(&carts, &stands);
        let held = held(&carts, &pods);
        assert_eq!(held.len(), wanted, "{replicas} {most} {ready} {others}");
        assert!(held.iter().all(|pod| !pod.ready));
    }
    let deployment = workload(WorkloadKind::Deployment, "carts");
    let pods = [Pod { ready: false, ..pod(&deployment, "carts-a", false) }];
    assert!(held(&deployment, &pods).is_empty());
}

/// Old conditions and old pods' troubles are not the restart's.
#[test]
fn troubles_of_an_argo_rollout_are_those_of_its_new_pods() {
    let mut carts = rollout("carts");
    carts.restarted_at = Some(at(100).to_string());
    carts.argo.as_mut().unwrap().phase = ("Degraded".to_owned(), "ProgressDeadlineExceeded: timed out".to_owned());
    let mut pods = pods_of(&carts, &[(0, false, false), (100, false, false)]);
    for pod in &mut pods {
        pod.containers[0].restarts = 3;
    }
    let found = troubles(&carts, &pods, 1);
    assert_eq!(found.iter().map(|t| t.pod.as_deref()).collect::<Vec<_>>(), [Some("carts-1")]);
}

#[test]
fn why_pods_are_missing_or_not_ready() {
    let mut carts = workload(WorkloadKind::Deployment, "carts");
    carts.status.update_revision = Some("new".to_owned());
    let mut new = pod(&carts, "a", true);
    new.revision = Some("new".to_owned());
    let kinds = |carts: &Workload, pod: &Pod| -> Vec<(TroubleKind, String)> {
        let found = troubles(carts, std::slice::from_ref(pod), 1);
        assert!(found.iter().all(|trouble| !trouble.ends(1000, None)), "{found:?}");
        found.into_iter().map(|trouble| (trouble.kind, trouble.message)).collect()
    };
    assert_eq!(kinds(&carts, &new), []);
    new.ready = false;
    let unready = "containers with unready status: [app]";
    new.unready = Some(Waiting { reason: "ContainersNotReady".to_owned(), message: unready.to_owned() });
    assert_eq!(kinds(&carts, &new), [(TroubleKind::NotReady, unready.to_owned())]);
    new.unschedulable = Some("0/3 nodes are available".to_owned());
    assert_eq!(kinds(&carts, &new), [(TroubleKind::Unschedulable, "0/3 nodes are available".to_owned())]);
    carts.status.replica_failure = Some("exceeded quota".to_owned());
    assert_eq!(kinds(&carts, &new)[0], (TroubleKind::Refused, "exceeded quota".to_owned()));
    // Another workload's pod that the selector matches too.
    let mut twin = pod(&workload(WorkloadKind::Deployment, "carts-two"), "b", true);
    (twin.revision, twin.ready) = (Some("new".to_owned()), false);
    twin.labels.extend(carts.selector.labels.clone());
    assert_eq!(kinds(&workload(WorkloadKind::Deployment, "carts"), &twin), []);
}

#[test]
fn events_tell_what_nothing_else_does() {
    let mut db = workload(WorkloadKind::StatefulSet, "db");
    db.status.update_revision = Some("new".to_owned());
    let mut new = pod(&db, "db-0", true);
    (new.revision, new.ready) = (Some("new".to_owned()), false);
    let pods = [new];
    let told = |db: &Workload| {
        let mut found = troubles(db, &pods, 1);
        let known = asks_events(db, &pods);
        told_by_events(&mut found, db, &pods, &|uid| {
            let reason = if uid == db.uid { "FailedCreate" } else { "Unhealthy" };
            known.iter().any(|one| one == uid).then(|| (reason.to_owned(), "why".to_owned()))
        });
        found.into_iter().map(|trouble| (trouble.kind, trouble.reason)).collect::<Vec<_>>()
    };
    assert_eq!(told(&db), [(TroubleKind::NotReady, "Unhealthy".to_owned())]);
    db.status.total = 1;
    let both = [(TroubleKind::Refused, "FailedCreate".to_owned()), (TroubleKind::NotReady, "Unhealthy".to_owned())];
    assert_eq!(told(&db), both);
}
