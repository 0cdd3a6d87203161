//! The association: there is one, and it is the service account's own.

use super::{Check, Finding, Link};
use crate::model::{have::Seen, snapshot::Snapshot};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &MISSING];

static SOUND: Check = Check {
    id: "association.sound",
    link: Link::Association,
    title: "the service account has an association",
    background: "An association says which role the pods of a service account get. EKS keeps it, nothing of it is in Kubernetes.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html"],
    symptom: false,
};

static MISSING: Check = Check {
    id: "association.missing",
    link: Link::Association,
    title: "the service account has no association",
    background: "Without an association the webhook leaves the pods as they are, and the SDKs go on to the next credentials in their order: mostly the node's role, whose AccessDenied then names `assumed-role/NODE-ROLE/i-…`.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let subject = format!("service account {}", snapshot.subject);
    match &snapshot.association {
        Seen::Read(Some(association)) => vec![
            SOUND
                .ok(
                    format!("association {}", association.summary.association_id),
                    format!("role {}", association.role_arn),
                )
                .evidence("DescribePodIdentityAssociation", association.role_arn.clone()),
        ],
        Seen::Read(None) => vec![
            MISSING
                .fails(subject, "the cluster has no association for it")
                .evidence("ListPodIdentityAssociations", "none with this namespace and service account")
                .command(format!("podid associate {} --create-role", snapshot.subject)),
        ],
        Seen::Unreadable(why) => vec![SOUND.skips(subject, why)],
        Seen::NotAsked => Vec::new(),
    }
}
