//! `podid addon disassociate`: deletes an association that an EKS add-on owns, through the add-on.

use clap::Args;

use super::read;
use crate::{
    args::Changing,
    commands::disassociate::{self, Owned},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        addon::{Addon, OwningAddon},
        names::ServiceAccount,
    },
    observe,
};

/// Delete an association that an EKS add-on owns, through the add-on
///
/// Updates the add-on: its other associations, its version and its configuration stay. EKS then restarts the add-on's
/// pods, which use their IRSA role or the role of their node afterwards. podid also removes its own statement for the
/// service account from the role's trust policy; the role stays unless --delete-role is set.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Disassociate {
    /// EKS add-on, such as vpc-cni
    #[arg(value_name = "EKS_ADD_ON")]
    name: String,
    /// Service account of the add-on, if several have an association
    #[arg(long, value_name = "SERVICE_ACCOUNT")]
    service_account: Option<String>,
    /// Also delete the role, if podid created it and nothing else uses it
    #[arg(long)]
    delete_role: bool,
    /// With --delete-role: delete the role even if podid could not check everything that may use it
    #[arg(long, requires = "delete_role")]
    force: bool,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid addon disassociate vpc-cni
  podid addon disassociate vpc-cni --delete-role --dry-run";

impl Disassociate {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        let addon = read::named(ctx, &self.name).await?;
        let (eks, cluster) = (ctx.eks()?, ctx.cluster().await?);
        let read = observe::owned_associations(eks, &cluster.name, &addon);
        let associations = ctx.deadline.within("reading the associations of the add-on", read).await?;
        let subjects: Vec<&ServiceAccount> = associations.iter().map(|a| &a.summary.subject).collect();
        let subject = match (self.service_account.as_deref(), subjects.as_slice()) {
            (None, [only]) => (*only).clone(),
            (None, []) => {
                // Which service account is meant decides which role a killed run may have left.
                let identities = eks.addon_identities(&addon.name, &addon.version);
                let read = ctx.deadline.within("reading the service accounts of the add-on", identities).await?;
                match read.as_slice() {
                    [first, rest @ ..] if rest.is_empty() || !self.delete_role => {
                        self.account(ctx, &addon, &first.service_account).await?
                    }
                    _ => {
                        return Err(Failure::usage(format!("the add-on `{}` owns no association", addon.name))
                            .hint(format!("see its service accounts with `podid addon show {}`", addon.name)));
                    }
                }
            }
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|subject| subject.name.as_str()).collect();
                return Err(Failure::usage(format!(
                    "add-on `{}` has several associations: {}",
                    addon.name,
                    names.join(", ")
                ))
                .hint("name one with `--service-account`"));
            }
            (Some(named), owned) => match owned.iter().find(|subject| subject.name == named) {
                Some(subject) => (*subject).clone(),
                None => self.account(ctx, &addon, named).await?,
            },
        };
        let ask = Owned {
            subject,
            addon: OwningAddon { addon, associations, policies: Vec::new(), replace_irsa: false },
            delete_role: self.delete_role,
            force: self.force,
            no_wait: self.no_wait,
            changing: self.changing,
        };
        Box::pin(disassociate::Disassociate::owned(ask).run(ctx)).await
    }

    /// A service account that has no association of the add-on.
    async fn account(&self, ctx: &Context, addon: &Addon, name: &str) -> Result<ServiceAccount> {
        let namespace = read::namespace(ctx, addon, &[]).await?;
        ServiceAccount::new(&namespace, name).map_err(|error| Failure::usage(format!("--service-account: {error}")))
    }
}
