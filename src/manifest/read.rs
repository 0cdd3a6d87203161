//! From paths to entries: files, folders and stdin, their size and encoding, and the words for what is wrong with them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use super::{
    decode::{self, Decoded, decode, header},
    yaml::{self, Position},
};
use crate::{
    failure::{Failure, Result},
    files::{self, Unread},
    model::exception::Exception,
    model::manifest::{API_VERSION, Entries, KIND, Manifest, Place, Places, Problem, entries, ignored},
};

/// Bytes of one file: ten times what 5,000 associations take.
pub(super) const LARGEST: u64 = 16_000_000;

/// Bytes of all files together.
const LARGEST_TOGETHER: usize = 64_000_000;

/// Problems that are shown with their line.
const SNIPPETS: usize = 5;

/// Problems that are shown at all.
const SHOWN: usize = 50;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What the documents want together.
    pub entries: Entries,
    /// What was passed over, one line each.
    pub notes: Vec<String>,
}

struct Text {
    /// As it was named.
    source: String,
    folder: PathBuf,
    whole: String,
    /// Found in a folder: documents of others are passed over.
    among_others: bool,
}

/// Reads `-f` paths: files, folders (`*.yaml`, `*.yml`, `*.json` right in them), and `-`, which is `stdin`.
///
/// # Errors
/// Usage: what cannot be read, what is no YAML with its line, or all else that is wrong, each with its place.
pub fn read(paths: &[PathBuf], stdin: &mut dyn io::Read) -> Result<Read> {
    let mut texts = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            return Err(Failure::usage(format!("`{}` is passed twice", path.display())));
        }
        if path.as_os_str() == "-" {
            let text = files::stream(stdin, LARGEST).map_err(|e| unread("stdin", &e))?;
            texts.push(Text {
                source: "stdin".to_owned(),
                folder: PathBuf::from("."),
                whole: text,
                among_others: false,
            });
        } else if path.is_dir() {
            texts.extend(folder(path)?);
        } else {
            texts.push(file(path, false)?);
        }
    }
    if texts.iter().map(|text| text.whole.len()).sum::<usize>() > LARGEST_TOGETHER {
        let most = LARGEST_TOGETHER / 1_000_000;
        return Err(
            Failure::usage(format!("the files are larger than {most} MB together")).hint("apply them in several runs")
        );
    }
    let (mut documents, mut problems, mut passed) = (Vec::new(), Vec::new(), 0);
    for text in &texts {
        let nodes = yaml::documents(&text.whole).map_err(|wrong| {
            let at = Place { source: text.source.clone(), line: wrong.at.line, column: wrong.at.column };
            let snippet = snippet(&text.whole, wrong.at);
            Failure::usage(format!("{at}: this is not YAML: {}{snippet}", wrong.why))
        })?;
        if nodes.is_empty() && !text.among_others {
            return Err(Failure::usage(format!("{}: the file is empty", text.source)).hint(example()));
        }
        for node in nodes {
            if text.among_others && header(&node) != (Some(API_VERSION), Some(KIND)) {
                // Others' documents lie in such folders; one that only has the version wrong is podid's all the same.
                if !header(&node).0.is_some_and(|version| version.starts_with("podid.dev/")) {
                    passed += 1;
                    continue;
                }
            }
            let Decoded { manifest, places, problems: wrong } = decode(&node, &text.source, &text.folder);
            problems.extend(wrong);
            documents.push((manifest, places, text));
        }
    }
    if documents.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(Failure::usage(format!("{} has no podid document ({API_VERSION}, {KIND})", named.join(", ")))
            .hint(example()));
    }
    // Only whole documents are compared: what is missing in a broken one would be said twice.
    if problems.is_empty() {
        let closures: Vec<_> =
            documents.iter().map(|(_, places, text)| move |path: &str| place_of(places, &text.source, path)).collect();
        let manifests = documents.iter().map(|(manifest, ..)| manifest.clone());
        let together: Vec<(Manifest, Places<'_>)> =
            manifests.zip(closures.iter().map(|closure| closure as Places<'_>)).collect();
        match entries(together) {
            Ok(entries) => return Ok(Read { entries, notes: ignored(passed).into_iter().collect() }),
            Err(found) => problems = found,
        }
    }
    problems.sort();
    Err(all(&problems, &texts))
}

/// Reads a file of exceptions to findings, whose ids `known` knows.
///
/// # Errors
/// Usage: what cannot be read, what is no YAML with its line, or all else that is wrong, each with its place.
pub fn exceptions(path: &Path, known: &dyn Fn(&str) -> std::result::Result<(), String>) -> Result<Vec<Exception>> {
    let text = file(path, false)?;
    let nodes = yaml::documents(&text.whole).map_err(|wrong| {
        let at = Place { source: text.source.clone(), line: wrong.at.line, column: wrong.at.column };
        Failure::usage(format!("{at}: this is not YAML: {}{}", wrong.why, snippet(&text.whole, wrong.at)))
    })?;
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for node in &nodes {
        let (some, wrong) = decode::exceptions(node, &text.source, known);
        found.extend(some);
        problems.extend(wrong);
    }
    let Some(first) = problems.first() else { return Ok(found) };
    let lines: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    let at = Position { line: first.at.line, column: first.at.column };
    Err(Failure::usage(format!("{}{}", lines.join("\n"), snippet(&text.whole, at))))
}

fn example() -> String {
    format!("a manifest begins with `apiVersion: {API_VERSION}` and `kind: {KIND}`: `podid export` prints one")
}

/// Where a path stands; where it does not, what is around it.
fn place_of(places: &std::collections::BTreeMap<String, Position>, source: &str, path: &str) -> Place {
    let mut path = path;
    let at = loop {
        if let Some(at) = places.get(path) {
            break *at;
        }
        path = match path.rfind(['.', '[']) {
            Some(end) => &path[..end],
            None => break places.get("").copied().unwrap_or_default(),
        };
    };
    Place { source: source.to_owned(), line: at.line, column: at.column }
}

fn folder(path: &Path) -> Result<Vec<Text>> {
    let shown = path.display();
    let unread = |e: io::Error| Failure::usage(format!("cannot read folder `{shown}`")).because(e.to_string());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unread)? {
        let found = entry.map_err(unread)?.path();
        let fits = found.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e == *known));
        if fits && !found.is_dir() {
            files.push(found);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format!("folder `{shown}` has no *.yaml, *.yml or *.json file"))
            .hint("subfolders are not read: pass each with its own `-f`"));
    }
    files.iter().map(|path| file(path, true)).collect()
}

fn file(path: &Path, among_others: bool) -> Result<Text> {
    let source = path.display().to_string();
    let text = files::text(path, LARGEST).map_err(|e| unread(&source, &e))?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    Ok(Text { source, folder, whole: text, among_others })
}

pub(super) fn unread(source: &str, why: &Unread) -> Failure {
    match why {
        Unread::TooLarge(most) => Failure::usage(format!("{source}: larger than {} MB", most / 1_000_000))
            .hint("split it into several files in one folder"),
        Unread::Utf16 => Failure::usage(format!("{source}: this is UTF-16, not UTF-8")),
        Unread::Encoding(line) => Failure::usage(format!("{source}:{line}: this is not UTF-8 text")),
        Unread::System(_) | Unread::Kind(_) => {
            Failure::usage(format!("cannot read `{source}`")).because(why.to_string())
        }
    }
}

/// All problems as one failure: each on its line, the first with what stands there.
fn all(problems: &[Problem], texts: &[Text]) -> Failure {
    let mut message = match problems.len() {
        1 => String::new(),
        n => format!("{n} problems in the manifest:"),
    };
    for (index, problem) in problems.iter().take(SHOWN).enumerate() {
        if problems.len() > 1 {
            message.push('\n');
        }
        let _ = write!(message, "{problem}");
        let text = texts.iter().find(|text| text.source == problem.at.source).filter(|_| index < SNIPPETS);
        if let Some(text) = text {
            message += &snippet(&text.whole, Position { line: problem.at.line, column: problem.at.column });
        }
    }
    if problems.len() > SHOWN {
        let _ = write!(message, "\nand {} more", problems.len() - SHOWN);
    }
    Failure::usage(message).hint("editors can check it with the JSON Schema from `podid schema`")
}

/// The line with a mark under the column. Long lines are cut around it.
pub(super) fn snippet(text: &str, at: Position) -> String {
    const WIDTH: usize = 76;
    let Some(line) = text.lines().nth(at.line.saturating_sub(1)) else { return String::new() };
    let characters: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = at.column.saturating_sub(1).min(characters.len());
    let from = if column < WIDTH - 10 { 0 } else { column - WIDTH / 2 };
    let shown: String = characters.iter().skip(from).take(WIDTH).collect();
    let number = at.line.to_string();
    let margin = " ".repeat(number.len());
    format!("\n{number} | {}\n{margin} | {}^", shown.trim_end(), " ".repeat(column - from))
}

#[cfg(test)]
mod tests;
