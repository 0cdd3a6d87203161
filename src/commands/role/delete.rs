//! `podid role delete`: a role and all that hangs on it, when nobody uses it any more.

use clap::Args;

use crate::{
    args::Changing,
    commands::{
        account,
        shared::{self, Confirmation},
    },
    context::Context,
    execute::Outcome,
    failure::{Code, Result},
    model::{arn::RoleRef, ownership, role::RoleContents, role_users::User},
    observe::{self, users::Search},
    plan::{self, Plan},
};

/// Delete an unused role
///
/// Detaches managed policies and deletes inline ones first. Refused if an association uses the role, in this cluster
/// or in another that its trust policy names, in any region; if the trust policy names no cluster, every region is
/// searched. A role that may have more users, or that podid did not create for this cluster, needs --force. Also
/// refused if the role is in an EC2 instance profile. Always asks for the cluster name. A role that does not exist is
/// no error.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Delete {
    /// The role, by name or ARN
    #[arg(value_name = "ROLE")]
    role: RoleRef,
    /// Delete the role even if podid could not check all of its users, or did not create it for this cluster
    #[arg(long)]
    force: bool,
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
        let read = async { ctx.deadline.within("reading the role", observe::doomed_role(ctx.iam()?, name)).await };
        let (cluster, doomed) = futures::join!(ctx.cluster(), read);
        let cluster = cluster?;
        let Some(doomed) = doomed? else {
            ctx.term.status(format!("role {name} does not exist: nothing to delete"));
            let arn = match &self.role {
                RoleRef::Arn(arn) => arn.clone(),
                RoleRef::Name(name) => {
                    crate::model::arn::Arn::iam(&cluster.arn.partition, &cluster.arn.account, "role", "/", name)
                }
            };
            account::render(ctx, &arn, &Outcome::default())?;
            return Ok(Code::Ok);
        };
        let role = account::found(ctx, &self.role, Some(&doomed.role)).await?;
        let warnings = self.unused(ctx, &doomed).await?;
        let steps = plan::delete_role(&doomed, &cluster.arn, self.force).map_err(shared::refused)?;
        let plan = Plan { steps, warnings, ..Plan::default() };
        for warning in &plan.warnings {
            ctx.term.warn(warning);
        }
        shared::show_plan(ctx, &plan, &self.changing).await?;
        if self.changing.dry_run {
            account::render(ctx, &role.arn, &Outcome::planned(&plan.steps))?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Confirmation::TypeClusterName).await?;
        account::finish(ctx, &role.arn, plan).await
    }

    /// Refuses while anybody uses it. What leaves a doubt takes `--force`: also that podid did not create it for this cluster.
    async fn unused(&self, ctx: &Context, doomed: &RoleContents) -> Result<Vec<String>> {
        let here = ctx.cluster().await?;
        let RoleContents { role, .. } = doomed;
        let line = ctx.term.progress("users");
        let tell = |text: String| line.count(text);
        let mut search = Search::new(ctx.eks()?, &here.arn, &tell);
        let read = async {
            search.cluster(&here.arn).await?;
            search.trusted([&role.trust]).await
        };
        let read = ctx.deadline.within("searching for users of the role", read).await;
        line.clear();
        read?;
        let mut usage = search.usage(&role.arn, &role.trust, |_| false);
        if let Some(why) = ownership::not_created_for(&role.tags, &here.arn) {
            usage.doubts.insert(0, format!("podid did not create it for cluster {} ({why})", here.name));
        }
        let end = |user: &User| {
            let User { cluster_name: cluster, region, .. } = user;
            let subject = format!("{}/{}", user.namespace, user.service_account);
            let command = match region {
                Some(region) => format!("`podid disassociate {subject} --cluster {cluster} --region {region}`"),
                None if *cluster == here.name => format!("`podid disassociate {subject}`"),
                None => format!("`podid disassociate {subject} --cluster {cluster}`"),
            };
            format!("delete its associations first: {command}")
        };
        let warning = plan::unused(&role.name, &usage, self.force, end).map_err(shared::refused)?;
        Ok(warning.into_iter().collect())
    }
}
