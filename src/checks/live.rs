//! What happened when podid asked for the credentials itself, in a pod's name.

use super::{Check, Finding, FindingSubject, Follows, Link};
use crate::model::{
    live::{Answer, Live},
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &NO_ASSOCIATION, &REFUSED, &TOKEN, &DENIED];

const API: &str = "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html";

static PASSED: Check = Check {
    id: "live.ok",
    link: Link::Live,
    title: "EKS Auth returns working credentials for a running pod",
    background: "With --live, podid requests a token for a running pod from Kubernetes, as the kubelet does, and sends it to EKS Auth, as the agent does. It gets the same credentials as the pod. They stay in podid's memory and are used only for the calls in the findings.",
    sources: &[API],
    follows: Follows::Nothing,
};

static NO_ASSOCIATION: Check = Check {
    id: "live.no-association",
    link: Link::Live,
    title: "EKS Auth finds no association for the pod's service account",
    background: "A new or deleted association reaches EKS Auth after some seconds.",
    sources: &[API],
    follows: Follows::Anything,
};

static REFUSED: Check = Check {
    id: "live.refused",
    link: Link::Live,
    title: "EKS may not assume the role",
    background: "The message is the same for every reason: the trust policy, a deleted role, a policy of the organization, a target role. If the trust policy allows the service account, check the policies of the organization (SCPs and RCPs), which no API shows to an account.",
    sources: &[API, "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    follows: Follows::Anything,
};

static TOKEN: Check = Check {
    id: "live.token",
    link: Link::Live,
    title: "EKS Auth rejects the cluster's tokens",
    background: "EKS Auth validates the token against the named cluster: signature, audience and time.",
    sources: &[API],
    follows: Follows::Anything,
};

static DENIED: Check = Check {
    id: "live.denied",
    link: Link::Live,
    title: "the credentials work, but a call with them is denied",
    background: "The pod has credentials of the right role, but a permission is missing.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"],
    follows: Follows::Anything,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(live) = &snapshot.live else { return Vec::new() };
    let Some(pod) = &live.pod else {
        let why = match &live.token {
            Some(Answer::Failed(why)) => why,
            _ => "no running pod to request credentials for",
        };
        return vec![PASSED.skips("the pods", why)];
    };
    let pod = FindingSubject::pod(pod);
    let steps = [
        ("TokenRequest", &live.token),
        ("AssumeRoleForPodIdentity", &live.assumed),
        ("GetCallerIdentity", &live.caller),
    ];
    let mut finding = PASSED.ok(&pod, "EKS Auth returns working credentials");
    for (call, answer) in steps {
        match answer {
            Some(Answer::Ok(said)) => finding = finding.evidence(call, said),
            Some(broken) => return vec![refusal(snapshot, &pod, call, broken)],
            None => return vec![PASSED.cannot_tell(&pod, format!("{call} was not made"))],
        }
    }
    let mut found = vec![finding];
    found.extend(calls(snapshot, live));
    found
}

/// A step that was not answered.
fn refusal(snapshot: &Snapshot, pod: &FindingSubject, call: &str, answer: &Answer) -> Finding {
    let subject = &snapshot.subject;
    let (code, words) = match answer {
        Answer::NotAllowed(permission) => return PASSED.skips(pod, format!("not allowed: {permission}")),
        Answer::Failed(why) => return PASSED.cannot_tell(pod, format!("{call}: {why}")),
        Answer::Refused(code, words) => (code.as_str(), words.as_str()),
        Answer::Ok(said) => return PASSED.ok(pod, said),
    };
    let finding = match code {
        "ResourceNotFoundException" => NO_ASSOCIATION
            .fails(pod, "EKS Auth finds no association for its service account")
            .command(format!("podid show {subject}"))
            .change("if it was created less than a minute ago, verify again"),
        "ExpiredTokenException" | "InvalidTokenException" | "InvalidParameterException" | "InvalidRequestException" => {
            TOKEN
                .fails(pod, "EKS Auth rejects its token")
                .change("check that the named cluster is the one that the pod runs in")
        }
        _ => REFUSED
            .fails(pod, "EKS may not assume the role of the association")
            .command(format!("podid verify {subject}"))
            .change("if the trust policy is ok, ask the owner of the organization's policies (SCPs, RCPs)"),
    };
    finding.evidence(call, format!("{code}: {words}"))
}

/// What was done with the credentials.
fn calls(snapshot: &Snapshot, live: &Live) -> Vec<Finding> {
    let findings = live.calls.iter().map(|(action, resource, answer)| match answer {
        Answer::Ok(said) => {
            PASSED.ok(resource.to_string(), format!("{action}: {said}")).evidence(action.as_str(), said)
        }
        Answer::Refused(code, words) => DENIED
            .fails(resource.to_string(), format!("{action} is denied"))
            .evidence(action.as_str(), format!("{code}: {words}"))
            .command(format!("podid verify {} --needs {action}@{resource}", snapshot.subject)),
        Answer::NotAllowed(why) | Answer::Failed(why) => {
            PASSED.cannot_tell(resource.to_string(), format!("{action}: {why}"))
        }
    });
    findings.collect()
}
