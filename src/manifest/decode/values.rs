//! Tags, documents and the files that hold them, and the rules of texts.

use serde_json::Value;

use super::{Decoder, Node, NodeKind, fields::Fields};
use crate::{
    files,
    manifest::yaml,
    model::{
        arn::Arn,
        document::Document,
        manifest::{Source, Tags},
        policy::{self, TableText},
        tags,
    },
};

/// Bytes of a policy document's file; IAM takes far less.
const LARGEST: u64 = 1_000_000;

pub(super) fn policy_arn(text: &str) -> Result<(), String> {
    Arn::parse_iam(text, "policy", "an IAM policy").map(|_| ()).map_err(|e| e.to_string())
}

pub(super) fn role_arn(text: &str) -> Result<(), String> {
    Arn::parse_iam(text, "role", "an IAM role").map(|_| ()).map_err(|e| e.to_string())
}

pub(super) fn key_arn(text: &str) -> Result<(), String> {
    Arn::kms_key(text).map(|_| ()).map_err(|e| e.to_string())
}

pub(super) fn table(text: &str) -> Result<(), String> {
    if text.contains('=') {
        return Err(format!("`{text}` has an access level: move it to `access`"));
    }
    text.parse::<TableText>().map(|_| ()).map_err(|e| e.to_string())
}

impl Decoder<'_> {
    pub(super) fn tags(&mut self, node: &Node, path: &str) -> Option<Tags> {
        let NodeKind::Mapping(pairs) = &node.what else {
            self.say(node.at, path, format!("this is {}, not a mapping of keys to values", node.kind()));
            return None;
        };
        let mut found = Tags::new();
        for (key, value) in pairs {
            let Some(name) = self.text(key, path) else { continue };
            let whole = format!("{path}.{name}");
            let value_text = if value.is_null() { None } else { self.text(value, &whole) };
            if let Err(e) = tags::check(&name, value_text.as_deref().unwrap_or_default()) {
                self.say(key.at, path, e.to_string());
            }
            if found.insert(name, value_text).is_some() {
                self.say(key.at, &whole, "this key is used twice");
            }
        }
        // podid adds five of its own, and AWS takes 50.
        if found.values().filter(|value| value.is_some()).count() > 45 {
            self.say(node.at, path, "more than 45 tags: podid adds 5 of its own, and AWS allows 50");
        }
        Some(found)
    }

    pub(super) fn object(&mut self, node: &Node, path: &str) -> Option<Value> {
        if !matches!(node.what, NodeKind::Mapping(_)) {
            self.say(node.at, path, format!("this is {}, not a mapping", node.kind()));
            return None;
        }
        let mut wrong = Vec::new();
        let value = node.json(&mut wrong);
        for one in wrong {
            self.say(one.at, path, one.why);
        }
        Some(value)
    }

    /// `document` or `file`.
    pub(super) fn source(&mut self, fields: &Fields<'_>, parent: &Node) -> Option<Source> {
        match (fields.get("document"), fields.get("file")) {
            (Some(node), None) => Some(Source::Document(Document(self.object(node, &fields.path("document"))?))),
            (None, Some(node)) => {
                let path = fields.path("file");
                let name = self.text(node, &path)?;
                match self.file(&name) {
                    Ok(document) => Some(Source::Document(document)),
                    Err(why) => {
                        self.say(node.at, &path, format!("`{name}`: {why}"));
                        None
                    }
                }
            }
            (Some(_), Some(node)) => {
                self.say(node.at, &fields.path("file"), "`document` and `file` cannot be used together");
                None
            }
            (None, None) => {
                self.say(parent.at, &fields.path("document"), "key `document` or `file` is missing");
                None
            }
        }
    }

    /// A document in a file of its own, JSON or YAML.
    fn file(&self, name: &str) -> Result<Document, String> {
        let path = self.folder.join(name);
        let text = files::text(&path, LARGEST).map_err(|e| e.to_string())?;
        let nodes =
            yaml::documents(&text).map_err(|e| format!("line {} column {}: {}", e.at.line, e.at.column, e.why))?;
        let [node] = &nodes[..] else { return Err("not one document".to_owned()) };
        let mut wrong = Vec::new();
        let value = node.json(&mut wrong);
        match wrong.first() {
            Some(e) => Err(format!("line {} column {}: {}", e.at.line, e.at.column, e.why)),
            None => policy::unwrapped(value),
        }
    }
}
