//! The agent on the nodes: the add-on, its DaemonSets, and which nodes need one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    addon::Addon,
    workload::{Placement, Pod, Taint, Workload, WorkloadKind},
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
    /// Why the add-on could not be read, when it could not.
    pub addon_unread: Option<String>,
    /// DaemonSets of the agent.
    pub daemon_sets: Vec<AgentDaemonSet>,
    /// All nodes.
    pub nodes: Vec<Node>,
}

/// Label that EKS puts on nodes; `ec2`, `fargate`, `hybrid` or `auto`.
const COMPUTE_TYPE: &str = "eks.amazonaws.com/compute-type";

/// What pods on a node find when they ask for credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// A ready agent pod.
    Ready,
    /// The agent that EKS Auto Mode builds into its nodes.
    BuiltIn,
    /// No ready agent, though one could run there; why.
    Missing(String),
    /// Pod Identity does not work on such nodes; why.
    NotSupported(String),
}

/// Whether the agent is where the pods of a service account run or could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// On all of these nodes, as many as there are.
    Everywhere(usize),
    /// Not on these; node and reason.
    Lacking(Vec<(String, String)>),
    /// Neither pods nor workloads use it yet. The nodes of the cluster that lack the agent, with the reason.
    NoPods(Vec<(String, String)>),
    /// There are workloads, but no node that they could run on now.
    NoNodes,
}

impl Node {
    /// `fargate`, `hybrid`, `auto`, or anything else.
    fn compute_type(&self) -> &str {
        self.labels.get(COMPUTE_TYPE).map_or("", String::as_str)
    }

    /// Why Pod Identity does not work on it (EKS User Guide, pod-identities, "EKS Pod Identity restrictions").
    fn unsupported(&self) -> Option<String> {
        let label = |key: &str| self.labels.get(key).map(String::as_str);
        if self.compute_type() == "fargate" {
            return Some("Pod Identity does not work on Fargate".to_owned());
        }
        if label("kubernetes.io/os").is_some_and(|os| os != "linux") {
            return Some("Pod Identity does not work on Windows nodes".to_owned());
        }
        label("kubernetes.io/arch")
            .filter(|arch| !matches!(*arch, "amd64" | "arm64"))
            .map(|arch| format!("there is no agent for the architecture {arch}"))
    }
}

impl AgentState {
    /// Whether anything of the agent is installed: the add-on, or a DaemonSet that somebody else manages.
    pub fn installed(&self) -> bool {
        self.addon.is_some() || !self.daemon_sets.is_empty()
    }

    /// What pods on this node find.
    pub fn ready_on(&self, name: &str) -> Coverage {
        let ready = self.daemon_sets.iter().any(|set| set.ready_nodes.contains(name));
        let Some(node) = self.nodes.iter().find(|node| node.name == name) else {
            return if ready { Coverage::Ready } else { Coverage::Missing("the node is not known".to_owned()) };
        };
        if node.compute_type() == "auto" {
            Coverage::BuiltIn
        } else if let Some(why) = node.unsupported() {
            Coverage::NotSupported(why)
        } else if ready {
            Coverage::Ready
        } else {
            Coverage::Missing(self.why_missing(node))
        }
    }

    /// Why a node that could have an agent has none.
    fn why_missing(&self, node: &Node) -> String {
        if !self.installed() {
            return "the agent is not installed".to_owned();
        }
        if !node.ready {
            return "the node is not ready".to_owned();
        }
        if self.daemon_sets.is_empty() {
            return format!("the add-on {} has no DaemonSet", super::addon::AGENT);
        }
        let refusals: Vec<String> = self
            .daemon_sets
            .iter()
            .filter_map(|set| {
                set.placement.refuses(node, true).map(|why| format!("{}/{}: {why}", set.namespace, set.name))
            })
            .collect();
        if refusals.len() < self.daemon_sets.len() {
            return "its agent pod is not ready".to_owned();
        }
        if node.compute_type() == "hybrid" {
            return "a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)"
                .to_owned();
        }
        format!("no DaemonSet of the agent runs there ({})", refusals.join("; "))
    }

    /// Nodes that need an agent and have no ready one, with the reason.
    pub fn missing(&self) -> Vec<(String, String)> {
        self.nodes
            .iter()
            .filter_map(|node| match self.ready_on(&node.name) {
                Coverage::Missing(why) => Some((node.name.clone(), why)),
                Coverage::Ready | Coverage::BuiltIn | Coverage::NotSupported(_) => None,
            })
            .collect()
    }

    /// Whether the add-on, once installed, would cover a node: not a hybrid one (it needs its own DaemonSet), and none
    /// that Pod Identity does not support.
    pub fn coverable(&self, name: &str) -> bool {
        let node = self.nodes.iter().find(|node| node.name == name);
        node.is_none_or(|node| node.unsupported().is_none() && node.compute_type() != "hybrid")
    }

    /// Whether any node needs an agent that is not built in.
    pub fn needed(&self) -> bool {
        self.nodes.iter().any(|node| node.compute_type() != "auto" && node.unsupported().is_none())
    }

    /// Looks at the nodes where the pods run, and at those where the workloads could place a pod now.
    ///
    /// A node that Pod Identity does not support counts only when a pod runs there: a Deployment without a node selector
    /// "could" run on Windows nodes too, and never means to.
    pub fn reach(&self, pods: &[Pod], workloads: &[Workload]) -> Reach {
        let pods: Vec<&Pod> = pods.iter().filter(|pod| pod.live()).collect();
        if pods.is_empty() && workloads.is_empty() {
            return Reach::NoPods(self.missing());
        }
        let mut nodes: BTreeMap<&str, bool> =
            pods.iter().filter_map(|p| p.node.as_deref()).map(|n| (n, true)).collect();
        for node in self.nodes.iter().filter(|node| node.ready) {
            let could = workloads.iter().any(|workload| {
                workload.placement.refuses(node, workload.id.kind == WorkloadKind::DaemonSet).is_none()
            });
            if could {
                nodes.entry(&node.name).or_insert(false);
            }
        }
        let (mut covered, mut lacking) = (0, Vec::new());
        for (name, runs) in nodes {
            match self.ready_on(name) {
                Coverage::Ready | Coverage::BuiltIn => covered += 1,
                Coverage::Missing(why) => lacking.push((name.to_owned(), why)),
                Coverage::NotSupported(why) if runs => lacking.push((name.to_owned(), why)),
                Coverage::NotSupported(_) => {}
            }
        }
        if !lacking.is_empty() {
            Reach::Lacking(lacking)
        } else if covered == 0 {
            Reach::NoNodes
        } else {
            Reach::Everywhere(covered)
        }
    }
}

#[cfg(test)]
mod tests;
