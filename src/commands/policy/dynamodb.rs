//! `podid policy dynamodb`: prints the least-privilege policy for tables.

use std::collections::BTreeSet;

use clap::Args;

use super::grants::{self, AccessArg, Narrow};
use crate::{
    context::Context,
    failure::{Code, Result},
    model::{
        document::Document,
        policy::{self, MAX_INLINE, MAX_MANAGED, TableText},
        want::{Access, TableGrant},
    },
    output::Format,
};

/// Print the least-privilege policy for DynamoDB tables
///
/// A table is a name in the cluster's region, region:name, or an ARN; with ARNs alone no cluster is needed. podid
/// reads the KMS key of each table and grants its use too; if podid may not read it, it warns and prints the policy
/// without it. The policy goes to stdout, everything else to stderr.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Dynamodb {
    /// Table, with its own access level or that of --access
    #[arg(value_name = "TABLE[=ACCESS]", required = true)]
    tables: Vec<TableText>,
    /// Access level for tables that have none of their own
    #[arg(long, value_enum, value_name = "ACCESS", default_value_t = AccessArg::Read)]
    access: AccessArg,
    #[command(flatten)]
    narrow: Narrow,
    /// Do not read the tables; with ARNs, podid then calls no service
    #[arg(long)]
    no_lookup: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid policy dynamodb eks-workshop-carts --access read-write
  podid policy dynamodb eks-workshop-carts eu-west-1:orders=stream
  podid policy dynamodb tenants --access read-write \\
      --leading-keys kubernetes-namespace
  podid policy dynamodb arn:aws:dynamodb:us-west-2:111122223333:table/carts \\
      --no-lookup";

impl Dynamodb {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let grants = tables(ctx, &self.tables, self.access.into(), &self.narrow, !self.no_lookup).await?;
        print(ctx, &policy::dynamodb(&grants))
    }
}

/// The tables, narrowed, and with a look at them unless that is unwanted.
pub(super) async fn tables(
    ctx: &Context,
    texts: &[TableText],
    default: Access,
    narrow: &Narrow,
    look: bool,
) -> Result<Vec<TableGrant>> {
    let mut grants = grants::complete(ctx, texts, default).await?;
    narrow.apply(&mut grants)?;
    narrow.warn(ctx);
    if look {
        grants::read_tables(ctx, &mut grants).await?;
        // Printing a policy harms nobody.
        let missing: BTreeSet<String> = grants.iter().filter_map(TableGrant::not_there).collect();
        for missing in missing {
            ctx.term.warn(missing);
        }
    }
    Ok(grants)
}

/// Prints a policy, and says where it is too large.
pub(super) fn print(ctx: &Context, document: &Document) -> Result<Code> {
    let size = document.size();
    if size > MAX_INLINE {
        ctx.term.warn(format!(
            "the policy has {size} characters; the IAM limit is {MAX_INLINE} for all inline policies of a role and {MAX_MANAGED} for a managed policy: print it for fewer resources at a time"
        ));
    } else if size > MAX_MANAGED {
        ctx.term.warn(format!(
            "the policy has {size} characters: it fits in an inline policy, but not in a managed one ({MAX_MANAGED})"
        ));
    }
    match ctx.term.format() {
        Format::Table | Format::Wide | Format::Json => ctx.term.emit_json(document)?,
        Format::Yaml => ctx.term.emit_yaml(document)?,
        Format::Name => {
            for statement in document.statements() {
                ctx.term.emit_line(statement["Sid"].as_str().unwrap_or_default())?;
            }
        }
    }
    Ok(Code::Ok)
}
