//! Restarts and rollbacks: whose pods are whose, what a rollout's end means, and why one is stuck.

use podid_sandbox::State;
use serde_json::{Value, json};

use crate::{
    recycle::workload,
    support::{Env, SOON},
};

/// The ids of the steps that a run reports.
fn steps(document: &Value) -> Vec<String> {
    let steps = document["steps"].as_array().unwrap();
    steps.iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

/// Two Deployments whose selectors match the pods of both.
fn overlapping(selector: &Value) -> Env {
    let one = |name: &str| {
        let mut it = workload("Deployment", name, "healthy", &json!({ "replicas": 1, "selector": selector }));
        it["spec"]["template"]["metadata"]["labels"]["tier"] = json!("web");
        it
    };
    Env::with("carts-role", &[("/manifests/8", one("web")), ("/manifests/9", one("web-two"))])
}

/// A Deployment owns its pods, and no other's, in whatever way its selector is written.
#[test]
fn every_form_of_selector() {
    for selector in [
        json!({ "matchLabels": { "tier": "web" } }),
        json!({ "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["web", "api"] }] }),
        json!({ "matchExpressions": [
            { "key": "tier", "operator": "Exists" }, { "key": "gone", "operator": "DoesNotExist" },
            { "key": "tier", "operator": "NotIn", "values": ["db"] }] }),
    ] {
        let env = overlapping(&selector);
        let made = |state: &mut State| state.kube.list("pods", "carts").len() == 4;
        env.world.wait_until(SOON, made).unwrap();
        let associate = "associate carts/carts --role eks-workshop-carts-dynamo --yes";
        let _ = env.podid(associate).ok();
        let due = env.podid("recycle carts/carts --stale --dry-run -o json").ok().json();
        let all = ["deployment/carts", "deployment/web", "deployment/web-two"].map(|id| format!("restart/carts/{id}"));
        assert_eq!(steps(&due), all, "{selector}");
        let _ = env.podid(&format!("{associate} --recycle")).ok();
        let _ = env.podid("wait carts/carts --for injected --timeout 20s").ok();
        // Each has pods of its own only: nothing is left to be restarted.
        let _ = env.podid("recycle carts/carts --stale --dry-run --exit-code").ok();
    }
}
