//! Role, trust policy and target role.

use serde_json::{Value, json};

use super::{Row, healthy, ids, prove, saved};
use crate::support::Env;

type Field = (&'static str, Value);

const CLUSTER: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
const TARGET: &str = "arn:aws:iam::111122223333:role/carts-target";
const CONDITION: &str = "/roles/1/trust/Statement/0/Condition";
const ACTION: &str = "/roles/1/trust/Statement/0/Action";

/// The role is told apart by where the call comes from, as one has to without session tags.
fn pinned_by_source_arn() -> Field {
    (CONDITION, json!({"StringEquals": {"aws:SourceAccount": "111122223333"}, "ArnEquals": {"aws:SourceArn": CLUSTER}}))
}

/// Its policy on target roles, and the association's target.
fn onwards(target: &str) -> Vec<Field> {
    let resource = format!("{}*", target.trim_end_matches("target"));
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": resource}]});
    vec![("/roles/1/inline/target", policy), ("/associations/0/target_role", json!(target))]
}

/// A target role of the cluster's account, that may use the table.
fn with_target(condition: &Value) -> Vec<Field> {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": condition,
    }]});
    let role = json!({"name": "carts-target", "trust": trust, "attached": ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"]});
    [vec![("/roles/-", role)], onwards(TARGET)].concat()
}

fn tagged() -> Vec<Field> {
    with_target(&json!({
        "StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts", "aws:RequestTag/kubernetes-service-account": "carts"},
        "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"},
    }))
}

fn by_external_id() -> Vec<Field> {
    let id = "us-west-2/111122223333/eks-workshop/carts/carts";
    let mut fields = with_target(&json!({"StringEquals": {"sts:ExternalId": id}}));
    fields.extend([pinned_by_source_arn(), ("/associations/0/disable_session_tags", json!(true))]);
    fields
}

#[test]
pub(super) fn the_role() {
    let elsewhere = json!("arn:aws:iam::222233334444:role/eks-workshop-carts-dynamo");
    prove(&[
        Row::new(37, ("/roles/1", Value::Null), "role.missing"),
        Row::new(37, ("/roles/1/path", json!("/teams/")), "role.other-path"),
        Row::new(44, ("/roles/1/age_s", json!(0)), "role.just-created").warns(),
        Row::new(47, ("/associations/0/role", elsewhere), "role.other-account"),
    ]);
}

#[test]
pub(super) fn whom_it_trusts_and_for_what() {
    let federated =
        json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/X"});
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"});
    let odd = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*",
        "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}});
    prove(&[
        Row::new(38, ("/roles/1/trust/Statement/0/Principal/Service", json!("ec2.amazonaws.com")), "trust.principal"),
        Row::new(38, ("/roles/1/trust/Statement/0/Principal", federated), "trust.principal"),
        Row::new(39, (ACTION, json!("sts:AssumeRole")), "trust.missing-tag-session"),
        Row::new(39, (ACTION, json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"])), "trust.missing-assume-role"),
        Row::new(39, (ACTION, json!("sts:AssumeRole")), "trust.missing-tag-session")
            .when(&[pinned_by_source_arn(), ("/associations/0/disable_session_tags", json!(true))])
            .warns(),
        Row::new(42, ("/roles/1/trust/Statement/-", deny), "trust.denied"),
        Row::new(42, ("/roles/1/trust/Statement/-", odd), "trust.denied"),
    ]);
}

#[test]
pub(super) fn conditions() {
    let tag = |name: &str| -> &'static str { format!("{CONDITION}/StringEquals/aws:RequestTag~1{name}").leak() };
    let account = "/roles/1/trust/Statement/0/Condition/StringEquals/aws:SourceAccount";
    let arn = "/roles/1/trust/Statement/0/Condition/ArnEquals/aws:SourceArn";
    let association = "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*";
    let id = "/roles/1/trust/Statement/0/Condition/StringEquals/sts:ExternalId";
    let row = |field: Field| Row::new(40, field, "trust.condition");
    prove(&[
        row((tag("kubernetes-service-account"), json!("cart"))),
        row((tag("kubernetes-namespace"), json!("shop"))),
        row((tag("kubernetes-namespace"), json!("Carts"))),
        row((tag("kubernetes-namespace"), json!("car*"))),
        row((tag("eks-cluster-arn"), json!("arn:aws:eks:us-west-2:111122223333:cluster/blue"))),
        row((id, json!("x"))),
        row((account, json!("999988887777"))).when(&[pinned_by_source_arn()]),
        row((arn, json!(association))).when(&[pinned_by_source_arn()]),
        Row::new(41, ("/associations/0/disable_session_tags", json!(true)), "trust.session-tags-off"),
    ]);
}

#[test]
pub(super) fn the_target_role() {
    let gone = json!("arn:aws:iam::111122223333:role/carts-gone");
    let id = "/roles/2/trust/Statement/0/Condition/StringEquals/sts:ExternalId";
    let row = |field: Field, id| Row::new(46, field, id).when(&tagged());
    prove(&[
        row(("/associations/0/target_role", gone), "target-role.missing"),
        row(("/roles/1/inline/target/Statement/0/Action", json!("sts:TagSession")), "target-role.not-permitted"),
        row(("/roles/1/inline/target/Statement/0/Action", json!("sts:AssumeRole")), "target-role.not-permitted"),
        row(("/roles/2/trust/Statement/0/Principal/AWS", json!("arn:aws:iam::222233334444:root")), "target-role.trust"),
        row(("/roles/2/trust/Statement/0/Action", json!("sts:AssumeRole")), "target-role.trust"),
        Row::new(46, (id, json!("us-west-2/111122223333/eks-workshop/carts/old")), "target-role.external-id")
            .when(&by_external_id()),
    ]);
}

#[test]
fn healthy_trust_in_its_many_forms() {
    let statement = |more: Value| {
        let mut own = json!({"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"]});
        for (key, value) in more.as_object().unwrap() {
            own[key] = value.clone();
        }
        own
    };
    let trust = |statements: Vec<Value>| -> Vec<Field> { vec![("/roles/1/trust/Statement", json!(statements))] };
    let condition = |condition: Value| trust(vec![statement(json!({"Condition": condition}))]);
    let for_others = json!({"Effect": "Deny", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:*",
        "Condition": {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": ["carts", "orders"]}}});
    let mut no_principal = statement(json!({"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}}));
    no_principal.as_object_mut().unwrap().shift_remove("Principal");
    let mut no_action = statement(json!({"NotAction": "sts:SetSourceIdentity"}));
    no_action.as_object_mut().unwrap().shift_remove("Action");
    let worlds = [
        ("session tags off", vec![pinned_by_source_arn(), ("/associations/0/disable_session_tags", json!(true))]),
        ("the cluster name", condition(json!({"StringEquals": {"aws:RequestTag/eks-cluster-name": "eks-workshop"}}))),
        (
            "a namespace",
            condition(json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": ["orders", "carts"]}})),
        ),
        (
            "patterns",
            condition(json!({"StringLike": {"aws:RequestTag/kubernetes-service-account": "car?s",
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:*:111122223333:cluster/eks-*"}})),
        ),
        ("tag keys", condition(json!({"ForAllValues:StringLike": {"aws:TagKeys": ["eks-*", "kubernetes-*"]}}))),
        ("if it exists", condition(json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}}))),
        (
            "principals",
            trust(vec![statement(json!({"Principal": {"Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}}))]),
        ),
        (
            "two statements",
            trust(vec![statement(json!({"Action": "sts:AssumeRole"})), statement(json!({"Action": "sts:TagSession"}))]),
        ),
        ("a Deny for others", trust(vec![statement(json!({})), for_others])),
        ("NotPrincipal", trust(vec![no_principal])),
        ("NotAction", trust(vec![no_action])),
        ("until", condition(json!({"DateLessThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}))),
        (
            "a path",
            vec![
                ("/roles/1/path", json!("/teams/carts/")),
                ("/associations/0/role", json!("arn:aws:iam::111122223333:role/teams/carts/eks-workshop-carts-dynamo")),
            ],
        ),
        ("a target role", tagged()),
        ("a target role by external id", by_external_id()),
    ];
    for (name, fields) in worlds {
        let run = healthy(name, "carts-verified", &fields);
        assert_eq!(ids(&run, "warning"), [""; 0], "{name}\n{run}");
    }
}

#[test]
fn other_partitions_are_healthy() {
    for (partition, region) in [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")] {
        let arn = |service: &str, region: &str, resource: &str| {
            format!("arn:{partition}:{service}:{region}:111122223333:{resource}")
        };
        let table = arn("dynamodb", region, "table/eks-workshop-carts");
        let fields = [
            ("/partition", json!(partition)),
            ("/region", json!(region)),
            ("/callers/0/arn", json!(arn("iam", "", "user/workshop"))),
            ("/associations/0/role", json!(arn("iam", "", "role/eks-workshop-carts-dynamo"))),
            (
                "/roles/1/trust/Statement/0/Condition/StringEquals/aws:RequestTag~1eks-cluster-arn",
                json!(arn("eks", region, "cluster/eks-workshop")),
            ),
            ("/roles/1/inline/carts/Statement/0/Resource", json!(table)),
            ("/roles/1/inline/carts/Statement/1/Resource", json!([table, format!("{table}/index/*")])),
        ];
        let run = healthy(partition, "carts-verified", &fields);
        assert_eq!(ids(&run, "warning"), [""; 0], "{partition}\n{run}");
    }
}

#[test]
fn a_target_of_another_account_is_told_what_it_has_to_have() {
    let target = "arn:aws:iam::222233334444:role/orders-target";
    let mut fields = onwards(target);
    // The table of that account is no part of this world.
    fields.push(("/manifests/8/spec/template/metadata/annotations", Value::Null));
    let run = healthy("another account", "carts-verified", &fields);
    let findings = run.json()["reports"][0]["findings"].as_array().unwrap().clone();
    let skipped: Vec<&Value> =
        findings.iter().filter(|f| f["id"] == "target-role.ok" && f["status"] == "skipped").collect();
    let change = skipped[0]["remedies"][0]["change"].as_str().unwrap();
    assert!(
        change.contains("\"AWS\":\"arn:aws:iam::111122223333:root\"") && change.contains("sts:TagSession"),
        "{run}"
    );
    // What the first role may do is seen from here.
    fields.push(("/roles/1/inline/target/Statement/0/Resource", json!("arn:aws:iam::222233334444:role/other")));
    let env = Env::with("carts-verified", &fields);
    assert_eq!(ids(&saved(&env, "carts/carts"), "failed"), ["target-role.not-permitted"]);
}

#[test]
fn a_role_that_is_named_by_the_target_may_do_without_a_policy() {
    let mut fields = tagged();
    fields.push((
        "/roles/2/trust/Statement/0/Principal/AWS",
        json!("arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"),
    ));
    fields.push(("/roles/1/inline/target", Value::Null));
    let run = Env::with("carts-verified", &fields).podid("verify carts/carts -o json");
    assert!(ids(&run, "warning").contains(&"target-role.not-permitted".to_owned()), "{run}");
    assert!(!ids(&run, "failed").contains(&"target-role.not-permitted".to_owned()), "{run}");
}

#[test]
fn what_cannot_be_known_or_read_is_never_ok() {
    let organization = (CONDITION, json!({"StringEquals": {"aws:SourceOrgID": "o-1"}}));
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let but = |action: &str| {
        let no = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]});
        ("/callers/0/policies", json!([all, no]))
    };
    let told = |fields: &[Field], id: &str, status: &str, code: i32, words: &str| {
        let run = Env::with("carts-verified", fields).podid("verify carts/carts -o json");
        assert_eq!(run.code, code, "{run}");
        let findings = run.json()["reports"][0]["findings"].as_array().unwrap().clone();
        let found = findings.iter().filter(|f| f["id"] == id && f["status"] == status);
        assert!(found.map(|f| f["message"].as_str().unwrap()).any(|said| said.contains(words)), "{id} {status}\n{run}");
    };
    // The application's log tells then that EKS was refused.
    told(&[organization], "trust.condition", "failed", 3, "aws:SourceOrgID");
    told(&[but("iam:GetRole")], "trust.ok", "skipped", 4, "iam:GetRole");
    told(&[but("iam:GetRole")], "role.ok", "skipped", 4, "iam:GetRole");
    let unread = [tagged(), vec![but("iam:ListRolePolicies")]].concat();
    told(&unread, "target-role.ok", "skipped", 0, "iam:ListRolePolicies");
}
