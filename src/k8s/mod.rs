//! The Kubernetes API of one cluster, behind [`ports::Kubernetes`](crate::ports::Kubernetes). Kubernetes' types live and die here.

mod agents;
mod argo;
mod connect;
mod convert;
mod credentials;
mod error;
mod events;
mod follow;
mod in_cluster;
mod kubeconfig;
mod limit;
mod list;
mod login;
mod logs;
mod network;
mod plugin;
mod probe;
mod proxy;
mod rollback;
mod service_accounts;
mod spec;
mod webhook;
mod wire;
mod workloads;

use std::{
    collections::BTreeSet,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::{Node as ApiNode, Pod as ApiPod},
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use secrecy::SecretString;
use tokio::{sync::OnceCell, time::timeout};

pub use self::{
    connect::{Access, same_cluster},
    in_cluster::FOLDER as POD_FOLDER,
    kubeconfig::{EksContext, contexts, read_context},
    plugin::plugins_end_with_podids_group,
    proxy::proxy_for,
};
use self::{
    connect::{Connection, connect},
    kubeconfig::Env,
    list::list,
};
use crate::{
    failure::{Code, Failure, Result},
    model::{
        agent::Node,
        cluster::Cluster,
        have::ServiceAccountState,
        irsa::Annotation,
        names::ServiceAccount,
        network::NetworkPolicy,
        pod_spec::Settings,
        webhook::Webhook,
        workload::{CronJob, Pod, Workload, WorkloadKind, WorkloadRef},
    },
    ports::{Daemons, Kubernetes, Probe, RolloutView, Tail},
};

/// How long the API server may take to answer the first time, and how long a log may take to arrive.
const REACH: Duration = Duration::from_secs(10);

/// The adapter. Cheap to make and to clone: the client is built at the first call.
#[derive(Clone)]
pub struct Kube(Arc<Inner>);

struct Inner {
    access: Access,
    env: Env,
    /// A failure is kept too: a plugin that fails is not run once more for each read that waits for it.
    connection: OnceCell<Result<Connection>>,
    notices: Notices,
    told: Mutex<BTreeSet<String>>,
}

/// Hears what the user should know and no call fails for.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

impl Kube {
    /// An adapter; nothing is read or sent yet.
    pub fn new(access: Access, notices: Notices) -> Self {
        Self::with(access, Arc::new(|name| std::env::var(name).ok()), notices)
    }

    fn with(access: Access, env: Env, notices: Notices) -> Self {
        Self(Arc::new(Inner { access, env, connection: OnceCell::new(), notices, told: Mutex::default() }))
    }

    /// Without anyone who hears notices.
    #[cfg(any(test, fuzzing))]
    fn with_env(access: Access, env: Env) -> Self {
        Self::with(access, env, Arc::new(|_| {}))
    }

    /// Workloads of a namespace, or of all, and the kinds that may not be listed with the first refusal.
    async fn workloads(
        &self,
        namespace: Option<&str>,
    ) -> Result<(Vec<Workload>, Option<(Vec<&'static str>, Failure)>)> {
        let failed = |error| self.failed(&format!("list workloads of {}", in_namespace(namespace)), error);
        let found = workloads::of_each_kind(&self.connection().await?.client, namespace).await.map_err(failed)?;
        Ok((found.workloads, found.refused.map(|(kinds, error)| (kinds, failed(error)))))
    }

    /// Tells the user once.
    fn warn_user(&self, notice: String) {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&notice) {
            (self.0.notices)(&notice);
            told.insert(notice);
        }
    }

    async fn connection(&self) -> Result<&Connection> {
        let connection = self.0.connection.get_or_init(|| Box::pin(connect(&self.0.access, &self.0.env))).await;
        let connection = connection.as_ref().map_err(Clone::clone)?;
        if connection.unchecked {
            let context = connection.server.user.as_ref().map_or("", |user| user.context.as_str());
            self.warn_user(format!(
                "the certificate of {} is not checked (`insecure-skip-tls-verify` in kubeconfig context `{context}`): others on the network can read and change everything",
                connection.server.url
            ));
        }
        Ok(connection)
    }

    /// Reads the kubeconfig and runs its plugin now, not with the first call.
    ///
    /// # Errors
    /// When no client comes of it.
    pub async fn log_in(&self) -> Result<()> {
        self.connection().await.map(|_| ())
    }

    /// A failure of `operation`, mapped.
    fn failed(&self, operation: &str, error: kube::Error) -> Failure {
        match self.0.connection.get() {
            Some(Ok(connection)) => error::failure(operation, &connection.server, error),
            Some(Err(failure)) => failure.clone(),
            // Nothing was asked without one.
            None => error::failure(operation, &error::Server { url: String::new(), user: None }, error),
        }
    }

    /// Whether this is the API of `cluster`: by server, by CA, or by the issuer of its service accounts' tokens.
    pub async fn is_of(&self, cluster: &Cluster) -> Result<bool> {
        let connection = self.connection().await?;
        if same_cluster(&connection.server.url, &connection.ca, cluster) {
            return Ok(true);
        }
        let Some(wanted) = &cluster.oidc_issuer else { return Ok(false) };
        Ok(self.issuer(connection).await? == *wanted)
    }

    /// What cannot be read (not everyone may) tells nothing, and is a failure.
    async fn issuer(&self, connection: &Connection) -> Result<String> {
        let operation = "identify the cluster of the kubeconfig";
        let request = http::Request::get("/.well-known/openid-configuration")
            .body(Vec::new())
            .map_err(|e| Failure::failed(e.to_string()))?;
        match timeout(REACH, connection.client.request::<serde_json::Value>(request)).await {
            Ok(Ok(answer)) => Ok(answer["issuer"].as_str().unwrap_or_default().to_owned()),
            Ok(Err(error)) => Err(self.failed(operation, error)),
            Err(_) => Err(unreachable(&connection.server.url)),
        }
    }
}

fn in_namespace(namespace: Option<&str>) -> String {
    namespace.map_or("all namespaces".to_owned(), |namespace| format!("namespace `{namespace}`"))
}

fn unreachable(server: &str) -> Failure {
    Failure::new(Code::Failed, "cannot reach the Kubernetes API")
        .because(format!("no response from `{server}` within {} s", REACH.as_secs()))
}

/// Calls a function that is generic over the workload's kind.
macro_rules! by_kind {
    ($kind:expr, $($function:ident)::+ ($($argument:expr),*)) => {
        match $kind {
            WorkloadKind::Deployment => $($function)::+::<Deployment>($($argument),*).await,
            WorkloadKind::StatefulSet => $($function)::+::<StatefulSet>($($argument),*).await,
            WorkloadKind::DaemonSet => $($function)::+::<DaemonSet>($($argument),*).await,
            WorkloadKind::Rollout => $($function)::+::<argo::Rollout>($($argument),*).await,
        }
    };
}

#[async_trait]
impl Kubernetes for Kube {
    async fn reach(&self) -> Result<()> {
        let connection = self.connection().await?;
        if let Some(tokens) = &connection.tokens {
            // Signing in may take its time; the limit is the API server's.
            tokens.token().await?;
        }
        let request = http::Request::get("/api").body(Vec::new()).map_err(|e| Failure::failed(e.to_string()))?;
        let server = &connection.server.url;
        match timeout(REACH, connection.client.request_text(request)).await {
            Ok(Ok(_)) => Ok(()),
            // Known, but not allowed to read even this.
            Ok(Err(kube::Error::Api(status))) if status.code == 403 && !status.message.contains("system:anonymous") => {
                Ok(())
            }
            Ok(Err(error)) => Err(self.failed("reach the Kubernetes API", error)),
            Err(_) => Err(unreachable(server)),
        }
    }

    async fn service_account(&self, subject: &ServiceAccount) -> Result<ServiceAccountState> {
        let connection = self.connection().await?;
        // The cheapest read of those that a command begins with: it tells early when nobody is there.
        let Ok(read) = timeout(REACH, service_accounts::state(&connection.client, subject)).await else {
            return Err(unreachable(&connection.server.url));
        };
        match read {
            Ok(state) => Ok(state),
            Err(error) => Err(self.failed(&format!("read service account `{subject}`"), error)),
        }
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        match service_accounts::namespaces(&self.connection().await?.client).await {
            Ok(names) => Ok(names),
            Err(error) => Err(self.failed("list namespaces", error)),
        }
    }

    async fn service_accounts(&self, namespace: &str) -> Result<Vec<String>> {
        match service_accounts::names_in(&self.connection().await?.client, namespace).await {
            Ok(names) => Ok(names),
            Err(error) => Err(self.failed(&format!("list service accounts of `{namespace}`"), error)),
        }
    }

    async fn all_service_accounts(&self, namespace: Option<&str>) -> Result<Vec<(ServiceAccount, Option<Annotation>)>> {
        let found = service_accounts::all(&self.connection().await?.client, namespace).await;
        found.map_err(|error| self.failed("list service accounts", error))
    }

    async fn create_service_account(&self, subject: &ServiceAccount) -> Result<()> {
        let connection = self.connection().await?;
        let created = service_accounts::create(&connection.client, subject).await;
        created.map_err(|error| self.failed(&format!("create service account `{subject}`"), error))
    }

    async fn remove_irsa_annotation(&self, subject: &ServiceAccount, role: &str) -> Result<bool> {
        service_accounts::remove_annotation(self, subject, role).await
    }

    async fn pods(&self, subject: &ServiceAccount) -> Result<Vec<Pod>> {
        let connection = self.connection().await?;
        let api: Api<ApiPod> = Api::namespaced(connection.client.clone(), &subject.namespace);
        let params = ListParams::default().fields(&format!("spec.serviceAccountName={}", subject.name));
        match list(&api, &params).await {
            Ok(found) => {
                let pods = found.items.iter().map(convert::pod);
                Ok(pods.filter(|pod| pod.service_account == subject.name).collect())
            }
            Err(error) => Err(self.failed(&format!("list pods of `{subject}`"), error)),
        }
    }

    async fn all_pods(&self, namespace: Option<&str>) -> Result<Vec<Pod>> {
        let client = self.connection().await?.client.clone();
        let api: Api<ApiPod> = workloads::within(&client, namespace);
        match list(&api, &ListParams::default()).await {
            Ok(found) => Ok(found.items.iter().map(convert::pod).collect()),
            Err(error) => Err(self.failed(&format!("list pods of {}", in_namespace(namespace)), error)),
        }
    }

    async fn all_workloads(&self, namespace: Option<&str>) -> Result<Vec<Workload>> {
        match self.workloads(namespace).await? {
            (_, Some((kinds, failure))) if kinds.len() == workloads::KINDS => Err(failure),
            (found, Some((kinds, _))) => {
                self.warn_user(workloads::omitted(&kinds, &in_namespace(namespace)));
                Ok(found)
            }
            (found, None) => Ok(found),
        }
    }

    async fn every_workload(&self, namespace: Option<&str>) -> Result<Vec<Workload>> {
        match self.workloads(namespace).await? {
            (_, Some((_, failure))) => Err(failure),
            (workloads, None) => Ok(workloads),
        }
    }

    async fn rollouts(&self, namespace: Option<&str>) -> Result<Vec<Workload>> {
        match argo::all(&self.connection().await?.client, namespace).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed(&format!("list Argo Rollouts of {}", in_namespace(namespace)), error)),
        }
    }

    async fn cron_jobs(&self, namespace: Option<&str>) -> Result<Vec<CronJob>> {
        match workloads::cron_jobs(&self.connection().await?.client, namespace).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed(&format!("list cron jobs of {}", in_namespace(namespace)), error)),
        }
    }

    async fn workload(&self, id: &WorkloadRef) -> Result<Option<Workload>> {
        let client = &self.connection().await?.client;
        match by_kind!(id.kind, workloads::get_workload(client, id)) {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed(&format!("read `{id}` in `{}`", id.namespace), error)),
        }
    }

    async fn restart(&self, workload: &Workload, at: Timestamp) -> Result<Workload> {
        match workload.id.kind {
            WorkloadKind::Deployment => workloads::restart::<Deployment>(self, workload, at).await,
            WorkloadKind::StatefulSet => workloads::restart::<StatefulSet>(self, workload, at).await,
            WorkloadKind::DaemonSet => workloads::restart::<DaemonSet>(self, workload, at).await,
            WorkloadKind::Rollout => argo::restart(self, workload, at).await,
        }
    }

    async fn roll_back(&self, before: &Workload, after: &Workload) -> Result<(Workload, u64)> {
        if after.id.kind == WorkloadKind::Rollout {
            return Err(Failure::failed("the restart of an Argo Rollout creates no revision"));
        }
        by_kind!(after.id.kind, rollback::roll_back(self, before, after))
    }

    async fn follow(&self, workload: &Workload) -> Result<BoxStream<'static, Result<RolloutView>>> {
        by_kind!(workload.id.kind, follow::follow(self, workload))
    }

    async fn warning(&self, namespace: &str, uid: &str) -> Result<Option<(String, String)>> {
        match events::last_warning(&self.connection().await?.client, namespace, uid).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed(&format!("list events in `{namespace}`"), error)),
        }
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        let api: Api<ApiNode> = Api::all(self.connection().await?.client.clone());
        match list(&api, &ListParams::default()).await {
            Ok(found) => Ok(found.items.into_iter().map(convert::node).collect()),
            Err(error) => Err(self.failed("list nodes", error)),
        }
    }

    async fn agents(&self) -> Result<Daemons> {
        match agents::agents(&self.connection().await?.client).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed("list the agent's DaemonSets", error)),
        }
    }

    async fn pod_token(&self, subject: &ServiceAccount, pod: (&str, &str), audience: &str) -> Result<SecretString> {
        let asked = service_accounts::token(&self.connection().await?.client, subject, pod, audience).await;
        asked.map_err(|error| self.failed(&format!("get a token of service account `{subject}`"), error))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Settings>> {
        let read = spec::config_map(&self.connection().await?.client, namespace, name).await;
        read.map_err(|error| self.failed(&format!("read ConfigMap `{namespace}/{name}`"), error))
    }

    async fn secret_keys(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>> {
        let read = spec::secret_keys(&self.connection().await?.client, namespace, name).await;
        read.map_err(|error| self.failed(&format!("read the names of the keys of Secret `{namespace}/{name}`"), error))
    }

    async fn network_policies(&self, namespace: Option<&str>) -> Result<Vec<NetworkPolicy>> {
        let read = network::policies(&self.connection().await?.client, namespace).await;
        read.map_err(|error| self.failed(&format!("list network policies of {}", in_namespace(namespace)), error))
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>> {
        let read = webhook::webhooks(&self.connection().await?.client).await;
        read.map_err(|error| self.failed("list the mutating webhooks", error))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let connection = self.connection().await?;
        if connection.proxied {
            return Ok(Vec::new());
        }
        let server = connection.server.url.clone();
        let unresolved = |why: String| Failure::failed(format!("cannot resolve the name of `{server}`")).because(why);
        let url: http::Uri = server.parse().map_err(|_| unresolved("it is not a URL".to_owned()))?;
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
        let found =
            tokio::task::spawn_blocking(move || (host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>))
                .await
                .map_err(|e| unresolved(e.to_string()))?;
        let mut addresses = found.map_err(|e| unresolved(error::deepest(&e)))?;
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }

    async fn probe(&self, subject: &ServiceAccount, address: Option<SocketAddr>) -> Result<Probe> {
        probe::probe(self, subject, address).await
    }

    async fn log(&self, namespace: &str, pod: &str, container: &str, tail: Tail) -> Result<String> {
        logs::log(self, (namespace, pod, container), tail).await
    }

    async fn may(&self, verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Result<bool> {
        let api: Api<SelfSubjectAccessReview> = Api::all(self.connection().await?.client.clone());
        let attributes = ResourceAttributes {
            verb: Some(verb.to_owned()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
            ..SelfSubjectAccessReview::default()
        };
        match api.create(&PostParams::default(), &review).await {
            Ok(answer) => Ok(answer.status.is_some_and(|status| status.allowed)),
            Err(error) => Err(self.failed(&format!("check whether the caller may {verb} {resource}"), error)),
        }
    }
}

#[cfg(test)]
pub mod tests;
#[cfg(all(fuzzing, not(test)))]
pub mod tests;
