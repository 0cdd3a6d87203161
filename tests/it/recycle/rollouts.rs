//! Rollouts that do not end well, or not soon.

use podid_sandbox::Sandbox;
use serde_json::json;

use super::LINE;
use crate::support::Env;

/// The healthy world, but for what the app of the Deployment does.
fn with_app(app: &str) -> Env {
    let pointer = "/manifests/8/spec/template/metadata/annotations/sandbox.podid.dev~1app";
    Env::with("carts-associated", &[(pointer, json!(app))])
}

#[test]
fn a_crash_loop_ends_it_with_its_last_words() {
    let env = with_app("crash AccessDenied: key AKIAIOSFODNN7EXAMPLE, DB_SECRET=hunter2, not authorized");
    let run = env.podid(LINE).code(6);
    assert!(!run.stderr.contains("AKIAIOSFODNN7EXAMPLE") && !run.stderr.contains("hunter2"), "{run}");
    insta::assert_snapshot!(run.steady(), @r"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    asked deployment/carts to restart
    deployment/carts: does not roll out
    error: deployment/carts does not roll out
      caused by: pod carts-[pod]: exit code 1, restarted [n] times
      caused by: its last log lines:
        [time] ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed
        org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dynamoDBCartService': Invocation of init method failed
        Caused by: software.amazon.awssdk.services.dynamodb.model.DynamoDbException: AccessDenied: key AKIA***, DB_SECRET=*** not authorized
        	at software.amazon.awssdk.core.internal.http.CombinedResponseHandler.handleErrorResponse(CombinedResponseHandler.java:125)

    hint: see its credentials with `podid show carts/carts`
    hint: go back with `kubectl -n carts rollout undo deployment/carts`
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
          "error": "deployment/carts does not roll out: pod carts-[pod]: exit code 1, restarted [n] times"
        }
      ]
    }
    --- stderr
    deployment/carts is being restarted already: watching it
    deployment/carts: does not roll out
    {"error":{"code":"failed","message":"deployment/carts does not roll out: pod carts-[pod]: exit code 1, restarted [n] times","requestId":null,"hints":["see its credentials with `podid show carts/carts`","go back with `kubectl -n carts rollout undo deployment/carts`"]}}
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
    asked deployment/carts to restart
    deployment/carts: does not roll out
    error: deployment/carts does not roll out
      caused by: pod carts-[pod]: ImagePullBackOff
      caused by: Back-off pulling image "public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"

    hint: see its credentials with `podid show carts/carts`
    hint: go back with `kubectl -n carts rollout undo deployment/carts`
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
    asked deployment/carts to restart
    deployment/carts: does not roll out
    error: deployment/carts does not roll out
      caused by: pod carts-[pod]: CreateContainerConfigError
      caused by: configmap "missing" not found

    hint: see its credentials with `podid show carts/carts`
    hint: go back with `kubectl -n carts rollout undo deployment/carts`
    hint: run the same command again: finished steps are skipped
    "#);
}

/// The first run holds: its new pod never gets ready. The second watches the same restart and adds none.
#[test]
fn an_unfinished_restart_is_watched() {
    let env = with_app("unready");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 5s")).code(6).steady(), @r"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    asked deployment/carts to restart
    deployment/carts: timed out after 5s while watching deployment/carts
    error: timed out after 5s while watching deployment/carts

    hint: give it more time with `--timeout`
    hint: run the same command again: finished steps are skipped
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --timeout 5s -o json")).code(5).steady(), @r#"
    exit 5
    --- stdout
    {
      "steps": [],
      "rollouts": [
        {
          "workload": "deployment/carts",
          "namespace": "carts",
          "status": "failed",
          "error": "timed out after 5s while watching deployment/carts"
        }
      ]
    }
    --- stderr
    deployment/carts is being restarted already: watching it
    deployment/carts: timed out after 5s while watching deployment/carts
    {"error":{"code":"timed-out","message":"timed out after 5s while watching deployment/carts","requestId":null,"hints":["give it more time with `--timeout`"]}}
    "#);
    assert_eq!(env.writes(), ["kubernetes patch deployments"], "watched, not repeated");
    env.world.journal().clear();
    let watching = |world: &Sandbox| world.journal().calls().iter().any(|c| c.operation.starts_with("watch "));
    insta::assert_snapshot!(env.signalled(LINE, "INT", watching).code(130).steady(), @r"
    exit 130
    --- stderr
    deployment/carts is being restarted already: watching it
    deployment/carts: interrupted
    error: interrupted
    ");
    assert!(env.writes().is_empty());
}
