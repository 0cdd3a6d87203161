//! JSON Schemas of what commands print, from the types that they print. Every object is closed: a field that is not described
//! is a mistake.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

/// The schema of a command's document; `command` without `podid`: `role list`.
pub fn of<T: JsonSchema>(command: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    named(&mut schema, command);
    close(&mut schema);
    schema
}

/// Gives a schema the name of its command.
pub fn named(schema: &mut Value, command: &str) {
    let Value::Object(fields) = schema else { return };
    fields
        .insert("$id".to_owned(), format!("https://podid.dev/schema/output/{}.json", command.replace(' ', "-")).into());
    fields.insert("title".to_owned(), format!("podid {command}").into());
}

/// The schema of what is written as a text.
pub(crate) fn text(about: &str) -> Schema {
    json_schema!({"type": "string", "description": about})
}

/// Closes every object whose properties are known. One that extends another holds the other's properties itself: closed by
/// itself, each would refuse the other's.
fn close(schema: &mut Value) {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    close_below(schema, &definitions);
}

fn close_below(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                extend(fields, definitions);
                fields.entry("additionalProperties").or_insert(json!(false));
            }
            fields.values_mut().for_each(|value| close_below(value, definitions));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| close_below(value, definitions)),
        _ => {}
    }
}

fn extend(fields: &mut Map<String, Value>, definitions: &Value) {
    let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/")) else {
        return;
    };
    let Some(Value::Object(other)) = definitions.get(name).cloned() else { return };
    fields.shift_remove("$ref");
    for (key, value) in other {
        match (fields.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(more)) => own.extend(more),
            (Some(Value::Array(own)), Value::Array(more)) => own.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                fields.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Serialize;
    use serde_json::json;

    use super::of;

    #[derive(Serialize, JsonSchema)]
    struct Inner {
        /// A name.
        name: String,
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum One {
        /// Extends another object.
        More(Inner),
        /// Has its own fields.
        Own { count: u8 },
    }

    #[derive(Serialize, JsonSchema)]
    struct Document {
        all: Vec<One>,
        #[serde(skip_serializing_if = "Option::is_none")]
        some: Option<Inner>,
        #[serde(flatten)]
        inner: Inner,
    }

    #[test]
    fn objects_are_closed() {
        let schema = of::<Document>("role list");
        assert_eq!(schema["$id"], "https://podid.dev/schema/output/role-list.json");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["all", "name"]));
        assert_eq!(schema["$defs"]["Inner"]["additionalProperties"], false);
        let more = &schema["$defs"]["One"]["oneOf"][0];
        assert_eq!(more["additionalProperties"], false);
        assert_eq!(more["required"], json!(["kind", "name"]));
        assert!(more.get("$ref").is_none() && more["properties"]["name"]["type"] == "string", "{more}");
    }
}
