//! `podid migrate run`: moves service accounts from IRSA to Pod Identity, one role at a time, with no moment in which a pod has no
//! access.

use clap::Args;
use serde_json::{Value, json};

use super::{
    carry::{self, Ending},
    held::{self, Held},
    select::{self, Accounts, Of, Selection},
};
use crate::{
    args::Changing,
    checks::migration::{Assessment, acceptable},
    commands::{
        recycle::{self, Pace},
        shared::{self, Confirmation},
    },
    context::Context,
    execute::{self, Outcome, Report, Status},
    failure::{Code, Failure, Result},
    model::{have::Observed, irsa::ROLE_ARN, migration::Candidate, names::ServiceAccount},
    output::Format,
    plan::{self, Migrate, Migrated, Step},
};

/// Move service accounts from IRSA to Pod Identity
///
/// One role after the other: adds podid's statement to the trust policy beside that of IRSA, associates the service
/// accounts, waits until new pods get credentials, restarts the workloads, and checks their pods. Stops at the first
/// failure. The annotation and the statement of IRSA stay, so that `podid migrate rollback` can go back until
/// `podid migrate finish`.
///
/// Only service accounts that `podid migrate plan` calls ready are moved; nothing is written if one that was named is
/// not. Of those that a pattern, -n or --all selects, the others are left out, with their reasons, and the command
/// exits with 3. Run it again to continue after a failure: it reads where each service account is.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Run {
    #[command(flatten)]
    selection: Selection,
    /// Also look for AWS variables in Secrets: podid reads the names of their keys, never a value
    #[arg(long)]
    read_secrets: bool,
    /// Install the agent add-on if there is no agent
    #[arg(long)]
    install_agent: bool,
    /// Move a service account although this check makes it only ready with changes (can be repeated)
    #[arg(long, value_name = "ID", value_parser = acceptable)]
    accept: Vec<String>,
    /// Maximum number of rollouts at once; after a failure, podid starts no new one
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    max_parallel: u16,
    /// Do not read the logs of the new pods, and do not include log lines in errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid migrate run carts/carts --dry-run
  podid migrate run carts/carts
  podid migrate run -n carts --max-parallel 1
  podid migrate run --all --install-agent --yes --timeout 1h -o json";

/// The service accounts, by what becomes of them.
struct Sorted<'a> {
    /// Those that move.
    going: Vec<&'a Candidate>,
    /// Those that have moved already.
    moved: Vec<&'a Assessment>,
    /// Those that may not.
    held: Vec<Held<'a>>,
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let accounts = self.selection.read(ctx, Of::Run(self.read_secrets)).await?;
        select::warn_of_bare(ctx, &accounts);
        let sorted = self.sorted(&accounts);
        for id in &self.accept {
            if let Some(account) = sorted.held.iter().map(|it| it.account).find(|it| it.rules_out_accepting(id)) {
                ctx.term.warn(format!("--accept {id} does not apply to {}: it would lose access", account.subject));
            }
        }
        held::settle(ctx, &accounts, &sorted.held, ("cannot be migrated", "not migrated"))?;
        let migrated = self.plan(ctx, &accounts, &sorted).await?;
        let whole = migrated.whole();
        for warning in &whole.warnings {
            ctx.term.warn(warning);
        }
        let consent = match (migrated.groups.is_empty(), accounts.sweeping()) {
            (true, _) => Confirmation::Nothing,
            (false, true) => Confirmation::TypeClusterName,
            (false, false) => Confirmation::Changes,
        };
        if migrated.groups.is_empty() {
            nothing(ctx, &accounts, &sorted);
        } else if whole.is_empty() {
            ctx.term.status("nothing to change: restarts that are in progress are watched");
        } else {
            shared::show_plan_for(ctx, &whole, &self.changing, consent).await?;
        }
        if self.changing.dry_run {
            let ending = Ending { outcome: Outcome::planned(&whole.steps), ..Ending::default() };
            render(ctx, &sorted, &ending)?;
            return Ok(match shared::dry_run_code(&self.changing, &whole) {
                Code::Ok if !sorted.held.is_empty() => Code::Difference,
                code => code,
            });
        }
        if !whole.is_empty() {
            shared::consent(ctx, &self.changing, consent).await?;
        }
        let mut ending = Ending::default();
        let pace = Pace { parallel: usize::from(self.max_parallel), logs: !self.no_logs, spread: whole.spread() };
        let done = carry::carry_out(ctx, &sorted.going, &migrated, pace, &mut ending).await;
        render(ctx, &sorted, &ending)?;
        match done {
            Ok(()) => {
                next(ctx, &accounts, &migrated, &ending);
                Ok(if sorted.held.is_empty() { Code::Ok } else { Code::Difference })
            }
            Err(failure) => Err(failed(ctx, failure, &ending)),
        }
    }

    fn sorted<'a>(&self, accounts: &'a Accounts) -> Sorted<'a> {
        let mut sorted = Sorted { going: Vec::new(), moved: Vec::new(), held: Vec::new() };
        for (account, candidate) in accounts.each() {
            let findings = account.held_by(&self.accept, self.install_agent);
            if account.moved() {
                sorted.moved.push(account);
            } else if findings.is_empty() {
                sorted.going.push(candidate);
            } else {
                sorted.held.push(Held::by(account, &findings, accounts));
            }
        }
        sorted
    }

    async fn plan(&self, ctx: &Context, accounts: &Accounts, sorted: &Sorted<'_>) -> Result<Migrated> {
        let lacks = |candidate: &&Candidate| match &candidate.snapshot.cluster.agent {
            Observed::Known(state) => !state.installed(),
            _ => true,
        };
        let version = if self.install_agent && sorted.going.iter().any(lacks) {
            Some(shared::agent_version(ctx, None).await?)
        } else {
            None
        };
        let ask = Migrate { cluster: accounts.cluster(), candidates: &sorted.going, install_agent: version.as_deref() };
        plan::migrate(&ask).map_err(shared::refused)
    }
}

/// A failure with the ways from it: on, and back.
fn failed(ctx: &Context, failure: Failure, ending: &Ending) -> Failure {
    let failure = execute::after_write(failure, ending.outcome.wrote());
    if ending.begun.is_empty() {
        return failure;
    }
    let cluster = ctx.target().map(|target| target.cluster.value.clone()).unwrap_or_default();
    let names: Vec<String> = ending.begun.iter().map(ToString::to_string).collect();
    failure.hint(format!("to go back to IRSA: `podid migrate rollback {} --cluster {cluster}`", names.join(" ")))
}

fn nothing(ctx: &Context, accounts: &Accounts, sorted: &Sorted<'_>) {
    ctx.term.status(match (&sorted.moved[..], sorted.going.is_empty()) {
        _ if accounts.all.is_empty() => {
            format!("nothing to migrate: no service account that was selected has the annotation {ROLE_ARN}")
        }
        ([], true) => "nothing to migrate: no service account is ready".to_owned(),
        ([one], true) => format!("nothing to migrate: {} uses Pod Identity already", one.subject),
        (moved, true) => format!("nothing to migrate: {} service accounts use Pod Identity already", moved.len()),
        (_, false) => {
            "nothing to change: the service accounts are associated, and no pod has to be restarted".to_owned()
        }
    });
}

/// How it goes on, and back.
fn next(ctx: &Context, accounts: &Accounts, migrated: &Migrated, ending: &Ending) {
    if migrated.groups.is_empty() {
        return;
    }
    let subjects: Vec<&ServiceAccount> = migrated.groups.iter().flat_map(|group| &group.subjects).collect();
    let words = select::words(&subjects, &accounts.patterns);
    let cluster = &accounts.cluster().name;
    if !ending.stale.is_empty() {
        ctx.term.hint("the association keeps both ways open: pods that were not restarted go on with IRSA");
    }
    ctx.term.hint(format!("to go back: `podid migrate rollback {words} --cluster {cluster}`"));
    ctx.term.hint(format!("when you no longer want to go back: `podid migrate finish {words} --cluster {cluster}`"));
}

fn render(ctx: &Context, sorted: &Sorted<'_>, ending: &Ending) -> Result<()> {
    let mut value = shared::steps_json(&ending.outcome);
    // A step's own id is unique within the plan of one service account only.
    if let Some(steps) = value["steps"].as_array_mut() {
        for (step, report) in steps.iter_mut().zip(&ending.outcome.reports) {
            step["id"] = json!(id(report));
        }
    }
    let going = sorted.going.iter().map(|candidate| {
        let subject = &candidate.snapshot.subject;
        let result = match ending.ended.get(subject) {
            Some(Ok(())) if ending.partly.contains(subject) => "partly",
            Some(Ok(())) => "moved",
            Some(Err(())) => "failed",
            None if ending.outcome.reports.iter().all(|report| report.status == Status::Planned) => "planned",
            None => "not-started",
        };
        let effective = ending.effective.get(subject);
        let mut one = held::account(subject, &candidate.annotation.role, result);
        one["effective"] = json!(effective.map(|it| it.effect));
        one["effectiveHow"] = json!(effective.map(|it| &it.how));
        one["proof"] = json!(ending.proofs.get(subject));
        one
    });
    let moved = sorted.moved.iter().map(|it| held::account(&it.subject, &it.role_arn, "already-moved"));
    let held = sorted.held.iter().map(Held::json);
    let all: Vec<Value> = going.chain(moved).chain(held).collect();
    value["serviceAccounts"] = json!(all);
    value["rollouts"] = recycle::rollouts_json(&ending.rollouts);
    value["stalePods"] = json!(ending.stale);
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => {
            let planned = |it: &&&Candidate| match ending.ended.get(&it.snapshot.subject) {
                Some(result) => result.is_ok(),
                None => !ending.outcome.wrote(),
            };
            for candidate in sorted.going.iter().filter(planned) {
                ctx.term.emit_line(&candidate.snapshot.subject)?;
            }
            Ok(())
        }
        Format::Table | Format::Wide => Ok(()),
    }
}

fn id(report: &Report) -> String {
    match &report.step {
        Step::PutTrust { role, .. } => format!("role/{role}/{}", report.step.id()),
        Step::Restart { .. } | Step::InstallAgent { .. } => report.step.id(),
        step => format!("association/{}/{}", step.resource(), step.id()),
    }
}
