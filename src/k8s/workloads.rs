//! Deployments, StatefulSets and DaemonSets: reading, their newest revision, and restarting them.

use std::fmt::Debug;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::CronJob as ApiCronJob,
        core::v1::Pod as ApiPod,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
    core::Selector,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Kube,
    convert::{self, RESTARTED_AT, TEMPLATE_HASH},
    list::list,
    wire::repeated,
};
use crate::{
    failure::{Failure, Result},
    model::workload::{CronJob, Expression, Strategy, Workload, WorkloadKind, WorkloadRef},
};

/// The revision that a Deployment and its ReplicaSets carry.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";

/// A kind that can be restarted.
pub(super) trait Restartable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Its kind.
    const KIND: WorkloadKind;
    /// In the model's words, without what other objects tell.
    fn workload(&self) -> Workload;
    /// The selector of its pods.
    fn selector(&self) -> Option<&LabelSelector>;
    /// A workload's selector as the API's query parameter.
    fn pods(workload: &Workload) -> String {
        query(&workload.selector)
    }
}

impl Restartable for Deployment {
    const KIND: WorkloadKind = WorkloadKind::Deployment;

    fn workload(&self) -> Workload {
        convert::deployment(self)
    }

    fn selector(&self) -> Option<&LabelSelector> {
        self.spec.as_ref().map(|s| &s.selector)
    }
}

impl Restartable for StatefulSet {
    const KIND: WorkloadKind = WorkloadKind::StatefulSet;

    fn workload(&self) -> Workload {
        convert::stateful_set(self)
    }

    fn selector(&self) -> Option<&LabelSelector> {
        self.spec.as_ref().map(|s| &s.selector)
    }
}

impl Restartable for DaemonSet {
    const KIND: WorkloadKind = WorkloadKind::DaemonSet;

    fn workload(&self) -> Workload {
        convert::daemon_set(self)
    }

    fn selector(&self) -> Option<&LabelSelector> {
        self.spec.as_ref().map(|s| &s.selector)
    }
}

/// A label selector as the API's query parameter; all labels and expressions of it.
pub(super) fn selector_text(selector: Option<&LabelSelector>) -> String {
    selector.and_then(|s| Selector::try_from(s.clone()).ok()).map(|s| s.to_string()).unwrap_or_default()
}

/// The same of the model's selector.
pub(super) fn query(selector: &crate::model::selector::Selector) -> String {
    let expression = |it: &Expression| LabelSelectorRequirement {
        key: it.key.clone(),
        operator: it.operator.clone(),
        values: (!it.values.is_empty()).then(|| it.values.clone()),
    };
    let expressions: Vec<_> = selector.expressions.iter().map(expression).collect();
    selector_text(Some(&LabelSelector {
        match_labels: Some(selector.labels.clone()),
        match_expressions: (!expressions.is_empty()).then_some(expressions),
    }))
}

/// A kind in one namespace, or in all.
pub(super) fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// Every workload of one kind in a namespace, or in all.
pub(super) async fn all<K: Restartable>(
    client: &Client,
    namespace: Option<&str>,
) -> Result<Vec<Workload>, kube::Error> {
    let found = list::<K>(&within(client, namespace), &ListParams::default()).await?;
    Ok(found.items.iter().map(Restartable::workload).collect())
}

/// Deployments, StatefulSets and DaemonSets.
pub(super) const KINDS: usize = 3;

/// The workloads of those kinds that the caller may list.
pub(super) struct OfEachKind {
    pub(super) workloads: Vec<Workload>,
    /// The kinds that were refused, and the API server's first refusal.
    pub(super) refused: Option<(Vec<&'static str>, kube::Error)>,
}

/// What a list lacks, for the user.
pub(super) fn omitted(kinds: &[&str], place: &str) -> String {
    let kinds = kinds.join(" and ");
    format!("{kinds} of {place} are omitted: not allowed: list {}", kinds.to_lowercase())
}

/// Every workload of a namespace, or of all: what is refused for lack of a permission is not lost with the rest.
pub(super) async fn of_each_kind(client: &Client, namespace: Option<&str>) -> Result<OfEachKind, kube::Error> {
    async fn allowed<K: Restartable>(
        client: &Client,
        namespace: Option<&str>,
    ) -> Result<Result<Vec<Workload>, kube::Error>, kube::Error> {
        match all::<K>(client, namespace).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(Err(kube::Error::Api(status))),
            found => found.map(Ok),
        }
    }
    let (deployments, stateful_sets, daemon_sets) = futures::try_join!(
        allowed::<Deployment>(client, namespace),
        allowed::<StatefulSet>(client, namespace),
        allowed::<DaemonSet>(client, namespace),
    )?;
    let (mut workloads, mut refused) = (Vec::new(), None);
    for (kind, found) in [("Deployments", deployments), ("StatefulSets", stateful_sets), ("DaemonSets", daemon_sets)] {
        match found {
            Ok(found) => workloads.extend(found),
            Err(error) => refused.get_or_insert_with(|| (Vec::new(), error)).0.push(kind),
        }
    }
    Ok(OfEachKind { workloads, refused })
}

/// One workload.
pub(super) async fn get_workload<K: Restartable>(
    client: &Client,
    id: &WorkloadRef,
) -> Result<Option<Workload>, kube::Error> {
    let api: Api<K> = Api::namespaced(client.clone(), &id.namespace);
    Ok(api.get_opt(&id.name).await?.as_ref().map(Restartable::workload))
}

/// Every CronJob of a namespace, or of all; none where the API server has no such kind.
pub(super) async fn cron_jobs(client: &Client, namespace: Option<&str>) -> Result<Vec<CronJob>, kube::Error> {
    let api: Api<ApiCronJob> = within(client, namespace);
    match list(&api, &ListParams::default()).await {
        Ok(found) => Ok(found.items.iter().map(convert::cron_job).collect()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Sets the newest revision's hash, which Deployments and DaemonSets keep in other objects. Not allowed to list them: left out,
/// and the permission answered.
pub(super) async fn add_revision<K: Restartable>(
    client: &Client,
    of: &K,
    workload: &mut Workload,
) -> Result<Option<&'static str>, kube::Error> {
    let params = ListParams::default().labels(&selector_text(of.selector()));
    let namespace = &workload.id.namespace;
    let (found, permission) = match K::KIND {
        // One carries its own, the others' pods keep theirs through a restart.
        WorkloadKind::StatefulSet | WorkloadKind::Rollout => return Ok(None),
        WorkloadKind::Deployment => {
            let sets = list::<ReplicaSet>(&Api::namespaced(client.clone(), namespace), &params).await;
            (sets.map(|sets| newest_replica_set(&sets.items, workload)), "list replicasets")
        }
        WorkloadKind::DaemonSet => {
            let kept = list::<ControllerRevision>(&Api::namespaced(client.clone(), namespace), &params).await;
            let newest = kept.map(|kept| newest_revision(&kept.items, &workload.uid, &workload.id.name));
            (newest, "list controllerrevisions")
        }
    };
    match found {
        Ok(hash) => workload.status.update_revision = hash,
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Some(permission)),
        Err(error) => return Err(error),
    }
    Ok(None)
}

pub(super) fn owned(meta: &ObjectMeta, uid: &str) -> bool {
    meta.owner_references.iter().flatten().any(|o| o.controller == Some(true) && o.uid == uid)
}

/// The hash of the ReplicaSet with the Deployment's own template, as its controller finds it. With `Recreate` it is made only when the
/// old pods are gone; until then the newest one there is an old one.
fn newest_replica_set(sets: &[ReplicaSet], of: &Workload) -> Option<String> {
    let own = || sets.iter().filter(|set| owned(&set.metadata, &of.uid));
    let revision = |set: &&ReplicaSet| set.annotations().get(REVISION).and_then(|r| r.parse::<u64>().ok());
    let same = |set: &&ReplicaSet| {
        let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
        let annotations = template.and_then(|t| t.metadata.as_ref()).and_then(|m| m.annotations.as_ref());
        template.is_some_and(|template| convert::fingerprint(template) == of.template)
            && annotations.and_then(|a| a.get(RESTARTED_AT)) == of.restarted_at.as_ref()
    };
    let newest = own().filter(same).max_by_key(revision);
    let newest = newest.or_else(|| own().filter(|_| of.strategy != Strategy::Recreate).max_by_key(revision))?;
    newest.labels().get(TEMPLATE_HASH).cloned()
}

fn newest_revision(revisions: &[ControllerRevision], uid: &str, owner: &str) -> Option<String> {
    let newest = revisions.iter().filter(|r| owned(&r.metadata, uid)).max_by_key(|r| r.revision)?;
    newest
        .labels()
        .get("controller-revision-hash")
        .cloned()
        .or_else(|| newest.metadata.name.as_deref()?.strip_prefix(owner)?.strip_prefix('-').map(str::to_owned))
}

/// The annotation's value. Within the second of the restart before, the same value would be no restart at all.
fn stamp(at: Timestamp, before: Option<&str>) -> String {
    let text = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let stamp = text(at);
    if before == Some(stamp.as_str()) { text(at + SignedDuration::from_secs(1)) } else { stamp }
}

/// Restarts as `kubectl rollout restart` does: refused when paused, and only the template's annotation is sent.
pub(super) async fn restart<K: Restartable>(kube: &Kube, workload: &Workload, at: Timestamp) -> Result<Workload> {
    let id = &workload.id;
    if workload.paused {
        return Err(Failure::usage(format!("`{id}` is paused"))
            .hint(format!("resume it first: kubectl rollout resume {id} -n {}", id.namespace)));
    }
    let stamp = stamp(at, workload.restarted_at.as_deref());
    let annotated = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}}});
    Ok(patch::<K>(kube, id, &Patch::Strategic(annotated)).await?.workload())
}

/// Sends the patch that restarts a workload. It may be sent again: the same stamp once more is no second restart.
pub(super) async fn patch<K: Restartable>(kube: &Kube, id: &WorkloadRef, patch: &Patch<Value>) -> Result<K> {
    let operation = format!("restart `{id}` in `{}`", id.namespace);
    let connection = kube.connection().await?;
    let api: Api<K> = Api::namespaced(connection.client.clone(), &id.namespace);
    let params = PatchParams { field_manager: Some("podid".to_owned()), ..PatchParams::default() };
    let patched = repeated(|| api.patch(&id.name, &params, patch)).await;
    patched.map_err(|error| super::error::failure(&operation, &connection.server, error))
}

/// Deletes this very pod, not one that has its name by now; one that is gone is no error.
pub(super) async fn delete_pod(api: &Api<ApiPod>, pod: &ApiPod) -> Result<(), kube::Error> {
    let conditions = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(conditions), ..DeleteParams::default() };
    match api.delete(&pod.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_restart_has_its_own_stamp() {
        let at: Timestamp = "2026-11-23T19:34:15.9Z".parse().unwrap();
        for (before, wanted) in [
            (None, "2026-11-23T19:34:15Z"),
            (Some("2026-11-23T19:34:14Z"), "2026-11-23T19:34:15Z"),
            (Some("2026-11-23T19:34:15Z"), "2026-11-23T19:34:16Z"),
        ] {
            assert_eq!(stamp(at, before), wanted);
        }
    }
}
