//! The answers of the Pod Identity agent, and those of EKS Auth that it passes on.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "agent-token-empty",
        "Pod Identity agent",
        Meaning::TokenMissing,
        &["service account token cannot be empty"],
        "Error retrieving credentials from the container provider (400 Bad Request: Service account token cannot be empty)",
        "https://github.com/aws/aws-sdk-php/issues/3188",
    ),
    row(
        "agent-token-parse",
        "Pod Identity agent",
        Meaning::TokenRejected,
        &["service account token cannot be parsed"],
        "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments",
        "https://github.com/aws/eks-pod-identity-agent",
    )
    .remedy("send only the content of the file in the Authorization header, without `Bearer`"),
    row(
        "agent-token-expired",
        "Pod Identity agent",
        Meaning::TokenExpired,
        &["service account token failed basic claim validations"],
        "Service account token failed basic claim validations: token is expired",
        "https://github.com/boto/botocore/issues/3480",
    ),
    row(
        "agent-token-claims",
        "Pod Identity agent 0.2",
        Meaning::TokenRejected,
        &["service account token failed claim validations"],
        "Service account token failed claim validations: token has invalid audience",
        "https://github.com/aws/eks-pod-identity-agent",
    ),
    row(
        "agent-token-signature",
        "Pod Identity agent 0.2",
        Meaning::TokenRejected,
        &["jwt signature validation failed: cryptographic validation failed"],
        "JWT signature validation failed: cryptographic validation failed: kid not found",
        "https://github.com/aws/eks-pod-identity-agent",
    )
    .remedy("allow the agent to reach the API server (`/openid/v1/jwks`), and send the token that the kubelet mounts"),
    row(
        "agent-address",
        "Pod Identity agent",
        Meaning::AgentAddress,
        &["called agent through invalid address"],
        "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] address not agent.local",
        "https://github.com/aws/eks-pod-identity-agent",
    ),
    row(
        "agent-too-many",
        "Pod Identity agent",
        Meaning::Throttled,
        &["too many requests", "169.254.170.23"],
        "Client error: `GET http://169.254.170.23/v1/credentials` resulted in a `429 Too Many Requests` response: Too Many Requests",
        "https://github.com/aws/eks-pod-identity-agent",
    )
    .rank(1),
    row(
        "agent-too-many-ipv6",
        "Pod Identity agent",
        Meaning::Throttled,
        &["too many requests", "fd00:ec2::23"],
        "Client error: `GET http://[fd00:ec2::23]/v1/credentials` resulted in a `429 Too Many Requests` response",
        "https://github.com/aws/eks-pod-identity-agent",
    )
    .rank(1),
    row(
        "auth-no-association",
        "EKS Auth",
        Meaning::NoAssociation,
        &["has no service account role association for it"],
        "Received non 200 response 404 from container metadata: (ResourceNotFoundException): The token included in the request has no service account role association for it., fault: client",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    ),
    row(
        "auth-trust",
        "EKS Auth",
        Meaning::Trust,
        &["does not have permissions to assume the associated role"],
        "(AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role., fault: client",
        "https://github.com/aws/eks-pod-identity-agent/issues/139",
    ),
    row(
        "auth-expired",
        "EKS Auth",
        Meaning::TokenExpired,
        &["the token included in the request is expired"],
        "(ExpiredTokenException): The token included in the request is expired: current date/time 2024-02-10T08:38:55.284028Z must be before the expiration date/time 2024-02-09T10:47:44Z., fault: client",
        "https://github.com/boto/botocore/issues/3117",
    ),
    row(
        "auth-invalid",
        "EKS Auth",
        Meaning::TokenRejected,
        &["(invalidtokenexception)"],
        "(InvalidTokenException): The token included in the request is invalid., fault: client",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    ),
    row(
        "auth-token-expired",
        "EKS Auth",
        Meaning::TokenExpired,
        &["the specified kubernetes service account token is expired"],
        "Error retrieving metadata: Received non 200 response 400 from container metadata: [1-2]: (ExpiredTokenException): The specified Kubernetes service account token is expired., fault: client",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    )
    .rank(1),
    row(
        "auth-expired-code",
        "EKS Auth",
        Meaning::TokenExpired,
        &["(expiredtokenexception)"],
        "(ExpiredTokenException): Token expired, fault: client",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    ),
    row(
        "auth-expired-call",
        "Pod Identity agent",
        Meaning::TokenExpired,
        &["assumeroleforpodidentity", "expiredtokenexception"],
        "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 400, RequestID: 1, ExpiredTokenException: Token expired",
        "https://github.com/aws/eks-pod-identity-agent/issues/89",
    )
    .rank(1),
    row(
        "auth-token-invalid",
        "EKS Auth",
        Meaning::TokenRejected,
        &["the specified kubernetes service account token is invalid"],
        "InvalidTokenException: The specified Kubernetes service account token is invalid.",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    )
    .rank(1),
    row(
        "auth-audience",
        "EKS Auth",
        Meaning::TokenRejected,
        &["audience in token is not valid"],
        "https response error StatusCode: 400, InvalidTokenException: Audience in token is not valid",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    )
    .remedy("send the token of eks-pod-identity-token, which has the audience `pods.eks.amazonaws.com`, and no other token of the service account")
    .rank(2),
    row(
        "auth-invalid-call",
        "Pod Identity agent",
        Meaning::TokenRejected,
        &["assumeroleforpodidentity", "invalidtokenexception"],
        "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 400, RequestID: 1, InvalidTokenException: no",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    )
    .rank(1),
    row(
        "auth-throttled",
        "EKS Auth",
        Meaning::Throttled,
        &["assumeroleforpodidentity", "throttlingexception"],
        "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 429, ThrottlingException: Rate exceeded",
        "https://github.com/aws/eks-pod-identity-agent/issues/171",
    )
    .rank(1),
    row(
        "auth-server",
        "EKS Auth",
        Meaning::AgentError,
        &["(internalserverexception)"],
        "(InternalServerException): an internal error occurred, fault: server",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    ),
    row(
        "auth-unavailable",
        "EKS Auth",
        Meaning::AgentError,
        &["(serviceunavailableexception)"],
        "(ServiceUnavailableException): service unavailable, fault: server",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html",
    ),
    row(
        "auth-canceled",
        "Pod Identity agent",
        Meaning::Slow,
        &["assumeroleforpodidentity", "context canceled"],
        "Error fetching credentials: error getting credentials to cache: unable to fetch credentials from EKS Auth: operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 0, RequestID: , canceled, context canceled",
        "https://github.com/aws/secrets-store-csi-driver-provider-aws/issues/465",
    )
    .rank(1),
    row(
        "auth-unreachable",
        "Pod Identity agent",
        Meaning::AuthUnreachable,
        &["assumeroleforpodidentity", "i/o timeout"],
        "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 0, dial tcp 10.0.0.7:443: i/o timeout",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(1),
    row(
        "auth-no-host",
        "Pod Identity agent",
        Meaning::AuthUnreachable,
        &["assumeroleforpodidentity", "no such host"],
        "operation error EKS Auth: AssumeRoleForPodIdentity, dial tcp: lookup eks-auth.us-west-2.api.aws: no such host",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(1),
    row(
        "auth-certificate",
        "Pod Identity agent",
        Meaning::AuthUnreachable,
        &["assumeroleforpodidentity", "certificate"],
        "operation error EKS Auth: AssumeRoleForPodIdentity, tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .remedy("allow the agent to reach EKS Auth without a proxy that replaces certificates")
    .rank(1),
    row(
        "auth-fetch",
        "Pod Identity agent",
        Meaning::AgentError,
        &["unable to fetch credentials from eks auth"],
        "error getting credentials to cache: unable to fetch credentials from EKS Auth: unknown",
        "https://github.com/aws/eks-pod-identity-agent/issues/89",
    )
    .rank(-1),
    row(
        "agent-bind",
        "Pod Identity agent",
        Meaning::AgentBind,
        &["[fd00:ec2::23]:80: bind: cannot assign requested address"],
        "Unable to start server: listen tcp [fd00:ec2::23]:80: bind: cannot assign requested address",
        "https://github.com/aws/eks-pod-identity-agent/issues/16",
    )
    .rank(1),
    row(
        "agent-port",
        "Pod Identity agent",
        Meaning::AgentPort,
        &["listen tcp 169.254.170.23:80: bind: address already in use"],
        "Unable to start server: listen tcp 169.254.170.23:80: bind: address already in use",
        "https://github.com/aws/eks-pod-identity-agent/issues/10",
    )
    .rank(1),
    row(
        "agent-port-ipv6",
        "Pod Identity agent",
        Meaning::AgentPort,
        &["listen tcp [fd00:ec2::23]:80: bind: address already in use"],
        "Unable to start server: listen tcp [fd00:ec2::23]:80: bind: address already in use",
        "https://github.com/aws/eks-pod-identity-agent/issues/10",
    )
    .rank(1),
    row(
        "packed",
        "AWS STS",
        Meaning::Packed,
        &["packed size of session tags consumes"],
        "Packed size of session tags consumes 112% of allotted space.",
        "https://github.com/aws/containers-roadmap/issues/2413",
    ),
];
