//! `podid policy lint`: checks the files of policies. It calls no service.

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::input,
    context::Context,
    failure::{Code, Result},
    model::{
        policy::{Checked, Issue, Severity},
        text::count,
    },
    output::Format,
};

/// Check permission policy files without calling AWS
///
/// Reports as errors what IAM rejects (syntax, unknown keys, Sids, a Principal, size, ...) and what cannot work
/// (placeholders, invalid accounts and regions); as warnings wildcards, and actions that podid does not know. `podid
/// policy attach`, `podid associate` and `podid role create` check a --policy-file in the same way before they change
/// anything. The output of aws iam get-policy-version, aws iam get-role-policy and iam-policy-autopilot is accepted
/// too. Exits with 3 if there is an error.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Lint {
    /// Policy documents in JSON; - reads one from stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid policy lint s3-read.json
  podid policy lint policies/orders.json policies/carts.json --strict -o json
  aws iam get-role-policy --role-name carts-role --policy-name s3 | podid policy lint -";

impl Lint {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read, or stdout not be written.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let mut checked = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let stdin = file.as_os_str() == "-";
            let path = if stdin { Path::new("/dev/stdin") } else { file };
            let name = if stdin { "<stdin>".to_owned() } else { file.display().to_string() };
            checked.push((name, input::policy_document(ctx, "FILE", path).await?));
        }
        self.print(ctx, &checked)?;
        let of = |severity| checked.iter().flat_map(|(_, it)| &it.issues).filter(|it| it.severity == severity).count();
        let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
        ctx.term.status(format!(
            "{} checked: {}, {}",
            count(checked.len(), "file"),
            count(errors, "error"),
            count(warnings, "warning")
        ));
        Ok(if errors > 0 || self.strict && warnings > 0 { Code::Difference } else { Code::Ok })
    }

    fn print(&self, ctx: &Context, checked: &[(String, Checked)]) -> Result<()> {
        match ctx.term.format() {
            Format::Json => return ctx.term.emit_json(&Document::of(checked)),
            Format::Yaml => return ctx.term.emit_yaml(&Document::of(checked)),
            Format::Name => {
                let fails = |it: &Checked| it.errors().next().is_some() || self.strict && !it.issues.is_empty();
                for (name, _) in checked.iter().filter(|(_, it)| fails(it)) {
                    ctx.term.emit_line(name)?;
                }
                return Ok(());
            }
            Format::Table | Format::Wide => {}
        }
        for (name, it) in checked {
            if let Some(note) = &it.note {
                ctx.term.note(format!("{name}: {note}"));
            }
            for issue in &it.issues {
                let place = issue.line.map_or_else(|| name.clone(), |line| format!("{name}:{line}"));
                ctx.term.emit_line(format!("{place}: {}: {issue}", issue.severity))?;
            }
        }
        Ok(())
    }
}

/// The files
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// One for each file, in the order of the arguments
    files: Vec<Linted<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Linted<'a> {
    /// Its name
    file: &'a str,
    /// How the document was read from it, or null
    note: Option<&'a str>,
    /// Errors and warnings, in the order of the lines
    issues: &'a [Issue],
}

impl<'a> Document<'a> {
    fn of(checked: &'a [(String, Checked)]) -> Self {
        let one = |(file, it): &'a (String, Checked)| Linted { file, note: it.note.as_deref(), issues: &it.issues };
        Self { files: checked.iter().map(one).collect() }
    }
}
