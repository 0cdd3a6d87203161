//! An agent's pod that is not ready, and why.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{
    text,
    workload::{Container, Pod, Waiting},
};

/// A pod of the agent that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentPod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What it lacks.
    pub trouble: Trouble,
    /// The last line of the crashed container's log, once it was read.
    pub log: Option<String>,
}

/// What keeps an agent's pod from being ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trouble {
    /// Nothing but time.
    Starting,
    /// The scheduler has no place for it; its words.
    Unschedulable(String),
    /// The kubelet cannot make a container: reason and message (`ImagePullBackOff`, `CreateContainerError`, …).
    Waiting(String, String),
    /// A container ended, and is started again.
    Crash {
        /// Which.
        container: String,
        /// Of its last end.
        exit: Option<i64>,
        /// Times restarted.
        restarts: u64,
    },
    /// It runs, and does not say that it is ready.
    Unready,
}

/// What a crash of the agent is known to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// github.com/aws/eks-pod-identity-agent issue 16; EKS User Guide, pod-id-agent-config-ipv6.
    NoIpv6,
    /// github.com/aws/eks-pod-identity-agent issue 10.
    PortTaken,
}

impl AgentPod {
    /// Of a pod that is not ready.
    pub fn of(pod: &Pod) -> Self {
        let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
        Self { namespace, name, trouble: Trouble::of(pod), log: None }
    }

    /// The container whose log tells more.
    pub fn crashed(&self) -> Option<&str> {
        match &self.trouble {
            Trouble::Crash { container, .. } => Some(container),
            _ => None,
        }
    }

    /// Why the node has no ready agent, as a fragment.
    pub fn why(&self) -> String {
        match &self.trouble {
            Trouble::Starting => "its agent pod is starting".to_owned(),
            Trouble::Unready => "its agent pod runs, but is not ready".to_owned(),
            Trouble::Unschedulable(message) => format!("its agent pod cannot be scheduled: {message}"),
            Trouble::Waiting(reason, message) if message.is_empty() => format!("its agent pod is waiting: {reason}"),
            Trouble::Waiting(reason, message) if reason.contains("Image") => {
                format!("the agent's image cannot be pulled: {reason}: {message}")
            }
            Trouble::Waiting(reason, message) => format!("its agent pod is waiting: {reason}: {message}"),
            Trouble::Crash { exit, restarts, .. } => {
                let end = exit.map_or(String::new(), |exit| format!("exit code {exit}, "));
                let crash = format!(
                    "its agent crashes ({end}restarted {})",
                    text::count((*restarts).try_into().unwrap_or(usize::MAX), "time")
                );
                match (self.known(), &self.log) {
                    (Some(Known::NoIpv6), _) => {
                        format!("{crash}: IPv6 is off on the node, and it cannot bind [fd00:ec2::23]")
                    }
                    (Some(Known::PortTaken), _) => {
                        format!("{crash}: port 80 is already in use on the node")
                    }
                    (None, Some(log)) => format!("{crash}: {}", words(log)),
                    (None, None) => crash,
                }
            }
        }
    }

    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Option<String> {
        if let Trouble::Waiting(reason, _) = &self.trouble
            && reason.contains("Image")
        {
            return Some("nodes without internet access need VPC endpoints for ECR and S3".to_owned());
        }
        Some(match self.known()? {
            Known::NoIpv6 => {
                "limit the agent to IPv4: `podid agent upgrade --configuration-values '{\"agent\":{\"additionalArgs\":{\"-b\":\"169.254.170.23\"}}}'`"
            }
            Known::PortTaken => "find what listens on port 80 of the node: a pod with hostNetwork or a hostPort, or a service of the node",
        }
        .to_owned())
    }

    fn known(&self) -> Option<Known> {
        let log = self.log.as_deref()?;
        if log.contains("fd00:ec2::23") && log.contains("cannot assign requested address") {
            Some(Known::NoIpv6)
        } else if log.contains(":80: bind: address already in use") {
            Some(Known::PortTaken)
        } else {
            None
        }
    }
}

impl Trouble {
    fn of(pod: &Pod) -> Self {
        if let Some(message) = &pod.unschedulable {
            return Self::Unschedulable(message.clone());
        }
        let crashed = |container: &&Container| {
            let waits = container.waiting.as_ref().is_some_and(|waiting| waiting.reason == "CrashLoopBackOff");
            let ended = container.terminated.as_ref().is_some_and(|end| end.exit_code != 0);
            waits || ended || container.restarts > 0
        };
        let waiting = pod.containers.iter().find_map(|container| {
            let Waiting { reason, message } = container.waiting.as_ref()?;
            let usual = matches!(reason.as_str(), "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff" | "");
            (!usual).then(|| Self::Waiting(reason.clone(), message.clone()))
        });
        if let Some(waiting) = waiting {
            return waiting;
        }
        if let Some(container) = pod.containers.iter().find(crashed) {
            let exit = container.terminated.as_ref().map(|end| end.exit_code);
            return Self::Crash { container: container.name.clone(), exit, restarts: container.restarts };
        }
        let running = pod.containers.iter().filter(|container| !container.init).all(|container| container.running);
        if running && !pod.containers.is_empty() { Self::Unready } else { Self::Starting }
    }
}

/// The message of a line of the agent's log, which is JSON.
fn words(line: &str) -> String {
    let message = serde_json::from_str::<Value>(line).ok().and_then(|line| Some(line.get("msg")?.as_str()?.to_owned()));
    message.unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{pod, workload},
        workload::{Terminated, WorkloadKind},
    };

    #[test]
    fn why_it_is_not_ready() {
        let plain = pod(&workload(WorkloadKind::DaemonSet, "agent"), "agent-1", false);
        let with = |change: &dyn Fn(&mut Pod)| {
            let mut pod = plain.clone();
            (pod.ready, pod.containers[0].running) = (false, false);
            change(&mut pod);
            AgentPod::of(&pod)
        };
        let waiting =
            |reason: &str, message: &str| Some(Waiting { reason: reason.to_owned(), message: message.to_owned() });
        let crashed = with(&|pod| {
            pod.containers[0].waiting = waiting("CrashLoopBackOff", "back-off 10s");
            pod.containers[0].terminated = Some(Terminated { exit_code: 1, reason: "Error".to_owned() });
            pod.containers[0].restarts = 4;
        });
        let said = |log: &str| AgentPod { log: Some(log.to_owned()), ..crashed.clone() };
        for (pod, wanted, remedy) in [
            (with(&|_| ()), "its agent pod is starting", false),
            (
                with(&|pod| pod.containers[0].waiting = waiting("ContainerCreating", "")),
                "its agent pod is starting",
                false,
            ),
            (with(&|pod| pod.containers[0].running = true), "its agent pod runs, but is not ready", false),
            (
                with(&|pod| pod.unschedulable = Some("0/3 nodes are available".to_owned())),
                "its agent pod cannot be scheduled: 0/3 nodes are available",
                false,
            ),
            (
                with(&|pod| pod.containers[0].waiting = waiting("ImagePullBackOff", "Back-off pulling image \"x\"")),
                "the agent's image cannot be pulled: ImagePullBackOff: Back-off pulling image \"x\"",
                true,
            ),
            (crashed.clone(), "its agent crashes (exit code 1, restarted 4 times)", false),
            (
                said("{\"level\":\"fatal\",\"msg\":\"Unable to start server: no cluster\"}"),
                "its agent crashes (exit code 1, restarted 4 times): Unable to start server: no cluster",
                false,
            ),
            (
                said("Unable to start server: listen tcp [fd00:ec2::23]:80: bind: cannot assign requested address"),
                "its agent crashes (exit code 1, restarted 4 times): IPv6 is off on the node, and it cannot bind [fd00:ec2::23]",
                true,
            ),
            (
                said("listen tcp 169.254.170.23:80: bind: address already in use"),
                "its agent crashes (exit code 1, restarted 4 times): port 80 is already in use on the node",
                true,
            ),
        ] {
            assert_eq!(pod.why(), wanted);
            assert_eq!(pod.remedy().is_some(), remedy, "{wanted}");
        }
    }
}
