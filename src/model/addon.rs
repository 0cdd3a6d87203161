//! EKS add-ons, of which podid knows one: the agent.

use serde::Serialize;

/// Name of the agent's add-on and of its DaemonSet.
pub const AGENT: &str = "eks-pod-identity-agent";

/// An installed add-on as DescribeAddon gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Addon {
    /// Name.
    #[serde(rename = "addonName")]
    pub name: String,
    /// `v1.3.10-eksbuild.1`.
    #[serde(rename = "addonVersion")]
    pub version: String,
    /// `CREATING`, `ACTIVE`, `CREATE_FAILED`, `UPDATING`, `DELETING`, `DELETE_FAILED`, `DEGRADED`, `UPDATE_FAILED`.
    pub status: String,
    /// Health issues.
    pub issues: Vec<Issue>,
}

/// A health issue of an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// `InsufficientNumberOfReplicas`, `ConfigurationConflict`, …
    pub code: String,
    /// The service's words.
    pub message: String,
}

/// A version of an add-on for one Kubernetes version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonVersion {
    /// `v1.3.10-eksbuild.1`.
    pub version: String,
    /// True: what EKS installs when no version is named.
    pub default: bool,
}
