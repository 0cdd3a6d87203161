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
        association::{Association, AssociationFilter},
        manifest::ClusterState,
    },
    observe,
    plan::{Side, against},
};

/// What is compared of a cluster.
struct Read {
    arn: Arn,
    agent: Option<Addon>,
    associations: Vec<Association>,
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
    let other = ctx.of_other_cluster(name, "--against", &ctx.cluster().await?.arn.region);
    let (own, other) = futures::try_join!(read(ctx), read(&other))?;
    if own.arn == other.arn {
        return Err(Failure::usage(format!("--against: {} is the cluster itself", other.arn.name()))
            .hint("name the other cluster with `--cluster`"));
    }
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

async fn read(ctx: &Context) -> Result<Read> {
    let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
    let agent = ctx.deadline.within("reading the agent", eks.addon(&cluster.name, AGENT));
    let filter = AssociationFilter::default();
    let pages = eks.association_pages(&cluster.name, &filter);
    let described = observe::describe_listed(eks, &cluster.name, pages);
    let all = async { described.try_filter_map(|it| async { Ok(it) }).try_collect::<Vec<Association>>().await };
    let associations = ctx.deadline.within("reading the associations", Box::pin(all));
    let (agent, associations) = futures::try_join!(agent, associations)?;
    Ok(Read { arn: cluster.arn.clone(), agent, associations })
}
