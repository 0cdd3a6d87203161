//! Pods and workloads as what a command is about: their service account is found, and only their pods count.

use serde_json::{Value, json};

use crate::support::Env;

/// A second Deployment of the same service account.
fn worker(app: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "worker", "namespace": "carts" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "worker" } },
            "template": {
                "metadata": { "labels": { "app": "worker" }, "annotations": { "sandbox.podid.dev/app": app } },
                "spec": { "serviceAccountName": "carts", "containers": [{ "name": "worker", "image": "worker:1" }] }
            }
        }
    })
}

fn world(app: &str) -> Env {
    Env::with("carts-verified", &[("/manifests/-", worker(app))])
}

/// The name of a pod that begins so.
fn pod(env: &Env, beginning: &str) -> String {
    let shown: Value = serde_json::from_str(&env.podid("show carts/carts -o json").ok().stdout).unwrap();
    let pods = shown["pods"].as_array().unwrap().iter().filter_map(|pod| pod["name"].as_str());
    pods.into_iter().find(|name| name.starts_with(beginning)).unwrap().to_owned()
}

#[test]
fn only_the_pods_of_the_workload_that_is_named_are_checked() {
    let env = world("crash AccessDenied");
    let _ = env.podid("verify carts/carts").code(3).says("worker");
    for line in ["verify carts/deployment/worker", "verify deploy/worker -n carts"] {
        let run = env.podid(line).code(3);
        assert!(run.stdout.contains("carts/carts (deployment/worker)"), "{run}");
    }
    let run = env.podid("verify deployment/carts -n carts").ok();
    assert!(!run.stdout.contains("worker"), "{run}");
    let run = env.podid(&format!("verify pod/{} -n carts", pod(&env, "worker-"))).code(3);
    assert!(!run.stdout.contains("pod carts/carts-"), "{run}");
    let _ = env.podid(&format!("verify carts/pod/{}", pod(&env, "carts-"))).ok();
    let run = env.podid("verify deployment/carts deployment/worker -n carts -o json").code(3);
    let reports = serde_json::from_str::<Value>(&run.stdout).unwrap();
    let told = |at: usize| (reports["reports"][at]["object"].clone(), reports["reports"][at]["outcome"].clone());
    assert_eq!(told(0), (json!("deployment/carts"), json!("ok")));
    assert_eq!(told(1), (json!("deployment/worker"), json!("failed")));
    // The twin.
    let _ = world("dynamodb:Query eks-workshop-carts").podid("verify carts/deployment/worker").ok();
}

#[test]
fn what_does_not_exist_says_what_does() {
    let env = world("dynamodb:Query eks-workshop-carts");
    insta::assert_snapshot!(env.podid("verify deployment/cart -n carts").code(1).steady(), @r"
    exit 1
    --- stderr
    error: deployment/cart does not exist in namespace `carts`

    hint: did you mean `carts/deployment/carts`?
    ");
    insta::assert_snapshot!(env.podid("show cronjob/nightly -n carts").code(1).steady(), @r"
    exit 1
    --- stderr
    error: cronjob/nightly does not exist in namespace `carts`

    hint: list them with `kubectl get cronjobs -n carts`
    ");
    insta::assert_snapshot!(env.podid("wait pod/carts-1 --for ready").code(2).steady(), @r"
    exit 2
    --- stderr
    error: `pod/carts-1` names no namespace: pass -n NAMESPACE, or write NAMESPACE/pod/carts-1
    ");
    let _ = env.podid("associate deployment/carts -n carts --role x").code(2).says("is not a service account");
    let _ = env.podid("show carts/carts -n shop").code(2).says("`carts/carts` is not in namespace `shop`");
}

#[test]
fn a_name_within_a_namespace() {
    let env = world("dynamodb:Query eks-workshop-carts");
    for line in ["show carts -n carts", "show sa/carts -n carts", "verify carts -n carts", "list carts -n carts"] {
        let run = env.podid(line).ok();
        assert!(run.stdout.contains("carts/carts") || run.stdout.contains("eks-workshop-carts-dynamo"), "{run}");
    }
    let _ = env.podid("disassociate carts -n carts --dry-run").ok().says("delete the association of carts/carts");
    let _ = env.podid("associate carts -n carts --role eks-workshop-carts-dynamo --dry-run").ok();
}

#[test]
fn a_pod_leads_to_the_workload_that_is_restarted() {
    let env = world("dynamodb:Query eks-workshop-carts");
    let line = format!("recycle pod/{} -n carts --dry-run -o json", pod(&env, "worker-"));
    let planned: Value = serde_json::from_str(&env.podid(&line).ok().stdout).unwrap();
    let resources: Vec<&str> =
        planned["steps"].as_array().unwrap().iter().filter_map(|s| s["resource"].as_str()).collect();
    assert_eq!(resources, ["deployment/worker"]);
    let _ = env.podid("recycle deployment/worker -n carts").ok();
    assert_eq!(env.writes().len(), 1, "{:?}", env.writes());
}

/// What is said of it is not said of all that its service account has.
#[test]
fn an_object_without_pods_is_spoken_of_by_its_own_name() {
    let nightly = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "carts" },
        "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": {
            "serviceAccountName": "carts", "restartPolicy": "Never", "containers": [{ "name": "c", "image": "c:1" }] } } } } } });
    let env = Env::with("carts-verified", &[("/manifests/-", nightly)]);
    let _ = env.podid("show cronjob/nightly -n carts").ok().says("cronjob/nightly has no pods now");
    let _ = env
        .podid("recycle cronjob/nightly -n carts")
        .ok()
        .says("carts/cronjob/nightly has no workload that podid can restart");
}

/// A pod of a Job, which nothing restarts.
#[test]
fn a_job_is_known_by_its_pods() {
    let job = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "load-x7k2p", "namespace": "carts", "ownerReferences": [{ "apiVersion": "batch/v1",
            "kind": "Job", "name": "load", "uid": "0f0e0d0c-1111-4222-8333-444455556666", "controller": true }] },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "load", "image": "load:1" }] }
    });
    let env = Env::with("carts-verified", &[("/manifests/-", job)]);
    let run = env.podid("show job/load -n carts").ok();
    assert!(run.stdout.contains("load-") && !run.stdout.contains("deployment/carts"), "{run}");
    let _ = env.podid("verify carts/job/load").ok();
}

#[test]
fn without_an_association_it_is_shown_what_the_pods_use() {
    let env = Env::with("carts-verified", &[("/associations", json!([]))]);
    insta::assert_snapshot!(env.podid("show deployment/carts -n carts").ok().steady(), @"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      none
    Workloads:
      WORKLOAD          READY  STRATEGY
      deployment/carts  0/2    RollingUpdate
    Pods:
      POD                     CREDENTIALS      STATUS            AGE                   NODE
      carts-[pod]  the node's role  CrashLoopBackOff  [time]  ip-10-42-11-12.us-west-2.compute.internal
      carts-[pod]  the node's role  CrashLoopBackOff  [time]  ip-10-42-12-13.us-west-2.compute.internal
    --- stderr
    hint: associate it with `podid associate carts/carts --role NAME`
    ");
    let shown: Value = serde_json::from_str(&env.podid("show carts/carts -o json").ok().stdout).unwrap();
    assert_eq!((&shown["association"], &shown["serviceAccount"]), (&Value::Null, &json!("carts")));
    assert_eq!(shown["pods"][0]["credentials"][0]["source"], "node-role", "{shown:#}");
    // Nobody uses it: there is nothing to show.
    let unused = Env::with("carts-verified", &[("/associations", json!([])), ("/manifests/8", Value::Null)]);
    let _ = unused.podid("show carts/carts").code(1).says("no association for `carts/carts`");
}

/// They run with the settings of before; only a restart changes that.
#[test]
fn pods_from_before_a_change_do_not_count_as_injected() {
    let env = Env::with("carts-verified", &[("/associations/0/changed_s", json!(30))]);
    let run = env.podid("wait carts/carts --for injected --timeout 1s").code(5);
    assert!(run.stderr.contains("needs a restart") && run.stderr.contains("podid recycle carts/carts"), "{run}");
    let _ = env.podid("wait carts/carts --for injected --allow-stale").ok();
    let _ = env.podid("wait carts/carts --for agent --allow-stale").code(2);
    // The twin.
    let _ = Env::new("carts-verified").podid("wait deployment/carts -n carts --for injected").ok();
}
