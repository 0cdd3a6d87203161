//! The JSON Schema of the file, from the types.

use serde_json::Value;

use super::Manifest;

/// The schema of one document.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Manifest).to_value();
    if let Value::Object(fields) = &mut schema {
        fields.insert("$id".to_owned(), "https://podid.dev/schema/podid.v1.json".into());
        fields.insert("title".to_owned(), "podid".into());
    }
    schema
}
