//! The agent's part of `associate`.

use serde_json::{Value, json};

use crate::support::{Env, SOON, finish};

const LINE: &str = "associate carts/carts --role eks-workshop-carts-dynamo";

/// The healthy world of these tests without its agent.
fn without_agent() -> Env {
    Env::with("carts-role", &[("/addons", json!([]))])
}

#[test]
fn none_is_refused_before_any_write() {
    let env = without_agent();
    insta::assert_snapshot!(env.podid(LINE).code(2).steady(), @r"
    exit 2
    --- stderr
    error: no ready agent where the pods run or could run: ip-10-42-10-11.us-west-2.compute.internal, ip-10-42-11-12.us-west-2.compute.internal, ip-10-42-12-13.us-west-2.compute.internal (the agent is not installed)

    hint: to install it, pass `--install-agent`
    hint: to continue without it, pass `--allow-missing-agent`
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o json")).code(2).steady(), @r#"
    exit 2
    --- stderr
    {"error":{"code":"usage","message":"no ready agent where the pods run or could run: ip-10-42-10-11.us-west-2.compute.internal, ip-10-42-11-12.us-west-2.compute.internal, ip-10-42-12-13.us-west-2.compute.internal (the agent is not installed)","requestId":null,"hints":["to install it, pass `--install-agent`","to continue without it, pass `--allow-missing-agent`"]}}
    "#);
    assert!(env.writes().is_empty());
}

#[test]
fn none_is_allowed() {
    let env = without_agent();
    insta::assert_snapshot!(env.podid(&format!("{LINE} --allow-missing-agent")).code(5).steady(), @"
    exit 5
    --- stderr
    warning: no ready agent where the pods run or could run: ip-10-42-10-11.us-west-2.compute.internal, ip-10-42-11-12.us-west-2.compute.internal, ip-10-42-12-13.us-west-2.compute.internal (the agent is not installed)
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: new pods will get no credentials until the agent is installed
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    error: carts/carts is associated, but not ready
      caused by: new pods will get no credentials until the agent is installed

    hint: see the agent with `podid agent status`, and install it with `podid agent install`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn one_is_installed() {
    let env = without_agent();
    insta::assert_snapshot!(env.podid(&format!("{LINE} --install-agent")).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 2 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on every node that needs it
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreateAddon", "eks CreatePodIdentityAssociation"]);
    // It is there now: asking for it again changes nothing.
    env.world.journal().clear();
    insta::assert_snapshot!(env.podid(&format!("{LINE} --install-agent")).ok().steady(), @"
    exit 0
    --- stderr
    carts/carts is already associated as requested: nothing to change
    agent: ready on every node that needs it
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn auto_mode_has_one() {
    let pointers: Vec<String> =
        (3..6).map(|n| format!("/manifests/{n}/metadata/labels/eks.amazonaws.com~1compute-type")).collect();
    let mut set: Vec<(&str, Value)> = pointers.iter().map(|p| (p.as_str(), json!("auto"))).collect();
    set.push(("/addons", json!([])));
    set.push(("/clusters/0/auto_mode", json!(true)));
    let env = Env::with("carts-role", &set);
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn a_self_managed_one_is_one() {
    let set = [("/addons", json!([])), ("/manifests/-", crate::agent::self_managed())];
    let env = Env::with("carts-role", &set);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --install-agent")).ok().steady(), @"
    exit 0
    --- stderr
    warning: add-on not installed: DaemonSet kube-system/eks-pod-identity-agent is already an agent
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    agent: ready on every node that needs it
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

/// Pods that are injected where no agent answers get no credentials at all: the association waits for the agent.
#[test]
fn one_that_does_not_come_leaves_the_rest_undone() {
    let healthy = Env::with("carts-role", &[("/addons", json!([])), ("/delays", json!({ "addon": 1500 }))]);
    let _ = healthy.podid(&format!("{LINE} --install-agent")).ok();
    let env = Env::with("carts-role", &[("/addons", json!([])), ("/delays", json!({ "addon": 1500 }))]);
    let child = env.begin(&format!("{LINE} --install-agent -o json"));
    env.world.wait_until(SOON, |state| !state.aws.addons.is_empty()).unwrap();
    env.world.with(|state| state.aws.addons.values_mut().for_each(|a| a.status = "CREATE_FAILED".to_owned()));
    let run = finish(child).code(6).says("is CREATE_FAILED");
    let status: Vec<String> =
        run.json()["steps"].as_array().unwrap().iter().map(|s| format!("{} {}", s["id"], s["status"])).collect();
    assert_eq!(status, [r#""install-agent" "done""#, r#""create-association" "not-started""#], "{run}");
    assert_eq!(env.writes(), ["eks CreateAddon"], "{run}");
}

/// Only nodes where the pods run or could run are waited for: on one that is down, neither is so.
#[test]
fn a_node_that_is_not_ready_is_not_waited_for() {
    let ready = json!({ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" });
    let down = ("/manifests/3/status", json!({ "conditions": [ready] }));
    let env = Env::with("carts-role", &[("/addons", json!([])), down]);
    let run = env.podid(&format!("{LINE} --install-agent --timeout 60s")).ok();
    let _ = run.says("agent: ready on every node that needs it");
    assert_eq!(env.writes(), ["eks CreateAddon", "eks CreatePodIdentityAssociation"]);
    let status = env.podid("agent status").ok();
    assert!(status.stdout.contains("missing\tthe node is not ready"), "{status}");
}
