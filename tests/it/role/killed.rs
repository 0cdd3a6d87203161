//! Killed after each request, the same command again comes to the same end.

use std::collections::BTreeMap;

use serde_json::json;

use super::{ROLE, set_trust, trust_of, trusting};
use crate::{kill::kill_after_each, support::Env};

const CREATE: &str = "role create carts-role --service-account carts/carts --dynamodb eks-workshop-carts \
                      --policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";

/// Every role with its trust policy, its tags and its policies.
fn roles(env: &Env) -> BTreeMap<String, String> {
    env.world.with(|state| {
        let roles = state.aws.roles.values();
        roles.map(|r| (r.arn.clone(), format!("{} {:?} {:?} {:?}", r.trust, r.tags, r.inline, r.attached))).collect()
    })
}

fn same_end(make: impl Fn() -> Env + Sync, line: &str, least: u64) {
    let env = make();
    let _ = env.podid(line).ok();
    let undisturbed = roles(&env);
    let requests = kill_after_each(make, line, |n, env, again| {
        assert_eq!(roles(env), undisturbed, "{line}: killed after request {n}\n{again}");
    });
    assert!(requests >= least, "{line}: {requests}");
}

#[test]
fn create() {
    same_end(|| Env::new("carts-before"), CREATE, 7);
}

#[test]
fn adopt() {
    let theirs =
        || json!({"name": "carts-role", "trust": trusting(&json!({"StringEquals": {"aws:SourceAccount": "1"}}))});
    same_end(|| Env::with("carts-before", &[("/roles/-", theirs())]), &format!("{CREATE} --adopt --yes"), 9);
}

#[test]
fn delete() {
    let make = || {
        let env = Env::with("carts-associated", &[("/associations", json!([]))]);
        let _ = env.podid(&format!("policy attach {ROLE} --dynamodb eks-workshop-carts --yes")).ok();
        env
    };
    same_end(make, &format!("role delete {ROLE} --force --yes"), 9);
}

#[test]
fn policies() {
    let line = "--dynamodb eks-workshop-carts --policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess --yes";
    same_end(|| Env::new("carts-associated"), &format!("policy attach {ROLE} {line}"), 6);
    let make = || {
        let env = Env::new("carts-associated");
        let _ = env.podid(&format!("policy attach {ROLE} {line}")).ok();
        env
    };
    same_end(make, &format!("policy detach {ROLE} {line}"), 5);
}

#[test]
fn trust() {
    let make = || {
        let env = Env::new("carts-associated");
        set_trust(&env, ROLE, &trusting(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}})));
        env
    };
    let line = format!("role trust {ROLE} --service-account carts/carts --fix --yes");
    same_end(make, &line, 5);
    let env = make();
    let _ = env.podid(&line).ok();
    // The statement of others stays as it is.
    let trust = trust_of(&env, ROLE);
    assert_eq!(
        trust["Statement"][0]["Condition"],
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}})
    );
    assert!(trust["Statement"][1]["Sid"].as_str().is_some_and(|sid| sid.starts_with("Podid")), "{trust}");
}
