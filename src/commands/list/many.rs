//! Many clusters, in one region or in all. What cannot be read is named at the end, and the rest is shown.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};

use super::{Ask, Document, Listed, cells, columns};
use crate::{
    commands::{
        clusters::{self, ClustersArg, local},
        shared::count,
        unread::{NotRead, outcome},
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::Arn,
        association::{Association, AssociationSummary},
        names::ServiceAccount,
    },
    observe::CONCURRENCY,
    output::{
        Format,
        table::{Cell, Column, Table},
    },
    ports::Eks,
};

/// The clusters, and whether reading one failed.
struct Places {
    all: clusters::Places,
    failed: Vec<AtomicBool>,
}

impl Places {
    fn failed(&self, at: usize) -> bool {
        self.failed[at].load(Ordering::Relaxed)
    }

    /// Whether it is the first time.
    fn fails(&self, at: usize) -> bool {
        !self.failed[at].swap(true, Ordering::Relaxed)
    }
}

pub(super) async fn run(ask: &Ask<'_>, ctx: &Context, which: ClustersArg) -> Result<Code> {
    let line = ctx.term.progress("clusters");
    let all = which.places(ctx).await?;
    let total = all.clusters.len();
    let mut places = Places { failed: all.clusters.iter().map(|_| AtomicBool::new(false)).collect(), all };
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
    rows.retain(|row| !places.failed(row.at));
    rows.sort_by(|a, b| {
        let key = |row: &Row| (&places.all.clusters[row.at].region, &places.all.clusters[row.at].name);
        key(a).cmp(&key(b)).then_with(|| a.subject.cmp(&b.subject))
    });
    let places = places;
    render(ctx, &places.all, &rows)?;
    places.all.note_if_none(ctx);
    ask.note_if_empty(ctx, &count(total, "cluster"), rows.is_empty() && places.all.unread.is_empty() && total > 0);
    let nothing = (0..total).all(|at| places.failed(at));
    match outcome(places.all.unread, total, nothing, "read") {
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

/// The summaries of every cluster, with the index of theirs.
async fn summaries(ask: &Ask<'_>, ctx: &Context, places: &mut Places) -> Result<Vec<(usize, AssociationSummary)>> {
    let filter = &ask.filter();
    let lists = stream::iter(&places.all.clusters)
        .map(|place| async move {
            let list = async {
                let read = place.eks.associations(&place.name, filter);
                Ok(futures::try_join!(place.require_same_account(), read)?.1)
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

fn fail(ctx: &Context, places: &mut Places, at: usize, failure: Failure) -> Result<()> {
    // The first of a cluster's failures tells; there is one for each of its associations.
    if places.fails(at) {
        let what = places.all.clusters[at].what();
        places.all.unread.push((what, local(ctx, failure)?));
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
        let places = &*places;
        let mut reads = std::pin::pin!(
            stream::iter(summaries)
                .map(|(at, summary)| async move {
                    let place = &places.all.clusters[at];
                    if places.failed(at) {
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
                    failures.extend(places.fails(at).then(|| (places.all.clusters[at].what(), failure)));
                }
            }
        }
    }
    for (what, failure) in failures {
        places.all.unread.push((what, local(ctx, failure)?));
    }
    Ok(rows)
}

fn render(ctx: &Context, places: &clusters::Places, rows: &[Row]) -> Result<()> {
    let value = || {
        let associations = rows.iter().filter_map(|row| row.association.as_ref()).map(with_cluster).collect();
        Document { associations, unread: Some(NotRead::all(&places.unread)) }
    };
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value()),
        Format::Yaml => ctx.term.emit_yaml(&value()),
        Format::Name => {
            for row in rows {
                let cluster = places.label(&places.clusters[row.at]);
                ctx.term.emit_line(format!("{cluster}/{}", row.subject))?;
            }
            Ok(())
        }
        Format::Table | Format::Wide if rows.is_empty() => Ok(()),
        Format::Table | Format::Wide => ctx.term.emit_table(&table(places, rows, ctx.term.format() == Format::Wide)),
    }
}

fn table(places: &clusters::Places, rows: &[Row], wide: bool) -> Table {
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
