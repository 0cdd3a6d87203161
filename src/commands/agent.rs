//! `podid agent`: the eks-pod-identity-agent add-on, and whether every node that needs an agent has a ready one.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::Changing,
    commands::shared::{self, Consent, count},
    context::Context,
    execute::{self, Outcome, Ports},
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon},
        agent::{AgentState, Coverage},
        have::Seen,
    },
    observe,
    output::{
        Format,
        table::{Cell, Column, Table},
    },
    plan::{Plan, Step},
    prove,
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
    Install(Install),
    Status(Status),
}

/// Install the eks-pod-identity-agent add-on and wait for it on every node
///
/// Without --version, EKS's default for the cluster's Kubernetes version is installed. EKS Auto Mode and a self-managed
/// DaemonSet are agents too: there is nothing to install then, and podid says so.
#[derive(Debug, Args)]
#[command(after_long_help = INSTALL_EXAMPLES)]
pub struct Install {
    /// Add-on version [default: EKS's default for the cluster]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Do not wait until the agent is ready; no Kubernetes call
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Show the agent: the add-on, its DaemonSet, and nodes without a ready one
#[derive(Debug, Args)]
#[command(after_long_help = STATUS_EXAMPLES)]
pub struct Status {}

/// Examples of `agent install`.
pub const INSTALL_EXAMPLES: &str = "\
Examples:
  podid agent install
  podid agent install --version v1.3.10-eksbuild.1
  podid agent install --dry-run --exit-code";

/// Examples of `agent status`.
pub const STATUS_EXAMPLES: &str = "\
Examples:
  podid agent status
  podid agent status -o json";

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

/// What there is, and what an install would do.
enum Found {
    /// Nothing: this version would be installed.
    Nothing(String),
    /// The add-on.
    Addon(Addon),
    /// Something else serves as agent; what.
    Other(String),
}

impl Install {
    async fn run(self, ctx: &Context) -> Result<Code> {
        let cluster = ctx.cluster().await?;
        let eks = ctx.eks()?;
        let addon = ctx.guard.run("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let state = if self.no_wait { None } else { self.state(ctx, addon.clone()).await? };
        let found = self.find(ctx, addon, state.as_ref()).await?;
        let steps = match &found {
            Found::Nothing(version) => {
                vec![Step::InstallAgent { cluster: cluster.name.clone(), version: version.clone() }]
            }
            Found::Addon(_) | Found::Other(_) => Vec::new(),
        };
        let plan = Plan { steps, ..Plan::default() };
        match &found {
            Found::Addon(addon) => {
                ctx.term.status(format!("{AGENT} {} is installed already ({})", addon.version, addon.status));
            }
            Found::Other(what) => ctx.term.status(what),
            Found::Nothing(_) => shared::show_plan(ctx, &plan, &self.changing).await?,
        }
        if self.changing.dry_run {
            render(ctx, &Outcome::planned(&plan.steps), None, state.as_ref())?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Consent::of(&plan)).await?;
        let ports = Ports { eks, iam: ctx.iam()?, kube: None };
        let outcome = execute::run(&ports, &ctx.guard, plan.steps, |report| shared::tell(ctx, report)).await;
        let proved = match outcome.failure() {
            Some(failure) => Err(failure.clone()),
            None => self.prove(ctx, &found, state.clone()).await,
        };
        match proved {
            Ok((addon, state)) => {
                render(ctx, &outcome, addon.as_ref(), state.as_ref())?;
                Ok(Code::Ok)
            }
            Err(failure) => {
                render(ctx, &outcome, None, state.as_ref())?;
                Err(execute::after_write(failure, outcome.wrote()))
            }
        }
    }

    async fn state(&self, ctx: &Context, addon: Option<Addon>) -> Result<Option<AgentState>> {
        let cluster = ctx.cluster().await?;
        let kube = ctx.kube().await?;
        match ctx.guard.run("reading the agent's DaemonSet", observe::agent_in_cluster(kube)).await {
            Ok(Seen::Read((daemon_sets, nodes))) => {
                Ok(Some(AgentState { auto_mode: cluster.auto_mode, addon, addon_unread: None, daemon_sets, nodes }))
            }
            Ok(Seen::Unreadable(why)) => {
                ctx.term.warn(format!("the agent's DaemonSet and nodes could not be read ({why})"));
                Ok(None)
            }
            Ok(Seen::NotAsked) => Ok(None),
            Err(failure) => Err(ctx.explain_kube(failure, true).await),
        }
    }

    async fn find(&self, ctx: &Context, addon: Option<Addon>, state: Option<&AgentState>) -> Result<Found> {
        if let Some(addon) = addon {
            if let Some(wanted) = self.version.as_ref().filter(|wanted| **wanted != addon.version) {
                let cluster = &ctx.cluster().await?.name;
                return Err(Failure::usage(format!(
                    "{AGENT} {} is installed, not {wanted}; an install does not change a version",
                    addon.version
                ))
                .hint(format!(
                    "change it with `aws eks update-addon --cluster-name {cluster} --addon-name {AGENT} --addon-version {wanted}`"
                )));
            }
            return Ok(Found::Addon(addon));
        }
        if let Some(state) = state {
            if let Some(own) = state.daemon_sets.first() {
                return Ok(Found::Other(format!(
                    "the agent is self-managed here: DaemonSet {}/{}; nothing to install",
                    own.namespace, own.name
                )));
            }
            let needing = state.nodes.iter().filter(|n| !matches!(state.ready_on(&n.name), Coverage::BuiltIn)).count();
            if state.auto_mode && needing == 0 {
                return Ok(Found::Other("EKS Auto Mode has the agent built in; nothing to install".to_owned()));
            }
        }
        Ok(Found::Nothing(shared::agent_version(ctx, self.version.as_deref()).await?))
    }

    /// The add-on is ACTIVE and every node that needs an agent has a ready one.
    async fn prove(
        &self,
        ctx: &Context,
        found: &Found,
        state: Option<AgentState>,
    ) -> Result<(Option<Addon>, Option<AgentState>)> {
        if self.no_wait {
            return Ok((None, state));
        }
        let line = ctx.term.progress("agent");
        let addon = match found {
            Found::Other(_) => None,
            Found::Nothing(_) | Found::Addon(_) => {
                let known = match found {
                    Found::Addon(addon) => Some(addon),
                    Found::Nothing(_) | Found::Other(_) => None,
                };
                match prove::agent::addon(ctx.eks()?, &ctx.guard, &line, ctx.cluster().await?, known).await {
                    Ok(addon) => Some(addon),
                    Err(failure) => {
                        line.clear();
                        return Err(failure);
                    }
                }
            }
        };
        let Some(state) = state else {
            line.done("the add-on is ACTIVE; the nodes could not be read");
            return Ok((addon, None));
        };
        let proved =
            prove::agent::nodes(ctx.kube().await?, &ctx.guard, &line, AgentState { addon: addon.clone(), ..state })
                .await;
        match proved {
            Ok(Seen::Read(state)) => {
                line.done(summary(&state));
                Ok((addon, Some(state)))
            }
            Ok(_) => Ok((addon, None)),
            Err(failure) => {
                line.clear();
                Err(failure)
            }
        }
    }
}

fn render(ctx: &Context, outcome: &Outcome, addon: Option<&Addon>, state: Option<&AgentState>) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("addon".to_owned(), json!(addon));
        map.insert("agent".to_owned(), state.map_or(Value::Null, agent_json));
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => ctx.term.emit_line(AGENT),
        Format::Table | Format::Wide => Ok(()),
    }
}

impl Status {
    async fn run(self, ctx: &Context) -> Result<Code> {
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
            Format::Json => ctx.term.emit_json(&agent_json(&state))?,
            Format::Yaml => ctx.term.emit_yaml(&agent_json(&state))?,
            Format::Name => {
                for daemon_set in &state.daemon_sets {
                    ctx.term.emit_line(format!("{}/{}", daemon_set.namespace, daemon_set.name))?;
                }
            }
            Format::Table | Format::Wide => {
                ctx.term.emit_table(&nodes_table(&state))?;
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
    let missing = state.missing();
    ctx.term.note(format!("agent: {}", summary(state)));
    if !missing.is_empty() && state.daemon_sets.is_empty() && state.addon.is_none() {
        ctx.term.hint("install it with `podid agent install`");
    }
}

/// One line on where the agent is.
fn summary(state: &AgentState) -> String {
    let missing = state.missing();
    let (mut ready, mut built_in) = (0, 0);
    for node in &state.nodes {
        match state.ready_on(&node.name) {
            Coverage::Ready => ready += 1,
            Coverage::BuiltIn => built_in += 1,
            Coverage::Missing(_) | Coverage::NotSupported(_) => {}
        }
    }
    if ready == 0 && built_in == 0 && missing.is_empty() {
        return "no node needs an agent".to_owned();
    }
    let mut text = format!("ready on {}", count(ready, "node"));
    if built_in > 0 {
        text = format!("{text}, built in on {built_in} (EKS Auto Mode)");
    }
    if !missing.is_empty() {
        text = format!("{text}, missing on {}", missing.len());
    }
    text
}

fn coverage_words(coverage: &Coverage) -> (&'static str, String) {
    match coverage {
        Coverage::Ready => ("ready", String::new()),
        Coverage::BuiltIn => ("built-in", "EKS Auto Mode".to_owned()),
        Coverage::Missing(why) => ("missing", why.clone()),
        Coverage::NotSupported(why) => ("not-supported", why.clone()),
    }
}

fn nodes_table(state: &AgentState) -> Table {
    let mut table = Table::new(&[Column::new("NODE"), Column::new("AGENT"), Column::new("REASON").priority(1)]);
    for node in &state.nodes {
        let (word, why) = coverage_words(&state.ready_on(&node.name));
        table.row([Cell::new(&node.name), Cell::new(word), Cell::new(why)]);
    }
    table
}

fn agent_json(state: &AgentState) -> Value {
    let nodes: Vec<Value> = state
        .nodes
        .iter()
        .map(|node| {
            let (word, why) = coverage_words(&state.ready_on(&node.name));
            json!({ "node": node.name, "agent": word, "reason": (!why.is_empty()).then_some(why) })
        })
        .collect();
    let unread: Vec<Value> = state.addon_unread.iter().map(|why| json!({ "what": "addon", "why": why })).collect();
    json!({
        "autoMode": state.auto_mode,
        "addon": state.addon,
        "daemonSets": state.daemon_sets,
        "nodes": nodes,
        "unread": unread,
    })
}
