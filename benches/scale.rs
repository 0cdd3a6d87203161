//! `cargo bench --bench scale`: how podid grows with a cluster: calls, time and memory of `verify`, `audit`, `map`, `diff` and `apply` over
//! hundreds and thousands of service accounts, and the pure parts alone. Each goal is printed with what was measured; one
//! that is missed fails the run.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a report on stdout; a world that cannot be set up has failed"
)]

mod file;
mod measure;

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use measure::{Report, associations, middle, podid, slow};
use podid_sandbox::{Sandbox, Scenario};
use serde_json::{Value, json};

fn main() -> ExitCode {
    // `cargo test --benches` only builds it.
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut report = Report::default();
    one_service_account(&mut report);
    many_service_accounts(&mut report);
    reviewed(&mut report);
    files(&mut report);
    pure_parts(&mut report);
    throttled(&mut report);
    if report.reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one_service_account(report: &mut Report) {
    let world = Sandbox::start(Scenario::named("carts-verified").unwrap()).unwrap();
    slow(&world, Duration::from_millis(50));
    let run = podid(&world, &["verify", "carts/carts"]).ended(&[0]);
    report.row("verify of one service account at 50 ms", &run);
    report.goal("at most 2 s", &format!("{:.2} s", run.time.as_secs_f64()), run.time <= Duration::from_secs(2));
}

/// A world of so many service accounts with an association, five pods each.
fn inhabited(count: usize) -> Sandbox {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let mut set: Vec<(&str, Value)> = Vec::new();
    for n in 0..count {
        let (namespace, name) = (format!("team-{}", n / 50), format!("app-{n}"));
        if n % 50 == 0 {
            set.push((
                "/manifests/-",
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            ));
        }
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}});
        set.push(("/manifests/-", account));
        let labels = json!({"app.kubernetes.io/name": name});
        let container = json!({"name": "app", "image": "public.ecr.aws/nginx/nginx:1.27"});
        let template =
            json!({"metadata": {"labels": labels}, "spec": {"serviceAccountName": name, "containers": [container]}});
        let spec = json!({"replicas": 5, "selector": {"matchLabels": labels}, "template": template});
        let metadata = json!({"name": name, "namespace": namespace});
        set.push((
            "/manifests/-",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}),
        ));
        set.push(("/associations/-", json!({"namespace": namespace, "service_account": name, "role": role})));
    }
    let world = Sandbox::start(Scenario::with("carts-verified", &set).unwrap()).unwrap();
    let running = world.wait_until(Duration::from_mins(10), |state| {
        let ready = |n: usize| {
            let pods = state.kube.list("pods", &format!("team-{n}"));
            let ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
            pods.iter().filter(|pod| ready(pod)).count()
        };
        (0..count.div_ceil(50)).map(ready).sum::<usize>() >= count * 5
    });
    running.unwrap();
    world
}

fn many_service_accounts(report: &mut Report) {
    let mut runs = Vec::new();
    for count in [250, 1_000] {
        let world = inhabited(count);
        let run = middle(3, || podid(&world, &["verify", "--all", "-o", "json"]).ended(&[0, 3]));
        report.row(&format!("verify --all of {count} service accounts, 5 pods each"), &run);
        runs.push(run);
    }
    let [few, many] = &runs[..] else { return };
    report.goal("memory of 1,000 under 150 MB", &format!("{} MB", many.memory / 1_000_000), many.memory < 150_000_000);
    let (calls, time) = (ratio(many.calls, few.calls), many.time.as_secs_f64() / few.time.as_secs_f64());
    report.goal("four times as many take four times the calls", &format!("x {calls:.1}"), calls <= 4.4);
    report.goal("and the time grows no faster than them", &format!("x {time:.1}"), time <= 6.0);
    report.section("verify");
}

/// So many service accounts, each with a pod, and a role for every two of them.
fn shared_by_two(count: usize) -> Sandbox {
    let mut set: Vec<(&str, Value)> = Vec::new();
    let mut associations = Vec::new();
    for n in 0..count {
        let (namespace, name, role) = (format!("team-{}", n / 50), format!("app-{n}"), format!("app-{}", n / 2));
        if n % 50 == 0 {
            set.push((
                "/manifests/-",
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            ));
        }
        if n % 2 == 0 {
            let trust = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {"StringEquals": {"aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop"}},
            }]});
            let allowed = json!({"Version": "2012-10-17", "Statement": [
                {"Sid": "Table", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
                 "Resource": format!("arn:aws:dynamodb:us-west-2:111122223333:table/{role}")},
                {"Sid": "Queue", "Effect": "Allow", "Action": "sqs:*",
                 "Resource": format!("arn:aws:sqs:us-west-2:111122223333:{role}")},
            ]});
            set.push(("/roles/-", json!({"name": role, "trust": trust, "inline": {"app": allowed}})));
        }
        let metadata = json!({"name": name, "namespace": namespace});
        let kind = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
        set.push(("/manifests/-", kind("ServiceAccount")));
        let mut pod = kind("Pod");
        pod["spec"] = json!({"serviceAccountName": name,
            "containers": [{"name": "app", "image": "public.ecr.aws/nginx/nginx:1.27"}]});
        set.push(("/manifests/-", pod));
        let role = format!("arn:aws:iam::111122223333:role/{role}");
        associations.push(json!({"namespace": namespace, "service_account": name, "role": role}));
    }
    set.push(("/associations", Value::Array(associations)));
    Sandbox::start(Scenario::with("carts-verified", &set).unwrap()).unwrap()
}

/// What a security review asks for: `audit` and `map` of a whole cluster.
fn reviewed(report: &mut Report) {
    for command in [&["audit", "-o", "json"][..], &["map", "--format", "html"]] {
        let mut runs = Vec::new();
        for count in [250, 1_000] {
            let world = shared_by_two(count);
            let run = middle(3, || podid(&world, command).ended(&[0, 3]));
            let roles = count / 2;
            report.row(&format!("{} of {count} service accounts, {roles} roles", command[0]), &run);
            // DescribeCluster; the lists of associations, one Describe each; of each role GetRole, ListRolePolicies, GetRolePolicy
            // and ListAttachedRolePolicies; the lists of Kubernetes in pages of 500; an audit lists the roles.
            let least = 1 + count.div_ceil(100) + count + 4 * roles;
            let most = least + 12 + 2 * count.div_ceil(500) + roles.div_ceil(100);
            report.goal(
                "each thing is read once",
                &format!("{} calls, least {least}", run.calls),
                (least..=most).contains(&run.calls),
            );
            runs.push(run);
        }
        let [few, many] = &runs[..] else { return };
        let memory = format!("{} MB", many.memory / 1_000_000);
        report.goal("memory of 1,000 at most 150 MB", &memory, many.memory <= 150_000_000);
        let time = many.time.as_secs_f64() / few.time.as_secs_f64();
        report.goal("four times as many take four times as long", &format!("x {time:.1}"), time <= 6.0);
    }
    report.section("audit and map");
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
fn ratio(a: usize, b: usize) -> f64 {
    a as f64 / b as f64
}

fn files(report: &mut Report) {
    let mut runs = Vec::new();
    for count in [1_000, 5_000] {
        let world = Sandbox::start(Scenario::named("carts-agent").unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("podid.yaml");
        fs::write(&path, file::text(count)).unwrap();
        let path = path.to_str().unwrap();
        let applied = podid(&world, &["apply", "-f", path, "--yes", "--no-wait", "--timeout", "30m", "--quiet"]);
        report.row(&format!("apply of {count} new associations"), &applied.ended(&[0]));
        let compared = middle(5, || podid(&world, &["diff", "-f", path, "--timeout", "30m"]).ended(&[0]));
        report.row(&format!("diff of {count} associations, no difference"), &compared);
        // DescribeCluster; the lists; one Describe each; of each role GetRole, ListRolePolicies and GetRolePolicy.
        let least = 1 + count.div_ceil(100) + count + 3 * count.div_ceil(file::PER_ROLE);
        report.goal(
            "each thing is read once",
            &format!("{} calls, least {least}", compared.calls),
            compared.calls == least,
        );
        runs.push(compared);
    }
    let [few, many] = &runs[..] else { return };
    report.goal("memory of 5,000 under 100 MB", &format!("{} MB", many.memory / 1_000_000), many.memory < 100_000_000);
    let time = many.time.as_secs_f64() / few.time.as_secs_f64();
    report.goal("five times as many take five times as long", &format!("x {time:.1}"), time <= 7.0);
    report.section("A cluster as a file");
}

/// EKS lets so many calls a second through: podid finds that out, and goes on as fast as it may.
fn throttled(report: &mut Report) {
    const COUNT: u32 = 5_000;
    const RATE: u32 = 250;
    let world = associations(COUNT as usize);
    world.faults().limit("eks", "DescribePodIdentityAssociation", f64::from(RATE), f64::from(RATE) / 5.0);
    let run = podid(&world, &["list", "-o", "json", "--timeout", "10m"]).ended(&[0]);
    report.row(&format!("list of {COUNT} associations at {RATE} Describes a second"), &run);
    let calls = world.journal().calls();
    let rejected = calls.iter().filter(|call| call.status == Some(429)).count();
    let least = f64::from(COUNT) / f64::from(RATE);
    report.ratio("time as a multiple of the least", run.time.as_secs_f64() / least, 1.5);
    let share = 100.0 * ratio(rejected, calls.len());
    report.goal("calls rejected, under 10 %", &format!("{share:.1} %"), share < 10.0);
    report.section("Throttled");
}

/// Reading and planning alone, of a file that is applied already.
fn pure_parts(report: &mut Report) {
    let text = file::text(5_000);
    let start = Instant::now();
    let entries = file::read(&text);
    let reading = start.elapsed();
    assert_eq!(entries.associations.len(), 5_000);
    let wanted = file::Wanted::new(&entries);
    let have = wanted.applied();
    let start = Instant::now();
    assert!(wanted.plan(&have).is_empty());
    let planning = start.elapsed();
    let both = reading + planning;
    let measured =
        format!("{} ms and {} ms, together {} ms", reading.as_millis(), planning.as_millis(), both.as_millis());
    report.goal("reading and planning under 300 ms", &measured, both < Duration::from_millis(300));
    report.section("Reading and planning alone, of a file of 5,000 associations and 500 roles");
}
