//! Restarts and rollbacks: whose pods are whose, what a rollout's end means, and why one is stuck.

use podid_sandbox::State;
use serde_json::{Value, json};

use crate::{
    recycle::workload,
    support::{Env, Run, SOON, finish},
};

const ROLE: &str = "eks-workshop-carts-dynamo";
const APP: &str = "/manifests/8/spec/template/metadata/annotations/sandbox.podid.dev~1app";
/// Rolls back, without the application's log.
const BACK: [&str; 6] = ["recycle", "carts/carts", "--no-logs", "--rollback-on-failure", "-o", "json"];

/// The ids of the steps that a run reports.
fn steps(document: &Value) -> Vec<String> {
    let steps = document["steps"].as_array().unwrap();
    steps.iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits until so many pods of the namespace are ready.
#[track_caller]
fn all_ready(env: &Env, pods: usize) {
    let ready = |pod: &&Value| {
        pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["containerStatuses"][0]["ready"] == true
    };
    let all = |state: &mut State| state.kube.list("pods", "carts").iter().filter(ready).count() == pods;
    env.world.wait_until(SOON, all).unwrap();
}

/// Waits until so many patches of a kind were answered.
#[track_caller]
fn patched(env: &Env, resource: &str, times: usize) {
    let patch = format!("patch {resource}");
    let answered = |_: &mut State| {
        let calls = env.world.journal().calls();
        calls.iter().filter(|call| call.operation == patch && call.status.is_some()).count() == times
    };
    env.world.wait_until(SOON, answered).unwrap();
}

/// Takes the role's permission away, or gives it back: pods that start without it fail.
fn permit(env: &Env, may: bool) {
    env.world.with(|state| {
        let attached = &mut state.aws.roles.get_mut(ROLE).unwrap().attached;
        attached.clear();
        if may {
            attached.push("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess".to_owned());
        }
    });
}

fn stamp(env: &Env, resource: &str, name: &str) -> Value {
    let object = env.world.with(|state| state.kube.get(resource, "carts", name)).unwrap();
    object["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].clone()
}

fn edit(env: &Env, resource: &str, name: &str, change: impl FnOnce(&mut Value)) {
    assert!(env.world.with(|state| state.kube.edit(resource, "carts", name, change)));
}

/// Two Deployments whose selectors match the pods of both.
fn overlapping(selector: &Value) -> Env {
    let one = |name: &str| {
        let mut it = workload("Deployment", name, "", &json!({ "replicas": 1, "selector": selector }));
        it["spec"]["template"]["metadata"]["labels"]["tier"] = json!("web");
        it
    };
    Env::with("carts-role", &[("/manifests/8", one("web")), ("/manifests/-", one("web-two"))])
}

/// A Deployment owns its pods, and no other's, in whatever way its selector is written.
#[test]
fn every_form_of_selector() {
    for selector in [
        json!({ "matchLabels": { "tier": "web" } }),
        json!({ "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["web", "api"] }] }),
        json!({ "matchExpressions": [
            { "key": "tier", "operator": "Exists" }, { "key": "gone", "operator": "DoesNotExist" },
            { "key": "tier", "operator": "NotIn", "values": ["db"] }] }),
    ] {
        let env = overlapping(&selector);
        all_ready(&env, 2);
        let associate = "associate carts/carts --role eks-workshop-carts-dynamo --yes";
        let _ = env.podid(associate).ok();
        let due = env.podid("recycle carts/carts --stale --dry-run -o json").ok().json();
        let all = ["deployment/web", "deployment/web-two"].map(|id| format!("restart/carts/{id}"));
        assert_eq!(steps(&due), all, "{selector}");
        let _ = env.podid(&format!("{associate} --recycle")).ok();
        let _ = env.podid("wait carts/carts --for injected --timeout 20s").ok();
        // Each has pods of its own only: nothing is left to be restarted.
        let _ = env.podid("recycle carts/carts --stale --dry-run --exit-code").ok();
    }
}

/// A rollback is judged by what became of it, not by the condition that the failed restart left.
#[test]
fn a_rollback_is_judged_by_its_own_rollout() {
    for strategy in ["Recreate", "RollingUpdate"] {
        let set = [
            ("/manifests/8/spec/strategy", json!({ "type": strategy })),
            ("/manifests/8/spec/progressDeadlineSeconds", json!(3)),
        ];
        let env = Env::with("carts-associated", &set);
        all_ready(&env, 2);
        permit(&env, false);
        let child = env.start(&BACK);
        patched(&env, "deployments", 2);
        permit(&env, true);
        let run = finish(child).code(6);
        assert_eq!(run.json()["rollouts"][0]["status"], "rolled-back", "{strategy}: {run}");
        assert_eq!(stamp(&env, "deployments", "carts"), Value::Null, "{run}");
        all_ready(&env, 2);
        // Where the old pods cannot run either, it says so.
        permit(&env, false);
        let run = env.podid(&BACK.join(" ")).code(6);
        if strategy == "Recreate" {
            assert_eq!(run.json()["rollouts"][0]["status"], "failed", "{run}");
        }
    }
}

/// Not an earlier restart that failed, but the revision that worked before both.
#[test]
fn a_rollback_passes_over_failed_restarts() {
    for (kind, resource, spec, pods) in [
        ("Deployment", "deployments", json!({ "replicas": 1, "strategy": { "type": "Recreate" } }), 1),
        (
            "StatefulSet",
            "statefulsets",
            json!({ "replicas": 1, "serviceName": "db", "podManagementPolicy": "Parallel" }),
            1,
        ),
    ] {
        let app = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";
        let env = Env::with("carts-associated", &[("/manifests/8", workload(kind, "db", app, &spec))]);
        all_ready(&env, pods);
        permit(&env, false);
        let _ = env.podid("recycle carts/carts --no-logs").code(6);
        let failed = stamp(&env, resource, "db");
        assert_ne!(failed, Value::Null);
        let child = env.start(&BACK);
        patched(&env, resource, 3);
        assert_eq!(stamp(&env, resource, "db"), Value::Null, "{kind}");
        permit(&env, true);
        let run = finish(child).code(6);
        assert_eq!(run.json()["rollouts"][0]["status"], "rolled-back", "{run}");
    }
}

/// Only what this run began: a restart that was under way is watched, and left as it is.
#[test]
fn the_rollout_of_another_is_not_rolled_back() {
    let env = Env::new("carts-associated");
    all_ready(&env, 2);
    permit(&env, false);
    let _ = env.podid("recycle carts/carts --no-logs").code(6);
    let before = stamp(&env, "deployments", "carts");
    let run = env.podid(&BACK.join(" ")).code(1).says("is already restarting");
    assert_eq!(
        (run.json()["rollouts"][0]["status"].as_str(), stamp(&env, "deployments", "carts")),
        (Some("failed"), before)
    );
    let _ = run.says("not rolled back: this run did not start the rollout");
}

/// What others do to a workload meanwhile is an outcome of its own.
#[test]
fn what_others_do_meanwhile() {
    type Edit = fn(&mut Value);
    let rows: [(&str, Edit); 4] = [
        ("paused", |it| it["spec"]["paused"] = json!(true)),
        ("template-changed", |it| it["spec"]["template"]["spec"]["containers"][0]["image"] = json!("carts:2")),
        ("undone", |it| {
            let annotations = it["spec"]["template"]["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.remove("kubectl.kubernetes.io/restartedAt");
        }),
        ("scaled", |it| it["spec"]["replicas"] = json!(0)),
    ];
    let begun = || {
        let env = Env::with("carts-associated", &[(APP, json!("unready"))]);
        let child = env.start(&BACK);
        patched(&env, "deployments", 1);
        (env, child)
    };
    let others = |run: Run, word: &str| {
        let rollout = run.json()["rollouts"][0].clone();
        assert_eq!((&rollout["status"], &rollout["change"]), (&json!("changed"), &json!(word)), "{run}");
        let _ = run.says("while it rolled out");
    };
    for (word, change) in rows {
        let (env, child) = begun();
        edit(&env, "deployments", "carts", |it| {
            change(it);
            it["metadata"]["generation"] = json!(9);
        });
        others(finish(child).code(6), word);
        patched(&env, "deployments", 1);
    }
    let (env, child) = begun();
    assert!(env.world.with(|state| state.kube.remove("deployments", "carts", "carts")));
    let _ = finish(child).code(6).says("was deleted");
    // The healthy twin: only scaled, which a rollout survives.
    let env = Env::with("carts-associated", &[("/manifests/8/spec/minReadySeconds", json!(3))]);
    all_ready(&env, 2);
    let child = env.start(&BACK);
    patched(&env, "deployments", 1);
    edit(&env, "deployments", "carts", |it| {
        it["spec"]["replicas"] = json!(3);
        it["metadata"]["generation"] = json!(9);
    });
    let run = finish(child).ok();
    let rollout = run.json()["rollouts"][0].clone();
    assert_eq!((&rollout["status"], &rollout["change"]), (&json!("rolled-out"), &json!("scaled")), "{run}");
}

/// Why pods cannot be created is told while it waits, and at its end.
#[test]
fn a_quota_that_is_used_up() {
    let world = |kind: &str, spec: &Value, pods: u64| {
        let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "few", "namespace": "carts" },
            "spec": { "hard": { "pods": pods.to_string() } } });
        let env =
            Env::with("carts-associated", &[("/manifests/8", workload(kind, "db", "", spec)), ("/manifests/-", quota)]);
        all_ready(&env, usize::try_from(pods).unwrap());
        env
    };
    let shrink = |env: &Env, pods: u64| {
        edit(env, "resourcequotas", "few", |it| it["spec"]["hard"]["pods"] = json!(pods.to_string()));
    };
    for (kind, spec, pods, less) in [
        ("Deployment", json!({ "replicas": 2 }), 2, 2),
        ("StatefulSet", json!({ "replicas": 2, "serviceName": "db" }), 2, 1),
        ("DaemonSet", json!({}), 3, 2),
    ] {
        let env = world(kind, &spec, pods);
        shrink(&env, less);
        let run = env.podid("recycle carts/carts --timeout 8s -o json").code(6).says("exceeded quota: few");
        let last = &run.json()["rollouts"][0]["lastState"];
        assert_eq!(last["problems"][0]["kind"], "refused", "{kind}: {run}");
        let env = world(kind, &spec, pods);
        shrink(&env, 9);
        let _ = env.podid("recycle carts/carts").ok();
    }
}

/// A probe's own words, when events may be read, and without them all the rest.
#[test]
fn a_pod_that_does_not_get_ready() {
    let world = |set: &[(&str, Value)]| Env::with("carts-associated", &[&[(APP, json!("unready"))], set].concat());
    let line = "recycle carts/carts --timeout 8s -o json";
    let run = world(&[]).podid(line).code(6).says("Readiness probe failed");
    assert_eq!(run.json()["rollouts"][0]["lastState"]["problems"][0]["kind"], "notReady", "{run}");
    let run = world(&[crate::support::forbidding(&["list events"])]).podid(line).code(6);
    let _ = run.says("is running but not ready");
}

/// A restart that restarted nothing of what needs it is none.
#[test]
fn nothing_restarted_of_what_needs_it() {
    let operated = json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "db-1", "namespace": "carts", "ownerReferences": [
            { "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "db", "uid": "0", "controller": true }] },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "db", "image": "db:1" }] } });
    let on_delete = workload(
        "StatefulSet",
        "db",
        "",
        &json!({ "replicas": 1, "serviceName": "db", "updateStrategy": { "type": "OnDelete" } }),
    );
    let healthy = || workload("Deployment", "db", "", &json!({ "replicas": 1 }));
    for (object, resource, says) in [
        (operated, "cluster/db", "podid does not restart"),
        (on_delete, "statefulset/db", "kubectl delete pod"),
        (healthy(), "deployment/db", "is paused"),
    ] {
        let env = Env::with("carts-role", &[("/manifests/8", object)]);
        all_ready(&env, 1);
        let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --yes").ok();
        if says == "is paused" {
            edit(&env, "deployments", "db", |it| it["spec"]["paused"] = json!(true));
        }
        let run = env.podid("recycle carts/carts -o json").code(3).says(says);
        let skipped = run.json()["skipped"][0].clone();
        assert_eq!((&skipped["resource"], &skipped["needed"]), (&json!(resource), &json!(true)), "{run}");
        let _ = env.podid("recycle --all --stale --dry-run --exit-code").code(3).says(says);
        let wait = env.podid("wait carts/carts --for injected --timeout 2s").code(5).says(says);
        assert!(!wait.stderr.contains("podid recycle carts/carts"), "{wait}");
    }
    let env = Env::with("carts-role", &[("/manifests/8", healthy())]);
    all_ready(&env, 1);
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --yes").ok();
    let _ = env.podid("wait carts/carts --for injected --timeout 2s").code(5).says("podid recycle carts/carts");
    let run = env.podid("recycle carts/carts -o json").ok();
    assert_eq!(run.json()["skipped"], Value::Null, "{run}");
    let _ = env.podid("recycle --all --stale --dry-run --exit-code").ok();
}
