//! The cluster itself: active, and of a version and in a place that has Pod Identity.

use super::{Check, Finding, Follows, Link};
use crate::model::{addon::numbers, cluster::Cluster, have::Observed, snapshot::Snapshot};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &NOT_ACTIVE, &PLATFORM];

const RESTRICTIONS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html";

static PASSED: Check = Check {
    id: "cluster.ok",
    link: Link::Cluster,
    title: "the cluster is active and has Pod Identity",
    background: "All other checks apply to this cluster: podid reads roles and tables in its account and region.",
    sources: &[RESTRICTIONS],
    follows: Follows::Nothing,
};

static NOT_ACTIVE: Check = Check {
    id: "cluster.not-active",
    link: Link::Cluster,
    title: "the cluster is being created or deleted, or has failed",
    background: "A cluster that is not ACTIVE may not respond, and its data may be outdated.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html"],
    follows: Follows::Nothing,
};

static PLATFORM: Check = Check {
    id: "cluster.platform",
    link: Link::Cluster,
    title: "the cluster's platform version or location does not support Pod Identity",
    background: "Clusters of Kubernetes 1.28 and older need a platform version that supports Pod Identity; newer ones all do. Clusters on AWS Outposts do not support it.",
    sources: &[RESTRICTIONS],
    follows: Follows::Nothing,
};

/// The first platform version with Pod Identity, by Kubernetes minor version (EKS User Guide, pod-identities). Not listed: all.
const FIRST: [(u64, u64); 5] = [(28, 4), (27, 8), (26, 9), (25, 10), (24, 13)];

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let cluster = match &snapshot.cluster.cluster {
        Observed::Known(cluster) => cluster,
        Observed::Unreadable(why) => return vec![PASSED.skips("the cluster", why)],
        Observed::NotRequested => return Vec::new(),
    };
    let subject = format!("cluster {}", cluster.name);
    let version = format!("Kubernetes {}, platform {}", cluster.version, cluster.platform_version);
    if !matches!(cluster.status.as_str(), "ACTIVE" | "UPDATING") {
        return vec![
            NOT_ACTIVE
                .fails(subject, format!("the cluster is {}", cluster.status))
                .evidence("DescribeCluster", format!("status {}", cluster.status))
                .change("wait until it is ACTIVE, or check it in the EKS console"),
        ];
    }
    if cluster.on_outpost {
        return vec![
            PLATFORM
                .fails(subject, "it runs on an AWS Outpost, which does not support Pod Identity")
                .evidence("DescribeCluster", "outpostConfig")
                .change("use IAM roles for service accounts (IRSA) there"),
        ];
    }
    if let Some(first) = lacks(cluster) {
        return vec![
            PLATFORM
                .fails(subject, format!("{version}: Pod Identity needs platform version eks.{first}"))
                .evidence("DescribeCluster", version)
                .change("upgrade the cluster: EKS updates platform versions automatically, and all newer Kubernetes versions support Pod Identity"),
        ];
    }
    vec![PASSED.ok(subject, format!("{}, {version}", cluster.status)).evidence("DescribeCluster", version)]
}

/// The platform version that it would need.
fn lacks(cluster: &Cluster) -> Option<u64> {
    let minor = numbers(&cluster.version).get(1).copied()?;
    let platform = numbers(&cluster.platform_version).last().copied()?;
    let (_, first) = FIRST.iter().find(|(known, _)| *known == minor)?;
    (platform < *first).then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::cluster;

    #[test]
    fn platform_versions() {
        let lacking = |version: &str, platform: &str| {
            lacks(&Cluster { version: version.to_owned(), platform_version: platform.to_owned(), ..cluster() })
        };
        for (version, platform, wanted) in [
            ("1.28", "eks.3", Some(4)),
            ("1.28", "eks.4", None),
            ("1.24", "eks.12", Some(13)),
            ("1.29", "eks.1", None),
            ("1.33", "eks.1", None),
            ("1.28", "", None),
        ] {
            assert_eq!(lacking(version, platform), wanted, "{version} {platform}");
        }
    }
}
