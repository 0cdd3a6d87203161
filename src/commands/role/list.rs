//! `podid role list`: the roles that trust Pod Identity, and who uses them.

use std::pin::pin;

use clap::Args;
use futures::StreamExt;
use serde_json::{Value, json};

use super::users::{self, User, Users};
use crate::{
    commands::shared,
    context::Context,
    failure::{Code, Failure, Result},
    model::{role::ListedRole, trust},
    output::{
        Format,
        table::{Cell, Column, Table},
    },
};

/// List the roles that trust Pod Identity, with the associations that use each
///
/// Costs one call per 1,000 roles of the account; the trust policies come with them. Who uses them costs one List per 100
/// associations of the cluster and one Describe each; `-o name` without --unused asks for none of it.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    /// Only roles that no association uses
    #[arg(long)]
    unused: bool,
    /// Look for users in every cluster of the region, instead of one
    #[arg(long)]
    all_clusters: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid role list
  podid role list --unused --all-clusters
  podid role list -o json";

/// A role, and who uses it where that was asked.
struct Row {
    role: ListedRole,
    users: Option<Vec<User>>,
}

impl List {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let asked = self.unused || ctx.term.format() != Format::Name;
        let roles = roles(ctx);
        let users = async {
            if !asked {
                return Ok(None);
            }
            let clusters = users::clusters(ctx, self.all_clusters).await?;
            let line = ctx.term.progress("users");
            let users = users::users(ctx, clusters, &line).await;
            line.clear();
            users.map(Some)
        };
        let (roles, users) = futures::try_join!(roles, users)?;
        let total = roles.len();
        let mut rows: Vec<Row> = roles
            .into_iter()
            .filter(|role| trust::trusts_pods(&role.trust))
            .map(|role| {
                let read = users.as_ref().filter(|users| !users.clusters.is_empty() && users.complete());
                let users = read.map(|users| users.of(&role.arn.to_string()).to_vec());
                Row { role, users }
            })
            .collect();
        if let Some(users) = &users {
            self.check(ctx, users)?;
        }
        if self.unused {
            rows.retain(|row| row.users.as_ref().is_some_and(Vec::is_empty));
        }
        let several = users.as_ref().is_some_and(|users| users.clusters.len() > 1);
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&json!({ "roles": json_of(&rows) }))?,
            Format::Yaml => ctx.term.emit_yaml(&json!({ "roles": json_of(&rows) }))?,
            Format::Name => {
                for row in &rows {
                    ctx.term.emit_line(&row.role.name)?;
                }
            }
            Format::Table | Format::Wide if rows.is_empty() => {}
            Format::Table | Format::Wide => ctx.term.emit_table(&table(&rows, several))?,
        }
        if rows.is_empty() {
            let total = shared::count(total, "role");
            ctx.term.note(match users.filter(|_| self.unused) {
                Some(users) => {
                    format!("no role that trusts Pod Identity is without users in {} ({total} read)", users.place())
                }
                None => format!("no role of this account trusts Pod Identity ({total} read)"),
            });
        }
        Ok(Code::Ok)
    }

    /// A read that did not finish is never taken for "unused".
    fn check(&self, ctx: &Context, users: &Users) -> Result<()> {
        if self.unused && users.clusters.is_empty() {
            return Err(Failure::usage("`--unused` needs to know in which clusters to look")
                .hint("give `--cluster NAME` or `--all-clusters`"));
        }
        if self.unused
            && let Some((cluster, why)) = users.unread.first()
        {
            return Err(Failure::new(
                Code::Denied,
                format!("cannot tell which roles are unused in cluster `{cluster}`"),
            )
            .because(why.clone()));
        }
        if users.clusters.is_empty() {
            ctx.term.note("no cluster is named: who uses the roles was not asked");
        }
        users.warn(ctx);
        Ok(())
    }
}

async fn roles(ctx: &Context) -> Result<Vec<ListedRole>> {
    let line = ctx.term.progress("roles");
    let mut pages = pin!(ctx.iam()?.roles());
    let mut roles: Vec<ListedRole> = Vec::new();
    while let Some(page) = ctx.guard.run("listing roles", async { pages.next().await.transpose() }).await? {
        roles.extend(page);
        // What one answer holds needs no progress.
        if roles.len() >= 1000 {
            line.update(format!("{} read", roles.len()));
        }
    }
    line.clear();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(roles)
}

fn json_of(rows: &[Row]) -> Vec<Value> {
    rows.iter()
        .map(|row| {
            json!({
                "roleName": row.role.name,
                "roleArn": row.role.arn,
                "createdAt": row.role.created_at,
                "admits": trust::admits(&row.role.trust),
                "associations": row.users,
            })
        })
        .collect()
}

fn table(rows: &[Row], several: bool) -> Table {
    let mut table = Table::new(&[
        Column::new("ROLE"),
        Column::new("USED BY").priority(5),
        Column::new("ADMITS").priority(4),
        Column::new("AGE").priority(3),
        Column::new("ARN").wide(),
    ]);
    for row in rows {
        let used = match &row.users {
            None => "?".to_owned(),
            Some(users) => short(users.iter().map(|user| user.shown(several))),
        };
        table.row([
            Cell::new(&row.role.name),
            Cell::new(used),
            Cell::new(short(trust::admits(&row.role.trust).into_iter())),
            Cell::maybe_time(row.role.created_at),
            Cell::new(row.role.arn.to_string()),
        ]);
    }
    table
}

/// The first, and how many more there are.
fn short(mut all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(1);
    let first = all.next().unwrap_or_default();
    if more == 0 { first } else { format!("{first} +{more}") }
}
