//! The catalog of checks: `--list-checks` and `--explain`. No service is asked.

use schemars::JsonSchema;
use serde::Serialize;

use super::Document;
use crate::{
    checks::{
        self, Check, Link,
        modes::{Coverage, MODES, Mode},
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::text::nearest,
    output::{
        Format,
        block::Block,
        table::{Cell, Column, Table},
    },
};

/// Every check.
pub(super) fn list(ctx: &Context) -> Result<Code> {
    let document = Document::Catalog(Catalog { checks: checks::all().map(explained).collect(), failures: MODES });
    let table = || {
        let mut table = Table::new(&[Column::new("ID"), Column::new("WHAT IT FINDS").prose()]);
        for check in checks::all() {
            table.row([Cell::new(check.id), Cell::new(check.title)]);
        }
        table
    };
    ctx.term.render(&document, table, checks::all().map(|check| check.id))?;
    if !ctx.term.is_structured() && ctx.term.format() != Format::Name {
        for mode in MODES {
            match mode.coverage {
                Coverage::Unseen { look } => ctx.term.note(format!("no check can detect that {}: {look}", mode.title)),
                Coverage::AtCreation { told } => ctx.term.note(format!("{}: {told}", mode.title)),
                Coverage::Detected { .. } | Coverage::Given { .. } => {}
            }
        }
    }
    Ok(Code::Ok)
}

/// What lies behind one check.
pub(super) fn explain(ctx: &Context, id: &str) -> Result<Code> {
    let Some(check) = checks::named(id) else {
        let failure = Failure::usage(format!("--explain: there is no check `{id}`"));
        return Err(match nearest(id, checks::all().map(|check| check.id)).first() {
            Some(near) => failure.hint(format!("did you mean `podid verify --explain {near}`?")),
            None => failure.hint("list all checks: `podid verify --list-checks`"),
        });
    };
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&Document::Check(Box::new(explained(check))))?,
        Format::Yaml => ctx.term.emit_yaml(&Document::Check(Box::new(explained(check))))?,
        Format::Name => ctx.term.emit_line(check.id)?,
        Format::Table | Format::Wide => {
            let block = Block::new()
                .field("Check", check.id)
                .field("Group", check.link.title())
                .field("Finds", check.title)
                .field("Background", check.background)
                .list("Detects", modes(check).map(|mode| mode.title))
                .list("Needs", needs(check))
                .list("Sources", check.sources.iter().copied());
            ctx.term.emit_block(&block)?;
        }
    }
    Ok(Code::Ok)
}

/// The failures that a check sees.
fn modes(check: &'static Check) -> impl Iterator<Item = &'static Mode> {
    MODES.iter().filter(|mode| match mode.coverage {
        Coverage::Detected { checks } | Coverage::Given { checks, .. } => checks.contains(&check.id),
        Coverage::AtCreation { .. } | Coverage::Unseen { .. } => false,
    })
}

/// What it needs beside what every verification reads.
fn needs(check: &'static Check) -> Vec<&'static str> {
    let mut found = Vec::new();
    for mode in modes(check) {
        if let Coverage::Given { needs, .. } = mode.coverage {
            found.extend(needs.iter().copied().filter(|need| !found.contains(need)).collect::<Vec<_>>());
        }
    }
    found
}

/// Every check, and the known failures
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Catalog {
    /// Every check
    checks: Vec<Explained>,
    /// The known failures of Pod Identity, and how far each can be detected
    failures: &'static [Mode],
}

/// A check, and what is behind it
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    /// Stable id
    id: &'static str,
    /// Its group
    link: Link,
    /// What it finds
    title: &'static str,
    /// Why that matters
    background: &'static str,
    /// What it needs beyond what every verification reads
    needs: Vec<&'static str>,
    /// Pages and issues that it is based on
    sources: &'static [&'static str],
}

fn explained(check: &'static Check) -> Explained {
    Explained {
        id: check.id,
        link: check.link,
        title: check.title,
        background: check.background,
        needs: needs(check),
        sources: check.sources,
    }
}
