//! `podid schema`: the JSON Schema of the file, for editors and CI.

use clap::Args;

use crate::{
    context::Context,
    failure::{Code, Result},
    model::manifest,
    output::Format,
};

/// Print the JSON Schema of the manifest
///
/// Editors use it to complete and check a manifest. The same schema is in podid's repository as schema/podid.v1.json.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Schema {}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid schema > podid.v1.json
  podid schema -o yaml";

impl Schema {
    /// Runs the command.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn run(&self, ctx: &Context) -> Result<Code> {
        let schema = manifest::json_schema();
        match ctx.term.format() {
            Format::Yaml => ctx.term.emit_yaml(&schema)?,
            _ => ctx.term.emit_json(&schema)?,
        }
        Ok(Code::Ok)
    }
}
