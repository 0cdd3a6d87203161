//! What a verification prints: the checks that passed in one line, what is worth a look, and last the problems and their fixes.

pub(super) mod causes;
mod matrix;
mod path;

use std::fmt::Write as _;

use crate::{
    checks::{Finding, Link, Outcome, Report, Status},
    commands::{causes::Look, way::tone},
    model::text::{count, listed},
    output::{
        Term,
        block::hanging,
        styles::{Paint, Tone},
    },
};

/// Width of the column of statuses.
const STATUS: usize = 8;

/// The checks of one service account, or a matrix of many; then each problem with what it affects, and last what fixes them.
pub(super) fn text(reports: &[Report], cluster: &str, term: &Term) -> String {
    let look = Look { paint: term.out_paint(), width: term.streams().width };
    let all = term.verbosity() > 0;
    let mut out = String::new();
    let many = reports.len() > 1;
    if many {
        out.push_str(&term.table_within_text(&matrix::table(reports)));
    }
    if !many || all {
        for report in reports {
            let gap = if many { "\n" } else { "" };
            let place = if report.names_cluster() { String::new() } else { format!(" in cluster {cluster}") };
            let _ = writeln!(out, "{gap}{}{place}", look.paint.paint(Tone::Strong, report.title()));
            if term.streams().out_tty && !many {
                out.push_str(&path::picture(report, term.streams().unicode, look));
            }
            tree(&mut out, report, all, look);
        }
    }
    if many {
        let of = |outcome| reports.iter().filter(|report| report.outcome == outcome).count();
        let counts = [
            (of(Outcome::Ok), "ok"),
            (of(Outcome::Warning), "with warnings"),
            (of(Outcome::Failed), "failed"),
            (of(Outcome::Incomplete), "incomplete"),
        ];
        let counts: Vec<String> =
            counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let _ = writeln!(out, "\n{}: {}", count(reports.len(), "service account"), counts.join(", "));
        if !all {
            warnings(&mut out, reports, look);
        }
        for report in reports.iter().filter(|report| report.outcome == Outcome::Incomplete) {
            let words = format!("{}: incomplete: {}", report.title(), report.reasons());
            let _ = writeln!(out, "{}", look.paint.paint(Tone::Warn, hanging(&words, 2, look.width)));
        }
    }
    let problems = causes::of(reports, Status::Failed);
    if !problems.is_empty() {
        causes::problems(&mut out, &problems, many, look);
    } else if let [report] = reports {
        verdict(&mut out, report, look);
    }
    out
}

/// Service accounts that show no use of AWS, in one line with so many names.
pub(super) fn without_aws(names: &[String], most: usize) -> String {
    let show = if names.len() == 1 { "shows" } else { "show" };
    format!("{} {show} no use of AWS: {}", count(names.len(), "service account"), listed(names, most))
}

/// What is worth a look in many service accounts, each once.
fn warnings(out: &mut String, reports: &[Report], look: Look) {
    for cause in causes::of(reports, Status::Warning) {
        let finding = cause.finding;
        let words = format!(
            "{}: {}: {} ({}; {})",
            finding.check.link.title(),
            finding.subject,
            finding.message,
            finding.check.id,
            cause.affects()
        );
        let _ = writeln!(out, "{} {}", status(Status::Warning, look.paint), hanging(&words, STATUS + 1, look.width));
    }
}

/// The worst of what is known of these links; `Skipped` where nothing is, `None` without any finding.
fn worst(report: &Report, links: &[Link]) -> Option<Status> {
    let has = |status| links.iter().any(|link| report.of(*link).any(|finding| finding.status == status));
    let order = [Status::Failed, Status::Warning, Status::Unknown, Status::Ok, Status::Skipped];
    order.into_iter().find(|status| has(*status))
}

fn status(status: Status, paint: Paint) -> String {
    paint.paint(tone(status), format!("{:<STATUS$}", status.as_str()))
}

fn tree(out: &mut String, report: &Report, all: bool, look: Look) {
    let sound = |link: Link| {
        let mut findings = report.of(link).peekable();
        findings.peek().is_some() && findings.all(|finding| finding.status == Status::Ok)
    };
    let mut folded: Vec<&str> = Vec::new();
    for link in Link::ALL {
        if sound(link) && !all {
            folded.push(link.title());
            continue;
        }
        for finding in report.of(link).filter(|finding| all || finding.status != Status::Ok) {
            fold(&mut folded, out, look);
            line(out, finding, look);
        }
    }
    fold(&mut folded, out, look);
}

/// Links that are sound, in one line.
fn fold(folded: &mut Vec<&str>, out: &mut String, look: Look) {
    if !folded.is_empty() {
        let titles = hanging(&folded.join(", "), STATUS + 3, look.width);
        let _ = writeln!(out, "  {} {titles}", status(Status::Ok, look.paint));
        folded.clear();
    }
}

fn line(out: &mut String, finding: &Finding, look: Look) {
    let title = finding.check.link.title();
    let words = format!("{title}: {}: {} ({})", finding.subject, finding.message, finding.check.id);
    let _ = writeln!(out, "  {} {}", status(finding.status, look.paint), hanging(&words, STATUS + 3, look.width));
}

/// `12 passed, 1 skipped`.
fn counts(report: &Report) -> String {
    let counts = [(Status::Ok, "passed"), (Status::Skipped, "skipped"), (Status::Unknown, "unknown")];
    let counts = counts.map(|(status, word)| (report.count(status), word));
    let counts: Vec<String> =
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    counts.join(", ")
}

/// How one service account stands without a problem.
fn verdict(out: &mut String, report: &Report, look: Look) {
    let (tone, verdict) = match report.outcome {
        Outcome::Ok if report.count(Status::Unknown) == 0 => {
            let irsa = report.irsa().map_or_else(String::new, |finding| format!(": {}", finding.message));
            (Tone::Good, format!("All checks passed ({}){irsa}", counts(report)))
        }
        Outcome::Ok => (Tone::Warn, format!("No problems found ({})", counts(report))),
        Outcome::Warning | Outcome::Failed => {
            (Tone::Warn, format!("No problems found, {}", count(report.count(Status::Warning), "warning")))
        }
        Outcome::Incomplete => (Tone::Warn, format!("incomplete: {}", report.reasons())),
    };
    // Painted last: what is wrapped may be foreign, and is escaped.
    let verdict = look.paint.paint(tone, hanging(&verdict, 0, look.width));
    let _ = writeln!(out, "\n{verdict}");
}
