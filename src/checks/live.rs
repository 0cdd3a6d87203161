//! What happened when podid asked for the credentials itself, in a pod's name.

use super::{Check, Finding, FindingSubject, Link};
use crate::model::{
    live::{Answer, Live},
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&SOUND, &NO_ASSOCIATION, &REFUSED, &TOKEN, &DENIED];

const API: &str = "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html";

static SOUND: Check = Check {
    id: "live.ok",
    link: Link::Live,
    title: "EKS Auth gives credentials for a running pod, and they work",
    background: "With --live, podid has Kubernetes issue a token for a running pod, as the kubelet does, and hands it to EKS Auth, as the agent does. What comes back is what the pod would get. The credentials stay in podid's memory and are used for nothing but the calls that the findings name.",
    sources: &[API],
    symptom: false,
};

static NO_ASSOCIATION: Check = Check {
    id: "live.no-association",
    link: Link::Live,
    title: "EKS Auth knows no association for the pod's service account",
    background: "EKS Auth learns of an association some seconds after it was made, and forgets it as late after it was deleted.",
    sources: &[API],
    symptom: true,
};

static REFUSED: Check = Check {
    id: "live.refused",
    link: Link::Live,
    title: "EKS may not assume the role",
    background: "The same words for every reason: the trust policy, a role that is gone, a policy of the organisation, a target role. When the trust policy admits the service account, look at the policies of the organisation (SCPs and RCPs), which no API shows to an account.",
    sources: &[API, "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    symptom: true,
};

static TOKEN: Check = Check {
    id: "live.token",
    link: Link::Live,
    title: "EKS Auth does not take the cluster's tokens",
    background: "EKS Auth checks the token against the cluster that is named: signature, audience and time.",
    sources: &[API],
    symptom: true,
};

static DENIED: Check = Check {
    id: "live.denied",
    link: Link::Live,
    title: "the credentials work, and a call with them is refused",
    background: "The pod has credentials of the right role. What is missing is a permission.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"],
    symptom: true,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(live) = &snapshot.live else { return Vec::new() };
    let Some(pod) = &live.pod else {
        let why = match &live.token {
            Some(Answer::Failed(why)) => why,
            _ => "no pod runs in whose name credentials could be asked for",
        };
        return vec![SOUND.skips("the pods", why)];
    };
    let pod = FindingSubject::pod(pod);
    let steps = [
        ("TokenRequest", &live.token),
        ("AssumeRoleForPodIdentity", &live.assumed),
        ("GetCallerIdentity", &live.caller),
    ];
    let mut finding = SOUND.ok(&pod, "EKS Auth gives credentials that work");
    for (call, answer) in steps {
        match answer {
            Some(Answer::Ok(said)) => finding = finding.evidence(call, said),
            Some(broken) => return vec![refusal(snapshot, &pod, call, broken)],
            None => return vec![SOUND.cannot_tell(&pod, format!("{call} was not made"))],
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
        Answer::NotAllowed(permission) => return SOUND.skips(pod, format!("not allowed: {permission}")),
        Answer::Failed(why) => return SOUND.cannot_tell(pod, format!("{call}: {why}")),
        Answer::Refused(code, words) => (code.as_str(), words.as_str()),
        Answer::Ok(said) => return SOUND.ok(pod, said),
    };
    let finding = match code {
        "ResourceNotFoundException" => NO_ASSOCIATION
            .fails(pod, "EKS Auth knows no association for its service account")
            .command(format!("podid show {subject}"))
            .change("if it was made less than a minute ago, verify again"),
        "ExpiredTokenException" | "InvalidTokenException" | "InvalidParameterException" | "InvalidRequestException" => {
            TOKEN
                .fails(pod, "EKS Auth does not take its token")
                .change("see that the cluster named is the one that the pod runs in")
        }
        _ => REFUSED
            .fails(pod, "EKS may not assume the role of the association")
            .command(format!("podid verify {subject}"))
            .change("when the trust policy is sound, ask who owns the organisation's policies (SCPs, RCPs)"),
    };
    finding.evidence(call, format!("{code}: {words}"))
}

/// What was done with the credentials.
fn calls(snapshot: &Snapshot, live: &Live) -> Vec<Finding> {
    let findings = live.calls.iter().map(|(action, resource, answer)| match answer {
        Answer::Ok(said) => SOUND.ok(resource.to_string(), format!("{action}: {said}")).evidence(*action, said),
        Answer::Refused(code, words) => DENIED
            .fails(resource.to_string(), format!("{action} is refused"))
            .evidence(*action, format!("{code}: {words}"))
            .command(format!("podid verify {} --needs {action}@{resource}", snapshot.subject)),
        Answer::NotAllowed(why) | Answer::Failed(why) => {
            SOUND.cannot_tell(resource.to_string(), format!("{action}: {why}"))
        }
    });
    findings.collect()
}
