//! How a verification reads: whom it asks, and how it tells of a long read. `podid map --verify` reads in the same way.

use std::sync::Arc;

use super::checked::Read;
use crate::{
    checks::Report,
    commands::shared,
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        access::Need,
        association::AssociationSummary,
        snapshot::{ClusterView, Snapshot},
        text::count,
    },
    observe::verify::{Asked, Asking, Listed, Logs, Spaces},
};

/// So many service accounts take a while to read.
const MANY: usize = 20;

/// What is read beside what every verification reads.
pub(super) struct Depth {
    /// The names of the keys of Secrets.
    pub(super) secrets: bool,
    /// Of logs.
    pub(super) logs: Option<Logs>,
    /// What the workloads need.
    pub(super) needs: Vec<Need>,
}

/// Whom a verification asks. Where Kubernetes cannot be asked, also the code of the reason: what hangs on it is skipped then, and the
/// rest still told. `hints`: whether its hints are printed.
pub(super) async fn asking(ctx: &Context, depth: Depth, hints: bool) -> Result<(Asking<'_>, Option<Code>)> {
    let reached = async {
        let kube = ctx.kube().await?;
        ctx.deadline.within("connecting to the Kubernetes API", kube.reach()).await?;
        Ok::<_, Failure>(kube)
    };
    let (kube, unreached) = match reached.await {
        Ok(kube) => (Ok(kube), None),
        Err(failure) => {
            let failure = shared::without_kubernetes(ctx, failure, hints).await?;
            (Err(failure.to_string()), Some(failure.code))
        }
    };
    let Depth { secrets, logs, needs } = depth;
    let (eks, iam, tables) = (ctx.eks()?, ctx.iam()?, ctx.tables()?);
    Ok((Asking { eks, iam, tables, kube, secrets, logs, needs }, unreached))
}

/// Reads service accounts.
pub(super) async fn snapshots(
    ctx: &Context,
    asking: &Asking<'_>,
    asked: &[Asked],
    spaces: Option<Spaces>,
    view: &Arc<ClusterView>,
) -> Result<Vec<Snapshot>> {
    let progress = ctx.term.progress("verify");
    // A few are there before anybody could read it.
    if asked.len() > MANY {
        progress.update(format!("reading {}", count(asked.len(), "service account")));
    }
    let read = asking.snapshots(asked, spaces, view, ctx.term.now());
    let snapshots = ctx.deadline.within("reading the service accounts", read).await?;
    progress.clear();
    Ok(snapshots)
}

/// The reports of the service accounts of these associations, as `podid verify` has them.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn of_associations(ctx: &Context, listed: Vec<AssociationSummary>) -> Result<Vec<Report>> {
    let cluster = ctx.cluster().await?;
    let depth = Depth { secrets: false, logs: Some(Logs::default()), needs: Vec::new() };
    let (asking, unreached) = asking(ctx, depth, false).await?;
    let view = Arc::new(ctx.deadline.within("reading the cluster", asking.cluster(cluster)).await?);
    let each = listed.into_iter();
    let asked: Vec<Asked> =
        each.map(|it| Asked { subject: it.subject.clone(), listed: Listed::Yes(it), only: None }).collect();
    let snapshots = snapshots(ctx, &asking, &asked, None, &view).await?;
    Ok(Read { cluster: cluster.clone(), view, snapshots, unreached, before: None }.check().reports)
}
