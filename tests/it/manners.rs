//! What holds of every command alike: quiet, as data, denied everything, out of time, interrupted, on a terminal.

use std::time::Duration;

use podid::model::permissions::COMMANDS;
use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use crate::{
    addon::owned,
    iam_policy::proof::lines::migrated,
    support::{Env, Run, flagged},
};

/// A line of each command that calls a service, in a world where it has something to say. Those that change something only plan.
pub(crate) const LINES: &[(&str, &str)] = &[
    ("carts-role", "associate carts/carts --create-role --dynamodb eks-workshop-carts --dry-run"),
    ("carts-associated", "disassociate carts/carts --dry-run"),
    ("carts-associated", "list"),
    ("carts-associated", "show carts/carts"),
    ("carts-associated", "recycle carts/carts --dry-run"),
    ("carts-agent", "role create carts-role --service-account carts/carts --dry-run"),
    ("carts-associated", "role list"),
    ("carts-associated", "role show eks-workshop-carts-dynamo"),
    ("carts-role", "role delete eks-workshop-carts-dynamo --force --dry-run"),
    ("carts-associated", "role trust eks-workshop-carts-dynamo"),
    ("carts-agent", "policy print --dynamodb eks-workshop-carts --s3 images=read"),
    ("carts-agent", "policy dynamodb eks-workshop-carts"),
    ("carts-associated", "policy attach eks-workshop-carts-dynamo --dynamodb eks-workshop-carts --dry-run"),
    (
        "carts-associated",
        "policy detach eks-workshop-carts-dynamo --policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess --dry-run",
    ),
    ("carts-verified", "exec carts/carts --yes -- true"),
    ("carts-verified", "credentials carts/carts --to-terminal"),
    ("carts-before", "agent install --dry-run"),
    ("carts-agent", "agent status"),
    ("carts-old-agent", "agent upgrade --dry-run"),
    ("carts-associated", "agent uninstall --dry-run"),
    ("carts-addons", "addon list"),
    ("carts-addons", "addon show vpc-cni"),
    ("carts-addons", "addon associate vpc-cni --create-role --dry-run"),
    ("carts-owned", "addon disassociate vpc-cni --dry-run"),
    ("carts-verified", "verify carts/carts"),
    ("carts-verified", "who-can dynamodb:Query eks-workshop-carts"),
    ("carts-verified", "access carts/carts"),
    ("carts-verified", "audit"),
    ("carts-verified", "audit --fix --dry-run"),
    ("carts-verified", "map"),
    ("carts-associated", "apply -f examples/carts.yaml --dry-run"),
    ("carts-associated", "diff -f tests/it/file/associated.yaml"),
    ("carts-blue", "copy --from blue --dry-run"),
    ("carts-associated", "export"),
    ("carts-associated", "wait carts/carts --for agent"),
    (
        "carts-associated",
        "explain --cluster eks-workshop arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts",
    ),
    ("carts-irsa", "migrate plan carts/carts"),
    ("carts-irsa", "migrate run carts/carts --dry-run"),
    ("carts-moved", "migrate rollback carts/carts --dry-run"),
    ("carts-moved", "migrate finish carts/carts --dry-run"),
];

/// The output of one is its command's, and of the other always JSON, and new each time.
fn has_output_of_its_own(line: &str) -> bool {
    line.starts_with("exec ") || line.starts_with("credentials ")
}

/// The scenario of a line, and what differs from it.
pub(crate) fn changed(scenario: &'static str) -> (&'static str, Vec<(&'static str, Value)>) {
    match scenario {
        "carts-old-agent" => ("carts-agent", vec![("/addons/0/version", json!("v1.3.9-eksbuild.3"))]),
        "carts-blue" => ("carts-verified", crate::copy::blue()),
        "carts-owned" => ("carts-addons", vec![owned("eks-workshop-vpc-cni")]),
        "carts-moved" => ("carts-irsa", migrated()),
        _ => (scenario, Vec::new()),
    }
}

fn env(scenario: &'static str, set: &[(&'static str, Value)]) -> Env {
    let (scenario, own) = changed(scenario);
    Env::with(scenario, &[set, &own].concat())
}

/// The first line of a command's error.
fn error(line: &str, run: &Run) -> String {
    let error = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{line}: {run}"));
    format!("{}: {} {error}", line.split(" --").next().unwrap_or(line), run.code)
}

/// A world in which nobody answers within the time that a test takes.
fn silent(scenario: &'static str) -> Env {
    let env = env(scenario, &[]);
    env.world.faults().add(Fault::always("*", "*", Action::Delay(Duration::from_mins(1))));
    env
}

#[test]
fn every_command_is_here() {
    let words = |line: &str| {
        let of =
            COMMANDS.iter().map(|(name, _)| *name).filter(|name| format!("{line} ").starts_with(&format!("{name} ")));
        of.max_by_key(|name| name.len()).map(str::to_owned)
    };
    let here: Vec<String> = LINES.iter().filter_map(|(_, line)| words(line)).collect();
    let all: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(here, all);
}

/// The data are the same, and nothing is said but what may be wrong.
#[test]
fn quiet() {
    for (scenario, line) in LINES {
        let env = env(scenario, &[]);
        let (loud, quiet) = (env.podid(line).ok(), env.podid(&flagged(line, "-q")).ok());
        let data = |run: &Run| Run { stderr: String::new(), ..run.clone() }.steady();
        assert!(has_output_of_its_own(line) || data(&quiet) == data(&loud), "{line}: {quiet} {loud}");
        // The plan is what a dry run is for.
        let talk = quiet.stderr.lines().find(|said| !said.starts_with("warning: ") && !line.ends_with("--dry-run"));
        assert_eq!(talk, None, "{line}: {quiet}");
    }
}

#[test]
fn every_command_prints_json() {
    for (scenario, line) in LINES.iter().filter(|(_, line)| !has_output_of_its_own(line)) {
        let env = env(scenario, &[]);
        let json = env.podid(&format!("{line} -o json")).ok().json();
        assert!(json.is_object(), "{line}: {json}");
        let yaml = env.podid(&format!("{line} -o yaml")).ok();
        // There it is the file that `apply` takes.
        let first = if line.starts_with("associate") { json!({ "apiVersion": 0 }) } else { json };
        let first = first.as_object().and_then(|fields| fields.keys().next()).unwrap();
        assert!(yaml.stdout.starts_with(&format!("{first}:")), "{line}: {yaml}");
        let names = env.podid(&format!("{line} -o name")).ok();
        let odd = names.stdout.lines().find(|name| name.is_empty() || name.contains([' ', '\t', '{']));
        assert_eq!(odd, None, "{line}: {names}");
        assert!(env.writes().is_empty(), "{line}: {:?}", env.writes());
    }
}

#[test]
fn denied_everything() {
    let nothing = json!([{ "Version": "2012-10-17", "Statement": [] }]);
    for (scenario, line) in LINES {
        let env = env(scenario, &[("/callers/0/policies", nothing.clone())]);
        let _ = env.podid(line).code(4).says("is not authorized to perform: ").says("hint: allow `");
        let run = env.podid(&flagged(line, "-o json"));
        let said: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        let code = said["error"]["code"].as_str().unwrap();
        assert!(run.code == 4 && code.starts_with("AccessDenied"), "{line}: {run}");
    }
}

#[test]
fn out_of_time() {
    let mut told = Vec::new();
    for (scenario, line) in LINES {
        let env = silent(scenario);
        let run = env.podid(&flagged(line, "--timeout 1s")).code(5);
        assert!(run.stderr.contains("hint: allow more time with `--timeout`"), "{line}: {run}");
        told.push(error(line, &run));
        assert!(env.writes().is_empty(), "{line}: {:?}", env.writes());
    }
    insta::assert_snapshot!(told.join("\n"), @"
    associate carts/carts: 5 error: timed out after 1s while reading the cluster
    disassociate carts/carts: 5 error: timed out after 1s while reading the cluster
    list: 5 error: timed out after 1s while listing associations
    show carts/carts: 5 error: timed out after 1s while reading the cluster
    recycle carts/carts: 5 error: timed out after 1s while reading the cluster
    role create carts-role: 5 error: timed out after 1s while reading the cluster
    role list: 5 error: timed out after 1s while listing roles
    role show eks-workshop-carts-dynamo: 5 error: timed out after 1s while reading the role
    role delete eks-workshop-carts-dynamo: 5 error: timed out after 1s while reading the cluster
    role trust eks-workshop-carts-dynamo: 5 error: timed out after 1s while reading the role
    policy print: 5 error: timed out after 1s while reading the cluster
    policy dynamodb eks-workshop-carts: 5 error: timed out after 1s while reading the cluster
    policy attach eks-workshop-carts-dynamo: 5 error: timed out after 1s while reading the role
    policy detach eks-workshop-carts-dynamo: 5 error: timed out after 1s while reading the role
    exec carts/carts: 5 error: timed out after 1s while reading the cluster
    credentials carts/carts: 5 error: timed out after 1s while reading the cluster
    agent install: 5 error: timed out after 1s while reading the cluster
    agent status: 5 error: timed out after 1s while reading the cluster
    agent upgrade: 5 error: timed out after 1s while reading the cluster
    agent uninstall: 5 error: timed out after 1s while reading the cluster
    addon list: 5 error: timed out after 1s while reading the cluster
    addon show vpc-cni: 5 error: timed out after 1s while reading the cluster
    addon associate vpc-cni: 5 error: timed out after 1s while reading the cluster
    addon disassociate vpc-cni: 5 error: timed out after 1s while reading the cluster
    verify carts/carts: 5 error: timed out after 1s while reading the cluster
    who-can dynamodb:Query eks-workshop-carts: 5 error: timed out after 1s while reading the cluster
    access carts/carts: 5 error: timed out after 1s while reading the cluster
    audit: 5 error: timed out after 1s while reading the cluster
    audit: 5 error: timed out after 1s while reading the cluster
    map: 5 error: timed out after 1s while reading the cluster
    apply -f examples/carts.yaml: 5 error: timed out after 1s while reading the cluster
    diff -f tests/it/file/associated.yaml: 5 error: timed out after 1s while reading the cluster
    copy: 5 error: timed out after 1s while reading the cluster
    export: 5 error: timed out after 1s while reading the cluster
    wait carts/carts: 5 error: timed out after 1s while reading the cluster
    explain: 5 error: timed out after 1s while reading the cluster
    migrate plan carts/carts: 5 error: timed out after 1s while reading the cluster
    migrate run carts/carts: 5 error: timed out after 1s while reading the cluster
    migrate rollback carts/carts: 5 error: timed out after 1s while reading the cluster
    migrate finish carts/carts: 5 error: timed out after 1s while reading the cluster
    ");
}

#[test]
fn interrupted() {
    for (scenario, line) in LINES {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let env = silent(scenario);
            let run = env.signalled(line, signal, |world| !world.journal().calls().is_empty()).code(code);
            assert!(run.stdout.is_empty(), "{line}: {run}");
            assert!(run.stderr.lines().any(|line| line.starts_with("error: ")), "{line}: {run}");
            assert!(env.writes().is_empty(), "{line}: {:?}", env.writes());
        }
    }
}

/// No command breaks its table or its words at either width, and none leaves a progress line behind.
#[test]
fn on_a_terminal() {
    for (scenario, line) in LINES {
        let env = env(scenario, &[]);
        for width in [80, 200] {
            let run = env.tty(width, &line.split_whitespace().collect::<Vec<_>>(), "").ok();
            assert!(!run.stdout.contains(['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏', '\t']), "{line}: {run}");
            assert!(!run.stdout.trim().is_empty(), "{line}: {run}");
        }
    }
}
