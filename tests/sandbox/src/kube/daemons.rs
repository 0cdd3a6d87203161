//! DaemonSets: one pod on every node that takes it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    controllers::{available, create_pod, each, finished, label, portion, ready, revision, terminating},
    events::Source,
    json::{array, entry, number, object, omit_empty, text},
    kinds, kubelet, schedule,
    store::place,
};
use crate::{State, scenario::Scenario};

/// Lets every DaemonSet's controller work once.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    each(state, "daemonsets", now, |state, set| sync(state, scenario, &set, now));
}

/// The controller adds tolerations, so that its pods stay where others are driven away.
fn tolerant(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let tolerations = array(&mut spec, &[], "tolerations");
    for (key, effect) in [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ] {
        tolerations.push(json!({"key": key, "operator": "Exists", "effect": effect}));
    }
    spec
}

/// The node that a daemon's pod is meant for: it is in the affinity until the scheduler has bound it.
fn node_of(pod: &Value) -> &str {
    let bound = text(pod, "/spec/nodeName");
    let pointer = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    if bound.is_empty() { text(pod, pointer) } else { bound }
}

fn sync(state: &mut State, scenario: &Scenario, set: &Value, now: Timestamp) {
    let kind = kinds::of("daemonsets");
    let (_, hash) = revision(&mut state.kube, kind, set, now);
    let spec = tolerant(&set["spec"]["template"]["spec"]);
    let nodes: Vec<Arc<Value>> = state.kube.store.list("nodes", "").cloned().collect();
    let pods = living(state, set);
    let mut moved = false;
    for node in &nodes {
        let node_name = text(node, "/metadata/name");
        let here: Vec<&Arc<Value>> = pods.iter().filter(|p| node_of(p) == node_name).collect();
        if !schedule::fits(&spec, node) {
            for pod in here.iter().filter(|p| !terminating(p)) {
                delete(state, set, pod, now);
                moved = true;
            }
            continue;
        }
        if here.is_empty() {
            let shape = |pod: &mut Value| {
                let name = text(set, "/metadata/name");
                object(pod, &["metadata"]).insert("generateName".into(), json!(format!("{name}-")));
                label(pod, "controller-revision-hash", &hash);
                label(pod, "pod-template-generation", &number(set, "/metadata/generation").to_string());
                pod["spec"] = spec.clone();
                let only = json!({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node_name]}]}]});
                object(pod, &["spec", "affinity", "nodeAffinity"])
                    .insert("requiredDuringSchedulingIgnoredDuringExecution".into(), only);
            };
            match create_pod(state, scenario, (kind, set), shape, now) {
                Ok(pod) => {
                    tell(state, set, "Created", &pod, now);
                    moved = true;
                }
                Err(failure) if failure.code != 429 => {
                    let message = format!("Error creating: {}", failure.message);
                    state.kube.warn(Source::Component("daemonset-controller"), set, "FailedCreate", &message, now);
                }
                Err(_) => {}
            }
        }
        for pod in here.iter().filter(|p| finished(p) && !terminating(p)) {
            delete(state, set, pod, now);
            moved = true;
        }
    }
    if !moved && text(set, "/spec/updateStrategy/type") == "RollingUpdate" {
        update(state, set, &hash, &spec, &nodes, now);
    }
    report(state, set, &hash, &spec, &nodes, now);
}

fn delete(state: &mut State, set: &Value, pod: &Value, now: Timestamp) {
    kubelet::delete(&mut state.kube, pod, None, now);
    tell(state, set, "Deleted", pod, now);
}

/// Tells what was done with a pod.
fn tell(state: &mut State, set: &Value, did: &str, pod: &Value, now: Timestamp) {
    let message = format!("{did} pod: {}", text(pod, "/metadata/name"));
    let reason = if did == "Created" { "SuccessfulCreate" } else { "SuccessfulDelete" };
    state.kube.tell(Source::Component("daemonset-controller"), set, reason, &message, now);
}

/// The set's pods, but for those that have ended on their way out: their node is free.
fn living(state: &State, set: &Value) -> Vec<Arc<Value>> {
    let mut pods = state.kube.store.owned("pods", set);
    pods.retain(|p| !(terminating(p) && finished(p)));
    pods
}

fn fresh(pod: &Value, hash: &str) -> bool {
    entry(pod, "/metadata/labels", "controller-revision-hash") == Some(hash)
}

/// Replaces old pods, at most `maxUnavailable` at a time.
fn update(state: &mut State, set: &Value, hash: &str, spec: &Value, nodes: &[Arc<Value>], now: Timestamp) {
    let pods = living(state, set);
    let fitting: Vec<&Arc<Value>> = nodes.iter().filter(|n| schedule::fits(spec, n)).collect();
    let total = i64::try_from(fitting.len()).unwrap_or_default();
    let most = portion(set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"), total, true).max(1);
    let (mut down, mut broken, mut candidates) = (0, Vec::new(), Vec::new());
    for node in fitting {
        let here = pods.iter().find(|p| node_of(p) == text(node, "/metadata/name") && !terminating(p));
        match here {
            None => down += 1,
            Some(pod) if fresh(pod, hash) => down += i64::from(!available(&mut state.kube, set, pod, now)),
            Some(pod) if !available(&mut state.kube, set, pod, now) => {
                down += 1;
                broken.push(pod);
            }
            Some(pod) => candidates.push(pod),
        }
    }
    let room = usize::try_from((most - down).max(0)).unwrap_or_default();
    for pod in broken.into_iter().chain(candidates.into_iter().take(room)) {
        delete(state, set, pod, now);
    }
}

fn report(state: &mut State, set: &Value, hash: &str, spec: &Value, nodes: &[Arc<Value>], now: Timestamp) {
    let pods = living(state, set);
    let (mut desired, mut current, mut are_ready, mut are_available, mut updated, mut wrong) = (0, 0, 0, 0, 0, 0);
    for node in nodes {
        let here = pods.iter().find(|p| node_of(p) == text(node, "/metadata/name"));
        if !schedule::fits(spec, node) {
            wrong += i64::from(here.is_some());
            continue;
        }
        desired += 1;
        let Some(pod) = here else { continue };
        current += 1;
        are_ready += i64::from(ready(pod));
        are_available += i64::from(available(&mut state.kube, set, pod, now));
        updated += i64::from(fresh(pod, hash));
    }
    let status = omit_empty(
        json!({
            "currentNumberScheduled": current, "numberMisscheduled": wrong, "desiredNumberScheduled": desired,
            "numberReady": are_ready, "observedGeneration": number(set, "/metadata/generation"),
            "updatedNumberScheduled": updated, "numberAvailable": are_available, "numberUnavailable": desired - are_available,
        }),
        &["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"],
    );
    let (namespace, name) = place(set);
    state.kube.store.update(kinds::of("daemonsets"), &namespace, &name, |o| o["status"] = status);
}
