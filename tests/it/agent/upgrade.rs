//! `podid agent upgrade`, and the settings of `podid agent install`.

use serde_json::{Value, json};

use crate::support::{Env, denying};

const OLD: &str = "v1.3.9-eksbuild.3";
const LABELS: &str = r#"{"podLabels":{"team":"a"}}"#;
const SETS: &str = r#"{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}"#;

/// The field that makes the installed add-on an older one.
fn old() -> (&'static str, Value) {
    ("/addons/0/version", json!(OLD))
}

/// The field that gives the installed add-on a configuration.
fn configured(with: &str) -> (&'static str, Value) {
    ("/addons/0/configuration", json!(with))
}

fn addon(env: &Env) -> (String, Option<String>) {
    env.world.with(|state| {
        let addon = state.aws.addons.values().next().unwrap();
        (addon.version.clone(), addon.configuration.clone())
    })
}

#[test]
fn it_is_confirmed() {
    let env = Env::with("carts-agent", &[old(), configured(SETS)]);
    insta::assert_snapshot!(env.podid("agent upgrade").code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    error: confirmation required: this changes existing resources, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
}

#[test]
fn to_the_default() {
    let env = Env::with("carts-agent", &[old(), configured(SETS)]);
    insta::assert_snapshot!(env.podid("agent upgrade --dry-run --exit-code -o json").code(3).steady(), @r#"
    exit 3
    --- stdout
    {
      "steps": [
        {
          "id": "update-agent",
          "action": "updateAgent",
          "resource": "eks-pod-identity-agent v1.3.10-eksbuild.1",
          "status": "planned",
          "error": null
        }
      ],
      "addon": {
        "addonName": "eks-pod-identity-agent",
        "addonVersion": "v1.3.9-eksbuild.3",
        "status": "ACTIVE",
        "issues": [],
        "configurationValues": "{\"agent\":{\"additionalArgs\":{\"-b\":\"169.254.170.23\"}}}"
      },
      "agent": {
        "autoMode": false,
        "addon": {
          "addonName": "eks-pod-identity-agent",
          "addonVersion": "v1.3.9-eksbuild.3",
          "status": "ACTIVE",
          "issues": [],
          "configurationValues": "{\"agent\":{\"additionalArgs\":{\"-b\":\"169.254.170.23\"}}}"
        },
        "daemonSets": [
          {
            "namespace": "kube-system",
            "name": "eks-pod-identity-agent",
            "desired": 3,
            "ready": 3,
            "observed": true
          }
        ],
        "nodes": [
          {
            "node": "ip-10-42-10-11.us-west-2.compute.internal",
            "agent": "ready",
            "reason": null
          },
          {
            "node": "ip-10-42-11-12.us-west-2.compute.internal",
            "agent": "ready",
            "reason": null
          },
          {
            "node": "ip-10-42-12-13.us-west-2.compute.internal",
            "agent": "ready",
            "reason": null
          }
        ],
        "unread": []
      }
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    "#);
    assert!(env.writes().is_empty());
    insta::assert_snapshot!(env.podid("agent upgrade --yes").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    asked EKS to update add-on eks-pod-identity-agent to v1.3.10-eksbuild.1
    agent: ready on 3 nodes
    ");
    assert_eq!(addon(&env), ("v1.3.10-eksbuild.1".to_owned(), Some(SETS.to_owned())), "the configuration is kept");
    insta::assert_snapshot!(env.podid("agent upgrade").ok().steady(), @"
    exit 0
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already the default for Kubernetes 1.33: nothing to do
    agent: ready on 3 nodes
    ");
    assert_eq!(env.writes(), ["eks UpdateAddon"], "once");
    insta::assert_snapshot!(env.tty(80, &["agent", "upgrade", "--version", OLD], "n\n").code(2).steady(), @"
    exit 2
    --- stdout
    n
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ downgrade add-on eks-pod-identity-agent from v1.3.10-eksbuild.1 to
        v1.3.9-eksbuild.3
    Plan: 0 to create, 1 to change, 0 to delete
    Apply this to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)? [y/N] error: not confirmed; nothing was changed
    ");
    assert_eq!(env.writes(), ["eks UpdateAddon"]);
}

#[test]
fn never_silently_back() {
    let env = Env::with("carts-agent", &[("/addons/0/version", json!("v1.4.0-eksbuild.1"))]);
    let _ = env
        .podid("agent upgrade")
        .ok()
        .says("v1.4.0-eksbuild.1 is newer than the default for Kubernetes 1.33, v1.3.10-eksbuild.1");
    assert!(env.writes().is_empty());
    // Named, it is meant.
    let _ = env.podid(&format!("agent upgrade --version {OLD} --dry-run")).ok().says("downgrade add-on");
    let _ = env.podid(&format!("agent upgrade --version {OLD} --yes")).ok();
    assert_eq!(addon(&env).0, OLD);
}

#[test]
fn what_the_new_version_does_not_know() {
    let env = Env::with("carts-agent", &[configured(LABELS)]);
    insta::assert_snapshot!(env.podid(&format!("agent upgrade --version {OLD} --yes")).code(2).steady(), @r#"
    exit 2
    --- stderr
    error: eks-pod-identity-agent v1.3.9-eksbuild.3 does not accept the current configuration: `podLabels`
      caused by: the add-on's configuration is {"podLabels":{"team":"a"}}

    hint: pass a configuration that it accepts with `--configuration-values`
    "#);
    assert!(env.writes().is_empty());
    let healthy = Env::with("carts-agent", &[configured("{}")]);
    let _ = healthy.podid(&format!("agent upgrade --version {OLD} --yes")).ok();
    let denied = Env::with("carts-agent", &[configured(LABELS), denying("eks:DescribeAddonConfiguration")]);
    insta::assert_snapshot!(denied.podid(&format!("agent upgrade --version {OLD} --yes")).code(1).steady(), @"
    exit 1
    --- stderr
    warning: configuration not compared with the schema of the new version: not allowed: eks:DescribeAddonConfiguration
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ downgrade add-on eks-pod-identity-agent from v1.3.10-eksbuild.1 to v1.3.9-eksbuild.3
    Plan: 0 to create, 1 to change, 0 to delete
    could not downgrade add-on eks-pod-identity-agent from v1.3.10-eksbuild.1 to v1.3.9-eksbuild.3
    error: cannot update add-on `eks-pod-identity-agent` of cluster `eks-workshop`
      caused by: ConfigurationValue provided in request is not supported: Json schema validation failed with error: [$.podLabels: is not defined in the schema and the schema does not allow additional properties]
      request id: [uuid]
    ");
}

#[test]
fn another_configuration() {
    let env = Env::with("carts-agent", &[configured(LABELS)]);
    let file = env.file("agent.json", "{\n  \"agent\": {\"additionalArgs\": {\"-b\": \"169.254.170.23\"}}\n}\n");
    let given = format!("@{file}");
    let line = ["agent", "upgrade", "--configuration-values", given.as_str(), "--yes"];
    insta::assert_snapshot!(env.run(&line).ok().steady(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ update add-on eks-pod-identity-agent v1.3.10-eksbuild.1, configuration {"podLabels":{"team":"a"}} -> {"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}
    Plan: 0 to create, 1 to change, 0 to delete
    asked EKS to update add-on eks-pod-identity-agent to v1.3.10-eksbuild.1
    agent: ready on 3 nodes
    "#);
    assert_eq!(addon(&env).1.as_deref(), Some(SETS));
    let _ = env.run(&line).ok().says("nothing to do");
    assert_eq!(env.writes(), ["eks UpdateAddon"], "once");
    for (given, said) in [
        ("{", "--configuration-values: the value is not JSON, line 1 column 1"),
        ("[]", "--configuration-values: the value is not a JSON object"),
        ("@/nowhere.json", "--configuration-values: cannot read `/nowhere.json`"),
    ] {
        let _ = env.run(&["agent", "upgrade", "--configuration-values", given]).code(2).says(said);
        let _ = env.run(&["agent", "install", "--configuration-values", given]).code(2).says(said);
    }
    insta::assert_snapshot!(env.run(&["agent", "install", "--configuration-values", "{}"]).code(2).steady(), @"
    exit 2
    --- stderr
    error: eks-pod-identity-agent v1.3.10-eksbuild.1 is installed, with another configuration; an install does not change it

    hint: change it with `podid agent upgrade --configuration-values JSON`
    ");
}

#[test]
fn what_somebody_else_set() {
    let set = |env: &Env| {
        env.world.with(|state| {
            assert!(state.kube.edit("daemonsets", "kube-system", "eks-pod-identity-agent", |set| {
                set["spec"]["template"]["spec"]["tolerations"] =
                    json!([{ "operator": "Exists", "effect": "NoSchedule" }]);
                set["metadata"]["generation"] = json!(2);
            }));
        });
    };
    let tolerations = |env: &Env| {
        let set =
            env.world.with(|state| state.kube.get("daemonsets", "kube-system", "eks-pod-identity-agent")).unwrap();
        set["spec"]["template"]["spec"]["tolerations"].clone()
    };
    let env = Env::with("carts-agent", &[old()]);
    set(&env);
    insta::assert_snapshot!(env.podid("agent upgrade --resolve-conflicts none --yes").code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    asked EKS to update add-on eks-pod-identity-agent to v1.3.10-eksbuild.1
    error: the update of add-on `eks-pod-identity-agent` of cluster `eks-workshop` is Failed
      caused by: ConfigurationConflict: Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: DaemonSet.apps eks-pod-identity-agent - .spec.template.spec.tolerations
      caused by: these fields were changed outside EKS, and the update may not overwrite them

    hint: keep the changes: `podid agent upgrade --resolve-conflicts preserve`
    hint: overwrite the changes: `podid agent upgrade --resolve-conflicts overwrite`
    hint: run the same command again: finished steps are skipped
    ");
    let _ = env.podid("agent upgrade --resolve-conflicts overwrite --yes").ok();
    let env = Env::with("carts-agent", &[old()]);
    set(&env);
    let _ = env.podid("agent upgrade --yes").ok();
    assert_eq!(tolerations(&env), json!([{ "operator": "Exists", "effect": "NoSchedule" }]), "kept");
    let env = Env::with("carts-agent", &[old()]);
    set(&env);
    let _ = env.podid("agent upgrade --resolve-conflicts overwrite --yes").ok();
    assert_eq!(tolerations(&env), json!([{ "operator": "Exists" }]));
}

#[test]
fn stopped() {
    let env = Env::with("carts-agent", &[("/addons", json!([]))]);
    insta::assert_snapshot!(env.podid("agent upgrade --yes").code(2).steady(), @"
    exit 2
    --- stderr
    error: the add-on `eks-pod-identity-agent` is not installed in cluster `eks-workshop`

    hint: install it with `podid agent install`
    hint: upgrade a self-managed agent with the tool that installed it: see `podid agent status`
    ");
    let env = Env::with("carts-agent", &[old(), denying("eks:UpdateAddon")]);
    insta::assert_snapshot!(env.podid("agent upgrade --yes").code(4).steady(), @"
    exit 4
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    could not upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    error: cannot update add-on `eks-pod-identity-agent` of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks:UpdateAddon on resource: arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/eks-pod-identity-agent/[uuid] with an explicit deny in an identity-based policy
      caused by: a policy denies `eks:UpdateAddon` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
    let env = Env::with("carts-agent", &[old(), ("/delays", json!({ "addon": 60_000 }))]);
    insta::assert_snapshot!(env.podid("agent upgrade --yes --timeout 4s").code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    asked EKS to update add-on eks-pod-identity-agent to v1.3.10-eksbuild.1
    error: timed out after 4s while waiting for the update of the add-on

    hint: allow more time with `--timeout`
    hint: run the same command again: finished steps are skipped
    ");
    insta::assert_snapshot!(env.podid("agent upgrade --yes --timeout 4s").code(5).steady(), @"
    exit 5
    --- stderr
    eks-pod-identity-agent v1.3.10-eksbuild.1 is already the default for Kubernetes 1.33: nothing to do
    error: timed out after 4s while waiting for the agent add-on to be ACTIVE
      caused by: it is UPDATING

    hint: allow more time with `--timeout`
    ");
    insta::assert_snapshot!(env.podid(&format!("agent upgrade --yes --version {OLD}")).code(1).steady(), @"
    exit 1
    --- stderr
    error: eks-pod-identity-agent v1.3.10-eksbuild.1 is UPDATING: another change is in progress

    hint: wait until `podid agent status` shows ACTIVE, then run the same command again
    ");
    assert_eq!(env.writes(), ["eks UpdateAddon"]);
    let env = Env::with("carts-agent", &[old(), denying("eks:DescribeUpdate")]);
    let _ = env.podid("agent upgrade --yes").ok();
    let env = Env::with("carts-agent", &[old()]);
    insta::assert_snapshot!(env.podid("agent upgrade --yes --no-wait -o name").ok().steady(), @"
    exit 0
    --- stdout
    eks-pod-identity-agent
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ upgrade add-on eks-pod-identity-agent from v1.3.9-eksbuild.3 to v1.3.10-eksbuild.1
    Plan: 0 to create, 1 to change, 0 to delete
    asked EKS to update add-on eks-pod-identity-agent to v1.3.10-eksbuild.1
    ");
    assert!(!env.operations().iter().any(|call| call.starts_with("kubernetes")));
}

#[test]
fn an_install_with_settings() {
    let env = Env::new("carts-before");
    let line = ["agent", "install", "--configuration-values", SETS, "--resolve-conflicts", "overwrite"];
    insta::assert_snapshot!(env.run(&line).ok().steady(), @r#"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1, with configuration {"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}, overwriting changes made outside EKS
    Plan: 1 to create, 0 to change, 0 to delete
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on 3 nodes
    "#);
    assert_eq!(addon(&env).1.as_deref(), Some(SETS));
    let _ = env.run(&line).ok().says("is already installed");
    assert_eq!(env.writes(), ["eks CreateAddon"], "once");
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.run(&["agent", "install", "--configuration-values", r#"{"tolerationz":[]}"#]).code(1).steady(), @r#"
    exit 1
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1, with configuration {"tolerationz":[]}
    Plan: 1 to create, 0 to change, 0 to delete
    could not install add-on eks-pod-identity-agent v1.3.10-eksbuild.1, with configuration {"tolerationz":[]}
    error: cannot install add-on `eks-pod-identity-agent` v1.3.10-eksbuild.1 in cluster `eks-workshop`
      caused by: ConfigurationValue provided in request is not supported: Json schema validation failed with error: [$.tolerationz: is not defined in the schema and the schema does not allow additional properties]
      request id: [uuid]
    "#);
}
