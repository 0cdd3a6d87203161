//! Pod identity associations, with the API's own field names in JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::names::ServiceAccount;

/// An association as ListPodIdentityAssociations gives it: no role, no times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociationSummary {
    /// Cluster.
    pub cluster_name: String,
    /// Namespace and service account.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// ARN; do not parse it.
    pub association_arn: String,
    /// `a-…`.
    pub association_id: String,
    /// The add-on that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_arn: Option<String>,
}

/// An association as DescribePodIdentityAssociation gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Association {
    /// What List gives too.
    #[serde(flatten)]
    pub summary: AssociationSummary,
    /// Role ARN.
    pub role_arn: String,
    /// Role of the same or another account whose credentials the pod gets in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// What EKS sends as sts:ExternalId to the target role. Output only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// True: the six session tags are not sent.
    pub disable_session_tags: bool,
    /// Session policy, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

/// What CreatePodIdentityAssociation is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAssociation {
    /// Namespace and service account.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// Role ARN.
    pub role_arn: String,
    /// True: no session tags.
    pub disable_session_tags: bool,
    /// Role to assume from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// Session policy, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What UpdatePodIdentityAssociation is given: only what changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociationChange {
    /// New role ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Session tags on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_session_tags: Option<bool>,
    /// New target role ARN; empty to have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// New session policy, as JSON text; empty to have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Which associations to list; both filters are the API's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssociationFilter {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only this service account.
    pub service_account: Option<String>,
}

impl From<&ServiceAccount> for AssociationFilter {
    fn from(subject: &ServiceAccount) -> Self {
        Self { namespace: Some(subject.namespace.clone()), service_account: Some(subject.name.clone()) }
    }
}
