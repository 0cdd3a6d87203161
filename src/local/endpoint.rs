//! The endpoint on this machine from which the SDKs of one command get their credentials: on loopback alone, and only for who knows
//! the token that podid gave that command.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::stream::{FuturesUnordered, StreamExt};
use http::{
    Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};

use super::supply::{self, Supply};
use crate::{
    failure::{Failure, Result},
    secrets, wait,
};

/// The only path.
const PATH: &str = "/credentials";

/// Connections at once: every user of this machine can open some.
const MOST: usize = 64;

/// To send a request.
const HEADERS: Duration = Duration::from_secs(5);

/// One connection, which is one request.
const CONNECTION: Duration = Duration::from_secs(40);

/// After the system could not accept a connection.
const BREATH: Duration = Duration::from_millis(100);

/// The least that hyper takes.
const BUFFER: usize = 8 << 10;

/// Where the endpoint is, and what it takes to be answered.
#[derive(Debug, Clone)]
pub struct Address {
    port: u16,
    token: SecretString,
}

impl Address {
    /// The URL. It names the address: a name such as localhost may be looked up elsewhere.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.host())
    }

    /// The value of the header Authorization.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    fn host(&self) -> String {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port).to_string()
    }

    #[cfg(test)]
    pub(super) fn for_tests(port: u16, token: &str) -> Self {
        Self { port, token: token.into() }
    }

    /// Whether a request may have credentials. A page in a browser that leads here by a name of its own is found out by the Host.
    fn check<B>(&self, request: &Request<B>) -> Result<(), (StatusCode, &'static str, &'static str)> {
        let host = self.host();
        let named = request.headers().get_all(HOST).iter();
        let named: Vec<&[u8]> = named.map(http::HeaderValue::as_bytes).collect();
        let absolute = request.uri().authority().is_none_or(|authority| authority.as_str() == host);
        if named != [host.as_bytes()] || !absolute {
            return Err((StatusCode::FORBIDDEN, "InvalidHost", "the Host of the request is not this endpoint's"));
        }
        let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], http::HeaderValue::as_bytes);
        if !bool::from(given.ct_eq(self.token.expose_secret().as_bytes())) {
            return Err((StatusCode::FORBIDDEN, "InvalidToken", "the authorization token is missing or wrong"));
        }
        if request.uri().path() != PATH {
            return Err((StatusCode::NOT_FOUND, "NotFound", "there is nothing at this path"));
        }
        if request.method() != Method::GET {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "only GET is answered"));
        }
        Ok(())
    }
}

/// The endpoint, which takes connections from now on.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: Address,
}

impl Endpoint {
    /// On a port that is free, with a new token.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn open() -> Result<Self> {
        let what = "cannot open the credentials endpoint on 127.0.0.1";
        let failed =
            |why: String| Failure::failed(what).because(why).hint("pass `--env` to hand over static credentials");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| failed(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random).map_err(|error| failed(error.to_string()))?;
        // Letters, digits, - and _: a legal header in every SDK.
        let token = URL_SAFE_NO_PAD.encode(random);
        secrets::hold(&token);
        Ok(Self { listener, address: Address { port, token: token.into() } })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Answers for as long as this is awaited.
    pub async fn serve(&self, supply: &Supply<'_>) -> Infallible {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MOST => match accepted {
                    Ok((stream, _)) => connections.push(self.connection(stream, supply)),
                    Err(_) => wait::pause(BREATH).await,
                },
                Some(()) = connections.next() => {}
            }
        }
    }

    async fn connection(&self, stream: TcpStream, supply: &Supply<'_>) {
        let answer = service_fn(|request| async move { Ok::<_, Infallible>(self.answer(&request, supply).await) });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .keep_alive(false)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), answer);
        // Whoever hung up wants no answer, and the next request is another connection.
        let served = async { served.await.map_err(|error| Failure::failed(error.to_string())) };
        let _ended = wait::at_most(CONNECTION, "answering", served).await;
    }

    async fn answer(&self, request: &Request<Incoming>, supply: &Supply<'_>) -> Response<String> {
        let (status, body) = match self.address.check(request) {
            Err((status, code, message)) => (status, json!({"Code": code, "Message": message})),
            Ok(()) => match supply.get().await {
                Ok(credentials) => (
                    StatusCode::OK,
                    json!({
                        "AccessKeyId": credentials.access_key_id,
                        "SecretAccessKey": credentials.secret_access_key.expose_secret(),
                        "Token": credentials.session_token.expose_secret(),
                        "Expiration": supply::time(credentials.expires),
                    }),
                ),
                Err(failure) => {
                    let message = secrets::without(&failure.to_string()).into_owned();
                    (StatusCode::SERVICE_UNAVAILABLE, json!({"Code": "CredentialsExpired", "Message": message}))
                }
            },
        };
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_host_and_token_is_answered() {
        let address = Address::for_tests(4711, "t0ken");
        let status = |method: &str, uri: &str, headers: &[(&str, &str)]| {
            let request = Request::builder().method(method).uri(uri);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            address.check(&request.body(()).unwrap()).map_err(|(status, ..)| status.as_u16())
        };
        let (host, token) = (("host", "127.0.0.1:4711"), ("authorization", "t0ken"));
        assert_eq!(status("GET", PATH, &[host, token]), Ok(()));
        assert_eq!(status("GET", "http://127.0.0.1:4711/credentials", &[host, token]), Ok(()));
        for (method, uri, headers, expected) in [
            ("GET", PATH, &[host][..], 403),
            ("GET", PATH, &[host, ("authorization", "t0ke")], 403),
            ("GET", PATH, &[host, ("authorization", "Bearer t0ken")], 403),
            ("GET", PATH, &[token], 403),
            ("GET", PATH, &[("host", "evil.example:4711"), token], 403),
            ("GET", PATH, &[("host", "localhost:4711"), token], 403),
            ("GET", PATH, &[host, host, token], 403),
            ("GET", "http://evil.example/credentials", &[host, token], 403),
            ("GET", "/", &[host, token], 404),
            ("GET", "/credentials/", &[host, token], 404),
            ("GET", "/", &[host], 403),
            ("POST", PATH, &[host, token], 405),
        ] {
            assert_eq!(status(method, uri, headers), Err(expected), "{method} {uri} {headers:?}");
        }
    }
}
