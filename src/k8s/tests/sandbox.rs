//! Against the sandbox's API server: TLS, tokens, new connections, a rollout from beginning to end.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::{Api, ResourceExt, api::ListParams};
use podid_sandbox::{
    Sandbox, Scenario,
    faults::{Action, Fault},
};
use serde_json::json;

use super::super::{Access, Kube, read_context, same_cluster, workloads::delete_pod};
use crate::{
    failure::{Kind, Result},
    model::{
        cluster::Cluster,
        have::ServiceAccountState,
        names::ServiceAccount,
        workload::{WorkloadKind, WorkloadRef},
    },
    ports::{Kubernetes, Probe, TokenSource},
};

fn carts() -> ServiceAccount {
    ServiceAccount::new("carts", "carts").unwrap()
}

fn deployment() -> WorkloadRef {
    WorkloadRef { kind: WorkloadKind::Deployment, namespace: "carts".to_owned(), name: "carts".to_owned() }
}

struct World {
    sandbox: Sandbox,
    kube: Kube,
    file: tempfile::NamedTempFile,
}

fn world() -> World {
    // A thread of its own: the sandbox brings a runtime, and the test has one already.
    let start = || Sandbox::start(Scenario::named("carts-before").unwrap()).unwrap();
    let sandbox = std::thread::spawn(start).join().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sandbox.kubeconfig()).unwrap();
    let access = Access::Kubeconfig { path: Some(file.path().to_owned()), context: None };
    World { kube: Kube::with_env(access, Arc::new(|_| None)), sandbox, file }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads() {
    let world = world();
    world.kube.reach().await.unwrap();
    assert_eq!(world.kube.service_account(&carts()).await.unwrap(), ServiceAccountState::Exists { irsa_role: None });
    let typo = ServiceAccount::new("carts", "cart").unwrap();
    let ServiceAccountState::Missing { near } = world.kube.service_account(&typo).await.unwrap() else { panic!() };
    assert_eq!(near, [carts()]);
    let nowhere = ServiceAccount::new("cartz", "carts").unwrap();
    let state = world.kube.service_account(&nowhere).await.unwrap();
    assert_eq!(state, ServiceAccountState::NoNamespace { near: vec![carts()], namespaces: Vec::new() });
    let nodes = world.kube.nodes().await.unwrap();
    assert!(nodes.len() == 3 && nodes.iter().all(|node| node.ready), "{nodes:?}");
    assert!(world.kube.agents().await.unwrap().agents.is_empty());
    assert!(world.kube.may("create", "", "pods", Some("carts")).await.unwrap());
    let workloads = world.kube.all_workloads(Some("carts")).await.unwrap();
    assert_eq!(workloads.iter().map(|w| w.id.to_string()).collect::<Vec<_>>(), ["deployment/carts"]);
    let pods = world.kube.pods(&carts()).await.unwrap();
    assert!(pods.iter().all(|pod| pod.service_account == "carts" && pod.revision.is_some()), "{pods:?}");
    let workload = world.kube.workload(&deployment()).await.unwrap().unwrap();
    assert!(pods.iter().all(|pod| workload.owns(pod)), "{pods:?}");
    let gone = WorkloadRef { name: "other".to_owned(), ..deployment() };
    assert_eq!(world.kube.workload(&gone).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_is_created_once() {
    let world = world();
    let new = ServiceAccount::new("carts", "new").unwrap();
    for _ in 0..2 {
        world.kube.create_service_account(&new).await.unwrap();
    }
    assert_eq!(world.kube.service_account(&new).await.unwrap(), ServiceAccountState::Exists { irsa_role: None });
}

/// A StatefulSet gives a new pod the name of the one before: between the list and the deletion it may be another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_took_the_name_of_another_is_not_deleted() {
    let world = world();
    let client = world.kube.connection().await.unwrap().client.clone();
    let api: Api<ApiPod> = Api::namespaced(client, "carts");
    let listed = api.list(&ListParams::default()).await.unwrap().items;
    let [first, second, ..] = &listed[..] else { panic!("{listed:?}") };
    let ends = |pod: &ApiPod| {
        let found = world.sandbox.with(|state| state.kube.get("pods", "carts", &pod.name_any()));
        found.is_none_or(|pod| !pod["metadata"]["deletionTimestamp"].is_null())
    };
    assert!(world.sandbox.with(|state| {
        state.kube.edit("pods", "carts", &first.name_any(), |pod| pod["metadata"]["uid"] = json!("another"))
    }));
    delete_pod(&api, first).await.unwrap();
    assert!(!ends(first));
    delete_pod(&api, second).await.unwrap();
    assert!(ends(second));
    // One that is gone is as wanted.
    world.sandbox.with(|state| state.kube.remove("pods", "carts", &second.name_any()));
    delete_pod(&api, second).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_probe_has_its_own_connection() {
    let world = world();
    let addresses = world.kube.addresses().await.unwrap();
    assert_eq!(addresses.len(), 1);
    for address in [None, Some(addresses[0])] {
        assert_eq!(world.kube.probe(&carts(), address).await.unwrap(), Probe::NotInjected);
    }
    let calls = world.sandbox.journal().calls();
    let probes: Vec<_> = calls.iter().filter(|call| call.operation.starts_with("create pods")).collect();
    assert_eq!(probes.len(), 2);
    assert_ne!(probes[0].connection, probes[1].connection);
    assert!(world.sandbox.journal().writes().is_empty());
    let missing = ServiceAccount::new("carts", "nobody").unwrap();
    let answer = world.kube.probe(&missing, None).await.unwrap();
    assert!(matches!(answer, Probe::NoServiceAccount(_)), "{answer:?}");
    let nowhere = ServiceAccount::new("nowhere", "nobody").unwrap();
    let answer = world.kube.probe(&nowhere, None).await.unwrap();
    assert!(matches!(answer, Probe::NoServiceAccount(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_followed() {
    let world = world();
    let before = world.kube.workload(&deployment()).await.unwrap().unwrap();
    let mut views = world.kube.follow(&before).await.unwrap();
    let old = views.next().await.unwrap().unwrap().workload.unwrap().status.update_revision;
    assert!(old.is_some());
    let at = "2026-11-23T19:34:15Z".parse().unwrap();
    let restarted = world.kube.restart(&before, at).await.unwrap();
    assert_eq!(restarted.generation, before.generation + 1);
    assert_eq!(restarted.restarted_at.as_deref(), Some("2026-11-23T19:34:15Z"));
    let new = async {
        loop {
            let view = views.next().await.unwrap().unwrap();
            let workload = view.workload.unwrap();
            if workload.status.observed_generation < restarted.generation {
                continue;
            }
            let revision = workload.status.update_revision;
            if revision.is_some() && view.pods.iter().any(|pod| pod.revision == revision) {
                return revision;
            }
        }
    };
    let new = tokio::time::timeout(std::time::Duration::from_secs(20), new).await.unwrap();
    assert_ne!(new, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_server_is_asked_again() {
    let world = world();
    world.sandbox.faults().add(Fault::once(
        "kubernetes",
        "list pods",
        Action::error(503, "ServiceUnavailable", "busy"),
    ));
    world.kube.pods(&carts()).await.unwrap();
    world.sandbox.faults().add(Fault::once("kubernetes", "list pods", Action::error(500, "InternalError", "etcd")));
    world.kube.pods(&carts()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again() {
    let world = world();
    world.kube.reach().await.unwrap();
    world.sandbox.faults().add(Fault::once("kubernetes", "list pods", Action::Drop));
    world.kube.pods(&carts()).await.unwrap();
    world.sandbox.faults().add(Fault::once("kubernetes", "create serviceaccounts", Action::DropAnswer));
    let new = ServiceAccount::new("carts", "new").unwrap();
    world.kube.create_service_account(&new).await.unwrap();
    assert_eq!(world.sandbox.journal().count("kubernetes", "create serviceaccounts"), 2);
    world.sandbox.faults().add(Fault::always("kubernetes", "create serviceaccounts", Action::Drop));
    let failure = world.kube.create_service_account(&new).await.unwrap_err();
    assert!(failure.has_code("") && failure.to_string().contains("no connection to"), "{failure}");
    assert_eq!(world.sandbox.journal().count("kubernetes", "create serviceaccounts"), 5);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_plugin_runs_once() {
    use std::os::unix::fs::PermissionsExt;
    let world = world();
    let (cluster, token) = described(&world);
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("aws-iam-authenticator");
    let runs = folder.path().join("runs");
    let credential = format!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{{"token":"{token}","expirationTimestamp":"2199-01-01T00:00:00Z"}}}}"#
    );
    let script = format!("#!/bin/sh\necho run >> '{}'\necho '{credential}'\n", runs.display());
    std::fs::write(&plugin, script).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = folder.path().join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{server: '{}', certificate-authority-data: '{}'}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: ./aws-iam-authenticator, \
         args: [token, -i, eks-workshop], interactiveMode: Never}}}}}}]\n",
        cluster.endpoint, cluster.certificate_authority,
    );
    std::fs::write(&config, text).unwrap();
    let access = Access::Kubeconfig { path: Some(config.clone()), context: None };
    let kube = Kube::with_env(access, Arc::new(|_| None));
    kube.reach().await.unwrap();
    assert_eq!(kube.probe(&carts(), None).await.unwrap(), Probe::NotInjected);
    assert_eq!(std::fs::read_to_string(&runs).unwrap().lines().count(), 1);
    let context = read_context(Some(&config), None).unwrap().unwrap();
    assert_eq!(context.name, "eks-workshop");
    assert!(same_cluster("https://elsewhere", &context.ca, &cluster));

    std::fs::write(&plugin, "#!/bin/sh\necho secret\necho 'no credentials' >&2\nexit 3\n").unwrap();
    let access = Access::Kubeconfig { path: Some(config), context: None };
    let failure = Kube::with_env(access, Arc::new(|_| None)).reach().await.unwrap_err();
    assert!(failure.denied() && failure.to_string().ends_with("no credentials"), "{failure}");
    assert!(!failure.to_string().contains("secret"), "{failure}");
}

struct Tokens(String, AtomicUsize);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<String> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.clone())
    }
}

/// The sandbox's cluster as DescribeCluster gives it, and the token of its kubeconfig.
fn described(world: &World) -> (Cluster, String) {
    let text = world.sandbox.kubeconfig();
    let after =
        |key: &str| text.split_once(key).unwrap().1.split_whitespace().next().unwrap().trim_matches('"').to_owned();
    let ca = after("certificate-authority-data:");
    STANDARD.decode(&ca).unwrap();
    let cluster = Cluster {
        name: "eks-workshop".to_owned(),
        arn: "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop".parse().unwrap(),
        version: "1.33".to_owned(),
        platform_version: "eks.9".to_owned(),
        status: "ACTIVE".to_owned(),
        endpoint: world.sandbox.kube_url().to_owned(),
        certificate_authority: ca,
        oidc_issuer: None,
        auto_mode: false,
        on_outpost: false,
        created_at: None,
    };
    (cluster, after("token:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_kubeconfig() {
    let world = world();
    let (cluster, token) = described(&world);
    let tokens = Arc::new(Tokens(token, AtomicUsize::new(0)));
    let access = |token: Arc<Tokens>| Access::Eks { cluster: Box::new(cluster.clone()), token };
    let kube = Kube::with_env(access(Arc::clone(&tokens)), Arc::new(|_| None));
    kube.reach().await.unwrap();
    kube.pods(&carts()).await.unwrap();
    assert_eq!(kube.probe(&carts(), None).await.unwrap(), Probe::NotInjected);
    assert!(tokens.1.load(Ordering::SeqCst) >= 3);
    assert!(world.kube.is_of(&cluster).await.unwrap());

    let stranger =
        Kube::with_env(access(Arc::new(Tokens("k8s-aws-v1.none".to_owned(), AtomicUsize::new(0)))), Arc::new(|_| None));
    let failure = stranger.reach().await.unwrap_err();
    assert!(failure.denied() && failure.has_code("Unauthorized") && failure.is(Kind::UnknownCaller), "{failure:?}");

    let untrusted = crate::model::cluster::Cluster { certificate_authority: other_ca(), ..cluster.clone() };
    let source = Arc::new(Tokens(String::new(), AtomicUsize::new(0)));
    let kube = Kube::with_env(Access::Eks { cluster: Box::new(untrusted), token: source }, Arc::new(|_| None));
    let failure = kube.reach().await.unwrap_err();
    assert!(failure.to_string().contains("is not trusted"), "{failure}");

    let nobody = Cluster { endpoint: "https://127.0.0.1:1".to_owned(), ..cluster };
    let kube = Kube::with_env(Access::Eks { cluster: Box::new(nobody), token: tokens }, Arc::new(|_| None));
    let failure = kube.reach().await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "cannot reach the Kubernetes API: no connection to `https://127.0.0.1:1`: connection refused"
    );
}

/// The CA of another world.
fn other_ca() -> String {
    described(&self::world()).0.certificate_authority
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_there() {
    let world = world();
    let access = Access::Kubeconfig { path: Some(world.file.path().to_owned()), context: None };
    let env = |name: &str| (name == "HTTPS_PROXY").then(|| "http://me:secret@127.0.0.1:1".to_owned());
    let kube = Kube::with_env(access, Arc::new(env));
    let failure = kube.reach().await.unwrap_err();
    assert!(!failure.to_string().contains("secret") && failure.to_string().contains("connection refused"), "{failure}");
    assert!(kube.addresses().await.unwrap().is_empty());
}

/// A proxy that serves each CONNECT and tells what it was sent.
fn proxy() -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(std::result::Result::ok) {
            let mut client = client;
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let Some(to) = head.strip_prefix("CONNECT ").and_then(|h| h.split(' ').next()) else { continue };
            let server = TcpStream::connect(to).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            sender.send(head.clone()).unwrap_or_default();
            for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).unwrap_or_default();
                    to.shutdown(std::net::Shutdown::Write).unwrap_or_default();
                });
            }
        }
    });
    (port, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy() {
    let world = world();
    let (port, heads) = proxy();
    let access = Access::Kubeconfig { path: Some(world.file.path().to_owned()), context: None };
    let env = move |name: &str| (name == "HTTPS_PROXY").then(|| format!("http://me:pass%40word@127.0.0.1:{port}"));
    let kube = Kube::with_env(access, Arc::new(env));
    kube.reach().await.unwrap();
    for _ in 0..2 {
        assert_eq!(kube.probe(&carts(), None).await.unwrap(), Probe::NotInjected);
    }
    let heads: Vec<String> = heads.try_iter().collect();
    // One for the pool, one for each probe.
    assert_eq!(heads.len(), 3);
    let wanted = format!("Basic {}", STANDARD.encode("me:pass@word"));
    assert!(heads.iter().all(|head| head.contains(&wanted)), "{heads:?}");
}

#[test]
fn its_context_is_read() {
    let world = world();
    let context = read_context(Some(world.file.path()), None).unwrap();
    if let Some(context) = context {
        assert_eq!(context.name, "eks-workshop");
        assert_eq!(context.region.as_deref(), Some("us-west-2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_the_pod_that_podid_runs_in() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let config: serde_json::Value = serde_yaml::from_str(&world.sandbox.kubeconfig()).unwrap();
    let ca = config["clusters"][0]["cluster"]["certificate-authority-data"].as_str().unwrap();
    let token = config["users"][0]["user"]["token"].as_str().unwrap();
    std::fs::write(folder.path().join("ca.crt"), STANDARD.decode(ca).unwrap()).unwrap();
    // Kubernetes writes it without a line break; others with one.
    std::fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
    let address = world.sandbox.kube_url().trim_start_matches("https://").to_owned();
    let (host, port) = address.split_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    let env: super::super::kubeconfig::Env = Arc::new(move |name| match name {
        "KUBERNETES_SERVICE_HOST" => Some(host.clone()),
        "KUBERNETES_SERVICE_PORT" => Some(port.clone()),
        _ => None,
    });
    let pod = || Kube::with_env(Access::Pod { folder: folder.path().to_owned() }, Arc::clone(&env));
    assert_eq!(pod().service_account(&carts()).await.unwrap(), ServiceAccountState::Exists { irsa_role: None });

    std::fs::write(folder.path().join("token"), "expired").unwrap();
    let failure = pod().service_account(&carts()).await.unwrap_err();
    let said = failure.to_string();
    assert!(failure.is(Kind::UnknownCaller), "{said}");
    assert!(said.contains("the server rejected the token of the service account of this pod in"), "{said}");
    assert!(failure.hints.iter().all(|hint| !hint.contains("kubeconfig")), "{:?}", failure.hints);
}
