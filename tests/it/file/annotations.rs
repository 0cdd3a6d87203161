//! `podid apply --from-annotations`: the annotations of service accounts as what is wanted.

use serde_json::{Value, json};

use crate::support::Env;

const LINE: &str = "apply --from-annotations --allow-role eks-workshop-*";

fn annotated(role: &str) -> (&'static str, Value) {
    ("/manifests/6/metadata/annotations", json!({"eks.amazonaws.com/role-arn": role}))
}

fn role(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{name}")
}

/// It gets an association with the role that it names, and nothing changes the next time.
#[test]
fn a_service_account_with_the_annotation_is_associated() {
    let env = Env::with("carts-role", &[annotated(&role("111122223333", "eks-workshop-carts-dynamo"))]);
    insta::assert_snapshot!(env.podid(&format!("{LINE} --dry-run")).ok().steady(), @"
    exit 0
    --- stderr
    warning: pods switch from IRSA to Pod Identity at their next restart, with the same role arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    ");
    assert_eq!(env.writes(), [""; 0]);
    let _ = env.podid(&format!("{LINE} --yes")).ok();
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
    let again = env.podid(&format!("{LINE} --yes --dry-run --exit-code")).ok();
    let _ = again.says("nothing to change: 0 roles and 1 association match the annotations");
    let _ = env.podid(&format!("{LINE} -n orders --yes")).ok().says("no service accounts with the annotation");
}

/// The role that trusts the OIDC issuer alone is not podid's to change here.
#[test]
fn a_role_that_does_not_trust_pod_identity_is_refused() {
    let env = Env::new("carts-irsa");
    let run = env.podid(&format!("{LINE} --yes")).code(2);
    let _ = run
        .says("serviceaccount carts/carts")
        .says("the role trusts only an OIDC provider")
        .says("pods.eks.amazonaws.com");
    assert_eq!(env.writes(), [""; 0]);
}

/// Each annotation differs in the role that it names; nothing is written for it.
#[test]
fn what_is_passed_over_is_said() {
    for (role, why) in [
        (role("111122223333", "admin"), "--allow-role does not allow role admin"),
        (role("999988887777", "eks-workshop-x"), "belongs to account 999988887777"),
        ("eks-workshop-carts-dynamo".to_owned(), "`eks-workshop-carts-dynamo` is not the ARN of a role"),
    ] {
        let env = Env::with("carts-agent", &[annotated(&role)]);
        let run = env.podid(&format!("{LINE} --yes")).ok();
        let _ = run.says("carts/carts is passed over: ").says(why);
        assert_eq!(env.writes(), [""; 0]);
    }
    let env = Env::with("carts-agent", &[annotated(&role("111122223333", "eks-workshop-gone"))]);
    let _ = env.podid(&format!("{LINE} --yes")).code(2).says("eks-workshop-gone");
    assert_eq!(env.writes(), [""; 0]);
}

#[test]
fn wrong_flags() {
    let env = Env::new("carts-irsa");
    for (line, says) in [
        ("apply --from-annotations", "--allow-role"),
        ("apply --from-annotations --allow-role x -f x.yaml", "cannot be used with"),
        ("apply --allow-role x -f x.yaml", "cannot be used with"),
        ("apply -n carts -f x.yaml", "cannot be used with"),
        ("apply --from-annotations --allow-role x --prune", "cannot be used with"),
        ("apply --from-annotations --allow-role team/x", "is neither a pattern for role names"),
        ("apply --from-annotations --allow-role x --no-wait", "`--no-wait` makes no call to Kubernetes"),
        ("apply", "--file"),
        ("apply --allow-role x", "--from-annotations"),
    ] {
        let _ = env.podid(line).code(2).says(says);
    }
    assert!(env.world.journal().calls().is_empty());
}
