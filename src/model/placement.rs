//! Which nodes a pod's placement allows, by the scheduler's filters that podid knows. Resources and topology are not looked at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent::Node;

/// Where pods may run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// `nodeSelector`.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity terms (any term, all expressions).
    pub affinity: Vec<Vec<Expression>>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
}

/// An expression of a label selector or a node affinity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expression {
    /// Label key.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    pub operator: String,
    /// Values.
    pub values: Vec<String>,
}

/// A toleration; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Taint key.
    pub key: Option<String>,
    /// `Equal` or `Exists`.
    pub operator: String,
    /// Value.
    pub value: Option<String>,
    /// Effect.
    pub effect: Option<String>,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// `NoSchedule`, `NoExecute`, `PreferNoSchedule`.
    pub effect: String,
}

/// Taints that the DaemonSet controller tolerates for its pods
/// (kubernetes.io/docs/concepts/workloads/controllers/daemonset, "Taints and tolerations").
const DAEMON_TAINTS: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

impl Placement {
    /// Why a pod cannot be scheduled on a node, or `None` when it can. `daemon`: a DaemonSet's pod.
    pub fn refuses(&self, node: &Node, daemon: bool) -> Option<String> {
        for (key, value) in &self.node_selector {
            if node.labels.get(key) != Some(value) {
                return Some(format!("its label {key} is not `{value}`"));
            }
        }
        if !self.affinity.is_empty()
            && !self.affinity.iter().any(|term| term.iter().all(|one| one.matches(&node.labels)))
        {
            return Some("node affinity excludes it".to_owned());
        }
        if node.unschedulable && !daemon {
            let cordon = Taint {
                key: "node.kubernetes.io/unschedulable".to_owned(),
                value: String::new(),
                effect: "NoSchedule".to_owned(),
            };
            if !self.tolerates(&cordon) {
                return Some("it is cordoned".to_owned());
            }
        }
        node.taints
            .iter()
            .filter(|taint| taint.effect != "PreferNoSchedule")
            .filter(|taint| !(daemon && DAEMON_TAINTS.contains(&taint.key.as_str())))
            .find(|taint| !self.tolerates(taint))
            .map(|taint| format!("its taint {} is not tolerated", taint.key))
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|toleration| toleration.covers(taint))
    }
}

impl Toleration {
    /// kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration.
    fn covers(&self, taint: &Taint) -> bool {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let exists = self.operator == "Exists";
        let key = given(&self.key);
        let key_fits = key.as_ref().map_or(exists, |key| *key == taint.key);
        let value_fits = exists || self.value.as_deref().unwrap_or_default() == taint.value;
        key_fits && value_fits && given(&self.effect).is_none_or(|effect| effect == taint.effect)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::workload::Expression;

    fn node() -> Node {
        Node {
            name: "n".to_owned(),
            labels: BTreeMap::from([("os".to_owned(), "linux".to_owned()), ("cores".to_owned(), "8".to_owned())]),
            taints: Vec::new(),
            ready: true,
            unschedulable: false,
        }
    }

    fn taint(key: &str, value: &str, effect: &str) -> Taint {
        Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() }
    }

    fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Toleration { key: some(key), operator: operator.to_owned(), value: some(value), effect: some(effect) }
    }

    #[test]
    fn selectors_and_affinity() {
        let expression = |key: &str, operator: &str, values: &[&str]| Expression {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        for (terms, allowed) in [
            (vec![], true),
            (vec![vec![expression("os", "In", &["linux"])]], true),
            (vec![vec![expression("os", "In", &["windows"])]], false),
            (vec![vec![expression("os", "In", &["windows"])], vec![expression("os", "Exists", &[])]], true),
            (vec![vec![expression("os", "Exists", &[]), expression("cores", "Gt", &["8"])]], false),
            (vec![vec![expression("cores", "Lt", &["9"])]], true),
            (vec![vec![expression("zone", "NotIn", &["a"])]], true),
            (vec![vec![expression("os", "DoesNotExist", &[])]], false),
            (vec![vec![expression("os", "New", &[])]], false),
        ] {
            let placement = Placement { affinity: terms, ..Placement::default() };
            assert_eq!(placement.refuses(&node(), false).is_none(), allowed, "{placement:?}");
        }
        let placement =
            Placement { node_selector: BTreeMap::from([("os".into(), "windows".into())]), ..Placement::default() };
        assert_eq!(placement.refuses(&node(), false).unwrap(), "its label os is not `windows`");
    }

    #[test]
    fn taints_and_cordon() {
        let gpu = taint("gpu", "yes", "NoSchedule");
        for (toleration, covers) in [
            (toleration("gpu", "Equal", "yes", "NoSchedule"), true),
            (toleration("gpu", "", "yes", ""), true),
            (toleration("gpu", "Exists", "", ""), true),
            (toleration("", "Exists", "", ""), true),
            (toleration("", "Equal", "", ""), false),
            (toleration("gpu", "Equal", "no", ""), false),
            (toleration("gpu", "Exists", "", "NoExecute"), false),
            (toleration("other", "Exists", "", ""), false),
        ] {
            assert_eq!(toleration.covers(&gpu), covers, "{toleration:?}");
        }
        let plain = Placement::default();
        let mut soft = node();
        soft.taints = vec![taint("a", "", "PreferNoSchedule")];
        assert_eq!(plain.refuses(&soft, false), None);
        let mut cordoned = node();
        cordoned.unschedulable = true;
        cordoned.taints = vec![taint("node.kubernetes.io/unschedulable", "", "NoSchedule")];
        assert_eq!(plain.refuses(&cordoned, false).unwrap(), "it is cordoned");
        assert_eq!(plain.refuses(&cordoned, true), None);
    }
}
