//! `podid diff`: what `apply` would change, or how another cluster differs, and nothing written.

use std::path::PathBuf;

use clap::Args;

use super::{Files, Missing, PlanOptions, against, plan, view};
use crate::{
    context::Context,
    failure::{Code, Result},
    observe::file::KubernetesReads,
};

/// Show what a manifest would change, or how two clusters differ
///
/// With --against, shows what would make the cluster equal to another one: the version and configuration of the agent's
/// add-on, and the associations with their roles, session policies and custom tags. Roles and their policies are not compared.
///
/// Exits with 0 if nothing would change, with 3 if anything would. Objects are compared by meaning: the order of actions, a string or a list of one, and the encoding of documents
/// make no difference. Makes one List call per 100 associations, one Describe call for each association in the
/// manifest, and the calls that each role needs; service accounts of new associations are looked up in Kubernetes.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Diff {
    /// Manifest, or a folder of them (its *.yaml, *.yml and *.json); - for stdin (can be repeated)
    #[arg(long, short, visible_alias = "filename", value_name = "PATH", required_unless_present = "against")]
    file: Vec<PathBuf>,
    /// Compare the cluster with this one instead, by name or ARN
    #[arg(
        long,
        value_name = "CLUSTER",
        conflicts_with_all = ["file", "prune", "adopt", "allow_missing_service_account", "allow_missing_resources"]
    )]
    against: Option<String>,
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
  podid diff -f clusters/prod/
  podid diff --cluster green --against blue";

impl Diff {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if let Some(other) = &self.against {
            return Box::pin(against::run(ctx, other)).await;
        }
        let entries = Files { file: self.file }.read(ctx).await?;
        let how = PlanOptions {
            around: KubernetesReads::Nothing,
            kube: true,
            look_up: true,
            prune: self.prune,
            allow_missing_agent: true,
            allow: self.missing.allowed(),
            recycle: false,
            adopt: self.adopt,
            copied_from: None,
        };
        let planned = plan(ctx, entries, how).await?;
        for warning in &planned.plan.warnings {
            ctx.term.warn(warning);
        }
        let changes = view::changes(&planned.plan.steps);
        let arn = &ctx.cluster().await?.arn;
        let title = format!("Cluster {} ({}, {})", arn.name(), arn.account, arn.region);
        view::show(ctx, &title, &changes, &planned.have)?;
        if changes.is_empty() {
            let size = view::size(planned.entries.roles.len(), planned.subjects.len());
            ctx.term.status(format!("no differences: {size} match the manifest"));
            return Ok(Code::Ok);
        }
        ctx.term.status(view::summary(&changes));
        Ok(Code::Difference)
    }
}
