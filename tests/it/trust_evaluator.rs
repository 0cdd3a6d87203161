//! podid's reading of trust policies against the sandbox's, which rests on another implementation (`iam-rs`): over random
//! documents and requests, what podid says is admitted is admitted there, and what it says is refused is refused. Where podid
//! says that it cannot know, either may be.
//!
//! Left out, because `iam-rs` reads them otherwise than AWS documents them; tables of `model::trust` have them:
//! - policy variables in conditions, which it does not fill (IAM User Guide, reference_policies_variables);
//! - `…IfExists` together with a set operator, which it does not know (reference_policies_elements_condition_operators);
//! - dates without a time (the same page: ISO 8601 as the W3C profiles it);
//! - NotPrincipal with more than one kind of principal (reference_policies_elements_notprincipal);
//! - text operators on `aws:PrincipalIsAWSService`, which it holds as a Boolean (reference_policies_condition-keys);
//! - a `Null` with a list of values (reference_policies_elements_condition_operators#Conditions_Null).

use std::{cell::Cell, collections::BTreeMap};

use podid::model::{
    cluster::Cluster,
    document::Document,
    trust::{self, Request, Verdict},
};
use podid_sandbox::aws::{session_tags, trust_admits};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

const NOW: &str = "2026-11-23T12:00:00Z";
const CLUSTERS: [&str; 2] =
    ["arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop", "arn:aws-cn:eks:cn-north-1:444455556666:cluster/blue"];
const SUBJECTS: [&str; 3] = ["carts/carts", "carts/worker", "orders/api"];

/// Condition keys, each with values: of these requests, near them, and far from them.
const KEYS: &[(&str, &[&str])] = &[
    ("aws:RequestTag/kubernetes-namespace", &["carts", "carts", "orders", "Carts", "c*", "*", "?arts", ""]),
    ("AWS:requesttag/Kubernetes-Service-Account", &["carts", "carts", "worker", "api", "WORKER", "*", "w*r"]),
    (
        "aws:RequestTag/eks-cluster-arn",
        &[CLUSTERS[0], CLUSTERS[0], CLUSTERS[1], "arn:*:eks:*:*:cluster/*", "arn:aws:eks:*"],
    ),
    ("aws:RequestTag/eks-cluster-name", &["eks-workshop", "blue", "EKS-Workshop", "eks-*"]),
    ("aws:RequestTag/kubernetes-pod-name", &["carts-5d9c", "carts-*", "*"]),
    ("aws:RequestTag/team", &["red", "*"]),
    ("aws:TagKeys", &["kubernetes-namespace", "kubernetes-*", "eks-*", "team", "*"]),
    ("sts:TransitiveTagKeys", &["kubernetes-pod-uid", "*-*", "team"]),
    ("aws:SourceAccount", &["111122223333", "111122223333", "444455556666", "1111*", "12"]),
    (
        "aws:SourceArn",
        &[
            CLUSTERS[0],
            CLUSTERS[0],
            CLUSTERS[1],
            "arn:aws:eks:us-west-2:*:cluster/*",
            "arn:aws:eks:*:*:podidentityassociation/*",
            "*",
        ],
    ),
    ("aws:ResourceAccount", &["111122223333", "9"]),
    ("aws:PrincipalServiceName", &["pods.eks.amazonaws.com", "*.amazonaws.com", "ec2.amazonaws.com"]),
    ("sts:ExternalId", &["x", "*"]),
    ("aws:PrincipalArn", &["arn:aws:iam::111122223333:role/x", "*"]),
    ("aws:PrincipalOrgID", &["o-1"]),
    ("aws:SourceVpce", &["vpce-1"]),
    ("aws:SourceOrgID", &["o-1", "*"]),
];

const TEXT: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
];

/// A key, an operator, and values.
fn test() -> impl Strategy<Value = (&'static str, (String, Value))> {
    let texts = (select(KEYS), select(TEXT), 0..5usize).prop_flat_map(|((key, values), operator, form)| {
        let operator = match form {
            0 => format!("ForAllValues:{operator}"),
            1 => format!("ForAnyValue:{operator}"),
            2 => format!("{operator}IfExists"),
            _ => operator.to_owned(),
        };
        let some = subsequence(values.to_vec(), 1..=values.len().min(3));
        some.prop_map(move |some| {
            let values = if some.len() == 1 { json!(some[0]) } else { json!(some) };
            (key, (operator.clone(), values))
        })
    });
    let compared = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];
    let numbers = (
        select(&["aws:EpochTime", "aws:SourceAccount", "aws:MultiFactorAuthAge"][..]),
        select(compared.to_vec()),
        select(vec![json!(1_795_435_200), json!("1795435199"), json!(111_122_223_333_u64), json!("5")]),
        any::<bool>(),
    )
        .prop_map(|(key, by, value, soft)| {
            (key, (format!("Numeric{by}{}", if soft { "IfExists" } else { "" }), value))
        });
    let dates = (
        select(&["aws:CurrentTime", "aws:EpochTime"][..]),
        select(compared.to_vec()),
        select(vec![
            json!(NOW),
            json!("2026-11-23T13:00:00+02:00"),
            json!(1_795_435_200),
            json!("2030-01-01T00:00:00Z"),
        ]),
        any::<bool>(),
    )
        .prop_map(|(key, by, value, soft)| (key, (format!("Date{by}{}", if soft { "IfExists" } else { "" }), value)));
    let flags = (
        select(&["aws:PrincipalIsAWSService", "aws:MultiFactorAuthPresent", "aws:SecureTransport"][..]),
        select(&["Bool", "BoolIfExists"][..]),
        select(vec![json!(true), json!("true"), json!("false")]),
    )
        .prop_map(|(key, operator, value)| (key, (operator.to_owned(), value)));
    let presence = (select(KEYS), select(vec![json!(true), json!("true"), json!(false), json!("false")]))
        .prop_map(|((key, _), value)| (key, ("Null".to_owned(), value)));
    let addresses = (select(&["IpAddress", "NotIpAddress"][..]), select(&["10.0.0.0/8", "0.0.0.0/0"][..]))
        .prop_map(|(operator, value)| ("aws:SourceIp", (operator.to_owned(), json!(value))));
    prop_oneof![8 => texts, 1 => numbers, 1 => dates, 1 => flags, 1 => presence, 1 => addresses]
}

fn statement() -> impl Strategy<Value = Value> {
    let pods = "pods.eks.amazonaws.com";
    let root = "arn:aws:iam::111122223333:root";
    let principals = prop_oneof![
        6 => Just(json!({"Principal": {"Service": pods}})),
        4 => select(vec![
            json!({"Principal": {"Service": ["ec2.amazonaws.com", pods]}}),
            json!({"Principal": {"Service": pods, "AWS": root}}),
            json!({"Principal": "*"}),
            json!({"Principal": {"AWS": ["111122223333", "*"]}}),
            json!({"Principal": {"AWS": root}}),
            json!({"Principal": {"Service": "ec2.amazonaws.com"}}),
            json!({"Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/x"}}),
            json!({"NotPrincipal": {"Service": pods}}),
            json!({"NotPrincipal": {"AWS": root}}),
            json!({"NotPrincipal": {"AWS": "*"}}),
        ]),
    ];
    let actions = prop_oneof![
        5 => Just(json!({"Action": ["sts:AssumeRole", "sts:TagSession"]})),
        5 => select(vec![
            json!({"Action": "sts:AssumeRole"}),
            json!({"Action": "sts:TagSession"}),
            json!({"Action": "STS:tag*"}),
            json!({"Action": ["sts:?ssumeRole"]}),
            json!({"Action": "sts:*"}),
            json!({"Action": "*"}),
            json!({"Action": ["sts:AssumeRoleWithWebIdentity", "sts:SetSourceIdentity"]}),
            json!({"NotAction": "sts:SetSourceIdentity"}),
            json!({"NotAction": ["sts:TagSession"]}),
            json!({"NotAction": "sts:*"}),
        ]),
    ];
    let conditions = prop_oneof![1 => Just(Vec::new()), 4 => proptest::collection::vec(test(), 1..3)];
    let effect = prop_oneof![5 => Just("Allow"), 1 => Just("Deny")];
    (effect, principals, actions, conditions).prop_map(|(effect, principal, action, tests)| {
        let mut statement = json!({"Effect": effect});
        for part in [principal, action] {
            for (key, value) in part.as_object().unwrap() {
                statement[key] = value.clone();
            }
        }
        // Each key once: that several operators of one key have to hold together is nothing that could be read in two ways.
        for (key, (operator, value)) in tests.into_iter().collect::<BTreeMap<_, _>>() {
            statement["Condition"][operator][key] = value;
        }
        statement
    })
}

fn document() -> impl Strategy<Value = Value> {
    let version = select(vec![json!("2012-10-17"), json!("2008-10-17")]);
    (version, proptest::collection::vec(statement(), 1..4))
        .prop_map(|(version, statements)| json!({"Version": version, "Statement": statements}))
}

/// What the sandbox says does not contradict what podid said.
#[track_caller]
fn agree(verdict: &Verdict, admitted: bool, what: &str) {
    match verdict {
        Verdict::Admits => assert!(admitted, "podid admits, the sandbox refuses: {what}"),
        Verdict::Refuses(reasons) => assert!(!admitted, "podid refuses, the sandbox admits: {what}\n{reasons:#?}"),
        Verdict::Unknown(_) => {}
    }
}

#[test]
fn two_readings_of_trust_policies_agree() {
    // The same documents in each run: what fails once fails again.
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (admits, refuses, unknown) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let now = NOW.parse().unwrap();
    let clusters = CLUSTERS.map(|arn| Cluster::named(arn.parse().unwrap()));
    let request = (0..CLUSTERS.len(), select(&SUBJECTS[..]), any::<bool>());
    let outcome = runner.run(&(document(), request), |(trust, (at, subject, tagged))| {
        let subject = subject.parse().unwrap();
        let request =
            Request { cluster: &clusters[at], subject: &subject, session_tags: tagged, now: Some(now), pod: None };
        let mut tags = BTreeMap::new();
        if tagged {
            tags = session_tags(CLUSTERS[at], [&subject.namespace, &subject.name], ["carts-5d9c", "0-1"]);
        }
        let document = Document(trust.clone());
        let what = format!("{} for {subject} of {}, tags {tagged}", trust, CLUSTERS[at]);
        let both = ["sts:AssumeRole", "sts:TagSession"];
        agree(&trust::evaluate(&document, &request), trust_admits(&trust, CLUSTERS[at], &tags, now, &both), &what);
        let asked = if tagged { &both[..] } else { &both[..1] };
        let verdict = trust::at_run_time(&document, &request);
        agree(&verdict, trust_admits(&trust, CLUSTERS[at], &tags, now, asked), &what);
        let count = match verdict {
            Verdict::Admits => &admits,
            Verdict::Refuses(_) => &refuses,
            Verdict::Unknown(_) => &unknown,
        };
        count.set(count.get() + 1);
        Ok(())
    });
    outcome.unwrap();
    // Enough of each that the comparison says something.
    let (admits, refuses, unknown) = (admits.get(), refuses.get(), unknown.get());
    assert!(admits > 100 && refuses > 400 && unknown < 1000, "{admits} admitted, {refuses} refused, {unknown} unknown");
}
