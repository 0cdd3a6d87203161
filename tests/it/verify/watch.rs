//! `podid verify --watch`.

use std::io::{BufRead, BufReader, Read};

use serde_json::json;

use crate::support::{Env, finish};

#[test]
fn in_a_pipe_each_change_is_a_line_until_all_pass() {
    let env = Env::with("carts-verified", &[("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"))]);
    let mut child = env.start(&["verify", "carts/carts", "--watch", "--timeout", "60s"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "carts/carts\tfailed\ttrust.missing-tag-session\n");
    let _ = env.podid("role trust eks-workshop-carts-dynamo --fix --yes").ok();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "carts/carts\tok\t\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_does_not_pass_in_time_is_named() {
    let env = Env::with("carts-verified", &[("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"))]);
    let run = finish(env.start(&["verify", "carts/carts", "--watch", "--timeout", "2s", "-o", "json"])).code(5);
    let run = run.says("1 service account does not pass yet: carts/carts (failed: trust.missing-tag-session)");
    let documents: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 1, "nothing changed");
    assert_eq!(documents[0]["reports"][0]["outcome"], "failed");
    let _ = env.podid("verify carts/carts --watch -o sarif").code(2).says("a report for CI is printed once");
    // A terminal shows the checks as they are now.
    let shown = env.tty(100, &["verify", "carts/carts", "--watch", "--timeout", "2s"], "").code(5);
    assert!(shown.stdout.contains("1 problem"), "{shown}");
}
