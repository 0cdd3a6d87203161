//! The service account in Kubernetes.

use super::{Check, Finding, Link};
use crate::model::{
    have::{Seen, ServiceAccountState},
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &MISSING];

static SOUND: Check = Check {
    id: "service-account.sound",
    link: Link::ServiceAccount,
    title: "the service account exists",
    background: "An association can be made for a service account that does not exist: it takes effect when both the namespace and the service account do.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html"],
    symptom: false,
};

static MISSING: Check = Check {
    id: "service-account.missing",
    link: Link::ServiceAccount,
    title: "the namespace or the service account does not exist",
    background: "EKS does not look whether the names of an association exist. A mistyped one stays without effect, and cannot be changed: namespace and service account of an association are fixed.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdatePodIdentityAssociation.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let subject = format!("service account {}", snapshot.subject);
    match &snapshot.service_account {
        Seen::Read(ServiceAccountState::Exists { .. }) => {
            vec![SOUND.ok(&subject, "it exists").evidence(&subject, "read")]
        }
        Seen::Read(ServiceAccountState::Missing { .. }) => {
            vec![MISSING.fails(&subject, "it does not exist").evidence("the Kubernetes API", "no such service account")]
        }
        Seen::Read(ServiceAccountState::NoNamespace { .. }) => {
            vec![
                MISSING
                    .fails(&subject, "its namespace does not exist")
                    .evidence("the Kubernetes API", "no such namespace"),
            ]
        }
        Seen::Unreadable(why) => vec![SOUND.skips(subject, why)],
        Seen::NotAsked => Vec::new(),
    }
}
