//! Anything at all, for a moment: what the targets of `fuzz/` are fed with at length, and answers of services.

#[path = "../../fuzz/targets.rs"]
mod targets;

use podid_sandbox::faults::{Action, Fault};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::support::{Env, at_once};

/// Pieces of what the targets read, so that what is made of them gets further than to the first character.
const PIECES: &[&str] = &[
    "{\"Version\": \"2012-10-17\", \"Statement\": [",
    "{\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}",
    "\"Principal\": {\"Service\": \"pods.eks.amazonaws.com\"}",
    "\"Condition\": {\"StringEquals\": {",
    "\"ForAllValues:StringLikeIfExists\": ",
    "\"aws:RequestTag/kubernetes-namespace\": \"${aws:PrincipalTag/x}\"",
    "\"Effect\": \"Deny\"",
    "\"Sid\": \"Podid0123456789abcdef\"",
    "]}",
    "}",
    "[",
    ", ",
    "null",
    "arn:aws:iam::111122223333:role/a/b",
    "arn:aws:dynamodb:us-west-2:111122223333:table/t/index/i",
    "carts/carts",
    "*",
    "?",
    "eu-west-1:t=read-write",
    "dynamodb:Query@t/index/*",
    "1h 2m",
    "99999999999999999999999999y",
    "apiVersion: podid.dev/v1\nkind: PodIdentity\n",
    "roles:\n- name: a\n",
    "associations:\n- {serviceAccount: a/b, role: a}\n",
    "&a [*a]",
    "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: ",
    "AWS_SECRET_ACCESS_KEY=abc",
    "\u{1b}[2J",
    "\u{202e}",
    "\r",
    "é",
    "\u{0}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A document of any shape whose keys and values are those of policies, mostly.
fn document() -> impl Strategy<Value = String> {
    let words = [
        "Version",
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Action",
        "NotAction",
        "Principal",
        "NotPrincipal",
        "Service",
        "AWS",
        "Condition",
        "StringEquals",
        "StringLike",
        "ForAnyValue:StringEquals",
        "Null",
        "ArnLike",
        "DateLessThan",
        "aws:SourceArn",
        "aws:RequestTag/eks-cluster-arn",
        "aws:TagKeys",
        "Resource",
        "Sid",
        "sts:AssumeRole",
        "sts:TagSession",
        "pods.eks.amazonaws.com",
        "*",
        "true",
        "2012-10-17",
        "arn:aws:iam::111122223333:root",
        "Podid0123456789abcdef",
        "dynamodb:*",
        "arn:aws:dynamodb:us-west-2:111122223333:table/carts",
        "PodidTable0123456789abcdef",
    ];
    let word = move || prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        word().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    let value = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(word(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    });
    let statement = prop::collection::btree_map(word(), value.clone(), 0..7);
    let statements = prop::collection::vec(statement, 0..4);
    prop_oneof![
        value.prop_map(|value| value.to_string()),
        statements.prop_map(|all| serde_json::json!({ "Version": "2012-10-17", "Statement": all }).to_string()),
    ]
}

#[test]
fn every_target() {
    let config = ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    at_once(2, &targets::TARGETS, |(name, target)| {
        let mut runner = TestRunner::new(config.clone());
        let inputs = prop_oneof![text(), document()];
        let ran = runner.run(&inputs, |text| {
            target(&text);
            Ok(())
        });
        assert!(ran.is_ok(), "{name}: {}", ran.unwrap_err());
    });
}

/// Answers of services, each with the status that it usually has.
const ANSWERS: &[(&str, &str, u16, &str)] = &[
    ("eks", "DescribeCluster", 400, r#"{"__type":"InvalidParameterException","message":"no"}"#),
    (
        "eks",
        "DescribeCluster",
        200,
        r#"{"cluster":{"name":"eks-workshop","arn":"arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop","status":"ACTIVE"}}"#,
    ),
    (
        "eks",
        "ListPodIdentityAssociations",
        200,
        r#"{"associations":[{"clusterName":"c","namespace":"carts","serviceAccount":"carts","associationId":"a-1"}],"nextToken":"x"}"#,
    ),
    (
        "iam",
        "GetRole",
        404,
        "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no</Message></Error></ErrorResponse>",
    ),
    (
        "iam",
        "GetRole",
        200,
        "<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>r</RoleName><Arn>arn:aws:iam::111122223333:role/r</Arn><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>",
    ),
    (
        "kubernetes",
        "list pods",
        200,
        r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","namespace":"carts"}}]}"#,
    ),
    (
        "kubernetes",
        "watch pods",
        200,
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"8\"}}}\n{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n",
    ),
    (
        "kubernetes",
        "patch deployments",
        409,
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","message":"no","code":409}"#,
    ),
];

const ASSOCIATE: &str = "associate carts/carts --role eks-workshop-carts-dynamo --no-wait";
const RECYCLE: &str = "recycle carts/carts";

/// Whatever a service answers, the run ends in time and in order.
#[test]
fn any_answer() {
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 0..5);
    let case = (
        prop::sample::select(ANSWERS),
        edits,
        prop::option::of(prop::sample::select(vec![200_u16, 400, 403, 404, 500])),
    );
    let mut one = || ValueTree::current(&case.new_tree(&mut runner).unwrap());
    let cases: Vec<_> = (0..80).map(|_| one()).collect();
    at_once(6, &cases, |((service, operation, usual, answer), edits, status)| {
        let mut body = answer.as_bytes().to_vec();
        for (at, how, byte) in edits {
            let at = at.index(body.len() + 1);
            match how {
                0 => body.truncate(at),
                1 => body.insert(at, *byte),
                2 if at < body.len() => body[at] = *byte,
                _ => body.extend_from_slice(answer.as_bytes().get(at..).unwrap_or_default()),
            }
        }
        let mut env = Env::new("carts-associated");
        env.var("AWS_MAX_ATTEMPTS", "1");
        let status = status.unwrap_or(*usual);
        let shown = String::from_utf8_lossy(&body).into_owned();
        env.world.faults().add(Fault::always(service, operation, Action::Answer { status, body }));
        let line = if *service == "kubernetes" { RECYCLE } else { ASSOCIATE };
        let run = env.podid(&format!("{line} --timeout 20s"));
        let what = format!("{service} {operation} {status} {shown:?}\n{run}");
        assert!((0..=6).contains(&run.code) && !run.stderr.contains("panicked"), "{what}");
        assert!(env.world.faults().struck() > 0, "{what}");
        let odd = |c: char| c.is_control() && c != '\n';
        assert!(!run.stderr.contains(odd) && !run.stdout.contains(odd), "{what}");
    });
}
