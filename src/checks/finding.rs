//! The nouns of a verification: links, checks, findings.

mod remedy;
mod written;

use std::{borrow::Cow, fmt};

pub use self::remedy::Remedy;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{
    arn::Arn,
    have::{NOT_ALLOWED, UNREAD},
};

/// A link of the chain, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The cluster.
    Cluster,
    /// The agent add-on.
    Agent,
    /// The nodes that the pods run on.
    Nodes,
    /// The association.
    Association,
    /// The service account.
    ServiceAccount,
    /// What uses it.
    Workload,
    /// Whether new pods reach the webhook.
    Webhook,
    /// What the webhook put into the pods.
    PodSpec,
    /// Credentials that the SDKs find before those of Pod Identity.
    Override,
    /// What the containers act as.
    Identity,
    /// The way from the pod to the agent, and from there to EKS Auth.
    Network,
    /// The role.
    Role,
    /// Its trust policy.
    Trust,
    /// What it may do.
    Permissions,
    /// The target role.
    TargetRole,
    /// Whether running pods have the newest settings.
    Restart,
    /// What came of asking for the credentials in a pod's name.
    Live,
    /// What the application itself says.
    App,
    /// The way from IRSA to Pod Identity: no part of the chain.
    Migration,
    /// What is left over or too open: no part of the chain.
    Audit,
}

/// Which of the checks before it can be the cause of what a check finds. With such a cause it is no problem of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// It stands for itself.
    Nothing,
    /// Whatever keeps credentials from the pod. What their role may do with them keeps nothing from it.
    Credentials,
    /// Whatever is broken.
    Anything,
}

impl Follows {
    /// Whether what is broken at a link can be the cause.
    pub(super) fn from(self, link: Link) -> bool {
        match self {
            Self::Nothing => false,
            Self::Credentials => link != Link::Permissions,
            Self::Anything => true,
        }
    }
}

impl Link {
    /// Every link of the chain, in order.
    pub const ALL: [Self; 18] = [
        Self::Cluster,
        Self::Agent,
        Self::Nodes,
        Self::Association,
        Self::ServiceAccount,
        Self::Workload,
        Self::Webhook,
        Self::PodSpec,
        Self::Override,
        Self::Identity,
        Self::Network,
        Self::Role,
        Self::Trust,
        Self::Permissions,
        Self::TargetRole,
        Self::Restart,
        Self::Live,
        Self::App,
    ];

    /// As the ids of its checks begin.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Agent => "agent",
            Self::Nodes => "nodes",
            Self::Association => "association",
            Self::ServiceAccount => "service-account",
            Self::Workload => "workload",
            Self::Webhook => "webhook",
            Self::PodSpec => "pod-spec",
            Self::Override => "override",
            Self::Identity => "identity",
            Self::Network => "network",
            Self::Role => "role",
            Self::Trust => "trust",
            Self::Permissions => "permissions",
            Self::TargetRole => "target-role",
            Self::Restart => "restart",
            Self::Live => "live",
            Self::App => "app",
            Self::Migration => "migrate",
            Self::Audit => "audit",
        }
    }

    /// As the tree names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Agent => "agent",
            Self::Nodes => "nodes",
            Self::Association => "association",
            Self::ServiceAccount => "service account",
            Self::Workload => "workload",
            Self::Webhook => "webhook",
            Self::PodSpec => "pod spec",
            Self::Override => "overridden credentials",
            Self::Identity => "identity",
            Self::Network => "network",
            Self::Role => "role",
            Self::Trust => "trust",
            Self::Permissions => "permissions",
            Self::TargetRole => "target role",
            Self::Restart => "restart",
            Self::Live => "live",
            Self::App => "application",
            Self::Migration => "migration",
            Self::Audit => "audit",
        }
    }

    /// Without having seen this link nobody can say that the credentials work.
    pub fn is_core(self) -> bool {
        matches!(self, Self::Association | Self::Agent | Self::Role | Self::Trust | Self::PodSpec)
    }
}

impl Link {
    /// Pods that use IRSA do not need it.
    pub fn is_of_pod_identity(self) -> bool {
        matches!(
            self,
            Self::Agent
                | Self::Nodes
                | Self::Webhook
                | Self::PodSpec
                | Self::Network
                | Self::Role
                | Self::Trust
                | Self::TargetRole
                | Self::Restart
                | Self::Live
        )
    }
}

/// Something that is looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable: `trust.missing-tag-session`.
    pub id: &'static str,
    /// The link that it belongs to.
    pub link: Link,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// What lies behind it, for `--explain`: a few sentences.
    pub background: &'static str,
    /// Pages and issues that it rests on.
    pub sources: &'static [&'static str],
    /// What can be its cause.
    pub follows: Follows,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, or may work, and is worth a look.
    Warning,
    /// Broken.
    Failed,
    /// Not looked at: a permission is missing, or a broken link before it decides.
    Skipped,
    /// Looked at, and cannot be told.
    Unknown,
}

impl Status {
    /// `ok`, `warning`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

/// What was read, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// Where it was read, as `DescribeCluster`.
    pub source: String,
    /// What was read.
    pub text: String,
}

/// On what something was found. Of a pod it knows which: what is wrong with one shows on that one alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingSubject {
    text: String,
    pod: Option<String>,
}

impl FindingSubject {
    /// A pod, by `NAMESPACE/NAME`.
    pub fn pod(name: &str) -> Self {
        Self { text: format!("pod {name}"), pod: Some(name.to_owned()) }
    }

    /// A container of a pod.
    pub fn container(pod: &str, container: &str) -> Self {
        Self { text: format!("pod {pod}, container {container}"), pod: Some(pod.to_owned()) }
    }
}

impl<T: Into<String>> From<T> for FindingSubject {
    fn from(text: T) -> Self {
        Self { text: text.into(), pod: None }
    }
}

impl From<&FindingSubject> for FindingSubject {
    fn from(subject: &FindingSubject) -> Self {
        subject.clone()
    }
}

impl fmt::Display for FindingSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One of several clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InCluster {
    /// How it is told from the others: `blue`, `us-west-2/blue`.
    pub label: String,
    /// Its ARN.
    pub arn: Arn,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// How it came out.
    pub status: Status,
    /// On what: `role eks-workshop-carts-dynamo`.
    pub subject: String,
    /// The pod that it is about, where it is about one: `NAMESPACE/NAME`.
    pub pod: Option<String>,
    /// The cluster that it is in, where several were read.
    pub cluster: Option<InCluster>,
    /// What was found, in one sentence without a full stop.
    pub message: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub remedies: Vec<Remedy>,
    /// A policy that is not the role's denied something: that follows from no permission that the role lacks.
    pub beyond_role: bool,
}

impl Check {
    /// A finding of it. One that is skipped names the missing permission, or what decides instead.
    pub fn finds(
        &'static self,
        status: Status,
        subject: impl Into<FindingSubject>,
        message: impl Into<String>,
    ) -> Finding {
        let FindingSubject { text: subject, pod } = subject.into();
        Finding {
            check: self,
            status,
            subject,
            pod,
            cluster: None,
            message: message.into(),
            evidence: Vec::new(),
            remedies: Vec::new(),
            beyond_role: false,
        }
    }

    /// As it should be.
    pub fn ok(&'static self, subject: impl Into<FindingSubject>, message: impl Into<String>) -> Finding {
        self.finds(Status::Ok, subject, message)
    }

    /// Worth a look.
    pub fn warns(&'static self, subject: impl Into<FindingSubject>, message: impl Into<String>) -> Finding {
        self.finds(Status::Warning, subject, message)
    }

    /// Broken.
    pub fn fails(&'static self, subject: impl Into<FindingSubject>, message: impl Into<String>) -> Finding {
        self.finds(Status::Failed, subject, message)
    }

    /// Not looked at; `why` names the permission, or what decides instead. A read that failed leaves it unknown.
    pub fn skips(&'static self, subject: impl Into<FindingSubject>, why: impl Into<String>) -> Finding {
        let why = why.into();
        let failed = why.contains(UNREAD) && !why.contains(NOT_ALLOWED);
        let status = if failed { Status::Unknown } else { Status::Skipped };
        self.finds(status, subject, why)
    }

    /// Cannot be told.
    pub fn cannot_tell(&'static self, subject: impl Into<FindingSubject>, why: impl Into<String>) -> Finding {
        self.finds(Status::Unknown, subject, why)
    }
}

impl Finding {
    /// On what, with the cluster where several were read: `carts/carts in cluster blue`.
    pub fn title(&self) -> Cow<'_, str> {
        match &self.cluster {
            Some(cluster) => format!("{} in cluster {}", self.subject, cluster.label).into(),
            None => self.subject.as_str().into(),
        }
    }

    /// The container that it is about, where it is about one.
    pub fn container(&self) -> Option<&str> {
        self.subject.split_once(", container ").map(|(_, container)| container)
    }

    /// Adds what it rests on.
    #[must_use]
    pub fn evidence(mut self, source: impl Into<String>, text: impl Into<String>) -> Self {
        self.evidence.push(Evidence { source: source.into(), text: text.into() });
        self
    }

    /// Adds a command that mends it.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.remedies.push(Remedy::Command(command.into()));
        self
    }

    /// Adds a change that mends it, in a sentence.
    #[must_use]
    pub fn change(mut self, change: impl Into<String>) -> Self {
        self.remedies.push(Remedy::Change(change.into()));
        self
    }
}
