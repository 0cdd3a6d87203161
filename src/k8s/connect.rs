//! Where the Kubernetes API is and how to be someone there: EKS directly, a kubeconfig, or the pod that podid runs in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Uri;
use kube::{
    Client, Config,
    config::{AuthInfo, Kubeconfig},
};

use super::{
    error::{self, Server},
    in_cluster,
    kubeconfig::{self, Entry, Env},
    login::{Login, User},
    proxy::proxy_for,
    wire,
};
use crate::{
    failure::{Code, Failure, Result},
    model::cluster::Cluster,
    ports::TokenSource,
    wait,
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
    /// As the service account of the pod that podid runs in.
    Pod {
        /// Where its token and the CA are.
        folder: PathBuf,
    },
}

/// A client with what is known about its way.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// The API server, for messages.
    pub(super) server: Server,
    /// CA certificates as DER, when given.
    pub(super) ca: Vec<Vec<u8>>,
    /// The API is behind a proxy: its addresses are the proxy's business.
    pub(super) proxied: bool,
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
    /// The kubeconfig says not to check the server's certificate.
    pub(super) unchecked: bool,
}

/// Builds the client. Sends nothing to the API, but runs the kubeconfig's credential plugin, if there is one.
pub(super) async fn connect(access: &Access, env: &Env) -> Result<Connection> {
    match access {
        Access::Eks { cluster, token } => eks(cluster, token, env),
        Access::Kubeconfig { path, context } => {
            let (path, context, env) = (path.clone(), context.clone(), Arc::clone(env));
            let found = {
                let env = Arc::clone(&env);
                wait::aside("reading the kubeconfig", move || Found::read(path.as_deref(), context.as_deref(), &env))
            };
            from_kubeconfig(found.await?, &env).await
        }
        Access::Pod { folder } => {
            let (folder, env) = (folder.clone(), Arc::clone(env));
            let found = {
                let env = Arc::clone(&env);
                let read = move || Found::of(&in_cluster::config(&env, &folder)?, None, |_| None);
                wait::aside("reading the pod's configuration", read)
            };
            from_kubeconfig(found.await?, &env).await
        }
    }
}

/// What the files of a kubeconfig give.
struct Found {
    entry: Entry,
    /// Of its server, without anything else.
    config: Config,
    /// Its user, as the entry has it.
    user: AuthInfo,
    /// CA certificates, as DER.
    ca: Vec<Vec<u8>>,
    /// The file that the user comes from.
    file: Option<PathBuf>,
}

impl Found {
    fn read(path: Option<&Path>, context: Option<&str>, env: &Env) -> Result<Self> {
        let file = kubeconfig::load(path, env)?.ok_or_else(|| {
            Failure::usage("no kubeconfig found").hint("name one with `--kubeconfig`, or a cluster with `--cluster`")
        })?;
        Self::of(&file, context, |user| kubeconfig::origin(path, env, user))
    }

    /// Of one that was read; `origin` tells the file that a user comes from.
    fn of(file: &Kubeconfig, context: Option<&str>, origin: impl Fn(&str) -> Option<PathBuf>) -> Result<Self> {
        let entry = Entry::of(file, context)?
            .ok_or_else(|| Failure::usage("the kubeconfig has no current context").hint("name one with `--context`"))?;
        let file = entry.user_name.as_deref().and_then(origin);
        // What is wrong with the server comes before what is wrong with files.
        let config = config(entry.server()?)?;
        let ca = match entry.ca_pem()? {
            Some(pem) => certificates(&pem).ok_or_else(|| {
                Failure::usage(format!("the certificate authority of context `{}` is not PEM", entry.context_name))
            })?,
            None => Vec::new(),
        };
        let user = entry.auth_info()?;
        Ok(Self { entry, config, user, ca, file })
    }
}

fn eks(cluster: &Cluster, token: &Arc<dyn TokenSource>, env: &Env) -> Result<Connection> {
    let mut config = config(&cluster.endpoint)?;
    if config.cluster_url.scheme_str() != Some("https") {
        return Err(Failure::usage(format!(
            "cluster `{}` has the endpoint `{}`, which is not https",
            cluster.name, cluster.endpoint
        ))
        .because("podid does not send a token over an unencrypted connection")
        .hint("check `AWS_ENDPOINT_URL`: EKS itself returns only https endpoints")
        .hint("or name a kubeconfig for this server: `--kubeconfig FILE`"));
    }
    let ca =
        STANDARD.decode(&cluster.certificate_authority).ok().and_then(|pem| certificates(&pem)).ok_or_else(|| {
            Failure::failed(format!("the certificate authority of cluster `{}` is not PEM", cluster.name))
        })?;
    config.root_cert = Some(ca.clone());
    config.proxy_url = proxy(proxy_for(&cluster.endpoint, |name| env(name)))?;
    let server = Server { url: cluster.endpoint.clone(), user: None };
    let client = wire::client(&config, Some(Arc::clone(token)))
        .map_err(|e| error::failure("set up the Kubernetes client", &server, e))?;
    Ok(Connection {
        client,
        server,
        ca,
        proxied: config.proxy_url.is_some(),
        tokens: Some(Arc::clone(token)),
        unchecked: false,
    })
}

async fn from_kubeconfig(found: Found, env: &Env) -> Result<Connection> {
    let Found { entry, mut config, user: info, ca, file } = found;
    let url = entry.server()?.to_owned();
    let plain_http = config.cluster_url.scheme_str() == Some("http");
    config.root_cert = (!ca.is_empty()).then(|| ca.clone());
    config.accept_invalid_certs = entry.cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name.clone_from(&entry.cluster.tls_server_name);
    let explicit = entry.cluster.proxy_url.clone().filter(|url| !url.is_empty());
    config.proxy_url = proxy(explicit.or_else(|| proxy_for(&url, |name| env(name))))?;
    let user = User::of(&entry.context_name, entry.user_name.as_deref(), &info, plain_http);
    let Login { user, auth_info, tokens } = Login::new(user, info, file.as_deref()).await?;
    config.auth_info = auth_info;
    let server = Server { url, user: Some(user) };
    let tokens: Option<Arc<dyn TokenSource>> = tokens.map(|tokens| Arc::new(tokens) as _);
    let client =
        wire::client(&config, tokens.clone()).map_err(|e| error::failure("log in to the cluster", &server, e))?;
    Ok(Connection {
        client,
        server,
        ca,
        proxied: config.proxy_url.is_some(),
        tokens,
        unchecked: config.accept_invalid_certs && !plain_http,
    })
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

/// Whether a kubeconfig's server or CA is the cluster's. While a cluster's CA is replaced it has two, and a kubeconfig may have
/// either.
pub fn same_cluster(server: &str, ca: &[Vec<u8>], cluster: &Cluster) -> bool {
    let theirs = STANDARD.decode(&cluster.certificate_authority).ok().and_then(|pem| certificates(&pem));
    same_server(server, &cluster.endpoint)
        || !ca.is_empty() && theirs.is_some_and(|theirs| ca.iter().all(|one| theirs.contains(one)))
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

    #[test]
    fn a_ca_that_is_being_replaced_is_the_clusters() {
        let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        let mut cluster = crate::model::fixtures::cluster();
        cluster.certificate_authority = STANDARD.encode(pem("AQID") + &pem("BAUG"));
        let is = |ca: &[&[u8]]| {
            let ca: Vec<Vec<u8>> = ca.iter().map(|one| one.to_vec()).collect();
            same_cluster("https://127.0.0.1:6443", &ca, &cluster)
        };
        assert!(is(&[&[1, 2, 3]]) && is(&[&[4, 5, 6]]) && is(&[&[4, 5, 6], &[1, 2, 3]]));
        // With another one beside it, it may as well be the other's.
        assert!(!is(&[&[7, 8, 9]]) && !is(&[&[1, 2, 3], &[7, 8, 9]]) && !is(&[]));
    }

    /// Nobody gets a token, nor is one even signed.
    struct Unasked;

    #[async_trait::async_trait]
    impl TokenSource for Unasked {
        async fn token(&self) -> Result<String> {
            Err(Failure::failed("a token was asked for"))
        }
    }

    #[tokio::test]
    async fn no_token_for_plain_http() {
        let of = |endpoint: &str| Access::Eks {
            cluster: Box::new(Cluster {
                name: "shop".to_owned(),
                arn: "arn:aws:eks:eu-west-1:111122223333:cluster/shop".parse().unwrap(),
                version: "1.33".to_owned(),
                platform_version: "eks.9".to_owned(),
                status: "ACTIVE".to_owned(),
                endpoint: endpoint.to_owned(),
                certificate_authority: STANDARD
                    .encode("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"),
                oidc_issuer: None,
                auto_mode: false,
                on_outpost: false,
                created_at: None,
            }),
            token: Arc::new(Unasked),
        };
        let env: Env = Arc::new(|_| None);
        for plain in ["http://abc.gr7.eu-west-1.eks.amazonaws.com", "HTTP://10.0.0.1", "http://127.0.0.1:80"] {
            let failure = connect(&of(plain), &env).await.err().unwrap();
            assert!(failure.to_string().contains("is not https"), "{failure}");
        }
        // The twin gets as far as the certificate, which is none.
        let failure = connect(&of("https://127.0.0.1:80"), &env).await.err();
        assert!(!failure.is_some_and(|failure| failure.to_string().contains("https")));
    }
}
