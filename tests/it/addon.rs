//! `podid addon` end to end: the associations that EKS add-ons own. A broken world differs from the healthy one in one field.

mod associate;
mod disassociate;
mod killed;

use serde_json::{Value, json};

use crate::support::{Env, Run, admitting, denying};

const CLUSTER: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";

/// The role that podid makes for aws-node.
pub(crate) const MADE: &str = "eks-workshop-kube-system-aws-node-b33ffc15";

/// The field that associates aws-node through the VPC CNI, with a role of this path and name.
pub(crate) fn owned(role: &str) -> (&'static str, Value) {
    let role = format!("arn:aws:iam::111122223333:role/{role}");
    let association =
        json!({ "namespace": "kube-system", "service_account": "aws-node", "role": role, "owner": "vpc-cni" });
    ("/associations", json!([association]))
}

/// The role that podid made for a service account of kube-system, under the name of that for aws-node.
pub(crate) fn made_for_aws_node(account: &str) -> (&'static str, Value) {
    let statement = admitting("Podidb33ffc15ddb99275", CLUSTER, ("kube-system", account));
    let role = json!({
        "name": MADE,
        "path": "/podid/",
        "trust": { "Version": "2012-10-17", "Statement": [statement] },
        "attached": ["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"],
        "inline": { "podid-dynamodb": { "Version": "2012-10-17", "Statement": [] } },
        "tags": {
            "podid.dev/managed-by": "podid",
            "podid.dev/cluster": CLUSTER,
            "podid.dev/namespace": "kube-system",
            "podid.dev/service-account": "aws-node",
        },
    });
    ("/roles/-", role)
}

/// The same, open to every service account of every cluster.
pub(crate) fn open_for_aws_node() -> (&'static str, Value) {
    let (roles, mut role) = made_for_aws_node("aws-node");
    role["trust"]["Statement"][0].as_object_mut().unwrap().remove("Condition");
    (roles, role)
}

/// The same, when it is somebody else's too.
pub(crate) fn shared_by_aws_node() -> (&'static str, Value) {
    let (roles, mut role) = made_for_aws_node("aws-node");
    let theirs =
        json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" });
    role["trust"]["Statement"].as_array_mut().unwrap().push(theirs);
    (roles, role)
}

/// ADOT has three service accounts; two of them have an association.
pub(crate) fn two_of_adot() -> [(&'static str, Value); 2] {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-vpc-cni";
    let one = |account: &str| json!({ "namespace": "opentelemetry-operator-system", "service_account": account, "role": role, "owner": "adot" });
    [
        ("/addons/1", json!({ "name": "adot", "version": "v0.131.0-eksbuild.1" })),
        ("/associations", json!([one("adot-col-otlp-ingest"), one("adot-col-prom-metrics")])),
    ]
}

/// The fields without which there is no agent.
pub(crate) fn without_agent() -> [(&'static str, Value); 1] {
    [("/addons/0", Value::Null)]
}

fn world(set: &[(&str, Value)]) -> Env {
    Env::with("carts-addons", set)
}

/// The associations that there are, as `namespace/account role owner`.
fn associations(env: &Env) -> Vec<String> {
    env.world.with(|state| {
        let one = |a: &podid_sandbox::aws::Association| {
            let role = a.role_arn.rsplit('/').next().unwrap_or_default().to_owned();
            let owner = a.owner_arn.as_deref().and_then(|owner| owner.split('/').nth(2)).unwrap_or("nobody").to_owned();
            format!("{}/{} {role} {owner}", a.namespace, a.service_account)
        };
        let mut all: Vec<String> = state.aws.associations.values().map(one).collect();
        all.sort();
        all
    })
}

/// The body of the only UpdateAddon, however often EKS had to be asked.
fn update(env: &Env) -> Value {
    let calls = env.world.journal().calls();
    let mut bodies: Vec<&Value> = calls.iter().filter(|c| c.operation == "UpdateAddon").map(|c| &c.body).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    bodies[0].clone()
}

#[test]
fn list() {
    let env = world(&[]);
    insta::assert_snapshot!(env.podid("addon list").ok(), @"
    exit 0
    --- stdout
    coredns	v1.12.4-eksbuild.1	ACTIVE	no issues	no		
    eks-pod-identity-agent	v1.3.10-eksbuild.1	ACTIVE	no issues	no		
    vpc-cni	v1.20.4-eksbuild.1	ACTIVE	no issues	yes	aws-node
    ");
    assert_eq!(env.podid("addon ls -o name").ok().stdout, "coredns\neks-pod-identity-agent\nvpc-cni\n");
    let found = env.podid("addon list -o json").ok().json();
    let cni = &found["addons"][2];
    assert_eq!(cni["supportsPodIdentity"], true);
    assert_eq!(
        cni["serviceAccounts"][0]["recommendedManagedPolicies"][0],
        "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
    );
    assert_eq!((&cni["podIdentityAssociations"], &cni["configured"]), (&json!([]), &json!(true)));
    assert!(env.writes().is_empty());
}

#[test]
fn roles_in_the_list() {
    let role = |set: &[(&str, Value)]| {
        let run = world(set).podid("addon list").ok();
        run.stdout.lines().last().and_then(|line| line.split('\t').nth(6)).unwrap_or_default().to_owned()
    };
    assert_eq!(role(&[]), "");
    assert_eq!(role(&[owned("eks-workshop-vpc-cni")]), "eks-workshop-vpc-cni");
    let irsa = ("/addons/2/service_account_role", json!("arn:aws:iam::111122223333:role/irsa-cni"));
    assert_eq!(role(&[irsa]), "IRSA role irsa-cni");
    let env = world(&[("/addons/2/issues", json!([["AccessDenied", "no access"]]))]);
    let _ = env.podid("addon list").ok().says("ACTIVE\tAccessDenied\tyes");
    let env = world(&[("/addons", json!([]))]);
    let run = env.podid("addon list").code(0).says("no add-ons in cluster eks-workshop");
    assert_eq!(run.stdout, "");
}

/// What may not be read is unknown, not absent.
#[test]
fn unread() {
    let env = world(&[denying("eks:DescribeAddonConfiguration")]);
    let _ = env
        .podid("addon list")
        .ok()
        .says("ACTIVE\tno issues\tunknown")
        .says("warning: support for Pod Identity unknown: not allowed: eks:DescribeAddonConfiguration");
    assert_eq!(env.podid("addon list -o json").ok().json()["addons"][2]["supportsPodIdentity"], Value::Null);
    let _ = env.podid("addon show vpc-cni").ok().says("unknown (not allowed: eks:DescribeAddonConfiguration)");
    let env = world(&[owned("eks-workshop-vpc-cni"), denying("eks:DescribePodIdentityAssociation")]);
    let _ = env.podid("addon list").ok().says("roles unknown: not allowed: eks:DescribePodIdentityAssociation");
    let env = world(&[owned("eks-workshop-vpc-cni"), denying("iam:GetRole")]);
    let _ = env.podid("addon show vpc-cni").ok().says("kube-system/aws-node: not checked: not allowed: iam:GetRole");
    let _ = world(&[denying("eks:ListAddons")]).podid("addon list").code(4);
}

#[test]
fn show() {
    insta::assert_snapshot!(world(&[]).podid("addon show vpc-cni").ok(), @"
    exit 0
    --- stdout
    Add-on:            vpc-cni
    Version:           v1.20.4-eksbuild.1
    Status:            ACTIVE
    Configuration:     set
    Pod Identity:      supported by this version
    Health:            no issues
    Service accounts:  aws-node: EKS recommends AmazonEKS_CNI_Policy
    Associations:      none
    --- stderr
    hint: to give it a role: `podid addon associate vpc-cni --create-role`
    ");
    let shown = |set: &[(&str, Value)], name: &str| world(set).podid(&format!("addon show {name}")).ok();
    let healthy = shown(&[owned("eks-workshop-vpc-cni")], "vpc-cni")
        .says("Associations:      kube-system/aws-node: role eks-workshop-vpc-cni\n")
        .says("Trust policies:    kube-system/aws-node: allowed\n");
    assert_eq!(healthy.stderr, "");
    let _ = shown(&[owned("eks-workshop-nodes")], "vpc-cni")
        .says("Trust policies:    kube-system/aws-node: not allowed: ")
        .says("hint: find the cause with `podid verify kube-system/aws-node`");
    let _ = shown(&[owned("gone")], "vpc-cni").says("kube-system/aws-node: the role does not exist");
    let _ = shown(&[], "coredns").says("not supported by this version");
    let _ = shown(&[], "eks-pod-identity-agent").says("not applicable: the agent uses the role of its node");
    let (at, mut unowned) = owned("eks-workshop-vpc-cni");
    unowned[0]["owner"] = Value::Null;
    let run = shown(&[(at, unowned)], "vpc-cni").says("not owned by the add-on");
    assert!(!run.stderr.contains("podid addon associate"), "{run}");
}

#[test]
fn not_installed() {
    for command in ["show", "associate --create-role", "disassociate"] {
        let env = world(&[]);
        let run = env.podid(&format!("addon {command} vpc-cin")).code(2);
        let _ =
            run.says("the add-on `vpc-cin` is not installed in cluster `eks-workshop`").says("did you mean `vpc-cni`?");
        assert!(env.writes().is_empty());
    }
}

fn steps(run: &Run) -> Vec<String> {
    let all = run.json()["steps"].as_array().cloned().unwrap_or_default();
    all.iter().map(|step| format!("{} {}", step["id"].as_str().unwrap(), step["status"].as_str().unwrap())).collect()
}
