//! create, update, patch and delete.

use std::sync::Arc;

use http::{Response, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    admission::{self, Origin},
    api::Context,
    defaults,
    failure::{Failure, json_answer},
    json::{array, list, number, object, stamp, text},
    kinds::{self, KINDS, Kind, Place},
    kubelet, patch, protobuf,
};

/// The `Scale` view of a workload.
pub(crate) fn scale(workload: &Value) -> Value {
    let metadata = json!({
        "name": workload["metadata"]["name"], "namespace": workload["metadata"]["namespace"],
        "uid": workload["metadata"]["uid"], "resourceVersion": workload["metadata"]["resourceVersion"],
        "creationTimestamp": workload["metadata"]["creationTimestamp"],
    });
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": number(workload, "/spec/replicas")}, "status": {"replicas": number(workload, "/status/replicas")}})
}

impl Context<'_> {
    pub(crate) fn write(&mut self, place: &Place) -> Result<Response<Body>, Failure> {
        match self.call.verb {
            "create" if place.subresource == "token" => {
                let body = self.body()?;
                Ok(json_answer(201, &self.state.kube.token_request(place, &body, self.now)?))
            }
            "create" if place.subresource.is_empty() && place.name.is_empty() => {
                let body = self.body()?;
                if kinds::of_object(&body) != Some(place.kind) {
                    let (version, kind) = (text(&body, "/apiVersion"), text(&body, "/kind"));
                    return Err(Failure::bad_request(format!(
                        "{} in version \"{version}\" cannot be handled as a {}: no kind {kind:?} is registered",
                        place.kind.kind, place.kind.kind
                    )));
                }
                let origin = Origin { server: self.req.server, dry_run: self.call.dry_run(), now: self.now };
                let made =
                    admission::create(&mut self.state, self.scenario, place.kind, &place.namespace, body, origin)?;
                Ok(json_answer(201, &made))
            }
            "update" => {
                let body = self.body()?;
                self.change(place, |old| {
                    *old = body;
                    Ok(())
                })
            }
            "patch" => self.patch(place),
            "delete" if place.subresource.is_empty() => self.delete(place),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn body(&self) -> Result<Value, Failure> {
        let sent = self.req.parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        match sent.split(';').next().unwrap_or_default().trim() {
            "application/vnd.kubernetes.protobuf" => {
                protobuf::read(&self.req.body).ok_or_else(Failure::unsupported_media_type)
            }
            "" | "application/json" => serde_json::from_slice(&self.req.body)
                .map_err(|e| Failure::bad_request(format!("couldn't get version/kind; json parse error: {e}"))),
            "application/yaml" => serde_yaml::from_slice(&self.req.body)
                .map_err(|e| Failure::bad_request(format!("error decoding YAML: {e}"))),
            _ => Err(Failure::unsupported_media_type()),
        }
    }

    fn patch(&mut self, place: &Place) -> Result<Response<Body>, Failure> {
        let sent = self.req.parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let sent = sent.split(';').next().unwrap_or_default().trim().to_owned();
        if !matches!(
            sent.as_str(),
            "application/strategic-merge-patch+json" | "application/merge-patch+json" | "application/json-patch+json"
        ) || sent.starts_with("application/strategic") && place.kind.group == super::argo::GROUP
        {
            // Of custom resources the server knows no strategy.
            return Err(Failure::unsupported_media_type());
        }
        let body: Value = serde_json::from_slice(&self.req.body)
            .map_err(|e| Failure::bad_request(format!("error decoding patch: {e}")))?;
        self.change(place, |old| match sent.as_str() {
            "application/json-patch+json" => patch::json_patch(old, &body),
            "application/merge-patch+json" => {
                patch::merge(old, &body);
                Ok(())
            }
            _ => {
                patch::strategic(old, &body);
                Ok(())
            }
        })
    }

    /// Changes an object or its subresource; the other half stays as it is.
    fn change(
        &mut self,
        place: &Place,
        change: impl FnOnce(&mut Value) -> Result<(), Failure>,
    ) -> Result<Response<Body>, Failure> {
        let before = self.find(place)?;
        let mut after = if place.subresource == "scale" { scale(&before) } else { Value::clone(&before) };
        change(&mut after)?;
        let given = text(&after, "/metadata/resourceVersion");
        if !given.is_empty() && given != text(&before, "/metadata/resourceVersion") {
            return Err(Failure::conflict(place.kind, &place.name));
        }
        let after = match place.subresource.as_str() {
            "scale" => {
                let mut whole = Value::clone(&before);
                object(&mut whole, &["spec"]).insert("replicas".into(), after["spec"]["replicas"].clone());
                whole
            }
            "status" => {
                let mut whole = Value::clone(&before);
                object(&mut whole, &[]).insert("status".into(), after["status"].clone());
                whole
            }
            _ => {
                if let Some(status) = before.get("status") {
                    object(&mut after, &[]).insert("status".into(), status.clone());
                }
                for fixed in [
                    "name",
                    "namespace",
                    "uid",
                    "creationTimestamp",
                    "generation",
                    "resourceVersion",
                    "deletionTimestamp",
                ] {
                    match before["metadata"].get(fixed) {
                        Some(value) => object(&mut after, &["metadata"]).insert(fixed.into(), value.clone()),
                        None => object(&mut after, &["metadata"]).shift_remove(fixed),
                    };
                }
                defaults::fill(place.kind, &mut after, &self.scenario.cluster().version, self.now);
                after
            }
        };
        defaults::validate(place.kind, &after, Some(&before))?;
        if place.kind.resource == "pods" && place.subresource.is_empty() {
            frozen(&place.name, &before, &after)?;
        }
        let after = if self.call.dry_run() {
            Arc::new(after)
        } else {
            // A DaemonSet counts its template's generations in an annotation.
            let stamps = place.kind.resource == "daemonsets"
                && after.pointer("/spec/template") != before.pointer("/spec/template");
            let changed = self.state.kube.store.update(place.kind, &place.namespace, &place.name, |o| {
                *o = after;
                if stamps {
                    let next = (number(&before, "/metadata/generation") + 1).to_string();
                    object(o, &["metadata", "annotations"])
                        .insert("deprecated.daemonset.template.generation".into(), json!(next));
                }
            });
            changed.ok_or_else(|| Failure::not_found(place.kind, &place.name))?
        };
        let shown = if place.subresource == "scale" { scale(&after) } else { Value::clone(&after) };
        Ok(json_answer(200, &shown))
    }

    fn delete(&mut self, place: &Place) -> Result<Response<Body>, Failure> {
        let before = self.find(place)?;
        let options: Value = serde_json::from_slice(&self.req.body).unwrap_or_default();
        let wanted = text(&options, "/preconditions/uid");
        if !wanted.is_empty() && wanted != text(&before, "/metadata/uid") {
            return Err(Failure::conflict(place.kind, &place.name));
        }
        if self.call.dry_run() || !options.pointer("/dryRun").is_none_or(Value::is_null) {
            return Ok(json_answer(200, &success(place.kind, &before)));
        }
        if place.kind.resource == "pods" {
            let grace = self.call.param("gracePeriodSeconds").parse().ok();
            let grace = grace.or_else(|| options.pointer("/gracePeriodSeconds").and_then(Value::as_i64));
            let gone = kubelet::delete(&mut self.state.kube, &before, grace, self.now);
            return Ok(json_answer(200, &gone));
        }
        let kube = &mut self.state.kube;
        let policy = match text(&options, "/propagationPolicy") {
            "" => self.call.param("propagationPolicy"),
            policy => policy,
        };
        if policy == "Orphan" {
            let uid = text(&before, "/metadata/uid");
            for kind in KINDS {
                let owned: Vec<Arc<Value>> = kube.store.list(kind.resource, &place.namespace).cloned().collect();
                for child in
                    owned.iter().filter(|c| list(c, "/metadata/ownerReferences").iter().any(|r| text(r, "/uid") == uid))
                {
                    kube.store.update(kind, &place.namespace, text(child, "/metadata/name"), |o| {
                        array(o, &["metadata"], "ownerReferences").retain(|r| text(r, "/uid") != uid);
                    });
                }
            }
        }
        if place.kind.resource == "namespaces" {
            for kind in KINDS.iter().filter(|k| k.namespaced) {
                let inside: Vec<Arc<Value>> = kube.store.list(kind.resource, &place.name).cloned().collect();
                for object in inside {
                    kube.store.remove(kind, &place.name, text(&object, "/metadata/name"));
                }
            }
        }
        kube.store.remove(place.kind, &place.namespace, &place.name);
        Ok(json_answer(200, &success(place.kind, &before)))
    }
}

use crate::http::Body;

fn success(kind: &Kind, object: &Value) -> Value {
    let mut details = kind.details(text(object, "/metadata/name"));
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// A running pod's spec does not change, but for images and tolerations.
fn frozen(name: &str, before: &Value, after: &Value) -> Result<(), Failure> {
    let rest = |pod: &Value| {
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        for field in ["containers", "initContainers"] {
            for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                object(container, &[]).shift_remove("image");
            }
        }
        for field in ["tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds"] {
            object(&mut spec, &[]).shift_remove(field);
        }
        spec
    };
    if rest(before) == rest(after) {
        return Ok(());
    }
    let message = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    Err(Failure::invalid(kinds::of("pods"), name, &[("spec", "FieldValueForbidden", message.to_owned())]))
}

/// Marks an object for deletion.
pub(crate) fn doom(object_: &mut Value, now: jiff::Timestamp, grace: i64) {
    let generation = number(object_, "/metadata/generation");
    let metadata = object(object_, &["metadata"]);
    metadata.insert("generation".into(), json!(generation + 1));
    metadata.insert("deletionTimestamp".into(), json!(stamp(now + SignedDuration::from_secs(grace))));
    metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
}
