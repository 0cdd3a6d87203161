//! What `agent install` and `agent upgrade` take besides the version.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    commands::input,
    failure::{Failure, Result},
    model::addon::{Conflicts, Settings},
};

/// Flags of the add-on's settings.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// Configuration of the add-on: JSON, or a file of it
    #[arg(long, value_name = "JSON|@FILE")]
    configuration_values: Option<String>,
    /// What becomes of fields of the add-on's objects that somebody else set
    #[arg(long, value_enum, value_name = "MODE")]
    resolve_conflicts: Option<ConflictsArg>,
}

/// `--resolve-conflicts`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConflictsArg {
    /// Set them to the add-on's values
    Overwrite,
    /// Fail
    None,
    /// Keep them
    Preserve,
}

impl SettingsArgs {
    /// The settings; the configuration as one line of JSON.
    ///
    /// # Errors
    /// Usage, with line and column when it is not JSON.
    pub(super) fn read(&self) -> Result<Settings> {
        let configuration = self.configuration_values.as_deref().map(configuration).transpose()?;
        let conflicts = self.resolve_conflicts.map(|mode| match mode {
            ConflictsArg::Overwrite => Conflicts::Overwrite,
            ConflictsArg::None => Conflicts::None,
            ConflictsArg::Preserve => Conflicts::Preserve,
        });
        Ok(Settings { configuration, conflicts })
    }
}

fn configuration(given: &str) -> Result<String> {
    const FLAG: &str = "--configuration-values";
    let (text, from) = match given.strip_prefix('@') {
        Some(path) => (input::read(FLAG, path.as_ref())?, format!("`{path}`")),
        None => (given.to_owned(), "the value".to_owned()),
    };
    let value: Value = input::json(FLAG, &from, &text)?;
    if !value.is_object() {
        return Err(Failure::usage(format!("{FLAG}: {from} is not a JSON object")));
    }
    Ok(value.to_string())
}
