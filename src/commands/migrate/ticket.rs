//! The plan as Markdown, to be pasted into a ticket.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{
    plan::Found,
    view::{self, SECTIONS, causes, go_back, later, next, summary},
};
use crate::{
    commands::causes::{points, remedies, remedy},
    model::arn::last,
    output::markdown::{code, sentence, stamp, text},
};

/// Around lines of code (CommonMark 4.5).
const FENCE: &str = "~~~";

/// The plan.
pub(super) fn markdown(found: &Found, at: Timestamp) -> String {
    let mut out = String::from("# podid migrate plan\n\n");
    let _ = writeln!(out, "- Cluster: {}", code(&found.cluster.to_string()));
    let _ = writeln!(out, "- Read: {}", stamp(at));
    let _ = writeln!(out, "- Found: {}", text(&summary(found)));
    if !found.all.is_empty() {
        out.push_str("\n| Service account | Role | Now | Readiness | Trust policy | Also used by | Owner of the annotation |\n|---|---|---|---|---|---|---|\n");
    }
    for it in &found.all {
        let trust = it.trust.as_ref();
        let forms: Vec<String> = trust.iter().flat_map(|trust| &trust.forms).map(ToString::to_string).collect();
        let mut users = it.role_shared_with.clone();
        if let Some(trust) = trust {
            users.extend(view::users(trust));
        }
        let cells = [
            it.subject.to_string(),
            last(&it.role_arn).to_owned(),
            it.stage.word().to_owned(),
            view::state(it).to_owned(),
            forms.join(", "),
            users.join(", "),
            it.annotation_owner.to_string(),
        ];
        let _ = writeln!(out, "| {} |", cells.map(|cell| text(&cell)).join(" | "));
    }
    for (readiness, title) in SECTIONS {
        let all = causes(found, readiness);
        if !all.is_empty() {
            let _ = writeln!(out, "\n## {title}\n");
        }
        for (at, cause) in all.iter().enumerate() {
            let finding = cause.finding;
            let (subject, message) = (text(&finding.subject), text(&finding.message));
            let _ = writeln!(out, "{}. {subject}: {message} (`{}`)", at + 1, finding.check.id);
            points(&mut out, cause, true);
            for one in remedies([finding]) {
                let _ = writeln!(out, "   - fix: {}", remedy(one));
            }
        }
    }
    let mut any = false;
    for (title, command) in next(found) {
        let _ = writeln!(out, "\n## {}\n\n{FENCE}sh\n{command}\n{FENCE}", title.trim_end_matches(':'));
        any = true;
    }
    if !any {
        return out;
    }
    let _ = writeln!(out, "\n{}", sentence(&go_back(&code(&found.next.back))));
    for line in later(found) {
        let _ = writeln!(out, "\n{}", sentence(&line));
    }
    out
}
