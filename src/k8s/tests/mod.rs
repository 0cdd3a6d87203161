//! The adapter against scripted answers of an API server, and against the sandbox.

#[cfg(test)]
mod convert;
#[cfg(test)]
mod follow;
pub mod fuzz;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod scripted;

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::BoxError;

use super::{
    Kube,
    connect::{Access, Connection},
    error::Server,
};

/// One request as the API server saw it.
#[derive(Debug, Clone)]
#[cfg_attr(not(test), expect(dead_code, reason = "fuzzing looks at the target alone"))]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) content_type: String,
    pub(super) body: Value,
}

pub(super) type Log = Arc<Mutex<Vec<Asked>>>;

/// An adapter whose API server is a function; what it was asked is in the log.
pub(super) fn kube(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> (Kube, Log) {
    let log = Log::default();
    let (answer, seen) = (Arc::new(answer), Arc::clone(&log));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let header = head.headers.get(http::header::CONTENT_TYPE);
            let asked = Asked {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                content_type: header.and_then(|h| h.to_str().ok()).unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            seen.lock().unwrap().push(asked.clone());
            let (status, text) = answer(&asked);
            Ok::<_, BoxError>(Response::builder().status(status).body(Body::from(text.into_bytes()))?)
        }
    });
    let access = Access::Kubeconfig { path: None, context: None };
    let kube = Kube::with_env(access, Arc::new(|_| None));
    let connection = Connection {
        client: Client::new(service, "default"),
        server: Server { url: "https://k8s.example".to_owned(), user: None },
        ca: Vec::new(),
        proxied: false,
        tokens: None,
        unchecked: false,
    };
    assert!(kube.0.connection.set(Ok(connection)).is_ok());
    (kube, log)
}

/// A Status, as `err_<code>.json` of the captures has it.
pub(super) fn status(code: u16, reason: &str, message: &str) -> (u16, String) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, body.to_string())
}
