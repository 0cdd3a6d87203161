//! A migration from its plan to its end, and back: no pod is ever without its access.

use podid_sandbox::Sandbox;
use serde_json::{Value, json};

use super::{account, others::twin, trust};
use crate::support::Env;

/// The associations that there are, `NAMESPACE/NAME`.
pub(super) fn associations(env: &Env) -> Vec<String> {
    env.world.with(|state| {
        state.aws.associations.values().map(|it| format!("{}/{}", it.namespace, it.service_account)).collect()
    })
}

/// Every pod of carts, old and new, could act as the role now.
#[track_caller]
pub(super) fn all_act(world: &Sandbox, when: &str) {
    let acting = world.acting("carts");
    assert!(!acting.is_empty(), "{when}");
    for (pod, acts) in acting {
        let arn = acts.unwrap_or_else(|why| panic!("{when}: {pod}: {why}"));
        assert!(arn.contains(":assumed-role/eks-workshop-carts-dynamo/"), "{when}: {pod}: {arn}");
    }
}

/// The annotation of carts/carts, if it has it.
pub(super) fn annotation(env: &Env) -> Value {
    let account = env.world.with(|state| state.kube.get("serviceaccounts", "carts", "carts")).unwrap();
    account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].clone()
}

#[test]
fn plan_run_finish() {
    let env = Env::new("carts-irsa");
    let before = trust(&env);
    insta::assert_snapshot!(env.podid("migrate run carts/carts --yes").ok().steady(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the trust policy of role eks-workshop-carts-dynamo
          @@ -13,6 +13,24 @@
                     "oidc.eks.us-west-2.amazonaws.com/id/2E81FAC1E085A4DEBF8AEA59EAEFA75B:aud": "sts.amazonaws.com"
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
      + associate carts/carts with role eks-workshop-carts-dynamo
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 1 to create, 1 to change, 0 to delete, 1 to restart
    updated the trust policy of role eks-workshop-carts-dynamo
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    restarted deployment/carts
    deployment/carts: rolled out
    carts/carts: its 2 pods use Pod Identity with role eks-workshop-carts-dynamo (log of carts/carts-[pod])
    hint: to go back: `podid migrate rollback carts/carts --cluster eks-workshop`
    hint: when you no longer want to go back: `podid migrate finish carts/carts --cluster eks-workshop`
    "#);
    all_act(&env.world, "moved");
    assert_eq!(
        env.writes(),
        ["iam UpdateAssumeRolePolicy", "eks CreatePodIdentityAssociation", "kubernetes patch deployments"]
    );
    let carts = account(&env.podid("migrate plan --all -o json").ok(), "carts");
    assert_eq!(carts["pods"], json!({ "total": 2, "irsa": 0, "podIdentity": 2 }));
    // The statement of IRSA stands as it was.
    assert_eq!(trust(&env)["Statement"][0], before["Statement"][0]);
    let again = env.podid("migrate run carts/carts --yes -o json").ok();
    assert_eq!(again.json()["serviceAccounts"][0]["result"], "already-moved", "{again}");
    assert_eq!(env.writes().len(), 3);

    insta::assert_snapshot!(env.podid("migrate finish carts/carts --yes").ok().steady(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - remove the annotation eks.amazonaws.com/role-arn of carts/carts (role eks-workshop-carts-dynamo)
      ~ update the trust policy of role eks-workshop-carts-dynamo
          @@ -2,19 +2,6 @@
             "Version": "2012-10-17",
             "Statement": [
               {
          -      "Effect": "Allow",
          -      "Principal": {
          -        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/2E81FAC1E085A4DEBF8AEA59EAEFA75B"
          -      },
          -      "Action": "sts:AssumeRoleWithWebIdentity",
          -      "Condition": {
          -        "StringEquals": {
          -          "oidc.eks.us-west-2.amazonaws.com/id/2E81FAC1E085A4DEBF8AEA59EAEFA75B:sub": "system:serviceaccount:carts:carts",
          -          "oidc.eks.us-west-2.amazonaws.com/id/2E81FAC1E085A4DEBF8AEA59EAEFA75B:aud": "sts.amazonaws.com"
          -        }
          -      }
          -    },
          -    {
                 "Sid": "Podid8233eca52c385fc1",
                 "Effect": "Allow",
                 "Principal": {
    Plan: 0 to create, 1 to change, 1 to delete
    removed the annotation eks.amazonaws.com/role-arn of carts/carts
    updated the trust policy of role eks-workshop-carts-dynamo
    "#);
    all_act(&env.world, "finished");
    assert_eq!(annotation(&env), Value::Null);
    let statements = trust(&env)["Statement"].as_array().unwrap().clone();
    assert_eq!(statements.len(), 1);
    assert_eq!(statements[0]["Principal"], json!({ "Service": "pods.eks.amazonaws.com" }));
    assert_eq!(env.writes()[3..], ["kubernetes patch serviceaccounts", "iam UpdateAssumeRolePolicy"]);
    // Once more, there is nothing left.
    let _ = env.podid("migrate finish carts/carts --yes").ok().says("nothing to finish: carts/carts has no annotation");
    let _ = env.podid("migrate finish --all --yes").ok().says("nothing to finish");
    let _ = env.podid("migrate run --all --yes").ok().says("nothing to migrate");
    let _ = env.podid("migrate rollback carts/carts --yes").code(2).says("cannot go back to IRSA");
    assert_eq!(env.writes().len(), 5);
}

#[test]
fn and_back() {
    let env = Env::new("carts-irsa");
    let _ = env.podid("migrate rollback carts/carts --yes").ok().says("nothing to roll back: carts/carts uses IRSA");
    let _ = env.podid("migrate run carts/carts --yes").ok();
    let moved = trust(&env);
    insta::assert_snapshot!(env.podid("migrate rollback carts/carts --yes").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of carts/carts (role eks-workshop-carts-dynamo)
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 1 to delete, 1 to restart
    deleted the association of carts/carts
    carts/carts: new pods are given a web identity; confirming with 6 dry-run pods
    carts/carts: new pods use IRSA again (6 of 6 dry-run pods)
    restarted deployment/carts
    deployment/carts: rolled out
    carts/carts: 2 pods use IRSA
    ");
    all_act(&env.world, "back");
    assert_eq!(associations(&env), Vec::<String>::new());
    // podid's statement stays.
    assert_eq!(trust(&env), moved);
    let carts = account(&env.podid("migrate plan --all -o json").ok(), "carts");
    assert_eq!(carts["pods"], json!({ "total": 2, "irsa": 2, "podIdentity": 0 }));
    let once_more = env.podid("migrate run carts/carts --yes -o json").ok();
    assert_eq!(once_more.json()["serviceAccounts"][0]["result"], "moved", "{once_more}");
    all_act(&env.world, "moved again");
}

/// Service accounts of one role: one write of the trust policy, with a statement for each.
#[test]
fn one_write_for_those_that_share_a_role() {
    let env = Env::with("carts-irsa", &twin());
    let run = env.podid("migrate run carts/carts carts/worker --accept migrate.no-pods --yes -o json").ok();
    let results: Vec<Value> =
        run.json()["serviceAccounts"].as_array().unwrap().iter().map(|it| it["result"].clone()).collect();
    assert_eq!(results, ["moved", "moved"], "{run}");
    assert_eq!(env.world.journal().count("iam", "UpdateAssumeRolePolicy"), 1);
    assert_eq!(associations(&env).len(), 2);
    all_act(&env.world, "moved");
    // One of them ends: the other's name stays in the list.
    let _ = env.podid("migrate finish carts/carts --yes").ok();
    let named = trust(&env)["Statement"][0]["Condition"]["StringEquals"].clone();
    let left: Vec<&Value> = named.as_object().unwrap().values().collect();
    assert!(left.contains(&&json!(["system:serviceaccount:carts:worker"])), "{named}");
    all_act(&env.world, "one finished");
    // Without annotation and without users, its name may be there for something outside: only who names it means it.
    env.world.with(|state| {
        assert!(state.kube.edit("serviceaccounts", "carts", "worker", |account| {
            account["metadata"]["annotations"] = json!({});
        }));
    });
    let written = || env.world.journal().count("iam", "UpdateAssumeRolePolicy");
    let before = written();
    let _ = env
        .podid("migrate finish --all --yes")
        .code(3)
        .says("it has no annotation, and no pod, workload or CronJob uses it");
    assert_eq!(written(), before);
    let _ = env.podid("migrate finish carts/worker --yes").ok();
    assert_eq!(written(), before + 1);
}

/// The role is that of the annotation, and nothing else is touched.
#[test]
fn only_what_was_named() {
    let env = Env::with("carts-irsa", &twin());
    let _ = env.podid("migrate run carts/carts --yes").ok();
    assert_eq!(associations(&env), ["carts/carts"]);
    let plain = Env::new("carts-irsa");
    let _ = plain.podid("migrate run --all --dry-run --exit-code").code(3);
    let _ = plain.podid("migrate run --all").code(2).says("confirmation required");
    assert!(plain.writes().is_empty());
}
