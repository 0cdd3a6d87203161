//! `podid verify --save` and `--from`: the same verdict without any service, and no secret in the file. That both agree is checked in
//! the worlds of the other tests of `verify` too.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::saved;
use crate::{
    manners::changed,
    support::{APP, Env, PODID, Run, at_once, denying, finish, forbidding},
};

/// podid with no environment at all.
pub(super) fn offline(args: &[&str]) -> Run {
    let mut command = Command::new(PODID);
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

/// A saved file of a world, and its text.
fn file_of(env: &Env, args: &str) -> (String, String) {
    let file = env.home.path().join("podid.json").display().to_string();
    let run = env.podid(&format!("verify {args} --save {file}"));
    assert!(matches!(run.code, 0 | 3 | 4), "{run}");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{e}\n{run}"));
    (file, text)
}

/// Every scenario, and worlds in which not everything may be read or nothing answers.
#[test]
fn the_verdict_is_the_same_in_every_scenario() {
    let scenarios = [
        "carts-before",
        "carts-agent",
        "carts-role",
        "carts-associated",
        "carts-verified",
        "carts-fleet",
        "carts-irsa",
        "carts-addons",
    ];
    let there = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/scenarios")).unwrap().count();
    assert_eq!(scenarios.len(), there);
    let mut worlds: Vec<(&str, Vec<(&str, Value)>)> =
        scenarios.into_iter().chain(["carts-old-agent", "carts-moved"]).map(changed).collect();
    for set in [
        denying("iam:SimulatePrincipalPolicy"),
        denying(json!(["iam:SimulatePrincipalPolicy", "iam:GetRolePolicy"])),
        denying("iam:GetRole"),
        denying("eks:DescribeAddon"),
        forbidding(&["list pods"]),
        forbidding(&["get pods/log"]),
    ] {
        worlds.push(("carts-verified", vec![set]));
    }
    at_once(4, &worlds, |(scenario, set)| {
        let env = Env::with(scenario, set);
        let live = saved(&env, "--all");
        assert!(!live.stdout.is_empty(), "{live}");
        let _ = saved(&env, "carts/carts carts/none --dynamodb eks-workshop-carts=read-write --live --read-secrets");
        let _ = saved(&env, "deployment/carts -n carts --no-logs");
    });
    let env = Env::new("carts-verified");
    let _ = saved(&env, "carts/carts --kubeconfig /none").code(2);
}

/// In a variable, a Secret, a ConfigMap, a tag, annotations, and in logs, with and without a word that tells what it is.
#[test]
fn no_secret_is_in_the_file() {
    const SECRET: &str = "pl4ntedSent1nelOfAWorkload00000000000000";
    const ENCODED: &str = "cGw0bnRlZFNlbnQxbmVsT2ZBV29ya2xvYWQwMDAwMDAwMDAwMDAwMA==";
    const AT: &str = "/manifests/8/spec/template";
    let meta = |name: &str| json!({ "name": name, "namespace": "carts" });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta("keys"), "data": { "AWS_SECRET_ACCESS_KEY": ENCODED } });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("more"),
        "data": { "AWS_SESSION_TOKEN": SECRET, "DB_PASSWORD": SECRET, "AWS_ENDPOINT_URL": format!("http://user:{SECRET}@proxy") } });
    let variables = json!([
        { "name": "AWS_SECRET_ACCESS_KEY", "value": SECRET },
        { "name": "HTTPS_PROXY", "value": format!("http://user:{SECRET}@proxy:3128") },
        { "name": "NO_PROXY", "value": format!("http://user:{SECRET}@proxy:3128") },
        { "name": "JAVA_TOOL_OPTIONS", "value": format!("-Daws.accessKeyId=AKIAIOSFODNN7EXAMPLE -Daws.secretKey={SECRET}") },
        { "name": "OTHER", "value": SECRET },
    ]);
    let from = json!([{ "secretRef": { "name": "keys" } }, { "configMapRef": { "name": "more" } }]);
    let (env, from_at) = (format!("{AT}/spec/containers/0/env"), format!("{AT}/spec/containers/0/envFrom"));
    let applied = format!("{AT}/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration");
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYXJ0cyJ9.c2lnbmF0dXJlLW9mLWNhcnRz";
    let denied =
        "is not authorized to perform: dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/x";
    for log in [
        format!("crash the word of today is {SECRET}\nAccessDenied: {denied}"),
        format!(
            "crash CredentialsProviderError: 169.254.170.23 is not a valid container metadata service hostname, token: {SECRET}"
        ),
        // What a mask takes to the end of the line has the message behind it.
        format!(
            "crash {{\"headers\":{{\"authorization\":\"Bearer {SECRET}\"}},\"err\":\"AccessDenied: Access Denied\"}}"
        ),
        format!("crash the word of today is {SECRET}"),
        format!(
            "crash AccessDenied: AWS_SECRET_ACCESS_KEY={SECRET} AKIAIOSFODNN7EXAMPLE password={SECRET} {jwt} {denied}"
        ),
        format!(
            "crash Error: cannot connect to postgres://carts:{SECRET}@db/carts with Authorization: Bearer {SECRET}"
        ),
    ] {
        let world = Env::with(
            "carts-verified",
            &[
                ("/manifests/-", secret.clone()),
                ("/manifests/-", map.clone()),
                (&env, variables.clone()),
                (&from_at, from.clone()),
                (&applied, json!(SECRET)),
                ("/roles/1/tags", json!({ "DbPassword": SECRET })),
                ("/associations/0/tags", json!({ "ApiToken": SECRET })),
                (APP, json!(log)),
            ],
        );
        let (file, text) = file_of(&world, "--all --read-secrets --live");
        for told in [SECRET, ENCODED, "AKIAIOSFODNN7EXAMPLE", "c2lnbmF0dXJl", "ASIA", "IQoJb3JpZ2lu"] {
            // The last line of a crash is what the verdict quotes.
            if !(log.ends_with(&format!("today is {SECRET}")) && told == SECRET) {
                assert!(!text.contains(told), "{told} in\n{text}");
            }
        }
        assert!(text.contains("\"DbPassword\": \"***\"") && text.contains("\"ApiToken\": \"***\""), "{text}");
        let _ = offline(&["verify", "--from", &file]).code(3);
    }
}

#[test]
fn the_file_is_the_callers_own_and_replaces_none() {
    let env = Env::new("carts-verified");
    let (file, text) = file_of(&env, "carts/carts");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let calls = env.operations().len();
    let again = format!("verify carts/carts --save {file}");
    let _ = env.podid(&again).code(2).says("exists").says("--force");
    let folder = env.home.path().display();
    let _ = env.podid(&format!("verify carts/carts --save {folder}")).code(2).says("is a directory");
    let _ = env.podid(&format!("verify carts/carts --save {folder}/none/x")).code(2).says("does not exist");
    assert_eq!(env.operations().len(), calls, "refused before anything is read");
    let run = env.podid(&format!("{again} --force")).ok();
    for words in [
        "saved `",
        "what podid read of 1 service account",
        "look through it before you send it to others",
        "podid verify --from",
    ] {
        assert!(run.stderr.contains(words), "{words}\n{run}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), text.lines().count());
    // What stands there and is no file stays.
    let link = env.home.path().join("link").display().to_string();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let _ = env.podid(&format!("verify carts/carts --save {link} --force")).code(1).says("cannot write");
    for (words, why) in [
        ("verify carts/carts --save -", "`--save` writes a file"),
        ("verify carts/carts --save x -c eks-workshop -c blue", "one cluster"),
        ("verify carts/carts --save x --watch", "cannot be used with"),
        ("verify carts/carts --save x --all-clusters", "cannot be used with"),
        ("verify carts/carts --force", "--save"),
    ] {
        let _ = env.podid(words).code(2).says(why);
    }
}

/// A service that would be called answers nowhere, and is seen to be called.
#[test]
fn no_service_is_called() {
    let env = Env::with("carts-verified", &[("/associations/0/namespace", json!("cart"))]);
    let (file, _) = file_of(&env, "--all");
    let service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    service.set_nonblocking(true).unwrap();
    let url = format!("http://{}", service.local_addr().unwrap());
    let calls = env.operations().len();
    let mut command = env.command(&["verify", "--from", &file]);
    for name in ["AWS_ENDPOINT_URL", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env(name, &url);
    }
    let run = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).code(3);
    assert!(service.accept().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "{run}");
    assert_eq!(env.operations().len(), calls);
    let head = run.stdout.lines().next().unwrap();
    let arn = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
    assert!(head.starts_with(&format!("Read from {arn} at 2")) && head.contains(" by podid "), "{run}");
    assert!(run.stdout.contains("association.missing"), "{run}");
    for (form, words) in [("markdown", "- Read: "), ("yaml", "readFrom:"), ("name", "carts/carts association.missing")]
    {
        let run = offline(&["verify", "--from", &file, "-o", form]).code(3);
        assert!(run.stdout.contains(words), "{run}");
    }
    let text = std::fs::read(&file).unwrap();
    let mut command = Command::new(PODID);
    command
        .args(["verify", "--from", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
    let _ = finish(child).code(3).says("association.missing");
}

#[test]
fn what_is_named_is_taken_from_the_file() {
    let env = Env::new("carts-verified");
    let (file, _) = file_of(&env, "carts/carts kube-system/default");
    let run = |args: &[&str]| offline(&[&["verify", "--from", &file], args].concat());
    let _ = run(&[]).code(3).says("2 service accounts");
    let _ = run(&["carts/carts"]).ok().says("All checks passed");
    let _ = run(&["-n", "carts"]).ok().says("All checks passed");
    let _ = run(&["carts", "-n", "carts"]).ok().says("All checks passed");
    let _ = run(&["carts/cart"]).code(2).says("is not in").says("carts/carts, kube-system/default");
    let _ = run(&["deployment/carts", "-n", "carts"]).code(2).says("is not a service account");
    for flag in ["--watch", "--live", "--all-clusters", "--read-secrets", "--no-logs", "--list-checks"] {
        let _ = run(&[flag]).code(2).says("cannot be used with");
    }
    let _ = run(&["--s3", "carts-images=read"]).code(2).says("cannot be used with");
    let _ = run(&["--cluster", "blue"]).code(2).says("`--cluster` conflicts with `--from`");
    let _ = run(&["--profile", "x"]).code(2).says("`--profile` conflicts with `--from`");
}

#[test]
fn what_is_no_such_file_is_refused() {
    let env = Env::new("carts-verified");
    let (file, text) = file_of(&env, "carts/carts");
    let refused = |text: &str, why: &str| {
        let bad = env.file("bad.json", text);
        let run = offline(&["verify", "--from", &bad]).code(2);
        assert!(run.stderr.contains("bad.json`") && run.stderr.contains(why), "{why}\n{run}");
    };
    refused("", "not written by");
    refused("a: 1", "not written by");
    refused(&text[..text.len() / 2], "line ");
    refused("{}", "not written by `podid verify NS/SA --save FILE`");
    refused("[1]", "not written by `podid verify NS/SA --save FILE`");
    refused(&text.replace("podid-bundle", "other"), "not written by `podid verify NS/SA --save FILE`");
    refused(&text.replacen("\"version\": 1", "\"version\": 2", 1), "it has format 2 (written by podid ");
    refused(&text.replacen("\"version\": 1", "\"version\": 2", 1), "install the latest podid");
    refused(
        &text.replacen("\"phase\": \"Running\"", "\"phase\": 1", 1),
        "invalid type: integer `1`, expected a string at line ",
    );
    refused(&text.replacen("\"snapshots\"", "\"snap\"", 1), "missing field `snapshots`");
    refused(&text.replacen("\"podid\": \"", "\"podid\": \"\\u001b[2J", 1), "not written by");
    refused(&format!("{}{}", "[".repeat(1000), "]".repeat(1000)), "");
    let _ = offline(&["verify", "--from", "/none"]).code(2).says("cannot read `/none`");
    let _ = offline(&["verify", "--from", "/dev/zero"]).code(2).says("a device");
    // A newer podid may add to it.
    let more = env.file("more.json", &text.replacen("\"version\": 1", "\"more\": 1, \"version\": 1", 1));
    let _ = offline(&["verify", "--from", &more]).ok();
    let hostile = text.replace("\"carts-", "\"\\u001b[2Jcarts\\n::error::x\\u202e-");
    let run = offline(&["verify", "--from", &env.file("hostile.json", &hostile), "-vv"]);
    assert!(!run.to_string().contains(['\u{1b}', '\u{202e}']) && !run.stdout.contains("\n::error"), "{run}");
    // A name that ends a command leads to none.
    let bare = Env::with("carts-verified", &[("/associations", json!([]))]);
    let (_, text) = file_of(&bare, "carts/carts");
    let ends =
        text.replace("\"eks-workshop\"", "\"eks;reboot\"").replace("\"name\": \"carts\"", "\"name\": \"carts;reboot\"");
    assert_ne!(ends, text);
    let run = offline(&["verify", "--from", &env.file("ends.json", &ends)]).code(2);
    assert!(run.stderr.contains("do not trust who sent it") && run.stdout.is_empty(), "{run}");
    let _ = file;
}

/// Each value is replaced by the extremes of its type: no check panics, whatever a file says.
#[test]
fn no_value_of_a_file_stops_podid() {
    let env = Env::with("carts-verified", &[(APP, json!("crash AccessDenied"))]);
    let (_, text) = file_of(&env, "carts/carts carts/none --dynamodb eks-workshop-carts=read --live");
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut paths = Vec::new();
    leaves(&document, String::new(), &mut paths);
    assert!(paths.len() > 300, "{}", paths.len());
    let mut read = 0;
    for path in &paths {
        let others = match document.pointer(path).unwrap() {
            Value::String(_) => vec![json!(""), json!("\u{1b}[2J"), json!("a/b:c"), json!("-9999-12-31T23:59:59Z")],
            Value::Number(_) => vec![json!(0), json!(u64::MAX), json!(i64::MIN), json!(255)],
            Value::Bool(is) => vec![json!(!is)],
            _ => vec![json!([]), json!({}), json!("notRequested"), Value::Null],
        };
        for other in others {
            let mut changed = document.clone();
            *changed.pointer_mut(path).unwrap() = other;
            let Ok(bundle) = podid::model::bundle::Bundle::parse(&changed.to_string()) else { continue };
            let Ok((_, _, snapshots)) = bundle.restored() else { continue };
            read += 1;
            for snapshot in &snapshots {
                let report = podid::checks::check(snapshot);
                let _ = podid::checks::uses_aws(snapshot, &report);
            }
        }
    }
    assert!(read > 300, "{read}");
}

fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().enumerate().for_each(|(at, one)| leaves(one, format!("{path}/{at}"), found)),
        Value::Object(map) => {
            for (key, one) in map {
                leaves(one, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => found.push(path.clone()),
    }
    if !path.is_empty() && (value.is_array() || value.is_object()) {
        found.push(path);
    }
}
