//! Whether every node that needs an agent has a ready one.

use std::time::Duration;

use crate::{
    explain,
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon, Issue},
        agent::AgentState,
        cluster::Cluster as EksCluster,
        have::Seen,
    },
    observe,
    output::Progress,
    ports::{Cluster, Eks},
    wait::{Backoff, Guard},
};

/// Waits until the add-on is ACTIVE. CREATING and a passing DEGRADED are waited out with their health issues shown;
/// only CREATE_FAILED (and its kin) and the deadline end it. `known` was read a moment ago, and is not read again when it is ACTIVE.
///
/// # Errors
/// A failed add-on, the deadline, or an interruption.
pub async fn addon(
    eks: &dyn Eks,
    guard: &Guard,
    line: &Progress,
    cluster: &EksCluster,
    known: Option<&Addon>,
) -> Result<Addon> {
    if let Some(addon) = known.filter(|addon| addon.status == "ACTIVE") {
        return Ok(addon.clone());
    }
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
    loop {
        let found = guard.run("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let Some(addon) = found else {
            return Err(Failure::failed(format!("the add-on `{AGENT}` of cluster `{}` is gone", cluster.name)));
        };
        let issues: Vec<String> = addon.issues.iter().map(|i| format!("{}: {}", i.code, i.message)).collect();
        match addon.status.as_str() {
            "ACTIVE" => return Ok(addon),
            "CREATE_FAILED" | "UPDATE_FAILED" | "DELETE_FAILED" => {
                let mut failure =
                    Failure::failed(format!("the add-on `{AGENT}` of cluster `{}` is {}", cluster.name, addon.status));
                failure.causes = issues;
                failure = addon.issues.iter().fold(failure, explained);
                return Err(failure.hint("see the nodes with `podid agent status`").hint(format!(
                    "remove it, then install again: `aws eks delete-addon --cluster-name {} --addon-name {AGENT}`",
                    cluster.name
                )));
            }
            status => {
                let detail = if issues.is_empty() { String::new() } else { format!(" ({})", issues.join("; ")) };
                line.update(format!("add-on {} is {status}{detail}", addon.version));
            }
        }
        guard.pause("waiting for the agent add-on to be ACTIVE", backoff.step()).await?;
    }
}

/// Adds what an issue of the add-on's health means.
fn explained(failure: Failure, issue: &Issue) -> Failure {
    let said = explain::issue(&issue.code, &issue.message);
    said.into_iter().fold(failure, |failure, said| said.added_to(failure))
}

/// Waits until every node that needs an agent has a ready one. `state` was read a moment ago, and is not read again when it says so.
///
/// # Errors
/// The deadline (naming the nodes), an interruption, or an API that fails.
pub async fn nodes(kube: &dyn Cluster, guard: &Guard, line: &Progress, state: AgentState) -> Result<Seen<AgentState>> {
    let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
    let mut state = state;
    if complete(&state) {
        return Ok(Seen::Read(state));
    }
    loop {
        match guard.run("reading the agent's DaemonSet", observe::agent_in_cluster(kube)).await? {
            Seen::Read((daemon_sets, nodes)) => state = AgentState { daemon_sets, nodes, ..state },
            Seen::Unreadable(why) => return Ok(Seen::Unreadable(why)),
            Seen::NotAsked => return Ok(Seen::NotAsked),
        }
        if complete(&state) {
            return Ok(Seen::Read(state));
        }
        let missing = state.missing();
        let desired: u64 = state.daemon_sets.iter().map(|d| d.desired).sum();
        let ready: u64 = state.daemon_sets.iter().map(|d| d.ready).sum();
        line.update(format!("agent: {ready} of {desired} pods ready, {} without one", count(missing.len(), "node")));
        let wait = guard.pause("waiting for the agent on every node", backoff.step()).await;
        if let Err(mut failure) = wait {
            if failure.code == Code::TimedOut {
                failure.causes = missing.iter().map(|(node, why)| format!("{node}: {why}")).collect();
            }
            return Err(failure);
        }
    }
}

fn complete(state: &AgentState) -> bool {
    state.missing().is_empty() && state.daemon_sets.iter().all(|d| d.observed)
}

/// `1 node`, `2 nodes`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
