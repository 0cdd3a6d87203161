//! Following against scripted answers: what watches meet.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use serde_json::{Value, json};

use super::{
    Asked, kube,
    scripted::{deployment, list, pod, web},
    status,
};
use crate::{
    model::{
        fixtures::workload,
        selector::Selector,
        workload::{Workload, WorkloadKind},
    },
    ports::Kubernetes,
};

/// As podid read it before it follows it.
fn of(kind: WorkloadKind) -> Workload {
    let labels = [("app".to_owned(), "web".to_owned())].into();
    let selector = Selector { labels, ..Selector::default() };
    Workload { id: web(kind), selector, ..workload(kind, "web") }
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// The bookmark of the captures: nothing in it may be read as a Deployment.
fn bookmark(version: &str) -> String {
    event(
        "BOOKMARK",
        &json!({
            "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"resourceVersion": version},
            "spec": {"replicas": 0, "selector": null, "template": {"metadata": {}, "spec": {"containers": null}}, "strategy": {}},
            "status": {},
        }),
    )
}

fn replica_set(name: &str, revision: &str, owner: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("web-{name}"), "labels": {"pod-template-hash": name},
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": true}],
        },
    })
}

#[tokio::test]
async fn following_survives_what_watches_meet() {
    let (lists, watches) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let answer = move |asked: &Asked| {
        let watch = asked.target.contains("watch=true");
        if asked.target.contains("/replicasets") {
            let sets =
                [replica_set("old", "9", "u1"), replica_set("new", "10", "u1"), replica_set("alien", "11", "u2")];
            return list("ReplicaSet", &sets, None);
        }
        if asked.target.contains("/pods") {
            return if watch { (200, String::new()) } else { list("Pod", &[pod("a", "carts")], None) };
        }
        if asked.target.contains("/deployments/web") {
            return (200, deployment(1, 1, false).to_string());
        }
        if !watch {
            let generation = [1, 4][lists.fetch_add(1, Ordering::SeqCst).min(1)];
            return list("Deployment", &[deployment(generation, generation, false)], None);
        }
        match watches.fetch_add(1, Ordering::SeqCst) {
            // A bookmark, then the connection ends: watched on from the bookmark.
            0 => (200, bookmark("15")),
            1 => (200, format!("{}{}", event("MODIFIED", &deployment(2, 2, false)), "{\"type\":\"MODIF")),
            // The version has expired: listed anew.
            2 => (
                200,
                event("ERROR", &json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})),
            ),
            4 => (200, event("DELETED", &deployment(4, 4, false))),
            5 => (200, event("ADDED", &deployment(5, 5, false))),
            // Ends at once, as a proxy's idle limit may do.
            _ => (200, String::new()),
        }
    };
    let (kube, log) = kube(answer);
    let mut views = kube.follow(&of(WorkloadKind::Deployment)).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&Some(5)) {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), views.next());
        let view = next.await.unwrap().unwrap().unwrap();
        assert_eq!(view.pods.len(), 1);
        if let Some(workload) = &view.workload {
            assert_eq!(workload.status.update_revision.as_deref(), Some("new"));
        }
        let generation = view.workload.map(|w| w.generation);
        if seen.last() != Some(&generation) {
            seen.push(generation);
        }
    }
    assert_eq!(seen, [Some(1), Some(2), Some(4), None, Some(5)]);
    drop(views);
    let log = log.lock().unwrap();
    let versions: Vec<&str> = log
        .iter()
        .filter(|asked| asked.target.contains("watch=true") && asked.target.contains("/deployments"))
        .filter_map(|asked| asked.target.rsplit_once("resourceVersion=").map(|(_, version)| version))
        .collect();
    assert_eq!(versions[..3], ["10", "15", "20"]);
    let pods = log.iter().find(|asked| asked.target.contains("/pods?")).unwrap();
    assert!(pods.target.contains("labelSelector=app%3Dweb"), "{}", pods.target);
}

#[tokio::test]
async fn following_ends_when_it_may_not_watch() {
    let (kube, _) = kube(|asked| match asked.target.contains("watch=true") {
        false if asked.target.contains("/pods") => list("Pod", &[], None),
        false => list("StatefulSet", &[], None),
        true => status(403, "Forbidden", "statefulsets.apps is forbidden"),
    });
    let mut views = kube.follow(&of(WorkloadKind::StatefulSet)).await.unwrap();
    let failure = loop {
        match views.next().await.unwrap() {
            Ok(view) => assert_eq!(view.workload, None),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.to_string(), "cannot watch `statefulset/web` in `default`: statefulsets.apps is forbidden");
    assert!(views.next().await.is_none());
}
