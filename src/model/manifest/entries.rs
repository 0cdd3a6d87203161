//! What the documents of one run come to together: defaults folded in, each entry with its place, and what contradicts.

use std::{collections::BTreeMap, fmt};

use super::{Agent, Association, Manifest, Role, Tags};
use crate::model::{
    arn::Arn,
    glob::Pattern,
    want::{Field, Scope},
};

/// Where something stands in what was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as it was named, or `stdin`.
    pub source: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// Path of keys, `associations[2].role`; empty for the document.
    pub path: String,
    /// What.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{}: {}{colon}{}", self.at, self.path, self.message)
    }
}

/// A role or an association of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// It, with the document's defaults.
    pub value: T,
    /// `metadata.name` of its document.
    pub name: Option<String>,
    /// Where it stands.
    pub at: Place,
    /// `associations[2]`.
    pub path: String,
}

impl<T> Entry<T> {
    fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        Problem { at: self.at.clone(), path: format!("{}.{key}", self.path), message: message.into() }
    }
}

/// All entries of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Cluster, where a document names one.
    pub cluster: Option<String>,
    /// Region, where a document names one.
    pub region: Option<String>,
    /// The agent, where a document has it.
    pub agent: Option<Agent>,
    /// Names of the documents.
    pub names: Vec<Option<String>>,
    /// Roles.
    pub roles: Vec<Entry<Role>>,
    /// Associations.
    pub associations: Vec<Entry<Association>>,
}

impl Entries {
    /// Nothing is wanted at all.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.associations.is_empty() && self.agent.is_none()
    }

    /// The role of this file that an association names, by name or by its ARN's name and path.
    pub fn role(&self, named: &str) -> Option<&Entry<Role>> {
        self.roles.iter().find(|role| role.value.name == named)
    }
}

/// Where each entry of a document stands: a document's place, and by path (`roles[0]`, `associations[2].role`) those inside.
pub type Places<'a> = &'a dyn Fn(&str) -> Place;

/// Puts documents together.
///
/// # Errors
/// All contradictions at once.
pub fn entries<'a>(documents: impl IntoIterator<Item = (Manifest, Places<'a>)>) -> Result<Entries, Vec<Problem>> {
    let (mut all, mut problems) = (Entries::default(), Vec::new());
    for (document, places) in documents {
        let mut one = |have: &mut Option<String>, given: Option<String>, key: &str| {
            if let (Some(have), Some(given)) = (&*have, &given)
                && have != given
            {
                let message = format!("`{given}`, but another document says `{have}`: one run is for one cluster");
                problems.push(Problem { at: places(key), path: key.to_owned(), message });
            }
            *have = have.take().or(given);
        };
        one(&mut all.cluster, document.cluster, "cluster");
        one(&mut all.region, document.region, "region");
        if let Some(agent) = document.agent {
            if all.agent.as_ref().is_some_and(|have| *have != agent) {
                let message = "another document wants the agent otherwise".to_owned();
                problems.push(Problem { at: places("agent"), path: "agent".to_owned(), message });
            }
            all.agent = Some(agent);
        }
        let (name, defaults) = (document.metadata.name, document.defaults);
        for (index, mut value) in document.roles.into_iter().enumerate() {
            value.path = value.path.or_else(|| defaults.path.clone());
            value.scope = value.scope.or(defaults.scope);
            if let (Field::Unmanaged, Some(boundary)) = (&value.permissions_boundary, &defaults.permissions_boundary) {
                value.permissions_boundary = Field::Set(boundary.clone());
            }
            value.tags = with_defaults(value.tags, &defaults.tags);
            let path = format!("roles[{index}]");
            all.roles.push(Entry { value, name: name.clone(), at: places(&path), path });
        }
        for (index, mut value) in document.associations.into_iter().enumerate() {
            if let (Field::Unmanaged, Some(off)) = (&value.disable_session_tags, defaults.disable_session_tags) {
                value.disable_session_tags = Field::Set(off);
            }
            value.tags = with_defaults(value.tags, &defaults.tags);
            let path = format!("associations[{index}]");
            all.associations.push(Entry { value, name: name.clone(), at: places(&path), path });
        }
        all.names.push(name);
    }
    twice(&all.roles, "name", |role| role.name.clone(), "role", &mut problems);
    twice(&all.associations, "serviceAccount", |a| a.service_account.clone(), "service account", &mut problems);
    for entry in &all.associations {
        related(&all, entry, &mut problems);
    }
    for role in &all.roles {
        lonely(&all, role, &mut problems);
    }
    problems.sort();
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn with_defaults(tags: Field<Tags>, defaults: &BTreeMap<String, String>) -> Field<Tags> {
    if defaults.is_empty() {
        return tags;
    }
    let mut all: Tags = defaults.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    match tags {
        Field::Unmanaged => Field::Set(all),
        Field::Set(own) => {
            all.extend(own);
            Field::Set(all)
        }
        Field::Cleared => Field::Cleared,
    }
}

fn twice<T>(list: &[Entry<T>], key: &str, of: impl Fn(&T) -> String, what: &str, problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<String, &Place> = BTreeMap::new();
    for entry in list {
        let name = of(&entry.value);
        if let Some(before) = first.get(&name) {
            problems.push(entry.problem(key, format!("{what} `{name}` comes twice, first at {before}")));
        } else {
            first.insert(name, &entry.at);
        }
    }
}

/// An association and its role must fit together.
fn related(all: &Entries, entry: &Entry<Association>, problems: &mut Vec<Problem>) {
    let value = &entry.value;
    let off = matches!(value.disable_session_tags, Field::Set(true));
    if matches!(value.session_policy, Field::Set(_)) && !off {
        problems.push(entry.problem("sessionPolicy", "a session policy needs `disableSessionTags: true`"));
    }
    if value.role.parse::<Arn>().is_ok() {
        return;
    }
    let Some(role) = all.role(&value.role) else {
        let near = super::super::text::nearest(&value.role, all.roles.iter().map(|role| role.value.name.as_str()));
        let near = near.first().map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let message =
            format!("no role `{}` is defined here; a role of elsewhere is named by its ARN{near}", value.role);
        problems.push(entry.problem("role", message));
        return;
    };
    if let (true, Some(scope @ (Scope::ServiceAccount | Scope::Namespace))) = (off, role.value.scope) {
        problems.push(entry.problem(
            "disableSessionTags",
            format!(
                "role `{}` has scope `{}`, which needs session tags; choose `scope: cluster` for it",
                role.value.name,
                scope.as_str()
            ),
        ));
    }
}

/// A trust policy must trust somebody.
fn lonely(all: &Entries, role: &Entry<Role>, problems: &mut Vec<Problem>) {
    let wide = matches!(role.value.scope, Some(Scope::Cluster | Scope::None));
    let used =
        all.associations.iter().any(|a| all.role(&a.value.role).is_some_and(|r| r.value.name == role.value.name));
    if !wide && !used {
        problems.push(role.problem(
            "name",
            format!("no association uses role `{}`, so that it would trust nobody; `scope: cluster` trusts the whole cluster", role.value.name),
        ));
    }
}

/// The pattern of an association; `None` when it is none, which reading refuses.
pub fn pattern(association: &Association) -> Option<Pattern> {
    association.service_account.parse().ok()
}
