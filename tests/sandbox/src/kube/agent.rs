//! The DaemonSet of the pod identity agent, as the EKS add-on applies it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Kube,
    app::Outcome,
    defaults,
    json::{entry, list, object, text},
    kinds,
};

/// Name of the add-on and of its DaemonSet.
pub(crate) const NAME: &str = "eks-pod-identity-agent";

/// Where the DaemonSet keeps the configuration that it was made with, so that others' changes are told from it.
const APPLIED: &str = "sandbox.podid.dev/applied";

/// The DaemonSet of an add-on version such as `v1.3.10-eksbuild.1`, with its `configurationValues`.
pub(crate) fn daemon_set(version: &str, configuration: Option<&str>) -> Value {
    let mut set = plain(version);
    let Some(text) = configuration else { return set };
    let given: Value = serde_json::from_str(text).or_else(|_| serde_yaml::from_str(text)).unwrap_or_default();
    set["metadata"]["annotations"][APPLIED] = json!(text);
    let spec = &mut set["spec"]["template"]["spec"];
    for field in ["tolerations", "affinity"] {
        if let Some(value) = given.get(field) {
            spec[field] = value.clone();
        }
    }
    for (flag, value) in given.pointer("/agent/additionalArgs").and_then(Value::as_object).into_iter().flatten() {
        let args = super::json::array(&mut spec["containers"][0], &[], "args");
        args.extend([json!(flag), json!(value.as_str().unwrap_or_default())]);
    }
    for (key, value) in given.get("podLabels").and_then(Value::as_object).into_iter().flatten() {
        set["spec"]["template"]["metadata"]["labels"][key] = value.clone();
    }
    set
}

fn plain(version: &str) -> Value {
    // The image is numbered on its own: v1.3.10-eksbuild.1 of the add-on brings 0.1.35 or so.
    let image = format!("602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/eks-pod-identity-agent:{version}");
    let labels = json!({"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME});
    json!({
        "kind": "DaemonSet", "apiVersion": "apps/v1",
        "metadata": {
            "name": NAME, "namespace": "kube-system",
            "labels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME,
                "app.kubernetes.io/version": version, "app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"deprecated.daemonset.template.generation": "1"},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%", "maxSurge": 0}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": false,
                    "priorityClassName": "system-node-critical",
                    "hostNetwork": true,
                    "terminationGracePeriodSeconds": 30,
                    "tolerations": [{"operator": "Exists"}],
                    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                        {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]},
                        {"key": "eks.amazonaws.com/compute-type", "operator": "NotIn", "values": ["fargate", "hybrid", "auto"]},
                    ]}]}}},
                    "initContainers": [{
                        "name": "eks-pod-identity-agent-init", "image": image,
                        "command": ["/go-runner", "/eks-pod-identity-agent", "initialize"], "securityContext": {"privileged": true},
                    }],
                    "containers": [{
                        "name": NAME, "image": image,
                        "command": ["/go-runner", "/eks-pod-identity-agent", "server"],
                        "args": ["--port", "80", "--cluster-name", "$(EKS_CLUSTER_NAME)", "--probe-port", "2703"],
                        "ports": [{"containerPort": 80, "protocol": "TCP", "name": "proxy"}, {"containerPort": 2703, "protocol": "TCP", "name": "probes-port"}],
                        "securityContext": {"capabilities": {"add": ["CAP_NET_BIND_SERVICE"]}},
                    }],
                },
            },
        },
    })
}

/// The first field of the DaemonSet's pods that is not as the add-on applied it.
pub(crate) fn changed(kube: &Kube, now: Timestamp) -> Option<String> {
    let set = kube.store.get("daemonsets", "kube-system", NAME)?;
    let version = entry(set, "/metadata/labels", "app.kubernetes.io/version")?;
    let mut applied = daemon_set(version, entry(set, "/metadata/annotations", APPLIED));
    defaults::fill(kinds::of("daemonsets"), &mut applied, "", now);
    let (is, was) = (&set["spec"]["template"]["spec"], &applied["spec"]["template"]["spec"]);
    let mut fields = is.as_object().into_iter().chain(was.as_object()).flat_map(serde_json::Map::keys);
    fields.find(|field| is.get(*field) != was.get(*field)).map(|field| format!(".spec.template.spec.{field}"))
}

/// Applies or deletes the DaemonSet; what somebody else set stays with `preserve`.
pub(crate) fn set(kube: &mut Kube, version: Option<&str>, configuration: Option<&str>, preserve: bool, now: Timestamp) {
    let kind = kinds::of("daemonsets");
    let Some(version) = version else {
        kube.store.remove(kind, "kube-system", NAME);
        return;
    };
    let mut wanted = daemon_set(version, configuration);
    defaults::fill(kind, &mut wanted, "", now);
    if kube.store.get("daemonsets", "kube-system", NAME).is_none() {
        kube.store.add(kind, wanted, now);
        return;
    }
    let theirs = changed(kube, now).filter(|_| preserve);
    kube.store.update(kind, "kube-system", NAME, |set| {
        let labels = wanted["metadata"]["labels"].clone();
        object(set, &["metadata"]).insert("labels".into(), labels);
        let annotations = object(set, &["metadata", "annotations"]);
        annotations.shift_remove(APPLIED);
        if let Some(applied) = configuration {
            annotations.insert(APPLIED.into(), json!(applied));
        }
        // What a rollout restart left behind stays, as with the add-on's server-side apply.
        let kept = set.pointer("/spec/template/metadata/annotations").cloned();
        let field = theirs.as_deref().and_then(|path| path.rsplit('.').next());
        let theirs = field.and_then(|field| Some((field, set["spec"]["template"]["spec"].get(field)?.clone())));
        set["spec"] = wanted["spec"].clone();
        if let Some((field, value)) = theirs {
            set["spec"]["template"]["spec"][field] = value;
        }
        if let Some(kept) = kept {
            set["spec"]["template"]["metadata"]["annotations"] = kept;
        }
    });
}

/// What is amiss with a pod's node: `no-ipv6`, `port-80-taken` (by a service of the node), `no-registry`.
fn amiss<'k>(kube: &'k Kube, pod: &Value) -> &'k str {
    let node = kube.store.get("nodes", "", text(pod, "/spec/nodeName"));
    node.and_then(|node| entry(node, "/metadata/labels", "sandbox.podid.dev/amiss")).unwrap_or_default()
}

/// Whether the node's kubelet cannot reach any registry.
pub(crate) fn unreachable_registry(kube: &Kube, pod: &Value) -> bool {
    amiss(kube, pod) == "no-registry"
}

/// Whether a pod is one of the agent's.
pub(crate) fn is_agent(pod: &Value) -> bool {
    entry(pod, "/metadata/labels", "app.kubernetes.io/name").is_some_and(|name| name.starts_with(NAME))
}

/// Starts the agent: it binds port 80 of both addresses, unless its arguments name one (`-b`).
pub(crate) fn start(kube: &Kube, pod: &Value, now: Timestamp) -> Outcome {
    let args: Vec<&str> = list(pod, "/spec/containers/0/args").iter().filter_map(Value::as_str).collect();
    let bound = args.iter().position(|arg| *arg == "-b" || *arg == "--bind-hosts").and_then(|at| args.get(at + 1));
    let ipv6 = bound.is_none_or(|hosts| hosts.contains("fd00:ec2::23"));
    let error = match amiss(kube, pod) {
        "port-80-taken" => "listen tcp 169.254.170.23:80: bind: address already in use",
        "no-ipv6" if ipv6 => "listen tcp [fd00:ec2::23]:80: bind: cannot assign requested address",
        _ => return Outcome::Ready(own_words(kube, pod, now)),
    };
    Outcome::Crash(vec![said(now, "fatal", &format!("Unable to start server: {error}"))])
}

/// What the agent of this node has to say, as an annotation of the node has it.
fn own_words(kube: &Kube, pod: &Value, now: Timestamp) -> Vec<String> {
    let node = kube.store.get("nodes", "", text(pod, "/spec/nodeName"));
    let words = node.and_then(|node| entry(node, "/metadata/annotations", "sandbox.podid.dev/agent-log"));
    words.map(|words| said(now, "error", words)).into_iter().collect()
}

/// What it writes first.
pub(crate) fn greeting(now: Timestamp) -> String {
    said(now, "info", "Starting server...")
}

fn said(now: Timestamp, level: &str, message: &str) -> String {
    json!({"level": level, "msg": message, "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}).to_string()
}

/// Whether pods on this node reach an agent.
pub(crate) fn serves(kube: &Kube, node: &str) -> bool {
    let Some(node_object) = kube.store.get("nodes", "", node) else { return false };
    if entry(node_object, "/metadata/labels", "eks.amazonaws.com/compute-type") == Some("auto") {
        return true;
    }
    kube.store.list("pods", "").any(|pod| {
        entry(pod, "/metadata/labels", "app.kubernetes.io/name").is_some_and(|name| name.starts_with(NAME))
            && text(pod, "/spec/nodeName") == node
            && super::controllers::ready(pod)
            && !super::controllers::terminating(pod)
            && !list(pod, "/spec/containers").is_empty()
    })
}
