//! What `who-can`, `access`, `audit` and `map` read alike: associations in full, and their roles with all policies.

use std::{collections::BTreeMap, pin::pin};

use futures::StreamExt;

use crate::{
    context::Context,
    failure::Result,
    model::{
        access::{Holder, holders},
        association::{Association, AssociationFilter},
        cluster::Cluster,
        snapshot::RoleView,
    },
    observe::{self, roles},
};

/// The service accounts of a cluster that have an association, and the roles that they get.
pub struct Holders<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Associations, by service account.
    pub associations: Vec<Association>,
    /// Their roles and target roles, by ARN.
    pub roles: BTreeMap<String, RoleView>,
}

/// What no read policy tells, for whoever relies on an answer.
pub const NOT_READ: &str = "resource policies, service control policies and VPC endpoint policies were not read: they may allow or \
                            deny more";

/// The same in a document.
pub const NOT_READ_KINDS: [&str; 3] = ["resource policies", "service control policies", "VPC endpoint policies"];

/// Whom these commands do not look at.
pub const NOT_IRSA: &str = "service accounts that use IRSA are not evaluated";

impl<'a> Holders<'a> {
    /// Reads the associations that a filter lets through, and their roles.
    ///
    /// # Errors
    /// When the associations cannot be read. What cannot be read of a role is unknown instead.
    pub async fn read(ctx: &'a Context, filter: &AssociationFilter) -> Result<Self> {
        let (cluster, associations) = associations(ctx, filter).await?;
        let progress = ctx.term.progress("roles");
        if associations.len() > observe::CONCURRENCY {
            progress.update("reading".to_owned());
        }
        let read = roles::of_associations(ctx.iam()?, &cluster.arn, &associations);
        let roles = ctx.deadline.within("reading the roles", read).await?;
        progress.clear();
        Ok(Self { cluster, associations, roles })
    }

    /// Each of them.
    pub fn all(&self, now: jiff::Timestamp) -> impl Iterator<Item = Holder<'_>> {
        holders(self.cluster, &self.associations, &self.roles, now)
    }
}

/// The associations of a cluster that a filter lets through, in full.
///
/// # Errors
/// When they cannot be read.
pub async fn associations<'a>(ctx: &'a Context, filter: &AssociationFilter) -> Result<(&'a Cluster, Vec<Association>)> {
    let cluster = ctx.cluster().await?;
    let progress = ctx.term.progress("associations");
    let mut pages = ctx.eks()?.association_pages(&cluster.name, filter);
    // A first page that fails says more than the call after it.
    let first = ctx.deadline.within("listing associations", async { pages.next().await.transpose() }).await?;
    let pages = futures::stream::iter(first.map(Ok)).chain(pages);
    let mut described = pin!(observe::describe_listed(ctx.eks()?, &cluster.name, pages));
    let mut associations: Vec<Association> = Vec::new();
    while let Some(next) =
        ctx.deadline.within("reading associations", async { described.next().await.transpose() }).await?
    {
        associations.extend(next);
        if associations.len() > observe::CONCURRENCY {
            progress.count(format!("{} read", associations.len()));
        }
    }
    associations.sort_by(|a, b| a.summary.subject.cmp(&b.summary.subject));
    progress.clear();
    Ok((cluster, associations))
}
