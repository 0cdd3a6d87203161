//! What is reported as broken, and what is not, where two worlds look alike: each class with its healthy twin.

use serde_json::{Value, json};

use super::{Row, healthy, ids, prove, saved};
use crate::support::{APP, Env};

const ENV: &str = "/manifests/8/spec/template/spec/containers/0/env";
const CONTAINERS: &str = "/manifests/8/spec/template/spec/containers";
const MOUNTS: &str = "/manifests/8/spec/template/spec/containers/0/volumeMounts";
const VOLUMES: &str = "/manifests/8/spec/template/spec/volumes";
const SKIP: &str = "/manifests/8/spec/template/metadata/annotations/eks.amazonaws.com~1skip-containers";

fn env(variables: &[(&str, &str)]) -> Value {
    variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn crash(text: &str) -> (&'static str, Value) {
    (APP, json!(format!("crash {text}")))
}

/// It fails for a reason of its own.
fn trouble() -> (&'static str, Value) {
    crash("FATAL: password authentication failed for user carts")
}

fn warnings(name: &str, fields: &[(&str, Value)]) -> Vec<String> {
    ids(&healthy(name, "carts-verified", fields), "warning")
}

#[test]
pub(super) fn keys_that_not_every_sdk_takes() {
    let half = || env(&[("AWS_ACCESS_KEY_ID", "key")]);
    let old = || env(&[("AWS_ACCESS_KEY", "key"), ("AWS_SECRET_KEY", "secret")]);
    let option = |name: &str| env(&[(name, "-Xmx1g -Daws.accessKeyId=key -Daws.secretKey=secret")]);
    prove(&[
        Row::new(60, (ENV, half()), "override.static-keys").when(&[trouble()]),
        Row::new(60, (ENV, half()), "override.static-keys").warns(),
        Row::new(60, (ENV, old()), "override.static-keys").when(&[trouble()]),
        Row::new(60, (ENV, option("JDK_JAVA_OPTIONS")), "override.java-keys"),
        Row::new(60, (ENV, option("JAVA_OPTS")), "override.java-keys").warns(),
        Row::new(60, (ENV, env(&[("SHOP_S3_ACCESS_KEY_ID", "key")])), "override.own-keys").warns(),
        Row::new(60, (ENV, env(&[("BROKER_URL", "sqs://AKIAIOSFODNN7EXAMPLE:secret@")])), "override.own-keys").warns(),
    ]);
    for (name, value) in [
        ("a database of its own", env(&[("DATABASE_URL", "postgres://carts:secret@db/carts")])),
        ("options without keys", env(&[("JAVA_OPTS", "-Xmx1g"), ("JDK_JAVA_OPTIONS", "-Dfile.encoding=UTF-8")])),
        ("half a pair without a value", env(&[("AWS_ACCESS_KEY_ID", "")])),
    ] {
        assert_eq!(warnings(name, &[(ENV, value)]), [""; 0], "{name}");
    }
}

#[test]
pub(super) fn files_in_the_home_directory() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "home", "namespace": "carts" }, "data": {} });
    let projected = json!([{ "name": "home", "projected": { "sources": [{ "secret": { "name": "home" } }] } }]);
    let csi = json!([{ "name": "home", "csi": { "driver": "secrets-store.csi.k8s.io", "readOnly": true } }]);
    let at = |path: &str| (MOUNTS, json!([{ "name": "home", "mountPath": path }]));
    for volume in [projected, csi] {
        prove(&[Row::new(63, at("/root/.aws"), "override.files").when(&[
            ("/manifests/-", secret.clone()),
            (VOLUMES, volume.clone()),
            trouble(),
        ])]);
        let fields = [("/manifests/-", secret.clone()), (VOLUMES, volume), at("/etc/carts")];
        assert_eq!(warnings("mounted elsewhere", &fields), [""; 0]);
    }
}

#[test]
pub(super) fn an_optional_key_of_a_secret_that_is_not_there() {
    let from = |optional: bool| {
        let key = |key: &str| json!({ "name": "aws-secret", "key": key, "optional": optional });
        json!([
            { "name": "AWS_ACCESS_KEY_ID", "valueFrom": { "secretKeyRef": key("id") } },
            { "name": "AWS_SECRET_ACCESS_KEY", "valueFrom": { "secretKeyRef": key("key") } },
        ])
    };
    let run = healthy("optional", "carts-verified", &[(ENV, from(true))]);
    assert!(ids(&run, "skipped").contains(&"override.ok".to_owned()), "{run}");
    let keys = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "aws-secret", "namespace": "carts" }, "data": { "id": "a2V5", "key": "c2VjcmV0" } });
    let there = ("/manifests/-", keys.clone());
    prove(&[
        Row::new(60, (ENV, from(false)), "override.static-keys").when(std::slice::from_ref(&there)),
        Row::new(60, (ENV, from(true)), "override.static-keys").when(&[there]).with("--read-secrets"),
    ]);
    let mut empty = keys;
    empty["data"] = json!({ "id": "", "key": "" });
    let env = Env::with("carts-verified", &[("/manifests/-", empty), (ENV, from(false))]);
    let run = saved(&env, "carts/carts --read-secrets").ok();
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
}

#[test]
fn flags_are_no_addresses() {
    for (name, value) in [
        ("FIPS", env(&[("AWS_USE_FIPS_ENDPOINT", "true")])),
        ("dual stack", env(&[("AWS_USE_DUALSTACK_ENDPOINT", "true")])),
        ("the metadata service's own", env(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")])),
        (
            "an address that is ignored",
            env(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("AWS_ENDPOINT_URL", "http://local:4566")]),
        ),
    ] {
        assert_eq!(warnings(name, &[(ENV, value)]), [""; 0], "{name}");
    }
    let s3 = || Env::with("carts-verified", &[(ENV, env(&[("AWS_ENDPOINT_URL_S3", "http://minio:9000")]))]);
    let of = |needs: &str| ids(&s3().podid(&format!("verify carts/carts -o json {needs}")), "warning");
    assert_eq!(of(""), ["override.endpoint"]);
    assert_eq!(of("--needs dynamodb:Query@eks-workshop-carts"), [""; 0], "it calls another service");
}

#[test]
pub(super) fn a_proxy_that_spares_the_agent_in_any_form() {
    let spared = |without: &str| env(&[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", without)]);
    for without in ["169.254.170.23:80", "10.0.0.0/8,169.254.0.0/16", "*"] {
        assert_eq!(warnings(without, &[(ENV, spared(without)), (APP, json!(""))]), [""; 0], "{without}");
    }
    prove(&[Row::new(34, (ENV, spared("169.254.170.23:443")), "network.proxy").when(&[trouble()])]);
}

#[test]
fn the_right_values_from_a_config_map() {
    let map = |uri: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "agent", "namespace": "carts" }, "data": { "uri": uri, "file": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token" } });
    let key = |key: &str| json!({ "configMapKeyRef": { "name": "agent", "key": key } });
    let from = json!([
        { "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "valueFrom": key("uri") },
        { "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "valueFrom": key("file") },
    ]);
    let right = map("http://169.254.170.23/v1/credentials");
    let _ = healthy("from a ConfigMap", "carts-verified", &[("/manifests/-", right), (ENV, from.clone())]);
    let env = Env::with("carts-verified", &[("/manifests/-", map("http://127.0.0.1/creds")), (ENV, from)]);
    let run = saved(&env, "carts/carts").code(3);
    assert_eq!(ids(&run, "failed"), ["pod-spec.preset"], "{run}");
}

#[test]
pub(super) fn a_volume_or_mount_of_the_tokens_name() {
    let volume = |path: &str| {
        let token = json!({ "audience": "pods.eks.amazonaws.com", "path": path, "expirationSeconds": 3600 });
        (
            VOLUMES,
            json!([{ "name": "eks-pod-identity-token", "projected": { "sources": [{ "serviceAccountToken": token }] } }]),
        )
    };
    let named = volume("eks-pod-identity-token");
    let mount = (MOUNTS, json!([{ "name": "eks-pod-identity-token", "mountPath": "/var/run/aws" }]));
    prove(&[
        Row::new(14, volume("token"), "pod-spec.preset").when(std::slice::from_ref(&named)),
        Row::new(14, mount.clone(), "pod-spec.preset").when(std::slice::from_ref(&named)),
    ]);
    let run = Env::with("carts-verified", &[named, mount]).podid("verify carts/carts").code(3);
    assert!(run.stdout.contains("remove the mount eks-pod-identity-token at /var/run/aws"), "{run}");
}

#[test]
pub(super) fn containers_beside_the_application() {
    let with = |more: Value| json!([{ "name": "carts", "image": "carts:1", "envFrom": [{ "configMapRef": { "name": "carts" } }] }, more]);
    let keys = env(&[("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
    let sidecar = with(json!({ "name": "shipper", "image": "shipper:1", "env": keys }));
    assert_eq!(warnings("a sidecar with keys of its own", &[(CONTAINERS, sidecar)]), ["override.static-keys"]);
    let init = json!([{ "name": "fetch", "image": "fetch:1", "env": keys }]);
    let init = ("/manifests/8/spec/template/spec/initContainers", init);
    assert_eq!(warnings("an init container that did its work", &[init]), ["override.static-keys"]);
    // Left out on purpose, it does not matter; the application's own container does.
    let plain = with(json!({ "name": "envoy", "image": "envoy:1" }));
    prove(&[Row::new(13, (SKIP, json!("carts")), "pod-spec.all-skipped").when(&[(CONTAINERS, plain.clone())])]);
    let _ = healthy("a sidecar that is left out", "carts-verified", &[(CONTAINERS, plain), (SKIP, json!("envoy"))]);
}

#[test]
fn the_worst_of_equal_findings_is_kept() {
    let deployment = |name: &str, app: &str| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "carts" }, "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name }, "annotations": { "sandbox.podid.dev/app": app } }, "spec": {
                "serviceAccountName": "carts", "containers": [{ "name": "app", "image": "a:1", "env": env(&[("AWS_PROFILE", "x")]) }] } } } })
    };
    let works = ("/manifests/8", deployment("carts-a", ""));
    assert_eq!(warnings("a profile", std::slice::from_ref(&works)), ["override.profile"]);
    let broken =
        deployment("carts-b", "crash botocore.exceptions.ProfileNotFound: The config profile (x) could not be found");
    let run =
        Env::with("carts-verified", &[works, ("/manifests/-", broken)]).podid("verify carts/carts -o json").code(3);
    assert_eq!(ids(&run, "failed")[0], "override.profile", "{run}");
}

#[test]
fn an_agent_on_the_pods_own_nodes() {
    let auto = json!("auto");
    let label = "metadata/labels/eks.amazonaws.com~1compute-type";
    let nodes = [format!("/manifests/3/{label}"), format!("/manifests/4/{label}")];
    let mixed = |selector: Value| {
        let mut fields: Vec<(&str, Value)> = nodes.iter().map(|field| (field.as_str(), auto.clone())).collect();
        fields.push(("/clusters/0/auto_mode", json!(true)));
        fields.push(("/addons", json!([])));
        fields.push(("/manifests/8/spec/template/spec/nodeSelector", selector));
        Env::with("carts-verified", &fields).podid("verify carts/carts -o json")
    };
    let run = mixed(json!({ "eks.amazonaws.com/compute-type": "auto" })).ok();
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
    let run = mixed(json!({ "kubernetes.io/os": "linux" })).code(3);
    assert!(ids(&run, "failed").contains(&"agent.missing".to_owned()), "{run}");
}

#[test]
fn a_session_in_the_log_is_proof() {
    let proxy = env(&[("HTTP_PROXY", "http://proxy.corp:3128"), ("NO_PROXY", ".svc,10.0.0.0/8")]);
    let caller = |session: &str| {
        crash(&format!(
            "AccessDenied: User: arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/{session} is not authorized to perform: s3:ListBucket on resource: arn:aws:s3:::orders because no identity-based policy allows the s3:ListBucket action"
        ))
    };
    let env = Env::with("carts-verified", &[caller("eks-eks-worksh-carts-7d9f-0b1c"), (ENV, proxy.clone())]);
    let run = saved(&env, "carts/carts").code(3);
    assert_eq!(ids(&run, "warning"), ["network.proxy"], "{run}");
    assert!(ids(&run, "failed")[0].starts_with("permissions."), "{run}");
    let run = Env::with("carts-verified", &[trouble(), (ENV, proxy)]).podid("verify carts/carts -o json").code(3);
    assert_eq!(ids(&run, "failed"), ["network.proxy"], "{run}");
}

#[test]
fn a_condition_that_only_live_tells() {
    let condition = |condition: Value| ("/roles/1/trust/Statement/0/Condition", condition);
    let unknown = || condition(json!({ "StringEqualsIfExists": { "aws:SourceOrgID": "o-abc1234567" } }));
    let env = Env::with("carts-verified", &[unknown()]);
    let run = env.podid("verify carts/carts").code(3);
    assert!(!run.stderr.contains("iam-policy"), "no permission would help: {run}");
    assert!(run.stdout.contains("aws:SourceOrgID"), "{run}");
    let _ = env.podid("verify carts/carts --live").ok();
    let session = |pattern: &str| condition(json!({ "StringLike": { "sts:RoleSessionName": pattern } }));
    let quiet = || (APP, json!(""));
    let _ = healthy("sessions of the agent", "carts-verified", &[session("eks-*"), quiet()]);
    let run = Env::with("carts-verified", &[session("ci-*"), trouble()]).podid("verify carts/carts -o json").code(3);
    assert_eq!(ids(&run, "failed"), ["trust.condition"], "{run}");
    let named = |pattern: &str| condition(json!({ "StringLike": { "aws:RequestTag/kubernetes-pod-name": pattern } }));
    let _ = healthy("the pods' names", "carts-verified", &[named("carts-*"), quiet()]);
    let run = Env::with("carts-verified", &[named("orders-*"), trouble()]).podid("verify carts/carts -o json").code(3);
    assert_eq!(ids(&run, "failed"), ["trust.condition"], "{run}");
}

#[test]
fn credentials_are_renewed_after_six_hours() {
    let old = |at: usize| format!("/manifests/{at}/metadata/annotations");
    let places: Vec<String> = (3..=8).map(old).collect();
    let of = |changed_s: u32| {
        let age = |at: &String| if at == &places[5] { "36000" } else { "90000" };
        let mut fields: Vec<(&str, Value)> =
            places.iter().map(|at| (at.as_str(), json!({ "sandbox.podid.dev/age-s": age(at) }))).collect();
        fields.extend([("/associations/0/age_s", json!(80_000)), ("/associations/0/changed_s", json!(changed_s))]);
        fields.push((APP, json!("")));
        Env::with("carts-verified", &fields).podid("verify carts/carts -o json")
    };
    let run = of(7 * 3600).ok();
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
    assert!(run.stdout.contains("have expired since"), "{run}");
    let run = of(5 * 3600).code(3);
    assert_eq!(ids(&run, "failed"), ["restart.stale"], "{run}");
}

#[test]
fn one_failed_read_hides_nothing_else() {
    let run = Env::with("carts-verified", &[("/roles/0", Value::Null), trouble()])
        .podid("verify carts/carts -o json")
        .code(3);
    assert_eq!(ids(&run, "failed"), ["nodes.role-permission"], "{run}");
    let run = Env::with("carts-verified", &[trouble()]).podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
}

#[test]
fn a_cron_job_is_a_user_too() {
    let other = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "frontend", "namespace": "carts" }, "spec": {
        "selector": { "matchLabels": { "app": "frontend" } },
        "template": { "metadata": { "labels": { "app": "frontend" } }, "spec": { "containers": [{ "name": "frontend", "image": "frontend:1" }] } } } });
    let job = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "carts" }, "spec": {
        "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": {
            "serviceAccountName": "carts", "restartPolicy": "Never", "containers": [{ "name": "c", "image": "c:1" }] } } } } } });
    let alone = ("/manifests/8", other);
    let run = Env::with("carts-verified", &[alone.clone(), ("/manifests/-", job)]).podid("verify carts/carts -v").ok();
    assert!(run.stdout.contains("cronjob/nightly"), "{run}");
    // Being alone in the namespace is no evidence that it was meant.
    let run = Env::with("carts-verified", &[alone]).podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&run, "warning"), ["workload.none"], "{run}");
}

#[test]
fn pods_that_podid_cannot_restart_get_what_helps() {
    let pod = |owner: Option<Value>| {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "carts-once", "namespace": "carts" },
            "spec": { "serviceAccountName": "carts", "containers": [{ "name": "c", "image": "c:1" }] } });
        if let Some(owner) = owner {
            pod["metadata"]["ownerReferences"] = json!([owner]);
        }
        pod
    };
    let cluster = json!({ "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "orders-db", "uid": "00000000-0000-4000-8000-000000000001", "controller": true });
    for (pod, told) in [(pod(None), "delete it and create it again"), (pod(Some(cluster)), "cluster/orders-db")] {
        let env = Env::with("carts-verified", &[("/associations/0/age_s", json!(60)), ("/manifests/8", pod)]);
        let run = env.podid("verify carts/carts").code(3);
        assert!(run.stdout.contains(told) && !run.stdout.contains("podid recycle"), "{run}");
    }
}

#[test]
fn pods_that_a_pod_of_the_service_account_created_as_another_one() {
    let driver = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "load-driver", "namespace": "carts",
        "labels": { "spark-role": "driver" }, "annotations": { "sandbox.podid.dev/age-s": "600" },
        "ownerReferences": [{ "apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "name": "load",
            "uid": "00000000-0000-4000-8000-000000000001", "controller": true }] },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "c", "image": "c:1" }] } });
    let executor = |account: Option<&str>, label: &str| {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "load-exec-1", "namespace": "carts",
            "labels": { "spark-role": label }, "annotations": { "sandbox.podid.dev/age-s": "500" },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "load-driver",
                "uid": "00000000-0000-4000-8000-000000000002", "controller": true }] },
            "spec": { "containers": [{ "name": "c", "image": "c:1" }] } });
        if let Some(account) = account {
            pod["spec"]["serviceAccountName"] = json!(account);
        }
        pod
    };
    let world = |executor| Env::with("carts-verified", &[("/manifests/-", driver.clone()), ("/manifests/-", executor)]);
    let run = world(executor(Some("carts"), "executor")).podid("verify carts/carts -o json").ok();
    assert!(ids(&run, "warning").is_empty(), "{run}");
    for (label, fix) in [("executor", "spec.executor.serviceAccount"), ("worker", "serviceAccountName: carts")] {
        let env = world(executor(None, label));
        let run = saved(&env, "carts/carts").ok();
        assert_eq!(ids(&run, "warning"), ["workload.child-pods"], "{run}");
        assert!(run.stdout.contains("load-driver") && run.stdout.contains(fix), "{run}");
        // Everything of the namespace was listed for several service accounts at once.
        let run = saved(&env, "--all").ok();
        assert_eq!(ids(&run, "warning"), ["workload.child-pods"], "{run}");
    }
}

#[test]
fn a_job_that_started_before_the_agent_of_its_node() {
    let job = |age: &str, app: &str| {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "nightly-1", "namespace": "carts",
            "annotations": { "sandbox.podid.dev/age-s": age, "sandbox.podid.dev/app": app },
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": "nightly",
                "uid": "00000000-0000-4000-8000-000000000001", "controller": true }] },
            "spec": { "serviceAccountName": "carts", "restartPolicy": "Never", "containers": [{ "name": "c", "image": "c:1" }] } })
    };
    let run = |job: Value| {
        let mut set: Vec<(String, Value)> = (3..7)
            .map(|at| (format!("/manifests/{at}/metadata/annotations"), json!({ "sandbox.podid.dev/age-s": "1000" })))
            .collect();
        set.extend([("/associations/0/age_s".to_owned(), json!(3600)), ("/manifests/-".to_owned(), job)]);
        let set: Vec<(&str, Value)> = set.iter().map(|(at, value)| (at.as_str(), value.clone())).collect();
        Env::with("carts-verified", &set).podid("verify carts/carts -o json")
    };
    let query = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";
    // The agents are 900 seconds old.
    assert!(ids(&run(job("800", query)).ok(), "failed").is_empty());
    let early = run(job("903", query)).code(3);
    assert_eq!(ids(&early, "failed"), ["nodes.started-before-agent"], "{early}");
    assert!(early.stdout.contains("delete job/nightly and create it again"), "{early}");
    // What it says has nothing to do with credentials.
    let other = run(job("903", "crash NullPointerException at Main")).ok();
    assert!(ids(&other, "warning").contains(&"nodes.started-before-agent".to_owned()), "{other}");
}
