//! Plans `recycle`: restarts of the workloads that use a service account.

use super::{Plan, Refusal, agent, restart};
use crate::model::{
    agent::AgentState,
    association::Association,
    have::Observed,
    names::ServiceAccount,
    staleness,
    workload::{Pod, Workload, WorkloadRef},
};

/// What `recycle` is asked, and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Recycle<'a> {
    /// Whose workloads.
    pub subject: &'a ServiceAccount,
    /// All its workloads.
    pub workloads: &'a [Workload],
    /// Only these of them; empty means all.
    pub only: &'a [WorkloadRef],
    /// Its pods.
    pub pods: &'a [Pod],
    /// Its association.
    pub association: Option<&'a Association>,
    /// The agent.
    pub agent: &'a Observed<AgentState>,
    /// Only workloads with stale pods.
    pub stale_only: bool,
    /// Go on where nodes have no ready agent.
    pub allow_missing_agent: bool,
}

/// Plans restarts. A workload whose restart is unfinished is watched, not restarted again.
///
/// # Errors
/// When new pods would land on a node without a ready agent.
pub fn recycle(ask: &Recycle<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let stale = |pod: &Pod| ask.association.is_some_and(|association| staleness::stale(pod, association).is_some());
    if ask.only.is_empty() {
        restart::restarts(ask.workloads, ask.pods, &stale, !ask.stale_only, &mut plan);
    } else {
        let named: Vec<Workload> = ask.workloads.iter().filter(|w| ask.only.contains(&w.id)).cloned().collect();
        let pods: Vec<Pod> = ask.pods.iter().filter(|pod| named.iter().any(|w| w.owns(pod))).cloned().collect();
        restart::restarts(&named, &pods, &stale, !ask.stale_only, &mut plan);
    }
    if ask.association.is_none() {
        plan.warn(format!("{} has no association: new pods get no credentials from Pod Identity", ask.subject));
        return Ok(plan);
    }
    if plan.steps.is_empty() {
        return Ok(plan);
    }
    match ask.agent {
        Observed::NotRequested => {}
        Observed::Unreadable(why) => plan.warn(format!("agent not checked: {why}")),
        Observed::Known(agents) => {
            let moved: Vec<Workload> = ask.workloads.iter().filter(|w| plan.restarted(&w.id)).cloned().collect();
            let pods: Vec<Pod> = ask.pods.iter().filter(|pod| moved.iter().any(|w| w.owns(pod))).cloned().collect();
            agent::reach(agents, &pods, &moved, false, ask.allow_missing_agent, &mut plan).map_err(|refusal| {
                let refusal =
                    if agents.installed() { refusal } else { refusal.hint("install it: `podid agent install`") };
                refusal.hint("to restart anyway, pass `--allow-missing-agent`")
            })?;
        }
    }
    Ok(plan)
}
