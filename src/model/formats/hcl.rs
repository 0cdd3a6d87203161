//! HCL as `terraform fmt` leaves it: what stands on consecutive lines is aligned at its equals sign.

use std::fmt::Write as _;

use serde_json::Value;

/// Longest list of plain values that stays in one line.
const LINE: usize = 90;

/// What an argument is set to.
pub(super) enum Expr {
    /// A value of JSON.
    Plain(Value),
    /// A reference, or a call without arguments of ours.
    Reference(String),
    /// JSON text that is made of this value.
    Encoded(Value),
}

impl Expr {
    fn render(&self, depth: usize) -> String {
        match self {
            Self::Plain(value) => render(value, depth),
            Self::Reference(text) => text.clone(),
            Self::Encoded(value) => format!("jsonencode({})", render(value, depth)),
        }
    }
}

impl<T: Into<Value>> From<T> for Expr {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

/// A block with its labels and arguments.
pub(super) fn block(out: &mut String, head: &str, arguments: &[(&str, Expr)]) {
    let rendered: Vec<(String, String)> =
        arguments.iter().map(|(key, expr)| ((*key).to_owned(), expr.render(1))).collect();
    let _ = write!(out, "\n{head} {{\n{}}}\n", aligned(&rendered, 1));
}

/// A quoted text; nothing in it is interpolated.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            // Also what a terminal or the runner of a CI system would take for a command.
            c if c.is_control() || c == '#' || !c.is_ascii() && !c.is_alphanumeric() => {
                let code = u32::from(c);
                let _ = if code > 0xffff { write!(out, "\\U{code:08x}") } else { write!(out, "\\u{code:04x}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn key(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let plain = text.starts_with(first) && text.chars().all(rest) && !["null", "true", "false", "for"].contains(&text);
    if plain { text.to_owned() } else { quoted(text) }
}

fn render(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) if list.is_empty() => "[]".to_owned(),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Array(list) => {
            let plain = list.iter().all(|one| !one.is_array() && !one.is_object());
            let items: Vec<String> = list.iter().map(|one| render(one, depth + 1)).collect();
            let line = format!("[{}]", items.join(", "));
            if plain && line.len() <= LINE {
                return line;
            }
            let lines: Vec<String> = items.iter().map(|item| format!("{indent}  {item},")).collect();
            format!("[\n{}\n{indent}]", lines.join("\n"))
        }
        Value::Object(map) => {
            let rendered: Vec<(String, String)> =
                map.iter().map(|(name, one)| (key(name), render(one, depth + 1))).collect();
            format!("{{\n{}{indent}}}", aligned(&rendered, depth + 1))
        }
        other => other.to_string(),
    }
}

/// One line for each; of neighbours that are one line long the equals signs are aligned.
fn aligned(pairs: &[(String, String)], depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let single = |pair: &(String, String)| !pair.1.contains('\n');
    let mut out = String::new();
    for group in pairs.chunk_by(|one, next| single(one) && single(next)) {
        let width = group.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default();
        for (key, value) in group {
            let _ = writeln!(out, "{indent}{key:<width$} = {value}");
        }
    }
    out
}
