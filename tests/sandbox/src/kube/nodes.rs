//! The node controller: a node whose kubelet is silent is tainted, and its pods count as not ready.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    controllers::{condition, ready},
    json::{array, list, stamp, text},
    kinds,
    store::place,
};
use crate::State;

/// Taints by the Ready condition (kubernetes.io/docs/reference/labels-annotations-taints).
const TAINTS: [(&str, &str); 2] =
    [("False", "node.kubernetes.io/not-ready"), ("Unknown", "node.kubernetes.io/unreachable")];

/// Whether this node's kubelet works; a node without a status does.
pub(crate) fn works(node: &Value) -> bool {
    condition(node, "Ready").is_none_or(|ready| text(ready, "/status") == "True")
}

/// Lets the controller work once.
pub(crate) fn step(state: &mut State, now: Timestamp) {
    let nodes: Vec<Arc<Value>> = state.kube.store.list("nodes", "").cloned().collect();
    for node in nodes {
        let name = text(&node, "/metadata/name").to_owned();
        taint(state, &node, &name, now);
        if works(&node) {
            continue;
        }
        let pods: Vec<Arc<Value>> = state.kube.store.list("pods", "").cloned().collect();
        for pod in pods.iter().filter(|pod| text(pod, "/spec/nodeName") == name && ready(pod)) {
            let (namespace, pod_name) = place(pod);
            state.kube.store.update(kinds::of("pods"), &namespace, &pod_name, |pod| {
                for one in array(pod, &["status"], "conditions") {
                    if text(one, "/type") == "Ready" {
                        one["status"] = json!("False");
                        one["lastTransitionTime"] = json!(stamp(now));
                    }
                }
            });
        }
    }
}

fn taint(state: &mut State, node: &Value, name: &str, now: Timestamp) {
    let status = condition(node, "Ready").map_or("True", |ready| text(ready, "/status"));
    let wanted = TAINTS.iter().find(|(of, _)| *of == status).map(|(_, key)| *key);
    let own = |taint: &Value| TAINTS.iter().any(|(_, key)| text(taint, "/key") == *key);
    let mut present = list(node, "/spec/taints").iter().filter(|taint| own(taint));
    let right = match wanted {
        Some(key) => present.any(|taint| text(taint, "/key") == key),
        None => present.next().is_none(),
    };
    if right {
        return;
    }
    state.kube.store.update(kinds::of("nodes"), "", name, |node| {
        let taints = array(node, &["spec"], "taints");
        taints.retain(|taint| !own(taint));
        for effect in wanted.map_or(&[][..], |_| &["NoSchedule", "NoExecute"]) {
            let mut taint = json!({"key": wanted, "effect": effect});
            if *effect == "NoExecute" {
                taint["timeAdded"] = json!(stamp(now));
            }
            taints.push(taint);
        }
    });
}
