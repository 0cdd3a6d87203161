//! The end of a container's log.

use futures::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::{Api, api::LogParams};
use tokio::time::timeout;

use super::{Kube, REACH, limit::LOG};
use crate::{
    failure::{Failure, Result},
    ports::Tail,
};

/// The last lines of a container (namespace, pod, container), of its previous run or of the other of the two where that has none.
pub(super) async fn log(kube: &Kube, (namespace, pod, container): (&str, &str, &str), tail: Tail) -> Result<String> {
    let api: Api<ApiPod> = Api::namespaced(kube.connection().await?.client.clone(), namespace);
    let read = |previous| {
        let params = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(i64::from(tail.lines)),
            // Whole seconds, and 0 would be refused.
            since_seconds: tail.since.map(|since| since.as_secs().max(1)),
            timestamps: tail.stamped,
            limit_bytes: i64::try_from(LOG).ok(),
            ..LogParams::default()
        };
        let api = api.clone();
        async move {
            let mut stream = Box::pin(api.log_stream(pod, &params).await?);
            // An application may log what is not UTF-8.
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.map_err(kube::Error::ReadEvents)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    };
    let what = format!("read the log of container `{container}` in pod `{namespace}/{pod}`");
    // The API server asks the node for it, and waits for one that is gone. What a log tells can be done without.
    let late =
        |_| Failure::failed(format!("cannot {what}")).because(format!("no response within {} s", REACH.as_secs()));
    let read = match timeout(REACH, read(tail.previous)).await.map_err(late)? {
        Err(kube::Error::Api(status)) if status.code == 400 => {
            timeout(REACH, read(!tail.previous)).await.map_err(late)?
        }
        read => read,
    };
    read.map_err(|error| kube.failed(&what, error))
}
