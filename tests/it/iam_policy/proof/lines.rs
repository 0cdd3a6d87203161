//! What each command is tried with: lines that together ask for all that it may need.

use podid_sandbox::State;
use serde_json::{Value, json};

use super::{
    CLUSTER,
    files::{CHANGED, NEW, PATTERN, SAME, UPGRADE, file, kept, kept_here},
};
use crate::{recycle::workload, role::trusting};

/// A command line in a world.
pub(super) struct Line {
    pub(super) scenario: &'static str,
    pub(super) set: Vec<(&'static str, Value)>,
    pub(super) words: String,
    /// What it exits with.
    pub(super) code: i32,
    /// How the world is when it is begun.
    pub(super) once: fn(&mut State) -> bool,
}

impl Line {
    /// One that ends well.
    pub(super) fn new(scenario: &'static str, set: &[(&'static str, Value)], words: impl Into<String>) -> Self {
        Self { scenario, set: set.to_vec(), words: words.into(), code: 0, once: |_| true }
    }
}

fn line(scenario: &'static str, set: &[(&'static str, Value)], words: impl Into<String>) -> Line {
    Line::new(scenario, set, words)
}

/// One that does not end well, whoever asks.
fn fails(code: i32, line: Line) -> Line {
    Line { code, ..line }
}

const APP: &str = "/manifests/8/spec/template/metadata/annotations/sandbox.podid.dev~1app";
const FULL: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess";

/// The service account's Deployment is one of four workloads, one of each kind, that run with whatever credentials. They take
/// long enough to be watched.
fn each_kind() -> [(&'static str, Value); 6] {
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
fn rollout(name: &str, app: &str, replicas: u32) -> Value {
    let mut rollout = workload("Rollout", name, app, &json!({ "replicas": replicas, "strategy": { "canary": {} } }));
    rollout["apiVersion"] = json!("argoproj.io/v1alpha1");
    rollout
}

/// The Deployment is this workload instead.
fn instead(kind: &str, app: &str) -> [(&'static str, Value); 1] {
    if kind == "Rollout" {
        return [("/manifests/8", rollout("db", app, 2))];
    }
    let spec = if kind == "StatefulSet" { json!({ "replicas": 1, "serviceName": "db" }) } else { json!({}) };
    [("/manifests/8", workload(kind, "db", app, &spec))]
}

/// Another service account of the namespace is associated too.
fn second() -> [(&'static str, Value); 2] {
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
fn target() -> [(&'static str, Value); 3] {
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
fn unused() -> (&'static str, Value) {
    ("/manifests/8", json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }))
}

/// A role that podid made for carts/carts, with a policy of each kind.
fn made() -> (&'static str, Value) {
    let statement = json!({
        "Sid": "Podid8233eca52c385fc1",
        "Effect": "Allow",
        "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": CLUSTER,
            "aws:RequestTag/kubernetes-namespace": "carts",
            "aws:RequestTag/kubernetes-service-account": "carts",
        } },
    });
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

/// The association of carts/carts is with it.
fn made_and_used() -> [(&'static str, Value); 2] {
    let role = "arn:aws:iam::111122223333:role/podid/eks-workshop-carts-carts-8233eca5";
    [made(), ("/associations/0/role", json!(role))]
}

/// The same, when the role is somebody else's too.
fn shared() -> [(&'static str, Value); 2] {
    let [(roles, mut role), association] = made_and_used();
    let theirs =
        json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" });
    role["trust"]["Statement"].as_array_mut().unwrap().push(theirs);
    [(roles, role), association]
}

/// A role that trusts some other service account, and has an inline policy.
fn other_role() -> (&'static str, Value) {
    let condition = json!({ "StringEquals": { "aws:RequestTag/kubernetes-service-account": "other" } });
    let inline = json!({ "podid-dynamodb": { "Version": "2012-10-17", "Statement": [] } });
    ("/roles/-", json!({ "name": "other", "trust": trusting(&condition), "inline": inline }))
}

/// The same, made by podid.
fn podids_role() -> (&'static str, Value) {
    let (roles, mut role) = other_role();
    role["tags"] = json!({ "podid.dev/managed-by": "podid", "podid.dev/cluster": CLUSTER });
    (roles, role)
}

/// The agent is an older one, with a configuration.
fn old() -> [(&'static str, Value); 2] {
    let configuration = r#"{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}"#;
    [("/addons/0/version", json!("v1.3.9-eksbuild.3")), ("/addons/0/configuration", json!(configuration))]
}

/// The agent's pod on one node crashes.
fn crashed(state: &mut State) -> bool {
    let reason = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    state.kube.list("pods", "kube-system").iter().any(|pod| reason(pod) == "CrashLoopBackOff")
}

/// The pods of the service account, once there are some of all its workloads.
fn pods(state: &State) -> Vec<Value> {
    let kinds = ["deployments", "statefulsets", "daemonsets", "rollouts"];
    let workloads = kinds.iter().flat_map(|kind| state.kube.list(kind, "carts"));
    let count = |it: &Value| it["spec"]["replicas"].as_u64().unwrap_or(3);
    let wanted: u64 = workloads.map(|it| count(&it)).sum();
    let pods = state.kube.list("pods", "carts");
    if pods.len() as u64 == wanted { pods } else { Vec::new() }
}

/// The pods run; new ones will find that the role may nothing any more.
fn bereft(state: &mut State) -> bool {
    let pods = pods(state);
    let run = !pods.is_empty() && pods.iter().all(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
    if run {
        state.aws.roles.get_mut("eks-workshop-carts-dynamo").unwrap().attached.clear();
    }
    run
}

/// All pods but one are older than the association, which that one shows to be in effect.
fn worn(state: &mut State) -> bool {
    let pods = pods(state);
    for pod in pods.iter().skip(1) {
        let old = json!("2026-01-01T00:00:00Z");
        let name = pod["metadata"]["name"].as_str().unwrap();
        state.kube.edit("pods", "carts", name, |pod| pod["metadata"]["creationTimestamp"] = old.clone());
    }
    !pods.is_empty()
}

/// The association is gone, of which the pods still have their credentials.
fn left(state: &mut State) -> bool {
    state.aws.associations.clear();
    !pods(state).is_empty()
}

pub(super) fn lines(command: &str) -> Vec<Line> {
    const QUERY: &str = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";
    const CRASH: &str = "crash AccessDenied: not authorized";
    let (role, made_role) = ("eks-workshop-carts-dynamo", "eks-workshop-carts-carts-8233eca5");
    let none = |pointer| [(pointer, json!([]))];
    let crashing = (APP, json!(CRASH));
    match command {
        "associate" => vec![
            line(
                "carts-before",
                &[],
                format!(
                    "associate carts/carts --create-role --dynamodb eks-workshop-carts --policy-arn {FULL} --install-agent"
                ),
            ),
            line("carts-agent", &[], "associate carts/new --create-role --create-service-account"),
            line(
                "carts-associated",
                &[podids_role()],
                format!(
                    "associate carts/carts --role other --dynamodb eks-workshop-carts --policy-arn {FULL} --no-wait --yes"
                ),
            ),
            Line {
                once: worn,
                ..line("carts-associated", &each_kind(), format!("associate carts/carts --role {role} --recycle --yes"))
            },
            Line {
                once: worn,
                ..fails(
                    6,
                    line(
                        "carts-associated",
                        &[crashing],
                        format!("associate carts/carts --role {role} --recycle --yes"),
                    ),
                )
            },
            Line {
                once: worn,
                ..fails(
                    6,
                    line(
                        "carts-associated",
                        &instead("DaemonSet", CRASH),
                        format!("associate carts/carts --role {role} --recycle --yes"),
                    ),
                )
            },
            Line {
                once: worn,
                ..fails(
                    6,
                    line(
                        "carts-associated",
                        &instead("Rollout", CRASH),
                        format!("associate carts/carts --role {role} --recycle --yes"),
                    ),
                )
            },
        ],
        "disassociate" => vec![
            line("carts-associated", &shared(), "disassociate carts/carts --no-wait --yes"),
            line("carts-associated", &made_and_used(), "disassociate carts/carts --delete-role --yes"),
            Line { once: left, ..line("carts-associated", &each_kind(), "disassociate carts/carts --recycle --yes") },
            Line {
                once: left,
                ..fails(6, line("carts-associated", &[crashing], "disassociate carts/carts --recycle --yes"))
            },
            Line {
                once: left,
                ..fails(
                    6,
                    line("carts-associated", &instead("DaemonSet", CRASH), "disassociate carts/carts --recycle --yes"),
                )
            },
            Line {
                once: left,
                ..fails(
                    6,
                    line("carts-associated", &instead("Rollout", CRASH), "disassociate carts/carts --recycle --yes"),
                )
            },
        ],
        "list" => vec![
            line("carts-associated", &[], format!("list --cluster {CLUSTER}")),
            line("carts-associated", &[], "list --all-clusters"),
        ],
        "show" => vec![
            line("carts-associated", &[], "show carts/carts"),
            line("carts-associated", &instead("Rollout", QUERY), "show carts/carts"),
        ],
        "recycle" => vec![
            line("carts-associated", &each_kind(), "recycle carts/carts"),
            fails(2, line("carts-associated", &none("/addons"), "recycle carts/carts")),
            line("carts-associated", &[], "recycle carts/* --dry-run"),
            Line {
                once: bereft,
                ..fails(6, line("carts-associated", &[], "recycle carts/carts --rollback-on-failure"))
            },
            Line {
                once: bereft,
                ..fails(
                    6,
                    line(
                        "carts-associated",
                        &instead("StatefulSet", QUERY),
                        "recycle carts/carts --rollback-on-failure",
                    ),
                )
            },
        ],
        "role create" => vec![
            line(
                "carts-before",
                &[],
                format!(
                    "role create carts-role --service-account carts/carts --dynamodb eks-workshop-carts --policy-arn {FULL}"
                ),
            ),
            line(
                "carts-before",
                &[other_role()],
                format!(
                    "role create other --service-account carts/carts --adopt --dynamodb eks-workshop-carts --policy-arn {FULL} --yes"
                ),
            ),
        ],
        "role list" => vec![
            line("carts-associated", &[], format!("role list --cluster {CLUSTER}")),
            line("carts-associated", &[], "role list --all-clusters"),
        ],
        "role show" => vec![
            line("carts-associated", &[], format!("role show {role} --cluster {CLUSTER}")),
            line("carts-associated", &[], format!("role show {role} --all-clusters")),
        ],
        "role delete" => vec![line("carts-associated", &[made()], format!("role delete {made_role} --yes"))],
        "role trust" => vec![line(
            "carts-associated",
            &[other_role()],
            "role trust other --service-account carts/carts --fix --yes",
        )],
        "policy dynamodb" => vec![line("carts-before", &[], "policy dynamodb eks-workshop-carts")],
        "policy attach" => vec![line(
            "carts-associated",
            &[other_role()],
            format!("policy attach other --dynamodb eks-workshop-carts --policy-arn {FULL} --yes"),
        )],
        "policy detach" => vec![
            line(
                "carts-agent",
                &[made()],
                format!("policy detach {made_role} --dynamodb eks-workshop-carts --policy-arn {FULL} --yes"),
            ),
            line(
                "carts-agent",
                &[made()],
                format!("policy detach {made_role} --policy-file podid-dynamodb.json --yes"),
            ),
        ],
        "agent install" => vec![line("carts-before", &[], "agent install")],
        "agent status" => vec![
            line("carts-agent", &[], "agent status"),
            Line {
                once: crashed,
                ..line(
                    "carts-agent",
                    &[("/manifests/3/metadata/labels/sandbox.podid.dev~1amiss", json!("no-ipv6"))],
                    "agent status",
                )
            },
        ],
        "agent upgrade" => vec![line("carts-agent", &old(), "agent upgrade --yes")],
        "agent uninstall" => vec![line("carts-associated", &[], "agent uninstall --yes")],
        // Tables fold what is lacking into several lines.
        "verify" => vec![
            line("carts-verified", &[], "verify carts/carts -o json"),
            line("carts-verified", &[], "verify carts/carts --needs dynamodb:Query@eks-workshop-carts/index/* -o json"),
            fails(3, line("carts-verified", &second(), "verify --all -o json")),
            line("carts-verified", &target(), "verify carts/carts -o json"),
            fails(3, line("carts-associated", &none("/associations"), "verify carts/carts -o json")),
            line("carts-verified", &[("/addons/0/status", json!("UPDATE_FAILED"))], "verify carts/carts -o json"),
            line("carts-verified", &[(APP, json!("crash of its own"))], "verify carts/carts -o json"),
        ],
        "apply" => vec![
            line("carts-before", &[], format!("apply -f {} --recycle --yes", file("new.yaml", NEW))),
            Line {
                once: worn,
                ..line(
                    "carts-agent",
                    &kept_here(&each_kind()),
                    format!("apply -f {} --recycle --yes", file("pods.yaml", SAME)),
                )
            },
            Line {
                once: worn,
                ..fails(
                    6,
                    line(
                        "carts-agent",
                        &kept_here(&[crashing]),
                        format!("apply -f {} --recycle --yes", file("crash.yaml", SAME)),
                    ),
                )
            },
            Line {
                once: worn,
                ..fails(
                    6,
                    line(
                        "carts-agent",
                        &kept_here(&instead("DaemonSet", CRASH)),
                        format!("apply -f {} --recycle --yes", file("crash.yaml", SAME)),
                    ),
                )
            },
            Line {
                once: worn,
                ..fails(
                    6,
                    line(
                        "carts-agent",
                        &kept_here(&instead("Rollout", CRASH)),
                        format!("apply -f {} --recycle --yes", file("crash.yaml", SAME)),
                    ),
                )
            },
            line("carts-agent", &kept(), format!("apply -f {} --prune --no-wait --yes", file("changed.yaml", CHANGED))),
            line("carts-agent", &old(), format!("apply -f {} --yes", file("agent.yaml", UPGRADE))),
            line("carts-agent", &[], format!("apply -f {} --yes", file("pattern.yaml", PATTERN))),
        ],
        "diff" => vec![
            fails(3, line("carts-before", &[], format!("diff -f {}", file("new.yaml", NEW)))),
            fails(
                3,
                line(
                    "carts-before",
                    &[("/manifests/-", crate::agent::self_managed())],
                    format!("diff -f {}", file("new.yaml", NEW)),
                ),
            ),
            fails(3, line("carts-agent", &kept(), format!("diff -f {} --prune", file("changed.yaml", CHANGED)))),
            fails(3, line("carts-agent", &[], format!("diff -f {}", file("pattern.yaml", PATTERN)))),
        ],
        "export" => vec![line("carts-associated", &made_and_used(), "export")],
        "wait" => vec![
            line("carts-associated", &[unused()], "wait carts/carts --for effective"),
            line("carts-associated", &[], "wait carts/carts --for injected"),
            line("carts-associated", &[], "wait carts/carts --for agent"),
            fails(5, line("carts-associated", &none("/addons"), "wait carts/carts --for agent --timeout 8s")),
        ],
        other => panic!("no line for `{other}`"),
    }
}
