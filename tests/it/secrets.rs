//! What must never be told: keys, tokens and what Secrets hold, planted wherever podid comes by, are in no output of any command at
//! the highest verbosity, and in no file that it leaves.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    faults::ending,
    iam_policy::proof::lines::Line,
    manners::{LINES, changed},
    support::{APP, Env, Run, SOON, at_once, flagged},
};

const AT_ONCE: usize = 6;

/// Planted: in the caller's key, in other profiles, in a proxy's address, in a Secret and a ConfigMap, and in a pod's environment.
const KEY: &str = "cA11er5ecretSent1nelOfTheSignature000000";
const PROFILE: &str = "pr0f1leSent1nelOfAnotherAccount000000000";
const PROXY: &str = "pr0xySent1nel";
const SECRET: &str = "secretSent1nelOfAWorkload";
const ENCODED: &str = "c2VjcmV0U2VudDFuZWxPZkFXb3JrbG9hZA==";
const VARIABLE: &str = "var1ableSent1nelOfAWorkload0000000000000";

const PLANTED: [&str; 6] = [KEY, PROFILE, PROXY, SECRET, ENCODED, VARIABLE];

/// And what services hand out and calls are signed with: how session tokens, keys and signed tokens begin. A key's id is shown
/// as `ASIA***`.
const HANDED_OUT: &str = r"IQoJb3JpZ2luX2Vj|ASIA[A-Z0-9]|eyJ[A-Za-z0-9_-]{10}|(?i:k8s-aws-v1\.|X-Amz-Signature|X-Amz-Security-Token|Signature=|Authorization: |Bearer )";

fn planted(line: &Line) -> Env {
    let meta = |name: &str| json!({ "name": name, "namespace": "carts" });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta("keys"), "data": { "AWS_SECRET_ACCESS_KEY": ENCODED } });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("more"), "data": { "AWS_SESSION_TOKEN": VARIABLE, "DB_PASSWORD": VARIABLE } });
    let set: Vec<(&str, Value)> =
        [("/callers/0/secret_access_key", json!(KEY)), ("/manifests/-", secret), ("/manifests/-", map)]
            .into_iter()
            .chain(line.set.iter().cloned())
            .collect();
    let mut env = Env::with(line.scenario, &set);
    let other = format!(
        "[other]\naws_access_key_id = AKIAOTHER00000000000\naws_secret_access_key = {PROFILE}\naws_session_token = {PROFILE}\n"
    );
    let _ = env.file(".aws/credentials", &other);
    let temporary = env.home.path().join("tmp-of-podid");
    fs::create_dir(&temporary).unwrap();
    let temporary = temporary.display().to_string();
    env.var("TMPDIR", &temporary)
        .var("HTTPS_PROXY", &format!("http://user:{PROXY}@127.0.0.1:9"))
        .var("NO_PROXY", "127.0.0.1")
        .var("DB_PASSWORD", VARIABLE);
    env.world.wait_until(SOON, line.once).unwrap();
    env
}

/// The first of these, or of what services hand out, that a text tells.
fn told(text: &str, planted: &[&str]) -> Option<String> {
    let lower = text.to_lowercase();
    let handed_out = regex::Regex::new(HANDED_OUT).unwrap();
    let found = planted.iter().find(|secret| lower.contains(&secret.to_lowercase())).map(|secret| (*secret).to_owned());
    found.or_else(|| handed_out.find(text).map(|found| found.as_str().to_owned()))
}

/// No credential in any form, and none of these, in what a run says.
#[track_caller]
pub(crate) fn assert_silent(run: &Run, planted: &[&str]) {
    for text in [&run.stdout, &run.stderr] {
        assert_eq!(told(text, planted), None, "{run}");
    }
}

/// Every file below, but what the test planted.
fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else if !entry.path().ends_with(".aws/credentials") {
            let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            found.push((entry.path().display().to_string(), text));
        }
    }
}

fn silent(env: &Env, words: &str, run: &Run) {
    // What it is asked for.
    let handed_out = words.starts_with("credentials ");
    let stdout = if handed_out { String::new() } else { run.stdout.clone() };
    assert_silent(&Run { stdout, ..run.clone() }, &PLANTED);
    let mut left = Vec::new();
    files(env.home.path(), &mut left);
    for (name, text) in &left {
        assert_eq!(told(text, &PLANTED), None, "{words}: {name}");
    }
    let temporary: Vec<&String> =
        left.iter().map(|(name, _)| name).filter(|name| name.contains("/tmp-of-podid/")).collect();
    assert_eq!(temporary, [""; 0], "{words}");
}

/// Each command, carried out, says what it does at length.
#[test]
fn whatever_is_done() {
    at_once(AT_ONCE, &ending(), |line| {
        let env = planted(line);
        let words = flagged(&line.words, "-vvv");
        let run = env.podid(&words).code(line.code);
        // It is a secret only as long as there is talk around it.
        assert!(run.stderr.contains("DEBUG"), "{words}\n{run}");
        silent(&env, &words, &run);
    });
}

/// In every form of output.
#[test]
fn in_every_form() {
    at_once(AT_ONCE, LINES, |(scenario, words)| {
        for form in ["table", "json", "yaml", "name"] {
            let (scenario, set) = changed(scenario);
            let env = planted(&Line::new(scenario, &set, *words));
            let words = flagged(words, &format!("-o {form} -vvv"));
            silent(&env, &words, &env.podid(&words));
        }
    });
}

/// What a workload holds: read where podid looks for keys that shadow the role's, and never shown.
#[test]
fn of_a_workload() {
    const ENV: &str = "/manifests/8/spec/template/spec/containers/0/env";
    const FROM: &str = "/manifests/8/spec/template/spec/containers/0/envFrom";
    let variables =
        json!([{ "name": "AWS_SECRET_ACCESS_KEY", "value": VARIABLE }, { "name": "DB_PASSWORD", "value": VARIABLE }]);
    let from = json!([{ "secretRef": { "name": "keys" } }, { "configMapRef": { "name": "more" } }]);
    let crash = format!("crash AccessDenied: AWS_SECRET_ACCESS_KEY={VARIABLE} password={VARIABLE}");
    for set in [[(ENV, variables)], [(FROM, from)], [(APP, json!(crash))]] {
        for form in ["table", "json", "yaml", "name", "junit", "github", "markdown", "sarif"] {
            let env = planted(&Line::new("carts-verified", &set, ""));
            let words = format!("verify carts/carts --read-secrets --live -o {form} -vvv");
            let run = env.podid(&words);
            assert!(matches!(run.code, 0 | 3), "{run}");
            silent(&env, &words, &run);
        }
    }
}
