//! Findings that somebody accepts for a time: which of those that were found, and what is to be said of the file.

use std::path::PathBuf;

use clap::Args;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    checks::{
        Finding,
        audit::{CHECKS, UNREAD},
    },
    context::Context,
    failure::Result,
    manifest,
    model::{arn::Arn, exception::Exception, text},
};

/// Where they are.
#[derive(Debug, Args)]
pub struct ExceptionsArg {
    /// Accept the findings in this YAML file: a list `exceptions` of id, subject, reason and expires
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
}

impl ExceptionsArg {
    /// The exceptions; none without a file.
    ///
    /// # Errors
    /// What is wrong in the file, with its place.
    pub fn read(&self) -> Result<Vec<Exception>> {
        self.exceptions.as_ref().map_or_else(|| Ok(Vec::new()), |path| manifest::exceptions(path, &known))
    }
}

fn known(id: &str) -> std::result::Result<(), String> {
    let all = CHECKS.iter().map(|check| check.id);
    if all.clone().any(|one| one == id) {
        return Ok(());
    }
    let near = text::nearest(id, all);
    Err(format!("`{id}` is not a check of the audit{}", text::did_you_mean(&near)))
}

/// Findings, by what becomes of them.
pub struct Sorted {
    /// What no exception accepts.
    pub findings: Vec<Finding>,
    /// What one accepts, and that.
    pub accepted: Vec<(Finding, Exception)>,
    /// Exceptions that are over.
    pub expired: Vec<Exception>,
    /// Exceptions to nothing that was found.
    pub unmatched: Vec<Exception>,
}

impl Sorted {
    /// Of several clusters, an exception names the cluster too (`carts/carts in cluster blue`), or holds in all of them.
    pub fn of(all: Vec<Finding>, exceptions: &[Exception], now: Timestamp) -> Self {
        let today = now.to_zoned(TimeZone::UTC).date();
        let (expired, standing): (Vec<_>, Vec<_>) = exceptions.iter().cloned().partition(|it| it.is_over(today));
        let (mut findings, mut accepted) = (Vec::new(), Vec::new());
        for finding in all {
            let id = finding.check.id;
            let own = |it: &&Exception| it.is_of(id, &finding.subject) || it.is_of(id, &finding.title());
            // What could not be read may hide anything: nobody can accept that here.
            match standing.iter().find(own).filter(|_| id != UNREAD.id) {
                Some(exception) => accepted.push((finding, exception.clone())),
                None => findings.push(finding),
            }
        }
        let used = |it: &Exception| accepted.iter().any(|(_, by): &(Finding, Exception)| by == it);
        let unmatched = standing.into_iter().filter(|it| !used(it)).collect();
        Self { findings, accepted, expired, unmatched }
    }
}

/// Warns of exceptions that are over.
pub fn warn_of_expired(ctx: &Context, expired: &[Exception]) {
    for it in expired {
        ctx.term.warn(format!("{}: the exception for {} ({}) has expired", it.at, it.subject, it.id));
    }
}

/// A finding that an exception accepts
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted<'a> {
    /// Stable id of the check
    id: &'a str,
    /// On what
    subject: &'a str,
    /// With several clusters: ARN of the cluster that it is in; absent otherwise, and for roles
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a Arn>,
    /// What was found
    message: &'a str,
    /// Why it is accepted
    reason: &'a str,
    /// The last day on which it is, or null
    expires: Option<Date>,
}

impl<'a> Accepted<'a> {
    pub(crate) fn all(accepted: &'a [(Finding, Exception)]) -> Vec<Self> {
        accepted.iter().map(Self::of).collect()
    }

    fn of((finding, by): &'a (Finding, Exception)) -> Self {
        Self {
            id: finding.check.id,
            subject: &finding.subject,
            cluster: finding.cluster.as_ref().map(|cluster| &cluster.arn),
            message: &finding.message,
            reason: &by.reason,
            expires: by.expires,
        }
    }
}
