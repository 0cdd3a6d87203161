//! Permissions as the documents that grant them: an IAM policy, and Kubernetes roles with their bindings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Need, On, Within};
use crate::model::{addon::AGENT, document::Document};

/// What is known of the place; what is not becomes a wildcard.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Region of the cluster.
    pub region: Option<String>,
    /// Account of the cluster.
    pub account: Option<String>,
    /// Name of the cluster.
    pub cluster: Option<String>,
    /// Partition.
    pub partition: String,
    /// Path of the roles that podid creates, with both slashes.
    pub path: String,
    /// Roles that the caller may hand out and change: paths and names as after `role/`, IAM's wildcards allowed.
    pub roles: Vec<String>,
}

impl Scope {
    /// The partition that a region is in (AWS General Reference, "Partitions").
    pub fn partition_of(region: &str) -> &'static str {
        const PREFIXES: &[(&str, &str)] = &[
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("eusc-", "aws-eusc"),
            ("us-isob-", "aws-iso-b"),
            ("us-iso-", "aws-iso"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
        ];
        PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
        let region = if service == "iam" { String::new() } else { any(&self.region) };
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition, any(&self.account))
    }

    fn resources(&self, on: On) -> Vec<String> {
        let cluster = self.cluster.as_deref().unwrap_or("*");
        let roles = || match self.roles.as_slice() {
            [] => vec![self.arn("iam", "role/*")],
            roles => roles.iter().map(|role| self.arn("iam", &format!("role/{role}"))).collect(),
        };
        match on {
            On::Everything => vec!["*".to_owned()],
            On::Cluster => vec![self.arn("eks", &format!("cluster/{cluster}"))],
            On::Associations => vec![self.arn("eks", &format!("podidentityassociation/{cluster}/*"))],
            On::Agent => vec![self.arn("eks", &format!("addon/{cluster}/{AGENT}/*"))],
            On::AddOns => vec![self.arn("eks", &format!("addon/{cluster}/*/*"))],
            On::NodeGroups => vec![self.arn("eks", &format!("nodegroup/{cluster}/*/*"))],
            // AWS's own and the account's.
            On::Policy => vec![format!("arn:{}:iam::*:policy/*", self.partition)],
            On::Role | On::PassedRole => roles(),
            On::OwnRole => vec![self.arn("iam", &format!("role{}*", self.path))],
            // A table may be of another region, and of another account.
            On::Table => vec![format!("arn:{}:dynamodb:*:*:table/*", self.partition)],
        }
    }
}

fn sid(on: On) -> &'static str {
    match on {
        On::Everything => "PodidWithoutResource",
        On::Cluster => "PodidCluster",
        On::Associations => "PodidAssociations",
        On::Agent => "PodidAgent",
        On::AddOns => "PodidAddOns",
        On::NodeGroups => "PodidNodeGroups",
        On::Policy => "PodidPolicies",
        On::Role => "PodidRoles",
        On::OwnRole => "PodidOwnRoles",
        On::PassedRole => "PodidPassRole",
        On::Table => "PodidTables",
    }
}

/// The policy that allows this and nothing else; one statement for each kind of resource.
pub fn iam_policy(needs: &BTreeSet<Need>, scope: &Scope) -> Document {
    let mut actions: BTreeMap<On, BTreeSet<&str>> = BTreeMap::new();
    for need in needs {
        if let Need::Iam(action, on) = need {
            actions.entry(*on).or_default().insert(action);
        }
    }
    // What is allowed on every add-on is allowed on the agent.
    let any = actions.get(&On::AddOns).cloned().unwrap_or_default();
    if let Some(agent) = actions.get_mut(&On::Agent) {
        agent.retain(|action| !any.contains(action));
    }
    // What is allowed on any role is allowed on podid's.
    if scope.roles.is_empty() {
        let any = actions.get(&On::Role).cloned().unwrap_or_default();
        if let Some(own) = actions.get_mut(&On::OwnRole) {
            own.retain(|action| !any.contains(action));
        }
    } else if actions.contains_key(&On::OwnRole) {
        // podid's own roles are among those that it writes to and hands out.
        for on in [On::Role, On::PassedRole] {
            actions.entry(on).or_default();
        }
    }
    let own = actions.contains_key(&On::OwnRole);
    let statements = actions.iter().filter(|(_, actions)| !actions.is_empty()).map(|(on, actions)| {
        let mut resources = scope.resources(*on);
        if own && !scope.roles.is_empty() && matches!(on, On::Role | On::PassedRole) {
            resources.extend(scope.resources(On::OwnRole));
        }
        let mut statement = json!({"Sid": sid(*on), "Effect": "Allow", "Action": actions, "Resource": resources});
        if *on == On::PassedRole {
            statement["Condition"] = json!({"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}});
        }
        statement
    });
    let mut statements: Vec<Value> = statements.collect();
    // A role that is still to be made has no path yet: whether it is there is asked by its bare name.
    if own && !scope.roles.is_empty() {
        let of_role = actions.get(&On::Role).into_iter().flatten();
        let reads: Vec<_> = of_role.filter(|a| a.starts_with("iam:Get") || a.starts_with("iam:List")).collect();
        let name = scope.arn("iam", &format!("role/{}-*", scope.cluster.as_deref().unwrap_or("*")));
        statements.push(json!({"Sid": "PodidRolesToCome", "Effect": "Allow", "Action": reads, "Resource": [name]}));
    }
    Document::of(statements)
}

/// How the Kubernetes permissions are cut.
#[derive(Debug, Clone)]
pub struct Rbac {
    /// Only these namespaces; none: all.
    pub namespaces: Vec<String>,
    /// The group that the caller is of.
    pub group: String,
}

/// Roles and their bindings that allow this and nothing else: one ClusterRole, or a Role for each namespace and a ClusterRole for
/// what is in none.
pub fn rbac(needs: &BTreeSet<Need>, cut: &Rbac) -> Vec<Value> {
    let mut objects = Vec::new();
    let rules_of = |wanted: &[Within]| rules(needs, wanted);
    if cut.namespaces.is_empty() {
        bound(&mut objects, None, &rules_of(&[Within::Cluster, Within::Namespace, Within::System]), &cut.group);
        return objects;
    }
    bound(&mut objects, None, &rules_of(&[Within::Cluster]), &cut.group);
    let system = "kube-system";
    for namespace in &cut.namespaces {
        let wanted: &[Within] =
            if namespace == system { &[Within::Namespace, Within::System] } else { &[Within::Namespace] };
        bound(&mut objects, Some(namespace), &rules_of(wanted), &cut.group);
    }
    if !cut.namespaces.iter().any(|namespace| namespace == system) {
        bound(&mut objects, Some(system), &rules_of(&[Within::System]), &cut.group);
    }
    objects
}

/// Rules with the same verbs on the same group are one.
fn rules(needs: &BTreeSet<Need>, wanted: &[Within]) -> Vec<Value> {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for need in needs {
        if let Need::Kube(verb, group, resource, within) = need
            && wanted.contains(within)
        {
            verbs.entry((group, resource)).or_default().insert(verb);
        }
    }
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    rules
        .into_iter()
        .map(|((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
        .collect()
}

fn bound(objects: &mut Vec<Value>, namespace: Option<&str>, rules: &[Value], group: &str) {
    const API: &str = "rbac.authorization.k8s.io";
    if rules.is_empty() {
        return;
    }
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let mut metadata = json!({"name": "podid"});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    let version = format!("{API}/v1");
    objects.push(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules}));
    objects.push(json!({
        "apiVersion": version,
        "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": API, "kind": kind, "name": "podid"},
        "subjects": [{"kind": "Group", "apiGroup": API, "name": group}],
    }));
}
