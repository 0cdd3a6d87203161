//! Plans `disassociate`: the association, podid's trust statement for it, the role when that is asked for, and restarts.

use std::collections::BTreeMap;

use super::{Plan, Refusal, Step, addon, restart, role_delete};
use crate::model::{
    addon::OwningAddon,
    arn::Arn,
    association::{Association, add_on},
    cluster::Cluster,
    document::Document,
    have::Observed,
    names::ServiceAccount,
    ownership,
    role::{Role, RoleContents},
    role_users::Usage,
    trust,
    workload::{Pod, Workload},
};

/// One service account that is to lose its association.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which.
    pub subject: ServiceAccount,
    /// Its association; `None` when it has none.
    pub association: Option<Association>,
    /// Its pods.
    pub pods: Observed<Vec<Pod>>,
    /// Its workloads.
    pub workloads: Observed<Vec<Workload>>,
}

/// A role of the associations that go, and who else uses it.
#[derive(Debug, Clone)]
pub struct RoleUse {
    /// Name.
    pub name: String,
    /// The role; `None` when it is gone.
    pub role: Observed<Option<Role>>,
    /// What has to go before it, read when it is to be deleted.
    pub doomed: Option<RoleContents>,
    /// Who would go on using it.
    pub usage: Usage,
}

/// What becomes of the roles of associations that end, where nothing else uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleRoles {
    /// They stay, and the caller sees to them.
    Kept,
    /// They stay, with a warning that `--delete-role` deletes them.
    Reported,
    /// Those that podid made are deleted.
    Deleted,
}

/// What `disassociate` is asked, and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Disassociate<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The service accounts.
    pub targets: &'a [Target],
    /// The roles of their associations (and, where they are deleted, those that an interrupted run left), by ARN.
    pub roles: &'a BTreeMap<String, RoleUse>,
    /// The add-on that owns the associations, where they go through it.
    pub addon: Option<&'a OwningAddon>,
    /// What becomes of roles that nothing would use then.
    pub idle_roles: IdleRoles,
    /// Delete a role also when not everybody who may use it could be looked for.
    pub force: bool,
    /// Restart what still has the credentials.
    pub recycle: bool,
}

/// Plans the end of associations.
///
/// # Errors
/// When an add-on owns one that it is not asked for, or a role may not be deleted.
pub fn disassociate(ask: &Disassociate<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    for target in ask.targets {
        let Some(association) = &target.association else { continue };
        if let Some(owning) = ask.addon {
            addon::disassociate(ask.cluster, owning, (&target.subject, association), &mut plan)?;
            // EKS restarts them.
            using(target, true, &mut plan);
            continue;
        }
        if let Some(owner) = &association.summary.owner_arn {
            return Err(owned(ask.cluster, &target.subject, owner));
        }
        plan.steps.push(Step::DeleteAssociation {
            cluster: ask.cluster.name.clone(),
            association_id: association.summary.association_id.clone(),
            subject: target.subject.clone(),
            role_arn: association.role_arn.clone(),
        });
        using(target, ask.recycle, &mut plan);
    }
    for (arn, found) in ask.roles {
        role(ask, arn, found, &mut plan)?;
    }
    if ask.recycle {
        for target in ask.targets {
            restarts(target, &mut plan);
        }
    }
    plan.finish();
    Ok(plan)
}

/// What an EKS add-on owns is changed through the add-on (EKS User Guide, add-ons-iam).
fn owned(cluster: &Cluster, subject: &ServiceAccount, owner: &str) -> Refusal {
    let addon = add_on(owner).unwrap_or("ADDON");
    Refusal::new(format!("the association of {subject} belongs to the EKS add-on `{addon}` ({owner})")).hint(format!(
        "delete it there: `podid addon disassociate {addon} --service-account {} --cluster {}`",
        subject.name, cluster.name
    ))
}

fn using(target: &Target, recycle: bool, plan: &mut Plan) {
    match &target.pods {
        Observed::NotRequested => {}
        Observed::Unreadable(why) => plan.warn(format!("pods of {} not checked: {why}", target.subject)),
        Observed::Known(pods) => {
            let using: Vec<&str> =
                pods.iter().filter(|pod| pod.live() && pod.has_credentials()).map(|pod| pod.name.as_str()).collect();
            if using.is_empty() || recycle {
                return;
            }
            plan.warn(format!(
                "{} of {} still {} it, and {} credentials for up to 6 hours: {}",
                crate::model::text::count(using.len(), "running pod"),
                target.subject,
                if using.len() == 1 { "uses" } else { "use" },
                if using.len() == 1 { "keeps its" } else { "keep their" },
                crate::model::text::listed(&using, 3),
            ));
        }
    }
}

/// podid's statements for these service accounts leave the trust policy; or the whole role goes.
fn role(ask: &Disassociate<'_>, arn: &str, found: &RoleUse, plan: &mut Plan) -> Result<(), Refusal> {
    let name = &found.name;
    let role = match &found.role {
        Observed::Known(Some(role)) => role,
        Observed::Known(None) => {
            plan.warn(format!("role `{name}` no longer exists"));
            return Ok(());
        }
        Observed::NotRequested => return Ok(()),
        Observed::Unreadable(why) if ask.idle_roles == IdleRoles::Deleted => {
            return Err(Refusal::denied(format!("cannot determine whether role `{name}` can be deleted: {why}"))
                .hint("omit `--delete-role` to delete only the association"));
        }
        Observed::Unreadable(why) => {
            plan.warn(format!("trust policy of role `{name}` not checked: {why}"));
            return Ok(());
        }
    };
    if ask.idle_roles == IdleRoles::Deleted {
        return delete(ask, role, found, plan);
    }
    // A service account without association is here only for what an interrupted run left in its role.
    let leaving = ask.targets.iter().filter(|t| t.association.as_ref().is_none_or(|a| a.role_arn == arn));
    let mut after = role.trust.clone();
    for target in leaving {
        after = trust::without_statement(&after, ask.cluster, &target.subject);
        if let Some(taken) = trust::taken(&role.trust, ask.cluster, &target.subject) {
            plan.warn(format!(
                "the trust policy of role `{name}` may still allow {}: {taken}, so podid does not remove it",
                target.subject
            ));
        }
    }
    if after == role.trust {
        return Ok(());
    }
    // A deleted principal's statement goes too, and is none to keep the document for.
    if trust::without_deleted(&after).0.statements().is_empty() {
        if ask.idle_roles == IdleRoles::Reported {
            plan.warn(format!(
                "keeping role `{name}` and its trust policy, which would have no statements left: pass `--delete-role` to delete the role too"
            ));
        }
        return Ok(());
    }
    plan.put_trust(role, after);
    Ok(())
}

/// What goes by implication must be podid's own, created for this cluster, and nobody else's.
fn delete(ask: &Disassociate<'_>, role: &Role, found: &RoleUse, plan: &mut Plan) -> Result<(), Refusal> {
    let (name, home) = (&found.name, &ask.cluster.arn);
    if let Some(why) = ownership::not_created_for(&role.tags, home) {
        return Err(Refusal::new(format!(
            "podid did not create role `{name}` for cluster {} ({why})",
            ask.cluster.name
        ))
        .hint("omit `--delete-role`"));
    }
    let mut usage = found.usage.clone();
    usage.doubts.extend(others(ask, &role.trust));
    let end = |_: &_| "omit `--delete-role`, or disassociate those too".to_owned();
    if let Some(warning) = role_delete::unused(name, &usage, ask.force, end)? {
        plan.warn(warning);
    }
    if let Some(doomed) = &found.doomed {
        plan.steps.extend(role_delete::delete_role(doomed, home, ask.force)?);
    }
    Ok(())
}

/// Whom the trust policy lets besides those that leave: who is named in it may be about to get an association.
fn others(ask: &Disassociate<'_>, trust: &Document) -> Vec<String> {
    let home = &ask.cluster.arn;
    let allowed = trust::allowed(trust);
    let stays = |(cluster, subject): &&(Arn, ServiceAccount)| {
        cluster == home && !ask.targets.iter().any(|target| target.subject == *subject)
    };
    let subjects =
        allowed.subjects.iter().filter(stays).map(|(_, subject)| format!("its trust policy still allows {subject}"));
    let statements = trust::reach(trust).open;
    subjects.chain(trust::other_clusters(&allowed, home)).chain(statements).collect()
}

fn restarts(target: &Target, plan: &mut Plan) {
    let (Some(pods), Some(workloads)) = (target.pods.known(), target.workloads.known()) else {
        let why = target.pods.unreadable().or(target.workloads.unreadable()).unwrap_or("not read");
        plan.warn(format!("nothing restarted for {}: {why}", target.subject));
        return;
    };
    restart::restarts(workloads, pods, &Pod::has_credentials, false, plan);
}
