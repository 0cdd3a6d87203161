//! `podid show`.

mod identity;
mod terminal;

use podid_sandbox::faults::{Action, Fault};
use serde_json::json;

use crate::support::{Env, denying, forbidding};

#[test]
fn in_a_pipe() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("show carts/carts").ok().steady(), @"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Trust:            allows this service account
    Policies:         arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Session tags:     sent
    Tags:             none
    Created:          [time]
    Workloads:
      WORKLOAD          READY  STRATEGY
      deployment/carts  2/2    RollingUpdate
    Pods:
      POD                     CREDENTIALS  STATUS   AGE                   NODE
      carts-[pod]  injected     Running  [time]  ip-10-42-11-12.us-west-2.compute.internal
      carts-[pod]  injected     Running  [time]  ip-10-42-12-13.us-west-2.compute.internal
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "the whole document is the snapshot")]
fn as_json() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("show carts/carts -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "namespace": "carts",
      "serviceAccount": "carts",
      "association": {
        "clusterName": "eks-workshop",
        "namespace": "carts",
        "serviceAccount": "carts",
        "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
        "associationId": "a-[id]",
        "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
        "disableSessionTags": false,
        "tags": {},
        "createdAt": "[time]",
        "modifiedAt": "[time]"
      },
      "role": {
        "name": "eks-workshop-carts-dynamo",
        "path": "/",
        "arn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
        "trust": {
          "Version": "2012-10-17",
          "Statement": [
            {
              "Effect": "Allow",
              "Principal": {
                "Service": "pods.eks.amazonaws.com"
              },
              "Action": [
                "sts:AssumeRole",
                "sts:TagSession"
              ]
            }
          ]
        },
        "tags": {},
        "createdAt": "[time]"
      },
      "trust": {
        "verdict": "allows",
        "reasons": []
      },
      "attachedPolicies": [
        "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"
      ],
      "inlinePolicies": [],
      "workloads": [
        {
          "kind": "Deployment",
          "namespace": "carts",
          "name": "carts",
          "uid": "[uuid]",
          "serviceAccount": "carts",
          "replicas": 2,
          "strategy": "RollingUpdate",
          "paused": false,
          "partition": 0,
          "generation": 1,
          "restartedAt": null,
          "selector": {
            "app.kubernetes.io/name": "carts"
          },
          "status": {
            "observedGeneration": 1,
            "total": 2,
            "updated": 2,
            "ready": 2,
            "available": 2,
            "currentRevision": null,
            "updateRevision": null,
            "deadlineExceeded": null,
            "replicaFailure": null
          }
        }
      ],
      "pods": [
        {
          "namespace": "carts",
          "name": "carts-[pod]",
          "serviceAccount": "carts",
          "node": "ip-10-42-11-12.us-west-2.compute.internal",
          "createdAt": "[time]",
          "deleting": false,
          "phase": "Running",
          "ready": true,
          "unschedulable": null,
          "owner": {
            "kind": "ReplicaSet",
            "name": "carts-8vhdzgshhs"
          },
          "revision": "8vhdzgshhs",
          "tokenVolume": true,
          "containers": [
            {
              "name": "carts",
              "init": false,
              "injected": true,
              "skipped": false,
              "restarts": 0,
              "waiting": null,
              "running": true,
              "terminated": null
            }
          ],
          "injection": "injected",
          "withoutInjection": [],
          "stale": false,
          "staleReason": null,
          "credentials": [
            {
              "pod": "carts/carts-[pod]",
              "container": "carts",
              "source": "pod-identity",
              "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
              "origin": null,
              "unless": null,
              "workloadIdentity": false
            }
          ]
        },
        {
          "namespace": "carts",
          "name": "carts-[pod]",
          "serviceAccount": "carts",
          "node": "ip-10-42-12-13.us-west-2.compute.internal",
          "createdAt": "[time]",
          "deleting": false,
          "phase": "Running",
          "ready": true,
          "unschedulable": null,
          "owner": {
            "kind": "ReplicaSet",
            "name": "carts-8vhdzgshhs"
          },
          "revision": "8vhdzgshhs",
          "tokenVolume": true,
          "containers": [
            {
              "name": "carts",
              "init": false,
              "injected": true,
              "skipped": false,
              "restarts": 0,
              "waiting": null,
              "running": true,
              "terminated": null
            }
          ],
          "injection": "injected",
          "withoutInjection": [],
          "stale": false,
          "staleReason": null,
          "credentials": [
            {
              "pod": "carts/carts-[pod]",
              "container": "carts",
              "source": "pod-identity",
              "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
              "origin": null,
              "unless": null,
              "workloadIdentity": false
            }
          ]
        }
      ],
      "unread": []
    }
    "#);
    assert!(env.writes().is_empty());
}

#[test]
fn as_yaml_or_a_name() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("show carts/carts --no-pods -o yaml").ok().steady(), @"
    exit 0
    --- stdout
    namespace: carts
    serviceAccount: carts
    association:
      clusterName: eks-workshop
      namespace: carts
      serviceAccount: carts
      associationArn: arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
      associationId: a-[id]
      roleArn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
      disableSessionTags: false
      tags: {}
      createdAt: [time]
      modifiedAt: [time]
    role:
      name: eks-workshop-carts-dynamo
      path: /
      arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
      trust:
        Version: 2012-10-17
        Statement:
        - Effect: Allow
          Principal:
            Service: pods.eks.amazonaws.com
          Action:
          - sts:AssumeRole
          - sts:TagSession
      tags: {}
      createdAt: [time]
    trust:
      verdict: allows
      reasons: []
    attachedPolicies:
    - arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    inlinePolicies: []
    workloads: null
    pods: null
    unread: []
    ");
    insta::assert_snapshot!(env.podid("show carts/carts -o name").ok().steady(), @r"
    exit 0
    --- stdout
    carts/carts
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn no_kubernetes_call_without_pods() {
    let env = Env::new("carts-associated");
    let run = env.podid("show carts/carts --no-pods").ok();
    assert!(!run.stdout.contains("Pods:") && run.stderr.is_empty(), "{run}");
    assert!(env.world.journal().calls().iter().all(|c| c.service != "kubernetes"));
}

#[test]
fn a_trust_policy_that_does_not_admit_it() {
    let env = Env::with("carts-associated", &[("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"))]);
    insta::assert_snapshot!(env.podid("show carts/carts --no-pods").ok().steady(), @r"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Trust:            does not allow this service account:
                      - sts:TagSession is not allowed (statement 1 allows only sts:AssumeRole)
    Policies:         arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Session tags:     sent
    Tags:             none
    Created:          [time]
    ");
}

#[test]
fn a_role_that_is_gone() {
    let env = Env::with("carts-associated", &[("/roles/1/name", json!("another"))]);
    insta::assert_snapshot!(env.podid("show carts/carts --no-pods").ok().steady(), @r"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
                      the role does not exist
    Session tags:     sent
    Tags:             none
    Created:          [time]
    ");
}

#[test]
fn nothing() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("show carts/cart").code(1).steady(), @r"
    exit 1
    --- stderr
    error: no association for `carts/cart` in cluster `eks-workshop`

    hint: did you mean `podid show carts/carts`?
    ");
    insta::assert_snapshot!(env.podid("show carts/cart -o json").code(1).steady(), @r#"
    exit 1
    --- stderr
    {"error":{"code":"failed","message":"no association for `carts/cart` in cluster `eks-workshop`","requestId":null,"hints":["did you mean `podid show carts/carts`?"]}}
    "#);
    insta::assert_snapshot!(env.podid("show carts").code(2).steady(), @r"
    exit 2
    --- stderr
    error: `carts` names no namespace: write NAMESPACE/carts, or pass -n NAMESPACE
    ");
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[denying(json!(["iam:GetRole", "iam:ListAttachedRolePolicies"]))]);
    insta::assert_snapshot!(env.podid("show carts/carts --no-pods").ok().steady(), @r"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
                      could not be read (not allowed: iam:GetRole)
    Trust:            not read
    Policies:         attached policies could not be read (not allowed: iam:ListAttachedRolePolicies)
    Session tags:     sent
    Tags:             none
    Created:          [time]
    ");
    let env = Env::with("carts-associated", &[forbidding(&["list pods"])]);
    insta::assert_snapshot!(env.podid("show carts/carts -o name").ok().steady(), @r"
    exit 0
    --- stdout
    carts/carts
    ");
    let run = env.podid("show carts/carts -o json").ok();
    let json = run.json();
    assert!(json["pods"].is_null(), "unread is not `none`: {run}");
    insta::assert_snapshot!(json["unread"].to_string(), @r#"[{"what":"pods","why":"not allowed: list pods"}]"#);
    let env = Env::with("carts-associated", &[("/callers/0/access_entry", json!(false))]);
    insta::assert_snapshot!(env.podid("show carts/carts").ok().steady_of_several(), @r"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Trust:            allows this service account
    Policies:         arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Session tags:     sent
    Tags:             none
    Created:          [time]
    --- stderr
    warning: workloads and pods could not be read: cannot [read something]: the cluster does not know the caller: cluster `eks-workshop` has no access entry for arn:aws:iam::111122223333:user/workshop
    hint: create one: `aws eks create-access-entry --cluster-name eks-workshop --principal-arn arn:aws:iam::111122223333:user/workshop`, then associate an access policy
    ");
    let env = Env::with("carts-associated", &[denying("eks:DescribePodIdentityAssociation")]);
    insta::assert_snapshot!(env.podid("show carts/carts").code(4).steady(), @r"
    exit 4
    --- stderr
    error: cannot read association `a-[id]` of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:DescribePodIdentityAssociation on resource: arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id] with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:DescribePodIdentityAssociation` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
}

#[test]
fn out_of_time() {
    let env = Env::new("carts-associated");
    let late = Action::Delay(std::time::Duration::from_secs(30));
    env.world.faults().add(Fault::always("iam", "GetRole", late));
    insta::assert_snapshot!(env.podid("show carts/carts --timeout 3s").code(5).steady(), @r"
    exit 5
    --- stderr
    error: timed out after 3s while reading the role

    hint: allow more time with `--timeout`
    ");
    env.world.journal().clear();
    let asked = |world: &podid_sandbox::Sandbox| world.journal().count("iam", "GetRole") > 0;
    let run = env.signalled("show carts/carts", "TERM", asked).code(143);
    assert!(run.stdout.is_empty(), "{run}");
}
