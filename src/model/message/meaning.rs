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
    /// The agent cannot bind its address: another program has.
    AgentPort,
    /// The agent does not reach EKS Auth.
    AuthUnreachable,
    /// The caller gave up before there was an answer.
    Slow,
    /// No agent answers.
    NoAgent,
    /// The agent was asked and gave no credentials; the text does not tell why.
    NothingFromAgent,
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
    /// An answer with a status and no reason.
    BadRequest,
    /// An error of a service that says nothing of who calls it.
    Answered,
    /// A refusal whose details EC2 encodes.
    Encoded,
    /// Kafka takes no other session for a connection.
    MskSession,
    /// The variables of IRSA are there, its token is not.
    IrsaLeftover,
    /// The request went to a region where the resource is not.
    WrongRegion,
    /// The resource does not exist, or is hidden from the caller.
    NotFound,
    /// The service's endpoint cannot be reached.
    Unreachable,
    /// The name of the service's endpoint does not resolve.
    Unresolved,
    /// The program does not trust the endpoint's certificate.
    Certificate,
    /// The account has to enable something first.
    NotEnabled,
    /// A database did not take the token that IAM signed.
    Database,
}

/// Helps pods that were not injected.
pub const RECYCLE: &str = "if the pods started before the association was created, restart them: `podid recycle NS/SA`";
/// Helps whoever has only the text.
pub const VERIFY: &str = "find out which check fails: `podid verify NS/SA`";
const SUPPORTED: &str = "upgrade the SDK to a version that supports Pod Identity: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html";
const AGENT: &str = "check where the agent is ready: `podid agent status`";

impl Meaning {
    /// Every meaning.
    pub const ALL: [Self; 49] = [
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
        Self::AgentPort,
        Self::AuthUnreachable,
        Self::Slow,
        Self::NoAgent,
        Self::NothingFromAgent,
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
        Self::BadRequest,
        Self::Answered,
        Self::Encoded,
        Self::MskSession,
        Self::IrsaLeftover,
        Self::WrongRegion,
        Self::NotFound,
        Self::Unreachable,
        Self::Unresolved,
        Self::Certificate,
        Self::NotEnabled,
        Self::Database,
    ];

    /// What happened, with the program as its subject.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NoCredentials => "the program found no AWS credentials",
            Self::NoVariables => {
                "the process does not have the variables that EKS injects: the pod was not injected, or they were not passed on"
            }
            Self::OldSdk => "its SDK rejects the address of the Pod Identity agent",
            Self::Ipv6 => "its SDK rejects the IPv6 address of the Pod Identity agent",
            Self::TokenUnreadable => "the process cannot read its token file",
            Self::TokenMissing => {
                "the process sends no token to the agent: it does not have AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, cannot read the file, or its SDK is too old"
            }
            Self::TokenRejected => "it sends the token in a form that the agent does not accept, or a wrong token",
            Self::TokenExpired => "it sends a token that has expired",
            Self::NoAssociation => {
                "EKS finds no association for the service account: it was deleted, or created seconds ago"
            }
            Self::Trust => {
                "EKS may not assume the associated role: its trust policy, or a policy of the organization, denies it"
            }
            Self::Throttled => "the agent or EKS Auth throttled the request",
            Self::AgentError => "the agent answered with an error",
            Self::AgentAddress => "the agent was called with another address than its own",
            Self::AgentBind => "the agent cannot start: its node has IPv6 turned off",
            Self::AgentPort => "the agent cannot start: another program on its node uses port 80 of its address",
            Self::AuthUnreachable => "the agent cannot reach EKS Auth",
            Self::Slow => "the program timed out before the agent and EKS Auth answered",
            Self::NoAgent => "no agent answers at 169.254.170.23",
            Self::NothingFromAgent => {
                "its SDK asked the agent and got no credentials: the agent does not answer, or answers with an error"
            }
            Self::NoAgentIpv6 => "no agent answers at the IPv6 address fd00:ec2::23",
            Self::Mesh => "the sidecar of a service mesh answers in place of the agent",
            Self::Proxy => "an HTTP proxy receives the requests to the agent",
            Self::Metadata => {
                "it uses the instance metadata service of its node (169.254.169.254), not the Pod Identity agent"
            }
            Self::UnknownKeys => "it uses access keys that AWS does not know, or a wrong secret for them",
            Self::HalfKey => "only half of an access key is set, and the SDK fails",
            Self::WantsKeys => {
                "the program requires static access keys before any SDK runs: Pod Identity is not the cause"
            }
            Self::WantsIrsa => {
                "the program requires the token of IRSA (AWS_WEB_IDENTITY_TOKEN_FILE): Pod Identity is not the cause"
            }
            Self::Ambient => "the controller may not use the credentials of its own pod",
            Self::Expired => "it uses expired credentials: it does not renew them, or they come from another source",
            Self::Clock => "the clock of the node is wrong",
            Self::Unsigned => "it sent an unsigned request",
            Self::Profile => "it uses a profile that does not exist or has expired",
            Self::Region => "no AWS region is set",
            Self::WebIdentity => "it uses IRSA, which overrides Pod Identity, and STS rejects it",
            Self::SecondRole => "it fails to assume another role with the credentials of the pod",
            Self::Packed => "session tags and policies together are too large",
            Self::UnnamedRefusal => "AWS denied a call, and the message does not name the caller",
            Self::BadRequest => "AWS rejects a request, and its answer has no reason",
            Self::Answered => "AWS answers with an error that podid does not know",
            Self::Encoded => "EC2 denied a call, and only the encoded message names the policy",
            Self::MskSession => {
                "Kafka accepts only the same session for one connection, and each renewal of Pod Identity is a new session"
            }
            Self::IrsaLeftover => "it uses IRSA, but the pod has no IRSA token: its settings are left over",
            Self::WrongRegion => "it calls AWS in another region than that of the resource",
            Self::NotFound => {
                "the resource does not exist in the account and region of the call, or the role may not see it"
            }
            Self::Unreachable => "the pod cannot reach the endpoint of an AWS service",
            Self::Unresolved => "the pod cannot resolve the name of an AWS endpoint",
            Self::Certificate => "the program does not trust the certificate of an AWS endpoint",
            Self::NotEnabled => "the account must enable the service, region or model first",
            Self::Database => "the database rejects the IAM authentication token",
        }
    }

    /// Neither the credentials nor a permission failed, as far as the message tells.
    pub fn is_beyond_credentials(self) -> bool {
        matches!(
            self,
            Self::WrongRegion
                | Self::NotFound
                | Self::Unreachable
                | Self::Unresolved
                | Self::Certificate
                | Self::Answered
        )
    }

    /// What helps, best first.
    #[expect(clippy::too_many_lines, reason = "one arm for each meaning")]
    pub fn remedies(self) -> &'static [&'static str] {
        match self {
            Self::NoCredentials => &[SUPPORTED, RECYCLE, VERIFY],
            Self::NoVariables => &[
                RECYCLE,
                "pass AWS_CONTAINER_* to the process (`env` in nginx, `clear_env = no` in php-fpm, `sudo -E`)",
                VERIFY,
            ],
            Self::OldSdk | Self::Ipv6 => &[SUPPORTED],
            Self::TokenUnreadable => &["set securityContext.fsGroup in the pod template"],
            Self::TokenMissing => &[
                "pass AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the process (`clear_env = no` in php-fpm), and make the file readable for its user",
                SUPPORTED,
            ],
            Self::TokenRejected => &["send only the content of the mounted token file in the Authorization header"],
            Self::TokenExpired => &[
                "read the token file again for each request: the kubelet renews it",
                SUPPORTED,
                "or set the clock of the node (chrony), if it is wrong",
            ],
            Self::NoAssociation => &[
                "associate it: `podid associate NS/SA --role ROLE`",
                "if it was associated seconds ago, wait a few seconds and restart its pods: `podid recycle NS/SA`",
            ],
            Self::Trust => &[
                "check the trust policy: `podid role trust ROLE`",
                "if the role was changed less than a minute ago, wait; otherwise ask the owner of the organization's policies (SCPs, RCPs)",
            ],
            Self::Throttled => &["start fewer pods at once, and retry with backoff"],
            Self::AgentError => &[VERIFY, AGENT],
            Self::AgentAddress => {
                &["call http://169.254.170.23/v1/credentials directly, without a proxy or another host name"]
            }
            Self::AgentBind => &[
                "configure it to use only IPv4: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
            ],
            Self::AgentPort => &[
                "find what listens on port 80 of the node: a pod with hostNetwork or a hostPort, or a service of the node",
            ],
            Self::AuthUnreachable => &[
                "add the interface endpoint com.amazonaws.REGION.eks-auth with private DNS and port 443 to the subnets, or a NAT gateway",
            ],
            Self::Slow => &[
                "raise the SDK's timeout: AWS_METADATA_SERVICE_TIMEOUT=5 and AWS_METADATA_SERVICE_NUM_ATTEMPTS=3, or its own setting",
                "upgrade the agent: `podid agent upgrade`",
            ],
            Self::NothingFromAgent => &[
                VERIFY,
                AGENT,
                "allow the pod to reach 169.254.170.23 without a proxy (`NO_PROXY`), also in its network policies",
            ],
            Self::NoAgent => &[
                AGENT,
                "allow the pod to reach 169.254.170.23 without a proxy (`NO_PROXY`), also in its network policies",
            ],
            Self::NoAgentIpv6 => &[
                AGENT,
                "allow the pod to reach fd00:ec2::23 without a proxy (`NO_PROXY`), also in its network policies; in an IPv4 cluster, recreate the pods",
            ],
            Self::Mesh => &[
                "exclude the agent from the mesh: `traffic.sidecar.istio.io/excludeOutboundIPRanges: 169.254.170.23/32` (App Mesh: `appmesh.k8s.aws/egressIgnoredIPs: 169.254.170.23`)",
            ],
            Self::Proxy => &["add 169.254.170.23 and [fd00:ec2::23] to `NO_PROXY` and `no_proxy` in the pod template"],
            Self::Metadata => &[
                SUPPORTED,
                RECYCLE,
                "if it needs only the VPC or the region, pass them as settings, or raise the hop limit of the nodes to 2",
            ],
            Self::UnknownKeys => &[
                "find out where the keys come from: `podid verify NS/SA --read-secrets`, then the image and the code; remove them",
            ],
            Self::HalfKey => &[
                "remove AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY, whichever is set, from the pod template, ConfigMap or Secret",
            ],
            Self::WantsKeys => &["use a release of the image that accepts AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            Self::WantsIrsa => &["use a release of the program that supports Pod Identity, or keep IRSA for it"],
            Self::Ambient => {
                &["allow ambient credentials (`--issuer-ambient-credentials` of cert-manager), or use a ClusterIssuer"]
            }
            Self::Expired => &[
                "use the SDK's default credential chain, which renews them: do not copy credentials from a session",
                VERIFY,
            ],
            Self::Clock => &["set the clock of the node (chrony)"],
            Self::Unsigned => &["use the SDK's default credential chain for this client", VERIFY],
            Self::Profile => {
                &["remove AWS_PROFILE and the profile from the pod template, and use the default credential chain"]
            }
            Self::Region => &["set AWS_REGION in the pod template"],
            Self::WebIdentity => &[
                "to use Pod Identity, remove the annotation eks.amazonaws.com/role-arn and AWS_WEB_IDENTITY_TOKEN_FILE from the pod template",
                "to use IRSA, correct the trust policy of the role",
            ],
            Self::SecondRole => &[
                "allow `sts:AssumeRole` and `sts:TagSession` both in a policy of the pod's role and in the trust policy of the other role",
                "or let EKS assume it: `podid associate NS/SA --role ROLE --target-role ARN`",
            ],
            Self::Packed => &[
                "disable session tags, if no policy needs them: `podid associate NS/SA --role ROLE --disable-session-tags`",
            ],
            Self::UnnamedRefusal => &[
                "check whose credentials they are: `podid verify NS/SA --live`",
                "check the permission of that call: `podid verify NS/SA --needs ACTION@RESOURCE`",
            ],
            Self::BadRequest => &[
                "set AWS_REGION to the region of the bucket, and check that nothing gives the program other keys: `podid verify NS/SA --read-secrets`",
                "check whose credentials they are: `podid verify NS/SA --live`",
            ],
            Self::Answered => &["look up the code in the API reference of the service"],
            Self::Encoded => &["decode it: `aws sts decode-authorization-message --encoded-message TEXT`", VERIFY],
            Self::MskSession => &["make the client open a new connection after this error, or use IRSA for it"],
            Self::IrsaLeftover => &[
                "remove AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or the profile that names the token file, from the pod template, the image and mounted files",
            ],
            Self::WrongRegion => &["set AWS_REGION in the pod template to the region of the resource"],
            Self::NotFound => &[
                "check the name, the region (AWS_REGION) and the account of the resource",
                "check the permission of that call: `podid verify NS/SA --needs ACTION@RESOURCE`",
            ],
            Self::Unreachable => &[
                "check the region of the endpoint (AWS_REGION); allow the subnets of the nodes to reach it, by a NAT gateway or an interface endpoint with private DNS, also in network policies and security groups",
            ],
            Self::Unresolved => &[
                "check the service and the region in the name (AWS_REGION), and the DNS of the pod: CoreDNS, dnsPolicy, and network policies, which must allow port 53",
            ],
            Self::Certificate => &[
                "install the CA certificates in the image (`ca-certificates`); behind a proxy that inspects TLS, give the program its CA (AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS, a Java truststore)",
            ],
            Self::NotEnabled => &["enable it for the account; the credentials of the pod are not the cause"],
            Self::Database => &[
                "allow rds-db:connect on arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE_ID/USER in a policy of the role: `podid policy attach ROLE --policy-file FILE`",
                "enable IAM authentication on the database, grant its user the role `rds_iam` (PostgreSQL) or the plugin AWSAuthenticationPlugin (MySQL), connect with TLS, and make a new token for each connection: it is valid for 15 minutes",
            ],
        }
    }

    /// It is the version of an SDK, and nothing else.
    pub fn is_an_old_sdk(self) -> bool {
        matches!(self, Self::OldSdk | Self::Ipv6)
    }
}
