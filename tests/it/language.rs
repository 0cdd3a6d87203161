//! Help texts, man pages, documentation and messages use the words of the field, in American spelling.

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use podid::cli::Cli;

use crate::{
    architecture::source::{root, sources, texts},
    hints::helps,
};

/// Words and phrases that users should not have to decode, and the ones to write instead.
const BANNED: &[(&str, &str)] = &[
    ("a yes", "confirmation"),
    ("admit", "allow"),
    ("admits", "allows"),
    ("admitted", "allowed"),
    ("anew", "again"),
    ("any more", "no longer"),
    ("anybody", "another user"),
    ("are made", "are created"),
    ("at hand", "current"),
    ("broken link", "failed check"),
    ("effective", "ready"),
    ("freshness", "needs restart"),
    ("is made", "is created"),
    ("is said", "is reported"),
    ("is told", "is reported"),
    ("leave away", "omit"),
    ("left away", "omitted"),
    ("look at", "check, read"),
    ("looked at", "checked, read"),
    ("looks at", "checks, reads"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("nobody", "no user; unused"),
    ("probe", "dry-run pod"),
    ("probes", "dry-run pods"),
    ("said midway", "partially applied"),
    ("shadowed", "overridden"),
    ("shadows", "overrides"),
    ("somebody", "another user"),
    ("sound", "ok, passed"),
    ("stale", "needs restart"),
    ("stays as it is", "is unchanged"),
    ("strangers", "other users"),
    ("take away", "remove"),
    ("take back", "roll back"),
    ("takes away", "removes"),
    ("takes back", "rolls back"),
    ("the road", "the check"),
    ("was made", "was created"),
    ("were made", "were created"),
    ("whoever", "a user who; the caller"),
    ("whom", "who"),
    // American spelling, as the AWS APIs and kubectl have it.
    ("analyse", "analyze"),
    ("authorise", "authorize"),
    ("authorised", "authorized"),
    ("authorises", "authorizes"),
    ("behaviour", "behavior"),
    ("catalogue", "catalog"),
    ("centre", "center"),
    ("colour", "color"),
    ("colours", "colors"),
    ("favour", "favor"),
    ("honour", "honor"),
    ("honours", "honors"),
    ("initialise", "initialize"),
    ("normalise", "normalize"),
    ("organisation", "organization"),
    ("organisations", "organizations"),
    ("organisation's", "organization's"),
    ("recognise", "recognize"),
    ("recognised", "recognized"),
    ("recognises", "recognizes"),
];

/// Words that may stand twice.
const TWICE: &[&str] = &["that"];

/// A hyphen is part of a word: `--stale` is a flag, `link-local` an address.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '\'' | '.' | '`' | '{' | '}')))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

/// What is wrong with the words of a text.
fn wrong(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words: Vec<(usize, &str)> = words(&lower)
        .map(|(at, word)| (at, word.trim_matches(['.', '\''])))
        .filter(|(_, word)| !word.is_empty())
        .collect();
    let plain: String = format!(" {} ", words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" "));
    let mut found: Vec<String> = BANNED
        .iter()
        .filter(|(banned, _)| plain.contains(&format!(" {banned} ")))
        .map(|(banned, better)| format!("`{banned}`: write `{better}`"))
        .collect();
    let twice = words.windows(2).find(|pair| {
        let [(first, one), (second, other)] = pair else { return false };
        one == other
            && one.len() > 1
            && one.chars().all(char::is_alphabetic)
            && !TWICE.contains(one)
            && &lower[first + one.len()..*second] == " "
    });
    found.extend(twice.map(|pair| format!("`{0} {0}`: a word stands twice", pair[0].1)));
    found
}

/// A page without its code: fenced blocks and what stands between backticks.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.split('`').step_by(2).collect::<Vec<_>>().join("`x`")
}

/// A man page without its markup and without the names in bold.
fn unmarked(page: &str) -> String {
    let plain = page.replace("\\-", "-").replace("\\fI", "").replace("\\*(Aq", "'");
    let mut text = String::new();
    for (at, part) in plain.split("\\fB").enumerate() {
        let rest = if at == 0 { part } else { part.split_once("\\fR").map_or("", |(_, rest)| rest) };
        text.push_str(rest);
    }
    text.replace("\\fR", "")
}

fn pages(folder: &str, extension: &str) -> Vec<(String, String)> {
    let folder = root().join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = |path: &Path| path.extension().is_some_and(|found| found == extension);
    paths
        .filter(|path| wanted(path))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The texts of the code: sentences, not the names and the data in it. What other programs print is theirs, our remedies for it not.
fn literals() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_tests()) {
        let code = source.text.split("#[cfg(test)]\nmod").next().unwrap();
        let theirs = source.path.contains("/message/") && !source.path.ends_with("/meaning.rs");
        let all = if theirs {
            code.split(".remedy(").skip(1).filter_map(|rest| texts(rest).into_iter().next()).collect()
        } else {
            texts(code)
        };
        let sentences = all.into_iter().filter(|text| text.contains(' ') && !text.starts_with("(?"));
        found.extend(sentences.map(|text| (source.path.clone(), text)));
    }
    assert!(found.len() > 2000, "{} texts", found.len());
    found
}

fn check(texts: impl IntoIterator<Item = (String, String)>) {
    let mut found = BTreeSet::new();
    for (from, text) in texts {
        for line in text.split("\n\n") {
            found.extend(wrong(line).into_iter().map(|what| format!("{from}: {what}\n    {}", line.trim())));
        }
    }
    assert!(found.is_empty(), "\n{}", found.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn helps_use_the_words_of_the_field() {
    let mut all = Vec::new();
    helps(&mut Cli::command(), &mut all);
    check(all);
}

#[test]
fn man_pages_use_the_words_of_the_field() {
    check(pages("man", "1").into_iter().map(|(name, page)| (name, unmarked(&page))));
}

#[test]
fn documentation_uses_the_words_of_the_field() {
    let first =
        ["README.md", "CHANGELOG.md"].map(|name| (name.to_owned(), fs::read_to_string(root().join(name)).unwrap()));
    let all = pages("docs", "md").into_iter().chain(first);
    check(all.map(|(name, page)| (name, prose(&page))));
}

#[test]
fn messages_use_the_words_of_the_field() {
    check(literals());
}

#[test]
fn wrong_words_are_found() {
    for (text, expected) in [
        ("role carts admits it", "`admits`"),
        ("Whoever runs it", "`whoever`"),
        ("needs\na yes", "`a yes`"),
        ("the colour", "`colour`"),
        ("the organisation's policies", "`organisation's`"),
        ("read the the file", "`the the`"),
        ("every check is sound.", "`sound`"),
    ] {
        assert!(wrong(text).iter().any(|what| what.starts_with(expected)), "{text}: {:?}", wrong(text));
    }
    for fine in ["SoundCloud", "pass --stale", "link-local", "`carts` carts", "a probe.rs file", "sounds"] {
        assert!(wrong(fine).is_empty(), "{fine}: {:?}", wrong(fine));
    }
    assert_eq!(prose("see `whom` or\n```\nwhom\n```\nthis"), "see `x` or\nthis\n");
    assert_eq!(unmarked("\\fBeffective\\fR is \\-\\-x"), " is --x");
}
