//! What is wrong with a policy document, or may be, and where in it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// IAM refuses the document, or it cannot do what it was written for.
    Error,
    /// IAM accepts it, and it may be meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// An error or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// The line of the text, from 1; null for a document without a text of its own.
    pub line: Option<usize>,
    /// The statement, from 1; null for the document itself.
    pub statement: Option<usize>,
    /// The Sid of the statement, or null.
    pub sid: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Where in the document, as a JSON pointer.
    #[serde(skip)]
    pub(super) pointer: String,
}

impl Issue {
    /// An error in the document itself, at a JSON pointer.
    pub(super) fn error(pointer: String, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Error, line: None, statement: None, sid: None, message, pointer }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.statement, &self.sid) {
            (Some(number), Some(sid)) => write!(f, "statement {number} ({sid}): ")?,
            (Some(number), None) => write!(f, "statement {number}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.message)
    }
}

/// Issues as one text: one in a line, several each in its own.
pub(super) fn in_words(issues: &[Issue]) -> String {
    match issues {
        [one] => one.to_string(),
        several => several.iter().map(|issue| format!("\n  {issue}")).collect::<Vec<_>>().concat(),
    }
}
