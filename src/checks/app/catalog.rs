//! What an application's log can tell: one check for each kind of trouble.

use super::super::{Check, Link};
use crate::model::message::Meaning;

pub(super) static SOUND: Check = Check {
    id: "app.ok",
    link: Link::App,
    title: "the application says nothing of broken credentials",
    background: "The SDKs' last words often name the link that is broken, in a text that is known. A caller `assumed-role/ROLE/eks-…` shows that the credentials of Pod Identity are used.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html"],
    symptom: false,
};

pub(super) static OLD_SDK: Check = Check {
    id: "app.old-sdk",
    link: Link::App,
    title: "the SDK is too old for Pod Identity",
    background: "Older SDKs take container credentials from loopback addresses and 169.254.170.2 only, and refuse the agent's address in so many words.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: true,
};

pub(super) static TOKEN: Check = Check {
    id: "app.token-unreadable",
    link: Link::App,
    title: "the application may not read the token's file",
    background: "The token's file belongs to root unless the pod has an fsGroup, or runs as one user that the kubelet knows of. A process of another user gets `permission denied`.",
    sources: &["https://github.com/aws/amazon-eks-pod-identity-webhook"],
    symptom: true,
};

pub(super) static BEARER: Check = Check {
    id: "app.bearer",
    link: Link::App,
    title: "the token is sent in a form that the agent does not read",
    background: "The agent wants the token alone in the Authorization header. Code of one's own that puts `Bearer` before it, or sends a token that has expired, is refused.",
    sources: &["https://github.com/aws/eks-pod-identity-agent"],
    symptom: true,
};

pub(super) static NODE_ROLE: Check = Check {
    id: "app.node-role",
    link: Link::App,
    title: "the application acts as its node's role in spite of its settings",
    background: "A caller `assumed-role/ROLE/i-…` is the node. When the pod has the settings of Pod Identity, the application does not use the SDK's default chain, or its SDK is built without container credentials.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: true,
};

pub(super) static UNKNOWN_KEYS: Check = Check {
    id: "app.unknown-keys",
    link: Link::App,
    title: "the application has access keys that AWS does not know",
    background: "Credentials of Pod Identity are always known to AWS. These came from elsewhere: from a Secret that was not read, a file in the image, or the code.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    symptom: true,
};

pub(super) static NODE_REFUSED: Check = Check {
    id: "app.node-role-refused",
    link: Link::App,
    title: "the agent may not ask for the pod's credentials",
    background: "The application's words hold what EKS Auth answered the agent, which asks as its node's role. Whether that role lacks eks-auth:AssumeRoleForPodIdentity is asked of IAM too; the words tell it without that.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: true,
};

pub(super) static REFUSED: Check = Check {
    id: "app.refused",
    link: Link::App,
    title: "EKS may not assume the role, though nothing that can be read forbids it",
    background: "A policy of the organisation (SCP or RCP) that denies sts:AssumeRole or sts:TagSession shows nowhere in the account. A role or trust policy that was written seconds ago gives the same words.",
    sources: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html"],
    symptom: true,
};

pub(super) static PACKED: Check = Check {
    id: "app.packed-policy",
    link: Link::App,
    title: "session tags and policies are too large together",
    background: "The six session tags are transitive: they stay in every role that the application assumes from there, and take up most of the space that STS packs them into.",
    sources: &["https://github.com/aws/containers-roadmap/issues/2413"],
    symptom: true,
};

pub(super) static NO_ANSWER: Check = Check {
    id: "app.no-answer",
    link: Link::App,
    title: "no agent answers the application",
    background: "A timeout or a refused connection at 169.254.170.23: no agent on the node, or something between. What the node's own firewall drops, no API shows.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: true,
};

pub(super) static NO_CREDENTIALS: Check = Check {
    id: "app.no-credentials",
    link: Link::App,
    title: "the application found no AWS credentials",
    background: "The SDK asked every provider that it has. In a pod with the settings of Pod Identity, its version does not support them, or its code names another provider than the default chain.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: true,
};

pub(super) static NO_VARIABLES: Check = Check {
    id: "app.no-variables",
    link: Link::App,
    title: "the process does not see the variables of Pod Identity",
    background: "The webhook puts them into the container. A process that its parent starts with a clean environment (php-fpm, nginx, sudo) does not have them.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"],
    symptom: true,
};

pub(super) static IPV6: Check = Check {
    id: "app.ipv6",
    link: Link::App,
    title: "the SDK refuses the IPv6 address of the agent",
    background: "In IPv6 clusters the webhook injects http://[fd00:ec2::23]/v1/credentials. Some SDKs support only the IPv4 address, or support IPv6 only when told to.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html"],
    symptom: true,
};

pub(super) static NO_TOKEN: Check = Check {
    id: "app.no-token",
    link: Link::App,
    title: "the application sends no token to the agent",
    background: "The agent answers 400 to a request without a token. The process does not see AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, may not read the file, or its SDK is older than that variable.",
    sources: &["https://github.com/aws/aws-sdk-php/issues/3188"],
    symptom: true,
};

pub(super) static NO_ASSOCIATION: Check = Check {
    id: "app.no-association",
    link: Link::App,
    title: "EKS knows no association for the service account",
    background: "The pod was injected, and the association is gone since, or was created again seconds ago.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html"],
    symptom: true,
};

pub(super) static THROTTLED: Check = Check {
    id: "app.throttled",
    link: Link::App,
    title: "the agent or EKS Auth refuses too many requests",
    background: "Each new pod asks EKS Auth once. Many pods that start at once, and agents that renew the credentials of terminated pods, use up the rate.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/171"],
    symptom: true,
};

pub(super) static AGENT_ERROR: Check = Check {
    id: "app.agent-error",
    link: Link::App,
    title: "the agent answers with an error",
    background: "The agent passes on what EKS Auth answers, or fails itself. Its own log says more.",
    sources: &["https://github.com/aws/eks-pod-identity-agent"],
    symptom: true,
};

pub(super) static SLOW: Check = Check {
    id: "app.slow",
    link: Link::App,
    title: "the application does not wait for the agent",
    background: "The first request of a pod goes to EKS Auth. SDKs wait for one or two seconds only.",
    sources: &["https://github.com/aws/secrets-store-csi-driver-provider-aws/issues/465"],
    symptom: true,
};

pub(super) static MESH: Check = Check {
    id: "app.mesh",
    link: Link::App,
    title: "the sidecar of a service mesh is between the application and the agent",
    background: "A mesh redirects all connections of the pod to its sidecar, which refuses what it does not know, or has not started yet.",
    sources: &["https://istio.io/latest/docs/ops/common-problems/network-issues/"],
    symptom: true,
};

pub(super) static METADATA: Check = Check {
    id: "app.metadata",
    link: Link::App,
    title: "the application asks the metadata of its node",
    background: "A client without container credentials goes on to the instance metadata, 169.254.169.254. There it gets the role of the node, or no answer beyond the hop limit.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: true,
};

pub(super) static HALF_KEY: Check = Check {
    id: "app.half-key",
    link: Link::App,
    title: "half of a pair of access keys is set",
    background: "An SDK that finds one of the two variables stops there and does not ask the agent.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    symptom: true,
};

pub(super) static WANTS_KEYS: Check = Check {
    id: "app.wants-keys",
    link: Link::App,
    title: "the program demands credentials of another kind",
    background: "An entry point or a configuration that demands static keys or IRSA ends before any SDK asks the agent. No check of Pod Identity is at fault.",
    sources: &["https://github.com/nginx/nginx-s3-gateway/issues/373"],
    symptom: true,
};

pub(super) static EXPIRED: Check = Check {
    id: "app.expired",
    link: Link::App,
    title: "the application uses expired credentials",
    background: "The SDKs renew the credentials of Pod Identity. Expired ones were copied out of a session, or came from elsewhere.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"],
    symptom: true,
};

pub(super) static SETTINGS: Check = Check {
    id: "app.settings",
    link: Link::App,
    title: "a setting of the AWS client is missing or wrong",
    background: "A profile that does not exist, a region that is not set, a clock that is wrong, or a request without a signature: the call fails before credentials matter.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html"],
    symptom: true,
};

pub(super) static WEB_IDENTITY: Check = Check {
    id: "app.web-identity",
    link: Link::App,
    title: "IRSA comes before Pod Identity and fails",
    background: "The variables of IRSA are looked for first. When STS refuses its token, the SDK does not go on to Pod Identity.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    symptom: true,
};

pub(super) static SECOND_ROLE: Check = Check {
    id: "app.second-role",
    link: Link::App,
    title: "the application may not assume another role",
    background: "The credentials of Pod Identity work. The application takes another role with them; the session tags of Pod Identity go along, so that the trust policy of that role must allow sts:TagSession too.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"],
    symptom: true,
};

pub(super) static ITSELF: Check = Check {
    id: "app.assumes-itself",
    link: Link::App,
    title: "the application assumes the role that it already has",
    background: "A role setting of IRSA that was kept (a SecretStore, an issuer, AWS_ROLE_ARN, a profile) makes the SDK assume its own role again.",
    sources: &["https://github.com/cert-manager/cert-manager/issues/5557"],
    symptom: true,
};

pub(super) static UNNAMED: Check = Check {
    id: "app.unnamed-refusal",
    link: Link::App,
    title: "AWS refuses a call, and the message names nobody",
    background: "S3 and others answer with Access Denied alone. An unsigned request, one of the node and one of the right role look alike.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"],
    symptom: true,
};

pub(super) static OTHER_IDENTITY: Check = Check {
    id: "app.other-identity",
    link: Link::App,
    title: "the application acts as another identity",
    background: "The message names a user, or a session that Pod Identity did not give: static keys, IRSA, or a role that the application assumed.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    symptom: true,
};

pub(super) static MSK: Check = Check {
    id: "app.msk",
    link: Link::App,
    title: "Kafka refuses a new session for an open connection",
    background: "Brokers with IAM accept only the same principal when a client authenticates again, and the session name of Pod Identity changes with each renewal.",
    sources: &["https://github.com/aws/containers-roadmap/issues/2362"],
    symptom: true,
};

/// The check of what a message means.
pub fn check_for(meaning: Meaning) -> &'static Check {
    match meaning {
        Meaning::NoCredentials => &NO_CREDENTIALS,
        Meaning::NoVariables => &NO_VARIABLES,
        Meaning::OldSdk => &OLD_SDK,
        Meaning::Ipv6 => &IPV6,
        Meaning::TokenUnreadable => &TOKEN,
        Meaning::TokenMissing => &NO_TOKEN,
        Meaning::TokenRejected | Meaning::TokenExpired => &BEARER,
        Meaning::NoAssociation => &NO_ASSOCIATION,
        Meaning::Trust => &REFUSED,
        Meaning::Throttled => &THROTTLED,
        Meaning::AgentError | Meaning::AgentAddress | Meaning::AgentBind | Meaning::AuthUnreachable => &AGENT_ERROR,
        Meaning::Slow => &SLOW,
        Meaning::NoAgent | Meaning::NoAgentIpv6 | Meaning::Proxy => &NO_ANSWER,
        Meaning::Mesh => &MESH,
        Meaning::Metadata => &METADATA,
        Meaning::UnknownKeys => &UNKNOWN_KEYS,
        Meaning::HalfKey => &HALF_KEY,
        Meaning::WantsKeys | Meaning::WantsIrsa | Meaning::Ambient => &WANTS_KEYS,
        Meaning::Expired => &EXPIRED,
        Meaning::Clock | Meaning::Unsigned | Meaning::Profile | Meaning::Region => &SETTINGS,
        Meaning::WebIdentity => &WEB_IDENTITY,
        Meaning::SecondRole => &SECOND_ROLE,
        Meaning::Packed => &PACKED,
        Meaning::UnnamedRefusal | Meaning::Encoded => &UNNAMED,
        Meaning::MskSession => &MSK,
    }
}
