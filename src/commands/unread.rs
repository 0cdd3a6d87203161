//! What a command over several clusters could not read: it hides nothing else, and is the error at the end.

use std::{collections::BTreeSet, fmt::Display};

use schemars::JsonSchema;
use serde::Serialize;

use super::shared::count;
use crate::failure::{Code, Failure, Result};

/// What could not be read (`cluster blue`, `region eu-west-1`), and why.
pub type Unread = (String, Failure);

/// Something that could not be read, in a document.
#[derive(Serialize, JsonSchema)]
pub struct NotRead {
    /// What could not be read
    what: String,
    /// Why
    why: String,
}

impl NotRead {
    /// `what`, because of `why`.
    pub fn new(what: impl Display, why: impl Display) -> Self {
        Self { what: what.to_string(), why: why.to_string() }
    }

    /// Each of them.
    pub fn all(unread: &[Unread]) -> Vec<Self> {
        unread.iter().map(|(what, why)| Self::new(what, why)).collect()
    }
}

/// Hints that are shown of all of them.
const HINTS: usize = 3;

/// The failure of what could not be read, when there is such. `done`: what was to be done with it, `read` or `checked`.
/// `nothing`: not one cluster of `clusters` was, and where all failed alike, so did the command.
pub fn outcome(mut unread: Vec<Unread>, clusters: usize, nothing: bool, done: &str) -> Option<Failure> {
    let first = unread.first()?.1.code;
    let alike = unread.iter().all(|(_, failure)| failure.code == first);
    let code = if alike && (nothing || first == Code::TimedOut) { first } else { Code::Failed };
    let hints: BTreeSet<String> = unread.iter().flat_map(|(_, failure)| failure.hints.clone()).collect();
    if unread.len() <= 1 {
        let (what, failure) = unread.pop()?;
        let failure = failure.context(format!("{what} could not be {done}"));
        // The only one there is fails as it would by itself.
        return Some(if clusters <= 1 { failure } else { Failure { code, ..failure } });
    }
    let regions = unread.iter().filter(|(what, _)| what.starts_with("region ")).count();
    let which = match (unread.len() - regions, regions) {
        (clusters, 0) => count(clusters, "cluster"),
        (0, regions) => count(regions, "region"),
        (clusters, regions) => format!("{} and {}", count(clusters, "cluster"), count(regions, "region")),
    };
    let mut failure = Failure::new(code, format!("{which} could not be {done}"));
    for (what, why) in unread {
        failure = failure.because(format!("{what}: {why}"));
    }
    Some(hints.into_iter().take(HINTS).fold(failure, Failure::hint))
}

/// The error for what could not be read, where there is such, beside what was found in the rest. See [`outcome`].
///
/// # Errors
/// When something could not be read, and as `found`.
pub fn judged(unread: Vec<Unread>, clusters: usize, nothing: bool, done: &str, found: Result<Code>) -> Result<Code> {
    let Some(failure) = outcome(unread, clusters, nothing, done) else { return found };
    Err(match found {
        Ok(_) => failure,
        Err(other) => failure.because(other.to_string()),
    })
}
