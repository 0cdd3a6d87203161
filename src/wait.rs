//! The time limit of a command, interruption, backoff, and their runtime: the only place that sleeps.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

/// A time on the clock that pauses go by, which tests move on by hand.
pub use tokio::time::Instant as Moment;

use crate::failure::{Code, Failure, Result};

/// Propagation that EKS documents for associations (up to 10 s: EKS User Guide, pod-id-association; AWS Containers blog on session policies).
pub const DOCUMENTED_DELAY: Duration = Duration::from_secs(10);

/// How long a write in flight may still take once a signal came.
const GRACE: Duration = Duration::from_secs(1);

/// What stops a command early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal was closed.
    HangUp,
}

impl Signal {
    /// Exit code: 128 + the signal's number.
    pub fn code(self) -> Code {
        match self {
            Self::Interrupt => Code::Interrupted,
            Self::Terminate => Code::Terminated,
            Self::HangUp => Code::HungUp,
        }
    }

    fn failure(self) -> Failure {
        Failure::new(
            self.code(),
            match self {
                Self::Interrupt => "interrupted",
                Self::Terminate => "terminated",
                Self::HangUp => "terminated: the terminal was closed",
            },
        )
    }
}

/// How a write ended.
#[derive(Debug)]
pub enum WriteOutcome<T> {
    /// The service answered.
    Completed(Result<T>),
    /// Nobody knows: interrupted or out of time while it was in flight.
    Indeterminate(Failure),
}

/// Whether a write is on its way: told by what sends it, so that being cut off while only reading or pausing is not
/// taken for a write that nobody knows of.
#[derive(Debug, Default)]
pub struct SentMarker(AtomicBool);

impl SentMarker {
    /// Sends a write. An error is the service's word that it was not done.
    ///
    /// # Errors
    /// The write's own.
    pub async fn send<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.0.store(true, Ordering::Relaxed);
        let answer = write.await;
        if answer.is_err() {
            self.0.store(false, Ordering::Relaxed);
        }
        answer
    }

    /// Sent and not refused.
    pub fn sent(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether signals no longer stop podid, since they are for the program that it runs.
#[derive(Debug, Clone, Default)]
pub struct Yielded(Arc<AtomicBool>);

impl Yielded {
    /// Whether they are.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Deadline and interruption, shared by everything a command awaits.
#[derive(Debug, Clone)]
pub struct Deadline {
    started: Instant,
    timeout: Duration,
    /// Milliseconds that the deadline does not count.
    apart: Arc<AtomicU64>,
    /// Something was written, or may have been.
    wrote: Arc<AtomicBool>,
    /// Signals are another program's business from now on.
    yielded: Yielded,
    signal: watch::Receiver<Option<Signal>>,
}

impl Deadline {
    /// A deadline `timeout` from now.
    pub fn new(timeout: Duration, signal: watch::Receiver<Option<Signal>>) -> Self {
        Self {
            started: Instant::now(),
            timeout,
            apart: Arc::default(),
            wrote: Arc::default(),
            yielded: Yielded::default(),
            signal,
        }
    }

    /// The same for whoever hears the signals and may have to leave them to another program.
    #[must_use]
    pub fn yielding_through(self, yielded: Yielded) -> Self {
        Self { yielded, ..self }
    }

    /// From now on signals are left to the program that podid runs.
    ///
    /// # Errors
    /// The interruption, when one came before.
    pub fn yield_signals(&self) -> Result<()> {
        self.yielded.0.store(true, Ordering::SeqCst);
        self.check()
    }

    /// A deadline that nothing stops early: for what has a watchdog of its own. The sender is to be kept as long as the deadline.
    pub fn unhurried() -> (watch::Sender<Option<Signal>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self::new(Duration::from_hours(1), receiver))
    }

    /// Time left.
    pub fn left(&self) -> Duration {
        let apart = Duration::from_millis(self.apart.load(Ordering::Relaxed));
        (self.timeout + apart).saturating_sub(self.started.elapsed())
    }

    /// Awaits an answer of the user; the time it takes is not the command's.
    ///
    /// # Errors
    /// The interruption.
    pub async fn excluding_user_time<T>(&self, answer: impl Future<Output = T>) -> Result<T> {
        self.check()?;
        let since = Instant::now();
        let answered = tokio::select! {
            answer = answer => Ok(answer),
            signal = self.signalled() => Err(signal.failure()),
        };
        let took = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.apart.fetch_add(took, Ordering::Relaxed);
        answered
    }

    /// The failure to report when the deadline passes while doing `what`.
    pub fn timed_out(&self, what: &str) -> Failure {
        let timeout = humantime::format_duration(self.timeout);
        Failure::new(Code::TimedOut, format!("timed out after {timeout} while {what}"))
            .hint("allow more time with `--timeout`")
    }

    /// Fails when a signal came.
    ///
    /// # Errors
    /// The interruption.
    pub fn check(&self) -> Result<()> {
        match *self.signal.borrow() {
            Some(signal) => Err(signal.failure()),
            None => Ok(()),
        }
    }

    /// Fails when a signal came, or no time is left to begin `what`.
    ///
    /// # Errors
    /// The interruption, or the deadline.
    pub fn may_begin(&self, what: &str) -> Result<()> {
        self.check()?;
        if self.left().is_zero() { Err(self.timed_out(&format!("trying to {what}"))) } else { Ok(()) }
    }

    /// Awaits a read, or anything else that may be dropped at any time.
    ///
    /// # Errors
    /// The future's own, the deadline, or the interruption.
    pub async fn within<T>(&self, what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        tokio::select! {
            result = future => result,
            signal = self.signalled() => Err(signal.failure()),
            () = tokio::time::sleep(self.left()) => Err(self.timed_out(what)),
        }
    }

    /// Awaits what blocks, see [`aside`].
    ///
    /// # Errors
    /// The work's own, the deadline, or the interruption.
    pub async fn blocking<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.within(what, aside(what, work)).await
    }

    /// The same for a caller that cannot await: its thread is held, but no longer than this deadline allows.
    ///
    /// # Errors
    /// The work's own, the deadline, or the interruption.
    pub fn blocking_here<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // The caller's thread has a runtime already, and cannot wait on a second one.
        std::thread::scope(|scope| {
            let waits = || runtime()?.block_on(self.blocking(what, work));
            let thread = std::thread::Builder::new().spawn_scoped(scope, waits).map_err(|e| stopped(what, e))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Awaits a write (`what` is an order: "create role x"): once a signal came, it gets one more second, and then counts as unknown.
    pub async fn write<T>(&self, what: &str, future: impl Future<Output = Result<T>>) -> WriteOutcome<T> {
        if let Err(failure) = self.check() {
            return WriteOutcome::Indeterminate(failure);
        }
        tokio::pin!(future);
        let written = tokio::select! {
            biased;
            result = &mut future => WriteOutcome::Completed(result),
            signal = self.signalled() => match tokio::time::timeout(GRACE, &mut future).await {
                Ok(result) => WriteOutcome::Completed(result),
                Err(_) => WriteOutcome::Indeterminate(signal.failure()),
            },
            () = tokio::time::sleep(self.left()) => WriteOutcome::Indeterminate(self.timed_out(&format!("trying to {what}"))),
        };
        if !matches!(written, WriteOutcome::Completed(Err(_))) {
            self.wrote.store(true, Ordering::Relaxed);
        }
        written
    }

    /// Whether a write was carried out, or may have been.
    pub fn wrote(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    /// Pauses between two looks.
    ///
    /// # Errors
    /// The deadline, or the interruption.
    pub async fn pause(&self, what: &str, pause: Duration) -> Result<()> {
        self.within(what, async {
            self::pause(pause).await;
            Ok(())
        })
        .await
    }

    /// Awaits one event, but no longer than `tick`: `None` when nothing came. The future must be safe to drop.
    ///
    /// # Errors
    /// The deadline, or the interruption.
    pub async fn within_or_tick<T>(
        &self,
        what: &str,
        tick: Duration,
        future: impl Future<Output = T>,
    ) -> Result<Option<T>> {
        self.within(what, async { Ok(tokio::time::timeout(tick, future).await.ok()) }).await
    }

    async fn signalled(&self) -> Signal {
        let mut signal = self.signal.clone();
        match signal.wait_for(Option::is_some).await {
            Ok(signal) => signal.unwrap_or(Signal::Interrupt),
            // The sender lives as long as the command; without one nothing can interrupt.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Does what blocks, such as reading a pipe that nobody writes to, on a thread of its own. When nobody waits any more, the thread
/// is left behind.
///
/// # Errors
/// The work's own, or the system's when it starts no thread.
pub async fn aside<T: Send + 'static>(what: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, result) = oneshot::channel();
    // A receiver that is gone wants no result any more.
    let thread = std::thread::Builder::new().spawn(move || sender.send(work()).is_ok());
    thread.map_err(|e| stopped(what, e))?;
    result.await.unwrap_or_else(|_| Err(stopped(what, "a bug in podid")))
}

fn stopped(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("stopped while {what}")).because(why.to_string())
}

/// What a command waits on: one thread, as podid waits for networks. With several, the wake-up of the one that waits was seen to
/// get lost once in a hundred runs of many rollouts, and nothing, not even the deadline, ended the wait.
///
/// # Errors
/// When the system refuses it.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::failed("cannot start").because(e.to_string()))
}

/// Pauses in something that is dropped when nobody waits for it any more; everything else pauses through its [`Deadline`].
pub async fn pause(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// Whether SIGHUP is ignored, as `nohup` has it: then it stays so. Only Linux tells; elsewhere it counts as not ignored.
#[cfg(unix)]
pub fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Awaits what may be dropped at any time, but no longer than this, whatever the command's own deadline is.
///
/// # Errors
/// The future's own, or that it took too long.
pub async fn at_most<T>(limit: Duration, what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| {
        Err(Failure::new(Code::TimedOut, format!("timed out after {} while {what}", humantime::format_duration(limit))))
    };
    tokio::time::timeout(limit, future).await.unwrap_or_else(late)
}

/// Does something once the time is over, whatever else the process is busy with.
pub fn watchdog(left: Duration, bite: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        std::thread::sleep(left);
        bite();
    });
}

/// Pauses that grow, with a ceiling.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    /// From `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// The next pause, half as long again each time.
    pub fn step(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 3 / 2).min(self.most);
        pause
    }
}

#[cfg(test)]
mod tests;
