//! Where the Kubernetes API is and how to be someone there: EKS directly, or a kubeconfig.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Uri;
use kube::{Client, Config};

use super::{
    error,
    kubeconfig::{self, Entry, Env},
    proxy::proxy_for,
    wire,
};
use crate::{
    failure::{Code, Failure, Result},
    model::cluster::Cluster,
    ports::TokenSource,
};

/// How the Kubernetes API is reached.
#[derive(Clone)]
pub enum Access {
    /// With no kubeconfig: endpoint and CA as DescribeCluster gives them, and EKS tokens.
    Eks {
        /// The cluster.
        cluster: Box<Cluster>,
        /// Its tokens.
        token: Arc<dyn TokenSource>,
    },
    /// By a kubeconfig.
    Kubeconfig {
        /// The file; `None` for `KUBECONFIG` or the default one.
        path: Option<PathBuf>,
        /// The context; `None` for the current one.
        context: Option<String>,
    },
}

/// A client with what is known about its way.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// The API's URL, for messages.
    pub(super) server: String,
    /// CA certificates as DER, when given.
    pub(super) ca: Vec<Vec<u8>>,
    /// The API is behind a proxy: its addresses are the proxy's business.
    pub(super) proxied: bool,
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
}

/// Builds the client. Sends nothing to the API, but runs the kubeconfig's credential plugin, if there is one.
pub(super) async fn connect(access: &Access, env: &Env) -> Result<Connection> {
    match access {
        Access::Eks { cluster, token } => eks(cluster, token, env),
        Access::Kubeconfig { path, context } => {
            let file = kubeconfig::load(path.as_deref(), env)?.ok_or_else(|| {
                Failure::usage("there is no kubeconfig")
                    .hint("name one with `--kubeconfig`, or a cluster with `--cluster`")
            })?;
            let entry = Entry::of(&file, context.as_deref())?.ok_or_else(|| {
                Failure::usage("the kubeconfig has no current context").hint("name one with `--context`")
            })?;
            from_entry(entry, env).await
        }
    }
}

fn eks(cluster: &Cluster, token: &Arc<dyn TokenSource>, env: &Env) -> Result<Connection> {
    let mut config = config(&cluster.endpoint)?;
    let ca =
        STANDARD.decode(&cluster.certificate_authority).ok().and_then(|pem| certificates(&pem)).ok_or_else(|| {
            Failure::failed(format!("the certificate authority of cluster `{}` is not PEM", cluster.name))
        })?;
    config.root_cert = Some(ca.clone());
    config.proxy_url = proxy(proxy_for(&cluster.endpoint, |name| env(name)))?;
    let client = wire::client(&config, config.clone(), Some(Arc::clone(token)))
        .map_err(|e| error::failure("set up the Kubernetes client", &cluster.endpoint, e))?;
    Ok(Connection {
        client,
        server: cluster.endpoint.clone(),
        ca,
        proxied: config.proxy_url.is_some(),
        tokens: Some(Arc::clone(token)),
    })
}

async fn from_entry(entry: Entry, env: &Env) -> Result<Connection> {
    let server = entry.server()?.to_owned();
    let mut config = config(&server)?;
    let ca = match entry.ca_pem()? {
        Some(pem) => certificates(&pem).ok_or_else(|| {
            Failure::usage(format!("the certificate authority of context `{}` is not PEM", entry.context_name))
        })?,
        None => Vec::new(),
    };
    config.root_cert = (!ca.is_empty()).then(|| ca.clone());
    config.accept_invalid_certs = entry.cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name.clone_from(&entry.cluster.tls_server_name);
    let explicit = entry.cluster.proxy_url.clone().filter(|url| !url.is_empty());
    config.proxy_url = proxy(explicit.or_else(|| proxy_for(&server, |name| env(name))))?;
    config.auth_info = entry.auth_info()?;
    let mut tls = config.clone();
    if kubeconfig::gives_tokens(&tls.auth_info) {
        tls.auth_info.exec = None;
    }
    let proxied = config.proxy_url.is_some();
    // A credential plugin is a process that is waited for: not on the runtime's threads. The client's queue wants the runtime.
    let runtime = tokio::runtime::Handle::current();
    let client = tokio::task::spawn_blocking(move || {
        let _entered = runtime.enter();
        wire::client(&config, tls, None)
    })
    .await
    .map_err(|e| Failure::failed(format!("cannot set up the Kubernetes client: {e}")))?
    .map_err(|e| error::failure("log in to the cluster", &server, e))?;
    Ok(Connection { client, server, ca, proxied, tokens: None })
}

fn config(server: &str) -> Result<Config> {
    let url: Uri = server
        .parse()
        .ok()
        .filter(|url: &Uri| url.host().is_some() && url.scheme().is_some())
        .ok_or_else(|| Failure::usage(format!("`{server}` is not the URL of a Kubernetes API")))?;
    Ok(Config::new(url))
}

fn proxy(url: Option<String>) -> Result<Option<Uri>> {
    // Not shown: it may have a password in it.
    let bad = |_| Failure::new(Code::Usage, "the proxy for the Kubernetes API is not a URL");
    url.map(|url| url.parse::<Uri>().map_err(bad)).transpose()
}

/// The certificates of a PEM text, as DER; `None` when there is none.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::str::from_utf8(pem).ok()?;
    let found: Option<Vec<Vec<u8>>> = text
        .split(BEGIN)
        .skip(1)
        .map(|rest| {
            let body: String = rest.split_once(END)?.0.split_whitespace().collect();
            STANDARD.decode(body).ok()
        })
        .collect();
    found.filter(|list| !list.is_empty())
}

/// Whether two URLs name one server.
pub(super) fn same_server(one: &str, other: &str) -> bool {
    fn parts(url: &str) -> Option<(String, String, u16)> {
        let url: Uri = url.parse().ok()?;
        let scheme = url.scheme_str()?.to_owned();
        let port = url.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        Some((scheme, url.host()?.to_ascii_lowercase(), port))
    }
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// Whether a kubeconfig's server or CA is the cluster's.
pub fn same_cluster(server: &str, ca: &[Vec<u8>], cluster: &Cluster) -> bool {
    let theirs = STANDARD.decode(&cluster.certificate_authority).ok().and_then(|pem| certificates(&pem));
    same_server(server, &cluster.endpoint) || !ca.is_empty() && theirs.is_some_and(|theirs| theirs == ca)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem() {
        let one = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(one.as_bytes()), Some(vec![vec![1, 2, 3]]));
        assert_eq!(certificates(format!("{one}# note\r\n{one}").as_bytes()).map(|c| c.len()), Some(2));
        for bad in [
            "",
            "AQID",
            "-----BEGIN CERTIFICATE-----\nAQID",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(certificates(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn servers() {
        for (one, other, same) in [
            ("https://A.gr7.eu-west-1.eks.amazonaws.com", "https://a.gr7.eu-west-1.eks.amazonaws.com/", true),
            ("https://a:443", "https://a", true),
            ("https://a:6443", "https://a", false),
            ("http://a", "https://a", false),
            ("nonsense", "nonsense", false),
        ] {
            assert_eq!(same_server(one, other), same, "{one} {other}");
        }
    }
}
