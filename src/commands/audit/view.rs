//! What an audit prints: problems, warnings and what is unknown, each with what it rests on and its fix; as text and as Markdown.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Found, fix::Fixed, many::Several};
use crate::{
    checks::{Finding, Status},
    commands::causes::{Cause, Look, number, points, remedy, tell},
    model::text::count,
    output::{Term, block::hanging, markdown as md, styles::Tone},
};

/// The sections, in their order.
const SECTIONS: [(&str, &[Status], Tone); 3] = [
    ("Problems", &[Status::Failed], Tone::Bad),
    ("Warnings", &[Status::Warning], Tone::Warn),
    ("Unknown", &[Status::Unknown, Status::Skipped], Tone::Dim),
];

fn of<'a>(found: &'a Found, statuses: &[Status]) -> Vec<&'a Finding> {
    found.findings.iter().filter(|finding| statuses.contains(&finding.status)).collect()
}

/// `2 problems, 1 warning`.
fn summary(found: &Found) -> String {
    let mut parts = vec![
        count(of(found, &[Status::Failed]).len(), "problem"),
        count(of(found, &[Status::Warning]).len(), "warning"),
    ];
    let unknown = of(found, &[Status::Unknown, Status::Skipped]).len();
    parts.extend((unknown > 0).then(|| format!("{unknown} unknown")));
    parts.extend(found.fix.as_ref().and_then(Fixed::summary));
    parts.extend((!found.accepted.is_empty()).then(|| format!("{} accepted", found.accepted.len())));
    parts.join(", ")
}

fn kept<'a>(found: &'a Found, finding: &Finding) -> Option<&'a str> {
    found.fix.as_ref()?.kept(finding)
}

/// For the terminal.
pub(super) fn text(found: &Found, term: &Term) -> String {
    let look @ Look { paint, width } = Look { paint: term.out_paint(), width: term.streams().width };
    let place = match &found.several {
        Some(several) => several.title(),
        None => format!("cluster {}", found.cluster.name()),
    };
    let mut out = format!("{place}: {}\n", summary(found));
    for (title, statuses, tone) in SECTIONS {
        let all = of(found, statuses);
        if all.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", paint.paint(tone, format!("{title}:")));
        let indent = number(all.len()).len();
        let gap = " ".repeat(indent);
        for (at, finding) in all.iter().enumerate() {
            let words = format!("{}: {} ({})", finding.title(), finding.message, finding.check.id);
            tell(&mut out, (at + 1, all.len()), &words, &Cause::alone(finding), false, look);
            for fix in &finding.remedies {
                let _ = writeln!(out, "{gap}fix: {}", hanging(&fix.text(), indent + 5, width));
            }
            if let Some(why) = kept(found, finding) {
                let _ = writeln!(out, "{gap}not fixed by podid: {}", hanging(why, indent + 20, width));
            }
        }
    }
    out
}

/// For a ticket.
pub(super) fn markdown(found: &Found, at: Timestamp) -> String {
    let mut out = String::from("# podid audit\n\n");
    for cluster in found.several.as_ref().map_or_else(|| vec![&found.cluster], Several::arns) {
        let _ = writeln!(out, "- Cluster: {}", md::code(&cluster.to_string()));
    }
    let _ = writeln!(out, "- Checked: {}", md::stamp(at));
    let _ = writeln!(out, "- Found: {}", summary(found));
    for (title, statuses, _) in SECTIONS {
        let all = of(found, statuses);
        if !all.is_empty() {
            let _ = writeln!(out, "\n## {title}\n");
        }
        for (at, finding) in all.iter().enumerate() {
            let (subject, message) = (md::text(&finding.title()), md::text(&finding.message));
            let _ = writeln!(out, "{}. **{subject}**: {message} (`{}`)", at + 1, finding.check.id);
            points(&mut out, &Cause::alone(finding), false);
            for fix in &finding.remedies {
                let _ = writeln!(out, "   - fix: {}", remedy(fix));
            }
            if let Some(why) = kept(found, finding) {
                let _ = writeln!(out, "   - not fixed by podid: {}", md::text(why));
            }
        }
    }
    if !found.accepted.is_empty() {
        out.push_str("\n## Accepted\n\n");
    }
    for (finding, by) in &found.accepted {
        let until = by.expires.map_or_else(String::new, |day| format!(", until {day}"));
        let (subject, reason) = (md::text(&finding.title()), md::text(&by.reason));
        let _ = writeln!(out, "- {subject}: {reason}{until} (`{}`)", finding.check.id);
    }
    out
}
