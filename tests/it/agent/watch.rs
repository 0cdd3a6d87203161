//! `podid agent status --watch`.

use std::{
    io::{BufRead, BufReader},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{Env, SOON, finish};

const NODE: &str = "ip-10-42-10-11.us-west-2.compute.internal";

fn cordon(env: &Env, compute_type: &str) {
    env.world.with(|state| {
        assert!(state.kube.edit("nodes", "", NODE, |node| {
            node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] = json!(compute_type);
        }));
    });
}

fn interrupt(pid: u32) {
    assert!(Command::new("kill").args(["-s", "INT", &pid.to_string()]).status().unwrap().success());
}

/// A line for each node, then one for each node that changes; Ctrl-C ends it without a word.
#[test]
fn in_a_pipe() {
    let env = Env::new("carts-agent");
    let mut child = env.start(&["agent", "status", "--watch"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first: Vec<String> = lines.by_ref().take(3).collect();
    insta::assert_snapshot!(first.join("\n"), @"
    ip-10-42-10-11.us-west-2.compute.internal	ready	
    ip-10-42-11-12.us-west-2.compute.internal	ready	
    ip-10-42-12-13.us-west-2.compute.internal	ready
    ");
    cordon(&env, "fargate");
    insta::assert_snapshot!(lines.next().unwrap(), @"ip-10-42-10-11.us-west-2.compute.internal	not-supported	Pod Identity does not work on Fargate");
    cordon(&env, "ec2");
    insta::assert_snapshot!(lines.find(|line| line.contains("ready")).unwrap(), @"ip-10-42-10-11.us-west-2.compute.internal	ready");
    interrupt(child.id());
    assert_eq!(lines.next(), None);
    let run = finish(child).code(130);
    assert!(run.stderr.starts_with("note: add-on eks-pod-identity-agent v1.3.10-eksbuild.1: ACTIVE\n"), "{run}");
    assert!(!run.stderr.contains("error"), "{run}");
}

/// One document a line.
#[test]
fn as_documents() {
    let env = Env::new("carts-agent");
    let mut child = env.start(&["agent", "status", "--watch", "-q", "-o", "json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let agent = |document: &Value| document["nodes"][0]["agent"].as_str().unwrap().to_owned();
    assert_eq!(agent(&lines.next().unwrap()), "ready");
    cordon(&env, "auto");
    assert_eq!(agent(&lines.next().unwrap()), "built-in");
    interrupt(child.id());
    let _ = finish(child).code(130);
}

/// What is shown stays until something changes, however long that takes: --timeout is each look's.
#[test]
fn on_a_terminal_and_beyond_the_deadline() {
    let env = Env::new("carts-agent");
    let looks = |env: &Env| env.world.journal().count("eks", "DescribeAddon");
    let screen = std::thread::scope(|scope| {
        let terminal = scope.spawn(|| env.tty(100, &["agent", "status", "--watch", "--timeout", "3s"], ""));
        let start = std::time::Instant::now();
        while looks(&env) < 4 {
            assert!(start.elapsed() < SOON && !terminal.is_finished(), "{:?}", env.operations());
            std::thread::yield_now();
        }
        // The agent is asked again, so the deadline is past; an API that knows nobody any more ends it.
        env.world.faults().add(podid_sandbox::faults::Fault::always(
            "eks",
            "DescribeAddon",
            podid_sandbox::faults::Action::Error {
                status: 403,
                code: "UnrecognizedClientException".to_owned(),
                message: "The security token included in the request is invalid".to_owned(),
            },
        ));
        terminal.join().unwrap()
    });
    assert!(screen.stdout.contains("NODE"), "{screen}");
}
