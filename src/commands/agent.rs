//! `podid agent`: the eks-pod-identity-agent add-on, and whether every node that needs an agent has a ready one.

mod install;
mod status;
mod view;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};

use crate::{
    context::Context,
    failure::{Code, Result},
    model::agent::{AgentState, grouped},
    prove::agent::{self, Ready, Wait},
};

/// Install the agent on the nodes, and see where it is missing
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
    let how = Wait { eks, kube, guard: &ctx.guard, line: &line, cluster, only };
    let ready = match agent::ready(&how, state, installed).await {
        Ok(ready) => ready,
        Err(failure) => {
            line.clear();
            return Err(failure);
        }
    };
    match &ready.unread {
        Some(why) => line.done(format!("the nodes could not be read any more ({why})")),
        None if only.is_some() && ready.never.is_empty() => line.done("ready on every node that needs it"),
        None => line.done(view::summary(&ready.state)),
    }
    if !ready.never.is_empty() {
        ctx.term.warn(format!("not waited for: {}", grouped(&ready.never)));
    }
    Ok(ready)
}
