//! `podid import`: files of other tools, as manifests. It calls no service.

use std::path::PathBuf;

use clap::Args;

use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    manifest,
    output::Format,
};

/// Convert files of other tools to manifests
///
/// Reads ClusterConfigs of eksctl, Terraform state files and the output of terraform show -json (of a state or a plan),
/// CloudFormation templates (also of the CDK), and custom resources of ACK and Crossplane, and prints a manifest for
/// `podid apply`. A role whose ARN the file contains is referenced by its ARN, and is still maintained by the other
/// tool; a role that the file only describes is written with its policies. What a manifest cannot contain is reported
/// in a warning for each, with its place in the file. No service is called.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Import {
    /// Files in YAML or JSON; - reads one from stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Exit with 3 if a part of a file cannot be converted
    #[arg(long)]
    strict: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid import cluster.yaml > podid.yaml
  terraform show -json | podid import -
  podid import cdk.out/Pods.template.json --cluster eks-workshop --strict";

impl Import {
    /// Runs the command.
    ///
    /// # Errors
    /// What is wrong in a file, with its place; then nothing is printed of any file.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let cluster = match ctx.clusters_by_flag() {
            [] => None,
            [one] => Some(one.clone()),
            _ => {
                return Err(
                    Failure::usage("`podid import` writes manifests of one cluster").hint("pass --cluster once")
                );
            }
        };
        let mut all = Vec::with_capacity(self.files.len());
        for path in &self.files {
            let (path, cluster) = (path.clone(), cluster.clone());
            let read = move || manifest::import(&path, cluster.as_deref(), &mut std::io::stdin());
            all.push(ctx.deadline.blocking("reading the file", read).await?);
        }
        let mut left = 0;
        for (path, imported) in self.files.iter().zip(&all) {
            for one in &imported.left {
                ctx.term.warn(format!("{}: {one}", path.display()));
                left += 1;
            }
            if imported.manifest.associations.is_empty() {
                left += 1;
                let cluster = cluster.as_ref().map_or_else(String::new, |name| format!(" of cluster {name}"));
                ctx.term.warn(format!("{}: this {} has no associations{cluster}", path.display(), imported.from));
            }
        }
        match (ctx.term.format(), &all[..]) {
            (Format::Name, all) => {
                for association in all.iter().flat_map(|imported| &imported.manifest.associations) {
                    ctx.term.emit_line(&association.service_account)?;
                }
            }
            (Format::Json, [one]) => ctx.term.emit_json(&one.manifest)?,
            (Format::Json, all) => {
                ctx.term.emit_json(&all.iter().map(|imported| &imported.manifest).collect::<Vec<_>>())?;
            }
            (_, all) => {
                for (at, imported) in all.iter().enumerate() {
                    if at > 0 {
                        ctx.term.emit_line("---")?;
                    }
                    ctx.term.emit_yaml(&imported.manifest)?;
                }
            }
        }
        Ok(if self.strict && left > 0 { Code::Difference } else { Code::Ok })
    }
}
