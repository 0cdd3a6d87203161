//! What the pods act as, in the column CREDENTIALS.

use serde_json::json;

use crate::support::{APP, Env};

#[test]
fn pods_from_before_the_association() {
    // One that crashes is for moments running.
    let env = Env::with("carts-associated", &[("/associations/0/age_s", json!(60)), (APP, json!("log up"))]);
    insta::assert_snapshot!(env.podid("show carts/carts").ok().steady(), @"
    exit 0
    --- stdout
    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Trust:            allows this service account
    Policies:         arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Session tags:     sent
    Tags:             none
    Created:          [time]
    Workloads:
      WORKLOAD          READY  STRATEGY
      deployment/carts  2/2    RollingUpdate
    Pods:
      POD                     CREDENTIALS                         STATUS   AGE                   NODE
      carts-[pod]  not injected, uses the node's role  Running  [time]  ip-10-42-11-12.us-west-2.compute.internal
      carts-[pod]  not injected, uses the node's role  Running  [time]  ip-10-42-12-13.us-west-2.compute.internal
    --- stderr
    hint: 2 pods without the association: restart with `podid recycle carts/carts`
    ");
}

#[test]
fn keys_of_its_own_are_named() {
    let of = |variables: serde_json::Value| {
        let env = ("/manifests/8/spec/template/spec/containers/0/env", variables);
        Env::with("carts-verified", &[env]).podid("show carts/carts").ok().stdout
    };
    let keys =
        of(json!([{ "name": "AWS_ACCESS_KEY_ID", "value": "k" }, { "name": "AWS_SECRET_ACCESS_KEY", "value": "s" }]));
    assert!(keys.contains("injected, uses static keys (AWS_ACCESS_KEY_ID from env)"), "{keys}");
    let none =
        of(json!([{ "name": "AWS_ACCESS_KEY_ID", "value": "" }, { "name": "AWS_SECRET_ACCESS_KEY", "value": "" }]));
    assert!(none.contains("injected") && !none.contains("uses"), "{none}");
}
