//! Tests of the AWS side: over HTTP with requests signed here, and of what only this world's agents and webhooks see.

mod evaluation;
mod life;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    policy::{Fact, Facts, Speaking, Why, fact, trust_allows_role, trust_allows_service, trust_names_service},
    sigv4::{self, Claim, Signed},
    *,
};
use crate::{Sandbox, kube::Claims};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const POD: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#;

/// Sends a request signed with these keys; the answer's status and body.
fn send(sandbox: &Sandbox, keys: (&str, &str), service: &str, method: &str, target: &str, body: &str) -> (u16, String) {
    let host = sandbox.aws_url().trim_start_matches("http://").to_owned();
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut claim = Claim {
        access_key_id: keys.0.to_owned(),
        date: time[..8].to_owned(),
        region: "us-west-2".to_owned(),
        service: service.to_owned(),
        signed_headers: vec!["host".to_owned(), "x-amz-date".to_owned()],
        signature: String::new(),
        time: time.clone(),
        expires: None,
        security_token: None,
    };
    let header = |name: &str| Some(if name == "host" { host.clone() } else { time.clone() });
    let signed = Signed { method, path, query, header: &header, payload_hash: hex::encode(Sha256::digest(body)) };
    claim.signature = sigv4::signature(&claim, keys.1, &signed).unwrap();
    let kind = if matches!(service, "iam" | "sts") { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut stream = TcpStream::connect(&host).unwrap();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nx-amz-date: {time}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={}/{}/us-west-2/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}\r\n\r\n{body}",
        body.len(),
        keys.0,
        claim.date,
        claim.signature
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn call(sandbox: &Sandbox, service: &str, method: &str, target: &str, body: &str) -> (u16, String) {
    send(sandbox, (KEY, SECRET), service, method, target, body)
}

fn iam(sandbox: &Sandbox, parameters: &[(&str, &str)]) -> (u16, String) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters).append_pair("Version", "2010-05-08");
    call(sandbox, "iam", "POST", "/", &form.finish())
}

fn start(set: &[(&str, Value)]) -> Sandbox {
    Sandbox::start(Scenario::with("carts-before", set).unwrap()).unwrap()
}

/// A world without servers, with a role that trusts as `trust` says and an association of carts/carts with it.
fn world(trust: impl Into<Value>, set: &[(&str, Value)]) -> Aws {
    let role = json!({"name": "carts", "trust": trust.into(), "inline": {"all": allow(json!("*"), json!("*"))}});
    let association =
        json!({"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/carts"});
    let mut all = vec![("/roles/-", role), ("/associations", json!([association]))];
    all.extend(set.iter().cloned());
    let scenario = Scenario::with("carts-before", &all).unwrap();
    Aws::new(&scenario, "https://127.0.0.1:1", "", Timestamp::now()).unwrap()
}

fn allow(action: impl Into<Value>, resource: impl Into<Value>) -> Value {
    let (action, resource): (Value, Value) = (action.into(), resource.into());
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
}

fn pod() -> Value {
    serde_json::from_str(POD).unwrap()
}

fn pod_trust(condition: Value) -> Value {
    let mut trust = pod();
    trust["Statement"][0]["Condition"] = condition;
    trust
}

fn claims() -> Claims {
    Claims {
        namespace: "carts".to_owned(),
        service_account: "carts".to_owned(),
        pod: Some(("carts-7d9f-x".to_owned(), "3f0c".to_owned())),
        audience: "pods.eks.amazonaws.com".to_owned(),
        expires: Timestamp::now(),
    }
}

fn assumed(aws: &mut Aws) -> Result<Session, String> {
    let answer = eks_auth::assume(aws, "eks-workshop", &claims(), Timestamp::now());
    answer.map(|(session, _)| session).map_err(|error| format!("{}: {}", error.code, error.message))
}

const UNAUTHORIZED: &str =
    "AccessDeniedException: Unauthorized Exception! EKS does not have permissions to assume the associated role.";

#[test]
fn signatures() {
    let sandbox = start(&[]);
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let (status, text) = call(&sandbox, "sts", "POST", "/", body);
    assert_eq!(status, 200);
    assert!(text.contains("<Arn>arn:aws:iam::111122223333:user/workshop</Arn>"), "{text}");
    let (status, text) = send(&sandbox, (KEY, "other"), "sts", "POST", "/", body);
    assert!(status == 403 && text.contains("<Code>SignatureDoesNotMatch</Code>"), "{text}");
    let (status, text) = send(&sandbox, ("AKIAX", SECRET), "iam", "POST", "/", "Action=ListRoles&Version=2010-05-08");
    assert!(status == 403 && text.contains("<Code>InvalidClientTokenId</Code>"), "{text}");
    let (status, text) = send(&sandbox, ("AKIAX", SECRET), "eks", "GET", "/clusters", "");
    assert_eq!(
        (status, text.as_str()),
        (403, r#"{"message":"The security token included in the request is invalid."}"#)
    );
    assert_eq!(sandbox.journal().count("eks", "ListClusters"), 1);
    assert_eq!(
        call(
            &sandbox,
            "eks",
            "GET",
            "/tags/arn%3Aaws%3Aeks%3Aus-west-2%3A111122223333%3Acluster%2Feks-workshop?x=a%20b",
            ""
        )
        .0,
        200
    );
}

#[test]
fn callers_may_do_what_their_policies_say() {
    let statements = json!([
        {"Effect": "Allow", "Action": "eks:CreatePodIdentityAssociation", "Resource": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop"},
        {"Effect": "Allow", "Action": ["iam:ListRoles", "iam:CreateRole"], "Resource": "arn:aws:iam::111122223333:role/*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}},
    ]);
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let sandbox = start(&[("/callers/0/policies", json!([policy])), ("/delays", json!({"iam": 0}))]);
    let denied = "User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: ";
    let (status, text) = call(&sandbox, "eks", "GET", "/clusters/eks-workshop", "");
    let cluster = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
    assert_eq!(status, 403);
    assert_eq!(text, json!({"message": format!("{denied}eks:DescribeCluster on resource: {cluster}")}).to_string());
    let (status, text) = iam(&sandbox, &[("Action", "GetRole"), ("RoleName", "x")]);
    let why = "iam:GetRole on resource: role x because no identity-based policy allows the iam:GetRole action";
    assert!(
        status == 403 && text.contains(&format!("<Code>AccessDenied</Code><Message>{denied}{why}</Message>")),
        "{text}"
    );
    assert_eq!(iam(&sandbox, &[("Action", "ListRoles")]).0, 200);
    let tagged = [
        ("Action", "CreateRole"),
        ("RoleName", "y"),
        ("AssumeRolePolicyDocument", POD),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "b"),
    ];
    let (status, text) = iam(&sandbox, &tagged);
    let why = "iam:TagRole on resource: arn:aws:iam::111122223333:role/y because no identity-based policy allows the iam:TagRole action";
    assert!(status == 403 && text.contains(&format!("{denied}{why}")), "{text}");
    assert_eq!(iam(&sandbox, &[("Action", "CreateRole"), ("RoleName", "x"), ("AssumeRolePolicyDocument", POD)]).0, 200);
    let role = "arn:aws:iam::111122223333:role/x";
    let body = json!({"namespace": "n", "serviceAccount": "s", "roleArn": role}).to_string();
    let (status, text) = call(&sandbox, "eks", "POST", "/clusters/eks-workshop/pod-identity-associations", &body);
    assert_eq!(
        (status, text),
        (403, json!({"message": format!("{denied}iam:PassRole on resource: {role}")}).to_string())
    );
    assert_eq!(sandbox.journal().writes(), ["iam CreateRole", "iam CreateRole", "eks CreatePodIdentityAssociation"]);
}

#[test]
fn an_eks_token_names_its_caller() {
    let scenario = Scenario::named("carts-before").unwrap();
    let world = World::new(scenario, "https://127.0.0.1:1".to_owned(), String::new()).unwrap();
    let token = |secret: &str, cluster: &str, host: &str, age: i64, expires: i64| {
        let time = (Timestamp::now() - SignedDuration::from_secs(age)).strftime("%Y%m%dT%H%M%SZ").to_string();
        let query = format!(
            "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F{}%2Fus-west-2%2Fsts%2Faws4_request&X-Amz-Date={time}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
            &time[..8]
        );
        let claim = sigv4::claim_of_query(&format!("{query}&X-Amz-Signature=")).unwrap();
        let header = |name: &str| Some(if name == "host" { host.to_owned() } else { cluster.to_owned() });
        let payload_hash = hex::encode(Sha256::digest(b""));
        let signed = Signed { method: "GET", path: "/", query: &query, header: &header, payload_hash };
        let signature = sigv4::signature(&claim, secret, &signed).unwrap();
        format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(format!("https://{host}/?{query}&X-Amz-Signature={signature}")))
    };
    let host = "sts.us-west-2.amazonaws.com";
    let named = |token: &str| caller_of_eks_token(&world, token).map(|caller| caller.arn.clone());
    assert_eq!(named(&token(SECRET, "eks-workshop", host, 0, 60)).unwrap(), "arn:aws:iam::111122223333:user/workshop");
    assert!(named(&token(SECRET, "eks-workshop", host, 800, 60)).is_some());
    assert!(named(&token(SECRET, "eks-workshop", host, 1000, 60)).is_none());
    assert!(named(&token(SECRET, "eks-workshop", host, 0, 900)).is_none());
    assert!(named(&token(SECRET, "other", host, 0, 60)).is_none());
    assert!(named(&token("other", "eks-workshop", host, 0, 60)).is_none());
    assert!(named(&token(SECRET, "eks-workshop", "sts.example.com", 0, 60)).is_none());
    assert!(named("k8s-aws-v1.x").is_none());
}
