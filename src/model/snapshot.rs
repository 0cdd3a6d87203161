//! Snapshot: all that `verify` looks at, read once. What could not be read says so, and is never taken for nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    access::{AccessView, Need, NodeRole, RoleDocuments},
    addon::{Addon, AddonVersion},
    agent::AgentState,
    association::{Association, AssociationSummary},
    cluster::Cluster,
    have::{Observed, ServiceAccountState},
    live::Live,
    log_line::LogLine,
    names::ServiceAccount,
    network::{NetworkDaemon, NetworkPolicy},
    pod_spec::Settings,
    role::Role,
    subject::{ObjectRef, typed},
    webhook::Webhook,
    workload::{Container, CronJob, Owner, Pod, Workload},
};

/// What is the same for every service account of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    /// DescribeCluster.
    pub cluster: Observed<Cluster>,
    /// The agent: add-on, DaemonSets, nodes.
    pub agent: Observed<AgentState>,
    /// The versions of the agent's add-on for this cluster; asked for only when the add-on has trouble.
    pub offered: Observed<Vec<AddonVersion>>,
    /// The association of the agent's own service account, which should have none.
    pub agents_own: Observed<Option<AssociationSummary>>,
    /// DaemonSets of network plugins in kube-system.
    pub network: Observed<Vec<NetworkDaemon>>,
}

/// The log lines of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLog {
    /// The pod; one of the agent's, or of the service account.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The last lines, oldest first.
    pub lines: Observed<Vec<LogLine>>,
}

/// The role and what speaks about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleView {
    /// GetRole.
    pub role: Observed<Option<Role>>,
    /// Its policies; asked for only when IAM cannot be asked to simulate.
    pub documents: Observed<RoleDocuments>,
    /// How many policies it has, inline and managed.
    pub policies: Observed<usize>,
}

/// Pods of a workload that have trouble and whose logs are read: they may be on nodes that differ.
const TROUBLED: usize = 3;

/// One service account, with all that its credentials hang on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Whose.
    pub subject: ServiceAccount,
    /// The pod or workload that was named: of its pods only those of that one were read.
    #[serde(with = "typed")]
    pub only: Option<ObjectRef>,
    /// Nobody named it: it was found among what runs, and has no association. It may have nothing to do with AWS.
    pub found: bool,
    /// When it was read.
    #[serde(skip)]
    pub now: Timestamp,
    /// The cluster.
    #[serde(skip)]
    pub cluster: Arc<ClusterView>,
    /// Its association.
    pub association: Observed<Option<Association>>,
    /// The add-on that owns the association, when one does.
    pub owner: Observed<Option<Addon>>,
    /// When it has none: all associations of the cluster.
    pub others: Observed<Vec<AssociationSummary>>,
    /// When it has none: the association of the service account of its namespace that is most like it.
    pub near: Observed<Option<Association>>,
    /// When it has none: other clusters of the region that have one for it, by name.
    pub elsewhere: Observed<Vec<String>>,
    /// When it has one: the webhooks that inject pods, as they are registered.
    pub webhooks: Observed<Vec<Webhook>>,
    /// The service account in Kubernetes.
    pub service_account: Observed<ServiceAccountState>,
    /// Its pods.
    pub pods: Observed<Vec<Pod>>,
    /// Running pods that its pods created and that run as another service account; listed only for pods that may create some.
    pub children: Observed<Vec<Pod>>,
    /// All workloads of its namespace.
    pub workloads: Observed<Vec<Workload>>,
    /// CronJobs that run as it; asked for only where nothing else uses it.
    pub cron_jobs: Observed<Vec<CronJob>>,
    /// ConfigMaps that its pods take variables from.
    pub config_maps: BTreeMap<String, Observed<Option<Settings>>>,
    /// The names of the keys of Secrets that its pods take variables from, when Secrets may be read.
    pub secrets: BTreeMap<String, Observed<Option<Vec<String>>>>,
    /// NetworkPolicies of its namespace.
    pub network_policies: Observed<Vec<NetworkPolicy>>,
    /// The association's role.
    pub role: RoleView,
    /// The association's target role, when it has one.
    pub target: RoleView,
    /// The last warning Event (reason, message) of pods whose containers should have been created long ago, by NAMESPACE/NAME.
    pub warnings: BTreeMap<String, Observed<Option<(String, String)>>>,
    /// Logs of its pods' containers, as far as they were worth reading.
    pub logs: Vec<PodLog>,
    /// Logs of the agents on the nodes of pods that have trouble.
    pub agent_logs: Vec<PodLog>,
    /// What the workload needs.
    pub needs: Vec<Need>,
    /// What came of asking for the credentials, when that was asked for.
    pub live: Option<Live>,
    /// What was asked about that.
    pub access: AccessView,
    /// The roles of the managed node groups that its pods run on, by the group's name; asked for only when a pod has trouble,
    /// or what it needs was named.
    pub node_roles: BTreeMap<String, Observed<NodeRole>>,
}

impl Snapshot {
    /// A snapshot in which nothing was read.
    pub fn unread(subject: ServiceAccount, now: Timestamp, cluster: Arc<ClusterView>) -> Self {
        Self {
            subject,
            only: None,
            found: false,
            now,
            cluster,
            association: Observed::NotRequested,
            owner: Observed::NotRequested,
            others: Observed::NotRequested,
            near: Observed::NotRequested,
            elsewhere: Observed::NotRequested,
            webhooks: Observed::NotRequested,
            service_account: Observed::NotRequested,
            pods: Observed::NotRequested,
            children: Observed::NotRequested,
            workloads: Observed::NotRequested,
            cron_jobs: Observed::NotRequested,
            config_maps: BTreeMap::new(),
            secrets: BTreeMap::new(),
            network_policies: Observed::NotRequested,
            role: RoleView::default(),
            target: RoleView::default(),
            warnings: BTreeMap::new(),
            logs: Vec::new(),
            agent_logs: Vec::new(),
            needs: Vec::new(),
            live: None,
            access: AccessView::default(),
            node_roles: BTreeMap::new(),
        }
    }

    /// Its association, when it was read and there is one.
    pub fn associated(&self) -> Option<&Association> {
        self.association.known()?.as_ref()
    }

    /// Its pods that neither ended nor are ending.
    pub fn live_pods(&self) -> Vec<&Pod> {
        self.pods.known().into_iter().flatten().filter(|pod| pod.live()).collect()
    }

    /// Whether another pod was created by one of its pods and runs as another service account.
    pub fn is_child(&self, pod: &Pod) -> bool {
        let created = |owner: &Owner| {
            let mut own = self.pods.known().into_iter().flatten();
            owner.kind == "Pod" && own.any(|parent| parent.live() && parent.name == owner.name)
        };
        pod.live()
            && pod.namespace == self.subject.namespace
            && pod.service_account != self.subject.name
            && pod.owner.as_ref().is_some_and(created)
    }

    /// Its pods that are looked at for trouble: those that live, and the newest pod of its Jobs where that failed for good.
    pub fn looked_at_pods(&self) -> Vec<&Pod> {
        let ended = |pod: &&Pod| !pod.deleting && !pod.live();
        let jobs = |pod: &&Pod| pod.owner.as_ref().is_some_and(|owner| owner.kind == "Job");
        let all = || self.pods.known().into_iter().flatten();
        let newest = all().filter(jobs).max_by_key(|pod| (pod.created_at, pod.name.as_str()));
        let failed = newest.filter(ended).filter(|pod| pod.phase == "Failed");
        self.live_pods().into_iter().chain(failed).collect()
    }

    /// The containers whose logs are worth reading: of each workload those of its newest pod, its oldest, and a few that have trouble.
    /// A pod may be ready while every call of its application is refused.
    pub fn containers_to_read(&self) -> Vec<(&Pod, &Container)> {
        let mut groups: BTreeMap<(String, String), Vec<&Pod>> = BTreeMap::new();
        for pod in self.looked_at_pods() {
            groups.entry(pod.group()).or_default().push(pod);
        }
        let mut read = Vec::new();
        for mut pods in groups.into_values() {
            pods.sort_by_key(|pod| (pod.created_at, &pod.name));
            let troubled = |pod: &Pod| pod.containers.iter().any(|container| pod.troubled(container));
            let newest_first: Vec<usize> = (0..pods.len()).rev().filter(|at| troubled(pods[*at])).collect();
            let few = newest_first.into_iter().take(TROUBLED);
            let chosen: BTreeSet<usize> = few.chain([0, pods.len() - 1]).collect();
            for pod in chosen.into_iter().map(|at| pods[at]) {
                let worth = |container: &&Container| container.running || pod.troubled(container);
                read.extend(pod.containers.iter().filter(worth).map(|container| (pod, container)));
            }
        }
        read
    }

    /// The log of a container, where it was worth reading.
    pub fn log_of(&self, pod: &Pod, container: &Container) -> Option<&PodLog> {
        let name = pod.full_name();
        self.logs.iter().find(|log| log.pod == name && log.container == container.name)
    }

    /// The container that a log is of.
    pub fn container_of(&self, log: &PodLog) -> Option<(&Pod, &Container)> {
        let pod = self.pods.known()?.iter().find(|pod| pod.full_name() == log.pod)?;
        pod.containers.iter().find(|container| container.name == log.container).map(|container| (pod, container))
    }

    /// Whether a log is of a container that fails now.
    pub fn is_failing(&self, log: &PodLog) -> bool {
        self.container_of(log).is_some_and(|(pod, container)| pod.failing(container, self.now))
    }

    /// The workloads whose template names it.
    pub fn own_workloads(&self) -> Vec<&Workload> {
        let pods = self.pods.known().map_or(&[][..], Vec::as_slice);
        let own = |workload: &&Workload| {
            workload.service_account == self.subject.name
                && self.only.as_ref().is_none_or(|object| object.concerns(workload, pods))
        };
        self.workloads.known().into_iter().flatten().filter(own).collect()
    }

    /// The role of the annotation for IRSA.
    pub fn irsa_annotation(&self) -> Option<&str> {
        match self.service_account.known()? {
            ServiceAccountState::Exists { irsa_role } => irsa_role.as_deref(),
            ServiceAccountState::Missing { .. } | ServiceAccountState::NoNamespace { .. } => None,
        }
    }

    /// The role that its pods get by IRSA, when it has no association: each pod was created with it, or there is none yet and
    /// the annotation names it.
    pub fn uses_irsa(&self) -> Option<String> {
        if self.association != Observed::Known(None) {
            return None;
        }
        let pods = self.live_pods();
        match pods.first() {
            Some(first) => pods.iter().all(|pod| pod.irsa_role().is_some()).then(|| first.irsa_role())?,
            None => self.pods.known().and(self.irsa_annotation()).map(str::to_owned),
        }
    }

    /// Nothing of it is meant to run now: it has no pod, and its workloads are scaled to zero, or there are none.
    pub fn nothing_runs(&self) -> bool {
        let none = |pods: &Vec<Pod>| !pods.iter().any(Pod::live);
        let read = self.workloads.known().is_some() && self.pods.known().is_some_and(none);
        read && self.own_workloads().iter().all(|workload| workload.replicas == 0)
    }
}
