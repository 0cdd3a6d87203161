//! Writes of the agent add-on.

use super::{Answer, Run, association::token, changed};
use crate::{
    failure::{Kind, Result},
    model::addon::{AGENT, Addon, Settings},
    plan::Step,
    wait::SentMarker,
};

impl Run<'_> {
    pub(super) async fn addon(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        match step {
            Step::InstallAgent { cluster, version, settings } => {
                self.create_addon(flight, cluster, version, settings).await
            }
            Step::UpdateAgent { cluster, from, version, settings } => {
                self.update_addon(flight, cluster, from, version, settings).await
            }
            Step::RemoveAgent { cluster, .. } => self.delete_addon(flight, cluster).await,
            _ => Ok(Answer::Skipped),
        }
    }

    /// CreateAddon. One that is there already was made by an earlier run, or by someone else meanwhile: it is proved as this one's would be.
    async fn create_addon(
        &self,
        flight: &SentMarker,
        cluster: &str,
        version: &str,
        settings: &Settings,
    ) -> Result<Answer> {
        let eks = self.ports.eks;
        match flight.send(eks.create_addon(cluster, AGENT, version, settings)).await {
            Ok(_) => Ok(Answer::Done),
            Err(failure) if failure.is(Kind::InUse) => match eks.addon(cluster, AGENT).await? {
                Some(_) => Ok(Answer::Skipped),
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// UpdateAddon, when the add-on still is as it was planned from.
    async fn update_addon(
        &self,
        flight: &SentMarker,
        cluster: &str,
        from: &Addon,
        version: &str,
        settings: &Settings,
    ) -> Result<Answer> {
        let eks = self.ports.eks;
        let what = format!("the add-on `{AGENT}` of cluster `{cluster}`");
        match eks.addon(cluster, AGENT).await? {
            None => return Err(changed(&what, "it was deleted")),
            Some(present) if present.version != from.version => {
                return Err(changed(&what, &format!("its version is {} now", present.version)));
            }
            Some(present) if present.configuration != from.configuration => {
                return Err(changed(&what, "its configuration was changed"));
            }
            Some(_) => {}
        }
        let token = token();
        let update = flight.send(eks.update_addon(cluster, AGENT, version, settings, &token)).await?;
        Ok(Answer::Update(update.id))
    }

    /// DeleteAddon. One that is being deleted, or gone, is what was wanted.
    async fn delete_addon(&self, flight: &SentMarker, cluster: &str) -> Result<Answer> {
        let eks = self.ports.eks;
        match flight.send(eks.delete_addon(cluster, AGENT)).await {
            Ok(deleted) => Ok(Answer::gone(deleted)),
            Err(failure) if failure.is(Kind::InUse) => match eks.addon(cluster, AGENT).await? {
                Some(addon) if addon.status != "DELETING" => Err(failure),
                _ => Ok(Answer::Skipped),
            },
            Err(failure) => Err(failure),
        }
    }
}
