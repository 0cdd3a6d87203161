//! `disassociate --delete-role`: which roles go, and which stay.

use serde_json::{Value, json};

use super::{LINE, ROLE, made, words};
use crate::support::Env;

fn roles(env: &Env) -> Vec<String> {
    env.world.with(|state| state.aws.roles.keys().cloned().collect())
}

#[test]
fn with_its_role() {
    let env = made();
    let line = format!("{LINE} --delete-role");
    insta::assert_snapshot!(env.podid(&line).code(2).steady(), @"
    exit 2
    --- stderr
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours: carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-carts-8233eca5)
      - delete inline policy podid-dynamodb of role eks-workshop-carts-carts-8233eca5
      - delete role eks-workshop-carts-carts-8233eca5
    Plan: 0 to create, 0 to change, 3 to delete
    error: confirmation required: this deletes a role, or changes more than the service accounts named one by one, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    insta::assert_snapshot!(env.tty(100, &words(&line), "carts\n").code(2).steady(), @"
    exit 2
    --- stdout
    carts
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours:
      carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-carts-8233eca5)
      - delete inline policy podid-dynamodb of role eks-workshop-carts-carts-8233eca5
      - delete role eks-workshop-carts-carts-8233eca5
    Plan: 0 to create, 0 to change, 3 to delete
    This applies to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration).
    To confirm, type the cluster name (eks-workshop): error: not confirmed; nothing was changed
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(100, &words(&line), "eks-workshop\n").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours:
      carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-carts-8233eca5)
      - delete inline policy podid-dynamodb of role eks-workshop-carts-carts-8233eca5
      - delete role eks-workshop-carts-carts-8233eca5
    Plan: 0 to create, 0 to change, 3 to delete
    This applies to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration).
    To confirm, type the cluster name (eks-workshop): ✔ deleted the association of carts/carts
    ✔ deleted inline policy podid-dynamodb of role eks-workshop-carts-carts-8233eca5
    ✔ deleted role eks-workshop-carts-carts-8233eca5
    ✔ carts/carts: new pods no longer get credentials (6 of 6 dry-run pods)
    ");
    assert_eq!(roles(&env), ["eks-workshop-nodes"]);
    let run = env.podid(&line).ok().says("nothing to delete");
    assert_eq!(env.writes().len(), 3, "{run}");
}

/// Killed after the association was deleted, a second run finds the role that is left.
#[test]
fn a_role_that_was_left_is_found() {
    let env = made();
    env.world.with(|state| state.aws.associations.clear());
    insta::assert_snapshot!(env.podid(&format!("{LINE} --delete-role --yes")).ok().steady(), @"
    exit 0
    --- stderr
    carts/carts has no association: nothing to delete
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete inline policy podid-dynamodb of role eks-workshop-carts-carts-8233eca5
      - delete role eks-workshop-carts-carts-8233eca5
    Plan: 0 to create, 0 to change, 2 to delete
    deleted inline policy podid-dynamodb of role eks-workshop-carts-carts-8233eca5
    deleted role eks-workshop-carts-carts-8233eca5
    ");
    assert_eq!(roles(&env), ["eks-workshop-nodes"]);
}

#[test]
fn a_role_that_podid_did_not_make_stays() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --delete-role --yes")).code(2).steady(), @"
    exit 2
    --- stderr
    error: podid did not create role `eks-workshop-carts-dynamo` for cluster eks-workshop (it has no tag podid.dev/managed-by)

    hint: omit `--delete-role`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn a_role_with_other_users_stays() {
    let env = made();
    let _ = env.podid("associate carts/other --role eks-workshop-carts-carts-8233eca5 --no-wait --yes").ok();
    env.world.journal().clear();
    let line = format!("{LINE} --delete-role --no-wait --yes");
    insta::assert_snapshot!(env.podid(&format!("{line} --force")).code(2).steady(), @"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-carts-8233eca5` is still used by carts/other in cluster eks-workshop

    hint: omit `--delete-role`, or disassociate those too
    ");
    assert!(env.writes().is_empty());
    let _ = env.podid("disassociate carts/other --no-wait --yes").ok();
    let _ = env.podid(&line).ok();
    assert_eq!(roles(&env), ["eks-workshop-nodes"]);
}

#[test]
fn a_role_whose_users_cannot_all_be_looked_for_needs_force() {
    let line = format!("{LINE} --delete-role --no-wait --yes");
    for admits in [
        json!({ "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"] }),
        json!({
            "Sid": "Podid0123456789abcdef", "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": { "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-west-1:999988887777:cluster/other",
            } },
        }),
    ] {
        let env = made();
        env.world.with(|state| {
            let mut document: Value = serde_json::from_str(&state.aws.roles[ROLE].trust).unwrap();
            document["Statement"].as_array_mut().unwrap().push(admits);
            state.aws.roles.get_mut(ROLE).unwrap().set_trust(&document);
        });
        let run = env.podid(&line).code(2).says("possibly in use").says("--force");
        assert!(env.writes().is_empty(), "{run}");
        let run = env.podid(&format!("{line} --force")).ok();
        assert_eq!(roles(&env), ["eks-workshop-nodes"], "{run}");
    }
}
