//! The HTTP stack below kube's client: proxy, TLS, tokens, retries, and new connections where a probe wants one.

use std::{
    future::ready,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, FutureExt, TryFutureExt};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, USER_AGENT},
};
use hyper_util::{
    client::legacy::{
        Client as HttpClient, Error as HttpError,
        connect::{
            Connect, HttpConnector,
            dns::{GaiResolver, Name},
            proxy::Tunnel,
        },
    },
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{
        Body, ConfigExt,
        retry::{InvalidBackoff, RetryPolicy},
    },
};
use percent_encoding::percent_decode_str;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    filter::{AsyncFilterLayer, AsyncPredicate},
    retry::{Policy, RetryLayer},
    util::{BoxCloneSyncService, MapRequestLayer},
};

use super::limit::{Answered, Limit, Limited};
use crate::{
    calls::{Call, ended},
    ports::TokenSource,
};

/// How long a TCP connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Marks a request that must go over a connection of its own, to this address when there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh(pub(super) Option<SocketAddr>);

type Received = <HttpClient<HttpConnector, Body> as Service<Request<Body>>>::Response;
type Answer = Response<Limited<<Received as Answered>::Body>>;
type Wire = BoxCloneSyncService<Request<Body>, Received, BoxError>;

/// A kube client over `config`, whose user has no token and no plugin: tokens come from their source alone.
pub(super) fn client(config: &Config, tokens: Option<Arc<dyn TokenSource>>) -> Result<Client, kube::Error> {
    let dialer = Dialer(Arc::new(config.clone()));
    let switch = Switch { pooled: dialer.wire(None, false)?, dialer };
    let retry = Retry::new().map_err(|e| kube::Error::Service(e.into()))?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(RetryLayer::new(retry))
        .option_layer(config.auth_layer()?)
        .option_layer(tokens.map(|source| AsyncFilterLayer::new(Bearer(source))))
        .layer(config.extra_headers_layer()?)
        .layer(MapRequestLayer::new(introduce))
        .map_err(BoxError::from)
        .service(switch);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Says who asks, for the API server's audit log.
fn introduce(mut request: Request<Body>) -> Request<Body> {
    let name = HeaderValue::from_static(concat!("podid/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, name);
    request
}

/// Sets a current token on each request, retries included.
#[derive(Clone)]
struct Bearer(Arc<dyn TokenSource>);

impl AsyncPredicate<Request<Body>> for Bearer {
    type Future = BoxFuture<'static, Result<Request<Body>, BoxError>>;
    type Request = Request<Body>;

    fn check(&mut self, mut request: Request<Body>) -> Self::Future {
        let source = Arc::clone(&self.0);
        async move {
            let token = source.token().await?;
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            Ok(request)
        }
        .boxed()
    }
}

/// kube's policy (429, 503, 504, a few times), and 500, 502 and lost connections too where asking twice changes nothing.
#[derive(Clone)]
struct Retry(RetryPolicy);

impl Retry {
    fn new() -> Result<Self, InvalidBackoff> {
        RetryPolicy::new(Duration::from_millis(200), Duration::from_secs(4), 4, true).map(Self)
    }
}

/// How often a write that may be repeated is sent over lost connections.
const REPEATS: usize = 3;

/// Repeats a write whose answer was lost with its connection. Only for one that changes nothing when it is done twice.
pub(super) async fn repeated<T, F, Fut>(write: F) -> Result<T, kube::Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, kube::Error>>,
{
    for _ in 1..REPEATS {
        match write().await {
            Err(kube::Error::Service(error)) if lost(&error) => {}
            answered => return answered,
        }
    }
    write().await
}

/// A connection that was lost on the way, not one that never was: a server that restarts drops them.
fn lost(error: &BoxError) -> bool {
    error.downcast_ref::<HttpError>().is_some_and(|error| !error.is_connect())
}

type Outcome = Result<Answer, BoxError>;

impl Policy<Request<Body>, Answer, BoxError> for Retry {
    type Future = <RetryPolicy as Policy<Request<Body>, Answer, BoxError>>::Future;

    fn retry(&mut self, request: &mut Request<Body>, outcome: &mut Outcome) -> Option<Self::Future> {
        let transient = match outcome {
            Ok(answer) => matches!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY),
            Err(error) => lost(error),
        };
        if !transient || request.method() != Method::GET {
            return self.0.retry(request, outcome);
        }
        let mut stand_in = Response::new(());
        *stand_in.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        self.0.retry(request, &mut Ok(stand_in))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        <RetryPolicy as Policy<Request<Body>, Answer, BoxError>>::clone_request(&mut self.0, request)
    }
}

/// Sends over the pool, or over a connection of its own when the request is marked [`Fresh`].
#[derive(Clone)]
struct Switch {
    pooled: Wire,
    dialer: Dialer,
}

impl Service<Request<Body>> for Switch {
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Outcome>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The clients below are always ready; they queue inside.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = match request.extensions().get::<Fresh>() {
            None => self.pooled.clone(),
            Some(Fresh(address)) => match self.dialer.wire(*address, true) {
                Ok(wire) => wire,
                Err(error) => return ready(Err(error.into())).boxed(),
            },
        };
        let name = format!("Kubernetes {} {}", request.method(), request.uri().path());
        let limit = Limit::of(request.uri());
        let server = request.uri().authority().map_or_else(String::new, |server| format!(" at https://{server}"));
        async move {
            let (began, _in_progress) = (Instant::now(), Call::begin(format!("the Kubernetes API{server}")));
            let answer = wire.oneshot(request).await;
            let status = answer.as_ref().map(|answer| answer.status().as_u16().to_string());
            let outcome = status.unwrap_or_else(|_| "no response".to_owned());
            ended(&name, &outcome, began, None);
            Ok(answer?.map(|body| Limited::new(body, limit)))
        }
        .boxed()
    }
}

/// Makes connections: to the resolved or a given address, directly or through a proxy.
#[derive(Clone)]
struct Dialer(Arc<Config>);

impl Dialer {
    fn wire(&self, to: Option<SocketAddr>, once: bool) -> Result<Wire, kube::Error> {
        let mut http = HttpConnector::new_with_resolver(Resolver { to, names: GaiResolver::new() });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT));
        let config = &self.0;
        let Some(proxy) = &config.proxy_url else {
            return Ok(wire(config.rustls_https_connector_with_connector(http)?, once));
        };
        match proxy.scheme_str() {
            Some("http") => {
                let connector = tunnel(proxy, http);
                Ok(wire(config.rustls_https_connector_with_connector(connector)?, once))
            }
            Some("https") => {
                // The proxy's certificate is checked against the system's roots, not the cluster's CA.
                let outer = Config::new(proxy.clone()).rustls_https_connector_with_connector(http)?;
                let connector = tunnel(proxy, outer);
                Ok(wire(config.rustls_https_connector_with_connector(connector)?, once))
            }
            _ => Err(kube::Error::ProxyProtocolUnsupported { proxy_url: Box::new(without_user(proxy)) }),
        }
    }
}

fn wire<C: Connect + Clone + Send + Sync + 'static>(connector: C, once: bool) -> Wire {
    let mut builder = HttpClient::builder(TokioExecutor::new());
    if once {
        builder.pool_max_idle_per_host(0);
    }
    BoxCloneSyncService::new(ServiceBuilder::new().map_err(BoxError::from).service(builder.build(connector)))
}

fn tunnel<C>(proxy: &Uri, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(without_user(proxy), connector);
    let user = proxy.authority().and_then(|a| a.as_str().rsplit_once('@')).map(|(user, _)| user);
    let Some(user) = user else { return tunnel };
    let decoded: Vec<u8> = percent_decode_str(user).collect();
    match HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(decoded))) {
        Ok(header) => tunnel.with_auth(header),
        Err(_) => tunnel,
    }
}

/// The proxy without its user and password, which no message may show.
fn without_user(proxy: &Uri) -> Uri {
    let Some((_, host)) = proxy.authority().and_then(|a| a.as_str().rsplit_once('@')) else { return proxy.clone() };
    Uri::builder()
        .scheme(proxy.scheme_str().unwrap_or("http"))
        .authority(host)
        .path_and_query("/")
        .build()
        .unwrap_or_default()
}

/// Resolves every name to one given address, or as the system does.
#[derive(Clone)]
struct Resolver {
    to: Option<SocketAddr>,
    names: GaiResolver,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.names, context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        match self.to {
            Some(address) => ready(Ok(vec![address].into_iter())).boxed(),
            None => self.names.call(name).map_ok(|found| found.collect::<Vec<_>>().into_iter()).boxed(),
        }
    }
}
