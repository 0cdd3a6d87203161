//! Rollouts that do not end well, or not soon.

use std::time::Duration;

use podid_sandbox::{
    Sandbox, State,
    faults::{Action, Fault},
};
use serde_json::{Value, json};

use super::{LINE, workload};
use crate::support::{APP, Env, SOON};

/// The healthy world, but for what the app of the Deployment does.
fn with_app(app: &str) -> Env {
    Env::with("carts-associated", &[(APP, json!(app))])
}

#[test]
fn a_crash_loop_ends_it_with_its_last_words() {
    let env = with_app("crash AccessDenied: key AKIAIOSFODNN7EXAMPLE, DB_SECRET=hunter2, not authorized");
    let run = env.podid(LINE).code(6);
    assert!(!run.stderr.contains("AKIAIOSFODNN7EXAMPLE") && !run.stderr.contains("hunter2"), "{run}");
    insta::assert_snapshot!(run.steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    error: the rollout of deployment/carts failed
      caused by: pod carts-[pod]: exit code 1, restarted [n] times
      caused by: its last log lines:
        [time] ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed
        org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dynamoDBCartService': Invocation of init method failed
        Caused by: software.amazon.awssdk.services.dynamodb.model.DynamoDbException: AccessDenied: key AKIA***, DB_SECRET=*** not authorized
        	at software.amazon.awssdk.core.internal.http.CombinedResponseHandler.handleErrorResponse(CombinedResponseHandler.java:125)
      caused by: AWS denied a call, and the message does not name the caller

    hint: check whose credentials they are: `podid verify carts/carts --live`
    hint: check the permission of that call: `podid verify carts/carts --needs ACTION@RESOURCE`
    hint: see its credentials with `podid show carts/carts`
    hint: roll back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    ");
    let run = env.podid(&format!("{LINE} --no-logs -o json")).code(1);
    assert!(!run.to_string().contains("SpringApplication"), "{run}");
    insta::assert_snapshot!(run.steady(), @r#"
    exit 1
    --- stdout
    {
      "steps": [],
      "rollouts": [
        {
          "workload": "deployment/carts",
          "namespace": "carts",
          "status": "failed",
          "error": "the rollout of deployment/carts failed: pod carts-[pod]: exit code 1, restarted [n] times"
        }
      ]
    }
    --- stderr
    deployment/carts is already restarting: watching it
    deployment/carts: the rollout of deployment/carts failed
    {"error":{"code":"failed","message":"the rollout of deployment/carts failed: pod carts-[pod]: exit code 1, restarted [n] times","requestId":null,"hints":["see its credentials with `podid show carts/carts`","roll back with `kubectl -n carts rollout undo deployment/carts`"]}}
    "#);
}

#[test]
fn an_image_that_cannot_be_pulled_ends_it() {
    let env = with_app("image-error");
    insta::assert_snapshot!(env.podid(LINE).code(6).steady(), @r#"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    error: the rollout of deployment/carts failed
      caused by: pod carts-[pod]: ImagePullBackOff
      caused by: Back-off pulling image "public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"

    hint: see its credentials with `podid show carts/carts`
    hint: roll back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    "#);
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
}

#[test]
fn a_config_error_ends_it() {
    let env = with_app("config-error");
    insta::assert_snapshot!(env.podid(LINE).code(6).steady(), @r#"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    error: the rollout of deployment/carts failed
      caused by: pod carts-[pod]: CreateContainerConfigError
      caused by: configmap "missing" not found

    hint: see its credentials with `podid show carts/carts`
    hint: roll back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    "#);
}

/// The first run holds: its new pod never gets ready. The second watches the same restart and adds none.
#[test]
fn an_unfinished_restart_is_watched() {
    let env = with_app("unready");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 8s")).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: timed out after 8s while watching deployment/carts
    error: timed out after 8s while watching deployment/carts
      caused by: it was waiting for 1 of 2 new pods to be started
      caused by: pod carts-[pod]: Unhealthy
      caused by: Readiness probe failed: HTTP probe failed with statuscode: 503

    hint: allow more time with `--timeout`
    hint: run the same command again: finished steps are skipped
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 8s -o json")).code(5).steady(), @r#"
    exit 5
    --- stdout
    {
      "steps": [],
      "rollouts": [
        {
          "workload": "deployment/carts",
          "namespace": "carts",
          "status": "failed",
          "error": "timed out after 8s while watching deployment/carts: it was waiting for 1 of 2 new pods to be started: pod carts-[pod]: Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"
        }
      ]
    }
    --- stderr
    deployment/carts is already restarting: watching it
    deployment/carts: timed out after 8s while watching deployment/carts
    {"error":{"code":"timed-out","message":"timed out after 8s while watching deployment/carts: it was waiting for 1 of 2 new pods to be started: pod carts-[pod]: Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503","requestId":null,"hints":["allow more time with `--timeout`"]}}
    "#);
    assert_eq!(env.writes(), ["kubernetes patch deployments"], "watched, not repeated");
    env.world.journal().clear();
    let watching = |world: &Sandbox| world.journal().calls().iter().any(|c| c.operation.starts_with("watch "));
    insta::assert_snapshot!(env.signalled(LINE, "INT", watching).code(130).steady(), @r"
    exit 130
    --- stderr
    deployment/carts is already restarting: watching it
    deployment/carts: interrupted
    error: interrupted
    ");
    assert!(env.writes().is_empty());
}

/// A deadline says that nothing moved; the crash says why.
#[test]
fn a_deadline_shows_the_trouble_behind_it() {
    let world = |app: &str| {
        let set = [
            (APP, json!(app)),
            ("/manifests/8/spec/progressDeadlineSeconds", json!(2)),
            // Too long for the three restarts that would end it.
            ("/delays", json!({ "back_off": 60_000 })),
        ];
        Env::with("carts-associated", &set)
    };
    let set = regex::Regex::new(r"ReplicaSet .carts-\w{10}. ").unwrap();
    let told = |app: &str| {
        let run = world(app).podid(LINE).code(6);
        set.replace(&run.steady(), "ReplicaSet \"carts-[hash]\" ").into_owned()
    };
    insta::assert_snapshot!(told("crash AccessDenied: not authorized"), @r#"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    error: the rollout of deployment/carts failed
      caused by: ProgressDeadlineExceeded
      caused by: ReplicaSet "carts-[hash]" has timed out progressing.
      caused by: pod carts-[pod]: exit code 1, restarted [n] times
      caused by: its last log lines:
        [time] ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed
        org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dynamoDBCartService': Invocation of init method failed
        Caused by: software.amazon.awssdk.services.dynamodb.model.DynamoDbException: AccessDenied: not authorized
        	at software.amazon.awssdk.core.internal.http.CombinedResponseHandler.handleErrorResponse(CombinedResponseHandler.java:125)
      caused by: AWS denied a call, and the message does not name the caller

    hint: check whose credentials they are: `podid verify carts/carts --live`
    hint: check the permission of that call: `podid verify carts/carts --needs ACTION@RESOURCE`
    hint: see its credentials with `podid show carts/carts`
    hint: roll back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    "#);
    insta::assert_snapshot!(told("unready"), @r#"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: the rollout of deployment/carts failed
    error: the rollout of deployment/carts failed
      caused by: ProgressDeadlineExceeded
      caused by: ReplicaSet "carts-[hash]" has timed out progressing.
      caused by: pod carts-[pod]: is running but not ready
      caused by: containers with unready status: [carts]

    hint: see its credentials with `podid show carts/carts`
    hint: roll back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    "#);
    let _ = world("").podid(LINE).ok();
}

/// Credentials may fail for a while after a change; a run that was killed right after it left nothing but its time.
#[test]
fn a_crash_right_after_a_change_does_not_end_it() {
    let world = |age: u64| {
        let set = [(APP, json!("crash AccessDenied")), ("/associations/0/age_s", json!(age))];
        Env::with("carts-associated", &set)
    };
    let line = format!("{LINE} --no-logs --timeout 20s");
    let _ = world(3600).podid(&line).code(6).says("the rollout of deployment/carts failed");
    let _ =
        world(5).podid(&line).code(6).says("the change may still be propagating in IAM").says("timed out after 20s");
}

/// What was not begun is not unknown: nothing was written.
#[test]
fn stopped_before_the_write() {
    let env = Env::new("carts-associated");
    env.world.faults().add(Fault::always("kubernetes", "get deployments", Action::Delay(Duration::from_mins(1))));
    let run = env.podid(&format!("{LINE} --timeout 6s -o json")).code(5);
    insta::assert_snapshot!(run.steady(), @r#"
    exit 5
    --- stdout
    {
      "steps": [
        {
          "id": "restart/carts/deployment/carts",
          "action": "restart",
          "resource": "deployment/carts",
          "status": "not-started",
          "error": "timed out after 6s while reading deployment/carts"
        }
      ],
      "rollouts": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    {"error":{"code":"timed-out","message":"timed out after 6s while reading deployment/carts","requestId":null,"hints":["allow more time with `--timeout`"]}}
    "#);
    let asked = |world: &Sandbox| world.journal().count("kubernetes", "get deployments") > 1;
    let run = env.signalled(&format!("{LINE} -o json"), "INT", asked).code(130);
    assert_eq!(run.json()["steps"][0]["status"], Value::from("not-started"), "{run}");
    assert!(env.writes().is_empty());
    env.world.faults().clear();
    let _ = env.podid(LINE).ok();
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
}

/// An ordered StatefulSet replaces none of its pods while one fails, that one neither: what has to be done is said before the
/// restart, while it waits and at its end, and helps.
#[test]
fn a_stateful_set_whose_pods_fail_waits_until_they_are_deleted() {
    let world = |policy: &str| {
        let spec = json!({ "replicas": 2, "serviceName": "db", "podManagementPolicy": policy });
        let app = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";
        let env = Env::with("carts-role", &[("/manifests/8", workload("StatefulSet", "db", app, &spec))]);
        let fails = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0);
        env.world.wait_until(SOON, |state| state.kube.list("pods", "carts").iter().any(fails)).unwrap();
        env
    };
    let line = "associate carts/carts --role eks-workshop-carts-dynamo --recycle --yes";
    let _ = world("Parallel").podid(line).ok();
    let env = world("OrderedReady");
    insta::assert_snapshot!(env.podid(&format!("{line} --timeout 20s")).code(6).steady(), @"
    exit 6
    --- stderr
    warning: statefulset/db replaces no pods while db-0 is not ready: after the restart, run `kubectl delete pod -n carts db-0`
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
      * restart statefulset/db (2 replicas, RollingUpdate)
    Plan: 1 to create, 0 to change, 0 to delete, 1 to restart
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    restarted statefulset/db
    statefulset/db: timed out after 20s while watching statefulset/db
    error: timed out after 20s while watching statefulset/db
      caused by: statefulset/db replaces no pods while db-0 is not ready
      caused by: it was waiting for 2 of 2 pods to be ready

    hint: allow more time with `--timeout`
    hint: delete it to continue: `kubectl delete pod -n carts db-0`
    hint: run the same command again: finished steps are skipped
    ");
    assert!(env.world.with(|state| state.kube.remove("pods", "carts", "db-0")));
    let done = |state: &mut State| {
        let status = state.kube.get("statefulsets", "carts", "db").unwrap()["status"].clone();
        status["readyReplicas"] == 2 && status["updatedReplicas"] == 2
    };
    env.world.wait_until(SOON, done).unwrap();
    let _ = env.podid(line).ok().says("nothing to change");
}

/// API servers learn of an association one by one: pods that start before they have all heard of it start without it again.
#[test]
fn an_association_made_just_now() {
    let world = || Env::with("carts-role", &[("/delays", json!({ "association": [4_000, 6_000] }))]);
    let env = world();
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --no-wait").ok();
    let run = env.podid(LINE).ok();
    assert!(run.stderr.contains("s: the association was changed seconds ago"), "{run}");
    let injected = |pod: &Value| pod["spec"]["volumes"].to_string().contains("eks-pod-identity-token");
    let there = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    env.world.with(|state| {
        let pods = state.kube.list("pods", "carts");
        assert!(pods.iter().filter(there).all(injected), "{run}\n{pods:?}");
    });
    // It has arrived by now.
    assert!(!env.podid(LINE).ok().stderr.contains("just now"));

    let env = world();
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --no-wait").ok();
    let _ = env.podid("recycle carts/carts --no-wait").ok().says("new pods may not get its credentials yet");
}
