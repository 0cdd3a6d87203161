//! The table form that `kubectl get` asks for, with the columns of the server's own printers.

use http::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    failure::json_answer,
    json::{entries, entry, list, number, object, text, time},
    kinds::Kind,
};
use crate::http::Body;

/// A column's name, whether only `-o wide` shows it, and what stands in it.
type Cell = (&'static str, bool, String);

/// Whether an `Accept` header asks for the table form.
pub(crate) fn wanted(accept: &str) -> bool {
    accept.contains("as=Table")
}

/// The object or list as a table when that is asked for, else as it is.
pub(crate) fn or_plain(kind: &Kind, accept: &str, value: &Value, now: Timestamp) -> Response<Body> {
    let answer = if wanted(accept) { table(kind, value, true, now) } else { value.clone() };
    json_answer(200, &answer)
}

/// An object or list as a table; events of a watch have the column definitions only in the first.
pub(crate) fn table(kind: &Kind, value: &Value, headers: bool, now: Timestamp) -> Value {
    let single = [value.clone()];
    let items: &[Value] = if value.get("items").is_some() { list(value, "/items") } else { &single };
    let rows: Vec<Value> = items.iter().map(|item| row(kind, item, now)).collect();
    let mut metadata = json!({});
    for field in ["resourceVersion", "continue", "remainingItemCount"] {
        if let Some(value) = value["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let mut table = empty(&metadata);
    if headers {
        table["columnDefinitions"] = cells(kind, &Value::Null, now)
            .iter()
            .map(|(name, wide, _)| {
                let format = if *name == "Name" { "name" } else { "" };
                json!({"name": name, "type": "string", "format": format, "description": "", "priority": u8::from(*wide)})
            })
            .collect();
    }
    table["rows"] = json!(rows);
    table
}

/// A table without rows: what a bookmark becomes.
pub(crate) fn empty(metadata: &Value) -> Value {
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": null, "rows": []})
}

fn row(kind: &Kind, item: &Value, now: Timestamp) -> Value {
    let cells: Vec<String> = cells(kind, item, now).into_iter().map(|cell| cell.2).collect();
    let mut partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"});
    object(&mut partial, &[]).insert("metadata".into(), item["metadata"].clone());
    json!({"cells": cells, "object": partial})
}

/// The cells of an object, in order. Of no object, they still have their names.
fn cells(kind: &Kind, item: &Value, now: Timestamp) -> Vec<Cell> {
    let count = |name, pointer: &str| (name, false, number(item, pointer).to_string());
    let plain = |name, pointer: &str| (name, false, or_none(text(item, pointer)));
    let wide = |name, value: String| (name, true, value);
    let ready =
        ("Ready", false, format!("{}/{}", number(item, "/status/readyReplicas"), number(item, "/spec/replicas")));
    let name = ("Name", false, text(item, "/metadata/name").to_owned());
    let age = ("Age", false, since(item, "/metadata/creationTimestamp", now));
    let template = || {
        let all = |field: &str| {
            let each: Vec<&str> = list(item, "/spec/template/spec/containers").iter().map(|c| text(c, field)).collect();
            each.join(",")
        };
        [wide("Containers", all("/name")), wide("Images", all("/image"))]
    };
    let selector = || wide("Selector", pairs(item, "/spec/selector/matchLabels"));
    match kind.resource {
        "pods" => {
            let mut all = vec![name];
            all.extend(pod(item, now));
            all.push(age);
            all.extend([
                wide("IP", or_none(text(item, "/status/podIP"))),
                wide("Node", or_none(text(item, "/spec/nodeName"))),
                wide("Nominated Node", or_none(text(item, "/status/nominatedNodeName"))),
                wide("Readiness Gates", gates(item)),
            ]);
            all
        }
        "deployments" => {
            let [containers, images] = template();
            let (updated, available) =
                (count("Up-to-date", "/status/updatedReplicas"), count("Available", "/status/availableReplicas"));
            vec![name, ready, updated, available, age, containers, images, selector()]
        }
        "replicasets" => {
            let [containers, images] = template();
            let (desired, current) = (count("Desired", "/spec/replicas"), count("Current", "/status/replicas"));
            vec![name, desired, current, count("Ready", "/status/readyReplicas"), age, containers, images, selector()]
        }
        "statefulsets" => {
            let [containers, images] = template();
            vec![name, ready, age, containers, images]
        }
        "daemonsets" => {
            let [containers, images] = template();
            let nodes = ("Node Selector", false, pairs(item, "/spec/template/spec/nodeSelector"));
            vec![
                name,
                count("Desired", "/status/desiredNumberScheduled"),
                count("Current", "/status/currentNumberScheduled"),
                count("Ready", "/status/numberReady"),
                count("Up-to-date", "/status/updatedNumberScheduled"),
                count("Available", "/status/numberAvailable"),
                nodes,
                age,
                containers,
                images,
                selector(),
            ]
        }
        "rollouts" => vec![
            name,
            count("Desired", "/spec/replicas"),
            count("Current", "/status/replicas"),
            count("Up-to-date", "/status/updatedReplicas"),
            count("Available", "/status/availableReplicas"),
            age,
        ],
        "nodes" => {
            let mut all = vec![name, ("Status", false, node_state(item)), ("Roles", false, or_none(""))];
            all.extend([age, plain("Version", "/status/nodeInfo/kubeletVersion")]);
            all.extend([
                wide("Internal-IP", address(item, "InternalIP")),
                wide("External-IP", address(item, "ExternalIP")),
            ]);
            for (column, field) in [
                ("OS-Image", "osImage"),
                ("Kernel-Version", "kernelVersion"),
                ("Container-Runtime", "containerRuntimeVersion"),
            ] {
                all.push(wide(column, text(item, &format!("/status/nodeInfo/{field}")).to_owned()));
            }
            all
        }
        "namespaces" => vec![name, plain("Status", "/status/phase"), age],
        "configmaps" => vec![name, ("Data", false, entries(item, "/data").count().to_string()), age],
        "secrets" => {
            vec![name, plain("Type", "/type"), ("Data", false, entries(item, "/data").count().to_string()), age]
        }
        "serviceaccounts" => vec![name, ("Secrets", false, list(item, "/secrets").len().to_string()), age],
        "events" => event(item, now),
        _ => vec![name, age],
    }
}

fn pod(item: &Value, now: Timestamp) -> [Cell; 3] {
    let statuses = list(item, "/status/containerStatuses");
    let ready = statuses.iter().filter(|s| s["ready"] == true).count();
    let restarts: i64 = statuses.iter().map(|s| number(s, "/restartCount")).sum();
    let last = statuses.iter().filter_map(|s| time(s, "/lastState/terminated/finishedAt")).max();
    let restarts = match last {
        Some(last) if restarts > 0 => format!("{restarts} ({} ago)", age(last, now)),
        _ => restarts.to_string(),
    };
    [
        ("Ready", false, format!("{ready}/{}", list(item, "/spec/containers").len())),
        ("Status", false, pod_state(item)),
        ("Restarts", false, restarts),
    ]
}

/// The STATUS column.
fn pod_state(pod: &Value) -> String {
    if entry(pod, "/metadata", "deletionTimestamp").is_some() {
        return "Terminating".to_owned();
    }
    let of_container = list(pod, "/status/containerStatuses").iter().find_map(|status| {
        let reason = |pointer| Some(text(status, pointer)).filter(|r| !r.is_empty());
        reason("/state/waiting/reason").or_else(|| reason("/state/terminated/reason"))
    });
    of_container.unwrap_or_else(|| text(pod, "/status/phase")).to_owned()
}

/// How many of a pod's gates are open.
fn gates(pod: &Value) -> String {
    let gates = list(pod, "/spec/readinessGates");
    let open = |gate: &&Value| {
        list(pod, "/status/conditions")
            .iter()
            .any(|c| text(c, "/type") == text(gate, "/conditionType") && text(c, "/status") == "True")
    };
    if gates.is_empty() { or_none("") } else { format!("{}/{}", gates.iter().filter(open).count(), gates.len()) }
}

fn node_state(node: &Value) -> String {
    let ready =
        list(node, "/status/conditions").iter().any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
    let state = if ready { "Ready" } else { "NotReady" };
    if node.pointer("/spec/unschedulable").is_some_and(|v| v == true) {
        format!("{state},SchedulingDisabled")
    } else {
        state.to_owned()
    }
}

fn address(node: &Value, kind: &str) -> String {
    let found = list(node, "/status/addresses").iter().find(|a| text(a, "/type") == kind);
    or_none(found.map_or("", |a| text(a, "/address")))
}

fn event(item: &Value, now: Timestamp) -> Vec<Cell> {
    let involved =
        format!("{}/{}", text(item, "/involvedObject/kind").to_lowercase(), text(item, "/involvedObject/name"));
    let (component, host) = (text(item, "/source/component"), text(item, "/source/host"));
    let source = if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") };
    vec![
        ("Last Seen", false, since(item, "/lastTimestamp", now)),
        ("Type", false, text(item, "/type").to_owned()),
        ("Reason", false, text(item, "/reason").to_owned()),
        ("Object", false, involved),
        ("Subobject", true, text(item, "/involvedObject/fieldPath").to_owned()),
        ("Source", true, source),
        ("Message", false, text(item, "/message").to_owned()),
        ("First Seen", true, since(item, "/firstTimestamp", now)),
        ("Count", true, number(item, "/count").to_string()),
        ("Name", true, text(item, "/metadata/name").to_owned()),
    ]
}

fn or_none(value: &str) -> String {
    if value.is_empty() { "<none>".to_owned() } else { value.to_owned() }
}

/// `a=b,c=d`.
fn pairs(item: &Value, pointer: &str) -> String {
    let mut each: Vec<String> =
        entries(item, pointer).map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    each.sort();
    or_none(&each.join(","))
}

fn since(item: &Value, pointer: &str, now: Timestamp) -> String {
    time(item, pointer).map_or("<unknown>".to_owned(), |made| age(made, now))
}

/// `duration.HumanDuration` of apimachinery: two units while the larger is small.
fn age(made: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - made.as_second()).max(0);
    let two = |large: i64, unit: char, small: i64, sub: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{sub}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(hours / 24, 'd', hours % 24, 'h'),
        _ => format!("{}d", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn ages_are_as_kubectl_shows_them() {
        let start = Timestamp::UNIX_EPOCH;
        for (seconds, shown) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (176_400, "2d1h"),
            (691_200, "8d"),
        ] {
            assert_eq!(age(start, start + SignedDuration::from_secs(seconds)), shown);
        }
    }
}
