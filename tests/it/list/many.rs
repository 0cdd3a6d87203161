//! `podid list` over many clusters.

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::ROLE;
use crate::{
    calls::tally,
    support::{Env, denying},
};

/// Three clusters in two regions, and what else differs.
fn clusters(set: &[(&str, Value)]) -> Env {
    let cluster = |name: &str, region: Value| json!({ "name": name, "version": "1.33", "region": region });
    let association = |cluster: &str, namespace: &str| json!({ "cluster": cluster, "namespace": namespace, "service_account": "api", "role": ROLE });
    let mut fields = vec![
        ("/clusters/-", cluster("blue", Value::Null)),
        ("/clusters/-", cluster("green", json!("eu-west-1"))),
        ("/associations/-", association("blue", "team-b")),
        ("/associations/-", association("blue", "team-a")),
        ("/associations/-", association("green", "team-a")),
        ("/disabled_regions", json!(["me-south-1", "af-south-1"])),
    ];
    fields.extend(set.iter().cloned());
    Env::with("carts-associated", &fields)
}

/// The field that lets the caller do everything, but not this in eu-west-1.
fn denying_there(action: &str) -> (&'static str, Value) {
    let (field, mut policies) = denying(action);
    policies[0]["Statement"][1]["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1" } });
    (field, policies)
}

#[test]
fn named() {
    let env = clusters(&[]);
    let line = "list --cluster eks-workshop -c blue -c blue";
    insta::assert_snapshot!(env.podid(line).ok().steady(), @"
    exit 0
    --- stdout
    blue	team-a	api	eks-workshop-carts-dynamo			[time]
    blue	team-b	api	eks-workshop-carts-dynamo			[time]
    eks-workshop	carts	carts	eks-workshop-carts-dynamo			[time]
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} -n team-a -o json")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "associations": [
        {
          "clusterName": "blue",
          "namespace": "team-a",
          "serviceAccount": "api",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/blue/a-[id]",
          "associationId": "a-[id]",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "disableSessionTags": false,
          "tags": {},
          "createdAt": "[time]",
          "modifiedAt": "[time]",
          "clusterArn": "arn:aws:eks:us-west-2:111122223333:cluster/blue"
        }
      ],
      "unread": []
    }
    "#);
    insta::assert_snapshot!(env.podid(&format!("{line} -o name")).ok().steady(), @"
    exit 0
    --- stdout
    blue/team-a/api
    blue/team-b/api
    eks-workshop/carts/carts
    ");
    let green = "arn:aws:eks:eu-west-1:111122223333:cluster/green";
    insta::assert_snapshot!(env.podid(&format!("list -c blue -c {green}")).ok().steady(), @"
    exit 0
    --- stdout
    eu-west-1	green	team-a	api	eks-workshop-carts-dynamo			[time]
    us-west-2	blue	team-a	api	eks-workshop-carts-dynamo			[time]
    us-west-2	blue	team-b	api	eks-workshop-carts-dynamo			[time]
    ");
    insta::assert_snapshot!(env.podid(&format!("list -c blue -c {green} team-a/* -o name")).ok().steady(), @"
    exit 0
    --- stdout
    eu-west-1/green/team-a/api
    us-west-2/blue/team-a/api
    ");
}

#[test]
fn on_a_terminal() {
    let env = clusters(&[]);
    insta::assert_snapshot!(env.tty(80, &["list", "--all-regions"], "").ok().steady(), @"
    exit 0
    --- stdout
    note: not enabled for this account: af-south-1, me-south-1
    REGION     CLUSTER       NAMESPACE  SERVICE ACCOUNT  ROLE
    eu-west-1  green         team-a     api              eks-workshop-carts-dynamo
    us-west-2  blue          team-a     api              eks-workshop-carts-dynamo
    us-west-2  blue          team-b     api              eks-workshop-carts-dynamo
    us-west-2  eks-workshop  carts      carts            eks-workshop-carts-dynamo
    note: 1 column is hidden (AGE); `-o wide` shows all
    ");
    insta::assert_snapshot!(env.tty(200, &["list", "--all-clusters"], "").ok().steady(), @"
    exit 0
    --- stdout
    CLUSTER       NAMESPACE  SERVICE ACCOUNT  ROLE                       AGE
    blue          team-a     api              eks-workshop-carts-dynamo  [age]
    blue          team-b     api              eks-workshop-carts-dynamo  [age]
    eks-workshop  carts      carts            eks-workshop-carts-dynamo  [age]
    ");
}

#[test]
fn all_of_the_region() {
    let env = clusters(&[]);
    insta::assert_snapshot!(env.podid("list --all-clusters").ok().steady(), @"
    exit 0
    --- stdout
    blue	team-a	api	eks-workshop-carts-dynamo			[time]
    blue	team-b	api	eks-workshop-carts-dynamo			[time]
    eks-workshop	carts	carts	eks-workshop-carts-dynamo			[time]
    ");
    insta::assert_snapshot!(env.podid("list --all-clusters --region eu-west-1 -o name").ok().steady(), @"
    exit 0
    --- stdout
    green/team-a/api
    ");
    insta::assert_snapshot!(env.podid("list --all-clusters --role nobody").ok().steady(), @"
    exit 0
    --- stderr
    note: no associations with role nobody in 2 clusters
    ");
    insta::assert_snapshot!(env.podid("list --all-clusters --region eu-west-2 -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "associations": [],
      "unread": []
    }
    --- stderr
    note: no clusters in eu-west-2
    "#);
}

#[test]
fn all_of_all_regions() {
    let env = clusters(&[]);
    insta::assert_snapshot!(env.podid("list --all-regions").ok().steady(), @"
    exit 0
    --- stdout
    eu-west-1	green	team-a	api	eks-workshop-carts-dynamo			[time]
    us-west-2	blue	team-a	api	eks-workshop-carts-dynamo			[time]
    us-west-2	blue	team-b	api	eks-workshop-carts-dynamo			[time]
    us-west-2	eks-workshop	carts	carts	eks-workshop-carts-dynamo			[time]
    --- stderr
    note: not enabled for this account: af-south-1, me-south-1
    ");
    let json = env.podid("list --all-regions team-a/* -o json -q").ok().json();
    let arns: Vec<&str> =
        json["associations"].as_array().unwrap().iter().map(|a| a["clusterArn"].as_str().unwrap()).collect();
    assert_eq!(
        arns,
        ["arn:aws:eks:eu-west-1:111122223333:cluster/green", "arn:aws:eks:us-west-2:111122223333:cluster/blue"]
    );
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_shown() {
    let env = clusters(&[]);
    insta::assert_snapshot!(env.podid("list -c blue -c nowhere").code(1).steady(), @"
    exit 1
    --- stdout
    blue	team-a	api	eks-workshop-carts-dynamo			[time]
    blue	team-b	api	eks-workshop-carts-dynamo			[time]
    --- stderr
    error: cluster nowhere in us-west-2 could not be read
      caused by: cannot list associations of cluster `nowhere`
      caused by: No cluster found for name: nowhere.
      caused by: the cluster does not exist in this account and region
      request id: [uuid]

    hint: list the clusters: `aws eks list-clusters`
    hint: check `--cluster`, `--region` and `--profile`
    ");
    insta::assert_snapshot!(env.podid("list -c nowhere -c blue -c neither -o json").code(1).steady(), @r#"
    exit 1
    --- stdout
    {
      "associations": [
        {
          "clusterName": "blue",
          "namespace": "team-a",
          "serviceAccount": "api",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/blue/a-[id]",
          "associationId": "a-[id]",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "disableSessionTags": false,
          "tags": {},
          "createdAt": "[time]",
          "modifiedAt": "[time]",
          "clusterArn": "arn:aws:eks:us-west-2:111122223333:cluster/blue"
        },
        {
          "clusterName": "blue",
          "namespace": "team-b",
          "serviceAccount": "api",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/blue/a-[id]",
          "associationId": "a-[id]",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "disableSessionTags": false,
          "tags": {},
          "createdAt": "[time]",
          "modifiedAt": "[time]",
          "clusterArn": "arn:aws:eks:us-west-2:111122223333:cluster/blue"
        }
      ],
      "unread": [
        {
          "what": "cluster nowhere in us-west-2",
          "why": "cannot list associations of cluster `nowhere`: No cluster found for name: nowhere.: the cluster does not exist in this account and region"
        },
        {
          "what": "cluster neither in us-west-2",
          "why": "cannot list associations of cluster `neither`: No cluster found for name: neither.: the cluster does not exist in this account and region"
        }
      ]
    }
    --- stderr
    {"error":{"code":"failed","message":"2 clusters could not be read: cluster nowhere in us-west-2: cannot list associations of cluster `nowhere`: No cluster found for name: nowhere.: the cluster does not exist in this account and region: cluster neither in us-west-2: cannot list associations of cluster `neither`: No cluster found for name: neither.: the cluster does not exist in this account and region","requestId":null,"hints":["check `--cluster`, `--region` and `--profile`","list the clusters: `aws eks list-clusters`"]}}
    "#);
    let env = clusters(&[denying_there("eks:ListClusters")]);
    insta::assert_snapshot!(env.podid("list --all-regions -o name").code(1).steady(), @"
    exit 1
    --- stdout
    us-west-2/blue/team-a/api
    us-west-2/blue/team-b/api
    us-west-2/eks-workshop/carts/carts
    --- stderr
    note: not enabled for this account: af-south-1, me-south-1
    error: region eu-west-1 could not be read
      caused by: cannot list clusters
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:ListClusters on resource: arn:aws:eks:eu-west-1:111122223333:cluster/* with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:ListClusters` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = clusters(&[denying_there("eks:DescribePodIdentityAssociation")]);
    insta::assert_snapshot!(env.podid("list --all-regions -q").code(1).steady(), @"
    exit 1
    --- stdout
    us-west-2	blue	team-a	api	eks-workshop-carts-dynamo			[time]
    us-west-2	blue	team-b	api	eks-workshop-carts-dynamo			[time]
    us-west-2	eks-workshop	carts	carts	eks-workshop-carts-dynamo			[time]
    --- stderr
    error: cluster green in eu-west-1 could not be read
      caused by: cannot read association `a-[id]` of cluster `green`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:DescribePodIdentityAssociation on resource: arn:aws:eks:eu-west-1:111122223333:podidentityassociation/green/a-[id] with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:DescribePodIdentityAssociation` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let mut env = clusters(&[]);
    env.var("AWS_SECRET_ACCESS_KEY", "other");
    let _ = env.podid("list --all-clusters").code(4);
    let _ = env.podid("list --all-regions").code(4).says("34 regions could not be read");
}

#[test]
fn another_accounts_cluster() {
    let env = clusters(&[]);
    let other = "arn:aws:eks:us-west-2:999900001111:cluster/blue";
    let _ = env.podid(&format!("list -c eks-workshop -c {other}")).code(1).says(
        "belong to another account: expected 999900001111, found arn:aws:eks:us-west-2:111122223333:cluster/blue",
    );
}

#[test]
fn contradictions() {
    let env = clusters(&[]);
    for (line, why) in [
        ("list --all-clusters -c blue", "--all-clusters conflicts with `--cluster blue`"),
        ("list --all-regions -c blue", "--all-regions conflicts with `--cluster blue`"),
        ("list --all-regions --region us-west-2", "--all-regions conflicts with `--region us-west-2`"),
        ("list -c blue -c green --context x", "--kubeconfig, --context and --in-cluster select only one cluster"),
        ("show carts/carts -c blue -c green", "--cluster is set more than once: `blue`, `green`"),
        ("recycle carts/carts -c blue -c blue", "only commands with `--all-clusters` accept several clusters"),
    ] {
        let _ = env.podid(line).code(2).says(why);
    }
    assert!(env.operations().is_empty());
}

#[test]
fn what_it_costs() {
    let env = clusters(&[]);
    let _ = env.podid("list --all-clusters -o json").ok();
    let lists = ["2 eks ListPodIdentityAssociations".to_owned()];
    let one = "1 eks ListClusters".to_owned();
    assert_eq!(tally(&env), [&["3 eks DescribePodIdentityAssociation".to_owned(), one.clone()][..], &lists].concat());
    env.world.journal().clear();
    let _ = env.podid("list --all-clusters -o name").ok();
    assert_eq!(tally(&env), [&[one][..], &lists].concat());
    env.world.journal().clear();
    let _ = env.podid("list -c blue -c eks-workshop -o name").ok();
    assert_eq!(tally(&env), lists);
    env.world.journal().clear();
    let _ = env.podid("list --all-regions -o name").ok();
    assert_eq!(tally(&env), ["34 eks ListClusters", "3 eks ListPodIdentityAssociations"]);
}

#[test]
fn out_of_time() {
    let env = clusters(&[]);
    env.world.faults().add(Fault::always("eks", "ListClusters", Action::Delay(std::time::Duration::from_secs(30))));
    let _ = env.podid("list --all-clusters --timeout 2s").code(5).says("timed out after 2s while listing the clusters");
    let _ = env.podid("list --all-regions --timeout 2s").code(5).says("34 regions could not be read");
    // A world of its own: what the runs before asked may still be on its way.
    let env = clusters(&[]);
    env.world.faults().add(Fault::always("eks", "ListClusters", Action::Delay(std::time::Duration::from_secs(30))));
    let asked = |world: &podid_sandbox::Sandbox| world.journal().count("eks", "ListClusters") > 0;
    let run = env.signalled("list --all-regions", "INT", asked).code(130);
    insta::assert_snapshot!(run.steady(), @"
    exit 130
    --- stderr
    error: interrupted
    ");
}
