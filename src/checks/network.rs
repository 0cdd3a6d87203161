//! The way from the pods to the agent, and from there to EKS Auth. Whether there is an agent at all is `agent`'s and `nodes`'.

mod agents_log;
mod proxy;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Check, Finding, FindingSubject, Follows, Link, Status};
use crate::model::{
    addon::numbers,
    have::Observed,
    network::{ENFORCES, EgressRule, NetworkPolicy, Peer},
    pod_spec::EnvValue,
    selector::all_match,
    snapshot::Snapshot,
    workload::Pod,
};

pub(super) static CHECKS: &[&Check] =
    &[&PASSED, &POLICY, &CILIUM, &PROXY, &GROUPS, &UNREACHABLE, &SLOW, &IMDS, &THROTTLED, &NODE_REFUSED, &AGENT_FAILS];

static PASSED: Check = Check {
    id: "network.ok",
    link: Link::Network,
    title: "nothing known blocks the pods from their credentials",
    background: "A pod calls the agent at the link-local address 169.254.170.23 (or [fd00:ec2::23]), port 80; the agent calls EKS Auth over the node's network.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    follows: Follows::Nothing,
};

static POLICY: Check = Check {
    id: "network.policy",
    link: Link::Network,
    title: "a NetworkPolicy blocks the connection to the agent",
    background: "As soon as one policy of type Egress selects a pod, the pod can reach only what a policy allows. The agent's address does not belong to a pod, so only an ipBlock rule can allow it. The VPC CNI enforces policies only if that is enabled.",
    sources: &["https://kubernetes.io/docs/concepts/services-networking/network-policies/"],
    follows: Follows::Nothing,
};

static CILIUM: Check = Check {
    id: "network.cilium",
    link: Link::Network,
    title: "Cilium may block the connection to the agent",
    background: "Cilium treats the agent's address as part of the node (the entity `host`): an ipBlock in a NetworkPolicy does not allow it, but a CiliumNetworkPolicy with toEntities: [host] does. Versions since 1.16 dropped packets to link-local addresses with BPF host routing.",
    sources: &[
        "https://github.com/cilium/cilium/issues/34387",
        "https://github.com/cilium/cilium/issues/35989",
        "https://github.com/cilium/cilium/issues/40273",
    ],
    follows: Follows::Nothing,
};

static PROXY: Check = Check {
    id: "network.proxy",
    link: Link::Network,
    title: "a proxy receives the pods' requests to the agent",
    background: "With HTTP_PROXY set, SDKs call even the agent through the proxy, which cannot reach a link-local address. NO_PROXY must include 169.254.170.23 and [fd00:ec2::23].",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"],
    follows: Follows::Nothing,
};

static GROUPS: Check = Check {
    id: "network.pod-security-groups",
    link: Link::Network,
    title: "security groups for pods in strict mode block the connection to the agent",
    background: "In strict mode, traffic of a pod with its own security groups uses only its branch interface and never reaches the node. Pod Identity needs POD_SECURITY_GROUP_ENFORCING_MODE=standard.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"],
    follows: Follows::Nothing,
};

const AGENT: &str = "https://github.com/aws/eks-pod-identity-agent";

static UNREACHABLE: Check = Check {
    id: "network.eks-auth-unreachable",
    link: Link::Network,
    title: "the agent does not reach EKS Auth",
    background: "The agent calls eks-auth.REGION.api.aws. In subnets without internet access, it needs the interface endpoint com.amazonaws.REGION.eks-auth with private DNS, and a security group that allows port 443.",
    sources: &[
        "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html",
        "https://docs.aws.amazon.com/eks/latest/userguide/vpc-interface-endpoints.html",
    ],
    follows: Follows::Nothing,
};

static SLOW: Check = Check {
    id: "network.eks-auth-slow",
    link: Link::Network,
    title: "SDKs time out before EKS Auth answers",
    background: "SDKs wait one or two seconds for credentials. If the first response of EKS Auth takes longer, the agent logs `context canceled`, and the application fails at startup but works later. Older agents had an even shorter timeout.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/issues/50"],
    follows: Follows::Nothing,
};

static IMDS: Check = Check {
    id: "network.imds",
    link: Link::Network,
    title: "the agent cannot get its node's credentials",
    background: "The agent calls EKS Auth with the node's role, whose credentials come from the instance metadata service. If that is disabled, the agent has no credentials.",
    sources: &[AGENT],
    follows: Follows::Nothing,
};

static THROTTLED: Check = Check {
    id: "network.throttled",
    link: Link::Network,
    title: "the agent or EKS Auth throttles",
    background: "Each new pod causes one call of EKS Auth. Many short-lived pods at once get status 429, and work after a retry.",
    sources: &[AGENT],
    follows: Follows::Nothing,
};

static NODE_REFUSED: Check = Check {
    id: "network.node-refused",
    link: Link::Network,
    title: "EKS Auth refuses the node's role",
    background: "The agent calls EKS Auth with the role of its node, which needs eks-auth:AssumeRoleForPodIdentity. A Deny in a policy of the organization or of a VPC endpoint shows in no simulation, but in the log of the agent.",
    sources: &[AGENT, "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    follows: Follows::Nothing,
};

static AGENT_FAILS: Check = Check {
    id: "network.agent-fails",
    link: Link::Network,
    title: "the agent's calls of EKS Auth fail",
    background: "The agent exchanges the token of a pod for credentials with a signed call of EKS Auth. A wrong clock, expired credentials of the node or a wrong cluster name make it fail for every pod of the node, and pods see only that there are no credentials.",
    sources: &[AGENT],
    follows: Follows::Nothing,
};

/// Where the agent listens: in clusters of IPv6, pods are told the second.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23));
const ADDRESS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23));
const PORT: u16 = 80;

/// The agent's address, as the pod was told it.
fn address(pod: &Pod) -> IpAddr {
    let env = pod.spec.containers.iter().flat_map(|container| &container.env);
    let six =
        |value: &EnvValue| matches!(value, EnvValue::Text(Some(uri)) if uri.starts_with("http://[fd00:ec2::23]/"));
    let mut told = env.filter(|variable| variable.name == "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if told.any(|variable| six(&variable.value)) { ADDRESS_V6 } else { ADDRESS }
}

/// What is between the pods and the agent, by how they run.
pub(super) fn in_the_way(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for pod in &snapshot.live_pods() {
        for finding in
            [policies(snapshot, pod), proxy::proxy(snapshot, pod), groups(snapshot, pod)].into_iter().flatten()
        {
            // Of what several pods have, the worst is told.
            match found.iter_mut().find(|other: &&mut Finding| other.check == finding.check) {
                Some(other) if other.status == Status::Warning && finding.status == Status::Failed => *other = finding,
                Some(_) => {}
                None => found.push(finding),
            }
        }
    }
    found.extend(cilium(snapshot));
    found
}

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = in_the_way(snapshot);
    found.extend(snapshot.agent_logs.iter().filter_map(|log| agents_log::words(log, snapshot.now)));
    if found.is_empty() && !snapshot.live_pods().is_empty() {
        found.push(match &snapshot.network_policies {
            Observed::Unreadable(why) => PASSED.skips("network policies", why),
            _ => PASSED
                .ok("the pods", "no known policy, proxy or plugin blocks the connection")
                .evidence("NetworkPolicies, env, DaemonSets of kube-system", "checked"),
        });
    }
    found
}

/// Whether policies that select the pod leave the agent out.
fn policies(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    // A pod on the node's network is none that policies select.
    if pod.spec.host_network {
        return None;
    }
    let all = snapshot.network_policies.known()?;
    let speaking: Vec<&NetworkPolicy> =
        all.iter().filter(|policy| policy.egress.is_some() && selects(policy, &pod.labels)).collect();
    let first = speaking.first()?;
    let address = address(pod);
    let allowed = speaking.iter().flat_map(|policy| policy.egress.iter().flatten()).any(|rule| allows(rule, address));
    let name = FindingSubject::pod(&pod.full_name());
    let names = || speaking.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(", ");
    if !allowed {
        // The VPC CNI enforces policies only where it is told to; Cilium always does.
        let idle = daemon(snapshot, "cilium").is_none()
            && daemon(snapshot, "aws-node")
                .and_then(|plugin| plugin.settings.get(ENFORCES))
                .is_some_and(|told| told == "false");
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let (status, more) =
            if idle { (Status::Warning, ", but the VPC CNI does not enforce it") } else { (Status::Failed, "") };
        return Some(
            POLICY
                .finds(
                    status,
                    name,
                    format!("no egress rule of NetworkPolicy {} allows the connection to the agent{more}", names()),
                )
                .evidence(format!("NetworkPolicy {}", first.name), format!("nothing for {address}, TCP {PORT}"))
                .change(format!("add an egress rule: to ipBlock {address}/{bits}, TCP port {PORT}")),
        );
    }
    let by_address = !speaking
        .iter()
        .flat_map(|policy| policy.egress.iter().flatten())
        .any(|rule| rule.to.is_empty() && allows(rule, address));
    (by_address && daemon(snapshot, "cilium").is_some()).then(|| {
        CILIUM
            .warns(
                name,
                format!(
                    "NetworkPolicy {} allows the agent with an ipBlock, which Cilium ignores for addresses of the node",
                    names()
                ),
            )
            .evidence("DaemonSet kube-system/cilium", "there")
            .change("allow it with a CiliumNetworkPolicy: egress, toEntities: [host]")
    })
}

fn selects(policy: &NetworkPolicy, labels: &BTreeMap<String, String>) -> bool {
    all_match(&policy.labels, &policy.expressions, labels)
}

/// Whether a rule lets a pod reach the agent.
fn allows(rule: &EgressRule, address: IpAddr) -> bool {
    let port = rule.ports.is_empty()
        || rule.ports.iter().any(|port| {
            port.protocol == "TCP" && port.port.is_none_or(|first| (first..=port.end.unwrap_or(first)).contains(&PORT))
        });
    let peer = rule.to.is_empty()
        || rule.to.iter().any(|peer| match peer {
            Peer::IpBlock { cidr, except } => within(cidr, address) && !except.iter().any(|cidr| within(cidr, address)),
            Peer::Pods => false,
        });
    port && peer
}

/// Whether an address is in a block, which is one of the same kind.
fn within(cidr: &str, address: IpAddr) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(it) => (u128::from(it.to_bits()), 32),
        IpAddr::V6(it) => (it.to_bits(), 128),
    };
    let (block, bits) = cidr.split_once('/').unwrap_or((cidr, "128"));
    let (Ok(block), Ok(bits)) = (block.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let ((block, all), (address, width)) = (number(block), number(address));
    let rest = all - bits.min(all);
    all == width && block.checked_shr(rest).unwrap_or(0) == address.checked_shr(rest).unwrap_or(0)
}

fn daemon<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a crate::model::network::NetworkDaemon> {
    snapshot.cluster.network.known()?.iter().find(|daemon| daemon.name == name)
}

/// Security groups of the pod's own, in strict mode, which is what the plugin does unless told otherwise.
fn groups(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let own = pod.spec.annotations.contains_key("vpc.amazonaws.com/pod-eni");
    let plugin = daemon(snapshot, "aws-node").filter(|_| own)?;
    let mode = plugin.settings.get("POD_SECURITY_GROUP_ENFORCING_MODE").map_or("strict", String::as_str);
    (mode != "standard").then(|| {
        GROUPS
            .fails(FindingSubject::pod(&pod.full_name()), "it has its own security groups, and the VPC CNI enforces them in strict mode")
            .evidence("DaemonSet kube-system/aws-node", format!("POD_SECURITY_GROUP_ENFORCING_MODE={mode}"))
            .evidence("its annotations", "vpc.amazonaws.com/pod-eni")
            .change("set it: `kubectl set env daemonset/aws-node -n kube-system POD_SECURITY_GROUP_ENFORCING_MODE=standard`, then recreate the pods")
    })
}

/// A version of Cilium that is known to lose packets to the agent.
fn cilium(snapshot: &Snapshot) -> Option<Finding> {
    let plugin = daemon(snapshot, "cilium")?;
    let image = plugin.images.first()?;
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag.split('@').next().unwrap_or_default());
    let version = numbers(tag);
    (version >= vec![1, 16]).then(|| {
        CILIUM
            .warns(
                "DaemonSet kube-system/cilium",
                format!("Cilium {tag} may drop packets to the agent with BPF host routing"),
            )
            .evidence("its image", image)
            .change("if pods cannot reach 169.254.170.23, set bpf.hostLegacyRouting, or upgrade Cilium")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Port;

    #[test]
    fn blocks() {
        for (cidr, wanted) in [
            ("169.254.170.23/32", true),
            ("169.254.170.23", true),
            ("169.254.0.0/16", true),
            ("0.0.0.0/0", true),
            ("169.254.170.2/32", false),
            ("10.0.0.0/8", false),
            ("fd00:ec2::23/128", false),
        ] {
            assert_eq!(within(cidr, ADDRESS), wanted, "{cidr}");
        }
        for (cidr, wanted) in [
            ("fd00:ec2::23/128", true),
            ("fd00:ec2::23", true),
            ("fd00:ec2::/32", true),
            ("::/0", true),
            ("fd00:ec2::254/128", false),
            ("0.0.0.0/0", false),
        ] {
            assert_eq!(within(cidr, ADDRESS_V6), wanted, "{cidr}");
        }
    }

    #[test]
    fn rules() {
        let block = |cidr: &str, except: &[&str]| Peer::IpBlock {
            cidr: cidr.to_owned(),
            except: except.iter().map(|cidr| (*cidr).to_owned()).collect(),
        };
        let port =
            |protocol: &str, port: Option<u16>, end: Option<u16>| Port { protocol: protocol.to_owned(), port, end };
        let all = block("0.0.0.0/0", &[]);
        for (to, ports, wanted) in [
            (vec![], vec![], true),
            (vec![all.clone()], vec![], true),
            (vec![all.clone()], vec![port("TCP", Some(443), None)], false),
            (vec![all.clone()], vec![port("TCP", Some(1), Some(1024))], true),
            (vec![all.clone()], vec![port("UDP", Some(80), None)], false),
            (vec![all.clone()], vec![port("TCP", None, None)], true),
            (vec![block("0.0.0.0/0", &["169.254.0.0/16"])], vec![], false),
            (vec![Peer::Pods], vec![], false),
            (vec![Peer::Pods, all], vec![port("TCP", Some(80), None)], true),
        ] {
            assert_eq!(
                allows(&EgressRule { to: to.clone(), ports: ports.clone() }, ADDRESS),
                wanted,
                "{to:?} {ports:?}"
            );
        }
    }
}
