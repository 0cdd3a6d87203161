//! The way to Kubernetes: refused, closed, silent, or not to be trusted.

use std::time::{Duration, Instant};

use podid_sandbox::faults::{Action, Fault};
use serde_json::json;

use super::{WRITES, file, untouched};
use crate::{kill::ready, support::SOON};

#[test]
fn a_caller_whom_the_cluster_does_not_know() {
    let env = ready(&[("/callers/0/access_entry", json!(false))]);
    for line in [WRITES, "recycle carts/carts", "agent status"] {
        let run = env.podid(line).code(4).says("no access entry for arn:aws:iam::111122223333:user/workshop");
        let run = run.says("aws eks create-access-entry --cluster-name eks-workshop");
        untouched(&env, &run);
    }
    let _ = env.podid(&format!("{WRITES} --no-wait")).ok();
}

#[test]
fn a_closed_port() {
    let env = ready(&[]);
    let text = env.world.kubeconfig().replace(env.world.kube_url(), "https://127.0.0.1:1");
    let path = file(&env, "kubeconfig", &text);
    let start = Instant::now();
    let run = env.podid(&format!("{WRITES} --kubeconfig {path}")).code(1).says("127.0.0.1:1").says("--no-wait");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}\n{run}", start.elapsed());
    untouched(&env, &run);
}

#[test]
fn connections_that_are_always_closed() {
    let env = ready(&[]);
    env.world.faults().add(Fault::always("kubernetes", "*", Action::Drop));
    let start = Instant::now();
    let run = env.podid(WRITES).code(1).says("no connection").says("--no-wait");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}\n{run}", start.elapsed());
    untouched(&env, &run);
}

/// Ten seconds, not the command's five minutes.
#[test]
fn a_server_that_never_answers() {
    let env = ready(&[]);
    env.world.faults().add(Fault::always("kubernetes", "*", Action::Delay(Duration::from_mins(1))));
    let start = Instant::now();
    let run = env.podid(&format!("{WRITES} --timeout 40s")).code(1).says("within 10 s").says("--no-wait");
    assert!(start.elapsed() < SOON, "{:?}\n{run}", start.elapsed());
    untouched(&env, &run);
}

#[test]
fn a_certificate_of_another_ca() {
    let env = ready(&[]);
    let other = ready(&[]);
    let ca = |text: &str| {
        let after = text.split_once("certificate-authority-data: ").unwrap().1;
        after.split_whitespace().next().unwrap().to_owned()
    };
    let own = env.world.kubeconfig();
    let path = file(&env, "kubeconfig", &own.replace(&ca(&own), &ca(&other.world.kubeconfig())));
    let run = env.podid(&format!("{WRITES} --kubeconfig {path}")).code(1).says("is not trusted");
    untouched(&env, &run);
}
