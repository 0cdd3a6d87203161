//! Reads the service accounts that use IRSA, with all that a move to Pod Identity hangs on: one list of each kind, and each role once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{Asking, CONCURRENCY, agent_and_network, seen, spaces::some};
use crate::{
    failure::{Code, Failure, Result},
    model::{
        addon::Addon,
        arn::Arn,
        association::{Association, AssociationFilter, AssociationSummary},
        cluster::Cluster,
        have::{Observed, ServiceAccountState},
        irsa::{Annotation, Keeper},
        migration::{Candidate, Migration},
        names::ServiceAccount,
        network::NetworkPolicy,
        snapshot::{ClusterView, RoleView, Snapshot},
        workload::{CronJob, Pod, Workload},
    },
    observe::rollouts,
    ports::Kubernetes,
};

/// Service accounts that exist, each with its IRSA annotation.
pub type Annotated = Vec<(ServiceAccount, Option<Annotation>)>;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All that a move hangs on.
    Move,
    /// Only the roles' trust policies, the associations and what runs: what a way back, and the end of IRSA, hang on.
    Trust,
}

/// What runs in the namespaces, and what will.
type Running = (Observed<Vec<Pod>>, Observed<Vec<Workload>>, Observed<Vec<CronJob>>);

impl Asking<'_> {
    /// The service accounts of these places (`None`: of all namespaces).
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn annotated(&self, kube: &dyn Kubernetes, places: &[Option<&str>]) -> Result<Annotated> {
        let lists = places.iter().map(|place| kube.all_service_accounts(*place));
        let mut all: Annotated = stream::iter(lists).buffered(CONCURRENCY).try_concat().await?;
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }

    /// What runs in these places, and the agent: what does not hang on which service accounts are annotated.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub async fn surroundings(&self, cluster: &Cluster, places: &[Option<&str>], depth: Depth) -> Result<Surroundings> {
        let view = async {
            let (Ok(kube), Depth::Move) = (&self.kube, depth) else { return Ok(ClusterView::default()) };
            let read = agent_and_network(self.eks, *kube, cluster).await;
            let (agent, network) = match seen(read, "eks:DescribeAddon and list daemonsets and nodes")? {
                Observed::Known(both) => both,
                Observed::Unreadable(why) => (Observed::Unreadable(why.clone()), Observed::Unreadable(why)),
                Observed::NotRequested => (Observed::NotRequested, Observed::NotRequested),
            };
            Ok(ClusterView { cluster: Observed::Known(cluster.clone()), agent, network, ..ClusterView::default() })
        };
        let running = async {
            let reads = places.iter().map(|place| self.running(*place));
            let each: Vec<Running> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
            let none = (Observed::Known(Vec::new()), Observed::Known(Vec::new()), Observed::Known(Vec::new()));
            Ok(each
                .into_iter()
                .fold(none, |all, one| (joined(all.0, one.0), joined(all.1, one.1), joined(all.2, one.2))))
        };
        let policies = async {
            if depth != Depth::Move {
                return Ok(Observed::NotRequested);
            }
            let reads = places.iter().map(|place| async move {
                self.kube("list networkpolicies", |kube| kube.network_policies(*place)).await
            });
            let each: Vec<Observed<Vec<NetworkPolicy>>> =
                stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
            Ok(each.into_iter().fold(Observed::Known(Vec::new()), joined))
        };
        // One namespace is filtered for by EKS; of several it gives all.
        let namespace = match places {
            [Some(one)] => Some((*one).to_owned()),
            _ => None,
        };
        let filter = AssociationFilter { namespace, service_account: None };
        let associations =
            async { seen(self.eks.associations(&cluster.name, &filter).await, "eks:ListPodIdentityAssociations") };
        let (view, (pods, workloads, cron_jobs), policies, associations) =
            futures::try_join!(view, running, policies, associations)?;
        Ok(Surroundings { view: Arc::new(view), pods, workloads, cron_jobs, policies, associations })
    }

    async fn running(&self, place: Option<&str>) -> Result<Running> {
        let pods = self.kube("list pods", |kube| kube.all_pods(place));
        let kinds = "list deployments, statefulsets and daemonsets";
        let workloads = self.kube(kinds, |kube| kube.every_workload(place));
        let cron_jobs = self.kube("list cronjobs", |kube| kube.cron_jobs(place));
        let (pods, mut workloads, cron_jobs) = futures::try_join!(pods, workloads, cron_jobs)?;
        if let (Ok(kube), Observed::Known(pods), Observed::Known(workloads)) = (&self.kube, &pods, &mut workloads) {
            workloads.extend(rollouts(*kube, pods, place).await?);
        }
        Ok((pods, workloads, cron_jobs))
    }

    /// All that the move of these service accounts hangs on.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub async fn migration(
        &self,
        cluster: &Cluster,
        around: &Surroundings,
        annotated: Vec<(ServiceAccount, Annotation)>,
        (depth, now): (Depth, Timestamp),
    ) -> Result<Migration> {
        let keeps = |(_, annotation): &(ServiceAccount, Annotation)| annotation.keeper() == Keeper::AddOn;
        let add_ons = async {
            if depth == Depth::Move && annotated.iter().any(keeps) {
                self.add_ons(&cluster.name).await
            } else {
                Ok(Observed::NotRequested)
            }
        };
        let subjects: Vec<&ServiceAccount> = annotated.iter().map(|(subject, _)| subject).collect();
        let associations = stream::iter(&subjects)
            .map(|subject| self.listed(&cluster.name, subject, &around.associations))
            .buffered(CONCURRENCY)
            .try_collect::<Vec<_>>();
        let named: BTreeSet<&String> = annotated.iter().map(|(_, annotation)| &annotation.role).collect();
        let roles = async {
            let reads = named.into_iter().map(|role| self.annotated_role(cluster, role, depth));
            stream::iter(reads).buffered(CONCURRENCY).try_collect::<BTreeMap<String, RoleView>>().await
        };
        let (add_ons, associations, roles) = futures::try_join!(add_ons, associations, roles)?;
        let mut candidates: Vec<Candidate> = annotated
            .into_iter()
            .zip(associations)
            .map(|((subject, annotation), association)| {
                let snapshot = around.snapshot(subject, &annotation, association, now);
                let role = roles.get(&annotation.role).cloned().unwrap_or_default();
                Candidate { annotation, snapshot, role }
            })
            .collect();
        if depth == Depth::Trust {
            return Ok(Migration { cluster: cluster.clone(), candidates, add_ons, secrets: self.secrets });
        }
        let snapshots: Vec<Snapshot> = candidates.iter().map(|it| it.snapshot.clone()).collect();
        let settings =
            stream::iter(&snapshots).map(|it| self.settings(it)).buffered(CONCURRENCY).try_collect::<Vec<_>>().await?;
        for (candidate, settings) in candidates.iter_mut().zip(settings) {
            (candidate.snapshot.config_maps, candidate.snapshot.secrets) = settings;
        }
        Ok(Migration { cluster: cluster.clone(), candidates, add_ons, secrets: self.secrets })
    }

    /// Those of these service accounts that have an association, as if they were annotated with its role; and the others.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub async fn associated(
        &self,
        cluster: &Cluster,
        around: &Surroundings,
        subjects: Vec<ServiceAccount>,
    ) -> Result<(Vec<(ServiceAccount, Annotation)>, Vec<ServiceAccount>)> {
        let reads = stream::iter(&subjects).map(|subject| self.listed(&cluster.name, subject, &around.associations));
        let associations: Vec<Observed<Option<Association>>> = reads.buffered(CONCURRENCY).try_collect().await?;
        let (mut associated, mut others) = (Vec::new(), Vec::new());
        for (subject, association) in subjects.into_iter().zip(associations) {
            match association {
                Observed::Known(Some(it)) => {
                    let role = it.acts_as().to_owned();
                    associated.push((subject, Annotation { role, ..Annotation::default() }));
                }
                Observed::Unreadable(why) => {
                    return Err(Failure::new(Code::Denied, "the associations could not be read").because(why));
                }
                Observed::Known(None) | Observed::NotRequested => others.push(subject),
            }
        }
        Ok((associated, others))
    }

    /// The association of a service account, by the list of all.
    async fn listed(
        &self,
        cluster: &str,
        subject: &ServiceAccount,
        listed: &Observed<Vec<AssociationSummary>>,
    ) -> Result<Observed<Option<Association>>> {
        match listed {
            Observed::Known(all) => match all.iter().find(|summary| summary.subject == *subject) {
                Some(summary) => seen(
                    self.eks.association(cluster, &summary.association_id).await,
                    "eks:DescribePodIdentityAssociation",
                ),
                None => Ok(Observed::Known(None)),
            },
            Observed::Unreadable(why) => Ok(Observed::Unreadable(why.clone())),
            Observed::NotRequested => Ok(Observed::NotRequested),
        }
    }

    /// A role of an annotation with its policies; one of another account cannot be read from here.
    async fn annotated_role(&self, cluster: &Cluster, text: &str, depth: Depth) -> Result<(String, RoleView)> {
        let here = |arn: &Arn| arn.account == cluster.arn.account && arn.partition == cluster.arn.partition;
        let arn = Arn::parse_iam(text, "role", "an IAM role").ok().filter(here);
        let Some(arn) = arn else { return Ok((text.to_owned(), RoleView::default())) };
        let role = seen(self.iam.role(arn.name()).await, "iam:GetRole")?;
        let documents = match &role {
            Observed::Known(Some(role)) if depth == Depth::Move => self.policies_of(role).await?,
            _ => Observed::NotRequested,
        };
        Ok((text.to_owned(), RoleView { role, documents, policies: Observed::NotRequested }))
    }

    async fn add_ons(&self, cluster: &str) -> Result<Observed<Vec<Addon>>> {
        seen(self.eks.addons(cluster).await, "eks:ListAddons and eks:DescribeAddon")
    }
}

/// What the service accounts share.
pub struct Surroundings {
    view: Arc<ClusterView>,
    pods: Observed<Vec<Pod>>,
    workloads: Observed<Vec<Workload>>,
    cron_jobs: Observed<Vec<CronJob>>,
    policies: Observed<Vec<NetworkPolicy>>,
    associations: Observed<Vec<AssociationSummary>>,
}

impl Surroundings {
    fn snapshot(
        &self,
        subject: ServiceAccount,
        annotation: &Annotation,
        association: Observed<Option<Association>>,
        now: Timestamp,
    ) -> Snapshot {
        let mut it = Snapshot::unread(subject, now, Arc::clone(&self.view));
        let ServiceAccount { namespace, name } = it.subject.clone();
        it.association = association;
        it.service_account = Observed::Known(ServiceAccountState::Exists { irsa_role: Some(annotation.role.clone()) });
        it.pods = some(&self.pods, |pod| pod.namespace == namespace && pod.service_account == name);
        it.workloads = some(&self.workloads, |one| one.id.namespace == namespace && one.service_account == name);
        it.cron_jobs = some(&self.cron_jobs, |one| one.namespace == namespace && one.service_account == name);
        it.network_policies = some(&self.policies, |policy| policy.namespace == namespace);
        it
    }
}

/// Both lists; unread where one of them is.
fn joined<T>(one: Observed<Vec<T>>, other: Observed<Vec<T>>) -> Observed<Vec<T>> {
    match (one, other) {
        (Observed::Known(mut all), Observed::Known(more)) => {
            all.extend(more);
            Observed::Known(all)
        }
        (Observed::Unreadable(why), _) | (_, Observed::Unreadable(why)) => Observed::Unreadable(why),
        _ => Observed::NotRequested,
    }
}
