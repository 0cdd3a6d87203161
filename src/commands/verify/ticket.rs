//! The report as Markdown, to be pasted into a ticket: the cluster, the time and the version, the problems with what they rest on,
//! and the fixes in their order.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::view::{self, causes};
use crate::{
    checks::{Outcome, Report, Status},
    commands::causes::{points, remedy},
    model::text::count,
    output::markdown::{code, stamp, text, time},
};

/// Names that are shown of many.
const SHOWN: usize = 10;

/// What was checked, and when.
pub(super) struct Head {
    /// ARNs.
    pub(super) clusters: Vec<String>,
    /// When.
    pub(super) at: Timestamp,
    /// When and by which podid it was read, where that was before.
    pub(super) before: Option<(Timestamp, String)>,
}

/// The report.
pub(super) fn markdown(head: &Head, reports: &[Report], without_aws: &[String]) -> String {
    let problems = causes::of(reports, Status::Failed);
    let warnings = causes::of(reports, Status::Warning);
    let mut out = String::from("# podid verify\n\n");
    for cluster in &head.clusters {
        let _ = writeln!(out, "- Cluster: {}", code(cluster));
    }
    if let Some((at, podid)) = &head.before {
        let _ = writeln!(out, "- Read: {} by podid {podid}", time(*at));
    }
    let _ = writeln!(out, "- Checked: {}", stamp(head.at));
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
            points(&mut out, cause, reports.len() > 1);
        }
    }
    let fixes = causes::remedies(&problems);
    if !fixes.is_empty() {
        out.push_str("\n## Fixes, in this order\n\n");
    }
    for (at, fix) in fixes.into_iter().enumerate() {
        let _ = writeln!(out, "{}. {}", at + 1, remedy(fix));
    }
    if !without_aws.is_empty() {
        let _ = writeln!(out, "\n{}", text(&view::without_aws(without_aws, SHOWN)));
    }
    out
}
