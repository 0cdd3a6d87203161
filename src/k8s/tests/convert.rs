//! Conversions, on objects as a real API server writes them.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::convert;
use crate::model::workload::{Injection, Strategy, Terminated, Waiting, Workload};

fn of<K: DeserializeOwned>(convert: impl Fn(&K) -> Workload, spec: &Value, status: &Value) -> Workload {
    let mut whole = json!({
        "metadata": {"name": "x", "namespace": "default", "uid": "u", "generation": 2},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x"}]}},
        },
        "status": status,
    });
    for (key, value) in spec.as_object().unwrap() {
        whole["spec"][key] = value.clone();
    }
    convert(&serde_json::from_value(whole).unwrap())
}

#[test]
fn absent_counts_are_nothing() {
    let it = of::<Deployment>(convert::deployment, &json!({}), &json!({}));
    assert_eq!((it.replicas, it.generation, it.status.updated, it.status.observed_generation), (1, 2, 0, 0));
    assert_eq!((it.service_account.as_str(), it.strategy, it.paused), ("default", Strategy::RollingUpdate, false));
    let it = of::<StatefulSet>(convert::stateful_set, &json!({"serviceName": "x"}), &json!({"replicas": 2}));
    assert_eq!((it.replicas, it.partition, it.status.total, it.status.updated), (1, 0, 2, 0));
    let status =
        json!({"currentNumberScheduled": 2, "numberMisscheduled": 0, "desiredNumberScheduled": 3, "numberReady": 2});
    let it = of::<DaemonSet>(convert::daemon_set, &json!({}), &status);
    assert_eq!((it.replicas, it.status.total, it.status.ready, it.status.updated), (3, 2, 2, 0));
}

#[test]
fn strategies() {
    let recreate = json!({"strategy": {"type": "Recreate"}, "paused": true, "replicas": 0});
    let it = of::<Deployment>(convert::deployment, &recreate, &json!({}));
    assert_eq!((it.strategy, it.paused, it.replicas), (Strategy::Recreate, true, 0));
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    assert_eq!(
        of::<StatefulSet>(convert::stateful_set, &on_delete, &json!({"replicas": 0})).strategy,
        Strategy::OnDelete
    );
    let rolling = json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}});
    let it = of::<StatefulSet>(convert::stateful_set, &rolling, &json!({"replicas": 0}));
    assert_eq!((it.partition, it.ordered), (3, true));
    let parallel = json!({"podManagementPolicy": "Parallel"});
    assert!(!of::<StatefulSet>(convert::stateful_set, &parallel, &json!({"replicas": 0})).ordered);
}

#[test]
fn a_deadline_that_was_exceeded() {
    let condition = |status: &str, reason: &str| json!({"conditions": [{"type": "Progressing", "status": status, "reason": reason, "message": "timed out"}]});
    let exceeded = condition("False", "ProgressDeadlineExceeded");
    let it = of::<Deployment>(convert::deployment, &json!({}), &exceeded);
    assert_eq!(it.status.deadline_exceeded.map(|exceeded| exceeded.message).as_deref(), Some("timed out"));
    let progressing = condition("True", "NewReplicaSetAvailable");
    assert_eq!(of::<Deployment>(convert::deployment, &json!({}), &progressing).status.deadline_exceeded, None);
}

#[test]
fn where_pods_may_run() {
    let spec = json!({"template": {
        "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-23T19:34:15Z"}},
        "spec": {
            "containers": [], "serviceAccountName": "app", "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}, {"key": "spot", "value": "yes"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "eks.amazonaws.com/compute-type", "operator": "NotIn", "values": ["fargate"]}]},
            ]}}},
        },
    }});
    let it = of::<Deployment>(convert::deployment, &spec, &json!({}));
    assert_eq!(it.service_account, "app");
    assert_eq!(it.restarted_at.as_deref(), Some("2026-11-23T19:34:15Z"));
    assert_eq!(it.placement.node_selector["disk"], "ssd");
    assert_eq!(it.placement.affinity[0][0].operator, "NotIn");
    let tolerations: Vec<(Option<&str>, &str)> =
        it.placement.tolerations.iter().map(|t| (t.key.as_deref(), t.operator.as_str())).collect();
    assert_eq!(tolerations, [(None, "Exists"), (Some("spot"), "Equal")]);
}

fn pod() -> Value {
    let env = json!([
        {"name": "AWS_REGION", "value": "eu-west-1"},
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/token"},
    ]);
    let mounts =
        json!([{"name": "eks-pod-identity-token", "readOnly": true, "mountPath": "/var/run/secrets/pods.eks"}]);
    json!({
        "metadata": {
            "name": "web-6f47dd6ff6-c2dd2", "namespace": "default", "creationTimestamp": "2026-11-23T19:32:53Z",
            "labels": {"app": "web", "pod-template-hash": "6f47dd6ff6"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6f47dd6ff6", "uid": "6afb", "controller": true}],
        },
        "spec": {
            "serviceAccountName": "app", "nodeName": "hollow-1", "volumes": [{"name": "eks-pod-identity-token"}],
            "initContainers": [{"name": "setup", "env": env, "volumeMounts": mounts}],
            "containers": [{"name": "web", "env": env, "volumeMounts": mounts}],
        },
        "status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "web", "ready": false, "restartCount": 3, "image": "nginx", "imageID": "",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            }],
        },
    })
}

fn seen(pod: &Value) -> crate::model::workload::Pod {
    convert::pod(&serde_json::from_value(pod.clone()).unwrap())
}

#[test]
fn pods() {
    let it = seen(&pod());
    assert_eq!(
        (it.service_account.as_str(), it.node.as_deref(), it.ready, it.live()),
        ("app", Some("hollow-1"), true, true)
    );
    assert_eq!(it.revision.as_deref(), Some("6f47dd6ff6"));
    assert_eq!(it.owner.map(|o| (o.kind, o.uid)), Some(("ReplicaSet".to_owned(), "6afb".to_owned())));
    assert_eq!(it.created_at.map(|t| t.to_string()).as_deref(), Some("2026-11-23T19:32:53Z"));
    let [setup, web] = &it.containers[..] else { panic!("two containers") };
    assert_eq!((setup.init, setup.restarts, setup.running), (true, 0, false));
    assert_eq!((web.init, web.restarts, web.running), (false, 3, false));
    assert_eq!(web.waiting, Some(Waiting { reason: "CrashLoopBackOff".to_owned(), message: "back-off".to_owned() }));
    assert_eq!(web.terminated, Some(Terminated { exit_code: 137, reason: "OOMKilled".to_owned() }));
    let json = json!(web);
    assert_eq!(json["waiting"], json!({"reason": "CrashLoopBackOff", "message": "back-off"}));
    assert_eq!(json["terminated"], json!({"exitCode": 137, "reason": "OOMKilled"}));
}

#[test]
fn injection() {
    let whole = pod();
    assert_eq!(seen(&whole).injection(), Injection::Injected);
    let mut partly = whole.clone();
    partly["spec"]["containers"][0]["volumeMounts"] = json!([]);
    assert_eq!(seen(&partly).injection(), Injection::Partly(vec!["web".to_owned()]));
    partly["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": "other, web"});
    assert_eq!(seen(&partly).injection(), Injection::Injected);
    let mut none = whole;
    none["spec"]["volumes"] = json!([]);
    assert_eq!(seen(&none).injection(), Injection::No);
}

#[test]
fn a_pod_with_nothing_said() {
    let it = seen(&json!({"metadata": {"deletionTimestamp": "2026-11-23T19:32:53Z"}}));
    assert_eq!((it.service_account.as_str(), it.deleting, it.ready, it.node), ("default", true, false, None));
}
