//! The endpoint: who is answered, with what, and for how long.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::{Running, SESSION};
use crate::support::{Env, SOON};

#[test]
fn what_an_sdk_gets() {
    let running = Running::start(&Env::new("carts-verified"), &[]);
    let (status, head, body) = running.ask();
    assert_eq!(status, 200);
    assert!(head.contains("cache-control: no-store") && head.contains("content-type: application/json"), "{head}");
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"]);
    assert!(body["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{body}");
    assert!(body["Expiration"].as_str().unwrap().ends_with('Z'), "{body}");
    assert!(expires(&body) > Timestamp::now(), "{body}");
    assert_eq!(running.ask().2, body, "they last");
    // It is on loopback alone, and gone with the command.
    let host = running.host().to_owned();
    assert!(host.starts_with("127.0.0.1:"), "{host}");
    let port = host.rsplit_once(':').unwrap().1;
    assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err());
    let _ = running.end().code(0);
    assert!(TcpStream::connect(host).is_err());
}

#[test]
fn nobody_else_gets_them() {
    let running = Running::start(&Env::new("carts-verified"), &[]);
    let (host, token) = (running.host(), running.token());
    assert!(token.len() >= 40 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{token}");
    let port = host.rsplit_once(':').unwrap().1;
    let almost = format!("{}x", &token[..token.len() - 1]);
    for (line, host, token, status, code) in [
        ("GET /credentials", host, token, 200, ""),
        ("GET /credentials", host, almost.as_str(), 403, "InvalidToken"),
        ("GET /credentials", host, "", 403, "InvalidToken"),
        ("GET /", host, token, 404, "NotFound"),
        ("GET /credentials/x", host, token, 404, "NotFound"),
        ("GET /", host, "", 403, "InvalidToken"),
        ("POST /credentials", host, token, 405, "MethodNotAllowed"),
        ("GET /credentials", "evil.example", token, 403, "InvalidHost"),
        ("GET /credentials", &format!("localhost:{port}"), token, 403, "InvalidHost"),
        ("GET http://evil.example/credentials", host, token, 403, "InvalidHost"),
    ] {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: {token}\r\n") };
        let (found, _, body) = running.send(&format!("{line} HTTP/1.1\r\nHost: {host}\r\n{authorization}"));
        assert_eq!((found, body["Code"].as_str().unwrap_or_default()), (status, code), "{line} {host}");
        assert_eq!(body["Token"].is_string(), status == 200, "{line} {host}: {body}");
    }
    let _ = running.end().code(0);
}

fn expires(body: &Value) -> Timestamp {
    body["Expiration"].as_str().unwrap().parse().unwrap()
}

/// Asks until the answer is so.
fn until(running: &Running, so: impl Fn(u16, &Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let (status, _, body) = running.ask();
        if so(status, &body) {
            return body;
        }
        assert!(start.elapsed() < SOON, "{status} {body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Before they end there are others, again and again.
#[test]
fn renewed_for_as_long_as_the_command_runs() {
    let env = Env::with("carts-verified", &[("/session_s", json!(4))]);
    let running = Running::start(&env, &["-v"]);
    let mut body = running.ask().2;
    for _ in 0..2 {
        let next = until(&running, |status, next| {
            assert_eq!(status, 200, "{next}");
            // In whole seconds, so that the last of them has begun at the most.
            assert!(expires(next).as_second() >= Timestamp::now().as_second(), "{next}");
            next["AccessKeyId"] != body["AccessKeyId"]
        });
        assert!(expires(&next) > expires(&body), "{next}");
        body = next;
    }
    let run = running.end().code(0).says(&format!("renewed the credentials: CloudTrail shows the calls as {SESSION}"));
    assert!(!run.stderr.contains("cannot renew"), "{run}");
}

/// Nothing is hidden: while they last they are handed out, and then the reason is.
#[test]
fn what_cannot_be_renewed_is_told() {
    let env = Env::with("carts-verified", &[("/session_s", json!(12))]);
    let running = Running::start(&env, &[]);
    let (status, _, first) = running.ask();
    assert_eq!(status, 200);
    env.world.faults().add(Fault::always(
        "eks-auth",
        "AssumeRoleForPodIdentity",
        Action::error(400, "AccessDeniedException", "not for a test"),
    ));
    let refused = until(&running, |status, body| {
        assert!(status != 200 || body["AccessKeyId"] == first["AccessKeyId"], "{body}");
        status != 200
    });
    assert_eq!(refused["Code"], "CredentialsExpired");
    assert!(refused["Message"].as_str().unwrap().contains("not for a test"), "{refused}");
    env.world.faults().clear();
    until(&running, |status, _| status == 200);
    let run = running.end().code(0).says("cannot renew the credentials, trying again; they last until ");
    assert_eq!(run.stderr.matches("cannot renew").count(), 1, "{run}");
}

/// Another pod of the service account will do; CloudTrail tells them apart, so that podid does.
#[test]
fn renewed_with_another_pod() {
    let env = Env::with("carts-verified", &[("/session_s", json!(4))]);
    let running = Running::start(&env, &[]);
    let first = running.ask().2;
    let _ = env.podid("recycle carts/carts --yes").ok();
    until(&running, |status, body| status == 200 && body["AccessKeyId"] != first["AccessKeyId"]);
    let said = running.end().code(0);
    assert!(said.stderr.contains("renewed the credentials with pod carts-"), "{said}");
}
