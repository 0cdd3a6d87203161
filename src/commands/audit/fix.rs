//! `podid audit --fix`: one plan for the findings that podid can close, carried out once it is agreed to, and another audit of what
//! is there then.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::stream::{self, StreamExt, TryStreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Audit, Found, Read};
use crate::{
    checks::{
        Finding,
        audit::{self, Contents, FIXABLE, Fixes, Key, LEFT, State, UNUSED_ROLE, key},
    },
    commands::shared::{self, Confirmation, StepReport},
    context::Context,
    execute::{self, Outcome, Ports, Report},
    failure::{Code, Failure, Result},
    model::{arn::last, exception::Exception, have::Observed, ownership, text},
    observe::{
        CONCURRENCY,
        audit::{to_delete, users_of},
    },
    wait::Backoff,
};

/// How long IAM and EKS may go on showing what was deleted or changed.
const SHOWN: Duration = Duration::from_secs(30);

/// The id of a check that has a fix.
pub(super) fn check(id: &str) -> std::result::Result<&'static str, String> {
    let ids = || FIXABLE.iter().map(|check| check.id);
    if let Some(known) = ids().find(|known| *known == id) {
        return Ok(known);
    }
    if audit::CHECKS.iter().any(|check| check.id == id) {
        let all: Vec<&str> = ids().collect();
        return Err(format!("podid has no fix for `{id}`; it has one for {}", all.join(", ")));
    }
    Err(format!("`{id}` is not a check of the audit{}", text::did_you_mean(&text::nearest(id, ids()))))
}

/// What `--fix` came to.
pub(super) struct Fixed {
    outcome: Outcome,
    closed: Vec<Key>,
    kept: Vec<(Key, String)>,
    dry_run: bool,
}

impl Fixed {
    /// `standing`: what was found before. Of what comes after another fix nobody had heard.
    fn of(fixes: &Fixes, standing: &BTreeSet<Key>, dry_run: bool) -> Self {
        let closed = fixes.closed.iter().filter(|key| standing.contains(*key)).cloned().collect();
        let kept = fixes.kept.iter().map(|(key, why)| (key.clone(), why.clone())).collect();
        Self { outcome: Outcome::planned(&fixes.plan.steps), closed, kept, dry_run }
    }

    /// `2 fixed`.
    pub(super) fn summary(&self) -> Option<String> {
        let how = if self.dry_run { "would be fixed" } else { "fixed" };
        (!self.closed.is_empty()).then(|| format!("{} {how}", self.closed.len()))
    }

    /// Why a finding stays.
    pub(super) fn kept(&self, finding: &Finding) -> Option<&str> {
        let of = key(finding);
        self.kept.iter().find(|(key, _)| *key == of).map(|(_, why)| why.as_str())
    }

    pub(super) fn document(&self) -> Document<'_> {
        Document {
            dry_run: self.dry_run,
            steps: shared::step_reports(&self.outcome),
            fixed: self.closed.iter().map(|(id, subject)| Closed { id, subject }).collect(),
            not_fixed: self.kept.iter().map(|((id, subject), reason)| Kept { id, subject, reason }).collect(),
        }
    }
}

/// What --fix came to
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    /// With --fix: nothing was changed, and the findings are those that would remain
    dry_run: bool,
    /// With --fix: the writes, in order
    steps: Vec<StepReport>,
    /// With --fix: findings that the steps close
    fixed: Vec<Closed<'a>>,
    /// With --fix: findings that remain, and why podid does not fix them
    not_fixed: Vec<Kept<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Closed<'a> {
    /// Stable id of the check
    id: &'a str,
    /// On what it was found
    subject: &'a str,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Kept<'a> {
    /// Stable id of the check
    id: &'a str,
    /// On what it was found
    subject: &'a str,
    /// Why podid does not fix it
    reason: &'a str,
}

impl Audit {
    /// Plans, asks, carries out, and audits again.
    pub(super) async fn mend(
        &self,
        ctx: &Context,
        mut read: Read,
        mut found: Found,
        exceptions: &[Exception],
    ) -> Result<Code> {
        let ids = self.fix.as_deref().unwrap_or_default();
        let standing: BTreeSet<Key> = found.findings.iter().map(key).collect();
        let accepted: BTreeSet<Key> = found.accepted.iter().map(|(finding, _)| key(finding)).collect();
        let wanted = |finding: &Finding| {
            !accepted.contains(&key(finding)) && (ids.is_empty() || ids.contains(&finding.check.id))
        };
        let contents = contents(ctx, &mut read.state, &found.findings, &wanted).await?;
        let planned = audit::fixes(&read.state, &contents, &wanted);
        for warning in &planned.plan.warnings {
            ctx.term.warn(warning);
        }
        let changing = self.changing.changing();
        if !planned.plan.is_empty() {
            shared::show_plan_for(ctx, &planned.plan, &changing, Confirmation::TypeClusterName).await?;
        }
        if changing.dry_run {
            let left = read.sorted(planned.left.clone(), exceptions);
            let after = Found { fix: Some(Fixed::of(&planned, &standing, true)), ..left };
            self.render(ctx, &after)?;
            return Ok(shared::dry_run_code(&changing, &planned.plan));
        }
        let mut fixed = Fixed::of(&planned, &standing, false);
        if planned.plan.is_empty() {
            ctx.term.status("podid cannot fix any finding");
            found.fix = Some(fixed);
            self.render(ctx, &found)?;
            return self.verdict(ctx, &found);
        }
        shared::consent(ctx, &changing, Confirmation::TypeClusterName).await?;
        let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube: None };
        let tell = |report: &Report| shared::report_step(ctx, report);
        fixed.outcome = execute::run(&ports, &ctx.deadline, planned.plan.steps.clone(), tell).await;
        let again = match fixed.outcome.failure() {
            Some(failure) => Err(failure.clone()),
            None => Box::pin(self.again(ctx, &planned.closed)).await,
        };
        match again {
            Ok(read) => {
                let now = read.sorted(read.state.audit(), exceptions);
                let there: BTreeSet<Key> = now.findings.iter().map(key).collect();
                fixed.closed.retain(|key| !there.contains(key));
                found = Found { fix: Some(fixed), ..now };
                self.render(ctx, &found)?;
                self.verdict(ctx, &found)
            }
            Err(failure) => {
                fixed.closed.clear();
                let wrote = fixed.outcome.wrote();
                found.fix = Some(fixed);
                self.render(ctx, &found)?;
                Err(execute::after_write(failure, wrote))
            }
        }
    }

    /// Reads everything again, until what was fixed is found no more. IAM may show a deleted role for some seconds.
    async fn again(&self, ctx: &Context, closed: &[Key]) -> Result<Read> {
        let started = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        loop {
            let read = Box::pin(self.read(ctx)).await?;
            let gone = !read.state.audit().iter().any(|finding| closed.contains(&key(finding)));
            if gone || started.elapsed() >= SHOWN {
                return Ok(read);
            }
            ctx.deadline.pause("waiting until AWS shows the changes", backoff.step()).await?;
        }
    }
}

/// Reads what fixes hang on beside what the audit read: what goes with the roles that may have to go, and who uses the roles that
/// are changed.
async fn contents(
    ctx: &Context,
    state: &mut State,
    found: &[Finding],
    wanted: &dyn Fn(&Finding) -> bool,
) -> Result<Contents> {
    let (mut roles, mut ends) = (BTreeSet::new(), BTreeSet::new());
    // Who else uses a role says nothing of a statement that names one service account.
    for finding in found.iter().filter(|it| wanted(it) && FIXABLE.contains(&it.check) && it.check != &LEFT) {
        if let Some(name) = finding.subject.strip_prefix("role ") {
            let unused = finding.check == &UNUSED_ROLE;
            if unused { &mut ends } else { &mut roles }.insert(name.to_owned());
        }
        let own = state.associations.iter().filter(|it| it.summary.subject.to_string() == finding.subject);
        for association in own {
            let role = state.roles.get(&association.role_arn).and_then(|view| view.role.known()?.as_ref());
            let created = role.is_some_and(|role| ownership::is_created_for(&role.tags, &state.cluster.arn));
            if created {
                ends.insert(last(&association.role_arn).to_owned());
            }
        }
    }
    roles.extend(ends.iter().cloned());
    if let Observed::Known(account) = &mut state.account
        && !roles.is_empty()
    {
        let read = users_of(ctx.eks()?, &state.cluster.arn, account, &roles);
        ctx.deadline.within("searching for users of the roles", read).await?;
    }
    let (iam, cluster) = (ctx.iam()?, &state.cluster.arn);
    let reads = ends.into_iter().map(|name| async move {
        let read = to_delete(iam, cluster, &name).await?;
        Ok::<_, Failure>((name, read))
    });
    ctx.deadline.within("reading the roles to delete", stream::iter(reads).buffered(CONCURRENCY).try_collect()).await
}
