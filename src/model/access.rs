//! What a workload needs from AWS, and what IAM says of it. What the caller of podid needs is in `permissions`.

use serde::Serialize;

use super::document::Document;

/// An action that a workload makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// `dynamodb:Query`.
    pub action: String,
    /// ARN of what it is made on; `*` for actions without a resource.
    pub resource: String,
    /// How podid knows: `--needs`, `--dynamodb`, or `the log of pod carts/carts-abc`.
    pub from: String,
}

/// The policies that speak about a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleDocuments {
    /// Attached managed policies by ARN, and inline ones by name, each with its document.
    pub identity: Vec<(String, Document)>,
    /// The permissions boundary, by ARN.
    pub boundary: Option<(String, Document)>,
}
