//! What fails, hangs or is not allowed: nothing is offered, nothing is said, and nothing is left running.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::{
    TIMEOUT, asked, cached, names, offers,
    shells::{Prompt, fish},
    silent, world,
};
use crate::support::{Env, SOON, denying, forbidding};

/// The budget is 800 ms. Where something takes ten minutes, this is at once, also for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Each differs from the healthy world in one thing, and offers again when that is mended.
#[test]
fn failures_are_silent() {
    let allowed = world(&[]);
    offers(&allowed, "show ca", &["carts/carts"]);
    offers(&allowed, "associate ca", &["carts/"]);
    for field in [denying("eks:ListPodIdentityAssociations"), denying(json!(["eks:*", "iam:*"]))] {
        let env = world(&[field]);
        silent(&env, "show ca");
        assert!(cached(&env).is_empty(), "a failure was kept");
    }
    silent(&world(&[forbidding(&["list namespaces"])]), "associate ca");
    silent(&world(&[("/callers/0/access_entry", json!(false))]), "associate ca");
    let mut env = world(&[]);
    env.var("AWS_SECRET_ACCESS_KEY", "wrong");
    silent(&env, "show ca");
    let mut env = world(&[]);
    env.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    silent(&env, "show ca");
    let mut env = world(&[]);
    let broken = env.file("kubeconfig", "not: [a kubeconfig");
    env.unset("PODID_CLUSTER").var("KUBECONFIG", &broken);
    silent(&env, "show ca");
    silent(&env, "list --context a");
    silent(&env, "show --cluster no/name ca");
}

#[test]
fn a_home_without_a_cache_still_completes() {
    let env = world(&[]);
    env.file(".cache", "a file");
    offers(&env, "show ca", &["carts/carts"]);
}

/// What shells are not told either: nothing on the terminal but the line itself.
#[test]
#[ignore = "needs bash, zsh and fish: `cargo test --test it -- --ignored`"]
fn failures_are_silent_in_shells() {
    let env = world(&[denying("eks:ListPodIdentityAssociations")]);
    for mut prompt in [Prompt::bash(&env), Prompt::zsh(&env)] {
        assert_eq!(prompt.press("podid show ca"), "podid show ca");
        let screen = prompt.screen();
        for noise in ["rror", "denied", "not authorized", "podid:", "panicked"] {
            assert!(!screen.contains(noise), "{noise}:\n{screen}");
        }
        prompt.completes("podid list --cluster e", "podid list --cluster eks-workshop ");
    }
    assert_eq!(fish(&env, "podid show ca"), (Vec::new(), String::new()));
}

/// Runs what must end at once although something takes ten minutes.
#[track_caller]
fn at_once<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = run();
    assert!(start.elapsed() < AT_ONCE, "{what}: {:?}", start.elapsed());
    done
}

/// A service and a line that asks it.
const UNANSWERED: [(&str, &str, &str); 2] =
    [("eks", "show ca", "carts/carts"), ("kubernetes", "associate ca", "carts/")];

/// A world where that service takes ten minutes for each answer, and the budget is podid's own.
fn unanswered(service: &str) -> Env {
    let mut env = world(&[]);
    env.var(TIMEOUT, "").world.faults().add(Fault::always(service, "*", Action::Delay(Duration::from_mins(10))));
    env
}

#[test]
fn a_service_that_never_answers() {
    for (service, line, wanted) in UNANSWERED {
        let mut env = unanswered(service);
        at_once(line, || silent(&env, line));
        env.var(TIMEOUT, "1m").world.faults().clear();
        offers(&env, line, &[wanted]);
    }
}

#[test]
#[ignore = "needs bash, zsh and fish: `cargo test --test it -- --ignored`"]
fn a_service_that_never_answers_in_shells() {
    for (service, line, _) in UNANSWERED {
        let env = unanswered(service);
        let typed = format!("podid {line}");
        for mut prompt in [Prompt::bash(&env), Prompt::zsh(&env)] {
            assert_eq!(at_once(&typed, || prompt.press(&typed)), typed, "{}", prompt.screen());
        }
        assert_eq!(at_once(&typed, || fish(&env, &typed)), (Vec::new(), String::new()));
    }
}

/// Of many roles those are offered that were read in time; they are not kept as if they were all.
#[test]
fn roles_that_were_read_in_time() {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"] }],
    });
    let many: Vec<(&str, Value)> =
        (0..1100).map(|n| ("/roles/-", json!({ "name": format!("many-{n:04}"), "trust": trust }))).collect();
    let mut env = world(&many);
    // Long enough for the first page on a busy machine.
    env.var(TIMEOUT, "8s");
    let second = Fault { skip: 1, ..Fault::always("iam", "ListRoles", Action::Delay(Duration::from_mins(10))) };
    env.world.faults().add(second);
    let run = at_once("roles", || asked(&env, "role show many-")).ok();
    assert!((1..1100).contains(&names(&run).len()), "{run}");
    assert!(cached(&env).is_empty(), "a part was kept");
}

/// A script that notes its process and a child's, and then hangs.
fn hanging(env: &Env) -> (String, PathBuf) {
    let pids = env.home.path().join("pids");
    let text = format!("#!/bin/sh\nsleep 600 &\necho $$ $! > {0}.part\nmv {0}.part {0}\nwait\n", pids.display());
    let script = env.file("hangs", &text);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (script, pids)
}

/// Asks, and sees that neither the script nor its child outlives the answer.
#[track_caller]
fn nothing_is_left(env: &Env, line: &str, pids: &Path) {
    at_once(line, || silent(env, line));
    let pids = fs::read_to_string(pids).unwrap();
    let start = Instant::now();
    for pid in pids.split_whitespace() {
        let alive = || Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success();
        while alive() {
            assert!(start.elapsed() < SOON, "process {pid} was left running");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_credential_process_that_hangs() {
    let mut env = world(&[]);
    let (script, pids) = hanging(&env);
    env.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    env.file(".aws/config", &format!("[default]\nregion = us-west-2\ncredential_process = {script}\n"));
    env.var(TIMEOUT, "5s");
    nothing_is_left(&env, "show ca", &pids);
}

#[test]
fn a_plugin_of_the_kubeconfig_that_hangs() {
    let mut env = world(&[]);
    let (script, pids) = hanging(&env);
    let text = env.world.kubeconfig();
    let (before, _) = text.split_once("    token: ").unwrap();
    let exec = format!(
        "    exec: {{ apiVersion: client.authentication.k8s.io/v1, command: {script}, interactiveMode: IfAvailable }}\n"
    );
    let path = env.file("plugin", &format!("{before}{exec}"));
    env.var(TIMEOUT, "5s");
    nothing_is_left(&env, &format!("associate --kubeconfig {path} ca"), &pids);
}

/// Nobody writes to this pipe.
#[test]
fn a_configuration_that_hangs() {
    let mut env = world(&[]);
    let trap = env.home.path().join("trap");
    assert!(Command::new("mkfifo").arg(&trap).status().unwrap().success());
    env.var(TIMEOUT, "").unset("PODID_CLUSTER").var("KUBECONFIG", &trap.display().to_string());
    at_once("kubeconfig", || silent(&env, "show ca"));
    at_once("contexts", || silent(&env, "list --context a"));
    env.var("AWS_CONFIG_FILE", &trap.display().to_string());
    at_once("profiles", || silent(&env, "list --profile w"));
}
