//! The nodes' role: whether their agents may ask EKS Auth for credentials.

use super::super::{Check, Finding, Follows, Link, Status};
use crate::model::{
    access::{self, Decision, EKS_AUTH, Effect, Need, NodeRole, Session},
    arn::last,
    have::Observed,
    snapshot::Snapshot,
};

pub(super) static PERMISSION: Check = Check {
    id: "nodes.role-permission",
    link: Link::Nodes,
    title: "the nodes' role may not request credentials from EKS Auth",
    background: "The agent requests the pods' credentials with its node's role, which needs eks-auth:AssumeRoleForPodIdentity. The managed policy AmazonEKSWorkerNodePolicy allows it; a role with a custom policy may lack it.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    follows: Follows::Nothing,
};

pub(super) static BOUNDARY: Check = Check {
    id: "nodes.role-boundary",
    link: Link::Nodes,
    title: "a permissions boundary or service control policy denies the nodes' role the call of EKS Auth",
    background: "A policy that allows eks-auth:AssumeRoleForPodIdentity is not enough where the role has a permissions boundary, or its account is in an organization: each of them has to allow it too.",
    sources: &[
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html",
        "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
    ],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (group, role) in &snapshot.node_roles {
        let finding = match role {
            Observed::Known(role) => judged(role, snapshot),
            Observed::Unreadable(why) => PERMISSION.skips(format!("node group {group}"), why),
            Observed::NotRequested => continue,
        };
        // Node groups mostly share their role.
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn judged(role: &NodeRole, snapshot: &Snapshot) -> Finding {
    let name = last(&role.arn);
    let subject = format!("node role {name}");
    let cluster = snapshot.cluster.cluster.known().map(|cluster| cluster.arn.to_string()).unwrap_or_default();
    let need = Need::new(EKS_AUTH, cluster, "");
    let (decision, source, predicted) = match (&role.simulated, &role.documents) {
        (Observed::Known(answers), _) => {
            let answer = answers.iter().find(|one| one.action.eq_ignore_ascii_case(EKS_AUTH)).cloned();
            let answer = answer.ok_or_else(|| vec!["IAM returned no result".to_owned()]);
            (answer.and_then(|answer| settled(answer, role, &need)), "SimulatePrincipalPolicy", String::new())
        }
        (Observed::Unreadable(why), Observed::Known(documents)) => {
            let predicted = access::predict(documents, &Session::plain(&role.arn), &need);
            let from = format!(" (predicted from the policies; IAM was not asked: {why})");
            (predicted, "GetRolePolicy, GetPolicyVersion", from)
        }
        (Observed::Unreadable(why), _) if why == access::NO_ROLE => {
            return PERMISSION
                .fails(subject, "the role does not exist, so the agents on its nodes get no credentials")
                .evidence("SimulatePrincipalPolicy", "NoSuchEntity")
                .change(format!(
                    "recreate the role {name} with the policies of a node role, or replace the node group"
                ));
        }
        (Observed::Unreadable(why), _) => return PERMISSION.skips(subject, why),
        (Observed::NotRequested, _) => return PERMISSION.skips(subject, "IAM was not asked"),
    };
    let decision = match decision {
        Ok(decision) => decision,
        Err(reasons) => return PERMISSION.cannot_tell(subject, reasons.join("; ")),
    };
    let finding = told(&decision, name, &subject, &role.arn, &predicted);
    finding.evidence(source, format!("{EKS_AUTH}: {}", decision.effect.as_str()))
}

/// A denial that hangs on what IAM was not told is none; whether it does, the policies tell.
fn settled(answer: Decision, role: &NodeRole, need: &Need) -> Result<Decision, Vec<String>> {
    let session = Session::plain(&role.arn);
    let keys = answer.hangs_on(&session).join(", ");
    if answer.effect == Effect::Allowed || answer.organization == Some(false) || keys.is_empty() {
        return Ok(answer);
    }
    match &role.documents {
        Observed::Known(documents) => access::predict(documents, &session, need).map(|_| answer),
        _ => Err(vec![format!("its policies have conditions on {keys}, which podid cannot evaluate")]),
    }
}

fn told(decision: &Decision, name: &str, subject: &str, arn: &str, predicted: &str) -> Finding {
    let cannot = |why: &str| format!("the agents on its nodes get no credentials: {why}{predicted}");
    if decision.organization == Some(false) {
        // A statement that denies may have a condition that lets the nodes through, and IAM names none.
        let status = if decision.effect == Effect::Explicit { Status::Warning } else { Status::Failed };
        return BOUNDARY
            .finds(
                status,
                subject,
                cannot(&format!("the organization's service control policies do not allow {EKS_AUTH}")),
            )
            .change(format!(
                "ask the administrator of the organization to allow {EKS_AUTH} in its service control policies"
            ));
    }
    if decision.boundary == Some(false) {
        return BOUNDARY
            .fails(subject, cannot(&format!("the role's permissions boundary does not allow {EKS_AUTH}")))
            .change(format!("allow {EKS_AUTH} in the permissions boundary of role {name}"));
    }
    match decision.effect {
        Effect::Allowed => {
            PERMISSION.ok(subject, format!("its agents may request credentials from EKS Auth{predicted}"))
        }
        Effect::Explicit => PERMISSION
            .fails(subject, cannot(&format!("a policy of the role denies {EKS_AUTH}")))
            .change("remove or narrow the Deny: an added permission does not overrule it"),
        Effect::Implicit => {
            let partition = arn.split(':').nth(1).unwrap_or("aws");
            PERMISSION.fails(subject, cannot(&format!("no policy of the role allows {EKS_AUTH}"))).change(format!(
                "attach the policy that allows it: `aws iam attach-role-policy --role-name {name} --policy-arn \
                 arn:{partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy`"
            ))
        }
    }
}
