//! The services that podid calls: four traits with the model's types. Their docs tell each service's surprises.
//!
//! Adapters own pagination, retries of throttling, and the mapping of errors; no SDK type passes through here.

use std::{collections::BTreeMap, net::SocketAddr};

use async_trait::async_trait;
use futures::{TryStreamExt, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value;

use crate::{
    failure::Result,
    model::{
        access::{Decision, Simulation},
        addon::{Addon, AddonChange, AddonIdentity, AddonOffer, AddonUpdate, AddonVersion, Settings},
        agent::{AgentDaemonSet, Node},
        arn::Arn,
        association::{Association, AssociationChange, AssociationFilter, AssociationSummary, NewAssociation},
        cluster::Cluster,
        document::Document,
        have::ServiceAccountState,
        irsa::Annotation,
        last_use::ServiceUse,
        names::ServiceAccount,
        network::{NetworkDaemon, NetworkPolicy},
        pod_spec,
        role::{ListedRole, NewRole, Role},
        table::Table,
        webhook::Webhook,
        workload::{CronJob, Pod, Workload, WorkloadRef},
    },
};

/// Amazon EKS. Eventually consistent: an association works some seconds after it was created.
#[async_trait]
pub trait Eks: Send + Sync {
    /// The same account in another region.
    fn elsewhere(&self, region: &str) -> Box<dyn Eks>;
    /// DescribeCluster. A missing cluster is a failure with code ResourceNotFoundException.
    async fn cluster(&self, name: &str) -> Result<Cluster>;
    /// ListClusters, every page.
    async fn clusters(&self) -> Result<Vec<String>>;
    /// ListPodIdentityAssociations, every page (100 each). Summaries only: a role costs one Describe each.
    async fn associations(&self, cluster: &str, filter: &AssociationFilter) -> Result<Vec<AssociationSummary>> {
        self.association_pages(cluster, filter).try_concat().await
    }
    /// ListPodIdentityAssociations, each page as soon as it is there.
    fn association_pages(
        &self,
        cluster: &str,
        filter: &AssociationFilter,
    ) -> BoxStream<'_, Result<Vec<AssociationSummary>>>;
    /// DescribePodIdentityAssociation; `None` when it is gone.
    async fn association(&self, cluster: &str, id: &str) -> Result<Option<Association>>;
    /// CreatePodIdentityAssociation, which takes TagResource and PassRole too. A role made seconds ago may "not exist" yet, and
    /// a duplicate carries the id in its text: both are the caller's to handle.
    async fn create_association(&self, cluster: &str, new: &NewAssociation, token: &str) -> Result<Association>;
    /// UpdatePodIdentityAssociation, which takes PassRole for another role; sends only what changes.
    async fn update_association(
        &self,
        cluster: &str,
        id: &str,
        change: &AssociationChange,
        token: &str,
    ) -> Result<Association>;
    /// DeletePodIdentityAssociation; false when it was gone already. Sessions that were issued last until they expire.
    async fn delete_association(&self, cluster: &str, id: &str) -> Result<bool>;
    /// TagResource.
    async fn tag(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<()>;
    /// UntagResource; a key that is not there is no error.
    async fn untag(&self, arn: &str, keys: &[String]) -> Result<()>;
    /// The node role of a managed node group, by DescribeNodegroup; `None` when the group is gone.
    async fn node_role(&self, cluster: &str, node_group: &str) -> Result<Option<String>>;
    /// ListAddons, every page, and DescribeAddon of each. One that was deleted between the two reads is left out.
    async fn addons(&self, cluster: &str) -> Result<Vec<Addon>>;
    /// DescribeAddon; `None` when it is not installed.
    async fn addon(&self, cluster: &str, name: &str) -> Result<Option<Addon>>;
    /// DescribeAddonVersions for one Kubernetes version, every page, newest first.
    async fn addon_versions(&self, name: &str, kubernetes: &str) -> Result<Vec<AddonVersion>> {
        self.addon_offer(name, kubernetes).await.map(|offer| offer.versions)
    }
    /// DescribeAddonVersions for one Kubernetes version, every page: versions, and the namespace that the add-on has by default.
    async fn addon_offer(&self, name: &str, kubernetes: &str) -> Result<AddonOffer>;
    /// CreateAddon.
    async fn create_addon(&self, cluster: &str, name: &str, version: &str, settings: &Settings) -> Result<Addon>;
    /// UpdateAddon. Only its answer tells the update's id; what it leaves out stays, but for conflicts: without a mode they fail.
    async fn update_addon(
        &self,
        cluster: &str,
        name: &str,
        version: &str,
        settings: &Settings,
        token: &str,
    ) -> Result<AddonUpdate>;
    /// UpdateAddon of the associations that an add-on owns, which takes PassRole for every role in the list. EKS restarts its pods.
    async fn set_addon_associations(
        &self,
        cluster: &str,
        name: &str,
        change: &AddonChange,
        token: &str,
    ) -> Result<AddonUpdate>;
    /// DescribeUpdate of an add-on.
    async fn addon_update(&self, cluster: &str, name: &str, id: &str) -> Result<AddonUpdate>;
    /// DeleteAddon, with all that it installed; false when it is not there. It goes on for some time after the answer.
    async fn delete_addon(&self, cluster: &str, name: &str) -> Result<bool>;
    /// DescribeAddonConfiguration: the JSON schema of a version's configuration.
    async fn addon_schema(&self, name: &str, version: &str) -> Result<Value>;
    /// DescribeAddonConfiguration: the service accounts of a version that can have an association; none where it does not support
    /// Pod Identity.
    async fn addon_identities(&self, name: &str, version: &str) -> Result<Vec<AddonIdentity>>;
}

/// IAM and STS. Global, and eventually consistent: what was written is seen elsewhere seconds later.
#[async_trait]
pub trait Iam: Send + Sync {
    /// GetCallerIdentity: account and ARN.
    async fn caller(&self) -> Result<Caller>;
    /// GetRole, its document percent-decoded; `None` when it does not exist.
    async fn role(&self, name: &str) -> Result<Option<Role>>;
    /// ListRoles, page by page as they come (1,000 roles each), documents percent-decoded. One page needs the one before.
    fn roles(&self) -> BoxStream<'_, Result<Vec<ListedRole>>>;
    /// CreateRole, which takes TagRole for its tags.
    async fn create_role(&self, role: &NewRole) -> Result<Role>;
    /// UpdateAssumeRolePolicy.
    async fn put_trust(&self, role: &str, document: &Document) -> Result<()>;
    /// TagRole.
    async fn tag_role(&self, role: &str, tags: &BTreeMap<String, String>) -> Result<()>;
    /// UntagRole; a key that is not there is no error.
    async fn untag_role(&self, role: &str, keys: &[String]) -> Result<()>;
    /// PutRolePermissionsBoundary, or DeleteRolePermissionsBoundary for none. Having none already is no error.
    async fn put_boundary(&self, role: &str, policy_arn: Option<&str>) -> Result<()>;
    /// ListAttachedRolePolicies, every page: ARNs. Empty for a missing role.
    async fn attached_policies(&self, role: &str) -> Result<Vec<String>>;
    /// AttachRolePolicy; attaching twice is no error.
    async fn attach_policy(&self, role: &str, policy_arn: &str) -> Result<()>;
    /// ListRolePolicies, every page: names. Empty for a missing role.
    async fn inline_policies(&self, role: &str) -> Result<Vec<String>>;
    /// GetRolePolicy, its document percent-decoded; `None` when there is none of that name, or no such role.
    async fn inline_policy(&self, role: &str, name: &str) -> Result<Option<Document>>;
    /// GetPolicy: whether a managed policy exists.
    async fn policy_exists(&self, arn: &str) -> Result<bool>;
    /// The document of a managed policy's default version, by GetPolicy and GetPolicyVersion, percent-decoded; `None` when
    /// it does not exist.
    async fn managed_policy(&self, arn: &str) -> Result<Option<Document>>;
    /// DetachRolePolicy; false when it was not attached, or the role is gone.
    async fn detach_policy(&self, role: &str, policy_arn: &str) -> Result<bool>;
    /// DeleteRolePolicy; false when there was none of that name, or the role is gone.
    async fn delete_inline_policy(&self, role: &str, name: &str) -> Result<bool>;
    /// ListInstanceProfilesForRole, every page: names. Empty for a missing role.
    async fn instance_profiles(&self, role: &str) -> Result<Vec<String>>;
    /// DeleteRole; false when it was gone. DeleteConflict while IAM still sees a policy on it, or an instance profile.
    async fn delete_role(&self, name: &str) -> Result<bool>;
    /// PutRolePolicy.
    async fn put_inline_policy(&self, role: &str, name: &str, document: &Document) -> Result<()>;
    /// SimulatePrincipalPolicy of some actions on one resource, every page: one answer for each action. Trust policies,
    /// session policies, resource policies and key policies are not part of it.
    async fn simulate(&self, asked: &Simulation) -> Result<Vec<Decision>>;
    /// GenerateServiceLastAccessedDetails: the id of the job that makes the report.
    async fn ask_for_last_use(&self, role: &Arn) -> Result<String>;
    /// GetServiceLastAccessedDetails, every page: a service for each that the role's identity policies allow; `None` while the
    /// report is being made.
    async fn last_use(&self, job: &str) -> Result<Option<Vec<ServiceUse>>>;
}

/// Amazon EKS Auth: credentials as a pod's agent gets them.
#[async_trait]
pub trait EksAuth: Send + Sync {
    /// AssumeRoleForPodIdentity with a pod's token. Every failure to assume the role has the same words.
    async fn as_pod(&self, cluster: &str, token: &SecretString) -> Result<Box<dyn AsPod>>;
}

/// A pod's session. The credentials stay inside, but for a program that podid runs, or that asks podid for them.
#[async_trait]
pub trait AsPod: Send + Sync {
    /// ARN of the session, `…:assumed-role/ROLE/eks-…`.
    fn session(&self) -> &str;
    /// The credentials themselves; a failure when EKS Auth did not say when they end.
    fn credentials(&self) -> Result<Credentials>;
    /// GetCallerIdentity.
    async fn caller(&self) -> Result<Caller>;
    /// DescribeTable; `None` when it does not exist.
    async fn table(&self, table: &Arn) -> Result<Option<Table>>;
    /// Query of one item of a table, or of an index of it: how many there were. What is in it, nobody sees.
    async fn query(&self, resource: &Arn) -> Result<usize>;
}

/// A session's credentials, for another program.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The key's id.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: SecretString,
    /// The session token.
    pub session_token: SecretString,
    /// When they end.
    pub expires: Timestamp,
}

/// Amazon DynamoDB, as far as granting access to a table needs it.
#[async_trait]
pub trait Tables: Send + Sync {
    /// DescribeTable in the table's own region; `None` when it does not exist.
    async fn table(&self, table: &Arn) -> Result<Option<Table>>;
    /// ListTables in a region, a limited number of pages: names. Only messages become better by it.
    async fn names(&self, region: &str) -> Result<Vec<String>>;
    /// GetResourcePolicy: the table's own policy; `None` when it has none, or does not exist.
    async fn table_policy(&self, table: &Arn) -> Result<Option<Document>>;
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Account id.
    pub account: String,
    /// ARN.
    pub arn: String,
}

/// The Kubernetes API of one cluster.
#[async_trait]
pub trait Kubernetes: Send + Sync {
    /// Whether the API server answers and knows the caller (one cheap read). 401, and no connection within 10 s, are failures.
    async fn reach(&self) -> Result<()>;
    /// Whether the service account exists, with near names when it does not.
    async fn service_account(&self, subject: &ServiceAccount) -> Result<ServiceAccountState>;
    /// Names of all namespaces, every page.
    async fn namespaces(&self) -> Result<Vec<String>>;
    /// Names of a namespace's service accounts, every page; none when there is no such namespace.
    async fn service_accounts(&self, namespace: &str) -> Result<Vec<String>>;
    /// Service accounts of a namespace (`None`: of all), every page, each with its IRSA annotation.
    async fn all_service_accounts(&self, namespace: Option<&str>) -> Result<Vec<(ServiceAccount, Option<Annotation>)>>;
    /// Creates a service account; one that exists is no error.
    async fn create_service_account(&self, subject: &ServiceAccount) -> Result<()>;
    /// Removes the annotation of IRSA, and nothing else; true if it was there. One that names another role is left alone.
    async fn remove_irsa_annotation(&self, subject: &ServiceAccount, role: &str) -> Result<bool>;
    /// Pods of a service account, every page, those that are ending too.
    async fn pods(&self, subject: &ServiceAccount) -> Result<Vec<Pod>>;
    /// Pods of a namespace (`None`: of all), every page, of every service account.
    async fn all_pods(&self, namespace: Option<&str>) -> Result<Vec<Pod>>;
    /// Deployments, StatefulSets and DaemonSets of a namespace (`None`: of all), of every service account. A kind that may not be listed
    /// is left out, and the user is told; only when none may be, it is a failure.
    async fn all_workloads(&self, namespace: Option<&str>) -> Result<Vec<Workload>>;
    /// The same for whoever has to know all: a kind that may not be listed is a failure.
    async fn every_workload(&self, namespace: Option<&str>) -> Result<Vec<Workload>>;
    /// Argo Rollouts of a namespace (`None`: of all), of every service account; none where the API server has no such kind.
    async fn rollouts(&self, namespace: Option<&str>) -> Result<Vec<Workload>>;
    /// CronJobs of a namespace (`None`: of all), of every service account; none where the API server has no such kind.
    async fn cron_jobs(&self, namespace: Option<&str>) -> Result<Vec<CronJob>>;
    /// One workload as it is now, without its newest revision.
    async fn workload(&self, id: &WorkloadRef) -> Result<Option<Workload>>;
    /// Sets the restart annotation to `at` and answers the workload after it. `workload` is as it was read right before;
    /// refuses when it is paused. Of an Argo Rollout it sets `spec.restartAt`, and deletes pods that would hold the restart up.
    async fn restart(&self, workload: &Workload, at: Timestamp) -> Result<Workload>;
    /// Puts back the template of a revision that worked, and answers the workload after it with that revision's number. `before` and `after` are as it was
    /// right before and after its restart; refuses when it was changed since, or there is no such revision, as after the restart
    /// of an Argo Rollout.
    async fn roll_back(&self, before: &Workload, after: &Workload) -> Result<(Workload, u64)>;
    /// The workload and its pods, now and after every change, until dropped. Survives expired watches and lost connections.
    async fn follow(&self, workload: &Workload) -> Result<BoxStream<'static, Result<RolloutView>>>;
    /// The last warning Event about an object, by its UID: reason and message.
    async fn warning(&self, namespace: &str, uid: &str) -> Result<Option<(String, String)>>;
    /// All nodes.
    async fn nodes(&self) -> Result<Vec<Node>>;
    /// DaemonSets of the agent in every namespace, with the nodes on which they are ready, and those of network plugins.
    async fn agents(&self) -> Result<Daemons>;
    /// A token for a pod of a service account, as the kubelet asks for one (TokenRequest): for this audience and ten minutes,
    /// bound to the pod, whose name and UID these are.
    async fn pod_token(&self, subject: &ServiceAccount, pod: (&str, &str), audience: &str) -> Result<SecretString>;
    /// A ConfigMap: its keys, and the values that cannot be secrets; `None` when it does not exist.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<pod_spec::Settings>>;
    /// The names of a Secret's keys, never their values; `None` when it does not exist.
    async fn secret_keys(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>>;
    /// NetworkPolicies of a namespace (`None`: of all).
    async fn network_policies(&self, namespace: Option<&str>) -> Result<Vec<NetworkPolicy>>;
    /// The webhooks that inject pods, as they are registered.
    async fn webhooks(&self) -> Result<Vec<Webhook>>;
    /// Addresses that the API's name resolves to; empty behind a proxy.
    async fn addresses(&self) -> Result<Vec<SocketAddr>>;
    /// Creates, as a server-side dry run, a pod with this service account, over a new connection to `address` (any, when `None`).
    /// Nothing is created.
    async fn probe(&self, subject: &ServiceAccount, address: Option<SocketAddr>) -> Result<Probe>;
    /// The last lines of a container's log.
    async fn log(&self, namespace: &str, pod: &str, container: &str, tail: Tail) -> Result<String>;
    /// SelfSubjectAccessReview.
    async fn may(&self, verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Result<bool>;
}

/// Gives a current token for each request. Implementations cache it until shortly before it expires.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token for the `Authorization: Bearer` header.
    async fn token(&self) -> Result<String>;
}

/// What one look at the DaemonSets found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Daemons {
    /// The agent's, in every namespace.
    pub agents: Vec<AgentDaemonSet>,
    /// The network plugins' in kube-system, as far as podid knows them; `None` where that may not be listed.
    pub network: Option<Vec<NetworkDaemon>>,
}

/// A workload with the pods of its selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutView {
    /// The workload; `None` once it is deleted.
    pub workload: Option<Workload>,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// The permission that the workload's newest revision takes, when it is lacking: new pods are then told by their age.
    pub unread: Option<&'static str>,
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// New pods are injected, said this API server.
    Injected,
    /// They are not.
    NotInjected,
    /// They are not, and get a web identity (IRSA) for this role.
    WebIdentity(String),
    /// It cannot be asked; why (RBAC, Pod Security, quota, a policy engine, a webhook that refuses dry-run).
    Unprobeable(String),
    /// The namespace or service account does not exist: it cannot take effect until it does.
    NoServiceAccount(String),
    /// A quota with a limit of 0: no pod can be created.
    NoRoom(String),
    /// The namespace is being deleted: no pod will be created in it any more.
    Terminating(String),
}

/// Which lines of a container's log are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Of its previous run; of the other of the two where the kubelet has not that one (any more, or yet).
    pub previous: bool,
    /// So many, the last ones.
    pub lines: u32,
    /// Only those that are no older.
    pub since: Option<SignedDuration>,
    /// Each after the time (RFC 3339) at which the node received it, and a space.
    pub stamped: bool,
}

impl Tail {
    /// The last lines as they are.
    pub fn plain(previous: bool, lines: u32) -> Self {
        Self { previous, lines, since: None, stamped: false }
    }
}
