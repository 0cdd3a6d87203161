//! Whether every node that needs an agent has a ready one.

use std::{collections::BTreeSet, time::Duration};

use super::addon::{late, pause, read_addon};
pub use crate::model::text::count;
use crate::{
    failure::{Code, Result},
    model::{addon::AGENT, agent::AgentState, cluster::Cluster, have::Observed},
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
        let looked = read_addon(how.eks, how.deadline, how.line, (how.cluster, AGENT)).await;
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
        pause(how.deadline, &mut backoff, AGENT, state.addon.as_ref()).await?;
    }
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
