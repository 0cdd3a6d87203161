//! IAM roles.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    arn::{Arn, last},
    cluster::Cluster,
    document::Document,
    have::Observed,
    json,
    names::ServiceAccount,
    text,
};

/// A role as GetRole gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Name without path.
    pub name: String,
    /// Path, `/` or `/podid/`.
    pub path: String,
    /// ARN, with the path.
    pub arn: Arn,
    /// Trust policy.
    pub trust: Document,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// ARN of the permissions boundary; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// Description.
    #[schemars(skip)]
    pub description: Option<String>,
    /// Longest session in seconds.
    #[schemars(skip)]
    pub max_session: Option<i32>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The service-managed template that it was created from: the service may write its trust policy again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl Role {
    /// As `-o json` shows it: without what is there for podid's own checks.
    pub fn shown(&self) -> Value {
        json::without(self, &["description", "maxSession"])
    }
}

/// A role as ListRoles gives it: without tags and boundary, which cost a call each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRole {
    /// Name without path.
    pub name: String,
    /// ARN, with the path.
    pub arn: Arn,
    /// Trust policy.
    pub trust: Document,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// Why there is no role of this ARN; `None` where it is there, or was not read.
pub fn missing(arn: &str, read: &Observed<Option<Role>>) -> Option<String> {
    match read {
        Observed::Known(None) => Some(format!("role {} does not exist", last(arn))),
        Observed::Known(Some(role)) if role.arn.to_string() != arn => {
            Some(format!("role {arn} does not exist: the role of this name is {}", role.arn))
        }
        _ => None,
    }
}

/// What CreateRole is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewRole {
    /// Name without path.
    pub name: String,
    /// Path.
    pub path: String,
    /// ARN that it will have.
    pub arn: Arn,
    /// Trust policy.
    pub trust: Document,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Permissions boundary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// Description.
    pub description: String,
}

/// What a role may do: its attached and inline policies, as far as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RolePolicies {
    /// ARNs of attached managed policies.
    pub attached: Vec<String>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, Document>,
}

/// A role with all that has to go before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleContents {
    /// The role.
    pub role: Role,
    /// ARNs of attached managed policies.
    pub attached: Vec<String>,
    /// Names of inline policies.
    pub inline: Vec<String>,
    /// Names of the instance profiles that hold it.
    pub instance_profiles: Vec<String>,
}

/// Path of the roles that podid creates, unless told otherwise.
pub const PATH: &str = "/podid/";

/// Name of the role that podid makes for a service account when none is named:
/// `<cluster>-<ns>-<sa>-<8 hex>`, cut before the hash to the 64 characters of a role name.
/// All three names have only characters that a role name may have.
pub fn derived_name(cluster: &Cluster, subject: &ServiceAccount) -> String {
    let hash = text::short_hash(&[&cluster.arn.to_string(), &subject.namespace, &subject.name], 8);
    let mut base = format!("{}-{}-{}", cluster.name, subject.namespace, subject.name);
    base.truncate(64 - 1 - hash.len());
    format!("{}-{hash}", base.trim_end_matches(['-', '.']))
}

/// Tag keys on what podid creates.
pub mod tags {
    /// Always `podid`.
    pub const MANAGED_BY: &str = "podid.dev/managed-by";
    /// The cluster's ARN.
    pub const CLUSTER: &str = "podid.dev/cluster";
    /// The namespace.
    pub const NAMESPACE: &str = "podid.dev/namespace";
    /// The service account.
    pub const SERVICE_ACCOUNT: &str = "podid.dev/service-account";
    /// `metadata.name` of the file that it is kept by.
    pub const MANIFEST: &str = "podid.dev/manifest";
}
