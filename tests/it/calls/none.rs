//! What needs no world asks none, and reads no configuration.

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::{
    kill::ready,
    support::{Env, Run, SOON, finish},
};

/// A run whose configuration files are pipes that nobody writes to: whoever reads one hangs.
fn hermetic(env: &Env, line: &str) -> Run {
    let trap = env.home.path().join("trap");
    if !trap.exists() {
        assert!(Command::new("mkfifo").arg(&trap).status().unwrap().success());
    }
    let mut command: Command = env.command(&line.split_whitespace().collect::<Vec<_>>());
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG"] {
        command.env(name, &trap);
    }
    command.env("HOME", env.home.path().join("nowhere")).env_remove("PODID_CLUSTER");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = env.world.wait_until(SOON, |_| true).is_ok();
    assert!(ended);
    let start = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > SOON {
            child.kill().unwrap();
            panic!("`podid {line}` reads configuration: {}", finish(child));
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    finish(child)
}

#[test]
fn help_version_completions_and_wrong_usage() {
    let env = ready(&[]);
    for (line, code) in [
        ("--help", 0),
        ("--version", 0),
        ("associate --help", 0),
        ("completions bash", 0),
        ("completions zsh", 0),
        ("", 2),
        ("associte carts/carts", 2),
        ("associate", 2),
        ("associate carts/carts", 2),
        ("associate carts --role r", 2),
        ("associate carts/carts --role r --dynamodb t=everything", 2),
        ("associate carts/carts --role r --disable-session-tags --scope namespace", 2),
        ("list -n UPPER", 2),
        ("recycle carts/carts --no-such-flag", 2),
        ("agent", 2),
    ] {
        let run = hermetic(&env, line);
        assert_eq!(run.code, code, "{line}\n{run}");
    }
    assert!(env.world.journal().calls().is_empty());
}

/// The trap works: what needs a cluster does read it.
#[test]
fn the_trap_catches_a_reader() {
    let env = ready(&[]);
    let config = env.home.path().join("unreadable");
    std::fs::write(&config, "not: [a kubeconfig").unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = env.command(&["list"]);
    let child = command
        .env("KUBECONFIG", &config)
        .env_remove("PODID_CLUSTER")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = finish(child).code(2).says("kubeconfig");
}
