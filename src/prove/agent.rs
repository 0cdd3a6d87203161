//! Whether every node that needs an agent has a ready one.

use std::{collections::BTreeSet, time::Duration};

pub use crate::model::text::count;
use crate::{
    explain,
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon, Issue},
        agent::AgentState,
        cluster::Cluster,
        have::Observed,
    },
    observe,
    output::Progress,
    ports::{Eks, Kubernetes},
    wait::{Backoff, Deadline},
};

/// Where the agent is waited for, and who tells of it.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// EKS.
    pub eks: &'a dyn Eks,
    /// Kubernetes.
    pub kube: &'a dyn Kubernetes,
    /// Deadline and interruption.
    pub deadline: &'a Deadline,
    /// The line of progress; it is not ended here.
    pub line: &'a Progress,
    /// Which cluster.
    pub cluster: &'a Cluster,
    /// The nodes that matter; all of them when `None`.
    pub only: Option<&'a BTreeSet<String>>,
}

/// The agent is where it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The add-on, the DaemonSets and the nodes, as they were read last.
    pub state: AgentState,
    /// Nodes, of those that matter, that will not get a ready agent while things are as they are, with the reason.
    pub never: Vec<(String, String)>,
    /// Why the DaemonSets and nodes could not be read any more, when they could not.
    pub unread: Option<String>,
}

/// Waits until the agent is ready: first the add-on is ACTIVE, then each node that matters, and can get an agent, has a
/// ready one. `state` was read a moment ago and is not read again where it already says so; `installed`: the add-on was
/// made since.
///
/// An add-on whose pods are late only on nodes that do not matter, or are not ready, is not waited for: EKS would call it
/// CREATING, then DEGRADED, for as long as those nodes stay as they are.
///
/// # Errors
/// A failed add-on, the deadline (naming the nodes, or the add-on's last health issues), an interruption, or an API that fails.
pub async fn ready(how: &Wait<'_>, state: AgentState, installed: bool) -> Result<Ready> {
    let mut state = state;
    if installed || state.addon.is_some() {
        state = active(how, state).await?;
    }
    covered(how.kube, how.deadline, how.line, how.only, state).await
}

async fn active(how: &Wait<'_>, state: AgentState) -> Result<AgentState> {
    let mut state = state;
    if state.addon.as_ref().is_some_and(|addon| addon.status == "ACTIVE") {
        return Ok(state);
    }
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let looked = read_addon(how.eks, how.deadline, how.line, how.cluster).await;
        let addon = looked.map_err(|failure| late(failure, state.addon.as_ref()))?;
        let active = addon.status == "ACTIVE";
        let replicas = addon.issues.iter().all(|issue| issue.code == "InsufficientNumberOfReplicas");
        let suspect = addon.status == "DEGRADED" || state.nodes.iter().any(|node| !node.ready);
        state.addon = Some(addon);
        if active {
            return Ok(state);
        }
        if replicas && suspect {
            let read = how.deadline.within("reading the agent's DaemonSet", observe::agent_in_cluster(how.kube)).await;
            match read.map_err(|failure| late(failure, state.addon.as_ref()))? {
                Observed::Known((daemon_sets, nodes)) => state = AgentState { daemon_sets, nodes, ..state },
                Observed::Unreadable(_) | Observed::NotRequested => {}
            }
            let elsewhere = state.holds_up() || how.only.is_some() && !state.lack(None).coming.is_empty();
            if elsewhere && there(&state) && state.lack(how.only).coming.is_empty() {
                return Ok(state);
            }
        }
        pause(how.deadline, &mut backoff, state.addon.as_ref()).await?;
    }
}

/// Waits until the add-on is ACTIVE, where the nodes cannot be read. CREATING and a passing DEGRADED are waited out with
/// their health issues shown; only CREATE_FAILED (and its kin) and the deadline end it. `known` was read a moment ago, and
/// is not read again when it is ACTIVE.
///
/// # Errors
/// A failed add-on, the deadline (with the last health issues), or an interruption.
pub async fn addon(
    eks: &dyn Eks,
    deadline: &Deadline,
    line: &Progress,
    cluster: &Cluster,
    known: Option<&Addon>,
) -> Result<Addon> {
    if let Some(addon) = known.filter(|addon| addon.status == "ACTIVE") {
        return Ok(addon.clone());
    }
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let addon = read_addon(eks, deadline, line, cluster).await?;
        if addon.status == "ACTIVE" {
            return Ok(addon);
        }
        pause(deadline, &mut backoff, Some(&addon)).await?;
    }
}

/// Waits until an update of the add-on has ended well; false, at once, where the caller may not look at it.
///
/// # Errors
/// A failed update with EKS's errors, the deadline, or an interruption.
pub async fn update(eks: &dyn Eks, deadline: &Deadline, line: &Progress, cluster: &Cluster, id: &str) -> Result<bool> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let read =
            deadline.within("reading the update of the add-on", eks.addon_update(&cluster.name, AGENT, id)).await;
        let update = match read {
            Err(failure) if observe::forbidden(&failure) => return Ok(false),
            read => read?,
        };
        let errors: Vec<String> = update.errors.iter().map(said).collect();
        match update.status.as_str() {
            "Successful" => return Ok(true),
            "Failed" | "Cancelled" => {
                let what = format!("the update of add-on `{AGENT}` of cluster `{}` is {}", cluster.name, update.status);
                let failure = Failure { causes: errors, ..Failure::failed(what) };
                // Who set the fields meant to: to take them back is the user's choice.
                return Err(if update.errors.iter().any(|error| error.code == "ConfigurationConflict") {
                    failure
                        .because("these fields were changed outside EKS, and the update may not overwrite them")
                        .hint("keep the changes: `podid agent upgrade --resolve-conflicts preserve`")
                        .hint("overwrite the changes: `podid agent upgrade --resolve-conflicts overwrite`")
                } else {
                    update.errors.iter().fold(failure, explained).hint("check the agent with `podid agent status`")
                });
            }
            status => {
                let detail = if errors.is_empty() { String::new() } else { format!(" ({})", errors.join("; ")) };
                line.update(format!("add-on update is {status}{detail}"));
            }
        }
        let waited = deadline.pause("waiting for the update of the add-on", backoff.step()).await;
        waited.map_err(|failure| errors.into_iter().fold(failure, Failure::because))?;
    }
}

/// Waits until the add-on is gone.
///
/// # Errors
/// A delete that failed, the deadline, or an interruption.
pub async fn gone(eks: &dyn Eks, deadline: &Deadline, line: &Progress, cluster: &Cluster) -> Result<()> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let found = deadline.within("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let Some(addon) = found else { return Ok(()) };
        // Another status than these is of an answer that is late.
        if addon.status == "DELETE_FAILED" {
            return Err(failed(cluster, &addon));
        }
        line.update(format!("add-on {} is {}", addon.version, addon.status));
        let waited = deadline.pause("waiting for the agent add-on to be gone", backoff.step()).await;
        waited.map_err(|failure| addon.issues.iter().map(said).fold(failure, Failure::because))?;
    }
}

/// Between two looks at the add-on. When time is over, its last health issues are why.
async fn pause(deadline: &Deadline, backoff: &mut Backoff, addon: Option<&Addon>) -> Result<()> {
    let waited = deadline.pause("waiting for the agent add-on to be ACTIVE", backoff.step()).await;
    waited.map_err(|failure| late(failure, addon))
}

/// When time is over, the add-on as it was seen last is why.
fn late(failure: Failure, addon: Option<&Addon>) -> Failure {
    let mut failure = failure;
    if let Some(addon) = addon.filter(|_| failure.code == Code::TimedOut) {
        failure.causes.push(format!("it is {}", addon.status));
        failure.causes.extend(addon.issues.iter().map(said));
        failure = addon.issues.iter().fold(failure, explained);
    }
    failure
}

/// One look at the add-on; a failure when it failed or is gone.
async fn read_addon(eks: &dyn Eks, deadline: &Deadline, line: &Progress, cluster: &Cluster) -> Result<Addon> {
    let found = deadline.within("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
    let Some(addon) = found else {
        return Err(Failure::failed(format!("the add-on `{AGENT}` of cluster `{}` is gone", cluster.name)));
    };
    let issues: Vec<String> = addon.issues.iter().map(said).collect();
    match addon.status.as_str() {
        "ACTIVE" => {}
        "CREATE_FAILED" | "UPDATE_FAILED" | "DELETE_FAILED" => {
            return Err(failed(cluster, &addon));
        }
        status => {
            let detail = if issues.is_empty() { String::new() } else { format!(" ({})", issues.join("; ")) };
            line.update(format!("add-on {} is {status}{detail}", addon.version));
        }
    }
    Ok(addon)
}

/// An add-on whose status says that it will not be what it was to be.
fn failed(cluster: &Cluster, addon: &Addon) -> Failure {
    let failure = Failure::failed(format!("the add-on `{AGENT}` of cluster `{}` is {}", cluster.name, addon.status));
    let failure = Failure { causes: addon.issues.iter().map(said).collect(), ..failure };
    let failure = addon.issues.iter().fold(failure, explained).hint("see the nodes with `podid agent status`");
    match addon.status.as_str() {
        "CREATE_FAILED" => {
            failure.hint("remove it with `podid agent uninstall`, then install it again with `podid agent install`")
        }
        "UPDATE_FAILED" => failure.hint("try again with `podid agent upgrade`"),
        _ => failure.hint("try again with `podid agent uninstall`"),
    }
}

/// An issue in its own words.
fn said(issue: &Issue) -> String {
    format!("{}: {}", issue.code, issue.message)
}

/// Adds what an issue of the add-on's health means.
fn explained(failure: Failure, issue: &Issue) -> Failure {
    let said = explain::issue(&issue.code, &issue.message);
    said.into_iter().fold(failure, |failure, said| said.added_to(failure))
}

/// Waits until each node that matters, and can get an agent, has a ready one. `state` was read a moment ago, and is not read again when it says so.
async fn covered(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Progress,
    only: Option<&BTreeSet<String>>,
    state: AgentState,
) -> Result<Ready> {
    let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
    let mut state = state;
    let mut fresh = false;
    loop {
        let lack = state.lack(only);
        // An add-on brings its DaemonSet: without one, what was read is older than the add-on.
        let read = fresh || !state.daemon_sets.is_empty() || state.addon.is_none();
        if read && lack.coming.is_empty() && there(&state) {
            return Ok(Ready { state, never: lack.never, unread: None });
        }
        if fresh {
            let desired: u64 = state.daemon_sets.iter().map(|d| d.desired).sum();
            let ready: u64 = state.daemon_sets.iter().map(|d| d.ready).sum();
            line.update(format!(
                "agent: {ready} of {desired} pods ready, {} without one",
                count(lack.coming.len(), "node")
            ));
            let wait = deadline.pause("waiting for the agent on every node", backoff.step()).await;
            if let Err(mut failure) = wait {
                if failure.code == Code::TimedOut {
                    failure.causes = lack.coming.iter().map(|(node, why)| format!("{node}: {why}")).collect();
                }
                return Err(failure);
            }
        }
        match deadline.within("reading the agent's DaemonSet", observe::agent_in_cluster(kube)).await? {
            Observed::Known((daemon_sets, nodes)) => state = AgentState { daemon_sets, nodes, ..state },
            Observed::Unreadable(why) => return Ok(Ready { state, never: Vec::new(), unread: Some(why) }),
            Observed::NotRequested => return Ok(Ready { state, never: Vec::new(), unread: None }),
        }
        fresh = true;
    }
}

/// The DaemonSets' counts are of what they are now.
fn there(state: &AgentState) -> bool {
    state.daemon_sets.iter().all(|set| set.observed)
}
