//! The nodes that the pods run on or could run on: each has a ready agent, and may ask EKS Auth.

mod early;
mod role;

use super::{Check, Finding, Follows, Link};
use crate::model::{
    agent::{Coverage, Reach, grouped},
    have::Observed,
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] =
    &[&PASSED, &NO_AGENT, &UNSUPPORTED, &early::EARLY, &role::PERMISSION, &role::BOUNDARY];

static PASSED: Check = Check {
    id: "nodes.ok",
    link: Link::Nodes,
    title: "every node that the pods run on has a ready agent",
    background: "A pod can only use the agent of its own node.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    follows: Follows::Nothing,
};

pub(super) static NO_AGENT: Check = Check {
    id: "nodes.no-agent",
    link: Link::Nodes,
    title: "a node that the pods run on has no ready agent",
    background: "The agent's pod cannot be scheduled on the node (a taint, an affinity, port 80 in use), cannot start there (image, IPv6), or crashes. Pods on that node get no credentials, while the same pods work on other nodes.",
    sources: &[
        "https://github.com/aws/eks-pod-identity-agent/issues/10",
        "https://github.com/aws/eks-pod-identity-agent/issues/16",
    ],
    // An agent that is not installed is missing on every node.
    follows: Follows::Anything,
};

pub(super) static UNSUPPORTED: Check = Check {
    id: "nodes.unsupported",
    link: Link::Nodes,
    title: "a pod runs on a node that Pod Identity does not support",
    background: "Pod Identity works on Linux nodes of EC2 and EKS Auto Mode, and on hybrid nodes with their own DaemonSet; not on Fargate or Windows.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    agents(snapshot).into_iter().chain(early::findings(snapshot)).chain(role::findings(snapshot)).collect()
}

pub(super) fn agents(snapshot: &Snapshot) -> Vec<Finding> {
    let Observed::Known(state) = &snapshot.cluster.agent else { return Vec::new() };
    let Some(pods) = snapshot.pods.known() else { return Vec::new() };
    let workloads: Vec<_> = snapshot.own_workloads().into_iter().cloned().collect();
    let lacking = match state.reach(pods, &workloads) {
        Reach::Everywhere(count) => {
            return vec![
                PASSED
                    .ok("the pods' nodes", format!("a ready agent on each of {count}"))
                    .evidence("the agent's pods", "ready"),
            ];
        }
        Reach::Lacking(lacking) => lacking,
        Reach::NoPods(_) | Reach::NoNodes => return Vec::new(),
    };
    let (never, missing): (Vec<_>, Vec<_>) =
        lacking.into_iter().partition(|(node, _)| matches!(state.ready_on(node), Coverage::NotSupported(_)));
    let mut found = Vec::new();
    if !never.is_empty() {
        found.push(
            UNSUPPORTED
                .fails("the pods' nodes", format!("pods run on {}", grouped(&never)))
                .evidence("labels of the nodes", grouped(&never))
                .change(
                    "move the pods to Linux nodes of EC2 or Auto Mode, or use IAM roles for service accounts (IRSA)",
                ),
        );
    }
    if !missing.is_empty() {
        let finding = NO_AGENT
            .fails("the pods' nodes", format!("no ready agent on {}", grouped(&missing)))
            .evidence("the agent's pods and the nodes", grouped(&missing));
        let finding = state.remedies().into_iter().fold(finding, Finding::change);
        // EKS does not bring back what somebody deleted from under its add-on: only a new one does.
        found.push(if state.addon.is_some() && state.daemon_sets.is_empty() {
            finding.command("podid agent uninstall").command("podid agent install")
        } else {
            finding.command("podid agent status")
        });
    }
    found
}
