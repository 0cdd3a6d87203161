//! `podid role show`.

use serde_json::json;

use super::{ROLE, set_trust, trusting};
use crate::support::{Env, denying};

#[test]
fn block_and_json() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("role show {ROLE}")).ok().steady(), @"
    exit 0
    --- stdout
    Role:      eks-workshop-carts-dynamo
    ARN:       arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Allows:    every service account of any cluster
    Policies:  arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Used by:   carts/carts
    Tags:      none
    Created:   [time]
    ");
    insta::assert_snapshot!(env.tty(80, &["role", "show", ROLE], "").ok().steady(), @"
    exit 0
    --- stdout
    Role:      eks-workshop-carts-dynamo
    ARN:       arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Allows:    every service account of any cluster
    Policies:  arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Used by:   carts/carts
    Tags:      none
    Created:   [time] ([age])
    ");
    insta::assert_snapshot!(env.podid(&format!("role show arn:aws:iam::111122223333:role/{ROLE} -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
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
        "mayAssume": [
          "every service account of any cluster"
        ],
        "others": [],
        "findings": []
      },
      "attachedPolicies": [
        "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"
      ],
      "inlinePolicies": [],
      "associations": [
        {
          "clusterName": "eks-workshop",
          "namespace": "carts",
          "serviceAccount": "carts",
          "associationId": "a-[id]",
          "asTarget": false
        }
      ],
      "unread": []
    }
    "#);
    assert_eq!(env.podid(&format!("role show {ROLE} -o name")).ok().stdout, format!("{ROLE}\n"));
}

#[test]
fn of_another_partition_with_a_path_and_a_boundary() {
    let boundary = "arn:aws-cn:iam::111122223333:policy/boundary";
    let env = Env::with(
        "carts-before",
        &[
            ("/partition", json!("aws-cn")),
            ("/region", json!("cn-north-1")),
            ("/policies/-", json!({"arn": boundary, "document": {}})),
            (
                "/roles/-",
                json!({"name": "app", "path": "/team/a/", "trust": trusting(&json!(null)), "boundary": boundary, "tags": {"team": "a"}}),
            ),
        ],
    );
    insta::assert_snapshot!(env.podid("role show app").ok().steady(), @"
    exit 0
    --- stdout
    Role:                  app
    ARN:                   arn:aws-cn:iam::111122223333:role/team/a/app
    Permissions boundary:  arn:aws-cn:iam::111122223333:policy/boundary
    Allows:                every service account of any cluster
    Policies:              none: AWS denies every call of the role
    Used by:               none in cluster eks-workshop
    Tags:                  team=a
    Created:               [time]
    ");
}

#[test]
fn with_mistakes_and_without_a_cluster() {
    let mut env = Env::new("carts-associated");
    set_trust(&env, ROLE, &trusting(&json!({"StringEquals": {"sts:ExternalId": "x"}})));
    env.unset("PODID_CLUSTER");
    insta::assert_snapshot!(env.podid(&format!("role show {ROLE}")).ok().steady(), @"
    exit 0
    --- stdout
    Role:      eks-workshop-carts-dynamo
    ARN:       arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Allows:    every service account of any cluster (one more condition)
    Mistakes:  statement 1: requires sts:ExternalId, which EKS does not send
    Policies:  arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Tags:      none
    Created:   [time]
    --- stderr
    note: no cluster specified: associations were not read
    hint: check the corrected trust policy with `podid role trust eks-workshop-carts-dynamo`
    ");
}

#[test]
fn missing_and_denied() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("role show eks-workshop-cart-dynamo").code(1), @"
    exit 1
    --- stderr
    error: no role `eks-workshop-cart-dynamo` in this account

    hint: did you mean `eks-workshop-carts-dynamo`?
    hint: list the roles that trust Pod Identity: `podid role list`
    ");
    insta::assert_snapshot!(env.podid("role show nobody").code(1), @"
    exit 1
    --- stderr
    error: no role `nobody` in this account

    hint: list the roles that trust Pod Identity: `podid role list`
    ");
    let env = Env::with("carts-associated", &[denying("iam:GetRole")]);
    insta::assert_snapshot!(env.podid(&format!("role show {ROLE}")).code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot read role `eks-workshop-carts-dynamo`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:GetRole on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy
      caused by: a policy denies `iam:GetRole` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with(
        "carts-associated",
        &[denying(json!(["iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "eks:ListPodIdentityAssociations"]))],
    );
    insta::assert_snapshot!(env.podid(&format!("role show {ROLE}")).ok().steady(), @"
    exit 0
    --- stdout
    Role:      eks-workshop-carts-dynamo
    ARN:       arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Allows:    every service account of any cluster
    Policies:  attached policies could not be read (not allowed: iam:ListAttachedRolePolicies)
               inline policies could not be read (not allowed: iam:ListRolePolicies)
    Tags:      none
    Created:   [time]
    --- stderr
    warning: could not read which roles cluster eks-workshop uses: not allowed: eks:ListPodIdentityAssociations
    ");
}
