//! Takes permissions and roles away. What is gone already is what was wanted.

use std::time::{Duration, Instant};

use super::{Answer, changed};
use crate::{
    failure::Result,
    model::document::Document,
    plan::Step,
    ports::Iam,
    wait::{Backoff, Guard},
};

/// How long IAM may take to see a role without the policies that were just detached.
const DETACHED: Duration = Duration::from_secs(5);

/// Carries out a step that takes something of IAM's away.
pub(super) async fn carry_out(iam: &dyn Iam, guard: &Guard, step: &Step) -> Result<Answer> {
    match step {
        Step::DetachPolicy { role, policy_arn } => iam.detach_policy(role, policy_arn).await.map(gone),
        Step::DeletePolicy { role, name, before } => delete_policy(iam, role, name, before.as_ref()).await,
        Step::DeleteRole { role, trust } => delete_role(iam, guard, role, trust).await,
        _ => Ok(Answer::Skipped),
    }
}

fn gone(deleted: bool) -> Answer {
    if deleted { Answer::Done } else { Answer::Skipped }
}

async fn delete_policy(iam: &dyn Iam, role: &str, name: &str, before: Option<&Document>) -> Result<Answer> {
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
    iam.delete_inline_policy(role, name).await.map(gone)
}

/// DeleteRole, unless somebody was admitted since the role was read. IAM may still see for a moment what was just detached.
async fn delete_role(iam: &dyn Iam, guard: &Guard, role: &str, trust: &Document) -> Result<Answer> {
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
        match iam.delete_role(role).await {
            Err(failure) if failure.is("DeleteConflict") && started.elapsed() < DETACHED => {}
            answered => return answered.map(gone),
        }
        guard.pause("waiting for IAM to see the role without its policies", backoff.step()).await?;
    }
}
