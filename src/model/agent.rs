//! The agent on the nodes: the add-on, its DaemonSets, and which nodes need one.

mod pod;
mod served;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::pod::{AgentPod, Trouble};

use super::{
    addon::Addon,
    json,
    text::listed,
    workload::{Placement, Pod, Taint, Workload, WorkloadKind},
};

/// A node, as far as the agent and scheduling go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentDaemonSet {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// On how many nodes it should run.
    pub desired: u64,
    /// On how many nodes it is ready.
    pub ready: u64,
    /// False when these counts are from before the last change of the DaemonSet.
    pub observed: bool,
    /// Where its pods may run.
    #[schemars(skip)]
    pub placement: Placement,
    /// Nodes with a ready pod of it: the pod's name and that of its main container.
    #[schemars(skip)]
    pub ready_nodes: BTreeMap<String, (String, String)>,
    /// Nodes whose agent pod never failed: from when to when it started, as pods that asked in between got no answer.
    #[schemars(skip)]
    pub startups: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Its pods that are not ready, by the node that they run on or are meant for.
    #[schemars(skip)]
    pub unready: BTreeMap<String, AgentPod>,
}

impl AgentDaemonSet {
    /// As `-o json` shows it: without what is there for podid's own checks.
    pub fn shown(&self) -> Value {
        json::without(self, &["placement", "readyNodes", "startups", "unready"])
    }
}

/// What is known of the agent in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// Nodes that need an agent and have no ready one, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lack {
    /// One is on its way there: waiting helps.
    pub coming: Vec<(String, String)>,
    /// None will come while things are as they are.
    pub never: Vec<(String, String)>,
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
            .map(|arch| format!("the agent does not support the architecture {arch}"))
    }
}

impl AgentState {
    /// Whether anything of the agent is installed: the add-on, or a DaemonSet that somebody else manages.
    pub fn installed(&self) -> bool {
        self.addon.is_some() || !self.daemon_sets.is_empty()
    }

    /// When the agent of a node started, and when it was ready, as far as that can be told.
    pub fn startup_on(&self, node: &str) -> Option<(Timestamp, Timestamp)> {
        self.daemon_sets.iter().find_map(|set| set.startups.get(node)).copied()
    }

    /// What pods on this node find.
    pub fn ready_on(&self, name: &str) -> Coverage {
        let ready = self.daemon_sets.iter().any(|set| set.ready_nodes.contains_key(name));
        let Some(node) = self.nodes.iter().find(|node| node.name == name) else {
            return if ready { Coverage::Ready } else { Coverage::Missing("the node is unknown".to_owned()) };
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

    /// The agent's pod on a node, when it is not ready.
    pub fn pod_on(&self, node: &str) -> Option<&AgentPod> {
        self.daemon_sets.iter().find_map(|set| set.unready.get(node))
    }

    /// Where the log of the agent on a node is: namespace, pod, container, and whether it is that of the run before.
    pub fn log_of(&self, node: &str) -> Option<(String, String, String, bool)> {
        self.daemon_sets.iter().find_map(|set| {
            if let Some((pod, container)) = set.ready_nodes.get(node) {
                return Some((set.namespace.clone(), pod.clone(), container.clone(), false));
            }
            let pod = set.unready.get(node)?;
            Some((pod.namespace.clone(), pod.name.clone(), pod.crashed()?.to_owned(), true))
        })
    }

    /// What to do about the nodes that lack the agent, each thing once.
    pub fn remedies(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (name, _) in self.missing() {
            let node = self.nodes.iter().find(|node| node.name == name);
            let Some(node) = node.filter(|node| node.ready && !self.daemon_sets.is_empty()) else { continue };
            let remedy = if self.meant_for(node) {
                self.pod_on(&name).and_then(AgentPod::remedy)
            } else if node.compute_type() == "hybrid" {
                Some("enable it on hybrid nodes: `podid agent upgrade --configuration-values '{\"daemonsets\":{\"hybrid\":{\"create\":true}}}'`".to_owned())
            } else if self.tainted(node) {
                Some("let the agent tolerate every taint: `podid agent upgrade --configuration-values '{\"tolerations\":[{\"operator\":\"Exists\"}]}'`".to_owned())
            } else {
                None
            };
            // Only the add-on has a configuration.
            let fits = |remedy: &String| self.addon.is_some() || !remedy.contains("--configuration-values");
            found.extend(remedy.filter(|remedy| fits(remedy) && !found.contains(remedy)));
        }
        found
    }

    /// A taint keeps the DaemonSets off the node.
    fn tainted(&self, node: &Node) -> bool {
        let without = Node { taints: Vec::new(), ..node.clone() };
        self.daemon_sets.iter().any(|set| set.placement.refuses(&without, true).is_none())
    }

    /// Why a node that could have an agent has none.
    fn why_missing(&self, node: &Node) -> String {
        if !self.installed() {
            return match &self.addon_unread {
                Some(why) => format!("no agent found; the add-on could not be read ({why})"),
                None => "the agent is not installed".to_owned(),
            };
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
            let pod = self.pod_on(&node.name);
            return pod.map_or_else(|| "its agent pod is not ready".to_owned(), AgentPod::why);
        }
        if node.compute_type() == "hybrid" {
            return "a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)"
                .to_owned();
        }
        format!("no DaemonSet of the agent runs on it ({})", refusals.join("; "))
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

    /// The nodes without a ready agent, of these or of all, by whether waiting for one helps.
    pub fn lack(&self, only: Option<&BTreeSet<String>>) -> Lack {
        let mut lack = Lack::default();
        for (name, why) in self.missing() {
            if only.is_some_and(|only| !only.contains(&name)) {
                continue;
            }
            let node = self.nodes.iter().find(|node| node.name == name);
            if node.is_some_and(|node| node.ready && self.meant_for(node)) {
                lack.coming.push((name, why));
            } else {
                lack.never.push((name, why));
            }
        }
        lack
    }

    /// Nodes that are not ready but should have an agent: as long as they are there, the DaemonSet has fewer pods than it
    /// wants, and EKS does not call the add-on ACTIVE.
    pub fn holds_up(&self) -> bool {
        self.nodes.iter().any(|node| {
            !node.ready && self.meant_for(node) && matches!(self.ready_on(&node.name), Coverage::Missing(_))
        })
    }

    /// Whether the agent's DaemonSets, or the add-on that is about to make its own, place a pod there.
    fn meant_for(&self, node: &Node) -> bool {
        if self.daemon_sets.is_empty() {
            return self.addon.is_some() && self.coverable(&node.name);
        }
        self.daemon_sets.iter().any(|set| set.placement.refuses(node, true).is_none())
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

    /// The nodes where the pods run (true), and those where the workloads could place a pod now (false). A node that is
    /// not ready runs nothing and takes nothing: its pods are about to be replaced elsewhere.
    fn used<'a>(&'a self, pods: &'a [Pod], workloads: &[Workload]) -> BTreeMap<&'a str, bool> {
        let down = |name: &str| self.nodes.iter().any(|node| node.name == name && !node.ready);
        let running = pods.iter().filter(|pod| pod.live()).filter_map(|pod| pod.node.as_deref());
        let mut nodes: BTreeMap<&str, bool> = running.filter(|name| !down(name)).map(|name| (name, true)).collect();
        for node in self.nodes.iter().filter(|node| node.ready) {
            let could = workloads.iter().any(|workload| {
                workload.placement.refuses(node, workload.id.kind == WorkloadKind::DaemonSet).is_none()
            });
            if could {
                nodes.entry(&node.name).or_insert(false);
            }
        }
        nodes
    }

    /// The nodes where the pods run or the workloads could place one now; `None` when there are neither pods nor workloads.
    pub fn nodes_for(&self, pods: &[Pod], workloads: &[Workload]) -> Option<BTreeSet<String>> {
        let unused = workloads.is_empty() && !pods.iter().any(Pod::live);
        (!unused).then(|| self.used(pods, workloads).into_keys().map(str::to_owned).collect())
    }

    /// Looks at the nodes where the pods run, and at those where the workloads could place a pod now.
    ///
    /// A node that Pod Identity does not support counts only when a pod runs there: a Deployment without a node selector
    /// "could" run on Windows nodes too, and never means to.
    pub fn reach(&self, pods: &[Pod], workloads: &[Workload]) -> Reach {
        if workloads.is_empty() && !pods.iter().any(Pod::live) {
            return Reach::NoPods(self.missing());
        }
        let nodes = self.used(pods, workloads);
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

/// At most five nodes by name; nodes with the same reason together.
pub fn grouped(missing: &[(String, String)]) -> String {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, why) in missing {
        match by_reason.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((why, vec![name])),
        }
    }
    let groups: Vec<String> =
        by_reason.into_iter().map(|(why, names)| format!("{} ({why})", listed(&names, 5))).collect();
    groups.join(", ")
}

#[cfg(test)]
mod tests;
