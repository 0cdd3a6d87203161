//! How the way from pods to AWS is drawn, by `podid verify` and `podid show` alike: what hands the credentials on, and a mark
//! between each two that tells whether it does.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::{checks::Status, commands::causes::Look, output::styles::Tone};

/// As in `pods ─✔─ service account carts/carts ─✔─ association ─✖─ agent`, in as many lines as the width asks for, and an empty
/// one. Each step is what is reached, with how the way there is; `None` where nobody looked.
pub fn drawn(steps: &[(Option<Status>, &str)], unicode: bool, look: Look) -> String {
    let (mut out, mut used) = ("pods".to_owned(), "pods".width());
    for (status, to) in steps {
        let mark = edge(*status, unicode);
        let needed = 1 + mark.width() + 1 + to.width();
        if look.width.is_some_and(|width| used + needed > width) {
            out.push_str("\n   ");
            used = 3;
        }
        let _ = write!(out, " {} {to}", look.paint.paint(status.map_or(Tone::Dim, tone), &mark));
        used += needed;
    }
    format!("{out}\n\n")
}

/// The tone of a status.
pub fn tone(status: Status) -> Tone {
    match status {
        Status::Ok => Tone::Good,
        Status::Warning | Status::Unknown => Tone::Warn,
        Status::Failed => Tone::Bad,
        Status::Skipped => Tone::Dim,
    }
}

fn edge(status: Option<Status>, unicode: bool) -> String {
    let mark = match (status, unicode) {
        (Some(Status::Ok), true) => "✔",
        (Some(Status::Ok), false) => "ok",
        (Some(Status::Failed), true) => "✖",
        (Some(Status::Failed), false) => "X",
        (Some(Status::Warning), _) => "!",
        _ => "?",
    };
    let line = if unicode { "─" } else { "-" };
    format!("{line}{mark}{line}")
}
