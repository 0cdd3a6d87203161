//! Plans a migration from IRSA, role by role: podid's statement beside that of IRSA, the associations, the restarts. What
//! IRSA needs is not touched: pods that run keep it until they are restarted.

use std::collections::BTreeMap;

use super::{Plan, Refusal, Step, associate};
use crate::model::{
    arn::{Arn, RoleRef, last},
    cluster::Cluster,
    document::Document,
    have::{Have, Observed, ServiceAccountState},
    migration::Candidate,
    names::ServiceAccount,
    role::Role,
    trust::{self, Request, Unfixable, Verdict},
    want::{Allowed, Field, Scope, Want, WantRole},
};

/// What `migrate run` is asked, and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Migrate<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The service accounts that move, with all that was read of them.
    pub candidates: &'a [&'a Candidate],
    /// The version of the agent to install where there is none.
    pub install_agent: Option<&'a str>,
}

/// The service accounts of one role: its trust policy is written once for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The role.
    pub role: Arn,
    /// Whose it is.
    pub subjects: Vec<ServiceAccount>,
    /// What is written, in the order of execution.
    pub plan: Plan,
}

/// A migration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// The agent, before anything else.
    pub agent: Option<Step>,
    /// One role after the other.
    pub groups: Vec<Group>,
}

impl Migrated {
    /// All of it as one plan, in the order of execution.
    pub fn whole(&self) -> Plan {
        let mut all = Plan { steps: self.agent.iter().cloned().collect(), ..Plan::default() };
        for group in &self.groups {
            all.merge(group.plan.clone());
        }
        all
    }
}

/// Plans the migration of service accounts that can move.
///
/// # Errors
/// When one of them cannot, after all.
pub fn migrate(ask: &Migrate<'_>) -> Result<Migrated, Refusal> {
    let mut roles: BTreeMap<(bool, &str), Vec<&Candidate>> = BTreeMap::new();
    let in_system = |candidate: &&&Candidate| candidate.snapshot.subject.namespace == "kube-system";
    let systems: Vec<&str> =
        ask.candidates.iter().filter(in_system).map(|candidate| candidate.annotation.role.as_str()).collect();
    for candidate in ask.candidates {
        // On what runs in kube-system, others depend: it comes last, with all that share its role, as the trust policy is
        // written once.
        let system = systems.contains(&candidate.annotation.role.as_str());
        roles.entry((system, &candidate.annotation.role)).or_default().push(candidate);
    }
    let mut all = Migrated::default();
    for candidates in roles.into_values() {
        let group = group(ask, &candidates, &mut all.agent)?;
        if !group.plan.is_empty() || !group.plan.watch.is_empty() {
            all.groups.push(group);
        }
    }
    // As the whole of it is shown.
    let several = all.whole().spread();
    for step in all.groups.iter_mut().flat_map(|group| &mut group.plan.steps) {
        if let Step::Restart { spread, .. } = step {
            *spread = several;
        }
    }
    Ok(all)
}

fn group(ask: &Migrate<'_>, candidates: &[&Candidate], agent: &mut Option<Step>) -> Result<Group, Refusal> {
    let role = role(candidates)?;
    let after = trust(ask.cluster, role, candidates)?;
    let mut plan = Plan { updates: true, ..Plan::default() };
    if after != role.trust {
        plan.put_trust(role, after.clone());
    }
    let trusting = Role { trust: after, ..role.clone() };
    for candidate in candidates {
        let planned = associate(&want(ask, candidate, &trusting), &have(candidate, &trusting));
        let mut one = planned.map_err(|mut refusal| {
            // A pod that has its access is not to be replaced by one that may have none.
            refusal.hints.retain(|hint| !hint.contains("--allow-missing-agent"));
            refusal
        })?;
        let (install, rest): (Vec<Step>, Vec<Step>) =
            one.steps.into_iter().partition(|step| matches!(step, Step::InstallAgent { .. }));
        *agent = agent.take().or(install.into_iter().next());
        one.steps = rest;
        plan.merge(one);
    }
    plan.steps.sort_by_key(Step::stage);
    let subjects = candidates.iter().map(|it| it.snapshot.subject.clone()).collect();
    Ok(Group { role: role.arn.clone(), subjects, plan })
}

fn role<'a>(candidates: &[&'a Candidate]) -> Result<&'a Role, Refusal> {
    let Some(first) = candidates.first() else { return Err(Refusal::new("no service account was named")) };
    let name = last(&first.annotation.role);
    match &first.role.role {
        Observed::Known(Some(role)) => Ok(role),
        Observed::Known(None) => Err(Refusal::new(format!("role `{name}` does not exist"))),
        Observed::Unreadable(why) => Err(Refusal::denied(format!("role `{name}` could not be read: {why}"))),
        Observed::NotRequested => Err(Refusal::new(format!("role `{name}` was not read"))),
    }
}

/// The trust policy with podid's statement for each that needs one, beside all others.
fn trust(cluster: &Cluster, role: &Role, candidates: &[&Candidate]) -> Result<Document, Refusal> {
    let mut after = role.trust.clone();
    for candidate in candidates {
        let request = request(cluster, candidate);
        if let Some(with) = beside(role, &after, &request) {
            after = with.map_err(|why| {
                Refusal::new(format!("cannot add podid's statement to the trust policy of role `{}`: {why}", role.name))
            })?;
        } else if let Verdict::Unknown(reasons) = trust::evaluate(&after, &request) {
            let (name, subject, why) = (&role.name, request.subject, reasons.join("; "));
            return Err(Refusal::new(format!(
                "cannot determine whether the trust policy of role `{name}` allows {subject} by Pod Identity: {why}"
            ))
            .hint(format!("see its statements: `podid role trust {name} --service-account {subject}`")));
        }
    }
    Ok(after)
}

/// Whom EKS would assume the role of the annotation for.
pub fn request<'a>(cluster: &'a Cluster, candidate: &'a Candidate) -> Request<'a> {
    let snapshot = &candidate.snapshot;
    let session_tags = snapshot.associated().is_none_or(|association| !association.disable_session_tags);
    Request { cluster, subject: &snapshot.subject, session_tags, now: Some(snapshot.now), pod: None }
}

/// A trust policy with podid's statement for one service account beside what it has `so_far`; `None` where it needs none.
pub fn beside(role: &Role, so_far: &Document, request: &Request<'_>) -> Option<Result<Document, Unfixable>> {
    beside_in(role, so_far, request, trust::default_scope(request.session_tags))
}

/// The same with a statement of this scope.
pub(super) fn beside_in(
    role: &Role,
    so_far: &Document,
    request: &Request<'_>,
    scope: Scope,
) -> Option<Result<Document, Unfixable>> {
    if !matches!(trust::evaluate(so_far, request), Verdict::Refuses(_)) {
        return None;
    }
    Some(trust::correction(so_far, request, scope).and_then(|after| match trust::too_long(Some(&role.trust), &after) {
        Some(long) => Err(Unfixable::TooLong(long)),
        None => Ok(after),
    }))
}

fn want(ask: &Migrate<'_>, candidate: &Candidate, role: &Role) -> Want {
    Want {
        cluster: ask.cluster.clone(),
        subject: candidate.snapshot.subject.clone(),
        addon: None,
        role: WantRole {
            role: RoleRef::Arn(role.arn.clone()),
            create: false,
            adopt: false,
            derived: false,
            path: None,
            scope: None,
            boundary: None,
            tables: Vec::new(),
            grants: Vec::new(),
            add_ons: Vec::new(),
            policy_arns: Vec::new(),
            policy_files: Vec::new(),
            exact: false,
        },
        disable_session_tags: Field::Unmanaged,
        target_role: Field::Unmanaged,
        fix_target_trust: false,
        session_policy: Field::Unmanaged,
        replace: false,
        tags: BTreeMap::new(),
        create_service_account: false,
        allow: Allowed { service_account: false, resources: false },
        install_agent: ask.install_agent.map(str::to_owned),
        allow_missing_agent: false,
        recycle: true,
    }
}

/// What `associate` would have read, with the trust policy as it will be by then.
fn have(candidate: &Candidate, role: &Role) -> Have {
    let snapshot = &candidate.snapshot;
    Have {
        association: snapshot.association.clone(),
        role: Observed::Known(Some(role.clone())),
        agent: snapshot.cluster.agent.clone(),
        // That pods switch from IRSA is what is asked for here, and no news.
        service_account: Observed::Known(ServiceAccountState::Exists { irsa_role: None }),
        pods: snapshot.pods.clone(),
        workloads: snapshot.workloads.clone(),
        ..Have::default()
    }
}
