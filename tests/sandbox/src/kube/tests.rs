//! Tests of the Kubernetes side: requests answered in process, and controllers driven by a pretend clock.

mod argo;
mod events;

use http_body_util::BodyExt;

use super::*;

const KEY: &str = "sandbox-AKIAIOSFODNN7EXAMPLE";

/// A world without servers whose time stands still unless a test moves it.
struct Fixture {
    world: Arc<World>,
    now: Timestamp,
}

fn workload(kind: &str, name: &str, replicas: i64) -> Value {
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "carts"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"serviceAccountName": "carts", "containers": [{"name": name, "image": "nginx"}]}}}});
    if kind != "DaemonSet" {
        object["spec"]["replicas"] = json!(replicas);
    }
    object
}

impl Fixture {
    /// The first scenario with other values, and more manifests.
    fn with(set: &[(&str, Value)], manifests: Vec<Value>) -> Self {
        let mut all: Vec<(&str, Value)> = set.to_vec();
        all.extend(manifests.into_iter().map(|m| ("/manifests/-", m)));
        let scenario = Scenario::with("carts-before", &all).unwrap();
        let world = Arc::new(World::new(scenario, "https://127.0.0.1:1".into(), "CA".into()).unwrap());
        let now = world.clock.now();
        Self { world, now }
    }

    fn new(manifests: Vec<Value>) -> Self {
        Self::with(&[], manifests)
    }

    /// Lets everything that is due until `ms` later happen, in order.
    fn run(&mut self, ms: i64) {
        let until = self.now + SignedDuration::from_millis(ms);
        let mut state = self.world.state();
        while self.now < until {
            step(&mut state, &self.world.scenario, self.now);
            self.now += SignedDuration::from_millis(1);
        }
    }

    async fn send(&self, server: usize, method: &str, target: &str, kind: &str, body: &Value) -> (u16, Value) {
        let request =
            http::Request::builder().method(method).uri(target).header("authorization", format!("Bearer {KEY}"));
        let (parts, ()) = request.header("content-type", kind).body(()).unwrap().into_parts();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let req = Req { parts, body: body.into(), server };
        let answer = handle(&self.world, req).await;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))))
    }

    async fn get(&self, target: &str) -> (u16, Value) {
        self.send(0, "GET", target, "application/json", &Value::Null).await
    }

    async fn post(&self, target: &str, body: Value) -> (u16, Value) {
        self.send(0, "POST", target, "application/json", &body).await
    }

    async fn restart(&self, resource: &str, name: &str) -> u64 {
        let rv = self.world.state().kube.store.rv();
        let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-23T19:34:15Z"}}}}});
        let target = format!("/apis/apps/v1/namespaces/carts/{resource}/{name}?fieldManager=kubectl-rollout");
        let (status, _) = self.send(0, "PATCH", &target, "application/strategic-merge-patch+json", &patch).await;
        assert_eq!(status, 200);
        rv
    }

    /// The statuses that a watcher of one object has seen since `rv`, these fields of them.
    fn seen(&self, rv: u64, resource: &str, name: &str, fields: &[&str]) -> Vec<String> {
        let state = self.world.state();
        let changes = state
            .kube
            .store
            .since(rv)
            .filter(|c| c.resource == resource && json::text(&c.after, "/metadata/name") == name);
        changes
            .map(|c| {
                let each: Vec<String> = fields
                    .iter()
                    .map(|f| {
                        c.after["status"]
                            .get(*f)
                            .map_or("-".to_owned(), |v| v.as_str().map_or(v.to_string(), str::to_owned))
                    })
                    .collect();
                each.join(" ")
            })
            .collect()
    }
}

#[tokio::test]
async fn a_deployment_shows_the_old_counts_first_and_then_replaces_pod_by_pod() {
    let mut f = Fixture::new(vec![workload("Deployment", "web", 2)]);
    f.run(10);
    let rv = f.restart("deployments", "web").await;
    f.run(1500);
    let fields = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
    ];
    // As captured: the patch, the new ReplicaSet, then the rollout.
    assert_eq!(
        f.seen(rv, "deployments", "web", &fields),
        [
            "1 2 2 2 2 - 0",
            "1 2 2 2 2 - 0",
            "2 3 1 2 2 1 0",
            "2 3 1 3 3 - 0",
            "2 2 1 2 2 1 1",
            "2 3 2 2 2 1 1",
            "2 3 2 2 2 1 0",
            "2 3 2 3 3 - 0",
            "2 2 2 2 2 - 1",
            "2 2 2 2 2 - 0"
        ]
    );
    let web = f.get("/apis/apps/v1/namespaces/carts/deployments/web").await.1;
    let reasons: Vec<&str> = json::list(&web, "/status/conditions").iter().map(|c| json::text(c, "/reason")).collect();
    assert_eq!(reasons, ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]);
    assert_eq!(json::entry(&web, "/metadata/annotations", "deployment.kubernetes.io/revision"), Some("2"));
}

#[tokio::test]
async fn a_stateful_set_goes_from_the_highest_ordinal() {
    let mut f = Fixture::new(vec![workload("StatefulSet", "db", 2)]);
    f.run(10);
    let rv = f.restart("statefulsets", "db").await;
    f.run(1500);
    let fields =
        ["observedGeneration", "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    assert_eq!(
        f.seen(rv, "statefulsets", "db", &fields),
        [
            "1 2 2 2 2 2",
            "2 2 2 1 - 2",
            "2 2 1 1 - 1",
            "2 1 1 1 - 1",
            "2 2 1 1 1 1",
            "2 2 2 - 1 2",
            "2 2 1 - 1 1",
            "2 1 1 - 1 1",
            "2 2 1 - 2 1",
            "2 2 2 2 2 2"
        ]
    );
    let revisions = f.seen(rv, "statefulsets", "db", &["currentRevision", "updateRevision"]);
    let equal: Vec<bool> = revisions.iter().map(|r| r.split_once(' ').is_some_and(|(a, b)| a == b)).collect();
    assert_eq!(equal, [true, false, false, false, false, false, false, false, false, true]);
}

#[tokio::test]
async fn a_daemon_set_shows_all_ready_before_anything_is_updated() {
    let mut f = Fixture::new(vec![workload("DaemonSet", "ds", 0)]);
    f.run(10);
    let rv = f.restart("daemonsets", "ds").await;
    f.run(1500);
    let fields =
        ["observedGeneration", "desiredNumberScheduled", "numberReady", "updatedNumberScheduled", "numberUnavailable"];
    assert_eq!(
        f.seen(rv, "daemonsets", "ds", &fields),
        ["1 3 3 3 -", "2 3 3 - -", "2 3 2 1 1", "2 3 3 1 -", "2 3 2 2 1", "2 3 3 2 -", "2 3 2 3 1", "2 3 3 3 -"]
    );
}

#[tokio::test]
async fn recreate_stops_all_before_it_starts_any() {
    let mut web = workload("Deployment", "web", 2);
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    let mut f = Fixture::new(vec![web]);
    f.run(10);
    let rv = f.restart("deployments", "web").await;
    f.run(1500);
    let seen =
        f.seen(rv, "deployments", "web", &["observedGeneration", "replicas", "updatedReplicas", "readyReplicas"]);
    assert_eq!(seen.first().map(String::as_str), Some("1 2 2 2"));
    assert!(seen.contains(&"2 - - -".to_owned()), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("2 2 2 2"));
}

#[tokio::test]
async fn paused_and_on_delete_never_move() {
    let mut web = workload("Deployment", "web", 1);
    web["spec"]["paused"] = json!(true);
    let mut db = workload("StatefulSet", "db", 1);
    db["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    let mut f = Fixture::new(vec![web, db]);
    f.run(10);
    let rv = f.restart("statefulsets", "db").await;
    f.restart("deployments", "web").await;
    f.run(800);
    assert_eq!(f.seen(rv, "statefulsets", "db", &["observedGeneration", "updatedReplicas"]).last().unwrap(), "2 -");
    let web = f.get("/apis/apps/v1/namespaces/carts/deployments/web").await.1;
    assert_eq!(json::number(&web, "/status/updatedReplicas"), 0);
    assert_eq!(json::number(&web, "/status/observedGeneration"), 2);
}

#[tokio::test]
async fn a_rollout_that_stands_still_exceeds_its_deadline() {
    let mut web = workload("Deployment", "web", 1);
    web["spec"]["progressDeadlineSeconds"] = json!(2);
    let mut f = Fixture::new(vec![web]);
    f.run(10);
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.podid.dev/app": "image-error"}}}}});
    let target = "/apis/apps/v1/namespaces/carts/deployments/web";
    f.send(0, "PATCH", target, "application/merge-patch+json", &patch).await;
    f.run(4000);
    let web = f.get(target).await.1;
    let condition = controllers::condition(&web, "Progressing").unwrap();
    assert_eq!(json::text(condition, "/reason"), "ProgressDeadlineExceeded");
    let pods = f.get("/api/v1/namespaces/carts/pods?labelSelector=app=web").await.1;
    let waiting: Vec<&str> = json::list(&pods, "/items")
        .iter()
        .map(|p| json::text(p, "/status/containerStatuses/0/state/waiting/reason"))
        .collect();
    assert!(waiting.contains(&"ImagePullBackOff"), "{waiting:?}");
    assert_eq!(json::number(&web, "/status/availableReplicas"), 1, "the old pod still serves");
}

fn healthy() -> Vec<(&'static str, Value)> {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
    vec![
        (
            "/roles/-",
            json!({"name": "carts", "trust": trust, "attached": ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"]}),
        ),
        (
            "/associations",
            json!([{"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/carts"}]),
        ),
        ("/addons", json!([{"name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1"}])),
    ]
}

async fn carts_log(f: &Fixture) -> (Value, String) {
    let pods = f.get("/api/v1/namespaces/carts/pods?labelSelector=app.kubernetes.io/name%3Dcarts").await.1;
    let pod = json::list(&pods, "/items")[0].clone();
    let log = f.get(&format!("/api/v1/namespaces/carts/pods/{}/log", json::text(&pod, "/metadata/name"))).await.1;
    (pod, log.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn with_all_links_whole_the_app_runs_as_the_role() {
    let f = Fixture::with(&healthy(), Vec::new());
    let (pod, log) = carts_log(&f).await;
    assert!(controllers::ready(&pod), "{log}");
    assert!(log.contains(":assumed-role/carts/"), "{log}");
    let node = json::text(&pod, "/spec/nodeName");
    assert!(agent::serves(&f.world.state().kube, node));
    assert_eq!(f.world.state().kube.daemon_set("kube-system", agent::NAME), Some((3, 3)));
}

#[tokio::test]
async fn without_an_agent_the_app_cannot_even_fall_back_to_the_node() {
    let set: Vec<_> = healthy().into_iter().filter(|(at, _)| *at != "/addons").collect();
    let f = Fixture::with(&set, Vec::new());
    let (pod, log) = carts_log(&f).await;
    assert!(json::number(&pod, "/status/containerStatuses/0/restartCount") > 2);
    assert!(log.contains("Error when retrieving credentials from container-role: Error retrieving metadata: Received error when attempting to retrieve container metadata: Connect timeout on endpoint URL: \"http://169.254.170.23/v1/credentials\""), "{log}");
}

#[tokio::test]
async fn without_an_association_the_app_is_the_node() {
    let f = Fixture::new(Vec::new());
    let (pod, log) = carts_log(&f).await;
    assert_eq!(json::text(&pod, "/status/containerStatuses/0/state/waiting/reason"), "CrashLoopBackOff");
    assert!(log.contains("assumed-role/eks-workshop-nodes/i-0a11b22c33d44e55"), "{log}");
    let target =
        format!("/api/v1/namespaces/carts/pods/{}/log?previous=true&tailLines=1", json::text(&pod, "/metadata/name"));
    assert!(f.get(&target).await.1.as_str().unwrap().starts_with("\tat software.amazon.awssdk"));
}

#[tokio::test]
async fn a_dry_run_goes_through_the_webhook_and_leaves_nothing() {
    let f = Fixture::with(&healthy(), Vec::new());
    let before = f.world.state().kube.store.rv();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "probe-"}, "spec": {"serviceAccountName": "carts",
        "containers": [{"name": "a", "image": "x", "env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}, {"name": "b", "image": "x"}]}});
    let mut skipping = pod.clone();
    skipping["metadata"]["annotations"] =
        json!({"eks.amazonaws.com/skip-containers": "a", "eks.amazonaws.com/token-expiration": "700"});
    let (status, made) = f.post("/api/v1/namespaces/carts/pods?dryRun=All", pod.clone()).await;
    assert_eq!(status, 201);
    let source = &made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(source["audience"], "pods.eks.amazonaws.com");
    assert!((79_200..=86_400).contains(&source["expirationSeconds"].as_i64().unwrap()));
    let names = |at: usize| -> Vec<String> {
        json::list(&made["spec"]["containers"][at], "/env").iter().map(|e| json::text(e, "/name").to_owned()).collect()
    };
    let pair = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
    assert_eq!(names(0), ["AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS", pair[0], pair[1]]);
    assert_eq!(names(1), ["AWS_STS_REGIONAL_ENDPOINTS", "AWS_DEFAULT_REGION", "AWS_REGION", pair[0], pair[1]]);
    assert_eq!(json::entry(&made, "/metadata/labels", "eks.amazonaws.com/pod-identity"), Some("enabled"));
    assert!(made["metadata"].get("resourceVersion").is_none());
    let made = f.post("/api/v1/namespaces/carts/pods?dryRun=All", skipping).await.1;
    assert!(made["spec"]["containers"][0]["env"].as_array().unwrap().len() == 1);
    assert_eq!(made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 700);
    let mut labelled = pod;
    labelled["metadata"]["labels"] = json!({"eks.amazonaws.com/skip-pod-identity-webhook": "true"});
    let made = f.post("/api/v1/namespaces/carts/pods?dryRun=All", labelled).await.1;
    assert!(json::list(&made, "/spec/volumes").iter().all(|v| json::text(v, "/name") != "eks-pod-identity-token"));
    assert_eq!(f.world.state().kube.store.rv(), before);
}

#[tokio::test]
async fn the_webhook_misses_every_nth_when_told_so() {
    let mut set = healthy();
    set.push(("/webhook", json!({"miss_every": 3})));
    let f = Fixture::with(&set, Vec::new());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "probe-"}, "spec": {"serviceAccountName": "carts", "containers": [{"name": "a", "image": "x"}]}});
    let mut hits = 0;
    for _ in 0..9 {
        let made = f.post("/api/v1/namespaces/carts/pods?dryRun=All", pod.clone()).await.1;
        hits += usize::from(json::text(&made, "/spec/volumes/0/name") == "eks-pod-identity-token");
    }
    assert_eq!(hits, 6);
}

#[tokio::test]
async fn refusals_are_in_the_servers_words() {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "carts"}, "spec": {"hard": {"pods": "2"}}});
    let strict = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let set = [("/callers/0/rbac_denies", json!(["list secrets", "* nodes"]))];
    let f = Fixture::with(&set, vec![quota, strict, workload("Deployment", "web", 0)]);
    let pod = |account: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "x"}]}});
    let cases = [
        (f.get("/apis/apps/v1/namespaces/default/deployments/nope").await, 404, "deployments.apps \"nope\" not found"),
        (
            f.get("/api/v1/pods?labelSelector=%3Dx").await,
            400,
            "unable to parse requirement: found '=', expected: identifier",
        ),
        (f.get("/api/v1/pods?fieldSelector=spec.foo%3D1").await, 400, "field label not supported: spec.foo"),
        (
            f.get("/api/v1/namespaces/carts/secrets").await,
            403,
            "secrets is forbidden: User \"arn:aws:iam::111122223333:user/workshop\" cannot list resource \"secrets\" in API group \"\" in the namespace \"carts\"",
        ),
        (
            f.get("/api/v1/nodes").await,
            403,
            "nodes is forbidden: User \"arn:aws:iam::111122223333:user/workshop\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
        ),
        (f.post("/api/v1/namespaces/nope/pods", pod("default")).await, 404, "namespaces \"nope\" not found"),
        (
            f.post("/api/v1/namespaces/carts/pods", pod("sa")).await,
            403,
            "pods \"p\" is forbidden: error looking up service account carts/sa: serviceaccount \"sa\" not found",
        ),
        (
            f.post("/api/v1/namespaces/carts/pods", pod("carts")).await,
            403,
            "pods \"p\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2",
        ),
        (
            f.post("/api/v1/namespaces/strict/pods", pod("default")).await,
            403,
            "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
        ),
        (
            f.send(0, "PATCH", "/apis/apps/v1/namespaces/carts/deployments/web", "application/foo", &json!({})).await,
            415,
            "415: Unsupported Media Type",
        ),
        (
            f.send(
                0,
                "PATCH",
                "/apis/apps/v1/namespaces/carts/deployments/web",
                "application/merge-patch+json",
                &json!({"metadata": {"resourceVersion": "1"}}),
            )
            .await,
            409,
            "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your changes to the latest version and try again",
        ),
        (
            f.send(
                0,
                "PATCH",
                "/apis/apps/v1/namespaces/carts/deployments/web",
                "application/merge-patch+json",
                &json!({"spec": {"replicas": -1}}),
            )
            .await,
            422,
            "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            f.send(
                0,
                "PATCH",
                "/apis/apps/v1/namespaces/carts/deployments/web",
                "application/merge-patch+json",
                &json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
            )
            .await,
            422,
            "Deployment.apps \"web\" is invalid: [spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`, spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"other\"}}: field is immutable]",
        ),
    ];
    for ((status, body), wanted, message) in cases {
        assert_eq!((status, json::text(&body, "/message")), (wanted, message));
    }
    assert_eq!(f.get("/apis/nope/v1/things").await, (404, json!("404 page not found\n")));
    let review = |verb: &str, resource: &str| json!({"spec": {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": "carts"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(f.post(path, review("list", "secrets")).await.1["status"]["allowed"], false);
    assert_eq!(f.post(path, review("create", "pods")).await.1["status"]["allowed"], true);
}

#[tokio::test]
async fn tokens_are_bound_to_pods_of_their_account() {
    let f = Fixture::new(Vec::new());
    let (pod, _) = carts_log(&f).await;
    let name = json::text(&pod, "/metadata/name");
    let ask = |seconds: i64| json!({"spec": {"audiences": ["pods.eks.amazonaws.com"], "expirationSeconds": seconds, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": name}}});
    let (status, made) = f.post("/api/v1/namespaces/carts/serviceaccounts/carts/token", ask(600)).await;
    assert_eq!(status, 201);
    let claims = f.world.state().kube.read_token(json::text(&made, "/status/token")).unwrap();
    assert_eq!(
        (claims.namespace.as_str(), claims.service_account.as_str(), claims.audience.as_str()),
        ("carts", "carts", "pods.eks.amazonaws.com")
    );
    assert_eq!(claims.pod.unwrap().0, name);
    let other = f.post("/api/v1/namespaces/carts/serviceaccounts/default/token", ask(600)).await;
    assert_eq!(
        json::text(&other.1, "/message"),
        "cannot bind token for serviceaccount \"default\" to pod running with different serviceaccount name."
    );
    assert_eq!(f.post("/api/v1/namespaces/carts/serviceaccounts/carts/token", ask(599)).await.0, 422);
}

#[tokio::test]
async fn pages_are_of_one_moment_until_they_expire() {
    let f = Fixture::new(Vec::new());
    let first = f.get("/api/v1/configmaps?limit=2").await.1;
    let token = json::text(&first, "/metadata/continue").to_owned();
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let extra = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "zzz"}});
    assert_eq!(f.post("/api/v1/namespaces/kube-system/configmaps", extra).await.0, 201);
    let second = f.get(&format!("/api/v1/configmaps?limit=9&continue={token}")).await.1;
    assert_eq!(json::list(&second, "/items").len(), 2, "what came later is not in it");
    f.world.state().kube.compact();
    let (status, expired) = f.get(&format!("/api/v1/configmaps?limit=2&continue={token}")).await;
    assert_eq!((status, json::text(&expired, "/reason")), (410, "Expired"));
    let fresh = json::text(&expired, "/metadata/continue");
    assert_eq!(json::list(&f.get(&format!("/api/v1/configmaps?continue={fresh}")).await.1, "/items").len(), 3);
}

#[tokio::test]
async fn watches_tell_of_changes_bookmarks_and_expiry() {
    let f = Fixture::new(Vec::new());
    let rv = f.world.state().kube.store.rv();
    let lines = |text: &Value| -> Vec<Value> {
        text.as_str().unwrap_or_default().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let target =
        format!("/apis/apps/v1/deployments?watch=true&resourceVersion={rv}&timeoutSeconds=1&allowWatchBookmarks=true");
    f.restart("deployments", "carts").await;
    let seen = lines(&f.get(&target).await.1);
    assert_eq!(
        (seen[0]["type"].as_str(), seen[0]["object"]["metadata"]["generation"].as_i64()),
        (Some("MODIFIED"), Some(2))
    );
    let mark = &seen[1];
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(
        mark["object"]["spec"],
        json!({"replicas": 0, "selector": null, "template": {"metadata": {}, "spec": {"containers": null}}, "strategy": {}})
    );
    f.world.state().kube.compact();
    let (status, expired) = f.get(&target).await;
    assert_eq!(status, 200);
    let one = if expired.is_object() { expired } else { lines(&expired)[0].clone() };
    assert_eq!((one["type"].as_str(), one["object"]["code"].as_i64()), (Some("ERROR"), Some(410)));
}

#[tokio::test]
async fn each_api_server_learns_of_an_association_in_its_own_time() {
    let mut set: Vec<_> = healthy();
    set.retain(|(at, _)| *at != "/associations");
    set.push(("/associations", json!([{"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/carts", "age_s": 0}])));
    set.push(("/delays", json!({"association": [0, 60_000]})));
    let f = Fixture::with(&set, Vec::new());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "probe-"}, "spec": {"serviceAccountName": "carts", "containers": [{"name": "a", "image": "x"}]}});
    let mut injected = Vec::new();
    for server in [0, 1] {
        let made = f.send(server, "POST", "/api/v1/namespaces/carts/pods?dryRun=All", "application/json", &pod).await.1;
        injected.push(json::text(&made, "/spec/volumes/0/name") == "eks-pod-identity-token");
    }
    assert_eq!(injected, [true, false]);
}

#[tokio::test]
async fn pods_that_admission_refuses_are_told_of_in_the_deployment() {
    let mut web = workload("Deployment", "web", 1);
    web["spec"]["template"]["spec"]["serviceAccountName"] = json!("gone");
    let mut f = Fixture::new(vec![web]);
    let target = "/apis/apps/v1/namespaces/carts/deployments/web";
    let message = f.get(target).await.1;
    let failure = controllers::condition(&message, "ReplicaFailure").unwrap();
    assert!(
        json::text(failure, "/message")
            .ends_with("error looking up service account carts/gone: serviceaccount \"gone\" not found")
    );
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gone"}});
    f.post("/api/v1/namespaces/carts/serviceaccounts", account).await;
    f.run(1000);
    let web = f.get(target).await.1;
    assert!(controllers::condition(&web, "ReplicaFailure").is_none());
    assert_eq!(json::number(&web, "/status/readyReplicas"), 1);
}

#[tokio::test]
async fn what_is_deleted_takes_its_pods_along() {
    let mut f = Fixture::new(vec![workload("Deployment", "web", 2)]);
    f.run(10);
    f.send(0, "DELETE", "/apis/apps/v1/namespaces/carts/deployments/web", "application/json", &Value::Null).await;
    f.run(300);
    let state = f.world.state();
    assert_eq!(state.kube.list("replicasets", "carts").len(), 1);
    assert!(state.kube.list("pods", "carts").iter().all(|p| json::entry(p, "/metadata/labels", "app") != Some("web")));
}

#[tokio::test]
async fn a_world_at_rest_writes_nothing() {
    let mut f = Fixture::with(&healthy(), vec![workload("StatefulSet", "db", 2), workload("DaemonSet", "ds", 0)]);
    f.run(10);
    let rv = f.world.state().kube.store.rv();
    f.run(500);
    assert_eq!(f.world.state().kube.store.rv(), rv);
}
