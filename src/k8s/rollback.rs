//! Back to the revision before, as `kubectl rollout undo` does it: the template that an older ReplicaSet or ControllerRevision keeps.

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
    convert::{self, RESTARTED_AT},
    error,
    list::list,
    workloads::{REVISION, Restartable, delete_pod, owned, selector_text},
};
use crate::{
    failure::{Failure, Result},
    model::workload::{Workload, WorkloadKind},
};

/// A revision: its number and its template, as they are stored. Nothing of a template may get lost on the way back, hence no types.
type Revision = (u64, Value);

/// Takes a workload that was restarted back; `after` is as the restart left it.
pub(super) async fn roll_back<K: Restartable>(kube: &Kube, after: &Workload) -> Result<Workload> {
    let id = &after.id;
    let operation = format!("take `{id}` in `{}` back", id.namespace);
    let connection = kube.connection().await?;
    let failed = |e| error::failure(&operation, &connection.server, e);
    let refused = |why: &str| Failure::failed(format!("cannot {operation}")).because(why);
    let api: Api<K> = Api::namespaced(connection.client.clone(), &id.namespace);
    let Some(found) = api.get_opt(&id.name).await.map_err(failed)? else { return Err(refused("it is gone")) };
    let mut revisions = revisions(&connection.client, &found).await.map_err(failed)?;
    revisions.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let mut revisions = revisions.into_iter().map(|(_, template)| template);
    let (Some(newest), Some(mut template)) = (revisions.next(), revisions.next()) else {
        return Err(refused("no revision before is kept"));
    };
    // Someone else's change must not be taken back with the restart.
    if found.workload().restarted_at != after.restarted_at || unstamped(&newest) != unstamped(&template) {
        return Err(refused("it was changed since by more than the restart"));
    }
    template["$patch"] = json!("replace");
    // The version makes a change that came between a conflict.
    let patch = json!({"metadata": {"resourceVersion": found.resource_version()}, "spec": {"template": template}});
    let params = PatchParams { field_manager: Some("podid".to_owned()), ..PatchParams::default() };
    let patched = api.patch(&id.name, &params, &Patch::Strategic(patch)).await.map_err(failed)?;
    if K::KIND == WorkloadKind::StatefulSet {
        let broken = found.workload().status.update_revision;
        release(&connection.client, &found, broken.as_deref()).await.map_err(failed)?;
    }
    Ok(patched.workload())
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

async fn revisions<K: Restartable>(client: &Client, of: &K) -> Result<Vec<Revision>, kube::Error> {
    let uid = of.meta().uid.clone().unwrap_or_default();
    let kept = match K::KIND {
        WorkloadKind::Deployment => raw::<ReplicaSet, K>(client, of).await?,
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => raw::<ControllerRevision, K>(client, of).await?,
        // Its restart makes none.
        WorkloadKind::Rollout => Vec::new(),
    };
    let own = kept.into_iter().filter(|object| owned(&object.metadata, &uid));
    Ok(own.filter_map(|object| revision(K::KIND, &object)).collect())
}

fn revision(kind: WorkloadKind, object: &DynamicObject) -> Option<Revision> {
    if kind == WorkloadKind::Deployment {
        let number = object.annotations().get(REVISION)?.parse().ok()?;
        let mut template = object.data.pointer("/spec/template")?.clone();
        // Its controller's own label.
        template.pointer_mut("/metadata/labels")?.as_object_mut()?.shift_remove("pod-template-hash");
        return Some((number, template));
    }
    let mut template = object.data.pointer("/data/spec/template")?.clone();
    template.as_object_mut()?.shift_remove("$patch");
    Some((object.data.get("revision")?.as_u64()?, template))
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
