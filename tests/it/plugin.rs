//! podid under the names by which kubectl runs it, and without any argument.

use std::{fs, os::unix::fs::symlink, process::Command};

use crate::support::{Env, PODID};

/// podid under another name, in the environment of a world.
fn named(env: &Env, name: &str, args: &[&str]) -> (i32, String, String) {
    let path = env.home.path().join(name);
    if !fs::exists(&path).unwrap() {
        symlink(PODID, &path).unwrap();
    }
    let mut command = Command::new(path);
    command.args(args).env_clear();
    env.environment(|name, value| {
        command.env(name, value);
    });
    // For a busy machine: the budget of completion is tested elsewhere.
    let output = command.env("PODID_COMPLETE_TIMEOUT", "60s").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn usage_names_what_was_typed() {
    let env = Env::new("carts-associated");
    let (code, _, stderr) = named(&env, "kubectl-podid", &["list", "--hepl"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("Usage: kubectl podid list"), "{stderr}");
    let (code, stdout, _) = named(&env, "kubectl-podid", &["list", "-o", "name"]);
    assert_eq!((code, stdout.as_str()), (0, "carts/carts\n"));
    let (_, _, stderr) = named(&env, "podid", &["list", "--hepl"]);
    assert!(stderr.contains("Usage: podid list"), "{stderr}");
}

/// As kubectl reads it: a candidate and its description, and last a directive.
#[test]
fn kubectl_completes_it() {
    let env = Env::new("carts-associated");
    let (code, stdout, stderr) = named(&env, "kubectl_complete-podid", &["show", ""]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("carts/") && lines.last() == Some(&":4"), "{stdout}");
    let (_, stdout, _) = named(&env, "kubectl_complete-podid", &["comple"]);
    assert_eq!(stdout, "completions\tPrint the completion script of a shell\n:4\n");
}

/// A cluster in the environment is an argument to the parser, but none to the user.
#[test]
fn without_arguments_the_help_is_printed() {
    let env = Env::new("carts-associated");
    let (code, stdout, stderr) = named(&env, "podid", &[]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("Everyday commands:") && stderr.contains("associate"), "{stderr}");
}

#[test]
fn version() {
    let env = Env::new("carts-associated");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(env.podid("version").ok().stdout, format!("podid {version}\n"));
    assert_eq!(env.podid("--version").ok().stdout, format!("podid {version}\n"));
    assert_eq!(env.podid("version -o json").ok().json()["version"], version);
    assert!(env.world.journal().calls().is_empty());
}
