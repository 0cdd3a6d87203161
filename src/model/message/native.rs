//! The SDKs for Rust, Swift, C++ and .NET, and the Common Runtime below some of them.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "rust-not-loaded",
        "AWS SDK for Rust",
        Meaning::NoCredentials,
        &["dispatchfailure", "credentialsnotloaded"],
        "DispatchFailure(DispatchFailure { source: ConnectorError { kind: Other(None), source: CredentialsNotLoaded(CredentialsNotLoaded { source: Some(\"no providers in chain provided credentials\") }) } })",
        "https://docs.rs/aws-credential-types/latest/aws_credential_types/provider/error/enum.CredentialsError.html",
    ),
    row(
        "rust-400",
        "AWS SDK for Rust",
        Meaning::TokenMissing,
        &["non-success status from http credential provider: statuscode(400)"],
        "an error occurred while loading credentials: Non-success status from HTTP credential provider: StatusCode(400)",
        "https://github.com/restatedev/restate/issues/3363",
    )
    .fixed("release-2024-03-13"),
    row(
        "rust-status",
        "AWS SDK for Rust",
        Meaning::AgentError,
        &["non-success status from http credential provider"],
        "an error occurred while loading credentials: Non-success status from HTTP credential provider: StatusCode(500)",
        "https://github.com/restatedev/restate/issues/3363",
    )
    .rank(-1),
    row(
        "rust-loopback",
        "AWS SDK for Rust",
        Meaning::OldSdk,
        &["uri did not refer to the loopback interface"],
        "the credentials provider was not properly configured: invalid full URI for ECS provider (URI did not refer to the loopback interface): http://169.254.170.23/v1/credentials",
        "https://github.com/vectordotdev/helm-charts/issues/452",
    )
    .fixed("release-2024-03-13"),
    row(
        "rust-address",
        "AWS SDK for Rust",
        Meaning::OldSdk,
        &["uri did not refer to an allowed ip address"],
        "invalid full URI for ECS provider (URI did not refer to an allowed IP address): http://169.254.170.23/v1/credentials",
        "https://github.com/smithy-lang/smithy-rs/blob/main/aws/rust-runtime/aws-config/src/ecs.rs",
    )
    .fixed("release-2024-03-13"),
    row(
        "rust-missing",
        "AWS SDK for Rust",
        Meaning::NoCredentials,
        &["signingstageerror { kind: missingcredentials }"],
        "ConstructionFailure(ConstructionFailure { source: SigningStageError { kind: MissingCredentials } })",
        "https://github.com/awslabs/aws-sdk-rust/issues/760",
    )
    .fixed("release-2024-03-13"),
    row(
        "rust-not-enabled",
        "AWS SDK for Rust",
        Meaning::NoCredentials,
        &["the credential provider was not enabled"],
        "the credential provider was not enabled: no providers in chain provided credentials (CredentialsNotLoaded)",
        "https://github.com/awslabs/aws-sdk-rust/issues/988",
    )
    .fixed("release-2024-03-13")
    .rank(-1),
    row(
        "rust-imds",
        "AWS SDK for Rust",
        Meaning::Metadata,
        &["could not communicate with imds"],
        "the credential provider was not enabled: could not communicate with IMDS: dispatch failure: timeout",
        "https://github.com/awslabs/aws-sdk-rust/issues/760",
    )
    .fixed("release-2024-03-13"),
    row(
        "rust-imds-token",
        "AWS SDK for Rust",
        Meaning::Metadata,
        &["failed to load imds session token"],
        "failed to load IMDS session token: dispatch failure: timeout",
        "https://github.com/smithy-lang/smithy-rs/blob/main/aws/rust-runtime/aws-config/src/imds/client/error.rs",
    )
    .fixed("release-2024-03-13"),
    row(
        "rust-loading",
        "AWS SDK for Rust",
        Meaning::AgentError,
        &["an error occurred while loading credentials"],
        "The operation lacked valid authentication credentials for path <n/a>: an error occurred while loading credentials",
        "https://github.com/restatedev/restate/issues/3363",
    )
    .rank(-2),
    row(
        "object-store",
        "object_store",
        Meaning::Metadata,
        &["generic s3 error", "169.254.169.254/latest/api/token"],
        "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 10.4s, after 3 retries: operation timed out",
        "https://github.com/acrlabs/simkube/issues/171",
    )
    .remedy("use a release of the program whose object_store reads container credentials: this one uses the metadata service of its node instead of the agent")
    .rank(1),
    row(
        "object-store-empty",
        "object_store",
        Meaning::NoCredentials,
        &["generic s3 error", "credentialserror"],
        "Generic S3 error: Unable to PUT data. Bucket: b, Location: l, Error: EOF while parsing a value at line 1 column 0 (Credentials(CredentialsError { message: \"EOF while parsing a value at line 1 column 0\" }))",
        "https://github.com/influxdata/influxdb_iox/issues/5109",
    ),
    row(
        "opendal-denied",
        "Apache OpenDAL",
        Meaning::UnnamedRefusal,
        &["permissiondenied (permanent) at", "service: s3"],
        "ObjectStore(PermissionDenied (permanent) at stat, context: { uri: https://b.s3.us-east-2.amazonaws.com/x, response: Parts { status: 403 }, service: s3, path: x })",
        "https://github.com/risingwavelabs/risingwave/issues/20305",
    )
    .remedy("use a release of the program whose reqsign or AWS SDK supports Pod Identity"),
    row(
        "crt-imds",
        "AWS Common Runtime (Swift, C++)",
        Meaning::Metadata,
        &["valid credentials could not be sourced by the imds provider"],
        "crtError(AwsCommonRuntimeKit.CRTError(code: 6153, message: \"Valid credentials could not be sourced by the IMDS provider\", name: \"AWS_AUTH_CREDENTIALS_PROVIDER_IMDS_SOURCE_FAILURE\"))",
        "https://github.com/awslabs/aws-sdk-swift/issues/623",
    ),
    row(
        "crt-signing",
        "AWS Common Runtime (Mountpoint for S3)",
        Meaning::NoCredentials,
        &["no signing credentials available"],
        "Failed to create S3 client. Caused by: No signing credentials available",
        "https://github.com/awslabs/mountpoint-s3-csi-driver/issues/276",
    ),
    row(
        "soto-none",
        "Soto for Swift",
        Meaning::NoCredentials,
        &["no credential provider found"],
        "No credential provider found",
        "https://github.com/soto-project/soto/issues/514",
    ),
    row(
        "net-metadata",
        "AWS SDK for .NET",
        Meaning::Metadata,
        &["unable to get iam security credentials from ec2 instance metadata service"],
        "Amazon.Runtime.AmazonServiceException: Unable to get IAM security credentials from EC2 Instance Metadata Service.",
        "https://github.com/aws/aws-sdk-net/issues/2455",
    )
    .fixed("3.7.734.0"),
    row(
        "net-none",
        "AWS SDK for .NET",
        Meaning::NoCredentials,
        &["failed to resolve aws credentials. the credential providers used to search for credentials returned"],
        "Failed to resolve AWS credentials. The credential providers used to search for credentials returned the following errors:",
        "https://github.com/aws/aws-sdk-net/pull/3660",
    )
    .fixed("3.7.734.0"),
    row(
        "net-host",
        "AWS SDK for .NET",
        Meaning::OldSdk,
        &["cannot fetch credentials from container - the full uri contains an invalid host"],
        "Cannot fetch credentials from container - the full URI contains an invalid host: 169.254.170.23",
        "https://github.com/aws/aws-sdk-net",
    )
    .fixed("3.7.734.0"),
    row(
        "dotnet-region",
        "AWS SDK for .NET",
        Meaning::Region,
        &["no regionendpoint or serviceurl configured"],
        "Amazon.Runtime.AmazonClientException: No RegionEndpoint or ServiceURL configured",
        "https://docs.aws.amazon.com/sdk-for-net/v3/developer-guide/net-dg-region-selection.html",
    ),
];
