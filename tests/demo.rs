//! `cargo demo`: the EKS Workshop's carts lab, offline, with the real binary against the embedded world.
//!
//! `cargo demo -- --shell` leaves the world up and prints how to play with it.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a story that is told on stdout")]

use std::{
    env,
    io::{self, IsTerminal, Write},
    path::Path,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use podid_sandbox::{
    Sandbox, Scenario,
    handout::{Handout, stopped},
};

const PODID: &str = env!("CARGO_BIN_EXE_podid");
const CLUSTER: &str = "eks-workshop";

/// Where no terminal says how wide it is.
const COLUMNS: usize = 100;

/// Prose reads best in lines no longer than this.
const PROSE: usize = 80;

/// Most rows that one log line takes.
const ROWS: usize = 6;

fn main() -> ExitCode {
    let shell = env::args().any(|arg| arg == "--shell");
    let sandbox =
        Sandbox::start(Scenario::named("carts-before").expect("the scenario is built in")).expect("loopback ports");
    if shell { play(&sandbox) } else { story(&sandbox) }
}

/// The lab, step by step.
fn story(sandbox: &Sandbox) -> ExitCode {
    let start = Instant::now();
    let stage = Stage { sandbox, columns: columns() };
    let mut good = true;

    stage.say(
        "A shop keeps its carts in DynamoDB, and the pods of its carts service crash: nobody gave them a role, so they \
         go by the node's, which may not read the table. (This is a world on 127.0.0.1. Nothing here reaches AWS.)",
    );
    stage.logs(" | grep AccessDenied", |line| {
        line.contains("AccessDenied") && line.contains("is not authorized to perform")
    });

    stage.say("Where is the way to their credentials broken?");
    good &= stage.podid_ends("verify carts/carts", Some(3));

    stage.say("EKS Pod Identity hands credentials to pods through an agent on every node:");
    good &= stage.podid("agent install");

    stage.say(
        "Now a role for this service account alone, allowed to use this table and no other; its association; and new \
         pods, because the running ones keep what they started with:",
    );
    good &= stage.podid("associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --recycle");

    stage.say("This is there now:");
    good &= stage.podid("list");
    good &= stage.podid("show carts/carts");

    stage.say("And the pods? They query the table's index as their own role:");
    let served = sandbox
        .wait_until(Duration::from_secs(5), |state| {
            let lines = state.kube.last_log_lines("carts");
            !lines.is_empty() && lines.iter().all(|(_, line)| line.contains("assumed-role/eks-workshop-carts-carts-"))
        })
        .is_ok();
    stage.logs(" --tail 1", |line| line.contains("dynamodb:"));

    stage.say("The whole way once more, with the credentials that a pod gets:");
    good &= stage.podid("verify carts/carts --live");

    if !(good && served) {
        println!("\nSomething went wrong: carts does not work.");
        return ExitCode::FAILURE;
    }
    println!("\nFrom AccessDenied to a working query in {:.1} s.", start.elapsed().as_secs_f32());
    println!("Play with it yourself: cargo demo -- --shell");
    ExitCode::SUCCESS
}

/// Leaves the world up until Enter, the end of stdin, or a signal that asks to stop.
fn play(sandbox: &Sandbox) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Heard before there is a file to leave behind.
    let stopped = {
        let _entered = runtime.enter();
        stopped().expect("signals are heard")
    };
    let kubeconfig = Handout::of(sandbox).expect("the kubeconfig is written");
    println!("The world is up. In another terminal:\n");
    println!("  unset AWS_PROFILE AWS_SESSION_TOKEN");
    for (name, value) in sandbox.exports() {
        println!("  export {name}={value}");
    }
    println!("  export NO_PROXY=127.0.0.1");
    println!("  export KUBECONFIG={}", quoted(kubeconfig.path()));
    println!("  export PODID_CLUSTER={CLUSTER}");
    println!("  export PATH={}:$PATH\n", quoted(Path::new(PODID).parent().expect("a directory")));
    println!("Then, for example:\n");
    println!("  kubectl -n carts get pods");
    println!("  podid verify carts/carts");
    println!("  podid agent install");
    println!("  podid associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --recycle");
    println!("  aws eks list-pod-identity-associations --cluster-name {CLUSTER}\n");
    print!("Press Enter here to end it. ");
    let _ = io::stdout().flush();
    let (send, entered) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let _ = io::stdin().read_line(&mut String::new());
        let _ = send.send(());
    });
    runtime.block_on(async {
        tokio::select! {
            _ = entered => {}
            () = stopped => {}
        }
    });
    ExitCode::SUCCESS
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

struct Stage<'a> {
    sandbox: &'a Sandbox,
    columns: usize,
}

impl Stage<'_> {
    /// A paragraph.
    fn say(&self, text: &str) {
        println!();
        for line in fold(text, self.columns.min(PROSE), "", &[' ']) {
            println!("{line}");
        }
    }

    /// A command, as typed.
    fn typed(&self, command: &str) {
        println!();
        // A shell's own continuation, so that it can be copied.
        let rows = fold(&format!("$ {command}"), self.columns - 2, "    ", &[' ']);
        for (at, row) in rows.iter().enumerate() {
            let more = if at + 1 < rows.len() { " \\" } else { "" };
            if io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none() {
                println!("\u{1b}[1m{row}{more}\u{1b}[0m");
            } else {
                println!("{row}{more}");
            }
        }
        // What was said so far comes before what the command says.
        let _ = io::stdout().flush();
    }

    /// Runs podid, its output on this terminal; it has to succeed.
    fn podid(&self, line: &str) -> bool {
        self.podid_ends(line, Some(0))
    }

    /// Runs podid with nothing of this machine's settings; whether it ends with this code.
    fn podid_ends(&self, line: &str, code: Option<i32>) -> bool {
        self.typed(&format!("podid {line}"));
        let mut command = Command::new(PODID);
        command.args(line.split(' '));
        for (name, _) in env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if ["AWS_", "PODID_", "KUBECONFIG"].iter().any(|ours| upper.starts_with(ours)) || upper.ends_with("_PROXY")
            {
                command.env_remove(name);
            }
        }
        command.envs(self.sandbox.exports()).env("PODID_CLUSTER", CLUSTER);
        command.env("AWS_CONFIG_FILE", "").env("AWS_SHARED_CREDENTIALS_FILE", "");
        command.status().expect("podid runs").code() == code
    }

    /// What the pods of carts log, as kubectl shows it, folded to the width; of a line too long for that, the beginning.
    fn logs(&self, rest: &str, wanted: impl Fn(&str) -> bool) {
        self.typed(&format!("kubectl -n carts logs -l app.kubernetes.io/name=carts --prefix{rest}"));
        for (pod, lines) in self.sandbox.with(|state| state.kube.log_lines("carts")) {
            let Some(line) = lines.iter().rev().find(|line| wanted(line)) else { continue };
            let mut rows = fold(&format!("[pod/{pod}/carts] {line}"), self.columns - 2, "  ", &[' ', '/', ':']);
            if rows.len() > ROWS {
                rows.truncate(ROWS);
                rows.last_mut().expect("some rows").push_str(" …");
            }
            for row in &rows {
                println!("{row}");
            }
        }
    }
}

/// The width of the terminal.
fn columns() -> usize {
    terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0)).max(40)
}

/// Breaks a line after one of `at`, where it can, into rows of this width; all but the first begin with `indent`.
fn fold(line: &str, width: usize, indent: &str, at: &[char]) -> Vec<String> {
    let (mut rows, mut row) = (Vec::new(), String::new());
    let length = |text: &str| text.chars().count();
    for piece in line.split_inclusive(at) {
        let mut piece = piece.to_owned();
        if length(&row) + length(piece.trim_end()) > width && row.trim() != "" {
            rows.push(std::mem::replace(&mut row, indent.to_owned()).trim_end().to_owned());
        }
        // A run of blanks ends with its row.
        if piece == " " && row == indent && !rows.is_empty() {
            continue;
        }
        // What is too long for any row is broken anywhere.
        while length(&row) + length(piece.trim_end()) > width {
            let rest = piece.chars().skip(width - length(&row)).collect();
            row.extend(piece.chars().take(width - length(&row)));
            rows.push(std::mem::replace(&mut row, indent.to_owned()));
            piece = rest;
        }
        row.push_str(&piece);
    }
    rows.push(row.trim_end().to_owned());
    rows
}
