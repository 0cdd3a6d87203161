//! Carries a migration out, role by role: the writes, the proof that new pods get credentials, the restarts, and what the logs of
//! the new pods tell.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};

use super::select::asking;
use crate::{
    checks::migration::{Complaint, Told},
    commands::{
        agent,
        recycle::{self, Pace, Rollout},
        shared,
    },
    context::Context,
    execute::{self, Outcome, Ports},
    explain,
    failure::{Code, Failure, Result},
    model::{
        arn::{Arn, last},
        association::Association,
        have::Observed,
        migration::Candidate,
        names::ServiceAccount,
        snapshot::Snapshot,
        staleness,
        text::{count, listed},
        workload::{Injection, Pod},
    },
    observe::{self, verify::Logs},
    plan::{Group, Migrated, Step},
    ports::Kubernetes,
    prove::{
        effective::{self, Change, Effect, Effective},
        rollout::undo,
    },
};

/// Names that are shown of many.
const SHOWN: usize = 3;

/// What it came to.
#[derive(Default)]
pub(super) struct Ending {
    /// The writes.
    pub(super) outcome: Outcome,
    /// Whether new pods get credentials.
    pub(super) effective: BTreeMap<ServiceAccount, Effective>,
    /// The restarts.
    pub(super) rollouts: Vec<Rollout>,
    /// Running pods that still use IRSA, `NAMESPACE/NAME`.
    pub(super) stale: Vec<String>,
    /// Those that have such pods.
    pub(super) partly: BTreeSet<ServiceAccount>,
    /// How it is known that the pods act as their role.
    pub(super) proofs: BTreeMap<ServiceAccount, String>,
    /// Service accounts whose role's turn came.
    pub(super) begun: Vec<ServiceAccount>,
    /// How those ended whose turn is over.
    pub(super) ended: BTreeMap<ServiceAccount, Result<(), ()>>,
}

/// What was read of one of a group, and its association by now.
struct Member<'a> {
    candidate: &'a Candidate,
    association: Association,
    change: Change,
    /// What its logs told before the restart.
    before: Told,
}

impl Member<'_> {
    fn subject(&self) -> &ServiceAccount {
        &self.candidate.snapshot.subject
    }
}

/// Carries all out; stops at the first role that fails.
///
/// # Errors
/// What failed; how far it came is in `ending`.
pub(super) async fn carry_out(
    ctx: &Context,
    candidates: &[&Candidate],
    migrated: &Migrated,
    pace: Pace,
    ending: &mut Ending,
) -> Result<()> {
    // Of those without a group nothing is left to do.
    for subject in candidates.iter().map(|candidate| &candidate.snapshot.subject) {
        if !migrated.groups.iter().any(|group| group.subjects.contains(subject)) {
            ending.ended.insert(subject.clone(), Ok(()));
        }
    }
    if migrated.groups.is_empty() {
        return Ok(());
    }
    let mut groups = migrated.groups.iter();
    let mut done = install(ctx, candidates, migrated, ending).await;
    while done.is_ok() {
        let Some(group) = groups.next() else { return Ok(()) };
        ending.begun.extend(group.subjects.iter().cloned());
        let carried = one(ctx, candidates, group, pace, ending).await;
        let result = carried.as_ref().copied().map_err(|_| ());
        ending.ended.extend(group.subjects.iter().map(|subject| (subject.clone(), result)));
        done = carried;
    }
    let left: Vec<Step> = groups.flat_map(|group| group.plan.steps.iter().cloned()).collect();
    ending.outcome.add(Outcome::not_started(left));
    done
}

/// The agent first, and proved: a pod that was injected where no agent answers gets no credentials at all.
async fn install(ctx: &Context, candidates: &[&Candidate], migrated: &Migrated, ending: &mut Ending) -> Result<()> {
    let Some(step) = &migrated.agent else { return Ok(()) };
    let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube: Some(ctx.kube().await?) };
    let run = execute::run(&ports, &ctx.deadline, vec![step.clone()], |report| shared::report_step(ctx, report));
    ending.outcome = run.await;
    if let Some(failure) = ending.outcome.failure() {
        return Err(failure.clone());
    }
    let state = candidates.iter().find_map(|candidate| candidate.snapshot.cluster.agent.known());
    match state {
        Some(state) => agent::settle(ctx, state.clone(), true, None).await.map(|_| ()),
        None => Ok(()),
    }
}

async fn one(ctx: &Context, candidates: &[&Candidate], group: &Group, pace: Pace, ending: &mut Ending) -> Result<()> {
    let kube = ctx.kube().await?;
    let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube: Some(kube) };
    let (restarts, writes): (Vec<Step>, Vec<Step>) =
        group.plan.steps.iter().cloned().partition(|step| matches!(step, Step::Restart { .. }));
    let outcome = execute::run(&ports, &ctx.deadline, writes, |report| shared::report_step(ctx, report)).await;
    let made = outcome.associations.clone();
    let failed = outcome.failure().map(|failure| addressed(failure.clone(), &outcome, &group.role));
    let last_write = outcome.last_write;
    ending.outcome.add(outcome);
    let proved = match failed {
        Some(failure) => Err(failure),
        None => ready(ctx, kube, (candidates, group), &made, pace.logs, ending).await,
    };
    let members = match proved {
        Ok(members) => members,
        Err(failure) => {
            ending.outcome.add(Outcome::not_started(restarts));
            return Err(failure);
        }
    };
    if !restarts.is_empty() || !group.plan.watch.is_empty() {
        let associations: Vec<Association> = members.iter().map(|it| it.association.clone()).collect();
        let carried = recycle::carry_out_all(ctx, &associations, &restarts, last_write, pace).await;
        let (reports, rollouts) = carried.inspect_err(|_| {
            ending.outcome.add(Outcome::not_started(restarts.clone()));
        })?;
        let restarted = Outcome { reports, ..Outcome::default() };
        let verdict = recycle::verdict(&rollouts, &restarted).map_err(|failure| without_undo(failure, &rollouts));
        ending.outcome.add(restarted);
        ending.rollouts.extend(rollouts);
        verdict?;
    }
    for member in &members {
        check(ctx, kube, member, &group.role, pace.logs, ending).await?;
    }
    Ok(())
}

/// The pods of an earlier revision would come by the association too: undoing a rollout is no way back.
fn without_undo(mut failure: Failure, rollouts: &[Rollout]) -> Failure {
    failure.hints.retain(|hint| !rollouts.iter().any(|rollout| *hint == undo(&rollout.workload)));
    failure
}

/// The explanations' commands for this service account and role.
fn addressed(failure: Failure, outcome: &Outcome, role: &Arn) -> Failure {
    let of = outcome.reports.iter().find(|report| report.failure.is_some()).map(|report| report.step.resource());
    explain::addressed(failure, &[("NS/SA", &of.unwrap_or_default()), ("ROLE", role.name())])
}

/// That new pods of each get credentials.
async fn ready<'a>(
    ctx: &Context,
    kube: &dyn Kubernetes,
    (candidates, group): (&[&'a Candidate], &Group),
    made: &[Association],
    logs: bool,
    ending: &mut Ending,
) -> Result<Vec<Member<'a>>> {
    let mut members = Vec::new();
    for candidate in candidates.iter().filter(|it| group.subjects.contains(&it.snapshot.subject)) {
        let subject = &candidate.snapshot.subject;
        let new = made.iter().find(|association| association.summary.subject == *subject);
        let change = if new.is_some() { Change::Created } else { Change::Nothing };
        let Some(association) = new.or(candidate.snapshot.associated()).cloned() else {
            return Err(Failure::failed(format!("the association of {subject} was not created")));
        };
        members.push(Member { candidate, association, change, before: Told::default() });
    }
    let proofs = stream::iter(&members).map(|member| async move {
        let snapshot = &member.candidate.snapshot;
        let line = ctx.term.progress(snapshot.subject.to_string());
        let pods = snapshot.pods.known().map(Vec::as_slice);
        let (of, change) = (&member.association, member.change);
        let proved = effective::prove(kube, &ctx.deadline, &line, &snapshot.subject, of, change, pods).await;
        match &proved {
            Ok(effective) => effective.end(&line),
            Err(_) => line.clear(),
        }
        proved
    });
    let proofs: Vec<Result<Effective>> = proofs.buffered(observe::CONCURRENCY).collect().await;
    let mut failed = None;
    for (member, proof) in members.iter().zip(proofs) {
        let subject = member.subject();
        match proof {
            Ok(effective) => {
                let unusable = effective.effect == Effect::No;
                let why = effective.failure(subject).or_else(|| {
                    unusable.then(|| {
                        Failure::failed(format!("new pods of {subject} cannot be created")).because(&effective.how)
                    })
                });
                failed = failed.or(why);
                ending.effective.insert(subject.clone(), effective);
            }
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    if logs {
        for member in &mut members {
            member.before = told(ctx, kube, member.candidate.snapshot.clone()).await?;
        }
    }
    Ok(members)
}

/// What the logs of these pods tell.
async fn told(ctx: &Context, kube: &dyn Kubernetes, mut snapshot: Snapshot) -> Result<Told> {
    let asking = asking(ctx, kube, false, Some(Logs::default()))?;
    snapshot.logs = ctx.deadline.within("reading the logs", asking.logs(&snapshot)).await?;
    Ok(Told::of(&snapshot))
}

/// That the pods use Pod Identity now, and act as the same role as far as their logs tell.
async fn check(
    ctx: &Context,
    kube: &dyn Kubernetes,
    member: &Member<'_>,
    role: &Arn,
    logs: bool,
    ending: &mut Ending,
) -> Result<()> {
    let subject = member.subject();
    let pods = ctx.deadline.within("reading the pods", kube.pods(subject)).await?;
    let live: Vec<&Pod> = pods.iter().filter(|pod| pod.live()).collect();
    let stale: Vec<&Pod> =
        live.iter().copied().filter(|pod| staleness::stale(pod, &member.association).is_some()).collect();
    if !stale.is_empty() {
        ctx.term.warn(shared::stale_pods(&stale, Some(subject)));
        ending.stale.extend(stale.iter().map(|pod| pod.full_name()));
        ending.partly.insert(subject.clone());
    }
    let both: Vec<String> = live
        .iter()
        .filter(|pod| pod.injection() == Injection::Injected && pod.irsa_role().is_some())
        .map(|pod| pod.full_name())
        .collect();
    if !both.is_empty() {
        return Err(Failure::new(
            Code::Difference,
            format!("new pods of {subject} still use IRSA: {}", listed(&both, SHOWN)),
        )
        .because("they set the variables of a web identity themselves, which an SDK uses first")
        .hint("remove AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE from the workload"));
    }
    let injected = live.iter().filter(|pod| pod.injection() == Injection::Injected).count();
    let seen = ending.effective.get(subject).is_some_and(|it| it.effect == Effect::Observed);
    let mut proof = match injected {
        0 if seen => "new pods get credentials; none runs yet".to_owned(),
        0 => "the association is in place, and none of its pods uses it yet".to_owned(),
        1 => format!("its pod uses Pod Identity with role {}", role.name()),
        n => format!("its {n} pods use Pod Identity with role {}", role.name()),
    };
    if logs && injected > 0 {
        let mut now = member.candidate.snapshot.clone();
        let new = live.iter().copied().filter(|pod| !stale.iter().any(|old| old.uid == pod.uid)).cloned().collect();
        (now.pods, now.now) = (Observed::Known(new), ctx.term.now());
        now.association = Observed::Known(Some(member.association.clone()));
        let told = told(ctx, kube, now).await?;
        let acts = last(&member.candidate.annotation.role);
        if let Some((pod, other)) = told.acting.iter().find(|(_, role)| role != acts) {
            return Err(Failure::new(Code::Difference, format!("pod {pod} acts as role {other}, not as {acts}"))
                .hint(format!("see the credentials of its pods: `podid show {subject}`")));
        }
        let new = told.since(&member.before);
        if !new.is_empty() {
            return Err(complained(subject, &new));
        }
        match (&told.unread, told.acting.first()) {
            (Some(why), _) => ctx.term.warn(format!("logs of {subject} not checked: {why}")),
            (None, Some((pod, _))) => proof = format!("{proof} (log of {pod})"),
            (None, None) => {}
        }
    }
    ctx.term.success(format!("{subject}: {proof}"));
    ending.proofs.insert(subject.clone(), proof);
    Ok(())
}

fn complained(subject: &ServiceAccount, new: &[&Complaint]) -> Failure {
    let message = format!("the new pods of {subject} log {} that they did not log before", count(new.len(), "error"));
    let failure = Failure::new(Code::Difference, message);
    let told = new.iter().take(SHOWN).map(|it| format!("pod {}: {}", it.pod, it.line));
    told.fold(failure, Failure::because).hint(format!("find the cause with `podid verify {subject}`"))
}
