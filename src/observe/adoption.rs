//! Reads what else is on a role that is about to be used: what others put on it goes to the pods with it.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{CONCURRENCY, file::Sources, policies_of};
use crate::{
    failure::{Failure, Result},
    model::{
        arn::last,
        document::Document,
        have::Observed,
        manifest::{ClusterState, Entries},
        ownership,
    },
    ports::Iam,
};

/// The policies of a role as far as they were read.
type Policies = (Observed<Vec<String>>, Observed<BTreeMap<String, Document>>);

/// The policies of a role: what was read already is not read again.
///
/// # Errors
/// When a read failed for another reason than a missing permission.
pub async fn all_policies(iam: &dyn Iam, name: &str, (attached, inline): Policies) -> Result<Policies> {
    let read = policies_of(iam, name, attached == Observed::NotRequested, inline == Observed::NotRequested).await?;
    Ok((
        if attached == Observed::NotRequested { read.0 } else { attached },
        if inline == Observed::NotRequested { read.1 } else { inline },
    ))
}

/// The policies of the file's roles that have podid's tags, and that an association of the file is the first to use, where the
/// file has no say in them: what it says of them was read already. `named` are the roles of its associations.
pub(super) async fn unused_policies(
    from: Sources<'_>,
    entries: &Entries,
    named: impl Iterator<Item = &String>,
    have: &mut ClusterState,
) -> Result<()> {
    let named: BTreeSet<&str> = named.map(|role| last(role)).collect();
    let used: BTreeSet<&str> = have.associations.values().map(|a| last(&a.role_arn)).collect();
    let reads = have.roles.iter().filter_map(|(name, held)| {
        let role = held.role.known().and_then(Option::as_ref)?;
        let ours = ownership::is_created_for(&role.tags, &from.cluster.arn);
        if !ours || from.adopt || !named.contains(name.as_str()) || used.contains(name.as_str()) {
            return None;
        }
        let policies = &entries.role(name)?.value.policies;
        let attached = policies.managed.is_unmanaged() && held.attached == Observed::NotRequested;
        let inline = policies.inline.is_unmanaged() && held.inline == Observed::NotRequested;
        let name = name.clone();
        Some(async move { Ok::<_, Failure>((policies_of(from.iam, &name, attached, inline).await?, name)) })
    });
    let reads: Vec<_> = reads.collect();
    let found: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    for ((attached, inline), name) in found {
        let Some(held) = have.roles.get_mut(&name) else { continue };
        if held.attached == Observed::NotRequested {
            held.attached = attached;
        }
        if held.inline == Observed::NotRequested {
            held.inline = inline;
        }
    }
    Ok(())
}
