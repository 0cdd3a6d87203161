//! `podid migrate finish`: the end of IRSA for service accounts that use Pod Identity. After it there is no way back.

use clap::Args;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::{
    held::{self, Held},
    select::{Accounts, Of, Selection},
};
use crate::{
    args::Changing,
    checks::migration::{Assessment, end_hindered, unseen},
    commands::shared::{self, Confirmation},
    context::Context,
    execute::{self, Outcome, Ports, Status},
    failure::{Code, Failure, Result},
    model::{arn::last, irsa::ROLE_ARN, names::ServiceAccount},
    observe,
    output::Format,
    plan::{self, Finished, Step},
    prove,
};

/// Remove what IRSA needs, for service accounts that use Pod Identity
///
/// Removes the annotation eks.amazonaws.com/role-arn, and then the service account from the statements for the
/// cluster's OIDC issuer in the role's trust policy. All other statements stay: those of other service accounts,
/// clusters and principals, and those that name no single service account, which podid reports. After that,
/// `podid migrate rollback` is no longer possible.
///
/// Refused while a pod still uses IRSA, and where Helm, Argo CD, Flux, OLM, eksctl, Terraform or an add-on would
/// restore the annotation: remove it there, then run the command again, which removes the rest. Controllers that
/// request tokens for a service account (external-secrets, for example) read its annotation too, and podid does not
/// see them. The OIDC provider in IAM stays.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Finish {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid migrate finish carts/carts --dry-run
  podid migrate finish carts/carts
  podid migrate finish -n carts --yes -o json";

/// The service accounts, by what becomes of them.
#[derive(Default)]
struct Sorted<'a> {
    going: Vec<(&'a Assessment, Finished<'a>)>,
    finished: Vec<&'a Assessment>,
    held: Vec<Held<'a>>,
}

impl Finish {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let accounts = self.selection.read(ctx, Of::Finish).await?;
        if let Some(subject) = accounts.bare.iter().find(|subject| accounts.names(subject)) {
            ctx.term.warn(format!("{subject} has neither the annotation {ROLE_ARN} nor an association"));
        }
        let Some(issuer) = &accounts.cluster().oidc_issuer else {
            return Err(Failure::failed("the OIDC issuer of the cluster is unknown: DescribeCluster returned none"));
        };
        let sorted = sorted(&accounts, issuer);
        held::settle(ctx, &accounts, &sorted.held, ("cannot be finished yet", "not finished"))?;
        let finished: Vec<Finished<'_>> = sorted.going.iter().map(|(_, finished)| *finished).collect();
        let plan = plan::finish(accounts.cluster(), issuer, &finished).map_err(shared::refused)?;
        for warning in &plan.warnings {
            ctx.term.warn(warning);
        }
        let consent = match (plan.is_empty(), accounts.sweeping()) {
            (true, _) => Confirmation::Nothing,
            (false, true) => Confirmation::TypeClusterName,
            (false, false) => Confirmation::Changes,
        };
        if plan.is_empty() {
            nothing(ctx, &sorted);
        } else {
            shared::show_plan_for(ctx, &plan, &self.changing, consent).await?;
        }
        let left = if sorted.held.is_empty() { Code::Ok } else { Code::Difference };
        if self.changing.dry_run {
            render(ctx, &sorted, &Outcome::planned(&plan.steps))?;
            let code = shared::dry_run_code(&self.changing, &plan);
            return Ok(if code == Code::Ok { left } else { code });
        }
        shared::consent(ctx, &self.changing, consent).await?;
        if !plan.is_empty() {
            injected(ctx, &finished).await?;
        }
        let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube: Some(ctx.kube().await?) };
        let outcome = execute::run(&ports, &ctx.deadline, plan.steps, |report| shared::report_step(ctx, report)).await;
        render(ctx, &sorted, &outcome)?;
        match outcome.failure() {
            None => Ok(left),
            Some(failure) => {
                let failure = failure.clone();
                let lacking = failure.from_kubernetes() && failure.denied() && failure.hints.is_empty();
                let rbac = "list the required permissions: `podid iam-policy migrate finish --rbac`";
                let failure = if lacking { failure.hint(rbac) } else { failure };
                Err(execute::after_write(failure, outcome.wrote()))
            }
        }
    }
}

fn sorted<'a>(accounts: &'a Accounts, issuer: &str) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for (account, candidate) in accounts.each() {
        let annotated = !accounts.unannotated.contains(&account.subject);
        let finished = Finished { candidate, annotated };
        // What was not read is no sign that nothing is left.
        if candidate.role.role.known().is_some() && !finished.is_due(issuer) {
            // Most that a pattern finds never used IRSA.
            if accounts.names(&account.subject) {
                sorted.finished.push(account);
            }
            continue;
        }
        let mut hindered = end_hindered(&accounts.migration, account, candidate, annotated);
        // Without the annotation nothing shows that it ever used IRSA in this cluster.
        if !annotated && !accounts.names(&account.subject) {
            hindered.extend(unseen(candidate));
        }
        if hindered.is_empty() {
            sorted.going.push((account, finished));
        } else {
            sorted.held.push(Held::because(account, hindered));
        }
    }
    sorted
}

/// That new pods get Pod Identity: without the annotation, they would get nothing else.
async fn injected(ctx: &Context, finished: &[Finished<'_>]) -> Result<()> {
    let kube = ctx.kube().await?;
    let asks = finished.iter().filter(|one| one.annotated).map(|one| async move {
        let subject = &one.candidate.snapshot.subject;
        (one, prove::injected::ask(kube, &ctx.deadline, subject, true, true).await)
    });
    let answers: Vec<_> = stream::iter(asks).buffered(observe::CONCURRENCY).collect().await;
    for (one, answer) in answers {
        let snapshot = &one.candidate.snapshot;
        let unasked = answer.map_err(|failure| Failure {
            causes: failure.causes.into_iter().filter(|cause| !cause.starts_with("nothing was restarted")).collect(),
            ..failure
        })?;
        match unasked {
            None => {}
            Some(why) if snapshot.live_pods().is_empty() => {
                return Err(Failure::usage(format!(
                    "cannot check whether new pods of {} are injected: nothing was changed",
                    snapshot.subject
                ))
                .because(why));
            }
            Some(why) => {
                ctx.term.warn(format!("could not check whether new pods of {} are injected: {why}", snapshot.subject));
            }
        }
    }
    Ok(())
}

fn nothing(ctx: &Context, sorted: &Sorted<'_>) {
    ctx.term.status(match &sorted.finished[..] {
        [] => "nothing to finish".to_owned(),
        [one] => format!("nothing to finish: {} has no annotation, and no statement for IRSA names it", one.subject),
        several => format!("nothing to finish: {} service accounts have nothing of IRSA left", several.len()),
    });
}

fn render(ctx: &Context, sorted: &Sorted<'_>, outcome: &Outcome) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Some(steps) = value["steps"].as_array_mut() {
        for (step, report) in steps.iter_mut().zip(&outcome.reports) {
            if let Step::PutTrust { role, .. } = &report.step {
                step["id"] = json!(format!("role/{role}/{}", report.step.id()));
            }
        }
    }
    let of = |subject: &ServiceAccount, role: &str| {
        let own = outcome.reports.iter().filter(|report| match &report.step {
            Step::RemoveAnnotation { subject: of, .. } => of == subject,
            Step::PutTrust { role: of, .. } => last(role) == of,
            _ => false,
        });
        let all: Vec<Status> = own.map(|report| report.status).collect();
        match all {
            all if all.iter().all(|status| *status == Status::Planned) => "planned",
            all if all.iter().all(|status| matches!(status, Status::Done | Status::Skipped)) => "finished",
            all if all.contains(&Status::NotStarted) && !all.contains(&Status::Failed) => "not-started",
            _ => "failed",
        }
    };
    let going =
        sorted.going.iter().map(|(it, _)| held::account(&it.subject, &it.role_arn, of(&it.subject, &it.role_arn)));
    let finished = sorted.finished.iter().map(|it| held::account(&it.subject, &it.role_arn, "already-finished"));
    let held = sorted.held.iter().map(Held::json);
    value["serviceAccounts"] = Value::Array(going.chain(finished).chain(held).collect());
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => {
            for (it, _) in &sorted.going {
                if matches!(of(&it.subject, &it.role_arn), "planned" | "finished") {
                    ctx.term.emit_line(&it.subject)?;
                }
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}
