//! What the application's own log says of its credentials. It only points back to a link, unless none is broken.

mod catalog;
mod churn;
mod failing;
mod known;
mod refused;

pub use self::catalog::check_for;
use super::{Check, Finding};
use crate::model::snapshot::Snapshot;

pub(super) static CHECKS: &[&Check] = &[
    &catalog::PASSED,
    &catalog::OLD_SDK,
    &catalog::TOKEN,
    &catalog::BEARER,
    &catalog::NODE_ROLE,
    &catalog::UNKNOWN_KEYS,
    &catalog::NODE_REFUSED,
    &catalog::REFUSED,
    &catalog::PACKED,
    &catalog::NO_ANSWER,
    &catalog::NO_CREDENTIALS,
    &catalog::NO_VARIABLES,
    &catalog::IPV6,
    &catalog::NO_TOKEN,
    &catalog::NO_ASSOCIATION,
    &catalog::THROTTLED,
    &catalog::AGENT_ERROR,
    &catalog::SLOW,
    &catalog::MESH,
    &catalog::METADATA,
    &catalog::HALF_KEY,
    &catalog::WANTS_KEYS,
    &catalog::EXPIRED,
    &catalog::SETTINGS,
    &catalog::WEB_IDENTITY,
    &catalog::SECOND_ROLE,
    &catalog::ITSELF,
    &catalog::UNNAMED,
    &catalog::OTHER_IDENTITY,
    &catalog::MSK,
    &catalog::IRSA_LEFTOVER,
    &catalog::WRONG_REGION,
    &catalog::NOT_FOUND,
    &catalog::UNREACHABLE,
    &catalog::NOT_ENABLED,
    &catalog::REJECTED,
    &catalog::DATABASE,
    &failing::DENIED,
    &failing::NOT_STARTED,
    &failing::FAILING,
];

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let pods = snapshot.looked_at_pods();
    if pods.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = Vec::new();
    let mut keep = |finding: Finding| {
        // The pods of a workload are alike: each check is reported once for each status.
        if !found.iter().any(|other| other.check == finding.check && other.status == finding.status) {
            found.push(finding);
        }
    };
    let none_runs = pods.iter().all(|pod| pod.unschedulable.is_some());
    for pod in &pods {
        if let Some(finding) = failing::unscheduled(pod, none_runs) {
            keep(finding);
        }
    }
    for (pod, container) in pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (*pod, container))) {
        let log = snapshot.log_of(pod, container);
        let told = log.and_then(|log| known::told(snapshot, pod, container, log));
        let sound = told.as_ref().is_none_or(|finding| finding.check == &catalog::PASSED);
        if pod.failing(container, snapshot.now) && sound {
            keep(failing::explain(snapshot, pod, container, log));
        } else if let Some(finding) = told {
            keep(finding);
        }
    }
    if found.is_empty() {
        let trouble = pods.iter().any(|pod| pod.containers.iter().any(|container| pod.troubled(container)));
        let source = "states and logs of the containers";
        let sound = &catalog::PASSED;
        found.push(match (trouble, snapshot.logs.is_empty()) {
            (true, true) => sound.skips("the pods", "some containers have problems, and their logs were not read"),
            (_, true) => sound.ok("the pods", "no container has problems").evidence(source, "no problems"),
            (_, false) => sound.ok("the pods", "no known messages about credentials").evidence(source, "checked"),
        });
    }
    found
}
