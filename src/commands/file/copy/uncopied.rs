//! Associations that `podid copy` leaves out, each with its reason: what was named is refused, the others are listed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Selected;
use crate::{
    context::Context,
    failure::{Failure, Result},
    model::{association::AssociationFilter, cluster::Cluster, glob::Pattern, names::ServiceAccount},
    plan::Uncopied,
};

/// Hints that are printed of many.
const HINTS: usize = 5;

/// Refuses where one that was named is left out; lists the others.
///
/// # Errors
/// The refusal, or when the cluster cannot be read.
pub(super) async fn settle(
    ctx: &Context,
    cluster: &Cluster,
    patterns: &[Pattern],
    selected: &Selected<'_>,
) -> Result<()> {
    let named = |it: &&Uncopied| patterns.iter().any(|pattern| pattern.literal().as_ref() == Some(&it.subject));
    let refused: Vec<&Uncopied> = selected.staying.iter().filter(named).collect();
    if !refused.is_empty() {
        return Err(refusal(cluster, selected.from, &refused));
    }
    let mut hints = BTreeSet::new();
    for it in &selected.staying {
        let reason = it.reason(selected.from, cluster);
        if it.why.is_expected() && is_associated(ctx, cluster, &it.subject).await? {
            ctx.term.note(format!("{} not copied: {reason}; {} has an association of it", it.subject, cluster.name));
            continue;
        }
        ctx.term.warn(format!("{} not copied: {reason}", it.subject));
        hints.insert(it.hint(selected.from, cluster));
    }
    for hint in hints.iter().take(HINTS) {
        ctx.term.hint(hint);
    }
    Ok(())
}

async fn is_associated(ctx: &Context, cluster: &Cluster, subject: &ServiceAccount) -> Result<bool> {
    let filter = AssociationFilter::from(subject);
    let listed = ctx.eks()?.associations(&cluster.name, &filter);
    Ok(!ctx.deadline.within("listing the associations", listed).await?.is_empty())
}

/// Nothing is written where one that was named is left out.
fn refusal(cluster: &Cluster, from: &str, refused: &[&Uncopied]) -> Failure {
    let names: Vec<String> = refused.iter().map(|it| it.subject.to_string()).collect();
    let failure = Failure::usage(format!("{} cannot be copied: nothing was changed", names.join(", ")));
    let failure = refused.iter().fold(failure, |failure, it| {
        let reason = it.reason(from, cluster);
        failure.because(if refused.len() == 1 { reason } else { format!("{}: {reason}", it.subject) })
    });
    let hints: BTreeSet<String> = refused.iter().map(|it| it.hint(from, cluster)).collect();
    hints.into_iter().take(HINTS).fold(failure, Failure::hint)
}

/// As data.
pub(super) fn json(cluster: &Cluster, selected: &Selected<'_>) -> Value {
    let one = |it: &Uncopied| {
        let mut one = json!(it.subject);
        one["roleArn"] = json!(it.role_arn);
        one["reason"] = json!(it.why.id());
        one["message"] = json!(it.reason(selected.from, cluster));
        one["hint"] = json!(it.hint(selected.from, cluster));
        one
    };
    selected.staying.iter().map(one).collect()
}
