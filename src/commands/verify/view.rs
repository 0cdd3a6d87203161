//! The tree of a verification: links that are sound in one line, what is worth a look, and last the first broken link.

use std::fmt::Write as _;

use crate::{
    checks::{Finding, Link, Outcome, Report, Status},
    model::text::count,
    output::{
        Term,
        block::hanging,
        styles::{Paint, Tone},
    },
};

/// Width of the column of statuses.
const STATUS: usize = 8;

/// How it is shown.
#[derive(Clone, Copy)]
struct Look {
    paint: Paint,
    /// Of the terminal.
    width: Option<usize>,
}

/// Every report, and last what is to be done.
pub(super) fn text(reports: &[Report], cluster: &str, term: &Term) -> String {
    let paint = term.out_paint();
    let look = Look { paint, width: term.streams().width };
    let all = term.verbosity() > 0;
    let mut out = String::new();
    for report in reports {
        // Of many, those that are sound are a line each.
        if reports.len() > 1 && report.outcome == Outcome::Ok && !all {
            let _ = writeln!(out, "{} {}", status(Status::Ok, paint), report.title());
            continue;
        }
        let _ = writeln!(out, "{} in cluster {cluster}", paint.paint(Tone::Strong, report.title()));
        tree(&mut out, report, all, look);
    }
    if reports.len() > 1 {
        let of = |outcome| reports.iter().filter(|report| report.outcome == outcome).count();
        let counts = [
            (of(Outcome::Ok), "ok"),
            (of(Outcome::Warning), "with warnings"),
            (of(Outcome::Failed), "broken"),
            (of(Outcome::Incomplete), "not told"),
        ];
        let counts: Vec<String> =
            counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let _ = writeln!(out, "\n{}: {}", count(reports.len(), "service account"), counts.join(", "));
    }
    for report in reports {
        ending(&mut out, report, reports.len() > 1, look);
    }
    out
}

fn status(status: Status, paint: Paint) -> String {
    let tone = match status {
        Status::Ok => Tone::Good,
        Status::Warning | Status::Unknown => Tone::Warn,
        Status::Failed => Tone::Bad,
        Status::Skipped => Tone::Dim,
    };
    paint.paint(tone, format!("{:<STATUS$}", status.as_str()))
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

/// The first broken link and its remedy, or how it stands.
fn ending(out: &mut String, report: &Report, many: bool, look: Look) {
    let paint = look.paint;
    let who = if many { format!("{}: ", report.title()) } else { String::new() };
    let Some(finding) = report.first_broken() else {
        if many && report.outcome != Outcome::Incomplete {
            return;
        }
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
        let verdict = paint.paint(tone, hanging(&verdict, 0, look.width));
        let _ = writeln!(out, "\n{who}{verdict}");
        return;
    };
    let title = paint.paint(Tone::Bad, "first broken link");
    let _ = writeln!(out, "\n{who}{title}: {} ({})", finding.check.link.title(), finding.check.id);
    let mut say = |indent: usize, label: &str, tone: Tone, text: &str| {
        let _ = writeln!(
            out,
            "{}{}{}",
            " ".repeat(indent - label.len()),
            paint.paint(tone, label),
            hanging(text, indent, look.width)
        );
    };
    say(2, "", Tone::Plain, &format!("{}: {}", finding.subject, finding.message));
    for evidence in &finding.evidence {
        say(8, "seen: ", Tone::Dim, &format!("{}: {}", evidence.source, evidence.text));
    }
    for remedy in &finding.remedies {
        say(10, "remedy: ", Tone::Accent, &remedy.text());
    }
}
