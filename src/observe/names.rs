//! Which names exist: service accounts, many of them by few lists, and names like those of tables that do not.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{CONCURRENCY, forbidden, seen};
use crate::{
    failure::{Code, Failure, Result},
    model::{
        arn::Arn,
        have::{Observed, ServiceAccountState},
        irsa::Annotation,
        manifest::{ClusterState, Entries},
        names::ServiceAccount,
        text::nearest,
    },
    ports::{Kubernetes, Tables},
};

/// More namespaces than this are read by one list of the whole cluster instead of one each.
pub(super) const NAMESPACES: usize = 8;

/// Where namespaces are read: each by itself, or all at once (`None`) where there are many.
pub fn places(namespaces: BTreeSet<&str>) -> Vec<Option<&str>> {
    if namespaces.len() > NAMESPACES { vec![None] } else { namespaces.into_iter().map(Some).collect() }
}

/// Service accounts that exist, each with its IRSA annotation.
type Existing = Vec<(ServiceAccount, Option<Annotation>)>;

/// The service accounts of which a plan has to know whether they exist: those that are to be associated, and those whose entry
/// creates them.
pub fn looked_up<'a>(
    entries: &Entries,
    subjects: impl Iterator<Item = &'a ServiceAccount>,
    have: &ClusterState,
) -> BTreeSet<&'a ServiceAccount> {
    let created = entries.associations.iter().filter(|entry| entry.value.create_service_account == Some(true));
    let created: BTreeSet<ServiceAccount> =
        created.filter_map(|entry| entry.value.service_account.parse().ok()).collect();
    subjects.filter(|subject| !have.associations.contains_key(*subject) || created.contains(*subject)).collect()
}

/// The state of each of these service accounts: by a list where several are of one namespace, else each by itself.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn service_accounts(
    kube: &dyn Kubernetes,
    subjects: &BTreeSet<&ServiceAccount>,
) -> Result<BTreeMap<ServiceAccount, Observed<ServiceAccountState>>> {
    let mut of: BTreeMap<&str, Vec<&ServiceAccount>> = BTreeMap::new();
    for subject in subjects {
        of.entry(&subject.namespace).or_default().push(subject);
    }
    if of.len() > NAMESPACES
        && let Some(existing) = listed(kube, None).await?
    {
        return found(kube, subjects.iter().copied(), existing).await;
    }
    let reads = of.into_iter().map(|(namespace, own)| async move {
        if let [_, _, ..] = own[..]
            && let Some(existing) = listed(kube, Some(namespace)).await?
        {
            return found(kube, own.into_iter(), existing).await;
        }
        one_by_one(kube, own).await
    });
    let all: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// `None` where they may not be listed: each can still be read by itself.
async fn listed(kube: &dyn Kubernetes, namespace: Option<&str>) -> Result<Option<Existing>> {
    match kube.all_service_accounts(namespace).await {
        Ok(existing) => Ok(Some(existing)),
        Err(failure) if forbidden(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}

type States = BTreeMap<ServiceAccount, Observed<ServiceAccountState>>;

async fn found(
    kube: &dyn Kubernetes,
    subjects: impl Iterator<Item = &ServiceAccount>,
    existing: Existing,
) -> Result<States> {
    let known: BTreeMap<&ServiceAccount, &Option<Annotation>> =
        existing.iter().map(|(one, irsa)| (one, irsa)).collect();
    let (there, absent): (Vec<&ServiceAccount>, Vec<_>) = subjects.partition(|subject| known.contains_key(subject));
    let mut states: States = there
        .into_iter()
        .map(|subject| {
            let irsa_role = known.get(subject).and_then(|it| it.as_ref()).map(|it| it.role.clone());
            (subject.clone(), Observed::Known(ServiceAccountState::Exists { irsa_role }))
        })
        .collect();
    states.extend(missing(kube, &absent, &existing).await?);
    Ok(states)
}

/// Those that a list does not have, with what was probably meant. A few are read one by one, which finds names in the whole cluster.
async fn missing(kube: &dyn Kubernetes, absent: &[&ServiceAccount], existing: &Existing) -> Result<States> {
    if absent.len() <= NAMESPACES {
        return one_by_one(kube, absent.to_vec()).await;
    }
    let existing: Vec<ServiceAccount> = existing.iter().map(|(one, _)| one.clone()).collect();
    // Where namespaces may not be listed, the service account is what is missing.
    let namespaces = match kube.namespaces().await {
        Ok(names) => Some(names),
        Err(failure) if forbidden(&failure) => None,
        Err(failure) => return Err(failure),
    };
    let state = |subject: &&ServiceAccount| {
        let namespace = namespaces.as_ref().is_none_or(|names| names.contains(&subject.namespace));
        let state =
            ServiceAccountState::absent(subject, namespace, &existing, namespaces.as_deref().unwrap_or_default());
        ((*subject).clone(), Observed::Known(state))
    };
    Ok(absent.iter().map(state).collect())
}

async fn one_by_one(kube: &dyn Kubernetes, subjects: Vec<&ServiceAccount>) -> Result<States> {
    let reads = subjects.into_iter().map(|subject| async move {
        let state = seen(kube.service_account(subject).await, "get serviceaccounts")?;
        Ok::<_, Failure>((subject.clone(), state))
    });
    stream::iter(reads).buffered(CONCURRENCY).try_collect().await
}

/// Names of tables like those of tables that do not exist. Not being able to list them only leaves a message without them.
///
/// # Errors
/// Only when podid was interrupted or out of time.
pub async fn near_tables(tables: &dyn Tables, missing: Vec<Arn>) -> Result<BTreeMap<Arn, Vec<String>>> {
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for arn in &missing {
        if known.contains_key(&arn.region) {
            continue;
        }
        let names = match tables.names(&arn.region).await {
            Ok(names) => names,
            Err(failure) if matches!(failure.code, Code::Interrupted | Code::Terminated) => return Err(failure),
            Err(_) => Vec::new(),
        };
        known.insert(arn.region.clone(), names);
    }
    let near = |arn: Arn| {
        let names = known.get(&arn.region).map(Vec::as_slice).unwrap_or_default();
        let near = nearest(arn.name(), names.iter().map(String::as_str));
        (arn, near)
    };
    Ok(missing.into_iter().map(near).collect())
}
