//! The role: it exists, in the cluster's account. Whom it trusts is `trust`'s, what it may do `permissions`'.

use super::{Check, Finding, Link};
use crate::model::{arn::last, have::Seen, snapshot::Snapshot};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &MISSING];

static SOUND: Check = Check {
    id: "role.sound",
    link: Link::Role,
    title: "the association's role exists",
    background: "EKS looks at the role when an association is made, and then no more.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    symptom: false,
};

static MISSING: Check = Check {
    id: "role.missing",
    link: Link::Role,
    title: "the association's role does not exist",
    background: "A role can be deleted while associations name it. Pods then get the same refusal as with a wrong trust policy.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(association) = snapshot.associated() else { return Vec::new() };
    let subject = format!("role {}", last(&association.role_arn));
    match &snapshot.role.role {
        Seen::Read(Some(role)) => vec![SOUND.ok(subject, "it exists").evidence("GetRole", role.arn.to_string())],
        Seen::Read(None) => vec![
            MISSING
                .fails(subject, "it does not exist")
                .evidence("GetRole", "NoSuchEntity")
                .command(format!("podid associate {} --create-role", snapshot.subject)),
        ],
        Seen::Unreadable(why) => vec![SOUND.skips(subject, why)],
        Seen::NotAsked => Vec::new(),
    }
}
