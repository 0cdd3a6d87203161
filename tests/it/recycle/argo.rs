//! Argo Rollouts: restarted where there are some, and nothing asked where there are none.

use std::{collections::BTreeSet, time::Duration};

use podid_sandbox::{
    Sandbox,
    faults::{Action, Fault},
};
use serde_json::{Value, json};

use super::{LINE, workload};
use crate::{
    kill::{ASSOCIATE, assert_works, ready, wait_for},
    support::{Env, SOON, at_once, finish, forbidding},
};

/// The app that works with the credentials of the association.
const APP: &str = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";

/// `rollout/carts`, with what else its spec has.
fn rollout(app: &str, spec: &Value) -> Value {
    let mut rollout = workload("Rollout", "carts", app, &json!({ "replicas": 2, "strategy": { "canary": {} } }));
    rollout["apiVersion"] = json!("argoproj.io/v1alpha1");
    for (key, value) in spec.as_object().unwrap() {
        rollout["spec"][key] = value.clone();
    }
    rollout
}

/// The healthy world with the Rollout in the place of the Deployment.
fn world(spec: &Value, set: &[(&str, Value)]) -> Env {
    let mut fields = vec![("/manifests/8", rollout(APP, spec))];
    fields.extend(set.iter().cloned());
    Env::with("carts-associated", &fields)
}

fn carts(env: &Env) -> Value {
    env.world.with(|state| state.kube.get("rollouts", "carts", "carts").unwrap())
}

/// Uids of the pods that are not ending.
fn pods(env: &Env) -> BTreeSet<String> {
    let pods = env.world.with(|state| state.kube.list("pods", "carts"));
    let living = pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
    living.map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

/// From now on, new pods do this.
fn new_pods_do(env: &Env, app: &str) {
    env.world.with(|state| {
        for set in state.kube.list("replicasets", "carts") {
            let name = set["metadata"]["name"].as_str().unwrap();
            assert!(state.kube.edit("replicasets", "carts", name, |set| {
                set["spec"]["template"]["metadata"]["annotations"]["sandbox.podid.dev/app"] = json!(app);
            }));
        }
    });
}

fn restarts(env: &Env) -> usize {
    env.world.journal().count("kubernetes", "patch rollouts")
}

#[test]
fn a_rollout() {
    let env = world(&json!({}), &[]);
    let before = pods(&env);
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "restart/carts/rollout/carts",
          "action": "restart",
          "resource": "rollout/carts",
          "status": "done",
          "error": null
        }
      ],
      "rollouts": [
        {
          "workload": "rollout/carts",
          "namespace": "carts",
          "status": "rolled-out",
          "error": null
        }
      ]
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart rollout/carts (2 replicas, Eviction)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted rollout/carts
    rollout/carts: rolled out
    "#);
    assert_eq!(env.writes(), ["kubernetes patch rollouts"]);
    let patch = env.world.journal().calls().iter().find(|call| call.operation == "patch rollouts").cloned().unwrap();
    let carts = carts(&env);
    assert_eq!(patch.body, json!({ "spec": { "restartAt": carts["spec"]["restartAt"] } }));
    assert_eq!(carts["status"]["restartedAt"], carts["spec"]["restartAt"]);
    let after = pods(&env);
    assert!(after.len() == 2 && after.is_disjoint(&before), "{before:?} {after:?}");
    let sets = env.world.with(|state| state.kube.list("replicasets", "carts").len());
    assert_eq!(sets, 1, "no other revision");
    // By name, and beside a workload of another kind; one pod is replaced at the cost of a pause.
    let db = workload("StatefulSet", "db", "", &json!({ "replicas": 1, "serviceName": "db" }));
    let env = world(&json!({ "replicas": 1 }), &[("/manifests/-", db)]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --workload rollout/carts")).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart rollout/carts (1 replica, Eviction: downtime)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted rollout/carts
    rollout/carts: rolled out
    ");
    assert_eq!(env.writes(), ["kubernetes patch rollouts"]);
    let _ = env
        .podid(&format!("{LINE} --workload ro/cart"))
        .code(2)
        .says("workloads that do: statefulset/db, rollout/carts");
}

/// The main job of a Rollout whose pods crash: its controller would evict none of them.
#[test]
fn pods_that_crash_are_replaced_all_the_same() {
    let env = ready(&[("/manifests/8", rollout(APP, &json!({})))]);
    let before = pods(&env);
    let run = env
        .podid(ASSOCIATE)
        .ok()
        .says("restart rollout/carts (2 replicas, Eviction; deletes the 2 pods that are not ready)");
    assert_works(&env, &run);
    assert!(pods(&env).is_disjoint(&before));
    let restart: Vec<String> = env.writes().into_iter().filter(|write| write.starts_with("kubernetes ")).collect();
    assert_eq!(restart, ["kubernetes patch rollouts", "kubernetes delete pods"]);
    // Again: nothing is stale, and Rollouts are looked at once.
    env.world.journal().clear();
    let again = env.podid(ASSOCIATE).ok();
    assert!(!again.stderr.contains("restart"), "{again}");
    assert_eq!(env.world.journal().count("kubernetes", "list rollouts"), 1);
    // May the caller not delete pods, the next command is told.
    let env = ready(&[("/manifests/8", rollout(APP, &json!({}))), forbidding(&["delete pods"])]);
    let _ = env
        .podid(ASSOCIATE)
        .code(6)
        .says("cannot delete pod `carts-")
        .says("which blocks the restart of `rollout/carts`");
}

#[test]
fn killed_in_the_middle_a_second_run_finishes_it() {
    let cases = [
        // Between the patch and the deletions; before the patch is answered; while it is watched.
        ("delete pods", "delete pods"),
        ("patch rollouts", "patch rollouts"),
        ("watch rollouts", "watch rollouts"),
    ];
    at_once(cases.len(), &cases, |(held, asked)| {
        let env = ready(&[("/manifests/8", rollout(APP, &json!({})))]);
        env.world.faults().add(Fault::always("kubernetes", held, Action::Hold(Duration::from_mins(5))));
        let asked = |world: &Sandbox| world.journal().count("kubernetes", asked) > 0;
        let _ = env.signalled(ASSOCIATE, "KILL", asked);
        env.world.faults().clear();
        let run = env.podid(ASSOCIATE).ok();
        assert_works(&env, &run);
        let _ = env.podid(ASSOCIATE).ok();
        assert!(restarts(&env) <= 2, "{held}: {:?}", env.operations());
    });
}

/// The first run holds: its new pod never gets ready. The second watches the same restart and adds none.
#[test]
fn an_unfinished_restart_is_watched() {
    let env = world(&json!({}), &[]);
    new_pods_do(&env, "unready");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 8s")).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart rollout/carts (2 replicas, Eviction)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted rollout/carts
    rollout/carts: timed out after 8s while watching rollout/carts
    error: timed out after 8s while watching rollout/carts
      caused by: it was waiting for 1 of 2 pods to be replaced
      caused by: pod carts-[pod]: Unhealthy
      caused by: Readiness probe failed: HTTP probe failed with statuscode: 503

    hint: allow more time with `--timeout`
    hint: run the same command again: finished steps are skipped
    ");
    assert_eq!(env.writes(), ["kubernetes patch rollouts"]);
    let _ = env
        .podid(&format!("{LINE} --timeout 8s"))
        .code(5)
        .says("rollout/carts is already restarting: watching it")
        .says("waiting for 1 of 2 pods to be replaced");
    assert_eq!(env.writes(), ["kubernetes patch rollouts"], "watched, not repeated");
    // With pods that work it goes on to its end. It is watched by then: one that had ended would be restarted again.
    let watches = env.world.journal().count("kubernetes", "watch rollouts");
    let child = env.begin(LINE);
    wait_for(&env, "kubernetes", "watch rollouts", watches + 1);
    new_pods_do(&env, APP);
    let unready = env.world.with(|state| {
        let pods = state.kube.list("pods", "carts");
        let ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        pods.iter().find(|pod| !ready(pod)).map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
    });
    env.world.with(|state| state.kube.remove("pods", "carts", &unready.unwrap()));
    let _ = finish(child).ok().says("rollout/carts: rolled out");
    assert_eq!(restarts(&env), 1);
}

#[test]
fn new_pods_that_crash_end_it_and_nothing_is_taken_back() {
    let env = world(&json!({}), &[]);
    new_pods_do(&env, "crash AccessDenied: not authorized");
    let run = env.podid(&format!("{LINE} --rollback-on-failure --no-logs")).code(6);
    insta::assert_snapshot!(run.steady(), @"
    exit 6
    --- stderr
    warning: rollout/carts cannot be rolled back: the restart of an Argo Rollout creates no revision
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart rollout/carts (2 replicas, Eviction)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted rollout/carts
    rollout/carts: the rollout of rollout/carts failed
    error: the rollout of rollout/carts failed
      caused by: pod carts-[pod]: exit code 1, restarted [n] times

    hint: see its credentials with `podid show carts/carts`
    hint: run the same command again: finished steps are skipped
    ");
    assert_eq!(env.writes(), ["kubernetes patch rollouts"]);
}

#[test]
fn phases_are_named() {
    let promote = "warning: rollout/carts is paused (manually paused): the restart replaces the pods of all its revisions and leaves it paused; continue with `kubectl argo rollouts promote carts -n carts`";
    let env = world(&json!({ "paused": true }), &[]);
    let _ = env.podid(LINE).ok().says(promote).says("rollout/carts: rolled out");
    assert_eq!(carts(&env)["spec"]["paused"], true);
    let env = world(&json!({}), &[]);
    env.world.with(|state| state.kube.edit("rollouts", "carts", "carts", |it| it["status"]["abort"] = json!(true)));
    let aborted = env.world.wait_until(SOON, |state| {
        state.kube.get("rollouts", "carts", "carts").unwrap()["status"]["phase"] == "Degraded"
    });
    assert!(aborted.is_ok());
    let _ = env
        .podid(LINE)
        .ok()
        .says("rollout/carts is degraded (RolloutAborted: ")
        .says("`kubectl argo rollouts retry rollout carts -n carts`")
        .says("rollout/carts: rolled out");
    // The controller refuses a spec, and looks at nothing else.
    let env = world(&json!({}), &[]);
    env.world.with(|state| state.kube.edit("rollouts", "carts", "carts", |it| it["spec"]["strategy"] = json!({})));
    let refused = env.world.wait_until(SOON, |state| {
        state.kube.get("rollouts", "carts", "carts").unwrap()["status"]["phase"] == "Degraded"
    });
    assert!(refused.is_ok());
    let _ =
        env.podid(LINE).ok().says("rollout/carts is not restarted, because its controller rejects it: InvalidSpec: ");
    assert!(env.writes().is_empty());
}

#[test]
fn a_template_of_a_deployment() {
    let base = workload("Deployment", "base", APP, &json!({ "replicas": 0 }));
    let mut borrows =
        rollout(APP, &json!({ "workloadRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "base" } }));
    for key in ["template", "selector"] {
        borrows["spec"].as_object_mut().unwrap().shift_remove(key);
    }
    let env = Env::with("carts-associated", &[("/manifests/8", base), ("/manifests/-", borrows)]);
    let before = pods(&env);
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart rollout/carts (2 replicas, Eviction)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted rollout/carts
    rollout/carts: rolled out
    ");
    assert_eq!(env.writes(), ["kubernetes patch rollouts"], "the Deployment's template stays as it is");
    assert!(pods(&env).len() == 2 && pods(&env).is_disjoint(&before));
}

/// A cluster without the kind is not asked for it; where it may not be read, its pods are named.
#[test]
fn asked_for_only_where_a_pod_tells_of_one() {
    let lists = |env: &Env| env.world.journal().count("kubernetes", "list rollouts");
    let env = Env::new("carts-associated");
    let _ = env.podid(LINE).ok();
    assert_eq!(lists(&env), 0);
    let named = "belongs to rollout/carts, which could not be read (not allowed: list rollouts.argoproj.io) and is not restarted: `kubectl argo rollouts restart carts -n carts`";
    let env = world(&json!({}), &[forbidding(&["list rollouts"])]);
    let _ = env.podid(LINE).ok().says(named);
    assert_eq!((lists(&env), env.writes()), (1, Vec::new()));
    // The pods of several service accounts cost one list too.
    let env = world(&json!({}), &[]);
    let _ = env.podid("recycle --all --yes").ok().says("rollout/carts: rolled out");
    assert_eq!(lists(&env), 2, "one to read, one to begin the watch");
    // The kind is gone, and its pods have stayed.
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "carts-6f7d8c9b5d-x7k2p", "namespace": "carts", "labels": { "rollouts-pod-template-hash": "6f7d8c9b5d" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "carts-6f7d8c9b5d", "uid": "0f0e0d0c-1111-4222-8333-444455556666", "controller": true }],
        },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "carts", "image": "carts" }] },
    });
    let env = Env::with("carts-associated", &[("/manifests/-", pod)]);
    let _ = env.podid(LINE).ok().says(named).says("deployment/carts: rolled out");
}

#[test]
fn shown_with_its_pods() {
    let run = world(&json!({}), &[]).podid("show carts/carts -o json").ok();
    let shown = run.json();
    assert_eq!(shown["workloads"][0]["kind"], "Rollout", "{run}");
}
