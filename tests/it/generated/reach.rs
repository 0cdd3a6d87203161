//! What the man pages say of the JSON of `who-can`, `access`, `audit` and `map`.

use super::text::Rows;

pub(super) const RULED: Rows = &[
    ("cluster, action, resource", "ARN of the cluster, and the call that was asked about"),
    ("serviceAccounts[]", "those that can or may, with --all also those that cannot"),
    ("serviceAccounts[].namespace, serviceAccounts[].serviceAccount", "the service account"),
    ("serviceAccounts[].roleArn, serviceAccounts[].targetRoleArn", "its role, and its target role where there is one"),
    ("serviceAccounts[].answer", "can, unknown or cannot"),
    (
        "serviceAccounts[].decidedBy[]",
        "the statements that decide: policy (ARN, or name of an inline policy), statement (number) and sid",
    ),
    ("serviceAccounts[].reasons[]", "why, one line each"),
    ("notRead[]", "kinds of policies that were not read"),
];

pub(super) const REACHED: Rows = &[
    ("cluster, namespace, serviceAccount, roleArn, targetRoleArn", "whose access it is, and its roles"),
    (
        "credentials",
        "null, or what keeps the pods from the credentials: answer (cannot or unknown), decidedBy and reasons[]",
    ),
    ("boundary, sessionPolicy", "ARN of the permissions boundary or null, and whether there is a session policy"),
    ("allowed[], denied[]", "statements that allow and that deny"),
    ("allowed[].level", "admin, pass-role, assume-role, all-actions, secrets, keys, write or read"),
    ("allowed[].policy, allowed[].statement, allowed[].sid", "where the statement stands"),
    (
        "allowed[].actions[], allowed[].allButActions, allowed[].resources[], allowed[].allButResources",
        "what it covers, or all but that; known policy variables are filled in",
    ),
    ("allowed[].conditions[]", "conditions that may hold or not"),
    ("allowed[].never[]", "why it never applies to this session"),
    (
        "allowed[].boundary, allowed[].sessionPolicy",
        "what is left of it: all, part or nothing; absent without a boundary or session policy",
    ),
    ("unknown[]", "what could not be read or evaluated"),
    ("notRead[]", "kinds of policies that were not read"),
];

pub(super) const AUDITED: Rows = &[
    ("cluster", "ARN of the cluster"),
    ("findings[]", "what no exception accepts"),
    ("findings[].id, findings[].link", "the check, and audit"),
    ("findings[].status", "failed, warning, skipped or unknown (not read)"),
    ("findings[].subject, findings[].message", "on what, and what is wrong"),
    ("findings[].evidence[].source, findings[].evidence[].text", "what it rests on"),
    ("findings[].remedies[].command, findings[].remedies[].change", "what to do"),
    ("findings[].sources[]", "pages that explain it"),
    ("accepted[]", "findings that an exception accepts: id, subject, message, reason and expires"),
    (
        "expiredExceptions[], unmatchedExceptions[]",
        "exceptions of the file that accept nothing: id, subject, reason and expires",
    ),
];

pub(super) const MAPPED: Rows = &[
    ("cluster", "ARN of the cluster"),
    ("nodes[]", "what the map shows, each once"),
    ("nodes[].id, nodes[].name", "unique and the same each time, and the name that is shown"),
    ("nodes[].kind", "workload, service-account, association, role, target-role, resource or not-read"),
    ("nodes[].namespace, nodes[].service, nodes[].arn", "where it belongs, as far as it has one; arn may be a pattern"),
    ("nodes[].level", "the most sensitive that is allowed on a resource; the levels are on podid-access(1)"),
    ("nodes[].details[]", "what else is known: that it does not exist, why it was not read"),
    ("edges[].from, edges[].to", "ids of two nodes"),
    ("edges[].label", "what is known about the step, as the level or that there are no credentials"),
    ("edges[].only[]", "the service accounts that take the step, where others that come to its first node do not"),
    ("findings[]", "what podid-audit(1) finds about these, with the fields that it explains"),
    ("unread[]", "what could not be read"),
    ("notRead[]", "kinds of policies that are never read"),
];
