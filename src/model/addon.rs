//! EKS add-ons: the agent's, and those that own associations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{arn::last, association::Association};

/// Name of the agent's add-on and of its DaemonSet.
pub const AGENT: &str = "eks-pod-identity-agent";

/// An installed add-on as DescribeAddon gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Addon {
    /// Name.
    #[serde(rename = "addonName")]
    pub name: String,
    /// Version, as `v1.3.10-eksbuild.1`.
    #[serde(rename = "addonVersion")]
    pub version: String,
    /// `CREATING`, `ACTIVE`, `CREATE_FAILED`, `UPDATING`, `DELETING`, `DELETE_FAILED`, `DEGRADED`, `UPDATE_FAILED`.
    pub status: String,
    /// Health issues.
    pub issues: Vec<Issue>,
    /// Its configuration as text, JSON or YAML; absent without one.
    #[serde(rename = "configurationValues", skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// The role that its pods get by IRSA; absent without one.
    #[serde(rename = "serviceAccountRoleArn", skip_serializing_if = "Option::is_none")]
    pub service_account_role: Option<String>,
    /// The namespace of its pods, where EKS names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// ARNs of the associations that it owns.
    #[serde(rename = "podIdentityAssociations", default, skip_serializing_if = "Vec::is_empty")]
    pub associations: Vec<String>,
}

impl Addon {
    /// A change of it is under way: EKS takes no other until it has ended.
    pub fn is_changing(&self) -> bool {
        matches!(self.status.as_str(), "CREATING" | "UPDATING" | "DELETING")
    }

    /// Ids of the associations that it owns.
    pub fn association_ids(&self) -> impl Iterator<Item = &str> {
        self.associations.iter().map(|arn| last(arn))
    }

    /// Whether it has this configuration, however that is written. None, an empty one and `{}` are the same to EKS. YAML is compared as
    /// text, and counts as another where it differs.
    pub fn is_configured(&self, given: &str) -> bool {
        let meaning = |text: &str| {
            let text = text.trim();
            if text.is_empty() {
                Ok(Value::Object(Map::new()))
            } else {
                serde_json::from_str(text).map_err(|_| text.to_owned())
            }
        };
        meaning(given) == meaning(self.configuration.as_deref().unwrap_or_default())
    }
}

/// What an install or an update gives besides the version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// `configurationValues`.
    #[serde(rename = "configurationValues", skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// `resolveConflicts`.
    #[serde(rename = "resolveConflicts", skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<Conflicts>,
}

/// What EKS does with fields of the add-on's objects that somebody else changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Conflicts {
    /// Sets them to its own values.
    Overwrite,
    /// Fails.
    None,
    /// Keeps them.
    Preserve,
}

impl Conflicts {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overwrite => "OVERWRITE",
            Self::None => "NONE",
            Self::Preserve => "PRESERVE",
        }
    }
}

/// An update of an add-on under way, as DescribeUpdate gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonUpdate {
    /// Id.
    pub id: String,
    /// `InProgress`, `Failed`, `Cancelled`, `Successful`.
    pub status: String,
    /// Why it failed.
    pub errors: Vec<Issue>,
}

/// A health issue of an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// `InsufficientNumberOfReplicas`, `ConfigurationConflict`, …
    pub code: String,
    /// The service's words.
    pub message: String,
}

/// A service account of an add-on whose pods need AWS credentials, as DescribeAddonConfiguration gives it for a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonIdentity {
    /// Name of the service account.
    pub service_account: String,
    /// ARNs of the managed policies that EKS recommends for its role.
    #[serde(rename = "recommendedManagedPolicies")]
    pub policies: Vec<String>,
}

/// An association as UpdateAddon takes it; its namespace is the add-on's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonAssociation {
    /// Name of the service account.
    pub service_account: String,
    /// Role ARN.
    pub role_arn: String,
}

impl AddonAssociation {
    /// Those of associations, in the order of their names.
    pub fn list(associations: &[Association]) -> Vec<Self> {
        let one =
            |a: &Association| Self { service_account: a.summary.subject.name.clone(), role_arn: a.role_arn.clone() };
        let mut all: Vec<Self> = associations.iter().map(one).collect();
        all.sort();
        all
    }
}

/// An update of the associations of an add-on. The list replaces the add-on's; version, configuration and role of IRSA are stated as
/// they are, as EKS may reset what an update leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonChange {
    /// The version that it has.
    pub version: String,
    /// The configuration that it has.
    pub configuration: Option<String>,
    /// The role of IRSA that it keeps.
    pub service_account_role: Option<String>,
    /// All associations that it owns afterwards.
    pub associations: Vec<AddonAssociation>,
}

/// An installed add-on through which an association is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwningAddon {
    /// As it was read.
    pub addon: Addon,
    /// The associations that it owns.
    pub associations: Vec<Association>,
    /// What EKS recommends for the role of the service account.
    pub policies: Vec<String>,
    /// Whether the pods may leave the role of IRSA that the add-on has.
    pub replace_irsa: bool,
}

/// What EKS offers of an add-on for one Kubernetes version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddonOffer {
    /// Where it is installed when no namespace is named.
    pub namespace: Option<String>,
    /// Its versions, newest first.
    pub versions: Vec<AddonVersion>,
}

/// A version of an add-on for one Kubernetes version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonVersion {
    /// `v1.3.10-eksbuild.1`.
    pub version: String,
    /// True: what EKS installs when no version is named.
    pub default: bool,
}

/// The version that EKS installs when none is named.
pub fn default_version(offered: &[AddonVersion]) -> Option<&AddonVersion> {
    offered.iter().find(|version| version.default).or(offered.first())
}

/// The version of an add-on that is there, and EKS's default for the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// What is installed.
    pub installed: String,
    /// What EKS would install.
    pub default: String,
}

impl Versions {
    /// What is installed is older.
    pub fn is_behind(&self) -> bool {
        numbers(&self.installed) < numbers(&self.default)
    }
}

/// Numbers of a version, for comparison: `v1.3.10-eksbuild.2` gives 1, 3, 10, 2; text would put 1.3.9 after 1.3.10.
pub fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// What becomes of the keys of a configuration between the schemas of two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaChanges {
    /// Keys that the new schema does not know, where it allows no others.
    pub gone: Vec<String>,
    /// Keys whose values are described differently: `key: before becomes after`.
    pub changed: Vec<String>,
}

/// Compares two JSON schemas of DescribeAddonConfiguration for the keys that a configuration uses.
pub fn schema_changes(configuration: &Value, before: &Value, after: &Value) -> SchemaChanges {
    let mut changes = SchemaChanges::default();
    compare(configuration, "", (before, before), (after, after), &mut changes);
    changes
}

/// `before` and `after`: the part of each schema that describes `value`, and the whole.
fn compare(value: &Value, path: &str, before: (&Value, &Value), after: (&Value, &Value), changes: &mut SchemaChanges) {
    let Value::Object(keys) = value else { return };
    let (old, new) = (resolved(before), resolved(after));
    for (key, inner) in keys {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let (was, is) = (property(old, key), property(new, key));
        match (was, is) {
            (_, None) if closed(new) => changes.gone.push(path),
            (Some(was), Some(is)) => {
                let (was, is) = ((was, before.1), (is, after.1));
                let (told, tells) = (described(resolved(was)), described(resolved(is)));
                if told == tells {
                    compare(inner, &path, was, is, changes);
                } else {
                    changes.changed.push(format!("{path}: {told} -> {tells}"));
                }
            }
            (Some(_) | None, _) => {}
        }
    }
}

fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get("properties").and_then(|properties| properties.get(key))
}

/// Allows no other keys than those it names.
fn closed(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
}

/// Follows references within the schema; only so many, for they may be circular.
fn resolved<'a>((part, whole): (&'a Value, &'a Value)) -> &'a Value {
    let mut part = part;
    for _ in 0..8 {
        let Some(target) = part.get("$ref").and_then(Value::as_str) else { break };
        let Some(found) = target.strip_prefix('#').and_then(|pointer| whole.pointer(pointer)) else { break };
        part = found;
    }
    part
}

/// What a schema says of its own value, without what it says of keys inside, in a few words.
fn described(schema: &Value) -> String {
    let empty = Map::new();
    let words: Vec<String> = schema
        .as_object()
        .unwrap_or(&empty)
        .iter()
        .filter(|(key, _)| matches!(key.as_str(), "type" | "enum" | "format" | "pattern" | "minimum" | "maximum"))
        .map(|(key, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if key == "type" { text } else { format!("{key} {text}") }
        })
        .collect();
    if words.is_empty() { "anything".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_compared_for_the_keys_in_use() {
        let schema = |properties: Value| {
            json!({ "$ref": "#/definitions/Agent", "definitions": { "Agent": {
                "type": "object", "additionalProperties": false, "properties": properties,
            } } })
        };
        let agent = |args: Value| json!({ "type": "object", "additionalProperties": false, "properties": { "additionalArgs": args } });
        let before = schema(json!({ "agent": agent(json!({ "type": "object" })), "podLabels": { "type": "object" } }));
        let same = SchemaChanges::default();
        for (configuration, after, wanted) in [
            (json!({ "podLabels": {} }), before.clone(), same.clone()),
            // What is not in use may go.
            (json!({ "podLabels": {} }), schema(json!({ "podLabels": { "type": "object" } })), same),
            (
                json!({ "podLabels": {}, "agent": { "additionalArgs": {} } }),
                schema(json!({ "agent": agent(json!({ "type": "array" })) })),
                SchemaChanges {
                    gone: vec!["podLabels".to_owned()],
                    changed: vec!["agent.additionalArgs: object -> array".to_owned()],
                },
            ),
        ] {
            assert_eq!(schema_changes(&configuration, &before, &after), wanted, "{configuration}");
        }
    }

    #[test]
    fn versions_are_numbers() {
        assert!(numbers("v1.3.10-eksbuild.1") > numbers("v1.3.9-eksbuild.3"));
        assert!(numbers("v1.3.10-eksbuild.2") > numbers("v1.3.10-eksbuild.1"));
    }

    #[test]
    fn however_it_is_written() {
        for (have, given, same) in [
            (None, "{}", true),
            (None, "", true),
            (Some(""), " {} ", true),
            (Some("{}"), "", true),
            (Some(r#"{"a": 1, "b": 2}"#), r#"{"b":2,"a":1}"#, true),
            (Some("a: 1\n"), "a: 1", true),
            (Some("a: 1"), r#"{"a":1}"#, false),
            (Some(r#"{"a":1}"#), "{}", false),
            (None, r#"{"a":1}"#, false),
        ] {
            let mut addon = crate::model::fixtures::agent(&[], &[]).addon.unwrap();
            addon.configuration = have.map(str::to_owned);
            assert_eq!(addon.is_configured(given), same, "{have:?} {given}");
        }
    }
}
