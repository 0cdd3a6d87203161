//! `podid apply`, `diff`, `export` and `schema`.

mod against;
mod annotations;
mod bad;
mod drift;
mod import;
mod prune;
mod rounds;

use std::{collections::BTreeSet, fs, path::PathBuf};

use podid::model::{
    manifest::{Entries, json_schema},
    names::ServiceAccount,
};
use serde_json::{Value, json};

use crate::support::{Env, denying, forbidding};

/// The carts lab as a file.
pub(crate) const CARTS: &str = "\
apiVersion: podid.dev/v1
kind: PodIdentity
metadata:
  name: carts
roles:
  - name: carts-role
    policies:
      dynamodb:
        - table: eks-workshop-carts
          access: read-write
associations:
  - serviceAccount: carts/carts
    role: carts-role
";

fn examples() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The folders beside them have no manifests of podid.
    found.retain(|path| path.is_file());
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found
}

fn read(path: &PathBuf) -> Entries {
    podid::manifest::read(std::slice::from_ref(path), &mut std::io::empty()).unwrap().entries
}

/// Each example is what its schema says, is read without a word, and can be planned.
#[test]
fn the_examples() {
    let schema = jsonschema::validator_for(&json_schema()).unwrap();
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        let value: Value = serde_yaml::from_str(&text).unwrap();
        let wrong: Vec<String> = schema.iter_errors(&value).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        let entries = read(&path);
        let env = with_others(&entries);
        // The sandbox's tables are of one region only.
        let words = ["apply", "-f", path.to_str().unwrap(), "--dry-run", "--no-logs", "--allow-missing-resources"];
        let run = env.run(&words).ok();
        assert!(run.stderr.contains("Plan for cluster eks-workshop"), "{}: {run}", path.display());
    }
    assert_eq!(read(&examples()[1]).associations.len(), 40);
}

/// A world with the roles that a file names by ARN, and namespaces for its patterns.
fn with_others(entries: &Entries) -> Env {
    let trust = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"] },
    ] });
    let mut set: Vec<(&str, Value)> = Vec::new();
    let mut named: Vec<&str> = entries.associations.iter().map(|a| a.value.role.as_str()).collect();
    named.sort_unstable();
    named.dedup();
    for arn in named.into_iter().filter(|role| role.starts_with("arn:")) {
        set.push(("/roles/-", json!({ "name": arn.rsplit('/').next(), "trust": trust })));
    }
    // What its entries name exists.
    let subjects: Vec<ServiceAccount> =
        entries.associations.iter().filter_map(|a| a.value.service_account.parse().ok()).collect();
    for subject in subjects.iter().filter(|subject| subject.namespace != "carts") {
        let metadata = json!({ "name": subject.name, "namespace": subject.namespace });
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
        set.push(("/manifests/-", account));
    }
    let namespaces: BTreeSet<&str> = subjects.iter().map(|subject| subject.namespace.as_str()).collect();
    for name in namespaces.into_iter().filter(|name| !["carts", "default"].contains(name)) {
        let metadata = json!({ "name": name });
        set.push(("/manifests/-", json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })));
    }
    for namespace in ["preview-1", "preview-2"] {
        set.push((
            "/manifests/-",
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        ));
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "app", "namespace": namespace } });
        set.push(("/manifests/-", account));
    }
    Env::with("carts-agent", &set)
}

/// What reading takes for wrong, the schema takes for wrong too, and the other way round.
#[test]
fn the_schema_and_the_reader_agree() {
    let allow = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
    let schema = jsonschema::validator_for(&json_schema()).unwrap();
    let good: Value = serde_yaml::from_str(CARTS).unwrap();
    let set = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[key] = value;
        changed
    };
    let null = Value::Null;
    for (pointer, value, fits) in [
        ("/kind", json!("PodIdentity"), true),
        ("/kind", json!("Pod"), false),
        ("/apiVersion", json!("podid.dev/v2"), false),
        ("/extra", json!(1), false),
        ("/roles/0/extra", json!(1), false),
        ("/roles/0/tags", null.clone(), true),
        ("/roles/0/tags", json!({ "a": null, "b": "c" }), true),
        ("/roles/0/permissionsBoundary", null.clone(), true),
        ("/roles/0/scope", json!("everything"), false),
        ("/roles/0/scope", json!("cluster"), true),
        ("/roles/0/policies/managed", json!([]), true),
        ("/roles/0/policies/managed", null.clone(), true),
        ("/roles/0/policies/dynamodb", json!([{ "access": "read" }]), false),
        ("/roles/0/policies/dynamodb", json!([{ "table": "carts", "access": "all" }]), false),
        ("/roles/0/policies/s3", json!([{ "bucket": "images", "prefix": "up", "access": "read" }]), true),
        ("/roles/0/policies/s3", json!([{ "bucket": "images" }]), false),
        ("/roles/0/policies/s3", json!([{ "bucket": "images", "access": "full" }]), false),
        ("/roles/0/policies/s3", json!([{ "queue": "images", "access": "read" }]), false),
        ("/roles/0/policies/sqs", null.clone(), true),
        ("/roles/0/policies/events", json!([{ "bus": "default" }]), true),
        ("/roles/0/policies/allow", json!([{ "actions": ["xray:PutTraceSegments"], "resource": "*" }]), true),
        ("/roles/0/policies/allow", json!([{ "actions": [], "resource": "*" }]), false),
        ("/roles/0/policies/s4", json!([]), false),
        ("/roles/0/policies/inline", json!([{ "name": "a" }]), false),
        ("/roles/0/policies/inline", json!([{ "name": "a", "document": { "Statement": allow } }]), true),
        ("/roles/0/policies/inline", json!([{ "name": "a", "document": { "Statement": allow }, "file": "x" }]), false),
        ("/associations/0/targetRole", null.clone(), true),
        ("/associations/0/disableSessionTags", json!("on"), false),
        ("/associations/0/sessionPolicy", null, true),
        ("/associations", json!([{ "role": "carts-role" }]), false),
        ("/agent", json!({}), true),
        ("/agent", json!({ "version": "v1", "configuration": { "a": 1 } }), true),
        ("/agent", json!({ "configuration": [1] }), false),
    ] {
        let value = set(pointer, value);
        let text = serde_yaml::to_string(&value).unwrap();
        let read = podid::manifest::read(&[PathBuf::from("-")], &mut text.as_bytes());
        assert_eq!(schema.is_valid(&value), fits, "schema: {text}");
        assert_eq!(read.is_ok(), fits, "reader: {text}\n{read:?}");
    }
}

#[test]
fn the_whole_story() {
    let env = Env::new("carts-before");
    let file = env.file("podid.yaml", &CARTS.replace("roles:", "agent: {}\nroles:"));
    let run = env.podid(&format!("diff -f {file}")).code(3);
    assert!(run.stdout.contains("+ role carts-role") && run.stdout.contains("+ association carts/carts"), "{run}");
    assert!(env.writes().is_empty(), "{:?}", env.writes());
    insta::assert_snapshot!(env.podid(&format!("apply -f {file} --recycle --yes")).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
      + create role carts-role (path /podid/)
      + add inline policy podid-dynamodb to role carts-role
      + associate carts/carts with role carts-role
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 4 to create, 0 to change, 0 to delete, 1 to restart
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on 3 nodes
    created role carts-role
    added inline policy podid-dynamodb to role carts-role
    associated carts/carts with role carts-role
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    restarted deployment/carts
    carts/deployment/carts: rolled out
    ");
    // Again: nothing to do, and the agent is proved again.
    env.world.journal().clear();
    insta::assert_snapshot!(env.podid(&format!("apply -f {file} --yes")).ok().steady(), @r"
    exit 0
    --- stderr
    nothing to change: 1 role and 1 association match the manifest
    agent: ready on 3 nodes
    ");
    insta::assert_snapshot!(env.podid(&format!("diff -f {file}")).ok().steady(), @r"
    exit 0
    --- stderr
    no differences: 1 role and 1 association match the manifest
    ");
    assert!(env.writes().is_empty(), "{:?}", env.writes());
    let pods = env.podid("show carts/carts -o json").ok().json();
    assert_eq!(pods["pods"][0]["injection"], "injected", "{pods}");
}

#[test]
fn the_diff() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    insta::assert_snapshot!(env.podid(&format!("diff -f {file}")).code(3).steady(), @r#"
    exit 3
    --- stdout
    Cluster eks-workshop (111122223333, us-west-2):
      + role carts-role
          create role carts-role (path /podid/)
          @@ -0,0 +1,23 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": [
          +    {
          +      "Sid": "Podid8233eca52c385fc1",
          +      "Effect": "Allow",
          +      "Principal": {
          +        "Service": "pods.eks.amazonaws.com"
          +      },
          +      "Action": [
          +        "sts:AssumeRole",
          +        "sts:TagSession"
          +      ],
          +      "Condition": {
          +        "StringEquals": {
          +          "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          +          "aws:RequestTag/kubernetes-namespace": "carts",
          +          "aws:RequestTag/kubernetes-service-account": "carts"
          +        }
          +      }
          +    }
          +  ]
          +}
          add inline policy podid-dynamodb to role carts-role
          @@ -0,0 +1,32 @@
          +{
          +  "Version": "2012-10-17",
          +  "Statement": [
          +    {
          +      "Sid": "PodidDynamodbe11df874bde5192f",
          +      "Effect": "Allow",
          +      "Action": [
          +        "dynamodb:GetItem",
          +        "dynamodb:BatchGetItem",
          +        "dynamodb:DescribeTable",
          +        "dynamodb:PutItem",
          +        "dynamodb:UpdateItem",
          +        "dynamodb:DeleteItem",
          +        "dynamodb:BatchWriteItem",
          +        "dynamodb:ConditionCheckItem"
          +      ],
          +      "Resource": "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts"
          +    },
          +    {
          +      "Sid": "PodidDynamodbe11df874bde5192fIndex",
          +      "Effect": "Allow",
          +      "Action": [
          +        "dynamodb:Query",
          +        "dynamodb:Scan"
          +      ],
          +      "Resource": [
          +        "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
          +        "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"
          +      ]
          +    }
          +  ]
          +}
      + association carts/carts
          associate carts/carts with role carts-role
    --- stderr
    2 added, 0 changed, 0 removed
    "#);
    let json = env.podid(&format!("diff -f {file} -o json")).code(3).json();
    let said: Vec<String> = json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            format!("{} {} {}", c["kind"].as_str().unwrap(), c["name"].as_str().unwrap(), c["change"].as_str().unwrap())
        })
        .collect();
    assert_eq!(said, ["role carts-role added", "association carts/carts added"]);
    assert_eq!(
        env.podid(&format!("diff -f {file} -o name")).code(3).stdout,
        "role/carts-role\nassociation/carts/carts\n"
    );
}

/// What a no-op costs: one List, one Describe each, and what the role needs; each once.
#[test]
fn each_thing_is_read_once() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    env.world.journal().clear();
    let _ = env.podid(&format!("diff -f {file}")).ok();
    let mut calls = env.operations();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "eks DescribeCluster",
            "eks DescribePodIdentityAssociation",
            "eks ListPodIdentityAssociations",
            "iam GetRole",
            "iam GetRolePolicy",
            "iam ListRolePolicies",
        ]
    );
}

#[test]
fn consent() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    // Only creates, for a cluster that is named: nobody is asked.
    let _ = env.podid(&format!("apply -f {file} --no-wait")).ok();
    let changed = env.file("changed.yaml", &CARTS.replace("read-write", "read"));
    let run = env.podid(&format!("apply -f {changed} --no-wait")).code(2);
    assert!(run.stderr.contains("confirmation required: this changes existing resources"), "{run}");
    let run = env.tty(100, &["apply", "-f", &changed, "--no-wait"], "y\n").ok();
    assert!(run.stdout.contains("updated inline policy podid-dynamodb of role carts-role"), "{run}");
}

#[test]
fn a_cluster_that_contradicts() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", &CARTS.replace("roles:", "cluster: other\nroles:"));
    insta::assert_snapshot!(env.podid(&format!("diff -f {file}")).code(2).steady(), @r"
    exit 2
    --- stderr
    error: cluster `eks-workshop` (from PODID_CLUSTER) conflicts with cluster `other` of the manifest

    hint: the manifest is for cluster `other`: omit the other, or use a manifest without it
    ");
    let mut env = Env::new("carts-agent");
    let file = env.file("podid.yaml", &CARTS.replace("roles:", "cluster: eks-workshop\nregion: us-west-2\nroles:"));
    // The file alone names the cluster.
    env.unset("PODID_CLUSTER");
    let _ = env.podid(&format!("diff -f {file}")).code(3);
}

#[test]
fn others_roles_are_named_by_arn() {
    let env = Env::new("carts-role");
    let file = env.file("podid.yaml", &CARTS.replace("carts-role", "eks-workshop-carts-dynamo"));
    insta::assert_snapshot!(env.podid(&format!("apply -f {file} --yes")).code(2).steady(), @r"
    exit 2
    --- stderr
    error: [home]/podid.yaml:6:5: roles[0]: role `eks-workshop-carts-dynamo` already exists, and podid did not create it for cluster eks-workshop

    hint: to use it unchanged, remove it from `roles` and reference it by its ARN: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    hint: to take it over and add podid's tags: `podid role create eks-workshop-carts-dynamo --adopt`
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn without_permissions() {
    let env = Env::with("carts-agent", &[denying("iam:GetRole")]);
    let file = env.file("podid.yaml", CARTS);
    let run = env.podid(&format!("apply -f {file} --yes")).code(4);
    assert!(
        run.stderr.contains("cannot determine whether role `carts-role` exists: not allowed: iam:GetRole"),
        "{run}"
    );
    assert!(env.writes().is_empty());
    let env = Env::with("carts-agent", &[forbidding(&["list pods"])]);
    let file = env.file("podid.yaml", CARTS);
    let run = env.podid(&format!("apply -f {file} --yes")).ok();
    assert!(run.stderr.contains("agent not checked: not allowed: list daemonsets and pods in kube-system"), "{run}");
}

/// Patterns stand for service accounts that exist; a name goes before them.
#[test]
fn patterns() {
    let env = Env::new("carts-agent");
    let roles = "roles: [{name: wide, scope: cluster}, {name: carts-role, scope: cluster}]\n";
    let text = format!(
        "apiVersion: podid.dev/v1\nkind: PodIdentity\n{roles}associations:\n- {{serviceAccount: 'carts/*', role: wide}}\n- {{serviceAccount: carts/carts, role: carts-role}}\n"
    );
    let file = env.file("podid.yaml", &text);
    let run = env.podid(&format!("diff -f {file} -o json")).code(3);
    let roles: Vec<(String, String)> = run.json()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["kind"] == "association")
        .map(|change| {
            let role = change["steps"][0]["association"]["roleArn"].as_str().unwrap();
            (change["name"].as_str().unwrap().to_owned(), role.rsplit('/').next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        roles,
        [("carts/carts".to_owned(), "carts-role".to_owned()), ("carts/default".to_owned(), "wide".to_owned())]
    );
    let run = env.podid(&format!("apply -f {file} --no-wait --yes")).code(2);
    assert!(run.stderr.contains("pattern `carts/*` needs the existing service accounts"), "{run}");
    let twice = env.file("twice.yaml", &text.replace("carts/carts", "'*/carts'"));
    let run = env.podid(&format!("diff -f {twice}")).code(2);
    assert!(run.stderr.contains("both match carts/carts"), "{run}");
}
