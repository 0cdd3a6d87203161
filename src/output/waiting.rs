//! Says which service podid waits for: a spinner at a terminal, below what else goes on, and a line now and then elsewhere.

use std::{sync::atomic::Ordering, time::Duration};

use indicatif::ProgressBar;

use super::{
    Term, lock,
    progress::{SELDOM, STEADY},
};

/// People wonder from here on.
const WONDERING: Duration = Duration::from_secs(2);

/// What is said at present.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    bar: Option<(String, ProgressBar)>,
    /// For how many times [`SELDOM`] it was said.
    said: u128,
}

impl Waiting {
    /// Whether a line is due for a wait that has taken so long.
    fn due(&mut self, waited: Duration) -> bool {
        let times = waited.as_millis() / SELDOM.as_millis();
        let due = times > self.said;
        self.said = times;
        due
    }
}

impl Term {
    /// The call that has been waiting longest, if any: how long it has, and for whom.
    pub fn waits_for(&self, call: Option<(Duration, String)>) {
        let mut waiting = lock(&self.0.waiting);
        let call = call.filter(|(waited, _)| {
            !self.is_quiet() && !self.0.handed_over.load(Ordering::Relaxed) && *waited >= WONDERING
        });
        if !self.draws_bars() {
            match call {
                Some((waited, place)) if waiting.due(waited) => {
                    drop(waiting);
                    self.status(format_args!("waiting for {place} ({} s)", waited.as_secs()));
                }
                Some(_) => {}
                None => waiting.said = 0,
            }
            return;
        }
        let same = matches!((&waiting.bar, &call), (Some((at, _)), Some((_, place))) if at == place);
        if same {
            return;
        }
        if let Some((_, bar)) = waiting.bar.take() {
            bar.finish_and_clear();
            if let Some(bars) = self.0.bars.get() {
                bars.remove(&bar);
            }
        }
        if let Some((waited, place)) = call {
            let bar = self.bar("{spinner} waiting for {msg} ({elapsed})").with_elapsed(waited);
            bar.set_message(self.plain(&place));
            bar.enable_steady_tick(STEADY);
            waiting.bar = Some((place, bar));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TermSettings;

    /// Tells that EKS has been waited for so long.
    fn wait(term: &Term, seconds: u64) {
        term.waits_for(Some((Duration::from_secs(seconds), "EKS at https://eks.us-west-2.amazonaws.com".to_owned())));
    }

    #[test]
    fn without_a_terminal_it_is_said_every_ten_seconds() {
        let term = Term::test(false, false, 80);
        for seconds in 0..25 {
            wait(&term, seconds);
        }
        term.waits_for(None);
        wait(&term, 11);
        insta::assert_snapshot!(term.stderr(), @r"
        waiting for EKS at https://eks.us-west-2.amazonaws.com (10 s)
        waiting for EKS at https://eks.us-west-2.amazonaws.com (20 s)
        waiting for EKS at https://eks.us-west-2.amazonaws.com (11 s)
        ");
    }

    #[test]
    fn quiet_says_nothing() {
        let quiet = TermSettings { quiet: true, ..TermSettings::default() };
        let term = Term::test_with(quiet, false, false, 80);
        wait(&term, 30);
        assert_eq!(term.stderr(), "");
    }

    #[test]
    fn at_a_terminal_one_spinner() {
        let term = Term::test(true, true, 80);
        let shown = || lock(&term.0.waiting).bar.is_some();
        wait(&term, 1);
        assert!(!shown());
        wait(&term, 2);
        assert!(shown());
        term.waits_for(None);
        assert!(!shown());
    }
}
