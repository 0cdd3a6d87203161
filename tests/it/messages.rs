//! Messages explained: each row of `src/explain.rs` is produced by a world that differs from a healthy one in exactly
//! one field, and is not said any more once that field is restored.

mod answers;
mod associations;
mod logs;

use std::{collections::BTreeSet, sync::Mutex, thread, time::Duration};

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::support::{Env, Run, finish};

/// A message and the one field that brings it.
struct Case {
    /// The row.
    name: &'static str,
    /// What both worlds have over `carts-before`.
    world: Vec<(&'static str, Value)>,
    args: &'static str,
    broken: Broken,
    /// The service's own words, the cause and the command.
    says: &'static [&'static str],
    code: i32,
}

/// The one field.
enum Broken {
    /// A field of the scenario.
    Field(&'static str, Value),
    /// A variable of podid's environment.
    Var(&'static str, &'static str),
    /// What AWS answers for a reason that this world cannot have: service, operation, status, code, message.
    Answer(&'static str, &'static str, u16, &'static str, &'static str),
    /// A change of the state before podid runs.
    State(fn(&Env)),
    /// Something that happens between podid's reads and its writes.
    Meanwhile(fn(&Env)),
}

impl Case {
    fn run(&self, break_it: bool) -> Run {
        let mut world = self.world.clone();
        if let (Broken::Field(pointer, value), true) = (&self.broken, break_it) {
            world.push((pointer, value.clone()));
        }
        let mut env = Env::with("carts-before", &world);
        // A refused call is tried again by the SDK; one attempt tells the same.
        env.var("AWS_MAX_ATTEMPTS", "1");
        let home = env.home.path().display().to_string();
        match &self.broken {
            Broken::Var(name, value) if break_it => {
                env.var(name, value);
            }
            Broken::Answer(service, operation, status, code, message) if break_it => {
                env.world.faults().add(Fault::always(service, operation, Action::error(*status, code, message)));
            }
            Broken::State(change) if break_it => change(&env),
            // The role is answered late, so that something can happen after the reads.
            Broken::Meanwhile(_) => {
                env.world.faults().add(Fault::once("iam", "GetRole", Action::Hold(Duration::from_secs(2))));
            }
            _ => {}
        }
        let args: Vec<String> = self.args.split_whitespace().map(|arg| arg.replace("HOME", &home)).collect();
        let child = env.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
        if let (Broken::Meanwhile(happens), true) = (&self.broken, break_it) {
            happens(&env);
        }
        finish(child)
    }

    /// What is wrong with this row; empty when nothing is.
    fn check(&self) -> Vec<String> {
        let broken = self.run(true);
        let mut wrong: Vec<String> = Vec::new();
        let says = |run: &Run, text: &str| run.stderr.contains(text) || run.stderr.contains(&filled(text));
        let missing = self.says.iter().filter(|text| !says(&broken, text));
        wrong.extend(missing.map(|text| format!("{}: `{text}` is not said in\n{broken}", self.name)));
        if broken.code != self.code {
            wrong.push(format!("{}: exit {} instead of {}\n{broken}", self.name, broken.code, self.code));
        }
        let healed = self.run(false);
        let said = self.says.iter().filter(|text| says(&healed, text));
        wrong.extend(said.map(|text| format!("{}: `{text}` is said of the healthy world too\n{healed}", self.name)));
        if healed.code != 0 {
            wrong.push(format!("{}: the healthy world fails\n{healed}", self.name));
        }
        wrong
    }
}

/// A hint with the names of these tests' service account and role.
fn filled(hint: &str) -> String {
    hint.replace("NS/SA", "carts/carts").replace("ROLE", "carts")
}

/// Checks cases side by side, and tells all that is wrong.
#[track_caller]
fn check(cases: &[Case]) {
    let queue = Mutex::new(cases.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { return };
                    let found = case.check();
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_row_is_produced() {
    let rows: BTreeSet<&str> = podid::explain::names().collect();
    assert_eq!(rows.len(), podid::explain::names().count(), "two rows have one name");
    let tested: BTreeSet<&str> =
        [associations::cases(), answers::cases()].iter().flatten().map(|case| case.name).collect();
    assert_eq!(tested, rows);
}

#[test]
fn answers_to_an_association_are_explained() {
    check(&associations::cases());
}

#[test]
fn answers_are_explained() {
    check(&answers::cases());
}

#[test]
fn log_lines_are_explained() {
    check(&logs::cases());
}

/// The role `carts` is there.
fn with_role() -> Vec<(&'static str, Value)> {
    vec![("/roles/-", role("carts"))]
}

/// A role that EKS takes.
fn role(name: &str) -> Value {
    json!({"name": name, "trust": trust(&["sts:AssumeRole", "sts:TagSession"])})
}

fn trust(actions: &[&str]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": actions}],
    })
}

/// A caller's policies that allow all but these actions.
fn all_but(actions: &[&str]) -> Value {
    json!([{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": actions, "Resource": "*"}]}])
}
