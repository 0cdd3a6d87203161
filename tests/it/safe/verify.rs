//! `podid verify` never passes what it does not understand, and never advises against access that works.

use serde_json::{Value, json};

use crate::{
    support::{APP, Env, forbidding},
    verify::ids,
};

const IRSA: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// What the application writes before it ends.
fn crash(text: &str) -> (&'static str, Value) {
    (APP, json!(format!("crash {text}")))
}

/// Output of a container that fails, the status of `app.failing` that it leads to, and the exit code.
#[test]
fn a_failing_container_never_passes_unless_its_output_is_understood() {
    for (output, status, code) in [
        // Another kind of failure: a warning.
        ("FATAL: password authentication failed for user orders", "warning", 0),
        ("Cannot invoke \"Cart.items()\": java.lang.NullPointerException", "warning", 0),
        // In no known text, but about credentials: a failure.
        ("could not obtain AWS credentials for the bucket", "failed", 3),
        ("SHOP_S3_ACCESS_KEY must be set", "failed", 3),
        ("request rejected: 403 Forbidden", "failed", 3),
        // Nobody knows.
        ("the flux capacitor is empty", "unknown", 3),
    ] {
        let env = Env::with("carts-verified", &[crash(output)]);
        let run = env.podid("verify carts/carts -o json").code(code);
        assert_eq!(ids(&run, status), ["app.failing"], "{output}\n{run}");
        let shown = env.podid("verify carts/carts").code(code);
        assert!(!shown.stdout.contains("All checks passed"), "{output}\n{shown}");
        let words: String = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        if status != "warning" {
            assert!(format!("{words} {}", shown.stderr).contains("is failing"), "{output}\n{shown}");
        }
        if status == "failed" {
            assert!(words.contains(output), "the line is shown: {output}\n{shown}");
        }
        let strict = env.podid("verify carts/carts --strict").code(3);
        assert!(!strict.stdout.contains("All checks passed"), "{strict}");
    }
    // The healthy twin.
    let run = Env::new("carts-verified").podid("verify carts/carts").ok();
    assert!(run.stdout.contains("All checks passed"), "{run}");
}

/// A refusal in the log is proof, though the simulation allows the call.
#[test]
fn a_refusal_in_the_log_outranks_a_simulation() {
    let line = "User: arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-1 is not authorized \
                to perform: dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts \
                with an explicit deny in a resource-based policy";
    let run = Env::with("carts-verified", &[crash(line)]).podid("verify carts/carts -o json").code(3);
    assert_eq!(ids(&run, "failed"), ["app.access-denied"], "{run}");
}

#[test]
fn a_container_that_cannot_start_is_explained() {
    let env = Env::with("carts-verified", &[(APP, json!("config-error"))]);
    let run = env.podid("verify carts/carts").code(3);
    assert!(run.stdout.contains("CreateContainerConfigError"), "{run}");
    assert!(run.stdout.contains("configmap \"missing\" not found"), "the kubelet's words: {run}");
    assert!(run.stdout.contains("fix: create the Secret, ConfigMap or key"), "{run}");
}

/// A log that may not be read costs a permission; one that was not read on request does not.
#[test]
fn an_unread_log_of_a_failing_container_is_named() {
    let env = Env::with("carts-verified", &[crash("boom"), forbidding(&["get pods/log"])]);
    let run = env.podid("verify carts/carts").code(4);
    assert!(run.stderr.contains("its log could not be read: not allowed: get pods/log"), "{run}");
    // Where no container fails, nobody misses it.
    let _ = Env::with("carts-verified", &[forbidding(&["get pods/log"])]).podid("verify carts/carts").ok();
}

/// Pods that run on IRSA pass, also without any agent; an association would take their access away.
#[test]
fn irsa_is_no_missing_association() {
    let annotation = json!({ "eks.amazonaws.com/role-arn": IRSA });
    let world = [
        ("/associations", json!([])),
        ("/addons", json!([])),
        ("/manifests/6/metadata/annotations", annotation),
        (APP, json!("")),
    ];
    let env = Env::with("carts-verified", &world);
    let run = env.podid("verify carts/carts").ok();
    let last = run.stdout.lines().last().unwrap();
    assert_eq!(
        last, "All checks passed (7 passed): it uses IRSA, not Pod Identity: role eks-workshop-carts-dynamo",
        "{run}"
    );
    // Without the annotation nothing gives them a role.
    let run = Env::with("carts-verified", &[world[0].clone(), world[1].clone(), world[3].clone()])
        .podid("verify carts/carts -o json")
        .code(3);
    assert!(ids(&run, "failed").contains(&"association.missing".to_owned()), "{run}");
}

/// The access that the same name has in another cluster is none of this cluster's business.
#[test]
fn no_remedy_takes_access_away_in_another_cluster() {
    let elsewhere = json!([{
        "cluster": "blue", "namespace": "carts", "service_account": "carts",
        "role": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
    }]);
    let run = Env::with("carts-verified", &[("/associations", elsewhere)]).podid("verify carts/carts").code(3);
    assert!(run.stdout.contains("association.elsewhere"), "{run}");
    assert!(!run.stdout.contains("disassociate"), "{run}");
}

#[test]
fn a_role_without_policies_is_a_warning() {
    let env = Env::with("carts-verified", &[("/roles/1/inline", json!({})), (APP, json!(""))]);
    let run = env.podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&run, "warning"), ["role.no-policies"], "{run}");
    let _ = env.podid("verify carts/carts --strict").code(3);
    let run = Env::with("carts-verified", &[(APP, json!(""))]).podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&run, "warning"), [""; 0], "{run}");
}

/// 4 means that a permission is missing. A condition that nobody can know is another thing.
#[test]
fn only_a_missing_permission_exits_with_4() {
    const CONDITION: &str = "/roles/1/trust/Statement/0/Condition/StringEquals/aws:SourceOrgID";
    let run =
        Env::with("carts-verified", &[(CONDITION, json!("o-1")), (APP, json!(""))]).podid("verify carts/carts").code(3);
    assert!(run.stderr.contains("incomplete: could not check whether the credentials work"), "{run}");
    assert!(run.stderr.contains("aws:SourceOrgID"), "the reason is named: {run}");
    assert!(!run.stderr.contains("iam-policy"), "no permission would help: {run}");
    let run = Env::with("carts-verified", &[forbidding(&["list pods"])]).podid("verify carts/carts").code(4);
    assert!(run.stderr.contains("list pods"), "{run}");
}

/// The plan says it before the role is there.
#[test]
fn a_plan_warns_of_a_role_without_permissions() {
    const EMPTY: &str = "is created without permissions";
    let env = Env::new("carts-agent");
    for (line, warned) in [
        ("associate carts/carts --create-role --dry-run", true),
        ("associate carts/carts --create-role --dynamodb eks-workshop-carts --dry-run", false),
        ("role create carts-role --service-account carts/carts --dry-run", true),
        ("role create carts-role --service-account carts/carts --dynamodb eks-workshop-carts --dry-run", false),
    ] {
        let run = env.podid(line).ok();
        assert_eq!(run.stderr.contains(EMPTY), warned, "{line}\n{run}");
    }
}
