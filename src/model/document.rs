//! IAM documents (trust policies, permission policies) as untyped JSON, with what IAM's grammar says about them.
//!
//! podid edits the statements it knows and keeps all else, order included.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Document(#[schemars(with = "serde_json::Map<String, Value>")] pub Value);

impl Document {
    /// A document of these statements alone, in the present version of the language.
    pub fn of(statements: impl Serialize) -> Self {
        Self(json!({"Version": "2012-10-17", "Statement": statements}))
    }

    /// The document that statements are to be added to: the one that is there, where it is one.
    pub fn to_extend(before: Option<&Self>) -> Self {
        let whole = before.filter(|before| before.0.is_object());
        whole.cloned().unwrap_or_else(|| Self::of([(); 0]))
    }

    /// Gives it other statements; one that was a single object stays one.
    pub fn set_statements(&mut self, mut list: Vec<Value>) {
        let single = self.0.get("Statement").is_some_and(Value::is_object);
        self.0["Statement"] = if single && list.len() == 1 { list.remove(0) } else { Value::Array(list) };
    }

    /// The same with some of its statements, in their order.
    #[must_use]
    pub fn keeping(&self, stays: impl Fn(&Value) -> bool) -> Self {
        let mut kept = self.clone();
        kept.set_statements(self.statements().into_iter().filter(|one| stays(one)).cloned().collect());
        kept
    }

    /// Itself, where it allows or denies anything.
    #[must_use]
    pub fn unless_empty(self) -> Option<Self> {
        (!self.statements().is_empty()).then_some(self)
    }

    /// Whether it has policy variables: before this version they are plain text (IAM reference, Version element).
    pub fn takes_variables(&self) -> bool {
        self.0.get("Version").and_then(Value::as_str) == Some("2012-10-17")
    }

    /// The statements; a single object counts as a list of one, anything else as none.
    pub fn statements(&self) -> Vec<&Value> {
        match self.0.get("Statement") {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => Vec::new(),
        }
    }

    /// Whether a statement names this ARN as its resource, or something below it.
    pub fn names(&self, arn: &str) -> bool {
        let below =
            |resource: &str| resource.strip_prefix(arn).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.statements().into_iter().any(|one| strings(one.get("Resource")).into_iter().any(below))
    }

    /// Characters that count against IAM's size limits: all but white space between tokens
    /// (IAM User Guide, "IAM and AWS STS quotas": white space is not counted).
    pub fn size(&self) -> usize {
        self.0.to_string().chars().filter(|c| !c.is_whitespace()).count()
    }
}

/// A value that IAM allows as a string or as a list of strings.
pub fn strings(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
