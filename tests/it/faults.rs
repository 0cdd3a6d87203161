//! Every operation that podid asks for, and every way in which it can go wrong: what the run comes to. The lines are those that
//! prove the permissions, so that an operation without a line fails there; the table of outcomes is `faults/table.txt`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::{Duration, Instant},
};

use podid::model::permissions::COMMANDS;
use podid_sandbox::faults::{Action, Fault};

use crate::{
    generated::{holds, root},
    iam_policy::proof::lines::{Line, lines},
    support::{Env, Run, SOON, at_once, flagged},
};

/// Runs at once; most of their time they wait.
const AT_ONCE: usize = 8;

/// One way in which a call can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    ThrottledTwice,
    Throttled,
    ErrorOnce,
    Error,
    Slow,
    Reset,
    Truncated,
    Garbled,
    Denied,
    Expired,
}

use Way::{Denied, Error, ErrorOnce, Expired, Garbled, Reset, Slow, Throttled, ThrottledTwice, Truncated};

const WAYS: [(Way, &str); 10] = [
    (ThrottledTwice, "429 twice"),
    (Throttled, "429"),
    (ErrorOnce, "500 once"),
    (Error, "500"),
    (Slow, "slow"),
    (Reset, "cut once"),
    (Truncated, "truncated"),
    (Garbled, "garbled"),
    (Denied, "denied"),
    (Expired, "expired"),
];

impl Way {
    /// The rule that makes it happen. What it says ends in words by which it is known.
    fn fault(self, service: &str, operation: &str) -> Fault {
        let kube = service == "kubernetes";
        let error =
            |status, aws: &str, reason: &str, text: &str| Action::error(status, if kube { reason } else { aws }, text);
        let (times, action) = match self {
            ThrottledTwice | Throttled => {
                let (status, code) = if service == "iam" { (400, "Throttling") } else { (429, "ThrottlingException") };
                let times = if self == ThrottledTwice { 2 } else { u64::MAX };
                (times, error(status, code, "TooManyRequests", "Rate exceeded for a test"))
            }
            ErrorOnce | Error => {
                let times = if self == ErrorOnce { 1 } else { u64::MAX };
                (times, error(500, "InternalFailure", "InternalError", "broken for a test"))
            }
            Slow => (u64::MAX, Action::Delay(Duration::from_mins(2))),
            Reset => (1, Action::Drop),
            Truncated => (u64::MAX, Action::Truncate),
            Garbled => (u64::MAX, Action::Garble),
            Denied => {
                let text = if kube {
                    format!("pods is forbidden: User \"dev\" cannot {operation} in a test")
                } else {
                    format!("User: dev is not authorized to perform: {service}:{operation} on resource: * for a test")
                };
                let code = if service == "iam" { "AccessDenied" } else { "AccessDeniedException" };
                (u64::MAX, error(403, code, "Forbidden", &text))
            }
            Expired => {
                let code = if service == "iam" { "ExpiredToken" } else { "ExpiredTokenException" };
                let status = if kube { 401 } else { 403 };
                (u64::MAX, error(status, code, "Unauthorized", "The security token is expired for a test"))
            }
        };
        Fault { times, ..Fault::once(service, operation, action) }
    }

    /// Whether asking again helps.
    fn passes(self) -> bool {
        matches!(self, ThrottledTwice | ErrorOnce | Reset)
    }
}

/// A call as the journal names it.
type Operation = (String, String);

/// A line, and what it came to when nothing went wrong.
struct Healthy {
    line: Line,
    asked: BTreeSet<Operation>,
    writes: BTreeSet<(String, String)>,
    complaints: usize,
    took: Duration,
}

fn world(line: &Line) -> Env {
    let mut env = Env::with(line.scenario, &line.set);
    env.world.wait_until(SOON, line.once).unwrap();
    env.var("AWS_MAX_ATTEMPTS", "3");
    env.world.journal().clear();
    env
}

/// What was written and took effect. The same again (a client token, a document, the time of a restart) has no other effect.
fn written(env: &Env) -> BTreeSet<(String, String)> {
    let calls = env.world.journal().calls();
    let done = calls.iter().filter(|call| call.write && call.status.is_some_and(|status| status < 300));
    done.map(|call| (format!("{} {}", call.name(), call.target), call.body.to_string())).collect()
}

/// Each with how often it was written in different words.
fn kinds(written: &BTreeSet<(String, String)>) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for (what, _) in written {
        *kinds.entry(what.as_str()).or_insert(0) += 1;
    }
    kinds
}

/// How often it is said that something could not be seen or done.
fn complaints(run: &Run) -> usize {
    let said = format!("{}{}", run.stdout, run.stderr);
    ["for a test", "cannot", "could not", "not allowed", "not read", "not asked", "unknown", "unreadable"]
        .iter()
        .map(|words| said.matches(words).count())
        .sum()
}

fn healthy(line: &Line) -> Healthy {
    let env = world(line);
    let start = Instant::now();
    let run = env.podid(&line.words).code(line.code);
    let took = start.elapsed();
    let calls = env.world.journal().calls();
    let asked = calls.iter().map(|c| (c.service.clone(), c.operation.clone())).collect();
    Healthy { writes: written(&env), complaints: complaints(&run), asked, took, line: line.clone() }
}

/// What a run came to with a fault in its way.
struct Cell {
    outcome: &'static str,
    run: Run,
    /// What is wrong with it in any case.
    wrong: Vec<String>,
}

fn attempt(healthy: &Healthy, (service, operation): &Operation, way: Way) -> Cell {
    let line = &healthy.line;
    let env = world(line);
    env.world.faults().add(way.fault(service, operation));
    // Time for all that comes before the call.
    let time = healthy.took.as_secs() * 2 + if way == Slow { 3 } else { 20 };
    let words = line.words.split(" --timeout").next().unwrap();
    let start = Instant::now();
    let run = env.podid(&flagged(words, &format!("--timeout {time}s")));
    let took = start.elapsed();
    let said = format!("{}{}", run.stdout, run.stderr);
    let mut wrong = Vec::new();
    if env.world.faults().struck() == 0 {
        wrong.push("the fault never struck".to_owned());
    }
    if said.contains("panicked") || !(0..=6).contains(&run.code) {
        wrong.push("no orderly end".to_owned());
    }
    if took > Duration::from_secs(time + 5) {
        wrong.push(format!("it took {took:?}, the deadline was {time} s"));
    }
    let error = |line: &&str| line.starts_with("error: ") || line.starts_with("{\"error\"");
    let errors = run.stderr.lines().filter(error).count();
    let told = errors == 1 || matches!(run.code, 3 | 6) || line.words.starts_with("verify") && run.code == 4;
    if errors > 1 || run.code != line.code && !told {
        wrong.push(format!("{errors} errors"));
    }
    if errors == 1 && !run.stderr.contains("hint: ") && !run.stderr.contains("\"hints\":[\"") {
        wrong.push("no hint".to_owned());
    }
    // What took effect once takes effect once, whatever became of the answer.
    let (now, before) = (written(&env), kinds(&healthy.writes));
    let often = |(what, times): &(&str, usize)| *times > before.get(what).copied().unwrap_or(1);
    let repeated: Vec<(&str, usize)> = kinds(&now).into_iter().filter(often).collect();
    if !repeated.is_empty() {
        wrong.push(format!("written again: {repeated:?}"));
    }
    let same = run.code == line.code;
    let outcome = match run.code {
        _ if same && kinds(&now) == before && complaints(&run) <= healthy.complaints => "done",
        _ if same => "told",
        // Which of two limits comes first, the time or the attempts, is the machine's doing.
        1 | 5 => "fails",
        4 => "denied",
        6 => "midway",
        _ => "another end",
    };
    if way == Slow && !same && !said.contains("timed out") && !said.contains("no response") {
        wrong.push("not a word of the time".to_owned());
    }
    // An error leaves open whether a write to Kubernetes was done: what is no repetition of itself is not repeated. And of
    // probes each failure is told.
    let open = match way {
        ErrorOnce => ["create", "patch", "delete"].iter().any(|verb| operation.starts_with(verb)),
        Reset => matches!(operation.as_str(), "create pods (dry-run)" | "delete pods"),
        _ => false,
    };
    if way.passes() && !open && outcome != "done" {
        wrong.push(format!("{outcome}, though asking again helps"));
    }
    Cell { outcome, run, wrong }
}

/// The lines that end soon, the quicker commands first: each operation is tried with the first line that asks for it.
pub(crate) fn ending() -> Vec<Line> {
    const LAST: [&str; 11] = [
        "verify",
        "disassociate",
        "associate",
        "apply",
        "recycle",
        "migrate plan",
        "migrate run",
        "migrate rollback",
        "migrate finish",
        "copy",
        "audit --fix",
    ];
    let names = COMMANDS.iter().map(|(name, _)| *name);
    let first = names.filter(|name| !LAST.contains(name)).chain(LAST);
    // Those that wait for a failure ask for nothing else, but for what is rolled back.
    let ends = |line: &Line| matches!(line.code, 0 | 3) || line.words.contains("--rollback");
    first.flat_map(lines).filter(ends).collect()
}

#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored faults`"]
fn every_operation_in_every_way() {
    let healthy = at_once(AT_ONCE, &ending(), healthy);
    let mut users: BTreeMap<Operation, usize> = BTreeMap::new();
    for (i, one) in healthy.iter().enumerate() {
        for operation in &one.asked {
            users.entry(operation.clone()).or_insert(i);
        }
    }
    let cells: Vec<(&Operation, usize, Way)> =
        users.iter().flat_map(|(operation, i)| WAYS.map(|(way, _)| (operation, *i, way))).collect();
    let outcomes = at_once(AT_ONCE, &cells, |(operation, i, way)| attempt(&healthy[*i], operation, *way));
    let mut table = format!("{:<42}", "");
    for (_, name) in WAYS {
        let _ = write!(table, " {name:<10}");
    }
    let mut wrong = String::new();
    for (row, cells) in cells.chunks(WAYS.len()).zip(outcomes.chunks(WAYS.len())) {
        let (operation, i, _) = &row[0];
        let name = format!("{} {}", operation.0, operation.1);
        let _ = write!(table, "\n{name:<42}");
        for ((_, _, way), cell) in row.iter().zip(cells) {
            let _ = write!(table, " {:<10}", cell.outcome);
            if !cell.wrong.is_empty() {
                let words = &healthy[*i].line.words;
                let _ = writeln!(wrong, "== {name}, {way:?}: {}\n{words}\n{}", cell.wrong.join("; "), cell.run);
            }
        }
    }
    let table: String = table.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    assert!(wrong.is_empty(), "{wrong}");
    holds(&root().join("tests/it/faults/table.txt"), &table);
}
