//! What users and services hand in: policy documents, ARNs, files. Each broken one differs from its healthy twin in one
//! thing, and nothing is written for it.

use std::process::{Command, Stdio};

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::support::{Env, Run, finish};

const ROLE: &str = "eks-workshop-carts-dynamo";

fn policy() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::orders/*"},
    ]})
}

/// Every command that takes a policy file.
fn lines(file: &str) -> [String; 3] {
    [
        format!("policy attach {ROLE} --policy-file {file} --yes"),
        format!("associate carts/carts --create-role --policy-file {file} --no-wait --yes"),
        format!("role create new --service-account carts/carts --policy-file {file} --yes"),
    ]
}

fn manifest(inline: &str) -> String {
    format!(
        "apiVersion: podid.dev/v1\nkind: PodIdentity\ncluster: eks-workshop\nroles:\n- name: new\n  scope: cluster\n  policies:\n    \
         inline: [{inline}]\n"
    )
}

#[test]
fn names_of_podids_own_policies_are_refused_everywhere() {
    let env = Env::new("carts-role");
    for name in [
        "podid-dynamodb.json",
        "deep/Podid-DynamoDB.json",
        "PODID-TARGET.txt",
        "podid-target",
        "podid-add-on-velero.json",
        "Podid-Add-On-x.json",
    ] {
        let file = env.file(name, &policy().to_string());
        for line in lines(&file) {
            let _ = env.podid(&line).code(2).says("is reserved");
            let _ = env.podid(&line.replace("--yes", "--dry-run")).code(2).says("is reserved");
        }
        let name = name.rsplit('/').next().unwrap().split('.').next().unwrap();
        let text = manifest(&format!("{{name: {name}, document: {}}}", policy()));
        let _ = env.podid(&format!("apply -f {} --yes", env.file("m.yaml", &text))).code(2).says("is reserved");
    }
    assert!(env.world.journal().calls().is_empty());
    let file = env.file("podid-dynamodb2.json", &policy().to_string());
    for line in lines(&file) {
        let _ = env.podid(&line.replace("--yes", "--dry-run")).ok();
    }
    let text = manifest(&format!("{{name: podid-dynamodb2, document: {}}}", policy()));
    let _ = env.podid(&format!("apply -f {} --dry-run", env.file("m.yaml", &text))).ok();
}

#[test]
fn what_iam_would_refuse_is_refused_before_any_call() {
    let env = Env::new("carts-role");
    for (at, value, says) in [
        ("/Statement/0/Sid", json!("Read orders-1"), "statement 1 (Read orders-1): the Sid"),
        ("/Statement/0/Principal", json!("*"), "Principal"),
        ("/Statement/0/Resource", json!("orders"), "neither an ARN"),
        ("/_comment", json!("reads orders"), "unknown key `_comment`"),
    ] {
        let mut document = policy();
        let (parent, key) = at.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        let file = env.file("p.json", &document.to_string());
        for line in lines(&file) {
            let _ = env.podid(&line).code(2).says(says).says("p.json");
        }
        let text = manifest(&format!("{{name: p, document: {document}}}"));
        let _ = env.podid(&format!("apply -f {} --yes", env.file("m.yaml", &text))).code(2).says(says);
        let line = "associate carts/carts --role r --disable-session-tags --no-wait --yes --session-policy";
        let _ = env.podid(&format!("{line} {file}")).code(2).says(says);
    }
    assert!(env.world.journal().calls().is_empty());
}

#[test]
fn a_key_that_comes_twice_is_refused() {
    let env = Env::new("carts-role");
    let text = policy().to_string().replace(r#""Effect":"Allow""#, r#""Effect":"Deny","Effect":"Allow""#);
    let file = env.file("p.json", &text);
    for line in lines(&file) {
        let _ = env.podid(&line).code(2).says("line 1: the key `Effect` is used twice in one object (column");
    }
    let line = "associate carts/carts --role r --disable-session-tags --no-wait --yes --session-policy";
    let _ = env.podid(&format!("{line} {file}")).code(2).says("the key `Effect` is used twice");
    let line = ["agent", "install", "--yes", "--configuration-values", r#"{"a": 1, "a": 2}"#];
    let _ = env.run(&line).code(2).says("the key `a` is used twice");
    assert!(env.world.journal().calls().is_empty());
}

#[test]
fn placeholders_in_files_are_refused() {
    let env = Env::new("carts-role");
    for (resource, refused) in [
        ("arn:aws:s3:::<BUCKET>/*", true),
        ("arn:aws:s3:::${BUCKET}/*", true),
        ("arn:aws:s3:::YOUR-BUCKET/*", true),
        ("arn:aws:s3:::${aws:username}/*", false),
        ("arn:aws:s3:::${aws:PrincipalTag/kubernetes-namespace}/*", false),
    ] {
        let mut document = policy();
        document["Statement"][0]["Resource"] = json!(resource);
        let file = env.file("p.json", &document.to_string());
        let text = manifest(&format!("{{name: p, file: {file}}}"));
        let apply = format!("apply -f {} --yes", env.file("m.yaml", &text));
        for line in lines(&file).into_iter().chain([apply]) {
            let run = env.podid(&line.replace("--yes", "--dry-run")).code(if refused { 2 } else { 0 });
            assert_eq!(run.stderr.contains("looks like a placeholder"), refused, "{line}: {run}");
        }
    }
    // A document in the manifest may be an export of what IAM accepted.
    let mut document = policy();
    document["Statement"][0]["Resource"] = json!("arn:aws:s3:::<BUCKET>/*");
    let text = manifest(&format!("{{name: p, document: {document}}}"));
    let _ =
        env.podid(&format!("apply -f {} --dry-run", env.file("m.yaml", &text))).ok().says("looks like a placeholder");
}

#[test]
fn a_document_may_be_what_other_tools_print_around_it() {
    let env = Env::new("carts-role");
    for wrapped in [
        json!({"PolicyVersion": {"Document": policy(), "VersionId": "v1", "IsDefaultVersion": true}}),
        json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy()}),
        json!({"Policies": [{"Policy": policy(), "PolicyType": "Identity"}]}),
    ] {
        let file = env.file("p.json", &wrapped.to_string());
        for line in lines(&file) {
            let _ = env
                .podid(&line.replace("--yes", "--dry-run"))
                .ok()
                .says("note: ")
                .says("the policy document was read from `Polic");
        }
        let text = manifest(&format!("{{name: p, file: {file}}}"));
        let _ = env.podid(&format!("apply -f {} --dry-run", env.file("m.yaml", &text))).ok();
    }
    let file = env.file("p.json", &json!({"Policies": [{"Policy": policy()}, {"Policy": policy()}]}).to_string());
    for line in lines(&file) {
        let _ = env.podid(&line).code(2).says("`Policies` has 2 policies, not one");
    }
    assert!(env.writes().is_empty());
}

#[test]
fn wildcards_and_quotes_in_arns_are_refused() {
    let env = Env::new("carts-role");
    let associate = format!("associate carts/carts --role {ROLE} --no-wait --yes");
    let create = "associate carts/carts --create-role --no-wait --yes";
    for (line, fine, wrong) in [
        (format!("{associate} --target-role"), "arn:aws:iam::444455556666:role/x", "arn:aws:iam::*:role/x"),
        (format!("{associate} --target-role"), "arn:aws:iam::444455556666:role/x", "arn:aws:iam::444455556666:role/*"),
        (
            format!("{associate} --target-role"),
            "arn:aws:iam::444455556666:role/x",
            "arn:aws\":iam::444455556666:role/x",
        ),
        (format!("{associate} --target-role"), "arn:aws:iam::444455556666:role/x", "arn:aws:iam::44445555666:role/x"),
        (
            format!("{associate} --dynamodb"),
            "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
            "arn:aws:dynamodb:*:111122223333:table/eks-workshop-carts",
        ),
        (format!("{create} --path"), "/teams/", "/te*ms/"),
        (
            format!("{create} --permissions-boundary"),
            "arn:aws:iam::111122223333:policy/boundary",
            "arn:aws:iam::111122223333:policy/b*",
        ),
        (
            format!("{create} --policy-arn"),
            "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess",
            "arn:aws:iam::a?s:policy/AmazonDynamoDBFullAccess",
        ),
    ] {
        let _ = env.podid(&format!("{line} {wrong}")).code(2);
        let run = env.podid(&format!("{line} {fine}").replace("--yes", "--dry-run")).ok();
        let _ = if line.contains("target") { run.says(fine) } else { run };
    }
    assert!(env.writes().is_empty());
}

#[test]
fn a_key_that_dynamodb_answers_becomes_no_wildcard() {
    for (key, code) in
        [("arn:aws:kms:us-west-2:111122223333:key/0d1f", 0), ("arn:aws:kms:us-west-2:111122223333:key/*", 1)]
    {
        let env = Env::with("carts-role", &[("/tables/0/kms_key", json!(key))]);
        let run = env.podid(&format!("policy attach {ROLE} --dynamodb eks-workshop-carts --yes"));
        assert_eq!(run.code, code, "{run}");
        assert_eq!(env.writes().is_empty(), code != 0, "{run}");
    }
}

#[test]
fn a_cluster_or_table_that_a_service_answers_becomes_no_wildcard() {
    let answer = |of: &str, body: &Value| {
        let env = Env::new("carts-role");
        let (service, operation) = of.split_once('/').unwrap();
        let body = body.to_string().into_bytes();
        env.world.faults().add(Fault::always(service, operation, Action::Answer { status: 200, body }));
        env
    };
    let table =
        |arn: &str| json!({"Table": {"TableArn": arn, "TableName": "eks-workshop-carts", "TableStatus": "ACTIVE"}});
    let line = format!("policy attach {ROLE} --dynamodb eks-workshop-carts --yes");
    for (arn, granted) in [
        ("arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts", true),
        ("arn:aws:dynamodb:us-west-2:111122223333:table/*", false),
    ] {
        let env = answer("dynamodb/DescribeTable", &table(arn));
        let run = env.podid(&line).ok();
        assert_eq!(!run.stderr.contains("cannot use the response"), granted, "{run}");
        assert!(env.world.with(|state| state.aws.roles[ROLE].inline.values().all(|text| !text.contains("table/*"))));
    }
    let cluster =
        |arn: &str| json!({"cluster": {"name": "eks-workshop", "arn": arn, "version": "1.33", "status": "ACTIVE"}});
    for (arn, code) in [
        ("arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop", 0),
        ("arn:aws:eks:us-west-2:111122223333:cluster/*", 1),
    ] {
        let env = answer("eks/DescribeCluster", &cluster(arn));
        let run = env.podid("associate carts/carts --create-role --no-wait --yes");
        assert_eq!(run.code, code, "{run}");
        assert_eq!(env.writes().is_empty(), code != 0, "{run}");
    }
}

/// The same in a manifest: each key of it that takes a name or an ARN.
#[test]
fn wildcards_in_a_manifest_are_refused() {
    let env = Env::new("carts-role");
    let text = |role: &str, association: &str| {
        format!(
            "apiVersion: podid.dev/v1\nkind: PodIdentity\ncluster: eks-workshop\nroles:\n- {{name: new{role}}}\n\
             associations:\n- {{serviceAccount: carts/carts, role: new{association}}}\n"
        )
    };
    let role = "arn:aws:iam::444455556666:role";
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table";
    let key = "arn:aws:kms:us-west-2:111122223333:key";
    let policy = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess";
    let boundary = "arn:aws:iam::111122223333:policy";
    for (fine, wrong) in [
        (text("", &format!(", targetRole: '{role}/x'")), text("", &format!(", targetRole: '{role}/*'"))),
        (
            text("", &format!(", targetRole: '{role}/x'")),
            text("", ", targetRole: 'arn:aws\":iam::444455556666:role/x'"),
        ),
        (
            text(&format!(", policies: {{dynamodb: [{{table: '{table}/eks-workshop-carts'}}]}}"), ""),
            text(&format!(", policies: {{dynamodb: [{{table: '{table}/*'}}]}}"), ""),
        ),
        (
            text(&format!(", policies: {{dynamodb: [{{table: eks-workshop-carts, kmsKey: '{key}/0d1f'}}]}}"), ""),
            text(&format!(", policies: {{dynamodb: [{{table: eks-workshop-carts, kmsKey: '{key}/*'}}]}}"), ""),
        ),
        (
            text(&format!(", policies: {{managed: ['{policy}']}}"), ""),
            text(&format!(", policies: {{managed: ['{policy}*']}}"), ""),
        ),
        (
            text(&format!(", permissionsBoundary: '{boundary}/boundary'"), ""),
            text(&format!(", permissionsBoundary: '{boundary}/b*'"), ""),
        ),
        (text(", path: /teams/", ""), text(", path: '/te*ms/'", "")),
    ] {
        let _ = env.podid(&format!("apply -f {} --dry-run", env.file("m.yaml", &fine))).ok();
        let _ = env.podid(&format!("apply -f {} --yes", env.file("m.yaml", &wrong))).code(2);
        let _ = env.podid(&format!("diff -f {}", env.file("m.yaml", &wrong))).code(2);
    }
    assert!(env.writes().is_empty());
}

/// What `iam-policy` prints names one cluster, or says that it is any.
#[test]
fn a_named_cluster_is_no_pattern() {
    let env = Env::new("carts-role");
    for (args, code) in [
        (["--cluster", "arn:aws:eks:us-west-2:111122223333:cluster/shop", "--region", "us-west-2"], 0),
        (["--cluster", "arn:aws:eks:us-west-2:111122223333:cluster/*", "--region", "us-west-2"], 2),
        (["--cluster", "arn:aws:eks:*:111122223333:cluster/shop", "--region", "*"], 2),
        (["--cluster", "arn:aws:eks:us-west-2:*:cluster/shop", "--region", "us-west-2"], 2),
        (["--cluster", "shop", "--region", "us-west-*"], 2),
        (["--cluster", "sh*p", "--region", "us-west-2"], 2),
    ] {
        let run = env.run(&[&["iam-policy", "associate"][..], &args].concat());
        assert_eq!(run.code, code, "{args:?}: {run}");
    }
}

/// IAM takes odd characters in paths, so a service may answer them.
#[test]
fn a_role_with_an_odd_path_fails_no_list_and_becomes_no_pattern() {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }]});
    let target = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }]});
    for (path, odd) in [("/te*ms/a?/", true), ("/te\"$/", true), ("/teams/a/", false)] {
        let roles = [
            ("/roles/-", json!({"name": "odd", "path": path, "trust": trust})),
            ("/roles/-", json!({"name": "target", "trust": target})),
        ];
        let env = Env::with("carts-role", &roles);
        let _ = env.podid("role list").ok().says("odd");
        let _ = env.podid("role show odd").ok();
        let _ = env.podid("list").ok();
        let _ = env.podid("associate carts/carts --role odd --no-wait --dry-run").ok();
        let line = "associate carts/carts --role odd --target-role arn:aws:iam::111122223333:role/target";
        let run = env.podid(&format!("{line} --fix-target-trust --no-wait --yes"));
        assert_eq!(run.code, if odd { 2 } else { 0 }, "{run}");
        assert_eq!(env.writes().is_empty(), odd, "{run}");
    }
}

#[test]
fn a_role_of_any_path_is_read() {
    for path in ["/teams/", "/te*ms/$x/"] {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }]});
        let arn = format!("arn:aws:iam::111122223333:role{path}odd");
        let env = Env::with(
            "carts-role",
            &[
                ("/roles/-", json!({"name": "odd", "path": path, "trust": trust})),
                ("/associations/-", json!({"namespace": "carts", "service_account": "carts", "role": arn})),
            ],
        );
        for line in ["role list", "list -o wide", "show carts/carts", "role trust odd", "export"] {
            let _ = env.podid(line).ok();
        }
        let _ = env.podid("role list").ok().says("odd");
    }
}

/// Starts podid on a pipe that nobody writes to, and sends it signals once it waits there.
#[cfg(unix)]
pub(super) fn held(env: &Env, args: &[&str], signals: &[&str]) -> Run {
    let mut command = env.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    let pid = child.id().to_string();
    let listens = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
        // SIGINT and SIGTERM, which are registered one after the other.
        u64::from_str_radix(&caught, 16).unwrap_or_default() & 0x4002 == 0x4002
    };
    while !signals.is_empty() && !listens() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        std::thread::yield_now();
    }
    for signal in signals {
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }
    let run = finish(child);
    drop(open);
    run
}

#[cfg(target_os = "linux")]
#[test]
fn reading_ends_with_a_signal_or_the_deadline() {
    let env = Env::new("carts-role");
    let fifo = env.home.path().join("fifo.json").display().to_string();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for args in [
        vec!["apply", "-f", "-"],
        vec!["apply", "-f", &fifo],
        vec!["policy", "attach", ROLE, "--policy-file", "/dev/stdin"],
        vec!["policy", "attach", ROLE, "--policy-file", &fifo],
    ] {
        assert_eq!(held(&env, &args, &["INT"]).code, 130, "{args:?}");
        assert_eq!(held(&env, &args, &["TERM"]).code, 143, "{args:?}");
        let soon = [&args[..], &["--timeout", "100ms"]].concat();
        let _ = held(&env, &soon, &[]).code(5).says("while reading");
    }
}

#[test]
fn devices_folders_and_large_files_are_not_read() {
    let env = Env::new("carts-role");
    let large = env.file("large.json", &" ".repeat(2 << 20));
    for (file, says) in
        [("/dev/zero", "a device"), ("/dev", "a directory"), (large.as_str(), "larger than 1048576 bytes")]
    {
        for line in lines(file).into_iter().chain([format!("agent install --yes --configuration-values @{file}")]) {
            let _ = env.podid(&line).code(2).says(says);
        }
    }
    let _ = env.podid("apply -f /dev/zero --yes").code(2).says("a device");
    assert!(env.world.journal().calls().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_kubeconfig_is_no_endless_device() {
    let run = |path: &str| {
        let mut env = Env::new("carts-role");
        env.unset("PODID_CLUSTER").var("KUBECONFIG", path);
        let run = env.podid("list");
        (run.code, run.stderr.replace(path, "FILE"))
    };
    let (code, said) = run("/dev/zero");
    assert!(code == 2 && said.contains("it is a device"), "{code} {said}");
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("config");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(run("/dev/null"), run(&empty.display().to_string()), "`/dev/null` says that there is none");
}
