//! `podid agent uninstall`.

use serde_json::json;

use super::self_managed;
use crate::support::{Env, denying, forbidding};

#[test]
fn uninstall() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("agent uninstall").code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    warning: 1 association stops working: carts/carts
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    insta::assert_snapshot!(env.podid("agent uninstall --dry-run --exit-code -o json").code(3).steady(), @r#"
    exit 3
    --- stdout
    {
      "steps": [
        {
          "id": "remove-agent",
          "action": "removeAgent",
          "resource": "eks-pod-identity-agent v1.3.10-eksbuild.1",
          "status": "planned",
          "error": null
        }
      ],
      "addon": {
        "addonName": "eks-pod-identity-agent",
        "addonVersion": "v1.3.10-eksbuild.1",
        "status": "ACTIVE",
        "issues": []
      },
      "associations": [
        {
          "clusterName": "eks-workshop",
          "namespace": "carts",
          "serviceAccount": "carts",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
          "associationId": "a-[id]"
        }
      ]
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    warning: 1 association stops working: carts/carts
    "#);
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(80, &["agent", "uninstall"], "n\n").code(2).steady(), @"
    exit 2
    --- stdout
    n
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    warning: 1 association stops working: carts/carts
    Apply this to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)? [y/N] error: not confirmed; nothing was changed
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(80, &["agent", "uninstall"], "y\n").ok().steady(), @"
    exit 0
    --- stdout
    y
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    warning: 1 association stops working: carts/carts
    Apply this to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)? [y/N] ✔ asked EKS to delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    ✔ agent: the add-on is deleted (v1.3.10-eksbuild.1)
    ");
    assert!(env.world.with(|state| state.kube.list("daemonsets", "kube-system").is_empty()));
    insta::assert_snapshot!(env.podid("agent uninstall").ok().steady(), @"
    exit 0
    --- stderr
    the add-on eks-pod-identity-agent is not installed: nothing to do
    ");
    assert_eq!(env.writes(), ["eks DeleteAddon"], "once");
    insta::assert_snapshot!(env.podid("agent uninstall -q -o yaml").ok().steady(), @"
    exit 0
    --- stdout
    steps: []
    addon: null
    associations: []
    ");
}

#[test]
fn uninstall_where_nothing_depends_on_it() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.podid("agent uninstall --yes").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    note: the cluster has no associations: no pod depends on the agent
    asked EKS to delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: the add-on is deleted (v1.3.10-eksbuild.1)
    ");
}

#[test]
fn uninstall_what_is_not_the_add_on() {
    let env = Env::with("carts-before", &[("/manifests/-", self_managed())]);
    insta::assert_snapshot!(env.podid("agent uninstall --yes").ok().steady(), @"
    exit 0
    --- stderr
    the add-on eks-pod-identity-agent is not installed: nothing to do
    note: the agent is self-managed (DaemonSet kube-system/eks-pod-identity-agent): remove it with the tool that installed it (`helm list -A`)
    ");
    let env = Env::with("carts-before", &[("/clusters/0/auto_mode", json!(true))]);
    insta::assert_snapshot!(env.podid("agent uninstall --yes").ok().steady(), @"
    exit 0
    --- stderr
    the add-on eks-pod-identity-agent is not installed: nothing to do
    note: EKS Auto Mode has the agent built into its nodes
    ");
    let env = Env::with("carts-before", &[forbidding(&["list daemonsets"])]);
    insta::assert_snapshot!(env.podid("agent uninstall --yes").ok().steady(), @r#"
    exit 0
    --- stderr
    the add-on eks-pod-identity-agent is not installed: nothing to do
    warning: could not check for a self-managed agent: cannot list the agent's DaemonSets: daemonsets.apps is forbidden: User "arn:aws:iam::111122223333:user/workshop" cannot list resource "daemonsets" in API group "apps" at the cluster scope
    "#);
    let env = Env::with("carts-agent", &[("/clusters/0/auto_mode", json!(true))]);
    let _ = env.podid("agent uninstall --yes").ok();
    assert_eq!(env.writes(), ["eks DeleteAddon"]);
}

#[test]
fn stopped() {
    let env = Env::with("carts-associated", &[denying("eks:DeleteAddon")]);
    insta::assert_snapshot!(env.podid("agent uninstall --yes").code(4).steady(), @"
    exit 4
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    warning: 1 association stops working: carts/carts
    could not delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    error: cannot delete add-on `eks-pod-identity-agent` of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:DeleteAddon on resource: arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/eks-pod-identity-agent/[uuid] with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:DeleteAddon` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with("carts-associated", &[denying("eks:ListPodIdentityAssociations")]);
    insta::assert_snapshot!(env.podid("agent uninstall --yes").code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot list associations of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:ListPodIdentityAssociations on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:ListPodIdentityAssociations` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    assert!(env.writes().is_empty(), "nobody knows what would stop working");
    let env = Env::with("carts-associated", &[("/delays", json!({ "addon": 60_000 }))]);
    insta::assert_snapshot!(env.podid("agent uninstall --yes --timeout 3s").code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    Plan: 0 to create, 0 to change, 1 to delete
    warning: 1 association stops working: carts/carts
    asked EKS to delete add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    error: timed out after 3s while waiting for the agent add-on to be gone

    hint: allow more time with `--timeout`
    hint: run the same command again: finished steps are skipped
    ");
    insta::assert_snapshot!(env.podid("agent uninstall --timeout 3s").code(5).steady(), @"
    exit 5
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already being deleted
    error: timed out after 3s while waiting for the agent add-on to be gone

    hint: allow more time with `--timeout`
    ");
    insta::assert_snapshot!(env.podid("agent install").code(2).steady(), @"
    exit 2
    --- stderr
    error: eks-pod-identity-agent v1.3.10-eksbuild.1 is installed, and being deleted

    hint: wait until it is deleted with `podid agent uninstall`, then install it again
    ");
    assert_eq!(env.writes(), ["eks DeleteAddon"]);
    let env = Env::new("carts-associated");
    let _ = env.podid("agent uninstall --yes --no-wait").ok();
}
