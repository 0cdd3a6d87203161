//! Which pods are stale, and which workloads have to be restarted for it. What cannot be restarted is named with what to do.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Plan, Step};
use crate::model::{
    association::Association,
    have::{Have, Observed},
    names::ServiceAccount,
    rollout,
    staleness::{self, opted_out},
    want::Want,
    workload::{Argo, CronJob, Pod, Strategy, Workload, WorkloadKind, WorkloadRef},
};

/// A pod that does not act under the association's present settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalePod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `deployment/carts`, `job/x`, or nothing for a bare pod.
    pub owner: Option<String>,
    /// Why, in one line.
    pub reason: String,
}

/// What was asked for and is not restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// `deployment/api`, `job/x`, `cluster/orders-db`, or `pod/x` for a pod without a controller.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Its pods that are concerned.
    pub pods: Vec<String>,
    /// Why, and what to do.
    pub reason: String,
    /// One of its pods needs the restart.
    pub needed: bool,
}

/// What cannot be restarted although pods need it, by `needs`.
pub fn skipped(workloads: &[Workload], pods: &[Pod], needs: &dyn Fn(&Pod) -> bool) -> (Vec<Skipped>, bool) {
    let mut plan = Plan::default();
    restarts(workloads, pods, needs, false, &mut plan);
    (plan.skipped, !plan.steps.is_empty() || !plan.watch.is_empty())
}

/// The stale ones among the live pods of a service account: for the message that ends a command.
pub fn stale_pods(pods: &[Pod], workloads: &[Workload], association: &Association) -> Vec<StalePod> {
    pods.iter()
        .filter(|pod| pod.live())
        .filter_map(|pod| {
            staleness::stale(pod, association).map(|reason| StalePod {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                owner: owner(pod, workloads),
                reason,
            })
        })
        .collect()
}

/// The Argo Rollouts that pods tell of and that could not be read, in one line.
pub fn unread_rollouts(pods: &[Pod], workloads: &[Workload]) -> Option<String> {
    let unread = pods.iter().filter(|pod| pod.live() && !workloads.iter().any(|workload| workload.owns(pod)));
    let names: BTreeSet<&str> = unread.filter_map(Pod::argo_rollout).collect();
    let names: Vec<String> = names.into_iter().map(|name| format!("rollout/{name}")).collect();
    (!names.is_empty())
        .then(|| format!("{} could not be read: not allowed: list rollouts.argoproj.io", names.join(", ")))
}

/// CronJobs of these service accounts, which have no pods most of the time: named, as nothing else would show them.
pub fn cron_jobs<'a>(
    found: &Observed<Vec<CronJob>>,
    subjects: impl IntoIterator<Item = &'a ServiceAccount>,
) -> Vec<String> {
    let found = match found {
        Observed::Known(found) => found,
        Observed::Unreadable(why) => return vec![format!("CronJobs not checked: {why}")],
        Observed::NotRequested => return Vec::new(),
    };
    let of = |subject: &'a ServiceAccount| {
        let own = move |job: &&CronJob| job.namespace == subject.namespace && job.service_account == subject.name;
        found.iter().filter(own)
    };
    let named = |job: &CronJob| {
        let suspended = if job.suspended { " (it is suspended)" } else { "" };
        format!("cronjob/{} is not restarted: its next run gets the new settings{suspended}", job.name)
    };
    subjects.into_iter().flat_map(of).map(named).collect()
}

fn owner(pod: &Pod, workloads: &[Workload]) -> Option<String> {
    let known = workloads.iter().find(|workload| workload.owns(pod)).map(|workload| workload.id.to_string());
    known.or_else(|| pod.owner.as_ref().map(|owner| format!("{}/{}", owner.kind.to_lowercase(), owner.name)))
}

/// Restarts for `associate --recycle`: the workloads with stale pods. Once the plan creates or updates the association,
/// that is every live pod.
pub(super) fn plan(want: &Want, have: &Have, plan: &mut Plan) {
    if !want.recycle {
        return;
    }
    let (Some(pods), Some(workloads)) = (have.pods.known(), have.workloads.known()) else {
        let why = have.pods.unreadable().or(have.workloads.unreadable()).unwrap_or("pods and workloads were not read");
        plan.warn(format!("nothing restarted: {why}"));
        return;
    };
    let association = have.association.known().and_then(Option::as_ref);
    let changing =
        plan.steps.iter().any(|s| matches!(s, Step::CreateAssociation { .. } | Step::UpdateAssociation { .. }));
    let settled = association.filter(|_| !changing);
    let stale = |pod: &Pod| match settled {
        Some(association) => staleness::stale(pod, association).is_some(),
        None => !opted_out(pod),
    };
    restarts(workloads, pods, &stale, false, plan);
}

/// Plans restarts. `all`: also of workloads without stale pods.
pub(super) fn restarts(workloads: &[Workload], pods: &[Pod], stale: &dyn Fn(&Pod) -> bool, all: bool, plan: &mut Plan) {
    let live: Vec<&Pod> = pods.iter().filter(|pod| pod.live()).collect();
    for workload in workloads {
        let own: Vec<&Pod> = live.iter().copied().filter(|pod| workload.owns(pod)).collect();
        let concerned: Vec<&Pod> = own.iter().copied().filter(|pod| all || stale(pod)).collect();
        if concerned.is_empty() && !all {
            continue;
        }
        if let Some(borrower) = borrower(workload, workloads) {
            // Its template is the Rollout's too: another annotation there begins an update.
            if !concerned.is_empty() {
                let (id, namespace) = (&workload.id, &workload.id.namespace);
                plan.skip(id, &concerned, stale, format!(
                    "{id} has pods of its own and is not restarted, because {borrower} uses its template and would be updated too: `kubectl rollout restart {id} -n {namespace}` restarts both"
                ));
            }
            continue;
        }
        plan_workload(workload, pods, &concerned, stale, plan);
    }
    for pod in live {
        let known = workloads.iter().any(|workload| workload.owns(pod));
        if !known && (all || stale(pod)) {
            plan.skip_pod(pod, stale);
        }
    }
}

fn plan_workload(workload: &Workload, pods: &[Pod], concerned: &[&Pod], stale: &dyn Fn(&Pod) -> bool, plan: &mut Plan) {
    let (id, namespace) = (&workload.id, &workload.id.namespace);
    let names = || concerned.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(" ");
    if workload.paused {
        plan.skip(
            id,
            concerned,
            stale,
            format!("{id} is paused and not restarted: resume it with `kubectl rollout resume {id} -n {namespace}`, then recycle it"),
        );
        return;
    }
    if workload.strategy == Strategy::OnDelete {
        plan.skip(
            id,
            concerned,
            stale,
            format!(
                "{id} replaces a pod only after it is deleted (OnDelete): `kubectl delete pod -n {namespace} {}`",
                names()
            ),
        );
        return;
    }
    if workload.id.kind == WorkloadKind::StatefulSet && workload.partition > 0 {
        let kept: Vec<&&Pod> =
            concerned.iter().filter(|pod| ordinal(pod).is_some_and(|n| n < workload.partition)).collect();
        if !kept.is_empty() {
            let kept: Vec<&Pod> = kept.iter().map(|pod| **pod).collect();
            plan.skip(
                id,
                &kept,
                stale,
                format!(
                    "{id} has partition {}: {} of its pods are not replaced; lower `spec.updateStrategy.rollingUpdate.partition` to include them",
                    workload.partition,
                    kept.len()
                ),
            );
        }
        if kept.len() == concerned.len() && !concerned.is_empty() {
            return;
        }
    }
    if let Some(argo) = &workload.argo
        && let Some(why) = refused(id, argo, plan)
    {
        plan.skip(id, concerned, stale, why);
        return;
    }
    let (new, held) = (rollout::new_pods(workload, pods), rollout::held(workload, pods));
    // A restart under way brings the settings already, unless a pod of the newest revision lacks them, or an old one holds it up.
    let stuck = held.iter().any(|held| !new.iter().any(|pod| pod.name == held.name));
    if !stuck && rollout::under_way(workload, pods) && !new.into_iter().any(stale) {
        plan.watch.push(id.clone());
        return;
    }
    let waits: Vec<&str> = rollout::in_the_way(workload, pods).iter().map(|pod| pod.name.as_str()).collect();
    if !waits.is_empty() {
        plan.warn(format!("{id} {}", delete_first(namespace, &waits)));
    }
    plan.steps.push(Step::Restart {
        workload: id.clone(),
        replicas: workload.replicas,
        strategy: workload.strategy,
        held: held.len(),
        spread: false,
    });
}

/// What a StatefulSet does whose pods fail, and what to do.
fn delete_first(namespace: &str, pods: &[&str]) -> String {
    format!(
        "replaces no pods while {} {} not ready: after the restart, run `kubectl delete pod -n {namespace} {}`",
        pods.join(", "),
        if pods.len() == 1 { "is" } else { "are" },
        pods.join(" ")
    )
}

/// Why the controller of an Argo Rollout would not carry a restart out; warns of its phase otherwise. It restarts paused and
/// aborted ones too.
fn refused(id: &WorkloadRef, argo: &Argo, plan: &mut Plan) -> Option<String> {
    let (name, namespace) = (&id.name, &id.namespace);
    let (phase, message) = (argo.phase.0.as_str(), argo.phase.1.as_str());
    let why = if message.is_empty() { String::new() } else { format!(" ({message})") };
    match phase {
        "Degraded" if message.starts_with("InvalidSpec") => {
            return Some(format!(
                "{id} is not restarted, because its controller rejects it: {message}; correct it, then recycle it"
            ));
        }
        "Degraded" => plan.warn(format!(
            "{id} is degraded{why}: the restart replaces the running pods; retry its update with `kubectl argo rollouts retry rollout {name} -n {namespace}`"
        )),
        "Paused" => plan.warn(format!(
            "{id} is paused{why}: the restart replaces the pods of all its revisions and leaves it paused; continue with `kubectl argo rollouts promote {name} -n {namespace}`"
        )),
        _ => {}
    }
    None
}

/// The Argo Rollout that uses a Deployment's template (`spec.workloadRef`).
fn borrower<'a>(workload: &Workload, workloads: &'a [Workload]) -> Option<&'a WorkloadRef> {
    let of = |other: &&Workload| {
        let template = other.argo.as_ref().and_then(|argo| argo.template_of.as_ref());
        other.id.namespace == workload.id.namespace && template == Some(&workload.id.name)
    };
    if workload.id.kind != WorkloadKind::Deployment {
        return None;
    }
    workloads.iter().find(of).map(|other| &other.id)
}

/// `db-3` gives 3.
fn ordinal(pod: &Pod) -> Option<u64> {
    pod.name.rsplit('-').next()?.parse().ok()
}

impl Plan {
    /// A workload that is not restarted: in a warning, and for the report.
    fn skip(&mut self, id: &WorkloadRef, pods: &[&Pod], stale: &dyn Fn(&Pod) -> bool, reason: String) {
        self.warn(reason.clone());
        self.skipped.push(Skipped {
            resource: id.to_string(),
            namespace: id.namespace.clone(),
            pods: pods.iter().map(|pod| pod.name.clone()).collect(),
            reason,
            needed: pods.iter().copied().any(stale),
        });
    }

    /// The same of a pod that no workload of podid's kinds owns.
    fn skip_pod(&mut self, pod: &Pod, stale: &dyn Fn(&Pod) -> bool) {
        let reason = loose(pod);
        self.warn(reason.clone());
        let rollout = pod.argo_rollout().map(|rollout| format!("rollout/{rollout}"));
        let owner = || pod.owner.as_ref().map(|owner| format!("{}/{}", owner.kind.to_lowercase(), owner.name));
        self.skipped.push(Skipped {
            resource: rollout.or_else(owner).unwrap_or_else(|| format!("pod/{}", pod.name)),
            namespace: pod.namespace.clone(),
            pods: vec![pod.name.clone()],
            reason,
            needed: stale(pod),
        });
    }
}

/// A pod that no workload of podid's kinds owns.
fn loose(pod: &Pod) -> String {
    let name = pod.full_name();
    // Where its Rollout could be read, it is not loose.
    if let Some(rollout) = pod.argo_rollout() {
        return format!(
            "pod {name} belongs to rollout/{rollout}, which could not be read (not allowed: list rollouts.argoproj.io) and is not \
             restarted: `kubectl argo rollouts restart {rollout} -n {}`",
            pod.namespace
        );
    }
    match &pod.owner {
        None => format!("pod {name} has no controller and is not restarted: delete it and create it again"),
        Some(owner) if owner.kind == "Job" => {
            format!(
                "pod {name} belongs to job/{}, which is not restarted: its next run gets the new settings",
                owner.name
            )
        }
        Some(owner) => format!(
            "pod {name} belongs to {}/{}, which podid does not restart: delete the pod, or restart its owner",
            owner.kind.to_lowercase(),
            owner.name
        ),
    }
}
