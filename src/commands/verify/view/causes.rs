//! What was found, by its cause: what several service accounts have in common is one problem, with one fix.

use std::fmt::Write as _;

use super::Look;
use crate::{
    checks::{Remedy, Report, Status},
    commands::causes::{self, Cause},
    model::text::count,
    output::{block::hanging, styles::Tone},
};

/// Findings of one status in the order of the checks, equal ones once.
pub(in crate::commands::verify) fn of(reports: &[Report], status: Status) -> Vec<Cause<'_>> {
    causes::of(reports.iter().map(|report| (report.title(), &report.findings[..])), |finding| finding.status == status)
}

/// Every problem with what it rests on, then every fix in the order to apply them.
pub(super) fn problems(out: &mut String, problems: &[Cause<'_>], many: bool, look: Look) {
    let heading = look.paint.paint(Tone::Bad, format!("{}:", count(problems.len(), "problem")));
    let _ = writeln!(out, "\n{heading}");
    let width = number(problems.len()).len();
    for (at, problem) in problems.iter().enumerate() {
        let finding = problem.finding;
        let words =
            format!("{}: {}: {} ({})", finding.check.link.title(), finding.subject, finding.message, finding.check.id);
        let _ = writeln!(out, "{:>width$}{}", number(at + 1), hanging(&words, width, look.width));
        if many {
            let _ = writeln!(out, "{}{}", " ".repeat(width), hanging(&problem.affects(), width, look.width));
        }
        for evidence in &finding.evidence {
            let text = format!("{}: {}", evidence.source, evidence.text);
            let label = look.paint.paint(Tone::Dim, "seen: ");
            let _ = writeln!(out, "{}{label}{}", " ".repeat(width), hanging(&text, width + 6, look.width));
        }
    }
    fixes(out, problems, look);
}

/// What fixes them, each once, in the order to do it.
pub(in crate::commands::verify) fn remedies<'a>(problems: &[Cause<'a>]) -> Vec<&'a Remedy> {
    let mut all: Vec<&Remedy> = Vec::new();
    for remedy in problems.iter().flat_map(|problem| &problem.finding.remedies) {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}

fn fixes(out: &mut String, problems: &[Cause<'_>], look: Look) {
    let fixes: Vec<String> = remedies(problems).into_iter().map(Remedy::text).collect();
    match &fixes[..] {
        [] => {}
        [fix] => {
            let label = look.paint.paint(Tone::Accent, "fix: ");
            let _ = writeln!(out, "\n{label}{}", hanging(fix, 5, look.width));
        }
        fixes => {
            let _ = writeln!(out, "\n{}", look.paint.paint(Tone::Accent, "to fix, in this order:"));
            let width = number(fixes.len()).len();
            for (at, fix) in fixes.iter().enumerate() {
                let _ = writeln!(out, "{:>width$}{}", number(at + 1), hanging(fix, width, look.width));
            }
        }
    }
}

/// `1. `, indented.
fn number(at: usize) -> String {
    format!("  {at}. ")
}
