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
    plan::{self, Plan, Target},
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
    /// Go back although podid does not restart some of the pods (migrate.by-hand): recreate them yourself right after it
    #[arg(long, value_name = "ID", value_parser = ["migrate.by-hand"])]
    accept: Vec<String>,
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
        let sorted = sorted(&accounts, !self.accept.is_empty());
        held::settle(ctx, &accounts, &sorted.held, ("cannot go back to IRSA", "not rolled back"))?;
        let targets: Vec<Target> = sorted.going.iter().map(|candidate| target(candidate)).collect();
        let plan = planned(&accounts, &targets)?;
        let each: Vec<Plan> =
            targets.iter().map(|one| planned(&accounts, std::slice::from_ref(one))).collect::<Result<_>>()?;
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
            render(ctx, &sorted, &ending, &BTreeMap::new())?;
            let code = shared::dry_run_code(&self.changing, &plan);
            return Ok(if code == Code::Ok { left } else { code });
        }
        shared::consent(ctx, &self.changing, consent).await?;
        ending.outcome = Outcome::default();
        let mut results = BTreeMap::new();
        let pace = Pace { parallel: usize::from(self.max_parallel), logs: !self.no_logs, spread: plan.spread() };
        let how = Removal { kubernetes: true, irsa: true, pace, addon: None };
        let mut done = Ok(());
        for ((target, candidate), plan) in targets.iter().zip(&sorted.going).zip(each) {
            if done.is_err() {
                ending.outcome.add(Outcome::not_started(plan.steps));
                continue;
            }
            // One after the other: a failure leaves the rest with their associations.
            let mut one = Ending::default();
            let carried = carry_out(ctx, std::slice::from_ref(target), plan, how, &mut one).await;
            ending.outcome.add(one.outcome);
            ending.effective.extend(one.effective);
            ending.rollouts.extend(one.rollouts);
            let checked = match carried {
                Ok(()) => check(ctx, candidate).await,
                Err(failure) => Err(failure),
            };
            results.insert(
                target.subject.clone(),
                match &checked {
                    Ok(true) => "rolled-back",
                    Ok(false) => "partly",
                    Err(_) => "failed",
                },
            );
            done = checked.map(|_| ());
        }
        render(ctx, &sorted, &ending, &results)?;
        match done {
            Ok(()) if results.values().any(|result| *result == "partly") => Ok(Code::Difference),
            Ok(()) => Ok(left),
            Err(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
        }
    }
}

fn planned(accounts: &Accounts, targets: &[Target]) -> Result<Plan> {
    let ask = plan::Disassociate {
        cluster: accounts.cluster(),
        targets,
        // podid's statements stay.
        roles: &BTreeMap::new(),
        addon: None,
        idle_roles: plan::IdleRoles::Kept,
        force: false,
        recycle: true,
    };
    plan::disassociate(&ask).map_err(shared::refused)
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

fn sorted(accounts: &Accounts, by_hand: bool) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    for (account, candidate) in accounts.each() {
        if uses_irsa_alone(candidate) {
            sorted.back.push(candidate);
            continue;
        }
        let hindered = back_hindered(account, candidate, by_hand);
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

/// Whether all running pods use IRSA with the role of the annotation; says which do not.
async fn check(ctx: &Context, candidate: &Candidate) -> Result<bool> {
    let kube = ctx.kube().await?;
    let (subject, role) = (&candidate.snapshot.subject, &candidate.annotation.role);
    let pods = ctx.deadline.within("reading the pods", kube.pods(subject)).await?;
    let (by_irsa, others): (Vec<&Pod>, Vec<&Pod>) =
        pods.iter().filter(|pod| pod.live()).partition(|pod| pod.irsa_role().is_some_and(|used| used == *role));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|pod| pod.name.as_str()).collect();
        ctx.term.warn(format!("pods of {subject} do not use IRSA yet: {}", listed(&names, SHOWN)));
    }
    match by_irsa.len() {
        0 => {}
        1 => ctx.term.success(format!("{subject}: its pod uses IRSA")),
        n => ctx.term.success(format!("{subject}: {n} pods use IRSA")),
    }
    Ok(others.is_empty())
}

fn render(
    ctx: &Context,
    sorted: &Sorted<'_>,
    ending: &Ending,
    results: &BTreeMap<ServiceAccount, &'static str>,
) -> Result<()> {
    let mut value = shared::steps_json(&ending.outcome);
    let planned = ending.outcome.reports.iter().all(|report| report.status == Status::Planned);
    let of = |subject: &ServiceAccount| {
        let other = if planned { "planned" } else { "not-started" };
        results.get(subject).copied().unwrap_or(other)
    };
    let going = sorted.going.iter().map(|candidate| {
        let subject = &candidate.snapshot.subject;
        let result = of(subject);
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
                if matches!(of(&candidate.snapshot.subject), "planned" | "rolled-back") {
                    ctx.term.emit_line(&candidate.snapshot.subject)?;
                }
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}
