//! Back to a revision that worked, as `kubectl rollout undo` does it: the template that an older ReplicaSet or ControllerRevision keeps.

use std::collections::BTreeMap;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ControllerRevision, ReplicaSet},
        core::v1::Pod as ApiPod,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    Kube,
    convert::{self, RESTARTED_AT, TEMPLATE_HASH},
    error,
    list::list,
    workloads::{REVISION, Restartable, delete_pod, owned, selector_text},
};
use crate::{
    failure::{Failure, Result},
    model::{
        rollout::{self, Revision},
        workload::{Workload, WorkloadKind},
    },
};

/// A revision with its template, as it is stored. Nothing of a template may get lost on the way back, hence no types.
type Kept = (Revision, Value);

/// Rolls a restart back, to the revision that it answers; `before` is the workload right before the restart, `after` as the
/// restart left it.
pub(super) async fn roll_back<K: Restartable>(
    kube: &Kube,
    before: &Workload,
    after: &Workload,
) -> Result<(Workload, u64)> {
    let id = &after.id;
    let operation = format!("roll back `{id}` in `{}`", id.namespace);
    let connection = kube.connection().await?;
    let failed = |e| error::failure(&operation, &connection.server, e);
    let refused = |why: &str| Failure::failed(format!("cannot {operation}")).because(why);
    let api: Api<K> = Api::namespaced(connection.client.clone(), &id.namespace);
    let Some(found) = api.get_opt(&id.name).await.map_err(failed)? else { return Err(refused("it was deleted")) };
    let present = found.workload();
    let kept = kept(&connection.client, &found, &present).await.map_err(failed)?;
    let revisions: Vec<Revision> = kept.iter().map(|(revision, _)| revision.clone()).collect();
    let chosen = rollout::revision_to_restore(&revisions, before, after, &present).map_err(refused)?;
    let template = kept.iter().find(|(revision, _)| revision.number == chosen.number).map(|(_, template)| template);
    let mut template = template.cloned().unwrap_or_default();
    template["$patch"] = json!("replace");
    // The version makes a change that came between a conflict.
    let patch = json!({"metadata": {"resourceVersion": found.resource_version()}, "spec": {"template": template}});
    let params = PatchParams { field_manager: Some("podid".to_owned()), ..PatchParams::default() };
    let patched = api.patch(&id.name, &params, &Patch::Strategic(patch)).await.map_err(failed)?;
    if K::KIND == WorkloadKind::StatefulSet {
        let broken = present.status.update_revision;
        release(&connection.client, &found, broken.as_deref()).await.map_err(failed)?;
    }
    Ok((patched.workload(), chosen.number))
}

/// A StatefulSet waits for a pod that is not ready before it replaces any, that pod too: the failed revision's must go
/// (Kubernetes documentation, StatefulSets, "Forced rollback").
async fn release<K: Restartable>(client: &Client, of: &K, revision: Option<&str>) -> Result<(), kube::Error> {
    let namespace = of.namespace().unwrap_or_default();
    let api: Api<ApiPod> = Api::namespaced(client.clone(), &namespace);
    let params = ListParams::default().labels(&selector_text(of.selector()));
    let workload = of.workload();
    for pod in list(&api, &params).await?.items {
        let it = convert::pod(&pod);
        if workload.owns(&it) && !it.deleting && !it.ready && it.revision.as_deref() == revision {
            delete_pod(&api, &pod).await?;
        }
    }
    Ok(())
}

/// A template without the restart's annotation.
fn unstamped(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(Value::Object(metadata)) = template.get_mut("metadata") {
        let empty = match metadata.get_mut("annotations") {
            Some(Value::Object(annotations)) => {
                annotations.shift_remove(RESTARTED_AT);
                annotations.is_empty()
            }
            _ => false,
        };
        if empty {
            metadata.shift_remove("annotations");
        }
    }
    template
}

/// The revisions that a workload keeps.
async fn kept<K: Restartable>(client: &Client, of: &K, present: &Workload) -> Result<Vec<Kept>, kube::Error> {
    let mut ready: BTreeMap<String, u64> = BTreeMap::new();
    let objects = match K::KIND {
        WorkloadKind::Deployment => raw::<ReplicaSet, K>(client, of).await?,
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            for pod in raw::<ApiPod, K>(client, of).await? {
                let pod = pod.try_parse::<ApiPod>().map(|pod| convert::pod(&pod)).ok();
                let Some(pod) = pod.filter(|pod| present.owns(pod) && pod.ready && !pod.deleting) else { continue };
                *ready.entry(pod.revision.unwrap_or_default()).or_default() += 1;
            }
            raw::<ControllerRevision, K>(client, of).await?
        }
        // Its restart makes none.
        WorkloadKind::Rollout => Vec::new(),
    };
    let own = objects.into_iter().filter(|object| owned(&object.metadata, &present.uid));
    let mut kept: Vec<Kept> = own.filter_map(|object| revision(present, &object, &ready)).collect();
    let newest = kept.iter().max_by_key(|(revision, _)| revision.number).map(|(_, template)| unstamped(template));
    for (revision, template) in &mut kept {
        revision.alike = newest.as_ref() == Some(&unstamped(template));
    }
    Ok(kept)
}

/// Whether it is like the newest is not told here.
fn revision(of: &Workload, object: &DynamicObject, ready: &BTreeMap<String, u64>) -> Option<Kept> {
    let name = object.name_any();
    let (number, ready, template) = if of.id.kind == WorkloadKind::Deployment {
        let mut template = object.data.pointer("/spec/template")?.clone();
        // Its controller's own label.
        template.pointer_mut("/metadata/labels")?.as_object_mut()?.shift_remove(TEMPLATE_HASH);
        let ready = object.data.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or_default();
        (object.annotations().get(REVISION)?.parse().ok()?, ready, template)
    } else {
        let mut template = object.data.pointer("/data/spec/template")?.clone();
        template.as_object_mut()?.shift_remove("$patch");
        // A StatefulSet's pods carry the whole name, a DaemonSet's only what follows its own.
        let hash = name.strip_prefix(&of.id.name).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
        let ready = ready.get(&name).or_else(|| ready.get(hash)).copied().unwrap_or_default();
        (object.data.get("revision")?.as_u64()?, ready, template)
    };
    let stamp = template.pointer("/metadata/annotations").and_then(|annotations| annotations.get(RESTARTED_AT));
    let restarted_at = stamp.and_then(Value::as_str).map(str::to_owned);
    Some((Revision { number, name, restarted_at, ready, alike: false }, template))
}

/// What keeps the revisions of a workload.
async fn raw<R, K: Restartable>(client: &Client, of: &K) -> Result<Vec<DynamicObject>, kube::Error>
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let params = ListParams::default().labels(&selector_text(of.selector()));
    let namespace = of.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<R>(&()));
    Ok(list(&api, &params).await?.items)
}
