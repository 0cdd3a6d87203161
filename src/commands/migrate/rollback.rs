//! `podid migrate rollback`: takes service accounts back to IRSA, as long as that still works.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::{
    held::{self, Held},
    select::{Accounts, Of, Selection},
};
use crate::{
    args::Changing,
    checks::migration::{back_hindered, uses_irsa_alone},
    commands::{
        disassociate::{Ending, Removal, carry_out},
        recycle::{self, Pace},
        shared::{self, Confirmation},
    },
    context::Context,
    execute::{self, Outcome, Status},
    failure::{Code, Failure, Result},
    model::{irsa::ROLE_ARN, migration::Candidate, names::ServiceAccount, text::listed, workload::Pod},
    output::Format,
    plan::{self, Step, Target},
};

/// Names that are shown of many.
const SHOWN: usize = 3;

/// Move service accounts back to IRSA
///
/// Deletes the associations, waits until dry-run pods get the web identity of IRSA again, and restarts the workloads.
/// Possible until `podid migrate finish`: it is refused where the annotation is gone, or the role's trust policy no longer allows the service
/// account by IRSA, as its pods would lose their access. podid's statement stays in the trust policy: without an
/// association it gives access to no pod, and a later `podid migrate run` uses it.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Rollback {
    #[command(flatten)]
    selection: Selection,
    /// Maximum number of rollouts at once; after a failure, podid starts no new one
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    max_parallel: u16,
    /// Do not include the application's log lines in errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid migrate rollback carts/carts --dry-run
  podid migrate rollback carts/carts
  podid migrate rollback -n carts --yes -o json";

/// The service accounts, by what becomes of them.
#[derive(Default)]
struct Sorted<'a> {
    going: Vec<&'a Candidate>,
    back: Vec<&'a Candidate>,
    held: Vec<Held<'a>>,
}

impl Rollback {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let accounts = self.selection.read(ctx, Of::Rollback).await?;
        if let Some(subject) = accounts.bare.iter().find(|subject| accounts.names(subject)) {
            return Err(gone(subject));
        }
        let sorted = sorted(&accounts);
        held::settle(ctx, &accounts, &sorted.held, ("cannot go back to IRSA", "left as it is"))?;
        let targets: Vec<Target> = sorted.going.iter().map(|candidate| target(candidate)).collect();
        let ask = plan::Disassociate {
            cluster: accounts.cluster(),
            targets: &targets,
            // podid's statements stay.
            roles: &BTreeMap::new(),
            delete_role: false,
            force: false,
            recycle: true,
        };
        let plan = plan::disassociate(&ask).map_err(shared::refused)?;
        for warning in &plan.warnings {
            ctx.term.warn(warning);
        }
        let consent = match (plan.is_empty(), accounts.sweeping()) {
            (true, _) => Confirmation::Nothing,
            (false, true) => Confirmation::TypeClusterName,
            (false, false) => Confirmation::Changes,
        };
        if plan.is_empty() {
            nothing(ctx, &accounts, &sorted);
        } else {
            shared::show_plan_for(ctx, &plan, &self.changing, consent).await?;
        }
        let left = if sorted.held.is_empty() { Code::Ok } else { Code::Difference };
        let mut ending = Ending { outcome: Outcome::planned(&plan.steps), ..Ending::default() };
        if self.changing.dry_run {
            render(ctx, &sorted, &ending)?;
            let code = shared::dry_run_code(&self.changing, &plan);
            return Ok(if code == Code::Ok { left } else { code });
        }
        shared::consent(ctx, &self.changing, consent).await?;
        ending.outcome = Outcome::default();
        let pace = Pace { parallel: usize::from(self.max_parallel), logs: !self.no_logs, spread: plan.spread() };
        let how = Removal { kubernetes: true, irsa: true, pace };
        let mut done = carry_out(ctx, &targets, plan, how, &mut ending).await;
        if done.is_ok() {
            done = check(ctx, &sorted).await;
        }
        render(ctx, &sorted, &ending)?;
        match done {
            Ok(()) => Ok(left),
            Err(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
        }
    }
}

/// After the annotation there is no way back.
fn gone(subject: &ServiceAccount) -> Failure {
    Failure::usage(format!("{subject} cannot go back to IRSA: nothing was changed"))
        .because(format!("it does not have the annotation {ROLE_ARN}: its pods would lose their access"))
        .hint(format!(
            "to use IRSA again, annotate it first: `kubectl annotate serviceaccount {} -n {} {ROLE_ARN}=ROLE_ARN`",
            subject.name, subject.namespace
        ))
}

fn sorted(accounts: &Accounts) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    for (account, candidate) in accounts.each() {
        if uses_irsa_alone(candidate) {
            sorted.back.push(candidate);
            continue;
        }
        let hindered = back_hindered(account, candidate);
        if hindered.is_empty() {
            sorted.going.push(candidate);
        } else {
            sorted.held.push(Held::because(account, hindered));
        }
    }
    sorted
}

fn target(candidate: &Candidate) -> Target {
    let snapshot = &candidate.snapshot;
    Target {
        subject: snapshot.subject.clone(),
        association: snapshot.associated().cloned(),
        pods: snapshot.pods.clone(),
        workloads: snapshot.workloads.clone(),
    }
}

fn nothing(ctx: &Context, accounts: &Accounts, sorted: &Sorted<'_>) {
    ctx.term.status(match &sorted.back[..] {
        _ if accounts.all.is_empty() => {
            format!("nothing to roll back: no service account that was selected has the annotation {ROLE_ARN}")
        }
        [] => "nothing to roll back".to_owned(),
        [one] => format!("nothing to roll back: {} uses IRSA", one.snapshot.subject),
        several => format!("nothing to roll back: {} service accounts use IRSA", several.len()),
    });
}

/// That the running pods use IRSA with the role of the annotation, or which do not.
async fn check(ctx: &Context, sorted: &Sorted<'_>) -> Result<()> {
    let kube = ctx.kube().await?;
    for candidate in &sorted.going {
        let (subject, role) = (&candidate.snapshot.subject, &candidate.annotation.role);
        let pods = ctx.deadline.within("reading the pods", kube.pods(subject)).await?;
        let (by_irsa, others): (Vec<&Pod>, Vec<&Pod>) =
            pods.iter().filter(|pod| pod.live()).partition(|pod| pod.irsa_role().is_some_and(|used| used == *role));
        if !others.is_empty() {
            let names: Vec<&str> = others.iter().map(|pod| pod.name.as_str()).collect();
            ctx.term.warn(format!("pods of {subject} do not use IRSA yet: {}", listed(&names, SHOWN)));
        }
        if !by_irsa.is_empty() {
            ctx.term.success(match by_irsa.len() {
                1 => format!("{subject}: its pod uses IRSA"),
                n => format!("{subject}: {n} pods use IRSA"),
            });
        }
    }
    Ok(())
}

fn render(ctx: &Context, sorted: &Sorted<'_>, ending: &Ending) -> Result<()> {
    let mut value = shared::steps_json(&ending.outcome);
    let planned = ending.outcome.reports.iter().all(|report| report.status == Status::Planned);
    let done = |subject: &ServiceAccount| {
        let own = ending.outcome.reports.iter().filter(|report| match &report.step {
            Step::DeleteAssociation { subject: of, .. } => of == subject,
            Step::Restart { workload, .. } => workload.namespace == subject.namespace,
            _ => false,
        });
        own.into_iter().all(|report| matches!(report.status, Status::Done | Status::Skipped))
    };
    let going = sorted.going.iter().map(|candidate| {
        let subject = &candidate.snapshot.subject;
        let result = if planned && !ending.outcome.reports.is_empty() {
            "planned"
        } else if done(subject) && ending.rollouts.iter().all(|rollout| rollout.result.is_ok()) {
            "rolled-back"
        } else {
            "failed"
        };
        let effective = ending.effective.iter().find(|(of, _)| of == subject).map(|(_, effective)| effective);
        let mut one = held::account(subject, &candidate.annotation.role, result);
        one["effective"] = json!(effective.map(|it| it.effect));
        one["effectiveHow"] = json!(effective.map(|it| &it.how));
        one
    });
    let back = sorted.back.iter().map(|it| held::account(&it.snapshot.subject, &it.annotation.role, "already-irsa"));
    let held = sorted.held.iter().map(Held::json);
    let all: Vec<Value> = going.chain(back).chain(held).collect();
    value["serviceAccounts"] = json!(all);
    value["rollouts"] = recycle::rollouts_json(&ending.rollouts);
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => {
            for candidate in &sorted.going {
                if planned || done(&candidate.snapshot.subject) {
                    ctx.term.emit_line(&candidate.snapshot.subject)?;
                }
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}
