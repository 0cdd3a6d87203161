//! The agent as it is shown: a line, a table of nodes, a document.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{shared::count, unread::NotRead},
    model::{
        addon::Addon,
        agent::{AgentDaemonSet, AgentState, Coverage, Node},
    },
    output::table::{Cell, Column, Table},
};

/// One line on where the agent is.
pub(super) fn summary(state: &AgentState) -> String {
    let missing = state.missing();
    let (mut ready, mut built_in) = (0, 0);
    for node in &state.nodes {
        match state.ready_on(&node.name) {
            Coverage::Ready => ready += 1,
            Coverage::BuiltIn => built_in += 1,
            Coverage::Missing(_) | Coverage::NotSupported(_) => {}
        }
    }
    if ready == 0 && built_in == 0 && missing.is_empty() {
        return "no node needs an agent".to_owned();
    }
    let mut text = format!("ready on {}", count(ready, "node"));
    if built_in > 0 {
        text = format!("{text}, built in on {built_in} (EKS Auto Mode)");
    }
    if !missing.is_empty() {
        text = format!("{text}, missing on {}", missing.len());
    }
    text
}

/// What pods on a node find.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Word {
    /// A ready agent.
    Ready,
    /// The agent that EKS Auto Mode builds in.
    BuiltIn,
    /// No ready agent.
    Missing,
    /// Pod Identity does not work on such nodes.
    NotSupported,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::BuiltIn => "built-in",
            Self::Missing => "missing",
            Self::NotSupported => "not-supported",
        }
    }
}

fn words(coverage: &Coverage) -> (Word, String) {
    match coverage {
        Coverage::Ready => (Word::Ready, String::new()),
        Coverage::BuiltIn => (Word::BuiltIn, "EKS Auto Mode".to_owned()),
        Coverage::Missing(why) => (Word::Missing, why.clone()),
        Coverage::NotSupported(why) => (Word::NotSupported, why.clone()),
    }
}

/// What is said of one node: a word and why.
pub(super) fn row(state: &AgentState, node: &str) -> [String; 2] {
    let (word, why) = words(&state.ready_on(node));
    [word.as_str().to_owned(), why]
}

/// A row for each node.
pub(super) fn table(state: &AgentState) -> Table {
    let mut table = Table::new(&[Column::new("NODE"), Column::new("AGENT"), Column::new("REASON").prose()]);
    for node in &state.nodes {
        let (word, why) = words(&state.ready_on(&node.name));
        table.row([Cell::new(&node.name), Cell::new(word.as_str()), Cell::new(why)]);
    }
    table
}

/// The agent in the cluster
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// True when EKS Auto Mode is on, whose own nodes have the agent built in
    auto_mode: bool,
    /// The add-on, or null
    addon: Option<&'a Addon>,
    /// The DaemonSets of the agent
    #[schemars(with = "Vec<AgentDaemonSet>")]
    daemon_sets: Vec<Value>,
    /// The nodes of the cluster
    nodes: Vec<NodeAgent<'a>>,
    /// What could not be read
    unread: Vec<NotRead>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NodeAgent<'a> {
    /// Name of the node
    node: &'a str,
    /// What pods on it find
    agent: Word,
    /// Why, or null
    reason: Option<String>,
}

impl<'a> Document<'a> {
    /// The whole of it.
    pub(super) fn of(state: &'a AgentState) -> Self {
        let node = |node: &'a Node| {
            let (agent, why) = words(&state.ready_on(&node.name));
            NodeAgent { node: &node.name, agent, reason: (!why.is_empty()).then_some(why) }
        };
        Self {
            auto_mode: state.auto_mode,
            addon: state.addon.as_ref(),
            daemon_sets: state.daemon_sets.iter().map(AgentDaemonSet::shown).collect(),
            nodes: state.nodes.iter().map(node).collect(),
            unread: state.addon_unread.iter().map(|why| NotRead::new("addon", why)).collect(),
        }
    }
}
