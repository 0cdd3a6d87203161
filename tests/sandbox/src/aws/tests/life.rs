//! What takes time, and what reaches the cluster.

use super::*;

#[test]
fn associations_reach_each_api_server_in_its_time() {
    let sandbox = start(&[("/delays", json!({"iam": 100, "association": [1000, 3000]}))]);
    let create = || {
        let body =
            json!({"namespace": "carts", "serviceAccount": "carts", "roleArn": "arn:aws:iam::111122223333:role/x"});
        call(&sandbox, "eks", "POST", "/clusters/eks-workshop/pod-identity-associations", &body.to_string())
    };
    let injects = || {
        let now = sandbox.clock().now();
        sandbox.with(|state| [0, 1].map(|server| state.aws.injects(server, "carts", "carts", now)))
    };
    assert_eq!(iam(&sandbox, &[("Action", "CreateRole"), ("RoleName", "x"), ("AssumeRolePolicyDocument", POD)]).0, 200);
    assert!(create().1.contains("Role provided in the request does not exist"));
    sandbox.clock().advance(Duration::from_millis(100));
    let (status, text) = create();
    assert_eq!(status, 200, "{text}");
    let id: Value = serde_json::from_str(&text).unwrap();
    let id = id["association"]["associationId"].as_str().unwrap().to_owned();
    assert_eq!(create(), (409, json!({"message": format!("Association already exists: {id}")}).to_string()));
    assert_eq!(injects(), [false, false]);
    sandbox.clock().advance(Duration::from_secs(1));
    assert_eq!(injects(), [true, false]);
    sandbox.clock().advance(Duration::from_secs(2));
    assert_eq!(injects(), [true, true]);
    let target = format!("/clusters/eks-workshop/pod-identity-associations/{id}");
    assert_eq!(call(&sandbox, "eks", "DELETE", &target, "").0, 200);
    assert_eq!(injects(), [true, true]);
    sandbox.clock().advance(Duration::from_secs(1));
    assert_eq!(injects(), [false, true]);
    sandbox.clock().advance(Duration::from_secs(2));
    assert_eq!(injects(), [false, false]);
}

/// Waits until the add-on has this status.
fn becomes(sandbox: &Sandbox, status: &str) {
    let addon =
        |state: &mut crate::State| state.aws.addons.values().next().map_or("gone".to_owned(), |a| a.status.clone());
    let came = sandbox.wait_until(Duration::from_secs(5), |state| addon(state) == status);
    assert!(came.is_ok(), "{} instead of {status}", sandbox.with(addon));
}

#[test]
fn an_add_on_lives_with_its_daemon_set() {
    let sandbox = start(&[]);
    let addons = "/clusters/eks-workshop/addons";
    let addon = "/clusters/eks-workshop/addons/eks-pod-identity-agent";
    let body = json!({"addonName": "eks-pod-identity-agent"}).to_string();
    assert_eq!(call(&sandbox, "eks", "POST", addons, &body).0, 200);
    becomes(&sandbox, "ACTIVE");
    let desired =
        |sandbox: &Sandbox| sandbox.with(|state| state.kube.daemon_set("kube-system", "eks-pod-identity-agent"));
    assert_eq!(desired(&sandbox), Some((3, 3)));
    let update = json!({"addonVersion": "v1.3.9-eksbuild.3"}).to_string();
    assert_eq!(call(&sandbox, "eks", "POST", &format!("{addon}/update"), &update).0, 200);
    becomes(&sandbox, "ACTIVE");
    assert_eq!(call(&sandbox, "eks", "DELETE", &format!("{addon}?preserve=true"), "").0, 200);
    becomes(&sandbox, "gone");
    assert!(desired(&sandbox).is_some());
    // What was preserved is in the way of another one.
    assert_eq!(call(&sandbox, "eks", "POST", addons, &body).0, 200);
    becomes(&sandbox, "CREATE_FAILED");
    assert!(call(&sandbox, "eks", "GET", addon, "").1.contains("ConfigurationConflict"));
    assert_eq!(call(&sandbox, "eks", "DELETE", addon, "").0, 200);
    becomes(&sandbox, "gone");
    assert_eq!(desired(&sandbox), None);
}

#[test]
fn a_degraded_add_on_recovers() {
    let sandbox = start(&[("/delays", json!({"pod": 60_000}))]);
    let body = json!({"addonName": "eks-pod-identity-agent"}).to_string();
    assert_eq!(call(&sandbox, "eks", "POST", "/clusters/eks-workshop/addons", &body).0, 200);
    let applied =
        |state: &mut crate::State| state.kube.daemon_set("kube-system", "eks-pod-identity-agent") == Some((3, 0));
    sandbox.wait_until(Duration::from_secs(5), applied).unwrap();
    sandbox.clock().advance(Duration::from_secs(10));
    becomes(&sandbox, "DEGRADED");
    let (_, text) = call(&sandbox, "eks", "GET", "/clusters/eks-workshop/addons/eks-pod-identity-agent", "");
    assert!(text.contains("InsufficientNumberOfReplicas"), "{text}");
    for _ in 0..3 {
        sandbox.clock().advance(Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(50));
    }
    becomes(&sandbox, "ACTIVE");
}

#[test]
fn an_app_gets_as_far_as_its_chain_holds() {
    let trust = pod();
    let association =
        json!({"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/carts"});
    let query = allow(
        json!("dynamodb:Query"),
        json!("arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"),
    );
    let healthy = vec![
        ("/roles/-", json!({"name": "carts", "trust": trust, "inline": {"query": query}})),
        ("/associations", json!([association])),
        ("/addons", json!([{"name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1"}])),
    ];
    let ready = |pointer: &'static str, value: Value| {
        let mut set = healthy.clone();
        set.push((pointer, value));
        let sandbox = start(&set);
        std::thread::sleep(Duration::from_millis(100));
        let deployment = sandbox.with(|state| state.kube.get("deployments", "carts", "carts")).unwrap();
        deployment.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or(0)
    };
    assert_eq!(ready("/about", json!("healthy")), 2);
    assert_eq!(ready("/roles/0/attached", json!([])), 0, "the node role may not ask EKS Auth");
    assert_eq!(ready("/roles/1/inline", json!({})), 0, "the role may not query");
    assert_eq!(ready("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole")), 0, "no session tags");
    assert_eq!(ready("/associations/0/service_account", json!("cart")), 0, "another service account");
    assert_eq!(ready("/addons", json!([])), 0, "no agent");
}
