//! The few small objects that kubectl sends as protobuf: token requests, access reviews, namespaces, service accounts.

use serde_json::{Map, Value, json};

/// A message's fields: number, and a number or bytes.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(value)
            }
            _ => return None,
        };
        all.push((key >> 3, field));
    }
    Some(all)
}

fn message<'b>(all: &[(u64, Field<'b>)], number: u64) -> &'b [u8] {
    all.iter()
        .find_map(|(n, field)| match field {
            Field::Bytes(bytes) if *n == number => Some(*bytes),
            _ => None,
        })
        .unwrap_or_default()
}

fn string(all: &[(u64, Field<'_>)], number: u64) -> String {
    String::from_utf8_lossy(message(all, number)).into_owned()
}

/// Named string fields that are set.
fn strings(bytes: &[u8], names: &[(u64, &str)]) -> Option<Value> {
    let all = fields(bytes)?;
    let set = names.iter().map(|(number, name)| ((*name).to_owned(), string(&all, *number)));
    Some(Value::Object(set.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, json!(value))).collect()))
}

/// Reads the envelope and the kinds known here.
pub(crate) fn read(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(b"k8s\0")?)?;
    let of = fields(message(&envelope, 1))?;
    let (version, kind) = (string(&of, 1), string(&of, 2));
    let raw = fields(message(&envelope, 2))?;
    let metadata = metadata(message(&raw, 1))?;
    let mut object = json!({"kind": kind, "apiVersion": version, "metadata": metadata});
    match kind.as_str() {
        "TokenRequest" => object["spec"] = token_request(message(&raw, 2))?,
        "SelfSubjectAccessReview" => {
            let spec = fields(message(&raw, 2))?;
            let names = [
                (1, "namespace"),
                (2, "verb"),
                (3, "group"),
                (4, "version"),
                (5, "resource"),
                (6, "subresource"),
                (7, "name"),
            ];
            let mut out = Map::new();
            if !message(&spec, 1).is_empty() {
                out.insert("resourceAttributes".into(), strings(message(&spec, 1), &names)?);
            }
            object["spec"] = Value::Object(out);
        }
        "Namespace" | "ServiceAccount" | "SelfSubjectReview" => {}
        _ => return None,
    }
    Some(object)
}

fn metadata(bytes: &[u8]) -> Option<Value> {
    let mut out = strings(bytes, &[(1, "name"), (2, "generateName"), (3, "namespace")])?;
    for (number, name) in [(11, "labels"), (12, "annotations")] {
        for (n, field) in fields(bytes)? {
            if let (true, Field::Bytes(pair)) = (n == number, field) {
                let pair = fields(pair)?;
                out[name][string(&pair, 1)] = json!(string(&pair, 2));
            }
        }
    }
    Some(out)
}

fn token_request(bytes: &[u8]) -> Option<Value> {
    let mut spec = json!({"audiences": []});
    for (number, field) in fields(bytes)? {
        match (number, field) {
            (1, Field::Bytes(audience)) => {
                let audience = String::from_utf8_lossy(audience).into_owned();
                if let Some(all) = spec["audiences"].as_array_mut() {
                    all.push(json!(audience));
                }
            }
            (3, Field::Bytes(bound)) => {
                spec["boundObjectRef"] = strings(bound, &[(1, "kind"), (2, "apiVersion"), (3, "name"), (4, "uid")])?;
            }
            (4, Field::Number(seconds)) => spec["expirationSeconds"] = json!(seconds),
            _ => {}
        }
    }
    Some(spec)
}
