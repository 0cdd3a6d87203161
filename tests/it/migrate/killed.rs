//! Killed after each request: every pod can still act, and a second run goes on to the end.

use super::story::{all_act, annotation, associations};
use crate::{kill::kill_after_each_and, support::Env};

#[test]
fn run_after_each_request() {
    let requests = kill_after_each_and(
        || Env::new("carts-irsa"),
        "migrate run carts/carts --yes",
        |n, env| all_act(&env.world, &format!("killed after request {n}")),
        |n, env, again| {
            all_act(&env.world, &format!("run again after request {n}"));
            assert_eq!(associations(env), ["carts/carts"], "{n}: {again}");
            assert_eq!(env.world.journal().count("kubernetes", "patch deployments"), 1, "{n}: {again}");
        },
    );
    assert!(requests > 15, "{requests}");
}

#[test]
fn finish_after_each_request() {
    let moved = || {
        let env = Env::new("carts-irsa");
        let _ = env.podid("migrate run carts/carts --yes").ok();
        env
    };
    let requests = kill_after_each_and(
        moved,
        "migrate finish carts/carts --yes",
        |n, env| all_act(&env.world, &format!("killed after request {n}")),
        |n, env, again| {
            all_act(&env.world, &format!("run again after request {n}"));
            assert!(annotation(env).is_null(), "{n}: {again}");
            assert_eq!(super::trust(env)["Statement"].as_array().unwrap().len(), 1, "{n}: {again}");
        },
    );
    assert!(requests > 10, "{requests}");
}

#[test]
fn rollback_after_each_request() {
    let moved = || {
        let env = Env::new("carts-irsa");
        let _ = env.podid("migrate run carts/carts --yes").ok();
        env
    };
    let requests = kill_after_each_and(
        moved,
        "migrate rollback carts/carts --yes",
        // Pods keep the credentials that they have for hours: what counts is where a second run comes to.
        |_, _| {},
        |n, env, again| {
            all_act(&env.world, &format!("run again after request {n}"));
            assert_eq!(associations(env), Vec::<String>::new(), "{n}: {again}");
        },
    );
    assert!(requests > 10, "{requests}");
}
