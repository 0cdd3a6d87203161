//! Deadlines, signals and pauses.

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
    let WriteOutcome::Indeterminate(failure) = deadline.write("writing", write).await else { panic!("it was cut off") };
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
