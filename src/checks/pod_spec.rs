//! What the webhook put into the pods: the credentials variables and the token, in every container that should have them.

use super::{Check, Finding, FindingSubject, Follows, Link, Status, environment::Environment, restart};
use crate::model::{
    association::Association,
    have::Observed,
    pod_spec::{ContainerSpec, TOKEN, URIS, VolumeSource},
    snapshot::Snapshot,
    staleness::SKIP_LABEL,
    text::count,
    trust::PRINCIPAL,
    workload::{Injection, Pod},
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &NOT_INJECTED, &SKIP, &ALL_SKIPPED, &PRESET, &AUDIENCE, &HOST_NETWORK];

const HOW: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html";
const WEBHOOK: &str = "https://github.com/aws/amazon-eks-pod-identity-webhook";

static PASSED: Check = Check {
    id: "pod-spec.ok",
    link: Link::PodSpec,
    title: "the pods have the Pod Identity settings",
    background: "When a pod is created, EKS's webhook adds two variables and a token to each of its containers. Only new pods get them: a running pod does not change, even if its containers restart.",
    sources: &[HOW],
    follows: Follows::Nothing,
};

static NOT_INJECTED: Check = Check {
    id: "pod-spec.not-injected",
    link: Link::PodSpec,
    title: "a pod was created after the association and was not injected",
    background: "The webhook fails open: if it does not answer in time, the pod is created without the settings, and no error is reported. A recreated pod usually gets them.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/153"],
    follows: Follows::Anything,
};

static SKIP: Check = Check {
    id: "pod-spec.skip-label",
    link: Link::PodSpec,
    title: "a label disables the webhook",
    background: "The webhook skips pods with the label eks.amazonaws.com/skip-pod-identity-webhook, whatever its value.",
    sources: &[WEBHOOK],
    follows: Follows::Nothing,
};

static ALL_SKIPPED: Check = Check {
    id: "pod-spec.all-skipped",
    link: Link::PodSpec,
    title: "an annotation excludes every container",
    background: "The annotation eks.amazonaws.com/skip-containers names containers that get no settings, such as sidecars with their own credentials. If all containers of a pod are named, none gets credentials.",
    sources: &[WEBHOOK],
    follows: Follows::Nothing,
};

static PRESET: Check = Check {
    id: "pod-spec.preset",
    link: Link::PodSpec,
    title: "the manifest sets the Pod Identity variables or volume itself",
    background: "If a container already has one of the two variables, the webhook adds neither; if there is a volume or mount with the token's name, it adds none. The values of the manifest are kept, and usually do not work.",
    sources: &[WEBHOOK],
    follows: Follows::Nothing,
};

static AUDIENCE: Check = Check {
    id: "pod-spec.token-audience",
    link: Link::PodSpec,
    title: "the token is for another audience",
    background: "EKS Auth accepts only tokens for the audience pods.eks.amazonaws.com. If the manifest defines a volume with the token's name for another audience, it is kept, and every token in it is rejected.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html"],
    follows: Follows::Nothing,
};

static HOST_NETWORK: Check = Check {
    id: "pod-spec.host-network",
    link: Link::PodSpec,
    title: "the pod shares the network of its node",
    background: "Pod Identity works there, but the pod can also reach the node's metadata service: an SDK that does not use the container credentials falls back to the node's role.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/139"],
    follows: Follows::Anything,
};

/// The volume and mount that the webhook adds.
const VOLUME: &str = "eks-pod-identity-token";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    match &snapshot.pods {
        Observed::Unreadable(why) => return vec![PASSED.skips("the pods", why)],
        Observed::NotRequested => return Vec::new(),
        Observed::Known(_) => {}
    }
    if let Observed::Unreadable(why) = &snapshot.association {
        return vec![PASSED.skips("the pods", format!("cannot be checked without the association: {why}"))];
    }
    let Some(association) = snapshot.associated() else {
        return vec![PASSED.skips("the pods", "pods without an association get no settings")];
    };
    let pods = snapshot.live_pods();
    if pods.is_empty() {
        return vec![without_pods(snapshot)];
    }
    let mut found: Vec<Finding> = Vec::new();
    let (mut sound, mut early) = (0, 0);
    for pod in &pods {
        match judged(snapshot, pod, association) {
            Judged::Sound(warning) => {
                sound += 1;
                found.extend(warning);
            }
            Judged::Early => early += 1,
            Judged::Broken(finding) => found.push(finding),
        }
    }
    // One finding for each thing that is wrong: the pods of a workload are alike.
    found.dedup_by(|a, b| {
        let same = a.check == b.check && a.message == b.message && a.status == b.status;
        if same {
            b.evidence.push(super::Evidence { source: a.subject.clone(), text: "the same".to_owned() });
        }
        same
    });
    if sound > 0 {
        found.insert(
            0,
            PASSED
                .ok("the pods", format!("{} injected", count(sound, "pod")))
                .evidence("the pods' specs", "variables, mount and token"),
        );
    } else if early > 0 && found.is_empty() {
        found.push(PASSED.skips("the pods", format!("{} created before the association", count(early, "pod"))));
    }
    found
}

/// There is no pod. That is as it should be where nothing is meant to run.
fn without_pods(snapshot: &Snapshot) -> Finding {
    if !snapshot.nothing_runs() {
        return PASSED.cannot_tell("the pods", "no running pods to check");
    }
    let zero: Vec<String> = snapshot.own_workloads().iter().map(|it| format!("{} has 0 replicas", it.id)).collect();
    let why = if zero.is_empty() { String::new() } else { format!(": {}", zero.join(", ")) };
    PASSED.skips("the pods", format!("no pod is running{why}"))
}

enum Judged {
    Sound(Option<Finding>),
    /// `restart` reports it.
    Early,
    Broken(Finding),
}

fn judged(snapshot: &Snapshot, pod: &Pod, association: &Association) -> Judged {
    let name = FindingSubject::pod(&pod.full_name());
    if pod.labels.contains_key(SKIP_LABEL) {
        let finding = SKIP.fails(name, "its label disables the webhook").evidence("its labels", SKIP_LABEL);
        return Judged::Broken(finding.change(format!("remove the label {SKIP_LABEL} from the pod template")));
    }
    if !pod.containers.is_empty() && pod.containers.iter().filter(|c| !c.init).all(|c| c.skipped) {
        let said = pod.spec.annotations.get("eks.amazonaws.com/skip-containers").cloned().unwrap_or_default();
        let finding = ALL_SKIPPED.fails(name, "its annotation excludes every container");
        return Judged::Broken(
            finding
                .evidence("its annotation eks.amazonaws.com/skip-containers", said)
                .change("remove the containers that need credentials from the annotation in the pod template"),
        );
    }
    if let Some(finding) = left_out(snapshot, pod, &name) {
        return Judged::Broken(finding);
    }
    if let Some(finding) = preset(snapshot, pod, &name) {
        return Judged::Broken(finding);
    }
    if restart::too_early(pod, association).is_some() {
        return Judged::Early;
    }
    let lacking = match pod.injection() {
        Injection::Injected => return Judged::Sound(host_network(pod, &name)),
        Injection::No => "it was created after the association, but has none of its settings".to_owned(),
        // A container that another webhook adds later may well not need any.
        Injection::Partly(containers) if pod.ready => {
            let lacking = format!("these containers have no Pod Identity settings: {}", containers.join(", "));
            let finding = NOT_INJECTED.warns(name, lacking).evidence("its spec", "the other containers have them");
            return Judged::Sound(Some(
                finding
                    .change("if they call AWS, recreate the pod; containers from another webhook must be added first"),
            ));
        }
        Injection::Partly(containers) => {
            format!(
                "it was created after the association, but these containers lack its settings: {}",
                containers.join(", ")
            )
        }
    };
    let finding = NOT_INJECTED.fails(name, lacking).evidence("its spec", format!("no {FULL_URI}"));
    Judged::Broken(
        restart::restarted(finding, snapshot, &[pod])
            .change("if new pods lack it too, check the MutatingWebhookConfiguration pod-identity-webhook"),
    )
}

fn host_network(pod: &Pod, name: &FindingSubject) -> Option<Finding> {
    pod.spec.host_network.then(|| {
        HOST_NETWORK
            .warns(name, "it shares the network of its node, and can reach the node's role")
            .evidence("its spec", "hostNetwork: true")
    })
}

/// The annotation leaves out the pod's first container, which fails. A sidecar may well have credentials of its own.
fn left_out(snapshot: &Snapshot, pod: &Pod, name: &FindingSubject) -> Option<Finding> {
    let first = pod.containers.iter().find(|container| !container.init)?;
    if !first.skipped || !pod.failing(first, snapshot.now) {
        return None;
    }
    let said = pod.spec.annotations.get("eks.amazonaws.com/skip-containers").cloned().unwrap_or_default();
    Some(
        ALL_SKIPPED
            .fails(name, format!("its annotation excludes container {}, which is failing", first.name))
            .evidence("its annotation eks.amazonaws.com/skip-containers", said)
            .change(format!("remove {} from the annotation in the pod template", first.name)),
    )
}

/// What the manifest brings itself in place of what the webhook would add.
fn preset(snapshot: &Snapshot, pod: &Pod, name: &FindingSubject) -> Option<Finding> {
    for volume in pod.spec.volumes.iter().filter(|volume| volume.name == VOLUME) {
        match &volume.source {
            VolumeSource::Tokens(tokens) if tokens.iter().all(|token| token.audience != PRINCIPAL) => {
                let audience = tokens.first().map_or("", |token| token.audience.as_str());
                let shown = if audience.is_empty() { "the API server's own" } else { audience };
                return Some(
                    AUDIENCE
                        .fails(
                            name,
                            format!("its token is for the audience {shown}, but EKS Auth accepts only {PRINCIPAL}"),
                        )
                        .evidence(format!("its volume {VOLUME}"), format!("audience {shown}"))
                        .change(format!("remove the volume {VOLUME} from the pod template: the webhook adds its own")),
                );
            }
            VolumeSource::Tokens(tokens)
                if !tokens.iter().any(|token| token.audience == PRINCIPAL && token.path == VOLUME) =>
            {
                let path = tokens.iter().find(|token| token.audience == PRINCIPAL).map_or("", |token| &token.path);
                return Some(
                    PRESET
                        .fails(name, format!("its volume {VOLUME} has the token at {path}, and {TOKEN} does not exist"))
                        .evidence(format!("its volume {VOLUME}"), format!("path {path}"))
                        .change(format!("remove the volume {VOLUME} from the pod template: the webhook adds its own")),
                );
            }
            VolumeSource::Tokens(_) => {}
            _ => {
                return Some(
                    PRESET
                        .fails(name, format!("its manifest defines a volume {VOLUME} without a token"))
                        .evidence("its volumes", VOLUME)
                        .change("rename that volume in the pod template"),
                );
            }
        }
    }
    let skipped = |container: &&ContainerSpec| pod.containers.iter().any(|c| c.name == container.name && c.skipped);
    let mut own = pod.spec.containers.iter().filter(|container| !skipped(container));
    own.find_map(|container| preset_in(snapshot, pod, container, name))
}

/// Whether a variable's source is a ConfigMap that was read.
fn was_read(snapshot: &Snapshot, source: &str) -> bool {
    let map = source.strip_prefix("ConfigMap ").and_then(|name| snapshot.config_maps.get(name));
    map.is_some_and(|map| map.known().is_some())
}

/// What a container's manifest sets itself of the two variables and the token's mount.
fn preset_in(snapshot: &Snapshot, pod: &Pod, container: &ContainerSpec, name: &FindingSubject) -> Option<Finding> {
    let environment = Environment::of(snapshot, container);
    for (variable, wanted) in [(FULL_URI, &URIS[..]), (TOKEN_FILE, &[TOKEN][..])] {
        if !container.env.iter().any(|it| it.name == variable) {
            continue;
        }
        let (status, shown) = match environment.get(variable) {
            Some(it) if it.value.as_deref().is_some_and(|value| wanted.contains(&value)) => continue,
            Some(it) => match &it.value {
                Some(value) => (Status::Failed, value.clone()),
                // What was read and not kept is not the webhook's.
                None if was_read(snapshot, &it.source) => {
                    (Status::Failed, format!("another value, from {}", it.source))
                }
                // Nobody knows the value; that the pod is ready speaks for it.
                None if pod.ready => (Status::Warning, format!("from {}, which was not read", it.source)),
                None => (Status::Failed, format!("from {}, which was not read", it.source)),
            },
            None => (Status::Failed, "empty".to_owned()),
        };
        return Some(
            PRESET
                .finds(status, name, format!("container {} sets {variable} itself", container.name))
                .evidence(format!("container {}, env {variable}", container.name), shown)
                .change(format!("remove {FULL_URI} and {TOKEN_FILE} from the pod template: the webhook sets them")),
        );
    }
    // With the region and the kind of STS endpoint set too, the webhook leaves the container out, mount and all.
    let parent = TOKEN.strip_suffix(VOLUME).unwrap_or(TOKEN).trim_end_matches('/');
    let both = [FULL_URI, TOKEN_FILE].iter().all(|name| container.env.iter().any(|it| it.name == *name));
    let elsewhere =
        container.mounts.iter().find(|mount| mount.volume == VOLUME && mount.path.trim_end_matches('/') != parent);
    if let Some(mount) = elsewhere.filter(|_| both) {
        return Some(
            PRESET
                .fails(
                    name,
                    format!("container {} mounts {VOLUME} at another path, so it gets no token", container.name),
                )
                .evidence(format!("container {}, volume mounts", container.name), &mount.path)
                .change(format!(
                    "remove the mount {VOLUME} at {} from the pod template: the webhook adds its own",
                    mount.path
                )),
        );
    }
    if both && !container.mounts.iter().any(|mount| mount.path.trim_end_matches('/') == parent) {
        return Some(
            PRESET
                .fails(name, format!("container {} sets the variables itself, so it gets no token", container.name))
                .evidence(format!("container {}, volume mounts", container.name), format!("none at {parent}"))
                .change(format!("remove {FULL_URI} and {TOKEN_FILE} from the pod template: the webhook sets them")),
        );
    }
    // One variable of the two, with the right value, keeps the webhook from adding the other.
    let has = |name: &str| container.env.iter().any(|it| it.name == name);
    if has(FULL_URI) != has(TOKEN_FILE) {
        let one = if has(FULL_URI) { FULL_URI } else { TOKEN_FILE };
        return Some(
            PRESET
                .fails(
                    name,
                    format!("container {} sets {one} itself, so it does not get the other variable", container.name),
                )
                .evidence(format!("container {}, env", container.name), one)
                .change(format!("remove {one} from the pod template: the webhook sets both")),
        );
    }
    None
}
