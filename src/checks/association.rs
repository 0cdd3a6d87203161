//! The association: there is one, and it is the service account's own.

use super::{Check, Finding, Follows, Link, proof, service_account};
use crate::model::{
    arn::last,
    association::{Association, AssociationSummary, add_on},
    have::Observed,
    names::ServiceAccount,
    snapshot::Snapshot,
    text::nearest,
    workload::{Injection, Pod, Workload, WorkloadRef},
};

pub(super) static CHECKS: &[&Check] =
    &[&PASSED, &MISSING, &IRSA, &DELETED, &ELSEWHERE, &QUOTA, &OWNED, &ADDON_IRSA, &DEFAULT];

const PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html";
const ADDONS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/add-ons-iam.html";

static PASSED: Check = Check {
    id: "association.ok",
    link: Link::Association,
    title: "the service account has an association",
    background: "An association defines which role the pods of a service account get. It is stored in EKS, not in Kubernetes.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static MISSING: Check = Check {
    id: "association.missing",
    link: Link::Association,
    title: "the service account has no association",
    background: "Without an association, the webhook does not change the pods, and the SDKs use the next credentials in their order: usually the node's role, so an AccessDenied error names `assumed-role/NODE-ROLE/i-…`.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static IRSA: Check = Check {
    id: "association.irsa",
    link: Link::Association,
    title: "the pods use IRSA, not Pod Identity",
    background: "IAM roles for service accounts (IRSA) need no association: an annotation of the service account names the role, and its pods are created with a web identity token. An association takes precedence for new pods, so creating one replaces the access that the pods have.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html"],
    follows: Follows::Nothing,
};

static DELETED: Check = Check {
    id: "association.deleted",
    link: Link::Association,
    title: "the association was deleted while pods were running",
    background: "Pods keep the settings that they were created with. After the association is deleted, EKS Auth answers their next request with `The token included in the request has no service account role association for it`.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_DeletePodIdentityAssociation.html"],
    follows: Follows::Nothing,
};

static ELSEWHERE: Check = Check {
    id: "association.elsewhere",
    link: Link::Association,
    title: "another cluster of the region has the association",
    background: "An association belongs to one cluster. If it was created with the wrong cluster name, it is missing in this cluster.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static QUOTA: Check = Check {
    id: "association.quota",
    link: Link::Association,
    title: "the cluster has as many associations as EKS allows",
    background: "A cluster can have 5,000 associations, and the quota cannot be raised. Creating another one fails with ResourceLimitExceededException.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html"],
    follows: Follows::Nothing,
};

static OWNED: Check = Check {
    id: "association.owned",
    link: Link::Association,
    title: "the association belongs to an EKS add-on",
    background: "Associations of an add-on must be changed through the add-on: its next update overwrites manual changes.",
    sources: &[ADDONS],
    follows: Follows::Nothing,
};

static ADDON_IRSA: Check = Check {
    id: "association.addon-irsa",
    link: Link::Association,
    title: "the add-on has both an IRSA role and an association",
    background: "If an add-on has both, its association takes precedence as soon as the agent is installed, and the IRSA role is ignored. Changes of the IRSA role have no effect.",
    sources: &[ADDONS],
    follows: Follows::Nothing,
};

static DEFAULT: Check = Check {
    id: "association.default-account",
    link: Link::Association,
    title: "the association belongs to the namespace's default service account",
    background: "A pod that names no service account runs as `default` of its namespace. With an association for it, every such pod gets the role, including pods that are deployed later.",
    sources: &["https://kubernetes.io/docs/concepts/security/service-accounts/"],
    follows: Follows::Nothing,
};

/// Associations of a cluster (EKS User Guide, service quotas).
const MOST: usize = 5_000;

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    match &snapshot.association {
        Observed::Known(Some(association)) => there(snapshot, association),
        Observed::Known(None) => vec![absent(snapshot)],
        Observed::Unreadable(why) => vec![PASSED.skips(format!("service account {}", snapshot.subject), why)],
        Observed::NotRequested => Vec::new(),
    }
}

fn there(snapshot: &Snapshot, association: &Association) -> Vec<Finding> {
    let subject = format!("association {}", association.summary.association_id);
    let mut found = vec![
        PASSED
            .ok(&subject, format!("role {}", association.role_arn))
            .evidence("DescribePodIdentityAssociation", association.role_arn.clone()),
    ];
    if let Some(meaning) = snapshot.subject.shared_by_all() {
        found.push(
            DEFAULT
                .warns(&subject, meaning)
                .evidence("DescribePodIdentityAssociation", format!("service account {}", snapshot.subject))
                .change("create a separate service account for the workload, and associate it"),
        );
    }
    let Some(owner) = &association.summary.owner_arn else { return found };
    let name = add_on(owner).unwrap_or(owner);
    found.push(
        OWNED
            .warns(&subject, format!("it belongs to add-on {name}, whose updates overwrite it"))
            .evidence("DescribePodIdentityAssociation", owner)
            .change(format!("change its role through the add-on: `podid addon associate {name} --role ROLE`")),
    );
    let addon = snapshot.owner.known().and_then(Option::as_ref);
    if let Some(role) = addon.and_then(|addon| addon.service_account_role.as_ref()) {
        found.push(
            ADDON_IRSA
                .warns(
                    format!("add-on {name}"),
                    format!("its IRSA role {role} is ignored: the association takes precedence"),
                )
                .evidence("DescribeAddon", format!("serviceAccountRoleArn {role}"))
                .change("remove the IRSA role or the association from the add-on"),
        );
    }
    found
}

fn absent(snapshot: &Snapshot) -> Finding {
    let who = &snapshot.subject;
    let subject = format!("service account {who}");
    let with = |finding: Finding, role: &str| service_account::associate(finding, snapshot, &format!("--role {role}"));
    let create = |finding: Finding| service_account::associate_new(finding, snapshot);
    // The role of the one that may have been meant is there, and lacks only this service account.
    let associate = |finding: Finding| match snapshot.near.known().and_then(Option::as_ref) {
        Some(near) => with(finding, last(&near.role_arn)),
        None => create(finding),
    };
    let none = |finding: Finding| {
        finding.evidence("ListPodIdentityAssociations", "none with this namespace and service account")
    };
    if let Some(role) = snapshot.uses_irsa() {
        let message = format!("it uses IRSA, not Pod Identity: role {}", last(&role));
        return none(IRSA.ok(subject, message)).evidence("AWS_ROLE_ARN of its pods, or its annotation", role);
    }
    let annotated = snapshot.irsa_annotation();
    let unlike: Vec<&Pod> = snapshot.live_pods().into_iter().filter(|pod| pod.irsa_role().is_none()).collect();
    if let (Some(role), [first, ..]) = (annotated, &unlike[..]) {
        let message =
            format!("it has no association, and its pods were created without the role of its annotation, {role}");
        let finding = none(IRSA.fails(subject, message))
            .evidence("its annotation eks.amazonaws.com/role-arn", role)
            .evidence(format!("pod {}/{}", first.namespace, first.name), "no AWS_WEB_IDENTITY_TOKEN_FILE");
        let restart = |workload: &Workload| format!("kubectl -n {} rollout restart {}", who.namespace, workload.id);
        return snapshot.own_workloads().into_iter().fold(finding, |finding, it| finding.command(restart(it)));
    }
    let others: &[AssociationSummary] = snapshot.others.known().map_or(&[], Vec::as_slice);
    if others.len() >= MOST {
        let said = format!("it has no association, and the cluster already has the maximum of {}", others.len());
        return none(QUOTA.fails(subject, said))
            .change("let pods share a service account, or delete unused associations (`podid list`)");
    }
    let injected = snapshot.live_pods().into_iter().find(|pod| pod.injection() == Injection::Injected);
    if let Some(pod) = injected {
        let finding = none(DELETED.fails(subject, "the association was deleted, but pods still have its settings"))
            .evidence(format!("pod {}/{}", pod.namespace, pod.name), "the Pod Identity settings");
        return match proof::session_role(snapshot) {
            Some((role, line)) => with(finding.evidence("the last session in a log", line), &role),
            None => create(finding),
        };
    }
    if let Some([first, ..]) = snapshot.elsewhere.known().map(Vec::as_slice) {
        let finding = none(ELSEWHERE.fails(subject, format!("it has none here, and one in cluster {first}"))).evidence(
            format!("ListPodIdentityAssociations of cluster {first}"),
            "one for this namespace and service account",
        );
        let finding = finding.command(format!("podid show {who} --cluster {first}"));
        return associate(finding);
    }
    if let Some((workload, other)) = meant(snapshot, others) {
        return none(MISSING.fails(subject, "it has no association"))
            .evidence("ListPodIdentityAssociations", format!("one for service account {other}"))
            .change(format!(
                "if {workload} is to run as {other}: `kubectl set serviceaccount {workload} {} -n {}`",
                other.name, who.namespace
            ));
    }
    let names: Vec<String> = others.iter().map(|other| other.subject.to_string()).collect();
    let near = nearest(&who.to_string(), names.iter().map(String::as_str));
    let finding = none(MISSING.fails(subject, "it has no association"));
    let finding = match near.first() {
        Some(near) => finding.evidence("ListPodIdentityAssociations", format!("similar name: {near}")),
        None => finding,
    };
    let finding = match &snapshot.elsewhere {
        Observed::Unreadable(why) => finding.evidence("other clusters", why),
        Observed::Known(_) | Observed::NotRequested => finding,
    };
    associate(finding)
}

/// A workload that runs as `default`, and the service account with an association that is called like it.
fn meant<'a>(snapshot: &Snapshot, others: &'a [AssociationSummary]) -> Option<(WorkloadRef, &'a ServiceAccount)> {
    let who = &snapshot.subject;
    let (true, Some(workload)) = (who.name == "default", snapshot.own_workloads().into_iter().next()) else {
        return None;
    };
    let same: Vec<&ServiceAccount> =
        others.iter().map(|other| &other.subject).filter(|other| other.namespace == who.namespace).collect();
    let called = |name: &str| same.iter().copied().find(|other| other.name == name);
    let near = || nearest(&workload.id.name, same.iter().map(|other| other.name.as_str())).into_iter().next();
    let other = called(&workload.id.name).or_else(|| called(&near()?))?;
    Some((workload.id.clone(), other))
}
