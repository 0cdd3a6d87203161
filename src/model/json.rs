//! JSON as users write it. A key that comes twice is an error: what readers take of such an object differs from one to the
//! next, and a `Deny` could hide behind an `Allow`.

mod lines;

use std::fmt;

pub use lines::Lines;
use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, json};

/// Why a text is not JSON, or not clear, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// It is JSON, but no key may come twice.
    pub twice: bool,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

/// Reads JSON in which each key of an object comes once.
///
/// # Errors
/// When it is not JSON, or a key comes twice.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let whole = error.to_string();
        let why = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(why, _)| why);
        JsonError { twice: error.is_data(), line: error.line(), column: error.column(), why: why.to_owned() }
    })
}

/// The JSON pointer (RFC 6901) of what is below another.
pub fn below(pointer: &str, keys: &[&str]) -> String {
    keys.iter().fold(pointer.to_owned(), |path, key| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")))
}

/// A document without what stands at these paths, such as `owner/uid` and `containers/*/startedAt`.
pub fn without(document: &impl Serialize, paths: &[&str]) -> Value {
    let mut value = json!(document);
    for path in paths {
        remove(&mut value, &path.split('/').collect::<Vec<_>>());
    }
    value
}

fn remove(value: &mut Value, path: &[&str]) {
    match (value, path) {
        (Value::Object(map), [key]) => {
            map.shift_remove(*key);
        }
        (Value::Object(map), [key, rest @ ..]) => {
            if let Some(inner) = map.get_mut(*key) {
                remove(inner, rest);
            }
        }
        (Value::Array(all), ["*", rest @ ..]) => all.iter_mut().for_each(|one| remove(one, rest)),
        _ => {}
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is used twice in one object")));
            }
            let value = pairs.next_value_seed(Strict)?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_comes_once() {
        let wrong = parse("{\n  \"a\": {\"b\": 1},\n  \"a\": 2}").unwrap_err();
        assert_eq!((wrong.twice, wrong.line, wrong.column), (true, 3, 5), "{wrong:?}");
        assert_eq!(wrong.why, "the key `a` is used twice in one object");
        let wrong = parse(r#"[{"x": {"b": 1, "\u0062": 1}}]"#).unwrap_err();
        assert!(wrong.twice, "{wrong:?}");
        assert!(parse(r#"[{"b": 1}, {"b": 1}]"#).is_ok());
    }

    #[test]
    fn what_is_no_json_is_told_as_serde_tells_it() {
        for text in ["", "{", "{} x", "[,]", "{\"a\": 1,}", "nul", "\"\\x\"", "1e999", &"[".repeat(1000)] {
            let (wrong, theirs) = (parse(text).unwrap_err(), serde_json::from_str::<Value>(text).unwrap_err());
            assert!(!wrong.twice, "{text}: {wrong:?}");
            assert_eq!((wrong.line, wrong.column), (theirs.line(), theirs.column()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_serde_reads_it(text in r#"[\[\]{}":,0-9a-c\\ .e-]{0,24}"#) {
            match (parse(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(mine), Ok(theirs)) => prop_assert_eq!(mine, theirs),
                (Err(wrong), Ok(_)) => prop_assert!(wrong.twice),
                (Err(_), Err(_)) => {}
                (Ok(mine), Err(theirs)) => prop_assert!(false, "{} {}", mine, theirs),
            }
        }
    }
}
