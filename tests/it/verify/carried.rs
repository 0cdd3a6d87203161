//! The remedies of every broken world, carried out: what `verify` says after it, as a table.

use std::{cell::RefCell, fmt::Write as _};

use serde_json::{Value, json};

use super::{Row, access, alarms, chain, ids, pods, trust, webhook};
use crate::support::{APP, Env, Run, shell_words};

thread_local! {
    /// The lines of the table while it is made: then `prove` carries out instead.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The table's file.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/verify/remedies.txt");

pub(super) fn is_wanted() -> bool {
    LINES.with_borrow(Option::is_some)
}

/// What the field breaks, the remedies of it, and what is found once they are carried out.
pub(super) fn carry_out(row: &Row) {
    let mut fields: Vec<(&str, Value)> = row.healthy.clone();
    fields.push((row.field.0, row.field.1.clone()));
    let env = Env::with(row.base, &fields);
    let args = format!("verify carts/carts {} -o json", row.args);
    let before = env.podid(&args);
    let remedies = remedies(&before, row);
    let mut ran = Vec::new();
    let mut refused = None;
    for remedy in &remedies {
        let Some(commands) = commands(remedy) else { continue };
        for command in commands {
            match run(&env, &command) {
                Ok(()) => ran.push(command),
                // What `verify` did not see may keep podid from it, and the command says what.
                Err(why) => refused = Some(format!("{command}: {why}")),
            }
        }
    }
    let first = remedies.first().map_or_else(String::new, shown);
    let (remedy, after) = if let Some(why) = refused {
        (why, "refused".to_owned())
    } else if ran.is_empty() {
        (first, "by hand".to_owned())
    } else {
        recover(&env, row);
        (ran.join("; "), verdict(&env.podid(&args), row))
    };
    let line = format!("{:>2}  {:<28} {:<34} {remedy}", row.mode, row.id, after);
    LINES.with_borrow_mut(|lines| lines.as_mut().unwrap().push(line));
}

fn remedies(run: &Run, row: &Row) -> Vec<Value> {
    let findings = run.json()["reports"][0]["findings"].as_array().unwrap().clone();
    let found = findings.iter().filter(|it| it["status"] == row.status && it["id"] == row.id);
    let found: Vec<Value> = found.flat_map(|it| it["remedies"].as_array().unwrap().clone()).collect();
    assert!(!found.is_empty(), "mode {}: {} has no remedy\n{run}", row.mode, row.id);
    found
}

/// What else the application failed at is over, and its pods come back with the new settings, as those that crash do sooner or later.
fn recover(env: &Env, row: &Row) {
    if row.healthy.iter().any(|(pointer, _)| *pointer == APP) {
        env.world.with(|state| {
            state.kube.edit("deployments", "carts", "carts", |it| {
                it["spec"]["template"]["metadata"]["annotations"]["sandbox.podid.dev/app"] = json!("");
            })
        });
    }
    let _ = env.podid("recycle carts/carts");
}

/// As the table shows a remedy that needs hands.
fn shown(remedy: &Value) -> String {
    let text = remedy["command"].as_str().or(remedy["change"].as_str()).unwrap();
    text.split_once("{\"").map_or(text, |(text, _)| text.trim_end_matches([':', '[', ' '])).to_owned()
}

/// The commands that a remedy consists of: none where it is more than commands, or leaves something to be chosen.
fn commands(remedy: &Value) -> Option<Vec<String>> {
    if let Some(command) = remedy["command"].as_str() {
        return runs(command).then(|| vec![command.to_owned()]);
    }
    let text = remedy["change"].as_str().unwrap();
    let (words, rest) = text.split_once(": `")?;
    let (command, after) = rest.split_once('`')?;
    let whole = after.is_empty() && !words.contains("then ") && !words.starts_with("if ");
    (whole && runs(command)).then(|| vec![command.to_owned()])
}

fn runs(command: &str) -> bool {
    let chosen = ["ROLE", "FILE", "REGION", "NODE"].iter().any(|name| command.split(' ').any(|word| word == *name));
    let known = ["podid ", "kubectl -n carts set env ", "kubectl set serviceaccount "];
    !chosen && known.iter().any(|it| command.starts_with(it))
}

/// Runs podid, or does what the other program would.
fn run(env: &Env, command: &str) -> Result<(), String> {
    let words = shell_words(command);
    if let Some(rest) = command.strip_prefix("podid ") {
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let reads = ["show", "verify", "agent status", "list"].iter().any(|it| rest.starts_with(it))
            || rest.starts_with("role trust") && !rest.contains("--fix");
        let run = if reads { env.run(&args) } else { env.run(&[&args[..], &["--yes"]].concat()) };
        let fine = if reads { run.code != 2 } else { run.code == 0 };
        let error = || run.stderr.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or_default().to_owned();
        return fine.then_some(()).ok_or_else(error);
    }
    let template = |change: &dyn Fn(&mut Value)| {
        let done = env.world.with(|state| {
            state.kube.edit("deployments", "carts", "carts", |it| change(&mut it["spec"]["template"]["spec"]))
        });
        done.then_some(()).ok_or_else(|| "no such Deployment".to_owned())
    };
    if command.starts_with("kubectl -n carts set env deployment/carts ") {
        return template(&|spec| {
            let one = words.iter().position(|word| word == "-c").map(|at| words[at + 1].as_str());
            let containers = spec["containers"].as_array_mut().unwrap();
            let meant = containers.iter_mut().filter(|it| one.is_none_or(|name| it["name"] == name));
            meant.for_each(|it| set_env(it, &words));
        });
    }
    template(&|spec| spec["serviceAccountName"] = json!(words[4]))
}

/// As `kubectl set env`: `NAME=VALUE` sets, `NAME-` removes.
fn set_env(container: &mut Value, words: &[String]) {
    if !container["env"].is_array() {
        container["env"] = json!([]);
    }
    let list = container["env"].as_array_mut().unwrap();
    for word in words {
        let name = word.split_once('=').map(|(name, _)| name).or(word.strip_suffix('-'));
        let Some(name) = name else { continue };
        list.retain(|it| it["name"] != name);
        if let Some((_, value)) = word.split_once('=') {
            list.push(json!({ "name": name, "value": value }));
        }
    }
}

/// What is found after it: nothing of it, or what is.
fn verdict(run: &Run, row: &Row) -> String {
    let mut found = ids(run, "failed");
    if row.status != "failed" {
        found.extend(ids(run, row.status).into_iter().filter(|id| id == row.id));
    }
    if found.is_empty() { "healthy".to_owned() } else { format!("remains: {}", found.join(", ")) }
}

/// Every broken world of these modules, in the order of the failures' numbers.
#[test]
#[ignore = "carries the remedies of some 130 worlds out: `.ci/run proofs`"]
fn the_table_of_remedies() {
    LINES.set(Some(Vec::new()));
    for prove in [
        chain::cluster,
        chain::agent,
        chain::nodes,
        chain::association,
        chain::service_account_and_workload,
        chain::restart,
        pods::pod_spec,
        pods::overridden_credentials,
        pods::network,
        pods::the_agents_log,
        pods::the_applications_log,
        pods::the_webhooks_own_web_identity_shadows_nothing,
        trust::the_role,
        trust::whom_it_trusts_and_for_what,
        trust::conditions,
        trust::the_target_role,
        access::the_nodes_role,
        access::the_roles_policies,
        access::what_bounds_the_role,
        access::the_session_policy,
        access::the_tables_policy_and_key,
        access::session_tags,
        webhook::what_keeps_new_pods_from_it,
        alarms::keys_that_not_every_sdk_takes,
        alarms::files_in_the_home_directory,
        alarms::an_optional_key_of_a_secret_that_is_not_there,
        alarms::a_proxy_that_spares_the_agent_in_any_form,
        alarms::a_volume_or_mount_of_the_tokens_name,
        alarms::containers_beside_the_application,
    ] {
        prove();
    }
    let mut lines = LINES.take().unwrap();
    lines.sort();
    lines.dedup();
    let mut text = String::new();
    for line in &lines {
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    if std::env::var_os("PODID_BLESS").is_some() {
        std::fs::write(TABLE, &text).unwrap();
    }
    let there = std::fs::read_to_string(TABLE).unwrap_or_default();
    assert_eq!(text, there, "write it again with PODID_BLESS=1");
}

/// What is not in the table is never carried out.
#[test]
fn every_test_that_proves_rows_is_in_the_table() {
    let table = include_str!("carried.rs");
    for (module, text) in [
        ("access", include_str!("access.rs")),
        ("alarms", include_str!("alarms.rs")),
        ("chain", include_str!("chain.rs")),
        ("pods", include_str!("pods.rs")),
        ("trust", include_str!("trust.rs")),
        ("webhook", include_str!("webhook.rs")),
    ] {
        for test in text.split("#[test]\n").skip(1) {
            let (head, rest) = test.split_once("() {").unwrap();
            let name = head.rsplit(' ').next().unwrap();
            let body = rest.split("\n}\n").next().unwrap();
            let listed = table.contains(&format!(" {module}::{name},"));
            assert_eq!(body.contains("prove("), listed, "{module}::{name}");
        }
    }
}
