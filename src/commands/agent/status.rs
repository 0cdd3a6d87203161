//! `podid agent status`.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;

use super::view;
use crate::{
    commands::shared,
    context::Context,
    failure::{Code, Failure, Result},
    model::{addon::AGENT, agent::AgentState, have::Observed},
    observe,
    output::{Format, json},
    wait,
};

/// Show the agent: the add-on, its DaemonSet, and why it is not ready on some nodes
///
/// With --watch, the table is redrawn until Ctrl-C. In a pipe, each node that changes is printed as one line; with -o
/// json, each change as one document per line. --timeout then limits each refresh.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Status {
    /// Keep running and show each change, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// Do not print the agent's log lines
    #[arg(long)]
    no_logs: bool,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid agent status
  podid agent status --watch
  podid agent status -o json";

/// Between two looks of `--watch`.
const EVERY: Duration = Duration::from_secs(2);

/// Looks that may fail in a row before the watch is given up: API servers are replaced now and then.
const FAULTS: u32 = 3;

impl Status {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        if self.watch {
            return self.watch(ctx).await;
        }
        let state = self.read_agent(ctx).await?;
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&view::Document::of(&state))?,
            Format::Yaml => ctx.term.emit_yaml(&view::Document::of(&state))?,
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

    async fn read_agent(&self, ctx: &Context) -> Result<AgentState> {
        let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
        let kube = ctx.kube().await?;
        let mut state = match ctx.deadline.within("reading the agent", observe::agent(eks, kube, cluster)).await {
            Ok(Observed::Known(state)) => state,
            Ok(Observed::Unreadable(why)) => {
                return Err(Failure::new(Code::Denied, format!("the agent could not be read: {why}")));
            }
            Ok(Observed::NotRequested) => return Err(Failure::failed("the agent was not read")),
            Err(failure) => return Err(ctx.explain_kube(failure, false).await),
        };
        if !self.no_logs {
            let logs = async {
                observe::crash_logs(kube, &mut state).await;
                Ok(())
            };
            ctx.deadline.within("reading the logs of agents that crash", logs).await?;
        }
        Ok(state)
    }

    async fn watch(&self, ctx: &Context) -> Result<Code> {
        let mut before: Option<AgentState> = None;
        let mut faults = 0;
        loop {
            // Each look has the whole of --timeout: a watch ends when it is told to.
            let looked = match ctx.deadline.excluding_user_time(Box::pin(self.read_agent(ctx))).await {
                Ok(looked) => looked,
                Err(stopped) => return Ok(stopped.code),
            };
            match looked {
                Ok(state) => {
                    faults = 0;
                    if before.as_ref() != Some(&state) {
                        show(ctx, before.as_ref(), &state)?;
                        before = Some(state);
                    }
                }
                Err(failure) if failure.code.signalled() => {
                    return Ok(failure.code);
                }
                Err(failure) if failure.code == Code::Failed && before.is_some() && faults < FAULTS => {
                    faults += 1;
                    ctx.term.warn(format!("a refresh failed: {failure}"));
                }
                Err(failure) => return Err(failure),
            }
            if ctx.term.out_closed() {
                return Ok(Code::Ok);
            }
            if let Err(stopped) = ctx.deadline.excluding_user_time(wait::pause(EVERY)).await {
                return Ok(stopped.code);
            }
        }
    }
}

/// What is new since the look before.
fn show(ctx: &Context, before: Option<&AgentState>, state: &AgentState) -> Result<()> {
    match ctx.term.format() {
        Format::Json => ctx.term.emit(&json::line(&view::Document::of(state))),
        Format::Yaml => {
            ctx.term.emit("---\n")?;
            ctx.term.emit_yaml(&view::Document::of(state))
        }
        Format::Table | Format::Wide if ctx.term.streams().out_tty => {
            ctx.term.redraw(&view::table(state).render(&ctx.term.table_view()))?;
            notes(ctx, state);
            Ok(())
        }
        Format::Table | Format::Wide | Format::Name => changes(ctx, before, state),
    }
}

/// A line for each node that is not as it was.
fn changes(ctx: &Context, before: Option<&AgentState>, state: &AgentState) -> Result<()> {
    let rows = |state: &AgentState| -> BTreeMap<String, String> {
        state.nodes.iter().map(|node| (node.name.clone(), view::row(state, &node.name).join("\t"))).collect()
    };
    let (old, new) = (before.map(rows).unwrap_or_default(), rows(state));
    shared::emit_changes(ctx, &old, &new)?;
    let (was, is) = (before.map(|before| lines(before, ctx)), lines(state, ctx));
    for line in is.iter().filter(|line| was.as_ref().is_none_or(|was| !was.contains(line))) {
        ctx.term.note(line);
    }
    Ok(())
}

/// The add-on and the DaemonSets, each in a line.
fn lines(state: &AgentState, ctx: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    match &state.addon {
        None if state.addon_unread.is_some() => {}
        Some(addon) => lines.push(format!("add-on {AGENT} {}: {}", addon.version, addon.status)),
        None if state.daemon_sets.is_empty() => lines.push("the add-on is not installed".to_owned()),
        None => lines.push("the add-on is not installed; the agent is self-managed".to_owned()),
    }
    for set in &state.daemon_sets {
        let older = if set.observed { "" } else { " (counts from before the last change)" };
        lines.push(format!(
            "DaemonSet {}/{}: {} of {} pods ready{older}",
            set.namespace, set.name, set.ready, set.desired
        ));
    }
    if ctx.term.verbosity() > 0
        && let Some(configuration) = state.addon.as_ref().and_then(|addon| addon.configuration.as_ref())
    {
        lines.push(format!("configuration: {configuration}"));
    }
    lines.push(format!("agent: {}", view::summary(state)));
    lines
}

fn notes(ctx: &Context, state: &AgentState) {
    if let Some(why) = &state.addon_unread {
        ctx.term.warn(format!("the add-on could not be read ({why})"));
    }
    for (at, line) in lines(state, ctx).iter().enumerate() {
        ctx.term.note(line);
        for issue in state.addon.iter().flat_map(|addon| &addon.issues).filter(|_| at == 0) {
            ctx.term.warn(format!("{}: {}", issue.code, issue.message));
        }
    }
    if !state.missing().is_empty() && !state.installed() && state.addon_unread.is_none() {
        ctx.term.hint("install it with `podid agent install`");
    }
    for remedy in state.remedies() {
        ctx.term.hint(remedy);
    }
}
