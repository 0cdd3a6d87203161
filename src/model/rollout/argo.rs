//! Restarts of Argo Rollouts. They change no revision: the controller evicts pods that are older than `spec.restartAt`, a few at a time,
//! and their ReplicaSets replace them (argo-rollouts, docs/features/restart.md and rollout/restart.go).

use jiff::Timestamp;

use super::{Progress, restarted};
use crate::model::workload::{Argo, Pod, Workload};

/// The controller has noted the restart: it has evicted the last old pod, whose successor may not even be there.
fn evicted(workload: &Workload) -> bool {
    let noted: Option<Timestamp> =
        workload.argo.as_ref().and_then(|argo| argo.evicted.as_deref()).and_then(|at| at.parse().ok());
    restarted(workload).is_none_or(|at| noted == Some(at))
}

/// A restart that is not done goes on by itself: old pods are still to be evicted, a successor is still to be made, or all are
/// ready and wait for `minReadySeconds` only.
pub(super) fn replacing(workload: &Workload, pods: &[Pod]) -> bool {
    let new = new_pods(workload, pods);
    let missing = u64::try_from(new.len()).is_ok_and(|made| made < workload.replicas);
    !evicted(workload) || missing || new.iter().all(|pod| pod.ready)
}

fn living<'a>(workload: &Workload, pods: &'a [Pod]) -> Vec<&'a Pod> {
    pods.iter().filter(|pod| pod.live() && workload.owns(pod)).collect()
}

/// Made at the time of the restart counts as made after it, as the controller has it.
fn new(workload: &Workload, pod: &Pod) -> bool {
    restarted(workload).is_none_or(|at| pod.created_at.is_some_and(|born| born >= at))
}

/// Its pods that are neither ending nor older than its restart.
pub(super) fn new_pods<'a>(workload: &Workload, pods: &'a [Pod]) -> Vec<&'a Pod> {
    if restarted(workload).is_none() {
        return Vec::new();
    }
    living(workload, pods).into_iter().filter(|pod| new(workload, pod)).collect()
}

/// Done when no old pod is left and the new ones are available. The counts alone do not tell: they are complete when the
/// restart is noted, with a pod that is just ending among them.
pub(super) fn judge(workload: &Workload, pods: &[Pod]) -> Progress {
    let wanted = workload.replicas;
    let (new, old): (Vec<&Pod>, Vec<&Pod>) = living(workload, pods).into_iter().partition(|pod| new(workload, pod));
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let updated = count(new.len());
    let waiting = |waiting_for: String| Progress { done: false, updated, wanted, waiting_for };
    if !old.is_empty() {
        return waiting(format!("{} of {} pods to be replaced", old.len(), old.len() + new.len()));
    }
    if !evicted(workload) {
        return waiting("its controller to see the restart".to_owned());
    }
    let ready = count(new.iter().filter(|pod| pod.ready).count()).min(workload.status.available);
    if ready < wanted {
        return waiting(format!("{} of {wanted} new pods to be available", wanted - ready));
    }
    Progress { done: true, updated, wanted, waiting_for: String::new() }
}

/// Pods that are not ready and keep the controller from evicting any, them too: it leaves `replicas` less `maxUnavailable`
/// pods (at least all but one) available. Whoever waits for a restart waits for ever, unless they are deleted
/// (github.com/argoproj/argo-rollouts/issues/2109).
pub fn held<'a>(workload: &Workload, pods: &'a [Pod]) -> Vec<&'a Pod> {
    let Some(Argo { max_unavailable, .. }) = workload.argo else { return Vec::new() };
    let own = living(workload, pods);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let available = count(own.iter().filter(|pod| pod.ready).count());
    let least = workload.replicas.max(count(own.len())).saturating_sub(max_unavailable.max(1));
    if available > least {
        return Vec::new();
    }
    own.into_iter().filter(|pod| !pod.ready).collect()
}
