//! Reading and writing of untyped objects by JSON pointer.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A string, or the empty one.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number, or 0.
pub(crate) fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// A boolean, or false.
pub(crate) fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// A list, or the empty one.
pub(crate) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The entries of a map; none when it is missing.
pub(crate) fn entries<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// A label's or annotation's value: keys hold slashes, so no pointer.
pub(crate) fn entry<'v>(value: &'v Value, pointer: &str, key: &str) -> Option<&'v str> {
    value.pointer(pointer)?.get(key)?.as_str()
}

/// The object at `keys`, made on the way.
pub(crate) fn object<'v>(value: &'v mut Value, keys: &[&str]) -> &'v mut Map<String, Value> {
    let mut at = value;
    for key in keys {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[*key];
    }
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    match at {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// Sets what is missing.
pub(crate) fn default(value: &mut Value, keys: &[&str], key: &str, to: impl Into<Value>) {
    let map = object(value, keys);
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), to.into());
    }
}

/// The list at `keys`, made on the way.
pub(crate) fn array<'v>(value: &'v mut Value, keys: &[&str], key: &str) -> &'v mut Vec<Value> {
    let at = object(value, keys).entry(key.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    if !at.is_array() {
        *at = Value::Array(Vec::new());
    }
    match at {
        Value::Array(list) => list,
        _ => unreachable!("made a list above"),
    }
}

/// A time as the API writes it: whole seconds.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time that the API wrote.
pub(crate) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}

/// Removes members that are null, zero or empty, as Go's `omitempty` does.
pub(crate) fn omit_empty(mut value: Value, keep: &[&str]) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|key, v| keep.contains(&key.as_str()) || !(v.is_null() || *v == 0 || *v == ""));
    }
    value
}
