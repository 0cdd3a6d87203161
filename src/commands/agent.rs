//! `podid agent`: the eks-pod-identity-agent add-on, and whether every node that needs an agent has a ready one.

mod install;
mod settings;
mod status;
mod uninstall;
mod upgrade;
pub(super) mod view;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    commands::shared,
    context::Context,
    execute::Outcome,
    failure::{Code, Result},
    model::{
        addon::{AGENT, Addon},
        agent::{AgentState, grouped},
        have::Observed,
    },
    observe,
    output::Format,
    prove::{
        addon,
        agent::{self, Ready, Wait},
    },
};

/// Install, upgrade, check or remove the EKS Pod Identity Agent
#[derive(Debug, Args)]
pub struct Agent {
    #[command(subcommand)]
    command: AgentCommand,
}

/// Commands of the agent.
#[derive(Debug, Subcommand)]
enum AgentCommand {
    Install(install::Install),
    Status(status::Status),
    Upgrade(upgrade::Upgrade),
    Uninstall(uninstall::Uninstall),
}

impl Agent {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match self.command {
            AgentCommand::Install(install) => install.run(ctx).await,
            AgentCommand::Status(status) => status.run(ctx).await,
            AgentCommand::Upgrade(upgrade) => Box::pin(upgrade.run(ctx)).await,
            AgentCommand::Uninstall(uninstall) => uninstall.run(ctx).await,
        }
    }
}

/// Waits until the agent is ready where it can be, of these nodes or of all, and says so: the last step of
/// `agent install`, and of `associate --install-agent`. `state` was read before the plan; `installed`: the plan made the add-on.
///
/// # Errors
/// A failed add-on, the deadline, an interruption, or an API that fails.
pub async fn settle(
    ctx: &Context,
    state: AgentState,
    installed: bool,
    only: Option<&BTreeSet<String>>,
) -> Result<Ready> {
    let line = ctx.term.progress("agent");
    let (eks, kube, cluster) = (ctx.eks()?, ctx.kube().await?, ctx.cluster().await?);
    let how = Wait { eks, kube, deadline: &ctx.deadline, line: &line, cluster, only };
    let ready = match agent::ready(&how, state, installed).await {
        Ok(ready) => ready,
        Err(failure) => {
            line.clear();
            return Err(failure);
        }
    };
    match &ready.unread {
        Some(why) => line.done(format!("the nodes could no longer be read ({why})")),
        None if only.is_some() && ready.never.is_empty() => line.done("ready on every node that needs it"),
        None => line.done(view::summary(&ready.state)),
    }
    if !ready.never.is_empty() {
        ctx.term.warn(format!("not ready, and not waited for: {}", grouped(&ready.never)));
    }
    Ok(ready)
}

/// What `agent upgrade` proves after its write, for a plan that changed the add-on among other things.
///
/// # Errors
/// As [`settle`], and an update that failed.
pub async fn updated(ctx: &Context, id: &str, state: AgentState) -> Result<Ready> {
    let line = ctx.term.progress("agent");
    let ended = addon::update(ctx.eks()?, &ctx.deadline, &line, (ctx.cluster().await?, AGENT), id).await;
    line.clear();
    if !ended? {
        ctx.term.warn("could not read the state of the update: not allowed: eks:DescribeUpdate");
    }
    // What was read before the update tells nothing of what is there now.
    settle(ctx, AgentState { addon: None, ..state }, true, None).await
}

/// The agent as it is before a plan; `None`, with a warning, where Kubernetes may not be asked.
async fn before(ctx: &Context, addon: Option<Addon>) -> Result<Option<AgentState>> {
    let cluster = ctx.cluster().await?;
    let kube = ctx.kube().await?;
    match ctx.deadline.within("reading the agent's DaemonSet", observe::agent_in_cluster(kube)).await {
        Ok(Observed::Known((daemon_sets, nodes))) => {
            Ok(Some(AgentState { auto_mode: cluster.auto_mode, addon, addon_unread: None, daemon_sets, nodes }))
        }
        Ok(Observed::Unreadable(why)) => {
            ctx.term.warn(format!("the agent's DaemonSet and nodes could not be read ({why})"));
            Ok(None)
        }
        Ok(Observed::NotRequested) => Ok(None),
        Err(failure) => Err(ctx.explain_kube(failure, true).await),
    }
}

/// Proves that the add-on is ACTIVE and every node that can get an agent has a ready one; the add-on alone where the nodes
/// could not be read. `changed`: the plan made or changed the add-on; `known`: as it was read otherwise.
async fn prove(
    ctx: &Context,
    state: Option<AgentState>,
    changed: bool,
    known: Option<&Addon>,
) -> Result<(Option<Addon>, Option<AgentState>)> {
    if let Some(state) = state {
        let ready = settle(ctx, state, changed, None).await?;
        return Ok((ready.state.addon.clone(), Some(ready.state)));
    }
    let line = ctx.term.progress("agent");
    match addon::active(ctx.eks()?, &ctx.deadline, &line, (ctx.cluster().await?, AGENT), known).await {
        Ok(addon) => {
            line.done("the add-on is ACTIVE; the nodes could not be read");
            Ok((Some(addon), None))
        }
        Err(failure) => {
            line.clear();
            Err(failure)
        }
    }
}

/// The result as data.
fn render(ctx: &Context, outcome: &Outcome, addon: Option<&Addon>, state: Option<&AgentState>) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("addon".to_owned(), json!(addon));
        map.insert("agent".to_owned(), json!(state.map(view::Document::of)));
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => ctx.term.emit_line(AGENT),
        Format::Table | Format::Wide => Ok(()),
    }
}
