//! Whether the pods that a restart brings are injected as they are meant to be: asked of one dry-run pod before the restart,
//! so that no pod with credentials is replaced by one without, and seen of the new pods after it.

use std::time::Duration;

use crate::{
    failure::{Code, Failure, Result},
    model::{
        names::ServiceAccount,
        staleness,
        text::listed,
        workload::{Injection, Pod, WorkloadRef},
    },
    ports::{Kubernetes, Probe},
    wait::{Backoff, Deadline},
};

/// Where to look when new pods of an associated service account are not injected.
pub const LOOK: &str =
    "check that the webhook exists: `kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml`";

/// Dry-run pods that are asked for before a restart is refused.
const TRIES: u32 = 3;

/// Names that are shown.
const SHOWN: usize = 5;

/// Asks whether new pods of a service account will be injected, or, with `wanted` false, will not be. Some: why that could not
/// be asked. Before a change of the association is `settled`, a pod that is not as wanted yet says nothing.
///
/// # Errors
/// Refused, before anything is restarted: they will not be as wanted, or cannot be created at all. The deadline, an interruption.
pub async fn ask(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    subject: &ServiceAccount,
    wanted: bool,
    settled: bool,
) -> Result<Option<String>> {
    let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(1));
    let mut tries = 0;
    loop {
        tries += 1;
        let refused = match deadline.within("checking whether new pods are injected", kube.probe(subject, None)).await {
            Ok(Probe::Injected) if wanted => return Ok(None),
            Ok(Probe::NotInjected | Probe::WebIdentity(_)) if !wanted => return Ok(None),
            // The caller has waited for it, or has said that it did not.
            Ok(Probe::Injected | Probe::NotInjected | Probe::WebIdentity(_)) if !settled => return Ok(None),
            Ok(Probe::Injected) => Failure::usage(format!("new pods of {subject} would still be injected"))
                .because("nothing was restarted"),
            Ok(Probe::NotInjected | Probe::WebIdentity(_)) => {
                Failure::usage(format!("new pods of {subject} would not be injected"))
                    .because("a dry-run pod was not injected, although the service account is associated")
                    .because("nothing was restarted: running pods keep their credentials")
                    .hint(LOOK)
            }
            // There, what is restarted does not come back.
            Ok(Probe::Terminating(why) | Probe::NoServiceAccount(why) | Probe::NoRoom(why)) => {
                return Err(impossible(subject).because(why));
            }
            Ok(Probe::Unprobeable(why)) => return Ok(Some(why)),
            Err(failure) if failure.code == Code::Failed => {
                Failure { causes: failure.causes, service: failure.service, ..impossible(subject) }
            }
            Err(failure) => return Err(failure),
        };
        if tries == TRIES {
            return Err(refused);
        }
        deadline.pause("checking whether new pods are injected", backoff.step()).await?;
    }
}

fn impossible(subject: &ServiceAccount) -> Failure {
    Failure::usage(format!("new pods of {subject} cannot be created: nothing was restarted"))
}

/// Looks at the pods that a finished rollout brought: with `wanted`, each has to be injected (but those that opted out); without,
/// none may be.
///
/// # Errors
/// With the names of the pods that are not so.
pub fn inspect(name: &str, id: &WorkloadRef, pods: &[Pod], wanted: bool) -> Result<()> {
    let live: Vec<&Pod> = pods.iter().filter(|pod| pod.live()).collect();
    // Where a rollout leaves older pods alone (a partition), the newest pod tells which are new.
    let newest = live.iter().max_by_key(|pod| pod.created_at).and_then(|pod| pod.revision.as_deref());
    let bad = |pod: &&&Pod| match pod.injection() {
        Injection::No => wanted && !staleness::opted_out(pod),
        Injection::Injected | Injection::Partly(_) => !wanted,
    };
    let names: Vec<&str> = live
        .iter()
        .filter(|pod| newest.is_none() || pod.revision.as_deref() == newest)
        .filter(bad)
        .map(|pod| pod.name.as_str())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let pods = listed(&names, SHOWN);
    if !wanted {
        return Err(Failure::new(Code::Difference, format!("new pods of {name} are still injected: {pods}"))
            .hint(format!("find out what injects them with `kubectl -n {} get pods -o yaml`", id.namespace)));
    }
    Err(Failure::new(Code::Difference, format!("new pods of {name} are not injected: {pods}"))
        .because("the webhook of the MutatingWebhookConfiguration `pod-identity-webhook` did not change them")
        .hint(LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{at, pod, workload},
        workload::WorkloadKind,
    };

    #[test]
    fn new_pods_are_as_they_are_meant_to_be() {
        let carts = workload(WorkloadKind::Deployment, "carts");
        let new = |name: &str, injected: bool, born: i64, revision: &str| {
            let mut pod = pod(&carts, name, injected);
            (pod.created_at, pod.revision) = (Some(at(born)), Some(revision.to_owned()));
            pod
        };
        let told = |pods: &[Pod], wanted: bool| {
            let told = inspect("deployment/carts", &carts.id, pods, wanted);
            told.err().map(|failure| failure.message)
        };
        let (old, fresh, bare) = (new("old", false, 0, "a"), new("fresh", true, 9, "b"), new("bare", false, 9, "b"));
        assert_eq!(told(&[old.clone(), fresh.clone()], true), None);
        let said = told(&[old.clone(), fresh.clone(), bare.clone()], true).unwrap();
        assert_eq!(said, "new pods of deployment/carts are not injected: bare");
        assert_eq!(told(&[old, bare.clone()], false), None);
        assert_eq!(told(&[fresh], false).unwrap(), "new pods of deployment/carts are still injected: fresh");
        let mut opted = bare;
        opted.labels.insert(staleness::SKIP_LABEL.to_owned(), "true".to_owned());
        assert_eq!(told(&[opted], true), None);
    }
}
