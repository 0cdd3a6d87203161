//! The worlds that the lines are tried in: what differs from a scenario, and how it has become when a line begins.

use podid::model::{cluster::Cluster, names::ServiceAccount, tags, trust};
use podid_sandbox::State;
use serde_json::{Value, json};

use super::CLUSTER;
use crate::{
    recycle::workload,
    role::trusting,
    support::{APP, admitting},
};

pub(super) const FULL: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess";

/// The service account's Deployment is one of four workloads, one of each kind, that run with whatever credentials. They take
/// long enough to be watched.
pub(super) fn each_kind() -> [(&'static str, Value); 6] {
    let at_once = json!({ "updateStrategy": { "rollingUpdate": { "maxUnavailable": 3 } } });
    [
        (APP, json!("")),
        ("/manifests/8/spec/replicas", json!(1)),
        ("/manifests/-", workload("StatefulSet", "db", "", &json!({ "replicas": 1, "serviceName": "db" }))),
        ("/manifests/-", workload("DaemonSet", "log", "", &at_once)),
        ("/manifests/-", rollout("web", "", 1)),
        ("/delays", json!({ "pod": 1000 })),
    ]
}

/// An Argo Rollout of the service account.
pub(super) fn rollout(name: &str, app: &str, replicas: u32) -> Value {
    let mut rollout = workload("Rollout", name, app, &json!({ "replicas": replicas, "strategy": { "canary": {} } }));
    rollout["apiVersion"] = json!("argoproj.io/v1alpha1");
    rollout
}

/// The Deployment is this workload instead.
pub(super) fn instead(kind: &str, app: &str) -> [(&'static str, Value); 1] {
    if kind == "Rollout" {
        return [("/manifests/8", rollout("db", app, 2))];
    }
    let spec = if kind == "StatefulSet" { json!({ "replicas": 1, "serviceName": "db" }) } else { json!({}) };
    [("/manifests/8", workload(kind, "db", app, &spec))]
}

/// Another service account of the namespace is associated too.
pub(super) fn second() -> [(&'static str, Value); 2] {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    [
        (
            "/manifests/-",
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "other", "namespace": "carts" } }),
        ),
        ("/associations/-", json!({ "namespace": "carts", "service_account": "other", "role": role })),
    ]
}

/// The association leads on to another role.
pub(super) fn target() -> [(&'static str, Value); 3] {
    let first = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let last = "arn:aws:iam::111122223333:role/last";
    let allow = |principal: Value| {
        json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"] },
        ] })
    };
    let may = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": last },
    ] });
    [
        ("/associations/0/target_role", json!(last)),
        (
            "/roles/1",
            json!({
                "name": "eks-workshop-carts-dynamo", "trust": allow(json!({ "Service": "pods.eks.amazonaws.com" })),
                "inline": { "next": may }, "attached": [FULL],
            }),
        ),
        ("/roles/-", json!({ "name": "last", "trust": allow(json!({ "AWS": first })), "attached": [FULL] })),
    ]
}

/// Nothing uses the service account.
pub(super) fn unused() -> (&'static str, Value) {
    ("/manifests/8", json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }))
}

/// A role that podid made for carts/carts, with a policy of each kind.
pub(super) fn made() -> (&'static str, Value) {
    let statement = admitting("Podid8233eca52c385fc1", CLUSTER, ("carts", "carts"));
    let role = json!({
        "name": "eks-workshop-carts-carts-8233eca5",
        "path": "/podid/",
        "trust": { "Version": "2012-10-17", "Statement": [statement] },
        "attached": ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"],
        "inline": { "podid-dynamodb": { "Version": "2012-10-17", "Statement": [
            { "Sid": "PodidDynamodb63374fd246236ac8", "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*" },
            { "Sid": "Theirs", "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*" },
        ] } },
        "tags": {
            "podid.dev/managed-by": "podid",
            "podid.dev/cluster": CLUSTER,
            "podid.dev/namespace": "carts",
            "podid.dev/service-account": "carts",
        },
    });
    ("/roles/-", role)
}

/// The same, open to every service account of every cluster.
pub(super) fn open() -> (&'static str, Value) {
    let (roles, mut role) = made();
    role["trust"]["Statement"][0].as_object_mut().unwrap().remove("Condition");
    (roles, role)
}

/// The association of carts/carts is with it.
pub(super) fn open_and_used() -> [(&'static str, Value); 2] {
    let [_, association] = made_and_used();
    [open(), association]
}

/// The association of carts/carts is with [`made`].
pub(super) fn made_and_used() -> [(&'static str, Value); 2] {
    let role = "arn:aws:iam::111122223333:role/podid/eks-workshop-carts-carts-8233eca5";
    [made(), ("/associations/0/role", json!(role))]
}

/// The same, with an association of a namespace that is gone beside it, and a role that nothing uses.
pub(super) fn left_over() -> Vec<(&'static str, Value)> {
    let gone = ServiceAccount { namespace: "gone".to_owned(), name: "app".to_owned() };
    let cluster = Cluster::named(CLUSTER.parse().unwrap());
    let [(roles, mut role), (used, arn)] = made_and_used();
    let statement = admitting(&trust::sid(&cluster, &gone), CLUSTER, ("gone", "app"));
    role["trust"]["Statement"].as_array_mut().unwrap().push(statement.clone());
    let mut spare = role.clone();
    spare["name"] = json!("spare");
    spare["trust"]["Statement"] = json!([statement]);
    let association = json!({ "namespace": "gone", "service_account": "app", "role": arn, "tags": tags::association_tags(&cluster, &gone) });
    vec![(roles, role), (roles, spare), (used, arn), ("/associations/-", association)]
}

/// The same, when the role is somebody else's too.
pub(super) fn shared() -> [(&'static str, Value); 2] {
    let [(roles, mut role), association] = made_and_used();
    let theirs =
        json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" });
    role["trust"]["Statement"].as_array_mut().unwrap().push(theirs);
    [(roles, role), association]
}

/// A role that trusts some other service account, and has an inline policy.
pub(super) fn other_role() -> (&'static str, Value) {
    let condition = json!({ "StringEquals": { "aws:RequestTag/kubernetes-service-account": "other" } });
    let inline = json!({ "podid-dynamodb": { "Version": "2012-10-17", "Statement": [] } });
    ("/roles/-", json!({ "name": "other", "trust": trusting(&condition), "inline": inline }))
}

/// The same, made by podid.
pub(super) fn podids_role() -> (&'static str, Value) {
    let (roles, mut role) = other_role();
    role["tags"] = json!({ "podid.dev/managed-by": "podid", "podid.dev/cluster": CLUSTER });
    (roles, role)
}

/// The agent is an older one, with a configuration.
pub(super) fn old() -> [(&'static str, Value); 2] {
    let configuration = r#"{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}"#;
    [("/addons/0/version", json!("v1.3.9-eksbuild.3")), ("/addons/0/configuration", json!(configuration))]
}

/// The agent's pod on one node crashes.
pub(super) fn crashed(state: &mut State) -> bool {
    let reason = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    state.kube.list("pods", "kube-system").iter().any(|pod| reason(pod) == "CrashLoopBackOff")
}

/// The pods of the service account, once there are some of all its workloads.
pub(super) fn pods(state: &State) -> Vec<Value> {
    let kinds = ["deployments", "statefulsets", "daemonsets", "rollouts"];
    let workloads = kinds.iter().flat_map(|kind| state.kube.list(kind, "carts"));
    let count = |it: &Value| it["spec"]["replicas"].as_u64().unwrap_or(3);
    let wanted: u64 = workloads.map(|it| count(&it)).sum();
    let pods = state.kube.list("pods", "carts");
    if pods.len() as u64 == wanted { pods } else { Vec::new() }
}

/// The pods run; new ones will find that the role may nothing any more.
pub(super) fn bereft(state: &mut State) -> bool {
    let pods = pods(state);
    let run = !pods.is_empty() && pods.iter().all(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
    if run {
        state.aws.roles.get_mut("eks-workshop-carts-dynamo").unwrap().attached.clear();
    }
    run
}

/// All pods but one are older than the association, which that one shows to be in effect.
pub(super) fn worn(state: &mut State) -> bool {
    let pods = pods(state);
    for pod in pods.iter().skip(1) {
        let old = json!("2026-01-01T00:00:00Z");
        let name = pod["metadata"]["name"].as_str().unwrap();
        state.kube.edit("pods", "carts", name, |pod| pod["metadata"]["creationTimestamp"] = old.clone());
    }
    !pods.is_empty()
}

/// The association is gone, of which the pods still have their credentials.
pub(super) fn left(state: &mut State) -> bool {
    state.aws.associations.clear();
    !pods(state).is_empty()
}
