//! What users point at: a service account by name or pattern, or a pod or workload, whose service account is then read. Written
//! as kubectl takes it: `carts/carts`, `carts` with a namespace beside it, `deployment/carts`, `carts/pod/carts-7d9f`.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    glob::{Pattern, PatternError},
    names::{NameError, ServiceAccount, check_namespace, check_object},
    output_schema,
    workload::{CronJob, Pod, Workload, WorkloadKind},
};

/// Kinds of objects that run as a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A pod.
    Pod,
    /// What podid can restart.
    Workload(WorkloadKind),
    /// A ReplicaSet: its Deployment may be another one by now.
    ReplicaSet,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
}

impl ObjectKind {
    /// `pod`, `deployment`, … as kubectl prints it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Workload(kind) => kind.word(),
            Self::ReplicaSet => "replicaset",
            Self::Job => "job",
            Self::CronJob => "cronjob",
        }
    }

    /// By kubectl's names: singular, plural, short, also with the API group.
    pub fn named(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        match lower.split('.').next()? {
            "pod" | "pods" | "po" => Some(Self::Pod),
            "replicaset" | "replicasets" | "rs" => Some(Self::ReplicaSet),
            "job" | "jobs" => Some(Self::Job),
            "cronjob" | "cronjobs" | "cj" => Some(Self::CronJob),
            _ => WorkloadKind::named(text).map(Self::Workload),
        }
    }
}

/// `sa/NAME` names the service account itself.
fn is_service_account(kind: &str) -> bool {
    matches!(kind.to_ascii_lowercase().as_str(), "sa" | "serviceaccount" | "serviceaccounts")
}

/// An object that runs as a service account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind.
    pub kind: ObjectKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

impl JsonSchema for ObjectRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ObjectRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        output_schema::text("A pod or workload, as `deployment/carts`")
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An object with its namespace, as it is typed: for what is read again.
pub mod typed {
    use super::{Deserialize, Deserializer, ObjectRef, Serialize, Serializer, Subject, SubjectText, de};

    /// `NAMESPACE/KIND/NAME`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(object: &Option<ObjectRef>, serializer: S) -> Result<S::Ok, S::Error> {
        object.as_ref().map(|it| format!("{}/{it}", it.namespace)).serialize(serializer)
    }

    /// The same.
    ///
    /// # Errors
    /// When it is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ObjectRef>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        match text.parse::<SubjectText>().and_then(|it| it.within(None)) {
            Ok(Subject::Object(object)) => Ok(Some(object)),
            Ok(Subject::Accounts(_)) => Err(de::Error::custom(format!("`{text}` is not NAMESPACE/KIND/NAME"))),
            Err(error) => Err(de::Error::custom(error)),
        }
    }
}

impl ObjectRef {
    /// Whether a pod is this one, or belongs to it.
    pub fn runs(&self, pod: &Pod) -> bool {
        if pod.namespace != self.namespace {
            return false;
        }
        let owned = |kind: &str| pod.owner.as_ref().filter(|owner| owner.kind == kind).map(|owner| owner.name.as_str());
        match self.kind {
            ObjectKind::Pod => pod.name == self.name,
            ObjectKind::Workload(WorkloadKind::Rollout) => pod.argo_rollout() == Some(&self.name),
            ObjectKind::Workload(WorkloadKind::Deployment) => pod.deployment() == Some(&self.name),
            ObjectKind::Workload(kind) => owned(kind.as_str()) == Some(&self.name),
            ObjectKind::ReplicaSet => owned("ReplicaSet") == Some(&self.name),
            ObjectKind::Job => owned("Job") == Some(&self.name),
            // The controller names a Job after the CronJob and the minute it was due.
            ObjectKind::CronJob => owned("Job").and_then(|job| job.rsplit_once('-')).is_some_and(|(cron_job, due)| {
                cron_job == self.name && !due.is_empty() && due.bytes().all(|b| b.is_ascii_digit())
            }),
        }
    }

    /// Whether a workload is this one, or one of these pods, which belong to it, is.
    pub fn concerns(&self, workload: &Workload, pods: &[Pod]) -> bool {
        match self.kind {
            ObjectKind::Workload(kind) => workload.id.kind == kind && workload.id.name == self.name,
            _ => pods.iter().any(|pod| self.runs(pod) && workload.owns(pod)),
        }
    }

    /// Leaves of what uses a service account only what concerns it.
    pub fn narrow(&self, pods: &mut Vec<Pod>, workloads: &mut Vec<Workload>) {
        workloads.retain(|workload| self.concerns(workload, pods));
        pods.retain(|pod| self.runs(pod));
    }

    /// The service account that it runs as, by what its namespace holds; `None` when it is not there.
    pub fn account(&self, space: &Objects) -> Option<ServiceAccount> {
        // A template tells how the next pods will run, and goes before pods of an earlier one.
        let template = match self.kind {
            ObjectKind::Workload(_) => {
                space.workloads.iter().find(|w| self.concerns(w, &[])).map(|w| &w.service_account)
            }
            ObjectKind::CronJob => {
                space.cron_jobs.iter().find(|job| job.name == self.name).map(|job| &job.service_account)
            }
            ObjectKind::Pod | ObjectKind::ReplicaSet | ObjectKind::Job => None,
        };
        let newest = || space.pods.iter().filter(|pod| self.runs(pod)).max_by_key(|pod| pod.created_at);
        let name = template.or_else(|| newest().map(|pod| &pod.service_account))?;
        Some(ServiceAccount { namespace: self.namespace.clone(), name: name.clone() })
    }
}

/// What a namespace holds, as far as objects of one kind are looked for in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Pods.
    pub pods: Vec<Pod>,
    /// Workloads.
    pub workloads: Vec<Workload>,
    /// CronJobs.
    pub cron_jobs: Vec<CronJob>,
}

impl Objects {
    /// The names of one kind; Jobs and ReplicaSets are known by their pods alone.
    pub fn names(&self, kind: ObjectKind) -> Vec<String> {
        let owners = |kind: &str| -> Vec<String> {
            let owners = self.pods.iter().filter_map(|pod| pod.owner.as_ref()).filter(|owner| owner.kind == kind);
            owners.map(|owner| owner.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
        };
        match kind {
            ObjectKind::Pod => self.pods.iter().map(|pod| pod.name.clone()).collect(),
            ObjectKind::Workload(kind) => {
                self.workloads.iter().filter(|w| w.id.kind == kind).map(|w| w.id.name.clone()).collect()
            }
            ObjectKind::CronJob => self.cron_jobs.iter().map(|job| job.name.clone()).collect(),
            ObjectKind::Job => owners("Job"),
            ObjectKind::ReplicaSet => owners("ReplicaSet"),
        }
    }
}

/// Why a text does not say what is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// A name or pattern breaks Kubernetes' rules.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An unknown kind of object.
    #[error("`{0}` is not a kind of pod or workload: {KINDS}")]
    Kind(String),
    /// A name without its namespace.
    #[error("`{0}` names no namespace: write NAMESPACE/{0}, or pass -n NAMESPACE")]
    Bare(String),
    /// An object without its namespace.
    #[error("`{0}` names no namespace: pass -n NAMESPACE, or write NAMESPACE/{0}")]
    Namespace(String),
    /// It is in another namespace than the flag names.
    #[error("`{0}` is not in namespace `{1}`")]
    Elsewhere(String, String),
    /// An object where only a service account can be named.
    #[error("`{0}` is not a service account: name the one that it uses")]
    Object(String),
    /// A pattern where one is named.
    #[error("`{0}` is a pattern: name one service account")]
    Several(String),
}

impl From<NameError> for SubjectError {
    fn from(error: NameError) -> Self {
        Self::Pattern(error.into())
    }
}

/// The kinds of the error above.
const KINDS: &str = "pod, deployment, statefulset, daemonset, replicaset, job, cronjob, rollout";

/// What was typed, before the namespace is known that `-n` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectText {
    /// `NS/SA`, or a pattern of that form.
    Accounts(Pattern),
    /// `SA`, or a pattern: its namespace is given apart.
    Bare(String),
    /// `KIND/NAME` or `NS/KIND/NAME`.
    Object(Option<String>, ObjectKind, String),
}

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Service accounts.
    Accounts(Pattern),
    /// The service account of an object, and of its pods only those of the object.
    Object(ObjectRef),
}

impl FromStr for SubjectText {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let object = |namespace: Option<&str>, kind: &str, name: &str| {
            if name.is_empty() {
                return Err(NameError::Form(text.to_owned()).into());
            }
            if is_service_account(kind) {
                return match namespace {
                    Some(namespace) => Ok(Self::Accounts(format!("{namespace}/{name}").parse()?)),
                    None => Ok(Self::Bare(name.to_owned())),
                };
            }
            let kind = ObjectKind::named(kind).ok_or_else(|| SubjectError::Kind(kind.to_owned()))?;
            check_object(kind.word(), name)?;
            Ok(Self::Object(namespace.map(str::to_owned), kind, name.to_owned()))
        };
        match text.split('/').collect::<Vec<_>>()[..] {
            [namespace, kind, name] => {
                check_namespace(namespace)?;
                object(Some(namespace), kind, name)
            }
            [kind, name] if is_service_account(kind) || ObjectKind::named(kind).is_some() => object(None, kind, name),
            [name] if !name.is_empty() => Ok(Self::Bare(name.to_owned())),
            _ => Ok(Self::Accounts(text.parse()?)),
        }
    }
}

impl fmt::Display for SubjectText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts(pattern) => pattern.fmt(f),
            Self::Bare(name) => f.write_str(name),
            Self::Object(Some(namespace), kind, name) => write!(f, "{namespace}/{}/{name}", kind.word()),
            Self::Object(None, kind, name) => write!(f, "{}/{name}", kind.word()),
        }
    }
}

impl SubjectText {
    /// What is meant, with the namespace that was given apart.
    ///
    /// # Errors
    /// When a namespace is missing, or there are two.
    pub fn within(&self, namespace: Option<&str>) -> Result<Subject, SubjectError> {
        let same = |own: &str| match namespace {
            Some(namespace) if namespace != own => Err(SubjectError::Elsewhere(self.to_string(), namespace.to_owned())),
            _ => Ok(()),
        };
        match self {
            Self::Accounts(pattern) => {
                same(&pattern.namespace.to_string())?;
                Ok(Subject::Accounts(pattern.clone()))
            }
            Self::Bare(name) => {
                let namespace = namespace.ok_or_else(|| SubjectError::Bare(name.clone()))?;
                Ok(Subject::Accounts(format!("{namespace}/{name}").parse()?))
            }
            Self::Object(own, kind, name) => {
                if let Some(own) = own {
                    same(own)?;
                }
                let namespace =
                    own.as_deref().or(namespace).ok_or_else(|| SubjectError::Namespace(self.to_string()))?;
                check_namespace(namespace)?;
                Ok(Subject::Object(ObjectRef { kind: *kind, namespace: namespace.to_owned(), name: name.clone() }))
            }
        }
    }

    /// Service accounts by name or pattern, where objects cannot be named.
    ///
    /// # Errors
    /// As [`within`](Self::within), and when it names an object.
    pub fn pattern(&self, namespace: Option<&str>) -> Result<Pattern, SubjectError> {
        match self.within(namespace)? {
            Subject::Accounts(pattern) => Ok(pattern),
            Subject::Object(_) => Err(SubjectError::Object(self.to_string())),
        }
    }

    /// The one service account.
    ///
    /// # Errors
    /// As [`pattern`](Self::pattern), and when it is a pattern.
    pub fn account(&self, namespace: Option<&str>) -> Result<ServiceAccount, SubjectError> {
        let pattern = self.pattern(namespace)?;
        pattern.literal().ok_or_else(|| SubjectError::Several(pattern.to_string()))
    }
}

/// A namespace by name.
///
/// # Errors
/// When it breaks Kubernetes' rules.
pub fn namespace(text: &str) -> Result<String, NameError> {
    check_namespace(text)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
