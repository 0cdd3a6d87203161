//! Killed after each request, the same command again leaves nothing behind.

use serde_json::{Value, json};

use super::{ROLE, made, trust};
use crate::{
    kill::{kill_after_each, names},
    role::set_trust,
    support::Env,
};

fn theirs() -> Value {
    json!({ "Sid": "Theirs", "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" })
}

/// What podid made for carts/carts, whose role somebody else uses too.
fn shared() -> Env {
    let env = made();
    let mut document = trust(&env, ROLE);
    document["Statement"].as_array_mut().unwrap().push(theirs());
    set_trust(&env, ROLE, &document);
    env
}

fn associations(env: &Env) -> usize {
    env.world.with(|state| state.aws.associations.len())
}

#[test]
fn with_the_role() {
    let requests = kill_after_each(made, "disassociate carts/carts --delete-role --yes", |n, env, again| {
        let there = env.world.with(|state| state.aws.roles.contains_key(ROLE));
        assert!(!there && associations(env) == 0, "killed after request {n}: {:?}\n{again}", names(env));
    });
    assert!(requests > 15, "{requests}");
}

#[test]
fn with_a_role_that_stays() {
    let requests = kill_after_each(shared, "disassociate carts/carts --yes", |n, env, again| {
        assert_eq!(
            trust(env, ROLE)["Statement"],
            json!([theirs()]),
            "killed after request {n}: {:?}\n{again}",
            names(env)
        );
        assert_eq!(associations(env), 0, "killed after request {n}\n{again}");
    });
    assert!(requests > 8, "{requests}");
}
