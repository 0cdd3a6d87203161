//! Plans the association itself: created, updated in the fields that differ, or left alone.

use super::{Plan, Refusal, Step, role::Planned};
use crate::model::{
    association::{Association, AssociationChange, NewAssociation},
    document::Document,
    have::{Have, Seen},
    policy::{placeholders, same_meaning},
    tags,
    want::{Field, Want},
};

pub(super) fn plan(want: &Want, have: &Have, role: &Planned, plan: &mut Plan) -> Result<(), Refusal> {
    for warning in want.session_policy.set().into_iter().flat_map(|policy| placeholders("session policy", policy)) {
        plan.warn(warning);
    }
    match &have.association {
        Seen::Read(Some(association)) => existing(want, association, role, plan),
        Seen::Read(None) => {
            let mut all = want.tags.clone();
            all.extend(tags::own(&want.cluster, &want.subject));
            plan.steps.push(Step::CreateAssociation {
                cluster: want.cluster.name.clone(),
                association: NewAssociation {
                    subject: want.subject.clone(),
                    role_arn: role.arn.to_string(),
                    disable_session_tags: want.disable_session_tags.set().copied().unwrap_or_default(),
                    target_role_arn: want.target_role.set().map(ToString::to_string),
                    policy: want.session_policy.set().map(|document| document.0.to_string()),
                    tags: all,
                },
            });
            Ok(())
        }
        // What was not read is never taken for nothing: a create would fail, or an update be missed.
        Seen::NotAsked => Err(Refusal::new(format!("the association of {} was not read", want.subject))),
        Seen::Unreadable(why) => Err(Refusal::new(format!("cannot read the association of {}: {why}", want.subject))),
    }
}

fn existing(want: &Want, association: &Association, role: &Planned, plan: &mut Plan) -> Result<(), Refusal> {
    let summary = &association.summary;
    let role_arn = Some(role.arn.to_string()).filter(|arn| *arn != association.role_arn);
    let disable_session_tags = match want.disable_session_tags {
        Field::Set(wanted) => Some(wanted),
        Field::Cleared => Some(false),
        Field::Unmanaged => None,
    }
    .filter(|wanted| *wanted != association.disable_session_tags);
    let missing: std::collections::BTreeMap<String, String> = want
        .tags
        .iter()
        .filter(|(key, value)| association.tags.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let change = AssociationChange {
        role_arn,
        disable_session_tags,
        target_role_arn: target(want, association),
        policy: policy(want, association),
    };
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
            plan.steps.push(Step::ReplaceAssociation {
                cluster: want.cluster.name.clone(),
                association_id: summary.association_id.clone(),
                from_role: association.role_arn.clone(),
                association: Box::new(replacement(want, association, change)),
            });
            return Ok(());
        }
        if let (Some(_), Some(target), None) = (&change.role_arn, &association.target_role_arn, &change.target_role_arn)
        {
            plan.warn(format!("the association's target role stays {target}: the new role must be able to assume it"));
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

/// The target role to send: empty to have none.
fn target(want: &Want, association: &Association) -> Option<String> {
    match &want.target_role {
        Field::Unmanaged => None,
        Field::Set(arn) => Some(arn.to_string()).filter(|arn| association.target_role_arn.as_ref() != Some(arn)),
        Field::Cleared => association.target_role_arn.as_ref().map(|_| String::new()),
    }
}

/// The session policy to send: empty to have none. One of the same meaning is no change.
fn policy(want: &Want, association: &Association) -> Option<String> {
    match &want.session_policy {
        Field::Unmanaged => None,
        Field::Set(wanted) => {
            let present = association.policy.as_deref().and_then(|text| serde_json::from_str(text).ok()).map(Document);
            let same = present.is_some_and(|present| same_meaning(&present, wanted));
            (!same).then(|| wanted.0.to_string())
        }
        Field::Cleared => association.policy.as_ref().map(|_| String::new()),
    }
}

/// The association as it is, with the change made: what a delete takes is given back.
fn replacement(want: &Want, association: &Association, change: AssociationChange) -> NewAssociation {
    let changed = |new: Option<String>, old: &Option<String>| match new {
        Some(new) => Some(new).filter(|new| !new.is_empty()),
        None => old.clone(),
    };
    let mut tags = association.tags.clone();
    tags.extend(want.tags.clone());
    NewAssociation {
        subject: want.subject.clone(),
        role_arn: change.role_arn.unwrap_or_else(|| association.role_arn.clone()),
        disable_session_tags: change.disable_session_tags.unwrap_or(association.disable_session_tags),
        target_role_arn: changed(change.target_role_arn, &association.target_role_arn),
        policy: changed(change.policy, &association.policy),
        tags,
    }
}

/// What an EKS add-on owns is changed through the add-on (EKS User Guide, add-ons-iam).
fn owned(want: &Want, owner: &str, role: &Planned) -> Refusal {
    // arn:…:addon/CLUSTER/ADDON/UUID
    let addon = owner.split('/').nth(2).unwrap_or("ADDON");
    Refusal::new(format!("the association of {} belongs to the EKS add-on `{addon}` ({owner})", want.subject)).hint(format!(
        "change it there: `aws eks update-addon --cluster-name {} --addon-name {addon} \
         --pod-identity-associations serviceAccount={},roleArn={}` (the list replaces all of the add-on's associations)",
        want.cluster.name, want.subject.name, role.arn
    ))
}
