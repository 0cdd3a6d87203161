//! Cluster, agent, nodes, association, service account, workload, freshness.

use serde_json::json;

use super::{Row, prove};

#[test]
fn association() {
    prove(&[Row::new(1, ("/associations", json!([])), "association.missing")]);
}
