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
        "not-found-table-operations",
        "Amazon DynamoDB",
        Meaning::NotFound,
        &["cannot do operations on a non-existent table"],
        "software.amazon.awssdk.services.dynamodb.model.ResourceNotFoundException: Cannot do operations on a non-existent table (Service: DynamoDb, Status Code: 400, Request ID: 1)",
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
    .remedy("allow `kms:Decrypt` in a policy of the role (`podid policy attach ROLE --kms KEY=decrypt`) and in the key's policy; check that the key is in the region of the call (AWS_REGION)"),
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
    row(
        "database-proxy",
        "RDS Proxy",
        Meaning::Database,
        &["iam authentication failed for the role"],
        "The IAM authentication failed for the role orders. Check the IAM token for this user and try again.",
        "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.troubleshooting.html",
    ),
];
