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
        return Some("it was not injected when it was created".to_owned());
    }
    let born = pod.created_at?;
    let unchanged = association.modified_at.is_none() || association.modified_at == association.created_at;
    if unchanged {
        let older = association.created_at.is_some_and(|created| born < whole(created));
        return older.then(|| "it is older than the association".to_owned());
    }
    let settled = association.modified_at.and_then(|at| at.checked_add(PROPAGATION).ok());
    settled.is_some_and(|at| born < whole(at)).then(|| "it started before the association's last change".to_owned())
}

/// Time that the credentials of a session last at most: the agent's (six hours), and those of a target role (59 minutes; EKS User
/// Guide, pod-id-assign-target-role).
const SESSION: SignedDuration = SignedDuration::from_hours(6);
const TARGET_SESSION: SignedDuration = SignedDuration::from_mins(59);

/// Whether the association's last change is longer ago than any credentials of before it last: pods that have the settings act
/// under the new ones without a restart.
pub fn renewed(association: &Association, now: Timestamp) -> bool {
    let last = if association.target_role_arn.is_some() { TARGET_SESSION } else { SESSION };
    let changed = association.modified_at.max(association.created_at);
    changed.is_some_and(|at| now.duration_since(at) >= last + PROPAGATION)
}

/// Seconds since the association was last written, by EKS's clock and the caller's. One written in the future (the clocks
/// differ) was written now, so that whoever waits for a change to spread waits for its usual time and no longer.
pub fn since_change(association: &Association, now: Timestamp) -> Option<u64> {
    let changed = association.modified_at.max(association.created_at)?;
    Some(u64::try_from(now.duration_since(changed).as_secs()).unwrap_or(0))
}

/// How long the association's last change may still be on its way to every part of EKS, [`PROPAGATION`] at most; `None` when it has
/// arrived, or nothing tells. Pods that start before may start as those before them did.
pub fn settles_in(association: &Association, now: Timestamp) -> Option<SignedDuration> {
    let changed = association.modified_at.max(association.created_at)?;
    let left = PROPAGATION - now.duration_since(changed);
    (left.is_positive()).then(|| left.min(PROPAGATION))
}

/// Kubernetes keeps whole seconds of a pod's birth, EKS fractions: a pod made right after a moment reads as made at its second.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{association, at, pod, workload},
        workload::WorkloadKind,
    };

    #[test]
    fn stale_by_injection_and_time() {
        let carts = workload(WorkloadKind::Deployment, "carts");
        // Injected, seconds of the pod's birth and of the association's last change after noon, when it was created.
        for (injected, born, modified, wanted) in [
            (false, 500, 0, true),
            (true, 5, 0, false),
            (true, 0, 0, false),
            (true, -1, 0, true),
            (true, 100, 100, true),
            (true, 109, 100, true),
            (true, 110, 100, false),
            (false, 110, 100, true),
        ] {
            let mut association = association("arn:aws:iam::111122223333:role/carts");
            association.modified_at = Some(at(modified));
            let mut pod = pod(&carts, "carts-a", injected);
            pod.created_at = Some(at(born));
            assert_eq!(stale(&pod, &association).is_some(), wanted, "{injected} {born} {modified}");
        }
    }

    #[test]
    fn since_the_last_change() {
        let mut association = association("arn:aws:iam::111122223333:role/carts");
        (association.created_at, association.modified_at) = (Some(at(0)), None);
        assert_eq!(since_change(&association, at(50)), Some(50));
        association.modified_at = Some(at(40));
        assert_eq!(since_change(&association, at(50)), Some(10));
        assert_eq!(since_change(&association, at(-3600)), Some(0), "the clocks differ");
        (association.created_at, association.modified_at) = (None, None);
        assert_eq!(since_change(&association, at(50)), None);
    }

    #[test]
    fn credentials_are_renewed_in_the_end() {
        let mut association = association("arn:aws:iam::111122223333:role/carts");
        (association.created_at, association.modified_at) = (Some(at(-999_999)), Some(at(0)));
        for (target, now, wanted) in [
            (false, 6 * 3600, false),
            (false, 6 * 3600 + 10, true),
            (true, 59 * 60, false),
            (true, 59 * 60 + 10, true),
            (false, -5, false),
        ] {
            association.target_role_arn = target.then(|| "arn:aws:iam::444455556666:role/carts".to_owned());
            assert_eq!(renewed(&association, at(now)), wanted, "{target} {now}");
        }
        (association.created_at, association.modified_at) = (None, None);
        assert!(!renewed(&association, at(999_999)), "nothing tells when");
    }

    #[test]
    fn on_its_way_for_ten_seconds() {
        let seconds = |left: Option<SignedDuration>| left.map(|left| left.as_secs());
        let mut association = association("arn:aws:iam::111122223333:role/carts");
        (association.created_at, association.modified_at) = (Some(at(0)), Some(at(0)));
        for (now, left) in [(0, Some(10)), (3, Some(7)), (9, Some(1)), (10, None), (500, None), (-3600, Some(10))] {
            assert_eq!(seconds(settles_in(&association, at(now))), left, "{now}");
        }
        association.modified_at = Some(at(100));
        assert_eq!(seconds(settles_in(&association, at(104))), Some(6));
        (association.created_at, association.modified_at) = (None, None);
        assert_eq!(settles_in(&association, at(0)), None);
    }

    #[test]
    fn fractions_of_a_second_do_not_make_a_pod_stale() {
        let carts = workload(WorkloadKind::Deployment, "carts");
        let mut association = association("arn:aws:iam::111122223333:role/carts");
        let fraction = SignedDuration::from_millis(300);
        let mut fresh = pod(&carts, "carts-a", true);
        // Made right after the association, or after its settled change: both births read as whole seconds.
        association.created_at = Some(at(50) + fraction);
        association.modified_at = association.created_at;
        fresh.created_at = Some(at(50));
        assert_eq!(stale(&fresh, &association), None);
        association.modified_at = Some(at(100) + fraction);
        fresh.created_at = Some(at(110));
        assert_eq!(stale(&fresh, &association), None);
        fresh.created_at = Some(at(109));
        assert!(stale(&fresh, &association).is_some());
    }

    #[test]
    fn what_a_restart_would_not_change_is_not_stale() {
        let carts = workload(WorkloadKind::Deployment, "carts");
        let association = association("arn:aws:iam::111122223333:role/carts");
        let mut skips = pod(&carts, "carts-a", false);
        skips.containers[0].skipped = true;
        let mut label = pod(&carts, "carts-a", false);
        label.labels.insert(SKIP_LABEL.to_owned(), "true".to_owned());
        let mut own = pod(&carts, "carts-a", true);
        own.containers.push(pod(&carts, "x", false).containers.remove(0));
        for pod in [skips, label, own] {
            assert_eq!(stale(&pod, &association), None, "{pod:?}");
        }
    }
}
