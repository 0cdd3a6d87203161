//! What the documents of one run come to together: defaults folded in, each entry with its place, and what contradicts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Agent, Association, Manifest, Role, Tags};
use crate::model::{
    arn::{Arn, last},
    glob::Pattern,
    text,
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
        // What is no text has no lines.
        if self.line == 0 {
            return f.write_str(&self.source);
        }
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
    /// Which document it is of.
    pub document: usize,
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
    by_name: BTreeMap<String, usize>,
}

impl Entries {
    /// Nothing is wanted at all.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.associations.is_empty() && self.agent.is_none()
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> Option<&Entry<Role>> {
        self.by_name.get(name).and_then(|index| self.roles.get(*index))
    }

    fn index(&mut self) {
        self.by_name = self.roles.iter().enumerate().map(|(i, role)| (role.value.name.clone(), i)).collect();
    }
}

/// Where what a path names stands in a document; for an empty path the document itself.
pub type Places<'a> = &'a dyn Fn(&str) -> Place;

/// Puts documents together.
///
/// # Errors
/// All contradictions at once.
pub fn entries<'a>(documents: impl IntoIterator<Item = (Manifest, Places<'a>)>) -> Result<Entries, Vec<Problem>> {
    let (mut all, mut found) = (Entries::default(), Found::default());
    for (number, (document, places)) in documents.into_iter().enumerate() {
        found.places.push(places);
        let mut one = |have: &mut Option<String>, given: Option<String>, key: &str| {
            if let (Some(have), Some(given)) = (&*have, &given)
                && have != given
            {
                found.say(
                    number,
                    key,
                    format!("`{given}`, but another document has `{have}`: a run can change only one cluster"),
                );
            }
            *have = have.take().or(given);
        };
        one(&mut all.cluster, document.cluster, "cluster");
        one(&mut all.region, document.region, "region");
        if let Some(agent) = document.agent {
            if all.agent.as_ref().is_some_and(|have| *have != agent) {
                found.say(number, "agent", "another document has different settings for the agent".to_owned());
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
            all.roles.push(Entry { value, name: name.clone(), at: places(&path), path, document: number });
        }
        for (index, mut value) in document.associations.into_iter().enumerate() {
            if let (Field::Unmanaged, Some(off)) = (&value.disable_session_tags, defaults.disable_session_tags) {
                value.disable_session_tags = Field::Set(off);
            }
            value.tags = with_defaults(value.tags, &defaults.tags);
            let path = format!("associations[{index}]");
            all.associations.push(Entry { value, name: name.clone(), at: places(&path), path, document: number });
        }
        all.names.push(name);
    }
    all.index();
    found.twice(&all.roles, "name", |role| &role.name, "role");
    found.twice(&all.associations, "serviceAccount", |a| &a.service_account, "service account");
    let used: BTreeSet<&str> = all.associations.iter().map(|a| last(&a.value.role)).collect();
    for entry in &all.associations {
        found.related(&all, entry);
    }
    for role in &all.roles {
        found.lonely(&used, role);
    }
    let Found { mut problems, .. } = found;
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

#[derive(Default)]
struct Found<'a> {
    problems: Vec<Problem>,
    places: Vec<Places<'a>>,
}

impl Found<'_> {
    fn say(&mut self, document: usize, path: &str, message: String) {
        let at = self.places.get(document).map(|places| places(path)).unwrap_or_default();
        self.problems.push(Problem { at, path: path.to_owned(), message });
    }

    fn entry<T>(&mut self, entry: &Entry<T>, key: &str, message: String) {
        self.say(entry.document, &format!("{}.{key}", entry.path), message);
    }

    fn twice<T>(&mut self, list: &[Entry<T>], key: &str, of: impl Fn(&T) -> &String, what: &str) {
        let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
        for entry in list {
            let name = of(&entry.value);
            if let Some(before) = first.get(name.as_str()) {
                self.entry(entry, key, format!("{what} `{name}` is defined twice, first at {before}"));
            } else {
                first.insert(name, &entry.at);
            }
        }
    }

    /// An association and its role must fit together.
    fn related(&mut self, all: &Entries, entry: &Entry<Association>) {
        let value = &entry.value;
        let off = matches!(value.disable_session_tags, Field::Set(true));
        if matches!(value.session_policy, Field::Set(_)) && !off {
            self.entry(entry, "sessionPolicy", "a session policy needs `disableSessionTags: true`".to_owned());
        }
        if value.create_service_account == Some(true) && pattern(value).is_some_and(|p| p.literal().is_none()) {
            let message = "`createServiceAccount` needs a name, not a pattern".to_owned();
            self.entry(entry, "createServiceAccount", message);
        }
        if value.role.parse::<Arn>().is_ok() {
            return;
        }
        let Some(role) = all.role(&value.role) else {
            let near = text::nearest(&value.role, all.roles.iter().map(|role| role.value.name.as_str()));
            let near = near.first().map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let name = &value.role;
            let message =
                format!("role `{name}` is not defined in the manifest: reference an existing role by its ARN{near}");
            self.entry(entry, "role", message);
            return;
        };
        if let (true, Some(scope @ (Scope::ServiceAccount | Scope::Namespace))) = (off, role.value.scope) {
            let message = format!(
                "role `{}` has scope `{}`, which needs session tags: set `scope: cluster`",
                role.value.name,
                scope.as_str()
            );
            self.entry(entry, "disableSessionTags", message);
        }
    }

    /// A trust policy must trust somebody.
    fn lonely(&mut self, used: &BTreeSet<&str>, role: &Entry<Role>) {
        let wide = matches!(role.value.scope, Some(Scope::Cluster | Scope::None));
        let name = &role.value.name;
        if !wide && !used.contains(name.as_str()) {
            let message = format!(
                "no association uses role `{name}`, so its trust policy would be empty: `scope: cluster` trusts the whole cluster"
            );
            self.entry(role, "name", message);
        }
    }
}

/// The pattern of an association; `None` when it is none, which reading refuses.
pub fn pattern(association: &Association) -> Option<Pattern> {
    association.service_account.parse().ok()
}
