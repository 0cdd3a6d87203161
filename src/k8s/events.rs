//! Events: what controllers, the scheduler and kubelets report about an object.

use k8s_openapi::api::core::v1::Event;
use kube::{Api, Client, api::ListParams};

use super::list::list;

/// The last warning about the object with this UID: its reason and message.
pub(super) async fn last_warning(
    client: &Client,
    namespace: &str,
    uid: &str,
) -> Result<Option<(String, String)>, kube::Error> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let about = ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning"));
    let found = list(&api, &about).await?.items;
    // An Event of a series has no `lastTimestamp`.
    let seen = |event: &Event| {
        let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|at| at.0);
        series.or(event.last_timestamp.as_ref().map(|at| at.0)).or(event.event_time.as_ref().map(|at| at.0))
    };
    let last = found.into_iter().max_by_key(seen);
    Ok(last.map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default())))
}
