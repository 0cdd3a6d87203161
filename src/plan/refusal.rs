//! Why there is no plan, and what to do about it.

use crate::model::trust::SidTaken;

/// Refused before any write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What and why.
    pub message: String,
    /// What to do: commands, or the exact change.
    pub hints: Vec<String>,
    /// For want of a permission to read what the plan rests on.
    pub denied: bool,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), denied: false }
    }

    /// What could not be read, and what may not be written unread.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self { denied: true, ..Self::new(message) }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// podid's statement cannot be written: one that podid did not write has its Sid.
pub(super) fn sid_taken(role: &str, taken: &SidTaken) -> Refusal {
    Refusal::new(format!("cannot write podid's statement to the trust policy of role `{role}`: {taken}"))
        .hint(taken.advice(role))
}
