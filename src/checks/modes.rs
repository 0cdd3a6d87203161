//! The known ways in which Pod Identity fails, and which checks see each: what `--list-checks` tells of what cannot be seen.

use serde::Serialize;

/// How far a failure can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Coverage {
    /// By these checks, with what every verification reads.
    Detected(&'static [&'static str]),
    /// By these checks, when the caller may do this too.
    Given {
        /// Checks.
        checks: &'static [&'static str],
        /// Permissions, IAM actions or Kubernetes verbs.
        permissions: &'static [&'static str],
    },
    /// Not a state that can be looked at: `podid associate` meets it and explains it.
    AtCreation,
    /// By no API; what to look at instead.
    Unseen(&'static str),
}

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mode {
    /// Its number in the catalogue.
    pub number: u8,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// How far it can be seen.
    pub coverage: Coverage,
}
