//! `cargo demo`: the EKS Workshop's carts lab, offline, with the real binary against the embedded world.
//!
//! `cargo demo -- --shell` leaves the world up and prints how to play with it.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a story that is told on stdout")]

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use podid_sandbox::{Sandbox, Scenario};

const PODID: &str = env!("CARGO_BIN_EXE_podid");

fn main() -> ExitCode {
    let shell = std::env::args().any(|arg| arg == "--shell");
    let sandbox =
        Sandbox::start(Scenario::named("carts-before").expect("the scenario is built in")).expect("loopback ports");
    if shell { play(&sandbox) } else { story(&sandbox) }
}

/// The lab, step by step.
fn story(sandbox: &Sandbox) -> ExitCode {
    let start = Instant::now();
    let stage = Stage { sandbox };
    say("The carts service keeps its carts in DynamoDB. Its pods crash: nobody gave them a role, so they");
    say("fall back on the node's. (A world on 127.0.0.1: nothing here reaches AWS.)");
    stage.logs();
    say("Pod Identity needs an agent on every node:");
    let mut good = stage.podid("agent install");
    say("Now a role of its own, least privilege on its table, an association, and new pods:");
    good &= stage.podid("associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --recycle");
    say("What is there now:");
    good &= stage.podid("list");
    good &= stage.podid("show carts/carts");
    say("And the pods? They query the table's index with their own role:");
    stage.logs();
    let served = sandbox
        .wait_until(Duration::from_secs(5), |state| {
            let lines = state.kube.last_log_lines("carts");
            !lines.is_empty() && lines.iter().all(|(_, line)| line.contains("assumed-role/eks-workshop-carts-carts-"))
        })
        .is_ok();
    println!(
        "\n{} in {:.1} s.",
        if good && served { "carts works" } else { "something went wrong" },
        start.elapsed().as_secs_f32()
    );
    println!("Play with it yourself: cargo demo -- --shell");
    if good && served { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Leaves the world up until Ctrl-C (or the end of stdin).
fn play(sandbox: &Sandbox) -> ExitCode {
    let dir = std::env::temp_dir().join(format!("podid-demo-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary directory");
    let kubeconfig = dir.join("kubeconfig");
    std::fs::write(&kubeconfig, sandbox.kubeconfig()).expect("the kubeconfig is written");
    println!("The world is up. In another terminal:\n");
    for (name, value) in sandbox.exports() {
        println!("  export {name}={value}");
    }
    println!("  export KUBECONFIG={}", kubeconfig.display());
    println!("  export PATH={}:$PATH\n", std::path::Path::new(PODID).parent().expect("a directory").display());
    println!("then: podid list, aws eks list-clusters, kubectl -n carts get pods, …");
    println!("Press Enter here to end it.");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    let _ = std::fs::remove_dir_all(&dir);
    ExitCode::SUCCESS
}

struct Stage<'a> {
    sandbox: &'a Sandbox,
}

impl Stage<'_> {
    /// Runs podid as typed, its output on this terminal.
    fn podid(&self, line: &str) -> bool {
        println!("\n$ podid {line}");
        let mut command = Command::new(PODID);
        command.args(line.split(' ')).env_remove("KUBECONFIG").env("PODID_CLUSTER", "eks-workshop");
        for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
            command.env_remove(name);
        }
        command.envs(self.sandbox.exports());
        command.status().expect("podid runs").success()
    }

    /// The last line of each carts pod's log, as kubectl would show it.
    fn logs(&self) {
        println!("\n$ kubectl -n carts logs -l app.kubernetes.io/name=carts --prefix --tail 1");
        for (pod, line) in self.sandbox.with(|state| state.kube.last_log_lines("carts")) {
            println!("[{pod}] {line}");
        }
    }
}

fn say(line: &str) {
    println!("{}{line}", if line.starts_with("fall") { "" } else { "\n" });
}
