//! Cluster, agent, nodes, association, service account, workload, restart.

use serde_json::{Value, json};

use super::{Row, healthy, prove};

const COMPUTE: &str = "/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type";

#[test]
pub(super) fn cluster() {
    let old = ("/clusters/0/version", json!("1.28"));
    prove(&[
        Row::new(21, ("/clusters/0/platform_version", json!("eks.3")), "cluster.platform").when(&[old]),
        Row::new(21, ("/clusters/0/outpost", json!(true)), "cluster.platform"),
    ]);
}

#[test]
pub(super) fn agent() {
    let issues = json!([[
        "InsufficientNumberOfReplicas",
        "The add-on is unhealthy because it doesn't have the desired number of replicas."
    ]]);
    let own = json!({ "namespace": "kube-system", "service_account": "default", "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo" });
    prove(&[
        Row::new(17, ("/addons", json!([])), "agent.missing"),
        Row::new(18, ("/addons/0/status", json!("CREATE_FAILED")), "agent.unhealthy"),
        Row::new(18, ("/addons/0/issues", issues), "agent.unhealthy").warns(),
        Row::new(30, ("/associations/-", own), "agent.own-association"),
        // The version is looked up only for an add-on that has trouble, which alone is a warning.
        Row::new(70, ("/addons/0/version", json!("v1.2.0-eksbuild.1")), "agent.version")
            .when(&[("/addons/0/status", json!("UPDATE_FAILED"))]),
    ]);
}

#[test]
pub(super) fn nodes() {
    let amiss = "/manifests/3/metadata/labels/sandbox.podid.dev~1amiss";
    let every = |kind: &str| json!({ "kubernetes.io/os": kind, "kubernetes.io/arch": "amd64", "sandbox.podid.dev/role": "eks-workshop-nodes", "sandbox.podid.dev/instance": "i-0a11b22c33d44e551" });
    prove(&[
        Row::new(22, (amiss, json!("no-ipv6")), "nodes.no-agent"),
        Row::new(23, (amiss, json!("port-80-taken")), "nodes.no-agent"),
        Row::new(24, (amiss, json!("no-registry")), "nodes.no-agent"),
        Row::new(20, (COMPUTE, json!("fargate")), "nodes.unsupported"),
        Row::new(20, ("/manifests/3/metadata/labels", every("windows")), "nodes.unsupported"),
        Row::new(19, (COMPUTE, json!("hybrid")), "nodes.no-agent"),
    ]);
}

#[test]
pub(super) fn association() {
    let elsewhere = ("/associations/0/cluster", json!("blue"));
    let many: Vec<Value> = (0..5000)
        .map(|n| json!({ "namespace": "many", "service_account": format!("sa-{n}"), "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo" }))
        .collect();
    let owner = "arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/vpc-cni/1";
    let of_addon = ("/associations/0/owner", json!(owner));
    let cni = json!({ "name": "vpc-cni", "version": "v1.20.4-eksbuild.1" });
    prove(&[
        Row::new(1, ("/associations", json!([])), "association.missing"),
        Row::new(6, elsewhere, "association.elsewhere"),
        Row::new(7, ("/associations/0/deleted", json!(true)), "association.deleted"),
        Row::new(10, of_addon.clone(), "association.owned").warns(),
        Row::new(11, ("/associations", Value::Array(many)), "association.quota"),
        Row::new(
            69,
            ("/addons/1/service_account_role", json!("arn:aws:iam::111122223333:role/eks-workshop-nodes")),
            "association.addon-irsa",
        )
        .when(&[("/addons/-", cni), of_addon])
        .warns(),
    ]);
}

#[test]
pub(super) fn service_account_and_workload() {
    prove(&[
        Row::new(
            4,
            ("/manifests/8/spec/template/spec/serviceAccountName", json!("default")),
            "workload.other-service-account",
        ),
        Row::new(5, ("/manifests/6/metadata/name", json!("cart")), "service-account.missing"),
    ]);
}

#[test]
pub(super) fn restart() {
    let slow = ("/delays", json!({ "association": [60_000, 60_000] }));
    prove(&[
        Row::new(2, ("/associations/0/age_s", json!(60)), "restart.before-association"),
        Row::new(3, ("/associations/0/age_s", json!(600)), "restart.race").when(&[slow]),
        Row::new(59, ("/associations/0/changed_s", json!(30)), "restart.stale"),
    ]);
}

#[test]
fn healthy_in_their_own_way() {
    let auto = ("/clusters/0/auto_mode", json!(true));
    let built_in: Vec<(String, Value)> = (3..6)
        .map(|n| (format!("/manifests/{n}/metadata/labels/eks.amazonaws.com~1compute-type"), json!("auto")))
        .collect();
    let mut nodes: Vec<(&str, Value)> = vec![auto, ("/addons", json!([]))];
    nodes.extend(built_in.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())));
    let _ = healthy("Auto Mode", "carts-verified", &nodes);
    let _ = healthy("Auto Mode beside nodes of EC2", "carts-verified", &[(built_in[0].0.as_str(), json!("auto"))]);
    let _ = healthy(
        "a self-managed agent",
        "carts-verified",
        &[("/addons", json!([])), ("/manifests/-", crate::agent::self_managed())],
    );
    let tainted = json!({ "taints": [{ "key": "gpu", "effect": "NoSchedule" }], "providerID": "aws:///us-west-2a/i-0a11b22c33d44e551" });
    let _ = healthy("a node that the pods do not go to", "carts-verified", &[("/manifests/3/spec", tainted)]);
    let _ = healthy(
        "an annotation of IRSA beside the association",
        "carts-verified",
        &[(
            "/manifests/6/metadata/annotations",
            json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/old" }),
        )],
    );
}
