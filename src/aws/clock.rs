//! AWS's clock, by the `Date` of its answers. The SDK signs its own calls by it; so must what podid signs itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};

/// A clock that is off by less does no harm: signatures are good for five minutes in either direction.
const TOLERATED: i64 = 240;

/// How many seconds AWS's clock is ahead of this machine's. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// The time to sign with.
    pub(super) fn now(&self) -> SystemTime {
        let ahead = self.ahead().unwrap_or_default();
        let by = Duration::from_secs(ahead.unsigned_abs());
        let now = SystemTime::now();
        if ahead < 0 { now - by } else { now + by }
    }

    /// By how many seconds AWS is ahead, when that is more than is tolerated.
    pub(super) fn ahead(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|ahead| ahead.abs() >= TOLERATED)
    }

    fn heard(&self, date: &str, now: SystemTime) {
        if let Ok(theirs) = DateTime::from_str(date, Format::HttpDate) {
            self.0.store(theirs.secs() - DateTime::from(now).secs(), Ordering::Relaxed);
        }
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.heard(date, SystemTime::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_far_off_is_corrected() {
        // 2026-11-23T12:34:56Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_437_296);
        for (date, ahead) in [
            ("Mon, 23 Nov 2026 12:34:56 GMT", None),
            ("Mon, 23 Nov 2026 12:37:56 GMT", None),
            ("Mon, 23 Nov 2026 12:54:56 GMT", Some(1200)),
            ("Mon, 23 Nov 2026 12:14:56 GMT", Some(-1200)),
            ("yesterday", None),
        ] {
            let clock = Clock::default();
            clock.heard(date, now);
            assert_eq!(clock.ahead(), ahead, "{date}");
            let corrected = clock.now().duration_since(SystemTime::now()).map_or_else(
                |behind| -i64::try_from(behind.duration().as_secs()).unwrap(),
                |ahead| i64::try_from(ahead.as_secs()).unwrap(),
            );
            assert!((corrected - ahead.unwrap_or_default()).abs() <= 5, "{corrected}");
        }
    }
}
