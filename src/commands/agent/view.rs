//! The agent as it is shown: a line, a table of nodes, a document.

use serde_json::{Value, json};

use crate::{
    commands::shared::count,
    model::agent::{AgentDaemonSet, AgentState, Coverage},
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

fn words(coverage: &Coverage) -> (&'static str, String) {
    match coverage {
        Coverage::Ready => ("ready", String::new()),
        Coverage::BuiltIn => ("built-in", "EKS Auto Mode".to_owned()),
        Coverage::Missing(why) => ("missing", why.clone()),
        Coverage::NotSupported(why) => ("not-supported", why.clone()),
    }
}

/// What is said of one node: a word and why.
pub(super) fn row(state: &AgentState, node: &str) -> [String; 2] {
    let (word, why) = words(&state.ready_on(node));
    [word.to_owned(), why]
}

/// A row for each node.
pub(super) fn table(state: &AgentState) -> Table {
    let mut table = Table::new(&[Column::new("NODE"), Column::new("AGENT"), Column::new("REASON").prose()]);
    for node in &state.nodes {
        let (word, why) = words(&state.ready_on(&node.name));
        table.row([Cell::new(&node.name), Cell::new(word), Cell::new(why)]);
    }
    table
}

/// The whole of it.
pub(super) fn json(state: &AgentState) -> Value {
    let nodes: Vec<Value> = state
        .nodes
        .iter()
        .map(|node| {
            let (word, why) = words(&state.ready_on(&node.name));
            json!({ "node": node.name, "agent": word, "reason": (!why.is_empty()).then_some(why) })
        })
        .collect();
    let unread: Vec<Value> = state.addon_unread.iter().map(|why| json!({ "what": "addon", "why": why })).collect();
    json!({
        "autoMode": state.auto_mode,
        "addon": state.addon,
        "daemonSets": state.daemon_sets.iter().map(AgentDaemonSet::shown).collect::<Vec<_>>(),
        "nodes": nodes,
        "unread": unread,
    })
}
