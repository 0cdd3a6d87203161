//! Who uses roles: the associations of clusters, by role.

use crate::{
    context::Context,
    failure::{Failure, Result},
    model::{
        arn::Arn,
        role_users::{ClusterRead, Reads, User},
    },
    observe::users::Search,
    output::Progress,
    settings::{Origin, Sourced, Target},
};

/// Who uses roles in the clusters that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Users {
    reads: Reads,
    /// The clusters that were asked for.
    pub clusters: Vec<String>,
    /// Those that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

impl Users {
    /// The users of a role.
    pub fn of(&self, role: &Arn) -> Vec<User> {
        self.reads.of(role)
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
            ctx.term.warn(format!("could not read which roles cluster {cluster} uses: {why}"));
        }
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
                Failure::usage(format!("`--all-clusters` conflicts with `{flag}`")).hint("pass only one of them")
            );
        }
        return ctx.deadline.within("listing the clusters", ctx.eks()?.clusters()).await;
    }
    let Some(target) = ctx.optional_target()? else { return Ok(Vec::new()) };
    // A cluster that a kube context or an ARN named must be the one that the credentials lead to.
    if target.account.is_some() || !target.named() {
        ctx.cluster().await?;
    }
    Ok(vec![target.cluster.value.clone()])
}

/// Reads the associations of these clusters of the region in use.
///
/// # Errors
/// When a cluster does not exist, or a read failed for another reason than a missing permission.
pub async fn users(ctx: &Context, clusters: Vec<String>, line: &Progress) -> Result<Users> {
    let tell = |text: String| line.count(text);
    let mut search = Search::new(ctx.eks()?, &home(ctx, None).await, &tell);
    requested(ctx, &mut search, &clusters).await?;
    Ok(users_found(&search, clusters))
}

/// Reads the associations of clusters that were asked for by name.
///
/// # Errors
/// As [`users`].
pub async fn requested(ctx: &Context, search: &mut Search<'_>, clusters: &[String]) -> Result<()> {
    for name in clusters {
        let arn = search.at_home(name);
        ctx.deadline.within("reading associations", search.cluster(&arn)).await?;
        if search.reads.clusters.get(&arn) == Some(&ClusterRead::Missing) {
            let missing = Failure::failed(format!("there is no cluster `{name}`"));
            let read = ctx.deadline.within("reading the cluster", ctx.eks()?.cluster(name)).await;
            return Err(ctx.no_cluster(read.err().unwrap_or(missing)).await);
        }
    }
    Ok(())
}

/// What a search found in the clusters that were asked for.
pub fn users_found(search: &Search<'_>, clusters: Vec<String>) -> Users {
    let unread = clusters.iter().filter_map(|name| match search.reads.clusters.get(&search.at_home(name)) {
        Some(ClusterRead::Unread(why, _)) => Some((name.clone(), why.clone())),
        _ => None,
    });
    Users { unread: unread.collect(), reads: search.reads.clone(), clusters }
}

/// Where clusters are searched from: the region in use, in the account of a role where one is known.
pub async fn home(ctx: &Context, role: Option<&Arn>) -> Arn {
    let region = ctx.region().await.map(|region| region.value).unwrap_or_default();
    let (partition, account) = role.map_or(Default::default(), |arn| (arn.partition.clone(), arn.account.clone()));
    Arn { partition, service: "eks".to_owned(), region, account, resource: "cluster/".to_owned() }
}
