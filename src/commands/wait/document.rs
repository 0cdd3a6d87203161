//! What `podid wait` prints as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::Condition;
use crate::model::{names::ServiceAccount, subject::ObjectRef};

/// What was waited for, also after a timeout
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    #[serde(flatten)]
    pub(super) account: &'a ServiceAccount,
    /// The condition
    pub(super) condition: Condition,
    /// Whether it holds
    pub(super) holds: bool,
    /// How that is known, or null
    pub(super) how: Option<&'a str>,
    /// What is missing after a timeout
    pub(super) missing: &'a [String],
    /// The pod or workload that was named; absent for a service account
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<&'a ObjectRef>,
}
