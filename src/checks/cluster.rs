//! The cluster itself: active, and of a version that has Pod Identity.

use super::{Check, Finding, Link};
use crate::model::{have::Seen, snapshot::Snapshot};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &NOT_ACTIVE];

static SOUND: Check = Check {
    id: "cluster.sound",
    link: Link::Cluster,
    title: "the cluster is active and has Pod Identity",
    background: "Everything else is looked at in this cluster: its account and region say where roles and tables are looked for.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"],
    symptom: false,
};

static NOT_ACTIVE: Check = Check {
    id: "cluster.not-active",
    link: Link::Cluster,
    title: "the cluster is being made, changed or deleted",
    background: "A cluster that is not ACTIVE may not answer, and what is read of it may be of yesterday.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let cluster = match &snapshot.cluster.cluster {
        Seen::Read(cluster) => cluster,
        Seen::Unreadable(why) => return vec![SOUND.skips("the cluster", why)],
        Seen::NotAsked => return Vec::new(),
    };
    let subject = format!("cluster {}", cluster.name);
    let version = format!("Kubernetes {}, platform {}", cluster.version, cluster.platform_version);
    if matches!(cluster.status.as_str(), "ACTIVE" | "UPDATING") {
        return vec![SOUND.ok(subject, format!("{}, {version}", cluster.status)).evidence("DescribeCluster", version)];
    }
    vec![
        NOT_ACTIVE
            .fails(subject, format!("the cluster is {}", cluster.status))
            .evidence("DescribeCluster", format!("status {}", cluster.status))
            .change("wait until it is ACTIVE, or see what became of it in the EKS console"),
    ]
}
