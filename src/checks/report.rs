//! The findings of one service account together: which link is the first broken one, and whether enough was seen.

use serde::Serialize;

use super::{
    CHAIN,
    finding::{Finding, Link, Status},
};
use crate::model::names::ServiceAccount;

/// What was found for one service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// How it stands.
    pub outcome: Outcome,
    /// Every finding, in the order of the chain.
    pub findings: Vec<Finding>,
}

/// How the chain stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every core link was seen, and nothing failed.
    Ok,
    /// The same, with something worth a look.
    Warning,
    /// A link is broken.
    Failed,
    /// Nothing failed, and a core link was not seen.
    Incomplete,
}

impl Report {
    /// Puts findings in the order of the chain. A symptom after a failure is no failure of its own.
    pub(super) fn new(subject: ServiceAccount, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.check.link);
        let mut cause: Option<(&'static str, Link)> = None;
        for finding in &mut findings {
            match cause {
                Some((id, link))
                    if finding.check.symptom
                        && finding.check.link > link
                        && matches!(finding.status, Status::Failed | Status::Warning) =>
                {
                    finding.status = Status::Skipped;
                    finding.message = format!("{} (may follow from {id})", finding.message);
                    finding.remedies.clear();
                }
                None if finding.status == Status::Failed => cause = Some((finding.check.id, finding.check.link)),
                _ => {}
            }
        }
        let mut report = Self { subject, outcome: Outcome::Ok, findings };
        report.outcome = report.judged();
        report
    }

    fn judged(&self) -> Outcome {
        let any = |status| self.findings.iter().any(|finding| finding.status == status);
        if any(Status::Failed) {
            Outcome::Failed
        } else if !self.unseen().is_empty() {
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

    /// Core links of which nothing is known: each with why.
    pub fn unseen(&self) -> Vec<(Link, Vec<&Finding>)> {
        let core = CHAIN.iter().map(|room| room.link).filter(|link| link.is_core());
        let blind = |finding: &&Finding| matches!(finding.status, Status::Skipped | Status::Unknown);
        core.filter(|link| !self.of(*link).any(|finding| !blind(&finding)))
            .map(|link| (link, self.of(link).collect()))
            .collect()
    }
}
