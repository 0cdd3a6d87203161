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
    background: "An association can be made for a service account that does not exist: it takes effect when both the namespace and the service account do. An annotation of IRSA on it does no harm: the association wins.",
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
    let who = &snapshot.subject;
    let subject = format!("service account {who}");
    let (what, near) = match &snapshot.service_account {
        Seen::Read(ServiceAccountState::Exists { irsa_role: None }) => {
            return vec![SOUND.ok(&subject, "it exists").evidence("the Kubernetes API", "found")];
        }
        Seen::Read(ServiceAccountState::Exists { irsa_role: Some(role) }) => {
            let said = format!("it exists; its annotation for IRSA names {role}, and an association wins over that");
            return vec![SOUND.ok(&subject, said).evidence("its annotation eks.amazonaws.com/role-arn", role)];
        }
        Seen::Read(ServiceAccountState::Missing { near }) => ("it does not exist", near),
        Seen::Read(ServiceAccountState::NoNamespace { near }) => ("its namespace does not exist", near),
        Seen::Unreadable(why) => return vec![SOUND.skips(subject, why)],
        Seen::NotAsked => return Vec::new(),
    };
    let finding = MISSING.fails(&subject, what).evidence("the Kubernetes API", "not found");
    let finding = match near.first() {
        Some(near) => finding
            .evidence("the Kubernetes API", format!("a name like it: {near}"))
            .change("if the association was mistyped, make another for the right name: it cannot be renamed"),
        None => finding,
    };
    vec![finding.command(format!("kubectl create serviceaccount {} -n {}", who.name, who.namespace))]
}
