//! Containers that started on a new node before its agent was ready, and failed.

use super::super::{Check, Finding, FindingSubject, Follows, Link, Status, restart::restarted};
use crate::model::{
    said::{self, Said},
    snapshot::Snapshot,
    text::count,
    workload::{Container, Pod},
};

pub(super) static EARLY: Check = Check {
    id: "nodes.started-before-agent",
    link: Link::Nodes,
    title: "a container started before the agent of its node was ready",
    background: "A new node accepts pods as soon as it is ready, and its agent starts like any other pod. An application that asks for \
                 credentials in these seconds gets no answer; a Job fails for good. A startup taint keeps pods off the node until its \
                 agent is ready.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/159"],
    follows: Follows::Nothing,
};

/// Seconds by which a container may start before the agent's own pod was created: on a node that has just joined, both come at once.
/// One that started earlier had an agent that was replaced.
const BEFORE_S: i64 = 10;

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(agent) = snapshot.cluster.agent.known() else { return Vec::new() };
    let mut early: Vec<(&Pod, Finding)> = Vec::new();
    for pod in snapshot.looked_at_pods() {
        let startup = pod.node.as_ref().and_then(|node| Some((node, agent.startup_on(node)?)));
        let Some((node, (created, ready))) = startup else { continue };
        for container in pod.containers.iter().filter(|container| pod.failing(container, snapshot.now)) {
            let Some(started) = container.started_at else { continue };
            let seconds = ready.as_second() - started.as_second();
            if seconds <= 0 || created.as_second() - started.as_second() > BEFORE_S {
                continue;
            }
            let subject = FindingSubject::container(&pod.full_name(), &container.name);
            let ahead = count(usize::try_from(seconds).unwrap_or_default(), "second");
            let said = format!("it started {ahead} before the agent of node {node} was ready");
            let finding = if speaks_of_credentials(snapshot, pod, container) {
                EARLY.fails(subject, said)
            } else {
                EARLY.warns(subject, said)
            };
            let finding = finding
                .evidence("the container", format!("started {started}"))
                .evidence(format!("the agent of node {node}"), format!("ready {ready}"));
            early.push((pod, finding));
        }
    }
    // The pods of a workload are alike: of what several have, the worst is reported.
    let Some((pod, finding)) = early.into_iter().min_by_key(|(_, finding)| finding.status != Status::Failed) else {
        return Vec::new();
    };
    let finding = match &pod.owner {
        Some(owner) if owner.kind == "Job" && !pod.live() => {
            finding.change(format!("delete job/{} and create it again: its pod failed for good", owner.name))
        }
        _ => restarted(finding, snapshot, &[pod]),
    };
    vec![finding.change("to prevent it, start new nodes with a taint that only the agent tolerates, and remove it when the agent is ready")]
}

/// Its log has a message about credentials.
fn speaks_of_credentials(snapshot: &Snapshot, pod: &Pod, container: &Container) -> bool {
    let lines = snapshot.log_of(pod, container).and_then(|log| log.lines.known());
    let saying = lines.and_then(|lines| said::last(lines, snapshot.now));
    saying.is_some_and(|saying| matches!(saying.said, Said::Message(_)))
}
