//! Connections to the agent and to the metadata of the node, as HTTP clients report them.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "agent-refused",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "refused"],
        "Connect error on http://169.254.170.23/v1/credentials: connection refused",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-timeout",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "timeout"],
        "Get \"http://169.254.170.23/v1/credentials\": dial tcp 169.254.170.23:80: i/o timeout",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-timed-out",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "timed out"],
        "cURL error 28: Connection timed out after 1000 milliseconds for http://169.254.170.23/v1/credentials",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-deadline",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "deadline exceeded"],
        "Get \"http://169.254.170.23/v1/credentials\": context deadline exceeded",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-route",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "no route to host"],
        "dial tcp 169.254.170.23:80: connect: no route to host",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-unreachable",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "unreachable"],
        "connect ENETUNREACH 169.254.170.23:80 - network is unreachable",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-reset",
        "every HTTP client",
        Meaning::NoAgent,
        &["169.254.170.23", "connection reset"],
        "read tcp 10.0.0.9:41234->169.254.170.23:80: read: connection reset by peer",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
    )
    .rank(-1),
    row(
        "agent-503",
        "Envoy (Istio, App Mesh)",
        Meaning::Mesh,
        &["169.254.170.23", "503 service unavailable"],
        "GET http://169.254.170.23/v1/credentials resulted in a `503 Service Unavailable` response",
        "https://github.com/aws/aws-app-mesh-roadmap/issues/493",
    ),
    row(
        "agent-upstream",
        "Envoy (Istio, App Mesh)",
        Meaning::Mesh,
        &["169.254.170.23", "upstream connect error"],
        "http://169.254.170.23/v1/credentials: upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        "https://istio.io/latest/docs/ops/common-problems/network-issues/",
    )
    .rank(1),
    row(
        "agent-upstream-python",
        "Envoy (Istio, App Mesh)",
        Meaning::Mesh,
        &["from container metadata", "upstream connect error"],
        "Error retrieving metadata: Received non 200 response 503 from container metadata: upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        "https://istio.io/latest/docs/ops/common-problems/network-issues/",
    )
    .rank(1),
    row(
        "agent-upstream-go",
        "Envoy (Istio, App Mesh)",
        Meaning::Mesh,
        &["failed to load credentials", "upstream connect error"],
        "failed to refresh cached credentials, failed to load credentials, : 503: upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        "https://istio.io/latest/docs/ops/common-problems/network-issues/",
    )
    .rank(1),
    row(
        "agent-broken",
        "Fluent Bit",
        Meaning::NoAgent,
        &["broken connection to 169.254.170.23"],
        "[error] [http_client] broken connection to 169.254.170.23:80 ?",
        "https://github.com/aws/aws-for-fluent-bit/issues/333",
    )
    .rank(-1),
    row(
        "agent-einval",
        "Node.js",
        Meaning::NoAgent,
        &["connect einval 169.254.170.23"],
        "Error: connect EINVAL 169.254.170.23:80 - Local (0.0.0.0:0)",
        "https://nodejs.org/api/errors.html#common-system-errors",
    )
    .rank(-1),
    row(
        "agent-refused-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "refused"],
        "Connect error on http://[fd00:ec2::23]/v1/credentials: connection refused",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-timeout-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "timeout"],
        "Get \"http://[fd00:ec2::23]/v1/credentials\": dial tcp [fd00:ec2::23]:80: i/o timeout",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-timed-out-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "timed out"],
        "cURL error 28: Connection timed out after 1000 milliseconds for http://[fd00:ec2::23]/v1/credentials",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-deadline-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "deadline exceeded"],
        "Get \"http://[fd00:ec2::23]/v1/credentials\": context deadline exceeded",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-route-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "no route to host"],
        "dial tcp [fd00:ec2::23]:80: connect: no route to host",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-unreachable-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "unreachable"],
        "connect ENETUNREACH [fd00:ec2::23]:80 - network is unreachable",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-reset-ipv6",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "connection reset"],
        "read tcp 10.0.0.9:41234->[fd00:ec2::23]:80: read: connection reset by peer",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
    row(
        "agent-503-ipv6",
        "Envoy (Istio, App Mesh)",
        Meaning::Mesh,
        &["fd00:ec2::23", "503 service unavailable"],
        "GET http://[fd00:ec2::23]/v1/credentials resulted in a `503 Service Unavailable` response",
        "https://github.com/aws/aws-app-mesh-roadmap/issues/493",
    ),
    row(
        "agent-upstream-ipv6",
        "Envoy (Istio, App Mesh)",
        Meaning::Mesh,
        &["fd00:ec2::23", "upstream connect error"],
        "http://[fd00:ec2::23]/v1/credentials: upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        "https://istio.io/latest/docs/ops/common-problems/network-issues/",
    )
    .rank(1),
    row(
        "metadata-timed-out",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "timed out"],
        "urllib3.exceptions.ConnectTimeoutError: 'Connection to 169.254.169.254 timed out. (connect timeout=1)'",
        "https://github.com/aws/aws-cli/issues/6130",
    )
    .rank(-1),
    row(
        "metadata-io-timeout",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "i/o timeout"],
        "Get \"http://169.254.169.254/latest/meta-data/iam/security-credentials/\": dial tcp 169.254.169.254:80: i/o timeout",
        "https://github.com/eksctl-io/eksctl/issues/5779",
    )
    .rank(-1),
    row(
        "metadata-deadline",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "deadline exceeded"],
        "Get \"http://169.254.169.254/latest/meta-data/mac\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "https://github.com/awslabs/cdk-eks-blueprints/issues/312",
    )
    .rank(-1),
    row(
        "metadata-connect",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "connect timeout on endpoint url"],
        "botocore.exceptions.ConnectTimeoutError: Connect timeout on endpoint URL: \"http://169.254.169.254/latest/api/token\"",
        "https://github.com/certbot/certbot/issues/10610",
    )
    .rank(-1),
    row(
        "metadata-curl",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "couldn't connect"],
        "cURL error 7: Failed to connect to 169.254.169.254 port 80 after 0 ms: Couldn't connect to server",
        "https://github.com/aws/aws-sdk-php/issues/2751",
    )
    .rank(-1),
    row(
        "metadata-unreachable",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "enetunreach"],
        "Error: connect ENETUNREACH 169.254.169.254:80",
        "https://github.com/aws/aws-sdk-js/issues/2188",
    )
    .rank(-1),
    row(
        "metadata-reqwest",
        "every HTTP client",
        Meaning::Metadata,
        &["169.254.169.254", "error sending request for url"],
        "error sending request for url (http://169.254.169.254/latest/api/token)",
        "https://github.com/acrlabs/simkube/issues/171",
    )
    .rank(-1),
    row(
        "agent-ipv6-address",
        "every HTTP client",
        Meaning::NoAgentIpv6,
        &["fd00:ec2::23", "cannot assign requested address"],
        "Get \"http://[fd00:ec2::23]/v1/credentials\": dial tcp [fd00:ec2::23]:80: connect: cannot assign requested address",
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-config-ipv6.html",
    )
    .rank(-1),
];
