//! `podid policy attach` and `detach`: policies of a role that is there.

use std::path::PathBuf;

use clap::Args;

use super::grants::{self, Narrow};
use crate::{
    args::{Changing, Permissions, RemovalArgs},
    commands::{account, input, shared},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        add_on_policy::AddOnText,
        arn::RoleRef,
        policy::{self, TableText},
        want::{Access, Provenance, Wanted},
    },
    observe,
    plan::{self, Policies, RoleOwnership},
};

/// Attach policies to a role
///
/// Access to tables goes into podid's own inline policy podid-dynamodb, what an add-on needs into podid-add-on-NAME, and
/// all other access into podid-access. podid updates its own statements in place and keeps all others. A policy file becomes
/// an inline policy named after the file. Policies that the role has already are not written again, and IAM's size limits
/// are checked over all inline policies of the role before anything is changed.
#[derive(Debug, Args)]
#[command(after_long_help = ATTACH_EXAMPLES)]
pub struct Attach {
    /// The role, by name or ARN
    #[arg(value_name = "ROLE")]
    role: RoleRef,
    #[command(flatten)]
    permissions: Permissions,
    #[command(flatten)]
    narrow: Narrow,
    #[command(flatten)]
    changing: Changing,
}

/// Detach policies from a role
///
/// Removes exactly what is named: the statements for a resource from podid's own inline policies (and a policy that
/// becomes empty), managed policies, and inline policies by the name of their file, which need not exist.
#[derive(Debug, Args)]
#[command(after_long_help = DETACH_EXAMPLES)]
pub struct Detach {
    /// The role, by name or ARN
    #[arg(value_name = "ROLE")]
    role: RoleRef,
    /// Remove access to a DynamoDB table, all of it or one level (can be repeated)
    #[arg(long, value_name = "TABLE[=ACCESS]", help_heading = "Permissions")]
    dynamodb: Vec<TableText>,
    #[command(flatten)]
    removals: RemovalArgs,
    /// Remove what an add-on or controller was granted, all of it or for one argument (can be repeated)
    #[arg(long, value_name = "NAME[=ARGUMENT]", value_parser = AddOnText::parse, help_heading = "Permissions")]
    add_on: Vec<AddOnText>,
    /// Detach a managed policy (can be repeated)
    #[arg(long, value_name = "ARN", help_heading = "Permissions")]
    policy_arn: Vec<String>,
    /// Delete the inline policy of this file's name (can be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Permissions")]
    policy_file: Vec<PathBuf>,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of `policy attach`.
pub const ATTACH_EXAMPLES: &str = "\
Examples:
  podid policy attach carts-role --dynamodb eks-workshop-carts=read-write
  podid policy attach carts-role --s3 carts-images/uploads=read-write \\
      --sqs orders=consume
  podid policy attach carts-role --allow \\
      states:StartExecution@arn:aws:states:us-west-2:111122223333:stateMachine:s
  podid policy attach carts-role --dry-run \\
      --policy-arn arn:aws:iam::aws:policy/AmazonS3FullAccess
  podid policy attach dns-role --add-on external-dns=Z0123456789ABCDEFGHIJ
  podid policy attach carts-role --policy-file s3-read.json --yes";

/// Examples of `policy detach`.
pub const DETACH_EXAMPLES: &str = "\
Examples:
  podid policy detach carts-role --dynamodb eks-workshop-carts
  podid policy detach carts-role --s3 carts-images/uploads --sqs orders=consume
  podid policy detach carts-role --yes \\
      --policy-arn arn:aws:iam::aws:policy/AmazonS3FullAccess";

impl Attach {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let permissions = &self.permissions;
        if !permissions.inline() && !permissions.managed() {
            return Err(grants::nothing_named("attach"));
        }
        let files = input::policies(ctx, permissions).await?;
        if permissions.dynamodb.is_empty() {
            self.narrow.needs_tables()?;
        }
        let tables = async {
            let mut grants = grants::complete(ctx, &permissions.dynamodb, Access::Read).await?;
            self.narrow.apply(&mut grants)?;
            self.narrow.warn(ctx);
            grants::read_tables(ctx, &mut grants).await?;
            Ok::<_, Failure>(grants)
        };
        let view = read(ctx, &self.role, permissions.managed(), permissions.inline());
        let named = grants::named(ctx, &permissions.grants.0);
        let (view, tables, named, add_ons) =
            futures::join!(view, tables, named, grants::add_ons(ctx, &permissions.add_on));
        let (view, tables, named, add_ons) = (view?, tables?, named?, add_ons?);
        let role = account::found(ctx, &self.role, view.role.as_ref()).await?;
        let policy_arns = permissions.policy_arns(&role.arn.partition);
        let mut plan = plan::policies(&Policies {
            managed: Wanted::AtLeast(&policy_arns),
            tables: Wanted::AtLeast(&tables),
            grants: Wanted::AtLeast(&named),
            add_ons: Wanted::AtLeast(&add_ons),
            documents: Wanted::AtLeast(&files),
            exact: permissions.exact,
            allow_missing: permissions.allow_missing_resources,
            ..Policies::keep(&role.name, RoleOwnership::Shared, (&view.attached, &view.inline), Provenance::Flags)
        })
        .map_err(shared::refused)?;
        shared::check_attached(ctx, &mut plan).await?;
        let nothing = format!("role {} already has these policies: nothing to change", role.name);
        account::carry_out(ctx, &role.arn, plan, &self.changing, &nothing).await
    }
}

impl Detach {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        for arn in &self.policy_arn {
            input::policy_arn("--policy-arn", arn)?;
        }
        let names = self
            .policy_file
            .iter()
            .map(|path| {
                policy::inline_name(&path.to_string_lossy()).map_err(|e| Failure::usage(format!("--policy-file: {e}")))
            })
            .collect::<Result<Vec<_>>>()?;
        let (add_ons, managed): (Vec<_>, Vec<_>) = self.add_on.iter().partition(|add_on| add_on.has_statements());
        let inline = [self.dynamodb.is_empty(), self.removals.0.is_empty(), add_ons.is_empty(), names.is_empty()];
        let (inline, attached) = (inline != [true; 4], !self.policy_arn.is_empty() || !managed.is_empty());
        if !inline && !attached {
            return Err(grants::nothing_named("detach"));
        }
        let (view, tables, removals) = futures::join!(
            read(ctx, &self.role, attached, inline),
            grants::complete(ctx, &self.dynamodb, Access::Read),
            grants::removals(ctx, &self.removals.0)
        );
        let removals = removals?;
        let view = view?;
        let role = account::found(ctx, &self.role, view.role.as_ref()).await?;
        let tables: Vec<_> =
            tables?.into_iter().zip(&self.dynamodb).map(|(grant, text)| (grant.table, text.access)).collect();
        let managed = managed.iter().flat_map(|add_on| add_on.policy.managed(&role.arn.partition));
        let policy_arns: Vec<String> = self.policy_arn.iter().cloned().chain(managed).collect();
        // Zones and buckets have the partition of the role.
        let add_ons: Vec<_> = add_ons.iter().filter_map(|add_on| add_on.removal(Some(&role.arn))).collect();
        let plan = plan::policies(&Policies {
            managed: Wanted::Without(&policy_arns),
            tables: Wanted::Without(&tables),
            grants: Wanted::Without(&removals),
            add_ons: Wanted::Without(&add_ons),
            documents: Wanted::Without(&names),
            ..Policies::keep(&role.name, RoleOwnership::Shared, (&view.attached, &view.inline), Provenance::Flags)
        })
        .map_err(shared::refused)?;
        let nothing = format!("nothing to detach from role {}", role.name);
        account::carry_out(ctx, &role.arn, plan, &self.changing, &nothing).await
    }
}

/// The role with what is asked for of its policies; a size limit is one over all inline policies, so all are read.
async fn read(ctx: &Context, role: &RoleRef, attached: bool, inline: bool) -> Result<observe::PolicyView> {
    ctx.deadline.within("reading the role", observe::role_policies(ctx.iam()?, role.name(), attached, inline)).await
}
