//! The JSON Schema of what each command prints with `-o json`, from the types that it prints.

use serde_json::{Value, json};

use super::{
    access, addon, agent, audit, explain, file, list, map, migrate, policy, role, show, verify, version, wait, who_can,
};
use crate::model::{manifest, output_schema as schema};
use file::export;

/// A command, and its schema by that name.
type Output = (&'static str, fn(&str) -> Value);

/// Every command whose document has a schema, in the order of the help.
const OUTPUTS: &[Output] = &[
    ("list", schema::of::<list::Document<'static>>),
    ("show", schema::of::<show::Document<'static>>),
    ("role list", schema::of::<role::list::Document<'static>>),
    ("role show", schema::of::<role::show::Document<'static>>),
    ("role trust", schema::of::<role::trust::Shown<'static>>),
    ("policy print", policy_document),
    ("policy dynamodb", policy_document),
    ("policy show", schema::of::<policy::show::Document>),
    ("policy lint", schema::of::<policy::lint::Document<'static>>),
    ("agent status", schema::of::<agent::view::Document<'static>>),
    ("addon list", schema::of::<addon::list::Document<'static>>),
    ("addon show", schema::of::<addon::show::Document<'static>>),
    ("verify", schema::of::<verify::Document<'static>>),
    ("explain", schema::of::<explain::Document<'static>>),
    ("who-can", schema::of::<who_can::Document<'static>>),
    ("access", schema::of::<access::Document<'static>>),
    ("audit", schema::of::<audit::Document<'static>>),
    ("map", schema::of::<map::Document<'static>>),
    ("wait", schema::of::<wait::Document<'static>>),
    ("diff", schema::of::<file::view::Differences<'static>>),
    ("export", manifests),
    ("import", imported),
    ("migrate plan", schema::of::<migrate::plan::Document<'static>>),
    ("iam-policy", iam_policy),
    ("version", schema::of::<version::Document>),
];

/// The commands whose document has a schema.
pub fn commands() -> impl Iterator<Item = &'static str> {
    OUTPUTS.iter().map(|(command, _)| *command)
}

/// The schema of a command's document.
pub fn schema(command: &str) -> Option<Value> {
    let (name, schema) = OUTPUTS.iter().find(|(name, _)| *name == command)?;
    Some(schema(name))
}

/// Of one cluster the manifest itself, of several what `export` makes of them.
fn manifests(command: &str) -> Value {
    let mut several = schema::of::<export::Several<'static>>(command);
    let definitions = several["$defs"].take();
    if let Value::Object(fields) = &mut several {
        fields.retain(|key, _| {
            ["type", "description", "properties", "required", "additionalProperties"].contains(&&**key)
        });
    }
    with_manifest(command, &several, definitions)
}

/// Of one file the manifest itself, of several a list.
fn imported(command: &str) -> Value {
    let all = json!({"type": "array", "description": "Of several files", "items": {"$ref": "#/$defs/Manifest"}});
    with_manifest(command, &all, Value::Null)
}

/// The manifest, or the other schema, which names it as `#/$defs/Manifest`.
fn with_manifest(command: &str, other: &Value, definitions: Value) -> Value {
    let mut manifest = manifest::json_schema();
    let mut all = manifest["$defs"].take();
    if let Value::Object(fields) = &mut manifest {
        fields.retain(|key, _| !["$schema", "$id", "$defs"].contains(&&**key));
    }
    if let (Value::Object(all), Value::Object(more)) = (&mut all, definitions) {
        all.extend(more);
    }
    all["Manifest"] = manifest;
    let one = json!({"$ref": "#/$defs/Manifest"});
    root(command, json!({"description": "The manifest", "anyOf": [one, other], "$defs": all}))
}

/// IAM's own language, as far as podid writes it.
fn policy() -> Value {
    let texts = json!({"type": ["string", "array"], "items": {"type": "string"}});
    let texts = |about: &str| {
        let mut texts = texts.clone();
        texts["description"] = about.into();
        texts
    };
    json!({
        "type": "object",
        "description": "A policy document, in IAM's own form",
        "properties": {
            "Version": {"const": "2012-10-17", "description": "The version of the language"},
            "Statement": {"type": "array", "description": "The statements", "items": {
                "type": "object",
                "properties": {
                    "Sid": {"type": "string", "description": "What the statement is for: `podid policy detach` finds podid's statements by it"},
                    "Effect": {"const": "Allow", "description": "Whether it allows or denies"},
                    "Action": texts("What is allowed"),
                    "Resource": texts("On what"),
                    "Condition": {"type": "object", "description": "Under which conditions"},
                },
                "required": ["Effect", "Action", "Resource"],
                "additionalProperties": false,
            }},
        },
        "required": ["Version", "Statement"],
        "additionalProperties": false,
    })
}

fn root(command: &str, mut schema: Value) -> Value {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema::named(&mut schema, command);
    schema
}

fn policy_document(command: &str) -> Value {
    root(command, policy())
}

fn iam_policy(command: &str) -> Value {
    let objects = json!({
        "type": "object",
        "description": "With --rbac: the Kubernetes roles and their bindings",
        "properties": {
            "apiVersion": {"const": "v1", "description": "As Kubernetes has it"},
            "kind": {"const": "List", "description": "As Kubernetes has it"},
            "items": {"type": "array", "items": {"type": "object"}, "description": "The objects, for kubectl apply"},
        },
        "required": ["apiVersion", "kind", "items"],
        "additionalProperties": false,
    });
    root(command, json!({"description": "The policy, or with --rbac a list of objects", "anyOf": [policy(), objects]}))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_name_is_a_command() {
        for name in commands() {
            let root = Cli::command();
            let found = name.split(' ').try_fold(&root, |command, word| command.find_subcommand(word));
            assert!(found.is_some_and(|command| !command.has_subcommands()), "{name}");
        }
    }
}
