//! Workloads and pods, in the few words that podid needs.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::Serialize;

use super::pod_spec::PodSpec;

/// Kinds that `kubectl rollout restart` restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// `Deployment`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// The kind of a name as kubectl takes it: `deployment`, `deployments`, `deploy`, also with the API group.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.split('.').next()? {
            "deployment" | "deployments" | "deploy" => Some(Self::Deployment),
            "statefulset" | "statefulsets" | "sts" => Some(Self::StatefulSet),
            "daemonset" | "daemonsets" | "ds" => Some(Self::DaemonSet),
            _ => None,
        }
    }
}

/// Names a workload; shown as `deployment/carts`, as kubectl does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
        write!(f, "{}/{}", self.kind.as_str().to_lowercase(), self.name)
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
            let kinds: Vec<String> = WorkloadKind::ALL.iter().map(|kind| kind.as_str().to_lowercase()).collect();
            format!("`{kind}` is not a kind that can be restarted: {}", kinds.join(", "))
        })?;
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str().to_lowercase(), self.name)
    }
}

/// How a workload replaces its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Strategy {
    /// Some at a time.
    RollingUpdate,
    /// All down, then all up: downtime.
    Recreate,
    /// Never by itself.
    OnDelete,
}

/// A workload with its rollout counts; counts that the API leaves out are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Which.
    #[serde(flatten)]
    pub id: WorkloadRef,
    /// UID, to match owner references.
    pub uid: String,
    /// The template's service account (`default` when it names none).
    pub service_account: String,
    /// Wanted replicas; for a DaemonSet the nodes it should run on.
    pub replicas: u64,
    /// How pods are replaced.
    pub strategy: Strategy,
    /// Deployment: `spec.paused`.
    pub paused: bool,
    /// StatefulSet: pods with a lower ordinal are not replaced.
    pub partition: u64,
    /// StatefulSet: a pod is touched only when those before it are ready (`podManagementPolicy` is not `Parallel`).
    #[serde(skip)]
    pub ordered: bool,
    /// `metadata.generation`.
    pub generation: u64,
    /// Time of the last restart: the template's `kubectl.kubernetes.io/restartedAt`.
    pub restarted_at: Option<String>,
    /// The pods' labels, all of which must match.
    pub selector: BTreeMap<String, String>,
    /// Rollout counts.
    pub status: RolloutStatus,
    /// The template's tolerations, node selector and required node affinity: where its pods may run.
    #[serde(skip)]
    pub placement: Placement,
}

/// What the workload's status says of its rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// `observedGeneration`: counts speak of this generation.
    pub observed_generation: u64,
    /// All pods (`replicas`; DaemonSet: `currentNumberScheduled`).
    pub total: u64,
    /// Pods of the new template.
    pub updated: u64,
    /// Ready pods.
    pub ready: u64,
    /// Available pods.
    pub available: u64,
    /// StatefulSet: `currentRevision`.
    pub current_revision: Option<String>,
    /// StatefulSet: `updateRevision`; Deployment and DaemonSet: hash of the newest ReplicaSet or ControllerRevision, when it was read.
    pub update_revision: Option<String>,
    /// Message of the Deployment's condition Progressing=False, reason ProgressDeadlineExceeded.
    pub deadline_exceeded: Option<String>,
}

/// A CronJob: it cannot be restarted, its next run gets the new settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronJob {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The service account of its jobs' template.
    pub service_account: String,
    /// It starts no job now.
    pub suspended: bool,
}

/// Where pods may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// `nodeSelector`.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity terms (any term, all expressions).
    pub affinity: Vec<Vec<Expression>>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
}

/// A node affinity expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Label key.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    pub operator: String,
    /// Values.
    pub values: Vec<String>,
}

/// A toleration; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toleration {
    /// Taint key.
    pub key: Option<String>,
    /// `Equal` or `Exists`.
    pub operator: String,
    /// Value.
    pub value: Option<String>,
    /// Effect.
    pub effect: Option<String>,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// `NoSchedule`, `NoExecute`, `PreferNoSchedule`.
    pub effect: String,
}

/// Who controls a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// `ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, …
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    #[serde(skip)]
    pub uid: String,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    #[serde(skip)]
    pub uid: String,
    /// Service account.
    pub service_account: String,
    /// Node, once scheduled.
    pub node: Option<String>,
    /// Creation time: when the webhook saw it.
    pub created_at: Option<Timestamp>,
    /// Has a deletionTimestamp.
    pub deleting: bool,
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Condition Ready.
    pub ready: bool,
    /// Condition PodScheduled=False: its message.
    pub unschedulable: Option<String>,
    /// Controller.
    pub owner: Option<Owner>,
    /// `pod-template-hash` or `controller-revision-hash`.
    pub revision: Option<String>,
    /// Labels.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Its spec has the volume `eks-pod-identity-token`.
    pub token_volume: bool,
    /// Containers, init containers first.
    pub containers: Vec<Container>,
    /// What its spec says of credentials.
    #[serde(skip)]
    pub spec: PodSpec,
}

/// A container of a pod.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one container, not a state")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Name.
    pub name: String,
    /// An init container (a sidecar too).
    pub init: bool,
    /// Its `env` has both AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, and it mounts the token.
    pub injected: bool,
    /// Named in the annotation `eks.amazonaws.com/skip-containers`.
    pub skipped: bool,
    /// Times restarted.
    pub restarts: u64,
    /// Why it waits, when it does.
    pub waiting: Option<Waiting>,
    /// Running.
    pub running: bool,
    /// How it ended last.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// `CrashLoopBackOff`, `ImagePullBackOff`, …
    pub reason: String,
    /// The kubelet's words.
    pub message: String,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated {
    /// Exit code.
    pub exit_code: i64,
    /// `Error`, `OOMKilled`, …
    pub reason: String,
}

/// Whether a pod got the credentials settings at its creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Injection {
    /// Every container that is not skipped on purpose.
    Injected,
    /// None.
    No,
    /// These lack it.
    Partly(Vec<String>),
}

impl Pod {
    /// Whether the pod was injected.
    pub fn injection(&self) -> Injection {
        let wanted: Vec<&Container> = self.containers.iter().filter(|c| !c.skipped).collect();
        let missing: Vec<String> = wanted.iter().filter(|c| !c.injected).map(|c| c.name.clone()).collect();
        if !self.token_volume || missing.len() == wanted.len() && !wanted.is_empty() {
            Injection::No
        } else if missing.is_empty() {
            Injection::Injected
        } else {
            Injection::Partly(missing)
        }
    }

    /// Whether one of its containers does not do its work: it waits for anything but its turn, ended badly, was restarted, or
    /// runs without the pod being ready.
    pub fn troubled(&self, container: &Container) -> bool {
        let waits =
            |waiting: &Waiting| !matches!(waiting.reason.as_str(), "" | "ContainerCreating" | "PodInitializing");
        container.restarts > 0
            || container.waiting.as_ref().is_some_and(waits)
            || container.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0)
            || !container.init && container.running && !self.ready
    }

    /// Neither ending nor ended.
    pub fn live(&self) -> bool {
        !self.deleting && !matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl Workload {
    /// Whether a pod is one of its own: controlled by it, or, for a Deployment, by one of its ReplicaSets, which are named
    /// after it and the hash of their template. The labels alone do not tell: selectors of two Deployments may overlap.
    pub fn owns(&self, pod: &Pod) -> bool {
        let Some(owner) = &pod.owner else { return false };
        if pod.namespace != self.id.namespace {
            return false;
        }
        match self.id.kind {
            WorkloadKind::Deployment => {
                let hash = pod.labels.get("pod-template-hash").map_or("", String::as_str);
                owner.kind == "ReplicaSet"
                    && !self.selector.is_empty()
                    && self.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
                    && owner.name.strip_prefix(&self.id.name).and_then(|rest| rest.strip_prefix('-')) == Some(hash)
            }
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
                owner.kind == self.id.kind.as_str() && (owner.uid == self.uid || owner.name == self.id.name)
            }
        }
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
        ] {
            assert_eq!(name(text).as_deref(), Ok(wanted));
        }
        for (text, why) in [
            ("carts", "`carts` is not KIND/NAME"),
            ("deployment/", "`deployment/` is not KIND/NAME"),
            ("carts/deployment/x", "`carts/deployment/x` is not KIND/NAME"),
            ("job/x", "`job` is not a kind that can be restarted: deployment, statefulset, daemonset"),
        ] {
            assert!(name(text).unwrap_err().starts_with(why), "{text}");
        }
    }
}
