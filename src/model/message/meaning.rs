//! What a message about credentials means, and what helps.

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// The SDK tried every provider that it has.
    NoCredentials,
    /// The process does not see the variables that the webhook injects.
    NoVariables,
    /// The SDK refuses the agent's IPv4 address.
    OldSdk,
    /// The SDK refuses the agent's IPv6 address.
    Ipv6,
    /// The token's file cannot be read.
    TokenUnreadable,
    /// The process sends no token.
    TokenMissing,
    /// The token is not one that the agent or EKS Auth takes.
    TokenRejected,
    /// The token has expired.
    TokenExpired,
    /// EKS Auth knows no association for the service account.
    NoAssociation,
    /// EKS may not assume the role.
    Trust,
    /// The agent or EKS Auth was asked too often.
    Throttled,
    /// The agent failed.
    AgentError,
    /// The agent was addressed by another name.
    AgentAddress,
    /// The agent cannot bind its IPv6 address.
    AgentBind,
    /// The agent does not reach EKS Auth.
    AuthUnreachable,
    /// The caller gave up before there was an answer.
    Slow,
    /// No agent answers.
    NoAgent,
    /// No agent answers at its IPv6 address.
    NoAgentIpv6,
    /// A service mesh answers in place of the agent.
    Mesh,
    /// A proxy is in the way.
    Proxy,
    /// The program asks the metadata of its node.
    Metadata,
    /// AWS does not know the keys.
    UnknownKeys,
    /// Half of a key pair is set.
    HalfKey,
    /// The program wants static keys.
    WantsKeys,
    /// The program wants IRSA.
    WantsIrsa,
    /// The controller does not use the pod's credentials.
    Ambient,
    /// The credentials in use have expired.
    Expired,
    /// The clock is wrong.
    Clock,
    /// The call was not signed.
    Unsigned,
    /// A profile is asked for that does not work.
    Profile,
    /// No region is set.
    Region,
    /// IRSA's own failure.
    WebIdentity,
    /// Assuming another role failed.
    SecondRole,
    /// Session tags and policies are too large.
    Packed,
    /// A refusal that names nobody.
    UnnamedRefusal,
    /// A refusal whose details EC2 encodes.
    Encoded,
    /// Kafka takes no other session for a connection.
    MskSession,
}

const RECYCLE: &str = "if the pods started before the association was created, restart them: `podid recycle NS/SA`";
const VERIFY: &str = "see which check fails: `podid verify NS/SA`";
const SUPPORTED: &str = "upgrade the SDK to a version that supports Pod Identity: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html";
const AGENT: &str = "see where the agent is ready: `podid agent status`";

impl Meaning {
    /// Every meaning.
    pub const ALL: [Self; 37] = [
        Self::NoCredentials,
        Self::NoVariables,
        Self::OldSdk,
        Self::Ipv6,
        Self::TokenUnreadable,
        Self::TokenMissing,
        Self::TokenRejected,
        Self::TokenExpired,
        Self::NoAssociation,
        Self::Trust,
        Self::Throttled,
        Self::AgentError,
        Self::AgentAddress,
        Self::AgentBind,
        Self::AuthUnreachable,
        Self::Slow,
        Self::NoAgent,
        Self::NoAgentIpv6,
        Self::Mesh,
        Self::Proxy,
        Self::Metadata,
        Self::UnknownKeys,
        Self::HalfKey,
        Self::WantsKeys,
        Self::WantsIrsa,
        Self::Ambient,
        Self::Expired,
        Self::Clock,
        Self::Unsigned,
        Self::Profile,
        Self::Region,
        Self::WebIdentity,
        Self::SecondRole,
        Self::Packed,
        Self::UnnamedRefusal,
        Self::Encoded,
        Self::MskSession,
    ];

    /// What happened, with the program as its subject.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NoCredentials => "the program found no AWS credentials",
            Self::NoVariables => {
                "the process does not see the variables that EKS injects: the pod was not injected, or they were not passed on"
            }
            Self::OldSdk => "its SDK refuses the address of the Pod Identity agent",
            Self::Ipv6 => "its SDK refuses the IPv6 address of the Pod Identity agent",
            Self::TokenUnreadable => "the process cannot read the file of its token",
            Self::TokenMissing => {
                "the process sends no token to the agent: it does not see AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, cannot read the file, or its SDK is too old"
            }
            Self::TokenRejected => "it sends the token in a form that the agent does not accept, or another token",
            Self::TokenExpired => "it sends a token that has expired",
            Self::NoAssociation => {
                "EKS knows no association for the service account: it was deleted, or created seconds ago"
            }
            Self::Trust => {
                "EKS may not assume the associated role: its trust policy, or a policy of the organization, forbids it"
            }
            Self::Throttled => "the agent or EKS Auth was asked too often",
            Self::AgentError => "the agent answered with an error",
            Self::AgentAddress => "the agent was called by another address than its own",
            Self::AgentBind => "the agent cannot start: its node has IPv6 turned off",
            Self::AuthUnreachable => "the agent does not reach EKS Auth",
            Self::Slow => "the program gave up before the agent and EKS Auth had answered",
            Self::NoAgent => "no agent answers it at 169.254.170.23",
            Self::NoAgentIpv6 => "no agent answers it at the IPv6 address fd00:ec2::23",
            Self::Mesh => "the sidecar of a service mesh answers in place of the agent",
            Self::Proxy => "an HTTP proxy is in the way",
            Self::Metadata => "it asks the instance metadata of its node (169.254.169.254), not the Pod Identity agent",
            Self::UnknownKeys => "it uses access keys that AWS does not know, or a wrong secret for them",
            Self::HalfKey => "only half of a pair of access keys is set, and the SDK stops there",
            Self::WantsKeys => {
                "the program demands static access keys before any SDK runs; Pod Identity is not at fault"
            }
            Self::WantsIrsa => {
                "the program demands the token of IRSA (AWS_WEB_IDENTITY_TOKEN_FILE); Pod Identity is not at fault"
            }
            Self::Ambient => "the controller may not use the credentials of its own pod",
            Self::Expired => {
                "it uses credentials that have expired: it does not renew them, or they came from elsewhere"
            }
            Self::Clock => "the clock of the node is wrong",
            Self::Unsigned => "it sent a request without a signature",
            Self::Profile => "it uses a profile that does not exist or has expired",
            Self::Region => "no AWS region is set",
            Self::WebIdentity => "it uses IRSA, which is looked for before Pod Identity, and STS refuses it",
            Self::SecondRole => "it assumes another role with the credentials of the pod, and that fails",
            Self::Packed => "session tags and policies are too large together",
            Self::UnnamedRefusal => "AWS refused a call, and the message does not say whose",
            Self::Encoded => "EC2 refused a call, and only the encoded message says which policy did",
            Self::MskSession => {
                "Kafka accepts only the same session for one connection, and each renewal of Pod Identity is a new session"
            }
        }
    }

    /// What helps, best first.
    pub fn remedies(self) -> &'static [&'static str] {
        match self {
            Self::NoCredentials => &[SUPPORTED, RECYCLE, VERIFY],
            Self::NoVariables => &[
                RECYCLE,
                "pass AWS_CONTAINER_* on to the process (`env` in nginx, `clear_env = no` in php-fpm, `sudo -E`)",
                VERIFY,
            ],
            Self::OldSdk | Self::Ipv6 => &[SUPPORTED],
            Self::TokenUnreadable => &["set securityContext.fsGroup in the pod template"],
            Self::TokenMissing => &[
                "pass AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE on to the process (`clear_env = no` in php-fpm), and let its user read the file",
                SUPPORTED,
            ],
            Self::TokenRejected => &["send the content of the mounted token file alone in the Authorization header"],
            Self::TokenExpired => &["read the token's file again for each request: the kubelet renews it", SUPPORTED],
            Self::NoAssociation => &[
                "associate it: `podid associate NS/SA --role ROLE`",
                "if it was associated just now, wait a few seconds and restart its pods: `podid recycle NS/SA`",
            ],
            Self::Trust => &[
                "see what is wrong with the trust policy: `podid role trust ROLE`",
                "if the role was written less than a minute ago, wait; else ask who owns the organization's policies (SCPs, RCPs)",
            ],
            Self::Throttled => &["start fewer pods at once, and retry with backoff"],
            Self::AgentError => &[VERIFY, AGENT],
            Self::AgentAddress => {
                &["call http://169.254.170.23/v1/credentials itself, without a proxy or another host name"]
            }
            Self::AgentBind => &[
                "let it use IPv4 only: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
            ],
            Self::AuthUnreachable => &[
                "give the subnets a way to EKS Auth: the interface endpoint com.amazonaws.REGION.eks-auth with private DNS and port 443, or a NAT gateway",
            ],
            Self::Slow => &[
                "give the SDK more time: AWS_METADATA_SERVICE_TIMEOUT=5 and AWS_METADATA_SERVICE_NUM_ATTEMPTS=3, or its own setting",
                "upgrade the agent: `podid agent upgrade`",
            ],
            Self::NoAgent => {
                &[AGENT, "let the pod reach 169.254.170.23 without a proxy (`NO_PROXY`), and by its network policies"]
            }
            Self::NoAgentIpv6 => &[
                AGENT,
                "let the pod reach fd00:ec2::23 without a proxy (`NO_PROXY`), and by its network policies; in a cluster with IPv4 only, recreate the pods",
            ],
            Self::Mesh => &[
                "keep the mesh away from the agent: `traffic.sidecar.istio.io/excludeOutboundIPRanges: 169.254.170.23/32` (App Mesh: `appmesh.k8s.aws/egressIgnoredIPs: 169.254.170.23`)",
            ],
            Self::Proxy => &["add 169.254.170.23 and [fd00:ec2::23] to `NO_PROXY` and `no_proxy` in the pod template"],
            Self::Metadata => &[
                SUPPORTED,
                RECYCLE,
                "where it needs the VPC or the region only, pass them as settings, or raise the hop limit of the nodes to 2",
            ],
            Self::UnknownKeys => &[
                "find where the keys come from: `podid verify NS/SA --read-secrets`, then the image and the code; remove them",
            ],
            Self::HalfKey => &[
                "remove AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY, whichever is set, from the pod template, ConfigMap or Secret",
            ],
            Self::WantsKeys => &["use a release of the image that accepts AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            Self::WantsIrsa => &["use a release of the program that supports Pod Identity, or keep IRSA for it"],
            Self::Ambient => {
                &["allow ambient credentials (`--issuer-ambient-credentials` of cert-manager), or use a ClusterIssuer"]
            }
            Self::Expired => {
                &["let the SDK's default credential chain renew them: do not copy credentials out of a session", VERIFY]
            }
            Self::Clock => &["set the clock of the node (chrony)"],
            Self::Unsigned => &["use the SDK's default credential chain for this client", VERIFY],
            Self::Profile => {
                &["remove AWS_PROFILE and the profile from the pod template, and use the default credential chain"]
            }
            Self::Region => &["set AWS_REGION in the pod template"],
            Self::WebIdentity => &[
                "if the pod shall use Pod Identity, remove the annotation eks.amazonaws.com/role-arn and the AWS_WEB_IDENTITY_TOKEN_FILE of its own",
                "else correct the trust policy of the role for IRSA",
            ],
            Self::SecondRole => &[
                "allow `sts:AssumeRole` and `sts:TagSession` on both sides: in a policy of the pod's role and in the trust policy of the other role",
                "or let EKS assume it: `podid associate NS/SA --role ROLE --target-role ARN`",
            ],
            Self::Packed => &[
                "leave the session tags out, if no policy asks for them: `podid associate NS/SA --role ROLE --disable-session-tags`",
            ],
            Self::UnnamedRefusal => &[
                "see whose credentials they are: `podid verify NS/SA --live`",
                "check what is needed: `podid verify NS/SA --needs s3:ListBucket@arn:aws:s3:::BUCKET`",
            ],
            Self::Encoded => &["decode it: `aws sts decode-authorization-message --encoded-message TEXT`", VERIFY],
            Self::MskSession => &["let the client open a new connection after this error, or use IRSA for it"],
        }
    }

    /// It is the version of an SDK, and nothing else.
    pub fn is_an_old_sdk(self) -> bool {
        matches!(self, Self::OldSdk | Self::Ipv6)
    }
}
