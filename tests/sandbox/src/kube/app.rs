//! What the app in a pod does: it finds credentials in the SDK's order and calls AWS with them.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Kube, agent,
    json::{entries, entry, flag, list, text},
};
use crate::{State, aws::AppCredentials, scenario::Scenario};

/// How a container start ends.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It runs and is ready, and has written this.
    Ready(Vec<String>),
    /// It runs and never becomes ready, and has written this.
    Unready(Vec<String>),
    /// It ends with exit code 1, and has written this.
    Crash(Vec<String>),
    /// The image cannot be pulled.
    Image,
    /// The kubelet cannot mount a volume: why.
    Mount(String),
    /// The kubelet cannot make the container: why.
    Config(String),
}

/// Starts the app of a pod.
pub(crate) fn start(state: &mut State, scenario: &Scenario, pod: &Value, now: Timestamp) -> Outcome {
    let app = entry(pod, "/metadata/annotations", "sandbox.podid.dev/app").unwrap_or_default().to_owned();
    if agent::unreachable_registry(&state.kube, pod) {
        return Outcome::Image;
    }
    if agent::is_agent(pod) {
        return agent::start(&state.kube, pod, now);
    }
    let (what, rest) = app.split_once(' ').unwrap_or((&app, ""));
    let container = &pod["spec"]["containers"][0];
    let environment = match environment(&state.kube, pod, container) {
        Ok(environment) => environment,
        Err(why) => return Outcome::Config(why),
    };
    match what {
        "" => Outcome::Ready(Vec::new()),
        "log" => Outcome::Ready(rest.lines().map(str::to_owned).collect()),
        "unready" => Outcome::Unready(rest.lines().map(str::to_owned).collect()),
        "image-error" => Outcome::Image,
        "config-error" => Outcome::Config("configmap \"missing\" not found".to_owned()),
        "mount-error" => Outcome::Mount(rest.to_owned()),
        "crash" => Outcome::Crash(failed(rest, now)),
        action => {
            let outcome = credentials(state, scenario, pod, container, &environment, now).and_then(|who| {
                crate::aws::app_call(state, scenario, &who, action, rest.trim(), now).map(|()| arn(scenario, &who))
            });
            match outcome {
                Ok(arn) => Outcome::Ready(vec![
                    format!(
                        "{}  INFO 1 --- [           main] c.a.sample.carts.CartApplication         : Started CartApplication in 3.2 seconds",
                        clock(now)
                    ),
                    format!(
                        "{}  INFO 1 --- [           main] c.a.sample.carts.CartApplication         : {action} {} ok as {arn}",
                        clock(now),
                        rest.trim()
                    ),
                ]),
                Err(message) => Outcome::Crash(failed(&message, now)),
            }
        }
    }
}

/// What the app of a pod could do now if it asked for credentials anew: the ARN that it would act as, or why it could not.
pub(crate) fn acts(state: &mut State, scenario: &Scenario, pod: &Value, now: Timestamp) -> Result<String, String> {
    let app = entry(pod, "/metadata/annotations", "sandbox.podid.dev/app").unwrap_or_default().to_owned();
    let (action, resource) = app.split_once(' ').unwrap_or((&app, ""));
    let container = &pod["spec"]["containers"][0];
    let environment = environment(&state.kube, pod, container)?;
    let who = credentials(state, scenario, pod, container, &environment, now)?;
    crate::aws::app_call(state, scenario, &who, action, resource.trim(), now)?;
    Ok(arn(scenario, &who))
}

/// What the app writes before anything else.
pub(crate) fn greeting(now: Timestamp) -> String {
    format!(
        "{}  INFO 1 --- [           main] c.a.sample.carts.CartApplication         : Starting CartApplication using Java 21 with PID 1",
        clock(now)
    )
}

fn clock(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A start that failed, as Spring writes it.
fn failed(message: &str, now: Timestamp) -> Vec<String> {
    let class = if message.starts_with("Error when retrieving credentials") || message.starts_with("Unable to load") {
        "software.amazon.awssdk.core.exception.SdkClientException"
    } else {
        "software.amazon.awssdk.services.dynamodb.model.DynamoDbException"
    };
    vec![
        format!("{} ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed", clock(now)),
        String::new(),
        "org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dynamoDBCartService': Invocation of init method failed".to_owned(),
        format!("Caused by: {class}: {message}"),
        "\tat software.amazon.awssdk.core.internal.http.CombinedResponseHandler.handleErrorResponse(CombinedResponseHandler.java:125)".to_owned(),
    ]
}

fn arn(scenario: &Scenario, who: &AppCredentials) -> String {
    match who {
        AppCredentials::PodIdentity(session) => session.arn.clone(),
        AppCredentials::NodeRole { role, instance } => {
            format!("arn:{}:sts::{}:assumed-role/{role}/{instance}", scenario.partition, scenario.account)
        }
        AppCredentials::Static { access_key_id } => {
            let known = scenario.callers.iter().find(|c| c.access_key_id == *access_key_id);
            known.map_or_else(|| access_key_id.clone(), |c| c.arn.clone())
        }
    }
}

/// A container's environment: `envFrom`, then `env` over it. The error is the kubelet's.
fn environment(kube: &Kube, pod: &Value, container: &Value) -> Result<BTreeMap<String, String>, String> {
    let namespace = text(pod, "/metadata/namespace");
    let mut all = BTreeMap::new();
    for from in list(container, "/envFrom") {
        let prefix = text(from, "/prefix");
        for (field, resource, noun) in
            [("/configMapRef", "configmaps", "configmap"), ("/secretRef", "secrets", "secret")]
        {
            let Some(reference) = from.pointer(field) else { continue };
            let name = text(reference, "/name");
            match kube.store.get(resource, namespace, name) {
                Some(source) => {
                    all.extend(entries(source, "/data").map(|(k, v)| (format!("{prefix}{k}"), plain(resource, v))));
                }
                None if flag(reference, "/optional") => {}
                None => return Err(format!("{noun} \"{name}\" not found")),
            }
        }
    }
    for variable in list(container, "/env") {
        let mut value = text(variable, "/value").to_owned();
        for (field, resource, noun) in [
            ("/valueFrom/configMapKeyRef", "configmaps", "configmap"),
            ("/valueFrom/secretKeyRef", "secrets", "secret"),
        ] {
            let Some(reference) = variable.pointer(field) else { continue };
            let (name, key) = (text(reference, "/name"), text(reference, "/key"));
            let source = kube.store.get(resource, namespace, name);
            match source.map(|s| s["data"].get(key)) {
                Some(Some(found)) => value = plain(resource, found),
                _ if flag(reference, "/optional") => {}
                Some(None) => return Err(format!("couldn't find key {key} in {noun} {namespace}/{name}")),
                None => return Err(format!("{noun} \"{name}\" not found")),
            }
        }
        all.insert(text(variable, "/name").to_owned(), value);
    }
    Ok(all)
}

fn plain(resource: &str, value: &Value) -> String {
    let value = value.as_str().unwrap_or_default();
    if resource == "secrets" {
        let decoded = STANDARD.decode(value).unwrap_or_default();
        return String::from_utf8_lossy(&decoded).into_owned();
    }
    value.to_owned()
}

/// The credentials that a container's spec leads to; the error is the SDK's.
fn credentials(
    state: &mut State,
    scenario: &Scenario,
    pod: &Value,
    container: &Value,
    environment: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<AppCredentials, String> {
    let get = |name: &str| environment.get(name).filter(|v| !v.is_empty());
    if let (Some(id), Some(_)) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        return Ok(AppCredentials::Static { access_key_id: id.clone() });
    }
    if let (Some(role), Some(file)) = (get("AWS_ROLE_ARN"), get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let token = token_in(state, pod, container, file, now)
            .ok_or_else(|| format!("Unable to load credentials: [Errno 2] No such file or directory: '{file}'"))?;
        return crate::aws::web_identity(state, scenario, role, &token, now).map(AppCredentials::PodIdentity);
    }
    let node_name = text(pod, "/spec/nodeName");
    let node = state.kube.store.get("nodes", "", node_name).cloned().unwrap_or_default();
    let node_role = entry(&node, "/metadata/labels", "sandbox.podid.dev/role").map(str::to_owned);
    if let (Some(uri), Some(file)) =
        (get("AWS_CONTAINER_CREDENTIALS_FULL_URI"), get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    {
        let failed = |why: String| format!("Error when retrieving credentials from container-role: {why}");
        let token = token_in(state, pod, container, file, now)
            .ok_or_else(|| failed(format!("[Errno 2] No such file or directory: '{file}'")))?;
        let proxied = ["HTTP_PROXY", "http_proxy"].iter().any(|p| get(p).is_some());
        let spared =
            ["NO_PROXY", "no_proxy"].iter().filter_map(|p| get(p)).any(|hosts| hosts.contains("169.254.170.23"));
        if (proxied && !spared) || !agent::serves(&state.kube, node_name) {
            return Err(failed(format!(
                "Error retrieving metadata: Received error when attempting to retrieve container metadata: Connect timeout on endpoint URL: \"{uri}\""
            )));
        }
        return crate::aws::agent_credentials(state, scenario, node_role.as_deref().unwrap_or_default(), &token, now)
            .map(AppCredentials::PodIdentity)
            .map_err(|error| {
                failed(format!(
                    "Error retrieving metadata: Received non 200 response 400 from container metadata: {error}"
                ))
            });
    }
    match node_role {
        Some(role) => {
            let instance = entry(&node, "/metadata/labels", "sandbox.podid.dev/instance").unwrap_or("i-0").to_owned();
            Ok(AppCredentials::NodeRole { role, instance })
        }
        None => Err("Unable to load credentials from any of the providers in the chain".to_owned()),
    }
}

/// The service account token that the kubelet projects at `file`.
fn token_in(state: &mut State, pod: &Value, container: &Value, file: &str, now: Timestamp) -> Option<String> {
    let mount = list(container, "/volumeMounts")
        .iter()
        .find(|m| file.strip_prefix(text(m, "/mountPath")).is_some_and(|rest| rest.starts_with('/')))?;
    let path = file.strip_prefix(text(mount, "/mountPath"))?.trim_start_matches('/');
    let volume = list(pod, "/spec/volumes").iter().find(|v| text(v, "/name") == text(mount, "/name"))?;
    let source = list(volume, "/projected/sources")
        .iter()
        .filter_map(|s| s.get("serviceAccountToken"))
        .find(|t| text(t, "/path") == path)?;
    let namespace = text(pod, "/metadata/namespace");
    let account = state.kube.store.get("serviceaccounts", namespace, text(pod, "/spec/serviceAccountName")).cloned()?;
    let seconds = source.get("expirationSeconds").and_then(Value::as_i64).unwrap_or(3600);
    Some(state.kube.issue(&account, Some(pod), &[text(source, "/audience").to_owned()], seconds, now))
}
