//! `cargo bench --bench pure`: the pure parts alone: a file read, plans made, a chain of checks walked.
#![expect(clippy::unwrap_used, reason = "a world that cannot be set up has failed")]

mod file;

use std::{
    env,
    process::{Command, ExitCode},
    sync::{Arc, OnceLock},
};

use ::podid::{
    aws::{Aws, Settings},
    checks::{self, Outcome},
    k8s::{Access, Kube},
    model::{
        document::Document,
        names::ServiceAccount,
        snapshot::Snapshot,
        trust::{self, Request},
    },
    observe::verify::{Asked, Asking, Listed},
    ports::Eks,
};
use divan::{Bencher, black_box};
use podid_sandbox::{Sandbox, Scenario};

const CLUSTER: &str = "eks-workshop";

/// The run that measures, in the world of the run that made it.
const INNER: &str = "PODID_BENCH_WORLD";

fn main() -> ExitCode {
    if env::var_os(INNER).is_some() {
        divan::main();
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` only builds it.
    if !env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let world = Sandbox::start(Scenario::named("carts-verified").unwrap()).unwrap();
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(env::args_os().skip(1)).envs(world.exports()).env(INNER, CLUSTER);
    if again.status().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A service account whose credentials work, as it was read.
fn healthy() -> &'static Snapshot {
    static READ: OnceLock<Snapshot> = OnceLock::new();
    READ.get_or_init(|| {
        let runtime = ::podid::wait::runtime().unwrap();
        runtime.block_on(async {
            let aws = Aws::new(Settings::default());
            let cluster = aws.cluster(CLUSTER).await.unwrap();
            let token = Arc::new(aws.token(CLUSTER, &cluster.arn.region));
            let access = Access::Eks { cluster: Box::new(cluster.clone()), token };
            let kube = Kube::new(access, Arc::new(|_| {}));
            let asking = Asking {
                eks: &aws,
                iam: &aws,
                tables: &aws,
                kube: Ok(&kube),
                secrets: false,
                logs: Some(podid::observe::verify::Logs::default()),
                needs: Vec::new(),
            };
            let view = Arc::new(asking.cluster(&cluster).await.unwrap());
            let subject = ServiceAccount::new("carts", "carts").unwrap();
            let subjects = [Asked { subject, listed: Listed::Unasked, only: None }];
            let mut read = asking.snapshots(&subjects, None, &view, jiff::Timestamp::now()).await.unwrap();
            read.remove(0)
        })
    })
}

#[divan::bench(args = [50, 500, 5_000])]
fn read_a_file(bencher: Bencher, associations: usize) {
    let text = file::text(associations);
    bencher.bench(|| file::read(black_box(&text)));
}

#[divan::bench(args = [50, 500, 5_000])]
fn plan_all_of_a_file(bencher: Bencher, associations: usize) {
    let entries = file::read(&file::text(associations));
    let wanted = file::Wanted::new(&entries);
    let nothing = wanted.nothing();
    assert!(!wanted.plan(&nothing).is_empty());
    bencher.bench(|| wanted.plan(black_box(&nothing)));
}

#[divan::bench(args = [50, 500, 5_000])]
fn plan_of_what_is_applied(bencher: Bencher, associations: usize) {
    let entries = file::read(&file::text(associations));
    let wanted = file::Wanted::new(&entries);
    let have = wanted.applied();
    assert!(wanted.plan(&have).is_empty());
    bencher.bench(|| wanted.plan(black_box(&have)));
}

#[divan::bench]
fn evaluate_a_trust_policy(bencher: Bencher) {
    let snapshot = healthy();
    let cluster = snapshot.cluster.cluster.known().unwrap();
    let ask = Request { cluster, subject: &snapshot.subject, session_tags: true, now: None, pod: None };
    let statement = trust::statement(cluster, &snapshot.subject, trust::default_scope(true), true);
    let empty = Document(serde_json::json!({"Version": "2012-10-17", "Statement": []}));
    let document = trust::with_statement(&empty, cluster, &snapshot.subject, statement).unwrap();
    assert_eq!(trust::evaluate(&document, &ask), trust::Verdict::Admits);
    bencher.bench(|| trust::evaluate(black_box(&document), &ask));
}

#[divan::bench]
fn check_a_chain(bencher: Bencher) {
    let snapshot = healthy();
    assert_eq!(checks::check(snapshot).outcome, Outcome::Ok);
    bencher.bench(|| checks::check(black_box(snapshot)));
}
