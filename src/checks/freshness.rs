//! Whether running pods have the newest settings of the association.

use super::{Check, Finding, Link};
use crate::model::{snapshot::Snapshot, staleness};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &STALE];

static SOUND: Check = Check {
    id: "freshness.sound",
    link: Link::Freshness,
    title: "the pods started under the association as it is now",
    background: "Pods keep the settings that they were made with, and the agent keeps credentials for up to three hours.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html"],
    symptom: false,
};

static STALE: Check = Check {
    id: "freshness.stale",
    link: Link::Freshness,
    title: "pods are older than the association's last change",
    background: "After a change of role, pods go on with credentials of the role before: up to six hours, or 59 minutes with a target role.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"],
    symptom: true,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(association) = snapshot.associated() else { return Vec::new() };
    let pods = snapshot.live_pods();
    let stale: Vec<Finding> = pods
        .iter()
        .filter_map(|pod| {
            let why = staleness::stale(pod, association)?;
            let name = format!("pod {}/{}", pod.namespace, pod.name);
            Some(
                STALE
                    .fails(name, why)
                    .evidence("its creation time", "before the association's")
                    .command(format!("podid recycle {}", snapshot.subject)),
            )
        })
        .collect();
    if stale.is_empty() && !pods.is_empty() {
        return vec![SOUND.ok("the pods", "newer than the association").evidence("creation times", "newer")];
    }
    stale
}
