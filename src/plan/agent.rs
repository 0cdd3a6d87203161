//! The agent's part of a plan: install it when asked for, refuse where pods would be left without one.

use super::{Plan, Refusal, Step};
use crate::model::{
    addon::{AGENT, Settings},
    agent::{AgentState, Reach, grouped},
    have::{Have, Observed},
    want::Want,
    workload::{Pod, Workload},
};

pub(super) fn plan(want: &Want, have: &Have, plan: &mut Plan) -> Result<(), Refusal> {
    let state = match &have.agent {
        Observed::NotRequested => return Ok(()),
        Observed::Unreadable(why) if want.install_agent.is_some() => {
            return Err(unknown(why));
        }
        Observed::Unreadable(why) => {
            plan.warn(format!("agent not checked: {why}"));
            return Ok(());
        }
        Observed::Known(state) => state,
    };
    let installing = install(want, state, plan)?;
    let (Some(pods), Some(workloads)) = (have.pods.known(), have.workloads.known()) else {
        if let Observed::Unreadable(why) = &have.pods {
            plan.warn(format!("agent not checked where the pods run: {why}"));
        } else if let Observed::Unreadable(why) = &have.workloads {
            plan.warn(format!("agent not checked where the pods could run: {why}"));
        }
        return Ok(());
    };
    reach(state, pods, workloads, installing, want.allow_missing_agent, plan).map_err(|refusal| {
        let refusal = if !state.installed() && state.addon_unread.is_some() {
            refusal.hint("the permission eks:DescribeAddon is needed to check whether the add-on is installed")
        } else if state.installed() || want.install_agent.is_some() {
            refusal.hint(format!(
                "find out why: `kubectl get pods -n kube-system -l app.kubernetes.io/name={AGENT} -o wide`"
            ))
        } else {
            refusal.hint("to install it, pass `--install-agent`")
        };
        refusal.hint("to continue without it, pass `--allow-missing-agent`")
    })
}

fn install(want: &Want, state: &AgentState, plan: &mut Plan) -> Result<bool, Refusal> {
    let Some(version) = &want.install_agent else { return Ok(false) };
    if let Some(addon) = &state.addon {
        // An earlier run's install that is still under way is proved after the plan, as this one's would be.
        return Ok(matches!(addon.status.as_str(), "CREATING" | "UPDATING"));
    }
    if let Some(set) = state.daemon_sets.first() {
        plan.warn(format!("add-on not installed: DaemonSet {}/{} is already an agent", set.namespace, set.name));
        return Ok(false);
    }
    if state.auto_mode && !state.needed() {
        plan.warn("add-on not installed: EKS Auto Mode nodes have the agent built in");
        return Ok(false);
    }
    // Unread is not absent: the add-on may be there, and what keeps its DaemonSet away is not to be covered up.
    if let Some(why) = &state.addon_unread {
        return Err(unknown(why));
    }
    let (cluster, settings) = (want.cluster.name.clone(), Settings::default());
    plan.steps.push(Step::InstallAgent { cluster, version: version.clone(), settings });
    Ok(true)
}

/// What could not be read is a permission: with it, the same command goes on.
fn unknown(why: &str) -> Refusal {
    Refusal::denied(format!("cannot determine whether the agent is installed: {why}"))
        .hint("get that permission, or omit `--install-agent`")
}

/// An injected pod without an agent gets no credentials, not even the node role's: most SDKs stop at the endpoint that
/// does not answer. Hence refused, not warned about.
pub(super) fn reach(
    state: &AgentState,
    pods: &[Pod],
    workloads: &[Workload],
    installing: bool,
    allow_missing: bool,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let found = state.reach(pods, workloads);
    if matches!(found, Reach::NoNodes | Reach::NoPods(_))
        && !installing
        && let Some(why) = state.nowhere()
    {
        let message = format!("new pods would get no credentials: no node has a ready agent ({why})");
        if !allow_missing {
            return Err(Refusal::new(message));
        }
        plan.warn(message);
        return Ok(());
    }
    if let Some(why) = state.unsupported() {
        plan.warn(format!("no node of the cluster supports Pod Identity now: {why}"));
    }
    match found {
        Reach::Everywhere(_) => {}
        Reach::NoNodes => plan.warn("no node is available for the pods now: agent not checked"),
        Reach::NoPods(_) if installing => {}
        Reach::NoPods(missing) => {
            if !missing.is_empty() {
                plan.warn(format!("no pods use it yet, and some nodes have no ready agent: {}", grouped(&missing)));
            }
        }
        Reach::Lacking(missing) => {
            // What the add-on will cover once it is installed is proved after the plan, not refused before.
            let missing: Vec<(String, String)> =
                missing.into_iter().filter(|(name, _)| !(installing && state.coverable(name))).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let message = format!("no ready agent where the pods run or could run: {}", grouped(&missing));
            if !allow_missing {
                return Err(Refusal::new(message));
            }
            plan.warn(message);
        }
    }
    Ok(())
}
