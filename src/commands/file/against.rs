//! `podid diff --against`: how the Pod Identity of two clusters differs.

use std::collections::BTreeMap;

use futures::TryStreamExt;

use super::view;
use crate::{
    commands::shared::count,
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon},
        arn::Arn,
        association::{Association, AssociationSummary},
        glob::{self, Pattern},
        manifest::ClusterState,
    },
    observe,
    plan::{Side, against},
};

/// What is compared of a cluster.
pub(super) struct Read {
    pub(super) arn: Arn,
    pub(super) agent: Option<Addon>,
    pub(super) associations: Vec<Association>,
}

impl Read {
    fn side(&self) -> Side<'_> {
        Side { cluster: self.arn.name(), agent: self.agent.as_ref(), associations: &self.associations }
    }
}

/// Compares the cluster with another one.
///
/// # Errors
/// What failed, with its exit code.
pub(super) async fn run(ctx: &Context, name: &str) -> Result<Code> {
    let other = ctx.of_other_cluster(name, "--against", &ctx.cluster().await?.arn.region, None);
    let (own, other) = futures::try_join!(read(ctx, &[]), read(&other, &[]))?;
    is_another(&own.arn, &other.arn, "--against")?;
    let steps = against(own.side(), other.side());
    let changes = view::changes(&steps);
    let associations: BTreeMap<_, _> =
        own.associations.iter().map(|it| (it.summary.subject.clone(), it.clone())).collect();
    let have = ClusterState { associations, ..ClusterState::default() };
    let title = format!("From {} to {}", told(&own.arn, &other.arn), told(&other.arn, &own.arn));
    view::show(ctx, &title, &changes, &have)?;
    if changes.is_empty() {
        let size = count(own.associations.len(), "association");
        ctx.term.status(format!("no differences: the agent and {size} are the same in {}", other.arn.name()));
        return Ok(Code::Ok);
    }
    ctx.term.status(view::summary(&changes));
    Ok(Code::Difference)
}

/// By its name, or its ARN where the other one has the same name.
fn told(arn: &Arn, other: &Arn) -> String {
    if arn.name() == other.name() { arn.to_string() } else { arn.name().to_owned() }
}

/// Two flags may name one cluster.
///
/// # Errors
/// Usage, when they do.
pub(super) fn is_another(own: &Arn, other: &Arn, flag: &str) -> Result<()> {
    if own != other {
        return Ok(());
    }
    Err(Failure::usage(format!("{flag}: {} is the cluster itself", other.name()))
        .hint("name the other cluster with `--cluster`"))
}

/// Reads a cluster; of its associations only those that one of the patterns stands for, where there are any.
///
/// # Errors
/// When a read failed.
pub(super) async fn read(ctx: &Context, patterns: &[Pattern]) -> Result<Read> {
    let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
    let agent = ctx.deadline.within("reading the agent", eks.addon(&cluster.name, AGENT));
    let filter = glob::filter(patterns);
    let meant = |it: &AssociationSummary| patterns.is_empty() || patterns.iter().any(|p| p.matches(&it.subject));
    let pages = eks.association_pages(&cluster.name, &filter);
    let pages = pages.map_ok(|page| page.into_iter().filter(meant).collect());
    let described = observe::describe_listed(eks, &cluster.name, pages);
    let all = async { described.try_filter_map(|it| async { Ok(it) }).try_collect::<Vec<Association>>().await };
    let associations = ctx.deadline.within("reading the associations", Box::pin(all));
    let (agent, associations) = futures::try_join!(agent, associations)?;
    Ok(Read { arn: cluster.arn.clone(), agent, associations })
}
