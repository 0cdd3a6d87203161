//! Why a node has no ready agent: one field of the node each.

use std::time::Duration;

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::self_managed;
use crate::support::{Env, Run, SOON, forbidding};

const NODE: &str = "ip-10-42-10-11.us-west-2.compute.internal";

/// The world with this field of its first node, once the agent on it has come as far as it does.
fn amiss(what: &str, until: &str) -> Env {
    let env = Env::with("carts-agent", &[("/manifests/3/metadata/labels/sandbox.podid.dev~1amiss", json!(what))]);
    let there = |pod: &Value| {
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        pod["spec"]["nodeName"] == NODE && waiting == until
    };
    env.world.wait_until(SOON, |state| state.kube.list("pods", "kube-system").iter().any(there)).unwrap();
    env
}

/// The first node's line, and what follows the table.
fn told(run: &Run) -> String {
    let lines: Vec<&str> = run.stdout.lines().filter(|line| line.contains(NODE)).collect();
    let text = format!("{}\n---\n{}", lines.join("\n"), run.stderr);
    Run { code: run.code, stdout: text, stderr: String::new() }.steady()
}

#[test]
fn ipv6_is_off() {
    let env = amiss("no-ipv6", "CrashLoopBackOff");
    insta::assert_snapshot!(told(&env.podid("agent status").ok()), @r#"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	its agent crashes (exit code 1, restarted [n] times): IPv6 is off on the node, and it cannot bind [fd00:ec2::23]
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 3 pods ready
    note: agent: ready on 2 nodes, missing on 1
    hint: limit the agent to IPv4: `podid agent upgrade --configuration-values '{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}'`
    "#);
    insta::assert_snapshot!(told(&env.podid("agent status --no-logs").ok()), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	its agent crashes (exit code 1, restarted [n] times)
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 3 pods ready
    note: agent: ready on 2 nodes, missing on 1
    ");
    let json = env.podid("agent status -o json").ok().json();
    assert!(json["nodes"][0]["reason"].as_str().unwrap().ends_with("it cannot bind [fd00:ec2::23]"), "{json}");
    // The remedy that podid names is one.
    let value = r#"{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}"#;
    let run = env.run(&["agent", "upgrade", "--configuration-values", value, "--yes"]).ok();
    assert!(run.stderr.contains("agent: ready on 3 nodes"), "{run}");
}

#[test]
fn port_80_is_taken() {
    let env = amiss("port-80-taken", "CrashLoopBackOff");
    insta::assert_snapshot!(told(&env.podid("agent status").ok()), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	its agent crashes (exit code 1, restarted [n] times): port 80 is already in use on the node
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 3 pods ready
    note: agent: ready on 2 nodes, missing on 1
    hint: find what listens on port 80 of the node: a pod with hostNetwork or a hostPort, or a service of the node
    ");
}

#[test]
fn the_image_cannot_be_pulled() {
    let env = amiss("no-registry", "ImagePullBackOff");
    insta::assert_snapshot!(told(&env.podid("agent status").ok()), @r#"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	the agent's image cannot be pulled: ImagePullBackOff: Back-off pulling image "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/eks-pod-identity-agent:v1.3.10-eksbuild.1"
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 3 pods ready
    note: agent: ready on 2 nodes, missing on 1
    hint: nodes without internet access need VPC endpoints for ECR and S3
    "#);
}

/// The last health issues are why, when time is over.
#[test]
fn an_install_that_does_not_come_up() {
    let node = ("/manifests/3/metadata/labels/sandbox.podid.dev~1amiss", json!("no-registry"));
    let env = Env::with("carts-before", &[node]);
    let _ = env.podid("agent install --no-wait").ok();
    env.world.wait_until(SOON, |state| state.aws.addons.values().all(|addon| addon.status == "DEGRADED")).unwrap();
    let run = env.podid("agent install --timeout 6s").code(5).says("caused by: it is DEGRADED");
    let _ = run.says("caused by: InsufficientNumberOfReplicas: The add-on is unhealthy");
}

#[test]
fn agent_log_forbidden() {
    let node = ("/manifests/3/metadata/labels/sandbox.podid.dev~1amiss", json!("no-ipv6"));
    let env = Env::with("carts-agent", &[node, forbidding(&["get pods/log"])]);
    let crashed = |pod: &Value| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            && pod["metadata"]["namespace"] == "kube-system"
    };
    env.world.wait_until(SOON, |state| state.kube.list("pods", "kube-system").iter().any(crashed)).unwrap();
    let run = env.podid("agent status").ok().says("its log could not be read: cannot read the log of container");
    assert!(!run.stdout.contains("fd00:ec2::23"), "{run}");
}

/// The node that crashes its agent may be one that is gone: what stands in no log is told without.
#[test]
fn its_log_never_comes() {
    let env = amiss("no-ipv6", "CrashLoopBackOff");
    env.world.faults().add(Fault::always("kubernetes", "get pods/log", Action::Hold(Duration::from_mins(10))));
    let run = env.podid("agent status").ok().says("its log could not be read: cannot read the log of container");
    assert!(run.stdout.contains("no response within 10 s"), "{run}");
    env.world.faults().clear();
    assert!(env.podid("agent status").ok().stdout.contains("fd00:ec2::23"));
}

#[test]
fn a_taint_keeps_it_away() {
    let tolerations = r#"{"tolerations":[{"key":"other","operator":"Exists"}]}"#;
    let taint = json!([{ "key": "gpu", "value": "yes", "effect": "NoSchedule" }]);
    let set = [("/addons/0/configuration", json!(tolerations)), ("/manifests/3/spec/taints", taint)];
    let env = Env::with("carts-agent", &set);
    insta::assert_snapshot!(told(&env.podid("agent status").ok()), @r#"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	no DaemonSet of the agent runs on it (kube-system/eks-pod-identity-agent: its taint gpu is not tolerated)
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 2 pods ready
    note: agent: ready on 2 nodes, missing on 1
    hint: let the agent tolerate every taint: `podid agent upgrade --configuration-values '{"tolerations":[{"operator":"Exists"}]}'`
    "#);
    let env = Env::with("carts-agent", &set[..1]);
    let _ = env.podid("agent status").ok().says("agent: ready on 3 nodes");
}

#[test]
fn kinds_of_nodes() {
    let kind = |pointer: &'static str, value: &str| Env::with("carts-agent", &[(pointer, json!(value))]);
    let compute = "/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type";
    insta::assert_snapshot!(told(&kind(compute, "fargate").podid("agent status").ok()), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	not-supported	Pod Identity does not work on Fargate
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 2 pods ready
    note: agent: ready on 2 nodes
    ");
    insta::assert_snapshot!(told(&kind(compute, "hybrid").podid("agent status").ok()), @r#"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 2 pods ready
    note: agent: ready on 2 nodes, missing on 1
    hint: enable it on hybrid nodes: `podid agent upgrade --configuration-values '{"daemonsets":{"hybrid":{"create":true}}}'`
    "#);
    let windows = kind("/manifests/3/metadata/labels/kubernetes.io~1os", "windows");
    insta::assert_snapshot!(told(&windows.podid("agent status").ok()), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	not-supported	Pod Identity does not work on Windows nodes
    ---
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 2 pods ready
    note: agent: ready on 2 nodes
    ");
}

#[test]
fn a_self_managed_one_that_crashes() {
    let mut own = self_managed();
    own["spec"]["template"]["metadata"]["annotations"] = json!({});
    let node = ("/manifests/3/metadata/labels/sandbox.podid.dev~1amiss", json!("port-80-taken"));
    let env = Env::with("carts-before", &[node, ("/manifests/-", own)]);
    let crashed =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    env.world.wait_until(SOON, |state| state.kube.list("pods", "kube-system").iter().any(crashed)).unwrap();
    let _ = env.podid("agent status").ok().says("port 80 is already in use on the node");
}
