//! `podid diff --against`: what makes one cluster equal to another.

use serde_json::{Value, json};

use crate::support::{Env, Run};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// An association of cluster blue.
fn in_blue(role: &str) -> (&'static str, Value) {
    ("/associations/-", json!({ "cluster": "blue", "namespace": "carts", "service_account": "carts", "role": role }))
}

fn told(run: &Run) -> Vec<String> {
    let all = run.json();
    let one = |it: &Value| format!("{} {} {}", it["kind"], it["name"], it["change"]).replace('"', "");
    all["changes"].as_array().unwrap().iter().map(one).collect()
}

/// The first cluster has the agent and the association; each change makes the other one more like it.
#[test]
fn clusters_are_compared_both_ways() {
    let env = Env::new("carts-verified");
    let agent = "agent eks-pod-identity-agent";
    let run = env.podid("diff --against blue -o json").code(3);
    assert_eq!(told(&run), [format!("{agent} removed"), "association carts/carts removed".to_owned()]);
    let run = env.podid("diff --cluster blue --against eks-workshop -o json").code(3);
    assert_eq!(told(&run), [format!("{agent} added"), "association carts/carts added".to_owned()]);
    assert!(env.world.journal().writes().is_empty());
    let same = Env::with("carts-verified", &[in_blue(ROLE)]);
    let run = same.podid("diff --against blue -o json").code(3);
    assert_eq!(told(&run), [format!("{agent} removed")]);
    let other = Env::with("carts-verified", &[in_blue("arn:aws:iam::111122223333:role/other")]);
    let run = other.podid("diff --against blue").code(3);
    assert!(run.stdout.contains("association carts/carts") && run.stdout.contains("-> other"), "{run}");
}

/// Nothing is left to tell when both have the same.
#[test]
fn equal_clusters() {
    let world = [in_blue(ROLE), ("/addons", json!([]))];
    let run = Env::with("carts-verified", &world).podid("diff --against blue").ok();
    let _ = run.says("no differences: the agent and 1 association are the same in blue");
}

#[test]
fn what_cannot_be_compared() {
    let env = Env::new("carts-verified");
    let _ = env.podid("diff --against eks-workshop").code(2).says("is the cluster itself");
    let _ = env.podid("diff --against blu").code(1).says("did you mean `--against blue`?");
    let _ = env.podid("diff --against blue -f x.yaml").code(2).says("cannot be used with");
    let _ = env.podid("diff").code(2).says("--file <PATH>");
}
