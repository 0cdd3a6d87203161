//! Events: what controllers, scheduler and kubelets tell of objects, as `kubectl describe` shows it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Kube,
    json::{number, stamp, text, time},
    kinds,
    store::place,
};

/// How long an event is kept after it happened last: the API server's `--event-ttl`.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Who tells.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// A controller, or the scheduler.
    Component(&'static str),
    /// The kubelet of a node, of one of the pod's containers or of the pod.
    Kubelet { node: &'a str, container: Option<&'a str> },
}

/// What is told of an object; told again, it is counted.
type Told = (String, String, String);

/// What was told so far, and the name that the event has.
#[derive(Debug, Default)]
pub(crate) struct Events {
    names: HashMap<Told, String>,
    swept: Option<Timestamp>,
    serial: i128,
}

impl Kube {
    /// Tells what goes as it should.
    pub(crate) fn tell(&mut self, source: Source<'_>, about: &Value, reason: &str, message: &str, now: Timestamp) {
        self.event(source, about, ("Normal", reason, message), now);
    }

    /// Tells what does not.
    pub(crate) fn warn(&mut self, source: Source<'_>, about: &Value, reason: &str, message: &str, now: Timestamp) {
        self.event(source, about, ("Warning", reason, message), now);
    }

    fn event(&mut self, source: Source<'_>, about: &Value, what: (&str, &str, &str), now: Timestamp) {
        let (level, reason, message) = what;
        let kind = kinds::of("events");
        let (namespace, object) = place(about);
        let told = (text(about, "/metadata/uid").to_owned(), reason.to_owned(), message.to_owned());
        self.sweep(now);
        if let Some(name) = self.events.names.get(&told) {
            let again = self.store.update(kind, &namespace, name, |event| {
                event["count"] = json!(number(event, "/count") + 1);
                event["lastTimestamp"] = json!(stamp(now));
            });
            if again.is_some() {
                return;
            }
        }
        self.events.serial += 1;
        let name = format!("{object}.{:x}", now.as_nanosecond() + self.events.serial);
        let mut involved = json!({
            "kind": about["kind"], "namespace": namespace, "name": object, "uid": told.0,
            "apiVersion": about["apiVersion"], "resourceVersion": about["metadata"]["resourceVersion"],
        });
        let (component, from) = match source {
            Source::Component(component) => (component, json!({"component": component})),
            Source::Kubelet { node, container } => {
                if let Some(container) = container {
                    involved["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
                }
                ("kubelet", json!({"component": "kubelet", "host": node}))
            }
        };
        let instance = from.get("host").cloned().unwrap_or_else(|| json!(""));
        let event = json!({
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved, "reason": reason, "message": message, "source": from,
            "firstTimestamp": stamp(now), "lastTimestamp": stamp(now), "count": 1, "type": level, "eventTime": null,
            "reportingComponent": component, "reportingInstance": instance,
        });
        self.store.add(kind, event, now);
        self.events.names.insert(told, name);
    }

    /// Forgets what is too old, now and then.
    fn sweep(&mut self, now: Timestamp) {
        if self.events.swept.is_some_and(|swept| now < swept + SignedDuration::from_mins(1)) {
            return;
        }
        self.events.swept = Some(now);
        let old: Vec<(String, String)> = self
            .store
            .list("events", "")
            .filter(|event| time(event, "/lastTimestamp").is_some_and(|last| last + KEPT < now))
            .map(|event| place(event))
            .collect();
        for (namespace, name) in &old {
            self.store.remove(kinds::of("events"), namespace, name);
        }
        if !old.is_empty() {
            let store = &self.store;
            let living: std::collections::HashSet<String> =
                store.list("events", "").map(|event| place(event).1).collect();
            self.events.names.retain(|_, name| living.contains(name));
        }
    }
}
