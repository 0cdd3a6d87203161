//! `podid credentials`, and the AWS profiles that run it.

use jiff::Timestamp;

use super::SESSION;
use crate::support::{Env, PODID};

#[test]
fn as_credential_process_has_them() {
    let env = Env::new("carts-verified");
    let run = env.podid("credentials carts/carts").ok();
    assert_eq!(run.stderr, "", "some SDKs pass it on");
    let found = run.json();
    let fields: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"]);
    assert_eq!(found["Version"], 1);
    assert!(found["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{found}");
    assert!(found["Expiration"].as_str().unwrap().parse::<Timestamp>().unwrap() > Timestamp::now(), "{found}");
    let run = env.podid("credentials carts/carts -vvv").ok().says(&format!("CloudTrail shows the calls as {SESSION}"));
    let found = run.json();
    for field in ["SecretAccessKey", "SessionToken"] {
        assert!(!run.stderr.contains(found[field].as_str().unwrap()), "{run}");
    }
}

#[test]
fn not_on_a_terminal() {
    let env = Env::new("carts-verified");
    let run = env.tty(80, &["credentials", "carts/carts"], "").code(2);
    insta::assert_snapshot!(run, @"
    exit 2
    --- stdout
    error: credentials are not printed to a terminal
      caused by: anyone who can read the screen or its scrollback could use them

    hint: run a command with them: `podid exec NAMESPACE/SERVICE_ACCOUNT -- COMMAND`
    hint: or pass `--to-terminal`
    ");
    assert_eq!(env.operations(), [""; 0]);
    let _ = env.tty(80, &["credentials", "carts/carts", "--to-terminal"], "").ok().says("\"Version\": 1");
}

/// A profile that podid's own credentials come from, and one that podid serves.
fn profiles(line: &str) -> Env {
    let mut env = Env::new("carts-verified");
    let exports = env.world.exports();
    let of = |name: &str| exports.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap();
    let (id, secret) = (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"));
    let config = format!(
        "[profile dev]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\n[profile carts]\ncredential_process = {PODID} credentials carts/carts {line}\n"
    );
    let _ = env.file(".aws/config", &config);
    env.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    env
}

#[test]
fn a_profile_acts_as_the_pod() {
    let mut env = profiles("--profile dev");
    let _ = env.podid("role list --profile carts").code(4).says(&format!("User: {SESSION}"));
    env.var("AWS_PROFILE", "carts");
    let _ = env.podid("role list").code(4).says(&format!("User: {SESSION}"));
}

/// podid signs in with a profile that asks podid: it ends, and says how to part the two.
#[test]
fn a_profile_that_leads_to_itself() {
    for line in ["--profile carts", ""] {
        let mut env = profiles(line);
        env.var("AWS_PROFILE", "carts");
        let run = env.podid("credentials carts/carts").code(4);
        let _ = run.says("podid's own AWS credentials come from `podid credentials` too").says("add `--profile NAME`");
        assert!(env.operations().iter().all(|it| !it.contains("Assume")), "{:?}", env.operations());
    }
}

#[test]
fn what_it_cannot_give() {
    let env = Env::new("carts-verified");
    for (line, code, text) in [
        ("credentials carts/none", 2, "service account carts/none does not exist"),
        ("credentials carts/*", 2, "a pattern is not accepted here"),
        ("credentials carts/carts -c none", 1, "no cluster `none`"),
    ] {
        let run = env.podid(line).code(code).says(text);
        assert_eq!(run.stdout, "", "{run}");
    }
}
