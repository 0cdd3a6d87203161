//! Plans `associate`: agent, service account, role, permissions, association, restarts, in that order.
//! Each part's rules are in its own file.

use super::{Plan, Refusal, Step, agent, association, policies, restart, role, target};
use crate::model::{
    have::{Have, Seen, ServiceAccountState},
    want::Want,
};

/// Plans one association.
///
/// # Errors
/// When it is refused before any write.
pub fn associate(want: &Want, have: &Have) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    agent::plan(want, have, &mut plan)?;
    service_account(want, have, &mut plan)?;
    let role = role::plan(want, have, &mut plan)?;
    policies::plan(want, have, &role, &mut plan)?;
    target::plan(want, have, &role, role::session_tags(want, have), &mut plan)?;
    association::plan(want, have, &role, &mut plan)?;
    irsa(have, &role, &mut plan);
    restart::plan(want, have, &mut plan);
    plan.warn_of_empty_roles();
    plan.steps.sort_by_key(Step::stage);
    Ok(plan)
}

/// The service account itself: created only when asked for, since a name typed wrong must not become a new one.
pub(super) fn service_account(want: &Want, have: &Have, plan: &mut Plan) -> Result<(), Refusal> {
    let subject = &want.subject;
    let near = |near: &[String], namespaced: bool| {
        let names: Vec<String> = near
            .iter()
            .map(|name| if namespaced { format!("`{}/{name}`", subject.namespace) } else { format!("`{name}`") })
            .collect();
        if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) }
    };
    match &have.service_account {
        Seen::NotAsked | Seen::Read(ServiceAccountState::Exists { .. }) => {}
        Seen::Unreadable(why) => {
            plan.warn(format!("service account {subject} not checked: {why}"));
            if want.create_service_account {
                // Creating one that exists is no error, so that not knowing does no harm.
                plan.steps.push(Step::CreateServiceAccount { subject: subject.clone() });
            }
        }
        Seen::Read(ServiceAccountState::Missing { .. }) if want.create_service_account => {
            plan.steps.push(Step::CreateServiceAccount { subject: subject.clone() });
        }
        Seen::Read(ServiceAccountState::Missing { near: names }) => plan.warn(format!(
            "service account {subject} does not exist: the association takes effect once it does{}",
            near(names, true)
        )),
        Seen::Read(ServiceAccountState::NoNamespace { near: names }) if want.create_service_account => {
            return Err(Refusal::new(format!(
                "namespace `{}` does not exist{}",
                subject.namespace,
                near(names, false)
            ))
            .hint(format!("create it: `kubectl create namespace {}`", subject.namespace)));
        }
        Seen::Read(ServiceAccountState::NoNamespace { near: names }) => plan.warn(format!(
            "namespace `{}` does not exist: the association takes effect once it and the service account do{}",
            subject.namespace,
            near(names, false)
        )),
    }
    Ok(())
}

/// An IRSA annotation loses against an association (amazon-eks-pod-identity-webhook: "Container credentials method takes
/// precedence"): creating the association changes what the workload acts as, with no change to the workload.
pub(super) fn irsa(have: &Have, role: &role::Planned, plan: &mut Plan) {
    let Seen::Read(ServiceAccountState::Exists { irsa_role: Some(from) }) = &have.service_account else { return };
    if !plan.steps.iter().any(|step| matches!(step, Step::CreateAssociation { .. })) {
        return;
    }
    let to = role.arn.to_string();
    plan.updates = true;
    if *from == to {
        plan.warn(format!("pods switch from IRSA to Pod Identity at their next restart, with the same role {to}"));
    } else {
        plan.warn(format!("pods switch from role {from} (IRSA) to role {to} at their next restart"));
    }
}
