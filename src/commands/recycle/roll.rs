//! Carries restarts out and watches them, as many at once as is wanted; takes those that fail back when that is wanted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    commands::shared::{self, count},
    context::Context,
    execute::{Outcome, Report, Status},
    failure::{Code, Failure, Result},
    model::{
        association::Association,
        names::ServiceAccount,
        rollout::Change,
        staleness,
        workload::{Workload, WorkloadKind, WorkloadRef},
    },
    observe,
    plan::{self, Plan, Step},
    ports::Kubernetes,
    prove::{
        self, State,
        rollout::{Watch, Watched},
    },
    wait::{DOCUMENTED_DELAY, WriteOutcome},
};

/// What is said of a rollout that is done.
const ROLLED_OUT: &str = "rolled out";

/// A rollout that was watched.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// Which.
    pub workload: WorkloadRef,
    /// How it ended.
    pub result: Result<()>,
    /// It failed, and an earlier revision runs again.
    pub rolled_back: bool,
    /// What somebody else did to it meanwhile.
    pub change: Option<Change>,
    /// How far it was when it did not end well.
    pub last: Option<State>,
}

/// What is to be done for one service account.
pub(super) struct RestartBatch<'a> {
    pub(super) subject: &'a ServiceAccount,
    /// When IAM or the association was last written.
    pub(super) last_write: Option<Instant>,
    /// Restarts.
    pub(super) steps: Vec<Step>,
    /// Restarts that are under way already.
    pub(super) watch: Vec<&'a Workload>,
    /// Whether the new pods are to be injected; `None` when that does not matter.
    pub(super) injected: Option<bool>,
}

impl<'a> RestartBatch<'a> {
    pub(super) fn new(
        subject: &'a ServiceAccount,
        workloads: &'a [Workload],
        association: Option<&Association>,
        own_write: Option<Instant>,
        due: Plan,
    ) -> Self {
        let watch = workloads.iter().filter(|w| due.watch.contains(&w.id)).collect();
        let injected = association.map(|_| true);
        Self { subject, last_write: last_write(own_write, association), steps: due.steps, watch, injected }
    }
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
pub(super) struct RolloutOptions {
    /// Rollouts at once. After one that failed, no further one is begun.
    pub(super) parallel: usize,
    /// Watch them.
    pub(super) watch: bool,
    /// Show the application's log lines.
    pub(super) logs: bool,
    /// Take one that fails back.
    pub(super) roll_back: bool,
    /// Name workloads with their namespace.
    pub(super) spread: bool,
}

/// How another command's restarts are carried out.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Rollouts at once.
    pub parallel: usize,
    /// Show the application's log lines.
    pub logs: bool,
    /// Name workloads with their namespace.
    pub spread: bool,
}

impl Pace {
    /// As many at once as there are reads.
    pub fn usual(logs: bool) -> Self {
        Self { parallel: observe::CONCURRENCY, logs, spread: false }
    }

    pub(super) fn way(self) -> RolloutOptions {
        let Self { parallel, logs, spread } = self;
        RolloutOptions { parallel, watch: true, logs, roll_back: false, spread }
    }
}

/// When IAM or the association was last written: by this run, or, by EKS's own word, by one before it, which may have been
/// killed right after.
fn last_write(own: Option<Instant>, association: Option<&Association>) -> Option<Instant> {
    let ago = association.and_then(|association| staleness::since_change(association, Timestamp::now()));
    own.max(ago.and_then(|ago| Instant::now().checked_sub(Duration::from_secs(ago))))
}

/// Restarts what is due after `association` came to be as it is, or was deleted (`None`), and watches that and what was
/// unfinished, side by side.
///
/// # Errors
/// Only what keeps it from starting; how each ended is in the reports and rollouts.
pub async fn carry_out(
    ctx: &Context,
    subject: &ServiceAccount,
    workloads: &[Workload],
    due: Plan,
    own_write: Option<Instant>,
    association: Option<&Association>,
    pace: Pace,
) -> Result<(Vec<Report>, Vec<Rollout>)> {
    if !due.steps.is_empty() {
        let kube = ctx.kube().await?;
        let read = observe::cron_jobs(kube, Some(&subject.namespace));
        for warning in plan::cron_jobs(&ctx.deadline.within("reading the cron jobs", read).await?, [subject]) {
            ctx.term.warn(warning);
        }
    }
    let part = RestartBatch::new(subject, workloads, association, own_write, due);
    roll(ctx, &[RestartBatch { injected: Some(association.is_some()), ..part }], pace.way()).await
}

enum Turn<'a> {
    Restart(&'a Step),
    Watch(&'a Workload),
}

#[derive(Default)]
struct Ended {
    reports: Vec<Report>,
    rollout: Option<Rollout>,
}

/// Carries out all parts.
///
/// # Errors
/// As [`carry_out`].
pub(super) async fn roll(
    ctx: &Context,
    parts: &[RestartBatch<'_>],
    way: RolloutOptions,
) -> Result<(Vec<Report>, Vec<Rollout>)> {
    let kube = ctx.kube().await?;
    ask(ctx, kube, parts).await?;
    let turns = parts.iter().flat_map(|part| {
        let watched = part.watch.iter().map(|workload| Turn::Watch(workload));
        part.steps.iter().map(Turn::Restart).chain(watched).map(move |turn| (part, turn))
    });
    let rolling = Rolling { ctx, kube, way, at: Timestamp::now(), failed: AtomicBool::new(false) };
    let rolling = &rolling;
    let mut ended: Vec<(usize, Ended)> = stream::iter(turns.enumerate())
        .map(|(i, (part, turn))| async move { (i, rolling.run_batch(part, turn).await) })
        .buffer_unordered(way.parallel)
        .collect()
        .await;
    ended.sort_by_key(|(i, _)| *i);
    let (mut reports, mut rollouts) = (Vec::new(), Vec::new());
    for (_, one) in ended {
        reports.extend(one.reports);
        rollouts.extend(one.rollout);
    }
    let left: Vec<String> = reports
        .iter()
        .filter(|r| r.status == Status::NotStarted && r.failure.is_none())
        .map(|r| rolling.name(&r.step))
        .collect();
    if !left.is_empty() {
        ctx.term.warn(format!("not restarted, because an earlier restart failed: {}", left.join(", ")));
    }
    Ok((reports, rollouts))
}

/// One dry-run pod for each service account whose pods are replaced, before the first is: pods with credentials are not to be
/// replaced by pods without.
async fn ask(ctx: &Context, kube: &dyn Kubernetes, parts: &[RestartBatch<'_>]) -> Result<()> {
    let asked = parts.iter().filter(|part| !part.steps.is_empty()).filter_map(|part| Some((part, part.injected?)));
    let asked = stream::iter(asked).map(|(part, wanted)| async move {
        let settled = part.last_write.is_none_or(|at| at.elapsed() >= DOCUMENTED_DELAY);
        (part.subject, prove::injected::ask(kube, &ctx.deadline, part.subject, wanted, settled).await)
    });
    let answers: Vec<_> = asked.buffered(observe::CONCURRENCY).collect().await;
    for (subject, answer) in answers {
        if let Some(why) = answer? {
            ctx.term
                .warn(format!("could not check before the restart whether new pods of {subject} are injected: {why}"));
        }
    }
    Ok(())
}

struct Rolling<'a> {
    ctx: &'a Context,
    kube: &'a dyn Kubernetes,
    way: RolloutOptions,
    at: Timestamp,
    failed: AtomicBool,
}

impl Rolling<'_> {
    async fn run_batch(&self, part: &RestartBatch<'_>, turn: Turn<'_>) -> Ended {
        let mut ended = Ended::default();
        let mut before = None;
        let workload = match turn {
            Turn::Watch(workload) => Some(workload.clone()),
            Turn::Restart(step) if self.failed.load(Ordering::Relaxed) => {
                ended.reports.push(Report { step: step.clone(), status: Status::NotStarted, failure: None });
                None
            }
            Turn::Restart(step) => {
                let (report, read, workload) = self.restart(step).await;
                before = read;
                self.failed.fetch_or(report.failure.is_some(), Ordering::Relaxed);
                ended.reports.push(report);
                workload
            }
        };
        let Some(workload) = workload.filter(|_| self.way.watch) else { return ended };
        let Watched { mut result, change, last } = self.watch(part, &workload, ROLLED_OUT).await;
        let mut rolled_back = false;
        if let Err(failure) = &mut result {
            self.failed.store(true, Ordering::Relaxed);
            let theirs = change.as_ref().is_some_and(Change::ends);
            if self.way.roll_back && !theirs {
                rolled_back = self.back(part, (before.as_ref(), &workload), failure, &mut ended.reports).await;
            }
        }
        ended.rollout = Some(Rollout { workload: workload.id, result, rolled_back, change, last });
        ended
    }

    fn called(&self, id: &WorkloadRef) -> String {
        if self.way.spread { id.full() } else { id.to_string() }
    }

    fn name(&self, step: &Step) -> String {
        match step {
            Step::Restart { workload, .. } | Step::RollBack { workload, .. } => self.called(workload),
            other => other.resource(),
        }
    }

    async fn watch(&self, part: &RestartBatch<'_>, workload: &Workload, done: &str) -> Watched {
        let name = self.called(&workload.id);
        let line = self.ctx.term.progress(&name);
        let how = Watch {
            subject: part.subject,
            last_write: part.last_write,
            logs: self.way.logs,
            name: &name,
            done,
            injected: part.injected.filter(|_| done == ROLLED_OUT),
        };
        let watched = prove::rollout::watch(self.kube, &self.ctx.deadline, &line, workload, how).await;
        if let Err(failure) = &watched.result {
            let own = format!("{name} ");
            line.fail(failure.message.strip_prefix(&own).unwrap_or(&failure.message));
        }
        watched
    }

    /// The workload right before and right after it.
    async fn restart(&self, step: &Step) -> (Report, Option<Workload>, Option<Workload>) {
        let Step::Restart { workload: id, .. } = step else {
            return (Report { step: step.clone(), status: Status::Skipped, failure: None }, None, None);
        };
        let mut before = None;
        let what = step.describe();
        let (status, failure, workload) = match self.ready(id, &what).await {
            Ok(present) => {
                let written = self.ctx.deadline.write(&what, self.kube.restart(&present, self.at)).await;
                before = Some(present);
                match written {
                    WriteOutcome::Completed(Ok(workload)) => (Status::Done, None, Some(workload)),
                    WriteOutcome::Completed(Err(failure)) => (Status::Failed, Some(failure), None),
                    WriteOutcome::Indeterminate(failure) => (Status::Unknown, Some(failure), None),
                }
            }
            Err(failure) if failure.code == Code::TimedOut || failure.code.signalled() => {
                (Status::NotStarted, Some(failure), None)
            }
            Err(failure) => (Status::Failed, Some(failure), None),
        };
        let report = Report { step: step.clone(), status, failure };
        shared::report_step(self.ctx, &report);
        (report, before, workload)
    }

    /// The workload as it is right before its restart; fails, too, when there is no time left to begin.
    async fn ready(&self, id: &WorkloadRef, what: &str) -> Result<Workload> {
        let deadline = &self.ctx.deadline;
        let present = deadline.within(&format!("reading {}", self.called(id)), self.kube.workload(id)).await?;
        let present = present.ok_or_else(|| {
            Failure::failed(format!("cannot restart `{id}` in `{}`", id.namespace)).because("it was deleted")
        })?;
        deadline.may_begin(what)?;
        Ok(present)
    }

    /// Rolls back a restart that cannot succeed, and watches that too. It has failed all the same, and now says what became
    /// of it; true when an earlier revision runs again.
    async fn back(
        &self,
        part: &RestartBatch<'_>,
        (before, workload): (Option<&Workload>, &Workload),
        failed: &mut Failure,
        reports: &mut Vec<Report>,
    ) -> bool {
        // Only what ended by itself: out of time, there is none left to go back either. And the restart of an Argo Rollout
        // leaves none to go back to, as was said before.
        if failed.code != Code::Failed || workload.id.kind == WorkloadKind::Rollout {
            return false;
        }
        let Some(before) = before else {
            failed.causes.push("not rolled back: this run did not start the rollout".to_owned());
            return false;
        };
        let step = |revision| Step::RollBack { workload: workload.id.clone(), revision, spread: self.way.spread };
        let what = step(None).describe();
        if let Err(late) = self.ctx.deadline.may_begin(&what) {
            failed.causes.push(format!("not rolled back: {late}"));
            return false;
        }
        let (status, failure, back) = match self.ctx.deadline.write(&what, self.kube.roll_back(before, workload)).await
        {
            WriteOutcome::Completed(Ok(back)) => (Status::Done, None, Some(back)),
            WriteOutcome::Completed(Err(failure)) => (Status::Failed, Some(failure), None),
            WriteOutcome::Indeterminate(failure) => (Status::Unknown, Some(failure), None),
        };
        let unable = failure.as_ref().map(ToString::to_string);
        let report = Report { step: step(back.as_ref().map(|(_, revision)| *revision)), status, failure };
        shared::report_step(self.ctx, &report);
        reports.push(report);
        let Some((back, _)) = back else {
            failed.causes.push(format!("not rolled back: {}", unable.unwrap_or_default()));
            return false;
        };
        // podid has just done what this advises.
        let undo = prove::rollout::undo(&workload.id);
        failed.hints.retain(|hint| *hint != undo);
        match self.watch(part, &back, "rolled back").await.result {
            Ok(()) => {
                failed.causes.push("it was rolled back: the earlier revision is running again".to_owned());
                true
            }
            Err(again) => {
                failed.causes.push(format!("it was rolled back, but the rollback failed too: {again}"));
                false
            }
        }
    }
}

/// What the restarts and rollouts came to, as one.
///
/// # Errors
/// The first failure, counting the others.
pub fn verdict(rollouts: &[Rollout], outcome: &Outcome) -> Result<()> {
    let failed: Vec<&Failure> = rollouts.iter().filter_map(|r| r.result.as_ref().err()).collect();
    // Why a rollback failed is told with its rollout.
    let restart = |r: &&Report| !matches!(r.step, Step::RollBack { .. });
    if let Some(failure) = outcome.reports.iter().filter(restart).find_map(|r| r.failure.as_ref()) {
        return Err(failure.clone());
    }
    match failed[..] {
        [] => Ok(()),
        [one] => Err(one.clone()),
        [first, ..] => Err(first.clone().context(format!("{} failed", count(failed.len(), "rollout")))),
    }
}

/// `[{"workload","namespace","status","error"}]`, with `change` when somebody else changed it meanwhile, and `lastState` when it did
/// not end well.
pub fn rollouts_json(rollouts: &[Rollout]) -> Value {
    rollouts.iter().map(rollout_json).collect()
}

fn rollout_json(it: &Rollout) -> Value {
    let theirs = it.change.as_ref().is_some_and(Change::ends);
    let mut value = json!({
        "workload": it.workload.to_string(),
        "namespace": it.workload.namespace,
        "status": match it.result {
            Ok(()) => "rolled-out",
            Err(_) if it.rolled_back => "rolled-back",
            Err(_) if theirs => "changed",
            Err(_) => "failed",
        },
        "error": it.result.as_ref().err().map(ToString::to_string),
    });
    if let Some(change) = &it.change {
        value["change"] = json!(change.word());
    }
    if let Some(last) = &it.last {
        value["lastState"] = json!(last);
    }
    value
}
