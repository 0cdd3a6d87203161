//! Writes of the agent add-on.

use super::{Answer, Run};
use crate::{failure::Result, model::addon::AGENT, plan::Step, wait::Flight};

impl Run<'_> {
    /// CreateAddon. One that is there already was made by an earlier run, or by someone else meanwhile: it is proved as this one's would be.
    pub(super) async fn addon(&self, flight: &Flight, step: &Step) -> Result<Answer> {
        let Step::InstallAgent { cluster, version } = step else { return Ok(Answer::Skipped) };
        let eks = self.ports.eks;
        match flight.send(eks.create_addon(cluster, AGENT, version)).await {
            Ok(_) => Ok(Answer::Done),
            Err(failure) if failure.is("ResourceInUseException") => match eks.addon(cluster, AGENT).await? {
                Some(_) => Ok(Answer::Skipped),
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }
}
