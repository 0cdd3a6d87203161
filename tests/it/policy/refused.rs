//! What keeps `podid policy attach` and `detach` from beginning.

use serde_json::json;

use super::roles::{MANAGED, ROLE, attach};
use crate::support::{Env, denying};

#[test]
fn the_quota_of_managed_policies() {
    let arns: Vec<String> = (0..10).map(|n| format!("arn:aws:iam::111122223333:policy/p{n}")).collect();
    let env = Env::new("carts-associated");
    env.world.with(|state| state.aws.roles.get_mut(ROLE).unwrap().attached = arns);
    insta::assert_snapshot!(env.podid(&attach(&format!("--policy-arn {MANAGED} --yes"))).code(1).steady(), @"
    exit 1
    --- stderr
    warning: role `eks-workshop-carts-dynamo` would have 11 managed policies; the quota is 10 unless it was raised: detach one, or combine several in one policy
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ attach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    could not attach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
    error: cannot attach `arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess` to role `eks-workshop-carts-dynamo`
      caused by: Cannot exceed quota for PoliciesPerRole: 10
      caused by: an IAM quota is exhausted
      request id: [uuid]

    hint: check usage and quotas: `aws iam get-account-summary`
    ");
}

#[test]
fn too_large() {
    let env = Env::new("carts-associated");
    let filler = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "x".repeat(9_900)}});
    env.world
        .with(|state| state.aws.roles.get_mut(ROLE).unwrap().inline.insert("other".to_owned(), filler.to_string()));
    insta::assert_snapshot!(env.podid(&attach("--dynamodb eks-workshop-carts=read-write --yes")).code(2), @"
    exit 2
    --- stderr
    error: the inline policies of role `eks-workshop-carts-dynamo` would have 10625 characters together; the IAM limit is 10240 (largest: other 9993, podid-dynamodb 632)

    hint: create a managed policy from one of them, and attach it with `--policy-arn`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn roles_that_are_not_there_or_elsewhere() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("policy attach nobody --policy-arn {MANAGED}")).code(1), @"
    exit 1
    --- stderr
    error: no role `nobody` in this account

    hint: list the roles that trust Pod Identity: `podid role list`
    ");
    insta::assert_snapshot!(env.podid(&format!("policy attach arn:aws:iam::444455556666:role/{ROLE} --policy-arn {MANAGED}")).code(2), @"
    exit 2
    --- stderr
    error: arn:aws:iam::444455556666:role/eks-workshop-carts-dynamo is not in the account of the AWS credentials (111122223333)

    hint: pass the profile of that account with `--profile`
    ");
    insta::assert_snapshot!(env.podid(&format!("policy detach arn:aws:iam::111122223333:role/x/{ROLE} --policy-arn {MANAGED}")).code(2), @"
    exit 2
    --- stderr
    error: the role of that name is arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo, not arn:aws:iam::111122223333:role/x/eks-workshop-carts-dynamo
    ");
    insta::assert_snapshot!(env.podid(&format!("policy attach {ROLE}")).code(2), @"
    exit 2
    --- stderr
    error: nothing to attach: no access specified

    hint: specify it, for example `--dynamodb TABLE`, `--s3 BUCKET=read` or `--add-on NAME`, or a policy with `--policy-arn ARN` or `--policy-file FILE`
    ");
    insta::assert_snapshot!(env.podid(&attach("--policy-arn arn:aws:iam::aws:role/x")).code(2), @"
    exit 2
    --- stderr
    error: --policy-arn: `arn:aws:iam::aws:role/x` is not the ARN of an IAM policy, but of iam role
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[denying("iam:ListRolePolicies")]);
    insta::assert_snapshot!(env.podid(&attach("--dynamodb eks-workshop-carts --yes")).code(4), @"
    exit 4
    --- stderr
    error: cannot read the inline policies of role `eks-workshop-carts-dynamo`: not allowed: iam:ListRolePolicies and iam:GetRolePolicy

    hint: allow iam:ListRolePolicies and iam:GetRolePolicy: without reading the policies, podid could overwrite what they grant
    ");
    let env = Env::with("carts-associated", &[denying("iam:GetRole")]);
    insta::assert_snapshot!(env.podid(&attach("--dynamodb eks-workshop-carts --yes")).code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot read role `eks-workshop-carts-dynamo`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:GetRole on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy
      caused by: a policy denies `iam:GetRole` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with("carts-associated", &[denying("iam:PutRolePolicy")]);
    insta::assert_snapshot!(env.podid(&attach("--dynamodb eks-workshop-carts --yes -o json")).code(4).steady(), @r#"
    exit 4
    --- stdout
    {
      "steps": [
        {
          "id": "put-policy/podid-dynamodb",
          "action": "putPolicy",
          "resource": "eks-workshop-carts-dynamo/podid-dynamodb",
          "status": "failed",
          "error": "cannot write inline policy `podid-dynamodb` of role `eks-workshop-carts-dynamo`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:PutRolePolicy on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy: a policy denies `iam:PutRolePolicy` to the caller, whatever else allows it"
        }
      ],
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    could not add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    {"error":{"code":"AccessDenied","message":"cannot write inline policy `podid-dynamodb` of role `eks-workshop-carts-dynamo`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:PutRolePolicy on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy: a policy denies `iam:PutRolePolicy` to the caller, whatever else allows it","requestId":"[uuid]","hints":["ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`"]}}
    "#);
    let env = Env::with("carts-associated", &[denying("iam:ListAttachedRolePolicies")]);
    insta::assert_snapshot!(env.podid(&attach(&format!("--policy-arn {MANAGED} --yes"))).ok(), @"
    exit 0
    --- stderr
    warning: attached policies not checked: not allowed: iam:ListAttachedRolePolicies
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ attach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    attached arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
    ");
}
