//! What one cluster's verification rests on, and what came of it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    checks::{self, Report},
    failure::Code,
    model::{
        cluster::Cluster,
        snapshot::{ClusterView, Snapshot},
    },
};

/// All that was read.
pub(super) struct Read {
    pub(super) cluster: Cluster,
    pub(super) view: Arc<ClusterView>,
    pub(super) snapshots: Vec<Snapshot>,
    /// The code of what kept podid from asking Kubernetes.
    pub(super) unreached: Option<Code>,
    /// When and by which podid, where it was read before.
    pub(super) before: Option<(Timestamp, String)>,
}

/// What came of it.
pub(super) struct Checked {
    pub(super) cluster: Cluster,
    /// When and by which podid it was read, where that was before.
    pub(super) before: Option<(Timestamp, String)>,
    pub(super) reports: Vec<Report>,
    /// Service accounts that show no use of AWS.
    pub(super) without_aws: Vec<String>,
    /// The code of what kept podid from asking Kubernetes.
    pub(super) unreached: Option<Code>,
}

impl Checked {
    /// As JSON.
    pub(super) fn document(&self) -> Value {
        let mut document =
            json!({"cluster": self.cluster.arn, "reports": self.reports, "withoutAws": self.without_aws});
        if let Some((at, podid)) = &self.before {
            document["readFrom"] = json!({"readAt": at, "podid": podid});
        }
        document
    }
}

impl Read {
    /// Runs the checks.
    pub(super) fn check(&self) -> Checked {
        let (mut reports, mut without_aws) = (Vec::new(), Vec::new());
        for snapshot in &self.snapshots {
            let report = checks::check(snapshot);
            if checks::uses_aws(snapshot, &report) {
                reports.push(report);
            } else {
                without_aws.push(report.title());
            }
        }
        let (cluster, before) = (self.cluster.clone(), self.before.clone());
        Checked { cluster, before, reports, without_aws, unreached: self.unreached }
    }
}
