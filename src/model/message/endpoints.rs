//! Connections to the endpoints of AWS services: names that do not resolve, certificates that are not trusted, and no answer.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
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
        "name-java",
        "AWS SDK for Java",
        Meaning::Unresolved,
        &["unknownhostexception", "amazonaws.com"],
        "Caused by: java.net.UnknownHostException: dynamodb.us-west-2.amazonaws.com",
        "https://docs.oracle.com/javase/8/docs/api/java/net/UnknownHostException.html",
    )
    .rank(-1),
    row(
        "name-java2",
        "AWS SDK for Java 2.x",
        Meaning::Unresolved,
        &["received an unknownhostexception when attempting to interact with a service"],
        "software.amazon.awssdk.core.exception.SdkClientException: Received an UnknownHostException when attempting to interact with a service. See cause for the exact endpoint that is failing to resolve.",
        "https://github.com/aws/aws-sdk-java-v2/issues/1943",
    )
    .rank(-1),
    row(
        "name-libc",
        "every HTTP client",
        Meaning::Unresolved,
        &["name or service not known", "amazonaws.com"],
        "com.amazonaws.SdkClientException: Unable to execute HTTP request: dynamodb.us-west-2.amazonaws.com: Name or service not known",
        "https://www.man7.org/linux/man-pages/man3/gai_strerror.3.html",
    )
    .rank(-1),
    row(
        "name-libc-temporary",
        "every HTTP client",
        Meaning::Unresolved,
        &["temporary failure in name resolution", "amazonaws.com"],
        "Unable to execute HTTP request: sts.us-west-2.amazonaws.com: Temporary failure in name resolution",
        "https://www.man7.org/linux/man-pages/man3/gai_strerror.3.html",
    )
    .rank(-1),
    row(
        "name-musl",
        "every HTTP client",
        Meaning::Unresolved,
        &["name does not resolve", "amazonaws.com"],
        "Unable to execute HTTP request: sqs.us-west-2.amazonaws.com: Name does not resolve",
        "https://www.man7.org/linux/man-pages/man3/gai_strerror.3.html",
    )
    .rank(-1),
    row(
        "name-node",
        "Node.js",
        Meaning::Unresolved,
        &["getaddrinfo enotfound", "amazonaws.com"],
        "Error: getaddrinfo ENOTFOUND dynamodb.us-west-2.amazonaws.com",
        "https://nodejs.org/api/errors.html#common-system-errors",
    )
    .rank(-1),
    row(
        "name-node-again",
        "Node.js",
        Meaning::Unresolved,
        &["getaddrinfo eai_again", "amazonaws.com"],
        "Error: getaddrinfo EAI_AGAIN sqs.us-west-2.amazonaws.com",
        "https://nodejs.org/api/dns.html#error-codes",
    )
    .rank(-1),
    row(
        "name-go",
        "Go programs",
        Meaning::Unresolved,
        &["amazonaws.com", "no such host"],
        "Post \"https://sts.us-west-2.amazonaws.com/\": dial tcp: lookup sts.us-west-2.amazonaws.com on 172.20.0.10:53: no such host",
        "https://pkg.go.dev/net#DNSError",
    )
    .rank(-1),
    row(
        "name-go-server",
        "Go programs",
        Meaning::Unresolved,
        &["amazonaws.com", "server misbehaving"],
        "dial tcp: lookup s3.us-west-2.amazonaws.com on 172.20.0.10:53: server misbehaving",
        "https://pkg.go.dev/net#DNSError",
    )
    .rank(-1),
    row(
        "name-go-timeout",
        "Go programs",
        Meaning::Unresolved,
        &["amazonaws.com", ": lookup ", "i/o timeout"],
        "dial tcp: lookup sts.us-west-2.amazonaws.com on 172.20.0.10:53: read udp 10.0.0.9:40411->172.20.0.10:53: i/o timeout",
        "https://docs.aws.amazon.com/eks/latest/userguide/coredns-add-on-troubleshooting.html",
    )
    .rank(-1),
    row(
        "name-curl",
        "curl, PHP and C++ programs",
        Meaning::Unresolved,
        &["could not resolve host", "amazonaws.com"],
        "cURL error 6: Could not resolve host: s3.us-west-2.amazonaws.com (see https://curl.se/libcurl/c/libcurl-errors.html)",
        "https://curl.se/libcurl/c/libcurl-errors.html",
    )
    .rank(-1),
    row(
        "name-rust",
        "AWS SDK for Rust",
        Meaning::Unresolved,
        &["dispatchfailure", "dns error"],
        "DispatchFailure(DispatchFailure { source: ConnectorError { kind: Io, source: ConnectError(\"dns error\", Custom { kind: Uncategorized, error: \"failed to lookup address information: Name or service not known\" }) } })",
        "https://docs.aws.amazon.com/sdk-for-rust/latest/dg/error-handling.html",
    )
    .rank(-1),
    row(
        "certificate-java",
        "AWS SDK for Java",
        Meaning::Certificate,
        &["unable to execute http request", "pkix path"],
        "software.amazon.awssdk.core.exception.SdkClientException: Unable to execute HTTP request: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target",
        "https://github.com/aws/aws-sdk-java/issues/2064",
    )
    .rank(-1),
    row(
        "certificate-java-host",
        "Java programs",
        Meaning::Certificate,
        &["pkix path building failed", "amazonaws.com"],
        "Cannot resolve https://oidc.eks.us-west-2.amazonaws.com/id/0A1B (javax.net.ssl.SSLHandshakeException): PKIX path building failed",
        "https://github.com/aws/aws-sdk-java/issues/2064",
    )
    .rank(-1),
    row(
        "certificate-python",
        "boto3 and botocore",
        Meaning::Certificate,
        &["ssl validation failed for", "certificate_verify_failed", "amazonaws.com"],
        "botocore.exceptions.SSLError: SSL validation failed for https://dynamodb.us-west-2.amazonaws.com/ [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1129)",
        "https://github.com/boto/botocore/blob/develop/botocore/exceptions.py",
    )
    .rank(-1),
    row(
        "certificate-go",
        "Go programs",
        Meaning::Certificate,
        &["certificate signed by unknown authority", "amazonaws.com"],
        "Post \"https://sts.us-west-2.amazonaws.com/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "https://pkg.go.dev/crypto/x509#UnknownAuthorityError",
    )
    .rank(-1),
    row(
        "certificate-issuer",
        "OpenSSL programs",
        Meaning::Certificate,
        &["unable to get local issuer certificate", "amazonaws.com"],
        "cURL error 60: SSL certificate problem: unable to get local issuer certificate for https://s3.us-west-2.amazonaws.com/",
        "https://docs.openssl.org/master/man1/openssl-verification-options/",
    )
    .rank(-1),
    row(
        "certificate-self",
        "OpenSSL programs",
        Meaning::Certificate,
        &["signed certificate in certificate chain", "amazonaws.com"],
        "Error: self-signed certificate in certificate chain code: 'SELF_SIGNED_CERT_IN_CHAIN' hostname: 's3.us-west-2.amazonaws.com'",
        "https://docs.openssl.org/master/man1/openssl-verification-options/",
    )
    .rank(-1),
    row(
        "certificate-node",
        "Node.js",
        Meaning::Certificate,
        &["unable_to_get_issuer_cert_locally", "amazonaws.com"],
        "{ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', hostname: 'dynamodb.us-west-2.amazonaws.com' }",
        "https://nodejs.org/api/tls.html#x509-certificate-error-codes",
    )
    .rank(-1),
    row(
        "certificate-dotnet",
        "AWS SDK for .NET",
        Meaning::Certificate,
        &["the ssl connection could not be established", "amazon"],
        "Amazon.Runtime.AmazonClientException: The SSL connection could not be established, see inner exception. The remote certificate is invalid because of errors in the certificate chain: PartialChain",
        "https://learn.microsoft.com/dotnet/api/system.net.security.sslstream.authenticateasclient",
    )
    .rank(-1),
    row(
        "certificate-rust",
        "AWS SDK for Rust",
        Meaning::Certificate,
        &["dispatchfailure", "invalid peer certificate"],
        "DispatchFailure(DispatchFailure { source: ConnectorError { kind: Io, source: Custom { kind: Other, error: \"invalid peer certificate: UnknownIssuer\" } } })",
        "https://docs.rs/rustls/latest/rustls/enum.CertificateError.html",
    )
    .rank(-1),
];
