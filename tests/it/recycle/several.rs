//! Several service accounts: by name, by pattern, all, the stale ones.

use serde_json::{Value, json};

use crate::support::{Env, forbidding};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A Deployment `api` of `team`'s service account `api`.
fn api(team: &str, app: &str) -> Value {
    let labels = json!({ "app": "api" });
    let annotations = json!({ "sandbox.podid.dev/app": app });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "api", "namespace": team, "labels": labels },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels, "annotations": annotations },
                "spec": { "serviceAccountName": "api", "containers": [{ "name": "api", "image": "api" }] },
            },
        },
    })
}

/// Two teams beside carts, each with an association that is older than its pods, and what else differs.
fn teams(set: &[(&str, Value)]) -> Env {
    let mut fields = Vec::new();
    for team in ["team-a", "team-b"] {
        fields.extend([
            ("/manifests/-", json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": team } })),
            ("/manifests/-", json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "api", "namespace": team } })),
            ("/manifests/-", api(team, "")),
            ("/associations/-", json!({ "namespace": team, "service_account": "api", "role": ROLE })),
        ]);
    }
    fields.extend(set.iter().cloned());
    Env::with("carts-associated", &fields)
}

/// The field that makes the pods of team-b older than their association.
const STALE: &str = "/associations/2/age_s";

#[test]
fn by_name() {
    let env = teams(&[]);
    let line = "recycle carts/carts team-a/api carts/carts";
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run")).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart carts/deployment/carts (2 replicas, RollingUpdate)
      * restart team-a/deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 2 to restart
    ");
    insta::assert_snapshot!(env.podid(line).code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart carts/deployment/carts (2 replicas, RollingUpdate)
      * restart team-a/deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 2 to restart
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    let words: Vec<&str> = line.split(' ').collect();
    let _ = env.tty(100, &words, "n\n").code(2).says("not confirmed");
    assert!(env.writes().is_empty());
    let _ = env.tty(100, &words, "y\n").ok().says("carts/deployment/carts: rolled out");
    assert_eq!(env.world.journal().writes(), ["kubernetes patch deployments"; 2]);
    env.world.journal().clear();
    let run = env.podid(&format!("{line} --yes -o json")).ok();
    let of = |field: &str| -> Vec<Value> {
        run.json()["rollouts"].as_array().unwrap().iter().map(|r| r[field].clone()).collect()
    };
    assert_eq!(of("namespace"), ["carts", "team-a"], "{run}");
    assert_eq!(of("workload"), ["deployment/carts", "deployment/api"]);
    assert_eq!(of("status"), ["rolled-out", "rolled-out"]);
}

#[test]
fn by_pattern() {
    let env = teams(&[]);
    insta::assert_snapshot!(env.podid("recycle team-*/* c?rts/c* shop-*/* --dry-run").ok().steady(), @"
    exit 0
    --- stderr
    warning: `shop-*/*` matches no association
    `team-*/*` matches team-a/api, team-b/api
    `c?rts/c*` matches carts/carts
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart carts/deployment/carts (2 replicas, RollingUpdate)
      * restart team-a/deployment/api (1 replica, RollingUpdate)
      * restart team-b/deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 3 to restart
    ");
    insta::assert_snapshot!(env.podid("recycle team-*/*").code(2).steady(), @"
    exit 2
    --- stderr
    `team-*/*` matches team-a/api, team-b/api
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart team-a/deployment/api (1 replica, RollingUpdate)
      * restart team-b/deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 2 to restart
    error: confirmation required: this deletes a role, or changes more than the service accounts named one by one, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    insta::assert_snapshot!(env.podid("recycle shop-*/* --yes -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [],
      "rollouts": []
    }
    --- stderr
    warning: `shop-*/*` matches no association
    nothing to restart: no association matches
    "#);
    insta::assert_snapshot!(env.podid("recycle Team-*/*").code(2).steady(), @"
    exit 2
    --- stderr
    error: invalid value 'Team-*/*' for '[NAMESPACE/SERVICE_ACCOUNT]...': pattern `Team-*` has upper-case letters; Kubernetes names are lower-case

    For more information, try '--help'.
    ");
    // A yes is not enough.
    let _ = env.tty(100, &["recycle", "team-*/*"], "y\n").code(2).says("not confirmed");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.tty(100, &["recycle", "team-a/*"], "eks-workshop\n").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop
    `team-a/*` matches team-a/api
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ↻ restart deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    This applies to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration).
    To confirm, type the cluster name (eks-workshop): ✔ restarted deployment/api
    ✔ deployment/api: rolled out
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    let run = env.podid("recycle team-*/* --yes -o name -q").ok();
    assert_eq!(run.stdout, "team-a/deployment/api\nteam-b/deployment/api\n");
}

#[test]
fn all() {
    let env = teams(&[]);
    let run = env.podid("recycle --all --dry-run -o name").ok();
    assert_eq!(run.stdout, "carts/deployment/carts\nteam-a/deployment/api\nteam-b/deployment/api\n");
    let _ = run.says("`*/*` matches carts/carts, team-a/api, team-b/api");
    let _ = env.podid("recycle").code(2).says("required arguments were not provided");
    let _ = env.podid("recycle --all carts/carts").code(2).says("cannot be used with");
    let none = Env::with("carts-associated", &[("/associations", json!([]))]);
    insta::assert_snapshot!(none.podid("recycle --all --yes").ok().steady(), @"
    exit 0
    --- stderr
    nothing to restart: no service account has an association
    ");
}

#[test]
fn only_the_stale() {
    let fresh = teams(&[]);
    insta::assert_snapshot!(fresh.podid("recycle --stale --yes").ok().steady(), @"
    exit 0
    --- stderr
    `*/*` matches carts/carts, team-a/api, team-b/api
    nothing to restart: no workload of any service account has pods that need a restart
    ");
    assert!(fresh.writes().is_empty());
    let env = teams(&[(STALE, json!(300))]);
    insta::assert_snapshot!(env.podid("recycle --stale").code(2).steady(), @"
    exit 2
    --- stderr
    `*/*` matches carts/carts, team-a/api, team-b/api
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    error: confirmation required: this deletes a role, or changes more than the service accounts named one by one, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    let _ = env
        .podid("recycle carts/carts --stale")
        .ok()
        .says("nothing to restart: no workload of carts/carts has pods that need a restart");
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid("recycle --stale --yes").ok().steady(), @"
    exit 0
    --- stderr
    `*/*` matches carts/carts, team-a/api, team-b/api
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 1 to restart
    restarted deployment/api
    deployment/api: rolled out
    ");
    env.world.journal().clear();
    // Done, it plans nothing.
    let _ = env.podid("recycle --stale").ok().says("nothing to restart");
    assert!(env.writes().is_empty());
}

#[test]
fn one_workload_of_them() {
    let env = teams(&[]);
    insta::assert_snapshot!(env.podid("recycle */* --workload deploy/api --workload deployments.apps/carts --dry-run").ok().steady(), @"
    exit 0
    --- stderr
    `*/*` matches carts/carts, team-a/api, team-b/api
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart carts/deployment/carts (2 replicas, RollingUpdate)
      * restart team-a/deployment/api (1 replica, RollingUpdate)
      * restart team-b/deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 3 to restart
    ");
    let run = env.podid("recycle --all --workload deployment/carts --yes -q -o name").ok();
    assert_eq!(run.stdout, "deployment/carts\n");
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    insta::assert_snapshot!(env.podid("recycle carts/carts --workload sts/carts").code(2).steady(), @"
    exit 2
    --- stderr
    error: --workload: `statefulset/carts` does not use carts/carts

    hint: workloads that do: deployment/carts
    ");
    let _ = env.podid("recycle carts/carts --workload cronjob/x").code(2).says("kind `cronjob` cannot be restarted");
    let _ = env.podid("recycle carts/carts --workload carts").code(2).says("is not KIND/NAME");
}

#[test]
fn after_one_that_failed_no_further_one_is_begun() {
    let line = "recycle team-*/* --yes --max-parallel 1 --no-logs";
    // The app of team-a; its pods are the first.
    let env = teams(&[("/manifests/11", api("team-a", "image-error"))]);
    insta::assert_snapshot!(env.podid(&format!("{line} -o json")).code(6).steady(), @r#"
    exit 6
    --- stdout
    {
      "steps": [
        {
          "id": "restart/team-a/deployment/api",
          "action": "restart",
          "resource": "deployment/api",
          "status": "done",
          "error": null
        },
        {
          "id": "restart/team-b/deployment/api",
          "action": "restart",
          "resource": "deployment/api",
          "status": "not-started",
          "error": null
        }
      ],
      "rollouts": [
        {
          "workload": "deployment/api",
          "namespace": "team-a",
          "status": "failed",
          "error": "the rollout of team-a/deployment/api failed: pod api-[pod]: ImagePullBackOff: Back-off pulling image \"api\""
        }
      ]
    }
    --- stderr
    `team-*/*` matches team-a/api, team-b/api
    Plan for cluster eks-workshop (111122223333, us-west-2):
      * restart team-a/deployment/api (1 replica, RollingUpdate)
      * restart team-b/deployment/api (1 replica, RollingUpdate)
    Plan: 0 to create, 0 to change, 0 to delete, 2 to restart
    restarted team-a/deployment/api
    team-a/deployment/api: the rollout of team-a/deployment/api failed
    warning: not restarted, because an earlier restart failed: team-b/deployment/api
    {"error":{"code":"partial","message":"the rollout of team-a/deployment/api failed: pod api-[pod]: ImagePullBackOff: Back-off pulling image \"api\"","requestId":null,"hints":["see its credentials with `podid show team-a/api`","roll back with `kubectl -n team-a rollout undo deployment/api`","run the same command again: finished steps are skipped"]}}
    "#);
    assert_eq!(env.writes(), ["kubernetes patch deployments"]);
    let env = teams(&[]);
    let _ = env.podid(line).ok();
    assert_eq!(env.world.journal().writes(), ["kubernetes patch deployments"; 2]);
    let _ = env.podid("recycle carts/carts --max-parallel 0").code(2).says("0 is not in");
}

#[test]
fn denied() {
    let env = teams(&[forbidding(&["list pods"])]);
    insta::assert_snapshot!(env.podid("recycle team-*/*").code(4).steady_of_several(), @"
    exit 4
    --- stderr
    `team-*/*` matches team-a/api, team-b/api
    error: the workloads and pods of namespace team-a could not be read
      caused by: not allowed: list pods
    ");
    assert!(env.writes().is_empty());
}

/// One list of each kind in each namespace, however many service accounts are in it; the whole cluster at once when there
/// are many namespaces.
#[test]
fn what_it_costs() {
    let env = teams(&[]);
    let _ = env.podid("recycle team-*/* --dry-run").ok();
    insta::assert_snapshot!(crate::calls::tally(&env).join("\n"), @"
    1 eks DescribeAddon
    1 eks DescribeCluster
    2 eks DescribePodIdentityAssociation
    1 eks ListPodIdentityAssociations
    2 kubernetes list cronjobs
    4 kubernetes list daemonsets
    2 kubernetes list deployments
    1 kubernetes list nodes
    3 kubernetes list pods
    2 kubernetes list statefulsets
    ");
    let many: Vec<Value> =
        (0..9).map(|n| json!({ "namespace": format!("team-{n}"), "service_account": "api", "role": ROLE })).collect();
    let env = Env::with("carts-associated", &[("/associations", json!(many))]);
    let _ = env.podid("recycle --all --dry-run").ok();
    insta::assert_snapshot!(crate::calls::tally(&env).join("\n"), @"
    1 eks DescribeAddon
    1 eks DescribeCluster
    9 eks DescribePodIdentityAssociation
    1 eks ListPodIdentityAssociations
    1 kubernetes list cronjobs
    3 kubernetes list daemonsets
    1 kubernetes list deployments
    1 kubernetes list nodes
    2 kubernetes list pods
    1 kubernetes list statefulsets
    ");
}
