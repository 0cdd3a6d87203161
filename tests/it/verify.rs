//! `podid verify`: every failure that it knows, each in a world that differs from a healthy one in one field; and worlds in
//! which nothing is broken.

mod access;
mod alarms;
mod answers;
mod bundle;
mod carried;
mod causes;
mod chain;
mod clusters;
mod everything;
mod forms;
mod grants;
mod live;
mod logs;
mod pods;
mod remedies;
mod trust;
mod watch;
mod webhook;

use podid::checks::modes::Coverage;
use serde_json::Value;

use crate::support::{Env, Run};

/// One broken field, and what has to be said of it.
pub(crate) struct Row {
    /// Number of the failure in `checks::modes`.
    pub(crate) mode: u8,
    /// The world that is healthy without it: a scenario and what differs from that.
    pub(crate) base: &'static str,
    pub(crate) healthy: Vec<(&'static str, Value)>,
    /// The field that breaks it.
    pub(crate) field: (&'static str, Value),
    /// More arguments of `verify carts/carts`.
    pub(crate) args: &'static str,
    /// The check that finds it.
    pub(crate) id: &'static str,
    /// `failed`, or `warning` where it may still work.
    pub(crate) status: &'static str,
}

impl Row {
    /// A field of `carts-verified` that breaks it.
    pub(crate) fn new(mode: u8, field: (&'static str, Value), id: &'static str) -> Self {
        Self { mode, base: "carts-verified", healthy: Vec::new(), field, args: "", id, status: "failed" }
    }

    /// In a healthy world that differs in these.
    pub(crate) fn when(mut self, healthy: &[(&'static str, Value)]) -> Self {
        self.healthy = healthy.to_vec();
        self
    }

    /// With more arguments.
    pub(crate) fn with(mut self, args: &'static str) -> Self {
        self.args = args;
        self
    }

    /// It may still work.
    pub(crate) fn warns(mut self) -> Self {
        self.status = "warning";
        self
    }

    fn run(&self, fields: &[(&str, Value)]) -> Run {
        saved(&Env::with(self.base, fields), &format!("carts/carts {}", self.args))
    }
}

/// Runs `verify`, and again from what it saved, without any service: the verdict is the same in every world.
#[track_caller]
pub(crate) fn saved(env: &Env, args: &str) -> Run {
    let file = env.home.path().join("bundle.json").display().to_string();
    let live = env.podid(&format!("verify {args} -o json --save {file} --force"));
    if live.stdout.is_empty() {
        return live;
    }
    let again = bundle::offline(&["verify", "--from", &file, "-o", "json"]);
    let mut document = again.json();
    assert!(document.as_object_mut().unwrap().shift_remove("readFrom").is_some(), "{again}");
    assert_eq!(document, live.json(), "{args}\n{live}\n{again}");
    assert_eq!(again.code, live.code, "{args}\n{live}\n{again}");
    live
}

/// Ids of the findings of this status, in order.
pub(crate) fn ids(run: &Run, status: &str) -> Vec<String> {
    let findings = run.json()["reports"][0]["findings"].as_array().unwrap().clone();
    findings.iter().filter(|f| f["status"] == status).map(|f| f["id"].as_str().unwrap().to_owned()).collect()
}

/// Each row's check finds it, first and alone, and finds nothing once the field is restored.
#[track_caller]
pub(crate) fn prove(rows: &[Row]) {
    if carried::is_wanted() {
        rows.iter().for_each(carried::carry_out);
        return;
    }
    for row in rows {
        let name = format!("mode {} {} = {}", row.mode, row.field.0, row.field.1);
        let mut fields: Vec<(&str, Value)> = row.healthy.clone();
        let restored = row.run(&fields);
        assert_eq!(ids(&restored, "failed"), [""; 0], "{name}: the healthy world\n{restored}");
        assert!(!ids(&restored, row.status).iter().any(|id| id == row.id), "{name}: found without it\n{restored}");
        assert_eq!(restored.code, 0, "{name}: the healthy world\n{restored}");
        fields.push((row.field.0, row.field.1.clone()));
        let broken = row.run(&fields);
        let failed = ids(&broken, "failed");
        if row.status == "failed" {
            assert_eq!(failed, [row.id], "{name}\n{broken}");
            assert_eq!(broken.code, 3, "{name}\n{broken}");
        } else {
            assert_eq!(failed, [""; 0], "{name}\n{broken}");
            assert!(ids(&broken, row.status).iter().any(|id| id == row.id), "{name}\n{broken}");
        }
    }
}

/// Nothing is broken in a world that is healthy in its own way, and every core link is seen.
#[track_caller]
pub(crate) fn healthy(name: &str, base: &str, fields: &[(&str, Value)]) -> Run {
    let run = saved(&Env::with(base, fields), "carts/carts");
    assert_eq!(ids(&run, "failed"), [""; 0], "{name}\n{run}");
    assert_eq!(run.code, 0, "{name}\n{run}");
    run
}

/// Each failure that `--list-checks` says can be seen is shown by a row of these modules.
#[test]
fn every_failure_that_can_be_seen_has_its_world() {
    let text = [
        include_str!("verify/access.rs"),
        include_str!("verify/chain.rs"),
        include_str!("verify/pods.rs"),
        include_str!("verify/trust.rs"),
        include_str!("verify/webhook.rs"),
    ]
    .concat();
    let shown: std::collections::BTreeSet<u8> = regex::Regex::new(r"\b(?:Row::new|row|Row::\w+)\(\s*(\d+),")
        .unwrap()
        .captures_iter(&text)
        .map(|found| found[1].parse().unwrap())
        .collect();
    let seen = podid::checks::modes::MODES
        .iter()
        .filter(|mode| matches!(mode.coverage, Coverage::Detected { .. } | Coverage::Given { .. }))
        .map(|mode| mode.number);
    let without: Vec<u8> = seen.filter(|number| !shown.contains(number)).collect();
    assert_eq!(without, [0_u8; 0]);
}

#[test]
fn the_lab_is_sound() {
    let run = healthy("the lab", "carts-verified", &[]);
    assert_eq!(ids(&run, "warning"), [""; 0], "{run}");
}
