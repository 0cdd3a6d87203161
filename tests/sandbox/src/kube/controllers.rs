//! ReplicaSets, the garbage collector, and what all controllers share.

use std::{collections::HashSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Kube,
    admission::{self, Origin},
    events::Source,
    failure::Failure,
    json::{array, entry, list, number, object, omit_empty, stamp, text, time},
    kinds::{self, Kind},
    kubelet, store,
};
use crate::{State, scenario::Scenario};

const TELLS: Source<'_> = Source::Component("replicaset-controller");

/// How soon a controller tries again what was refused.
const RETRY: SignedDuration = SignedDuration::from_millis(250);

/// Runs a controller for each of its objects, but for those of which nothing has changed since it ran last.
pub(crate) fn each(
    state: &mut State,
    resource: &'static str,
    now: Timestamp,
    mut sync: impl FnMut(&mut State, Arc<Value>),
) {
    let all: Vec<Arc<Value>> = state.kube.store.list(resource, "").cloned().collect();
    for object in all {
        let uid = text(&object, "/metadata/uid").to_owned();
        let seen = state.kube.store.fingerprint(&object);
        if let Some((last, due)) = state.kube.synced.get(&uid)
            && *last == seen
            && due.is_none_or(|due| due > now)
        {
            if let Some(due) = *due {
                state.kube.wake(due);
            }
            continue;
        }
        let others = state.kube.due.take();
        sync(state, object);
        let own = state.kube.due;
        if let Some(others) = others {
            state.kube.wake(others);
        }
        state.kube.synced.insert(uid, (seen, own));
    }
}

/// The reference to a controller.
pub(crate) fn reference(kind: &Kind, owner: &Value) -> Value {
    json!({"apiVersion": kind.api_version(), "kind": kind.kind, "name": text(owner, "/metadata/name"),
        "uid": text(owner, "/metadata/uid"), "controller": true, "blockOwnerDeletion": true})
}

/// A short hash of a template, as names carry it.
pub(crate) fn hash(template: &Value) -> String {
    store::safe(&Sha256::digest(template.to_string())[..10])
}

pub(crate) fn terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub(crate) fn finished(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(crate) fn active(pod: &Value) -> bool {
    !terminating(pod) && !finished(pod)
}

pub(crate) fn condition<'v>(value: &'v Value, kind: &str) -> Option<&'v Value> {
    list(value, "/status/conditions").iter().find(|c| text(c, "/type") == kind)
}

pub(crate) fn ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|c| text(c, "/status") == "True")
}

/// Ready for at least `minReadySeconds`; notes when that will be.
pub(crate) fn available(kube: &mut Kube, owner: &Value, pod: &Value, now: Timestamp) -> bool {
    let seconds = number(owner, "/spec/minReadySeconds");
    if !ready(pod) || seconds == 0 {
        return ready(pod);
    }
    let since = condition(pod, "Ready").and_then(|c| time(c, "/lastTransitionTime")).unwrap_or(now);
    let from = since + SignedDuration::from_secs(seconds);
    if from > now {
        kube.wake(from);
    }
    from <= now
}

impl Kube {
    /// Asks for a step at this time.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// False until the time to try again has come.
    fn may_try(&mut self, uid: &str, now: Timestamp) -> bool {
        match self.retries.get(uid) {
            Some(at) if *at > now => {
                let at = *at;
                self.wake(at);
                false
            }
            _ => true,
        }
    }
}

/// Creates a pod of a workload from its template.
pub(crate) fn create_pod(
    state: &mut State,
    scenario: &Scenario,
    owner: (&Kind, &Value),
    shape: impl FnOnce(&mut Value),
    now: Timestamp,
) -> Result<Arc<Value>, Failure> {
    let (kind, owner) = owner;
    let uid = text(owner, "/metadata/uid").to_owned();
    if !state.kube.may_try(&uid, now) {
        return Err(Failure::new(429, "TooManyRequests", ""));
    }
    let template = &owner["spec"]["template"];
    let mut pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {}, "spec": template["spec"]});
    for field in ["labels", "annotations"] {
        if let Some(value) = template["metadata"].get(field) {
            pod["metadata"][field] = value.clone();
        }
    }
    array(&mut pod, &["metadata"], "ownerReferences").push(reference(kind, owner));
    shape(&mut pod);
    state.kube.turns += 1;
    let origin = Origin { server: state.kube.turns % 2, dry_run: false, now };
    let namespace = text(owner, "/metadata/namespace").to_owned();
    match admission::create(state, scenario, kinds::of("pods"), &namespace, pod, origin) {
        Ok(pod) => {
            state.kube.retries.remove(&uid);
            Ok(pod)
        }
        Err(failure) => {
            state.kube.retries.insert(uid, now + RETRY);
            state.kube.wake(now + RETRY);
            Err(failure)
        }
    }
}

/// Sets the labels of a new pod.
pub(crate) fn label(pod: &mut Value, key: &str, value: &str) {
    object(pod, &["metadata", "labels"]).insert(key.to_owned(), json!(value));
}

/// Lets ReplicaSets and the garbage collector work.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    if state.kube.collected != state.kube.store.removals() {
        state.kube.collected = state.kube.store.removals();
        collect_garbage(&mut state.kube, now);
    }
    each(state, "replicasets", now, |state, set| {
        let pods = state.kube.store.owned("pods", &set);
        replica_set(state, scenario, &set, &pods, now);
    });
}

fn replica_set(state: &mut State, scenario: &Scenario, set: &Value, pods: &[Arc<Value>], now: Timestamp) {
    let wanted = usize::try_from(number(set, "/spec/replicas")).unwrap_or_default();
    let mut living: Vec<&Arc<Value>> = pods.iter().filter(|p| active(p)).collect();
    let kind = kinds::of("replicasets");
    let name = text(set, "/metadata/name").to_owned();
    let mut refused = None;
    if living.len() < wanted {
        for _ in living.len()..wanted {
            let shape = |pod: &mut Value| {
                object(pod, &["metadata"]).insert("generateName".into(), json!(format!("{name}-")));
            };
            match create_pod(state, scenario, (kind, set), shape, now) {
                Ok(pod) => {
                    let message = format!("Created pod: {}", text(&pod, "/metadata/name"));
                    state.kube.tell(TELLS, set, "SuccessfulCreate", &message, now);
                }
                Err(failure) => {
                    if failure.code != 429 {
                        let message = format!("Error creating: {}", failure.message);
                        state.kube.warn(TELLS, set, "FailedCreate", &message, now);
                    }
                    refused = Some(failure);
                    break;
                }
            }
        }
    } else if living.len() > wanted {
        // Whom nobody will miss goes first: without a node, pending, not ready, often restarted, young.
        living.sort_by_key(|p| {
            (
                !text(p, "/spec/nodeName").is_empty(),
                text(p, "/status/phase") == "Running",
                ready(p),
                -number(p, "/status/containerStatuses/0/restartCount"),
                std::cmp::Reverse(number_of_version(p)),
            )
        });
        for pod in &living[..living.len() - wanted] {
            kubelet::delete(&mut state.kube, pod, None, now);
            let message = format!("Deleted pod: {}", text(pod, "/metadata/name"));
            state.kube.tell(TELLS, set, "SuccessfulDelete", &message, now);
        }
    }
    let namespace = text(set, "/metadata/namespace");
    let pods = state.kube.store.owned("pods", set);
    let counted: Vec<&Arc<Value>> = pods.iter().filter(|p| active(p)).collect();
    let are_available = counted.iter().filter(|p| available(&mut state.kube, set, p, now)).count();
    let leaving = pods.iter().filter(|p| terminating(p) && !finished(p)).count();
    let mut status = omit_empty(
        json!({
            "replicas": counted.len(), "fullyLabeledReplicas": counted.len(),
            "readyReplicas": counted.iter().filter(|p| ready(p)).count(), "availableReplicas": are_available,
            "terminatingReplicas": leaving, "observedGeneration": number(set, "/metadata/generation"),
        }),
        &["replicas", "terminatingReplicas"],
    );
    let old = condition(set, "ReplicaFailure");
    let failing = match refused {
        Some(failure) if failure.code == 429 => old.cloned(),
        Some(failure) => {
            let since = old.map_or_else(|| stamp(now), |c| text(c, "/lastTransitionTime").to_owned());
            Some(
                json!({"type": "ReplicaFailure", "status": "True", "lastTransitionTime": since, "reason": "FailedCreate", "message": failure.message}),
            )
        }
        None => None,
    };
    if let Some(failing) = failing {
        status["conditions"] = json!([failing]);
    }
    state.kube.store.update(kind, namespace, &name, |o| o["status"] = status);
}

/// Creation order: times are whole seconds, resource versions only grow.
fn number_of_version(pod: &Value) -> (String, String) {
    (text(pod, "/metadata/creationTimestamp").to_owned(), text(pod, "/metadata/name").to_owned())
}

/// Deletes what lost its owner.
fn collect_garbage(kube: &mut Kube, now: Timestamp) {
    let mut living: HashSet<String> = HashSet::new();
    let owners = ["deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs", "rollouts"];
    for resource in owners {
        living.extend(kube.store.list(resource, "").map(|o| text(o, "/metadata/uid").to_owned()));
    }
    for resource in ["replicasets", "controllerrevisions", "pods"] {
        let orphans: Vec<Arc<Value>> = kube
            .store
            .list(resource, "")
            .filter(|o| {
                let mut refs = list(o, "/metadata/ownerReferences").iter();
                refs.any(|r| {
                    owners.iter().any(|k| kinds::of(k).kind == text(r, "/kind")) && !living.contains(text(r, "/uid"))
                })
            })
            .cloned()
            .collect();
        for orphan in orphans {
            if resource == "pods" {
                if !terminating(&orphan) {
                    kubelet::delete(kube, &orphan, None, now);
                }
            } else {
                kube.store.remove(
                    kinds::of(resource),
                    text(&orphan, "/metadata/namespace"),
                    text(&orphan, "/metadata/name"),
                );
            }
        }
    }
}

/// Finds or makes the ControllerRevision of a template; answers its name and hash, and how many there are.
pub(crate) fn revision(kube: &mut Kube, kind: &'static Kind, owner: &Value, now: Timestamp) -> (String, String) {
    let revisions = kinds::of("controllerrevisions");
    let (namespace, name) = store::place(owner);
    let mut template = owner["spec"]["template"].clone();
    object(&mut template, &[]).insert("$patch".into(), json!("replace"));
    let all = kube.store.owned("controllerrevisions", owner);
    let newest = all.iter().map(|r| number(r, "/revision")).max().unwrap_or(0);
    let found = all.iter().find(|r| r.pointer("/data/spec/template") == Some(&template));
    if let Some(found) = found {
        let found_name = text(found, "/metadata/name").to_owned();
        if number(found, "/revision") < newest {
            kube.store.update(revisions, &namespace, &found_name, |r| r["revision"] = json!(newest + 1));
        }
        let hash = found_name.strip_prefix(&format!("{name}-")).unwrap_or_default().to_owned();
        return (found_name, hash);
    }
    let hash = hash(&template);
    let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let key =
        if kind.resource == "statefulsets" { "controller.kubernetes.io/hash" } else { "controller-revision-hash" };
    labels[key] = json!(hash);
    let mut new = json!({
        "kind": "ControllerRevision", "apiVersion": "apps/v1",
        "metadata": {"name": format!("{name}-{hash}"), "namespace": namespace, "labels": labels},
        "data": {"spec": {"template": template}}, "revision": newest + 1,
    });
    if let Some(annotations) = owner["metadata"].get("annotations") {
        new["metadata"]["annotations"] = annotations.clone();
    }
    array(&mut new, &["metadata"], "ownerReferences").push(reference(kind, owner));
    kube.store.add(revisions, new, now);
    (format!("{name}-{hash}"), hash)
}

/// A number or a percentage of `total`.
pub(crate) fn portion(value: Option<&Value>, total: i64, up: bool) -> i64 {
    match value {
        Some(Value::Number(n)) => n.as_i64().unwrap_or_default(),
        Some(Value::String(s)) => match s.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()) {
            Some(percent) if up => (total * percent + 99) / 100,
            Some(percent) => total * percent / 100,
            None => s.parse().unwrap_or_default(),
        },
        _ => 0,
    }
}

/// The revision annotation of a Deployment or ReplicaSet.
pub(crate) fn revision_number(object: &Value) -> i64 {
    entry(object, "/metadata/annotations", "deployment.kubernetes.io/revision")
        .and_then(|r| r.parse().ok())
        .unwrap_or(0)
}
