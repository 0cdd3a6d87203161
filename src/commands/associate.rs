//! `podid associate`: makes a service account able to act as a role, and proves it.

mod owned;
mod road;

use std::{collections::BTreeMap, path::PathBuf};

use clap::{ArgGroup, Args};

pub(super) use self::owned::Owned;
use crate::{
    args::{AccountArg, Changing, Permissions, ScopeArg},
    commands::{input, policy::grants, shared},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        add_on_policy::AddOnText,
        addon::OwningAddon,
        arn::{Arn, RoleRef},
        association::Association,
        cluster::Cluster,
        document::Document,
        have::{Have, Observed},
        ownership,
        want::{Access, Allowed, Field, InlinePolicy, Scope, TableGrant, Want, WantRole},
    },
    observe,
};

/// Associate a service account with an IAM role, and test it
///
/// Plans whatever is missing: the agent, the service account, the role with its trust policy and permissions, and the
/// association. Shows the plan, applies it, and waits until new pods get credentials. Running pods keep their old
/// credentials until they are restarted (--recycle).
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, group = ArgGroup::new("which").required(true).multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Associate {
    #[command(flatten)]
    subject: AccountArg,
    /// IAM role, by name or ARN
    #[arg(long, value_name = "NAME|ARN", group = "which")]
    role: Option<RoleRef>,
    /// Create the role if it does not exist; without --role, podid derives its name from cluster, namespace and
    /// service account
    #[arg(long, group = "which")]
    create_role: bool,
    #[command(flatten)]
    permissions: Permissions,
    /// Permissions boundary for a created role
    #[arg(long, value_name = "ARN", help_heading = "Permissions", requires = "create_role")]
    permissions_boundary: Option<String>,
    /// With --create-role: take over a role that podid did not create, or that differs from what podid creates
    #[arg(long, requires = "create_role")]
    adopt: bool,
    /// Path for a created role [default: /podid/]
    #[arg(long, value_name = "PATH", requires = "create_role")]
    path: Option<String>,
    /// Tag for the association, and for a created role (can be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// Who may assume the role [default: service-account; with --disable-session-tags: cluster]
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Option<ScopeArg>,
    /// Target role, in this or another account: EKS assumes it from the association's role, and the pods get its
    /// credentials
    #[arg(long, value_name = "ARN", help_heading = "Target role and session", conflicts_with = "no_target_role")]
    target_role: Option<String>,
    /// Add podid's statement to the trust policy of the target role, if it is in the caller's account
    #[arg(long, help_heading = "Target role and session", requires = "target_role")]
    fix_target_trust: bool,
    /// Remove the target role
    #[arg(long, help_heading = "Target role and session")]
    no_target_role: bool,
    /// Limit the pods' sessions to this policy document (at most 2,048 characters; needs --disable-session-tags)
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Target role and session",
        requires = "disable_session_tags",
        conflicts_with = "no_session_policy"
    )]
    session_policy: Option<PathBuf>,
    /// Remove the session policy
    #[arg(long, help_heading = "Target role and session")]
    no_session_policy: bool,
    /// Recreate the association if an update cannot clear the field
    #[arg(long, help_heading = "Target role and session")]
    replace: bool,
    /// Disable session tags: this saves space in the packed policy, but policies cannot use the tags
    #[arg(long)]
    disable_session_tags: bool,
    /// Create the service account if it does not exist
    #[arg(long, conflicts_with = "no_wait")]
    create_service_account: bool,
    /// Associate a service account even if it, or its namespace, does not exist yet
    #[arg(long)]
    allow_missing_service_account: bool,
    /// Install the agent add-on if there is no agent
    #[arg(long, conflicts_with = "no_wait")]
    install_agent: bool,
    /// Continue even if the pods' nodes have no ready agent
    #[arg(long)]
    allow_missing_agent: bool,
    /// Then restart the workloads whose pods do not use the association yet, and watch the rollouts
    #[arg(long, conflicts_with = "no_wait")]
    recycle: bool,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
    #[arg(long)]
    no_wait: bool,
    /// Do not include the application's log lines in errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
    /// The add-on that is to own the association, for `podid addon associate`.
    #[arg(skip)]
    addon: Option<Box<OwningAddon>>,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid associate carts/carts --role eks-workshop-carts-dynamo
  podid associate carts/carts --create-role \\
      --dynamodb eks-workshop-carts=read-write --recycle
  podid associate carts/carts --create-role --policy-file policy.json --dry-run
  podid associate carts/carts --role eks-workshop-carts-dynamo --no-wait --yes \\
      -o json";

/// The arguments, checked as far as that goes without a call.
struct Input {
    tags: BTreeMap<String, String>,
    policy_files: Vec<InlinePolicy>,
    target_role: Field<Arn>,
    session_policy: Field<Document>,
}

impl Associate {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let input = self.check(ctx).await?;
        let (want, have) = Box::pin(self.observe(ctx, input)).await?;
        let proof = road::Proof { wait: !self.no_wait, logs: !self.no_logs };
        Box::pin(road::associate(ctx, &want, &have, &self.changing, proof)).await
    }

    /// Everything that can be wrong without asking anybody.
    async fn check(&self, ctx: &Context) -> Result<Input> {
        if self.disable_session_tags && matches!(self.scope, Some(ScopeArg::ServiceAccount | ScopeArg::Namespace)) {
            return Err(Failure::usage(
                "`--scope service-account` and `--scope namespace` need session tags, which `--disable-session-tags` disables",
            )
            .hint("use `--scope cluster` with `--disable-session-tags`"));
        }
        if let Some(path) = &self.path {
            crate::model::arn::check_path(path).map_err(|e| Failure::usage(format!("--path: {e}")))?;
        }
        if let Some(boundary) = &self.permissions_boundary {
            input::policy_arn("--permissions-boundary", boundary)?;
        }
        let tags = input::tags("--tag", &self.tag)?;
        let policy_files = input::policies(ctx, &self.permissions).await?;
        if self.replace && !self.no_target_role && !self.no_session_policy {
            return Err(Failure::usage("`--replace` works only with `--no-target-role` or `--no-session-policy`"));
        }
        let target_role = match &self.target_role {
            Some(text) => Field::Set(
                Arn::parse_iam(text, "role", "an IAM role")
                    .map_err(|e| Failure::usage(format!("--target-role: {e}")))?,
            ),
            None if self.no_target_role => Field::Cleared,
            None => Field::Unmanaged,
        };
        let session_policy = match &self.session_policy {
            Some(path) => Field::Set(input::session_policy(ctx, path).await?),
            None if self.no_session_policy => Field::Cleared,
            None => Field::Unmanaged,
        };
        Ok(Input { tags, policy_files, target_role, session_policy })
    }

    /// Reads what is there, concurrently, only as far as the plan needs it.
    async fn observe(&self, ctx: &Context, input: Input) -> Result<(Want, Have)> {
        let (eks, iam) = (ctx.eks()?, ctx.iam()?);
        let target = ctx.target()?;
        // Session tags that are off, and a target role, concern what the role may do already.
        let inline = self.permissions.inline() || self.target_role.is_some() || self.disable_session_tags;
        let attached = self.permissions.managed() || self.addon.is_some();
        let deadline = &ctx.deadline;
        let named = self.role.as_ref().map(|role| role.name().to_owned());
        let association = async {
            let read = observe::association(eks, &target.cluster.value, &self.subject.0);
            deadline.within("reading the association", read).await
        };
        let early_role = async {
            match &named {
                Some(name) => {
                    deadline.within("reading the role", observe::role(iam, name, attached, inline)).await.map(Some)
                }
                None => Ok(None),
            }
        };
        let (cluster, association, early_role, kube, tables) =
            futures::join!(ctx.cluster(), association, early_role, self.observe_kube(ctx), self.read_tables(ctx));
        // The cluster first: without it the other failures are only its consequences.
        let cluster = cluster?;
        let association = association?;
        let have: Have = kube?;
        let version = match &have.agent {
            _ if !self.install_agent => None,
            // Nothing to choose: what is there stays.
            Observed::Known(state) if state.installed() => Some(String::new()),
            _ => Some(shared::agent_version(ctx, None).await?),
        };
        let want = self.want(cluster, input, version, tables?);
        let role = match early_role? {
            Some(view) => view,
            None => {
                deadline.within("reading the role", observe::role(iam, want.role.role.name(), attached, inline)).await?
            }
        };
        let role = self.adopted(ctx, cluster, association.as_ref(), role).await?;
        let target = match &want.target_role {
            Field::Set(arn) if arn.account == cluster.arn.account => {
                deadline.within("reading the target role", observe::role(iam, arn.name(), false, false)).await?.role
            }
            _ => Observed::NotRequested,
        };
        let have = Have {
            target,
            association: Observed::Known(association),
            role: role.role,
            attached: role.attached,
            inline: role.inline,
            ..have
        };
        Ok((want, have))
    }

    /// A role that is there already, with all its policies where the service account is about to act as it: what others put on
    /// it goes to the pods too.
    async fn adopted(
        &self,
        ctx: &Context,
        cluster: &Cluster,
        association: Option<&Association>,
        view: observe::RoleView,
    ) -> Result<observe::RoleView> {
        let Some(role) = view.role.known().and_then(Option::as_ref) else { return Ok(view) };
        let used = association.is_some_and(|a| a.role_arn == role.arn.to_string());
        if !self.create_role || self.adopt || used || !ownership::is_created_for(&role.tags, &cluster.arn) {
            return Ok(view);
        }
        let read = observe::adoption::all_policies(ctx.iam()?, &role.name, (view.attached, view.inline));
        let (attached, inline) = ctx.deadline.within("reading the policies of the role", read).await?;
        Ok(observe::RoleView { attached, inline, role: view.role })
    }

    /// The tables as ARNs, with their keys; DynamoDB is asked while everything else is.
    async fn read_tables(&self, ctx: &Context) -> Result<Vec<TableGrant>> {
        let mut grants = grants::complete(ctx, &self.permissions.dynamodb, Access::Read).await?;
        grants::read_tables(ctx, &mut grants).await?;
        Ok(grants)
    }

    async fn observe_kube(&self, ctx: &Context) -> Result<Have> {
        if self.no_wait {
            return Ok(Have {
                agent: Observed::Unreadable("not read because of --no-wait".to_owned()),
                ..Have::default()
            });
        }
        let (eks, cluster) = (ctx.eks()?, ctx.cluster().await?);
        let kube = ctx.kube().await?;
        let read = futures::try_join!(
            ctx.deadline.within("reading the service account and its pods", observe::subject(kube, &self.subject.0)),
            ctx.deadline.within("reading the agent", observe::agent(eks, kube, cluster)),
        );
        let (subject, agent) = match read {
            Ok(read) => read,
            Err(failure) => return Err(ctx.explain_kube(failure, true).await),
        };
        Ok(Have {
            agent,
            service_account: subject.service_account,
            pods: subject.pods,
            workloads: subject.workloads,
            ..Have::default()
        })
    }

    fn want(&self, cluster: &Cluster, input: Input, agent_version: Option<String>, tables: Vec<TableGrant>) -> Want {
        let role = match &self.role {
            Some(role) => role.clone(),
            None => RoleRef::Name(crate::model::role::derived_name(cluster, &self.subject.0)),
        };
        let at_home = |add_on: &AddOnText| add_on.at(Some(&cluster.arn));
        Want {
            cluster: cluster.clone(),
            subject: self.subject.0.clone(),
            addon: self.addon.clone(),
            role: WantRole {
                role,
                create: self.create_role,
                adopt: self.adopt,
                derived: self.role.is_none(),
                path: self.path.clone(),
                scope: self.scope.map(Scope::from),
                boundary: self.permissions_boundary.clone(),
                tables,
                grants: self.permissions.grants.0.iter().filter_map(|grant| grant.at(Some(&cluster.arn))).collect(),
                add_ons: self.permissions.add_on.iter().filter(|it| it.has_statements()).filter_map(at_home).collect(),
                policy_arns: self.permissions.policy_arns(&cluster.arn.partition),
                policy_files: input.policy_files,
                exact: self.permissions.exact,
            },
            disable_session_tags: if self.disable_session_tags { Field::Set(true) } else { Field::Unmanaged },
            target_role: input.target_role,
            fix_target_trust: self.fix_target_trust,
            session_policy: input.session_policy,
            replace: self.replace,
            tags: input.tags,
            create_service_account: self.create_service_account,
            allow: Allowed {
                service_account: self.allow_missing_service_account,
                resources: self.permissions.allow_missing_resources,
            },
            install_agent: agent_version,
            allow_missing_agent: self.allow_missing_agent,
            recycle: self.recycle,
        }
    }
}
