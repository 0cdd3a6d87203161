//! Amazon EKS, IAM, STS and DynamoDB through the AWS SDK. SDK types live and die here.
//!
//! Nothing is read or connected before the first call that needs it. Configuration: see [`config`].

mod clock;
pub mod config;
mod convert;
mod dynamodb;
mod eks;
mod eks_auth;
#[cfg(test)]
mod endless_tests;
mod error;
#[cfg(test)]
pub mod fuzz_tests;
#[cfg(all(fuzzing, not(test)))]
pub mod fuzz_tests;
mod iam;
mod limit;
mod pace;
mod pages;
#[cfg(test)]
mod sandbox_tests;
#[cfg(test)]
mod tests;
mod token;
mod whole;
mod wire;

use std::sync::{Arc, OnceLock};

use aws_credential_types::provider::ProvideCredentials;
use tokio::sync::OnceCell;

pub use config::{Settings, profiles};
pub use token::EksToken;

use crate::failure::{Failure, Result};
use clock::Clock;
use config::{Loaded, Who};
use error::credentials_failure;
use limit::Limit;
use pace::AdaptiveLimiter;
use whole::TruncationCheck;
use wire::{Endpoint, NoSuchHost};

/// AWS for one profile and region. Clones share configuration, credentials and connections.
#[derive(Debug, Clone)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    /// Whose configuration and credentials are used, in the settings' region.
    of: Option<Aws>,
    clock: Clock,
    loaded: OnceCell<Loaded>,
    eks: OnceCell<Client<aws_sdk_eks::Client>>,
    eks_auth: OnceCell<Client<aws_sdk_eksauth::Client>>,
    iam: OnceCell<Client<aws_sdk_iam::Client>>,
    dynamodb: OnceCell<Client<aws_sdk_dynamodb::Client>>,
    sts: OnceCell<Client<aws_sdk_sts::Client>>,
}

impl Inner {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            of: None,
            clock: Clock::default(),
            loaded: OnceCell::new(),
            eks: OnceCell::new(),
            eks_auth: OnceCell::new(),
            iam: OnceCell::new(),
            dynamodb: OnceCell::new(),
            sts: OnceCell::new(),
        }
    }
}

/// A client with what its failures need to be told well.
#[derive(Debug)]
struct Client<C> {
    api: C,
    errors: ErrorContext,
    pace: AdaptiveLimiter,
}

impl<C> Client<C> {
    /// This client once it is a call's turn. Of a list in pages that is the first page.
    async fn in_turn(&self) -> &Self {
        self.pace.turn().await;
        self
    }
}

/// The client of a service: the SDK has a type of its own for each, and no trait over them.
macro_rules! client {
    ($sdk:ident, $service:literal, $clock:expr, $loaded:expr) => {{
        let loaded = $loaded;
        let pace = AdaptiveLimiter::default();
        let host = NoSuchHost::default();
        let (errors, endpoint) = ErrorContext::new($service, loaded);
        let config = $sdk::config::Builder::from(&loaded.sdk)
            .interceptor(endpoint)
            .interceptor(host.clone())
            .interceptor(TruncationCheck)
            .interceptor($clock.clone())
            .interceptor(Limit)
            .interceptor(pace.clone())
            .retry_classifier(host)
            .retry_classifier(Limit)
            .retry_classifier(pace.clone())
            .build();
        Client { api: $sdk::Client::from_conf(config), errors, pace }
    }};
}

/// What failures of one service need to be errors well.
#[derive(Debug, Clone)]
struct ErrorContext {
    service: &'static str,
    endpoint: Arc<OnceLock<String>>,
    who: Who,
}

impl Aws {
    /// AWS as the settings say. Loads nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner::new(settings)))
    }

    /// The same configuration and credentials in another region. Sources of credentials are not asked again.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let settings = Settings { region: Some(region.to_owned()), ..self.0.settings.clone() };
        let clock = self.0.clock.clone();
        Self(Arc::new(Inner { of: Some(self.clone()), clock, ..Inner::new(settings) }))
    }

    /// The same configuration with other credentials, which no source is asked for.
    async fn acting_as(&self, credentials: aws_credential_types::Credentials) -> Result<Self> {
        let loaded = self.loaded().await?.with_credentials(credentials);
        Ok(Self(Arc::new(Inner { loaded: OnceCell::new_with(Some(loaded)), ..Inner::new(self.0.settings.clone()) })))
    }

    /// The region in use: flag, environment, profile, instance; `None` when nothing names one.
    pub async fn region(&self) -> Result<Option<String>> {
        Ok(self.loaded().await?.sdk.region().map(ToString::to_string))
    }

    /// The profile in use, when one was chosen by flag or `AWS_PROFILE`.
    pub async fn profile(&self) -> Result<Option<String>> {
        Ok(self.loaded().await?.who.profile.clone())
    }

    /// By how many seconds AWS's clock is ahead of this machine's, as far as its answers told, when that is more than signatures tolerate.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.0.clock.ahead()
    }

    /// Tokens for the Kubernetes API of a cluster; `region` is the cluster's.
    pub fn token(&self, cluster: &str, region: &str) -> EksToken {
        EksToken::new(self.clone(), cluster, region)
    }

    async fn loaded(&self) -> Result<&Loaded> {
        self.0
            .loaded
            .get_or_try_init(|| async {
                match (&self.0.of, &self.0.settings.region) {
                    (Some(of), Some(region)) => Ok(Box::pin(of.loaded()).await?.in_region(region)),
                    _ => config::load(&self.0.settings).await,
                }
            })
            .await
    }

    /// The configuration for calling a regional service. Credentials are got here, since a source that asks the user for
    /// something may take longer than an attempt of a call may.
    async fn regional(&self, what: &str) -> Result<&Loaded> {
        let loaded = self.loaded().await?;
        if loaded.sdk.region().is_none() {
            return Err(Failure::usage("no AWS region specified")
                .because(match &loaded.who.profile {
                    Some(profile) => {
                        format!("it is neither in a flag, nor in the environment, nor in profile `{profile}`")
                    }
                    None => "it is neither in a flag, nor in the environment, nor in a profile".to_owned(),
                })
                .hint("pass `--region REGION`, or set `AWS_REGION`")
                .hint("or store it in the profile: `aws configure set region REGION`"));
        }
        self.credentials(what).await?;
        Ok(loaded)
    }

    async fn credentials(&self, doing: &str) -> Result<aws_credential_types::Credentials> {
        let loaded = self.loaded().await?;
        let missing = aws_credential_types::provider::error::CredentialsError::not_loaded_no_source;
        let provider = loaded.sdk.credentials_provider();
        let provider = provider.ok_or_else(|| credentials_failure(doing, &missing(), &loaded.who))?;
        provider.provide_credentials().await.map_err(|error| credentials_failure(doing, &error, &loaded.who))
    }

    async fn eks(&self, what: &str) -> Result<&Client<aws_sdk_eks::Client>> {
        let client = self.0.eks.get_or_try_init(|| async {
            Ok::<_, Failure>(client!(aws_sdk_eks, "EKS", self.0.clock, self.regional(what).await?))
        });
        Ok(client.await?.in_turn().await)
    }

    async fn eks_auth(&self, what: &str) -> Result<&Client<aws_sdk_eksauth::Client>> {
        let client = self.0.eks_auth.get_or_try_init(|| async {
            Ok::<_, Failure>(client!(aws_sdk_eksauth, "EKS Auth", self.0.clock, self.regional(what).await?))
        });
        Ok(client.await?.in_turn().await)
    }

    async fn iam(&self, what: &str) -> Result<&Client<aws_sdk_iam::Client>> {
        let client = self.0.iam.get_or_try_init(|| async {
            Ok::<_, Failure>(client!(aws_sdk_iam, "IAM", self.0.clock, self.regional(what).await?))
        });
        Ok(client.await?.in_turn().await)
    }

    /// Each table is asked for in its own region, so that none has to be configured.
    async fn dynamodb(&self, what: &str) -> Result<&Client<aws_sdk_dynamodb::Client>> {
        let client = self.0.dynamodb.get_or_try_init(|| async {
            self.credentials(what).await?;
            Ok::<_, Failure>(client!(aws_sdk_dynamodb, "DynamoDB", self.0.clock, self.loaded().await?))
        });
        Ok(client.await?.in_turn().await)
    }

    async fn sts(&self, what: &str) -> Result<&Client<aws_sdk_sts::Client>> {
        let client = self.0.sts.get_or_try_init(|| async {
            Ok::<_, Failure>(client!(aws_sdk_sts, "STS", self.0.clock, self.regional(what).await?))
        });
        Ok(client.await?.in_turn().await)
    }
}

impl ErrorContext {
    fn new(service: &'static str, loaded: &Loaded) -> (Self, Endpoint) {
        let url = Arc::new(OnceLock::new());
        let teller = Self { service, endpoint: Arc::clone(&url), who: loaded.who.clone() };
        (teller, Endpoint { service, url })
    }
}
