//! Plans the association itself: created, updated in the fields that differ, or left alone.

use super::{Plan, Refusal, Step, addon, role::Planned};
use crate::model::{
    association::{Association, AssociationChange, AssociationSpec, NewAssociation, add_on},
    have::{Have, Observed},
    policy::placeholders,
    tags,
    want::Want,
};

pub(super) fn plan(want: &Want, have: &Have, role: &Planned, plan: &mut Plan) -> Result<(), Refusal> {
    if let Some(owning) = &want.addon {
        return addon::associate(want, owning, have, role, plan);
    }
    for warning in want.session_policy.set().into_iter().flat_map(|policy| placeholders("session policy", policy)) {
        plan.warn(warning);
    }
    match &have.association {
        Observed::Known(Some(association)) => existing(want, have, association, role, plan),
        Observed::Known(None) => {
            let mut spec = wanted(want, role, &AssociationSpec::default());
            spec.tags.extend(tags::association_tags(&want.cluster, &want.subject));
            plan.steps.push(Step::CreateAssociation {
                cluster: want.cluster.name.clone(),
                association: NewAssociation { subject: want.subject.clone(), spec },
            });
            Ok(())
        }
        // What was not read is never taken for nothing: a create would fail, or an update be missed.
        Observed::NotRequested => Err(Refusal::new(format!("the association of {} was not read", want.subject))),
        Observed::Unreadable(why) => {
            Err(Refusal::new(format!("cannot read the association of {}: {why}", want.subject)))
        }
    }
}

fn existing(
    want: &Want,
    have: &Have,
    association: &Association,
    role: &Planned,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let summary = &association.summary;
    let present = association.spec();
    let spec = wanted(want, role, &present);
    let (change, missing) = (present.diff(&spec), present.missing_tags(&spec));
    let changes = change != AssociationChange::default();
    if !changes && missing.is_empty() {
        return Ok(());
    }
    if let Some(owner) = &summary.owner_arn {
        return Err(owned(want, owner, role));
    }
    if change.disable_session_tags == Some(false) && association.policy.is_some() && change.policy.is_none() {
        return Err(Refusal::new(format!(
            "the association of {} has a session policy, which needs session tags to be disabled",
            want.subject
        )));
    }
    if changes {
        let clears = [&change.target_role_arn, &change.policy].iter().any(|field| field.as_deref() == Some(""));
        if want.replace && clears {
            keeps_workload_identity(want, have, plan)?;
            plan.steps.push(Step::ReplaceAssociation {
                cluster: want.cluster.name.clone(),
                association_id: summary.association_id.clone(),
                from_role: association.role_arn.clone(),
                association: Box::new(NewAssociation { subject: want.subject.clone(), spec }),
            });
            return Ok(());
        }
        if let (Some(_), Some(target), None) = (&change.role_arn, &association.target_role_arn, &change.target_role_arn)
        {
            plan.warn(format!(
                "the association keeps its target role {target}: the new role must be able to assume it"
            ));
        }
        plan.steps.push(Step::UpdateAssociation {
            cluster: want.cluster.name.clone(),
            association_id: summary.association_id.clone(),
            subject: want.subject.clone(),
            from_role: association.role_arn.clone(),
            change,
        });
    }
    if !missing.is_empty() {
        plan.steps.push(Step::TagAssociation {
            association_arn: summary.association_arn.clone(),
            subject: want.subject.clone(),
            tags: missing,
        });
    }
    Ok(())
}

/// EKS neither shows nor copies the configuration of a SPIFFE workload identity: only the pods show that the association has one.
fn keeps_workload_identity(want: &Want, have: &Have, plan: &mut Plan) -> Result<(), Refusal> {
    if have.pods.known().is_none() {
        plan.warn("the pods were not read: if the association has a SPIFFE workload identity, it is deleted with it");
    }
    let pods = have.pods.known().into_iter().flatten();
    match pods.into_iter().find(|pod| pod.live() && pod.spec.has_workload_identity()) {
        None => Ok(()),
        Some(pod) => Err(Refusal::new(format!(
            "replacing the association of {} would delete its SPIFFE workload identity, which pod {} uses and which EKS gives no way \
             to read back",
            want.subject, pod.name
        ))
        .hint(format!("if it is no longer needed: `podid disassociate {}`, and associate it again", want.subject))),
    }
}

/// What the association says once the plan is carried out: as it is now, but for what was asked for.
fn wanted(want: &Want, role: &Planned, present: &AssociationSpec) -> AssociationSpec {
    let mut tags = present.tags.clone();
    tags.extend(want.tags.clone());
    AssociationSpec {
        role_arn: role.arn.to_string(),
        disable_session_tags: want.disable_session_tags.over(Some(present.disable_session_tags)).unwrap_or_default(),
        target_role_arn: want.target_role.map(ToString::to_string).over(present.target_role_arn.clone()),
        policy: want.session_policy.map(|document| document.0.to_string()).over(present.policy.clone()),
        tags,
    }
}

/// What an EKS add-on owns is changed through the add-on (EKS User Guide, add-ons-iam).
fn owned(want: &Want, owner: &str, role: &Planned) -> Refusal {
    let addon = add_on(owner).unwrap_or("ADDON");
    let Want { subject, cluster, .. } = want;
    let (account, name, role) = (&subject.name, &cluster.name, &role.arn);
    Refusal::new(format!("the association of {subject} belongs to the EKS add-on `{addon}` ({owner})")).hint(format!(
        "change it there: `podid addon associate {addon} --service-account {account} --role {role} --cluster {name}`"
    ))
}
