//! Rules of what a role allows, which every command that writes it keeps alike: there is one planner for it.

use serde_json::{Value, json};

use crate::{file::CARTS, support::Env};

/// Commands that bring permissions to the same role of the same service account.
const LINES: [&str; 3] = [
    "associate carts/carts --role carts-role --no-wait",
    "role create carts-role --service-account carts/carts",
    "policy attach carts-role",
];

/// A role with this access to the table, in use.
fn granted(access: &str) -> Env {
    let env = Env::new("carts-before");
    let make =
        format!("role create carts-role --service-account carts/carts --dynamodb eks-workshop-carts={access} --yes");
    let _ = env.podid(&make).ok();
    let _ = env.podid("associate carts/carts --role carts-role --no-wait --yes").ok();
    env
}

fn dynamodb(env: &Env) -> Value {
    document(env, "podid-dynamodb")
}

fn document(env: &Env, name: &str) -> Value {
    let text = env.world.with(|state| state.aws.roles["carts-role"].inline[name].clone());
    serde_json::from_str(&text).unwrap()
}

/// Buckets, queues and all else go into one policy of podid's own; what is there stays, and is not written again.
#[test]
fn grants_go_into_one_policy_beside_what_is_there() {
    let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::t/*"});
    let grants = "--s3 carts-images/up=read-write --sqs orders=consume --allow xray:PutTraceSegments@*";
    for line in LINES {
        let env = granted("read");
        env.world.with(|state| {
            let document = json!({"Version": "2012-10-17", "Statement": [theirs]}).to_string();
            state.aws.roles.get_mut("carts-role").unwrap().inline.insert("podid-access".to_owned(), document);
        });
        // A role with others' statements is taken over where that was asked for.
        let line = line.replace("role create", "role create --adopt");
        let tables = dynamodb(&env);
        let run = env.podid(&format!("{line} {grants} --yes")).ok().says("is allowed on every resource (`*`)");
        let written = document(&env, "podid-access");
        assert_eq!(written["Statement"][0], theirs, "{line}: {run}");
        let actions = written.to_string();
        for action in ["s3:PutObject", "s3:GetObject", "s3:ListBucket", "sqs:ReceiveMessage", "xray:PutTraceSegments"] {
            assert!(actions.contains(action), "{line}: {action}: {actions}");
        }
        assert_eq!(dynamodb(&env), tables, "{line}: the tables have a policy of their own");
        let before = env.writes().len();
        let same = env.podid(&format!("{line} {grants} --yes")).ok();
        assert!(env.writes().len() == before && !same.stderr.contains("--exact"), "{line}: {same}");
        // A narrower level is granted already; it is reduced to it only when that is asked for.
        let hint =
            "already grants read-write on S3 bucket arn:aws:s3:::carts-images/up: pass `--exact` to reduce it to read";
        let _ = env.podid(&format!("{line} --s3 carts-images/up=read --yes")).ok().says(hint);
        assert_eq!(env.writes().len(), before, "{line}");
        let _ = env.podid(&format!("{line} --s3 carts-images/up=read --exact --yes")).ok();
        let narrow = document(&env, "podid-access").to_string();
        assert!(!narrow.contains("s3:PutObject") && narrow.contains("sqs:ReceiveMessage"), "{line}: {narrow}");
    }
}

/// What is wanted at least is there, so that nothing changes; that more is there is told, and how to reduce it.
#[test]
fn more_access_than_asked_for_is_told_of_and_reduced_only_when_asked() {
    let hint = "already grants read-write on table eks-workshop-carts: pass `--exact` to reduce it to read";
    for line in LINES {
        let env = granted("read-write");
        let before = env.writes().len();
        let same = env.podid(&format!("{line} --dynamodb eks-workshop-carts=read --yes")).ok().says(hint);
        assert_eq!(env.writes().len(), before, "{line}: {same}");
        // The healthy twin asks for what is there.
        let twin = env.podid(&format!("{line} --dynamodb eks-workshop-carts=read-write --yes")).ok();
        assert!(!twin.stderr.contains("--exact"), "{line}: {twin}");
        let exact = env.podid(&format!("{line} --dynamodb eks-workshop-carts=read --exact --yes")).ok();
        assert!(!exact.stderr.contains("--exact"), "{line}: {exact}");
        assert_eq!(dynamodb(&env), dynamodb(&granted("read")), "{line}: {exact}");
        let again = env.podid(&format!("{line} --dynamodb eks-workshop-carts=read --exact --dry-run --exit-code")).ok();
        assert!(!again.stderr.contains("add inline policy"), "{line}: {again}");
    }
}

/// A file says exactly what there is: it needs no flag to reduce it.
#[test]
fn a_file_reduces_access() {
    let env = Env::new("carts-associated");
    let file = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("apply -f {file} --yes")).ok();
    let wide = dynamodb(&env);
    let file = env.file("podid.yaml", &CARTS.replace("read-write", "read"));
    let run = env.podid(&format!("apply -f {file} --yes")).ok().says("update inline policy podid-dynamodb");
    assert!(wide.to_string().contains("PutItem") && !dynamodb(&env).to_string().contains("PutItem"), "{run}");
}

/// IAM's limit over all inline policies concerns what is written, not what is there and stays.
#[test]
fn inline_policies_that_are_too_large_are_refused_only_when_written() {
    let env = granted("read-write");
    let filler = json!({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "x".repeat(10_240)}]});
    env.world.with(|state| {
        let role = state.aws.roles.get_mut("carts-role").unwrap();
        role.inline.insert("filler".to_owned(), filler.to_string());
    });
    let before = env.writes().len();
    for line in LINES {
        // Whether podid wrote it all is another question, which `--adopt` answers.
        let line = line.replace("role create", "role create --adopt");
        let _ = env.podid(&format!("{line} --dynamodb eks-workshop-carts=read-write --yes")).ok();
        let _ = env
            .podid(&format!("{line} --dynamodb eks-workshop-carts=stream --yes"))
            .code(2)
            .says("characters together; the IAM limit is 10240 (largest: filler ")
            .says("create a managed policy from one of them, and attach it with `--policy-arn`");
    }
    assert_eq!(env.writes().len(), before);
}

/// The names of podid's own policies are for podid alone, in whatever command.
#[test]
fn podids_own_policies_are_not_written_over_by_a_document() {
    let env = granted("read-write");
    let before = (dynamodb(&env), env.writes().len());
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}"#;
    let reserved = [env.file("podid-dynamodb.json", document), env.file("podid-access.json", document)];
    let other = env.file("s3.json", document);
    for line in LINES {
        for reserved in &reserved {
            let _ = env.podid(&format!("{line} --policy-file {reserved} --yes")).code(2).says("is reserved");
        }
        let _ = env.podid(&format!("{line} --policy-file {other} --dry-run --exit-code")).code(3);
    }
    assert_eq!((dynamodb(&env), env.writes().len()), before);
}
