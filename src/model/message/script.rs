//! The SDKs for JavaScript, PHP and Ruby.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "js2-missing",
        "AWS SDK for JavaScript v2",
        Meaning::NoCredentials,
        &["missing credentials in config"],
        "Error listing SQS queues: Missing credentials in config, if using AWS_CONFIG_FILE, set AWS_SDK_LOAD_CONFIG=1",
        "https://github.com/aws/aws-sdk-js/issues/4566",
    )
    .fixed("2.1550.0"),
    row(
        "js2-ecs",
        "AWS SDK for JavaScript v2",
        Meaning::AgentError,
        &["ecscredentialsproviderfailure"],
        "\"message\": \"Response data is not in valid format\", \"code\": \"ECSCredentialsProviderFailure\"",
        "https://github.com/aws/aws-sdk-js/issues/1142",
    ),
    row(
        "js2-temporary",
        "AWS SDK for JavaScript v2",
        Meaning::SecondRole,
        &["could not load credentials from chainabletemporarycredentials"],
        "\"code\":\"CredentialsError\",\"message\":\"Could not load credentials from ChainableTemporaryCredentials\"",
        "https://github.com/external-secrets/kubernetes-external-secrets/issues/622",
    ),
    row(
        "js-any-provider",
        "AWS SDKs for JavaScript",
        Meaning::NoCredentials,
        &["could not load credentials from any providers"],
        "CredentialsProviderError: Could not load credentials from any providers",
        "https://github.com/aws/aws-sdk-js-v3/issues/4989",
    )
    .fixed("3.458.0"),
    row(
        "js3-host",
        "AWS SDK for JavaScript v3",
        Meaning::OldSdk,
        &["169.254.170.23 is not a valid container metadata service hostname"],
        "CredentialsProviderError: 169.254.170.23 is not a valid container metadata service hostname",
        "https://github.com/aws/aws-sdk-js-v3/issues/8101",
    )
    .fixed("3.458.0")
    .remedy("upgrade the AWS SDK, and use its default credential chain or `fromHttp` in place of `fromContainerMetadata`"),
    row(
        "js3-host-ipv6",
        "AWS SDK for JavaScript v3",
        Meaning::Ipv6,
        &["fd00:ec2::23", "is not a valid container metadata service hostname"],
        "CredentialsProviderError: [fd00:ec2::23] is not a valid container metadata service hostname",
        "https://github.com/aws/aws-sdk-js-v3/issues/5709",
    )
    .fixed("3.458.0")
    .remedy("upgrade the AWS SDK, and use its default credential chain or `fromHttp` in place of `fromContainerMetadata`"),
    row(
        "js3-no-variables",
        "AWS SDK for JavaScript v3",
        Meaning::NoVariables,
        &["the container metadata credential provider cannot be used unless"],
        "CredentialsProviderError: The container metadata credential provider cannot be used unless the AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI environment variable is set",
        "https://github.com/smithy-lang/smithy-typescript/blob/main/packages/credential-provider-imds/src/fromContainerMetadata.ts",
    ),
    row(
        "php-container",
        "AWS SDK for PHP",
        Meaning::AgentError,
        &["error retrieving credentials from container metadata"],
        "Error retrieving credentials from container metadata after attempt 3/3 (cURL error 52: Empty reply from server)",
        "https://github.com/aws/aws-sdk-php/blob/master/src/Credentials/EcsCredentialProvider.php",
    )
    .rank(-1),
    row(
        "php-refused",
        "AWS SDK for PHP",
        Meaning::NoAgent,
        &["error retrieving credentials from container metadata", "curl error 7"],
        "Error retrieving credentials from container metadata after attempt 3/3 (cURL error 7: Failed to connect to 169.254.170.23 port 80 after 0 ms: Connection refused)",
        "https://curl.se/libcurl/c/libcurl-errors.html",
    ),
    row(
        "php-timeout",
        "AWS SDK for PHP",
        Meaning::NoAgent,
        &["error retrieving credentials from container metadata", "curl error 28"],
        "Error retrieving credentials from container metadata after attempt 3/3 (cURL error 28: Connection timed out after 1001 milliseconds)",
        "https://curl.se/libcurl/c/libcurl-errors.html",
    ),
    row(
        "php-ecs",
        "AWS SDK for PHP",
        Meaning::AgentError,
        &["error retrieving credential from ecs"],
        "Error retrieving credential from ECS (Client error: `GET http://169.254.170.2` resulted in a `404 Not Found` response: 404 page not found )",
        "https://github.com/aws/aws-sdk-php/issues/2751",
    )
    .rank(-1),
    row(
        "php-host",
        "AWS SDK for PHP",
        Meaning::OldSdk,
        &["uri '", "' contains an unsupported host"],
        "Uri 'http://169.254.170.23/v1/credentials' contains an unsupported host.",
        "https://github.com/aws/aws-sdk-php/blob/master/src/Credentials/EcsCredentialProvider.php",
    )
    .fixed("3.287.1"),
    row(
        "php-metadata",
        "AWS SDK for PHP",
        Meaning::Metadata,
        &["error retrieving credentials from the instance profile metadata"],
        "Error retrieving credentials from the instance profile metadata service. (cURL error 28: Connection timed out after 1000 milliseconds)",
        "https://github.com/aws/aws-sdk-php/issues/2323",
    )
    .fixed("3.287.1")
    .rank(1),
    row(
        "php-metadata-code",
        "AWS SDK for PHP",
        Meaning::Metadata,
        &["unexpected instance profile response code"],
        "Uncaught Aws\\Exception\\CredentialsException: Unexpected instance profile response code:",
        "https://github.com/aws/aws-sdk-php/issues/1611",
    )
    .fixed("3.287.1"),
    row(
        "ruby-missing",
        "AWS SDK for Ruby",
        Meaning::NoCredentials,
        &["unable to sign request without credentials set"],
        "Aws::Errors::MissingCredentialsError - unable to sign request without credentials set",
        "https://github.com/aws/aws-sdk-ruby/issues/2981",
    )
    .fixed("3.188.0"),
    row(
        "ruby-host",
        "AWS SDK for Ruby",
        Meaning::OldSdk,
        &["aws_container_credentials_full_uri must use a loopback address when using the http scheme"],
        "ArgumentError: AWS_CONTAINER_CREDENTIALS_FULL_URI must use a loopback address when using the http scheme.",
        "https://github.com/aws/aws-sdk-ruby/blob/version-3/gems/aws-sdk-core/lib/aws-sdk-core/ecs_credentials.rb",
    )
    .fixed("3.188.0"),
    row(
        "js3-profile",
        "AWS SDK for JavaScript v3",
        Meaning::Profile,
        &["could not resolve credentials using profile: ["],
        "CredentialsProviderError: Could not resolve credentials using profile: [prod] in configuration/credentials file(s).",
        "https://docs.aws.amazon.com/sdk-for-javascript/v3/developer-guide/loading-node-credentials-shared.html",
    ),
    row(
        "js3-region",
        "AWS SDK for JavaScript v3",
        Meaning::Region,
        &["error: region is missing"],
        "Error: Region is missing",
        "https://docs.aws.amazon.com/sdk-for-javascript/v3/developer-guide/setting-region.html",
    ),
    row(
        "js2-region",
        "AWS SDK for JavaScript v2",
        Meaning::Region,
        &["configerror: missing region in config"],
        "ConfigError: Missing region in config",
        "https://docs.aws.amazon.com/sdk-for-javascript/v2/developer-guide/setting-region.html",
    ),
    row(
        "ruby-region",
        "AWS SDK for Ruby",
        Meaning::Region,
        &["missing region; use :region option"],
        "Aws::Errors::MissingRegionError: missing region; use :region option or export region name to ENV['AWS_REGION']",
        "https://github.com/aws/aws-sdk-ruby/blob/version-3/gems/aws-sdk-core/lib/aws-sdk-core/errors.rb",
    ),
    row(
        "ruby-no-region",
        "AWS SDK for Ruby",
        Meaning::Region,
        &["no region was provided. configure the `:region` option"],
        "Aws::Errors::MissingRegionError: No region was provided. Configure the `:region` option or export the region name to ENV['AWS_REGION']",
        "https://github.com/aws/aws-sdk-ruby/blob/version-3/gems/aws-sdk-core/lib/aws-sdk-core/errors.rb",
    ),
];
