//! `podid policy lint`: files are checked without any call.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};

use crate::support::{Env, finish};

/// No cluster, no credentials: nothing is needed.
fn offline() -> Env {
    let mut env = Env::new("carts-before");
    env.unset("PODID_CLUSTER").unset("AWS_REGION").unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    env
}

fn policy(resource: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource},
    ]})
}

#[test]
fn errors_and_warnings_with_their_lines() {
    let env = offline();
    let file = env.file(
        "p.json",
        "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Sid\": \"Read orders-1\",\n      \"Effect\": \"Allow\",\n      \
         \"Action\": [\"s3:GetObjct\"],\n      \"Resource\": \"arn:aws:s3:::<BUCKET>/*\"\n    }\n  ]\n}\n",
    );
    let good = env.file("good.json", &policy("arn:aws:s3:::orders/*").to_string());
    insta::assert_snapshot!(env.podid(&format!("policy lint {file} {good}")).code(3).steady(), @"
    exit 3
    --- stdout
    [home]/p.json:5: error: statement 1 (Read orders-1): the Sid `Read orders-1` may have only letters and digits
    [home]/p.json:7: warning: statement 1 (Read orders-1): `s3:GetObjct` is not a known action; did you mean `s3:GetObject`?
    [home]/p.json:8: error: statement 1 (Read orders-1): `<BUCKET>` looks like a placeholder that was not replaced
    --- stderr
    2 files checked: 2 errors, 1 warning
    ");
    insta::assert_snapshot!(env.podid(&format!("policy lint {file} -o json")).code(3).steady(), @r#"
    exit 3
    --- stdout
    {
      "files": [
        {
          "file": "[home]/p.json",
          "note": null,
          "issues": [
            {
              "severity": "error",
              "line": 5,
              "statement": 1,
              "sid": "Read orders-1",
              "message": "the Sid `Read orders-1` may have only letters and digits"
            },
            {
              "severity": "warning",
              "line": 7,
              "statement": 1,
              "sid": "Read orders-1",
              "message": "`s3:GetObjct` is not a known action; did you mean `s3:GetObject`?"
            },
            {
              "severity": "error",
              "line": 8,
              "statement": 1,
              "sid": "Read orders-1",
              "message": "`<BUCKET>` looks like a placeholder that was not replaced"
            }
          ]
        }
      ]
    }
    --- stderr
    1 file checked: 2 errors, 1 warning
    "#);
    insta::assert_snapshot!(env.podid(&format!("policy lint {file} {good} -o name -q")).code(3).steady(), @"
    exit 3
    --- stdout
    [home]/p.json
    ");
    insta::assert_snapshot!(env.podid(&format!("policy lint {good}")).ok().steady(), @"
    exit 0
    --- stderr
    1 file checked: 0 errors, 0 warnings
    ");
    assert!(env.world.journal().calls().is_empty());
}

#[test]
fn warnings_are_errors_when_that_is_asked() {
    let env = offline();
    let wide = env.file("wide.json", &policy("*").to_string());
    let good = env.file("good.json", &policy("arn:aws:s3:::orders/*").to_string());
    let _ =
        env.podid(&format!("policy lint {wide}")).ok().says("warning: statement 1 (Read): applies to every resource");
    let _ = env.podid(&format!("policy lint {wide} --strict")).code(3);
    assert_eq!(
        env.podid(&format!("policy lint {wide} {good} --strict -o name -q")).code(3).stdout,
        format!("{wide}\n")
    );
    let _ = env.podid(&format!("policy lint {good} --strict")).ok();
}

#[test]
fn what_is_no_policy() {
    let env = offline();
    for (text, says) in [
        ("{", "p.json:1: error: not JSON: EOF while parsing an object (column 1)"),
        ("", "p.json:1: error: not JSON: EOF while parsing a value"),
        ("[]", "p.json:1: error: not a policy document: it has no Statement"),
    ] {
        let _ = env.podid(&format!("policy lint {}", env.file("p.json", text))).code(3).says(says);
    }
    let _ = env.podid("policy lint missing.json").code(2).says("FILE: cannot read `missing.json`");
    let _ = env.podid("policy lint").code(2);
}

#[test]
fn a_document_from_stdin_and_from_other_tools() {
    let env = offline();
    let run = |text: &Value| {
        let mut child = env
            .command(&["policy", "lint", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.to_string().as_bytes()).unwrap();
        finish(child)
    };
    let wrapped = json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy("orders")});
    insta::assert_snapshot!(run(&wrapped).code(3).steady(), @"
    exit 3
    --- stdout
    <stdin>:1: error: statement 1 (Read): resource `orders` is neither an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE) nor `*`
    --- stderr
    note: <stdin>: the policy document was read from `PolicyDocument`
    1 file checked: 1 error, 0 warnings
    ");
    insta::assert_snapshot!(run(&json!({"Policies": [{"Policy": policy("arn:*:s3:::*/*"), "PolicyType": "Identity"}]})).ok(), @"
    exit 0
    --- stderr
    note: <stdin>: the policy document was read from `Policies.0.Policy`
    1 file checked: 0 errors, 0 warnings
    ");
}

/// Text of others reaches the terminal escaped.
#[test]
fn hostile_texts() {
    let env = offline();
    let file = env.file("p.json", &policy("\u{1b}[31mred\n::error::x").to_string());
    let run = env.podid(&format!("policy lint {file}")).code(3);
    assert!(!run.stdout.contains('\u{1b}') && run.stdout.lines().all(|line| line.starts_with(&file)), "{run}");
}
