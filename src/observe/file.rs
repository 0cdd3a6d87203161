//! Reads what is there for a file: each thing that its entries name once, and what a plan of it does not need not at all.

use std::collections::{BTreeMap, BTreeSet};

use futures::{
    future::join_all,
    stream::{self, StreamExt, TryStreamExt},
};

use super::{
    CONCURRENCY, adoption, agent, association, describe_all, doomed_as_read, forbidden, names, role, rollouts, seen,
    users::Search,
};
use crate::{
    failure::{Failure, Result},
    model::{
        addon::AGENT,
        arn::{Arn, last},
        association::{Association, AssociationFilter, AssociationSummary},
        cluster::Cluster,
        glob::{self, Pattern},
        have::Observed,
        manifest::{ClusterState, Entries, KubernetesState, Role, RoleState},
        names::ServiceAccount,
        ownership, policy, trust,
        want::Field,
        workload::{Pod, Workload},
    },
    ports::{Eks, Iam, Kubernetes, Tables},
};

/// Of which service accounts the Kubernetes side is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubernetesReads {
    /// Of none.
    Nothing,
    /// Of those that are to be associated.
    New,
    /// Of all.
    All,
}

/// Where a file's things are read from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// EKS.
    pub eks: &'a dyn Eks,
    /// IAM.
    pub iam: &'a dyn Iam,
    /// DynamoDB.
    pub tables: &'a dyn Tables,
    /// Kubernetes; `None` when it is not to be asked.
    pub kube: Option<&'a dyn Kubernetes>,
    /// Of which service accounts the Kubernetes side is read.
    pub around: KubernetesReads,
    /// Roles of podid's are taken as they are.
    pub adopt: bool,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Hears how many associations were read, of how many.
    pub tell: &'a (dyn Fn(usize, usize) + Sync),
}

/// The service accounts that exist and match some patterns.
///
/// # Errors
/// When Kubernetes cannot be read.
pub async fn matching(kube: &dyn Kubernetes, patterns: &[Pattern]) -> Result<BTreeSet<ServiceAccount>> {
    let wild = patterns.iter().any(|pattern| pattern.namespace.literal().is_none());
    let mut namespaces: BTreeSet<String> =
        patterns.iter().filter_map(|p| p.namespace.literal().map(str::to_owned)).collect();
    if wild {
        let all = kube.namespaces().await?;
        namespaces.extend(all.into_iter().filter(|name| patterns.iter().any(|p| p.namespace.matches(name))));
    }
    let reads = namespaces.into_iter().map(|namespace| async move {
        let names = kube.service_accounts(&namespace).await?;
        Ok::<_, Failure>(names.into_iter().map(move |name| ServiceAccount { namespace: namespace.clone(), name }))
    });
    let found: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    Ok(found.into_iter().flatten().filter(|subject| patterns.iter().any(|p| p.matches(subject))).collect())
}

/// Reads what the entries name. `subjects` are their service accounts with the role that each is to have.
///
/// # Errors
/// When a read failed for another reason than a permission that the plan can do without.
pub async fn holdings(
    from: Sources<'_>,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, String>,
    prune: bool,
) -> Result<ClusterState> {
    let (associations, roles, addon) = futures::try_join!(
        associations(from, subjects, prune),
        file_roles(from.iam, entries, subjects),
        addon(from, entries),
    )?;
    let mut have = ClusterState { roles, addon, ..ClusterState::default() };
    let (known, rest): (Vec<_>, Vec<_>) =
        associations.into_iter().partition(|a| subjects.contains_key(&a.summary.subject));
    have.associations = known.into_iter().map(|a| (a.summary.subject.clone(), a)).collect();
    adoption::unused_policies(from, entries, subjects.values(), &mut have).await?;
    if prune {
        leftover(from, entries, subjects, rest, &mut have).await?;
    } else if narrows(from.cluster, entries, subjects, &have) {
        let mut summaries = from.eks.associations(&from.cluster.name, &AssociationFilter::default()).await?;
        summaries.retain(|a| !subjects.contains_key(&a.subject));
        let rest = described(from, summaries).await?;
        have.associations.extend(rest.into_iter().map(|a| (a.summary.subject.clone(), a)));
    }
    let (outside, looked, (agent, around)) = futures::try_join!(
        outside_roles(from.iam, entries, subjects, &have),
        tables(from, entries, &have),
        surroundings(from, entries, subjects, &have),
    )?;
    have.roles.extend(outside);
    (have.keys, have.missing, have.unread) = (looked.keys, looked.missing, looked.unread);
    (have.agent, have.around) = (agent, around);
    Ok(have)
}

/// Whether any role of the file may come to admit fewer than today.
fn narrows(
    cluster: &Cluster,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, String>,
    have: &ClusterState,
) -> bool {
    let mut users: BTreeMap<&str, Vec<&ServiceAccount>> = BTreeMap::new();
    for (subject, named) in subjects {
        users.entry(last(named)).or_default().push(subject);
    }
    entries.roles.iter().any(|entry| {
        let (name, scope) = (entry.value.name.as_str(), entry.value.scope);
        let role = have.roles.get(name).and_then(|view| view.role.known()).and_then(Option::as_ref);
        let (Some(scope), Some(role), Some(users)) = (scope, role, users.get(name)) else { return false };
        trust::narrows(&role.trust, cluster, scope, users.iter().copied())
    })
}

/// The associations of the subjects in full; all of the cluster when something may be pruned.
async fn associations(
    from: Sources<'_>,
    subjects: &BTreeMap<ServiceAccount, String>,
    prune: bool,
) -> Result<Vec<Association>> {
    let (eks, cluster) = (from.eks, from.cluster.name.as_str());
    if let (1, false, Some(only)) = (subjects.len(), prune, subjects.keys().next()) {
        return Ok(association(eks, cluster, only).await?.into_iter().collect());
    }
    if subjects.is_empty() && !prune {
        return Ok(Vec::new());
    }
    let patterns: Vec<Pattern> = subjects.keys().map(Pattern::from).collect();
    let filter = if prune { AssociationFilter::default() } else { glob::filter(&patterns) };
    let mut summaries = eks.associations(cluster, &filter).await?;
    // With `prune` also what an add-on owns: its role is in use.
    summaries.retain(|a| prune || subjects.contains_key(&a.subject));
    described(from, summaries).await
}

async fn described(from: Sources<'_>, summaries: Vec<AssociationSummary>) -> Result<Vec<Association>> {
    let all = summaries.len();
    let mut described = Box::pin(describe_all(from.eks, &from.cluster.name, summaries));
    let (mut found, mut read) = (Vec::new(), 0);
    while let Some(one) = described.next().await.transpose()? {
        read += 1;
        (from.tell)(read, all);
        found.extend(one);
    }
    Ok(found)
}

/// The roles that the file defines, with the policies that it has a say in.
async fn file_roles(
    iam: &dyn Iam,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, String>,
) -> Result<BTreeMap<String, RoleState>> {
    let targets: BTreeSet<&str> = entries
        .associations
        .iter()
        .filter(|a| a.value.target_role.set().is_some())
        .map(|a| a.value.role.as_str())
        .collect();
    let read = entries.roles.iter().filter(|_| !subjects.is_empty() || !entries.roles.is_empty()).map(|entry| {
        let (wanted, targets) = (&entry.value, &targets);
        async move {
            let assumes = targets.iter().any(|named| last(named) == wanted.name);
            let policies = &wanted.policies;
            let inline = !policies.dynamodb.is_unmanaged() || !policies.inline.is_unmanaged() || assumes;
            let inline = inline || !policies.grants.services().is_empty();
            let view = role(iam, &wanted.name, !policies.managed.is_unmanaged(), inline).await?;
            let holdings = RoleState { role: view.role, attached: view.attached, inline: view.inline };
            Ok::<_, Failure>((wanted.name.clone(), holdings))
        }
    });
    let reads: Vec<_> = read.collect();
    stream::iter(reads).buffered(CONCURRENCY).try_collect().await
}

/// Roles of elsewhere, whose trust matters where an association comes to them.
async fn outside_roles(
    iam: &dyn Iam,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, String>,
    have: &ClusterState,
) -> Result<BTreeMap<String, RoleState>> {
    let off: BTreeMap<&str, bool> = entries
        .associations
        .iter()
        .filter_map(|a| Some((a.value.service_account.as_str(), *a.value.disable_session_tags.set()?)))
        .collect();
    let mut names = BTreeSet::new();
    for (subject, named) in subjects {
        let Ok(arn) = named.parse::<Arn>() else { continue };
        let comes = have.associations.get(subject).is_none_or(|a| {
            a.role_arn != *named
                || off.get(subject.to_string().as_str()).is_some_and(|off| *off != a.disable_session_tags)
        });
        if comes && entries.role(arn.name()).is_none() {
            names.insert(arn.name().to_owned());
        }
    }
    // Those that pruned associations leave: podid's own statement goes from them.
    let leaving = have.leftover.associations.iter().filter_map(|subject| have.associations.get(subject));
    names.extend(leaving.map(|a| last(&a.role_arn).to_owned()).filter(|name| entries.role(name).is_none()));
    let reads = names.into_iter().map(|name| async move {
        let view = role(iam, &name, false, false).await?;
        Ok::<_, Failure>((name, RoleState { role: view.role, ..RoleState::default() }))
    });
    stream::iter(reads).buffered(CONCURRENCY).try_collect().await
}

async fn addon(from: Sources<'_>, entries: &Entries) -> Result<Observed<Option<crate::model::addon::Addon>>> {
    if entries.agent.is_none() {
        return Ok(Observed::NotRequested);
    }
    seen(from.eks.addon(&from.cluster.name, AGENT).await, "eks:DescribeAddon")
}

/// What a look at the tables came to.
#[derive(Default)]
struct Looked {
    keys: BTreeMap<Arn, String>,
    missing: BTreeMap<Arn, Vec<String>>,
    unread: Vec<String>,
}

/// Looks at the tables that the file grants, where podid's statements do not know them yet: for their keys, and whether they exist.
async fn tables(from: Sources<'_>, entries: &Entries, have: &ClusterState) -> Result<Looked> {
    let home = &from.cluster.arn;
    let mut unknown: BTreeMap<Arn, bool> = BTreeMap::new();
    for entry in &entries.roles {
        let Role { name, policies, .. } = &entry.value;
        let before =
            have.roles.get(name).and_then(|role| role.inline.known()).and_then(|all| all.get(policy::DYNAMODB));
        for table in policies.dynamodb.set().into_iter().flatten() {
            let Ok(text) = table.table.parse::<policy::TableText>() else { continue };
            let arn = text.at(&home.partition, &home.region, &home.account);
            if !before.is_some_and(|document| document.names(&arn.to_string())) {
                *unknown.entry(arn).or_default() |= table.kms_key.is_none();
            }
        }
    }
    let reads = unknown.into_iter().map(|(arn, keyless)| async move { (from.tables.table(&arn).await, arn, keyless) });
    let (mut looked, mut missing) = (Looked::default(), Vec::new());
    for (table, arn, keyless) in join_all(reads).await {
        match table {
            Ok(Some(table)) if keyless => looked.keys.extend(super::usable_key(&table)?.map(|key| (arn, key.clone()))),
            Ok(Some(_)) => {}
            Ok(None) => missing.push(arn),
            Err(failure) if forbidden(&failure) => {
                let key = if keyless { "; set `kmsKey` if it uses a customer managed KMS key" } else { "" };
                looked.unread.push(format!("table {arn} not checked: not allowed: dynamodb:DescribeTable{key}"));
            }
            Err(failure) => return Err(failure),
        }
    }
    looked.missing = names::near_tables(from.tables, missing).await?;
    Ok(looked)
}

type Surroundings = (Observed<crate::model::agent::AgentState>, BTreeMap<ServiceAccount, KubernetesState>);

/// The Kubernetes side of what is to be associated, and with `recycle` of all.
async fn surroundings(
    from: Sources<'_>,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, String>,
    have: &ClusterState,
) -> Result<Surroundings> {
    // `apply` proves the agent; a plan alone has to know only whether something else is one.
    let installs = entries.agent.is_some()
        && (from.around != KubernetesReads::Nothing || matches!(have.addon, Observed::Known(None)));
    let looked = names::looked_up(entries, subjects.keys(), have);
    let concerned: BTreeSet<&ServiceAccount> = match from.around {
        KubernetesReads::Nothing => BTreeSet::new(),
        KubernetesReads::New => looked.clone(),
        KubernetesReads::All => subjects.keys().collect(),
    };
    let Some(kube) = from.kube.filter(|_| !concerned.is_empty() || installs) else { return Ok(Default::default()) };
    let looked = looked.into_iter().filter(|subject| concerned.contains(subject)).collect();
    let states = names::service_accounts(kube, &looked);
    let (agent, mut states, (pods, workloads)) =
        futures::try_join!(agent(from.eks, kube, from.cluster), states, all_users(kube, &concerned))?;
    let around = concerned.into_iter().map(|subject| {
        let own = KubernetesState {
            service_account: states.remove(subject).unwrap_or_default(),
            pods: only(&pods, |pod| pod.namespace == subject.namespace && pod.service_account == subject.name),
            workloads: only(&workloads, |w| w.id.namespace == subject.namespace && w.service_account == subject.name),
        };
        (subject.clone(), own)
    });
    Ok((agent, around.collect()))
}

/// Where the pods of these service accounts are listed: each namespace, or the whole cluster at once.
fn places<'a>(subjects: &BTreeSet<&'a ServiceAccount>) -> Vec<Option<&'a str>> {
    names::places(subjects.iter().map(|subject| subject.namespace.as_str()).collect())
}

/// The pods of these service accounts' namespaces.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn all_pods(kube: &dyn Kubernetes, subjects: &BTreeSet<&ServiceAccount>) -> Result<Observed<Vec<Pod>>> {
    let reads = places(subjects).into_iter().map(|place| async move { seen(kube.all_pods(place).await, "list pods") });
    let all: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    Ok(all.into_iter().fold(Observed::Known(Vec::new()), joined))
}

/// The pods and workloads of these service accounts' namespaces.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn all_users(
    kube: &dyn Kubernetes,
    subjects: &BTreeSet<&ServiceAccount>,
) -> Result<(Observed<Vec<Pod>>, Observed<Vec<Workload>>)> {
    let reads = stream::iter(places(subjects)).map(|place| async move {
        let (pods, mut workloads) =
            futures::try_join!(async { seen(kube.all_pods(place).await, "list pods") }, async {
                seen(kube.all_workloads(place).await, "list deployments, statefulsets and daemonsets")
            })?;
        if let (Observed::Known(pods), Observed::Known(workloads)) = (&pods, &mut workloads) {
            workloads.extend(rollouts(kube, pods, place).await?);
        }
        Ok::<_, Failure>((pods, workloads))
    });
    let mut all = (Observed::Known(Vec::new()), Observed::Known(Vec::new()));
    let mut reads = std::pin::pin!(reads.buffered(CONCURRENCY));
    while let Some((pods, workloads)) = reads.next().await.transpose()? {
        all = (joined(all.0, pods), joined(all.1, workloads));
    }
    Ok(all)
}

fn joined<T>(all: Observed<Vec<T>>, more: Observed<Vec<T>>) -> Observed<Vec<T>> {
    match (all, more) {
        (Observed::Known(mut all), Observed::Known(more)) => {
            all.extend(more);
            Observed::Known(all)
        }
        (Observed::Known(_), unread) | (unread, _) => unread,
    }
}

fn only<T: Clone>(all: &Observed<Vec<T>>, own: impl Fn(&T) -> bool) -> Observed<Vec<T>> {
    match all {
        Observed::Known(all) => Observed::Known(all.iter().filter(|one| own(one)).cloned().collect()),
        Observed::Unreadable(why) => Observed::Unreadable(why.clone()),
        Observed::NotRequested => Observed::NotRequested,
    }
}

/// What carries the name of one of the documents and is in none: associations of this cluster, and roles of the account.
async fn leftover(
    from: Sources<'_>,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, String>,
    rest: Vec<Association>,
    have: &mut ClusterState,
) -> Result<()> {
    let cluster = &from.cluster.arn;
    let ours = |tags: &BTreeMap<String, String>| ownership::is_kept_by(tags, cluster, entries.names.iter().flatten());
    // Who goes on using a role: what the file wants, and what is there and stays.
    let mut used: BTreeSet<String> = subjects.values().map(|named| last(named).to_owned()).collect();
    for association in rest {
        if ours(&association.tags) && association.summary.owner_arn.is_none() {
            have.leftover.associations.insert(association.summary.subject.clone());
            have.associations.insert(association.summary.subject.clone(), association);
        } else {
            used.insert(last(&association.role_arn).to_owned());
            used.extend(association.target_role_arn.as_deref().map(|arn| last(arn).to_owned()));
            have.associations.insert(association.summary.subject.clone(), association);
        }
    }
    let kept = have.associations.values().filter(|a| !have.leftover.associations.contains(&a.summary.subject));
    used.extend(kept.filter_map(|a| a.target_role_arn.as_deref()).map(|arn| last(arn).to_owned()));
    let mut pages = from.iam.roles();
    let mut candidates = Vec::new();
    while let Some(page) = pages.next().await.transpose()? {
        let named = page.into_iter().filter(|role| {
            trust::trusts_pods(&role.trust)
                && entries.role(&role.name).is_none()
                && role.trust.0.to_string().contains("Podid")
        });
        candidates.extend(named.map(|role| role.name));
    }
    let reads = candidates.into_iter().map(|name| async move { from.iam.role(&name).await });
    let found: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    let roles: Vec<_> = found.into_iter().flatten().filter(|role| ours(&role.tags)).collect();
    let quiet = |_: String| {};
    let mut search = Search::new(from.eks, cluster, &quiet);
    // The associations of this cluster were read already. Those that go use nothing any more, and those that the file names use
    // what it says, which counts as used above.
    let stays =
        |subject: &ServiceAccount| !have.leftover.associations.contains(subject) && !subjects.contains_key(subject);
    search.known(cluster, have.associations.values().filter(|a| stays(&a.summary.subject)));
    search.trusted(roles.iter().map(|role| &role.trust)).await?;
    for role in roles {
        let doomed = doomed_as_read(from.iam, role).await?;
        let role = &doomed.role;
        let mut stays = Vec::new();
        if used.contains(&role.name) {
            stays.push("an association that is kept uses it".to_owned());
        }
        let usage = search.usage(&role.arn, &role.trust, |_| false);
        stays.extend(usage.users.iter().map(|user| format!("{} uses it", user.placed())));
        stays.extend(usage.doubts);
        stays.extend(trust::other_clusters(&trust::allowed(&role.trust), cluster));
        stays.extend(trust::reach(&role.trust).open);
        have.leftover.roles.push((doomed, stays));
    }
    Ok(())
}

/// Whether an entry wants anything of Kubernetes before the plan: patterns stand for service accounts that exist.
pub fn patterns(entries: &Entries) -> Vec<Pattern> {
    let all = entries.associations.iter().filter_map(|entry| entry.value.service_account.parse::<Pattern>().ok());
    all.filter(|pattern| pattern.literal().is_none()).collect()
}

/// Whether the file grants access to tables.
pub fn grants(entries: &Entries) -> bool {
    entries.roles.iter().any(|role| matches!(&role.value.policies.dynamodb, Field::Set(list) if !list.is_empty()))
}
