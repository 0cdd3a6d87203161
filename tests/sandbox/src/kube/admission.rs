//! The way of a new object: namespace, limits, service account, webhooks, validation, Pod Security, quota.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    defaults,
    failure::Failure,
    json::{array, default, entries, entry, flag, list, object, text},
    kinds::{self, Kind},
    limits, webhook,
};
use crate::{State, scenario::Scenario};

/// Where a new object comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// API server 0 or 1.
    pub server: usize,
    /// Everything but the storing.
    pub dry_run: bool,
    pub now: Timestamp,
}

/// Creates an object, or does all but that for a dry-run.
pub(crate) fn create(
    state: &mut State,
    scenario: &Scenario,
    kind: &'static Kind,
    namespace: &str,
    mut new: Value,
    origin: Origin,
) -> Result<Arc<Value>, Failure> {
    let own = text(&new, "/metadata/namespace");
    if !own.is_empty() && own != namespace {
        return Err(Failure::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request: {own} != {namespace}"
        )));
    }
    if !text(&new, "/metadata/resourceVersion").is_empty() {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    if kind.namespaced {
        object(&mut new, &["metadata"]).insert("namespace".into(), json!(namespace));
        let spaces = kinds::of("namespaces");
        let space = state.kube.store.get("namespaces", "", namespace);
        let space = space.ok_or_else(|| Failure::not_found(spaces, namespace))?;
        if text(space, "/status/phase") == "Terminating" {
            let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
            let own = text(&new, "/metadata/name");
            let shown = if own.is_empty() { text(&new, "/metadata/generateName") } else { own };
            return Err(Failure::forbidden(kind, shown, &why));
        }
    }
    let prefix = text(&new, "/metadata/generateName").to_owned();
    let mut name = text(&new, "/metadata/name").to_owned();
    defaults::fill(kind, &mut new, &scenario.cluster().version, origin.now);
    if kind.resource == "pods" {
        // Before the name is made up, refusals show the bare prefix.
        let shown = if name.is_empty() { &prefix } else { &name };
        limits::fill(state, namespace, &mut new);
        service_account(state, namespace, shown, &mut new)?;
        webhook::mutate(state, scenario, origin.server, &mut new, origin.now);
        webhook::others(state, "mutatingwebhookconfigurations")?;
        admit_pod(&mut new);
    }
    if name.is_empty() && !prefix.is_empty() {
        name = format!("{prefix}{}", state.kube.store.suffix());
        let metadata = object(&mut new, &["metadata"]);
        metadata.shift_insert(0, "name".into(), json!(name));
    }
    defaults::validate(kind, &new, None)?;
    if state.kube.store.get(kind.resource, if kind.namespaced { namespace } else { "" }, &name).is_some() {
        return Err(Failure::exists(kind, &name));
    }
    if kind.resource == "pods" {
        limits::check(state, namespace, &name, &new)?;
        pod_security(state, namespace, &name, &new)?;
        webhook::others(state, "validatingwebhookconfigurations")?;
        limits::quota(state, namespace, &name, &new)?;
    }
    if kind.resource == "deployments" || kind.resource == "statefulsets" || kind.resource == "daemonsets" {
        let status = match kind.resource {
            "daemonsets" => {
                json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0})
            }
            "statefulsets" => json!({"replicas": 0, "availableReplicas": 0}),
            _ => json!({}),
        };
        object(&mut new, &[]).insert("status".into(), status);
    }
    if kind.group == super::argo::GROUP {
        // With a status subresource, a creation sets none.
        object(&mut new, &[]).shift_remove("status");
    }
    let new = ordered(kind, new);
    if origin.dry_run {
        let mut new = new;
        state.kube.store.identify(kind, &mut new, origin.now);
        return Ok(Arc::new(new));
    }
    let added = state.kube.store.add(kind, new, origin.now);
    if kind.resource == "namespaces" {
        furnish(state, &name, origin.now);
    }
    Ok(added)
}

/// `kind` and `apiVersion` first, as the server writes them.
fn ordered(kind: &Kind, new: Value) -> Value {
    let mut whole = json!({"kind": kind.kind, "apiVersion": kind.api_version()});
    if let (Value::Object(whole), Value::Object(new)) = (&mut whole, new) {
        for (key, value) in new {
            whole.entry(key).or_insert(value);
        }
    }
    whole
}

/// What the controllers put into every namespace.
fn furnish(state: &mut State, namespace: &str, now: Timestamp) {
    let account =
        json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": namespace}});
    state.kube.store.add(kinds::of("serviceaccounts"), account, now);
    let root = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "kube-root-ca.crt", "namespace": namespace}, "data": {"ca.crt": ""}});
    state.kube.store.add(kinds::of("configmaps"), root, now);
}

/// The ServiceAccount plugin: the account must exist; its API token is mounted.
fn service_account(state: &mut State, namespace: &str, shown: &str, pod: &mut Value) -> Result<(), Failure> {
    default(pod, &["spec"], "serviceAccountName", "default");
    let name = text(pod, "/spec/serviceAccountName").to_owned();
    default(pod, &["spec"], "serviceAccount", name.clone());
    let Some(account) = state.kube.store.get("serviceaccounts", namespace, &name).cloned() else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
        return Err(Failure::forbidden(kinds::of("pods"), shown, &why));
    };
    let setting = pod
        .pointer("/spec/automountServiceAccountToken")
        .or_else(|| account.get("automountServiceAccountToken"))
        .and_then(Value::as_bool);
    let path = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mounted = |c: &Value| list(c, "/volumeMounts").iter().any(|m| text(m, "/mountPath") == path);
    if setting == Some(false) || list(pod, "/spec/containers").iter().all(mounted) {
        return Ok(());
    }
    let volume = format!("kube-api-access-{}", state.kube.store.suffix());
    array(pod, &["spec"], "volumes").push(json!({"name": volume, "projected": {"sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ], "defaultMode": 420}}));
    for field in ["initContainers", "containers"] {
        let all = pod.get_mut("spec").and_then(|s| s.get_mut(field)).and_then(Value::as_array_mut);
        for container in all.into_iter().flatten() {
            if !mounted(container) {
                array(container, &[], "volumeMounts")
                    .push(json!({"name": volume, "readOnly": true, "mountPath": path}));
            }
        }
    }
    Ok(())
}

/// Defaults that only admission sets, so templates lack them.
fn admit_pod(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerations = array(pod, &["spec"], "tolerations");
        if !tolerations
            .iter()
            .any(|t| text(t, "/key") == key || (text(t, "/key").is_empty() && text(t, "/effect").is_empty()))
        {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    default(pod, &["spec"], "priority", 0);
    default(pod, &["spec"], "enableServiceLinks", true);
    default(pod, &["spec"], "preemptionPolicy", "PreemptLowerPriority");
    let rated = list(pod, "/spec/containers").iter().any(|c| entries(c, "/resources").next().is_some());
    object(pod, &[]).insert(
        "status".into(),
        json!({"phase": "Pending", "qosClass": if rated { "Burstable" } else { "BestEffort" }}),
    );
}

/// Pod Security at level `restricted` (and nothing at the others, which no pod here comes near).
fn pod_security(state: &State, namespace: &str, name: &str, pod: &Value) -> Result<(), Failure> {
    let space = state.kube.store.get("namespaces", "", namespace);
    let level = space.and_then(|s| entry(s, "/metadata/labels", "pod-security.kubernetes.io/enforce"));
    if level != Some("restricted") {
        return Ok(());
    }
    let containers: Vec<&Value> =
        ["/spec/initContainers", "/spec/containers"].iter().flat_map(|field| list(pod, field)).collect();
    let named = |bad: &dyn Fn(&Value) -> bool| -> Option<String> {
        let names: Vec<String> =
            containers.iter().filter(|c| bad(c)).map(|c| format!("\"{}\"", text(c, "/name"))).collect();
        match names.len() {
            0 => None,
            1 => Some(format!("container {}", names[0])),
            _ => Some(format!("containers {}", names.join(", "))),
        }
    };
    let mut violations = Vec::new();
    if flag(pod, "/spec/hostNetwork") {
        violations.push("host namespaces (hostNetwork=true)".to_owned());
    }
    let escalates = |c: &Value| c.pointer("/securityContext/allowPrivilegeEscalation") != Some(&json!(false));
    if let Some(who) = named(&escalates) {
        violations.push(format!(
            "allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
        ));
    }
    let keeps = |c: &Value| !list(c, "/securityContext/capabilities/drop").contains(&json!("ALL"));
    if let Some(who) = named(&keeps) {
        violations
            .push(format!("unrestricted capabilities ({who} must set securityContext.capabilities.drop=[\"ALL\"])"));
    }
    let pod_root = flag(pod, "/spec/securityContext/runAsNonRoot");
    let root = |c: &Value| match c.pointer("/securityContext/runAsNonRoot").and_then(Value::as_bool) {
        Some(own) => !own,
        None => !pod_root,
    };
    if let Some(who) = named(&root) {
        violations.push(format!("runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"));
    }
    let fine = |profile: &str| matches!(profile, "RuntimeDefault" | "Localhost");
    let pod_profile = fine(text(pod, "/spec/securityContext/seccompProfile/type"));
    let unconfined = |c: &Value| match text(c, "/securityContext/seccompProfile/type") {
        "" => !pod_profile,
        own => !fine(own),
    };
    if let Some(who) = named(&unconfined) {
        violations.push(format!(
            "seccompProfile (pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
        ));
    }
    if violations.is_empty() {
        return Ok(());
    }
    let why = format!("violates PodSecurity \"restricted:latest\": {}", violations.join(", "));
    Err(Failure::forbidden(kinds::of("pods"), name, &why))
}
