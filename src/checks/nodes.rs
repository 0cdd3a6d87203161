//! The nodes that the pods run on or could run on: each has a ready agent, and may ask EKS Auth.

use super::{Check, Finding, Link};
use crate::model::{
    agent::{Reach, grouped},
    have::Seen,
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &NO_AGENT];

static SOUND: Check = Check {
    id: "nodes.sound",
    link: Link::Nodes,
    title: "every node that the pods run on has a ready agent",
    background: "A pod asks the agent of its own node, at an address that no other node answers.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: false,
};

static NO_AGENT: Check = Check {
    id: "nodes.no-agent",
    link: Link::Nodes,
    title: "a node that the pods run on has no ready agent",
    background: "The agent's pod is kept off the node (a taint, an affinity, port 80 taken), cannot start there (image, IPv6), or crashes. Pods on that node get no credentials, while the same pods elsewhere work.",
    sources: &[
        "https://github.com/aws/eks-pod-identity-agent/issues/10",
        "https://github.com/aws/eks-pod-identity-agent/issues/16",
    ],
    // An agent that is not installed is missing on every node.
    symptom: true,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let Seen::Read(state) = &snapshot.cluster.agent else { return Vec::new() };
    let (Some(pods), Some(_)) = (snapshot.pods.read(), snapshot.workloads.read()) else { return Vec::new() };
    let workloads: Vec<_> = snapshot.own_workloads().into_iter().cloned().collect();
    match state.reach(pods, &workloads) {
        Reach::Everywhere(count) => {
            vec![
                SOUND
                    .ok("the pods' nodes", format!("a ready agent on each of {count}"))
                    .evidence("the agent's pods", "ready"),
            ]
        }
        Reach::Lacking(lacking) => {
            let mut finding = NO_AGENT
                .fails("the pods' nodes", format!("no ready agent on {}", grouped(&lacking)))
                .evidence("the agent's pods and the nodes", grouped(&lacking));
            for remedy in state.remedies() {
                finding = finding.change(remedy);
            }
            vec![finding.command("podid agent status")]
        }
        Reach::NoPods(_) | Reach::NoNodes => Vec::new(),
    }
}
