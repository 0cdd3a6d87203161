//! Applies steps through the ports, in dependency order, independent ones concurrently, and reports each.
//! What each kind of write needs around it is in its own file.
//!
//! Every step is idempotent: what a lost answer or a killed run left behind is found and adopted when it is what was wanted.

mod addon;
mod association;
mod removal;
mod role;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use futures::{
    lock::Mutex,
    stream::{self, StreamExt},
};
use schemars::JsonSchema;
use serde::Serialize;

use self::removal::Deletion;
use crate::{
    failure::{Code, Failure, Result},
    model::association::Association,
    observe::CONCURRENCY,
    plan::Step,
    ports::{Eks, Iam, Kubernetes},
    wait::{Deadline, SentMarker, WriteOutcome},
};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Shown only (`--dry-run`).
    Planned,
    /// Carried out.
    Done,
    /// Found already as wanted.
    Skipped,
    /// Refused or failed.
    Failed,
    /// Cut off while in flight.
    Unknown,
    /// Something before it failed.
    NotStarted,
}

/// A step and how it ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// The step.
    pub step: Step,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// What carrying out a plan came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// One report per step, in plan order.
    pub reports: Vec<Report>,
    /// The association that a step created or updated; of several the last.
    pub association: Option<Association>,
    /// All that steps created or updated.
    pub associations: Vec<Association>,
    /// When the last write to IAM or an association was answered.
    pub last_write: Option<Instant>,
    /// Id of an add-on's update that a step began.
    pub addon_update: Option<String>,
}

impl Outcome {
    /// Reports for steps that are only shown.
    pub fn planned(steps: &[Step]) -> Self {
        let reports =
            steps.iter().map(|step| Report { step: step.clone(), status: Status::Planned, failure: None }).collect();
        Self { reports, ..Self::default() }
    }

    /// True once something was written, or may have been.
    pub fn wrote(&self) -> bool {
        self.reports.iter().any(|r| matches!(r.status, Status::Done | Status::Unknown))
    }

    /// Adds what came after it.
    pub fn add(&mut self, later: Self) {
        self.reports.extend(later.reports);
        self.associations.extend(later.associations);
        self.association = later.association.or(self.association.take());
        self.last_write = later.last_write.max(self.last_write);
        self.addon_update = later.addon_update.or(self.addon_update.take());
    }

    /// Reports for steps that something before them kept from being begun.
    #[must_use]
    pub fn not_started(steps: Vec<Step>) -> Self {
        let report = |step| Report { step, status: Status::NotStarted, failure: None };
        Self { reports: steps.into_iter().map(report).collect(), ..Self::default() }
    }

    /// Nothing that makes the association what was wanted is left undone.
    pub fn associated(&self) -> bool {
        let restart = |report: &Report| matches!(report.step, Step::Restart { .. });
        self.reports.iter().all(|r| restart(r) || matches!(r.status, Status::Done | Status::Skipped | Status::Planned))
    }

    /// The first failure.
    pub fn failure(&self) -> Option<&Failure> {
        self.reports.iter().find_map(|r| r.failure.as_ref())
    }
}

/// The ports that steps need; Kubernetes only when a step touches it.
pub struct Ports<'a> {
    /// EKS.
    pub eks: &'a dyn Eks,
    /// IAM.
    pub iam: &'a dyn Iam,
    /// Kubernetes.
    pub kube: Option<&'a dyn Kubernetes>,
}

/// What a step's write answered.
enum Answer {
    Done,
    Skipped,
    Association(Box<Association>),
    /// An update of an add-on has begun; its id.
    Update(String),
}

impl Answer {
    /// Of something that was to go: what was gone already is found done.
    fn gone(deleted: bool) -> Self {
        if deleted { Self::Done } else { Self::Skipped }
    }
}

/// What a step finds around it.
struct Run<'a> {
    ports: &'a Ports<'a>,
    deadline: &'a Deadline,
    /// Roles that this plan creates, by name.
    created: BTreeSet<String>,
    /// IAM refuses two writes to one role at a time (ConcurrentModification).
    roles: BTreeMap<String, Mutex<()>>,
    /// Roles that this plan deletes, by name.
    doomed: BTreeMap<String, Deletion<'a>>,
    /// Associations that this plan took from their roles: EKS may go on showing them for a moment.
    freed: BTreeSet<String>,
}

impl<'a> Run<'a> {
    fn new(ports: &'a Ports<'a>, deadline: &'a Deadline, steps: &'a [Step]) -> Self {
        let created = steps.iter().filter_map(|step| match step {
            Step::CreateRole(new) => Some(new.name.clone()),
            _ => None,
        });
        let roles = steps.iter().filter_map(Step::role).map(|role| (role.to_owned(), Mutex::new(())));
        let (doomed, freed) = (removal::doomed(steps), removal::freed(steps));
        Self { ports, deadline, created: created.collect(), roles: roles.collect(), doomed, freed }
    }

    /// Carries one step out when its turn comes. The failure of one that was not begun is the run's.
    async fn step(&self, step: &Step) -> Result<WriteOutcome<Answer>> {
        let _turn = match step.role().and_then(|role| self.roles.get(role)) {
            Some(role) => Some(role.lock().await),
            None => None,
        };
        let what = step.describe();
        self.deadline.may_begin(&what)?;
        let flight = SentMarker::default();
        match self.deadline.write(&what, self.carry_out(&flight, step)).await {
            // Cut off while it read or paused: nothing was sent.
            WriteOutcome::Indeterminate(failure) if !flight.sent() => Err(failure),
            written => Ok(written),
        }
    }

    async fn carry_out(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Ports { eks, iam, kube } = *self.ports;
        match step {
            Step::InstallAgent { .. } | Step::UpdateAgent { .. } | Step::RemoveAgent { .. } | Step::UpdateAddon(_) => {
                self.addon(flight, step).await
            }
            Step::CreateServiceAccount { subject } => match kube {
                Some(kube) => flight.send(kube.create_service_account(subject)).await.map(|()| Answer::Done),
                None => Err(Failure::failed("a service account cannot be created without Kubernetes")),
            },
            Step::RemoveAnnotation { subject, role } => match kube {
                Some(kube) => flight.send(kube.remove_irsa_annotation(subject, role)).await.map(Answer::gone),
                None => Err(Failure::failed("an annotation cannot be removed without Kubernetes")),
            },
            Step::CreateRole(role) => self.create_role(flight, role).await,
            Step::PutTrust { role, before, after } => self.put_trust(flight, role, before, after).await,
            Step::TagRole { role, tags } => {
                self.patient_with_iam(flight, || iam.tag_role(role, tags)).await.map(|()| Answer::Done)
            }
            Step::UntagRole { role, keys } => {
                self.patient_with_iam(flight, || iam.untag_role(role, keys)).await.map(|()| Answer::Done)
            }
            Step::PutBoundary { .. } => self.put_boundary(flight, step).await,
            Step::AttachPolicy { role, policy_arn, .. } => {
                self.patient_with_iam(flight, || iam.attach_policy(role, policy_arn)).await.map(|()| Answer::Done)
            }
            Step::PutPolicy { .. } => self.put_policy(flight, step).await,
            Step::DetachPolicy { role, policy_arn } => {
                self.first_removal(role).await?;
                self.patient_with_iam(flight, || iam.detach_policy(role, policy_arn)).await.map(Answer::gone)
            }
            Step::DeletePolicy { role, name, before } => {
                self.first_removal(role).await?;
                self.delete_policy(flight, role, name, before.as_ref()).await
            }
            Step::DeleteRole { role, .. } => self.delete_role(flight, role).await,
            Step::CreateAssociation { cluster, association } => {
                self.create_association(flight, cluster, association).await
            }
            Step::ReplaceAssociation { .. } => self.replace_association(flight, step).await,
            Step::PutTargetTrust { .. } => self.put_target_trust(flight, step).await,
            Step::DeleteAssociation { .. } => self.delete_association(flight, step).await,
            Step::UpdateAssociation { .. } => self.update_association(flight, step).await,
            Step::TagAssociation { association_arn, tags, .. } => {
                flight.send(eks.tag(association_arn, tags)).await.map(|()| Answer::Done)
            }
            Step::UntagAssociation { association_arn, keys, .. } => {
                flight.send(eks.untag(association_arn, keys)).await.map(|()| Answer::Done)
            }
            Step::Restart { .. } | Step::RollBack { .. } => Ok(Answer::Skipped),
        }
    }
}

/// Carries the steps out. `tell` hears of each as it ends. Restarts are not carried out here: they are re-evaluated and
/// followed by `recycle` when their turn comes.
pub async fn run(ports: &Ports<'_>, deadline: &Deadline, steps: Vec<Step>, mut tell: impl FnMut(&Report)) -> Outcome {
    let planned = steps.clone();
    let run = Run::new(ports, deadline, &planned);
    let mut outcome = Outcome::not_started(steps);
    let mut stages: Vec<u8> = outcome.reports.iter().map(|r| r.step.stage()).collect();
    stages.sort_unstable();
    stages.dedup();
    for stage in stages {
        let turn: Vec<(usize, Step)> = outcome
            .reports
            .iter()
            .enumerate()
            .filter(|(_, r)| r.step.stage() == stage && !matches!(r.step, Step::Restart { .. }))
            .map(|(i, r)| (i, r.step.clone()))
            .collect();
        let run = &run;
        let mut ended = stream::iter(turn)
            .map(|(i, step)| async move { (i, run.step(&step).await) })
            // In order, so that what is told does not depend on which answer came first.
            .buffered(CONCURRENCY);
        let mut stop = false;
        while let Some((i, written)) = ended.next().await {
            let report = &mut outcome.reports[i];
            let failure = match written {
                Ok(WriteOutcome::Completed(Ok(answer))) => {
                    report.status = if matches!(answer, Answer::Skipped) { Status::Skipped } else { Status::Done };
                    if report.step.touches_iam_or_association() && report.status == Status::Done {
                        outcome.last_write = Some(Instant::now());
                    }
                    match answer {
                        Answer::Association(association) => {
                            outcome.associations.push((*association).clone());
                            outcome.association = Some(*association);
                        }
                        Answer::Update(id) => outcome.addon_update = Some(id),
                        Answer::Done | Answer::Skipped => {}
                    }
                    None
                }
                Ok(WriteOutcome::Completed(Err(failure))) => {
                    report.status = Status::Failed;
                    Some(failure)
                }
                Ok(WriteOutcome::Indeterminate(failure)) => {
                    report.status = Status::Unknown;
                    Some(failure)
                }
                Err(failure) => Some(failure),
            };
            stop |= failure.is_some();
            report.failure = failure;
            tell(&outcome.reports[i]);
        }
        if stop {
            break;
        }
    }
    outcome
}

fn changed(what: &str, how: &str) -> Failure {
    Failure::failed(format!("{what} was modified concurrently"))
        .because(how.to_owned())
        .hint("run the same command again: it makes a new plan from the current state")
}

/// What remains of a failed command's exit code once something was written.
pub fn after_write(failure: Failure, wrote: bool) -> Failure {
    if !wrote {
        return failure;
    }
    let code = if failure.code.signalled() { failure.code } else { Code::Partial };
    Failure { code, ..failure }.hint("run the same command again: finished steps are skipped")
}

#[cfg(test)]
mod tests;
