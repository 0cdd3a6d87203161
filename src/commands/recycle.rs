//! `podid recycle`: restarts the workloads that use service accounts, and watches them. Also behind `associate --recycle`.

mod roll;
mod view;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use clap::Args;
use futures::future::try_join_all;
use serde_json::{Value, json};

pub use self::roll::{Pace, Rollout, carry_out, rollouts_json, verdict};
use self::{
    roll::{RestartBatch, RolloutOptions, roll},
    view::View,
};
use crate::{
    args::{Changing, SubjectsArg},
    commands::{
        shared::{self, Confirmation},
        subject::{self, Named},
    },
    context::Context,
    execute::{self, Outcome, Report},
    failure::{Code, Failure, Result},
    model::{
        association::Association,
        glob::Pattern,
        have::Observed,
        names::ServiceAccount,
        staleness,
        workload::{WorkloadName, WorkloadRef},
    },
    observe,
    output::Format,
    plan::{self, Plan, Refusal, Skipped, Step},
};

/// Restart the workloads that use service accounts
///
/// Only new pods get the settings of an association; running pods never do. Deployments, StatefulSets, DaemonSets and
/// Argo Rollouts are restarted in parallel, as `kubectl rollout restart` and the Argo plugin do it. A restart that is
/// in progress is watched, not repeated. If an association was changed within the last ten seconds, podid waits until
/// the change has spread.
///
/// Patterns match service accounts that have an association: `*` matches any characters of a name, `?` matches one.
/// One service account needs no confirmation, several do; patterns, --all and --stale alone ask for the cluster name.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, mut_arg("subjects", |arg| arg.required_unless_present_any(["all", "stale"])))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Recycle {
    #[command(flatten)]
    named: SubjectsArg,
    /// What is meant, once that is known.
    #[arg(skip)]
    meant: Vec<Named>,
    /// The service accounts of that, each once.
    #[arg(skip)]
    subjects: Vec<Pattern>,
    /// All service accounts that have an association
    #[arg(long, conflicts_with = "subjects", help_heading = "Selection")]
    all: bool,
    /// Only workloads with pods that started before the last change or were not injected; without a service account,
    /// in the whole cluster
    #[arg(long, help_heading = "Selection")]
    stale: bool,
    /// Only this workload (can be repeated)
    #[arg(long, value_name = "KIND/NAME", help_heading = "Selection")]
    workload: Vec<WorkloadName>,
    /// Maximum number of rollouts at once; after a failure, podid starts no new one
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    max_parallel: u16,
    /// Roll back a restart that cannot succeed to a revision that worked, and watch the rollback; the restart still
    /// counts as failed
    #[arg(long, conflicts_with = "no_wait")]
    rollback_on_failure: bool,
    /// Restart even if new pods would run on nodes without a ready agent
    #[arg(long)]
    allow_missing_agent: bool,
    /// Do not watch the rollouts
    #[arg(long)]
    no_wait: bool,
    /// Do not include the application's log lines in errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid recycle carts/carts
  podid recycle deployment/carts -n carts --rollback-on-failure
  podid recycle carts/carts orders/orders --dry-run
  podid recycle 'team-*/*' --stale --max-parallel 2
  podid recycle --stale --yes --timeout 15m -o json";

impl Recycle {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(mut self, ctx: &Context) -> Result<Code> {
        self.meant = subject::resolve(ctx, &self.named.0).await?;
        if self.meant.is_empty() {
            self.meant.push(Named::from(Pattern::all()));
        }
        for Named { accounts, .. } in &self.meant {
            if !self.subjects.contains(accounts) {
                self.subjects.push(accounts.clone());
            }
        }
        let read = match self.named_alone() {
            Some(subject) => view::view_of(ctx, &subject).await,
            None => view::several(ctx, &self.subjects).await,
        };
        let mut view = match read {
            Ok(view) => view,
            Err(failure) => return Err(ctx.explain_kube(failure, false).await),
        };
        view.narrow(&self.meant);
        let plans = self.plans(&view)?;
        let mut plan = Plan::default();
        for one in plans.iter().cloned() {
            plan.merge(one);
        }
        if self.rollback_on_failure {
            for id in plan.rollouts() {
                ctx.term
                    .warn(format!("{id} cannot be rolled back: the restart of an Argo Rollout creates no revision"));
            }
        }
        let cron_jobs = plan::cron_jobs(&view.cron_jobs, view.subjects.iter().map(|s| &s.subject));
        for warning in plan.warnings.iter().cloned().chain(cron_jobs) {
            ctx.term.warn(warning);
        }
        let consent = if plan.is_empty() { Confirmation::Nothing } else { self.consent() };
        let spread = plan.spread();
        if plan.is_empty() && plan.watch.is_empty() {
            self.nothing(ctx, &view, plan.restarts_nothing_of_need());
        } else {
            for id in &plan.watch {
                let name = if spread { id.full() } else { id.to_string() };
                ctx.term.status(format!("{name} is already restarting: watching it"));
            }
            if !plan.is_empty() {
                shared::show_plan_for(ctx, &plan, &self.changing, consent).await?;
            }
        }
        if self.changing.dry_run {
            render(ctx, &Outcome::planned(&plan.steps), &[], &plan.skipped, spread)?;
            let needed = plan.skipped.iter().any(|skipped| skipped.needed);
            return Ok(match shared::dry_run_code(&self.changing, &plan) {
                Code::Ok if self.changing.exit_code && needed => Code::Difference,
                code => code,
            });
        }
        shared::consent(ctx, &self.changing, consent).await?;
        let way = RolloutOptions {
            parallel: usize::from(self.max_parallel),
            watch: !self.no_wait,
            logs: !self.no_logs,
            roll_back: self.rollback_on_failure,
            spread,
        };
        self.settle(ctx, &view, &plans).await?;
        let (nothing, skipped) = (plan.restarts_nothing_of_need(), plan.skipped);
        let parts = Self::parts(&view, plans, plan.steps);
        let (reports, rollouts) = if parts.is_empty() { Default::default() } else { roll(ctx, &parts, way).await? };
        let outcome = Outcome { reports, ..Outcome::default() };
        render(ctx, &outcome, &rollouts, &skipped, spread)?;
        match verdict(&rollouts, &outcome) {
            // What needs it still does.
            Ok(()) if nothing => Ok(Code::Difference),
            Ok(()) => Ok(Code::Ok),
            Err(failure) => Err(execute::after_write(failure, outcome.wrote())),
        }
    }

    /// Waits for the associations that were changed just now: pods that start before that has arrived everywhere would start as those
    /// before them did.
    async fn settle(&self, ctx: &Context, view: &View, plans: &[Plan]) -> Result<()> {
        let restarted = view.subjects.iter().zip(plans).filter(|(_, plan)| !plan.steps.is_empty());
        let on_the_way = restarted.filter_map(|(user, _)| {
            Some((staleness::settles_in(user.association.as_ref()?, ctx.term.now())?, &user.subject))
        });
        let Some((left, subject)) = on_the_way.max() else { return Ok(()) };
        if self.no_wait {
            ctx.term.warn(format!(
                "the association of {subject} was changed seconds ago: new pods may not get its credentials yet"
            ));
            return Ok(());
        }
        let line = ctx.term.progress(subject.to_string());
        let left = Duration::try_from(left).unwrap_or_default();
        line.update(format!("waiting {} s: the association was changed seconds ago", left.as_secs() + 1));
        ctx.deadline.pause("waiting for the association to propagate", left).await?;
        line.clear();
        Ok(())
    }

    fn named_alone(&self) -> Option<ServiceAccount> {
        match &self.subjects[..] {
            [one] => one.literal(),
            _ => None,
        }
    }

    /// Whoever names one service account means its restart, wherever the cluster comes from.
    fn consent(&self) -> Confirmation {
        if self.named_alone().is_some() {
            Confirmation::Nothing
        } else if self.subjects.iter().all(|pattern| pattern.literal().is_some()) {
            Confirmation::Changes
        } else {
            Confirmation::TypeClusterName
        }
    }

    /// One plan per service account.
    fn plans(&self, view: &View) -> Result<Vec<Plan>> {
        for wanted in &self.workload {
            let all = || view.subjects.iter().flat_map(|s| &s.workloads);
            if !all().any(|workload| wanted.is(&workload.id)) {
                let known: Vec<String> = all().map(|w| w.id.to_string()).take(10).collect();
                let failure = Failure::usage(format!("--workload: `{wanted}` does not use {}", self.whom()));
                return Err(if known.is_empty() {
                    failure
                } else {
                    failure.hint(format!("workloads that do: {}", known.join(", ")))
                });
            }
        }
        let one = |s: &view::User| {
            let only: Vec<WorkloadRef> = s
                .workloads
                .iter()
                .filter(|w| self.workload.iter().any(|wanted| wanted.is(&w.id)))
                .map(|w| w.id.clone())
                .collect();
            if only.is_empty() && !self.workload.is_empty() {
                return Ok(Plan::default());
            }
            let ask = plan::Recycle {
                subject: &s.subject,
                workloads: &s.workloads,
                only: &only,
                pods: &s.pods,
                association: s.association.as_ref(),
                agent: &view.agent,
                stale_only: self.stale,
                allow_missing_agent: self.allow_missing_agent,
            };
            plan::recycle(&ask).map_err(|refusal| {
                let alone = self.named_alone().is_some();
                let message = if alone { refusal.message } else { format!("{}: {}", s.subject, refusal.message) };
                shared::refused(Refusal { message, ..refusal })
            })
        };
        view.subjects.iter().map(one).collect()
    }

    fn whom(&self) -> String {
        if self.subjects.contains(&Pattern::all()) {
            return "any service account".to_owned();
        }
        self.meant.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The work by service account; `steps` are those of all plans, in their order, as they were shown.
    fn parts(view: &View, plans: Vec<Plan>, steps: Vec<Step>) -> Vec<RestartBatch<'_>> {
        let mut steps = steps.into_iter();
        view.subjects
            .iter()
            .zip(plans)
            .map(|(s, plan)| {
                let steps = steps.by_ref().take(plan.steps.len()).collect();
                RestartBatch::new(&s.subject, &s.workloads, s.association.as_ref(), None, Plan { steps, ..plan })
            })
            .filter(|part| !part.steps.is_empty() || !part.watch.is_empty())
            .collect()
    }

    fn nothing(&self, ctx: &Context, view: &View, needed: bool) {
        let used = view.subjects.iter().any(|s| !s.workloads.is_empty() || !s.pods.is_empty());
        let whom = self.whom();
        let by_object = self.meant.iter().all(|named| named.object.is_some());
        let alone = view.subjects.first().filter(|_| self.named_alone().is_some());
        let (why, near) = match alone.map(|s| (&s.subject, &s.state)) {
            _ if view.subjects.is_empty() && self.subjects.contains(&Pattern::all()) => {
                ("no service account has an association".to_owned(), None)
            }
            _ if view.subjects.is_empty() => ("no association matches".to_owned(), None),
            _ if needed => (format!("nothing was restarted, but pods of {whom} need a restart"), None),
            _ if used && self.stale => (format!("no workload of {whom} has pods that need a restart"), None),
            // The warnings name what uses it.
            _ if used && by_object => (format!("podid can restart nothing of {whom}"), None),
            _ if used => (format!("podid can restart nothing that uses {whom}"), None),
            _ if by_object => (format!("{whom} has no workload that podid can restart"), None),
            Some((subject, Observed::Known(state))) if state.missing(subject).is_some() => {
                (state.missing(subject).unwrap_or_default(), state.near().first())
            }
            _ => (format!("no workload uses {whom}"), None),
        };
        ctx.term.status(if needed || used && !self.stale { why } else { format!("nothing to restart: {why}") });
        if let Some(near) = near {
            ctx.term.hint(format!("did you mean `podid recycle {near}`?"));
        }
    }
}

/// Restarts the workloads of several service accounts that are still stale and were shown, side by side.
///
/// # Errors
/// Only what keeps it from starting; how each ended is in the reports and rollouts.
pub async fn carry_out_all(
    ctx: &Context,
    associations: &[Association],
    shown: &[Step],
    last_write: Option<Instant>,
    pace: Pace,
) -> Result<(Vec<Report>, Vec<Rollout>)> {
    let kube = ctx.kube().await?;
    let subjects: BTreeSet<&ServiceAccount> = associations.iter().map(|a| &a.summary.subject).collect();
    let read = observe::file::all_users(kube, &subjects);
    let (pods, workloads) = ctx.deadline.within("reading the workloads and pods", read).await?;
    let (pods, workloads) =
        view::both(pods, workloads).map_err(|why| view::unread("the workloads and pods could not be read", &why))?;
    if !shown.is_empty() {
        let namespaces: BTreeSet<&str> = subjects.iter().map(|subject| subject.namespace.as_str()).collect();
        let reads = namespaces.into_iter().map(|namespace| observe::cron_jobs(kube, Some(namespace)));
        let found = ctx.deadline.within("reading the cron jobs", try_join_all(reads)).await?;
        for warning in found.iter().flat_map(|found| plan::cron_jobs(found, subjects.iter().copied())) {
            ctx.term.warn(warning);
        }
    }
    let own = |subject: &ServiceAccount| {
        let pods = pods.iter().filter(|p| p.namespace == subject.namespace && p.service_account == subject.name);
        let users =
            workloads.iter().filter(|w| w.id.namespace == subject.namespace && w.service_account == subject.name);
        (pods.cloned().collect::<Vec<_>>(), users.cloned().collect::<Vec<_>>())
    };
    let around: Vec<_> = associations.iter().map(|association| own(&association.summary.subject)).collect();
    let mut parts = Vec::new();
    for (association, (pods, workloads)) in associations.iter().zip(&around) {
        let subject = &association.summary.subject;
        let ask = plan::Recycle {
            subject,
            workloads,
            only: &[],
            pods,
            association: Some(association),
            agent: &Observed::NotRequested,
            stale_only: true,
            allow_missing_agent: true,
        };
        let mut due = plan::recycle(&ask).map_err(shared::refused)?;
        // Only what was shown is restarted.
        due.steps.retain(|step| shown.iter().any(|other| other.id() == step.id()));
        parts.push(RestartBatch::new(subject, workloads, Some(association), last_write, due));
    }
    parts.retain(|part| !part.steps.is_empty() || !part.watch.is_empty());
    if parts.is_empty() { Ok(Default::default()) } else { roll(ctx, &parts, pace.way()).await }
}

fn render(ctx: &Context, outcome: &Outcome, rollouts: &[Rollout], skipped: &[Skipped], spread: bool) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("rollouts".to_owned(), rollouts_json(rollouts));
        if !skipped.is_empty() {
            map.insert("skipped".to_owned(), json!(skipped));
        }
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => {
            for report in &outcome.reports {
                match &report.step {
                    Step::Restart { workload, .. } if spread => ctx.term.emit_line(workload.full())?,
                    Step::RollBack { .. } => {}
                    step => ctx.term.emit_line(step.resource())?,
                }
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}
