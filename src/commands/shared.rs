//! What several commands do alike: showing a plan, asking for consent, telling of steps, choosing the agent's version.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

pub use crate::model::text::count;
use crate::{
    args::Changing,
    context::Context,
    execute::{Outcome, Report, Status},
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, default_version},
        have::Observed,
        names::ServiceAccount,
        text::listed,
        workload::{Injection, Pod},
    },
    observe,
    output::{mask, prompt, styles::Glyph},
    plan::{Plan, Refusal, Step},
    settings::{Origin, Target},
};

/// What a plan asks of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Nothing to do.
    Nothing,
    /// Only creates, and restarts of the one service account that was named.
    Creates,
    /// Something that exists changes.
    Changes,
    /// More than was named one by one, or a role's end: asked by having the cluster's name typed, wherever that came from.
    TypeClusterName,
}

impl Confirmation {
    /// What a plan for one named service account asks for.
    pub fn of(plan: &Plan) -> Self {
        if plan.steps.is_empty() {
            return Self::Nothing;
        }
        if plan.changes() { Self::Changes } else { Self::Creates }
    }
}

/// Refuses a plan that attaches a managed policy that does not exist: IAM would say so in the middle of it. Where podid may not
/// ask, that becomes a warning of the plan.
///
/// # Errors
/// Usage, naming the policies that do not exist.
pub async fn check_attached(ctx: &Context, plan: &mut Plan) -> Result<()> {
    let attached = plan.steps.iter().filter_map(|step| match step {
        Step::AttachPolicy { policy_arn, .. } => Some(policy_arn.clone()),
        _ => None,
    });
    let arns: Vec<String> = attached.collect();
    if arns.is_empty() {
        return Ok(());
    }
    let read = observe::existing_policies(ctx.iam()?, &arns);
    let found = ctx.deadline.within("reading the managed policies", read).await?;
    let mut missing = Vec::new();
    for (arn, exists) in arns.into_iter().zip(found) {
        match exists {
            Observed::Known(false) => missing.push(arn),
            Observed::Unreadable(why) => plan.warnings.push(format!("managed policy {arn} not checked: {why}")),
            Observed::Known(true) | Observed::NotRequested => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let (s, verb) = if missing.len() == 1 { ("y", "does") } else { ("ies", "do") };
    Err(Failure::usage(format!("managed polic{s} {} {verb} not exist", listed(&missing, 4)))
        .hint("list those of AWS and of the account with `aws iam list-policies`; the path is part of an ARN"))
}

/// Prints a line for each row that is not as it was, and for each that is gone; rows by their names.
///
/// # Errors
/// When stdout cannot be written.
pub fn emit_changes(ctx: &Context, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<()> {
    for (name, row) in new.iter().filter(|(name, row)| old.get(*name) != Some(*row)) {
        ctx.term.emit_line(mask::visible(&format!("{name}\t{row}")))?;
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        ctx.term.emit_line(mask::visible(&format!("{name}\tgone\t")))?;
    }
    Ok(())
}

/// The plan on stderr, with the cluster it is for.
///
/// # Errors
/// When the cluster cannot be read.
pub async fn show_plan(ctx: &Context, plan: &Plan, changing: &Changing) -> Result<()> {
    show_plan_for(ctx, plan, changing, Confirmation::of(plan)).await
}

/// The same for a command that asks for another consent than the plan alone tells.
///
/// # Errors
/// As [`show_plan`].
pub async fn show_plan_for(ctx: &Context, plan: &Plan, changing: &Changing, consent: Confirmation) -> Result<()> {
    let title = plan_title(ctx).await?;
    let asked = is_read(ctx, changing, consent)?;
    ctx.term.plan_steps(&[(&title, &plan.steps)], asked)
}

/// Whether the plan is shown even to who wants quiet: nobody says yes to what they did not see, and a dry run is there to be seen.
///
/// # Errors
/// When no cluster is named.
pub fn is_read(ctx: &Context, changing: &Changing, consent: Confirmation) -> Result<bool> {
    Ok(changing.dry_run || !changing.yes && asks(ctx.target()?, consent))
}

/// What stands above a plan.
///
/// # Errors
/// When the cluster cannot be read.
pub async fn plan_title(ctx: &Context) -> Result<String> {
    let cluster = ctx.cluster().await?;
    Ok(format!("Plan for cluster {} ({}, {})", cluster.name, cluster.arn.account, cluster.arn.region))
}

/// Asks where asking is due; refuses where nobody can be asked.
///
/// # Errors
/// Usage, when the answer is no or nobody can answer.
pub async fn consent(ctx: &Context, changing: &Changing, consent: Confirmation) -> Result<()> {
    let target = ctx.target()?;
    if !asks(target, consent) || changing.yes {
        return Ok(());
    }
    let cluster = ctx.cluster().await?;
    let region = target.region.as_ref().map_or(Origin::Aws, |region| region.from.clone()).to_string();
    let account = target.account.as_ref().map_or("from the AWS credentials".to_owned(), |a| a.from.to_string());
    let from = target.cluster.from.to_string();
    // A kube context gives all three: it is named once, at the end.
    let one = account == from && region == from;
    let place = format!(
        "cluster {}{}, account {}{}, region {}{}",
        cluster.name,
        if one { String::new() } else { format!(" ({from})") },
        cluster.arn.account,
        if one { String::new() } else { format!(" ({account})") },
        cluster.arn.region,
        if one { format!(" (all {from})") } else { format!(" ({region})") },
    );
    if !ctx.term.can_prompt() {
        let why = match consent {
            Confirmation::Changes => "this changes existing resources",
            Confirmation::TypeClusterName => {
                "this deletes a role, or changes more than the service accounts named one by one"
            }
            Confirmation::Creates | Confirmation::Nothing => "the cluster was taken from the kube context",
        };
        return Err(Failure::usage(format!("confirmation required: {why}, and there is no terminal to ask on"))
            .because(place)
            .hint("check the plan with `--dry-run`, then pass `--yes`"));
    }
    let answer = async {
        if consent == Confirmation::TypeClusterName {
            ctx.term.status(format!("This applies to {place}."));
            prompt::Answer::type_name(&ctx.term, "cluster name", &cluster.name).await
        } else {
            prompt::Answer::ask(&ctx.term, &format!("Apply this to {place}?")).await
        }
    };
    // Thinking is not counted: the deadline is podid's own.
    let answered = ctx.deadline.excluding_user_time(answer).await?.given();
    if answered { Ok(()) } else { Err(Failure::usage("not confirmed; nothing was changed")) }
}

/// Whether a plan of this kind is asked about.
pub fn asks(target: &Target, consent: Confirmation) -> bool {
    match consent {
        Confirmation::Nothing => false,
        Confirmation::Creates => !target.named(),
        Confirmation::Changes | Confirmation::TypeClusterName => true,
    }
}

/// Tells of a step that ended.
pub fn report_step(ctx: &Context, report: &Report) {
    match report.status {
        Status::Done => ctx.term.success(report.step.done()),
        Status::Skipped => ctx.term.success(format!("{} (already done)", report.step.done())),
        Status::Failed => ctx.term.marked(Glyph::Failed, format!("could not {}", report.step.describe())),
        Status::Unknown => ctx.term.warn(format!("outcome unknown: {}", report.step.describe())),
        Status::Planned | Status::NotStarted => {}
    }
}

/// Running pods that do not act under their association, in one line; `of` says whose they are.
pub fn stale_pods(stale: &[&Pod], of: Option<&ServiceAccount>) -> String {
    let names: Vec<&str> = stale.iter().map(|pod| pod.name.as_str()).collect();
    let are = if stale.len() == 1 { "is" } else { "are" };
    let how = if stale.iter().all(|pod| pod.injection() == Injection::Injected) {
        "started before the change".to_owned()
    } else {
        format!("{are} not injected yet")
    };
    let of = of.map(|subject| format!(" of {subject}")).unwrap_or_default();
    format!("{}{of} {how}: {}", count(stale.len(), "running pod"), listed(&names, 3))
}

/// What a target role has to trust, for the owner of its trust policy.
pub fn tell_target_trust(ctx: &Context, target_arn: &str, statements: &[Value]) {
    let statements: Vec<String> =
        statements.iter().map(|statement| serde_json::to_string_pretty(statement).unwrap_or_default()).collect();
    ctx.term.note(format!("add these statements to the trust policy of {target_arn}:\n{}", statements.join(",\n")));
}

/// Exit code of a dry run.
pub fn dry_run_code(changing: &Changing, plan: &Plan) -> Code {
    if changing.exit_code && !plan.steps.is_empty() { Code::Difference } else { Code::Ok }
}

/// A step, and how it ended
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepReport {
    /// Stable id of the step
    id: String,
    /// What is done
    action: &'static str,
    /// On what
    resource: String,
    /// How it ended
    status: Status,
    /// Why it failed, or null
    error: Option<String>,
}

/// The steps as `-o json` has them.
pub(crate) fn step_reports(outcome: &Outcome) -> Vec<StepReport> {
    let of = |report: &Report| StepReport {
        id: report.step.id(),
        action: report.step.action(),
        resource: report.step.resource(),
        status: report.status,
        error: report.failure.as_ref().map(ToString::to_string),
    };
    outcome.reports.iter().map(of).collect()
}

/// `{"steps":[…]}`.
pub fn steps_json(outcome: &Outcome) -> Value {
    json!({ "steps": step_reports(outcome) })
}

/// What kept a command that only reads from asking Kubernetes: the rest is reported without it. `hints`: whether to print them.
///
/// # Errors
/// The same failure, where it ends the command: a signal, the time limit, a wrong usage.
pub async fn without_kubernetes(ctx: &Context, failure: Failure, hints: bool) -> Result<Failure> {
    if failure.code.signalled() || matches!(failure.code, Code::TimedOut | Code::Usage) {
        return Err(failure);
    }
    let failure = ctx.explain_kube(failure, false).await;
    for hint in failure.hints.iter().filter(|_| hints) {
        ctx.term.hint(hint);
    }
    Ok(failure)
}

/// A report that lacks something it needs. Where that was denied, the hint tells what permissions `command` requires.
pub fn incomplete(command: &str, what: &str, reasons: &[String], code: Code) -> Failure {
    let failure = Failure::new(code, format!("incomplete: {what}")).because(reasons.join("; "));
    if code != Code::Denied {
        return failure;
    }
    failure.hint(format!(
        "list the required permissions: `podid iam-policy {command}` and `podid iam-policy {command} --rbac`"
    ))
}

/// What an accepted incomplete report lacks.
pub fn warn_incomplete(ctx: &Context, reasons: &[String]) {
    ctx.term.warn(format!("incomplete, but --allow-incomplete is set: {}", reasons.join("; ")));
}

/// A refusal of the plan, as a failure.
pub fn refused(refusal: Refusal) -> Failure {
    let code = if refusal.denied { Code::Denied } else { Code::Usage };
    refusal.hints.into_iter().fold(Failure::new(code, refusal.message), Failure::hint)
}

/// The add-on version to install: the wanted one when EKS offers it for this cluster, else EKS's default.
///
/// # Errors
/// When there is no such version.
pub async fn agent_version(ctx: &Context, wanted: Option<&str>) -> Result<String> {
    let (cluster, eks) = (ctx.cluster().await?, ctx.eks()?);
    let versions =
        ctx.deadline.within("reading the add-on's versions", eks.addon_versions(AGENT, &cluster.version)).await?;
    let names = || versions.iter().map(|v| v.version.as_str()).take(5).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) if versions.iter().any(|v| v.version == wanted) => Ok(wanted.to_owned()),
        Some(wanted) => Err(Failure::usage(format!(
            "--version: {AGENT} has no version `{wanted}` for Kubernetes {}",
            cluster.version
        ))
        .hint(format!("the newest are: {}", names()))),
        None => default_version(&versions).map(|v| v.version.clone()).ok_or_else(|| {
            Failure::failed(format!("EKS has no version of {AGENT} for Kubernetes {}", cluster.version))
        }),
    }
}
