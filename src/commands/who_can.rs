//! `podid who-can`: which service accounts can make a call, and by which statement.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        holders::{Holders, NOT_IRSA, NOT_READ, NOT_READ_KINDS},
        shared::count,
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        access::{Answer, Holder, Need, QuestionText, Ruling},
        arn::{Arn, last},
        association::AssociationFilter,
        names::ServiceAccount,
    },
    output::{
        Format,
        styles::Tone,
        table::{Cell, Column, Table},
    },
};

/// List the service accounts that can make a call, and why
///
/// Evaluates the trust policies, the policies of the roles and target roles, their permissions boundaries and the session
/// policies of all associations of the cluster, with the session tags that EKS sends. The answer is `can`, `cannot`, or
/// `unknown` where something could not be read or evaluated. Resource policies, service control policies and VPC endpoint
/// policies are not read: they may allow or deny more. Only reads, and each role once.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct WhoCan {
    /// The action, SERVICE:ACTION
    #[arg(value_name = "ACTION")]
    action: String,
    /// ARN of one resource; for DynamoDB tables, S3 buckets and objects, queues and topics the name is enough. `'*'` for
    /// actions that work on no resource
    #[arg(value_name = "RESOURCE")]
    resource: String,
    /// Also list those that cannot
    #[arg(long)]
    all: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid who-can dynamodb:Query eks-workshop-carts
  podid who-can dynamodb:Query \\
      arn:aws:dynamodb:eu-west-1:111122223333:table/Items
  podid who-can s3:GetObject carts-images/logo.png --all
  podid who-can ec2:DescribeInstances '*' -o json";

/// Who can make the call
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// ARN of the cluster
    cluster: &'a Arn,
    /// The action that was asked about
    action: &'a str,
    /// The resource that was asked about
    resource: &'a str,
    /// Those that can or may, with --all also those that cannot
    service_accounts: &'a [Row<'a>],
    /// Kinds of policies that are never read
    not_read: [&'static str; 3],
}

/// A service account and its answer
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Answered")]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(flatten)]
    subject: &'a ServiceAccount,
    /// The association's role
    role_arn: &'a str,
    /// The target role; absent without one
    #[serde(skip_serializing_if = "Option::is_none")]
    target_role_arn: Option<&'a str>,
    #[serde(flatten)]
    ruling: Ruling,
}

impl<'a> Row<'a> {
    fn of(holder: &Holder<'a>, need: &Need) -> Self {
        let association = holder.association;
        Self {
            subject: &association.summary.subject,
            role_arn: &association.role_arn,
            target_role_arn: association.target_role_arn.as_deref(),
            ruling: holder.can(need),
        }
    }
}

impl WhoCan {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let question =
            QuestionText::parse(&self.action, &self.resource).map_err(|error| Failure::usage(error.to_string()))?;
        let holders = Holders::read(ctx, &AssociationFilter::default()).await?;
        let need = question.at(&holders.cluster.arn);
        let (home, named) = (&holders.cluster.arn.partition, need.resource.split(':').nth(1));
        if let Some(other) = named.filter(|partition| partition != home) {
            return Err(Failure::usage(format!(
                "`{}` is in partition {other}, and the cluster in {home}: credentials are valid in one partition only",
                need.resource
            )));
        }
        let mut rows: Vec<Row<'_>> = holders.all(ctx.term.now()).map(|holder| Row::of(&holder, &need)).collect();
        let total = rows.len();
        let cannot = rows.iter().filter(|row| row.ruling.answer == Answer::Cannot).count();
        if !self.all {
            rows.retain(|row| row.ruling.answer != Answer::Cannot);
        }
        rows.sort_by_key(|row| (row.ruling.answer, row.subject));
        let document = || Document {
            cluster: &holders.cluster.arn,
            action: &need.action,
            resource: &need.resource,
            service_accounts: &rows,
            not_read: NOT_READ_KINDS,
        };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&document())?,
            Format::Yaml => ctx.term.emit_yaml(&document())?,
            Format::Name => {
                // Names are for a script: only what is known.
                for row in rows.iter().filter(|row| row.ruling.answer == Answer::Can) {
                    ctx.term.emit_line(row.subject)?;
                }
            }
            Format::Table | Format::Wide if rows.is_empty() => {}
            Format::Table | Format::Wide => {
                ctx.term.emit_table(&table(&rows, ctx.term.format() == Format::Wide))?;
            }
        }
        if let Some(doubt) = question.doubt() {
            ctx.term.warn(doubt);
        }
        self.notes(ctx, &holders.cluster.name, &need, &rows, (total, cannot));
        Ok(Code::Ok)
    }

    fn notes(&self, ctx: &Context, cluster: &str, need: &Need, rows: &[Row<'_>], (total, cannot): (usize, usize)) {
        let call = format!("{} on {}", need.action, need.resource);
        let unknown = rows.iter().filter(|row| row.ruling.answer == Answer::Unknown).count();
        if total == 0 {
            ctx.term.note(format!("no associations in cluster {cluster}"));
            ctx.term.note(NOT_IRSA);
            return;
        }
        if cannot == total {
            let all = count(total, "service account");
            ctx.term.note(format!("no service account of cluster {cluster} can {call} ({all} evaluated)"));
            ctx.term.note(NOT_IRSA);
        } else if cannot > 0 && !self.all {
            ctx.term.note(format!("{} cannot: list them with `--all`", count(cannot, "service account")));
        }
        if unknown > 0 && ctx.term.format() == Format::Name {
            ctx.term.warn(format!("unknown for {}: see `-o json`", count(unknown, "service account")));
        }
        ctx.term.note(NOT_READ);
    }
}

fn table(rows: &[Row<'_>], wide: bool) -> Table {
    let mut table = Table::new(&[
        Column::new("SERVICE ACCOUNT"),
        Column::new("ROLE").priority(4),
        Column::new("ANSWER"),
        Column::new("DECIDED BY").prose(),
    ]);
    for row in rows {
        let arn = row.target_role_arn.unwrap_or(row.role_arn);
        let tone = match row.ruling.answer {
            Answer::Can => Tone::Good,
            Answer::Unknown => Tone::Warn,
            Answer::Cannot => Tone::Plain,
        };
        table.row([
            Cell::new(row.subject.to_string()),
            Cell::new(if wide { arn } else { last(arn) }),
            Cell::new(row.ruling.answer.to_string()).tone(tone),
            Cell::new(row.ruling.reasons.join("; ")),
        ]);
    }
    table
}
