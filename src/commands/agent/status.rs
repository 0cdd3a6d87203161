//! `podid agent status`.

use clap::Args;

use super::view;
use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    model::{addon::AGENT, agent::AgentState, have::Seen},
    observe,
    output::Format,
};

/// Show the agent: the add-on, its DaemonSet, and nodes without a ready one
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Status {}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid agent status
  podid agent status -o json";

impl Status {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
        let kube = ctx.kube().await?;
        let state = match ctx.guard.run("reading the agent", observe::agent(eks, kube, cluster)).await {
            Ok(Seen::Read(state)) => state,
            Ok(Seen::Unreadable(why)) => {
                return Err(Failure::new(Code::Denied, format!("the agent could not be read: {why}")));
            }
            Ok(Seen::NotAsked) => return Err(Failure::failed("the agent was not read")),
            Err(failure) => return Err(ctx.explain_kube(failure, false).await),
        };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&view::json(&state))?,
            Format::Yaml => ctx.term.emit_yaml(&view::json(&state))?,
            Format::Name => {
                for daemon_set in &state.daemon_sets {
                    ctx.term.emit_line(format!("{}/{}", daemon_set.namespace, daemon_set.name))?;
                }
            }
            Format::Table | Format::Wide => {
                ctx.term.emit_table(&view::table(&state))?;
                notes(ctx, &state);
            }
        }
        Ok(Code::Ok)
    }
}

fn notes(ctx: &Context, state: &AgentState) {
    match &state.addon {
        None if state.addon_unread.is_some() => {
            ctx.term
                .warn(format!("the add-on could not be read ({})", state.addon_unread.as_deref().unwrap_or_default()));
        }
        Some(addon) => {
            ctx.term.note(format!("add-on {AGENT} {}: {}", addon.version, addon.status));
            for issue in &addon.issues {
                ctx.term.warn(format!("{}: {}", issue.code, issue.message));
            }
        }
        None if state.daemon_sets.is_empty() => ctx.term.note("the add-on is not installed"),
        None => ctx.term.note("the add-on is not installed; the agent is self-managed"),
    }
    for set in &state.daemon_sets {
        let older = if set.observed { "" } else { " (counts of an older generation)" };
        ctx.term.note(format!(
            "DaemonSet {}/{}: {} of {} pods ready{older}",
            set.namespace, set.name, set.ready, set.desired
        ));
    }
    let missing = state.missing();
    ctx.term.note(format!("agent: {}", view::summary(state)));
    if !missing.is_empty() && state.daemon_sets.is_empty() && state.addon.is_none() {
        ctx.term.hint("install it with `podid agent install`");
    }
}
