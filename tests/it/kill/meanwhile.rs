//! Someone else changes the same thing at the same time: podid says so, and does not overwrite what it has not seen.

use std::time::Duration;

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::{ready, wait_for};
use crate::support::{Env, Run, finish};

/// The role that podid makes for carts.
const NAME: &str = "carts-role";
const MAKE: &str = "associate carts/carts --create-role --role carts-role --yes";
/// podid's own role with another scope: an update of its trust policy.
const RESCOPE: &str = "associate carts/carts --create-role --role carts-role --scope cluster --yes";

/// A world in which podid associated carts, with nothing in its journal.
fn associated() -> Env {
    let env = ready(&[]);
    let _ = env.podid(MAKE).ok();
    env.world.journal().clear();
    env
}

fn trust(env: &Env) -> Value {
    env.world.with(|state| serde_json::from_str(&state.aws.roles[NAME].trust).unwrap())
}

/// Adds a statement as an administrator would.
fn someone_writes(env: &Env) -> Value {
    let mut document = trust(env);
    let statement =
        json!({ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" });
    document["Statement"].as_array_mut().unwrap().push(statement);
    env.world.with(|state| state.aws.roles.get_mut(NAME).unwrap().set_trust(&document));
    document
}

/// Delays the GetRole after `skip` others, and changes the trust policy before it is answered.
fn changed_before_read(skip: u64) -> (Env, Value, Run) {
    let env = associated();
    let delay = Action::Hold(Duration::from_secs(2));
    env.world.faults().add(Fault { skip, ..Fault::once("iam", "GetRole", delay) });
    let child = env.begin(RESCOPE);
    wait_for(&env, "iam", "GetRole", usize::try_from(skip).unwrap() + 1);
    let document = someone_writes(&env);
    let run = finish(child);
    (env, document, run)
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_trust_policy_between_plan_and_write_is_not_overwritten() {
    let (env, theirs, run) = changed_before_read(1);
    let run = run.code(1).says("was modified concurrently").says("its trust policy was changed");
    assert_eq!(trust(&env), theirs, "{run}");
    assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{run}");
    // Run again, it plans from what is there, and keeps the other's statement.
    let run = env.podid(RESCOPE).ok();
    assert!(trust(&env).to_string().contains("lambda.amazonaws.com"), "{run}");
    assert!(trust(&env).to_string().contains("aws:SourceArn") || trust(&env) != theirs, "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_trust_policy_right_after_the_write_is_reported() {
    let (env, theirs, run) = changed_before_read(2);
    let run =
        run.code(1).says("was modified concurrently").says("it was modified concurrently, just after podid's write");
    assert_eq!(trust(&env), theirs, "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_trust_policy_that_nobody_else_changes_is_written_once() {
    let env = associated();
    let run = env.podid(RESCOPE).ok();
    assert_eq!(env.world.journal().writes(), ["iam UpdateAssumeRolePolicy"], "{run}");
    let run = env.podid(RESCOPE).ok().says("nothing to change");
    assert_eq!(env.world.journal().writes().len(), 1, "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn an_inline_policy_is_not_overwritten() {
    let env = ready(&[]);
    let grant = |access: &str| format!("{MAKE} --dynamodb eks-workshop-carts={access}");
    let _ = env.podid(&grant("read")).ok();
    env.world.journal().clear();
    let delay = Action::Hold(Duration::from_secs(2));
    env.world.faults().add(Fault { skip: 1, ..Fault::once("iam", "GetRolePolicy", delay) });
    let child = env.begin(&grant("full"));
    wait_for(&env, "iam", "GetRolePolicy", 2);
    let theirs = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    let name = env.world.with(|state| {
        let role = state.aws.roles.get_mut(NAME).unwrap();
        let name = role.inline.keys().next().unwrap().clone();
        role.inline.insert(name.clone(), theirs.clone());
        name
    });
    let run = finish(child).code(1).says("was modified concurrently");
    assert_eq!(env.world.with(|state| state.aws.roles[NAME].inline[&name].clone()), theirs, "{run}");
    assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn an_association_that_was_made_meanwhile_with_another_role() {
    let other = ready(&[(
        "/associations",
        json!([{ "namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/theirs" }]),
    )]);
    let theirs = other.world.with(|state| state.aws.association("carts", "carts").unwrap().clone());
    let env = ready(&[]);
    let delay = Action::Hold(Duration::from_secs(2));
    env.world.faults().add(Fault::once("eks", "CreatePodIdentityAssociation", delay));
    let child = env.begin(MAKE);
    wait_for(&env, "eks", "CreatePodIdentityAssociation", 1);
    env.world.with(|state| state.aws.associations.insert(theirs.id.clone(), theirs.clone()));
    // The role was written before.
    let run = finish(child).code(6).says("associated with arn:aws:iam::111122223333:role/theirs concurrently");
    let role = env.world.with(|state| state.aws.association("carts", "carts").unwrap().role_arn.clone());
    assert_eq!(role, theirs.role_arn, "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn an_association_whose_role_was_changed_meanwhile_is_not_updated() {
    let env = associated();
    env.world.journal().clear();
    let delay = Action::Hold(Duration::from_secs(2));
    env.world.faults().add(Fault { skip: 1, ..Fault::once("eks", "DescribePodIdentityAssociation", delay) });
    let child = env.begin("associate carts/carts --create-role --role second --yes");
    wait_for(&env, "eks", "DescribePodIdentityAssociation", 2);
    let theirs = "arn:aws:iam::111122223333:role/theirs";
    env.world.with(|state| {
        for association in state.aws.associations.values_mut() {
            theirs.clone_into(&mut association.role_arn);
        }
    });
    let run = finish(child).code(6).says("was modified concurrently").says(theirs);
    assert_eq!(env.world.journal().writes(), ["iam CreateRole"], "{run}");
}

/// IAM may show for a while what was there before podid's write.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_trust_policy_that_iam_shows_late_is_nobody_elses() {
    let env = associated();
    let delay = Action::Hold(Duration::from_secs(1));
    env.world.faults().add(Fault { skip: 2, times: 2, ..Fault::once("iam", "GetRole", delay) });
    let before = trust(&env);
    let child = env.begin(RESCOPE);
    wait_for(&env, "iam", "GetRole", 3);
    let after = trust(&env);
    assert_ne!(before, after);
    env.world.with(|state| state.aws.roles.get_mut(NAME).unwrap().set_trust(&before));
    wait_for(&env, "iam", "GetRole", 4);
    env.world.with(|state| state.aws.roles.get_mut(NAME).unwrap().set_trust(&after));
    let run = finish(child).ok();
    assert_eq!(env.world.journal().writes(), ["iam UpdateAssumeRolePolicy"], "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn an_inline_policy_that_someone_makes_meanwhile_is_not_overwritten() {
    let env = associated();
    let theirs = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    let delay = Action::Hold(Duration::from_secs(2));
    env.world.faults().add(Fault::once("iam", "GetRolePolicy", delay));
    let child = env.begin(&format!("{MAKE} --dynamodb eks-workshop-carts"));
    wait_for(&env, "iam", "GetRolePolicy", 1);
    env.world.with(|state| {
        state.aws.roles.get_mut(NAME).unwrap().inline.insert("podid-dynamodb".to_owned(), theirs.clone())
    });
    let run = finish(child).code(1).says("was modified concurrently");
    assert_eq!(env.world.with(|state| state.aws.roles[NAME].inline["podid-dynamodb"].clone()), theirs, "{run}");
    assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{run}");
}
