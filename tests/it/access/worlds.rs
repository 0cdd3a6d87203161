//! `podid who-can` against the simulated AWS, whose evaluator is another implementation (`iam-rs`): over generated roles,
//! boundaries, session policies, trust policies and target roles, what podid says can be done is allowed to the pods' session
//! there, and what it says cannot be done is denied. Where podid says that it cannot know, either may be.
//!
//! Left out, because `iam-rs` reads them otherwise than AWS documents them; tables of `model::access` have them: policy variables,
//! ARNs with fewer parts than six, and a `*` that reaches over a colon.

use jiff::Timestamp;
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::support::Env;

const CLUSTER: &str = "eks-workshop";
const CARTS: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
const ORDERS: &str = "arn:aws:dynamodb:us-west-2:111122223333:table/orders";
const TARGET: &str = "arn:aws:iam::111122223333:role/to-";

/// What is asked of each world.
const CALLS: [(&str, &str); 4] = [
    ("dynamodb:Query", CARTS),
    ("dynamodb:DeleteItem", ORDERS),
    ("s3:GetObject", "arn:aws:s3:::images/logo.png"),
    ("ec2:DescribeInstances", "*"),
];

/// Condition keys, each with values: of these sessions, near them, and far from them. The last are unknown to podid.
const KEYS: &[(&str, &[&str])] = &[
    ("aws:PrincipalTag/kubernetes-namespace", &["shop", "shop", "sh*", "Shop", "other"]),
    ("AWS:principaltag/kubernetes-service-account", &["sa-1", "sa-1*", "*", "x"]),
    ("aws:PrincipalTag/eks-cluster-name", &[CLUSTER, "eks-*", "blue"]),
    ("aws:PrincipalTag/team", &["red", "red", "r*", "blue"]),
    ("aws:PrincipalAccount", &["111122223333", "111122223333", "444455556666"]),
    ("aws:RequestedRegion", &["us-west-2", "us-*", "eu-west-1"]),
    ("aws:PrincipalTag/kubernetes-pod-name", &["app-5d9c", "*", "x"]),
    ("aws:SourceVpce", &["vpce-1", "*"]),
];

const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIfExists",
    "StringNotEqualsIfExists",
];

fn condition() -> impl Strategy<Value = Option<Value>> {
    let test = (select(KEYS), select(OPERATORS)).prop_flat_map(|((key, values), operator)| {
        let some = subsequence(values.to_vec(), 1..=values.len().min(2));
        some.prop_map(
            move |some| json!({ operator: { key: if some.len() == 1 { json!(some[0]) } else { json!(some) } } }),
        )
    });
    let absent = (select(KEYS), select(vec!["true", "false"])).prop_map(|((key, _), is)| json!({"Null": { key: is }}));
    prop_oneof![5 => Just(None), 3 => test.prop_map(Some), 1 => absent.prop_map(Some)]
}

fn statement(denies: u32) -> impl Strategy<Value = Value> {
    let actions = prop_oneof![
        4 => select(vec![json!({"Action": "*"}), json!({"Action": "dynamodb:*"}), json!({"Action": ["DynamoDB:qu?ry", "s3:Get*"]})]),
        4 => select(CALLS.to_vec()).prop_map(|(action, _)| json!({"Action": action})),
        2 => select(vec![json!({"NotAction": "iam:*"}), json!({"NotAction": ["dynamodb:Delete*", "ec2:*"]}), json!({"Action": "sqs:*"})]),
    ];
    let resources = prop_oneof![
        4 => Just(json!({"Resource": "*"})),
        5 => select(vec![
            json!({"Resource": CARTS}),
            json!({"Resource": [ORDERS, "arn:aws:s3:::images/*"]}),
            json!({"Resource": "arn:aws:dynamodb:*:111122223333:table/c*"}),
            json!({"Resource": "arn:aws:dynamodb:us-west-2:*:table/?????"}),
            json!({"Resource": format!("{CARTS}/index/*")}),
            json!({"NotResource": [CARTS, format!("{CARTS}/*")]}),
            json!({"NotResource": "arn:aws:s3:::other/*"}),
        ]),
    ];
    let effect = prop_oneof![10 - denies => Just("Allow"), denies => Just("Deny")];
    (effect, actions, resources, condition()).prop_map(|(effect, action, resource, condition)| {
        let mut statement = json!({ "Effect": effect });
        for part in [action, resource] {
            statement.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    })
}

fn policy(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What is generated of one service account.
#[derive(Debug, Clone)]
struct Made {
    identity: Vec<Vec<Value>>,
    boundary: Option<Vec<Value>>,
    session: Option<Vec<Value>>,
    untagged: bool,
    team: Option<&'static str>,
    trust: usize,
    target: Option<usize>,
}

fn made() -> impl Strategy<Value = Made> {
    let identity = prop::collection::vec(prop::collection::vec(statement(2), 1..4), 0..3);
    let boundary = prop::option::weighted(0.3, prop::collection::vec(statement(1), 1..3));
    let session = prop::option::weighted(0.2, prop::collection::vec(statement(1), 1..3));
    let team = prop::option::of(select(vec!["red", "blue"]));
    let trust = prop_oneof![6 => Just(0_usize), 1 => 1..5_usize];
    let target = prop::option::weighted(0.25, 0..4_usize);
    (identity, boundary, session, any::<bool>(), team, trust, target).prop_map(
        |(identity, boundary, session, untagged, team, trust, target)| Made {
            // A session policy needs the session tags off.
            untagged: untagged || session.is_some(),
            identity,
            boundary,
            session,
            team,
            trust,
            target,
        },
    )
}

/// Trust policies: open, for these namespaces, for others, without tags, and denying.
fn trust(which: usize) -> Value {
    let allow = |condition: Value| {
        json!({"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition})
    };
    let by = |namespace: &str| allow(json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": namespace}}));
    policy(&match which {
        0 => vec![allow(json!({}))],
        1 => vec![by("shop")],
        2 => vec![by("other")],
        3 => {
            let mut bare = allow(json!({}));
            bare["Action"] = json!("sts:AssumeRole");
            vec![bare]
        }
        _ => vec![allow(json!({})), json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"})],
    })
}

/// What a target role trusts, and whether the association's role may go there.
fn target(which: usize, name: &str) -> (Value, Value) {
    let trust = |principal: &str, actions: Value| {
        policy(&[json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions})])
    };
    let both = json!(["sts:AssumeRole", "sts:TagSession"]);
    let goes = |to: &str| policy(&[json!({"Effect": "Allow", "Action": both, "Resource": to})]);
    let root = "arn:aws:iam::111122223333:root";
    let own = format!("{TARGET}{name}");
    match which {
        0 | 1 => (trust(root, both.clone()), goes(&own)),
        2 => (trust(root, json!("sts:AssumeRole")), goes(&own)),
        _ => (trust("arn:aws:iam::444455556666:root", both.clone()), goes(&own)),
    }
}

fn world(all: &[Made]) -> Env {
    let (mut roles, mut policies, mut associations) = (Vec::new(), Vec::new(), Vec::new());
    for (at, made) in all.iter().enumerate() {
        let name = format!("sa-{at}");
        let documents: serde_json::Map<String, Value> =
            made.identity.iter().enumerate().map(|(n, one)| (format!("p{n}"), policy(one))).collect();
        let tags: Value = made.team.map_or_else(|| json!({}), |team| json!({ "team": team }));
        let mut holder = json!({ "name": name, "trust": trust(made.trust), "inline": documents, "tags": tags });
        let mut association = json!({ "namespace": "shop", "service_account": name, "disable_session_tags": made.untagged,
            "role": format!("arn:aws:iam::111122223333:role/{name}") });
        if let Some(statements) = &made.boundary {
            let arn = format!("arn:aws:iam::111122223333:policy/edge-{at}");
            policies.push(json!({ "arn": arn, "document": policy(statements) }));
            holder["boundary"] = json!(arn);
        }
        if let Some(statements) = &made.session {
            association["policy"] = json!(policy(statements).to_string());
        }
        if let Some(which) = made.target {
            let (trusts, goes) = target(which, &name);
            association["target_role"] = json!(format!("{TARGET}{name}"));
            roles.push(json!({ "name": name, "trust": trust(made.trust), "inline": { "hop": goes } }));
            holder["name"] = json!(format!("to-{name}"));
            holder["trust"] = trusts;
        }
        roles.push(holder);
        associations.push(association);
    }
    let mut set = vec![("/associations", json!(associations))];
    set.extend(roles.into_iter().map(|role| ("/roles/-", role)));
    set.extend(policies.into_iter().map(|policy| ("/policies/-", policy)));
    Env::with("carts-associated", &set)
}

#[test]
fn who_can_is_never_wrong() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut can, mut cannot, mut unknown) = (0, 0, 0);
    for _ in 0..4 {
        let all: Vec<Made> = (0..60).map(|_| made().new_tree(&mut runner).unwrap().current()).collect();
        let env = world(&all);
        let now: Timestamp = env.world.clock().now();
        for (action, resource) in CALLS {
            let told = env.run(&["who-can", action, resource, "--all", "-o", "json"]).ok().json();
            let rows = told["serviceAccounts"].as_array().unwrap();
            assert_eq!(rows.len(), all.len());
            for row in rows {
                let account = row["serviceAccount"].as_str().unwrap();
                let made = &all[account[3..].parse::<usize>().unwrap()];
                let on = if resource == "*" { "arn:aws:none:::*" } else { resource };
                let may = env.world.with(|state| state.aws.pod_may(CLUSTER, ["shop", account], action, on, now));
                match row["answer"].as_str().unwrap() {
                    "can" => {
                        can += 1;
                        assert!(may, "false `can`: {action} on {resource}: {row:#}\n{made:#?}");
                    }
                    "cannot" => {
                        cannot += 1;
                        assert!(!may, "missed: {action} on {resource}: {row:#}\n{made:#?}");
                    }
                    _ => unknown += 1,
                }
                assert!(row["reasons"].as_array().is_some_and(|why| !why.is_empty()), "{row}");
            }
        }
    }
    // The worlds are neither all alike nor mostly beyond telling.
    assert!(can > 150 && cannot > 300 && unknown * 4 < can + cannot, "{can} can, {cannot} cannot, {unknown} unknown");
}
