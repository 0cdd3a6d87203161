//! StatefulSets: one pod after the other, from the highest ordinal.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    controllers::{available, create_pod, each, finished, label, ready, revision, terminating},
    events::Source,
    json::{entry, number, object, omit_empty, text},
    kinds, kubelet,
    store::place,
};
use crate::{State, scenario::Scenario};

/// Lets every StatefulSet's controller work once.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    each(state, "statefulsets", now, |state, set| sync(state, scenario, &set, now));
}

/// Counts of a sync, as they go into the status.
#[derive(Default)]
struct Counts {
    replicas: i64,
    ready: i64,
    available: i64,
    current: i64,
    updated: i64,
}

struct Revisions {
    current: String,
    update: String,
}

fn sync(state: &mut State, scenario: &Scenario, set: &Value, now: Timestamp) {
    let (update, _) = revision(&mut state.kube, kinds::of("statefulsets"), set, now);
    let current = match text(set, "/status/currentRevision") {
        "" => update.clone(),
        current => current.to_owned(),
    };
    let mut revisions = Revisions { current, update };
    let mut counts = work(state, scenario, set, &revisions, now);
    if text(set, "/spec/updateStrategy/type") == "RollingUpdate"
        && counts.updated == counts.replicas
        && counts.ready == counts.replicas
        && counts.replicas == number(set, "/spec/replicas")
    {
        counts.current = counts.updated;
        revisions.current.clone_from(&revisions.update);
    }
    let status = omit_empty(
        json!({
            "observedGeneration": number(set, "/metadata/generation"), "replicas": counts.replicas,
            "readyReplicas": counts.ready, "currentReplicas": counts.current, "updatedReplicas": counts.updated,
            "currentRevision": revisions.current, "updateRevision": revisions.update, "collisionCount": 0,
            "availableReplicas": counts.available,
        }),
        &["replicas", "collisionCount", "availableReplicas"],
    );
    let (namespace, name) = place(set);
    state.kube.store.update(kinds::of("statefulsets"), &namespace, &name, |o| o["status"] = status);
}

fn delete(state: &mut State, set: &Value, pod: &Value, now: Timestamp) {
    kubelet::delete(&mut state.kube, pod, None, now);
    tell(state, set, "delete", pod, now);
}

/// Tells what was done with a pod.
fn tell(state: &mut State, set: &Value, verb: &str, pod: &Value, now: Timestamp) {
    let (pod, name) = (text(pod, "/metadata/name"), text(set, "/metadata/name"));
    let message = format!("{verb} Pod {pod} in StatefulSet {name} successful");
    let reason = if verb == "create" { "SuccessfulCreate" } else { "SuccessfulDelete" };
    state.kube.tell(Source::Component("statefulset-controller"), set, reason, &message, now);
}

fn revision_of(pod: &Value) -> &str {
    entry(pod, "/metadata/labels", "controller-revision-hash").unwrap_or_default()
}

/// Does what can be done now, and counts.
fn work(state: &mut State, scenario: &Scenario, set: &Value, revisions: &Revisions, now: Timestamp) -> Counts {
    let mut counts = Counts::default();
    let (_, name) = place(set);
    let pods = state.kube.store.owned("pods", set);
    for pod in &pods {
        counts.replicas += 1;
        if ready(pod) && !finished(pod) {
            counts.ready += 1;
            counts.available += i64::from(available(&mut state.kube, set, pod, now));
        }
        if !terminating(pod) {
            counts.current += i64::from(revision_of(pod) == revisions.current);
            counts.updated += i64::from(revision_of(pod) == revisions.update);
        }
    }
    let first = number(set, "/spec/ordinals/start");
    let wanted = number(set, "/spec/replicas");
    let in_order = text(set, "/spec/podManagementPolicy") != "Parallel";
    let ordinal =
        |pod: &Value| text(pod, "/metadata/name").rsplit('-').next().and_then(|n| n.parse::<i64>().ok()).unwrap_or(-1);
    let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition");
    for at in first..first + wanted {
        if let Some(pod) = pods.iter().find(|p| ordinal(p) == at) {
            if finished(pod) && !terminating(pod) {
                delete(state, set, pod, now);
                return counts;
            }
            if in_order && (terminating(pod) || !ready(pod)) {
                return counts;
            }
            continue;
        }
        if counts.replicas < number(set, "/status/replicas") {
            // The status tells of the loss before it is made good.
            return counts;
        }
        let old = at < first + partition && revisions.current != revisions.update;
        let version = if old { &revisions.current } else { &revisions.update };
        let template = old.then(|| stored_template(state, set, &revisions.current)).flatten();
        let shape = |pod: &mut Value| {
            let own = format!("{name}-{at}");
            if let Some(template) = template {
                pod["spec"] = template["spec"].clone();
                pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
            }
            object(pod, &["metadata"]).insert("name".into(), json!(own));
            object(pod, &["metadata"]).insert("generateName".into(), json!(format!("{name}-")));
            label(pod, "statefulset.kubernetes.io/pod-name", &own);
            label(pod, "apps.kubernetes.io/pod-index", &at.to_string());
            label(pod, "controller-revision-hash", version);
            object(pod, &["spec"]).insert("hostname".into(), json!(own));
            object(pod, &["spec"]).insert("subdomain".into(), set["spec"]["serviceName"].clone());
        };
        match create_pod(state, scenario, (kinds::of("statefulsets"), set), shape, now) {
            Ok(pod) => {
                tell(state, set, "create", &pod, now);
                counts.replicas += 1;
                counts.current += i64::from(*version == revisions.current);
                counts.updated += i64::from(*version == revisions.update);
            }
            Err(failure) if failure.code != 429 => {
                let own = format!("{name}-{at}");
                let message = format!("create Pod {own} in StatefulSet {name} failed error: {}", failure.message);
                state.kube.warn(Source::Component("statefulset-controller"), set, "FailedCreate", &message, now);
            }
            Err(_) => {}
        }
        if in_order {
            return counts;
        }
    }
    let mut surplus: Vec<&Arc<Value>> =
        pods.iter().filter(|p| !(first..first + wanted).contains(&ordinal(p))).collect();
    surplus.sort_by_key(|p| std::cmp::Reverse(ordinal(p)));
    for pod in surplus {
        if !terminating(pod) {
            delete(state, set, pod, now);
            counts.current -= i64::from(revision_of(pod) == revisions.current);
        }
        if in_order {
            return counts;
        }
    }
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return counts;
    }
    for at in (first + partition..first + wanted).rev() {
        let Some(pod) = pods.iter().find(|p| ordinal(p) == at) else { return counts };
        if revision_of(pod) != revisions.update && !terminating(pod) {
            delete(state, set, pod, now);
            counts.current -= i64::from(revision_of(pod) == revisions.current);
            return counts;
        }
        if terminating(pod) || !ready(pod) {
            return counts;
        }
    }
    counts
}

/// The template that an older revision keeps.
fn stored_template(state: &State, set: &Value, revision: &str) -> Option<Value> {
    let namespace = text(set, "/metadata/namespace");
    state.kube.store.get("controllerrevisions", namespace, revision)?.pointer("/data/spec/template").cloned()
}
