//! JSON merge patch, JSON patch, and strategic merge patch for the lists that matter.

use serde_json::{Map, Value};

use super::failure::Failure;

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The key by which a list of objects is merged; `None` replaces it.
fn merge_key(field: &str, item: &Value) -> Option<&'static str> {
    let keys: &[&'static str] = match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets"
        | "webhooks" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" => &["containerPort", "port"],
        "conditions" => &["type"],
        "ownerReferences" => &["uid"],
        "hostAliases" | "podIPs" | "hostIPs" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey"],
        _ => &[],
    };
    keys.iter().find(|key| item.get(**key).is_some()).copied()
}

/// Strategic merge patch.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        let mut whole = patch.clone();
        whole.shift_remove("$patch");
        *target = Value::Object(whole);
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if key.starts_with('$') {
            continue;
        }
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(inner) if inner.get("$patch").and_then(Value::as_str) == Some("delete") => {
                target.shift_remove(key);
            }
            Value::Object(_) => strategic(target.entry(key.clone()).or_insert(Value::Null), value),
            Value::Array(items) => {
                let old = target.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                strategic_list(key, old, items);
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

fn strategic_list(field: &str, old: &mut Value, items: &[Value]) {
    let replaces = items.iter().any(|i| i.get("$patch").and_then(Value::as_str) == Some("replace"));
    let keyed = !items.is_empty() && items.iter().all(|item| merge_key(field, item).is_some());
    let Value::Array(list) = old else {
        *old = Value::Array(items.to_vec());
        return;
    };
    if replaces || !keyed {
        *list = items.iter().filter(|i| i.get("$patch").is_none()).cloned().collect();
        return;
    }
    for item in items {
        let Some(key) = merge_key(field, item) else { continue };
        let at = list.iter().position(|existing| existing.get(key) == item.get(key));
        let deletes = item.get("$patch").and_then(Value::as_str) == Some("delete");
        match at {
            Some(at) if deletes => {
                list.remove(at);
            }
            Some(at) => strategic(&mut list[at], item),
            None if deletes => {}
            None => list.push(item.clone()),
        }
    }
}

/// RFC 6902: add, remove, replace, test.
pub(crate) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), Failure> {
    let bad = |why: String| {
        Failure::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {why}"))
    };
    for step in patch.as_array().ok_or_else(|| Failure::bad_request("error decoding patch"))? {
        let (op, at) = (super::json::text(step, "/op"), super::json::text(step, "/path"));
        let value = step.get("value").cloned().unwrap_or_default();
        if op == "test" {
            if target.pointer(at) != Some(&value) {
                return Err(bad(format!("testing path {at} failed")));
            }
            continue;
        }
        let (parent, key) = at.rsplit_once('/').ok_or_else(|| bad(format!("bad path {at}")))?;
        let key = key.replace("~1", "/").replace("~0", "~");
        let missing = || bad(format!("{op} operation does not apply: doc is missing path: {at}"));
        match (target.pointer_mut(parent).ok_or_else(missing)?, op) {
            (Value::Object(map), "add" | "replace") => {
                map.insert(key, value);
            }
            (Value::Object(map), "remove") => {
                map.shift_remove(&key).ok_or_else(missing)?;
            }
            (Value::Array(list), "add") if key == "-" => list.push(value),
            (Value::Array(list), op) => {
                let index: usize = key.parse().map_err(|_| missing())?;
                match op {
                    "add" if index <= list.len() => list.insert(index, value),
                    "replace" if index < list.len() => list[index] = value,
                    "remove" if index < list.len() => {
                        list.remove(index);
                    }
                    _ => return Err(missing()),
                }
            }
            _ => return Err(missing()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_restart_changes_one_annotation() {
        let mut deployment = json!({"spec": {"template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]}}}});
        let patch =
            json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "t"}}}}});
        strategic(&mut deployment, &patch);
        assert_eq!(
            deployment,
            json!({"spec": {"template": {"metadata": {"labels": {"app": "web"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "t"}},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]}}}})
        );
    }

    #[test]
    fn containers_and_env_are_merged_by_name() {
        let mut spec = json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]});
        let patch = json!({"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "$patch": "delete"}]},
            {"name": "b", "$patch": "delete"}, {"name": "c"}]});
        strategic(&mut spec, &patch);
        assert_eq!(spec, json!({"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "c"}]}));
    }

    #[test]
    fn merge_replaces_lists_and_null_removes() {
        let mut value = json!({"a": [1, 2], "b": {"c": 1, "d": 2}});
        merge(&mut value, &json!({"a": [3], "b": {"c": null}}));
        assert_eq!(value, json!({"a": [3], "b": {"d": 2}}));
    }
}
