//! Progress of waits and rollouts: spinners side by side at a terminal, otherwise a line per event.
//!
//! Never a percentage: nobody knows how long a cluster takes, so a line shows counts and the time that went by.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Glyph, Term, lock, mask::visible};

/// How often a count is said where each time is a line of its own: a log is read later, and by its length.
pub(super) const SELDOM: Duration = Duration::from_secs(10);

/// One line of progress. All clones are the same line; when the last goes without an end, so does the spinner.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Line>);

#[derive(Debug)]
struct Line {
    term: Term,
    subject: String,
    state: Mutex<State>,
    bar: Option<ProgressBar>,
    /// Every change becomes a line of its own.
    lines: bool,
}

#[derive(Debug, Default)]
struct State {
    said: String,
    counted: Option<Instant>,
    ended: bool,
}

impl State {
    /// Whether a count is said now: not at first, as most are at their end by then.
    fn due(&mut self, now: Instant) -> bool {
        let counted = *self.counted.get_or_insert(now);
        let due = now - counted >= SELDOM;
        if due {
            self.counted = Some(now);
        }
        due
    }
}

impl Progress {
    pub(super) fn new(term: &Term, subject: &str) -> Self {
        let shown = !term.is_quiet();
        let bars = shown && term.draws_bars();
        let subject = visible(subject);
        let bar = bars.then(|| spinner(term, &subject));
        let line = Line { term: term.clone(), subject, state: Mutex::default(), bar, lines: shown && !bars };
        Self(Arc::new(line))
    }

    /// Says how far it is. The same text twice is said once.
    pub fn update(&self, text: impl Into<String>) {
        let text = visible(&text.into());
        let mut state = lock(&self.0.state);
        if state.ended || state.said == text {
            return;
        }
        if let Some(bar) = &self.0.bar {
            bar.set_message(self.0.term.plain(&text));
        } else if self.0.lines {
            self.0.term.status(format_args!("{}: {text}", self.0.subject));
        }
        state.said = text;
    }

    /// Says how many there are so far: at a terminal each time, in lines every so often.
    pub fn count(&self, text: impl Into<String>) {
        if !self.0.lines || lock(&self.0.state).due(Instant::now()) {
            self.update(text);
        }
    }

    /// Ends it well.
    pub fn done(&self, text: impl Into<String>) {
        self.end(Glyph::Done, &text.into());
    }

    /// Ends it badly. The failure itself is said by the error at the end, so quiet hides this too.
    pub fn fail(&self, text: impl Into<String>) {
        self.end(Glyph::Failed, &text.into());
    }

    /// Takes the line away without a word.
    pub fn clear(&self) {
        lock(&self.0.state).ended = true;
        self.0.remove();
    }

    fn end(&self, glyph: Glyph, text: &str) {
        if std::mem::replace(&mut lock(&self.0.state).ended, true) {
            return;
        }
        self.0.remove();
        self.0.term.marked(glyph, format_args!("{}: {}", self.0.subject, visible(text)));
    }
}

impl Line {
    fn remove(&self) {
        if let (Some(bar), Some(bars)) = (&self.bar, self.term.0.bars.get()) {
            bar.finish_and_clear();
            bars.remove(bar);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.remove();
    }
}

fn spinner(term: &Term, subject: &str) -> ProgressBar {
    let bar = term.bar("{spinner} {prefix}: {msg} ({elapsed})").with_prefix(term.plain(subject));
    bar.enable_steady_tick(STEADY);
    bar
}

/// How often a spinner turns.
pub(super) const STEADY: Duration = Duration::from_millis(120);

impl Term {
    /// Whether progress is drawn, rather than told line by line.
    pub(super) fn draws_bars(&self) -> bool {
        !self.0.settings.no_progress && self.0.streams.movable && !self.0.streams.ci
    }

    /// A spinner below the others.
    pub(super) fn bar(&self, template: &str) -> ProgressBar {
        let bars = self.0.bars.get_or_init(|| {
            // A test's terminal is not the process's: there the spinner turns unseen.
            let target =
                if self.0.streams.now.is_some() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
            MultiProgress::with_draw_target(target)
        });
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_chars(if self.has_glyphs() { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " } else { "|/-\\ " });
        bars.add(ProgressBar::new_spinner().with_style(style))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_said_every_so_often() {
        let (begun, mut state) = (Instant::now(), State::default());
        let said: Vec<u64> = (0..45).filter(|s| state.due(begun + Duration::from_secs(*s))).collect();
        assert_eq!(said, [10, 20, 30, 40]);
    }
}
