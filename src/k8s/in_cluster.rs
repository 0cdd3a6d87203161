//! The configuration of a pod: the API server and the service account of the pod that podid runs in, found as client-go finds them.

use std::path::Path;

use kube::config::{AuthInfo, Cluster as ClusterEntry, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};

use super::kubeconfig::Env;
use crate::failure::{Failure, Result};

/// Where Kubernetes puts the token and the CA of a pod's service account.
pub const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The name of the only context.
const CONTEXT: &str = "in-cluster";

/// The name of its user, which is none that a kubeconfig would give.
pub(super) const USER: &str = "the service account of this pod";

/// The same as a kubeconfig: tokens are then read again, and refusals explained, as for any token file.
pub(super) fn config(env: &Env, folder: &Path) -> Result<Kubeconfig> {
    let variable = |name: &str| {
        env(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Failure::usage("--in-cluster works only in a pod")
                .because(format!("`{name}` is not set"))
                .hint("outside of a cluster, omit it or pass `--kubeconfig FILE`")
        })
    };
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    // An IPv6 address needs brackets in a URL.
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    let (token, ca) = (folder.join("token"), folder.join("ca.crt"));
    for file in [&token, &ca] {
        if !file.exists() {
            return Err(Failure::usage("this pod has no token of its service account")
                .because(format!("`{}` does not exist", file.display()))
                .hint(
                    "remove `automountServiceAccountToken: false` from the pod and from its service account, or pass `--kubeconfig FILE`",
                ));
        }
    }
    let text = |path: &Path| Some(path.display().to_string());
    Ok(Kubeconfig {
        clusters: vec![NamedCluster {
            name: CONTEXT.to_owned(),
            cluster: Some(ClusterEntry {
                server: Some(format!("https://{host}:{port}")),
                certificate_authority: text(&ca),
                ..ClusterEntry::default()
            }),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: USER.to_owned(),
            auth_info: Some(AuthInfo { token_file: text(&token), ..AuthInfo::default() }),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: CONTEXT.to_owned(),
            context: Some(Context { cluster: CONTEXT.to_owned(), user: Some(USER.to_owned()), ..Context::default() }),
            ..NamedContext::default()
        }],
        current_context: Some(CONTEXT.to_owned()),
        ..Kubeconfig::default()
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> Env {
        Arc::new(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const POD: &[(&str, &str)] = &[("KUBERNETES_SERVICE_HOST", "10.100.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];

    fn mounted() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["token", "ca.crt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        folder
    }

    #[test]
    fn the_server() {
        let folder = mounted();
        for (host, server) in [
            ("10.100.0.1", "https://10.100.0.1:443"),
            ("fd00::1", "https://[fd00::1]:443"),
            ("kubernetes.default", "https://kubernetes.default:443"),
        ] {
            let pod: Env = Arc::new(move |name| Some(if name.ends_with("HOST") { host } else { "443" }.to_owned()));
            let found = config(&pod, folder.path()).unwrap();
            assert_eq!(found.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some(server));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = mounted();
        assert!(config(&env(POD), folder.path()).is_ok());
        let failure = config(&env(&[]), folder.path()).err().unwrap();
        assert_eq!(failure.to_string(), "--in-cluster works only in a pod: `KUBERNETES_SERVICE_HOST` is not set");
        let failure = config(&env(&POD[..1]), folder.path()).err().unwrap();
        assert!(failure.to_string().ends_with("`KUBERNETES_SERVICE_PORT` is not set"), "{failure}");
        fs::remove_file(folder.path().join("token")).unwrap();
        let failure = config(&env(POD), folder.path()).err().unwrap();
        assert!(failure.to_string().starts_with("this pod has no token of its service account"), "{failure}");
    }
}
