//! Writes of add-ons: the agent's, and those that own associations.

use super::{Answer, Run, association::token, changed};
use crate::{
    failure::{Kind, Result},
    model::addon::{AGENT, Addon, AddonAssociation, AddonChange, Settings},
    observe,
    plan::{AddonStep, Step},
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
            Step::UpdateAddon(step) => self.set_associations(flight, step).await,
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

    /// UpdateAddon with another list of associations, when add-on and list still are as they were planned from.
    async fn set_associations(&self, flight: &SentMarker, step: &AddonStep) -> Result<Answer> {
        let (eks, cluster, name) = (self.ports.eks, step.cluster.as_str(), step.addon.name.as_str());
        let what = format!("the add-on `{name}` of cluster `{cluster}`");
        let present = eks.addon(cluster, name).await?.ok_or_else(|| changed(&what, "it was deleted"))?;
        let listed = AddonAssociation::list(&observe::owned_associations(eks, cluster, &present).await?);
        if listed == step.wanted {
            return Ok(Answer::Skipped);
        }
        if listed != step.present {
            return Err(changed(&what, "its associations were changed"));
        }
        let from = &step.addon;
        for (differs, how) in [
            (present.version != from.version, format!("its version is {} now", present.version)),
            (present.configuration != from.configuration, "its configuration was changed".to_owned()),
            (present.service_account_role != from.service_account_role, "its IRSA role was changed".to_owned()),
        ] {
            if differs {
                return Err(changed(&what, &how));
            }
        }
        let change = AddonChange {
            version: present.version,
            configuration: present.configuration,
            service_account_role: step.service_account_role.clone(),
            associations: step.wanted.clone(),
        };
        let token = token();
        let role = step.after.as_deref().unwrap_or_default();
        let update = || flight.send(eks.set_addon_associations(cluster, name, &change, &token));
        Ok(Answer::Update(self.patient_with_eks(role, update).await?.id))
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
