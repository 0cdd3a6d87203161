//! What podid adds to the SDK's handling of a call: it keeps the endpoint for messages, tells which calls are in progress, and does
//! not repeat what cannot succeed.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
                BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef, InterceptorContext,
            },
        },
        orchestrator::Metadata,
        retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::error::{Unreachable, unreachable};
use crate::calls::{Call, ended};

/// How long a service that never answered is tried to connect to: two attempts of five seconds. Without a VPN, nothing else would
/// be heard for a minute.
const CONNECTING: Duration = Duration::from_secs(4);

/// Keeps where a client really sends its calls (an override, a FIPS or regional host, whatever the SDK decided), tells which calls
/// are in progress, and with `-v` how each attempt ended.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The service, as messages name it.
    pub(super) service: &'static str,
    /// Where it is, once that is known.
    pub(super) url: Arc<OnceLock<String>>,
}

/// A call, for as long as the SDK keeps its state.
#[derive(Debug)]
struct InProgress(Call);

impl Storable for InProgress {
    type Storer = StoreReplace<Self>;
}

/// When the current attempt began.
#[derive(Debug)]
struct Attempt(Instant);

impl Storable for Attempt {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Endpoint {
    fn name(&self) -> &'static str {
        "Endpoint"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(InProgress(Call::begin(self.service)));
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Ok(uri) = context.request().uri().parse::<http::Uri>()
            && let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        {
            // Host and port only: an override may carry a password.
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            let url = self.url.get_or_init(|| format!("{scheme}://{host}"));
            if let Some(InProgress(call)) = config.load::<InProgress>() {
                call.goes_to(format!("{} at {url}", self.service));
            }
        }
        config.interceptor_state().store_put(Attempt(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // An attempt that was never sent, for lack of credentials, is no call.
        let Some(Attempt(began)) = config.load::<Attempt>() else { return Ok(()) };
        let operation = config.load::<Metadata>().map_or_else(String::new, |m| format!(" {}", m.name()));
        let call = format!("{}{operation}", self.service);
        match context.response() {
            Some(response) => {
                let id = ["x-amzn-requestid", "x-amzn-request-id"].iter().find_map(|h| response.headers().get(h));
                ended(&call, &response.status().as_u16().to_string(), *began, id);
            }
            None => ended(&call, "no response", *began, None),
        }
        Ok(())
    }
}

/// Ends the attempts when the host is not there, or not the right one: eight attempts would only make the user wait.
#[derive(Debug, Clone, Default)]
pub(super) struct NoSuchHost(Arc<Mutex<Connecting>>);

/// What is known of a client's connections.
#[derive(Debug, Default)]
struct Connecting {
    /// The service answered once: it is there, and what is wrong may pass.
    answered: bool,
    /// When connecting first took too long.
    since: Option<Instant>,
}

impl Connecting {
    /// Whether a connection that took too long is the last one to be tried.
    fn hopeless(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        !self.answered && now - since >= CONNECTING
    }
}

impl NoSuchHost {
    fn with<T>(&self, look: impl FnOnce(&mut Connecting) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for NoSuchHost {
    fn name(&self) -> &'static str {
        "NoSuchHost"
    }

    fn read_after_transmit(
        &self,
        _context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.with(|connecting| connecting.answered = true);
        Ok(())
    }
}

impl ClassifyRetry for NoSuchHost {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(|error| error.as_connector_error());
        let hopeless = error.is_some_and(|error| match unreachable(error) {
            Unreachable::Refused | Unreachable::NoName | Unreachable::Untrusted => true,
            _ => error.is_timeout() && self.with(|connecting| connecting.hopeless(Instant::now())),
        });
        if hopeless { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "NoSuchHost"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_never_answered_is_given_up_after_two_attempts() {
        let (began, mut connecting) = (Instant::now(), Connecting::default());
        assert!(!connecting.hopeless(began));
        assert!(connecting.hopeless(began + Duration::from_secs(5)));
        let mut known = Connecting { answered: true, ..Connecting::default() };
        assert!(!known.hopeless(began) && !known.hopeless(began + Duration::from_secs(5)));
    }
}
