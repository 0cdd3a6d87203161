//! `podid migrate plan`: which service accounts use IRSA, how ready each is for Pod Identity, and the commands that move it.

use std::collections::BTreeSet;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    select::{self, Accounts, Of, Selection},
    ticket, view,
};
use crate::{
    checks::{
        Status,
        migration::{self, Assessment, Readiness, Stepped},
    },
    commands::shared,
    context::Context,
    failure::{Code, Result},
    model::{arn::Arn, have::NOT_ALLOWED, irsa::ROLE_ARN, migration::Migration},
    output::{Ci, Format},
};

/// Report how ready service accounts that use IRSA are for Pod Identity, and print the commands that move them
///
/// Finds the service accounts with the annotation eks.amazonaws.com/role-arn, and checks the role, its trust policy and
/// permissions, the association, the nodes, the pods and who owns the annotation. Only reads. A service account is
/// ready, ready with changes, not ready, or unknown if something that decides could not be read. The commands keep
/// the annotation and the trust policy's statement for IRSA, so that it is possible to go back. Exits with 3 if a
/// service account is not ready or unknown, and with 4 if all are ready, but a permission is missing to check one of
/// them.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Plan {
    #[command(flatten)]
    selection: Selection,
    /// Also look for AWS variables in Secrets: podid reads the names of their keys, never a value
    #[arg(long)]
    read_secrets: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid migrate plan --all
  podid migrate plan carts/carts
  podid migrate plan -n carts -o markdown
  podid migrate plan 'team-*/*' -o json";

/// Its reports.
pub const REPORTS: &[Ci] = &[Ci::Markdown];

/// What was found.
pub(super) struct Found {
    /// The cluster.
    pub(super) cluster: Arn,
    /// Its issuer.
    pub(super) issuer: Option<String>,
    /// Each service account.
    pub(super) all: Vec<Assessment>,
    /// The commands of each step, in a safe order.
    pub(super) steps: Vec<Stepped>,
    /// The commands that carry it out.
    pub(super) next: Next,
}

/// The commands that go on from a plan, and back.
pub(super) struct Next {
    /// For those that are ready.
    pub(super) run: Option<String>,
    /// For those whose changes have to be made or accepted before.
    pub(super) accepting: Option<String>,
    /// Back to IRSA.
    pub(super) back: String,
}

impl Next {
    fn of(accounts: &Accounts) -> Self {
        let cluster = &accounts.cluster().name;
        let going = || accounts.all.iter().filter(|it| !it.commands.is_empty());
        let (ready, changed): (Vec<_>, Vec<_>) = going().partition(|it| it.to_accept().is_empty());
        let words = |some: &[&Assessment]| {
            select::words(&some.iter().map(|it| &it.subject).collect::<Vec<_>>(), &accounts.patterns)
        };
        let install =
            |some: &[&Assessment]| if some.iter().any(|it| it.lacks_agent()) { " --install-agent" } else { "" };
        let run = |some: &[&Assessment], accept: &str| {
            let any = !some.is_empty();
            any.then(|| format!("podid migrate run {}{}{accept} --cluster {cluster}", words(some), install(some)))
        };
        let accept: BTreeSet<&str> = changed.iter().flat_map(|it| it.to_accept()).collect();
        let accept = accept.into_iter().fold(String::new(), |text, id| format!("{text} --accept {id}"));
        let first = going().next().map(|it| it.subject.to_string()).unwrap_or_default();
        Self {
            run: run(&ready, ""),
            accepting: run(&changed, &accept),
            back: format!("podid migrate rollback {first} --cluster {cluster}"),
        }
    }
}

impl Found {
    fn of(accounts: Accounts) -> Self {
        let next = Next::of(&accounts);
        let Accounts { migration: Migration { cluster, .. }, all, .. } = accounts;
        let steps = migration::steps(&all, &cluster.name);
        Self { cluster: cluster.arn, issuer: cluster.oidc_issuer, all, steps, next }
    }

    /// How many are so ready.
    pub(super) fn count(&self, readiness: Readiness) -> usize {
        self.all.iter().filter(|it| it.readiness == readiness).count()
    }

    fn document(&self) -> Document<'_> {
        Document {
            cluster: &self.cluster,
            oidc_issuer: self.issuer.as_deref(),
            service_accounts: &self.all,
            steps: &self.steps,
            next: [&self.next.run, &self.next.accepting].into_iter().flatten().collect(),
        }
    }
}

/// The plan of a migration
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// ARN of the cluster
    cluster: &'a Arn,
    /// Its OIDC issuer, or null
    oidc_issuer: Option<&'a str>,
    /// One for each service account that uses IRSA
    service_accounts: &'a [Assessment],
    /// All commands in a safe order
    steps: &'a [Stepped],
    /// The commands of `podid migrate run` for all of them: for those that are ready, and for those with changes
    next: Vec<&'a String>,
}

impl Plan {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let accounts = self.selection.read(ctx, Of::Plan(self.read_secrets)).await?;
        select::warn_of_bare(ctx, &accounts);
        let found = Found::of(accounts);
        match (ctx.term.ci(), ctx.term.format()) {
            (Some(_), _) => ctx.term.emit(&ticket::markdown(&found, ctx.term.now()))?,
            (None, Format::Json) => ctx.term.emit_json(&found.document())?,
            (None, Format::Yaml) => ctx.term.emit_yaml(&found.document())?,
            (None, Format::Name) => {
                for it in &found.all {
                    ctx.term.emit_line(&it.subject)?;
                }
            }
            (None, Format::Table | Format::Wide) if found.all.is_empty() => {}
            (None, Format::Table | Format::Wide) => ctx.term.emit(&view::text(&found, &ctx.term))?,
        }
        if found.all.is_empty() {
            ctx.term.note(format!("no service account has the annotation {ROLE_ARN}: nothing to migrate"));
        }
        verdict(&found)
    }
}

/// What one cannot see is never called ready.
fn verdict(found: &Found) -> Result<Code> {
    if found.count(Readiness::NotReady) > 0 {
        return Ok(Code::Difference);
    }
    let unknown: Vec<&Assessment> = found.all.iter().filter(|it| it.readiness == Readiness::Unknown).collect();
    if unknown.is_empty() {
        return Ok(Code::Ok);
    }
    let of = |it: &&Assessment| {
        let unread = it.findings.iter().filter(|it| matches!(it.status, Status::Skipped | Status::Unknown));
        let why: Vec<String> = unread.map(|it| format!("{}: {}", it.subject, it.message)).collect();
        format!("{}: {}", it.subject, why.join(", "))
    };
    let reasons: Vec<String> = unknown.iter().map(of).collect();
    let denied = reasons.iter().any(|reason| reason.contains(NOT_ALLOWED));
    let code = if denied { Code::Denied } else { Code::Difference };
    let what = "could not check whether every service account is ready";
    let failure = shared::incomplete("migrate plan", what, &reasons, code);
    Err(if denied { failure } else { failure.hint("run `podid migrate plan` again for these service accounts") })
}
