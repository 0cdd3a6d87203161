//! Fixes that are carried out: what verify prints brings the world in order, or says what remains.

use serde_json::{Value, json};

use super::saved;
use crate::support::{APP, Env};

/// The commands of podid among the fixes, in their order.
fn fixes(env: &Env) -> Vec<String> {
    let document = saved(env, "carts/carts").code(3).json();
    let findings = document["reports"][0]["findings"].as_array().unwrap().clone();
    let remedies =
        findings.iter().filter(|it| it["status"] == "failed").flat_map(|it| it["remedies"].as_array().unwrap());
    let commands = remedies.filter_map(|remedy| remedy["command"].as_str());
    commands.filter_map(|command| command.strip_prefix("podid ")).map(str::to_owned).collect()
}

/// Carries out every fix, and restarts the pods, as what crashes does sooner or later: then everything is in order.
#[track_caller]
fn mends(name: &str, fields: &[(&str, Value)], expected: &[&str]) {
    let env = Env::with("carts-verified", fields);
    let fixes = fixes(&env);
    assert_eq!(fixes, expected, "{name}");
    for fix in fixes {
        let run = env.podid(&format!("{fix} --yes"));
        assert_eq!(run.code, 0, "{name}: {fix}: {run}");
    }
    let _ = env.podid("recycle carts/carts").ok();
    let run = env.podid("verify carts/carts");
    assert_eq!(run.code, 0, "{name}: {run}");
}

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

#[test]
fn every_fix_is_carried_out() {
    let trust = "role trust eks-workshop-carts-dynamo --service-account carts/carts --fix";
    mends("no sts:TagSession", &[("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"))], &[trust]);
    mends(
        "a mistyped principal",
        &[("/roles/1/trust/Statement/0/Principal/Service", json!("pod.eks.amazonaws.com"))],
        &[trust],
    );
    mends("started too early", &[("/associations/0/age_s", json!(60))], &["recycle carts/carts"]);
    mends("no agent", &[("/addons", json!([]))], &["agent install"]);
    // Its role is named, which a new one would not be.
    let nearby = json!([{ "namespace": "carts", "service_account": "cart", "role": ROLE }]);
    mends(
        "an association of a name like it",
        &[("/associations", nearby)],
        &["associate carts/carts --role eks-workshop-carts-dynamo"],
    );
}

/// The target role trusted a role that was deleted and made anew: IAM has its old id there, and takes no document with that in it.
#[test]
fn a_target_that_trusts_a_deleted_role_is_mended() {
    let target = "arn:aws:iam::111122223333:role/carts-target";
    let actions = json!(["sts:AssumeRole", "sts:TagSession"]);
    let trust = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": "AROAEXAMPLEOLDROLEID1" }, "Action": actions }
    ] });
    let policy = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess";
    let role = json!({ "name": "carts-target", "path": "/", "trust": trust, "attached": [policy] });
    let hop = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": actions, "Resource": target }
    ] });
    let fields = [("/roles/-", role), ("/roles/1/inline/target", hop), ("/associations/0/target_role", json!(target))];
    let fix = format!("associate carts/carts --role {ROLE} --target-role {target} --fix-target-trust");
    mends("a deleted principal", &fields, &[&fix]);
}

/// Session tags that are too large can be disabled only where a statement of the trust policy does without them.
#[test]
fn session_tags_are_disabled_where_the_trust_policy_does_without_them() {
    let packed = "log PackedPolicyTooLarge: Packed size of session tags consumes 112% of allotted space.";
    let without = json!({
        "Effect": "Allow",
        "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "ArnEquals": { "aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop" } },
    });
    let beside = ("/roles/1/trust/Statement/-", without);
    let disable = "associate carts/carts --role eks-workshop-carts-dynamo --disable-session-tags";
    for (more, proposed) in [(&[][..], false), (std::slice::from_ref(&beside), true)] {
        let env = Env::with("carts-verified", &[&[(APP, json!(packed))], more].concat());
        let run = env.podid("verify carts/carts").code(3);
        assert_eq!(run.stdout.contains(&format!("`podid {disable}`")), proposed, "{run}");
        assert_eq!(env.podid(&format!("{disable} --yes")).code == 0, proposed);
    }
}

/// Somebody deleted the DaemonSet from under the add-on, which EKS takes for whole.
#[test]
fn a_daemon_set_that_is_gone_comes_back() {
    let env = Env::new("carts-verified");
    env.world.with(|state| assert!(state.kube.remove("daemonsets", "kube-system", "eks-pod-identity-agent")));
    assert_eq!(fixes(&env), ["agent uninstall", "agent install"]);
    let _ = env.podid("agent uninstall --yes").ok();
    let _ = env.podid("agent install --yes").ok();
    let _ = env.podid("verify carts/carts").ok();
}
