//! The way from the pods to the agent, and from there to EKS Auth. Whether there is an agent at all is `agent`'s and `nodes`'.

use super::{Check, Finding, Link};
use crate::model::snapshot::Snapshot;

pub(super) static CHECKS: &[&Check] = &[&SOUND];

static SOUND: Check = Check {
    id: "network.sound",
    link: Link::Network,
    title: "the pods reach the agent, and the agent EKS Auth",
    background: "A pod asks the agent over the link-local address 169.254.170.23 (or [fd00:ec2::23]), port 80; the agent asks EKS Auth over the node's network.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: false,
};

pub(super) fn look(_: &Snapshot) -> Vec<Finding> {
    Vec::new()
}
