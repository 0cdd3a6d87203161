//! `podid addon`: associations that EKS add-ons own.

mod associate;
mod disassociate;
pub(crate) mod list;
mod read;
pub(crate) mod show;

use clap::{Args, Subcommand};

use crate::{
    context::Context,
    execute::Outcome,
    failure::{Code, Failure, Result},
    model::{
        addon::{Addon, AddonAssociation},
        association::Association,
    },
    observe,
    plan::Step,
    prove,
};

/// List EKS add-ons, and manage the associations that they own
#[derive(Debug, Args)]
pub struct AddonCommand {
    #[command(subcommand)]
    command: Below,
}

/// Commands of add-ons.
#[derive(Debug, Subcommand)]
enum Below {
    #[command(visible_alias = "ls")]
    List(list::List),
    Show(show::Show),
    Associate(associate::Associate),
    Disassociate(disassociate::Disassociate),
}

impl AddonCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match self.command {
            Below::List(list) => list.run(ctx).await,
            Below::Show(show) => show.run(ctx).await,
            Below::Associate(associate) => Box::pin(associate.run(ctx)).await,
            Below::Disassociate(disassociate) => Box::pin(disassociate.run(ctx)).await,
        }
    }
}

/// Waits until what the plan asked of the add-on, or another change of it that is under way, has ended and the add-on is ACTIVE, and
/// reads back what it owns. Nothing where nothing was asked and nothing is under way.
///
/// # Errors
/// A failed update or add-on, the deadline, an interruption, or associations that are not as they were to be.
pub(super) async fn settle(
    ctx: &Context,
    addon: &Addon,
    outcome: &Outcome,
) -> Result<Option<(Addon, Vec<Association>)>> {
    let step = outcome.reports.iter().find_map(|report| match &report.step {
        Step::UpdateAddon(step) => Some(step),
        _ => None,
    });
    if step.is_none() && !addon.is_changing() {
        return Ok(None);
    }
    let (eks, cluster, name) = (ctx.eks()?, ctx.cluster().await?, addon.name.as_str());
    let line = ctx.term.progress(format!("add-on {name}"));
    let waited = async {
        if let Some(id) = &outcome.addon_update
            && !prove::addon::update(eks, &ctx.deadline, &line, (cluster, name), id).await?
        {
            // The add-on's own status tells the end too, though not why.
            ctx.term.warn("could not read the state of the update: not allowed: eks:DescribeUpdate");
        }
        prove::addon::active(eks, &ctx.deadline, &line, (cluster, name), None).await
    };
    let now = match waited.await {
        Ok(now) => now,
        Err(failure) => {
            line.clear();
            return Err(failure);
        }
    };
    line.done(format!("{} is {}", now.version, now.status));
    let read = observe::owned_associations(eks, &cluster.name, &now);
    let owned = ctx.deadline.within("reading the associations of the add-on", read).await?;
    let listed = AddonAssociation::list(&owned);
    match step {
        Some(step) if listed != step.wanted => {
            let has = listed.iter().map(|a| format!("{} with role {}", a.service_account, a.role_arn));
            let has: Vec<String> = has.collect();
            Err(Failure::failed(format!("the associations of add-on `{name}` are not as requested after the update"))
                .because(if has.is_empty() { "it has none".to_owned() } else { has.join("; ") })
                .hint(format!("check it with `podid addon show {name}`")))
        }
        _ => Ok(Some((now, owned))),
    }
}
