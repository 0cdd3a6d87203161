//! What `associate` asks, and when.

use serde_json::json;

use crate::support::Env;

const UPDATE: &str = "associate carts/carts --role eks-workshop-carts-other";

/// carts is associated; there is another role that it could have.
fn with_another_role() -> Env {
    let other = json!({
        "name": "eks-workshop-carts-other",
        "trust": {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "pods.eks.amazonaws.com" },
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }],
        },
    });
    Env::with("carts-associated", &[("/roles/-", other)])
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn an_update_asks() {
    let env = with_another_role();
    insta::assert_snapshot!(env.podid(UPDATE).code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (role eks-workshop-carts-dynamo -> eks-workshop-carts-other)
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    insta::assert_snapshot!(env.tty(80, &words(UPDATE), "n\n").code(2).steady(), @"
    exit 2
    --- stdout
    n
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (role eks-workshop-carts-dynamo ->
        eks-workshop-carts-other)
    Plan: 0 to create, 1 to change, 0 to delete
    Apply this to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)? [y/N] error: not confirmed; nothing was changed
    ");
    insta::assert_snapshot!(env.tty(80, &words(UPDATE), "\u{4}").code(2).steady(), @"
    exit 2
    --- stdout
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (role eks-workshop-carts-dynamo ->
        eks-workshop-carts-other)
    Plan: 0 to create, 1 to change, 0 to delete
    Apply this to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)? [y/N]
    error: not confirmed; nothing was changed
    ");
    insta::assert_snapshot!(env.podid(&format!("{UPDATE} -q")).code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (role eks-workshop-carts-dynamo -> eks-workshop-carts-other)
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn an_update_is_carried_out_after_a_yes() {
    let env = with_another_role();
    insta::assert_snapshot!(env.tty(80, &words(UPDATE), "y\n").ok().steady(), @"
    exit 0
    --- stdout
    ✔ carts/carts: probably ready: waited 10 s (an update cannot be observed from outside)
    warning: 2 running pods started before the change: carts-[pod],
      carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks UpdatePodIdentityAssociation"]);
}

#[test]
fn an_update_with_yes() {
    let env = with_another_role();
    insta::assert_snapshot!(env.podid(&format!("{UPDATE} --yes --dry-run --exit-code")).code(3).steady(), @"
    exit 3
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (role eks-workshop-carts-dynamo -> eks-workshop-carts-other)
    Plan: 0 to create, 1 to change, 0 to delete
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{UPDATE} --yes -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "update-association",
          "action": "updateAssociation",
          "resource": "carts/carts",
          "status": "done",
          "error": null
        }
      ],
      "association": {
        "clusterName": "eks-workshop",
        "namespace": "carts",
        "serviceAccount": "carts",
        "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
        "associationId": "a-[id]",
        "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-other",
        "disableSessionTags": false,
        "tags": {},
        "createdAt": "[time]",
        "modifiedAt": "[time]"
      },
      "effective": "assumed",
      "effectiveHow": "waited 10 s (an update cannot be observed from outside)",
      "rollouts": [],
      "stalePods": [
        "carts-[pod]",
        "carts-[pod]"
      ]
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (role eks-workshop-carts-dynamo -> eks-workshop-carts-other)
    Plan: 0 to create, 1 to change, 0 to delete
    updated the association of carts/carts
    carts/carts: waiting 10 s for the change to propagate: an update cannot be observed from outside
    carts/carts: probably ready: waited 10 s (an update cannot be observed from outside)
    warning: 2 running pods started before the change: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    "#);
    assert_eq!(env.writes(), ["eks UpdatePodIdentityAssociation"]);
}

#[test]
fn creates_for_the_kube_context_ask() {
    let line = "associate carts/carts --role eks-workshop-carts-dynamo";
    let mut env = Env::new("carts-role");
    let kubeconfig = env.kubeconfig();
    env.var("KUBECONFIG", &kubeconfig).unset("PODID_CLUSTER");
    insta::assert_snapshot!(env.podid(line).code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    error: confirmation required: the cluster was taken from the kube context, and there is no terminal to ask on
      caused by: cluster eks-workshop, account 111122223333, region us-west-2 (all from kube context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    insta::assert_snapshot!(env.tty(80, &words(line), "no\n").code(2).steady(), @"
    exit 2
    --- stdout
    no
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    Apply this to cluster eks-workshop, account 111122223333, region us-west-2 (all from kube context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop)? [y/N] error: not confirmed; nothing was changed
    ");
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{line} --yes")).ok().says("ready: new pods get credentials");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
    // There is nothing to ask about any more.
    let _ = env.podid(line).ok().says("nothing to change");
}

/// What IRSA gave the pods goes away at their next restart: that is a change of something that exists.
#[test]
fn an_irsa_annotation_asks() {
    let annotation = "/manifests/6/metadata/annotations";
    let role = json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/carts-irsa" });
    let env = Env::with("carts-role", &[(annotation, role)]);
    let line = "associate carts/carts --role eks-workshop-carts-dynamo";
    insta::assert_snapshot!(env.podid(line).code(2).steady(), @"
    exit 2
    --- stderr
    warning: pods switch from role arn:aws:iam::111122223333:role/carts-irsa (IRSA) to role arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo at their next restart
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{line} --yes")).ok().steady(), @"
    exit 0
    --- stderr
    warning: pods switch from role arn:aws:iam::111122223333:role/carts-irsa (IRSA) to role arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo at their next restart
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

/// What others act under is not extended without asking; a role that podid made for this service account is.
#[test]
fn permissions_on_a_role_that_others_may_use_ask() {
    let grant = "--dynamodb eks-workshop-carts=full --policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess --no-wait";
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("associate carts/carts --role eks-workshop-carts-dynamo {grant}")).code(2).steady(), @"
    exit 2
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ attach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
      ~ add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    Plan: 0 to create, 2 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    let env = Env::new("carts-agent");
    let _ = env.podid("associate carts/carts --create-role --no-wait").ok();
    env.world.journal().clear();
    let _ = env.podid(&format!("associate carts/carts --create-role {grant}")).ok();
    assert_eq!(env.writes().len(), 2);
    // Once another service account may use it too, it is shared.
    let _ = env.podid("associate carts/other --role eks-workshop-carts-carts-8233eca5 --no-wait --yes").ok();
    let more =
        "associate carts/carts --create-role --policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess --no-wait";
    let _ = env.podid(more).code(2).says("this changes existing resources");
}
