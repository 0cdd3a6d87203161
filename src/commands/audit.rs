//! `podid audit`: associations and roles that are left over or too open.

mod fix;
mod last_use;
mod view;

use std::path::PathBuf;

use clap::{Args, value_parser};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::ChangingByFix,
    checks::{
        Finding, Status,
        audit::{self, State, UNREAD},
    },
    commands::{holders::Holders, shared, verify::sarif},
    context::Context,
    failure::{Code, Result},
    manifest,
    model::{
        access::Holder,
        arn::Arn,
        association::AssociationFilter,
        exception::Exception,
        have::{NOT_ALLOWED, UNREAD as UNREADABLE},
        text,
    },
    observe::audit::{InKubernetes, accounts_of, in_kubernetes, trusting},
    output::{Ci, Format},
};

/// Find associations and roles that are left over or too open
///
/// Compares the associations of the cluster with Kubernetes, and checks the trust policies and permissions of their roles and
/// of all roles of the account that trust Pod Identity. Only reads, unless --fix is set. Exits with 3 if there is a problem
/// (--strict: or a warning) that no exception accepts, and with 4 if there is none but a permission is missing to check.
///
/// --fix deletes associations that podid created and whose service account is gone, deletes unused roles that podid
/// created for this cluster, and narrows its own trust statements that allow every cluster. It shows the plan, and
/// leaves out each fix after which the audit would still find the same or a new problem. Everything else stays, with
/// the reason, and is reported as what remains. Always asks for the cluster name.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Audit {
    /// Accept the findings in this YAML file: a list `exceptions` of id, subject, reason and expires
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// Treat warnings as problems
    #[arg(long)]
    strict: bool,
    /// Also find services that a role allows and has not used: asks IAM for a report about each role
    #[arg(long)]
    last_accessed: bool,
    /// With --last-accessed: days without use after which a service is reported
    #[arg(long, value_name = "DAYS", requires = "last_accessed", default_value_t = 90, value_parser = value_parser!(u16).range(1..=400))]
    unused_for: u16,
    /// Exit with 0 even if something could not be read
    #[arg(long)]
    allow_incomplete: bool,
    /// Fix the findings that podid can fix, or only those of these checks, and audit again
    #[arg(long, value_name = "CHECK", num_args = 0.., require_equals = true, value_delimiter = ',', value_parser = fix::check)]
    fix: Option<Vec<&'static str>>,
    /// How fixes are carried out.
    #[command(flatten)]
    changing: ChangingByFix,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid audit
  podid audit --strict --exceptions accepted.yaml
  podid audit --last-accessed --unused-for 180
  podid audit --fix --dry-run
  podid audit --fix=audit.role-unused
  podid audit -o sarif
  podid audit -o markdown";

/// Its reports.
pub const REPORTS: &[Ci] = &[Ci::Markdown, Ci::Sarif];

/// What was found, sorted by what it comes to.
struct Found {
    cluster: Arn,
    /// What no exception accepts.
    findings: Vec<Finding>,
    /// What one accepts, and that.
    accepted: Vec<(Finding, Exception)>,
    /// Exceptions that are over.
    expired: Vec<Exception>,
    /// Exceptions to nothing that was found.
    unmatched: Vec<Exception>,
    /// With `--fix`.
    fix: Option<fix::Fixed>,
}

/// What was read, and what IAM's reports say of it.
struct Read {
    state: State,
    unused: Vec<Finding>,
}

impl Read {
    /// All findings, of what is there or of what would be.
    fn findings(&self, mut found: Vec<Finding>) -> Vec<Finding> {
        found.extend(self.unused.iter().cloned());
        audit::sort(&mut found);
        found
    }
}

impl Audit {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let exceptions = match &self.exceptions {
            Some(path) => manifest::exceptions(path, &known)?,
            None => Vec::new(),
        };
        let read = Box::pin(self.read(ctx)).await?;
        let found = sorted(&read.state, read.findings(read.state.audit()), &exceptions);
        if self.fix.is_some() {
            return Box::pin(self.mend(ctx, read, found, &exceptions)).await;
        }
        self.render(ctx, &found)?;
        self.verdict(ctx, &found)
    }

    fn counts(&self, finding: &Finding) -> bool {
        finding.status == Status::Failed || self.strict && finding.status == Status::Warning
    }

    fn render(&self, ctx: &Context, found: &Found) -> Result<()> {
        match (ctx.term.ci(), ctx.term.format()) {
            (Some(Ci::Sarif), _) => {
                let title = format!("cluster {}", found.cluster.name());
                let findings = found.findings.iter().map(|finding| (finding, None));
                let accepted = found.accepted.iter().map(|(finding, by)| (finding, Some(by.reason.as_str())));
                let all = findings.chain(accepted).map(|(finding, accepted)| sarif::Told {
                    title: title.clone(),
                    uri: title.replace(' ', "/"),
                    finding,
                    accepted,
                });
                ctx.term.emit_json(&sarif::of(all, self.strict))?;
            }
            (Some(_), _) => ctx.term.emit(&view::markdown(found, ctx.term.now()))?,
            (None, Format::Json) => ctx.term.emit_json(&found.document())?,
            (None, Format::Yaml) => ctx.term.emit_yaml(&found.document())?,
            (None, Format::Name) => {
                let mut ids: Vec<&str> =
                    found.findings.iter().filter(|it| self.counts(it)).map(|it| it.check.id).collect();
                ids.dedup();
                for id in ids {
                    ctx.term.emit_line(id)?;
                }
            }
            (None, Format::Table | Format::Wide) => ctx.term.emit(&view::text(found, &ctx.term))?,
        }
        for it in &found.expired {
            ctx.term.warn(format!("{}: the exception for {} ({}) has expired", it.at, it.subject, it.id));
        }
        for it in &found.unmatched {
            ctx.term.warn(format!("{}: no finding matches the exception for {} ({})", it.at, it.subject, it.id));
        }
        Ok(())
    }

    fn verdict(&self, ctx: &Context, found: &Found) -> Result<Code> {
        if found.findings.iter().any(|finding| self.counts(finding)) {
            return Ok(Code::Difference);
        }
        self.complete(ctx, found)
    }

    /// What one cannot see is never called clean.
    fn complete(&self, ctx: &Context, found: &Found) -> Result<Code> {
        let failed = |it: &&Finding| it.status == Status::Skipped || it.message.contains(UNREADABLE);
        let unread: Vec<&Finding> =
            found.findings.iter().filter(|it| it.check.id == UNREAD.id).filter(failed).collect();
        if unread.is_empty() {
            return Ok(Code::Ok);
        }
        let reasons: Vec<String> = unread.iter().map(|it| format!("{}: {}", it.subject, it.message)).collect();
        if self.allow_incomplete {
            shared::warn_incomplete(ctx, &reasons);
            return Ok(Code::Ok);
        }
        let denied = reasons.iter().any(|reason| reason.contains(NOT_ALLOWED));
        let code = if denied { Code::Denied } else { Code::Difference };
        let failure = shared::incomplete("audit", "not everything could be checked", &reasons, code);
        Err(failure.hint("to exit with 0 anyway, pass `--allow-incomplete`"))
    }

    async fn read(&self, ctx: &Context) -> Result<Read> {
        let holders = Holders::read(ctx, &AssociationFilter::default()).await?;
        let (eks, iam) = (ctx.eks()?, ctx.iam()?);
        let roles = ctx.deadline.within(
            "reading the roles that trust Pod Identity",
            trusting(eks, iam, &holders.cluster.arn, &holders.associations),
        );
        let (account, kubernetes) = futures::join!(roles, kubernetes(ctx));
        let InKubernetes { namespaces, accounts, runners, by_rollouts } = kubernetes?;
        let now = ctx.term.now();
        let unused = if self.last_accessed {
            let all: Vec<Holder<'_>> = holders.all(now).collect();
            Box::pin(last_use::findings(ctx, &all, self.unused_for)).await?
        } else {
            Vec::new()
        };
        let state = State {
            cluster: holders.cluster.clone(),
            associations: holders.associations,
            roles: holders.roles,
            namespaces,
            accounts,
            used: accounts_of(&runners),
            by_rollouts: accounts_of(&by_rollouts),
            account: account?,
            now,
        };
        Ok(Read { state, unused })
    }
}

/// What Kubernetes has; unread, with the reason, where it cannot be asked.
///
/// # Errors
/// When podid was interrupted or time is up.
pub async fn kubernetes(ctx: &Context) -> Result<InKubernetes> {
    let read = async {
        let kube = ctx.kube().await?;
        ctx.deadline.within("reading namespaces, service accounts and workloads", in_kubernetes(kube)).await
    };
    match read.await {
        Ok(read) => Ok(read),
        Err(failure) => {
            let failure = shared::without_kubernetes(ctx, failure, true).await?;
            Ok(InKubernetes::unread(&format!("Kubernetes: {failure}")))
        }
    }
}

fn known(id: &str) -> std::result::Result<(), String> {
    let all = audit::CHECKS.iter().map(|check| check.id);
    if all.clone().any(|one| one == id) {
        return Ok(());
    }
    let near = text::nearest(id, all);
    Err(format!("`{id}` is not a check of the audit{}", text::did_you_mean(&near)))
}

fn sorted(state: &State, all: Vec<Finding>, exceptions: &[Exception]) -> Found {
    let today = state.now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let (expired, standing): (Vec<_>, Vec<_>) = exceptions.iter().cloned().partition(|it| it.is_over(today));
    let (mut findings, mut accepted) = (Vec::new(), Vec::new());
    for finding in all {
        // What could not be read may hide anything: nobody can accept that here.
        let own = standing.iter().find(|it| it.is_of(finding.check.id, &finding.subject));
        match own.filter(|_| finding.check.id != UNREAD.id) {
            Some(exception) => accepted.push((finding, exception.clone())),
            None => findings.push(finding),
        }
    }
    let used = |it: &Exception| accepted.iter().any(|(_, by): &(Finding, Exception)| by == it);
    let unmatched = standing.into_iter().filter(|it| !used(it)).collect();
    Found { cluster: state.cluster.arn.clone(), findings, accepted, expired, unmatched, fix: None }
}

/// What was found
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// ARN of the cluster
    cluster: &'a Arn,
    /// What no exception accepts
    findings: &'a [Finding],
    /// Findings that an exception accepts
    accepted: Vec<Accepted<'a>>,
    /// Exceptions that have expired
    expired_exceptions: &'a [Exception],
    /// Exceptions that match no finding
    unmatched_exceptions: &'a [Exception],
    /// With --fix: the steps, and what became of the findings
    #[serde(flatten)]
    fix: Option<fix::Document<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Accepted<'a> {
    /// Stable id of the check
    id: &'a str,
    /// On what
    subject: &'a str,
    /// What was found
    message: &'a str,
    /// Why it is accepted
    reason: &'a str,
    /// The last day on which it is, or null
    expires: Option<Date>,
}

impl Found {
    fn document(&self) -> Document<'_> {
        Document {
            cluster: &self.cluster,
            findings: &self.findings,
            accepted: self.accepted.iter().map(accepted).collect(),
            expired_exceptions: &self.expired,
            unmatched_exceptions: &self.unmatched,
            fix: self.fix.as_ref().map(fix::Fixed::document),
        }
    }
}

fn accepted((finding, by): &(Finding, Exception)) -> Accepted<'_> {
    Accepted {
        id: finding.check.id,
        subject: &finding.subject,
        message: &finding.message,
        reason: &by.reason,
        expires: by.expires,
    }
}
