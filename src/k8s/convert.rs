//! Kubernetes' objects in the model's words. What the API leaves out is 0, empty or absent.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        batch::v1::CronJob as ApiCronJob,
        core::v1::{
            Container as ApiContainer, ContainerStatus, EnvVar, Node as ApiNode, NodeSelectorTerm, Pod as ApiPod,
            PodSpec, PodTemplateSpec,
        },
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta},
};

use crate::model::{
    agent::Node,
    pod_spec::{WEB_IDENTITY, is_of_sdks},
    selector::Selector,
    workload::{
        Container, CronJob, Exceeded, Expression, Owner, Placement, Pod, RolloutStatus, Strategy, Taint, Terminated,
        Toleration, Waiting, Workload, WorkloadKind, WorkloadRef,
    },
};

/// The volume and mount that the webhook adds.
pub(super) const TOKEN_VOLUME: &str = "eks-pod-identity-token";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const SKIP_CONTAINERS: &str = "eks.amazonaws.com/skip-containers";
/// The label by which a ReplicaSet's pods are its own.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";
/// The annotation of `kubectl rollout restart`.
pub(super) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// A count that the API may leave out.
pub(super) fn count(value: Option<i32>) -> u64 {
    value.and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

fn count64(value: Option<i64>) -> u64 {
    value.and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

/// A Deployment.
pub(super) fn deployment(it: &Deployment) -> Workload {
    let spec = it.spec.clone().unwrap_or_default();
    let status = it.status.clone().unwrap_or_default();
    let recreate = spec.strategy.as_ref().and_then(|s| s.type_.as_deref()) == Some("Recreate");
    let conditions = status.conditions.unwrap_or_default();
    let condition = |kind: &str, value: &str| conditions.iter().find(|c| c.type_ == kind && c.status == value);
    let exceeded = condition("Progressing", "False")
        .filter(|c| c.reason.as_deref() == Some("ProgressDeadlineExceeded"))
        .map(|c| Exceeded {
            message: c.message.clone().unwrap_or_default(),
            updated_at: c.last_update_time.as_ref().map(|t| t.0),
        });
    let replica_failure = condition("ReplicaFailure", "True").map(|c| c.message.clone().unwrap_or_default());
    Workload {
        // Left out means 1, unlike every other count.
        replicas: spec.replicas.map_or(1, |n| count(Some(n))),
        strategy: if recreate { Strategy::Recreate } else { Strategy::RollingUpdate },
        paused: spec.paused.unwrap_or_default(),
        status: RolloutStatus {
            observed_generation: count64(status.observed_generation),
            total: count(status.replicas),
            updated: count(status.updated_replicas),
            ready: count(status.ready_replicas),
            available: count(status.available_replicas),
            deadline_exceeded: exceeded,
            replica_failure,
            ..RolloutStatus::default()
        },
        ..workload(WorkloadKind::Deployment, &it.metadata, Some(&spec.selector), Some(&spec.template))
    }
}

/// A StatefulSet.
pub(super) fn stateful_set(it: &StatefulSet) -> Workload {
    let spec = it.spec.clone().unwrap_or_default();
    let status = it.status.clone().unwrap_or_default();
    let update = spec.update_strategy.unwrap_or_default();
    Workload {
        replicas: spec.replicas.map_or(1, |n| count(Some(n))),
        strategy: on_delete(update.type_.as_deref()),
        partition: count(update.rolling_update.and_then(|r| r.partition)),
        ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
        status: RolloutStatus {
            observed_generation: count64(status.observed_generation),
            total: count(Some(status.replicas)),
            updated: count(status.updated_replicas),
            ready: count(status.ready_replicas),
            available: count(status.available_replicas),
            current_revision: status.current_revision,
            update_revision: status.update_revision,
            deadline_exceeded: None,
            replica_failure: None,
        },
        ..workload(WorkloadKind::StatefulSet, &it.metadata, Some(&spec.selector), Some(&spec.template))
    }
}

/// A DaemonSet.
pub(super) fn daemon_set(it: &DaemonSet) -> Workload {
    let spec = it.spec.clone().unwrap_or_default();
    let status = it.status.clone().unwrap_or_default();
    Workload {
        replicas: count(Some(status.desired_number_scheduled)),
        strategy: on_delete(spec.update_strategy.and_then(|s| s.type_).as_deref()),
        status: RolloutStatus {
            observed_generation: count64(status.observed_generation),
            total: count(Some(status.current_number_scheduled)),
            updated: count(status.updated_number_scheduled),
            ready: count(Some(status.number_ready)),
            available: count(status.number_available),
            ..RolloutStatus::default()
        },
        ..workload(WorkloadKind::DaemonSet, &it.metadata, Some(&spec.selector), Some(&spec.template))
    }
}

fn on_delete(strategy: Option<&str>) -> Strategy {
    if strategy == Some("OnDelete") { Strategy::OnDelete } else { Strategy::RollingUpdate }
}

/// What all kinds have alike.
pub(super) fn workload(
    kind: WorkloadKind,
    meta: &ObjectMeta,
    selector: Option<&LabelSelector>,
    template: Option<&PodTemplateSpec>,
) -> Workload {
    let spec = template.and_then(|t| t.spec.as_ref());
    let annotations = template.and_then(|t| t.metadata.as_ref()).and_then(|m| m.annotations.as_ref());
    Workload {
        id: WorkloadRef {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        },
        uid: meta.uid.clone().unwrap_or_default(),
        service_account: spec.map_or_else(|| "default".to_owned(), service_account),
        replicas: 0,
        strategy: Strategy::RollingUpdate,
        paused: false,
        partition: 0,
        ordered: false,
        generation: count64(meta.generation),
        restarted_at: annotations.and_then(|a| a.get(RESTARTED_AT).cloned()),
        selector: selector.map(self::selector).unwrap_or_default(),
        template: template.map(fingerprint).unwrap_or_default(),
        status: RolloutStatus::default(),
        placement: spec.map(placement).unwrap_or_default(),
        web_identity: spec.map(web_identity).unwrap_or_default(),
        sets_aws: spec.is_some_and(sets_aws),
        argo: None,
    }
}

/// Variables that the template sets, and the webhook of IRSA would set otherwise.
fn web_identity(spec: &PodSpec) -> Vec<String> {
    let own = variables(spec).filter(|(_, variable)| WEB_IDENTITY.contains(&variable.name.as_str()));
    own.map(|(container, variable)| format!("{} of container {}", variable.name, container.name)).collect()
}

/// Whether it sets a variable of the AWS SDKs.
fn sets_aws(spec: &PodSpec) -> bool {
    variables(spec).any(|(_, variable)| is_of_sdks(&variable.name))
}

/// The variables of every container.
fn variables(spec: &PodSpec) -> impl Iterator<Item = (&ApiContainer, &EnvVar)> {
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.flat_map(|container| container.env.iter().flatten().map(move |variable| (container, variable)))
}

/// Tells templates apart within one run; those that differ by a restart or by their ReplicaSet's own label only have the same.
pub(super) fn fingerprint(template: &PodTemplateSpec) -> u64 {
    let mut template = template.clone();
    if let Some(metadata) = &mut template.metadata {
        for (of, key) in [(&mut metadata.annotations, RESTARTED_AT), (&mut metadata.labels, TEMPLATE_HASH)] {
            if let Some(entries) = of {
                entries.remove(key);
            }
            if of.as_ref().is_some_and(BTreeMap::is_empty) {
                *of = None;
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&template).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// A label selector.
pub(super) fn selector(it: &LabelSelector) -> Selector {
    let expression = |e: &LabelSelectorRequirement| Expression {
        key: e.key.clone(),
        operator: e.operator.clone(),
        values: e.values.clone().unwrap_or_default(),
    };
    Selector {
        labels: it.match_labels.clone().unwrap_or_default(),
        expressions: it.match_expressions.iter().flatten().map(expression).collect(),
    }
}

/// A CronJob.
pub(super) fn cron_job(it: &ApiCronJob) -> CronJob {
    let spec = it.spec.as_ref();
    let template = spec.and_then(|s| s.job_template.spec.as_ref()).and_then(|job| job.template.spec.as_ref());
    CronJob {
        namespace: it.metadata.namespace.clone().unwrap_or_default(),
        name: it.metadata.name.clone().unwrap_or_default(),
        service_account: template.map_or_else(|| "default".to_owned(), service_account),
        suspended: spec.and_then(|s| s.suspend).unwrap_or_default(),
        web_identity: template.map(web_identity).unwrap_or_default(),
        sets_aws: template.is_some_and(sets_aws),
    }
}

/// The service account of a pod: by its name, by its older name, or `default`.
fn service_account(spec: &PodSpec) -> String {
    [&spec.service_account_name, &spec.service_account]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .map_or_else(|| "default".to_owned(), Clone::clone)
}

/// Where a pod may run.
pub(super) fn placement(spec: &PodSpec) -> Placement {
    let terms = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|n| n.required_during_scheduling_ignored_during_execution.as_ref())
        .map(|required| required.node_selector_terms.as_slice())
        .unwrap_or_default();
    Placement {
        node_selector: spec.node_selector.clone().unwrap_or_default(),
        affinity: terms.iter().map(expressions).collect(),
        tolerations: spec
            .tolerations
            .iter()
            .flatten()
            .map(|t| Toleration {
                key: t.key.clone().filter(|key| !key.is_empty()),
                operator: t.operator.clone().filter(|o| !o.is_empty()).unwrap_or_else(|| "Equal".to_owned()),
                value: t.value.clone(),
                effect: t.effect.clone().filter(|effect| !effect.is_empty()),
            })
            .collect(),
    }
}

/// A term's expressions; the only field that fields may name, `metadata.name`, is read as the label that mirrors it.
fn expressions(term: &NodeSelectorTerm) -> Vec<Expression> {
    let of = |key: &str, operator: &str, values: Option<&Vec<String>>| Expression {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: values.cloned().unwrap_or_default(),
    };
    let labels = term.match_expressions.iter().flatten().map(|e| of(&e.key, &e.operator, e.values.as_ref()));
    let fields = term.match_fields.iter().flatten().map(|e| {
        let key = if e.key == "metadata.name" { "kubernetes.io/hostname" } else { e.key.as_str() };
        of(key, &e.operator, e.values.as_ref())
    });
    labels.chain(fields).collect()
}

/// A node.
pub(super) fn node(it: ApiNode) -> Node {
    let spec = it.spec.unwrap_or_default();
    let conditions = it.status.and_then(|s| s.conditions).unwrap_or_default();
    Node {
        name: it.metadata.name.unwrap_or_default(),
        labels: it.metadata.labels.unwrap_or_default(),
        taints: spec
            .taints
            .unwrap_or_default()
            .into_iter()
            .map(|t| Taint { key: t.key, value: t.value.unwrap_or_default(), effect: t.effect })
            .collect(),
        ready: conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
        unschedulable: spec.unschedulable.unwrap_or_default(),
    }
}

/// A pod.
pub(super) fn pod(it: &ApiPod) -> Pod {
    let spec = it.spec.clone().unwrap_or_default();
    let status = it.status.clone().unwrap_or_default();
    let meta = &it.metadata;
    let labels = meta.labels.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let condition = |name: &str, value: &str| conditions.iter().find(|c| c.type_ == name && c.status == value);
    let skipped: Vec<&str> = meta
        .annotations
        .as_ref()
        .and_then(|a| a.get(SKIP_CONTAINERS))
        .map(|list| list.split(',').map(str::trim).collect())
        .unwrap_or_default();
    let init_statuses = by_name(status.init_container_statuses.as_deref());
    let statuses = by_name(status.container_statuses.as_deref());
    let inits = spec.init_containers.iter().flatten().map(|c| container(c, true, &skipped, &init_statuses));
    let mains = spec.containers.iter().map(|c| container(c, false, &skipped, &statuses));
    Pod {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        service_account: service_account(&spec),
        node: spec.node_name.clone().filter(|name| !name.is_empty()),
        created_at: meta.creation_timestamp.as_ref().map(|t| t.0),
        deleting: meta.deletion_timestamp.is_some(),
        phase: status.phase.unwrap_or_default(),
        ready: condition("Ready", "True").is_some(),
        ready_since: condition("Ready", "True").and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0),
        unschedulable: condition("PodScheduled", "False").map(|c| c.message.clone().unwrap_or_default()),
        unready: condition("Ready", "False").map(|c| Waiting {
            reason: c.reason.clone().unwrap_or_default(),
            message: c.message.clone().unwrap_or_default(),
        }),
        owner: meta.owner_references.iter().flatten().find(|o| o.controller == Some(true)).map(|o| Owner {
            kind: o.kind.clone(),
            name: o.name.clone(),
            uid: o.uid.clone(),
        }),
        revision: [TEMPLATE_HASH, "controller-revision-hash"].iter().find_map(|key| labels.get(*key).cloned()),
        token_volume: spec.volumes.iter().flatten().any(|v| v.name == TOKEN_VOLUME),
        containers: inits.chain(mains).collect(),
        spec: super::spec::spec(it),
        labels,
    }
}

type Statuses<'a> = BTreeMap<&'a str, &'a ContainerStatus>;

fn by_name(statuses: Option<&[ContainerStatus]>) -> Statuses<'_> {
    statuses.unwrap_or_default().iter().map(|s| (s.name.as_str(), s)).collect()
}

fn container(it: &ApiContainer, init: bool, skipped: &[&str], statuses: &Statuses<'_>) -> Container {
    let has = |name: &str| it.env.iter().flatten().any(|e| e.name == name);
    let mounts = it.volume_mounts.iter().flatten().any(|m| m.name == TOKEN_VOLUME);
    let status = statuses.get(it.name.as_str());
    let state = status.and_then(|s| s.state.as_ref());
    let ended = state
        .and_then(|s| s.terminated.as_ref())
        .or_else(|| status.and_then(|s| s.last_state.as_ref()).and_then(|s| s.terminated.as_ref()));
    Container {
        name: it.name.clone(),
        init,
        injected: has(FULL_URI) && has(TOKEN_FILE) && mounts,
        skipped: skipped.contains(&it.name.as_str()),
        restarts: status.map_or(0, |s| count(Some(s.restart_count))),
        waiting: state.and_then(|s| s.waiting.as_ref()).map(|w| Waiting {
            reason: w.reason.clone().unwrap_or_default(),
            message: w.message.clone().unwrap_or_default(),
        }),
        running: state.is_some_and(|s| s.running.is_some()),
        started_at: match state.and_then(|s| s.running.as_ref()) {
            Some(running) => running.started_at.as_ref(),
            None => ended.and_then(|t| t.started_at.as_ref()),
        }
        .map(|t| t.0),
        terminated: ended
            .map(|t| Terminated { exit_code: i64::from(t.exit_code), reason: t.reason.clone().unwrap_or_default() }),
    }
}
