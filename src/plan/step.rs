//! What a step is called, touches and needs: for the plan shown, the prompt, the order of execution and the result.

use std::cmp::Ordering;

use super::{RoleOwnership, Step};
use crate::model::{
    addon::{AGENT, Addon, Settings, numbers},
    arn::last,
    irsa::ROLE_ARN,
    workload::{Strategy, WorkloadRef},
};

/// What consent asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Adds something; nothing that is there changes.
    Create,
    /// Changes something that is there.
    Update,
    /// Takes something away.
    Delete,
    /// Replaces running pods.
    Restart,
}

impl Step {
    /// Stable id, unique within the plan of one service account.
    pub fn id(&self) -> String {
        match self {
            Self::AttachPolicy { policy_arn, .. } => format!("attach-policy/{policy_arn}"),
            Self::PutPolicy { name, .. } => format!("put-policy/{name}"),
            Self::DetachPolicy { policy_arn, .. } => format!("detach-policy/{policy_arn}"),
            Self::DeletePolicy { name, .. } => format!("delete-policy/{name}"),
            Self::DeleteRole { .. } => "delete-role".to_owned(),
            Self::Restart { workload, .. } => format!("restart/{}", workload.full()),
            Self::RollBack { workload, .. } => format!("roll-back/{}", workload.full()),
            Self::DeleteAssociation { subject, .. } => format!("delete-association/{subject}"),
            Self::InstallAgent { .. } => "install-agent".to_owned(),
            Self::UpdateAgent { .. } => "update-agent".to_owned(),
            Self::RemoveAgent { .. } => "remove-agent".to_owned(),
            Self::UpdateAddon(step) => format!("update-addon/{}", step.addon.name),
            Self::RemoveAnnotation { subject, .. } => format!("remove-annotation/{subject}"),
            Self::CreateServiceAccount { .. } => "create-service-account".to_owned(),
            Self::CreateRole(_) => "create-role".to_owned(),
            Self::PutTrust { .. } => "put-trust".to_owned(),
            Self::TagRole { .. } => "tag-role".to_owned(),
            Self::UntagRole { .. } => "untag-role".to_owned(),
            Self::PutBoundary { .. } => "put-boundary".to_owned(),
            Self::CreateAssociation { .. } => "create-association".to_owned(),
            Self::UpdateAssociation { .. } => "update-association".to_owned(),
            Self::ReplaceAssociation { .. } => "replace-association".to_owned(),
            Self::PutTargetTrust { .. } => "put-target-trust".to_owned(),
            Self::TagAssociation { .. } => "tag-association".to_owned(),
            Self::UntagAssociation { .. } => "untag-association".to_owned(),
        }
    }

    /// The name of the action, as in JSON.
    pub fn action(&self) -> &'static str {
        match self {
            Self::InstallAgent { .. } => "installAgent",
            Self::UpdateAgent { .. } => "updateAgent",
            Self::RemoveAgent { .. } => "removeAgent",
            Self::UpdateAddon(_) => "updateAddon",
            Self::CreateServiceAccount { .. } => "createServiceAccount",
            Self::CreateRole(_) => "createRole",
            Self::PutTrust { .. } => "putTrust",
            Self::TagRole { .. } => "tagRole",
            Self::UntagRole { .. } => "untagRole",
            Self::PutBoundary { .. } => "putBoundary",
            Self::AttachPolicy { .. } => "attachPolicy",
            Self::PutPolicy { .. } => "putPolicy",
            Self::DetachPolicy { .. } => "detachPolicy",
            Self::DeletePolicy { .. } => "deletePolicy",
            Self::DeleteRole { .. } => "deleteRole",
            Self::CreateAssociation { .. } => "createAssociation",
            Self::UpdateAssociation { .. } => "updateAssociation",
            Self::ReplaceAssociation { .. } => "replaceAssociation",
            Self::PutTargetTrust { .. } => "putTargetTrust",
            Self::TagAssociation { .. } => "tagAssociation",
            Self::UntagAssociation { .. } => "untagAssociation",
            Self::DeleteAssociation { .. } => "deleteAssociation",
            Self::RemoveAnnotation { .. } => "removeAnnotation",
            Self::Restart { .. } => "restart",
            Self::RollBack { .. } => "rollBack",
        }
    }

    /// What it touches: the name to show.
    pub fn resource(&self) -> String {
        match self {
            Self::InstallAgent { version, .. }
            | Self::UpdateAgent { version, .. }
            | Self::RemoveAgent { version, .. } => format!("{AGENT} {version}"),
            Self::CreateServiceAccount { subject }
            | Self::RemoveAnnotation { subject, .. }
            | Self::UpdateAssociation { subject, .. }
            | Self::DeleteAssociation { subject, .. }
            | Self::TagAssociation { subject, .. }
            | Self::UntagAssociation { subject, .. } => subject.to_string(),
            Self::UpdateAddon(step) => step.subject.to_string(),
            Self::CreateRole(role) => role.name.clone(),
            Self::PutTrust { role, .. }
            | Self::PutTargetTrust { role, .. }
            | Self::TagRole { role, .. }
            | Self::UntagRole { role, .. }
            | Self::PutBoundary { role, .. }
            | Self::DeleteRole { role, .. } => role.clone(),
            Self::AttachPolicy { policy_arn, .. } | Self::DetachPolicy { policy_arn, .. } => policy_arn.clone(),
            Self::PutPolicy { role, name, .. } | Self::DeletePolicy { role, name, .. } => format!("{role}/{name}"),
            Self::CreateAssociation { association, .. } => association.subject.to_string(),
            Self::ReplaceAssociation { association, .. } => association.subject.to_string(),
            Self::Restart { workload, .. } | Self::RollBack { workload, .. } => workload.to_string(),
        }
    }

    /// The role that it writes to, by name; two writes to one role wait for each other.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::CreateRole(new) => Some(&new.name),
            Self::PutTrust { role, .. }
            | Self::PutTargetTrust { role, .. }
            | Self::TagRole { role, .. }
            | Self::UntagRole { role, .. }
            | Self::PutBoundary { role, .. }
            | Self::AttachPolicy { role, .. }
            | Self::PutPolicy { role, .. }
            | Self::DetachPolicy { role, .. }
            | Self::DeletePolicy { role, .. }
            | Self::DeleteRole { role, .. } => Some(role),
            _ => None,
        }
    }

    /// One imperative line, for the plan.
    pub fn describe(&self) -> String {
        match self {
            Self::InstallAgent { version, settings, .. } => {
                format!("install add-on {AGENT} {version}{}", with(settings, None))
            }
            Self::UpdateAgent { from, version, settings, .. } => {
                let how = with(settings, Some(from));
                match numbers(version).cmp(&numbers(&from.version)) {
                    Ordering::Greater => format!("upgrade add-on {AGENT} from {} to {version}{how}", from.version),
                    Ordering::Less => format!("downgrade add-on {AGENT} from {} to {version}{how}", from.version),
                    Ordering::Equal => format!("update add-on {AGENT} {version}{how}"),
                }
            }
            Self::RemoveAgent { version, .. } => format!("delete add-on {AGENT} {version}"),
            Self::UpdateAddon(step) => step.describe(),
            Self::CreateServiceAccount { subject } => format!("create service account {subject}"),
            Self::CreateRole(role) => {
                let boundary =
                    role.permissions_boundary.as_ref().map_or(String::new(), |arn| format!(", boundary {arn}"));
                format!("create role {} (path {}{boundary})", role.name, role.path)
            }
            Self::PutTrust { role, .. } => format!("update the trust policy of role {role}"),
            Self::TagRole { role, tags } => format!("tag role {role} ({})", keys(tags)),
            Self::UntagRole { role, keys } => format!("remove tags from role {role} ({})", keys.join(", ")),
            Self::PutBoundary { role, after: Some(after), .. } => {
                format!("set the permissions boundary of role {role} to {after}")
            }
            Self::PutBoundary { role, before, after: None } => {
                format!("remove the permissions boundary of role {role} (was {})", before.as_deref().unwrap_or("unset"))
            }
            Self::AttachPolicy { role, policy_arn, .. } => format!("attach {policy_arn} to role {role}"),
            Self::PutPolicy { role, name, before: None, .. } => format!("add inline policy {name} to role {role}"),
            Self::PutPolicy { role, name, .. } => format!("update inline policy {name} of role {role}"),
            Self::DetachPolicy { role, policy_arn } => format!("detach {policy_arn} from role {role}"),
            Self::DeletePolicy { role, name, .. } => format!("delete inline policy {name} of role {role}"),
            Self::DeleteRole { role, .. } => format!("delete role {role}"),
            Self::CreateAssociation { association, .. } => {
                format!(
                    "associate {} with role {}{}",
                    association.subject,
                    last(&association.spec.role_arn),
                    extras(association)
                )
            }
            Self::ReplaceAssociation { association, .. } => format!(
                "recreate the association of {} with role {}{}",
                association.subject,
                last(&association.spec.role_arn),
                extras(association)
            ),
            Self::PutTargetTrust { role, subject, .. } => {
                format!("update the trust policy of target role {role} for {subject}")
            }
            Self::UpdateAssociation { subject, from_role, change, .. } => {
                let mut parts = Vec::new();
                if let Some(to) = &change.role_arn {
                    parts.push(format!("role {} -> {}", last(from_role), last(to)));
                }
                if let Some(disabled) = change.disable_session_tags {
                    parts.push(format!("session tags {}", if disabled { "off" } else { "on" }));
                }
                match change.target_role_arn.as_deref() {
                    None => {}
                    Some("") => parts.push("no target role".to_owned()),
                    Some(target) => parts.push(format!("target role {target}")),
                }
                match change.policy.as_deref() {
                    None => {}
                    Some("") => parts.push("no session policy".to_owned()),
                    Some(_) => parts.push("another session policy".to_owned()),
                }
                format!("update the association of {subject} ({})", parts.join(", "))
            }
            Self::TagAssociation { subject, tags, .. } => format!("tag the association of {subject} ({})", keys(tags)),
            Self::UntagAssociation { subject, keys, .. } => {
                format!("remove tags from the association of {subject} ({})", keys.join(", "))
            }
            Self::RollBack { workload, revision: Some(number), spread } => {
                format!("roll back {} to revision {number}", shown(workload, *spread))
            }
            Self::RollBack { workload, spread, .. } => {
                format!("roll back {} to an earlier revision", shown(workload, *spread))
            }
            Self::DeleteAssociation { subject, role_arn, .. } => {
                format!("delete the association of {subject} (role {})", last(role_arn))
            }
            Self::RemoveAnnotation { subject, role } => {
                format!("remove the annotation {ROLE_ARN} of {subject} (role {})", last(role))
            }
            Self::Restart { workload, replicas, strategy, held, spread } => {
                restart(&shown(workload, *spread), *replicas, *strategy, *held)
            }
        }
    }

    /// One line in the past tense, for the progress.
    pub fn done(&self) -> String {
        match self {
            Self::InstallAgent { version, .. } => format!("created add-on {AGENT} {version}"),
            Self::UpdateAgent { version, .. } => format!("asked EKS to update add-on {AGENT} to {version}"),
            Self::RemoveAgent { version, .. } => format!("asked EKS to delete add-on {AGENT} {version}"),
            Self::UpdateAddon(step) => step.done(),
            Self::CreateServiceAccount { subject } => format!("created service account {subject}"),
            Self::CreateRole(role) => format!("created role {}", role.name),
            Self::PutTrust { role, .. } => format!("updated the trust policy of role {role}"),
            Self::TagRole { role, .. } => format!("tagged role {role}"),
            Self::UntagRole { role, .. } => format!("removed tags from role {role}"),
            Self::PutBoundary { role, after: Some(_), .. } => format!("set the permissions boundary of role {role}"),
            Self::PutBoundary { role, .. } => format!("removed the permissions boundary of role {role}"),
            Self::AttachPolicy { role, policy_arn, .. } => format!("attached {policy_arn} to role {role}"),
            Self::PutPolicy { role, name, before: None, .. } => format!("added inline policy {name} to role {role}"),
            Self::PutPolicy { role, name, .. } => format!("updated inline policy {name} of role {role}"),
            Self::DetachPolicy { role, policy_arn } => format!("detached {policy_arn} from role {role}"),
            Self::DeletePolicy { role, name, .. } => format!("deleted inline policy {name} of role {role}"),
            Self::DeleteRole { role, .. } => format!("deleted role {role}"),
            Self::CreateAssociation { association, .. } => {
                format!("associated {} with role {}", association.subject, last(&association.spec.role_arn))
            }
            Self::UpdateAssociation { subject, .. } => format!("updated the association of {subject}"),
            Self::ReplaceAssociation { association, .. } => {
                format!("recreated the association of {}", association.subject)
            }
            Self::PutTargetTrust { role, .. } => format!("updated the trust policy of target role {role}"),
            Self::TagAssociation { subject, .. } => format!("tagged the association of {subject}"),
            Self::UntagAssociation { subject, .. } => format!("removed tags from the association of {subject}"),
            Self::RemoveAnnotation { subject, .. } => format!("removed the annotation {ROLE_ARN} of {subject}"),
            Self::Restart { workload, spread, .. } => format!("restarted {}", shown(workload, *spread)),
            Self::RollBack { workload, revision: Some(number), spread } => {
                format!("rolled back {} to revision {number}", shown(workload, *spread))
            }
            Self::RollBack { workload, spread, .. } => {
                format!("rolled back {} to an earlier revision", shown(workload, *spread))
            }
            Self::DeleteAssociation { subject, .. } => format!("deleted the association of {subject}"),
        }
    }

    /// What consent asks about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::InstallAgent { .. }
            | Self::CreateServiceAccount { .. }
            | Self::CreateRole(_)
            | Self::AttachPolicy { holder: RoleOwnership::New | RoleOwnership::Own, .. }
            | Self::PutPolicy { before: None, holder: RoleOwnership::New | RoleOwnership::Own, .. }
            | Self::CreateAssociation { .. } => Kind::Create,
            Self::PutTrust { .. }
            | Self::TagRole { .. }
            | Self::UntagRole { .. }
            | Self::PutBoundary { .. }
            | Self::AttachPolicy { .. }
            | Self::PutPolicy { .. }
            | Self::UpdateAssociation { .. }
            | Self::UpdateAgent { .. }
            | Self::PutTargetTrust { .. }
            | Self::TagAssociation { .. }
            | Self::UntagAssociation { .. } => Kind::Update,
            Self::DetachPolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::DeleteRole { .. }
            | Self::DeleteAssociation { .. }
            | Self::ReplaceAssociation { .. }
            | Self::RemoveAnnotation { .. }
            | Self::RemoveAgent { .. } => Kind::Delete,
            Self::UpdateAddon(step) => step.kind(),
            Self::Restart { .. } | Self::RollBack { .. } => Kind::Restart,
        }
    }

    /// Order of execution: steps of one stage do not need each other, those of a later one need all before.
    pub fn stage(&self) -> u8 {
        match self {
            // An annotation before its role's trust policy: what it names is to be usable until nothing names it.
            Self::InstallAgent { .. }
            | Self::UpdateAgent { .. }
            | Self::RemoveAgent { .. }
            | Self::CreateServiceAccount { .. }
            | Self::RemoveAnnotation { .. }
            | Self::CreateRole(_) => 0,
            Self::PutTrust { .. }
            | Self::TagRole { .. }
            | Self::UntagRole { .. }
            | Self::PutBoundary { .. }
            | Self::AttachPolicy { .. }
            | Self::PutPolicy { .. } => 1,
            // After its trust statement: killed in between, the association still tells the next run which role it was.
            Self::CreateAssociation { .. }
            | Self::UpdateAssociation { .. }
            | Self::ReplaceAssociation { .. }
            | Self::UpdateAddon(_)
            | Self::DeleteAssociation { .. } => 2,
            Self::TagAssociation { .. } | Self::UntagAssociation { .. } | Self::PutTargetTrust { .. } => 3,
            // What an association used goes once the association is gone.
            Self::DetachPolicy { .. } | Self::DeletePolicy { .. } => 4,
            Self::DeleteRole { .. } => 5,
            Self::Restart { .. } => 6,
            Self::RollBack { .. } => 7,
        }
    }

    /// Whether what it writes takes time to spread through IAM or EKS.
    pub fn touches_iam_or_association(&self) -> bool {
        match self {
            Self::CreateRole(_)
            | Self::PutTrust { .. }
            | Self::TagRole { .. }
            | Self::UntagRole { .. }
            | Self::PutBoundary { .. }
            | Self::AttachPolicy { .. }
            | Self::PutPolicy { .. }
            | Self::DetachPolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::DeleteRole { .. }
            | Self::CreateAssociation { .. }
            | Self::UpdateAssociation { .. }
            | Self::DeleteAssociation { .. }
            | Self::ReplaceAssociation { .. }
            | Self::PutTargetTrust { .. }
            | Self::TagAssociation { .. }
            | Self::UpdateAddon(_)
            | Self::UntagAssociation { .. } => true,
            Self::InstallAgent { .. }
            | Self::UpdateAgent { .. }
            | Self::RemoveAgent { .. }
            | Self::CreateServiceAccount { .. }
            | Self::RemoveAnnotation { .. }
            | Self::Restart { .. }
            | Self::RollBack { .. } => false,
        }
    }
}

fn shown(workload: &WorkloadRef, spread: bool) -> String {
    if spread { workload.full() } else { workload.to_string() }
}

fn restart(workload: &str, replicas: u64, strategy: Strategy, held: usize) -> String {
    let downtime = match strategy {
        Strategy::Recreate => ": downtime",
        // The one pod goes before its successor comes.
        Strategy::Eviction if replicas == 1 => ": downtime",
        _ => "",
    };
    let s = if replicas == 1 { "" } else { "s" };
    let deletes = match held {
        0 => String::new(),
        1 => "; deletes the pod that is not ready".to_owned(),
        held => format!("; deletes the {held} pods that are not ready"),
    };
    format!("restart {workload} ({replicas} replica{s}, {strategy:?}{downtime}{deletes})")
}

fn keys(tags: &std::collections::BTreeMap<String, String>) -> String {
    tags.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What an install or an update of the add-on gives besides the version; `from`: the add-on before it.
fn with(settings: &Settings, from: Option<&Addon>) -> String {
    let before = from.and_then(|addon| addon.configuration.as_deref());
    let configuration = settings.configuration.as_deref().filter(|given| Some(*given) != before);
    let configuration = configuration.map(|given| match before {
        None => format!("with configuration {given}"),
        Some(before) => format!("configuration {before} -> {given}"),
    });
    // EKS keeps others' changes to the objects unless it is told not to; only then it is worth a word.
    let conflicts = settings.conflicts.filter(|mode| *mode == crate::model::addon::Conflicts::Overwrite);
    let conflicts = conflicts.map(|_| "overwriting changes made outside EKS".to_owned());
    configuration.into_iter().chain(conflicts).fold(String::new(), |text, part| format!("{text}, {part}"))
}

/// What an association has beside its role.
fn extras(association: &crate::model::association::NewAssociation) -> String {
    let target = association.spec.target_role_arn.as_ref().map_or(String::new(), |arn| format!(", target role {arn}"));
    let policy = if association.spec.policy.is_some() { ", with a session policy" } else { "" };
    format!("{target}{policy}")
}
