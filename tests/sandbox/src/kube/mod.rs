//! The Kubernetes side: two API servers behind one address, the controllers, the webhook, the agent, and pods that behave as their apps would.

use std::{io, sync::Arc};

use http::Response;
use jiff::Timestamp;

use crate::{
    State,
    http::{Body, Named, Req},
    scenario::Scenario,
    state::World,
};

/// Everything on the Kubernetes side.
#[derive(Debug)]
pub struct Kube {}

/// What a service account token says.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub namespace: String,
    pub service_account: String,
    pub pod: Option<(String, String)>,
    pub audience: String,
    pub expires: Timestamp,
}

impl Kube {
    pub(crate) fn new(_: &Scenario, _now: Timestamp) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Reads and verifies a service account token that this cluster issued (not its expiry or audience); the error is text.
    pub(crate) fn read_token(&self, _token: &str) -> Result<Claims, String> {
        Err("token is malformed".to_owned())
    }

    /// Applies (or, with `None`, deletes) the DaemonSet of the agent add-on `version`.
    pub(crate) fn set_agent(&mut self, _version: Option<&str>, _now: Timestamp) {}

    /// Desired and ready pods of a DaemonSet.
    pub(crate) fn daemon_set(&self, _namespace: &str, _name: &str) -> Option<(u64, u64)> {
        None
    }
}

/// Names a request before it is carried out: `VERB RESOURCE`.
pub(crate) fn name(_req: &Req) -> Named {
    Named { service: "kubernetes".into(), operation: String::new(), write: false }
}

/// Carries a request out.
pub(crate) async fn handle(_world: &Arc<World>, _req: Req) -> Response<Body> {
    error(501, "NotImplemented", "not here yet")
}

/// A `Status` answer.
pub(crate) fn error(status: u16, _reason: &str, message: &str) -> Response<Body> {
    let mut response = Response::new(crate::http::full(message.to_owned()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// Lets the controllers, kubelets and apps do one step.
pub(crate) fn step(_state: &mut State, _scenario: &Scenario, _now: Timestamp) {}

/// Runs the controllers of a new world until nothing moves: its pods are as old as its manifests say.
pub(crate) fn settle(_state: &mut State, _scenario: &Scenario, _now: Timestamp) {}

/// A kubeconfig with a token of the first caller.
pub(crate) fn kubeconfig(_world: &World, _url: &str) -> String {
    String::new()
}
