//! `podid apply`: brings a cluster to what a file says, and proves it.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::{Files, Missing, PlanOptions, Planned, left, plan, view};
use crate::{
    args::Changing,
    commands::{
        agent,
        recycle::{self, Pace, Rollout},
        shared::{self, Confirmation},
    },
    context::Context,
    execute::{self, Outcome, Ports, Report, Status},
    failure::{Code, Failure, Result},
    model::{association::Association, have::Observed, manifest::ClusterState, names::ServiceAccount, staleness},
    observe::{self, file::KubernetesReads},
    output::Format,
    plan::{Plan, Step},
    prove::{
        self,
        effective::{Change, Effect, Effective},
    },
};

/// Apply a manifest
///
/// Plans roles with their trust policies and permissions, associations and the agent. Shows the plan, asks once,
/// applies it in parallel, and waits until new pods get credentials. Keys that the manifest omits are left unchanged.
/// If the command is interrupted, run it again to finish. A role with podid's tags that no association uses yet, and
/// that differs from what podid creates where the manifest says nothing, is refused without --adopt.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Apply {
    #[command(flatten)]
    files: Files,
    /// Delete what podid created for this cluster under the manifest's metadata.name and is no longer in it
    #[arg(long)]
    prune: bool,
    /// With --prune: maximum number of associations and roles to delete
    #[arg(long, value_name = "N", default_value_t = 10, requires = "prune")]
    prune_limit: usize,
    /// Accept a role with podid's tags that was changed outside podid before an association used it
    #[arg(long)]
    adopt: bool,
    /// Then restart the workloads whose pods do not use their association yet, and watch the rollouts
    #[arg(long, conflicts_with = "no_wait")]
    recycle: bool,
    /// Continue even if the pods' nodes have no ready agent
    #[arg(long)]
    allow_missing_agent: bool,
    #[command(flatten)]
    missing: Missing,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
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
  podid apply -f podid.yaml
  podid apply -f podid.yaml --prune --recycle
  podid apply -f podid.yaml --dry-run --exit-code
  podid export | podid apply -f - --yes";

/// What the command came to.
#[derive(Default)]
pub(super) struct Ending {
    outcome: Outcome,
    effective: Vec<(ServiceAccount, Effective)>,
    rollouts: Vec<Rollout>,
    /// Running pods that still lack their association, `NAMESPACE/NAME`.
    pub(super) stale: Vec<String>,
}

impl Ending {
    /// The associations of the file's service accounts as they are by now.
    pub(super) fn associations(&self, planned: &Planned) -> Vec<Association> {
        let mut now: BTreeMap<&ServiceAccount, &Association> = planned.have.associations.iter().collect();
        now.extend(self.outcome.associations.iter().map(|a| (&a.summary.subject, a)));
        planned.subjects.keys().filter_map(|subject| now.get(subject).map(|a| (*a).clone())).collect()
    }
}

impl Apply {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let entries = self.files.read(ctx).await?;
        if self.no_wait && entries.associations.iter().any(|a| a.value.create_service_account == Some(true)) {
            ctx.term.warn("`createServiceAccount` is ignored with `--no-wait`, which makes no call to Kubernetes");
        }
        let around = match (self.no_wait, self.recycle) {
            (true, _) => KubernetesReads::Nothing,
            (false, true) => KubernetesReads::All,
            (false, false) => KubernetesReads::New,
        };
        let how = PlanOptions {
            around,
            kube: !self.no_wait,
            look_up: false,
            prune: self.prune,
            allow_missing_agent: self.allow_missing_agent,
            allow: self.missing.allowed(),
            recycle: self.recycle,
            adopt: self.adopt,
        };
        let mut planned = plan(ctx, entries, how).await?;
        for warning in &planned.plan.warnings {
            ctx.term.warn(warning);
        }
        let removed = removals(&planned);
        if removed > self.prune_limit {
            return Err(Failure::usage(format!(
                "`--prune` would delete {removed} associations and roles; the limit is {}",
                self.prune_limit
            ))
            .hint("check them with `podid diff -f FILE --prune`, then raise `--prune-limit`"));
        }
        let consent = Self::consent(&planned.plan, removed);
        if planned.plan.is_empty() {
            let size = view::size(planned.entries.roles.len(), planned.subjects.len());
            ctx.term.status(format!("nothing to change: {size} match the manifest"));
        } else {
            self.show(ctx, &planned, consent).await?;
        }
        if self.changing.dry_run {
            let ending = Ending { outcome: Outcome::planned(&planned.plan.steps), ..Ending::default() };
            render(ctx, &ending)?;
            return Ok(shared::dry_run_code(&self.changing, &planned.plan));
        }
        if self.files.are_stdin()
            && !self.changing.yes
            && consent != Confirmation::Nothing
            && shared::asks(ctx.target()?, consent)
        {
            return Err(Failure::usage("confirmation required, and the manifest is read from stdin")
                .hint("check the plan with `--dry-run`, then pass `--yes`"));
        }
        shared::consent(ctx, &self.changing, consent).await?;
        let mut ending = Ending::default();
        let steps = std::mem::take(&mut planned.plan.steps);
        let mut done = self.carry_out(ctx, &planned, steps, &mut ending).await;
        if done.is_ok() && !self.no_wait {
            done = left::find(ctx, &planned, &mut ending).await;
        }
        render(ctx, &ending)?;
        match done {
            // All steps are done: what is not ready is no half of a plan.
            Ok(()) => match ending.effective.iter().find_map(|(subject, effective)| effective.failure(subject)) {
                Some(failure) if failure.code == Code::TimedOut => Err(failure),
                Some(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
                None => Ok(Code::Ok),
            },
            Err(failure) => {
                Self::rest(ctx, &ending.outcome);
                Err(execute::after_write(failure, ending.outcome.wrote()))
            }
        }
    }

    fn consent(plan: &Plan, removed: usize) -> Confirmation {
        match Confirmation::of(plan) {
            Confirmation::Nothing => Confirmation::Nothing,
            _ if removed > 0 => Confirmation::TypeClusterName,
            Confirmation::Creates if plan.restarts() => Confirmation::Changes,
            asked => asked,
        }
    }

    /// The plan; what is pruned stands apart.
    async fn show(&self, ctx: &Context, planned: &Planned, consent: Confirmation) -> Result<()> {
        let (pruned, kept): (Vec<Step>, Vec<Step>) =
            planned.plan.steps.iter().cloned().partition(|step| pruned(step, &planned.have));
        let title = shared::plan_title(ctx).await?;
        let mut sections: Vec<(&str, &[Step])> = Vec::new();
        if !kept.is_empty() {
            sections.push((&title, &kept));
        }
        if !pruned.is_empty() {
            sections.push(("Delete (no longer in the manifest)", &pruned));
        }
        let asked = shared::is_read(ctx, &self.changing, consent)? || !pruned.is_empty() && !self.changing.yes;
        if sections.is_empty() { Ok(()) } else { ctx.term.plan_steps(&sections, asked) }
    }

    async fn carry_out(&self, ctx: &Context, planned: &Planned, steps: Vec<Step>, ending: &mut Ending) -> Result<()> {
        if steps.is_empty() && planned.plan.watch.is_empty() && planned.entries.agent.is_none() {
            return Ok(());
        }
        // Reached before any write.
        let kube = if self.no_wait { None } else { Some(ctx.kube().await?) };
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
        let pace = Pace { spread: true, ..Pace::usual(!self.no_logs) };
        let carried = recycle::carry_out_all(ctx, &associations, &restarts, last_write, pace).await;
        let (reports, rollouts) = carried.inspect_err(|_| {
            ending.outcome.add(Outcome::not_started(restarts.clone()));
        })?;
        ending.outcome.reports.extend(reports);
        ending.rollouts = rollouts;
        recycle::verdict(&ending.rollouts, &ending.outcome)
    }

    async fn settle(&self, ctx: &Context, planned: &Planned, changed: bool, update: Option<String>) -> Result<()> {
        if self.no_wait {
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
        &self,
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

    /// What is left to do after a failure, in one line.
    fn rest(ctx: &Context, outcome: &Outcome) {
        let of = |status: Status| outcome.reports.iter().filter(|report| report.status == status).count();
        let (done, failed, left) = (of(Status::Done) + of(Status::Skipped), of(Status::Failed), of(Status::NotStarted));
        let unknown = of(Status::Unknown);
        if done + failed + unknown > 0 {
            let unknown = if unknown > 0 { format!(", {unknown} unknown") } else { String::new() };
            ctx.term
                .note(format!("{} done, {failed} failed{unknown}, {left} not started", shared::count(done, "step")));
        }
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

/// Whether a step removes something that is in no file any more.
fn pruned(step: &Step, have: &ClusterState) -> bool {
    match step {
        Step::DeleteAssociation { .. } => true,
        Step::DetachPolicy { role, .. } | Step::DeletePolicy { role, .. } | Step::DeleteRole { role, .. } => {
            have.leftover.roles.iter().any(|(doomed, _)| doomed.role.name == *role)
        }
        _ => false,
    }
}

/// Associations and roles that go.
fn removals(planned: &Planned) -> usize {
    let gone = |step: &&Step| matches!(step, Step::DeleteAssociation { .. } | Step::DeleteRole { .. });
    planned.plan.steps.iter().filter(gone).count()
}

fn render(ctx: &Context, ending: &Ending) -> Result<()> {
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
