//! The second hop: from the role to the target role. What the target role may do is `permissions`'.

use serde_json::{Value, json};

use super::{Check, Finding, Follows, Link as ChainLink, Status};
use crate::model::{
    arn::{Arn, last},
    have::Observed,
    snapshot::Snapshot,
    trust::{
        self, ACTIONS, Cause, Verdict,
        hop::Hop,
        target::{Link, target_statements},
    },
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &MISSING, &NOT_PERMITTED, &TRUST, &EXTERNAL_ID];

const PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html";

static PASSED: Check = Check {
    id: "target-role.ok",
    link: ChainLink::TargetRole,
    title: "the role may assume the target role, and the target role trusts it",
    background: "With a target role, EKS first assumes the association's role, and from there the target role; the pods get the credentials of the target role.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static MISSING: Check = Check {
    id: "target-role.missing",
    link: ChainLink::TargetRole,
    title: "the target role does not exist",
    background: "EKS does not check whether the target role of an association exists. Pods get an error when they request credentials, with the same message as for a wrong trust policy.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static NOT_PERMITTED: Check = Check {
    id: "target-role.not-permitted",
    link: ChainLink::TargetRole,
    title: "the association's role may not assume the target role",
    background: "The association's role needs sts:AssumeRole and, since session tags are passed on, sts:TagSession on the target's ARN. Within one account, a trust policy that names the role itself is enough for IAM; then this is a warning.",
    sources: &[PAGE, "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"],
    follows: Follows::Nothing,
};

static TRUST: Check = Check {
    id: "target-role.trust",
    link: ChainLink::TargetRole,
    title: "the target role does not trust the association's role",
    background: "The target's trust policy has to allow the association's role, by its account or its ARN, for sts:AssumeRole and sts:TagSession. Its conditions are compared with the session tags, with aws:PrincipalArn, and where there are no tags with the external id.",
    sources: &[PAGE],
    follows: Follows::Nothing,
};

static EXTERNAL_ID: Check = Check {
    id: "target-role.external-id",
    link: ChainLink::TargetRole,
    title: "the target role requires another external ID",
    background: "EKS sends the association's external ID, in the form region/account/cluster/namespace/service-account. EKS creates it, and it cannot be chosen: the target's trust policy has to use the one from DescribePodIdentityAssociation.",
    sources: &[PAGE, "https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html"],
    follows: Follows::Nothing,
};

/// What is looked at.
struct View<'a> {
    snapshot: &'a Snapshot,
    hop: Hop<'a>,
    target: &'a Arn,
    /// `target role orders-writer`.
    subject: String,
}

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let (Some(association), Some(cluster)) = (snapshot.associated(), snapshot.cluster.cluster.known()) else {
        return Vec::new();
    };
    let Some(target) = &association.target_role_arn else { return Vec::new() };
    // Without the first role there is no hop to look at.
    if snapshot.role.role == Observed::Known(None) {
        return Vec::new();
    }
    let subject = format!("target role {}", last(target));
    // Remedies write both into policies, where a wildcard would name other roles too.
    let (primary, target) = match (Arn::strict(&association.role_arn), Arn::strict(target)) {
        (Ok(primary), Ok(target)) => (primary, target),
        (Err(why), _) | (_, Err(why)) => return vec![PASSED.cannot_tell(subject, why.to_string())],
    };
    let link = Link {
        cluster,
        subject: &snapshot.subject,
        primary: &primary,
        session_tags: !association.disable_session_tags,
        external_id: association.external_id.as_deref(),
    };
    let role = snapshot.role.role.known().and_then(Option::as_ref);
    let hop = Hop { link, tags: role.map(|role| &role.tags), now: Some(snapshot.now) };
    let view = View { snapshot, hop, target: &target, subject };
    let (permission, trust) = (view.permission(), view.trust());
    match (permission, trust) {
        // One line for what is sound on both sides.
        (Some(permission), Some(trust)) if [&permission, &trust].iter().all(|f| f.status == Status::Ok) => {
            let said = format!("{}, and it {}", permission.message, trust.message);
            let evidence = permission.evidence.into_iter().chain(trust.evidence).collect();
            vec![Finding { evidence, ..PASSED.ok(view.subject, said) }]
        }
        (permission, trust) => permission.into_iter().chain(trust).collect(),
    }
}

impl View<'_> {
    /// Whether the association's role may go there.
    fn permission(&self) -> Option<Finding> {
        let target = self.target.to_string();
        let role = format!("role {}", self.hop.link.primary.name());
        let documents = match &self.snapshot.role.documents {
            Observed::Known(documents) => documents,
            Observed::Unreadable(why) => return Some(PASSED.skips(format!("the policies of {role}"), why)),
            Observed::NotRequested => return None,
        };
        let source = format!("the policies of {role}");
        let told = documents.identity.iter().map(|(name, _)| last(name)).collect::<Vec<_>>().join(", ");
        let told = if told.is_empty() { "it has none".to_owned() } else { told };
        let reasons = match self.hop.permitted(documents, &target) {
            Verdict::Admits => {
                let sound = PASSED.ok(&self.subject, format!("{role} may assume it"));
                return Some(sound.evidence(source, told));
            }
            Verdict::Unknown(why) => {
                return Some(PASSED.cannot_tell(&self.subject, why.join("; ")).evidence(source, told));
            }
            Verdict::Refuses(reasons) => reasons,
        };
        let denied = reasons.iter().any(|reason| reason.cause == Cause::Denied);
        let named = self.hop.link.primary.account == self.target.account
            && self.snapshot.target.role.known().and_then(Option::as_ref).is_some_and(|role| {
                self.hop.is_named_by(&role.trust) && self.hop.trusted(&role.trust) == Verdict::Admits
            });
        let words = trust::in_words(&reasons);
        let finding = if named && !denied {
            NOT_PERMITTED.warns(&self.subject, format!("{words}; its trust policy names the role, which may be enough"))
        } else {
            NOT_PERMITTED.fails(&self.subject, words)
        };
        let statement = json!({"Effect": "Allow", "Action": ACTIONS, "Resource": target});
        let fenced = |reason: &trust::Reason| reason.text.contains("the permissions boundary");
        let change = if !denied && reasons.iter().all(fenced) {
            format!("allow {} on {target} in the permissions boundary of {role}", ACTIONS.join(" and "))
        } else if denied {
            "remove the statement that denies it: no added statement overrules a Deny".to_owned()
        } else {
            format!("add to the policies of {role}: {statement}")
        };
        Some(finding.evidence(source, told).change(change))
    }

    /// Whether the target role is there and lets it in.
    fn trust(&self) -> Option<Finding> {
        let role = match &self.snapshot.target.role {
            Observed::Known(Some(role)) => role,
            Observed::Known(None) => return Some(self.missing("it does not exist".to_owned(), "NoSuchEntity")),
            Observed::Unreadable(why) => {
                let finding = PASSED.skips(&self.subject, format!("its trust policy is not visible: {why}"));
                return Some(finding.change(format!("its trust policy needs {}", self.statements())));
            }
            Observed::NotRequested => return None,
        };
        if role.arn != *self.target {
            let said = format!("the association names {}, the role of this name is {}", self.target, role.arn);
            return Some(self.missing(said, &role.arn.to_string()));
        }
        let source = format!("GetRole {}", role.name);
        let finding = match self.hop.trusted(&role.trust) {
            Verdict::Admits => {
                let sound = PASSED.ok(&self.subject, format!("trusts role {}", self.hop.link.primary.name()));
                return Some(sound.evidence(source, "AssumeRolePolicyDocument"));
            }
            Verdict::Unknown(why) => {
                let finding = PASSED.cannot_tell(&self.subject, why.join("; "));
                return Some(finding.evidence(source, "AssumeRolePolicyDocument"));
            }
            Verdict::Refuses(reasons) => {
                let external =
                    reasons.iter().any(|reason| reason.cause == Cause::Condition("sts:externalid".to_owned()));
                let check = if external { &EXTERNAL_ID } else { &TRUST };
                check.fails(&self.subject, trust::in_words(&reasons))
            }
        };
        let id = self.hop.link.external_id.map_or_else(|| "no external ID".to_owned(), |id| format!("externalId {id}"));
        let finding = finding
            .evidence(source, "AssumeRolePolicyDocument")
            .evidence("DescribePodIdentityAssociation", format!("role {}, {id}", self.hop.link.primary));
        Some(finding.command(format!(
            "podid associate {} --role {} --target-role {} --fix-target-trust",
            self.snapshot.subject, self.hop.link.primary, self.target
        )))
    }

    fn missing(&self, said: String, told: &str) -> Finding {
        MISSING
            .fails(&self.subject, said)
            .evidence("DescribePodIdentityAssociation", format!("targetRoleArn {}", self.target))
            .evidence(format!("GetRole {}", self.target.name()), told)
            .change(format!("create it, with a trust policy that has {}", self.statements()))
    }

    /// What its trust policy has to have.
    fn statements(&self) -> String {
        Value::Array(target_statements(&self.hop.link)).to_string()
    }
}
