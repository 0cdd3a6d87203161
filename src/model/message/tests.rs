//! Rules over all known messages.

use std::collections::BTreeSet;

use super::*;

#[test]
fn each_example_is_found_as_its_own_row_and_no_other() {
    for row in rows() {
        let found = find(row.example).map(|found| found.id);
        assert_eq!(found, Some(row.id), "{}", row.example);
        if row.by_code {
            continue;
        }
        let lower = row.example.to_lowercase();
        let ties = by_words()
            .filter(|other| other.words.iter().all(|word| lower.contains(word)) && other.weight() == row.weight())
            .count();
        assert_eq!(ties, 1, "{}: another row has the same weight", row.id);
    }
}

#[test]
fn rows_are_well_formed() {
    let mut ids = BTreeSet::new();
    let mut sources = BTreeSet::new();
    for row in rows() {
        assert!(ids.insert(row.id), "{} twice", row.id);
        assert!(row.source.starts_with("https://"), "{}", row.id);
        assert!(!row.words.is_empty() && !row.printed_by.is_empty(), "{}", row.id);
        for word in row.words {
            assert_eq!(*word, word.to_lowercase(), "{}", row.id);
        }
        let remedies = row.remedies();
        assert!(!remedies.is_empty(), "{}", row.id);
        for text in remedies.iter().map(String::as_str).chain([row.meaning.cause()]) {
            assert!(!text.ends_with('.') && text.matches('`').count() % 2 == 0, "{}: {text}", row.id);
        }
        sources.insert(row.source);
    }
    assert!(ids.len() >= 120 && sources.len() >= 100, "{} rows, {} sources", ids.len(), sources.len());
}

#[test]
fn every_meaning_has_a_row() {
    for meaning in Meaning::ALL {
        assert!(rows().any(|row| row.meaning == meaning), "{meaning:?}");
    }
}

#[test]
fn other_lines_are_none() {
    for line in [
        "Started CartApplication in 3.2 seconds",
        "connect timeout to 10.0.0.1",
        "FATAL: password authentication failed for user orders",
        "dial tcp 10.0.0.1:5432: connect: connection refused",
        "dynamodb:Query carts ok as arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-1",
        "429 Too Many Requests from https://shop.example",
    ] {
        assert_eq!(find(line), None, "{line}");
    }
}

#[test]
fn case_escapes_and_the_narrower_message_count() {
    let id = |line: &str| find(line).map(|row| row.id);
    assert_eq!(id("UNABLE TO LOCATE CREDENTIALS"), Some("botocore-none"));
    let told = r#"{"msg":"Get \"http://169.254.170.23/v1/credentials\": dial tcp 169.254.170.23:80: connect: connection refused"}"#;
    assert_eq!(id(told), Some("agent-refused"));
    // The reason that the agent gave, not the wrapping of an SDK.
    let wrapped = "Error when retrieving credentials from container-role: Error retrieving metadata: Received non 200 response 400 \
                   from container metadata: Service account token failed basic claim validations: token is expired";
    assert_eq!(id(wrapped), Some("agent-token-expired"));
}

/// Each text, and its twin that differs in what counts.
#[test]
fn what_a_text_means_is_told_by_what_counts_in_it() {
    let chain = "Unable to load credentials from any of the providers in the chain AwsCredentialsProviderChain(credentialsProviders=";
    for (line, meaning) in [
        (format!("{chain}[WebIdentityTokenFileCredentialsProvider()])"), Some(Meaning::WantsIrsa)),
        (format!("{chain}[WebIdentityTokenFileCredentialsProvider(), ContainerCredentialsProvider()])"), Some(Meaning::NoCredentials)),
        (format!("{chain}[SystemPropertyCredentialsProvider(), WebIdentityTokenFileCredentialsProvider()])"), Some(Meaning::NoCredentials)),
        (
            format!("{chain}[ContainerCredentialsProvider()]) : [ContainerCredentialsProvider(): Failed to load credentials from metadata service.]"),
            Some(Meaning::NothingFromAgent),
        ),
        (
            format!("{chain}[ContainerCredentialsProvider()]) : [ContainerCredentialsProvider(): Failed to load credentials from metadata service. Connect timed out]"),
            Some(Meaning::NoAgent),
        ),
        ("java.lang.ClassNotFoundException: Class com.example.Carts not found".to_owned(), None),
        ("(ExpiredTokenException): The specified Kubernetes service account token is expired.".to_owned(), Some(Meaning::TokenExpired)),
        ("operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 400, RequestID: 1, ExpiredTokenException: Token expired".to_owned(), Some(Meaning::TokenExpired)),
        ("operation error S3: GetObject, https response error StatusCode: 400, RequestID: 1, ExpiredTokenException: Token expired".to_owned(), Some(Meaning::Expired)),
        ("https response error StatusCode: 400, InvalidTokenException: Audience in token is not valid".to_owned(), Some(Meaning::TokenRejected)),
        ("Received non 200 response 400 from container metadata: [1]: (InvalidTokenException): The specified Kubernetes service account token is invalid.".to_owned(), Some(Meaning::TokenRejected)),
        ("Received non 200 response 503 from container metadata: upstream connect error or disconnect/reset before headers".to_owned(), Some(Meaning::Mesh)),
        ("503 from http://169.254.170.23/v1/credentials: upstream connect error or disconnect/reset before headers".to_owned(), Some(Meaning::Mesh)),
        ("Received non 200 response 503 from container metadata: busy".to_owned(), Some(Meaning::AgentError)),
        ("GET http://orders: 503 upstream connect error or disconnect/reset before headers".to_owned(), None),
        ("listen tcp 0.0.0.0:80: bind: address already in use".to_owned(), None),
        ("[http_client] broken connection to logs.example.com:443 ?".to_owned(), None),
        ("KeyError: 'ORDERS_URL'".to_owned(), None),
        ("Could not resolve placeholder 'ORDERS_URL' in value".to_owned(), None),
        ("open /var/run/secrets/kubernetes.io/serviceaccount/token: permission denied".to_owned(), None),
        ("failed to resolve reference \"registry.example.com/carts:1\": 403 Forbidden".to_owned(), None),
        ("Cannot resolve https://login.example.com (javax.net.ssl.SSLHandshakeException) PKIX path building failed".to_owned(), None),
        ("com.amazonaws.auth.Carts: PKIX path building failed for https://login.example.com".to_owned(), None),
    ] {
        assert_eq!(find(&line).map(|row| row.meaning), meaning, "{line}");
    }
}

/// Node.js prints the system's codes, whatever the address.
#[test]
fn codes_of_the_system_are_understood() {
    let wanted = |line: &str| find(line).map(|row| row.meaning);
    for code in ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"] {
        assert_eq!(
            wanted(&format!("Error: connect {code} 169.254.170.23:80 - Local (10.42.1.5:51234)")),
            Some(Meaning::NoAgent),
            "{code}"
        );
        assert_eq!(wanted(&format!("Error: connect {code} fd00:ec2::23:80")), Some(Meaning::NoAgentIpv6), "{code}");
        assert_eq!(wanted(&format!("Error: connect {code} 10.0.0.7:5432")), None, "{code}");
    }
}
