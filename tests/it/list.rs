//! `podid list`.

mod many;

use std::time::Duration;

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::support::{Env, denying};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// Several associations, one of them an add-on's, one with a target role; not in order.
fn several() -> Env {
    let set = json!([
        { "namespace": "orders", "service_account": "orders", "role": ROLE, "age_s": 90000 },
        {
            "namespace": "kube-system",
            "service_account": "ebs-csi-controller-sa",
            "role": ROLE,
            "owner": "arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/aws-ebs-csi-driver/6ec9a5b5-1b5c-4f5e-8d3a-0f1a2b3c4d5e",
        },
        {
            "namespace": "carts",
            "service_account": "carts",
            "role": ROLE,
            "target_role": "arn:aws:iam::444455556666:role/carts-data",
            "tags": { "team": "carts" },
        },
    ]);
    Env::with("carts-associated", &[("/associations", set)])
}

#[test]
fn in_a_pipe() {
    let env = several();
    insta::assert_snapshot!(env.podid("list").ok().steady(), @r"
    exit 0
    --- stdout
    carts	carts	eks-workshop-carts-dynamo	carts-data		[time]
    kube-system	ebs-csi-controller-sa	eks-workshop-carts-dynamo		aws-ebs-csi-driver	[time]
    orders	orders	eks-workshop-carts-dynamo			[time]
    ");
    insta::assert_snapshot!(env.podid("list -o wide").ok().steady(), @r"
    exit 0
    --- stdout
    carts	carts	arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo	arn:aws:iam::444455556666:role/carts-data		[time]	a-[id]
    kube-system	ebs-csi-controller-sa	arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo		aws-ebs-csi-driver	[time]	a-[id]
    orders	orders	arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo			[time]	a-[id]
    ");
    insta::assert_snapshot!(env.podid("list -o name").ok().steady(), @r"
    exit 0
    --- stdout
    carts/carts
    kube-system/ebs-csi-controller-sa
    orders/orders
    ");
    insta::assert_snapshot!(env.podid("ls -n carts -o yaml").ok().steady(), @r"
    exit 0
    --- stdout
    associations:
    - clusterName: eks-workshop
      namespace: carts
      serviceAccount: carts
      associationArn: arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
      associationId: a-[id]
      roleArn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
      targetRoleArn: arn:aws:iam::444455556666:role/carts-data
      externalId: us-west-2/111122223333/eks-workshop/carts/carts
      disableSessionTags: false
      tags:
        team: carts
      createdAt: [time]
      modifiedAt: [time]
    ");
    insta::assert_snapshot!(env.podid("list -n carts -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "associations": [
        {
          "clusterName": "eks-workshop",
          "namespace": "carts",
          "serviceAccount": "carts",
          "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
          "associationId": "a-[id]",
          "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
          "targetRoleArn": "arn:aws:iam::444455556666:role/carts-data",
          "externalId": "us-west-2/111122223333/eks-workshop/carts/carts",
          "disableSessionTags": false,
          "tags": {
            "team": "carts"
          },
          "createdAt": "[time]",
          "modifiedAt": "[time]"
        }
      ]
    }
    "#);
}

#[test]
fn on_a_terminal() {
    let env = several();
    insta::assert_snapshot!(env.tty(80, &["list"], "").ok().steady(), @"
    exit 0
    --- stdout
    NAMESPACE    SERVICE ACCOUNT        ROLE                       TARGET ROLE  AGE
    carts        carts                  eks-workshop-carts-dynamo  carts-data   [age]
    kube-system  ebs-csi-controller-sa  eks-workshop-carts-dynamo  -            [age]
    orders       orders                 eks-workshop-carts-dynamo  -            [age]
    note: 1 column is hidden (OWNER); `-o wide` shows all
    ");
    insta::assert_snapshot!(env.tty(200, &["list"], "").ok().steady(), @r"
    exit 0
    --- stdout
    NAMESPACE    SERVICE ACCOUNT        ROLE                       TARGET ROLE  OWNER               AGE
    carts        carts                  eks-workshop-carts-dynamo  carts-data   -                   [age]
    kube-system  ebs-csi-controller-sa  eks-workshop-carts-dynamo  -            aws-ebs-csi-driver  [age]
    orders       orders                 eks-workshop-carts-dynamo  -            -                   [age]
    ");
    insta::assert_snapshot!(env.tty(30, &["list"], "").ok().steady(), @"
    exit 0
    --- stdout
    NAMESPACE    SERVICE ACCOUNT  ROLE
    carts        carts            eks-wo…ynamo
    kube-system  ebs-csi…ller-sa  eks-wo…ynamo
    orders       orders           eks-wo…ynamo
    note: 3 columns are hidden
      (TARGET ROLE, OWNER, AGE)
      and long values are
      shortened; `-o wide` shows
      everything
    ");
}

#[test]
fn by_role_or_target_role() {
    let env = several();
    assert_eq!(env.podid("list --role eks-workshop-carts-dynamo -o name").ok().stdout.lines().count(), 3);
    assert_eq!(env.podid("list --role carts-data -o name").ok().stdout, "carts/carts\n");
    assert_eq!(env.podid("list --role arn:aws:iam::444455556666:role/carts-data -o name").ok().stdout, "carts/carts\n");
    insta::assert_snapshot!(env.podid("list --role nobody -n carts").ok().steady(), @r"
    exit 0
    --- stderr
    note: no associations in namespace carts with role nobody in cluster eks-workshop
    ");
}

#[test]
fn nothing() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("list").ok().steady(), @r"
    exit 0
    --- stderr
    note: no associations in cluster eks-workshop
    ");
    insta::assert_snapshot!(env.podid("list -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "associations": []
    }
    --- stderr
    note: no associations in cluster eks-workshop
    "#);
    insta::assert_snapshot!(env.podid("list -q -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "associations": []
    }
    "#);
    insta::assert_snapshot!(env.podid("list -q").ok().steady(), @"exit 0");
    insta::assert_snapshot!(env.tty(80, &["list", "-n", "carts"], "").ok().steady(), @r"
    exit 0
    --- stdout
    note: no associations in namespace carts in cluster eks-workshop
    ");
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[denying("eks:ListPodIdentityAssociations")]);
    insta::assert_snapshot!(env.podid("list").code(4).steady(), @r"
    exit 4
    --- stderr
    error: cannot list associations of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:ListPodIdentityAssociations on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:ListPodIdentityAssociations` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    insta::assert_snapshot!(env.podid("list -o json").code(4).steady(), @r#"
    exit 4
    --- stderr
    {"error":{"code":"AccessDeniedException","message":"cannot list associations of cluster `eks-workshop`: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:ListPodIdentityAssociations on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy: a policy denies `eks:ListPodIdentityAssociations` to the caller, whatever else allows it","requestId":"[uuid]","hints":["ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`"]}}
    "#);
    let env = Env::with("carts-associated", &[denying("eks:DescribePodIdentityAssociation")]);
    insta::assert_snapshot!(env.podid("list").code(4).steady(), @r"
    exit 4
    --- stderr
    error: cannot read association `a-[id]` of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:DescribePodIdentityAssociation on resource: arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id] with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:DescribePodIdentityAssociation` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    assert_eq!(env.podid("list -o name").ok().stdout, "carts/carts\n");
}

#[test]
fn no_such_cluster() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("list -c eks-workshp").code(1).steady(), @r"
    exit 1
    --- stderr
    error: no cluster `eks-workshp` (from --cluster) in us-west-2 (from the AWS configuration)
      caused by: No cluster found for name: eks-workshp.
      caused by: the cluster does not exist in this account and region
      request id: [uuid]

    hint: did you mean `--cluster eks-workshop`?
    ");
    insta::assert_snapshot!(env.podid("list -n Carts").code(2).steady(), @r"
    exit 2
    --- stderr
    error: --namespace: namespace `Carts` has upper-case letters; Kubernetes names are lower-case
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn out_of_time() {
    let env = Env::new("carts-associated");
    let late = Action::Delay(std::time::Duration::from_secs(30));
    env.world.faults().add(Fault::always("eks", "ListPodIdentityAssociations", late));
    insta::assert_snapshot!(env.podid("list --timeout 1s").code(5).steady(), @r"
    exit 5
    --- stderr
    error: timed out after 1s while listing associations

    hint: allow more time with `--timeout`
    ");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        env.world.journal().clear();
        let asked = |world: &podid_sandbox::Sandbox| world.journal().count("eks", "ListPodIdentityAssociations") > 0;
        let run = env.signalled("list -o json", signal, asked).code(code);
        assert!(run.stdout.is_empty(), "{run}");
        if signal == "INT" {
            insta::assert_snapshot!(run.steady(), @r#"
            exit 130
            --- stderr
            {"error":{"code":"interrupted","message":"interrupted","requestId":null,"hints":[]}}
            "#);
        }
    }
}

/// More than two pages; the API's order is no order.
#[test]
fn many() {
    let many: Vec<Value> = (0..250)
        .map(|i| (i * 7919) % 250)
        .map(|i| json!({ "namespace": format!("team-{}", i % 5), "service_account": format!("app-{i:03}"), "role": ROLE }))
        .collect();
    let env = Env::with("carts-associated", &[("/associations", json!(many))]);
    let names: Vec<String> = env.podid("list -o name").ok().stdout.lines().map(str::to_owned).collect();
    assert_eq!(names.len(), 250);
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(env.world.journal().count("eks", "ListPodIdentityAssociations"), 3, "pages");
    assert_eq!(env.world.journal().count("eks", "DescribePodIdentityAssociation"), 0);

    let json = env.podid("list -o json").ok().json();
    let listed: Vec<String> = json["associations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| format!("{}/{}", a["namespace"].as_str().unwrap(), a["serviceAccount"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, names, "the same ones in the same order");
    assert_eq!(env.world.journal().count("eks", "DescribePodIdentityAssociation"), 250);

    let table = env.podid("list").ok().stdout;
    let rows: Vec<String> = table.lines().map(|row| row.split('\t').take(2).collect::<Vec<_>>().join("/")).collect();
    assert_eq!(rows, names);
}

/// Part of a list is no list, however much of it was read.
#[test]
fn a_later_page_is_denied() {
    let one = |n: usize| json!({ "namespace": "team", "service_account": format!("app-{n}"), "role": ROLE });
    let env = Env::with("carts-associated", &[("/associations", (0..150).map(one).collect())]);
    let denied = Action::error(
        403,
        "AccessDeniedException",
        "User is not authorized to perform: eks:ListPodIdentityAssociations",
    );
    let denied = Fault { skip: 1, ..Fault::always("eks", "ListPodIdentityAssociations", denied) };
    let slow = Fault::always("eks", "DescribePodIdentityAssociation", Action::Delay(Duration::from_millis(200)));
    for format in ["table", "json", "name"] {
        env.world.faults().clear();
        assert_ne!(env.podid(&format!("list -o {format}")).ok().stdout, "");
        env.world.faults().add(slow.clone());
        env.world.faults().add(denied.clone());
        env.world.journal().clear();
        let run = env.podid(&format!("list -o {format}")).code(4);
        assert_eq!(run.stdout, "", "{run}");
        assert!(run.stderr.contains("cannot list associations of cluster"), "{run}");
        // Those that had begun; no other is asked for.
        assert!(env.world.journal().count("eks", "DescribePodIdentityAssociation") <= 16, "{run}");
    }
}

#[test]
fn by_name_and_pattern() {
    let env = several();
    assert_eq!(env.podid("list */orders ca*/* -o name").ok().stdout, "carts/carts\norders/orders\n");
    assert_eq!(env.podid("list -n *-system -o name").ok().stdout, "kube-system/ebs-csi-controller-sa\n");
    assert_eq!(env.podid("list carts/carts orders/x -o name").ok().stdout, "carts/carts\n");
    insta::assert_snapshot!(env.podid("list sh?p/* -n *p").ok().steady(), @"
    exit 0
    --- stderr
    note: no associations of sh?p/* in namespace *p in cluster eks-workshop
    ");
    insta::assert_snapshot!(env.podid("list -n sh[oi]p").code(2).steady(), @"
    exit 2
    --- stderr
    error: --namespace: namespace `sh[oi]p` may have only lower-case letters, digits and `-`
    ");
    let _ = env.podid("list carts").code(2).says("`carts` names no namespace");
    // A name is filtered by EKS itself: two associations are not read.
    env.world.journal().clear();
    let _ = env.podid("list carts/carts").ok();
    assert_eq!(env.world.journal().count("eks", "DescribePodIdentityAssociation"), 1);
    assert_eq!(env.podid("list */* -o name").ok().stdout.lines().count(), 3);
}
