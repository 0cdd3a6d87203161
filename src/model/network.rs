//! What stands between a pod and the agent's address: NetworkPolicies and the network plugin's own DaemonSets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::workload::Expression;

/// A NetworkPolicy (networking.k8s.io/v1), as far as it concerns what pods may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels of the pods that it selects, all of which must match; none selects all.
    pub labels: BTreeMap<String, String>,
    /// Expressions over the labels, all of which must match.
    pub expressions: Vec<Expression>,
    /// What they may reach, any rule; `None` when it does not speak of egress. An empty list allows nothing.
    pub egress: Option<Vec<EgressRule>>,
}

/// An egress rule: any of the peers, at any of the ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressRule {
    /// Where to; empty: anywhere.
    pub to: Vec<Peer>,
    /// Ports; empty: any.
    pub ports: Vec<Port>,
}

/// Where an egress rule leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// Addresses.
    IpBlock {
        /// `0.0.0.0/0`.
        cidr: String,
        /// But for these.
        except: Vec<String>,
    },
    /// Pods by label; the agent's address is none of a pod's.
    Pods,
}

/// A port of an egress rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// `TCP`, `UDP`, `SCTP`.
    pub protocol: String,
    /// Its number, or the first of a range; `None`: any. A name stands for a port of a pod, and is left out.
    pub port: Option<u16>,
    /// The last of a range.
    pub end: Option<u16>,
}

/// A DaemonSet of kube-system that moves packets: its images, and the settings that podid knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkDaemon {
    /// `aws-node`, `cilium`.
    pub name: String,
    /// Images of its containers.
    pub images: Vec<String>,
    /// The values of [`SETTINGS`] that its containers set, and of the flag [`ENFORCES`].
    pub settings: BTreeMap<String, String>,
}

/// DaemonSets of network plugins that are known to stand in the way.
pub const DAEMONS: [&str; 2] = ["aws-node", "cilium"];

/// The flag of the VPC CNI's node agent, as a setting: `true` or `false` (aws-network-policy-agent, README).
pub const ENFORCES: &str = "enable-network-policy";

/// Settings of the VPC CNI for security groups for pods (amazon-vpc-cni-k8s, README).
pub const SETTINGS: [&str; 2] = ["ENABLE_POD_ENI", "POD_SECURITY_GROUP_ENFORCING_MODE"];
