//! The pages of docs/: what they take from the code is current, the summary has all of them, and their links lead somewhere. And the
//! picture in the README, drawn from what podid prints.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use clap::CommandFactory;
use podid::cli::{Cli, EXIT_CODES};

use super::{between, holds, root};
use crate::support::{Env, finish};

/// More lines than a reader takes in before the first try.
const README_LINES: usize = 150;

/// Of the picture.
const COLUMNS: usize = 100;

/// Of a line that goes on, in the picture.
const INDENT: usize = 11;

fn pages() -> Vec<PathBuf> {
    let read = |folder: &str| fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let pages = read("docs").chain(read("docs/adr")).filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.chain(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name))).collect()
}

#[test]
fn the_page_of_commands_is_current() {
    let path = root().join("docs/commands.md");
    let help = podid::cli::command().term_width(100).render_help().to_string();
    let codes: Vec<String> = EXIT_CODES.iter().map(|(code, meaning)| format!("| {code} | {meaning} |\n")).collect();
    let page = fs::read_to_string(&path).unwrap();
    let page = between(&page, "help", &format!("```text\n{}\n```\n", help.trim_end()));
    let page = between(&page, "exit-codes", &format!("| code | meaning |\n|---|---|\n{}", codes.concat()));
    holds(&path, &page);
    for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        let row = format!("| `{name}");
        assert!(
            page.contains(&row) || page.contains(&format!("`, `{name}")),
            "{name} is in no row of {}",
            path.display()
        );
    }
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines < README_LINES, "{lines} lines: move some of it to docs/");
}

#[test]
fn the_summary_has_every_page() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let listed: BTreeSet<&str> =
        summary.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')')).collect();
    for page in fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let page = page.to_str().unwrap();
        let is_page = Path::new(page).extension().is_some_and(|end| end == "md") && page != "SUMMARY.md";
        assert!(!is_page || listed.contains(page), "docs/{page} is not in docs/SUMMARY.md");
    }
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            if target.contains("://") || target.starts_with('#') || target.contains(' ') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = page.parent().unwrap().join(file);
            assert!(to.exists(), "{}: `{target}` is not there", page.display());
            if !heading.is_empty() {
                let found = fs::read_to_string(&to).unwrap();
                let named = |line: &str| {
                    let title = line.trim_start_matches('#').trim().to_lowercase();
                    line.starts_with('#') && title.replace(' ', "-").replace(['`', ','], "") == heading
                };
                assert!(found.lines().any(named), "{}: `{target}` has no such heading", page.display());
            }
        }
    }
}

/// A line with line breaks between words, and the columns of a colored word counted without its colors.
fn wrapped(line: &str) -> String {
    let colors = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    let (mut out, mut columns) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let width = colors.replace_all(word, "").chars().count();
        if columns + width > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT));
            columns = INDENT;
        }
        out += word;
        columns += width;
    }
    out
}

/// What a user sees: a fault that is found, and the command that fixes it.
#[test]
fn the_picture_is_current() {
    let env = Env::new("carts-agent");
    let mut screen = String::new();
    for line in
        ["verify carts/carts", "associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --recycle"]
    {
        let args: Vec<&str> = line.split(' ').chain(["--color", "always", "--no-progress"]).collect();
        let mut command = env.command(&args);
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let printed = finish(command.spawn().unwrap()).steady();
        let printed = printed.lines().filter(|line| !line.starts_with("exit ") && !line.starts_with("--- "));
        let _ = writeln!(
            screen,
            "\u{1b}[1m$ podid {line}\u{1b}[0m\n{}\n",
            printed.map(wrapped).collect::<Vec<_>>().join("\n")
        );
    }
    let picture = anstyle_svg::Term::new().palette(anstyle_svg::WIN10_CONSOLE).render_svg(screen.trim_end());
    holds(&root().join("docs/podid.svg"), &(picture.trim_end().to_owned() + "\n"));
}
