//! Writes of associations, and the patience that EKS needs with a role or trust policy it does not see yet.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::{Answer, Run, changed};
use crate::{
    failure::{Failure, Result},
    model::association::{Association, NewAssociation},
    observe,
    plan::Step,
    wait::{Backoff, Flight},
};

/// How long IAM may take to show a new role or trust policy to EKS, before podid believes the refusal.
const PROPAGATION: Duration = Duration::from_mins(1);

/// How long, when IAM does not show the role to podid: it may just as well be missing or wrong.
const UNREAD: Duration = Duration::from_secs(15);

/// How long a deleted association may still be in the way of a new one.
const DELETED: Duration = Duration::from_secs(30);

const WAITING: &str = "waiting for IAM to show the role to EKS";

impl Run<'_> {
    /// CreatePodIdentityAssociation. A duplicate is adopted when it is what was wanted: an answer was lost.
    pub(super) async fn create_association(
        &self,
        flight: &Flight,
        cluster: &str,
        new: &NewAssociation,
    ) -> Result<Answer> {
        let eks = self.ports.eks;
        let started = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
        loop {
            let token = token();
            let create = || flight.send(eks.create_association(cluster, new, &token));
            let failure = match self.patient_with_eks(&new.role_arn, create).await {
                Ok(created) => return Ok(Answer::Association(Box::new(created))),
                Err(failure) if failure.is("ResourceInUseException") => failure,
                Err(failure) => return Err(failure),
            };
            match observe::association(eks, cluster, &new.subject).await? {
                Some(found)
                    if found.role_arn == new.role_arn && found.disable_session_tags == new.disable_session_tags =>
                {
                    return Ok(Answer::Association(Box::new(found)));
                }
                Some(found) => {
                    return Err(failure
                        .because(format!("it was associated with {} meanwhile", found.role_arn))
                        .hint("run the same command again to see the change as an update"));
                }
                // Deleted a moment ago, and the delete has not arrived everywhere.
                None if started.elapsed() < DELETED => {
                    self.guard.pause("waiting for a deleted association to be gone", backoff.step()).await?;
                }
                None => {
                    return Err(failure.hint("an association was deleted a moment ago; run the same command again"));
                }
            }
        }
    }

    /// UpdatePodIdentityAssociation, when it still is as it was planned from.
    pub(super) async fn update_association(&self, flight: &Flight, step: &Step) -> Result<Answer> {
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
        Ok(Answer::Association(Box::new(updated)))
    }

    /// DeletePodIdentityAssociation, when it still is as it was planned from.
    pub(super) async fn delete_association(&self, flight: &Flight, step: &Step) -> Result<Answer> {
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
    async fn patient_with_eks<F, Fut>(&self, role_arn: &str, mut write: F) -> Result<Association>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Association>>,
    {
        let started = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
        let mut patience = None;
        loop {
            let failure = match write().await {
                Ok(association) => return Ok(association),
                Err(failure) => failure,
            };
            let message = failure.service_message();
            let unseen_role = message.contains("Role provided in the request does not exist");
            let unseen_trust = message.contains("Trust policy of the role provided is invalid");
            if !(unseen_role || unseen_trust) {
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
            if self.guard.left() <= pause {
                // What EKS said last is why podid was still waiting.
                let late = self.guard.timed_out(WAITING);
                let failure = late.hints.into_iter().fold(failure.context(late.message), Failure::hint);
                return Err(Failure { code: late.code, ..failure });
            }
            self.guard.pause(WAITING, pause).await?;
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
