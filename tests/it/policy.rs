//! `podid policy dynamodb`: what is printed. `attach` and `detach` are in `roles`, all services but DynamoDB in `grants`, of add-ons in
//! `add_ons`, checks of files in `lint`.

mod add_ons;
mod grants;
mod lint;
mod refused;
mod roles;

use serde_json::json;

use crate::support::{Env, denying};

const ARN: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts";
const KEY: &str = "arn:aws:kms:us-west-2:111122223333:key/0d1f3b2a-aaaa-4bbb-8ccc-000011112222";

#[test]
fn of_a_table_by_name() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("policy dynamodb eks-workshop-carts").ok(), @r#"
    exit 0
    --- stdout
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "PodidDynamodb63374fd246236ac8",
          "Effect": "Allow",
          "Action": [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:DescribeTable"
          ],
          "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts"
        },
        {
          "Sid": "PodidDynamodb63374fd246236ac8Index",
          "Effect": "Allow",
          "Action": [
            "dynamodb:Query",
            "dynamodb:Scan"
          ],
          "Resource": [
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"
          ]
        }
      ]
    }
    "#);
    let calls = env.operations();
    assert_eq!(calls, ["eks DescribeCluster", "dynamodb DescribeTable"], "{calls:?}");
    let read = env.podid("policy dynamodb eks-workshop-carts").ok();
    for line in ["policy dynamodb eks-workshop-carts -o json", "policy dynamodb eks-workshop-carts=read --access full"]
    {
        assert_eq!(env.podid(line).ok().stdout, read.stdout, "{line}");
    }
    insta::assert_snapshot!(env.podid("policy dynamodb eks-workshop-carts --access write -o yaml").ok(), @"
    exit 0
    --- stdout
    Version: 2012-10-17
    Statement:
    - Sid: PodidDynamodb6029489afc9610fb
      Effect: Allow
      Action:
      - dynamodb:PutItem
      - dynamodb:UpdateItem
      - dynamodb:DeleteItem
      - dynamodb:BatchWriteItem
      - dynamodb:ConditionCheckItem
      - dynamodb:DescribeTable
      Resource: arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts
    ");
    insta::assert_snapshot!(env.podid("policy dynamodb eks-workshop-carts=stream --no-lookup -o name").ok(), @"
    exit 0
    --- stdout
    PodidDynamodb0fb589c59a532e34
    PodidDynamodbListStreams
    ");
    insta::assert_snapshot!(env.tty(80, &["policy", "dynamodb", "eks-workshop-carts", "--access", "full"], "").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "PodidDynamodb8dffc67b89988562",
          "Effect": "Allow",
          "Action": [
            "dynamodb:*"
          ],
          "Resource": [
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*",
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/stream/*"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn of_another_region_and_of_nothing() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("policy dynamodb eu-west-1:eks-workshop-carts=write -o name").ok().steady(), @"
    exit 0
    --- stdout
    PodidDynamodba8d75ba64cded412
    --- stderr
    warning: table arn:aws:dynamodb:eu-west-1:111122223333:table/eks-workshop-carts does not exist
    ");
    insta::assert_snapshot!(env.podid("policy dynamodb cards -o name").ok().steady(), @"
    exit 0
    --- stdout
    PodidDynamodb25758f9965a0deac
    PodidDynamodb25758f9965a0deacIndex
    --- stderr
    warning: table arn:aws:dynamodb:us-west-2:111122223333:table/cards does not exist
    ");
    let plain = Env::with("carts-before", &[("/tables/0/stream", json!(false))]);
    insta::assert_snapshot!(plain.podid("policy dynamodb eks-workshop-carts=stream -o name").ok().steady(), @"
    exit 0
    --- stdout
    PodidDynamodb0fb589c59a532e34
    PodidDynamodbListStreams
    --- stderr
    warning: table arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts has no stream: enable it before it can be read
    ");
    let streaming = Env::with("carts-before", &[("/tables/0/stream", json!(true))]);
    assert_eq!(streaming.podid("policy dynamodb eks-workshop-carts=stream -o name").ok().stderr, "");
}

#[test]
fn by_arn_without_a_cluster() {
    let mut env = Env::new("carts-before");
    env.unset("PODID_CLUSTER").unset("AWS_REGION");
    let run = env.podid(&format!("policy dynamodb {ARN}")).ok();
    assert_eq!((run.stderr.as_str(), env.operations()), ("", vec!["dynamodb DescribeTable".to_owned()]), "{run}");
    insta::assert_snapshot!(env.podid("policy dynamodb carts").code(2).steady(), @"
    exit 2
    --- stderr
    error: no cluster specified, and the current kube context is not an EKS cluster

    hint: pass `--cluster NAME`, or set PODID_CLUSTER
    hint: or create its kube context: `aws eks update-kubeconfig --name NAME`
    hint: or pass the ARNs of the tables: they need no cluster
    ");
    // Without credentials, and without any call.
    env.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    env.world.journal().clear();
    let china = "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/carts";
    let run = env.podid(&format!("policy dynamodb {china} --no-lookup")).ok();
    assert!(run.stdout.contains(&format!("{china}/index/*")) && run.stderr.is_empty(), "{run}");
    assert!(env.operations().is_empty());
}

#[test]
fn in_other_partitions() {
    for (partition, region) in
        [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-eusc", "eusc-de-east-1")]
    {
        let key = format!("arn:{partition}:kms:{region}:111122223333:key/k");
        let fields = [("/partition", json!(partition)), ("/region", json!(region)), ("/tables/0/kms_key", json!(key))];
        let run = Env::with("carts-before", &fields).podid("policy dynamodb eks-workshop-carts").ok();
        let statements = &run.json()["Statement"];
        let arn = format!("arn:{partition}:dynamodb:{region}:111122223333:table/eks-workshop-carts");
        assert_eq!((&statements[0]["Resource"], &statements[2]["Resource"]), (&json!(arn), &json!(key)), "{run}");
    }
}

/// One table with two levels of access is looked at once.
#[test]
fn of_a_table_twice() {
    let env = Env::new("carts-before");
    let run = env.podid("policy dynamodb nothere=read nothere=write").ok();
    assert_eq!(run.stderr.matches("does not exist").count(), 1, "{run}");
    assert_eq!(env.operations(), ["eks DescribeCluster", "dynamodb DescribeTable", "dynamodb ListTables"]);
}

#[test]
fn of_a_table_with_a_key() {
    let env = Env::with("carts-before", &[("/tables/0/kms_key", json!(KEY))]);
    insta::assert_snapshot!(env.podid("policy dynamodb eks-workshop-carts").ok(), @r#"
    exit 0
    --- stdout
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "PodidDynamodb63374fd246236ac8",
          "Effect": "Allow",
          "Action": [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:DescribeTable"
          ],
          "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts"
        },
        {
          "Sid": "PodidDynamodb63374fd246236ac8Index",
          "Effect": "Allow",
          "Action": [
            "dynamodb:Query",
            "dynamodb:Scan"
          ],
          "Resource": [
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"
          ]
        },
        {
          "Sid": "PodidDynamodb0ab05c9f8f01a587Kms",
          "Effect": "Allow",
          "Action": [
            "kms:Decrypt",
            "kms:DescribeKey"
          ],
          "Resource": "arn:aws:kms:us-west-2:111122223333:key/0d1f3b2a-aaaa-4bbb-8ccc-000011112222",
          "Condition": {
            "StringEquals": {
              "kms:ViaService": "dynamodb.us-west-2.amazonaws.com"
            }
          }
        }
      ]
    }
    --- stderr
    note: table eks-workshop-carts is encrypted with KMS key arn:aws:kms:us-west-2:111122223333:key/0d1f3b2a-aaaa-4bbb-8ccc-000011112222: use of the key through DynamoDB is granted too (not needed for an AWS managed key)
    "#);
    let plain = Env::new("carts-before");
    assert!(!plain.podid("policy dynamodb eks-workshop-carts").ok().stdout.contains("kms:"));
    let lost = [("/tables/0/kms_key", json!(KEY)), ("/tables/0/status", json!("INACCESSIBLE_ENCRYPTION_CREDENTIALS"))];
    let _ =
        Env::with("carts-before", &lost).podid("policy dynamodb eks-workshop-carts -q").ok().says("is inaccessible");
}

#[test]
fn when_the_table_may_not_be_looked_at() {
    let env = Env::with("carts-before", &[denying("dynamodb:DescribeTable")]);
    insta::assert_snapshot!(env.podid("policy dynamodb eks-workshop-carts -o name").ok().steady(), @"
    exit 0
    --- stdout
    PodidDynamodb63374fd246236ac8
    PodidDynamodb63374fd246236ac8Index
    --- stderr
    warning: table arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts not checked: not allowed: dynamodb:DescribeTable; if it uses a customer managed KMS key, `kms:Decrypt` on it is needed too
    ");
}

#[test]
fn for_tenants() {
    let env = Env::new("carts-before");
    let line = "policy dynamodb eks-workshop-carts=read-write --leading-keys";
    insta::assert_snapshot!(env.podid(&format!("{line} kubernetes-namespace")).ok(), @r#"
    exit 0
    --- stdout
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "PodidDynamodbe11df874bde5192f",
          "Effect": "Allow",
          "Action": [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem"
          ],
          "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
          "Condition": {
            "ForAllValues:StringEquals": {
              "dynamodb:LeadingKeys": [
                "${aws:PrincipalTag/kubernetes-namespace}"
              ]
            }
          }
        },
        {
          "Sid": "PodidDynamodbe11df874bde5192fIndex",
          "Effect": "Allow",
          "Action": [
            "dynamodb:Query"
          ],
          "Resource": [
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"
          ],
          "Condition": {
            "ForAllValues:StringEquals": {
              "dynamodb:LeadingKeys": [
                "${aws:PrincipalTag/kubernetes-namespace}"
              ]
            }
          }
        },
        {
          "Sid": "PodidDynamodbe11df874bde5192fDescribe",
          "Effect": "Allow",
          "Action": [
            "dynamodb:DescribeTable"
          ],
          "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts"
        }
      ]
    }
    "#);
    insta::assert_snapshot!(env.podid(&format!("{line} tenant -o name")).ok(), @"
    exit 0
    --- stdout
    PodidDynamodbe11df874bde5192f
    PodidDynamodbe11df874bde5192fIndex
    PodidDynamodbe11df874bde5192fDescribe
    --- stderr
    warning: `tenant` is not a session tag that EKS sends (eks-cluster-arn, eks-cluster-name, kubernetes-namespace, kubernetes-service-account, kubernetes-pod-name, kubernetes-pod-uid): the role itself must have this tag
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} a,b -o name")).code(2), @"
    exit 2
    --- stderr
    error: --leading-keys: tag `a,b` may have only letters, digits, spaces and `_.:/=+-@`
    ");
    insta::assert_snapshot!(env.podid("policy dynamodb carts=full --leading-keys kubernetes-namespace").code(2), @"
    exit 2
    --- stderr
    error: --leading-keys: access `full` to table `carts` cannot be limited to partition keys

    hint: choose `read`, `write` or `read-write`
    ");
}

#[test]
fn for_single_indexes() {
    let env = Env::new("carts-before");
    let run = env.podid("policy dynamodb eks-workshop-carts --index idx_global_customerId").ok();
    assert!(run.stdout.contains("/index/idx_global_customerId\"") && !run.stdout.contains("index/*"), "{run}");
    assert!(run.stderr.is_empty(), "{run}");
    insta::assert_snapshot!(env.podid("policy dynamodb eks-workshop-carts --index customers -o name").ok(), @"
    exit 0
    --- stdout
    PodidDynamodb63374fd246236ac8
    PodidDynamodb63374fd246236ac8Index
    --- stderr
    warning: table arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts has no index `customers` (indexes: idx_global_customerId)
    ");
    let none = env.podid("policy dynamodb eks-workshop-carts --no-indexes").ok();
    assert!(!none.stdout.contains("/index/"), "{none}");
    insta::assert_snapshot!(env.podid("policy dynamodb carts=write --no-indexes").code(2), @"
    exit 2
    --- stderr
    error: --no-indexes: access `write` to table `carts` does not include indexes
    ");
}

#[test]
fn wrong_input() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("policy dynamodb cards=all").code(2), @"
    exit 2
    --- stderr
    error: invalid value 'cards=all' for '<TABLE[=ACCESS]>...': `all` is not an access level (read, write, read-write, stream, full)

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(env.podid("policy dynamodb arn:aws:s3:::bucket").code(2), @"
    exit 2
    --- stderr
    error: invalid value 'arn:aws:s3:::bucket' for '<TABLE[=ACCESS]>...': `arn:aws:s3:::bucket` is not the ARN of a DynamoDB table, but of s3 bucket

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(env.podid("policy dynamodb").code(2), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <TABLE[=ACCESS]>...

    Usage: podid policy dynamodb --cluster <CLUSTER> <TABLE[=ACCESS]>...

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(env.podid("policy dynamodb carts --index a").code(2), @"
    exit 2
    --- stderr
    error: --index: index name `a` is shorter than 3 characters
    ");
    assert!(env.operations().iter().all(|call| call == "eks DescribeCluster"), "{:?}", env.operations());
}
