//! The plan: Want × Have → steps. Pure; each step is a write and nothing but a write. Waiting and proving are not here.

mod addon;
mod against;
mod agent;
mod associate;
mod association;
mod continued;
mod converge;
mod copy;
mod deleted;
mod disassociate;
mod finish;
mod migrate;
mod missing;
mod narrow;
mod policies;
mod recycle;
mod refusal;
mod restart;
mod role;
mod role_create;
mod role_delete;
mod step;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use self::refusal::sid_taken;
pub use self::{
    addon::{AddonStep, identity},
    against::{Side, against},
    associate::associate,
    converge::{Converge, Expanded, converge, simulate},
    copy::{Uncopied, copied, copyable, different, without_more_tags},
    disassociate::{Disassociate, IdleRoles, RoleUse, Target, disassociate},
    finish::{Finished, finish},
    migrate::{Group, Migrate, Migrated, beside, migrate, request},
    narrow::{narrow, without_own},
    policies::{Policies, policies},
    recycle::{Recycle, recycle},
    refusal::Refusal,
    restart::{Skipped, StalePod, cron_jobs, skipped, stale_pods, unread_rollouts},
    role_create::{CreateRole, create_role},
    role_delete::{delete_role, unused},
    step::Kind,
};
use crate::model::{
    addon::{Addon, Settings},
    arn::Arn,
    association::{AssociationChange, NewAssociation},
    document::Document,
    names::ServiceAccount,
    role::{NewRole, Role},
    workload::{Strategy, WorkloadKind, WorkloadRef},
};

/// One write. The same value is shown, asked about, carried out and reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// CreateAddon.
    InstallAgent {
        /// Cluster name.
        cluster: String,
        /// Version.
        version: String,
        /// Its configuration.
        settings: Settings,
    },
    /// UpdateAddon.
    UpdateAgent {
        /// Cluster name.
        cluster: String,
        /// As it was read.
        from: Box<Addon>,
        /// Version after it.
        version: String,
        /// Its configuration after it.
        settings: Settings,
    },
    /// DeleteAddon.
    RemoveAgent {
        /// Cluster name.
        cluster: String,
        /// Version that goes.
        version: String,
    },
    /// UpdateAddon with the associations that it owns.
    UpdateAddon(Box<AddonStep>),
    /// Creates the Kubernetes service account.
    CreateServiceAccount {
        /// The service account.
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
    /// UntagRole.
    UntagRole {
        /// Role name.
        role: String,
        /// Keys of the tags that go.
        keys: Vec<String>,
    },
    /// PutRolePermissionsBoundary or DeleteRolePermissionsBoundary.
    PutBoundary {
        /// Role name.
        role: String,
        /// As it was read.
        before: Option<String>,
        /// As it will be.
        after: Option<String>,
    },
    /// AttachRolePolicy.
    AttachPolicy {
        /// Role name.
        role: String,
        /// Managed policy.
        policy_arn: String,
        /// Whether others may act under the role.
        holder: RoleOwnership,
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
        /// Whether others may act under the role.
        holder: RoleOwnership,
    },
    /// DetachRolePolicy.
    DetachPolicy {
        /// Role name.
        role: String,
        /// Managed policy.
        policy_arn: String,
    },
    /// DeleteRolePolicy.
    DeletePolicy {
        /// Role name.
        role: String,
        /// Inline policy name.
        name: String,
        /// As it was read; `None` when it goes whatever it says, with its role.
        before: Option<Document>,
    },
    /// DeleteRole, last of all that hangs on it.
    DeleteRole {
        /// Role name.
        role: String,
        /// Its trust policy, as it was read.
        trust: Document,
        /// What has to hold still when it goes.
        #[serde(skip)]
        last: Box<LastLook>,
    },
    /// CreatePodIdentityAssociation.
    CreateAssociation {
        /// Cluster name.
        cluster: String,
        /// The association.
        association: NewAssociation,
    },
    /// UpdatePodIdentityAssociation.
    UpdateAssociation {
        /// Cluster name.
        cluster: String,
        /// Association id.
        association_id: String,
        /// The service account.
        subject: ServiceAccount,
        /// Role before.
        from_role: String,
        /// What changes.
        change: AssociationChange,
    },
    /// DeletePodIdentityAssociation and CreatePodIdentityAssociation: for what an update does not clear.
    ReplaceAssociation {
        /// Cluster name.
        cluster: String,
        /// Association id.
        association_id: String,
        /// Role before.
        from_role: String,
        /// The new association.
        association: Box<NewAssociation>,
    },
    /// UpdateAssumeRolePolicy of the target role, once the association's external id is known.
    PutTargetTrust {
        /// Name of the target role.
        role: String,
        /// Cluster name.
        cluster: String,
        /// The service account.
        subject: ServiceAccount,
        /// As it was read.
        before: Document,
        /// As it will be; `trust::target::EXTERNAL_ID` stands for what is not known yet.
        after: Document,
    },
    /// TagResource on the association.
    TagAssociation {
        /// Association ARN.
        association_arn: String,
        /// The service account.
        subject: ServiceAccount,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// UntagResource on the association.
    UntagAssociation {
        /// Association ARN.
        association_arn: String,
        /// The service account.
        subject: ServiceAccount,
        /// Keys of the tags that go.
        keys: Vec<String>,
    },
    /// DeletePodIdentityAssociation.
    DeleteAssociation {
        /// Cluster name.
        cluster: String,
        /// Association id.
        association_id: String,
        /// The service account.
        subject: ServiceAccount,
        /// Its role, as it was read.
        role_arn: String,
    },
    /// A merge patch of the annotation of IRSA, and of nothing else.
    RemoveAnnotation {
        /// The service account.
        subject: ServiceAccount,
        /// Its role, as it was read.
        role: String,
    },
    /// The restart annotation of `kubectl rollout restart`.
    Restart {
        /// Which workload.
        workload: WorkloadRef,
        /// Its pods.
        replicas: u64,
        /// Recreate means downtime.
        strategy: Strategy,
        /// Argo Rollout: pods that are not ready and have to be deleted, as its controller evicts none while they are there.
        held: usize,
        /// Workloads of several namespaces are concerned: each is shown with its own.
        #[serde(skip)]
        spread: bool,
    },
    /// The template of a revision that worked, after a restart that failed. Never planned: only carried out and reported.
    RollBack {
        /// Which workload.
        workload: WorkloadRef,
        /// The number of that revision, once it was rolled back.
        #[serde(skip)]
        revision: Option<u64>,
        /// As with a restart.
        #[serde(skip)]
        spread: bool,
    },
}

/// What is looked for again right before a role is deleted: who began to use it meanwhile saves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLook {
    /// The role.
    pub arn: Arn,
    /// The cluster in use.
    pub cluster: Arn,
    /// Delete it also where doubts about its users are left.
    pub force: bool,
}

/// Whose role a permission is added to: what others act under is not extended without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoleOwnership {
    /// This plan makes it.
    New,
    /// podid made it for this service account, and it admits nobody else.
    Own,
    /// Others may act under it.
    Shared,
}

/// A plan, or why there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The writes, in dependency order.
    pub steps: Vec<Step>,
    /// What the user should know before saying yes; one line each.
    pub warnings: Vec<String>,
    /// What was asked for and is not restarted.
    pub skipped: Vec<Skipped>,
    /// Workloads whose restart is under way already: to be watched, not restarted again.
    pub watch: Vec<WorkloadRef>,
    /// It changes what running workloads act as, though its steps only create: pods switch from an IRSA role.
    pub updates: bool,
}

impl Plan {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Something that is there is changed or deleted, or running workloads change what they act as.
    pub fn changes(&self) -> bool {
        self.updates || self.steps.iter().any(|step| matches!(step.kind(), Kind::Update | Kind::Delete))
    }

    /// Pods are restarted.
    pub fn restarts(&self) -> bool {
        self.steps.iter().any(|step| step.kind() == Kind::Restart)
    }

    /// Adds the plan of another service account. Once they are of several namespaces, restarts are shown with theirs.
    pub fn merge(&mut self, other: Self) {
        let Self { steps, warnings, skipped, watch, updates } = other;
        self.steps.extend(steps);
        self.skipped.extend(skipped);
        self.watch.extend(watch);
        self.updates |= updates;
        for warning in warnings {
            self.warn(warning);
        }
        let spread = self.spread();
        for step in &mut self.steps {
            if let Step::Restart { spread: shown, .. } = step {
                *shown = spread;
            }
        }
    }

    fn restarted(&self, id: &WorkloadRef) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Restart { workload, .. } if workload == id))
    }

    /// Workloads of several namespaces are restarted or watched.
    pub fn spread(&self) -> bool {
        let restarted = self.steps.iter().filter_map(|step| match step {
            Step::Restart { workload, .. } => Some(workload),
            _ => None,
        });
        let namespaces: BTreeSet<&str> = restarted.chain(&self.watch).map(|id| id.namespace.as_str()).collect();
        namespaces.len() > 1
    }

    /// Argo Rollouts that are restarted or watched.
    pub fn rollouts(&self) -> impl Iterator<Item = &WorkloadRef> {
        let restarted = self.steps.iter().filter_map(|step| match step {
            Step::Restart { workload, .. } => Some(workload),
            _ => None,
        });
        restarted.chain(&self.watch).filter(|id| id.kind == WorkloadKind::Rollout)
    }

    /// Plans a new trust policy for a role that exists.
    pub fn put_trust(&mut self, role: &Role, after: Document) {
        if let Some(template) = &role.template {
            self.warn(format!(
                "role `{}` was created from the template {template}: the AWS service that manages it may replace its trust policy again",
                role.name
            ));
        }
        self.steps.push(Step::PutTrust { role: role.name.clone(), before: role.trust.clone(), after });
    }

    /// Ends the planning: what is written is such that AWS takes it, what may not be meant is warned of, and the steps are in
    /// the order of execution.
    fn finish(&mut self) {
        self.leave_out_deleted();
        self.warn_of_effects();
        self.steps.sort_by_key(Step::stage);
    }

    /// Warns of what nobody may have meant in all that the plan creates: roles without any permissions, and associations of
    /// service accounts that pods run as without having been given any.
    fn warn_of_effects(&mut self) {
        let granted = |name: &str| {
            let grants = |step: &&Step| matches!(step, Step::AttachPolicy { .. } | Step::PutPolicy { .. });
            self.steps.iter().filter(grants).any(|step| step.role() == Some(name))
        };
        let warnings: Vec<String> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::CreateRole(role) if !granted(&role.name) => Some(format!(
                    "role `{}` is created without permissions: AWS denies the calls of its pods until it has a policy",
                    role.name
                )),
                Step::CreateAssociation { association, .. } => {
                    Some(format!("{}: {}", association.subject, association.subject.shared_by_all()?))
                }
                _ => None,
            })
            .collect();
        for warning in warnings {
            self.warn(warning);
        }
    }

    /// Nothing is restarted or watched, although pods need it.
    pub fn restarts_nothing_of_need(&self) -> bool {
        self.steps.is_empty() && self.watch.is_empty() && self.skipped.iter().any(|skipped| skipped.needed)
    }

    fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
