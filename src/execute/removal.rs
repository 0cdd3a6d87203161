//! Takes permissions and roles away. What is gone already is what was wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::lock::Mutex;

use super::{Answer, Run, changed};
use crate::{
    failure::{Failure, Kind, Result},
    model::{document::Document, text::first_of},
    observe::users::Search,
    plan::{LastLook, Step},
    wait::{Backoff, Moment, SentMarker},
};

/// A role that a plan deletes.
pub(super) struct Deletion<'a> {
    trust: &'a Document,
    last: &'a LastLook,
    /// Its users were looked for again before the first of its policies went.
    looked: Mutex<bool>,
}

/// The roles that steps delete, by name.
pub(super) fn doomed(steps: &[Step]) -> BTreeMap<String, Deletion<'_>> {
    let doomed = steps.iter().filter_map(|step| match step {
        Step::DeleteRole { role, trust, last } => {
            Some((role.clone(), Deletion { trust, last, looked: Mutex::new(false) }))
        }
        _ => None,
    });
    doomed.collect()
}

/// Ids of the associations that steps delete, or give another role.
pub(super) fn freed(steps: &[Step]) -> BTreeSet<String> {
    let freed = steps.iter().filter_map(|step| match step {
        Step::DeleteAssociation { association_id, .. }
        | Step::ReplaceAssociation { association_id, .. }
        | Step::UpdateAssociation { association_id, .. } => Some(association_id.clone()),
        Step::UpdateAddon(step) => step.association_id.clone(),
        _ => None,
    });
    freed.collect()
}

/// How long IAM may take to see a role without the policies that were just detached.
const DETACHED: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// DeleteRolePolicy, when the policy still is as it was planned from.
    pub(super) async fn delete_policy(
        &self,
        flight: &SentMarker,
        role: &str,
        name: &str,
        before: Option<&Document>,
    ) -> Result<Answer> {
        let iam = self.ports.iam;
        if let Some(before) = before {
            match iam.inline_policy(role, name).await? {
                None => return Ok(Answer::Skipped),
                Some(present) if present == *before => {}
                Some(_) => {
                    let what = format!("the inline policy `{name}` of role `{role}`");
                    return Err(changed(&what, "its document was changed"));
                }
            }
        }
        self.patient_with_iam(flight, || iam.delete_inline_policy(role, name)).await.map(Answer::gone)
    }

    /// DeleteRole, unless somebody began to use it since it was planned. IAM may still see for a moment what was just detached.
    pub(super) async fn delete_role(&self, flight: &SentMarker, role: &str) -> Result<Answer> {
        let iam = self.ports.iam;
        if !self.still_unused(role).await? {
            return Ok(Answer::Skipped);
        }
        let started = Moment::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(2));
        loop {
            match self.patient_with_iam(flight, || iam.delete_role(role)).await {
                Err(failure) if failure.is(Kind::Conflict) && started.elapsed() < DETACHED => {}
                answered => return answered.map(Answer::gone),
            }
            self.deadline.pause("waiting until IAM shows the role without its policies", backoff.step()).await?;
        }
    }

    /// Before the first policy of a role that is to go is removed: who began to use the role meanwhile needs it.
    pub(super) async fn first_removal(&self, role: &str) -> Result<()> {
        let Some(doomed) = self.doomed.get(role) else { return Ok(()) };
        let mut looked = doomed.looked.lock().await;
        if !*looked {
            self.still_unused(role).await?;
            *looked = true;
        }
        Ok(())
    }

    /// Reads the role and its users again: its trust policy must be the planned one, and no association may use it. False when
    /// the role is gone. Neither IAM nor EKS has a conditional delete, so that this comes as late as can be.
    async fn still_unused(&self, role: &str) -> Result<bool> {
        let Some(Deletion { trust, last, .. }) = self.doomed.get(role) else { return Ok(true) };
        let (eks, iam) = (self.ports.eks, self.ports.iam);
        let quiet = |_: String| {};
        let mut search = Search::new(eks, &last.cluster, &quiet);
        search.cluster(&last.cluster).await?;
        search.trusted([*trust]).await?;
        // The trust policy last: a service account is let in before its association is created.
        match iam.role(role).await? {
            None => return Ok(false),
            Some(present) if present.arn != last.arn => {
                return Err(changed(&format!("role `{role}`"), "it was deleted and created again"));
            }
            Some(present) if present.trust == **trust => {}
            Some(_) => {
                return Err(changed(&format!("the trust policy of role `{role}`"), "its trust policy was changed"));
            }
        }
        let usage = search.usage(&last.arn, trust, |user| self.freed.contains(&user.association_id));
        if let Some(user) = usage.users.first() {
            let what = format!("role `{role}` is in use now, and was not deleted");
            return Err(Failure::failed(what)
                .because(format!("{} uses it", user.placed()))
                .hint("run the same command again: it makes a new plan from the current state"));
        }
        if !last.force && !usage.doubts.is_empty() {
            let what = format!("role `{role}` is possibly in use, and was not deleted");
            return Err(Failure::failed(what)
                .because(first_of(&usage.doubts, 4))
                .hint("run the same command again: it makes a new plan from the current state"));
        }
        Ok(true)
    }
}
