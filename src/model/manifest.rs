//! The file of `apply`, `diff` and `export`: one document of it, and what several come to together. Reading text is not here.
//!
//! A key that is left away is left as it is; `null` and an empty list clear. A list that is given is the whole list.

mod annotated;
mod entries;
mod export;
mod grants;
mod holdings;
mod schema;

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use self::{
    annotated::{PassedOver, RolePattern, annotated},
    entries::{Entries, Entry, Place, Places, Problem, entries, pattern},
    export::{configuration, custom_tags, export, made_for, referenced},
    grants::Grants,
    holdings::{ClusterState, KubernetesState, Prunable, RoleState},
    schema::json_schema,
};
use super::{
    document::Document,
    want::{Access, Field, Scope},
};

/// `apiVersion` of every document.
pub const API_VERSION: &str = "podid.dev/v1";

/// `kind` of every document.
pub const KIND: &str = "PodIdentity";

/// Tags of the user's; `null` takes one away.
pub type Tags = BTreeMap<String, Option<String>>;

/// What podid manages in one EKS cluster: roles, and which service accounts act as them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub api_version: ApiVersion,
    /// Kind of document.
    pub kind: Kind,
    /// Name of the document.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Name of the EKS cluster; a flag with another value is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Region of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Defaults of the roles and associations of this document.
    #[serde(default, skip_serializing_if = "Defaults::is_empty")]
    pub defaults: Defaults,
    /// The EKS Pod Identity agent add-on. If omitted, it is left unchanged; an empty mapping installs it if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// IAM roles that podid creates and updates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Service accounts and the roles that they use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub associations: Vec<Association>,
}

/// The one version there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ApiVersion {
    /// The first.
    #[default]
    #[serde(rename = "podid.dev/v1")]
    V1,
}

/// The one kind there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Kind {
    /// A cluster's pod identities.
    #[default]
    PodIdentity,
}

/// Name of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name: podid tags everything that it creates from this document with it, and `--prune` deletes by it. Lower-case
    /// letters, digits, `-` and `.`, at most 253.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Metadata {
    fn is_empty(&self) -> bool {
        self.name.is_none()
    }
}

/// Defaults of roles and associations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// Path of roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who may assume the roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// ARN of the permissions boundary of roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// Disable the session tags of associations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_session_tags: Option<bool>,
    /// Tags of roles and associations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Defaults {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The EKS Pod Identity agent add-on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agent {
    /// Version; if omitted, EKS's default for an installation, and the installed version is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its configuration: a mapping that matches the add-on's schema.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub configuration: Field<Value>,
}

/// An IAM role that podid creates and updates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Name, at most 64 characters.
    pub name: String,
    /// Path; `/podid/` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who may assume the role: each service account of its associations, or all of their namespace, of the cluster, or of
    /// the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// ARN of its permissions boundary.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<String>")]
    pub permissions_boundary: Field<String>,
    /// Tags; `null` removes one. Other existing tags are kept.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<Tags>")]
    pub tags: Field<Tags>,
    /// Its permissions.
    #[serde(default, skip_serializing_if = "Policies::is_empty")]
    pub policies: Policies,
}

/// Permissions of a role. Each list is the complete list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = grants::into_schema)]
pub struct Policies {
    /// DynamoDB tables.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<Vec<Table>>")]
    pub dynamodb: Field<Vec<Table>>,
    /// Resources of other services.
    #[serde(flatten)]
    #[schemars(skip)]
    pub grants: Grants,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<Vec<String>>")]
    pub managed: Field<Vec<String>>,
    /// Inline policies besides podid's own.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<Vec<Inline>>")]
    pub inline: Field<Vec<Inline>>,
}

impl Policies {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Access to a DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// A name in the cluster's region, `region:name`, or an ARN.
    pub table: String,
    /// Access level; `read` if omitted.
    #[serde(default)]
    pub access: Access,
    /// Names of its indexes that may be read; all if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Vec<String>>,
    /// Session tag that the items' partition keys must equal: for one table with many tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leading_keys: Option<String>,
    /// ARN of the customer managed KMS key that encrypts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

/// An inline policy; `document` or `file`, not both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inline {
    /// Name of the policy; with `file`, the name of the file if omitted.
    #[serde(default)]
    pub name: String,
    /// The document, or the file with it.
    #[serde(flatten)]
    pub source: Source,
}

/// A policy document, written here or in a separate file.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The document itself.
    #[schemars(with = "serde_json::Map<String, Value>")]
    Document(Document),
    /// Path of a JSON file, relative to the folder of the manifest.
    File(String),
}

/// A mapping of one key: derived, YAML would have a tag of its own for it, which no reader knows.
impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Document(document) => serializer.collect_map([("document", document)]),
            Self::File(path) => serializer.collect_map([("file", path)]),
        }
    }
}

impl Source {
    /// The document; `None` for a file that was not read yet.
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Document(document) => Some(document),
            Self::File(_) => None,
        }
    }
}

/// A service account, or a pattern of them, and its role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Association {
    /// `NAMESPACE/SERVICE_ACCOUNT`; `*` and `?` match the names of existing service accounts.
    pub service_account: String,
    /// Name of a role of this manifest, or the ARN of any other role.
    pub role: String,
    /// ARN of a target role, of this or another account.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<String>")]
    pub target_role: Field<String>,
    /// Disable session tags.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<bool>")]
    pub disable_session_tags: Field<bool>,
    /// Policy that limits the pods' sessions; needs `disableSessionTags: true`.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<Source>")]
    pub session_policy: Field<Source>,
    /// Tags; `null` removes one. Other existing tags are kept.
    #[serde(default, skip_serializing_if = "Field::is_unmanaged")]
    #[schemars(with = "Option<Tags>")]
    pub tags: Field<Tags>,
    /// Create the service account in Kubernetes if it does not exist; its namespace has to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_service_account: Option<bool>,
}

impl<T> Field<T> {
    /// Not asked for.
    pub fn is_unmanaged(&self) -> bool {
        matches!(self, Self::Unmanaged)
    }
}

/// What is said of documents of others in a file.
pub fn ignored(documents: usize) -> Option<String> {
    match documents {
        0 => None,
        1 => Some("1 document of another kind ignored".to_owned()),
        n => Some(format!("{n} documents of other kinds ignored")),
    }
}

impl Field<bool> {
    /// On; what is off is not asked for.
    pub fn switch(on: bool) -> Self {
        if on { Self::Set(true) } else { Self::Unmanaged }
    }
}

impl<T> Field<Vec<T>> {
    /// The whole list; one without anything in it is not asked for.
    pub fn listed(list: Vec<T>) -> Self {
        if list.is_empty() { Self::Unmanaged } else { Self::Set(list) }
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => serializer.serialize_some(value),
            Self::Unmanaged | Self::Cleared => serializer.serialize_none(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(_) => f.write_str("a document"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}
