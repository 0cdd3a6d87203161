//! `podid verify` of several clusters. A cluster that cannot be checked is named at the end, and the others are shown.

use futures::stream::{self, StreamExt};

use super::{Checked, Verify};
use crate::{
    commands::unread::{Unread, outcome},
    context::Context,
    failure::{Code, Failure, Result},
};

/// Clusters that are read side by side.
const AT_ONCE: usize = 4;

impl Verify {
    /// Several clusters are named, or all are asked for.
    pub(super) fn is_of_many(&self, ctx: &Context) -> bool {
        self.all_clusters || ctx.clusters_by_flag().len() > 1
    }

    /// Checks them side by side.
    pub(super) async fn read_many(&self, ctx: &Context) -> Result<(Vec<Checked>, Vec<Unread>)> {
        if self.watch {
            return Err(Failure::usage("`--watch` checks one cluster").hint("name it with `--cluster`"));
        }
        let clusters = self.clusters(ctx).await?;
        if clusters.is_empty() {
            ctx.term.note("this account has no clusters in this region");
        }
        let reads = clusters.into_iter().map(|cluster| async move {
            let read = self.read_and_check(&ctx.of_cluster(&cluster, "--cluster"), true).await;
            (cluster, read)
        });
        let reads: Vec<_> = stream::iter(reads).buffered(AT_ONCE).collect().await;
        ctx.deadline.check()?;
        let (mut checked, mut unread) = (Vec::new(), Vec::new());
        for (cluster, read) in reads {
            match read {
                Ok(mut one) => {
                    for report in &mut one.reports {
                        report.of_cluster(&one.cluster.name);
                    }
                    for name in &mut one.without_aws {
                        *name = format!("{name} in cluster {}", one.cluster.name);
                    }
                    checked.push(one);
                }
                Err(failure) => unread.push((format!("cluster {cluster}"), failure)),
            }
        }
        Ok((checked, unread))
    }

    /// Their names or ARNs, each once.
    async fn clusters(&self, ctx: &Context) -> Result<Vec<String>> {
        if ctx.reaches_one_cluster() {
            return Err(Failure::usage("--kubeconfig, --context and --in-cluster select only one cluster")
                .hint("omit them: podid then connects to each cluster's own endpoint"));
        }
        if !self.all_clusters {
            let mut names: Vec<String> = Vec::new();
            for name in ctx.clusters_by_flag() {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            return Ok(names);
        }
        if let Some(cluster) = ctx.clusters_by_flag().first() {
            return Err(
                Failure::usage(format!("--all-clusters conflicts with `--cluster {cluster}`")).hint("pass one of them")
            );
        }
        ctx.deadline.within("listing the clusters", crate::ports::Eks::clusters(&ctx.aws_of_many())).await
    }
}

/// The error for what could not be checked, where there is such. `found`: the verdict on the rest.
pub(super) fn judged(unread: Vec<Unread>, checked: usize, found: Result<Code>) -> Result<Code> {
    let Some(failure) = outcome(unread, checked, checked == 0, "checked") else { return found };
    match found {
        Ok(_) => Err(failure),
        Err(other) => Err(failure.because(other.to_string())),
    }
}
