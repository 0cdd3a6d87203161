//! Writes of associations, and the patience that EKS needs with a role or trust policy it does not see yet.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::{Answer, Run, changed};
use crate::{
    failure::{Failure, Kind, Result},
    model::{association::NewAssociation, trust::target},
    observe,
    plan::Step,
    wait::{Backoff, Moment, SentMarker},
};

/// How long IAM may take to show a new role or trust policy to EKS, before podid believes the refusal.
const PROPAGATION: Duration = Duration::from_mins(1);

/// How long, when IAM does not show the role to podid: it may just as well be missing or wrong.
const UNREAD: Duration = Duration::from_secs(15);

/// How long a deleted association may still be in the way of a new one.
const DELETED: Duration = Duration::from_secs(30);

const WAITING: &str = "waiting until EKS can see the role";

impl Run<'_> {
    /// CreatePodIdentityAssociation. A duplicate is adopted when it is what was wanted: an answer was lost.
    pub(super) async fn create_association(
        &self,
        flight: &SentMarker,
        cluster: &str,
        new: &NewAssociation,
    ) -> Result<Answer> {
        let eks = self.ports.eks;
        let started = Moment::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
        loop {
            let token = token();
            let create = || flight.send(eks.create_association(cluster, new, &token));
            let failure = match self.patient_with_eks(&new.spec.role_arn, create).await {
                Ok(created) => return Ok(Answer::Association(Box::new(created))),
                Err(failure) if failure.is(Kind::InUse) => failure,
                Err(failure) => return Err(failure),
            };
            match observe::association(eks, cluster, &new.subject).await? {
                Some(found) if found.spec().covers(&new.spec) => {
                    return Ok(Answer::Association(Box::new(found)));
                }
                Some(found) => {
                    return Err(failure
                        .because(format!("it was associated with {} concurrently", found.role_arn))
                        .hint("run the same command again to see the change as an update"));
                }
                // Deleted a moment ago, and the delete has not arrived everywhere.
                None if started.elapsed() < DELETED => {
                    self.deadline.pause("waiting until the deleted association is gone", backoff.step()).await?;
                }
                None => {
                    return Err(failure.hint("an association was deleted seconds ago: run the same command again"));
                }
            }
        }
    }

    /// UpdatePodIdentityAssociation, when it still is as it was planned from.
    pub(super) async fn update_association(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Step::UpdateAssociation { cluster, association_id, from_role, change, subject } = step else {
            return Ok(Answer::Skipped);
        };
        let eks = self.ports.eks;
        let what = format!("the association of {subject}");
        match eks.association(cluster, association_id).await? {
            Some(present) if present.role_arn == *from_role => {}
            Some(present) => return Err(changed(&what, &present.role_arn)),
            None => return Err(changed(&what, "deleted")),
        }
        let token = token();
        let role = change.role_arn.as_deref().unwrap_or(from_role);
        let update = || flight.send(eks.update_association(cluster, association_id, change, &token));
        let updated = self.patient_with_eks(role, update).await?;
        let cleared = |field: &Option<String>| field.as_deref() == Some("");
        if !cleared(&change.target_role_arn) && !cleared(&change.policy) {
            return Ok(Answer::Association(Box::new(updated)));
        }
        // How a field is cleared is not documented: what Describe says counts.
        let Some(present) = eks.association(cluster, association_id).await? else {
            return Err(changed(&what, "deleted"));
        };
        let full = |field: &Option<String>| field.as_deref().is_some_and(|text| !text.is_empty());
        for (name, sent, kept) in [
            ("target role", &change.target_role_arn, &present.target_role_arn),
            ("session policy", &change.policy, &present.policy),
        ] {
            if cleared(sent) && full(kept) {
                return Err(Failure::failed(format!("the service kept the {name} of {what}"))
                    .because("EKS accepted the update, but DescribePodIdentityAssociation still returns it")
                    .hint("pass `--replace` to recreate the association without it"));
            }
        }
        Ok(Answer::Association(Box::new(present)))
    }

    /// DeletePodIdentityAssociation, then CreatePodIdentityAssociation with all that is to stay.
    pub(super) async fn replace_association(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Step::ReplaceAssociation { cluster, association_id, from_role, association } = step else {
            return Ok(Answer::Skipped);
        };
        let eks = self.ports.eks;
        let what = format!("the association of {}", association.subject);
        match eks.association(cluster, association_id).await? {
            Some(present) if present.role_arn == *from_role => {}
            Some(present) => return Err(changed(&what, &present.role_arn)),
            None => return Err(changed(&what, "deleted")),
        }
        flight.send(eks.delete_association(cluster, association_id)).await?;
        self.create_association(flight, cluster, association).await.map_err(|failure| {
            failure.hint(format!("{what} was deleted and not created again: run the same command again"))
        })
    }

    /// The trust policy of the target role, with the external id that the association has by now.
    pub(super) async fn put_target_trust(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Step::PutTargetTrust { role, cluster, subject, before, after } = step else { return Ok(Answer::Skipped) };
        let found = observe::association(self.ports.eks, cluster, subject).await?;
        let external_id = found.and_then(|association| association.external_id);
        let after = match &external_id {
            Some(id) => target::with_external_id(after, id),
            None if after.0.to_string().contains(target::EXTERNAL_ID) => {
                return Err(Failure::failed(format!("EKS returned no external ID for the association of {subject}"))
                    .hint("keep session tags enabled: the target role can check them instead"));
            }
            None => after.clone(),
        };
        self.put_trust(flight, role, before, &after).await
    }

    /// DeletePodIdentityAssociation, when it still is as it was planned from.
    pub(super) async fn delete_association(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Step::DeleteAssociation { cluster, association_id, subject, role_arn } = step else {
            return Ok(Answer::Skipped);
        };
        let eks = self.ports.eks;
        match eks.association(cluster, association_id).await? {
            Some(present) if present.role_arn == *role_arn => {}
            Some(present) => return Err(changed(&format!("the association of {subject}"), &present.role_arn)),
            None => return Ok(Answer::Skipped),
        }
        flight.send(eks.delete_association(cluster, association_id)).await.map(Answer::gone)
    }

    /// Repeats a write that EKS refuses only because it does not see the role, or its new trust policy, yet.
    pub(super) async fn patient_with_eks<T, F, Fut>(&self, role_arn: &str, mut write: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let started = Moment::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
        let mut patience = None;
        loop {
            let failure = match write().await {
                Ok(written) => return Ok(written),
                Err(failure) => failure,
            };
            if !failure.is(Kind::RoleUnseen) && !failure.is(Kind::TrustUnseen) {
                return Err(failure);
            }
            // IAM itself may learn of the role only now.
            if patience.is_none_or(|patience| patience < PROPAGATION && started.elapsed() >= patience) {
                patience = Some(self.patience(role_arn).await);
            }
            if patience.is_none_or(|patience| started.elapsed() >= patience) {
                return Err(failure);
            }
            let pause = backoff.step();
            if self.deadline.left() <= pause {
                // What EKS said last is why podid was still waiting.
                let late = self.deadline.timed_out(WAITING);
                let failure = late.hints.into_iter().fold(failure.context(late.message), Failure::hint);
                return Err(Failure { code: late.code, ..failure });
            }
            self.deadline.pause(WAITING, pause).await?;
        }
    }

    async fn patience(&self, role_arn: &str) -> Duration {
        let name = crate::model::arn::last(role_arn);
        match self.ports.iam.role(name).await {
            Ok(Some(_)) => PROPAGATION,
            // IAM answered its creation a moment ago; another of its servers may not know it yet.
            Ok(None) if self.created.contains(name) => UNREAD,
            Ok(None) => Duration::ZERO,
            // EKS's word is all there is, and it may be late.
            Err(_) => UNREAD,
        }
    }
}

/// An idempotency token: the same for every retry of one write, another for the next.
pub(super) fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = format!("{}-{}-{:?}", std::process::id(), now.as_nanos(), std::thread::current().id());
    Sha256::digest(seed.as_bytes()).iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
