//! What the man pages say of the JSON of a command that reads: each field of its schema, with its path.

use serde_json::Value;

use super::{commands, path, text as texts};

/// Commands that print the manifest, whose keys are its own, and what they print of several.
pub(crate) const MANIFESTS: [(&str, &str); 2] = [
    (
        "export",
        "Of several clusters it is a document for each, and with -o json one object: {\"clusters\": [...], \"unread\": [...]}, where unread has what and why for each cluster that could not be read.",
    ),
    ("import", "Of several files it is a document for each, and with -o json a list."),
];

/// Whether the command prints the manifest.
pub(crate) fn is_manifest(command: &str) -> bool {
    MANIFESTS.iter().any(|(name, _)| *name == command)
}

/// The first words.
pub(super) fn intro(command: &str, schema: &Value) -> String {
    if let Some((_, about)) = MANIFESTS.iter().find(|(name, _)| *name == command) {
        return format!("The manifest itself; a table is YAML too. Its keys are on podid-apply(1). {about}");
    }
    let about = text(schema);
    format!(
        "One object, whose JSON Schema podid schema {command} prints. {}{}",
        about,
        if about.is_empty() { "" } else { ":" }
    )
}

fn text(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('`', "");
    text.trim_end_matches('.').to_owned()
}

/// Every field: `findings[].id`, and what it is. Fields of one object that stands in several places are told once.
pub(super) fn rows(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let command = schema["title"].as_str().unwrap_or_default().trim_start_matches("podid ");
    if !is_manifest(command) {
        walk(schema, schema, "", &mut Vec::new(), &mut found);
    }
    found
}

fn walk(root: &Value, schema: &Value, path: &str, seen: &mut Vec<(String, String)>, found: &mut Vec<(String, String)>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
        if seen.iter().any(|(known, _)| known == name) {
            return;
        }
        seen.push((name.to_owned(), path.to_owned()));
        return walk(root, &root["$defs"][name], path, seen, found);
    }
    for kind in ["anyOf", "oneOf", "allOf"] {
        schema[kind].as_array().into_iter().flatten().for_each(|one| walk(root, one, path, seen, found));
    }
    if schema.get("items").is_some() {
        walk(root, &schema["items"], &format!("{path}[]"), seen, found);
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        let below = format!("{path}{dot}{key}");
        // What a form of several is, is said of the form.
        let told = if value.get("description").is_some() { value } else { &described(value, schema) };
        let row = (format!("{below}{}", if is_list(value) { "[]" } else { "" }), about(root, told, seen));
        if !found.contains(&row) {
            found.push(row);
        }
        walk(root, value, &below, seen, found);
    }
}

fn described(value: &Value, form: &Value) -> Value {
    let mut value = value.clone();
    if let Some(about) =
        form.get("description").filter(|_| form["properties"].as_object().is_some_and(|all| all.len() == 1))
    {
        value["description"] = about.clone();
    }
    value
}

fn is_list(schema: &Value) -> bool {
    schema.get("items").is_some()
}

/// What a field is, with the values that it may have, and where its fields are told.
fn about(root: &Value, schema: &Value, seen: &[(String, String)]) -> String {
    let mut about = text(schema);
    if let Some(value) = schema["const"].as_str() {
        return if about.is_empty() { value.to_owned() } else { about };
    }
    let words = words(root, schema);
    if !words.is_empty() {
        about = format!("{about}: {}", words.join(", "));
    }
    let name = name(schema).or_else(|| name(&schema["items"]));
    match name.and_then(|name| seen.iter().find(|(known, _)| known == name)) {
        Some((name, path)) if root["$defs"][name].get("properties").is_some() => {
            let path = if path.is_empty() { "the document" } else { path };
            format!("{about}; its fields are those of {path}").trim_start_matches("; ").to_owned()
        }
        _ => about,
    }
}

/// The definition that it is, or may be beside null.
fn name(schema: &Value) -> Option<&str> {
    let own = schema["$ref"].as_str();
    let may_be = || schema["anyOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str());
    own.or_else(may_be)?.strip_prefix("#/$defs/")
}

/// The words that a field may hold.
fn words(root: &Value, schema: &Value) -> Vec<String> {
    let Some(name) = name(schema).or_else(|| name(&schema["items"])) else { return Vec::new() };
    let definition = &root["$defs"][name];
    let all = definition["enum"].as_array().into_iter().flatten();
    let each = definition["oneOf"].as_array().into_iter().flatten();
    all.chain(each.clone().map(|one| &one["const"]))
        .chain(each.flat_map(|one| one["enum"].as_array().into_iter().flatten()))
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

/// Every field of every document says what it is.
#[test]
fn every_field_is_described() {
    for command in podid::commands::outputs::commands().filter(|command| !is_manifest(command)) {
        let schema = podid::commands::outputs::schema(command).unwrap();
        for (path, about) in rows(&schema) {
            assert!(!about.is_empty(), "{command}: {path} has no description");
        }
    }
}

/// Every command that prints data says what: by its schema if it reads, on its page if it changes something.
#[test]
fn every_document_is_described() {
    // Their JSON is another's: JSON Schema itself, credential_process, and what the command prints that they run.
    const OTHERS: [&str; 4] = ["podid schema", "podid credentials", "podid exec", "podid completions"];
    for command in commands().iter().filter(|command| !command.has_subcommands()) {
        let path = path(command);
        let schema = podid::commands::outputs::schema(path.trim_start_matches("podid "));
        let described = schema.is_some() != texts::output(path).is_some();
        assert!(described != OTHERS.contains(&path), "{path}");
    }
}
