//! What a plan prints: a row for each service account, what keeps those that are not plainly ready, and the commands.

use std::{collections::BTreeMap, fmt::Write as _};

use super::plan::Found;
use crate::{
    checks::{
        Remedy, Status,
        migration::{Assessment, Readiness},
    },
    commands::causes::{self, Cause, Look, number, remedies, tell},
    model::{
        arn::last,
        text::{count, listed},
        trust::irsa::IrsaTrust,
    },
    output::{
        Format, Term,
        block::hanging,
        styles::{Paint, Tone},
        table::{Cell, Column, Table},
    },
};

/// Names that are shown of many.
const SHOWN: usize = 3;

/// Each readiness that needs a reason, in the order of the sections.
pub(super) const SECTIONS: [(Readiness, &str); 3] = [
    (Readiness::NotReady, "Not ready"),
    (Readiness::Unknown, "Unknown"),
    (Readiness::ReadyWithChanges, "Ready with changes"),
];

/// The causes of a section: all that was found for the service accounts that are so ready.
pub(super) fn causes(found: &Found, readiness: Readiness) -> Vec<Cause<'_>> {
    let own = found.all.iter().filter(|it| it.readiness == readiness);
    let all = own.map(|it| (it.subject.to_string(), &it.findings[..]));
    causes::of(all, |finding| finding.status != Status::Ok)
}

/// The plan as text.
pub(super) fn text(found: &Found, term: &Term) -> String {
    let look @ Look { paint, width } = Look { paint: term.out_paint(), width: term.streams().width };
    let wide = term.format() == Format::Wide;
    let mut out = term.table_within_text(&table(&found.all, wide));
    let _ = writeln!(out, "\n{}", summary(found));
    let shared = shared(found);
    if !shared.is_empty() {
        let _ = writeln!(out, "\n{}", paint.paint(Tone::Strong, "Also used by others, whose statements stay:"));
    }
    for (role, users) in shared {
        let _ = writeln!(out, "  {}", hanging(&format!("{role}: {}", users.join(", ")), 4, width));
    }
    for (readiness, title) in SECTIONS {
        section(&mut out, title, &causes(found, readiness), look);
    }
    commands(&mut out, found, paint, width);
    out
}

/// Roles that others than the service accounts of the plan use, by name.
fn shared(found: &Found) -> BTreeMap<&str, Vec<String>> {
    let others = |it: &Assessment| it.trust.as_ref().map(users).unwrap_or_default();
    let all = found.all.iter().map(|it| (last(&it.role_arn), others(it)));
    all.filter(|(_, users)| !users.is_empty()).collect()
}

/// Who may assume a role beside this cluster: the issuers of other clusters, and other principals.
pub(super) fn users(trust: &IrsaTrust) -> Vec<String> {
    let issuers = trust.other_issuers.iter().map(|issuer| format!("cluster issuer {issuer}"));
    issuers.chain(trust.other_principals.iter().cloned()).collect()
}

/// `3 service accounts use IRSA: 1 ready, 2 not ready`.
pub(super) fn summary(found: &Found) -> String {
    let each = [Readiness::Ready, Readiness::ReadyWithChanges, Readiness::NotReady, Readiness::Unknown];
    let words = each.map(Readiness::word).into_iter().chain([MOVED]);
    let of = |word: &str| found.all.iter().filter(|it| state(it) == word).count();
    let counts = words.map(|word| (of(word), word)).filter(|(n, _)| *n > 0);
    let counts: Vec<String> = counts.map(|(n, word)| format!("{n} {word}")).collect();
    format!("{} with an IRSA role: {}", count(found.all.len(), "service account"), counts.join(", "))
}

/// Of one that has nothing left to do.
const MOVED: &str = "moved";

/// How ready it is, or that it has moved.
pub(super) fn state(it: &Assessment) -> &'static str {
    if it.moved() { MOVED } else { it.readiness.word() }
}

fn table(all: &[Assessment], wide: bool) -> Table {
    let mut table = Table::new(&[
        Column::new("SERVICE ACCOUNT"),
        Column::new("ROLE"),
        Column::new("NOW").priority(4),
        Column::new("READINESS"),
        Column::new("PODS").priority(2).right(),
        Column::new("OWNER").priority(1),
        Column::new("TRUST").wide(),
        Column::new("WORKLOADS").wide(),
    ]);
    for it in all {
        let role = if wide { it.role_arn.as_str() } else { last(&it.role_arn) };
        let tone = match it.readiness {
            Readiness::Ready => Tone::Good,
            Readiness::ReadyWithChanges | Readiness::Unknown => Tone::Warn,
            Readiness::NotReady => Tone::Bad,
        };
        let forms = it.trust.iter().flat_map(|trust| &trust.forms).map(ToString::to_string).collect::<Vec<_>>();
        table.row([
            Cell::new(it.subject.to_string()),
            Cell::new(role),
            Cell::new(it.stage.word()),
            Cell::new(state(it)).tone(tone),
            Cell::new(it.pods.map_or("?".to_owned(), |pods| pods.total.to_string())),
            Cell::new(it.annotation_owner.to_string()),
            Cell::new(forms.join(", ")),
            Cell::new(it.workloads.as_ref().map(|all| all.join(", ")).unwrap_or_default()),
        ]);
    }
    table
}

fn section(out: &mut String, title: &str, causes: &[Cause<'_>], look: Look) {
    if causes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", look.paint.paint(Tone::Strong, format!("{title}:")));
    let indent = number(causes.len()).len();
    for (at, cause) in causes.iter().enumerate() {
        let finding = cause.finding;
        let words = format!("{}: {} ({})", finding.subject, finding.message, finding.check.id);
        tell(out, (at + 1, causes.len()), &words, cause, true, look);
        for remedy in remedies([finding]) {
            let label = look.paint.paint(Tone::Accent, "fix: ");
            let _ = writeln!(out, "{}{label}{}", " ".repeat(indent), hanging(&remedy.text(), indent + 5, look.width));
        }
    }
}

/// The commands, unwrapped, so that they can be copied.
fn commands(out: &mut String, found: &Found, paint: Paint, width: Option<usize>) {
    let mut any = false;
    for (title, command) in next(found) {
        let _ = writeln!(out, "\n{}\n  {}", paint.paint(Tone::Strong, title), paint.paint(Tone::Accent, command));
        any = true;
    }
    if !any {
        return;
    }
    let _ = writeln!(out, "\n{}", hanging(&go_back(&Remedy::Command(found.next.back.clone()).text()), 0, width));
    for line in later(found) {
        let _ = writeln!(out, "{}", hanging(&line, 0, width));
    }
}

/// The commands that carry it out, each below its title.
pub(super) fn next(found: &Found) -> impl Iterator<Item = (&'static str, &String)> {
    let run = found.next.run.iter().map(|command| ("Next:", command));
    let accepting = found.next.accepting.iter();
    run.chain(accepting.map(|command| ("After the changes, or to move them without:", command)))
}

/// How to go back, with the command of the first service account.
pub(super) fn go_back(command: &str) -> String {
    format!(
        "To go back, for example: {command}. This is possible until `podid migrate finish`, which removes the annotation and the trust policy's statement for IRSA."
    )
}

/// Where annotations are to be removed before the end, each place once.
pub(super) fn later(found: &Found) -> Vec<String> {
    let mut places: Vec<(String, Vec<String>)> = Vec::new();
    let going = found.all.iter().filter(|it| !it.commands.is_empty() && !it.annotation_owner.by_hand());
    for it in going {
        let place = it.annotation_owner.place();
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, accounts)) => accounts.push(it.subject.to_string()),
            None => places.push((place, vec![it.subject.to_string()])),
        }
    }
    let line = |(place, accounts): (String, Vec<String>)| {
        format!("Before `podid migrate finish`, remove the annotation of {} {place}.", listed(&accounts, SHOWN))
    };
    places.into_iter().map(line).collect()
}
