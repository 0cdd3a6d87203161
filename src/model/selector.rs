//! Label selectors: the one reading of `matchLabels` and `matchExpressions`, for pods, nodes and network policies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workload::Expression;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A label selector: all of its labels and expressions must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// `matchLabels`.
    #[serde(rename = "selector")]
    pub labels: Labels,
    /// `matchExpressions`.
    #[serde(rename = "selectorExpressions", default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<Expression>,
}

impl Selector {
    /// Whether it selects an object with these labels. An empty selector selects every object.
    pub fn matches(&self, labels: &Labels) -> bool {
        all_match(&self.labels, &self.expressions, labels)
    }

    /// Has neither labels nor expressions.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }
}

/// Whether labels have all these values, and all expressions match.
pub fn all_match(wanted: &Labels, expressions: &[Expression], labels: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.iter().all(|expression| expression.matches(labels))
}

impl Expression {
    /// Whether labels match it; an operator that Kubernetes does not have matches nothing
    /// (kubernetes.io/docs/concepts/overview/working-with-objects/labels; `Gt` and `Lt` are for nodes).
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
        let numbers = || number(value).zip(number(self.values.first()));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => numbers().is_some_and(|(have, want)| have > want),
            "Lt" => numbers().is_some_and(|(have, want)| have < want),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn expression(key: &str, operator: &str, values: &[&str]) -> Expression {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Expression { key: key.to_owned(), operator: operator.to_owned(), values }
    }

    #[test]
    fn every_operator() {
        let labels = Labels::from([("app".to_owned(), "web".to_owned()), ("rank".to_owned(), "5".to_owned())]);
        for (key, operator, values, wanted) in [
            ("app", "In", &["web", "db"][..], true),
            ("app", "In", &["db"], false),
            ("gone", "In", &["web"], false),
            ("app", "NotIn", &["db"], true),
            ("app", "NotIn", &["web"], false),
            ("gone", "NotIn", &["web"], true),
            ("app", "Exists", &[], true),
            ("gone", "Exists", &[], false),
            ("app", "DoesNotExist", &[], false),
            ("gone", "DoesNotExist", &[], true),
            ("rank", "Gt", &["4"], true),
            ("rank", "Lt", &["4"], false),
            ("app", "Gt", &["4"], false),
            ("app", "in", &["web"], false),
        ] {
            assert_eq!(expression(key, operator, values).matches(&labels), wanted, "{key} {operator} {values:?}");
        }
    }

    /// Word by word what the documentation says, over lists instead of maps.
    fn naive(selector: &Selector, labels: &[(String, String)]) -> bool {
        let value_of = |key: &str| labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        for (key, value) in &selector.labels {
            if value_of(key) != Some(value.as_str()) {
                return false;
            }
        }
        for Expression { key, operator, values } in &selector.expressions {
            let fails = match (operator.as_str(), value_of(key)) {
                ("In" | "Exists", None) | ("DoesNotExist", Some(_)) => true,
                ("In", Some(value)) => values.iter().all(|one| one != value),
                ("NotIn", Some(value)) => values.iter().any(|one| one == value),
                _ => false,
            };
            if fails {
                return false;
            }
        }
        true
    }

    fn word(of: &'static [&'static str]) -> impl Strategy<Value = String> {
        select(of).prop_map(str::to_owned)
    }

    const KEYS: &[&str] = &["app", "tier", "team"];
    const VALUES: &[&str] = &["a", "b", ""];

    proptest! {
        #[test]
        fn as_a_naive_evaluator(
            labels in prop::collection::btree_map(word(KEYS), word(VALUES), 0..4),
            wanted in prop::collection::btree_map(word(KEYS), word(VALUES), 0..2),
            expressions in vec(
                (word(KEYS), word(&["In", "NotIn", "Exists", "DoesNotExist"]), vec(word(VALUES), 1..3)), 0..4),
        ) {
            let expressions =
                expressions.into_iter().map(|(key, operator, values)| Expression { key, operator, values }).collect();
            let selector = Selector { labels: wanted, expressions };
            let list: Vec<_> = labels.clone().into_iter().collect();
            prop_assert_eq!(selector.matches(&labels), naive(&selector, &list));
        }
    }
}
