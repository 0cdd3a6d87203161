//! `podid role delete`.

use serde_json::json;

use super::{ROLE, set_trust, trusting};
use crate::support::{Env, denying};

/// The workshop's role, created by podid, which nobody uses any more.
fn unused() -> Env {
    let env = Env::with("carts-associated", &[("/associations", json!([]))]);
    env.world.with(|state| {
        let role = state.aws.roles.get_mut(ROLE).unwrap();
        role.inline.insert("podid-dynamodb".to_owned(), "{}".to_owned());
        role.tags.extend(tags());
    });
    env
}

/// What podid puts on the roles of the workshop's cluster.
fn tags() -> [(String, String); 2] {
    let cluster = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
    [("podid.dev/managed-by", "podid"), ("podid.dev/cluster", cluster)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
}

fn there(env: &Env) -> bool {
    env.world.with(|state| state.aws.roles.contains_key(ROLE))
}

#[test]
fn in_the_right_order() {
    let env = unused();
    let line = format!("role delete {ROLE}");
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run --exit-code")).code(3), @"
    exit 3
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - detach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
      - delete role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 3 to delete
    ");
    insta::assert_snapshot!(env.podid(&line).code(2), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - detach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
      - delete role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 3 to delete
    error: confirmation required: this deletes a role, or changes more than the service accounts named one by one, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{line} --yes -o json")).ok(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "detach-policy/arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess",
          "action": "detachPolicy",
          "resource": "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess",
          "status": "done",
          "error": null
        },
        {
          "id": "delete-policy/podid-dynamodb",
          "action": "deletePolicy",
          "resource": "eks-workshop-carts-dynamo/podid-dynamodb",
          "status": "done",
          "error": null
        },
        {
          "id": "delete-role",
          "action": "deleteRole",
          "resource": "eks-workshop-carts-dynamo",
          "status": "done",
          "error": null
        }
      ],
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - detach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
      - delete role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 3 to delete
    detached arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
    deleted inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    deleted role eks-workshop-carts-dynamo
    "#);
    assert_eq!(env.writes().last().unwrap(), "iam DeleteRole");
    assert!(!there(&env));
    insta::assert_snapshot!(env.podid(&line).ok(), @"
    exit 0
    --- stderr
    role eks-workshop-carts-dynamo does not exist: nothing to delete
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} -o json")).ok(), @r#"
    exit 0
    --- stdout
    {
      "steps": [],
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
    --- stderr
    role eks-workshop-carts-dynamo does not exist: nothing to delete
    "#);
}

#[test]
fn on_a_terminal_the_clusters_name_is_typed() {
    let env = unused();
    let args = ["role", "delete", ROLE];
    let _ = env.tty(80, &args, "y\n").code(2).says("To confirm, type the cluster name (eks-workshop)");
    assert!(there(&env));
    let _ = env.tty(80, &args, "eks-workshop\n").ok().says(&format!("✔ deleted role {ROLE}"));
    assert!(!there(&env));
}

#[test]
fn while_it_is_used() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("role delete {ROLE} --yes")).code(2), @"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-dynamo` is still used by carts/carts in cluster eks-workshop

    hint: delete its associations first: `podid disassociate carts/carts`
    ");
    assert!(there(&env) && env.writes().is_empty());
    // In another cluster of the region that its trust policy names; one that is gone leaves a doubt.
    let arn = |name: &str| format!("arn:aws:eks:us-west-2:111122223333:cluster/{name}");
    let other = json!({"name": "blue", "version": "1.33"});
    let association = json!({"cluster": "blue", "namespace": "carts", "service_account": "carts", "role": format!("arn:aws:iam::111122223333:role/{ROLE}")});
    let named = trusting(&json!({"StringEquals": {"aws:RequestTag/eks-cluster-arn": [arn("blue"), arn("gone")]}}));
    let env = Env::with("carts-associated", &[("/clusters/-", other), ("/associations", json!([association]))]);
    set_trust(&env, ROLE, &named);
    insta::assert_snapshot!(env.podid(&format!("role delete {ROLE} --yes")).code(2), @"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-dynamo` is still used by carts/carts in cluster blue

    hint: delete its associations first: `podid disassociate carts/carts --cluster blue`
    ");
    let env = Env::with(
        "carts-associated",
        &[("/clusters/-", json!({"name": "blue", "version": "1.33"})), ("/associations", json!([]))],
    );
    set_trust(&env, ROLE, &named);
    let _ = env.podid(&format!("role delete {ROLE} --yes")).code(2).says("cluster/gone, which its trust policy names");
    let _ = env.podid(&format!("role delete {ROLE} --yes --force")).ok();
}

#[test]
fn of_machines() {
    let env = unused();
    env.world.with(|state| state.aws.roles.get_mut(ROLE).unwrap().instance_profiles = vec!["nodes".to_owned()]);
    insta::assert_snapshot!(env.podid(&format!("role delete {ROLE} --yes")).code(2), @"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-dynamo` is in instance profile `nodes`: EC2 instances may run as it

    hint: if none does, remove it: `aws iam remove-role-from-instance-profile --instance-profile-name nodes --role-name eks-workshop-carts-dynamo`
    ");
    assert!(there(&env) && env.writes().is_empty());
}

#[test]
fn what_is_left_to_the_user() {
    let env = unused();
    let mut document =
        trusting(&json!({"ArnEquals": {"aws:SourceArn": "arn:aws:eks:eu-west-1:111122223333:cluster/far"}}));
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    document["Statement"].as_array_mut().unwrap().push(ec2);
    set_trust(&env, ROLE, &document);
    let _ = env.podid(&format!("role delete {ROLE} --dry-run")).code(2).says("pass `--force`");
    insta::assert_snapshot!(env.podid(&format!("role delete {ROLE} --dry-run --force")).ok(), @"
    exit 0
    --- stderr
    warning: role `eks-workshop-carts-dynamo` is possibly in use: cluster arn:aws:eks:eu-west-1:111122223333:cluster/far, which its trust policy names, does not exist; its trust policy allows Service ec2.amazonaws.com
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - detach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
      - delete role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 3 to delete
    ");
}

#[test]
fn denied() {
    for action in ["eks:ListPodIdentityAssociations", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies"] {
        let env = Env::with("carts-associated", &[denying(action), ("/associations", json!([]))]);
        let run = env.podid(&format!("role delete {ROLE} --yes")).code(4).says(action);
        assert!(there(&env) && env.writes().is_empty(), "{run}");
    }
    let env = Env::with("carts-associated", &[denying("iam:DeleteRole"), ("/associations", json!([]))]);
    insta::assert_snapshot!(env.podid(&format!("role delete {ROLE} --force --yes -o json")).code(6).steady(), @r#"
    exit 6
    --- stdout
    {
      "steps": [
        {
          "id": "detach-policy/arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess",
          "action": "detachPolicy",
          "resource": "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess",
          "status": "done",
          "error": null
        },
        {
          "id": "delete-role",
          "action": "deleteRole",
          "resource": "eks-workshop-carts-dynamo",
          "status": "failed",
          "error": "cannot delete role `eks-workshop-carts-dynamo`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:DeleteRole on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy: a policy denies `iam:DeleteRole` to the caller, whatever else allows it"
        }
      ],
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
    --- stderr
    warning: role `eks-workshop-carts-dynamo` is possibly in use: podid did not create it for cluster eks-workshop (it has no tag podid.dev/managed-by)
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - detach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
      - delete role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 2 to delete
    detached arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role eks-workshop-carts-dynamo
    could not delete role eks-workshop-carts-dynamo
    {"error":{"code":"AccessDenied","message":"cannot delete role `eks-workshop-carts-dynamo`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:DeleteRole on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy: a policy denies `iam:DeleteRole` to the caller, whatever else allows it","requestId":"[uuid]","hints":["ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`","run the same command again: finished steps are skipped"]}}
    "#);
    assert!(there(&env));
}
