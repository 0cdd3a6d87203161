//! What commands about the account's roles do alike: a plan for one role, shown, asked about, carried out and rendered.
//! A cluster is not needed for it.

use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{
    args::Changing,
    commands::shared,
    context::Context,
    execute::{self, Outcome, Ports},
    failure::{Code, Failure, Result},
    model::{
        arn::{Arn, RoleRef},
        role::Role,
        text,
    },
    output::{Format, prompt},
    plan::Plan,
};

/// The role that was asked for, if it is what its ARN says.
///
/// # Errors
/// When there is none of that name (with near names), or it has another ARN.
pub async fn found<'a>(ctx: &Context, asked: &RoleRef, role: Option<&'a Role>) -> Result<&'a Role> {
    let Some(role) = role else { return Err(with_near_roles(ctx, missing(asked), asked.name()).await) };
    match asked {
        RoleRef::Arn(arn) if *arn != role.arn => Err(elsewhere(arn, &role.arn)),
        _ => Ok(role),
    }
}

/// There is no such role.
fn missing(asked: &RoleRef) -> Failure {
    Failure::failed(format!("no role `{}` in this account", asked.name()))
        .hint("list the roles that trust Pod Identity: `podid role list`")
}

/// A failure about a role that does not exist, with names like its own as the first hint. Not being able to list roles only leaves
/// it without them.
pub async fn with_near_roles(ctx: &Context, mut failure: Failure, name: &str) -> Failure {
    let Ok(iam) = ctx.iam() else { return failure };
    let read = iam.roles().try_concat();
    if let Ok(roles) = ctx.deadline.within("listing roles with names like this", read).await {
        let near = text::nearest(name, roles.iter().map(|role| role.name.as_str()));
        if let Some(question) = text::meant(&near) {
            failure.hints.insert(0, question);
        }
    }
    failure
}

/// The caller's account has another role of that name.
pub fn elsewhere(asked: &Arn, found: &Arn) -> Failure {
    if asked.account != found.account || asked.partition != found.partition {
        return Failure::usage(format!("{asked} is not in the account of the AWS credentials ({})", found.account))
            .hint("pass the profile of that account with `--profile`");
    }
    Failure::usage(format!("the role of that name is {found}, not {asked}"))
}

/// Shows a plan for a role, or says `nothing`, asks, carries it out, and renders what came of it.
///
/// # Errors
/// What failed, with its exit code.
pub async fn carry_out(ctx: &Context, arn: &Arn, plan: Plan, changing: &Changing, nothing: &str) -> Result<Code> {
    for warning in &plan.warnings {
        ctx.term.warn(warning);
    }
    if plan.is_empty() && !nothing.is_empty() {
        ctx.term.status(nothing);
    }
    if !plan.steps.is_empty() {
        let title = format!("Plan for role {} ({})", arn.name(), arn.account);
        ctx.term.plan_steps(&[(&title, &plan.steps)], changing.dry_run || !changing.yes)?;
    }
    if changing.dry_run {
        render(ctx, arn, &Outcome::planned(&plan.steps))?;
        return Ok(shared::dry_run_code(changing, &plan));
    }
    if !plan.steps.is_empty() {
        consent(ctx, arn, changing).await?;
    }
    finish(ctx, arn, plan).await
}

/// Carries a plan out that was agreed to, and renders what came of it.
///
/// # Errors
/// What failed, with its exit code.
pub async fn finish(ctx: &Context, arn: &Arn, plan: Plan) -> Result<Code> {
    let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube: None };
    let outcome = execute::run(&ports, &ctx.deadline, plan.steps, |report| shared::report_step(ctx, report)).await;
    render(ctx, arn, &outcome)?;
    match outcome.failure() {
        Some(failure) => Err(execute::after_write(failure.clone(), outcome.wrote())),
        None => Ok(Code::Ok),
    }
}

/// A role may serve others than the caller has in mind: every change of it is asked about.
async fn consent(ctx: &Context, arn: &Arn, changing: &Changing) -> Result<()> {
    if changing.yes {
        return Ok(());
    }
    let place = format!("role {} of account {} (from the AWS credentials)", arn.name(), arn.account);
    if !ctx.term.can_prompt() {
        return Err(Failure::usage("confirmation required: this changes a role, and there is no terminal to ask on")
            .because(place)
            .hint("check the plan with `--dry-run`, then pass `--yes`"));
    }
    let question = format!("Apply this to {place}?");
    if ctx.deadline.excluding_user_time(prompt::Answer::ask(&ctx.term, &question)).await?.given() {
        Ok(())
    } else {
        Err(Failure::usage("not confirmed; nothing was changed"))
    }
}

/// Renders what came of a plan for a role.
///
/// # Errors
/// When standard output cannot be written to.
pub fn render(ctx: &Context, arn: &Arn, outcome: &Outcome) -> Result<()> {
    let mut value = shared::steps_json(outcome);
    if let Value::Object(map) = &mut value {
        map.insert("roleName".to_owned(), json!(arn.name()));
        map.insert("roleArn".to_owned(), json!(arn));
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        Format::Name => ctx.term.emit_line(arn.name()),
        Format::Table | Format::Wide => Ok(()),
    }
}
