//! Credentials that the SDKs find before those of Pod Identity. Whether Pod Identity's own settings are there is `pod_spec`'s.

use super::{Check, Finding, Link};
use crate::model::snapshot::Snapshot;

pub(super) static CHECKS: &[&Check] = &[&SOUND];

static SOUND: Check = Check {
    id: "shadowed.sound",
    link: Link::Shadowed,
    title: "nothing stands before Pod Identity in the SDKs' order",
    background: "SDKs look for credentials in a fixed order and take the first that they find. Those of Pod Identity come late: after keys in the environment, web identities and profiles.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"],
    symptom: false,
};

pub(super) fn look(_: &Snapshot) -> Vec<Finding> {
    Vec::new()
}
