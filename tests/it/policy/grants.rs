//! Grants of all services: `podid policy print`, and what `attach` and `detach` make of them.

use serde_json::Value;

use super::roles::{ROLE, attach};
use crate::support::Env;

/// The inline policies of the role.
fn inline(env: &Env) -> Vec<(String, String)> {
    let all = env.world.with(|state| state.aws.roles[ROLE].inline.clone());
    all.into_iter().collect()
}

/// The statements of podid's policy for grants, in one order.
fn statements(inline: &[(String, String)]) -> Vec<String> {
    let (_, text) = inline.iter().find(|(name, _)| name == "podid-access").unwrap();
    let document: Value = serde_json::from_str(text).unwrap();
    let mut all: Vec<String> = document["Statement"].as_array().unwrap().iter().map(Value::to_string).collect();
    all.sort_unstable();
    all
}

/// One grant of each service, as flags.
const EVERY: [&str; 14] = [
    "--s3 carts-images/up=read-write",
    "--s3 other-bucket=list",
    "--sqs orders.fifo=both",
    "--sns eu-west-1:news=publish",
    "--secret db/main=read",
    "--ssm /app/*=read",
    "--kms alias/app=decrypt",
    "--kinesis clicks=consume",
    "--firehose lake=put",
    "--events default=put",
    "--logs /app/carts=write",
    "--cloudwatch App/Carts=put",
    "--bedrock us.anthropic.claude-x=invoke",
    "--allow states:StartExecution@arn:aws:states:us-west-2:111122223333:stateMachine:s",
];

#[test]
fn of_a_bucket() {
    let env = Env::new("carts-associated");
    let line = attach("--s3 carts-images/up=write");
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run -v")).ok(), @r#"
    exit 0
    --- stderr
    Plan for role eks-workshop-carts-dynamo (111122223333):
      ~ add inline policy podid-access to role eks-workshop-carts-dynamo
          @@ -0,0 +1,16 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": [
          +    {
          +      "Sid": "PodidS32dbe4490e81d23e3",
          +      "Effect": "Allow",
          +      "Action": [
          +        "s3:PutObject",
          +        "s3:DeleteObject",
          +        "s3:AbortMultipartUpload",
          +        "s3:ListMultipartUploadParts"
          +      ],
          +      "Resource": "arn:aws:s3:::carts-images/up/*"
          +    }
          +  ]
          +}
    Plan: 0 to create, 1 to change, 0 to delete
    "#);
    let _ = env.podid(&format!("{line} --yes")).ok();
    let _ = env.podid(&line).ok().says("has these policies: nothing to change");
    let detach = format!("policy detach {ROLE} --s3 carts-images/up");
    let _ = env.podid(&format!("{detach}=read")).ok().says(&format!(
        "role `{ROLE}` has no statement of access `read` from podid for S3 bucket arn:aws:s3:::carts-images/up"
    ));
    let _ =
        env.podid(&format!("{detach} --yes")).ok().says(&format!("deleted inline policy podid-access of role {ROLE}"));
    assert_eq!(env.writes(), ["iam PutRolePolicy", "iam DeleteRolePolicy"]);
}

/// Each is put on and taken off again: nothing is left of it, and all others stay.
#[test]
fn of_every_service() {
    let env = Env::new("carts-associated");
    let _ = env.podid(&attach("--dynamodb eks-workshop-carts --yes")).ok();
    let before = inline(&env);
    let all = EVERY.join(" ");
    let _ = env.podid(&attach(&format!("{all} --yes"))).ok();
    let full = inline(&env);
    let again = env.podid(&attach(&all)).ok().says("nothing to change");
    assert!(!again.stderr.contains("warning"), "{again}");
    for one in EVERY {
        let (flag, value) = one.split_once(' ').unwrap();
        let resource = if flag == "--allow" { value } else { value.rsplit_once('=').unwrap().0 };
        let _ = env.podid(&format!("policy detach {ROLE} {flag} {resource} --yes")).ok().says("podid-access");
        assert_ne!(inline(&env), full, "{one}");
        let _ = env.podid(&attach(&format!("{one} --yes"))).ok();
        // Its statements are at the end now.
        assert_eq!(statements(&inline(&env)), statements(&full), "{one}");
    }
    let taken: Vec<String> =
        EVERY
            .iter()
            .map(|one| {
                if one.starts_with("--allow") { (*one).to_owned() } else { one.rsplit_once('=').unwrap().0.to_owned() }
            })
            .collect();
    let _ = env.podid(&format!("policy detach {ROLE} {} --yes", taken.join(" "))).ok();
    assert_eq!(inline(&env), before);
}

#[test]
fn are_printed_in_one_document() {
    let mut env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("policy print --dynamodb eks-workshop-carts=write --sqs orders=produce").ok(), @r#"
    exit 0
    --- stdout
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "PodidDynamodb6029489afc9610fb",
          "Effect": "Allow",
          "Action": [
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:DescribeTable"
          ],
          "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts"
        },
        {
          "Sid": "PodidSqsa2b500d4727b1023",
          "Effect": "Allow",
          "Action": [
            "sqs:SendMessage",
            "sqs:GetQueueUrl",
            "sqs:GetQueueAttributes"
          ],
          "Resource": "arn:aws:sqs:us-west-2:111122223333:orders"
        }
      ]
    }
    "#);
    let run = env.podid("policy print --kms alias/app=decrypt -o yaml --allow xray:Put*@*").ok();
    let _ = run.says("kms:ResourceAliases: alias/app").says("`xray:Put*` allows several actions");
    // With ARNs alone no cluster is needed.
    env.unset("PODID_CLUSTER").unset("AWS_REGION");
    let run = env.podid("policy print --s3 arn:aws-cn:s3:::b-1/up=read -o name").ok();
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (3, ""), "{run}");
    let _ = env.podid("policy print --sqs orders=produce").code(2).says("or pass the ARNs of the resources");
}

/// What is no grant is refused before any call, in the words of its flag.
#[test]
fn that_are_none() {
    let env = Env::new("carts-associated");
    for (wrong, why) in [
        ("--s3 carts-images", "`carts-images` has no access level: carts-images=list|read|write|read-write"),
        ("--s3 carts-images=full", "`full` is not an access level of an S3 bucket"),
        ("--s3 carts-*=read", "has no bucket name"),
        ("--sqs arn:aws:sns:us-west-2:111122223333:t=both", "is not the ARN of an SQS queue"),
        ("--allow s3:GetObject@images", "is neither an ARN nor `*`"),
    ] {
        let _ = env.podid(&attach(wrong)).code(2).says(why);
    }
    let _ = env.podid(&attach("--exact --policy-arn arn:aws:iam::aws:policy/A")).code(2).says("--s3");
    assert!(env.operations().is_empty());
}
