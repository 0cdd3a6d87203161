//! The exact calls of each command.

use super::{role, tally};
use crate::{
    kill::{ASSOCIATE, ready},
    support::Env,
};

/// Runs a line in a world of which nothing was asked yet, and compares its calls.
#[track_caller]
fn costs(env: &Env, line: &str, wanted: &[&str]) {
    env.world.journal().clear();
    let run = env.podid(line).ok();
    // A rollout's newest revision is looked up as often as it changes while podid watches.
    let calls: Vec<String> = tally(env).into_iter().filter(|c| !c.ends_with("list replicasets")).collect();
    assert_eq!(calls, wanted, "{line}\n{run}");
}

fn associated() -> Env {
    let env = ready(&[]);
    let _ = env.podid(ASSOCIATE).ok();
    env
}

#[test]
fn show() {
    costs(
        &associated(),
        "show carts/carts",
        &[
            "1 eks DescribeCluster",
            "1 eks DescribePodIdentityAssociation",
            "1 eks ListPodIdentityAssociations",
            "1 iam GetRole",
            "1 iam ListAttachedRolePolicies",
            "1 iam ListRolePolicies",
            "1 kubernetes get serviceaccounts",
            "1 kubernetes list daemonsets",
            "1 kubernetes list deployments",
            "1 kubernetes list pods",
            "1 kubernetes list statefulsets",
        ],
    );
}

#[test]
fn show_without_pods() {
    costs(
        &associated(),
        "show carts/carts --no-pods",
        &[
            "1 eks DescribeCluster",
            "1 eks DescribePodIdentityAssociation",
            "1 eks ListPodIdentityAssociations",
            "1 iam GetRole",
            "1 iam ListAttachedRolePolicies",
            "1 iam ListRolePolicies",
        ],
    );
}

#[test]
fn roles() {
    let env = associated();
    costs(
        &env,
        "role list",
        &["1 eks DescribePodIdentityAssociation", "1 eks ListPodIdentityAssociations", "1 iam ListRoles"],
    );
    costs(&env, "role list -o name", &["1 iam ListRoles"]);
}

#[test]
fn agent_status() {
    costs(
        &ready(&[]),
        "agent status",
        &[
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "2 kubernetes list daemonsets",
            "1 kubernetes list nodes",
            "1 kubernetes list pods",
        ],
    );
}

#[test]
fn agent_install_with_nothing_to_do() {
    costs(
        &ready(&[]),
        "agent install",
        &[
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "2 kubernetes list daemonsets",
            "1 kubernetes list nodes",
            "1 kubernetes list pods",
        ],
    );
}

#[test]
fn agent_install_without_waiting() {
    costs(
        &Env::new("carts-before"),
        "agent install --no-wait",
        &["1 eks CreateAddon", "1 eks DescribeAddon", "1 eks DescribeAddonVersions", "1 eks DescribeCluster"],
    );
}

#[test]
fn associate_with_nothing_to_change() {
    costs(
        &associated(),
        ASSOCIATE,
        &[
            "1 dynamodb DescribeTable",
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "1 eks DescribePodIdentityAssociation",
            "1 eks ListPodIdentityAssociations",
            "1 iam GetRole",
            "1 iam GetRolePolicy",
            "1 iam ListRolePolicies",
            "1 kubernetes get serviceaccounts",
            "3 kubernetes list daemonsets",
            "1 kubernetes list deployments",
            "1 kubernetes list nodes",
            "2 kubernetes list pods",
            "1 kubernetes list statefulsets",
        ],
    );
}

#[test]
fn associate_by_aws_alone() {
    let env = ready(&[("/roles/-", role())]);
    costs(
        &env,
        "associate carts/carts --role carts-role --no-wait",
        &[
            "1 eks CreatePodIdentityAssociation",
            "1 eks DescribeCluster",
            "1 eks ListPodIdentityAssociations",
            "1 iam GetRole",
        ],
    );
}

#[test]
fn associate_dry_run_writes_nothing() {
    let env = ready(&[]);
    costs(
        &env,
        &format!("{ASSOCIATE} --dry-run"),
        &[
            "1 dynamodb DescribeTable",
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "1 eks ListPodIdentityAssociations",
            "1 iam GetRole",
            "1 iam ListRolePolicies",
            "1 kubernetes get serviceaccounts",
            "3 kubernetes list daemonsets",
            "1 kubernetes list deployments",
            "1 kubernetes list nodes",
            "2 kubernetes list pods",
            "1 kubernetes list statefulsets",
        ],
    );
    assert_eq!(env.world.journal().writes(), Vec::<String>::new());
}

#[test]
fn recycle_dry_run_writes_nothing() {
    let env = associated();
    costs(
        &env,
        "recycle carts/carts --dry-run",
        &[
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "1 eks DescribePodIdentityAssociation",
            "1 eks ListPodIdentityAssociations",
            "1 kubernetes list cronjobs",
            "3 kubernetes list daemonsets",
            "1 kubernetes list deployments",
            "1 kubernetes list nodes",
            "2 kubernetes list pods",
            "1 kubernetes list statefulsets",
        ],
    );
    assert_eq!(env.world.journal().writes(), Vec::<String>::new());
}

#[test]
fn recycle_without_waiting() {
    costs(
        &associated(),
        "recycle carts/carts --no-wait",
        &[
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "1 eks DescribePodIdentityAssociation",
            "1 eks ListPodIdentityAssociations",
            "1 kubernetes create pods (dry-run)",
            "1 kubernetes get deployments",
            "1 kubernetes list cronjobs",
            "3 kubernetes list daemonsets",
            "1 kubernetes list deployments",
            "1 kubernetes list nodes",
            "2 kubernetes list pods",
            "1 kubernetes list statefulsets",
            "1 kubernetes patch deployments",
        ],
    );
}

#[test]
fn recycle() {
    costs(
        &associated(),
        "recycle carts/carts",
        &[
            "1 eks DescribeAddon",
            "1 eks DescribeCluster",
            "1 eks DescribePodIdentityAssociation",
            "1 eks ListPodIdentityAssociations",
            "1 kubernetes create pods (dry-run)",
            "1 kubernetes get deployments",
            "1 kubernetes list cronjobs",
            "3 kubernetes list daemonsets",
            "2 kubernetes list deployments",
            "1 kubernetes list nodes",
            "3 kubernetes list pods",
            "1 kubernetes list statefulsets",
            "1 kubernetes patch deployments",
            "1 kubernetes watch deployments",
            "1 kubernetes watch pods",
        ],
    );
}

/// How many probes and looks at a rollout there are is the world's doing; all else is counted.
#[test]
fn associate_from_nothing() {
    let env = ready(&[("/delays", serde_json::json!({ "iam": 0 }))]);
    let run = env.podid(ASSOCIATE).ok();
    let calls: Vec<String> = tally(&env)
        .into_iter()
        .filter(|c| !c.ends_with("create pods (dry-run)") && !c.ends_with("list replicasets"))
        .collect();
    let wanted = [
        "1 dynamodb DescribeTable",
        "1 eks CreatePodIdentityAssociation",
        "1 eks DescribeAddon",
        "1 eks DescribeCluster",
        "1 eks ListPodIdentityAssociations",
        "1 iam CreateRole",
        "1 iam GetRole",
        "1 iam ListRolePolicies",
        "1 iam PutRolePolicy",
        "1 kubernetes get deployments",
        "1 kubernetes get serviceaccounts",
        "1 kubernetes list cronjobs",
        "4 kubernetes list daemonsets",
        "3 kubernetes list deployments",
        "1 kubernetes list nodes",
        "5 kubernetes list pods",
        "2 kubernetes list statefulsets",
        "1 kubernetes patch deployments",
        "1 kubernetes watch deployments",
        "1 kubernetes watch pods",
    ];
    assert_eq!(calls, wanted, "{run}");
}

/// A namespace's service accounts are one list, however many there are, and so is what stands in it.
#[test]
fn verify_of_many() {
    let many = 30;
    let account = |n: usize| {
        serde_json::json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": format!("sa-{n}"), "namespace": "carts" } })
    };
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let association =
        |n: usize| serde_json::json!({ "namespace": "carts", "service_account": format!("sa-{n}"), "role": role });
    let accounts = (0..many).map(|n| ("/manifests/-", account(n)));
    let set: Vec<_> = accounts.chain((0..many).map(|n| ("/associations/-", association(n)))).collect();
    let env = Env::with("carts-verified", &set);
    env.world.journal().clear();
    let run = env.podid("verify -n carts");
    let calls = tally(&env);
    for one in [
        "1 kubernetes list cronjobs",
        "1 kubernetes list deployments",
        "1 kubernetes list networkpolicies",
        "1 kubernetes list serviceaccounts",
        "1 kubernetes list statefulsets",
        "1 iam GetRole",
    ] {
        assert!(calls.iter().any(|call| call == one), "{one}: {calls:?}\n{run}");
    }
    assert!(!calls.iter().any(|call| call.ends_with("get serviceaccounts")), "{calls:?}\n{run}");
    // The agent's by label in every namespace; those of kube-system, with the network plugin's; the namespace's own.
    assert!(calls.contains(&"3 kubernetes list daemonsets".to_owned()), "{calls:?}\n{run}");
}

/// Beyond some namespaces, everything is one list of the cluster.
#[test]
fn verify_of_many_namespaces() {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let namespaces = (0..12).map(|n| {
        let name = format!("team-{n}");
        ("/manifests/-", serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
    });
    let associations = (0..12).map(|n| {
        let namespace = format!("team-{n}");
        ("/associations/-", serde_json::json!({ "namespace": namespace, "service_account": "default", "role": role }))
    });
    let set: Vec<_> = namespaces.chain(associations).collect();
    let env = Env::with("carts-verified", &set);
    let lists = |env: &Env| {
        env.world.journal().clear();
        let run = env.podid("verify --all -o json");
        let kinds = ["cronjobs", "deployments", "networkpolicies", "serviceaccounts"];
        let of = |call: &String| kinds.iter().any(|kind| call.ends_with(kind));
        let calls: Vec<String> = tally(env).into_iter().filter(of).collect();
        let reports = run.json()["reports"].as_array().unwrap().len();
        assert_eq!(reports, 13, "{run}");
        calls
    };
    let once = [
        "1 kubernetes list cronjobs",
        "1 kubernetes list deployments",
        "1 kubernetes list networkpolicies",
        "1 kubernetes list serviceaccounts",
    ];
    assert_eq!(lists(&env), once);
}

/// Who uses the role is looked for when it is planned, before its first policy goes and right before it goes itself.
#[test]
fn disassociate_with_its_role() {
    costs(
        &associated(),
        "disassociate carts/carts --delete-role --no-wait --yes",
        &[
            "1 eks DeletePodIdentityAssociation",
            "1 eks DescribeCluster",
            "2 eks DescribePodIdentityAssociation",
            "4 eks ListPodIdentityAssociations",
            "1 iam DeleteRole",
            "1 iam DeleteRolePolicy",
            "3 iam GetRole",
            "1 iam ListAttachedRolePolicies",
            "1 iam ListInstanceProfilesForRole",
            "1 iam ListRolePolicies",
        ],
    );
}
