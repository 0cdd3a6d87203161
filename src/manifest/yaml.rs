//! YAML text to nodes that know where they stand. What the keys mean is not known here.
//!
//! Scalars keep their text, so that an account id with leading zeros, `on` and `012` stay what was written. Aliases and
//! nesting have limits: a small file cannot become a large one.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Number, Value};

/// Nodes of one file, those that aliases repeat counted each time.
const MOST_NODES: usize = 1_000_000;

/// Bytes of text in them, counted as the nodes are: twice the largest file.
const MOST_BYTES: usize = 32_000_000;

/// How deep mappings and lists may be in each other.
const DEEPEST: usize = 64;

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A node and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) what: NodeKind,
}

/// A scalar, a list, or a mapping in its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeKind {
    /// Its text, and whether it is plain: neither quoted nor a block nor tagged as a string.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Why a text is no YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlError {
    pub(super) at: Position,
    pub(super) why: String,
}

impl Node {
    /// `null`, `~` or nothing at all, not quoted (YAML 1.2, core schema).
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.what, NodeKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// `true` or `false`, not quoted (YAML 1.2, core schema: `on` and `yes` are texts).
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.what {
            NodeKind::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.what {
            _ if self.is_null() => "null",
            NodeKind::Scalar { .. } => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
        }
    }

    /// As JSON. Only what JSON itself would call a number is one: `012` and `1e400` stay texts.
    ///
    /// # Errors
    /// A key that is no text, or comes twice.
    pub(super) fn json(&self, wrong: &mut Vec<YamlError>) -> Value {
        match &self.what {
            NodeKind::Scalar { .. } if self.is_null() => Value::Null,
            NodeKind::Scalar { text, plain } => match self.boolean() {
                Some(value) => Value::Bool(value),
                None if *plain => number(text).map_or_else(|| Value::String(text.clone()), Value::Number),
                None => Value::String(text.clone()),
            },
            NodeKind::List(items) => items.iter().map(|item| item.json(wrong)).collect(),
            NodeKind::Mapping(pairs) => {
                let mut fields = Map::new();
                for (key, value) in pairs {
                    let NodeKind::Scalar { text, .. } = &key.what else {
                        wrong.push(YamlError { at: key.at, why: format!("a key is {}, not a text", key.kind()) });
                        continue;
                    };
                    let value = value.json(wrong);
                    if fields.insert(text.clone(), value).is_some() {
                        wrong.push(YamlError { at: key.at, why: format!("key `{text}` is used twice") });
                    }
                }
                Value::Object(fields)
            }
        }
    }
}

fn number(text: &str) -> Option<Number> {
    let number: Number = serde_json::from_str(text).ok()?;
    // A number that is not written as JSON writes it would come back as another text.
    (number.to_string() == text).then_some(number)
}

struct Builder {
    /// Anchored nodes, with what is in each.
    anchors: HashMap<usize, (Node, Size)>,
    stack: Vec<Open>,
    size: Size,
    /// Copies of anchored nodes, which aliases are made from.
    kept: Size,
    done: Option<Node>,
    /// Tags of CloudFormation are read as its long forms; any other tag is refused.
    functions: bool,
}

/// What nodes take.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

struct Open {
    at: Position,
    /// The function of CloudFormation that it is the argument of.
    function: Option<String>,
    anchor: usize,
    before: Size,
    mapping: bool,
    /// For a mapping: keys and values in turn.
    nodes: Vec<Node>,
}

/// The documents of a text. A document without content is left out.
///
/// # Errors
/// The first thing that is not YAML, or goes past the limits.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    read(text, false)
}

/// The same for files that may be CloudFormation's: `!Ref X` is read as `Ref: X`, `!GetAtt A.Arn` as `Fn::GetAtt: A.Arn`.
///
/// # Errors
/// As [`documents`].
pub(super) fn documents_with_functions(text: &str) -> Result<Vec<Node>, YamlError> {
    read(text, true)
}

fn read(text: &str, functions: bool) -> Result<Vec<Node>, YamlError> {
    let mut builder = Builder {
        anchors: HashMap::new(),
        stack: Vec::new(),
        size: Size::default(),
        kept: Size::default(),
        done: None,
        functions,
    };
    let mut found = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| scan(&error))?;
        let at = Position { line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::DocumentStart(..) => builder.anchors.clear(),
            Event::DocumentEnd => found.extend(builder.done.take().filter(|node| !node.is_null())),
            event => builder.take(event, at)?,
        }
    }
    Ok(found)
}

fn scan(error: &ScanError) -> YamlError {
    let mark = error.marker();
    let whole = error.to_string();
    let why = whole.rsplit_once(" at char ").map_or(whole.as_str(), |(why, _)| why);
    YamlError { at: Position { line: mark.line().max(1), column: mark.col() + 1 }, why: why.to_owned() }
}

impl Size {
    fn add(&mut self, more: Self, at: Position) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(more.nodes);
        self.bytes = self.bytes.saturating_add(more.bytes);
        if self.nodes > MOST_NODES {
            return Err(YamlError { at, why: format!("more than {MOST_NODES} values, with expanded aliases") });
        }
        if self.bytes > MOST_BYTES {
            let most = MOST_BYTES / 1_000_000;
            return Err(YamlError { at, why: format!("more than {most} MB of text, with expanded aliases") });
        }
        Ok(())
    }
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let function = self.function(tag.as_deref());
                let told = match function {
                    Some(_) => None,
                    None => tagged(tag.as_deref(), &["str", "null", "bool", "int", "float"], at)?,
                };
                let plain = style == ScalarStyle::Plain && told != Some("str");
                let size = Size { nodes: 1, bytes: text.len() };
                self.size.add(size, at)?;
                let node = Node { at, what: NodeKind::Scalar { text: text.into_owned(), plain } };
                self.put(called(function, node), anchor, size)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                let function = self.function(tag.as_deref());
                if function.is_none() {
                    tagged(tag.as_deref(), &["seq"], at)?;
                }
                self.open(at, anchor, false, function)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let function = self.function(tag.as_deref());
                if function.is_none() {
                    tagged(tag.as_deref(), &["map"], at)?;
                }
                self.open(at, anchor, true, function)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.stack.pop() else { return Ok(()) };
                let what = if open.mapping {
                    let mut pairs = Vec::with_capacity(open.nodes.len() / 2);
                    let mut nodes = open.nodes.into_iter();
                    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                        pairs.push((key, value));
                    }
                    NodeKind::Mapping(pairs)
                } else {
                    NodeKind::List(open.nodes)
                };
                let size =
                    Size { nodes: self.size.nodes - open.before.nodes, bytes: self.size.bytes - open.before.bytes };
                self.put(called(open.function, Node { at: open.at, what }), open.anchor, size)?;
            }
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(YamlError { at, why: "an alias is inside its own anchor".to_owned() });
                };
                let size = *size;
                // Before the copy is made: the limit is one of memory.
                self.size.add(size, at)?;
                let node = node.clone();
                self.put(node, 0, size)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The function that a tag of CloudFormation stands for.
    fn function(&self, tag: Option<&Tag>) -> Option<String> {
        let name = tag.filter(|_| self.functions)?.original().strip_prefix('!')?.to_owned();
        let short = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        short.then(|| if matches!(name.as_str(), "Ref" | "Condition") { name } else { format!("Fn::{name}") })
    }

    fn open(&mut self, at: Position, anchor: usize, mapping: bool, function: Option<String>) -> Result<(), YamlError> {
        let before = self.size;
        self.size.add(Size { nodes: 1, bytes: 0 }, at)?;
        if self.stack.len() >= DEEPEST {
            return Err(YamlError { at, why: format!("nested more than {DEEPEST} deep") });
        }
        self.stack.push(Open { at, function, anchor, before, mapping, nodes: Vec::new() });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize, size: Size) -> Result<(), YamlError> {
        if anchor != 0 {
            self.kept.add(size, node.at)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.done = Some(node),
        }
        Ok(())
    }
}

/// A node as the argument of a function.
fn called(function: Option<String>, node: Node) -> Node {
    let Some(function) = function else { return node };
    let at = node.at;
    let key = Node { at, what: NodeKind::Scalar { text: function, plain: false } };
    Node { at, what: NodeKind::Mapping(vec![(key, node)]) }
}

/// The core schema's tag of a node; any other is refused.
fn tagged(tag: Option<&Tag>, known: &[&'static str], at: Position) -> Result<Option<&'static str>, YamlError> {
    let Some(tag) = tag else { return Ok(None) };
    let found = known.iter().find(|name| tag.core_suffix() == Some(**name)).copied();
    if found.is_none() {
        return Err(YamlError { at, why: format!("the tag {} is not known here", tag.original()) });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        let nodes = documents(text).unwrap();
        let mut wrong = Vec::new();
        let value = nodes[0].json(&mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
        value
    }

    #[test]
    fn texts_stay_what_was_written() {
        let value =
            one("{a: 012345678901, b: on, c: null, d: 'null', e: true, f: 'true', g: 2012-10-17, h: 5, i: 5.0, j: ~, \
                         k: 0x1f, l: 1_000, m: !!str 7, n: yes, o: 1e3, p: .5}");
        assert_eq!(
            value,
            serde_json::json!({"a": "012345678901", "b": "on", "c": null, "d": "null", "e": true, "f": "true",
                "g": "2012-10-17", "h": 5, "i": 5.0, "j": null, "k": "0x1f", "l": "1_000", "m": "7", "n": "yes", "o": "1e3",
                "p": ".5"})
        );
    }

    #[test]
    fn places_documents_and_aliases() {
        let nodes = documents("# first\n---\na: &x [1]\nb: *x\n---\n---\nc:\n  d: e\n").unwrap();
        assert_eq!(nodes.len(), 2);
        let NodeKind::Mapping(pairs) = &nodes[1].what else { panic!() };
        assert_eq!(pairs[0].0.at, Position { line: 7, column: 1 });
        let NodeKind::Mapping(inner) = &pairs[0].1.what else { panic!() };
        assert_eq!(inner[0].1.at, Position { line: 8, column: 6 });
        assert_eq!(nodes[0].json(&mut Vec::new()), serde_json::json!({"a": [1], "b": [1]}));
    }

    #[test]
    fn limits() {
        let deep = "[".repeat(100_000);
        assert!(documents(&deep).is_err());
        let level = |n: usize| format!("a{}: &a{} [{}]\n", n, n, vec![format!("*a{}", n - 1); 8].join(", "));
        let laughs: String =
            std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()).chain((1..12).map(level)).collect();
        assert!(documents(&laughs).unwrap_err().why.contains("more than 1000000 values"));
        let scalar = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 40].join(", "));
        assert!(documents(&scalar).unwrap_err().why.contains("more than 32 MB of text"));
        assert!(documents(&scalar.replace("x".repeat(999_000).as_str(), "")).is_ok());
        let keys = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["{*a : 1}"; 40].join(", "));
        assert!(documents(&keys).is_err());
        let nested = format!(
            "{}{}{}",
            (0..60).map(|n| format!("&a{n} [")).collect::<Vec<_>>().concat(),
            "x, ".repeat(400_000),
            "]".repeat(60)
        );
        assert!(documents(&nested).unwrap_err().why.contains("more than 1000000 values"));
        assert!(documents("a: &a [*a]").is_err());
        assert!(documents("a: !custom b").unwrap_err().why.contains("tag"));
        let wrong = documents("a: b\n\tc: d\n").unwrap_err();
        assert!(wrong.at.line >= 1, "{wrong:?}");
    }

    #[test]
    fn keys_come_once() {
        let nodes = documents("{a: 1, b: {c: 1, c: 2}}").unwrap();
        let mut wrong = Vec::new();
        nodes[0].json(&mut wrong);
        assert_eq!(wrong[0].why, "key `c` is used twice");
    }
}
