//! Who uses roles: the associations of clusters, by role.

use std::{collections::BTreeMap, pin::pin};

use futures::StreamExt;
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Failure, Result},
    model::association::{AssociationFilter, AssociationSummary},
    observe::{self, CONCURRENCY, forbidden},
    output::Progress,
    settings::{Origin, Sourced, Target},
};

/// An association that uses a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Cluster.
    pub cluster_name: String,
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub service_account: String,
    /// The association.
    pub association_id: String,
    /// True when it assumes the role from another one.
    pub as_target: bool,
}

impl User {
    /// `NS/SA`, with the cluster where there are several.
    pub fn shown(&self, several: bool) -> String {
        let subject = format!("{}/{}", self.namespace, self.service_account);
        if several { format!("{}:{subject}", self.cluster_name) } else { subject }
    }
}

/// Who uses roles in the clusters that were looked at.
#[derive(Debug, Clone, Default)]
pub struct Users {
    by_role: BTreeMap<String, Vec<User>>,
    /// The clusters that were looked at.
    pub clusters: Vec<String>,
    /// Those that could not be, and why.
    pub unread: Vec<(String, String)>,
}

impl Users {
    /// The users of a role, by its ARN.
    pub fn of(&self, arn: &str) -> &[User] {
        self.by_role.get(arn).map_or(&[], Vec::as_slice)
    }

    /// Every user of every role is known.
    pub fn complete(&self) -> bool {
        self.unread.is_empty()
    }

    /// `cluster a`, `clusters a, b`.
    pub fn place(&self) -> String {
        let s = if self.clusters.len() == 1 { "" } else { "s" };
        format!("cluster{s} {}", self.clusters.join(", "))
    }

    /// Warns of what could not be looked at.
    pub fn warn(&self, ctx: &Context) {
        for (cluster, why) in &self.unread {
            ctx.term.warn(format!("who uses roles in cluster {cluster} could not be read: {why}"));
        }
    }

    fn add(&mut self, summary: &AssociationSummary, arn: String, as_target: bool) {
        self.by_role.entry(arn).or_default().push(User {
            cluster_name: summary.cluster_name.clone(),
            namespace: summary.subject.namespace.clone(),
            service_account: summary.subject.name.clone(),
            association_id: summary.association_id.clone(),
            as_target,
        });
    }
}

/// The clusters to look at: all of the region, else the one at hand, else none.
///
/// # Errors
/// When they cannot be listed, or flags contradict each other.
pub async fn clusters(ctx: &Context, all: bool) -> Result<Vec<String>> {
    if all {
        // PODID_CLUSTER is a default; a flag is meant.
        if let Some(Target { cluster: Sourced { from: Origin::Flag(flag), .. }, .. }) = ctx.optional_target()? {
            return Err(
                Failure::usage(format!("`--all-clusters` and `{flag}` contradict each other")).hint("give one of them")
            );
        }
        return ctx.guard.run("listing the clusters", ctx.eks()?.clusters()).await;
    }
    let Some(target) = ctx.optional_target()? else { return Ok(Vec::new()) };
    // A cluster that a kube context or an ARN named must be the one that the credentials lead to.
    if target.account.is_some() || !target.named() {
        ctx.cluster().await?;
    }
    Ok(vec![target.cluster.value.clone()])
}

/// Reads the associations of these clusters, each in full: a List tells no role.
///
/// # Errors
/// When a cluster does not exist, or a read failed for another reason than a missing permission.
pub async fn users(ctx: &Context, clusters: Vec<String>, line: &Progress) -> Result<Users> {
    read(ctx, clusters, line, false).await
}

/// The same, where a cluster that does not exist any more has no users.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn users_if_there(ctx: &Context, clusters: Vec<String>, line: &Progress) -> Result<Users> {
    read(ctx, clusters, line, true).await
}

async fn read(ctx: &Context, clusters: Vec<String>, line: &Progress, gone_is_fine: bool) -> Result<Users> {
    let eks = ctx.eks()?;
    let mut users = Users { clusters: clusters.clone(), ..Users::default() };
    for cluster in clusters {
        let unread = |permission: &str| (cluster.clone(), format!("not allowed: {permission}"));
        let every = AssociationFilter::default();
        let read = eks.associations(&cluster, &every);
        let summaries = match ctx.guard.run("listing associations", read).await {
            Ok(summaries) => summaries,
            Err(failure) if forbidden(&failure) => {
                users.unread.push(unread("eks:ListPodIdentityAssociations"));
                continue;
            }
            Err(failure) if gone_is_fine && failure.is("ResourceNotFoundException") => continue,
            Err(failure) => return Err(ctx.no_cluster(failure).await),
        };
        let (total, mut read) = (summaries.len(), 0);
        let mut described = pin!(observe::describe_all(eks, &cluster, summaries));
        loop {
            let next = async { described.next().await.transpose() };
            match ctx.guard.run("reading associations", next).await {
                Ok(None) => break,
                Ok(Some(association)) => {
                    read += 1;
                    if total > CONCURRENCY {
                        line.count(format!("{read} of {total} associations of {cluster} read"));
                    }
                    let Some(a) = association else { continue };
                    users.add(&a.summary, a.role_arn, false);
                    if let Some(target) = a.target_role_arn {
                        users.add(&a.summary, target, true);
                    }
                }
                Err(failure) if forbidden(&failure) => {
                    users.unread.push(unread("eks:DescribePodIdentityAssociation"));
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    users.by_role.values_mut().for_each(|users| users.sort());
    Ok(users)
}
