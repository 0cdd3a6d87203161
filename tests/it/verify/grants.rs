//! `--s3`, `--kms` and the other grants as what a workload needs.

use serde_json::{Value, json};

use super::access::{KEY, finding, policy, verified};
use crate::support::{APP, Env, denying};

/// Role without policies, a need by a flag, the remedy, and the same need again: by IAM, and by podid where IAM may not be asked.
#[test]
fn every_grant_does_what_it_says() {
    for grant in [
        "--s3 carts-images=list",
        "--s3 carts-images/uploads=read-write",
        "--sqs orders=both",
        "--sns orders=publish",
        "--secret db/main=read",
        "--ssm /app/*=read",
        "--kms alias/app=decrypt",
        "--kms 0d1f3b2a-aaaa-4bbb-8ccc-000011112222=both",
        "--kinesis orders=consume",
        "--firehose orders=put",
        "--events default=put",
        "--logs /app=write",
        "--cloudwatch App=put",
        "--bedrock us.anthropic.claude-3-haiku-20240307-v1:0=invoke",
    ] {
        let fields = [("/roles/1/inline", json!({})), (APP, json!(""))];
        let env = Env::with("carts-verified", &fields);
        let verify = format!("verify carts/carts -o json --no-logs {grant}");
        let before = env.podid(&verify);
        let id = if grant.starts_with("--kms") { "permissions.kms" } else { "permissions.missing" };
        let remedy = finding(&before, id)["remedies"][0].clone();
        let command =
            remedy["command"].as_str().unwrap_or_else(|| panic!("{grant}\n{remedy}\n{before}")).replace('\'', "");
        assert_eq!(command, format!("podid policy attach eks-workshop-carts-dynamo {grant}"), "{before}");
        let _ = env.podid(&format!("{} --yes", command.trim_start_matches("podid "))).ok();
        let after = env.podid(&verify);
        assert_eq!(finding(&after, "permissions.ok")["status"], "ok", "{grant}\n{after}");
        let env = Env::with("carts-verified", &[&fields[..], &[denying("iam:SimulatePrincipalPolicy")]].concat());
        let _ = env.podid(&format!("{} --yes", command.trim_start_matches("podid "))).ok();
        let predicted = env.podid(&verify);
        assert_eq!(finding(&predicted, "permissions.ok")["status"], "ok", "{grant}\n{predicted}");
    }
}

/// What the role has instead of what is needed, and what comes of it.
#[test]
fn near_to_what_is_needed() {
    let secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123";
    let read = json!(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]);
    let list = json!(["s3:ListBucket", "s3:GetBucketLocation"]);
    let folder = |prefix: &str| json!({"StringLike": {"s3:prefix": prefix}});
    let bucket = "arn:aws:s3:::carts-images";
    let allow = |action: &Value, resource: &str, condition: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": action, "Resource": resource});
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        policy(json!([statement]))
    };
    let decrypt = json!(["kms:Decrypt", "kms:DescribeKey"]);
    let through = json!({"StringEquals": {"kms:ViaService": "dynamodb.us-west-2.amazonaws.com"}});
    for (need, document, id, status) in [
        // Which secret of that name it is, podid does not look up.
        ("--secret db=read", allow(&read, secret, Value::Null), "permissions.ok", "unknown"),
        ("--secret db=read", allow(&read, &secret.replace("db-AbC123", "db-*"), Value::Null), "permissions.ok", "ok"),
        ("--secret db=read", allow(&read, &secret.replace("db-", "da-"), Value::Null), "permissions.missing", "failed"),
        ("--s3 carts-images/uploads=list", allow(&list, bucket, Value::Null), "permissions.ok", "ok"),
        ("--s3 carts-images/uploads=list", allow(&list, bucket, folder("other/*")), "permissions.missing", "failed"),
        // A key that may be used by way of DynamoDB is not one that the workload may use.
        (
            "--kms 0d1f3b2a-aaaa-4bbb-8ccc-000011112222=decrypt",
            allow(&decrypt, KEY, Value::Null),
            "permissions.ok",
            "ok",
        ),
        (
            "--kms 0d1f3b2a-aaaa-4bbb-8ccc-000011112222=decrypt",
            allow(&decrypt, KEY, through),
            "permissions.kms",
            "warning",
        ),
    ] {
        let fields = [("/roles/1/inline", json!({"own": document})), (APP, json!(""))];
        let asked = verified(&fields, &format!("--no-logs {need}"));
        assert_eq!(finding(&asked, id)["status"], status, "{need}\n{asked}");
        let fields = [&fields[..], &[denying("iam:SimulatePrincipalPolicy")]].concat();
        let predicted = verified(&fields, &format!("--no-logs {need}"));
        assert_eq!(finding(&predicted, id)["status"], status, "{need}, predicted\n{predicted}");
    }
}
