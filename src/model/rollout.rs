//! Judges a rollout by generation and counts, as `kubectl rollout status` does.

use serde::Serialize;

// judge(&Workload, generation) comes here

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// All pods are new and available, and no old one counts any more.
    pub done: bool,
    /// New pods.
    pub updated: u64,
    /// Wanted pods.
    pub wanted: u64,
    /// What it waits for, for the progress line.
    pub waiting_for: String,
}
