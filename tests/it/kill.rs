//! Killed anywhere, a second run finishes the work: no orphan, nothing twice.

mod every;
mod lost;
mod meanwhile;
mod together;
mod trouble;

use std::{
    collections::BTreeMap,
    process::Child,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use podid_sandbox::State;
use serde_json::{Value, json};

use crate::support::{Env, Run, SOON};

/// The main job, with everything that it may write.
pub(crate) const ASSOCIATE: &str =
    "associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write --recycle --yes";

/// Cases that run side by side; they mostly wait.
const THREADS: usize = 12;

/// The world with a ready agent on every node, and with what else differs.
pub(crate) fn ready(set: &[(&str, Value)]) -> Env {
    let agent = json!([{ "name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1" }]);
    let mut fields = vec![("/addons", agent)];
    fields.extend(set.iter().cloned());
    Env::with("carts-before", &fields)
}

/// What a run leaves, without what differs from run to run: ids, times, and what pods are called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    roles: BTreeMap<String, Vec<String>>,
    associations: Vec<String>,
    addons: Vec<String>,
    /// Those of `carts`.
    workloads: BTreeMap<String, Stand>,
    service_accounts: Vec<String>,
}

/// How a workload is.
#[derive(Clone, Debug, PartialEq)]
struct Stand {
    generation: Value,
    /// It has a time of restart (Argo Rollouts).
    restarted: bool,
    /// Annotations of its pods.
    annotations: Vec<String>,
}

impl Stand {
    fn of(object: &Value) -> Self {
        let annotations = object["spec"]["template"]["metadata"]["annotations"].as_object();
        Self {
            generation: object["metadata"]["generation"].clone(),
            restarted: object["spec"]["restartAt"].is_string(),
            annotations: annotations.into_iter().flatten().map(|(key, _)| key.clone()).collect(),
        }
    }
}

pub(crate) fn end(env: &Env) -> End {
    env.world.with(|state| {
        let aws = &state.aws;
        let roles = aws.roles.values().map(|role| {
            let parts = vec![
                role.arn.clone(),
                role.trust.clone(),
                format!("{:?} {:?} {:?} {:?}", role.tags, role.inline, role.attached, role.boundary),
            ];
            (role.name.clone(), parts)
        });
        let associations = aws.associations.values().map(|a| {
            let settings = format!("{:?} {:?} {:?}", a.disable_session_tags, a.target_role_arn, a.policy);
            format!("{} {}/{} {} {:?} {settings}", a.cluster, a.namespace, a.service_account, a.role_arn, a.tags)
        });
        let mut associations: Vec<String> = associations.collect();
        associations.sort();
        let addons = aws.addons.values().map(|a| format!("{} {} {} {:?}", a.cluster, a.name, a.version, a.tags));
        let workloads = ["deployments", "statefulsets", "daemonsets", "rollouts"].into_iter().flat_map(|kind| {
            let named = |object: &Value| (format!("{kind} {}", object["metadata"]["name"]), Stand::of(object));
            state.kube.list(kind, "carts").iter().map(named).collect::<Vec<_>>()
        });
        let accounts = state.kube.list("serviceaccounts", "carts");
        let mut service_accounts: Vec<String> = accounts.iter().map(|a| a["metadata"]["name"].to_string()).collect();
        service_accounts.sort();
        End {
            roles: roles.collect(),
            associations,
            addons: addons.collect(),
            workloads: workloads.collect(),
            service_accounts,
        }
    })
}

/// Every pod of carts runs with the credentials of the role that podid made.
fn all_work(state: &mut State) -> bool {
    let lines = state.kube.last_log_lines("carts");
    let injected = |pod: &Value| {
        pod["spec"]["volumes"].as_array().is_some_and(|v| v.iter().any(|v| v["name"] == "eks-pod-identity-token"))
    };
    lines.len() == 2
        && lines.iter().all(|(_, line)| line.contains("assumed-role/eks-workshop-carts-carts-"))
        && state.kube.list("pods", "carts").iter().all(injected)
}

#[track_caller]
pub(crate) fn assert_works(env: &Env, run: &Run) {
    let works = env.world.wait_until(SOON, all_work);
    assert!(works.is_ok(), "{:?}\n{run}", env.world.with(|state| state.kube.last_log_lines("carts")));
}

pub(crate) fn restarts(env: &Env) -> usize {
    env.world.journal().count("kubernetes", "patch deployments")
}

/// Waits until a call has begun so often.
#[track_caller]
pub(crate) fn wait_for(env: &Env, service: &str, operation: &str, times: usize) {
    let begun = env.world.wait_until(SOON, |_| env.world.journal().count(service, operation) >= times);
    assert!(begun.is_ok(), "{service} {operation} did not come {times} times: {:?}", names(env));
}

pub(crate) fn names(env: &Env) -> Vec<String> {
    env.world.journal().calls().iter().map(podid_sandbox::journal::Call::name).collect()
}

/// Sends a signal by name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// True once the world has frozen, false when the child has ended before.
fn frozen(env: &Env, child: &mut Child) -> bool {
    let start = Instant::now();
    loop {
        if env.world.faults().wait_frozen(Duration::from_millis(20)) {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(start.elapsed() < SOON * 3, "neither frozen nor ended: {:?}", names(env));
    }
}

/// Kills the command after each of its requests in turn, runs it again, and has the end looked at. Answers the number of requests.
pub(crate) fn kill_after_each(make: impl Fn() -> Env + Sync, line: &str, look: impl Fn(u64, &Env, &Run) + Sync) -> u64 {
    kill_after_each_and(make, line, |_, _| {}, look)
}

/// The same, and has the world looked at in which it was killed.
pub(crate) fn kill_after_each_and(
    make: impl Fn() -> Env + Sync,
    line: &str,
    killed: impl Fn(u64, &Env) + Sync,
    look: impl Fn(u64, &Env, &Run) + Sync,
) -> u64 {
    let (next, last) = (AtomicU64::new(1), AtomicU64::new(u64::MAX));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n > last.load(Ordering::SeqCst) {
                        return;
                    }
                    let env = make();
                    env.world.faults().freeze_after(n);
                    let mut child = env.begin(line);
                    if !frozen(&env, &mut child) {
                        assert!(child.wait().unwrap().success());
                        last.fetch_min(n, Ordering::SeqCst);
                        return;
                    }
                    child.kill().unwrap();
                    child.wait().unwrap();
                    env.world.faults().thaw();
                    killed(n, &env);
                    let again = env.podid(line);
                    assert_eq!(again.code, 0, "killed after request {n}: {:?}\n{again}", names(&env));
                    look(n, &env, &again);
                }
            });
        }
    });
    last.load(Ordering::SeqCst) - 1
}

#[test]
fn associate_after_each_request() {
    let env = ready(&[]);
    let run = env.podid(ASSOCIATE).ok();
    assert_works(&env, &run);
    let undisturbed = end(&env);
    assert_eq!((undisturbed.roles.len(), undisturbed.associations.len(), restarts(&env)), (2, 1, 1));
    let requests = kill_after_each(
        || ready(&[]),
        ASSOCIATE,
        |n, env, again| {
            assert_eq!(end(env), undisturbed, "killed after request {n}\n{again}");
            assert_eq!(restarts(env), 1, "killed after request {n}: {:?}\n{again}", names(env));
            assert_works(env, again);
        },
    );
    assert!(requests > 20, "{requests}");
}

#[test]
fn agent_install_after_each_request() {
    let env = Env::new("carts-before");
    let run = env.podid("agent install").ok();
    let undisturbed = end(&env);
    assert_eq!(undisturbed.addons.len(), 1, "{run}");
    let requests = kill_after_each(
        || Env::new("carts-before"),
        "agent install",
        |n, env, again| {
            assert_eq!(end(env), undisturbed, "killed after request {n}\n{again}");
            assert_eq!(env.world.journal().count("eks", "CreateAddon"), 1, "killed after request {n}\n{again}");
            let _ = env.podid("agent status").ok().says("ready on 3 nodes");
        },
    );
    assert!(requests > 6, "{requests}");
}
