//! Reads the Kubernetes objects around a service account: itself, its pods and workloads; and, to find the service account of an
//! object, what its namespace holds of that kind.

use super::{forbidden, seen};
use crate::{
    failure::Result,
    model::{
        have::{Observed, ServiceAccountState},
        names::ServiceAccount,
        subject::{ObjectKind, ObjectRef, Objects},
        workload::{CronJob, Pod, Workload, WorkloadKind},
    },
    ports::Kubernetes,
};

/// One list.
///
/// # Errors
/// The API's.
pub async fn objects(kube: &dyn Kubernetes, kind: ObjectKind, namespace: &str) -> Result<Objects> {
    let (mut space, namespace) = (Objects::default(), Some(namespace));
    match kind {
        ObjectKind::Pod | ObjectKind::ReplicaSet | ObjectKind::Job => space.pods = kube.all_pods(namespace).await?,
        ObjectKind::CronJob => space.cron_jobs = kube.cron_jobs(namespace).await?,
        ObjectKind::Workload(WorkloadKind::Rollout) => {
            let (pods, found) = futures::try_join!(kube.all_pods(namespace), kube.rollouts(namespace))?;
            space.workloads = with_accounts(found, &pods);
        }
        ObjectKind::Workload(_) => space.workloads = kube.all_workloads(namespace).await?,
    }
    Ok(space)
}

/// The Kubernetes side of one service account.
#[derive(Debug, Clone, Default)]
pub struct SubjectView {
    /// The service account.
    pub service_account: Observed<ServiceAccountState>,
    /// Its pods.
    pub pods: Observed<Vec<Pod>>,
    /// Workloads whose template names it.
    pub workloads: Observed<Vec<Workload>>,
}

impl SubjectView {
    /// Leaves only what concerns a pod or workload.
    pub fn narrow(&mut self, object: &ObjectRef) {
        if let (Observed::Known(workloads), Observed::Known(pods)) = (&mut self.workloads, &mut self.pods) {
            object.narrow(pods, workloads);
        }
    }
}

/// Reads the service account, its pods and its workloads.
///
/// # Errors
/// When the API cannot be reached or does not know the caller; a forbidden read is unread.
pub async fn subject(kube: &dyn Kubernetes, subject: &ServiceAccount) -> Result<SubjectView> {
    // Where one of them fails, the others are not waited for.
    let service_account = async { seen(kube.service_account(subject).await, "get serviceaccounts") };
    let (service_account, (pods, workloads)) = futures::try_join!(service_account, users(kube, subject))?;
    Ok(SubjectView { service_account, pods, workloads })
}

/// Reads the pods of a service account, and the workloads whose template names it.
///
/// # Errors
/// As [`subject`].
pub async fn users(
    kube: &dyn Kubernetes,
    subject: &ServiceAccount,
) -> Result<(Observed<Vec<Pod>>, Observed<Vec<Workload>>)> {
    let (pods, workloads) = futures::try_join!(async { seen(kube.pods(subject).await, "list pods") }, async {
        seen(kube.all_workloads(Some(&subject.namespace)).await, "list deployments, statefulsets and daemonsets")
    },)?;
    let workloads = match (workloads, &pods) {
        (Observed::Known(mut all), Observed::Known(pods)) => {
            all.extend(rollouts(kube, pods, Some(&subject.namespace)).await?);
            Observed::Known(all.into_iter().filter(|w| w.service_account == subject.name).collect())
        }
        (Observed::Known(all), _) => {
            Observed::Known(all.into_iter().filter(|w| w.service_account == subject.name).collect())
        }
        (unread, _) => unread,
    };
    Ok((pods, workloads))
}

/// CronJobs of a namespace, or of all.
///
/// # Errors
/// When the read failed for another reason than a missing permission.
pub async fn cron_jobs(kube: &dyn Kubernetes, namespace: Option<&str>) -> Result<Observed<Vec<CronJob>>> {
    seen(kube.cron_jobs(namespace).await, "list cronjobs")
}

/// Argo Rollouts, asked for only where one of these pods belongs to one: no cluster without them pays for a call. Where they may
/// not be read there are none, and the plan names their pods.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn rollouts(kube: &dyn Kubernetes, pods: &[Pod], namespace: Option<&str>) -> Result<Vec<Workload>> {
    if !pods.iter().any(|pod| pod.live() && pod.argo_rollout().is_some()) {
        return Ok(Vec::new());
    }
    match kube.rollouts(namespace).await {
        Err(failure) if forbidden(&failure) => Ok(Vec::new()),
        found => Ok(with_accounts(found?, pods)),
    }
}

/// With the template of a Deployment (`spec.workloadRef`), only its pods tell whose a Rollout is.
fn with_accounts(mut found: Vec<Workload>, pods: &[Pod]) -> Vec<Workload> {
    for rollout in found.iter_mut().filter(|w| w.argo.as_ref().is_some_and(|argo| argo.template_of.is_some())) {
        if let Some(pod) = pods.iter().find(|pod| rollout.owns(pod)) {
            rollout.service_account.clone_from(&pod.service_account);
        }
    }
    found
}
