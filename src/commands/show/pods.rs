//! The part of `podid show` that is about workloads and pods: their tables, and a pod as JSON.

use serde_json::{Value, json};

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

pub(super) fn pod_json(pod: &Pod, association: Option<&Association>, identities: &[Identity]) -> Value {
    let mut value = pod.shown();
    if let Value::Object(map) = &mut value {
        let (word, without) = match pod.injection() {
            Injection::Injected => ("injected", Vec::new()),
            Injection::No => ("no", Vec::new()),
            Injection::Partly(without) => ("partly", without),
        };
        map.insert("injection".to_owned(), json!(word));
        map.insert("withoutInjection".to_owned(), json!(without));
        let stale = association.and_then(|association| staleness::stale(pod, association));
        map.insert("stale".to_owned(), json!(stale.is_some()));
        map.insert("staleReason".to_owned(), json!(stale));
        map.insert("credentials".to_owned(), json!(of_pod(pod, identities).collect::<Vec<_>>()));
    }
    value
}
