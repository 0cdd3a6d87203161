//! What was found, by its cause: what several service accounts have in common is one problem, with one fix.

use std::fmt::Write as _;

use crate::{
    checks::{Remedy, Report, Status},
    commands::causes::{self, Cause, Look, number, tell},
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
    for (at, problem) in problems.iter().enumerate() {
        let finding = problem.finding;
        let words =
            format!("{}: {}: {} ({})", finding.check.link.title(), finding.subject, finding.message, finding.check.id);
        tell(out, (at + 1, problems.len()), &words, problem, many, look);
    }
    fixes(out, problems, look);
}

/// What fixes them, each once, in the order to do it.
pub(in crate::commands::verify) fn remedies<'a>(problems: &[Cause<'a>]) -> Vec<&'a Remedy> {
    causes::remedies(problems.iter().map(|problem| problem.finding))
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
