//! Deployments: the controller of Kubernetes, in its order of writes, so that a watcher sees the states a real one sees.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Kube,
    controllers::{self, condition, finished, hash, portion, reference, revision_number},
    events::Source,
    json::{array, flag, number, object, omit_empty, stamp, text, time},
    kinds,
    store::place,
};
use crate::State;

const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Lets every Deployment's controller work once.
pub(crate) fn step(state: &mut State, now: Timestamp) {
    controllers::each(state, "deployments", now, |state, deployment| {
        Rollout::new(&mut state.kube, deployment, now).sync();
    });
}

struct Rollout<'k> {
    kube: &'k mut Kube,
    deployment: Arc<Value>,
    replicas: i64,
    surge: i64,
    unavailable: i64,
    now: Timestamp,
}

impl<'k> Rollout<'k> {
    fn new(kube: &'k mut Kube, deployment: Arc<Value>, now: Timestamp) -> Self {
        let replicas = number(&deployment, "/spec/replicas");
        let (mut surge, mut unavailable) = (0, 0);
        if text(&deployment, "/spec/strategy/type") == "RollingUpdate" {
            surge = portion(deployment.pointer("/spec/strategy/rollingUpdate/maxSurge"), replicas, true);
            unavailable = portion(deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable"), replicas, false);
            if surge == 0 && unavailable == 0 {
                unavailable = 1;
            }
        }
        Self { kube, deployment, replicas, surge, unavailable: unavailable.min(replicas), now }
    }

    fn sync(mut self) {
        if self.pause() {
            return;
        }
        if flag(&self.deployment, "/spec/paused") {
            let (new, old) = self.sets();
            // A paused Deployment still scales.
            if let Some(only) = new.as_ref().or(old.last())
                && old.iter().filter(|s| size(s) > 0).count() + usize::from(new.is_some()) <= 1
            {
                self.scale(only, self.replicas);
            }
            self.report(false);
            return;
        }
        if text(&self.deployment, "/spec/strategy/type") == "Recreate" { self.recreate() } else { self.roll() }
    }

    /// The new ReplicaSet, and the old ones by age.
    fn sets(&self) -> (Option<Arc<Value>>, Vec<Arc<Value>>) {
        let mut all = self.kube.store.owned("replicasets", &self.deployment);
        all.sort_by_key(|s| (text(s, "/metadata/creationTimestamp").to_owned(), revision_number(s)));
        let wanted = &self.deployment["spec"]["template"];
        let new = all.iter().position(|set| {
            let mut template = set["spec"]["template"].clone();
            object(&mut template, &["metadata", "labels"]).shift_remove("pod-template-hash");
            template == *wanted
        });
        let new = new.map(|at| all.remove(at));
        (new, all)
    }

    fn roll(&mut self) {
        let (new, old) = self.sets();
        let Some(new) = new else { return self.create(&old) };
        let new = self.adopt_revision(new, &old);
        let total: i64 = old.iter().map(|s| size(s)).sum::<i64>() + size(&new);
        let target = if size(&new) > self.replicas { self.replicas } else { self.target(size(&new), total) };
        if target != size(&new) || self.desired_changed(&new) {
            self.scale(&new, target);
            return self.report(true);
        }
        self.shrink(&new, &old, total);
        self.report(true);
        self.forget_old();
    }

    /// How large the new ReplicaSet may be now.
    fn target(&self, current: i64, total: i64) -> i64 {
        let most = self.replicas + self.surge;
        if total >= most { current } else { current + (most - total).min(self.replicas - current).max(0) }
    }

    /// Scales old ReplicaSets down as far as availability allows.
    fn shrink(&mut self, new: &Value, old: &[Arc<Value>], total: i64) {
        let old_total = total - size(new);
        if old_total == 0 {
            return;
        }
        let least = self.replicas - self.unavailable;
        let unavailable_new = size(new) - number(new, "/status/availableReplicas");
        let mut may_go = total - least - unavailable_new;
        if may_go <= 0 {
            return;
        }
        let mut sizes: Vec<i64> = old.iter().map(|s| size(s)).collect();
        // Pods that serve nobody go first.
        for (at, set) in old.iter().enumerate() {
            let unhealthy = (sizes[at] - number(set, "/status/availableReplicas")).clamp(0, may_go);
            sizes[at] -= unhealthy;
            may_go -= unhealthy;
        }
        let available: i64 = old.iter().map(|s| number(s, "/status/availableReplicas")).sum::<i64>()
            + number(new, "/status/availableReplicas");
        let mut surplus = (available - least).max(0);
        for size_ in &mut sizes {
            let goes = (*size_).min(surplus);
            *size_ -= goes;
            surplus -= goes;
        }
        for (set, size_) in old.iter().zip(sizes) {
            self.scale(set, size_);
        }
    }

    fn recreate(&mut self) {
        let (new, old) = self.sets();
        // One that is there already becomes the newest before any pod ends (getAllReplicaSetsAndSyncRevision).
        let new = new.map(|new| self.adopt_revision(new, &old));
        if old.iter().any(|s| size(s) > 0) {
            for set in &old {
                self.scale(set, 0);
            }
            return self.report(true);
        }
        let lingers = old.iter().any(|set| self.kube.store.owned("pods", set).iter().any(|p| !finished(p)));
        if lingers {
            return self.report(true);
        }
        let Some(new) = new else { return self.create(&old) };
        self.scale(&new, self.replicas);
        self.report(true);
        self.forget_old();
    }

    /// Makes the new ReplicaSet. The status follows in a later step, as the real controller's second write conflicts with its first.
    fn create(&mut self, old: &[Arc<Value>]) {
        let deployment = self.deployment.clone();
        let (namespace, name) = place(&deployment);
        let mut template = deployment["spec"]["template"].clone();
        let hash = hash(&template);
        controllers::label(&mut template, "pod-template-hash", &hash);
        let mut selector = deployment["spec"]["selector"].clone();
        object(&mut selector, &["matchLabels"]).insert("pod-template-hash".into(), json!(hash));
        let total: i64 = old.iter().map(|s| size(s)).sum();
        let replicas =
            if text(&deployment, "/spec/strategy/type") == "Recreate" { self.replicas } else { self.target(0, total) };
        let revision = (old.iter().map(|s| revision_number(s)).max().unwrap_or(0) + 1).to_string();
        let set_name = format!("{name}-{hash}");
        let mut set = json!({
            "kind": "ReplicaSet", "apiVersion": "apps/v1",
            "metadata": {
                "name": set_name, "namespace": namespace, "labels": template["metadata"]["labels"],
                "annotations": {DESIRED: self.replicas.to_string(), "deployment.kubernetes.io/max-replicas": (self.replicas + self.surge).to_string(), REVISION: revision},
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template},
            "status": {"replicas": 0},
        });
        if let Some(seconds) = deployment.pointer("/spec/minReadySeconds") {
            set["spec"]["minReadySeconds"] = seconds.clone();
        }
        array(&mut set, &["metadata"], "ownerReferences").push(reference(kinds::of("deployments"), &deployment));
        self.kube.store.add(kinds::of("replicasets"), set, self.now);
        self.scaled(&set_name, 0, replicas);
        let now = self.now;
        self.kube.store.update(kinds::of("deployments"), &namespace, &name, |d| {
            object(d, &["metadata", "annotations"]).insert(REVISION.into(), json!(revision));
            let message = format!("Created new replica set \"{set_name}\"");
            set_condition(d, "Progressing", "True", "NewReplicaSetCreated", &message, now, true);
        });
    }

    /// A ReplicaSet that is used again gets the next revision number.
    fn adopt_revision(&mut self, new: Arc<Value>, old: &[Arc<Value>]) -> Arc<Value> {
        let next = old.iter().map(|s| revision_number(s)).max().unwrap_or(0) + 1;
        let revision = next.max(revision_number(&new)).to_string();
        let (namespace, name) = place(&new);
        let changed = self.kube.store.update(kinds::of("replicasets"), &namespace, &name, |s| {
            object(s, &["metadata", "annotations"]).insert(REVISION.into(), json!(revision));
        });
        let (namespace, name) = place(&self.deployment);
        self.kube.store.update(kinds::of("deployments"), &namespace, &name, |d| {
            object(d, &["metadata", "annotations"]).insert(REVISION.into(), json!(revision));
        });
        changed.unwrap_or(new)
    }

    fn desired_changed(&self, set: &Value) -> bool {
        super::json::entry(set, "/metadata/annotations", DESIRED) != Some(&self.replicas.to_string())
    }

    fn scale(&mut self, set: &Value, to: i64) {
        let (namespace, name) = place(set);
        let (replicas, most) = (self.replicas, self.replicas + self.surge);
        self.scaled(&name, size(set), to);
        self.kube.store.update(kinds::of("replicasets"), &namespace, &name, |s| {
            s["spec"]["replicas"] = json!(to);
            let annotations = object(s, &["metadata", "annotations"]);
            annotations.insert(DESIRED.into(), json!(replicas.to_string()));
            annotations.insert("deployment.kubernetes.io/max-replicas".into(), json!(most.to_string()));
        });
    }

    /// Tells of another size of a ReplicaSet.
    fn scaled(&mut self, set: &str, from: i64, to: i64) {
        if from != to {
            let way = if to > from { "up" } else { "down" };
            let message = format!("Scaled {way} replica set {set} from {from} to {to}");
            let deployment = self.deployment.clone();
            let source = Source::Component("deployment-controller");
            self.kube.tell(source, &deployment, "ScalingReplicaSet", &message, self.now);
        }
    }

    /// Deletes old ReplicaSets beyond the history limit, once all is complete.
    fn forget_old(&mut self) {
        let (_, old) = self.sets();
        let limit = usize::try_from(number(&self.deployment, "/spec/revisionHistoryLimit")).unwrap_or(10);
        let mut idle: Vec<&Arc<Value>> =
            old.iter().filter(|s| size(s) == 0 && number(s, "/status/replicas") == 0).collect();
        idle.sort_by_key(|s| revision_number(s));
        let surplus = idle.len().saturating_sub(limit);
        for set in &idle[..surplus] {
            let (namespace, name) = place(set);
            self.kube.store.remove(kinds::of("replicasets"), &namespace, &name);
        }
    }

    /// Notes a pause, or its end, in the Progressing condition; true when that was written.
    fn pause(&mut self) -> bool {
        let paused = flag(&self.deployment, "/spec/paused");
        let reason = condition(&self.deployment, "Progressing").map(|c| text(c, "/reason").to_owned());
        let (reason, message) = match (paused, reason.as_deref()) {
            (true, Some("DeploymentPaused" | "ProgressDeadlineExceeded")) => return false,
            (true, _) => ("DeploymentPaused", "Deployment is paused"),
            (false, Some("DeploymentPaused")) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return false,
        };
        let (namespace, name) = place(&self.deployment);
        let now = self.now;
        self.kube.store.update(kinds::of("deployments"), &namespace, &name, |d| {
            set_condition(d, "Progressing", "Unknown", reason, message, now, false);
        });
        true
    }

    /// Writes the status from the ReplicaSets as they are now.
    fn report(&mut self, rolling: bool) {
        let (new, old) = self.sets();
        let sum = |pointer: &str| {
            old.iter().map(|s| number(s, pointer)).sum::<i64>() + new.as_ref().map_or(0, |s| number(s, pointer))
        };
        let available = sum("/status/availableReplicas");
        let mut after = Value::clone(&self.deployment);
        if let Some(stored) = self.kube.store.get("deployments", &place(&self.deployment).0, &place(&self.deployment).1)
        {
            after = Value::clone(stored);
        }
        let conditions = after.pointer("/status/conditions").cloned();
        let mut status = omit_empty(
            json!({
                "observedGeneration": number(&self.deployment, "/metadata/generation"),
                "replicas": sum("/status/replicas"),
                "updatedReplicas": new.as_ref().map_or(0, |s| number(s, "/status/replicas")),
                "readyReplicas": sum("/status/readyReplicas"),
                "availableReplicas": available,
                "unavailableReplicas": (sum("/spec/replicas") - available).max(0),
                "terminatingReplicas": sum("/status/terminatingReplicas"),
            }),
            &["terminatingReplicas"],
        );
        if let Some(conditions) = conditions {
            status["conditions"] = conditions;
        }
        let before = std::mem::replace(&mut after["status"], status);
        let (status, reason, message) = if available >= self.replicas - self.unavailable {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        set_condition(&mut after, "Available", status, reason, message, self.now, false);
        let failing = new.iter().chain(&old).find_map(|s| condition(s, "ReplicaFailure")).cloned();
        match failing {
            Some(failing) => {
                set_condition(
                    &mut after,
                    "ReplicaFailure",
                    "True",
                    text(&failing, "/reason"),
                    text(&failing, "/message"),
                    self.now,
                    false,
                );
            }
            None => {
                if let Some(all) = after.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
                    all.retain(|c| text(c, "/type") != "ReplicaFailure");
                }
            }
        }
        if rolling {
            self.progress(&mut after, &before, new.as_deref());
        }
        let (namespace, name) = place(&self.deployment);
        self.kube.store.update(kinds::of("deployments"), &namespace, &name, |d| *d = after);
    }

    /// The Progressing condition.
    fn progress(&mut self, after: &mut Value, before: &Value, new: Option<&Value>) {
        let count = |status: &Value, field: &str| number(status, &format!("/{field}"));
        let status = after["status"].clone();
        let (replicas, updated) = (count(&status, "replicas"), count(&status, "updatedReplicas"));
        let current = condition(after, "Progressing").cloned();
        let reason = current.as_ref().map_or("", |c| text(c, "/reason")).to_owned();
        if replicas == updated && reason == "NewReplicaSetAvailable" {
            return;
        }
        let who = match new {
            Some(new) => format!("ReplicaSet \"{}\"", text(new, "/metadata/name")),
            None => format!("Deployment \"{}\"", text(after, "/metadata/name")),
        };
        let complete = updated == self.replicas
            && replicas == self.replicas
            && count(&status, "availableReplicas") == self.replicas;
        let grew = |field: &str| count(&status, field) > count(before, field);
        let progresses = grew("updatedReplicas")
            || replicas - updated < count(before, "replicas") - count(before, "updatedReplicas")
            || grew("readyReplicas")
            || grew("availableReplicas");
        if complete {
            let message = format!("{who} has successfully progressed.");
            set_condition(after, "Progressing", "True", "NewReplicaSetAvailable", &message, self.now, false);
        } else if progresses {
            let message = format!("{who} is progressing.");
            set_condition(after, "Progressing", "True", "ReplicaSetUpdated", &message, self.now, true);
        } else if let Some(current) = current
            && !matches!(reason.as_str(), "NewReplicaSetAvailable" | "ProgressDeadlineExceeded")
        {
            let since = time(&current, "/lastUpdateTime").unwrap_or(self.now);
            let deadline = since + SignedDuration::from_secs(number(after, "/spec/progressDeadlineSeconds"));
            if deadline <= self.now {
                let message = format!("{who} has timed out progressing.");
                set_condition(after, "Progressing", "False", "ProgressDeadlineExceeded", &message, self.now, false);
            } else {
                self.kube.wake(deadline);
            }
        } else {
            // Nothing to note.
        }
        if !complete
            && let Some(current) = condition(after, "Progressing")
            && matches!(text(current, "/reason"), "ReplicaSetUpdated" | "NewReplicaSetCreated" | "DeploymentResumed")
        {
            let since = time(current, "/lastUpdateTime").unwrap_or(self.now);
            let deadline = since + SignedDuration::from_secs(number(after, "/spec/progressDeadlineSeconds"));
            if deadline > self.now {
                self.kube.wake(deadline);
            }
        }
    }
}

fn size(set: &Value) -> i64 {
    number(set, "/spec/replicas")
}

/// Sets a condition; without `renew`, one with the same status and reason is left as it is.
fn set_condition(d: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp, renew: bool) {
    let all = array(d, &["status"], "conditions");
    let at = all.iter().position(|c| text(c, "/type") == kind);
    let mut since = stamp(now);
    if let Some(at) = at {
        let same_status = text(&all[at], "/status") == status;
        if same_status && text(&all[at], "/reason") == reason && !renew {
            return;
        }
        if same_status {
            text(&all[at], "/lastTransitionTime").clone_into(&mut since);
        }
        all.remove(at);
    }
    all.push(json!({"type": kind, "status": status, "lastUpdateTime": stamp(now), "lastTransitionTime": since, "reason": reason, "message": message}));
}
