//! `podid iam-policy`: what it prints, without asking anyone.

pub(crate) mod proof;

use serde_json::json;

use crate::support::Env;

pub(crate) const CLUSTER: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";

#[test]
fn prints_a_policy() {
    let mut env = Env::new("carts-before");
    env.unset("PODID_CLUSTER");
    let printed = env.podid(&format!("iam-policy list show --cluster {CLUSTER}")).ok().json();
    assert_eq!(
        printed["Statement"],
        json!([
            {
                "Sid": "PodidWithoutResource",
                "Effect": "Allow",
                "Action": ["eks:ListClusters"],
                "Resource": ["*"],
            },
            {
                "Sid": "PodidCluster",
                "Effect": "Allow",
                "Action": ["eks:DescribeCluster", "eks:ListPodIdentityAssociations"],
                "Resource": [CLUSTER],
            },
            {
                "Sid": "PodidAssociations",
                "Effect": "Allow",
                "Action": ["eks:DescribePodIdentityAssociation"],
                "Resource": ["arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*"],
            },
            {
                "Sid": "PodidRoles",
                "Effect": "Allow",
                "Action": ["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
                "Resource": ["arn:aws:iam::111122223333:role/*"],
            },
        ])
    );
    let china = env.podid("iam-policy policy dynamodb --region cn-north-1").ok();
    assert!(china.stdout.contains("arn:aws-cn:eks:cn-north-1:*:cluster/*"), "{china}");
    assert_eq!(
        env.podid("iam-policy role trust -o name").ok().stdout.lines().last(),
        Some("iam:UpdateAssumeRolePolicy")
    );
    let all = env.podid("iam-policy").ok();
    assert_eq!(all.stderr, "");
    let pass = all.json()["Statement"].as_array().unwrap().iter().find(|s| s["Sid"] == "PodidPassRole").cloned();
    assert_eq!(
        pass.unwrap()["Condition"],
        json!({ "StringEquals": { "iam:PassedToService": "pods.eks.amazonaws.com" } })
    );
    assert!(env.operations().is_empty(), "{:?}", env.operations());
}

#[test]
fn prints_roles() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("iam-policy agent status --rbac").ok(), @r"
    exit 0
    --- stdout
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata:
      name: podid
    rules:
    - apiGroups:
      - ''
      resources:
      - pods/log
      verbs:
      - get
    - apiGroups:
      - ''
      resources:
      - nodes
      - pods
      verbs:
      - list
    - apiGroups:
      - apps
      resources:
      - daemonsets
      verbs:
      - list
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata:
      name: podid
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: ClusterRole
      name: podid
    subjects:
    - kind: Group
      apiGroup: rbac.authorization.k8s.io
      name: podid
    ");
    let names = env.podid("iam-policy agent status --rbac -o name").ok().stdout;
    assert_eq!(names, "get pods/log\nlist nodes\nlist pods\nlist daemonsets.apps\n");
    let list = env.podid("iam-policy recycle --rbac -n carts -n shop --group deployers -o json").ok().json();
    let shown: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| format!("{} {}", o["kind"].as_str().unwrap(), o["metadata"]["namespace"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        shown,
        [
            "ClusterRole -",
            "ClusterRoleBinding -",
            "Role carts",
            "RoleBinding carts",
            "Role shop",
            "RoleBinding shop",
            "Role kube-system",
            "RoleBinding kube-system"
        ]
    );
    assert_eq!(list["items"][1]["subjects"][0]["name"], "deployers");
    assert_eq!(env.podid("iam-policy list --rbac").ok().stdout, "");
    assert!(env.operations().is_empty(), "{:?}", env.operations());
}

#[test]
fn refused() {
    let env = Env::new("carts-before");
    for (line, says) in [
        ("iam-policy recycel", "did you mean `podid iam-policy recycle`?"),
        ("iam-policy completions", "`completions` is not a command that calls a service"),
        ("iam-policy list --namespace carts", "--rbac"),
        ("iam-policy --rbac -n Carts", "--namespace: "),
        ("iam-policy --path podid", "--path: "),
        ("iam-policy --role arn:aws:s3:::x", "is not the ARN of an IAM role"),
    ] {
        let _ = env.podid(line).code(2).says(says);
    }
    let line = format!("iam-policy --cluster {CLUSTER} --role arn:aws:iam::999900001111:role/x");
    let _ = env.podid(&line).code(2).says("is not in the cluster's account, 111122223333");
    assert!(env.operations().is_empty(), "{:?}", env.operations());
}
