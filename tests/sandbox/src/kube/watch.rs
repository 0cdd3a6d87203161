//! Watches: a stream of JSON lines that follows the store's history.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use super::{
    api::Call,
    failure::Failure,
    kinds::{Kind, Place},
    select::Selector,
    store::{Change, place},
    table,
};
use crate::{http::Body, state::World};

/// How long a quiet watch goes without a bookmark. A real server takes a minute.
const BOOKMARKS: Duration = Duration::from_secs(3);

#[expect(clippy::struct_excessive_bools, reason = "independent facts of one watch, not a state")]
struct Watch {
    world: Arc<World>,
    at: Place,
    selector: Selector,
    /// Everything up to here was sent.
    rv: u64,
    ready: VecDeque<(&'static str, Arc<Value>)>,
    changed: tokio::sync::watch::Receiver<u64>,
    bookmarks: bool,
    next_bookmark: Instant,
    end: Instant,
    epoch: u64,
    over: bool,
    /// Each object as a table row, as `kubectl get --watch` asks.
    tables: bool,
    /// The first table has had the column definitions.
    headed: bool,
}

/// Starts a watch.
pub(crate) fn answer(world: &Arc<World>, call: &Call, at: &Place, accept: &str) -> Result<Response<Body>, Failure> {
    let mut fields = call.param("fieldSelector").to_owned();
    if !at.name.is_empty() {
        // A watch of one object is a watch of its collection, narrowed.
        fields = format!("metadata.name={}", at.name);
    }
    let selector = Selector::parse(at.kind, call.param("labelSelector"), &fields)?;
    let state = world.state();
    let store = &state.kube.store;
    let from = call.param("resourceVersion");
    let initial = call.param("sendInitialEvents") == "true";
    let mut ready = VecDeque::new();
    let mut over = false;
    let rv = match from.parse::<u64>() {
        Ok(rv) if rv > 0 && !initial => {
            if rv < store.floor() {
                let failure = Failure::expired(format!("too old resource version: {rv} ({})", store.floor()));
                ready.push_back(("ERROR", Arc::new(failure.status())));
                over = true;
            }
            rv
        }
        Err(_) if !from.is_empty() => {
            return Err(Failure::bad_request(format!(
                "Invalid value: {from:?}: strconv.ParseUint: parsing {from:?}: invalid syntax"
            )));
        }
        // From nowhere, a watch begins with what is there.
        _ => {
            for object in store.list(at.kind.resource, &at.namespace).filter(|o| selector.matches(o)) {
                ready.push_back(("ADDED", object.clone()));
            }
            if initial {
                let mut mark = bookmark(at.kind, store.rv());
                mark["metadata"]["annotations"]["k8s.io/initial-events-end"] = json!("true");
                ready.push_back(("BOOKMARK", Arc::new(mark)));
            }
            store.rv()
        }
    };
    let seconds: u64 = call.param("timeoutSeconds").parse().unwrap_or(1800);
    let watch = Watch {
        world: world.clone(),
        at: at.clone(),
        selector,
        rv,
        ready,
        changed: store.subscribe(),
        bookmarks: matches!(call.param("allowWatchBookmarks"), "true" | "1"),
        next_bookmark: Instant::now() + BOOKMARKS,
        end: Instant::now() + Duration::from_secs(seconds.max(1)),
        epoch: state.kube.epoch,
        over,
        tables: table::wanted(accept),
        headed: false,
    };
    drop(state);
    let lines = stream::unfold(watch, |mut watch| async move {
        let bytes = watch.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), watch))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(Box::pin(lines))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.world.faults.hold().await;
            if let Some((kind, object)) = self.ready.pop_front() {
                return Some(self.line(kind, &object));
            }
            if self.over {
                return None;
            }
            self.changed.borrow_and_update();
            self.collect();
            if !self.ready.is_empty() || self.over {
                continue;
            }
            let now = Instant::now();
            if now >= self.end {
                self.over = true;
                if self.bookmarks {
                    self.ready.push_back(("BOOKMARK", Arc::new(bookmark(self.at.kind, self.rv))));
                }
                continue;
            }
            if self.bookmarks && now >= self.next_bookmark {
                self.next_bookmark = now + BOOKMARKS;
                self.ready.push_back(("BOOKMARK", Arc::new(bookmark(self.at.kind, self.rv))));
                continue;
            }
            let until = if self.bookmarks { self.end.min(self.next_bookmark) } else { self.end };
            let _ = tokio::time::timeout(until.saturating_duration_since(now), self.changed.changed()).await;
        }
    }

    /// An event as it is sent.
    fn line(&mut self, kind: &str, object: &Value) -> Bytes {
        if !self.tables || kind == "ERROR" {
            return line(kind, object);
        }
        if kind == "BOOKMARK" {
            return line(kind, &table::empty(&object["metadata"]));
        }
        let headers = !std::mem::replace(&mut self.headed, true);
        line(kind, &table::table(self.at.kind, object, headers, self.world.clock.now()))
    }

    /// Takes over what happened since.
    fn collect(&mut self) {
        let state = self.world.state();
        if state.kube.epoch != self.epoch {
            self.over = true;
            return;
        }
        let store = &state.kube.store;
        if self.rv < store.floor() {
            let failure = Failure::expired(format!("too old resource version: {} ({})", self.rv, store.floor()));
            self.ready.push_back(("ERROR", Arc::new(failure.status())));
            self.over = true;
            return;
        }
        for change in store.since(self.rv).filter(|c| c.resource == self.at.kind.resource) {
            if !self.at.namespace.is_empty() && place(&change.after).0 != self.at.namespace {
                continue;
            }
            if let Some((kind, object)) = event(&self.selector, change) {
                self.ready.push_back((kind, object.clone()));
            }
        }
        self.rv = store.rv();
    }
}

/// What a change is to a watcher with a selector.
fn event<'c>(selector: &Selector, change: &'c Change) -> Option<(&'static str, &'c Arc<Value>)> {
    let was = change.before.as_ref().is_some_and(|before| selector.matches(before));
    let is = !change.deleted && selector.matches(&change.after);
    match (was, is) {
        (false, true) => Some(("ADDED", &change.after)),
        (true, true) => Some(("MODIFIED", &change.after)),
        (true, false) => Some(("DELETED", &change.after)),
        (false, false) => None,
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut line = json!({"type": kind, "object": object}).to_string();
    line.push('\n');
    Bytes::from(line)
}

/// The hollow object of a bookmark, as Go writes its zero values.
pub(crate) fn bookmark(kind: &Kind, rv: u64) -> Value {
    let mut mark = json!({
        "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": {"resourceVersion": rv.to_string()},
    });
    let template = json!({"metadata": {}, "spec": {"containers": null}});
    let (spec, status) = match kind.resource {
        "pods" => (json!({"containers": null}), json!({})),
        "deployments" => (json!({"replicas": 0, "selector": null, "template": template, "strategy": {}}), json!({})),
        "replicasets" => (json!({"selector": null, "template": template}), json!({"replicas": 0})),
        "statefulsets" => (
            json!({"replicas": 0, "selector": null, "template": template, "serviceName": "", "updateStrategy": {}}),
            json!({"replicas": 0, "availableReplicas": 0}),
        ),
        "daemonsets" => {
            mark["metadata"]["annotations"] = json!({"deprecated.daemonset.template.generation": "0"});
            (
                json!({"selector": null, "template": template, "updateStrategy": {}}),
                json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}),
            )
        }
        "nodes" | "namespaces" => (json!({}), json!({})),
        _ => return mark,
    };
    mark["spec"] = spec;
    mark["status"] = status;
    mark
}
