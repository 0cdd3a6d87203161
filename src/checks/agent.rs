//! The agent as a whole: installed, healthy, and left alone. Where it runs is `nodes`'.

use super::{Check, Finding, Follows, Link};
use crate::model::{
    addon::{AGENT, Addon},
    agent::{AgentState, Reach},
    have::Observed,
    snapshot::Snapshot,
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &MISSING, &UNHEALTHY, &VERSION, &OWN];

const SETUP: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html";

static PASSED: Check = Check {
    id: "agent.ok",
    link: Link::Agent,
    title: "the agent is installed and healthy",
    background: "The agent runs on every node and serves credentials to SDKs at 169.254.170.23: it sends a pod's token to EKS Auth and returns the credentials from there. EKS Auto Mode nodes have it built in; elsewhere it is the add-on eks-pod-identity-agent, or a self-managed DaemonSet.",
    sources: &[SETUP],
    follows: Follows::Nothing,
};

static MISSING: Check = Check {
    id: "agent.missing",
    link: Link::Agent,
    title: "no agent is installed",
    background: "Pods with an association request their credentials from the agent. Without an agent, most SDKs fail with a timeout or a refused connection, and do not fall back to the node's role either.",
    sources: &[SETUP],
    follows: Follows::Nothing,
};

static UNHEALTHY: Check = Check {
    id: "agent.unhealthy",
    link: Link::Agent,
    title: "the add-on failed, or is degraded",
    background: "EKS reports the health of an add-on as issues with codes: too few ready pods, settings that were changed outside EKS, a cluster that it cannot reach. A degraded add-on may still work on some nodes.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_AddonIssue.html"],
    follows: Follows::Nothing,
};

static VERSION: Check = Check {
    id: "agent.version",
    link: Link::Agent,
    title: "the add-on's version is not one that EKS offers for this cluster",
    background: "An add-on keeps its version when the cluster is upgraded. A version that does not support the cluster's Kubernetes version may fail now or at its next update.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonVersions.html"],
    follows: Follows::Nothing,
};

static OWN: Check = Check {
    id: "agent.own-association",
    link: Link::Agent,
    title: "the agent's own service account has an association",
    background: "The agent calls EKS Auth with the node's credentials. With an association for its own service account (kube-system/default), its SDK requests credentials from the agent itself instead.",
    sources: &["https://github.com/aws/eks-pod-identity-agent/pull/83"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let state = match &snapshot.cluster.agent {
        Observed::Known(state) => state,
        Observed::Unreadable(why) => return vec![PASSED.skips("the agent", why)],
        Observed::NotRequested => return Vec::new(),
    };
    let mut found = Vec::new();
    if let (Some(own), true) = (snapshot.cluster.agents_own.known().and_then(Option::as_ref), state.needed()) {
        found.push(
            OWN.fails(
                format!("association {}", own.association_id),
                "it gives the agent its own role, so the agent cannot call EKS Auth with the node's role",
            )
            .evidence("ListPodIdentityAssociations", own.subject.to_string())
            .command(format!("podid disassociate {}", own.subject)),
        );
    }
    if let Some(addon) = &state.addon {
        found.push(addon_of(snapshot, addon, state.missing().is_empty()));
        return found;
    }
    if let Some(set) = state.daemon_sets.first() {
        let name = format!("{}/{}", set.namespace, set.name);
        let whose = if state.addon_unread.is_some() { "" } else { "self-managed " };
        let said = format!("{whose}DaemonSet {name}, {} of {} pods ready", set.ready, set.desired);
        found.push(PASSED.ok(format!("DaemonSet {name}"), &said).evidence("the DaemonSets of the agent", said));
        found.extend(state.addon_unread.as_ref().map(|why| PASSED.skips(format!("add-on {AGENT}"), why)));
    } else if !state.needed() && state.auto_mode {
        found.push(
            PASSED.ok("EKS Auto Mode", "built into the nodes").evidence("DescribeCluster", "computeConfig.enabled"),
        );
    } else if let (true, Some(nodes)) = (state.auto_mode, own_nodes(snapshot, state)) {
        found.push(
            PASSED
                .ok("EKS Auto Mode", "built into the nodes of its pods; other nodes have no agent")
                .evidence("labels of the pods' nodes", format!("{nodes} of Auto Mode")),
        );
    } else if let Some(why) = &state.addon_unread {
        found.push(PASSED.skips(format!("add-on {AGENT}"), why));
    } else {
        found.push(
            MISSING
                .fails(format!("add-on {AGENT}"), "no agent is installed: pods with an association get no credentials")
                .evidence("DescribeAddon", "no such add-on")
                .evidence("the DaemonSets of the cluster", "none belongs to the agent")
                .command("podid agent install"),
        );
    }
    found
}

/// The number of nodes that its pods run on or could run on, where each has an agent.
fn own_nodes(snapshot: &Snapshot, state: &AgentState) -> Option<usize> {
    let workloads: Vec<_> = snapshot.own_workloads().into_iter().cloned().collect();
    match state.reach(snapshot.pods.known()?, &workloads) {
        Reach::Everywhere(count) => Some(count),
        Reach::Lacking(_) | Reach::NoPods(_) | Reach::NoNodes => None,
    }
}

/// How the add-on is. One that is being changed works as long as the nodes have it.
fn addon_of(snapshot: &Snapshot, addon: &Addon, everywhere: bool) -> Finding {
    let subject = format!("add-on {AGENT}");
    let state = format!("{} is {}", addon.version, addon.status);
    let with_issues = |finding: Finding| {
        let finding = finding.evidence("DescribeAddon", &state);
        let finding = match &snapshot.cluster.offered {
            Observed::Unreadable(why) => finding.evidence("the versions that EKS offers", why),
            Observed::Known(_) | Observed::NotRequested => finding,
        };
        addon.issues.iter().fold(finding, |finding, issue| finding.evidence(&issue.code, &issue.message))
    };
    let offered = snapshot.cluster.offered.known();
    if offered.is_some_and(|offered| !offered.iter().any(|version| version.version == addon.version)) {
        let said = format!("{state}, which does not support this cluster's Kubernetes version");
        return with_issues(VERSION.fails(subject, said)).command("podid agent upgrade");
    }
    match addon.status.as_str() {
        "ACTIVE" if addon.issues.is_empty() => PASSED.ok(subject, &state).evidence("DescribeAddon", state),
        // An update does not mend what was never installed, or is half removed.
        "CREATE_FAILED" | "DELETE_FAILED" => with_issues(UNHEALTHY.fails(subject, &state))
            .command("podid agent status")
            .command("podid agent uninstall")
            .command("podid agent install"),
        "DELETING" => with_issues(UNHEALTHY.fails(subject, &state))
            .change("wait until it is gone, then install it again: `podid agent install`"),
        // Whether the pods' own nodes have it is the next link's.
        _ if everywhere => with_issues(UNHEALTHY.warns(subject, format!("{state}, and every node has a ready agent")))
            .command("podid agent status"),
        _ => with_issues(UNHEALTHY.fails(subject, &state)).command("podid agent status"),
    }
}
