//! The house's rules, read from the source tree: who may use whom, who sleeps, who prints, how long a file may be.

mod picture;
pub(crate) mod source;

use std::{collections::BTreeSet, fs};

use source::{Source, root, sources, tokens, without_tests};

/// Which rooms a room may use besides itself and std; `aws` stands for `src/aws.rs` or `src/aws/`.
const MAY: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("failure", &[]),
    ("secrets", &[]),
    ("files", &[]),
    ("wait", &["failure"]),
    ("calls", &[]),
    ("ports", &["failure", "model"]),
    ("explain", &["failure", "model"]),
    ("plan", &["model"]),
    ("aws", &["calls", "explain", "failure", "model", "ports", "secrets", "wait"]),
    ("k8s", &["calls", "explain", "failure", "files", "model", "output::mask", "ports", "secrets", "wait"]),
    ("local", &["failure", "ports", "secrets", "wait"]),
    ("checks", &["model", "plan"]),
    ("observe", &["failure", "model", "output::mask", "ports"]),
    ("execute", &["failure", "model", "observe", "plan", "ports", "wait"]),
    ("prove", &["explain", "failure", "model", "observe", "output::Progress", "output::mask", "ports", "wait"]),
    ("manifest", &["failure", "files", "model"]),
    ("output", &["failure", "model", "plan", "secrets"]),
    ("settings", &["failure", "model"]),
    ("args", &["model", "output"]),
    ("cli", &["args", "commands"]),
    ("context", &["args", "aws", "failure", "k8s", "model", "output", "ports", "settings", "wait"]),
    // It stands above the commands' arguments, and reads through the context as they do.
    (
        "complete",
        &[
            "args",
            "aws::profiles",
            "cli",
            "commands::completions::VARIABLE",
            "commands::outputs",
            "context",
            "failure",
            "k8s::contexts",
            "k8s::plugins_end_with_podids_group",
            "model",
            "observe::objects",
            "output",
            "ports",
            "wait",
        ],
    ),
    // The last two stand above everything.
    ("commands", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

/// Crates that only some rooms may name: a prefix, and who may.
const CRATES: &[(&str, &[&str])] = &[
    ("aws_", &["aws"]),
    ("kube", &["k8s"]),
    ("k8s_openapi", &["k8s"]),
    ("http_body", &["aws", "k8s"]),
    ("getrandom", &["local"]),
    ("hyper", &["k8s", "local"]),
    ("tower", &["k8s"]),
    ("clap", &["args", "cli", "commands", "complete", "lib", "output"]),
    ("clap_complete", &["complete"]),
    ("comfy_table", &["output"]),
    ("indicatif", &["output"]),
    ("terminal_size", &["output"]),
    ("anstream", &["output"]),
    ("anstyle", &["output"]),
    ("similar", &["output"]),
    ("tracing_subscriber", &["output"]),
    ("tokio", &["aws", "complete", "context", "k8s", "lib", "local", "output", "wait"]),
    ("granit_parser", &["manifest"]),
    ("layout", &["commands"]),
    ("minijinja", &["commands"]),
    ("rustix", &["complete", "k8s", "lib", "local"]),
    ("podid_sandbox", &[]),
];

/// All that the pure rooms may name from outside.
const PURE: &[(&str, &[&str])] = &[
    (
        "model",
        &["aho_corasick", "jiff", "percent_encoding", "schemars", "serde", "serde_json", "sha2", "std", "thiserror"],
    ),
    ("plan", &["schemars", "serde", "serde_json", "std"]),
    ("checks", &["jiff", "schemars", "serde", "serde_json", "std"]),
];

/// The longest file.
const LINES: usize = 450;

/// Files that are longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// The rules that are broken; a list, so that all are seen at once.
#[track_caller]
fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn code_of_podid() -> Vec<Source> {
    sources("src").into_iter().filter(|source| !source.is_tests()).collect()
}

#[test]
fn rooms_use_only_what_they_may() {
    let mut broken = Vec::new();
    for source in code_of_podid() {
        let room = source.room().to_owned();
        let Some((_, may)) = MAY.iter().find(|(name, _)| *name == room) else {
            broken.push(format!("{}: the room `{room}` has no rule", source.path));
            continue;
        };
        for used in source.uses() {
            let of = used.split("::").next().unwrap();
            let inside = |allowed: &&str| used == **allowed || used.starts_with(&format!("{allowed}::"));
            if of != room && !may.contains(&"*") && !may.iter().any(inside) {
                broken.push(format!("{} uses `crate::{used}`", source.path));
            }
        }
    }
    none(&broken);
}

#[test]
fn every_rule_is_about_a_room_that_exists() {
    let rooms: BTreeSet<String> = sources("src").iter().map(|source| source.room().to_owned()).collect();
    let ruled: BTreeSet<String> = MAY.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, ruled);
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut broken = Vec::new();
    for source in code_of_podid() {
        for name in source.crates() {
            for (prefix, rooms) in CRATES {
                let named = if prefix.ends_with('_') { name.starts_with(prefix) } else { name == *prefix };
                if named && !rooms.contains(&source.room()) {
                    broken.push(format!("{} uses the crate `{name}`", source.path));
                }
            }
        }
    }
    none(&broken);
}

#[test]
fn the_pure_rooms_know_few_crates() {
    let declared: BTreeSet<String> = declared();
    let mut broken = Vec::new();
    for source in code_of_podid() {
        let Some((_, allowed)) = PURE.iter().find(|(room, _)| *room == source.room()) else { continue };
        for name in source.crates().iter().filter(|name| declared.contains(*name)) {
            if !allowed.contains(&name.as_str()) {
                broken.push(format!("{} uses the crate `{name}`", source.path));
            }
        }
    }
    none(&broken);
}

/// Crates of Cargo.toml as code names them.
fn declared() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = dependencies.lines().filter_map(|line| line.split_once(" = "));
    let names: BTreeSet<String> = names.map(|(name, _)| name.trim().replace('-', "_")).collect();
    assert!(names.contains("tokio") && names.contains("aws_sdk_eks"), "{names:?}");
    names
}

#[test]
fn pure_code_knows_no_clock() {
    let mut broken = Vec::new();
    for source in code_of_podid().iter().filter(|source| ["model", "plan"].contains(&source.room())) {
        for clock in ["Timestamp::now", "SystemTime", "Instant", "Zoned::now", "std::env", "std::fs", "std::net"] {
            if source.paths().iter().any(|path| path.contains(clock)) || source.code.contains(clock) {
                broken.push(format!("{} knows `{clock}`", source.path));
            }
        }
    }
    none(&broken);
}

#[test]
fn only_wait_sleeps() {
    let mut broken = Vec::new();
    for source in code_of_podid().iter().filter(|source| source.room() != "wait") {
        let asleep = source.paths().into_iter().find(|path| path.split("::").any(|part| part.starts_with("sleep")));
        broken.extend(asleep.map(|path| format!("{} sleeps: `{path}`", source.path)));
    }
    none(&broken);
}

#[test]
fn only_output_prints() {
    let mut broken = Vec::new();
    for source in code_of_podid().iter().filter(|source| source.room() != "output") {
        for print in ["println!", "print!", "eprintln!", "eprint!", "dbg!", "stdout()", "stderr()"] {
            let tokens = tokens(&source.code);
            // `.stdout(…)` says where a child process writes to.
            let printing =
                |three: &[String]| three[0] != "." && format!("{}{}", three[1], three[2]) == print.replace("()", "(");
            if tokens.windows(3).any(printing) {
                broken.push(format!("{} prints: `{print}`", source.path));
            }
        }
    }
    none(&broken);
}

#[test]
fn the_lints_are_on() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in [
        "unsafe_code = \"forbid\"",
        "missing_docs = \"warn\"",
        "pedantic = { level = \"warn\", priority = -1 }",
        "print_stdout = \"deny\"",
        "print_stderr = \"deny\"",
        "exit = \"deny\"",
        "dbg_macro = \"deny\"",
        "unwrap_used = \"deny\"",
        "expect_used = \"warn\"",
        "allow_attributes = \"deny\"",
    ] {
        assert!(manifest.lines().any(|line| line.trim() == lint), "no `{lint}` in Cargo.toml");
    }
    for manifest in ["Cargo.toml", "tests/sandbox/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest} has no lints");
    }
}

#[test]
fn no_lint_of_printing_or_panicking_is_waived_in_src() {
    let mut broken = Vec::new();
    for source in code_of_podid() {
        for (number, line) in source.text.lines().enumerate() {
            let waived = ["unwrap_used", "expect_used", "clippy::exit", "print_std", "panic", "unsafe"];
            if line.contains("expect(") && line.contains("clippy::") && waived.iter().any(|lint| line.contains(lint)) {
                broken.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    none(&broken);
}

#[test]
fn every_file_says_what_it_is() {
    let all = ["src", "tests"].iter().flat_map(|folder| sources(folder));
    let silent = all.filter(|source| !source.text.starts_with("//! ")).map(|source| source.path);
    none(&silent.collect::<Vec<_>>());
}

#[test]
fn no_file_is_long() {
    let mut broken = Vec::new();
    for source in ["src", "tests"].iter().flat_map(|folder| sources(folder)).filter(|source| !source.is_tests()) {
        let lines = source.text.lines().count();
        let excused = LONGER.iter().any(|(path, _)| *path == source.path);
        match (lines > LINES, excused) {
            (true, false) => broken.push(format!("{} has {lines} lines", source.path)),
            (false, true) => broken.push(format!("{} has only {lines} lines: it needs no exception", source.path)),
            _ => {}
        }
    }
    none(&broken);
}

#[test]
fn podid_and_its_sandbox_know_nothing_of_each_other() {
    let manifest = fs::read_to_string(root().join("tests/sandbox/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(!dependencies.contains("podid"), "the sandbox must be another reading of the same rules");
    let own: Vec<String> = sources("tests/sandbox/src")
        .iter()
        .filter(|source| tokens(&source.code).windows(2).any(|pair| pair[0] == "podid" && pair[1] == "::"))
        .map(|source| format!("{} uses podid", source.path))
        .collect();
    none(&own);
    let told: Vec<String> = code_of_podid()
        .iter()
        .filter(|source| without_tests(&source.text).to_lowercase().contains("sandbox"))
        .map(|source| format!("{} mentions the sandbox", source.path))
        .collect();
    none(&told);
}
