//! `podid role create`.

use serde_json::{Value, json};

use super::{ROLE, trust_of, trusting};
use crate::support::{Env, denying};

const LINE: &str = "role create carts-role --service-account carts/carts";

#[test]
fn for_a_service_account() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dry-run -v")).ok(), @r#"
    exit 0
    --- stderr
    warning: role `carts-role` is created without permissions: AWS denies the calls of its pods until it has a policy
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role carts-role (path /podid/)
          @@ -0,0 +1,23 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": [
          +    {
          +      "Sid": "Podid8233eca52c385fc1",
          +      "Effect": "Allow",
          +      "Principal": {
          +        "Service": "pods.eks.amazonaws.com"
          +      },
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ],
          +      "Condition": {
          +        "StringEquals": {
          +          "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          +          "aws:RequestTag/kubernetes-namespace": "carts",
          +          "aws:RequestTag/kubernetes-service-account": "carts"
          +        }
          +      }
          +    }
          +  ]
          +}
    Plan: 1 to create, 0 to change, 0 to delete
    "#);
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dynamodb eks-workshop-carts=read-write -o json")).ok(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "create-role",
          "action": "createRole",
          "resource": "carts-role",
          "status": "done",
          "error": null
        },
        {
          "id": "put-policy/podid-dynamodb",
          "action": "putPolicy",
          "resource": "carts-role/podid-dynamodb",
          "status": "done",
          "error": null
        }
      ],
      "roleName": "carts-role",
      "roleArn": "arn:aws:iam::111122223333:role/podid/carts-role"
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role carts-role (path /podid/)
      + add inline policy podid-dynamodb to role carts-role
    Plan: 2 to create, 0 to change, 0 to delete
    created role carts-role
    added inline policy podid-dynamodb to role carts-role
    hint: associate it with the role: `podid associate carts/carts --role carts-role`
    "#);
    assert_eq!(env.writes(), ["iam CreateRole", "iam PutRolePolicy"]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dynamodb eks-workshop-carts=read-write")).ok(), @"
    exit 0
    --- stderr
    role carts-role is already as requested: nothing to change
    ");
    assert_eq!(env.writes().len(), 2);
    let (path, tags) = env.world.with(|state| {
        let role = &state.aws.roles["carts-role"];
        (role.path.clone(), role.tags.clone())
    });
    assert_eq!((path.as_str(), tags["podid.dev/service-account"].as_str()), ("/podid/", "carts"));
    // It does what associate's would.
    let _ = env.podid("associate carts/carts --role carts-role --no-wait --yes").ok();
    // A wider scope of it is an update.
    insta::assert_snapshot!(env.podid(&format!("{LINE} --scope cluster")).code(2), @r#"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the trust policy of role carts-role
          @@ -13,9 +13,7 @@
                 ],
                 "Condition": {
                   "StringEquals": {
          -          "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          -          "aws:RequestTag/kubernetes-namespace": "carts",
          -          "aws:RequestTag/kubernetes-service-account": "carts"
          +          "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop"
                   }
                 }
               }
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    "#);
}

#[test]
fn for_a_cluster_with_everything() {
    let boundary = "arn:aws-us-gov:iam::111122223333:policy/boundary";
    let env = Env::with(
        "carts-before",
        &[
            ("/partition", json!("aws-us-gov")),
            ("/region", json!("us-gov-west-1")),
            ("/policies/-", json!({"arn": boundary, "document": {}})),
        ],
    );
    let line = format!(
        "role create tools --path /team/a/ --permissions-boundary {boundary} --tag team=a --disable-session-tags"
    );
    insta::assert_snapshot!(env.podid(&line).ok(), @"
    exit 0
    --- stderr
    warning: role `tools` is created without permissions: AWS denies the calls of its pods until it has a policy
    Plan for cluster eks-workshop (111122223333, us-gov-west-1):
      + create role tools (path /team/a/, boundary arn:aws-us-gov:iam::111122223333:policy/boundary)
    Plan: 1 to create, 0 to change, 0 to delete
    created role tools
    ");
    insta::assert_snapshot!(serde_json::to_string_pretty(&trust_of(&env, "tools")).unwrap(), @r#"
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "Podidc8c8af2d8cfd0491",
          "Effect": "Allow",
          "Principal": {
            "Service": "pods.eks.amazonaws.com"
          },
          "Action": [
            "sts:AssumeRole",
            "sts:TagSession"
          ],
          "Condition": {
            "ArnEquals": {
              "aws:SourceArn": "arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/eks-workshop"
            },
            "StringEquals": {
              "aws:SourceAccount": "111122223333"
            }
          }
        }
      ]
    }
    "#);
    let _ = env.podid(&line).ok().says("nothing to change");
    let tags = env.world.with(|state| state.aws.roles["tools"].tags.clone());
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["podid.dev/cluster", "podid.dev/managed-by", "team"]);
}

#[test]
fn adopting() {
    let theirs = json!({"name": "carts-role", "trust": trusting(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}}))});
    let env = Env::with("carts-before", &[("/roles/-", theirs.clone())]);
    insta::assert_snapshot!(env.podid(LINE).code(2), @"
    exit 2
    --- stderr
    error: role `carts-role` already exists, and podid did not create it

    hint: to take it over and add podid's tags, pass `--adopt`
    hint: or choose another name
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{LINE} --adopt --yes")).ok(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ tag role carts-role (podid.dev/cluster, podid.dev/managed-by, podid.dev/namespace, podid.dev/service-account)
      ~ update the trust policy of role carts-role
          @@ -15,6 +15,24 @@
                     "aws:RequestTag/kubernetes-namespace": "orders"
                   }
                 }
          +    },
          +    {
          +      "Sid": "Podid8233eca52c385fc1",
          +      "Effect": "Allow",
          +      "Principal": {
          +        "Service": "pods.eks.amazonaws.com"
          +      },
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ],
          +      "Condition": {
          +        "StringEquals": {
          +          "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          +          "aws:RequestTag/kubernetes-namespace": "carts",
          +          "aws:RequestTag/kubernetes-service-account": "carts"
          +        }
          +      }
               }
             ]
           }
    Plan: 0 to create, 2 to change, 0 to delete
    tagged role carts-role
    updated the trust policy of role carts-role
    hint: associate it with the role: `podid associate carts/carts --role carts-role`
    "#);
    assert_eq!(trust_of(&env, "carts-role")["Statement"][0], theirs["trust"]["Statement"][0]);
    let _ = env.podid(LINE).ok().says("nothing to change");
    insta::assert_snapshot!(env.podid("role create carts-role --service-account orders/orders --adopt").code(2), @"
    exit 2
    --- stderr
    error: podid created role `carts-role` for carts/carts of cluster arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop, not for orders/orders of cluster eks-workshop

    hint: choose another name
    ");
}

#[test]
fn for_the_kube_context() {
    let mut env = Env::new("carts-before");
    let kubeconfig = env.kubeconfig();
    env.var("KUBECONFIG", &kubeconfig).unset("PODID_CLUSTER");
    insta::assert_snapshot!(env.podid(LINE).code(2), @"
    exit 2
    --- stderr
    warning: role `carts-role` is created without permissions: AWS denies the calls of its pods until it has a policy
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role carts-role (path /podid/)
    Plan: 1 to create, 0 to change, 0 to delete
    error: confirmation required: the cluster was taken from the kube context, and there is no terminal to ask on
      caused by: cluster eks-workshop, account 111122223333, region us-west-2 (all from kube context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    let _ = env.podid(&format!("{LINE} --yes")).ok();
}

#[test]
fn wrong_input() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("role create a/b").code(2), @"
    exit 2
    --- stderr
    error: role name `a/b` has a `/`: pass only the name, or the role's ARN
    ");
    insta::assert_snapshot!(env.podid("role create a --scope namespace").code(2), @"
    exit 2
    --- stderr
    error: scope `namespace` needs a service account

    hint: name it with `--service-account NAMESPACE/SERVICE_ACCOUNT`
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --scope namespace --disable-session-tags")).code(2), @"
    exit 2
    --- stderr
    error: scope `namespace` needs session tags, and they are disabled

    hint: pass `--scope cluster`, or keep session tags enabled
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --path team")).code(2), @"
    exit 2
    --- stderr
    error: --path: path `team` must begin and end with `/`
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --tag aws:x=y")).code(2), @"
    exit 2
    --- stderr
    error: --tag: tag `aws:x` begins with `aws:`, which is reserved by AWS
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --permissions-boundary {ROLE}")).code(2), @"
    exit 2
    --- stderr
    error: --permissions-boundary: `eks-workshop-carts-dynamo` is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn denied() {
    let env = Env::with("carts-before", &[denying("iam:CreateRole")]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady(), @"
    exit 4
    --- stderr
    warning: role `carts-role` is created without permissions: AWS denies the calls of its pods until it has a policy
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role carts-role (path /podid/)
    Plan: 1 to create, 0 to change, 0 to delete
    could not create role carts-role (path /podid/)
    error: cannot create role `carts-role`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::111122223333:role/podid/carts-role with an explicit deny in an identity-based policy
      caused by: a policy denies `iam:CreateRole` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with("carts-before", &[denying("iam:PutRolePolicy"), ("/delays", json!({"iam": 0}))]);
    let run = env.podid(&format!("{LINE} --dynamodb eks-workshop-carts -o json")).code(6);
    let steps: Vec<Value> = run.json()["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(steps, ["done", "failed"], "{run}");
}
