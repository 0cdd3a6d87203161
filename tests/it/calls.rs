//! What a command costs: its calls are counted, so that a new one is a conscious change.

mod budget;
mod none;

use std::{collections::BTreeMap, time::Duration};

use podid_sandbox::{
    faults::{Action, Fault},
    journal::{Call, Journal},
};
use serde_json::{Value, json};

use crate::{
    kill::{ASSOCIATE, ready},
    support::Env,
};

/// The calls so far, each with how often it was made, in the order of their names.
pub(crate) fn tally(env: &Env) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in env.world.journal().calls() {
        *counts.entry(call.name()).or_default() += 1;
    }
    counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect()
}

/// A role that trusts pods.eks and nobody's service account in particular.
fn role() -> Value {
    json!({ "name": "carts-role", "trust": { "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }] } })
}

/// A world with so many associations.
fn crowd(associations: usize) -> Env {
    let all: Vec<Value> = (0..associations)
        .map(|n| json!({ "namespace": "many", "service_account": format!("sa-{n}"), "role": "arn:aws:iam::111122223333:role/r" }))
        .collect();
    ready(&[("/associations", Value::Array(all))])
}

fn slow(env: &Env, service: &str, by: Duration) {
    env.world.faults().add(Fault::always(service, "*", Action::Delay(by)));
}

#[test]
fn associate_needs_three_round_trips_before_the_first_probe() {
    let env = ready(&[("/roles/-", role())]);
    // Long enough that making connections on a busy machine does not look like a dependency; only what comes first counts.
    let delay = Action::Delay(Duration::from_millis(1500));
    env.world.faults().add(Fault { times: 16, ..Fault::once("*", "*", delay) });
    let run = env.podid("associate carts/carts --role carts-role").ok();
    let calls = env.world.journal().calls();
    let before: Vec<Call> = calls.into_iter().take_while(|c| c.operation != "create pods (dry-run)").collect();
    assert!(before.iter().any(|c| c.operation == "CreatePodIdentityAssociation"), "{run}");
    let names: Vec<String> = before.iter().map(Call::name).collect();
    assert!(Journal::depth(&before) <= 3, "{} {names:?}\n{run}", Journal::depth(&before));
}

#[test]
fn list_costs_one_list_per_hundred_and_one_describe_each() {
    for (associations, pages) in [(0, 1), (1, 1), (100, 1), (101, 2), (250, 3)] {
        let env = crowd(associations);
        let run = env.podid("list -o json").ok();
        assert_eq!(run.json()["associations"].as_array().unwrap().len(), associations);
        let mut wanted = vec![format!("{pages} eks ListPodIdentityAssociations")];
        if associations > 0 {
            wanted.insert(0, format!("{associations} eks DescribePodIdentityAssociation"));
        }
        assert_eq!(tally(&env), wanted);
        env.world.journal().clear();
        let run = env.podid("list -o name").ok();
        assert_eq!(run.stdout.lines().count(), associations);
        assert_eq!(tally(&env), [format!("{pages} eks ListPodIdentityAssociations")]);
    }
}

#[test]
fn describes_run_side_by_side_but_not_all_at_once() {
    let env = crowd(64);
    slow(&env, "eks", Duration::from_millis(100));
    let run = env.podid("list -o json").ok();
    let calls = env.world.journal().calls();
    let describes: Vec<Call> = calls.into_iter().filter(|c| c.operation == "DescribePodIdentityAssociation").collect();
    assert_eq!(describes.len(), 64, "{run}");
    let widest = Journal::widest(&describes);
    assert!((8..=16).contains(&widest), "{widest} at once");
}

#[test]
fn the_first_page_is_described_while_the_others_are_listed() {
    let env = crowd(300);
    slow(&env, "eks", Duration::from_millis(100));
    let run = env.podid("list -o json").ok();
    let calls = env.world.journal().calls();
    let described = calls.iter().position(|call| call.operation == "DescribePodIdentityAssociation");
    let listed = calls.iter().rposition(|call| call.operation == "ListPodIdentityAssociations");
    assert!(described.is_some() && described < listed, "{described:?} {listed:?}\n{run}");
}

#[test]
fn every_call_says_who_makes_it() {
    let env = ready(&[]);
    let run = env.podid(ASSOCIATE).ok();
    let version = env!("CARGO_PKG_VERSION");
    for call in env.world.journal().calls() {
        let wanted = match call.service.as_str() {
            "kubernetes" => format!("podid/{version}"),
            _ => format!("app/podid-{version}"),
        };
        assert!(call.user_agent.contains(&wanted), "{}: `{}`\n{run}", call.name(), call.user_agent);
    }
}
