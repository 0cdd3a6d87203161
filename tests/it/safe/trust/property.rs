//! Over generated trust policies: corrected for a service account, exactly that one is allowed more than before; corrected
//! for nobody in particular, only those whom a corrected statement's own conditions name. Who is allowed is the sandbox's
//! reading, which rests on another implementation than podid's.
//!
//! `PROPTEST_CASES=10000 cargo test --test it -- safe::trust::property` for more of them.

use std::{cell::Cell, collections::BTreeMap};

use podid::model::{
    arn::Arn,
    cluster::Cluster,
    document::Document,
    names::ServiceAccount,
    trust::{self, Lint, Request},
};
use podid_sandbox::aws::{session_tags, trust_admits};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

const NOW: &str = "2026-11-23T12:00:00Z";
const PODS: &str = "pods.eks.amazonaws.com";
const CLUSTERS: [&str; 3] = [
    "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
    "arn:aws:eks:us-west-2:111122223333:cluster/blue",
    "arn:aws:eks:eu-west-1:111122223333:cluster/eks-workshop",
];
const NAMESPACES: [&str; 2] = ["carts", "orders"];
const NAMES: [&str; 2] = ["carts", "app"];

/// One who may ask: a service account of a cluster, with session tags or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asker {
    cluster: usize,
    namespace: &'static str,
    name: &'static str,
    tagged: bool,
}

fn universe() -> Vec<Asker> {
    let mut all = Vec::new();
    for cluster in 0..CLUSTERS.len() {
        for namespace in NAMESPACES {
            for name in NAMES {
                all.extend([true, false].map(|tagged| Asker { cluster, namespace, name, tagged }));
            }
        }
    }
    all
}

/// What a trust policy says to one: when its association is made, and each time that its pods ask.
fn allowed(document: &Value, asker: Asker) -> [bool; 2] {
    let arn = CLUSTERS[asker.cluster];
    let mut tags = BTreeMap::new();
    if asker.tagged {
        tags = session_tags(arn, [asker.namespace, asker.name], ["carts-5d9c", "0-1"]);
    }
    let both = ["sts:AssumeRole", "sts:TagSession"];
    let needed = if asker.tagged { &both[..] } else { &both[..1] };
    let now = NOW.parse().unwrap();
    [&both[..], needed].map(|actions| trust_admits(document, arn, &tags, now, actions))
}

/// Conditions, most of which keep a statement to some of the universe, in full or nearly.
fn condition() -> impl Strategy<Value = Value> {
    let tag = |tag: &str| format!("aws:RequestTag/{tag}");
    let one = prop_oneof![
        3 => select(&CLUSTERS[..]).prop_map(move |arn| (tag("eks-cluster-arn"), json!(arn))),
        1 => select(&CLUSTERS[..]).prop_map(|arn| ("aws:SourceArn".to_owned(), json!(arn))),
        1 => select(&CLUSTERS[..]).prop_map(|arn| {
            let association = arn.replace(":cluster/", ":podidentityassociation/");
            ("aws:SourceArn".to_owned(), json!(format!("{association}/*")))
        }),
        3 => select(vec![json!("carts"), json!("orders"), json!("c*"), json!("*"), json!(["carts", "orders"])])
            .prop_map(move |value| (tag("kubernetes-namespace"), value)),
        3 => select(vec![json!("carts"), json!("app"), json!("*"), json!(["app", "c*"]), json!(["carts", "app"])])
            .prop_map(move |value| (tag("kubernetes-service-account"), value)),
        1 => select(vec![json!("111122223333"), json!("999999999999")])
            .prop_map(|value| ("aws:SourceAccount".to_owned(), value)),
        1 => Just(("sts:ExternalId".to_owned(), json!("x"))),
    ];
    let operator = prop_oneof![
        8 => Just("StringEquals"),
        2 => Just("StringLike"),
        1 => Just("StringEqualsIfExists"),
        1 => Just("StringNotEquals"),
        1 => Just("ForAnyValue:StringEquals"),
        1 => Just("ArnLike"),
    ];
    let whole =
        (select(&CLUSTERS[..]), select(&NAMESPACES[..]), select(&NAMES[..])).prop_map(move |(arn, ns, name)| {
            json!({"StringEquals": {
                tag("eks-cluster-arn"): arn, tag("kubernetes-namespace"): ns, tag("kubernetes-service-account"): name,
            }})
        });
    let parts = proptest::collection::vec((operator, one), 0..4).prop_map(|parts| {
        let mut condition = json!({});
        // Each key once: several operators of one key are nothing that could be read in two ways.
        for (key, (operator, value)) in
            parts.into_iter().map(|(operator, (key, value))| (key, (operator, value))).collect::<BTreeMap<_, _>>()
        {
            // ARN operators are for ARNs.
            let operator = if operator == "ArnLike" && !key.ends_with("rn") { "StringLike" } else { operator };
            condition[operator][key] = value;
        }
        condition
    });
    prop_oneof![1 => Just(json!({})), 2 => whole, 5 => parts]
}

fn statement() -> impl Strategy<Value = Value> {
    let root = "arn:aws:iam::111122223333:root";
    let principals = prop_oneof![
        6 => Just(json!({"Service": PODS})),
        4 => select(vec![
            json!({"Service": "eks-pods.amazonaws.com"}),
            json!({"Service": "pods.eks.amazonaws.com.cn"}),
            json!({"Service": ["eks-fargate-pods.amazonaws.com", PODS]}),
            json!({"Service": ["eks-fargate-pods.amazonaws.com", "eks-pods.amazonaws.com"]}),
            json!({"Service": "eks-fargate-pods.amazonaws.com"}),
            json!({"Service": "foo.eks.amazonaws.com"}),
            json!({"Service": PODS, "AWS": root}),
            json!({"AWS": root}),
            json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/x"}),
            json!("*"),
        ]),
    ];
    let actions = prop_oneof![
        4 => Just(json!("sts:AssumeRole")),
        2 => Just(json!("sts:TagSession")),
        2 => Just(json!(["sts:AssumeRole", "sts:TagSession"])),
        2 => select(vec![
            json!("sts:AssumeRoleWithWebIdentity"),
            json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]),
            json!("sts:SetSourceIdentity"),
            json!("sts:*"),
            json!("sts:Assume*"),
        ]),
    ];
    let effect = prop_oneof![9 => Just("Allow"), 1 => Just("Deny")];
    (effect, principals, actions, condition()).prop_map(|(effect, principal, actions, condition)| {
        let mut statement = json!({"Effect": effect, "Principal": principal, "Action": actions});
        if condition != json!({}) {
            statement["Condition"] = condition;
        }
        statement
    })
}

fn document() -> impl Strategy<Value = Value> {
    proptest::collection::vec(statement(), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

/// Runs a property over the same documents each time, and the more of them the more are asked for.
fn over<S: Strategy>(strategy: &S, property: impl Fn(S::Value)) {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let config = Config { cases: asked.unwrap_or(1000), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(strategy, |value| {
        property(value);
        Ok(())
    });
    outcome.unwrap();
}

fn role() -> Arn {
    "arn:aws:iam::111122223333:role/app".parse().unwrap()
}

/// The Service principals of a document that are not Pod Identity's, misspelled ones left out.
fn services(document: &Value) -> Vec<Value> {
    let real = ["eks-fargate-pods.amazonaws.com", "foo.eks.amazonaws.com"];
    let of = |statement: &Value| match &statement["Principal"]["Service"] {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let all = document["Statement"].as_array().unwrap().iter().flat_map(of);
    all.filter(|service| real.contains(&service.as_str().unwrap_or_default())).collect()
}

#[test]
fn corrected_for_one_the_role_allows_that_one_more_and_nobody_else() {
    let role = role();
    let clusters = CLUSTERS.map(|arn| Cluster::named(arn.parse().unwrap()));
    let (corrected, completed, added) = (Cell::new(0), Cell::new(0), Cell::new(0));
    over(&(document(), select(universe())), |(before, one)| {
        let subject = ServiceAccount::new(one.namespace, one.name).unwrap();
        let now = Some(NOW.parse().unwrap());
        let request =
            Request { cluster: &clusters[one.cluster], subject: &subject, session_tags: one.tagged, now, pod: None };
        let ask = Lint { role: &role, request: Some(&request) };
        let Ok(Document(after)) = trust::corrected(&Document(before.clone()), &ask) else { return };
        corrected.set(corrected.get() + 1);
        let count = |document: &Value| document["Statement"].as_array().unwrap().len();
        let kind = if count(&after) > count(&before) { &added } else { &completed };
        kind.set(kind.get() + 1);
        assert_eq!(allowed(&after, one), [true, true], "{one:?} is not allowed: {before:#}\n{after:#}");
        for asker in universe() {
            let (was, is) = (allowed(&before, asker), allowed(&after, asker));
            for (was, is) in was.into_iter().zip(is) {
                assert!(is || !was, "{asker:?} is not allowed any more: {before:#}\n{after:#}");
                // Without session tags nothing narrower than the cluster can be told apart.
                let meant = asker == one || !one.tagged && asker.cluster == one.cluster;
                assert!(was || !is || meant, "{asker:?} is allowed, for {one:?}: {before:#}\n{after:#}");
            }
        }
        assert_eq!(services(&after), services(&before), "another service's principal");
    });
    let (corrected, completed, added) = (corrected.get(), completed.get(), added.get());
    assert!(corrected > 300 && completed > 0 && added > 200, "{corrected} corrected, {completed} {added}");
}

#[test]
fn corrected_for_nobody_in_particular_each_statement_allows_whom_its_conditions_name() {
    let role = role();
    let corrected = Cell::new(0);
    over(&document(), |before| {
        let ask = Lint { role: &role, request: None };
        let Ok(Document(after)) = trust::corrected(&Document(before.clone()), &ask) else { return };
        corrected.set(corrected.get() + 1);
        let (old, new) = (before["Statement"].as_array().unwrap(), after["Statement"].as_array().unwrap());
        assert_eq!(old.len(), new.len());
        let changed: Vec<&Value> = old.iter().zip(new).filter(|(old, new)| old != new).map(|(_, new)| new).collect();
        // What each changed statement would allow by its conditions alone.
        let named: Vec<Value> = changed
            .into_iter()
            .map(|statement| {
                assert_eq!(statement["Effect"], "Allow");
                let mut all = json!({"Effect": "Allow", "Principal": {"Service": PODS}, "Action": "sts:*"});
                if let Some(condition) = statement.get("Condition") {
                    all["Condition"] = condition.clone();
                }
                json!({"Version": "2012-10-17", "Statement": [all]})
            })
            .collect();
        for asker in universe() {
            let (was, is) = (allowed(&before, asker), allowed(&after, asker));
            let meant = || named.iter().any(|document| allowed(document, asker)[0]);
            for (was, is) in was.into_iter().zip(is) {
                assert!(is || !was, "{asker:?} is not allowed any more: {before:#}\n{after:#}");
                assert!(was || !is || meant(), "{asker:?} is allowed: {before:#}\n{after:#}");
            }
        }
        assert_eq!(services(&after), services(&before), "another service's principal");
    });
    assert!(corrected.get() > 200, "{} corrected", corrected.get());
}
