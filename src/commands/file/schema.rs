//! `podid schema`: the JSON Schema of the manifest, for editors and CI, and of what commands print, for scripts.

use clap::Args;

use crate::{
    commands::outputs,
    context::Context,
    failure::{Code, Failure, Result},
    model::{manifest, text},
    output::Format,
};

/// Print the JSON Schema of the manifest or of a command's output
///
/// Editors use the schema of the manifest to complete and check it; the same is in podid's repository as
/// schema/podid.v1.json. With a command, such as list or role list, podid prints the schema of what the command prints with
/// -o json: each field with its type and meaning. It calls no service.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Schema {
    /// Command whose JSON output is described, such as `list` or `role list` [default: the manifest]
    #[arg(value_name = "COMMAND", num_args = 0..)]
    command: Vec<String>,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid schema > podid.v1.json
  podid schema -o yaml
  podid schema verify > verify.schema.json
  podid schema role list";

impl Schema {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command has no schema, or stdout cannot be written.
    pub fn run(&self, ctx: &Context) -> Result<Code> {
        let words: Vec<&str> = self.command.iter().flat_map(|word| word.split_whitespace()).collect();
        let schema = match &words[..] {
            [] => manifest::json_schema(),
            ["podid", rest @ ..] | rest => of_command(&rest.join(" "))?,
        };
        match ctx.term.format() {
            Format::Yaml => ctx.term.emit_yaml(&schema)?,
            _ => ctx.term.emit_json(&schema)?,
        }
        Ok(Code::Ok)
    }
}

fn of_command(name: &str) -> Result<serde_json::Value> {
    outputs::schema(name).ok_or_else(|| {
        let group = format!("{name} ");
        let below = outputs::commands().filter(|other| other.starts_with(&group));
        let below: Vec<String> = below.map(str::to_owned).collect();
        let near = if below.is_empty() { text::nearest(name, outputs::commands()) } else { below };
        let all: Vec<&str> = outputs::commands().collect();
        Failure::usage(format!("there is no schema for the command `{name}`{}", text::did_you_mean(&near)))
            .hint(format!("commands with a schema: {}", all.join(", ")))
    })
}
