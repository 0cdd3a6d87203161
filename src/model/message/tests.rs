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
