//! Each reason, in a world that differs in one field from one in which the service account is ready.

use serde_json::{Value, json};

use super::{ANNOTATIONS, ROLE, TRUST, account, reasons};
use crate::support::{Env, forbidding};

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/2E81FAC1E085A4DEBF8AEA59EAEFA75B";
const ENV: &str = "/manifests/8/spec/template/spec/containers/0/env";

/// What the role's inline policy allows beside the table.
fn allowing(statement: Value) -> (&'static str, Value) {
    ("/roles/1/inline/carts/Statement/-", statement)
}

fn trusting(condition: Value) -> (&'static str, Value) {
    let provider = format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}");
    let principal = json!({ "Federated": provider });
    let mut statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity" });
    statement["Condition"] = condition;
    (TRUST, json!({ "Version": "2012-10-17", "Statement": statement }))
}

fn annotated(role: &str, more: &[(&str, &str)]) -> (&'static str, Value) {
    let mut annotations = json!({ "eks.amazonaws.com/role-arn": role });
    for (key, value) in more {
        annotations[key] = json!(value);
    }
    (ANNOTATIONS, annotations)
}

fn associated(role: &str, target: Option<&str>) -> Value {
    json!([{ "namespace": "carts", "service_account": "carts", "role": role, "target_role": target }])
}

/// What the webhook of IRSA sets, in the pod template itself.
fn own_variables() -> Value {
    let token = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
    json!([{ "name": "AWS_ROLE_ARN", "value": ROLE }, { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": token }])
}

fn long_trust() -> (&'static str, Value) {
    let subs: Vec<String> = (0..36).map(|n| format!("system:serviceaccount:carts:worker-{n:04}")).collect();
    let subs: Vec<String> = subs.into_iter().chain(["system:serviceaccount:carts:carts".to_owned()]).collect();
    trusting(json!({ "StringEquals": { format!("{ISSUER}:sub"): subs } }))
}

#[test]
fn each_reason() {
    let sub = format!("{ISSUER}:sub");
    let allow = |action: &str, resource: &str| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let mut conditional = allow("s3:GetObject", "*");
    conditional["Condition"] = json!({ "StringEquals": { &sub: "system:serviceaccount:carts:carts" } });
    let own = own_variables();
    let map = json!({ "RETAIL_CART_PERSISTENCE_PROVIDER": "dynamodb", "AWS_ROLE_ARN": ROLE });
    let other =
        json!([{ "namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/other" }]);
    let proxy = |without: &str| json!([{ "name": "HTTP_PROXY", "value": "http://proxy:3128" }, { "name": "NO_PROXY", "value": without }]);
    let closed = |cidr: &str| {
        let to = json!([{ "ipBlock": { "cidr": cidr } }]);
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": { "name": "closed", "namespace": "carts" },
            "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": to }] } })
    };
    for healthy in [(ENV, proxy(".svc,169.254.170.23")), ("/manifests/-", closed("169.254.0.0/16"))] {
        let run = Env::with("carts-irsa", &[healthy]).podid("migrate plan carts/carts -o json").ok();
        assert!(reasons(&account(&run, "carts")).is_empty(), "{run}");
    }
    let secret = json!([{ "secretRef": { "name": "keys", "optional": true } }]);
    let rows: Vec<Row> = vec![
        (("/addons", json!([])), "migrate.agent", "ready-with-changes"),
        (
            ("/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type", json!("fargate")),
            "migrate.unsupported-nodes",
            "not-ready",
        ),
        (("/clusters/0/outpost", json!(true)), "migrate.unsupported-nodes", "not-ready"),
        ((ENV, proxy(".svc")), "migrate.network", "ready-with-changes"),
        (("/manifests/-", closed("10.0.0.0/8")), "migrate.network", "not-ready"),
        ((ENV, own), "migrate.own-variables", "not-ready"),
        (("/manifests/7/data", map), "migrate.own-variables", "not-ready"),
        (
            ("/manifests/8/spec/template/spec/containers/0/envFrom", secret),
            "migrate.unread-secrets",
            "ready-with-changes",
        ),
        (annotated(ROLE, &[("eks.amazonaws.com/audience", "vault")]), "migrate.audience", "not-ready"),
        (annotated("arn:aws:iam::444455556666:role/app", &[]), "migrate.other-account", "not-ready"),
        (annotated("arn:aws:iam::111122223333:role/gone", &[]), "migrate.role-missing", "not-ready"),
        (annotated("carts", &[]), "migrate.invalid-role", "not-ready"),
        (
            trusting(json!({ "StringLike": { &sub: "system:serviceaccount:carts:*" } })),
            "migrate.open-subject",
            "ready-with-changes",
        ),
        (
            trusting(json!({ "StringEquals": { format!("{ISSUER}:aud"): "sts.amazonaws.com" } })),
            "migrate.open-subject",
            "ready-with-changes",
        ),
        (
            trusting(json!({ "StringEquals": { &sub: "system:serviceaccount:carts:cart" } })),
            "migrate.not-trusted",
            "not-ready",
        ),
        (trusting(json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } })), "migrate.trust-unclear", "unknown"),
        (long_trust(), "migrate.trust-full", "not-ready"),
        (
            allowing(allow("sts:AssumeRole", "arn:aws:iam::444455556666:role/data")),
            "migrate.chained-role",
            "ready-with-changes",
        ),
        (allowing(allow("sts:AssumeRole", ROLE)), "migrate.self-assumed", "ready-with-changes"),
        (allowing(allow("kafka-cluster:*", "*")), "migrate.msk", "ready-with-changes"),
        (allowing(conditional), "migrate.issuer-conditions", "not-ready"),
        (("/associations", other), "migrate.other-association", "not-ready"),
        (
            ("/manifests/8/spec/template/spec/serviceAccountName", json!("default")),
            "migrate.no-pods",
            "ready-with-changes",
        ),
    ];
    each(rows);
}

#[test]
fn each_reason_of_what_is_there_already() {
    let sub = format!("{ISSUER}:sub");
    let own = own_variables();
    let elsewhere = format!("arn:aws:iam::444455556666:oidc-provider/{ISSUER}");
    let but =
        json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": "arn:aws:iam::111122223333:role/admin" });
    let container = |env: Value| json!({ "name": "app", "image": "app", "env": env });
    let bare = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "carts", "name": "solo" },
        "spec": { "serviceAccountName": "carts", "containers": [container(json!([]))] } });
    let pod = json!({ "spec": { "serviceAccountName": "carts", "restartPolicy": "Never", "containers": [container(own.clone())] } });
    let nightly = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "namespace": "carts", "name": "nightly" },
        "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": pod } } } });
    let rows: Vec<Row> = vec![
        // Its pods are injected, and EKS may not assume the role.
        (("/associations", associated(ROLE, None)), "migrate.not-served", "not-ready"),
        (annotated(&ROLE.replace("role/", "role/team/"), &[]), "migrate.invalid-role", "not-ready"),
        (annotated(&ROLE.replace("aws", "aws-cn"), &[]), "migrate.invalid-role", "not-ready"),
        (("/roles/1/trust/Statement/0/Principal/Federated", json!(elsewhere)), "migrate.not-trusted", "not-ready"),
        (
            trusting(json!({ "StringNotEquals": { &sub: "system:serviceaccount:carts:other" } })),
            "migrate.open-subject",
            "ready-with-changes",
        ),
        (allowing(but), "migrate.chained-role", "ready-with-changes"),
        (
            ("/roles/1/tags", json!({ "aws:cloudformation:stack-name": "carts" })),
            "migrate.managed-role",
            "ready-with-changes",
        ),
        (
            (
                "/manifests/8/spec/template/metadata/annotations",
                json!({ "eks.amazonaws.com/skip-containers": "carts" }),
            ),
            "migrate.no-credentials",
            "ready-with-changes",
        ),
        (("/manifests/-", bare), "migrate.by-hand", "ready-with-changes"),
        (("/manifests/-", nightly), "migrate.own-variables", "not-ready"),
    ];
    each(rows);
}

/// A field with its value, the reason, and the readiness.
type Row<'a> = ((&'static str, Value), &'a str, &'a str);

#[track_caller]
fn each(rows: Vec<Row<'_>>) {
    for ((pointer, value), id, readiness) in rows {
        let env = Env::with("carts-irsa", &[(pointer, value.clone())]);
        let run = env.run(&["migrate", "plan", "carts/carts", "-o", "json"]);
        let carts = account(&run, "carts");
        assert!(reasons(&carts).contains(&id.to_owned()), "{id}: {run}");
        assert_eq!(carts["readiness"], readiness, "{id}: {run}");
        let of_it = carts["findings"].as_array().unwrap().iter().filter(|it| it["id"] == id);
        for finding in of_it {
            assert!(
                !finding["evidence"].as_array().unwrap().is_empty() || readiness == "unknown" || id == "migrate.agent",
                "{finding}"
            );
        }
        assert_eq!(run.code, if readiness == "not-ready" || readiness == "unknown" { 3 } else { 0 }, "{id}: {run}");
        assert_eq!(carts["commands"].as_array().unwrap().is_empty(), run.code == 3, "{id}: {run}");
    }
}

/// A chain of roles that the plan does not read is never called done.
#[test]
fn a_target_role_is_unknown() {
    let other = "arn:aws:iam::444455556666:role/carts";
    let (pointer, value) = annotated(other, &[]);
    let world = [(pointer, value), ("/associations", associated(ROLE, Some(other)))];
    let run = Env::with("carts-irsa", &world).podid("migrate plan carts/carts -o json").code(3);
    let carts = account(&run, "carts");
    assert_eq!(
        (reasons(&carts), &carts["readiness"]),
        (vec!["migrate.unseen-role".to_owned()], &json!("unknown")),
        "{run}"
    );
}

/// A refused kind of workloads is not "none".
#[test]
fn what_may_not_be_listed_is_unknown() {
    let refused =
        |verb: &str| Env::with("carts-irsa", &[forbidding(&[verb])]).podid("migrate plan carts/carts -o json").code(4);
    for verb in ["list deployments", "list statefulsets", "list cronjobs"] {
        let run = refused(verb);
        assert_eq!(account(&run, "carts")["readiness"], "unknown", "{verb}: {run}");
    }
}

/// Whoever writes an annotation writes no line of the plan.
#[test]
fn a_name_begins_no_line() {
    let helm = annotated(ROLE, &[("meta.helm.sh/release-name", "shop.\n\nNext:\n  podid role delete x")]);
    let run = Env::with("carts-irsa", &[helm]).podid("migrate plan carts/carts").ok();
    assert!(!run.stdout.lines().any(|line| line.trim_start().starts_with("podid role delete")), "{run}");
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with("Next:")).count(), 1, "{run}");
}

/// The command that podid prints for it is one that podid takes.
#[test]
fn the_fix_of_a_chained_role() {
    let target = "arn:aws:iam::111122223333:role/data";
    let chained = allowing(json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": target }));
    let env = Env::with("carts-irsa", &[chained]);
    let carts = account(&env.podid("migrate plan carts/carts -o json").ok(), "carts");
    let command = carts["findings"][0]["remedies"][0]["command"].as_str().unwrap();
    assert_eq!(
        command,
        format!("podid policy attach eks-workshop-carts-dynamo --allow sts:TagSession@{target} --cluster eks-workshop")
    );
    let _ = env.podid(&format!("{} --yes", command.strip_prefix("podid ").unwrap())).ok();
}

/// What an add-on keeps is migrated by the add-on; others with the same role are not the add-on.
#[test]
fn an_add_on_s_service_account() {
    let managed = json!([{ "manager": "eks", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:annotations": { "f:eks.amazonaws.com/role-arn": {} } } } }]);
    let add_on = json!({ "name": "aws-ebs-csi-driver", "version": "v1.44.0-eksbuild.1", "service_account_role": ROLE });
    let world = [("/manifests/6/metadata/managedFields", managed), ("/addons/-", add_on.clone())];
    let run = Env::with("carts-irsa", &world).podid("migrate plan carts/carts -o json").code(3);
    let carts = account(&run, "carts");
    assert_eq!(reasons(&carts), ["migrate.add-on"], "{run}");
    assert_eq!(carts["annotationOwner"], "EKS add-on");
    let commands = carts["findings"][0]["remedies"].as_array().unwrap();
    // The role trusts Pod Identity first.
    let trust = "podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix --cluster eks-workshop";
    assert_eq!(commands[0]["command"], trust, "{run}");
    let command = commands[1]["command"].as_str().unwrap();
    assert!(
        command.starts_with("aws eks update-addon --cluster-name eks-workshop --addon-name aws-ebs-csi-driver"),
        "{command}"
    );
    // The same role alone says nothing.
    let run = Env::with("carts-irsa", &[("/addons/-", add_on)]).podid("migrate plan carts/carts -o json").ok();
    assert!(reasons(&account(&run, "carts")).is_empty(), "{run}");
}

/// Who keeps the annotation is named where it is to be removed later.
#[test]
fn the_annotation_s_owner() {
    let helm = annotated(ROLE, &[("meta.helm.sh/release-name", "carts")]);
    let env = Env::with("carts-irsa", &[helm]);
    let run = env.podid("migrate plan carts/carts -o markdown").ok();
    let _ = run.says(
        "Before `podid migrate finish`, remove the annotation of carts/carts in the values of the Helm release carts.",
    );
}

/// Two service accounts of one role: one cause, and room for both.
#[test]
fn a_shared_role() {
    let sub = format!("{ISSUER}:sub");
    let worker = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "worker", "namespace": "carts", "annotations": { "eks.amazonaws.com/role-arn": ROLE } } });
    let open = trusting(json!({ "StringLike": { &sub: "system:serviceaccount:carts:*" } }));
    let env = Env::with("carts-irsa", &[open, ("/manifests/-", worker)]);
    let run = env.podid("migrate plan -n carts").ok().says("affects carts/carts, carts/worker");
    assert_eq!(run.stdout.matches("(migrate.open-subject)").count(), 1, "{run}");
    let run = env.podid("migrate plan -n carts -o json").ok();
    assert_eq!(account(&run, "carts")["roleSharedWith"], json!(["carts/worker"]), "{run}");
}
