//! What an application's log can tell: one check for each kind of trouble.

use super::super::{Check, Follows, Link};
use crate::model::message::Meaning;

pub(super) static PASSED: Check = Check {
    id: "app.ok",
    link: Link::App,
    title: "the application logs no credential errors",
    background: "The error message of an SDK often shows what is wrong. A caller `assumed-role/ROLE/eks-…` shows that the application uses the Pod Identity credentials.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html"],
    follows: Follows::Nothing,
};

pub(super) static OLD_SDK: Check = Check {
    id: "app.old-sdk",
    link: Link::App,
    title: "the SDK is too old for Pod Identity",
    background: "Older SDKs accept container credentials only from loopback addresses and 169.254.170.2, and reject the agent's address with an error.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    follows: Follows::Credentials,
};

pub(super) static TOKEN: Check = Check {
    id: "app.token-unreadable",
    link: Link::App,
    title: "the application cannot read the token file",
    background: "The token file belongs to root, unless the pod has an fsGroup or runs as one user that the kubelet knows. A process of another user gets `permission denied`.",
    sources: &["https://github.com/aws/amazon-eks-pod-identity-webhook"],
    follows: Follows::Credentials,
};

pub(super) static BEARER: Check = Check {
    id: "app.bearer",
    link: Link::App,
    title: "the agent does not accept the form of the token",
    background: "The agent expects only the token in the Authorization header. Custom code that adds `Bearer`, or sends an expired token, is rejected.",
    sources: &["https://github.com/aws/eks-pod-identity-agent"],
    follows: Follows::Credentials,
};

pub(super) static NODE_ROLE: Check = Check {
    id: "app.node-role",
    link: Link::App,
    title: "the application uses its node's role despite its Pod Identity settings",
    background: "A caller `assumed-role/ROLE/i-…` is the node. If the pod has the Pod Identity settings, the application does not use the SDK's default credential chain, or its SDK does not support container credentials.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    follows: Follows::Credentials,
};

pub(super) static UNKNOWN_KEYS: Check = Check {
    id: "app.unknown-keys",
    link: Link::App,
    title: "the application has access keys that AWS does not know",
    background: "AWS always knows credentials from Pod Identity. These come from another source: a Secret that podid did not read, a file in the image, or the code.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    follows: Follows::Credentials,
};

pub(super) static NODE_REFUSED: Check = Check {
    id: "app.node-role-refused",
    link: Link::App,
    title: "the agent may not request the pod's credentials",
    background: "The application's log contains the response of EKS Auth to the agent, which uses its node's role. podid also asks IAM whether that role lacks eks-auth:AssumeRoleForPodIdentity; the log shows it without that.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    follows: Follows::Credentials,
};

pub(super) static REFUSED: Check = Check {
    id: "app.refused",
    link: Link::App,
    title: "EKS may not assume the role, although no policy that podid can read denies it",
    background: "A policy of the organization (SCP or RCP) that denies sts:AssumeRole or sts:TagSession is not visible in the account. A role or trust policy that was changed seconds ago causes the same message.",
    sources: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html"],
    follows: Follows::Credentials,
};

pub(super) static PACKED: Check = Check {
    id: "app.packed-policy",
    link: Link::App,
    title: "session tags and policies together are too large",
    background: "The six session tags are transitive: they stay in every session that the application assumes from there, and use most of the packed size that STS allows.",
    sources: &["https://github.com/aws/containers-roadmap/issues/2413"],
    follows: Follows::Anything,
};

pub(super) static NO_ANSWER: Check = Check {
    id: "app.no-answer",
    link: Link::App,
    title: "no agent answers the application",
    background: "A timeout or a refused connection at 169.254.170.23: the node has no agent, or something blocks the connection. No API shows packets that the node's firewall drops.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    follows: Follows::Credentials,
};

pub(super) static NO_CREDENTIALS: Check = Check {
    id: "app.no-credentials",
    link: Link::App,
    title: "the application found no AWS credentials",
    background: "The SDK tried all of its credential providers. In a pod with the Pod Identity settings, the SDK version does not support them, or the code selects another provider than the default credential chain.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    follows: Follows::Credentials,
};

pub(super) static NO_VARIABLES: Check = Check {
    id: "app.no-variables",
    link: Link::App,
    title: "the process does not have the Pod Identity variables",
    background: "The webhook adds the variables to the container. A process that is started with a clean environment (php-fpm, nginx, sudo) does not get them.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"],
    follows: Follows::Credentials,
};

pub(super) static IPV6: Check = Check {
    id: "app.ipv6",
    link: Link::App,
    title: "the SDK rejects the IPv6 address of the agent",
    background: "In IPv6 clusters the webhook injects http://[fd00:ec2::23]/v1/credentials. Some SDKs support only the IPv4 address, or IPv6 only after it is enabled.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html"],
    follows: Follows::Credentials,
};

pub(super) static NO_TOKEN: Check = Check {
    id: "app.no-token",
    link: Link::App,
    title: "the application sends no token to the agent",
    background: "The agent answers a request without a token with status 400. The process does not have AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, cannot read the file, or uses an SDK older than that variable.",
    sources: &["https://github.com/aws/aws-sdk-php/issues/3188"],
    follows: Follows::Credentials,
};

pub(super) static NO_ASSOCIATION: Check = Check {
    id: "app.no-association",
    link: Link::App,
    title: "EKS finds no association for the service account",
    background: "The pod was injected, but the association was deleted later, or was recreated seconds ago.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html"],
    follows: Follows::Credentials,
};

pub(super) static THROTTLED: Check = Check {
    id: "app.throttled",
    link: Link::App,
    title: "the agent or EKS Auth throttles requests",
    background: "Each new pod causes one call of EKS Auth. Many pods that start at once, and agents that renew the credentials of terminated pods, exceed the rate limit.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/171"],
    follows: Follows::Credentials,
};

pub(super) static AGENT_ERROR: Check = Check {
    id: "app.agent-error",
    link: Link::App,
    title: "the agent answers with an error",
    background: "The agent returns the error of EKS Auth, or fails itself. Its own log has the details.",
    sources: &["https://github.com/aws/eks-pod-identity-agent"],
    follows: Follows::Credentials,
};

pub(super) static SLOW: Check = Check {
    id: "app.slow",
    link: Link::App,
    title: "the application does not wait for the agent",
    background: "The first request of a pod goes to EKS Auth. SDKs wait only one or two seconds.",
    sources: &["https://github.com/aws/secrets-store-csi-driver-provider-aws/issues/465"],
    follows: Follows::Credentials,
};

pub(super) static MESH: Check = Check {
    id: "app.mesh",
    link: Link::App,
    title: "the sidecar of a service mesh is between the application and the agent",
    background: "A service mesh redirects all connections of the pod to its sidecar, which may reject unknown addresses or not have started yet.",
    sources: &["https://istio.io/latest/docs/ops/common-problems/network-issues/"],
    follows: Follows::Credentials,
};

pub(super) static METADATA: Check = Check {
    id: "app.metadata",
    link: Link::App,
    title: "the application uses the metadata service of its node",
    background: "A client without container credentials falls back to the instance metadata service, 169.254.169.254. It gets the node's role there, or no response because of the hop limit.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    follows: Follows::Credentials,
};

pub(super) static HALF_KEY: Check = Check {
    id: "app.half-key",
    link: Link::App,
    title: "only half of an access key is set",
    background: "An SDK that finds only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or half of a key in a file, fails and does not use the agent.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    follows: Follows::Credentials,
};

pub(super) static WANTS_KEYS: Check = Check {
    id: "app.wants-keys",
    link: Link::App,
    title: "the program requires another kind of credentials",
    background: "An entry point or a configuration that requires static keys or IRSA fails before the SDK uses the agent. Pod Identity is not the cause.",
    sources: &["https://github.com/nginx/nginx-s3-gateway/issues/373"],
    follows: Follows::Credentials,
};

pub(super) static EXPIRED: Check = Check {
    id: "app.expired",
    link: Link::App,
    title: "the application uses expired credentials",
    background: "SDKs renew Pod Identity credentials. Expired credentials were copied from a session, or come from another source.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"],
    follows: Follows::Credentials,
};

pub(super) static SETTINGS: Check = Check {
    id: "app.settings",
    link: Link::App,
    title: "a setting of the AWS client is missing or wrong",
    background: "A profile that does not exist, a missing region, a wrong clock, or an unsigned request: the call fails before credentials matter.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html"],
    follows: Follows::Credentials,
};

pub(super) static WEB_IDENTITY: Check = Check {
    id: "app.web-identity",
    link: Link::App,
    title: "IRSA overrides Pod Identity and fails",
    background: "SDKs use the variables of IRSA first. If STS rejects its token, the SDK does not continue with Pod Identity.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    follows: Follows::Credentials,
};

pub(super) static SECOND_ROLE: Check = Check {
    id: "app.second-role",
    link: Link::App,
    title: "the application may not assume another role",
    background: "The Pod Identity credentials work. The application assumes another role with them; the session tags are passed on, so the trust policy of that role must also allow sts:TagSession.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"],
    follows: Follows::Anything,
};

pub(super) static ITSELF: Check = Check {
    id: "app.assumes-itself",
    link: Link::App,
    title: "the application tries to assume the role that it already has",
    background: "A leftover role setting of IRSA (a SecretStore, an issuer, AWS_ROLE_ARN, a profile) makes the SDK assume its own role again.",
    sources: &["https://github.com/cert-manager/cert-manager/issues/5557"],
    follows: Follows::Anything,
};

pub(super) static UNNAMED: Check = Check {
    id: "app.unnamed-refusal",
    link: Link::App,
    title: "AWS denies a call, and the message names no caller",
    background: "S3 and other services answer only with Access Denied. An unsigned request, one from the node and one from the right role cannot be distinguished.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"],
    follows: Follows::Anything,
};

pub(super) static OTHER_IDENTITY: Check = Check {
    id: "app.other-identity",
    link: Link::App,
    title: "the application uses another identity",
    background: "The message names a user, or a session that does not come from Pod Identity: static keys, IRSA, or a role that the application assumed. A Pod Identity session of a role that the association does not name is from before the association was changed.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    follows: Follows::Credentials,
};

pub(super) static MSK: Check = Check {
    id: "app.msk",
    link: Link::App,
    title: "Kafka rejects a new session for an open connection",
    background: "Brokers with IAM accept only the same principal when a client reauthenticates, and the session name of Pod Identity changes with each renewal.",
    sources: &["https://github.com/aws/containers-roadmap/issues/2362"],
    follows: Follows::Credentials,
};

pub(super) static IRSA_LEFTOVER: Check = Check {
    id: "app.irsa-leftover",
    link: Link::App,
    title: "the application uses IRSA, and the pod has no IRSA token",
    background: "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE come before Pod Identity in every SDK. In the pod template, the image or a config file they outlive the annotation, and the token file that they name is no longer mounted.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    follows: Follows::Credentials,
};

pub(super) static WRONG_REGION: Check = Check {
    id: "app.wrong-region",
    link: Link::App,
    title: "the application calls AWS in another region than that of the resource",
    background: "The credentials work in every region. The webhook sets AWS_REGION to the region of the cluster; a resource elsewhere needs its own region in the settings of the application.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html"],
    follows: Follows::Anything,
};

pub(super) static NOT_FOUND: Check = Check {
    id: "app.not-found",
    link: Link::App,
    title: "AWS does not find the resource that the application asks for",
    background: "The credentials work. The name is wrong, the resource is in another region or account, or the role may not see it: some services do not tell these cases apart.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html"],
    follows: Follows::Anything,
};

pub(super) static UNREACHABLE: Check = Check {
    id: "app.unreachable",
    link: Link::App,
    title: "the pod cannot reach the endpoint of an AWS service",
    background: "Nothing is known of the credentials yet: no request arrived. Private subnets need a NAT gateway or an interface endpoint of the service, and network policies and security groups have to allow it. A name that does not resolve and a certificate that the program does not trust, as behind a proxy that inspects TLS, are reported here too.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/private-clusters.html"],
    follows: Follows::Credentials,
};

pub(super) static NOT_ENABLED: Check = Check {
    id: "app.not-enabled",
    link: Link::App,
    title: "the account has not enabled what the application uses",
    background: "The credentials work, and no policy of the role is the cause: a model, a region or a service has to be enabled for the account.",
    sources: &["https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html"],
    follows: Follows::Anything,
};

pub(super) static REJECTED: Check = Check {
    id: "app.rejected",
    link: Link::App,
    title: "AWS rejects a request for a reason that podid does not know",
    background: "An answer to HEAD has a status and no text: 400 stands for an invalid token, another region or a missing key of the customer. Errors with a code of their own are listed in the API reference of the service; they seldom concern credentials.",
    sources: &["https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"],
    follows: Follows::Anything,
};

pub(super) static DATABASE: Check = Check {
    id: "app.database",
    link: Link::App,
    title: "a database rejects the IAM authentication token",
    background: "The token is signed with the credentials of the pod, and the database asks IAM for `rds-db:connect` on its user. Whose credentials signed it, the database does not say.",
    sources: &["https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html"],
    follows: Follows::Anything,
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
        Meaning::AgentError
        | Meaning::AgentAddress
        | Meaning::AgentBind
        | Meaning::AgentPort
        | Meaning::AuthUnreachable => &AGENT_ERROR,
        Meaning::Slow => &SLOW,
        Meaning::NoAgent | Meaning::NothingFromAgent | Meaning::NoAgentIpv6 | Meaning::Proxy => &NO_ANSWER,
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
        Meaning::IrsaLeftover => &IRSA_LEFTOVER,
        Meaning::WrongRegion => &WRONG_REGION,
        Meaning::NotFound => &NOT_FOUND,
        Meaning::Unreachable | Meaning::Unresolved | Meaning::Certificate => &UNREACHABLE,
        Meaning::NotEnabled => &NOT_ENABLED,
        Meaning::BadRequest | Meaning::Answered => &REJECTED,
        Meaning::Database => &DATABASE,
    }
}
