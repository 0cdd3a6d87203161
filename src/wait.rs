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

/// Deadline and interruption, shared by everything a command awaits.
#[derive(Debug, Clone)]
pub struct Deadline {
    started: Instant,
    timeout: Duration,
    /// Milliseconds that the deadline does not count.
    apart: Arc<AtomicU64>,
    /// Something was written, or may have been.
    wrote: Arc<AtomicBool>,
    signal: watch::Receiver<Option<Signal>>,
}

impl Deadline {
    /// A deadline `timeout` from now.
    pub fn new(timeout: Duration, signal: watch::Receiver<Option<Signal>>) -> Self {
        Self { started: Instant::now(), timeout, apart: Arc::default(), wrote: Arc::default(), signal }
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
mod tests {
    use super::*;

    fn deadline(timeout: Duration) -> (watch::Sender<Option<Signal>>, Deadline) {
        let (sender, receiver) = watch::channel(None);
        (sender, Deadline::new(timeout, receiver))
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_obeys_the_deadline() {
        let (_sender, deadline) = deadline(Duration::from_millis(1));
        let failure = deadline.within("reading", std::future::pending::<Result<()>>()).await.unwrap_err();
        assert_eq!(failure.code, Code::TimedOut);
        assert!(failure.message.contains("while reading"), "{failure}");
    }

    #[tokio::test]
    async fn what_blocks_for_ever_ends_with_a_signal_or_the_deadline() {
        let (sender, deadline) = deadline(Duration::from_millis(20));
        let for_ever = || loop {
            std::thread::park();
        };
        let failure = deadline.blocking::<()>("reading", for_ever).await.unwrap_err();
        assert_eq!(failure.code, Code::TimedOut);
        sender.send_replace(Some(Signal::Interrupt));
        assert_eq!(deadline.blocking::<()>("reading", for_ever).await.unwrap_err().code, Code::Interrupted);
        let (_sender, deadline) = self::deadline(Duration::from_mins(1));
        assert_eq!(deadline.blocking("reading", || Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_blocks_for_ever_ends_too_where_nothing_can_be_awaited() {
        let (sender, deadline) = deadline(Duration::from_millis(20));
        let for_ever = || loop {
            std::thread::park();
        };
        assert_eq!(deadline.blocking_here::<()>("reading", for_ever).unwrap_err().code, Code::TimedOut);
        sender.send_replace(Some(Signal::Interrupt));
        assert_eq!(deadline.blocking_here::<()>("reading", for_ever).unwrap_err().code, Code::Interrupted);
        let (_sender, deadline) = self::deadline(Duration::from_mins(1));
        assert_eq!(deadline.blocking_here("reading", || Ok(7)).unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_gets_a_second_after_a_signal() {
        let (sender, deadline) = deadline(Duration::from_mins(1));
        sender.send_replace(None);
        let write = async {
            sender.send_replace(Some(Signal::Terminate));
            tokio::time::sleep(Duration::from_millis(900)).await;
            Ok(7)
        };
        assert!(matches!(deadline.write("writing", write).await, WriteOutcome::Completed(Ok(7))));
        let (sender, deadline) = self::deadline(Duration::from_mins(1));
        let write = async {
            sender.send_replace(Some(Signal::Interrupt));
            tokio::time::sleep(Duration::from_millis(1100)).await;
            Ok(7)
        };
        let WriteOutcome::Indeterminate(failure) = deadline.write("writing", write).await else {
            panic!("it was cut off")
        };
        assert_eq!(failure.code, Code::Interrupted);
    }

    #[tokio::test(start_paused = true)]
    async fn thinking_is_not_counted() {
        let (_sender, deadline) = deadline(Duration::from_millis(50));
        let before = deadline.left();
        deadline.excluding_user_time(async { std::thread::sleep(Duration::from_millis(80)) }).await.unwrap();
        assert!(!deadline.left().is_zero() && deadline.left() <= before, "{:?} of {before:?}", deadline.left());
    }

    #[tokio::test]
    async fn only_what_was_sent_and_not_refused_is_unknown() {
        let flight = SentMarker::default();
        assert!(!flight.sent());
        flight.send(async { Err::<(), _>(Failure::failed("no")) }).await.unwrap_err();
        assert!(!flight.sent());
        flight.send(async { Ok(()) }).await.unwrap();
        assert!(flight.sent());
    }

    #[test]
    fn the_watchdog_waits_for_nobody() {
        let (sender, bitten) = std::sync::mpsc::channel();
        watchdog(Duration::from_millis(1), move || sender.send(()).unwrap());
        bitten.recv_timeout(Duration::from_mins(1)).unwrap();
    }

    #[test]
    fn back_off_grows_to_its_ceiling() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_millis(400));
        let pauses: Vec<u128> = (0..4).map(|_| backoff.step().as_millis()).collect();
        assert_eq!(pauses, [200, 300, 400, 400]);
    }
}
