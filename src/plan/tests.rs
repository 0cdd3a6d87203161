//! The plan's rules as tables, and its properties. The rules of its parts are tested where they are.

mod addon;
mod associate;
mod disassociate;
mod migrate;
mod properties;
mod recycle;
mod target;
mod whole;

use super::*;
use crate::model::{
    association::Association,
    fixtures,
    have::{Have, Observed},
    role::Role,
    want::{Field, Want},
};

/// The plan's ids.
fn ids(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(Step::id).collect()
}

fn planned(want: &Want, have: &Have) -> Plan {
    associate(want, have).unwrap_or_else(|refusal| panic!("{refusal:#?}"))
}

fn refused(want: &Want, have: &Have) -> Refusal {
    match associate(want, have) {
        Ok(plan) => panic!("{plan:#?}"),
        Err(refusal) => refusal,
    }
}

/// Carries a step out on what is there, as the services would.
fn apply(step: &Step, have: &mut Have) {
    let arn = |role: &Role| role.arn.to_string();
    match step {
        Step::InstallAgent { version, .. } => {
            let Observed::Known(state) = &mut have.agent else { return };
            let names: Vec<String> = state.nodes.iter().map(|node| node.name.clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            *state = fixtures::agent(&state.nodes, &names);
            state.addon.as_mut().unwrap().version.clone_from(version);
        }
        Step::UpdateAgent { version, .. } => {
            let Observed::Known(state) = &mut have.agent else { return };
            state.addon.as_mut().unwrap().version.clone_from(version);
        }
        Step::UpdateAddon(step) => panic!("no add-on is asked for: {step:#?}"),
        Step::RemoveAgent { .. } => {
            let Observed::Known(state) = &mut have.agent else { return };
            state.addon = None;
        }
        Step::CreateServiceAccount { .. } | Step::RemoveAnnotation { .. } => {
            have.service_account = Observed::Known(crate::model::have::ServiceAccountState::Exists { irsa_role: None });
        }
        Step::CreateRole(new) => {
            assert!(have.role.known().unwrap().is_none(), "it exists");
            have.role = Observed::Known(Some(Role {
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
            }));
        }
        Step::PutTrust { before, after, .. } => {
            let role = role_mut(have);
            assert_eq!(role.trust, *before);
            role.trust = after.clone();
        }
        Step::TagRole { tags, .. } => role_mut(have).tags.extend(tags.clone()),
        Step::AttachPolicy { policy_arn, .. } => {
            let Observed::Known(attached) = &mut have.attached else { panic!() };
            attached.push(policy_arn.clone());
        }
        Step::PutPolicy { name, after, .. } => {
            let Observed::Known(inline) = &mut have.inline else { panic!() };
            inline.insert(name.clone(), after.clone());
        }
        Step::DetachPolicy { .. }
        | Step::UntagRole { .. }
        | Step::UntagAssociation { .. }
        | Step::PutBoundary { .. }
        | Step::DeletePolicy { .. }
        | Step::DeleteRole { .. }
        | Step::DeleteAssociation { .. } => {
            panic!("nothing is taken away by associating: {step:?}")
        }
        Step::CreateAssociation { association, .. } => {
            assert_eq!(association.spec.role_arn, arn(role_mut(have)));
            let mut made = fixtures::association("").with(association.spec.clone());
            (made.created_at, made.modified_at) = (Some(fixtures::at(100)), Some(fixtures::at(100)));
            have.association = Observed::Known(Some(made));
        }
        Step::UpdateAssociation { change, .. } => {
            let made = association_mut(have);
            *made = made.clone().with(made.spec().changed(change));
            made.modified_at = Some(fixtures::at(100));
        }
        Step::ReplaceAssociation { association, .. } => {
            let made = association_mut(have);
            *made = made.clone().with(association.spec.clone());
        }
        Step::PutTargetTrust { before, after, .. } => {
            let Observed::Known(Some(role)) = &mut have.target else { panic!() };
            assert_eq!(role.trust, *before);
            role.trust = after.clone();
        }
        Step::TagAssociation { tags, .. } => association_mut(have).tags.extend(tags.clone()),
        Step::RollBack { .. } => panic!("never planned: {step:?}"),
        Step::Restart { workload, .. } => {
            let workloads = have.workloads.known().unwrap().clone();
            restarted(workloads.iter().find(|w| w.id == *workload).unwrap(), have);
        }
    }
}

fn restarted(workload: &crate::model::workload::Workload, have: &mut Have) {
    let Observed::Known(pods) = &mut have.pods else { panic!() };
    for pod in pods.iter_mut().filter(|pod| workload.owns(pod)) {
        *pod = fixtures::pod(workload, &pod.name, true);
        pod.created_at = Some(fixtures::at(120));
    }
}

fn role_mut(have: &mut Have) -> &mut Role {
    match &mut have.role {
        Observed::Known(Some(role)) => role,
        other => panic!("{other:?}"),
    }
}

fn association_mut(have: &mut Have) -> &mut Association {
    match &mut have.association {
        Observed::Known(Some(association)) => association,
        other => panic!("{other:?}"),
    }
}

/// A want that creates its role under the derived name.
fn creating() -> Want {
    let name = crate::model::role::derived_name(&fixtures::cluster(), &fixtures::subject("carts/carts"));
    let mut want = fixtures::want(&name);
    want.role.create = true;
    want.role.derived = true;
    want
}

/// What is there once a want was carried out.
fn after(want: &Want, mut have: Have) -> Have {
    for step in planned(want, &have).steps {
        apply(&step, &mut have);
    }
    have
}

#[test]
fn step_names_are_stable() {
    let mut want = creating();
    want.role.policy_arns = vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()];
    want.role.tables = vec![crate::model::policy::parse_table("carts", "aws", "us-west-2", "111122223333").unwrap()];
    want.recycle = true;
    let plan = planned(&want, &fixtures::have());
    assert_eq!(
        ids(&plan),
        [
            "create-role",
            "attach-policy/arn:aws:iam::aws:policy/ReadOnlyAccess",
            "put-policy/podid-dynamodb",
            "create-association",
            "restart/carts/deployment/carts"
        ]
    );
    let lines: Vec<String> = plan.steps.iter().map(Step::describe).collect();
    let name = want.role.role.name();
    assert_eq!(
        lines,
        [
            format!("create role {name} (path /podid/)"),
            format!("attach arn:aws:iam::aws:policy/ReadOnlyAccess to role {name}"),
            format!("add inline policy podid-dynamodb to role {name}"),
            format!("associate carts/carts with role {name}"),
            "restart deployment/carts (2 replicas, RollingUpdate)".to_owned(),
        ]
    );
    for step in &plan.steps {
        assert_eq!(serde_json::to_value(step).unwrap()["action"], step.action());
    }
    assert!(!plan.changes() && plan.restarts());
    assert!(
        planned(&fixtures::want("x"), &{
            let mut have = fixtures::have();
            let trust = crate::model::trust::document(crate::model::trust::statement(
                &want.cluster,
                &want.subject,
                crate::model::want::Scope::None,
                true,
            ));
            have.role = Observed::Known(Some(fixtures::role("x", trust)));
            have.association = Observed::Known(Some(fixtures::association("arn:aws:iam::111122223333:role/old")));
            have
        })
        .changes()
    );
}
