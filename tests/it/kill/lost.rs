//! Answers that were lost: the write was carried out, and the connection closed instead of an answer.

use podid_sandbox::faults::{Action, Fault};

use super::{ASSOCIATE, assert_works, end, ready, restarts};
use crate::support::{Env, at_once};

/// A world in which the first CreatePodIdentityAssociation succeeds: IAM spreads at once.
fn world() -> Env {
    ready(&[("/delays", serde_json::json!({ "iam": 0 }))])
}

/// Strikes the first call of each operation, each in a world of its own, and compares the ends.
fn struck_once(action: &Action, operations: &[(&str, &str)]) {
    let env = world();
    let _ = env.podid(ASSOCIATE).ok();
    let undisturbed = end(&env);
    at_once(operations.len(), operations, |(service, operation)| {
        let env = world();
        env.world.faults().add(Fault::once(service, operation, action.clone()));
        let run = env.podid(ASSOCIATE);
        assert_eq!(run.code, 0, "{operation}\n{run}");
        assert_eq!(end(&env), undisturbed, "{operation}\n{run}");
        let times = env.world.journal().count(service, operation);
        let probe = *operation == "create pods (dry-run)";
        assert!(times == 2 || probe && times > 6, "{operation} {times}\n{run}");
        assert_works(&env, &run);
    });
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn the_answer_to_any_write_of_associate() {
    struck_once(
        &Action::DropAnswer,
        &[
            ("iam", "CreateRole"),
            ("iam", "PutRolePolicy"),
            ("eks", "CreatePodIdentityAssociation"),
            ("kubernetes", "patch deployments"),
        ],
    );
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn nothing_was_done_and_the_connection_was_lost() {
    struck_once(
        &Action::Drop,
        &[
            ("eks", "DescribeCluster"),
            ("iam", "CreateRole"),
            ("eks", "CreatePodIdentityAssociation"),
            ("kubernetes", "patch deployments"),
            ("kubernetes", "create pods (dry-run)"),
        ],
    );
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_restart_that_was_answered_late_is_not_a_second_one() {
    let env = ready(&[]);
    let _ = env.podid(ASSOCIATE).ok();
    let generation = |env: &Env| {
        env.world
            .with(|state| state.kube.get("deployments", "carts", "carts").unwrap()["metadata"]["generation"].clone())
    };
    let before = generation(&env).as_u64().unwrap();
    env.world.journal().clear();
    env.world.faults().add(Fault::once("kubernetes", "patch deployments", Action::DropAnswer));
    let run = env.podid("recycle carts/carts").ok().says("rolled out");
    assert_eq!(generation(&env).as_u64(), Some(before + 1), "{run}");
    assert_eq!(restarts(&env), 2);
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn the_answer_to_create_addon() {
    let env = Env::new("carts-before");
    env.world.faults().add(Fault::once("eks", "CreateAddon", Action::DropAnswer));
    let run = env.podid("agent install").ok().says("ready on 3 nodes");
    assert_eq!(env.world.journal().count("eks", "CreateAddon"), 2, "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn the_answer_to_a_new_service_account() {
    let env = ready(&[("/manifests/6", serde_json::Value::Null)]);
    env.world.faults().add(Fault::once("kubernetes", "create serviceaccounts", Action::DropAnswer));
    let run = env.podid("associate carts/carts --create-role --create-service-account --yes").ok();
    assert!(env.world.with(|state| state.kube.get("serviceaccounts", "carts", "carts").is_some()), "{run}");
    assert_eq!(env.world.journal().count("kubernetes", "create serviceaccounts"), 2, "{run}");
}

/// A lost answer makes "exists already" podid's own doing, but only a role with podid's tags is.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_role_that_someone_else_made_meanwhile_is_not_adopted() {
    let env = ready(&[]);
    env.world.faults().add(Fault::once("iam", "CreateRole", Action::Hold(std::time::Duration::from_secs(2))));
    let child = env.begin(ASSOCIATE);
    super::wait_for(&env, "iam", "CreateRole", 1);
    let call = env.world.journal().calls().into_iter().find(|c| c.operation == "CreateRole").unwrap();
    let body = call.body.as_str().unwrap();
    let name = body.split('&').find_map(|pair| pair.strip_prefix("RoleName=")).unwrap().to_owned();
    env.world.with(|state| {
        let mut role = state.aws.roles.get("eks-workshop-nodes").unwrap().clone();
        role.name.clone_from(&name);
        role.arn = format!("arn:aws:iam::111122223333:role/podid/{name}");
        role.tags.insert("team".to_owned(), "other".to_owned());
        state.aws.roles.insert(name.clone(), role);
    });
    let run = crate::support::finish(child);
    assert_eq!(run.code, 1, "{run}");
    let run = run.says("already exists").says("another user created a role of that name");
    assert_eq!(env.world.journal().writes(), ["iam CreateRole"], "{run}");
}
