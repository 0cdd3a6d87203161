//! What is printed carries nothing out: foreign text is shown, and no terminal or CI runner obeys it.

use podid_sandbox::State;
use serde_json::json;

use crate::support::{APP, Env, SOON};

/// A pod whose log ends with this.
fn crashing(last: &str) -> Env {
    let env = Env::with("carts-associated", &[(APP, json!(format!("crash AccessDenied {last}")))]);
    let crashed = |state: &mut State| {
        let waits = |pod: &serde_json::Value| !pod["status"]["containerStatuses"][0]["state"]["waiting"].is_null();
        state.kube.list("pods", "carts").iter().any(waits)
    };
    env.world.wait_until(SOON, crashed).unwrap();
    env
}

#[test]
fn a_log_line_gives_a_ci_runner_no_command() {
    let mut env = crashing("##[error]pwned");
    for format in ["", "-o json", "-o yaml", "-o junit"] {
        // Nobody reads along: it is shown as it is, but in documents, where an escape means the same.
        env.var("CI", "false");
        let run = env.podid(&format!("verify carts/carts {format}")).code(3);
        assert_eq!(run.to_string().contains("##[error]pwned"), format.is_empty(), "{run}");
        env.var("CI", "true");
        let run = env.podid(&format!("verify carts/carts {format}")).code(3);
        assert!(run.to_string().contains("[error]pwned"), "{run}");
        assert!(!run.to_string().contains("##["), "{format}: {run}");
    }
}
