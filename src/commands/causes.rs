//! Findings by their cause: what several service accounts have in common is one problem. How one is told, in text and in Markdown.

use std::fmt::Write as _;

use crate::{
    checks::{Finding, Remedy},
    model::text::listed,
    output::{
        block::hanging,
        markdown,
        styles::{Paint, Tone},
    },
};

/// Service accounts that are named with a problem of several.
const SHOWN: usize = 3;

/// A finding, and the service accounts that have it.
pub struct Cause<'a> {
    /// The finding, as the first of them has it.
    pub finding: &'a Finding,
    accounts: Vec<String>,
}

impl<'a> Cause<'a> {
    /// A finding that speaks of no service account.
    pub fn alone(finding: &'a Finding) -> Self {
        Self { finding, accounts: Vec::new() }
    }

    /// `affects carts/carts, orders/orders and 4 more`.
    pub fn affects(&self) -> String {
        format!("affects {}", listed(&self.accounts, SHOWN))
    }
}

/// The findings of service accounts that count, in the order of the links, equal ones once.
pub fn of<'a>(
    all: impl IntoIterator<Item = (String, &'a [Finding])>,
    counts: impl Fn(&Finding) -> bool,
) -> Vec<Cause<'a>> {
    let mut causes: Vec<Cause<'a>> = Vec::new();
    for (title, findings) in all {
        for finding in findings.iter().filter(|finding| counts(finding)) {
            let known = causes.iter_mut().find(|cause| {
                let (one, other) = (cause.finding, finding);
                one.check.id == other.check.id
                    && one.subject == other.subject
                    && one.message == other.message
                    && one.remedies == other.remedies
            });
            match known {
                Some(cause) if cause.accounts.contains(&title) => {}
                Some(cause) => cause.accounts.push(title.clone()),
                None => causes.push(Cause { finding, accounts: vec![title.clone()] }),
            }
        }
    }
    // What breaks more comes first among equals: a missing agent before one role of many.
    causes.sort_by_key(|cause| (cause.finding.check.link, std::cmp::Reverse(cause.accounts.len())));
    causes
}

/// What helps, each once, in the order to do it.
pub fn remedies<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<&'a Remedy> {
    let mut all: Vec<&Remedy> = Vec::new();
    for remedy in findings.into_iter().flat_map(|finding| &finding.remedies) {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}

/// How it is shown.
#[derive(Clone, Copy)]
pub struct Look {
    /// Colors.
    pub paint: Paint,
    /// Of the terminal.
    pub width: Option<usize>,
}

/// `1. `, indented.
pub fn number(at: usize) -> String {
    format!("  {at}. ")
}

/// The cause at `at` of `of` in these words, whom it affects where that is asked for, and what it rests on.
pub fn tell(out: &mut String, (at, of): (usize, usize), words: &str, cause: &Cause<'_>, affects: bool, look: Look) {
    let width = number(of).len();
    let gap = " ".repeat(width);
    let _ = writeln!(out, "{:>width$}{}", number(at), hanging(words, width, look.width));
    if affects {
        let _ = writeln!(out, "{gap}{}", hanging(&cause.affects(), width, look.width));
    }
    for evidence in &cause.finding.evidence {
        let text = format!("{}: {}", evidence.source, evidence.text);
        let label = look.paint.paint(Tone::Dim, "seen: ");
        let _ = writeln!(out, "{gap}{label}{}", hanging(&text, width + 6, look.width));
    }
}

/// Whom it affects where that is asked for, and what it rests on, as points below it in a list of Markdown.
pub fn points(out: &mut String, cause: &Cause<'_>, affects: bool) {
    if affects {
        let _ = writeln!(out, "   - {}", markdown::text(&cause.affects()));
    }
    for evidence in &cause.finding.evidence {
        let _ = writeln!(out, "   - seen: {}: {}", markdown::text(&evidence.source), markdown::code(&evidence.text));
    }
}

/// A remedy in Markdown.
pub fn remedy(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Command(command) => markdown::code(command),
        Remedy::Change(change) => markdown::sentence(change),
    }
}
