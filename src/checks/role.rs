//! The role: it exists, in the cluster's account. Whom it trusts is `trust`'s, what it may do `permissions`'.

use super::{Check, Finding, Follows, Link, service_account};
use crate::model::{
    arn::{Arn, last},
    have::Observed,
    role::Role,
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &MISSING, &OTHER_PATH, &OTHER_ACCOUNT, &JUST_CREATED, &NO_POLICIES];

static PASSED: Check = Check {
    id: "role.ok",
    link: Link::Role,
    title: "the association's role exists",
    background: "EKS checks the role only when an association is created.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    follows: Follows::Nothing,
};

static MISSING: Check = Check {
    id: "role.missing",
    link: Link::Role,
    title: "the association's role does not exist",
    background: "A role can be deleted while associations use it. Pods then get the same error as with a wrong trust policy.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"],
    follows: Follows::Nothing,
};

static OTHER_PATH: Check = Check {
    id: "role.other-path",
    link: Link::Role,
    title: "the role has another path than in the association",
    background: "A role's name is unique in its account, but its ARN includes the path. A role that was deleted and recreated with another path has another ARN, and the association still names the old one.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"],
    follows: Follows::Nothing,
};

static OTHER_ACCOUNT: Check = Check {
    id: "role.other-account",
    link: Link::Role,
    title: "the association's role is in another account or partition than the cluster",
    background: "Creating an association passes the role to EKS, and a role can only be passed within its own account. To use a role of another account, set it as the target role: EKS assumes a role of the cluster's account first, and the target role from there.",
    sources: &[
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html",
    ],
    follows: Follows::Nothing,
};

pub(super) static JUST_CREATED: Check = Check {
    id: "role.just-created",
    link: Link::Role,
    title: "the role is so new that EKS may not see it yet",
    background: "A new role or a changed trust policy reaches other services with some delay. Until then, EKS returns the same error as for a missing role. Pods retry, so the error disappears.",
    sources: &[
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html",
        "https://github.com/hashicorp/terraform-provider-aws/issues/34711",
    ],
    follows: Follows::Nothing,
};

static NO_POLICIES: Check = Check {
    id: "role.no-policies",
    link: Link::Role,
    title: "the role has no policies",
    background: "A role without policies allows nothing: pods get credentials, but AWS denies nearly all of their calls. Only a resource policy that names the role can still allow a call.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_identity-vs-resource.html"],
    follows: Follows::Nothing,
};

/// Seconds in which IAM has told everybody, as a rule.
const SETTLES: i64 = 60;

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(association) = snapshot.associated() else { return Vec::new() };
    let (arn, subject) = (&association.role_arn, format!("role {}", last(&association.role_arn)));
    if let Some(finding) = elsewhere(snapshot, arn, &subject) {
        return vec![finding];
    }
    match &snapshot.role.role {
        Observed::Known(Some(role)) if role.arn.to_string() != *arn => vec![service_account::associate(
            OTHER_PATH
                .fails(subject, format!("the association names {arn}, the role is {}", role.arn))
                .evidence("DescribePodIdentityAssociation", arn)
                .evidence("GetRole", role.arn.to_string()),
            snapshot,
            &format!("--role {}", role.arn),
        )],
        Observed::Known(Some(role)) => {
            let mut found = vec![PASSED.ok(&subject, "it exists").evidence("GetRole", role.arn.to_string())];
            found.extend(young(snapshot, role, &subject));
            found.extend(without_policies(snapshot, role, &subject));
            found
        }
        Observed::Known(None) => vec![service_account::associate_new(
            MISSING
                .fails(subject, "it does not exist")
                .evidence("DescribePodIdentityAssociation", arn)
                .evidence("GetRole", "NoSuchEntity"),
            snapshot,
        )],
        Observed::Unreadable(why) => vec![PASSED.skips(subject, why)],
        Observed::NotRequested => Vec::new(),
    }
}

fn elsewhere(snapshot: &Snapshot, arn: &str, subject: &str) -> Option<Finding> {
    let home = &snapshot.cluster.cluster.known()?.arn;
    let role: Arn = arn.parse().ok()?;
    if role.account == home.account && role.partition == home.partition {
        return None;
    }
    let place = |arn: &Arn| format!("account {} of partition {}", arn.account, arn.partition);
    let finding = OTHER_ACCOUNT
        .fails(subject, format!("it is in {}, the cluster in {}", place(&role), place(home)))
        .evidence("DescribePodIdentityAssociation", arn)
        .evidence("DescribeCluster", home.to_string());
    Some(if role.partition == home.partition {
        service_account::associate(finding, snapshot, &format!("--create-role --target-role {arn}"))
    } else {
        service_account::associate_new(finding, snapshot)
    })
}

fn young(snapshot: &Snapshot, role: &Role, subject: &str) -> Option<Finding> {
    let created = role.created_at?;
    let age = snapshot.now.as_second() - created.as_second();
    (age < SETTLES).then(|| {
        JUST_CREATED
            .warns(subject, format!("it was created {} seconds ago, and EKS may not see it yet", age.max(0)))
            .evidence("GetRole", format!("CreateDate {created}"))
            .change("wait a minute and verify again")
    })
}

fn without_policies(snapshot: &Snapshot, role: &Role, subject: &str) -> Option<Finding> {
    let name = &role.name;
    (snapshot.role.policies == Observed::Known(0)).then(|| {
        NO_POLICIES
            .warns(subject, "it has no policies: AWS denies the calls of its pods")
            .evidence("ListRolePolicies, ListAttachedRolePolicies", "none")
            .change(format!(
                "grant what the pods need: `podid policy attach {name} --policy-file FILE` (or --dynamodb TABLE, --policy-arn ARN)"
            ))
    })
}
