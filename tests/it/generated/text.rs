//! What the man pages say beyond the help: the JSON that each command prints, the environment, related pages.
//! `generated.rs` compares the field names with what the commands print.

mod migration;

use migration::{EFFECT_OF_EACH, MIGRATED, RUN};

/// Rows of a definition list.
pub(super) type Rows = &'static [(&'static str, &'static str)];

/// What `-o json` prints: an introduction, then the fields.
pub(super) struct Output {
    pub(super) intro: &'static str,
    pub(super) fields: &'static [Rows],
}

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

const DEPENDENTS: Rows = &[(
    "associations[].clusterName, namespace, serviceAccount, associationArn, associationId, ownerArn",
    "the associations that stop working; ownerArn is absent without an owner",
)];

const ROLE_OF_STEPS: Rows = &[("roleName, roleArn", "the role")];

/// What a command that changes something prints with `-o json`; what one that reads prints comes from its schema.
pub(super) fn output(command: &str) -> Option<Output> {
    let (intro, fields): (_, &'static [Rows]) = match command {
        "podid associate" => {
            ("One object, also when the command failed after the plan:", &[STEPS, EFFECTIVE, ROLLOUTS])
        }
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
        "podid addon associate" => (
            "One object, also when the command failed after the plan. association has the fields that podid-list(1) explains; addon is the add-on afterwards, or null.",
            &[STEPS, EFFECTIVE, ROLLOUTS, ADDON],
        ),
        "podid addon disassociate" => (
            "One object, also when the command failed after the plan. associations holds the deleted one, with the fields that podid-list(1) explains, and:",
            &[STEPS, GONE, ROLLOUTS],
        ),
        "podid apply" => (
            "One object, also when the command failed after the plan. Ids of steps begin with the object, as in role/NAME/put-trust.",
            &[STEPS, APPLIED, ROLLOUTS],
        ),
        "podid copy" => (
            "One object, also when the command failed after the plan. Ids of steps begin with the object, as in role/NAME/put-trust.",
            &[STEPS, APPLIED, ROLLOUTS, COPIED],
        ),
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
