//! The agent on the nodes: the add-on, its DaemonSets, and which nodes need one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    addon::Addon,
    workload::{Placement, Taint},
};

/// A node, as far as the agent and scheduling go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Condition Ready.
    pub ready: bool,
    /// Cordoned.
    pub unschedulable: bool,
}

/// A DaemonSet of the agent (the add-on's, a chart's, a hybrid one).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentDaemonSet {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `desiredNumberScheduled`.
    pub desired: u64,
    /// `numberReady`.
    pub ready: u64,
    /// `metadata.generation` was observed.
    pub observed: bool,
    /// Where its pods may run.
    #[serde(skip)]
    pub placement: Placement,
    /// Nodes with a ready pod of it.
    #[serde(skip)]
    pub ready_nodes: BTreeSet<String>,
}

/// What is known of the agent in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentState {
    /// EKS Auto Mode is on: its own nodes have the agent built in.
    pub auto_mode: bool,
    /// The add-on, when installed.
    pub addon: Option<Addon>,
    /// DaemonSets of the agent.
    pub daemon_sets: Vec<AgentDaemonSet>,
    /// All nodes.
    pub nodes: Vec<Node>,
}
