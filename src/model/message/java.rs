//! The SDKs for the JVM, and what is built on them.

use super::{Meaning, Row, row};

/// Providers of Pod Identity's credentials, in a chain that has one.
const ASKS_THE_AGENT: &[&str] = &["containercredentialsprovider"];
const PINNED: &str = "remove the provider of IRSA from the program's settings, so that it uses the default chain of the SDK, or name `software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider` there (Hadoop S3A: `fs.s3a.aws.credentials.provider`)";

pub(super) static ROWS: &[Row] = &[
    row(
        "java2-chain",
        "AWS SDK for Java 2.x",
        Meaning::NoCredentials,
        &["unable to load credentials from any of the providers in the chain"],
        "software.amazon.awssdk.core.exception.SdkClientException: Unable to load credentials from any of the providers in the chain AwsCredentialsProviderChain(credentialsProviders=[SystemPropertyCredentialsProvider(), ContainerCredentialsProvider()])",
        "https://github.com/aws/aws-sdk-java-v2/issues/1470",
    )
    .fixed("2.21.30"),
    row(
        "java2-container",
        "AWS SDK for Java 2.x",
        Meaning::NothingFromAgent,
        &["containercredentialsprovider(): failed to load credentials from metadata service"],
        "Unable to load credentials from any of the providers in the chain AwsCredentialsProviderChain(credentialsProviders=[ContainerCredentialsProvider(), InstanceProfileCredentialsProvider()]) : [ContainerCredentialsProvider(): Failed to load credentials from metadata service., InstanceProfileCredentialsProvider(): Failed to load credentials from IMDS.]",
        "https://github.com/aws/aws-sdk-java-v2/blob/master/core/auth/src/main/java/software/amazon/awssdk/auth/credentials/internal/HttpCredentialsLoader.java",
    ),
    row(
        "java2-container-connect",
        "AWS SDK for Java 2.x",
        Meaning::NoAgent,
        &["containercredentialsprovider(): failed to load credentials from metadata service. connect"],
        "Unable to load credentials from any of the providers in the chain AwsCredentialsProviderChain(credentialsProviders=[ContainerCredentialsProvider()]) : [ContainerCredentialsProvider(): Failed to load credentials from metadata service. Connect timed out]",
        "https://github.com/aws/aws-sdk-java-v2/blob/master/core/auth/src/main/java/software/amazon/awssdk/auth/credentials/internal/HttpCredentialsLoader.java",
    ),
    row(
        "java2-pinned",
        "AWS SDK for Java 2.x (Trino, Hadoop S3A)",
        Meaning::WantsIrsa,
        &[
            "unable to load credentials from any of the providers in the chain",
            "(credentialsproviders=[webidentitytoken",
        ],
        "software.amazon.awssdk.core.exception.SdkClientException: Unable to load credentials from any of the providers in the chain AwsCredentialsProviderChain(credentialsProviders=[WebIdentityTokenCredentialsProvider(), AnonymousCredentialsProvider()])",
        "https://github.com/trinodb/trino/issues/15267",
    )
    .unless(ASKS_THE_AGENT)
    .remedy(PINNED),
    row(
        "java1-pinned",
        "AWS SDK for Java 1.x (Trino, Hadoop S3A)",
        Meaning::WantsIrsa,
        &["unable to load aws credentials from any provider in the chain: [webidentitytoken"],
        "com.amazonaws.SdkClientException: Unable to load AWS credentials from any provider in the chain: [WebIdentityTokenCredentialsProvider: You must specify a value for roleArn and roleSessionName]",
        "https://github.com/trinodb/trino/issues/15267",
    )
    .unless(ASKS_THE_AGENT)
    .remedy(PINNED),
    row(
        "hadoop-pinned",
        "Hadoop S3A",
        Meaning::WantsIrsa,
        &["classnotfoundexception", "webidentitytokencredentialsprovider"],
        "java.lang.ClassNotFoundException: Class com.amazonaws.auth.WebIdentityTokenCredentialsProvider not found",
        "https://hadoop.apache.org/docs/stable/hadoop-aws/tools/hadoop-aws/aws_sdk_upgrade.html",
    )
    .remedy("set `fs.s3a.aws.credentials.provider` to `software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider`: it names a class of another version of the SDK, and of IRSA"),
    row(
        "java2-no-variables",
        "AWS SDKs for Java 2.x and .NET",
        Meaning::NoVariables,
        &["cannot fetch credentials from container", "neither aws_container_credentials_full_uri or aws_container_credentials_relative_uri"],
        "Unable to load credentials from any of the providers in the chain AwsCredentialsProviderChain() : [ContainerCredentialsProvider(): Cannot fetch credentials from container - neither AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI environment variables are set., InstanceProfileCredentialsProvider(): Failed to load credentials from IMDS.]",
        "https://github.com/aws/aws-sdk-java-v2/issues/1470",
    ),
    row(
        "java2-host",
        "AWS SDK for Java 2.x",
        Meaning::OldSdk,
        &["contained within environment variable aws_container_credentials_full_uri has an invalid host"],
        "The full URI (http://169.254.170.23/v1/credentials) contained within environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI has an invalid host. Host should resolve to a loopback address or have the full URI be HTTPS.",
        "https://github.com/opensearch-project/OpenSearch/issues/17305",
    )
    .fixed("2.21.30"),
    row(
        "java2-host-ipv6",
        "AWS SDK for Java 2.x",
        Meaning::Ipv6,
        &["[fd00:ec2::23]", "contained within environment variable aws_container_credentials_full_uri has an invalid host"],
        "Unable to load credentials from any of the providers in the chain: ContainerCredentialsProvider(): The full URI (http://[fd00:ec2::23]/v1/credentials) contained within environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI has an invalid host. Host should resolve to a loopback address or have the full URI be HTTPS.",
        "https://github.com/terrakube-io/terrakube/issues/3285",
    )
    .remedy("set `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6` in the pod template"),
    row(
        "java2-imds",
        "AWS SDK for Java 2.x",
        Meaning::Metadata,
        &["failed to load credentials from imds"],
        "InstanceProfileCredentialsProvider(): Failed to load credentials from IMDS.",
        "https://github.com/aws/aws-msk-iam-auth/issues/195",
    )
    .fixed("2.21.30")
    .rank(-1),
    row(
        "java1-chain",
        "AWS SDK for Java 1.x",
        Meaning::NoCredentials,
        &["unable to load aws credentials from any provider in the chain"],
        "com.amazonaws.SdkClientException: Unable to load AWS credentials from any provider in the chain: [EnvironmentVariableCredentialsProvider: Unable to load AWS credentials from environment variables (AWS_ACCESS_KEY_ID (or AWS_ACCESS_KEY) and AWS_SECRET_KEY (or AWS_SECRET_ACCESS_KEY))]",
        "https://github.com/awspring/spring-cloud-aws/issues/984",
    )
    .fixed("1.12.746"),
    row(
        "java1-environment",
        "AWS SDK for Java 1.x",
        Meaning::NoCredentials,
        &["unable to load aws credentials from environment variables"],
        "com.amazonaws.SdkClientException: Unable to load AWS credentials from environment variables (AWS_ACCESS_KEY_ID (or AWS_ACCESS_KEY) and AWS_SECRET_KEY (or AWS_SECRET_ACCESS_KEY))",
        "https://github.com/apache/hadoop/pull/4539",
    )
    .fixed("1.12.746")
    .rank(-1),
    row(
        "java1-endpoint",
        "AWS SDK for Java 1.x",
        Meaning::Metadata,
        &["unable to load credentials from service endpoint"],
        "com.amazonaws.SdkClientException: Unable to load credentials from service endpoint",
        "https://github.com/PacktPublishing/Machine-Learning-on-Kubernetes/issues/9",
    )
    .fixed("1.12.746")
    .rank(-1),
    row(
        "java1-wrapper",
        "AWS SDK for Java 1.x",
        Meaning::Metadata,
        &["ec2containercredentialsproviderwrapper: failed to connect to service endpoint"],
        "com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper: Failed to connect to service endpoint",
        "https://github.com/aws/aws-msk-iam-auth/issues/195",
    )
    .fixed("1.12.746"),
    row(
        "java1-sts-module",
        "AWS SDK for Java 1.x",
        Meaning::WebIdentity,
        &["the aws-java-sdk-sts module must be on the class path"],
        "Unable to load credentials from WebIdentityTokenCredentialsProvider: To use assume role profiles the aws-java-sdk-sts module must be on the class path.",
        "https://github.com/aws/aws-msk-iam-auth/issues/25",
    ),
    row(
        "hadoop-none",
        "Hadoop S3A",
        Meaning::NoCredentials,
        &["noauthwithawsexception: no aws credentials provided by"],
        "org.apache.hadoop.fs.s3a.auth.NoAuthWithAWSException: No AWS Credentials provided by TemporaryAWSCredentialsProvider SimpleAWSCredentialsProvider EnvironmentVariableCredentialsProvider IAMInstanceCredentialsProvider : com.amazonaws.SdkClientException: Unable to load AWS credentials from environment variables",
        "https://github.com/apache/hadoop/pull/4539",
    )
    .remedy("set `fs.s3a.aws.credentials.provider` to a provider that reads container credentials, such as `software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider` (Hadoop 3.4 and later)"),
    row(
        "hadoop-denied",
        "Hadoop S3A",
        Meaning::UnnamedRefusal,
        &["java.nio.file.accessdeniedexception: s3a://"],
        "java.nio.file.AccessDeniedException: s3a://orders/data: getFileStatus on s3a://orders/data: Forbidden (Service: Amazon S3; Status Code: 403)",
        "https://hadoop.apache.org/docs/stable/hadoop-aws/tools/hadoop-aws/troubleshooting_s3a.html",
    ),
    row(
        "kotlin-chain",
        "AWS SDK for Kotlin",
        Meaning::NoCredentials,
        &["no credentials could be loaded from the chain"],
        "aws.sdk.kotlin.runtime.auth.credentials.CredentialsProviderException: No credentials could be loaded from the chain: CredentialsProviderChain -> EnvironmentCredentialsProvider -> EcsCredentialsProvider -> ImdsCredentialsProvider",
        "https://github.com/aws/aws-sdk-kotlin/issues/627",
    )
    .fixed("1.0.1"),
    row(
        "kotlin-identity",
        "AWS SDK for Kotlin",
        Meaning::NoCredentials,
        &["no identity could be resolved from the chain"],
        "aws.smithy.kotlin.runtime.identity.IdentityProviderException: No identity could be resolved from the chain: CredentialsProviderChain -> SystemPropertyCredentialsProvider -> EcsCredentialsProvider -> ImdsCredentialsProvider",
        "https://github.com/aws/aws-sdk-kotlin/issues/1274",
    )
    .fixed("1.0.1"),
    row(
        "kotlin-container",
        "AWS SDK for Kotlin",
        Meaning::AgentError,
        &["error retrieving credentials from container service"],
        "CredentialsProviderException: Error retrieving credentials from container service: HTTP 500",
        "https://github.com/aws/aws-sdk-kotlin/issues/1626",
    )
    .rank(-1),
    row(
        "kotlin-host",
        "AWS SDK for Kotlin",
        Meaning::OldSdk,
        &["the container credentials full uri (", ") has an invalid host"],
        "ProviderConfigurationException: The container credentials full URI (http://169.254.170.23/v1/credentials) has an invalid host. Host can only be one of [127.0.0.1, localhost].",
        "https://github.com/aws/aws-sdk-kotlin",
    )
    .fixed("1.0.1"),
    row(
        "kotlin-crt",
        "AWS Common Runtime",
        Meaning::NoCredentials,
        &["failed to get a valid set of credentials"],
        "java.lang.RuntimeException: Failed to get a valid set of credentials",
        "https://github.com/aws/aws-sdk-kotlin/issues/419",
    ),
    row(
        "msk-none",
        "aws-msk-iam-auth",
        Meaning::NoCredentials,
        &["failed to find aws iam credentials"],
        "javax.security.sasl.SaslException: Failed to find AWS IAM Credentials [Caused by aws_msk_iam_auth_shadow.com.amazonaws.SdkClientException: Unable to load AWS credentials from any provider in the chain: []]",
        "https://github.com/aws/aws-msk-iam-auth/issues/81",
    )
    .remedy("upgrade aws-msk-iam-auth to a release whose AWS SDK supports Pod Identity")
    .rank(1),
    row(
        "msk-principal",
        "Apache Kafka",
        Meaning::MskSession,
        &["cannot change principals during re-authentication"],
        "SaslAuthenticationException: Cannot change principals during re-authentication from IAM.arn:aws:sts::111122223333:assumed-role/carts/eks-c-pod-1 to IAM.arn:aws:sts::111122223333:assumed-role/carts/eks-c-pod-2",
        "https://github.com/aws/containers-roadmap/issues/2362",
    ),
    row(
        "msk-denied",
        "Apache Kafka",
        Meaning::UnnamedRefusal,
        &["saslauthenticationexception: ", "access denied"],
        "org.apache.kafka.common.errors.SaslAuthenticationException: [8e3f0c1d]: Access denied",
        "https://github.com/streamthoughts/jikkou/issues/731",
    )
    .remedy("allow `kafka-cluster:Connect` on the cluster to the role, and use a client whose AWS SDK supports Pod Identity"),
    row(
        "msk-denied-python",
        "kafka-python",
        Meaning::UnnamedRefusal,
        &["saslauthenticationfailederror", "access denied"],
        "SaslAuthenticationFailedError: Access denied",
        "https://github.com/dpkp/kafka-python/issues/2638",
    )
    .remedy("allow `kafka-cluster:Connect` on the cluster to the role, and use a client whose AWS SDK supports Pod Identity"),
    row(
        "msk-denied-go",
        "Kafka clients in Go",
        Meaning::UnnamedRefusal,
        &["sasl authentication failed", "access denied"],
        "kafka server: SASL Authentication failed: [2f1e] Access denied",
        "https://github.com/Mongey/terraform-provider-kafka/issues/586",
    )
    .remedy("allow `kafka-cluster:Connect` on the cluster to the role, and use a client whose AWS SDK supports Pod Identity"),
    row(
        "java1-host",
        "AWS SDK for Java 1.x",
        Meaning::OldSdk,
        &["contained withing environment variable aws_container_credentials_full_uri has an invalid host"],
        "com.amazonaws.SdkClientException: The full URI (http://169.254.170.23/v1/credentials) contained withing environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI has an invalid host. Host can only be one of [localhost, 127.0.0.1].",
        "https://github.com/elastic/cloud-on-k8s/issues/8320",
    )
    .fixed("1.12.746"),
    row(
        "java-region",
        "AWS SDK for Java 1.x",
        Meaning::Region,
        &["unable to find a region via the region provider chain"],
        "com.amazonaws.SdkClientException: Unable to find a region via the region provider chain. Must provide an explicit region in the builder or setup environment to supply a region.",
        "https://github.com/aws/aws-sdk-java/blob/master/aws-java-sdk-core/src/main/java/com/amazonaws/client/builder/AwsClientBuilder.java",
    ),
    row(
        "java2-region",
        "AWS SDK for Java 2.x",
        Meaning::Region,
        &["unable to load region from any of the providers in the chain"],
        "software.amazon.awssdk.core.exception.SdkClientException: Unable to load region from any of the providers in the chain software.amazon.awssdk.regions.providers.DefaultAwsRegionProviderChain",
        "https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/region-selection.html",
    ),
    row(
        "java1-profile",
        "AWS SDK for Java 1.x",
        Meaning::Profile,
        &["no aws profile named '"],
        "java.lang.IllegalArgumentException: No AWS profile named 'prod'",
        "https://docs.aws.amazon.com/sdk-for-java/v1/developer-guide/credentials.html",
    ),
    row(
        "java2-metadata",
        "AWS SDK for Java 2.x",
        Meaning::Metadata,
        &["failed to load credentials from metadata service"],
        "software.amazon.awssdk.core.exception.SdkClientException: Failed to load credentials from metadata service.",
        "https://github.com/aws/aws-sdk-java-v2/issues/1470",
    )
    .fixed("2.21.30")
    .rank(-1),
    row(
        "s3a-none",
        "Hadoop S3A",
        Meaning::NoCredentials,
        &["noawscredentialsexception"],
        "org.apache.hadoop.fs.s3a.auth.NoAwsCredentialsException: SimpleAWSCredentialsProvider: No AWS credentials in the Hadoop configuration",
        "https://hadoop.apache.org/docs/stable/hadoop-aws/tools/hadoop-aws/troubleshooting_s3a.html",
    )
    .remedy("set `fs.s3a.aws.credentials.provider` to a provider that reads container credentials, such as `software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider`"),
    row(
        "irsa-token-java",
        "Java programs",
        Meaning::IrsaLeftover,
        &["nosuchfileexception: /var/run/secrets/eks.amazonaws.com/serviceaccount/token"],
        "java.nio.file.NoSuchFileException: /var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        "https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html",
    ),
];
