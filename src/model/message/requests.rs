//! What AWS services and their clients answer when the credentials work and the request is wrong: region, resource, network, account.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "region-s3",
        "Amazon S3",
        Meaning::WrongRegion,
        &["the authorization header is malformed; the region"],
        "AuthorizationHeaderMalformed: The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
    ),
    row(
        "region-s3-endpoint",
        "Amazon S3",
        Meaning::WrongRegion,
        &["must be addressed using the specified endpoint"],
        "PermanentRedirect: The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
    ),
    row(
        "region-scope",
        "AWS services",
        Meaning::WrongRegion,
        &["credential should be scoped to a valid region"],
        "InvalidSignatureException: Credential should be scoped to a valid region, not 'us-east-1'.",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html",
    ),
    row(
        "not-found-queue",
        "Amazon SQS",
        Meaning::NotFound,
        &["the specified queue does not exist"],
        "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist or you do not have access to it.",
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html",
    )
    .remedy("check the name of the queue and its region (AWS_REGION)"),
    row(
        "not-found-table",
        "Amazon DynamoDB",
        Meaning::NotFound,
        &["requested resource not found"],
        "ResourceNotFoundException: Requested resource not found: Table: carts not found",
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html",
    )
    .remedy("check the name of the table and its region (AWS_REGION)"),
    row(
        "not-found-bucket",
        "Amazon S3",
        Meaning::NotFound,
        &["the specified bucket does not exist"],
        "NoSuchBucket: The specified bucket does not exist",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
    )
    .remedy("check the name of the bucket"),
    row(
        "not-found-secret",
        "AWS Secrets Manager",
        Meaning::NotFound,
        &["secrets manager can't find the specified secret"],
        "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html",
    )
    .remedy("check the name of the secret and its region (AWS_REGION)"),
    row(
        "denied-key",
        "AWS KMS",
        Meaning::UnnamedRefusal,
        &["the ciphertext refers to a customer master key that does not exist"],
        "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
        "https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html",
    )
    .remedy("allow `kms:Decrypt` in a policy of the role (`podid policy attach ROLE --kms KEY=decrypt`) and in the key's policy; check the region"),
    row(
        "unreachable-botocore",
        "boto3 and botocore",
        Meaning::Unreachable,
        &["could not connect to the endpoint url", "amazonaws.com"],
        "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: \"https://dynamodb.us-west-1.amazonaws.com/\"",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "unreachable-botocore-timeout",
        "boto3 and botocore",
        Meaning::Unreachable,
        &["connect timeout on endpoint url", "amazonaws.com"],
        "botocore.exceptions.ConnectTimeoutError: Connect timeout on endpoint URL: \"https://sqs.us-west-2.amazonaws.com/\"",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    ),
    row(
        "unreachable-go",
        "Go programs",
        Meaning::Unreachable,
        &["amazonaws.com", "i/o timeout"],
        "Post \"https://dynamodb.us-west-2.amazonaws.com/\": dial tcp 52.94.10.1:443: i/o timeout",
        "https://docs.aws.amazon.com/eks/latest/userguide/private-clusters.html",
    )
    .rank(-1),
    row(
        "unreachable-java",
        "Java programs",
        Meaning::Unreachable,
        &["amazonaws.com", "connect timed out"],
        "Unable to execute HTTP request: Connect to dynamodb.us-west-2.amazonaws.com:443 failed: connect timed out",
        "https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html",
    )
    .rank(-1),
    row(
        "not-enabled-model",
        "Amazon Bedrock",
        Meaning::NotEnabled,
        &["you don't have access to the model with the specified model id"],
        "AccessDeniedException: You don't have access to the model with the specified model ID.",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html",
    )
    .remedy("request access to the model in the Bedrock console, in the region of the call"),
    row(
        "not-enabled-region",
        "AWS STS",
        Meaning::NotEnabled,
        &["sts is not activated in this region"],
        "RegionDisabledException: STS is not activated in this region for account:111122223333",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html",
    )
    .remedy("enable the region for the account, or call STS in another one"),
    row(
        "not-enabled-service",
        "AWS services",
        Meaning::NotEnabled,
        &["optinrequired"],
        "OptInRequired: You are not subscribed to this service",
        "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html",
    ),
    row(
        "denied-lake-formation",
        "AWS Lake Formation",
        Meaning::UnnamedRefusal,
        &["insufficient lake formation permission"],
        "AccessDeniedException: Insufficient Lake Formation permission(s): Required Select on orders",
        "https://docs.aws.amazon.com/lake-formation/latest/dg/troubleshooting.html",
    )
    .remedy("grant the permission to the role in Lake Formation: IAM policies alone are not enough"),
    row(
        "database-postgresql",
        "PostgreSQL on RDS and Aurora",
        Meaning::Database,
        &["pam authentication failed for user"],
        "FATAL: PAM authentication failed for user \"carts\"",
        "https://repost.aws/knowledge-center/rds-postgresql-connect-using-iam",
    ),
];
