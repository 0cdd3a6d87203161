//! The credentials of a command for as long as it runs: renewed in good time, and kept where that fails while they last.

use std::{cell::RefCell, convert::Infallible, time::Duration};

use futures::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::{failure::Result, ports::Credentials, wait};

/// SDKs ask again for what ends sooner than this (botocore: 15 minutes), so that podid asks before they do.
const EARLY: SignedDuration = SignedDuration::from_mins(20);

/// A renewal may take so long.
const RENEWAL: Duration = Duration::from_secs(30);

/// An SDK waits no longer than a second (JavaScript, PHP): then it gets what is there.
const PATIENCE: Duration = Duration::from_millis(700);

/// How often is looked at the clock. Timers do not run while the machine sleeps.
const TICK: SignedDuration = SignedDuration::from_secs(20);

/// Between two attempts of which the first failed.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A time as SDKs read it.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Credentials, and where the next ones come from.
pub struct Supply<'a> {
    held: RefCell<Held>,
    /// One renewal at a time.
    renewing: Mutex<()>,
    renew: Box<dyn Fn() -> LocalBoxFuture<'a, Result<Credentials>> + 'a>,
    /// Told of a renewal that failed, once until one succeeds.
    failed: Box<dyn Fn(crate::failure::Failure, Timestamp) + 'a>,
}

struct Held {
    credentials: Credentials,
    /// So long before the end they are renewed.
    early: SignedDuration,
    /// The last renewal failed, and this was told.
    troubled: bool,
}

impl Held {
    fn new(credentials: Credentials, now: Timestamp) -> Self {
        let early = EARLY.min(credentials.expires.duration_since(now) / 2);
        Self { credentials, early, troubled: false }
    }

    fn left(&self, now: Timestamp) -> SignedDuration {
        self.credentials.expires.duration_since(now)
    }
}

impl std::fmt::Debug for Supply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supply").field("expires", &self.held.borrow().credentials.expires).finish_non_exhaustive()
    }
}

impl<'a> Supply<'a> {
    /// Starts with these.
    pub fn new(
        first: Credentials,
        renew: impl Fn() -> LocalBoxFuture<'a, Result<Credentials>> + 'a,
        failed: impl Fn(crate::failure::Failure, Timestamp) + 'a,
    ) -> Self {
        Self {
            held: RefCell::new(Held::new(first, Timestamp::now())),
            renewing: Mutex::new(()),
            renew: Box::new(renew),
            failed: Box::new(failed),
        }
    }

    /// Credentials that last; those that there are when the next ones take too long or cannot be had.
    ///
    /// # Errors
    /// They have ended, and there are no others.
    pub async fn get(&self) -> Result<Credentials> {
        if self.due().is_positive() {
            return Ok(self.held.borrow().credentials.clone());
        }
        let renewed = if self.held.borrow().left(Timestamp::now()).is_positive() {
            wait::at_most(PATIENCE, "renewing the credentials", self.renewed()).await
        } else {
            self.renewed().await
        };
        let held = self.held.borrow();
        match renewed {
            Err(failure) if !held.left(Timestamp::now()).is_positive() => Err(failure),
            _ => Ok(held.credentials.clone()),
        }
    }

    /// Renews them in good time, for ever.
    pub async fn keep(&self) -> Infallible {
        loop {
            let due = self.due();
            if due.is_positive() {
                wait::pause(due.min(TICK).unsigned_abs()).await;
            } else if self.renewed().await.is_err() {
                let left = self.held.borrow().left(Timestamp::now());
                wait::pause((left / 4).clamp(SignedDuration::from_secs(1), AGAIN).unsigned_abs()).await;
            }
        }
    }

    /// How long until they are to be renewed.
    fn due(&self) -> SignedDuration {
        let held = self.held.borrow();
        held.left(Timestamp::now()) - held.early
    }

    async fn renewed(&self) -> Result<()> {
        let _alone = self.renewing.lock().await;
        if self.due().is_positive() {
            // Another one that asked has renewed them.
            return Ok(());
        }
        let renewed = wait::at_most(RENEWAL, "renewing the credentials", (self.renew)()).await;
        let mut held = self.held.borrow_mut();
        match renewed {
            Ok(credentials) => {
                *held = Held::new(credentials, Timestamp::now());
                Ok(())
            }
            Err(failure) => {
                if !std::mem::replace(&mut held.troubled, true) {
                    (self.failed)(failure.clone(), held.credentials.expires);
                }
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::failure::Failure;

    fn lasting(seconds: i64, id: &str) -> Credentials {
        Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: "secret".into(),
            session_token: "token".into(),
            expires: Timestamp::now() + SignedDuration::from_secs(seconds),
        }
    }

    async fn ids(supply: &Supply<'_>, times: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..times {
            ids.push(supply.get().await.map_or_else(|failure| failure.message, |it| it.access_key_id));
        }
        ids
    }

    #[tokio::test]
    async fn what_lasts_is_not_renewed() {
        let renew = || -> LocalBoxFuture<'_, Result<Credentials>> { panic!("it lasts") };
        let supply = Supply::new(lasting(3600, "first"), renew, |_, _| {});
        assert_eq!(ids(&supply, 2).await, ["first", "first"]);
    }

    /// However many ask at once.
    #[tokio::test]
    async fn what_ended_is_renewed_once() {
        let asked = Cell::new(0);
        let renew = || -> LocalBoxFuture<'_, Result<Credentials>> {
            asked.set(asked.get() + 1);
            Box::pin(async { Ok(lasting(3600, "second")) })
        };
        let supply = Supply::new(lasting(-5, "first"), renew, |_, _| {});
        let all = futures::join!(ids(&supply, 1), ids(&supply, 1), ids(&supply, 1));
        assert_eq!(all.0.into_iter().chain(all.1).chain(all.2).collect::<Vec<_>>(), ["second", "second", "second"]);
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_once_and_answered_only_after_the_end() {
        let told = Cell::new(0);
        let renew =
            || -> LocalBoxFuture<'_, Result<Credentials>> { Box::pin(async { Err(Failure::failed("no pod")) }) };
        let supply = Supply::new(lasting(-5, "first"), renew, |_, _| told.set(told.get() + 1));
        assert_eq!(ids(&supply, 3).await, ["no pod"; 3]);
        assert_eq!(told.get(), 1);
        let supply = Supply::new(lasting(2, "first"), renew, |_, _| told.set(told.get() + 1));
        supply.held.borrow_mut().early = SignedDuration::from_secs(10);
        assert_eq!(ids(&supply, 2).await, ["first"; 2]);
        assert_eq!(told.get(), 2);
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_sdks_do() {
        let renew = || -> LocalBoxFuture<'_, Result<Credentials>> { Box::pin(std::future::pending()) };
        let supply = Supply::new(lasting(60, "first"), renew, |_, _| {});
        supply.held.borrow_mut().early = SignedDuration::from_secs(100);
        let started = std::time::Instant::now();
        assert_eq!(ids(&supply, 1).await, ["first"]);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
