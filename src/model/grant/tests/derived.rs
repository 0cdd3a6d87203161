//! What follows from the catalog: the grants that cover calls, and the entries of files.

use super::*;

#[test]
fn the_smallest_grants_cover_calls() {
    let found = |calls: &[(&str, &str)]| {
        let of = |(action, resource): &(&str, &str)| Need::new(*action, resource.replace(":A:", &format!(":{A}:")), "");
        let needs: Vec<Need> = calls.iter().map(of).collect();
        let (grants, rest) = covering(&needs.iter().collect::<Vec<_>>());
        let short = |grant: &Grant| format!("--{} {}", grant.service.flag, grant.short(Some(&home())));
        (grants.iter().map(short).collect::<Vec<_>>().join(" "), rest.len())
    };
    let (get, put) = (("s3:GetObject", "arn:aws:s3:::b-1/k"), ("s3:PutObject", "arn:aws:s3:::b-1/k"));
    let secret = "arn:aws:secretsmanager:A:secret:db-AbC123";
    for (calls, wanted, rest) in [
        (&[put][..], "--s3 b-1=write", 0),
        (&[get], "--s3 b-1=read", 0),
        (&[get, put], "--s3 b-1=read-write", 0),
        (&[("s3:GetObject", "arn:aws:s3:::b-1/a/b/k")], "--s3 b-1/a/b=read", 0),
        (
            &[("s3:GetObject", "arn:aws:s3:::b-1/a/k"), ("s3:PutObject", "arn:aws:s3:::b-1/b/k")],
            "--s3 b-1=read-write",
            0,
        ),
        (&[("s3:ListBucket", "arn:aws:s3:::b-1")], "--s3 b-1=list", 0),
        (&[("s3:PutObjectAcl", "arn:aws:s3:::b-1/k"), put], "--s3 b-1=write", 1),
        (&[("sqs:SendMessage", "arn:aws:sqs:A:q"), ("sqs:ReceiveMessage", "arn:aws:sqs:A:q")], "--sqs q=both", 0),
        (
            &[("secretsmanager:GetSecretValue", secret)],
            "--secret arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123=read",
            0,
        ),
        (
            &[("ssm:GetParameter", "arn:aws:ssm:A:parameter/a"), ("ssm:PutParameter", "arn:aws:ssm:A:parameter/a")],
            "--ssm /a=read --ssm /a=write",
            0,
        ),
        (&[("ssm:GetParametersByPath", "arn:aws:ssm:A:parameter/a")], "", 1),
        (&[("kms:Decrypt", "arn:aws:kms:A:key/k-1")], "--kms k-1=decrypt", 0),
        (&[("kinesis:SubscribeToShard", "arn:aws:kinesis:A:stream/s/consumer/c:1")], "--kinesis s=consume", 0),
        (&[("logs:PutLogEvents", "arn:aws:logs:A:log-group:/a:log-stream:s")], "--logs /a=write", 0),
        (
            &[("bedrock:InvokeModel", "arn:aws:bedrock:us-east-1::foundation-model/a.b")],
            "--bedrock us-east-1:a.b=invoke",
            0,
        ),
        (&[("cloudwatch:PutMetricData", "*"), ("states:StartExecution", "arn:aws:states:A:stateMachine:s")], "", 2),
    ] {
        assert_eq!(found(calls), (wanted.to_owned(), rest), "{calls:?}");
    }
}

/// A file's entry is read as what it was written from.
#[test]
fn entries_of_files_are_read_back() {
    for grant in every() {
        let text = GrantText::granting(grant.service, &grant.short(Some(&home()))).unwrap();
        let entry = serde_json::to_value(&text).unwrap();
        let of = |key: &str| entry.get(key).and_then(Value::as_str);
        let keys: Vec<&str> = entry.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(keys.iter().all(|key| grant.service.keys().contains(key)), "{entry}");
        let resource = of(grant.service.key).unwrap();
        let again = match &grant.access {
            Access::Level(_) => GrantText::of_entry(grant.service, resource, of("prefix"), of(ACCESS)),
            Access::Actions(actions) => GrantText::allowing(grant.service, actions, resource),
        };
        assert_eq!(again.unwrap(), text, "{entry}");
    }
}
