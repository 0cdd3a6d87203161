//! Nothing is reported as ready that is not: no agent, no injection, no new pods. Each broken world stands beside its healthy
//! twin, which differs in one thing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Env, Run, finish, forbidding};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
const IDLE: &str = "associate carts/idle --role eks-workshop-carts-dynamo";
const CARTS: &str = "associate carts/carts --role eks-workshop-carts-dynamo";
const FILE: &str = "\
apiVersion: podid.dev/v1
kind: PodIdentity
metadata: {name: idle}
associations:
  - serviceAccount: carts/idle
    role: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
";

/// An object that comes last into the world: what it refuses is not refused of the pods that are there.
fn late(mut object: Value) -> (&'static str, Value) {
    object["metadata"]["annotations"]["sandbox.podid.dev/age-s"] = json!("5");
    ("/manifests/-", object)
}

/// A service account that nothing uses yet.
fn idle(set: &[(&str, Value)]) -> Env {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "idle", "namespace": "carts"}});
    let set: Vec<(&str, Value)> = [("/manifests/-", account)].into_iter().chain(set.iter().cloned()).collect();
    Env::with("carts-role", &set)
}

fn without_nodes(env: &Env) {
    env.world.with(|state| {
        let names: Vec<String> =
            state.kube.list("nodes", "").iter().map(|n| n["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        assert!(names.iter().all(|name| state.kube.remove("nodes", "", name)));
    });
}

#[test]
fn no_agent_is_refused_before_any_write_also_without_pods() {
    let none = ("/addons", json!([]));
    let fargate: Vec<String> =
        (3..6).map(|n| format!("/manifests/{n}/metadata/labels/eks.amazonaws.com~1compute-type")).collect();
    let mut fargate: Vec<(&str, Value)> = fargate.iter().map(|label| (label.as_str(), json!("fargate"))).collect();
    fargate.push(none.clone());
    let scaled = |set: &[(&str, Value)]| {
        let env = idle(set);
        without_nodes(&env);
        env
    };
    let emptied = idle(&[]);
    emptied.world.with(|state| assert!(state.kube.remove("daemonsets", "kube-system", "eks-pod-identity-agent")));
    for (what, env) in [
        ("not installed", idle(std::slice::from_ref(&none))),
        ("not installed, and no node yet", scaled(std::slice::from_ref(&none))),
        ("only Fargate", idle(&fargate)),
        ("an add-on without its DaemonSet", emptied),
    ] {
        let run = env.podid(IDLE).code(2).says("new pods would get no credentials").says("--allow-missing-agent");
        let file = env.file("idle.yaml", FILE);
        let run = run.says(if what.contains("add-on") { "has no DaemonSet" } else { "the agent is not installed" });
        let applied = env.podid(&format!("apply -f {file}")).code(2).says("new pods would get no credentials");
        assert!(env.writes().is_empty(), "{what}: {run}{applied}");
    }
    for (what, env) in [("installed", idle(&[])), ("installed, and no node yet", scaled(&[]))] {
        let run = env.podid(IDLE).ok().says("ready: new pods get credentials");
        assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"], "{what}: {run}");
    }
}

#[test]
fn a_missing_agent_that_is_allowed_is_not_ready() {
    let none = ("/addons", json!([]));
    let until = "new pods will get no credentials until the agent is installed";
    let env = idle(std::slice::from_ref(&none));
    let run = env.podid(&format!("{IDLE} --allow-missing-agent -o json")).code(5).says(until);
    assert_eq!((&run.json()["effective"], &run.json()["effectiveHow"]), (&json!("no"), &json!(until)), "{run}");
    assert!(run.stderr.contains("podid agent install"), "{run}");
    // The same again: nothing to change, and not ready either.
    let again = env.podid(&format!("{IDLE} --allow-missing-agent")).code(5).says(until);
    assert!(!again.stderr.contains("ready: new pods get credentials"), "{again}");
    let env = idle(std::slice::from_ref(&none));
    let file = env.file("idle.yaml", FILE);
    let run = env.podid(&format!("apply -f {file} --allow-missing-agent -o json")).code(5).says(until);
    assert_eq!(run.json()["associations"][0]["effective"], json!("no"), "{run}");
    // Nothing is claimed where nothing was asked.
    let _ = idle(std::slice::from_ref(&none)).podid(&format!("{IDLE} --allow-missing-agent --no-wait")).ok();
    let healthy = idle(&[]).podid(&format!("{IDLE} --allow-missing-agent -o json")).ok();
    assert_eq!(healthy.json()["effective"], json!("observed"), "{healthy}");
}

#[test]
fn an_agent_that_nobody_could_look_at_is_said_to_be_unchecked() {
    let run = idle(&[forbidding(&["list nodes"])]).podid(IDLE).ok();
    let line = run.stderr.lines().find(|line| line.contains(": ready: new pods get credentials")).unwrap_or_default();
    assert!(line.contains("the agent was not checked: not allowed: list nodes"), "{run}");
    let run = idle(&[]).podid(IDLE).ok();
    assert!(!run.stderr.contains("not checked"), "{run}");
}

fn drop_webhook(env: &Env) {
    let removed = |state: &mut podid_sandbox::State| {
        state.kube.remove("mutatingwebhookconfigurations", "", "pod-identity-webhook")
    };
    assert!(env.world.with(removed));
}

#[test]
fn pods_are_not_replaced_by_pods_that_would_not_be_injected() {
    let env = Env::new("carts-associated");
    let _ = env.podid("recycle carts/carts").ok().says("rolled out");
    env.world.journal().clear();
    drop_webhook(&env);
    for line in ["recycle carts/carts", "recycle carts/carts -o json", "recycle --all --yes"] {
        let run = env.podid(line).code(2).says("new pods of carts/carts would not be injected");
        let _ = run.says("mutatingwebhookconfiguration pod-identity-webhook");
    }
    assert!(env.writes().is_empty(), "{:?}", env.writes());
    let waited = env.podid("wait carts/carts --for injected").ok();
    assert!(waited.stderr.contains("pods are injected"), "{waited}");
}

/// A workload that runs as well without credentials, so that only a look at its pods tells.
fn quiet(miss_every: u64) -> Env {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "quiet", "namespace": "carts"}});
    let labels = json!({"app": "quiet"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "quiet", "namespace": "carts"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"serviceAccountName": "quiet", "containers": [{"name": "quiet", "image": "quiet:1"}]},
        }},
    });
    let associated = json!({"namespace": "carts", "service_account": "quiet", "role": ROLE});
    Env::with(
        "carts-associated",
        &[
            ("/manifests/-", account),
            ("/manifests/-", deployment),
            ("/associations/-", associated),
            ("/webhook", json!({"miss_every": miss_every})),
        ],
    )
}

#[test]
fn new_pods_that_are_not_injected_are_named() {
    let run = quiet(0).podid("recycle carts/quiet -o json").ok();
    assert_eq!(run.json()["rollouts"][0]["status"], json!("rolled-out"), "{run}");
    // Three pods of before, and one dry-run pod: the fifth is the new one.
    let env = quiet(5);
    let run = env.podid("recycle carts/quiet -o json").code(6).says("MutatingWebhookConfiguration");
    let rollout = &run.json()["rollouts"][0];
    assert_eq!(rollout["status"], json!("failed"), "{run}");
    let names: Vec<String> = env.world.with(|state| {
        let pods = state.kube.list("pods", "carts");
        let names = pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("quiet-")).collect()
    });
    assert!(names.iter().any(|name| rollout["error"].as_str().unwrap().contains(name)), "{names:?} {run}");
    assert!(!run.stderr.contains("quiet: rolled out"), "{run}");
    let waited = env.podid("wait carts/quiet --for injected --timeout 10s").code(5);
    let _ = waited.says("is not injected").says("mutatingwebhookconfiguration pod-identity-webhook");
}

/// Somebody else's webhook for pods, and what it answers.
fn webhook(answer: &str, policy: &str) -> (&'static str, Value) {
    late(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "mesh", "annotations": {"sandbox.podid.dev/answers": answer}},
        "webhooks": [{
            "name": "inject.mesh.example", "failurePolicy": policy,
            "clientConfig": {"service": {"name": "mesh", "namespace": "mesh-system"}},
        }],
    }))
}

fn quota(hard: &Value) -> (&'static str, Value) {
    late(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "carts"},
        "spec": {"hard": hard},
    }))
}

/// Not a word of the made-up name of the dry-run pod.
fn unnamed(run: Run) -> Run {
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("podid-probe"), "{run}");
    run
}

#[test]
fn a_webhook_that_fails_keeps_all_pods_away() {
    for (answer, words) in [("refused", "connection refused"), ("500", "Internal Server Error")] {
        let run = Env::with("carts-role", &[webhook(answer, "Fail")]).podid(&format!("{CARTS} --timeout 6s")).code(6);
        let run = unnamed(run).says("new pods cannot be created").says("inject.mesh.example").says(words);
        assert!(!run.stderr.contains("assumed"), "{run}");
    }
    let run = Env::with("carts-role", &[webhook("500", "Ignore")]).podid(CARTS).ok();
    let _ = run.says("ready: new pods get credentials");
    // It comes back within the time limit.
    let env = Env::with("carts-role", &[webhook("refused", "Fail")]);
    let child = env.begin(CARTS);
    let asked = |state: &mut podid_sandbox::State| !state.aws.associations.is_empty();
    env.world.wait_until(Duration::from_secs(20), asked).unwrap();
    env.world.with(|state| assert!(state.kube.remove("mutatingwebhookconfigurations", "", "mesh")));
    let _ = finish(child).ok().says("ready: new pods get credentials");
    // Pods are not taken away where none can take their place.
    let env = Env::with("carts-associated", &[webhook("refused", "Fail")]);
    let _ = env.podid("recycle carts/carts").code(2).says("cannot be created").says("connection refused");
    assert!(env.writes().is_empty());
}

#[test]
fn a_namespace_that_is_being_deleted_gets_no_pods() {
    let env = Env::new("carts-role");
    env.world.with(|state| {
        assert!(state.kube.edit("namespaces", "", "carts", |space| space["status"] = json!({"phase": "Terminating"})));
    });
    let run = unnamed(env.podid(&format!("{CARTS} -o json")).code(6)).says("because it is being terminated");
    assert_eq!(run.json()["effective"], json!("no"), "{run}");
    // No wait makes it come true.
    let started = std::time::Instant::now();
    let _ = env.podid("wait carts/carts --for ready --timeout 60s").code(1).says("because it is being terminated");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_quota_of_zero_is_no_assumption() {
    for hard in [json!({"pods": "0"}), json!({"count/pods": 0}), json!({"requests.cpu": "0"})] {
        let env = Env::with("carts-role", &[quota(&hard)]);
        let run = unnamed(env.podid(&format!("{CARTS} -o json")).code(5)).says("exceeded quota: none");
        assert_eq!(run.json()["effective"], json!("no"), "{run}");
    }
    // A full one has room again when one of its pods goes.
    let full = Env::with("carts-role", &[quota(&json!({"pods": "1"}))]).podid(CARTS).ok();
    let _ = unnamed(full).says("probably ready").says("quota: exceeded quota: none");
    let _ = Env::with("carts-role", &[quota(&json!({"pods": "10"}))])
        .podid(CARTS)
        .ok()
        .says("ready: new pods get credentials");
    let env = Env::with("carts-associated", &[quota(&json!({"pods": "0"}))]);
    let _ = env.podid("recycle carts/carts").code(2).says("exceeded quota: none");
    assert!(env.writes().is_empty());
}

#[test]
fn the_dry_run_pod_asks_for_what_the_namespace_wants() {
    let range = |limits: Value| {
        late(json!({
            "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "sizes", "namespace": "carts"},
            "spec": {"limits": limits},
        }))
    };
    let must = quota(&json!({"requests.cpu": "4", "limits.memory": "8Gi"}));
    for set in [
        vec![],
        vec![range(json!([{"type": "Container", "min": {"cpu": "50m", "memory": "64Mi"}}]))],
        vec![range(json!([{"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}]))],
        vec![range(json!([{"type": "Pod", "min": {"cpu": "100m"}}]))],
        vec![range(json!([{"type": "Pod", "max": {"ephemeral-storage": "1Gi"}}]))],
        vec![must.clone()],
        vec![must, range(json!([{"type": "Container", "min": {"cpu": "50m"}}]))],
    ] {
        let _ = unnamed(Env::with("carts-role", &set).podid(CARTS).ok().says("ready: new pods get credentials"));
    }
    // One that no pod can please is named.
    let both = json!([{"type": "Container", "min": {"cpu": "2"}}, {"type": "Pod", "max": {"cpu": "1"}}]);
    let run = unnamed(Env::with("carts-role", &[range(both)]).podid(CARTS).ok());
    let _ = run.says("LimitRange: minimum cpu usage per Container is 2, but request is 1");
}

#[test]
fn a_policy_engine_is_named() {
    let mut denies = webhook("images only from example.com", "Fail");
    denies.1["kind"] = json!("ValidatingWebhookConfiguration");
    let run = unnamed(Env::with("carts-role", &[denies]).podid(CARTS).ok());
    let _ = run.says("a policy engine: admission webhook \"inject.mesh.example\" denied the request: images only from");
}
