//! The Kubernetes side: two API servers behind one address, the controllers, the webhook, the agent, and pods that behave as their apps would.

mod addon_pods;
mod admission;
mod agent;
mod api;
mod app;
mod argo;
mod auth;
mod controllers;
mod daemons;
mod defaults;
mod discovery;
mod events;
mod failure;
mod json;
mod kinds;
mod kubelet;
mod limits;
mod logs;
mod nodes;
mod patch;
mod pod_status;
mod protobuf;
mod rollout;
mod schedule;
mod select;
mod sets;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod watch;
mod webhook;
mod writes;

use std::{collections::HashMap, io, sync::Arc};

pub(crate) use self::tokens::issuer;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    State,
    http::{Body, Named, Req},
    scenario::Scenario,
    state::World,
};

/// Everything on the Kubernetes side.
pub struct Kube {
    store: store::Store,
    signer: tokens::Signer,
    /// What the kubelets know of each pod, by its uid.
    runs: HashMap<String, kubelet::Run>,
    /// Controllers' own memory: when to try again, by uid.
    retries: HashMap<String, Timestamp>,
    /// What each controller saw of an object when it ran last, and when it wants to run again.
    synced: HashMap<String, (Vec<u64>, Option<Timestamp>)>,
    /// What was told in events.
    events: events::Events,
    /// Removals up to which garbage was collected.
    collected: u64,
    /// Workloads of the scenario that `settle` creates, with their age in seconds.
    backlog: Vec<(i64, Value)>,
    /// Pods that the webhook meant to inject.
    injections: u64,
    /// Pods that the controllers created, by turns through the two API servers.
    turns: usize,
    /// Nodes that the scheduler gave out.
    round: usize,
    /// Resource version up to which the controllers have worked.
    worked: u64,
    /// When something happens by itself next.
    due: Option<Timestamp>,
    /// The scenario has a Rollout: the API serves the kind.
    argo: bool,
    /// Counts the times that all watches were cut.
    epoch: u64,
    /// True while the pretend past runs: crash back-offs are as long as a real kubelet's.
    settling: bool,
}

/// What a service account token says.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub namespace: String,
    pub service_account: String,
    pub pod: Option<(String, String)>,
    pub audience: String,
    pub expires: Timestamp,
}

/// Seconds from the start of a world back to that of its nodes and agents, and to that of its workloads.
const NODES_AGE: i64 = 900;
const WORKLOADS_AGE: i64 = 600;

impl Kube {
    pub(crate) fn new(scenario: &Scenario, now: Timestamp) -> io::Result<Self> {
        let mut kube = Self {
            store: store::Store::new(&scenario.about),
            signer: tokens::Signer::new(scenario)?,
            runs: HashMap::new(),
            retries: HashMap::new(),
            synced: HashMap::new(),
            events: events::Events::default(),
            collected: 0,
            backlog: Vec::new(),
            injections: 0,
            turns: 0,
            round: 0,
            worked: 0,
            due: None,
            argo: false,
            epoch: 0,
            settling: false,
        };
        for manifest in &scenario.manifests {
            let kind = kinds::of_object(manifest).ok_or_else(|| {
                io::Error::other(format!("manifest of unknown kind {} {}", manifest["apiVersion"], manifest["kind"]))
            })?;
            kube.argo |= kind.group == argo::GROUP;
            let workload = matches!(
                kind.resource,
                "pods" | "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "rollouts"
            );
            let usual = if workload { WORKLOADS_AGE } else { NODES_AGE };
            let age = json::entry(manifest, "/metadata/annotations", "sandbox.podid.dev/age-s");
            let age = age.and_then(|a| a.parse().ok()).unwrap_or(usual);
            kube.backlog.push((age, manifest.clone()));
        }
        let own = |manifest: &Value| {
            json::text(manifest, "/kind") == "MutatingWebhookConfiguration"
                && json::text(manifest, "/metadata/name") == webhook::CONFIGURATION
        };
        if scenario.webhook.enabled && !scenario.manifests.iter().any(own) {
            // Older than every pod: EKS makes it with the cluster.
            let oldest = kube.backlog.iter().map(|(age, _)| *age).max().unwrap_or(NODES_AGE).max(NODES_AGE);
            kube.backlog.push((oldest + 1, webhook_configuration()));
        }
        let agent = scenario.addons.iter().find(|addon| {
            addon.name == agent::NAME
                && addon.cluster.as_ref().is_none_or(|c| *c == scenario.cluster().name)
                && !matches!(addon.status.as_str(), "CREATING" | "CREATE_FAILED" | "DELETING")
        });
        if let Some(addon) = agent {
            kube.backlog.push((NODES_AGE, agent::daemon_set(&addon.version, addon.configuration.as_deref())));
        }
        // Namespaces come before what is in them, the oldest objects first.
        kube.backlog.sort_by_key(|(age, object)| (json::text(object, "/kind") != "Namespace", -age));
        // A secret's text form exists only in manifests.
        for (_, object) in &mut kube.backlog {
            if let Some(Value::Object(plain)) = object.as_object_mut().and_then(|o| o.shift_remove("stringData")) {
                use base64::{Engine, engine::general_purpose::STANDARD};
                for (key, value) in plain {
                    let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
                    json::object(object, &["data"]).insert(key, json!(encoded));
                }
            }
        }
        let _ = now;
        Ok(kube)
    }

    /// Reads and verifies a service account token that this cluster issued (not its expiry or audience); the error is text.
    pub(crate) fn read_token(&self, token: &str) -> Result<Claims, String> {
        self.claims(token)
    }

    /// Applies the DaemonSet of the agent add-on; what somebody else set stays with `preserve`.
    pub(crate) fn set_agent(&mut self, version: &str, configuration: Option<&str>, preserve: bool, now: Timestamp) {
        agent::set(self, Some(version), configuration, preserve, now);
    }

    /// Deletes it.
    pub(crate) fn remove_agent(&mut self, now: Timestamp) {
        agent::set(self, None, None, false, now);
    }

    /// The field of the agent's DaemonSet that somebody else has set since the add-on applied it.
    pub(crate) fn agent_changed(&self, now: Timestamp) -> Option<String> {
        agent::changed(self, now)
    }

    /// Rolls the workloads of these service accounts out again.
    pub(crate) fn roll(&mut self, namespace: &str, accounts: &[String], now: Timestamp) {
        addon_pods::roll(self, namespace, accounts, now);
    }

    /// Whether they have been rolled out.
    pub(crate) fn rolled_out(&self, namespace: &str, accounts: &[String]) -> bool {
        addon_pods::rolled_out(self, namespace, accounts)
    }

    /// Desired pods of a DaemonSet, and those that are ready as it is now: what a rollout has not come to yet does not count.
    pub(crate) fn daemon_set(&self, namespace: &str, name: &str) -> Option<(u64, u64)> {
        let set = self.store.get("daemonsets", namespace, name)?;
        let count = |field| u64::try_from(json::number(set, field)).unwrap_or_default();
        let seen = json::number(set, "/status/observedGeneration") >= json::number(set, "/metadata/generation");
        let ready = count("/status/numberReady").min(count("/status/updatedNumberScheduled"));
        Some((count("/status/desiredNumberScheduled"), if seen { ready } else { 0 }))
    }

    /// Whether the API serves a group: custom resources only where the scenario has one.
    pub(crate) fn serves(&self, group: &str) -> bool {
        group != argo::GROUP || self.argo
    }

    /// An object as it is now.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.store.get(kinds::of(resource).resource, namespace, name).map(|o| Value::clone(o))
    }

    /// The objects of a resource as they are now; of all namespaces with `""`.
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        self.store.list(kinds::of(resource).resource, namespace).map(|o| Value::clone(o)).collect()
    }

    /// Changes an object behind everyone's back; false when it is not there.
    pub fn edit(&mut self, resource: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.store.update(kinds::of(resource), namespace, name, change).is_some()
    }

    /// Takes an object away at once.
    pub fn remove(&mut self, resource: &str, namespace: &str, name: &str) -> bool {
        self.store.remove(kinds::of(resource), namespace, name).is_some()
    }

    /// The last log line of each pod of a namespace that is not ending: of the run before, when its container waits to
    /// start again. Pod name and line.
    pub fn last_log_lines(&self, namespace: &str) -> Vec<(String, String)> {
        let last = |(pod, mut lines): (String, Vec<String>)| Some((pod, lines.pop()?));
        self.log_lines(namespace).into_iter().filter_map(last).collect()
    }

    /// All log lines of each of these pods. Pod name and lines.
    pub fn log_lines(&self, namespace: &str) -> Vec<(String, Vec<String>)> {
        let pods = self.list("pods", namespace);
        let living = pods.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        living
            .filter_map(|pod| {
                let container = json::text(pod, "/spec/containers/0/name");
                let log = [false, true].into_iter().find_map(|previous| {
                    kubelet::log(self, pod, container, previous).ok().filter(|lines| lines.len() > 1)
                })?;
                Some((json::text(pod, "/metadata/name").to_owned(), log.into_iter().map(|line| line.1).collect()))
            })
            .collect()
    }

    /// Forgets the history: watches and paged lists that began before are expired.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// Cuts all watches, as an API server's restart does.
    pub fn end_watches(&mut self) {
        self.epoch += 1;
        self.store.touch();
    }
}

/// The managed webhook as it is seen in a cluster.
fn webhook_configuration() -> Value {
    json!({
        "kind": "MutatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "pod-identity-webhook"},
        "webhooks": [{
            "name": "iam-for-pods.amazonaws.com", "clientConfig": {"url": "https://127.0.0.1:23443/mutate"},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}],
            "failurePolicy": "Ignore", "matchPolicy": "Equivalent", "namespaceSelector": {},
            "objectSelector": {"matchExpressions": [{"key": "eks.amazonaws.com/skip-pod-identity-webhook", "operator": "DoesNotExist"}]},
            "sideEffects": "None", "timeoutSeconds": 10, "admissionReviewVersions": ["v1beta1"], "reinvocationPolicy": "IfNeeded",
        }],
    })
}

/// Names a request before it is carried out: `VERB RESOURCE`.
pub(crate) fn name(req: &Req) -> Named {
    let call = api::Call::read(req);
    Named { service: "kubernetes".into(), operation: call.operation(), write: call.writes() }
}

/// Carries a request out.
#[expect(clippy::unused_async, reason = "both sides have one signature")]
pub(crate) async fn handle(world: &Arc<World>, req: Req) -> Response<Body> {
    api::answer(world, &req).unwrap_or_else(|failure| failure.answer())
}

/// A `Status` answer.
pub(crate) fn error(status: u16, reason: &str, message: &str) -> Response<Body> {
    failure::Failure::new(status, reason, message).answer()
}

/// What the apps of a namespace's pods could do now.
pub(crate) fn acting(
    state: &mut State,
    scenario: &Scenario,
    namespace: &str,
    now: Timestamp,
) -> Vec<(String, Result<String, String>)> {
    let ended = |pod: &Value| matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed");
    let mut pods = state.kube.list("pods", namespace);
    pods.retain(|pod| pod["metadata"].get("deletionTimestamp").is_none() && !ended(pod));
    let acts = |pod: &Value| (json::text(pod, "/metadata/name").to_owned(), app::acts(state, scenario, pod, now));
    pods.iter().map(acts).collect()
}

/// Lets the controllers, kubelets and apps do one step.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    // Each round does what the round before made possible; a world that moves for ever is stopped.
    for _ in 0..200 {
        let idle = state.kube.worked == state.kube.store.rv() && state.kube.due.is_none_or(|due| due > now);
        if idle {
            return;
        }
        state.kube.worked = state.kube.store.rv();
        state.kube.due = None;
        nodes::step(state, now);
        rollout::step(state, now);
        argo::step(state, now);
        sets::step(state, scenario, now);
        daemons::step(state, scenario, now);
        controllers::step(state, scenario, now);
        kubelet::step(state, scenario, now);
    }
}

/// Runs the controllers of a new world until nothing moves: its pods are as old as its manifests say.
pub(crate) fn settle(state: &mut State, scenario: &Scenario, now: Timestamp) {
    state.kube.settling = true;
    let mut backlog = std::mem::take(&mut state.kube.backlog);
    backlog.sort_by_key(|(age, object)| (json::text(object, "/kind") != "Namespace", -age));
    let oldest = backlog.iter().map(|(age, _)| *age).max().unwrap_or(NODES_AGE).max(NODES_AGE);
    let mut time = now - SignedDuration::from_secs(oldest);
    for (age, manifest) in backlog {
        let begins =
            now - SignedDuration::from_secs(if json::text(&manifest, "/kind") == "Namespace" { oldest } else { age });
        if begins > time {
            time = run(state, scenario, time, begins);
        }
        if let Some(kind) = kinds::of_object(&manifest) {
            let namespace = json::text(&manifest, "/metadata/namespace").to_owned();
            let namespace = if kind.namespaced && namespace.is_empty() { "default".to_owned() } else { namespace };
            let origin = admission::Origin { server: 0, dry_run: false, now: time };
            // What admission refuses is not in this world, as it would not be in a real one.
            let _ = admission::create(state, scenario, kind, &namespace, manifest, origin);
        }
    }
    run(state, scenario, time, now);
    state.kube.settling = false;
    kubelet::settled(state, scenario, now);
}

/// Lets a pretend past run, from event to event.
fn run(state: &mut State, scenario: &Scenario, mut from: Timestamp, until: Timestamp) -> Timestamp {
    loop {
        step(state, scenario, from);
        match state.kube.due {
            Some(due) if due <= until => from = due.max(from),
            _ => return until,
        }
    }
}

/// A kubeconfig with a token of the first caller.
pub(crate) fn kubeconfig(world: &World, url: &str) -> String {
    auth::kubeconfig(world, url)
}
