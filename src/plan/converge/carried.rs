//! What is there once a plan is carried out, as the services would leave it: for the file that a dry run prints.

use std::collections::BTreeMap;

use crate::{
    model::{
        addon::{AGENT, Addon},
        association::{Association, AssociationSummary, NewAssociation},
        have::Observed,
        manifest::{ClusterState, RoleState},
        role::Role,
        trust::target,
    },
    plan::Step,
};

/// The holdings after the steps. What EKS makes up (ids, times) stays empty.
#[must_use]
pub fn simulate(mut have: ClusterState, steps: &[Step]) -> ClusterState {
    for step in steps {
        carry(&mut have, step);
    }
    have
}

fn carry(have: &mut ClusterState, step: &Step) {
    match step {
        Step::InstallAgent { version, settings, .. } => {
            have.addon = Observed::Known(Some(Addon {
                name: AGENT.to_owned(),
                version: version.clone(),
                status: "ACTIVE".to_owned(),
                issues: Vec::new(),
                configuration: settings.configuration.clone(),
                service_account_role: None,
                namespace: None,
                associations: Vec::new(),
            }));
        }
        Step::UpdateAgent { from, version, settings, .. } => {
            let configuration = settings.configuration.clone().or_else(|| from.configuration.clone());
            have.addon = Observed::Known(Some(Addon { version: version.clone(), configuration, ..(**from).clone() }));
        }
        Step::RemoveAgent { .. } => have.addon = Observed::Known(None),
        Step::CreateAssociation { cluster, association } => {
            have.associations.insert(association.subject.clone(), made(cluster, association));
        }
        Step::ReplaceAssociation { cluster, association, .. } => {
            have.associations.insert(association.subject.clone(), made(cluster, association));
        }
        Step::UpdateAssociation { subject, change, .. } => {
            let Some(present) = have.associations.get_mut(subject) else { return };
            *present = present.clone().with(present.spec().changed(change));
        }
        Step::DeleteAssociation { subject, .. } => {
            have.associations.remove(subject);
            have.leftover.associations.remove(subject);
        }
        Step::TagAssociation { subject, tags, .. } => {
            if let Some(present) = have.associations.get_mut(subject) {
                present.tags.extend(tags.clone());
            }
        }
        Step::UntagAssociation { subject, keys, .. } => {
            if let Some(present) = have.associations.get_mut(subject) {
                present.tags.retain(|key, _| !keys.contains(key));
            }
        }
        Step::CreateServiceAccount { .. } | Step::Restart { .. } | Step::RollBack { .. } => {}
        of_role => carry_role(have, of_role),
    }
}

fn carry_role(have: &mut ClusterState, step: &Step) {
    if let Step::CreateRole(new) = step {
        let role = Role {
            name: new.name.clone(),
            path: new.path.clone(),
            arn: new.arn.clone(),
            trust: new.trust.clone(),
            tags: new.tags.clone(),
            permissions_boundary: new.permissions_boundary.clone(),
            description: Some(new.description.clone()),
            max_session: None,
            created_at: None,
            template: None,
        };
        let (attached, inline) = (Observed::Known(Vec::new()), Observed::Known(BTreeMap::new()));
        have.roles.insert(new.name.clone(), RoleState { role: Observed::Known(Some(role)), attached, inline });
        return;
    }
    if let Step::DeleteRole { role, .. } = step {
        have.roles.remove(role);
        have.leftover.roles.retain(|(doomed, _)| doomed.role.name != *role);
        return;
    }
    let Some(held) = step.role().and_then(|name| have.roles.get_mut(name)) else { return };
    match step {
        Step::PutPolicy { name, after, .. } => {
            if let Observed::Known(inline) = &mut held.inline {
                inline.insert(name.clone(), after.clone());
            }
        }
        Step::DeletePolicy { name, .. } => {
            if let Observed::Known(inline) = &mut held.inline {
                inline.remove(name);
            }
        }
        Step::AttachPolicy { policy_arn, .. } => {
            if let Observed::Known(attached) = &mut held.attached {
                attached.push(policy_arn.clone());
            }
        }
        Step::DetachPolicy { policy_arn, .. } => {
            if let Observed::Known(attached) = &mut held.attached {
                attached.retain(|arn| arn != policy_arn);
            }
        }
        _ => {}
    }
    if let Observed::Known(Some(role)) = &mut held.role {
        step.carry_into(role);
    }
}

impl Step {
    /// What it leaves of the role that it is about, beside that role's policies.
    pub fn carry_into(&self, role: &mut Role) {
        match self {
            Self::PutTrust { after, .. } => role.trust = after.clone(),
            Self::PutTargetTrust { after, .. } => role.trust = target::with_external_id(after, ""),
            Self::TagRole { tags, .. } => role.tags.extend(tags.clone()),
            Self::UntagRole { keys, .. } => role.tags.retain(|key, _| !keys.contains(key)),
            Self::PutBoundary { after, .. } => role.permissions_boundary.clone_from(after),
            _ => {}
        }
    }
}

fn made(cluster: &str, new: &NewAssociation) -> Association {
    Association {
        summary: AssociationSummary {
            cluster_name: cluster.to_owned(),
            subject: new.subject.clone(),
            association_arn: String::new(),
            association_id: String::new(),
            owner_arn: None,
        },
        role_arn: String::new(),
        target_role_arn: None,
        external_id: None,
        disable_session_tags: false,
        policy: None,
        tags: BTreeMap::new(),
        created_at: None,
        modified_at: None,
    }
    .with(new.spec.clone())
}
