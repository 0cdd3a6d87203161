//! What uses up the rate of EKS Auth, as far as the pods show it: those that start, and those that have ended.

use jiff::SignedDuration;

use crate::{checks::Finding, model::snapshot::Snapshot};

/// How long after its creation a pod counts as one that starts.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// Adds how many pods of the service account started, and how many have ended and are still there.
pub(super) fn told(snapshot: &Snapshot, finding: Finding) -> Finding {
    let Some(pods) = snapshot.pods.known() else { return finding };
    let since = snapshot.now - RECENT;
    let started = pods.iter().filter(|pod| pod.created_at.is_some_and(|at| at > since)).count();
    let ended = pods.iter().filter(|pod| !pod.live() && !pod.deleting).count();
    let finding = finding.evidence(
        format!("pods of {}", snapshot.subject),
        format!("{started} started in the last {} minutes, {ended} finished and not deleted", RECENT.as_mins()),
    );
    if ended == 0 {
        return finding;
    }
    // https://github.com/aws/eks-pod-identity-agent/issues/171
    finding.change(
        "delete finished pods early, for example with `ttlSecondsAfterFinished` in the Job: the agent renews their credentials until their tokens expire",
    )
}
