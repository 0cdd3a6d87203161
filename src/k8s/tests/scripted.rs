//! Against scripted answers: pages, expired lists, probes, restarts, agents, service accounts.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{kube, status};
use crate::{
    failure::{Code, Kind},
    model::{
        cluster::Cluster,
        have::ServiceAccountState,
        names::ServiceAccount,
        workload::{CronJob, WorkloadKind, WorkloadRef},
    },
    ports::{Kubernetes, Probe, Tail},
};

fn carts() -> ServiceAccount {
    ServiceAccount::new("carts", "carts").unwrap()
}

pub(super) fn web(kind: WorkloadKind) -> WorkloadRef {
    WorkloadRef { kind, namespace: "default".to_owned(), name: "web".to_owned() }
}

pub(super) fn pod(name: &str, service_account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "carts", "resourceVersion": "7"},
        "spec": {"serviceAccountName": service_account, "containers": [{"name": "app", "image": "app"}]},
        "status": {"phase": "Running"},
    })
}

pub(super) fn list(kind: &str, items: &[Value], more: Option<&str>) -> (u16, String) {
    let metadata = json!({"resourceVersion": "10", "continue": more.unwrap_or_default()});
    (200, json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": metadata, "items": items}).to_string())
}

#[tokio::test]
async fn pods_of_every_page_and_only_of_the_service_account() {
    let (kube, log) = kube(|asked| {
        if asked.target.contains("continue=more") {
            list("Pod", &[pod("b", "carts")], None)
        } else {
            list("Pod", &[pod("a", "carts"), pod("other", "default")], Some("more"))
        }
    });
    let names: Vec<String> = kube.pods(&carts()).await.unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["a", "b"]);
    let first = log.lock().unwrap()[0].target.clone();
    assert!(first.starts_with("/api/v1/namespaces/carts/pods?"), "{first}");
    assert!(first.contains("fieldSelector=spec.serviceAccountName%3Dcarts") && first.contains("limit=500"), "{first}");
}

#[tokio::test]
async fn an_expired_list_begins_again() {
    let expired = AtomicUsize::new(0);
    let (kube, _) = kube(move |asked| {
        if !asked.target.contains("continue=") {
            return list("Pod", &[pod("a", "carts")], Some("more"));
        }
        match expired.fetch_add(1, Ordering::SeqCst) {
            0 => status(410, "Expired", "The provided continue parameter is too old"),
            _ => list("Pod", &[pod("b", "carts")], None),
        }
    });
    let names: Vec<String> = kube.pods(&carts()).await.unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_list_that_always_expires_fails() {
    let (kube, _) = kube(|_| status(410, "Expired", "too old"));
    let failure = kube.pods(&carts()).await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot list pods of `carts/carts`: too old");
}

#[tokio::test]
async fn a_list_that_does_not_end_fails() {
    // A page token that comes again: at once, or by turns.
    for turns in [["more", "more"], ["more", "again"]] {
        let asked = AtomicUsize::new(0);
        let (kube, log) = kube(move |_| {
            let token = turns[asked.fetch_add(1, Ordering::SeqCst) % 2];
            list("Pod", &[pod("a", "carts")], Some(token))
        });
        let failure = kube.pods(&carts()).await.unwrap_err();
        assert!(failure.to_string().ends_with("it returned the same page of the list twice"), "{failure}");
        assert!(log.lock().unwrap().len() <= 3);
    }
    let asked = AtomicUsize::new(0);
    let (kube, _) = kube(move |_| {
        let next = asked.fetch_add(1, Ordering::SeqCst).to_string();
        list("Pod", &[], Some(&next))
    });
    let failure = kube.pods(&carts()).await.unwrap_err();
    assert!(failure.to_string().ends_with("its list does not end"), "{failure}");
}

#[tokio::test]
async fn what_may_be_listed_is_not_lost_with_what_may_not() {
    let refusing = |kinds: &'static [&str]| {
        kube(move |asked| {
            if kinds.iter().any(|kind| asked.target.contains(kind)) {
                return status(403, "Forbidden", "statefulsets.apps is forbidden");
            }
            if asked.target.contains("/deployments") {
                list("Deployment", &[deployment(1, 1, false)], None)
            } else {
                list("StatefulSet", &[], None)
            }
        })
        .0
    };
    for kinds in [&[][..], &["statefulsets"], &["statefulsets", "daemonsets"]] {
        let kube = refusing(kinds);
        assert_eq!(kube.all_workloads(Some("default")).await.unwrap().len(), 1);
        let told = kube.0.told.lock().unwrap().clone();
        let wanted = (!kinds.is_empty()).then(|| format!("not allowed: list {}", kinds.join(" and ")));
        assert!(
            told.len() == usize::from(wanted.is_some()) && told.iter().all(|t| t.ends_with(wanted.as_ref().unwrap()))
        );
    }
    let failure = refusing(&["deployments", "statefulsets", "daemonsets"]).all_workloads(None).await.unwrap_err();
    assert!(failure.denied() && failure.has_code("Forbidden") && failure.is(Kind::Forbidden), "{failure:?}");
    // Anything else than a refusal still fails all.
    let (broken, _) = kube(|asked| {
        if asked.target.contains("/statefulsets") {
            status(500, "InternalError", "no")
        } else {
            list("Deployment", &[], None)
        }
    });
    assert!(broken.all_workloads(None).await.is_err());
}

/// What the API server answers to a probe, with and without the right to create pods.
async fn probed(answer: (u16, String), allowed: bool) -> crate::failure::Result<Probe> {
    let (kube, log) = kube(move |asked| {
        if asked.target.contains("selfsubjectaccessreviews") {
            (201, json!({"metadata": {}, "spec": {}, "status": {"allowed": allowed}}).to_string())
        } else {
            answer.clone()
        }
    });
    let answer = kube.probe(&carts(), None).await;
    let asked = log.lock().unwrap()[0].clone();
    assert_eq!(asked.method, "POST");
    assert!(asked.target.starts_with("/api/v1/namespaces/carts/pods?") && asked.target.contains("dryRun=All"));
    assert_eq!(asked.body["metadata"]["generateName"], "podid-probe-");
    assert_eq!(asked.body["spec"]["serviceAccountName"], "carts");
    assert!(asked.body["metadata"].get("labels").is_none());
    answer
}

#[tokio::test]
async fn probes_that_are_answered() {
    let mut injected = pod("podid-probe-x", "carts");
    injected["spec"]["containers"][0]["name"] = json!("probe");
    injected["spec"]["volumes"] = json!([{"name": "eks-pod-identity-token"}]);
    assert_eq!(probed((201, injected.to_string()), true).await.unwrap(), Probe::NotInjected);
    injected["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/token"},
    ]);
    injected["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "eks-pod-identity-token", "mountPath": "/var"}]);
    assert_eq!(probed((201, injected.to_string()), true).await.unwrap(), Probe::Injected);
    let plain = pod("podid-probe-x", "carts").to_string();
    assert_eq!(probed((201, plain), true).await.unwrap(), Probe::NotInjected);
}

#[tokio::test]
async fn probes_that_are_refused() {
    for (code, reason, message, allowed, wanted) in [
        (
            403,
            "Forbidden",
            r#"pods is forbidden: User "dev" cannot create resource "pods""#,
            false,
            "RBAC: the caller is not",
        ),
        (403, "Forbidden", "pods \"p\" is forbidden: a new admission plugin", true, "pods \"p\" is forbidden: a new"),
        (403, "Forbidden", "pods \"podid-probe-x7\" is forbidden: a new plugin", true, "a new plugin"),
        (
            403,
            "Forbidden",
            "pods \"podid-probe-x7\" is forbidden: minimum cpu usage per Pod is 2, but request is 1m",
            true,
            "LimitRange: minimum cpu usage per Pod is 2",
        ),
        (
            403,
            "Forbidden",
            "pods \"podid-probe-x7\" is forbidden: violates PodSecurity \"x:latest\": y",
            true,
            "Pod Security: violates",
        ),
        (
            403,
            "Forbidden",
            "pods \"podid-probe-x7\" is forbidden: failed quota: q: must specify memory",
            true,
            "quota: failed",
        ),
        (
            400,
            "BadRequest",
            "admission webhook \"w\" does not support dry run",
            true,
            "a webhook that rejects dry runs: ",
        ),
        (403, "Forbidden", "admission webhook \"w\" denied the request: no", true, "a policy engine: admission"),
        (
            422,
            "Invalid",
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            true,
            "a policy engine: ",
        ),
        (422, "Invalid", "Pod \"podid-probe-x7\" is invalid: spec: no", true, "Pod \"dry-run-pod\" is invalid"),
    ] {
        match probed(status(code, reason, message), allowed).await.unwrap() {
            Probe::Unprobeable(why) => assert!(why.starts_with(wanted), "{why}"),
            other => panic!("{message}: {other:?}"),
        }
    }
    let missing = "error looking up service account carts/carts: serviceaccount \"carts\" not found";
    let ending = "unable to create new content in namespace carts because it is being terminated";
    let full = "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0";
    let forbidden = |why: &str| format!("pods \"podid-probe-x7\" is forbidden: {why}");
    let space = "namespaces \"carts\" not found".to_owned();
    for (code, reason, message, wanted) in [
        (403, "Forbidden", forbidden(missing), Probe::NoServiceAccount(missing.to_owned())),
        (404, "NotFound", space.clone(), Probe::NoServiceAccount(space)),
        (403, "Forbidden", forbidden(ending), Probe::Terminating(ending.to_owned())),
        (403, "Forbidden", forbidden(full), Probe::NoRoom(full.to_owned())),
    ] {
        assert_eq!(probed(status(code, reason, &message), true).await.unwrap(), wanted);
    }
    // What passes by itself is an error, to be asked again.
    for (code, message) in [
        (500, "Internal error occurred: failed calling webhook \"w\": EOF".to_owned()),
        (403, forbidden("status unknown for quota: q, resources: pods")),
        (503, "apiserver not ready".to_owned()),
    ] {
        let failure = probed(status(code, "InternalError", &message), true).await.unwrap_err();
        assert_eq!(failure.code, crate::failure::Code::Failed, "{message}");
        assert!(!failure.to_string().contains("podid-probe"), "{failure}");
    }
    let failure = probed(status(401, "Unauthorized", "Unauthorized"), true).await.unwrap_err();
    assert!(failure.denied() && failure.has_code("Unauthorized") && failure.is(Kind::UnknownCaller));
}

pub(super) fn deployment(generation: u64, observed: u64, paused: bool) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "default", "uid": "u1", "generation": generation, "resourceVersion": "20",
            "annotations": {"deployment.kubernetes.io/revision": observed.to_string()},
        },
        "spec": {
            "replicas": 2, "paused": paused, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}},
        },
        "status": {"observedGeneration": observed, "replicas": 2, "updatedReplicas": 2},
    })
}

#[tokio::test]
async fn a_restart_sends_what_kubectl_sends() {
    let (kube, log) = kube(|asked| match asked.method.as_str() {
        "GET" => (200, deployment(1, 1, false).to_string()),
        _ => (200, deployment(2, 1, false).to_string()),
    });
    let at = "2026-11-23T19:34:15.123Z".parse().unwrap();
    let before = kube.workload(&web(WorkloadKind::Deployment)).await.unwrap().unwrap();
    let restarted = kube.restart(&before, at).await.unwrap();
    assert_eq!((restarted.generation, restarted.status.observed_generation), (2, 1));
    let patch = log.lock().unwrap()[1].clone();
    assert_eq!(patch.target, "/apis/apps/v1/namespaces/default/deployments/web?&fieldManager=podid");
    assert_eq!(patch.content_type, "application/strategic-merge-patch+json");
    let annotations = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-23T19:34:15Z"});
    assert_eq!(patch.body, json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}));
}

#[tokio::test]
async fn a_paused_deployment_is_not_restarted() {
    let (paused, log) = kube(|_| (200, deployment(1, 1, true).to_string()));
    let before = paused.workload(&web(WorkloadKind::Deployment)).await.unwrap().unwrap();
    let failure = paused.restart(&before, "2026-11-23T19:34:15Z".parse().unwrap()).await.unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (Code::Usage, "`deployment/web` is paused"));
    assert_eq!(failure.hints, ["resume it first: kubectl rollout resume deployment/web -n default"]);
    assert_eq!(log.lock().unwrap().len(), 1);
    let (gone, _) = kube(|_| status(404, "NotFound", "deployments.apps \"web\" not found"));
    assert_eq!(gone.workload(&web(WorkloadKind::Deployment)).await.unwrap(), None);
}

#[tokio::test]
async fn cron_jobs_where_there_is_such_a_kind() {
    let spec = json!({"serviceAccountName": "carts", "containers": [{"name": "app", "image": "app"}]});
    let job = json!({
        "metadata": {"name": "nightly", "namespace": "carts"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": spec}}}},
    });
    let (kube, log) = kube(move |_| list("CronJob", std::slice::from_ref(&job), None));
    let found = kube.cron_jobs(Some("carts")).await.unwrap();
    let named = CronJob {
        namespace: "carts".to_owned(),
        name: "nightly".to_owned(),
        service_account: "carts".to_owned(),
        suspended: false,
        web_identity: Vec::new(),
        sets_aws: false,
    };
    assert_eq!(found, [named]);
    assert!(log.lock().unwrap()[0].target.starts_with("/apis/batch/v1/namespaces/carts/cronjobs?"));
    for (answer, wanted) in [
        (status(403, "Forbidden", "cronjobs.batch is forbidden"), false),
        ((404, "404 page not found\n".to_owned()), true),
        (status(400, "BadRequest", "no"), false),
    ] {
        let (kube, _) = super::kube(move |_| answer.clone());
        assert_eq!(kube.cron_jobs(Some("carts")).await.is_ok_and(|none| none.is_empty()), wanted);
    }
}

#[tokio::test]
async fn agents_where_the_caller_may_look() {
    let set = |namespace: &str, name: &str, label: &str| {
        json!({
            "metadata": {"name": name, "namespace": namespace, "uid": name, "generation": 1, "labels": {"app.kubernetes.io/name": label}},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": []}}},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberReady": 1},
        })
    };
    let (kube, _) = kube(move |asked| {
        if asked.target.starts_with("/apis/apps/v1/daemonsets") {
            return status(403, "Forbidden", "daemonsets.apps is forbidden");
        }
        if asked.target.contains("/pods?") {
            let mut ready = pod("agent-1", "default");
            ready["metadata"]["ownerReferences"] = json!([
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "x", "uid": "eks-pod-identity-agent", "controller": true}
            ]);
            ready["spec"]["nodeName"] = json!("node-1");
            ready["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
            return list("Pod", &[ready, pod("stranger", "default")], None);
        }
        let sets =
            [set("kube-system", "eks-pod-identity-agent", "something"), set("kube-system", "kube-proxy", "kube-proxy")];
        list("DaemonSet", &sets, None)
    });
    let agents = kube.agents().await.unwrap().agents;
    assert_eq!(agents.len(), 1);
    let agent = &agents[0];
    assert_eq!(
        (agent.name.as_str(), agent.desired, agent.ready, agent.observed),
        ("eks-pod-identity-agent", 2, 1, true)
    );
    assert_eq!(agent.ready_nodes.keys().collect::<Vec<_>>(), ["node-1"]);
}

#[tokio::test]
async fn service_accounts() {
    let account = |name: &str, role: Option<&str>| {
        let annotations = role.map(|role| json!({"eks.amazonaws.com/role-arn": role}));
        json!({"metadata": {"name": name, "namespace": "carts", "annotations": annotations}})
    };
    let role = "arn:aws:iam::111122223333:role/old";
    let (there, _) = kube(move |_| (200, account("carts", Some(role)).to_string()));
    let state = there.service_account(&carts()).await.unwrap();
    assert_eq!(state, ServiceAccountState::Exists { irsa_role: Some(role.to_owned()) });

    let (missing, _) = kube(move |asked| match asked.target.as_str() {
        "/api/v1/namespaces/carts/serviceaccounts/carts" => {
            status(404, "NotFound", "serviceaccounts \"carts\" not found")
        }
        "/api/v1/namespaces/carts" => status(403, "Forbidden", "namespaces is forbidden"),
        _ => list("ServiceAccount", &[account("default", None), account("cart", None)], None),
    });
    let state = missing.service_account(&carts()).await.unwrap();
    assert_eq!(state, ServiceAccountState::Missing { near: vec!["carts/cart".parse().unwrap()] });

    let (nowhere, _) = kube(|asked| {
        let lists = asked.target.contains("limit=");
        if lists { status(403, "Forbidden", "namespaces is forbidden") } else { status(404, "NotFound", "not found") }
    });
    let state = nowhere.service_account(&carts()).await.unwrap();
    assert_eq!(state, ServiceAccountState::NoNamespace { near: Vec::new(), namespaces: Vec::new() });

    let (twice, _) = kube(|_| status(409, "AlreadyExists", "serviceaccounts \"carts\" already exists"));
    twice.create_service_account(&carts()).await.unwrap();
}

#[tokio::test]
async fn logs() {
    let (kube, log) = kube(|asked| {
        if asked.target.contains("previous=true") {
            status(400, "BadRequest", "previous terminated container \"app\" in pod \"a\" not found")
        } else {
            (200, "AccessDenied\n".to_owned())
        }
    });
    assert_eq!(kube.log("carts", "a", "app", Tail::plain(false, 20)).await.unwrap(), "AccessDenied\n");
    assert!(log.lock().unwrap()[0].target.contains("tailLines=20"));
    assert!(log.lock().unwrap()[0].target.contains("limitBytes=1048576"));
    assert_eq!(kube.log("carts", "a", "app", Tail::plain(true, 20)).await.unwrap(), "AccessDenied\n");
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn logs_that_cannot_be_read() {
    // Neither run has one.
    let (none, log) = kube(|asked| {
        let previous = asked.target.contains("previous=true");
        let why =
            if previous { "previous terminated container \"app\" not found" } else { "\"app\" is waiting to start" };
        status(400, "BadRequest", why)
    });
    let failure = none.log("carts", "a", "app", Tail::plain(true, 20)).await.unwrap_err();
    assert_eq!(failure.causes, ["\"app\" is waiting to start"]);
    assert_eq!(log.lock().unwrap().len(), 2);
    // Who may not read the one may not read the other.
    let (denied, log) = kube(|_| status(403, "Forbidden", "pods is forbidden"));
    assert!(denied.log("carts", "a", "app", Tail::plain(true, 20)).await.unwrap_err().denied());
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn reaching() {
    let (known, _) = kube(|_| status(403, "Forbidden", "forbidden: User \"dev\" cannot get path \"/api\""));
    known.reach().await.unwrap();
    let (nobody, _) =
        kube(|_| status(403, "Forbidden", "forbidden: User \"system:anonymous\" cannot get path \"/api\""));
    assert!(nobody.reach().await.unwrap_err().denied());
    let (stranger, _) = kube(|_| status(401, "Unauthorized", "Unauthorized"));
    let failure = stranger.reach().await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot reach the Kubernetes API: the cluster does not know the caller");
    assert!(failure.has_code("Unauthorized") && failure.is(Kind::UnknownCaller));
}

#[tokio::test]
async fn nodes() {
    let (kube, _) = kube(|_| {
        let ready = json!({
            "metadata": {"name": "a", "labels": {"kubernetes.io/os": "linux"}},
            "spec": {"unschedulable": true, "taints": [{"key": "spot", "effect": "NoSchedule"}]},
            "status": {"conditions": [{"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": "True"}]},
        });
        let lost =
            json!({"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
        list("Node", &[ready, lost], None)
    });
    let nodes = kube.nodes().await.unwrap();
    let [a, b] = &nodes[..] else { panic!("two nodes") };
    assert_eq!((a.name.as_str(), a.ready, a.unschedulable), ("a", true, true));
    assert_eq!(
        (a.taints[0].key.as_str(), a.taints[0].value.as_str(), a.taints[0].effect.as_str()),
        ("spot", "", "NoSchedule")
    );
    assert_eq!((b.ready, b.unschedulable, b.taints.len()), (false, false, 0));
}

#[tokio::test]
async fn another_name_of_the_same_cluster() {
    let issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC";
    let cluster = |issuer: Option<&str>| Cluster {
        name: "shop".to_owned(),
        arn: "arn:aws:eks:eu-west-1:111122223333:cluster/shop".parse().unwrap(),
        version: "1.33".to_owned(),
        platform_version: "eks.9".to_owned(),
        status: "ACTIVE".to_owned(),
        endpoint: "https://abc.gr7.eu-west-1.eks.amazonaws.com".to_owned(),
        certificate_authority: String::new(),
        oidc_issuer: issuer.map(str::to_owned),
        auto_mode: false,
        on_outpost: false,
        created_at: None,
    };
    let (readable, log) = kube(move |_| (200, json!({"issuer": issuer}).to_string()));
    assert!(readable.is_of(&cluster(Some(issuer))).await.unwrap());
    assert!(!readable.is_of(&cluster(Some("https://other"))).await.unwrap());
    assert!(!readable.is_of(&cluster(None)).await.unwrap());
    assert_eq!(log.lock().unwrap()[0].target, "/.well-known/openid-configuration");
    let (denied, _) = kube(|_| status(403, "Forbidden", "forbidden"));
    // What may not be read is not "another cluster".
    assert!(denied.is_of(&cluster(Some(issuer))).await.unwrap_err().denied());
}
