//! Whatever others wrote into a report: JUnit's stays one well-formed document, GitHub's has podid's commands and no other.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::*;
use crate::{
    checks::{Check, Follows, Link},
    model::names::ServiceAccount,
    output::{Ci, Streams, Term, TermSettings, is_command},
};

static CHECK: Check =
    Check { id: "app.test", link: Link::App, title: "", background: "", sources: &[], follows: Follows::Nothing };

const PIECES: &[&str] = &[
    "::error::x",
    "::error title=x::y",
    "::stop-commands::x",
    "::add-mask::x",
    "##[error]x",
    "##vso[task.setvariable]x",
    "##teamcity[x",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "</testsuites>",
    "<?x?>",
    "<a b=\"",
    "'",
    "\"",
    "&",
    "&amp;",
    "&#0;",
    "&x;",
    "%",
    "%0A",
    "%0A::error::x",
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "\u{1b}[31m",
    "\u{1b}]0;x\u{7}",
    "\u{9b}2J",
    "\0",
    "\u{8}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{feff}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{e0001}",
    "\u{10ffff}",
    ":",
    "#",
    "[",
    ",",
    "a",
    "é",
    "✔",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat())
}

/// Foreign text everywhere where a report may hold it.
fn report() -> impl Strategy<Value = Report> {
    let status =
        prop::sample::select(vec![Status::Ok, Status::Warning, Status::Failed, Status::Skipped, Status::Unknown]);
    let finding = (status, prop::array::uniform6(text())).prop_map(
        |(status, [subject, message, source, evidence, command, change])| {
            CHECK.finds(status, subject, message).evidence(source, evidence).command(command).change(change)
        },
    );
    (text(), text(), prop::collection::vec(finding, 1..4))
        .prop_map(|(namespace, name, findings)| Report::of_findings(ServiceAccount { namespace, name }, findings))
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What reaches stdout, with and without a CI system and colors.
fn printed(ci: Ci, reports: &[Report], commands: bool, out_color: bool) -> String {
    let streams = Streams { out_color, commands, ..Streams::default() };
    let out = Printed::default();
    let term = Term::with_streams(
        TermSettings { ci: Some(ci), ..TermSettings::default() },
        streams,
        Box::new(out.clone()),
        Box::new(io::sink()),
    );
    let text = if ci == Ci::Junit { junit(reports, false) } else { github(reports, false) };
    term.emit_report(&text).unwrap();
    let bytes = out.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The names of the elements that are open, innermost last, after what `text` adds; an error where it is not well-formed
/// (W3C, XML 1.0). No comment, section or instruction is podid's.
fn read(text: &str) -> Result<usize, String> {
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").ok_or("no declaration")?;
    let legal = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if let Some(c) = text.chars().find(|c| !legal(*c)) {
        return Err(format!("{c:?}"));
    }
    let (mut open, mut elements) = (Vec::new(), 0);
    while let Some((before, tag)) = rest.split_once('<') {
        characters(before)?;
        let (tag, after) = tag.split_once('>').ok_or("a tag without an end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (whole, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = whole.split_once(' ').unwrap_or((whole, ""));
        let known = ["testsuites", "testsuite", "testcase", "failure", "skipped", "system-out"];
        if !known.contains(&name) {
            return Err(format!("<{name}> is not podid's"));
        }
        attribute_list(attributes)?;
        elements += 1;
        if !empty {
            open.push(name);
        }
    }
    characters(rest)?;
    if open.is_empty() { Ok(elements) } else { Err(format!("{open:?} stay open")) }
}

fn attribute_list(mut rest: &str) -> Result<(), String> {
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").ok_or_else(|| format!("{rest:?} is no attribute"))?;
        if names.contains(&name) || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(format!("attribute {name:?}"));
        }
        names.push(name);
        let (value, after) = after.split_once('"').ok_or("a value without an end")?;
        characters(value)?;
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Ok(())
}

fn characters(text: &str) -> Result<(), String> {
    if text.contains("]]>") || text.contains('<') {
        return Err(format!("{text:?} has markup"));
    }
    for reference in text.split('&').skip(1) {
        let name = reference.split_once(';').map(|(name, _)| name);
        if !matches!(name, Some("amp" | "lt" | "gt" | "quot" | "#9" | "#35" | "#58")) {
            return Err(format!("&{reference}"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_knows_what_is_not_well_formed() {
    let within = |text: &str| read(&format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"));
    assert_eq!(within("<testsuites name=\"a &amp; b\"><skipped message=\"\"/></testsuites>\n"), Ok(2));
    for bad in [
        "<testsuites>",
        "</testsuites>",
        "<a/>",
        "]]>",
        "&#0;",
        "& ",
        "\u{1}",
        "\u{fffe}",
        "<skipped a=\"b\" a=\"c\"/>",
        "<skipped a=\"<\"/>",
    ] {
        assert!(within(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn junit_is_one_document(reports in prop::collection::vec(report(), 1..3), commands in any::<bool>(), color in any::<bool>()) {
        let document = printed(Ci::Junit, &reports, commands, color);
        let findings: Vec<&Finding> = reports.iter().flat_map(|report| &report.findings).collect();
        prop_assert_eq!(read(&document), Ok(1 + reports.len() + 2 * findings.len()), "{}", document);
        prop_assert!(!is_command(&document), "{document:?}");
    }

    #[test]
    fn github_has_podids_commands_alone(reports in prop::collection::vec(report(), 1..3), commands in any::<bool>(), color in any::<bool>()) {
        let lines = printed(Ci::Github, &reports, commands, color);
        let told = reports.iter().flat_map(|report| &report.findings).filter(|finding| finding.status != Status::Ok).count();
        prop_assert_eq!(lines.matches('\n').count(), told, "{:?}", lines);
        for line in lines.split_terminator('\n') {
            // As a runner reads it: the level, properties up to the next `::`, and the rest is the message.
            let (command, message) = line.strip_prefix("::").and_then(|line| line.split_once("::")).unwrap();
            let (level, title) = command.split_once(" title=").unwrap();
            prop_assert!(["error", "warning", "notice"].contains(&level), "{line:?}");
            prop_assert!(!title.contains([':', ',']) && title.ends_with(" app.test"), "{line:?}");
            prop_assert!(!is_command(title) && !is_command(&format!("- {message}")), "{line:?}");
            prop_assert!(!line.chars().any(|c| c != '\t' && mask::hidden(c)), "{line:?}");
        }
    }
}
