//! Plans `associate`: agent, service account, role, permissions, association, restarts, in that order.
//! Each part's rules are in its own file.

use super::{
    Plan, Refusal, Step, agent, association, missing,
    policies::{self, Policies},
    restart, role, target,
};
use crate::model::{
    have::{Have, Observed, ServiceAccountState},
    policy,
    want::{Provenance, Want, Wanted},
};

/// Plans one association.
///
/// # Errors
/// When it is refused before any write.
pub fn associate(want: &Want, have: &Have) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    names(want, have, &mut plan)?;
    agent::plan(want, have, &mut plan)?;
    let role = role::plan(want, have, &mut plan)?;
    grants(want, have, &role, &mut plan)?;
    target::plan(want, have, &role, role::session_tags(want, have), &mut plan)?;
    association::plan(want, have, &role, &mut plan)?;
    irsa(have, &role, &mut plan);
    restart::plan(want, have, &mut plan);
    plan.finish();
    Ok(plan)
}

/// A name typed wrong must not become a role, a policy or an association.
fn names(want: &Want, have: &Have, plan: &mut Plan) -> Result<(), Refusal> {
    let account = missing::Account {
        subject: &want.subject,
        state: &have.service_account,
        associated: have.association.known().is_some_and(Option::is_some),
        create: want.create_service_account,
        allow: want.allow.service_account,
        creating: "pass `--create-service-account`".to_owned(),
    };
    let before = have.inline.known().and_then(|inline| inline.get(policy::DYNAMODB));
    missing::all([
        missing::service_account(&account, plan),
        missing::tables(&want.role.tables, before, want.allow.resources, plan),
    ])
}

/// What the role has to allow at least.
fn grants(want: &Want, have: &Have, role: &role::Planned, plan: &mut Plan) -> Result<(), Refusal> {
    let wanted = &want.role;
    let target = want.target_role.set().map(ToString::to_string);
    let policies = policies::policies(&Policies {
        managed: Wanted::AtLeast(&wanted.policy_arns),
        tables: Wanted::AtLeast(&wanted.tables),
        grants: Wanted::AtLeast(&wanted.grants),
        add_ons: Wanted::AtLeast(&wanted.add_ons),
        documents: Wanted::AtLeast(&wanted.policy_files),
        targets: target.as_deref().as_slice(),
        exact: wanted.exact,
        allow_missing: want.allow.resources,
        ..Policies::keep(&role.name, role.holder, (&have.attached, &have.inline), Provenance::Flags)
    })?;
    plan.merge(policies);
    Ok(())
}

/// An IRSA annotation loses against an association (amazon-eks-pod-identity-webhook: "Container credentials method takes
/// precedence"): creating the association changes what the workload acts as, with no change to the workload.
pub(super) fn irsa(have: &Have, role: &role::Planned, plan: &mut Plan) {
    let Observed::Known(ServiceAccountState::Exists { irsa_role: Some(from) }) = &have.service_account else { return };
    let new = |step: &Step| match step {
        Step::CreateAssociation { .. } => true,
        Step::UpdateAddon(step) => step.before.is_none(),
        _ => false,
    };
    if !plan.steps.iter().any(new) {
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
