//! AWS credentials: none, wrong, expired, by profile, by process; and none of them ever printed.

use std::os::unix::fs::PermissionsExt;

use podid_sandbox::faults::{Action, Fault};

use super::{WRITES, file, untouched, with};
use crate::{
    kill::{ASSOCIATE, ready},
    secrets::assert_silent,
    support::Env,
};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// No credentials and no endpoint in the environment.
const BARE: [(&str, Option<&str>); 5] = [
    ("AWS_ACCESS_KEY_ID", None),
    ("AWS_SECRET_ACCESS_KEY", None),
    ("AWS_ENDPOINT_URL", None),
    ("AWS_REGION", None),
    ("AWS_DEFAULT_REGION", None),
];

#[test]
fn no_credentials() {
    let env = ready(&[]);
    let run = with(&env, WRITES, &BARE[..2]).code(4).says("no AWS credentials found").says("--profile NAME");
    assert!(env.world.journal().calls().is_empty(), "{run}");
}

#[test]
fn a_wrong_secret() {
    let env = ready(&[]);
    let run = with(&env, WRITES, &[("AWS_SECRET_ACCESS_KEY", Some("wrong"))]).code(4).says("signature");
    untouched(&env, &run);
    let run = with(&env, WRITES, &[("AWS_ACCESS_KEY_ID", Some("AKIAAAAAAAAAAAAAAAAA"))]).code(4);
    untouched(&env, &run);
}

#[test]
fn an_expired_session() {
    let env = ready(&[]);
    let expired = Action::error(403, "ExpiredTokenException", "The security token included in the request is expired");
    env.world.faults().add(Fault::always("eks", "*", expired));
    let run = env.podid(WRITES).code(4).says("expired");
    untouched(&env, &run);
}

#[test]
fn a_profile() {
    let env = ready(&[]);
    let url = env.world.aws_url();
    let config = file(&env, "config", &format!("[profile shop]\nregion = us-west-2\nendpoint_url = {url}\n"));
    let keys =
        file(&env, "credentials", &format!("[shop]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    let mut vars = BARE.to_vec();
    vars.extend([("AWS_CONFIG_FILE", Some(config.as_str())), ("AWS_SHARED_CREDENTIALS_FILE", Some(keys.as_str()))]);
    let _ = with(&env, "list --profile shop", &vars).ok();
    let run = with(&env, "list --profile shpo", &[&vars[..], &[("AWS_REGION", Some("us-west-2"))]].concat());
    let _ = run.code(4).says("shpo");
    vars.push(("AWS_PROFILE", Some("shop")));
    let _ = with(&env, ASSOCIATE, &vars).ok();
}

#[test]
fn a_process() {
    let env = ready(&[]);
    let answer = format!(r#"{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":"{SECRET}"}}"#);
    let script = file(&env, "process", &format!("#!/bin/sh\necho ran >> \"$0.log\"\necho '{answer}'\n"));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = env.world.aws_url();
    let text = format!("[default]\nregion = us-west-2\nendpoint_url = {url}\ncredential_process = {script}\n");
    let config = file(&env, "config", &text);
    let mut vars = BARE.to_vec();
    vars.push(("AWS_CONFIG_FILE", Some(&config)));
    let run = with(&env, "show carts/carts -vv", &vars).ok();
    assert!(run.stdout.contains("Association:      none"), "{run}");
    // For AWS and for the token to Kubernetes, asked once.
    assert_eq!(std::fs::read_to_string(format!("{script}.log")).unwrap().lines().count(), 1, "{run}");
    assert_silent(&run, &[SECRET]);
    file(&env, "process", "#!/bin/sh\necho 'touch your key' >&2\nexit 1\n");
    let _ = with(&env, "list", &vars).code(4);
}

#[test]
fn no_secret_at_any_verbosity() {
    let env: Env = ready(&[]);
    for line in [ASSOCIATE, "list", "show carts/carts", "recycle carts/carts", "agent status"] {
        let run = env.podid(&format!("{line} -vv")).ok();
        assert!(run.stderr.contains("DEBUG"), "{run}");
        assert_silent(&run, &[SECRET]);
    }
    let token = "IQoJb3JpZ2luX2VjEXAMPLESESSIONTOKEN";
    let vars = [
        ("AWS_SESSION_TOKEN", Some(token)),
        ("AWS_SECRET_ACCESS_KEY", Some("aWrongSecretThatIsASecretAllTheSame12345")),
    ];
    let run = with(&env, "list -vvv", &vars);
    assert_ne!(run.code, 0);
    assert_silent(&run, &[SECRET, token, "aWrongSecretThatIsASecretAllTheSame12345"]);
}
