//! Carries the plan of `apply` and `copy` out: the writes, the agent first, the proof that new pods get credentials, the restarts,
//! and what is told of it in the end.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::{Planned, left, view};
use crate::{
    commands::{
        agent,
        recycle::{self, Pace, Rollout},
        shared,
    },
    context::Context,
    execute::{self, Outcome, Ports, Report, Status},
    failure::{Code, Result},
    model::{association::Association, have::Observed, manifest::ClusterState, names::ServiceAccount, staleness},
    observe,
    output::Format,
    plan::Step,
    prove::{
        self,
        effective::{Change, Effect, Effective},
    },
};

/// What the command came to.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    effective: Vec<(ServiceAccount, Effective)>,
    rollouts: Vec<Rollout>,
    /// Running pods that still lack their association, `NAMESPACE/NAME`.
    pub(super) stale: Vec<String>,
}

impl Ending {
    /// Of a plan that is only shown.
    pub(super) fn planned(steps: &[Step]) -> Self {
        Self { outcome: Outcome::planned(steps), ..Self::default() }
    }

    /// The associations of the file's service accounts as they are by now.
    pub(super) fn associations(&self, planned: &Planned) -> Vec<Association> {
        let mut now: BTreeMap<&ServiceAccount, &Association> = planned.have.associations.iter().collect();
        now.extend(self.outcome.associations.iter().map(|a| (&a.summary.subject, a)));
        planned.subjects.keys().filter_map(|subject| now.get(subject).map(|a| (*a).clone())).collect()
    }
}

/// How it is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carry {
    /// False: the AWS part only.
    pub(super) wait: bool,
    /// Show the application's log lines.
    pub(super) logs: bool,
}

impl Carry {
    /// Carries all out, and names the running pods that still lack their association.
    ///
    /// # Errors
    /// What failed; how far it came is in `ending`.
    pub(super) async fn all(self, ctx: &Context, planned: &mut Planned, ending: &mut Ending) -> Result<()> {
        let steps = std::mem::take(&mut planned.plan.steps);
        self.carry_out(ctx, planned, steps, ending).await?;
        if self.wait { left::find(ctx, planned, ending).await } else { Ok(()) }
    }

    async fn carry_out(self, ctx: &Context, planned: &Planned, steps: Vec<Step>, ending: &mut Ending) -> Result<()> {
        if steps.is_empty() && planned.plan.watch.is_empty() && planned.entries.agent.is_none() {
            return Ok(());
        }
        // Reached before any write.
        let kube = if self.wait { Some(ctx.kube().await?) } else { None };
        let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube };
        let (first, rest): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| matches!(step, Step::InstallAgent { .. } | Step::UpdateAgent { .. }));
        let (restarts, rest): (Vec<Step>, Vec<Step>) =
            rest.into_iter().partition(|step| matches!(step, Step::Restart { .. }));
        // The agent first, and proved: a pod that was injected where no agent answers gets no credentials at all.
        if planned.entries.agent.is_some() {
            let changed = !first.is_empty();
            ending.outcome =
                execute::run(&ports, &ctx.deadline, first, |report| shared::report_step(ctx, report)).await;
            let settled = match ending.outcome.failure() {
                Some(failure) => Err(failure.clone()),
                None => self.settle(ctx, planned, changed, ending.outcome.addon_update.clone()).await,
            };
            if let Err(failure) = settled {
                let left = Outcome::not_started([rest, restarts].concat());
                ending.outcome.add(left);
                return Err(failure);
            }
        }
        let outcome = execute::run(&ports, &ctx.deadline, rest, |report| shared::report_step(ctx, report)).await;
        ending.outcome.add(outcome);
        let failed = ending.outcome.failure().cloned();
        let Some(kube) = kube.filter(|_| failed.is_none()) else {
            ending.outcome.add(Outcome::not_started(restarts));
            return failed.map_or(Ok(()), Err);
        };
        if let Err(failure) = self.prove(ctx, kube, planned, &restarts, ending).await {
            ending.outcome.add(Outcome::not_started(restarts));
            return Err(failure);
        }
        if restarts.is_empty() && planned.plan.watch.is_empty() {
            return Ok(());
        }
        let associations = ending.associations(planned);
        let last_write = ending.outcome.last_write;
        let pace = Pace { spread: true, ..Pace::usual(self.logs) };
        let carried = recycle::carry_out_all(ctx, &associations, &restarts, last_write, pace).await;
        let (reports, rollouts) = carried.inspect_err(|_| {
            ending.outcome.add(Outcome::not_started(restarts.clone()));
        })?;
        ending.outcome.reports.extend(reports);
        ending.rollouts = rollouts;
        recycle::verdict(&ending.rollouts, &ending.outcome)
    }

    async fn settle(self, ctx: &Context, planned: &Planned, changed: bool, update: Option<String>) -> Result<()> {
        if !self.wait {
            return Ok(());
        }
        let state = match &planned.have.agent {
            Observed::Known(state) => state,
            Observed::Unreadable(why) => {
                ctx.term.warn(format!("agent not checked: {why}"));
                return Ok(());
            }
            Observed::NotRequested => return Ok(()),
        };
        match update {
            Some(id) => agent::updated(ctx, &id, state.clone()).await?,
            None => agent::settle(ctx, state.clone(), changed, None).await?,
        };
        Ok(())
    }

    /// That new pods of what was changed, or is restarted and was changed just now, are injected, and those of what was removed are not.
    async fn prove(
        self,
        ctx: &Context,
        kube: &dyn crate::ports::Kubernetes,
        planned: &Planned,
        restarts: &[Step],
        ending: &mut Ending,
    ) -> Result<()> {
        let done = |report: &&Report| matches!(report.status, Status::Done | Status::Skipped);
        let made = &ending.outcome.associations;
        let of = |subject: &ServiceAccount| made.iter().find(|a| a.summary.subject == *subject);
        let proofs = ending.outcome.reports.iter().filter(done).filter_map(|report| match &report.step {
            Step::CreateAssociation { association, .. } => {
                Some((association.subject.clone(), Some((Change::Created, of(&association.subject)?.clone()))))
            }
            Step::UpdateAssociation { subject, .. } => {
                Some((subject.clone(), Some((Change::Updated, of(subject)?.clone()))))
            }
            Step::DeleteAssociation { subject, .. } => Some((subject.clone(), None)),
            _ => None,
        });
        // A run before this one may have been stopped right after its last write, or somebody else made one: pods that start before
        // it has arrived everywhere would start as those before them did.
        let young = planned.have.associations.iter().filter(|(subject, association)| {
            let restarted =
                |step: &Step| matches!(step, Step::Restart { workload, .. } if workload.namespace == subject.namespace);
            of(subject).is_none()
                && planned.subjects.contains_key(subject)
                && restarts.iter().any(restarted)
                && staleness::settles_in(association, ctx.term.now()).is_some()
        });
        let young = young.map(|(subject, a)| (subject.clone(), Some((Change::Nothing, a.clone()))));
        let proofs: Vec<_> = proofs.chain(young).collect();
        let created = &created(&ending.outcome);
        let proved: Vec<(ServiceAccount, Result<Effective>)> = stream::iter(proofs)
            .map(|(subject, change)| async move {
                if let Some(how) = unusable(&planned.have, created, &subject).filter(|_| change.is_some()) {
                    ctx.term.warn(&how);
                    return (subject, Ok(Effective { effect: Effect::No, how }));
                }
                let line = ctx.term.progress(subject.to_string());
                let proved = match &change {
                    Some((change, association)) => {
                        prove::effective::prove(kube, &ctx.deadline, &line, &subject, association, *change, None).await
                    }
                    None => prove::effective::gone(kube, &ctx.deadline, &line, &subject).await,
                };
                // One that the file wants was waited for.
                let around = planned.have.around.get(&subject).filter(|_| planned.entries.agent.is_none());
                let proved = proved.map(|effective| match (&change, around) {
                    (Some(_), Some(around)) => effective.served(&planned.have.agent, &around.pods, &around.workloads),
                    _ => effective,
                });
                match &proved {
                    Ok(effective) if change.is_none() => effective.end_deleted(&line),
                    Ok(effective) => effective.end(&line),
                    Err(_) => line.clear(),
                }
                (subject, proved)
            })
            .buffered(observe::CONCURRENCY)
            .collect()
            .await;
        let mut failed = None;
        for (subject, proved) in proved {
            match proved {
                Ok(effective) => ending.effective.push((subject, effective)),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// What it comes to in the end.
///
/// # Errors
/// What failed, with its exit code.
pub(super) fn verdict(ctx: &Context, done: Result<()>, ending: &Ending) -> Result<()> {
    match done {
        // All steps are done: what is not ready is no half of a plan.
        Ok(()) => match ending.effective.iter().find_map(|(subject, effective)| effective.failure(subject)) {
            Some(failure) if failure.code == Code::TimedOut => Err(failure),
            Some(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
            None => Ok(()),
        },
        Err(failure) => {
            rest(ctx, &ending.outcome);
            Err(execute::after_write(failure, ending.outcome.wrote()))
        }
    }
}

/// What is left to do after a failure, in one line.
fn rest(ctx: &Context, outcome: &Outcome) {
    let of = |status: Status| outcome.reports.iter().filter(|report| report.status == status).count();
    let (done, failed, left) = (of(Status::Done) + of(Status::Skipped), of(Status::Failed), of(Status::NotStarted));
    let unknown = of(Status::Unknown);
    if done + failed + unknown > 0 {
        let unknown = if unknown > 0 { format!(", {unknown} unknown") } else { String::new() };
        ctx.term.note(format!("{} done, {failed} failed{unknown}, {left} not started", shared::count(done, "step")));
    }
}

/// Service accounts that were created in this run.
fn created(outcome: &Outcome) -> BTreeSet<ServiceAccount> {
    let created = outcome.reports.iter().filter_map(|report| match (&report.step, report.status) {
        (Step::CreateServiceAccount { subject }, Status::Done | Status::Skipped) => Some(subject.clone()),
        _ => None,
    });
    created.collect()
}

/// Why no pod can use an association: its service account does not exist.
fn unusable(have: &ClusterState, created: &BTreeSet<ServiceAccount>, subject: &ServiceAccount) -> Option<String> {
    let state = have.around.get(subject)?.service_account.known()?;
    state.unusable(subject).filter(|_| !created.contains(subject))
}

/// What was done, with `more` beside it in data.
///
/// # Errors
/// When stdout cannot be written.
pub(super) fn render(ctx: &Context, ending: &Ending, more: impl IntoIterator<Item = (String, Value)>) -> Result<()> {
    let mut value = shared::steps_json(&ending.outcome);
    // A step's own id is unique within one object only.
    if let Some(steps) = value["steps"].as_array_mut() {
        for (step, report) in steps.iter_mut().zip(&ending.outcome.reports) {
            if let Some((kind, name)) = view::object(&report.step) {
                step["id"] = json!(format!("{kind}/{name}/{}", report.step.id()));
            }
        }
    }
    if let Value::Object(map) = &mut value {
        let effective = ending.effective.iter().map(|(subject, effective)| {
            let mut one = json!(subject);
            one["effective"] = json!(effective.effect);
            one["effectiveHow"] = json!(effective.how);
            one
        });
        map.insert("associations".to_owned(), effective.collect());
        map.insert("rollouts".to_owned(), recycle::rollouts_json(&ending.rollouts));
        map.insert("stalePods".to_owned(), json!(ending.stale));
        map.extend(more);
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => {
            let done = |r: &&Report| matches!(r.status, Status::Done | Status::Skipped | Status::Planned);
            let steps: Vec<Step> = ending.outcome.reports.iter().filter(done).map(|r| r.step.clone()).collect();
            for change in view::changes(&steps) {
                ctx.term.emit_line(format!("{}/{}", change.kind, change.name))?;
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}
