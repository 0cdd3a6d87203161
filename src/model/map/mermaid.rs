//! The map as a Mermaid flowchart. Whatever a name holds is text: everything but letters, digits and a few signs is written as the code
//! of its character.

use std::fmt::Write as _;

use super::graph::{Graph, Kind};

/// The text of a label. Mermaid reads `#60;` as the character of that number, and nothing else in it is markup then.
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '-' | '_' | '/' | ':' | ',' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}

fn lines(words: impl Iterator<Item = String>) -> String {
    words.map(|line| text(&line)).collect::<Vec<_>>().join("<br/>")
}

impl Graph {
    /// As a flowchart from left to right.
    pub fn mermaid(&self) -> String {
        let mut out = "flowchart LR\n".to_owned();
        for (space, nodes) in self.groups() {
            let indent = if let Some(space) = space {
                let at = nodes.first().map_or(0, |(at, _)| *at);
                let _ = writeln!(out, "    subgraph s{at}[\"namespace {}\"]", text(space));
                "        "
            } else {
                "    "
            };
            for (at, node) in nodes {
                let label = lines(node.lines());
                let _ = writeln!(out, "{indent}n{at}[\"{label}\"]:::{}", class(node.kind));
            }
            if space.is_some() {
                out.push_str("    end\n");
            }
        }
        for (from, to, edge) in self.steps() {
            let label = edge.text().map_or_else(String::new, |words| format!("|\"{}\"|", text(&words)));
            let _ = writeln!(out, "    n{from} -->{label} n{to}");
        }
        out.push_str("    classDef notRead stroke-dasharray: 4 3\n");
        out
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Workload => "workload",
        Kind::ServiceAccount => "serviceAccount",
        Kind::Association => "association",
        Kind::Role => "role",
        Kind::TargetRole => "targetRole",
        Kind::Resource => "resource",
        Kind::NotRead => "notRead",
        Kind::Namespace => "namespace",
        Kind::Service => "service",
    }
}
