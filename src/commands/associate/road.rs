//! The road from a Want and a Have to a proved outcome: plan, consent, execute, effective, recycle, render.

use serde_json::{Value, json};

use crate::{
    args::Changing,
    commands::{
        account, addon, agent,
        recycle::{self, Pace, Rollout},
        shared::{self, Confirmation},
    },
    context::Context,
    execute::{self, Outcome, Ports, Report},
    explain,
    failure::{Code, Failure, Result},
    model::{
        addon::{Addon, OwningAddon},
        association::Association,
        have::{Have, Observed},
        manifest::{ClusterState, RoleState, export},
        policy::same_meaning,
        staleness,
        trust::target,
        want::{Field, Want},
        workload::Pod,
    },
    observe::{self, SubjectView},
    output::Format,
    plan::{self, Plan, Step},
    prove::{
        self,
        effective::{Change, Effect, Effective},
    },
};

/// What is proved after the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof {
    /// False: the AWS part only.
    pub wait: bool,
    /// Show the application's log lines.
    pub logs: bool,
}

/// What the command came to.
#[derive(Default)]
struct Ending {
    outcome: Outcome,
    association: Option<Association>,
    /// The add-on that owns the association, as it is after the plan.
    addon: Option<Addon>,
    effective: Option<Effective>,
    rollouts: Vec<Rollout>,
    stale: Vec<String>,
    /// Statements that the target role's trust policy needs.
    target_trust: Vec<Value>,
}

/// Plans, asks, carries out and proves one association.
///
/// # Errors
/// What failed, with its exit code.
pub(super) async fn associate(
    ctx: &Context,
    want: &Want,
    have: &Have,
    changing: &Changing,
    proof: Proof,
) -> Result<Code> {
    let mut plan = match plan::associate(want, have) {
        Ok(plan) => plan,
        Err(refusal) if have.role == Observed::Known(None) && !want.role.create => {
            return Err(account::with_near_roles(ctx, shared::refused(refusal), want.role.role.name()).await);
        }
        Err(refusal) => return Err(shared::refused(refusal)),
    };
    shared::check_attached(ctx, &mut plan).await?;
    for warning in &plan.warnings {
        ctx.term.warn(warning);
    }
    if plan.steps.is_empty() {
        ctx.term.status(format!("{} is already associated as requested: nothing to change", want.subject));
    } else {
        shared::show_plan(ctx, &plan, changing).await?;
    }
    let present = have.association.known().and_then(Clone::clone);
    if changing.dry_run {
        let mut ending = Ending { outcome: Outcome::planned(&plan.steps), association: present, ..Ending::default() };
        target_trust(ctx, want, have, &mut ending);
        if ctx.term.format() == Format::Yaml && want.addon.is_none() {
            file(ctx, want, have, &plan.steps)?;
        } else {
            render(ctx, want, &ending)?;
        }
        return Ok(shared::dry_run_code(changing, &plan));
    }
    shared::consent(ctx, changing, Confirmation::of(&plan)).await?;
    let mut ending = Ending::default();
    let proved = carry_out(ctx, want, have, plan, proof, present, &mut ending).await;
    render(ctx, want, &ending)?;
    match proved {
        Ok(()) => match ending.effective.as_ref().and_then(|effective| effective.failure(&want.subject)) {
            // All steps are done: this is no half of a plan.
            Some(failure) if failure.code == Code::TimedOut => Err(failure),
            Some(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
            None => Ok(Code::Ok),
        },
        Err(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
    }
}

async fn carry_out(
    ctx: &Context,
    want: &Want,
    have: &Have,
    plan: Plan,
    proof: Proof,
    present: Option<Association>,
    ending: &mut Ending,
) -> Result<()> {
    let kube = if proof.wait { Some(ctx.kube().await?) } else { None };
    let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube };
    let change = change(&plan.steps);
    // The agent first, and proved: a pod that was injected where no agent answers gets no credentials at all.
    let (agent_first, rest): (Vec<Step>, Vec<Step>) =
        plan.steps.into_iter().partition(|step| matches!(step, Step::InstallAgent { .. }));
    ending.association = present;
    ending.outcome = execute::run(&ports, &ctx.deadline, agent_first, |report| shared::report_step(ctx, report)).await;
    let installed = match (ending.outcome.failure(), &have.agent) {
        (Some(failure), _) => Err(failure.clone()),
        (None, Observed::Known(state)) if proof.wait && want.install_agent.is_some() => {
            let installed = ending.outcome.reports.iter().any(|r| matches!(r.step, Step::InstallAgent { .. }));
            // Where its pods run or could run; without any yet, everywhere.
            let only = have.pods.known().zip(have.workloads.known()).and_then(|(pods, all)| state.nodes_for(pods, all));
            agent::settle(ctx, state.clone(), installed, only.as_ref()).await.map(|_| ())
        }
        (None, _) => Ok(()),
    };
    if let Err(failure) = installed {
        ending.outcome.add(Outcome::not_started(rest));
        return Err(failure);
    }
    let outcome = execute::run(&ports, &ctx.deadline, rest, |report| shared::report_step(ctx, report)).await;
    ending.outcome.add(outcome);
    ending.association = ending.outcome.association.clone().or(ending.association.take());
    if let Some(failure) = ending.outcome.failure() {
        return Err(addressed(failure.clone(), want));
    }
    if let Some(owning) = &want.addon {
        let settled = addon::settle(ctx, &owning.addon, &ending.outcome).await?;
        if let Some((addon, associations)) = settled {
            left_irsa(ctx, owning, &addon);
            ending.association = associations.into_iter().find(|a| a.summary.subject == want.subject);
            ending.addon = Some(addon);
        }
    }
    let Some(association) = ending.association.clone() else {
        return Err(Failure::failed(format!("the association of {} was not created", want.subject)));
    };
    if let (Field::Set(_), true, None) = (&want.target_role, association.disable_session_tags, &association.external_id)
    {
        // The external id is read back, never built.
        let read = ctx.eks()?.association(&association.summary.cluster_name, &association.summary.association_id);
        ending.association = ctx.deadline.within("reading the association's external id", read).await?;
    }
    target_trust(ctx, want, have, ending);
    let Some(kube) = kube else {
        if change != Change::Nothing {
            ctx.term.hint(format!(
                "new pods get credentials within a few seconds; check them with `podid show {}`",
                want.subject
            ));
        }
        return Ok(());
    };
    let unusable = have.service_account.known().and_then(|state| state.unusable(&want.subject));
    if let Some(how) = unusable.filter(|_| !created(&ending.outcome)) {
        ctx.term.warn(&how);
        ending.effective = Some(Effective { effect: Effect::No, how });
        return Ok(());
    }
    let line = ctx.term.progress(want.subject.to_string());
    let pods = have.pods.known().map(Vec::as_slice);
    // With nothing written and nothing waited for, what was read a moment ago still holds.
    let fresh = ending.outcome.reports.is_empty()
        && pods.is_some_and(|pods| prove::effective::already_proved(&association, change, pods));
    let proved = prove::effective::prove(kube, &ctx.deadline, &line, &want.subject, &association, change, pods).await;
    let effective = match proved {
        Ok(effective) => effective,
        Err(failure) => {
            line.clear();
            return Err(failure);
        }
    };
    let works = matches!(effective.effect, Effect::Observed | Effect::Assumed);
    // One that was installed was waited for.
    let effective = if want.install_agent.is_some() {
        effective
    } else {
        effective.served(&have.agent, &have.pods, &have.workloads)
    };
    effective.end(&line);
    ending.effective = Some(effective);
    if !works {
        return Ok(());
    }
    let view = if fresh {
        SubjectView {
            service_account: have.service_account.clone(),
            pods: have.pods.clone(),
            workloads: have.workloads.clone(),
        }
    } else {
        let users = observe::users(kube, &want.subject);
        let (pods, workloads) = ctx.deadline.within("reading the workloads and pods", users).await?;
        SubjectView { service_account: Observed::NotRequested, pods, workloads }
    };
    freshen(ctx, want, &association, &view, ending, proof).await
}

/// What became of the role of IRSA that the pods were to leave: reports of what EKS does with it differ.
fn left_irsa(ctx: &Context, owning: &OwningAddon, now: &Addon) {
    let Some(before) = owning.addon.service_account_role.as_deref().filter(|_| owning.replace_irsa) else { return };
    ctx.term.note(match &now.service_account_role {
        Some(still) => {
            format!("add-on `{}` still names the IRSA role {still}: the association takes precedence", now.name)
        }
        None => format!("EKS detached the IRSA role {before} from add-on `{}`", now.name),
    });
}

/// The service account was created, and is there now.
fn created(outcome: &Outcome) -> bool {
    outcome.reports.iter().any(|report| matches!(report.step, Step::CreateServiceAccount { .. }))
}

/// Restarts what is stale, or says what is.
async fn freshen(
    ctx: &Context,
    want: &Want,
    association: &Association,
    view: &SubjectView,
    ending: &mut Ending,
    proof: Proof,
) -> Result<()> {
    let (Observed::Known(pods), Observed::Known(workloads)) = (&view.pods, &view.workloads) else {
        let why = view.pods.unreadable().or(view.workloads.unreadable()).unwrap_or("they were not read");
        ctx.term.warn(format!("cannot check whether pods need a restart: {why}"));
        return Ok(());
    };
    if !want.recycle {
        say_stale(ctx, want, association, pods, ending);
        return Ok(());
    }
    // What was planned before the writes is decided anew: a pod may have been replaced meanwhile.
    let ask = plan::Recycle {
        subject: &want.subject,
        workloads,
        only: &[],
        pods,
        association: Some(association),
        agent: &Observed::NotRequested,
        stale_only: true,
        allow_missing_agent: true,
    };
    let mut due = plan::recycle(&ask).map_err(shared::refused)?;
    let last_write = ending.outcome.last_write;
    let is_restart = |report: &Report| matches!(report.step, Step::Restart { .. });
    let planned: Vec<String> = ending.outcome.reports.iter().filter(|r| is_restart(r)).map(|r| r.step.id()).collect();
    ending.outcome.reports.retain(|r| !is_restart(r));
    // Only what was shown is restarted.
    due.steps.retain(|step| {
        let shown = planned.contains(&step.id());
        if !shown {
            ctx.term.warn(format!("{} also needs a restart, but was not in the plan: not restarted", step.resource()));
            ctx.term.hint(format!("restart it with `podid recycle {}`", want.subject));
        }
        shown
    });
    let begun = due.steps.clone();
    let pace = Pace::usual(proof.logs);
    let carried = recycle::carry_out(ctx, &want.subject, workloads, due, last_write, Some(association), pace).await;
    let (reports, rollouts) = carried.inspect_err(|_| {
        ending.outcome.add(Outcome::not_started(begun));
    })?;
    let restarted = !reports.is_empty() || !rollouts.is_empty();
    ending.outcome.reports.extend(reports);
    ending.rollouts = rollouts;
    recycle::verdict(&ending.rollouts, &ending.outcome)?;
    // What the restarts did not reach is named.
    let kube = ctx.kube().await?;
    let left;
    let left = if restarted {
        left = ctx.deadline.within("reading the pods", kube.pods(&want.subject)).await?;
        &left
    } else {
        pods
    };
    say_stale(ctx, want, association, left, ending);
    Ok(())
}

fn say_stale(ctx: &Context, want: &Want, association: &Association, pods: &[Pod], ending: &mut Ending) {
    let stale: Vec<&Pod> = pods.iter().filter(|p| p.live() && staleness::stale(p, association).is_some()).collect();
    ending.stale = stale.iter().map(|p| p.name.clone()).collect();
    if ending.stale.is_empty() {
        return;
    }
    ctx.term.warn(shared::stale_pods(&stale, None));
    // Those that a restart does not reach were named before it, with what to do.
    if !want.recycle {
        ctx.term.hint(format!("restart them with `podid recycle {}`", want.subject));
    }
}

/// What the target role has to trust: said unless it does already, or is made to.
fn target_trust(ctx: &Context, want: &Want, have: &Have, ending: &mut Ending) {
    let Field::Set(target_arn) = &want.target_role else { return };
    let association = ending.association.as_ref();
    let planned = ending.outcome.reports.iter().find_map(|report| match &report.step {
        Step::CreateAssociation { association, .. } => {
            Some((association.spec.role_arn.clone(), association.spec.disable_session_tags))
        }
        _ => None,
    });
    let Some((primary, off)) = association.map(|a| (a.role_arn.clone(), a.disable_session_tags)).or(planned) else {
        return;
    };
    let Ok(primary) = primary.parse() else { return };
    let link = target::Link {
        cluster: &want.cluster,
        subject: &want.subject,
        primary: &primary,
        session_tags: !off,
        external_id: association.and_then(|a| a.external_id.as_deref()),
    };
    ending.target_trust = target::target_statements(&link);
    let trusted = have.target.known().and_then(Option::as_ref).is_some_and(|role| {
        target::with_target(&role.trust, &ending.target_trust).is_ok_and(|after| same_meaning(&role.trust, &after))
    });
    let written = ending.outcome.reports.iter().any(|report| matches!(report.step, Step::PutTargetTrust { .. }));
    if !trusted && !written {
        shared::tell_target_trust(ctx, &target_arn.to_string(), &ending.target_trust);
    }
}

/// The explanations' commands for this service account and role.
fn addressed(failure: Failure, want: &Want) -> Failure {
    let role = want.role.role.name();
    explain::addressed(failure, &[("NS/SA", &want.subject.to_string()), ("ROLE", role)])
}

/// What the plan does to the association.
fn change(steps: &[Step]) -> Change {
    let mut change = Change::Nothing;
    for step in steps {
        match step {
            Step::CreateAssociation { .. } => change = Change::Created,
            Step::UpdateAddon(step) if step.before.is_none() => change = Change::Created,
            Step::UpdateAssociation { .. } | Step::ReplaceAssociation { .. } | Step::UpdateAddon(_) => {
                change = Change::Updated;
            }
            _ => {}
        }
    }
    change
}

/// What is there after the plan, as a file that `apply` takes: the way from one command to a file in git.
fn file(ctx: &Context, want: &Want, have: &Have, steps: &[Step]) -> Result<()> {
    let mut held = ClusterState::default();
    held.associations.extend(have.association.known().cloned().flatten().map(|a| (want.subject.clone(), a)));
    let (role, attached, inline) = (have.role.clone(), have.attached.clone(), have.inline.clone());
    held.roles.insert(want.role.role.name().to_owned(), RoleState { role, attached, inline });
    let held = plan::simulate(held, steps);
    let (manifest, notes) = export(&want.cluster, &held);
    for note in notes {
        ctx.term.warn(note);
    }
    let role = &want.role;
    let policies = [
        role.tables.is_empty(),
        role.grants.is_empty(),
        role.add_ons.is_empty(),
        role.policy_arns.is_empty(),
        role.policy_files.is_empty(),
    ] != [true; 5];
    if policies && manifest.roles.is_empty() {
        let name = want.role.role.name();
        ctx.term.warn(format!("the manifest omits the policies of role `{name}`: podid did not create it"));
    }
    ctx.term.emit_yaml(&manifest)
}

fn render(ctx: &Context, want: &Want, ending: &Ending) -> Result<()> {
    let mut value = shared::steps_json(&ending.outcome);
    if let Value::Object(map) = &mut value {
        map.insert("association".to_owned(), json!(ending.association));
        if want.addon.is_some() {
            map.insert("addon".to_owned(), json!(ending.addon));
        }
        map.insert("effective".to_owned(), json!(ending.effective.as_ref().map(|e| e.effect)));
        map.insert("effectiveHow".to_owned(), json!(ending.effective.as_ref().map(|e| &e.how)));
        map.insert("rollouts".to_owned(), recycle::rollouts_json(&ending.rollouts));
        map.insert("stalePods".to_owned(), json!(ending.stale));
        if !ending.target_trust.is_empty() {
            map.insert("targetTrust".to_owned(), json!(ending.target_trust));
        }
    }
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&value),
        Format::Yaml => ctx.term.emit_yaml(&value),
        // What is not so yet is not named.
        Format::Name if ending.outcome.associated() => ctx.term.emit_line(&want.subject),
        Format::Name | Format::Table | Format::Wide => Ok(()),
    }
}
