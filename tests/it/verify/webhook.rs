//! How the webhook that injects pods is registered.

use serde_json::{Value, json};

use super::{Row, ids, prove, saved};
use crate::support::Env;

/// The registration of EKS, with one field of its webhook replaced.
fn registered(field: &str, value: Value) -> (&'static str, Value) {
    let mut hook = json!({
        "name": "iam-for-pods.amazonaws.com", "clientConfig": { "url": "https://127.0.0.1:23443/mutate" },
        "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
        "failurePolicy": "Ignore", "namespaceSelector": {}, "objectSelector": {},
        "sideEffects": "None", "admissionReviewVersions": ["v1beta1"],
    });
    hook[field] = value;
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "pod-identity-webhook" }, "webhooks": [hook],
    });
    ("/manifests/-", configuration)
}

#[test]
pub(super) fn what_keeps_new_pods_from_it() {
    let without = |key: &str| json!({ "matchExpressions": [{ "key": key, "operator": "DoesNotExist" }] });
    let rules = json!([{ "operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }]);
    prove(&[
        Row::new(12, ("/webhook", json!({ "enabled": false })), "webhook.missing"),
        Row::new(12, ("/webhook", json!({ "miss_every": 1 })), "pod-spec.not-injected"),
        Row::new(12, registered("rules", rules), "webhook.not-called"),
        Row::new(12, registered("namespaceSelector", without("kubernetes.io/metadata.name")), "webhook.not-called"),
        Row::new(12, registered("objectSelector", json!({ "matchLabels": { "inject": "yes" } })), "webhook.not-called"),
        Row::new(12, registered("clientConfig", json!({ "url": "https://10.0.0.9/mutate" })), "webhook.target"),
    ]);
}

/// As EKS has it, written by somebody else.
#[test]
fn a_registration_that_is_as_it_should_be() {
    for (field, value) in [("failurePolicy", json!("Fail")), ("timeoutSeconds", json!(5))] {
        let run = super::healthy(field, "carts-verified", &[registered(field, value)]);
        assert!(ids(&run, "ok").contains(&"webhook.ok".to_owned()), "{run}");
    }
}

/// Pods that were injected run on, and the next ones will not be.
#[test]
fn one_that_was_deleted_is_found_before_the_next_restart() {
    let env = Env::with("carts-verified", &[]);
    let before = saved(&env, "carts/carts").ok();
    assert_eq!(ids(&before, "failed"), [""; 0], "{before}");
    let name = "pod-identity-webhook";
    env.world.with(|state| assert!(state.kube.remove("mutatingwebhookconfigurations", "", name)));
    let run = saved(&env, "carts/carts").code(3);
    assert_eq!(ids(&run, "failed"), ["webhook.missing"], "{run}");
}
