//! What `podid migrate` prints as JSON, field by field.

use super::Rows;

pub(super) const MIGRATION: Rows = &[
    ("cluster, oidcIssuer", "ARN of the cluster, and its OIDC issuer"),
    ("serviceAccounts[]", "one for each service account that uses IRSA"),
    ("serviceAccounts[].namespace, serviceAccount", "whose"),
    ("serviceAccounts[].roleArn", "the role of its annotation"),
    (
        "serviceAccounts[].stage",
        "irsa (no association), both (an association, and pods that still use IRSA), pod-identity, other-role (an association for another role) or unknown",
    ),
    ("serviceAccounts[].readiness", "ready, ready-with-changes, not-ready or unknown"),
    ("serviceAccounts[].trust", "what the role's trust policy says of IRSA; null if it was not read"),
    (
        "serviceAccounts[].trust.forms[], statements[]",
        "its forms (exact, list, like-without-wildcard, pattern, audience-only, unconditional, other-issuers, several-providers, unusual-operator, other-principals, other-actions, other-account, dead), and its statements for the cluster's issuer",
    ),
    (
        "serviceAccounts[].trust.allowsServiceAccount",
        "whether it may assume the role through IRSA; null if that cannot be determined",
    ),
    ("serviceAccounts[].trust.otherIssuers[], otherPrincipals[]", "who else may assume the role"),
    ("serviceAccounts[].roleSharedWith[]", "other service accounts of the plan that use the role"),
    ("serviceAccounts[].annotationOwner", "who keeps the annotation: Helm NAME, Argo CD NAME, kubectl, unknown, ..."),
    ("serviceAccounts[].workloads[]", "what runs as it, as deployment/carts; null if it could not be read"),
    (
        "serviceAccounts[].pods.total, irsa, podIdentity",
        "its running pods, by what they use; null if they could not be read",
    ),
    ("serviceAccounts[].findings[]", "what was found, as in podid-verify(1)"),
    ("serviceAccounts[].findings[].id, link, status, subject, message", "the check, and what it found"),
    ("serviceAccounts[].findings[].evidence[].source, text", "what was read, and from where"),
    ("serviceAccounts[].findings[].remedies[].command, change", "what to do: a command, or a change in words"),
    ("serviceAccounts[].findings[].sources[]", "pages and issues that it is based on"),
    ("serviceAccounts[].commands[]", "the commands that move it; empty if it is not ready, or moved already"),
    ("steps[]", "all commands in a safe order"),
    ("steps[].subject.namespace, serviceAccount", "whose; subject is null for what is done once for the cluster"),
    ("steps[].commands[]", "the commands"),
    (
        "next[]",
        "the commands of podid migrate run for all of them: for those that are ready, and for those with changes",
    ),
];

pub(super) const MIGRATED: Rows = &[
    ("serviceAccounts[]", "one for each service account that was selected"),
    ("serviceAccounts[].namespace, serviceAccount, roleArn", "whose, and its role"),
    (
        "serviceAccounts[].result",
        "planned (with --dry-run), failed, not-started, refused, or partly (some of its pods are left as they were); of run moved or already-moved, of rollback rolled-back or already-irsa, of finish finished or already-finished",
    ),
    ("serviceAccounts[].reasons[]", "why it was refused; absent otherwise"),
];

pub(super) const EFFECT_OF_EACH: Rows = &[(
    "serviceAccounts[].effective, effectiveHow",
    "whether new pods are as they should be, as podid-associate(1) explains, and how podid knows; null if it was not checked",
)];

pub(super) const RUN: Rows = &[
    (
        "serviceAccounts[].effective, effectiveHow",
        "whether new pods get credentials, as podid-associate(1) explains, and how podid knows; null if it was not checked",
    ),
    ("serviceAccounts[].proof", "how podid knows that the running pods use the role; null if it was not checked"),
    ("stalePods[]", "running pods that were not restarted, and still use IRSA"),
];
