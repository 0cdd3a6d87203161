//! `podid addon associate`.

use std::time::Duration;

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::{CLUSTER, MADE, associations, made_for_aws_node, owned, steps, two_of_adot, update, without_agent, world};
use crate::{
    kill::wait_for,
    support::{denying, finish},
};

const CREATE: &str = "addon associate vpc-cni --create-role --yes";
const ROLE: &str = "addon associate vpc-cni --role eks-workshop-vpc-cni --yes";

#[test]
fn with_a_new_role() {
    let env = world(&[]);
    let run = env.podid(CREATE).ok();
    let _ = run
        .says("warning: EKS restarts the pods of add-on `vpc-cni`")
        .says(&format!("+ create role {MADE} (path /podid/)"))
        .says(&format!("+ attach arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy to role {MADE}"))
        .says(&format!("~ associate kube-system/aws-node with role {MADE} through add-on vpc-cni"))
        .says("add-on vpc-cni: v1.20.4-eksbuild.1 is ACTIVE")
        .says("kube-system/aws-node: ready: new pods get credentials");
    assert_eq!(associations(&env), [format!("kube-system/aws-node {MADE} vpc-cni")]);
    let mut sent = update(&env);
    assert!(sent.as_object_mut().unwrap().shift_remove("clientRequestToken").is_some());
    assert_eq!(
        sent,
        json!({
            "addonVersion": "v1.20.4-eksbuild.1",
            "configurationValues": "{\"enableNetworkPolicy\":\"true\"}",
            "resolveConflicts": "PRESERVE",
            "podIdentityAssociations": [
                { "serviceAccount": "aws-node", "roleArn": format!("arn:aws:iam::111122223333:role/podid/{MADE}") },
            ],
        })
    );
    let trust = env.world.with(|state| state.aws.roles[MADE].trust.clone());
    for part in [CLUSTER, "\"kube-system\"", "\"aws-node\"", "Podidb33ffc15ddb99275"] {
        assert!(trust.contains(part), "{part}: {trust}");
    }
    // Its pods were restarted by EKS: none is left that started before.
    let run = env.podid("show kube-system/aws-node").ok();
    assert!(!run.stdout.contains("needs restart") && !run.stdout.contains("not injected"), "{run}");
    // Again, nothing is left to do.
    env.world.journal().clear();
    let _ = env.podid(CREATE).ok().says("already associated as requested: nothing to change");
    assert!(env.writes().is_empty(), "{:?}", env.writes());
}

#[test]
fn as_data() {
    let env = world(&[]);
    let run = env.podid(&format!("{CREATE} -o json")).ok();
    let ids = [
        "create-role done",
        "attach-policy/arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy done",
        "update-addon/vpc-cni done",
    ];
    assert_eq!(steps(&run), ids);
    let value = run.json();
    assert_eq!(value["effective"], "observed");
    assert_eq!(value["addon"]["status"], "ACTIVE");
    assert_eq!(value["association"]["associationArn"], value["addon"]["podIdentityAssociations"][0]);
    let env = world(&[]);
    let run = env.podid("addon associate vpc-cni --create-role --dry-run --exit-code -o yaml").code(3);
    assert!(run.stdout.starts_with("steps:"), "{run}");
    assert!(env.writes().is_empty());
    let _ = env.podid("addon associate vpc-cni --create-role").code(2).says("confirmation required");
}

#[test]
fn with_an_existing_role() {
    let env = world(&[]);
    let run = env.podid(ROLE).ok();
    assert!(!run.stderr.contains("recommends"), "{run}");
    assert_eq!(env.writes(), ["eks UpdateAddon"]);
    assert_eq!(associations(&env), ["kube-system/aws-node eks-workshop-vpc-cni vpc-cni"]);
    let env = world(&[("/roles/1/attached", json!([]))]);
    let _ = env.podid(ROLE).ok().says(
        "role `eks-workshop-vpc-cni` does not have the policy that EKS recommends, arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    );
    let env = world(&[denying("iam:ListAttachedRolePolicies")]);
    let _ = env.podid(ROLE).ok().says("policies of role `eks-workshop-vpc-cni` not checked");
    // A role that podid did not create, and whose trust policy does not allow it, stays as it is.
    let env = world(&[("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"))]);
    let _ = env.podid(ROLE).code(2).says("does not allow kube-system/aws-node");
    assert!(env.writes().is_empty());
}

#[test]
fn another_role() {
    let env = world(&[owned("eks-workshop-nodes")]);
    let _ = env.podid(ROLE).ok().says(
        "~ change the role of kube-system/aws-node from eks-workshop-nodes to eks-workshop-vpc-cni through add-on vpc-cni",
    );
    assert_eq!(associations(&env), ["kube-system/aws-node eks-workshop-vpc-cni vpc-cni"]);
}

#[test]
fn the_others_stay() {
    let env = world(&two_of_adot());
    let line = "addon associate adot --role eks-workshop-vpc-cni --yes --no-wait";
    let _ = env
        .podid(line)
        .code(2)
        .says("add-on `adot` has several service accounts: adot-col-container-logs, adot-col-otlp-ingest, adot-col-prom-metrics");
    let _ = env
        .podid(&format!("{line} --service-account adot-col-container-log"))
        .code(2)
        .says("did you mean `adot-col-container-logs`?");
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{line} --service-account adot-col-container-logs")).ok();
    assert_eq!(update(&env)["podIdentityAssociations"].as_array().unwrap().len(), 3);
    let place = "opentelemetry-operator-system";
    let all = ["container-logs", "otlp-ingest", "prom-metrics"];
    assert_eq!(associations(&env), all.map(|name| format!("{place}/adot-col-{name} eks-workshop-vpc-cni adot")));
    // What the list cannot carry is told.
    let target = ("/associations/0/target_role", json!("arn:aws:iam::111122223333:role/eks-workshop-nodes"));
    let env = world(&[&two_of_adot()[..], &[target]].concat());
    let line = "addon associate adot --role eks-workshop-vpc-cni --dry-run --service-account adot-col-container-logs";
    let _ = env.podid(line).ok().says(&format!("the association of {place}/adot-col-otlp-ingest has more than a role"));
}

#[test]
fn unsupported() {
    let ebs = |version: &str| [("/addons/1", json!({ "name": "aws-ebs-csi-driver", "version": version }))];
    let line = "addon associate aws-ebs-csi-driver --create-role --no-wait --yes";
    let env = world(&ebs("v1.29.1-eksbuild.1"));
    let _ = env
        .podid(line)
        .code(2)
        .says("add-on `aws-ebs-csi-driver` v1.29.1-eksbuild.1 does not support Pod Identity")
        .says("version v1.44.0-eksbuild.1 supports it: `aws eks update-addon");
    assert!(env.writes().is_empty());
    let run = world(&ebs("v1.44.0-eksbuild.1"))
        .podid("addon associate aws-ebs-csi-driver --role eks-workshop-vpc-cni --dry-run");
    let _ = run.ok().says("associate kube-system/ebs-csi-controller-sa");
    let _ = world(&[]).podid("addon associate coredns --create-role").code(2).says("found no newer version");
    let agent = world(&[]).podid("addon associate eks-pod-identity-agent --create-role");
    let _ = agent.code(2).says("takes no association: it uses the role of its node");
}

#[test]
fn one_that_the_add_on_does_not_own() {
    let (at, mut unowned) = owned("eks-workshop-vpc-cni");
    unowned[0]["owner"] = Value::Null;
    let env = world(&[(at, unowned)]);
    let _ = env
        .podid(ROLE)
        .code(2)
        .says("kube-system/aws-node has an association (role eks-workshop-vpc-cni) that add-on `vpc-cni` does not own")
        .says("hint: delete it: `podid disassociate kube-system/aws-node`");
    assert!(env.writes().is_empty());
}

#[test]
fn irsa_is_replaced_only_when_asked() {
    let irsa = ("/addons/2/service_account_role", json!("arn:aws:iam::111122223333:role/irsa-cni"));
    let env = world(std::slice::from_ref(&irsa));
    let _ = env
        .podid(ROLE)
        .code(2)
        .says("add-on `vpc-cni` uses role arn:aws:iam::111122223333:role/irsa-cni with IRSA")
        .says("to replace IRSA, pass `--replace-irsa`");
    assert!(env.writes().is_empty());
    let _ = env
        .podid(&format!("{ROLE} --replace-irsa"))
        .ok()
        .says("to go back: `aws eks update-addon")
        .says("add-on `vpc-cni` still names the IRSA role");
    assert_eq!(update(&env).get("serviceAccountRoleArn"), None);
    let env = world(&[irsa, ("/addons/2/detaches_irsa", json!(true))]);
    let _ = env.podid(&format!("{ROLE} --replace-irsa")).ok().says("EKS detached the IRSA role");
}

#[test]
fn while_it_changes() {
    let env = world(&[("/addons/2/status", json!("UPDATING")), ("/delays", json!({ "addon": 60_000 }))]);
    let _ = env.podid(ROLE).code(2).says("is UPDATING: another change is in progress");
    assert!(env.writes().is_empty());
}

#[test]
fn without_an_agent() {
    let env = world(&without_agent());
    let _ = env.podid(ROLE).code(2).says("to install it, pass `--install-agent`");
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{ROLE} --install-agent")).ok().says("ready: new pods get credentials");
    assert_eq!(env.writes(), ["eks CreateAddon", "eks UpdateAddon"]);
}

/// The time limit is the command's own; the second run waits for the update that the first one began.
#[test]
fn out_of_time() {
    let env = world(&[("/delays", json!({ "addon": 1500 }))]);
    let _ = env.podid(&format!("{ROLE} --timeout 2s")).code(6).says("timed out");
    let run = env.podid(ROLE).ok().says("nothing to change").says("add-on vpc-cni: v1.20.4-eksbuild.1 is ACTIVE");
    assert_eq!(env.writes(), ["eks UpdateAddon"], "{run}");
}

#[test]
fn what_others_change_meanwhile_is_not_overwritten() {
    let env = world(&[owned("eks-workshop-nodes")]);
    // The second look is right before the write.
    let hold = Action::Hold(Duration::from_secs(2));
    env.world.faults().add(Fault { skip: 1, ..Fault::once("eks", "DescribePodIdentityAssociation", hold) });
    let child = env.begin(&format!("{ROLE} --no-wait"));
    wait_for(&env, "eks", "DescribePodIdentityAssociation", 2);
    env.world.with(|state| {
        for association in state.aws.associations.values_mut() {
            association.role_arn = "arn:aws:iam::111122223333:role/theirs".to_owned();
        }
    });
    let _ = finish(child).code(1).says("was modified concurrently").says("its associations were changed");
    assert!(env.writes().is_empty());
}

/// A role that podid made for another service account is not taken from it.
#[test]
fn a_role_of_another_service_account() {
    let env = world(&[made_for_aws_node("other")]);
    let _ = env.podid(CREATE).code(2).says("differs from what podid creates");
    assert!(env.writes().is_empty());
}
