//! What `copy` is tried with.

use serde_json::{Value, json};

use super::{
    lines::{Line, managed_policy},
    worlds::instead,
};
use crate::copy::{blue, missing};

/// The lines of `podid copy`, which reads two clusters.
pub(super) fn lines() -> Vec<Line> {
    const QUERY: &str = "dynamodb:Query eks-workshop-carts/index/idx_global_customerId";
    let line = |set: &[(&'static str, Value)], flags: &str| {
        Line::new("carts-verified", &[blue(), set.to_vec()].concat(), format!("copy --from blue {flags} --yes"))
    };
    let role = "arn:aws:iam::111122223333:role/other";
    let other = json!({ "namespace": "carts", "service_account": "carts", "role": role, "tags": { "old": "tag" } });
    vec![
        line(&managed_policy(), ""),
        line(&[("/addons", json!([]))], "--install-agent"),
        line(&[("/associations/-", other), ("/associations/0/tags", json!({ "new": "tag" }))], "--replace --no-wait"),
        line(&instead("Rollout", QUERY), ""),
        line(&[missing("one"), missing("two")], "--allow-missing-service-account"),
    ]
}
