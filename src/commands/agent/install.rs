//! `podid agent install`.

use clap::Args;
use serde_json::{Value, json};

use super::view;
use crate::{
    cli::Changing,
    commands::shared::{self, Consent},
    context::Context,
    execute::{self, Outcome, Ports},
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon},
        agent::AgentState,
        have::Seen,
    },
    observe,
    output::Format,
    plan::{Plan, Step},
    prove,
};

/// Install the eks-pod-identity-agent add-on and wait for it on every node
///
/// Without --version, EKS's default for the cluster's Kubernetes version is installed. EKS Auto Mode and a self-managed
/// DaemonSet are agents too: there is nothing to install then, and podid says so. Nodes that cannot get an agent now (not
/// ready, or excluded) are named and not waited for.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Install {
    /// Add-on version [default: EKS's default for the cluster]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Do not wait until the agent is ready; no Kubernetes call
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid agent install
  podid agent install --version v1.3.10-eksbuild.1
  podid agent install --dry-run --exit-code";

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
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
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
            if state.auto_mode && !state.needed() {
                return Ok(Found::Other("EKS Auto Mode has the agent built in; nothing to install".to_owned()));
            }
        }
        Ok(Found::Nothing(shared::agent_version(ctx, self.version.as_deref()).await?))
    }

    /// The add-on is ACTIVE and every node that can get an agent has a ready one.
    async fn prove(
        &self,
        ctx: &Context,
        found: &Found,
        state: Option<AgentState>,
    ) -> Result<(Option<Addon>, Option<AgentState>)> {
        if self.no_wait {
            return Ok((None, state));
        }
        if let Some(state) = state {
            let ready = super::settle(ctx, state, matches!(found, Found::Nothing(_)), None).await?;
            return Ok((ready.state.addon.clone(), Some(ready.state)));
        }
        let known = match found {
            Found::Addon(addon) => Some(addon),
            Found::Nothing(_) | Found::Other(_) => None,
        };
        let line = ctx.term.progress("agent");
        match prove::agent::addon(ctx.eks()?, &ctx.guard, &line, ctx.cluster().await?, known).await {
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
}

fn render(ctx: &Context, outcome: &Outcome, addon: Option<&Addon>, state: Option<&AgentState>) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("addon".to_owned(), json!(addon));
        map.insert("agent".to_owned(), state.map_or(Value::Null, view::json));
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => ctx.term.emit_line(AGENT),
        Format::Table | Format::Wide => Ok(()),
    }
}
