//! Writes of roles. IAM has no conditional writes: what is changed is read right before and right after.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{Answer, Run, changed};
use crate::{
    failure::{Kind, Result},
    model::{document::Document, policy::same_meaning, role::NewRole},
    plan::{RoleOwnership, Step},
    wait::{Backoff, Moment, SentMarker},
};

/// How long IAM may take to know a role that it just made.
const ROLE_SEEN: Duration = Duration::from_secs(15);

/// How long another change of the same role may be in the way.
const BUSY: Duration = Duration::from_secs(30);

/// How long IAM may go on showing what was there before a write.
const SHOWN: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// CreateRole. "Exists already" after an answer that was lost is adopted only when it is this very role.
    pub(super) async fn create_role(&self, flight: &SentMarker, new: &NewRole) -> Result<Answer> {
        let iam = self.ports.iam;
        match flight.send(iam.create_role(new)).await {
            Ok(_) => Ok(Answer::Done),
            Err(failure) if failure.is(Kind::InUse) => match iam.role(&new.name).await? {
                Some(found)
                    if found.tags == new.tags
                        && found.path == new.path
                        && found.permissions_boundary == new.permissions_boundary
                        && same_meaning(&found.trust, &new.trust) =>
                {
                    Ok(Answer::Done)
                }
                _ => Err(failure.hint("another user created a role of that name: choose another with `--role`")),
            },
            Err(failure) => Err(failure),
        }
    }

    /// UpdateAssumeRolePolicy, when the trust policy still is as it was planned from.
    pub(super) async fn put_trust(
        &self,
        flight: &SentMarker,
        role: &str,
        before: &Document,
        after: &Document,
    ) -> Result<Answer> {
        let iam = self.ports.iam;
        let what = format!("the trust policy of role `{role}`");
        let due = || async {
            let Some(present) = iam.role(role).await? else { return Err(changed(&what, "the role was deleted")) };
            if present.trust == *after {
                return Ok(false);
            }
            if present.trust != *before {
                return Err(changed(&what, "its trust policy was changed"));
            }
            Ok(true)
        };
        if !due().await? {
            return Ok(Answer::Skipped);
        }
        self.patient_if_due(flight, due, || iam.put_trust(role, after)).await?;
        let read = || async { Ok(iam.role(role).await?.map(|role| role.trust)) };
        self.confirm(&what, Some(before), after, read).await
    }

    /// PutRolePermissionsBoundary or DeleteRolePermissionsBoundary, when the boundary still is as it was planned from.
    pub(super) async fn put_boundary(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Step::PutBoundary { role, before, after } = step else { return Ok(Answer::Skipped) };
        let iam = self.ports.iam;
        let what = format!("the permissions boundary of role `{role}`");
        let Some(present) = iam.role(role).await? else { return Err(changed(&what, "the role was deleted")) };
        if present.permissions_boundary == *after {
            return Ok(Answer::Skipped);
        }
        if present.permissions_boundary != *before {
            return Err(changed(&what, present.permissions_boundary.as_deref().unwrap_or("it was removed")));
        }
        self.patient_with_iam(flight, || iam.put_boundary(role, after.as_deref())).await.map(|()| Answer::Done)
    }

    /// PutRolePolicy, when the policy still is as it was planned from.
    pub(super) async fn put_policy(&self, flight: &SentMarker, step: &Step) -> Result<Answer> {
        let Step::PutPolicy { role, name, before, after, holder } = step else { return Ok(Answer::Skipped) };
        let iam = self.ports.iam;
        let what = format!("the inline policy `{name}` of role `{role}`");
        // Nobody else knows of a role that this plan made a moment ago.
        let ours = *holder == RoleOwnership::New;
        let due = || async {
            if ours {
                return Ok(true);
            }
            let present = iam.inline_policy(role, name).await?;
            if present.as_ref().is_some_and(|present| same_meaning(present, after)) {
                return Ok(false);
            }
            if present != *before {
                return Err(changed(&what, "its document was changed"));
            }
            Ok(true)
        };
        if !due().await? {
            return Ok(Answer::Skipped);
        }
        self.patient_if_due(flight, due, || iam.put_inline_policy(role, name, after)).await?;
        if ours {
            return Ok(Answer::Done);
        }
        self.confirm(&what, before.as_ref(), after, || iam.inline_policy(role, name)).await
    }

    /// Reads back what was written. IAM may go on showing what was there `before` for some seconds; anything else is
    /// another's write.
    async fn confirm<F, Fut>(&self, what: &str, before: Option<&Document>, after: &Document, read: F) -> Result<Answer>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<Option<Document>>>,
    {
        let started = Moment::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
        loop {
            let present = read().await?;
            if present.as_ref().is_some_and(|present| same_meaning(present, after)) {
                return Ok(Answer::Done);
            }
            if present.as_ref() != before || started.elapsed() >= SHOWN {
                return Err(changed(what, "it was modified concurrently, just after podid's write"));
            }
            self.deadline.pause(&format!("waiting until IAM shows {what}"), backoff.step()).await?;
        }
    }

    /// [`Self::patient_with_iam`] for a whole document: the change that was in the way may have been one of the same
    /// document, so what is there is read again before each repetition.
    async fn patient_if_due<D, DFut, F, Fut>(&self, flight: &SentMarker, due: D, write: F) -> Result<()>
    where
        D: Fn() -> DFut,
        DFut: Future<Output = Result<bool>>,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<()>>,
    {
        let again = AtomicBool::new(false);
        let checked = || async {
            if again.swap(true, Ordering::Relaxed) && !due().await? {
                return Ok(());
            }
            write().await
        };
        self.patient_with_iam(flight, checked).await
    }

    /// Repeats a write that IAM refuses because one of its own servers does not know the new role yet, or because another
    /// change of the role is still under way.
    pub(super) async fn patient_with_iam<T, F, Fut>(&self, flight: &SentMarker, mut write: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let started = Moment::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(2));
        loop {
            let failure = match flight.send(write()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let wait = if failure.is(Kind::RoleUnseen) && started.elapsed() < ROLE_SEEN {
                "waiting until IAM shows the new role"
            } else if failure.is(Kind::Busy) && started.elapsed() < BUSY {
                "waiting until another change of the role is finished"
            } else {
                return Err(failure);
            };
            self.deadline.pause(wait, backoff.step()).await?;
        }
    }
}
