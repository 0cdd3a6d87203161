//! The main job and its end in the other partitions: every ARN and the token's host are that partition's.

use serde_json::json;

use crate::support::Env;

fn works(partition: &str, region: &str) {
    let arn = |resource: &str| json!(format!("arn:{partition}:iam::{resource}"));
    let full = arn("aws:policy/AmazonDynamoDBFullAccess");
    let allow = |action: &str| json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] });
    let node = arn("aws:policy/AmazonEKSWorkerNodePolicy");
    let set = [
        ("/partition", json!(partition)),
        ("/region", json!(region)),
        ("/callers/0/arn", arn("111122223333:user/workshop")),
        ("/roles/0/attached", json!([node])),
        (
            "/policies",
            json!([
                { "arn": full, "document": allow("dynamodb:*") },
                { "arn": node, "document": allow("eks-auth:AssumeRoleForPodIdentity") },
            ]),
        ),
    ];
    let env = Env::with("carts-agent", &set);
    let full = full.as_str().unwrap();
    let line = format!(
        "associate carts/carts --create-role --path /apps/ --permissions-boundary {full} --policy-arn {full} \
         --dynamodb eks-workshop-carts=read-write --recycle"
    );
    let _ = env.podid(&line).ok().says("deployment/carts: rolled out");
    let shown = env.podid("show carts/carts -o json").ok().json();
    let role = shown["association"]["roleArn"].as_str().unwrap();
    assert!(
        role.starts_with(&format!("arn:{partition}:iam::111122223333:role/apps/eks-workshop-carts-carts-")),
        "{role}"
    );
    assert_eq!(shown["trust"]["verdict"], "allows", "{shown}");
    let cluster = format!("arn:{partition}:eks:{region}:111122223333:cluster/eks-workshop");
    assert_eq!(shown["association"]["tags"]["podid.dev/cluster"], *cluster);
    let listed = env.podid("role list -o json").ok().json();
    assert_eq!(listed["roles"][0]["roleArn"], *role, "{listed}");
    let name = role.rsplit('/').next().unwrap();
    let _ = env.podid(&format!("role trust {name} --service-account carts/carts")).ok().says("no mistakes found");
    let _ = env.podid("disassociate carts/carts --delete-role --yes").ok();
    assert!(env.world.with(|state| !state.aws.roles.contains_key(name)));
}

#[test]
fn china() {
    works("aws-cn", "cn-north-1");
}

#[test]
fn us_government() {
    works("aws-us-gov", "us-gov-west-1");
}

#[test]
fn european_sovereign_cloud() {
    works("aws-eusc", "eusc-de-east-1");
}
