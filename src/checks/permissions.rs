//! What the role may do, against what the workload needs. Whom the role trusts is `trust`'s.

mod judge;
mod keys;
mod remedy;
#[cfg(test)]
mod tests;

use self::judge::{Cause, Judged, Outcome};
pub(super) use self::remedy::for_a_new_role;
use super::{Check, Finding, Follows, Link};
use crate::model::{
    access::{self, Need, Session},
    arn::last,
    have::Observed,
    snapshot::{RoleView, Snapshot},
    text::count,
};

pub(super) static CHECKS: &[&Check] = &[
    &PASSED,
    &MISSING,
    &INDEX,
    &WRONG_ARN,
    &SESSION_TAGS,
    &EXPLICIT_DENY,
    &BOUNDARY,
    &SCP,
    &SESSION_POLICY,
    &RESOURCE_POLICY,
    &KMS,
];

static PASSED: Check = Check {
    id: "permissions.ok",
    link: Link::Permissions,
    title: "the role may do what the workload needs",
    background: "AWS evaluates each call: with the role's policies, its permissions boundary, the organization's policies, the association's session policy, and the resource policy. podid lets IAM simulate the call with the session tags that EKS sends. Without permission for that, podid evaluates the policies itself; the organization's policies are not visible then.",
    sources: &[
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
        "https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html",
    ],
    follows: Follows::Nothing,
};

pub(super) static MISSING: Check = Check {
    id: "permissions.missing",
    link: Link::Permissions,
    title: "no policy of the role allows an action that the workload needs",
    background: "The credentials work, but the service returns AccessDenied `because no identity-based policy allows` the action.",
    sources: &[
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html",
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html",
    ],
    follows: Follows::Nothing,
};

static INDEX: Check = Check {
    id: "permissions.index",
    link: Link::Permissions,
    title: "the role may use the table, but not its indexes",
    background: "An index has an ARN of its own, `table/NAME/index/INDEX`: a policy for the table alone does not cover a Query or Scan of its indexes.",
    sources: &["https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/using-identity-based-policies.html"],
    follows: Follows::Nothing,
};

static WRONG_ARN: Check = Check {
    id: "permissions.wrong-arn",
    link: Link::Permissions,
    title: "the role's policy names another table, region or account than the workload uses",
    background: "A policy for a table of another region or account, or with a mistyped name, is valid but does not allow the action. The same happens if the action names a table or index that does not exist.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"],
    follows: Follows::Nothing,
};

static SESSION_TAGS: Check = Check {
    id: "permissions.session-tags",
    link: Link::Permissions,
    title: "the role's policy requires session tags that the pods do not have",
    background: "EKS sends six session tags, which policies can use as aws:PrincipalTag. They are compared exactly; if the association disables session tags, the keys are missing.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"],
    follows: Follows::Nothing,
};

static EXPLICIT_DENY: Check = Check {
    id: "permissions.explicit-deny",
    link: Link::Permissions,
    title: "a policy of the role denies an action that the workload needs",
    background: "A Deny overrules every Allow in any policy. Adding a permission does not help.",
    sources: &[
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_AccessPolicyLanguage_Interplay.html",
    ],
    follows: Follows::Nothing,
};

static BOUNDARY: Check = Check {
    id: "permissions.boundary",
    link: Link::Permissions,
    title: "the role's permissions boundary does not allow an action that the workload needs",
    background: "A permissions boundary limits what a role may do: both the boundary and a policy of the role have to allow an action.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"],
    follows: Follows::Nothing,
};

static SCP: Check = Check {
    id: "permissions.scp",
    link: Link::Permissions,
    title: "the organization's service control policies do not allow an action that the workload needs",
    background: "Service control policies limit what any role of an account may do. They belong to the organization's management account; IAM uses them in a simulation, but does not name the statement.",
    sources: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"],
    follows: Follows::Nothing,
};

static SESSION_POLICY: Check = Check {
    id: "permissions.session-policy",
    link: Link::Permissions,
    title: "the association's session policy does not allow an action that the workload needs",
    background: "The session policy of an association limits the sessions of its pods: both the session policy and the role's policies have to allow an action. With a target role, it limits the target role's sessions.",
    sources: &["https://aws.amazon.com/blogs/containers/session-policies-for-amazon-eks-pod-identity/"],
    follows: Follows::Nothing,
};

static RESOURCE_POLICY: Check = Check {
    id: "permissions.resource-policy",
    link: Link::Permissions,
    title: "the table's resource policy denies an action that the workload needs",
    background: "A table can have a resource policy. A Deny in it overrules the role's policies, and a table of another account can be used only if its policy allows it.",
    sources: &["https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html"],
    follows: Follows::Nothing,
};

static KMS: Check = Check {
    id: "permissions.kms",
    link: Link::Permissions,
    title: "the KMS key that the table is encrypted with cannot be used",
    background: "DynamoDB decrypts the table's key on behalf of the caller: readers and writers need kms:Decrypt on a customer managed key, from the role's policies or the key policy. If DynamoDB cannot use the key at all, the table becomes inaccessible (INACCESSIBLE_ENCRYPTION_CREDENTIALS).",
    sources: &["https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html"],
    follows: Follows::Nothing,
};

/// Says with which words an answer came without IAM.
const PREDICTED: &str = "predicted from the policies; IAM was not asked";

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(session) = Session::of(snapshot) else { return Vec::new() };
    if snapshot.needs.is_empty() {
        return vec![PASSED.skips("the workload", "pass --needs ACTION@RESOURCE, --dynamodb or --s3 to check them")];
    }
    let subject = format!("role {}", last(&session.role));
    let view = role(snapshot);
    let answered = match (&snapshot.access.simulated, &view.documents) {
        (Observed::NotRequested, _) => return Vec::new(),
        (Observed::Known(_), _) => true,
        (Observed::Unreadable(_), Observed::Known(_)) => false,
        (Observed::Unreadable(why), Observed::Unreadable(more)) => {
            return vec![PASSED.skips(subject, format!("{why}; and the policies cannot be read: {more}"))];
        }
        (Observed::Unreadable(why), Observed::NotRequested) => return vec![PASSED.skips(subject, why)],
    };
    let judged: Vec<Judged<'_>> = snapshot.needs.iter().map(|need| judge::judge(need, &session, snapshot)).collect();
    let mut findings = broken(&subject, &judged, answered, &session, snapshot);
    findings.extend(keys::findings(snapshot));
    findings.extend(keys::nowhere(snapshot));
    findings.extend(unseen(snapshot));
    let unknown: Vec<String> = judged.iter().filter_map(Judged::unknown).collect();
    if !unknown.is_empty() {
        findings.push(PASSED.cannot_tell(subject, unknown.join("; ")));
    } else if judged.iter().all(|one| one.outcome == Outcome::Allowed) {
        let message = format!("it allows {}", count(judged.len(), "action"));
        let message = match &snapshot.access.simulated {
            Observed::Unreadable(why) => format!("{message} ({PREDICTED}: {why})"),
            Observed::Known(_) | Observed::NotRequested => message,
        };
        let finding = PASSED.ok(subject, message);
        findings.push(finding.evidence(source(answered), listed(judged.iter().map(|one| one.need))));
    }
    findings
}

/// Whether the credentials may make a call that a log tells of, as IAM says.
pub(super) fn allowed(snapshot: &Snapshot, action: &str, resource: &str) -> bool {
    let asked = snapshot.access.simulated.known().is_some();
    let Some(session) = Session::of(snapshot).filter(|_| asked) else { return false };
    let mut needs = snapshot.needs.iter().filter(|need| need.action == action && need.resource == resource);
    needs.any(|need| judge::judge(need, &session, snapshot).outcome == Outcome::Allowed)
}

/// The conditions of the role's policies on which it depends whether a call that a log tells of is allowed.
pub(super) fn conditions(snapshot: &Snapshot, action: &str, resource: &str) -> Option<Vec<String>> {
    let session = Session::of(snapshot)?;
    let need = snapshot.needs.iter().find(|need| need.action == action && need.resource == resource)?;
    let documents = role(snapshot).documents.known().filter(|_| !need.names_no_resource())?;
    access::predict(documents, &session, need).err()
}

/// The role whose credentials the pods get.
fn role(snapshot: &Snapshot) -> &RoleView {
    let through_target = snapshot.associated().is_some_and(|association| association.target_role_arn.is_some());
    if through_target { &snapshot.target } else { &snapshot.role }
}

fn source(answered: bool) -> &'static str {
    if answered { "SimulatePrincipalPolicy" } else { "GetRolePolicy, GetPolicyVersion" }
}

/// `dynamodb:Query on table/carts/index/byId`, the first few.
fn listed<'a>(needs: impl Iterator<Item = &'a Need>) -> String {
    let all: Vec<String> = needs.map(shown).collect();
    let rest = all.len().saturating_sub(3);
    let shown = all[..all.len() - rest].join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

fn shown(need: &Need) -> String {
    if need.resource == "*" {
        return need.action.clone();
    }
    let resource = if need.resource.contains(":dynamodb:") {
        need.resource.splitn(6, ':').nth(5).unwrap_or(&need.resource)
    } else {
        &need.resource
    };
    format!("{} on {resource}", need.action)
}

/// One finding for each cause, with all needs that it breaks.
fn broken(
    subject: &str,
    judged: &[Judged<'_>],
    answered: bool,
    session: &Session,
    snapshot: &Snapshot,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in CHECKS {
        let own: Vec<&Judged<'_>> = judged.iter().filter(|one| one.check().is_some_and(|c| c == *check)).collect();
        let Some(cause) = own.iter().find_map(|one| one.cause()) else { continue };
        let what = listed(own.iter().map(|one| one.need));
        let mut message = format!("{what}: {}", why(cause));
        if !answered {
            message = format!("{message} ({PREDICTED})");
        }
        // Whether a key's own policy allows what the role's do not, only a refusal in a log tells.
        let told = own.iter().any(|one| one.need.is_told());
        let of_another = own.iter().all(|one| one.need.is_told_of_another());
        let may_work = match cause {
            // It was never asked: that is the failure, and this what comes next.
            _ if of_another => true,
            Cause::Key => !told,
            Cause::Organization { maybe } => *maybe,
            _ => false,
        };
        let status = if may_work { super::Status::Warning } else { super::Status::Failed };
        let mut finding = check.finds(status, subject, message).evidence(source(answered), decided(&own));
        for from in origins(&own) {
            let told = own.iter().map(|one| one.need).filter(|need| need.from == from);
            finding = finding.evidence(&*from, listed(told));
        }
        findings.push(remedy::remedies(finding, cause, &own, session, snapshot));
    }
    findings
}

/// Where the needs come from, each once.
fn origins(own: &[&Judged<'_>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for one in own {
        if !all.contains(&one.need.from) {
            all.push(one.need.from.clone());
        }
    }
    all
}

fn decided(own: &[&Judged<'_>]) -> String {
    let mut words: Vec<&str> = own.iter().map(|one| one.decided).collect();
    words.dedup();
    words.join(", ")
}

fn why(cause: &Cause) -> String {
    match cause {
        Cause::Missing => "no policy of the role allows it".to_owned(),
        Cause::Index => "the role's policies allow it on the table, but not on its indexes".to_owned(),
        Cause::WrongArn { policy, names, differs } => {
            format!("`{policy}` allows it only on {names}, which differs in {differs}")
        }
        Cause::Tags(reason) => reason.clone(),
        Cause::Denied(policies) => match &policies[..] {
            [] => "a policy of the role denies it".to_owned(),
            names => format!("denied by {}", names.join(", ")),
        },
        Cause::Boundary(arn) => {
            let named = arn.as_deref().map(|arn| format!(" {arn}")).unwrap_or_default();
            format!("the role's permissions boundary{named} does not allow it")
        }
        Cause::Organization { maybe: false } => {
            "the organization's service control policies do not allow it".to_owned()
        }
        Cause::Organization { maybe: true } => {
            "the organization's service control policies deny it, unless they have a condition, which podid cannot see, that allows the pods"
                .to_owned()
        }
        Cause::Session { denied: true } => "the association's session policy denies it".to_owned(),
        Cause::Session { denied: false } => "the association's session policy does not allow it".to_owned(),
        Cause::Table { denied: true } => "the table's resource policy denies it".to_owned(),
        Cause::Table { denied: false } => {
            "the table is in another account, and its resource policy does not allow it".to_owned()
        }
        Cause::Key => {
            "no policy of the role allows it: the key policy, which podid does not read, has to".to_owned()
        }
    }
}

/// What of the tables could not be looked at.
fn unseen(snapshot: &Snapshot) -> Vec<Finding> {
    let policies = snapshot.access.table_policies.iter().filter_map(|(arn, seen)| match seen {
        Observed::Unreadable(why) => Some(RESOURCE_POLICY.skips(format!("table {}", last(arn)), why)),
        _ => None,
    });
    let tables = snapshot.access.tables.iter().filter_map(|(arn, seen)| match seen {
        Observed::Unreadable(why) => Some(KMS.skips(format!("table {}", last(arn)), why)),
        _ => None,
    });
    policies.chain(tables).collect()
}
