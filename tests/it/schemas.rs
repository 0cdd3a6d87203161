//! `podid schema COMMAND`: what the commands print is what their schemas say, in every test that reads JSON.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::Validator;
use podid::commands::outputs;
use serde_json::{Value, json};

use crate::{
    architecture::source::root,
    generated::outputs::is_manifest,
    iam_policy::proof::lines::migrated,
    support::{Env, PODID, Run},
};

static KNOWN: Mutex<BTreeMap<&str, Arc<Validator>>> = Mutex::new(BTreeMap::new());

fn validator(command: &'static str) -> Arc<Validator> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || {
        let schema = outputs::schema(command).unwrap();
        Arc::new(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
    };
    Arc::clone(known.entry(command).or_insert_with(made))
}

/// The command of a line, where its JSON has a schema.
fn command(args: &[&str]) -> Option<&'static str> {
    let json = args.windows(2).any(|pair| pair == ["-o", "json"]);
    // It prints its steps, as a command that changes something.
    let other = args.starts_with(&["role", "trust"]) && args.contains(&"--fix");
    let named = |name: &&str| name.split(' ').eq(args.iter().copied().take(name.split(' ').count()));
    outputs::commands().find(named).filter(|_| json && !other)
}

fn wrong(command: &'static str, document: &Value) -> Vec<String> {
    let validator = validator(command);
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every document that a run printed is one of its schema's.
#[track_caller]
pub(crate) fn check(args: &[&str], run: &Run) {
    if let Some(wrong) = differs(args, run) {
        panic!("{args:?} is not what its schema says: {wrong}");
    }
}

fn differs(args: &[&str], run: &Run) -> Option<String> {
    let command = command(args)?;
    // A watch prints several; a run that was stopped may have printed half of one.
    for document in serde_json::Deserializer::from_str(&run.stdout).into_iter::<Value>() {
        let Ok(document) = document else {
            return [0, 3].contains(&run.code).then(|| format!("no JSON: {run}"));
        };
        let wrong = wrong(command, &document);
        if !wrong.is_empty() {
            return Some(format!("{wrong:#?}\n{document:#}"));
        }
    }
    None
}

/// Lines of every command with a schema, in worlds where they have much to say.
const LINES: &[(&str, &str)] = &[
    ("carts-verified", "list"),
    ("carts-verified", "list -c eks-workshop -c blue"),
    ("carts-verified", "show carts/carts"),
    ("carts-before", "show carts/carts"),
    ("carts-verified", "show deployment/carts -n carts"),
    ("carts-verified", "show carts/carts --no-pods"),
    ("carts-verified", "role list"),
    ("carts-verified", "role list --unused"),
    ("carts-verified", "role show eks-workshop-carts-dynamo"),
    ("carts-verified", "role trust eks-workshop-carts-dynamo --service-account carts/carts"),
    ("carts-verified", "role trust eks-workshop-nodes"),
    ("carts-verified", "policy print --dynamodb eks-workshop-carts --s3 images=read"),
    ("carts-verified", "policy dynamodb eks-workshop-carts"),
    ("carts-verified", "policy show"),
    ("carts-verified", "policy show external-dns"),
    ("carts-verified", "policy lint docs/SUMMARY.md"),
    ("carts-addons", "addon list"),
    ("carts-addons", "addon show vpc-cni"),
    ("carts-verified", "import tests/it/file/eksctl.yaml"),
    ("carts-agent", "agent status"),
    ("carts-before", "agent status"),
    ("carts-verified", "verify carts/carts"),
    ("carts-before", "verify carts/carts"),
    ("carts-verified", "verify carts/carts -c eks-workshop -c blue"),
    ("carts-verified", "verify --list-checks"),
    ("carts-verified", "verify --explain trust.condition"),
    ("carts-verified", "explain arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts"),
    (
        "carts-verified",
        "explain --cluster eks-workshop arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts",
    ),
    ("carts-verified", "who-can dynamodb:Query eks-workshop-carts --all"),
    ("carts-verified", "access carts/carts"),
    ("carts-verified", "audit"),
    ("carts-verified", "audit --last-accessed"),
    ("carts-verified", "audit --fix --dry-run"),
    ("carts-irsa", "audit"),
    ("carts-verified", "map"),
    ("carts-before", "map --verify"),
    ("carts-verified", "wait carts/carts --for agent"),
    ("carts-before", "diff -f examples/carts.yaml"),
    ("carts-moved", "diff -f examples/carts.yaml"),
    ("carts-verified", "export"),
    ("carts-verified", "export -c eks-workshop -c blue"),
    ("carts-verified", "role list -c eks-workshop -c blue"),
    ("carts-irsa", "migrate plan --all"),
    ("carts-moved", "migrate plan --all"),
    ("carts-verified", "iam-policy"),
    ("carts-verified", "iam-policy verify --rbac"),
    ("carts-verified", "version"),
];

#[test]
fn every_document_is_as_its_schema_says() {
    for command in outputs::commands() {
        let found = LINES.iter().any(|(_, line)| line.starts_with(command));
        assert!(found, "no line of `podid {command}`");
    }
    let mut broken = Vec::new();
    for (scenario, line) in LINES {
        let env = match *scenario {
            "carts-moved" => Env::with("carts-irsa", &migrated()),
            scenario => Env::new(scenario),
        };
        let line = format!("{line} -o json");
        let args: Vec<&str> = line.split_whitespace().collect();
        let run = env.run(&args);
        // Nothing may be there that is not described.
        match serde_json::from_str::<Value>(&run.stdout) {
            Ok(mut document) => {
                document["surprise"] = json!(1);
                if wrong(command(&args).unwrap(), &document).is_empty() {
                    broken.push(format!("{scenario}: {line}: the schema is open"));
                }
            }
            Err(_) => broken.push(format!("{scenario}: {line}: {run}")),
        }
        broken.extend(differs(&args, &run).map(|wrong| format!("{scenario}: {line}: {wrong}")));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// Of several files the manifests are a list.
#[test]
fn several_files_are_a_list() {
    let env = Env::new("carts-before");
    let all = env.podid("import tests/it/file/eksctl.yaml tests/it/file/eksctl.yaml -o json").ok().json();
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
    assert_eq!(wrong("import", &all), [""; 0]);
}

/// Not the documents alone: every object in them.
#[test]
fn no_object_is_open() {
    fn open(schema: &Value, path: &str, found: &mut Vec<String>) {
        if let Value::Object(fields) = schema {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                found.push(path.to_owned());
            }
            fields.iter().for_each(|(key, below)| open(below, &format!("{path}/{key}"), found));
        }
        if let Value::Array(all) = schema {
            all.iter().enumerate().for_each(|(at, below)| open(below, &format!("{path}/{at}"), found));
        }
    }
    // The manifest's keys are its own.
    for command in outputs::commands().filter(|command| !is_manifest(command)) {
        let mut found = Vec::new();
        open(&outputs::schema(command).unwrap(), "", &mut found);
        assert_eq!(found, [""; 0], "{command}");
    }
}

#[test]
fn schemas_are_printed_by_name() {
    let env = Env::new("carts-before");
    for line in ["schema role list", "schema podid role list"] {
        let schema = env.podid(line).ok().json();
        assert_eq!(schema, outputs::schema("role list").unwrap(), "{line}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$id"], "https://podid.dev/schema/output/role-list.json");
    }
    assert_eq!(env.run(&["schema", "role list"]).ok().json()["title"], "podid role list");
    let run = env.podid("schema lst").code(2);
    assert!(run.stderr.contains("there is no schema for the command `lst`; did you mean `list`?"), "{run}");
    assert!(run.stderr.contains("commands with a schema: list, show, role list"), "{run}");
    let run = env.podid("schema migrate").code(2);
    assert!(run.stderr.contains("did you mean `migrate plan`?"), "{run}");
    assert!(env.world.journal().calls().is_empty());
}

/// The page's lines run, and name only fields that there are.
#[test]
fn the_examples_of_the_page_run() {
    let page = std::fs::read_to_string(root().join("docs/automation.md")).unwrap();
    let env = Env::new("carts-verified");
    let podid = std::path::Path::new(PODID).parent().unwrap().display().to_string();
    let jq = std::path::Path::new("/usr/bin/jq").exists();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("podid ") && line.contains(" | jq ")).collect();
    assert!(lines.len() > 5, "{lines:?}");
    for line in lines {
        let (command_line, filter) = line.split_once(" | jq ").unwrap();
        let args: Vec<&str> = command_line.split_whitespace().skip(1).collect();
        let schema = outputs::schema(command(&args).unwrap()).unwrap().to_string();
        for word in filter.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')) {
            for field in word.split('.').skip(1).filter(|field| !field.is_empty()) {
                assert!(schema.contains(&format!("\"{field}\":{{")), "{line}: no field `{field}`");
            }
        }
        let _ = env.run(&args);
        if jq {
            let mut shell = Command::new("sh");
            shell.args(["-c", line]).env_clear();
            env.environment(|name, value| {
                shell.env(name, value);
            });
            let output = shell.env("PATH", format!("{podid}:/usr/bin:/bin")).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
