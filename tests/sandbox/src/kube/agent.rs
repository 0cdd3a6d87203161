//! The DaemonSet of the pod identity agent, as the EKS add-on applies it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Kube, defaults,
    json::{entry, list, object, text},
    kinds,
};

/// Name of the add-on and of its DaemonSet.
pub(crate) const NAME: &str = "eks-pod-identity-agent";

/// The DaemonSet of an add-on version such as `v1.3.10-eksbuild.1`.
pub(crate) fn daemon_set(version: &str) -> Value {
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

/// Applies or deletes the DaemonSet.
pub(crate) fn set(kube: &mut Kube, version: Option<&str>, now: Timestamp) {
    let kind = kinds::of("daemonsets");
    let Some(version) = version else {
        kube.store.remove(kind, "kube-system", NAME);
        return;
    };
    let mut wanted = daemon_set(version);
    defaults::fill(kind, &mut wanted, "", now);
    if kube.store.get("daemonsets", "kube-system", NAME).is_none() {
        kube.store.add(kind, wanted, now);
        return;
    }
    kube.store.update(kind, "kube-system", NAME, |set| {
        let labels = wanted["metadata"]["labels"].clone();
        object(set, &["metadata"]).insert("labels".into(), labels);
        // What a rollout restart left behind stays, as with the add-on's server-side apply.
        let kept = set.pointer("/spec/template/metadata/annotations").cloned();
        set["spec"] = wanted["spec"].clone();
        if let Some(kept) = kept {
            set["spec"]["template"]["metadata"]["annotations"] = kept;
        }
    });
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
