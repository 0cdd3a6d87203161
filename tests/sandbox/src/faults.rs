//! What goes wrong on purpose: errors, delays, dropped connections, and a world that freezes after a request
//! so that a test can kill the client at exactly that point.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Barrier, Notify};

/// What happens to a matching call.
#[derive(Debug, Clone)]
pub enum Action {
    /// Answer with this error instead of doing anything.
    Error {
        /// HTTP status.
        status: u16,
        /// AWS error code, or the Kubernetes reason.
        code: String,
        /// Message.
        message: String,
    },
    /// Answer with this, whatever it is, instead of doing anything.
    Answer {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
    /// Do it, but answer later.
    Delay(Duration),
    /// Do it only after this time: what others do meanwhile comes first.
    Hold(Duration),
    /// Do it once all are there that shall meet, and answer once all of theirs are done; see [`Action::meet`].
    Meet(Arc<Barrier>),
    /// Close the connection; nothing was done.
    Drop,
    /// Do it, then close the connection without an answer.
    DropAnswer,
    /// Do it, then close the connection in the middle of the answer.
    Truncate,
    /// Do it, and answer with what is neither JSON nor XML.
    Garble,
}

/// A rule: which calls, from which on, how many, and what happens.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Service as in the journal; `*` for all.
    pub service: String,
    /// Operation as in the journal; `*` for all.
    pub operation: String,
    /// Matching calls to let pass first.
    pub skip: u64,
    /// Calls to strike after that.
    pub times: u64,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// Strikes every call of `operation`.
    pub fn always(service: &str, operation: &str, action: Action) -> Self {
        Self { service: service.to_owned(), operation: operation.to_owned(), skip: 0, times: u64::MAX, action }
    }

    /// Strikes the first call of `operation` only.
    pub fn once(service: &str, operation: &str, action: Action) -> Self {
        Self { times: 1, ..Self::always(service, operation, action) }
    }
}

impl Action {
    /// So many calls at the same time: none is done before all are there, none is answered before all are done.
    pub fn meet(calls: usize) -> Self {
        Self::Meet(Arc::new(Barrier::new(calls)))
    }

    /// An error answer.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error { status, code: code.to_owned(), message: message.to_owned() }
    }
}

/// So many calls a second, and no more: what is over it is throttled, as EKS does.
#[derive(Debug)]
struct Limit {
    service: String,
    operation: String,
    /// Calls a second, and calls that may come at once.
    rate: f64,
    burst: f64,
    tokens: f64,
    refilled: Instant,
}

impl Limit {
    /// Whether a call is let pass now.
    fn passes(&mut self) -> bool {
        let now = Instant::now();
        self.tokens = (self.tokens + (now - self.refilled).as_secs_f64() * self.rate).min(self.burst);
        self.refilled = now;
        let passes = self.tokens >= 1.0;
        if passes {
            self.tokens -= 1.0;
        }
        passes
    }
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Fault>,
    limits: Vec<Limit>,
    struck: u64,
    freeze: Option<Freeze>,
    /// Requests under way that are held.
    held: u64,
    /// Writes that began, and requests that were carried out, since the freeze was asked for.
    written: u64,
    answered: u64,
    frozen: bool,
}

/// Where the world freezes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freeze {
    /// After so many requests.
    After(u64),
    /// Before the write of this number is carried out.
    BeforeWrite(u64),
    /// After it, and before its answer.
    AfterWrite(u64),
}

impl Inner {
    fn freeze(&mut self, at: Freeze) {
        (self.freeze, self.written, self.answered) = (Some(at), 0, 0);
        self.frozen = at == Freeze::After(0);
    }
}

/// A request that is held; it ends with its client too.
struct Held<'a>(&'a Faults);

impl<'a> Held<'a> {
    fn new(faults: &'a Faults) -> Self {
        faults.lock().held += 1;
        Self(faults)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lock().held -= 1;
        self.0.frozen.notify_all();
    }
}

/// The faults of a world.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
    frozen: Condvar,
    thawed: Notify,
}

impl Faults {
    /// Adds a rule; the first that matches strikes.
    pub fn add(&self, fault: Fault) {
        self.lock().rules.push(fault);
    }

    /// Lets `rate` calls of an operation a second through, `burst` at once, and throttles the others.
    pub fn limit(&self, service: &str, operation: &str, rate: f64, burst: f64) {
        let (service, operation) = (service.to_owned(), operation.to_owned());
        self.lock().limits.push(Limit { service, operation, rate, burst, tokens: burst, refilled: Instant::now() });
    }

    /// Removes all rules and limits.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.rules.clear();
        inner.limits.clear();
    }

    /// How many calls were struck.
    pub fn struck(&self) -> u64 {
        self.lock().struck
    }

    /// The action for this call, if a rule strikes it now.
    pub(crate) fn strike(&self, service: &str, operation: &str) -> Option<Action> {
        let mut deadline = self.lock();
        let inner = &mut *deadline;
        let limited = inner.limits.iter_mut().find(|limit| limit.service == service && limit.operation == operation);
        if limited.is_some_and(|limit| !limit.passes()) {
            return Some(Action::error(429, "ThrottlingException", "Rate exceeded"));
        }
        for rule in &mut inner.rules {
            let hit = (rule.service == "*" || rule.service == service)
                && (rule.operation == "*" || rule.operation == operation);
            if !hit {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                inner.struck += 1;
                return Some(rule.action.clone());
            }
        }
        None
    }

    /// Carries out `requests` more requests, then answers nothing (not even the last of them) until [`thaw`](Self::thaw).
    pub fn freeze_after(&self, requests: u64) {
        self.lock().freeze(Freeze::After(requests));
    }

    /// Freezes at the write of this number, the first is 1: before it is carried out, or after and before its answer.
    pub fn freeze_at_write(&self, number: u64, carried_out: bool) {
        self.lock().freeze(if carried_out { Freeze::AfterWrite(number) } else { Freeze::BeforeWrite(number) });
    }

    /// Waits for the freeze; false when it did not come within `within`.
    pub fn wait_frozen(&self, within: Duration) -> bool {
        let inner = self.lock();
        let (inner, _) = self
            .frozen
            .wait_timeout_while(inner, within, |inner| !inner.frozen)
            .unwrap_or_else(PoisonError::into_inner);
        inner.frozen
    }

    /// Waits until no request is held any more: those of a client that is gone are given up, and are not carried out later.
    /// False when that did not come within `within`.
    pub fn wait_given_up(&self, within: Duration) -> bool {
        let inner = self.lock();
        let (inner, _) = self
            .frozen
            .wait_timeout_while(inner, within, |inner| inner.held > 0)
            .unwrap_or_else(PoisonError::into_inner);
        inner.held == 0
    }

    /// True once the world has frozen.
    pub fn is_frozen(&self) -> bool {
        self.lock().frozen
    }

    /// Lets the world go on.
    pub fn thaw(&self) {
        {
            let mut inner = self.lock();
            inner.freeze = None;
            inner.frozen = false;
        }
        self.thawed.notify_waiters();
    }

    /// A write is about to be carried out; freezes the world when it is the one to freeze before.
    pub(crate) fn write_begins(&self) {
        let mut inner = self.lock();
        inner.written += 1;
        if inner.freeze == Some(Freeze::BeforeWrite(inner.written)) {
            inner.frozen = true;
            self.frozen.notify_all();
        }
    }

    /// Held before a request is carried out while the world is frozen.
    pub(crate) async fn hold(&self) {
        let _held = Held::new(self);
        loop {
            let thawed = self.thawed.notified();
            if !self.lock().frozen {
                return;
            }
            thawed.await;
        }
    }

    /// Counts a request that was carried out; freezes the world when it was the last one.
    pub(crate) fn carried_out(&self, write: bool) {
        let mut inner = self.lock();
        inner.answered += 1;
        let last = match inner.freeze {
            Some(Freeze::After(requests)) => inner.answered >= requests,
            Some(Freeze::AfterWrite(number)) => write && inner.written >= number,
            _ => false,
        };
        if last {
            inner.frozen = true;
            self.frozen.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
