//! Files of other tools: text to a manifest, with the place of what is wrong. What the manifest means is checked as if it had
//! been read from a file.

use std::{io, path::Path};

use serde_json::Value;

use super::{
    decode::{Decoded, decode},
    read::{LARGEST, snippet, unread},
    yaml::{self, Node, NodeKind, Position, YamlError},
};
use crate::{
    failure::{Failure, Result},
    files,
    model::{
        import::{self, Imported, Problem, place},
        manifest::{API_VERSION, Manifest, Place, Places, entries},
    },
};

/// Reads one file; `-` is `stdin`.
///
/// # Errors
/// Usage: what cannot be read, is no YAML or JSON, is of no tool that is known, or is wrong, with its place.
pub fn import(path: &Path, cluster: Option<&str>, stdin: &mut dyn io::Read) -> Result<Imported> {
    let (source, text) = if path.as_os_str() == "-" {
        ("stdin".to_owned(), files::stream(stdin, LARGEST))
    } else {
        (path.display().to_string(), files::text(path, LARGEST))
    };
    let text = text.map_err(|e| unread(&source, &e))?;
    let at = |position: Position| Place { source: source.clone(), line: position.line, column: position.column };
    let broken = |wrong: &YamlError| {
        Failure::usage(format!(
            "{}: this is neither YAML nor JSON: {}{}",
            at(wrong.at),
            wrong.why,
            snippet(&text, wrong.at)
        ))
    };
    let nodes = yaml::documents_with_functions(&text).map_err(|wrong| broken(&wrong))?;
    let mut wrong = Vec::new();
    let documents: Vec<Value> = nodes.iter().map(|node| node.json(&mut wrong)).collect();
    if let Some(wrong) = wrong.first() {
        return Err(broken(wrong));
    }
    let told = |problem: Problem| {
        let position = nodes.get(problem.document).map(|node| position(node, &problem.path)).unwrap_or_default();
        let path = place(&problem.path);
        let path = if path.is_empty() { path } else { format!("{path}: ") };
        Failure::usage(format!("{}: {path}{}{}", at(position), problem.message, snippet(&text, position)))
    };
    match import::import(&documents, cluster) {
        Some(imported) => checked(imported.map_err(told)?, &source),
        None if documents.iter().any(|document| document.get("apiVersion").and_then(Value::as_str) == Some(API_VERSION)) => {
            Err(Failure::usage(format!("{source}: this is podid's own manifest")).hint("apply it: `podid apply -f FILE`"))
        }
        None => Err(Failure::usage(format!("{source}: unsupported kind of file"))
            .hint("supported are ClusterConfigs of eksctl, Terraform state and plans (`terraform show -json`), CloudFormation templates, and custom resources of ACK and Crossplane")),
    }
}

/// Where a path leads, as far as it does.
fn position(node: &Node, path: &[String]) -> Position {
    let Some((first, rest)) = path.split_first() else { return node.at };
    let next = match &node.what {
        NodeKind::Mapping(pairs) => pairs
            .iter()
            .find(|(key, _)| matches!(&key.what, NodeKind::Scalar { text, .. } if text == first))
            .map(|(_, value)| value),
        NodeKind::List(items) => {
            let index = first.trim_matches(['[', ']']).parse::<usize>().ok();
            index.and_then(|index| items.get(index))
        }
        NodeKind::Scalar { .. } => None,
    };
    next.map_or(node.at, |next| position(next, rest))
}

/// A manifest that `apply` would not take is no result.
fn checked(imported: Imported, source: &str) -> Result<Imported> {
    let wrong =
        |what: &str| Failure::usage(format!("{source}: the manifest of this {} is not valid: {what}", imported.from));
    let whose = |path: &str| named(&imported.manifest, path);
    let text = serde_json::to_string(&imported.manifest).map_err(|e| wrong(&e.to_string()))?;
    let nodes = yaml::documents(&text).map_err(|e| wrong(&e.why))?;
    for node in &nodes {
        let Decoded { manifest, problems, .. } = decode(node, source, Path::new("."));
        let nowhere = |_: &str| Place { source: source.to_owned(), line: 1, column: 1 };
        let mut problems = problems;
        if problems.is_empty() {
            problems = entries(vec![(manifest, &nowhere as Places<'_>)]).err().unwrap_or_default();
        }
        if let Some(problem) = problems.first() {
            return Err(wrong(&format!("{}{}: {}", problem.path, whose(&problem.path), problem.message)));
        }
    }
    Ok(imported)
}

/// The name behind `associations[2]` or `roles[0]`, which nobody has seen.
fn named(manifest: &Manifest, path: &str) -> String {
    let index = |list: &str| path.strip_prefix(list)?.strip_prefix('[')?.split(']').next()?.parse::<usize>().ok();
    let association = index("associations").and_then(|at| manifest.associations.get(at)).map(|it| &it.service_account);
    let name = association.or_else(|| index("roles").and_then(|at| manifest.roles.get(at)).map(|role| &role.name));
    name.map_or_else(String::new, |name| format!(" (`{name}`)"))
}
