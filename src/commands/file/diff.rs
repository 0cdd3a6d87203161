//! `podid diff`: what `apply` would change, and nothing written.

use clap::Args;
use serde_json::json;

use super::{Files, Missing, PlanOptions, plan, view};
use crate::{
    context::Context,
    failure::{Code, Result},
    observe::file::KubernetesReads,
    output::Format,
};

/// Show what a manifest would change
///
/// Exits with 0 if nothing would change, with 3 if anything would. Objects are compared by meaning: the order of actions, a string or a list of one, and the encoding of documents
/// make no difference. Makes one List call per 100 associations, one Describe call for each association in the
/// manifest, and the calls that each role needs; service accounts of new associations are looked up in Kubernetes.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Diff {
    #[command(flatten)]
    files: Files,
    /// Also show what `apply --prune` would delete
    #[arg(long)]
    prune: bool,
    /// Accept a role with podid's tags that was changed outside podid before an association used it
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    missing: Missing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid diff -f podid.yaml
  podid diff -f podid.yaml --prune -o json
  podid diff -f clusters/prod/";

impl Diff {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let entries = self.files.read(ctx).await?;
        let how = PlanOptions {
            around: KubernetesReads::Nothing,
            kube: true,
            look_up: true,
            prune: self.prune,
            allow_missing_agent: true,
            allow: self.missing.allowed(),
            recycle: false,
            adopt: self.adopt,
        };
        let planned = plan(ctx, entries, how).await?;
        for warning in &planned.plan.warnings {
            ctx.term.warn(warning);
        }
        let changes = view::changes(&planned.plan.steps);
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&json!({ "changes": view::json(&changes) }))?,
            Format::Yaml => ctx.term.emit_yaml(&json!({ "changes": view::json(&changes) }))?,
            Format::Name => {
                for change in &changes {
                    ctx.term.emit_line(format!("{}/{}", change.kind, change.name))?;
                }
            }
            Format::Table | Format::Wide if changes.is_empty() => {}
            Format::Table | Format::Wide => {
                let cluster = ctx.cluster().await?;
                let title = format!("Cluster {} ({}, {})", cluster.name, cluster.arn.account, cluster.arn.region);
                let lines = view::lines(&changes, &planned.have)?;
                ctx.term.emit_plan(&title, &lines)?;
            }
        }
        if changes.is_empty() {
            let size = view::size(planned.entries.roles.len(), planned.subjects.len());
            ctx.term.status(format!("no differences: {size} match the manifest"));
            return Ok(Code::Ok);
        }
        ctx.term.status(view::summary(&changes));
        Ok(Code::Difference)
    }
}
