//! Service accounts on their way from IRSA to Pod Identity, with all that the way hangs on, read once.

use super::{
    addon::Addon,
    cluster::Cluster,
    have::Observed,
    irsa::Annotation,
    snapshot::{RoleView, Snapshot},
};

/// A service account with an IRSA annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its annotation.
    pub annotation: Annotation,
    /// Its association, pods, workloads and nodes.
    pub snapshot: Snapshot,
    /// The role of the annotation, with its policies.
    pub role: RoleView,
}

/// Those of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The cluster.
    pub cluster: Cluster,
    /// The service accounts, by name.
    pub candidates: Vec<Candidate>,
    /// The cluster's add-ons; asked for only where one of them keeps an annotation.
    pub add_ons: Observed<Vec<Addon>>,
    /// Secrets were looked into for the names of their keys.
    pub secrets: bool,
}
