//! `tests/proof/run`: podid beside the AWS CLI, kubectl and a boto3 script, in the same world and the same run, as ratios. Each goal is
//! printed with what was measured; one that is missed fails the run. The programs are named by PODID_BENCH_AWS,
//! PODID_BENCH_KUBECTL and PODID_BENCH_PYTHON.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a report on stdout; a world that cannot be set up has failed"
)]

mod measure;

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use measure::{Report, Run, associations, middle, middle_with, podid, run, slow};
use podid_sandbox::{Sandbox, Scenario, journal::Journal};
use serde_json::json;

const RTT: Duration = Duration::from_millis(50);

/// How many calls of one kind podid has under way at once.
const AT_ONCE: usize = ::podid::observe::CONCURRENCY;

struct Programs {
    aws: PathBuf,
    kubectl: PathBuf,
    python: PathBuf,
}

type Section = fn(&Programs, &mut Report);

const SECTIONS: &[(&str, Section)] =
    &[("start", start), ("names", names), ("roles", roles), ("lab", lab), ("paths", critical_paths)];

fn main() -> ExitCode {
    // `cargo test --benches` only builds it.
    if !env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let named = |name: &str| env::var_os(name).map(PathBuf::from);
    let (Some(aws), Some(kubectl), Some(python)) =
        (named("PODID_BENCH_AWS"), named("PODID_BENCH_KUBECTL"), named("PODID_BENCH_PYTHON"))
    else {
        println!("PODID_BENCH_AWS, PODID_BENCH_KUBECTL and PODID_BENCH_PYTHON are needed: tests/proof/run sets them");
        return ExitCode::FAILURE;
    };
    let programs = Programs { aws, kubectl, python };
    // Those that are named, as in `-- lab paths`; all when none is.
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let Some(unknown) = wanted.iter().find(|wanted| SECTIONS.iter().all(|(name, _)| name != wanted)) {
        println!("there is no section `{unknown}`");
        return ExitCode::FAILURE;
    }
    let mut report = Report::default();
    for (name, section) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            section(&programs, &mut report);
        }
    }
    if report.reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Programs {
    /// Where the programs find each other: kubectl asks the AWS CLI for its token, as `aws eks update-kubeconfig` writes it.
    fn path(&self) -> String {
        let folders = [&self.aws, &self.kubectl].map(|program| program.parent().unwrap().display().to_string());
        format!("{}:/usr/bin:/bin", folders.join(":"))
    }

    fn run(&self, world: &Sandbox, program: &PathBuf, words: &[&str]) -> Run {
        let mut command = Command::new(program);
        command.args(words);
        run(world, command, &self.path()).ended(&[0])
    }
}

/// One after the other.
fn then(all: Run, other: &Run) -> Run {
    Run {
        calls: all.calls + other.calls,
        time: all.time + other.time,
        cpu: all.cpu + other.cpu,
        memory: all.memory.max(other.memory),
        ..all
    }
}

fn wall(podid: &Run, other: &Run) -> f64 {
    podid.time.as_secs_f64() / other.time.as_secs_f64()
}

fn start(programs: &Programs, report: &mut Report) {
    let world = Sandbox::start(Scenario::named("carts-before").unwrap()).unwrap();
    let own = middle(21, || podid(&world, &["--version"]).ended(&[0]));
    let theirs = middle(5, || programs.run(&world, &programs.aws, &["--version"]));
    report.row("`podid --version`", &own);
    report.row("`aws --version`", &theirs);
    report.ratio("wall", wall(&own, &theirs), 1.0 / 100.0);
    report.section("Start");
}

fn names(programs: &Programs, report: &mut Report) {
    let world = associations(500);
    let own = middle(9, || podid(&world, &["list", "-o", "name"]).ended(&[0]));
    let list = ["eks", "list-pod-identity-associations", "--cluster-name", "eks-workshop"];
    let theirs = middle(3, || programs.run(&world, &programs.aws, &list));
    assert_eq!(own.said.lines().filter(|line| line.contains('/')).count(), 500);
    report.row("`podid list -o name`", &own);
    report.row("`aws eks list-pod-identity-associations`", &theirs);
    report.ratio("wall", wall(&own, &theirs), 1.0 / 20.0);
    report.section("Names of 500 associations");
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
fn roles(programs: &Programs, report: &mut Report) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/serial.py");
    for count in [100, 500, 2_000, 5_000] {
        for latency in [Duration::ZERO, RTT] {
            let world = associations(count);
            slow(&world, latency);
            let at = format!("{count} at {} ms", latency.as_millis());
            let own = podid(&world, &["list", "-o", "json", "--timeout", "30m"]).ended(&[0]);
            let theirs = programs.run(&world, &programs.python, &[script]);
            report.row(&format!("`podid list` of {at}"), &own);
            report.row(&format!("boto3, one after the other, of {at}"), &theirs);
            if !latency.is_zero() {
                report.ratio(&format!("wall of {at}"), wall(&own, &theirs), 1.0 / 12.0);
                // The first page; then whichever takes longer, the other pages or all Describes.
                let trips = 1 + count.div_ceil(AT_ONCE).max(count.div_ceil(100) - 1);
                let limit = RTT.as_secs_f64() * trips as f64;
                report.ratio(&format!("{at} and the limit of {limit:.2} s"), own.time.as_secs_f64() / limit, 1.25);
            }
        }
    }
    report.section("Associations with their roles");
}

/// The workshop's lab: agent, role, policy, association, restart, status. In a world that does at once what others would wait for
/// alike. The proof that new pods are injected, which takes its time, is podid's alone; it is told apart.
fn lab(programs: &Programs, report: &mut Report) {
    let at_once = json!({"iam": 0, "association": [0, 0], "addon": 0, "pod": 0, "termination": 0});
    let world = || Sandbox::start(Scenario::with("carts-before", &[("/delays", at_once.clone())]).unwrap()).unwrap();
    let (own, proof) = middle_with(3, || {
        let world = world();
        let agent = podid(&world, &["agent", "install"]).ended(&[0]);
        let words = "associate carts/carts --create-role --dynamodb eks-workshop-carts=full --recycle --yes";
        let all = then(agent, &podid(&world, &words.split(' ').collect::<Vec<_>>()).ended(&[0]));
        let calls = world.journal().calls();
        let proof = Journal::span(calls.iter().filter(|call| call.operation == "create pods (dry-run)"));
        (all, proof)
    });
    assert!(!proof.is_zero());
    let unproved = Run { time: own.time.saturating_sub(proof), ..own.clone() };
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        format!("file://{}", path.display())
    };
    let trust = file(
        "trust.json",
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}"#,
    );
    let policy = file(
        "policy.json",
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": ["arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts", "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/*"]}]}"#,
    );
    let commands = [
        "aws eks create-addon --cluster-name eks-workshop --addon-name eks-pod-identity-agent".to_owned(),
        "aws eks wait addon-active --cluster-name eks-workshop --addon-name eks-pod-identity-agent".to_owned(),
        format!("aws iam create-role --role-name carts --assume-role-policy-document {trust}"),
        format!("aws iam put-role-policy --role-name carts --policy-name dynamodb --policy-document {policy}"),
        "aws eks create-pod-identity-association --cluster-name eks-workshop --namespace carts --service-account carts --role-arn arn:aws:iam::111122223333:role/carts".to_owned(),
        "kubectl -n carts rollout restart deployment/carts".to_owned(),
        "kubectl -n carts rollout status deployment/carts".to_owned(),
    ];
    let theirs = middle(3, || {
        let world = world();
        commands.iter().fold(Run::default(), |all, command| {
            let words: Vec<&str> = command.split(' ').collect();
            let program = if words[0] == "aws" { &programs.aws } else { &programs.kubectl };
            then(all, &programs.run(&world, program, &words[1..]))
        })
    });
    report.row("two podid commands", &own);
    report.row("the lab's seven", &theirs);
    let seconds = proof.as_secs_f64();
    let proving = format!(
        "with the {seconds:.1} s in which podid proves that new pods are injected, before it restarts any, and the seven prove nothing"
    );
    report.ratio(&format!("wall, {proving}"), wall(&own, &theirs), 1.0 / 4.0);
    report.ratio("wall, without them", wall(&unproved, &theirs), 1.0 / 4.0);
    report.ratio("CPU", own.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(), 1.0 / 20.0);
    report.section("The carts lab");
}

/// Each command beside the chain of its dependent calls.
#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
fn critical_paths(_: &Programs, report: &mut Report) {
    let lines = [
        "list",
        "show carts/carts",
        "verify carts/carts",
        "role list",
        "role show eks-workshop-carts-dynamo",
        "agent status",
        "export",
        "recycle carts/carts --dry-run",
        "associate carts/carts --create-role --role new --dynamodb eks-workshop-carts --dry-run",
    ];
    for line in lines {
        let world = Sandbox::start(Scenario::named("carts-verified").unwrap()).unwrap();
        slow(&world, RTT);
        let words: Vec<&str> = line.split(' ').collect();
        let (run, depth) = middle_with(5, || {
            let run = podid(&world, &words).ended(&[0]);
            (run, Journal::depth(&world.journal().calls()))
        });
        let least = RTT.as_secs_f64() * depth as f64;
        report.row(&format!("`podid {line}`"), &run);
        report.ratio(&format!("`{line}`, a chain of {depth} calls"), run.time.as_secs_f64() / least, 1.25);
    }
    report.section("Each command and its critical path, at 50 ms");
}
