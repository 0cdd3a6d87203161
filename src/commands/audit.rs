//! `podid audit`: associations and roles that are left over or too open.

pub mod exceptions;
mod fix;
mod last_use;
mod many;
mod view;

use clap::{Args, value_parser};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::exceptions::{Accepted, ExceptionsArg, Sorted, warn_of_expired};
use crate::{
    args::ChangingByFix,
    checks::{
        Finding, Status,
        audit::{self, State, UNREAD},
    },
    commands::{clusters::ClustersArg, holders::Holders, shared, unread::NotRead, verify::sarif},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        access::Holder,
        arn::Arn,
        association::AssociationFilter,
        exception::Exception,
        have::{NOT_ALLOWED, UNREAD as UNREADABLE},
    },
    observe::audit::{InKubernetes, accounts_of, agent_versions, in_kubernetes, trusting},
    output::{Ci, Format},
};

/// Find associations and roles that are left over or too open
///
/// Compares the associations of the cluster with Kubernetes, and checks the trust policies and permissions of their roles and
/// of all roles of the account that trust Pod Identity. Only reads, unless --fix is set. Exits with 3 if there is a problem
/// (--strict: or a warning) that no exception accepts, and with 4 if there is none but a permission is missing to check.
///
/// Of several clusters, each finding names its cluster; roles are checked once, with the associations of all clusters. A
/// cluster that cannot be read is reported, and the exit code is 1.
///
/// --fix deletes associations that podid created and whose service account is gone, deletes unused roles that podid
/// created for this cluster, removes its own trust statements for service accounts that are gone, and narrows those that
/// allow every cluster. It shows the plan, and leaves out each fix after which the audit would still find the same or a
/// new problem. Everything else stays, with the reason, and is reported as what remains. Always asks for the cluster
/// name, and changes one cluster at a time.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Audit {
    #[command(flatten)]
    exceptions: ExceptionsArg,
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
    #[command(flatten)]
    clusters: ClustersArg,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid audit
  podid audit --strict --exceptions accepted.yaml
  podid audit --last-accessed --unused-for 180
  podid audit --fix --dry-run
  podid audit --fix=audit.role-unused
  podid audit --all-regions
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
    /// Where several clusters were asked for.
    several: Option<many::Several>,
}

/// What was read, and what IAM's reports say of it.
struct Read {
    state: State,
    unused: Vec<Finding>,
}

impl Read {
    /// `found`: what the audit finds of what is there, or of what would be.
    fn sorted(&self, mut found: Vec<Finding>, exceptions: &[Exception]) -> Found {
        found.extend(self.unused.iter().cloned());
        audit::sort(&mut found);
        Found::new(self.state.cluster.arn.clone(), found, exceptions, self.state.now)
    }
}

impl Audit {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let several = self.clusters.several(ctx);
        if several && self.fix.is_some() {
            return Err(Failure::usage("`--fix` changes one cluster at a time")
                .because("its plan is confirmed with the name of the cluster")
                .hint("run `podid audit --fix` once for each cluster, with `--cluster`"));
        }
        let exceptions = self.exceptions.read()?;
        if several {
            return Box::pin(self.many(ctx, &exceptions)).await;
        }
        let read = Box::pin(self.read(ctx)).await?;
        let found = read.sorted(read.state.audit(), &exceptions);
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
                let findings = found.findings.iter().map(|finding| (finding, None));
                let accepted = found.accepted.iter().map(|(finding, by)| (finding, Some(by.reason.as_str())));
                let all = findings.chain(accepted).map(|(finding, accepted)| {
                    let title = found.place(finding);
                    sarif::Told { uri: title.replace(' ', "/"), title, finding, accepted }
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
        warn_of_expired(ctx, &found.expired);
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
        let reasons: Vec<String> = unread.iter().map(|it| format!("{}: {}", it.title(), it.message)).collect();
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
        let arn = &holders.cluster.arn;
        let read = [(arn, &holders.associations[..])];
        let roles = ctx.deadline.within("reading the roles that trust Pod Identity", trusting(eks, iam, arn, &read));
        let agent = async {
            let read = agent_versions(eks, holders.cluster);
            ctx.deadline.within("reading the versions of the agent add-on", read).await
        };
        let (account, agent, kubernetes) = futures::join!(roles, agent, kubernetes(ctx));
        let InKubernetes { namespaces, accounts, annotated, runners, by_rollouts } = kubernetes?;
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
            annotated,
            agent: agent?,
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

/// What was found
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// ARN of the cluster; absent with several
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a Arn>,
    /// With several clusters: ARNs of those that were read; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    clusters: Option<Vec<&'a Arn>>,
    /// What no exception accepts
    findings: &'a [Finding],
    /// Findings that an exception accepts
    accepted: Vec<Accepted<'a>>,
    /// Exceptions that have expired
    expired_exceptions: &'a [Exception],
    /// Exceptions that match no finding
    unmatched_exceptions: &'a [Exception],
    /// With several clusters: what could not be read; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<Vec<NotRead>>,
    /// With --fix: the steps, and what became of the findings
    #[serde(flatten)]
    fix: Option<fix::Document<'a>>,
}

impl Found {
    fn new(cluster: Arn, all: Vec<Finding>, exceptions: &[Exception], now: Timestamp) -> Self {
        let Sorted { findings, accepted, expired, unmatched } = Sorted::of(all, exceptions, now);
        Self { cluster, findings, accepted, expired, unmatched, fix: None, several: None }
    }

    /// What a finding is about, for a report that has a place for it.
    fn place(&self, finding: &Finding) -> String {
        match (&finding.cluster, &self.several) {
            (Some(cluster), _) => format!("cluster {}", cluster.label),
            (None, Some(_)) => format!("account {}", self.cluster.account),
            (None, None) => format!("cluster {}", self.cluster.name()),
        }
    }

    fn document(&self) -> Document<'_> {
        Document {
            cluster: self.several.is_none().then_some(&self.cluster),
            clusters: self.several.as_ref().map(many::Several::arns),
            findings: &self.findings,
            accepted: Accepted::all(&self.accepted),
            expired_exceptions: &self.expired,
            unmatched_exceptions: &self.unmatched,
            unread: self.several.as_ref().map(many::Several::not_read),
            fix: self.fix.as_ref().map(fix::Fixed::document),
        }
    }
}
