//! What carries a document's name and is in no document any more: shown apart, and never what an add-on owns.

use super::{Work, association::without};
use crate::{
    model::{arn::last, have::Observed, names::ServiceAccount},
    plan::{Step, role_delete},
};

impl Work<'_> {
    /// Service accounts whose associations with a role are pruned.
    pub(super) fn leaving(&self, role: &str) -> impl Iterator<Item = &ServiceAccount> {
        let have = self.ask.have;
        have.leftover.associations.iter().filter(move |subject| {
            have.associations.get(*subject).is_some_and(|association| last(&association.role_arn) == role)
        })
    }

    pub(super) fn prune(&mut self) {
        let (have, cluster) = (self.ask.have, self.ask.cluster);
        let doomed =
            |name: &str| have.leftover.roles.iter().any(|(role, stays)| role.role.name == name && stays.is_empty());
        for subject in &have.leftover.associations {
            let Some(association) = have.associations.get(subject) else { continue };
            if association.summary.owner_arn.is_some() {
                continue;
            }
            self.plan.steps.push(Step::DeleteAssociation {
                cluster: cluster.name.clone(),
                association_id: association.summary.association_id.clone(),
                subject: subject.clone(),
                role_arn: association.role_arn.clone(),
            });
            let name = last(&association.role_arn);
            let defined = self.ask.entries.role(name).is_some();
            let outside = have.roles.get(name).map(|role| &role.role);
            if let (false, false, Some(Observed::Known(Some(role)))) = (defined, doomed(name), outside) {
                let both =
                    self.outside.entry(name.to_owned()).or_insert_with(|| (role.trust.clone(), role.trust.clone()));
                let after = without(&both.1, cluster, subject);
                // IAM takes no document without statements.
                if !after.statements().is_empty() {
                    both.1 = after;
                }
            }
        }
        for (role, stays) in &have.leftover.roles {
            if let Some(why) = stays.first() {
                self.plan.warn(format!("keeping role `{}`, which is no longer in a manifest: {why}", role.role.name));
                continue;
            }
            match role_delete::delete_role(role, &cluster.arn, false) {
                Ok(steps) => self.plan.steps.extend(steps),
                Err(refusal) => self.plan.warn(format!("keeping role `{}`: {}", role.role.name, refusal.message)),
            }
        }
    }
}
