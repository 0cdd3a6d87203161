//! Events, tables of watches, and followed logs.

use super::*;

/// Reason, count and message of what was told of an object.
async fn told(f: &Fixture, name: &str) -> Vec<(String, i64, String)> {
    let target = format!("/api/v1/namespaces/carts/events?fieldSelector=involvedObject.name%3D{name}");
    let events = f.get(&target).await.1;
    json::list(&events, "/items")
        .iter()
        .map(|e| (json::text(e, "/reason").to_owned(), json::number(e, "/count"), json::text(e, "/message").to_owned()))
        .collect()
}

fn reasons(told: &[(String, i64, String)]) -> Vec<&str> {
    let mut all: Vec<&str> = told.iter().map(|(reason, ..)| reason.as_str()).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn a_rollout_is_told_of_its_objects() {
    let mut f = Fixture::new(vec![workload("Deployment", "web", 1)]);
    f.run(10);
    assert_eq!(reasons(&told(&f, "web").await), ["ScalingReplicaSet"]);
    f.restart("deployments", "web").await;
    f.run(1500);
    let web = told(&f, "web").await;
    assert_eq!(reasons(&web), ["ScalingReplicaSet", "ScalingReplicaSet", "ScalingReplicaSet"]);
    assert!(web.iter().any(|(.., m)| m.starts_with("Scaled down replica set web-") && m.ends_with(" from 1 to 0")));
    let pods = f.get("/api/v1/namespaces/carts/pods?labelSelector=app%3Dweb").await.1;
    let pod = json::text(&pods, "/items/0/metadata/name").to_owned();
    assert_eq!(reasons(&told(&f, &pod).await), ["Created", "Pulled", "Pulling", "Scheduled", "Started"]);
    let set = json::text(&pods, "/items/0/metadata/ownerReferences/0/name");
    assert_eq!(told(&f, set).await, [("SuccessfulCreate".to_owned(), 1, format!("Created pod: {pod}"))]);
}

#[tokio::test]
async fn the_same_again_is_counted_and_forgotten_after_an_hour() {
    let mut web = workload("Deployment", "web", 1);
    web["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.podid.dev/app": "crash boom"});
    let mut f = Fixture::new(vec![web]);
    f.run(3000);
    let pods = f.get("/api/v1/namespaces/carts/pods?labelSelector=app%3Dweb").await.1;
    let pod = json::text(&pods, "/items/0/metadata/name").to_owned();
    let before = told(&f, &pod).await;
    assert_eq!(reasons(&before), ["BackOff", "Created", "Pulled", "Pulling", "Scheduled", "Started"]);
    assert!(before.iter().all(|(reason, count, _)| (reason == "Scheduled") == (*count == 1)), "{before:?}");
    f.now += SignedDuration::from_mins(61);
    f.run(3000);
    let after = told(&f, &pod).await;
    assert_eq!(reasons(&after), ["BackOff", "Created", "Pulled", "Pulling", "Started"], "its binding was long ago");
}

#[tokio::test]
async fn a_watch_of_tables_has_its_columns_once() {
    let mut f = Fixture::new(Vec::new());
    let rv = f.world.state().kube.store.rv();
    f.restart("deployments", "carts").await;
    f.run(500);
    let target = format!("/apis/apps/v1/namespaces/carts/deployments?watch=1&resourceVersion={rv}&timeoutSeconds=1");
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let request = http::Request::builder().uri(target).header("authorization", format!("Bearer {KEY}"));
    let (parts, ()) = request.header("accept", accept).body(()).unwrap().into_parts();
    let answer = handle(&f.world, Req { parts, body: Vec::new().into(), server: 0 }).await;
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let events: Vec<Value> =
        String::from_utf8_lossy(&bytes).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(events.len() > 1);
    for (at, event) in events.iter().enumerate() {
        let table = &event["object"];
        assert_eq!((event["type"].as_str(), table["kind"].as_str()), (Some("MODIFIED"), Some("Table")));
        assert_eq!(table["columnDefinitions"].is_array(), at == 0);
        assert_eq!(json::text(table, "/rows/0/cells/0"), "carts");
    }
}

#[tokio::test]
async fn a_followed_log_ends_with_its_container() {
    let mut f = Fixture::new(Vec::new());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {"sandbox.podid.dev/app": "crash boom"}},
        "spec": {"containers": [{"name": "a", "image": "x"}]}});
    assert_eq!(f.post("/api/v1/namespaces/carts/pods", pod).await.0, 201);
    let log = "/api/v1/namespaces/carts/pods/p/log?follow=true";
    assert_eq!(f.get(log).await.0, 400, "it waits to start");
    f.run(70);
    let request = http::Request::builder().uri(log).header("authorization", format!("Bearer {KEY}"));
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let answer = handle(&f.world, Req { parts, body: Vec::new().into(), server: 0 }).await;
    let following = tokio::spawn(answer.into_body().collect());
    for _ in 0..20 {
        f.run(10);
        tokio::task::yield_now().await;
    }
    let bytes = tokio::time::timeout(std::time::Duration::from_secs(20), following).await.unwrap();
    let bytes = bytes.unwrap().unwrap().to_bytes();
    let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
    assert!(lines[0].contains("Starting CartApplication"), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(": boom")), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("Starting CartApplication")).count(), 1);
}
