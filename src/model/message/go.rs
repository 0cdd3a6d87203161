//! The SDKs for Go, and clients of S3 that have credentials code of their own.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "go1-chain",
        "AWS SDK for Go v1",
        Meaning::NoCredentials,
        &["nocredentialproviders: no valid providers in chain"],
        "NoCredentialProviders: no valid providers in chain. Deprecated.",
        "https://github.com/helm/chartmuseum/issues/764",
    )
    .fixed("1.47.11"),
    row(
        "go1-host",
        "AWS SDK for Go v1",
        Meaning::OldSdk,
        &["169.254.170.23", "only loopback hosts are allowed"],
        "Ignoring, HTTP credential provider invalid endpoint host, \"169.254.170.23\", only loopback hosts are allowed. <nil>",
        "https://github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/1870",
    )
    .fixed("1.47.11")
    .rank(1),
    row(
        "go1-host-ipv6",
        "AWS SDK for Go v1",
        Meaning::Ipv6,
        &["fd00:ec2::23", "only loopback hosts are allowed"],
        "CredentialsEndpointError: invalid endpoint host, \"fd00:ec2::23\", only loopback hosts are allowed.",
        "https://github.com/aws/aws-for-fluent-bit/issues/983",
    )
    .fixed("1.47.11")
    .rank(1),
    row(
        "go1-web-identity",
        "AWS SDK for Go v1",
        Meaning::WebIdentity,
        &["webidentityerr: failed to retrieve credentials"],
        "WebIdentityErr: failed to retrieve credentials",
        "https://github.com/grafana/loki/issues/4264",
    ),
    row(
        "go1-metadata",
        "AWS SDK for Go v1",
        Meaning::Metadata,
        &["ec2metadataerror: failed to make ec2metadata request"],
        "EC2MetadataError: failed to make EC2Metadata request",
        "https://github.com/external-secrets/external-secrets/issues/3264",
    )
    .fixed("1.47.11"),
    row(
        "go2-metadata",
        "AWS SDK for Go v2",
        Meaning::Metadata,
        &["no ec2 imds role found"],
        "operation error Elastic Load Balancing v2: DescribeLoadBalancers, get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, canceled, context deadline exceeded",
        "https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/3955",
    )
    .fixed("release-2023-11-14"),
    row(
        "go2-metadata-node",
        "AWS SDK for Go v2",
        Meaning::Metadata,
        &["failed to get nodes ec2 imds role credentials"],
        "failed to refresh cached credentials, failed to get nodes EC2 IMDS role credentials, operation error ec2imds: GetMetadata, request canceled, context deadline exceeded",
        "https://github.com/elastic/beats/pull/35182",
    )
    .fixed("release-2023-11-14"),
    row(
        "go2-endpoint",
        "AWS SDK for Go v2",
        Meaning::AgentError,
        &["failed to refresh cached credentials, failed to load credentials"],
        "failed to refresh cached credentials, failed to load credentials, exceeded maximum number of attempts, 3",
        "https://github.com/aws/eks-pod-identity-agent/issues/139",
    )
    .rank(-2),
    row(
        "go2-assume-role",
        "AWS SDK for Go v2",
        Meaning::SecondRole,
        &["failed to refresh cached credentials, operation error sts: assumerole,"],
        "operation error STS: GetCallerIdentity, get identity: get credentials: failed to refresh cached credentials, operation error STS: AssumeRole, https response error StatusCode: 403",
        "https://github.com/eksctl-io/eksctl/issues/8018",
    ),
    row(
        "go2-web-identity",
        "AWS SDK for Go v2",
        Meaning::WebIdentity,
        &["operation error sts: assumerolewithwebidentity"],
        "failed to refresh cached credentials, failed to retrieve credentials, operation error STS: AssumeRoleWithWebIdentity, https response error StatusCode: 403",
        "https://github.com/cert-manager/cert-manager/issues/7102",
    ),
    row(
        "go2-region",
        "AWS SDK for Go v2",
        Meaning::Region,
        &["invalid configuration: missing region"],
        "operation error Route 53: ListHostedZonesByName, failed to resolve service endpoint, endpoint rule error, Invalid Configuration: Missing Region",
        "https://github.com/cert-manager/cert-manager/issues/7102",
    )
    .rank(1),
    row(
        "go2-canceled",
        "AWS SDK for Go v2",
        Meaning::Slow,
        &["get identity: get credentials: request canceled, context canceled"],
        "could not create volume in EC2: operation error EC2: CreateVolume, get identity: get credentials: request canceled, context canceled",
        "https://github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/2421",
    ),
    row(
        "go-token-file",
        "AWS SDKs for Go and PHP, Fluent Bit",
        Meaning::TokenUnreadable,
        &["failed to read authorization token from"],
        "failed to read authorization token from /var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token: open: no such file or directory",
        "https://github.com/aws/aws-sdk-php/blob/master/src/Credentials/EcsCredentialProvider.php",
    ),
    row(
        "token-file-denied",
        "every program",
        Meaning::TokenUnreadable,
        &["permission denied", "eks-pod-identity-token"],
        "open /var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token: permission denied",
        "https://github.com/aws/amazon-eks-pod-identity-webhook",
    ),
    row(
        "go-static-empty",
        "AWS SDKs for Go",
        Meaning::WantsKeys,
        &["static credentials are empty"],
        "operation error S3: ListBuckets, get identity: get credentials: failed to refresh cached credentials, static credentials are empty",
        "https://github.com/aws/aws-sdk-go-v2/blob/main/credentials/static_provider.go",
    )
    .remedy("remove the empty access keys from the settings of the program, so that it uses the default chain of the SDK")
    .rank(1),
    row(
        "irsa-token-denied",
        "every program",
        Meaning::TokenUnreadable,
        &["permission denied", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"],
        "WebIdentityErr: unable to read file at /var/run/secrets/eks.amazonaws.com/serviceaccount/token caused by: open /var/run/secrets/eks.amazonaws.com/serviceaccount/token: permission denied",
        "https://github.com/aws/amazon-eks-pod-identity-webhook/issues/8",
    )
    .remedy("set securityContext.fsGroup in the pod template: this is the token of IRSA; to use Pod Identity, remove the annotation eks.amazonaws.com/role-arn and AWS_WEB_IDENTITY_TOKEN_FILE"),
    row(
        "minio-list",
        "minio-go (Tempo)",
        Meaning::UnnamedRefusal,
        &["unexpected error from listobjects on", "access denied"],
        "failed to create store: unexpected error from ListObjects on shop-blocks: Access Denied",
        "https://github.com/grafana/tempo/issues/3899",
    )
    .remedy("use a release of the program with minio-go 7.0.70 or later, which supports Pod Identity"),
    row(
        "minio-mimir",
        "minio-go (Mimir)",
        Meaning::UnnamedRefusal,
        &["unable to successfully send a request to object storage: access denied"],
        "blocks storage: unable to successfully send a request to object storage: Access Denied",
        "https://github.com/grafana/mimir/issues/2843",
    )
    .remedy("use a release of the program with minio-go 7.0.70 or later, which supports Pod Identity"),
    row(
        "minio-thanos",
        "minio-go (Thanos)",
        Meaning::UnnamedRefusal,
        &["iter bucket: access denied"],
        "bucket store initial sync: sync block: BaseFetcher: iter bucket: Access Denied",
        "https://github.com/minio/minio-go/issues/2003",
    )
    .remedy("use a release of the program with minio-go 7.0.70 or later, and set `aws_sdk_auth: true` in the configuration of Thanos"),
    row(
        "irsa-token-file",
        "every program",
        Meaning::IrsaLeftover,
        &["/var/run/secrets/eks.amazonaws.com/serviceaccount/token", "no such file or directory"],
        "WebIdentityErr: unable to read file at /var/run/secrets/eks.amazonaws.com/serviceaccount/token: open /var/run/secrets/eks.amazonaws.com/serviceaccount/token: no such file or directory",
        "https://docs.aws.amazon.com/eks/latest/userguide/troubleshooting_iam.html",
    ),
    row(
        "go2-profile",
        "AWS SDK for Go v2",
        Meaning::Profile,
        &["failed to get shared config profile"],
        "failed to get shared config profile, prod",
        "https://github.com/aws/aws-sdk-go-v2/blob/main/config/shared_config.go",
    ),
    row(
        "go2-region-missing",
        "AWS SDK for Go v2",
        Meaning::Region,
        &["an aws region is required, but was not found"],
        "operation error S3: ListObjectsV2, failed to resolve service endpoint, an AWS region is required, but was not found",
        "https://docs.aws.amazon.com/sdk-for-go/v2/developer-guide/configure-gosdk.html",
    ),
    row(
        "go1-region",
        "AWS SDK for Go v1",
        Meaning::Region,
        &["missingregion: could not find region configuration"],
        "MissingRegion: could not find region configuration",
        "https://github.com/aws/aws-sdk-go/blob/main/aws/errors.go",
    ),
];
