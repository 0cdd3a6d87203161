//! Which running pods still act under older settings than the association's. When to restart them is not decided here.

use jiff::{SignedDuration, Timestamp};

use super::{
    association::Association,
    workload::{Injection, Pod},
};

/// Time within which a change of an association reaches every part of EKS (EKS User Guide, pod-id-association, and the
/// AWS Containers blog on session policies: "up to 10 seconds").
pub const PROPAGATION: SignedDuration = SignedDuration::from_secs(10);

/// Label whose mere presence keeps the webhook away (amazon-eks-pod-identity-webhook, deploy/mutatingwebhook.yaml).
pub const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";

/// Whether a pod keeps itself from being injected: a restart would bring the same pod again.
pub fn opted_out(pod: &Pod) -> bool {
    pod.labels.contains_key(SKIP_LABEL) || !pod.containers.is_empty() && pod.containers.iter().all(|c| c.skipped)
}

/// Why a pod is stale under an association, or `None` when it is not.
///
/// - It lacks the injection. A pod of which only some containers have it is not stale: the webhook did see it, and leaves
///   out containers that set the credentials variables themselves, in the next pod too.
/// - It is injected, but older than the association's last change took to arrive: its agent may hold credentials of
///   the role before.
/// - For an association that was never changed since its creation, an injected pod is stale only when it is older than
///   the association itself (injected by one that was deleted). There are no older settings that a pod
///   made during those ten seconds could hold, and calling it stale would have every restart right after a creation repeated.
pub fn stale(pod: &Pod, association: &Association) -> Option<String> {
    if opted_out(pod) {
        return None;
    }
    if pod.injection() == Injection::No {
        return Some("it was not injected at its creation".to_owned());
    }
    let born = pod.created_at?;
    let unchanged = association.modified_at.is_none() || association.modified_at == association.created_at;
    if unchanged {
        let older = association.created_at.is_some_and(|created| born < created);
        return older.then(|| "it is older than the association".to_owned());
    }
    let settled = association.modified_at.and_then(|at| at.checked_add(PROPAGATION).ok());
    settled.is_some_and(|at: Timestamp| born < at).then(|| "it started before the association's last change".to_owned())
}
