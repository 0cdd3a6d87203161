//! The permissions that `podid iam-policy` prints, proved: a caller with exactly these gets everything done, and one with any of
//! them less is told which. What each command is tried with is in `lines`.

mod addons;
mod copied;
mod files;
pub(crate) mod lines;
mod worlds;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use podid::model::permissions::COMMANDS;
use serde_json::{Value, json};

use self::lines::{Line, lines};
use super::CLUSTER;
use crate::support::{Env, Run, SOON, at_once};

/// Runs at once within one command's proof; most of their time they wait.
const AT_ONCE: usize = 4;

/// What is only asked for near names.
const NEAR: [&str; 2] = ["get namespaces", "list serviceaccounts"];

/// What a caller may do: an IAM policy, and roles with their bindings.
#[derive(Clone)]
struct Granted {
    policy: Value,
    rbac: Vec<Value>,
}

/// A way in which the permissions are too few.
struct Less {
    /// `without iam:GetRole in PodidRoles`.
    how: String,
    /// What is lacking then, `iam:GetRole` or `list pods`; one of these is told.
    lacking: Vec<String>,
    granted: Granted,
}

impl Granted {
    /// What podid prints with these flags, of either kind.
    fn printed(command: &str, iam: &str, rbac: &str) -> Self {
        let mut env = Env::new("carts-before");
        if iam.is_empty() {
            env.unset("PODID_CLUSTER");
        }
        let policy = env.podid(&format!("iam-policy {command} {iam} -o json")).ok().json();
        let list = env.podid(&format!("iam-policy {command} --rbac {rbac} -o json")).ok().json();
        Self { policy, rbac: list["items"].as_array().unwrap().clone() }
    }

    fn statements(&self) -> &Vec<Value> {
        self.policy["Statement"].as_array().unwrap()
    }

    /// The verbs on resources that the roles give.
    fn verbs(&self) -> BTreeSet<String> {
        let rules = self.rbac.iter().flat_map(|object| object["rules"].as_array().into_iter().flatten());
        let each = |rule: &Value| {
            let of = |verb: &String| texts(&rule["resources"]).into_iter().map(|it| format!("{verb} {it}")).collect();
            texts(&rule["verbs"]).iter().flat_map::<Vec<String>, _>(of).collect::<Vec<_>>()
        };
        rules.flat_map(each).collect()
    }

    /// The same with another statement at this place.
    fn with_statement(&self, i: usize, change: impl Fn(&mut Value)) -> Self {
        let mut other = self.clone();
        change(&mut other.policy["Statement"][i]);
        other
    }

    fn without_action(&self, i: usize, action: &str) -> Self {
        let mut other = self.with_statement(i, |statement| {
            statement["Action"].as_array_mut().unwrap().retain(|known| known != action);
        });
        other.policy["Statement"].as_array_mut().unwrap().retain(|statement| statement["Action"] != json!([]));
        other
    }

    fn without_verb(&self, what: &str) -> Self {
        let (verb, resource) = what.split_once(' ').unwrap();
        let mut other = self.clone();
        for object in &mut other.rbac {
            let Some(rules) = object["rules"].as_array_mut() else { continue };
            let split = |rule: &Value| {
                let one = |it: String| {
                    let mut verbs = texts(&rule["verbs"]);
                    verbs.retain(|known| it != resource || known != verb);
                    json!({ "apiGroups": rule["apiGroups"], "resources": [it], "verbs": verbs })
                };
                texts(&rule["resources"]).into_iter().map(one).collect::<Vec<_>>()
            };
            *rules = rules.iter().flat_map(split).collect();
        }
        other
    }

    /// All the ways in which these are too few by one: an action of a statement, a verb, to whom a role is passed, and with
    /// `places` what a statement is for.
    fn less(&self, places: bool) -> Vec<Less> {
        let mut all = Vec::new();
        for (i, statement) in self.statements().iter().enumerate() {
            let (sid, actions) = (&statement["Sid"], texts(&statement["Action"]));
            for action in &actions {
                let how = format!("without {action} in {sid}");
                all.push(Less { how, lacking: vec![action.clone()], granted: self.without_action(i, action) });
            }
            if places && statement["Resource"] != json!(["*"]) {
                let granted = self.with_statement(i, elsewhere);
                all.push(Less { how: format!("with another account in {sid}"), lacking: actions.clone(), granted });
            }
            if !statement["Condition"].is_null() {
                assert_eq!(actions, ["iam:PassRole"]);
                let granted = self.with_statement(i, |statement| {
                    statement["Condition"]["StringEquals"]["iam:PassedToService"] = json!("ec2.amazonaws.com");
                });
                all.push(Less { how: format!("with another service in {sid}"), lacking: actions, granted });
            }
        }
        for verb in self.verbs() {
            let granted = self.without_verb(&verb);
            all.push(Less { how: format!("without {verb}"), lacking: vec![verb], granted });
        }
        all
    }
}

/// Makes a statement one for another account.
fn elsewhere(statement: &mut Value) {
    for resource in statement["Resource"].as_array_mut().unwrap() {
        let arn = resource.as_str().unwrap();
        let other = arn.replace("111122223333", "999900001111");
        let other = other.replace(":*:table/", ":999900001111:table/").replace(":*:policy/", ":999900001111:policy/");
        assert_ne!(arn, other);
        *resource = json!(other);
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// What a line came to for a caller.
struct Tried {
    run: Run,
    /// The permissions of what it asked for.
    used: BTreeSet<String>,
    /// What was refused.
    refused: Vec<String>,
    took: Duration,
}

fn attempt(line: &Line, granted: &Granted) -> Tried {
    let caller = [
        ("/callers/0/policies", json!([granted.policy])),
        ("/callers/0/rbac", json!({ "groups": ["podid"], "objects": granted.rbac })),
    ];
    let set: Vec<(&str, Value)> = line.set.iter().cloned().chain(caller).collect();
    let env = Env::with(line.scenario, &set);
    env.world.wait_until(SOON, line.once).unwrap();
    let start = Instant::now();
    let run = env.podid(&line.words);
    let mut used = BTreeSet::new();
    let mut refused = Vec::new();
    for call in env.world.journal().calls() {
        if call.service == "kubernetes" {
            used.insert(call.operation.trim_end_matches(" (dry-run)").to_owned());
        } else {
            used.insert(format!("{}:{}", call.service, call.operation));
            let more: &[&str] = match call.operation.as_str() {
                "CreateRole" => &["iam:TagRole"],
                "CreatePodIdentityAssociation" => &["eks:TagResource", "iam:PassRole"],
                "UpdatePodIdentityAssociation" | "UpdateAddon" => &["iam:PassRole"],
                _ => &[],
            };
            used.extend(more.iter().map(|action| (*action).to_owned()));
        }
        if call.status == Some(403) && !NEAR.contains(&call.operation.as_str()) {
            refused.push(format!("{} {}", call.name(), call.target));
        }
    }
    Tried { run, used, refused, took: start.elapsed() }
}

/// Whether the outcome names the lack of this permission: in the service's words or in podid's.
fn names(run: &Run, permission: &str) -> bool {
    let theirs = match permission.split_once(' ') {
        Some((verb, resource)) => format!("cannot {verb} resource \"{resource}\""),
        None => format!("not authorized to perform: {permission} on"),
    };
    let own = |line: &str| {
        let after = line.split_once("not allowed").map_or("", |(_, after)| after);
        permission.split(' ').all(|word| after.contains(word))
    };
    [&run.stdout, &run.stderr].into_iter().flat_map(|text| text.lines()).any(|line| line.contains(&theirs) || own(line))
}

/// All that the lines do is allowed.
#[track_caller]
fn suffice(lines: &[Line], granted: &Granted) -> Vec<Tried> {
    let tried = at_once(AT_ONCE, lines, |line| attempt(line, granted));
    for (line, tried) in lines.iter().zip(&tried) {
        assert_eq!(tried.run.code, line.code, "{}: {}", line.words, tried.run);
        assert!(tried.refused.is_empty(), "{}: refused {:?}: {}", line.words, tried.refused, tried.run);
        let late = tried.run.stderr.contains("timed out") && !line.words.contains("--timeout");
        assert!(!late, "{}: {}", line.words, tried.run);
    }
    tried
}

/// Of a command (all, where it is empty), what is asked for only in passing, and whose refusal costs no more than a line that
/// explains a rollout that takes long (`safe::rollouts` shows both), calls that are made one by one then, or advice about pods
/// that are not injected.
const OPTIONAL: &[(&str, &str)] = &[
    ("", "list events"),
    ("migrate plan", "list rollouts"),
    // The restarts are recycle's, and its lines show what each of these is for.
    ("migrate run", "delete pods"),
    ("migrate run", "list controllerrevisions"),
    ("migrate run", "list replicasets"),
    ("migrate rollback", "delete pods"),
    ("migrate rollback", "get pods/log"),
    ("migrate rollback", "list controllerrevisions"),
    ("migrate rollback", "list replicasets"),
    // Only where neither a pod nor a workload is seen.
    ("audit", "list rollouts"),
    ("audit --fix", "list rollouts"),
    ("migrate finish", "list cronjobs"),
    ("migrate finish", "list rollouts"),
    ("copy", "list rollouts"),
    ("copy", "list serviceaccounts"),
    ("verify", "list serviceaccounts"),
    ("verify", "list cronjobs"),
    ("wait", "list rollouts"),
];

/// With what is printed every line of the command goes through; with anything less, one of them tells what is lacking.
fn prove(command: &str) {
    // Two clusters are read.
    let cluster = if command == "copy" { String::new() } else { format!("--cluster {CLUSTER}") };
    let granted = Granted::printed(command, &cluster, "");
    let lines = lines(command);
    let whole = suffice(&lines, &granted);
    // Statements have the same resources in every policy; these commands have one of each kind.
    let places = ["associate", "agent upgrade", "verify"].contains(&command);
    let untold = at_once(AT_ONCE, &granted.less(places), |less| {
        let optional = |permission: &String| {
            OPTIONAL.iter().any(|(of, what)| (of.is_empty() || *of == command) && what == permission)
        };
        if less.lacking.iter().all(optional) {
            return None;
        }
        // The quickest of those that ask for it.
        let mut users: Vec<_> = lines.iter().zip(&whole).collect();
        users.retain(|(_, tried)| less.lacking.iter().any(|permission| tried.used.contains(permission)));
        users.sort_by_key(|(_, tried)| tried.took);
        let mut runs = String::new();
        for (line, before) in users {
            let tried = attempt(line, &less.granted);
            let told = |permission: &String| names(&tried.run, permission) && !names(&before.run, permission);
            if less.lacking.iter().any(told) {
                return None;
            }
            runs = format!("{runs}\n{}\n{}", line.words, tried.run);
        }
        let verdict = if runs.is_empty() { "no line asks for it" } else { "nobody tells" };
        Some(format!("\n{command} {}: {verdict}\n{runs}", less.how))
    });
    let untold: String = untold.into_iter().flatten().collect();
    assert!(untold.is_empty(), "{untold}");
}

/// A policy for some roles goes as far as these, and roles for some namespaces as far as those.
#[test]
fn narrowed() {
    let role = "eks-workshop-carts-dynamo";
    let words = format!("associate carts/carts --role {role}");
    let made = "associate carts/carts --create-role --dynamodb eks-workshop-carts";
    let granted = |role: &str, namespace: &str| {
        Granted::printed("associate", &format!("--cluster {CLUSTER} --role {role}"), &format!("-n {namespace}"))
    };
    for role in [role.to_owned(), format!("arn:aws:iam::111122223333:role/{role}")] {
        let lines = [Line::new("carts-role", &[], &words), Line::new("carts-role", &[], made)];
        for line in &lines {
            // The agent is looked for everywhere, and where that is not allowed in kube-system.
            let run = attempt(line, &granted(&role, "carts")).run.ok();
            assert!(!run.stderr.contains("not allowed"), "{run}");
        }
    }
    let line = Line::new("carts-role", &[], &words);
    let run = attempt(&line, &granted("another", "carts")).run;
    assert!(run.code == 4 && names(&run, "iam:PassRole"), "{run}");
    let run = attempt(&line, &granted(role, "shop")).run;
    assert!(names(&run, "get serviceaccounts") && names(&run, "list pods"), "{run}");
}

macro_rules! proved {
    ($($test:ident: $command:literal,)*) => {
        const PROVED: &[&str] = &[$($command),*];
        $(
            #[test]
            #[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored iam_policy`"]
            fn $test() {
                prove($command);
            }
        )*
    };
}

proved! {
    associate: "associate",
    disassociate: "disassociate",
    list: "list",
    show: "show",
    recycle: "recycle",
    role_create: "role create",
    role_list: "role list",
    role_show: "role show",
    role_delete: "role delete",
    role_trust: "role trust",
    policy_print: "policy print",
    policy_dynamodb: "policy dynamodb",
    policy_attach: "policy attach",
    policy_detach: "policy detach",
    exec: "exec",
    credentials: "credentials",
    agent_install: "agent install",
    agent_status: "agent status",
    agent_upgrade: "agent upgrade",
    agent_uninstall: "agent uninstall",
    addon_list: "addon list",
    addon_show: "addon show",
    addon_associate: "addon associate",
    addon_disassociate: "addon disassociate",
    verify: "verify",
    who_can: "who-can",
    access: "access",
    audit: "audit",
    audit_fix: "audit --fix",
    map: "map",
    apply: "apply",
    diff: "diff",
    copy: "copy",
    export: "export",
    wait: "wait",
    explain: "explain",
    migrate_plan: "migrate plan",
    migrate_run: "migrate run",
    migrate_rollback: "migrate rollback",
    migrate_finish: "migrate finish",
}

#[test]
fn every_command_is_proved() {
    let commands: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(PROVED, commands);
}
