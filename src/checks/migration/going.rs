//! Which service accounts `migrate run` may touch: those that are ready, and those whose changes it makes itself or were accepted.

use std::collections::BTreeSet;

use super::{Assessment, Readiness, Stage, catalog};
use crate::checks::{Finding, Status};

impl Assessment {
    /// Nothing is left to do: its pods use Pod Identity with the same role.
    pub fn moved(&self) -> bool {
        self.stage == Stage::PodIdentity && self.readiness == Readiness::Ready
    }

    /// The agent has to be installed before.
    pub fn lacks_agent(&self) -> bool {
        self.findings.iter().any(lacks_agent)
    }

    /// The ids of what makes it only ready with changes that podid does not make.
    pub fn to_accept(&self) -> BTreeSet<&'static str> {
        let warnings = self.findings.iter().filter(|it| it.status == Status::Warning && !lacks_agent(it));
        warnings.map(|it| it.check.id).collect()
    }

    /// Whether a finding with this id is one that cannot be accepted here.
    pub fn rules_out_accepting(&self, id: &str) -> bool {
        self.findings.iter().any(|it| it.check.id == id && it.status == Status::Failed)
    }

    /// What keeps it from moving now: all that is wrong or unread, and the changes that nobody makes or accepted.
    pub fn held_by(&self, accepted: &[String], install_agent: bool) -> Vec<&Finding> {
        let holds = |finding: &&Finding| match finding.status {
            Status::Ok => false,
            Status::Warning if lacks_agent(finding) => !install_agent,
            Status::Warning => !accepted.iter().any(|id| id == finding.check.id),
            Status::Skipped | Status::Unknown | Status::Failed => true,
        };
        self.findings.iter().filter(holds).collect()
    }
}

/// Whether this is that the agent has to be installed, which `migrate run` can do.
pub fn lacks_agent(finding: &Finding) -> bool {
    finding.check.id == catalog::AGENT.id
}

/// Whether a check is one whose finding may be accepted, as far as its id tells.
///
/// # Errors
/// Why not.
pub fn acceptable(id: &str) -> Result<String, String> {
    match catalog::CHECKS.iter().find(|check| check.id == id) {
        None => Err(format!("no check of a migration has the id `{id}`: `podid migrate plan` shows them")),
        Some(check) if check.id == catalog::AGENT.id => {
            Err("to have the agent installed, pass --install-agent".to_owned())
        }
        Some(check) => Ok(check.id.to_owned()),
    }
}
