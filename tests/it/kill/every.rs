//! Every command that changes something, killed before each of its writes, and after it and before the answer; interrupted in the
//! first. A second run finishes the work: the world is as after an undisturbed run, and nothing was written twice.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use podid::model::permissions::COMMANDS;
use serde_json::Value;

use super::{End, end, frozen, signal};
use crate::{
    iam_policy::proof::lines::{Line, lines},
    support::{Env, SOON, at_once, finish},
};

const AT_ONCE: usize = 8;

fn begin(line: &Line) -> Env {
    let env = Env::with(line.scenario, &line.set);
    env.world.wait_until(SOON, line.once).unwrap();
    env.world.journal().clear();
    env
}

fn writes(env: &Env) -> u64 {
    env.world.journal().calls().iter().filter(|call| call.write).count().try_into().unwrap()
}

/// A line and what it comes to undisturbed.
struct Undisturbed {
    line: Line,
    after: End,
    writes: u64,
}

/// The lines that end well and write, of the commands that no other test kills after each request.
fn changing() -> Vec<Undisturbed> {
    let lines: Vec<Line> = COMMANDS.iter().flat_map(|(name, _)| lines(name)).filter(|line| line.code == 0).collect();
    let tried = at_once(AT_ONCE, &lines, |line| {
        let env = begin(line);
        let _ = env.podid(&line.words).ok();
        (end(&env), writes(&env))
    });
    let all = lines.into_iter().zip(tried).map(|(line, (after, writes))| Undisturbed { line, after, writes });
    all.filter(|one| one.writes > 0).collect()
}

#[track_caller]
fn finished(one: &Undisturbed, env: &Env, how: &str) {
    let words = &one.line.words;
    let mut again = env.podid(words);
    // The agent was installed just before: until its pods are ready, `migrate run` refuses and says why.
    let late = Instant::now() + Duration::from_secs(30);
    while again.code == 2 && again.stderr.contains("(migrate.nodes)") && Instant::now() < late {
        again = env.podid(words);
    }
    let calls = env.operations();
    assert_eq!(again.code, 0, "{words}: {how}: {calls:?}\n{again}");
    let (mut now, mut then) = (end(env), one.after.clone());
    if words.starts_with("recycle") {
        // A restart that was asked for, whose rollout has ended meanwhile, is done again when it is asked for again.
        for stand in now.workloads.values_mut().chain(then.workloads.values_mut()) {
            stand.generation = Value::Null;
        }
    }
    assert_eq!(now, then, "{words}: {how}: {calls:?}\n{again}");
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn before_and_after_each_write() {
    let changing = changing();
    let commands: BTreeSet<&str> = changing.iter().filter_map(|one| one.line.words.split(' ').next()).collect();
    assert_eq!(
        Vec::from_iter(commands),
        [
            "addon",
            "agent",
            "apply",
            "associate",
            "audit",
            "copy",
            "disassociate",
            "migrate",
            "policy",
            "recycle",
            "role"
        ]
    );
    let cases: Vec<(&Undisturbed, u64, bool)> =
        changing.iter().flat_map(|one| (1..=one.writes).flat_map(move |n| [(one, n, false), (one, n, true)])).collect();
    at_once(AT_ONCE, &cases, |(one, number, carried_out)| {
        let env = begin(&one.line);
        env.world.faults().freeze_at_write(*number, *carried_out);
        let mut child = env.begin(&one.line.words);
        if frozen(&env, &mut child) {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        assert!(env.world.faults().wait_given_up(SOON));
        env.world.faults().thaw();
        let when = if *carried_out { "after" } else { "before" };
        finished(one, &env, &format!("killed {when} write {number}"));
    });
}

/// Interrupted while the first write is under way: it ends in time with the signal's code, and its summary is true.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn interrupted_in_the_first_write() {
    let changing = changing();
    let cases: Vec<_> = changing.iter().zip([("INT", 130), ("TERM", 143)].into_iter().cycle()).collect();
    at_once(AT_ONCE, &cases, |(one, (name, code))| {
        let env = begin(&one.line);
        env.world.faults().freeze_at_write(1, true);
        let words = format!("{} -o json", one.line.words);
        let mut child = env.begin(&words);
        assert!(frozen(&env, &mut child), "{words}");
        signal(&child, name);
        let start = Instant::now();
        let run = finish(child);
        assert_eq!(run.code, *code, "{words}\n{run}");
        assert!(start.elapsed() < Duration::from_secs(5), "{words}: {:?}\n{run}", start.elapsed());
        // What was under way may have been done or not: neither is said of it.
        let steps = run.json()["steps"].as_array().cloned().unwrap_or_default();
        let of = |status: &str| steps.iter().filter(|step| step["status"] == status).count();
        assert!(of("unknown") >= 1 && of("done") == 0, "{words}: {steps:#?}");
        assert!(env.world.faults().wait_given_up(SOON));
        env.world.faults().thaw();
        finished(one, &env, &format!("signal {name} in the first write"));
    });
}
