//! The agent as a whole: installed and healthy. Where it runs is `nodes`'.

use super::{Check, Finding, Link};
use crate::model::{addon::AGENT, have::Seen, snapshot::Snapshot};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &MISSING];

static SOUND: Check = Check {
    id: "agent.sound",
    link: Link::Agent,
    title: "the agent is installed and healthy",
    background: "The agent runs on every node and answers the SDKs' question for credentials at 169.254.170.23: it hands a pod's token to EKS Auth and gives back what that answers. EKS Auto Mode has it built into its nodes; elsewhere it is the add-on eks-pod-identity-agent, or a DaemonSet that somebody else manages.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: false,
};

static MISSING: Check = Check {
    id: "agent.missing",
    link: Link::Agent,
    title: "no agent is installed",
    background: "Pods of an association are told to ask the agent for credentials. Without one they get no answer: most SDKs then end in a timeout or a refused connection, and not even the node's role is left to them.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let state = match &snapshot.cluster.agent {
        Seen::Read(state) => state,
        Seen::Unreadable(why) => return vec![SOUND.skips("the agent", why)],
        Seen::NotAsked => return Vec::new(),
    };
    if let Some(addon) = &state.addon {
        let said = format!("add-on {} is {}", addon.version, addon.status);
        return vec![SOUND.ok(format!("add-on {AGENT}"), &said).evidence("DescribeAddon", said)];
    }
    if let Some(set) = state.daemon_sets.first() {
        let name = format!("{}/{}", set.namespace, set.name);
        let said = format!("self-managed DaemonSet {name}, {} of {} pods ready", set.ready, set.desired);
        return vec![SOUND.ok(format!("DaemonSet {name}"), &said).evidence("the DaemonSets of the agent", said)];
    }
    if !state.needed() && state.auto_mode {
        return vec![
            SOUND.ok("EKS Auto Mode", "built into the nodes").evidence("DescribeCluster", "computeConfig.enabled"),
        ];
    }
    if let Some(why) = &state.addon_unread {
        return vec![SOUND.skips(format!("add-on {AGENT}"), why)];
    }
    vec![
        MISSING
            .fails(
                format!("add-on {AGENT}"),
                "no agent is installed, and pods with an association get no credentials without one",
            )
            .evidence("DescribeAddon", "no such add-on")
            .evidence("the DaemonSets of the cluster", "none is the agent's")
            .command("podid agent install"),
    ]
}
