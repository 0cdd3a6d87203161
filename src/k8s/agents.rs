//! The agent's DaemonSets, and the nodes on which they are ready.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::DaemonSet, core::v1::Pod as ApiPod};
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    convert,
    list::list,
    network,
    workloads::{Restartable, selector_text},
};
use crate::{
    model::{
        agent::{AgentDaemonSet, AgentPod},
        workload::Pod,
    },
    ports::Daemons,
};

const NAMES: [&str; 3] =
    ["eks-pod-identity-agent", "eks-pod-identity-agent-hybrid", "eks-pod-identity-agent-hybrid-bottlerocket"];
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Where the add-on puts it.
const SYSTEM: &str = "kube-system";
/// An agent that takes longer to be ready was not ready for a while later on, too.
const STARTUP: SignedDuration = SignedDuration::from_mins(2);

/// The agent's by label in every namespace, and by name in kube-system; only there when the caller may not list them all. The
/// list of kube-system has the network plugins' too.
pub(super) async fn agents(client: &Client) -> Result<Daemons, kube::Error> {
    let labelled = ListParams::default().labels(&format!("{NAME_LABEL} in ({})", NAMES.join(",")));
    let (everywhere, system) = (Api::<DaemonSet>::all(client.clone()), Api::namespaced(client.clone(), SYSTEM));
    let pods = Api::<ApiPod>::all(client.clone());
    // The pods are read at once with the sets that they belong to: one round trip for both.
    let (everywhere, system, pods) = futures::join!(
        list(&everywhere, &labelled),
        async { list::<DaemonSet>(&system, &ListParams::default()).await },
        list(&pods, &labelled)
    );
    let (everywhere, system) = match (everywhere, system) {
        (Ok(everywhere), Ok(system)) => (everywhere.items, Some(system.items)),
        (Err(error), Ok(system)) if forbidden(&error) => (Vec::new(), Some(system.items)),
        (Ok(everywhere), Err(error)) if forbidden(&error) => (everywhere.items, None),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let pods = match pods {
        Ok(pods) => Some(pods.items),
        Err(error) if forbidden(&error) => None,
        Err(error) => return Err(error),
    };
    let network = system.clone().map(|sets| sets.into_iter().filter_map(network::daemon).collect());
    let of_agent = |set: &DaemonSet| {
        let label = set.labels().get(NAME_LABEL).is_some_and(|name| NAMES.contains(&name.as_str()));
        label || NAMES.contains(&set.name_any().as_str())
    };
    let found: BTreeMap<(String, String), DaemonSet> = everywhere
        .into_iter()
        .chain(system.into_iter().flatten())
        .filter(of_agent)
        .map(|set| ((set.namespace().unwrap_or_default(), set.name_any()), set))
        .collect();
    let agents = try_join_all(found.into_values().map(|set| agent(client, set, pods.as_deref()))).await?;
    Ok(Daemons { agents, network })
}

fn forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Whether every pod of the set has the label by which the pods were read.
fn labels_its_pods(set: &DaemonSet) -> bool {
    let label = set.selector().and_then(|s| s.match_labels.as_ref()).and_then(|labels| labels.get(NAME_LABEL));
    label.is_some_and(|name| NAMES.contains(&name.as_str()))
}

/// `pods`: those with the agent's label, when all of them could be read.
async fn agent(client: &Client, set: DaemonSet, pods: Option<&[ApiPod]>) -> Result<AgentDaemonSet, kube::Error> {
    let workload = set.workload();
    let own;
    let pods = match pods {
        Some(pods) if labels_its_pods(&set) => pods,
        _ => {
            let api: Api<ApiPod> = Api::namespaced(client.clone(), &workload.id.namespace);
            own = list(&api, &ListParams::default().labels(&selector_text(set.selector()))).await?.items;
            own.as_slice()
        }
    };
    let own = pods.iter().map(|pod| (meant_for(pod), convert::pod(pod)));
    let own = own.filter(|(_, pod)| pod.live() && pod.owner.as_ref().is_some_and(|owner| owner.uid == workload.uid));
    let (ready, unready): (Vec<_>, Vec<_>) = own.partition(|(_, pod)| pod.ready);
    let unready = unready.into_iter().filter_map(|(node, pod)| Some((node?, AgentPod::of(&pod))));
    let startups = ready.iter().filter_map(|(node, pod)| Some((node.clone()?, startup(pod)?))).collect();
    Ok(AgentDaemonSet {
        startups,
        desired: workload.replicas,
        ready: workload.status.ready,
        observed: workload.status.observed_generation >= workload.generation,
        ready_nodes: ready.into_iter().filter_map(|(node, pod)| Some((node?, named(pod)))).collect(),
        unready: unready.collect(),
        placement: workload.placement,
        namespace: workload.id.namespace,
        name: workload.id.name,
    })
}

/// When an agent's pod was created, and when it was ready. One that was restarted, or that was not ready for a while in between,
/// has lost the time of its first start.
fn startup(pod: &Pod) -> Option<(Timestamp, Timestamp)> {
    let main = pod.containers.iter().find(|container| !container.init)?;
    let (created, started, ready) = (pod.created_at?, main.started_at?, pod.ready_since?);
    (main.restarts == 0 && ready.duration_since(started) <= STARTUP).then_some((created, ready))
}

/// Its name, and that of its main container.
fn named(pod: Pod) -> (String, String) {
    let main = pod.containers.into_iter().find(|container| !container.init).map(|container| container.name);
    (pod.name, main.unwrap_or_default())
}

/// The node of a DaemonSet's pod: until the scheduler has bound it, the one that its affinity names.
fn meant_for(pod: &ApiPod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    if let Some(node) = spec.node_name.as_ref().filter(|name| !name.is_empty()) {
        return Some(node.clone());
    }
    let required = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &required.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let mut fields = terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    fields.find(|field| field.key == "metadata.name")?.values.as_ref()?.first().cloned()
}
