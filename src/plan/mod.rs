//! The plan: Want × Have → steps. Pure; each step is a write and nothing but a write.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    association::{AssociationChange, NewAssociation},
    document::Document,
    have::Have,
    names::ServiceAccount,
    role::NewRole,
    want::Want,
    workload::{Strategy, WorkloadRef},
};

/// One write. The same value is shown, asked about, carried out and reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// CreateAddon.
    InstallAgent {
        /// Cluster name.
        cluster: String,
        /// Version.
        version: String,
    },
    /// Creates the Kubernetes service account.
    CreateServiceAccount {
        /// Which.
        subject: ServiceAccount,
    },
    /// CreateRole with its trust policy.
    CreateRole(Box<NewRole>),
    /// UpdateAssumeRolePolicy.
    PutTrust {
        /// Role name.
        role: String,
        /// As it was read.
        before: Document,
        /// As it will be.
        after: Document,
    },
    /// TagRole.
    TagRole {
        /// Role name.
        role: String,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// AttachRolePolicy.
    AttachPolicy {
        /// Role name.
        role: String,
        /// Managed policy.
        policy_arn: String,
    },
    /// PutRolePolicy.
    PutPolicy {
        /// Role name.
        role: String,
        /// Inline policy name.
        name: String,
        /// As it was, when it was there.
        before: Option<Document>,
        /// As it will be.
        after: Document,
    },
    /// CreatePodIdentityAssociation.
    CreateAssociation {
        /// Cluster name.
        cluster: String,
        /// What is sent.
        association: NewAssociation,
    },
    /// UpdatePodIdentityAssociation.
    UpdateAssociation {
        /// Cluster name.
        cluster: String,
        /// Association id.
        association_id: String,
        /// Whose.
        subject: ServiceAccount,
        /// Role before.
        from_role: String,
        /// What is sent.
        change: AssociationChange,
    },
    /// TagResource on the association.
    TagAssociation {
        /// Association ARN.
        association_arn: String,
        /// Whose.
        subject: ServiceAccount,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// The restart annotation of `kubectl rollout restart`.
    Restart {
        /// Which workload.
        workload: WorkloadRef,
        /// Its pods.
        replicas: u64,
        /// Recreate means downtime.
        strategy: Strategy,
    },
}

/// A plan, or why there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The writes, in dependency order.
    pub steps: Vec<Step>,
    /// What the user should know before saying yes; one line each.
    pub warnings: Vec<String>,
}

/// Refused before any write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What and why.
    pub message: String,
    /// What to do: commands, or the exact change.
    pub hints: Vec<String>,
}

/// Plans one association.
///
/// # Errors
/// When it is refused before any write.
pub fn associate(_want: &Want, _have: &Have) -> Result<Plan, Refusal> {
    Ok(Plan::default())
}
