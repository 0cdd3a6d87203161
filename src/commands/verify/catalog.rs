//! The catalogue of checks: `--list-checks` and `--explain`. No service is asked.

use serde_json::{Value, json};

use crate::{
    checks::{self, Check},
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
    let document = json!({"checks": checks::all().map(document).collect::<Vec<_>>()});
    let table = || {
        let mut table = Table::new(&[Column::new("ID"), Column::new("WHAT IT FINDS")]);
        for check in checks::all() {
            table.row([Cell::new(check.id), Cell::new(check.title)]);
        }
        table
    };
    ctx.term.render(&document, table, checks::all().map(|check| check.id))?;
    Ok(Code::Ok)
}

/// What lies behind one check.
pub(super) fn explain(ctx: &Context, id: &str) -> Result<Code> {
    let Some(check) = checks::named(id) else {
        let failure = Failure::usage(format!("--explain: there is no check `{id}`"));
        return Err(match nearest(id, checks::all().map(|check| check.id)).first() {
            Some(near) => failure.hint(format!("did you mean `podid verify --explain {near}`?")),
            None => failure.hint("see all: `podid verify --list-checks`"),
        });
    };
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&document(check))?,
        Format::Yaml => ctx.term.emit_yaml(&document(check))?,
        Format::Name => ctx.term.emit_line(check.id)?,
        Format::Table | Format::Wide => {
            let block = Block::new()
                .field("Check", check.id)
                .field("Link", check.link.title())
                .field("Finds", check.title)
                .field("Background", check.background)
                .list("Sources", check.sources.iter().copied());
            ctx.term.emit_block(&block)?;
        }
    }
    Ok(Code::Ok)
}

fn document(check: &Check) -> Value {
    json!({
        "id": check.id,
        "link": check.link,
        "title": check.title,
        "background": check.background,
        "sources": check.sources,
    })
}
