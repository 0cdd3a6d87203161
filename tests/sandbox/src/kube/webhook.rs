//! The pod identity webhook, as it changes pods at their creation.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    failure::Failure,
    json::{array, entry, list, object, text},
};
use crate::{State, scenario::Scenario};

/// The configuration of the managed webhook: without it, the API servers call none.
pub(crate) const CONFIGURATION: &str = "pod-identity-webhook";

/// On another webhook's configuration: what it answers when a pod is created. `refused` (no connection), `500`, or the
/// words with which it denies the pod.
const ANSWERS: &str = "sandbox.podid.dev/answers";

/// Where the API server reaches it.
const URL: &str = "https://127.0.0.1:23443/mutate";

const TOKEN: &str = "eks-pod-identity-token";
const MOUNT: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
const IRSA_MOUNT: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
const URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Changes a new pod, if API server `server` has a reason to.
pub(crate) fn mutate(state: &mut State, scenario: &Scenario, server: usize, pod: &mut Value, now: Timestamp) {
    if !scenario.webhook.enabled
        || !registered(state, pod)
        || entry(pod, "/metadata/labels", "eks.amazonaws.com/skip-pod-identity-webhook").is_some()
    {
        return;
    }
    let namespace = text(pod, "/metadata/namespace").to_owned();
    let account = text(pod, "/spec/serviceAccountName").to_owned();
    if state.aws.injects(server, &namespace, &account, now) {
        state.kube.injections += 1;
        let every = scenario.webhook.miss_every;
        if every == 0 || !state.kube.injections.is_multiple_of(every) {
            identity(state, scenario, &namespace, &account, pod);
        }
        return;
    }
    let stored = state.kube.store.get("serviceaccounts", &namespace, &account).cloned();
    let role = stored.as_ref().and_then(|a| entry(a, "/metadata/annotations", "eks.amazonaws.com/role-arn"));
    if let Some(role) = role {
        irsa(scenario, role, pod);
    }
}

/// Whether the configuration has the API server call it for a pod.
fn registered(state: &State, pod: &Value) -> bool {
    let Some(configuration) = state.kube.store.get("mutatingwebhookconfigurations", "", CONFIGURATION) else {
        return false;
    };
    let namespace = state.kube.store.get("namespaces", "", text(pod, "/metadata/namespace"));
    list(configuration, "/webhooks").iter().any(|hook| {
        let rules = list(hook, "/rules");
        let wants = |rule: &Value, key: &str, value: &str| list(rule, key).iter().any(|it| it == value);
        let url = text(hook, "/clientConfig/url");
        rules.iter().any(|rule| wants(rule, "/operations", "CREATE") && wants(rule, "/resources", "pods"))
            && (url.is_empty() || url == URL)
            && chosen(hook, "/objectSelector", pod)
            && namespace.is_none_or(|namespace| chosen(hook, "/namespaceSelector", namespace))
    })
}

/// Whether a selector chooses an object; one without anything in it chooses all.
fn chosen(hook: &Value, selector: &str, object: &Value) -> bool {
    hook.pointer(selector).is_none_or(|it| it.as_object().is_none_or(serde_json::Map::is_empty))
        || super::select::chooses(hook, selector, object)
}

/// What the webhooks of others say of a new pod: every configuration of a resource is called, in the order of their names.
pub(crate) fn others(state: &State, resource: &'static str) -> Result<(), Failure> {
    for configuration in state.kube.store.list(resource, "") {
        let Some(answer) = entry(configuration, "/metadata/annotations", ANSWERS) else { continue };
        for hook in list(configuration, "/webhooks") {
            let name = text(hook, "/name");
            let service = format!(
                "{}.{}.svc",
                text(hook, "/clientConfig/service/name"),
                text(hook, "/clientConfig/service/namespace")
            );
            let why = match answer {
                "refused" => {
                    format!(
                        "Post \"https://{service}:443/?timeout=10s\": dial tcp 172.20.11.7:443: connect: connection refused"
                    )
                }
                "500" => "an error on the server (\"Internal Server Error\") has prevented the request from succeeding"
                    .to_owned(),
                words => {
                    return Err(Failure::new(
                        403,
                        "Forbidden",
                        format!("admission webhook \"{name}\" denied the request: {words}"),
                    ));
                }
            };
            if text(hook, "/failurePolicy") != "Ignore" {
                let why = format!("failed calling webhook \"{name}\": failed to call webhook: {why}");
                return Err(Failure::new(500, "InternalError", format!("Internal error occurred: {why}")));
            }
        }
    }
    Ok(())
}

fn identity(state: &mut State, scenario: &Scenario, namespace: &str, account: &str, pod: &mut Value) {
    let own = entry(pod, "/metadata/annotations", "eks.amazonaws.com/token-expiration").map(str::to_owned);
    let seconds = own.or_else(|| {
        let account = state.kube.store.get("serviceaccounts", namespace, account)?;
        entry(account, "/metadata/annotations", "eks.amazonaws.com/token-expiration").map(str::to_owned)
    });
    let seconds = match seconds.and_then(|s| s.parse::<i64>().ok()) {
        Some(seconds) => seconds.max(600),
        // Only the default is jittered, so that a big rollout does not renew all at once.
        None => 79_200 + i64::from(state.kube.store.random(7_201)),
    };
    if scenario.webhook.labels {
        object(pod, &["metadata", "labels"]).insert("eks.amazonaws.com/pod-identity".into(), json!("enabled"));
    }
    let changed = containers(pod, |container| {
        let has = |name: &str| list(container, "/env").iter().any(|e| text(e, "/name") == name);
        let own_credentials = has(URI) || has(FILE);
        let own_region = has("AWS_REGION") || has("AWS_DEFAULT_REGION");
        if own_credentials && own_region && has("AWS_STS_REGIONAL_ENDPOINTS") {
            return false;
        }
        region(container, &scenario.region);
        let env = array(container, &[], "env");
        if !own_credentials {
            env.push(json!({"name": URI, "value": "http://169.254.170.23/v1/credentials"}));
            env.push(json!({"name": FILE, "value": format!("{MOUNT}/{TOKEN}")}));
        }
        mount(container, TOKEN, MOUNT);
        true
    });
    if changed {
        volume(pod, TOKEN, "pods.eks.amazonaws.com", seconds, TOKEN);
    }
}

fn irsa(scenario: &Scenario, role: &str, pod: &mut Value) {
    let changed = containers(pod, |container| {
        let has = |name: &str| list(container, "/env").iter().any(|e| text(e, "/name") == name);
        let own = has("AWS_ROLE_ARN") || has("AWS_WEB_IDENTITY_TOKEN_FILE");
        region(container, &scenario.region);
        if !own {
            let env = array(container, &[], "env");
            env.push(json!({"name": "AWS_ROLE_ARN", "value": role}));
            env.push(json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{IRSA_MOUNT}/token")}));
        }
        mount(container, "aws-iam-token", IRSA_MOUNT);
        true
    });
    if changed {
        volume(pod, "aws-iam-token", "sts.amazonaws.com", 86_400, "token");
    }
}

/// Runs over all containers that are not to be skipped; true when one was changed.
fn containers(pod: &mut Value, mut change: impl FnMut(&mut Value) -> bool) -> bool {
    let skipped: Vec<String> = entry(pod, "/metadata/annotations", "eks.amazonaws.com/skip-containers")
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    let mut changed = false;
    for field in ["initContainers", "containers"] {
        let all = pod.get_mut("spec").and_then(|s| s.get_mut(field)).and_then(Value::as_array_mut);
        for container in all.into_iter().flatten() {
            if !skipped.iter().any(|name| name == text(container, "/name")) {
                changed |= change(container);
            }
        }
    }
    changed
}

fn region(container: &mut Value, region: &str) {
    let env = array(container, &[], "env");
    let has = |env: &[Value], name: &str| env.iter().any(|e| text(e, "/name") == name);
    if !has(env, "AWS_STS_REGIONAL_ENDPOINTS") {
        env.push(json!({"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}));
    }
    if !has(env, "AWS_REGION") && !has(env, "AWS_DEFAULT_REGION") {
        env.push(json!({"name": "AWS_DEFAULT_REGION", "value": region}));
        env.push(json!({"name": "AWS_REGION", "value": region}));
    }
}

fn mount(container: &mut Value, name: &str, path: &str) {
    let mounts = array(container, &[], "volumeMounts");
    if !mounts.iter().any(|m| text(m, "/name") == name) {
        mounts.push(json!({"name": name, "readOnly": true, "mountPath": path}));
    }
}

fn volume(pod: &mut Value, name: &str, audience: &str, seconds: i64, path: &str) {
    let volumes = array(pod, &["spec"], "volumes");
    if !volumes.iter().any(|v| text(v, "/name") == name) {
        let token = json!({"audience": audience, "expirationSeconds": seconds, "path": path});
        let volume =
            json!({"name": name, "projected": {"sources": [{"serviceAccountToken": token}], "defaultMode": 420}});
        volumes.insert(0, volume);
    }
}
