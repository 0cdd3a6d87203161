//! `podid addon disassociate`.

use serde_json::{Value, json};

use super::{MADE, associations, made_for_aws_node, owned, shared_by_aws_node, two_of_adot, update, world};
use crate::support::Env;

const LINE: &str = "addon disassociate vpc-cni --yes";

/// aws-node acts as the role that podid made.
fn made() -> [(&'static str, Value); 2] {
    [made_for_aws_node("aws-node"), owned(&format!("podid/{MADE}"))]
}

#[test]
fn the_role_stays() {
    let env = world(&[owned("eks-workshop-vpc-cni")]);
    let _ = env
        .podid(LINE)
        .ok()
        .says("warning: EKS restarts the pods of add-on `vpc-cni`: they then use the role of their node")
        .says("- delete the association of kube-system/aws-node (role eks-workshop-vpc-cni) through add-on vpc-cni")
        .says("add-on vpc-cni: v1.20.4-eksbuild.1 is ACTIVE");
    assert_eq!(env.writes(), ["eks UpdateAddon"]);
    assert_eq!(associations(&env), Vec::<String>::new());
    let sent = update(&env);
    assert_eq!(sent["podIdentityAssociations"], json!([]));
    assert_eq!((&sent["addonVersion"], &sent["resolveConflicts"]), (&json!("v1.20.4-eksbuild.1"), &json!("PRESERVE")));
    let _ = env.podid(LINE).ok().says("has no association: nothing to delete");
    assert_eq!(env.writes().len(), 1);
}

#[test]
fn podids_statement_goes() {
    let env = world(&[shared_by_aws_node(), owned(&format!("podid/{MADE}"))]);
    let _ = env.podid(LINE).ok();
    assert_eq!(env.writes(), ["iam UpdateAssumeRolePolicy", "eks UpdateAddon"]);
}

fn has_role(env: &Env) -> bool {
    env.world.with(|state| state.aws.roles.contains_key(MADE))
}

#[test]
fn with_its_role() {
    let env = world(&made());
    let _ = env.podid(LINE).ok();
    assert!(has_role(&env));
    // What an interrupted run left is found by its name.
    let _ = env.podid(&format!("{LINE} --delete-role")).ok();
    assert!(!has_role(&env));
    let env = world(&made());
    let run = env.podid(&format!("{LINE} --delete-role")).ok();
    assert!(!has_role(&env), "{run}");
    assert_eq!(env.writes()[0], "eks UpdateAddon");
    // A role that podid did not create stays.
    let env = world(&[owned("eks-workshop-vpc-cni")]);
    let _ =
        env.podid(&format!("{LINE} --delete-role")).code(2).says("podid did not create role `eks-workshop-vpc-cni`");
    assert!(env.writes().is_empty());
}

#[test]
fn irsa_is_stated() {
    let irsa = "arn:aws:iam::111122223333:role/irsa-cni";
    let set = [
        owned("eks-workshop-vpc-cni"),
        ("/addons/2/service_account_role", json!(irsa)),
        ("/addons/2/detaches_irsa", json!(true)),
    ];
    let env = world(&set);
    let _ = env.podid(LINE).ok().says("they then use role irsa-cni (IRSA)");
    assert_eq!(update(&env)["serviceAccountRoleArn"], irsa);
}

#[test]
fn one_of_several() {
    let place = "opentelemetry-operator-system";
    let env = world(&two_of_adot());
    let line = "addon disassociate adot --yes --no-wait";
    let _ = env
        .podid(line)
        .code(2)
        .says("add-on `adot` has several associations: adot-col-otlp-ingest, adot-col-prom-metrics");
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{line} --service-account adot-col-otlp-ingest")).ok();
    assert_eq!(associations(&env), [format!("{place}/adot-col-prom-metrics eks-workshop-vpc-cni adot")]);
}

#[test]
fn one_that_the_add_on_does_not_own() {
    let (at, mut unowned) = owned("eks-workshop-vpc-cni");
    unowned[0]["owner"] = Value::Null;
    let env = world(&[(at, unowned)]);
    let _ = env.podid(LINE).code(2).says("hint: delete it: `podid disassociate kube-system/aws-node`");
    assert!(env.writes().is_empty());
}
