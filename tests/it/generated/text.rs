//! What the man pages say beyond the help: the JSON that each command prints, the environment, related pages.
//! `generated.rs` compares the field names with what the commands print.

use super::reach::{AUDITED, MAPPED, REACHED, RULED};

mod migration;

use migration::{EFFECT_OF_EACH, MIGRATED, MIGRATION, RUN};

/// Rows of a definition list.
pub(super) type Rows = &'static [(&'static str, &'static str)];

/// What `-o json` prints: an introduction, then the fields.
pub(super) struct Output {
    pub(super) intro: &'static str,
    pub(super) fields: &'static [Rows],
}

const ASSOCIATION: Rows = &[
    ("clusterName, namespace, serviceAccount", "what is associated"),
    ("associationArn, associationId", "the association"),
    ("roleArn", "the role that the pods act as"),
    ("targetRoleArn, externalId", "the role that is assumed from there, and its external id; absent without one"),
    ("ownerArn", "the EKS add-on that owns the association; absent without one"),
    ("disableSessionTags", "true when no session tags are enabled"),
    ("policy", "the session policy, as text; absent without one"),
    ("tags", "the association's tags"),
    ("createdAt, modifiedAt", "times, as in RFC 3339"),
];

const MANY: Rows = &[
    ("clusterArn", "of a list of many clusters: the ARN of the association's cluster"),
    ("unread[].what, unread[].why", "in a list of many clusters: what could not be read, and why"),
];

const STEPS: Rows = &[
    ("steps[]", "the writes of the plan, in its order; empty when there was nothing to change"),
    ("steps[].id", "stable name of the step within the plan"),
    (
        "steps[].action",
        "installAgent, updateAgent, removeAgent, updateAddon, createServiceAccount, createRole, putTrust, tagRole, untagRole, putBoundary, attachPolicy, putPolicy, detachPolicy, deletePolicy, deleteRole, createAssociation, updateAssociation, tagAssociation, untagAssociation, replaceAssociation, putTargetTrust, deleteAssociation, removeAnnotation, restart or rollBack (after one that failed)",
    ),
    ("steps[].resource", "what the step writes to"),
    (
        "steps[].status",
        "planned (with --dry-run), done, skipped (already done), failed, unknown (interrupted in progress) or not-started",
    ),
    ("steps[].error", "why it failed, or null"),
];

const ROLLOUTS: Rows = &[
    ("rollouts[]", "the restarts that were watched"),
    ("rollouts[].workload, rollouts[].namespace", "which, as deployment/carts"),
    (
        "rollouts[].status",
        "rolled-out, failed, rolled-back (failed, and an earlier revision is running again), or changed (concurrently, by another user)",
    ),
    ("rollouts[].error", "why it failed, or null"),
    (
        "rollouts[].change",
        "the concurrent change by another user: deleted, undone, template-changed, paused, scaled or restarted-again; absent without",
    ),
    ("rollouts[].lastState", "the last state of a failed rollout: updated and wanted pods, waitingFor, and problems[]"),
];

const SKIPPED: Rows = &[
    ("skipped[]", "requested workloads that are not restarted; absent without"),
    ("skipped[].resource, skipped[].namespace", "which, as deployment/carts, job/x or pod/x"),
    ("skipped[].pods[]", "names of its affected pods"),
    ("skipped[].reason", "why, and how to fix it"),
    ("skipped[].needed", "whether one of its pods needs the restart"),
];

const EFFECTIVE: Rows = &[
    ("association", "the association in full, with the fields that podid-list(1) explains; null when there is none"),
    (
        "effective",
        "whether new pods get credentials: observed, assumed or no; null when it was not checked (--no-wait, --dry-run)",
    ),
    ("effectiveHow", "how that is known"),
    ("stalePods[]", "names of running pods that still lack the association and were not restarted"),
    ("targetTrust[]", "with --target-role: the statements that the target role's trust policy needs"),
];

const APPLIED: Rows = &[
    (
        "associations[].namespace, associations[].serviceAccount",
        "an association that was created, changed or deleted, and checked",
    ),
    ("associations[].effective", "whether new pods get credentials: observed, assumed or no"),
    ("associations[].effectiveHow", "how that is known"),
    ("stalePods[]", "running pods, NAMESPACE/NAME, that still lack their association and were not restarted"),
];

const COPIED: Rows = &[
    ("notCopied[].namespace, serviceAccount, roleArn", "an association of the other cluster that is not copied"),
    ("notCopied[].reason", "addon, account, session-policy, different or addon-there"),
    ("notCopied[].message, notCopied[].hint", "why, and what to do about it"),
    (
        "clusterNames[].subject",
        "the role whose policy names the other cluster; of a session policy the service account",
    ),
    ("clusterNames[].policy, clusterNames[].place", "which policy, and where in it"),
    (
        "targetTrust[].namespace, serviceAccount, targetRoleArn",
        "an association whose target role was not seen to trust it",
    ),
    ("targetTrust[].statements[]", "the statements to add to the trust policy of the target role"),
];

const CHANGES: Rows = &[
    ("changes[].kind", "role, association or agent"),
    ("changes[].name", "its name, as carts/carts"),
    ("changes[].change", "added, changed or removed"),
    ("changes[].steps[]", "its steps, each with its action and details: documents as before and after"),
];

const GONE: Rows = &[
    (
        "associations[].effective",
        "whether new pods are no longer injected: observed or assumed; null when it was not checked",
    ),
    ("associations[].effectiveHow", "how that is known"),
];

const ADDON: Rows = &[
    ("addonName, addonVersion, status, issues[].code, issues[].message", "of addon: the add-on, as EKS describes it"),
    ("configurationValues", "of addon: its configuration as text; absent without one"),
    ("serviceAccountRoleArn", "of addon: its role of IRSA; absent without one"),
    ("namespace", "of addon: the namespace of its pods; absent if EKS does not name it"),
    ("podIdentityAssociations[]", "of addon: ARNs of the associations that it owns; absent without any"),
];

const LISTED_ADDON: Rows = &[
    ("addonName, addonVersion, status", "the add-on, as EKS describes it"),
    ("issues[].code, issues[].message", "its health issues"),
    ("namespace", "the namespace of its pods, or null if EKS does not name it"),
    ("configured", "whether it has configuration values"),
    ("supportsPodIdentity", "whether its version supports Pod Identity; null if that could not be read"),
    (
        "serviceAccounts[].serviceAccount, recommendedManagedPolicies[]",
        "its service accounts that can have an association, and the policies that EKS recommends; null if they could not be read",
    ),
    ("serviceAccountRoleArn", "its role of IRSA, or null"),
    ("unread[].what, unread[].why", "what could not be read, and why"),
];

const OWNED: Rows = &[(
    "podIdentityAssociations[]",
    "the associations that it owns, with the fields that podid-list(1) explains; null if they could not be read",
)];

const HELD_BY_ADDON: Rows = &[
    (
        "associations[].association",
        "an association of one of its service accounts, with the fields that podid-list(1) explains",
    ),
    ("associations[].ownedByAddon", "whether the add-on owns it"),
    ("associations[].roleExists", "whether its role exists; null if that could not be read"),
    (
        "associations[].trusted, associations[].trust",
        "whether the role's trust policy allows it (null if that cannot be determined), and the reason",
    ),
];

const EXPLAINED: Rows = &[
    (
        "identity",
        "whose credentials were used: kind (pod-identity, node, sdk-session, session, user, root, anonymous or unknown), role, arn; null when the text does not say",
    ),
    (
        "refusal",
        "the denied call: action, resource, layer (the policy that denied it: identity, permissions-boundary, session, service-control, resource-control, resource, kms-key, trust, vpc-endpoint or unknown), explicit (a Deny), policy (its ARN); null when none was",
    ),
    (
        "message",
        "the known message: id, printedBy, fixedIn (the version that no longer prints it), source; null for a denied call",
    ),
    ("meaning", "what it means, in one line"),
    ("remedies", "what helps, best first"),
];

const WAIT: Rows = &[
    ("namespace, serviceAccount", "the service account"),
    ("condition", "ready, injected or agent"),
    ("holds", "whether it holds"),
    ("how", "how that is known, or null"),
    ("missing[]", "what is missing after a timeout"),
];

const VERIFY: Rows = &[
    ("cluster", "ARN of the cluster"),
    ("readFrom.readAt, podid", "with --from: when the file was written, and by which version; absent without"),
    ("reports[]", "one for each service account"),
    ("reports[].namespace, serviceAccount", "whose"),
    ("reports[].outcome", "ok, warning, failed or incomplete (a core check could not be read)"),
    ("reports[].containers[].pod, container", "each container of its pods, and where its SDK finds credentials first:"),
    ("reports[].containers[].source", "static-keys, irsa, ecs-uri, pod-identity, node-role or none"),
    (
        "reports[].containers[].role, origin, unless",
        "the role, the variable, and a profile or file that comes before; null if none",
    ),
    ("reports[].containers[].workloadIdentity", "whether its pod has a SPIFFE workload identity too"),
    ("reports[].findings[]", "what was found, in the order of the checks; fix the first that failed first"),
    ("reports[].findings[].id", "stable id of the check, as podid verify --list-checks has them"),
    ("reports[].findings[].link", "the group of the check"),
    ("reports[].findings[].status", "ok, warning, failed, skipped or unknown"),
    ("reports[].findings[].subject, message", "on what, and what was found"),
    ("reports[].findings[].evidence[].source, text", "what was read, and from where"),
    ("reports[].findings[].remedies[].command, change", "what to do: a command, or a change in words"),
    ("reports[].findings[].sources[]", "pages and issues that it is based on"),
];

const DEPENDENTS: Rows = &[(
    "associations[].clusterName, namespace, serviceAccount, associationArn, associationId, ownerArn",
    "the associations that stop working; ownerArn is absent without an owner",
)];

const AGENT: Rows = &[
    ("autoMode", "true when EKS Auto Mode is on, whose own nodes have the agent built in"),
    ("addon", "the add-on, or null"),
    ("daemonSets[].namespace, daemonSets[].name", "the DaemonSets of the agent"),
    ("daemonSets[].desired, daemonSets[].ready", "on how many nodes it should run, and is ready"),
    ("daemonSets[].observed", "false when these counts are from before the last change of the DaemonSet"),
    ("nodes[].node", "name of a node"),
    ("nodes[].agent", "ready, built-in, missing or not-supported"),
    ("nodes[].reason", "why, or null"),
    ("unread[].what, unread[].why", "what could not be read, and why"),
];

const SHOW: Rows = &[
    ("association", "the association, with the fields that podid-list(1) explains"),
    (
        "role",
        "name, path, arn, trust (the document), tags, permissionsBoundary and createdAt; null when it was not read",
    ),
    (
        "trust.verdict, trust.reasons[]",
        "whether the trust policy allows the service account: allows, refuses or unknown, and why",
    ),
    ("attachedPolicies[], inlinePolicies[]", "ARNs of managed policies, and names of inline ones"),
    ("workloads[]", "Deployments, StatefulSets and DaemonSets that use the service account"),
    ("workloads[].kind, namespace, name, uid, serviceAccount, selector, selectorExpressions", "which"),
    ("workloads[].replicas, strategy, paused, partition, generation, restartedAt", "how it rolls out"),
    (
        "workloads[].status",
        "observedGeneration, total, updated, ready, available, currentRevision, updateRevision, deadlineExceeded and replicaFailure",
    ),
    ("pods[]", "pods that use the service account"),
    ("pods[].injection", "injected, no or partly"),
    ("pods[].withoutInjection[]", "containers without the injection, when it is partly there"),
    ("pods[].stale, pods[].staleReason", "whether the pod needs a restart to use the association, and why"),
    ("pods[].credentials[].pod, container", "a container of it, and where its SDK finds credentials first:"),
    (
        "pods[].credentials[].source",
        "static-keys, irsa, ecs-uri, pod-identity, node-role or none; from the pod's spec alone",
    ),
    (
        "pods[].credentials[].role, origin, unless",
        "the role, the variable, and a profile or file that comes before; null if none",
    ),
    ("pods[].credentials[].workloadIdentity", "Whether its pod has a SPIFFE workload identity too."),
    ("pods[].tokenVolume", "whether the pod has the volume with the agent's token"),
    (
        "pods[].namespace, name, serviceAccount, node, createdAt, deleting, phase, ready, unschedulable, revision",
        "its state",
    ),
    ("pods[].owner.kind, owner.name", "what created it"),
    ("pods[].containers[].name, init, injected, skipped, restarts, running", "its containers"),
    ("pods[].containers[].waiting.reason, waiting.message", "why it waits; waiting is null when it does not"),
    ("pods[].containers[].terminated.exitCode, terminated.reason", "how it ended last; terminated is null before that"),
    ("unread[].what, unread[].why", "what could not be read; its field is null then"),
];

const CALLERS: Rows = &[
    ("Version, Statement[]", "the policy, in IAM's own form; one statement for each kind of resource"),
    ("apiVersion, kind, items[]", "with --rbac: the roles and their bindings"),
];

const DOCUMENT: Rows = &[
    ("Version", "2012-10-17"),
    ("Statement[]", "the statements"),
    ("Statement[].Sid", "derived from table and access; `policy detach` finds podid's statements by it"),
    ("Statement[].Effect, Action, Resource, Condition", "what is allowed"),
];

const ADD_ON: Rows = &[
    ("name, description", "which, and what it is for"),
    ("serviceAccount", "NAMESPACE/NAME of its service account unless configured otherwise"),
    ("argument", "what --add-on takes behind the name, or null"),
    ("managedPolicies[]", "ARNs of AWS's policies, in the partition aws"),
    (
        "inlinePolicy, document",
        "name and document of podid's own policy, or null; <REGION> and the like are filled in later",
    ),
    ("releasePolicy", "where the project's own policy is found, for --policy-file; or null"),
    (
        "source, asOf, notes[]",
        "where its requirements are published, when podid was compared with them, and what to know",
    ),
];

const LISTED_ROLE: Rows =
    &[("roleName, roleArn, createdAt", "the role"), ("mayAssume[]", "who may assume it, in words")];

const ROLE_USERS: Rows = &[
    ("associations[]", "the associations that use the role; null when they were not or could not be read"),
    ("associations[].clusterName, namespace, serviceAccount, associationId", "which"),
    ("associations[].asTarget", "true when it is the target role"),
];

const ROLE_SHOW: Rows = &[
    ("role", "name, path, arn, trust (the document), tags, permissionsBoundary and createdAt"),
    ("trust.mayAssume[], trust.others[]", "who may assume it by Pod Identity, and who else"),
    ("trust.findings[]", "mistakes, with the fields that podid-role-trust(1) explains"),
    ("attachedPolicies[], inlinePolicies[]", "ARNs of managed policies, and names of inline ones"),
    ("unread[].what, unread[].why", "what could not be read; its field is null then"),
];

const ROLE_TRUST: Rows = &[
    (
        "findings[].id",
        "principal, assume-role, tag-session, web-identity, wildcard, case, account, source-arn, absent-key, deny, session-tags or not-allowed",
    ),
    ("findings[].statement", "Sid or number of the statement, or null"),
    ("findings[].message", "what is wrong"),
    (
        "verdict",
        "whether the service account may assume the role: allows, refuses or unknown; null without --service-account",
    ),
    ("trust, corrected", "the document, and the document without its mistakes, or null"),
];

const ROLE_OF_STEPS: Rows = &[("roleName, roleArn", "the role")];

/// What a command prints with `-o json`; `None` for a command without data.
pub(super) fn output(command: &str) -> Option<Output> {
    let (intro, fields): (_, &'static [Rows]) = match command {
        "podid list" => (
            "One object with one list, empty when there is nothing: {\"associations\": [...]}. Each has:",
            &[ASSOCIATION, MANY],
        ),
        "podid show" => ("One object:", &[SHOW]),
        "podid associate" => {
            ("One object, also when the command failed after the plan:", &[STEPS, EFFECTIVE, ROLLOUTS])
        }
        "podid iam-policy" => ("The policy, or with --rbac a List of Kubernetes objects:", &[CALLERS]),
        "podid policy print" | "podid policy dynamodb" => ("The policy document itself:", &[DOCUMENT]),
        "podid policy show" => ("One object; without an add-on {\"addOns\": [...]} with one for each:", &[ADD_ON]),
        "podid role list" => (
            "One object with one list, empty when there is nothing: {\"roles\": [...]}. Each has:",
            &[LISTED_ROLE, ROLE_USERS],
        ),
        "podid role show" => ("One object:", &[ROLE_SHOW, ROLE_USERS]),
        "podid role trust" => (
            "One object; with --fix steps[] instead of findings, verdict, trust and corrected:",
            &[ROLE_OF_STEPS, ROLE_TRUST, STEPS],
        ),
        "podid role create" | "podid role delete" | "podid policy attach" | "podid policy detach" => {
            ("One object, also when the command failed after the plan:", &[STEPS, ROLE_OF_STEPS])
        }
        "podid disassociate" => (
            "One object, also when the command failed after the plan. associations holds the deleted ones, with the fields that podid-list(1) explains, and:",
            &[STEPS, GONE, ROLLOUTS],
        ),
        "podid recycle" => ("One object, also when the command failed after the plan:", &[STEPS, ROLLOUTS, SKIPPED]),
        "podid agent install" | "podid agent upgrade" => (
            "One object, also when the command failed after the plan. addon is the add-on, or null; agent holds what podid-agent-status(1) prints, or null.",
            &[STEPS, ADDON],
        ),
        "podid agent uninstall" => (
            "One object, also when the command failed after the plan. addon is the add-on as it was, or null.",
            &[STEPS, ADDON, DEPENDENTS],
        ),
        "podid addon list" => (
            "One object with one list, empty when there is nothing: {\"addons\": [...]}. Each has:",
            &[LISTED_ADDON, OWNED],
        ),
        "podid addon show" => ("One object with one addon, which has:", &[LISTED_ADDON, HELD_BY_ADDON]),
        "podid addon associate" => (
            "One object, also when the command failed after the plan. association has the fields that podid-list(1) explains; addon is the add-on afterwards, or null.",
            &[STEPS, EFFECTIVE, ROLLOUTS, ADDON],
        ),
        "podid addon disassociate" => (
            "One object, also when the command failed after the plan. associations holds the deleted one, with the fields that podid-list(1) explains, and:",
            &[STEPS, GONE, ROLLOUTS],
        ),
        "podid verify" => ("One object, with one of several forms for each remedy:", &[VERIFY]),
        "podid who-can" => ("One object:", &[RULED]),
        "podid access" => ("One object:", &[REACHED]),
        "podid audit" => ("One object:", &[AUDITED]),
        "podid map" => ("One object, with every node even where the tree is collapsed:", &[MAPPED]),
        "podid apply" => (
            "One object, also when the command failed after the plan. Ids of steps begin with the object, as in role/NAME/put-trust.",
            &[STEPS, APPLIED, ROLLOUTS],
        ),
        "podid diff" => (
            "One object with one list, empty when there is no difference: {\"changes\": [...]}. A table shows each object with its steps, documents as diffs. Each has:",
            &[CHANGES],
        ),
        "podid copy" => (
            "One object, also when the command failed after the plan. Ids of steps begin with the object, as in role/NAME/put-trust.",
            &[STEPS, APPLIED, ROLLOUTS, COPIED],
        ),
        "podid export" => ("The manifest itself; a table is YAML too. Its keys are on podid-apply(1).", &[]),
        "podid explain" => {
            ("One object with one list: {\"explanations\": [...]}, in the order of the text. Each has:", &[EXPLAINED])
        }
        "podid wait" => ("One object, also after a timeout:", &[WAIT]),
        "podid agent status" => ("One object:", &[AGENT, ADDON]),
        "podid migrate plan" => ("One object:", &[MIGRATION]),
        "podid migrate run" => (
            "One object, also when the command failed after the plan. Ids of steps begin with the object, as in role/NAME/put-trust.",
            &[STEPS, MIGRATED, RUN, ROLLOUTS],
        ),
        "podid migrate rollback" => {
            ("One object, also when the command failed after the plan:", &[STEPS, MIGRATED, EFFECT_OF_EACH, ROLLOUTS])
        }
        "podid migrate finish" => ("One object, also when the command failed after the plan:", &[STEPS, MIGRATED]),
        _ => return None,
    };
    Some(Output { intro, fields })
}

/// The forms of output, on every page with data.
pub(super) const FORMS: &[&str] = &[
    "Data goes to stdout, everything else to stderr. A table fits the terminal; in a pipe it is tab-separated, without a header, with times in full. -o yaml holds what -o json holds; -o name prints one name a line.",
    "With -o json or -o yaml an error is one line on stderr: {\"error\": {\"code\", \"message\", \"requestId\", \"hints\"}}. Its code is the service's own, or else failed, usage, denied, timed-out, partial, hung-up, interrupted or terminated; its requestId may be null.",
];

/// The file of `apply` and `diff`.
pub(super) const FILE: &str = "YAML or JSON; several documents and files are one. A key that is omitted is left unchanged, null and empty lists clear, and a list is the complete list. --prune deletes resources tagged podid.dev/manifest with the name of the manifest. The schema is printed by podid-schema(1).";

/// The environment that podid reads.
pub(super) const ENVIRONMENT: Rows = &[
    ("PODID_CLUSTER", "Name or ARN of the cluster, if --cluster is not set."),
    (
        "AWS_PROFILE, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...",
        "All variables of the AWS SDKs, with the files ~/.aws/config and ~/.aws/credentials. --profile and --region take precedence.",
    ),
    (
        "AWS_MAX_ATTEMPTS, AWS_RETRY_MODE",
        "Attempts of one call (8 unless set), and how they are spaced: standard or adaptive.",
    ),
    ("KUBECONFIG", "Files whose current context selects the cluster if nothing else does and it is an EKS cluster."),
    ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY", "Proxies for AWS and Kubernetes, in upper or lower case."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Certificates to trust instead of the system's."),
    (
        "PODID_EXEC",
        "Set by podid-exec(1) for its command, to the service account. podid-exec(1) and podid-credentials(1) refuse to run if it is set.",
    ),
    ("PODID_COMPLETE_TIMEOUT", "Time limit of completion in a shell [default: 800ms]."),
    (
        "XDG_CACHE_HOME",
        "Folder in which podid/completion caches names for completion for a minute [default: ~/.cache].",
    ),
    ("NO_COLOR, CLICOLOR_FORCE", "Whether to use color if --color is not set."),
];

/// Pages of others.
pub(super) const SEE_ALSO: &[&str] = &["aws(1)", "kubectl(1)"];
