//! Reads the current state through the ports, concurrently, and only as far as a command needs it. A read that failed is kept as unread, never as nothing.

pub mod adoption;
pub mod audit;
pub mod file;
pub mod live;
pub mod names;
pub mod objects;
pub mod roles;
pub mod session;
pub mod users;
pub mod verify;
pub mod whose;

pub use self::objects::{SubjectView, cron_jobs, rollouts, subject, users};

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    task::Poll,
};

use futures::{
    future::join_all,
    stream::{self, FuturesOrdered, Stream, StreamExt, TryStreamExt},
};

use crate::{
    failure::{Code, Failure, Kind, Result},
    model::{
        addon::{AGENT, Addon},
        agent::{AgentDaemonSet, AgentState, Node},
        arn::Arn,
        association::{Association, AssociationFilter, AssociationSummary},
        cluster::Cluster,
        document::Document,
        have::{NOT_ALLOWED, Observed, UNREAD},
        names::ServiceAccount,
        network::NetworkDaemon,
        role::{Role, RoleContents},
        table::Table,
        want::TableGrant,
    },
    output::mask,
    ports::{Daemons, Eks, Iam, Kubernetes, Tables, Tail},
};

/// How many calls of one kind are under way at once.
pub const CONCURRENCY: usize = 16;

/// The association of one service account: one List with both filters, and one Describe when there is one.
///
/// # Errors
/// When a read failed.
pub async fn association(eks: &dyn Eks, cluster: &str, subject: &ServiceAccount) -> Result<Option<Association>> {
    let found = eks.associations(cluster, &AssociationFilter::from(subject)).await?;
    match found.first() {
        Some(summary) => eks.association(cluster, &summary.association_id).await,
        None => Ok(None),
    }
}

/// The associations that an add-on owns; those deleted meanwhile are left out.
///
/// # Errors
/// When a read failed.
pub async fn owned_associations(eks: &dyn Eks, cluster: &str, addon: &Addon) -> Result<Vec<Association>> {
    let reads = addon.association_ids().map(|id| eks.association(cluster, id));
    let found: Vec<Option<Association>> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Associations in full, in the order of the summaries, each as soon as it and those before it are there. One that was
/// deleted between the two reads is left out.
pub fn describe_all<'a>(
    eks: &'a dyn Eks,
    cluster: &'a str,
    summaries: Vec<AssociationSummary>,
) -> impl Stream<Item = Result<Option<Association>>> + 'a {
    describe_listed(eks, cluster, stream::once(async { Ok(summaries) }))
}

/// The same for a list that is still being read: the next page is read while these are described. A page that cannot be read ends
/// it at once.
pub fn describe_listed<'a>(
    eks: &'a dyn Eks,
    cluster: &'a str,
    pages: impl Stream<Item = Result<Vec<AssociationSummary>>> + 'a,
) -> impl Stream<Item = Result<Option<Association>>> + 'a {
    let describe =
        move |summary: AssociationSummary| async move { eks.association(cluster, &summary.association_id).await };
    let (mut pages, mut over) = (Box::pin(pages), false);
    let (mut listed, mut described) = (VecDeque::new(), FuturesOrdered::new());
    stream::poll_fn(move |context| {
        // Also when no other call may begin now: a page that nobody asks about would be too late for the SDK.
        while !over {
            match pages.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(page))) => listed.extend(page),
                Poll::Ready(Some(Err(failure))) => {
                    over = true;
                    listed.clear();
                    described.clear();
                    return Poll::Ready(Some(Err(failure)));
                }
                Poll::Ready(None) => over = true,
                Poll::Pending => break,
            }
        }
        while described.len() < CONCURRENCY
            && let Some(summary) = listed.pop_front()
        {
            described.push_back(describe(summary));
        }
        match described.poll_next_unpin(context) {
            Poll::Ready(None) if !over => Poll::Pending,
            next => next,
        }
    })
}

/// What is known of a role, read at once.
#[derive(Debug, Clone, Default)]
pub struct RoleView {
    /// The role.
    pub role: Observed<Option<Role>>,
    /// Attached managed policies.
    pub attached: Observed<Vec<String>>,
    /// All its inline policies.
    pub inline: Observed<BTreeMap<String, Document>>,
}

/// Reads a role, its attached policies when `attached`, and all its inline policies when `inline` (IAM limits their sum).
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn role(iam: &dyn Iam, name: &str, attached: bool, inline: bool) -> Result<RoleView> {
    let role = async { seen(iam.role(name).await, "iam:GetRole") };
    let (role, policies) = futures::join!(role, policies_of(iam, name, attached, inline));
    let (role, (attached, inline)) = (role?, policies?);
    Ok(RoleView { role, attached, inline })
}

/// The attached policies of a role when `attached`, and all its inline ones when `inline`.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn policies_of(
    iam: &dyn Iam,
    name: &str,
    attached: bool,
    inline: bool,
) -> Result<(Observed<Vec<String>>, Observed<BTreeMap<String, Document>>)> {
    let attached = async {
        if attached {
            seen(iam.attached_policies(name).await, "iam:ListAttachedRolePolicies")
        } else {
            Ok(Observed::NotRequested)
        }
    };
    let inline = async {
        if inline {
            seen(inline_policies(iam, name).await, "iam:ListRolePolicies and iam:GetRolePolicy")
        } else {
            Ok(Observed::NotRequested)
        }
    };
    let (attached, inline) = futures::join!(attached, inline);
    Ok((attached?, inline?))
}

/// All inline policies of a role, by name.
///
/// # Errors
/// When a read failed.
pub async fn inline_policies(iam: &dyn Iam, role: &str) -> Result<BTreeMap<String, Document>> {
    let names = iam.inline_policies(role).await?;
    let documents = join_all(names.iter().map(|name| iam.inline_policy(role, name))).await;
    let mut found = BTreeMap::new();
    for (name, document) in names.into_iter().zip(documents) {
        if let Some(document) = document? {
            found.insert(name, document);
        }
    }
    Ok(found)
}

/// A role with its policies, as far as they were asked for.
#[derive(Debug, Clone, Default)]
pub struct PolicyView {
    /// The role.
    pub role: Option<Role>,
    /// ARNs of attached managed policies.
    pub attached: Observed<Vec<String>>,
    /// All inline policies.
    pub inline: Observed<BTreeMap<String, Document>>,
}

/// A role with its attached policies when `attached`, and all its inline ones when `inline`.
///
/// # Errors
/// When a read failed for another reason than a missing permission for its policies.
pub async fn role_policies(iam: &dyn Iam, name: &str, attached: bool, inline: bool) -> Result<PolicyView> {
    let (role, (attached, inline)) = futures::try_join!(iam.role(name), policies_of(iam, name, attached, inline))?;
    Ok(PolicyView { role, attached, inline })
}

/// Which of these managed policies exist; one that cannot be read is unknown.
///
/// # Errors
/// When podid was interrupted, time is up, or no service knows the caller.
pub async fn existing_policies(iam: &dyn Iam, arns: &[String]) -> Result<Vec<Observed<bool>>> {
    let reads = arns.iter().map(|arn| async move { seen_or_why(iam.policy_exists(arn).await, "iam:GetPolicy") });
    futures::future::try_join_all(reads).await
}

/// A role with all that has to go before it; `None` when it does not exist. Nothing of it may be left unread.
///
/// # Errors
/// When a read failed.
pub async fn doomed_role(iam: &dyn Iam, name: &str) -> Result<Option<RoleContents>> {
    let (role, held) = futures::try_join!(iam.role(name), held(iam, name))?;
    Ok(role.map(|role| doomed(role, held)))
}

/// The same for a role that was read already.
///
/// # Errors
/// When a read failed.
pub async fn doomed_as_read(iam: &dyn Iam, role: Role) -> Result<RoleContents> {
    let held = held(iam, &role.name).await?;
    Ok(doomed(role, held))
}

type Held = (Vec<String>, Vec<String>, Vec<String>);

/// Attached policies, names of inline ones, and instance profiles of a role.
async fn held(iam: &dyn Iam, name: &str) -> Result<Held> {
    futures::try_join!(iam.attached_policies(name), iam.inline_policies(name), iam.instance_profiles(name))
}

fn doomed(role: Role, (attached, inline, instance_profiles): Held) -> RoleContents {
    RoleContents { role, attached, inline, instance_profiles }
}

/// Tables, each once and side by side. A look that failed is said and keeps nobody from granting access.
///
/// # Errors
/// Only when podid was interrupted or out of time.
pub async fn tables(tables: &dyn Tables, grants: &[TableGrant]) -> Result<BTreeMap<Arn, Observed<Option<Table>>>> {
    let named: BTreeSet<Arn> = grants.iter().map(|grant| grant.table.clone()).collect();
    let reads = named.into_iter().map(|table| async move {
        let seen = match tables.table(&table).await {
            Ok(found) => Observed::Known(found),
            Err(failure) if forbidden(&failure) => not_allowed("dynamodb:DescribeTable"),
            Err(failure) if failure.code.signalled() => return Err(failure),
            Err(failure) => Observed::Unreadable(failure.to_string()),
        };
        Ok((table, seen))
    });
    stream::iter(reads).buffered(CONCURRENCY).try_collect().await
}

/// The key of a table, as a policy may name it: what a service answers can become no wildcard there.
///
/// # Errors
/// When it is not the ARN of one KMS key.
pub fn usable_key(table: &Table) -> Result<Option<&String>> {
    let Some(key) = &table.key else { return Ok(None) };
    Arn::kms_key(key).map_err(|e| {
        Failure::failed(format!("cannot grant the use of the KMS key of table {}", table.arn)).because(e.to_string())
    })?;
    Ok(Some(key))
}

/// The agent: the add-on by EKS, its DaemonSets and the nodes by Kubernetes.
///
/// # Errors
/// When the API cannot be reached or does not know the caller; a forbidden read makes it unread.
pub async fn agent(eks: &dyn Eks, kube: &dyn Kubernetes, cluster: &Cluster) -> Result<Observed<AgentState>> {
    Ok(agent_and_network(eks, kube, cluster).await?.0)
}

/// The same, and the network plugins' DaemonSets, which stand in the same lists.
///
/// # Errors
/// As [`agent`].
pub async fn agent_and_network(
    eks: &dyn Eks,
    kube: &dyn Kubernetes,
    cluster: &Cluster,
) -> Result<(Observed<AgentState>, Observed<Vec<NetworkDaemon>>)> {
    // Where one of them fails, the other is not waited for.
    let addon = async { seen(eks.addon(&cluster.name, AGENT).await, "eks:DescribeAddon") };
    let (addon, (daemons, nodes)) = futures::try_join!(addon, daemons_and_nodes(kube))?;
    // Without eks:DescribeAddon the DaemonSet still tells what matters.
    let (addon, addon_unread) = match addon {
        Observed::Known(addon) => (addon, None),
        Observed::Unreadable(why) => (None, Some(why)),
        Observed::NotRequested => (None, None),
    };
    let network = match &daemons {
        Observed::Known(Daemons { network: Some(network), .. }) => Observed::Known(network.clone()),
        Observed::Known(_) => not_allowed("list daemonsets in kube-system"),
        Observed::Unreadable(why) => Observed::Unreadable(why.clone()),
        Observed::NotRequested => Observed::NotRequested,
    };
    let agent = match both(daemons, nodes) {
        Observed::Known((daemon_sets, nodes)) => {
            Observed::Known(AgentState { auto_mode: cluster.auto_mode, addon, addon_unread, daemon_sets, nodes })
        }
        Observed::Unreadable(why) => Observed::Unreadable(why),
        Observed::NotRequested => Observed::NotRequested,
    };
    Ok((agent, network))
}

/// Lines of a crashed agent's log that are read; the last is kept.
const CRASH_LINES: u32 = 5;

/// Reads the last log line of each agent that crashes, masked; the kubelet's refusal to give one leaves it out.
pub async fn crash_logs(kube: &dyn Kubernetes, state: &mut AgentState) {
    let crashed = state.daemon_sets.iter_mut().flat_map(|set| set.unready.values_mut());
    let reads = crashed.filter_map(|pod| {
        let container = pod.crashed()?.to_owned();
        Some(async move {
            // The container that crashed may be waiting to start again, and its log is then the previous one.
            pod.log = match kube.log(&pod.namespace, &pod.name, &container, Tail::plain(true, CRASH_LINES)).await {
                // Masked as a whole: a private key is more than one line.
                Ok(log) => mask::mask(&log).lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned),
                Err(unread) => Some(format!("its log could not be read: {unread}")),
            };
        })
    });
    let reads: Vec<_> = reads.collect();
    stream::iter(reads).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
}

type InCluster = (Vec<AgentDaemonSet>, Vec<Node>);

/// The agent's DaemonSets and the nodes.
///
/// # Errors
/// As [`agent`].
pub async fn agent_in_cluster(kube: &dyn Kubernetes) -> Result<Observed<InCluster>> {
    let (daemons, nodes) = daemons_and_nodes(kube).await?;
    Ok(both(daemons, nodes))
}

async fn daemons_and_nodes(kube: &dyn Kubernetes) -> Result<(Observed<Daemons>, Observed<Vec<Node>>)> {
    let daemons = async { seen(kube.agents().await, "list daemonsets and pods in kube-system") };
    let nodes = async { seen(kube.nodes().await, "list nodes") };
    futures::try_join!(daemons, nodes)
}

fn both(daemons: Observed<Daemons>, nodes: Observed<Vec<Node>>) -> Observed<InCluster> {
    match (daemons, nodes) {
        (Observed::Known(daemons), Observed::Known(nodes)) => Observed::Known((daemons.agents, nodes)),
        (Observed::Unreadable(why), _) | (_, Observed::Unreadable(why)) => Observed::Unreadable(why),
        _ => Observed::NotRequested,
    }
}

/// A read that was refused for lack of a permission becomes unread, naming it; any other failure stays one. An
/// unknown caller (401, bad credentials) can read nothing at all and stays a failure too.
pub fn seen<T>(read: Result<T>, permission: &str) -> Result<Observed<T>> {
    match read {
        Ok(value) => Ok(Observed::Known(value)),
        Err(failure) if forbidden(&failure) => Ok(not_allowed(permission)),
        Err(failure) => Err(failure),
    }
}

/// What may not be read.
fn not_allowed<T>(permission: &str) -> Observed<T> {
    Observed::Unreadable(format!("{NOT_ALLOWED}{permission}"))
}

/// What is in another account.
fn elsewhere<T>(account: &str) -> Observed<T> {
    Observed::Unreadable(format!("it is in account {account}, which these credentials cannot read"))
}

/// The same for a report that tells the rest all the same: a read that failed for whatever reason becomes unread, with that. A
/// caller that no service knows, a signal, and time that is up stay failures.
///
/// # Errors
/// Those.
pub fn seen_or_why<T>(read: Result<T>, permission: &str) -> Result<Observed<T>> {
    match seen(read, permission) {
        Err(failure) if failure.code == Code::Failed && !failure.is(Kind::UnknownCaller) => {
            Ok(Observed::Unreadable(format!("{UNREAD}{failure}")))
        }
        other => other,
    }
}

/// The service knows the caller and refuses this call.
pub fn forbidden(failure: &Failure) -> bool {
    failure.is(Kind::Forbidden)
}
