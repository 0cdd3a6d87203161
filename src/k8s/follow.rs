//! Following a rollout: two watches, the workload's and its pods', that survive what watches meet.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
    time::timeout,
};

use super::{
    Kube, convert, error,
    list::list,
    workloads::{REVISION, Restartable, add_revision},
};
use crate::{
    failure::Result,
    model::workload::{Pod, Workload, WorkloadKind},
    ports::RolloutView,
    wait,
};

/// How long the server keeps one watch open, in seconds; after some more of silence the connection is dead.
const WATCH: u32 = 290;
const SILENCE: Duration = Duration::from_secs(295);
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What a watch tells.
enum Change<K> {
    /// Everything there is.
    All(Vec<K>),
    /// New or changed.
    Set(K),
    /// Deleted.
    Gone(String),
    /// Cannot be watched any more.
    Failed(kube::Error),
}

/// Follows until the stream is dropped. The first view comes at once.
pub(super) async fn follow<K: Restartable>(
    kube: &Kube,
    workload: &Workload,
) -> Result<BoxStream<'static, Result<RolloutView>>> {
    let id = &workload.id;
    let operation = format!("watch `{id}` in `{}`", id.namespace);
    let connection = kube.connection().await?;
    let api: Api<K> = Api::namespaced(connection.client.clone(), &id.namespace);
    let pods: Api<ApiPod> = Api::namespaced(connection.client.clone(), &id.namespace);
    let fields = ListParams::default().fields(&format!("metadata.name={}", id.name));
    let labels = ListParams::default().labels(&K::pods(workload));

    let (workloads, workload_changes) = mpsc::channel(64);
    let (pod_sender, pod_changes) = mpsc::channel(256);
    // Dropped with the stream, and the watches with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(watch(api, fields, workloads));
    tasks.spawn(watch(pods, labels, pod_sender));
    let follower = Follower {
        client: connection.client.clone(),
        workload: None,
        revision: None,
        unread: None,
        pods: BTreeMap::new(),
        seen: (false, false),
        workload_changes,
        pod_changes,
        over: false,
        _tasks: tasks,
    };
    let server = connection.server.clone();
    let views = stream::unfold(follower, |mut follower| async move {
        let view = follower.next().await?;
        Some((view, follower))
    });
    Ok(views.map(move |view| view.map_err(|e| error::failure(&operation, &server, e))).boxed())
}

/// The generation that the controller has seen, and the Deployment's revision.
type Stand = (u64, Option<String>);

/// Gathers the changes into views.
struct Follower<K: Restartable> {
    client: Client,
    workload: Option<K>,
    /// The newest revision's hash, with what it was read for.
    revision: Option<(Stand, Option<String>)>,
    /// The permission that the newest revision takes, when it is lacking.
    unread: Option<&'static str>,
    pods: BTreeMap<String, Pod>,
    /// Whether the workload and its pods were listed.
    seen: (bool, bool),
    workload_changes: Receiver<Change<K>>,
    pod_changes: Receiver<Change<ApiPod>>,
    over: bool,
    _tasks: JoinSet<()>,
}

impl<K: Restartable> Follower<K> {
    async fn next(&mut self) -> Option<Result<RolloutView, kube::Error>> {
        while !self.over {
            let view = match self.gather().await {
                // Both watches are gone, which they only are when they failed.
                Ok(()) if self.over => return None,
                Ok(()) if self.seen != (true, true) => continue,
                Ok(()) => self.view().await,
                Err(error) => Err(error),
            };
            self.over = view.is_err();
            return Some(view);
        }
        None
    }

    /// Waits for one change and takes all others that are there already.
    async fn gather(&mut self) -> Result<(), kube::Error> {
        tokio::select! {
            Some(change) = self.workload_changes.recv() => self.workload_changed(change)?,
            Some(change) = self.pod_changes.recv() => self.pods_changed(change)?,
            else => self.over = true,
        }
        while let Ok(change) = self.workload_changes.try_recv() {
            self.workload_changed(change)?;
        }
        while let Ok(change) = self.pod_changes.try_recv() {
            self.pods_changed(change)?;
        }
        Ok(())
    }

    fn workload_changed(&mut self, change: Change<K>) -> Result<(), kube::Error> {
        match change {
            Change::All(found) => {
                self.workload = found.into_iter().next();
                self.seen.0 = true;
            }
            Change::Set(it) => self.workload = Some(it),
            Change::Gone(_) => self.workload = None,
            Change::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn pods_changed(&mut self, change: Change<ApiPod>) -> Result<(), kube::Error> {
        match change {
            Change::All(found) => {
                self.pods = found.iter().map(|pod| (pod.name_any(), convert::pod(pod))).collect();
                self.seen.1 = true;
            }
            Change::Set(pod) => {
                self.pods.insert(pod.name_any(), convert::pod(&pod));
            }
            Change::Gone(name) => {
                self.pods.remove(&name);
            }
            Change::Failed(error) => return Err(error),
        }
        Ok(())
    }

    async fn view(&mut self) -> Result<RolloutView, kube::Error> {
        let workload = match self.workload.clone() {
            Some(it) => Some(self.with_revision(&it).await?),
            None => None,
        };
        Ok(RolloutView { workload, pods: self.pods.values().cloned().collect(), unread: self.unread })
    }

    /// The newest revision is read again only when the controller has seen another template.
    async fn with_revision(&mut self, it: &K) -> Result<Workload, kube::Error> {
        let mut workload = it.workload();
        let stand = (workload.status.observed_generation, it.annotations().get(REVISION).cloned());
        match &self.revision {
            Some((at, hash)) if *at == stand => {
                if hash.is_some() {
                    workload.status.update_revision.clone_from(hash);
                }
            }
            _ => {
                match add_revision(&self.client, it, &mut workload).await {
                    Ok(unread) => {
                        self.unread = unread;
                        self.revision = Some((stand, own_hash::<K>(&workload)));
                    }
                    // Read at the next change: a view without it is better than none.
                    Err(error) if transient(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(workload)
    }
}

/// The hash to remember; a StatefulSet carries its own, which may change without a new stand.
fn own_hash<K: Restartable>(workload: &Workload) -> Option<String> {
    match K::KIND {
        WorkloadKind::StatefulSet => None,
        _ => workload.status.update_revision.clone(),
    }
}

/// Lists, watches from there, and begins again whenever that ends, until nobody listens or it can never work.
async fn watch<K>(api: Api<K>, params: ListParams, to: Sender<Change<K>>)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut pause = BACKOFF.0;
    loop {
        let error = match list(&api, &params).await {
            Ok(listed) => {
                pause = BACKOFF.0;
                if to.send(Change::All(listed.items)).await.is_err() {
                    return;
                }
                match watch_from(&api, &params, listed.version, &to).await {
                    // Expired: list again.
                    None => continue,
                    Some(error) => error,
                }
            }
            Err(error) => error,
        };
        if !transient(&error) {
            let _ = to.send(Change::Failed(error)).await;
            return;
        }
        if to.is_closed() {
            return;
        }
        wait::pause(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Watches from a version on, over as many connections as it takes; answers why it must be listed again (`None`: expired).
async fn watch_from<K>(
    api: &Api<K>,
    params: &ListParams,
    mut version: String,
    to: &Sender<Change<K>>,
) -> Option<kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let wanted = WatchParams {
        label_selector: params.label_selector.clone(),
        field_selector: params.field_selector.clone(),
        timeout: Some(WATCH),
        bookmarks: true,
        send_initial_events: false,
    };
    let mut pause = BACKOFF.0;
    loop {
        let mut events = match api.watch(&wanted, &version).await {
            Ok(events) => events.boxed(),
            Err(kube::Error::Api(status)) if status.code == 410 => return None,
            Err(error) => return Some(error),
        };
        let mut any = false;
        while let Ok(Some(event)) = timeout(SILENCE, events.next()).await {
            any = true;
            let change = match event {
                Ok(WatchEvent::Added(it) | WatchEvent::Modified(it)) => {
                    version = newer(version, &it);
                    Change::Set(it)
                }
                Ok(WatchEvent::Deleted(it)) => {
                    version = newer(version, &it);
                    Change::Gone(it.meta().name.clone().unwrap_or_default())
                }
                Ok(WatchEvent::Bookmark(mark)) => {
                    version = mark.metadata.resource_version;
                    continue;
                }
                Ok(WatchEvent::Error(status)) | Err(kube::Error::Api(status)) => {
                    return (status.code != 410).then_some(kube::Error::Api(status));
                }
                Err(error) if error::hopeless(&error) => return Some(error),
                // The connection broke: watch on from the last version.
                Err(error) => {
                    tracing::debug!(%error, "watch broke");
                    break;
                }
            };
            if to.send(change).await.is_err() {
                return None;
            }
        }
        if to.is_closed() {
            return None;
        }
        // A server that ends each watch at once must not be asked in a circle.
        pause = if any { BACKOFF.0 } else { (pause * 2).min(BACKOFF.1) };
        wait::pause(pause).await;
    }
}

fn newer<K: Resource>(version: String, it: &K) -> String {
    it.meta().resource_version.clone().unwrap_or(version)
}

/// Whether trying again may help: no answer, or a server that is not well.
fn transient(error: &kube::Error) -> bool {
    match error {
        _ if error::hopeless(error) => false,
        kube::Error::Api(status) => matches!(status.code, 0 | 408 | 410 | 429 | 500..=599),
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}
