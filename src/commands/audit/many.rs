//! `podid audit` of several clusters: each is read by itself, their roles once, and what is found is one report.

use futures::StreamExt;

use super::{Audit, Found, kubernetes, last_use};
use crate::{
    checks::{
        Finding,
        audit::{self, Estate, Part},
    },
    commands::{
        clusters::{Places, local, side_by_side},
        holders::associations,
        unread::{NotRead, Unread, judged},
    },
    context::Context,
    failure::{Code, Result},
    model::{
        access::{Holder, holders},
        addon::Versions,
        arn::Arn,
        association::{Association, AssociationFilter},
        cluster::Cluster,
        exception::Exception,
        have::Observed,
        role_users::AccountRoles,
        text::listed,
    },
    observe::{
        audit::{InKubernetes, accounts_of, agent_versions, trusting},
        roles::of_associations,
    },
};

/// Clusters that the heading names.
const NAMED: usize = 5;

/// The clusters of an audit of several.
pub(super) struct Several {
    /// Those that were read: label and ARN.
    clusters: Vec<(String, Arn)>,
    unread: Vec<Unread>,
}

impl Several {
    /// `clusters blue, green`.
    pub(super) fn title(&self) -> String {
        let labels: Vec<&str> = self.clusters.iter().map(|(label, _)| label.as_str()).collect();
        let s = if labels.len() == 1 { "" } else { "s" };
        format!("cluster{s} {}", listed(&labels, NAMED))
    }

    pub(super) fn arns(&self) -> Vec<&Arn> {
        self.clusters.iter().map(|(_, arn)| arn).collect()
    }

    pub(super) fn not_read(&self) -> Vec<NotRead> {
        NotRead::all(&self.unread)
    }
}

/// What was read of one of them.
struct OfOne<'a> {
    ctx: &'a Context,
    label: String,
    cluster: &'a Cluster,
    associations: Vec<Association>,
    kubernetes: InKubernetes,
    agent: Observed<Option<Versions>>,
}

impl Audit {
    pub(super) async fn many(&self, ctx: &Context, exceptions: &[Exception]) -> Result<Code> {
        let mut places = self.clusters.places(ctx).await?;
        places.note_if_none(ctx);
        let contexts: Vec<Context> = places.clusters.iter().map(|place| place.context(ctx)).collect();
        let reads: Vec<_> = side_by_side(contexts.iter().map(of_one)).collect().await;
        let (mut read, mut unread) = (Vec::new(), std::mem::take(&mut places.unread));
        for ((place, ctx), one) in places.clusters.iter().zip(&contexts).zip(reads) {
            match one {
                Ok(((cluster, associations), kubernetes, agent)) => {
                    read.push(OfOne { ctx, label: places.label(place), cluster, associations, kubernetes, agent });
                }
                Err(failure) => unread.push((place.what(), local(ctx, failure)?)),
            }
        }
        let total = contexts.len();
        let Some(first) = read.first() else { return judged(unread, total, true, "read", Ok(Code::Ok)) };
        let clusters = read.iter().map(|one| (one.label.clone(), one.cluster.arn.clone())).collect();
        let findings = Box::pin(self.findings(first, &places, &read)).await?;
        let several = Several { clusters, unread };
        let found = Found::new(first.cluster.arn.clone(), findings, exceptions, ctx.term.now());
        let found = Found { several: Some(several), ..found };
        self.render(ctx, &found)?;
        let verdict = self.verdict(ctx, &found);
        let unread = found.several.map(|several| several.unread).unwrap_or_default();
        judged(unread, total, false, "read", verdict)
    }

    /// `first`: the cluster from which the roles of the account are read, each once.
    async fn findings(&self, first: &OfOne<'_>, places: &Places, read: &[OfOne<'_>]) -> Result<Vec<Finding>> {
        let (ctx, home, now) = (first.ctx, &first.cluster.arn, first.ctx.term.now());
        let each: Vec<_> = read.iter().map(|one| (&one.cluster.arn, &one.associations[..])).collect();
        let all: Vec<Association> = read.iter().flat_map(|one| one.associations.iter().cloned()).collect();
        let (eks, iam) = (ctx.eks()?, ctx.iam()?);
        let reads = async { futures::try_join!(of_associations(iam, home, &all), trusting(eks, iam, home, &each)) };
        let (roles, account) = ctx.deadline.within("reading the roles", reads).await?;
        let parts = read.iter().map(|one| {
            let InKubernetes { namespaces, accounts, annotated, runners, by_rollouts } = &one.kubernetes;
            let estate = Estate {
                holders: holders(one.cluster, &one.associations, &roles, now).collect(),
                namespaces: namespaces.clone(),
                accounts: accounts.clone(),
                used: accounts_of(runners),
                by_rollouts: accounts_of(by_rollouts),
                annotated: annotated.clone(),
                agent: one.agent.clone(),
                roles: Observed::NotRequested,
            };
            let arn = one.cluster.arn.clone();
            Part { label: one.label.clone(), flag: places.flag(&arn), arn, estate }
        });
        let parts: Vec<Part<'_>> = parts.collect();
        let unused = if self.last_accessed {
            let all: Vec<Holder<'_>> =
                read.iter().flat_map(|one| holders(one.cluster, &one.associations, &roles, now)).collect();
            Box::pin(last_use::findings(ctx, &all, self.unused_for)).await?
        } else {
            Vec::new()
        };
        Ok(audit::several(&parts, &account.map(AccountRoles::trusting), unused))
    }
}

type Read<'a> = ((&'a Cluster, Vec<Association>), InKubernetes, Observed<Option<Versions>>);

async fn of_one(ctx: &Context) -> Result<Read<'_>> {
    let filter = AssociationFilter::default();
    let agent = async {
        let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
        ctx.deadline.within("reading the versions of the agent add-on", agent_versions(eks, cluster)).await
    };
    futures::try_join!(associations(ctx, &filter), kubernetes(ctx), agent)
}
