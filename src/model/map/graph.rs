//! The map as nodes and edges: each thing once, and beyond sixty of them by namespace and service.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Chain, MappedRole};
use crate::model::{
    access::Level,
    arn::{Arn, last},
    have::Observed,
    text::{count, listed},
};

/// The most nodes that are drawn one by one.
pub const MOST_NODES: usize = 60;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What runs pods.
    Workload,
    /// A service account.
    ServiceAccount,
    /// An association.
    Association,
    /// The role of an association.
    Role,
    /// The role that it assumes.
    TargetRole,
    /// A resource, or a pattern of resources.
    Resource,
    /// Something that was not read.
    NotRead,
    /// All of a namespace, collapsed.
    Namespace,
    /// All resources of a service, collapsed.
    Service,
}

impl Kind {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::ServiceAccount => "service account",
            Self::Association => "association",
            Self::Role => "role",
            Self::TargetRole => "target role",
            Self::Resource => "resource",
            Self::NotRead => "not read",
            Self::Namespace => "namespace",
            Self::Service => "service",
        }
    }

    /// The id of a node of this kind.
    pub fn node(self, name: &str) -> String {
        format!("{}:{name}", self.id())
    }

    /// As ids and classes have it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::ServiceAccount => "service-account",
            Self::Association => "association",
            Self::Role => "role",
            Self::TargetRole => "target-role",
            Self::Resource => "resource",
            Self::NotRead => "not-read",
            Self::Namespace => "namespace",
            Self::Service => "service",
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Unique, and the same each time: `role:arn:aws:iam::111122223333:role/carts`.
    pub id: String,
    /// What it stands for.
    pub kind: Kind,
    /// The name that is shown.
    pub name: String,
    /// Its namespace; absent where it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its AWS service; absent where it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its ARN, or the pattern of a statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The most sensitive that is allowed on a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// What else is to be known: that it does not exist, why it was not read.
    pub details: Vec<String>,
}

impl Node {
    fn new(kind: Kind, id: impl AsRef<str>, name: impl Into<String>) -> Self {
        Self {
            id: kind.node(id.as_ref()),
            kind,
            name: name.into(),
            namespace: None,
            service: None,
            arn: None,
            level: None,
            details: Vec::new(),
        }
    }

    /// What is drawn of it, line by line.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        [self.kind.word().to_owned(), self.name.clone()].into_iter().chain(self.notes())
    }

    /// What is drawn under its name.
    pub fn notes(&self) -> Vec<String> {
        self.level.map(|level| level.word().to_owned()).into_iter().chain(self.details.iter().cloned()).collect()
    }
}

/// A step from one node to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Id of the first node.
    pub from: String,
    /// Id of the second node.
    pub to: String,
    /// What is known about the step, as the level, or that there are no credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The service accounts that take it, where others that come to its first node do not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

impl Edge {
    /// What is drawn at it.
    pub fn text(&self) -> Option<String> {
        let only = (!self.only.is_empty()).then(|| format!("only {}", listed(&self.only, 2)));
        let parts: Vec<String> = self.label.clone().into_iter().chain(only).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// The map as a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// In the order of the way.
    pub nodes: Vec<Node>,
    /// In the order of their nodes.
    pub edges: Vec<Edge>,
}

#[derive(Default)]
struct Builder {
    nodes: BTreeMap<String, Node>,
    edges: BTreeMap<(String, String), (Option<String>, BTreeSet<String>)>,
    /// Who comes to each node.
    through: BTreeMap<String, BTreeSet<String>>,
}

impl Builder {
    fn node(&mut self, node: Node, subject: &str) -> String {
        let id = node.id.clone();
        self.through.entry(id.clone()).or_default().insert(subject.to_owned());
        let own = self.nodes.entry(id.clone()).or_insert_with(|| node.clone());
        own.level = [own.level, node.level].into_iter().flatten().min();
        for detail in node.details {
            if !own.details.contains(&detail) {
                own.details.push(detail);
            }
        }
        id
    }

    fn edge(&mut self, from: &str, to: &str, label: Option<String>, subject: &str) {
        let edge = self.edges.entry((from.to_owned(), to.to_owned())).or_default();
        edge.0 = edge.0.take().or(label);
        edge.1.insert(subject.to_owned());
    }

    fn chain(&mut self, chain: &Chain, home: &Arn) {
        let it = chain.subject.to_string();
        let within = |mut node: Node| {
            node.namespace = Some(chain.subject.namespace.clone());
            node
        };
        let mut account = within(Node::new(Kind::ServiceAccount, &it, &it));
        if chain.exists == Some(false) {
            account.details.push("does not exist".to_owned());
        }
        if chain.workloads.known().is_some_and(Vec::is_empty) {
            account.details.push("nothing runs as it".to_owned());
        }
        let account = self.node(account, &it);
        match &chain.workloads {
            Observed::Known(names) => {
                for name in names {
                    let id = format!("{}/{name}", chain.subject.namespace);
                    let id = self.node(within(Node::new(Kind::Workload, id, name)), &it);
                    self.edge(&id, &account, None, &it);
                }
            }
            Observed::Unreadable(why) => {
                let mut node = Node::new(Kind::NotRead, "workloads", "workloads not read");
                node.details.push(why.clone());
                let id = self.node(node, &it);
                self.edge(&id, &account, None, &it);
            }
            Observed::NotRequested => {}
        }
        let mut association = within(Node::new(Kind::Association, &chain.association, &chain.association));
        association.details.clone_from(&chain.traits);
        let association = self.node(association, &it);
        self.edge(&account, &association, None, &it);
        let role = self.node(role(Kind::Role, &chain.role), &it);
        // Only what decides: the reasons are in the findings and in the tree.
        let credentials = chain.credentials().map(|text| text.split(": ").next().unwrap_or_default().to_owned());
        self.edge(&association, &role, credentials, &it);
        let mut end = role;
        if let Some(target) = &chain.target {
            let target = self.node(self::role(Kind::TargetRole, target), &it);
            self.edge(&end, &target, Some("assumes".to_owned()), &it);
            end = target;
        }
        for resource in &chain.resources {
            let but = if resource.all_but { "!" } else { "" };
            let id = format!("{}:{but}{}", resource.service, resource.name);
            let node = Node {
                service: Some(resource.service.clone()),
                arn: Some(resource.name.clone()),
                level: Some(resource.level()),
                ..Node::new(Kind::Resource, id, format!("{}: {}", resource.service, resource.short(home)))
            };
            let id = self.node(node, &it);
            self.edge(&end, &id, Some(resource.level().word().to_owned()), &it);
        }
        if !chain.unread.is_empty() {
            let mut node = Node::new(Kind::NotRead, &end, "permissions not read");
            node.details.clone_from(&chain.unread);
            let id = self.node(node, &it);
            self.edge(&end, &id, None, &it);
        }
    }

    fn finish(self) -> Graph {
        let Self { nodes, edges, through } = self;
        let mut nodes: Vec<Node> = nodes.into_values().collect();
        nodes.sort_by(|a, b| (a.kind, &a.namespace, &a.id).cmp(&(b.kind, &b.namespace, &b.id)));
        let all = |id: &str| through.get(id).map_or(0, BTreeSet::len);
        let edge = |((from, to), (label, subjects)): ((String, String), (Option<String>, BTreeSet<String>))| {
            let only = if subjects.len() < all(&from) { subjects.into_iter().collect() } else { Vec::new() };
            Edge { from, to, label, only }
        };
        Graph { nodes, edges: edges.into_iter().map(edge).collect() }
    }
}

fn role(kind: Kind, role: &MappedRole) -> Node {
    let mut node = Node::new(kind, &role.arn, last(&role.arn));
    node.service = Some("iam".to_owned());
    node.arn = Some(role.arn.clone());
    node.details.extend(role.state());
    node
}

impl Graph {
    /// Each thing that the chains come by.
    pub fn of(chains: &[Chain], home: &Arn) -> Self {
        let mut graph = Builder::default();
        for chain in chains {
            graph.chain(chain, home);
        }
        graph.finish()
    }

    /// The namespaces, and the services that each reaches.
    pub fn by_namespace(chains: &[Chain]) -> Self {
        let mut spaces: BTreeMap<&str, Vec<&Chain>> = BTreeMap::new();
        for chain in chains {
            spaces.entry(&chain.subject.namespace).or_default().push(chain);
        }
        let mut graph = Builder::default();
        for (space, chains) in spaces {
            let roles: BTreeSet<&str> = chains.iter().map(|chain| chain.last_role().arn.as_str()).collect();
            let mut node = Node::new(Kind::Namespace, space, space);
            node.namespace = Some(space.to_owned());
            node.details.push(format!("{}, {}", count(chains.len(), "service account"), count(roles.len(), "role")));
            let without = chains.iter().filter(|chain| chain.without_credentials.is_some()).count();
            if without > 0 {
                node.details.push(format!("no or unknown credentials: {without}"));
            }
            let from = graph.node(node, space);
            let mut services: BTreeMap<&str, (Level, BTreeSet<&str>)> = BTreeMap::new();
            for resource in chains.iter().flat_map(|chain| &chain.resources) {
                let own = services.entry(&resource.service).or_insert((resource.level(), BTreeSet::new()));
                own.0 = own.0.min(resource.level());
                own.1.insert(&resource.name);
            }
            for (service, (level, names)) in services {
                let node = Node {
                    service: Some(service.to_owned()),
                    level: Some(level),
                    ..Node::new(Kind::Service, service, if service == "*" { "every service" } else { service })
                };
                let to = graph.node(node, space);
                let label = format!("{}, {}", level.word(), count(names.len(), "resource"));
                graph.edge(&from, &to, Some(label), space);
            }
            let unread = chains.iter().filter(|chain| !chain.unread.is_empty()).count();
            if unread > 0 {
                let mut node = Node::new(Kind::NotRead, space, "permissions not read");
                node.details.push(format!("of {}", count(unread, "service account")));
                let to = graph.node(node, space);
                graph.edge(&from, &to, None, space);
            }
        }
        graph.finish()
    }

    /// Whether it has too many nodes to draw them one by one.
    pub fn is_large(&self) -> bool {
        self.nodes.len() > MOST_NODES
    }

    /// Each edge, with the places of its nodes.
    pub fn steps(&self) -> impl Iterator<Item = (usize, usize, &Edge)> {
        let places: BTreeMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
        self.edges
            .iter()
            .filter_map(move |edge| Some((*places.get(edge.from.as_str())?, *places.get(edge.to.as_str())?, edge)))
    }

    /// The nodes by namespace; those of none first.
    pub(super) fn groups(&self) -> BTreeMap<Option<&str>, Vec<(usize, &Node)>> {
        let mut groups: BTreeMap<Option<&str>, Vec<(usize, &Node)>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let group = node.namespace.as_deref().filter(|_| node.kind != Kind::Namespace);
            groups.entry(group).or_default().push((at, node));
        }
        groups
    }
}
