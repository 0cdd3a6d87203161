//! As fast as a service lets podid: nothing is held back until the service throttles, then calls go out at the pace at which it
//! answered, and that is tried a little faster all the time. Each client has a pace of its own, as services count by themselves.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, InterceptorContext},
        },
        orchestrator::HttpResponse,
        retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, retry::ErrorKind};

use crate::{explain, wait};

/// What is left of the pace that was measured when the service throttles: a little less, so that its bucket fills.
const KEPT: f64 = 0.9;

/// What is left of the pace when the service throttles again before enough was answered to measure one.
const LESS: f64 = 0.7;

/// How much faster it gets with a call that is not throttled, at first; after so many in a row twice as much, and so on.
const GROWTH: f64 = 1.0 / 4_000.0;
const SOONER: f64 = 200.0;

/// So many answers tell a pace; and the one to begin with where there were fewer.
const ENOUGH: u32 = 10;
const UNMEASURED: f64 = 20.0;

/// Calls that went out together are throttled together, as are those that had their places by then: one sign, not many.
const TOGETHER: Duration = Duration::from_millis(50);

/// A call that was throttled waits for so long at least: it has few attempts, and the pace must have come down before they are spent.
const AGAIN: Duration = Duration::from_millis(150);

/// Slower than this it is never.
const SLOWEST: f64 = 1.0;

/// The pace of one client.
#[derive(Debug, Clone)]
pub(super) struct AdaptiveLimiter(Arc<Mutex<State>>);

impl Default for AdaptiveLimiter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::new(Instant::now()))))
    }
}

/// What the answers so far tell.
#[derive(Debug)]
struct State {
    /// Calls a second; infinite until the service throttles.
    rate: f64,
    /// When the next call may go out.
    next: Instant,
    /// When all that had a place in the row at the last throttling has gone out; at first, when this was made.
    settled: Instant,
    /// Answers since then.
    answered: u32,
}

impl State {
    fn new(now: Instant) -> Self {
        Self { rate: f64::INFINITY, next: now, settled: now, answered: 0 }
    }

    /// Takes the next place in the row; how long it is until then.
    fn turn(&mut self, now: Instant) -> Duration {
        if self.rate.is_infinite() {
            return Duration::ZERO;
        }
        self.rate *= 1.0 + GROWTH * (1.0 + f64::from(self.answered) / SOONER);
        let place = self.next.max(now);
        self.next = place + Duration::from_secs_f64(1.0 / self.rate);
        place - now
    }

    /// How long a call that was throttled waits before it goes out again.
    fn again(&mut self, now: Instant) -> Duration {
        self.turn(now).max(AGAIN)
    }

    fn answered(&mut self, now: Instant) {
        if now >= self.settled {
            self.answered = self.answered.saturating_add(1);
        }
    }

    fn throttled(&mut self, now: Instant) {
        if now < self.settled {
            return;
        }
        let since = now - self.settled;
        let measured = f64::from(self.answered) / since.as_secs_f64().max(0.001);
        self.rate = if self.answered >= ENOUGH {
            (measured.min(self.rate) * KEPT).max(SLOWEST)
        } else if self.rate.is_finite() {
            (self.rate * LESS).max(SLOWEST)
        } else {
            UNMEASURED
        };
        (self.settled, self.answered) = (self.next.max(now + TOGETHER), 0);
    }
}

impl AdaptiveLimiter {
    fn with<T>(&self, look: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = Instant::now();
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Waits for the turn of a call.
    pub(super) async fn turn(&self) {
        let left = self.with(State::turn);
        if !left.is_zero() {
            wait::pause(left).await;
        }
    }
}

/// Whether an answer says that the service is asked too often: EKS with its status, IAM with a code in the body.
fn throttles(answer: &HttpResponse) -> bool {
    let said = |words: &str| {
        let body = answer.body().bytes().unwrap_or_default();
        body.windows(words.len()).any(|part| part == words.as_bytes())
    };
    match answer.status().as_u16() {
        429 => true,
        400 | 503 => explain::THROTTLED.iter().copied().any(said) || said("Rate exceeded"),
        _ => false,
    }
}

impl Intercept for AdaptiveLimiter {
    fn name(&self) -> &'static str {
        "Pace"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.with(if throttles(context.response()) { State::throttled } else { State::answered });
        Ok(())
    }
}

impl ClassifyRetry for AdaptiveLimiter {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if !context.response().is_some_and(throttles) {
            return RetryAction::NoActionIndicated;
        }
        RetryAction::retryable_error_with_explicit_delay(ErrorKind::ThrottlingError, self.with(State::again))
    }

    fn name(&self) -> &'static str {
        "Pace"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::config::MAX_ATTEMPTS;

    /// A service that lets so many calls a second through, and a few more at once, called by several at a time. How long it took, how
    /// many calls were rejected, and how often at most the same one was.
    fn against(rate: f64, burst: f64, calls: u32, trip: Duration) -> (Duration, u32, u32) {
        const CALLERS: usize = 16;
        let begun = Instant::now();
        let (mut tokens, mut refilled) = (burst, begun);
        let mut state = State::new(begun);
        // When each caller sends its next call.
        let mut free = [begun; CALLERS];
        let mut refused = [0; CALLERS];
        let (mut done, mut rejected, mut most, mut end) = (0, 0, 0, begun);
        while done < calls {
            let i = (0..CALLERS).min_by_key(|i| free[*i]).unwrap();
            let now = free[i];
            tokens = (tokens + (now - refilled).as_secs_f64() * rate).min(burst);
            refilled = now;
            let heard = now + trip;
            let wait = if tokens >= 1.0 {
                tokens -= 1.0;
                (done, end, refused[i]) = (done + 1, now, 0);
                state.answered(heard);
                state.turn(heard)
            } else {
                (rejected, refused[i]) = (rejected + 1, refused[i] + 1);
                most = most.max(refused[i]);
                state.throttled(heard);
                state.again(heard)
            };
            free[i] = heard + wait;
        }
        (end - begun, rejected, most)
    }

    #[test]
    fn nearly_as_fast_as_the_service_lets_it() {
        for (rate, burst) in [(10.0, 10.0), (50.0, 10.0), (250.0, 50.0), (1_000.0, 100.0)] {
            let (took, rejected, _) = against(rate, burst, 5_000, Duration::from_millis(5));
            let least = Duration::from_secs_f64(5_000.0 / rate);
            assert!(took < least.mul_f64(1.3), "{rate} a second: {took:?} of {least:?}, {rejected} rejected");
            assert!(rejected < 500, "{rate} a second: {rejected} rejected");
        }
    }

    /// The nearer the service, the faster podid was before the first throttling.
    #[test]
    fn no_call_spends_its_attempts() {
        for (rate, burst) in [(50.0, 10.0), (250.0, 50.0), (1_000.0, 100.0)] {
            for trip in [300, 5_000, 50_000].map(Duration::from_micros) {
                let (.., most) = against(rate, burst, 5_000, trip);
                assert!(most < MAX_ATTEMPTS, "{rate} a second, {trip:?}: one was rejected {most} times");
            }
        }
    }

    #[test]
    fn nothing_is_held_back_before_the_first_throttling() {
        let now = Instant::now();
        let mut state = State::new(now);
        assert!((0..100).all(|_| state.turn(now).is_zero()));
        state.throttled(now);
        assert!(state.turn(now).is_zero() && !state.turn(now).is_zero());
    }
}
