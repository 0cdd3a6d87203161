//! Pod spec, overridden credentials, network, and what the application says.

use serde_json::{Value, json};

use super::{Row, healthy, ids, prove, saved};
use crate::{
    secrets::assert_silent,
    support::{APP, Env},
};

const ENV: &str = "/manifests/8/spec/template/spec/containers/0/env";
const MAP: &str = "/manifests/7/data";

/// Variables of the container.
fn env(variables: &[(&str, &str)]) -> Value {
    variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// What the app's container writes before it ends.
fn log(text: &str) -> (&'static str, Value) {
    (APP, json!(format!("crash {text}")))
}

/// What the agent on the first node writes.
fn agents_log(line: &str) -> (&'static str, Value) {
    ("/manifests/3/metadata/annotations", json!({ "sandbox.podid.dev/agent-log": line }))
}

/// It does not start, for a reason that has nothing to do with its credentials.
fn trouble() -> (&'static str, Value) {
    log("FATAL: password authentication failed for user carts")
}

#[test]
pub(super) fn pod_spec() {
    let labels = json!({ "app.kubernetes.io/name": "carts", "eks.amazonaws.com/skip-pod-identity-webhook": "" });
    let annotations = |more: &str| json!({ "sandbox.podid.dev/app": "dynamodb:Query eks-workshop-carts/index/idx_global_customerId", "eks.amazonaws.com/skip-containers": more });
    let volume = json!([{ "name": "eks-pod-identity-token", "projected": { "sources": [
        { "serviceAccountToken": { "audience": "sts.amazonaws.com", "path": "eks-pod-identity-token", "expirationSeconds": 86400 } },
    ] } }]);
    // With all of these the webhook leaves the container out, and the token is not mounted.
    let whole = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        ),
        ("AWS_REGION", "us-west-2"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
    ];
    prove(&[
        Row::new(12, ("/manifests/8/spec/template/metadata/labels", labels), "pod-spec.skip-label"),
        Row::new(13, ("/manifests/8/spec/template/metadata/annotations", annotations("carts")), "pod-spec.all-skipped"),
        Row::new(
            14,
            (ENV, env(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/creds")])),
            "pod-spec.preset",
        ),
        Row::new(
            14,
            (ENV, env(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")])),
            "pod-spec.preset",
        ),
        Row::new(14, (ENV, env(&whole)), "pod-spec.preset"),
        Row::new(15, ("/manifests/8/spec/template/spec/volumes", volume), "pod-spec.token-audience"),
    ]);
}

#[test]
pub(super) fn overridden_credentials() {
    let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let map = json!({ "RETAIL_CART_PERSISTENCE_PROVIDER": "dynamodb", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret" });
    let irsa =
        [("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/old"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token")];
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys", "namespace": "carts" }, "data": { "AWS_ACCESS_KEY_ID": "a2V5", "AWS_SECRET_ACCESS_KEY": "c2VjcmV0" } });
    let from = ("/manifests/8/spec/template/spec/containers/0/envFrom", json!([{ "secretRef": { "name": "keys" } }]));
    let home = json!([{ "name": "home", "mountPath": "/root/.aws" }]);
    let volume =
        ("/manifests/8/spec/template/spec/volumes", json!([{ "name": "home", "secret": { "secretName": "keys" } }]));
    prove(&[
        Row::new(60, (ENV, env(&keys)), "override.static-keys"),
        Row::new(60, (MAP, map), "override.static-keys"),
        Row::new(60, from.clone(), "override.static-keys")
            .when(&[("/manifests/-", secret.clone())])
            .with("--read-secrets"),
        // Nobody looked into the Secret: the application's own words are left.
        Row::new(60, from, "app.unknown-keys").when(&[("/manifests/-", secret.clone())]),
        Row::new(61, (ENV, env(&[("AWS_ENDPOINT_URL_DYNAMODB", "http://dynamodb-local:8000")])), "override.endpoint")
            .warns(),
        Row::new(62, (ENV, env(&irsa)), "override.web-identity"),
        // They work: what is in a profile is not known.
        Row::new(63, (ENV, env(&[("AWS_PROFILE", "dev")])), "override.profile").warns(),
        Row::new(63, (ENV, env(&[("AWS_SHARED_CREDENTIALS_FILE", "/etc/aws/credentials")])), "override.files").warns(),
        Row::new(63, ("/manifests/8/spec/template/spec/containers/0/volumeMounts", home.clone()), "override.files")
            .when(&[("/manifests/-", secret.clone()), volume.clone()])
            .warns(),
        // They do not.
        Row::new(63, (ENV, env(&[("AWS_PROFILE", "dev")])), "override.profile").when(&[trouble()]),
        Row::new(63, ("/manifests/8/spec/template/spec/containers/0/volumeMounts", home), "override.files").when(&[
            ("/manifests/-", secret),
            volume,
            trouble(),
        ]),
        Row::new(
            64,
            (ENV, env(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials")])),
            "override.relative-uri",
        ),
        Row::new(
            60,
            ("/manifests/8/spec/template/spec/containers/0/args", json!(["-Daws.accessKeyId=key"])),
            "override.java-keys",
        ),
        Row::new(67, (ENV, env(&[("AWS_REGION", "eu-west-1")])), "override.region").warns(),
    ]);
}

#[test]
pub(super) fn network() {
    let policy = |egress: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "closed", "namespace": "carts" },
            "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": egress },
        })
    };
    let daemon = |name: &str, image: &str, env: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": name, "namespace": "kube-system" },
            "spec": { "selector": { "matchLabels": { "k8s-app": name } }, "template": {
                "metadata": { "labels": { "k8s-app": name } }, "spec": { "hostNetwork": true, "containers": [{ "name": name, "image": image, "env": env }] },
            } },
        })
    };
    let mut idle = daemon("aws-node", "amazon/aws-node:v1.20.4", json!([]));
    idle["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["--enable-network-policy=false"]);
    let strict = json!([{ "name": "POD_SECURITY_GROUP_ENFORCING_MODE", "value": "strict" }]);
    let eni = ("/manifests/8/spec/template/metadata/annotations/vpc.amazonaws.com~1pod-eni", json!("[]"));
    prove(&[
        Row::new(31, ("/manifests/-", policy(json!([{ "to": [{ "podSelector": {} }] }]))), "network.policy"),
        Row::new(32, ("/manifests/-", daemon("cilium", "quay.io/cilium/cilium:v1.16.3", json!([]))), "network.cilium")
            .warns(),
        Row::new(34, (ENV, env(&[("HTTP_PROXY", "http://proxy:3128")])), "network.proxy"),
        Row::new(
            35,
            ("/manifests/-", daemon("aws-node", "amazon/aws-node:v1.20.4", strict)),
            "network.pod-security-groups",
        )
        .when(&[eni]),
        // The VPC CNI says that it does not enforce policies.
        Row::new(31, ("/manifests/-", policy(json!([]))), "network.policy").when(&[("/manifests/-", idle)]).warns(),
    ]);
    let agents = json!([{ "ipBlock": { "cidr": "169.254.170.23/32" } }]);
    let _ = healthy(
        "a policy with the agent's address",
        "carts-verified",
        &[("/manifests/-", policy(json!([{ "to": agents, "ports": [{ "port": 80 }] }])))],
    );
    let spared = env(&[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "10.0.0.0/8, 169.254.170.23")]);
    let _ = healthy("a proxy that spares the agent", "carts-verified", &[(ENV, spared)]);
}

#[test]
pub(super) fn the_agents_log() {
    // One pod on each node, whose agents' logs are read when it has trouble.
    let everywhere = ("/manifests/8/spec/replicas", json!(3));
    let crash = trouble();
    let row = |mode: u8, line: &str, id: &'static str| Row {
        base: "carts-verified",
        ..Row::new(mode, agents_log(line), id).when(&[crash.clone(), everywhere.clone()])
    };
    prove(&[
        row(27, "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 0, dial tcp 10.0.0.7:443: i/o timeout", "network.eks-auth-unreachable"),
        row(27, "operation error EKS Auth: AssumeRoleForPodIdentity, exceeded maximum number of attempts, 3, request send failed, Post \"https://eks-auth.us-west-2.api.aws/\": tls: failed to verify certificate: x509: certificate signed by unknown authority", "network.eks-auth-unreachable"),
        row(27, "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 0, dial tcp 10.0.0.7:443: connect: no route to host", "network.eks-auth-unreachable"),
        row(28, "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 0, RequestID: , canceled, context canceled", "network.eks-auth-slow").warns(),
        row(29, "failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata", "network.imds"),
        row(36, "operation error EKS Auth: AssumeRoleForPodIdentity, ThrottlingException: Rate exceeded", "network.throttled").warns(),
    ]);
}

#[test]
pub(super) fn the_applications_log() {
    let node = "User: arn:aws:sts::111122223333:assumed-role/eks-workshop-nodes/i-0a11b22c33d44e551 is not authorized to perform: dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts because no identity-based policy allows the dynamodb:Query action";
    prove(&[
        Row::new(
            16,
            log(
                "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments",
            ),
            "app.bearer",
        ),
        Row::new(
            43,
            log(
                "(AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role., fault: client",
            ),
            "app.refused",
        ),
        Row::new(
            45,
            log("PackedPolicyTooLarge: Packed size of session tags consumes 112% of allotted space."),
            "app.packed-policy",
        ),
        Row::new(
            65,
            log(
                "ValueError: Unsupported host '169.254.170.23'.  Can only retrieve metadata from these hosts: 169.254.170.2, localhost, 127.0.0.1",
            ),
            "app.old-sdk",
        ),
        Row::new(
            66,
            log(
                "open /var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token: permission denied",
            ),
            "app.token-unreadable",
        ),
        Row::new(68, log(node), "app.node-role"),
        Row::new(
            25,
            log(&node.replace("dynamodb:Query", "eks-auth:AssumeRoleForPodIdentity")),
            "app.node-role-refused",
        ),
    ]);
}

#[test]
fn healthy_in_their_own_way() {
    let sidecar = json!([
        { "name": "carts", "image": "carts:1", "envFrom": [{ "configMapRef": { "name": "carts" } }] },
        { "name": "proxy", "image": "envoy:1" },
    ]);
    let skip = ("/manifests/8/spec/template/metadata/annotations/eks.amazonaws.com~1skip-containers", json!("proxy"));
    let _ = healthy(
        "a container skipped on purpose",
        "carts-verified",
        &[("/manifests/8/spec/template/spec/containers", sidecar), skip],
    );
    let _ = healthy(
        "the node's network",
        "carts-verified",
        &[("/manifests/8/spec/template/spec/hostNetwork", json!(true))],
    );
    let keys = env(&[("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("HTTP_PROXY", "http://p:1")]);
    let own = json!([
        { "name": "carts", "image": "carts:1", "envFrom": [{ "configMapRef": { "name": "carts" } }] },
        { "name": "proxy", "image": "envoy:1", "env": keys },
    ]);
    let skip = ("/manifests/8/spec/template/metadata/annotations/eks.amazonaws.com~1skip-containers", json!("proxy"));
    let run = healthy(
        "a container skipped on purpose, with keys and a proxy of its own",
        "carts-verified",
        &[("/manifests/8/spec/template/spec/containers", own), skip],
    );
    assert_eq!(ids(&run, "warning"), [""; 0], "{run}");
    let nothing = json!({
        "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "HTTP_PROXY": "",
        "RETAIL_CART_PERSISTENCE_DYNAMODB_ENDPOINT": "",
    });
    let run = healthy("variables without a value", "carts-verified", &[(MAP, nothing)]);
    assert_eq!(ids(&run, "warning"), [""; 0], "{run}");
    let _ =
        healthy("a region of its own, the cluster's", "carts-verified", &[(ENV, env(&[("AWS_REGION", "us-west-2")]))]);
}

#[test]
fn secrets_are_left_alone() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys", "namespace": "carts" }, "data": { "PASSWORD": "c2VudGluZWwtc2VjcmV0" } });
    let from = ("/manifests/8/spec/template/spec/containers/0/envFrom", json!([{ "secretRef": { "name": "keys" } }]));
    let env = Env::with("carts-verified", &[("/manifests/-", secret), from]);
    let run = saved(&env, "carts/carts").ok();
    assert!(ids(&run, "skipped").contains(&"override.ok".to_owned()), "{run}");
    assert_eq!(env.world.journal().count("kubernetes", "get secrets"), 0);
    let run = env.podid("verify carts/carts --read-secrets -o json -vvv").ok();
    assert_eq!(env.world.journal().count("kubernetes", "get secrets"), 1);
    assert_silent(&run, &["sentinel-secret", "c2VudGluZWwtc2VjcmV0"]);
}

#[test]
fn nothing_to_look_at() {
    let env = Env::with("carts-verified", &[("/manifests/8/spec/replicas", json!(0))]);
    let run = env.podid("verify carts/carts").ok();
    assert!(run.stdout.contains("no pod is running: deployment/carts has 0 replicas"), "{run}");
    assert!(run.stdout.contains("All checks passed (9 passed, 2 skipped)"), "{run}");
}

/// A pod of before the association has the web identity that the webhook gave it then: it is too old, and its manifest is
/// not to blame.
#[test]
pub(super) fn the_webhooks_own_web_identity_shadows_nothing() {
    let irsa = json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/old" });
    prove(&[Row::new(62, ("/associations/0/age_s", json!(60)), "restart.before-association")
        .when(&[("/manifests/6/metadata/annotations", irsa)])]);
}

#[test]
fn logs_that_were_not_read_say_nothing() {
    let env = Env::with("carts-verified", &[trouble()]);
    let run = saved(&env, "carts/carts").ok();
    assert_eq!(ids(&run, "warning"), ["app.failing"], "{run}");
    let run = saved(&env, "carts/carts --no-logs").code(3);
    assert_eq!(ids(&run, "unknown"), ["app.failing"], "{run}");
    assert!(run.stderr.contains("it is failing, and its log was not read"), "{run}");
    let _ = env.podid("verify carts/carts --no-logs --allow-incomplete").ok();
}
