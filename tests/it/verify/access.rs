//! What the role may do, against permissions; and what the nodes' role may.

use serde_json::{Value, json};

use super::{Row, ids, prove, saved};
use crate::support::{APP, Env, Run, SOON, denying};

const INDEX: &str = "--needs dynamodb:Query@eks-workshop-carts/index/idx_global_customerId";
/// The same, where what the pods log is not to be known.
const UNHEARD: &str = "--no-logs --needs dynamodb:Query@eks-workshop-carts/index/idx_global_customerId";
const TABLE: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts";
pub(super) const KEY: &str = "arn:aws:kms:us-west-2:111122223333:key/0d1f3b2a-aaaa-4bbb-8ccc-000011112222";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";
const FULL: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess";
const EVERYTHING: &str = "arn:aws:iam::111122223333:policy/everything";

/// The actions and resources of the role's statement for table and indexes, in the scenario.
const ACTIONS: &str = "/roles/1/inline/carts/Statement/1/Action";
const RESOURCES: &str = "/roles/1/inline/carts/Statement/1/Resource";
const CONDITION: &str = "/roles/1/inline/carts/Statement/1/Condition";

pub(super) fn policy(statements: impl Into<Value>) -> Value {
    let statements: Value = statements.into();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn everything() -> Value {
    policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
}

fn everything_but(action: &str) -> Value {
    policy(json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*"},
    ]))
}

/// A managed policy that allows everything, as a policy to be bounded by.
fn bounded() -> (&'static str, Value) {
    ("/policies/-", json!({"arn": EVERYTHING, "document": everything()}))
}

/// Session policies need session tags off, and the trust policy then cannot ask for them.
fn untagged() -> [(&'static str, Value); 2] {
    [("/associations/0/disable_session_tags", json!(true)), ("/roles/1/trust/Statement/0/Condition", Value::Null)]
}

/// The finding of this id.
#[track_caller]
pub(super) fn finding(run: &Run, id: &str) -> Value {
    let findings = run.json()["reports"][0]["findings"].as_array().unwrap().clone();
    findings.into_iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id}\n{run}"))
}

pub(super) fn verified(fields: &[(&str, Value)], args: &str) -> Run {
    Env::with("carts-verified", fields).podid(&format!("verify carts/carts -o json {args}"))
}

#[test]
pub(super) fn the_nodes_role() {
    let no_auth = policy(json!({"Effect": "Allow", "NotAction": "eks-auth:*", "Resource": "*"}));
    prove(&[
        Row::new(25, ("/roles/0/attached", json!([])), "nodes.role-permission").with(INDEX),
        Row::new(26, ("/roles/0/boundary", json!(READ_ONLY)), "nodes.role-boundary")
            .when(&[bounded(), ("/roles/0/boundary", json!(EVERYTHING))])
            .with(INDEX),
        Row::new(26, ("/service_control_policies/0", no_auth), "nodes.role-boundary")
            .when(&[("/service_control_policies", json!([everything()]))])
            .with(INDEX),
    ]);
}

#[test]
pub(super) fn the_roles_policies() {
    let on_table = json!([TABLE]);
    let elsewhere = json!([TABLE, format!("{}/index/*", TABLE.replace("us-west-2", "us-east-1"))]);
    let typo = json!([TABLE.replace("carts", "cart"), format!("{}/index/*", TABLE.replace("carts", "cart"))]);
    let foreign = json!([TABLE, format!("{}/index/*", TABLE.replace("111122223333", "444455556666"))]);
    let deny = policy(json!([{"Effect": "Deny", "Action": "dynamodb:Query", "Resource": "*"}]));
    prove(&[
        Row::new(49, (ACTIONS, json!(["dynamodb:Scan"])), "permissions.missing").with(INDEX),
        Row::new(49, (ACTIONS, json!(["dynamodb:Scan"])), "permissions.missing")
            .with("--needs dynamodb:Query@eks-workshop-carts"),
        Row::new(50, (RESOURCES, on_table), "permissions.index").with(INDEX),
        Row::new(51, (RESOURCES, elsewhere), "permissions.wrong-arn").with(INDEX),
        Row::new(51, (RESOURCES, typo), "permissions.wrong-arn").with(INDEX),
        Row::new(51, (RESOURCES, foreign), "permissions.wrong-arn").with(INDEX),
        Row::new(51, ("/tables/0/name", json!("eks-workshop-cards")), "permissions.wrong-arn").with(INDEX).warns(),
        Row::new(51, ("/tables/0/indexes", json!(["other"])), "permissions.wrong-arn").with(INDEX).warns(),
        Row::new(52, ("/roles/1/inline/deny", deny), "permissions.explicit-deny").with(INDEX),
    ]);
}

#[test]
pub(super) fn what_bounds_the_role() {
    prove(&[
        Row::new(
            53,
            ("/roles/1/boundary", json!("arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")),
            "permissions.boundary",
        )
        .when(&[("/roles/1/boundary", json!(FULL))])
        .with(INDEX),
        // IAM does not tell whether a statement that denies has a condition; a pod's log tells that it applies.
        Row::new(54, ("/service_control_policies/0", everything_but("dynamodb:Query")), "permissions.scp")
            .when(&[("/service_control_policies", json!([everything()]))])
            .with(UNHEARD)
            .warns(),
        Row::new(
            54,
            (
                "/service_control_policies/1",
                policy(json!({"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"})),
            ),
            "permissions.scp",
        )
        .when(&[("/service_control_policies", json!([everything(), everything()]))])
        .with(INDEX),
    ]);
}

#[test]
pub(super) fn the_session_policy() {
    let allows = |action: &str| policy(json!({"Effect": "Allow", "Action": action, "Resource": "*"})).to_string();
    let [off, trust] = untagged();
    let healthy = [off.clone(), trust.clone(), ("/associations/0/policy", json!(allows("dynamodb:*")))];
    let denies = policy(json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "dynamodb:Query", "Resource": format!("{TABLE}/*")},
    ]));
    let field = "/associations/0/policy";
    prove(&[
        Row::new(55, (field, json!(allows("dynamodb:GetItem"))), "permissions.session-policy")
            .when(&healthy)
            .with(INDEX),
        Row::new(55, (field, json!(denies.to_string())), "permissions.session-policy").when(&healthy).with(INDEX),
    ]);
    // With a target role, the session policy narrows that one's session, and the needs are asked of it.
    let target = json!({
        "name": "data",
        "trust": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }]},
        "inline": {"all": everything()},
    });
    let assumes = policy(json!({"Effect": "Allow", "Action": "sts:*", "Resource": "*"}));
    let through = [
        off,
        trust,
        ("/roles/-", target),
        ("/associations/0/target_role", json!("arn:aws:iam::111122223333:role/data")),
        ("/roles/1/inline", json!({"assume": assumes})),
        ("/associations/0/policy", json!(allows("dynamodb:*"))),
    ];
    prove(&[
        Row::new(55, (field, json!(allows("dynamodb:GetItem"))), "permissions.session-policy")
            .when(&through)
            .with(INDEX),
        Row::new(49, ("/roles/2/inline", json!({})), "permissions.missing").when(&through).with(INDEX),
    ]);
}

#[test]
pub(super) fn the_tables_policy_and_key() {
    let table = |effect: &str, principal: Value| {
        policy(json!([{"Effect": effect, "Principal": principal, "Action": "dynamodb:*", "Resource": "*"}]))
    };
    let role = json!({"AWS": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"});
    let with_key = [
        ("/tables/0/kms_key", json!(KEY)),
        ("/roles/1/inline/key", policy(json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}))),
    ];
    prove(&[
        Row::new(56, ("/tables/0/policy", table("Deny", role.clone())), "permissions.resource-policy")
            .when(&[("/tables/0/policy", table("Allow", role))])
            .with(INDEX),
        Row::new(56, ("/tables/0/policy", table("Deny", json!("*"))), "permissions.resource-policy").with(INDEX),
        Row::new(57, ("/tables/0/status", json!("INACCESSIBLE_ENCRYPTION_CREDENTIALS")), "permissions.kms")
            .when(&with_key)
            .with(INDEX),
        Row::new(57, ("/roles/1/inline/key/Statement/Effect", json!("Deny")), "permissions.kms")
            .when(&with_key)
            .with(INDEX),
        Row::new(57, ("/roles/1/inline/key", Value::Null), "permissions.kms").when(&with_key).with(INDEX).warns(),
        Row::new(
            57,
            (
                "/roles/1/inline/key/Statement/Condition",
                json!({"StringEquals": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}}),
            ),
            "permissions.kms",
        )
        .when(&with_key)
        .with(INDEX)
        .warns(),
    ]);
}

#[test]
pub(super) fn session_tags() {
    let namespace = |value: &str| json!({"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": value}});
    let by_variable =
        json!([TABLE, format!("{}/index/*", TABLE.replace("carts", "${aws:PrincipalTag/kubernetes-namespace}"))]);
    prove(&[
        Row::new(58, (CONDITION, namespace("Carts")), "permissions.session-tags")
            .when(&[(CONDITION, namespace("carts"))])
            .with(INDEX),
        Row::new(58, ("/associations/0/disable_session_tags", json!(true)), "permissions.session-tags")
            .when(&[(CONDITION, namespace("carts")), ("/roles/1/trust/Statement/0/Condition", Value::Null)])
            .with(INDEX),
        Row::new(58, ("/associations/0/disable_session_tags", json!(true)), "permissions.session-tags")
            .when(&[(RESOURCES, by_variable), ("/roles/1/trust/Statement/0/Condition", Value::Null)])
            .with(INDEX),
    ]);
}

#[test]
fn what_is_needed_is_found_in_a_pods_log() {
    let env = Env::with("carts-verified", &[(RESOURCES, json!([TABLE]))]);
    let crashed = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0);
    env.world
        .wait_until(SOON, |state| state.kube.list("pods", "carts").iter().any(|pod| crashed(&json!(pod))))
        .unwrap();
    let run = saved(&env, "carts/carts");
    assert_eq!(ids(&run, "failed"), ["permissions.index"], "{run}");
    let found = finding(&run, "permissions.index");
    assert!(found["evidence"].to_string().contains("the log of pod carts/carts-"), "{found}");
    let both = env.podid("verify carts/carts -o json --needs dynamodb:Query@eks-workshop-carts/index/*");
    let evidence = finding(&both, "permissions.index")["evidence"].clone();
    assert_eq!(
        evidence[1]["text"], "dynamodb:Query on table/eks-workshop-carts/index/*",
        "each has its own: {evidence}"
    );
    let deny = ("/service_control_policies", json!([everything_but("dynamodb:Query")]));
    let denied = Env::with("carts-verified", &[deny]);
    denied
        .world
        .wait_until(SOON, |state| state.kube.list("pods", "carts").iter().any(|pod| crashed(&json!(pod))))
        .unwrap();
    let run = denied.podid("verify carts/carts -o json");
    assert_eq!(ids(&run, "failed"), ["permissions.scp"], "{run}");
    assert_eq!(
        found["remedies"],
        json!([{"command": "podid policy attach eks-workshop-carts-dynamo --dynamodb eks-workshop-carts=read"}])
    );
}

#[test]
fn every_access_of_podids_own_does_what_it_says() {
    for access in ["read", "write", "read-write", "stream", "full"] {
        let env = Env::with(
            "carts-verified",
            &[("/tables/0/kms_key", json!(KEY)), ("/roles/1/inline", json!({})), ("/tables/0/stream", json!(true))],
        );
        let grant = format!("--dynamodb eks-workshop-carts={access}");
        let before = env.podid(&format!("verify carts/carts -o json --no-logs {grant}"));
        assert_eq!(ids(&before, "failed"), ["permissions.missing"], "{access}\n{before}");
        let command = finding(&before, "permissions.missing")["remedies"][0]["command"].as_str().unwrap().to_owned();
        assert_eq!(command, format!("podid policy attach eks-workshop-carts-dynamo {grant}"), "{before}");
        let _ = env.podid(&format!("{} --yes", command.trim_start_matches("podid "))).ok();
        let after = env.podid(&format!("verify carts/carts -o json --no-logs {grant}"));
        assert_eq!(finding(&after, "permissions.ok")["status"], "ok", "{access}\n{after}");
        assert!(!ids(&after, "warning").iter().any(|id| id.starts_with("permissions.")), "{access}\n{after}");
    }
}

/// Met in several ways: none is found fault with.
#[test]
fn healthy_in_many_ways() {
    let tag = json!({"StringLike": {"aws:PrincipalTag/kubernetes-service-account": "c*"}, "Null": {"aws:PrincipalTag/eks-cluster-arn": "false"}});
    let by_variable =
        json!([TABLE, format!("{}/index/*", TABLE.replace("carts", "${aws:PrincipalTag/kubernetes-namespace}"))]);
    let role = json!({"AWS": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"});
    let by_table = policy(json!({"Effect": "Allow", "Principal": role, "Action": "dynamodb:Query", "Resource": "*"}));
    let worlds: &[(&str, Vec<(&str, Value)>)] = &[
        ("by an identity policy", vec![]),
        ("by a wildcard", vec![(ACTIONS, json!("dynamodb:Q*")), (RESOURCES, json!("arn:aws:dynamodb:*:*:table/*"))]),
        ("by a managed policy", vec![("/roles/1/inline", json!({})), ("/roles/1/attached", json!([FULL]))]),
        ("within a boundary", vec![("/roles/1/boundary", json!(READ_ONLY))]),
        ("by session tags", vec![(CONDITION, tag)]),
        ("over TLS only", vec![(CONDITION, json!({"Bool": {"aws:SecureTransport": true}}))]),
        ("by a variable", vec![(RESOURCES, by_variable)]),
        ("in an organization", vec![("/service_control_policies", json!([everything(), everything_but("s3:*")]))]),
        ("by the table's own policy", vec![("/roles/1/inline", json!({})), ("/tables/0/policy", by_table)]),
        (
            "with a role's tag",
            vec![
                ("/roles/1/tags", json!({"team": "shop"})),
                (CONDITION, json!({"StringEquals": {"aws:PrincipalTag/team": "shop"}})),
            ],
        ),
    ];
    for (name, fields) in worlds {
        // The sandbox's application cannot use each of them; whether it works is not the question here.
        let fields: Vec<_> = fields.iter().cloned().chain([(APP, json!(""))]).collect();
        let run = verified(&fields, INDEX).ok();
        assert_eq!(finding(&run, "permissions.ok")["status"], "ok", "{name}\n{run}");
        let mut denied = fields.clone();
        denied.push(denying("iam:SimulatePrincipalPolicy"));
        let run = verified(&denied, INDEX).ok();
        let sound = finding(&run, "permissions.ok");
        assert_eq!(sound["status"], "ok", "{name}, predicted\n{run}");
        assert!(sound["message"].as_str().unwrap().contains("IAM was not asked"), "{name}\n{run}");
    }
}

/// Where IAM may not be asked, the policies are read, and come to the same.
#[test]
fn predicted_where_iam_may_not_be_asked() {
    let denied = || denying("iam:SimulatePrincipalPolicy");
    let deny = policy(json!([{"Effect": "Deny", "Action": "dynamodb:Query", "Resource": "*"}]));
    let namespace = json!({"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "Carts"}});
    for (field, id) in [
        (("/roles/0/attached", json!([])), "nodes.role-permission"),
        (("/roles/0/boundary", json!(READ_ONLY)), "nodes.role-boundary"),
        ((ACTIONS, json!(["dynamodb:Scan"])), "permissions.missing"),
        ((RESOURCES, json!([TABLE])), "permissions.index"),
        (("/roles/1/inline/deny", deny), "permissions.explicit-deny"),
        (("/roles/1/boundary", json!("arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")), "permissions.boundary"),
        ((CONDITION, namespace), "permissions.session-tags"),
    ] {
        let run = verified(&[denied(), field.clone()], INDEX);
        assert_eq!(ids(&run, "failed"), [id], "{field:?}\n{run}");
        assert!(finding(&run, id)["message"].as_str().unwrap().contains("IAM was not asked"), "{run}");
        assert_eq!(ids(&verified(&[denied()], INDEX), "failed"), [""; 0], "the healthy world");
    }
}

#[test]
fn what_may_not_be_read_is_skipped_with_its_permission() {
    let run = verified(&[denying(json!(["iam:Simulate*", "iam:GetRolePolicy"]))], INDEX).ok();
    let skipped = finding(&run, "permissions.ok");
    assert_eq!(skipped["status"], "skipped", "{run}");
    assert!(skipped["message"].as_str().unwrap().contains("iam:SimulatePrincipalPolicy"), "{run}");
    let run = verified(&[denying(json!(["dynamodb:*"]))], INDEX).ok();
    assert!(
        finding(&run, "permissions.resource-policy")["message"]
            .as_str()
            .unwrap()
            .contains("dynamodb:GetResourcePolicy")
    );
    assert!(finding(&run, "permissions.kms")["message"].as_str().unwrap().contains("dynamodb:DescribeTable"));
    assert_eq!(finding(&run, "permissions.ok")["status"], "ok", "{run}");
    let run = verified(&[denying("eks:DescribeNodegroup")], INDEX).ok();
    assert!(finding(&run, "nodes.role-permission")["message"].as_str().unwrap().contains("eks:DescribeNodegroup"));
}

/// What depends on what nobody can know is neither fine nor broken.
#[test]
fn what_cannot_be_known_is_unknown() {
    let from = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
    for more in [vec![], vec![denying("iam:SimulatePrincipalPolicy")]] {
        let fields: Vec<_> = more.into_iter().chain([(CONDITION, from.clone()), (APP, json!(""))]).collect();
        let run = verified(&fields, INDEX).ok();
        let sound = finding(&run, "permissions.ok");
        assert_eq!(sound["status"], "unknown", "{run}");
        assert!(sound["message"].as_str().unwrap().contains("aws:SourceIp"), "{run}");
    }
}

#[test]
fn without_needs_nothing_is_asked() {
    let env = Env::new("carts-verified");
    let run = saved(&env, "carts/carts").ok();
    let skipped = finding(&run, "permissions.ok");
    assert_eq!(skipped["message"], "pass --needs ACTION@RESOURCE, --dynamodb or --s3 to check them", "{run}");
    let asked = env.operations();
    let extra = ["SimulatePrincipalPolicy", "DescribeTable", "GetResourcePolicy", "DescribeNodegroup", "GetRolePolicy"];
    assert!(!asked.iter().any(|call| extra.iter().any(|name| call.contains(name))), "{asked:?}");
}

#[test]
fn one_call_for_each_resource() {
    let env = Env::new("carts-verified");
    let args =
        format!("{INDEX} --needs dynamodb:GetItem@eks-workshop-carts --needs dynamodb:PutItem@eks-workshop-carts");
    let _ = env.podid(&format!("verify carts/carts -o json {args}")).ok();
    let count = |name: &str| env.operations().iter().filter(|call| call.contains(name)).count();
    assert_eq!(count("SimulatePrincipalPolicy"), 3, "the table, the index, the nodes' role");
    assert_eq!((count("DescribeTable"), count("GetResourcePolicy"), count("DescribeNodegroup")), (1, 1, 1));
    assert_eq!(count("GetRolePolicy"), 0, "the policies are read only where they tell more");
}

#[test]
fn wrong_needs() {
    let env = Env::new("carts-verified");
    for (given, said) in [
        ("dynamodb:Query", "has no resource"),
        ("Query@eks-workshop-carts", "is not an action"),
        ("dynamodb:*@eks-workshop-carts", "matches several actions"),
        ("dynamodb:TransactGetItems@eks-workshop-carts", "GetItem"),
        ("dynamodb:Query@*", "needs a table"),
        ("dynamodb:ListTables@eks-workshop-carts", "has no table"),
        ("dynamodb:Query@eks-workshop-carts/indexes/i", "is not part of a table"),
        ("dynamodb:Query@ca", "shorter than 3"),
        ("s3:GetObject@bucket", "is not an ARN"),
    ] {
        let _ = env.run(&["verify", "carts/carts", "--needs", given]).code(2).says(said);
    }
    let _ = env.podid("verify carts/carts --dynamodb eks-workshop-carts=admin").code(2).says("is not an access level");
    assert!(env.world.journal().calls().is_empty(), "not even a read");
}

#[test]
fn the_remedy_is_the_smallest_that_covers() {
    let needs = "--needs dynamodb:PutItem@eks-workshop-carts --needs dynamodb:GetItem@eks-workshop-carts";
    let remedy = |fields: &[(&str, Value)], args: &str| {
        let run = verified(fields, &format!("--no-logs {args}"));
        finding(&run, "permissions.missing")["remedies"][0].clone()
    };
    let bare = [("/roles/1/inline", json!({}))];
    let attach = "podid policy attach eks-workshop-carts-dynamo --dynamodb eks-workshop-carts";
    assert_eq!(remedy(&bare, needs), json!({"command": format!("{attach}=read-write")}));
    assert_eq!(
        remedy(&bare, "--needs dynamodb:PutItem@eks-workshop-carts"),
        json!({"command": format!("{attach}=write")})
    );
    assert_eq!(
        remedy(&bare, "--needs dynamodb:UpdateTable@eks-workshop-carts"),
        json!({"command": format!("{attach}=full")})
    );
    let elsewhere = remedy(&bare, "--needs dynamodb:GetItem@eu-west-1:orders");
    assert_eq!(
        elsewhere,
        json!({"command": "podid policy attach eks-workshop-carts-dynamo --dynamodb eu-west-1:orders=read --allow-missing-resources"})
    );
    for (need, grant) in [
        ("s3:PutObject@arn:aws:s3:::bucket/k", "--s3 bucket=write"),
        ("sqs:SendMessage@arn:aws:sqs:us-west-2:111122223333:q", "--sqs q=produce"),
    ] {
        let found = remedy(&bare, &format!("--needs {need}"));
        assert_eq!(found, json!({"command": format!("podid policy attach eks-workshop-carts-dynamo {grant}")}));
    }
    // What no level grants is a statement.
    let other = remedy(&bare, "--needs s3:PutObjectAcl@arn:aws:s3:::bucket/k");
    assert!(other["change"].as_str().unwrap().contains(r#""Action":"s3:PutObjectAcl""#), "{other}");
    // What is held to partition keys stays so.
    let held = policy(json!({
        "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE,
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/kubernetes-namespace}"]}},
    }));
    let tenants = [("/roles/1/inline", json!({"tenants": held}))];
    let held = remedy(&tenants, "--needs dynamodb:PutItem@eks-workshop-carts");
    assert_eq!(held, json!({"command": format!("{attach}=write --leading-keys kubernetes-namespace")}));
    let scan = remedy(&tenants, "--needs dynamodb:Scan@eks-workshop-carts");
    assert!(scan["change"].as_str().unwrap().contains("dynamodb:Scan"), "{scan}");
}
