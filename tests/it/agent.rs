//! `podid agent install` and `podid agent status`.

mod nodes;
mod reasons;
mod status;
mod stops;
mod uninstall;
mod upgrade;
mod watch;

use serde_json::{Value, json};

use crate::support::Env;

/// A DaemonSet of the agent that somebody installed with Helm.
pub(crate) fn self_managed() -> Value {
    let labels = json!({ "app.kubernetes.io/name": "eks-pod-identity-agent" });
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": { "name": "eks-pod-identity-agent", "namespace": "kube-system", "labels": labels },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "hostNetwork": true,
                    "tolerations": [{ "operator": "Exists" }],
                    "containers": [{ "name": "eks-pod-identity-agent", "image": "public.ecr.aws/eks/eks-pod-identity-agent:0.1.35" }],
                },
            },
        },
    })
}

#[test]
fn install() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("agent install").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on 3 nodes
    ");
    assert_eq!(env.writes(), ["eks CreateAddon"]);
    insta::assert_snapshot!(env.podid("agent install").ok().steady(), @r"
    exit 0
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (ACTIVE)
    agent: ready on 3 nodes
    ");
    insta::assert_snapshot!(env.podid("agent install -q").ok().steady(), @"exit 0");
    assert_eq!(env.writes(), ["eks CreateAddon"], "once");
}

#[test]
fn install_as_data() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("agent install --dry-run --exit-code -o json").code(3).steady(), @r#"
    exit 3
    --- stdout
    {
      "steps": [
        {
          "id": "install-agent",
          "action": "installAgent",
          "resource": "eks-pod-identity-agent v1.3.10-eksbuild.1",
          "status": "planned",
          "error": null
        }
      ],
      "addon": null,
      "agent": {
        "autoMode": false,
        "addon": null,
        "daemonSets": [],
        "nodes": [
          {
            "node": "ip-10-42-10-11.us-west-2.compute.internal",
            "agent": "missing",
            "reason": "the agent is not installed"
          },
          {
            "node": "ip-10-42-11-12.us-west-2.compute.internal",
            "agent": "missing",
            "reason": "the agent is not installed"
          },
          {
            "node": "ip-10-42-12-13.us-west-2.compute.internal",
            "agent": "missing",
            "reason": "the agent is not installed"
          }
        ],
        "unread": []
      }
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    "#);
    assert!(env.writes().is_empty());
    let run = env.podid("agent install -o json").ok();
    let json = run.json();
    assert_eq!(json["steps"][0]["status"], "done", "{run}");
    assert_eq!(json["addon"]["status"], "ACTIVE", "{run}");
    assert_eq!(json["agent"]["nodes"].as_array().map(Vec::len), Some(3), "{run}");
    insta::assert_snapshot!(env.podid("agent install --dry-run --exit-code").ok().steady(), @r"
    exit 0
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (ACTIVE)
    ");
    insta::assert_snapshot!(env.podid("agent install -o name").ok().steady(), @r"
    exit 0
    --- stdout
    eks-pod-identity-agent
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (ACTIVE)
    agent: ready on 3 nodes
    ");
    insta::assert_snapshot!(env.podid("agent install -q -o yaml").ok().steady(), @r"
    exit 0
    --- stdout
    steps: []
    addon:
      addonName: eks-pod-identity-agent
      addonVersion: v1.3.10-eksbuild.1
      status: ACTIVE
      issues: []
    agent:
      autoMode: false
      addon:
        addonName: eks-pod-identity-agent
        addonVersion: v1.3.10-eksbuild.1
        status: ACTIVE
        issues: []
      daemonSets:
      - namespace: kube-system
        name: eks-pod-identity-agent
        desired: 3
        ready: 3
        observed: true
      nodes:
      - node: ip-10-42-10-11.us-west-2.compute.internal
        agent: ready
        reason: null
      - node: ip-10-42-11-12.us-west-2.compute.internal
        agent: ready
        reason: null
      - node: ip-10-42-12-13.us-west-2.compute.internal
        agent: ready
        reason: null
      unread: []
    ");
}

#[test]
fn install_a_version() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("agent install --version v9.9.9").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --version: eks-pod-identity-agent has no version `v9.9.9` for Kubernetes 1.33

    hint: the newest are: v1.3.10-eksbuild.1, v1.3.9-eksbuild.3, v1.3.8-eksbuild.2
    ");
    assert!(env.writes().is_empty());
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.podid("agent install --version v1.3.4-eksbuild.1").code(2).steady(), @"
    exit 2
    --- stderr
    error: eks-pod-identity-agent v1.3.10-eksbuild.1 is installed, not v1.3.4-eksbuild.1; an install does not change the version

    hint: change it with `podid agent upgrade --version v1.3.4-eksbuild.1`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn install_where_there_is_another_agent() {
    let env = Env::with("carts-before", &[("/manifests/-", self_managed())]);
    insta::assert_snapshot!(env.podid("agent install").ok().steady(), @r"
    exit 0
    --- stderr
    the agent is self-managed (DaemonSet kube-system/eks-pod-identity-agent): nothing to install
    agent: ready on 3 nodes
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	ready	
    ip-10-42-11-12.us-west-2.compute.internal	ready	
    ip-10-42-12-13.us-west-2.compute.internal	ready	
    --- stderr
    note: the add-on is not installed; the agent is self-managed
    note: DaemonSet kube-system/eks-pod-identity-agent: 3 of 3 pods ready
    note: agent: ready on 3 nodes
    ");
}

#[test]
fn install_on_auto_mode() {
    let env = Env::with("carts-before", &[("/clusters/0/auto_mode", json!(true))]);
    let mut set = vec![("/clusters/0/auto_mode", json!(true))];
    let pointers: Vec<String> =
        (3..6).map(|n| format!("/manifests/{n}/metadata/labels/eks.amazonaws.com~1compute-type")).collect();
    set.extend(pointers.iter().map(|p| (p.as_str(), json!("auto"))));
    let auto = Env::with("carts-before", &set);
    insta::assert_snapshot!(auto.podid("agent install").ok().steady(), @r"
    exit 0
    --- stderr
    EKS Auto Mode has the agent built in: nothing to install
    agent: ready on 0 nodes, built in on 3 (EKS Auto Mode)
    ");
    assert!(auto.writes().is_empty());
    insta::assert_snapshot!(auto.podid("agent status").ok().steady(), @r"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	built-in	EKS Auto Mode
    ip-10-42-11-12.us-west-2.compute.internal	built-in	EKS Auto Mode
    ip-10-42-12-13.us-west-2.compute.internal	built-in	EKS Auto Mode
    --- stderr
    note: the add-on is not installed
    note: agent: ready on 0 nodes, built in on 3 (EKS Auto Mode)
    ");
    // Mixed: Auto Mode is on, and there are nodes of one's own.
    let _ = env.podid("agent install").ok();
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}

#[test]
fn install_where_no_node_takes_it() {
    let pointers: Vec<String> =
        (3..6).map(|n| format!("/manifests/{n}/metadata/labels/eks.amazonaws.com~1compute-type")).collect();
    let set: Vec<(&str, Value)> = pointers.iter().map(|p| (p.as_str(), json!("fargate"))).collect();
    let env = Env::with("carts-before", &set);
    insta::assert_snapshot!(env.podid("agent install").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: no node needs an agent
    ");
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	not-supported	Pod Identity does not work on Fargate
    ip-10-42-11-12.us-west-2.compute.internal	not-supported	Pod Identity does not work on Fargate
    ip-10-42-12-13.us-west-2.compute.internal	not-supported	Pod Identity does not work on Fargate
    --- stderr
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 0 of 0 pods ready
    note: agent: no node needs an agent
    ");
}

/// EKS calls an add-on DEGRADED while its pods start.
#[test]
fn install_for_the_kube_context_asks() {
    let mut env = Env::new("carts-before");
    let kubeconfig = env.kubeconfig();
    env.var("KUBECONFIG", &kubeconfig).unset("PODID_CLUSTER");
    insta::assert_snapshot!(env.podid("agent install").code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    error: confirmation required: the cluster was taken from the kube context, and there is no terminal to ask on
      caused by: cluster eks-workshop, account 111122223333, region us-west-2 (all from kube context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(80, &["agent", "install"], "n\n").code(2).steady(), @"
    exit 2
    --- stdout
    n
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    Apply this to cluster eks-workshop, account 111122223333, region us-west-2 (all from kube context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop)? [y/N] error: not confirmed; nothing was changed
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(80, &["agent", "install"], "y\n").ok().steady(), @"
    exit 0
    --- stdout
    y
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    Apply this to cluster eks-workshop, account 111122223333, region us-west-2 (all from kube context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop)? [y/N] ✔ created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    ✔ agent: ready on 3 nodes
    ");
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}
