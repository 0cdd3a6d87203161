//! The known ways in which Pod Identity fails, and which checks see each: what `--list-checks` tells, also of what none can see.

use schemars::JsonSchema;
use serde::Serialize;

use Coverage::{AtCreation, Detected, Given, Unseen};

/// How far a failure can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Coverage {
    /// By these checks.
    Detected {
        /// Checks.
        checks: &'static [&'static str],
    },
    /// By these checks, if the caller has these permissions too.
    Given {
        /// Checks.
        checks: &'static [&'static str],
        /// Permissions (IAM actions, Kubernetes verbs) or flags.
        needs: &'static [&'static str],
    },
    /// No state shows it: the command that meets it explains it.
    AtCreation {
        /// What podid does about it, and where.
        told: &'static str,
    },
    /// By no API.
    Unseen {
        /// What to check instead.
        look: &'static str,
    },
}

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mode {
    /// Its number.
    pub number: u8,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// How far it can be detected.
    pub coverage: Coverage,
}

const fn seen(number: u8, title: &'static str, checks: &'static [&'static str]) -> Mode {
    Mode { number, title, coverage: Detected { checks } }
}

const fn given(
    number: u8,
    title: &'static str,
    checks: &'static [&'static str],
    needs: &'static [&'static str],
) -> Mode {
    Mode { number, title, coverage: Given { checks, needs } }
}

/// The logs of pods.
const LOGS: &[&str] = &["get pods/log"];
/// What IAM is asked.
const SIMULATE: &[&str] = &["iam:SimulatePrincipalPolicy"];

/// Every known way, by number.
pub static MODES: &[Mode] = &[
    seen(1, "the service account has no association", &["association.missing"]),
    seen(2, "the pods are older than the association", &["restart.before-association"]),
    seen(3, "a pod was created within seconds after the association", &["restart.race"]),
    seen(4, "the pods run as another service account", &["workload.other-service-account"]),
    seen(5, "the namespace or the service account does not exist", &["service-account.missing"]),
    given(6, "the association is in another cluster", &["association.elsewhere"], &["eks:ListClusters"]),
    seen(7, "the association was deleted while pods were running", &["association.deleted"]),
    Mode {
        number: 8,
        title: "the association already exists when it is created",
        coverage: AtCreation { told: "podid associate plans an update of the existing association" },
    },
    Mode {
        number: 9,
        title: "an association is created right after it was deleted",
        coverage: AtCreation { told: "podid associate retries until EKS has deleted the old one" },
    },
    seen(10, "the association belongs to an EKS add-on", &["association.owned"]),
    seen(11, "the cluster's quota of associations is exhausted", &["association.quota"]),
    seen(
        12,
        "the webhook missed a pod, is not registered for it, or is disabled by a label",
        &["pod-spec.not-injected", "pod-spec.skip-label", "webhook.missing", "webhook.not-called", "webhook.target"],
    ),
    seen(13, "an annotation excludes containers", &["pod-spec.all-skipped"]),
    seen(14, "the manifest sets Pod Identity's own variables", &["pod-spec.preset"]),
    seen(15, "the token is for another audience", &["pod-spec.token-audience"]),
    given(16, "custom code sends the token with the prefix `Bearer`", &["app.bearer"], LOGS),
    seen(17, "the agent is not installed", &["agent.missing"]),
    seen(18, "the add-on failed or is degraded", &["agent.unhealthy"]),
    seen(19, "a node of the pods has no ready agent", &["nodes.no-agent"]),
    seen(20, "a node that Pod Identity does not support", &["nodes.unsupported"]),
    seen(21, "a platform version or location without Pod Identity", &["cluster.platform"]),
    seen(22, "IPv6 is off, and the agent cannot bind its address", &["nodes.no-agent"]),
    seen(23, "the agent's port is taken", &["nodes.no-agent"]),
    seen(24, "the agent's image cannot be pulled", &["nodes.no-agent"]),
    given(
        25,
        "the node's role may not call EKS Auth",
        &["nodes.role-permission", "app.node-role-refused"],
        &["eks:DescribeNodegroup", "iam:SimulatePrincipalPolicy"],
    ),
    given(
        26,
        "a permissions boundary or the organization denies the node's role the call of EKS Auth",
        &["nodes.role-boundary"],
        &["eks:DescribeNodegroup", "iam:SimulatePrincipalPolicy"],
    ),
    given(27, "the agent does not reach EKS Auth", &["network.eks-auth-unreachable"], LOGS),
    given(28, "EKS Auth answers after the SDK's timeout", &["network.eks-auth-slow"], LOGS),
    given(29, "the agent cannot get the node's credentials", &["network.imds"], LOGS),
    seen(30, "the agent's own service account has an association", &["agent.own-association"]),
    seen(31, "a NetworkPolicy blocks the connection to the agent", &["network.policy"]),
    seen(32, "a Cilium version that drops link-local packets", &["network.cilium"]),
    Mode {
        number: 33,
        title: "the node's firewall drops the agent's address",
        coverage: Unseen {
            look: "iptables on the node must let 169.254.170.23 and fd00:ec2::23 pass; from a pod: curl http://169.254.170.23/v1/credentials answers at once, with an error",
        },
    },
    seen(34, "a proxy receives the requests to the agent", &["network.proxy"]),
    seen(35, "security groups for pods in strict mode", &["network.pod-security-groups"]),
    given(36, "EKS Auth or the agent throttles", &["network.throttled"], LOGS),
    seen(37, "the role was deleted", &["role.missing"]),
    seen(38, "the role does not trust pods.eks.amazonaws.com", &["trust.principal"]),
    seen(39, "the trust policy lacks sts:TagSession", &["trust.missing-tag-session"]),
    seen(40, "a condition of the trust policy does not match", &["trust.condition"]),
    seen(41, "the trust policy requires session tags, which are disabled", &["trust.session-tags-off"]),
    seen(42, "the trust policy denies it", &["trust.denied"]),
    given(
        43,
        "a policy of the organization denies it",
        &["app.refused", "live.refused"],
        &["get pods/log", "or --live"],
    ),
    seen(44, "the role was created seconds ago", &["role.just-created"]),
    given(45, "session tags and policy together are too large", &["app.packed-policy"], LOGS),
    seen(46, "the role may not assume the target role", &["target-role.not-permitted", "target-role.trust"]),
    seen(47, "the role is in another account", &["role.other-account"]),
    Mode {
        number: 48,
        title: "the caller of podid may not pass the role",
        coverage: AtCreation { told: "podid associate reports the permission and its condition" },
    },
    given(49, "the role's policies lack an action", &["permissions.missing"], SIMULATE),
    given(50, "the policy does not include the index", &["permissions.index"], SIMULATE),
    given(51, "the policy names another table, region or account", &["permissions.wrong-arn"], SIMULATE),
    given(52, "a policy denies the action", &["permissions.explicit-deny"], SIMULATE),
    given(53, "the permissions boundary does not allow it", &["permissions.boundary"], SIMULATE),
    given(54, "a service control policy does not allow it", &["permissions.scp"], SIMULATE),
    given(55, "the association's session policy does not allow it", &["permissions.session-policy"], SIMULATE),
    given(56, "the table's own policy denies it", &["permissions.resource-policy"], &["dynamodb:GetResourcePolicy"]),
    given(
        57,
        "the role may not use the table's key",
        &["permissions.kms"],
        &["dynamodb:DescribeTable", "iam:SimulatePrincipalPolicy"],
    ),
    given(
        58,
        "a policy requires session tags that do not match or are disabled",
        &["permissions.session-tags"],
        SIMULATE,
    ),
    seen(59, "the pods still have credentials from before the last change", &["restart.stale"]),
    given(
        60,
        "static keys override Pod Identity",
        &["override.static-keys", "app.unknown-keys"],
        &["get configmaps", "and --read-secrets for those in Secrets"],
    ),
    seen(61, "the SDK uses another endpoint", &["override.endpoint"]),
    seen(62, "a web identity overrides Pod Identity", &["override.web-identity"]),
    seen(63, "a profile or a credentials file overrides Pod Identity", &["override.profile", "override.files"]),
    seen(64, "the relative URI overrides the one of Pod Identity", &["override.relative-uri"]),
    given(65, "the SDK is too old", &["app.old-sdk"], LOGS),
    given(66, "the application cannot read the token", &["app.token-unreadable"], LOGS),
    seen(67, "the pods use another region", &["override.region"]),
    given(68, "the SDK uses the node's role anyway", &["app.node-role"], LOGS),
    seen(69, "an add-on has both an IRSA role and an association", &["association.addon-irsa"]),
    seen(70, "an add-on version that does not fit the cluster", &["agent.version"]),
];
