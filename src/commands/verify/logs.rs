//! `--no-logs`, `--tail` and `--since`: what is read of the containers' logs.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use crate::{args, observe::verify::Logs};

/// What is read of the containers' logs.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Do not read logs
    #[arg(long)]
    no_logs: bool,
    /// Number of lines to read from the end of each log
    #[arg(long, value_name = "LINES", default_value_t = Logs::default().lines, value_parser = clap::value_parser!(u32).range(1..=5000), conflicts_with = "no_logs")]
    tail: u32,
    /// Read only log lines newer than this, such as 10m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = args::duration, conflicts_with = "no_logs")]
    since: Option<Duration>,
}

impl LogArgs {
    /// What is wanted, unless nothing is.
    pub(super) fn wanted(&self) -> Option<Logs> {
        let since = self.since.map(|since| SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX));
        (!self.no_logs).then_some(Logs { lines: self.tail, since })
    }
}
