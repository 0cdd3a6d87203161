//! `podid agent install`.

use clap::Args;

use super::{before, prove, render, settings::SettingsArgs};
use crate::{
    args::Changing,
    commands::shared::{self, Confirmation},
    context::Context,
    execute::{self, Outcome, Ports},
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon, Settings},
        agent::AgentState,
    },
    plan::{Plan, Step},
};

/// Install the eks-pod-identity-agent add-on, and wait until it is ready on every node
///
/// Without --version, podid installs EKS's default version for the cluster's Kubernetes version. Where an agent
/// exists already, nothing is installed: EKS Auto Mode has it built in, and a self-managed DaemonSet counts too.
/// Nodes that cannot run an agent now (not ready, or excluded) are reported, and podid does not wait for them.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Install {
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
pub(super) const EXAMPLES: &str = r#"Examples:
  podid agent install
  podid agent install --version v1.3.10-eksbuild.1
  podid agent install --configuration-values \
      '{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}'
  podid agent install --dry-run --exit-code"#;

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
        let settings = self.settings.read(ctx).await?;
        let cluster = ctx.cluster().await?;
        let eks = ctx.eks()?;
        let addon = ctx.deadline.within("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let state = if self.no_wait { None } else { before(ctx, addon.clone()).await? };
        let found = self.find(ctx, addon, state.as_ref(), &settings).await?;
        let steps = match &found {
            Found::Nothing(version) => {
                vec![Step::InstallAgent { cluster: cluster.name.clone(), version: version.clone(), settings }]
            }
            Found::Addon(_) | Found::Other(_) => Vec::new(),
        };
        let plan = Plan { steps, ..Plan::default() };
        match &found {
            Found::Addon(addon) => {
                ctx.term.status(format!("{AGENT} {} is already installed ({})", addon.version, addon.status));
            }
            Found::Other(what) => ctx.term.status(what),
            Found::Nothing(_) => shared::show_plan(ctx, &plan, &self.changing).await?,
        }
        if self.changing.dry_run {
            render(ctx, &Outcome::planned(&plan.steps), None, state.as_ref())?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Confirmation::of(&plan)).await?;
        let ports = Ports { eks, iam: ctx.iam()?, kube: None };
        let outcome = execute::run(&ports, &ctx.deadline, plan.steps, |report| shared::report_step(ctx, report)).await;
        let proved = match outcome.failure() {
            Some(failure) => Err(failure.clone()),
            None if self.no_wait => Ok((None, state.clone())),
            None => {
                let known = match &found {
                    Found::Addon(addon) => Some(addon),
                    Found::Nothing(_) | Found::Other(_) => None,
                };
                prove(ctx, state.clone(), matches!(found, Found::Nothing(_)), known).await
            }
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

    async fn find(
        &self,
        ctx: &Context,
        addon: Option<Addon>,
        state: Option<&AgentState>,
        settings: &Settings,
    ) -> Result<Found> {
        if let Some(addon) = addon {
            let refused = |what: String| Failure::usage(format!("{AGENT} {} is installed, {what}", addon.version));
            if addon.status == "DELETING" {
                return Err(refused("and being deleted".to_owned())
                    .hint("wait until it is deleted with `podid agent uninstall`, then install it again"));
            }
            if let Some(wanted) = self.version.as_ref().filter(|wanted| **wanted != addon.version) {
                return Err(refused(format!("not {wanted}; an install does not change the version"))
                    .hint(format!("change it with `podid agent upgrade --version {wanted}`")));
            }
            if settings.configuration.as_ref().is_some_and(|given| !addon.is_configured(given)) {
                return Err(refused("with another configuration; an install does not change it".to_owned())
                    .hint("change it with `podid agent upgrade --configuration-values JSON`"));
            }
            return Ok(Found::Addon(addon));
        }
        if let Some(state) = state {
            if let Some(own) = state.daemon_sets.first() {
                return Ok(Found::Other(format!(
                    "the agent is self-managed (DaemonSet {}/{}): nothing to install",
                    own.namespace, own.name
                )));
            }
            if state.auto_mode && !state.needed() {
                return Ok(Found::Other("EKS Auto Mode has the agent built in: nothing to install".to_owned()));
            }
        }
        Ok(Found::Nothing(shared::agent_version(ctx, self.version.as_deref()).await?))
    }
}
