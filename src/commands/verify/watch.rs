//! `podid verify --watch`: the checks again and again, until all of them pass or the time is up.

use std::{collections::BTreeMap, time::Duration};

use super::{Checked, Verify, ci, view};
use crate::{
    checks::{Outcome, Report},
    commands::shared,
    context::Context,
    failure::{Code, Failure, Result},
    model::text::{count, listed},
    output::{Format, json},
};

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(5);

/// Rounds that may fail in a row before the watch is given up: API servers are replaced now and then.
const FAULTS: u32 = 3;

/// Service accounts that the last error names.
const NAMED: usize = 5;

impl Verify {
    /// Repeats the checks. Ends with 0 once all pass, and with the code of a timeout when they do not in time.
    pub(super) async fn watch(&self, ctx: &Context) -> Result<Code> {
        let mut before: Option<Vec<Report>> = None;
        let mut faults = 0;
        loop {
            match self.read_and_check(ctx, before.is_none()).await {
                Ok(checked) => {
                    faults = 0;
                    if before.as_ref() != Some(&checked.reports) {
                        self.show_changes(ctx, before.as_deref(), &checked)?;
                    }
                    let passed = checked.reports.iter().all(|report| self.passes(report));
                    if passed || ctx.term.out_closed() {
                        return Ok(Code::Ok);
                    }
                    before = Some(checked.reports);
                }
                Err(failure) if failure.code == Code::TimedOut => {
                    return Err(self.time_is_up(before.as_deref(), failure));
                }
                Err(failure) if failure.code == Code::Failed && before.is_some() && faults < FAULTS => {
                    faults += 1;
                    ctx.term.warn(format!("could not check: {failure}"));
                }
                Err(failure) => return Err(failure),
            }
            if let Err(failure) = ctx.deadline.pause("waiting for all checks to pass", EVERY).await {
                return Err(self.time_is_up(before.as_deref(), failure));
            }
        }
    }

    /// `stopped`: why no more rounds are made; a signal is passed on as it is.
    fn time_is_up(&self, last: Option<&[Report]>, stopped: Failure) -> Failure {
        let Some(reports) = last.filter(|_| stopped.code == Code::TimedOut) else { return stopped };
        let left: Vec<String> = reports
            .iter()
            .filter(|report| !self.passes(report))
            .map(|report| format!("{} ({}: {})", report.title(), report.outcome.word(), self.why(report)))
            .collect();
        let verb = if left.len() == 1 { "does" } else { "do" };
        let said = format!("{} {verb} not pass yet: {}", count(left.len(), "service account"), listed(&left, NAMED));
        Failure::new(Code::TimedOut, said).because(stopped.to_string())
    }

    fn show_changes(&self, ctx: &Context, before: Option<&[Report]>, now: &Checked) -> Result<()> {
        match ctx.term.format() {
            Format::Json => ctx.term.emit(&json::line(&now.document())),
            Format::Yaml => {
                ctx.term.emit("---\n")?;
                ctx.term.emit_yaml(&now.document())
            }
            Format::Table | Format::Wide if ctx.term.streams().out_tty => {
                ctx.term.redraw(&view::text(&now.reports, &now.cluster.name, &ctx.term))
            }
            Format::Table | Format::Wide | Format::Name => self.emit_changes(ctx, before, &now.reports),
        }
    }

    /// A line for each service account that is not as it was.
    fn emit_changes(&self, ctx: &Context, before: Option<&[Report]>, now: &[Report]) -> Result<()> {
        let states = |reports: &[Report]| -> BTreeMap<String, String> {
            let state = |report: &Report| format!("{}\t{}", report.outcome.word(), self.why(report));
            reports.iter().map(|report| (report.title(), state(report))).collect()
        };
        let (old, new) = (before.map(states).unwrap_or_default(), states(now));
        shared::emit_changes(ctx, &old, &new)
    }

    /// The checks that count against it, or what could not be read.
    fn why(&self, report: &Report) -> String {
        let counting = report.findings.iter().filter(|finding| ci::counts(finding, self.strict));
        let ids: Vec<&str> = counting.map(|finding| finding.check.id).collect();
        if ids.is_empty() && report.outcome == Outcome::Incomplete { report.reasons() } else { ids.join(", ") }
    }
}
