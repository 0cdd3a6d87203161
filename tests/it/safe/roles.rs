//! Roles: whoever else uses one keeps it, in whatever region, and also when they begin to meanwhile.

use std::time::Duration;

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::{
    file::CARTS,
    kill::{ready, wait_for},
    role::{set_trust, trust_of, trusting},
    support::{Env, Run, finish},
};

const HOME: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
const FAR: &str = "arn:aws:eks:eu-west-1:111122223333:cluster/far";
const SPARE: &str = "arn:aws:iam::111122223333:role/spare";

/// The condition that names one cluster.
fn only(cluster: &str) -> Value {
    json!({"StringEquals": {"aws:RequestTag/eks-cluster-arn": cluster}})
}

/// A role that podid created for the workshop's cluster and that nobody there uses, and a cluster in another region.
fn spare(condition: &Value, more: &[(&str, Value)]) -> Env {
    let tags = json!({"podid.dev/managed-by": "podid", "podid.dev/cluster": HOME});
    let mut set = vec![
        ("/roles/-", json!({"name": "spare", "trust": trusting(condition), "tags": tags})),
        ("/clusters/-", json!({"name": "far", "version": "1.33", "region": "eu-west-1"})),
    ];
    set.extend(more.iter().cloned());
    Env::with("carts-before", &set)
}

/// The association that uses it there.
fn used() -> (&'static str, Value) {
    ("/associations", json!([{"cluster": "far", "namespace": "carts", "service_account": "carts", "role": SPARE}]))
}

fn there(env: &Env, role: &str) -> bool {
    env.world.with(|state| state.aws.roles.contains_key(role))
}

fn unused(env: &Env) -> Run {
    env.podid("role list --unused -o json").ok()
}

/// The names that `role list --unused` lists, and whether each is possibly in use.
fn listed(env: &Env) -> Vec<(String, bool)> {
    let run = unused(env).json();
    let roles = run["roles"].as_array().unwrap().iter();
    let name = |role: &Value| role["roleName"].as_str().unwrap().to_owned();
    roles.map(|role| (name(role), !role["possiblyInUse"].as_array().unwrap().is_empty())).collect()
}

#[test]
fn a_role_that_is_used_in_another_region_is_not_unused() {
    let any = Value::Null;
    let source = json!({"ArnEquals": {"aws:SourceArn": FAR}});
    for condition in [&only(FAR), &source, &any, &json!({"ArnLike": {"aws:SourceArn": "arn:aws:eks:*:*:cluster/*"}})] {
        let env = spare(condition, &[used()]);
        assert_eq!(listed(&env), [], "{condition}");
        for force in ["", " --force"] {
            let run = env.podid(&format!("role delete spare --yes{force}")).code(2);
            let run = run.says("role `spare` is still used by carts/carts in cluster far (eu-west-1)");
            let run = run.says("`podid disassociate carts/carts --cluster far --region eu-west-1`");
            assert!(there(&env, "spare") && env.writes().is_empty(), "{run}");
        }
        // Without that association it is nobody's.
        let env = spare(condition, &[]);
        assert_eq!(listed(&env), [("spare".to_owned(), false)], "{condition}");
        let run = env.podid("role delete spare --yes").ok();
        assert!(!there(&env, "spare"), "{run}");
    }
}

#[test]
fn a_role_whose_users_cannot_all_be_looked_for_is_possibly_in_use() {
    let denied = json!([{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "eks:*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}]}]);
    let denied = [("/callers/0/policies", denied)];
    let gone = HOME.replace("eks-workshop", "gone");
    let account = FAR.replace("111122223333", "999988887777");
    for (condition, more, why, code) in [
        (only(FAR), &denied[..], "not allowed: eks:ListPodIdentityAssociations", 4),
        (Value::Null, &denied[..], "region eu-west-1 could not be read: not allowed: eks:ListClusters", 4),
        (only(&gone), &[], "cluster/gone, which its trust policy names, does not exist", 2),
        (only(&account), &[], "999988887777:cluster/far is in another account", 2),
    ] {
        let env = spare(&condition, more);
        assert_eq!(listed(&env), [("spare".to_owned(), true)], "{why}");
        let run = env.podid("role list --unused").ok().says("possibly in use").says(why);
        assert!(run.stdout.contains("spare"), "{run}");
        let run = env.podid("role list --unused -o name").ok().says("1 role possibly in use omitted");
        assert_eq!(run.stdout, "", "{run}");
        let run = env.podid("role delete spare --yes").code(code).says("role `spare` is possibly in use").says(why);
        let run = run.says("pass `--force`");
        assert!(there(&env, "spare") && env.writes().is_empty(), "{run}");
        let run = env.podid("role delete spare --yes --force").ok().says("warning: role `spare` is possibly in use");
        assert!(!there(&env, "spare"), "{run}");
    }
    // A region that the account has not enabled has no clusters; the same where nothing is denied.
    for more in [&[("/disabled_regions", json!(["me-south-1"]))][..], &[]] {
        assert_eq!(listed(&spare(&Value::Null, more)), [("spare".to_owned(), false)]);
    }
}

#[test]
fn whoever_else_the_trust_policy_lets_is_a_user() {
    let podid = trusting(&only(HOME))["Statement"][0].clone();
    let mut account = podid.clone();
    account["Principal"] = json!({"AWS": "arn:aws:iam::111122223333:root"});
    let mut both = podid.clone();
    both["Principal"]["Federated"] = json!("cognito-identity.amazonaws.com");
    let mut all_but = podid.clone();
    all_but.as_object_mut().unwrap().remove("Principal");
    all_but["NotPrincipal"] = json!({"AWS": "arn:aws:iam::999988887777:root"});
    for (statement, why) in [
        (account, "AWS arn:aws:iam::111122223333:root"),
        (both, "Federated cognito-identity.amazonaws.com"),
        (all_but, "NotPrincipal"),
    ] {
        let env = spare(&only(HOME), &[]);
        let mut document = trust_of(&env, "spare");
        document["Statement"].as_array_mut().unwrap().push(statement);
        set_trust(&env, "spare", &document);
        let run = env.podid("role delete spare --yes").code(2).says("possibly in use").says(why);
        assert!(there(&env, "spare"), "{run}");
        assert_eq!(listed(&env), [("spare".to_owned(), true)], "{why}");
    }
}

/// carts uses a role of podid's that lets every service account of the cluster.
fn shared() -> Env {
    let env = ready(&[]);
    let line = "associate carts/carts --create-role --role shared --scope cluster --dynamodb eks-workshop-carts";
    let _ = env.podid(&format!("{line} --no-wait --yes")).ok();
    env.world.journal().clear();
    env
}

/// Associates carts/other with a role as another podid does, once this call waits.
fn associated_meanwhile(env: &Env, line: &str, (service, operation): (&str, &str), role: &str) -> Run {
    let mut copy = env.world.with(|state| state.aws.association("carts", "carts").unwrap().clone());
    "other".clone_into(&mut copy.service_account);
    copy.role_arn = format!("arn:aws:iam::111122223333:role/podid/{role}");
    "a-otherotherother12".clone_into(&mut copy.id);
    copy.arn = copy.arn.rsplit_once('/').unwrap().0.to_owned() + "/a-otherotherother12";
    env.world.faults().add(Fault::once(service, operation, Action::Hold(Duration::from_secs(2))));
    let child = env.begin(line);
    wait_for(env, service, operation, 1);
    env.world.with(|state| state.aws.associations.insert(copy.id.clone(), copy));
    finish(child)
}

const END: &str = "disassociate carts/carts --delete-role --no-wait --yes";

#[test]
fn a_role_that_is_associated_meanwhile_is_not_deleted() {
    let held = [("eks", "DeletePodIdentityAssociation"), ("iam", "DeleteRolePolicy")];
    for (held, policies) in held.into_iter().zip([1, 0]) {
        let env = shared();
        let run = associated_meanwhile(&env, END, held, "shared").code(6);
        let run = run.says("role `shared` is in use now, and was not deleted");
        let run = run.says("carts/other in cluster eks-workshop uses it");
        assert!(there(&env, "shared") && !env.writes().contains(&"iam DeleteRole".to_owned()), "{run}");
        let left = env.world.with(|state| state.aws.roles["shared"].inline.len());
        assert_eq!(left, policies, "{run}");
        // With another role it is in nobody's way.
        let env = shared();
        let run = associated_meanwhile(&env, END, held, "another").ok();
        assert!(!there(&env, "shared"), "{run}");
    }
}

#[test]
fn a_role_that_is_associated_while_it_is_pruned_is_not_deleted() {
    for (role, stays) in [("carts-role", true), ("another", false)] {
        let env = ready(&[]);
        let file = env.file("podid.yaml", CARTS);
        let _ = env.podid(&format!("apply -f {file} --no-wait --yes")).ok();
        let text = "apiVersion: podid.dev/v1\nkind: PodIdentity\nmetadata: {name: carts}\nroles: [{name: new-role, scope: cluster}]\n";
        let file = env.file("podid.yaml", text);
        let line = format!("apply -f {file} --prune --no-wait --yes");
        let run = associated_meanwhile(&env, &line, ("eks", "DeletePodIdentityAssociation"), role);
        assert_eq!(there(&env, "carts-role"), stays, "{run}");
        let run = run.code(if stays { 6 } else { 0 });
        assert_eq!(run.stderr.contains("is in use now"), stays, "{run}");
    }
}

#[test]
fn a_role_whose_trust_policy_is_written_meanwhile_is_not_deleted() {
    for written in [true, false] {
        let env = shared();
        let delay = Action::Hold(Duration::from_secs(2));
        env.world.faults().add(Fault::once("iam", "DeleteRolePolicy", delay));
        let child = env.begin(END);
        wait_for(&env, "iam", "DeleteRolePolicy", 1);
        if written {
            let mut document = trust_of(&env, "shared");
            let lambda = json!({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"});
            document["Statement"].as_array_mut().unwrap().push(lambda);
            set_trust(&env, "shared", &document);
        }
        let run = finish(child);
        assert_eq!(there(&env, "shared"), written, "{run}");
        let run = run.code(if written { 6 } else { 0 });
        assert_eq!(
            run.stderr.contains("the trust policy of role `shared` was modified concurrently"),
            written,
            "{run}"
        );
    }
}

/// Both tags of this cluster, and for `--prune` that of the manifest: one of them alone is anybody's.
#[test]
fn a_role_that_podid_created_for_another_cluster_is_not_podids_here() {
    let other = HOME.replace("eks-workshop", "other");
    for (key, value) in [
        ("podid.dev/cluster", Some(other)),
        ("podid.dev/cluster", None),
        ("podid.dev/managed-by", None),
        ("podid.dev/manifest", None),
    ] {
        let env = ready(&[]);
        let file = env.file("podid.yaml", CARTS);
        let _ = env.podid(&format!("apply -f {file} --no-wait --yes")).ok();
        env.world.with(|state| {
            let tags = &mut state.aws.roles.get_mut("carts-role").unwrap().tags;
            tags.remove(key);
            tags.extend(value.clone().map(|value| (key.to_owned(), value)));
        });
        if key != "podid.dev/manifest" {
            let run = env.podid(END).code(2).says("podid did not create role `carts-role` for cluster eks-workshop");
            assert!(run.stderr.contains(key), "{run}");
            let run = env.podid("role delete carts-role --dry-run").code(2);
            assert!(run.stderr.contains("still used by carts/carts"), "{run}");
        }
        let text = "apiVersion: podid.dev/v1\nkind: PodIdentity\nmetadata: {name: carts}\nroles: [{name: new-role, scope: cluster}]\n";
        let file = env.file("podid.yaml", text);
        let run = env.podid(&format!("apply -f {file} --prune --no-wait --yes")).ok();
        assert!(there(&env, "carts-role"), "{key}: {run}");
        if key != "podid.dev/manifest" {
            let run = env.podid("role delete carts-role --yes").code(2).says("podid did not create it for cluster");
            assert!(there(&env, "carts-role"), "{key}: {run}");
        }
    }
}

/// CreateRole says that the name is taken: only the very role that was to be created is podid's.
#[test]
fn a_role_that_someone_creates_meanwhile_is_not_adopted() {
    for (change, adopted) in [("", true), ("tags", false), ("trust", false), ("boundary", false)] {
        let line = "associate carts/carts --create-role --role carts-role --no-wait --yes";
        // What podid creates, from a world beside.
        let beside = ready(&[]);
        let _ = beside.podid(line).ok();
        let mut role = beside.world.with(|state| state.aws.roles["carts-role"].clone());
        match change {
            "tags" => drop(role.tags.insert("podid.dev/service-account".to_owned(), "other".to_owned())),
            "trust" => role.set_trust(&trusting(&Value::Null)),
            "boundary" => role.boundary = Some("arn:aws:iam::111122223333:policy/b".to_owned()),
            _ => {}
        }
        let env = ready(&[]);
        env.world.faults().add(Fault::once("iam", "CreateRole", Action::Hold(Duration::from_secs(2))));
        let child = env.begin(line);
        wait_for(&env, "iam", "CreateRole", 1);
        env.world.with(|state| state.aws.roles.insert("carts-role".to_owned(), role.clone()));
        let run = finish(child);
        let run = run.code(i32::from(!adopted));
        let associated = env.world.with(|state| state.aws.association("carts", "carts").is_some());
        assert_eq!(associated, adopted, "{change}: {run}");
        let trust = env.world.with(|state| state.aws.roles["carts-role"].trust.clone());
        assert_eq!(trust, role.trust, "{change}: {run}");
    }
}
