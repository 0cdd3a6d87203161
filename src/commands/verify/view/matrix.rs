//! Many service accounts at a glance: a row for each, a column for each group of checks. Short words, so that 80 columns hold all.

use super::{tone, worst};
use crate::{
    checks::{Link, Outcome, Report, Status},
    output::{
        styles::Tone,
        table::{Cell, Column, Table},
    },
};

/// The groups in the order of the checks; what a terminal is too narrow for goes from the end.
const GROUPS: &[(&str, &[Link])] = &[
    ("AGENT", &[Link::Cluster, Link::Agent, Link::Nodes, Link::Network]),
    ("ASSOC", &[Link::Association, Link::ServiceAccount]),
    ("PODS", &[Link::Workload, Link::Webhook, Link::PodSpec, Link::Restart]),
    ("CREDS", &[Link::Override, Link::Identity, Link::Live]),
    ("ROLE", &[Link::Role, Link::Trust, Link::TargetRole]),
    ("PERMS", &[Link::Permissions]),
    ("APP", &[Link::App]),
];

pub(super) fn table(reports: &[Report]) -> Table {
    let mut columns = vec![Column::new("SERVICE ACCOUNT"), Column::new("RESULT")];
    columns.extend(GROUPS.iter().map(|(title, _)| Column::new(title).priority(5)));
    let mut table = Table::new(&columns);
    for report in reports {
        let tone = match report.outcome {
            Outcome::Ok => Tone::Good,
            Outcome::Warning | Outcome::Incomplete => Tone::Warn,
            Outcome::Failed => Tone::Bad,
        };
        let mut row = vec![Cell::new(report.title()), Cell::new(report.outcome.word()).tone(tone)];
        row.extend(GROUPS.iter().map(|(_, links)| cell(report, links)));
        table.row(row);
    }
    table
}

/// The worst of a group.
fn cell(report: &Report, links: &[Link]) -> Cell {
    let Some(status) = worst(report, links) else { return Cell::new("-").tone(Tone::Dim) };
    let word = match status {
        Status::Failed => "fail",
        Status::Warning => "warn",
        Status::Unknown => "?",
        Status::Ok => "ok",
        Status::Skipped => "skip",
    };
    Cell::new(word).tone(tone(status))
}
