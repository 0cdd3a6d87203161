//! Scenarios: the world at its start, as data. Tests, the demo and a curious user start the same ones.
//!
//! A file in `scenarios/` is either whole, or names a `base` and the fields it `set`s differently (JSON pointer to value;
//! `null` removes the field). That is how a broken world differs from the healthy one in exactly one field.

mod defaults;

use std::{collections::BTreeMap, io};

use serde::Deserialize;
use serde_json::{Map, Value};

use self::defaults::{active, aws, day, hour, platform, six_hours, slash, trust_policy_quota, yes};

/// Built-in scenario files: name and text.
const FILES: &[(&str, &str)] = &[
    ("carts-before", include_str!("../scenarios/carts-before.yaml")),
    ("carts-agent", include_str!("../scenarios/carts-agent.yaml")),
    ("carts-role", include_str!("../scenarios/carts-role.yaml")),
    ("carts-addons", include_str!("../scenarios/carts-addons.yaml")),
    ("carts-associated", include_str!("../scenarios/carts-associated.yaml")),
    ("carts-verified", include_str!("../scenarios/carts-verified.yaml")),
    ("carts-fleet", include_str!("../scenarios/carts-fleet.yaml")),
    ("carts-irsa", include_str!("../scenarios/carts-irsa.yaml")),
];

/// A world at its start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line on what is so in it.
    pub about: String,
    /// 12 digits.
    pub account: String,
    /// Region of everything.
    pub region: String,
    /// Regions that the account has not enabled: nobody is known there.
    #[serde(default)]
    pub disabled_regions: Vec<String>,
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    #[serde(default = "aws")]
    pub partition: String,
    /// Who may call; the first is the one that `exports` hands out.
    pub callers: Vec<Caller>,
    /// EKS clusters; the Kubernetes side is the first one's.
    pub clusters: Vec<Cluster>,
    /// IAM roles.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// IAM managed policies.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// Pod identity associations.
    #[serde(default)]
    pub associations: Vec<Association>,
    /// EKS add-ons.
    #[serde(default)]
    pub addons: Vec<Addon>,
    /// DynamoDB tables.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// Service control policies of the account's organisation, one for each level; without any, it is in none.
    #[serde(default)]
    pub service_control_policies: Vec<Value>,
    /// Managed node groups of the first cluster.
    #[serde(default)]
    pub node_groups: Vec<NodeGroup>,
    /// Kubernetes objects of the first cluster (Namespace, Node, ServiceAccount, ConfigMap, Deployment, …). Pods of workloads are made by the controllers.
    #[serde(default)]
    pub manifests: Vec<Value>,
    /// Seconds that the clocks of AWS and the cluster are ahead of this machine's; negative: behind.
    #[serde(default)]
    pub clock_ahead_s: i64,
    /// Characters that IAM takes in a trust policy: the account's quota, which can be raised to 4096.
    #[serde(default = "trust_policy_quota")]
    pub trust_policy_quota: usize,
    /// Seconds that the credentials from EKS Auth last.
    #[serde(default = "six_hours")]
    pub session_s: i64,
    /// How long things take.
    #[serde(default)]
    pub delays: Delays,
    /// How the pod identity webhook behaves.
    #[serde(default)]
    pub webhook: Webhook,
}

/// A caller of both APIs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Principal ARN, e.g. `arn:aws:iam::111122223333:user/dev`.
    pub arn: String,
    /// Identity policies; without any, everything is allowed.
    #[serde(default)]
    pub policies: Vec<Value>,
    /// False: no access entry, the API servers answer 401.
    #[serde(default = "yes")]
    pub access_entry: bool,
    /// What Kubernetes RBAC refuses, as `VERB RESOURCE` (`create pods`, `* secrets`), `VERB GROUP/RESOURCE` not needed.
    #[serde(default)]
    pub rbac_denies: Vec<String>,
    /// What Kubernetes RBAC allows; without it, everything that is not refused.
    #[serde(default)]
    pub rbac: Option<Rbac>,
}

/// A caller's Kubernetes permissions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rbac {
    /// Groups of the access entry.
    pub groups: Vec<String>,
    /// ClusterRole, Role, ClusterRoleBinding and RoleBinding objects.
    pub objects: Vec<Value>,
}

/// An EKS cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Kubernetes version, `1.33`.
    pub version: String,
    /// `eks.9`.
    #[serde(default = "platform")]
    pub platform_version: String,
    /// EKS Auto Mode: `computeConfig.enabled`.
    #[serde(default)]
    pub auto_mode: bool,
    /// `ACTIVE` unless told.
    #[serde(default = "active")]
    pub status: String,
    /// It runs on an Outpost.
    #[serde(default)]
    pub outpost: bool,
    /// Another region than the scenario's; not for the first, whose Kubernetes side is served.
    #[serde(default)]
    pub region: Option<String>,
}

/// An IAM role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Name without path.
    pub name: String,
    /// `/` unless told.
    #[serde(default = "slash")]
    pub path: String,
    /// Trust policy.
    pub trust: Value,
    /// Attached managed policies.
    #[serde(default)]
    pub attached: Vec<String>,
    /// Inline policies by name.
    #[serde(default)]
    pub inline: BTreeMap<String, Value>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Permissions boundary ARN.
    #[serde(default)]
    pub boundary: Option<String>,
    /// ARN of the service-managed template that it was created from.
    #[serde(default)]
    pub template: Option<String>,
    /// Names of the instance profiles that hold it.
    #[serde(default)]
    pub instance_profiles: Vec<String>,
    /// Seconds before the start at which it was made.
    #[serde(default = "day")]
    pub age_s: i64,
    /// Seconds before the start at which it last used services, by their prefix.
    #[serde(default)]
    pub last_used_s: BTreeMap<String, i64>,
}

/// A managed node group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeGroup {
    /// Its name.
    pub name: String,
    /// ARN of its nodes' role.
    pub role: String,
}

/// A managed policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its ARN; AWS's own are `arn:aws:iam::aws:policy/…`.
    pub arn: String,
    /// Its default version's document.
    pub document: Value,
}

/// A pod identity association.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Association {
    /// Cluster; the first unless told.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub service_account: String,
    /// Role ARN.
    pub role: String,
    /// Target role ARN.
    #[serde(default)]
    pub target_role: Option<String>,
    /// Session tags off.
    #[serde(default)]
    pub disable_session_tags: bool,
    /// Session policy.
    #[serde(default)]
    pub policy: Option<String>,
    /// Owner: an add-on's ARN, or the name of one of the scenario's.
    #[serde(default)]
    pub owner: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Seconds before the start at which it was made (and last changed).
    #[serde(default = "hour")]
    pub age_s: i64,
    /// Seconds before the start at which it was last changed, when that was later.
    #[serde(default)]
    pub changed_s: Option<i64>,
    /// It was deleted right before the start: pods of before still have its settings.
    #[serde(default)]
    pub deleted: bool,
}

/// An installed add-on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// Cluster; the first unless told.
    #[serde(default)]
    pub cluster: Option<String>,
    /// `eks-pod-identity-agent`.
    pub name: String,
    /// `v1.3.10-eksbuild.1`.
    pub version: String,
    /// `ACTIVE` unless told.
    #[serde(default = "active")]
    pub status: String,
    /// `configurationValues`.
    #[serde(default)]
    pub configuration: Option<String>,
    /// Health issues: code and message.
    #[serde(default)]
    pub issues: Vec<(String, String)>,
    /// `serviceAccountRoleArn`.
    #[serde(default)]
    pub service_account_role: Option<String>,
    /// `namespaceConfig.namespace`; not named unless told, and then the add-on is in its default one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// An update with associations that does not state `serviceAccountRoleArn` takes that away.
    #[serde(default)]
    pub detaches_irsa: bool,
}

/// A DynamoDB table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Global secondary indexes.
    #[serde(default)]
    pub indexes: Vec<String>,
    /// ARN of the KMS key that it is encrypted with; DynamoDB's own unless told.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// It has a stream.
    #[serde(default)]
    pub stream: bool,
    /// Its own policy.
    #[serde(default)]
    pub policy: Option<Value>,
    /// `ACTIVE` unless told.
    #[serde(default = "active")]
    pub status: String,
}

/// How long things take, in milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// Until EKS sees a new role, or a trust policy just written.
    pub iam: u64,
    /// Until API server 0 and API server 1 inject new pods after a create (or stop after a delete).
    pub association: [u64; 2],
    /// CREATING of an add-on until its DaemonSet is applied, and as long again until ACTIVE at the earliest.
    pub addon: u64,
    /// From the creation of a pod to its container running, and from there to ready or to a crash.
    pub pod: u64,
    /// From the deletion of a pod to its end.
    pub termination: u64,
    /// The shortest crash back-off.
    pub back_off: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { iam: 150, association: [100, 300], addon: 200, pod: 60, termination: 60, back_off: 200 }
    }
}

/// The pod identity webhook.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// False: no pod is ever injected.
    pub enabled: bool,
    /// True: newer platform versions also label the pod.
    pub labels: bool,
    /// Every how many-th injection is missed (failurePolicy Ignore); 0 never.
    pub miss_every: u64,
}

impl Default for Webhook {
    fn default() -> Self {
        Self { enabled: true, labels: true, miss_every: 0 }
    }
}

impl Scenario {
    /// The time that the servers' clocks show, and by which they judge signatures.
    pub(crate) fn server_time(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + jiff::SignedDuration::from_secs(self.clock_ahead_s)
    }

    /// Names of the built-in scenarios.
    pub fn names() -> Vec<&'static str> {
        FILES.iter().map(|(name, _)| *name).collect()
    }

    /// A built-in scenario.
    ///
    /// # Errors
    /// When there is none of that name, or its file is wrong.
    pub fn named(name: &str) -> io::Result<Self> {
        Self::read(&Self::value(name)?)
    }

    /// A built-in scenario with other values at these JSON pointers.
    ///
    /// # Errors
    /// As [`named`](Self::named), and when a pointer's parent does not exist.
    pub fn with(name: &str, set: &[(&str, Value)]) -> io::Result<Self> {
        let mut value = Self::value(name)?;
        for (pointer, to) in set {
            patch(&mut value, pointer, to.clone())?;
        }
        Self::read(&value)
    }

    /// A scenario from the text of a file.
    ///
    /// # Errors
    /// When it is not a scenario.
    pub fn from_yaml(text: &str) -> io::Result<Self> {
        Self::read(&resolve(serde_yaml::from_str(text).map_err(io::Error::other)?)?)
    }

    fn value(name: &str) -> io::Result<Value> {
        let (_, text) = FILES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| io::Error::other(format!("no scenario `{name}`; there are {}", Self::names().join(", "))))?;
        resolve(serde_yaml::from_str(text).map_err(|e| io::Error::other(format!("{name}: {e}")))?)
    }

    fn read(value: &Value) -> io::Result<Self> {
        let scenario: Self = serde_json::from_value(value.clone()).map_err(io::Error::other)?;
        if scenario.callers.is_empty() || scenario.clusters.is_empty() {
            return Err(io::Error::other("a scenario needs a caller and a cluster"));
        }
        Ok(scenario)
    }

    /// ARN of a cluster of this scenario.
    pub fn cluster_arn(&self, name: &str) -> String {
        format!("arn:{}:eks:{}:{}:cluster/{name}", self.partition, self.region_of(name), self.account)
    }

    /// Region of a cluster of this scenario.
    pub fn region_of(&self, cluster: &str) -> &str {
        let own = self.clusters.iter().find(|c| c.name == cluster).and_then(|c| c.region.as_deref());
        own.unwrap_or(&self.region)
    }

    /// The cluster whose Kubernetes API is served.
    pub fn cluster(&self) -> &Cluster {
        &self.clusters[0]
    }
}

fn resolve(value: Value) -> io::Result<Value> {
    let Some(base) = value.get("base").and_then(Value::as_str) else { return Ok(value) };
    let mut whole = Scenario::value(base)?;
    let empty = Map::new();
    let set = value.get("set").and_then(Value::as_object).unwrap_or(&empty);
    for (pointer, to) in set {
        patch(&mut whole, pointer, to.clone())?;
    }
    if let Some(about) = value.get("about") {
        patch(&mut whole, "/about", about.clone())?;
    }
    Ok(whole)
}

/// Sets, or with null removes, what a JSON pointer names; `/-` appends to a list, and `/+` all of another list.
fn patch(value: &mut Value, pointer: &str, to: Value) -> io::Result<()> {
    let none = || io::Error::other(format!("nothing at `{pointer}`"));
    let (parent, key) = pointer.rsplit_once('/').ok_or_else(none)?;
    let key = key.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent).ok_or_else(none)? {
        Value::Object(map) if to.is_null() => {
            map.shift_remove(&key).ok_or_else(none)?;
        }
        Value::Object(map) => {
            map.insert(key, to);
        }
        Value::Array(list) if key == "-" => list.push(to),
        Value::Array(list) if key == "+" => list.extend(to.as_array().ok_or_else(none)?.iter().cloned()),
        Value::Array(list) => {
            let at: usize = key.parse().map_err(|_| none())?;
            if to.is_null() && at < list.len() {
                list.remove(at);
            } else {
                *list.get_mut(at).ok_or_else(none)? = to;
            }
        }
        _ => return Err(none()),
    }
    Ok(())
}
