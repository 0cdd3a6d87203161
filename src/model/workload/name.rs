//! What workloads are called: their kinds, and the names that kubectl takes.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kinds that podid restarts: those of `kubectl rollout restart`, and those of `kubectl argo rollouts restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// argoproj.io/v1alpha1 Rollout.
    Rollout,
}

impl WorkloadKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Rollout];

    /// `Deployment`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Rollout => "Rollout",
        }
    }

    /// `deployment`, … as kubectl prints it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Rollout => "rollout",
        }
    }

    /// The kind of a name as kubectl takes it: `deployment`, `deployments`, `deploy`, also with the API group.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.split('.').next()? {
            "deployment" | "deployments" | "deploy" => Some(Self::Deployment),
            "statefulset" | "statefulsets" | "sts" => Some(Self::StatefulSet),
            "daemonset" | "daemonsets" | "ds" => Some(Self::DaemonSet),
            "rollout" | "rollouts" | "ro" => Some(Self::Rollout),
            _ => None,
        }
    }
}

/// Names a workload; shown as `deployment/carts`, as kubectl does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// Kind.
    pub kind: WorkloadKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

impl WorkloadRef {
    /// With its namespace, where several are concerned: `carts/deployment/carts`.
    pub fn full(&self) -> String {
        format!("{}/{self}", self.namespace)
    }
}

/// A workload as users name it: `deployment/carts`, with kubectl's short names of kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadName {
    /// Kind.
    pub kind: WorkloadKind,
    /// Name.
    pub name: String,
}

impl WorkloadName {
    /// Whether it names this one; in which namespace, it does not say.
    pub fn is(&self, id: &WorkloadRef) -> bool {
        self.kind == id.kind && self.name == id.name
    }
}

impl FromStr for WorkloadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not KIND/NAME, for example `deployment/carts`");
        let (kind, name) = text.split_once('/').ok_or_else(form)?;
        if name.is_empty() || name.contains('/') {
            return Err(form());
        }
        let kind = WorkloadKind::named(kind).ok_or_else(|| {
            let kinds: Vec<String> = WorkloadKind::ALL.iter().map(|kind| kind.word().to_owned()).collect();
            format!("kind `{kind}` cannot be restarted; podid restarts {}", kinds.join(", "))
        })?;
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_by_kubectls_names() {
        let name = |text: &str| text.parse::<WorkloadName>().map(|name| name.to_string());
        for (text, wanted) in [
            ("deployment/carts", "deployment/carts"),
            ("Deployment/carts", "deployment/carts"),
            ("deploy/carts", "deployment/carts"),
            ("deployments.apps/carts", "deployment/carts"),
            ("sts/db", "statefulset/db"),
            ("ds/log", "daemonset/log"),
            ("rollouts.argoproj.io/carts", "rollout/carts"),
            ("ro/carts", "rollout/carts"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(wanted));
        }
        for (text, why) in [
            ("carts", "`carts` is not KIND/NAME"),
            ("deployment/", "`deployment/` is not KIND/NAME"),
            ("carts/deployment/x", "`carts/deployment/x` is not KIND/NAME"),
            ("job/x", "kind `job` cannot be restarted; podid restarts deployment, statefulset, daemonset, rollout"),
        ] {
            assert!(name(text).unwrap_err().starts_with(why), "{text}");
        }
    }
}
