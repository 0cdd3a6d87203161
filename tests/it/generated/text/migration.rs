//! What `podid migrate` prints as JSON, field by field.

use super::Rows;

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
