//! What the webhook put into the pods: the credentials variables and the token, in every container that should have them.

use super::{Check, Finding, Link};
use crate::model::{have::Seen, snapshot::Snapshot, staleness, text::count, workload::Injection};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &NOT_INJECTED];

static SOUND: Check = Check {
    id: "pod-spec.sound",
    link: Link::PodSpec,
    title: "the pods have the settings of Pod Identity",
    background: "When a pod is made, EKS's webhook adds two variables and a token to each of its containers. Only new pods get them: a running pod, and a restarted container of it, stay as they are.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"],
    symptom: false,
};

static NOT_INJECTED: Check = Check {
    id: "pod-spec.not-injected",
    link: Link::PodSpec,
    title: "a pod was made after the association and was not injected",
    background: "The webhook fails open: when it does not answer in time, the pod is made without it, and nothing says so. Made anew, the pod mostly gets its settings.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/153"],
    symptom: true,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    if let Seen::Unreadable(why) = &snapshot.pods {
        return vec![SOUND.skips("the pods", why)];
    }
    let Some(association) = snapshot.associated() else { return Vec::new() };
    let pods = snapshot.live_pods();
    let lacking: Vec<_> = pods
        .iter()
        .filter(|pod| pod.injection() == Injection::No && !staleness::opted_out(pod))
        .filter(|pod| pod.created_at > association.created_at)
        .collect();
    if lacking.is_empty() {
        return vec![
            SOUND
                .ok("the pods", format!("{} injected", count(pods.len(), "pod")))
                .evidence("the pods' specs", "variables and token"),
        ];
    }
    lacking
        .into_iter()
        .map(|pod| {
            NOT_INJECTED
                .fails(
                    format!("pod {}/{}", pod.namespace, pod.name),
                    "it was made after the association and lacks its settings",
                )
                .evidence("its spec", "no AWS_CONTAINER_CREDENTIALS_FULL_URI")
                .command(format!("podid recycle {}", snapshot.subject))
        })
        .collect()
}
