//! `podid verify`: checks everything between service accounts and their credentials, and reports each problem with its fix.

mod bundle;
mod catalog;
mod checked;
mod ci;
mod logs;
mod many;
mod needs;
mod reading;
pub(super) mod sarif;
mod ticket;
mod view;
mod watch;

use std::{borrow::Cow, sync::Arc};

use clap::Args;
use futures::stream::{self, StreamExt};

pub(crate) use self::checked::Document;
pub use self::reading::of_associations;

use self::{
    checked::{Checked, Read},
    needs::Needs,
    reading::Depth,
};
use crate::{
    args::need_flags,
    checks::{Outcome, Report},
    commands::{
        clusters::ClustersArg,
        select::select,
        shared,
        subject::{self, Named},
        unread::judged,
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        cluster::Cluster,
        glob::{self, Glob, Pattern},
        live::Live,
        snapshot::Snapshot,
        subject::{Subject, SubjectText},
    },
    observe::{
        self, live,
        verify::{Asked, Asking, Listed, Spaces},
    },
    output::{Ci, Format, markdown::time, mask},
};

/// Find what keeps pods from AWS credentials, and how to fix it
///
/// Checks the cluster, agent, nodes, association, service account, workload, pods, credentials that override those of
/// Pod Identity, the credentials that the containers use, network, role, trust policy, permissions and target role.
/// Only reads. A check that the caller has no permission for is skipped, and the permission is reported. Exits with 3
/// if a check failed, and with 4 if none failed but a permission is missing to read the association, the agent, the
/// role, its trust policy or the pods: 0 means that all of these were read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Verify {
    /// Service accounts, by name or pattern (`'team-*/*'`; those that have an association); or pods and workloads
    /// that use them: KIND/NAME with -n, or NAMESPACE/KIND/NAME
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT", required_unless_present_any = ["namespace", "all", "from", "explain", "list_checks"])]
    subjects: Vec<SubjectText>,
    /// All service accounts of this namespace (or pattern) that are in use or have an association. With names: their
    /// namespace
    #[arg(long, short, value_name = "NAMESPACE", value_parser = Glob::namespace, conflicts_with = "all")]
    namespace: Option<Glob>,
    /// All service accounts of the cluster that are in use or have an association
    #[arg(long, conflicts_with = "subjects")]
    all: bool,
    #[command(flatten)]
    clusters: ClustersArg,
    #[command(flatten)]
    needs: Needs,
    /// Also look for static keys in Secrets: podid reads the names of their keys, never a value
    #[arg(long)]
    read_secrets: bool,
    #[command(flatten)]
    logs: logs::LogArgs,
    /// Ask EKS Auth for the credentials of a running pod, as its agent does, and call AWS with them; nothing is written
    #[arg(long)]
    live: bool,
    /// With --live: also query one item of the tables and indexes that --needs names for dynamodb:Query
    #[arg(long, requires = "live")]
    live_query: bool,
    #[command(flatten)]
    bundle: bundle::BundleArgs,
    /// Repeat the checks until all of them pass or --timeout expires: in place on a terminal, one line for each change in a pipe
    #[arg(long, short)]
    watch: bool,
    /// Treat warnings as failures
    #[arg(long)]
    strict: bool,
    /// Exit with 0 even if something required could not be read
    #[arg(long)]
    allow_incomplete: bool,
    /// Explain a check, without checking anything
    #[arg(long, value_name = "ID", conflicts_with_all = ["subjects", "namespace", "all", "list_checks"].into_iter().chain(need_flags()))]
    explain: Option<String>,
    /// List all checks, and the problems that no check can detect
    #[arg(long, conflicts_with_all = ["subjects", "namespace", "all"].into_iter().chain(need_flags()))]
    list_checks: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid verify carts/carts
  podid verify deployment/carts -n carts
  podid verify carts/pod/carts-7d9f8b6c5-x2x4z
  podid verify --all --strict -o junit
  podid verify --all -o markdown
  podid verify --all --all-regions
  podid verify carts/carts --cluster staging --cluster production
  podid verify -n carts -o json
  podid verify carts/carts --dynamodb eks-workshop-carts=read-write
  podid verify carts/carts --s3 carts-images=read --sqs orders=consume
  podid verify carts/carts --needs 'dynamodb:Query@eks-workshop-carts/index/*'
  podid verify --all --save podid.json
  podid verify --from podid.json
  podid verify --explain trust.missing-tag-session
  podid verify --list-checks";

/// Its reports.
pub const REPORTS: &[Ci] = &[Ci::Junit, Ci::Github, Ci::Markdown, Ci::Sarif];

/// Names that are shown of many.
const SHOWN: usize = 5;

impl Verify {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if let Some(id) = &self.explain {
            return catalog::explain(ctx, id);
        }
        if self.list_checks {
            return catalog::list(ctx);
        }
        if let Some(path) = &self.bundle.from {
            let checked = [self.read_bundle(ctx, path).await?.check()];
            bundle::refuse_operators(&checked[0].reports, path)?;
            return self.emit(ctx, &checked, || Document::One(checked[0].document()))?;
        }
        if let Some(path) = &self.bundle.save {
            self.check_saves(ctx, path)?;
        }
        if self.clusters.several(ctx) {
            let (checked, unread) = self.read_many(ctx).await?;
            let documents = || Document::of_many(&checked, &unread);
            let verdict = self.emit(ctx, &checked, documents)?;
            let all = checked.len() + unread.len();
            return judged(unread, all, checked.is_empty(), "checked", verdict);
        }
        if self.watch {
            if ctx.term.ci().is_some() {
                return Err(Failure::usage(
                    "`--watch` prints a table, JSON, YAML or names: a report for CI is printed once",
                ));
            }
            return self.watch(ctx).await;
        }
        let read = self.read(ctx, true).await?;
        let checked = [read.check()];
        let verdict = self.emit(ctx, &checked, || Document::One(checked[0].document()))?;
        if let Some(path) = &self.bundle.save {
            self.save(ctx, path, read, &checked[0]).await?;
        }
        verdict
    }

    /// Prints what was found, and judges it.
    fn emit<'a>(
        &self,
        ctx: &Context,
        checked: &'a [Checked],
        document: impl Fn() -> Document<'a>,
    ) -> Result<Result<Code>> {
        let reports: Cow<'_, [Report]> = match checked {
            [one] => Cow::Borrowed(&one.reports),
            several => several.iter().flat_map(|one| one.reports.iter().cloned()).collect(),
        };
        let without_aws: Vec<String> = checked.iter().flat_map(|one| one.without_aws.iter().cloned()).collect();
        match (ctx.term.ci(), ctx.term.format()) {
            (Some(Ci::Junit), _) => ctx.term.emit_report(&ci::junit(&reports, self.strict))?,
            (Some(Ci::Github), _) => ctx.term.emit_report(&ci::github(&reports, self.strict))?,
            (Some(Ci::Markdown), _) => {
                let clusters = checked.iter().map(|one| one.cluster.arn.to_string()).collect();
                let before = checked.iter().find_map(|one| one.before.clone());
                let head = ticket::Head { clusters, at: ctx.term.now(), before };
                ctx.term.emit(&ticket::markdown(&head, &reports, &without_aws))?;
            }
            (Some(Ci::Sarif), _) => ctx.term.emit_json(&sarif::log(&reports, self.strict))?,
            (None, Format::Json) => ctx.term.emit_json(&document())?,
            (None, Format::Yaml) => ctx.term.emit_yaml(&document())?,
            (None, Format::Name) => {
                for report in &*reports {
                    for finding in report.findings.iter().filter(|finding| ci::counts(finding, self.strict)) {
                        let line = format!("{}{} {}", report.cluster_prefix(), report.subject, finding.check.id);
                        ctx.term.emit_line(line)?;
                    }
                }
            }
            (None, Format::Table | Format::Wide) => {
                let cluster = checked.first().map_or("", |one| &one.cluster.name);
                for Checked { cluster, before, .. } in checked {
                    if let Some((at, podid)) = before {
                        let arn = mask::visible(&cluster.arn.to_string()).replace('\n', " ");
                        ctx.term.emit(&format!("Read from {arn} at {} by podid {podid}\n\n", time(*at)))?;
                    }
                }
                ctx.term.emit(&view::text(&reports, cluster, &ctx.term))?;
            }
        }
        Self::report_the_rest(ctx, &reports, &without_aws);
        let unreached = checked.iter().find_map(|one| one.unreached);
        Ok(self.verdict(ctx, &reports, unreached))
    }

    /// Service accounts that show no use of AWS, in one line.
    fn report_the_rest(ctx: &Context, reports: &[Report], without_aws: &[String]) {
        if without_aws.is_empty() {
            if reports.is_empty() {
                ctx.term.status("no service account is in use or has an association");
            }
            return;
        }
        let most = if ctx.term.verbosity() > 0 { usize::MAX } else { SHOWN };
        ctx.term.status(view::without_aws(without_aws, most));
    }

    /// `first`: the first round of a watch, or the only one, which alone says what cannot be read.
    async fn read_and_check(&self, ctx: &Context, first: bool) -> Result<Checked> {
        Ok(self.read(ctx, first).await?.check())
    }

    async fn read(&self, ctx: &Context, first: bool) -> Result<Read> {
        let cluster = ctx.cluster().await?;
        let depth = Depth { secrets: self.read_secrets, logs: self.logs.wanted(), needs: self.needs.at(&cluster.arn) };
        let (asking, unreached) = reading::asking(ctx, depth, first).await?;
        let (subjects, view) = futures::join!(
            self.subjects(ctx, &asking, unreached, first),
            ctx.deadline.within("reading the cluster", asking.cluster(cluster))
        );
        let ((subjects, spaces), view) = (subjects?, Arc::new(view?));
        let mut snapshots = reading::snapshots(ctx, &asking, &subjects, spaces, &view).await?;
        if self.live {
            self.walk(ctx, cluster, &asking, &mut snapshots).await?;
        }
        Ok(Read { cluster: cluster.clone(), view, snapshots, unreached, before: None })
    }

    /// Walks the way to the credentials for each that has an association.
    async fn walk(
        &self,
        ctx: &Context,
        cluster: &Cluster,
        asking: &Asking<'_>,
        snapshots: &mut [Snapshot],
    ) -> Result<()> {
        let auth = ctx.eks_auth()?;
        let kube = match &asking.kube {
            Ok(kube) => *kube,
            Err(why) => {
                for it in snapshots {
                    it.live = Some(Live::unasked(why));
                }
                return Ok(());
            }
        };
        let walks = stream::iter(snapshots.iter_mut()).for_each_concurrent(observe::CONCURRENCY, |it| async move {
            it.live = Some(live::walk(auth, kube, cluster, it, self.live_query).await);
        });
        let walks = async {
            walks.await;
            Ok(())
        };
        ctx.deadline.within("requesting credentials from EKS Auth", walks).await
    }

    /// What to check. A service account that is named is checked whether it has an association or not.
    /// `unreached`: the code of what kept podid from asking Kubernetes.
    async fn subjects(
        &self,
        ctx: &Context,
        asking: &Asking<'_>,
        unreached: Option<Code>,
        first: bool,
    ) -> Result<(Vec<Asked>, Option<Spaces>)> {
        let within = match &self.namespace {
            Some(namespace) if self.subjects.is_empty() => Some(Pattern::of(namespace.clone())),
            _ => self.all.then(Pattern::all),
        };
        if let Some(within) = within {
            let filter = glob::filter(std::slice::from_ref(&within));
            let read = asking.eks.associations(&ctx.target()?.cluster.value, &filter);
            let listed = ctx.deadline.within("listing associations", read).await?;
            let find = asking.find(&within.namespace, listed);
            let (asked, spaces) = ctx.deadline.within("reading the workloads and pods", find).await?;
            let unread = match &spaces {
                Some(spaces) => spaces.unread().map(str::to_owned),
                None => Some("not allowed to list pods in all namespaces".to_owned()),
            };
            match unread {
                Some(why) if asked.is_empty() => {
                    let code = unreached.unwrap_or(Code::Denied);
                    return Err(Failure::new(code, "cannot find out which service accounts are in use").because(why));
                }
                Some(why) if unreached.is_none() && first => {
                    ctx.term.warn(format!("only service accounts that have an association are checked: {why}"));
                }
                _ => {}
            }
            if let Some(why) =
                spaces.as_ref().and_then(Spaces::cron_jobs_unread).filter(|_| unreached.is_none() && first)
            {
                ctx.term.warn(format!("service accounts that only CronJobs run as are not checked: {why}"));
            }
            return Ok((asked, spaces));
        }
        Ok((self.named_subjects(ctx).await?, None))
    }

    async fn named_subjects(&self, ctx: &Context) -> Result<Vec<Asked>> {
        let named = subject::resolve(ctx, &self.named()?).await?;
        let (objects, accounts): (Vec<Named>, Vec<Named>) = named.into_iter().partition(|it| it.object.is_some());
        let mut asked: Vec<Asked> = Vec::new();
        for it in objects {
            let only = it.object;
            asked.extend(it.accounts.literal().map(|subject| Asked { subject, listed: Listed::Unasked, only }));
        }
        let patterns: Vec<Pattern> = accounts.into_iter().map(|it| it.accounts).collect();
        // A name needs no list: whether there is an association is one of the checks.
        if let Some(literal) = patterns.iter().map(Pattern::literal).collect::<Option<Vec<_>>>() {
            let plain = literal.into_iter().map(|subject| Asked { subject, listed: Listed::Unasked, only: None });
            return Ok(plain.chain(asked).collect());
        }
        let found = select(ctx, &patterns).await?;
        let listed = found.into_iter().map(|it| {
            let listed = it.association.map_or(Listed::Unasked, Listed::Yes);
            Asked { subject: it.subject, listed, only: None }
        });
        asked.splice(..0, listed);
        if asked.is_empty() {
            return Err(Failure::usage("no association to check").hint("list the associations: `podid list`"));
        }
        Ok(asked)
    }

    /// The subjects, with the namespace that `-n` gives.
    fn named(&self) -> Result<Vec<Subject>> {
        let namespace = subject::namespace_of_names(self.namespace.as_ref())?;
        let within = |text: &SubjectText| text.within(namespace).map_err(|e| Failure::usage(e.to_string()));
        self.subjects.iter().map(within).collect()
    }

    fn fails(&self, report: &Report) -> bool {
        report.outcome == Outcome::Failed || self.strict && report.warns()
    }

    fn passes(&self, report: &Report) -> bool {
        !self.fails(report) && (report.outcome != Outcome::Incomplete || self.allow_incomplete)
    }

    /// `unreached`: the code of what kept podid from asking Kubernetes.
    fn verdict(&self, ctx: &Context, reports: &[Report], unreached: Option<Code>) -> Result<Code> {
        let any = |outcome| reports.iter().any(|report| report.outcome == outcome);
        if reports.iter().any(|report| self.fails(report)) {
            return Ok(Code::Difference);
        }
        if !any(Outcome::Incomplete) {
            return Ok(Code::Ok);
        }
        let incomplete = reports.iter().filter(|report| report.outcome == Outcome::Incomplete);
        let reasons: Vec<String> = incomplete.clone().map(|it| format!("{}: {}", it.subject, it.reasons())).collect();
        if self.allow_incomplete {
            shared::warn_incomplete(ctx, &reasons);
            return Ok(Code::Ok);
        }
        let code = match unreached {
            Some(code) => code,
            None if incomplete.clone().any(Report::lacks_permission) => Code::Denied,
            None => Code::Difference,
        };
        let failure = shared::incomplete("verify", "could not check whether the credentials work", &reasons, code);
        Err(failure.hint("to exit with 0 anyway, pass `--allow-incomplete`"))
    }
}
