//! Roles and their trust policies in `associate`.

use serde_json::{Value, json};

use crate::support::{Env, denying};

const LINE: &str = "associate carts/carts --role eks-workshop-carts-dynamo";

#[test]
fn one_that_is_not_there() {
    let env = Env::with("carts-role", &[("/roles/1/name", json!("another"))]);
    insta::assert_snapshot!(env.podid(LINE).code(2).steady(), @r"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-dynamo` does not exist in account 111122223333

    hint: to create it, pass `--create-role`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn arns_that_cannot_be() {
    let env = Env::new("carts-role");
    let with = |role: &str| env.podid(&format!("associate carts/carts --role {role}")).code(2).steady();
    insta::assert_snapshot!(with("arn:aws:iam::444455556666:role/eks-workshop-carts-dynamo"), @r"
    exit 2
    --- stderr
    error: role arn:aws:iam::444455556666:role/eks-workshop-carts-dynamo is in account 444455556666, the cluster is in 111122223333: an association's role must be in the cluster's account

    hint: use a role of account 111122223333 that may assume arn:aws:iam::444455556666:role/eks-workshop-carts-dynamo
    ");
    insta::assert_snapshot!(with("arn:aws-cn:iam::111122223333:role/eks-workshop-carts-dynamo"), @r"
    exit 2
    --- stderr
    error: role arn:aws-cn:iam::111122223333:role/eks-workshop-carts-dynamo is in partition `aws-cn`, the cluster is in `aws`
    ");
    insta::assert_snapshot!(with("arn:aws:iam::111122223333:role/team/eks-workshop-carts-dynamo"), @r"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-dynamo` has the ARN arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo, not arn:aws:iam::111122223333:role/team/eks-workshop-carts-dynamo

    hint: use `--role arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo`
    ");
    insta::assert_snapshot!(with("arn:aws:s3:::carts"), @r"
    exit 2
    --- stderr
    error: invalid value 'arn:aws:s3:::carts' for '--role <NAME|ARN>': `arn:aws:s3:::carts` is not the ARN of an IAM role, but of s3 carts

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(with("arn:aws:iam::111122223333:user/me"), @r"
    exit 2
    --- stderr
    error: invalid value 'arn:aws:iam::111122223333:user/me' for '--role <NAME|ARN>': `arn:aws:iam::111122223333:user/me` is not the ARN of an IAM role, but of iam user

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(env.podid("associate carts/carts").code(2).steady(), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <--role <NAME|ARN>|--create-role>

    Usage: podid associate --cluster <CLUSTER> <--role <NAME|ARN>|--create-role> <NAMESPACE/SERVICE_ACCOUNT>

    For more information, try '--help'.
    ");
    assert!(env.writes().is_empty());
    let _ = env
        .podid("associate carts/carts --role arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo --dry-run")
        .ok()
        .says("associate");
}

#[test]
fn a_trust_policy_without_tag_session() {
    let env = Env::with("carts-role", &[("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"))]);
    insta::assert_snapshot!(env.podid(LINE).code(2).steady(), @r#"
    exit 2
    --- stderr
    error: the trust policy of role `eks-workshop-carts-dynamo` does not allow carts/carts: sts:TagSession is not allowed (statement 1 allows only sts:AssumeRole)

    hint: the corrected trust policy (podid itself changes only roles that it created for this cluster):
      {
        "Version": "2012-10-17",
        "Statement": [
          {
            "Effect": "Allow",
            "Principal": {
              "Service": "pods.eks.amazonaws.com"
            },
            "Action": "sts:AssumeRole"
          },
          {
            "Sid": "Podid8233eca52c385fc1",
            "Effect": "Allow",
            "Principal": {
              "Service": "pods.eks.amazonaws.com"
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
              }
            }
          }
        ]
      }
    hint: save it as trust.json and run `aws iam update-assume-role-policy --role-name eks-workshop-carts-dynamo --policy-document file://trust.json`
    "#);
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{LINE} --create-role")).code(2).says("already exists");
    assert!(env.writes().is_empty());
}

#[test]
fn a_trust_policy_for_another_cluster() {
    let condition = json!({ "StringEquals": { "aws:RequestTag/kubernetes-namespace": "orders" } });
    let env = Env::with("carts-role", &[("/roles/1/trust/Statement/0/Condition", condition)]);
    insta::assert_snapshot!(env.podid(LINE).code(2).steady(), @r#"
    exit 2
    --- stderr
    error: the trust policy of role `eks-workshop-carts-dynamo` does not allow carts/carts: statement 1 requires aws:RequestTag/kubernetes-namespace = `orders`, but EKS sends `carts`

    hint: the corrected trust policy (podid itself changes only roles that it created for this cluster):
      {
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
            ],
            "Condition": {
              "StringEquals": {
                "aws:RequestTag/kubernetes-namespace": "orders"
              }
            }
          },
          {
            "Sid": "Podid8233eca52c385fc1",
            "Effect": "Allow",
            "Principal": {
              "Service": "pods.eks.amazonaws.com"
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
              }
            }
          }
        ]
      }
    hint: save it as trust.json and run `aws iam update-assume-role-policy --role-name eks-workshop-carts-dynamo --policy-document file://trust.json`
    "#);
    assert!(env.writes().is_empty());
}

#[test]
fn one_that_may_not_be_read() {
    let env = Env::with("carts-role", &[denying("iam:GetRole")]);
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    warning: trust not checked: not allowed: iam:GetRole
    warning: assuming path `/` for role `eks-workshop-carts-dynamo`: pass the role's ARN to be sure
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn one_that_may_not_be_passed() {
    let env = Env::with("carts-role", &[denying("iam:PassRole")]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady(), @"
    exit 4
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    could not associate carts/carts with role eks-workshop-carts-dynamo
    error: cannot create the association of `carts/carts` in cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo with an explicit deny in an identity-based policy
      caused by: the caller may not pass this role to EKS
      request id: [uuid]

    hint: allow `iam:PassRole` on `arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo`, with the condition `iam:PassedToService` = `pods.eks.amazonaws.com`
    ");
    assert!(env.world.with(|state| state.aws.associations.is_empty()));
}

#[test]
fn one_of_that_name_that_is_not_podids() {
    let name = created(&Env::new("carts-agent"), "").0;
    let set = ("/roles/-", json!({ "name": name, "trust": { "Version": "2012-10-17", "Statement": [] } }));
    let env = Env::with("carts-agent", &[set]);
    insta::assert_snapshot!(env.podid("associate carts/carts --create-role").code(2).steady(), @r"
    exit 2
    --- stderr
    error: role `eks-workshop-carts-carts-8233eca5` already exists, and podid did not create it for carts/carts (tags: podid.dev/cluster is missing, podid.dev/managed-by is missing, podid.dev/namespace is missing, podid.dev/service-account is missing)

    hint: to use it unchanged, pass `--role eks-workshop-carts-carts-8233eca5` without `--create-role`
    hint: to take it over and add podid's tags, pass `--adopt`
    ");
    assert!(env.writes().is_empty());
}

/// Name and trust policy of the role that comes of these flags.
fn created(env: &Env, flags: &str) -> (String, Value) {
    let run = env.podid(&format!("associate carts/carts --create-role --no-wait {flags}")).ok();
    assert!(run.stdout.is_empty(), "{run}");
    let role = env.world.with(|state| state.aws.roles.values().find(|r| r.path == "/podid/").cloned()).unwrap();
    (role.name, serde_json::from_str(&role.trust).unwrap())
}

#[test]
fn scopes() {
    for (flags, condition) in [
        (
            "",
            json!({ "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
                "aws:RequestTag/kubernetes-namespace": "carts",
                "aws:RequestTag/kubernetes-service-account": "carts",
            }}),
        ),
        (
            "--scope namespace",
            json!({ "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
                "aws:RequestTag/kubernetes-namespace": "carts",
            }}),
        ),
        (
            "--scope cluster",
            json!({ "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
            }}),
        ),
        ("--scope none", Value::Null),
        (
            "--disable-session-tags",
            json!({
                "ArnEquals": { "aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop" },
                "StringEquals": { "aws:SourceAccount": "111122223333" },
            }),
        ),
    ] {
        let (_, trust) = created(&Env::new("carts-agent"), flags);
        assert_eq!(trust["Statement"][0]["Condition"], condition, "{flags}: {trust}");
        assert_eq!(trust["Statement"][0]["Principal"], json!({ "Service": "pods.eks.amazonaws.com" }), "{flags}");
    }
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(
        env.podid("associate carts/carts --create-role --disable-session-tags --scope namespace").code(2).steady(), @r"
    exit 2
    --- stderr
    error: `--scope service-account` and `--scope namespace` need session tags, which `--disable-session-tags` disables

    hint: use `--scope cluster` with `--disable-session-tags`
    "
    );
    assert!(env.writes().is_empty());
}

#[test]
fn created_as_asked() {
    let env = Env::new("carts-agent");
    let line = "associate carts/carts --role carts-data --create-role --path /teams/carts/ --tag team=carts \
                --permissions-boundary arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess --dry-run -v";
    insta::assert_snapshot!(env.podid(line).ok().steady(), @r#"
    exit 0
    --- stderr
    warning: role `carts-data` is created without permissions: AWS denies the calls of its pods until it has a policy
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role carts-data (path /teams/carts/, boundary arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess)
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
      + associate carts/carts with role carts-data
    Plan: 2 to create, 0 to change, 0 to delete
    "#);
    assert!(env.writes().is_empty());
}

/// One role for many: each is a statement of its own, until IAM's limit.
#[test]
fn a_trust_policy_that_grows_too_large() {
    let accounts: Vec<Value> = (0..12)
        .map(|i| json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": format!("app-{i}"), "namespace": "carts" } }))
        .collect();
    let pointers: Vec<(&str, Value)> = accounts.into_iter().map(|a| ("/manifests/-", a)).collect();
    let env = Env::with("carts-agent", &pointers);
    let (name, _) = created(&env, "--role shared");
    let mut refused = None;
    for i in 0..12 {
        env.world.journal().clear();
        let run = env.podid(&format!("associate carts/app-{i} --role {name} --no-wait --yes"));
        if run.code != 0 {
            refused = Some((i, run));
            break;
        }
    }
    let (i, run) = refused.unwrap();
    assert!(i >= 2, "only {i} fitted: {run}");
    insta::assert_snapshot!(run.code(2).steady(), @r"
    exit 2
    --- stderr
    error: the trust policy of role `shared` would have 2216 characters; the IAM limit is 2048

    hint: use a wider scope for a service account already in it (`--scope namespace` or `--scope cluster`), or use another role
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn of_an_add_on() {
    let owner =
        "arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/aws-ebs-csi-driver/6ec9a5b5-1b5c-4f5e-8d3a-0f1a2b3c4d5e";
    let set = [
        ("/associations/0/owner", json!(owner)),
        (
            "/roles/0/trust",
            json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"] }],
            }),
        ),
    ];
    let env = Env::with("carts-associated", &set);
    insta::assert_snapshot!(env.podid("associate carts/carts --role eks-workshop-nodes --yes").code(2).steady(), @r"
    exit 2
    --- stderr
    error: the association of carts/carts belongs to the EKS add-on `aws-ebs-csi-driver` (arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/aws-ebs-csi-driver/[uuid])

    hint: change it there: `podid addon associate aws-ebs-csi-driver --service-account carts --role arn:aws:iam::111122223333:role/eks-workshop-nodes --cluster eks-workshop`
    ");
    assert!(env.writes().is_empty());
}
