//! Who podid is for the server of a kubeconfig: the context's user, read as client-go reads it, and what to do when it is refused.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use kube::config::AuthInfo;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::{
    credentials, in_cluster,
    kubeconfig::EksPlugin,
    plugin::{self, Credential, OWN_WAY, Plugin},
};
use crate::{
    failure::{Code, Failure, Result},
    ports::TokenSource,
};

/// A token file is read again this often, as client-go does.
const REREAD: Duration = Duration::from_mins(1);
/// A plugin's token is renewed this long before its end, and never sooner than this after the last time.
const BEFORE_ITS_END: SignedDuration = SignedDuration::from_secs(60);
const AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// Who is asked to be let in, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// The context's name.
    pub(super) context: String,
    /// The user's name, when the context has one.
    pub(super) name: Option<String>,
    pub(super) kind: Kind,
}

/// How a user signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is nothing to sign in with.
    Nothing,
    /// The server's URL is http: nothing is sent.
    PlainHttp,
    Password,
    Token,
    TokenFile(PathBuf),
    /// The token of the pod that podid runs in.
    Pod(PathBuf),
    Certificate,
    /// A plugin, by its name, and what it is told when it is one of EKS's.
    Plugin(String, Option<EksPlugin>),
}

impl User {
    /// The user of a context, by what is in its entry.
    pub(super) fn of(context: &str, name: Option<&str>, user: &AuthInfo, plain_http: bool) -> Self {
        let full = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let kind = if plain_http {
            Kind::PlainHttp
        } else if user.username.is_some() && user.password.is_some() {
            Kind::Password
        } else if inline_token(user).is_some() {
            Kind::Token
        } else if let Some(path) = user.token_file.as_ref().filter(|path| !path.is_empty()) {
            if name == Some(in_cluster::USER) { Kind::Pod(path.into()) } else { Kind::TokenFile(path.into()) }
        } else if let Some(exec) = &user.exec {
            Kind::Plugin(plugin::name(exec), EksPlugin::of(exec))
        } else if full(&user.client_certificate) || full(&user.client_certificate_data) {
            Kind::Certificate
        } else {
            Kind::Nothing
        };
        Self { context: context.to_owned(), name: name.map(str::to_owned), kind }
    }

    /// For messages.
    pub(super) fn named(&self) -> String {
        match &self.name {
            Some(name) if matches!(self.kind, Kind::Pod(_)) => name.clone(),
            Some(name) => format!("kubeconfig user `{name}`"),
            None => format!("kubeconfig context `{}`", self.context),
        }
    }

    /// Whether the server refused somebody without credentials, as this one is.
    pub(super) fn anonymous(&self, failure: &Failure) -> bool {
        matches!(self.kind, Kind::Nothing | Kind::PlainHttp) && failure.service_message().contains("system:anonymous")
    }

    /// A 401, told by whose credentials were refused. They are not those that podid has for AWS.
    pub(super) fn refused(&self, failure: Failure) -> Failure {
        let (cause, hints) = self.why_refused();
        let failure = Failure { causes: vec![cause], hints: Vec::new(), ..failure };
        let failure = hints.into_iter().fold(failure, Failure::hint);
        // Where its own pod is meant, no kubeconfig was.
        if matches!(self.kind, Kind::Pod(_)) { failure } else { failure.hint(OWN_WAY) }
    }

    fn why_refused(&self) -> (String, Vec<String>) {
        let (named, context) = (self.named(), &self.context);
        let name = self.name.as_deref().unwrap_or("NAME");
        match &self.kind {
            Kind::Nothing => (
                format!("{named} has no credentials"),
                vec![format!("select a user that has credentials: `kubectl config set-context {context} --user=NAME`")],
            ),
            Kind::PlainHttp => (
                format!("the server of kubeconfig context `{context}` is http: no credentials are sent to it"),
                vec!["use the https URL of the server in the kubeconfig".to_owned()],
            ),
            Kind::Password => (
                format!(
                    "the server rejected the password of {named}: Kubernetes has not accepted passwords since 1.19"
                ),
                vec![format!("set a token: `kubectl config set-credentials {name}` with `--token`")],
            ),
            Kind::Token => (
                format!("the server rejected the token of {named}: it is expired, revoked, or of another cluster"),
                vec![format!("set a valid one: `kubectl config set-credentials {name}` with `--token`")],
            ),
            Kind::TokenFile(path) | Kind::Pod(path) => {
                let path = path.display();
                let renew = match self.kind {
                    Kind::Pod(_) => "delete the pod that podid runs in, so that it gets a new token".to_owned(),
                    _ => {
                        format!("write a valid one: `kubectl create token SERVICE_ACCOUNT -n NAMESPACE > {path}`")
                    }
                };
                let cause = "it is expired, revoked, or of another cluster";
                (format!("the server rejected the token of {named} in `{path}`: {cause}"), vec![renew])
            }
            Kind::Certificate => (
                format!("the server rejected the client certificate of {named}: it is expired, or of another CA"),
                vec![format!(
                    "check its dates: `kubectl config view --raw --minify --context {context} -o \
                     'jsonpath={{.users[0].user.client-certificate-data}}' | base64 -d | openssl x509 -noout -dates`"
                )],
            ),
            Kind::Plugin(command, eks) => self.plugin_refused(command, eks.as_ref()),
        }
    }

    fn plugin_refused(&self, command: &str, eks: Option<&EksPlugin>) -> (String, Vec<String>) {
        let cause =
            format!("the server rejected the credentials from credential plugin `{command}` of {}", self.named());
        let Some(eks) = eks else {
            return (cause, vec![format!("check its identity: `kubectl auth whoami --context {}`", self.context)]);
        };
        let profile = eks.profile.as_ref().map_or(String::new(), |profile| format!(" --profile {profile}"));
        (
            format!("{cause}: its identity may have no access entry in cluster `{}`", eks.cluster),
            vec![
                format!("check whose it is: `aws sts get-caller-identity{profile}`"),
                format!(
                    "give it access: `aws eks create-access-entry --cluster-name {} --principal-arn ARN`, then \
                     associate an access policy",
                    eks.cluster
                ),
            ],
        )
    }
}

fn inline_token(user: &AuthInfo) -> Option<&SecretString> {
    user.token.as_ref().filter(|token| !token.expose_secret().is_empty())
}

/// A user with all that is sent for it: `auth_info` holds what kube itself handles, without anything that could be run.
pub(super) struct Login {
    pub(super) user: User,
    pub(super) auth_info: AuthInfo,
    pub(super) tokens: Option<Tokens>,
}

impl Login {
    /// Reads the token file or runs the plugin, once. `file` is where the user was found.
    pub(super) async fn new(user: User, mut info: AuthInfo, file: Option<&Path>) -> Result<Self> {
        if let Some(provider) = info.auth_provider.take().filter(|_| user.kind != Kind::PlainHttp) {
            return Err(legacy(&user, &provider.name));
        }
        let (token, exec) = (inline_token(&info).cloned(), info.exec.take());
        (info.token, info.token_file) = (None, None);
        let place = || file.map_or(String::new(), |file| format!(" in `{}`", file.display()));
        if user.kind != Kind::PlainHttp {
            info = credentials::with_certificate(info, &user.named()).await?;
        }
        let mut tokens = None;
        match &user.kind {
            Kind::PlainHttp => info = without_credentials(&info),
            Kind::Token => {
                if let Some(token) = token {
                    sendable(token.expose_secret(), || format!("the token of {}{}", user.named(), place()))?;
                    tokens = Some(Tokens::Fixed(token));
                }
            }
            Kind::TokenFile(path) | Kind::Pod(path) => {
                let token = read_token(path, &user).await?;
                tokens = Some(Tokens::File(path.clone(), user.clone(), Mutex::new((Instant::now(), token))));
            }
            Kind::Plugin(..) => {
                if let Some(exec) = exec {
                    let plugin = Plugin::new(exec, user.named());
                    let Credential { token, expires, certificate } = plugin.run().await?;
                    if let Some((certificate, key)) = certificate {
                        info.client_certificate_data = Some(STANDARD.encode(certificate));
                        info.client_key_data = Some(STANDARD.encode(key.expose_secret()).into());
                    }
                    if let Some(token) = token {
                        given(&plugin, &token, &user)?;
                        let held = Held { token, expires, since: Instant::now() };
                        tokens = Some(Tokens::Plugin(Box::new(plugin), user.clone(), Mutex::new(held)));
                    }
                }
            }
            Kind::Nothing | Kind::Password | Kind::Certificate => {}
        }
        Ok(Self { user, auth_info: info, tokens })
    }
}

/// Whom to act as is no credential.
fn without_credentials(info: &AuthInfo) -> AuthInfo {
    AuthInfo {
        impersonate: info.impersonate.clone(),
        impersonate_uid: info.impersonate_uid.clone(),
        impersonate_groups: info.impersonate_groups.clone(),
        impersonate_user_extra: info.impersonate_user_extra.clone(),
        ..AuthInfo::default()
    }
}

/// Kubernetes dropped these; some of them name a command to be run.
fn legacy(user: &User, provider: &str) -> Failure {
    let replacement = match provider {
        "gcp" => {
            "use the plugin that replaced it, `gke-gcloud-auth-plugin`: `gcloud container clusters get-credentials CLUSTER`"
        }
        "azure" => "use the plugin that replaced it: `kubelogin convert-kubeconfig`",
        "oidc" => "use a plugin for OpenID Connect: `kubectl oidc-login setup`",
        _ => "use a credential plugin (`exec`) in its place",
    };
    Failure::usage(format!("{} signs in with the legacy auth provider `{provider}`", user.named()))
        .because("podid does not run or use `auth-provider` entries; credential plugins (`exec`) replaced them")
        .hint(replacement)
        .hint(OWN_WAY)
}

/// Where the tokens of a kubeconfig user come from.
pub(super) enum Tokens {
    Fixed(SecretString),
    File(PathBuf, User, Mutex<(Instant, SecretString)>),
    Plugin(Box<Plugin>, User, Mutex<Held>),
}

/// What a plugin gave last.
pub(super) struct Held {
    token: SecretString,
    expires: Option<Timestamp>,
    since: Instant,
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<String> {
        match self {
            Self::Fixed(token) => Ok(token.expose_secret().to_owned()),
            Self::File(path, user, held) => {
                let mut held = held.lock().await;
                if held.0.elapsed() > REREAD {
                    held.0 = Instant::now();
                    // One that is gone meanwhile leaves the last one in use, as with client-go.
                    if path.exists() {
                        held.1 = read_token(path, user).await?;
                    }
                }
                Ok(held.1.expose_secret().to_owned())
            }
            Self::Plugin(plugin, user, held) => {
                // Whoever comes meanwhile waits for the same run.
                let mut held = held.lock().await;
                let ending = held.expires.is_some_and(|end| Timestamp::now() + BEFORE_ITS_END >= end);
                if ending && held.since.elapsed() > AT_MOST_EVERY {
                    let Credential { token, expires, .. } = plugin.run().await?;
                    if let Some(token) = token {
                        given(plugin, &token, user)?;
                        *held = Held { token, expires, since: Instant::now() };
                    }
                }
                Ok(held.token.expose_secret().to_owned())
            }
        }
    }
}

async fn read_token(path: &Path, user: &User) -> Result<SecretString> {
    let token = credentials::token(path, &user.named()).await?;
    sendable(token.expose_secret(), || format!("the token file `{}` of {}", path.display(), user.named()))?;
    Ok(token)
}

fn given(plugin: &Plugin, token: &SecretString, user: &User) -> Result<()> {
    let what = || format!("the token from credential plugin `{}` of {}", plugin.name(), user.named());
    sendable(token.expose_secret(), what).map_err(|failure| Failure { code: Code::Denied, ..failure })
}

/// Whether an HTTP header can hold the token; never shows any of it.
fn sendable(token: &str, what: impl Fn() -> String) -> Result<()> {
    let Some(at) = token.bytes().position(|byte| !(b' '..=b'~').contains(&byte)) else { return Ok(()) };
    let found = match token.as_bytes()[at] {
        b'\r' | b'\n' => "a line break",
        0..=31 | 127 => "a control character",
        _ => "a character that is not ASCII",
    };
    Err(Failure::usage(format!("cannot use {}", what()))
        .because(format!("it has {found} at position {}, which is not allowed in an HTTP header", at + 1))
        .hint("correct it in the kubeconfig or file, or create a new token")
        .hint(OWN_WAY))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn info(user: &Value) -> AuthInfo {
        serde_json::from_value(user.clone()).unwrap()
    }

    fn user(user: &Value, http: bool) -> User {
        User::of("ctx", Some("me"), &info(user), http)
    }

    async fn login(entry: Value) -> Result<Login> {
        Login::new(user(&entry, false), info(&entry), Some(Path::new("/k/config"))).await
    }

    async fn token(entry: Value) -> String {
        login(entry).await.unwrap().tokens.unwrap().token().await.unwrap()
    }

    #[tokio::test]
    async fn tokens_that_no_header_can_hold() {
        assert_eq!(token(json!({"token": "abc"})).await, "abc");
        let failure = login(json!({"token": "abc\r\nX-Evil: 1"})).await.err().unwrap();
        assert_eq!(
            failure.to_string(),
            "cannot use the token of kubeconfig user `me` in `/k/config`: it has a line break at position 4, which is \
             not allowed in an HTTP header"
        );
        for (bad, found) in [("a\0b", "control"), ("a\u{7f}", "control"), ("für", "not ASCII"), ("a\n", "line break")]
        {
            let failure = login(json!({"token": bad})).await.err().unwrap();
            assert!(failure.to_string().contains(found) && !failure.to_string().contains("für"), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_token_file_may_end_in_a_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = json!({"tokenFile": file.path()});
        std::fs::write(file.path(), " abc\r\n\n").unwrap();
        assert_eq!(token(entry.clone()).await, "abc");
        for (bad, wanted) in [("a\nb", "line break"), ("\n", "is empty")] {
            std::fs::write(file.path(), bad).unwrap();
            let failure = login(entry.clone()).await.err().unwrap().to_string();
            assert!(failure.contains(wanted) && failure.contains(&file.path().display().to_string()), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_plugins_token_is_looked_at_too() {
        let plugin = |token: &str| {
            let print = format!("echo '{}'", json!({"status": {"token": token}}));
            json!({"exec": {"command": "/bin/sh", "args": ["-c", print], "interactiveMode": "Never"}})
        };
        assert_eq!(token(plugin("abc")).await, "abc");
        let failure = login(plugin("a\u{1}b")).await.err().unwrap();
        assert!(failure.denied() && failure.to_string().contains("`/bin/sh`"), "{failure}");
    }

    #[tokio::test]
    async fn a_plugin_is_run_once_and_again_when_its_token_ends() {
        let runs = tempfile::NamedTempFile::new().unwrap();
        let (path, end) = (runs.path().display(), "2020-01-01T00:00:00Z");
        let print =
            format!("echo ran >> {path}; echo '{}'", json!({"status": {"token": "abc", "expirationTimestamp": end}}));
        let entry = json!({"exec": {"command": "/bin/sh", "args": ["-c", print], "interactiveMode": "Never"}});
        let login = login(entry).await.unwrap();
        let Some(Tokens::Plugin(plugin, user, held)) = login.tokens else { panic!("no plugin") };
        let tokens = Tokens::Plugin(plugin, user, held);
        for _ in 0..3 {
            assert_eq!(tokens.token().await.unwrap(), "abc");
        }
        assert_eq!(std::fs::read_to_string(runs.path()).unwrap(), "ran\n");
        let Tokens::Plugin(_, _, held) = &tokens else { unreachable!() };
        held.lock().await.since = Instant::now().checked_sub(AT_MOST_EVERY * 2).unwrap();
        tokens.token().await.unwrap();
        assert_eq!(std::fs::read_to_string(runs.path()).unwrap(), "ran\nran\n");
    }

    #[tokio::test]
    async fn auth_providers_are_never_run() {
        let ran = tempfile::tempdir().unwrap();
        for (provider, wanted) in [("gcp", "gke-gcloud-auth-plugin"), ("azure", "kubelogin"), ("oidc", "oidc-login")] {
            let touched = ran.path().join(provider);
            let config = json!({"cmd-path": "touch", "cmd-args": touched, "id-token": "abc"});
            let entry = json!({"auth-provider": {"name": provider, "config": config}});
            let failure = login(entry).await.err().unwrap();
            assert!(failure.to_string().contains(provider) && failure.hints[0].contains(wanted), "{failure:?}");
            assert!(!touched.exists());
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_over_http_but_whom_to_act_as() {
        let exec = json!({"command": "/nonexistent", "args": []});
        let entry = json!({"token": "a\nb", "exec": exec, "client-certificate-data": "QQ==", "as": "dev"});
        let login = Login::new(user(&entry, true), info(&entry), None).await.unwrap();
        assert!(login.tokens.is_none() && login.auth_info.client_certificate_data.is_none());
        assert_eq!(login.auth_info.impersonate.as_deref(), Some("dev"));
    }

    #[test]
    fn whose_credentials_were_refused() {
        let get_token = json!({"exec": {"command": "aws", "args": ["eks", "get-token", "--cluster-name", "shop", "--profile", "dev"]}});
        for (entry, wanted, command) in [
            (
                json!({"token": "abc"}),
                "rejected the token of kubeconfig user `me`",
                "set-credentials me` with `--token`",
            ),
            (json!({"tokenFile": "/t"}), "in `/t`", "kubectl create token SERVICE_ACCOUNT -n NAMESPACE > /t"),
            (json!({"client-certificate-data": "QQ=="}), "the client certificate of", "openssl x509"),
            (json!({"username": "a", "password": "b"}), "the password of", "set-credentials me"),
            (get_token, "`aws eks get-token`", "aws sts get-caller-identity --profile dev"),
            (json!({"exec": {"command": "kubelogin"}}), "`kubelogin`", "kubectl auth whoami --context ctx"),
            (json!({}), "has no credentials", "set-context ctx"),
        ] {
            let failure = user(&entry, false).refused(Failure::failed("cannot list pods").because("access entry"));
            assert!(failure.causes[0].contains(wanted) && failure.hints[0].contains(command), "{failure:?}");
            assert_eq!(failure.causes.len(), 1);
        }
    }
}
