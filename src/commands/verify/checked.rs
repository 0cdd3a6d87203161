//! What one cluster's verification rests on, and what came of it.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::catalog;
use crate::{
    checks::{self, Report},
    commands::unread::{NotRead, Unread},
    failure::Code,
    model::{
        arn::Arn,
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

/// What `podid verify` prints
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Document<'a> {
    /// Of one cluster
    One(Verified<'a>),
    /// Of several clusters
    Many {
        /// One for each cluster
        clusters: Vec<Verified<'a>>,
        /// What could not be checked
        unread: Vec<NotRead>,
    },
    /// With --list-checks
    Catalog(catalog::Catalog),
    /// With --explain
    Check(Box<catalog::Explained>),
}

impl<'a> Document<'a> {
    /// Of several clusters.
    pub(super) fn of_many(checked: &'a [Checked], unread: &[Unread]) -> Self {
        Self::Many { clusters: checked.iter().map(Checked::document).collect(), unread: NotRead::all(unread) }
    }
}

/// What was found in a cluster
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verified<'a> {
    /// ARN of the cluster
    cluster: &'a Arn,
    /// One for each service account
    reports: &'a [Report],
    /// Service accounts that show no use of AWS
    without_aws: &'a [String],
    /// With --from: where it was read from; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    read_from: Option<ReadFrom<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReadFrom<'a> {
    /// When the file was written
    read_at: Timestamp,
    /// By which version of podid
    podid: &'a str,
}

impl Checked {
    /// As JSON.
    pub(super) fn document(&self) -> Verified<'_> {
        Verified {
            cluster: &self.cluster.arn,
            reports: &self.reports,
            without_aws: &self.without_aws,
            read_from: self.before.as_ref().map(|(read_at, podid)| ReadFrom { read_at: *read_at, podid }),
        }
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
