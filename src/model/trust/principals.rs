//! The service principals that a trust policy may name: those that AWS has, and what is a misspelling of Pod Identity's.
//!
//! Nothing tells a principal of tomorrow from a mistake. So a name is a misspelling only where it is one known for Pod
//! Identity, or one letter away from that, and no principal or service that AWS has.

use super::PRINCIPAL;
use crate::model::text::distance;

/// The other principals of Amazon EKS (EKS User Guide: cluster, node, Fargate pod execution and capability roles, and
/// service-linked roles), and those of services whose names are one letter from EKS's.
const KNOWN: [&str; 19] = [
    "eks.amazonaws.com",
    "eks-nodegroup.amazonaws.com",
    "eks-fargate.amazonaws.com",
    "eks-fargate-pods.amazonaws.com",
    "eks-connector.amazonaws.com",
    "eks-auth.amazonaws.com",
    "capabilities.eks.amazonaws.com",
    "dashboard.eks.amazonaws.com",
    "outposts.eks-local.amazonaws.com",
    "emr-containers.amazonaws.com",
    "ec2.amazonaws.com",
    "ec2.amazonaws.com.cn",
    "ecs.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "ebs.amazonaws.com",
    "efs.amazonaws.com",
    "es.amazonaws.com",
    "dms.amazonaws.com",
    "lambda.amazonaws.com",
];

/// What people write for `pods.eks`, before the domain.
const MISSPELLED: [&str; 16] = [
    "pods.eks",
    "pod.eks",
    "pods-eks",
    "pod-eks",
    "eks-pods",
    "eks-pod",
    "eks.pods",
    "eks.pod",
    "podseks",
    "ekspods",
    "pod-identity.eks",
    "pods-identity.eks",
    "podidentity.eks",
    "eks-pod-identity",
    "eks-pods-identity",
    "eks.pod-identity",
];

/// Those of them that are long enough for one more wrong letter to leave no doubt.
const NEAR: [&str; 4] = ["pods.eks", "pods-eks", "eks-pods", "eks.pods"];

/// Whether somebody meant Pod Identity's service principal with this one: `eks-pods.amazonaws.com`,
/// `pods.eks.amazonaws.com.cn`. Another service's is none, nor is one that podid does not know.
pub(super) fn is_typo(service: &str) -> bool {
    let lower = service.to_ascii_lowercase();
    if service == PRINCIPAL || KNOWN.contains(&lower.as_str()) {
        return false;
    }
    if lower == PRINCIPAL {
        return true;
    }
    let Some(head) = head(&lower) else { return false };
    let near = NEAR.iter().any(|form| distance(&head, form) <= 1) && !names_another_service(&head);
    near || MISSPELLED.contains(&head.as_str())
}

/// What stands before the domain, and before the region in front of that; `None` where the domain is nobody's at AWS.
fn head(lower: &str) -> Option<String> {
    let labels: Vec<&str> = lower.split('.').collect();
    let domain = |count: usize| {
        let at = labels.len().checked_sub(count).filter(|at| *at > 0)?;
        let text = labels[at..].join(".");
        // Only the two labels of a domain may be misspelled: a third may be the name's own.
        let near = |known: &&str| distance(&text, known) <= if count == 2 { 2 } else { 0 };
        let known = ["amazonaws.com.cn", "aws.amazon.com", "amazonaws.com", "amazonaws.eu", "amazon.com", "api.aws"];
        known.iter().filter(|known| known.split('.').count() == count).any(near).then_some(at)
    };
    let end = match [3, 2].into_iter().find_map(domain) {
        Some(end) => end,
        // No domain at all: `pods.eks`.
        None if labels.len() <= 2 => labels.len(),
        None => return None,
    };
    let mut head = &labels[..end];
    if let [rest @ .., last] = head
        && !rest.is_empty()
        && is_region(last)
    {
        head = rest;
    }
    Some(head.join("."))
}

/// `us-west-2`, `us-gov-east-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    parts.len() >= 3 && parts[0].len() >= 2 && parts.last().is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a part of the name is a service that AWS has, other than EKS: `pods.ecs`.
fn names_another_service(head: &str) -> bool {
    head.split(['.', '-']).any(|part| part != "eks" && KNOWN.contains(&format!("{part}.amazonaws.com").as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_has_or_may_have_is_no_typo() {
        for service in KNOWN {
            assert!(!is_typo(service), "{service}");
            assert!(!is_typo(&service.to_ascii_uppercase()), "{service}");
        }
        for service in [
            PRINCIPAL,
            "foo.eks.amazonaws.com",
            "nodes.eks.amazonaws.com",
            "jobs.eks.amazonaws.com",
            "pods.ecs.amazonaws.com",
            "pods.ebs.amazonaws.com",
            "ecs-pods.amazonaws.com",
            "eks-nodes.amazonaws.com",
            "eks-fargate-pod.amazonaws.com",
            "eks-fargate-pods.us-west-2.amazonaws.com",
            "fargate-pods.eks.amazonaws.com",
            "pods.eks-anywhere.amazonaws.com",
            "workloads.pods.eks.amazonaws.com",
            "podcasts.eks.amazonaws.com",
            "eks-prod.amazonaws.com",
            "pods.eks.example.com",
            "eks.amazonaws.com.cn",
            "events.amazonaws.com",
            "*",
            "",
            ".",
        ] {
            assert!(!is_typo(service), "{service}");
        }
    }

    #[test]
    fn what_can_only_mean_pod_identity_is_one() {
        for service in [
            "eks-pods.amazonaws.com",
            "EKS-Pods.amazonaws.com",
            "Pods.EKS.amazonaws.com",
            "pod.eks.amazonaws.com",
            "pdos.eks.amazonaws.com",
            "pods.esk.amazonaws.com",
            "podss.eks.amazonaws.com",
            "eks.pods.amazonaws.com",
            "pods-eks.amazonaws.com",
            "eks-pod-identity.amazonaws.com",
            "pod-identity.eks.amazonaws.com",
            "pods.eks.amazonaws.com.cn",
            "pods.eks.us-west-2.amazonaws.com",
            "pods.eks.us-gov-east-1.amazonaws.com",
            "pods.eks.amazonaws.eu",
            "pods.eks.amazonaws.co",
            "pods.eks.amazon.com",
            "pods.eks.amzonaws.com",
            "pods.eks",
        ] {
            assert!(is_typo(service), "{service}");
        }
    }
}
