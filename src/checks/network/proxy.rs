//! Proxies that a container asks for the agent, and the lists of what goes without them.

use std::net::IpAddr;

use super::{PORT, PROXY, address, within};
use crate::{
    checks::{
        Finding, FindingSubject, Status,
        environment::{Environment, meant},
    },
    model::{snapshot::Snapshot, workload::Pod},
};

/// A container that would ask the agent through a proxy. Some SDKs do not use one for this: a pod that is ready may well be
/// of those.
pub(super) fn proxy(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let address = address(pod);
    meant(pod).find_map(|(container, _)| {
        let environment = Environment::of(snapshot, container);
        // The agent speaks plain HTTP: only the proxy for that, or for all, is asked.
        let (name, proxy) = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
            .iter()
            .find_map(|name| Some((*name, environment.get(name)?)))?;
        let (status, but) = match (listed(&environment, address), pod.ready) {
            (Listed::ByName, _) | (Listed::InBlock, true) => return None,
            (Listed::InBlock, false) => {
                (Status::Warning, "includes the agent only in a block of addresses, which some SDKs do not read")
            }
            (Listed::No, ready) => (if ready { Status::Warning } else { Status::Failed }, "does not include the agent"),
        };
        Some(
            PROXY
                .finds(
                    status,
                    FindingSubject::container(&pod.full_name(), &container.name),
                    format!("{name} is set, and NO_PROXY {but}"),
                )
                .evidence(&proxy.source, name)
                .change(spared(snapshot, &container.name, &environment, name)),
        )
    })
}

const LISTS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// How a container's lists spare the agent the proxy.
enum Listed {
    /// They do not.
    No,
    /// Only by a block of addresses: Go reads those, botocore does not.
    InBlock,
    /// By its address, or they may: what a list from elsewhere has is not known.
    ByName,
}

fn listed(environment: &Environment, address: IpAddr) -> Listed {
    let lists: Vec<Option<&str>> =
        LISTS.iter().filter_map(|name| environment.get(name)).map(|it| it.value.as_deref()).collect();
    let sparing =
        || lists.iter().flatten().flat_map(|hosts| hosts.split([',', ' '])).filter(|host| spares(host, address));
    if lists.contains(&None) || sparing().any(|host| !host.contains('/')) {
        Listed::ByName
    } else if sparing().next().is_some() {
        Listed::InBlock
    } else {
        Listed::No
    }
}

/// How to spare the agent the proxy: by the list that the container has, in the case of its proxy where it has none.
fn spared(snapshot: &Snapshot, container: &str, environment: &Environment, proxy: &str) -> String {
    let upper = proxy.bytes().any(|b| b.is_ascii_uppercase());
    let new = if upper { "NO_PROXY" } else { "no_proxy" };
    let list = LISTS.into_iter().find(|name| environment.get(name).is_some()).unwrap_or(new);
    let (old, source) =
        environment.get(list).map_or(("", "env"), |it| (it.value.as_deref().unwrap_or_default(), it.source.as_str()));
    if source != "env" {
        return format!(
            "add {AGENT_HOSTS} to {list} in {source}, then restart the pods: `podid recycle {}`",
            snapshot.subject
        );
    }
    // What a shell reads otherwise is no command.
    let plain = old.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_,:/[]".contains(&b));
    match snapshot.own_workloads().first().filter(|_| plain) {
        Some(workload) => {
            let all = if old.is_empty() { AGENT_HOSTS.to_owned() } else { format!("{old},{AGENT_HOSTS}") };
            let namespace = &snapshot.subject.namespace;
            format!(
                "spare the agent the proxy: `kubectl -n {namespace} set env {} -c {container} '{list}={all}'`",
                workload.id
            )
        }
        None => format!("add {AGENT_HOSTS} to {list} of the container"),
    }
}

/// The agent's addresses as an entry of NO_PROXY each.
const AGENT_HOSTS: &str = "169.254.170.23,[fd00:ec2::23]";

/// Whether an entry of NO_PROXY covers the agent: an address or a block of them, with the agent's port or none.
fn spares(entry: &str, address: IpAddr) -> bool {
    let port = |port: &str| port.parse() == Ok(PORT);
    let host = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if rest.is_empty() || rest.strip_prefix(':').is_some_and(port) => host,
        Some(_) => return false,
        // With more than one colon it is an address of IPv6.
        None => match entry.split_once(':') {
            Some((host, rest)) if !rest.contains(':') => {
                if !port(rest) {
                    return false;
                }
                host
            }
            _ => entry,
        },
    };
    host == "*" || within(host, address)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ADDRESS, ADDRESS_V6},
        *,
    };

    #[test]
    fn entries_of_no_proxy() {
        for (entry, wanted) in [
            ("169.254.170.23", true),
            ("169.254.170.23:80", true),
            ("169.254.170.23:443", false),
            ("169.254.0.0/16", true),
            ("169.254.170.0/24", true),
            ("*", true),
            ("10.0.0.0/8", false),
            ("169.254.169.254", false),
            (".svc", false),
            ("", false),
        ] {
            assert_eq!(spares(entry, ADDRESS), wanted, "{entry}");
        }
        for (entry, wanted) in [
            ("fd00:ec2::23", true),
            ("[fd00:ec2::23]", true),
            ("[fd00:ec2::23]:80", true),
            ("[fd00:ec2::23]:443", false),
            ("fd00:ec2::/32", true),
            ("169.254.170.23", false),
        ] {
            assert_eq!(spares(entry, ADDRESS_V6), wanted, "{entry}");
        }
    }
}
