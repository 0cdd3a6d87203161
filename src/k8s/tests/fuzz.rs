//! Any stream at all of a watch, followed as podid follows a rollout, without a network: at length by `fuzz/`, for a moment below.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use serde_json::{Value, json};

use super::{Asked, kube, status};
use crate::{model::workload::WorkloadKind, ports::Kubernetes};

/// Follows a Deployment whose first watches, its own and its pods', say this; then nobody may watch any more.
///
/// # Panics
/// When podid does, or when following does not come to its end.
pub fn watch(stream: &str) {
    let said = stream.to_owned();
    let seen = [AtomicBool::new(false), AtomicBool::new(false)];
    let answer = move |asked: &Asked| {
        let pods = asked.target.contains("/pods");
        if asked.target.contains("watch=true") {
            let again = seen[usize::from(pods)].swap(true, Ordering::SeqCst);
            return if again { status(403, "Forbidden", "watching is forbidden") } else { (200, said.clone()) };
        }
        let list = |items: &[Value]| {
            (
                200,
                json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items})
                    .to_string(),
            )
        };
        match &asked.target {
            all if all.contains("/deployments") => list(&[deployment()]),
            _ => list(&[]),
        }
    };
    let carts = crate::model::fixtures::workload(WorkloadKind::Deployment, "carts");
    // Its clock goes on when nothing else does: no pause takes time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let last = runtime.block_on(async {
        let (kube, _) = kube(answer);
        let views: Vec<_> = kube.follow(&carts).await.unwrap().collect().await;
        views.into_iter().last()
    });
    assert!(matches!(last, Some(Err(_))), "following ended with {last:?}, and not with a failure");
}

fn deployment() -> Value {
    json!({
        "kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {"name": "carts", "namespace": "carts", "uid": "u1", "generation": 1, "resourceVersion": "6"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "carts"}},
            "template": {"metadata": {"labels": {"app": "carts"}}, "spec": {"serviceAccountName": "carts", "containers": []}},
        },
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fixtures::spoilt;

    const STREAMS: [&str; 2] = [
        concat!(
            r#"{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"8"}}}"#,
            "\n",
            r#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9"}}}"#,
            "\n",
            r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410}}"#,
            "\n",
        ),
        concat!(
            r#"{"type":"MODIFIED","object":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"carts","generation":2,"resourceVersion":"8"},"spec":{"replicas":3,"selector":{},"template":{}},"status":{"observedGeneration":2}}}"#,
            "\n",
            r#"{"type":"DELETED","object":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"carts","resourceVersion":"9"},"spec":{"selector":{},"template":{}}}}"#,
            "\n",
        ),
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_stream(stream in spoilt(&STREAMS)) {
            watch(&stream);
        }
    }
}
