//! Asks IAM when the roles of the associations last used each service.

use std::{collections::BTreeMap, time::Duration};

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use crate::{
    checks::{
        Finding,
        audit::{self, RoleUse},
    },
    context::Context,
    failure::Result,
    model::{access::Holder, arn::Arn, have::Observed, last_use::ServiceUse, role::Role},
    observe::{CONCURRENCY, seen_or_why},
    wait::Backoff,
};

/// What it takes.
const LAST_USE: &str = "iam:GenerateServiceLastAccessedDetails and iam:GetServiceLastAccessedDetails";

/// Between two looks at a report that is being made.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What the roles do not use.
///
/// # Errors
/// When podid was interrupted, or time is up. A role that could not be asked about is a finding.
pub(super) async fn findings(ctx: &Context, holders: &[Holder<'_>], days: u16) -> Result<Vec<Finding>> {
    let roles = roles(holders);
    let (total, line) = (roles.len(), ctx.term.progress("last use of roles"));
    let reads = roles.into_values().map(|(role, users)| async move {
        let services = seen_or_why(read(ctx, &role.arn).await, LAST_USE)?;
        Ok(RoleUse { role: role.arn.clone(), created_at: role.created_at, users, services })
    });
    let mut all = stream::iter(reads).buffer_unordered(CONCURRENCY);
    let mut found: Vec<RoleUse> = Vec::with_capacity(total);
    while let Some(one) = all.try_next().await? {
        found.push(one);
        line.count(format!("{} of {total} read", found.len()));
    }
    line.clear();
    let since = since(ctx.term.now(), days);
    Ok(audit::unused(&found, since, days))
}

fn since(now: Timestamp, days: u16) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

/// The roles that were read, each once, with the service accounts that get their credentials.
fn roles<'a>(holders: &[Holder<'a>]) -> BTreeMap<String, (&'a Role, Vec<String>)> {
    let mut roles: BTreeMap<String, (&Role, Vec<String>)> = BTreeMap::new();
    for holder in holders {
        for view in [Some(holder.role), holder.target].into_iter().flatten() {
            if let Observed::Known(Some(role)) = &view.role {
                let users = &mut roles.entry(role.arn.to_string()).or_insert_with(|| (role, Vec::new())).1;
                users.push(holder.association.summary.subject.to_string());
            }
        }
    }
    roles
}

async fn read(ctx: &Context, role: &Arn) -> Result<Vec<ServiceUse>> {
    let iam = ctx.iam()?;
    let what = format!("reading the last use of role {}", role.name());
    let job = ctx.deadline.within(&what, iam.ask_for_last_use(role)).await?;
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
    loop {
        match ctx.deadline.within(&what, iam.last_use(&job)).await? {
            Some(services) => return Ok(services),
            None => ctx.deadline.pause(&what, backoff.step()).await?,
        }
    }
}
