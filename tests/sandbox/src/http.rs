//! Loopback listeners, TLS, and the way of every request: journal, faults, the side that answers.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{
    body::{Body as _, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{faults::Action, journal::Call, state::World};

/// A body that may be a stream (watches).
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A whole request.
pub(crate) struct Req {
    /// Method, URI and headers.
    pub parts: http::request::Parts,
    /// The whole body.
    pub body: Bytes,
    /// Which API server took the connection: 0 or 1, by turns. Always 0 on the AWS side.
    pub server: usize,
}

/// What is known of a request before it is carried out.
pub(crate) struct Named {
    /// As in the journal.
    pub service: String,
    /// As in the journal.
    pub operation: String,
    /// True when it changes the world.
    pub write: bool,
}

/// Which server a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Aws,
    Kube,
}

/// A bound loopback port.
pub(crate) struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(crate) async fn bind() -> io::Result<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections for ever. On the Kubernetes side two API servers stand behind the address, and take connections by turns.
    pub(crate) async fn serve(self, tls: Option<Tls>, world: Arc<World>, side: Side) {
        let connections = AtomicU64::new(0);
        loop {
            let Ok((stream, _)) = self.tcp.accept().await else { continue };
            // Without it every call costs a delayed ACK, 40 ms.
            let _ = stream.set_nodelay(true);
            let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
            let server = if side == Side::Kube { (connection % 2) as usize } else { 0 };
            let world = world.clone();
            let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(world.clone(), side, connection, server, request));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                // A client that goes away is no error of the world's.
                let _ = match acceptor {
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await,
                        Err(_) => return,
                    },
                    None => builder.serve_connection(TokioIo::new(stream), service).await,
                };
            });
        }
    }
}

/// A failed answer on purpose: hyper closes the connection.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

async fn answer(
    world: Arc<World>,
    side: Side,
    connection: u64,
    server: usize,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let req = Req { parts, body, server };
    let named = match side {
        Side::Aws => crate::aws::name(&req),
        Side::Kube => crate::kube::name(&req),
    };
    if named.write {
        world.faults.write_begins();
    }
    world.faults.hold().await;
    let target = req.parts.uri.path_and_query().map_or("", |p| p.as_str()).to_owned();
    let seq = world.journal.begin(Call::starting(&named.service, &named.operation, &target));
    world.journal.describe(seq, |call| {
        call.write = named.write;
        call.connection = connection;
        call.server = server;
        call.body = serde_json::from_slice(&req.body).unwrap_or_else(|_| {
            if req.body.is_empty() {
                Value::Null
            } else {
                Value::String(String::from_utf8_lossy(&req.body).into_owned())
            }
        });
        if let Some(agent) = req.parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()) {
            agent.clone_into(&mut call.user_agent);
        }
    });
    let action = world.faults.strike(&named.service, &named.operation);
    let mut ending = Ending::Whole;
    let mut late = std::time::Duration::ZERO;
    let mut meeting = None;
    let fault = match action {
        Some(Action::Drop) => {
            world.journal.end(seq, None);
            return Err(Dropped);
        }
        Some(Action::Error { status, code, message }) => Some(match side {
            Side::Aws => crate::aws::error(&named.service, status, &code, &message),
            Side::Kube => crate::kube::error(status, &code, &message),
        }),
        Some(Action::Answer { status, body }) => {
            let mut response = Response::new(full(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(response)
        }
        Some(Action::Delay(delay)) => {
            late = delay;
            None
        }
        Some(Action::Hold(delay)) => {
            tokio::time::sleep(delay).await;
            None
        }
        Some(Action::Meet(barrier)) => {
            barrier.wait().await;
            meeting = Some(barrier);
            None
        }
        Some(Action::DropAnswer) => {
            ending = Ending::Dropped;
            None
        }
        Some(Action::Truncate) => {
            ending = Ending::Cut;
            None
        }
        Some(Action::Garble) => {
            ending = Ending::Garbled;
            None
        }
        None => None,
    };
    let mut response = match (fault, side) {
        (Some(response), _) => response,
        (None, Side::Aws) => crate::aws::handle(&world, req).await,
        (None, Side::Kube) => crate::kube::handle(&world, req).await,
    };
    // hyper would write this machine's time.
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&world.scenario.server_time());
    if let Some(date) = date.ok().and_then(|date| date.parse().ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    if let Some(barrier) = meeting {
        barrier.wait().await;
    }
    if !late.is_zero() {
        tokio::time::sleep(late).await;
    }
    world.journal.end(seq, (ending != Ending::Dropped).then_some(response.status().as_u16()));
    world.faults.carried_out(named.write);
    world.faults.hold().await;
    match ending {
        Ending::Whole => Ok(response),
        Ending::Dropped => Err(Dropped),
        Ending::Cut => Ok(cut(response).await),
        Ending::Garbled => Ok(garbled(response)),
    }
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Dropped,
    Cut,
    Garbled,
}

/// The answer with what nobody can read in place of its body.
fn garbled(response: Response<Body>) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, full("{<not an answer"))
}

/// The first half of the answer, after which the connection is closed. A stream has no half: it ends in a piece of a line.
async fn cut(response: Response<Body>) -> Response<Body> {
    if response.body().size_hint().exact().is_none() {
        return garbled(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await.map_or_else(|never| match never {}, http_body_util::Collected::to_bytes);
    // hyper closes a connection whose body ends early.
    parts.headers.insert(header::CONTENT_LENGTH, bytes.len().max(2).into());
    let half = bytes.slice(..bytes.len() / 2);
    let stream = futures::stream::once(async move { Ok::<_, Infallible>(Frame::data(half)) });
    Response::from_parts(parts, http_body_util::StreamBody::new(stream).boxed())
}

/// A body of known bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).boxed()
}

/// A certificate for 127.0.0.1 and localhost, signed by a CA of this world's own.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    ca_pem: String,
}

impl Tls {
    pub(crate) fn new() -> io::Result<Self> {
        let bad = |e: rcgen::Error| io::Error::other(format!("certificate: {e}"));
        // As cheap to check as the RSA of a real cluster's certificates, and much cheaper to make.
        let key = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(bad);
        let mut ca = rcgen::CertificateParams::new(Vec::new()).map_err(bad)?;
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, "podid sandbox CA");
        let ca_key = key()?;
        let ca_cert = ca.self_signed(&ca_key).map_err(bad)?;
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let leaf = rcgen::CertificateParams::new(names).map_err(bad)?;
        let leaf_key = key()?;
        let leaf_cert = leaf.signed_by(&leaf_key, &issuer).map_err(bad)?;
        let leaf_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .and_then(|b| b.with_no_client_auth().with_single_cert(vec![leaf_cert.der().clone()], leaf_key))
                .map_err(|e| io::Error::other(format!("TLS: {e}")))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem: ca_cert.pem() })
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}
