//! The terminal: the only place that prints. Data goes to stdout, talk to stderr.

pub mod age;
pub mod block;
mod choices;
pub mod diff;
pub mod error;
pub mod fit;
mod gate;
pub mod json;
pub mod log;
pub mod markdown;
pub mod mask;
pub mod plan;
pub mod progress;
pub mod prompt;
pub mod streams;
pub mod styles;
pub mod table;
mod waiting;

use std::{
    fmt,
    io::{self, BufRead, BufReader, Write},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::MultiProgress;
use jiff::Timestamp;
use serde::Serialize;

pub use self::{
    block::Block,
    choices::{Ci, ColorChoice, Format, Output, TermSettings},
    fit::Hidden,
    log::init_logging,
    plan::{PlanLine, Sign},
    progress::Progress,
    prompt::Answer,
    streams::Streams,
    styles::{Glyph, Paint, Tone},
    table::{Cell, Column, Table, TableView},
};
use crate::failure::{Failure, Result};
#[cfg(test)]
pub(crate) use gate::has_command as is_command;
use gate::{Commands, Gate};
use waiting::Waiting;

/// The terminal, or what stands in for it. Cheap to clone.
#[derive(Clone)]
pub struct Term(Arc<Inner>);

struct Inner {
    settings: TermSettings,
    streams: Streams,
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    input: Mutex<Box<dyn BufRead + Send>>,
    out_closed: AtomicBool,
    out_failed: AtomicBool,
    /// Another program has the terminal.
    handed_over: AtomicBool,
    /// What was done and not printed, as `--quiet` asks.
    unsaid: Mutex<Vec<String>>,
    bars: OnceLock<MultiProgress>,
    waiting: Mutex<Waiting>,
    /// The plan that was shown last with every document in full, when that is more than was shown.
    full_plan: Mutex<Option<String>>,
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Term").field("settings", &self.0.settings).field("streams", &self.0.streams).finish()
    }
}

/// A writer that panicked half-way has still been written to.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Term {
    /// The process's own terminal.
    pub fn new(settings: TermSettings) -> Self {
        let (streams, out, err) = Streams::detect(settings.color);
        Self::with_streams(settings, streams, out, err)
    }

    /// A terminal over other writers.
    pub fn with_streams(
        settings: TermSettings,
        mut streams: Streams,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
    ) -> Self {
        // Whoever asks for annotations is such a runner, or its output is handed on to one.
        streams.commands |= settings.ci == Some(Ci::Github);
        Self(Arc::new(Inner {
            settings,
            streams,
            out: Mutex::new(out),
            err: Mutex::new(err),
            input: Mutex::new(Box::new(BufReader::new(io::stdin()))),
            out_closed: AtomicBool::new(false),
            out_failed: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            unsaid: Mutex::default(),
            bars: OnceLock::new(),
            waiting: Mutex::default(),
            full_plan: Mutex::default(),
        }))
    }

    /// Reads answers from somewhere else than stdin.
    pub fn set_input(&self, input: Box<dyn BufRead + Send>) {
        *lock(&self.0.input) = input;
    }

    /// `--output`.
    pub fn format(&self) -> Format {
        self.0.settings.format
    }

    /// The report that `--output` asks for.
    pub fn ci(&self) -> Option<Ci> {
        self.0.settings.ci
    }

    /// True for JSON and YAML.
    pub fn is_structured(&self) -> bool {
        matches!(self.format(), Format::Json | Format::Yaml)
    }

    /// `--quiet`.
    pub fn is_quiet(&self) -> bool {
        self.0.settings.quiet
    }

    /// How often `--verbose` was given.
    pub fn verbosity(&self) -> u8 {
        self.0.settings.verbose
    }

    /// What is known about the streams.
    pub fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// True when somebody is there to answer: stdin and stderr are terminals, and `CI` is not set.
    pub fn can_prompt(&self) -> bool {
        let s = &self.0.streams;
        s.in_tty && s.err_tty && !s.ci
    }

    /// Now, for ages.
    pub fn now(&self) -> Timestamp {
        self.0.streams.now.unwrap_or_else(Timestamp::now)
    }

    /// Paint for stdout.
    pub fn out_paint(&self) -> Paint {
        Paint { color: self.0.streams.out_color }
    }

    /// Paint for stderr.
    pub fn err_paint(&self) -> Paint {
        Paint { color: self.0.streams.err_color }
    }

    /// True when stderr is a terminal that shows `✔`.
    pub fn has_glyphs(&self) -> bool {
        self.0.streams.err_tty && self.0.streams.unicode
    }

    // Data.

    /// Writes data to stdout. A reader that went away is no failure: there is nobody left to tell.
    pub fn emit(&self, data: &str) -> Result<()> {
        self.put(&self.out_gate().pass(data))
    }

    /// Writes a report for a CI system: workflow commands of podid's own may begin a line, and nothing is painted.
    pub fn emit_report(&self, data: &str) -> Result<()> {
        self.put(&Gate { color: false, commands: Commands::Own }.pass(data))
    }

    fn out_gate(&self) -> Gate {
        Gate { color: self.0.streams.out_color, commands: self.commands() }
    }

    /// What a bar may show.
    fn plain(&self, text: &str) -> String {
        Gate { color: false, ..self.err_gate() }.pass(text).into_owned()
    }

    fn err_gate(&self) -> Gate {
        Gate { color: self.0.streams.err_color, commands: self.commands() }
    }

    fn commands(&self) -> Commands {
        if self.0.streams.commands { Commands::None } else { Commands::Any }
    }

    /// Writes to stdout as it is.
    fn put(&self, data: &str) -> Result<()> {
        if data.is_empty() || self.out_closed() {
            return Ok(());
        }
        let write = || {
            let mut out = lock(&self.0.out);
            out.write_all(data.as_bytes()).and_then(|()| out.flush())
        };
        match if self.0.streams.out_tty { self.aside(write) } else { write() } {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.0.out_closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.0.out_failed.store(true, Ordering::Relaxed);
                Err(Failure::failed("cannot write to standard output").because(error.to_string()))
            }
        }
    }

    /// What was done and not printed, as `--quiet` asks.
    pub fn unsaid(&self) -> Vec<String> {
        lock(&self.0.unsaid).clone()
    }

    /// True once stdout could not be written to.
    pub fn out_failed(&self) -> bool {
        self.0.out_failed.load(Ordering::Relaxed)
    }

    /// True once the reader of stdout went away: a command that only reads may stop.
    pub fn out_closed(&self) -> bool {
        self.0.out_closed.load(Ordering::Relaxed)
    }

    /// Writes data that takes the place of what is on the screen; the same as [`Term::emit`] where there is no screen.
    pub fn redraw(&self, data: &str) -> Result<()> {
        let data = self.out_gate().pass(data);
        if self.0.streams.out_tty { self.put(&format!("\u{1b}[2J\u{1b}[H{data}")) } else { self.put(&data) }
    }

    /// Writes a line of data. It stays one, whatever a name in it holds.
    pub fn emit_line(&self, line: impl fmt::Display) -> Result<()> {
        self.emit(&format!("{}\n", line.to_string().trim_end_matches('\n').replace('\n', "\\n")))
    }

    /// Writes credentials for another program: the only secrets that are printed. Nothing in them is foreign, nor masked.
    pub fn emit_credentials(&self, document: &impl Serialize) -> Result<()> {
        self.put(&json::pretty(document)?)
    }

    /// Leaves the terminal to another program: nothing moves on it any more, and no wait is told.
    pub fn hand_over(&self) {
        self.waits_for(None);
        self.0.handed_over.store(true, Ordering::Relaxed);
    }

    /// Writes JSON.
    pub fn emit_json(&self, document: &impl Serialize) -> Result<()> {
        self.emit(&json::pretty(document)?)
    }

    /// Writes YAML.
    pub fn emit_yaml(&self, document: &impl Serialize) -> Result<()> {
        self.emit(&json::yaml(document)?)
    }

    /// Writes a table.
    pub fn emit_table(&self, table: &Table) -> Result<()> {
        let mut hidden = Hidden::default();
        self.emit(&table.render_noting(&self.table_view(), &mut hidden))?;
        self.tell_hidden(&hidden);
        Ok(())
    }

    /// Writes a block of keys and values.
    pub fn emit_block(&self, block: &Block) -> Result<()> {
        let mut hidden = Hidden::default();
        self.emit(&block.render_noting(&self.table_view(), &mut hidden))?;
        self.tell_hidden(&hidden);
        Ok(())
    }

    /// A table between lines of text, with a line for what the terminal is too narrow for.
    pub fn table_within_text(&self, table: &Table) -> String {
        let (view, mut hidden) = (self.table_view().within_text(), Hidden::default());
        let mut out = table.render_noting(&view, &mut hidden);
        if let Some(note) = hidden.note() {
            out.push_str(&view.paint.paint(Tone::Dim, block::hanging(&note, 0, view.width)));
            out.push('\n');
        }
        out
    }

    /// Says what the terminal was too narrow for.
    fn tell_hidden(&self, hidden: &Hidden) {
        if let Some(note) = hidden.note() {
            self.note(note);
        }
    }

    /// Writes a result as `--output` asks: the document, the table, or the names.
    pub fn render<N: fmt::Display>(
        &self,
        document: &impl Serialize,
        table: impl FnOnce() -> Table,
        names: impl IntoIterator<Item = N>,
    ) -> Result<()> {
        match self.format() {
            Format::Json => self.emit_json(document),
            Format::Yaml => self.emit_yaml(document),
            Format::Table | Format::Wide => self.emit_table(&table()),
            Format::Name => {
                let names: Vec<String> =
                    names.into_iter().map(|name| table::one_line(&name.to_string()) + "\n").collect();
                self.emit(&names.concat())
            }
        }
    }

    /// How tables are to look here.
    pub fn table_view(&self) -> TableView {
        let wide = self.format() == Format::Wide;
        TableView {
            wide,
            tsv: !self.0.streams.out_tty,
            width: self.0.streams.width,
            relative: self.0.streams.out_tty && !wide,
            now: self.now(),
            paint: self.out_paint(),
            unicode: self.0.streams.unicode,
        }
    }

    // Talk.

    /// How wide talk may be; `None` is unlimited.
    fn talk_width(&self) -> Option<usize> {
        self.0.streams.width.filter(|_| self.0.streams.err_tty)
    }

    /// Says what is going on. Quiet: nothing.
    pub fn status(&self, text: impl fmt::Display) {
        if !self.is_quiet() {
            self.say(&format!("{text}\n"));
        }
    }

    /// Says that something is done. Quiet: nothing.
    pub fn success(&self, text: impl fmt::Display) {
        self.marked(Glyph::Done, text);
    }

    /// Says something with a sign before it, where signs can be shown. Quiet: nothing.
    pub fn marked(&self, glyph: Glyph, text: impl fmt::Display) {
        if self.is_quiet() {
            lock(&self.0.unsaid).push(text.to_string());
        }
        self.status(format_args!("{}{text}", glyph.prefix(self.has_glyphs(), self.err_paint())));
    }

    /// Warns; also when quiet.
    pub fn warn(&self, text: impl fmt::Display) {
        self.labelled(Tone::Warn, "warning", &text.to_string());
    }

    /// Names the next command. Quiet: nothing.
    pub fn hint(&self, text: impl fmt::Display) {
        if !self.is_quiet() {
            self.labelled(Tone::Accent, "hint", &text.to_string());
        }
    }

    /// Adds what is good to know. Quiet: nothing.
    pub fn note(&self, text: impl fmt::Display) {
        if !self.is_quiet() {
            self.labelled(Tone::Strong, "note", &text.to_string());
        }
    }

    /// Says why the command failed, as `--output` asks; also when quiet. Once, at the end.
    pub fn error(&self, failure: &Failure) {
        if !self.is_structured() {
            self.say(&error::text(failure, self.err_paint(), self.talk_width()));
        } else if !failure.message.is_empty() {
            self.say(&error::document(failure));
        }
    }

    /// A line of progress for a wait or a rollout; several stand side by side.
    pub fn progress(&self, subject: impl Into<String>) -> Progress {
        Progress::new(self, &subject.into())
    }

    fn labelled(&self, tone: Tone, label: &str, text: &str) {
        let mut out = String::new();
        error::push(&mut out, (label, tone), "", text, self.err_paint(), self.talk_width());
        self.say(&out);
    }

    /// Says how a command is used, when it was used wrongly.
    pub fn usage(&self, text: &clap::builder::StyledStr) {
        let painted = self.err_paint().color;
        self.say(&if painted { text.ansi().to_string() } else { text.to_string() });
    }

    /// Writes to stderr. Nobody can be told when that fails.
    fn say(&self, text: &str) {
        let text = self.err_gate().pass(text);
        if !text.is_empty() {
            self.aside(|| {
                let mut err = lock(&self.0.err);
                let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
            });
        }
    }

    /// Runs `write` while the bars are off the screen.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.0.bars.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

#[cfg(test)]
mod tests;
