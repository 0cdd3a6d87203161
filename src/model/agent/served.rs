//! Whether any new pod of a service account would find an agent: injected pods that find none get no credentials at all.

use super::{AgentState, Coverage, grouped};
use crate::model::workload::{Pod, Workload};

impl AgentState {
    /// Why no new pod will find an agent, on whatever node it comes to be; `None` when one may.
    ///
    /// No node at all is no reason: nodes may come with the first pod, and a DaemonSet is then there before it. The same holds
    /// for nodes that are not ready, and for clusters whose nodes are all Fargate's while their other nodes are scaled to zero.
    pub fn nowhere(&self) -> Option<String> {
        if self.auto_mode {
            return None;
        }
        if !self.installed() {
            let none = match &self.addon_unread {
                Some(why) => format!("no agent found; the add-on could not be read ({why})"),
                None => "the agent is not installed".to_owned(),
            };
            return Some(match self.unsupported() {
                Some(place) => format!("{none}; {place}"),
                None => none,
            });
        }
        if self.daemon_sets.is_empty() {
            return Some(format!("the add-on {} has no DaemonSet", crate::model::addon::AGENT));
        }
        let mut lacking = Vec::new();
        for node in self.nodes.iter().filter(|node| node.ready) {
            match self.ready_on(&node.name) {
                Coverage::Ready | Coverage::BuiltIn => return None,
                Coverage::Missing(why) => lacking.push((node.name.clone(), why)),
                Coverage::NotSupported(_) => {}
            }
        }
        (!lacking.is_empty()).then(|| grouped(&lacking))
    }

    /// Why no new pod of these workloads will find an agent: there is none where they run or could run.
    pub fn unserved(&self, pods: &[Pod], workloads: &[Workload]) -> Option<String> {
        let mut lacking = Vec::new();
        for (name, _) in self.used(pods, workloads) {
            match self.ready_on(name) {
                Coverage::Ready | Coverage::BuiltIn => return None,
                Coverage::Missing(why) | Coverage::NotSupported(why) => lacking.push((name.to_owned(), why)),
            }
        }
        if lacking.is_empty() { self.nowhere() } else { Some(grouped(&lacking)) }
    }

    /// Why Pod Identity works on none of the nodes, where there are nodes: all are Fargate's, or Windows.
    pub fn unsupported(&self) -> Option<String> {
        if self.auto_mode || self.nodes.is_empty() || self.needed() {
            return None;
        }
        let whys = self.nodes.iter().map(|node| (node.name.clone(), node.unsupported()));
        let whys: Vec<(String, String)> = whys.filter_map(|(name, why)| Some((name, why?))).collect();
        (whys.len() == self.nodes.len()).then(|| grouped(&whys))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{
        agent::{COMPUTE_TYPE, Node},
        fixtures::{agent, node, workload},
        workload::WorkloadKind,
    };

    fn of(compute: &str) -> Node {
        let mut node = node("n1");
        node.labels.insert(COMPUTE_TYPE.to_owned(), compute.to_owned());
        node
    }

    /// The same worlds with and without an agent: what differs is one field.
    #[test]
    fn where_no_agent_can_be_found() {
        let mut down = node("n1");
        down.ready = false;
        let mut windows = node("n1");
        windows.labels.insert("kubernetes.io/os".to_owned(), "windows".to_owned());
        let (fargate, auto) = (of("fargate"), of("auto"));
        // Nodes, those with a ready agent, Auto Mode; whether a new pod may find one with a DaemonSet, and without.
        for (nodes, ready, auto_mode, with, without) in [
            (vec![node("n1"), node("n2")], vec!["n1", "n2"], false, true, false),
            (vec![node("n1"), node("n2")], vec!["n1"], false, true, false),
            (vec![node("n1"), node("n2")], vec![], false, false, false),
            (vec![], vec![], false, true, false),
            (vec![], vec![], true, true, true),
            (vec![auto], vec![], true, true, true),
            (vec![down], vec![], false, true, false),
            (vec![fargate], vec![], false, true, false),
            (vec![windows], vec![], false, true, false),
        ] {
            let mut state = agent(&nodes, &ready);
            state.auto_mode = auto_mode;
            assert_eq!(state.nowhere().is_none(), with, "{nodes:?} {ready:?}");
            assert_eq!(state.unserved(&[], &[]).is_none(), with, "{nodes:?} {ready:?}");
            state.daemon_sets.clear();
            state.addon = None;
            assert_eq!(state.nowhere().is_none(), without, "{nodes:?} {ready:?}");
        }
    }

    #[test]
    fn the_reason_says_what_is_missing() {
        let mut gone = agent(&[node("n1")], &["n1"]);
        assert_eq!(gone.nowhere(), None);
        gone.daemon_sets.clear();
        assert_eq!(gone.nowhere().unwrap(), "the add-on eks-pod-identity-agent has no DaemonSet");
        let mut fargate = agent(&[of("fargate")], &[]);
        (fargate.daemon_sets, fargate.addon) = (Vec::new(), None);
        let why = fargate.nowhere().unwrap();
        assert_eq!(why, "the agent is not installed; n1 (Pod Identity does not work on Fargate)");
    }

    #[test]
    fn where_its_pods_could_run_counts_more_than_other_nodes() {
        let carts = workload(WorkloadKind::Deployment, "carts");
        let mut elsewhere = carts.clone();
        elsewhere.placement.node_selector.insert("pool".to_owned(), "b".to_owned());
        let mut b = node("b");
        b.labels.insert("pool".to_owned(), "b".to_owned());
        let state = agent(&[node("a"), b], &["a"]);
        assert_eq!(state.unserved(&[], &[carts]), None);
        assert_eq!(state.unserved(&[], &[elsewhere]).unwrap(), "b (its agent pod is not ready)");
    }
}
