//! Whether running pods have the settings of the association as it is now.

use super::{Check, Finding, Follows, Link};
use crate::{
    model::{
        association::Association,
        snapshot::Snapshot,
        staleness,
        text::listed,
        workload::{Injection, Pod, Workload},
    },
    plan,
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &BEFORE, &RACE, &STALE];

const PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html";

static PASSED: Check = Check {
    id: "restart.ok",
    link: Link::Restart,
    title: "the pods started after the association's last change",
    background: "Pods keep the settings that they were created with, and the agent caches credentials for up to three hours.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static BEFORE: Check = Check {
    id: "restart.before-association",
    link: Link::Restart,
    title: "pods are older than the association",
    background: "The webhook changes a pod only when it is created. A pod that is older than the association has none of its settings, and a restart of its containers does not change that.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"],
    // It follows from no other fault: those pods have to be replaced all the same.
    follows: Follows::Nothing,
};

static RACE: Check = Check {
    id: "restart.race",
    link: Link::Restart,
    title: "pods were created before the association was known everywhere",
    background: "A new association takes some seconds to reach the webhook of every API server. If a Deployment is applied directly after it, some or all of its pods are not injected.",
    sources: &[PAGE, "https://github.com/aws/eks-pod-identity-agent/issues/52"],
    follows: Follows::Nothing,
};

static STALE: Check = Check {
    id: "restart.stale",
    link: Link::Restart,
    title: "pods are older than the association's last change",
    background: "After a change of the role, pods keep credentials of the old role: for up to six hours, or 59 minutes with a target role.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"],
    follows: Follows::Nothing,
};

/// Seconds after an association was made in which pods were seen to miss it (aws/eks-pod-identity-agent#52).
const RACE_S: i64 = 30;

/// A pod that was made too early for the association, by which of the checks.
pub(super) fn too_early(pod: &Pod, association: &Association) -> Option<&'static Check> {
    if staleness::opted_out(pod) || pod.injection() != Injection::No {
        return None;
    }
    let (born, made) = (pod.created_at?, association.created_at?);
    // Kubernetes keeps whole seconds.
    match born.as_second() - made.as_second() {
        ..0 => Some(&BEFORE),
        0..=RACE_S => Some(&RACE),
        _ => None,
    }
}

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(association) = snapshot.associated() else { return Vec::new() };
    let pods = snapshot.live_pods();
    let early: Vec<(&Pod, &'static Check)> =
        pods.iter().filter_map(|pod| Some((*pod, too_early(pod, association)?))).collect();
    let stale: Vec<&Pod> = pods
        .iter()
        .copied()
        .filter(|pod| pod.injection() != Injection::No && staleness::stale(pod, association).is_some())
        .collect();
    if early.is_empty() && stale.is_empty() {
        let fresh = PASSED
            .ok("the pods", "newer than the association")
            .evidence("creation times", "later than the association's");
        return if pods.is_empty() { Vec::new() } else { vec![fresh] };
    }
    let mut found = Vec::new();
    for (check, what) in
        [(&BEFORE, "older than the association"), (&RACE, "created before every API server knew the association")]
    {
        let these: Vec<&Pod> = early.iter().filter(|(_, by)| std::ptr::eq(*by, check)).map(|(pod, _)| *pod).collect();
        if !these.is_empty() {
            found.push(told(snapshot, check, &these, &format!("{what}, and not injected"), association.created_at));
        }
    }
    let changed = association.modified_at.or(association.created_at);
    if !stale.is_empty() && staleness::renewed(association, snapshot.now) {
        let said = "older than the association's last change, but the old credentials have expired since";
        let since = changed.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
        found.push(PASSED.ok("the pods", said).evidence("the association's last change", since));
    } else if !stale.is_empty() {
        found.push(told(snapshot, &STALE, &stale, "older than the association's last change", changed));
    }
    found
}

fn told(
    snapshot: &Snapshot,
    check: &'static Check,
    pods: &[&Pod],
    what: &str,
    since: Option<jiff::Timestamp>,
) -> Finding {
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    let at = |at: Option<jiff::Timestamp>| at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let finding = check
        .fails(format!("pods of {}", snapshot.subject), format!("{}: {what}", listed(&names, 5)))
        .evidence(format!("pod {}", pods[0].name), format!("created {}", at(pods[0].created_at)))
        .evidence("the association", at(since));
    restarted(finding, snapshot, pods)
}

/// Adds how these pods are replaced: by podid where it can restart what owns them, and by what else helps where it cannot.
pub(super) fn restarted(finding: Finding, snapshot: &Snapshot, pods: &[&Pod]) -> Finding {
    let needs = |pod: &Pod| pods.iter().any(|one| one.name == pod.name);
    let workloads: Vec<Workload> = snapshot.own_workloads().into_iter().cloned().collect();
    let all = snapshot.pods.known().map_or(&[][..], Vec::as_slice);
    let (skipped, restarts) = plan::skipped(&workloads, all, &needs);
    // Argo Rollouts are read by `recycle` alone.
    let rollouts = pods.iter().any(|pod| pod.argo_rollout().is_some());
    let skipped = skipped.into_iter().filter(|skipped| !skipped.resource.starts_with("rollout/"));
    let recycle = format!("podid recycle {}", snapshot.subject);
    let finding = if restarts || rollouts { finding.command(recycle) } else { finding };
    skipped.fold(finding, |finding, skipped| finding.change(skipped.reason))
}
