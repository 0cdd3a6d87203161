//! What the application's own log says of its credentials. It only points back to a link, unless none is broken.

use super::{Check, Finding, Link};
use crate::model::snapshot::Snapshot;

pub(super) static CHECKS: &[&Check] = &[&SOUND];

static SOUND: Check = Check {
    id: "app.sound",
    link: Link::App,
    title: "the application says nothing of credentials",
    background: "The SDKs' last words often name the link that is broken, in a text that is known.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: false,
};

pub(super) fn look(_: &Snapshot) -> Vec<Finding> {
    Vec::new()
}
