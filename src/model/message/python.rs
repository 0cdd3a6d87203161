//! botocore, boto3 and the AWS CLI.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "botocore-none",
        "boto3 and botocore",
        Meaning::NoCredentials,
        &["unable to locate credentials"],
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    )
    .fixed("1.34.41"),
    row(
        "cli-none",
        "AWS CLI",
        Meaning::NoCredentials,
        &["unable to locate credentials. you can configure credentials by running"],
        "Unable to locate credentials. You can configure credentials by running \"aws configure\".",
        "https://github.com/certbot/certbot/issues/10610",
    )
    .fixed("2.15.0"),
    row(
        "botocore-host",
        "boto3 and botocore",
        Meaning::OldSdk,
        &["unsupported host '169.254.170.23'"],
        "ValueError: Unsupported host '169.254.170.23'.  Can only retrieve metadata from these hosts: 169.254.170.2, localhost, 127.0.0.1",
        "https://github.com/boto/botocore/blob/develop/botocore/utils.py",
    )
    .fixed("1.34.41"),
    row(
        "botocore-host-ipv6",
        "boto3 and botocore",
        Meaning::Ipv6,
        &["unsupported host 'fd00:ec2::23'"],
        "ValueError: Unsupported host 'fd00:ec2::23'.  Can only retrieve metadata from these hosts: 169.254.170.2, localhost, 127.0.0.1",
        "https://github.com/boto/botocore/blob/develop/botocore/utils.py",
    )
    .fixed("1.34.41"),
    row(
        "botocore-timeout",
        "boto3 and botocore",
        Meaning::NoAgent,
        &["attempting to retrieve container metadata", "connect timeout on endpoint url"],
        "botocore.exceptions.CredentialRetrievalError: Error when retrieving credentials from container-role: Error retrieving metadata: Received error when attempting to retrieve container metadata: Connect timeout on endpoint URL: \"http://169.254.170.23/v1/credentials\"",
        "https://github.com/snowflakedb/SnowAlert/pull/674",
    ),
    row(
        "botocore-connect",
        "boto3 and botocore",
        Meaning::NoAgent,
        &["attempting to retrieve container metadata", "could not connect to the endpoint url"],
        "Error when retrieving credentials from container-role: Error retrieving metadata: Received error when attempting to retrieve container metadata: Could not connect to the endpoint URL: \"http://169.254.170.23/v1/credentials\"",
        "https://github.com/boto/botocore/issues/3353",
    ),
    row(
        "botocore-400",
        "boto3 and botocore",
        Meaning::TokenRejected,
        &["received non 200 response 400 from container metadata"],
        "Error retrieving metadata: Received non 200 response 400 from container metadata: bad request",
        "https://github.com/boto/botocore/issues/3480",
    )
    .rank(-1),
    row(
        "botocore-403",
        "boto3 and botocore",
        Meaning::Trust,
        &["received non 200 response 403 from container metadata"],
        "Error retrieving metadata: Received non 200 response 403 from container metadata: forbidden",
        "https://github.com/boto/botocore/blob/develop/botocore/utils.py",
    )
    .rank(-1),
    row(
        "botocore-404",
        "boto3 and botocore",
        Meaning::NoAssociation,
        &["received non 200 response 404 from container metadata"],
        "Error retrieving metadata: Received non 200 response 404 from container metadata: not found",
        "https://github.com/boto/botocore/blob/develop/botocore/utils.py",
    )
    .rank(-1),
    row(
        "botocore-429",
        "boto3 and botocore",
        Meaning::Throttled,
        &["received non 200 response 429 from container metadata"],
        "Error when retrieving credentials from container-role: Error retrieving metadata: Received non 200 response 429 from container metadata",
        "https://github.com/aws-samples/service-screener-v2/issues/189",
    ),
    row(
        "botocore-500",
        "boto3 and botocore",
        Meaning::AgentError,
        &["received non 200 response 50", "from container metadata"],
        "Error retrieving metadata: Received non 200 response 500 from container metadata",
        "https://github.com/boto/botocore/blob/develop/botocore/utils.py",
    ),
    row(
        "botocore-json",
        "boto3 and botocore",
        Meaning::AgentError,
        &["unable to parse json returned from container metadata services"],
        "Error retrieving metadata: Unable to parse JSON returned from container metadata services",
        "https://github.com/boto/botocore/blob/develop/botocore/utils.py",
    ),
    row(
        "botocore-partial",
        "boto3 and botocore",
        Meaning::HalfKey,
        &["partial credentials found in"],
        "botocore.exceptions.PartialCredentialsError: Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "botocore-partial-file",
        "boto3 and botocore",
        Meaning::HalfKey,
        &["partial credentials found in", "-file, missing"],
        "botocore.exceptions.PartialCredentialsError: Partial credentials found in shared-credentials-file, missing: aws_secret_access_key",
        "https://github.com/boto/botocore/blob/develop/botocore/credentials.py",
    )
    .remedy("remove the half of the key from ~/.aws/credentials or ~/.aws/config, or from the file that AWS_SHARED_CREDENTIALS_FILE or AWS_CONFIG_FILE names: it is in the image, a ConfigMap or a Secret"),
    row(
        "botocore-profile",
        "boto3 and botocore",
        Meaning::Profile,
        &["the config profile (", ") could not be found"],
        "botocore.exceptions.ProfileNotFound: The config profile (dev) could not be found",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "botocore-sso",
        "boto3 and botocore",
        Meaning::Profile,
        &["the sso session associated with this profile has expired"],
        "The SSO session associated with this profile has expired or is otherwise invalid. To refresh this SSO session run aws sso login with the corresponding profile.",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "botocore-region",
        "boto3 and botocore",
        Meaning::Region,
        &["you must specify a region"],
        "botocore.exceptions.NoRegionError: You must specify a region.",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "botocore-metadata",
        "boto3 and botocore",
        Meaning::Metadata,
        &["error when retrieving credentials from iam-role"],
        "Error when retrieving credentials from iam-role: Credential refresh failed, response did not contain: access_key, secret_key, token, expiry_time",
        "https://github.com/boto/botocore/issues/1617",
    )
    .fixed("1.34.41"),
    row(
        "botocore-metadata-status",
        "boto3 and botocore",
        Meaning::Metadata,
        &["metadata service returned non-200 response"],
        "Metadata service returned non-200 response with status code of 400 for url: http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "https://github.com/boto/botocore/issues/1676",
    )
    .fixed("1.34.41"),
    row(
        "botocore-proxy",
        "boto3 and botocore",
        Meaning::Proxy,
        &["failed to connect to proxy url"],
        "botocore.exceptions.ProxyConnectionError: Failed to connect to proxy URL: \"http://proxy:3128\"",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "cli-denied",
        "AWS CLI and boto3",
        Meaning::UnnamedRefusal,
        &["an error occurred (accessdenied) when calling the", "operation: access denied"],
        "An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied",
        "https://github.com/awslabs/amazon-eks-ami/issues/1541",
    ),
    row(
        "botocore-endpoint-region",
        "boto3 and botocore",
        Meaning::Region,
        &["invalid endpoint: https://", "..amazonaws.com"],
        "ValueError: Invalid endpoint: https://dynamodb..amazonaws.com",
        "https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html",
    ),
];
