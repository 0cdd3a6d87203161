//! `podid role delete`: a role and all that hangs on it, when nobody uses it any more.

use std::collections::BTreeSet;

use clap::Args;

use super::users;
use crate::{
    cli::Changing,
    commands::{
        account,
        shared::{self, Consent},
    },
    context::Context,
    execute::Outcome,
    failure::{Code, Failure, Result},
    model::{
        arn::RoleRef,
        role::{Doomed, tags},
        trust,
    },
    observe,
    plan::{self, Plan},
};

/// Delete a role that nobody uses any more
///
/// Managed policies are detached and inline ones deleted first. Refused while an association uses it, in the cluster at
/// hand or in another of the region that its trust policy names, and while an EC2 instance profile holds it. Always asked
/// about, by having the cluster's name typed. A role that is gone already is no error.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Delete {
    /// The role, by name or ARN
    #[arg(value_name = "ROLE")]
    role: RoleRef,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid role delete carts-role
  podid role delete carts-role --dry-run
  podid role delete carts-role --yes -o json";

impl Delete {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let name = self.role.name();
        let read = async { ctx.guard.run("reading the role", observe::doomed_role(ctx.iam()?, name)).await };
        let (cluster, doomed) = futures::join!(ctx.cluster(), read);
        let cluster = cluster?;
        let Some(doomed) = doomed? else {
            ctx.term.status(format!("there is no role {name}: nothing to delete"));
            let arn = match &self.role {
                RoleRef::Arn(arn) => arn.clone(),
                RoleRef::Name(name) => {
                    crate::model::arn::Arn::iam(&cluster.arn.partition, &cluster.arn.account, "role", "/", name)
                }
            };
            account::render(ctx, &arn, &Outcome::default())?;
            return Ok(Code::Ok);
        };
        let role = account::found(&self.role, Some(&doomed.role))?;
        let warnings = self.unused(ctx, &doomed).await?;
        let steps = plan::delete_role(&doomed).map_err(shared::refused)?;
        let plan = Plan { steps, warnings, ..Plan::default() };
        for warning in &plan.warnings {
            ctx.term.warn(warning);
        }
        shared::show_plan(ctx, &plan, &self.changing).await?;
        if self.changing.dry_run {
            account::render(ctx, &role.arn, &Outcome::planned(&plan.steps))?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Consent::Sweeping).await?;
        account::finish(ctx, &role.arn, plan).await
    }

    /// Refuses while anybody uses it; what could not be looked at is warned of, since the role was named.
    async fn unused(&self, ctx: &Context, doomed: &Doomed) -> Result<Vec<String>> {
        let here = ctx.cluster().await?;
        let named = trust::reach(&doomed.role.trust).clusters;
        let mut warnings = Vec::new();
        let mut clusters = BTreeSet::from([here.name.clone()]);
        for arn in named {
            if arn.region == here.arn.region && arn.account == here.arn.account {
                clusters.insert(arn.name().to_owned());
            } else {
                warnings.push(format!("cluster {arn}, which its trust policy names, was not looked at"));
            }
        }
        let line = ctx.term.progress("users");
        let users = users::users_if_there(ctx, clusters.into_iter().collect(), &line).await;
        line.clear();
        let users = users?;
        let arn = doomed.role.arn.to_string();
        let several = users.clusters.len() > 1;
        let using: Vec<String> = users.of(&arn).iter().map(|user| user.shown(several)).collect();
        if let Some(subject) = using.first() {
            let place = if several { String::new() } else { format!(" in {}", users.place()) };
            return Err(Failure::usage(format!(
                "role `{}` is used by {}{place}: {}",
                doomed.role.name,
                shared::count(using.len(), "association"),
                using.join(", ")
            ))
            .hint(if several {
                "end them first, each with `podid disassociate NS/SA --cluster CLUSTER`".to_owned()
            } else {
                format!("end them first: `podid disassociate {subject}`")
            }));
        }
        if let Some((cluster, why)) = users.unread.first() {
            return Err(Failure::new(
                Code::Denied,
                format!("cannot tell whether anybody uses role `{}` in cluster `{cluster}`", doomed.role.name),
            )
            .because(why.clone()));
        }
        if doomed.role.tags.get(tags::MANAGED_BY).map(String::as_str) != Some("podid") {
            warnings.push(format!("podid did not create role `{}`", doomed.role.name));
        }
        let others = trust::others(&doomed.role.trust);
        if !others.is_empty() {
            warnings.push(format!("role `{}` is trusted to others too: {}", doomed.role.name, others.join(", ")));
        }
        Ok(warnings)
    }
}
