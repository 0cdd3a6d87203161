//! Each level of each service allows its own calls and none of another level, by the evaluator that `verify` uses.

mod derived;

use super::*;
use crate::model::{
    access::{Effect, RoleDocuments, Session, predict},
    document::Document,
};

const HOME: &str = "arn:aws:eks:us-west-2:111122223333:cluster/c";

fn home() -> Arn {
    HOME.parse().unwrap()
}

fn grant_at(flag: &str, text: &str, home: &str) -> Grant {
    GrantText::granting(service(flag).unwrap(), text).unwrap().at(Some(&home.parse().unwrap())).unwrap()
}

fn grant(flag: &str, text: &str) -> Grant {
    grant_at(flag, text, HOME)
}

fn refused(flag: &str, text: &str) -> String {
    GrantText::granting(service(flag).unwrap(), text).unwrap_err().to_string()
}

/// What podid's policy comes to; `None` where it hangs on what the call brings along.
fn effect(document: &Document, action: &str, resource: &str) -> Option<Effect> {
    let identity = vec![("p".to_owned(), document.clone())];
    let need = Need::new(action, resource, "");
    let session = Session::plain("arn:aws:iam::111122223333:role/app");
    predict(&RoleDocuments { identity, boundary: None }, &session, &need).ok().map(|decision| decision.effect)
}

fn allows(grant: &Grant, action: &str, resource: &str) -> bool {
    effect(&policy(std::slice::from_ref(grant)), action, resource) != Some(Effect::Implicit)
}

/// Flag, resource; then calls: action, on what, and the levels that allow it.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const A: &str = "us-west-2:111122223333";

const CALLS: &[Row] = &[
    (
        "s3",
        "b-1/logs",
        &[
            ("s3:ListBucket", "arn:aws:s3:::b-1", "list read read-write"),
            ("s3:GetBucketLocation", "arn:aws:s3:::b-1", "list read read-write"),
            ("s3:GetObject", "arn:aws:s3:::b-1/logs/k", "read read-write"),
            ("s3:PutObject", "arn:aws:s3:::b-1/logs/a/k", "write read-write"),
            ("s3:DeleteObject", "arn:aws:s3:::b-1/logs/k", "write read-write"),
            ("s3:AbortMultipartUpload", "arn:aws:s3:::b-1/logs/k", "write read-write"),
            ("s3:ListMultipartUploadParts", "arn:aws:s3:::b-1/logs/k", "write read-write"),
            ("s3:PutObjectAcl", "arn:aws:s3:::b-1/logs/k", ""),
            ("s3:DeleteObjectVersion", "arn:aws:s3:::b-1/logs/k", ""),
            ("s3:GetObject", "arn:aws:s3:::b-1/logs2/k", ""),
            ("s3:PutObject", "arn:aws:s3:::b-12/logs/k", ""),
            ("s3:ListBucket", "arn:aws:s3:::b-12", ""),
        ],
    ),
    (
        "s3",
        "b-1",
        &[
            ("s3:GetObject", "arn:aws:s3:::b-1/any/k", "read read-write"),
            ("s3:PutObject", "arn:aws:s3:::b-1/k", "write read-write"),
            ("s3:DeleteBucket", "arn:aws:s3:::b-1", ""),
        ],
    ),
    (
        "sqs",
        "q",
        &[
            ("sqs:ReceiveMessage", "arn:aws:sqs:A:q", "consume both"),
            ("sqs:DeleteMessage", "arn:aws:sqs:A:q", "consume both"),
            ("sqs:ChangeMessageVisibility", "arn:aws:sqs:A:q", "consume both"),
            ("sqs:SendMessage", "arn:aws:sqs:A:q", "produce both"),
            ("sqs:GetQueueUrl", "arn:aws:sqs:A:q", "consume produce both"),
            ("sqs:GetQueueAttributes", "arn:aws:sqs:A:q", "consume produce both"),
            ("sqs:PurgeQueue", "arn:aws:sqs:A:q", ""),
            ("sqs:SendMessage", "arn:aws:sqs:A:q2", ""),
        ],
    ),
    (
        "sns",
        "t.fifo",
        &[
            ("sns:Publish", "arn:aws:sns:A:t.fifo", "publish"),
            ("sns:Subscribe", "arn:aws:sns:A:t.fifo", "subscribe"),
            ("sns:ConfirmSubscription", "arn:aws:sns:A:t.fifo", "subscribe"),
            ("sns:Publish", "arn:aws:sns:us-east-1:111122223333:t.fifo", ""),
        ],
    ),
    (
        "secret",
        "db/main",
        &[
            ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:A:secret:db/main-AbC123", "read"),
            ("secretsmanager:DescribeSecret", "arn:aws:secretsmanager:A:secret:db/main-AbC123", "read"),
            ("secretsmanager:PutSecretValue", "arn:aws:secretsmanager:A:secret:db/main-AbC123", "write"),
            ("secretsmanager:UpdateSecret", "arn:aws:secretsmanager:A:secret:db/main-AbC123", "write"),
            ("secretsmanager:UpdateSecretVersionStage", "arn:aws:secretsmanager:A:secret:db/main-AbC123", "write"),
            ("secretsmanager:DeleteSecret", "arn:aws:secretsmanager:A:secret:db/main-AbC123", ""),
            ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:A:secret:db/main2-AbC123", ""),
        ],
    ),
    (
        "ssm",
        "/app/a",
        &[
            ("ssm:GetParameter", "arn:aws:ssm:A:parameter/app/a", "read"),
            ("ssm:GetParameters", "arn:aws:ssm:A:parameter/app/a", "read"),
            ("ssm:PutParameter", "arn:aws:ssm:A:parameter/app/a", "write"),
            ("ssm:GetParametersByPath", "arn:aws:ssm:A:parameter/app/a", ""),
            ("ssm:GetParameter", "arn:aws:ssm:A:parameter/app/a/b", ""),
            ("ssm:DeleteParameter", "arn:aws:ssm:A:parameter/app/a", ""),
        ],
    ),
    (
        "ssm",
        "/app/*",
        &[
            ("ssm:GetParameter", "arn:aws:ssm:A:parameter/app/a/b", "read"),
            ("ssm:GetParametersByPath", "arn:aws:ssm:A:parameter/app", "read"),
            ("ssm:GetParametersByPath", "arn:aws:ssm:A:parameter/app/a", "read"),
            ("ssm:GetParameter", "arn:aws:ssm:A:parameter/app2", ""),
            ("ssm:PutParameter", "arn:aws:ssm:A:parameter/app/a", "write"),
        ],
    ),
    (
        "kms",
        "0d1f-ab",
        &[
            ("kms:Decrypt", "arn:aws:kms:A:key/0d1f-ab", "decrypt both"),
            ("kms:ReEncryptFrom", "arn:aws:kms:A:key/0d1f-ab", "both"),
            ("kms:DescribeKey", "arn:aws:kms:A:key/0d1f-ab", "decrypt encrypt both"),
            ("kms:Encrypt", "arn:aws:kms:A:key/0d1f-ab", "encrypt both"),
            ("kms:GenerateDataKey", "arn:aws:kms:A:key/0d1f-ab", "encrypt both"),
            ("kms:CreateGrant", "arn:aws:kms:A:key/0d1f-ab", ""),
            ("kms:Decrypt", "arn:aws:kms:A:key/other", ""),
        ],
    ),
    (
        "kinesis",
        "clicks",
        &[
            ("kinesis:GetRecords", "arn:aws:kinesis:A:stream/clicks", "consume"),
            ("kinesis:RegisterStreamConsumer", "arn:aws:kinesis:A:stream/clicks", "consume"),
            ("kinesis:SubscribeToShard", "arn:aws:kinesis:A:stream/clicks/consumer/c:1", "consume"),
            ("kinesis:ListShards", "arn:aws:kinesis:A:stream/clicks", "consume produce"),
            ("kinesis:PutRecords", "arn:aws:kinesis:A:stream/clicks", "produce"),
            ("kinesis:DeleteStream", "arn:aws:kinesis:A:stream/clicks", ""),
        ],
    ),
    (
        "firehose",
        "f",
        &[
            ("firehose:PutRecordBatch", "arn:aws:firehose:A:deliverystream/f", "put"),
            ("firehose:DeleteDeliveryStream", "arn:aws:firehose:A:deliverystream/f", ""),
        ],
    ),
    (
        "events",
        "default",
        &[
            ("events:PutEvents", "arn:aws:events:A:event-bus/default", "put"),
            ("events:PutRule", "arn:aws:events:A:event-bus/default", ""),
        ],
    ),
    (
        "logs",
        "/app/x",
        &[
            ("logs:CreateLogStream", "arn:aws:logs:A:log-group:/app/x:log-stream:s", "write"),
            ("logs:CreateLogStream", "arn:aws:logs:A:log-group:/app/x", "write"),
            ("logs:PutLogEvents", "arn:aws:logs:A:log-group:/app/x:log-stream:s", "write"),
            ("logs:CreateLogGroup", "arn:aws:logs:A:log-group:/app/x", "write"),
            ("logs:PutLogEvents", "arn:aws:logs:A:log-group:/app/xy:log-stream:s", ""),
            ("logs:GetLogEvents", "arn:aws:logs:A:log-group:/app/x:log-stream:s", ""),
            ("logs:DeleteLogGroup", "arn:aws:logs:A:log-group:/app/x", ""),
        ],
    ),
    ("cloudwatch", "App/Carts", &[("cloudwatch:PutMetricData", "*", "put"), ("cloudwatch:GetMetricData", "*", "")]),
    (
        "bedrock",
        "anthropic.claude-v2:1",
        &[
            ("bedrock:InvokeModel", "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-v2:1", "invoke"),
            ("bedrock:InvokeModel", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2:1", ""),
            ("bedrock:InvokeModel", "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-v2", ""),
            (
                "bedrock:CreateModelInvocationJob",
                "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-v2:1",
                "",
            ),
        ],
    ),
    (
        "bedrock",
        "us.anthropic.claude-x",
        &[
            (
                "bedrock:InvokeModelWithResponseStream",
                "arn:aws:bedrock:A:inference-profile/us.anthropic.claude-x",
                "invoke",
            ),
            ("bedrock:InvokeModel", "arn:aws:bedrock:us-east-2::foundation-model/anthropic.claude-x", "invoke"),
            ("bedrock:InvokeModel", "arn:aws:bedrock:us-east-2::foundation-model/anthropic.claude-y", ""),
        ],
    ),
];

#[test]
fn a_level_allows_its_own_calls_and_no_others() {
    for (flag, name, calls) in CALLS {
        for level in service(flag).unwrap().levels {
            let grant = grant(flag, &format!("{name}={}", level.name));
            for (action, resource, levels) in *calls {
                let wanted = levels.split(' ').any(|one| one == level.name);
                let resource = resource.replace(":A:", &format!(":{A}:"));
                assert_eq!(allows(&grant, action, &resource), wanted, "{}: {action} on {resource}", grant.short(None));
            }
        }
    }
    // Every service has its row.
    for service in SERVICES.iter().filter(|service| !service.levels.is_empty()) {
        assert!(CALLS.iter().any(|(flag, ..)| *flag == service.flag), "{service:?}");
    }
}

#[test]
fn every_action_of_a_level_is_a_call_of_its_service() {
    for service in SERVICES {
        for level in service.levels {
            let prefix = if service.flag == "secret" { "secretsmanager" } else { service.flag };
            for part in level.parts {
                assert!(part.actions.iter().all(|action| action.starts_with(&format!("{prefix}:"))), "{part:?}");
            }
            assert_eq!(level.parts[0].suffix, "", "{service:?}");
        }
    }
}

#[test]
fn names_regions_arns_and_partitions() {
    let short = |flag: &str, text: &str| grant(flag, text).short(Some(&home()));
    for (flag, text, resource, back) in [
        ("s3", "b-1/a/=read", "arn:aws:s3:::b-1/a", "b-1/a=read"),
        ("s3", "arn:aws:s3:::b-1/year=2026/*=read", "arn:aws:s3:::b-1/year=2026", "b-1/year=2026=read"),
        ("s3", "arn:aws-cn:s3:::b-1=list", "arn:aws-cn:s3:::b-1", "arn:aws-cn:s3:::b-1=list"),
        ("sqs", "q=both", "arn:aws:sqs:us-west-2:111122223333:q", "q=both"),
        ("sqs", "eu-west-1:q.fifo=both", "arn:aws:sqs:eu-west-1:111122223333:q.fifo", "eu-west-1:q.fifo=both"),
        (
            "sns",
            "arn:aws:sns:us-west-2:444455556666:t=publish",
            "arn:aws:sns:us-west-2:444455556666:t",
            "arn:aws:sns:us-west-2:444455556666:t=publish",
        ),
        ("secret", "a=b=read", "arn:aws:secretsmanager:us-west-2:111122223333:secret:a=b-??????", "a=b=read"),
        (
            "secret",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123=read",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123=read",
        ),
        (
            "secret",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db=read",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-??????",
            "db=read",
        ),
        ("ssm", "plain=read", "arn:aws:ssm:us-west-2:111122223333:parameter/plain", "/plain=read"),
        ("ssm", "us-east-1:/a/*=write", "arn:aws:ssm:us-east-1:111122223333:parameter/a/*", "us-east-1:/a/*=write"),
        ("kms", "alias/app=both", "arn:aws:kms:us-west-2:111122223333:alias/app", "alias/app=both"),
        ("kinesis", "s=produce", "arn:aws:kinesis:us-west-2:111122223333:stream/s", "s=produce"),
        ("events", "default", "arn:aws:events:us-west-2:111122223333:event-bus/default", "default=put"),
        ("firehose", "f", "arn:aws:firehose:us-west-2:111122223333:deliverystream/f", "f=put"),
        (
            "logs",
            "arn:aws:logs:us-west-2:111122223333:log-group:/a:*",
            "arn:aws:logs:us-west-2:111122223333:log-group:/a",
            "/a=write",
        ),
        ("cloudwatch", "App:x/y=put", "App:x/y", "App:x/y=put"),
        (
            "bedrock",
            "us-east-1:meta.llama3-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-v1:0",
            "us-east-1:meta.llama3-v1:0=invoke",
        ),
        (
            "bedrock",
            "arn:aws:bedrock:us-west-2:111122223333:application-inference-profile/x1",
            "arn:aws:bedrock:us-west-2:111122223333:application-inference-profile/x1",
            "arn:aws:bedrock:us-west-2:111122223333:application-inference-profile/x1=invoke",
        ),
        (
            "allow",
            "xray:PutTraceSegments,xray:GetSamplingRules@*",
            "*",
            "xray:GetSamplingRules,xray:PutTraceSegments@*",
        ),
        (
            "allow",
            "s3:GetObjectTagging@arn:aws:s3:::b-1/*",
            "arn:aws:s3:::b-1/*",
            "s3:GetObjectTagging@arn:aws:s3:::b-1/*",
        ),
    ] {
        let grant = grant(flag, text);
        assert_eq!(grant.resource.to_string(), resource, "--{flag} {text}");
        assert_eq!(short(flag, text), back, "--{flag} {text}");
        // What is printed is read as the same.
        assert_eq!(self::grant(flag, back), grant, "--{flag} {back}");
    }
    for partition in ["aws", "aws-cn", "aws-us-gov"] {
        let home = HOME.replacen("aws", partition, 1);
        for (flag, name, _) in CALLS {
            for level in service(flag).unwrap().levels {
                let grant = grant_at(flag, &format!("{name}={}", level.name), &home);
                let text = policy(&[grant]).0.to_string();
                assert!(!text.contains("arn:aws:") || partition == "aws", "{text}");
            }
        }
    }
}

#[test]
fn what_is_no_grant_is_refused() {
    for (flag, text, why) in [
        ("s3", "b-1", "`b-1` has no access level: b-1=list|read|write|read-write"),
        ("s3", "b-1=full", "`full` is not an access level of an S3 bucket (list, read, write or read-write)"),
        ("s3", "b-1/*=read", "may have only printable ASCII"),
        ("s3", "b-1/${aws:username}=read", "may have only printable ASCII"),
        ("s3", "B=read", "has no bucket name"),
        ("s3", "10.0.0.1=read", "is an IP address"),
        ("s3", "b--usw2-az1--x-s3=read", "is a directory bucket"),
        ("s3", "arn:aws:s3:us-west-2:111122223333:accesspoint/a=read", "access point"),
        ("s3", "arn:aws:sqs:us-west-2:111122223333:q=read", "is not the ARN of an S3 bucket, but of sqs q"),
        ("sqs", "q*=both", "may have only letters"),
        ("sqs", "nowhere:q=both", "`nowhere` is not a region; an SQS queue is written as"),
        ("sqs", "arn:aws:sqs:us-west-2::q=both", "has no region or no account ID"),
        ("sqs", "arn:aws:sqs:us-west-2:111122223333:q?=both", "has a wildcard"),
        ("secret", "a-??????=read", "may have only letters"),
        ("secret", "arn:aws:secretsmanager:us-west-2:111122223333:secret:*=read", "has a wildcard"),
        ("ssm", "/*=read", "matches every parameter"),
        ("ssm", "/aws/x=read", "begins with `aws`"),
        ("ssm", "/a/*/b=read", "may have only letters"),
        ("kms", "alias/aws/s3=both", "is an AWS managed key"),
        ("kms", "app/x=both", "is neither a key ID nor an alias"),
        ("cloudwatch", "AWS/EC2", "is reserved by AWS"),
        ("bedrock", "arn:aws:bedrock:us-west-2:111122223333:guardrail/x", "is not the ARN of a Bedrock model"),
        ("allow", "s3:GetObject", "is not ACTION@ARN"),
        ("allow", "GetObject@*", "is not an action"),
        ("allow", "*@*", "is not an action"),
        ("allow", "s3:@*", "has an invalid name"),
        ("allow", "s3:GetObject@b-1", "is neither an ARN nor `*`"),
        ("allow", "s3:GetObject@arn:aws:s3:::*", "has a wildcard"),
        ("allow", "s3:GetObject@arn:aws:s3:::b/${aws:username}", "`$`"),
    ] {
        assert!(refused(flag, text).contains(why), "--{flag} {text}: {}", refused(flag, text));
    }
}

/// All levels of all services.
fn every() -> Vec<Grant> {
    let levels = |(flag, name, _): &Row| {
        let (flag, name) = (*flag, *name);
        service(flag).unwrap().levels.iter().map(move |level| grant(flag, &format!("{name}={}", level.name)))
    };
    let mut all: Vec<Grant> = CALLS.iter().flat_map(levels).collect();
    all.extend([
        grant("kms", "alias/app=decrypt"),
        grant("s3", "b-2=list"),
        grant("bedrock", "global.anthropic.claude-x"),
        grant("allow", "xray:PutTraceSegments@*"),
        grant("allow", "states:StartExecution,states:Describe*@arn:aws:states:us-west-2:111122223333:stateMachine:s"),
    ]);
    all
}

/// Put one after the other, a wider level would swallow the narrower one.
fn written(grants: &[Grant]) -> Document {
    let statements: Vec<Value> = grants.iter().flat_map(Grant::statements).collect();
    Document(json!({"Version": "2012-10-17", "Statement": statements}))
}

#[test]
fn what_is_written_is_read_back_and_accepted_by_iam() {
    let all = every();
    for one in &all {
        let document = policy(std::slice::from_ref(one));
        assert_eq!(granted(&document).unwrap(), std::slice::from_ref(one), "{document:?}");
        let issues = crate::model::policy::lint(&document);
        // `--allow` takes whatever is named, also on `*`.
        assert!(issues.is_empty() || one.service.flag == "allow" && !issues[0].is_error(), "{issues:?}");
    }
    let document = written(&all);
    assert_eq!(granted(&document).unwrap(), all);
    assert_eq!(crate::model::policy::faults(&document), []);
    // Touched by hand, only the document itself tells it.
    let mut changed = document;
    changed.0["Statement"][0]["Action"] = json!("s3:*");
    assert_eq!(granted(&changed), None);
}

#[test]
fn attaching_and_detaching_restores_what_was_there() {
    let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
    let all = every();
    for one in &all {
        let others: Vec<Grant> = all.iter().filter(|other| other.resource != one.resource).cloned().collect();
        let mut before = written(&others);
        before.0["Statement"].as_array_mut().unwrap().insert(1, theirs.clone());
        let after = merged(Some(&before), std::slice::from_ref(one));
        assert_ne!(after, before);
        assert_eq!(merged(Some(&after), std::slice::from_ref(one)), after);
        let whole = matches!(one.access, Access::Level(_)).then_some(None);
        for access in [Some(Some(one.access.clone())), whole].into_iter().flatten() {
            let gone = Removal { service: one.service, resource: one.resource.clone(), access };
            assert_eq!(without(&after, &gone).as_ref(), Some(&before), "{one:?}");
            assert_eq!(without(&policy(std::slice::from_ref(one)), &gone), None);
        }
    }
}

#[test]
fn a_wider_level_covers_and_is_reduced_when_asked() {
    let (read, both) = (grant("s3", "b-1=read"), grant("s3", "b-1=read-write"));
    let before = policy(std::slice::from_ref(&both));
    assert_eq!(merged(Some(&before), std::slice::from_ref(&read)), before);
    assert_eq!(wider(Some(&before), &read), std::slice::from_ref(&both.access));
    assert_eq!(wider(Some(&before), &both), []);
    assert_eq!(reduced(Some(&before), std::slice::from_ref(&read)), policy(std::slice::from_ref(&read)));
    // What is below a prefix is another resource.
    let below = grant("s3", "b-1/x=read");
    assert_eq!(granted(&reduced(Some(&before), std::slice::from_ref(&below))).unwrap(), [both, below]);
}

#[test]
fn a_list_is_the_whole_list_of_its_service() {
    let (queue, bucket, topic) = (grant("sqs", "q=both"), grant("s3", "b-1=read"), grant("sns", "t=publish"));
    let before = policy(&[queue.clone(), topic.clone()]);
    let sqs = service("sqs").unwrap();
    assert_eq!(
        granted(&exactly(Some(&before), &[sqs, bucket.service], std::slice::from_ref(&bucket)).unwrap()).unwrap(),
        [topic, bucket]
    );
    assert_eq!(exactly(Some(&policy(&[queue])), &[sqs], &[]), None);
}

#[test]
fn prefixes_and_aliases_are_conditions() {
    let of = |flag: &str, text: &str| grant(flag, text).statements();
    let list = of("s3", "b-1/a=list");
    assert_eq!(list[0]["Condition"], json!({"StringLike": {"s3:prefix": ["a/*", "a", "a/"]}}));
    assert_eq!((list[1].get("Condition"), list.len()), (None, 2));
    assert_eq!(of("s3", "b-1=list").len(), 1, "without a condition they are one statement");
    let key = &of("kms", "alias/app=decrypt")[0];
    assert_eq!(key["Resource"], "arn:aws:kms:us-west-2:111122223333:key/*");
    assert_eq!(key["Condition"], json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/app"}}));
    let global = of("bedrock", "global.anthropic.claude-x");
    assert_eq!(global[1]["Resource"], "arn:aws:bedrock:*::foundation-model/anthropic.claude-x");
    assert_eq!(global[1]["Condition"]["StringEquals"]["bedrock:InferenceProfileArn"], global[0]["Resource"]);
}
