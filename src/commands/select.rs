//! Which service accounts a command means: those named, and those that patterns stand for among the associations there are.

use crate::{
    context::Context,
    failure::Result,
    model::{
        association::{AssociationFilter, AssociationSummary},
        glob::{self, Expansion, Pattern},
        names::ServiceAccount,
        text,
    },
    observe,
};

use futures::stream::{self, StreamExt, TryStreamExt};

/// Names of what a pattern matches that are shown.
const SHOWN: usize = 20;

/// A service account that is meant, and its association, when it has one.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Which.
    pub subject: ServiceAccount,
    /// Its association.
    pub association: Option<AssociationSummary>,
}

/// The service accounts that `patterns` stand for. What patterns come to is told on stderr, also that one comes to nothing.
///
/// Names alone cost one List each, with both filters; as soon as there is a pattern, all are found in one.
///
/// # Errors
/// When the associations cannot be listed.
pub async fn select(ctx: &Context, patterns: &[Pattern]) -> Result<Vec<Selected>> {
    let (eks, cluster) = (ctx.eks()?, ctx.target()?.cluster.value.as_str());
    let named: Option<Vec<ServiceAccount>> = patterns.iter().map(Pattern::literal).collect();
    let existing: Vec<AssociationSummary> = match &named {
        Some(subjects) => {
            let lists = stream::iter(subjects)
                .map(|subject| async move { eks.associations(cluster, &AssociationFilter::from(subject)).await })
                .buffered(observe::CONCURRENCY)
                .try_concat();
            ctx.deadline.within("listing associations", lists).await?
        }
        None => ctx.deadline.within("listing associations", eks.associations(cluster, &glob::filter(patterns))).await?,
    };
    let expansion = glob::expand(patterns, &existing);
    if named.is_none() {
        report_expansion(ctx, patterns, &expansion);
    }
    let meant = expansion.subjects.into_iter().map(|subject| {
        let association = existing.iter().find(|a| a.subject == subject).cloned();
        Selected { subject, association }
    });
    Ok(meant.collect())
}

fn report_expansion(ctx: &Context, patterns: &[Pattern], expansion: &Expansion) {
    for pattern in expansion.unmatched.iter().filter(|pattern| **pattern != Pattern::all()) {
        ctx.term.warn(format!("`{pattern}` matches no association"));
    }
    for pattern in patterns.iter().filter(|p| p.literal().is_none() && !expansion.unmatched.contains(p)) {
        let found: Vec<String> =
            expansion.subjects.iter().filter(|subject| pattern.matches(subject)).map(ToString::to_string).collect();
        ctx.term.status(format!("`{pattern}` matches {}", text::listed(&found, SHOWN)));
    }
}
