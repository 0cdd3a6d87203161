//! The webhook that injects pods, as its MutatingWebhookConfiguration registers it.

use serde::{Deserialize, Serialize};

use super::selector::{Labels, Selector};

/// The name of the configuration that EKS keeps (and that the webhook's own manifest uses).
pub const CONFIGURATION: &str = "pod-identity-webhook";

/// The webhook's name within the configuration of EKS.
pub const NAME: &str = "iam-for-pods.amazonaws.com";

/// Where the API server of EKS reaches the webhook: beside itself.
pub const URL: &str = "https://127.0.0.1:23443/mutate";

/// A webhook of a MutatingWebhookConfiguration that injects pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The configuration's name.
    pub configuration: String,
    /// The webhook's own name in it.
    pub name: String,
    /// Where the API server calls it.
    pub target: Target,
    /// It is called when a pod is created.
    pub for_new_pods: bool,
    /// `objectSelector`.
    pub objects: Selector,
    /// `namespaceSelector`.
    pub namespaces: Selector,
    /// It has `matchConditions`, which only an API server evaluates.
    pub conditions: bool,
    /// `failurePolicy` is `Fail`: without an answer no pod is created.
    pub fails_closed: bool,
}

/// Where a webhook is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A URL.
    Url(String),
    /// A Service of the cluster, by NAMESPACE/NAME; with a CA that its certificate is checked against.
    Service {
        /// Which.
        name: String,
        /// `caBundle` is not empty.
        ca: bool,
    },
}

/// The label of each namespace that holds its name (kubernetes.io/docs/reference/labels-annotations-taints).
const NAMESPACE: &str = "kubernetes.io/metadata.name";

impl Webhook {
    /// Whether a webhook of this name, of a configuration of this name, is the one that injects pods.
    pub fn is_it(configuration: &str, name: &str) -> bool {
        // Installed by hand it may be called a little otherwise, such as eks-pod-identity-webhook.
        name == NAME || [configuration, name].iter().any(|text| text.contains(CONFIGURATION))
    }

    /// Whether it is called for objects of a namespace. `None`: its labels decide, which podid does not read.
    pub fn covers(&self, namespace: &str) -> Option<bool> {
        let known = |key: &String| key == NAMESPACE;
        let readable = self.namespaces.labels.keys().all(known)
            && self.namespaces.expressions.iter().all(|expression| known(&expression.key));
        let labels = Labels::from([(NAMESPACE.to_owned(), namespace.to_owned())]);
        readable.then(|| self.namespaces.matches(&labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::workload::Expression;

    #[test]
    fn which_it_is() {
        assert!(Webhook::is_it(CONFIGURATION, NAME));
        assert!(Webhook::is_it("hooks", "pod-identity-webhook.amazonaws.com"));
        assert!(Webhook::is_it("eks-pod-identity-webhook", "mutate.example.com"));
        assert!(!Webhook::is_it("vpc-resource-mutating-webhook", "mpod.vpc.k8s.aws"));
    }

    #[test]
    fn which_namespaces_it_is_called_for() {
        let expression = |key: &str, operator: &str, value: &str| Expression {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: vec![value.to_owned()],
        };
        for (expressions, wanted) in [
            (vec![], Some(true)),
            (vec![expression(NAMESPACE, "NotIn", "kube-system")], Some(true)),
            (vec![expression(NAMESPACE, "NotIn", "carts")], Some(false)),
            (vec![expression("team", "In", "shop")], None),
        ] {
            let namespaces = Selector { labels: Labels::new(), expressions };
            let hook = Webhook {
                configuration: CONFIGURATION.to_owned(),
                name: NAME.to_owned(),
                target: Target::Url(URL.to_owned()),
                for_new_pods: true,
                objects: Selector::default(),
                namespaces,
                conditions: false,
                fails_closed: false,
            };
            assert_eq!(hook.covers("carts"), wanted, "{:?}", hook.namespaces);
        }
    }
}
