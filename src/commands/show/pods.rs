//! The part of `podid show` that is about workloads and pods: their tables, and a pod as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    checks::{Identity, Source},
    model::{
        association::Association,
        staleness,
        workload::{Injection, Pod, Waiting, Workload},
    },
    output::table::{Cell, Column, Table},
};

pub(super) fn workloads_table(workloads: &[Workload]) -> Table {
    let mut table = Table::new(&[
        Column::new("WORKLOAD"),
        Column::new("READY").priority(8),
        Column::new("STRATEGY").priority(7),
        Column::new("RESTARTED").priority(6),
    ]);
    for w in workloads {
        table.row([
            Cell::new(w.id.to_string()),
            Cell::new(format!("{}/{}", w.status.ready, w.replicas)),
            Cell::new(format!("{:?}{}", w.strategy, if w.paused { " (paused)" } else { "" })),
            Cell::maybe_time(w.restarted_at.as_ref().and_then(|at| at.parse().ok())),
        ]);
    }
    table
}

pub(super) fn pods_table(pods: &[Pod], association: Option<&Association>, identities: &[Identity]) -> Table {
    let mut table = Table::new(&[
        Column::new("POD"),
        Column::new("CREDENTIALS").prose(),
        Column::new("STATUS"),
        Column::new("AGE").priority(7),
        Column::new("NODE").priority(6),
    ]);
    for pod in pods {
        table.row([
            Cell::new(&pod.name),
            Cell::new(credentials(pod, association, identities)),
            Cell::new(pod_status(pod)),
            Cell::maybe_time(pod.created_at),
            Cell::new(pod.node.clone().unwrap_or_default()),
        ]);
    }
    table
}

/// `injected`, `not injected`, `partly (without: a, b)`, `stale (…)`; and what it uses instead of Pod Identity.
fn credentials(pod: &Pod, association: Option<&Association>, identities: &[Identity]) -> String {
    let others = others(pod, identities);
    if association.is_none() && !others.is_empty() {
        return others.join(" and ");
    }
    let state = injected(pod, association);
    if others.is_empty() { state } else { format!("{state}, uses {}", others.join(" and ")) }
}

/// Whether a pod's containers have the association's credentials, and no others.
pub(super) fn uses_only(pod: &Pod, association: &Association, identities: &[Identity]) -> bool {
    pod.injection() == Injection::Injected
        && staleness::stale(pod, association).is_none()
        && others(pod, identities).is_empty()
}

/// What its containers use instead of Pod Identity.
fn others(pod: &Pod, identities: &[Identity]) -> Vec<String> {
    let mut others: Vec<String> = Vec::new();
    for identity in of_pod(pod, identities).filter(|it| it.source != Source::PodIdentity) {
        let left_out = pod.containers.iter().any(|it| it.name == identity.container && (it.skipped || it.init));
        let text = identity.text();
        if !left_out && !others.contains(&text) {
            others.push(text);
        }
    }
    others
}

fn of_pod<'a>(pod: &Pod, identities: &'a [Identity]) -> impl Iterator<Item = &'a Identity> {
    let name = pod.full_name();
    identities.iter().filter(move |it| it.pod == name)
}

fn injected(pod: &Pod, association: Option<&Association>) -> String {
    match pod.injection() {
        Injection::No => "not injected".to_owned(),
        Injection::Partly(missing) => format!("partly (without: {})", missing.join(", ")),
        Injection::Injected => match association.and_then(|association| staleness::stale(pod, association)) {
            Some(why) => format!("needs restart ({why})"),
            None => "injected".to_owned(),
        },
    }
}

/// kubectl's word for a pod's state.
fn pod_status(pod: &Pod) -> String {
    if pod.deleting {
        return "Terminating".to_owned();
    }
    if let Some(Waiting { reason, .. }) = pod.containers.iter().find_map(|c| c.waiting.as_ref()) {
        return reason.clone();
    }
    if pod.phase == "Running" && !pod.ready { "Running (not ready)".to_owned() } else { pod.phase.clone() }
}

/// Whether a pod has the injection.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum InjectionWord {
    /// All its containers have it.
    Injected,
    /// None has it.
    No,
    /// Some have it.
    Partly,
}

/// A pod, with what it means for the association
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownPod {
    #[serde(flatten)]
    #[schemars(with = "Pod")]
    pod: Value,
    /// Whether it has the injection
    injection: InjectionWord,
    /// Containers without the injection, when some have it
    without_injection: Vec<String>,
    /// Whether it needs a restart to use the association
    stale: bool,
    /// Why it needs the restart, or null
    stale_reason: Option<String>,
    /// Its containers, each with where its SDK finds credentials first, from the pod's spec alone
    credentials: Vec<Identity>,
}

impl ShownPod {
    pub(super) fn of(pod: &Pod, association: Option<&Association>, identities: &[Identity]) -> Self {
        let (injection, without_injection) = match pod.injection() {
            Injection::Injected => (InjectionWord::Injected, Vec::new()),
            Injection::No => (InjectionWord::No, Vec::new()),
            Injection::Partly(without) => (InjectionWord::Partly, without),
        };
        let stale_reason = association.and_then(|association| staleness::stale(pod, association));
        Self {
            pod: pod.shown(),
            injection,
            without_injection,
            stale: stale_reason.is_some(),
            stale_reason,
            credentials: of_pod(pod, identities).cloned().collect(),
        }
    }
}
