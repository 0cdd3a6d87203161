//! Watches a rollout until it is done, cannot succeed, or time is over.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::StreamExt;

use super::stuck::{self, State, Warnings};
use crate::{
    explain::{self, Explanation},
    failure::{Failure, Result},
    model::{
        names::ServiceAccount,
        rollout::{self, Change, Progress, Trouble, TroubleKind},
        workload::{Pod, Workload, WorkloadKind, WorkloadRef},
    },
    output::{Progress as Line, mask},
    ports::{Kubernetes, RolloutView, Tail},
    prove::injected,
    wait::Deadline,
};

/// Lines of a crashed container's log that are shown.
const LOG_LINES: u32 = 5;

/// How a rollout is watched.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// Whose workload, for the hints.
    pub subject: &'a ServiceAccount,
    /// When IAM or the association was last written, as far as podid knows.
    pub last_write: Option<Instant>,
    /// Show the application's log lines.
    pub logs: bool,
    /// The workload as it is called, with its namespace where there are several.
    pub name: &'a str,
    /// What is said when it is done.
    pub done: &'a str,
    /// Whether its new pods are to be injected; `None` when that does not matter.
    pub injected: Option<bool>,
}

/// How long a pod that runs may take to get ready before that is shown.
const STARTS: Duration = Duration::from_secs(10);

/// How a watch ended.
#[derive(Debug)]
pub struct Watched {
    /// Well, or why not.
    pub result: Result<()>,
    /// What somebody else did to the workload meanwhile.
    pub change: Option<Change>,
    /// How far it was when it failed.
    pub last: Option<State>,
}

/// Watches the rollout of `workload`, as it was after its restart, until it is done, cannot succeed (with container state, exit code
/// and last log lines), was changed by somebody else, the deadline passes, or it is interrupted.
pub async fn watch(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Line,
    workload: &Workload,
    how: Watch<'_>,
) -> Watched {
    let mut seen = Watched { result: Ok(()), change: None, last: None };
    let result = until_done(kube, deadline, line, workload, how, &mut seen).await;
    let last = seen.last.filter(|_| result.is_err());
    Watched { result: result.map_err(|failure| stuck::late(failure, last.as_ref())), last, ..seen }
}

async fn until_done(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    line: &Line,
    begun: &Workload,
    how: Watch<'_>,
    seen: &mut Watched,
) -> Result<()> {
    let what = format!("watching {}", how.name);
    let mut views = deadline.within(&what, kube.follow(begun)).await?;
    let mut since: BTreeMap<String, Instant> = BTreeMap::new();
    let mut warnings = Warnings::new();
    let mut view: Option<RolloutView> = None;
    loop {
        // A trouble may end the watch by lasting, without any event.
        let tick = deadline.within_or_tick(&what, Duration::from_secs(1), views.next()).await;
        match tick.map_err(|failure| held(failure, view.as_ref(), begun))? {
            Some(Some(next)) => view = Some(next?),
            Some(None) => return Err(Failure::failed(format!("the watch of {} ended", how.name))),
            None => {}
        }
        let Some(view) = &view else { continue };
        seen.change = rollout::change(begun, view.workload.as_ref()).or(seen.change.take());
        let present = view.workload.as_ref().map(|present| present.since(begun));
        let progress = present.as_ref().map(|present| rollout::judge(present, &view.pods, begun.generation));
        let done = progress.as_ref().is_some_and(|progress| progress.done);
        if let Some(change) =
            seen.change.as_ref().filter(|change| change.ends() && !(done && **change == Change::Paused))
        {
            return Err(stuck::changed(how.name, change, begun));
        }
        let (Some(present), Some(progress)) = (present, progress) else { continue };
        if done {
            if let Some(wanted) = how.injected {
                // Each has a watch of its own: the pods may arrive later than the workload that counts them.
                if behind(&present, &view.pods, progress.wanted) {
                    continue;
                }
                injected::inspect(how.name, &present.id, &view.pods, wanted)?;
            }
            line.done(&match &seen.change {
                Some(change) => format!("{}; it {change} meanwhile", how.done),
                None => how.done.to_owned(),
            });
            return Ok(());
        }
        let mut troubles = rollout::troubles(&present, &view.pods, begun.generation);
        warnings.add_to(&mut troubles, kube, deadline, (&present, &view.pods)).await;
        seen.last = Some(State { progress: progress.clone(), problems: troubles.clone() });
        let keys: Vec<String> = troubles.iter().map(|t| format!("{:?}", t.key())).collect();
        since.retain(|key, _| keys.contains(key));
        let since_write = how.last_write.map(|at| at.elapsed().as_secs());
        for (trouble, key) in troubles.iter().zip(keys) {
            let seen_for = since.entry(key).or_insert_with(Instant::now).elapsed().as_secs();
            if trouble.ends(seen_for, since_write) {
                let failure = ended(kube, deadline, &present, (trouble, &troubles), how).await;
                return Err(match view.unread {
                    Some(permission) => {
                        failure.because(format!("new pods were identified by their age: not allowed: {permission}"))
                    }
                    None => failure,
                });
            }
        }
        // A pod that only just runs is on its way.
        let lasts = |it: &&Trouble| {
            it.kind != TroubleKind::NotReady
                || since.get(&format!("{:?}", it.key())).is_some_and(|at| at.elapsed() >= STARTS)
        };
        let shown = troubles.iter().find(lasts);
        let unread = warnings.unread().map_or_else(String::new, |why| format!("; events not read: {why}"));
        let text = waiting(&progress, shown, since_write, || {
            rollout::holding(&present, &view.pods, begun.generation).first().map(|pod| pod.name.clone())
        });
        line.update(format!("{text}{unread}"));
    }
}

/// The progress line: what it waits for, and the worst of what keeps it.
fn waiting(
    progress: &Progress,
    trouble: Option<&Trouble>,
    since_write: Option<u64>,
    holding: impl FnOnce() -> Option<String>,
) -> String {
    let text = format!("waiting for {}", progress.waiting_for);
    if let Some(trouble) = trouble {
        let waits = if since_write.is_some_and(|s| s < 60) && trouble.kind == TroubleKind::Crash {
            ", the change may still be propagating in IAM"
        } else {
            ""
        };
        format!("{text} ({}{waits})", stuck::line(trouble))
    } else if let Some(pod) = holding() {
        format!("{text} (old pod {pod} is failing and has to be deleted)")
    } else {
        text
    }
}

/// A failure while old pods keep a StatefulSet from going on: who they are, and what to do.
fn held(failure: Failure, view: Option<&RolloutView>, restarted: &Workload) -> Failure {
    let Some(RolloutView { workload: Some(present), pods, .. }) = view else { return failure };
    let names: Vec<&str> =
        rollout::holding(present, pods, restarted.generation).iter().map(|pod| pod.name.as_str()).collect();
    if names.is_empty() {
        return failure;
    }
    let (id, namespace) = (&present.id, &present.id.namespace);
    let (are, they) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
    failure
        .because(format!("{id} replaces no pods while {} {are} not ready", names.join(", ")))
        .hint(format!("delete {they} to continue: `kubectl delete pod -n {namespace} {}`", names.join(" ")))
}

/// `trouble` ended it; it is one of `all`.
async fn ended(
    kube: &dyn Kubernetes,
    deadline: &Deadline,
    workload: &Workload,
    (trouble, all): (&Trouble, &[Trouble]),
    how: Watch<'_>,
) -> Failure {
    let mut failure = stuck::told(Failure::failed(format!("the rollout of {} failed", how.name)), trouble);
    // A deadline only says that nothing moved; what kept it is with the pods.
    let mut trouble = trouble;
    if trouble.kind == TroubleKind::Deadline
        && let Some(behind) = all.iter().find(|trouble| trouble.kind != TroubleKind::Deadline)
    {
        failure = stuck::told(failure, behind);
        trouble = behind;
    }
    if let (Some(pod), Some(container)) = (&trouble.pod, &trouble.container)
        && how.logs
        && trouble.kind == TroubleKind::Crash
    {
        let namespace = &workload.id.namespace;
        // The container that crashed may be waiting to start again, and its log is then the previous one.
        match deadline
            .within("reading the log", kube.log(namespace, pod, container, Tail::plain(true, LOG_LINES)))
            .await
        {
            Ok(log) => {
                // Masked as a whole: a private key is more than one line.
                let masked = mask::mask(&log);
                let lines: Vec<&str> = masked.lines().filter(|line| !line.trim().is_empty()).collect();
                if !lines.is_empty() {
                    failure = failure.because(format!("its last log lines:\n{}", lines.join("\n")));
                }
                // The last line that says something of credentials is the one that ended it.
                if let Some(said) = lines.iter().rev().find_map(|line| explain::log_line(line)) {
                    failure = addressed(said, how.subject, workload).added_to(failure);
                }
            }
            // Whoever stops podid meanwhile is not told that the rollout failed only.
            Err(stopped) if stopped.code.signalled() => {
                let failure = failure.because(format!("{} while its log was read", stopped.message));
                return Failure { code: stopped.code, ..failure };
            }
            Err(unread) => failure = failure.because(format!("its log could not be read: {unread}")),
        }
    }
    let failure = failure.hint(format!("see its credentials with `podid show {}`", how.subject));
    if workload.id.kind == WorkloadKind::Rollout {
        // Its restart changed no revision.
        return failure;
    }
    failure.hint(undo(&workload.id))
}

/// Whether no pod of the newest revision is known yet, although there are some.
fn behind(workload: &Workload, pods: &[Pod], wanted: u64) -> bool {
    let Some(newest) = &workload.status.update_revision else { return false };
    let known = pods.iter().any(|pod| pod.live() && pod.revision.as_ref() == Some(newest));
    wanted > 0 && workload.id.kind != WorkloadKind::Rollout && !known
}

/// The hint to go back by hand.
pub fn undo(id: &WorkloadRef) -> String {
    format!("roll back with `kubectl -n {} rollout undo {id}`", id.namespace)
}

/// The explanation's commands for this workload.
fn addressed(said: Explanation, subject: &ServiceAccount, workload: &Workload) -> Explanation {
    let names = [
        ("NS/SA", subject.to_string()),
        ("NAMESPACE", workload.id.namespace.clone()),
        ("KIND/NAME", workload.id.to_string()),
    ];
    let address = |hint: String| names.iter().fold(hint, |hint, (name, value)| hint.replace(name, value));
    Explanation { hints: said.hints.into_iter().map(address).collect(), ..said }
}
