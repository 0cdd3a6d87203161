//! The map in Graphviz's language. Names are quoted strings, in which nothing but the end of a line is left to mean something.

use std::fmt::Write as _;

use super::graph::{Graph, Kind};

/// A part of a quoted string. `\` begins an escape there, and `&` an entity.
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

impl Graph {
    /// As a digraph from left to right.
    pub fn dot(&self) -> String {
        let mut out =
            "digraph podid {\n    rankdir=LR;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
                .to_owned();
        for (space, nodes) in self.groups() {
            let indent = if let Some(space) = space {
                let at = nodes.first().map_or(0, |(at, _)| *at);
                let _ = writeln!(out, "    subgraph cluster_{at} {{\n        label=\"namespace {}\";", text(space));
                "        "
            } else {
                "    "
            };
            for (at, node) in nodes {
                let label = node.lines().map(|line| text(&line)).collect::<Vec<_>>().join("\\n");
                let style = if node.kind == Kind::NotRead { ", style=\"rounded,dashed\"" } else { "" };
                let _ = writeln!(out, "{indent}n{at} [label=\"{label}\"{style}];");
            }
            if space.is_some() {
                out.push_str("    }\n");
            }
        }
        for (from, to, edge) in self.steps() {
            let label = edge.text().map_or_else(String::new, |words| format!(" [label=\"{}\"]", text(&words)));
            let _ = writeln!(out, "    n{from} -> n{to}{label};");
        }
        out.push_str("}\n");
        out
    }
}
