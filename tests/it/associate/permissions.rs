//! `--dynamodb`, `--policy-arn`, `--policy-file` and `--tag`.

use serde_json::{Value, json};

use crate::support::{Env, Run};

fn tried(env: &Env, flags: &str) -> Run {
    env.podid(&format!("associate carts/carts --create-role {flags}"))
}

/// The inline policy that podid writes for these flags.
fn granted(flags: &str) -> Value {
    let env = Env::new("carts-agent");
    let run = tried(&env, &format!("{flags} --no-wait --allow-missing-resources")).ok();
    let inline =
        env.world.with(|state| json!(state.aws.roles.values().find(|r| r.path == "/podid/").map(|r| &r.inline)));
    let document = &inline["podid-dynamodb"];
    assert!(document.is_string(), "{inline} {run}");
    serde_json::from_str(document.as_str().unwrap()).unwrap()
}

#[test]
fn tables() {
    let arn = "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts";
    let document = granted("--dynamodb eks-workshop-carts");
    assert!(document.to_string().contains(arn) && document.to_string().contains("/index/*"), "{document}");
    assert!(!document.to_string().contains("PutItem"), "read is the default: {document}");
    assert_eq!(granted(&format!("--dynamodb {arn}")), document, "the same by ARN");
    assert_eq!(granted("--dynamodb us-west-2:eks-workshop-carts=read"), document, "the same with its region");
    let elsewhere = granted("--dynamodb eu-west-1:eks-workshop-carts").to_string();
    assert!(elsewhere.contains("arn:aws:dynamodb:eu-west-1:111122223333:table/"), "{elsewhere}");
    for (access, has, lacks) in [
        ("write", "dynamodb:PutItem", "dynamodb:Query"),
        ("read-write", "dynamodb:PutItem", "dynamodb:DeleteTable"),
        ("stream", "dynamodb:GetRecords", "dynamodb:PutItem"),
        ("full", "dynamodb:", "never"),
    ] {
        let document = granted(&format!("--dynamodb eks-workshop-carts={access}")).to_string();
        assert!(document.contains(has) && !document.contains(lacks), "{access}: {document}");
    }
}

#[test]
fn tables_with_a_key_and_tables_that_are_not_there() {
    let key = "arn:aws:kms:us-west-2:111122223333:key/0d1f3b2a-aaaa-4bbb-8ccc-000011112222";
    let line = "--dynamodb eks-workshop-carts --dry-run -v";
    let with_key = Env::with("carts-agent", &[("/tables/0/kms_key", json!(key))]);
    let run = tried(&with_key, line).ok().says("is encrypted with KMS key").says("dynamodb.us-west-2.amazonaws.com");
    assert!(run.stderr.contains(key), "{run}");
    let run = tried(&Env::new("carts-agent"), line).ok();
    assert!(!run.stderr.contains("kms:"), "{run}");
    let _ = tried(&Env::new("carts-agent"), "--dynamodb cards --dry-run").code(2).says("table/cards does not exist");
    let denied = Env::with("carts-agent", &[crate::support::denying("dynamodb:DescribeTable")]);
    let _ = tried(&denied, line).ok().says("not allowed: dynamodb:DescribeTable");
}

#[test]
fn wrong_tables() {
    let env = Env::new("carts-agent");
    for (table, why) in [
        ("carts=admin", "`admin` is not an access level (read, write, read-write, stream, full)"),
        ("ca", "table name `ca` is shorter than 3 characters"),
        ("us-west:carts", "`us-west` is not a region; a table is written as `name`, `region:name` or ARN"),
        ("arn:aws:s3:::carts", "`arn:aws:s3:::carts` is not the ARN of a DynamoDB table, but of s3 carts"),
    ] {
        let said = format!("error: invalid value '{table}' for '--dynamodb <TABLE[=ACCESS]>': {why}");
        let _ = tried(&env, &format!("--dynamodb {table}")).code(2).says(&said);
    }
    assert!(env.world.journal().calls().is_empty(), "not even a read");
}

#[test]
fn managed_policies() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(tried(&env, "--policy-arn AmazonDynamoDBFullAccess").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --policy-arn: `AmazonDynamoDBFullAccess` is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)
    ");
    insta::assert_snapshot!(tried(&env, "--permissions-boundary arn:aws:iam::aws:role/x").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --permissions-boundary: `arn:aws:iam::aws:role/x` is not the ARN of an IAM policy, but of iam role
    ");
    assert!(env.world.journal().calls().is_empty(), "not even a read");
    let line = "--policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess --no-wait";
    insta::assert_snapshot!(tried(&env, line).ok().steady(), @"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
      + attach arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-carts-8233eca5
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
    Plan: 3 to create, 0 to change, 0 to delete
    created role eks-workshop-carts-carts-8233eca5
    attached arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess to role eks-workshop-carts-carts-8233eca5
    associated carts/carts with role eks-workshop-carts-carts-8233eca5
    hint: new pods get credentials within a few seconds; check them with `podid show carts/carts`
    ");
    assert_eq!(env.writes(), ["iam CreateRole", "iam AttachRolePolicy", "eks CreatePodIdentityAssociation"]);
    insta::assert_snapshot!(tried(&env, line).ok().steady(), @r"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    carts/carts is already associated as requested: nothing to change
    ");
    assert_eq!(env.writes().len(), 3, "nothing is written twice");
    insta::assert_snapshot!(tried(&env, "--policy-arn arn:aws:iam::aws:policy/NoSuchPolicy --no-wait").code(2), @r"
    exit 2
    --- stderr
    error: managed policy arn:aws:iam::aws:policy/NoSuchPolicy does not exist

    hint: list those of AWS and of the account with `aws iam list-policies`; the path is part of an ARN
    ");
    assert_eq!(env.writes().len(), 3);
}

/// A policy file that grants one action.
fn queue(env: &Env) -> String {
    env.file(
        "queue.json",
        r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*" } }"#,
    )
}

#[test]
fn wrong_policy_files() {
    let env = Env::new("carts-agent");
    let good = queue(&env);
    let broken = env.file("broken.json", "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [,]\n}\n");
    let other = env.file("other.json", r#"{ "hello": "world" }"#);
    insta::assert_snapshot!(tried(&env, &format!("--policy-file {broken}")).code(2).steady(), @r"
    exit 2
    --- stderr
    error: --policy-file: `[home]/broken.json`, line 3: not JSON: expected value (column 17)
    ");
    insta::assert_snapshot!(tried(&env, &format!("--policy-file {other}")).code(2).steady(), @r"
    exit 2
    --- stderr
    error: --policy-file: `[home]/other.json`, line 1: not a policy document: it has no Statement
    ");
    insta::assert_snapshot!(tried(&env, &format!("--policy-file {other}.gone")).code(2).steady(), @r"
    exit 2
    --- stderr
    error: --policy-file: cannot read `[home]/other.json.gone`
      caused by: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(tried(&env, &format!("--policy-file {good} --policy-file {good}")).code(2).steady(), @r"
    exit 2
    --- stderr
    error: two `--policy-file` create the same inline policy `queue`
    ");
    assert!(env.world.journal().calls().is_empty(), "not even a read");
}

#[test]
fn policy_files() {
    let env = Env::new("carts-agent");
    let good = queue(&env);
    insta::assert_snapshot!(tried(&env, &format!("--policy-file {good} --dry-run -v --no-wait")).ok().steady(), @r#"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    warning: queue: statement 1: applies to every resource (`*`)
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
          @@ -0,0 +1,23 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": [
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
          +    }
          +  ]
          +}
      + add inline policy queue to role eks-workshop-carts-carts-8233eca5
          @@ -0,0 +1,8 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": {
          +    "Effect": "Allow",
          +    "Action": "sqs:SendMessage",
          +    "Resource": "*"
          +  }
          +}
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
    Plan: 3 to create, 0 to change, 0 to delete
    "#);
    assert!(env.writes().is_empty());
    let _ = tried(&env, &format!("--policy-file {good} --no-wait")).ok();
    assert_eq!(env.writes(), ["iam CreateRole", "iam PutRolePolicy", "eks CreatePodIdentityAssociation"]);
    // Changed: an update, with what differs.
    let _ = env.file(
        "queue.json",
        r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "sqs:*", "Resource": "*" } }"#,
    );
    insta::assert_snapshot!(tried(&env, &format!("--policy-file {good} --no-wait")).code(2).steady(), @r#"
    exit 2
    --- stderr
    warning: agent not checked: not read because of --no-wait
    warning: queue: statement 1: allows every action of sqs (`sqs:*`) on every resource (`*`)
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update inline policy queue of role eks-workshop-carts-carts-8233eca5
          @@ -2,7 +2,7 @@
             "Version": "2012-10-17",
             "Statement": {
               "Effect": "Allow",
          -    "Action": "sqs:SendMessage",
          +    "Action": "sqs:*",
               "Resource": "*"
             }
           }
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    "#);
    assert_eq!(env.writes().len(), 3);
}

#[test]
fn tags() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(tried(&env, "--tag team=a --tag team=b").code(2).steady(), @"
    exit 2
    --- stderr
    error: --tag: tag `team` is set twice
    ");
    insta::assert_snapshot!(tried(&env, "--tag aws:team=a").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --tag: tag `aws:team` begins with `aws:`, which is reserved by AWS
    ");
    insta::assert_snapshot!(tried(&env, "--tag team").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --tag: `team` is not KEY=VALUE
    ");
    insta::assert_snapshot!(tried(&env, "--path teams").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --path: path `teams` must begin and end with `/`
    ");
    assert!(env.world.journal().calls().is_empty(), "not even a read");
    let _ = tried(&env, "--tag team=carts --no-wait").ok();
    let tags = env.world.with(|state| state.aws.associations.values().next().map(|a| json!(a.tags)));
    assert_eq!(tags.unwrap()["team"], "carts");
}

/// IAM limits the sum of all inline policies of a role, those that podid does not write too.
#[test]
fn inline_policies_past_the_limit_are_refused_before_any_write() {
    let pad = |size: usize| {
        let document = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}", "b".repeat(size)),
        }] });
        Env::with("carts-role", &[("/roles/1/inline", json!({ "theirs": document }))])
    };
    let line = "associate carts/carts --role eks-workshop-carts-dynamo --dynamodb eks-workshop-carts --no-wait --yes";
    let env = pad(9800);
    let run = env.podid(line).code(2).says("inline policies of role `eks-workshop-carts-dynamo` would have");
    assert!(env.writes().is_empty(), "{run}");
    let _ = pad(2000).podid(line).ok();
}
