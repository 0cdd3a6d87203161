//! Want: what the user asks for, whichever way it was said. Each field is unmanaged, set, or cleared.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    add_on_policy::AddOnGrant,
    addon::OwningAddon,
    arn::{Arn, RoleRef},
    cluster::Cluster,
    document::Document,
    grant::Grant,
    names::ServiceAccount,
    text,
};

/// One wanted value. Leaving a flag or key away is not the same as clearing it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not asked for: left as it is.
    #[default]
    Unmanaged,
    /// To be this.
    Set(T),
    /// To be nothing.
    Cleared,
}

impl<T> Field<T> {
    /// The wanted value, if set.
    pub fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Unmanaged | Self::Cleared => None,
        }
    }
}

impl<T> Field<T> {
    /// The same wish for another value made of this one.
    pub fn map<U>(&self, of: impl FnOnce(&T) -> U) -> Field<U> {
        match self {
            Self::Unmanaged => Field::Unmanaged,
            Self::Set(value) => Field::Set(of(value)),
            Self::Cleared => Field::Cleared,
        }
    }
}

impl<T: Clone> Field<T> {
    /// The value once what is wanted is brought about on what is there.
    pub fn over(&self, present: Option<T>) -> Option<T> {
        match self {
            Self::Unmanaged => present,
            Self::Set(value) => Some(value.clone()),
            Self::Cleared => None,
        }
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unmanaged, Self::Set)
    }
}

/// What a list of a role's is to be. Taken away is by another value: a table's access of any level, the name of a document.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted<'a, T, G = T> {
    /// Not asked for: left as it is.
    Keep,
    /// These, beside all that are there.
    AtLeast(&'a [T]),
    /// These and no others.
    Exactly(&'a [T]),
    /// Without these.
    Without(&'a [G]),
}

// Lists are borrowed, whatever is in them.
impl<T, G> Clone for Wanted<'_, T, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, G> Copy for Wanted<'_, T, G> {}

impl<T, G> Wanted<'_, T, G> {
    /// Nothing comes of it.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Keep | Self::AtLeast([]) | Self::Without([]))
    }
}

/// Where something was asked for: hints name flags, or keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// On the command line.
    Flags,
    /// In a file of `apply`.
    File,
}

/// Whom a role that podid writes trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This service account of this cluster.
    ServiceAccount,
    /// This namespace of this cluster.
    Namespace,
    /// This cluster.
    Cluster,
    /// Every cluster of the account.
    None,
}

impl Scope {
    /// All scopes, narrowest first.
    pub const ALL: [Self; 4] = [Self::ServiceAccount, Self::Namespace, Self::Cluster, Self::None];

    /// `service-account`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "service-account",
            Self::Namespace => "namespace",
            Self::Cluster => "cluster",
            Self::None => "none",
        }
    }
}

/// How much of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Query, scan, get; with indexes.
    #[default]
    Read,
    /// Put, update, delete.
    Write,
    /// Both.
    ReadWrite,
    /// The table's streams.
    Stream,
    /// Everything on this table, its indexes and streams.
    Full,
}

/// Names that a write is made for though nothing of that name exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `--allow-missing-service-account`: service accounts and their namespaces.
    pub service_account: bool,
    /// `--allow-missing-resources`: tables.
    pub resources: bool,
}

/// A DynamoDB table and the wanted access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableGrant {
    /// ARN of the table, `…:table/NAME`.
    pub table: Arn,
    /// Access.
    pub access: Access,
    /// Which of its indexes may be read.
    pub indexes: Indexes,
    /// Key of the tag whose value the items' partition keys must equal: one table, many tenants.
    pub leading_keys: Option<String>,
    /// ARN of the KMS key that the table is encrypted with, when it is not DynamoDB's own.
    pub key: Option<String>,
    /// `Some` when the table was looked at and does not exist: names like its own that do, best first.
    pub missing: Option<Vec<String>>,
}

/// Which indexes of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Indexes {
    /// All, those of later too.
    #[default]
    All,
    /// Those of these names.
    These(Vec<String>),
}

impl TableGrant {
    /// That the table does not exist, with what may have been meant; `None` unless that was seen.
    pub fn not_there(&self) -> Option<String> {
        let near = self.missing.as_ref()?;
        Some(format!("table {} does not exist{}", self.table, text::did_you_mean(near)))
    }

    /// Access to a table with all its indexes.
    pub fn new(table: Arn, access: Access) -> Self {
        Self { table, access, indexes: Indexes::All, leading_keys: None, key: None, missing: None }
    }
}

/// A permission document given as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Inline policy name on the role, from the file's name.
    pub name: String,
    /// Its document.
    pub document: Document,
}

/// The wanted role.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantRole {
    /// As the user named it, or the derived name with `create`.
    pub role: RoleRef,
    /// Create it if missing (`--create-role`).
    pub create: bool,
    /// Take over a role that podid did not create, or that differs from what podid creates (`--adopt`).
    pub adopt: bool,
    /// True when the name was derived from cluster, namespace and service account.
    pub derived: bool,
    /// `--path`; `/podid/` for a role that podid creates unless told.
    pub path: Option<String>,
    /// `--scope`.
    pub scope: Option<Scope>,
    /// `--permissions-boundary`.
    pub boundary: Option<String>,
    /// `--dynamodb`.
    pub tables: Vec<TableGrant>,
    /// `--s3` and the flags of other services.
    pub grants: Vec<Grant>,
    /// `--add-on`, where podid has statements for it.
    pub add_ons: Vec<AddOnGrant>,
    /// `--policy-arn`, and managed policies of `--add-on`.
    pub policy_arns: Vec<String>,
    /// `--policy-file`.
    pub policy_files: Vec<InlinePolicy>,
    /// `--exact`: no more access to these resources than asked for.
    pub exact: bool,
}

/// Everything wanted for one service account.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The cluster.
    pub cluster: Cluster,
    /// The service account.
    pub subject: ServiceAccount,
    /// The add-on that is to own the association.
    pub addon: Option<Box<OwningAddon>>,
    /// Its role.
    pub role: WantRole,
    /// `--disable-session-tags`.
    pub disable_session_tags: Field<bool>,
    /// `--target-role`, `--no-target-role`.
    pub target_role: Field<Arn>,
    /// `--fix-target-trust`.
    pub fix_target_trust: bool,
    /// `--session-policy`, `--no-session-policy`.
    pub session_policy: Field<Document>,
    /// `--replace`: delete and create again what an update does not clear.
    pub replace: bool,
    /// `--tag`: on the role podid creates and on the association.
    pub tags: BTreeMap<String, String>,
    /// `--create-service-account`.
    pub create_service_account: bool,
    /// What may be missing.
    pub allow: Allowed,
    /// `--install-agent`: the version to install.
    pub install_agent: Option<String>,
    /// `--allow-missing-agent`.
    pub allow_missing_agent: bool,
    /// `--recycle`.
    pub recycle: bool,
}
