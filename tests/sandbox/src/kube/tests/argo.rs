//! Argo Rollouts: served where there is one, restarted as their controller does it.

use super::*;

const PATH: &str = "/apis/argoproj.io/v1alpha1/namespaces/carts/rollouts";

fn rollout(replicas: i64, app: &str) -> Value {
    let mut web = workload("Rollout", "web", replicas);
    web["apiVersion"] = json!("argoproj.io/v1alpha1");
    web["spec"]["strategy"] = json!({"canary": {}});
    web["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.podid.dev/app": app});
    web
}

impl Fixture {
    async fn web(&self) -> Value {
        self.get(&format!("{PATH}/web")).await.1
    }

    /// Asks for a restart one second from now.
    async fn restart_web(&self) -> u64 {
        let rv = self.world.state().kube.store.rv();
        let patch = json!({"spec": {"restartAt": json::stamp(self.now + SignedDuration::from_secs(1))}});
        let target = format!("{PATH}/web");
        let strategic = self.send(0, "PATCH", &target, "application/strategic-merge-patch+json", &patch).await;
        assert_eq!(strategic.0, 415, "of custom resources the server knows no strategy");
        assert_eq!(self.send(0, "PATCH", &target, "application/merge-patch+json", &patch).await.0, 200);
        rv
    }

    fn pods(&self) -> Vec<(String, bool)> {
        let pods = self.world.state().kube.list("pods", "carts");
        let own = pods.iter().filter(|p| json::entry(p, "/metadata/labels", "app") == Some("web"));
        own.map(|p| (json::text(p, "/metadata/uid").to_owned(), controllers::ready(p))).collect()
    }
}

#[tokio::test]
async fn the_kind_is_there_only_with_an_object() {
    let without = Fixture::new(Vec::new());
    assert_eq!(without.get(PATH).await, (404, json!("404 page not found\n")));
    assert_eq!(without.get("/apis/argoproj.io/v1alpha1").await.0, 404);
    assert!(!without.get("/apis").await.1.to_string().contains("argoproj.io"));
    let with = Fixture::new(vec![rollout(1, "")]);
    assert_eq!(json::list(&with.get(PATH).await.1, "/items").len(), 1);
    assert!(with.get("/apis").await.1.to_string().contains("argoproj.io"));
}

#[tokio::test]
async fn a_restart_evicts_one_pod_after_the_other_and_keeps_the_revision() {
    let mut f = Fixture::new(vec![rollout(2, "")]);
    f.run(10);
    let (before, sets) = (f.pods(), f.world.state().kube.list("replicasets", "carts").len());
    assert_eq!(json::text(&f.web().await, "/status/phase"), "Healthy");
    let rv = f.restart_web().await;
    f.run(5000);
    let seen = f.seen(rv, "rollouts", "web", &["observedGeneration", "availableReplicas", "phase", "restartedAt"]);
    let short: Vec<String> = seen
        .iter()
        .map(|s| s.rsplit_once(' ').map_or("", |(s, at)| if at == "-" { s } else { "noted" }).to_owned())
        .collect();
    assert_eq!(short[..3], ["1 2 Healthy", "2 2 Progressing", "2 1 Progressing"]);
    // Noted with the eviction of the last pod: its successor comes later.
    let noted = seen.iter().find(|s| !s.ends_with(" -")).unwrap();
    assert!(noted.starts_with("2 2 "), "{seen:?}");
    assert!(seen.last().unwrap().starts_with("2 2 Healthy "), "{seen:?}");
    let after = f.pods();
    assert!(after.len() == 2 && after.iter().all(|(uid, ready)| *ready && before.iter().all(|(old, _)| old != uid)));
    assert_eq!(f.world.state().kube.list("replicasets", "carts").len(), sets);
}

#[tokio::test]
async fn pods_that_are_not_ready_hold_a_restart_up_until_they_are_deleted() {
    let mut f = Fixture::new(vec![rollout(2, "unready")]);
    f.run(10);
    let before = f.pods();
    f.restart_web().await;
    f.run(5000);
    assert_eq!(f.pods(), before, "none is evicted");
    assert_eq!(json::text(&f.web().await, "/status/message"), "rollout is restarting");
    let pods = f.world.state().kube.list("pods", "carts");
    for pod in pods {
        if json::entry(&pod, "/metadata/labels", "app") == Some("web") {
            let target = format!("/api/v1/namespaces/carts/pods/{}", json::text(&pod, "/metadata/name"));
            assert_eq!(f.send(0, "DELETE", &target, "application/json", &Value::Null).await.0, 200);
        }
    }
    f.run(2000);
    let web = f.web().await;
    assert_eq!(web["status"]["restartedAt"], web["spec"]["restartAt"]);
}
