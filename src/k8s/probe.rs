//! The dry-run pod: a pod created as a server-side dry run, over a connection of its own, to see what admission makes of it.

mod refusal;
mod size;

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Resource,
    api::PostParams,
    core::{Request, Status},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use self::size::Size;
use super::{Kube, REACH, convert, error, wire::Fresh};
use crate::{
    failure::{Code, Failure, Result},
    model::names::ServiceAccount,
    ports::{Kubernetes, Probe},
};

/// Name of the dry-run pod's container.
const CONTAINER: &str = "probe";

/// Asks one API server whether it would inject a new pod of the service account.
pub(super) async fn probe(kube: &Kube, subject: &ServiceAccount, address: Option<SocketAddr>) -> Result<Probe> {
    let (mut size, mut refusals) = (Size::Tiny, Vec::new());
    let status = loop {
        let status = match create(kube, subject, address, &size.resources(&refusals)).await? {
            Ok(pod) => return Ok(injected(&pod)),
            Err(status) => status,
        };
        // What the namespace asks of its pods, the dry-run pod has to have as well.
        match size.next(&status.message) {
            Some(next) => size = next,
            None => break status,
        }
        refusals.push(status.message);
    };
    judge(kube, subject, status).await
}

/// The answer to one dry-run pod.
async fn create(
    kube: &Kube,
    subject: &ServiceAccount,
    address: Option<SocketAddr>,
    resources: &Value,
) -> Result<std::result::Result<Box<Pod>, Status>> {
    let connection = kube.connection().await?;
    let failed = |e| error::failure(&operation(subject), &connection.server, e);
    let request = request(subject, address, resources).map_err(failed)?;
    // One of several API servers may be the one that is silent: the next dry-run pod asks another.
    let answer = timeout(REACH, connection.client.request::<Pod>(request)).await;
    match answer.unwrap_or_else(|_| Err(error::Silent.into())) {
        Ok(pod) => Ok(Ok(Box::new(pod))),
        Err(kube::Error::Api(status)) => Ok(Err(*status)),
        Err(error) => Err(failed(error)),
    }
}

fn operation(subject: &ServiceAccount) -> String {
    format!("create a dry-run pod of `{subject}`")
}

/// What a refusal means.
async fn judge(kube: &Kube, subject: &ServiceAccount, mut status: Status) -> Result<Probe> {
    let passing = refusal::passing(&status);
    if let Some(probe) = refusal::read(&status).filter(|_| !passing) {
        return Ok(probe);
    }
    let text = refusal::unnamed(&status.message);
    // RBAC and admission both say "forbidden": who it was is asked, not guessed.
    if status.code == 403 && !passing {
        let namespace = &subject.namespace;
        return Ok(Probe::Unprobeable(match kube.may("create", "", "pods", Some(namespace)).await {
            Ok(false) => format!("RBAC: the caller is not allowed to create pods in namespace `{namespace}`"),
            _ => text,
        }));
    }
    if (400..500).contains(&status.code) && !passing && !matches!(status.code, 401 | 408 | 429) {
        return Ok(Probe::Unprobeable(text));
    }
    status.message = text;
    let failure = kube.failed(&operation(subject), kube::Error::Api(Box::new(status)));
    // One that passes is no matter of the caller's permissions.
    let code = if passing { Code::Failed } else { failure.code };
    Err(Failure { code, ..failure })
}

/// Judged by the pod's own container: what other webhooks add to it (a mesh's sidecar) is not the question.
fn injected(pod: &Pod) -> Probe {
    let pod = convert::pod(pod);
    let own = pod.containers.iter().any(|container| container.name == CONTAINER && container.injected);
    if pod.token_volume && own {
        return Probe::Injected;
    }
    pod.irsa_role().map_or(Probe::NotInjected, Probe::WebIdentity)
}

fn request(
    subject: &ServiceAccount,
    address: Option<SocketAddr>,
    resources: &Value,
) -> Result<http::Request<Vec<u8>>, kube::Error> {
    let body = serde_json::to_vec(&pod(subject, resources)).map_err(kube::Error::SerdeError)?;
    let params = PostParams { dry_run: true, field_manager: Some("podid".to_owned()) };
    let mut request = Request::new(Pod::url_path(&(), Some(&subject.namespace)))
        .create(&params, body)
        .map_err(kube::Error::BuildRequest)?;
    request.extensions_mut().insert(Fresh(address));
    Ok(request)
}

/// A pod that the `restricted` Pod Security level allows, and that nothing would run.
fn pod(subject: &ServiceAccount, resources: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": refusal::PREFIX, "namespace": subject.namespace},
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
                "resources": resources,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
        },
    })
}
