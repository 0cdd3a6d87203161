//! Argo Rollouts: the controller of `argoproj.io/v1alpha1 Rollout`, as far as a restart meets it. Its updates are simpler than the
//! real ones: a new template takes all replicas at once, without steps, analysis or traffic.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Kube,
    controllers::{self, available, portion, reference, terminating},
    json::{entries, entry, flag, number, object, omit_empty, stamp, text, time},
    kinds, kubelet,
    store::place,
};
use crate::State;

/// The group that the API serves only where the scenario has a Rollout, as where its CRDs were applied.
pub(crate) const GROUP: &str = "argoproj.io";
const HASH: &str = "rollouts-pod-template-hash";
/// How soon a restart that can evict nothing looks again; the real one takes 30 s.
const AGAIN: SignedDuration = SignedDuration::from_millis(500);

/// Lets every Rollout's controller work once.
pub(crate) fn step(state: &mut State, now: Timestamp) {
    controllers::each(state, "rollouts", now, |state, rollout| sync(&mut state.kube, &rollout, now));
}

fn sync(kube: &mut Kube, rollout: &Value, now: Timestamp) {
    let strategy = &rollout["spec"]["strategy"];
    if strategy.get("canary").is_none() && strategy.get("blueGreen").is_none() {
        let name = text(rollout, "/metadata/name");
        let message = format!(
            "The Rollout \"{name}\" is invalid: spec.strategy.strategy: Required value: Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
        );
        // Nothing else is looked at, and the rest of the status stays as it was.
        return write(kube, rollout, |status| {
            status["observedGeneration"] = json!(number(rollout, "/metadata/generation").to_string());
            status["phase"] = json!("Degraded");
            status["message"] = json!(format!("InvalidSpec: {message}"));
        });
    }
    let Some((template, selector)) = template(kube, rollout) else { return };
    let replicas = replicas(rollout);
    let hash = controllers::hash(&template);
    let sets = kube.store.owned("replicasets", rollout);
    match sets.iter().find(|set| entry(set, "/metadata/labels", HASH) == Some(&hash)) {
        None => create(kube, rollout, &template, &selector, &hash, now),
        Some(set) => scale(kube, set, replicas),
    }
    for old in sets.iter().filter(|set| entry(set, "/metadata/labels", HASH) != Some(&hash)) {
        scale(kube, old, 0);
    }
    let restarted = restart(kube, rollout, now);
    report(kube, rollout, &hash, &selector, restarted.as_deref());
}

fn replicas(rollout: &Value) -> i64 {
    rollout.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// The template and selector: its own, or those of the Deployment that `workloadRef` names.
fn template(kube: &Kube, rollout: &Value) -> Option<(Value, Value)> {
    let referred = text(rollout, "/spec/workloadRef/name");
    if referred.is_empty() {
        return Some((rollout.pointer("/spec/template")?.clone(), rollout.pointer("/spec/selector")?.clone()));
    }
    let deployment = kube.store.get("deployments", text(rollout, "/metadata/namespace"), referred)?;
    Some((deployment.pointer("/spec/template")?.clone(), deployment.pointer("/spec/selector")?.clone()))
}

fn create(kube: &mut Kube, rollout: &Value, template: &Value, selector: &Value, hash: &str, now: Timestamp) {
    let (namespace, name) = place(rollout);
    let (mut template, mut selector) = (template.clone(), selector.clone());
    controllers::label(&mut template, HASH, hash);
    object(&mut selector, &["matchLabels"]).insert(HASH.into(), json!(hash));
    let set = json!({
        "kind": "ReplicaSet", "apiVersion": "apps/v1",
        "metadata": {
            "name": format!("{name}-{hash}"), "namespace": namespace, "labels": template["metadata"]["labels"],
            "ownerReferences": [reference(kinds::of("rollouts"), rollout)],
        },
        "spec": {"replicas": replicas(rollout), "selector": selector, "template": template, "minReadySeconds": number(rollout, "/spec/minReadySeconds")},
        "status": {"replicas": 0},
    });
    kube.store.add(kinds::of("replicasets"), set, now);
}

fn scale(kube: &mut Kube, set: &Value, to: i64) {
    let (namespace, name) = place(set);
    kube.store.update(kinds::of("replicasets"), &namespace, &name, |s| s["spec"]["replicas"] = json!(to));
}

/// Evicts pods that are older than `spec.restartAt`, as many as availability allows (rollout/restart.go of argo-rollouts). Answers
/// the time to note, once the last of them was told to go; whether the new ones are ready is not waited for.
fn restart(kube: &mut Kube, rollout: &Value, now: Timestamp) -> Option<String> {
    let noted = || rollout.pointer("/status/restartedAt").and_then(Value::as_str).map(str::to_owned);
    let Some(at) = time(rollout, "/spec/restartAt") else { return noted() };
    if time(rollout, "/status/restartedAt") == Some(at) {
        return noted();
    }
    if now <= at {
        kube.wake(at + SignedDuration::from_millis(1));
        return noted();
    }
    let sets = kube.store.owned("replicasets", rollout);
    let pods: Vec<Arc<Value>> = sets.iter().flat_map(|set| kube.store.owned("pods", set)).collect();
    let total: i64 = sets.iter().map(|set| number(set, "/spec/replicas")).sum();
    let up = pods.iter().filter(|p| !terminating(p) && available(kube, rollout, p, now)).count();
    let wanted = replicas(rollout);
    let most = rollout.pointer("/spec/strategy/canary/maxUnavailable").cloned().unwrap_or_else(|| json!("25%"));
    let least = wanted.max(total) - portion(Some(&most), wanted, false).max(1);
    let mut may_go = i64::try_from(up).unwrap_or_default() - least;
    let mut left = 0;
    for pod in &pods {
        if time(pod, "/metadata/creationTimestamp").is_some_and(|born| born >= at) {
            continue;
        }
        left += 1;
        if may_go > 0 && !terminating(pod) {
            kubelet::delete(kube, pod, None, now);
            may_go -= 1;
            left -= 1;
        }
    }
    if left > 0 {
        kube.wake(now + AGAIN);
        return noted();
    }
    Some(stamp(at))
}

fn report(kube: &mut Kube, rollout: &Value, hash: &str, selector: &Value, restarted: Option<&str>) {
    let sets = kube.store.owned("replicasets", rollout);
    let sum = |field: &str| sets.iter().map(|s| number(s, &format!("/status/{field}"))).sum::<i64>();
    let updated = sets
        .iter()
        .filter(|s| entry(s, "/metadata/labels", HASH) == Some(hash))
        .map(|s| number(s, "/status/replicas"))
        .sum::<i64>();
    let labels: Vec<String> =
        entries(selector, "/matchLabels").map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    let (replicas, all, up) = (replicas(rollout), sum("replicas"), sum("availableReplicas"));
    let restarting = rollout.pointer("/spec/restartAt").is_some_and(|at| at.as_str() != restarted);
    let (phase, message) = if flag(rollout, "/status/abort") {
        ("Degraded", "RolloutAborted: Rollout aborted update to revision 2")
    } else if flag(rollout, "/spec/paused") {
        ("Paused", "manually paused")
    } else if restarting {
        ("Progressing", "rollout is restarting")
    } else if updated < replicas {
        ("Progressing", "more replicas need to be updated")
    } else if up < updated {
        ("Progressing", "updated replicas are still becoming available")
    } else if all > updated {
        ("Progressing", "old replicas are pending termination")
    } else {
        ("Healthy", "")
    };
    write(kube, rollout, |status| {
        let counts = omit_empty(
            json!({
                "observedGeneration": number(rollout, "/metadata/generation").to_string(), "replicas": all, "updatedReplicas": updated,
                "readyReplicas": sum("readyReplicas"), "availableReplicas": up, "HPAReplicas": all, "currentPodHash": hash,
                "stableRS": hash, "selector": labels.join(","), "restartedAt": restarted, "phase": phase, "message": message,
            }),
            &[],
        );
        let abort = status.get("abort").cloned();
        *status = counts;
        if let Some(abort) = abort {
            status["abort"] = abort;
        }
    });
}

/// Writes the status that the controller last saw, changed.
fn write(kube: &mut Kube, rollout: &Value, change: impl FnOnce(&mut Value)) {
    let (namespace, name) = place(rollout);
    kube.store.update(kinds::of("rollouts"), &namespace, &name, |r| {
        object(r, &["status"]);
        change(&mut r["status"]);
    });
}
