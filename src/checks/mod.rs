//! The checks of `verify`, from the cluster to the credentials, over one snapshot. Pure: nothing is read here.
//!
//! A link's file defines its checks and looks at the snapshot for them. A finding names the check that it comes from; the
//! first one that failed, in the order of the chain, is the cause to mend. What a failure before it brings about as well is
//! no failure of its own.

mod agent;
mod app;
mod association;
pub mod audit;
mod cluster;
mod environment;
mod finding;
mod identity;
mod live;
pub mod migration;
pub mod modes;
mod network;
mod nodes;
mod overrides;
mod permissions;
mod pod_spec;
mod proof;
mod report;
mod restart;
mod role;
mod service_account;
mod target;
mod trust;
mod webhook;
mod workload;

use self::environment::Environment;
pub use self::{
    app::check_for,
    finding::{Check, Evidence, Finding, FindingSubject, Follows, InCluster, Link, Remedy, Status},
    identity::{Identity, Source, identities},
    report::{Outcome, Report},
};
use crate::model::{arn::last, pod_spec::is_of_sdks, snapshot::Snapshot};

/// What one link's file offers.
struct CheckGroup {
    link: Link,
    checks: &'static [&'static Check],
    look: fn(&Snapshot) -> Vec<Finding>,
}

/// The links in the order of the chain.
static CHAIN: &[CheckGroup] = &[
    CheckGroup { link: Link::Cluster, checks: cluster::CHECKS, look: cluster::findings },
    CheckGroup { link: Link::Agent, checks: agent::CHECKS, look: agent::findings },
    CheckGroup { link: Link::Nodes, checks: nodes::CHECKS, look: nodes::findings },
    CheckGroup { link: Link::Association, checks: association::CHECKS, look: association::findings },
    CheckGroup { link: Link::ServiceAccount, checks: service_account::CHECKS, look: service_account::findings },
    CheckGroup { link: Link::Workload, checks: workload::CHECKS, look: workload::findings },
    CheckGroup { link: Link::Webhook, checks: webhook::CHECKS, look: webhook::findings },
    CheckGroup { link: Link::PodSpec, checks: pod_spec::CHECKS, look: pod_spec::findings },
    CheckGroup { link: Link::Override, checks: overrides::CHECKS, look: overrides::findings },
    CheckGroup { link: Link::Identity, checks: identity::CHECKS, look: identity::findings },
    CheckGroup { link: Link::Network, checks: network::CHECKS, look: network::findings },
    CheckGroup { link: Link::Role, checks: role::CHECKS, look: role::findings },
    CheckGroup { link: Link::Trust, checks: trust::CHECKS, look: trust::findings },
    CheckGroup { link: Link::Permissions, checks: permissions::CHECKS, look: permissions::findings },
    CheckGroup { link: Link::TargetRole, checks: target::CHECKS, look: target::findings },
    CheckGroup { link: Link::Restart, checks: restart::CHECKS, look: restart::findings },
    CheckGroup { link: Link::Live, checks: live::CHECKS, look: live::findings },
    CheckGroup { link: Link::App, checks: app::CHECKS, look: app::findings },
];

/// Every check, in the order of the chain.
pub fn all() -> impl Iterator<Item = &'static Check> {
    CHAIN.iter().flat_map(|group| group.checks.iter().copied())
}

/// The check of this id; those of a migration too, which `verify` does not run.
pub fn named(id: &str) -> Option<&'static Check> {
    all().chain(migration::CHECKS.iter().copied()).chain(audit::CHECKS.iter().copied()).find(|check| check.id == id)
}

/// Runs every check that concerns the service account. Of one that was only found, Pod Identity's checks wait until something shows
/// that credentials are meant to be there, or are lacking: most service accounts have nothing to do with AWS, and do well on what their node has.
pub fn check(snapshot: &Snapshot) -> Report {
    let irsa = snapshot.uses_irsa().is_some();
    let mut app = Some(app::findings(snapshot));
    let meant = snapshot.irsa_annotation().is_some() || snapshot.live_pods().iter().any(|pod| pod.token_volume);
    let apart = snapshot.found && !irsa && !meant && !app.iter().flatten().any(lacks_credentials);
    let concerns = |link: Link| {
        let left_out = (irsa || apart) && link.is_of_pod_identity() || apart && link == Link::Association;
        !left_out
    };
    let findings = CHAIN.iter().filter(|group| concerns(group.link)).flat_map(|group| {
        let read = app.take_if(|_| group.link == Link::App);
        let found = read.unwrap_or_else(|| (group.look)(snapshot));
        debug_assert!(found.iter().all(|finding| finding.check.link == group.link), "{found:?}");
        found
    });
    let mut findings: Vec<Finding> = findings.collect();
    proof::bear_out(snapshot, &mut findings);
    proof::weigh(snapshot, &mut findings);
    if let Some(cluster) = snapshot.cluster.cluster.known() {
        let remedies = findings.iter_mut().flat_map(|finding| &mut finding.remedies);
        remedies.for_each(|remedy| remedy.in_region(&cluster.arn.region));
    }
    let nothing_runs = snapshot.nothing_runs();
    let required = |link: &Link| link.is_core() && concerns(*link) && !(nothing_runs && *link == Link::PodSpec);
    let required = CHAIN.iter().map(|group| group.link).filter(required).collect();
    let mut report = Report::new(snapshot.subject.clone(), findings, required);
    report.object.clone_from(&snapshot.only);
    report.containers = identities(snapshot);
    if let Some(association) = snapshot.associated() {
        let name = |arn: &str| last(arn).replace('\n', "\\n");
        report.role = Some(name(&association.role_arn));
        report.target_role = association.target_role_arn.as_deref().map(name);
    }
    report
}

/// Whether an application lacks credentials of AWS, and not those of a database, say.
fn lacks_credentials(finding: &Finding) -> bool {
    let speaks_of_aws = |text: &str| ["aws", "amazon"].iter().any(|word| text.to_ascii_lowercase().contains(word));
    finding.status == Status::Failed && finding.evidence.iter().any(|evidence| speaks_of_aws(&evidence.text))
}

/// Whether a service account has anything to do with AWS, as far as can be seen: an association, an IRSA role, settings of the AWS
/// SDKs, credentials, or their lack in a log.
pub fn uses_aws(snapshot: &Snapshot, report: &Report) -> bool {
    let set = |container| Environment::of(snapshot, container).iter().any(|(name, _)| is_of_sdks(name));
    !snapshot.found
        || snapshot.irsa_annotation().is_some()
        || report.containers.iter().any(|it| !matches!(it.source, Source::NodeRole | Source::None))
        || report.of(Link::Override).any(|finding| finding.status == Status::Failed)
        // Its checks were run because its log speaks of AWS.
        || report.of(Link::Association).next().is_some()
        || snapshot.live_pods().into_iter().flat_map(|pod| &pod.spec.containers).any(set)
        || snapshot.own_workloads().iter().any(|workload| workload.sets_aws)
        || snapshot.cron_jobs.known().into_iter().flatten().any(|job| job.sets_aws)
}

#[cfg(test)]
mod tests;
