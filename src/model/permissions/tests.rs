//! The tables are complete, and the documents as narrow as what is known.

use std::collections::BTreeSet;

use super::*;

/// Methods of the ports with their documentation, as `src/ports.rs` has them.
fn methods() -> Vec<(String, String)> {
    let (mut of, mut docs, mut found) = (String::new(), String::new(), Vec::new());
    for line in include_str!("../../ports.rs").lines() {
        let line = line.trim();
        if let Some(head) = line.strip_prefix("pub trait ") {
            of = head.split(':').next().unwrap_or_default().to_owned();
        } else if let Some(doc) = line.strip_prefix("/// ") {
            docs.push_str(doc);
            docs.push(' ');
        } else if let Some(head) = line.strip_prefix("async fn ").or(line.strip_prefix("fn ")) {
            let name = head.split('(').next().unwrap_or_default();
            if of != "TokenSource" {
                found.push((format!("{of}::{name}"), docs.clone()));
            }
            docs.clear();
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
    found
}

#[test]
fn every_method_of_the_ports_has_its_row_and_names_its_operation() {
    let methods = methods();
    let known: BTreeSet<&str> = PORTS.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = methods.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(known, there, "PORTS in model/permissions.rs and the traits in ports.rs");
    assert_eq!(PORTS.len(), known.len(), "a row occurs twice");
    for (name, docs) in &methods {
        let (_, needs) = PORTS.iter().find(|(port, _)| port == name).unwrap();
        for need in *needs {
            let Iam(action, _) = need else { continue };
            let operation = action.split(':').nth(1).unwrap();
            assert!(docs.contains(operation), "the docs of {name} do not name {operation}: {docs}");
        }
    }
}

#[test]
fn every_call_of_a_command_is_a_port() {
    let known: BTreeSet<&str> = PORTS.iter().map(|(name, _)| *name).collect();
    for (command, ports) in COMMANDS {
        for port in ports.iter().copied().flatten() {
            assert!(known.contains(port), "{command} calls {port}, which is no port");
        }
    }
}

#[test]
fn words_name_commands() {
    let names = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        commands(&words).map(|rows| rows.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap().len(), COMMANDS.len());
    assert_eq!(names(&["list", "agent", "install", "show"]).unwrap(), ["list", "agent install", "show"]);
    assert_eq!(names(&["policy attach"]).unwrap(), ["policy attach"]);
    assert_eq!(names(&["audit", "map"]).unwrap(), ["audit", "map"]);
    assert_eq!(names(&["audit --fix", "map"]).unwrap(), ["audit --fix", "map"]);
    assert_eq!(
        names(&["policy", "list"]).unwrap(),
        ["policy print", "policy dynamodb", "policy attach", "policy detach", "list"]
    );
    assert_eq!(names(&["list", "fly"]).unwrap_err(), "fly");
    assert_eq!(names(&["install"]).unwrap_err(), "install");
}

fn scope() -> Scope {
    Scope {
        region: Some("cn-north-1".into()),
        account: None,
        cluster: Some("shop".into()),
        partition: Scope::partition_of("cn-north-1").into(),
        path: "/podid/".into(),
        roles: Vec::new(),
    }
}

#[test]
fn resources_are_as_narrow_as_what_is_known() {
    let needs = needs(&commands(&["associate".to_owned()]).unwrap());
    let resource = |scope: &Scope, sid: &str| {
        let document = iam_policy(&needs, scope);
        let found = document.statements().into_iter().find(|statement| statement["Sid"] == sid).cloned();
        found.map(|statement| statement["Resource"].to_string()).unwrap_or_default()
    };
    assert_eq!(resource(&scope(), "PodidCluster"), r#"["arn:aws-cn:eks:cn-north-1:*:cluster/shop"]"#);
    assert_eq!(resource(&scope(), "PodidOwnRoles"), r#"["arn:aws-cn:iam::*:role/podid/*"]"#);
    assert_eq!(resource(&scope(), "PodidRoles"), r#"["arn:aws-cn:iam::*:role/*"]"#);
    let narrow = Scope { account: Some("111122223333".into()), roles: vec!["app-*".into()], ..scope() };
    let both = r#"["arn:aws-cn:iam::111122223333:role/app-*","arn:aws-cn:iam::111122223333:role/podid/*"]"#;
    assert_eq!(resource(&narrow, "PodidRoles"), both);
    assert_eq!(resource(&narrow, "PodidPassRole"), both);
    assert_eq!(resource(&narrow, "PodidRolesToCome"), r#"["arn:aws-cn:iam::111122223333:role/shop-*"]"#);
    assert_eq!(resource(&scope(), "PodidRolesToCome"), "");
    for (region, partition) in [("eusc-de-east-1", "aws-eusc"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
        assert_eq!(Scope::partition_of(region), partition);
    }
}

#[test]
fn namespaces_have_their_own_roles() {
    let needs = needs(&commands(&["recycle".to_owned()]).unwrap());
    let kinds = |namespaces: &[&str]| {
        let cut = Rbac { namespaces: namespaces.iter().map(|n| (*n).to_owned()).collect(), group: "podid".into() };
        let shown = |object: &serde_json::Value| {
            format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["namespace"].as_str().unwrap_or("-"))
        };
        rbac(&needs, &cut).iter().map(shown).filter(|text| !text.contains("Binding")).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[]), ["ClusterRole -"]);
    assert_eq!(kinds(&["carts"]), ["ClusterRole -", "Role carts", "Role kube-system"]);
    assert_eq!(kinds(&["kube-system"]), ["ClusterRole -", "Role kube-system"]);
}
