//! Files of other tools, read as a manifest: eksctl's ClusterConfig, Terraform's state and plan, CloudFormation templates, and
//! the custom resources of ACK and Crossplane.
//!
//! A role whose ARN the file tells is referenced by it: it stays the other tool's. A role that the file only describes is written
//! with its policies. What a manifest cannot carry is listed.

mod cloudformation;
mod eksctl;
mod objects;
mod terraform;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    document::Document,
    manifest::{self, Agent, Association, Inline, Manifest, Policies, Role, Source},
    policy::is_podids,
    want::Field,
};

/// What a file came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What kind of file it is.
    pub from: &'static str,
    /// The manifest.
    pub manifest: Manifest,
    /// What it does not carry, one line each, with its place in the file.
    pub left: Vec<String>,
}

/// What is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In which document, from 0.
    pub document: usize,
    /// Keys and positions that lead to it.
    pub path: Vec<String>,
    /// What.
    pub message: String,
}

/// The manifest of a file, given by its documents; `None` where it is of no tool that is known. With `cluster` only what belongs
/// to that one.
///
/// # Errors
/// What is missing or of another type, and associations of several clusters.
pub fn import(documents: &[Value], cluster: Option<&str>) -> Option<Result<Imported, Problem>> {
    let all: Vec<At<'_>> =
        documents.iter().enumerate().flat_map(|(at, value)| listed_in(At::document(at, value))).collect();
    let (mut from, mut drafts, mut others) = (None, Vec::new(), 0);
    for at in &all {
        let (kind, draft) = if at.text("kind") == Some("ClusterConfig") {
            ("eksctl ClusterConfig", eksctl::read(at))
        } else if terraform::is_one(at.value) {
            ("Terraform file", terraform::read(at))
        } else if cloudformation::is_one(at.value) {
            ("CloudFormation template", cloudformation::read(at))
        } else {
            others += usize::from(!objects::is_one(at.value));
            continue;
        };
        from.get_or_insert(kind);
        match draft {
            Ok(draft) => drafts.push(draft),
            Err(problem) => return Some(Err(problem)),
        }
    }
    if all.iter().any(|at| objects::is_one(at.value)) {
        from.get_or_insert("file of custom resources");
        match objects::read(&all) {
            Ok(draft) => drafts.push(draft),
            Err(problem) => return Some(Err(problem)),
        }
    }
    let from = from?;
    let mut together = Draft::default();
    together.left.extend(manifest::ignored(others));
    for draft in drafts {
        if let (Some(wanted), Some(own)) = (cluster, &draft.cluster)
            && own != wanted
        {
            together.left.push(format!("the {from} of cluster `{own}` is ignored"));
            continue;
        }
        together.add(draft);
    }
    Some(together.finish(from, cluster))
}

/// The objects of a list, as kubectl prints them; anything else is itself.
fn listed_in(at: At<'_>) -> Vec<At<'_>> {
    let list = at.text("kind").is_some_and(|kind| kind.ends_with("List")) && at.text("apiVersion").is_some();
    if list && at.value.get("items").is_some_and(Value::is_array) { at.items("items") } else { vec![at] }
}

/// A value, and where it stands.
#[derive(Clone)]
struct At<'a> {
    document: usize,
    path: Vec<String>,
    value: &'a Value,
}

impl<'a> At<'a> {
    fn document(document: usize, value: &'a Value) -> Self {
        Self { document, path: Vec::new(), value }
    }

    /// What a key has; `None` where it is not there, or null.
    fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(self.step(key.to_owned(), value))
    }

    fn step(&self, name: String, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(name);
        Self { document: self.document, path, value }
    }

    /// What a path of keys has.
    fn at(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    /// The items of a list; nothing where it is none.
    fn items(&self, key: &str) -> Vec<Self> {
        let Some(list) = self.get(key) else { return Vec::new() };
        let items = list.value.as_array().into_iter().flatten().enumerate();
        items.map(|(at, value)| list.step(format!("[{at}]"), value)).collect()
    }

    /// The fields of a mapping.
    fn fields(&self) -> Vec<(&'a str, Self)> {
        let fields = self.value.as_object().into_iter().flatten();
        fields.map(|(key, value)| (key.as_str(), self.step(key.clone(), value))).collect()
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    fn flag(&self, key: &str) -> bool {
        self.value.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    fn texts(&self, key: &str) -> Vec<String> {
        self.items(key).iter().filter_map(|item| item.value.as_str().map(str::to_owned)).collect()
    }

    /// Keys with texts.
    fn map(&self, key: &str) -> BTreeMap<String, String> {
        let fields = self.get(key).map(|at| at.fields()).unwrap_or_default();
        fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.value.as_str()?.to_owned()))).collect()
    }

    fn need(&self, key: &str) -> Result<&'a str, Problem> {
        self.text(key).ok_or_else(|| self.wrong(format!("key `{key}` is missing, or is not a text")))
    }

    /// A policy, as an object or as JSON text.
    fn policy(&self, key: &str) -> Result<Option<Document>, Problem> {
        let Some(at) = self.get(key) else { return Ok(None) };
        match at.value {
            Value::Object(_) => Ok(Some(Document(at.value.clone()))),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) => match serde_json::from_str(text) {
                Ok(document @ Value::Object(_)) => Ok(Some(Document(document))),
                _ => Err(at.wrong("this is not a policy in JSON")),
            },
            _ => Err(at.wrong("this is not a policy document")),
        }
    }

    fn wrong(&self, message: impl Into<String>) -> Problem {
        Problem { document: self.document, path: self.path.clone(), message: message.into() }
    }

    /// The path as people write it: `iam.serviceAccounts[0]`.
    fn place(&self) -> String {
        place(&self.path)
    }
}

/// A path as people write it.
pub fn place(path: &[String]) -> String {
    path.join(".").replace(".[", "[")
}

/// What was found so far.
#[derive(Default)]
struct Draft {
    /// Of the whole file, where it tells.
    cluster: Option<String>,
    region: Option<String>,
    agent: Option<Agent>,
    roles: Vec<Role>,
    /// With the cluster of each, where it is told.
    associations: Vec<(Option<String>, Association)>,
    left: Vec<String>,
}

impl Draft {
    fn leave(&mut self, at: &At<'_>, what: impl AsRef<str>) {
        let place = at.place();
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        self.left.push(format!("{place}{}", what.as_ref()));
    }

    /// Takes what another part of the file came to.
    fn add(&mut self, other: Self) {
        self.cluster = self.cluster.take().or(other.cluster);
        self.region = self.region.take().or(other.region);
        self.agent = self.agent.take().or(other.agent);
        other.roles.into_iter().for_each(|role| self.describe(role));
        self.associations.extend(other.associations);
        self.left.extend(other.left);
    }

    /// Writes a role once.
    fn describe(&mut self, role: Role) {
        if !self.roles.iter().any(|other| other.name == role.name) {
            self.roles.push(role);
        }
    }

    fn finish(mut self, from: &'static str, wanted: Option<&str>) -> Result<Imported, Problem> {
        let clusters: BTreeSet<&str> = self.associations.iter().filter_map(|(cluster, _)| cluster.as_deref()).collect();
        let cluster = match (wanted, clusters.len()) {
            (Some(wanted), _) => Some(wanted.to_owned()),
            (None, 2..) => {
                let names: Vec<&str> = clusters.into_iter().collect();
                let message =
                    format!("the file has associations of several clusters ({}): pass `--cluster`", names.join(", "));
                return Err(Problem { document: 0, path: Vec::new(), message });
            }
            (None, _) => clusters.into_iter().next().map(str::to_owned).or(self.cluster),
        };
        let of_cluster = |named: &Option<String>| named.is_none() || *named == cluster;
        let mut associations: Vec<Association> = Vec::new();
        for association in self.associations.into_iter().filter(|(named, _)| of_cluster(named)).map(|(_, it)| it) {
            if associations.iter().any(|other| other.service_account == association.service_account) {
                self.left.push(format!(
                    "{} is defined twice: only the first definition is used",
                    association.service_account
                ));
            } else {
                associations.push(association);
            }
        }
        let used = |role: &Role| associations.iter().any(|association| association.role == role.name);
        let manifest = Manifest {
            cluster,
            region: self.region,
            agent: self.agent,
            roles: self.roles.into_iter().filter(used).collect(),
            associations,
            ..Manifest::default()
        };
        Ok(Imported { from, manifest, left: self.left })
    }
}

/// Tags from a list of keys and values.
fn tag_list(at: &At<'_>, key: &str, (name, value): (&str, &str)) -> BTreeMap<String, String> {
    let items = at.items(key);
    items.iter().filter_map(|item| Some((item.text(name)?.to_owned(), item.text(value)?.to_owned()))).collect()
}

fn permissions(at: &At<'_>, managed: Vec<String>, inline: Vec<(String, Document)>, draft: &mut Draft) -> Policies {
    let (own, inline): (Vec<_>, Vec<_>) = inline.into_iter().partition(|(name, _)| is_podids(name));
    for (name, _) in own {
        draft.leave(
            at,
            format!("podid's own policy `{name}` is omitted: add the resources that it grants to the manifest"),
        );
    }
    let inline = inline.into_iter().map(|(name, document)| Inline { name, source: Source::Document(document) });
    Policies { managed: Field::listed(managed), inline: Field::listed(inline.collect()), ..Policies::default() }
}

/// The agent add-on.
fn agent(version: Option<&str>, configuration: Option<&str>, at: &At<'_>, draft: &mut Draft) -> Agent {
    let configuration = manifest::configuration(configuration).unwrap_or_else(|| {
        draft.leave(at, "the agent's configuration is omitted: it is not JSON; add it to the manifest as a mapping");
        Field::Unmanaged
    });
    Agent { version: version.filter(|version| *version != "latest").map(str::to_owned), configuration }
}
