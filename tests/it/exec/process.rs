//! The command's process: how it ends, and which signals reach it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
};

use crate::support::{Env, PODID, finish};

#[test]
fn exit_codes() {
    let env = Env::new("carts-verified");
    for (script, code) in
        [("true", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
    {
        for how in [&["--"][..], &["--env", "--"]] {
            let run = env.run(&[&["exec", "carts/carts"], how, &["sh", "-c", script]].concat());
            // podid becomes the command then: a signal ends the process itself, as it would without podid.
            let code = if how.len() == 2 && code > 128 && code != 255 { -1 } else { code };
            let run = run.code(code);
            assert!(!run.stderr.contains("error"), "{run}");
        }
    }
}

/// Before anybody is asked for anything.
#[test]
fn what_cannot_be_run() {
    let env = Env::new("carts-verified");
    let file = env.file("plain", "#!/bin/sh\n");
    for (command, code, text) in [
        ("no-such-command", 127, "error: command not found: `no-such-command`"),
        ("/no/such/command", 127, "error: command not found: `/no/such/command`"),
        (file.as_str(), 126, "it is not executable"),
        ("/", 126, "it is a directory"),
    ] {
        let run = env.run(&["exec", "carts/carts", "--", command]).code(code).says(text);
        assert_eq!(run.stdout, "", "{run}");
    }
    let _ = env.podid("exec carts/carts").code(2).says("required arguments were not provided");
    assert_eq!(env.operations(), [""; 0]);
    // Its interpreter is looked for by the system.
    let file = env.file("odd", "#!/no/such/interpreter\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    for how in [&["--"][..], &["--env", "--"]] {
        let run = env.run(&[&["exec", "carts/carts"], how, &[&file]].concat()).code(127);
        let _ = run.says(&format!("error: cannot run `{file}`")).says("No such file or directory");
    }
}

/// The name, arguments and streams are as they are without podid.
#[test]
fn arguments_and_streams() {
    let env = Env::new("carts-verified");
    let words =
        ["exec", "carts/carts", "-q", "--", "sh", "-c", "cat; echo \"$0 $1 $2\"; echo err >&2", "-x", "a b", ""];
    let mut child =
        env.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"in\n").unwrap();
    let run = finish(child).code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("in\n-x a b \n", "err\n"));
}

/// Counts what reaches it, until TERM.
const COUNTS: &str = "n=0; for s in INT HUP USR1 USR2 QUIT; do trap \"n=\\$((n+1)); echo got $s \\$n\" $s; done; \
    trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.02; done";

#[test]
fn signals_reach_the_command() {
    let env = Env::new("carts-verified");
    let mut command = env.command(&["exec", "carts/carts", "--", "sh", "-c", COUNTS]);
    // A terminal of the tests' own would send them by itself.
    command.process_group(0);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "ready");
    let pid = child.id().to_string();
    let send = |signal: &str| assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    for (n, signal) in ["INT", "INT", "HUP", "USR1", "USR2", "QUIT", "INT"].into_iter().enumerate() {
        send(signal);
        assert_eq!(lines.next().unwrap(), format!("got {signal} {}", n + 1));
    }
    send("TERM");
    assert_eq!(lines.next().unwrap(), "got TERM");
    let _ = finish(child).code(9);
}

/// A command that does not handle a signal ends by it, and podid says so as a shell does.
#[test]
fn signals_end_the_command() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let env = Env::new("carts-verified");
        let mut command = env.command(&["exec", "carts/carts", "--", "sh", "-c", "echo ready; exec cat"]);
        command.process_group(0).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let stdin = child.stdin.take();
        let run = finish(child).code(code);
        drop(stdin);
        assert!(!run.stderr.contains("error"), "{run}");
    }
}

/// A terminal sends Ctrl-C to podid and to the command: it gets it once.
#[test]
fn a_terminals_signal_comes_once() {
    let env = Env::new("carts-verified");
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let words = ["exec", "carts/carts", "--yes", "--", "sh", "-c", COUNTS];
    let mut command = pty_process::blocking::Command::new(PODID).args(words).env_clear();
    let mut vars = Vec::new();
    env.environment(|name, value| vars.push((name.to_owned(), value.to_owned())));
    for (name, value) in vars {
        command = command.env(name, value);
    }
    let mut child = command.spawn(pts).unwrap();
    let mut screen = String::new();
    let mut await_text = |pty: &mut pty_process::blocking::Pty, text: &str| {
        let mut buffer = [0_u8; 1024];
        while !screen.contains(text) {
            let read = pty.read(&mut buffer).unwrap();
            screen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        screen.clone()
    };
    await_text(&mut pty, "ready");
    for (key, text) in [(b"\x03", "got INT 1"), (b"\x03", "got INT 2"), (b"\x1c", "got QUIT 3")] {
        pty.write_all(key).unwrap();
        await_text(&mut pty, text);
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let screen = await_text(&mut pty, "got TERM");
    assert_eq!(screen.matches("got ").count(), 4, "{screen}");
    assert_eq!(child.wait().unwrap().code(), Some(9), "{screen}");
}
