//! The world's time. It runs with real time from the moment the sandbox starts, and tests push it forward.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// Real time plus an offset that tests turn.
#[derive(Debug, Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// A clock that is so many seconds ahead of this machine's.
    pub(crate) fn ahead(seconds: i64) -> Self {
        Self { offset_ms: AtomicI64::new(seconds.saturating_mul(1000)) }
    }

    /// The world's present.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_millis(self.offset_ms.load(Ordering::SeqCst))
    }

    /// Pushes the world's time forward.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(ms, Ordering::SeqCst);
    }
}
