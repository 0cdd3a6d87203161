//! `podid wait`.

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::support::{Env, SOON, denying, finish, forbidding};

const NODE: &str = "ip-10-42-10-11.us-west-2.compute.internal";

/// The first node's label that keeps the agent's DaemonSet off it.
fn hybrid() -> (&'static str, Value) {
    ("/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type", json!("hybrid"))
}

#[test]
fn what_holds_already() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.podid("wait carts/carts --for ready").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts: ready: new pods get credentials (pod carts-[pod] was injected)
    ");
    insta::assert_snapshot!(env.podid("wait carts/carts --for agent").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts: ready on 3 nodes where its pods run or could run
    ");
    let _ = env.podid("recycle carts/carts").ok();
    insta::assert_snapshot!(env.podid("wait carts/carts --for injected").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts: all 2 pods are injected
    ");
    insta::assert_snapshot!(env.podid("wait carts/carts --for ready").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts: ready: new pods get credentials (pod carts-[pod] was injected)
    ");
    insta::assert_snapshot!(env.podid("wait carts/carts --for injected -o json").ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "namespace": "carts",
      "serviceAccount": "carts",
      "condition": "injected",
      "holds": true,
      "how": "all 2 pods are injected",
      "missing": []
    }
    --- stderr
    carts/carts: all 2 pods are injected
    "#);
    insta::assert_snapshot!(env.podid("wait carts/carts --for agent -q -o yaml").ok().steady(), @"
    exit 0
    --- stdout
    namespace: carts
    serviceAccount: carts
    condition: agent
    holds: true
    how: ready on 3 nodes where its pods run or could run
    missing: []
    ");
    insta::assert_snapshot!(env.podid("wait carts/carts --for ready -o name").ok().steady(), @"
    exit 0
    --- stdout
    carts/carts
    --- stderr
    carts/carts: ready: new pods get credentials (pod carts-[pod] was injected)
    ");
    insta::assert_snapshot!(env.tty(80, &["wait", "carts/carts", "--for", "agent"], "").ok().steady(), @"
    exit 0
    --- stdout
    ✔ carts/carts: ready on 3 nodes where its pods run or could run
    ");
    assert_eq!(env.writes(), ["kubernetes patch deployments"], "a wait writes nothing");
}

#[test]
fn what_never_comes() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.podid("wait carts/carts --for ready --timeout 4s").code(5).steady(), @"
    exit 5
    --- stderr
    carts/carts: no association in cluster eks-workshop
    error: timed out after 4s while waiting until carts/carts is ready
      caused by: no association in cluster eks-workshop

    hint: allow more time with `--timeout`
    hint: associate it with `podid associate carts/carts --create-role`
    ");
    insta::assert_snapshot!(env.podid("wait carts/carts --for injected --timeout 4s -o json").code(5).steady(), @r#"
    exit 5
    --- stdout
    {
      "namespace": "carts",
      "serviceAccount": "carts",
      "condition": "injected",
      "holds": false,
      "how": null,
      "missing": [
        "no association in cluster eks-workshop"
      ]
    }
    --- stderr
    carts/carts: no association in cluster eks-workshop
    {"error":{"code":"timed-out","message":"timed out after 4s while waiting until carts/carts is injected in all its pods: no association in cluster eks-workshop","requestId":null,"hints":["allow more time with `--timeout`","associate it with `podid associate carts/carts --create-role`"]}}
    "#);
    let env = Env::with("carts-associated", &[("/webhook", json!({ "enabled": false }))]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for ready --timeout 4s").code(5).steady(), @"
    exit 5
    --- stderr
    error: timed out after 4s while waiting until new pods are injected
      caused by: not every API server injects new pods of carts/carts yet

    hint: allow more time with `--timeout`
    hint: check that the webhook exists: `kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml`
    hint: check it with `podid show carts/carts`
    ");
    // Its pods are ten minutes old.
    let env = Env::with("carts-associated", &[("/associations/0/age_s", json!(60))]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for injected --timeout 4s").code(5).steady(), @"
    exit 5
    --- stderr
    carts/carts: pod carts-[pod] is not injected, and 1 more
    error: timed out after 4s while waiting until carts/carts is injected in all its pods
      caused by: pod carts-[pod] is not injected
      caused by: pod carts-[pod] is not injected

    hint: allow more time with `--timeout`
    hint: restart the pods that are not injected with `podid recycle carts/carts`
    hint: if new pods are not injected either, check that the webhook exists: `kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml`
    ");
    let env = Env::with("carts-associated", &[hybrid()]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for agent --timeout 4s").code(5).steady(), @"
    exit 5
    --- stderr
    carts/carts: ip-10-42-10-11.us-west-2.compute.internal: a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)
    error: timed out after 4s while waiting until carts/carts is served by a ready agent
      caused by: ip-10-42-10-11.us-west-2.compute.internal: a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)

    hint: allow more time with `--timeout`
    hint: see why with `podid agent status`
    ");
    insta::assert_snapshot!(env.podid("wait carts/carts --for agent --timeout 4s -q -o json").code(5).steady(), @r#"
    exit 5
    --- stdout
    {
      "namespace": "carts",
      "serviceAccount": "carts",
      "condition": "agent",
      "holds": false,
      "how": null,
      "missing": [
        "ip-10-42-10-11.us-west-2.compute.internal: a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)"
      ]
    }
    --- stderr
    {"error":{"code":"timed-out","message":"timed out after 4s while waiting until carts/carts is served by a ready agent: ip-10-42-10-11.us-west-2.compute.internal: a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)","requestId":null,"hints":["allow more time with `--timeout`","see why with `podid agent status`"]}}
    "#);
}

/// A Terraform run associates, and the script is there first.
#[test]
fn what_comes_meanwhile() {
    let env = Env::new("carts-role");
    let effective = env.start(&["wait", "carts/carts", "--for", "effective"]);
    let injected = env.start(&["wait", "carts/carts", "--for", "injected"]);
    let listed = |env: &Env| env.world.journal().count("eks", "ListPodIdentityAssociations");
    let start = std::time::Instant::now();
    while listed(&env) < 2 {
        assert!(start.elapsed() < SOON, "{:?}", env.operations());
        std::thread::yield_now();
    }
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --recycle").ok();
    let run = finish(effective).ok();
    assert!(run.stderr.contains("carts/carts: no association in cluster eks-workshop"), "{run}");
    assert!(run.stderr.contains("ready: new pods get credentials"), "{run}");
    let run = finish(injected).ok();
    assert!(run.stderr.contains("all 2 pods are injected"), "{run}");
}

/// What was missing before is no advice for what is missing now.
#[test]
fn an_association_that_comes_meanwhile_is_not_advised() {
    let waited = |associate: bool| {
        // The association reaches no API server before the time is over.
        let env = Env::with("carts-role", &[("/delays", serde_json::json!({ "association": [60_000, 60_000] }))]);
        let child = env.begin("wait carts/carts --for ready --timeout 12s");
        let listed = |env: &Env| env.world.journal().count("eks", "ListPodIdentityAssociations");
        env.world.wait_until(SOON, |_| listed(&env) > 0).unwrap();
        if associate {
            let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --no-wait").ok();
        }
        finish(child).code(5).stderr
    };
    let advice = "associate it with `podid associate carts/carts --create-role`";
    let text = waited(true);
    assert!(text.contains("no association in cluster") && !text.contains(advice), "{text}");
    let text = waited(false);
    assert!(text.contains(advice), "{text}");
}

#[test]
fn an_agent_that_comes_meanwhile() {
    let env = Env::new("carts-before");
    let child = env.start(&["wait", "carts/carts", "--for", "agent"]);
    let _ = env.podid("agent install").ok();
    let _ = finish(child).ok().says("ready on 3 nodes where its pods run or could run");
}

#[test]
fn nobody_uses_it() {
    let env = Env::new("carts-agent");
    insta::assert_snapshot!(env.podid("wait carts/nobody --for agent").ok().steady(), @"
    exit 0
    --- stderr
    carts/nobody: no pods use it yet; ready on every node that needs it
    ");
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("wait carts/nobody --for agent --timeout 4s").code(5).steady(), @"
    exit 5
    --- stderr
    carts/nobody: ip-10-42-10-11.us-west-2.compute.internal: the agent is not installed, and 2 more
    error: timed out after 4s while waiting until carts/nobody is served by a ready agent
      caused by: ip-10-42-10-11.us-west-2.compute.internal: the agent is not installed
      caused by: ip-10-42-11-12.us-west-2.compute.internal: the agent is not installed
      caused by: ip-10-42-12-13.us-west-2.compute.internal: the agent is not installed

    hint: allow more time with `--timeout`
    hint: see why with `podid agent status`
    ");
    let env = Env::with("carts-associated", &[("/manifests/8/spec/replicas", json!(0))]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for injected").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts: no pods run, and none are expected
    ");
}

#[test]
fn a_missing_service_account() {
    let env = Env::with("carts-associated", &[("/associations/0/service_account", json!("cartz"))]);
    insta::assert_snapshot!(env.podid("wait carts/cartz --for ready --timeout 4s").code(5).steady(), @r#"
    exit 5
    --- stderr
    carts/cartz: no pod can use this association yet: error looking up service account carts/cartz: serviceaccount "cartz" not found
    error: timed out after 4s while waiting until carts/cartz is ready
      caused by: no pod can use this association yet: error looking up service account carts/cartz: serviceaccount "cartz" not found

    hint: allow more time with `--timeout`
    hint: check it with `podid show carts/cartz`
    "#);
}

#[test]
fn denied() {
    let env = Env::with("carts-associated", &[denying("eks:ListPodIdentityAssociations")]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for ready").code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot list associations of `carts/carts` in cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:ListPodIdentityAssociations on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:ListPodIdentityAssociations` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with("carts-associated", &[forbidding(&["list pods"])]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for injected").code(4).steady(), @r#"
    exit 4
    --- stderr
    error: cannot list pods of `carts/carts`
      caused by: pods is forbidden: User "arn:aws:iam::111122223333:user/workshop" cannot list resource "pods" in API group "" in the namespace "carts"
    "#);
    let _ = env.podid("wait carts/carts --for ready").ok();
    let env = Env::with("carts-associated", &[forbidding(&["list nodes"])]);
    insta::assert_snapshot!(env.podid("wait carts/carts --for agent").code(4).steady(), @"
    exit 4
    --- stderr
    error: the agent could not be read: not allowed: list nodes
    ");
}

#[test]
fn interrupted() {
    let env = Env::new("carts-agent");
    let asked = |world: &podid_sandbox::Sandbox| world.journal().count("eks", "ListPodIdentityAssociations") > 1;
    insta::assert_snapshot!(env.signalled("wait carts/carts --for ready", "INT", asked).code(130).steady(), @"
    exit 130
    --- stderr
    carts/carts: no association in cluster eks-workshop
    error: interrupted
    ");
}

/// An API server that is replaced drops what it was asked; the wait goes on.
#[test]
fn lost_answers() {
    let env = Env::with("carts-associated", &[hybrid()]);
    let child = env.start(&["wait", "carts/carts", "--for", "agent", "--timeout", "20s"]);
    let start = std::time::Instant::now();
    while env.world.journal().count("eks", "DescribeAddon") < 2 {
        assert!(start.elapsed() < SOON, "{:?}", env.operations());
        std::thread::yield_now();
    }
    env.world.faults().add(Fault::once("eks", "DescribeAddon", Action::Drop));
    env.world.with(|state| {
        assert!(state.kube.edit("nodes", "", NODE, |node| {
            node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] = json!("ec2");
        }));
    });
    let _ = finish(child).ok();
}

#[test]
fn kubernetes_alone_tells_that_new_pods_are_injected() {
    let env = Env::new("carts-associated").without_aws();
    let kubeconfig = env.kubeconfig();
    let wait = |more: &str| {
        env.podid(&format!(
            "wait carts/carts --for ready --kubernetes-only --kubeconfig {kubeconfig} --timeout 20s {more}"
        ))
    };
    insta::assert_snapshot!(wait("").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts: new pods are injected (6 of 6 dry-run pods); the role, its permissions and the agent were not checked (--kubernetes-only)
    ");
    assert_eq!(env.writes(), Vec::<String>::new(), "a wait writes nothing");
    assert!(env.operations().iter().all(|operation| operation.starts_with("kubernetes")), "{:?}", env.operations());

    let env = Env::with("carts-associated", &[("/associations/0/service_account", json!("other"))]).without_aws();
    let kubeconfig = env.kubeconfig();
    insta::assert_snapshot!(
        env.podid(&format!("wait carts/carts --for ready --kubernetes-only --kubeconfig {kubeconfig} --timeout 4s"))
            .code(5)
            .steady(),
        @"
        exit 5
        --- stderr
        error: timed out after 4s while waiting until new pods are injected
          caused by: not every API server injects new pods of carts/carts yet

        hint: allow more time with `--timeout`
        hint: check that the webhook exists: `kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml`
        hint: check it with `podid show carts/carts`
        "
    );
}

#[test]
fn kubernetes_alone_says_what_it_cannot_know() {
    // Where no dry-run pod can be created nothing is known, however much time passes.
    let env = Env::with("carts-associated", &[forbidding(&["create pods"])]).without_aws();
    let kubeconfig = env.kubeconfig();
    insta::assert_snapshot!(
        env.podid(&format!("wait carts/carts --for ready --kubernetes-only --kubeconfig {kubeconfig}")).code(4).steady(),
        @"
        exit 4
        --- stderr
        error: unknown whether new pods of carts/carts are injected
          caused by: cannot create a dry-run pod: RBAC: the caller is not allowed to create pods in namespace `carts`

        hint: check the permission: `kubectl auth can-i create pods -n carts`
        hint: or check the association in AWS: `podid wait carts/carts --for ready`
        "
    );
    let _ = env
        .podid("wait carts/carts --for agent --kubernetes-only")
        .code(2)
        .says("--kubernetes-only is only for `--for ready`");
    let _ = env
        .podid("wait carts/carts --for ready --kubernetes-only --in-cluster")
        .code(2)
        .says("--in-cluster works only in a pod");
    let _ = env.podid("wait carts/carts --for ready --in-cluster --context x").code(2).says("cannot be used with");
}
