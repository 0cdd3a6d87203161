//! Which of several findings is the cause, and what is proposed: worlds that differ from the healthy one in a field or two.

use serde_json::{Value, json};

use super::ids;
use crate::support::{APP, Env, Run};

fn verify(fields: &[(&'static str, Value)], args: &str, code: i32) -> Run {
    Env::with("carts-verified", fields).podid(&format!("verify {args} -o json")).code(code)
}

fn refused(caller: &str, rest: &str) -> Value {
    json!(format!("crash User: arn:aws:sts::111122223333:assumed-role/{caller} is not authorized to perform: {rest}"))
}

const NODE: &str = "eks-workshop-nodes/i-0a11b22c33d44e551";

#[test]
fn a_pod_that_no_node_takes_is_not_well() {
    let run = verify(&[("/manifests/8/spec/template/spec/nodeSelector", json!({ "gpu": "yes" }))], "carts/carts", 3);
    assert_eq!(ids(&run, "failed"), ["app.not-started"], "{run}");
    let fits = verify(&[("/manifests/8/spec/template/spec/nodeSelector", json!({}))], "carts/carts", 0);
    assert_eq!(ids(&fits, "failed"), [""; 0], "{fits}");
}

/// What the node's role was refused says nothing of the association's role, and follows from nothing that this one lacks.
#[test]
fn who_acts_as_its_node_is_told_so_first() {
    let run = verify(
        &[(APP, refused(NODE, "sqs:receivemessage on resource: arn:aws:sqs:us-west-2:111122223333:orders"))],
        "carts/carts",
        3,
    );
    assert_eq!(ids(&run, "failed"), ["app.node-role"], "{run}");
    assert_eq!(ids(&run, "warning"), ["permissions.missing"], "{run}");
    let own = "eks-workshop-carts-dynamo/eks-eks-worksh-carts-7d9f-0b1c";
    let run = verify(
        &[(APP, refused(own, "sqs:receivemessage on resource: arn:aws:sqs:us-west-2:111122223333:orders"))],
        "carts/carts",
        3,
    );
    assert_eq!(ids(&run, "failed"), ["permissions.missing"], "{run}");
}

#[test]
fn a_session_of_another_role_is_told() {
    let call = "sqs:receivemessage on resource: arn:aws:sqs:us-west-2:111122223333:orders";
    let run = verify(&[(APP, refused("old-role/eks-eks-worksh-carts-7d9f-0b1c", call))], "carts/carts", 3);
    assert!(ids(&run, "failed").contains(&"app.other-identity".to_owned()), "{run}");
    assert!(run.stdout.contains("session is of role old-role"), "{run}");
}

/// The role that another cluster's association, or a session in a log, names is the one that was meant.
#[test]
fn the_role_that_was_meant_is_proposed() {
    let run = verify(&[("/associations/0/cluster", json!("blue"))], "carts/carts", 3);
    assert_eq!(ids(&run, "failed"), ["association.elsewhere"], "{run}");
    assert!(run.stdout.contains("podid associate carts/carts --role eks-workshop-carts-dynamo"), "{run}");
}

/// A Deployment that names no service account, beside an association for one that is called like it.
#[test]
fn no_role_is_proposed_for_every_pod_of_a_namespace() {
    let run = verify(
        &[("/manifests/8/spec/template/spec/serviceAccountName", json!("default"))],
        "deployment/carts -n carts",
        3,
    );
    assert_eq!(ids(&run, "failed")[0], "association.missing", "{run}");
    assert!(run.stdout.contains("kubectl set serviceaccount deployment/carts carts -n carts"), "{run}");
    assert!(!run.stdout.contains("--create-role"), "{run}");
}

#[test]
fn objects_are_not_their_bucket() {
    let statement = |resource: &str| {
        (
            "/roles/1/inline/carts/Statement",
            json!([{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource }]),
        )
    };
    let needs = "carts/carts --needs s3:GetObject@arn:aws:s3:::b/x";
    let run = verify(&[statement("arn:aws:s3:::b"), (APP, json!(""))], needs, 3);
    assert_eq!(ids(&run, "failed"), ["permissions.wrong-arn"], "{run}");
    let run = verify(&[statement("arn:aws:s3:::b/*"), (APP, json!(""))], needs, 0);
    assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
}

/// What may be in the way is the cause where the log of a failing pod shows that it is.
#[test]
fn a_warning_that_the_log_bears_out_is_the_cause() {
    let env = |pairs: &[(&str, &str)]| {
        let all = pairs.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        ("/manifests/8/spec/template/spec/containers/0/env", all.collect::<Value>())
    };
    let missing = json!("crash ResourceNotFoundException: Requested resource not found");
    let region = || env(&[("AWS_REGION", "eu-west-1")]);
    let run = verify(&[region(), (APP, missing)], "carts/carts", 3);
    assert_eq!(ids(&run, "failed"), ["override.region"], "{run}");
    let run = verify(&[region(), (APP, json!(""))], "carts/carts", 0);
    assert_eq!(ids(&run, "warning"), ["override.region"], "{run}");

    let silent = json!("crash Get \"http://169.254.170.23/v1/credentials\": dial tcp 169.254.170.23:80: i/o timeout");
    let proxy = |list: &str| env(&[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", list)]);
    let run = verify(&[proxy("169.254.0.0/16"), (APP, silent.clone())], "carts/carts", 3);
    assert_eq!(ids(&run, "failed"), ["network.proxy"], "{run}");
    let run = verify(&[proxy("169.254.0.0/16,169.254.170.23"), (APP, silent)], "carts/carts", 3);
    assert_eq!(ids(&run, "failed"), ["app.no-answer"], "{run}");
}

/// podid restarts Argo Rollouts: that it does not read them here is no want of a permission.
#[test]
fn rollouts_are_recycled() {
    let template = json!({
        "metadata": { "labels": { "a": "b" } },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "c", "image": "c:1" }] }
    });
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": { "name": "carts", "namespace": "carts", "annotations": { "sandbox.podid.dev/age-s": "900" } },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "a": "b" } }, "strategy": { "canary": {} }, "template": template }
    });
    let run = verify(&[("/manifests/8", rollout), ("/associations/0/age_s", json!(5))], "carts/carts", 3);
    assert_eq!(ids(&run, "failed"), ["restart.before-association"], "{run}");
    assert!(run.stdout.contains("podid recycle carts/carts") && !run.stdout.contains("not allowed"), "{run}");
}
