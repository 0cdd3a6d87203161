//! What is read for `recycle`: of one service account what concerns it, of several what is in their namespaces.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::{
    commands::{
        select::{self, Selected},
        subject::Named,
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        agent::AgentState,
        association::Association,
        glob::Pattern,
        have::{Observed, ServiceAccountState},
        names::ServiceAccount,
        subject::ObjectRef,
        workload::{CronJob, Pod, Workload},
    },
    observe,
    ports::Kubernetes,
};

/// A service account with what uses it.
pub(super) struct User {
    pub(super) subject: ServiceAccount,
    pub(super) association: Option<Association>,
    /// Read only for one that is named alone: for the message when nothing uses it.
    pub(super) state: Observed<ServiceAccountState>,
    pub(super) pods: Vec<Pod>,
    pub(super) workloads: Vec<Workload>,
}

/// Everything that was read.
pub(super) struct View {
    pub(super) subjects: Vec<User>,
    pub(super) agent: Observed<AgentState>,
    pub(super) cron_jobs: Observed<Vec<CronJob>>,
}

impl View {
    /// Of service accounts that were named by a pod or workload only what that one concerns: its pods, and the workload behind
    /// them with all its pods, as a restart reaches all of them. One that was named by itself too is left whole.
    pub(super) fn narrow(&mut self, named: &[Named]) {
        for user in &mut self.subjects {
            let own: Vec<&Named> = named.iter().filter(|it| it.accounts.matches(&user.subject)).collect();
            let objects: Vec<&ObjectRef> = own.iter().filter_map(|it| it.object.as_ref()).collect();
            if objects.is_empty() || objects.len() < own.len() {
                continue;
            }
            user.workloads.retain(|workload| objects.iter().any(|object| object.concerns(workload, &user.pods)));
            user.pods.retain(|pod| {
                objects.iter().any(|object| object.runs(pod))
                    || user.workloads.iter().any(|workload| workload.owns(pod))
            });
        }
    }
}

/// One service account, by name.
pub(super) async fn view_of(ctx: &Context, subject: &ServiceAccount) -> Result<View> {
    let cluster = ctx.cluster().await?;
    let (eks, kube) = (ctx.eks()?, ctx.kube().await?);
    let ((pods, workloads), agent, association, cron_jobs) = futures::try_join!(
        ctx.deadline.within("reading the workloads and pods", observe::users(kube, subject)),
        ctx.deadline.within("reading the agent", observe::agent(eks, kube, cluster)),
        ctx.deadline.within("reading the association", observe::association(eks, &cluster.name, subject)),
        ctx.deadline.within("reading the cron jobs", observe::cron_jobs(kube, Some(&subject.namespace))),
    )?;
    let (pods, workloads) = both(pods, workloads)
        .map_err(|why| unread(&format!("the workloads and pods of {subject} could not be read"), &why))?;
    // Asked only for the message that nothing uses it.
    let state = if pods.is_empty() && workloads.is_empty() {
        let read = async { observe::seen(kube.service_account(subject).await, "get serviceaccounts") };
        ctx.deadline.within("reading the service account", read).await?
    } else {
        Observed::NotRequested
    };
    let subject = User { subject: subject.clone(), association, state, pods, workloads };
    Ok(View { subjects: vec![subject], agent, cron_jobs })
}

/// What patterns stand for. Kubernetes is asked only when they stand for something.
pub(super) async fn several(ctx: &Context, patterns: &[Pattern]) -> Result<View> {
    let cluster = ctx.cluster().await?;
    let meant = select::select(ctx, patterns).await?;
    if meant.is_empty() {
        return Ok(View { subjects: Vec::new(), agent: Observed::NotRequested, cron_jobs: Observed::NotRequested });
    }
    let (eks, kube) = (ctx.eks()?, ctx.kube().await?);
    let places = observe::names::places(meant.iter().map(|m| m.subject.namespace.as_str()).collect());
    let (associations, agent, (pods, workloads, cron_jobs)) = futures::try_join!(
        ctx.deadline.within("reading the associations", described(ctx, &meant)),
        ctx.deadline.within("reading the agent", observe::agent(eks, kube, cluster)),
        ctx.deadline.within("reading the workloads and pods", within(kube, &places)),
    )?;
    let subjects = meant.into_iter().zip(associations).map(|(Selected { subject, .. }, association)| {
        let pods = pods.iter().filter(|p| p.namespace == subject.namespace && p.service_account == subject.name);
        let workloads =
            workloads.iter().filter(|w| w.id.namespace == subject.namespace && w.service_account == subject.name);
        User {
            association,
            state: Observed::NotRequested,
            pods: pods.cloned().collect(),
            workloads: workloads.cloned().collect(),
            subject,
        }
    });
    Ok(View { subjects: subjects.collect(), agent, cron_jobs })
}

async fn described(ctx: &Context, meant: &[Selected]) -> Result<Vec<Option<Association>>> {
    let (eks, cluster) = (ctx.eks()?, ctx.target()?.cluster.value.as_str());
    let reads = stream::iter(meant).map(|meant| async move {
        match &meant.association {
            Some(summary) => eks.association(cluster, &summary.association_id).await,
            None => Ok(None),
        }
    });
    reads.buffered(observe::CONCURRENCY).try_collect().await
}

async fn within(
    kube: &dyn Kubernetes,
    places: &[Option<&str>],
) -> Result<(Vec<Pod>, Vec<Workload>, Observed<Vec<CronJob>>)> {
    let reads = stream::iter(places).map(|place| async move {
        let what = place.map_or("all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
        let (pods, workloads, cron_jobs) = futures::try_join!(
            async { observe::seen(kube.all_pods(*place).await, "list pods") },
            async { observe::seen(kube.all_workloads(*place).await, KINDS) },
            observe::cron_jobs(kube, *place),
        )?;
        let (pods, mut workloads) = both(pods, workloads).map_err(|why| {
            let failure = unread(&format!("the workloads and pods of {what} could not be read"), &why);
            if place.is_none() {
                failure.hint("name single namespaces: podid then reads each of them separately")
            } else {
                failure
            }
        })?;
        workloads.extend(observe::rollouts(kube, &pods, *place).await?);
        Ok::<_, Failure>((pods, workloads, cron_jobs))
    });
    let mut all = (Vec::new(), Vec::new(), Observed::Known(Vec::new()));
    let mut reads = std::pin::pin!(reads.buffered(observe::CONCURRENCY));
    while let Some((pods, workloads, cron_jobs)) = reads.next().await.transpose()? {
        all.0.extend(pods);
        all.1.extend(workloads);
        all.2 = match (all.2, cron_jobs) {
            (Observed::Known(all), Observed::Known(more)) => Observed::Known([all, more].concat()),
            (Observed::Known(_), unread) | (unread, _) => unread,
        };
    }
    Ok(all)
}

const KINDS: &str = "list deployments, statefulsets and daemonsets";

/// Pods and workloads, or why one of them could not be read.
pub(super) fn both(
    pods: Observed<Vec<Pod>>,
    workloads: Observed<Vec<Workload>>,
) -> Result<(Vec<Pod>, Vec<Workload>), String> {
    match (pods, workloads) {
        (Observed::Known(pods), Observed::Known(workloads)) => Ok((pods, workloads)),
        (Observed::Unreadable(why), _) | (_, Observed::Unreadable(why)) => Err(why),
        _ => Err("they were not read".to_owned()),
    }
}

/// Only a missing permission leaves something unread.
pub(super) fn unread(message: &str, why: &str) -> Failure {
    Failure::new(Code::Denied, message).because(why)
}
