//! What the benches share: a run of a program with what it took, and a report in Markdown whose goals can be missed.

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use podid_sandbox::{
    Sandbox, Scenario,
    faults::{Action, Fault},
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

/// The binary under test.
pub(crate) const PODID: &str = env!("CARGO_BIN_EXE_podid");

/// Clock ticks a second in /proc, on every architecture that podid is built for.
const TICKS: f64 = 100.0;

/// A report on stdout: sections with a table each, and goals below it.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 5]>,
    goals: String,
    missed: usize,
}

impl Report {
    /// A run's line.
    pub(crate) fn row(&mut self, what: &str, run: &Run) {
        // Unseen of what was over before it could be looked at.
        let memory = if run.memory == 0 { String::new() } else { format!("{} MB", run.memory / 1_000_000) };
        let calls = if run.calls == 0 { String::new() } else { run.calls.to_string() };
        self.rows.push([what.to_owned(), calls, seconds(run.time), seconds(run.cpu), memory]);
    }

    /// A goal, what was measured, and whether that is it.
    pub(crate) fn goal(&mut self, what: &str, measured: &str, holds: bool) {
        let _ = writeln!(self.goals, "- {}: {measured}{}", what, if holds { "" } else { " **(missed)**" });
        self.missed += usize::from(!holds);
    }

    /// A ratio and its goal: at most this.
    pub(crate) fn ratio(&mut self, what: &str, ratio: f64, most: f64) {
        let text = |ratio: f64| match 1.0 / ratio {
            times if times >= 10.0 || times >= 2.0 && times.fract() < 0.05 => format!("1/{times:.0}"),
            times if times >= 2.0 => format!("1/{times:.1}"),
            _ => format!("{ratio:.2}"),
        };
        self.goal(&format!("{what}, at most {}", text(most)), &text(ratio), ratio <= most);
    }

    /// Prints what was measured since the last section.
    pub(crate) fn section(&mut self, title: &str) {
        println!("## {title}\n");
        if !self.rows.is_empty() {
            println!("| | calls | wall | CPU | peak memory |\n|---|--:|--:|--:|--:|");
            for row in self.rows.drain(..) {
                println!("| {} |", row.join(" | "));
            }
            println!();
        }
        println!("{}", std::mem::take(&mut self.goals));
    }

    /// Whether every goal was reached.
    pub(crate) fn reached(&self) -> bool {
        self.missed == 0
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Lets every answer of a world take this much longer.
pub(crate) fn slow(world: &Sandbox, by: Duration) {
    world.faults().add(Fault::always("*", "*", Action::Delay(by)));
}

/// A world of so many associations.
pub(crate) fn associations(count: usize) -> Sandbox {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let one = |n: usize| {
        let (namespace, name) = (format!("team-{}", n / 50), format!("app-{n}"));
        ("/associations/-", json!({"namespace": namespace, "service_account": name, "role": role}))
    };
    let set: Vec<(&str, Value)> = (0..count).map(one).collect();
    Sandbox::start(Scenario::with("carts-role", &set).unwrap()).unwrap()
}

/// What one run took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Calls that the world was asked.
    pub(crate) calls: usize,
    pub(crate) time: Duration,
    /// User's and system's, of its children too.
    pub(crate) cpu: Duration,
    /// The peak of resident memory, in bytes.
    pub(crate) memory: u64,
    pub(crate) code: i32,
    pub(crate) said: String,
}

impl Run {
    /// Ended in one of these ways.
    #[track_caller]
    pub(crate) fn ended(self, codes: &[i32]) -> Self {
        let said: String = self.said.chars().take(2000).collect();
        assert!(codes.contains(&self.code), "exit {}: {said}", self.code);
        self
    }
}

/// Runs podid in a world.
pub(crate) fn podid(world: &Sandbox, args: &[&str]) -> Run {
    let mut command = Command::new(PODID);
    command.args(args);
    run(world, command, "/usr/bin:/bin")
}

/// Runs a program in a world, with nothing of this machine's configuration.
pub(crate) fn run(world: &Sandbox, mut command: Command, path: &str) -> Run {
    let home = tempfile::tempdir().unwrap();
    world.journal().clear();
    let (out, err) = (home.path().join("out"), home.path().join("err"));
    let kubeconfig = home.path().join("kubeconfig");
    fs::write(&kubeconfig, world.kubeconfig()).unwrap();
    command.stdin(Stdio::null()).env_clear();
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    command.env("HOME", home.path()).env("PATH", path).env("PODID_CLUSTER", "eks-workshop").envs(world.exports());
    if command.get_program() != PODID {
        command.env("KUBECONFIG", &kubeconfig);
    }
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let proc = format!("/proc/{}", child.id());
    let ended = AtomicBool::new(false);
    let (time, memory) = thread::scope(|scope| {
        // The peak only grows: the last look before the end has it.
        let watch = scope.spawn(|| {
            let mut memory = 0;
            while !ended.load(Ordering::Relaxed) {
                let text = fs::read_to_string(format!("{proc}/status")).unwrap_or_default();
                let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                memory = peak
                    .and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok())
                    .map_or(memory, |kb: u64| kb * 1024);
                let soon = start.elapsed() < Duration::from_millis(10);
                thread::sleep(Duration::from_micros(if soon { 100 } else { 1_000 }));
            }
            memory
        });
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let time = start.elapsed();
        ended.store(true, Ordering::Relaxed);
        (time, watch.join().unwrap())
    });
    // It has ended and was not waited for: its times stand there still.
    let times = fs::read_to_string(format!("{proc}/stat")).unwrap();
    let fields = times.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(4);
    let ticks: f64 = fields.map(|field| field.parse::<f64>().unwrap()).sum();
    let code = child.wait().unwrap().code().unwrap_or(-1);
    let said = fs::read_to_string(&err).unwrap() + &fs::read_to_string(&out).unwrap();
    let calls = world.journal().calls().len();
    Run { calls, time, cpu: Duration::from_secs_f64(ticks / TICKS), memory, code, said }
}

/// The middle one of several by its time, with the peak of memory of all.
pub(crate) fn middle(times: usize, mut one: impl FnMut() -> Run) -> Run {
    middle_with(times, || (one(), ())).0
}

/// The same, with something else that belongs to the run.
pub(crate) fn middle_with<T>(times: usize, one: impl FnMut() -> (Run, T)) -> (Run, T) {
    let mut runs: Vec<(Run, T)> = std::iter::repeat_with(one).take(times).collect();
    runs.sort_by_key(|(run, _)| run.time);
    let memory = runs.iter().map(|(run, _)| run.memory).max().unwrap_or_default();
    let (run, more) = runs.swap_remove(times / 2);
    (Run { memory, ..run }, more)
}
