//! The agent as a file wants it: installed where it is missing, brought to the version and configuration that are named.

use super::Work;
use crate::{
    model::{
        addon::{AGENT, Conflicts, Settings},
        have::Observed,
        want::Field,
    },
    plan::{Refusal, Step},
};

impl Work<'_> {
    /// True when the plan installs it.
    pub(super) fn agent(&mut self) -> bool {
        let Some(wanted) = &self.ask.entries.agent else { return false };
        let cluster = &self.ask.cluster.name;
        let configuration = match &wanted.configuration {
            Field::Set(value) => Some(value.to_string()),
            Field::Cleared => Some("{}".to_owned()),
            Field::Unmanaged => None,
        };
        match &self.ask.have.addon {
            Observed::Known(None) => {
                if self.agent_exists_otherwise() {
                    return false;
                }
                let Some(version) = wanted.version.as_deref().or(self.ask.agent_version) else { return false };
                let configuration = configuration.filter(|text| text != "{}");
                self.plan.steps.push(Step::InstallAgent {
                    cluster: cluster.clone(),
                    version: version.to_owned(),
                    settings: Settings { configuration, conflicts: None },
                });
                true
            }
            Observed::Known(Some(addon)) => {
                let version = wanted.version.as_ref().unwrap_or(&addon.version);
                let differs = configuration.as_ref().is_some_and(|given| !addon.is_configured(given));
                if *version != addon.version || differs {
                    let configuration = configuration.filter(|_| differs).or_else(|| addon.configuration.clone());
                    self.plan.steps.push(Step::UpdateAgent {
                        cluster: cluster.clone(),
                        from: Box::new(addon.clone()),
                        version: version.clone(),
                        settings: Settings { configuration, conflicts: Some(Conflicts::Preserve) },
                    });
                }
                matches!(addon.status.as_str(), "CREATING" | "UPDATING")
            }
            Observed::Unreadable(why) => {
                self.refusals.push(
                    Refusal::denied(format!("agent: cannot determine whether add-on {AGENT} is installed: {why}"))
                        .hint("get that permission, or remove `agent` from the manifest"),
                );
                false
            }
            Observed::NotRequested => false,
        }
    }

    /// An agent that is no add-on: its DaemonSet would be in the add-on's way, Auto Mode has no need of one.
    fn agent_exists_otherwise(&mut self) -> bool {
        let state = match &self.ask.have.agent {
            Observed::Known(state) => state,
            Observed::Unreadable(why) => {
                self.plan.warn(format!("not checked for another agent: {why}"));
                return false;
            }
            Observed::NotRequested => return false,
        };
        let why = if let Some(set) = state.daemon_sets.first() {
            format!("add-on not installed: DaemonSet {}/{} is already an agent", set.namespace, set.name)
        } else if state.auto_mode && !state.needed() {
            "add-on not installed: EKS Auto Mode nodes have the agent built in".to_owned()
        } else {
            return false;
        };
        self.plan.warn(why);
        true
    }
}
