//! Each form, each code, and what only looks like one.

use super::*;

fn id(line: &str) -> Option<&'static str> {
    super::super::find(line).map(|row| row.id)
}

#[test]
fn each_sdk_has_its_form() {
    for line in [
        "botocore.exceptions.ClientError: An error occurred (403) when calling the HeadObject operation: Forbidden",
        "An error occurred (AuthorizationError) when calling the Publish operation: User is not authorized",
        "operation error S3: HeadObject, https response error StatusCode: 403, RequestID: A1, HostID: x/y=, api error Forbidden: Forbidden",
        "\tstatus code: 403, request id: ABCDEF, host id: xyz=",
        "software.amazon.awssdk.services.s3.model.S3Exception: null (Service: S3, Status Code: 403, Request ID: ABC)",
        "S3Exception: Access Denied (Service: S3, Status Code: 403, Request ID: 1)",
        "AmazonS3Exception: Forbidden (Service: Amazon S3; Status Code: 403; Error Code: 403 Forbidden; Request ID: ABC)",
        "AccessDenied: Access Denied",
        "    httpStatusCode: 403,",
        r#"{"name":"S3ServiceException","$fault":"client","$metadata":{"httpStatusCode":403},"msg":"upload failed"}"#,
        r#"error=ServiceError { source: ErrorMetadata { code: Some("AccessDenied"), message: None } }"#,
        "Amazon.S3.AmazonS3Exception: Access Denied",
        "aws.sdk.kotlin.services.s3.model.S3Exception: Access Denied, Request ID: A",
        "Generic S3 error: Client error with status 403 Forbidden: No Body",
        "executor error: failed to put file: Access Denied.",
        "Amazon.S3.AmazonS3Exception: Error making request with Error Code Forbidden and Http Status Code Forbidden.",
        "AWS HTTP error: Client error: `HEAD https://b.s3.us-west-2.amazonaws.com/x` resulted in a `403 Forbidden` response",
        "Aws::S3::Errors::Forbidden ( ):",
        "error = #<Aws::S3::Errors::Forbidden: >",
        "`call': Access Denied (Aws::S3::Errors::AccessDenied)",
        "OSError: AWS Error ACCESS_DENIED during HeadObject operation: No response body.",
        "[ERROR] AWSXmlClient [140] HTTP response code: 403",
        "[error] [output:s3:s3.0] PutObject API responded with error='AccessDenied', message='Access Denied'",
        "HTTP Error: HTTP GET error on 'https://b.s3.amazonaws.com/x' (HTTP 403)",
        "request to https://aps-workspaces.us-west-2.amazonaws.com/w responded with HTTP Status Code 403",
    ] {
        let row = super::super::find(line);
        assert_eq!(row.map(|row| row.meaning), Some(Meaning::UnnamedRefusal), "{line}");
    }
}

/// Only what shows that AWS gave no reason is known to have none.
#[test]
fn a_status_alone_tells_no_reason_only_where_none_was_given() {
    for line in [
        "S3Exception: null (Service: S3, Status Code: 400, Request ID: A)",
        "ERROR - null (Service: S3, Status Code: 400, Request ID: A)",
        "AmazonS3Exception: Bad Request (Service: Amazon S3; Status Code: 400; Error Code: 400 Bad Request; Request ID: A)",
        "An error occurred (400) when calling the HeadObject operation: Bad Request",
        "operation error S3: HeadObject, https response error StatusCode: 400, RequestID: A, HostID: B, api error BadRequest: Bad Request",
        "operation error S3: GetObject, https response error StatusCode: 400, RequestID: A, api error BadRequest: Bad Request",
        "AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: No response body.",
        "Aws::S3::Errors::BadRequest ( ):",
    ] {
        assert_eq!(id(line), Some("code-bad-request"), "{line}");
    }
    for line in [
        "One or more parameter values were invalid: Missing the key id in the item (Service: DynamoDb, Status Code: 400, Request ID: A)",
        "software.amazon.awssdk.services.dynamodb.model.DynamoDbException: One or more parameter values were invalid: Missing the key id in the item (Service: DynamoDb, Status Code: 400, Request ID: A)",
        "arn:aws:kms:us-west-2:111122223333:key/k is pending deletion. (Service: Kms, Status Code: 400, Request ID: A)",
        "The attribute is null (Service: DynamoDb, Status Code: 400, Request ID: A)",
        "An error occurred (BadRequestException) when calling the GetConfiguration operation: the version is unknown",
        "operation error Lex: PutSession, https response error StatusCode: 400, RequestID: A, BadRequestException: no such slot",
        "operation error Lex: PutSession, https response error StatusCode: 400, RequestID: A, deserialization failed, failed to decode",
        r#"{"name":"KMSInvalidStateException","$fault":"client","$metadata":{"httpStatusCode":400}}"#,
        "    httpStatusCode: 400,",
        "\tstatus code: 400, request id: ABCDEF",
    ] {
        assert_eq!(id(line), Some("code-other"), "{line}");
    }
    // The names of JavaScript's errors are codes.
    let ordinary = r#"{"name":"ConditionalCheckFailedException","$fault":"client","$metadata":{"httpStatusCode":400}}"#;
    assert_eq!(id(ordinary), None);
    let program = r#"{"name":"carts.service","$metadata":{"httpStatusCode":403},"msg":"upload failed"}"#;
    assert_eq!(id(program), Some("code-denied"));
    // A table that does not exist is not found, whatever SDK says it.
    for class in ["", "com.amazonaws.services.dynamodbv2.model.ResourceNotFoundException: "] {
        let text = format!(
            "{class}Cannot do operations on a non-existent table (Service: DynamoDb, Status Code: 400, Request ID: A)"
        );
        assert_eq!(id(&text), Some("not-found-table-operations"), "{text}");
    }
}

#[test]
fn the_code_tells_what_it_is() {
    for (line, wanted) in [
        ("api error AuthFailure: no, https response error StatusCode: 401, RequestID: 1", Some("code-keys")),
        (
            "Token expired: ExpiredTokenException: x (Service: Sts, Status Code: 400, Request ID: 1)",
            Some("code-expired"),
        ),
        ("AWS::SQS::Errors::InvalidClientTokenId ... retrying", Some("code-keys")),
        ("An error occurred (400) when calling the HeadBucket operation: Bad Request", Some("code-bad-request")),
        (
            "AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: No response body.",
            Some("code-bad-request"),
        ),
        ("S3Exception: null (Service: S3, Status Code: 400, Request ID: A)", Some("code-bad-request")),
        // AWS answered a caller whom it knows.
        (
            "a.b.model.ConditionalCheckFailedException: failed (Service: DynamoDb, Status Code: 400, Request ID: 1)",
            None,
        ),
        ("An error occurred (KMSInvalidStateException) when calling the Decrypt operation: x", Some("code-other")),
        ("a.b.model.LockedException: locked (Service: Ec2, Status Code: 400, Request ID: 1)", Some("code-other")),
        // Whom AWS answered had credentials.
        (
            "error getting backup store for this: operation error S3: GetObject, https response error StatusCode: 403, RequestID: A, api error Forbidden: x",
            Some("code-denied"),
        ),
        // Go's modeled errors stand behind the IDs.
        (
            "operation error DynamoDB: PutItem, https response error StatusCode: 400, RequestID: 5C7VQ, ConditionalCheckFailedException: The conditional request failed",
            None,
        ),
        (
            "operation error SSM: GetParameter, https response error StatusCode: 400, RequestID: 0a-1b, ParameterNotFound: ",
            None,
        ),
        (
            "operation error S3: GetObject, https response error StatusCode: 404, RequestID: A1, HostID: x/y=, NoSuchKey: none",
            None,
        ),
        (
            "operation error KMS: Decrypt, https response error StatusCode: 400, RequestID: 0a-1b, KMSInvalidStateException: pending",
            Some("code-other"),
        ),
        (
            "operation error KMS: Decrypt, https response error StatusCode: 400, RequestID: 0a-1b, api error Forbidden: x",
            Some("code-denied"),
        ),
        ("An error occurred (RequestThrottled) when calling the ReceiveMessage operation: x", None),
        ("An error occurred (InsufficientInstanceCapacity) when calling the RunInstances operation: x", None),
        ("An error occurred (StackNotFoundException) when calling the DescribeStacks operation: x", None),
        ("An error occurred (PriorRequestNotComplete) when calling the ChangeResourceRecordSets operation: x", None),
        ("An error occurred (DataAlreadyAcceptedException) when calling the PutLogEvents operation: x", None),
        ("An error occurred (InvalidSequenceTokenException) when calling the PutLogEvents operation: x", None),
        ("An error occurred (BucketAlreadyExists) when calling the CreateBucket operation: x", None),
        ("An error occurred (VpcLimitExceeded) when calling the CreateVpc operation: x", None),
        // An SDK's error, whatever other address is in its line.
        (
            "http://orders/v1/upload: An error occurred (403) when calling the HeadObject operation: Forbidden",
            Some("code-denied"),
        ),
        (r#"{"$metadata":{"httpStatusCode":403},"url":"http://orders/v1"}"#, Some("code-denied")),
        ("  \"httpStatusCode\": 403,", Some("code-denied")),
        ("{ httpStatusCode: 403, requestId: 'a', attempts: 1, totalRetryDelay: 0 }", Some("code-denied")),
        (r#"{"level":"error","err":"Forbidden: Forbidden\n\tstatus code: 403, request id: A"}"#, Some("code-denied")),
        (r#"{"__type":"KMSInvalidStateException"}"#, Some("code-other")),
        (r#"{"__type":"com.amazon.coral.service#NotAuthorized"}"#, Some("code-denied")),
        ("AuthFailure: AWS was not able to validate the provided access credentials", Some("code-keys")),
        ("failed to refresh (ExpiredToken)", Some("code-expired")),
        ("An error occurred (NoSuchKey) when calling the GetObject operation: no key", None),
        ("An error occurred (404) when calling the HeadObject operation: Not Found", None),
        ("api error SlowDown: reduce, https response error StatusCode: 503, RequestID: A", None),
    ] {
        assert_eq!(id(line), wanted, "{line}");
    }
}

/// Others have such words too.
#[test]
fn what_other_programs_refuse_is_not_of_aws() {
    for line in [
        "java.nio.file.AccessDeniedException: /data/orders",
        "AccessDeniedException: /data/orders",
        "org.springframework.security.access.AccessDeniedException: Access is denied",
        "AccessDeniedException: Access is denied",
        "psutil.AccessDenied: (pid=1)",
        "page /admin: Access Denied.",
        "java.sql.SQLException: Access denied for user 'shop'@'10.0.0.1' (using password: YES)",
        "WARN upstream https://api.partner.example/v1/orders returned 403 Forbidden",
        "10.0.0.1 - - \"GET /admin HTTP/1.1\" 403 153",
        "pods is forbidden: User \"system:serviceaccount:carts:carts\" cannot list resource \"pods\"",
        "Code: 403. Errors: * permission denied",
        r#"{"level":"info","path":"/login","httpStatusCode":401}"#,
        r#"{"level":"info","path":"/login","httpStatusCode":403}"#,
        r#"{"level":"info","path":"/login","httpStatusCode":400}"#,
        r#"{"level":"info","path":"/login","httpStatusCode":301}"#,
        r#"{"level":"info","requestId":"a-1","httpStatusCode":401}"#,
        "INFO order status code: 401, request id: abc",
        "http://orders-1.us-west-2.elb.amazonaws.com/v1 returned status: 401",
        "GET https://111122223333.dkr.ecr.us-west-2.amazonaws.com/v2/ status: 401",
        "token issuer https://cognito-idp.us-west-2.amazonaws.com/us-west-2_a rejected a user, status: 401",
        "GET https://a1b2.execute-api.us-west-2.amazonaws.com/v1/orders status: 403",
        "GET https://storage.googleapis.com/b/o: <?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed</Message></Error>",
        r#"{"__type":"Pointer","className":"Order","objectId":"a1"}"#,
        "INFO rotated ExpiredToken, issued new one",
        "upload https://b.s3.us-west-2.amazonaws.com/x finished with status: 200",
    ] {
        assert_eq!(id(line), None, "{line}");
    }
}
