//! Reads what an audit compares with the associations: what is in Kubernetes, and the roles of the account that trust Pod Identity
//! with those who use them.

use std::collections::BTreeSet;

use futures::TryStreamExt;

use super::{seen_or_why as seen, users::Search};
use crate::{
    failure::Result,
    model::{
        arn::Arn,
        association::Association,
        have::Observed,
        names::ServiceAccount,
        role_users::Trusting,
        trust,
        workload::{CronJob, Pod, Workload},
    },
    ports::{Eks, Iam, Kubernetes},
};

/// What is in Kubernetes.
#[derive(Debug, Default)]
pub struct InKubernetes {
    /// Namespaces.
    pub namespaces: Observed<BTreeSet<String>>,
    /// Service accounts.
    pub accounts: Observed<BTreeSet<ServiceAccount>>,
    /// Service accounts that pods, workloads or CronJobs run as.
    pub used: Observed<BTreeSet<ServiceAccount>>,
    /// Service accounts of the templates of Argo Rollouts.
    pub by_rollouts: Observed<BTreeSet<ServiceAccount>>,
}

impl InKubernetes {
    /// Nothing could be read.
    pub fn unread(why: &str) -> Self {
        let why = || Observed::Unreadable(why.to_owned());
        Self { namespaces: why(), ..Self::default() }
    }
}

/// Reads it, by one list of each kind.
///
/// # Errors
/// When podid was interrupted, time is up, or the API does not know the caller.
pub async fn in_kubernetes(kube: &dyn Kubernetes) -> Result<InKubernetes> {
    let namespaces = async { seen(kube.namespaces().await, "list namespaces") };
    let accounts = async { seen(kube.all_service_accounts(None).await, "list serviceaccounts") };
    let pods = async { seen(kube.all_pods(None).await, "list pods") };
    let workloads = async { seen(kube.every_workload(None).await, "list deployments, statefulsets and daemonsets") };
    let rollouts = async { seen(kube.rollouts(None).await, "list rollouts") };
    let cron_jobs = async { seen(kube.cron_jobs(None).await, "list cronjobs") };
    let (namespaces, accounts, pods, workloads, rollouts, cron_jobs) =
        futures::try_join!(namespaces, accounts, pods, workloads, rollouts, cron_jobs)?;
    let of = |namespace: &String, name: &String| ServiceAccount { namespace: namespace.clone(), name: name.clone() };
    let by_pod = |all: &Vec<Pod>| all.iter().map(|pod| of(&pod.namespace, &pod.service_account)).collect();
    let by_workload = |all: &Vec<Workload>| all.iter().map(|it| of(&it.id.namespace, &it.service_account)).collect();
    let by_job = |all: &Vec<CronJob>| all.iter().map(|job| of(&job.namespace, &job.service_account)).collect();
    let each: [Observed<BTreeSet<ServiceAccount>>; 3] =
        [pods.map(by_pod), workloads.map(by_workload), cron_jobs.map(by_job)];
    Ok(InKubernetes {
        namespaces: namespaces.map(|all| all.iter().cloned().collect()),
        accounts: accounts.map(|all| all.iter().map(|(subject, _)| subject.clone()).collect()),
        used: together(each),
        by_rollouts: rollouts.map(by_workload),
    })
}

/// All of them; unread where one is.
fn together(each: [Observed<BTreeSet<ServiceAccount>>; 3]) -> Observed<BTreeSet<ServiceAccount>> {
    let mut all = BTreeSet::new();
    for one in each {
        match one {
            Observed::Known(some) => all.extend(some),
            other => return other,
        }
    }
    Observed::Known(all)
}

/// The roles of the account that trust Pod Identity, and who uses those that no association of the cluster does.
///
/// # Errors
/// When podid was interrupted, time is up, or no service knows the caller.
pub async fn trusting(
    eks: &dyn Eks,
    iam: &dyn Iam,
    cluster: &Arn,
    associations: &[Association],
) -> Result<Observed<Vec<Trusting>>> {
    let listed = match seen(iam.roles().try_concat().await, "iam:ListRoles")? {
        Observed::Known(listed) => listed,
        Observed::Unreadable(why) => return Ok(Observed::Unreadable(why)),
        Observed::NotRequested => return Ok(Observed::NotRequested),
    };
    let tell = |_: String| {};
    let mut search = Search::new(eks, cluster, &tell);
    search.known(cluster, associations);
    let roles: Vec<_> = listed.into_iter().filter(|role| trust::trusts_pods(&role.trust)).collect();
    let left: Vec<_> = roles.iter().filter(|role| search.reads.of(&role.arn).is_empty()).collect();
    if !left.is_empty() {
        search.trusted(left.iter().map(|role| &role.trust)).await?;
    }
    let left: BTreeSet<Arn> = left.iter().map(|role| role.arn.clone()).collect();
    let found = roles.into_iter().map(|role| {
        let unused = left.contains(&role.arn).then(|| search.usage(&role.arn, &role.trust, |_| false));
        Trusting { arn: role.arn, trust: role.trust, unused }
    });
    Ok(Observed::Known(found.collect()))
}
