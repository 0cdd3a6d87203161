//! The table form that `kubectl get` asks for.

use http::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    failure::json_answer,
    json::{entry, list, number, object, text, time},
    kinds::Kind,
};
use crate::http::Body;

/// The object or list as a table when that is asked for, else as it is.
pub(crate) fn or_plain(kind: &Kind, accept: &str, value: &Value, now: Timestamp) -> Response<Body> {
    if !accept.contains("as=Table") {
        return json_answer(200, value);
    }
    let single = [value.clone()];
    let items: &[Value] = if value.get("items").is_some() { list(value, "/items") } else { &single };
    let rows: Vec<Value> = items.iter().map(|item| row(kind, item, now)).collect();
    let columns: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": priority})
        })
        .collect();
    let mut metadata = json!({});
    for field in ["resourceVersion", "continue", "remainingItemCount"] {
        if let Some(value) = value["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json_answer(
        200,
        &json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows}),
    )
}

fn columns(kind: &Kind) -> &'static [(&'static str, u8)] {
    match kind.resource {
        "pods" => &[("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0), ("IP", 1), ("Node", 1)],
        "deployments" => &[("Name", 0), ("Ready", 0), ("Up-to-date", 0), ("Available", 0), ("Age", 0)],
        "replicasets" => &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)],
        "statefulsets" => &[("Name", 0), ("Ready", 0), ("Age", 0)],
        "daemonsets" => &[
            ("Name", 0),
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
        ],
        "nodes" | "namespaces" => &[("Name", 0), ("Status", 0), ("Age", 0)],
        _ => &[("Name", 0), ("Age", 0)],
    }
}

fn row(kind: &Kind, item: &Value, now: Timestamp) -> Value {
    let n = |pointer: &str| number(item, pointer).to_string();
    let ratio = |a: &str, b: &str| format!("{}/{}", number(item, a), number(item, b));
    let middle = match kind.resource {
        "pods" => {
            let statuses = list(item, "/status/containerStatuses");
            let ready = statuses.iter().filter(|s| s["ready"] == true).count();
            let restarts: i64 = statuses.iter().map(|s| number(s, "/restartCount")).sum();
            vec![format!("{ready}/{}", list(item, "/spec/containers").len()), pod_state(item), restarts.to_string()]
        }
        "deployments" => vec![
            ratio("/status/readyReplicas", "/spec/replicas"),
            n("/status/updatedReplicas"),
            n("/status/availableReplicas"),
        ],
        "replicasets" => vec![n("/spec/replicas"), n("/status/replicas"), n("/status/readyReplicas")],
        "statefulsets" => vec![ratio("/status/readyReplicas", "/spec/replicas")],
        "daemonsets" => [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ]
        .iter()
        .map(|field| n(&format!("/status/{field}")))
        .collect(),
        "nodes" => {
            let ready = list(item, "/status/conditions")
                .iter()
                .any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
            vec![if ready { "Ready" } else { "NotReady" }.to_owned()]
        }
        "namespaces" => vec![text(item, "/status/phase").to_owned()],
        _ => Vec::new(),
    };
    let mut cells = vec![text(item, "/metadata/name").to_owned()];
    cells.extend(middle);
    cells.push(time(item, "/metadata/creationTimestamp").map_or("<unknown>".to_owned(), |made| age(made, now)));
    if kind.resource == "pods" {
        for pointer in ["/status/podIP", "/spec/nodeName"] {
            let value = text(item, pointer);
            cells.push(if value.is_empty() { "<none>".to_owned() } else { value.to_owned() });
        }
    }
    let mut partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"});
    object(&mut partial, &[]).insert("metadata".into(), item["metadata"].clone());
    json!({"cells": cells, "object": partial})
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

fn age(made: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - made.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
