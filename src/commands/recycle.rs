//! `podid recycle`: restarts the workloads that use a service account, and watches them. Also behind `associate --recycle`.

use std::time::{Duration, Instant};

use clap::Args;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::Changing,
    commands::shared::{self, count},
    context::Context,
    execute::{self, Outcome, Report, Status},
    failure::{Code, Failure, Result},
    model::{
        association::Association,
        have::{Seen, ServiceAccountState},
        names::ServiceAccount,
        staleness,
        workload::{CronJob, Workload, WorkloadRef},
    },
    observe,
    output::Format,
    plan::{self, Plan, Step},
    ports::Cluster,
    prove,
    wait::Written,
};

/// Restart the workloads that use a service account, and watch them
///
/// New pods get the association's credentials settings; running ones never do. Deployments, StatefulSets and DaemonSets
/// are restarted as `kubectl rollout restart` does it, side by side. A restart that is under way is watched, not repeated.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Recycle {
    /// The service account
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subject: ServiceAccount,
    /// Restart although nodes without a ready agent would take the new pods
    #[arg(long)]
    allow_missing_agent: bool,
    /// Do not watch the rollouts
    #[arg(long)]
    no_wait: bool,
    /// Leave the application's log lines out of errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid recycle carts/carts
  podid recycle carts/carts --dry-run
  podid recycle carts/carts --timeout 15m -o json";

/// A rollout that was watched.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// Which.
    pub workload: WorkloadRef,
    /// How it ended.
    pub result: Result<()>,
}

impl Recycle {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let view = match self.observe(ctx).await {
            Ok(view) => view,
            Err(failure) => return Err(ctx.explain_kube(failure, false).await),
        };
        let (Seen::Read(pods), Seen::Read(workloads)) = (&view.subject.pods, &view.subject.workloads) else {
            return Err(Failure::new(
                Code::Denied,
                format!("the workloads and pods of {} could not be read", self.subject),
            )
            .because("not allowed: list pods, deployments, statefulsets and daemonsets"));
        };
        let ask = plan::Recycle {
            subject: &self.subject,
            workloads,
            only: &[],
            pods,
            association: view.association.as_ref(),
            agent: &view.agent,
            stale_only: false,
            allow_missing_agent: self.allow_missing_agent,
        };
        let plan = plan::recycle(&ask).map_err(shared::refused)?;
        for warning in plan.warnings.iter().chain(&plan::cron_jobs(&view.cron_jobs, &self.subject)) {
            ctx.term.warn(warning);
        }
        if plan.steps.is_empty() && plan.watch.is_empty() {
            let used = !workloads.is_empty() || !pods.is_empty();
            self.nothing(ctx, &view.subject.service_account, used);
        } else {
            for id in &plan.watch {
                ctx.term.status(format!("{id} is being restarted already: watching it"));
            }
            if !plan.steps.is_empty() {
                shared::show_plan(ctx, &plan, &self.changing).await?;
            }
        }
        if self.changing.dry_run {
            render(ctx, &Outcome::planned(&plan.steps), &[])?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        // Not asked about: whoever names one service account means its restart, wherever the cluster comes from.
        let (reports, rollouts) = if self.no_wait {
            (restart_all(ctx, &plan.steps).await?.into_iter().map(|(report, _)| report).collect(), Vec::new())
        } else {
            roll(ctx, &self.subject, workloads, plan, last_write(None, view.association.as_ref()), !self.no_logs)
                .await?
        };
        let outcome = Outcome { reports, ..Outcome::default() };
        render(ctx, &outcome, &rollouts)?;
        match verdict(&rollouts, &outcome) {
            Ok(()) => Ok(Code::Ok),
            Err(failure) => Err(execute::after_write(failure, outcome.wrote())),
        }
    }

    async fn observe(&self, ctx: &Context) -> Result<View> {
        let cluster = ctx.cluster().await?;
        let (eks, kube) = (ctx.eks()?, ctx.kube().await?);
        let (subject, agent, association, cron_jobs) = futures::try_join!(
            ctx.guard.run("reading the workloads and pods", observe::subject(kube, &self.subject)),
            ctx.guard.run("reading the agent", observe::agent(eks, kube, cluster)),
            ctx.guard.run("reading the association", observe::association(eks, &cluster.name, &self.subject)),
            ctx.guard.run("reading the cron jobs", kube.cron_jobs(&self.subject.namespace)),
        )?;
        Ok(View { subject, agent, association, cron_jobs })
    }

    fn nothing(&self, ctx: &Context, state: &Seen<ServiceAccountState>, used: bool) {
        let subject = &self.subject;
        let (why, near) = match state {
            // The warnings name what uses it.
            _ if used => (format!("nothing of what uses {subject} can be restarted"), None),
            Seen::Read(ServiceAccountState::NoNamespace { near }) => {
                let near = near.first().map(|n| format!("{n}/{}", subject.name));
                (format!("namespace {} does not exist", subject.namespace), near)
            }
            Seen::Read(ServiceAccountState::Missing { near }) => {
                let near = near.first().map(|n| format!("{}/{n}", subject.namespace));
                (format!("service account {subject} does not exist"), near)
            }
            _ => (format!("no workload uses {subject}"), None),
        };
        ctx.term.status(if used { why } else { format!("nothing to restart: {why}") });
        if let Some(near) = near {
            ctx.term.hint(format!("did you mean `podid recycle {near}`?"));
        }
    }
}

fn render(ctx: &Context, outcome: &Outcome, rollouts: &[Rollout]) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("rollouts".to_owned(), rollouts_json(rollouts));
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => {
            for report in &outcome.reports {
                ctx.term.emit_line(report.step.resource())?;
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}

struct View {
    subject: observe::SubjectView,
    agent: Seen<crate::model::agent::AgentState>,
    association: Option<Association>,
    cron_jobs: Vec<CronJob>,
}

/// When IAM or the association was last written: by this run, or, by EKS's own word, by one before it, which may have been
/// killed right after.
fn last_write(own: Option<Instant>, association: Option<&Association>) -> Option<Instant> {
    let ago = association.and_then(|association| staleness::since_change(association, Timestamp::now()));
    own.max(ago.and_then(|ago| Instant::now().checked_sub(Duration::from_secs(ago))))
}

/// Restarts what is due after `association` came to be as it is, and watches that and what was unfinished, side by side.
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
    logs: bool,
) -> Result<(Vec<Report>, Vec<Rollout>)> {
    if !due.steps.is_empty() {
        let kube = ctx.kube().await?;
        let found = ctx.guard.run("reading the cron jobs", kube.cron_jobs(&subject.namespace)).await?;
        for warning in plan::cron_jobs(&found, subject) {
            ctx.term.warn(warning);
        }
    }
    roll(ctx, subject, workloads, due, last_write(own_write, association), logs).await
}

async fn roll(
    ctx: &Context,
    subject: &ServiceAccount,
    workloads: &[Workload],
    due: Plan,
    last_write: Option<Instant>,
    logs: bool,
) -> Result<(Vec<Report>, Vec<Rollout>)> {
    let kube = ctx.kube().await?;
    let restarted = restart_all(ctx, &due.steps).await?;
    let mut reports = Vec::new();
    let mut watched: Vec<Workload> = Vec::new();
    for (report, workload) in restarted {
        reports.push(report);
        watched.extend(workload);
    }
    watched.extend(workloads.iter().filter(|w| due.watch.contains(&w.id)).cloned());
    let how = prove::rollout::Watch { subject, last_write, logs };
    let rollouts = join_all(watched.iter().map(|workload| async move {
        let line = ctx.term.progress(workload.id.to_string());
        let result = prove::rollout::watch(kube, &ctx.guard, &line, workload, how).await;
        if let Err(failure) = &result {
            let own = format!("{} ", workload.id);
            line.fail(failure.message.strip_prefix(&own).unwrap_or(&failure.message));
        }
        Rollout { workload: workload.id.clone(), result }
    }))
    .await;
    Ok((reports, rollouts))
}

async fn restart_all(ctx: &Context, steps: &[Step]) -> Result<Vec<(Report, Option<Workload>)>> {
    let kube = ctx.kube().await?;
    let at = Timestamp::now();
    let restarts = steps.iter().map(|step| async move {
        let Step::Restart { workload: id, .. } = step else {
            return (Report { step: step.clone(), status: Status::Skipped, failure: None }, None);
        };
        let what = step.describe();
        let (status, failure, workload) = match ready(ctx, kube, id, &what).await {
            Ok(present) => match ctx.guard.write(&what, kube.restart(&present, at)).await {
                Written::Answered(Ok(workload)) => (Status::Done, None, Some(workload)),
                Written::Answered(Err(failure)) => (Status::Failed, Some(failure), None),
                Written::Unknown(failure) => (Status::Unknown, Some(failure), None),
            },
            Err(failure) if matches!(failure.code, Code::TimedOut | Code::Interrupted | Code::Terminated) => {
                (Status::NotStarted, Some(failure), None)
            }
            Err(failure) => (Status::Failed, Some(failure), None),
        };
        let report = Report { step: step.clone(), status, failure };
        shared::tell(ctx, &report);
        (report, workload)
    });
    Ok(join_all(restarts).await)
}

/// The workload as it is right before its restart; fails, too, when there is no time left to begin.
async fn ready(ctx: &Context, kube: &dyn Cluster, id: &WorkloadRef, what: &str) -> Result<Workload> {
    let present = ctx.guard.run(&format!("reading {id}"), kube.workload(id)).await?;
    let present = present
        .ok_or_else(|| Failure::failed(format!("cannot restart `{id}` in `{}`", id.namespace)).because("it is gone"))?;
    ctx.guard.may_begin(what)?;
    Ok(present)
}

/// What the restarts and rollouts came to, as one.
///
/// # Errors
/// The first failure, counting the others.
pub fn verdict(rollouts: &[Rollout], outcome: &Outcome) -> Result<()> {
    if let Some(failure) = outcome.failure() {
        return Err(failure.clone());
    }
    let failed: Vec<&Failure> = rollouts.iter().filter_map(|r| r.result.as_ref().err()).collect();
    match failed[..] {
        [] => Ok(()),
        [one] => Err(one.clone()),
        [first, ..] => Err(first.clone().context(format!("{} did not end well", count(failed.len(), "rollout")))),
    }
}

/// `[{"workload","status","error"}]`.
pub fn rollouts_json(rollouts: &[Rollout]) -> Value {
    rollouts
        .iter()
        .map(|r| {
            json!({
                "workload": r.workload.to_string(),
                "namespace": r.workload.namespace,
                "status": if r.result.is_ok() { "rolled-out" } else { "failed" },
                "error": r.result.as_ref().err().map(ToString::to_string),
            })
        })
        .collect()
}
