//! The AWS side: EKS, IAM, STS, EKS Auth and DynamoDB, told apart by the signature's credential scope.

use std::{io, sync::Arc};

use http::Response;
use jiff::Timestamp;

use crate::{
    State,
    http::{Body, Named, Req},
    scenario::{Caller, Scenario},
    state::World,
};

/// Everything on the AWS side.
#[derive(Debug)]
pub struct Aws {}

/// Whose credentials an app in a pod ended up with.
#[derive(Debug, Clone)]
pub enum AppCredentials {
    /// From its environment.
    Static {
        /// Access key id.
        access_key_id: String,
    },
    /// From the agent: what EKS Auth handed out.
    PodIdentity(Session),
    /// From the instance's metadata.
    NodeRole {
        /// Role name.
        role: String,
        /// Instance id, the session's name.
        instance: String,
    },
}

/// A role session.
#[derive(Debug, Clone)]
pub struct Session {
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// Role ARN.
    pub role: String,
}

impl Aws {
    pub(crate) fn new(_: &Scenario, _kube_url: &str, _ca_pem: &str, _now: Timestamp) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Whether API server `server` injects new pods of this service account at `now`.
    pub(crate) fn injects(&self, _server: usize, _namespace: &str, _service_account: &str, _now: Timestamp) -> bool {
        false
    }
}

/// Names a request before it is carried out.
pub(crate) fn name(_req: &Req) -> Named {
    Named { service: "eks".into(), operation: String::new(), write: false }
}

/// Carries a request out.
pub(crate) async fn handle(_world: &Arc<World>, _req: Req) -> Response<Body> {
    error("eks", 501, "NotImplemented", "not here yet")
}

/// An error in the service's own wire format.
pub(crate) fn error(_service: &str, status: u16, _code: &str, message: &str) -> Response<Body> {
    let mut response = Response::new(crate::http::full(message.to_owned()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// Moves add-ons along their life.
pub(crate) fn step(_state: &mut State, _scenario: &Scenario, _now: Timestamp) {}

/// The caller behind an EKS bearer token (`k8s-aws-v1.…`), when its signature, expiry and cluster are right.
pub(crate) fn caller_of_eks_token<'w>(_world: &'w World, _token: &str) -> Option<&'w Caller> {
    None
}

/// What the agent on a node gets from EKS Auth for a pod's token; the error is the agent's text, as an SDK in the pod sees it.
pub(crate) fn agent_credentials(
    _state: &mut State,
    _scenario: &Scenario,
    _node_role: &str,
    _token: &str,
    _now: Timestamp,
) -> Result<Session, String> {
    Err(String::new())
}

/// An app's call, such as `dynamodb:Query` on `eks-workshop-carts/index/idx_global_customerId`; the error is AWS's message with its code.
pub(crate) fn app_call(
    _state: &mut State,
    _scenario: &Scenario,
    _who: &AppCredentials,
    _action: &str,
    _resource: &str,
    _now: Timestamp,
) -> Result<(), String> {
    Ok(())
}
