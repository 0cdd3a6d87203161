//! `podid recycle`.

mod argo;
mod rollbacks;
mod rollouts;
mod several;

use podid_sandbox::{
    Sandbox,
    faults::{Action, Fault},
};
use serde_json::{Value, json};

use crate::support::{Env, denying, forbidding};

const LINE: &str = "recycle carts/carts";

/// A workload of carts' service account whose app does `app`.
pub(crate) fn workload(kind: &str, name: &str, app: &str, spec: &Value) -> Value {
    let labels = json!({ "app.kubernetes.io/name": name });
    let mut workload = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": { "name": name, "namespace": "carts", "labels": labels },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels, "annotations": { "sandbox.podid.dev/app": app } },
                "spec": { "serviceAccountName": "carts", "containers": [{ "name": name, "image": "carts" }] },
            },
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        workload["spec"][key] = value.clone();
    }
    workload
}

#[test]
fn a_deployment() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dry-run --exit-code")).code(3).steady(), @"
    exit 3
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    ");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: rolled out
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "restart/carts/deployment/carts",
          "action": "restart",
          "resource": "deployment/carts",
          "status": "done",
          "error": null
        }
      ],
      "rollouts": [
        {
          "workload": "deployment/carts",
          "namespace": "carts",
          "status": "rolled-out",
          "error": null
        }
      ]
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: rolled out
    "#);
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o yaml -q")).ok().steady(), @r"
    exit 0
    --- stdout
    steps:
    - id: restart/carts/deployment/carts
      action: restart
      resource: deployment/carts
      status: done
      error: null
    rollouts:
    - workload: deployment/carts
      namespace: carts
      status: rolled-out
      error: null
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o name -q")).ok().steady(), @r"
    exit 0
    --- stdout
    deployment/carts
    ");
    insta::assert_snapshot!(env.podid(&format!("{LINE} -q")).ok().steady(), @"exit 0");
}

#[test]
fn on_a_terminal() {
    insta::assert_snapshot!(Env::new("carts-associated").tty(80, &["recycle", "carts/carts"], "").ok().steady(), @"
    exit 0
    --- stdout
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ↻ restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    ✔ restarted deployment/carts
    ✔ deployment/carts: rolled out
    ");
    insta::assert_snapshot!(Env::new("carts-associated").tty(200, &["recycle", "carts/carts"], "").ok().steady(), @"
    exit 0
    --- stdout
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ↻ restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    ✔ restarted deployment/carts
    ✔ deployment/carts: rolled out
    ");
}

#[test]
fn stateful_and_daemon_sets() {
    let set = [
        ("/manifests/-", workload("StatefulSet", "db", "", &json!({ "replicas": 2, "serviceName": "db" }))),
        ("/manifests/-", workload("DaemonSet", "log", "", &json!({}))),
    ];
    let env = Env::with("carts-associated", &set);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dry-run")).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
      * restart statefulset/db (2 replicas, RollingUpdate)
      * restart daemonset/log (3 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 3 to restart
    ");
    let run = env.podid(&format!("{LINE} -o json")).ok();
    let json = run.json();
    let rollouts: Vec<String> = json["rollouts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("{} {}", r["workload"].as_str().unwrap(), r["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rollouts,
        ["deployment/carts rolled-out", "statefulset/db rolled-out", "daemonset/log rolled-out"],
        "{run}"
    );
    let mut writes = env.writes();
    writes.sort();
    assert_eq!(
        writes,
        ["kubernetes patch daemonsets", "kubernetes patch deployments", "kubernetes patch statefulsets"]
    );
}

#[test]
fn recreate_means_downtime() {
    let env = Env::with("carts-associated", &[("/manifests/8/spec/strategy", json!({ "type": "Recreate" }))]);
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, Recreate: downtime)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    deployment/carts: rolled out
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
}

#[test]
fn what_is_not_restarted() {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "shell", "namespace": "carts" },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "shell", "image": "busybox" }] },
    });
    let mut job = pod.clone();
    job["metadata"] = json!({
        "name": "import-x7k2p", "namespace": "carts",
        "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": "import", "uid": "0f0e0d0c-1111-4222-8333-444455556666", "controller": true }],
    });
    let on_delete = json!({ "replicas": 1, "serviceName": "db", "updateStrategy": { "type": "OnDelete" } });
    let set = [
        ("/manifests/8/spec/paused", json!(true)),
        ("/manifests/-", workload("StatefulSet", "db", "", &on_delete)),
        ("/manifests/-", pod),
        ("/manifests/-", job),
    ];
    let env = Env::with("carts-associated", &set);
    insta::assert_snapshot!(env.podid(LINE).ok().steady(), @"
    exit 0
    --- stderr
    warning: deployment/carts is paused and not restarted: resume it with `kubectl rollout resume deployment/carts -n carts`, then recycle it
    warning: statefulset/db replaces a pod only after it is deleted (OnDelete): `kubectl delete pod -n carts db-0`
    warning: pod carts/import-x7k2p belongs to job/import, which is not restarted: its next run gets the new settings
    warning: pod carts/shell has no controller and is not restarted: delete it and create it again
    podid can restart nothing that uses carts/carts
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn cron_jobs_are_named() {
    let job = |service_account: &str| {
        let spec = json!({ "serviceAccountName": service_account, "restartPolicy": "Never", "containers": [{ "name": "app", "image": "carts" }] });
        json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": { "name": "nightly", "namespace": "carts" },
            "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": spec } } } },
        })
    };
    let named = "warning: cronjob/nightly is not restarted: its next run gets the new settings";
    let env = Env::with("carts-associated", &[("/manifests/-", job("carts"))]);
    let _ = env.podid(&format!("{LINE} --dry-run")).ok().says(named);
    let env = Env::with("carts-associated", &[("/manifests/-", job("carts")), ("/associations", json!([]))]);
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --recycle").ok().says(named);
    let env = Env::with("carts-associated", &[("/manifests/-", job("default"))]);
    assert!(!env.podid(&format!("{LINE} --dry-run")).ok().to_string().contains("cronjob"));
    let env = Env::with("carts-associated", &[("/manifests/-", job("carts")), forbidding(&["list cronjobs"])]);
    let unread = "warning: CronJobs not checked: not allowed: list cronjobs";
    let _ = env.podid(&format!("{LINE} --dry-run")).ok().says(unread);
    let _ = env.podid("recycle carts/* --dry-run").ok().says(unread);
}

#[test]
fn nothing() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("recycle carts/default").ok().steady(), @r"
    exit 0
    --- stderr
    warning: carts/default has no association: new pods get no credentials from Pod Identity
    nothing to restart: no workload uses carts/default
    ");
    insta::assert_snapshot!(env.podid("recycle carts/cart").ok().steady(), @r"
    exit 0
    --- stderr
    warning: carts/cart has no association: new pods get no credentials from Pod Identity
    nothing to restart: service account carts/cart does not exist
    hint: did you mean `podid recycle carts/carts`?
    ");
    insta::assert_snapshot!(env.podid("recycle cart/carts -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [],
      "rollouts": []
    }
    --- stderr
    warning: cart/carts has no association: new pods get no credentials from Pod Identity
    nothing to restart: namespace `cart` does not exist
    hint: did you mean `podid recycle carts/carts`?
    "#);
    assert!(env.writes().is_empty());
}

#[test]
fn without_an_association_or_an_agent() {
    let env = Env::with("carts-associated", &[("/associations", json!([]))]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --no-wait")).ok().steady(), @"
    exit 0
    --- stderr
    warning: carts/carts has no association: new pods get no credentials from Pod Identity
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/carts
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    let env = Env::with("carts-associated", &[("/addons", json!([]))]);
    insta::assert_snapshot!(env.podid(LINE).code(2).steady(), @r"
    exit 2
    --- stderr
    error: no ready agent where the pods run or could run: ip-10-42-10-11.us-west-2.compute.internal, ip-10-42-11-12.us-west-2.compute.internal, ip-10-42-12-13.us-west-2.compute.internal (the agent is not installed)

    hint: install it: `podid agent install`
    hint: to restart anyway, pass `--allow-missing-agent`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn for_the_kube_context() {
    let mut env = Env::new("carts-associated");
    let kubeconfig = env.kubeconfig();
    env.var("KUBECONFIG", &kubeconfig).unset("PODID_CLUSTER");
    // One service account by name: that is not asked about, wherever the cluster comes from.
    let _ = env.podid(LINE).ok().says("rolled out");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[forbidding(&["patch deployments"])]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady(), @r#"
    exit 4
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    could not restart deployment/carts (2 replicas, RollingUpdate)
    error: cannot restart `deployment/carts` in `carts`
      caused by: deployments.apps "carts" is forbidden: User "arn:aws:iam::111122223333:user/workshop" cannot patch resource "deployments" in API group "apps" in the namespace "carts"
    "#);
    insta::assert_snapshot!(env.podid(&format!("{LINE} -o json")).code(4).steady(), @r#"
    exit 4
    --- stdout
    {
      "steps": [
        {
          "id": "restart/carts/deployment/carts",
          "action": "restart",
          "resource": "deployment/carts",
          "status": "failed",
          "error": "cannot restart `deployment/carts` in `carts`: deployments.apps \"carts\" is forbidden: User \"arn:aws:iam::111122223333:user/workshop\" cannot patch resource \"deployments\" in API group \"apps\" in the namespace \"carts\""
        }
      ],
      "rollouts": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    could not restart deployment/carts (2 replicas, RollingUpdate)
    {"error":{"code":"Forbidden","message":"cannot restart `deployment/carts` in `carts`: deployments.apps \"carts\" is forbidden: User \"arn:aws:iam::111122223333:user/workshop\" cannot patch resource \"deployments\" in API group \"apps\" in the namespace \"carts\"","requestId":null,"hints":[]}}
    "#);
    let env = Env::with("carts-associated", &[forbidding(&["list pods"])]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady(), @r"
    exit 4
    --- stderr
    error: the workloads and pods of carts/carts could not be read
      caused by: not allowed: list pods
    ");
    let env = Env::with("carts-associated", &[("/callers/0/access_entry", json!(false))]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady_of_several(), @r"
    exit 4
    --- stderr
    error: cannot [read something]
      caused by: the cluster does not know the caller
      caused by: cluster `eks-workshop` has no access entry for arn:aws:iam::111122223333:user/workshop

    hint: create one: `aws eks create-access-entry --cluster-name eks-workshop --principal-arn arn:aws:iam::111122223333:user/workshop`, then associate an access policy
    ");
    assert!(env.writes().is_empty());
    let env = Env::with("carts-associated", &[denying("eks:ListPodIdentityAssociations")]);
    insta::assert_snapshot!(env.podid(LINE).code(4).steady(), @r"
    exit 4
    --- stderr
    error: cannot list associations of `carts/carts` in cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:ListPodIdentityAssociations on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:ListPodIdentityAssociations` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn interrupted_in_the_middle_of_a_write() {
    let env = Env::new("carts-associated");
    let late = Action::Delay(std::time::Duration::from_secs(5));
    env.world.faults().add(Fault::once("kubernetes", "patch deployments", late));
    let asked = |world: &Sandbox| world.journal().count("kubernetes", "patch deployments") > 0;
    insta::assert_snapshot!(env.signalled(&format!("{LINE} -o json"), "TERM", asked).code(143).steady(), @r#"
    exit 143
    --- stdout
    {
      "steps": [
        {
          "id": "restart/carts/deployment/carts",
          "action": "restart",
          "resource": "deployment/carts",
          "status": "unknown",
          "error": "terminated"
        }
      ],
      "rollouts": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    warning: outcome unknown: restart deployment/carts (2 replicas, RollingUpdate)
    {"error":{"code":"terminated","message":"terminated","requestId":null,"hints":["run the same command again: finished steps are skipped"]}}
    "#);
}
