//! The gates of examples/gates/ and the plugin of contrib/k9s/: each file parses, each command of it is one of podid's, and in a cluster
//! without AWS credentials a gate opens when new pods are injected, and stays closed when they are not.

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::Parser;
use podid::cli::Cli;
use serde_json::{Value, json};

use crate::{architecture::source::root, support::Env};

/// The image that the gates run, without its tag.
const IMAGE: &str = "ghcr.io/podid/podid:";

fn files(folder: &str, end: &str) -> Vec<(PathBuf, String)> {
    let paths = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|found| found == end)).collect();
    found.sort();
    assert!(!found.is_empty(), "no {end} in {folder}");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize;
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// Every object below a value, itself included.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.push(value);
            fields.values().for_each(|field| objects(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        _ => {}
    }
}

/// The arguments of podid's containers in a file.
fn gates(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for document in documents(text) {
        let mut all = Vec::new();
        objects(&document, &mut all);
        for container in all {
            let Some(tag) = container["image"].as_str().and_then(|image| image.strip_prefix(IMAGE)) else { continue };
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "the image's tag");
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "podid writes no files");
            commands.push(serde_json::from_value(container["args"].clone()).unwrap());
        }
    }
    commands
}

fn parses<'a>(words: impl IntoIterator<Item = &'a str>, place: &str) {
    let parsed = Cli::try_parse_from(std::iter::once("podid").chain(words));
    assert!(parsed.is_ok(), "{place}: {}", parsed.err().unwrap());
}

#[test]
fn each_gate_opens_and_stays_closed() {
    let healthy = Env::new("carts-associated").without_aws();
    let broken = Env::with("carts-associated", &[("/associations/0/service_account", json!("other"))]).without_aws();
    let mut commands = BTreeSet::new();
    for (path, text) in files("examples/gates", "yaml") {
        let of_this = gates(&text);
        assert!(!of_this.is_empty() || path.ends_with("rbac.yaml"), "{}: no gate", path.display());
        for words in of_this {
            parses(words.iter().map(String::as_str), &path.display().to_string());
            commands.insert(words);
        }
    }
    for words in commands {
        for (env, code) in [(&healthy, 0), (&broken, 5)] {
            // A test has no token at the place where a pod has one; the time limit is for clusters that are slower.
            let kubeconfig = env.kubeconfig();
            let line = words.join(" ").replace("--in-cluster", &format!("--kubeconfig {kubeconfig}"));
            let _ = env.podid(&line.replace("--timeout 5m", "--timeout 8s")).code(code);
        }
    }
}

#[test]
fn the_permission_of_a_gate_is_enough() {
    let text = fs::read_to_string(root().join("examples/gates/rbac.yaml")).unwrap();
    let role = documents(&text).into_iter().find(|document| document["kind"] == "Role").unwrap();
    assert_eq!(role["rules"], json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["create"] }]));
    let env = Env::new("carts-associated").without_aws();
    let kubeconfig = env.kubeconfig();
    let _ = env.podid(&format!("wait carts/carts --for ready --kubernetes-only --kubeconfig {kubeconfig}")).ok();
    let asked: BTreeSet<String> = env.operations().into_iter().collect();
    assert_eq!(asked, BTreeSet::from(["kubernetes create pods (dry-run)".to_owned()]));
}

#[test]
fn the_command_of_terraform_is_podids() {
    for (path, text) in files("examples/gates", "tf") {
        let commands: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("command = \"podid ")?.strip_suffix('"')).collect();
        assert_eq!(commands.len(), 1, "{}", path.display());
        parses(commands[0].split(' '), &path.display().to_string());
    }
}

#[test]
fn the_commands_of_k9s_are_podids() {
    for (path, text) in files("contrib/k9s", "yaml") {
        let [document] = &documents(&text)[..] else { panic!("{}: one document", path.display()) };
        let mut taken = BTreeSet::new();
        for (name, plugin) in document["plugins"].as_object().unwrap() {
            for scope in plugin["scopes"].as_array().unwrap() {
                assert!(taken.insert((plugin["shortCut"].to_string(), scope.to_string())), "{name}: its key is taken");
            }
            let line = plugin["args"][1].as_str().unwrap();
            let line = line.split(" 2>&1").next().unwrap().strip_prefix("podid ").unwrap();
            let line = line.replace("$NAMESPACE", "carts").replace("$NAME", "carts").replace("'$CONTEXT'", "prod");
            assert!(!line.contains('$'), "{name}: k9s has no such variable: {line}");
            parses(line.split(' '), name);
        }
    }
}
