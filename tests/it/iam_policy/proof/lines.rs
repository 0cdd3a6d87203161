//! What each command is tried with: lines that together ask for all that it may need.

use podid_sandbox::State;
use serde_json::{Value, json};

use super::{
    CLUSTER, addons,
    files::{CHANGED, CREATED, NEW, PATTERN, SAME, UPGRADE, file, kept, kept_here, opened},
    worlds::{
        FULL, bereft, crashed, each_kind, instead, left, left_over, made, made_and_used, old, open, open_and_used,
        other_role, podids_role, second, shared, target, unused, worn,
    },
};
use crate::support::APP;

/// A command line in a world.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) scenario: &'static str,
    pub(crate) set: Vec<(&'static str, Value)>,
    pub(crate) words: String,
    /// What it exits with.
    pub(crate) code: i32,
    /// How the world is when it is begun.
    pub(crate) once: fn(&mut State) -> bool,
}

impl Line {
    /// One that ends well.
    pub(crate) fn new(scenario: &'static str, set: &[(&'static str, Value)], words: impl Into<String>) -> Self {
        Self { scenario, set: set.to_vec(), words: words.into(), code: 0, once: |_| true }
    }
}

pub(super) fn line(scenario: &'static str, set: &[(&'static str, Value)], words: impl Into<String>) -> Line {
    Line::new(scenario, set, words)
}

/// One that does not end well, whoever asks.
pub(super) fn fails(code: i32, line: Line) -> Line {
    Line { code, ..line }
}

#[expect(clippy::too_many_lines, reason = "a table: one arm for each command")]
pub(crate) fn lines(command: &str) -> Vec<Line> {
    const QUERY: &str = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";
    const CRASH: &str = "crash AccessDenied: not authorized";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/";
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
            line(
                "carts-associated",
                &open_and_used(),
                "disassociate carts/carts --delete-role --force --no-wait --yes",
            ),
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
        "explain" => vec![
            line("carts-associated", &[], format!("explain --cluster {CLUSTER} {SESSION}{role}/eks-{CLUSTER}-carts")),
            line("carts-irsa", &[], format!("explain --cluster {CLUSTER} {SESSION}{role}/botocore-session-1")),
        ],
        "show" => vec![
            line("carts-associated", &[], "show carts/carts"),
            line("carts-associated", &instead("Rollout", QUERY), "show carts/carts"),
            line("carts-associated", &nightly(), "show cronjob/nightly -n carts"),
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
        "role delete" => vec![
            line("carts-associated", &[made()], format!("role delete {made_role} --yes")),
            line("carts-associated", &[open()], format!("role delete {made_role} --yes")),
        ],
        "role trust" => vec![line(
            "carts-associated",
            &[other_role()],
            "role trust other --service-account carts/carts --fix --yes",
        )],
        "policy print" => {
            vec![line("carts-before", &[], "policy print --dynamodb eks-workshop-carts --s3 carts-images=read")]
        }
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
        "exec" => vec![
            line("carts-verified", &[], "exec carts/carts -- true"),
            line("carts-verified", &[], "exec deployment/carts -n carts -- true"),
            line("carts-associated", &instead("StatefulSet", QUERY), "exec statefulset/db -n carts -- true"),
            line("carts-associated", &instead("DaemonSet", QUERY), "exec daemonset/db -n carts -- true"),
            line("carts-associated", &instead("Rollout", QUERY), "exec rollout/db -n carts -- true"),
            fails(2, line("carts-associated", &nightly(), "exec cronjob/nightly -n carts -- true")),
        ],
        "credentials" => vec![
            line("carts-verified", &[], "credentials carts/carts"),
            line("carts-verified", &[], "credentials deployment/carts -n carts"),
            line("carts-associated", &instead("StatefulSet", QUERY), "credentials statefulset/db -n carts"),
            line("carts-associated", &instead("DaemonSet", QUERY), "credentials daemonset/db -n carts"),
            line("carts-associated", &instead("Rollout", QUERY), "credentials rollout/db -n carts"),
            fails(2, line("carts-associated", &nightly(), "credentials cronjob/nightly -n carts")),
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
        command if command.starts_with("addon ") => addons::lines(command),
        // Tables fold what is lacking into several lines.
        "verify" => vec![
            line("carts-verified", &[], "verify carts/carts -o json"),
            line("carts-verified", &nothing_uses_it(), "verify carts/carts -o json"),
            line("carts-verified", &[], "verify carts/carts --needs dynamodb:Query@eks-workshop-carts/index/* -o json"),
            fails(3, line("carts-verified", &second(), "verify --all -o json")),
            line("carts-verified", &target(), "verify carts/carts -o json"),
            fails(3, line("carts-associated", &none("/associations"), "verify carts/carts -o json")),
            line("carts-verified", &[("/addons/0/status", json!("UPDATE_FAILED"))], "verify carts/carts -o json"),
            fails(3, line("carts-verified", &[(APP, json!("crash of its own"))], "verify carts/carts -o json")),
            fails(3, line("carts-verified", &[(APP, json!("mount-error no secret"))], "verify carts/carts -o json")),
            line("carts-associated", &instead("Rollout", QUERY), "verify rollout/db -n carts"),
        ],
        "who-can" => {
            vec![line("carts-verified", &managed_policy(), "who-can dynamodb:Query eks-workshop-carts --all -o json")]
        }
        "access" => vec![line("carts-verified", &managed_policy(), "access carts/carts -o json")],
        "audit" => vec![
            line("carts-verified", &managed_policy(), "audit --last-accessed -o json"),
            line("carts-associated", &[other_role()], "audit -o json"),
            line("carts-associated", &instead("Rollout", QUERY), "audit -o json"),
        ],
        "audit --fix" => vec![
            line("carts-associated", &left_over(), "audit --fix --yes"),
            line("carts-associated", &open_and_used(), "audit --fix --yes"),
            line("carts-verified", &managed_policy(), "audit --fix --yes"),
            line("carts-associated", &instead("Rollout", QUERY), "audit --fix --yes"),
        ],
        "map" => vec![
            line("carts-verified", &managed_policy(), "map -o json"),
            line("carts-associated", &instead("Rollout", QUERY), "map -o json"),
        ],
        "apply" => vec![
            line("carts-before", &[], format!("apply -f {} --recycle --yes", file("new.yaml", NEW))),
            line("carts-before", &[], format!("apply -f {} --yes", file("created.yaml", CREATED))),
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
            line(
                "carts-agent",
                &kept(),
                format!("apply -f {} --prune --adopt --no-wait --yes", file("changed.yaml", CHANGED)),
            ),
            line(
                "carts-agent",
                &opened(),
                format!("apply -f {} --prune --adopt --no-wait --yes", file("changed.yaml", CHANGED)),
            ),
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
            fails(
                3,
                line("carts-agent", &kept(), format!("diff -f {} --prune --adopt", file("changed.yaml", CHANGED))),
            ),
            fails(3, line("carts-agent", &[], format!("diff -f {}", file("pattern.yaml", PATTERN)))),
        ],
        "copy" => super::copied::lines(),
        "export" => vec![
            line("carts-associated", &made_and_used(), "export"),
            line("carts-associated", &made_and_used(), "export --all-clusters"),
        ],
        "wait" => vec![
            line("carts-associated", &[unused()], "wait carts/carts --for ready"),
            line("carts-associated", &[], "wait carts/carts --for injected"),
            line("carts-associated", &[], "wait carts/carts --for agent"),
            line("carts-associated", &nightly(), "wait cronjob/nightly -n carts --for ready"),
            fails(5, line("carts-associated", &none("/addons"), "wait carts/carts --for agent --timeout 8s")),
        ],
        "migrate plan" => vec![
            line("carts-irsa", &[], "migrate plan carts/carts -o json"),
            // Kubernetes' words are as they are only where they are not in JSON.
            line("carts-irsa", &[], "migrate plan carts/carts"),
            line("carts-irsa", &none("/addons"), "migrate plan carts/carts -o json"),
            line("carts-irsa", &migrated(), "migrate plan carts/carts -o json"),
            fails(3, line("carts-irsa", &of_an_add_on(), "migrate plan --all -o json")),
            line("carts-irsa", &nothing_uses_it(), "migrate plan carts/carts -o json"),
            line("carts-irsa", &from_a_secret(), "migrate plan carts/carts --read-secrets -o json"),
            line("carts-irsa", &managed_policy(), "migrate plan carts/carts -o json"),
        ],
        "migrate run" => vec![
            line("carts-irsa", &none("/addons"), "migrate run carts/carts --install-agent --yes"),
            line("carts-irsa", &migrated(), "migrate run carts/carts --yes -o json"),
            line("carts-irsa", &from_a_secret(), "migrate run carts/carts --read-secrets --yes"),
            line("carts-irsa", &managed_policy(), "migrate run carts/carts --yes"),
            Line { once: worn, ..line("carts-irsa", &each_kind(), "migrate run carts/carts --yes") },
            fails(3, line("carts-irsa", &of_an_add_on(), "migrate run --all --yes")),
        ],
        "migrate rollback" => vec![
            line("carts-irsa", &migrated(), "migrate rollback carts/carts --yes"),
            line("carts-irsa", &[migrated(), each_kind().to_vec()].concat(), "migrate rollback carts/carts --yes"),
        ],
        "migrate finish" => vec![
            line("carts-irsa", &migrated(), "migrate finish carts/carts --yes"),
            line("carts-irsa", &[migrated(), each_kind().to_vec()].concat(), "migrate finish --all --yes"),
        ],
        other => panic!("no line for `{other}`"),
    }
}

/// A CronJob of the service account, beside its Deployment.
fn nightly() -> Vec<(&'static str, Value)> {
    let job = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "carts" },
        "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": {
            "serviceAccountName": "carts", "restartPolicy": "Never", "containers": [{ "name": "c", "image": "c:1" }] } } } } } });
    vec![("/manifests/-", job)]
}

/// An association beside IRSA, and a role that trusts both.
pub(crate) fn migrated() -> Vec<(&'static str, Value)> {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let trust = json!({ "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"] });
    vec![
        ("/associations", json!([{ "namespace": "carts", "service_account": "carts", "role": role }])),
        ("/roles/1/trust/Statement/-", trust),
    ]
}

/// An add-on that keeps the annotation.
fn of_an_add_on() -> Vec<(&'static str, Value)> {
    let managed = json!([{ "manager": "eks", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:annotations": { "f:eks.amazonaws.com/role-arn": {} } } } }]);
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let add_on = json!({ "name": "aws-ebs-csi-driver", "version": "v1.44.0-eksbuild.1", "service_account_role": role });
    vec![("/manifests/6/metadata/managedFields", managed), ("/addons/-", add_on)]
}

/// Variables from a Secret.
fn from_a_secret() -> Vec<(&'static str, Value)> {
    let secret = json!([{ "secretRef": { "name": "keys", "optional": true } }]);
    vec![("/manifests/8/spec/template/spec/containers/0/envFrom", secret)]
}

/// The role has a managed policy too.
pub(super) fn managed_policy() -> Vec<(&'static str, Value)> {
    vec![("/roles/1/attached", json!([FULL]))]
}

/// Nothing runs as the service account, so that CronJobs are looked for.
fn nothing_uses_it() -> Vec<(&'static str, Value)> {
    let spare =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "spare", "namespace": "carts" } });
    vec![("/manifests/8", spare)]
}
