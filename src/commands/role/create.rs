//! `podid role create`: a role that trusts Pod Identity, for a service account or a cluster.

use clap::Args;

use crate::{
    args::{Changing, Permissions, ScopeArg},
    commands::{
        account, input,
        policy::grants,
        shared::{self, Confirmation},
    },
    context::Context,
    execute::Outcome,
    failure::{Code, Failure, Result},
    model::{
        arn::{self, Arn},
        have::Observed,
        names::ServiceAccount,
        ownership,
        want::{Access, InlinePolicy, Scope},
    },
    observe,
    plan::{self, CreateRole},
};

/// Create a role that trusts Pod Identity, for a service account or the whole cluster
///
/// The role gets podid's tags. A role that podid created before is completed. A role of that name that others
/// created, or that allows more than requested, is refused without --adopt; with it, podid adds its tags and its
/// statement, and changes nothing else.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Create {
    /// Name of the role
    #[arg(value_name = "NAME")]
    name: String,
    /// Service account that may assume the role [default: every service account of the cluster]
    #[arg(long, value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    service_account: Option<ServiceAccount>,
    /// Who may assume the role [default: service-account with --service-account, else cluster]
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Option<ScopeArg>,
    /// For associations with disabled session tags: trust the cluster by its ARN
    #[arg(long)]
    disable_session_tags: bool,
    /// Path of the role [default: /podid/]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Permissions boundary
    #[arg(long, value_name = "ARN")]
    permissions_boundary: Option<String>,
    /// Tag on the role (can be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// Take over a role of that name that podid did not create, or that differs from what podid creates
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    permissions: Permissions,
    #[command(flatten, next_help_heading = None)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid role create carts-role --service-account carts/carts \\
      --dynamodb carts=read-write
  podid role create tools --scope cluster \\
      --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess
  podid role create carts-role --service-account carts/carts --adopt --dry-run";

impl Create {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let (tags, files) = self.check(ctx).await?;
        let permissions = &self.permissions;
        let tables = async {
            let mut grants = grants::complete(ctx, &permissions.dynamodb, Access::Read).await?;
            grants::read_tables(ctx, &mut grants).await?;
            Ok::<_, Failure>(grants)
        };
        let iam = ctx.iam()?;
        let read = observe::role_policies(iam, &self.name, permissions.managed(), permissions.inline());
        let read = ctx.deadline.within("reading the role", read);
        let (cluster, view, tables) = futures::join!(ctx.cluster(), read, tables);
        let (cluster, mut view, tables) = (cluster?, view?, tables?);
        let ours = view.role.as_ref().is_some_and(|role| ownership::is_created_for(&role.tags, &cluster.arn));
        if ours && !self.adopt {
            let read = observe::adoption::all_policies(iam, &self.name, (view.attached, view.inline));
            (view.attached, view.inline) = ctx.deadline.within("reading the policies of the role", read).await?;
        }
        let grants: Vec<_> = permissions.grants.0.iter().filter_map(|grant| grant.at(Some(&cluster.arn))).collect();
        let add_ons = grants::add_ons(ctx, &permissions.add_on).await?;
        let policy_arns = permissions.policy_arns(&cluster.arn.partition);
        let mut plan = plan::create_role(&CreateRole {
            cluster,
            subject: self.service_account.as_ref(),
            name: &self.name,
            path: self.path.as_deref(),
            scope: self.scope.map(Scope::from),
            session_tags: !self.disable_session_tags,
            boundary: self.permissions_boundary.as_deref(),
            tags: &tags,
            adopt: self.adopt,
            tables: &tables,
            grants: &grants,
            add_ons: &add_ons,
            policy_arns: &policy_arns,
            files: &files,
            exact: permissions.exact,
            allow_missing: permissions.allow_missing_resources,
            role: view.role.as_ref(),
            attached: &or_nothing(view.attached),
            inline: &or_nothing(view.inline),
        })
        .map_err(shared::refused)?;
        shared::check_attached(ctx, &mut plan).await?;
        let home = &cluster.arn;
        let path = self.path.as_deref().unwrap_or(crate::model::role::PATH);
        let arn = match &view.role {
            Some(role) => role.arn.clone(),
            None => Arn::iam(&home.partition, &home.account, "role", path, &self.name),
        };
        for warning in &plan.warnings {
            ctx.term.warn(warning);
        }
        if plan.is_empty() {
            ctx.term.status(format!("role {} is already as requested: nothing to change", self.name));
        } else {
            shared::show_plan(ctx, &plan, &self.changing).await?;
        }
        if self.changing.dry_run {
            account::render(ctx, &arn, &Outcome::planned(&plan.steps))?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, Confirmation::of(&plan)).await?;
        let changed = !plan.is_empty();
        let code = account::finish(ctx, &arn, plan).await?;
        if let (true, Some(subject)) = (changed, &self.service_account) {
            let name = &self.name;
            ctx.term.hint(format!("associate it with the role: `podid associate {subject} --role {name}`"));
        }
        Ok(code)
    }

    /// Everything that can be wrong without asking anybody.
    async fn check(&self, ctx: &Context) -> Result<(std::collections::BTreeMap<String, String>, Vec<InlinePolicy>)> {
        arn::check_role_name(&self.name).map_err(|e| Failure::usage(e.to_string()))?;
        if let Some(path) = &self.path {
            arn::check_path(path).map_err(|e| Failure::usage(format!("--path: {e}")))?;
        }
        if let Some(boundary) = &self.permissions_boundary {
            input::policy_arn("--permissions-boundary", boundary)?;
        }
        let files = input::policies(ctx, &self.permissions).await?;
        Ok((input::tags("--tag", &self.tag)?, files))
    }
}

/// What was not asked for is not wanted either.
fn or_nothing<T: Default>(seen: Observed<T>) -> Observed<T> {
    match seen {
        Observed::NotRequested => Observed::Known(T::default()),
        other => other,
    }
}
