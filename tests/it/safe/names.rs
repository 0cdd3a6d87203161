//! A name typed wrong becomes no role, no policy and no association; what was probably meant is named.

use serde_json::{Value, json};

use crate::{
    file::CARTS,
    kill::ready,
    support::{Env, denying, forbidding},
};

/// A role that trusts every pod, for associations that only differ in whom they are for.
fn role() -> (&'static str, Value) {
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }] });
    ("/roles/-", json!({ "name": "carts-role", "trust": trust }))
}

fn namespace(name: &str) -> (&'static str, Value) {
    ("/manifests/-", json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
}

fn account(namespace: &str, name: &str) -> (&'static str, Value) {
    let metadata = json!({ "name": name, "namespace": namespace });
    ("/manifests/-", json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }))
}

/// Refused before any write, with what was probably meant and the flag that goes on nevertheless.
#[track_caller]
fn refused(env: &Env, line: &str, said: &[&str]) -> String {
    let run = env.podid(line).code(2);
    for part in said {
        assert!(run.stderr.contains(part), "`{part}` is not in\n{run}");
    }
    assert_eq!(env.writes(), Vec::<String>::new(), "{run}");
    run.stderr
}

const ALLOW: &str = "--allow-missing-service-account";

#[test]
fn service_accounts_and_namespaces_that_do_not_exist() {
    let env = ready(&[role(), namespace("shop"), account("shop", "worker")]);
    let missing = "service account carts/cartz does not exist; did you mean `carts/carts`?";
    for (subject, said) in [
        ("carts/cartz", &[missing, "--create-service-account", ALLOW][..]),
        ("cart/carts", &["namespace `cart` does not exist; did you mean `carts/carts`?", ALLOW]),
        ("cartz/cartz", &["namespace `cartz` does not exist; did you mean `carts/carts`?"]),
        // Its name is right, and its namespace is another's.
        ("default/carts", &["service account default/carts does not exist; did you mean `carts/carts`?"]),
        ("carts/worker", &["service account carts/worker does not exist; did you mean `shop/worker`?"]),
        // Only the namespace is near.
        ("shopp/payments", &["namespace `shopp` does not exist; did you mean `shop`?"]),
        // Nothing is: then it is said how it comes to be.
        ("payments/api", &["namespace `payments` does not exist\n", "kubectl create namespace payments"]),
        ("carts/payments", &["service account carts/payments does not exist\n", "--create-service-account"]),
    ] {
        let stderr = refused(&env, &format!("associate {subject} --create-role --yes"), said);
        let near = stderr.contains("did you mean");
        assert!(!(near && stderr.contains("kubectl create")), "a mistyped name is not to be created: {stderr}");
        refused(&env, &format!("associate {subject} --role carts-role --dry-run"), said);
    }
    // The twin differs in the name alone.
    let run = env.podid("associate carts/carts --create-role --yes").ok();
    assert!(!env.writes().is_empty() && !run.stderr.contains("does not exist"), "{run}");
}

#[test]
fn both_missing_names_are_told_at_once() {
    let env = ready(&[]);
    let line = "associate carts/cartz --create-role --dynamodb no-such-table --yes";
    let table = "table arn:aws:dynamodb:us-west-2:111122223333:table/no-such-table does not exist";
    refused(&env, line, &["service account carts/cartz does not exist", table, ALLOW, "--allow-missing-resources"]);
    refused(&env, &format!("{line} {ALLOW}"), &[table]);
    refused(&env, &format!("{line} --allow-missing-resources"), &["service account carts/cartz does not exist"]);
    let run = env.podid(&format!("{line} {ALLOW} --allow-missing-resources -o json")).ok();
    let how = "carts/cartz does not exist: no pod can use this association yet";
    assert_eq!((&run.json()["effective"], &run.json()["effectiveHow"]), (&json!("no"), &json!(how)), "{run}");
    assert!(run.stderr.contains(how), "{run}");
    // Once it is associated, a second run changes nothing and refuses nothing.
    env.world.journal().clear();
    let run = env.podid(line).ok().says(how);
    assert_eq!(env.writes(), Vec::<String>::new(), "{run}");
}

#[test]
fn a_service_account_that_is_created_is_no_missing_one() {
    let env = ready(&[role()]);
    let run = env.podid("associate carts/cartz --role carts-role --create-service-account --yes -o json").ok();
    assert_eq!(run.json()["effective"], "observed", "{run}");
    // Its namespace is not created along with it.
    refused(
        &ready(&[role()]),
        "associate cart/new --role carts-role --create-service-account --yes",
        &["namespace `cart` does not exist"],
    );
}

#[test]
fn what_may_not_be_read_is_not_refused() {
    let env = ready(&[role(), forbidding(&["get serviceaccounts", "list serviceaccounts"])]);
    let _ = env.podid("associate carts/cartz --role carts-role --yes").says("not checked: not allowed");
    assert!(env.writes().contains(&"eks CreatePodIdentityAssociation".to_owned()));
    let env = ready(&[denying(json!(["dynamodb:DescribeTable", "dynamodb:ListTables"]))]);
    let line = "associate carts/carts --create-role --dynamodb no-such-table --yes";
    let _ = env.podid(line).ok().says("not checked: not allowed: dynamodb:DescribeTable");
    // Only the near names are lost.
    let env = ready(&[forbidding(&["list serviceaccounts", "list namespaces"]), denying("dynamodb:ListTables")]);
    refused(&env, "associate carts/cartz --create-role --yes", &["service account carts/cartz does not exist\n"]);
    refused(&env, "associate carts/carts --create-role --dynamodb eks-workshop-cart", &["cart does not exist\n"]);
    // Without Kubernetes nothing is known of the service account.
    let env = ready(&[role()]);
    let run = env.podid("associate carts/cartz --role carts-role --no-wait --yes").ok();
    assert!(!env.operations().iter().any(|call| call.starts_with("kubernetes")), "{run}");
}

#[test]
fn tables_that_do_not_exist() {
    let near = "table/eks-workshop-cart does not exist; did you mean `eks-workshop-carts`?";
    let said = [near, "--allow-missing-resources"];
    let env = ready(&[role()]);
    for line in [
        "associate carts/carts --create-role --dynamodb eks-workshop-cart --yes",
        "associate carts/carts --create-role --dynamodb eks-workshop-cart --no-wait --yes",
        "role create other --service-account carts/carts --dynamodb eks-workshop-cart --yes",
        "policy attach carts-role --dynamodb eks-workshop-carts --dynamodb eks-workshop-cart --yes",
    ] {
        refused(&env, line, &said);
    }
    // Printing a policy harms nobody.
    let _ = env.podid("policy dynamodb eks-workshop-cart").ok().says(near);
    for line in [
        "role create other --service-account carts/carts --dynamodb eks-workshop-cart --yes",
        "policy attach carts-role --dynamodb eks-workshop-cart --yes",
    ] {
        env.world.journal().clear();
        let run = env.podid(&format!("{line} --allow-missing-resources")).ok().says(near);
        assert!(env.writes().contains(&"iam PutRolePolicy".to_owned()), "{run}");
    }
    // What is granted already is warned of.
    let _ = env.podid("policy attach carts-role --dynamodb eks-workshop-cart --yes").ok().says("nothing to change");
    let _ = ready(&[role()]).podid("policy attach carts-role --dynamodb eks-workshop-carts --yes").ok();
}

/// The lab's file, with another service account, another table, or what else.
fn lab(from: &str, to: &str) -> String {
    let changed = CARTS.replace(from, to);
    assert_ne!(changed, CARTS);
    changed
}

#[test]
fn an_entry_of_a_file() {
    let account = lab("carts/carts", "carts/cartz");
    let table = lab("table: eks-workshop-carts", "table: eks-workshop-cart");
    let env = ready(&[]);
    let path = env.file("podid.yaml", &account);
    let said = [
        "podid.yaml:12:5: associations[0]: service account carts/cartz does not exist; did you mean `carts/carts`?",
        "createServiceAccount: true",
        ALLOW,
    ];
    refused(&env, &format!("apply -f {path} --yes"), &said);
    refused(&env, &format!("diff -f {path}"), &said);
    let run = env.podid(&format!("apply -f {path} --yes {ALLOW} -o json")).ok();
    let how = "carts/cartz does not exist: no pod can use this association yet";
    assert_eq!(run.json()["associations"][0]["effectiveHow"], how, "{run}");
    let _ = env.podid(&format!("apply -f {path} --yes")).ok().says("nothing to change");

    let env = ready(&[]);
    let path = env.file("podid.yaml", &table);
    let said = ["podid.yaml:6:5: roles[0]: table", "did you mean `eks-workshop-carts`?", "--allow-missing-resources"];
    refused(&env, &format!("apply -f {path} --yes --no-wait"), &said);
    refused(&env, &format!("diff -f {path}"), &said);
    let _ = env.podid(&format!("apply -f {path} --yes --no-wait --allow-missing-resources")).ok();
    let _ = env.podid(&format!("apply -f {path} --yes --no-wait")).ok().says("nothing to change");

    // The twin, and a cluster that cannot be asked: `diff` goes on and says so.
    let env = ready(&[]);
    let path = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("diff -f {path}")).code(3);
    let env = ready(&[forbidding(&["get serviceaccounts"])]);
    let path = env.file("podid.yaml", &account);
    let _ = env.podid(&format!("diff -f {path}")).code(3).says("not checked: not allowed: get serviceaccounts");
}

#[test]
fn an_entry_that_creates_its_service_account() {
    let created =
        lab("carts/carts\n    role: carts-role\n", "carts/new\n    role: carts-role\n    createServiceAccount: true\n");
    let env = ready(&[]);
    let path = env.file("podid.yaml", &created);
    let _ = env.podid(&format!("diff -f {path} -o name")).code(3).says("service-account/carts/new");
    let run = env.podid(&format!("apply -f {path} --yes -o json")).ok();
    assert!(env.writes().contains(&"kubernetes create serviceaccounts".to_owned()), "{run}");
    assert_eq!(run.json()["associations"][0]["effective"], "observed", "{run}");
    env.world.journal().clear();
    let _ = env.podid(&format!("diff -f {path}")).ok();
    let _ = env.podid(&format!("apply -f {path} --yes")).ok().says("nothing to change");
    assert_eq!(env.writes(), Vec::<String>::new());
    // Not where Kubernetes is not asked, and not for a pattern.
    let env = ready(&[]);
    let path = env.file("podid.yaml", &created);
    let _ = env.podid(&format!("apply -f {path} --yes --no-wait")).ok().says("`createServiceAccount` is ignored");
    let path = env.file("podid.yaml", &created.replace("carts/new", "carts/*"));
    let _ = env.podid(&format!("diff -f {path}")).code(2).says("`createServiceAccount` needs a name, not a pattern");
}

/// Nothing is proposed for a name that does not exist where a similar one does.
#[test]
fn remedies_name_what_exists() {
    let env = Env::new("carts-associated");
    for line in
        ["verify carts/cartz", "show carts/cartz", "wait carts/cartz --for ready --timeout 3s", "recycle carts/cartz"]
    {
        let run = env.podid(line);
        let proposed = |command: &str| run.to_string().contains(command);
        assert!(proposed("carts/carts"), "{run}");
        for command in ["associate carts/cartz", "create serviceaccount", "create namespace"] {
            assert!(!proposed(command), "{command}\n{run}");
        }
    }
    // A name that is like none is created first, or an association of it would be refused.
    let run = env.podid("verify carts/payments");
    assert!(run.stdout.contains("podid associate carts/payments --create-role --create-service-account"), "{run}");
    // The twin exists: its association is what it lacks.
    let env = ready(&[]);
    let run = env.podid("verify carts/carts");
    let associate = "`podid associate carts/carts --create-role --dynamodb eks-workshop-carts=read`";
    assert!(run.stdout.contains(associate), "{run}");
}

/// `apply` without `--recycle` names the running pods that still lack the association, as `associate` does.
#[test]
fn apply_names_pods_that_lack_the_association() {
    let env = ready(&[]);
    let path = env.file("podid.yaml", CARTS);
    let line = format!("apply -f {path} --yes -o json");
    for changed in [true, false] {
        let run = env.podid(&line).ok().says("2 running pods of carts/carts are not injected yet: carts-");
        assert!(run.stderr.contains("restart them with `podid recycle carts/carts`"), "{run}");
        assert_eq!(run.json()["stalePods"].as_array().unwrap().len(), 2, "{run}");
        assert_eq!(!env.writes().is_empty(), changed, "{run}");
        env.world.journal().clear();
    }
    // As `associate` says it and ends.
    let run = env.podid("associate carts/carts --create-role --role carts-role --yes -o json").ok();
    assert_eq!(run.json()["stalePods"].as_array().unwrap().len(), 2, "{run}");
    // The twin: restarted, nothing lacks it any more.
    let run = env.podid(&format!("{line} --recycle")).ok();
    assert_eq!(run.json()["stalePods"], json!([]), "{run}");
    assert_eq!(env.podid(&line).ok().json()["stalePods"], json!([]));
    // Not being allowed to see them is said.
    let env = ready(&[forbidding(&["list pods"])]);
    let path = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("apply -f {path} --yes")).says("cannot check whether pods need a restart");
}
