//! Which clusters a command means: the one at hand, those that `--cluster` names, all of a region, or all of every region. A
//! cluster or region that cannot be read is named at the end, and hides no other.

use std::collections::BTreeMap;

use clap::Args;
use futures::stream::{self, Stream, StreamExt};

use super::unread::Unread;
use crate::{
    aws::Aws,
    context::Context,
    failure::{Failure, Result},
    model::{arn::Arn, regions},
    observe::{CONCURRENCY, users::is_not_enabled},
    ports::Eks,
    settings::{self, Given, Origin, Sourced, Target},
};

/// Clusters that are read side by side, where each takes many calls.
const AT_ONCE: usize = 4;

/// Clusters beside the one at hand.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ClustersArg {
    /// All clusters of the region; for several clusters, repeat --cluster
    #[arg(long, help_heading = "Clusters")]
    pub all_clusters: bool,
    /// All clusters of all regions that are enabled for the account
    #[arg(long, help_heading = "Clusters")]
    pub all_regions: bool,
}

/// A cluster to be read.
pub struct Place {
    /// Its region, where that is known.
    pub region: String,
    /// Its name.
    pub name: String,
    /// Account, when an ARN named it.
    account: Option<String>,
    /// EKS in its region.
    pub eks: Aws,
}

impl Place {
    /// `cluster blue in us-west-2`.
    pub fn what(&self) -> String {
        format!("cluster {} in {}", self.name, self.region)
    }

    /// A context of this cluster's own. Credentials are shared with the others.
    pub fn context(&self, ctx: &Context) -> Context {
        let sourced = |value: &str| Sourced { value: value.to_owned(), from: Origin::Flag("--cluster") };
        let region = Some(self.region.as_str()).filter(|region| !region.is_empty());
        let account = self.account.as_deref().map(sourced);
        let target = Target { cluster: sourced(&self.name), region: region.map(sourced), account };
        ctx.of_place(target, self.eks.clone())
    }

    /// Refuses the cluster if it is not the one that an ARN named: credentials of another account lead to another cluster of
    /// that name.
    ///
    /// # Errors
    /// When it is another one, or cannot be read.
    pub async fn require_same_account(&self) -> Result<()> {
        let Some(account) = &self.account else { return Ok(()) };
        let cluster = self.eks.cluster(&self.name).await?;
        if cluster.arn.account == *account {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "the AWS credentials belong to another account: expected {account}, found {}",
            cluster.arn
        ))
        .hint("read the clusters of each account with its own `--profile`"))
    }
}

/// Where it is looked, and what of that could not be read.
pub struct Places {
    /// The clusters.
    pub clusters: Vec<Place>,
    /// Regions whose clusters could not be listed.
    pub unread: Vec<Unread>,
    /// There may be several regions: they are shown.
    pub regions: bool,
    /// Where clusters were looked for.
    pub searched: String,
}

impl Places {
    /// How a cluster is told from the others: `blue`, or `us-west-2/blue` where there may be several regions.
    pub fn label(&self, place: &Place) -> String {
        if self.regions { format!("{}/{}", place.region, place.name) } else { place.name.clone() }
    }

    /// The value of `--cluster` that leads to a cluster from here.
    pub fn flag(&self, cluster: &Arn) -> String {
        if self.regions { cluster.to_string() } else { cluster.name().to_owned() }
    }

    /// Says where no cluster was found.
    pub fn note_if_none(&self, ctx: &Context) {
        if self.clusters.is_empty() && self.unread.is_empty() {
            ctx.term.note(format!("no clusters in {}", self.searched));
        }
    }
}

impl ClustersArg {
    /// Several clusters are named, or all are asked for.
    pub fn several(self, ctx: &Context) -> bool {
        self.all_clusters || self.all_regions || ctx.clusters_by_flag().len() > 1
    }

    /// The clusters.
    ///
    /// # Errors
    /// When flags contradict each other, or the only list of clusters failed.
    pub async fn places(self, ctx: &Context) -> Result<Places> {
        if ctx.reaches_one_cluster() {
            return Err(Failure::usage("--kubeconfig, --context and --in-cluster select only one cluster")
                .hint("omit them: each of several clusters is reached at its own endpoint"));
        }
        match (self.all_clusters || self.all_regions, self.all_regions) {
            (false, _) => named(ctx).await,
            (true, everywhere) => found(ctx, everywhere).await,
        }
    }
}

/// Ends the command where nothing further can be read; else the failure is one of several.
///
/// # Errors
/// When podid was interrupted or time is up.
pub fn local(ctx: &Context, failure: Failure) -> Result<Failure> {
    ctx.deadline.check()?;
    Ok(failure)
}

/// Reads clusters side by side, in their order.
pub fn side_by_side<T>(reads: impl IntoIterator<Item = impl Future<Output = T>>) -> impl Stream<Item = T> {
    stream::iter(reads).buffered(AT_ONCE)
}

/// The clusters of `--cluster`.
async fn named(ctx: &Context) -> Result<Places> {
    let region_flag = ctx.region_by_flag();
    let aws = ctx.aws_of_many();
    let mut regions: BTreeMap<String, Aws> = BTreeMap::new();
    let mut clusters: Vec<Place> = Vec::new();
    for name in ctx.clusters_by_flag() {
        let given = Given {
            cluster_flag: Some(("--cluster", name.clone())),
            region_flag: region_flag.map(str::to_owned),
            ..Given::default()
        };
        let target = settings::resolve(&given, None)?;
        let region = match target.region {
            Some(region) => region.value,
            None => aws.region().await?.unwrap_or_default(),
        };
        let eks = regions
            .entry(region.clone())
            .or_insert_with(|| if region.is_empty() { aws.clone() } else { aws.in_region(&region) });
        let (name, account) = (target.cluster.value, target.account.map(|a| a.value));
        if !clusters.iter().any(|known| known.name == name && known.region == region) {
            clusters.push(Place { region, name, account, eks: eks.clone() });
        }
    }
    Ok(Places { clusters, unread: Vec::new(), regions: regions.len() > 1, searched: String::new() })
}

/// Every cluster of the region, or of all.
async fn found(ctx: &Context, everywhere: bool) -> Result<Places> {
    if let Some(cluster) = ctx.clusters_by_flag().first() {
        let flag = if everywhere { "--all-regions" } else { "--all-clusters" };
        return Err(
            Failure::usage(format!("{flag} conflicts with `--cluster {cluster}`")).hint("pass only one of them")
        );
    }
    if everywhere && let Some(region) = ctx.region_by_flag() {
        return Err(Failure::usage(format!("--all-regions conflicts with `--region {region}`"))
            .hint(format!("for all clusters of the region, pass `--all-clusters --region {region}`")));
    }
    let aws = ctx.aws_of_many();
    let own = aws.region().await?;
    let of_region = |names: Vec<String>, region: &str, eks: &Aws| {
        let place = |name| Place { region: region.to_owned(), name, account: None, eks: eks.clone() };
        names.into_iter().map(place).collect::<Vec<_>>()
    };
    if !everywhere {
        let names = ctx.deadline.within("listing the clusters", aws.clusters()).await?;
        let region = own.unwrap_or_default();
        let clusters = of_region(names, &region, &aws);
        return Ok(Places { clusters, unread: Vec::new(), regions: false, searched: region });
    }
    let searched = "any region".to_owned();
    let mut places = Places { clusters: Vec::new(), unread: Vec::new(), regions: true, searched };
    // Without a region the partition is not known; credentials are of the commercial one most of the time.
    let all = regions::beside(own.as_deref().unwrap_or("us-east-1"));
    let lists = stream::iter(&all).map(|region| {
        let eks = aws.in_region(region.name);
        async move {
            let names = ctx.deadline.within(&format!("listing the clusters of {}", region.name), eks.clusters()).await;
            (region, eks.clone(), names)
        }
    });
    let lists: Vec<_> = lists.buffered(CONCURRENCY).collect().await;
    // Credentials that are good elsewhere are not known only where the account has not enabled the region.
    let known = lists.iter().any(|(.., names)| names.is_ok());
    let mut disabled = Vec::new();
    for (region, eks, names) in lists {
        match names {
            Ok(names) => places.clusters.extend(of_region(names, region.name, &eks)),
            Err(failure) if known && region.opt_in && is_not_enabled(&failure) => disabled.push(region.name),
            Err(failure) => places.unread.push((format!("region {}", region.name), local(ctx, failure)?)),
        }
    }
    if !disabled.is_empty() {
        ctx.term.note(format!("not enabled for this account: {}", disabled.join(", ")));
    }
    Ok(places)
}
