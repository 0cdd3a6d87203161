//! Services that are slow to spread, throttle, fail or are not there, and a user who gives up.

use std::time::{Duration, Instant};

use podid_sandbox::faults::{Action, Fault};
use serde_json::json;

use super::{ASSOCIATE, assert_works, end, ready, restarts, signal, wait_for};
use crate::support::{Env, at_once, finish};

const CREATE: &str = "CreatePodIdentityAssociation";

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_new_role_that_eks_sees_late() {
    let env = ready(&[("/delays", json!({ "iam": 5000 }))]);
    let run = env.podid(ASSOCIATE).ok();
    assert!(env.world.journal().count("eks", CREATE) > 2, "{run}");
    assert_works(&env, &run);
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_trust_policy_that_eks_sees_late() {
    let make = "associate carts/carts --create-role --role carts-role --yes";
    let env = ready(&[("/delays", json!({ "iam": 3000 }))]);
    let _ = env.podid(make).ok();
    // Another association with a role whose trust policy was broken until podid mended it a moment ago.
    env.world.with(|state| {
        state.aws.associations.clear();
        let role = state.aws.roles.get_mut("carts-role").unwrap();
        role.set_trust(&json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Deny", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" },
        ] }));
    });
    env.world.journal().clear();
    let run = env.podid(make).ok();
    assert_eq!(env.world.journal().count("iam", "UpdateAssumeRolePolicy"), 1, "{run}");
    assert!(env.world.journal().count("eks", CREATE) > 1, "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_role_that_is_deleted_meanwhile_is_not_waited_for_long() {
    let env = ready(&[]);
    env.world.faults().add(Fault::once("eks", CREATE, Action::Hold(Duration::from_secs(2))));
    let child = env.begin(ASSOCIATE);
    wait_for(&env, "eks", CREATE, 1);
    env.world.with(|state| state.aws.roles.retain(|name, _| name == "eks-workshop-nodes"));
    let start = Instant::now();
    let run = finish(child).code(6).says("Role provided in the request does not exist");
    // IAM may take some seconds to know its own role; EKS would have been given a minute.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}\n{run}", start.elapsed());
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn another_change_of_the_role_and_a_deleted_association_are_waited_out() {
    let env = ready(&[]);
    let busy =
        "The request was rejected because multiple requests to change this object were submitted simultaneously.";
    let faults = env.world.faults();
    let concurrent = Action::error(409, "ConcurrentModification", busy);
    faults.add(Fault { times: 2, ..Fault::once("iam", "PutRolePolicy", concurrent) });
    let exists = Action::error(409, "ResourceInUseException", "Association already exists: a-0123456789abcdefg");
    faults.add(Fault { times: 2, ..Fault::once("eks", CREATE, exists) });
    let run = env.podid(ASSOCIATE).ok();
    let journal = env.world.journal();
    assert_eq!((journal.count("iam", "PutRolePolicy"), journal.count("eks", CREATE)), (3, 3), "{run}");
    assert_works(&env, &run);
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn throttling_and_server_errors_are_survived() {
    let undisturbed = ready(&[]);
    let _ = undisturbed.podid(ASSOCIATE).ok();
    let env = ready(&[]);
    let rate = Action::error(429, "ThrottlingException", "Rate exceeded");
    let iam_rate = Action::error(400, "Throttling", "Rate exceeded");
    let server = Action::error(500, "ServerException", "Internal error");
    for (service, operation, action) in [
        ("eks", "DescribeCluster", &rate),
        ("eks", CREATE, &server),
        ("iam", "CreateRole", &iam_rate),
        ("iam", "PutRolePolicy", &Action::error(503, "ServiceUnavailable", "busy")),
    ] {
        env.world.faults().add(Fault { times: 3, ..Fault::once(service, operation, action.clone()) });
    }
    let busy = Action::error(429, "TooManyRequests", "busy");
    env.world.faults().add(Fault { times: 2, ..Fault::once("kubernetes", "patch deployments", busy) });
    let run = env.podid(ASSOCIATE).ok();
    let journal = env.world.journal();
    for (service, operation, times) in [
        ("eks", "DescribeCluster", 4),
        ("eks", CREATE, 4),
        ("iam", "CreateRole", 4),
        ("iam", "PutRolePolicy", 4),
        ("kubernetes", "patch deployments", 3),
    ] {
        assert_eq!(journal.count(service, operation), times, "{operation}\n{run}");
    }
    assert_eq!(end(&env), end(&undisturbed), "{run}");
    assert_works(&env, &run);
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn throttling_that_does_not_end_says_so() {
    let mut env = ready(&[]);
    env.var("AWS_MAX_ATTEMPTS", "2");
    let rate = Action::error(429, "ThrottlingException", "Rate exceeded");
    env.world.faults().add(Fault::always("eks", "DescribeCluster", rate));
    let run = env.podid(ASSOCIATE).code(1).says("Rate exceeded");
    assert_eq!(env.world.journal().count("eks", "DescribeCluster"), 2, "{run}");
    assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{run}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_service_that_is_not_there() {
    at_once(2, &[("AWS_ENDPOINT_URL_EKS", "EKS"), ("AWS_ENDPOINT_URL_IAM", "IAM")], |(variable, service)| {
        let mut env = ready(&[]);
        env.var(variable, "http://127.0.0.1:1");
        let start = Instant::now();
        let run = env.podid(ASSOCIATE).code(1).says("127.0.0.1:1").says("refused");
        assert!(start.elapsed() < Duration::from_secs(10), "{service} {:?}\n{run}", start.elapsed());
        assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{service}\n{run}");
    });
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn a_service_that_closes_every_connection() {
    at_once(2, &["eks", "iam"], |service| {
        let env = ready(&[]);
        env.world.faults().add(Fault::always(service, "*", Action::Drop));
        let start = Instant::now();
        let run = env.podid(&format!("{ASSOCIATE} --timeout 4s")).code(5).says("timed out after 4s while reading");
        assert!(start.elapsed() < Duration::from_secs(8), "{service} {:?}\n{run}", start.elapsed());
        assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{service}\n{run}");
    });
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn interrupted_while_it_waits_for_the_effect() {
    at_once(2, &[("INT", 130), ("TERM", 143)], |&(name, code)| {
        let env = ready(&[("/delays", json!({ "iam": 0, "association": [4000, 4000] }))]);
        let child = env.begin(ASSOCIATE);
        wait_for(&env, "kubernetes", "create pods (dry-run)", 1);
        signal(&child, name);
        let start = Instant::now();
        let run = finish(child).code(code);
        assert!(start.elapsed() < Duration::from_secs(3), "{run}");
        assert_eq!(restarts(&env), 0, "{run}");
        let run = env.podid(&format!("{ASSOCIATE} -o json")).ok();
        let actions: Vec<String> =
            run.json()["steps"].as_array().unwrap().iter().map(|s| s["action"].to_string()).collect();
        assert_eq!(actions, ["\"restart\""], "{run}");
        assert_eq!(restarts(&env), 1, "{run}");
        assert_works(&env, &run);
    });
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn interrupted_while_a_write_is_under_way() {
    let env = ready(&[]);
    env.world.faults().add(Fault::once("eks", CREATE, Action::Delay(Duration::from_secs(10))));
    let child = env.begin(&format!("{ASSOCIATE} -o json"));
    wait_for(&env, "eks", CREATE, 1);
    signal(&child, "INT");
    let start = Instant::now();
    let run = finish(child).code(130);
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(4), "{waited:?}\n{run}");
    let steps = run.json()["steps"].clone();
    let status = |action: &str| {
        let of = steps.as_array().unwrap().iter().find(|s| s["id"].as_str().unwrap().contains(action));
        of.unwrap_or_else(|| panic!("{action}: {steps}"))["status"].clone()
    };
    assert_eq!(status("association"), "unknown", "{run}");
    assert_eq!(status("restart"), "not-started", "{run}");
    env.world.faults().clear();
    let run = env.podid(ASSOCIATE).ok();
    assert_works(&env, &run);
}

/// A probe that is not answered ends by itself, long before the deadline, and is no answer.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn an_api_server_that_says_nothing_is_asked_again() {
    let env = Env::new("carts-role");
    let silence = Action::Delay(Duration::from_mins(1));
    env.world.faults().add(Fault { times: 2, ..Fault::always("kubernetes", "create pods (dry-run)", silence) });
    let run = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --timeout 50s").ok();
    assert!(run.stderr.contains("a dry-run pod failed: ") && run.stderr.contains("within 10 s"), "{run}");
    assert!(run.stderr.contains("ready: new pods get credentials (6 of 6 dry-run pods)"), "{run}");
}
