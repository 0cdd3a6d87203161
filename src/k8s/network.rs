//! NetworkPolicies and the network plugin's DaemonSets in the model's words.

use k8s_openapi::{
    api::{
        apps::v1::DaemonSet,
        networking::v1::{NetworkPolicy as ApiPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{Client, api::ListParams};

use super::{convert, list::list, workloads::within};
use crate::model::{
    network::{DAEMONS, ENFORCES, EgressRule, NetworkDaemon, NetworkPolicy, Peer, Port, SETTINGS},
    selector::Selector,
};

/// Every NetworkPolicy of a namespace, or of all.
pub(super) async fn policies(client: &Client, namespace: Option<&str>) -> Result<Vec<NetworkPolicy>, kube::Error> {
    let api = within::<ApiPolicy>(client, namespace);
    Ok(list(&api, &ListParams::default()).await?.items.iter().map(policy).collect())
}

fn policy(it: &ApiPolicy) -> NetworkPolicy {
    let spec = it.spec.clone().unwrap_or_default();
    let Selector { labels, expressions } = spec.pod_selector.as_ref().map(convert::selector).unwrap_or_default();
    // Left out, the types follow from what the policy has (kubernetes.io/docs/concepts/services-networking/network-policies).
    let of_egress = match &spec.policy_types {
        Some(types) if !types.is_empty() => types.iter().any(|kind| kind == "Egress"),
        _ => spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
    };
    NetworkPolicy {
        namespace: it.metadata.namespace.clone().unwrap_or_default(),
        name: it.metadata.name.clone().unwrap_or_default(),
        labels,
        expressions,
        egress: of_egress.then(|| spec.egress.iter().flatten().map(rule).collect()),
    }
}

fn rule(it: &NetworkPolicyEgressRule) -> EgressRule {
    EgressRule { to: it.to.iter().flatten().map(peer).collect(), ports: it.ports.iter().flatten().map(port).collect() }
}

fn peer(it: &NetworkPolicyPeer) -> Peer {
    it.ip_block.as_ref().map_or(Peer::Pods, |block| Peer::IpBlock {
        cidr: block.cidr.clone(),
        except: block.except.clone().unwrap_or_default(),
    })
}

fn port(it: &NetworkPolicyPort) -> Port {
    let number = |port: i32| u16::try_from(port).ok();
    Port {
        protocol: it.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        port: match &it.port {
            Some(IntOrString::Int(port)) => number(*port),
            // A named port is one of a pod; the agent's address is none of a pod's.
            Some(IntOrString::String(_)) => Some(0),
            None => None,
        },
        end: it.end_port.and_then(number),
    }
}

/// A network plugin's DaemonSet that podid knows.
pub(super) fn daemon(it: DaemonSet) -> Option<NetworkDaemon> {
    let name = it.metadata.name.filter(|name| DAEMONS.contains(&name.as_str()))?;
    let containers = it.spec.and_then(|spec| spec.template.spec).map(|spec| spec.containers).unwrap_or_default();
    let env = containers.iter().flat_map(|container| container.env.iter().flatten());
    let settings = env
        .filter(|variable| SETTINGS.contains(&variable.name.as_str()))
        .map(|variable| (variable.name.clone(), variable.value.clone().unwrap_or_default()));
    let flags = containers.iter().flat_map(|container| container.args.iter().flatten()).filter_map(|arg| {
        let (name, value) = arg.trim_start_matches('-').split_once('=')?;
        (name == ENFORCES).then(|| (name.to_owned(), value.to_owned()))
    });
    let settings = settings.chain(flags).collect();
    let images = containers.iter().filter_map(|container| container.image.clone()).collect();
    Some(NetworkDaemon { name, images, settings })
}
