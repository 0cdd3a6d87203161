//! The report as Markdown, to be pasted into a ticket: the cluster, the time and the version, the problems with what they rest on,
//! and the fixes in their order.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::view::causes;
use crate::{
    checks::{Outcome, Remedy, Report, Status},
    model::text::{count, listed},
    output::mask,
};

/// Names that are shown of many.
const SHOWN: usize = 10;

/// What was checked, and when.
pub(super) struct Head {
    /// ARN.
    pub(super) cluster: String,
    /// When.
    pub(super) at: Timestamp,
}

/// The report.
pub(super) fn markdown(head: &Head, reports: &[Report], without_aws: &[String]) -> String {
    let problems = causes::of(reports, Status::Failed);
    let warnings = causes::of(reports, Status::Warning);
    let mut out = String::from("# podid verify\n\n");
    let _ = writeln!(out, "- Cluster: {}", code(&head.cluster));
    let _ =
        writeln!(out, "- Checked: {}, podid {}", head.at.strftime("%Y-%m-%d %H:%M:%S UTC"), env!("CARGO_PKG_VERSION"));
    let found = [count(problems.len(), "problem"), count(warnings.len(), "warning")];
    let _ = writeln!(out, "- Found: {}", found.join(", "));
    if !reports.is_empty() {
        out.push_str("\n| Service account | Result |\n|---|---|\n");
    }
    for report in reports {
        let result = match report.outcome {
            Outcome::Ok => "ok".to_owned(),
            Outcome::Warning => "warning".to_owned(),
            Outcome::Failed => "**failed**".to_owned(),
            Outcome::Incomplete => format!("incomplete: {}", text(&report.reasons())),
        };
        let _ = writeln!(out, "| {} | {result} |", text(&report.title()));
    }
    for (title, found) in [("Problems", &problems), ("Warnings", &warnings)] {
        if !found.is_empty() {
            let _ = writeln!(out, "\n## {title}\n");
        }
        for (at, cause) in found.iter().enumerate() {
            let finding = cause.finding;
            let link = finding.check.link.title();
            let (subject, message) = (text(&finding.subject), text(&finding.message));
            let _ = writeln!(out, "{}. **{link}**: {subject}: {message} (`{}`)", at + 1, finding.check.id);
            if reports.len() > 1 {
                let _ = writeln!(out, "   - {}", text(&cause.affects()));
            }
            for evidence in &finding.evidence {
                let _ = writeln!(out, "   - seen: {}: {}", text(&evidence.source), code(&evidence.text));
            }
        }
    }
    let fixes = causes::remedies(&problems);
    if !fixes.is_empty() {
        out.push_str("\n## Fixes, in this order\n\n");
    }
    for (at, fix) in fixes.into_iter().enumerate() {
        let words = match fix {
            Remedy::Command(command) => code(command),
            Remedy::Change(change) => sentence(change),
        };
        let _ = writeln!(out, "{}. {words}", at + 1);
    }
    if !without_aws.is_empty() {
        let show = if without_aws.len() == 1 { "shows" } else { "show" };
        let names = text(&listed(without_aws, SHOWN));
        let _ = writeln!(out, "\n{} {show} no use of AWS: {names}", count(without_aws.len(), "service account"));
    }
    out
}

/// One line of text in which nothing is markup, and nobody is mentioned (CommonMark 2.4: a backslash before any ASCII punctuation).
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in line(words).chars() {
        match c {
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// One line of text in which what stands in backticks is code.
fn sentence(words: &str) -> String {
    let parts: Vec<&str> = words.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return text(words);
    }
    parts.iter().enumerate().map(|(at, part)| if at % 2 == 0 { text(part) } else { code(part) }).collect()
}

/// One line of code; longer runs of backticks around those that are in it (CommonMark 6.1).
fn code(words: &str) -> String {
    let words = line(words);
    let runs = words.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(runs + 1);
    let gap = if words.starts_with('`') || words.ends_with('`') || words.trim().is_empty() { " " } else { "" };
    format!("{fence}{gap}{words}{gap}{fence}")
}

fn line(words: &str) -> String {
    mask::visible(&words.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_markup() {
        for (words, wanted) in [
            ("a*b_c", r"a\*b\_c"),
            ("<script> | @team\n# x", r"\<script\> \| &#64;team \# x"),
            ("[x](http://y)", r"\[x\](http://y)"),
        ] {
            assert_eq!(text(words), wanted);
        }
        assert_eq!(sentence("put `a*b` into a*b"), r"put `a*b` into a\*b");
        assert_eq!(sentence("a ` b"), r"a \` b");
        for (words, wanted) in [("a|b", "`a|b`"), ("a`b", "``a`b``"), ("`x", "`` `x ``"), ("a\nb", "`a b`")] {
            assert_eq!(code(words), wanted);
        }
    }
}
