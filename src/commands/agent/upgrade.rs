//! `podid agent upgrade`.

use clap::Args;
use serde_json::Value;

use super::{before, prove, render, settings::SettingsArgs};
use crate::{
    args::Changing,
    commands::shared::{self, Confirmation},
    context::Context,
    execute::{self, Outcome, Ports},
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon, Conflicts, SchemaChanges, Settings, numbers, schema_changes},
        agent::AgentState,
    },
    observe,
    plan::{Plan, Step},
    prove::addon,
};

/// Upgrade the eks-pod-identity-agent add-on or change its configuration, and wait until it is ready on every node
///
/// Without --version, podid upgrades to EKS's default version for the cluster's Kubernetes version; a newer add-on is
/// left as it is. The configuration is kept unless --configuration-values sets another, and so are fields that were
/// changed outside EKS unless --resolve-conflicts says otherwise. If the new version reads a configuration key in use
/// differently, podid warns first.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Upgrade {
    /// Add-on version [default: EKS's default for the cluster]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Do not wait until the agent is ready; makes no Kubernetes calls
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid agent upgrade
  podid agent upgrade --version v1.3.10-eksbuild.1 --dry-run
  podid agent upgrade --configuration-values @agent.json \\
      --resolve-conflicts overwrite --yes";

/// The change, if there is one, and why there is none.
enum Due {
    Step(Box<Step>),
    Nothing(String),
}

impl Upgrade {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        let settings = self.settings.read(ctx).await?;
        let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
        let found = ctx.deadline.within("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let Some(addon) = found else {
            return Err(Failure::usage(format!("the add-on `{AGENT}` is not installed in cluster `{}`", cluster.name))
                .hint("install it with `podid agent install`")
                .hint("upgrade a self-managed agent with the tool that installed it: see `podid agent status`"));
        };
        let due = self.due(ctx, &addon, settings).await?;
        let state = if self.no_wait { None } else { before(ctx, Some(addon.clone())).await? };
        let plan = match due {
            Due::Nothing(why) => {
                ctx.term.status(why);
                Plan::default()
            }
            Due::Step(step) => {
                let plan = Plan { steps: vec![*step], ..Plan::default() };
                shared::show_plan(ctx, &plan, &self.changing).await?;
                plan
            }
        };
        if self.changing.dry_run {
            render(ctx, &Outcome::planned(&plan.steps), Some(&addon), state.as_ref())?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Confirmation::of(&plan)).await?;
        let ports = Ports { eks, iam: ctx.iam()?, kube: None };
        let outcome = execute::run(&ports, &ctx.deadline, plan.steps, |report| shared::report_step(ctx, report)).await;
        let proved = match outcome.failure() {
            Some(failure) => Err(failure.clone()),
            None => self.prove(ctx, &outcome, addon, state.clone()).await,
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

    /// What there is to change; refused while another change is under way, and where EKS would refuse the configuration.
    async fn due(&self, ctx: &Context, addon: &Addon, given: Settings) -> Result<Due> {
        let kubernetes = &ctx.cluster().await?.version;
        let offered = shared::agent_version(ctx, self.version.as_deref()).await?;
        let (present, new) = (numbers(&addon.version), numbers(&offered));
        // Only a version that was named may be older than what is there.
        let version = if self.version.is_some() || new > present { offered.clone() } else { addon.version.clone() };
        let configured = given.configuration.as_ref().is_none_or(|given| addon.is_configured(given));
        // One that failed may have this version, and not be what it should be.
        if version == addon.version && configured && addon.status != "UPDATE_FAILED" {
            let why = match &self.version {
                Some(_) => format!("{AGENT} is already at {version}"),
                None if present > new => {
                    format!("{AGENT} {version} is newer than the default for Kubernetes {kubernetes}, {offered}")
                }
                None => format!("{AGENT} {version} is already the default for Kubernetes {kubernetes}"),
            };
            return Ok(Due::Nothing(format!("{why}: nothing to do")));
        }
        if matches!(addon.status.as_str(), "CREATING" | "UPDATING" | "DELETING") {
            return Err(Failure::failed(format!(
                "{AGENT} {} is {}: another change is in progress",
                addon.version, addon.status
            ))
            .hint("wait until `podid agent status` shows ACTIVE, then run the same command again"));
        }
        let configuration = given.configuration.or_else(|| addon.configuration.clone());
        if let Some(configuration) = &configuration
            && version != addon.version
        {
            fits(ctx, configuration, &addon.version, &version).await?;
        }
        let settings = Settings { configuration, conflicts: given.conflicts.or(Some(Conflicts::Preserve)) };
        let cluster = ctx.cluster().await?.name.clone();
        Ok(Due::Step(Box::new(Step::UpdateAgent { cluster, from: Box::new(addon.clone()), version, settings })))
    }

    async fn prove(
        &self,
        ctx: &Context,
        outcome: &Outcome,
        addon: Addon,
        state: Option<AgentState>,
    ) -> Result<(Option<Addon>, Option<AgentState>)> {
        if self.no_wait {
            return Ok((None, state));
        }
        let Some(id) = &outcome.addon_update else {
            return prove(ctx, state, false, Some(&addon)).await;
        };
        let line = ctx.term.progress("agent");
        let ended = addon::update(ctx.eks()?, &ctx.deadline, &line, (ctx.cluster().await?, AGENT), id).await;
        line.clear();
        if !ended? {
            // The add-on's own status tells the end too, though not why.
            ctx.term.warn("could not read the state of the update: not allowed: eks:DescribeUpdate");
        }
        // What was read before the update tells nothing of what is there now.
        prove(ctx, state.map(|state| AgentState { addon: None, ..state }), true, None).await
    }
}

/// Compares the schemas of both versions for the keys in use: warns of what changed, and refuses what EKS would refuse.
async fn fits(ctx: &Context, configuration: &str, from: &str, to: &str) -> Result<()> {
    // EKS takes YAML too; podid reads only what it writes.
    let Ok(value) = serde_json::from_str::<Value>(configuration) else {
        ctx.term.warn("the current configuration is not JSON: not compared with the schema of the new version");
        return Ok(());
    };
    let eks = ctx.eks()?;
    let schemas = ctx
        .deadline
        .within("reading the configuration schemas", async {
            futures::try_join!(eks.addon_schema(AGENT, from), eks.addon_schema(AGENT, to))
        })
        .await;
    let (before, after) = match schemas {
        Ok(schemas) => schemas,
        Err(failure) if observe::forbidden(&failure) => {
            ctx.term.warn("configuration not compared with the schema of the new version: not allowed: eks:DescribeAddonConfiguration");
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    let SchemaChanges { gone, changed } = schema_changes(&value, &before, &after);
    for change in changed {
        ctx.term.warn(format!("{to} reads the current configuration differently: {change}"));
    }
    if gone.is_empty() {
        return Ok(());
    }
    let keys = gone.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    Err(Failure::usage(format!("{AGENT} {to} does not accept the current configuration: {keys}"))
        .because(format!("the add-on's configuration is {configuration}"))
        .hint("pass a configuration that it accepts with `--configuration-values`"))
}
