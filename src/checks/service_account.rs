//! The service account in Kubernetes.

use super::{Check, Finding, Follows, Link, permissions};
use crate::model::{
    have::{Observed, ServiceAccountState},
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &MISSING];

static PASSED: Check = Check {
    id: "service-account.ok",
    link: Link::ServiceAccount,
    title: "the service account exists",
    background: "An association can be created for a service account that does not exist: it takes effect when both the namespace and the service account exist. An IRSA annotation on the service account does no harm: the association takes precedence.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html"],
    follows: Follows::Nothing,
};

static MISSING: Check = Check {
    id: "service-account.missing",
    link: Link::ServiceAccount,
    title: "the namespace or the service account does not exist",
    background: "EKS does not check whether the names of an association exist. An association with a mistyped name has no effect and cannot be corrected: its namespace and service account cannot be changed.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdatePodIdentityAssociation.html"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let who = &snapshot.subject;
    let subject = format!("service account {who}");
    let state = match &snapshot.service_account {
        Observed::Known(ServiceAccountState::Exists { irsa_role: None }) => {
            return vec![PASSED.ok(&subject, "it exists").evidence("the Kubernetes API", "found")];
        }
        Observed::Known(ServiceAccountState::Exists { irsa_role: Some(role) }) => {
            let said = format!("it exists; its IRSA annotation names {role}, but an association takes precedence");
            return vec![PASSED.ok(&subject, said).evidence("its annotation eks.amazonaws.com/role-arn", role)];
        }
        Observed::Known(state) => state,
        Observed::Unreadable(why) => return vec![PASSED.skips(subject, why)],
        Observed::NotRequested => return Vec::new(),
    };
    let what = match state {
        ServiceAccountState::NoNamespace { .. } => "its namespace does not exist",
        _ => "it does not exist",
    };
    let finding = MISSING.fails(&subject, what).evidence("the Kubernetes API", "not found");
    vec![match (state, state.near().first()) {
        (_, Some(near)) => {
            let finding = finding.evidence("the Kubernetes API", format!("similar name: {near}"));
            let finding = if snapshot.associated().is_some() {
                finding.change("if the name was mistyped, create another association: it cannot be renamed")
            } else {
                finding
            };
            finding.command(format!("podid verify {near}"))
        }
        (ServiceAccountState::NoNamespace { namespaces, .. }, None) if !namespaces.is_empty() => {
            let names = namespaces.join(", ");
            let finding = finding.evidence("the Kubernetes API", format!("similar namespace names: {names}"));
            finding.change(format!("use the right namespace, if it is one of these: {names}"))
        }
        (ServiceAccountState::NoNamespace { .. }, None) => finding
            .command(format!("kubectl create namespace {}", who.namespace))
            .command(format!("kubectl create serviceaccount {} -n {}", who.name, who.namespace)),
        _ => finding.command(format!("kubectl create serviceaccount {} -n {}", who.name, who.namespace)),
    }]
}

/// The command that associates the service account, as a remedy. Where it does not exist, nothing is proposed for its name while a
/// similar one exists; else it is created first, as `associate` would refuse it.
pub(super) fn associate(finding: Finding, snapshot: &Snapshot, flags: &str) -> Finding {
    let who = &snapshot.subject;
    if let Some(near) = snapshot.service_account.meant() {
        return finding.command(format!("podid verify {near}"));
    }
    let finding = match &snapshot.service_account {
        Observed::Known(ServiceAccountState::NoNamespace { .. }) => {
            finding.command(format!("kubectl create namespace {}", who.namespace))
        }
        _ => finding,
    };
    let missing = snapshot.service_account.known().is_some_and(|state| state.missing(who).is_some());
    let create = if missing { " --create-service-account" } else { "" };
    finding.command(format!("podid associate {who} {flags}{create}"))
}

/// The same with a new role, which may do what the workload is known to need.
pub(super) fn associate_new(finding: Finding, snapshot: &Snapshot) -> Finding {
    let grants = permissions::for_a_new_role(snapshot);
    let flags = if grants.is_empty() { "--create-role".to_owned() } else { format!("--create-role {grants}") };
    associate(finding, snapshot, &flags)
}
