//! What is there, written as the files of other tools: Terraform, CloudFormation, ACK, Crossplane and eksctl. Each is written so
//! that the tool takes over what exists, and changes nothing.
//!
//! Fields and import identifiers: the AWS provider of Terraform 6.x, the resource types of CloudFormation, the CRDs of the ACK
//! controllers for EKS and IAM and of Crossplane's AWS provider, and eksctl's schema.

mod ack;
mod cloudformation;
mod crossplane;
mod eksctl;
mod hcl;
mod terraform;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    addon::Addon,
    association::Association,
    cluster::Cluster,
    document::Document,
    manifest::{ClusterState, made_for},
    role::Role,
    tags,
    text::short_hash,
};

/// A format of another tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignFormat {
    /// HCL with `import` blocks, for Terraform and OpenTofu.
    Terraform,
    /// A template.
    CloudFormation,
    /// The resources to import into a stack of that template.
    CloudFormationImport,
    /// Custom resources of the ACK controllers.
    Ack,
    /// Managed resources of Crossplane.
    Crossplane,
    /// A ClusterConfig.
    Eksctl,
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// As it is.
    Text(String),
    /// Documents of YAML.
    Yaml(Vec<Value>),
    /// JSON.
    Json(Value),
}

/// A role with its policies.
struct Held<'a> {
    role: &'a Role,
    attached: &'a [String],
    inline: &'a BTreeMap<String, Document>,
}

/// What is written.
struct State<'a> {
    cluster: &'a Cluster,
    agent: Option<&'a Addon>,
    roles: Vec<Held<'a>>,
    associations: Vec<&'a Association>,
}

/// The file, and what it cannot carry, one line each. Roles that podid did not create for the cluster are referenced by ARN.
pub fn write(format: ForeignFormat, cluster: &Cluster, have: &ClusterState) -> (Written, Vec<String>) {
    static NONE: BTreeMap<String, Document> = BTreeMap::new();
    let roles = made_for(cluster, have).into_values().map(|(role, held)| Held {
        role,
        attached: held.attached.known().map_or(&[][..], Vec::as_slice),
        inline: held.inline.known().unwrap_or(&NONE),
    });
    let state = State {
        cluster,
        agent: have.addon.known().and_then(Option::as_ref),
        roles: roles.collect(),
        associations: have.associations.values().collect(),
    };
    let mut notes = state.owners();
    let written = match format {
        ForeignFormat::Terraform => Written::Text(terraform::file(&state)),
        ForeignFormat::CloudFormation => Written::Yaml(vec![cloudformation::template(&state)]),
        ForeignFormat::CloudFormationImport => Written::Json(cloudformation::imports(&state)),
        ForeignFormat::Ack => Written::Yaml(ack::resources(&state)),
        ForeignFormat::Crossplane => Written::Yaml(crossplane::resources(&state, &mut notes)),
        ForeignFormat::Eksctl => Written::Yaml(vec![eksctl::config(&state, &mut notes)]),
    };
    (written, notes)
}

impl State<'_> {
    /// What a CloudFormation stack (eksctl's, the CDK's) has made already: two tools would write it.
    fn owners(&self) -> Vec<String> {
        const STACK: &str = "aws:cloudformation:stack-name";
        let associations = self.associations.iter().map(|a| (format!("association {}", a.summary.subject), &a.tags));
        let roles = self.roles.iter().map(|held| (format!("role `{}`", held.role.name), &held.role.tags));
        let owned = associations.chain(roles).filter_map(|(what, tags)| {
            let stack = tags.get(STACK)?;
            Some(format!(
                "{what} belongs to CloudFormation stack `{stack}`: remove it there first, retaining the resource"
            ))
        });
        owned.collect()
    }
}

/// Tags that users can set.
fn own_tags(tags: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let own = tags.iter().filter(|(key, _)| tags::is_settable(key));
    own.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Tags as a list of `Key` and `Value`, or `key` and `value`.
fn tag_list(tags: &BTreeMap<String, String>, (key, value): (&str, &str)) -> Value {
    let one = |(k, v): (&str, &str)| {
        Value::Object(Map::from_iter([(key.to_owned(), json!(k)), (value.to_owned(), json!(v))]))
    };
    own_tags(tags).into_iter().map(one).collect()
}

/// Adds what has a value: neither null nor an empty text, list or object.
fn put(fields: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let value = value.into();
    let empty = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !empty {
        fields.insert(key.to_owned(), value);
    }
}

/// A JSON text as IAM takes it.
fn compact(document: &Document) -> String {
    document.0.to_string()
}

/// Identifiers that are unique within a file.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// A name made of `parts`; with their hash where another has it already.
    fn unique(&mut self, name: String, joint: &str, parts: &[&str]) -> String {
        let name = if self.0.contains(&name) { format!("{name}{joint}{}", short_hash(parts, 8)) } else { name };
        self.0.insert(name.clone());
        name
    }

    /// As Terraform labels resources.
    fn label(&mut self, parts: &[&str]) -> String {
        let mut name = only(&parts.join("_"), '_', |c| c.is_ascii_alphanumeric());
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            name.insert(0, '_');
        }
        self.unique(name, "_", parts)
    }

    /// As Kubernetes names objects.
    fn object(&mut self, parts: &[&str]) -> String {
        let lower = parts.join("-").to_ascii_lowercase();
        let mut name = only(&lower, '-', |c| c.is_ascii_lowercase() || c.is_ascii_digit());
        name.truncate(253 - 9);
        let name = name.trim_matches('-');
        self.unique(if name.is_empty() { "x".to_owned() } else { name.to_owned() }, "-", parts)
    }

    /// As CloudFormation names resources: `carts/my-app` is `CartsMyApp`.
    fn logical(&mut self, parts: &[&str]) -> String {
        let all = parts.join("-");
        let words = all.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
        self.unique(name, "", parts)
    }
}

/// A text with what is not allowed replaced.
fn only(text: &str, other: char, allowed: fn(char) -> bool) -> String {
    text.chars().map(|c| if allowed(c) { c } else { other }).collect()
}

/// A Kubernetes object.
fn object(version: &str, kind: &str, name: &str, annotations: Value, spec: Map<String, Value>) -> Value {
    let metadata = Map::from_iter([("name".to_owned(), name.into()), ("annotations".to_owned(), annotations)]);
    let parts =
        [("apiVersion", version.into()), ("kind", kind.into()), ("metadata", metadata.into()), ("spec", spec.into())];
    parts.into_iter().map(|(key, value): (&str, Value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}
