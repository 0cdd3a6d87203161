//! Have: what is there now, read only as far as a command needs. What could not be read is never taken for nothing.

use std::collections::BTreeMap;

use super::{
    agent::AgentState,
    association::Association,
    document::Document,
    role::Role,
    workload::{Pod, Workload},
};

/// Something that was read, could not be read, or was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Seen<T> {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// Read.
    Read(T),
    /// Not readable; why, in one line that names the permission where it is one.
    Unreadable(String),
}

impl<T> Seen<T> {
    /// The value, if it was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::NotAsked | Self::Unreadable(_) => None,
        }
    }

    /// Why it could not be read.
    pub fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Unreadable(why) => Some(why),
            Self::NotAsked | Self::Read(_) => None,
        }
    }
}

/// A service account in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAccountState {
    /// It is there.
    Exists {
        /// The IRSA annotation `eks.amazonaws.com/role-arn`.
        irsa_role: Option<String>,
    },
    /// Its namespace is there, it is not.
    Missing {
        /// Similar names of the namespace, best first.
        near: Vec<String>,
    },
    /// Not even the namespace is there.
    NoNamespace {
        /// Similar namespaces, best first.
        near: Vec<String>,
    },
}

/// What is there for one service account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Have {
    /// Its association.
    pub association: Seen<Option<Association>>,
    /// The wanted role.
    pub role: Seen<Option<Role>>,
    /// ARNs attached to the wanted role, when managed policies are wanted.
    pub attached: Seen<Vec<String>>,
    /// All inline policies of the wanted role, when some are wanted.
    pub inline: Seen<BTreeMap<String, Document>>,
    /// The wanted target role, when it is in the cluster's account.
    pub target: Seen<Option<Role>>,
    /// The agent.
    pub agent: Seen<AgentState>,
    /// The service account in Kubernetes.
    pub service_account: Seen<ServiceAccountState>,
    /// Pods of the service account.
    pub pods: Seen<Vec<Pod>>,
    /// Workloads whose template names the service account.
    pub workloads: Seen<Vec<Workload>>,
}
