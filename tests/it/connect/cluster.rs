//! Naming the cluster: by flag, by variable, by kube context; and contradictions.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{WRITES, file, untouched, with};
use crate::{kill::ready, support::Env};

const ARN: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";

/// The world's kubeconfig with another name of its cluster and another user.
fn kubeconfig(env: &Env, cluster: &str, user: Option<&str>) -> String {
    let mut text = env.world.kubeconfig().replace(ARN, cluster);
    if let Some(user) = user {
        let at = text.rfind("    token: ").unwrap();
        text.truncate(at);
        text.push_str(user);
    }
    file(env, "kubeconfig", &text)
}

fn exec(command: &str, args: &str) -> String {
    format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: {command}\n      args: [{args}]\n      interactiveMode: Never\n"
    )
}

#[test]
fn by_flag_or_variable() {
    let env = ready(&[]);
    for (line, variable) in [
        ("list --cluster eks-workshop", None),
        ("-c eks-workshop list", None),
        ("list", Some("eks-workshop")),
        ("list", Some(ARN)),
        ("list -c eks-workshop", Some("other")),
    ] {
        let _ = with(&env, line, &[("PODID_CLUSTER", variable), ("KUBECONFIG", None)]).ok();
    }
}

#[test]
fn by_kube_context_in_all_its_forms() {
    let env = ready(&[]);
    let get_token = exec("aws", "--region, us-west-2, eks, get-token, --cluster-name, eks-workshop, --output, json");
    let authenticator = exec("aws-iam-authenticator", "token, -i, eks-workshop");
    for (cluster, user) in [
        (ARN, None),
        (ARN, Some(get_token.as_str())),
        ("eks-workshop.us-west-2.eksctl.io", None),
        ("prod", Some(get_token.as_str())),
        ("prod", Some(authenticator.as_str())),
    ] {
        let path = kubeconfig(&env, cluster, user);
        env.world.journal().clear();
        // Kubernetes itself is reached by the cluster's endpoint: the plugin, which is not there, is not run.
        let run = with(&env, "agent status", &[("PODID_CLUSTER", None), ("KUBECONFIG", Some(&path))]).ok();
        assert!(env.world.journal().count("kubernetes", "list nodes") > 0, "{cluster}\n{run}");
    }
    let path = kubeconfig(&env, "kind-dev", None);
    let run = with(&env, "list", &[("PODID_CLUSTER", None), ("KUBECONFIG", Some(&path))]);
    let _ = run.code(2).says("no cluster specified").says("--cluster NAME");
}

#[test]
fn by_kubeconfig_flag_with_its_own_way_in() {
    let env = ready(&[]);
    let path = env.kubeconfig();
    let line = format!("agent status --kubeconfig {path} --context {ARN}");
    let _ = with(&env, &line, &[("PODID_CLUSTER", None)]).ok().says("ready on 3 nodes");
    let _ = env.podid(&format!("agent status --kubeconfig {path}")).ok();
    let run = env.podid(&format!("agent status --kubeconfig {path} --context nowhere"));
    let _ = run.code(2).says("no context `nowhere`");
    let run = env.podid("agent status --kubeconfig nowhere.yaml");
    let _ = run.code(2).says("nowhere.yaml");
}

#[test]
fn by_a_credential_plugin() {
    let env = ready(&[]);
    let token = env.world.kubeconfig().rsplit_once("token: ").unwrap().1.trim().to_owned();
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": { "token": token },
    });
    let script = format!("#!/bin/sh\necho ran >> \"$0.log\"\necho '{credential}'\n");
    let plugin = file(&env, "plugin", &script);
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = kubeconfig(&env, ARN, Some(&exec(&plugin, "")));
    let run = env.podid(&format!("agent status --kubeconfig {path} -vv")).ok().says("ready on 3 nodes");
    assert!(std::fs::read_to_string(format!("{plugin}.log")).unwrap().contains("ran"), "{run}");
    assert!(!run.stderr.contains(&token), "{run}");
    file(&env, "plugin", "#!/bin/sh\necho 'no session' >&2\nexit 3\n");
    let run = env.podid(&format!("agent status --kubeconfig {path}"));
    let _ = run.code(4).says("no session");
}

#[test]
fn credentials_of_another_account_than_the_contexts() {
    let env = ready(&[]);
    let theirs = ARN.replace("111122223333", "444455556666");
    let path = kubeconfig(&env, &theirs, None);
    for line in [WRITES, "list", "show carts/carts", "agent install --yes"] {
        let run = with(&env, line, &[("PODID_CLUSTER", None), ("KUBECONFIG", Some(&path))]);
        let run = run.code(2).says("444455556666").says(ARN);
        untouched(&env, &run);
    }
    let run = with(&env, WRITES, &[("PODID_CLUSTER", Some(&theirs))]).code(2).says("444455556666").says(ARN);
    untouched(&env, &run);
}

#[test]
fn a_region_that_contradicts() {
    let env = ready(&[]);
    let path = kubeconfig(&env, ARN, None);
    let context = [("PODID_CLUSTER", None), ("KUBECONFIG", Some(path.as_str()))];
    let run = with(&env, "list --region eu-west-1", &context).code(2).says("eu-west-1").says("us-west-2");
    assert!(env.world.journal().calls().is_empty(), "{run}");
    let run = with(&env, "list --region eu-west-1", &[("PODID_CLUSTER", Some(ARN))]).code(2).says("eu-west-1");
    assert!(env.world.journal().calls().is_empty(), "{run}");
    let _ = with(&env, "list --region us-west-2", &context).ok();
}

#[test]
fn a_kubeconfig_that_leads_to_another_cluster() {
    let env = ready(&[]);
    let other = ready(&[("/clusters/0/name", json!("eks-other"))]);
    let path = other.kubeconfig();
    for line in [WRITES, "agent install", "recycle carts/carts --yes"] {
        let run =
            env.podid(&format!("{line} --kubeconfig {path} --timeout 30s")).code(2).says("another cluster").says(ARN);
        untouched(&env, &run);
        untouched(&other, &run);
    }
}

#[test]
fn a_cluster_that_is_not_there() {
    let env = ready(&[]);
    for line in [WRITES, "list", "show carts/carts", "recycle carts/carts", "agent status"] {
        let run = with(&env, line, &[("PODID_CLUSTER", Some("eks-workshp"))]);
        let run = run.code(1).says("no cluster `eks-workshp`").says("did you mean").says("eks-workshop");
        untouched(&env, &run);
    }
}

#[test]
fn no_cluster_at_all() {
    let env = ready(&[]);
    let run =
        with(&env, "list", &[("PODID_CLUSTER", None)]).code(2).says("no cluster specified").says("update-kubeconfig");
    assert!(env.world.journal().calls().is_empty(), "{run}");
}
