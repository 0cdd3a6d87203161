//! Argo Rollouts (`argoproj.io/v1alpha1 Rollout`), as much of them as a restart needs: reading and restarting them.

use std::{borrow::Cow, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Pod as ApiPod, PodTemplateSpec},
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Kube, convert, error,
    list::list,
    workloads::{Restartable, delete_pod, patch, within},
};
use crate::{
    failure::Result,
    model::{
        rollout,
        workload::{Argo, Pod, RolloutStatus, Strategy, Workload, WorkloadKind},
    },
    wait,
};

/// The label of all pods of Rollouts, for those that take their selector from a Deployment.
const HASH: &str = "rollouts-pod-template-hash";
/// Of `maxUnavailable`, where it is not given (argo-rollouts, utils/defaults/defaults.go).
const MAX_UNAVAILABLE: &str = "25%";

/// A Rollout.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rollout {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<i32>,
    selector: Option<LabelSelector>,
    template: Option<PodTemplateSpec>,
    workload_ref: Option<Reference>,
    restart_at: Option<String>,
    strategy: Strategies,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Reference {
    kind: String,
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Strategies {
    canary: Option<Canary>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Canary {
    max_unavailable: Option<IntOrString>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    /// A number in text; since argo-rollouts#3402 a number; before version 0.10 a hash.
    observed_generation: Value,
    replicas: Option<i32>,
    updated_replicas: Option<i32>,
    ready_replicas: Option<i32>,
    available_replicas: Option<i32>,
    restarted_at: Option<String>,
    phase: String,
    message: String,
}

impl Resource for Rollout {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Rollout".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "argoproj.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "rollouts".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Restartable for Rollout {
    const KIND: WorkloadKind = WorkloadKind::Rollout;

    fn workload(&self) -> Workload {
        let (spec, status) = (&self.spec, &self.status);
        let all = convert::workload(Self::KIND, &self.metadata, spec.selector.as_ref(), spec.template.as_ref());
        let replicas = spec.replicas.map_or(1, |n| convert::count(Some(n)));
        let referred = spec.workload_ref.as_ref().filter(|to| to.kind == "Deployment");
        Workload {
            replicas,
            strategy: Strategy::Eviction,
            restarted_at: spec.restart_at.clone(),
            status: RolloutStatus {
                observed_generation: generation(&status.observed_generation).unwrap_or(all.generation),
                total: convert::count(status.replicas),
                updated: convert::count(status.updated_replicas),
                ready: convert::count(status.ready_replicas),
                available: convert::count(status.available_replicas),
                ..RolloutStatus::default()
            },
            argo: Some(Argo {
                phase: (status.phase.clone(), status.message.clone()),
                evicted: status.restarted_at.clone(),
                max_unavailable: spec.strategy.canary.as_ref().map_or(0, |canary| canary.portion(replicas)),
                template_of: referred.map(|to| to.name.clone()),
            }),
            ..all
        }
    }

    fn selector(&self) -> Option<&LabelSelector> {
        self.spec.selector.as_ref()
    }

    fn pods(workload: &Workload) -> String {
        match super::workloads::query(&workload.selector) {
            none if none.is_empty() => HASH.to_owned(),
            selector => selector,
        }
    }
}

/// The generation that the controller has seen; `None` where it tells none, and is to be believed.
fn generation(observed: &Value) -> Option<u64> {
    match observed {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    }
}

impl Canary {
    /// `maxUnavailable` of so many pods, rounded down.
    fn portion(&self, of: u64) -> u64 {
        match &self.max_unavailable {
            Some(IntOrString::Int(pods)) => convert::count(Some(*pods)),
            Some(IntOrString::String(text)) => percent(text, of),
            None => percent(MAX_UNAVAILABLE, of),
        }
    }
}

fn percent(text: &str, of: u64) -> u64 {
    text.strip_suffix('%').and_then(|n| n.parse::<u64>().ok()).map_or(0, |percent| of * percent / 100)
}

/// Every Rollout of a namespace, or of all; none where the API server has no such kind.
pub(super) async fn all(client: &Client, namespace: Option<&str>) -> Result<Vec<Workload>, kube::Error> {
    match list::<Rollout>(&within(client, namespace), &ListParams::default()).await {
        Ok(found) => Ok(found.items.iter().map(Restartable::workload).collect()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// By the server's clock no pod that was seen is younger than that.
const A_SECOND: Duration = Duration::from_secs(1);

/// Restarts as `kubectl argo rollouts restart` does, and deletes the pods that would keep the controller from evicting any.
pub(super) async fn restart(kube: &Kube, workload: &Workload, at: Timestamp) -> Result<Workload> {
    let id = &workload.id;
    let connection = kube.connection().await?;
    let pods: Api<ApiPod> = Api::namespaced(connection.client.clone(), &id.namespace);
    let operation = format!("list pods of `{id}` in `{}`", id.namespace);
    let found = list(&pods, &ListParams::default().labels(HASH)).await;
    let found = found.map_err(|e| error::failure(&operation, &connection.server, e))?.items;
    let seen: Vec<Pod> = found.iter().map(convert::pod).filter(|pod| workload.owns(pod)).collect();

    let stamp = stamp(at, workload.restarted_at.as_deref(), &seen);
    let text = stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let merge = Patch::Merge(json!({"spec": {"restartAt": text}}));
    let patched = patch::<Rollout>(kube, id, &merge).await?.workload();

    let held = rollout::held(&patched, &seen);
    if !held.is_empty() {
        // A successor that is born before the restart's second would be old itself, and hold it up again.
        wait::pause(stamp.duration_since(at).unsigned_abs().min(A_SECOND)).await;
    }
    for held in held {
        let operation = format!("delete pod `{}`, which blocks the restart of `{id}`", held.name);
        for pod in found.iter().filter(|pod| pod.metadata.name.as_ref() == Some(&held.name)) {
            delete_pod(&pods, pod).await.map_err(|e| error::failure(&operation, &connection.server, e))?;
        }
    }
    Ok(patched)
}

/// The time of a restart: pods that are older are evicted. Kubernetes keeps whole seconds of a pod's birth, so it is the next whole
/// one; a pod that is younger than the caller's clock says is older than the restart too; and the same value would be none.
fn stamp(at: Timestamp, before: Option<&str>, pods: &[Pod]) -> Timestamp {
    let second = SignedDuration::from_secs(1);
    let next = Timestamp::from_second(at.as_second() + 1).unwrap_or(at);
    let youngest = pods.iter().filter_map(|pod| pod.created_at).max().map_or(next, |born| born + second);
    let stamp = next.max(youngest);
    let before = before.and_then(|before| before.parse().ok());
    if before == Some(stamp) { stamp + second } else { stamp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures;

    fn read(rollout: Value) -> Workload {
        serde_json::from_value::<Rollout>(rollout).unwrap().workload()
    }

    #[test]
    fn every_restart_is_after_every_pod() {
        let noon = fixtures::at(0);
        let mut pod = fixtures::pod(&fixtures::rollout("carts"), "carts-a", true);
        let text = |seconds: i64| fixtures::at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        // Seconds after noon: of the pod's birth, of the restart before, and of this one, which is asked for right after noon.
        for (born, before, wanted) in [(-60, None, 1), (0, None, 1), (0, Some(0), 1), (0, Some(1), 2), (30, None, 31)] {
            pod.created_at = Some(fixtures::at(born));
            let before = before.map(text);
            let at = noon + SignedDuration::from_millis(400);
            assert_eq!(stamp(at, before.as_deref(), &[pod.clone()]), fixtures::at(wanted), "{born} {before:?}");
        }
    }

    #[test]
    fn reads_what_controllers_of_all_versions_write() {
        let rollout = |observed: Value| {
            read(json!({
                "metadata": {"name": "carts", "namespace": "carts", "generation": 7},
                "spec": {"replicas": 5, "restartAt": "2026-11-23T19:34:15Z", "selector": {"matchLabels": {"app": "carts"}},
                    "template": {"spec": {"serviceAccountName": "carts", "containers": [{"name": "app"}]}},
                    "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}},
                "status": {"observedGeneration": observed, "availableReplicas": 4, "phase": "Paused", "message": "CanaryPauseStep",
                    "restartedAt": "2026-11-23T19:00:00Z", "pauseConditions": [{"reason": "CanaryPauseStep"}]},
            }))
        };
        for (observed, wanted) in [(json!("6"), 6), (json!(6), 6), (json!("6bb5c4f7d9"), 7), (Value::Null, 0)] {
            assert_eq!(rollout(observed.clone()).status.observed_generation, wanted, "{observed}");
        }
        let carts = rollout(json!("7"));
        assert_eq!((carts.service_account.as_str(), carts.replicas, carts.status.available), ("carts", 5, 4));
        let argo = carts.argo.unwrap();
        assert_eq!(argo.phase, ("Paused".to_owned(), "CanaryPauseStep".to_owned()));
        assert_eq!(
            (argo.max_unavailable, argo.evicted.as_deref()),
            (1, Some("2026-11-23T19:00:00Z")),
            "a quarter of five"
        );
    }

    #[test]
    fn a_template_of_another() {
        let carts = json!({"metadata": {"name": "carts"}, "spec": {"strategy": {"blueGreen": {"activeService": "carts"}},
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base"}}});
        let rollout: Rollout = serde_json::from_value(carts).unwrap();
        assert_eq!(Rollout::pods(&rollout.workload()), HASH);
        let argo = rollout.workload().argo.unwrap();
        assert_eq!((argo.template_of.as_deref(), argo.max_unavailable), (Some("base"), 0));
    }
}
