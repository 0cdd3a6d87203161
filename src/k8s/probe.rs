//! The injection probe: a pod created as a server-side dry run, over a connection of its own.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Resource,
    api::PostParams,
    core::{Request, Status},
};
use serde_json::json;
use tokio::time::timeout;

use super::{Kube, REACH, convert, error, wire::Fresh};
use crate::{
    failure::Result,
    model::names::ServiceAccount,
    ports::{Cluster, Probe},
};

/// Name of the probe pod's container.
const CONTAINER: &str = "probe";

/// Asks one API server whether it would inject a new pod of the service account.
pub(super) async fn probe(kube: &Kube, subject: &ServiceAccount, address: Option<SocketAddr>) -> Result<Probe> {
    let operation = format!("probe the injection of `{subject}`");
    let connection = kube.connection().await?;
    let request = request(subject, address).map_err(|e| error::failure(&operation, &connection.server, e))?;
    // One of several API servers may be the one that is silent: the next probe asks another.
    let answer = timeout(REACH, connection.client.request::<Pod>(request)).await;
    let status = match answer.unwrap_or_else(|_| Err(error::Silent.into())) {
        Ok(pod) => return Ok(injected(&pod)),
        Err(kube::Error::Api(status)) => status,
        Err(error) => return Err(error::failure(&operation, &connection.server, error)),
    };
    if let Some(probe) = refused(&status) {
        return Ok(probe);
    }
    // RBAC and admission both say "forbidden": who it was is asked, not guessed.
    if status.code == 403 {
        let namespace = &subject.namespace;
        return Ok(Probe::Unprobeable(match kube.may("create", "", "pods", Some(namespace)).await {
            Ok(false) => format!("RBAC: the caller is not allowed to create pods in namespace `{namespace}`"),
            _ => status.message,
        }));
    }
    if (400..500).contains(&status.code) && !matches!(status.code, 401 | 408 | 429) {
        return Ok(Probe::Unprobeable(status.message));
    }
    Err(error::failure(&operation, &connection.server, kube::Error::Api(status)))
}

/// Judged by the probe's own container: what other webhooks add to the pod (a mesh's sidecar) is not its question.
fn injected(pod: &Pod) -> Probe {
    let pod = convert::pod(pod);
    let own = pod.containers.iter().any(|container| container.name == CONTAINER && container.injected);
    if pod.token_volume && own { Probe::Injected } else { Probe::NotInjected }
}

/// What an API server's documented texts say, whatever the status they come with.
fn refused(status: &Status) -> Option<Probe> {
    let text = status.message.as_str();
    let has = |part: &str| text.contains(part);
    if has("error looking up service account") || status.code == 404 && has("namespaces \"") {
        return Some(Probe::NoServiceAccount(text.to_owned()));
    }
    let reason = if has("violates PodSecurity") {
        "Pod Security"
    } else if has("exceeded quota") || has("failed quota") {
        "quota"
    } else if has("does not support dry run") {
        "a webhook that refuses dry runs"
    } else if has("admission webhook") || has("ValidatingAdmissionPolicy") {
        "a policy engine"
    } else if has("failed calling webhook") {
        "a webhook that fails"
    } else {
        return None;
    };
    // The probe's name is made up anew each time, and says nothing.
    let why =
        text.split_once(" is forbidden: ").filter(|(pod, _)| pod.starts_with("pods \"")).map_or(text, |(_, why)| why);
    Some(Probe::Unprobeable(format!("{reason}: {why}")))
}

fn request(subject: &ServiceAccount, address: Option<SocketAddr>) -> Result<http::Request<Vec<u8>>, kube::Error> {
    let body = serde_json::to_vec(&pod(subject)).map_err(kube::Error::SerdeError)?;
    let params = PostParams { dry_run: true, field_manager: Some("podid".to_owned()) };
    let mut request = Request::new(Pod::url_path(&(), Some(&subject.namespace)))
        .create(&params, body)
        .map_err(kube::Error::BuildRequest)?;
    request.extensions_mut().insert(Fresh(address));
    Ok(request)
}

/// A pod that the `restricted` Pod Security level admits, too small for any quota to mind, that nothing would run.
fn pod(subject: &ServiceAccount) -> serde_json::Value {
    let tiny = json!({"cpu": "1m", "memory": "4Mi"});
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "podid-probe-", "namespace": subject.namespace},
        "spec": {
            "serviceAccountName": subject.name,
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65_534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": CONTAINER,
                "image": "registry.k8s.io/pause:3.10",
                "resources": {"requests": tiny, "limits": tiny},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
        },
    })
}
