//! Tests of the AWS side: over HTTP with requests signed here, and of what only this world's agents and webhooks see.

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
fn world(trust: Value, set: &[(&str, Value)]) -> Aws {
    let role = json!({"name": "carts", "trust": trust, "inline": {"all": allow(json!("*"), json!("*"))}});
    let association =
        json!({"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/carts"});
    let mut all = vec![("/roles/-", role), ("/associations", json!([association]))];
    all.extend(set.iter().cloned());
    let scenario = Scenario::with("carts-before", &all).unwrap();
    Aws::new(&scenario, "https://127.0.0.1:1", "", Timestamp::now()).unwrap()
}

fn allow(action: Value, resource: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
}

fn pod_trust(condition: Value) -> Value {
    let mut trust: Value = serde_json::from_str(POD).unwrap();
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
    assert_eq!(iam(&sandbox, &[("Action", "CreateRole"), ("RoleName", "x"), ("AssumeRolePolicyDocument", POD)]).0, 200);
    let role = "arn:aws:iam::111122223333:role/x";
    let body = json!({"namespace": "n", "serviceAccount": "s", "roleArn": role}).to_string();
    let (status, text) = call(&sandbox, "eks", "POST", "/clusters/eks-workshop/pod-identity-associations", &body);
    assert_eq!(
        (status, text),
        (403, json!({"message": format!("{denied}iam:PassRole on resource: {role}")}).to_string())
    );
    assert_eq!(sandbox.journal().writes(), ["iam CreateRole", "eks CreatePodIdentityAssociation"]);
}

#[test]
fn associations_reach_each_api_server_in_its_time() {
    let sandbox = start(&[("/delays", json!({"iam": 100, "association": [1000, 3000]}))]);
    let create = || {
        let body =
            json!({"namespace": "carts", "serviceAccount": "carts", "roleArn": "arn:aws:iam::111122223333:role/x"});
        call(&sandbox, "eks", "POST", "/clusters/eks-workshop/pod-identity-associations", &body.to_string())
    };
    let injects = || {
        let now = sandbox.clock().now();
        sandbox.with(|state| [0, 1].map(|server| state.aws.injects(server, "carts", "carts", now)))
    };
    assert_eq!(iam(&sandbox, &[("Action", "CreateRole"), ("RoleName", "x"), ("AssumeRolePolicyDocument", POD)]).0, 200);
    assert!(create().1.contains("Role provided in the request does not exist"));
    sandbox.clock().advance(Duration::from_millis(100));
    let (status, text) = create();
    assert_eq!(status, 200, "{text}");
    let id: Value = serde_json::from_str(&text).unwrap();
    let id = id["association"]["associationId"].as_str().unwrap().to_owned();
    assert_eq!(create(), (409, json!({"message": format!("Association already exists: {id}")}).to_string()));
    assert_eq!(injects(), [false, false]);
    sandbox.clock().advance(Duration::from_millis(1000));
    assert_eq!(injects(), [true, false]);
    sandbox.clock().advance(Duration::from_millis(2000));
    assert_eq!(injects(), [true, true]);
    let target = format!("/clusters/eks-workshop/pod-identity-associations/{id}");
    assert_eq!(call(&sandbox, "eks", "DELETE", &target, "").0, 200);
    assert_eq!(injects(), [true, true]);
    sandbox.clock().advance(Duration::from_millis(1000));
    assert_eq!(injects(), [false, true]);
    sandbox.clock().advance(Duration::from_millis(2000));
    assert_eq!(injects(), [false, false]);
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

#[test]
fn the_trust_policy_decides_at_run_time() {
    let own = json!({"StringEquals": {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
        "aws:RequestTag/kubernetes-namespace": ["carts", "other"],
        "aws:RequestTag/kubernetes-service-account": "carts",
        "aws:SourceAccount": "111122223333",
    }, "ArnLike": {"aws:SourceArn": "arn:aws:eks:*:111122223333:cluster/*"}});
    let mut aws = world(pod_trust(own), &[]);
    let session = assumed(&mut aws).unwrap();
    assert!(
        session.arn.starts_with("arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-7d9f"),
        "{}",
        session.arn
    );
    assert_eq!(aws.limits[&session.arn].tags.len(), 6);
    for wrong in [
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "Carts"}}),
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "c*"}}),
        json!({"ArnEquals": {"aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*"}}),
        json!({"StringEquals": {"sts:ExternalId": "x"}}),
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    ] {
        assert_eq!(assumed(&mut world(pod_trust(wrong.clone()), &[])).unwrap_err(), UNAUTHORIZED, "{wrong}");
    }
    assert!(
        assumed(&mut world(pod_trust(json!({"StringLike": {"aws:RequestTag/kubernetes-namespace": "c*"}})), &[]))
            .is_ok()
    );
    let tags = json!({"Null": {"aws:RequestTag/kubernetes-namespace": "false"}});
    assert!(assumed(&mut world(pod_trust(tags.clone()), &[])).is_ok());
    let untagged = [("/associations/0/disable_session_tags", json!(true))];
    assert_eq!(assumed(&mut world(pod_trust(tags), &untagged)).unwrap_err(), UNAUTHORIZED);
    let mut aws = world(serde_json::from_str(POD).unwrap(), &untagged);
    let session = assumed(&mut aws).unwrap();
    assert!(aws.limits[&session.arn].tags.is_empty());
    let mut aws = world(serde_json::from_str(POD).unwrap(), &[("/associations", json!([]))]);
    let none =
        "ResourceNotFoundException: The token included in the request has no service account role association for it.";
    assert_eq!(assumed(&mut aws).unwrap_err(), none);
    let mut deleted = world(serde_json::from_str(POD).unwrap(), &[]);
    deleted.roles.clear();
    assert_eq!(assumed(&mut deleted).unwrap_err(), UNAUTHORIZED);
}

#[test]
fn a_target_role_takes_two_hops() {
    let first = "arn:aws:iam::111122223333:role/carts";
    let trusting = |principal: &str, condition: Value| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition}]});
    let target = |trust: Value| {
        let role = json!({"name": "target", "trust": trust});
        let set = [("/roles/-", role), ("/associations/0/target_role", json!("arn:aws:iam::111122223333:role/target"))];
        assumed(&mut world(serde_json::from_str(POD).unwrap(), &set)).map(|session| session.role)
    };
    assert_eq!(target(trusting(first, json!({}))).unwrap(), "arn:aws:iam::111122223333:role/target");
    let root = "arn:aws:iam::111122223333:root";
    let only = json!({"ArnEquals": {"aws:PrincipalArn": first}, "StringEquals": {"sts:ExternalId": "us-west-2/111122223333/eks-workshop/carts/carts"}});
    assert!(target(trusting(root, only)).is_ok());
    assert_eq!(target(trusting(root, json!({"StringEquals": {"sts:ExternalId": "x"}}))).unwrap_err(), UNAUTHORIZED);
    assert_eq!(target(trusting("arn:aws:iam::111122223333:role/other", json!({}))).unwrap_err(), UNAUTHORIZED);
}

#[test]
fn policies_are_read_as_aws_reads_them() {
    let who = "arn:aws:sts::111122223333:assumed-role/carts/eks-x";
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
    let index = format!("{table}/index/i");
    let ask =
        |speaking: &Speaking, action: &str, resource: &str, facts: &Facts| speaking.allow(who, action, resource, facts);
    let one = |document: Value| Speaking { identity: vec![document], ..Speaking::default() };
    let none = Facts::new();
    let on_table = one(allow(json!(["dynamodb:Query", "dynamodb:Get*"]), json!(table)));
    assert_eq!(ask(&on_table, "dynamodb:Query", table, &none), Ok(()));
    assert_eq!(ask(&on_table, "dynamodb:GetItem", table, &none), Ok(()));
    assert_eq!(ask(&on_table, "dynamodb:Query", &index, &none), Err(Why::NoIdentityPolicy));
    assert_eq!(ask(&on_table, "dynamodb:PutItem", table, &none), Err(Why::NoIdentityPolicy));
    let with_index = one(allow(json!("DynamoDB:query"), json!([table, format!("{table}/index/*")])));
    assert_eq!(ask(&with_index, "dynamodb:Query", &index, &none), Ok(()));
    assert_eq!(
        ask(&one(allow(json!("*"), json!("arn:aws:dynamodb:*:*:table/c?rts"))), "dynamodb:Query", table, &none),
        Ok(())
    );
    let tagged = one(allow(
        json!("dynamodb:*"),
        json!("arn:aws:dynamodb:us-west-2:111122223333:table/${aws:PrincipalTag/kubernetes-service-account}"),
    ));
    assert_eq!(
        ask(&tagged, "dynamodb:Query", table, &vec![fact("aws:PrincipalTag/kubernetes-service-account", "carts")]),
        Ok(())
    );
    assert_eq!(ask(&tagged, "dynamodb:Query", table, &none), Err(Why::NoIdentityPolicy));
    let mut deny = on_table.identity[0].clone();
    deny["Statement"][0]["Effect"] = json!("Deny");
    let denied = Speaking { identity: vec![allow(json!("*"), json!("*")), deny], ..Speaking::default() };
    assert_eq!(ask(&denied, "dynamodb:Query", table, &none), Err(Why::ExplicitDeny("an identity-based policy")));
    let read = || Some(allow(json!("dynamodb:GetItem"), json!("*")));
    let bounded = Speaking { boundary: read(), ..one(allow(json!("*"), json!("*"))) };
    assert_eq!(ask(&bounded, "dynamodb:Query", table, &none), Err(Why::NoBoundary));
    let session = Speaking { session: read(), ..one(allow(json!("*"), json!("*"))) };
    assert_eq!(ask(&session, "dynamodb:Query", table, &none), Err(Why::NoSessionPolicy));
    assert_eq!(ask(&session, "dynamodb:GetItem", table, &none), Ok(()));
    let not = json!({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}});
    assert_eq!(ask(&one(not), "dynamodb:Query", table, &none), Ok(()));
    // One statement that cannot be evaluated does not silence the others, and an absent key is not equal to anything.
    let mixed = json!({"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "nonsense"},
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestTag/a": "1"}}},
    ]});
    assert_eq!(ask(&one(mixed.clone()), "dynamodb:Query", table, &none), Ok(()));
    assert_eq!(
        ask(&one(mixed), "dynamodb:Query", table, &vec![fact("aws:RequestTag/a", "1")]),
        Err(Why::NoIdentityPolicy)
    );
    let keys = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}, "StringEqualsIfExists": {"aws:RequestTag/a": "1"}});
    let mut tagging = allow(json!("eks:TagResource"), json!("*"));
    tagging["Statement"][0]["Condition"] = keys;
    let tag_keys =
        |keys: &[&str]| vec![("aws:TagKeys".to_owned(), Fact::Many(keys.iter().map(ToString::to_string).collect()))];
    assert_eq!(ask(&one(tagging.clone()), "eks:TagResource", table, &tag_keys(&["a"])), Ok(()));
    assert_eq!(ask(&one(tagging), "eks:TagResource", table, &tag_keys(&["a", "c"])), Err(Why::NoIdentityPolicy));
}

#[test]
fn trust_policies_are_read_as_aws_reads_them() {
    let pods = "pods.eks.amazonaws.com";
    let none = Facts::new();
    let both =
        |trust: &Value| ["sts:AssumeRole", "sts:TagSession"].map(|action| trust_names_service(trust, pods, action));
    let pod: Value = serde_json::from_str(POD).unwrap();
    assert_eq!(both(&pod), [true, true]);
    assert_eq!(both(&pod_trust(json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "x"}}))), [true, true]);
    let with = |principal: Value, action: Value| json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": action}});
    assert_eq!(
        both(&with(json!({"Service": [pods, "ec2.amazonaws.com"], "AWS": "111122223333"}), json!("sts:*"))),
        [true, true]
    );
    assert_eq!(both(&with(json!({"Service": pods}), json!("sts:AssumeRole"))), [true, false]);
    assert_eq!(both(&with(json!({"Service": "ec2.amazonaws.com"}), json!("sts:*"))), [false, false]);
    assert_eq!(both(&with(json!({"AWS": "arn:aws:iam::111122223333:root"}), json!("sts:*"))), [false, false]);
    assert!(trust_allows_service(&pod, pods, "sts:TagSession", &none));
    let account = with(json!({"AWS": "111122223333"}), json!("sts:AssumeRole"));
    assert!(trust_allows_role(&account, "arn:aws:iam::111122223333:role/x", "sts:AssumeRole", &none));
    assert!(!trust_allows_role(&account, "arn:aws:iam::444455556666:role/x", "sts:AssumeRole", &none));
}

#[test]
fn documents_are_checked_as_iam_checks_them() {
    let aws = world(serde_json::from_str(POD).unwrap(), &[]);
    let trust = |document: &Value| {
        documents::check_trust(&aws, &[], &document.to_string()).map_err(|e| format!("{}: {}", e.code, e.message))
    };
    let pod: Value = serde_json::from_str(POD).unwrap();
    let with = |field: &str, value: Value| {
        let mut document = pod.clone();
        document["Statement"][0][field] = value;
        document
    };
    assert_eq!(trust(&pod), Ok(()));
    assert_eq!(trust(&with("Principal", json!({"AWS": "arn:aws:iam::111122223333:role/carts"}))), Ok(()));
    assert_eq!(trust(&with("Principal", json!({"AWS": "arn:aws:iam::999988887777:role/any"}))), Ok(()));
    let invalid = |kind: &str, id: &str| {
        Err(format!("MalformedPolicyDocument: Invalid principal in policy: \"{kind}\":\"{id}\""))
    };
    let gone = "arn:aws:iam::111122223333:role/gone";
    assert_eq!(trust(&with("Principal", json!({"AWS": gone}))), invalid("AWS", gone));
    let typo = "pods.eks.amazonaws.com.cn";
    assert_eq!(trust(&with("Principal", json!({"Service": typo}))), invalid("SERVICE", typo));
    assert!(trust(&with("Sid", json!("a-b"))).unwrap_err().contains("alpha-numeric"));
    assert!(trust(&with("Conditions", json!({}))).unwrap_err().contains("Syntax errors in policy."));
    let statement = &pod["Statement"][0];
    // 122 characters each, white space not counted.
    let many = |n: usize| json!({"Version": "2012-10-17", "Statement": vec![statement; n]});
    assert_eq!(trust(&many(16)), Ok(()));
    assert_eq!(trust(&many(18)), Err("LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048".to_owned()));
    let identity = |document: Value| documents::check_identity(&document.to_string()).map_err(|e| e.message);
    assert_eq!(identity(allow(json!("dynamodb:Query"), json!("arn:aws:dynamodb:*:*:table/x"))), Ok(()));
    assert!(identity(allow(json!("Query"), json!("*"))).unwrap_err().contains("must be prefaced by a vendor"));
    assert!(identity(allow(json!("s3:*"), json!("bucket"))).unwrap_err().contains("must be in ARN format"));
    assert!(identity(allow(json!("s3:*"), json!([]))).unwrap_err().contains("must contain resources"));
}
