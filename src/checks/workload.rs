//! What uses the service account: workloads and pods.

use super::{Check, Finding, Link};
use crate::model::{have::Seen, snapshot::Snapshot, text::count};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &NONE];

static SOUND: Check = Check {
    id: "workload.sound",
    link: Link::Workload,
    title: "something uses the service account",
    background: "Pods get what the association of their own service account gives, and no other.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html"],
    symptom: false,
};

static NONE: Check = Check {
    id: "workload.none",
    link: Link::Workload,
    title: "nothing uses the service account",
    background: "Neither a pod nor a Deployment, StatefulSet or DaemonSet names it. What runs now and then (a CronJob) is not seen between two runs.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let subject = format!("service account {}", snapshot.subject);
    match (&snapshot.workloads, &snapshot.pods) {
        (Seen::Unreadable(why), _) | (_, Seen::Unreadable(why)) => return vec![SOUND.skips(subject, why)],
        (Seen::NotAsked, _) | (_, Seen::NotAsked) => return Vec::new(),
        (Seen::Read(_), Seen::Read(_)) => {}
    }
    let (pods, own) = (snapshot.live_pods(), snapshot.own_workloads());
    if pods.is_empty() && own.is_empty() {
        return vec![
            NONE.warns(&subject, "no pod and no workload uses it").evidence(
                format!("the pods and workloads of namespace {}", snapshot.subject.namespace),
                "none names it",
            ),
        ];
    }
    let names: Vec<String> = own.iter().map(|workload| workload.id.to_string()).collect();
    let by = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
    vec![
        SOUND
            .ok(&subject, format!("{}{by}", count(pods.len(), "pod")))
            .evidence("the pods and workloads of its namespace", names.join(", ")),
    ]
}
