//! `podid addon associate`: gives a service account of an EKS add-on a role, through the add-on.

use clap::{ArgGroup, Args};

use super::read;
use crate::{
    args::Changing,
    commands::{
        associate::{self, Owned},
        input, shared,
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, OwningAddon},
        arn::RoleRef,
        names::ServiceAccount,
    },
    observe, plan,
};

/// Associate a service account of an EKS add-on with an IAM role, through the add-on
///
/// Creates the role with the policies that EKS recommends for the add-on, or uses an existing one, and updates the
/// add-on: its other associations, its version and its configuration stay, and so do fields that were changed outside
/// EKS. EKS then restarts the add-on's pods. podid waits until the update has ended and the add-on is ACTIVE, and
/// checks that new pods get credentials.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, group = ArgGroup::new("which").required(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Associate {
    /// EKS add-on, such as vpc-cni
    #[arg(value_name = "EKS_ADD_ON")]
    name: String,
    /// IAM role, by name or ARN
    #[arg(long, value_name = "NAME|ARN", group = "which")]
    role: Option<RoleRef>,
    /// Create the role if it does not exist, with the policies that EKS recommends; podid derives its name from
    /// cluster, namespace and service account
    #[arg(long, group = "which")]
    create_role: bool,
    /// Service account of the add-on, if it has several
    #[arg(long, value_name = "SERVICE_ACCOUNT")]
    service_account: Option<String>,
    /// Attach another managed policy to the created role (can be repeated)
    #[arg(long, value_name = "ARN", requires = "create_role")]
    policy_arn: Vec<String>,
    /// Permissions boundary for a created role
    #[arg(long, value_name = "ARN", requires = "create_role")]
    permissions_boundary: Option<String>,
    /// With --create-role: take over a role that podid did not create, or that differs from what podid creates
    #[arg(long, requires = "create_role")]
    adopt: bool,
    /// Replace the IRSA role of the add-on
    #[arg(long)]
    replace_irsa: bool,
    /// Install the agent add-on if there is no agent
    #[arg(long, conflicts_with = "no_wait")]
    install_agent: bool,
    /// Continue even if the pods' nodes have no ready agent
    #[arg(long)]
    allow_missing_agent: bool,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid addon associate vpc-cni --create-role
  podid addon associate vpc-cni --role eks-workshop-vpc-cni --dry-run
  podid addon associate vpc-cni --create-role --replace-irsa --yes";

impl Associate {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        for arn in &self.policy_arn {
            input::policy_arn("--policy-arn", arn)?;
        }
        let addon = read::named(ctx, &self.name).await?;
        let (eks, cluster) = (ctx.eks()?, ctx.cluster().await?);
        let read = async {
            futures::try_join!(
                eks.addon_identities(&addon.name, &addon.version),
                observe::owned_associations(eks, &cluster.name, &addon)
            )
        };
        let (identities, associations) =
            ctx.deadline.within("reading whether the add-on supports Pod Identity", read).await?;
        let identity = match plan::identity(&addon, &identities, self.service_account.as_deref()) {
            Ok(identity) => identity.clone(),
            Err(refusal) if identities.is_empty() && addon.name != AGENT => {
                let newer = read::newer(ctx, &addon).await;
                let newer = newer.unwrap_or_else(|| {
                    "podid found no newer version for this cluster that supports it; IRSA works without it".to_owned()
                });
                return Err(shared::refused(refusal).hint(newer));
            }
            Err(refusal) => return Err(shared::refused(refusal)),
        };
        let namespace = read::namespace(ctx, &addon, &associations).await?;
        let subject = ServiceAccount::new(&namespace, &identity.service_account)
            .map_err(|error| Failure::failed(format!("EKS names no valid service account: {error}")))?;
        let recommended = identity.policies.iter().filter(|arn| !self.policy_arn.contains(arn)).cloned();
        let policy_arns: Vec<String> =
            if self.create_role { recommended.chain(self.policy_arn.iter().cloned()).collect() } else { Vec::new() };
        let owning =
            OwningAddon { addon, associations, policies: identity.policies.clone(), replace_irsa: self.replace_irsa };
        let ask = Owned {
            subject,
            addon: owning,
            role: self.role,
            create_role: self.create_role,
            policy_arns,
            boundary: self.permissions_boundary,
            adopt: self.adopt,
            install_agent: self.install_agent,
            allow_missing_agent: self.allow_missing_agent,
            no_wait: self.no_wait,
            changing: self.changing,
        };
        Box::pin(associate::Associate::owned(ask).run(ctx)).await
    }
}
