//! Why a rollout stands still, in the words of those who know: conditions, the scheduler, kubelets, and Events when they may be read.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    failure::{Code, Failure},
    model::{
        rollout::{self, Change, Progress, Trouble, TroubleKind},
        text,
        workload::{Pod, Workload},
    },
    output::mask,
    ports::Kubernetes,
    wait::Deadline,
};

/// Events are read when a rollout has stood still for this long, and again after as long.
const PAUSE: Duration = Duration::from_secs(3);
/// Problems that an error tells of.
const SHOWN: usize = 3;

/// How far a rollout was when it was last seen.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    /// How far.
    #[serde(flatten)]
    pub progress: Progress,
    /// What kept it, worst first.
    pub problems: Vec<Trouble>,
}

/// The last warning about each object that was asked about, by UID.
pub(super) struct Warnings {
    known: BTreeMap<String, (String, String)>,
    next: Instant,
    /// Why not, when they are not allowed or not answered: done without.
    refused: Option<String>,
}

impl Warnings {
    pub(super) fn new() -> Self {
        Self { known: BTreeMap::new(), next: Instant::now() + PAUSE, refused: None }
    }

    /// Why they are not read.
    pub(super) fn unread(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Adds to `troubles` what events tell; reads them again when it is time.
    pub(super) async fn add_to(
        &mut self,
        troubles: &mut Vec<Trouble>,
        kube: &dyn Kubernetes,
        deadline: &Deadline,
        (workload, pods): (&Workload, &[Pod]),
    ) {
        let asked = rollout::asks_events(workload, pods);
        self.known.retain(|uid, _| asked.contains(uid));
        if self.refused.is_none() && !asked.is_empty() && self.next <= Instant::now() {
            self.read(kube, deadline, &workload.id.namespace, asked).await;
            self.next = Instant::now() + PAUSE;
        }
        rollout::told_by_events(troubles, workload, pods, &|uid| self.known.get(uid).cloned());
    }

    async fn read(&mut self, kube: &dyn Kubernetes, deadline: &Deadline, namespace: &str, asked: Vec<String>) {
        for uid in asked {
            match deadline.within("reading events", kube.warning(namespace, &uid)).await {
                Ok(Some(warning)) => _ = self.known.insert(uid, warning),
                Ok(None) => _ = self.known.remove(&uid),
                // The loop that asks meets a deadline or a signal itself.
                Err(failure) => {
                    self.refused = Some(failure.to_string());
                    return;
                }
            }
        }
    }
}

/// A failure for want of time, with the last state that was seen.
pub(super) fn late(mut failure: Failure, last: Option<&State>) -> Failure {
    let Some(State { progress, problems }) = last.filter(|_| failure.code == Code::TimedOut) else { return failure };
    failure = failure.because(format!("it was waiting for {}", progress.waiting_for));
    for trouble in problems.iter().take(SHOWN) {
        failure = told(failure, trouble);
    }
    failure
}

/// What somebody else did ended it.
pub(super) fn changed(name: &str, change: &Change, workload: &Workload) -> Failure {
    let (id, namespace) = (&workload.id, &workload.id.namespace);
    let failure = Failure::failed(format!("{name} {change} while it rolled out"));
    match change {
        Change::Deleted | Change::Restarted => failure,
        Change::Scaled(..) => failure.because("no new pods are left to check"),
        Change::Paused => failure
            .hint(format!("resume it: `kubectl rollout resume {id} -n {namespace}`, then run the same command again")),
        Change::Undone | Change::Template => {
            failure.hint(format!("see the change: `kubectl rollout history {id} -n {namespace}`"))
        }
    }
}

/// A trouble in a few words.
pub(super) fn short(trouble: &Trouble) -> String {
    let pod = trouble.pod.as_deref().map_or(String::new(), |pod| format!("pod {pod}: "));
    let restarts = match trouble.restarts {
        0 => String::new(),
        n => format!(", restarted {}", text::count(n.try_into().unwrap_or(usize::MAX), "time")),
    };
    format!("{pod}{}{restarts}", trouble.reason)
}

/// A trouble for the progress line: with its message where that is what there is to know.
pub(super) fn line(trouble: &Trouble) -> String {
    match trouble.kind {
        TroubleKind::Refused | TroubleKind::Unschedulable if !trouble.message.is_empty() => {
            format!("{}: {}", short(trouble), mask::mask(&trouble.message))
        }
        _ => short(trouble),
    }
}

/// The trouble, and the words of who reported it.
pub(super) fn told(failure: Failure, trouble: &Trouble) -> Failure {
    let failure = failure.because(short(trouble));
    // `Error` is what the kubelet calls every exit code but 0.
    if trouble.message.is_empty() || trouble.message == "Error" {
        return failure;
    }
    failure.because(mask::mask(&trouble.message))
}
