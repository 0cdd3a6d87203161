//! When a role last used the services that its policies allow, as IAM's service last accessed report has it.

use jiff::Timestamp;

/// A service that a role's policies allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUse {
    /// Its prefix in actions: `s3`.
    pub service: String,
    /// Its last use; `None` when there was none in the tracking period (IAM User Guide, access_policies_access-advisor: at
    /// least the last 400 days, in regions that were enabled).
    pub last: Option<Timestamp>,
    /// The region of its last use.
    pub region: Option<String>,
}
