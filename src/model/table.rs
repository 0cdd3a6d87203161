//! DynamoDB tables, as far as granting access to one needs to know them.

use serde::{Deserialize, Serialize};

use super::arn::Arn;

/// A table as DescribeTable gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// ARN.
    pub arn: Arn,
    /// `ACTIVE`, `INACCESSIBLE_ENCRYPTION_CREDENTIALS`, …
    pub status: String,
    /// ARN of the KMS key that it is encrypted with; `None` for DynamoDB's own. Whether AWS or the customer manages it,
    /// DescribeTable does not tell.
    pub key: Option<String>,
    /// Names of its secondary indexes, global and local.
    pub indexes: Vec<String>,
    /// It has a stream that is enabled.
    pub stream: bool,
}
