//! `podid agent status`.

use serde_json::json;

use crate::support::{Env, denying, forbidding};

#[test]
fn status() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	ready	
    ip-10-42-11-12.us-west-2.compute.internal	ready	
    ip-10-42-12-13.us-west-2.compute.internal	ready	
    --- stderr
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 3 of 3 pods ready
    note: agent: ready on 3 nodes
    ");
    insta::assert_snapshot!(env.podid("agent status -q").ok().steady(), @r"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	ready	
    ip-10-42-11-12.us-west-2.compute.internal	ready	
    ip-10-42-12-13.us-west-2.compute.internal	ready
    ");
}

#[test]
fn status_as_data() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.podid("agent status -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "autoMode": false,
      "addon": {
        "addonName": "eks-pod-identity-agent",
        "addonVersion": "v1.3.10-eksbuild.1",
        "status": "ACTIVE",
        "issues": []
      },
      "daemonSets": [
        {
          "namespace": "kube-system",
          "name": "eks-pod-identity-agent",
          "desired": 3,
          "ready": 3,
          "observed": true
        }
      ],
      "nodes": [
        {
          "node": "ip-10-42-10-11.us-west-2.compute.internal",
          "agent": "ready",
          "reason": null
        },
        {
          "node": "ip-10-42-11-12.us-west-2.compute.internal",
          "agent": "ready",
          "reason": null
        },
        {
          "node": "ip-10-42-12-13.us-west-2.compute.internal",
          "agent": "ready",
          "reason": null
        }
      ],
      "unread": []
    }
    "#);
    insta::assert_snapshot!(env.podid("agent status -o yaml").ok().steady(), @r"
    exit 0
    --- stdout
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
    insta::assert_snapshot!(env.podid("agent status -o name").ok().steady(), @r"
    exit 0
    --- stdout
    kube-system/eks-pod-identity-agent
    ");
}

#[test]
fn status_on_a_terminal() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.tty(80, &["agent", "status"], "").ok().steady(), @"
    exit 0
    --- stdout
    NODE                                       AGENT
    ip-10-42-10-11.us-west-2.compute.internal  ready
    ip-10-42-11-12.us-west-2.compute.internal  ready
    ip-10-42-12-13.us-west-2.compute.internal  ready
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 3 of 3 pods ready
    note: agent: ready on 3 nodes
    ");
    insta::assert_snapshot!(env.tty(200, &["agent", "status"], "").ok().steady(), @"
    exit 0
    --- stdout
    NODE                                       AGENT
    ip-10-42-10-11.us-west-2.compute.internal  ready
    ip-10-42-11-12.us-west-2.compute.internal  ready
    ip-10-42-12-13.us-west-2.compute.internal  ready
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE
    note: DaemonSet kube-system/eks-pod-identity-agent: 3 of 3 pods ready
    note: agent: ready on 3 nodes
    ");
}

#[test]
fn status_without_an_agent() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @r"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	the agent is not installed
    ip-10-42-11-12.us-west-2.compute.internal	missing	the agent is not installed
    ip-10-42-12-13.us-west-2.compute.internal	missing	the agent is not installed
    --- stderr
    note: the add-on is not installed
    note: agent: ready on 0 nodes, missing on 3
    hint: install it with `podid agent install`
    ");
    insta::assert_snapshot!(env.tty(80, &["agent", "status"], "").ok().steady(), @r"
    exit 0
    --- stdout
    NODE                                       AGENT    REASON
    ip-10-42-10-11.us-west-2.compute.internal  missing  the agent is not installed
    ip-10-42-11-12.us-west-2.compute.internal  missing  the agent is not installed
    ip-10-42-12-13.us-west-2.compute.internal  missing  the agent is not installed
    note: the add-on is not installed
    note: agent: ready on 0 nodes, missing on 3
    hint: install it with `podid agent install`
    ");
}

#[test]
fn status_denied() {
    let env = Env::with("carts-agent", &[denying("eks:DescribeAddon")]);
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	ready	
    ip-10-42-11-12.us-west-2.compute.internal	ready	
    ip-10-42-12-13.us-west-2.compute.internal	ready	
    --- stderr
    warning: the add-on could not be read (not allowed: eks:DescribeAddon)
    note: DaemonSet kube-system/eks-pod-identity-agent: 3 of 3 pods ready
    note: agent: ready on 3 nodes
    ");
    let env = Env::with("carts-agent", &[forbidding(&["list nodes"])]);
    insta::assert_snapshot!(env.podid("agent status").code(4).steady(), @r"
    exit 4
    --- stderr
    error: the agent could not be read: not allowed: list nodes
    ");
    let env = Env::with("carts-agent", &[("/callers/0/access_entry", json!(false))]);
    insta::assert_snapshot!(env.podid("agent status").code(4).steady_of_several(), @r"
    exit 4
    --- stderr
    error: cannot [read something]
      caused by: the cluster does not know the caller
      caused by: cluster `eks-workshop` has no access entry for arn:aws:iam::111122223333:user/workshop

    hint: create one: `aws eks create-access-entry --cluster-name eks-workshop --principal-arn arn:aws:iam::111122223333:user/workshop`, then associate an access policy
    ");
}
