//! Carries steps out through the ports, in dependency order, independent ones concurrently, and reports each.
//!
//! Every step is idempotent: what a lost answer or a killed run left behind is found and adopted when it is what was wanted.

mod removal;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::stream::{self, StreamExt};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    failure::{Code, Failure, Result},
    model::{addon::AGENT, association::Association, document::Document, role::NewRole},
    observe::CONCURRENCY,
    plan::Step,
    ports::{Cluster, Eks, Iam},
    wait::{Backoff, Guard, Written},
};

/// How long IAM may take to show a new role or trust policy to EKS, before podid believes the refusal.
const PROPAGATION: Duration = Duration::from_mins(1);

/// How long IAM may take to know a role that it just made.
const ROLE_SEEN: Duration = Duration::from_secs(15);

/// How long, when podid may not read the role: it may just as well be missing or wrong.
const UNREAD: Duration = Duration::from_secs(15);

const WAITING: &str = "waiting for IAM to show the role to EKS";

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// The association that a step created or updated.
    pub association: Option<Association>,
    /// When the last write to IAM or an association was answered.
    pub last_write: Option<Instant>,
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
    pub kube: Option<&'a dyn Cluster>,
}

/// What a step's write answered.
enum Answer {
    Done,
    Skipped,
    Association(Box<Association>),
}

/// Carries the steps out. `tell` hears of each as it ends. Restarts are not carried out here: they are re-evaluated and
/// followed by `recycle` when their turn comes.
pub async fn run(ports: &Ports<'_>, guard: &Guard, steps: Vec<Step>, mut tell: impl FnMut(&Report)) -> Outcome {
    let mut outcome = Outcome {
        reports: steps.into_iter().map(|step| Report { step, status: Status::NotStarted, failure: None }).collect(),
        ..Outcome::default()
    };
    let mut stages: Vec<u8> = outcome.reports.iter().map(|r| r.step.stage()).collect();
    stages.sort_unstable();
    stages.dedup();
    for stage in stages {
        let turn: Vec<usize> = outcome
            .reports
            .iter()
            .enumerate()
            .filter(|(_, r)| r.step.stage() == stage && !matches!(r.step, Step::Restart { .. }))
            .map(|(i, _)| i)
            .collect();
        let jobs: Vec<(usize, Step)> = turn.iter().map(|&i| (i, outcome.reports[i].step.clone())).collect();
        let mut ended = stream::iter(jobs)
            .map(|(i, step)| async move {
                let what = step.describe();
                match guard.may_begin(&what) {
                    Ok(()) => (i, Ok(guard.write(&what, carry_out(ports, guard, &step)).await)),
                    Err(failure) => (i, Err(failure)),
                }
            })
            // In order, so that what is told does not depend on which answer came first.
            .buffered(CONCURRENCY);
        let mut stop = false;
        while let Some((i, written)) = ended.next().await {
            let report = &mut outcome.reports[i];
            match written {
                Ok(Written::Answered(Ok(answer))) => {
                    report.status = if matches!(answer, Answer::Skipped) { Status::Skipped } else { Status::Done };
                    if report.step.touches_iam_or_association() && report.status == Status::Done {
                        outcome.last_write = Some(Instant::now());
                    }
                    if let Answer::Association(association) = answer {
                        outcome.association = Some(*association);
                    }
                }
                Ok(Written::Answered(Err(failure))) => {
                    report.status = Status::Failed;
                    report.failure = Some(failure);
                    stop = true;
                }
                Ok(Written::Unknown(failure)) => {
                    report.status = Status::Unknown;
                    report.failure = Some(failure);
                    stop = true;
                }
                // Not begun: it stays as it is, and the failure is the run's.
                Err(failure) => {
                    report.failure = Some(failure);
                    stop = true;
                }
            }
            tell(&outcome.reports[i]);
        }
        if stop {
            break;
        }
    }
    outcome
}

async fn carry_out(ports: &Ports<'_>, guard: &Guard, step: &Step) -> Result<Answer> {
    match step {
        Step::InstallAgent { cluster, version } => match ports.eks.create_addon(cluster, AGENT, version).await {
            Ok(_) => Ok(Answer::Done),
            Err(failure) if failure.is("ResourceInUseException") => match ports.eks.addon(cluster, AGENT).await? {
                Some(_) => Ok(Answer::Skipped),
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        },
        Step::CreateServiceAccount { subject } => match ports.kube {
            Some(kube) => kube.create_service_account(subject).await.map(|()| Answer::Done),
            None => Err(Failure::failed("a service account cannot be created without Kubernetes")),
        },
        Step::CreateRole(role) => create_role(ports.iam, role).await,
        Step::PutTrust { role, before, after } => put_trust(ports.iam, role, before, after).await,
        Step::TagRole { role, tags } => ports.iam.tag_role(role, tags).await.map(|()| Answer::Done),
        Step::AttachPolicy { role, policy_arn } => {
            seen_by_iam(guard, || ports.iam.attach_policy(role, policy_arn)).await.map(|()| Answer::Done)
        }
        Step::PutPolicy { role, name, before, after } => {
            seen_by_iam(guard, || put_policy(ports.iam, role, name, before.as_ref(), after)).await
        }
        Step::DetachPolicy { .. } | Step::DeletePolicy { .. } | Step::DeleteRole { .. } => {
            removal::carry_out(ports.iam, guard, step).await
        }
        Step::CreateAssociation { cluster, association } => {
            let token = token();
            let create = || ports.eks.create_association(cluster, association, &token);
            match patiently(guard, ports.iam, &association.role_arn, create).await {
                Ok(created) => Ok(Answer::Association(Box::new(created))),
                Err(failure) if failure.is("ResourceInUseException") => {
                    let found = crate::observe::association(ports.eks, cluster, &association.subject).await?;
                    match found {
                        Some(found)
                            if found.role_arn == association.role_arn
                                && found.disable_session_tags == association.disable_session_tags =>
                        {
                            Ok(Answer::Association(Box::new(found)))
                        }
                        Some(found) => Err(failure
                            .because(format!("it was associated with {} meanwhile", found.role_arn))
                            .hint("run the same command again to see the change as an update")),
                        // Deleted a moment ago, and the delete has not arrived everywhere.
                        None => {
                            Err(failure.hint("an association was deleted a moment ago; run the same command again"))
                        }
                    }
                }
                Err(failure) => Err(failure),
            }
        }
        Step::UpdateAssociation { cluster, association_id, from_role, change, subject } => {
            let present = ports.eks.association(cluster, association_id).await?;
            match present {
                Some(present) if present.role_arn == *from_role => {}
                Some(present) => return Err(changed(&format!("the association of {subject}"), &present.role_arn)),
                None => return Err(changed(&format!("the association of {subject}"), "deleted")),
            }
            let token = token();
            let role = change.role_arn.as_deref().unwrap_or(from_role);
            let update = || ports.eks.update_association(cluster, association_id, change, &token);
            let updated = patiently(guard, ports.iam, role, update).await?;
            Ok(Answer::Association(Box::new(updated)))
        }
        Step::TagAssociation { association_arn, tags, .. } => {
            ports.eks.tag(association_arn, tags).await.map(|()| Answer::Done)
        }
        Step::Restart { .. } => Ok(Answer::Skipped),
    }
}

/// CreateRole. "Exists already" after an answer that was lost is adopted only when the tags say that it is this very role.
async fn create_role(iam: &dyn Iam, new: &NewRole) -> Result<Answer> {
    match iam.create_role(new).await {
        Ok(_) => Ok(Answer::Done),
        Err(failure) if failure.is("EntityAlreadyExists") => match iam.role(&new.name).await? {
            Some(found) if found.tags == new.tags && found.path == new.path => {
                if !crate::model::policy::same_meaning(&found.trust, &new.trust) {
                    iam.put_trust(&new.name, &new.trust).await?;
                }
                Ok(Answer::Done)
            }
            _ => Err(failure.hint("a role of that name was made by someone else; name another with `--role`")),
        },
        Err(failure) => Err(failure),
    }
}

/// UpdateAssumeRolePolicy has no condition: read right before and right after, and say so when someone else was faster.
async fn put_trust(iam: &dyn Iam, role: &str, before: &Document, after: &Document) -> Result<Answer> {
    let what = format!("the trust policy of role `{role}`");
    let Some(present) = iam.role(role).await? else { return Err(changed(&what, "the role was deleted")) };
    if present.trust == *after {
        return Ok(Answer::Skipped);
    }
    if present.trust != *before {
        return Err(changed(&what, "another trust policy was written"));
    }
    iam.put_trust(role, after).await?;
    match iam.role(role).await? {
        Some(present) if crate::model::policy::same_meaning(&present.trust, after) => Ok(Answer::Done),
        _ => Err(changed(&what, "another write came right after podid's")),
    }
}

async fn put_policy(
    iam: &dyn Iam,
    role: &str,
    name: &str,
    before: Option<&Document>,
    after: &Document,
) -> Result<Answer> {
    if let Some(before) = before {
        let present = iam.inline_policy(role, name).await?;
        if present.as_ref() != Some(before) {
            return Err(changed(
                &format!("the inline policy `{name}` of role `{role}`"),
                "another document was written",
            ));
        }
    }
    iam.put_inline_policy(role, name, after).await?;
    Ok(Answer::Done)
}

/// Repeats a write that IAM refuses because one of its own servers does not know the new role yet.
async fn seen_by_iam<T, F, Fut>(guard: &Guard, mut write: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let started = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(2));
    loop {
        match write().await {
            Err(failure)
                if failure.is("NoSuchEntity")
                    && failure.service_message().contains("role with name")
                    && started.elapsed() < ROLE_SEEN => {}
            answered => return answered,
        }
        guard.pause("waiting for IAM to know the new role", backoff.step()).await?;
    }
}

fn changed(what: &str, how: &str) -> Failure {
    Failure::failed(format!("{what} changed meanwhile"))
        .because(how.to_owned())
        .hint("run the same command again: it plans from what is there now")
}

/// Repeats a write that EKS refuses only because it does not see the role, or its new trust policy, yet.
async fn patiently<F, Fut>(guard: &Guard, iam: &dyn Iam, role_arn: &str, mut write: F) -> Result<Association>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Association>>,
{
    let started = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
    let mut patience = None;
    loop {
        let failure = match write().await {
            Ok(association) => return Ok(association),
            Err(failure) => failure,
        };
        let message = failure.service_message();
        let unseen_role = message.contains("Role provided in the request does not exist");
        let unseen_trust = message.contains("Trust policy of the role provided is invalid");
        if !(unseen_role || unseen_trust) {
            return Err(failure);
        }
        if patience.is_none() {
            let name = role_arn.rsplit('/').next().unwrap_or(role_arn);
            patience = Some(match iam.role(name).await {
                Ok(Some(_)) => PROPAGATION,
                Ok(None) => Duration::ZERO,
                // EKS's word is all there is, and it may be late.
                Err(_) => UNREAD,
            });
        }
        if patience.is_none_or(|patience| started.elapsed() >= patience) {
            return Err(failure);
        }
        let pause = backoff.step();
        if guard.left() <= pause {
            // What EKS said last is why podid was still waiting.
            let late = guard.timed_out(WAITING);
            let failure = late.hints.into_iter().fold(failure.context(late.message), Failure::hint);
            return Err(Failure { code: late.code, ..failure });
        }
        guard.pause(WAITING, pause).await?;
    }
}

/// An idempotency token: the same for every retry of one write, another for the next.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = format!("{}-{}-{:?}", std::process::id(), now.as_nanos(), std::thread::current().id());
    Sha256::digest(seed.as_bytes()).iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// What remains of a failed command's exit code once something was written.
pub fn after_write(failure: Failure, wrote: bool) -> Failure {
    if !wrote {
        return failure;
    }
    let code = match failure.code {
        signalled @ (Code::Interrupted | Code::Terminated) => signalled,
        _ => Code::Partial,
    };
    Failure { code, ..failure }.hint("run the same command again: finished steps are skipped")
}
