//! The scheduler and the kubelets: the life of a pod, from its binding to its end, and its logs.

use std::{collections::HashSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Kube, agent,
    app::{self, Outcome},
    controllers::terminating,
    events::Source,
    failure::Failure,
    json::{array, entry, list, object, stamp, text},
    kinds, nodes, pod_status, schedule,
    store::place,
    writes::doom,
};
use crate::{State, scenario::Scenario};

/// A line of a log.
pub(crate) type Line = (Timestamp, String);

/// What a kubelet knows of a pod.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub stage: Stage,
    pub due: Option<Timestamp>,
    pub restarts: i64,
    pub started: Option<Timestamp>,
    /// The end of the container before this one.
    pub last: Option<(Timestamp, Timestamp)>,
    /// The end of the last container, when nothing follows.
    pub ended: Option<Timestamp>,
    pub ready: bool,
    /// The pod as it was when its kubelet looked last.
    seen: Option<Arc<Value>>,
    outcome: Option<Outcome>,
    log: Vec<Line>,
    previous: Option<Vec<Line>>,
}

/// Where the first container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    Creating,
    Running,
    /// Ended with exit code 1; the kubelet has not yet decided.
    Crashed,
    /// Waiting, with a reason and a message.
    Waiting(&'static str, String),
    /// Told to end.
    Stopping,
    /// Ended for good, with this exit code.
    Ended(i64),
}

fn ms(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Back-off before restart number `restarts` + 1; the first restart is at once.
fn back_off(scenario: &Scenario, settling: bool, restarts: i64) -> SignedDuration {
    let doubled = 1_i64 << (restarts - 1).clamp(0, 16);
    if settling {
        return SignedDuration::from_secs((10 * doubled).min(300));
    }
    let shortest = ms(scenario.delays.back_off);
    let most = shortest * 10;
    shortest.checked_mul(i32::try_from(doubled).unwrap_or(i32::MAX)).map_or(most, |d| d.min(most))
}

/// Deletes a pod: at once when nothing runs, else it gets its grace.
pub(crate) fn delete(kube: &mut Kube, pod: &Value, grace: Option<i64>, now: Timestamp) -> Value {
    let kind = kinds::of("pods");
    let (namespace, name) = place(pod);
    let usual = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30);
    let grace = grace.unwrap_or(usual);
    if grace == 0 || text(pod, "/spec/nodeName").is_empty() {
        kube.runs.remove(text(pod, "/metadata/uid"));
        return kube.store.remove(kind, &namespace, &name).map_or_else(|| pod.clone(), |p| Value::clone(&p));
    }
    if terminating(pod) {
        return pod.clone();
    }
    let doomed = kube.store.update(kind, &namespace, &name, |p| doom(p, now, grace));
    doomed.map_or_else(|| pod.clone(), |p| Value::clone(&p))
}

const SCHEDULER: Source<'_> = Source::Component("default-scheduler");

/// Lets the scheduler and the kubelets work once.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    let pods: Vec<Arc<Value>> = state.kube.store.list("pods", "").cloned().collect();
    if state.kube.runs.len() > pods.len() {
        let living: HashSet<&str> = pods.iter().map(|p| text(p, "/metadata/uid")).collect();
        state.kube.runs.retain(|uid, _| living.contains(uid.as_str()));
    }
    for pod in &pods {
        if text(pod, "/spec/nodeName").is_empty() {
            bind(&mut state.kube, pod, now);
            continue;
        }
        let node = state.kube.store.get("nodes", "", text(pod, "/spec/nodeName"));
        if node.is_some_and(|node| !nodes::works(node)) {
            continue;
        }
        let uid = text(pod, "/metadata/uid").to_owned();
        let idle = state.kube.runs.get(&uid).filter(|run| {
            run.due.is_none_or(|due| due > now) && run.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, pod))
        });
        if let Some(run) = idle {
            if let Some(due) = run.due {
                state.kube.wake(due);
            }
            continue;
        }
        let mut run = state.kube.runs.remove(&uid).unwrap_or_else(|| Run {
            stage: Stage::Creating,
            due: Some(now + ms(scenario.delays.pod)),
            restarts: 0,
            started: None,
            last: None,
            ended: None,
            ready: false,
            seen: None,
            outcome: None,
            log: Vec::new(),
            previous: None,
        });
        if terminating(pod) && !matches!(run.stage, Stage::Stopping | Stage::Ended(_)) {
            run.stage = Stage::Stopping;
            for container in list(pod, "/spec/containers") {
                let name = text(container, "/name");
                let message = format!("Stopping container {name}");
                state.kube.tell(kubelet(pod, Some(name)), pod, "Killing", &message, now);
            }
            run.due = Some(now + ms(scenario.delays.termination / 2));
        } else if run.due.is_some_and(|due| due <= now) {
            advance(state, scenario, pod, &mut run, now);
        }
        if run.stage == Stage::Stopping && !terminating(pod) {
            continue;
        }
        let (namespace, name) = place(pod);
        if terminating(pod) && matches!(run.stage, Stage::Ended(_)) && run.due.is_none() {
            state.kube.store.remove(kinds::of("pods"), &namespace, &name);
            continue;
        }
        let status = pod_status::of(&state.kube, pod, &run, now);
        run.seen = state.kube.store.update(kinds::of("pods"), &namespace, &name, |p| p["status"] = status);
        if let Some(due) = run.due {
            state.kube.wake(due);
        }
        state.kube.runs.insert(uid, run);
    }
}

/// Gives a pod a node.
fn bind(kube: &mut Kube, pod: &Value, now: Timestamp) {
    let nodes: Vec<Arc<Value>> = kube.store.list("nodes", "").cloned().collect();
    let spec = &pod["spec"];
    let fitting: Vec<&Arc<Value>> = nodes.iter().filter(|n| schedule::fits(spec, n)).collect();
    let (namespace, name) = place(pod);
    if fitting.is_empty() {
        let message = schedule::excuse(spec, &nodes);
        let condition = json!({"type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": stamp(now), "reason": "Unschedulable", "message": message});
        let known = list(pod, "/status/conditions").iter().any(|c| text(c, "/message") == message);
        if !known {
            kube.store.update(kinds::of("pods"), &namespace, &name, |p| p["status"]["conditions"] = json!([condition]));
            kube.warn(SCHEDULER, pod, "FailedScheduling", &message, now);
        }
        return;
    }
    kube.round += 1;
    let node = text(fitting[kube.round % fitting.len()], "/metadata/name").to_owned();
    kube.store.update(kinds::of("pods"), &namespace, &name, |p| {
        object(p, &["spec"]).insert("nodeName".into(), json!(node));
        let conditions = array(p, &["status"], "conditions");
        conditions.clear();
        conditions.push(
            json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": stamp(now)}),
        );
    });
    let message = format!("Successfully assigned {namespace}/{name} to {node}");
    kube.tell(SCHEDULER, pod, "Scheduled", &message, now);
}

/// One turn in the life of a pod.
fn advance(state: &mut State, scenario: &Scenario, pod: &Value, run: &mut Run, now: Timestamp) {
    let pod_delay = ms(scenario.delays.pod);
    let settling = state.kube.settling;
    match run.stage.clone() {
        Stage::Running => match run.outcome.take() {
            Some(Outcome::Crash(lines)) => {
                run.log.extend(lines.into_iter().map(|line| (now, line)));
                run.ready = false;
                run.last = Some((run.started.unwrap_or(now), now));
                run.stage = Stage::Crashed;
                run.due = Some(now);
                if matches!(text(pod, "/spec/restartPolicy"), "Never") {
                    run.stage = Stage::Ended(1);
                    run.ended = Some(now);
                    run.due = None;
                }
            }
            Some(Outcome::Ready(lines)) => {
                run.log.extend(lines.into_iter().map(|line| (now, line)));
                run.ready = true;
                run.due = None;
            }
            Some(Outcome::Unready(lines)) => {
                run.log.extend(lines.into_iter().map(|line| (now, line)));
                run.due = None;
                let source = kubelet(pod, Some(text(pod, "/spec/containers/0/name")));
                let message = "Readiness probe failed: HTTP probe failed with statuscode: 503";
                state.kube.warn(source, pod, "Unhealthy", message, now);
            }
            _ => run.due = None,
        },
        Stage::Crashed if run.restarts > 0 => {
            let wait = back_off(scenario, settling, run.restarts);
            let container = text(pod, "/spec/containers/0/name");
            let (namespace, name) = place(pod);
            let uid = text(pod, "/metadata/uid");
            let shown = SignedDuration::from_secs((10 * (1_i64 << (run.restarts - 1).clamp(0, 5))).min(300));
            let message = format!(
                "back-off {} restarting failed container={container} pod={name}_{namespace}({uid})",
                go_duration(shown)
            );
            run.stage = Stage::Waiting("CrashLoopBackOff", message);
            run.due = Some(now + wait);
            let message = format!("Back-off restarting failed container {container} in pod {name}_{namespace}({uid})");
            state.kube.warn(kubelet(pod, Some(container)), pod, "BackOff", &message, now);
        }
        Stage::Crashed | Stage::Waiting("CrashLoopBackOff", _) => {
            run.restarts += 1;
            run.previous = Some(std::mem::take(&mut run.log));
            start(state, scenario, pod, run, now);
        }
        Stage::Waiting("ErrImagePull", _) => {
            let image = text(pod, "/spec/containers/0/image");
            let message = format!("Back-off pulling image \"{image}\"");
            let source = kubelet(pod, Some(text(pod, "/spec/containers/0/name")));
            state.kube.tell(source, pod, "BackOff", &message, now);
            state.kube.warn(source, pod, "Failed", "Error: ImagePullBackOff", now);
            run.stage = Stage::Waiting("ImagePullBackOff", message);
            run.due = None;
        }
        Stage::Creating | Stage::Waiting(..) => start(state, scenario, pod, run, now),
        Stage::Stopping => {
            run.ended = Some(now);
            run.stage = Stage::Ended(if run.ready { 0 } else { i64::from(run.restarts > 0) });
            run.ready = false;
            run.due = Some(now + ms(scenario.delays.termination - scenario.delays.termination / 2));
        }
        Stage::Ended(_) => run.due = None,
    }
    if run.stage == Stage::Running && run.due.is_some_and(|due| due <= now) {
        run.due = Some(now + pod_delay);
    }
}

/// A pod's kubelet as the source of an event.
fn kubelet<'a>(pod: &'a Value, container: Option<&'a str>) -> Source<'a> {
    Source::Kubelet { node: text(pod, "/spec/nodeName"), container }
}

/// Starts the container, or finds out why it cannot.
fn start(state: &mut State, scenario: &Scenario, pod: &Value, run: &mut Run, now: Timestamp) {
    let outcome = app::start(state, scenario, pod, now);
    told(&mut state.kube, pod, &outcome, now);
    match outcome {
        Outcome::Image => {
            run.stage = Stage::Waiting("ErrImagePull", unpulled(&state.kube, pod));
            run.due = Some(now + ms(scenario.delays.back_off));
        }
        Outcome::Mount(why) => {
            let message = format!("MountVolume.SetUp failed for volume \"settings\" : {why}");
            state.kube.warn(kubelet(pod, None), pod, "FailedMount", &message, now);
            run.stage = Stage::Creating;
            // The kubelet tries again about every two minutes.
            run.due = Some(now + jiff::SignedDuration::from_mins(2));
        }
        Outcome::Config(message) => {
            run.stage = Stage::Waiting("CreateContainerConfigError", message);
            run.due = Some(now + ms(scenario.delays.back_off.max(50)));
        }
        outcome => {
            run.stage = Stage::Running;
            run.started = Some(now);
            let greeting = if agent::is_agent(pod) { agent::greeting(now) } else { app::greeting(now) };
            run.log = vec![(now, greeting)];
            run.outcome = Some(outcome);
            run.due = Some(now + ms(scenario.delays.pod.max(1)));
        }
    }
}

/// Why the image of a pod's first container cannot be pulled.
fn unpulled(kube: &Kube, pod: &Value) -> String {
    let image = text(pod, "/spec/containers/0/image");
    let why = if agent::unreachable_registry(kube, pod) {
        let host = image.split('/').next().unwrap_or(image);
        format!("failed to do request: Head \"https://{host}/v2/\": dial tcp 10.42.0.2:443: i/o timeout")
    } else {
        format!("{image}: not found")
    };
    format!("failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {why}")
}

/// Tells of a start, container by container: only the first has an app with a life.
fn told(kube: &mut Kube, pod: &Value, outcome: &Outcome, now: Timestamp) {
    for (at, container) in list(pod, "/spec/containers").iter().enumerate() {
        let (name, image) = (text(container, "/name"), text(container, "/image"));
        let source = kubelet(pod, Some(name));
        if at == 0 && matches!(outcome, Outcome::Image) {
            kube.tell(source, pod, "Pulling", &format!("Pulling image \"{image}\""), now);
            let why = unpulled(kube, pod);
            kube.warn(source, pod, "Failed", &format!("Failed to pull image \"{image}\": {why}"), now);
            kube.warn(source, pod, "Failed", "Error: ErrImagePull", now);
            continue;
        }
        let pulled = if text(container, "/imagePullPolicy") == "Always" {
            kube.tell(source, pod, "Pulling", &format!("Pulling image \"{image}\""), now);
            format!("Successfully pulled image \"{image}\"")
        } else {
            format!("Container image \"{image}\" already present on machine")
        };
        kube.tell(source, pod, "Pulled", &pulled, now);
        match outcome {
            Outcome::Config(why) if at == 0 => kube.warn(source, pod, "Failed", &format!("Error: {why}"), now),
            _ => {
                kube.tell(source, pod, "Created", &format!("Created container: {name}"), now);
                kube.tell(source, pod, "Started", &format!("Started container {name}"), now);
            }
        }
    }
}

fn go_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

/// Ends the pretend past: back-offs that would last for minutes are cut to this world's.
pub(crate) fn settled(state: &mut State, scenario: &Scenario, now: Timestamp) {
    let latest = now + ms(scenario.delays.back_off) * 10;
    for run in state.kube.runs.values_mut() {
        run.due = run.due.map(|due| due.min(latest));
    }
    // The next step works out anew what is due.
    state.kube.due = Some(now);
}

/// How often the first container of a pod was restarted, while it has not ended.
pub(crate) fn runs(kube: &Kube, uid: &str) -> Option<i64> {
    let run = kube.runs.get(uid)?;
    matches!(run.stage, Stage::Creating | Stage::Running | Stage::Stopping).then_some(run.restarts)
}

/// On a pod: what another of its containers than the first writes.
const LOG: &str = "sandbox.podid.dev/log.";

/// A container's log.
pub(crate) fn log(kube: &Kube, pod: &Value, container: &str, previous: bool) -> Result<Vec<Line>, Failure> {
    let (_, name) = place(pod);
    let names: Vec<&str> = list(pod, "/spec/containers").iter().map(|c| text(c, "/name")).collect();
    let container = match (container, names.as_slice()) {
        ("", [only]) => only,
        ("", _) => {
            return Err(Failure::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                names.join(" ")
            )));
        }
        (container, _) => container,
    };
    let known =
        names.contains(&container) || list(pod, "/spec/initContainers").iter().any(|c| text(c, "/name") == container);
    if !known {
        return Err(Failure::bad_request(format!("container {container} is not valid for pod {name}")));
    }
    let run = kube.runs.get(text(pod, "/metadata/uid"));
    let waiting = |reason: &str| {
        Failure::bad_request(format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"))
    };
    let Some(run) = run else { return Err(waiting("ContainerCreating")) };
    let main = names.first() == Some(&container);
    if previous {
        // While it waits for its restart, the container that crashed is itself the previous one.
        let ended = matches!(run.stage, Stage::Crashed | Stage::Waiting("CrashLoopBackOff", _));
        let lines = if ended { Some(&run.log) } else { run.previous.as_ref() };
        return lines.filter(|_| main).cloned().ok_or_else(|| {
            Failure::bad_request(format!("previous terminated container \"{container}\" in pod \"{name}\" not found"))
        });
    }
    match &run.stage {
        Stage::Creating => Err(waiting("ContainerCreating")),
        Stage::Waiting(reason, _) if *reason != "CrashLoopBackOff" => {
            let known = match *reason {
                "ErrImagePull" => "image can't be pulled",
                "ImagePullBackOff" => "trying and failing to pull image",
                other => other,
            };
            Err(waiting(known))
        }
        _ if main => Ok(run.log.clone()),
        // The app is in the first container; what others write, their pod says.
        _ => {
            let told = entry(pod, "/metadata/annotations", &format!("{LOG}{container}")).unwrap_or_default();
            let at = run.started.unwrap_or_default();
            Ok(told.lines().map(|line| (at, line.to_owned())).collect())
        }
    }
}
