//! Many clusters, in one region or in all. What cannot be read is named at the end, and the rest is shown.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::stream::{self, StreamExt};

use super::{Ask, Document, Listed, cells, columns};
use crate::{
    aws::Aws,
    commands::{
        shared::count,
        unread::{NotRead, Unread, outcome},
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::Arn,
        association::{Association, AssociationSummary},
        names::ServiceAccount,
        regions,
    },
    observe::{CONCURRENCY, users::is_not_enabled},
    output::{
        Format,
        table::{Cell, Column, Table},
    },
    ports::Eks,
    settings::{self, Given},
};

/// A cluster to be listed.
struct Place {
    region: String,
    name: String,
    /// Account, when an ARN named it.
    account: Option<String>,
    eks: Aws,
    failed: AtomicBool,
}

impl Place {
    fn new(eks: Aws, region: &str, name: String, account: Option<String>) -> Self {
        Self { region: region.to_owned(), name, account, eks, failed: AtomicBool::new(false) }
    }

    fn what(&self) -> String {
        format!("cluster {} in {}", self.name, self.region)
    }
}

/// Where it is looked, and what of that could not be read.
struct Places {
    clusters: Vec<Place>,
    unread: Vec<Unread>,
    /// Regions are shown: there may be several.
    regions: bool,
    /// Where clusters were looked for.
    searched: String,
}

pub(super) async fn run(ask: &Ask<'_>, ctx: &Context, all_clusters: bool, all_regions: bool) -> Result<Code> {
    let line = ctx.term.progress("clusters");
    let mut places = match (all_clusters || all_regions, all_regions) {
        (false, _) => named(ctx).await?,
        (true, everywhere) => found(ctx, everywhere).await?,
    };
    let total = places.clusters.len();
    let only_names = ctx.term.format() == Format::Name && ask.role.is_none();
    if total > CONCURRENCY {
        line.update(format!("listing {total}"));
    }
    let summaries = summaries(ask, ctx, &mut places).await?;
    let mut rows: Vec<Row> = if only_names {
        let row = |(at, summary): (usize, AssociationSummary)| Row { at, subject: summary.subject, association: None };
        summaries.into_iter().map(row).collect()
    } else {
        let told = |read: usize, all: usize| {
            if all > CONCURRENCY {
                line.count(format!("{read} of {all} associations read"));
            }
        };
        described(ask, ctx, &mut places, summaries, told).await?
    };
    line.clear();
    // What was read of a cluster before it failed is not what it holds.
    rows.retain(|row| !places.clusters[row.at].failed.load(Ordering::Relaxed));
    rows.sort_by(|a, b| {
        let key = |row: &Row| (&places.clusters[row.at].region, &places.clusters[row.at].name);
        key(a).cmp(&key(b)).then_with(|| a.subject.cmp(&b.subject))
    });
    let places = places;
    render(ctx, &places, &rows)?;
    if rows.is_empty() && places.unread.is_empty() {
        match total {
            0 => ctx.term.note(format!("no clusters in {}", places.searched)),
            _ => ask.note_if_empty(ctx, &count(total, "cluster"), true),
        }
    }
    let nothing = places.clusters.iter().all(|place| place.failed.load(Ordering::Relaxed));
    match outcome(places.unread, total, nothing, "read") {
        Some(failure) => Err(failure),
        None => Ok(Code::Ok),
    }
}

struct Row {
    /// Index of its cluster.
    at: usize,
    subject: ServiceAccount,
    association: Option<Association>,
}

/// Ends the command where nothing further can be read; else the failure is one of several.
fn local(ctx: &Context, failure: Failure) -> Result<Failure> {
    ctx.deadline.check()?;
    Ok(failure)
}

/// The clusters of `--cluster`.
async fn named(ctx: &Context) -> Result<Places> {
    let (region_flag, context) = ctx.place_by_flag();
    if context.is_some() {
        return Err(Failure::usage("--context names one cluster, --cluster several")
            .hint("omit `--context`: `podid list` does not use Kubernetes"));
    }
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
        let place = Place::new(eks.clone(), &region, target.cluster.value, target.account.map(|a| a.value));
        if !clusters.iter().any(|known| known.name == place.name && known.region == place.region) {
            clusters.push(place);
        }
    }
    Ok(Places { clusters, unread: Vec::new(), regions: regions.len() > 1, searched: String::new() })
}

/// Every cluster of the region, or of all.
async fn found(ctx: &Context, everywhere: bool) -> Result<Places> {
    let (region_flag, _) = ctx.place_by_flag();
    if let Some(cluster) = ctx.clusters_by_flag().first() {
        let flag = if everywhere { "--all-regions" } else { "--all-clusters" };
        return Err(
            Failure::usage(format!("{flag} conflicts with `--cluster {cluster}`")).hint("pass only one of them")
        );
    }
    if everywhere && let Some(region) = region_flag {
        return Err(Failure::usage(format!("--all-regions conflicts with `--region {region}`"))
            .hint(format!("list all clusters of the region: `podid list --all-clusters --region {region}`")));
    }
    let aws = ctx.aws_of_many();
    let own = aws.region().await?;
    if !everywhere {
        let names = ctx.deadline.within("listing the clusters", aws.clusters()).await?;
        let region = own.unwrap_or_default();
        let clusters = names.into_iter().map(|name| Place::new(aws.clone(), &region, name, None)).collect();
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
            Ok(names) => {
                places.clusters.extend(names.into_iter().map(|name| Place::new(eks.clone(), region.name, name, None)));
            }
            Err(failure) if known && region.opt_in && is_not_enabled(&failure) => disabled.push(region.name),
            Err(failure) => places.unread.push((format!("region {}", region.name), local(ctx, failure)?)),
        }
    }
    if !disabled.is_empty() {
        ctx.term.note(format!("not enabled for this account: {}", disabled.join(", ")));
    }
    Ok(places)
}

/// The summaries of every cluster, with the index of theirs.
async fn summaries(ask: &Ask<'_>, ctx: &Context, places: &mut Places) -> Result<Vec<(usize, AssociationSummary)>> {
    let filter = &ask.filter();
    let lists = stream::iter(&places.clusters)
        .map(|place| async move {
            let list = async {
                let (same, summaries) =
                    futures::try_join!(same_account(place), place.eks.associations(&place.name, filter))?;
                same.map_or(Ok(summaries), Err)
            };
            ctx.deadline.within(&format!("listing the associations of {}", place.what()), list).await
        })
        .buffered(CONCURRENCY);
    let lists: Vec<Result<Vec<AssociationSummary>>> = lists.collect().await;
    let mut all = Vec::new();
    for (at, list) in lists.into_iter().enumerate() {
        match list {
            Ok(summaries) => all.extend(summaries.into_iter().filter(|s| ask.wants(&s.subject)).map(|s| (at, s))),
            Err(failure) => fail(ctx, places, at, failure)?,
        }
    }
    Ok(all)
}

/// Why the cluster is not the one that an ARN named: credentials of another account lead to another cluster of that name.
async fn same_account(place: &Place) -> Result<Option<Failure>> {
    let Some(account) = &place.account else { return Ok(None) };
    let cluster = place.eks.cluster(&place.name).await?;
    Ok((cluster.arn.account != *account).then(|| {
        Failure::usage(format!(
            "the AWS credentials belong to another account: expected {account}, found {}",
            cluster.arn
        ))
        .hint("list the clusters of each account with its own `--profile`")
    }))
}

fn fail(ctx: &Context, places: &mut Places, at: usize, failure: Failure) -> Result<()> {
    let place = &places.clusters[at];
    // The first of a cluster's failures tells; there is one for each of its associations.
    if !place.failed.swap(true, Ordering::Relaxed) {
        let what = place.what();
        places.unread.push((what, local(ctx, failure)?));
    }
    Ok(())
}

async fn described(
    ask: &Ask<'_>,
    ctx: &Context,
    places: &mut Places,
    summaries: Vec<(usize, AssociationSummary)>,
    told: impl Fn(usize, usize),
) -> Result<Vec<Row>> {
    let total = summaries.len();
    let mut rows = Vec::with_capacity(total);
    let mut failures = Vec::new();
    {
        let clusters = &places.clusters;
        let mut reads = std::pin::pin!(
            stream::iter(summaries)
                .map(|(at, summary)| async move {
                    let place = &clusters[at];
                    if place.failed.load(Ordering::Relaxed) {
                        return (at, Ok(None));
                    }
                    let read = place.eks.association(&place.name, &summary.association_id);
                    (at, ctx.deadline.within(&format!("reading the associations of {}", place.what()), read).await)
                })
                .buffered(CONCURRENCY)
        );
        let mut read = 0;
        while let Some((at, association)) = reads.next().await {
            read += 1;
            told(read, total);
            match association {
                Ok(association) => rows.extend(association.filter(|a| ask.matches(a)).map(|association| Row {
                    at,
                    subject: association.summary.subject.clone(),
                    association: Some(association),
                })),
                Err(failure) => {
                    let first = !clusters[at].failed.swap(true, Ordering::Relaxed);
                    failures.extend(first.then_some((clusters[at].what(), failure)));
                }
            }
        }
    }
    for (what, failure) in failures {
        places.unread.push((what, local(ctx, failure)?));
    }
    Ok(rows)
}

fn render(ctx: &Context, places: &Places, rows: &[Row]) -> Result<()> {
    let value = || {
        let associations = rows.iter().filter_map(|row| row.association.as_ref()).map(with_cluster).collect();
        let unread = places.unread.iter().map(|(what, why)| NotRead::new(what, why)).collect();
        Document { associations, unread: Some(unread) }
    };
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value()),
        Format::Yaml => ctx.term.emit_yaml(&value()),
        Format::Name => {
            for row in rows {
                let place = &places.clusters[row.at];
                let region = if places.regions { format!("{}/", place.region) } else { String::new() };
                ctx.term.emit_line(format!("{region}{}/{}", place.name, row.subject))?;
            }
            Ok(())
        }
        Format::Table | Format::Wide if rows.is_empty() => Ok(()),
        Format::Table | Format::Wide => ctx.term.emit_table(&table(places, rows, ctx.term.format() == Format::Wide)),
    }
}

fn table(places: &Places, rows: &[Row], wide: bool) -> Table {
    let mut all = if places.regions { vec![Column::new("REGION")] } else { Vec::new() };
    all.push(Column::new("CLUSTER"));
    all.extend(columns());
    let mut table = Table::new(&all);
    for row in rows {
        let Some(association) = &row.association else { continue };
        let place = &places.clusters[row.at];
        let mut line = if places.regions { vec![Cell::new(&place.region)] } else { Vec::new() };
        line.push(Cell::new(&place.name));
        line.extend(cells(association, wide));
        table.row(line);
    }
    table
}

/// With the ARN of its cluster: names are unique within a region only. Of the association's ARN only the head is read.
fn with_cluster(association: &Association) -> Listed<'_> {
    let own = association.summary.association_arn.parse::<Arn>();
    let cluster = |arn: Arn| Arn { resource: format!("cluster/{}", association.summary.cluster_name), ..arn };
    Listed { association, cluster_arn: own.ok().map(|arn| cluster(arn).to_string()) }
}
