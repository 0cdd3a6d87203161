//! What the role may do, against what the workload needs. Whom the role trusts is `trust`'s.

use super::{Check, Finding, Link};
use crate::model::snapshot::Snapshot;

pub(super) static CHECKS: &[&Check] = &[&SOUND];

static SOUND: Check = Check {
    id: "permissions.sound",
    link: Link::Permissions,
    title: "the role may do what the workload needs",
    background: "With credentials in hand, each call is still judged: by the role's policies, its permissions boundary, the organisation's policies, the association's session policy, and the resource's own.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"],
    symptom: false,
};

pub(super) fn look(_: &Snapshot) -> Vec<Finding> {
    Vec::new()
}
