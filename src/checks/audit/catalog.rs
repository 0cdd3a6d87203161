//! What `podid audit` looks for.

use super::super::{Check, Follows, Link};

/// Every check of the audit.
pub static CHECKS: &[&Check] = &[
    &UNREAD,
    &NAMESPACE,
    &SERVICE_ACCOUNT,
    &NO_PODS,
    &DEFAULT_ACCOUNT,
    &ROLE_MISSING,
    &REFUSED,
    &UNUSED_ROLE,
    &LEFT,
    &IRSA,
    &AGENT_OLD,
    &OPEN,
    &PRINCIPAL,
    &SHARED,
    &ADMIN,
    &ALL_ACTIONS,
    &TAGS_OFF,
    &UNUSED_SERVICES,
];

const ROLE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html";
const ASSOCIATION: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html";
const PRACTICES: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html";

const fn check(
    id: &'static str,
    title: &'static str,
    background: &'static str,
    sources: &'static [&'static str],
) -> Check {
    Check { id, link: Link::Audit, title, background, sources, follows: Follows::Nothing }
}

/// Something could not be read; nobody can accept that.
pub static UNREAD: Check = check(
    "audit.unread",
    "something that the audit needs could not be read",
    "What could not be read may hide findings: the audit is incomplete, and does not exit with 0 unless --allow-incomplete is set.",
    &[ROLE],
);
pub(super) static NAMESPACE: Check = check(
    "audit.namespace-missing",
    "the namespace of an association does not exist",
    "An association is not deleted with its namespace. A user who may create a namespace and a service account of these names gets its credentials.",
    &[ASSOCIATION],
);
pub(super) static SERVICE_ACCOUNT: Check = check(
    "audit.service-account-missing",
    "the service account of an association does not exist",
    "An association is not deleted with its service account. A user who may create a service account of this name gets its credentials.",
    &[ASSOCIATION],
);
pub(super) static NO_PODS: Check = check(
    "audit.association-unused",
    "nothing uses an association",
    "Neither a pod nor a Deployment, StatefulSet, DaemonSet or CronJob runs as the service account. Jobs that another system creates are not seen between two runs.",
    &[ASSOCIATION],
);
pub(super) static DEFAULT_ACCOUNT: Check = check(
    "audit.default-account",
    "the default service account of a namespace has an association",
    "Every pod that names no service account runs as `default`, and gets the credentials too.",
    &[ASSOCIATION],
);
pub(super) static ROLE_MISSING: Check = check(
    "audit.role-missing",
    "the role of an association does not exist",
    "A role can be deleted while associations use it. Pods then get no credentials. A user who may create a role of this name decides what they get.",
    &[ROLE],
);
pub(super) static REFUSED: Check = check(
    "audit.no-credentials",
    "the trust policy of an association's role does not allow the service account",
    "EKS checks the trust policy when an association is created, and again for each pod. After a change of the trust policy, pods get no credentials.",
    &[ROLE],
);
/// A role that nothing uses.
pub static UNUSED_ROLE: Check = check(
    "audit.role-unused",
    "a role trusts Pod Identity, and no association uses it",
    "podid reads the clusters and regions that the trust policy allows. Where one of them cannot be read, the role is possibly in use.",
    &[ROLE],
);
/// podid's statement for nobody.
pub static LEFT: Check = check(
    "audit.statement-unused",
    "a trust policy has podid's statement for a service account without an association",
    "A user who may create an association for that service account, and pass the role, can use it. podid writes the statement before it creates the association, and removes it when it deletes one; a statement stays when another tool deletes the association. Only statements for clusters whose associations were read are judged.",
    &[ROLE],
);
pub(super) static IRSA: Check = check(
    "audit.irsa-annotation",
    "a service account has an association, and the annotation of IRSA",
    "Pods that started before the association use the annotation's role. If the association is deleted, new pods use it again.",
    &[ASSOCIATION],
);
pub(super) static AGENT_OLD: Check = check(
    "audit.agent-outdated",
    "the agent add-on is older than EKS's default version",
    "EKS has a default version of each add-on for each Kubernetes version. An agent that was installed by other means than as an add-on is not judged.",
    &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
);
pub(super) static OPEN: Check = check(
    "audit.role-open",
    "a role may be used by every cluster of the account",
    "Without a condition on the cluster, a user who may create an association in any cluster and pass the role can use it.",
    &[ROLE],
);
pub(super) static PRINCIPAL: Check = check(
    "audit.principal-any",
    "a role trusts every principal",
    "`Principal: *` in a trust policy is limited only by its conditions.",
    &[PRACTICES],
);
pub(super) static SHARED: Check = check(
    "audit.role-shared",
    "several service accounts get the credentials of one role",
    "Each of them has the permissions that any of them needs, unless the policies distinguish them by session tags.",
    &[PRACTICES],
);
pub(super) static ADMIN: Check = check(
    "audit.admin",
    "a role allows everything, or can give itself more",
    "A statement allows every action, or actions of IAM with which a caller can give itself more permissions.",
    &[PRACTICES],
);
pub(super) static ALL_ACTIONS: Check = check(
    "audit.all-actions",
    "a role allows every action of a service",
    "Such a statement also allows actions that delete resources or change who may use them, and those that AWS adds later.",
    &[PRACTICES],
);
pub(super) static TAGS_OFF: Check = check(
    "audit.session-tags-off",
    "session tags are disabled, and a policy asks for them",
    "Conditions and variables with aws:PrincipalTag/kubernetes-* and aws:PrincipalTag/eks-* have no value then: what they allow is denied, and a Deny with a negated condition applies.",
    &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"],
);
pub(super) static UNUSED_SERVICES: Check = check(
    "audit.permission-unused",
    "a role allows services that it does not use",
    "With --last-accessed, podid asks IAM when a role last used each service that its policies allow. A permission that nothing uses only helps an attacker. IAM sees uses after up to four hours, and knows those of the last 400 days; a role that is younger than --unused-for is not judged. Permissions that are needed once a year look unused.",
    &["https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html"],
);
