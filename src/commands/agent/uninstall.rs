//! `podid agent uninstall`.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    args::Changing,
    commands::shared::{self, Confirmation, count},
    context::Context,
    execute::{self, Outcome, Ports},
    failure::{Code, Result},
    model::{
        addon::{AGENT, Addon},
        association::{AssociationFilter, AssociationSummary},
    },
    output::Format,
    plan::{Plan, Step},
    prove,
};

/// Delete the eks-pod-identity-agent add-on, and wait until it is gone
///
/// Pods that use an association no longer get credentials, unless another agent runs on their node; most of them do
/// not fall back to the node's role either. podid lists these associations first. An agent that was installed by
/// other means, and the one built into EKS Auto Mode nodes, are left unchanged.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Uninstall {
    /// Do not wait until the add-on is gone
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid agent uninstall --dry-run
  podid agent uninstall --yes";

/// Associations that are named before consent; the rest are counted.
const SHOWN: usize = 20;

impl Uninstall {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
        let addon = ctx.deadline.within("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let Some(addon) = addon else {
            absent(ctx).await?;
            render(ctx, &Outcome::default(), None, &[])?;
            return Ok(Code::Ok);
        };
        let all = AssociationFilter::default();
        let list = eks.associations(&cluster.name, &all);
        let mut associations = ctx.deadline.within("listing the associations", list).await?;
        associations.sort_by(|a, b| a.subject.cmp(&b.subject));
        let mut plan = Plan::default();
        if addon.status == "DELETING" {
            ctx.term.status(format!("{AGENT} {} is already being deleted", addon.version));
        } else {
            let (name, version) = (cluster.name.clone(), addon.version.clone());
            plan.steps.push(Step::RemoveAgent { cluster: name, version });
            shared::show_plan(ctx, &plan, &self.changing).await?;
            consequences(ctx, &associations, cluster.auto_mode);
        }
        if self.changing.dry_run {
            render(ctx, &Outcome::planned(&plan.steps), Some(&addon), &associations)?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Confirmation::of(&plan)).await?;
        let ports = Ports { eks, iam: ctx.iam()?, kube: None };
        let outcome = execute::run(&ports, &ctx.deadline, plan.steps, |report| shared::report_step(ctx, report)).await;
        let proved = match outcome.failure() {
            Some(failure) => Err(failure.clone()),
            None if self.no_wait => Ok(()),
            None => gone(ctx, &addon).await,
        };
        render(ctx, &outcome, Some(&addon), &associations)?;
        match proved {
            Ok(()) => Ok(Code::Ok),
            Err(failure) => Err(execute::after_write(failure, outcome.wrote())),
        }
    }
}

/// Which associations stop working, before anybody says yes.
fn consequences(ctx: &Context, associations: &[AssociationSummary], auto_mode: bool) {
    if associations.is_empty() {
        ctx.term.note("the cluster has no associations: no pod depends on the agent");
        return;
    }
    let mut names: Vec<String> = associations.iter().take(SHOWN).map(|one| one.subject.to_string()).collect();
    if associations.len() > SHOWN {
        names.push(format!("and {} more", associations.len() - SHOWN));
    }
    let stop = if associations.len() == 1 { "stops" } else { "stop" };
    ctx.term.warn(format!("{} {stop} working: {}", count(associations.len(), "association"), names.join(", ")));
    if auto_mode {
        ctx.term.note("pods on EKS Auto Mode nodes keep their agent: it is built in");
    }
}

/// Says what serves as agent where the add-on is not installed.
async fn absent(ctx: &Context) -> Result<()> {
    ctx.term.status(format!("the add-on {AGENT} is not installed: nothing to do"));
    let own = ctx.deadline.within("reading the agent's DaemonSets", ctx.kube().await?.agents()).await;
    match own {
        Ok(found) => {
            for set in found.agents {
                ctx.term.note(format!(
                    "the agent is self-managed (DaemonSet {}/{}): remove it with the tool that installed it (`helm list -A`)",
                    set.namespace, set.name
                ));
            }
        }
        // The add-on is gone, which was asked for; what else there may be is only said.
        Err(failure) => ctx.term.warn(format!("could not check for a self-managed agent: {failure}")),
    }
    if ctx.cluster().await?.auto_mode {
        ctx.term.note("EKS Auto Mode has the agent built into its nodes");
    }
    Ok(())
}

async fn gone(ctx: &Context, addon: &Addon) -> Result<()> {
    let line = ctx.term.progress("agent");
    match prove::addon::gone(ctx.eks()?, &ctx.deadline, &line, ctx.cluster().await?).await {
        Ok(()) => {
            line.done(format!("the add-on is deleted ({})", addon.version));
            Ok(())
        }
        Err(failure) => {
            line.clear();
            Err(failure)
        }
    }
}

fn render(ctx: &Context, outcome: &Outcome, addon: Option<&Addon>, associations: &[AssociationSummary]) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("addon".to_owned(), json!(addon));
        map.insert("associations".to_owned(), json!(associations));
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => ctx.term.emit_line(AGENT),
        Format::Table | Format::Wide => Ok(()),
    }
}
