//! `podid access`: what one service account can reach in AWS, the most sensitive first.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::holders::{Holders, NOT_IRSA, NOT_READ, NOT_READ_KINDS},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        access::{Answer, Holder, Reach, Reached, Ruling, in_words, reach},
        arn::{Arn, last},
        association::AssociationFilter,
        names::ServiceAccount,
    },
    output::{
        Format,
        block::Block,
        styles::Tone,
        table::{Cell, Column, Table},
    },
};

/// Show what a service account can reach in AWS
///
/// The most sensitive permissions come first. Lists the statements of the role whose credentials its pods get (of the target role, if there is one) with what limits
/// them: conditions that depend on the call, the permissions boundary, the session policy, and the statements that deny.
/// Conditions on the session tags are evaluated, and their variables are filled in. Resource policies, service control
/// policies and VPC endpoint policies are not read: they may allow or deny more. Only reads.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Access {
    /// The service account
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subject: ServiceAccount,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid access carts/carts
  podid access carts/carts -o wide
  podid access carts/carts -o json";

impl Access {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let holders = Holders::read(ctx, &AssociationFilter::from(&self.subject)).await?;
        let Some(holder) = holders.all(ctx.term.now()).next() else {
            let none =
                format!("service account {} has no association in cluster {}", self.subject, holders.cluster.name);
            ctx.term.note(NOT_IRSA);
            return Err(Failure::failed(none).hint("list the associations: `podid list`"));
        };
        let found = reach(&holder);
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&Document::of(&holder, &found))?,
            Format::Yaml => ctx.term.emit_yaml(&Document::of(&holder, &found))?,
            Format::Name => {
                let mut names: Vec<&String> = found.allowed.iter().filter(|row| row.counts()).flat_map(named).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    ctx.term.emit_line(name)?;
                }
            }
            Format::Table | Format::Wide => {
                let wide = ctx.term.format() == Format::Wide;
                ctx.term.emit_block(&block(&holder, &found, wide))?;
            }
        }
        for why in &found.unknown {
            ctx.term.warn(format!("incomplete: {why}"));
        }
        ctx.term.note(NOT_READ);
        Ok(Code::Ok)
    }
}

/// The actions of a statement that names them.
fn named(row: &Reached) -> &[String] {
    if row.all_but_actions { &[] } else { &row.actions }
}

/// What a service account can reach
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// ARN of the cluster
    cluster: &'a Arn,
    #[serde(flatten)]
    account: &'a ServiceAccount,
    /// The association's role
    role_arn: &'a str,
    /// The target role, or null
    target_role_arn: Option<&'a str>,
    /// What keeps the pods from the credentials, or null
    credentials: Option<Ruling>,
    /// ARN of the permissions boundary, or null: what it does not allow is denied
    boundary: Option<&'a str>,
    /// Whether there is a session policy
    session_policy: bool,
    /// Statements that allow something, the most sensitive first
    allowed: &'a [Reached],
    /// Statements that deny something, of permissions boundary and session policy too
    denied: &'a [Reached],
    /// What could not be read or evaluated
    unknown: &'a [String],
    /// Kinds of policies that are never read
    not_read: [&'static str; 3],
}

impl<'a> Document<'a> {
    fn of(holder: &Holder<'a>, found: &'a Reach) -> Self {
        let association = holder.association;
        Self {
            cluster: &holder.cluster.arn,
            account: &association.summary.subject,
            role_arn: &association.role_arn,
            target_role_arn: association.target_role_arn.as_deref(),
            credentials: holder.without_credentials(),
            boundary: found.boundary.as_deref(),
            session_policy: association.policy.is_some(),
            allowed: &found.allowed,
            denied: &found.denied,
            unknown: &found.unknown,
            not_read: NOT_READ_KINDS,
        }
    }
}

fn block(holder: &Holder<'_>, found: &Reach, wide: bool) -> Block {
    let association = holder.association;
    let role = |arn: &str| if wide { arn.to_owned() } else { last(arn).to_owned() };
    let mut block = Block::new()
        .field("Service account", association.summary.subject.to_string())
        .field("Role", role(&association.role_arn))
        .maybe("Target role", association.target_role_arn.as_deref().map(role));
    if let Some(ruling) = holder.without_credentials() {
        let answer = if ruling.answer == Answer::Cannot { "none" } else { "unknown" };
        block = block.toned("Credentials", format!("{answer}: {}", ruling.reasons.join("; ")), Tone::Bad);
    }
    block = block.maybe("Permissions boundary", found.boundary.as_deref().map(role));
    if association.policy.is_some() {
        block = block.field("Session policy", "yes: only what it allows too");
    }
    let (allowed, never): (Vec<&Reached>, Vec<&Reached>) = found.allowed.iter().partition(|row| row.counts());
    let home = Some(&holder.cluster.arn).filter(|_| !wide);
    block = if allowed.is_empty() && !found.unknown.is_empty() {
        block.field("Allowed", "unknown")
    } else {
        block.table("Allowed", table(&allowed, home))
    };
    if !found.denied.is_empty() {
        block = block.table("Denied", table(&found.denied.iter().collect::<Vec<_>>(), home));
    }
    if !never.is_empty() {
        block = block.table("Without effect", table(&never, home));
    }
    block
}

/// The resource as a table has it: what is the same as in `home` is left out.
fn short(resource: &str, home: Option<&Arn>) -> String {
    match (resource.parse::<Arn>(), home) {
        (Ok(arn), Some(home)) if arn.is_of(home) => arn.resource,
        _ => resource.to_owned(),
    }
}

/// `home` is the cluster where values are shortened.
fn table(rows: &[&Reached], home: Option<&Arn>) -> Table {
    let mut table = Table::new(&[
        Column::new("LEVEL"),
        Column::new("ACTIONS").prose(),
        Column::new("RESOURCES").prose(),
        Column::new("LIMITED BY").prose(),
        Column::new("STATEMENT").priority(2),
    ]);
    for row in rows {
        let most = if home.is_none() { usize::MAX } else { SHOWN };
        let resources: Vec<String> = row.resources.iter().map(|one| short(one, home)).collect();
        table.row([
            Cell::new(row.level.word()),
            Cell::new(row.actions_in_words(most)),
            Cell::new(in_words(&resources, row.all_but_resources, most)),
            Cell::new(limits(row)),
            Cell::new(row.place.short()),
        ]);
    }
    table
}

/// Actions and resources that are shown of many.
const SHOWN: usize = 3;

fn limits(row: &Reached) -> String {
    if !row.never.is_empty() {
        return format!("never applies: {}", row.never.join(", "));
    }
    row.limits().join(", ")
}
