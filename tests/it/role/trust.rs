//! `podid role trust`.

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::{ROLE, set_trust, trust_of, trusting};
use crate::{
    kill::wait_for,
    support::{Env, denying, finish},
};

fn line(rest: &str) -> String {
    format!("role trust {ROLE} {rest}")
}

/// The workshop's role without sts:TagSession, after a statement of somebody else's.
fn broken() -> (Env, Value) {
    let env = Env::new("carts-associated");
    let mut document = trusting(&Value::Null);
    document["Statement"][0]["Action"] = json!("sts:AssumeRole");
    let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    document["Statement"].as_array_mut().unwrap().insert(0, theirs);
    set_trust(&env, ROLE, &document);
    (env, document)
}

#[test]
fn healthy() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&line("")).ok(), @"
    exit 0
    --- stderr
    no mistakes found in the trust policy of role eks-workshop-carts-dynamo
    ");
    assert_eq!(env.operations(), ["iam GetRole"]);
    insta::assert_snapshot!(env.podid(&line("--service-account carts/carts")).ok(), @"
    exit 0
    --- stderr
    carts/carts may assume role eks-workshop-carts-dynamo: no mistakes found
    ");
    insta::assert_snapshot!(env.podid(&line("--fix")).ok(), @"
    exit 0
    --- stderr
    no mistakes found in the trust policy of role eks-workshop-carts-dynamo
    ");
    insta::assert_snapshot!(env.podid(&line("-o json")).ok(), @r#"
    exit 0
    --- stdout
    {
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
      "findings": [],
      "verdict": null,
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
      "corrected": null
    }
    --- stderr
    no mistakes found in the trust policy of role eks-workshop-carts-dynamo
    "#);
}

#[test]
fn a_missing_action() {
    let (env, document) = broken();
    insta::assert_snapshot!(env.podid(&line("")).code(3), @r#"
    exit 3
    --- stdout
    tag-session	2	does not allow sts:TagSession, so EKS rejects the association
    --- trust policy of eks-workshop-carts-dynamo
    +++ trust policy of eks-workshop-carts-dynamo, corrected
    @@ -14,7 +14,10 @@
           "Principal": {
             "Service": "pods.eks.amazonaws.com"
           },
    -      "Action": "sts:AssumeRole"
    +      "Action": [
    +        "sts:AssumeRole",
    +        "sts:TagSession"
    +      ]
         }
       ]
     }
    --- stderr
    warning: every pod of every cluster in account 111122223333 may assume role `eks-workshop-carts-dynamo` then: the trust policy names no cluster (not recommended)
    hint: write the corrected policy with `podid role trust eks-workshop-carts-dynamo --fix`
    "#);
    insta::assert_snapshot!(env.tty(80, &["role", "trust", ROLE], "").code(3).steady(), @r#"
    exit 3
    --- stdout
    RULE         STATEMENT  MISTAKE
    tag-session  2          does not allow sts:TagSession, so EKS rejects the
                            association
    --- trust policy of eks-workshop-carts-dynamo
    +++ trust policy of eks-workshop-carts-dynamo, corrected
    @@ -14,7 +14,10 @@
           "Principal": {
             "Service": "pods.eks.amazonaws.com"
           },
    -      "Action": "sts:AssumeRole"
    +      "Action": [
    +        "sts:AssumeRole",
    +        "sts:TagSession"
    +      ]
         }
       ]
     }
    warning: every pod of every cluster in account 111122223333 may assume role
      `eks-workshop-carts-dynamo` then: the trust policy names no cluster (not
      recommended)
    hint: write the corrected policy with
      `podid role trust eks-workshop-carts-dynamo --fix`
    "#);
    let json = env.podid(&line("-o json")).code(3).json();
    assert_eq!((&json["trust"], &json["findings"][0]["id"]), (&document, &json!("tag-session")));
    assert_eq!(json["corrected"]["Statement"][0], document["Statement"][0]);
    assert_eq!(env.podid(&line("-o name")).code(3).stdout, "tag-session\n");
}

#[test]
fn a_missing_action_is_mended() {
    let (env, document) = broken();
    insta::assert_snapshot!(env.podid(&line("--fix --dry-run --exit-code")).code(3), @r#"
    exit 3
    --- stderr
    statement 2: does not allow sts:TagSession, so EKS rejects the association (tag-session)
    warning: every pod of every cluster in account 111122223333 may assume role `eks-workshop-carts-dynamo` then: the trust policy names no cluster (not recommended)
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ update the trust policy of role eks-workshop-carts-dynamo
          @@ -14,7 +14,10 @@
                 "Principal": {
                   "Service": "pods.eks.amazonaws.com"
                 },
          -      "Action": "sts:AssumeRole"
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ]
               }
             ]
           }
    Plan: 0 to create, 1 to change, 0 to delete
    "#);
    assert_eq!(env.writes(), Vec::<String>::new());
    insta::assert_snapshot!(env.podid(&line("--fix")).code(2), @r#"
    exit 2
    --- stderr
    statement 2: does not allow sts:TagSession, so EKS rejects the association (tag-session)
    warning: every pod of every cluster in account 111122223333 may assume role `eks-workshop-carts-dynamo` then: the trust policy names no cluster (not recommended)
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ update the trust policy of role eks-workshop-carts-dynamo
          @@ -14,7 +14,10 @@
                 "Principal": {
                   "Service": "pods.eks.amazonaws.com"
                 },
          -      "Action": "sts:AssumeRole"
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ]
               }
             ]
           }
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes a role, and there is no terminal to ask on
      caused by: role eks-workshop-carts-dynamo of account 111122223333 (from the AWS credentials)

    hint: check the plan with `--dry-run`, then pass `--yes`
    "#);
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&line("--fix --yes -o json")).ok(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "put-trust",
          "action": "putTrust",
          "resource": "eks-workshop-carts-dynamo",
          "status": "done",
          "error": null
        }
      ],
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
    --- stderr
    statement 2: does not allow sts:TagSession, so EKS rejects the association (tag-session)
    warning: every pod of every cluster in account 111122223333 may assume role `eks-workshop-carts-dynamo` then: the trust policy names no cluster (not recommended)
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ update the trust policy of role eks-workshop-carts-dynamo
          @@ -14,7 +14,10 @@
                 "Principal": {
                   "Service": "pods.eks.amazonaws.com"
                 },
          -      "Action": "sts:AssumeRole"
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ]
               }
             ]
           }
    Plan: 0 to create, 1 to change, 0 to delete
    updated the trust policy of role eks-workshop-carts-dynamo
    "#);
    assert_eq!(env.writes(), ["iam UpdateAssumeRolePolicy"]);
    let after = trust_of(&env, ROLE);
    assert_eq!(after["Statement"][0], document["Statement"][0]);
    assert_eq!(after["Statement"][1]["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    let _ = env.podid(&line("")).ok();
}

#[test]
fn for_a_service_account_that_is_not_admitted() {
    let env = Env::new("carts-associated");
    set_trust(&env, ROLE, &trusting(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}})));
    insta::assert_snapshot!(env.podid(&line("--service-account carts/carts")).code(3), @r#"
    exit 3
    --- stdout
    not-allowed		does not allow carts/carts: statement 1 requires aws:RequestTag/kubernetes-namespace = `orders`, but EKS sends `carts`
    --- trust policy of eks-workshop-carts-dynamo
    +++ trust policy of eks-workshop-carts-dynamo, corrected
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
    --- stderr
    hint: write the corrected policy with `podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix`
    "#);
    let _ = env.podid(&line("--service-account carts/carts --fix --yes")).ok();
    insta::assert_snapshot!(env.podid(&line("--service-account carts/carts")).ok(), @"
    exit 0
    --- stderr
    carts/carts may assume role eks-workshop-carts-dynamo: no mistakes found
    ");
    assert_eq!(
        trust_of(&env, ROLE)["Statement"][0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-namespace"],
        "orders"
    );
    // Without session tags, no such condition is met.
    let off = Env::with("carts-associated", &[("/associations/0/disable_session_tags", json!(true))]);
    set_trust(&off, ROLE, &trusting(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}})));
    let run = off.podid(&line("--service-account carts/carts -o name")).code(3);
    assert_eq!(run.stdout, "session-tags\n", "{run}");
    let on = Env::with("carts-associated", &[("/associations/0/disable_session_tags", json!(false))]);
    set_trust(&on, ROLE, &trusting(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}})));
    let _ = on.podid(&line("--service-account carts/carts -o name")).ok();
}

#[test]
fn what_only_a_person_can_mend() {
    let env = Env::new("carts-associated");
    set_trust(&env, ROLE, &trusting(&json!({"StringEquals": {"sts:ExternalId": "x"}})));
    insta::assert_snapshot!(env.podid(&line("")).code(3), @"
    exit 3
    --- stdout
    absent-key	1	requires sts:ExternalId, which EKS does not send
    --- stderr
    hint: name the service account that may assume it with `--service-account NS/SA`
    ");
    insta::assert_snapshot!(env.podid(&line("--fix --yes")).code(3), @"
    exit 3
    --- stderr
    statement 1: requires sts:ExternalId, which EKS does not send (absent-key)
    hint: name the service account that may assume it with `--service-account NS/SA`
    podid can change nothing in the trust policy of role eks-workshop-carts-dynamo
    ");
    let mut denied = trusting(&Value::Null);
    let deny = json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"});
    denied["Statement"].as_array_mut().unwrap().push(deny);
    set_trust(&env, ROLE, &denied);
    insta::assert_snapshot!(env.podid(&line("--service-account carts/carts")).code(3), @"
    exit 3
    --- stdout
    deny		does not allow carts/carts: statement `No` denies sts:TagSession
    --- stderr
    hint: remove the statement that denies it: no added statement overrules a Deny
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn changed_meanwhile() {
    let (env, _) = broken();
    env.world
        .faults()
        .add(Fault { skip: 1, ..Fault::once("iam", "GetRole", Action::Hold(std::time::Duration::from_secs(2))) });
    let args = line("--fix --yes");
    let child = env.begin(&args);
    wait_for(&env, "iam", "GetRole", 2);
    let theirs = trusting(&json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}));
    set_trust(&env, ROLE, &theirs);
    let _ = finish(child).code(1).says("was modified concurrently");
    assert_eq!(trust_of(&env, ROLE), theirs);
}

#[test]
fn too_large_a_correction() {
    let env = Env::new("carts-associated");
    let filler: Vec<String> = (0..60).map(|n| format!("namespace-number-{n}-of-many")).collect();
    set_trust(&env, ROLE, &trusting(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": filler}})));
    insta::assert_snapshot!(env.podid(&line("--service-account carts/carts")).code(2), @"
    exit 2
    --- stderr
    error: the corrected trust policy of role `eks-workshop-carts-dynamo` would have 2375 characters; the IAM limit is 2048

    hint: shorten the current one: remove unused statements (such as those for OIDC providers of deleted clusters), or create a separate role: `podid associate NS/SA --create-role`
    ");
}

#[test]
fn missing_and_denied() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("role trust nobody").code(1), @"
    exit 1
    --- stderr
    error: no role `nobody` in this account

    hint: list the roles that trust Pod Identity: `podid role list`
    ");
    insta::assert_snapshot!(env.podid(&line("--yes")).code(2), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --fix

    Usage: podid role trust --fix --yes --cluster <CLUSTER> <ROLE>

    For more information, try '--help'.
    ");
    let (_, document) = broken();
    let env = Env::with("carts-associated", &[denying("iam:UpdateAssumeRolePolicy")]);
    set_trust(&env, ROLE, &document);
    insta::assert_snapshot!(env.podid(&line("--fix --yes")).code(4).steady(), @r#"
    exit 4
    --- stderr
    statement 2: does not allow sts:TagSession, so EKS rejects the association (tag-session)
    warning: every pod of every cluster in account 111122223333 may assume role `eks-workshop-carts-dynamo` then: the trust policy names no cluster (not recommended)
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ update the trust policy of role eks-workshop-carts-dynamo
          @@ -14,7 +14,10 @@
                 "Principal": {
                   "Service": "pods.eks.amazonaws.com"
                 },
          -      "Action": "sts:AssumeRole"
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ]
               }
             ]
           }
    Plan: 0 to create, 1 to change, 0 to delete
    could not update the trust policy of role eks-workshop-carts-dynamo
    error: cannot change the trust policy of role `eks-workshop-carts-dynamo`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:UpdateAssumeRolePolicy on resource: role eks-workshop-carts-dynamo with an explicit deny in an identity-based policy
      caused by: a policy denies `iam:UpdateAssumeRolePolicy` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    "#);
}

#[test]
fn a_role_of_a_template_is_changed_with_a_warning() {
    let (env, _) = broken();
    let fix = line("--fix --dry-run");
    let plain = env.podid(&fix).ok();
    assert!(!plain.stderr.contains("template"), "{plain}");
    env.world.with(|state| {
        state.aws.roles.get_mut(ROLE).unwrap().template = Some("arn:aws:iam::aws:role-template/Example".to_owned());
    });
    let _ = env.podid(&fix).ok().says("was created from the template arn:aws:iam::aws:role-template/Example");
}
