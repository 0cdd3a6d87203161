//! Workloads and pods, in the few words that podid needs.

mod name;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::name::{WorkloadKind, WorkloadName, WorkloadRef};
pub use super::placement::{Expression, Placement, Taint, Toleration};
use super::{
    json,
    pod_spec::{EnvValue, PodSpec},
    selector::Selector,
};

/// How a workload replaces its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// Some at a time.
    RollingUpdate,
    /// All down, then all up: downtime.
    Recreate,
    /// Never by itself.
    OnDelete,
    /// Argo Rollouts: a restart evicts pods first, and their ReplicaSet replaces them.
    Eviction,
}

/// What an Argo Rollout has beside the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Argo {
    /// `status.phase` (`Healthy`, `Progressing`, `Paused`, `Degraded`) and `status.message`; empty before its controller saw it.
    pub phase: (String, String),
    /// `status.restartedAt`: the restart whose last old pod was evicted.
    pub evicted: Option<String>,
    /// `spec.strategy.canary.maxUnavailable` in pods: so many are evicted at once, but at least one.
    pub max_unavailable: u64,
    /// `spec.workloadRef`: the Deployment whose template it uses.
    pub template_of: Option<String>,
}

/// A workload with its rollout counts; counts that the API leaves out are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Which workload.
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
    /// Deployment: `spec.paused`. A paused Argo Rollout restarts all the same.
    pub paused: bool,
    /// StatefulSet: pods with a lower ordinal are not replaced.
    pub partition: u64,
    /// StatefulSet: a pod is touched only when those before it are ready (`podManagementPolicy` is not `Parallel`).
    #[schemars(skip)]
    pub ordered: bool,
    /// `metadata.generation`.
    pub generation: u64,
    /// Time of the last restart: the template's `kubectl.kubernetes.io/restartedAt`; Argo Rollout: `spec.restartAt`.
    pub restarted_at: Option<String>,
    /// The selector of its pods.
    #[serde(flatten)]
    pub selector: Selector,
    /// Fingerprint of its pod template, but for the restart annotation.
    #[schemars(skip)]
    pub template: u64,
    /// Rollout counts.
    pub status: RolloutStatus,
    /// The template's tolerations, node selector and required node affinity: where its pods may run.
    #[schemars(skip)]
    pub placement: Placement,
    /// Variables of a web identity that its template sets itself: `AWS_ROLE_ARN of container app`.
    #[schemars(skip)]
    pub web_identity: Vec<String>,
    /// Its template sets a variable of the AWS SDKs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sets_aws: bool,
    /// Argo Rollout: the rest.
    #[schemars(skip)]
    pub argo: Option<Argo>,
}

/// What the workload's status says of its rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Deployment: condition Progressing=False, reason ProgressDeadlineExceeded.
    pub deadline_exceeded: Option<Exceeded>,
    /// Deployment: message of the condition ReplicaFailure=True: pods cannot be created (quota, admission).
    pub replica_failure: Option<String>,
}

/// A progress deadline that passed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exceeded {
    /// The controller's words, which name the ReplicaSet.
    pub message: String,
    /// `lastUpdateTime`.
    pub updated_at: Option<Timestamp>,
}

/// A CronJob: it cannot be restarted, its next run gets the new settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CronJob {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The service account of its jobs' template.
    pub service_account: String,
    /// It starts no job now.
    pub suspended: bool,
    /// As of a [`Workload`].
    pub web_identity: Vec<String>,
    /// As of a [`Workload`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sets_aws: bool,
}

/// Who controls a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// `ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, …
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    #[schemars(skip)]
    pub uid: String,
}

/// Time that a container gets to become ready before podid calls it failing.
const STARTING: SignedDuration = SignedDuration::from_mins(1);

/// Time that the creation of a container gets, with its volumes, before podid calls it failing.
const CREATING: SignedDuration = SignedDuration::from_mins(3);

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    #[schemars(skip)]
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
    /// Condition Ready=True: since when.
    #[schemars(skip)]
    pub ready_since: Option<Timestamp>,
    /// Condition PodScheduled=False: its message.
    pub unschedulable: Option<String>,
    /// Condition Ready=False: its reason and message.
    #[schemars(skip)]
    pub unready: Option<Waiting>,
    /// Controller.
    pub owner: Option<Owner>,
    /// `pod-template-hash` or `controller-revision-hash`.
    pub revision: Option<String>,
    /// Labels.
    #[schemars(skip)]
    pub labels: BTreeMap<String, String>,
    /// Its spec has the volume `eks-pod-identity-token`.
    pub token_volume: bool,
    /// Containers, init containers first.
    pub containers: Vec<Container>,
    /// What its spec says of credentials.
    #[schemars(skip)]
    pub spec: PodSpec,
}

/// A container of a pod.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one container, not a state")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// When its run began, or its last one where it ended and waits.
    #[schemars(skip)]
    pub started_at: Option<Timestamp>,
    /// How it ended last.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// `CrashLoopBackOff`, `ImagePullBackOff`, …
    pub reason: String,
    /// The kubelet's words.
    pub message: String,
}

impl Waiting {
    /// It waits for its turn, as every container does.
    pub fn starts_soon(&self) -> bool {
        matches!(self.reason.as_str(), "" | "ContainerCreating" | "PodInitializing")
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// As `-o json` shows it: without what is there for podid's own checks.
    pub fn shown(&self) -> Value {
        let own = ["uid", "readySince", "unready", "owner/uid", "labels", "containers/*/startedAt", "spec"];
        json::without(self, &own)
    }

    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

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

    /// Whether it was injected, wholly or in part.
    pub fn has_credentials(&self) -> bool {
        self.injection() != Injection::No
    }

    /// The role by IRSA: a container of it has the two variables of a web identity (EKS User Guide, pod-configuration).
    pub fn irsa_role(&self) -> Option<String> {
        self.spec.containers.iter().find_map(|container| {
            let value = |name: &str| match &container.env.iter().find(|variable| variable.name == name)?.value {
                EnvValue::Text(Some(value)) if !value.is_empty() => Some(value.clone()),
                _ => None,
            };
            value("AWS_WEB_IDENTITY_TOKEN_FILE").and(value("AWS_ROLE_ARN"))
        })
    }

    /// Whether a container fails now: it cannot start, ended badly and was not started again, or keeps its pod from being
    /// ready although it had a minute (`STARTING`) for that. One that only failed earlier does not count.
    pub fn failing(&self, container: &Container, now: Timestamp) -> bool {
        if container.running {
            let blames_another = self.containers.iter().any(|other| !other.init && !other.running);
            let starting = self.created_at.is_some_and(|born| now.duration_since(born) < STARTING);
            return !container.init && !self.ready && !blames_another && (container.restarts > 0 || !starting);
        }
        match &container.waiting {
            Some(waiting) if waiting.starts_soon() => container.restarts > 0 || self.stuck(container, now),
            Some(_) => true,
            None => container.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0),
        }
    }

    /// Whether a container should have been created long ago: a volume that cannot be mounted, or no address for the pod. Another
    /// one waits for init containers, which may take their time.
    pub fn stuck(&self, container: &Container, now: Timestamp) -> bool {
        let creating = container.waiting.as_ref().is_some_and(|waiting| waiting.reason == "ContainerCreating");
        let long = self.created_at.is_some_and(|born| now.duration_since(born) >= CREATING);
        creating && container.restarts == 0 && self.node.is_some() && long
    }

    /// Whether one of its containers does not do its work: it waits for anything but its turn, ended badly, was restarted, or
    /// runs without the pod being ready.
    pub fn troubled(&self, container: &Container) -> bool {
        let waits = |waiting: &Waiting| !waiting.starts_soon();
        container.restarts > 0
            || container.waiting.as_ref().is_some_and(waits)
            || container.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0)
            || !container.init && container.running && !self.ready
    }

    /// Kind and name of what its like have in common: its Deployment, or else what controls it. Pods without either are alike.
    pub fn group(&self) -> (String, String) {
        match (self.deployment(), &self.owner) {
            (Some(deployment), _) => ("Deployment".to_owned(), deployment.to_owned()),
            (None, Some(owner)) => (owner.kind.clone(), owner.name.clone()),
            (None, None) => (String::new(), String::new()),
        }
    }

    /// What runs it, as it is named: `deployment/carts`, `rollout/carts`, `job/report-1`; without a controller its own name.
    pub fn runner(&self) -> String {
        match (self.argo_rollout(), self.group()) {
            (Some(rollout), _) => format!("rollout/{rollout}"),
            (None, (kind, name)) if !kind.is_empty() => format!("{}/{name}", kind.to_ascii_lowercase()),
            _ => format!("pod/{}", self.name),
        }
    }

    /// The Deployment behind it.
    pub fn deployment(&self) -> Option<&str> {
        self.behind_its_replica_set("pod-template-hash")
    }

    /// The Argo Rollout behind it.
    pub fn argo_rollout(&self) -> Option<&str> {
        self.behind_its_replica_set("rollouts-pod-template-hash")
    }

    /// What made its ReplicaSet, which is named after that and the hash of its template.
    fn behind_its_replica_set(&self, label: &str) -> Option<&str> {
        let hash = self.labels.get(label)?;
        let owner = self.owner.as_ref().filter(|owner| owner.kind == "ReplicaSet")?;
        owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')
    }

    /// Neither ending nor ended.
    pub fn live(&self) -> bool {
        !self.deleting && !matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl Workload {
    /// As `-o json` shows it: without what is there for podid's own checks.
    pub fn shown(&self) -> Value {
        json::without(self, &["ordered", "template", "placement", "webIdentity", "argo"])
    }

    /// Whether a pod is one of its own: controlled by it, or, for a Deployment, by one of its ReplicaSets, which are named
    /// after it and the hash of their template. The labels alone do not tell: selectors of two Deployments may overlap.
    pub fn owns(&self, pod: &Pod) -> bool {
        let Some(owner) = &pod.owner else { return false };
        if pod.namespace != self.id.namespace {
            return false;
        }
        match self.id.kind {
            WorkloadKind::Deployment => {
                pod.deployment() == Some(&self.id.name)
                    && !self.selector.is_empty()
                    && self.selector.matches(&pod.labels)
            }
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
                owner.kind == self.id.kind.as_str() && (owner.uid == self.uid || owner.name == self.id.name)
            }
            WorkloadKind::Rollout => pod.argo_rollout() == Some(&self.id.name),
        }
    }
}
