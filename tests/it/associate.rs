//! `podid associate`.

mod agents;
mod consent;
mod partitions;
mod permissions;
mod roles;
mod stops;
mod target;

use podid_sandbox::Sandbox;
use serde_json::json;

use crate::support::Env;

#[test]
fn with_a_role() {
    let env = Env::new("carts-role");
    insta::assert_snapshot!(env.podid("associate carts/carts --role eks-workshop-carts-dynamo").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
    // The second plan is empty, and the proof is made again.
    let probes = |world: &Sandbox| world.journal().count("kubernetes", "create pods (dry-run)");
    let before = probes(&env.world);
    insta::assert_snapshot!(env.podid("associate carts/carts --role eks-workshop-carts-dynamo").ok().steady(), @"
    exit 0
    --- stderr
    carts/carts is already associated as requested: nothing to change
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
    hint: restart them with `podid recycle carts/carts`
    ");
    assert!(probes(&env.world) > before, "the proof is made again");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn from_nothing_to_working_pods() {
    let env = Env::new("carts-before");
    let line = "associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --install-agent --recycle";
    insta::assert_snapshot!(env.podid(line).ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + install add-on eks-pod-identity-agent v1.3.10-eksbuild.1
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
      + add inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 4 to create, 0 to change, 0 to delete, 1 to restart
    created add-on eks-pod-identity-agent v1.3.10-eksbuild.1
    agent: ready on every node that needs it
    created role eks-workshop-carts-carts-8233eca5
    added inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
    associated carts/carts with role eks-workshop-carts-carts-8233eca5
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    restarted deployment/carts
    deployment/carts: rolled out
    ");
    let mut writes = env.writes();
    writes.sort();
    assert_eq!(
        writes,
        [
            "eks CreateAddon",
            "eks CreatePodIdentityAssociation",
            "iam CreateRole",
            "iam PutRolePolicy",
            "kubernetes patch deployments",
        ]
    );
    env.world.journal().clear();
    insta::assert_snapshot!(env.podid(line).ok().steady(), @"
    exit 0
    --- stderr
    carts/carts is already associated as requested: nothing to change
    agent: ready on every node that needs it
    carts/carts: ready: new pods get credentials (pod carts-[pod] was injected)
    ");
    assert!(env.writes().is_empty());
}

#[test]
fn a_dry_run_as_data() {
    let env = Env::new("carts-role");
    let line = "associate carts/carts --role eks-workshop-carts-dynamo";
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run --exit-code -o json")).code(3).steady(), @r#"
    exit 3
    --- stdout
    {
      "steps": [
        {
          "id": "create-association",
          "action": "createAssociation",
          "resource": "carts/carts",
          "status": "planned",
          "error": null
        }
      ],
      "association": null,
      "effective": null,
      "effectiveHow": null,
      "rollouts": [],
      "stalePods": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    "#);
    assert!(env.writes().is_empty());
}

#[test]
fn prints_json() {
    let env = Env::new("carts-role");
    let line = "associate carts/carts --role eks-workshop-carts-dynamo";
    insta::assert_snapshot!(env.podid(&format!("{line} -o json --recycle")).ok().steady(), @r#"
    exit 0
    --- stdout
    {
      "steps": [
        {
          "id": "create-association",
          "action": "createAssociation",
          "resource": "carts/carts",
          "status": "done",
          "error": null
        },
        {
          "id": "restart/carts/deployment/carts",
          "action": "restart",
          "resource": "deployment/carts",
          "status": "done",
          "error": null
        }
      ],
      "association": {
        "clusterName": "eks-workshop",
        "namespace": "carts",
        "serviceAccount": "carts",
        "associationArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]",
        "associationId": "a-[id]",
        "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
        "disableSessionTags": false,
        "tags": {
          "podid.dev/cluster": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
          "podid.dev/managed-by": "podid",
          "podid.dev/namespace": "carts",
          "podid.dev/service-account": "carts"
        },
        "createdAt": "[time]",
        "modifiedAt": "[time]"
      },
      "effective": "observed",
      "effectiveHow": "new pods get credentials (6 of 6 dry-run pods)",
      "rollouts": [
        {
          "workload": "deployment/carts",
          "namespace": "carts",
          "status": "rolled-out",
          "error": null
        }
      ],
      "stalePods": []
    }
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
      * restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 1 to create, 0 to change, 0 to delete, 1 to restart
    associated carts/carts with role eks-workshop-carts-dynamo
    carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    restarted deployment/carts
    deployment/carts: rolled out
    "#);
    insta::assert_snapshot!(env.podid(&format!("{line} -o yaml -q")).ok().steady(), @r"
    exit 0
    --- stdout
    steps: []
    association:
      clusterName: eks-workshop
      namespace: carts
      serviceAccount: carts
      associationArn: arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
      associationId: a-[id]
      roleArn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
      disableSessionTags: false
      tags:
        podid.dev/cluster: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop
        podid.dev/managed-by: podid
        podid.dev/namespace: carts
        podid.dev/service-account: carts
      createdAt: [time]
      modifiedAt: [time]
    effective: observed
    effectiveHow: new pods get credentials (pod carts-[pod] was injected)
    rollouts: []
    stalePods: []
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} -o name -q")).ok().steady(), @r"
    exit 0
    --- stdout
    carts/carts
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} -q")).ok().steady(), @"exit 0");
    insta::assert_snapshot!(env.podid(&format!("{line} --dry-run --exit-code")).ok().steady(), @r"
    exit 0
    --- stderr
    carts/carts is already associated as requested: nothing to change
    ");
}

#[test]
fn on_a_terminal() {
    let line = ["associate", "carts/carts", "--create-role", "--dynamodb", "eks-workshop-carts", "--recycle"];
    insta::assert_snapshot!(Env::new("carts-agent").tty(80, &line, "").ok().steady(), @"
    exit 0
    --- stdout
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
      + add inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
      ↻ restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 3 to create, 0 to change, 0 to delete, 1 to restart
    ✔ created role eks-workshop-carts-carts-8233eca5
    ✔ added inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
    ✔ associated carts/carts with role eks-workshop-carts-carts-8233eca5
    ✔ carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    ✔ restarted deployment/carts
    ✔ deployment/carts: rolled out
    ");
    insta::assert_snapshot!(Env::new("carts-agent").tty(200, &line, "").ok().steady(), @"
    exit 0
    --- stdout
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role eks-workshop-carts-carts-8233eca5 (path /podid/)
      + add inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
      + associate carts/carts with role eks-workshop-carts-carts-8233eca5
      ↻ restart deployment/carts (2 replicas, RollingUpdate)
    Plan: 3 to create, 0 to change, 0 to delete, 1 to restart
    ✔ created role eks-workshop-carts-carts-8233eca5
    ✔ added inline policy podid-dynamodb to role eks-workshop-carts-carts-8233eca5
    ✔ associated carts/carts with role eks-workshop-carts-carts-8233eca5
    ✔ carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)
    ✔ restarted deployment/carts
    ✔ deployment/carts: rolled out
    ");
}

#[test]
fn without_waiting() {
    let env = Env::new("carts-role");
    insta::assert_snapshot!(env.podid("associate carts/carts --role eks-workshop-carts-dynamo --no-wait").ok().steady(), @"
    exit 0
    --- stderr
    warning: agent not checked: not read because of --no-wait
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/carts with role eks-workshop-carts-dynamo
    hint: new pods get credentials within a few seconds; check them with `podid show carts/carts`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
    assert!(env.world.journal().calls().iter().all(|c| c.service != "kubernetes"), "no Kubernetes call");
    // An access entry is not needed either.
    let env = Env::with("carts-role", &[("/callers/0/access_entry", json!(false))]);
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --no-wait").ok();
    insta::assert_snapshot!(env.podid("associate carts/carts --role eks-workshop-carts-dynamo").code(4).steady_of_several(), @r"
    exit 4
    --- stderr
    error: cannot [read something]
      caused by: the cluster does not know the caller
      caused by: cluster `eks-workshop` has no access entry for arn:aws:iam::111122223333:user/workshop

    hint: create one: `aws eks create-access-entry --cluster-name eks-workshop --principal-arn arn:aws:iam::111122223333:user/workshop`, then associate an access policy
    hint: to make only the AWS changes, without Kubernetes, pass `--no-wait`
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn a_service_account_that_is_not_there() {
    let env = Env::new("carts-role");
    let line = "associate carts/cart --role eks-workshop-carts-dynamo";
    insta::assert_snapshot!(env.podid(line).code(2).steady(), @r"
    exit 2
    --- stderr
    error: service account carts/cart does not exist; did you mean `carts/carts`?

    hint: to create it, pass `--create-service-account`
    hint: to associate it before it exists, pass `--allow-missing-service-account`
    ");
    assert_eq!(env.writes(), Vec::<String>::new());
    insta::assert_snapshot!(env.podid(&format!("{line} --allow-missing-service-account")).ok().steady(), @"
    exit 0
    --- stderr
    warning: service account carts/cart does not exist; did you mean `carts/carts`?
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate carts/cart with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    associated carts/cart with role eks-workshop-carts-dynamo
    warning: carts/cart does not exist: no pod can use this association yet
    ");
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
    let line = "associate cart/carts --role eks-workshop-carts-dynamo --dry-run";
    insta::assert_snapshot!(env.podid(line).code(2).steady(), @r"
    exit 2
    --- stderr
    error: namespace `cart` does not exist; did you mean `carts/carts`?

    hint: to associate it before it exists, pass `--allow-missing-service-account`
    ");
    insta::assert_snapshot!(env.podid(&format!("{line} --allow-missing-service-account")).ok().steady(), @"
    exit 0
    --- stderr
    warning: namespace `cart` does not exist; did you mean `carts/carts`?
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + associate cart/carts with role eks-workshop-carts-dynamo
    Plan: 1 to create, 0 to change, 0 to delete
    ");
    let env = Env::new("carts-role");
    insta::assert_snapshot!(
        env.podid("associate carts/cart --role eks-workshop-carts-dynamo --create-service-account").ok().steady(), @"
    exit 0
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create service account carts/cart
      + associate carts/cart with role eks-workshop-carts-dynamo
    Plan: 2 to create, 0 to change, 0 to delete
    created service account carts/cart
    associated carts/cart with role eks-workshop-carts-dynamo
    carts/cart: ready: new pods get credentials (6 of 6 dry-run pods)
    "
    );
    let mut writes = env.writes();
    writes.sort();
    assert_eq!(writes, ["eks CreatePodIdentityAssociation", "kubernetes create serviceaccounts"]);
}

#[test]
fn what_cannot_be_probed_is_assumed() {
    use crate::support::forbidding;
    let line = "associate carts/carts --role eks-workshop-carts-dynamo";
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "few", "namespace": "carts" }, "spec": { "hard": { "pods": "2" } },
    });
    std::thread::scope(|scope| {
        let quota = scope.spawn(|| Env::with("carts-role", &[("/manifests/-", quota)]).podid(line));
        let denied = scope.spawn(|| Env::with("carts-role", &[forbidding(&["create pods"])]).podid(line));
        let restricted = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
        let strict =
            scope.spawn(|| Env::with("carts-role", &[("/manifests/2/metadata/labels", restricted)]).podid(line));
        insta::assert_snapshot!(quota.join().unwrap().ok().steady(), @"
        exit 0
        --- stderr
        Plan for cluster eks-workshop (111122223333, us-west-2):
          + associate carts/carts with role eks-workshop-carts-dynamo
        Plan: 1 to create, 0 to change, 0 to delete
        associated carts/carts with role eks-workshop-carts-dynamo
        carts/carts: waiting 10 s for the change to propagate: cannot create a dry-run pod: quota: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2
        carts/carts: probably ready: waited 10 s (cannot create a dry-run pod: quota: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2)
        warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
        hint: restart them with `podid recycle carts/carts`
        ");
        insta::assert_snapshot!(denied.join().unwrap().ok().steady(), @"
        exit 0
        --- stderr
        Plan for cluster eks-workshop (111122223333, us-west-2):
          + associate carts/carts with role eks-workshop-carts-dynamo
        Plan: 1 to create, 0 to change, 0 to delete
        associated carts/carts with role eks-workshop-carts-dynamo
        carts/carts: waiting 10 s for the change to propagate: cannot create a dry-run pod: RBAC: the caller is not allowed to create pods in namespace `carts`
        carts/carts: probably ready: waited 10 s (cannot create a dry-run pod: RBAC: the caller is not allowed to create pods in namespace `carts`)
        warning: 2 running pods are not injected yet: carts-[pod], carts-[pod]
        hint: restart them with `podid recycle carts/carts`
        ");
        let _ = strict.join().unwrap().ok().says("ready: new pods get credentials");
    });
}

/// What a restart does not reach is named after it.
#[test]
fn a_pod_that_recycle_leaves_is_named() {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "shell", "namespace": "carts" },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "shell", "image": "busybox" }] },
    });
    let line = "associate carts/carts --role eks-workshop-carts-dynamo --recycle -o json";
    for (set, left) in [(vec![("/manifests/-", pod)], vec!["shell"]), (vec![], vec![])] {
        let run = Env::with("carts-role", &set).podid(line).ok();
        assert_eq!(run.json()["stalePods"], json!(left), "{run}");
        assert_eq!(run.stderr.contains("1 running pod is not injected yet: shell"), !left.is_empty(), "{run}");
    }
}
