//! `podid disassociate`.

mod killed;
mod roles;

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::support::{Env, denying, forbidding};

const LINE: &str = "disassociate carts/carts";
const ROLE: &str = "eks-workshop-carts-carts-8233eca5";

/// carts works with a role that podid made.
fn made() -> Env {
    let env = Env::new("carts-agent");
    let line = "associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --recycle";
    let _ = env.podid(line).ok();
    env.world.journal().clear();
    env
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn trust(env: &Env, role: &str) -> Value {
    env.world.with(|state| serde_json::from_str(&state.aws.roles[role].trust).unwrap())
}

#[test]
fn one() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(LINE).code(2).steady(), @"
    exit 2
    --- stderr
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours: carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
    Plan: 0 to create, 0 to change, 1 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(120, &words(LINE), "y\n").ok().steady(), @"
    exit 0
    --- stdout
    y
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours:
      carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
    Plan: 0 to create, 0 to change, 1 to delete
    Apply this to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)? [y/N] ✔ deleted the association of carts/carts
    ✔ carts/carts: new pods no longer get credentials (6 of 6 dry-run pods)
    ");
    assert_eq!(env.writes(), ["eks DeletePodIdentityAssociation"]);
    // Absent already: said, and no failure.
    env.world.journal().clear();
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    carts/carts has no association: nothing to delete
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn json() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dry-run --exit-code -o json")).code(3).steady(), @r#"
    exit 3
    --- stdout
    {
      "steps": [
        {
          "id": "delete-association/carts/carts",
          "action": "deleteAssociation",
          "resource": "carts/carts",
          "status": "planned",
          "error": null
        }
      ],
      "associations": [
        {
          "clusterName": "eks-workshop",
          "namespace": "carts",
          "serviceAccount": "carts",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
          "associationId": "a-[id]",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "disableSessionTags": false,
          "tags": {},
          "createdAt": "[time]",
          "modifiedAt": "[time]",
          "effective": null,
          "effectiveHow": null
        }
      ],
      "rollouts": []
    }
    --- stderr
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours: carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
    Plan: 0 to create, 0 to change, 1 to delete
    "#);
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{LINE} --yes -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "delete-association/carts/carts",
          "action": "deleteAssociation",
          "resource": "carts/carts",
          "status": "done",
          "error": null
        }
      ],
      "associations": [
        {
          "clusterName": "eks-workshop",
          "namespace": "carts",
          "serviceAccount": "carts",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
          "associationId": "a-[id]",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "disableSessionTags": false,
          "tags": {},
          "createdAt": "[time]",
          "modifiedAt": "[time]",
          "effective": "observed",
          "effectiveHow": "new pods no longer get credentials (6 of 6 dry-run pods)"
        }
      ],
      "rollouts": []
    }
    --- stderr
    warning: 2 running pods of carts/carts still use it, and keep their credentials for up to 6 hours: carts-[pod], carts-[pod]
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
    Plan: 0 to create, 0 to change, 1 to delete
    deleted the association of carts/carts
    carts/carts: new pods no longer get credentials (6 of 6 dry-run pods)
    "#);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --yes -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [],
      "associations": [],
      "rollouts": []
    }
    --- stderr
    carts/carts has no association: nothing to delete
    "#);
    let env = Env::new("carts-associated");
    assert_eq!(env.podid(&format!("{LINE} --yes -o name")).ok().stdout, "carts/carts\n");
    assert_eq!(env.podid(&format!("{LINE} --yes -o name")).ok().stdout, "");
}

#[test]
fn the_pods_are_recycled() {
    // Without a role of its own the application goes by the node's, which may use the table here.
    let grant = json!("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess");
    let env = Env::with("carts-agent", &[("/roles/0/attached/-", grant)]);
    let _ = env.podid("associate carts/carts --create-role --dynamodb eks-workshop-carts --recycle").ok();
    insta::assert_snapshot!(env.podid(&format!("{LINE} --recycle --yes")).ok().steady(), @"
    exit 0
    --- stderr
    warning: keeping role `eks-workshop-carts-carts-8233eca5` and its trust policy, which would have no statements left: pass `--delete-role` to delete the role too
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-carts-8233eca5)
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 1 to delete, 1 to restart
    deleted the association of carts/carts
    carts/carts: new pods no longer get credentials (6 of 6 dry-run pods)
    restarted deployment/carts
    deployment/carts: rolled out
    ");
    let injected = env.world.with(|state| {
        let pods = state.kube.list("pods", "carts");
        pods.iter()
            .filter(|pod| {
                pod["metadata"]["deletionTimestamp"].is_null()
                    && pod["spec"].to_string().contains("eks-pod-identity-token")
            })
            .count()
    });
    assert_eq!(injected, 0);
}

#[test]
fn by_aws_alone() {
    let env = made();
    insta::assert_snapshot!(env.podid(&format!("{LINE} --no-wait --yes")).ok().steady(), @"
    exit 0
    --- stderr
    warning: keeping role `eks-workshop-carts-carts-8233eca5` and its trust policy, which would have no statements left: pass `--delete-role` to delete the role too
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-carts-8233eca5)
    Plan: 0 to create, 0 to change, 1 to delete
    deleted the association of carts/carts
    ");
    let asked: Vec<String> = env.world.journal().calls().iter().map(|c| c.service.clone()).collect();
    assert!(!asked.iter().any(|service| service == "kubernetes"), "{asked:?}");
}

/// podid's statement goes, those of others stay in their order; the last one stays, since IAM takes no empty document.
#[test]
fn its_trust_statement_goes() {
    let env = made();
    let before = trust(&env, ROLE);
    let _ = env.podid("associate carts/other --role eks-workshop-carts-carts-8233eca5 --no-wait --yes").ok();
    env.world.with(|state| {
        let mut document: Value = serde_json::from_str(&state.aws.roles[ROLE].trust).unwrap();
        let theirs = json!({
            "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
        });
        document["Statement"].as_array_mut().unwrap().insert(0, theirs);
        state.aws.roles.get_mut(ROLE).unwrap().set_trust(&document);
    });
    env.world.journal().clear();
    let run = env.podid("disassociate carts/other --no-wait --yes").ok();
    insta::assert_snapshot!(run.steady(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the trust policy of role eks-workshop-carts-carts-8233eca5
          @@ -25,24 +25,6 @@
                     "aws:RequestTag/kubernetes-service-account": "carts"
                   }
                 }
          -    },
          -    {
          -      "Sid": "Podid2f52c928f4291dbe",
          -      "Effect": "Allow",
          -      "Principal": {
          -        "Service": "pods.eks.amazonaws.com"
          -      },
          -      "Action": [
          -        "sts:AssumeRole",
          -        "sts:TagSession"
          -      ],
          -      "Condition": {
          -        "StringEquals": {
          -          "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          -          "aws:RequestTag/kubernetes-namespace": "carts",
          -          "aws:RequestTag/kubernetes-service-account": "other"
          -        }
          -      }
               }
             ]
           }
      - delete the association of carts/other (role eks-workshop-carts-carts-8233eca5)
    Plan: 0 to create, 1 to change, 1 to delete
    updated the trust policy of role eks-workshop-carts-carts-8233eca5
    deleted the association of carts/other
    "#);
    assert_eq!(env.writes(), ["iam UpdateAssumeRolePolicy", "eks DeletePodIdentityAssociation"]);
    let after = trust(&env, ROLE);
    assert_eq!(after["Statement"][0]["Principal"]["Service"], "lambda.amazonaws.com");
    assert_eq!(after["Statement"][1], before["Statement"][0]);
    assert_eq!(after["Statement"].as_array().unwrap().len(), 2, "{after}");
}

#[test]
fn patterns_are_expanded_and_asked_about_by_name() {
    let association = |name: &str| json!({ "namespace": "carts", "service_account": name, "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo" });
    let env = Env::with(
        "carts-associated",
        &[("/associations/-", association("cart-db")), ("/associations/-", association("ui"))],
    );
    insta::assert_snapshot!(env.podid("disassociate carts/cart* --no-wait").code(2).steady(), @"
    exit 2
    --- stderr
    note: 2 service accounts: carts/cart-db, carts/carts
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/cart-db (role eks-workshop-carts-dynamo)
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
    Plan: 0 to create, 0 to change, 2 to delete
    error: confirmation required: this deletes a role, or changes more than the service accounts named one by one, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    insta::assert_snapshot!(env.podid("disassociate carts/cart* --no-wait --yes").ok().steady(), @"
    exit 0
    --- stderr
    note: 2 service accounts: carts/cart-db, carts/carts
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/cart-db (role eks-workshop-carts-dynamo)
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
    Plan: 0 to create, 0 to change, 2 to delete
    deleted the association of carts/cart-db
    deleted the association of carts/carts
    ");
    insta::assert_snapshot!(env.podid("disassociate nobody/* --no-wait --yes").ok().steady(), @"
    exit 0
    --- stderr
    nobody/* matches no association
    ");
    assert_eq!(env.world.with(|state| state.aws.associations.len()), 1);
    insta::assert_snapshot!(env.podid("disassociate Carts/carts").code(2).steady(), @"
    exit 2
    --- stderr
    error: invalid value 'Carts/carts' for '<NAMESPACE/SERVICE_ACCOUNT>...': namespace `Carts` has upper-case letters; Kubernetes names are lower-case

    For more information, try '--help'.
    ");
}

#[test]
fn what_an_add_on_owns_is_refused() {
    let owner = json!("arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/vpc-cni/1234");
    let env = Env::with("carts-associated", &[("/associations/0/owner", owner)]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --yes")).code(2).steady(), @"
    exit 2
    --- stderr
    error: the association of carts/carts belongs to the EKS add-on `vpc-cni` (arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/vpc-cni/1234)

    hint: delete it there: `podid addon disassociate vpc-cni --service-account carts --cluster eks-workshop`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[denying("eks:DeletePodIdentityAssociation")]);
    let _ = env.podid(&format!("{LINE} --yes")).code(4).says("eks:DeletePodIdentityAssociation");
    let env = Env::with("carts-associated", &[denying("iam:GetRole")]);
    let _ = env.podid(&format!("{LINE} --yes")).ok().says("not checked: not allowed: iam:GetRole");
    let env = Env::with("carts-associated", &[denying("iam:GetRole")]);
    let _ = env.podid(&format!("{LINE} --delete-role --yes")).code(4).says("cannot determine whether");
    assert!(env.writes().is_empty());
    let env = Env::with("carts-associated", &[forbidding(&["list pods"])]);
    let _ = env.podid(&format!("{LINE} --yes")).ok().says("not checked: not allowed: list pods");
}

#[test]
fn out_of_time_and_interrupted() {
    let env = Env::with("carts-associated", &[("/delays", json!({ "association": [60000, 60000] }))]);
    let run = env.podid(&format!("{LINE} --yes --timeout 10s")).code(6).says("timed out after 10s");
    assert_eq!(env.writes(), ["eks DeletePodIdentityAssociation"], "{run}");
    let env = Env::new("carts-associated");
    env.world.faults().add(Fault::once(
        "eks",
        "DeletePodIdentityAssociation",
        Action::Delay(std::time::Duration::from_secs(5)),
    ));
    let deleting = |world: &podid_sandbox::Sandbox| world.journal().count("eks", "DeletePodIdentityAssociation") > 0;
    let run = env.signalled(&format!("{LINE} --yes -o json"), "INT", deleting).code(130);
    assert_eq!(run.json()["steps"][0]["status"], "unknown", "{run}");
}

/// Someone gave it another role since it was read.
#[test]
fn an_association_that_changed_meanwhile_is_left() {
    let env = Env::new("carts-associated");
    let hold = Action::Hold(std::time::Duration::from_secs(2));
    env.world.faults().add(Fault { skip: 1, ..Fault::once("eks", "DescribePodIdentityAssociation", hold) });
    let child = env.start(&words("disassociate carts/carts --yes"));
    crate::kill::wait_for(&env, "eks", "DescribePodIdentityAssociation", 2);
    env.world.with(|state| {
        for association in state.aws.associations.values_mut() {
            "arn:aws:iam::111122223333:role/theirs".clone_into(&mut association.role_arn);
        }
    });
    let run = crate::support::finish(child).code(1).says("was modified concurrently");
    assert_eq!(env.world.with(|state| state.aws.associations.len()), 1, "{run}");
}
