//! `podid export`: what is there, as a file that `apply` takes without changing anything.

use std::collections::BTreeMap;

use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::{
    args::AccountsArg,
    context::Context,
    failure::{Failure, Result},
    model::{
        addon::AGENT,
        arn::last,
        association::Association,
        cluster::Cluster,
        glob,
        have::Observed,
        manifest::{ClusterState, RoleState, export},
        ownership, trust,
    },
    observe::{self, CONCURRENCY},
    output::Format,
};

/// Export the current state as a manifest
///
/// `podid apply` accepts the manifest and changes nothing. Roles that podid created for this cluster are written with
/// their policies; other roles are referenced by ARN. Associations that belong to EKS add-ons are omitted. With -o
/// json the manifest is JSON.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Export {
    #[command(flatten)]
    subjects: AccountsArg,
    /// Only associations that podid created
    #[arg(long)]
    owned_only: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid export > podid.yaml
  podid export 'team-a/*' --owned-only
  podid export -o json";

impl Export {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<crate::failure::Code> {
        let cluster = ctx.cluster().await?;
        let (associations, addon, unused) = futures::try_join!(
            self.associations(ctx, cluster),
            async {
                let read =
                    ctx.deadline.within("reading the agent add-on", ctx.eks()?.addon(&cluster.name, AGENT)).await;
                observe::seen(read, "eks:DescribeAddon")
            },
            self.named_roles(ctx, cluster),
        )?;
        if let Observed::Unreadable(why) = &addon {
            ctx.term.warn(format!("the agent is omitted: {why}"));
        }
        let addon = if self.subjects.0.is_empty() { addon } else { Observed::NotRequested };
        let mut names: Vec<String> = associations.iter().map(|a| last(&a.role_arn).to_owned()).collect();
        names.extend(unused);
        names.sort_unstable();
        names.dedup();
        let roles = ctx.deadline.within("reading the roles", roles(ctx, cluster, names)).await?;
        for (name, role) in &roles {
            if let Observed::Unreadable(why) = &role.role {
                ctx.term.warn(format!("role `{name}` is only referenced by its ARN: {why}"));
            }
        }
        let associations = associations.into_iter().map(|a| (a.summary.subject.clone(), a)).collect();
        let have = ClusterState { associations, roles, addon, ..ClusterState::default() };
        let (manifest, notes) = export(cluster, &have);
        for note in notes {
            ctx.term.warn(note);
        }
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&manifest)?,
            Format::Name => {
                for role in &manifest.roles {
                    ctx.term.emit_line(format!("role/{}", role.name))?;
                }
                for association in &manifest.associations {
                    ctx.term.emit_line(format!("association/{}", association.service_account))?;
                }
            }
            Format::Table | Format::Wide | Format::Yaml => ctx.term.emit_yaml(&manifest)?,
        }
        Ok(crate::failure::Code::Ok)
    }

    async fn associations(&self, ctx: &Context, cluster: &Cluster) -> Result<Vec<Association>> {
        let eks = ctx.eks()?;
        let filter = glob::filter(&self.subjects.0);
        let mut summaries =
            ctx.deadline.within("listing the associations", eks.associations(&cluster.name, &filter)).await?;
        if !self.subjects.0.is_empty() {
            summaries.retain(|a| self.subjects.0.iter().any(|pattern| pattern.matches(&a.subject)));
        }
        let all = summaries.len();
        summaries.retain(|a| a.owner_arn.is_none());
        if summaries.len() < all {
            let owned = crate::commands::shared::count(all - summaries.len(), "association");
            ctx.term.note(format!("{owned} of EKS add-ons omitted: change them through the add-on"));
        }
        let described = observe::describe_all(eks, &cluster.name, summaries);
        let found: Vec<Option<Association>> =
            ctx.deadline.within("reading the associations", described.try_collect()).await?;
        let owned = |a: &Association| ownership::is_created_for(&a.tags, &cluster.arn);
        Ok(found.into_iter().flatten().filter(|a| !self.owned_only || owned(a)).collect())
    }

    /// Roles that trust the cluster by podid's own statements, also those that no association uses.
    async fn named_roles(&self, ctx: &Context, cluster: &Cluster) -> Result<Vec<String>> {
        if !self.subjects.0.is_empty() {
            return Ok(Vec::new());
        }
        let arn = &cluster.arn;
        let mut pages = ctx.iam()?.roles();
        let mut names = Vec::new();
        loop {
            let page = match ctx.deadline.within("listing roles", async { pages.next().await.transpose() }).await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(names),
                Err(failure) if observe::forbidden(&failure) => {
                    ctx.term.warn("unused roles are omitted: not allowed: iam:ListRoles");
                    return Ok(Vec::new());
                }
                Err(failure) => return Err(failure),
            };
            let ours = page.into_iter().filter(|role| {
                let reach = trust::reach(&role.trust);
                reach.clusters.contains(arn) && trust::trusts_pods(&role.trust)
            });
            names.extend(ours.map(|role| role.name));
        }
    }
}

/// The roles; their policies only where podid made them for this cluster.
async fn roles(ctx: &Context, cluster: &Cluster, names: Vec<String>) -> Result<BTreeMap<String, RoleState>> {
    let iam = ctx.iam()?;
    let arn = &cluster.arn;
    let reads = names.into_iter().map(|name| async move {
        let view = observe::role(iam, &name, false, false).await?;
        let mut held = RoleState { role: view.role, ..RoleState::default() };
        if held.role.known().and_then(Option::as_ref).is_some_and(|role| ownership::is_created_for(&role.tags, arn)) {
            let (attached, inline) =
                futures::try_join!(iam.attached_policies(&name), observe::inline_policies(iam, &name))?;
            (held.attached, held.inline) = (Observed::Known(attached), Observed::Known(inline));
        }
        Ok::<_, Failure>((name, held))
    });
    stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await
}
