//! `podid who-can` and `podid access`.

mod worlds;

use serde_json::{Value, json};

use crate::support::{Env, denying};

const ROLE: &str = "arn:aws:iam::111122223333:role/orders";
const TARGET: &str = "arn:aws:iam::444455556666:role/data";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";
const FULL: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess";

fn policy(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Two service accounts share a role of which one statement depends on the endpoint, and one goes on to another account.
fn several(more: &[(&str, Value)]) -> Env {
    let trust = policy(&json!([{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"]}]));
    let own = policy(&json!([
        {"Sid": "Own", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
         "Resource": "arn:aws:s3:::images/${aws:PrincipalTag/kubernetes-namespace}/*"},
        {"Sid": "Pass", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::111122223333:role/job"},
        {"Sid": "OutsideVpc", "Effect": "Deny", "Action": "dynamodb:Query", "Resource": "*",
         "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}},
    ]));
    let role = json!({"name": "orders", "trust": trust, "attached": [READ_ONLY], "inline": {"own": own}});
    let associations = json!([
        {"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"},
        {"namespace": "orders", "service_account": "api", "role": ROLE},
        {"namespace": "orders", "service_account": "batch", "role": ROLE, "disable_session_tags": true},
        {"namespace": "data", "service_account": "etl", "role": ROLE, "target_role": TARGET},
    ]);
    let set = [vec![("/associations", associations), ("/roles/-", role)], more.to_vec()].concat();
    Env::with("carts-verified", &set)
}

#[test]
fn who_can_in_a_pipe() {
    let env = several(&[]);
    insta::assert_snapshot!(env.podid("who-can dynamodb:Query eks-workshop-carts").ok().steady(), @r"
    exit 0
    --- stdout
    carts/carts	eks-workshop-carts-dynamo	can	statement `TableAndIndexes` of policy carts allows it
    data/etl	data	unknown	role data: it is in account 444455556666, which these credentials cannot read
    orders/api	orders	unknown	statement `OutsideVpc` of own requires aws:SourceVpce (StringNotEquals `vpce-1`), which podid cannot evaluate
    orders/batch	orders	unknown	statement `OutsideVpc` of own requires aws:SourceVpce (StringNotEquals `vpce-1`), which podid cannot evaluate
    --- stderr
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
    insta::assert_snapshot!(env.podid("who-can s3:GetObject images/orders/a.png --all").ok().steady(), @r"
    exit 0
    --- stdout
    orders/api	orders	can	statement `Own` of policy own allows it
    data/etl	data	unknown	role data: it is in account 444455556666, which these credentials cannot read
    carts/carts	eks-workshop-carts-dynamo	cannot	no policy of the role allows it
    orders/batch	orders	cannot	no policy of the role allows it
    --- stderr
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
    insta::assert_snapshot!(env.podid("who-can dynamodb:Query eks-workshop-carts -o name").ok().steady(), @r"
    exit 0
    --- stdout
    carts/carts
    --- stderr
    warning: unknown for 3 service accounts: see `-o json`
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
    insta::assert_snapshot!(env.podid("who-can sqs:SendMessage orders").ok().steady(), @r"
    exit 0
    --- stdout
    data/etl	data	unknown	role data: it is in account 444455556666, which these credentials cannot read
    --- stderr
    note: 3 service accounts cannot: list them with `--all`
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
}

#[test]
fn who_can_as_json() {
    let env = several(&[]);
    let told = env.podid("who-can dynamodb:Query eks-workshop-carts -o json").ok().json();
    let answers: Vec<_> = told["serviceAccounts"].as_array().unwrap().iter().map(|row| &row["answer"]).collect();
    assert_eq!(answers, ["can", "unknown", "unknown", "unknown"]);
    let first = &told["serviceAccounts"][0];
    assert_eq!(first["decidedBy"], json!([{"policy": "carts", "statement": 2, "sid": "TableAndIndexes"}]));
    assert_eq!(told["resource"], "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts");
}

/// A role that several service accounts use is read once, and so is a managed policy of several roles.
#[test]
fn each_role_and_policy_is_read_once() {
    let env = several(&[("/roles/1/attached", json!([READ_ONLY]))]);
    let _ = env.podid("who-can dynamodb:Query eks-workshop-carts").ok();
    let calls = env.operations();
    let count = |name: &str| calls.iter().filter(|call| call.ends_with(name)).count();
    assert_eq!(
        [count("GetRole"), count("ListAttachedRolePolicies"), count("GetPolicy"), count("GetPolicyVersion")],
        [2, 2, 1, 1],
        "{calls:?}"
    );
}

/// What may not be read makes the answer unknown, and names the permission.
#[test]
fn blind_is_unknown() {
    for (action, permission) in [
        ("iam:GetRole", "iam:GetRole"),
        ("iam:GetRolePolicy", "iam:ListRolePolicies and iam:GetRolePolicy"),
        ("iam:ListAttachedRolePolicies", "iam:ListAttachedRolePolicies"),
        ("iam:GetPolicyVersion", "iam:GetPolicy and iam:GetPolicyVersion"),
    ] {
        let set = [denying(action), ("/roles/1/attached", json!([FULL]))];
        let told = Env::with("carts-verified", &set).podid("who-can sqs:SendMessage orders -o json").ok().json();
        let row = &told["serviceAccounts"][0];
        assert_eq!(row["answer"], "unknown", "{row}");
        assert!(row["reasons"][0].as_str().unwrap().ends_with(&format!("not allowed: {permission}")), "{row}");
    }
}

#[test]
fn wrong_questions() {
    let env = Env::new("carts-verified");
    for (line, said) in [
        ("who-can Query eks-workshop-carts", "`Query` is not an action"),
        ("who-can dynamodb:Query *", "`dynamodb:Query` works on resources of dynamodb: name one by its ARN"),
        ("who-can s3:GetObject images/*", "`images/*` stands for several resources"),
        ("who-can iam:PassRole app", "`app` is not an ARN"),
        ("access carts", "carts"),
        ("who-can dynamodb:Query arn:aws-cn:dynamodb:cn-north-1:111122223333:table/Items", "is in partition aws-cn"),
    ] {
        let _ = env.podid(line).code(2).says(said);
    }
    let _ = env.podid("who-can dynamodb:Qurey eks-workshop-carts").ok().says("did you mean `dynamodb:Query`");
    let _ = env.podid("access carts/other").code(1).says("has no association in cluster eks-workshop");
    let _ = env.podid("access carts/other").code(1).says("that use IRSA are not evaluated");
    let _ = env.podid("who-can sqs:SendMessage orders").ok().says("that use IRSA are not evaluated");
}

#[test]
fn access_in_a_pipe() {
    let env = several(&[("/roles/2/boundary", json!(FULL))]);
    insta::assert_snapshot!(env.podid("access orders/api").ok().steady(), @r"
    exit 0
    --- stdout
    Service account:       orders/api
    Role:                  orders
    Permissions boundary:  AmazonDynamoDBFullAccess
    Allowed:
      LEVEL  ACTIONS                                                     RESOURCES  STATEMENT
      read   dynamodb:GetItem, dynamodb:Query, dynamodb:Scan and 1 more  *          AmazonDynamoDBReadOnlyAccess/1
    Denied:
      LEVEL  ACTIONS         RESOURCES  LIMITED BY                             STATEMENT
      read   dynamodb:Query  *          aws:SourceVpce StringNotEquals vpce-1  own/OutsideVpc
    Without effect:
      LEVEL      ACTIONS                     RESOURCES        LIMITED BY                              STATEMENT
      pass role  iam:PassRole                role/job         permissions boundary does not allow it  own/Pass
      write      s3:GetObject, s3:PutObject  images/orders/*  permissions boundary does not allow it  own/Own
    --- stderr
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
    insta::assert_snapshot!(env.podid("access data/etl").ok().steady(), @r"
    exit 0
    --- stdout
    Service account:  data/etl
    Role:             orders
    Target role:      data
    Credentials:      unknown: role data: it is in account 444455556666, which these credentials cannot
                      read
    Allowed:          unknown
    --- stderr
    warning: incomplete: the policies of role data: it is in account 444455556666, which these credentials cannot read
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
    insta::assert_snapshot!(env.podid("access carts/carts -o name").ok().steady(), @r"
    exit 0
    --- stdout
    dynamodb:DeleteItem
    dynamodb:DescribeTable
    dynamodb:GetItem
    dynamodb:PutItem
    dynamodb:Query
    dynamodb:Scan
    dynamodb:UpdateItem
    --- stderr
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
}

#[test]
fn access_as_json() {
    let env = several(&[]);
    let told = env.podid("access orders/api -o json").ok().json();
    let levels: Vec<_> = told["allowed"].as_array().unwrap().iter().map(|row| &row["level"]).collect();
    assert_eq!(levels, ["pass-role", "write", "read"]);
    assert_eq!(told["allowed"][1]["resources"], json!(["arn:aws:s3:::images/orders/*"]));
    assert_eq!(told["denied"][0]["conditions"], json!(["aws:SourceVpce StringNotEquals vpce-1"]));
    // Without session tags nothing fills the variable in.
    let untagged = env.podid("access orders/batch -o json").ok().json();
    let own = untagged["allowed"].as_array().unwrap().iter().find(|row| row["sid"] == "Own").unwrap();
    assert_eq!(own["never"].as_array().unwrap().len(), 1);
}
