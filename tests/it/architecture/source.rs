//! Reads Rust as far as the rules need it: comments, texts and tests left out, paths flattened and resolved.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file without its comments and test modules.
pub(crate) struct Source {
    /// From the repository's root: `src/plan/role.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        Source { path, code: without_tests(&without_comments(&text)), text }
    };
    let found: Vec<Source> = paths.into_iter().map(read).collect();
    assert!(!found.is_empty(), "nothing in {folder}");
    found
}

impl Source {
    /// The room: `plan` of `src/plan/role.rs` and of `src/plan.rs`.
    pub(crate) fn room(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap();
        inner.split(['/', '.']).next().unwrap()
    }

    /// A module of tests: a file of its own, declared under `#[cfg(test)]`.
    pub(crate) fn is_tests(&self) -> bool {
        let test_only = ["/tests.rs", "/tests/", "_tests.rs", "/fixtures.rs"];
        test_only.iter().any(|part| self.path.contains(part))
    }

    /// Every path that is named: `crate::model::arn::Arn`, `std::fmt`; trees of `use` flattened, `super` resolved.
    pub(crate) fn paths(&self) -> BTreeSet<String> {
        let tokens = tokens(&self.code);
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at] == "use" {
                at += 1;
                at = tree(&tokens, at, "", &mut found);
            } else if is_word(&tokens[at]) && tokens.get(at + 1).is_some_and(|t| t == "::") {
                let mut path = tokens[at].clone();
                while tokens.get(at + 1).is_some_and(|t| t == "::") && tokens.get(at + 2).is_some_and(|t| is_word(t)) {
                    path = format!("{path}::{}", tokens[at + 2]);
                    at += 2;
                }
                found.insert(path);
                at += 1;
            } else {
                at += 1;
            }
        }
        found.iter().map(|path| self.resolved(path)).collect()
    }

    /// A path without `super` and `self` in front.
    fn resolved(&self, path: &str) -> String {
        let inner = self.path.strip_prefix("src/").unwrap().trim_end_matches(".rs").trim_end_matches("/mod");
        let mut here: Vec<&str> = inner.split('/').filter(|part| *part != "lib").collect();
        let mut rest = path;
        if !(rest.starts_with("super::") || rest.starts_with("self::") || rest == "super") {
            return path.to_owned();
        }
        rest = rest.strip_prefix("self::").unwrap_or(rest);
        while let Some(up) = rest.strip_prefix("super").filter(|up| up.is_empty() || up.starts_with("::")) {
            here.pop();
            rest = up.trim_start_matches("::");
        }
        let mut whole = vec!["crate"];
        whole.extend(here);
        if !rest.is_empty() {
            whole.push(rest);
        }
        whole.join("::")
    }

    /// Which of podid's own rooms it uses, with what of it.
    pub(crate) fn uses(&self) -> BTreeSet<String> {
        self.paths().iter().filter_map(|path| path.strip_prefix("crate::")).map(str::to_owned).collect()
    }

    /// The first words of paths from outside: crates, and types that are in scope already.
    pub(crate) fn crates(&self) -> BTreeSet<String> {
        let paths = self.paths();
        let first = paths.iter().map(|path| path.split("::").next().unwrap().to_owned());
        first.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()) && word != "crate").collect()
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single marks. Texts and characters are left out.
pub(crate) fn tokens(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(next);
            }
            found.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            found.push("::".to_owned());
        } else if !c.is_whitespace() {
            found.push(c.to_string());
        }
    }
    found
}

/// Reads a tree of `use` from `at` on, and answers where it ends.
fn tree(tokens: &[String], mut at: usize, before: &str, found: &mut BTreeSet<String>) -> usize {
    let mut path = before.to_owned();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t != "}") {
                    at = tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|t| t == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "::" => {}
            "as" => at += 1,
            "self" if !path.is_empty() => {}
            word if is_word(word) || word == "*" => {
                let colons = if path.is_empty() { "" } else { "::" };
                path = format!("{path}{colons}{word}");
            }
            _ => break,
        }
        at += 1;
    }
    found.insert(path);
    at
}

/// The contents of every text, with its escapes and line continuations resolved as far as messages use them.
pub(crate) fn texts(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = code.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => {
                chars.by_ref().find(|c| *c == '\n');
            }
            // A character: `'"'`.
            '\'' if before == '(' || before == ' ' || before == '[' || before == ',' || before == '|' => {
                let next = chars.next();
                if next == Some('\\') {
                    chars.next();
                }
                chars.next_if_eq(&'\'');
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => match chars.next() {
                            Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                            Some('n') => text.push('\n'),
                            Some(other) => text.push(other),
                            None => {}
                        },
                        c => text.push(c),
                    }
                }
                found.push(text);
            }
            _ => {}
        }
        before = c;
    }
    found
}

/// Blanks comments and the contents of texts, so that nothing in them looks like code.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let raw = match rest {
            ['r', '"', ..] => Some(0),
            ['r', '#', '"', ..] => Some(1),
            ['r', '#', '#', '"', ..] => Some(2),
            _ => None,
        };
        let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        if rest.starts_with(&['/', '/']) {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if let (Some(hashes), false) = (raw, word_before) {
            let end: Vec<char> = format!("\"{}", "#".repeat(hashes)).chars().collect();
            at += hashes + 2;
            while at < chars.len() && !chars[at..].starts_with(&end) {
                at += 1;
            }
            at += end.len();
            out.push_str("\"\"");
        } else if rest[0] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
            out.push_str("\"\"");
        } else if let ['\'', '\\', _, ..] = rest {
            at += 3;
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if let ['\'', _, '\'', ..] = rest {
            at += 3;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    out
}

/// Leaves out `#[cfg(test)] mod … { … }` and functions under `#[cfg(test)]`.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = match (item.find('{'), item.find(';')) {
            (Some(brace), semicolon) if semicolon.is_none_or(|semicolon| brace < semicolon) => {
                let mut depth = 0;
                item.char_indices()
                    .skip_while(|(i, _)| *i < brace)
                    .find_map(|(i, c)| {
                        depth += i32::from(c == '{') - i32::from(c == '}');
                        (depth == 0).then_some(i + 1)
                    })
                    .unwrap_or(item.len())
            }
            (_, Some(semicolon)) => semicolon + 1,
            _ => item.len(),
        };
        rest = &item[end..];
    }
    out + rest
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let text = r#"
//! Not `crate::no::comment`.
use std::{fmt, io::{self, Read as _}};
use super::{Plan, role::{self, Planned}};
use crate::{model::{arn::{Arn, RoleRef}, want::*}, failure::Result as R};
/* not */ fn f() -> crate::wait::Guard { let x = "crate::no::text"; let c = '"'; tokio::time::sleep(r"crate::no"); }
#[cfg(test)]
mod tests { use crate::no::test; fn g() { if true {} } }
fn h() { super::super::cli::x(); }
"#;
    let source = Source {
        path: "src/plan/agent.rs".to_owned(),
        text: text.to_owned(),
        code: without_tests(&without_comments(text)),
    };
    let expected = [
        "crate::cli::x",
        "crate::failure::Result",
        "crate::model::arn::Arn",
        "crate::model::arn::RoleRef",
        "crate::model::want::*",
        "crate::plan::Plan",
        "crate::plan::role",
        "crate::plan::role::Planned",
        "crate::wait::Guard",
        "std::fmt",
        "std::io",
        "std::io::Read",
        "tokio::time::sleep",
    ];
    assert_eq!(source.paths().iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
