//! Nodes that cannot get an agent are named, and not waited for.

use std::time::{Duration, Instant};

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::support::{Env, SOON, denying};

const NODE: &str = "ip-10-42-10-11.us-west-2.compute.internal";

/// The field that says that the first node's kubelet went silent.
fn down() -> (&'static str, Value) {
    let ready = json!({ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" });
    ("/manifests/3/status", json!({ "conditions": [ready] }))
}

/// The field that gives the first node a compute type.
fn compute_type(of: &str) -> (&'static str, Value) {
    ("/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type", json!(of))
}

#[test]
fn one_that_is_not_ready() {
    let env = Env::with("carts-before", &[down()]);
    insta::assert_snapshot!(env.podid("agent install --timeout 60s").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on 2 nodes, missing on 1
    warning: not ready, and not waited for: ip-10-42-10-11.us-west-2.compute.internal (the node is not ready)
    ");
    // EKS loses its patience with it, podid does not wait for what cannot come.
    env.world.wait_until(SOON, |state| state.aws.addons.values().all(|addon| addon.status == "DEGRADED")).unwrap();
    insta::assert_snapshot!(env.podid("agent install --timeout 60s").ok().steady(), @"
    exit 0
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (DEGRADED)
    agent: ready on 2 nodes, missing on 1
    warning: not ready, and not waited for: ip-10-42-10-11.us-west-2.compute.internal (the node is not ready)
    ");
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	the node is not ready
    ip-10-42-11-12.us-west-2.compute.internal	ready	
    ip-10-42-12-13.us-west-2.compute.internal	ready	
    --- stderr
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: DEGRADED
    warning: InsufficientNumberOfReplicas: The add-on is unhealthy because it doesn't have the desired number of replicas.
    note: DaemonSet kube-system/eks-pod-identity-agent: 2 of 3 pods ready
    note: agent: ready on 2 nodes, missing on 1
    ");
}

#[test]
fn one_that_is_hybrid() {
    let env = Env::with("carts-before", &[compute_type("hybrid")]);
    insta::assert_snapshot!(env.podid("agent install --timeout 60s").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on 2 nodes, missing on 1
    warning: not ready, and not waited for: ip-10-42-10-11.us-west-2.compute.internal (a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration))
    ");
}

#[test]
fn one_that_is_hybrid_where_pods_run() {
    let env = Env::with("carts-agent", &[compute_type("hybrid")]);
    insta::assert_snapshot!(env.podid("agent install --timeout 60s").ok().steady(), @"
    exit 0
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (ACTIVE)
    agent: ready on 2 nodes, missing on 1
    warning: not ready, and not waited for: ip-10-42-10-11.us-west-2.compute.internal (a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration))
    ");
}

/// Fargate's and Windows' nodes need no agent: beside those of Auto Mode there is nothing to install one for.
#[test]
fn fargate_beside_auto_mode() {
    let auto: Vec<String> =
        (4..6).map(|n| format!("/manifests/{n}/metadata/labels/eks.amazonaws.com~1compute-type")).collect();
    let world = |first: &str| {
        let mut set: Vec<(&str, Value)> = auto.iter().map(|pointer| (pointer.as_str(), json!("auto"))).collect();
        set.extend([("/clusters/0/auto_mode", json!(true)), compute_type(first)]);
        Env::with("carts-before", &set)
    };
    let env = world("fargate");
    let _ = env.podid("agent install").ok().says("EKS Auto Mode has the agent built in: nothing to install");
    assert!(env.writes().is_empty());
    let env = world("ec2");
    let _ = env.podid("agent install").ok();
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}

const ASSOCIATE: &str = "associate carts/carts --role eks-workshop-carts-dynamo";

/// Its pods are lost already; they are no reason to leave the others without credentials.
#[test]
fn pods_on_one_that_went_down() {
    let env = Env::new("carts-role");
    env.world.with(|state| {
        assert!(state.kube.edit("nodes", "", NODE, |node| {
            for condition in node["status"]["conditions"].as_array_mut().unwrap() {
                if condition["type"] == "Ready" {
                    condition["status"] = json!("Unknown");
                }
            }
        }));
        for pod in state.kube.list("pods", "carts") {
            let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
            state.kube.edit("pods", "carts", &name, |pod| pod["spec"]["nodeName"] = json!(NODE));
        }
    });
    // Kubernetes calls the agent's pod there not ready, as the node.
    let lost = |pod: &Value| {
        let mut conditions = pod["status"]["conditions"].as_array().unwrap().iter();
        pod["spec"]["nodeName"] != NODE || !conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    env.world.wait_until(SOON, |state| state.kube.list("pods", "kube-system").iter().all(lost)).unwrap();
    insta::assert_snapshot!(env.podid(ASSOCIATE).ok().steady(), @"
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
}

/// What could not be read is not taken for missing.
#[test]
fn an_add_on_that_cannot_be_read() {
    let env = Env::with("carts-role", &[("/addons", json!([])), denying("eks:DescribeAddon")]);
    insta::assert_snapshot!(env.podid(&format!("{ASSOCIATE} --install-agent")).code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot determine whether the agent is installed: not allowed: eks:DescribeAddon

    hint: get that permission, or omit `--install-agent`
    ");
    insta::assert_snapshot!(env.podid(ASSOCIATE).code(2).steady(), @"
    exit 2
    --- stderr
    error: no ready agent where the pods run or could run: ip-10-42-10-11.us-west-2.compute.internal, ip-10-42-11-12.us-west-2.compute.internal, ip-10-42-12-13.us-west-2.compute.internal (no agent found; the add-on could not be read (not allowed: eks:DescribeAddon))

    hint: the permission eks:DescribeAddon is needed to check whether the add-on is installed
    hint: to continue without it, pass `--allow-missing-agent`
    ");
    assert!(env.writes().is_empty());
    let env = Env::with("carts-role", &[("/addons", json!([]))]);
    let _ = env.podid(&format!("{ASSOCIATE} --install-agent --dry-run --exit-code")).code(3);
}

/// Ten seconds, not the command's five minutes.
#[test]
fn a_silent_kubernetes() {
    let env = Env::new("carts-agent");
    env.world.faults().add(Fault::always("kubernetes", "*", Action::Delay(Duration::from_mins(1))));
    for line in ["agent status", "agent install"] {
        let start = Instant::now();
        let run = env.podid(&format!("{line} --timeout 40s")).code(1).says("within 10 s");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}\n{run}", start.elapsed());
    }
    assert!(env.writes().is_empty());
}
