//! The second hop: from the role to the target role.

use super::{Check, Finding, Link};
use crate::model::snapshot::Snapshot;

pub(super) static CHECKS: &[&Check] = &[&SOUND];

static SOUND: Check = Check {
    id: "target-role.sound",
    link: Link::TargetRole,
    title: "the role may assume the target role, and is trusted by it",
    background: "With a target role, EKS first assumes the association's role and from there the target; the pods get the target's credentials.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"],
    symptom: false,
};

pub(super) fn look(_: &Snapshot) -> Vec<Finding> {
    Vec::new()
}
