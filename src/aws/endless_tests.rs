//! Lists and answers that do not end, each beside one that does.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use futures::TryStreamExt;
use tokio::sync::OnceCell;

use super::{
    Aws, Inner, Settings,
    config::Loaded,
    tests::{Answer, Server, aws},
};
use crate::{
    failure::{Code, Failure},
    model::{access::Simulation, association::AssociationFilter},
    ports::{Eks, Iam},
};

/// Every list that podid reads: the operation, what a page has around its items and in each item (`#` is its number).
const LISTS: [(&str, &str, &str); 8] = [
    ("ListClusters", "clusters", r#""c#""#),
    (
        "ListPodIdentityAssociations",
        "associations",
        r#"{"clusterName":"c","namespace":"ns","serviceAccount":"sa#","associationArn":"arn:x","associationId":"a-#"}"#,
    ),
    (
        "DescribeAddonVersions",
        "addons",
        r#"{"addonName":"agent","addonVersions":[{"addonVersion":"v1.#.0","compatibilities":[{"clusterVersion":"1.33"}]}]}"#,
    ),
    (
        "ListRoles",
        "Roles",
        "<Path>/</Path><RoleName>r#</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::111122223333:role/r#</Arn>\
         <CreateDate>2026-11-23T12:34:56Z</CreateDate><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument>",
    ),
    (
        "ListAttachedRolePolicies",
        "AttachedPolicies",
        "<PolicyName>p#</PolicyName><PolicyArn>arn:aws:iam::aws:policy/p#</PolicyArn>",
    ),
    ("ListRolePolicies", "PolicyNames", "p#"),
    (
        "ListInstanceProfilesForRole",
        "InstanceProfiles",
        "<Path>/</Path><InstanceProfileName>i#</InstanceProfileName><InstanceProfileId>AIPA</InstanceProfileId>\
         <Arn>arn:aws:iam::111122223333:instance-profile/i#</Arn><CreateDate>2026-11-23T12:34:56Z</CreateDate><Roles/>",
    ),
    (
        "SimulatePrincipalPolicy",
        "EvaluationResults",
        "<EvalActionName>s3:Get#</EvalActionName><EvalDecision>allowed</EvalDecision>",
    ),
];

/// A page of one item, with the token of the next page; `truncated` is IAM's word on whether there is one.
fn page(list: (&str, &str, &str), number: usize, token: Option<&str>, truncated: bool) -> Answer {
    let (operation, name, item) = list;
    let item = item.replace('#', &number.to_string());
    if name.starts_with(char::is_lowercase) {
        let token = token.map(|token| format!(r#","nextToken":"{token}""#)).unwrap_or_default();
        return (200, format!(r#"{{"{name}":[{item}]{token}}}"#));
    }
    let token = token.map(|token| format!("<Marker>{token}</Marker>")).unwrap_or_default();
    let items = format!("<{name}><member>{item}</member></{name}><IsTruncated>{truncated}</IsTruncated>{token}");
    (200, format!("<{operation}Response><{operation}Result>{items}</{operation}Result></{operation}Response>"))
}

/// Pages with these tokens, and the last one without.
fn pages(list: (&str, &str, &str), tokens: &[&str]) -> Vec<Answer> {
    let tokens = tokens.iter().copied().map(Some).chain([None]);
    tokens.enumerate().map(|(number, token)| page(list, number, token, token.is_some())).collect()
}

/// How many items the list has.
async fn count(aws: &Aws, operation: &str) -> Result<usize, Failure> {
    Ok(match operation {
        "ListClusters" => aws.clusters().await?.len(),
        "ListPodIdentityAssociations" => aws.associations("c", &AssociationFilter::default()).await?.len(),
        "DescribeAddonVersions" => aws.addon_versions("agent", "1.33").await?.len(),
        "ListRoles" => aws.roles().try_concat().await?.len(),
        "ListAttachedRolePolicies" => aws.attached_policies("r").await?.len(),
        "ListRolePolicies" => aws.inline_policies("r").await?.len(),
        "ListInstanceProfilesForRole" => aws.instance_profiles("r").await?.len(),
        _ => {
            let role = "arn:aws:iam::111122223333:role/r".to_owned();
            let asked =
                Simulation { role, actions: vec!["s3:Get".to_owned()], resource: "*".to_owned(), context: Vec::new() };
            aws.simulate(&asked).await?.len()
        }
    })
}

#[tokio::test]
async fn a_list_whose_tokens_repeat() {
    for list in LISTS {
        let operation = list.0;
        // Healthy: every page is read, whether tokens look alike or not.
        for tokens in [&["a", "aa", "b"][..], &[]] {
            let server = Server::new(pages(list, tokens));
            assert_eq!(count(&aws(&server.url), operation).await, Ok(tokens.len() + 1), "{operation}");
            assert_eq!(server.asked().len(), tokens.len() + 1, "{operation}");
        }
        // The same token at once, and after another one.
        for tokens in [&["a", "a"][..], &["a", "b", "a"]] {
            let server = Server::new(pages(list, tokens));
            let failure = count(&aws(&server.url), operation).await.unwrap_err();
            let text = format!("{operation} returned the same page token twice: the list does not end");
            assert_eq!((failure.code, failure.causes.last()), (Code::Failed, Some(&text)));
            assert!(failure.message.starts_with("cannot "), "{failure}");
            assert_eq!(server.asked().len(), tokens.len(), "{operation}");
        }
    }
}

#[tokio::test]
async fn a_truncated_list_without_a_marker() {
    for list in LISTS.into_iter().filter(|(_, name, _)| name.starts_with(char::is_uppercase)) {
        let operation = list.0;
        let whole = Server::new(vec![page(list, 0, None, false)]);
        assert_eq!(count(&aws(&whole.url), operation).await, Ok(1), "{operation}");
        for marker in [None, Some("")] {
            let server = Server::new(vec![page(list, 0, marker, true)]);
            let failure = count(&aws(&server.url), operation).await.unwrap_err();
            let text = format!("{operation} returned a truncated list without a marker for the rest");
            assert_eq!((failure.code, failure.causes.last()), (Code::Failed, Some(&text)));
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_list_is_no_empty_list() {
    for (operation, name, _) in LISTS.into_iter().filter(|(_, name, _)| name.starts_with(char::is_lowercase)) {
        let empty = Server::new(vec![(200, format!(r#"{{"{name}":[]}}"#))]);
        assert_eq!(count(&aws(&empty.url), operation).await, Ok(0), "{operation}");
        for answer in ["{}", "", r#"{"items":[]}"#] {
            let server = Server::new(vec![(200, answer.to_owned())]);
            let failure = count(&aws(&server.url), operation).await.unwrap_err();
            assert!(failure.to_string().contains("has no list") && failure.code == Code::Failed, "{answer}: {failure}");
        }
    }
}

/// A server whose answers, in chunks of a MiB, are spaces and at last `end`, after so many chunks; and how often it was asked.
fn spaces(status: u16, chunks: usize, end: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            kept.fetch_add(1, Ordering::SeqCst);
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                if line.unwrap().is_empty() {
                    break;
                }
            }
            let head = "transfer-encoding: chunked\r\nconnection: close";
            let mut sent = write!(stream, "HTTP/1.1 {status} Said\r\n{head}\r\n\r\n");
            for _ in 0..chunks {
                sent = sent.and_then(|()| stream.write_all(&chunk));
            }
            // Whoever has read enough has gone.
            let _ = sent.and_then(|()| write!(stream, "{:x}\r\n{end}\r\n0\r\n\r\n", end.len()));
        }
    });
    (url, asked)
}

/// With the time that a large answer takes, and three attempts.
fn patient(url: &str) -> Aws {
    let aws = aws(url);
    let Loaded { sdk, who } = aws.0.loaded.get().unwrap().clone();
    let sdk = sdk
        .to_builder()
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_mins(1)).build())
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
        .build();
    Aws(Arc::new(Inner { loaded: OnceCell::new_with(Some(Loaded { sdk, who })), ..Inner::new(Settings::default()) }))
}

#[tokio::test]
async fn an_answer_without_an_end() {
    const CLUSTERS: &str = r#"{"clusters":["c"]}"#;
    // Healthy: large, but no larger than can be; and another failure is asked about again.
    let (url, asked) = spaces(200, 63, CLUSTERS);
    assert_eq!(patient(&url).clusters().await, Ok(vec!["c".to_owned()]));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (url, asked) = spaces(503, 0, "{}");
    assert!(patient(&url).clusters().await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    for (status, chunks) in [(200, 64), (200, usize::MAX), (503, usize::MAX)] {
        let (url, asked) = spaces(status, chunks, CLUSTERS);
        let failure = patient(&url).clusters().await.unwrap_err();
        let text =
            format!("cannot list clusters: the response is larger than 64 MiB: EKS at {url} was not read completely");
        assert_eq!((failure.code, failure.to_string()), (Code::Failed, text));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{status}");
    }
}
