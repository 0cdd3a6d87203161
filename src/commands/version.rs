//! `podid version`.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Code, Result},
    output::Format,
};

/// Print the version of podid
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Version {}

/// The version of podid
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    /// As `1.2.3`
    version: &'static str,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid version
  podid version -o json";

impl Version {
    /// Runs the command.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(self, ctx: &Context) -> Result<Code> {
        let version = env!("CARGO_PKG_VERSION");
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&Document { version })?,
            Format::Yaml => ctx.term.emit_yaml(&Document { version })?,
            Format::Name => ctx.term.emit_line(version)?,
            Format::Table | Format::Wide => ctx.term.emit_line(format!("podid {version}"))?,
        }
        Ok(Code::Ok)
    }
}
