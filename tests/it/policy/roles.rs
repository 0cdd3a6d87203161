//! `podid policy attach` and `detach`.

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::{kill::wait_for, support::Env};

pub(super) const ROLE: &str = "eks-workshop-carts-dynamo";
pub(super) const MANAGED: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";

pub(super) fn attach(rest: &str) -> String {
    format!("policy attach {ROLE} {rest}")
}

fn detach(rest: &str) -> String {
    format!("policy detach {ROLE} {rest}")
}

/// The inline policies of the role.
fn inline(env: &Env) -> Vec<String> {
    env.world.with(|state| state.aws.roles[ROLE].inline.keys().cloned().collect())
}

#[test]
fn a_table() {
    let env = Env::new("carts-associated");
    let line = attach("--dynamodb eks-workshop-carts=read-write");
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run --exit-code")).code(3), @"
    exit 3
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} -v --dry-run")).ok(), @r#"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
          @@ -0,0 +1,32 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": [
          +    {
          +      "Sid": "PodidDynamodbe11df874bde5192f",
          +      "Effect": "Allow",
          +      "Action": [
          +        "dynamodb:GetItem",
          +        "dynamodb:BatchGetItem",
          +        "dynamodb:DescribeTable",
          +        "dynamodb:PutItem",
          +        "dynamodb:UpdateItem",
          +        "dynamodb:DeleteItem",
          +        "dynamodb:BatchWriteItem",
          +        "dynamodb:ConditionCheckItem"
          +      ],
          +      "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts"
          +    },
          +    {
          +      "Sid": "PodidDynamodbe11df874bde5192fIndex",
          +      "Effect": "Allow",
          +      "Action": [
          +        "dynamodb:Query",
          +        "dynamodb:Scan"
          +      ],
          +      "Resource": [
          +        "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
          +        "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"
          +      ]
          +    }
          +  ]
          +}
    Plan: 0 to create, 1 to change, 0 to delete
    "#);
    insta::assert_snapshot!(env.podid(&line).code(2), @"
    exit 2
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes a role, and there is no terminal to ask on
      caused by: role eks-workshop-carts-dynamo of account 111122223333 (from the AWS credentials)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(&format!("{line} --yes -o json")).ok(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "put-policy/podid-dynamodb",
          "action": "putPolicy",
          "resource": "eks-workshop-carts-dynamo/podid-dynamodb",
          "status": "done",
          "error": null
        }
      ],
      "roleName": "eks-workshop-carts-dynamo",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    added inline policy podid-dynamodb to role eks-workshop-carts-dynamo
    "#);
    assert_eq!(env.writes(), ["iam PutRolePolicy"]);
    insta::assert_snapshot!(env.podid(&line).ok(), @"
    exit 0
    --- stderr
    role eks-workshop-carts-dynamo already has these policies: nothing to change
    ");
    // What a wider access covers is not granted again.
    insta::assert_snapshot!(env.podid(&attach("--dynamodb eks-workshop-carts")).ok(), @"
    exit 0
    --- stderr
    warning: role `eks-workshop-carts-dynamo` already grants read-write on table eks-workshop-carts: pass `--exact` to reduce it to read
    role eks-workshop-carts-dynamo already has these policies: nothing to change
    ");
    assert_eq!(env.writes().len(), 1);

    let line = detach("--dynamodb eks-workshop-carts");
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run")).ok(), @"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 1 to delete
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} --yes")).ok(), @"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 1 to delete
    deleted inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    ");
    assert!(inline(&env).is_empty());
    insta::assert_snapshot!(env.podid(&line).ok(), @"
    exit 0
    --- stderr
    warning: role `eks-workshop-carts-dynamo` has no statement from podid for table arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts
    nothing to detach from role eks-workshop-carts-dynamo
    ");
}

#[test]
fn on_a_terminal() {
    let env = Env::new("carts-associated");
    let args = ["policy", "attach", ROLE, "--dynamodb", "eks-workshop-carts"];
    let question = format!("Apply this to role {ROLE} of account 111122223333 (from the AWS credentials)? [y/N, d ");
    let _ = env.tty(80, &args, "n\n").code(2).says(&question).says("not confirmed; nothing was changed");
    assert!(env.writes().is_empty());
    let run = env.tty(80, &args, "y\n").ok().says(&question);
    let _ = run.says(&format!("  ~ add inline policy podid-dynamodb to role {ROLE}")).says("✔ added inline policy");
    assert_eq!(inline(&env), ["podid-dynamodb"]);
}

#[test]
fn others_statements_stay() {
    let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
    let env = Env::new("carts-associated");
    let before = |env: &Env, statement: &Value| {
        let document = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        env.world.with(|state| {
            state.aws.roles.get_mut(ROLE).unwrap().inline.insert("podid-dynamodb".to_owned(), document.clone());
        });
    };
    before(&env, &theirs);
    insta::assert_snapshot!(env.podid(&attach("--dynamodb eks-workshop-carts=stream --yes")).ok(), @r#"
    exit 0
    --- stderr
    warning: table arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts has no stream: enable it before it can be read
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ update inline policy podid-dynamodb of role eks-workshop-carts-dynamo
          @@ -1,9 +1,29 @@
           {
             "Version": "2012-10-17",
          -  "Statement": {
          -    "Sid": "Theirs",
          -    "Effect": "Allow",
          -    "Action": "s3:GetObject",
          -    "Resource": "arn:aws:s3:::b/*"
          -  }
          +  "Statement": [
          +    {
          +      "Sid": "Theirs",
          +      "Effect": "Allow",
          +      "Action": "s3:GetObject",
          +      "Resource": "arn:aws:s3:::b/*"
          +    },
          +    {
          +      "Sid": "PodidDynamodb0fb589c59a532e34",
          +      "Effect": "Allow",
          +      "Action": [
          +        "dynamodb:DescribeStream",
          +        "dynamodb:GetRecords",
          +        "dynamodb:GetShardIterator"
          +      ],
          +      "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/stream/*"
          +    },
          +    {
          +      "Sid": "PodidDynamodbListStreams",
          +      "Effect": "Allow",
          +      "Action": [
          +        "dynamodb:ListStreams"
          +      ],
          +      "Resource": "*"
          +    }
          +  ]
           }
    Plan: 0 to create, 1 to change, 0 to delete
    updated inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    "#);
    insta::assert_snapshot!(env.podid(&detach("--dynamodb eks-workshop-carts=stream --yes")).ok(), @r#"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ update inline policy podid-dynamodb of role eks-workshop-carts-dynamo
          @@ -6,24 +6,6 @@
                 "Effect": "Allow",
                 "Action": "s3:GetObject",
                 "Resource": "arn:aws:s3:::b/*"
          -    },
          -    {
          -      "Sid": "PodidDynamodb0fb589c59a532e34",
          -      "Effect": "Allow",
          -      "Action": [
          -        "dynamodb:DescribeStream",
          -        "dynamodb:GetRecords",
          -        "dynamodb:GetShardIterator"
          -      ],
          -      "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/stream/*"
          -    },
          -    {
          -      "Sid": "PodidDynamodbListStreams",
          -      "Effect": "Allow",
          -      "Action": [
          -        "dynamodb:ListStreams"
          -      ],
          -      "Resource": "*"
               }
             ]
           }
    Plan: 0 to create, 1 to change, 0 to delete
    updated inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    "#);
    let left: Value =
        env.world.with(|state| serde_json::from_str(&state.aws.roles[ROLE].inline["podid-dynamodb"]).unwrap());
    assert_eq!(left["Statement"], json!([theirs]));
    // Detached again, there is nothing of podid's.
    let _ = env
        .podid(&detach("--dynamodb eks-workshop-carts=stream"))
        .ok()
        .says("has no statement of access `stream` from podid");
}

#[test]
fn managed_policies() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&attach(&format!("--policy-arn {MANAGED} --yes"))).ok(), @"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ attach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    attached arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-dynamo
    ");
    insta::assert_snapshot!(env.podid(&attach(&format!("--policy-arn {MANAGED}"))).ok(), @"
    exit 0
    --- stderr
    role eks-workshop-carts-dynamo already has these policies: nothing to change
    ");
    insta::assert_snapshot!(env.podid(&detach(&format!("--policy-arn {MANAGED} --yes -o name"))).ok(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      - detach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess from role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 1 to delete
    detached arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess from role eks-workshop-carts-dynamo
    ");
    insta::assert_snapshot!(env.podid(&detach(&format!("--policy-arn {MANAGED}"))).ok(), @"
    exit 0
    --- stderr
    warning: arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess is not attached to role `eks-workshop-carts-dynamo`
    nothing to detach from role eks-workshop-carts-dynamo
    ");
    assert_eq!(env.writes(), ["iam AttachRolePolicy", "iam DetachRolePolicy"]);
}

#[test]
fn policy_files() {
    let env = Env::new("carts-associated");
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let file = env.file("s3-all.json", &json!({"Version": "2012-10-17", "Statement": statement}).to_string());
    insta::assert_snapshot!(env.podid(&attach(&format!("--policy-file {file} --yes"))).ok(), @"
    exit 0
    --- stderr
    warning: s3-all: statement 1: allows every action of s3 (`s3:*`) on every resource (`*`)
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy s3-all to role eks-workshop-carts-dynamo
    Plan: 0 to create, 1 to change, 0 to delete
    added inline policy s3-all to role eks-workshop-carts-dynamo
    ");
    assert_eq!(inline(&env), ["s3-all"]);
    insta::assert_snapshot!(env.podid(&attach(&format!("--policy-file {file}"))).ok(), @"
    exit 0
    --- stderr
    warning: s3-all: statement 1: allows every action of s3 (`s3:*`) on every resource (`*`)
    role eks-workshop-carts-dynamo already has these policies: nothing to change
    ");
    // The name is what counts; the file may be gone.
    insta::assert_snapshot!(env.podid(&detach("--policy-file elsewhere/s3-all.json --dry-run -v")).ok(), @r#"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      - delete inline policy s3-all of role eks-workshop-carts-dynamo
          @@ -1,8 +0,0 @@
          -{
          -  "Version": "2012-10-17",
          -  "Statement": {
          -    "Effect": "Allow",
          -    "Action": "s3:*",
          -    "Resource": "*"
          -  }
          -}
    Plan: 0 to create, 0 to change, 1 to delete
    "#);
    let _ = env.podid(&detach("--policy-file elsewhere/s3-all.json --yes")).ok();
    assert!(inline(&env).is_empty());
}

#[test]
fn a_document_that_changed_meanwhile() {
    let env = Env::new("carts-associated");
    let _ = env.podid(&attach("--dynamodb eks-workshop-carts --yes")).ok();
    env.world.journal().clear();
    // Between the reading and the write somebody else is faster: the second GetRolePolicy sees it.
    let hold = Action::Hold(std::time::Duration::from_secs(2));
    env.world.faults().add(Fault { skip: 1, ..Fault::once("iam", "GetRolePolicy", hold) });
    let line = detach("--dynamodb eks-workshop-carts --yes");
    let child = env.begin(&line);
    wait_for(&env, "iam", "GetRolePolicy", 2);
    let other =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "a"}]});
    env.world.with(|state| {
        state.aws.roles.get_mut(ROLE).unwrap().inline.insert("podid-dynamodb".to_owned(), other.to_string());
    });
    insta::assert_snapshot!(crate::support::finish(child).code(1).steady(), @"
    exit 1
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      - delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    Plan: 0 to create, 0 to change, 1 to delete
    could not delete inline policy podid-dynamodb of role eks-workshop-carts-dynamo
    error: the inline policy `podid-dynamodb` of role `eks-workshop-carts-dynamo` was modified concurrently
      caused by: its document was changed

    hint: run the same command again: it makes a new plan from the current state
    ");
    assert_eq!(inline(&env), ["podid-dynamodb"]);
}
