//! Whether service accounts that use IRSA can move to Pod Identity: where each is on the way, what keeps it from going on, and the
//! commands that carry it out. Nothing here is part of `verify`'s chain.

mod catalog;
mod going;
mod pods;
mod proof;
mod role;
mod steps;
mod turn;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use self::catalog::{ADD_ON, OTHER_ASSOCIATION, READY, SESSION_POLICY, UNREAD};
pub use self::{
    catalog::CHECKS,
    going::{acceptable, lacks_agent},
    proof::{Complaint, Told},
    steps::{Stepped, steps},
    turn::{Hindrance, back_hindered, end_hindered, unseen, uses_irsa_alone},
};
use super::{Finding, Status};
use crate::model::{
    arn::last,
    association::Association,
    have::Observed,
    irsa::Keeper,
    migration::{Candidate, Migration},
    names::ServiceAccount,
    snapshot::Snapshot,
    trust::{Verdict, irsa::IrsaTrust},
    workload::{Injection, Pod},
};

/// How ready a service account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// The commands of the plan carry it out.
    Ready,
    /// The same, and something has to be changed or known before.
    ReadyWithChanges,
    /// Something that has to be known could not be read.
    Unknown,
    /// It would lose its access, or podid's commands cannot move it.
    NotReady,
}

impl Readiness {
    /// `ready with changes`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::ReadyWithChanges => "ready with changes",
            Self::Unknown => "unknown",
            Self::NotReady => "not ready",
        }
    }

    /// What findings come to.
    fn of(findings: &[Finding]) -> Self {
        let each = findings.iter().map(|finding| match finding.status {
            Status::Ok => Self::Ready,
            Status::Warning => Self::ReadyWithChanges,
            Status::Skipped | Status::Unknown => Self::Unknown,
            Status::Failed => Self::NotReady,
        });
        each.max().unwrap_or(Self::Ready)
    }
}

/// Where a service account is on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It has no association.
    Irsa,
    /// It has an association for its role, and some of its pods still use IRSA.
    Both,
    /// It has an association for its role, and each of its pods uses that.
    PodIdentity,
    /// It has an association for another role.
    OtherRole,
    /// It could not be determined.
    Unknown,
}

impl Stage {
    /// `Pod Identity`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Irsa => "IRSA",
            Self::Both => "both",
            Self::PodIdentity => "Pod Identity",
            Self::OtherRole => "other role",
            Self::Unknown => "unknown",
        }
    }

    fn of(candidate: &Candidate) -> Self {
        match &candidate.snapshot.association {
            Observed::Known(None) => Self::Irsa,
            Observed::Known(Some(association)) if association.acts_as() != candidate.annotation.role => Self::OtherRole,
            Observed::Known(Some(_)) => match candidate.snapshot.pods.known() {
                // Without pods nothing shows that the association works.
                Some(_) if candidate.snapshot.live_pods().is_empty() => Self::Both,
                Some(_) if candidate.snapshot.live_pods().into_iter().all(by_pod_identity) => Self::PodIdentity,
                Some(_) => Self::Both,
                None => Self::Unknown,
            },
            Observed::Unreadable(_) | Observed::NotRequested => Self::Unknown,
        }
    }
}

/// A web identity comes first in every SDK: a pod that has both still uses IRSA.
fn by_pod_identity(pod: &Pod) -> bool {
    pod.injection() == Injection::Injected && pod.irsa_role().is_none()
}

/// Whether podid restarts a pod, by its workload.
fn restarted(snapshot: &Snapshot, pod: &Pod) -> bool {
    pod.argo_rollout().is_some() || snapshot.own_workloads().iter().any(|workload| workload.owns(pod))
}

/// Live pods, by what they use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// All.
    pub total: usize,
    /// Those that use IRSA.
    pub irsa: usize,
    /// Those that use Pod Identity.
    pub pod_identity: usize,
}

/// What was found for one service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The service account.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// The role of its annotation.
    pub role_arn: String,
    /// How far it is migrated.
    pub stage: Stage,
    /// How ready it is.
    pub readiness: Readiness,
    /// What the role's trust policy says of IRSA; null if it was not read.
    pub trust: Option<IrsaTrust>,
    /// Other service accounts of the plan that use the role.
    pub role_shared_with: Vec<String>,
    /// Who keeps the annotation.
    pub annotation_owner: Keeper,
    /// What runs as it, as `deployment/carts`; null if it could not be read.
    pub workloads: Option<Vec<String>>,
    /// Its running pods, by what they use; null if they could not be read.
    pub pods: Option<PodCounts>,
    /// What was found, each with its remedies.
    pub findings: Vec<Finding>,
    /// Its role's trust policy lacks a statement for it.
    #[serde(skip)]
    lacks_trust: bool,
    /// The commands that move it; empty if it is not ready, or moved already.
    pub commands: Vec<String>,
}

impl Assessment {
    /// What keeps it from being plainly ready.
    pub fn reasons(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status != Status::Ok)
    }
}

/// What is known of a service account before the others are looked at.
struct Looked {
    stage: Stage,
    /// What the role's trust policy says of IRSA, where it was read.
    trust: Option<IrsaTrust>,
}

impl Looked {
    fn at(candidate: &Candidate, migration: &Migration) -> Self {
        Self { stage: Stage::of(candidate), trust: role::trust(candidate, migration) }
    }

    /// It is not going to move: it has another association, or its role refuses it today.
    fn stays(&self, candidate: &Candidate) -> bool {
        let refused = self.trust.as_ref().is_some_and(|trust| matches!(trust.verdict, Verdict::Refuses(_)));
        self.stage == Stage::OtherRole || refused && candidate.snapshot.associated().is_none()
    }
}

/// Assesses every service account, in the order of their names.
pub fn assess(migration: &Migration) -> Vec<Assessment> {
    let looked: Vec<Looked> = migration.candidates.iter().map(|candidate| Looked::at(candidate, migration)).collect();
    let room = role::room(migration, &looked);
    let mut sharing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for candidate in &migration.candidates {
        sharing.entry(&candidate.annotation.role).or_default().push(candidate.snapshot.subject.to_string());
    }
    let one = |(candidate, Looked { stage, trust }): (&Candidate, Looked)| {
        let subject = &candidate.snapshot.subject;
        let findings = findings(migration, candidate, stage, trust.as_ref(), &room);
        let own = subject.to_string();
        let others = sharing.get(candidate.annotation.role.as_str()).into_iter().flatten();
        let mut it = Assessment {
            subject: subject.clone(),
            role_arn: candidate.annotation.role.clone(),
            stage,
            readiness: Readiness::of(&findings),
            trust,
            role_shared_with: others.filter(|other| **other != own).cloned().collect(),
            annotation_owner: candidate.annotation.keeper(),
            workloads: pods::workloads(candidate),
            pods: pods::counts(candidate),
            findings,
            lacks_trust: room.contains_key(subject),
            commands: Vec::new(),
        };
        it.commands = steps::of(&it, &migration.cluster.name);
        it
    };
    migration.candidates.iter().zip(looked).map(one).collect()
}

fn findings(
    migration: &Migration,
    candidate: &Candidate,
    stage: Stage,
    trust: Option<&IrsaTrust>,
    room: &role::Room,
) -> Vec<Finding> {
    let mut found = association(candidate, stage);
    if !matches!(stage, Stage::PodIdentity | Stage::OtherRole) {
        found.extend(add_on(migration, candidate, room));
    }
    if stage != Stage::OtherRole {
        found.extend(role::findings(migration, candidate, stage, trust, room));
    }
    found.extend(pods::findings(migration, candidate, stage));
    for remedy in found.iter_mut().flat_map(|finding| &mut finding.remedies) {
        remedy.of_cluster(&migration.cluster.name);
    }
    if found.iter().all(|finding| finding.status == Status::Ok) {
        let subject = format!("service account {}", candidate.snapshot.subject);
        let said = match stage {
            Stage::PodIdentity => "its pods use Pod Identity with the same role",
            _ => "nothing that podid checks is in the way",
        };
        found.push(READY.ok(subject, said));
    }
    found
}

fn association(candidate: &Candidate, stage: Stage) -> Vec<Finding> {
    let subject = &candidate.snapshot.subject;
    match &candidate.snapshot.association {
        Observed::Unreadable(why) => vec![UNREAD.skips("the association", why)],
        Observed::Known(Some(association)) if stage == Stage::OtherRole => {
            let (role, annotated) = (association.acts_as(), last(&candidate.annotation.role));
            let alike = last(role) == annotated;
            let message = if alike {
                format!("its association gives new pods {role}, not {}", candidate.annotation.role)
            } else {
                format!("its association gives new pods role {}, not role {annotated}", last(role))
            };
            let correct = if alike {
                "correct the annotation, or the association".to_owned()
            } else {
                format!(
                    "if role {annotated} is the right one: `podid role trust {annotated} --service-account {subject} --fix`, then `podid associate {subject} --role {annotated}`; otherwise correct the annotation"
                )
            };
            vec![
                OTHER_ASSOCIATION
                    .fails(format!("service account {subject}"), message)
                    .evidence("DescribePodIdentityAssociation", role)
                    .evidence("its annotation eks.amazonaws.com/role-arn", &candidate.annotation.role)
                    .change(correct),
            ]
        }
        // By IRSA the pods had all that the role allows.
        Observed::Known(Some(Association { policy: Some(policy), .. })) => vec![
            SESSION_POLICY
                .fails(
                    format!("service account {subject}"),
                    "its association has a session policy, which IRSA does not",
                )
                .evidence("DescribePodIdentityAssociation", policy)
                .command(format!(
                    "podid associate {subject} --role {} --no-session-policy --replace",
                    last(&candidate.annotation.role)
                )),
        ],
        Observed::Known(_) | Observed::NotRequested => Vec::new(),
    }
}

/// What an add-on keeps, it would change back.
fn add_on(migration: &Migration, candidate: &Candidate, room: &role::Room) -> Vec<Finding> {
    if candidate.annotation.keeper() != Keeper::AddOn {
        return Vec::new();
    }
    let (subject, role) = (&candidate.snapshot.subject, &candidate.annotation.role);
    let add_ons = match &migration.add_ons {
        Observed::Known(add_ons) => add_ons,
        Observed::Unreadable(why) => return vec![UNREAD.skips("the add-ons", why)],
        Observed::NotRequested => return Vec::new(),
    };
    let owner = add_ons.iter().find(|add_on| add_on.service_account_role.as_ref() == Some(role));
    let name = owner.map_or("an EKS add-on".to_owned(), |add_on| format!("the EKS add-on {}", add_on.name));
    let finding = ADD_ON
        .fails(format!("service account {subject}"), format!("{name} owns it and its annotation"))
        .evidence("metadata.managedFields of the service account", "manager eks");
    // Without it the add-on's new pods would get nothing.
    let finding = if room.contains_key(subject) {
        finding.command(format!("podid role trust {} --service-account {subject} --fix", last(role)))
    } else {
        finding
    };
    vec![match owner {
        Some(add_on) => finding
            .evidence(format!("DescribeAddon {}", add_on.name), role)
            .command(format!(
                "aws eks update-addon --cluster-name {} --addon-name {} --addon-version {} --resolve-conflicts PRESERVE --pod-identity-associations serviceAccount={},roleArn={role}",
                migration.cluster.name, add_on.name, add_on.version, subject.name
            ))
            .change("before that, check that this version supports Pod Identity (`aws eks describe-addon-configuration`), and pass the add-on's configuration too (--configuration-values): one that is left out may be reset"),
        None => finding.change("migrate it with its add-on: an update of the add-on takes --pod-identity-associations"),
    }]
}

#[cfg(test)]
mod tests;
