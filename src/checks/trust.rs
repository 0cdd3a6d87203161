//! Whom the role trusts: whether its trust policy lets EKS assume it for this service account.

use super::{Check, Finding, Link};
use crate::model::{
    have::Seen,
    snapshot::Snapshot,
    trust::{Request, Verdict, evaluate},
};

pub(super) static CHECKS: &[&Check] = &[&SOUND];

static SOUND: Check = Check {
    id: "trust.sound",
    link: Link::Trust,
    title: "the role's trust policy admits the service account",
    background: "EKS assumes the role as the service pods.eks.amazonaws.com, with six session tags that name cluster, namespace, service account and pod. Whatever the trust policy refuses, pods hear only `EKS does not have permissions to assume the associated role`.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    symptom: false,
};

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let (Some(association), Some(cluster)) = (snapshot.associated(), snapshot.cluster.cluster.read()) else {
        return Vec::new();
    };
    let role = match &snapshot.role.role {
        Seen::Read(Some(role)) => role,
        Seen::Unreadable(why) => return vec![SOUND.skips("the role", why)],
        Seen::Read(None) | Seen::NotAsked => return Vec::new(),
    };
    let request = Request { cluster, subject: &snapshot.subject, session_tags: !association.disable_session_tags };
    let subject = format!("trust policy of role {}", role.name);
    match evaluate(&role.trust, &request) {
        Verdict::Admits => vec![
            SOUND.ok(subject, format!("admits {}", snapshot.subject)).evidence("GetRole", "AssumeRolePolicyDocument"),
        ],
        Verdict::Unknown(reasons) => vec![SOUND.cannot_tell(subject, reasons.join("; "))],
        Verdict::Refuses(reasons) => vec![
            SOUND
                .fails(subject, reasons.join("; "))
                .evidence("GetRole", "AssumeRolePolicyDocument")
                .command(format!("podid role trust {} --service-account {} --fix", role.name, snapshot.subject)),
        ],
    }
}
