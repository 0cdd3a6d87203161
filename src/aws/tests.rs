//! The adapter against a server on loopback: what is sent, what is made of the answers, and how failures read.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
    sync::{Arc, Mutex},
};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::Credentials;

use super::{Aws, Settings, fuzz_tests::aws_of};
use crate::{
    failure::{Code, Failure, Kind},
    model::{
        association::{AssociationChange, AssociationFilter, AssociationSpec, NewAssociation},
        document::Document,
        names::ServiceAccount,
        role::NewRole,
    },
    ports::{Eks, Iam},
};

pub(super) type Answer = (u16, String);

/// A server that keeps what it was asked (`GET /path body`) and answers by turns, the last answer again and again.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (turn, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                reader.read_line(&mut first).unwrap();
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let line = first.trim_end().trim_end_matches(" HTTP/1.1");
                kept.lock().unwrap().push(format!("{line} {}", String::from_utf8_lossy(&body)).trim_end().to_owned());
                let (status, text) = &answers[turn.min(answers.len() - 1)];
                let head =
                    format!("content-length: {}\r\nx-amzn-requestid: req-{turn}\r\nconnection: close", text.len());
                write!(stream, "HTTP/1.1 {status} Said\r\n{head}\r\n\r\n{text}").unwrap();
            }
        });
        Self { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(super) fn aws(url: &str) -> Aws {
    aws_with(url, "AKIDEXAMPLE", "secret")
}

pub(super) fn aws_with(url: &str, key: &str, secret: &str) -> Aws {
    let credentials = Credentials::new(key, secret, None, None, "test");
    let timeout = TimeoutConfig::builder().operation_attempt_timeout(std::time::Duration::from_secs(1)).build();
    aws_of(SdkConfig::builder().endpoint_url(url).timeout_config(timeout), credentials)
}

fn eks_error(status: u16, code: &str, message: &str) -> Answer {
    (status, format!(r#"{{"__type":"{code}","message":"{message}"}}"#))
}

fn iam_error(status: u16, code: &str, message: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    (status, format!("<ErrorResponse>{error}<RequestId>in-body</RequestId></ErrorResponse>"))
}

fn carts() -> ServiceAccount {
    ServiceAccount::new("carts", "carts").unwrap()
}

fn summaries(range: std::ops::Range<u32>, next: Option<&str>) -> Answer {
    let one = |n: u32| {
        format!(
            r#"{{"clusterName":"c","namespace":"ns","serviceAccount":"sa{n}","associationArn":"arn:x","associationId":"a-{n}"}}"#
        )
    };
    let list: Vec<_> = range.map(one).collect();
    let next = next.map(|token| format!(r#","nextToken":"{token}""#)).unwrap_or_default();
    (200, format!(r#"{{"associations":[{}]{next}}}"#, list.join(",")))
}

const ASSOCIATION: &str = r#"{"association":{"clusterName":"c","namespace":"carts","serviceAccount":"carts",
    "roleArn":"arn:aws:iam::111122223333:role/carts","associationArn":"arn:y","associationId":"a-1","tags":{"k":"v"},
    "createdAt":1795437296.25,"modifiedAt":1795437300.0}}"#;

#[tokio::test]
async fn every_page_is_read() {
    let server = Server::new(vec![summaries(0..100, Some("p2")), summaries(100..130, None)]);
    let filter = AssociationFilter { namespace: Some("ns".into()), service_account: None };
    let found = aws(&server.url).associations("c", &filter).await.unwrap();
    assert_eq!(found.len(), 130);
    assert_eq!(found[129].subject.name, "sa129");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains("namespace=ns") && asked[0].contains("maxResults=100"), "{asked:?}");
    assert!(asked[1].contains("nextToken=p2"), "{asked:?}");
}

#[tokio::test]
async fn a_page_that_fails_is_not_an_end() {
    let server = Server::new(vec![summaries(0..100, Some("p2")), eks_error(500, "ServerException", "Internal error")]);
    let failure = aws(&server.url).associations("c", &AssociationFilter::default()).await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot list associations of cluster `c`: Internal error");
}

#[tokio::test]
async fn a_missing_association_is_none_and_a_missing_cluster_is_not() {
    let gone = eks_error(404, "ResourceNotFoundException", "The association a-1 does not exist in cluster c");
    assert_eq!(aws(&Server::new(vec![gone]).url).association("c", "a-1").await, Ok(None));
    let no_cluster = eks_error(404, "ResourceNotFoundException", "No cluster found for name: c.");
    let server = Server::new(vec![no_cluster]);
    let failure = aws(&server.url).association("c", "a-1").await.unwrap_err();
    assert!(failure.has_code("ResourceNotFoundException") && failure.is(Kind::NotFound) && !failure.denied());
    assert!(aws(&server.url).addon("c", "eks-pod-identity-agent").await.is_err());
    assert_eq!(failure.hints[0], "list the clusters: `aws eks list-clusters`");
}

#[tokio::test]
async fn an_association_is_created_and_read() {
    let server = Server::new(vec![(200, ASSOCIATION.into())]);
    let new = NewAssociation {
        subject: carts(),
        spec: AssociationSpec {
            role_arn: "arn:aws:iam::111122223333:role/carts".into(),
            tags: BTreeMap::from([("k".into(), "v".into())]),
            ..AssociationSpec::default()
        },
    };
    let made = aws(&server.url).create_association("c", &new, "token-1").await.unwrap();
    assert_eq!(made.summary.association_id, "a-1");
    assert_eq!(made.created_at.unwrap().to_string(), "2026-11-23T12:34:56.25Z");
    assert_eq!(made.tags["k"], "v");
    let asked = &server.asked()[0];
    assert!(asked.starts_with("POST /clusters/c/pod-identity-associations {"), "{asked}");
    assert!(asked.contains(r#""clientRequestToken":"token-1""#) && !asked.contains("disableSessionTags"), "{asked}");
}

#[tokio::test]
async fn an_update_sends_only_what_changes() {
    let server = Server::new(vec![(200, ASSOCIATION.into())]);
    let change = AssociationChange { disable_session_tags: Some(true), ..AssociationChange::default() };
    aws(&server.url).update_association("c", "a-1", &change, "t").await.unwrap();
    assert_eq!(
        server.asked(),
        [r#"POST /clusters/c/pod-identity-associations/a-1 {"clientRequestToken":"t","disableSessionTags":true}"#]
    );
}

#[tokio::test]
async fn a_role_is_read_and_decoded() {
    let document = "%7B%22Version%22%3A%222012-10-17%22%7D";
    let role = format!(
        "<Role><Path>/podid/</Path><RoleName>carts</RoleName><RoleId>AROA</RoleId>\
         <Arn>arn:aws:iam::111122223333:role/podid/carts</Arn><CreateDate>2026-11-23T12:34:56Z</CreateDate>\
         <AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument>\
         <Tags><member><Key>podid.dev/managed-by</Key><Value>podid</Value></member></Tags></Role>"
    );
    let get = format!("<GetRoleResponse><GetRoleResult>{role}</GetRoleResult></GetRoleResponse>");
    let create = format!("<CreateRoleResponse><CreateRoleResult>{role}</CreateRoleResult></CreateRoleResponse>");
    let server = Server::new(vec![(200, get), (200, create)]);
    let aws = aws(&server.url);
    let read = aws.role("carts").await.unwrap().unwrap();
    assert_eq!(read.trust.0["Version"], "2012-10-17");
    assert_eq!((read.path.as_str(), read.tags["podid.dev/managed-by"].as_str()), ("/podid/", "podid"));
    let new = NewRole {
        name: "carts".into(),
        path: "/podid/".into(),
        arn: read.arn.clone(),
        trust: Document(serde_json::json!({"Version": "2012-10-17"})),
        tags: BTreeMap::new(),
        permissions_boundary: None,
        description: "for carts".into(),
    };
    assert_eq!(aws.create_role(&new).await.unwrap(), read);
    assert!(server.asked()[1].contains("AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%7D"));
}

#[tokio::test]
async fn a_missing_role_is_nothing() {
    let server = Server::new(vec![iam_error(404, "NoSuchEntity", "The role with name x cannot be found.")]);
    let aws = aws(&server.url);
    assert_eq!(aws.role("x").await, Ok(None));
    assert_eq!(aws.attached_policies("x").await, Ok(vec![]));
    assert_eq!(aws.inline_policies("x").await, Ok(vec![]));
    assert_eq!(aws.inline_policy("x", "p").await, Ok(None));
    assert!(aws.attach_policy("x", "arn:aws:iam::aws:policy/p").await.is_err());
}

#[tokio::test]
async fn a_denial_names_permission_request_and_operation() {
    let text =
        "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: iam:GetRole on resource: role carts";
    let server = Server::new(vec![iam_error(403, "AccessDenied", text)]);
    let failure = aws(&server.url).role("carts").await.unwrap_err();
    assert!(failure.denied());
    assert_eq!(failure.message, "cannot read role `carts`");
    assert_eq!(failure.causes, [text, "the caller lacks the permission `iam:GetRole`"]);
    let service = failure.service.unwrap();
    assert_eq!((service.service, service.operation.as_str(), service.status), ("IAM", "GetRole", Some(403)));
    assert_eq!(service.request_id.as_deref(), Some("req-0"));
}

#[tokio::test]
async fn expired_credentials_name_the_profile() {
    let server = Server::new(vec![eks_error(403, "ExpiredTokenException", "The security token included is expired")]);
    let failure = aws(&server.url).clusters().await.unwrap_err();
    assert!(failure.denied());
    assert_eq!(failure.hints[0], "sign in again: `aws sso login --profile dev`");
}

#[tokio::test]
async fn a_wrong_signature_does_not_repeat_the_headers() {
    let text =
        "The request signature we calculated does not match. The Canonical String was x-amz-security-token:SECRET";
    let server = Server::new(vec![eks_error(403, "InvalidSignatureException", text)]);
    let failure = aws(&server.url).clusters().await.unwrap_err();
    assert!(failure.denied());
    assert!(!format!("{failure:?}").contains("SECRET"));
}

#[tokio::test]
async fn throttling_is_said() {
    let server = Server::new(vec![eks_error(429, "ThrottlingException", "Rate exceeded")]);
    let failure = aws(&server.url).clusters().await.unwrap_err();
    assert_eq!(failure.code, Code::Failed);
    assert!(failure.to_string().contains("Rate exceeded: throttled"), "{failure}");
}

#[tokio::test]
async fn what_is_no_answer_of_aws_is_told_so() {
    let html = (503, "<html>gateway</html>".to_owned());
    let server = Server::new(vec![html]);
    let failure = aws(&server.url).clusters().await.unwrap_err();
    assert_eq!(failure.code, Code::Failed);
    assert!(failure.to_string().contains("answered HTTP 503"), "{failure}");
}

#[tokio::test]
async fn no_connection_names_the_endpoint_and_no_password() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = aws(&format!("http://user:hidden@{unused}")).clusters().await.unwrap_err();
    let text = format!("cannot list clusters: cannot reach EKS at http://{unused}: the connection was refused");
    assert_eq!((failure.code, failure.to_string()), (Code::Failed, text));
    let failure = aws("http://podid.invalid").clusters().await.unwrap_err();
    let text = "cannot list clusters: cannot reach EKS at http://podid.invalid: its name cannot be resolved";
    assert_eq!(failure.to_string(), text);
}

#[tokio::test]
async fn silence_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let failure = aws(&url).caller().await.unwrap_err();
    let text = format!("cannot determine the caller's identity: no response from STS at {url} in time");
    assert_eq!((failure.code, failure.to_string()), (Code::TimedOut, text));
}

#[tokio::test]
async fn a_token_is_kept() {
    let token = aws("http://unused.invalid").token("eks-workshop", "us-west-2");
    let first = token.token().await.unwrap();
    assert!(first.starts_with("k8s-aws-v1."));
    assert_eq!(token.clone().token().await.unwrap(), first);
    assert!(!format!("{token:?}").contains("k8s-aws-v1"));
}

/// Says the outcome of one call as the real environment has it; run by the tests below in a process of its own.
#[tokio::test]
#[ignore = "run by other tests, with an environment of their own"]
async fn child() {
    let profile = std::env::var("PODID_TEST_PROFILE").ok();
    let aws = Aws::new(Settings { profile, ..Settings::default() });
    let told = |failure: Failure| format!("{:?}: {failure} -- {:?}", failure.code, failure.hints);
    print!("<<{:?}|", aws.region().await.unwrap_or_else(|failure| Some(told(failure))));
    match aws.clusters().await {
        Ok(names) => print!("{names:?}|"),
        Err(failure) => print!("{}|", told(failure)),
    }
    match aws.role("carts").await {
        Ok(role) => print!("{role:?}>>"),
        Err(failure) => print!("{}>>", told(failure)),
    }
}

/// What `child` says in this environment, with `config` as the AWS configuration file.
fn child_says(config: &str, env: &[(&str, &str)]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "aws::tests::child"])
        .env_clear()
        .env("AWS_CONFIG_FILE", file.path())
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_once("<<").and_then(|(_, rest)| rest.split_once(">>")).unwrap_or_else(|| panic!("{text}")).0.to_owned()
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[test]
fn each_service_takes_its_endpoint_from_the_environment() {
    let eks = Server::new(vec![(200, r#"{"clusters":["from-eks"]}"#.into())]);
    let iam = Server::new(vec![iam_error(404, "NoSuchEntity", "no such role")]);
    let mut env = vec![("AWS_ENDPOINT_URL", iam.url.as_str()), ("AWS_ENDPOINT_URL_EKS", eks.url.as_str())];
    env.extend([("AWS_REGION", "eu-west-1"), KEYS[0], KEYS[1]]);
    assert_eq!(child_says("", &env), r#"Some("eu-west-1")|["from-eks"]|None"#);
    assert_eq!((eks.asked().len(), iam.asked().len()), (1, 1));
}

#[test]
fn a_proxy_of_the_environment_is_used_and_can_be_avoided() {
    let proxy = Server::new(vec![(200, r#"{"clusters":["through-proxy"]}"#.into())]);
    let mut env = vec![("AWS_ENDPOINT_URL", "http://eks.invalid"), ("HTTP_PROXY", proxy.url.as_str())];
    env.extend([("AWS_REGION", "eu-west-1"), ("AWS_MAX_ATTEMPTS", "1"), KEYS[0], KEYS[1]]);
    assert!(child_says("", &env).contains("through-proxy"));
    env.push(("NO_PROXY", "eks.invalid"));
    let said = child_says("", &env);
    assert!(said.contains("its name cannot be resolved"), "{said}");
}

#[test]
fn without_credentials_the_ways_to_get_some_are_named() {
    let said = child_says("[default]\nregion = eu-north-1\n", &[]);
    assert!(
        said.starts_with(r#"Some("eu-north-1")|Denied: cannot list clusters: no AWS credentials found -- "#),
        "{said}"
    );
    assert!(said.contains("`aws configure`") && said.contains("`AWS_PROFILE`"), "{said}");
}

#[test]
fn a_profile_named_by_flag_is_the_only_source() {
    let env = [("PODID_TEST_PROFILE", "typo"), ("AWS_REGION", "eu-west-1"), KEYS[0], KEYS[1]];
    let said = child_says("[profile dev]\nregion = eu-west-1\n", &env);
    assert!(said.contains("Denied: cannot list clusters: profile `typo` was not defined"), "{said}");
    assert!(said.contains("`aws configure list-profiles`"), "{said}");
}

#[test]
fn a_lapsed_sso_session_says_how_to_sign_in() {
    let config = "[profile dev]\nregion = eu-west-1\nsso_session = s\nsso_account_id = 111122223333\nsso_role_name = dev\n\
                  [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n";
    let home = tempfile::tempdir().unwrap();
    let env = [("AWS_PROFILE", "dev"), ("HOME", home.path().to_str().unwrap())];
    let said = child_says(config, &env);
    assert!(
        said.contains("Denied: cannot list clusters: cannot load the AWS credentials of profile `dev`: "),
        "{said}"
    );
    assert!(said.contains("`aws sso login --profile dev`"), "{said}");
}

#[test]
fn no_region_and_a_bad_setting_are_usage_errors() {
    let said = child_says("", &KEYS);
    assert!(said.starts_with("None|Usage: no AWS region specified"), "{said}");
    let said = child_says("[default]\nmax_attempts = 0\n", &[("AWS_REGION", "eu-west-1")]);
    assert!(said.contains("Usage: cannot read the AWS configuration: `AWS_MAX_ATTEMPTS`"), "{said}");
}
