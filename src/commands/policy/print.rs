//! `podid policy print`: prints the least-privilege policy for tables and resources of other services.

use clap::Args;
use serde_json::Value;

use super::{
    dynamodb,
    grants::{self, Narrow},
};
use crate::{
    args::GrantArgs,
    context::Context,
    failure::{Code, Result},
    model::{
        add_on_policy::{self, AddOnText},
        grant,
        policy::{self, TableText},
        want::Access,
    },
};

/// Print the least-privilege policy for tables, buckets, queues, add-ons and other resources
///
/// A resource is a name in the cluster's region, region:name, or an ARN; with ARNs alone no cluster is needed. podid
/// prints one policy document, with the statements that `podid policy attach` writes. The policy goes to stdout,
/// everything else to stderr: also the ARN of the managed policy, for an add-on that AWS has one for.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Print {
    /// Grant access to a DynamoDB table: read, write, read-write, stream or full [default: read] (can be repeated)
    #[arg(long, value_name = "TABLE[=ACCESS]", help_heading = "Permissions")]
    dynamodb: Vec<TableText>,
    #[command(flatten)]
    grants: GrantArgs,
    /// Print what an add-on or controller needs, such as external-dns=ZONE; `podid policy show` lists all (can be repeated)
    #[arg(long, value_name = "NAME[=ARGUMENT]", value_parser = AddOnText::granting, help_heading = "Permissions")]
    add_on: Vec<AddOnText>,
    #[command(flatten, next_help_heading = None)]
    narrow: Narrow,
    /// Do not read the tables; with ARNs, podid then calls no service
    #[arg(long)]
    no_lookup: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid policy print --dynamodb eks-workshop-carts=read-write \\
      --s3 carts-images=read
  podid policy print --sqs orders=consume --secret db/main=read -o yaml
  podid policy print --s3 arn:aws:s3:::carts-images/uploads=write";

impl Print {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if self.dynamodb.is_empty() {
            if self.grants.0.is_empty() && self.add_on.is_empty() {
                return Err(grants::nothing_named("print"));
            }
            self.narrow.needs_tables()?;
        }
        let named = grants::named(ctx, &self.grants.0).await?;
        let add_ons = grants::add_ons(ctx, &self.add_on).await?;
        for warning in grant::warnings(&named) {
            ctx.term.warn(warning);
        }
        let tables = dynamodb::tables(ctx, &self.dynamodb, Access::Read, &self.narrow, !self.no_lookup).await?;
        let mut document = policy::dynamodb(&tables);
        let granted = grant::policy(&named);
        if let Some(Value::Array(list)) = document.0.get_mut("Statement") {
            list.extend(granted.statements().into_iter().cloned());
        }
        // Two zones or buckets share statements, which stand there once.
        let document = add_on_policy::merged(Some(&document), &add_ons.iter().collect::<Vec<_>>());
        for add_on in self.add_on.iter().filter(|add_on| !add_on.has_statements()) {
            managed(ctx, add_on).await;
        }
        if document.statements().is_empty() {
            return Ok(Code::Ok);
        }
        dynamodb::print(ctx, &document)
    }
}

/// Names the managed policies of an add-on; their partition is the cluster's, where there is one.
async fn managed(ctx: &Context, add_on: &AddOnText) {
    let cluster = Box::pin(ctx.cluster()).await.ok();
    let partition = cluster.map_or("aws", |cluster| &cluster.arn.partition);
    for arn in add_on.policy.managed(partition) {
        ctx.term.note(format!("add-on {} needs the managed policy {arn}, which is not printed", add_on.policy.name));
    }
}
