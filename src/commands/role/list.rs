//! `podid role list`: the roles that trust Pod Identity, and who uses them.

use std::pin::pin;

use clap::Args;
use futures::StreamExt;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::users::{self, Users};
use crate::{
    commands::{clusters::ClustersArg, shared, unread::NotRead},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::Arn,
        role::ListedRole,
        role_users::{Usage, User},
        text, trust,
    },
    observe::users::Search,
    output::{
        Format, Progress,
        table::{Cell, Column, Table},
    },
};

/// List the roles that trust Pod Identity, with the associations that use them
///
/// Makes one call per 1,000 roles of the account, which returns the trust policies too. Finding out which
/// associations use them takes one List call per 100 associations of the cluster and one Describe call for each; `-o
/// name` without --unused makes none of these. With --unused, podid also reads the other clusters that the trust
/// policies of unused roles name, in their regions, and every region if one names no cluster. A role that may still
/// have users is listed as possibly in use; `-o name` omits it.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    /// Only roles that no association uses
    #[arg(long)]
    unused: bool,
    #[command(flatten)]
    clusters: ClustersArg,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid role list
  podid role list --unused --all-clusters
  podid role list --all-regions
  podid role list -o json";

/// A role, and who uses it where that was asked.
struct Row {
    role: ListedRole,
    users: Option<Vec<User>>,
    /// Why it may have users that nobody could look for.
    doubts: Vec<String>,
}

impl List {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let line = ctx.term.progress("users");
        let read = if self.unused { self.unused(ctx, &line).await } else { self.used(ctx, &line).await };
        line.clear();
        let (rows, users, total) = read?;
        let several = users.as_ref().is_some_and(|users| users.clusters.len() > 1);
        let document = || Document::of(&rows, self.unused, users.as_ref());
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&document())?,
            Format::Yaml => ctx.term.emit_yaml(&document())?,
            Format::Name => {
                for row in &rows {
                    ctx.term.emit_line(&row.role.name)?;
                }
            }
            Format::Table | Format::Wide if rows.is_empty() => {}
            Format::Table | Format::Wide => ctx.term.emit_table(&table(&rows, several))?,
        }
        self.notes(ctx, &rows, users.as_ref(), total);
        users.map_or(Ok(Code::Ok), |users| users.told(ctx))
    }

    /// Every role that trusts Pod Identity, with its users in the clusters that were asked for.
    async fn used(&self, ctx: &Context, line: &Progress) -> Result<(Vec<Row>, Option<Users>, usize)> {
        let users = async {
            if ctx.term.format() == Format::Name {
                return Ok(None);
            }
            let clusters = users::asked(ctx, self.clusters).await?;
            users::users(ctx, clusters, line).await.map(Some)
        };
        let (roles, users) = futures::try_join!(roles(ctx), users)?;
        let total = roles.len();
        let rows = roles.into_iter().filter(|role| trust::trusts_pods(&role.trust)).map(|role| {
            let users = users.as_ref().and_then(|users| users.known(&role.arn));
            Row { role, users, doubts: Vec::new() }
        });
        let rows = rows.collect();
        if users.as_ref().is_some_and(|users| users.clusters.is_empty() && !users.several) {
            ctx.term.note("no cluster specified: associations were not read");
        }
        Ok((rows, users, total))
    }

    /// The roles that nobody uses, as far as that can be told: where their trust policies let them have users elsewhere, these
    /// are looked for too.
    async fn unused(&self, ctx: &Context, line: &Progress) -> Result<(Vec<Row>, Option<Users>, usize)> {
        let (mut roles, clusters) = futures::try_join!(roles(ctx), users::asked(ctx, self.clusters))?;
        let total = roles.len();
        roles.retain(|role| trust::trusts_pods(&role.trust));
        let home = users::home(ctx, roles.first().map(|role| &role.arn)).await;
        let tell = |text: String| line.count(text);
        let mut search = Search::new(ctx.eks()?, &home, &tell);
        let users = users::read(ctx, &mut search, clusters).await?;
        Self::check(&users)?;
        roles.retain(|role| users.of(&role.arn).is_empty());
        let trusts = roles.iter().map(|role| &role.trust);
        ctx.deadline.within("searching for users in other clusters", search.trusted(trusts)).await?;
        let rows = roles.into_iter().filter_map(|role| {
            let Usage { users, doubts, .. } = search.usage(&role.arn, &role.trust, |_| false);
            users.is_empty().then_some(Row { role, users: Some(users), doubts })
        });
        let mut rows: Vec<Row> = rows.collect();
        // Names are for a script that deletes them.
        if ctx.term.format() == Format::Name {
            let all = rows.len();
            rows.retain(|row| row.doubts.is_empty());
            if rows.len() < all {
                let left = shared::count(all - rows.len(), "role");
                ctx.term.note(format!("{left} possibly in use omitted: list them with `podid role list --unused`"));
            }
        }
        Ok((rows, Some(users), total))
    }

    fn notes(&self, ctx: &Context, rows: &[Row], users: Option<&Users>, total: usize) {
        if rows.is_empty() {
            let total = shared::count(total, "role");
            ctx.term.note(match users.filter(|_| self.unused) {
                Some(users) if !users.clusters.is_empty() => {
                    format!("no unused roles that trust Pod Identity in {} ({total} read)", users.place())
                }
                _ => format!("no role of this account trusts Pod Identity ({total} read)"),
            });
        }
        let doubtful: Vec<&Row> = rows.iter().filter(|row| !row.doubts.is_empty()).collect();
        for row in doubtful.iter().take(5) {
            ctx.term.note(format!("role {} is possibly in use: {}", row.role.name, text::first_of(&row.doubts, 4)));
        }
        if doubtful.len() > 5 {
            ctx.term.note(format!("and {} more are possibly in use: see `-o json`", doubtful.len() - 5));
        }
    }

    /// A read that did not finish is never taken for "unused". Of several clusters, it leaves the roles that it concerns in doubt.
    fn check(users: &Users) -> Result<()> {
        if users.several {
            return Ok(());
        }
        if users.clusters.is_empty() {
            return Err(Failure::usage("`--unused` needs a cluster").hint("pass `--cluster NAME` or `--all-clusters`"));
        }
        if let Some((cluster, why)) = users.unread.first() {
            return Err(Failure::new(Code::Denied, format!("cannot determine which roles {cluster} uses"))
                .because(why.to_string()));
        }
        Ok(())
    }
}

async fn roles(ctx: &Context) -> Result<Vec<ListedRole>> {
    let line = ctx.term.progress("roles");
    let mut pages = pin!(ctx.iam()?.roles());
    let mut roles: Vec<ListedRole> = Vec::new();
    while let Some(page) = ctx.deadline.within("listing roles", async { pages.next().await.transpose() }).await? {
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

/// The roles that trust Pod Identity
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// The roles, by name; empty when there are none
    roles: Vec<Shown<'a>>,
    /// With several clusters: what could not be read; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<Vec<NotRead>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ListedRole")]
struct Shown<'a> {
    /// Name of the role
    role_name: &'a str,
    /// ARN of the role
    role_arn: &'a Arn,
    /// When it was created
    created_at: Option<Timestamp>,
    /// Who may assume it by Pod Identity, in words
    may_assume: Vec<String>,
    /// The associations that use the role; null when they were not or could not be read, and none is known
    associations: Option<&'a [User]>,
    /// With --unused: why it may have users that could not be looked for; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    possibly_in_use: Option<&'a [String]>,
}

impl<'a> Document<'a> {
    fn of(rows: &'a [Row], unused: bool, users: Option<&Users>) -> Self {
        let one = |row: &'a Row| Shown {
            role_name: &row.role.name,
            role_arn: &row.role.arn,
            created_at: row.role.created_at,
            may_assume: trust::admits(&row.role.trust),
            associations: row.users.as_deref(),
            possibly_in_use: unused.then_some(&row.doubts),
        };
        Self { roles: rows.iter().map(one).collect(), unread: users.and_then(Users::not_read) }
    }
}

fn table(rows: &[Row], several: bool) -> Table {
    let mut table = Table::new(&[
        Column::new("ROLE"),
        Column::new("USED BY").priority(5),
        Column::new("ALLOWS").priority(4),
        Column::new("AGE").priority(3),
        Column::new("ARN").wide(),
    ]);
    for row in rows {
        let used = match &row.users {
            None => "?".to_owned(),
            Some(_) if !row.doubts.is_empty() => "possibly in use".to_owned(),
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
