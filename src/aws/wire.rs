//! What podid adds to the SDK's handling of a call: it keeps the endpoint for messages, and does not repeat what cannot succeed.

use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextRef, InterceptorContext},
        },
        retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use super::error::{Unreachable, unreachable};

/// Keeps where a client really sends its calls: an override, a FIPS or regional host, whatever the SDK decided.
#[derive(Debug)]
pub(super) struct Endpoint(pub(super) Arc<OnceLock<String>>);

impl Intercept for Endpoint {
    fn name(&self) -> &'static str {
        "Endpoint"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Ok(uri) = context.request().uri().parse::<http::Uri>()
            && let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        {
            // Host and port only: an override may carry a password.
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            self.0.get_or_init(|| format!("{scheme}://{host}"));
        }
        Ok(())
    }
}

/// Ends the attempts when the host is not there, or not the right one: eight attempts would only make the user wait.
#[derive(Debug)]
pub(super) struct NoSuchHost;

impl ClassifyRetry for NoSuchHost {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(|error| error.as_connector_error());
        match error.map(|error| unreachable(error)) {
            Some(Unreachable::Refused | Unreachable::NoName | Unreachable::Untrusted) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "NoSuchHost"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
