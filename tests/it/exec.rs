//! `podid exec` and `podid credentials`: a command on this machine gets what a pod of the service account gets, and nothing else.

mod credentials;
mod endpoint;
mod process;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::{
    secrets::assert_silent,
    support::{Env, Run},
};

/// The role that the pods of carts act as.
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-";

/// A command that runs under podid until its input ends, and its environment.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    vars: BTreeMap<String, String>,
}

impl Running {
    fn start(env: &Env, flags: &[&str]) -> Self {
        let words = [&["exec", "carts/carts"], flags, &["--", "sh", "-c", "env; echo --; exec cat"]].concat();
        let mut child =
            env.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut vars = BTreeMap::new();
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 && line != "--\n" {
            let (name, value) = line.trim_end().split_once('=').unwrap();
            vars.insert(name.to_owned(), value.to_owned());
            line.clear();
        }
        Self { child, out, vars }
    }

    /// `127.0.0.1:PORT` of the endpoint.
    fn host(&self) -> &str {
        let url = &self.vars["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        url.strip_prefix("http://").unwrap().strip_suffix("/credentials").unwrap()
    }

    fn token(&self) -> &str {
        &self.vars["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    }

    /// Status, headers and body of the answer to a request as an SDK sends it.
    fn ask(&self) -> (u16, String, Value) {
        self.send(&format!("GET /credentials HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n", self.host(), self.token()))
    }

    fn send(&self, head: &str) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.host()).unwrap();
        write!(stream, "{head}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
    }

    /// Ends the command by the end of its input.
    fn end(mut self) -> Run {
        drop(self.child.stdin.take());
        let mut stdout = String::new();
        self.out.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Run { code, stdout, stderr }
    }
}

/// What the environment has of AWS, podid and proxies; what differs from run to run in brackets.
fn relevant(vars: &BTreeMap<String, String>) -> String {
    let of = |name: &str| {
        ["AWS_", "PODID_"].iter().any(|begin| name.starts_with(begin)) || name.to_lowercase().contains("proxy")
    };
    let shown = vars.iter().filter(|(name, _)| of(name)).map(|(name, value)| match name.as_str() {
        "AWS_ACCESS_KEY_ID" => format!("{name}={}[…]", &value[..4]),
        "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" | "AWS_CONTAINER_AUTHORIZATION_TOKEN" => {
            format!("{name}=[secret]")
        }
        "AWS_CREDENTIAL_EXPIRATION" => format!("{name}=[time]"),
        _ if value.starts_with("http://127.0.0.1:") => {
            let path = value.rsplit_once(':').unwrap().1.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{name}=http://127.0.0.1:[port]{path}")
        }
        // In the test's own folder.
        _ => match value.split_once("/.tmp") {
            Some((_, rest)) => format!("{name}=[home]/{}", rest.split_once('/').map_or("", |(_, file)| file)),
            None => format!("{name}={value}"),
        },
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// Everything that leads SDKs to credentials of this machine's user is there before.
fn dirty() -> Env {
    let mut env = Env::new("carts-verified");
    let home = env.home.path().display().to_string();
    let _ = env.file("own-config", "[default]\nregion = eu-west-1\n");
    for (name, value) in [
        ("AWS_CONFIG_FILE", format!("{home}/own-config")),
        ("AWS_SHARED_CREDENTIALS_FILE", format!("{home}/none")),
        ("AWS_PROFILE", "default".to_owned()),
        ("AWS_DEFAULT_PROFILE", "default".to_owned()),
        ("AWS_SDK_LOAD_CONFIG", "1".to_owned()),
        ("AWS_SECURITY_TOKEN", "0ldT0ken0fTheUser".to_owned()),
        ("AWS_ACCESS_KEY", "AKIAOLD0000000000000".to_owned()),
        ("AWS_SECRET_KEY", "0ldSecret0fTheUser000000".to_owned()),
        ("AWS_CREDENTIAL_EXPIRATION", "2001-01-01T00:00:00Z".to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/of-this-machine".to_owned()),
        ("AWS_ROLE_SESSION_NAME", "me".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", format!("{home}/token")),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/of-this-machine".to_owned()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", format!("{home}/token")),
        ("AWS_CA_BUNDLE", "/etc/own-ca.pem".to_owned()),
        ("HTTPS_PROXY", "http://127.0.0.1:9".to_owned()),
        ("NO_PROXY", "localhost,127.0.0.1,::1".to_owned()),
    ] {
        env.var(name, &value);
    }
    env
}

#[test]
fn the_environment_of_the_command() {
    let running = Running::start(&dirty(), &[]);
    insta::assert_snapshot!(relevant(&running.vars), @"
    AWS_CA_BUNDLE=/etc/own-ca.pem
    AWS_CONFIG_FILE=/dev/null
    AWS_CONTAINER_AUTHORIZATION_TOKEN=[secret]
    AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:[port]/credentials
    AWS_DEFAULT_REGION=us-west-2
    AWS_EC2_METADATA_DISABLED=true
    AWS_ENDPOINT_URL=http://127.0.0.1:[port]
    AWS_REGION=us-west-2
    AWS_SHARED_CREDENTIALS_FILE=/dev/null
    HTTPS_PROXY=http://127.0.0.1:[port]
    NO_PROXY=localhost,127.0.0.1,::1
    PODID_CLUSTER=eks-workshop
    PODID_EXEC=carts/carts
    no_proxy=localhost,127.0.0.1,::1
    ");
    let run = running
        .end()
        .code(0)
        .says("acting as carts/carts (pod carts-")
        .says(&format!("CloudTrail shows the calls as {SESSION}"));
    assert_eq!(run.stdout, "");
}

#[test]
fn the_environment_with_static_credentials() {
    let running = Running::start(&dirty(), &["--env"]);
    insta::assert_snapshot!(relevant(&running.vars), @"
    AWS_ACCESS_KEY_ID=ASIA[…]
    AWS_CA_BUNDLE=/etc/own-ca.pem
    AWS_CONFIG_FILE=[home]/own-config
    AWS_CREDENTIAL_EXPIRATION=[time]
    AWS_DEFAULT_REGION=us-west-2
    AWS_EC2_METADATA_DISABLED=true
    AWS_ENDPOINT_URL=http://127.0.0.1:[port]
    AWS_REGION=us-west-2
    AWS_SECRET_ACCESS_KEY=[secret]
    AWS_SESSION_TOKEN=[secret]
    AWS_SHARED_CREDENTIALS_FILE=[home]/none
    HTTPS_PROXY=http://127.0.0.1:[port]
    NO_PROXY=localhost,127.0.0.1,::1
    PODID_CLUSTER=eks-workshop
    PODID_EXEC=carts/carts
    ");
    let _ = running.end().code(0).says("and are not renewed");
}

/// In either way the command acts as the pod: here podid itself, by the AWS SDK.
#[test]
fn an_sdk_finds_them() {
    let env = Env::new("carts-verified");
    for how in [&["--"][..], &["--env", "--"]] {
        let words = [&["exec", "carts/carts"], how, &[crate::support::PODID, "role", "list"]].concat();
        let run = env.run(&words).code(4);
        let _ = run.says(&format!("User: {SESSION}")).says("is not authorized to perform: iam:ListRoles");
    }
}

/// Whichever way its pods are named.
#[test]
fn subjects() {
    let env = Env::new("carts-verified");
    for subject in ["deployment/carts -n carts", "carts/deployment/carts", "carts -n carts"] {
        let run = env.podid(&format!("exec {subject} -- true")).ok().says("acting as carts/carts (pod carts-");
        assert_eq!(run.stdout, "");
    }
    let _ = env.podid("exec pod/none -n carts -- true").code(1).says("pod/none does not exist in namespace `carts`");
    let _ = env.podid("exec carts/* -- true").code(2).says("a pattern is not accepted here");
}

#[test]
fn a_running_pod_is_needed() {
    let stopped = ("/manifests/8/spec/replicas", json!(0));
    insta::assert_snapshot!(Env::with("carts-verified", &[stopped]).podid("exec carts/carts -- true").code(2), @"
    exit 2
    --- stderr
    error: no pod of carts/carts is running
      caused by: credentials are issued for the token of a pod, and only a running pod gets one

    hint: scale up a workload that uses it: `kubectl scale KIND/NAME --replicas=1 -n carts`
    ");
    let _ = Env::new("carts-verified").podid("exec carts/carts -- true").ok();
    let gone = Env::new("carts-verified").podid("exec carts/cart -- true").code(2);
    let _ = gone.says("service account carts/cart does not exist").says("did you mean `carts/carts`?");
}

#[test]
fn what_keeps_credentials_away_is_told() {
    let none = ("/associations", json!([]));
    let env = Env::with("carts-associated", &[none]);
    insta::assert_snapshot!(env.podid("exec carts/carts -- true").code(1).steady(), @"
    exit 1
    --- stderr
    error: cannot get credentials from EKS Auth of cluster `eks-workshop`
      caused by: The token included in the request has no service account role association for it.
      request id: [uuid]

    hint: see what is wrong: `podid verify carts/carts`
    ");
    let env = Env::with("carts-verified", &[crate::support::forbidding(&["create serviceaccounts/token"])]);
    insta::assert_snapshot!(env.podid("exec carts/carts -- true").code(4).steady(), @r#"
    exit 4
    --- stderr
    error: cannot get a token of service account `carts/carts`
      caused by: serviceaccounts "carts" is forbidden: User "arn:aws:iam::111122223333:user/workshop" cannot create resource "serviceaccounts/token" in API group "" in the namespace "carts"

    hint: print the Kubernetes roles that this needs: `podid iam-policy exec --rbac`
    "#);
    let env = Env::with("carts-verified", &[crate::support::denying("eks-auth:AssumeRoleForPodIdentity")]);
    insta::assert_snapshot!(env.podid("exec carts/carts -- true").code(4).steady(), @"
    exit 4
    --- stderr
    error: cannot get credentials from EKS Auth of cluster `eks-workshop`
      caused by: User: arn:aws:iam::111122223333:user/workshop is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in an identity-based policy
      caused by: a policy denies `eks-auth:AssumeRoleForPodIdentity` to the caller, whatever else allows it
      request id: [uuid]

    hint: ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`
    ");
}

#[test]
fn asked_on_a_terminal() {
    let env = Env::new("carts-verified");
    let words = ["exec", "carts/carts", "--", "echo", "it", "ran"];
    let run = env.tty(80, &words, "y\n").ok().says("it ran");
    assert!(run.stdout.contains("Run `echo` as carts/carts (pod carts-") && run.stdout.contains("[y/N]"), "{run}");
    env.world.journal().clear();
    let run = env.tty(80, &words, "n\n").code(2).says("not confirmed; the command was not run");
    assert!(!run.stdout.contains("it ran") && !env.operations().iter().any(|it| it.contains("Assume")), "{run}");
    assert!(!env.operations().iter().any(|it| it.contains("token")), "{:?}", env.operations());
    let run = env.tty(80, &["exec", "carts/carts", "--yes", "--", "echo", "it", "ran"], "").ok().says("it ran");
    assert!(!run.stdout.contains("[y/N]"), "{run}");
}

#[test]
fn not_within_itself() {
    let mut env = Env::new("carts-verified");
    let nested = [crate::support::PODID, "exec", "carts/carts", "--", "true"];
    let run = env.run(&[&["exec", "carts/carts", "--"][..], &nested].concat()).code(2);
    let _ = run.says("already running under `podid exec`, as carts/carts (`PODID_EXEC` is set)");
    env.world.journal().clear();
    env.var("PODID_EXEC", "carts/carts");
    for line in ["exec carts/carts -- true", "credentials carts/carts"] {
        let _ = env.podid(line).code(2).says("already running under `podid exec`");
    }
    assert_eq!(env.operations(), [""; 0]);
}

/// Keys and tokens are in the command's environment, or at the endpoint; never where others of this machine see them.
#[test]
fn nothing_secret_is_seen() {
    let env = Env::new("carts-verified");
    for flags in [&["-vvv"][..], &["-vvv", "--env"]] {
        let running = Running::start(&env, flags);
        let names = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
        let mut secrets: Vec<String> = names.iter().filter_map(|name| running.vars.get(*name).cloned()).collect();
        if flags.len() == 1 {
            let (.., body) = running.ask();
            secrets.extend(["SecretAccessKey", "Token"].map(|name| body[name].as_str().unwrap().to_owned()));
        }
        let listed = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("podid"), "{listed}");
        assert!(secrets.len() >= 2 && !secrets.iter().any(|secret| listed.contains(secret)), "{listed}");
        let run = running.end().code(0).says("DEBUG");
        let planted: Vec<&str> = secrets.iter().map(String::as_str).collect();
        assert_silent(&run, &planted);
    }
}
