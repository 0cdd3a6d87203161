//! `verify --all`: what is in use and what has an association, and nothing about what has nothing to do with AWS.

use serde_json::{Value, json};

use super::saved;
use crate::support::{Env, Run, forbidding};

/// A Deployment with a service account of its own.
fn deployment(name: &str, app: &str, env: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "carts" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name }, "annotations": { "sandbox.podid.dev/app": app } },
                "spec": { "serviceAccountName": name, "containers": [{ "name": "app", "image": "a:1", "env": env }] }
            }
        }
    })
}

fn account(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "carts" } })
}

/// The carts world with one more service account and its Deployment.
fn with(name: &str, app: &str, env: &Value) -> Env {
    Env::with("carts-verified", &[("/manifests/-", account(name)), ("/manifests/-", deployment(name, app, env))])
}

/// The ids of all findings of a status, whosever they are.
fn ids(run: &Run, status: &str) -> Vec<String> {
    let reports = run.json()["reports"].as_array().unwrap().clone();
    let findings = reports.iter().flat_map(|report| report["findings"].as_array().unwrap());
    findings.filter(|f| f["status"] == status).map(|f| f["id"].as_str().unwrap().to_owned()).collect()
}

fn reported(document: &Value) -> Vec<(String, String)> {
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    document["reports"].as_array().unwrap().iter().map(|it| (text(it, "serviceAccount"), text(it, "outcome"))).collect()
}

#[test]
fn what_has_nothing_to_do_with_aws_is_one_line() {
    let env = with("web", "", &json!([]));
    let run = saved(&env, "--all").ok();
    assert_eq!(reported(&run.json()), [("carts".to_owned(), "ok".to_owned())]);
    assert_eq!(run.json()["withoutAws"], json!(["carts/web", "kube-system/default"]));
    let run = env.podid("verify -n carts").ok();
    assert!(run.stderr.contains("1 service account shows no use of AWS: carts/web"), "{run}");
    // Scaled to zero, it is no different.
    let mut idle = deployment("web", "", &json!([]));
    idle["spec"]["replicas"] = json!(0);
    let run = Env::with("carts-verified", &[("/manifests/-", account("web")), ("/manifests/-", idle)])
        .podid("verify -n carts -o json")
        .ok();
    assert_eq!(run.json()["withoutAws"], json!(["carts/web"]));
    // Where somebody names it, it is checked.
    let run = saved(&env, "carts/web").code(3);
    assert_eq!(ids(&run, "failed"), ["association.missing"]);
}

#[test]
fn one_without_an_association_that_lacks_credentials_is_found() {
    let env = with("web", "dynamodb:Query eks-workshop-carts", &json!([]));
    let run = saved(&env, "--all").code(3);
    assert_eq!(reported(&run.json())[1], ("web".to_owned(), "failed".to_owned()), "{run}");
    assert!(ids(&run, "failed").contains(&"association.missing".to_owned()), "{run}");
}

/// Its association is gone, and its pods still have the settings.
#[test]
fn one_whose_association_was_deleted_is_found() {
    let gone = json!([{ "namespace": "carts", "service_account": "carts", "deleted": true,
        "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo" }]);
    let run = Env::with("carts-verified", &[("/associations", gone)]).podid("verify --all -o json").code(3);
    assert_eq!(ids(&run, "failed")[0], "association.deleted", "{run}");
}

/// Settings of the SDKs are a sign; doing well on the node's role is no fault.
#[test]
fn one_that_works_with_its_nodes_role_is_no_problem() {
    let region = json!([{ "name": "AWS_REGION", "value": "us-west-2" }]);
    let env = with("web", "", &region);
    let run = saved(&env, "--all").ok();
    assert_eq!(reported(&run.json()).len(), 2, "{run}");
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
}

/// Settings in a ConfigMap are as good a sign as those of the pod itself.
#[test]
fn settings_from_a_config_map_are_a_sign_too() {
    let mut web = deployment("web", "", &json!([]));
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "web" } }]);
    let map = |key: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web", "namespace": "carts" }, "data": { key: "us-west-2" } });
    for (key, accounts) in [("AWS_REGION", 2), ("REGION", 1)] {
        let fields = [("/manifests/-", account("web")), ("/manifests/-", map(key)), ("/manifests/-", web.clone())];
        let run = Env::with("carts-verified", &fields).podid("verify -n carts -o json").ok();
        assert_eq!(reported(&run.json()).len(), accounts, "{key}: {run}");
    }
}

#[test]
fn a_cluster_without_associations_is_no_error() {
    let env = Env::with("carts-verified", &[("/associations", json!([])), ("/manifests/8", account("idle"))]);
    let run = env.podid("verify --all").ok();
    assert!(run.stderr.contains("no use of AWS: kube-system/default"), "{run}");
}

/// What could not be listed is not taken for nothing.
#[test]
fn unlisted_is_not_unused() {
    let blind = forbidding(&["list pods", "list deployments", "list statefulsets", "list daemonsets"]);
    let env = Env::with("carts-verified", &[blind.clone(), ("/associations", json!([]))]);
    let _ = env.podid("verify --all").code(4).says("cannot find out which service accounts are in use");
    let _ = env.podid("verify -n carts").code(4).says("cannot find out which service accounts are in use");
    let run = Env::with("carts-verified", &[blind]).podid("verify --all");
    assert!(run.code == 4 && run.stderr.contains("only service accounts that have an association"), "{run}");
}

/// Four accounts with one missing agent are one problem with one fix.
#[test]
fn one_cause_is_one_problem() {
    let more: Vec<Value> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            json!({ "namespace": "carts", "service_account": name,
        "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo", "disable_session_tags": true })
        })
        .collect();
    let mut fields: Vec<(&str, Value)> = more.into_iter().map(|it| ("/associations/-", it)).collect();
    fields.extend(["a", "b", "c"].into_iter().map(|name| ("/manifests/-", account(name))));
    fields.push(("/addons", json!([])));
    let run = Env::with("carts-verified", &fields).podid("verify --all").code(3);
    assert_eq!(run.stdout.matches("(agent.missing)").count(), 1, "{run}");
    assert!(run.stdout.contains("affects carts/a, carts/b, carts/c and 1 more"), "{run}");
    assert_eq!(run.stdout.matches("podid agent install").count(), 1, "{run}");
}

/// Every pod that names no service account gets the role of an association of `default`.
#[test]
fn an_association_of_the_default_account_is_worth_a_look() {
    let default = json!({ "namespace": "carts", "service_account": "default",
        "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo", "disable_session_tags": true });
    let env = Env::with("carts-verified", &[("/associations/-", default)]);
    let run = saved(&env, "carts/default");
    assert!(ids(&run, "warning").contains(&"association.default-account".to_owned()), "{run}");
    let run = saved(&env, "carts/carts").ok();
    assert!(!ids(&run, "warning").contains(&"association.default-account".to_owned()), "{run}");
    let warning = "every pod in namespace carts without a service account of its own gets the role";
    let env = Env::new("carts-verified");
    let said = |account: &str| {
        env.podid(&format!("associate {account} --create-role --dynamodb eks-workshop-carts --dry-run")).ok()
    };
    let run = said("carts/default");
    assert!(run.stderr.contains(warning), "{run}");
    let run = said("carts/carts");
    assert!(!run.stderr.contains("without a service account of its own"), "{run}");
}

/// Between two runs a CronJob has no pods, and its service account is checked all the same.
#[test]
fn what_only_a_cron_job_runs_as() {
    let job = |env: Value| {
        json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "carts" },
            "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": {
                "serviceAccountName": "nightly", "restartPolicy": "Never",
                "containers": [{ "name": "main", "image": "a:1", "env": env }]
            } } } } }
        })
    };
    let world =
        |env: Value| Env::with("carts-verified", &[("/manifests/-", account("nightly")), ("/manifests/-", job(env))]);
    let bucket = json!([{ "name": "AWS_REGION", "value": "us-west-2" }]);
    let run = saved(&world(bucket.clone()), "--all").ok();
    assert_eq!(reported(&run.json())[1], ("nightly".to_owned(), "ok".to_owned()), "{run}");
    let run = saved(&world(json!([])), "--all").ok();
    assert_eq!(run.json()["withoutAws"], json!(["carts/nightly", "kube-system/default"]), "{run}");
    // Where CronJobs cannot be listed, that is told.
    let blind = Env::with("carts-verified", &[forbidding(&["list cronjobs"]), ("/manifests/-", job(bucket))]);
    let run = blind.podid("verify --all").ok();
    assert!(run.stderr.contains("service accounts that only CronJobs run as are not checked"), "{run}");
}

/// What is scaled to zero and sets variables of the SDKs uses AWS when it runs.
#[test]
fn what_is_scaled_to_zero_and_uses_aws() {
    let mut idle = deployment("web", "", &json!([{ "name": "AWS_REGION", "value": "us-west-2" }]));
    idle["spec"]["replicas"] = json!(0);
    let env = Env::with("carts-verified", &[("/manifests/-", account("web")), ("/manifests/-", idle)]);
    let run = saved(&env, "-n carts").ok();
    assert_eq!(reported(&run.json())[1], ("web".to_owned(), "ok".to_owned()), "{run}");
}
