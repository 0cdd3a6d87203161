//! `associate` denied, out of time, and interrupted.

use std::time::Duration;

use podid_sandbox::{
    Sandbox,
    faults::{Action, Fault},
};
use serde_json::json;

use crate::support::{Env, denying, forbidding};

const LINE: &str = "associate carts/carts --role eks-workshop-carts-dynamo";
const CREATE: &str = "associate carts/carts --create-role --dynamodb eks-workshop-carts";

#[test]
fn denied() {
    let env = Env::with("carts-role", &[denying("eks:CreatePodIdentityAssociation")]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady(), @"
    exit 4
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    could not associate carts/carts with role eks-workshop-carts-dynamo
    error: cannot create the association of `carts/carts` in cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreatePodIdentityAssociation on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:CreatePodIdentityAssociation` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o json")).code(4).steady(), @r#"
    exit 4
    --- stdout
    {
      "steps": [
        {
          "id": "create-association",
          "action": "createAssociation",
          "resource": "carts/carts",
          "status": "failed",
          "error": "cannot create the association of `carts/carts` in cluster `eks-workshop`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreatePodIdentityAssociation on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy: a policy denies `eks:CreatePodIdentityAssociation` to the caller, whatever else allows it"
        }
      ],
      "association": null,
      "effective": null,
      "effectiveHow": null,
      "rollouts": [],
      "stalePods": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    could not associate carts/carts with role eks-workshop-carts-dynamo
    {"error":{"code":"AccessDeniedException","message":"cannot create the association of `carts/carts` in cluster `eks-workshop`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreatePodIdentityAssociation on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy: a policy denies `eks:CreatePodIdentityAssociation` to the caller, whatever else allows it","requestId":"[uuid]","hints":["ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`"]}}
    "#);
    assert!(env.world.with(|state| state.aws.associations.is_empty()));
    let env = Env::with("carts-agent", &[denying("eks:CreatePodIdentityAssociation")]);
    insta::assert_snapshot!(env.podid(CREATE).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
      + add inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
    Plan: 3 to create, 0 to change, 0 to delete
    created role eks-workshop-carts-carts-8233eca5
    added inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
    could not associate carts/carts with role eks-workshop-carts-carts-8233eca5
    error: cannot create the association of `carts/carts` in cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:CreatePodIdentityAssociation on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:CreatePodIdentityAssociation` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    hint: run the same command again: finished steps are skipped
    ");
    let env = Env::with("carts-role", &[forbidding(&["list pods", "list nodes"])]);
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    warning: agent not checked: not allowed: list daemonsets and pods in kube-system
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods); the agent was not checked: not allowed: list daemonsets and pods in kube-system
    warning: cannot check whether pods need a restart: not allowed: list pods
    ");
}

#[test]
fn out_of_time_before_a_write() {
    let env = Env::new("carts-role");
    env.world.faults().add(Fault::always("eks", "DescribeCluster", Action::Delay(Duration::from_secs(30))));
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 1s")).code(5).steady(), @r"
    exit 5
    --- stderr
    error: timed out after 1s while reading the cluster

    hint: allow more time with `--timeout`
    ");
    assert!(env.writes().is_empty());
}

/// The webhook is off: the effect never comes.
#[test]
fn out_of_time_after_a_write() {
    let env = Env::with("carts-role", &[("/webhook", json!({ "enabled": false }))]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 6s")).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    error: timed out after 6s while waiting until new pods are injected
      caused by: not every API server injects new pods of carts/carts yet

    hint: allow more time with `--timeout`
    hint: check that the webhook exists: `kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml`
    hint: run the same command again: finished steps are skipped
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 4s -o json")).code(5).steady(), @r#"
    exit 5
    --- stdout
    {
      "steps": [],
      "association": {
        "clusterName": "eks-workshop",
        "namespace": "carts",
        "serviceAccount": "carts",
        "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
        "associationId": "a-[id]",
        "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
        "disableSessionTags": false,
        "tags": {
          "podid.dev/cluster": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          "podid.dev/managed-by": "podid",
          "podid.dev/namespace": "carts",
          "podid.dev/service-account": "carts"
        },
        "createdAt": "[time]",
        "modifiedAt": "[time]"
      },
      "effective": null,
      "effectiveHow": null,
      "rollouts": [],
      "stalePods": []
    }
    --- stderr
    carts/carts is already associated as requested: nothing to change
    {"error":{"code":"timed-out","message":"timed out after 4s while waiting until new pods are injected: not every API server injects new pods of carts/carts yet","requestId":null,"hints":["allow more time with `--timeout`","check that the webhook exists: `kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml`"]}}
    "#);
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn interrupted_while_waiting() {
    let env = Env::with("carts-role", &[("/webhook", json!({ "enabled": false }))]);
    let probing = |world: &Sandbox| world.journal().count("kubernetes", "create pods (dry-run)") > 1;
    insta::assert_snapshot!(env.signalled(LINE, "INT", probing).code(130).steady(), @"
    exit 130
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    error: interrupted

    hint: run the same command again: finished steps are skipped
    ");
    insta::assert_snapshot!(env.signalled(LINE, "TERM", |world| world.journal().count("kubernetes", "create pods (dry-run)") > 3).code(143).steady(), @r"
    exit 143
    --- stderr
    carts/carts is already associated as requested: nothing to change
    error: terminated
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn interrupted_while_reading() {
    let env = Env::new("carts-role");
    env.world.faults().add(Fault::always("iam", "GetRole", Action::Delay(Duration::from_secs(30))));
    let reading = |world: &Sandbox| world.journal().count("iam", "GetRole") > 0;
    insta::assert_snapshot!(env.signalled(LINE, "INT", reading).code(130).steady(), @r"
    exit 130
    --- stderr
    error: interrupted
    ");
    assert!(env.writes().is_empty());
}

/// A write under way gets one more second. Then nobody knows, and the next run finds out.
#[test]
fn interrupted_in_the_middle_of_a_write() {
    let env = Env::new("carts-agent");
    env.world.faults().add(Fault::once("iam", "PutRolePolicy", Action::Delay(Duration::from_secs(5))));
    let writing = |world: &Sandbox| world.journal().count("iam", "PutRolePolicy") > 0;
    let run = env.signalled(&format!("{CREATE} -o json"), "TERM", writing).code(143);
    insta::assert_snapshot!(run.steady(), @r#"
    exit 143
    --- stdout
    {
      "steps": [
        {
          "id": "create-role",
          "action": "createRole",
          "resource": "eks-workshop-carts-carts-8233eca5",
          "status": "done",
          "error": null
        },
        {
          "id": "put-policy/podid-dynamodb",
          "action": "putPolicy",
          "resource": "eks-workshop-carts-carts-8233eca5/podid-dynamodb",
          "status": "unknown",
          "error": "terminated"
        },
        {
          "id": "create-association",
          "action": "createAssociation",
          "resource": "carts/carts",
          "status": "not-started",
          "error": null
        }
      ],
      "association": null,
      "effective": null,
      "effectiveHow": null,
      "rollouts": [],
      "stalePods": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
      + add inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
    Plan: 3 to create, 0 to change, 0 to delete
    created role eks-workshop-carts-carts-8233eca5
    warning: outcome unknown: add inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
    {"error":{"code":"terminated","message":"terminated","requestId":null,"hints":["run the same command again: finished steps are skipped"]}}
    "#);
    env.world.journal().clear();
    let _ = env.podid(CREATE).ok().says("ready: new pods get credentials");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"], "what was done is not done again");
}

/// Whether the role is there decides what is written: unread, nothing is.
#[test]
fn a_role_to_create_that_cannot_be_read() {
    let env = Env::with("carts-agent", &[denying("iam:GetRole")]);
    insta::assert_snapshot!(env.podid(CREATE).code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot determine whether role `eks-workshop-carts-carts-8233eca5` exists: not allowed: iam:GetRole

    hint: allow iam:GetRole, or name an existing role with `--role` and omit `--create-role`
    ");
    assert!(env.writes().is_empty());
    let healthy = Env::new("carts-agent");
    let _ = healthy.podid(&format!("{CREATE} --no-wait")).ok();
}

/// Nothing was sent yet: nothing is unknown, and nothing has to be run again for it.
#[test]
fn stopped_before_the_first_write() {
    let trust = "associate carts/carts --create-role --role carts-role --scope cluster --no-wait --yes -o json";
    for (fault, line, signal) in [
        (true, format!("{trust} --timeout 3s"), None),
        (true, trust.to_owned(), Some("INT")),
        (false, trust.to_owned(), None),
    ] {
        let env = Env::new("carts-agent");
        let _ = env.podid("associate carts/carts --create-role --role carts-role --no-wait").ok();
        env.world.journal().clear();
        if fault {
            // The read right before the write, after the plan's own.
            env.world
                .faults()
                .add(Fault { skip: 1, ..Fault::once("iam", "GetRole", Action::Hold(Duration::from_mins(1))) });
        }
        let run = match signal {
            Some(signal) => env.signalled(&line, signal, |world| world.journal().count("iam", "GetRole") > 1).code(130),
            None => env.podid(&line).code(if fault { 5 } else { 0 }),
        };
        let status = if fault { "not-started" } else { "done" };
        assert_eq!(run.json()["steps"][0]["status"], status, "{run}");
        assert_eq!(env.writes().is_empty(), fault, "{run}");
    }
}

/// `-o name` names what is so, not what was wanted.
#[test]
fn a_name_is_printed_only_when_it_is_associated() {
    let env = Env::with("carts-role", &[denying("eks:CreatePodIdentityAssociation")]);
    let run = env.podid(&format!("{LINE} --no-wait -o name")).code(4);
    assert_eq!(run.stdout, "", "{run}");
    let env = Env::new("carts-role");
    let run = env.podid(&format!("{LINE} --no-wait -o name")).ok();
    assert_eq!(run.stdout, "carts/carts\n", "{run}");
}
