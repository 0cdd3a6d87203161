//! Whether new pods are injected: the probe, and what stands in for it where it cannot be asked.

mod wanted;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use self::wanted::Wanted;
use crate::{
    failure::{Code, Failure, Result},
    model::{
        agent::AgentState,
        association::Association,
        have::Observed,
        names::ServiceAccount,
        staleness,
        workload::{Injection, Pod, Workload},
    },
    output::Progress,
    ports::{Kubernetes, Probe},
    prove::injected,
    wait::{Backoff, DOCUMENTED_DELAY, Deadline},
};

/// Hits in a row that count as proof. Several API servers stand behind one name and learn of an association one by one.
const HITS: u32 = 6;

/// The shortest time over which the hits are spread.
const SPREAD: Duration = Duration::from_secs(3);

/// What is known of the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// New pods are injected: seen.
    Observed,
    /// Nothing could be observed; the documented time has passed.
    Assumed,
    /// It cannot take effect: there is no such service account.
    No,
    /// New pods get no credentials, injected or not: no agent serves them.
    #[serde(rename = "no")]
    NoAgent,
    /// New pods cannot be created as long as things are as they are.
    #[serde(rename = "no")]
    Blocked,
    /// There will be no new pods.
    #[serde(rename = "no")]
    Never,
}

/// The effect and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// What is known.
    pub effect: Effect,
    /// How, in a few words.
    pub how: String,
}

impl Effective {
    /// The effect as far as the agent goes: where no new pod finds one, injected or not, it gets no credentials; where nobody
    /// could look, that is said.
    #[must_use]
    pub fn served(
        self,
        agent: &Observed<AgentState>,
        pods: &Observed<Vec<Pod>>,
        workloads: &Observed<Vec<Workload>>,
    ) -> Self {
        match agent {
            Observed::NotRequested => self,
            Observed::Unreadable(why) => self.agent_unchecked(why),
            Observed::Known(state) => {
                let pods = pods.known().map_or(&[][..], Vec::as_slice);
                let workloads = workloads.known().map_or(&[][..], Vec::as_slice);
                match state.unserved(pods, workloads) {
                    Some(why) => self.without_agent(&why, state.installed()),
                    None => self,
                }
            }
        }
    }

    fn without_agent(self, why: &str, installed: bool) -> Self {
        match self.effect {
            Effect::Observed | Effect::Assumed => {
                let until =
                    if installed { format!("an agent is ready ({why})") } else { "the agent is installed".to_owned() };
                Self { effect: Effect::NoAgent, how: format!("new pods will get no credentials until {until}") }
            }
            _ => self,
        }
    }

    fn agent_unchecked(self, why: &str) -> Self {
        match self.effect {
            Effect::Observed | Effect::Assumed => {
                Self { how: format!("{}; the agent was not checked: {why}", self.how), ..self }
            }
            _ => self,
        }
    }

    /// Why new pods of `subject` are not ready although everything was done, as a failure.
    pub fn failure(&self, subject: &ServiceAccount) -> Option<Failure> {
        let unready = || Failure::new(Code::TimedOut, format!("{subject} is associated, but not ready"));
        let (failure, hint) = match self.effect {
            Effect::Observed | Effect::Assumed | Effect::No => return None,
            Effect::NoAgent => (
                unready(),
                "see the agent with `podid agent status`, and install it with `podid agent install`".to_owned(),
            ),
            Effect::Blocked => {
                (unready(), format!("raise the quota, then check with `podid wait {subject} --for ready`"))
            }
            Effect::Never => (
                Failure::failed(format!("no new pods of {subject} can be created")),
                format!("see the namespace with `kubectl get namespace {} -o yaml`", subject.namespace),
            ),
        };
        Some(failure.because(self.how.clone()).hint(hint))
    }

    /// Ends the line of progress of a deleted association with it.
    pub fn end_deleted(&self, line: &Progress) {
        line.done(self.how.clone());
    }

    /// Ends the line of progress with it.
    pub fn end(&self, line: &Progress) {
        match self.effect {
            Effect::Observed => line.done(format!("ready: {}", self.how)),
            Effect::Assumed => line.done(format!("probably ready: {}", self.how)),
            Effect::No | Effect::NoAgent | Effect::Blocked | Effect::Never => line.fail(self.how.clone()),
        }
    }
}

/// What was done to the association in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Made just now.
    Created,
    /// Another role or setting: nothing of that can be observed from outside.
    Updated,
    /// Nothing: it was so already.
    Nothing,
}

/// Proves that new pods of the service account are injected.
///
/// # Errors
/// The deadline, an interruption, or an API that fails; not a miss, which is waited out.
pub async fn prove(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Progress,
    subject: &ServiceAccount,
    association: &Association,
    change: Change,
    pods: Option<&[Pod]>,
) -> Result<Effective> {
    let settled = match change {
        Change::Created => Duration::ZERO,
        Change::Updated => DOCUMENTED_DELAY,
        Change::Nothing => unsettled(association, Timestamp::now()),
    };
    if change == Change::Updated || !settled.is_zero() {
        return assume(deadline, line, settled, "an update cannot be observed from outside").await;
    }
    if change == Change::Nothing
        && let Some(pod) = pods.and_then(|pods| evidence(association, pods))
    {
        return Ok(Effective {
            effect: Effect::Observed,
            how: format!("new pods get credentials (pod {} was injected)", pod.name),
        });
    }
    probe(kube, deadline, line, subject, Wanted::Credentials).await
}

/// Proves that new pods of the service account are injected where nothing is known of its association.
///
/// # Errors
/// As [`prove`].
pub async fn injected(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Progress,
    subject: &ServiceAccount,
) -> Result<Effective> {
    probe(kube, deadline, line, subject, Wanted::Injection).await
}

/// Proves that new pods of a service account whose association was deleted are not injected any more.
///
/// # Errors
/// As [`prove`].
pub async fn gone(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Progress,
    subject: &ServiceAccount,
) -> Result<Effective> {
    let effective = probe(kube, deadline, line, subject, Wanted::Nothing).await?;
    // Without the service account there are no new pods either.
    Ok(match effective.effect {
        Effect::No => Effective { effect: Effect::Observed, how: "the service account does not exist".to_owned() },
        Effect::Never => Effective { effect: Effect::Observed, how: "the namespace is being deleted".to_owned() },
        Effect::Blocked => {
            assume(deadline, line, DOCUMENTED_DELAY, &format!("no new pods can be created now: {}", effective.how))
                .await?
        }
        Effect::Observed | Effect::Assumed | Effect::NoAgent => effective,
    })
}

/// Proves that new pods of a service account whose association was deleted use IRSA again.
///
/// # Errors
/// As [`prove`].
pub async fn web_identity(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Progress,
    subject: &ServiceAccount,
) -> Result<Effective> {
    probe(kube, deadline, line, subject, Wanted::WebIdentity).await
}

/// True when the proof is at hand in what was read, and nothing has to be asked or waited for.
pub fn already_proved(association: &Association, change: Change, pods: &[Pod]) -> bool {
    change == Change::Nothing
        && unsettled(association, Timestamp::now()).is_zero()
        && evidence(association, pods).is_some()
}

/// The newest live pod made after the association, when it was injected: stronger than any probe.
fn evidence<'a>(association: &Association, pods: &'a [Pod]) -> Option<&'a Pod> {
    let since = association.created_at?;
    pods.iter()
        .filter(|pod| pod.live() && pod.created_at.is_some_and(|created| created >= since))
        .max_by_key(|pod| pod.created_at)
        .filter(|pod| pod.injection() == Injection::Injected)
}

/// What is left of the documented delay after an update that an earlier run made.
fn unsettled(association: &Association, now: Timestamp) -> Duration {
    let updated = association.created_at.is_some() && association.modified_at > association.created_at;
    let left = staleness::settles_in(association, now).filter(|_| updated);
    left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default()
}

async fn assume(deadline: &Deadline, line: &Progress, wait: Duration, why: &str) -> Result<Effective> {
    line.update(format!("waiting {} s for the change to propagate: {why}", DOCUMENTED_DELAY.as_secs()));
    deadline.pause("waiting for the association to propagate", wait).await?;
    Ok(Effective { effect: Effect::Assumed, how: format!("waited {} s ({why})", DOCUMENTED_DELAY.as_secs()) })
}

/// Probes until every API server agrees that new pods are injected, or that they are not.
async fn probe(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Progress,
    subject: &ServiceAccount,
    wanted: Wanted,
) -> Result<Effective> {
    let mut addresses = deadline.within("resolving the cluster's address", kube.addresses()).await?;
    let rounds = HITS.max(u32::try_from(addresses.len()).unwrap_or(HITS));
    let pause = SPREAD / (rounds - 1);
    let mut run = Run::default();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
    let mut asked: usize = 0;
    let mut faults = 0;
    let mut broken: Option<String> = None;
    loop {
        let address: Option<SocketAddr> = (!addresses.is_empty()).then(|| addresses[asked % addresses.len()]);
        asked += 1;
        let answer = deadline.within("checking whether new pods are injected", kube.probe(subject, address)).await;
        if answer.is_ok() {
            broken = None;
        }
        match answer {
            Ok(ref seen @ (Probe::Injected | Probe::NotInjected | Probe::WebIdentity(_))) if wanted.is(seen) => {
                faults = 0;
                run.hit(Instant::now());
                // One text for all hits: in a log each change is a line.
                line.update(format!("new pods are {}; confirming with {rounds} dry-run pods", wanted.word()));
                if run.proved(rounds) {
                    return Ok(Effective { effect: Effect::Observed, how: wanted.seen(rounds) });
                }
                deadline.pause("creating dry-run pods", pause).await?;
            }
            Ok(seen @ (Probe::Injected | Probe::NotInjected | Probe::WebIdentity(_))) => {
                run = Run::default();
                let (now, wait) = wanted.missed(&seen);
                line.update(now);
                let paused = deadline.pause(wait, backoff.step()).await;
                paused.map_err(|late| if wanted.injected() { explain(late, subject) } else { late })?;
            }
            Ok(Probe::Unprobeable(why)) => {
                return assume(deadline, line, DOCUMENTED_DELAY, &format!("cannot create a dry-run pod: {why}")).await;
            }
            Ok(Probe::NoRoom(how)) => return Ok(Effective { effect: Effect::Blocked, how }),
            Ok(Probe::Terminating(how)) => return Ok(Effective { effect: Effect::Never, how }),
            Ok(Probe::NoServiceAccount(what)) => {
                return Ok(Effective { effect: Effect::No, how: wanted.without_account(&what) });
            }
            // The API server or a webhook of its own is broken, and may come back: no new pod can be created meanwhile.
            Err(failure) if passes(&failure) => {
                run = Run::default();
                let why = broken.insert(why(&failure));
                line.update(format!("new pods cannot be created now: {why}"));
                let paused = deadline.pause("waiting until new pods can be created", backoff.step()).await;
                paused.map_err(|late| cannot_create(late, why))?;
            }
            // A name may have addresses that this machine cannot reach (IPv6 from an IPv4 network): the others count.
            Err(failure) if failure.code == Code::Failed && addresses.len() > 1 => {
                line.update(format!("a dry-run pod failed: {failure}"));
                addresses.retain(|other| Some(*other) != address);
                run = Run::default();
                asked = 0;
            }
            // One API server that does not answer is no answer; the next probe asks another.
            Err(failure) if failure.code == Code::Failed && faults < 3 => {
                faults += 1;
                run = Run::default();
                line.update(format!("a dry-run pod failed: {failure}"));
                deadline.pause("creating dry-run pods", backoff.step()).await?;
            }
            Err(failure) if broken.is_some() => return Err(cannot_create(failure, &broken.unwrap_or_default())),
            Err(failure) if wanted.injected() => return Err(explain(failure, subject)),
            Err(failure) => return Err(failure),
        }
    }
}

/// When time is over, what kept every new pod away until then is why.
fn cannot_create(late: Failure, why: &str) -> Failure {
    if late.code == Code::TimedOut { late.because(format!("new pods cannot be created: {why}")) } else { late }
}

/// An error of the server's, or a refusal that it takes back by itself.
fn passes(failure: &Failure) -> bool {
    failure.code == Code::Failed
        && failure
            .service
            .as_ref()
            .and_then(|service| service.status)
            .is_some_and(|status| status >= 500 || status == 403)
}

/// The service's own words, without which dry-run pod they are about.
fn why(failure: &Failure) -> String {
    failure.causes.first().unwrap_or(&failure.message).clone()
}

fn explain(failure: Failure, subject: &ServiceAccount) -> Failure {
    if failure.code == Code::TimedOut && failure.causes.is_empty() {
        return failure.because(format!("not every API server injects new pods of {subject} yet")).hint(injected::LOOK);
    }
    failure
}

/// Hits in a row.
#[derive(Debug, Default)]
struct Run {
    hits: u32,
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Run {
    fn hit(&mut self, at: Instant) {
        self.hits += 1;
        self.since.get_or_insert(at);
        self.last = Some(at);
    }

    fn proved(&self, rounds: u32) -> bool {
        let spread = self.last.zip(self.since).map_or(Duration::ZERO, |(last, since)| last - since);
        self.hits >= rounds && spread >= SPREAD
    }
}
