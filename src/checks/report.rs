//! The findings of one service account together: which link is the first broken one, and whether enough was seen.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    finding::{Finding, Link, Status},
    identity::Identity,
    permissions::MISSING,
};
use crate::model::{have::NOT_ALLOWED, names::ServiceAccount, subject::ObjectRef};

/// Whether what failed on the pod `cause` may show on the pod `symptom`: what is wrong with one pod shows on that one alone.
fn explains(cause: Option<&str>, symptom: Option<&str>) -> bool {
    cause.is_none() || symptom.is_none() || cause == symptom
}

/// What was found for one service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// The service account.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// The pod or workload that was named: only its pods were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// Its cluster, where several were checked.
    #[serde(skip)]
    cluster: Option<String>,
    /// The result of all checks.
    pub outcome: Outcome,
    /// What was found, in the order of the checks; fix the first that failed first.
    pub findings: Vec<Finding>,
    /// Each container of its pods, with the credentials that its SDK finds first.
    pub containers: Vec<Identity>,
    /// Name of the association's role.
    #[serde(skip)]
    pub role: Option<String>,
    /// Name of its target role.
    #[serde(skip)]
    pub target_role: Option<String>,
    /// Links of which something has to be known before anybody can say that the credentials work.
    #[serde(skip)]
    required: Vec<Link>,
}

/// How the chain stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing failed.
    Ok,
    /// Nothing failed, with warnings.
    Warning,
    /// A check failed.
    Failed,
    /// Nothing failed, but a core check could not be made.
    Incomplete,
}

impl Outcome {
    /// As tables and JSON have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Report {
    /// Puts findings in the order of the chain. A symptom after a failure is no failure of its own. `required`: the links of which
    /// something has to be known.
    pub(super) fn new(subject: ServiceAccount, mut findings: Vec<Finding>, required: Vec<Link>) -> Self {
        findings.sort_by_key(|finding| finding.check.link);
        let mut causes: Vec<(&'static str, Link, Option<String>)> = Vec::new();
        for finding in &mut findings {
            let cause = causes.iter().find(|(id, link, pod)| {
                let after = finding.check.follows.from(*link) && finding.check.link > *link;
                let lacked = finding.beyond_role && *id == MISSING.id;
                after && !lacked && explains(pod.as_deref(), finding.pod.as_deref())
            });
            match cause {
                Some((id, ..)) if matches!(finding.status, Status::Failed | Status::Warning) => {
                    finding.status = Status::Skipped;
                    finding.message = format!("{} (may follow from {id})", finding.message);
                    finding.remedies.clear();
                }
                _ if finding.status == Status::Failed => {
                    causes.push((finding.check.id, finding.check.link, finding.pod.clone()));
                }
                _ => {}
            }
        }
        let mut report = Self {
            subject,
            object: None,
            cluster: None,
            outcome: Outcome::Ok,
            findings,
            containers: Vec::new(),
            role: None,
            target_role: None,
            required,
        };
        report.outcome = report.judged();
        report
    }

    /// `carts/carts`, with the object that it was named by, `carts/carts (pod/carts-7d9f)`, and with its cluster where several
    /// were checked, `carts/carts in cluster staging`.
    pub fn title(&self) -> String {
        let object = self.object.as_ref().map(|object| format!(" ({object})")).unwrap_or_default();
        let cluster = self.cluster.as_ref().map(|cluster| format!(" in cluster {cluster}")).unwrap_or_default();
        format!("{}{object}{cluster}", self.subject)
    }

    /// Marks it as one of several clusters: its title has this label, and podid's commands that fix it name the cluster.
    pub fn of_cluster(&mut self, label: &str, cluster: &str) {
        self.cluster = Some(label.to_owned());
        for finding in &mut self.findings {
            for remedy in &mut finding.remedies {
                remedy.of_cluster(cluster);
            }
        }
    }

    /// Whether its title names the cluster.
    pub fn names_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// `staging/`, where several clusters were checked.
    pub fn cluster_prefix(&self) -> String {
        self.cluster.as_ref().map(|cluster| format!("{cluster}/")).unwrap_or_default()
    }

    /// The report of these findings alone.
    #[cfg(test)]
    pub(crate) fn of_findings(subject: ServiceAccount, findings: Vec<Finding>) -> Self {
        Self::new(subject, findings, Vec::new())
    }

    fn judged(&self) -> Outcome {
        let any = |status| self.findings.iter().any(|finding| finding.status == status);
        if any(Status::Failed) {
            Outcome::Failed
        } else if !self.unknown().is_empty() {
            Outcome::Incomplete
        } else if any(Status::Warning) {
            Outcome::Warning
        } else {
            Outcome::Ok
        }
    }

    /// The first broken link: what to mend.
    pub fn first_broken(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.status == Status::Failed)
    }

    /// Whether anything is worth a look.
    pub fn warns(&self) -> bool {
        self.findings.iter().any(|finding| finding.status == Status::Warning)
    }

    /// Findings of one link.
    pub fn of(&self, link: Link) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.check.link == link)
    }

    /// What has to be known and is not, each with why: required links of which nothing is known, and containers that fail for
    /// a reason that nobody knows.
    pub fn unknown(&self) -> Vec<(Link, Vec<&Finding>)> {
        let blind = |finding: &&Finding| matches!(finding.status, Status::Skipped | Status::Unknown);
        let stops = |finding: &Finding| finding.check.id == FAILING || finding.status == Status::Unknown;
        let unseen = self.required.iter().filter(|link| !self.of(**link).any(|finding| !blind(&finding)));
        let failing: Vec<&Finding> = self.of(Link::App).filter(|finding| stops(finding) && blind(finding)).collect();
        let failing = (!failing.is_empty()).then_some((Link::App, failing));
        unseen.map(|link| (*link, self.of(*link).collect())).chain(failing).collect()
    }

    /// What is unknown in one line, each with its reason.
    pub fn reasons(&self) -> String {
        let unknown = self.unknown();
        let (told, bare): (Vec<_>, Vec<_>) = unknown.iter().partition(|(_, findings)| !findings.is_empty());
        let mut reasons: Vec<String> = Vec::new();
        for (link, findings) in told {
            let finding = findings[0];
            let reason = format!("{}: {}: {}", link.title(), finding.subject, finding.message);
            reasons.push(reason);
        }
        // What hangs on another link has no reason of its own.
        if reasons.is_empty() {
            reasons.extend(bare.into_iter().map(|(link, _)| link.title().to_owned()));
        }
        reasons.join("; ")
    }

    /// A permission is missing to read something that has to be known.
    pub fn lacks_permission(&self) -> bool {
        let refused = |finding: &&Finding| finding.status == Status::Skipped && finding.message.contains(NOT_ALLOWED);
        self.unknown().iter().flat_map(|(_, findings)| findings).any(refused)
    }

    /// The finding that says that the pods use IRSA, where they do.
    pub fn irsa(&self) -> Option<&Finding> {
        self.of(Link::Association).find(|finding| finding.check.id == IRSA && finding.status == Status::Ok)
    }

    /// How many findings came out so.
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }
}

/// The check of containers that fail for a reason that podid may not know.
const FAILING: &str = "app.failing";
/// The check of pods that need no association.
const IRSA: &str = "association.irsa";
