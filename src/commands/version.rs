//! `podid version`.

use clap::Args;
use serde_json::json;

use crate::{
    context::Context,
    failure::{Code, Result},
    output::Format,
};

/// Print the version of podid
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Version {}

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
            Format::Json => ctx.term.emit_json(&json!({ "version": version }))?,
            Format::Yaml => ctx.term.emit_yaml(&json!({ "version": version }))?,
            Format::Name => ctx.term.emit_line(version)?,
            Format::Table | Format::Wide => ctx.term.emit_line(format!("podid {version}"))?,
        }
        Ok(Code::Ok)
    }
}
