//! What is there for a file: the things that its entries name, as far as they were read.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    addon::Addon,
    agent::AgentState,
    arn::Arn,
    association::Association,
    document::Document,
    have::{Observed, ServiceAccountState},
    names::ServiceAccount,
    role::{Role, RoleContents},
    workload::{Pod, Workload},
};

/// A role and what it may do, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleState {
    /// The role.
    pub role: Observed<Option<Role>>,
    /// ARNs of attached managed policies.
    pub attached: Observed<Vec<String>>,
    /// All inline policies.
    pub inline: Observed<BTreeMap<String, Document>>,
}

/// The Kubernetes side of a service account that is to be associated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesState {
    /// The service account.
    pub service_account: Observed<ServiceAccountState>,
    /// Its pods.
    pub pods: Observed<Vec<Pod>>,
    /// Its workloads.
    pub workloads: Observed<Vec<Workload>>,
}

/// What carries a document's name, and is in no document any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prunable {
    /// Service accounts of associations; the associations themselves are among the holdings.
    pub associations: BTreeSet<ServiceAccount>,
    /// Roles, with what has to go before each, and why it must stay, if it must.
    pub roles: Vec<(RoleContents, Vec<String>)>,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterState {
    /// Associations by service account.
    pub associations: BTreeMap<ServiceAccount, Association>,
    /// Roles by name.
    pub roles: BTreeMap<String, RoleState>,
    /// The add-on, where the file has an agent.
    pub addon: Observed<Option<Addon>>,
    /// The agent in the cluster, where something is to be associated.
    pub agent: Observed<AgentState>,
    /// What is around the service accounts that are to be associated.
    pub around: BTreeMap<ServiceAccount, KubernetesState>,
    /// Customer managed KMS keys of tables to which access is new.
    pub keys: BTreeMap<Arn, String>,
    /// Tables to which access is new and that do not exist, each with names like its own that do.
    pub missing: BTreeMap<Arn, Vec<String>>,
    /// What could not be read and the plan can do without, one line each.
    pub unread: Vec<String>,
    /// What may be pruned.
    pub leftover: Prunable,
}
