//! Reads what an audit compares with the associations: what is in Kubernetes, and the roles of the account that trust Pod Identity
//! with those who use them.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;

use super::{seen_or_why as seen, users::Search};
use crate::{
    failure::Result,
    model::{
        addon::{AGENT, Versions, default_version},
        arn::Arn,
        association::Association,
        cluster::Cluster,
        document::Document,
        have::Observed,
        map::{self, Runners},
        names::ServiceAccount,
        ownership,
        role::RoleContents,
        role_users::AccountRoles,
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
    /// The roles that annotations of IRSA name.
    pub annotated: Observed<BTreeMap<ServiceAccount, String>>,
    /// What runs as each service account: pods, workloads and CronJobs.
    pub runners: Observed<Runners>,
    /// Argo Rollouts by the service accounts of their templates.
    pub by_rollouts: Observed<Runners>,
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
    let by_pod =
        |all: &Vec<Pod>| by_account(all.iter().map(|pod| (&pod.namespace, &pod.service_account, pod.runner())));
    let by_workload = |all: &Vec<Workload>| {
        by_account(all.iter().map(|it| (&it.id.namespace, &it.service_account, it.id.to_string())))
    };
    let by_job = |all: &Vec<CronJob>| {
        by_account(all.iter().map(|job| (&job.namespace, &job.service_account, format!("cronjob/{}", job.name))))
    };
    let each = [pods.map(by_pod), workloads.map(by_workload), cron_jobs.map(by_job)];
    Ok(InKubernetes {
        namespaces: namespaces.map(|all| all.iter().cloned().collect()),
        annotated: accounts.map(|all| {
            let roles = all.iter().filter_map(|(subject, annotation)| Some((subject, annotation.as_ref()?)));
            roles.map(|(subject, annotation)| (subject.clone(), annotation.role.clone())).collect()
        }),
        accounts: accounts.map(|all| all.iter().map(|(subject, _)| subject.clone()).collect()),
        runners: together(each),
        by_rollouts: rollouts.map(by_workload),
    })
}

/// The service accounts that something runs as.
pub fn accounts_of(runners: &Observed<Runners>) -> Observed<BTreeSet<ServiceAccount>> {
    runners.map(|all| all.keys().cloned().collect())
}

fn by_account<'a>(all: impl Iterator<Item = (&'a String, &'a String, String)>) -> Runners {
    let mut found = Runners::new();
    for (namespace, name, runner) in all {
        let account = ServiceAccount { namespace: namespace.clone(), name: name.clone() };
        found.entry(account).or_default().insert(runner);
    }
    found
}

/// All of them; unread where one is.
fn together(each: [Observed<Runners>; 3]) -> Observed<Runners> {
    let mut all = Runners::new();
    for one in each {
        match one {
            Observed::Known(some) => {
                for (account, runners) in some {
                    all.entry(account).or_default().extend(runners);
                }
            }
            other => return other,
        }
    }
    all.values_mut().for_each(map::without_runs);
    Observed::Known(all)
}

/// The version of the agent add-on, and EKS's default; `None` where the agent is no add-on.
///
/// # Errors
/// When podid was interrupted, time is up, or EKS does not know the caller.
pub async fn agent_versions(eks: &dyn Eks, cluster: &Cluster) -> Result<Observed<Option<Versions>>> {
    let addon = match seen(eks.addon(&cluster.name, AGENT).await, "eks:DescribeAddon")? {
        Observed::Known(Some(addon)) => addon,
        other => return Ok(other.map(|_| None)),
    };
    let offered = seen(eks.addon_versions(AGENT, &cluster.version).await, "eks:DescribeAddonVersions")?;
    Ok(offered.map(|offered| {
        let default = default_version(offered)?.version.clone();
        Some(Versions { installed: addon.version.clone(), default })
    }))
}

/// The roles of the account that trust Pod Identity, and who uses those that no association of the clusters that were read does.
/// `cluster`: from where others are searched.
///
/// # Errors
/// When podid was interrupted, time is up, or no service knows the caller.
pub async fn trusting(
    eks: &dyn Eks,
    iam: &dyn Iam,
    cluster: &Arn,
    read: &[(&Arn, &[Association])],
) -> Result<Observed<AccountRoles>> {
    let listed = match seen(iam.roles().try_concat().await, "iam:ListRoles")? {
        Observed::Known(listed) => listed,
        Observed::Unreadable(why) => return Ok(Observed::Unreadable(why)),
        Observed::NotRequested => return Ok(Observed::NotRequested),
    };
    let tell = |_: String| {};
    let mut search = Search::new(eks, cluster, &tell);
    for (cluster, associations) in read {
        search.known(cluster, *associations);
    }
    let trusting = listed.into_iter().filter(|role| trust::trusts_pods(&role.trust));
    let roles: Vec<(Arn, Document)> = trusting.map(|role| (role.arn, role.trust)).collect();
    let left: Vec<&Document> =
        roles.iter().filter(|(arn, _)| search.reads.of(arn).is_empty()).map(|(_, trust)| trust).collect();
    if !left.is_empty() {
        search.trusted(left).await?;
    }
    Ok(Observed::Known(AccountRoles { roles, reads: search.reads }))
}

/// Also looks for the users of these roles in every cluster that their trust policies let.
///
/// # Errors
/// When podid was interrupted, time is up, or a read in the region in use failed.
pub async fn users_of(eks: &dyn Eks, cluster: &Arn, found: &mut AccountRoles, names: &BTreeSet<String>) -> Result<()> {
    let tell = |_: String| {};
    let mut search = Search::new(eks, cluster, &tell);
    search.reads = std::mem::take(&mut found.reads);
    let trusts = found.roles.iter().filter(|(arn, _)| names.contains(arn.name()));
    let read = search.trusted(trusts.map(|(_, trust)| trust)).await;
    found.reads = search.reads;
    read
}

/// A role with all that has to go before it, or why that is not known; `None` when it does not exist. What hangs on a role that podid
/// did not create for the cluster is not read: it stays.
///
/// # Errors
/// When podid was interrupted, time is up, or IAM does not know the caller.
pub async fn to_delete(iam: &dyn Iam, cluster: &Arn, name: &str) -> Result<Observed<Option<RoleContents>>> {
    let role = match seen(iam.role(name).await, "iam:GetRole")? {
        Observed::Known(Some(role)) => role,
        other => return Ok(other.map(|_| None)),
    };
    if !ownership::is_created_for(&role.tags, cluster) {
        let none = Vec::new;
        let bare = RoleContents { role, attached: none(), inline: none(), instance_profiles: none() };
        return Ok(Observed::Known(Some(bare)));
    }
    let attached = async { seen(iam.attached_policies(name).await, "iam:ListAttachedRolePolicies") };
    let inline = async { seen(iam.inline_policies(name).await, "iam:ListRolePolicies") };
    let profiles = async { seen(iam.instance_profiles(name).await, "iam:ListInstanceProfilesForRole") };
    Ok(match futures::try_join!(attached, inline, profiles)? {
        (Observed::Known(attached), Observed::Known(inline), Observed::Known(instance_profiles)) => {
            Observed::Known(Some(RoleContents { role, attached, inline, instance_profiles }))
        }
        (attached, inline, profiles) => {
            let why = [&attached, &inline, &profiles].into_iter().find_map(Observed::unreadable);
            Observed::Unreadable(why.unwrap_or("not read").to_owned())
        }
    })
}
