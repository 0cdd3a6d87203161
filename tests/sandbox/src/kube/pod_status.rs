//! A pod's status, as its kubelet writes it.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Kube,
    json::{flag, list, number, stamp, text},
    kubelet::{Run, Stage},
    store::place,
};

/// The whole status; conditions that did not change keep their times.
pub(crate) fn of(kube: &Kube, pod: &Value, run: &Run, now: Timestamp) -> Value {
    let before = &pod["status"];
    let ended = matches!(run.stage, Stage::Ended(_));
    let exit = if let Stage::Ended(code) = run.stage { code } else { 0 };
    let began = run.started.is_some();
    let phase = match (ended, exit) {
        (true, 0) => "Succeeded",
        (true, _) => "Failed",
        _ if began => "Running",
        _ => "Pending",
    };
    let generation = number(pod, "/metadata/generation");
    let mut conditions = Vec::new();
    let mut condition = |kind: &str, on: bool, reason: &str, message: String| {
        let status = if on { "True" } else { "False" };
        let old = list(before, "/conditions").iter().find(|c| text(c, "/type") == kind);
        let since = match old.filter(|c| text(c, "/status") == status) {
            Some(old) => text(old, "/lastTransitionTime").to_owned(),
            None => stamp(now),
        };
        let mut new = json!({"type": kind, "observedGeneration": generation, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
        if !reason.is_empty() {
            new["reason"] = json!(reason);
        }
        if !message.is_empty() {
            new["message"] = json!(message);
        }
        conditions.push(new);
    };
    let names: Vec<&str> = list(pod, "/spec/containers").iter().map(|c| text(c, "/name")).collect();
    let serving = run.ready && !ended;
    let completed = if ended && exit == 0 { "PodCompleted" } else { "" };
    let reason = if serving {
        ""
    } else if ended {
        "PodCompleted"
    } else {
        "ContainersNotReady"
    };
    let message = if serving || ended {
        String::new()
    } else {
        format!("containers with unready status: [{}]", names[..1.min(names.len())].join(" "))
    };
    // Gates are other people's conditions: the pod is ready only with all of them.
    let shut: Vec<&str> = list(pod, "/spec/readinessGates")
        .iter()
        .map(|gate| text(gate, "/conditionType"))
        .filter(|gate| {
            !list(before, "/conditions").iter().any(|c| text(c, "/type") == *gate && text(c, "/status") == "True")
        })
        .collect();
    condition("PodReadyToStartContainers", began && !ended, "", String::new());
    condition("Initialized", true, completed, String::new());
    if serving && !shut.is_empty() {
        let each: Vec<String> = shut
            .iter()
            .map(|gate| format!("corresponding condition of pod readiness gate \"{gate}\" does not exist."))
            .collect();
        condition("Ready", false, "ReadinessGatesNotReady", each.join(", "));
    } else {
        condition("Ready", serving, reason, message.clone());
    }
    condition("ContainersReady", serving, reason, message);
    condition("PodScheduled", true, "", String::new());
    let own = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    conditions.extend(list(before, "/conditions").iter().filter(|c| !own.contains(&text(c, "/type"))).cloned());
    let node = kube.store.get("nodes", "", text(pod, "/spec/nodeName"));
    let host = node
        .and_then(|n| {
            list(n, "/status/addresses").iter().find(|a| text(a, "/type") == "InternalIP").map(|a| text(a, "/address"))
        })
        .unwrap_or("10.42.0.1")
        .to_owned();
    let own_ip = if flag(pod, "/spec/hostNetwork") { host.clone() } else { address(text(pod, "/metadata/uid")) };
    let mut status = json!({
        "observedGeneration": generation, "phase": phase, "conditions": conditions,
        "hostIP": host, "hostIPs": [{"ip": host}],
    });
    if began {
        status["podIP"] = json!(own_ip);
        status["podIPs"] = json!([{"ip": own_ip}]);
    }
    let start = before.get("startTime").cloned().unwrap_or_else(|| json!(stamp(now)));
    status["startTime"] = start;
    let containers = |field: &str| list(pod, field).iter().enumerate().map(|(at, c)| (at == 0, c));
    let inits: Vec<Value> = containers("/spec/initContainers").map(|(_, c)| init(pod, c, run)).collect();
    if !inits.is_empty() {
        status["initContainerStatuses"] = json!(inits);
    }
    status["containerStatuses"] =
        containers("/spec/containers").map(|(main, c)| container(pod, c, run, main)).collect();
    status["qosClass"] = before.get("qosClass").cloned().unwrap_or_else(|| json!("BestEffort"));
    status
}

fn identity(pod: &Value, name: &str, restarts: i64) -> String {
    let (namespace, pod_name) = place(pod);
    let seed = format!("{namespace}/{pod_name}/{}/{name}/{restarts}", text(pod, "/metadata/uid"));
    format!("containerd://{}", hex::encode(Sha256::digest(seed)))
}

fn base(pod: &Value, container: &Value, state: &Value, last: &Value, ready: bool, restarts: i64) -> Value {
    let image = text(container, "/image");
    let mut status = json!({
        "name": text(container, "/name"), "state": state, "lastState": last, "ready": ready, "restartCount": restarts,
        "image": image, "imageID": "",
    });
    let began = status["state"].get("waiting").is_none();
    if began {
        status["imageID"] = json!(format!(
            "{}@sha256:{}",
            image.split(':').next().unwrap_or(image),
            hex::encode(Sha256::digest(image))
        ));
        status["containerID"] = json!(identity(pod, text(container, "/name"), restarts));
    }
    status["started"] = json!(status["state"].get("running").is_some());
    status
}

fn end(pod: &Value, name: &str, restarts: i64, exit: i64, span: (Timestamp, Timestamp)) -> Value {
    json!({"terminated": {
        "exitCode": exit, "reason": if exit == 0 { "Completed" } else { "Error" },
        "startedAt": stamp(span.0), "finishedAt": stamp(span.1), "containerID": identity(pod, name, restarts),
    }})
}

fn init(pod: &Value, container: &Value, run: &Run) -> Value {
    let name = text(container, "/name");
    match run.started {
        Some(at) => base(pod, container, &end(pod, name, 0, 0, (at, at)), &json!({}), true, 0),
        None => base(pod, container, &json!({"waiting": {"reason": "PodInitializing"}}), &json!({}), false, 0),
    }
}

fn container(pod: &Value, container: &Value, run: &Run, main: bool) -> Value {
    let name = text(container, "/name");
    let running = |at: Option<Timestamp>| json!({"running": {"startedAt": stamp(at.unwrap_or_default())}});
    if !main {
        // Only the first container is an app with a life; the others run along.
        let state = match (&run.stage, run.started) {
            (Stage::Ended(_), Some(at)) => end(pod, name, 0, 0, (at, at)),
            (_, Some(_)) => running(run.started),
            (_, None) => json!({"waiting": {"reason": "ContainerCreating"}}),
        };
        let up = state.get("running").is_some();
        return base(pod, container, &state, &json!({}), up, 0);
    }
    let last = match run.last {
        Some(span) if run.restarts > 0 => end(pod, name, run.restarts - 1, 1, span),
        _ => json!({}),
    };
    let state = match &run.stage {
        Stage::Creating => json!({"waiting": {"reason": "ContainerCreating"}}),
        Stage::Running => running(run.started),
        Stage::Crashed => {
            let span = run.last.unwrap_or_default();
            return base(pod, container, &end(pod, name, run.restarts, 1, span), &last, false, run.restarts);
        }
        Stage::Waiting("CrashLoopBackOff", message) => {
            let last = run.last.map_or_else(|| json!({}), |span| end(pod, name, run.restarts, 1, span));
            let state = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
            return base(pod, container, &state, &last, false, run.restarts);
        }
        Stage::Waiting(reason, message) => json!({"waiting": {"reason": reason, "message": message}}),
        // Its containers are as they were until they are told otherwise.
        Stage::Stopping => match list(&pod["status"], "/containerStatuses").iter().find(|s| text(s, "/name") == name) {
            Some(old) => return old.clone(),
            None => json!({"waiting": {"reason": "ContainerCreating"}}),
        },
        Stage::Ended(code) => {
            let at = run.started.unwrap_or_default();
            return base(
                pod,
                container,
                &end(pod, name, run.restarts, *code, (at, run.ended.unwrap_or(at))),
                &last,
                false,
                run.restarts,
            );
        }
    };
    base(pod, container, &state, &last, run.ready, run.restarts)
}

/// A pod's own address.
fn address(uid: &str) -> String {
    let hash = Sha256::digest(uid);
    format!("10.42.{}.{}", 64 + hash[0] % 128, 2 + hash[1] % 250)
}
