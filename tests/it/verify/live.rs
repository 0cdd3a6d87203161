//! `--live`: podid asks for the credentials in a pod's name.

use podid_sandbox::faults::{Action, Fault};
use serde_json::json;

use super::{ids, saved};
use crate::{
    secrets::assert_silent,
    support::{Env, denying, forbidding},
};

#[test]
fn a_pods_own_way() {
    let env = Env::new("carts-verified");
    let run = env.podid("verify carts/carts --live -o json -vvv").ok();
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
    let report = run.json();
    let finding = report["reports"][0]["findings"].as_array().unwrap().iter().find(|f| f["id"] == "live.ok").cloned();
    let finding = finding.unwrap();
    assert_eq!(finding["status"], "ok", "{run}");
    let said = finding["evidence"].to_string();
    assert!(said.contains("assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh"), "{said}");
    assert_silent(&run, &[]);
    // Neither changes anything; the journal counts what is no GET.
    assert_eq!(env.world.journal().count("eks-auth", "AssumeRoleForPodIdentity"), 1);
    assert_eq!(env.world.journal().count("sts", "GetCallerIdentity"), 1);
}

#[test]
fn a_refusal_after_a_broken_link_is_no_second_one() {
    let trust = json!(["sts:AssumeRole"]);
    let env = Env::with("carts-verified", &[("/roles/1/trust/Statement/0/Action", trust)]);
    let run = saved(&env, "carts/carts --live").code(3);
    assert_eq!(ids(&run, "failed").len(), 1, "{run}");
    assert!(ids(&run, "failed")[0].starts_with("trust."), "{run}");
    assert!(ids(&run, "skipped").contains(&"live.refused".to_owned()), "{run}");
}

#[test]
fn a_refusal_that_nothing_else_shows() {
    let env = Env::new("carts-verified");
    let words = "Unauthorized Exception! EKS does not have permissions to assume the associated role.";
    let refuse = Action::error(400, "AccessDeniedException", words);
    env.world.faults().add(Fault::always("eks-auth", "AssumeRoleForPodIdentity", refuse));
    let run = saved(&env, "carts/carts --live").code(3);
    assert_eq!(ids(&run, "failed"), ["live.refused"], "{run}");
    env.world.faults().clear();
    let _ = env.podid("verify carts/carts --live").ok();
}

#[test]
fn permissions_that_are_missing_are_named() {
    let env = Env::with("carts-verified", &[denying("eks-auth:AssumeRoleForPodIdentity")]);
    let run = env.podid("verify carts/carts --live").ok().says("not allowed: eks-auth:AssumeRoleForPodIdentity");
    assert_silent(&run, &[]);
    let env = Env::with("carts-verified", &[forbidding(&["create serviceaccounts/token"])]);
    let _ = env.podid("verify carts/carts --live").ok().says("not allowed: create serviceaccounts/token");
}

#[test]
fn tables_are_asked_with_the_pods_credentials() {
    let env = Env::new("carts-verified");
    let index = "eks-workshop-carts/index/idx_global_customerId";
    let words = format!("verify carts/carts --live --live-query --needs dynamodb:Query@{index} -o json");
    let run = env.podid(&words).ok();
    let report = run.json();
    let findings = report["reports"][0]["findings"].as_array().unwrap();
    let live: Vec<&str> =
        findings.iter().filter(|f| f["link"] == "live").map(|f| f["message"].as_str().unwrap()).collect();
    assert_eq!(
        live,
        [
            "EKS Auth returns working credentials",
            "dynamodb:DescribeTable: the table is ACTIVE",
            "dynamodb:Query: answered"
        ]
    );
    assert_eq!(env.world.journal().count("dynamodb", "Query"), 1);
    // Without the permission the same call is refused, and what is missing is the first broken link.
    let none = ("/roles/1/inline/carts/Statement/1/Action", json!(["dynamodb:Scan"]));
    let env = Env::with("carts-verified", &[none]);
    let run = env.podid(&words).code(3);
    assert_eq!(ids(&run, "failed"), ["permissions.missing"], "{run}");
    assert!(ids(&run, "skipped").contains(&"live.denied".to_owned()), "{run}");
}
