//! Which node a pod may run on.

use serde_json::Value;

use super::{
    json::{entries, entry, flag, list, text},
    select::expression,
};

/// Whether a pod's spec allows this node.
pub(crate) fn fits(spec: &Value, node: &Value) -> bool {
    let selected = entries(spec, "/nodeSelector").all(|(k, v)| entry(node, "/metadata/labels", k) == v.as_str());
    selected && affine(spec, node) && tolerates(spec, node)
}

fn affine(spec: &Value, node: &Value) -> bool {
    let pointer = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = list(spec, pointer);
    terms.is_empty()
        || terms.iter().any(|term| {
            list(term, "/matchExpressions")
                .iter()
                .all(|e| expression(e, entry(node, "/metadata/labels", text(e, "/key"))))
                && list(term, "/matchFields").iter().all(|e| expression(e, Some(text(node, "/metadata/name"))))
        })
}

fn tolerates(spec: &Value, node: &Value) -> bool {
    let tolerated = |key: &str, value: &str, effect: &str| {
        list(spec, "/tolerations").iter().any(|t| {
            let same_key = text(t, "/key") == key || (text(t, "/key").is_empty() && text(t, "/operator") == "Exists");
            let same_value = text(t, "/operator") == "Exists" || text(t, "/value") == value;
            let same_effect = text(t, "/effect").is_empty() || text(t, "/effect") == effect;
            same_key && same_value && same_effect
        })
    };
    let cordoned = flag(node, "/spec/unschedulable");
    (!cordoned || tolerated("node.kubernetes.io/unschedulable", "", "NoSchedule"))
        && list(node, "/spec/taints")
            .iter()
            .filter(|t| text(t, "/effect") != "PreferNoSchedule")
            .all(|t| tolerated(text(t, "/key"), text(t, "/value"), text(t, "/effect")))
}

/// The scheduler's words when no node fits.
pub(crate) fn excuse(spec: &Value, nodes: &[impl AsRef<Value>]) -> String {
    let all = nodes.len();
    if all == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let tainted = nodes.iter().filter(|n| !tolerates(spec, n.as_ref())).count();
    let mut reasons = Vec::new();
    if tainted > 0 {
        reasons.push(format!("{tainted} node(s) had untolerated taint(s)"));
    }
    if all > tainted {
        reasons.push(format!("{} node(s) didn't match Pod's node affinity/selector", all - tainted));
    }
    format!(
        "0/{all} nodes are available: {}. preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling.",
        reasons.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_agent_stays_off_auto_nodes_and_runs_on_tainted_ones() {
        let spec = json!({"tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                {"key": "eks.amazonaws.com/compute-type", "operator": "NotIn", "values": ["fargate", "hybrid", "auto"]}]}]}}}});
        let node = |labels: Value, spec: Value| json!({"metadata": {"name": "n", "labels": labels}, "spec": spec});
        let taint = json!({"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]});
        assert!(fits(&spec, &node(json!({"kubernetes.io/os": "linux"}), taint.clone())));
        let auto = json!({"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "auto"});
        assert!(!fits(&spec, &node(auto, json!({}))));
        assert!(!fits(&json!({}), &node(json!({}), taint)));
        assert!(!fits(&json!({}), &node(json!({}), json!({"unschedulable": true}))));
    }
}
