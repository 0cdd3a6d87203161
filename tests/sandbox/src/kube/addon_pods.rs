//! The pods of an add-on, which EKS restarts when its associations change.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Kube,
    json::{number, object, text},
    kinds,
    store::place,
};

const KINDS: [&str; 3] = ["daemonsets", "deployments", "statefulsets"];

/// The workloads that run under these service accounts.
fn workloads<'k>(
    kube: &'k Kube,
    namespace: &'k str,
    accounts: &'k [String],
) -> impl Iterator<Item = (&'static str, &'k Arc<Value>)> {
    KINDS.into_iter().flat_map(move |kind| {
        let of = move |it: &&Arc<Value>| {
            accounts.iter().any(|account| account == text(it, "/spec/template/spec/serviceAccountName"))
        };
        kube.store.list(kind, namespace).filter(of).map(move |it| (kind, it))
    })
}

/// Has them rolled out again, by an annotation of their template.
pub(crate) fn roll(kube: &mut Kube, namespace: &str, accounts: &[String], now: Timestamp) {
    let all: Vec<_> = workloads(kube, namespace, accounts).map(|(kind, it)| (kind, place(it))).collect();
    for (kind, (namespace, name)) in all {
        kube.store.update(kinds::of(kind), &namespace, &name, |it| {
            let annotations = object(it, &["spec", "template", "metadata", "annotations"]);
            annotations.insert("eks.amazonaws.com/restartedAt".into(), json!(now.to_string()));
        });
    }
}

/// Whether each of them runs only pods of its present template, and all of these are ready.
pub(crate) fn rolled_out(kube: &Kube, namespace: &str, accounts: &[String]) -> bool {
    workloads(kube, namespace, accounts).all(|(kind, it)| {
        let of = |field: &str| number(it, field);
        let (wanted, updated, ready, all) = if kind == "daemonsets" {
            let wanted = of("/status/desiredNumberScheduled");
            (wanted, of("/status/updatedNumberScheduled"), of("/status/numberReady"), wanted)
        } else {
            let wanted = of("/spec/replicas");
            (wanted, of("/status/updatedReplicas"), of("/status/readyReplicas"), of("/status/replicas"))
        };
        of("/status/observedGeneration") == of("/metadata/generation")
            && [updated, ready, all].iter().all(|count| *count == wanted)
    })
}
