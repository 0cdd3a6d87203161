//! Loading the AWS configuration: everything the AWS SDK reads, with podid's flags on top.
//!
//! **Credentials** come from the SDK's whole chain (environment, profile, SSO, login, process, web identity, container,
//! instance). A profile named by flag is the only source then, as with the AWS CLI: keys in the environment do not win over it.
//! **Region**: flag, `AWS_REGION`, `AWS_DEFAULT_REGION`, profile, and last the instance's metadata, for at most a second.
//! **Retries**: `AWS_MAX_ATTEMPTS`, `AWS_RETRY_MODE` and the profile's settings win; else standard mode, 8 attempts. A host that
//! does not exist, refuses, or shows a certificate that is not trusted is not tried again.
//! **Endpoints**: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_EKS`, `_IAM`, `_STS` and the profile's `endpoint_url`.
//! **Proxies**: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, as the SDK's own client reads them since
//! behavior version 2025-08-07; podid takes the latest version, so it adds nothing.
//! **Private CAs**: `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use std::time::{Duration, SystemTime};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig,
    default_provider::credentials::DefaultCredentialsChain,
    environment::EnvironmentVariableRegionProvider,
    identity::IdentityCache,
    imds::region::ImdsRegionProvider,
    meta::region::RegionProviderChain,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    provider_config::ProviderConfig,
    retry::{RetryConfig, RetryMode},
    timeout::TimeoutConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_types::{
    os_shim_internal::{Env, Fs},
    service_config::ServiceConfigKey,
};
use tokio::sync::Mutex;

use crate::{
    failure::{Failure, Result},
    secrets,
};

/// Attempts of one call unless the user says otherwise: EKS and IAM throttle long runs of calls.
pub(super) const MAX_ATTEMPTS: u32 = 8;

/// First wait between attempts; it doubles, with jitter.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);

/// Longest wait between attempts: 8 attempts end after half a minute at most.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// Longest time to get credentials: a process may ask for a touch of a key.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_mins(1);

/// Longest time to ask the instance for a region: everywhere else than on EC2 nothing answers.
const INSTANCE_REGION_TIMEOUT: Duration = Duration::from_secs(1);

/// Credentials are renewed this long before they end.
const RENEW_BEFORE: Duration = Duration::from_mins(2);

/// What podid's flags say about AWS.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--profile`; wins over everything.
    pub profile: Option<String>,
    /// `--region`, or the region of the kube context; wins over everything.
    pub region: Option<String>,
    /// To connect.
    pub connect_timeout: Duration,
    /// One attempt of one call.
    pub attempt_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: None,
            region: None,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(30),
        }
    }
}

/// The loaded configuration.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// What clients are made of.
    pub(super) sdk: SdkConfig,
    /// Who the user said to be; for hints.
    pub(super) who: Who,
}

impl Loaded {
    /// The same for whoever these credentials are of. Nobody chose a profile for them.
    pub(super) fn with_credentials(&self, credentials: Credentials) -> Self {
        let provider = SharedCredentialsProvider::new(credentials);
        Self { sdk: self.sdk.to_builder().credentials_provider(provider).build(), who: Who::default() }
    }

    /// The same in another region.
    pub(super) fn in_region(&self, region: &str) -> Self {
        let sdk = self.sdk.to_builder().region(Region::new(region.to_owned())).build();
        Self { sdk, who: self.who.clone() }
    }
}

/// The profile in use, for hints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Who {
    /// Its name, when one was chosen.
    pub(super) profile: Option<String>,
    /// It signs in through IAM Identity Center.
    pub(super) sso: bool,
}

/// Loads the configuration. Reads files and the environment; calls nobody, except that a region may be asked of the instance.
pub(super) async fn load(settings: &Settings) -> Result<Loaded> {
    let region = region(settings).await;
    let retry = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(INITIAL_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.attempt_timeout)
        .build();
    // An explicit retry configuration keeps the loader from reading the user's: it panics on values it does not know.
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .retry_config(retry.clone())
        .timeout_config(timeouts.clone())
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
        .no_credentials();
    if let Ok(name) = AppName::new(concat!("podid-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    let sdk = loader.load().await;
    let retry = users_retry(&sdk, retry)?;
    // Sources of credentials are not throttled as EKS and IAM are: the SDK's own number of attempts will do.
    let sources_retry = users_retry(&sdk, RetryConfig::standard())?;
    let sources = ProviderConfig::without_region()
        .with_region(region.clone())
        .with_use_fips(sdk.use_fips())
        .with_use_dual_stack(sdk.use_dual_stack())
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_retry_config(sources_retry)
        .with_timeout_config(timeouts);
    let source = match &settings.profile {
        Some(profile) => SharedCredentialsProvider::new(
            ProfileFileCredentialsProvider::builder().configure(&sources).profile_name(profile).build(),
        ),
        None => SharedCredentialsProvider::new(
            DefaultCredentialsChain::builder().configure(sources).region(region).build().await,
        ),
    };
    let who = Who {
        profile: settings.profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok().filter(|p| !p.is_empty())),
        sso: ["sso_session", "sso_start_url"].iter().any(|key| setting(&sdk, "AWS_SSO_SESSION", key).is_some()),
    };
    let provider = SharedCredentialsProvider::new(Cached::new(source));
    let builder = sdk.into_builder().retry_config(retry).credentials_provider(provider);
    Ok(Loaded { sdk: builder.build(), who })
}

/// The variables that send AWS calls over plain http to another machine, with the hosts that they name.
pub fn plain_http(variables: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let endpoints = variables.filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
    let mut found: Vec<(String, String)> = endpoints
        .filter_map(|(name, url)| {
            let url: http::Uri = url.trim().parse().ok()?;
            let host = url.host()?;
            (url.scheme_str() == Some("http") && !is_loopback(host)).then(|| (name, host.to_owned()))
        })
        .collect();
    found.sort();
    found
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Names of the profiles in the configuration files, sorted.
#[expect(clippy::default_trait_access, reason = "the type is of a crate that nothing else here needs")]
pub async fn profiles() -> Result<Vec<String>> {
    let read = aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let read = read.map_err(|e| Failure::usage("cannot read the AWS configuration").because(e.to_string()))?;
    let mut names: Vec<String> = read.profiles().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// Flag, environment, profile, instance.
async fn region(settings: &Settings) -> Option<Region> {
    if let Some(region) = &settings.region {
        return Some(Region::new(region.clone()));
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &settings.profile {
        profile = profile.profile_name(name);
    }
    let configured = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .region()
        .await;
    if configured.is_some() {
        return configured;
    }
    let instance = ImdsRegionProvider::builder().build();
    tokio::time::timeout(INSTANCE_REGION_TIMEOUT, instance.region()).await.ok().flatten()
}

/// A setting of the environment or the profile.
fn setting(sdk: &SdkConfig, env: &str, profile: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("podid").env(env).profile(profile).build().ok()?;
    sdk.service_config()?.load_config(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// podid's retries, changed as far as the user says.
fn users_retry(sdk: &SdkConfig, retry: RetryConfig) -> Result<RetryConfig> {
    let attempts = setting(sdk, "AWS_MAX_ATTEMPTS", "max_attempts");
    let mode = setting(sdk, "AWS_RETRY_MODE", "retry_mode");
    apply_retry(retry, attempts.as_deref(), mode.as_deref())
}

fn apply_retry(mut retry: RetryConfig, attempts: Option<&str>, mode: Option<&str>) -> Result<RetryConfig> {
    if let Some(text) = attempts {
        match text.parse::<u32>() {
            Ok(attempts) if attempts > 0 => retry = retry.with_max_attempts(attempts),
            _ => {
                return Err(Failure::usage("cannot read the AWS configuration")
                    .because(format!("`AWS_MAX_ATTEMPTS` (`max_attempts`) is `{text}`, not a number above 0")));
            }
        }
    }
    match mode {
        // The SDK has no legacy mode; standard is what replaced it.
        None | Some("standard" | "legacy") => Ok(retry),
        Some("adaptive") => Ok(retry.with_retry_mode(RetryMode::Adaptive)),
        Some(text) => Err(Failure::usage("cannot read the AWS configuration")
            .because(format!("`AWS_RETRY_MODE` (`retry_mode`) is `{text}`, not `standard` or `adaptive`"))),
    }
}

/// None of this is ever printed. The key's id is no secret.
pub(super) fn keep_secret(credentials: &Credentials) {
    secrets::hold(credentials.secret_access_key());
    if let Some(token) = credentials.session_token() {
        secrets::hold(token);
    }
}

/// Credentials shared by all clients and the EKS token: each source is asked once (a process may ask the user for something).
#[derive(Debug)]
struct Cached {
    inner: SharedCredentialsProvider,
    held: Mutex<Option<Credentials>>,
}

impl Cached {
    fn new(inner: SharedCredentialsProvider) -> Self {
        Self { inner, held: Mutex::new(None) }
    }

    async fn get(&self) -> provider::Result {
        let mut held = self.held.lock().await;
        if let Some(credentials) = held.as_ref() {
            let fresh = credentials.expiry().is_none_or(|end| end > SystemTime::now() + RENEW_BEFORE);
            if fresh {
                return Ok(credentials.clone());
            }
        }
        let fetched = tokio::time::timeout(CREDENTIALS_TIMEOUT, self.inner.provide_credentials()).await;
        let credentials = fetched.map_err(|_| CredentialsError::provider_timed_out(CREDENTIALS_TIMEOUT))??;
        keep_secret(&credentials);
        *held = Some(credentials.clone());
        Ok(credentials)
    }
}

impl ProvideCredentials for Cached {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_retry_settings_win() {
        let ours = || RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS);
        assert_eq!(apply_retry(ours(), None, None).unwrap().max_attempts(), 8);
        assert_eq!(apply_retry(ours(), Some("3"), None).unwrap().max_attempts(), 3);
        assert_eq!(apply_retry(ours(), None, Some("adaptive")).unwrap().mode(), RetryMode::Adaptive);
        assert_eq!(apply_retry(ours(), None, Some("legacy")).unwrap().mode(), RetryMode::Standard);
        for (attempts, mode) in [(Some("0"), None), (Some("many"), None), (None, Some("fast"))] {
            assert!(apply_retry(ours(), attempts, mode).is_err());
        }
    }

    #[test]
    fn endpoints_that_anyone_on_the_way_can_read() {
        for (name, url, host) in [
            ("AWS_ENDPOINT_URL", "http://10.0.0.1:4566", Some("10.0.0.1")),
            ("AWS_ENDPOINT_URL_IAM", "HTTP://me:pw@aws.example/", Some("aws.example")),
            ("AWS_ENDPOINT_URL", "http://[2001:db8::1]:80", Some("[2001:db8::1]")),
            ("AWS_ENDPOINT_URL", "http://localhost.example", Some("localhost.example")),
            ("AWS_ENDPOINT_URL", "https://10.0.0.1:4566", None),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566", None),
            ("AWS_ENDPOINT_URL", "http://127.1.2.3", None),
            ("AWS_ENDPOINT_URL_STS", "http://[::1]:4566", None),
            ("AWS_ENDPOINT_URL", "http://LocalHost:4566", None),
            ("AWS_ENDPOINT_URL", "", None),
            ("OTHER_URL", "http://10.0.0.1", None),
        ] {
            let found = plain_http([(name.to_owned(), url.to_owned())].into_iter());
            assert_eq!(
                found,
                host.map(|host| (name.to_owned(), host.to_owned())).into_iter().collect::<Vec<_>>(),
                "{url}"
            );
        }
    }

    #[tokio::test]
    async fn loads_podids_defaults() {
        let settings = Settings { region: Some("eu-central-1".into()), ..Settings::default() };
        let loaded = load(&settings).await.unwrap();
        assert_eq!(loaded.sdk.region().unwrap().as_ref(), "eu-central-1");
        assert!(loaded.sdk.app_name().unwrap().as_ref().starts_with("podid-"));
        assert_eq!(loaded.sdk.timeout_config().unwrap().connect_timeout(), Some(Duration::from_secs(5)));
        assert_eq!(loaded.sdk.timeout_config().unwrap().operation_attempt_timeout(), Some(Duration::from_secs(30)));
    }
}
