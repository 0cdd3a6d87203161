//! `--target-role`, `--session-policy`, and clearing them.

use serde_json::{Value, json};

use crate::support::Env;

const LINE: &str = "associate carts/carts --role eks-workshop-carts-dynamo";
const TARGET: &str = "arn:aws:iam::111122223333:role/carts-target";
const ELSEWHERE: &str = "arn:aws:iam::222233334444:role/carts-target";

/// carts has a role; a second one may use the table, and trusts nobody of podid's yet.
fn with_target() -> Env {
    let role = json!({
        "name": "carts-target",
        "attached": ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"],
        "trust": { "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" },
        ] },
    });
    Env::with("carts-role", &[("/roles/-", role)])
}

fn file(env: &Env, name: &str, text: &str) -> String {
    let path = env.home.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn last_lines(env: &Env) -> Vec<(String, String)> {
    env.world.with(|state| state.kube.last_log_lines("carts"))
}

#[test]
fn the_pods_act_as_the_target() {
    let env = with_target();
    let line = format!("{LINE} --target-role {TARGET} --fix-target-trust --recycle --yes");
    insta::assert_snapshot!(env.podid(&line).ok().steady(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ add inline policy podid-target to role eks-workshop-carts-dynamo
      + associate carts/carts with role eks-workshop-carts-dynamo, target role arn:aws:iam::111122223333:role/carts-target
      ~ update the trust policy of target role carts-target for carts/carts
          @@ -7,6 +7,27 @@
                   "Service": "ec2.amazonaws.com"
                 },
                 "Action": "sts:AssumeRole"
          +    },
          +    {
          +      "Sid": "PodidTargete4ae6bdea4633ace",
          +      "Effect": "Allow",
          +      "Principal": {
          +        "AWS": "arn:aws:iam::111122223333:root"
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
          +        },
          +        "ArnEquals": {
          +          "aws:PrincipalArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
          +        }
          +      }
               }
             ]
           }
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 1 to create, 2 to change, 0 to delete, 1 to restart
    added inline policy podid-target to role eks-workshop-carts-dynamo
    associated carts/carts with role eks-workshop-carts-dynamo
    updated the trust policy of target role carts-target
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    restarted deployment/carts
    deployment/carts: rolled out
    "#);
    let works = env.world.wait_until(crate::support::SOON, |state| {
        let lines = state.kube.last_log_lines("carts");
        lines.len() == 2 && lines.iter().all(|(_, line)| line.contains("assumed-role/carts-target/"))
    });
    assert!(works.is_ok(), "{:?}", last_lines(&env));
    env.world.journal().clear();
    let _ = env.podid(&line).ok().says("nothing to change");
    assert!(env.writes().is_empty());
}

/// Without session tags the target knows the service account by the external id that EKS gave the association.
#[test]
fn without_session_tags_the_external_id_is_read_back() {
    let env = with_target();
    let line =
        format!("{LINE} --target-role {TARGET} --fix-target-trust --disable-session-tags --recycle --yes -o json");
    let run = env.podid(&line).ok();
    let id = run.json()["association"]["externalId"].clone();
    assert!(id.is_string(), "{run}");
    assert_eq!(run.json()["targetTrust"][0]["Condition"]["StringEquals"]["sts:ExternalId"], id, "{run}");
    let trust: Value = env.world.with(|state| serde_json::from_str(&state.aws.roles["carts-target"].trust).unwrap());
    assert_eq!(trust["Statement"][1]["Condition"]["StringEquals"]["sts:ExternalId"], id, "{trust}");
    assert_eq!(trust["Statement"].as_array().unwrap().len(), 3, "{trust}");
    let works = env.world.wait_until(crate::support::SOON, |state| {
        let lines = state.kube.last_log_lines("carts");
        lines.len() == 2 && lines.iter().all(|(_, line)| line.contains("assumed-role/carts-target/"))
    });
    assert!(works.is_ok(), "{:?}", last_lines(&env));
    env.world.journal().clear();
    let _ = env.podid(&line).ok().says("nothing to change");
    assert!(env.writes().is_empty());
}

#[test]
fn a_target_of_another_account_is_told_what_to_trust() {
    let env = Env::new("carts-role");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --target-role {ELSEWHERE} --no-wait --dry-run")).ok().steady(), @r#"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ add inline policy podid-target to role eks-workshop-carts-dynamo
      + associate carts/carts with role eks-workshop-carts-dynamo, target role arn:aws:iam::222233334444:role/carts-target
    Plan: 1 to create, 1 to change, 0 to delete
    note: add these statements to the trust policy of arn:aws:iam::222233334444:role/carts-target:
      {
        "Sid": "PodidTargete4ae6bdea4633ace",
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::111122223333:root"
        },
        "Action": [
          "sts:AssumeRole",
          "sts:TagSession"
        ],
        "Condition": {
          "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
            "aws:RequestTag/kubernetes-namespace": "carts",
            "aws:RequestTag/kubernetes-service-account": "carts"
          },
          "ArnEquals": {
            "aws:PrincipalArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
          }
        }
      }
    "#);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --target-role {ELSEWHERE} --no-wait --yes")).ok().steady(), @r#"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ add inline policy podid-target to role eks-workshop-carts-dynamo
      + associate carts/carts with role eks-workshop-carts-dynamo, target role arn:aws:iam::222233334444:role/carts-target
    Plan: 1 to create, 1 to change, 0 to delete
    added inline policy podid-target to role eks-workshop-carts-dynamo
    associated carts/carts with role eks-workshop-carts-dynamo
    note: add these statements to the trust policy of arn:aws:iam::222233334444:role/carts-target:
      {
        "Sid": "PodidTargete4ae6bdea4633ace",
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::111122223333:root"
        },
        "Action": [
          "sts:AssumeRole",
          "sts:TagSession"
        ],
        "Condition": {
          "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
            "aws:RequestTag/kubernetes-namespace": "carts",
            "aws:RequestTag/kubernetes-service-account": "carts"
          },
          "ArnEquals": {
            "aws:PrincipalArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
          }
        }
      }
    hint: new pods get credentials within a few seconds; check them with `podid show carts/carts`
    "#);
}

#[test]
fn a_target_of_another_account_without_session_tags() {
    let env = Env::new("carts-role");
    let off = format!("{LINE} --target-role {ELSEWHERE} --disable-session-tags --no-wait --yes");
    insta::assert_snapshot!(env.podid(&off).ok().steady(), @r#"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ add inline policy podid-target to role eks-workshop-carts-dynamo
      + associate carts/carts with role eks-workshop-carts-dynamo, target role arn:aws:iam::222233334444:role/carts-target
    Plan: 1 to create, 1 to change, 0 to delete
    added inline policy podid-target to role eks-workshop-carts-dynamo
    associated carts/carts with role eks-workshop-carts-dynamo
    note: add these statements to the trust policy of arn:aws:iam::222233334444:role/carts-target:
      {
        "Sid": "PodidTargete4ae6bdea4633ace",
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::111122223333:root"
        },
        "Action": "sts:AssumeRole",
        "Condition": {
          "StringEquals": {
            "sts:ExternalId": "us-west-2/111122223333/eks-workshop/carts/carts"
          },
          "ArnEquals": {
            "aws:PrincipalArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
          }
        }
      },
      {
        "Sid": "PodidTargetTage4ae6bdea4633ace",
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::111122223333:root"
        },
        "Action": "sts:TagSession",
        "Condition": {
          "ArnEquals": {
            "aws:PrincipalArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
          }
        }
      }
    hint: new pods get credentials within a few seconds; check them with `podid show carts/carts`
    "#);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --target-role {ELSEWHERE} --fix-target-trust --no-wait")).code(2).steady(), @"
    exit 2
    --- stderr
    error: `--fix-target-trust` cannot write to arn:aws:iam::222233334444:role/carts-target: it is in account 222233334444, the caller's is 111122223333

    hint: omit it: podid prints the statements to add there
    ");
}

#[test]
fn targets_that_cannot_be() {
    let env = Env::new("carts-role");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --target-role nobody --no-wait")).code(2).steady(), @"
    exit 2
    --- stderr
    error: --target-role: `nobody` is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --target-role {TARGET} --no-wait")).code(2).steady(), @"
    exit 2
    --- stderr
    error: target role `carts-target` does not exist in account 111122223333
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --target-role {TARGET} --no-target-role")).code(2).steady(), @"
    exit 2
    --- stderr
    error: the argument '--target-role <ARN>' cannot be used with '--no-target-role'

    Usage: podid associate --target-role <ARN> --cluster <CLUSTER> <--role <NAME|ARN>|--create-role> <NAMESPACE/SERVICE_ACCOUNT>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --replace")).code(2).steady(), @"
    exit 2
    --- stderr
    error: `--replace` works only with `--no-target-role` or `--no-session-policy`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn cleared() {
    let env = with_target();
    let policy =
        file(&env, "narrow.json", r#"{"Statement":[{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}]}"#);
    let set = format!("{LINE} --target-role {TARGET} --disable-session-tags --session-policy {policy} --no-wait --yes");
    let _ = env.podid(&set).ok();
    let clear = format!("{LINE} --no-target-role --no-session-policy --no-wait --yes");
    env.world.with(|state| state.aws.keeps_cleared = true);
    insta::assert_snapshot!(env.podid(&clear).code(1).steady(), @"
    exit 1
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (no target role, no session policy)
    Plan: 0 to create, 1 to change, 0 to delete
    could not update the association of carts/carts (no target role, no session policy)
    error: the service kept the target role of the association of carts/carts
      caused by: EKS accepted the update, but DescribePodIdentityAssociation still returns it

    hint: pass `--replace` to recreate the association without it
    ");
    insta::assert_snapshot!(env.podid(&format!("{clear} --replace")).ok().steady(), @"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    warning: the pods were not read: if the association has a SPIFFE workload identity, it is deleted with it
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - recreate the association of carts/carts with role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 1 to delete
    recreated the association of carts/carts
    hint: new pods get credentials within a few seconds; check them with `podid show carts/carts`
    ");
    let cleared = |env: &Env| {
        env.world.with(|state| {
            let association = state.aws.association("carts", "carts").unwrap();
            association.target_role_arn.is_none() && association.policy.is_none()
        })
    };
    assert!(cleared(&env));
    let _ = env.podid(&set).ok();
    assert!(!cleared(&env));
    env.world.with(|state| state.aws.keeps_cleared = false);
    insta::assert_snapshot!(env.podid(&clear).ok().steady(), @"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update the association of carts/carts (no target role, no session policy)
    Plan: 0 to create, 1 to change, 0 to delete
    updated the association of carts/carts
    hint: new pods get credentials within a few seconds; check them with `podid show carts/carts`
    ");
    assert!(cleared(&env));
    let _ = env.podid(&clear).ok().says("nothing to change");
}

#[test]
fn session_policies_are_checked_before_any_call() {
    let env = Env::new("carts-role");
    let try_it = |text: &str| {
        let path = file(&env, "policy.json", text);
        env.podid(&format!("{LINE} --disable-session-tags --session-policy {path} --no-wait --yes"))
    };
    let valid = |resource: &str| {
        json!({ "Statement": [{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource }] }).to_string()
    };
    for (text, says) in [
        ("{".to_owned(), "is not JSON, line 1 column"),
        ("{}".to_owned(), "it has no Statement"),
        (valid(&format!("arn:aws:s3:::{}", "b".repeat(2048))), "the EKS limit is 2048"),
        (valid("arn:aws:s3:::b/\u{4e16}"), "which STS does not accept"),
        (
            json!({ "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "*" }] }).to_string(),
            "names a Principal",
        ),
    ] {
        let _ = try_it(&text).code(2).says(says);
    }
    let path = file(&env, "policy.json", &valid("*"));
    let _ = env.podid(&format!("{LINE} --session-policy {path}")).code(2).says("--disable-session-tags");
    assert!(env.world.journal().calls().is_empty());
    let _ = try_it(&valid("*")).ok();
    let policy = env.world.with(|state| state.aws.association("carts", "carts").unwrap().policy.clone());
    assert_eq!(policy, Some(valid("*")));
}

#[test]
fn what_needs_session_tags_is_warned_about() {
    let document = |resource: &str| {
        let statement = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource });
        json!({ "per-tenant": { "Version": "2012-10-17", "Statement": [statement] } })
    };
    let line = format!("{LINE} --disable-session-tags --no-wait --dry-run");
    for (resource, warns) in
        [("arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*", true), ("arn:aws:s3:::b/carts/*", false)]
    {
        let run = Env::with("carts-role", &[("/roles/1/inline", document(resource))]).podid(&line).ok();
        let said = run.stderr.contains("inline policy `per-tenant` needs the session tag `kubernetes-namespace`");
        assert_eq!(said, warns, "{run}");
    }
}

#[test]
fn a_workload_identity_is_not_dropped() {
    let volume = |driver: &str| json!([{ "name": "eks-workload-identity-socket", "csi": { "driver": driver, "readOnly": true } }]);
    let world = |driver: &str| {
        let set = [
            ("/associations/0/target_role", json!(TARGET)),
            ("/manifests/8/spec/template/spec/volumes", volume(driver)),
        ];
        Env::with("carts-verified", &set)
    };
    let replace = format!("{LINE} --no-target-role --replace --dry-run");
    let _ = world("secrets-store.csi.k8s.io").podid(&replace).ok().says("recreate the association");
    let env = world("spiffe.csi.eks.amazonaws.com");
    let _ = env
        .podid(&replace)
        .code(2)
        .says("would delete its SPIFFE workload identity")
        .says("podid disassociate carts/carts");
    let shown = env.podid("verify carts/carts -o json");
    assert!(shown.stdout.contains("and a SPIFFE workload identity"), "{shown}");
    // An update keeps it.
    let _ = env.podid(&format!("{LINE} --no-target-role --dry-run")).ok();
}
