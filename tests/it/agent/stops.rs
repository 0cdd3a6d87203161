//! `podid agent install` denied, failed, out of time and interrupted.

use std::time::Duration;

use podid_sandbox::{
    Sandbox,
    faults::{Action, Fault},
};
use serde_json::json;

use crate::support::{Env, SOON, denying, finish, forbidding};

#[test]
fn install_that_fails() {
    let env = Env::with("carts-before", &[("/delays", json!({ "addon": 1500 }))]);
    let child = env.start(&["agent", "install"]);
    // Somebody else's DaemonSet comes in between: a conflict that the add-on does not resolve.
    env.world.wait_until(SOON, |state| !state.aws.addons.is_empty()).unwrap();
    env.world.with(|state| {
        for addon in state.aws.addons.values_mut() {
            addon.status = "CREATE_FAILED".to_owned();
            addon.issues = vec![(
                "ConfigurationConflict".to_owned(),
                "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.".to_owned(),
                Vec::new(),
            )];
        }
    });
    insta::assert_snapshot!(finish(child).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    error: the add-on `eks-pod-identity-agent` of cluster `eks-workshop` is CREATE_FAILED
      caused by: ConfigurationConflict: Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.
      caused by: the agent was installed by other means, and the add-on does not overwrite it

    hint: check the agent: `podid agent status`
    hint: keep it, or remove it (`helm list -A`) and run `podid agent install`
    hint: see the nodes with `podid agent status`
    hint: remove it with `podid agent uninstall`, then install it again with `podid agent install`
    hint: run the same command again: finished steps are skipped
    ");
    insta::assert_snapshot!(env.podid("agent install").code(1).steady(), @"
    exit 1
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (CREATE_FAILED)
    error: the add-on `eks-pod-identity-agent` of cluster `eks-workshop` is CREATE_FAILED
      caused by: ConfigurationConflict: Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.
      caused by: the agent was installed by other means, and the add-on does not overwrite it

    hint: check the agent: `podid agent status`
    hint: keep it, or remove it (`helm list -A`) and run `podid agent install`
    hint: see the nodes with `podid agent status`
    hint: remove it with `podid agent uninstall`, then install it again with `podid agent install`
    ");
    insta::assert_snapshot!(env.podid("agent status").ok().steady(), @r"
    exit 0
    --- stdout
    ip-10-42-10-11.us-west-2.compute.internal	missing	the add-on eks-pod-identity-agent has no DaemonSet
    ip-10-42-11-12.us-west-2.compute.internal	missing	the add-on eks-pod-identity-agent has no DaemonSet
    ip-10-42-12-13.us-west-2.compute.internal	missing	the add-on eks-pod-identity-agent has no DaemonSet
    --- stderr
    note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: CREATE_FAILED
    warning: ConfigurationConflict: Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.
    note: agent: ready on 0 nodes, missing on 3
    ");
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}

#[test]
fn install_that_is_degraded_for_a_while() {
    let env = Env::with("carts-before", &[("/delays", json!({ "addon": 800 }))]);
    let child = env.start(&["agent", "install"]);
    env.world.wait_until(SOON, |state| !state.aws.addons.is_empty()).unwrap();
    let set = |status: &str| {
        env.world.with(|state| state.aws.addons.values_mut().for_each(|a| a.status = status.to_owned()));
    };
    env.world.wait_until(SOON, |state| state.aws.addons.values().any(|a| a.status == "ACTIVE")).unwrap();
    set("DEGRADED");
    let run = finish(child).ok();
    assert_eq!(env.writes(), ["eks CreateAddon"], "{run}");
}

#[test]
fn install_denied() {
    let env = Env::with("carts-before", &[denying("eks:CreateAddon")]);
    insta::assert_snapshot!(env.podid("agent install").code(4).steady(), @"
    exit 4
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    could not install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    error: cannot install add-on `eks-pod-identity-agent` v1.3.10-eksbuild.1 in cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreateAddon on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:CreateAddon` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    insta::assert_snapshot!(env.podid("agent install -o json").code(4).steady(), @r#"
    exit 4
    --- stdout
    {
      "steps": [
        {
          "id": "install-agent",
          "action": "installAgent",
          "resource": "eks-pod-identity-agent v1.3.10-eksbuild.1",
          "status": "failed",
          "error": "cannot install add-on `eks-pod-identity-agent` v1.3.10-eksbuild.1 in cluster `eks-workshop`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreateAddon on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy: a policy denies `eks:CreateAddon` to the caller, whatever else allows it"
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
    could not install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    {"error":{"code":"AccessDeniedException","message":"cannot install add-on `eks-pod-identity-agent` v1.3.10-eksbuild.1 in cluster `eks-workshop`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreateAddon on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy: a policy denies `eks:CreateAddon` to the caller, whatever else allows it","requestId":"[uuid]","hints":["ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`"]}}
    "#);
    let env = Env::with("carts-before", &[forbidding(&["list nodes"])]);
    insta::assert_snapshot!(env.podid("agent install").ok().steady(), @"
    exit 0
    --- stderr
    warning: the agent's DaemonSet and nodes could not be read (not allowed: list nodes)
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: the add-on is ACTIVE; the nodes could not be read
    ");
    let env = Env::with("carts-before", &[("/callers/0/access_entry", json!(false))]);
    insta::assert_snapshot!(env.podid("agent install").code(4).steady_of_several(), @r"
    exit 4
    --- stderr
    error: cannot [read something]
      caused by: the cluster does not know the caller
      caused by: cluster `eks-workshop` has no access entry for arn:aws:iam::111122223333:user/workshop

    hint: create one: `aws eks create-access-entry --cluster-name eks-workshop --principal-arn arn:aws:iam::111122223333:user/workshop`, then associate an access policy
    hint: to make only the AWS changes, without Kubernetes, pass `--no-wait`
    ");
    assert!(env.writes().is_empty());
    assert!(env.podid("agent install --no-wait").ok().stdout.is_empty());
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}

#[test]
fn install_out_of_time() {
    let env = Env::with("carts-before", &[("/delays", json!({ "addon": 60_000 }))]);
    insta::assert_snapshot!(env.podid("agent install --timeout 10s").code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    error: timed out after 10s while waiting for the agent add-on to be ACTIVE
      caused by: it is CREATING

    hint: allow more time with `--timeout`
    hint: run the same command again: finished steps are skipped
    ");
    insta::assert_snapshot!(env.podid("agent install --timeout 3s").code(5).steady(), @"
    exit 5
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already installed (CREATING)
    error: timed out after 3s while waiting for the agent add-on to be ACTIVE
      caused by: it is CREATING

    hint: allow more time with `--timeout`
    ");
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}

#[test]
fn install_interrupted() {
    let late = Action::Delay(Duration::from_secs(5));
    let env = Env::new("carts-before");
    env.world.faults().add(Fault::once("eks", "CreateAddon", late));
    let asked = |world: &Sandbox| world.journal().count("eks", "CreateAddon") > 0;
    insta::assert_snapshot!(env.signalled("agent install -o json", "INT", asked).code(130).steady(), @r#"
    exit 130
    --- stdout
    {
      "steps": [
        {
          "id": "install-agent",
          "action": "installAgent",
          "resource": "eks-pod-identity-agent v1.3.10-eksbuild.1",
          "status": "unknown",
          "error": "interrupted"
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
    warning: outcome unknown: install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    {"error":{"code":"interrupted","message":"interrupted","requestId":null,"hints":["run the same command again: finished steps are skipped"]}}
    "#);
    // It was carried out all the same, and the next run sees that.
    let _ = env.podid("agent install").ok();
    assert_eq!(env.writes(), ["eks CreateAddon"]);
}
