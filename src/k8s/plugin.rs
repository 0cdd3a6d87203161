//! Credential plugins of a kubeconfig (`exec`): run as client-go runs them, but bounded in time and output, and ended with podid.
//!
//! A plugin is named by its command. Its other arguments, its environment and its stdout may hold secrets and are never shown; its
//! stderr is shown masked.

use std::{
    io::{ErrorKind, IsTerminal},
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

use super::error::{answered, deepest};
use crate::{
    failure::{Code, Failure, Result},
    output::mask,
    secrets,
};

/// How long a plugin may take, and how long when it may ask the user for something.
const LIMIT: Duration = Duration::from_mins(1);
const INTERACTIVE_LIMIT: Duration = Duration::from_mins(5);
/// How long its pipes are still read once it has ended: a process that it left behind may hold them open.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A credential is a few kilobytes.
const OUTPUT: usize = 1 << 20;
/// Of what it says on stderr this much is kept.
const SAID: usize = 64 << 10;
/// Lines of its stderr that are shown: the last ones tell.
const LINES: usize = 3;
/// Variables whose values help in a message and are no secrets.
const HARMLESS: [&str; 4] = ["AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"];

/// Whether plugins stay in podid's process group.
///
/// Told, not asked for: in a container whose session began outside of it, there is no number for the session that could be compared.
static WITH_PODIDS_GROUP: AtomicBool = AtomicBool::new(false);

/// From now on plugins stay in podid's process group, which the caller ends as a whole.
pub fn plugins_end_with_podids_group() {
    WITH_PODIDS_GROUP.store(true, Ordering::Relaxed);
}

/// What a plugin gave.
pub(super) struct Credential {
    pub(super) token: Option<SecretString>,
    pub(super) expires: Option<Timestamp>,
    /// Client certificate and key, as PEM.
    pub(super) certificate: Option<(String, SecretString)>,
}

/// A plugin of a kubeconfig user.
#[derive(Clone)]
pub(super) struct Plugin {
    exec: ExecConfig,
    /// The user, as messages name it.
    user: String,
}

impl Plugin {
    pub(super) fn new(exec: ExecConfig, user: String) -> Self {
        Self { exec, user }
    }

    /// The command, and of its arguments those of EKS's own plugins that are known to be harmless.
    pub(super) fn name(&self) -> String {
        name(&self.exec)
    }

    /// Runs it. Dropped, it is killed with all that it started.
    pub(super) async fn run(&self) -> Result<Credential> {
        self.credential().await.map_err(|failure| answered(failure, "log in to the cluster"))
    }

    async fn credential(&self) -> Result<Credential> {
        let interactive = self.interactive()?;
        let mut running = Running::start(&self.exec, interactive).map_err(|error| self.not_started(&error))?;
        let limit = if interactive { INTERACTIVE_LIMIT } else { LIMIT };
        let mut said = Said::default();
        let ended = timeout(limit, said.until_the_end(&mut running)).await;
        if said.too_much {
            let why = format!("it printed more than {} MiB, which is not a credential", OUTPUT >> 20);
            return Err(self.failed(&said, &why));
        }
        match ended {
            Err(_) => Err(self.failed(&said, &format!("it did not finish within {} seconds", limit.as_secs()))),
            Ok(Err(error)) => Err(self.failed(&said, &deepest(&error))),
            Ok(Ok(status)) if !status.success() => Err(self.failed(&said, &status.to_string())),
            Ok(Ok(_)) => parse(&said.out).ok_or_else(|| {
                self.failed(&said, "it did not print an ExecCredential with a token or a client certificate")
            }),
        }
    }

    /// Whether it may ask the user, as `interactiveMode` and the terminal allow.
    fn interactive(&self) -> Result<bool> {
        let terminal = std::io::stdin().is_terminal();
        match self.exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => Ok(false),
            Some(ExecInteractiveMode::Always) if !terminal => Err(self
                .failure()
                .because("it needs a terminal (`interactiveMode: Always`), and there is none")
                .hint("run podid on a terminal, or omit `--kubeconfig` and `--context`")),
            _ => Ok(terminal),
        }
    }

    fn failure(&self) -> Failure {
        Failure::new(Code::Denied, format!("credential plugin `{}` of {} failed", self.name(), self.user))
    }

    /// Why, then its own words.
    fn failed(&self, said: &Said, why: &str) -> Failure {
        let failure = self.failure().because(why);
        let failure = match self.last_words(&said.err) {
            Some(words) => failure.because(words),
            None => failure,
        };
        failure
            .hint(format!("check whether kubectl can log in with {}: `kubectl auth whoami`", self.user))
            .hint(OWN_WAY)
    }

    fn not_started(&self, error: &std::io::Error) -> Failure {
        let failure =
            Failure::new(Code::Denied, format!("cannot start credential plugin `{}` of {}", self.name(), self.user));
        let failure = match error.kind() {
            ErrorKind::NotFound => failure.because("the command was not found").hint(format!(
                "install `{}`, or correct the path in the kubeconfig",
                self.exec.command.as_deref().unwrap_or_default()
            )),
            _ => failure.because(deepest(error)),
        };
        let install = self.exec.install_hint.as_deref().and_then(|hint| self.last_words(hint.as_bytes()));
        install.into_iter().fold(failure, Failure::hint).hint(OWN_WAY)
    }

    /// The last lines, masked: what looks like a secret, and the values that the kubeconfig sets in the plugin's environment.
    fn last_words(&self, text: &[u8]) -> Option<String> {
        let mut text = String::from_utf8_lossy(text).into_owned();
        let pairs = self.exec.env.iter().flatten().filter_map(|pair| pair.get("name").zip(pair.get("value")));
        for (_, value) in pairs.filter(|(name, value)| !HARMLESS.contains(&name.as_str()) && !value.trim().is_empty()) {
            text = text.replace(value.as_str(), "***");
        }
        // As a whole: a private key is more than one line.
        let masked = mask::mask(&text);
        let lines: Vec<&str> = masked.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
        (!last.is_empty()).then(|| super::error::one_line(&last))
    }
}

/// What helps against every plugin that fails.
pub(super) const OWN_WAY: &str = "or omit `--kubeconfig` and `--context`: podid then signs in with the AWS credentials";

pub(super) fn name(exec: &ExecConfig) -> String {
    let command = exec.command.as_deref().unwrap_or_default();
    let args = exec.args.as_deref().unwrap_or_default();
    let has = |word: &str| args.iter().any(|arg| arg == word);
    if command.ends_with("aws") && has("eks") && has("get-token") {
        format!("{command} eks get-token")
    } else {
        command.to_owned()
    }
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// JSON, or YAML as client-go takes it too; what is neither has no words that could be shown.
fn parse(out: &[u8]) -> Option<Credential> {
    let text = std::str::from_utf8(out).ok()?;
    let read: ExecCredential = serde_json::from_str(text).ok().or_else(|| serde_yaml::from_str(text).ok())?;
    let status = read.status?;
    for secret in [&status.token, &status.client_key_data].into_iter().flatten() {
        secrets::hold(secret);
    }
    let token = status.token.filter(|token| !token.is_empty()).map(SecretString::from);
    let certificate = status.client_certificate_data.zip(status.client_key_data.map(SecretString::from));
    if token.is_none() && certificate.is_none() {
        return None;
    }
    let expires =
        status.expiration_timestamp.map(|text| text.parse().ok()).map_or(Some(None), |time| time.map(Some))?;
    Some(Credential { token, expires, certificate })
}

/// What a plugin printed.
#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
    too_much: bool,
}

impl Said {
    /// Reads its pipes until it has ended, or has printed too much.
    async fn until_the_end(&mut self, running: &mut Running) -> std::io::Result<ExitStatus> {
        let (mut out, mut err) = (running.child.stdout.take(), running.child.stderr.take());
        let status = loop {
            tokio::select! {
                more = read(&mut out) => self.printed(more, &mut out),
                more = read(&mut err) => self.complained(more, &mut err),
                status = running.child.wait() => break status?,
            }
            if self.too_much {
                return Err(ErrorKind::FileTooLarge.into());
            }
        };
        // What is still in the pipes.
        let rest = async {
            while (out.is_some() || err.is_some()) && !self.too_much {
                tokio::select! {
                    more = read(&mut out) => self.printed(more, &mut out),
                    more = read(&mut err) => self.complained(more, &mut err),
                }
            }
        };
        let _ = timeout(LAST_WORDS, rest).await;
        running.ended = true;
        Ok(status)
    }

    fn printed<R>(&mut self, more: Vec<u8>, from: &mut Option<R>) {
        if more.is_empty() {
            *from = None;
        }
        self.out.extend(more);
        self.too_much = self.out.len() > OUTPUT;
    }

    fn complained<R>(&mut self, more: Vec<u8>, from: &mut Option<R>) {
        if more.is_empty() {
            *from = None;
        }
        self.err.extend(more);
        // The end is what is shown.
        let over = self.err.len().saturating_sub(SAID);
        self.err.drain(..over);
    }
}

/// The next bytes; none at the end, and never from a pipe that is closed.
async fn read<R: AsyncRead + Unpin>(pipe: &mut Option<R>) -> Vec<u8> {
    let Some(pipe) = pipe else { return std::future::pending().await };
    let mut bytes = vec![0; 8 << 10];
    let read = pipe.read(&mut bytes).await.unwrap_or_default();
    bytes.truncate(read);
    bytes
}

/// A plugin at work. Dropped before it has ended, it is killed, with its process group.
struct Running {
    child: Child,
    group: bool,
    ended: bool,
}

impl Running {
    fn start(exec: &ExecConfig, interactive: bool) -> std::io::Result<Self> {
        let mut command = Command::new(exec.command.as_deref().unwrap_or_default());
        command.args(exec.args.iter().flatten()).stdout(Stdio::piped()).kill_on_drop(true);
        let pairs = exec.env.iter().flatten();
        command.envs(pairs.filter_map(|pair| pair.get("name").zip(pair.get("value"))));
        let mut spec = json!({ "interactive": interactive });
        if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info) {
            spec["cluster"] = serde_json::to_value(cluster)?;
        }
        let mut info = json!({ "kind": "ExecCredential", "spec": spec });
        if let Some(version) = &exec.api_version {
            info["apiVersion"] = json!(version);
        }
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        // One that may ask has the terminal to itself, as with kubectl.
        if interactive {
            command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            command.stdin(Stdio::null()).stderr(Stdio::piped());
        }
        let group = !interactive && own_group(&mut command);
        Ok(Self { child: command.spawn()?, group, ended: false })
    }
}

/// Makes the process lead a group of its own: what it started is ended with it. Not where podid ends its whole group itself.
#[cfg(unix)]
fn own_group(command: &mut Command) -> bool {
    let own = !WITH_PODIDS_GROUP.load(Ordering::Relaxed);
    if own {
        command.process_group(0);
    }
    own
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) -> bool {
    false
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        #[cfg(unix)]
        if self.group
            && let Some(leader) = self.child.id().and_then(|id| i32::try_from(id).ok())
            && let Some(leader) = rustix::process::Pid::from_raw(leader)
        {
            // What cannot be killed has ended.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn plugin(script: &str) -> Plugin {
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "args": ["-c", script],
            "env": [{"name": "VAULT", "value": "hunter22"}, {"name": "AWS_PROFILE", "value": "dev"}],
            "interactiveMode": "Never", "provideClusterInfo": false,
        });
        Plugin::new(serde_json::from_value(exec).unwrap(), "kubeconfig user `me`".to_owned())
    }

    const GIVES: &str = r#"echo '{"status": {"token": "abc", "expirationTimestamp": "2026-11-23T12:00:00Z"}}'"#;

    async fn fails(script: &str) -> Failure {
        plugin(script).run().await.err().unwrap()
    }

    #[tokio::test]
    async fn a_token_with_its_end() {
        let given = plugin(GIVES).run().await.unwrap();
        assert_eq!(given.token.unwrap().expose_secret(), "abc");
        assert_eq!(given.expires.unwrap().to_string(), "2026-11-23T12:00:00Z");
        let yaml = plugin("printf 'kind: ExecCredential\\nstatus:\\n  token: abc\\n'").run().await.unwrap();
        assert!(yaml.token.is_some() && yaml.expires.is_none() && yaml.certificate.is_none());
    }

    #[tokio::test]
    async fn what_is_no_credential() {
        for script in ["true", "echo '{}'", "echo k8s-aws-v1.c2VjcmV0", "echo '{\"status\": {\"token\": \"\"}}'"] {
            let failure = fails(script).await;
            assert!(failure.to_string().ends_with("with a token or a client certificate"), "{failure}");
            assert!(!failure.to_string().contains("c2VjcmV0"), "{failure}");
        }
    }

    #[tokio::test]
    async fn its_complaints_are_masked_and_its_environment_is_not_shown() {
        let failure =
            fails("echo $VAULT k8s-aws-v1.c2VjcmV0; echo \"no profile $AWS_PROFILE in $VAULT\" >&2; exit 7").await;
        let text = failure.to_string();
        assert_eq!(
            text,
            "credential plugin `/bin/sh` of kubeconfig user `me` failed: exit status: 7: no profile dev in ***"
        );
        assert!(failure.denied() && !failure.hints.iter().any(|hint| hint.contains("AWS_ENDPOINT_URL")), "{failure:?}");
    }

    #[tokio::test]
    async fn a_command_that_is_not_there() {
        let mut missing = plugin("");
        missing.exec.command = Some("/nonexistent/aws".to_owned());
        let failure = missing.run().await.err().unwrap();
        assert_eq!(
            failure.to_string(),
            "cannot start credential plugin `/nonexistent/aws` of kubeconfig user `me`: the command was not found"
        );
    }

    #[tokio::test]
    async fn more_output_than_any_credential_has() {
        let large = format!("head -c {} /dev/zero | tr '\\0' ' '; {GIVES}", OUTPUT / 2);
        assert!(plugin(&large).run().await.is_ok());
        let failure = fails("yes; true").await;
        assert!(failure.to_string().contains("more than 1 MiB"), "{failure}");
        // What it complains about is kept as far as it is shown, and does not stop it.
        assert!(plugin(&format!("yes | head -c 300000 >&2; {GIVES}")).run().await.is_ok());
    }

    /// A child that outlives its parent and holds the pipe does not hold podid.
    #[tokio::test]
    async fn what_is_left_behind_is_not_waited_for() {
        let given = timeout(Duration::from_secs(30), plugin(&format!("{GIVES}; tail -f /dev/null &")).run()).await;
        assert!(given.unwrap().is_ok());
    }

    #[test]
    fn names() {
        for (command, args, wanted) in [
            ("aws", vec!["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "shop"], "aws eks get-token"),
            ("kubelogin", vec!["get-token", "--client-secret=abc"], "kubelogin"),
        ] {
            let exec = serde_json::from_value(json!({ "command": command, "args": args })).unwrap();
            assert_eq!(name(&exec), wanted);
        }
    }
}
