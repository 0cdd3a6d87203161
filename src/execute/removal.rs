//! Takes permissions and roles away. What is gone already is what was wanted.

use std::time::{Duration, Instant};

use super::{Answer, Run, changed};
use crate::{
    failure::Result,
    model::document::Document,
    wait::{Backoff, Flight},
};

/// How long IAM may take to see a role without the policies that were just detached.
const DETACHED: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// DeleteRolePolicy, when the policy still is as it was planned from.
    pub(super) async fn delete_policy(
        &self,
        flight: &Flight,
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
                    return Err(changed(&what, "another document was written"));
                }
            }
        }
        self.patient_with_iam(flight, || iam.delete_inline_policy(role, name)).await.map(Answer::gone)
    }

    /// DeleteRole, unless somebody was admitted since the role was read. IAM may still see for a moment what was just detached.
    pub(super) async fn delete_role(&self, flight: &Flight, role: &str, trust: &Document) -> Result<Answer> {
        let iam = self.ports.iam;
        match iam.role(role).await? {
            None => return Ok(Answer::Skipped),
            Some(present) if present.trust == *trust => {}
            Some(_) => {
                return Err(changed(&format!("the trust policy of role `{role}`"), "another trust policy was written"));
            }
        }
        let started = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(2));
        loop {
            match self.patient_with_iam(flight, || iam.delete_role(role)).await {
                Err(failure) if failure.is("DeleteConflict") && started.elapsed() < DETACHED => {}
                answered => return answered.map(Answer::gone),
            }
            self.guard.pause("waiting for IAM to see the role without its policies", backoff.step()).await?;
        }
    }
}
