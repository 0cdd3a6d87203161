//! How much of an answer is read: a service that does not end must not fill podid's memory.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeDeserializationInterceptorContextMut, InterceptorContext},
        },
        retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http_body::{Body, Frame, SizeHint};

use super::error::chain;

const MIB: u64 = 1 << 20;

/// No answer is as large by far: a page has a thousand roles at most, each with a trust policy of a few KiB.
const MOST: u64 = 64 * MIB;

/// The answer is larger than any that AWS gives.
#[derive(Debug, thiserror::Error)]
#[error("the response is larger than {} MiB", MOST / MIB)]
pub(super) struct TooLarge;

/// Ends the reading of an answer at its limit, and asks for none of this kind again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit;

impl Intercept for Limit {
    fn name(&self) -> &'static str {
        "Limit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        if body.is_streaming() {
            let inner = Box::pin(std::mem::replace(body, SdkBody::taken()));
            *body = SdkBody::from_body_1_x(Limited { inner, left: MOST });
        }
        Ok(())
    }
}

impl ClassifyRetry for Limit {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.output_or_error() {
            Some(Err(error)) if chain(error).any(<dyn std::error::Error>::is::<TooLarge>) => {
                RetryAction::RetryForbidden
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "Limit"
    }

    fn priority(&self) -> RetryClassifierPriority {
        // After all that take a body which failed for one that was cut.
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// A body that fails where it goes over the limit.
struct Limited {
    inner: Pin<Box<SdkBody>>,
    left: u64,
}

impl Body for Limited {
    type Data = <SdkBody as Body>::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let frame = ready!(self.inner.as_mut().poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let read = u64::try_from(data.len()).unwrap_or(u64::MAX);
            match self.left.checked_sub(read) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(TooLarge.into()))),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&*self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
