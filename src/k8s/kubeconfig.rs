//! Kubeconfig files: reading them as kubectl does, and recognizing the EKS cluster behind a context.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::config::{AuthInfo, Cluster as ClusterEntry, ExecAuthCluster, ExecConfig, Kubeconfig, KubeconfigError};
use secrecy::ExposeSecret;

use super::error::deepest;
use crate::{
    failure::{Failure, Result},
    files::{self, Unread},
    model::arn::Arn,
    secrets,
};

/// Looks up an environment variable.
pub(super) type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// An EKS cluster as a kube context names it: account, region and name as one unit, as far as the context tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EksContext {
    /// The context.
    pub context: String,
    /// The cluster's name.
    pub name: String,
    /// Its ARN, when the context has it.
    pub arn: Option<Arn>,
    /// Its region.
    pub region: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// The AWS profile that the context's credential plugin uses.
    pub profile: Option<String>,
    /// URL of the API.
    pub server: String,
    /// CA certificates, as DER.
    pub ca: Vec<Vec<u8>>,
}

/// The EKS cluster of a kube context (the current one when `None`) of a kubeconfig (`KUBECONFIG` or the default one).
/// `None` when there is no kubeconfig, no current context, or it is not EKS.
pub fn read_context(path: Option<&Path>, context: Option<&str>) -> Result<Option<EksContext>> {
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    let Some(file) = load(path, &env)? else { return Ok(None) };
    Ok(Entry::of(&file, context)?.and_then(|entry| recognize(&entry)))
}

/// Names of a kubeconfig's contexts; none when there is no kubeconfig.
pub fn contexts(path: Option<&Path>) -> Result<Vec<String>> {
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    let file = load(path, &env)?.unwrap_or_default();
    Ok(file.contexts.into_iter().map(|context| context.name).collect())
}

/// Reads and merges: a named file must be there; files of `KUBECONFIG` that are not are passed over, as kubectl does.
pub(super) fn load(path: Option<&Path>, env: &Env) -> Result<Option<Kubeconfig>> {
    if let Some(path) = path {
        return read(path).map(Some);
    }
    let mut merged = None;
    for path in files(env).iter().filter(|path| path.exists()) {
        let next = read(path)?;
        merged = Some(match merged {
            None => next,
            Some(before) => Kubeconfig::merge(before, next).map_err(|e| unreadable(&e))?,
        });
    }
    Ok(merged)
}

/// The files that make up the kubeconfig when none is named.
fn files(env: &Env) -> Vec<PathBuf> {
    match env("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(value) => std::env::split_paths(&value).filter(|p| !p.as_os_str().is_empty()).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect(),
    }
}

/// The file that a user comes from: the first that has it, as in a merge.
pub(super) fn origin(path: Option<&Path>, env: &Env, user: &str) -> Option<PathBuf> {
    let has = |path: &PathBuf| read(path).is_ok_and(|file| file.auth_infos.iter().any(|info| info.name == user));
    path.map(Path::to_path_buf).or_else(|| files(env).into_iter().find(has))
}

/// Bytes of a kubeconfig or certificate authority: a thousand times what they have.
const LARGEST: u64 = 16_000_000;

fn read(path: &Path) -> Result<Kubeconfig> {
    // What is not there is told by the reader itself.
    if let Err(why @ (Unread::Kind(_) | Unread::TooLarge(_))) = files::check(path, LARGEST) {
        return Err(Failure::usage(format!("cannot read kubeconfig `{}`", path.display())).because(why.to_string()));
    }
    Kubeconfig::read_from(path).map_err(|e| unreadable(&e))
}

fn unreadable(error: &KubeconfigError) -> Failure {
    match error {
        KubeconfigError::ReadConfig(error, path) => {
            Failure::usage(format!("cannot read kubeconfig `{}`", path.display())).because(deepest(error))
        }
        error => Failure::usage("cannot read the kubeconfig").because(deepest(error)),
    }
}

/// A context with its cluster and user.
pub(super) struct Entry {
    pub(super) context_name: String,
    pub(super) cluster_name: String,
    pub(super) cluster: ClusterEntry,
    /// The user's name, when the context has one.
    pub(super) user_name: Option<String>,
    user: AuthInfo,
}

impl Entry {
    /// The named or current context; `None` when none is current.
    pub(super) fn of(file: &Kubeconfig, context: Option<&str>) -> Result<Option<Self>> {
        let Some(name) = context.or(file.current_context.as_deref()).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let Some(context) = file.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.clone()) else {
            return Err(Failure::usage(format!("the kubeconfig has no context `{name}`"))
                .hint("list them with `kubectl config get-contexts`"));
        };
        let Some(cluster) = file.clusters.iter().find(|c| c.name == context.cluster).and_then(|c| c.cluster.clone())
        else {
            return Err(Failure::usage(format!(
                "context `{name}` names the cluster `{}`, which the kubeconfig does not have",
                context.cluster
            )));
        };
        // A missing user is nobody, as for kubectl.
        let user = context.user.as_ref().and_then(|user| file.auth_infos.iter().find(|u| &u.name == user));
        Ok(Some(Self {
            context_name: name.to_owned(),
            cluster_name: context.cluster,
            cluster,
            user_name: context.user.clone(),
            user: user.and_then(|u| u.auth_info.clone()).unwrap_or_default(),
        }))
    }

    pub(super) fn server(&self) -> Result<&str> {
        self.cluster
            .server
            .as_deref()
            .ok_or_else(|| Failure::usage(format!("the cluster of context `{}` has no server", self.context_name)))
    }

    /// The user, its plugin told about the cluster when it asks for it.
    pub(super) fn auth_info(&self) -> Result<AuthInfo> {
        let mut user = self.user.clone();
        for secret in [&user.token, &user.password, &user.client_key_data].into_iter().flatten() {
            secrets::hold(secret.expose_secret());
        }
        if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
            exec.cluster = Some(ExecAuthCluster::try_from(&self.cluster).map_err(|e| unreadable(&e))?);
        }
        Ok(user)
    }

    /// The CA as PEM, from the file or inline.
    pub(super) fn ca_pem(&self) -> Result<Option<Vec<u8>>> {
        if let Some(data) = self.cluster.certificate_authority_data.as_deref().filter(|data| !data.is_empty()) {
            let bad = |_| {
                Failure::usage(format!("`certificate-authority-data` of context `{}` is not base64", self.context_name))
            };
            return STANDARD.decode(data.trim()).map(Some).map_err(bad);
        }
        let Some(path) = self.cluster.certificate_authority.as_deref().filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        files::text(Path::new(path), LARGEST)
            .map(|text| Some(text.into_bytes()))
            .map_err(|e| Failure::usage(format!("cannot read certificate authority `{path}`")).because(e.to_string()))
    }
}

/// What an EKS credential plugin is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EksPlugin {
    pub(super) cluster: String,
    region: Option<String>,
    pub(super) profile: Option<String>,
}

impl EksPlugin {
    pub(super) fn of(exec: &ExecConfig) -> Option<Self> {
        let command = Path::new(exec.command.as_deref()?).file_stem()?.to_str()?.to_owned();
        let args = exec.args.as_deref().unwrap_or_default();
        let has = |word: &str| args.iter().any(|arg| arg == word);
        let value = |names: &[&str]| {
            args.iter().enumerate().find_map(|(at, arg)| match arg.split_once('=') {
                Some((name, value)) if names.contains(&name) => Some(value.to_owned()),
                None if names.contains(&arg.as_str()) => args.get(at + 1).cloned(),
                _ => None,
            })
        };
        let variable = |names: &[&str]| {
            let of = |pair: &std::collections::HashMap<String, String>| {
                pair.get("name").filter(|n| names.contains(&n.as_str())).and_then(|_| pair.get("value").cloned())
            };
            exec.env.as_deref().unwrap_or_default().iter().find_map(of)
        };
        let cluster = match command.as_str() {
            "aws" if has("eks") && has("get-token") => value(&["--cluster-name", "--cluster-id"])?,
            "aws-iam-authenticator" | "heptio-authenticator-aws" if has("token") => value(&["-i", "--cluster-id"])?,
            _ => return None,
        };
        Some(Self {
            cluster,
            region: value(&["--region"]).or_else(|| variable(&["AWS_REGION", "AWS_DEFAULT_REGION"])),
            profile: value(&["--profile"]).or_else(|| variable(&["AWS_PROFILE"])),
        })
    }
}

fn recognize(entry: &Entry) -> Option<EksContext> {
    let server = entry.cluster.server.clone()?;
    let of_cluster = |text: &str| {
        let arn = Arn::regional(text).ok()?;
        let name = arn.resource.strip_prefix("cluster/").map(str::to_owned)?;
        (arn.service == "eks" && !name.is_empty()).then_some((arn, name))
    };
    let plugin = entry.user.exec.as_ref().and_then(EksPlugin::of);
    let profile = plugin.as_ref().and_then(|p| p.profile.clone());
    let arn = of_cluster(&entry.cluster_name).or_else(|| of_cluster(&entry.context_name));
    let eksctl = eksctl(&entry.cluster_name);
    let (arn, name, region) = match (arn, plugin, eksctl) {
        (Some((arn, name)), _, _) => {
            let region = arn.region.clone();
            (Some(arn), name, Some(region))
        }
        (None, Some(plugin), eksctl) => {
            let region = plugin.region.or_else(|| host_region(&server)).or_else(|| eksctl.map(|(_, region)| region));
            (None, plugin.cluster, region)
        }
        (None, None, Some((name, region))) => (None, name, Some(region)),
        (None, None, None) => return None,
    };
    Some(EksContext {
        context: entry.context_name.clone(),
        account: arn.as_ref().map(|arn| arn.account.clone()),
        arn,
        name,
        region,
        profile,
        server,
        ca: entry.ca_pem().ok().flatten().and_then(|pem| super::connect::certificates(&pem)).unwrap_or_default(),
    })
}

/// `NAME.REGION.eksctl.io`.
fn eksctl(text: &str) -> Option<(String, String)> {
    let (name, region) = text.strip_suffix(".eksctl.io")?.split_once('.')?;
    (!name.is_empty() && is_region(region)).then(|| (name.to_owned(), region.to_owned()))
}

/// `…gr7.REGION.eks.amazonaws.com`, `….REGION.api.aws`, and their Chinese twins.
fn host_region(server: &str) -> Option<String> {
    let url: http::Uri = server.parse().ok()?;
    let host = url.host()?.to_ascii_lowercase();
    let rest = [".eks.amazonaws.com", ".eks.amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"]
        .into_iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    rest.rsplit('.').next().filter(|label| is_region(label)).map(str::to_owned)
}

/// `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(cluster: &str, context: &str, server: &str, user: &str) -> Kubeconfig {
        Kubeconfig::from_yaml(&format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
             clusters: [{{name: '{cluster}', cluster: {{server: '{server}'}}}}]\n\
             contexts: [{{name: '{context}', context: {{cluster: '{cluster}', user: me}}}}]\n\
             users: [{{name: me, user: {user}}}]\n"
        ))
        .unwrap()
    }

    fn seen(cluster: &str, server: &str, user: &str) -> Option<[Option<String>; 4]> {
        let file = file(cluster, "ctx", server, user);
        let found = recognize(&Entry::of(&file, None).unwrap().unwrap())?;
        Some([Some(found.name), found.region, found.account, found.profile])
    }

    const GR7: &str = "https://ABC.gr7.eu-west-1.eks.amazonaws.com";

    #[test]
    fn contexts() {
        let some = |text: &str| Some(text.to_owned());
        let get_token = "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [--region, eu-west-1, \
                         eks, get-token, --cluster-name, shop, --output, json], env: [{name: AWS_PROFILE, value: dev}]}}";
        let authenticator = "{exec: {command: /usr/bin/aws-iam-authenticator, args: [token, -i, shop]}}";
        for (cluster, server, user, wanted) in [
            (
                "arn:aws:eks:eu-west-1:111122223333:cluster/shop",
                "https://bastion:8443",
                "{}",
                Some(("shop", some("eu-west-1"), some("111122223333"), None)),
            ),
            ("shop.us-gov-east-1.eksctl.io", GR7, "{}", Some(("shop", some("us-gov-east-1"), None, None))),
            ("prod", GR7, get_token, Some(("shop", some("eu-west-1"), None, some("dev")))),
            ("prod", GR7, authenticator, Some(("shop", some("eu-west-1"), None, None))),
            (
                "prod",
                "https://eks-cluster.eusc-de-east-1.api.aws",
                authenticator,
                Some(("shop", some("eusc-de-east-1"), None, None)),
            ),
            ("prod", "https://bastion:8443", authenticator, Some(("shop", None, None, None))),
            ("kind-dev", "https://127.0.0.1:6443", "{}", None),
            ("prod", GR7, "{exec: {command: gke-gcloud-auth-plugin, args: []}}", None),
            ("arn:aws:iam::111122223333:role/cluster", GR7, "{}", None),
        ] {
            let wanted = wanted.map(|(name, region, account, profile)| [some(name), region, account, profile]);
            assert_eq!(seen(cluster, server, user), wanted, "{cluster} {server}");
        }
    }

    #[test]
    fn a_context_that_is_not_there() {
        let file = file("c", "ctx", GR7, "{}");
        let failure = Entry::of(&file, Some("other")).err().unwrap();
        assert_eq!(failure.message, "the kubeconfig has no context `other`");
        assert!(Entry::of(&Kubeconfig::default(), None).unwrap().is_none());
    }

    #[test]
    fn files_that_are_not_there() {
        let env: Env = Arc::new(|name| (name == "KUBECONFIG").then(|| "/nonexistent/a:/nonexistent/b".to_owned()));
        assert!(load(None, &env).unwrap().is_none());
        let failure = load(Some(Path::new("/nonexistent/a")), &env).err().unwrap();
        assert_eq!(failure.to_string(), "cannot read kubeconfig `/nonexistent/a`: no such file or directory");
    }
}
