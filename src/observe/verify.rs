//! Reads the snapshot that `verify` looks at: what is the same for a whole cluster once, and the rest for each service
//! account, as far as a check can use it.

mod access;
mod around;
pub mod migration;
mod policies;
mod spaces;

pub use self::spaces::Spaces;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use futures::{
    future::join_all,
    stream::{self, StreamExt, TryStreamExt},
};
use jiff::{SignedDuration, Timestamp};

use super::{CONCURRENCY, agent_and_network, association, elsewhere, names, seen_or_why as seen};
use crate::{
    failure::Result,
    model::{
        access::Need,
        addon::Addon,
        agent::AgentState,
        arn::{account, last},
        association::{Association, AssociationFilter, AssociationSummary, add_on},
        cluster::Cluster,
        have::{Observed, ServiceAccountState},
        log_line::LogLine,
        names::ServiceAccount,
        pod_spec::{EnvValue, Settings, matters},
        said,
        snapshot::{ClusterView, PodLog, RoleView, Snapshot},
        subject::ObjectRef,
        webhook::Webhook,
    },
    output::mask,
    ports::{Eks, Iam, Kubernetes, Tables, Tail},
};

/// What is asked, and of whom.
pub struct Asking<'a> {
    /// EKS.
    pub eks: &'a dyn Eks,
    /// IAM.
    pub iam: &'a dyn Iam,
    /// DynamoDB.
    pub tables: &'a dyn Tables,
    /// Kubernetes; or why it cannot be asked.
    pub kube: Result<&'a dyn Kubernetes, String>,
    /// The names of the keys of Secrets may be read.
    pub secrets: bool,
    /// What may be read of logs.
    pub logs: Option<Logs>,
    /// What the workloads need, as far as it was named.
    pub needs: Vec<Need>,
}

/// A service account that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub subject: ServiceAccount,
    /// What List told of its association already.
    pub listed: Listed,
    /// Of its pods only those of this one.
    pub only: Option<ObjectRef>,
}

/// What a list of all associations told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// There was no list.
    Unasked,
    /// It has none.
    No,
    /// It has this one.
    Yes(AssociationSummary),
}

/// Pods whose Events are read.
const STUCK: usize = 3;

/// What is read of each log.
#[derive(Debug, Clone, Copy)]
pub struct Logs {
    /// The last lines, which are looked through for known texts.
    pub lines: u32,
    /// Only lines that are no older.
    pub since: Option<SignedDuration>,
}

impl Default for Logs {
    fn default() -> Self {
        Self { lines: 100, since: None }
    }
}

/// The service account that the agent's own pods run as (the chart of eks-pod-identity-agent names none).
fn agents_own() -> AssociationFilter {
    AssociationFilter { namespace: Some("kube-system".to_owned()), service_account: Some("default".to_owned()) }
}

/// Label that EKS puts on the nodes of a managed node group.
const NODE_GROUP: &str = "eks.amazonaws.com/nodegroup";

impl Asking<'_> {
    /// A read of Kubernetes; unread where that cannot be asked.
    async fn kube<'k, T, F>(
        &'k self,
        permission: &str,
        read: impl FnOnce(&'k dyn Kubernetes) -> F,
    ) -> Result<Observed<T>>
    where
        F: Future<Output = Result<T>>,
    {
        match &self.kube {
            Ok(kube) => seen(read(*kube).await, permission),
            Err(why) => Ok(Observed::Unreadable(why.clone())),
        }
    }

    /// What is the same for every service account of the cluster.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub async fn cluster(&self, cluster: &Cluster) -> Result<ClusterView> {
        let agent = async {
            match &self.kube {
                Ok(kube) => {
                    let read = agent_and_network(self.eks, *kube, cluster).await;
                    let (mut state, network) = match seen(read, "eks:DescribeAddon and list daemonsets and nodes")? {
                        Observed::Known(both) => both,
                        Observed::Unreadable(why) => (Observed::Unreadable(why.clone()), Observed::Unreadable(why)),
                        Observed::NotRequested => (Observed::NotRequested, Observed::NotRequested),
                    };
                    if let (Observed::Known(state), true) = (&mut state, self.logs.is_some()) {
                        super::crash_logs(*kube, state).await;
                    }
                    Ok((state, network))
                }
                Err(why) => Ok((Observed::Unreadable(why.clone()), Observed::Unreadable(why.clone()))),
            }
        };
        let own = agents_own();
        let own = async {
            let read = seen(self.eks.associations(&cluster.name, &own).await, "eks:ListPodIdentityAssociations")?;
            Ok(read.map(|found| found.first().cloned()))
        };
        let ((agent, network), agents_own) = futures::try_join!(agent, own)?;
        // Which versions there are matters only where the one installed has trouble.
        let addon = agent.known().and_then(|state| state.addon.as_ref());
        let offered = match addon.filter(|addon| addon.status != "ACTIVE" || !addon.issues.is_empty()) {
            Some(addon) => {
                seen(self.eks.addon_versions(&addon.name, &cluster.version).await, "eks:DescribeAddonVersions")?
            }
            None => Observed::NotRequested,
        };
        Ok(ClusterView { cluster: Observed::Known(cluster.clone()), agent, offered, agents_own, network })
    }

    /// The roles of the managed node groups of these nodes.
    ///
    /// # Errors
    /// As [`cluster`](Self::cluster).
    pub async fn node_roles(
        &self,
        cluster: &str,
        agent: &AgentState,
        nodes: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Observed<String>>> {
        let used = agent.nodes.iter().filter(|node| nodes.contains(&node.name));
        let groups: BTreeSet<&String> = used.filter_map(|node| node.labels.get(NODE_GROUP)).collect();
        let reads = groups.into_iter().map(|group| async move {
            Ok(match seen(self.eks.node_role(cluster, group).await, "eks:DescribeNodegroup")? {
                Observed::Known(Some(role)) => (group.clone(), Observed::Known(role)),
                Observed::Known(None) => (group.clone(), Observed::Unreadable("the node group was deleted".to_owned())),
                Observed::Unreadable(why) => (group.clone(), Observed::Unreadable(why)),
                Observed::NotRequested => (group.clone(), Observed::NotRequested),
            })
        });
        stream::iter(reads).buffered(CONCURRENCY).try_collect().await
    }

    /// Service accounts. What several of them share (a namespace, a role) is read once.
    ///
    /// # Errors
    /// As [`cluster`](Self::cluster).
    pub async fn snapshots(
        &self,
        subjects: &[Asked],
        spaces: Option<Spaces>,
        view: &Arc<ClusterView>,
        now: Timestamp,
    ) -> Result<Vec<Snapshot>> {
        let cluster = view.cluster.known().map_or_else(String::new, |cluster| cluster.name.clone());
        let associations = stream::iter(subjects)
            .map(|asked| self.association(&cluster, asked))
            .buffered(CONCURRENCY)
            .try_collect::<Vec<_>>();
        let accounts = self.service_accounts(subjects.iter().map(|asked| &asked.subject).collect());
        let spaces = async {
            match spaces {
                Some(spaces) => Ok(spaces),
                None => self.namespaces(subjects.iter().map(|asked| &asked.subject)).await,
            }
        };
        let (associations, accounts, spaces) = futures::try_join!(associations, accounts, spaces)?;
        let mut snapshots = Vec::new();
        for (asked, association) in subjects.iter().zip(associations) {
            let mut it = Snapshot::unread(asked.subject.clone(), now, Arc::clone(view));
            it.only.clone_from(&asked.only);
            it.found = asked.listed == Listed::No;
            it.association = association;
            it.service_account = accounts.get(&asked.subject).cloned().unwrap_or_default();
            spaces.put(&mut it);
            snapshots.push(it);
        }
        let (roles, cron_jobs, webhooks) =
            futures::try_join!(self.roles(&snapshots), self.cron_jobs(&snapshots), self.webhooks(&snapshots))?;
        let more = stream::iter(&snapshots)
            .map(|it| async {
                futures::try_join!(
                    self.settings(it),
                    self.logs(it),
                    self.warnings(it),
                    self.agent_logs(it),
                    self.around(it, &cluster),
                    self.owner(it, &cluster),
                    self.children(it)
                )
            })
            .buffered(CONCURRENCY)
            .try_collect::<Vec<_>>()
            .await?;
        for ((it, (settings, logs, warnings, agent_logs, around, owner, children)), cron_jobs) in
            snapshots.iter_mut().zip(more).zip(cron_jobs)
        {
            (it.config_maps, it.secrets) = settings;
            (it.logs, it.warnings, it.agent_logs) = (logs, warnings, agent_logs);
            (it.others, it.elsewhere, it.near) = around;
            (it.owner, it.children) = (owner, children);
            it.cron_jobs = cron_jobs;
            if let Some(association) = it.associated().cloned() {
                it.webhooks.clone_from(&webhooks);
                let read = |arn: &String| roles.get(arn).cloned();
                it.role = read(&association.role_arn).unwrap_or_default();
                it.target = association.target_role_arn.as_ref().and_then(read).unwrap_or_default();
            }
        }
        self.access(&mut snapshots).await?;
        Ok(snapshots)
    }

    async fn association(&self, cluster: &str, asked: &Asked) -> Result<Observed<Option<Association>>> {
        match &asked.listed {
            Listed::No => Ok(Observed::Known(None)),
            Listed::Unasked => seen(
                association(self.eks, cluster, &asked.subject).await,
                "eks:ListPodIdentityAssociations and eks:DescribePodIdentityAssociation",
            ),
            Listed::Yes(listed) => {
                let read = self.eks.association(cluster, &listed.association_id).await;
                seen(read, "eks:DescribePodIdentityAssociation")
            }
        }
    }

    async fn service_accounts(
        &self,
        subjects: BTreeSet<&ServiceAccount>,
    ) -> Result<BTreeMap<ServiceAccount, Observed<ServiceAccountState>>> {
        let why = match &self.kube {
            Ok(kube) => match seen(names::service_accounts(*kube, &subjects).await, "get and list serviceaccounts")? {
                Observed::Known(states) => return Ok(states),
                Observed::Unreadable(why) => why,
                Observed::NotRequested => return Ok(BTreeMap::new()),
            },
            Err(why) => why.clone(),
        };
        Ok(subjects.into_iter().map(|it| (it.clone(), Observed::Unreadable(why.clone()))).collect())
    }

    /// The roles and target roles of the snapshots, by ARN. One of another account cannot be read from here. The policies are
    /// read of those that go on to a target role.
    async fn roles(&self, snapshots: &[Snapshot]) -> Result<BTreeMap<String, RoleView>> {
        let associations = snapshots.iter().filter_map(Snapshot::associated);
        let on: BTreeSet<&String> = associations
            .clone()
            .filter(|association| association.target_role_arn.is_some())
            .map(|association| &association.role_arn)
            .collect();
        let on = &on;
        let wanted: BTreeSet<&String> =
            associations.flat_map(|it| std::iter::once(&it.role_arn).chain(&it.target_role_arn)).collect();
        let home = snapshots.first().and_then(|it| it.cluster.cluster.known()).map(|cluster| &cluster.arn.account);
        let reads = wanted.into_iter().map(|arn| async move {
            let account = account(arn).unwrap_or_default();
            let role = if home.is_some_and(|home| home == account) {
                seen(self.iam.role(last(arn)).await, "iam:GetRole")?
            } else {
                elsewhere(account)
            };
            let documents = match &role {
                Observed::Known(Some(role)) if on.contains(arn) => self.policies_of(role).await?,
                _ => Observed::NotRequested,
            };
            let policies = match (&role, &documents) {
                (_, Observed::Known(documents)) => Observed::Known(documents.identity.len()),
                (Observed::Known(Some(role)), Observed::NotRequested) => self.count_policies(&role.name).await?,
                _ => Observed::NotRequested,
            };
            Ok((arn.clone(), RoleView { role, documents, policies }))
        });
        stream::iter(reads).buffered(CONCURRENCY).try_collect().await
    }

    /// How the webhook that injects pods is registered, where an association wants some injected.
    async fn webhooks(&self, snapshots: &[Snapshot]) -> Result<Observed<Vec<Webhook>>> {
        if snapshots.iter().any(|it| it.associated().is_some()) {
            self.kube("list mutatingwebhookconfigurations", Kubernetes::webhooks).await
        } else {
            Ok(Observed::NotRequested)
        }
    }

    /// The ConfigMaps, and where allowed the Secrets, that the pods take variables from.
    async fn settings(&self, it: &Snapshot) -> Result<SettingsRead> {
        let (mut maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
        for pod in it.live_pods() {
            for container in &pod.spec.containers {
                for from in &container.env_from {
                    if from.secret { &mut secrets } else { &mut maps }.insert(from.name.clone());
                }
                for variable in container.env.iter().filter(|variable| matters(&variable.name)) {
                    match &variable.value {
                        EnvValue::ConfigMap(key) => maps.insert(key.name.clone()),
                        EnvValue::Secret(key) => secrets.insert(key.name.clone()),
                        EnvValue::Text(_) | EnvValue::Elsewhere => false,
                    };
                }
            }
        }
        let namespace = it.subject.namespace.as_str();
        let maps = maps.into_iter().map(|name| async move {
            let read = self.kube("get configmaps", |kube| kube.config_map(namespace, &name)).await?;
            Ok((name, read))
        });
        let secrets = secrets.into_iter().map(|name| async move {
            let read = if self.secrets {
                self.kube("get secrets", |kube| kube.secret_keys(namespace, &name)).await?
            } else {
                Observed::NotRequested
            };
            Ok((name, read))
        });
        futures::try_join!(
            stream::iter(maps).buffered(CONCURRENCY).try_collect(),
            stream::iter(secrets).buffered(CONCURRENCY).try_collect()
        )
    }

    /// The logs of the containers that are worth reading. Of one that has no trouble, nothing is kept that says nothing.
    ///
    /// # Errors
    /// Never for want of a permission: that is said in place of the log.
    pub async fn logs(&self, it: &Snapshot) -> Result<Vec<PodLog>> {
        if self.logs.is_none() {
            return Ok(Vec::new());
        }
        let reads: Vec<_> = it
            .containers_to_read()
            .into_iter()
            .map(|(pod, container)| async move {
                let previous = !container.running && container.terminated.is_some() && container.restarts > 0;
                let mut log = self.log(&pod.namespace, &pod.name, &container.name, previous).await;
                if !pod.troubled(container)
                    && let Observed::Known(lines) = &mut log.lines
                    && said::last(lines, it.now).is_none()
                {
                    lines.clear();
                }
                log
            })
            .collect();
        Ok(stream::iter(reads).buffered(CONCURRENCY).collect().await)
    }

    /// Why pods are still being created that should run for minutes: of a few, as those of a workload are alike.
    async fn warnings(&self, it: &Snapshot) -> Result<Warnings> {
        let pods = it.live_pods().into_iter();
        let stuck = pods.filter(|pod| pod.containers.iter().any(|container| pod.stuck(container, it.now)));
        let reads = stuck.take(STUCK).map(|pod| async move {
            let read = |kube| async move { Kubernetes::warning(kube, &pod.namespace, &pod.uid).await };
            Ok((pod.full_name(), self.kube("list events", read).await?))
        });
        stream::iter(reads).buffered(CONCURRENCY).try_collect().await
    }

    /// The logs of the agents on the nodes of pods that have trouble, and of agents there that crash.
    async fn agent_logs(&self, it: &Snapshot) -> Result<Vec<PodLog>> {
        let (Some(_), Some(agent)) = (self.logs, it.cluster.agent.known()) else { return Ok(Vec::new()) };
        let pods = it.live_pods();
        let troubled = pods.iter().filter(|pod| pod.containers.iter().any(|c| pod.troubled(c)));
        let nodes: BTreeSet<&String> = troubled.filter_map(|pod| pod.node.as_ref()).collect();
        let reads =
            nodes.into_iter().filter_map(|node| agent.log_of(node)).map(
                |(namespace, pod, container, previous)| async move {
                    self.log(&namespace, &pod, &container, previous).await
                },
            );
        Ok(join_all(reads).await)
    }

    /// The last lines of a container's log; of the run before when that is the one that ended.
    async fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> PodLog {
        let Logs { lines, since } = self.logs.unwrap_or_default();
        let tail = Tail { previous, lines, since, stamped: true };
        let read =
            self.kube("get pods/log", |kube| async move { kube.log(namespace, pod, container, tail).await }).await;
        let lines = match read {
            // Masked as a whole: a private key is more than one line.
            Ok(Observed::Known(text)) => Observed::Known(LogLine::of_stamped_log(&text, mask::mask)),
            Ok(Observed::Unreadable(why)) => Observed::Unreadable(why),
            Ok(Observed::NotRequested) => Observed::NotRequested,
            Err(failure) => Observed::Unreadable(failure.to_string()),
        };
        PodLog { pod: format!("{namespace}/{pod}"), container: container.to_owned(), lines }
    }

    /// The add-on that owns the association.
    async fn owner(&self, it: &Snapshot, cluster: &str) -> Result<Observed<Option<Addon>>> {
        let owner = it.associated().and_then(|association| association.summary.owner_arn.as_ref());
        match owner.and_then(|arn| add_on(arn.as_str())) {
            Some(name) => seen(self.eks.addon(cluster, name).await, "eks:DescribeAddon"),
            None => Ok(Observed::NotRequested),
        }
    }
}

type Warnings = BTreeMap<String, Observed<Option<(String, String)>>>;

type SettingsRead = (BTreeMap<String, Observed<Option<Settings>>>, BTreeMap<String, Observed<Option<Vec<String>>>>);
