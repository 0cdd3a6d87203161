//! `podid role list`.

use serde_json::{Value, json};

use super::{ROLE, trusting};
use crate::{
    calls::tally,
    support::{Env, denying},
};

const OTHER: &str = "arn:aws:iam::111122223333:role/team/orders";

/// Two more roles, one used by two service accounts and as a target, one by nobody.
fn several() -> Env {
    let narrow = json!({"StringEquals": {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
        "aws:RequestTag/kubernetes-namespace": "orders"}});
    Env::with(
        "carts-associated",
        &[
            ("/roles/-", json!({"name": "orders", "path": "/team/", "trust": trusting(&narrow)})),
            ("/roles/-", json!({"name": "spare", "trust": trusting(&Value::Null)})),
            ("/associations/-", json!({"namespace": "orders", "service_account": "api", "role": OTHER})),
            ("/associations/-", json!({"namespace": "orders", "service_account": "worker", "role": OTHER})),
        ],
    )
}

#[test]
fn table_wide_and_names() {
    let env = several();
    insta::assert_snapshot!(env.podid("role list").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo	carts/carts	every service account of any cluster	[time]
    orders	orders/api +1	orders/* of cluster eks-workshop	[time]
    spare		every service account of any cluster	[time]
    ");
    insta::assert_snapshot!(env.tty(100, &["role", "list"], "").ok().steady(), @"
    exit 0
    --- stdout
    ROLE                       USED BY        ALLOWS                                AGE
    eks-workshop-carts-dynamo  carts/carts    every service account of any cluster  [age]
    orders                     orders/api +1  orders/* of cluster eks-workshop      [age]
    spare                      -              every service account of any cluster  [age]
    ");
    insta::assert_snapshot!(env.tty(60, &["role", "ls"], "").ok().steady(), @"
    exit 0
    --- stdout
    ROLE                       USED BY
    eks-workshop-carts-dynamo  carts/carts
    orders                     orders/api +1
    spare                      -
    note: 2 columns are hidden (ALLOWS, AGE); `-o wide` shows
      all
    ");
    insta::assert_snapshot!(env.tty(200, &["role", "list", "-o", "wide"], "").ok().steady(), @"
    exit 0
    --- stdout
    ROLE                       USED BY        ALLOWS                                AGE                   ARN
    eks-workshop-carts-dynamo  carts/carts    every service account of any cluster  [time]  arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    orders                     orders/api +1  orders/* of cluster eks-workshop      [time]  arn:aws:iam::111122223333:role/team/orders
    spare                      -              every service account of any cluster  [time]  arn:aws:iam::111122223333:role/spare
    ");
    insta::assert_snapshot!(env.podid("role list -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "roles": [
        {
          "roleName": "eks-workshop-carts-dynamo",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "createdAt": "[time]",
          "mayAssume": [
            "every service account of any cluster"
          ],
          "associations": [
            {
              "clusterName": "eks-workshop",
              "namespace": "carts",
              "serviceAccount": "carts",
              "associationId": "a-[id]",
              "asTarget": false
            }
          ]
        },
        {
          "roleName": "orders",
          "roleArn": "arn:aws:iam::111122223333:role/team/orders",
          "createdAt": "[time]",
          "mayAssume": [
            "orders/* of cluster eks-workshop"
          ],
          "associations": [
            {
              "clusterName": "eks-workshop",
              "namespace": "orders",
              "serviceAccount": "api",
              "associationId": "a-[id]",
              "asTarget": false
            },
            {
              "clusterName": "eks-workshop",
              "namespace": "orders",
              "serviceAccount": "worker",
              "associationId": "a-[id]",
              "asTarget": false
            }
          ]
        },
        {
          "roleName": "spare",
          "roleArn": "arn:aws:iam::111122223333:role/spare",
          "createdAt": "[time]",
          "mayAssume": [
            "every service account of any cluster"
          ],
          "associations": []
        }
      ]
    }
    "#);
    env.world.journal().clear();
    insta::assert_snapshot!(env.podid("role list -o name").ok(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo
    orders
    spare
    ");
    assert_eq!(tally(&env), ["1 iam ListRoles"]);
}

#[test]
fn unused() {
    let env = several();
    insta::assert_snapshot!(env.podid("role list --unused -o name").ok(), @"
    exit 0
    --- stdout
    spare
    ");
    // The same role, used, is not there.
    let used =
        json!({"namespace": "spare", "service_account": "spare", "role": "arn:aws:iam::111122223333:role/spare"});
    let env = Env::with(
        "carts-associated",
        &[("/roles/-", json!({"name": "spare", "trust": trusting(&Value::Null)})), ("/associations/-", used)],
    );
    insta::assert_snapshot!(env.podid("role list --unused").ok(), @"
    exit 0
    --- stderr
    note: no unused roles that trust Pod Identity in cluster eks-workshop (3 roles read)
    ");
}

#[test]
fn without_a_cluster() {
    let mut env = several();
    env.unset("PODID_CLUSTER");
    insta::assert_snapshot!(env.podid("role list").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo	?	every service account of any cluster	[time]
    orders	?	orders/* of cluster eks-workshop	[time]
    spare	?	every service account of any cluster	[time]
    --- stderr
    note: no cluster specified: associations were not read
    ");
    insta::assert_snapshot!(env.podid("role list --unused").code(2), @"
    exit 2
    --- stderr
    error: `--unused` needs a cluster

    hint: pass `--cluster NAME` or `--all-clusters`
    ");
    let run = env.podid("role list --all-clusters -o json").ok();
    assert_eq!(run.json()["roles"][0]["associations"][0]["namespace"], "carts", "{run}");
}

#[test]
fn in_every_cluster() {
    let blue = json!({"cluster": "blue", "namespace": "carts", "service_account": "carts", "role": OTHER});
    let env = Env::with(
        "carts-associated",
        &[
            ("/clusters/-", json!({"name": "blue", "version": "1.33"})),
            ("/roles/-", json!({"name": "orders", "path": "/team/", "trust": trusting(&Value::Null)})),
            ("/associations/-", blue),
        ],
    );
    insta::assert_snapshot!(env.podid("role list").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo	carts/carts	every service account of any cluster	[time]
    orders		every service account of any cluster	[time]
    ");
    // PODID_CLUSTER does not stand in the way, a flag does.
    insta::assert_snapshot!(env.podid("role list --all-clusters").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo	eks-workshop:carts/carts	every service account of any cluster	[time]
    orders	blue:carts/carts	every service account of any cluster	[time]
    ");
    insta::assert_snapshot!(env.podid("role list --all-clusters --cluster blue").code(2), @"
    exit 2
    --- stderr
    error: --all-clusters conflicts with `--cluster blue`

    hint: pass only one of them
    ");
}

#[test]
fn many_roles_and_many_associations() {
    let mut roles: Vec<Value> = (0..1200)
        .map(|n| {
            let service = if n % 100 == 0 { "pods.eks.amazonaws.com" } else { "ec2.amazonaws.com" };
            let statement = json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole", "sts:TagSession"]});
            json!({"name": format!("role-{n:04}"), "trust": {"Version": "2012-10-17", "Statement": [statement]}})
        })
        .collect();
    let associations: Vec<Value> = (0..120)
        .map(|n| json!({"namespace": "many", "service_account": format!("sa-{n}"), "role": "arn:aws:iam::111122223333:role/role-0100"}))
        .collect();
    // The API's order is the names', whatever that of their making.
    roles.reverse();
    let mut set: Vec<(&str, Value)> = roles.into_iter().map(|role| ("/roles/-", role)).collect();
    set.push(("/associations", Value::Array(associations)));
    let env = Env::with("carts-associated", &set);
    let run = env.podid("role list -o json").ok();
    let roles = run.json();
    let roles = roles["roles"].as_array().unwrap();
    assert_eq!(roles.len(), 12 + 1, "those of a hundred each, and the workshop's");
    let used = roles.iter().find(|role| role["roleName"] == "role-0100").unwrap();
    assert_eq!(used["associations"].as_array().unwrap().len(), 120);
    assert_eq!(
        tally(&env),
        ["120 eks DescribePodIdentityAssociation", "2 eks ListPodIdentityAssociations", "2 iam ListRoles"],
        "no call per role"
    );
    let _ = env.podid("role list").ok().says("many/sa-0 +119").says("roles: 1202 read");
}

#[test]
fn none() {
    let env = Env::with("carts-before", &[]);
    insta::assert_snapshot!(env.podid("role list").ok(), @"
    exit 0
    --- stderr
    note: no role of this account trusts Pod Identity (1 role read)
    ");
    insta::assert_snapshot!(env.podid("role list -o json --unused").ok(), @r#"
    exit 0
    --- stdout
    {
      "roles": []
    }
    --- stderr
    note: no unused roles that trust Pod Identity in cluster eks-workshop (1 role read)
    "#);
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[denying("iam:ListRoles")]);
    insta::assert_snapshot!(env.podid("role list").code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot list the roles of the account
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: iam:ListRoles on resource: arn:aws:iam::111122223333:role/ with an explicit deny in an identity-based policy
      caused by: a policy denies `iam:ListRoles` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with("carts-associated", &[denying("eks:DescribePodIdentityAssociation")]);
    insta::assert_snapshot!(env.podid("role list").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop-carts-dynamo	?	every service account of any cluster	[time]
    --- stderr
    warning: could not read which roles cluster eks-workshop uses: not allowed: eks:DescribePodIdentityAssociation
    ");
    insta::assert_snapshot!(env.podid("role list --unused").code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot determine which roles cluster eks-workshop uses
      caused by: not allowed: eks:DescribePodIdentityAssociation
    ");
    assert_eq!(env.podid("role list -o json").ok().json()["roles"][0]["associations"], Value::Null);
    let env = Env::new("carts-associated");
    let _ = env.podid("role list -c nowhere").code(1).says("no cluster `nowhere`");
    assert_eq!(env.podid("role list -o name").ok().stdout, format!("{ROLE}\n"));
}
