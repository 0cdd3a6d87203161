//! Findings that somebody accepted for a time: which, why, and until when.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::manifest::Place;

/// One accepted finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// Id of the check.
    pub id: String,
    /// On what it was found, as the finding says it.
    pub subject: String,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Where it stands.
    #[serde(skip)]
    pub at: Place,
}

impl Exception {
    /// Whether it no longer holds on a day.
    pub fn is_over(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }

    /// Whether it is about a finding.
    pub fn is_of(&self, id: &str, subject: &str) -> bool {
        self.id == id && self.subject == subject
    }
}
