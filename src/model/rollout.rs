//! Judges a rollout by generation and counts, as `kubectl rollout status` does, and tells when waiting is of no use.
//! Watching and waiting are not here.

mod argo;
mod change;
mod revisions;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use self::{
    argo::held,
    change::{Change, change},
    revisions::{Revision, revision_to_restore},
};

use super::workload::{Container, Pod, Strategy, Workload, WorkloadKind};

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// All pods are new and available, and no old one counts any more.
    pub done: bool,
    /// New pods.
    pub updated: u64,
    /// Wanted pods.
    pub wanted: u64,
    /// What it waits for, for the progress line.
    pub waiting_for: String,
}

/// Judges a workload after it was given `generation`, in the words and by the rules of kubectl
/// (k8s.io/kubectl, pkg/polymorphichelpers/rollout_status.go).
///
/// The generation comes first: the first events after a restart still show the old, complete counts. `pods` matter to Argo
/// Rollouts only, whose restart changes no revision.
pub fn judge(workload: &Workload, pods: &[Pod], generation: u64) -> Progress {
    let status = &workload.status;
    let wanted = match workload.id.kind {
        WorkloadKind::StatefulSet => workload.replicas.saturating_sub(workload.partition),
        WorkloadKind::Deployment | WorkloadKind::DaemonSet | WorkloadKind::Rollout => workload.replicas,
    };
    let waiting = |waiting_for: String| Progress { done: false, updated: status.updated, wanted, waiting_for };
    // Someone may have changed it again since: then the later generation counts.
    if status.observed_generation < generation.max(workload.generation) {
        return Progress { updated: 0, ..waiting("its controller to see the change".to_owned()) };
    }
    if workload.strategy == Strategy::OnDelete {
        return waiting("its pods to be deleted by hand (OnDelete)".to_owned());
    }
    let updated = |wanted| format!("{} of {wanted} new pods to be started", wanted - status.updated);
    match workload.id.kind {
        WorkloadKind::Deployment => {
            if status.updated < wanted {
                return waiting(updated(wanted));
            }
            if status.total > status.updated {
                let old = status.total - status.updated;
                return waiting(format!("{old} old {} to end", if old == 1 { "pod" } else { "pods" }));
            }
            if status.available < status.updated {
                return waiting(format!(
                    "{} of {} new pods to be available",
                    status.updated - status.available,
                    status.updated
                ));
            }
        }
        WorkloadKind::StatefulSet => {
            if status.ready < workload.replicas {
                return waiting(format!(
                    "{} of {} pods to be ready",
                    workload.replicas - status.ready,
                    workload.replicas
                ));
            }
            if status.updated < wanted {
                return waiting(updated(wanted));
            }
        }
        WorkloadKind::DaemonSet => {
            if status.updated < wanted {
                return waiting(updated(wanted));
            }
            if status.available < wanted {
                return waiting(format!("{} of {wanted} new pods to be available", wanted - status.available));
            }
        }
        WorkloadKind::Rollout => return argo::judge(workload, pods),
    }
    Progress { done: true, updated: status.updated, wanted, waiting_for: String::new() }
}

/// When a workload was restarted last.
fn restarted(workload: &Workload) -> Option<Timestamp> {
    workload.restarted_at.as_deref().and_then(|at| at.parse().ok())
}

/// The pods of the newest revision that are not ending: by the revision's label where the workload's status names it,
/// else those made since the restart.
pub fn new_pods<'a>(workload: &Workload, pods: &'a [Pod]) -> Vec<&'a Pod> {
    if workload.id.kind == WorkloadKind::Rollout {
        return argo::new_pods(workload, pods);
    }
    let restarted = restarted(workload);
    // The watched pods are those of the selector, which another workload's pods may match too.
    pods.iter()
        .filter(|pod| !pod.deleting && workload.owns(pod))
        .filter(|pod| match (&workload.status.update_revision, &pod.revision) {
            (Some(newest), Some(revision)) => newest == revision,
            _ => restarted.zip(pod.created_at).is_some_and(|(at, born)| born >= at),
        })
        .collect()
}

/// Pods for which an ordered StatefulSet waits, since they fail: a restart replaces no pod, these neither, until they are
/// deleted (Kubernetes documentation, StatefulSets, "Forced rollback").
pub fn in_the_way<'a>(workload: &Workload, pods: &'a [Pod]) -> Vec<&'a Pod> {
    if !workload.ordered || workload.strategy == Strategy::OnDelete {
        return Vec::new();
    }
    pods.iter().filter(|pod| workload.owns(pod) && !pod.deleting && failing(pod)).collect()
}

/// Those of them that are older than the restart that made `generation`.
pub fn holding<'a>(workload: &Workload, pods: &'a [Pod], generation: u64) -> Vec<&'a Pod> {
    // Until the restart was seen, the newest revision is the one that is to go.
    if workload.status.observed_generation < generation.max(workload.generation) {
        return Vec::new();
    }
    let mut found = in_the_way(workload, pods);
    found.retain(|pod| pod.revision != workload.status.update_revision);
    found
}

/// Not ready, and no longer only on its way there.
fn failing(pod: &Pod) -> bool {
    !pod.ready
        && pod.containers.iter().any(|container| {
            container.restarts > 0
                || container.waiting.as_ref().is_some_and(|waiting| !starts(&waiting.reason))
                || !container.init && container.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0)
        })
}

/// Pods made within this time of a restart are the restart's own (a Deployment's default progress deadline).
const RESTARTS_OWN: SignedDuration = SignedDuration::from_secs(600);

/// Whether a restart is under way. The annotation alone tells nothing: it stays for ever, and pods may be unavailable for
/// other reasons long after.
pub fn under_way(workload: &Workload, pods: &[Pod]) -> bool {
    let Some(restarted) = restarted(workload) else { return false };
    let status = &workload.status;
    let observed = status.observed_generation >= workload.generation;
    if observed && status.deadline_exceeded.is_some() || judge(workload, pods, workload.generation).done {
        return false;
    }
    let replacing = match workload.id.kind {
        // Its updates are no restarts, and may stand still for days.
        WorkloadKind::Rollout => argo::replacing(workload, pods),
        kind => {
            status.observed_generation < workload.generation
                || status.updated < workload.replicas.saturating_sub(workload.partition)
                || kind == WorkloadKind::Deployment && status.total > status.updated
        }
    };
    let starting = |pod: &&Pod| {
        !pod.ready
            && pod.containers.iter().all(|container| container.restarts == 0)
            && pod.created_at.is_some_and(|born| born.duration_since(restarted) < RESTARTS_OWN)
    };
    replacing || new_pods(workload, pods).iter().any(starting)
}

/// What kind of trouble a rollout has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TroubleKind {
    /// A pod runs, but is not ready.
    NotReady,
    /// No node takes a pod.
    Unschedulable,
    /// Pods cannot be created: quota, admission, a limit range.
    Refused,
    /// The image cannot be had.
    Image,
    /// The container cannot be made: a missing ConfigMap, key, Secret.
    Config,
    /// A container ended and was started again.
    Crash,
    /// ProgressDeadlineExceeded.
    Deadline,
}

/// Something that keeps a rollout from ending well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// Pod.
    pub pod: Option<String>,
    /// Container.
    pub container: Option<String>,
    /// `ImagePullBackOff`, `exit code 1`, …
    pub reason: String,
    /// The kubelet's or controller's words.
    pub message: String,
    /// Times the container was restarted.
    pub restarts: u64,
}

/// Seconds after which an image or config error is no passing one.
const ERROR_LASTS: u64 = 10;
/// Restarts that make a crash loop.
const CRASHES: u64 = 3;
/// Seconds that IAM and EKS take to spread a write: a crash within them may be that write still under way.
const SPREADS: u64 = 60;

impl Trouble {
    /// The same trouble has the same key, so that the caller can note since when it sees it.
    pub fn key(&self) -> (TroubleKind, Option<&str>, Option<&str>) {
        (self.kind, self.pod.as_deref(), self.container.as_deref())
    }

    /// Whether waiting is of no use: `seen_for` seconds since it was first seen, `since_write` seconds since podid's own
    /// last IAM or association write, if it made one.
    pub fn ends(&self, seen_for: u64, since_write: Option<u64>) -> bool {
        match self.kind {
            // Others may lift these: a quota, a node that joins, a probe that passes in the end.
            TroubleKind::NotReady | TroubleKind::Unschedulable | TroubleKind::Refused => false,
            TroubleKind::Image | TroubleKind::Config => seen_for >= ERROR_LASTS,
            TroubleKind::Crash => self.restarts >= CRASHES && since_write.is_none_or(|seconds| seconds >= SPREADS),
            TroubleKind::Deadline => true,
        }
    }
}

/// The troubles of a workload and of its pods of the newest revision, worst first. Old pods' troubles are not the restart's.
pub fn troubles(workload: &Workload, pods: &[Pod], generation: u64) -> Vec<Trouble> {
    let mut found = Vec::new();
    // Before the controller saw the change, the condition speaks of an earlier rollout, and the newest revision is still the
    // old one: its pods may well be crashing, which is why they are restarted.
    if workload.status.observed_generation < generation.max(workload.generation) {
        return found;
    }
    let own = |kind, reason: &str, message: &str| Trouble {
        kind,
        pod: None,
        container: None,
        reason: reason.to_owned(),
        message: message.to_owned(),
        restarts: 0,
    };
    if let Some(exceeded) = &workload.status.deadline_exceeded {
        found.push(own(TroubleKind::Deadline, "ProgressDeadlineExceeded", &exceeded.message));
    }
    if let Some(message) = &workload.status.replica_failure {
        found.push(own(TroubleKind::Refused, "pods cannot be created", message));
    }
    for pod in new_pods(workload, pods) {
        let of_containers: Vec<Trouble> = pod.containers.iter().filter_map(|it| of_container(pod, it)).collect();
        if of_containers.is_empty() {
            found.extend(of_pod(pod));
        }
        found.extend(of_containers);
    }
    found.sort_by_key(|trouble| (std::cmp::Reverse(trouble.kind), std::cmp::Reverse(trouble.restarts)));
    found
}

/// What keeps a pod from being ready whose containers do not fail.
fn of_pod(pod: &Pod) -> Option<Trouble> {
    let runs = |container: &Container| container.init || container.running && container.waiting.is_none();
    let running = || pod.containers.iter().all(runs);
    let (kind, reason, message) = if let Some(message) = &pod.unschedulable {
        (TroubleKind::Unschedulable, "Unschedulable", message.clone())
    } else if !pod.ready && !pod.containers.is_empty() && running() {
        let why = pod.unready.as_ref().map(|unready| unready.message.clone()).unwrap_or_default();
        (TroubleKind::NotReady, "is running but not ready", why)
    } else {
        return None;
    };
    let pod = Some(pod.name.clone());
    Some(Trouble { kind, pod, container: None, reason: reason.to_owned(), message, restarts: 0 })
}

fn of_container(pod: &Pod, container: &Container) -> Option<Trouble> {
    let waiting = container.waiting.as_ref();
    let kind = waiting.and_then(|waiting| match waiting.reason.as_str() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => Some(TroubleKind::Image),
        "CreateContainerConfigError" | "CreateContainerError" => Some(TroubleKind::Config),
        _ => None,
    });
    // A pod that came up after some crashes is no trouble any more.
    let crashed = !pod.ready
        && (container.restarts > 0
            || waiting.is_some_and(|waiting| waiting.reason == "CrashLoopBackOff")
            || !container.init && container.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0));
    // The kubelet has more reasons to wait than are known here.
    let waits = !pod.ready && waiting.is_some_and(|waiting| !starts(&waiting.reason));
    let kind = kind.or(crashed.then_some(TroubleKind::Crash)).or(waits.then_some(TroubleKind::NotReady))?;
    let (reason, message) = match (kind, &container.terminated, waiting) {
        (TroubleKind::Crash, Some(ended), _) => (format!("exit code {}", ended.exit_code), ended.reason.clone()),
        (_, _, Some(waiting)) => (waiting.reason.clone(), waiting.message.clone()),
        _ => ("restarted".to_owned(), String::new()),
    };
    Some(Trouble {
        kind,
        pod: Some(pod.name.clone()),
        container: Some(container.name.clone()),
        reason,
        message,
        restarts: container.restarts,
    })
}

/// Reasons to wait of a container that is on its way.
fn starts(reason: &str) -> bool {
    matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}

/// What the API server's events say of those that have no better word: pods that cannot be created, and pods that run but are not
/// ready. `said` gives the last warning about an object, by its UID: reason and message.
pub fn told_by_events(
    troubles: &mut Vec<Trouble>,
    workload: &Workload,
    pods: &[Pod],
    said: &dyn Fn(&str) -> Option<(String, String)>,
) {
    let refused = troubles.iter().any(|trouble| trouble.kind == TroubleKind::Refused);
    if let Some((reason, message)) = said(&workload.uid).filter(|(reason, _)| reason == "FailedCreate" && !refused) {
        troubles.push(Trouble { kind: TroubleKind::Refused, pod: None, container: None, reason, message, restarts: 0 });
    }
    for pod in new_pods(workload, pods).into_iter().filter(|pod| !pod.ready) {
        let own = |trouble: &&mut Trouble| trouble.pod.as_ref() == Some(&pod.name);
        let Some((reason, message)) = said(&pod.uid) else { continue };
        match troubles.iter_mut().find(own) {
            Some(known) if known.kind == TroubleKind::NotReady => (known.reason, known.message) = (reason, message),
            Some(_) => {}
            None => troubles.push(Trouble {
                kind: TroubleKind::NotReady,
                pod: Some(pod.name.clone()),
                container: None,
                reason,
                message,
                restarts: 0,
            }),
        }
    }
    troubles.sort_by_key(|trouble| (std::cmp::Reverse(trouble.kind), std::cmp::Reverse(trouble.restarts)));
}

/// Objects whose events may tell why a rollout stands still: the workload while pods of it are missing, unless it has a
/// condition for that, and a few pods that are not ready.
pub fn asks_events(workload: &Workload, pods: &[Pod]) -> Vec<String> {
    let sets = matches!(workload.id.kind, WorkloadKind::StatefulSet | WorkloadKind::DaemonSet);
    let missing = sets && workload.status.total < workload.replicas;
    let unready = new_pods(workload, pods).into_iter().filter(|pod| !pod.ready && pod.unschedulable.is_none()).take(2);
    missing.then(|| workload.uid.clone()).into_iter().chain(unready.map(|pod| pod.uid.clone())).collect()
}

#[cfg(test)]
mod tests;
