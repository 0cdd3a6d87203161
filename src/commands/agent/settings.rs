//! What `agent install` and `agent upgrade` take besides the version.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    commands::input,
    context::Context,
    failure::{Failure, Result},
    model::addon::{Conflicts, Settings},
};

/// Flags of the add-on's settings.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// Configuration of the add-on, as JSON or from a file
    #[arg(long, value_name = "JSON|@FILE")]
    configuration_values: Option<String>,
    /// How to handle fields of the add-on's objects that were changed outside EKS
    #[arg(long, value_enum, value_name = "MODE")]
    resolve_conflicts: Option<ConflictsArg>,
}

/// `--resolve-conflicts`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConflictsArg {
    /// Overwrite them with the add-on's values
    Overwrite,
    /// Fail the update
    None,
    /// Keep the changed values
    Preserve,
}

impl SettingsArgs {
    /// The settings; the configuration as one line of JSON.
    ///
    /// # Errors
    /// Usage, with line and column when it is not JSON.
    pub(super) async fn read(&self, ctx: &Context) -> Result<Settings> {
        let configuration = match self.configuration_values.as_deref() {
            Some(given) => Some(configuration(ctx, given).await?),
            None => None,
        };
        let conflicts = self.resolve_conflicts.map(|mode| match mode {
            ConflictsArg::Overwrite => Conflicts::Overwrite,
            ConflictsArg::None => Conflicts::None,
            ConflictsArg::Preserve => Conflicts::Preserve,
        });
        Ok(Settings { configuration, conflicts })
    }
}

async fn configuration(ctx: &Context, given: &str) -> Result<String> {
    const FLAG: &str = "--configuration-values";
    let (text, from) = match given.strip_prefix('@') {
        Some(path) => (input::read(ctx, FLAG, path.as_ref()).await?, format!("`{path}`")),
        None => (given.to_owned(), "the value".to_owned()),
    };
    let value: Value = input::json(FLAG, &from, &text)?;
    if !value.is_object() {
        return Err(Failure::usage(format!("{FLAG}: {from} is not a JSON object")));
    }
    Ok(value.to_string())
}
