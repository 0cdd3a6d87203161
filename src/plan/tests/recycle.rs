//! The tests of the plan of `recycle`.

use super::*;
use crate::model::{
    fixtures::{agent, association, at, node, pod, rollout, subject, workload},
    names::ServiceAccount,
    workload::{CronJob, Owner, Pod, Strategy, Workload, WorkloadKind},
};

struct World {
    subject: ServiceAccount,
    workloads: Vec<Workload>,
    pods: Vec<Pod>,
    association: Option<Association>,
    agent: Observed<crate::model::agent::AgentState>,
}

/// Three workloads with one fresh pod each.
fn world() -> World {
    let workloads: Vec<Workload> =
        [(WorkloadKind::Deployment, "carts"), (WorkloadKind::StatefulSet, "db"), (WorkloadKind::DaemonSet, "log")]
            .map(|(kind, name)| workload(kind, name))
            .into();
    let pods = workloads.iter().map(|w| pod(w, &format!("{}-0", w.id.name), true)).collect();
    World {
        subject: subject("carts/carts"),
        workloads,
        pods,
        association: Some(association("arn:aws:iam::111122223333:role/app")),
        agent: Observed::Known(agent(&[node("n1")], &["n1"])),
    }
}

impl World {
    fn ask(&self, stale_only: bool) -> Result<Plan, Refusal> {
        recycle(&Recycle {
            subject: &self.subject,
            workloads: &self.workloads,
            only: &[],
            pods: &self.pods,
            association: self.association.as_ref(),
            agent: &self.agent,
            stale_only,
            allow_missing_agent: false,
        })
    }
}

#[test]
fn all_or_only_the_stale() {
    let mut world = world();
    assert_eq!(
        ids(&world.ask(false).unwrap()),
        ["restart/carts/deployment/carts", "restart/carts/statefulset/db", "restart/carts/daemonset/log"]
    );
    assert!(world.ask(true).unwrap().is_empty());
    world.pods[1] = pod(&world.workloads[1], "db-0", false);
    assert_eq!(ids(&world.ask(true).unwrap()), ["restart/carts/statefulset/db"]);
    let only = [world.workloads[2].id.clone()];
    let named = recycle(&Recycle {
        subject: &world.subject,
        workloads: &world.workloads,
        only: &only,
        pods: &world.pods,
        association: world.association.as_ref(),
        agent: &world.agent,
        stale_only: false,
        allow_missing_agent: false,
    });
    assert_eq!(ids(&named.unwrap()), ["restart/carts/daemonset/log"]);
    let stale = stale_pods(&world.pods, &world.workloads, world.association.as_ref().unwrap());
    assert_eq!((stale.len(), stale[0].owner.as_deref()), (1, Some("statefulset/db")));
}

/// Two Deployments may select the same labels; a ReplicaSet's name tells whose it is.
#[test]
fn deployments_with_the_same_labels_do_not_own_each_others_pods() {
    let mut world = world();
    let mut twin = workload(WorkloadKind::Deployment, "carts-canary");
    twin.selector = world.workloads[0].selector.clone();
    world.workloads = vec![world.workloads[0].clone(), twin.clone()];
    world.pods = vec![pod(&world.workloads[0], "carts-0", true), pod(&twin, "carts-canary-0", false)];
    assert_eq!(ids(&world.ask(true).unwrap()), ["restart/carts/deployment/carts-canary"]);
    world.pods[1].owner = world.pods[0].owner.clone();
    assert_eq!(ids(&world.ask(true).unwrap()), ["restart/carts/deployment/carts"]);
}

#[test]
fn cron_jobs_of_the_service_account() {
    let job = |namespace: &str, service_account: &str, suspended| CronJob {
        namespace: namespace.to_owned(),
        name: "nightly".to_owned(),
        service_account: service_account.to_owned(),
        suspended,
        web_identity: Vec::new(),
        sets_aws: false,
    };
    let found =
        [job("carts", "carts", false), job("carts", "carts", true), job("carts", "x", false), job("x", "carts", false)];
    let own = subject("carts/carts");
    let told = cron_jobs(&Observed::Known(found.to_vec()), [&own]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "cronjob/nightly is not restarted: its next run gets the new settings");
    assert!(told[1].ends_with("(it is suspended)"), "{told:?}");
    let unread = Observed::Unreadable("not allowed: list cronjobs".to_owned());
    assert_eq!(cron_jobs(&unread, [&own]), ["CronJobs not checked: not allowed: list cronjobs"]);
}

#[test]
fn an_unfinished_restart_is_watched_unless_its_new_pods_are_stale() {
    let mut world = world();
    world.workloads.truncate(1);
    world.pods.truncate(1);
    world.workloads[0].restarted_at = Some(at(-5).to_string());
    world.workloads[0].status.available = 1;
    world.pods[0].ready = false;
    let plan = world.ask(false).unwrap();
    assert_eq!((ids(&plan), plan.watch.len()), (vec![], 1));
    // A restart of last week is over, whatever keeps a pod from being ready today.
    world.workloads[0].restarted_at = Some(at(-7 * 24 * 3600).to_string());
    assert_eq!(ids(&world.ask(false).unwrap()), ["restart/carts/deployment/carts"]);
    world.workloads[0].restarted_at = Some(at(-5).to_string());
    // The restart came before the association took effect: its pods lack the injection, one more is needed.
    world.pods[0] = pod(&world.workloads[0], "carts-0", false);
    assert_eq!(ids(&world.ask(false).unwrap()), ["restart/carts/deployment/carts"]);
}

#[test]
fn what_cannot_be_restarted_is_named_with_what_to_do() {
    let mut world = world();
    world.workloads[0].paused = true;
    world.workloads[1].partition = 1;
    world.workloads[2].strategy = Strategy::OnDelete;
    let mut bare = world.pods[0].clone();
    (bare.name, bare.owner) = ("bare".to_owned(), None);
    let mut job = bare.clone();
    job.owner = Some(Owner { kind: "Job".to_owned(), name: "nightly".to_owned(), uid: String::new() });
    let mut rollout = bare.clone();
    rollout.labels.clear();
    rollout.owner = Some(Owner { kind: "ReplicaSet".to_owned(), name: "canary".to_owned(), uid: String::new() });
    let mut argo = rollout.clone();
    argo.labels.insert("rollouts-pod-template-hash".to_owned(), "7d9f".to_owned());
    argo.owner = Some(Owner { kind: "ReplicaSet".to_owned(), name: "blue-green-7d9f".to_owned(), uid: String::new() });
    world.pods.extend([bare, job, rollout, argo]);
    let plan = world.ask(false).unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    for part in [
        "deployment/carts is paused and not restarted: resume it with `kubectl rollout resume deployment/carts -n carts`",
        "statefulset/db has partition 1: 1 of its pods are not replaced",
        "daemonset/log replaces a pod only after it is deleted (OnDelete): `kubectl delete pod -n carts log-0`",
        "pod carts/bare has no controller",
        "belongs to job/nightly",
        "belongs to replicaset/canary",
        "belongs to rollout/blue-green, which could not be read (not allowed: list rollouts.argoproj.io) and is not restarted: \
         `kubectl argo rollouts restart blue-green -n carts`",
    ] {
        assert!(plan.warnings.iter().any(|w| w.contains(part)), "{:#?}\nlacks {part}", plan.warnings);
    }
}

#[test]
fn pods_are_not_moved_where_no_agent_is() {
    let mut world = world();
    world.agent = Observed::Known(agent(&[node("n1"), node("n2")], &["n1"]));
    let refusal = world.ask(false).unwrap_err();
    assert!(refusal.message.contains("n2"), "{refusal:?}");
    assert!(refusal.hints[0].contains("--allow-missing-agent"));
    world.association = None;
    let plan = world.ask(false).unwrap();
    assert!(plan.warnings[0].contains("has no association"), "{plan:?}");
    assert_eq!(plan.steps.len(), 3);
}

/// Plans of several service accounts are one; its workloads are shown with their namespaces once there are several.
#[test]
fn plans_are_merged() {
    let world = world();
    let mut other = world.ask(false).unwrap();
    for step in &mut other.steps {
        let Step::Restart { workload, .. } = step else { panic!("{step:?}") };
        workload.namespace = "shop".to_owned();
    }
    let mut plan = world.ask(false).unwrap();
    assert!(!plan.spread());
    assert_eq!(plan.steps[0].describe(), "restart deployment/carts (2 replicas, RollingUpdate)");
    plan.merge(other);
    assert!(plan.spread() && plan.steps.len() == 6);
    assert_eq!(plan.steps[0].describe(), "restart carts/deployment/carts (2 replicas, RollingUpdate)");
    assert_eq!(plan.steps[3].done(), "restarted shop/deployment/carts");
    assert_eq!(plan.steps[3].resource(), "deployment/carts");
    let watched = Plan { watch: vec![world.workloads[0].id.clone()], ..Plan::default() };
    let mut both = watched.clone();
    both.merge(watched);
    assert!(!both.spread() && both.watch.len() == 2);
}

/// Only where pods are moved to does the agent count.
#[test]
fn nodes_of_what_is_not_restarted_do_not_count() {
    let mut world = world();
    world.agent = Observed::Known(agent(&[node("n1"), node("n2")], &["n1"]));
    let n1 = |workload: &mut Workload| {
        workload.placement.node_selector = BTreeMap::from([("name".to_owned(), "n1".to_owned())]);
    };
    let Observed::Known(agents) = &mut world.agent else { panic!() };
    agents.nodes[0].labels.insert("name".to_owned(), "n1".to_owned());
    world.workloads[1..].iter_mut().for_each(n1);
    assert!(world.ask(false).unwrap_err().message.contains("n2"));
    n1(&mut world.workloads[0]);
    assert_eq!(world.ask(false).unwrap().steps.len(), 3);
    world.workloads[0].placement.node_selector.clear();
    world.pods[1] = pod(&world.workloads[1], "db-0", false);
    assert_eq!(ids(&world.ask(true).unwrap()), ["restart/carts/statefulset/db"], "carts stays where it is");
}

/// A world with one Argo Rollout, its pods ready or not, each injected.
fn argo(ready: &[bool]) -> World {
    let carts = rollout("carts");
    let one = |(n, ready): (usize, &bool)| Pod { ready: *ready, ..pod(&carts, &format!("carts-{n}"), true) };
    let pods = ready.iter().enumerate().map(one).collect();
    World { workloads: vec![carts], pods, ..world() }
}

#[test]
fn argo_rollouts_are_restarted() {
    let shown = |world: &World| world.ask(false).unwrap().steps[0].describe();
    assert_eq!(shown(&argo(&[true, true])), "restart rollout/carts (2 replicas, Eviction)");
    assert_eq!(
        shown(&argo(&[true, false])),
        "restart rollout/carts (2 replicas, Eviction; deletes the pod that is not ready)"
    );
    let mut one = argo(&[false]);
    one.workloads[0].replicas = 1;
    assert_eq!(shown(&one), "restart rollout/carts (1 replica, Eviction: downtime; deletes the pod that is not ready)");
}

#[test]
fn an_unfinished_restart_of_an_argo_rollout_is_watched_unless_it_is_held_up() {
    // Whether each of the two pods is ready, and seconds from the restart at its birth; whether the restart is watched.
    for (pods, watched) in [
        ([(true, -100), (true, -100)], true),
        ([(true, -100), (false, 1)], true),
        ([(true, 1), (false, 2)], true),
        ([(true, 1), (false, -100)], false),
        ([(false, -100), (false, -100)], false),
    ] {
        let mut world = argo(&pods.map(|(ready, _)| ready));
        world.workloads[0].restarted_at = Some(at(300).to_string());
        for (pod, (_, born)) in world.pods.iter_mut().zip(pods) {
            pod.created_at = Some(at(300 + born));
        }
        let plan = world.ask(false).unwrap();
        assert_eq!((plan.watch.len(), plan.steps.len()), if watched { (1, 0) } else { (0, 1) }, "{pods:?}");
        assert_eq!(plan.rollouts().count(), 1);
        // Not injected, and made after the restart was asked for: that brought nothing.
        for pod in &mut world.pods {
            pod.token_volume = false;
            pod.created_at = Some(at(301));
        }
        assert_eq!(world.ask(false).unwrap().steps.len(), 1);
    }
}

#[test]
fn phases_of_argo_rollouts_are_named() {
    for (phase, message, restarted, says) in [
        ("Healthy", "", true, None),
        ("Progressing", "more replicas need to be updated", true, None),
        ("Paused", "CanaryPauseStep", true, Some("`kubectl argo rollouts promote carts -n carts`")),
        ("Degraded", "RolloutAborted: aborted", true, Some("`kubectl argo rollouts retry rollout carts -n carts`")),
        (
            "Degraded",
            "InvalidSpec: spec.strategy is missing",
            false,
            Some("InvalidSpec: spec.strategy is missing; correct it"),
        ),
    ] {
        let mut world = argo(&[true, true]);
        world.workloads[0].argo.as_mut().unwrap().phase = (phase.to_owned(), message.to_owned());
        let plan = world.ask(false).unwrap();
        assert_eq!(plan.steps.len(), usize::from(restarted), "{message}");
        assert_eq!(plan.warnings.len(), usize::from(says.is_some()), "{plan:?}");
        assert!(says.is_none_or(|says| plan.warnings[0].contains(says)), "{plan:?}");
    }
}

/// `spec.workloadRef`: a Deployment without pods lends its template; its restart would be an update of the Rollout.
#[test]
fn the_deployment_that_lends_its_template_is_left_alone() {
    let mut world = argo(&[true, true]);
    let base = workload(WorkloadKind::Deployment, "base");
    world.workloads.push(base.clone());
    assert_eq!(ids(&world.ask(false).unwrap()), ["restart/carts/rollout/carts", "restart/carts/deployment/base"]);
    world.workloads[0].argo.as_mut().unwrap().template_of = Some("base".to_owned());
    let plan = world.ask(false).unwrap();
    assert_eq!(ids(&plan), ["restart/carts/rollout/carts"]);
    assert_eq!(plan.warnings, Vec::<String>::new());
    world.pods.push(pod(&base, "base-0", true));
    let plan = world.ask(false).unwrap();
    assert_eq!(ids(&plan), ["restart/carts/rollout/carts"]);
    assert!(plan.warnings[0].contains("`kubectl rollout restart deployment/base -n carts` restarts both"), "{plan:?}");
}
