//! What the service accounts of a namespace share: its pods, workloads and network policies; one list of each kind for a namespace, or
//! for all where there are many.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Asked, Asking, CONCURRENCY, Listed, names};
use crate::{
    failure::Result,
    model::{
        association::AssociationSummary,
        glob::Glob,
        have::Observed,
        names::ServiceAccount,
        network::NetworkPolicy,
        snapshot::Snapshot,
        workload::{CronJob, Pod, Workload},
    },
};

impl Asking<'_> {
    /// What stands in the namespaces of these service accounts.
    pub(super) async fn namespaces(&self, subjects: impl Iterator<Item = &ServiceAccount>) -> Result<Spaces> {
        let mut by_name: BTreeMap<&String, BTreeSet<&ServiceAccount>> = BTreeMap::new();
        for subject in subjects {
            by_name.entry(&subject.namespace).or_default().insert(subject);
        }
        if by_name.len() > names::NAMESPACES
            && let Some(everywhere) = self.everywhere().await?
        {
            return Ok(Spaces::Everywhere(everywhere));
        }
        let reads = by_name.into_iter().map(|(namespace, subjects)| async move {
            let own = subjects.first().filter(|_| subjects.len() == 1).copied();
            Ok((namespace.clone(), self.space(Some(namespace), own).await?))
        });
        Ok(Spaces::Each(stream::iter(reads).buffered(CONCURRENCY).try_collect().await?))
    }

    /// Every service account of these namespaces that something runs as or that has an association, and what was read of the
    /// namespaces; `None` where they can only be read one by one: then those with an association.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub async fn find(
        &self,
        namespaces: &Glob,
        associations: Vec<AssociationSummary>,
    ) -> Result<(Vec<Asked>, Option<Spaces>)> {
        let spaces = if let Some(one) = namespaces.literal() {
            let (space, cron_jobs) = futures::try_join!(self.space(Some(one), None), self.cron_jobs_of(Some(one)))?;
            Some(Spaces::Each(BTreeMap::from([(one.to_owned(), Space { cron_jobs, ..space })])))
        } else {
            let (space, cron_jobs) = futures::try_join!(self.everywhere(), self.cron_jobs_of(None))?;
            space.map(|space| Spaces::Everywhere(Space { cron_jobs, ..space }))
        };
        let mut found: BTreeMap<ServiceAccount, Listed> = BTreeMap::new();
        for space in spaces.iter().flat_map(Spaces::all) {
            let pods = space.pods.known().into_iter().flatten().filter(|pod| !pod.deleting);
            let pods = pods.map(|pod| (&pod.namespace, &pod.service_account));
            let workloads = space.workloads.known().into_iter().flatten();
            let workloads = workloads.map(|workload| (&workload.id.namespace, &workload.service_account));
            let cron_jobs = space.cron_jobs.known().into_iter().flatten();
            let cron_jobs = cron_jobs.map(|job| (&job.namespace, &job.service_account));
            let all = pods.chain(workloads).chain(cron_jobs);
            for (namespace, name) in all.filter(|(namespace, _)| namespaces.matches(namespace)) {
                let subject = ServiceAccount { namespace: namespace.clone(), name: name.clone() };
                found.entry(subject).or_insert(Listed::No);
            }
        }
        for association in associations.into_iter().filter(|it| namespaces.matches(&it.subject.namespace)) {
            found.insert(association.subject.clone(), Listed::Yes(association));
        }
        let asked = found.into_iter().map(|(subject, listed)| Asked { subject, listed, only: None });
        Ok((asked.collect(), spaces))
    }

    /// All namespaces by one list of each kind; `None` where one of them is refused: in single namespaces it may be allowed.
    async fn everywhere(&self) -> Result<Option<Space>> {
        let all = self.space(None, None).await?;
        let refused = matches!(all.pods, Observed::Unreadable(_))
            || matches!(all.workloads, Observed::Unreadable(_))
            || matches!(all.policies, Observed::Unreadable(_));
        Ok((!refused || self.kube.is_err()).then_some(all))
    }

    /// A namespace (`None`: all); of the pods only those of one service account where only that is looked at.
    async fn space(&self, namespace: Option<&str>, own: Option<&ServiceAccount>) -> Result<Space> {
        let pods = self.kube("list pods", |kube| async move {
            match own {
                Some(one) => kube.pods(one).await,
                None => kube.all_pods(namespace).await,
            }
        });
        let kinds = "list deployments, statefulsets and daemonsets";
        let workloads = self.kube(kinds, |kube| kube.all_workloads(namespace));
        let policies = self.kube("list networkpolicies", |kube| kube.network_policies(namespace));
        let (pods, workloads, policies) = futures::try_join!(pods, workloads, policies)?;
        Ok(Space { pods, whole: own.is_none(), workloads, policies, cron_jobs: Observed::NotRequested })
    }

    /// The CronJobs of a namespace (`None`: of all).
    async fn cron_jobs_of(&self, namespace: Option<&str>) -> Result<Observed<Vec<CronJob>>> {
        self.kube("list cronjobs", |kube| kube.cron_jobs(namespace)).await
    }

    /// The pods of other service accounts that the pods of this one created. What a Deployment, StatefulSet or DaemonSet runs
    /// leaves that to an operator; drivers and runners, which do it themselves, are bare, of a Job, or of an operator.
    pub(super) async fn children(&self, it: &Snapshot) -> Result<Observed<Vec<Pod>>> {
        let serves = |kind: &str| matches!(kind, "ReplicaSet" | "StatefulSet" | "DaemonSet");
        let creates = |pod: &&Pod| !pod.owner.as_ref().is_some_and(|owner| serves(&owner.kind));
        if it.children != Observed::NotRequested || !it.live_pods().iter().any(creates) {
            return Ok(it.children.clone());
        }
        let all = self.kube("list pods", |kube| kube.all_pods(Some(&it.subject.namespace))).await?;
        Ok(some(&all, |pod| it.is_child(pod)))
    }

    /// The CronJobs that run as each of these service accounts; asked for only where neither a pod nor a workload does, and none
    /// were read yet.
    pub(super) async fn cron_jobs(&self, snapshots: &[Snapshot]) -> Result<Vec<Observed<Vec<CronJob>>>> {
        let unused = |it: &Snapshot| {
            let read = it.pods.known().is_some() && it.workloads.known().is_some();
            it.cron_jobs == Observed::NotRequested && read && it.own_workloads().is_empty() && it.live_pods().is_empty()
        };
        let of = |it: &Snapshot| it.subject.namespace.clone();
        let namespaces: BTreeSet<String> = snapshots.iter().filter(|it| unused(it)).map(of).collect();
        let everywhere = if namespaces.len() > names::NAMESPACES {
            let all = self.cron_jobs_of(None).await?;
            // In single namespaces it may be allowed.
            Some(all).filter(|all| all.known().is_some())
        } else {
            None
        };
        let places = if everywhere.is_some() { BTreeSet::new() } else { namespaces };
        let reads = places.into_iter().map(|namespace| async move {
            let read = self.cron_jobs_of(Some(&namespace)).await?;
            Ok((namespace, read))
        });
        let each: BTreeMap<String, Observed<Vec<CronJob>>> =
            stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        let own = |it: &Snapshot| {
            let ServiceAccount { namespace, name } = &it.subject;
            let listed = everywhere.as_ref().or_else(|| each.get(namespace)).filter(|_| unused(it));
            listed.map(|all| some(all, |job| job.namespace == *namespace && job.service_account == *name))
        };
        Ok(snapshots.iter().map(|it| own(it).unwrap_or_else(|| it.cron_jobs.clone())).collect())
    }
}

/// What service accounts share: that of their namespace, or of all.
pub enum Spaces {
    /// By its name.
    Each(BTreeMap<String, Space>),
    /// All in one.
    Everywhere(Space),
}

impl Spaces {
    fn all(&self) -> Vec<&Space> {
        match self {
            Self::Each(spaces) => spaces.values().collect(),
            Self::Everywhere(space) => vec![space],
        }
    }

    /// Why what runs in them could not be read.
    pub fn unread(&self) -> Option<&str> {
        self.all().into_iter().find_map(|space| space.pods.unreadable().or(space.workloads.unreadable()))
    }

    /// Why the CronJobs in them could not be read.
    pub fn cron_jobs_unread(&self) -> Option<&str> {
        self.all().into_iter().find_map(|space| space.cron_jobs.unreadable())
    }

    /// Gives a snapshot what is of its service account, or of its namespace.
    pub(super) fn put(&self, it: &mut Snapshot) {
        let space = match self {
            Self::Each(spaces) => spaces.get(&it.subject.namespace),
            Self::Everywhere(space) => Some(space),
        };
        let Some(space) = space else { return };
        let ServiceAccount { namespace, name } = &it.subject;
        let only = it.only.as_ref();
        it.pods = some(&space.pods, |pod| {
            pod.namespace == *namespace && pod.service_account == *name && only.is_none_or(|object| object.runs(pod))
        });
        if space.whole {
            it.children = some(&space.pods, |pod| it.is_child(pod));
        }
        // The others of the namespace tell what may have been meant instead of one that was named.
        it.workloads = some(&space.workloads, |workload| {
            workload.id.namespace == *namespace && (!it.found || workload.service_account == *name)
        });
        it.cron_jobs = some(&space.cron_jobs, |job| job.namespace == *namespace && job.service_account == *name);
        it.network_policies = some(&space.policies, |policy| policy.namespace == *namespace);
    }
}

/// A namespace, or all of them.
pub struct Space {
    pods: Observed<Vec<Pod>>,
    /// The pods are those of every service account.
    whole: bool,
    workloads: Observed<Vec<Workload>>,
    policies: Observed<Vec<NetworkPolicy>>,
    /// Read only where everything that runs in it is looked for.
    cron_jobs: Observed<Vec<CronJob>>,
}

/// Those of a list that was read of which something holds.
pub(super) fn some<T: Clone>(read: &Observed<Vec<T>>, of_it: impl Fn(&T) -> bool) -> Observed<Vec<T>> {
    read.map(|all| all.iter().filter(|one| of_it(one)).cloned().collect())
}
