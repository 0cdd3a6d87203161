//! A grant as an entry of a file: `{bucket: b, prefix: p, access: read}`. Its keys follow from the service's row.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Access, GrantError, GrantText, Service};

/// Key of the access level.
pub const ACCESS: &str = "access";

/// Key of named actions.
pub const ACTIONS: &str = "actions";

impl Service {
    /// Keys of an entry.
    pub fn keys(&self) -> Vec<&'static str> {
        let level = if self.levels.is_empty() { ACTIONS } else { ACCESS };
        [Some(self.key), self.below, Some(level)].into_iter().flatten().collect()
    }

    /// The schema of the list of a file.
    pub fn schema(&self) -> Value {
        let resource = if self.levels.is_empty() {
            "An ARN, `ARN/*` for everything below it, or `*`.".to_owned()
        } else if self.regional {
            format!("{}{}: a name in the cluster's region, `region:name`, or an ARN.", self.what, self.also)
        } else {
            format!("{}: its name.", self.what)
        };
        let mut properties = Map::new();
        properties.insert(self.key.to_owned(), json!({"type": "string", "description": sentence(&resource)}));
        if let Some(below) = self.below {
            let text = "Limit access to this prefix; everything if omitted.";
            properties.insert(below.to_owned(), json!({"type": "string", "description": text}));
        }
        let mut required = vec![self.key];
        if self.levels.is_empty() {
            required.push(ACTIONS);
            let items = json!({"type": "string"});
            let text = "Actions, as IAM names them.";
            properties.insert(
                ACTIONS.to_owned(),
                json!({"type": "array", "minItems": 1, "items": items, "description": text}),
            );
        } else {
            let names: Vec<&str> = self.levels.iter().map(|level| level.name).collect();
            let text =
                if names.len() == 1 { "Access level; may be omitted, as there is only one." } else { "Access level." };
            properties.insert(ACCESS.to_owned(), json!({"type": "string", "enum": names, "description": text}));
            if names.len() > 1 {
                required.push(ACCESS);
            }
        }
        let item = json!({
            "type": "object", "additionalProperties": false, "properties": properties, "required": required
        });
        let text = if self.levels.is_empty() { "any action".to_owned() } else { format!("access to {}", self.what) };
        json!({"type": ["array", "null"], "items": item, "description": sentence(&format!("{text}, one entry each."))})
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

impl GrantText {
    /// Of the parts of an entry.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_entry(
        service: &'static Service,
        resource: &str,
        below: Option<&str>,
        level: Option<&str>,
    ) -> Result<Self, GrantError> {
        let whole = below.map_or_else(|| resource.to_owned(), |below| format!("{resource}/{below}"));
        let only = if let [only] = service.levels { Some(only.name) } else { None };
        Self::of(service, &whole, level.or(only))
    }
}

impl Serialize for GrantText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = Map::new();
        let text = self.name();
        match (self.service.below, text.split_once('/')) {
            (Some(key), Some((name, below))) => {
                entry.insert(self.service.key.to_owned(), json!(name));
                entry.insert(key.to_owned(), json!(below));
            }
            _ => {
                entry.insert(self.service.key.to_owned(), json!(text));
            }
        }
        match &self.access {
            Some(Access::Level(level)) => entry.insert(ACCESS.to_owned(), json!(level.name)),
            Some(Access::Actions(actions)) => entry.insert(ACTIONS.to_owned(), json!(actions)),
            None => None,
        };
        Value::Object(entry).serialize(serializer)
    }
}
