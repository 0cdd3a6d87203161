//! Have: what is there now, read only as far as a command needs. What could not be read is never taken for nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    agent::AgentState,
    association::Association,
    document::Document,
    names::{self, ServiceAccount},
    role::Role,
    text,
    workload::{Pod, Workload},
};

/// How the reason begins of what could not be read for another reason than a missing permission.
pub const UNREAD: &str = "could not be read: ";
/// How the reason begins of what may not be read; the permission follows.
pub const NOT_ALLOWED: &str = "not allowed: ";

/// Something that was read, could not be read, or was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Observed<T> {
    /// Nobody asked.
    #[default]
    NotRequested,
    /// Read.
    Known(T),
    /// Not readable; why, in one line that names the permission where it is one.
    Unreadable(String),
}

impl<T> Observed<T> {
    /// The value, if it was read.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotRequested | Self::Unreadable(_) => None,
        }
    }

    /// Another value made of the one that was read; why it was not read stays.
    pub fn map<U>(&self, of: impl FnOnce(&T) -> U) -> Observed<U> {
        match self {
            Self::Known(value) => Observed::Known(of(value)),
            Self::Unreadable(why) => Observed::Unreadable(why.clone()),
            Self::NotRequested => Observed::NotRequested,
        }
    }

    /// Why it could not be read.
    pub fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Unreadable(why) => Some(why),
            Self::NotRequested | Self::Known(_) => None,
        }
    }
}

/// A service account in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceAccountState {
    /// It is there.
    Exists {
        /// The IRSA annotation `eks.amazonaws.com/role-arn`.
        irsa_role: Option<String>,
    },
    /// Its namespace is there, it is not.
    Missing {
        /// Service accounts with similar names, best first.
        near: Vec<ServiceAccount>,
    },
    /// Not even the namespace is there.
    NoNamespace {
        /// Service accounts with similar names, best first.
        near: Vec<ServiceAccount>,
        /// Namespaces with similar names, best first, where no service account is similar.
        namespaces: Vec<String>,
    },
}

impl ServiceAccountState {
    /// The state of one that does not exist, with the names that may have been meant among those that do.
    pub fn absent(
        subject: &ServiceAccount,
        namespace: bool,
        existing: &[ServiceAccount],
        namespaces: &[String],
    ) -> Self {
        let near = names::near(subject, existing);
        if namespace {
            return Self::Missing { near };
        }
        let like = text::nearest(&subject.namespace, namespaces.iter().map(String::as_str));
        Self::NoNamespace { namespaces: if near.is_empty() { like } else { Vec::new() }, near }
    }

    /// Service accounts that exist and may have been meant, best first; none when it exists itself.
    pub fn near(&self) -> &[ServiceAccount] {
        match self {
            Self::Exists { .. } => &[],
            Self::Missing { near } | Self::NoNamespace { near, .. } => near,
        }
    }

    /// What does not exist, without what may have been meant; `None` when it exists.
    pub fn missing(&self, subject: &ServiceAccount) -> Option<String> {
        match self {
            Self::Exists { .. } => None,
            Self::Missing { .. } => Some(format!("service account {subject} does not exist")),
            Self::NoNamespace { .. } => Some(format!("namespace `{}` does not exist", subject.namespace)),
        }
    }

    /// `; did you mean …?`, or nothing.
    pub fn did_you_mean(&self) -> String {
        let names = match self {
            Self::NoNamespace { near, namespaces } if near.is_empty() => namespaces.clone(),
            other => other.near().iter().map(ToString::to_string).collect(),
        };
        text::did_you_mean(&names)
    }

    /// What an association of it comes to: nothing, until it exists.
    pub fn unusable(&self, subject: &ServiceAccount) -> Option<String> {
        let what = match self {
            Self::Exists { .. } => return None,
            Self::Missing { .. } => subject.to_string(),
            Self::NoNamespace { .. } => format!("namespace {}", subject.namespace),
        };
        Some(format!("{what} does not exist: no pod can use this association yet"))
    }
}

impl Observed<ServiceAccountState> {
    /// The service account that was probably meant, where this one was seen not to exist: no command is proposed for it then.
    pub fn meant(&self) -> Option<&ServiceAccount> {
        self.known()?.near().first()
    }
}

/// What is there for one service account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Have {
    /// Its association.
    pub association: Observed<Option<Association>>,
    /// The wanted role.
    pub role: Observed<Option<Role>>,
    /// ARNs attached to the wanted role, when managed policies are wanted.
    pub attached: Observed<Vec<String>>,
    /// All inline policies of the wanted role, when some are wanted.
    pub inline: Observed<BTreeMap<String, Document>>,
    /// The wanted target role, when it is in the cluster's account.
    pub target: Observed<Option<Role>>,
    /// The agent.
    pub agent: Observed<AgentState>,
    /// The service account in Kubernetes.
    pub service_account: Observed<ServiceAccountState>,
    /// Pods of the service account.
    pub pods: Observed<Vec<Pod>>,
    /// Workloads whose template names the service account.
    pub workloads: Observed<Vec<Workload>>,
}
