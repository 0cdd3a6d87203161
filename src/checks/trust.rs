//! Whom the role trusts: whether its trust policy lets EKS assume it for this service account. Whether the target role
//! trusts the role is `target`'s.

use super::{Check, Finding, Follows, Link, proof};
use crate::model::{
    have::Observed,
    message::Meaning,
    role::Role,
    said::{self, Said},
    snapshot::Snapshot,
    trust::{self, Cause, Lint, Reason, Request, Unfixable, Verdict},
};

pub(super) static CHECKS: &[&Check] =
    &[&PASSED, &PRINCIPAL, &MISSING_ASSUME_ROLE, &MISSING_TAG_SESSION, &CONDITION, &SESSION_TAGS_OFF, &DENIED];

const ROLE_PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html";
const TAGS_PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html";

static PASSED: Check = Check {
    id: "trust.ok",
    link: Link::Trust,
    title: "the role's trust policy allows the service account",
    background: "EKS assumes the role as the service pods.eks.amazonaws.com, with six session tags that name cluster, namespace, service account and pod. For every denial by the trust policy, pods get the same message: `EKS does not have permissions to assume the associated role`.",
    sources: &[ROLE_PAGE],
    follows: Follows::Nothing,
};

static PRINCIPAL: Check = Check {
    id: "trust.principal",
    link: Link::Trust,
    title: "the role does not trust Pod Identity",
    background: "No Allow statement names the service pods.eks.amazonaws.com, which has this name in every partition. A role for IRSA trusts an OIDC provider, and a role for nodes trusts ec2.amazonaws.com: neither allows Pod Identity.",
    sources: &[ROLE_PAGE, "https://github.com/hashicorp/terraform-provider-aws/issues/41483"],
    follows: Follows::Nothing,
};

static MISSING_ASSUME_ROLE: Check = Check {
    id: "trust.missing-assume-role",
    link: Link::Trust,
    title: "the trust policy does not allow sts:AssumeRole",
    background: "Pod Identity calls sts:AssumeRole. sts:AssumeRoleWithWebIdentity, which IRSA calls, is another action.",
    sources: &[ROLE_PAGE],
    follows: Follows::Nothing,
};

static MISSING_TAG_SESSION: Check = Check {
    id: "trust.missing-tag-session",
    link: Link::Trust,
    title: "the trust policy does not allow sts:TagSession",
    background: "EKS passes session tags when it assumes the role, which needs a separate permission. With session tags disabled, STS does not require it, but EKS may when an association is created or changed: this is not documented, so it is a warning then.",
    sources: &[ROLE_PAGE, "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html"],
    follows: Follows::Nothing,
};

static CONDITION: Check = Check {
    id: "trust.condition",
    link: Link::Trust,
    title: "a condition of the trust policy does not match the service account",
    background: "Conditions are compared with what EKS sends: the session tags as aws:RequestTag/…, aws:SourceAccount, and aws:SourceArn, which is the cluster's ARN and not the association's. StringEquals is case-sensitive and treats `*` literally. Keys that a call of a service does not have, such as sts:ExternalId or aws:PrincipalArn, never match.",
    sources: &[
        TAGS_PAGE,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html",
        "https://github.com/awslabs/mountpoint-s3-csi-driver/issues/781",
    ],
    follows: Follows::Nothing,
};

static SESSION_TAGS_OFF: Check = Check {
    id: "trust.session-tags-off",
    link: Link::Trust,
    title: "the trust policy requires session tags, but the association disables them",
    background: "With disableSessionTags EKS sends none of the six tags, so a condition on aws:RequestTag/… cannot match. Only aws:SourceArn, the cluster's ARN, and aws:SourceAccount can distinguish callers then.",
    sources: &[TAGS_PAGE],
    follows: Follows::Nothing,
};

static DENIED: Check = Check {
    id: "trust.denied",
    link: Link::Trust,
    title: "a statement of the trust policy denies it",
    background: "A matching Deny overrules every Allow. A Deny with NotPrincipal, or with a negated condition on a key that EKS does not send, may match more than intended.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let (Some(association), Some(cluster)) = (snapshot.associated(), snapshot.cluster.cluster.known()) else {
        return Vec::new();
    };
    let role = match &snapshot.role.role {
        // Another role than the association's says nothing of it.
        Observed::Known(Some(role)) if role.arn.to_string() != association.role_arn => return Vec::new(),
        Observed::Known(Some(role)) => role,
        Observed::Unreadable(why) => return vec![PASSED.skips("the role", why)],
        Observed::Known(None) | Observed::NotRequested => return Vec::new(),
    };
    let session_tags = !association.disable_session_tags;
    let request = Request { cluster, subject: &snapshot.subject, session_tags, now: Some(snapshot.now), pod: None };
    let subject = format!("trust policy of role {}", role.name);
    let finding = match trust::at_run_time(&role.trust, &request) {
        Verdict::Admits => return admitted(&subject, role, &request),
        Verdict::Unknown(reasons) => match refused_pods(snapshot, role, &request) {
            Some((pods, reasons)) => {
                check_for(&reasons).fails(subject, trust::in_words(&reasons)).evidence("the pods' names", pods)
            }
            None => return vec![undecided(snapshot, &subject, role, &request, &reasons)],
        },
        Verdict::Refuses(reasons) => check_for(&reasons).fails(subject, trust::in_words(&reasons)),
    };
    vec![mended(finding, role, &request)]
}

/// Whether an association without session tags would be refused, as `associate` asks.
pub(super) fn needs_tags(snapshot: &Snapshot) -> bool {
    let role = snapshot.role.role.known().and_then(Option::as_ref);
    let (Some(cluster), Some(role)) = (snapshot.cluster.cluster.known(), role) else { return false };
    let now = Some(snapshot.now);
    let request = Request { cluster, subject: &snapshot.subject, session_tags: false, now, pod: None };
    matches!(trust::evaluate(&role.trust, &request), Verdict::Refuses(_))
}

/// No pod that runs has a name that the policy admits: their names, and why the first is refused.
fn refused_pods(snapshot: &Snapshot, role: &Role, request: &Request<'_>) -> Option<(String, Vec<Reason>)> {
    let pods = snapshot.live_pods();
    let asked = pods.iter().map(|pod| {
        let of_one = Request { pod: Some(&pod.name), ..request.clone() };
        match trust::at_run_time(&role.trust, &of_one) {
            Verdict::Refuses(reasons) => Some(reasons),
            Verdict::Admits | Verdict::Unknown(_) => None,
        }
    });
    let refused: Vec<Vec<Reason>> = asked.collect::<Option<_>>()?;
    let names: Vec<&str> = pods.iter().take(5).map(|pod| pod.name.as_str()).collect();
    Some((names.join(", "), refused.into_iter().next()?))
}

/// A pod in trouble whose log says that EKS may not assume the role, with the line.
fn refused_now(snapshot: &Snapshot) -> Option<(&str, &str)> {
    snapshot.logs.iter().find_map(|log| {
        let (pod, container) = snapshot.container_of(log)?;
        let saying = said::last(log.lines.known()?, snapshot.now).filter(|_| pod.troubled(container))?;
        let trust = matches!(saying.said, Said::Message(row) if row.meaning == Meaning::Trust);
        trust.then(|| (log.pod.as_str(), saying.line.shown()))
    })
}

/// What the policy alone does not tell: the names of the pods may, and credentials that EKS Auth gave do.
fn undecided(snapshot: &Snapshot, subject: &str, role: &Role, request: &Request<'_>, reasons: &[String]) -> Finding {
    if proof::live(snapshot) {
        return PASSED
            .ok(subject, format!("it allows {}: EKS Auth returned credentials", request.subject))
            .evidence("AssumeRoleForPodIdentity", "credentials of this role");
    }
    let pods = snapshot.live_pods();
    let admits = |name: &str| {
        let of_one = Request { pod: Some(name), ..request.clone() };
        trust::at_run_time(&role.trust, &of_one) == Verdict::Admits
    };
    if !pods.is_empty() && pods.iter().all(|pod| admits(&pod.name)) {
        return PASSED
            .ok(subject, format!("it allows the pods of {} by their names", request.subject))
            .evidence("GetRole", "AssumeRolePolicyDocument");
    }
    if let Some((pod, line)) = refused_now(snapshot) {
        // Nothing else of the policy keeps EKS out.
        return CONDITION
            .fails(subject, format!("{}; EKS was refused, and no other part of the policy denies it", reasons.join("; ")))
            .evidence(format!("log of pod {pod}"), line)
            .evidence("GetRole", "AssumeRolePolicyDocument")
            .change(
                "remove the condition from the trust policy; if EKS is refused still, ask the owner of the organization's policies (SCPs, RCPs)",
            );
    }
    let finding = PASSED.cannot_tell(subject, reasons.join("; ")).evidence("GetRole", "AssumeRolePolicyDocument");
    finding.command(format!("podid verify {} --live", request.subject))
}

/// The check that the most telling reason belongs to.
fn check_for(reasons: &[Reason]) -> &'static Check {
    let any = |wanted: fn(&Cause) -> bool| reasons.iter().any(|reason| wanted(&reason.cause));
    if any(|cause| *cause == Cause::Denied) {
        &DENIED
    } else if any(|cause| *cause == Cause::Principal) {
        &PRINCIPAL
    } else if any(|cause| *cause == Cause::MissingAction(trust::ACTIONS[0])) {
        &MISSING_ASSUME_ROLE
    } else if any(|cause| matches!(cause, Cause::MissingAction(_))) {
        &MISSING_TAG_SESSION
    } else if any(|cause| *cause == Cause::SessionTagsOff) {
        &SESSION_TAGS_OFF
    } else {
        &CONDITION
    }
}

/// EKS gets in; where it sends no tags, whether it would also when it looks at the role anew.
fn admitted(subject: &str, role: &Role, request: &Request<'_>) -> Vec<Finding> {
    let sound =
        PASSED.ok(subject, format!("allows {}", request.subject)).evidence("GetRole", "AssumeRolePolicyDocument");
    let mut found = vec![sound];
    if let Verdict::Refuses(reasons) = trust::evaluate(&role.trust, request) {
        let told = format!("{}: EKS may reject the next change of the association", trust::in_words(&reasons));
        found.push(mended(MISSING_TAG_SESSION.warns(subject, told), role, request));
    }
    found
}

/// Adds what it rests on, and the correction where there is one.
fn mended(finding: Finding, role: &Role, request: &Request<'_>) -> Finding {
    let tags = if request.session_tags { "session tags are enabled" } else { "disableSessionTags: true" };
    let finding = finding
        .evidence("GetRole", "AssumeRolePolicyDocument")
        .evidence("DescribePodIdentityAssociation", tags)
        .evidence("DescribeCluster", request.cluster.arn.to_string());
    let lint = Lint { role: &role.arn, request: Some(request) };
    match trust::corrected(&role.trust, &lint) {
        Ok(_) => finding.command(format!("podid role trust {} --service-account {} --fix", role.name, request.subject)),
        Err(Unfixable::TooLong(long)) => {
            finding.change(format!("the corrected trust policy {long}: shorten the current one: {}", trust::SHORTEN))
        }
        Err(Unfixable::SidTaken(taken)) => finding.change(format!("{taken}: {}", taken.advice(&role.name))),
        Err(Unfixable::Denied | Unfixable::Nothing) => finding
            .change("remove the statement that denies it from the trust policy: no added statement overrules a Deny"),
    }
}
