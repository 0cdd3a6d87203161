//! One document: its keys, their types and their rules. All that is wrong is collected, each with its place and path.

mod exceptions;
mod fields;
mod grants;
mod values;

use std::{collections::BTreeMap, path::Path};

pub(super) use self::exceptions::exceptions;
use self::fields::Fields;
use super::yaml::{Node, NodeKind, Position};
use crate::model::{
    arn::{check_path, check_role_name},
    glob::Pattern,
    grant::SERVICES,
    manifest::{
        Agent, Association, Defaults, Grants, Inline, Manifest, Metadata, Place, Policies, Problem, Role, Source, Table,
    },
    policy,
    want::{Access, Field, Scope},
};

/// What came of a document.
pub(super) struct Decoded {
    pub(super) manifest: Manifest,
    /// Where each path stands.
    pub(super) places: BTreeMap<String, Position>,
    pub(super) problems: Vec<Problem>,
}

/// `apiVersion` and `kind`, to tell podid's documents from others of a folder.
pub(super) fn header(node: &Node) -> (Option<&str>, Option<&str>) {
    let NodeKind::Mapping(pairs) = &node.what else { return (None, None) };
    let text = |wanted: &str| {
        pairs.iter().find_map(|(key, value)| match (&key.what, &value.what) {
            (NodeKind::Scalar { text: key, .. }, NodeKind::Scalar { text, .. }) if key == wanted => Some(text.as_str()),
            _ => None,
        })
    };
    (text("apiVersion"), text("kind"))
}

/// Decodes a document of `source`; `folder` is where its files lie.
pub(super) fn decode(node: &Node, source: &str, folder: &Path) -> Decoded {
    let mut decoder = Decoder { source, folder, places: BTreeMap::new(), problems: Vec::new() };
    decoder.places.insert(String::new(), node.at);
    let manifest = decoder.manifest(node);
    Decoded { manifest, places: decoder.places, problems: decoder.problems }
}

struct Decoder<'a> {
    source: &'a str,
    folder: &'a Path,
    places: BTreeMap<String, Position>,
    problems: Vec<Problem>,
}

impl Decoder<'_> {
    fn say(&mut self, at: Position, path: &str, message: impl Into<String>) {
        let at = Place { source: self.source.to_owned(), line: at.line, column: at.column };
        self.problems.push(Problem { at, path: path.to_owned(), message: message.into() });
    }

    fn manifest(&mut self, node: &Node) -> Manifest {
        let known =
            &["apiVersion", "kind", "metadata", "cluster", "region", "defaults", "agent", "roles", "associations"];
        let Some(fields) = self.fields(node, "", known) else { return Manifest::default() };
        for (key, wanted) in
            [("apiVersion", crate::model::manifest::API_VERSION), ("kind", crate::model::manifest::KIND)]
        {
            match fields.get(key) {
                None => self.say(node.at, "", format!("key `{key}` is missing: `{key}: {wanted}`")),
                Some(value) => {
                    if self.text(value, key).is_some_and(|text| text != wanted) {
                        self.say(value.at, key, format!("podid accepts only `{wanted}`"));
                    }
                }
            }
        }
        Manifest {
            metadata: fields.get("metadata").map(|node| self.metadata(node)).unwrap_or_default(),
            cluster: self.optional(&fields, "cluster"),
            region: self.optional(&fields, "region"),
            defaults: fields.get("defaults").map(|node| self.defaults(node)).unwrap_or_default(),
            agent: fields.get("agent").map(|node| self.agent(node)),
            roles: fields.get("roles").map(|node| self.list(node, "roles", Self::role)).unwrap_or_default(),
            associations: fields
                .get("associations")
                .map(|node| self.list(node, "associations", Self::association))
                .unwrap_or_default(),
            ..Manifest::default()
        }
    }

    fn metadata(&mut self, node: &Node) -> Metadata {
        let Some(fields) = self.fields(node, "metadata", &["name"]) else { return Metadata::default() };
        let name = self.optional(&fields, "name");
        if let (Some(name), Some(node)) = (&name, fields.get("name"))
            && crate::model::names::ServiceAccount::new("default", name).is_err()
        {
            self.say(
                node.at,
                "metadata.name",
                "a name may have only lower-case letters, digits, `-` and `.`, at most 253",
            );
        }
        Metadata { name }
    }

    fn defaults(&mut self, node: &Node) -> Defaults {
        let known = &["path", "scope", "permissionsBoundary", "disableSessionTags", "tags"];
        let Some(fields) = self.fields(node, "defaults", known) else { return Defaults::default() };
        let tags = self.field(&fields, "tags", Self::tags);
        let mut own = BTreeMap::new();
        for (key, value) in tags.set().into_iter().flatten() {
            match (value, fields.get("tags")) {
                (Some(value), _) => {
                    own.insert(key.clone(), value.clone());
                }
                (None, Some(node)) => {
                    self.say(node.at, "defaults.tags", format!("tag `{key}` has no value to be a default"));
                }
                (None, None) => {}
            }
        }
        Defaults {
            path: self.checked(&fields, "path", |text| check_path(text).map_err(|e| e.to_string())),
            scope: self.scope(&fields),
            permissions_boundary: self.checked(&fields, "permissionsBoundary", values::policy_arn),
            disable_session_tags: self.field(&fields, "disableSessionTags", Self::boolean).set().copied(),
            tags: own,
        }
    }

    fn agent(&mut self, node: &Node) -> Agent {
        if node.is_null() {
            self.say(
                node.at,
                "agent",
                "`null` is not an agent: `agent: {}` installs it if it is missing; without the key, it is left unchanged",
            );
            return Agent::default();
        }
        let Some(fields) = self.fields(node, "agent", &["version", "configuration"]) else { return Agent::default() };
        let version = self.optional(&fields, "version");
        Agent { version, configuration: self.field(&fields, "configuration", Self::object) }
    }

    fn scope(&mut self, fields: &Fields<'_>) -> Option<Scope> {
        let node = fields.get("scope")?;
        let path = fields.path("scope");
        let text = self.text(node, &path)?;
        let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
        if found.is_none() {
            let known = Scope::ALL.map(Scope::as_str).join("`, `");
            self.say(node.at, &path, format!("`{text}` is not a scope: `{known}`"));
        }
        found
    }

    fn role(&mut self, node: &Node, path: &str) -> Option<Role> {
        let known = &["name", "path", "scope", "permissionsBoundary", "tags", "policies"];
        let fields = self.fields(node, path, known)?;
        let name = self.required(&fields, node, "name", |text| check_role_name(text).map_err(|e| e.to_string()));
        Some(Role {
            name: name.unwrap_or_default(),
            path: self.checked(&fields, "path", |text| check_path(text).map_err(|e| e.to_string())),
            scope: self.scope(&fields),
            permissions_boundary: self.checked_field(&fields, "permissionsBoundary", values::policy_arn),
            tags: self.field(&fields, "tags", Self::tags),
            policies: fields
                .get("policies")
                .map(|node| self.policies(node, &fields.path("policies")))
                .unwrap_or_default(),
        })
    }

    fn policies(&mut self, node: &Node, path: &str) -> Policies {
        if node.is_null() {
            let grants = Grants::cleared();
            return Policies { dynamodb: Field::Cleared, grants, managed: Field::Cleared, inline: Field::Cleared };
        }
        let known: Vec<&str> =
            ["dynamodb", "managed", "inline"].into_iter().chain(SERVICES.iter().map(|service| service.flag)).collect();
        let Some(fields) = self.fields(node, path, &known) else {
            return Policies::default();
        };
        let managed = self.field(&fields, "managed", |this, node, path| {
            Some(this.list(node, path, |this, node, path| this.rule(node, path, values::policy_arn)))
        });
        let policies = Policies {
            dynamodb: self.field(&fields, "dynamodb", |this, node, path| Some(this.list(node, path, Self::table))),
            grants: self.grants(&fields),
            managed,
            inline: self.field(&fields, "inline", |this, node, path| Some(this.list(node, path, Self::inline))),
        };
        self.twice(&fields, "managed", policies.managed.set().into_iter().flatten().map(String::as_str));
        self.twice(&fields, "inline", policies.inline.set().into_iter().flatten().map(|one| one.name.as_str()));
        policies
    }

    fn table(&mut self, node: &Node, path: &str) -> Option<Table> {
        let fields = self.fields(node, path, &["table", "access", "indexes", "leadingKeys", "kmsKey"])?;
        let table = self.required(&fields, node, "table", values::table)?;
        let access = match fields.get("access") {
            None => Access::Read,
            Some(node) => {
                let path = fields.path("access");
                let text = self.text(node, &path)?;
                text.parse().map_err(|e: policy::TableError| self.say(node.at, &path, e.to_string())).ok()?
            }
        };
        let indexes = fields.get("indexes").map(|node| {
            let rule = |text: &str| policy::check_index_name(text).map_err(|e| e.to_string());
            self.list(node, &fields.path("indexes"), |this, node, path| this.rule(node, path, rule))
        });
        let tag = |text: &str| crate::model::tags::check_key(text).map_err(|e| e.to_string());
        let table = Table {
            table,
            access,
            indexes,
            leading_keys: self.checked(&fields, "leadingKeys", tag),
            kms_key: self.checked(&fields, "kmsKey", values::key_arn),
        };
        for (key, wrong) in [
            ("leadingKeys", table.leading_keys.is_some() && matches!(access, Access::Stream | Access::Full)),
            ("indexes", table.indexes.is_some() && matches!(access, Access::Write | Access::Stream)),
        ] {
            if let (true, Some(node)) = (wrong, fields.get(key)) {
                self.say(node.at, &fields.path(key), format!("access `{access}` has no key `{key}`"));
            }
        }
        Some(table)
    }

    fn inline(&mut self, node: &Node, path: &str) -> Option<Inline> {
        let fields = self.fields(node, path, &["name", "document", "file"])?;
        let source = self.source(&fields, node)?;
        let name = match (self.optional(&fields, "name"), fields.get("file")) {
            (Some(name), _) => name,
            (None, Some(file)) => {
                let given = self.text(file, &fields.path("file"))?;
                policy::own_name(&given).map_err(|e| self.say(file.at, &fields.path("file"), e.to_string())).ok()?
            }
            (None, None) => {
                self.say(node.at, path, "key `name` is missing");
                return None;
            }
        };
        if let (Err(e), Some(node)) = (policy::own_name(&format!("{name}.json")), fields.get("name")) {
            self.say(node.at, &fields.path("name"), e.to_string());
        }
        if let Some(document) = source.document() {
            let at = fields.get("document").or(fields.get("file")).map_or(node.at, |node| node.at);
            if document.0.get("Statement").is_none() {
                self.say(at, path, "this is not a policy document: it has no Statement");
            } else {
                // A document may be an export of what IAM accepted long ago: more than IAM's rules are for files.
                let all = if fields.get("file").is_some() { policy::lint(document) } else { policy::faults(document) };
                for wrong in all.iter().filter(|issue| issue.is_error()) {
                    self.say(at, path, format!("this policy is not valid: {wrong}"));
                }
            }
        }
        Some(Inline { name, source })
    }

    fn association(&mut self, node: &Node, path: &str) -> Option<Association> {
        let known = &[
            "serviceAccount",
            "role",
            "targetRole",
            "disableSessionTags",
            "sessionPolicy",
            "tags",
            "createServiceAccount",
        ];
        let fields = self.fields(node, path, known)?;
        let pattern = |text: &str| text.parse::<Pattern>().map(|_| ()).map_err(|e| e.to_string());
        let service_account = self.required(&fields, node, "serviceAccount", pattern);
        let role = self.required(&fields, node, "role", |text| {
            text.parse::<crate::model::arn::RoleRef>().map(|_| ()).map_err(|e| e.to_string())
        });
        let session_policy = self.field(&fields, "sessionPolicy", |this, node, path| {
            let fields = this.fields(node, path, &["document", "file"])?;
            this.source(&fields, node)
        });
        if let (Field::Set(Source::Document(document)), Some(node)) = (&session_policy, fields.get("sessionPolicy"))
            && let Err(why) = policy::check_session(document)
        {
            self.say(node.at, &fields.path("sessionPolicy"), format!("the document {why}"));
        }
        Some(Association {
            service_account: service_account.unwrap_or_default(),
            role: role.unwrap_or_default(),
            target_role: self.checked_field(&fields, "targetRole", values::role_arn),
            disable_session_tags: self.field(&fields, "disableSessionTags", Self::boolean),
            session_policy,
            tags: self.field(&fields, "tags", Self::tags),
            create_service_account: self.field(&fields, "createServiceAccount", Self::boolean).set().copied(),
        })
    }
}
