//! What the pods, their nodes and their variables say about a move to Pod Identity.

use std::collections::BTreeSet;

use super::{
    PodCounts, Stage, by_pod_identity,
    catalog::{
        AGENT, AUDIENCE, BY_HAND, NETWORK, NO_CREDENTIALS, NO_PODS, NODES, OTHER_POD_ROLE, OWN_VARIABLES, UNREAD,
        UNREAD_SECRETS, UNSUPPORTED_NODES,
    },
    restarted,
};
use crate::{
    checks::{Finding, network, nodes},
    model::{
        migration::{Candidate, Migration},
        pod_spec::{ContainerSpec, EnvValue, WEB_IDENTITY},
        text::listed,
        trust::irsa,
        workload::Pod,
    },
};

/// Names that are shown of many.
const SHOWN: usize = 4;

/// The file that the webhook of IRSA names (amazon-eks-pod-identity-webhook, README).
const TOKEN_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// The workloads of a service account, and what else its pods belong to.
pub(super) fn workloads(candidate: &Candidate) -> Option<Vec<String>> {
    let snapshot = &candidate.snapshot;
    let (pods, _) = (snapshot.pods.known()?, snapshot.workloads.known()?);
    let own = snapshot.own_workloads();
    let mut all: BTreeSet<String> = own.iter().map(|workload| workload.id.to_string()).collect();
    for pod in pods.iter().filter(|pod| pod.live() && !own.iter().any(|workload| workload.owns(pod))) {
        all.insert(pod.runner());
    }
    let jobs = snapshot.cron_jobs.known().into_iter().flatten();
    all.extend(jobs.map(|job| format!("cronjob/{}", job.name)));
    Some(all.into_iter().collect())
}

/// Its live pods, by what they use.
pub(super) fn counts(candidate: &Candidate) -> Option<PodCounts> {
    candidate.snapshot.pods.known()?;
    let live = candidate.snapshot.live_pods();
    Some(PodCounts {
        total: live.len(),
        irsa: live.iter().filter(|pod| pod.irsa_role().is_some_and(|role| role == candidate.annotation.role)).count(),
        pod_identity: live.into_iter().filter(|pod| by_pod_identity(pod)).count(),
    })
}

pub(super) fn findings(migration: &Migration, candidate: &Candidate, stage: Stage) -> Vec<Finding> {
    let snapshot = &candidate.snapshot;
    let mut found = Vec::new();
    for (what, why) in [
        ("the pods", snapshot.pods.unreadable()),
        ("the workloads", snapshot.workloads.unreadable()),
        ("the CronJobs", snapshot.cron_jobs.unreadable()),
        ("the agent and the nodes", snapshot.cluster.agent.unreadable()),
        ("the network policies", snapshot.network_policies.unreadable()),
    ] {
        found.extend(why.map(|why| UNREAD.skips(what, why)));
    }
    found.extend(agent(migration, candidate));
    if stage != Stage::PodIdentity {
        found.extend(own_variables(candidate));
        found.extend(network::in_the_way(snapshot).into_iter().map(|mut finding| {
            finding.check = &NETWORK;
            finding
        }));
        let maps = snapshot.config_maps.iter().map(|(name, read)| (format!("ConfigMap {name}"), read.unreadable()));
        let keys = snapshot.secrets.iter().map(|(name, read)| (format!("Secret {name}"), read.unreadable()));
        found.extend(maps.chain(keys).filter_map(|(what, why)| Some(UNREAD.skips(what, why?))));
        if !migration.secrets {
            found.extend(secrets(candidate));
        }
        found.extend(audience(candidate));
        found.extend(unused(candidate));
        found.extend(running(candidate));
    }
    found
}

/// What the pods that run now use, and which of them podid does not restart.
fn running(candidate: &Candidate) -> Vec<Finding> {
    let snapshot = &candidate.snapshot;
    let (subject, annotated) = (&snapshot.subject, &candidate.annotation.role);
    let live = snapshot.live_pods();
    let names = |pods: &[&Pod]| {
        let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        listed(&names, SHOWN)
    };
    let mut found = Vec::new();
    let other: Vec<&Pod> =
        live.iter().copied().filter(|pod| pod.irsa_role().is_some_and(|role| role != *annotated)).collect();
    if let Some(role) = other.first().and_then(|pod| pod.irsa_role()) {
        found.push(
            OTHER_POD_ROLE
                .warns(
                    format!("pods {}", names(&other)),
                    format!("they still run with {role}: a restart gives them {annotated}"),
                )
                .evidence("the pods' variables", format!("AWS_ROLE_ARN={role}"))
                .change("make sure that the role of the annotation allows what they do"),
        );
    }
    let neither: Vec<&Pod> =
        live.iter().copied().filter(|pod| pod.irsa_role().is_none() && !by_pod_identity(pod)).collect();
    if !neither.is_empty() {
        found.push(
            NO_CREDENTIALS
                .warns(format!("pods {}", names(&neither)), "they use neither IRSA nor Pod Identity today")
                .evidence("the pods' variables and volumes", "neither the token of IRSA nor that of Pod Identity")
                .command(format!("podid verify {subject}")),
        );
    }
    let alone: Vec<&Pod> = live
        .iter()
        .copied()
        .filter(|pod| !restarted(snapshot, pod) && pod.group().0 != "Job" && !by_pod_identity(pod))
        .collect();
    if !alone.is_empty() && snapshot.workloads.known().is_some() {
        found.push(
            BY_HAND
                .warns(format!("pods {}", names(&alone)), "`podid recycle` does not restart them")
                .evidence("their owner", place(alone[0]))
                .change("recreate them yourself, or restart them by what controls them, after the service account is associated"),
        );
    }
    found
}

/// The nodes of the pods, by the checks of `verify`.
fn agent(migration: &Migration, candidate: &Candidate) -> Vec<Finding> {
    if migration.cluster.on_outpost {
        let said = "the cluster runs on AWS Outposts, where Pod Identity does not work";
        return vec![UNSUPPORTED_NODES.fails("the cluster", said).evidence("DescribeCluster", "outpostConfig")];
    }
    let Some(state) = candidate.snapshot.cluster.agent.known() else { return Vec::new() };
    let mut found = Vec::new();
    let installed = state.installed() || state.addon_unread.is_some();
    let workloads: Vec<_> = candidate.snapshot.own_workloads().into_iter().cloned().collect();
    let pods = candidate.snapshot.pods.known().map_or(&[][..], Vec::as_slice);
    let used = state.nodes_for(pods, &workloads);
    // Nobody can tell where pods will run that are not there yet.
    let mut lacks = used.is_none() && state.needed();
    for mut finding in nodes::agents(&candidate.snapshot) {
        if finding.check.id == nodes::UNSUPPORTED.id {
            finding.check = &UNSUPPORTED_NODES;
            found.push(finding);
        } else if let (true, Some(why), true) =
            (finding.check.id == nodes::NO_AGENT.id, &state.addon_unread, state.daemon_sets.is_empty())
        {
            found.push(UNREAD.skips("the agent's add-on", why));
        } else if finding.check.id == nodes::NO_AGENT.id && installed {
            finding.check = &NODES;
            found.push(finding);
        } else if finding.check.id == nodes::NO_AGENT.id {
            lacks = true;
        }
    }
    if installed || !lacks {
        return found;
    }
    let uncovered: Vec<String> = used.into_iter().flatten().filter(|node| !state.coverable(node)).collect();
    if uncovered.is_empty() {
        found.push(
            AGENT
                .warns("the cluster", "the agent is not installed")
                .evidence("DescribeAddon and the DaemonSets", "no add-on and no DaemonSet of the agent")
                .command("podid agent install"),
        );
    } else if found.is_empty() {
        let said = format!("the add-on of the agent does not cover {} by default", listed(&uncovered, SHOWN));
        let finding = NODES.fails("the pods' nodes", said).evidence("labels of the nodes", listed(&uncovered, SHOWN));
        found.push(finding.change(
            "install the agent with its hybrid DaemonSet: `podid agent install --configuration-values '{\"daemonsets\":{\"hybrid\":{\"create\":true}}}'`",
        ));
    }
    found
}

/// Variables of a web identity that a template, a ConfigMap or a Secret sets, and not the webhook.
fn own_variables(candidate: &Candidate) -> Vec<Finding> {
    let snapshot = &candidate.snapshot;
    let mut own: BTreeSet<(String, String)> = BTreeSet::new();
    for workload in snapshot.own_workloads() {
        own.extend(workload.web_identity.iter().map(|one| (workload.id.to_string(), one.clone())));
    }
    for job in snapshot.cron_jobs.known().into_iter().flatten() {
        own.extend(job.web_identity.iter().map(|one| (format!("cronjob/{}", job.name), one.clone())));
    }
    for pod in snapshot.live_pods() {
        let templated = snapshot.own_workloads().iter().any(|workload| workload.owns(pod));
        for container in &pod.spec.containers {
            for (name, source) in own_of(candidate, container, templated) {
                own.insert((place(pod), format!("{name} of container {}{source}", container.name)));
            }
        }
    }
    let finding = |(place, what): (String, String)| {
        OWN_VARIABLES
            .fails(place, format!("sets {what}: its pods stay on IRSA, whatever the association says"))
            .evidence("the pod's spec", what)
            .change("remove AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE from the workload: the webhook sets what is needed")
    };
    own.into_iter().map(finding).collect()
}

/// The variables of a web identity of a container that the webhook did not set, each with where it comes from.
fn own_of(candidate: &Candidate, container: &ContainerSpec, templated: bool) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for name in WEB_IDENTITY {
        let written = container.env.iter().find(|variable| variable.name == name).filter(|_| !templated);
        match written.map(|variable| &variable.value) {
            Some(EnvValue::Text(Some(value))) if name == "AWS_ROLE_ARN" && *value != candidate.annotation.role => {
                found.push((name, String::new()));
            }
            // The webhook names its own file, and no other.
            Some(EnvValue::Text(Some(value))) if name == "AWS_WEB_IDENTITY_TOKEN_FILE" && value != TOKEN_FILE => {
                found.push((name, String::new()));
            }
            Some(EnvValue::ConfigMap(key)) => found.push((name, format!(" from ConfigMap {}", key.name))),
            Some(EnvValue::Secret(key)) => found.push((name, format!(" from Secret {}", key.name))),
            Some(EnvValue::Text(_) | EnvValue::Elsewhere) | None => {}
        }
        // What the webhook of IRSA sets hides it until an association takes over.
        for from in &container.env_from {
            let Some(key) = name.strip_prefix(&from.prefix) else { continue };
            let (kind, has) = if from.secret {
                ("Secret", in_secret(candidate, &from.name, key))
            } else {
                ("ConfigMap", in_map(candidate, &from.name, key))
            };
            if has {
                found.push((name, format!(" from {kind} {}", from.name)));
            }
        }
    }
    found
}

fn in_secret(candidate: &Candidate, name: &str, key: &str) -> bool {
    let keys = candidate.snapshot.secrets.get(name).and_then(|read| read.known()?.as_ref());
    keys.is_some_and(|keys| keys.iter().any(|known| known == key))
}

fn in_map(candidate: &Candidate, name: &str, key: &str) -> bool {
    let map = candidate.snapshot.config_maps.get(name).and_then(|read| read.known()?.as_ref());
    map.is_some_and(|map| map.contains_key(key))
}

fn place(pod: &Pod) -> String {
    match pod.group() {
        (kind, _) if kind.is_empty() => format!("pod/{}", pod.name),
        (kind, name) => format!("{}/{name}", kind.to_lowercase()),
    }
}

/// Secrets that whole environments come from.
fn secrets(candidate: &Candidate) -> Vec<Finding> {
    let pods = candidate.snapshot.live_pods();
    let from = pods.iter().flat_map(|pod| &pod.spec.containers).flat_map(|container| &container.env_from);
    let names: BTreeSet<String> = from.filter(|from| from.secret).map(|from| from.name.clone()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = names.into_iter().collect();
    let said = format!("the keys of {} were not read", listed(&names, SHOWN));
    let subject = &candidate.snapshot.subject;
    vec![
        UNREAD_SECRETS
            .warns("the pods' Secrets", said)
            .evidence("envFrom", listed(&names, SHOWN))
            .command(format!("podid migrate plan {subject} --read-secrets")),
    ]
}

fn audience(candidate: &Candidate) -> Vec<Finding> {
    let Some(audience) = candidate.annotation.audience.as_ref().filter(|it| *it != irsa::AUDIENCE) else {
        return Vec::new();
    };
    vec![
        AUDIENCE
            .fails(
                format!("service account {}", candidate.snapshot.subject),
                format!("its token is for the audience {audience}: pods with an association get no such token"),
            )
            .evidence("its annotation eks.amazonaws.com/audience", audience)
            .change("keep IRSA while something reads the token; if only AWS SDKs do, remove the annotation eks.amazonaws.com/audience and allow the audience sts.amazonaws.com in the trust policy and the OIDC provider"),
    ]
}

/// Nothing runs as it: who uses it cannot be seen.
fn unused(candidate: &Candidate) -> Vec<Finding> {
    let snapshot = &candidate.snapshot;
    let none = snapshot.pods.known().is_some() && workloads(candidate).is_some_and(|all| all.is_empty());
    if !none || snapshot.cron_jobs.unreadable().is_some() {
        return Vec::new();
    }
    vec![
        NO_PODS
            .warns(
                format!("service account {}", snapshot.subject),
                "no pod, workload or CronJob uses it; a controller may read its annotation",
            )
            .evidence("the lists of pods, workloads and CronJobs", "none names it")
            .change("find out whether a controller requests tokens for it (external-secrets, a CSI driver); if one does, keep the annotation"),
    ]
}
