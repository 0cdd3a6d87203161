//! Which calls of the ports each command makes.

/// A command and the ports it calls.
pub type Row = (&'static str, &'static [&'static [&'static str]]);

const FIND: &[&str] = &["Eks::cluster", "Eks::associations", "Eks::association"];
const READ_ROLE: &[&str] = &["Iam::role", "Iam::attached_policies", "Iam::inline_policies", "Iam::inline_policy"];
const DOOMED: &[&str] = &["Iam::role", "Iam::attached_policies", "Iam::inline_policies", "Iam::instance_profiles"];
const USERS: &[&str] = &["Kubernetes::reach", "Kubernetes::pods", "Kubernetes::all_workloads", "Kubernetes::rollouts"];
const SUBJECT: &[&str] = &[
    "Kubernetes::reach",
    "Kubernetes::service_account",
    "Kubernetes::pods",
    "Kubernetes::all_workloads",
    "Kubernetes::rollouts",
];
/// To find the service account of a pod or workload that is named.
const OBJECTS: &[&str] =
    &["Kubernetes::all_pods", "Kubernetes::all_workloads", "Kubernetes::rollouts", "Kubernetes::cron_jobs"];
/// A session as a pod gets it.
const LENT: &[&[&str]] =
    &[&["Eks::cluster", "EksAuth::as_pod", "Kubernetes::pods", "Kubernetes::pod_token", "AsPod::credentials"], OBJECTS];
const AGENT: &[&str] = &["Eks::cluster", "Eks::addon", "Kubernetes::reach", "Kubernetes::agents", "Kubernetes::nodes"];
const INSTALL: &[&str] = &["Eks::addon_versions", "Eks::create_addon"];
/// What the commands about add-ons read.
const ADDONS: &[&str] = &["Eks::addons", "Eks::addon_identities", "Eks::addon_offer"];
const RESTART: &[&str] = &[
    "Kubernetes::cron_jobs",
    "Kubernetes::workload",
    "Kubernetes::restart",
    "Kubernetes::follow",
    "Kubernetes::warning",
    "Kubernetes::log",
];
const EFFECT: &[&str] = &["Kubernetes::addresses", "Kubernetes::probe", "Kubernetes::may"];

/// What a way back to IRSA, and its end, hang on.
const IRSA: &[&str] = &[
    "Iam::role",
    "Kubernetes::reach",
    "Kubernetes::all_service_accounts",
    "Kubernetes::all_pods",
    "Kubernetes::every_workload",
    "Kubernetes::rollouts",
    "Kubernetes::cron_jobs",
];

/// What the move of a service account from IRSA hangs on.
const MIGRATE: &[&str] = &[
    "Eks::addons",
    "Iam::attached_policies",
    "Iam::inline_policies",
    "Iam::inline_policy",
    "Iam::managed_policy",
    "Kubernetes::config_map",
    "Kubernetes::network_policies",
    "Kubernetes::secret_keys",
];

/// What an audit and a map compare with the associations.
const IN_KUBERNETES: &[&str] = &[
    "Kubernetes::namespaces",
    "Kubernetes::all_service_accounts",
    "Kubernetes::all_pods",
    "Kubernetes::every_workload",
    "Kubernetes::rollouts",
    "Kubernetes::cron_jobs",
];

const AUDITED: &[&str] = &["Eks::addon", "Eks::addon_versions", "Eks::clusters", "Iam::managed_policy", "Iam::roles"];

/// Every command that calls a service, and what one does with a flag where that takes much more, in the order of the help.
pub const COMMANDS: &[Row] = &[
    (
        "associate",
        &[
            FIND,
            READ_ROLE,
            SUBJECT,
            AGENT,
            INSTALL,
            EFFECT,
            RESTART,
            &[
                "Iam::caller",
                "Tables::table",
                "Iam::create_role",
                "Iam::put_trust",
                "Iam::put_inline_policy",
                "Iam::policy_exists",
                "Iam::attach_policy",
            ],
            &["Eks::create_association", "Eks::update_association", "Eks::tag"],
            &["Kubernetes::create_service_account"],
        ],
    ),
    (
        "disassociate",
        &[
            FIND,
            USERS,
            EFFECT,
            RESTART,
            DOOMED,
            &["Eks::clusters", "Eks::delete_association", "Iam::put_trust"],
            &["Iam::detach_policy", "Iam::delete_inline_policy", "Iam::delete_role"],
        ],
    ),
    ("list", &[FIND, &["Eks::clusters"]]),
    ("show", &[FIND, &["Iam::role", "Iam::attached_policies", "Iam::inline_policies"], SUBJECT, OBJECTS]),
    (
        "recycle",
        &[
            FIND,
            USERS,
            &["Kubernetes::all_pods", "Kubernetes::all_workloads", "Kubernetes::roll_back"],
            OBJECTS,
            AGENT,
            RESTART,
            &["Kubernetes::probe", "Kubernetes::may"],
        ],
    ),
    (
        "role create",
        &[
            READ_ROLE,
            &["Eks::cluster", "Iam::caller", "Tables::table", "Iam::create_role", "Iam::put_trust", "Iam::tag_role"],
            &["Iam::put_inline_policy", "Iam::policy_exists", "Iam::attach_policy"],
        ],
    ),
    ("role list", &[FIND, &["Eks::clusters", "Iam::roles"]]),
    ("role show", &[FIND, &["Eks::clusters", "Iam::role", "Iam::attached_policies", "Iam::inline_policies"]]),
    (
        "role delete",
        &[FIND, DOOMED, &["Eks::clusters", "Iam::detach_policy", "Iam::delete_inline_policy", "Iam::delete_role"]],
    ),
    ("role trust", &[FIND, &["Iam::role", "Iam::put_trust"]]),
    ("policy print", &[&["Eks::cluster", "Tables::table"]]),
    ("policy dynamodb", &[&["Eks::cluster", "Tables::table"]]),
    (
        "policy attach",
        &[
            READ_ROLE,
            &["Eks::cluster", "Tables::table", "Iam::put_inline_policy", "Iam::policy_exists", "Iam::attach_policy"],
        ],
    ),
    (
        "policy detach",
        &[READ_ROLE, &["Eks::cluster", "Iam::put_inline_policy", "Iam::detach_policy", "Iam::delete_inline_policy"]],
    ),
    ("exec", LENT),
    ("credentials", LENT),
    ("agent install", &[AGENT, INSTALL]),
    ("agent status", &[AGENT, &["Kubernetes::log"]]),
    (
        "agent upgrade",
        &[AGENT, &["Eks::addon_versions", "Eks::update_addon", "Eks::addon_update", "Eks::addon_schema"]],
    ),
    ("agent uninstall", &[&["Eks::cluster", "Eks::associations", "Eks::addon", "Eks::delete_addon"]]),
    ("addon list", &[&["Eks::cluster", "Eks::association", "Eks::addons", "Eks::addon_identities"]]),
    ("addon show", &[FIND, ADDONS, &["Iam::role"]]),
    (
        "addon associate",
        &[
            FIND,
            READ_ROLE,
            AGENT,
            INSTALL,
            EFFECT,
            ADDONS,
            // No add-on runs as an Argo Rollout.
            &["Kubernetes::service_account", "Kubernetes::pods", "Kubernetes::all_workloads"],
            &["Eks::set_addon_associations", "Eks::addon_update"],
            &["Iam::create_role", "Iam::put_trust", "Iam::policy_exists", "Iam::attach_policy"],
        ],
    ),
    (
        "addon disassociate",
        &[
            FIND,
            EFFECT,
            DOOMED,
            ADDONS,
            &["Kubernetes::reach", "Kubernetes::pods"],
            &["Eks::clusters", "Eks::set_addon_associations", "Eks::addon_update", "Iam::put_trust"],
            &["Iam::detach_policy", "Iam::delete_inline_policy", "Iam::delete_role"],
        ],
    ),
    (
        "verify",
        &[
            FIND,
            &[
                "Kubernetes::service_account",
                "Kubernetes::all_service_accounts",
                "Kubernetes::pods",
                "Kubernetes::all_workloads",
            ],
            AGENT,
            READ_ROLE,
            &["Eks::clusters", "Eks::node_role", "Eks::addon_versions"],
            &["Iam::managed_policy", "Iam::simulate", "Tables::table", "Tables::table_policy"],
            &[
                "Kubernetes::all_pods",
                "Kubernetes::config_map",
                "Kubernetes::network_policies",
                "Kubernetes::webhooks",
                "Kubernetes::warning",
                "Kubernetes::log",
                "Kubernetes::cron_jobs",
                "Kubernetes::rollouts",
            ],
        ],
    ),
    ("who-can", &[FIND, READ_ROLE, &["Iam::managed_policy"]]),
    ("access", &[FIND, READ_ROLE, &["Iam::managed_policy"]]),
    ("audit", &[FIND, READ_ROLE, AUDITED, IN_KUBERNETES, &["Iam::ask_for_last_use", "Iam::last_use"]]),
    (
        "audit --fix",
        &[
            FIND,
            READ_ROLE,
            AUDITED,
            IN_KUBERNETES,
            DOOMED,
            &["Iam::put_trust", "Eks::delete_association"],
            &["Iam::detach_policy", "Iam::delete_inline_policy", "Iam::delete_role"],
        ],
    ),
    ("map", &[FIND, READ_ROLE, &["Iam::managed_policy"], IN_KUBERNETES]),
    (
        "apply",
        &[
            FIND,
            DOOMED,
            &["Eks::clusters", "Iam::inline_policy", "Iam::roles", "Tables::table"],
            AGENT,
            INSTALL,
            &["Eks::update_addon", "Eks::addon_update"],
            &["Iam::create_role", "Iam::put_trust", "Iam::tag_role", "Iam::untag_role", "Iam::put_boundary"],
            &["Iam::put_inline_policy", "Iam::attach_policy"],
            &["Iam::detach_policy", "Iam::delete_inline_policy", "Iam::delete_role"],
            &[
                "Eks::create_association",
                "Eks::update_association",
                "Eks::delete_association",
                "Eks::tag",
                "Eks::untag",
            ],
            EFFECT,
            RESTART,
            &[
                "Kubernetes::service_account",
                "Kubernetes::all_pods",
                "Kubernetes::all_workloads",
                "Kubernetes::rollouts",
            ],
            &["Kubernetes::namespaces", "Kubernetes::service_accounts", "Kubernetes::all_service_accounts"],
            &["Kubernetes::create_service_account"],
        ],
    ),
    (
        "diff",
        &[
            FIND,
            DOOMED,
            &["Iam::inline_policy", "Iam::roles", "Tables::table", "Eks::addon_versions"],
            AGENT,
            &["Kubernetes::namespaces", "Kubernetes::service_accounts"],
            &["Kubernetes::service_account", "Kubernetes::all_service_accounts"],
        ],
    ),
    (
        "copy",
        &[
            FIND,
            READ_ROLE,
            AGENT,
            INSTALL,
            EFFECT,
            &["Iam::managed_policy", "Iam::put_trust"],
            &["Eks::create_association", "Eks::update_association", "Eks::tag", "Eks::untag"],
            &["Kubernetes::service_account", "Kubernetes::all_pods", "Kubernetes::all_workloads"],
            &["Kubernetes::rollouts", "Kubernetes::all_service_accounts"],
        ],
    ),
    ("export", &[FIND, READ_ROLE, &["Eks::clusters", "Eks::addon", "Iam::roles"]]),
    ("wait", &[FIND, AGENT, EFFECT, USERS, OBJECTS]),
    ("explain", &[FIND, &["Kubernetes::reach", "Kubernetes::all_pods", "Kubernetes::all_service_accounts"]]),
    ("migrate plan", &[FIND, AGENT, IRSA, MIGRATE]),
    (
        "migrate run",
        &[
            FIND,
            AGENT,
            IRSA,
            MIGRATE,
            INSTALL,
            EFFECT,
            RESTART,
            &["Iam::put_trust", "Eks::create_association"],
            &["Kubernetes::pods", "Kubernetes::all_workloads"],
        ],
    ),
    (
        "migrate rollback",
        &[FIND, IRSA, EFFECT, RESTART, &["Eks::delete_association", "Kubernetes::pods", "Kubernetes::all_workloads"]],
    ),
    (
        "migrate finish",
        &[
            FIND,
            IRSA,
            &["Iam::put_trust", "Kubernetes::remove_irsa_annotation", "Kubernetes::probe", "Kubernetes::may"],
        ],
    ),
];
