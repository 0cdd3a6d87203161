//! Mappings, lists and scalars, with what is wrong about them. Which keys there are is not known here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decoder, Node, NodeKind};
use crate::model::{text, want::Field};

/// The keys of a mapping.
pub(super) struct Fields<'n> {
    path: String,
    keys: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.keys.get(key).copied()
    }

    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Decoder<'_> {
    /// The keys of a mapping. Unknown ones and those that come twice are said.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, path: &str, known: &[&str]) -> Option<Fields<'n>> {
        let NodeKind::Mapping(pairs) = &node.what else {
            self.say(node.at, path, format!("this is {}, not a mapping of keys", node.kind()));
            return None;
        };
        let mut fields = Fields { path: path.to_owned(), keys: BTreeMap::new() };
        for (key, value) in pairs {
            let NodeKind::Scalar { text, .. } = &key.what else {
                self.say(key.at, path, format!("a key is {}, not a text", key.kind()));
                continue;
            };
            let whole = fields.path(text);
            if !known.contains(&text.as_str()) {
                let message = match (text.as_str(), text::nearest(text, known.iter().copied()).first()) {
                    ("<<", _) => "merge keys are not part of YAML 1.2: repeat the keys, or use `defaults`".to_owned(),
                    (_, Some(near)) => format!("unknown key; did you mean `{near}`?"),
                    (_, None) => format!("unknown key; known keys are `{}`", known.join("`, `")),
                };
                self.say(key.at, &whole, message);
            } else if fields.keys.insert(text, value).is_some() {
                self.say(key.at, &whole, "this key is used twice");
            } else {
                self.places.insert(whole, value.at);
            }
        }
        Some(fields)
    }

    /// Each of a list; `null` is an empty one.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        path: &str,
        mut item: impl FnMut(&mut Self, &Node, &str) -> Option<T>,
    ) -> Vec<T> {
        match &node.what {
            NodeKind::List(items) => {
                let mut found = Vec::with_capacity(items.len());
                for (index, one) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.places.insert(path.clone(), one.at);
                    found.extend(item(self, one, &path));
                }
                found
            }
            _ if node.is_null() => Vec::new(),
            _ => {
                self.say(node.at, path, format!("this is {}, not a list", node.kind()));
                Vec::new()
            }
        }
    }

    /// A scalar's text as it was written, whatever YAML would take it for.
    pub(super) fn text(&mut self, node: &Node, path: &str) -> Option<String> {
        match &node.what {
            NodeKind::Scalar { text, .. } if !node.is_null() => Some(text.clone()),
            _ => {
                self.say(node.at, path, format!("this is {}, not a text", node.kind()));
                None
            }
        }
    }

    /// A text that follows a rule.
    pub(super) fn rule(
        &mut self,
        node: &Node,
        path: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let text = self.text(node, path)?;
        if let Err(why) = rule(&text) {
            self.say(node.at, path, why);
        }
        Some(text)
    }

    pub(super) fn boolean(&mut self, node: &Node, path: &str) -> Option<bool> {
        let value = node.boolean();
        if value.is_none() {
            self.say(node.at, path, "this is neither `true` nor `false`");
        }
        value
    }

    pub(super) fn optional(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        self.checked(fields, key, |_| Ok(()))
    }

    pub(super) fn checked(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let node = fields.get(key)?;
        self.rule(node, &fields.path(key), rule)
    }

    pub(super) fn required(
        &mut self,
        fields: &Fields<'_>,
        parent: &Node,
        key: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        if fields.get(key).is_none() {
            self.say(parent.at, &fields.path, format!("key `{key}` is missing"));
        }
        self.checked(fields, key, rule)
    }

    pub(super) fn checked_field(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Field<String> {
        self.field(fields, key, |this, node, path| this.rule(node, path, &rule))
    }

    /// A key that may be left away (unmanaged), or be `null` or empty (cleared).
    pub(super) fn field<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        value: impl FnOnce(&mut Self, &Node, &str) -> Option<T>,
    ) -> Field<T> {
        let Some(node) = fields.get(key) else { return Field::Unmanaged };
        let empty = match &node.what {
            NodeKind::List(items) => items.is_empty(),
            NodeKind::Mapping(pairs) => pairs.is_empty(),
            NodeKind::Scalar { .. } => node.is_null(),
        };
        if empty {
            return Field::Cleared;
        }
        value(self, node, &fields.path(key)).map_or(Field::Unmanaged, Field::Set)
    }

    pub(super) fn twice<'t>(&mut self, fields: &Fields<'_>, key: &str, names: impl Iterator<Item = &'t str>) {
        let (mut seen, Some(node)) = (BTreeSet::new(), fields.get(key)) else { return };
        let path = fields.path(key);
        for (index, name) in names.enumerate() {
            if !seen.insert(name) {
                let at = self.places.get(&format!("{path}[{index}]")).copied().unwrap_or(node.at);
                self.say(at, &format!("{path}[{index}]"), format!("`{name}` is used twice"));
            }
        }
    }
}
