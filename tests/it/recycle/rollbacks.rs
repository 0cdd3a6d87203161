//! `--rollback-on-failure`.

use serde_json::{Value, json};

use super::{LINE, workload};
use crate::support::{Env, SOON, finish, forbidding};

const QUERY: &str = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";

/// The healthy world until its role may nothing any more: pods that run go on, new ones fail.
fn broken(env: Env) -> Env {
    env.world.with(|state| state.aws.roles.get_mut("eks-workshop-carts-dynamo").unwrap().attached.clear());
    env
}

fn restarted_at(env: &Env, resource: &str, name: &str) -> Value {
    let object = env.world.with(|state| state.kube.get(resource, "carts", name)).unwrap();
    object["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].clone()
}

/// Everything is a template of the carts app again, and runs.
#[track_caller]
fn all_ready(env: &Env, pods: usize) {
    let ready = |state: &mut podid_sandbox::State| {
        let ready = state
            .kube
            .list("pods", "carts")
            .iter()
            .filter(|pod| {
                pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["containerStatuses"][0]["ready"] == true
            })
            .count();
        ready == pods
    };
    env.world.wait_until(SOON, ready).unwrap();
}

#[test]
fn a_deployment_goes_back() {
    let env = broken(Env::new("carts-associated"));
    insta::assert_snapshot!(env.podid(&format!("{LINE} --no-logs --rollback-on-failure")).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    rolled back deployment/carts to revision 1
    deployment/carts: rolled back
    error: the rollout of deployment/carts failed
      caused by: pod carts-[pod]: exit code 1, restarted [n] times
      caused by: it was rolled back: the earlier revision is running again

    hint: see its credentials with `podid show carts/carts`
    hint: run the same command again: finished steps are skipped
    ");
    assert_eq!(restarted_at(&env, "deployments", "carts"), Value::Null);
    all_ready(&env, 2);
    // The same without the flag stays where it is.
    let env = broken(Env::new("carts-associated"));
    let _ = env.podid(&format!("{LINE} --no-logs")).code(6);
    assert_ne!(restarted_at(&env, "deployments", "carts"), Value::Null);
}

#[test]
fn in_json() {
    let env = broken(Env::new("carts-associated"));
    insta::assert_snapshot!(env.podid(&format!("{LINE} --no-logs --rollback-on-failure -o json -q")).code(6).steady(), @r#"
    exit 6
    --- stdout
    {
      "steps": [
        {
          "id": "restart/carts/deployment/carts",
          "action": "restart",
          "resource": "deployment/carts",
          "status": "done",
          "error": null
        },
        {
          "id": "roll-back/carts/deployment/carts",
          "action": "rollBack",
          "resource": "deployment/carts",
          "status": "done",
          "error": null
        }
      ],
      "rollouts": [
        {
          "workload": "deployment/carts",
          "namespace": "carts",
          "status": "rolled-back",
          "error": "the rollout of deployment/carts failed: pod carts-[pod]: exit code 1, restarted [n] times: it was rolled back: the earlier revision is running again"
        }
      ]
    }
    --- stderr
    {"error":{"code":"partial","message":"the rollout of deployment/carts failed: pod carts-[pod]: exit code 1, restarted [n] times: it was rolled back: the earlier revision is running again","requestId":null,"hints":["see its credentials with `podid show carts/carts`","run the same command again: finished steps are skipped"]}}
    "#);
}

#[test]
fn what_rolls_out_stays() {
    let env = Env::new("carts-associated");
    let _ = env.podid(&format!("{LINE} --rollback-on-failure")).ok();
    assert_ne!(restarted_at(&env, "deployments", "carts"), Value::Null);
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
}

/// The pods of the revision before are new ones too; they run once the role may something again. A StatefulSet would wait
/// for its broken pod for ever: it is taken away.
#[test]
fn stateful_and_daemon_sets_go_back() {
    for (kind, resource, pods, deletes) in [("StatefulSet", "statefulsets", 2, 1), ("DaemonSet", "daemonsets", 3, 0)] {
        let spec = if kind == "StatefulSet" { json!({ "replicas": 2, "serviceName": "db" }) } else { json!({}) };
        let env = Env::with("carts-associated", &[("/manifests/8", workload(kind, "db", QUERY, &spec))]);
        all_ready(&env, pods);
        let env = broken(env);
        let child = env.start(&["recycle", "carts/carts", "--no-logs", "--rollback-on-failure", "-o", "json"]);
        let patches = |env: &Env| env.world.journal().count("kubernetes", &format!("patch {resource}"));
        env.world.wait_until(SOON, |_| patches(&env) == 2).unwrap();
        env.world.with(|state| {
            let role = state.aws.roles.get_mut("eks-workshop-carts-dynamo").unwrap();
            role.attached.push("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess".to_owned());
        });
        let run = finish(child).code(6).says("the earlier revision is running again");
        assert_eq!(run.json()["rollouts"][0]["status"], "rolled-back", "{run}");
        assert_eq!(restarted_at(&env, resource, "db"), Value::Null);
        assert_eq!(env.world.journal().count("kubernetes", "delete pods"), deletes, "{run}");
    }
}

/// The revision before is not the one before the restart when someone else changed more.
#[test]
fn not_when_it_was_changed_since() {
    let env = broken(Env::with("carts-associated", &[("/associations/0/age_s", json!(50))]));
    let child = env.start(&["recycle", "carts/carts", "--no-logs", "--rollback-on-failure"]);
    let asked = |state: &mut podid_sandbox::State| {
        let carts = state.kube.get("deployments", "carts", "carts").unwrap();
        carts["status"]["observedGeneration"] == json!(2)
    };
    env.world.wait_until(SOON, asked).unwrap();
    env.world.with(|state| {
        state.kube.edit("deployments", "carts", "carts", |carts| {
            carts["spec"]["template"]["spec"]["containers"][0]["image"] = json!("carts:2");
            carts["metadata"]["generation"] = json!(3);
        })
    });
    let run = finish(child).code(6).says("was changed by another user (new pod template) while it rolled out");
    assert_eq!(run.stderr.matches("rolled back deployment/carts").count(), 0, "{run}");
}

#[test]
fn denied() {
    let env = broken(Env::with("carts-associated", &[forbidding(&["list replicasets"])]));
    let run = env.podid(&format!("{LINE} --no-logs --rollback-on-failure")).code(6);
    insta::assert_snapshot!(run.steady(), @r#"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    could not roll back deployment/carts to an earlier revision
    error: the rollout of deployment/carts failed
      caused by: pod carts-[pod]: exit code 1, restarted [n] times
      caused by: new pods were identified by their age: not allowed: list replicasets
      caused by: not rolled back: cannot roll back `deployment/carts` in `carts`: replicasets.apps is forbidden: User "arn:aws:iam::111122223333:user/workshop" cannot list resource "replicasets" in API group "apps" in the namespace "carts"

    hint: see its credentials with `podid show carts/carts`
    hint: roll back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    "#);
}
