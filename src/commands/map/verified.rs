//! What `podid verify` finds about the service accounts of the map: each problem once, with the nodes that it is about.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::word;
use crate::{
    checks::{Finding, Link, Outcome, Report, Status},
    model::{
        map::{Chain, Graph, Kind},
        names::ServiceAccount,
    },
};

/// A problem that verify found
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// Ids of the nodes that it is about; empty where it is about the cluster
    pub(super) nodes: BTreeSet<String>,
    /// What was found
    pub(super) finding: Finding,
}

/// What came of verifying the service accounts.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// The worst first.
    pub(super) problems: Vec<Problem>,
    /// What could not be checked, one line each.
    pub(super) unread: Vec<String>,
}

impl Verified {
    pub(super) fn of(reports: &[Report], chains: &[Chain]) -> Self {
        let chains: BTreeMap<&ServiceAccount, &Chain> = chains.iter().map(|chain| (&chain.subject, chain)).collect();
        let mut verified = Self::default();
        let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for report in reports {
            let Some(chain) = chains.get(&report.subject) else { continue };
            if report.outcome == Outcome::Incomplete {
                verified.unread.push(format!("verify {}: {}", report.subject, report.reasons()));
            }
            for finding in report.findings.iter().filter(|it| matches!(it.status, Status::Failed | Status::Warning)) {
                // What is wrong with a role or the cluster is in the report of each who uses it.
                let key = (finding.check.id, finding.subject.as_str(), finding.message.as_str());
                let at = *places.entry(key).or_insert_with(|| {
                    verified.problems.push(Problem { nodes: BTreeSet::new(), finding: finding.clone() });
                    verified.problems.len() - 1
                });
                verified.problems[at].nodes.extend(node(chain, finding.check.link));
            }
        }
        verified.problems.sort_by(|a, b| {
            let of = |it: &Problem| (it.finding.check.link, it.finding.check.id, it.finding.subject.clone());
            b.finding.status.cmp(&a.finding.status).then_with(|| of(a).cmp(&of(b)))
        });
        verified
    }

    /// The findings about one of these nodes.
    pub(super) fn about(&self, nodes: Vec<String>) -> impl Iterator<Item = &Finding> {
        let own = self.problems.iter().filter(move |it| nodes.iter().any(|node| it.nodes.contains(node)));
        own.map(|it| &it.finding)
    }

    /// The findings about the cluster.
    pub(super) fn of_cluster(&self) -> impl Iterator<Item = &Finding> {
        self.problems.iter().filter(|it| it.nodes.is_empty()).map(|it| &it.finding)
    }

    /// Names its problems at the nodes of a graph.
    pub(super) fn mark(&self, graph: &mut Graph) {
        for node in &mut graph.nodes {
            let told = self.about(vec![node.id.clone()]);
            let lines: BTreeSet<String> = told.map(|it| format!("{}: {}", word(it.status), it.check.id)).collect();
            node.details.extend(lines);
        }
    }
}

/// The ids of the nodes that the findings about a service account's own part of the way are at.
pub(super) fn of_account(chain: &Chain) -> [String; 2] {
    [Kind::ServiceAccount.node(&chain.subject.to_string()), Kind::Association.node(&chain.association)]
}

/// The ids that a role has on the way.
pub(super) fn of_role(arn: &str) -> [String; 2] {
    [Kind::Role.node(arn), Kind::TargetRole.node(arn)]
}

/// The node that a group of checks is about.
fn node(chain: &Chain, link: Link) -> Option<String> {
    let [account, association] = of_account(chain);
    let last = || match &chain.target {
        Some(target) => Kind::TargetRole.node(&target.arn),
        None => Kind::Role.node(&chain.role.arn),
    };
    match link {
        Link::Cluster | Link::Agent => None,
        Link::Association => Some(association),
        Link::Role | Link::Trust => Some(Kind::Role.node(&chain.role.arn)),
        Link::Permissions | Link::TargetRole => Some(last()),
        _ => Some(account),
    }
}
