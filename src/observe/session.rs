//! A session as the pods of a service account get it: one of them that runs, a token in its name, and EKS Auth.

use secrecy::SecretString;

use crate::{
    failure::{Failure, Result},
    model::{
        have::ServiceAccountState,
        names::ServiceAccount,
        subject::ObjectRef,
        text::{self, listed},
        trust::PRINCIPAL,
        workload::Pod,
    },
    ports::{AsPod, EksAuth, Kubernetes},
};

/// Pods that an error names.
const SHOWN: usize = 4;

/// The pod in whose name credentials are asked for. One that has trouble is as good as any: they are the service account's.
pub fn chosen<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<&'a Pod> {
    pods.into_iter().filter(|pod| pod.live() && pod.phase == "Running").max_by_key(|pod| pod.ready)
}

/// A running pod of a service account: of one object only, where that is named; the one called `kept`, while it runs.
///
/// # Errors
/// None runs, or the pods cannot be read.
pub async fn running_pod(
    kube: &dyn Kubernetes,
    subject: &ServiceAccount,
    object: Option<&ObjectRef>,
    kept: Option<&str>,
) -> Result<Pod> {
    let mut pods = kube.pods(subject).await?;
    pods.retain(|pod| object.is_none_or(|object| object.runs(pod)));
    let same = pods.iter().filter(|pod| kept == Some(&pod.name));
    if let Some(pod) = chosen(same).or_else(|| chosen(&pods)) {
        return Ok(pod.clone());
    }
    if pods.is_empty()
        && object.is_none()
        && let Ok(ServiceAccountState::Missing { near } | ServiceAccountState::NoNamespace { near, .. }) =
            kube.service_account(subject).await
    {
        let failure = Failure::usage(format!("service account {subject} does not exist"));
        let near: Vec<String> = near.iter().map(ToString::to_string).collect();
        let list = || format!("list them with `kubectl get serviceaccounts -n {}`", subject.namespace);
        return Err(failure.hint(text::meant(&near).unwrap_or_else(list)));
    }
    Err(none_runs(subject, object, &pods))
}

fn none_runs(subject: &ServiceAccount, object: Option<&ObjectRef>, pods: &[Pod]) -> Failure {
    let whose = match object {
        Some(object) => format!("{object} in namespace `{}`", object.namespace),
        None => subject.to_string(),
    };
    let failure = Failure::usage(format!("no pod of {whose} is running"))
        .because("credentials are issued for the token of a pod, and only a running pod gets one");
    let state = |pod: &Pod| if pod.deleting { "Terminating".to_owned() } else { pod.phase.clone() };
    let others: Vec<String> = pods.iter().map(|pod| format!("{} ({})", pod.name, state(pod))).collect();
    let namespace = &subject.namespace;
    if others.is_empty() {
        return failure
            .hint(format!("scale up a workload that uses it: `kubectl scale KIND/NAME --replicas=1 -n {namespace}`"));
    }
    failure
        .because(format!("its pods: {}", listed(&others, SHOWN)))
        .hint(format!("see why they do not run: `kubectl describe pods -n {namespace}`"))
}

/// The session that EKS Auth gives for this pod.
///
/// # Errors
/// No token is issued, or EKS Auth refuses.
pub async fn session(
    auth: &dyn EksAuth,
    kube: &dyn Kubernetes,
    cluster: &str,
    subject: &ServiceAccount,
    pod: &Pod,
) -> Result<Box<dyn AsPod>> {
    let token: SecretString = kube.pod_token(subject, (&pod.name, &pod.uid), PRINCIPAL).await?;
    auth.as_pod(cluster, &token).await
}
