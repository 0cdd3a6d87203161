//! `podid disassociate`: deletes associations, podid's trust statements for them, and on request the roles that podid made.

use std::collections::BTreeMap;

use clap::Args;
use futures::{
    future::{join_all, try_join_all},
    stream::{self, StreamExt, TryStreamExt},
};
use serde_json::{Value, json};

use crate::{
    args::{AccountsArg, Changing},
    commands::{
        addon,
        recycle::{self, Pace, Rollout},
        shared::{self, Confirmation},
    },
    context::Context,
    execute::{self, Outcome, Ports, Status},
    failure::{Code, Failure, Result},
    model::{
        addon::OwningAddon,
        arn::last,
        cluster::Cluster,
        glob::{self, Pattern},
        have::Observed,
        names::ServiceAccount,
        role,
        role_users::{Usage, User},
        text,
    },
    observe::{self, CONCURRENCY, users::Search},
    output::Format,
    plan::{self, IdleRoles, Plan, RoleUse, Step, Target},
    prove::{self, effective::Effective},
};

/// Delete associations
///
/// podid also removes its own statement for the service account from the role's trust policy; other statements stay.
/// Running pods keep their credentials until these expire, or until they are restarted (--recycle).
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, mut_arg("subjects", |arg| arg.required(true)))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Disassociate {
    #[command(flatten)]
    subjects: AccountsArg,
    /// Also delete the role, if podid created it and nothing else uses it
    #[arg(long)]
    delete_role: bool,
    /// With --delete-role: delete the role even if podid could not check everything that may use it
    #[arg(long, requires = "delete_role")]
    force: bool,
    /// Restart the workloads whose pods still use the credentials, and watch the rollouts
    #[arg(long, conflicts_with = "no_wait")]
    recycle: bool,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
    #[arg(long)]
    no_wait: bool,
    /// Do not include the application's log lines in errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
    /// The add-on that owns the association, for `podid addon disassociate`.
    #[arg(skip)]
    addon: Option<Box<OwningAddon>>,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid disassociate carts/carts
  podid disassociate carts/carts --delete-role --recycle
  podid disassociate 'team-a/*' --dry-run";

/// What it came to.
#[derive(Default)]
pub(super) struct Ending {
    /// The writes.
    pub(super) outcome: Outcome,
    /// Whether new pods do without the association.
    pub(super) effective: Vec<(ServiceAccount, Effective)>,
    /// The restarts.
    pub(super) rollouts: Vec<Rollout>,
}

/// How associations are deleted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Removal<'a> {
    /// Kubernetes is asked about new pods.
    pub(super) kubernetes: bool,
    /// New pods have to use IRSA again before any is restarted.
    pub(super) irsa: bool,
    /// How the restarts are carried out.
    pub(super) pace: Pace,
    /// The add-on that owns the associations.
    pub(super) addon: Option<&'a OwningAddon>,
}

/// What `podid addon disassociate` asks for.
pub(super) struct Owned {
    /// Whose association.
    pub(super) subject: ServiceAccount,
    /// The add-on that owns it.
    pub(super) addon: OwningAddon,
    /// `--delete-role`.
    pub(super) delete_role: bool,
    /// `--force`.
    pub(super) force: bool,
    /// `--no-wait`.
    pub(super) no_wait: bool,
    /// What commands that change something take.
    pub(super) changing: Changing,
}

impl Disassociate {
    /// The same for an association that an add-on owns.
    pub(super) fn owned(ask: Owned) -> Self {
        Self {
            subjects: AccountsArg(vec![Pattern::from(&ask.subject)]),
            delete_role: ask.delete_role,
            force: ask.force,
            recycle: false,
            no_wait: ask.no_wait,
            no_logs: true,
            changing: ask.changing,
            addon: Some(Box::new(ask.addon)),
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let cluster = ctx.cluster().await?;
        let targets = self.targets(ctx, cluster).await?;
        let roles = self.roles(ctx, cluster, &targets).await?;
        let ask = plan::Disassociate {
            cluster,
            targets: &targets,
            roles: &roles,
            addon: self.addon.as_deref(),
            idle_roles: if self.delete_role { IdleRoles::Deleted } else { IdleRoles::Reported },
            force: self.force,
            recycle: self.recycle,
        };
        let plan = plan::disassociate(&ask).map_err(shared::refused)?;
        for target in targets.iter().filter(|target| target.association.is_none()) {
            ctx.term.status(format!("{} has no association: nothing to delete", target.subject));
        }
        for warning in &plan.warnings {
            ctx.term.warn(warning);
        }
        if !plan.steps.is_empty() {
            shared::show_plan(ctx, &plan, &self.changing).await?;
        }
        let mut ending = Ending { outcome: Outcome::planned(&plan.steps), ..Ending::default() };
        if self.changing.dry_run {
            Self::render(ctx, &targets, &ending)?;
            return Ok(shared::dry_run_code(&self.changing, &plan));
        }
        shared::consent(ctx, &self.changing, self.consent(&plan)).await?;
        let how = Removal {
            kubernetes: !self.no_wait,
            irsa: false,
            pace: Pace::usual(!self.no_logs),
            addon: self.addon.as_deref(),
        };
        let done = carry_out(ctx, &targets, plan, how, &mut ending).await;
        Self::render(ctx, &targets, &ending)?;
        match done {
            Ok(()) => Ok(Code::Ok),
            Err(failure) => Err(execute::after_write(failure, ending.outcome.wrote())),
        }
    }

    /// The service accounts that the patterns stand for, each with its association and what runs under it.
    async fn targets(&self, ctx: &Context, cluster: &Cluster) -> Result<Vec<Target>> {
        let eks = ctx.eks()?;
        let filter = glob::filter(&self.subjects.0);
        let read = eks.associations(&cluster.name, &filter);
        let summaries = ctx.deadline.within("listing the associations", read).await?;
        let expansion = glob::expand(&self.subjects.0, &summaries);
        for pattern in &expansion.unmatched {
            ctx.term.status(format!("{pattern} matches no association"));
        }
        if self.subjects.0.iter().any(|pattern| pattern.literal().is_none()) && !expansion.subjects.is_empty() {
            let names: Vec<String> = expansion.subjects.iter().map(ToString::to_string).collect();
            ctx.term.note(format!("{}: {}", text::count(names.len(), "service account"), names.join(", ")));
        }
        let kube = if self.no_wait { None } else { Some(ctx.kube().await?) };
        let reads = expansion.subjects.into_iter().map(|subject| {
            let id = summaries.iter().find(|a| a.subject == subject).map(|a| a.association_id.clone());
            async move {
                let association = async {
                    match &id {
                        Some(id) => eks.association(&cluster.name, id).await,
                        None => Ok(None),
                    }
                };
                let users = async {
                    match kube {
                        Some(kube) if self.recycle => observe::users(kube, &subject).await,
                        Some(kube) => {
                            Ok((observe::seen(kube.pods(&subject).await, "list pods")?, Observed::NotRequested))
                        }
                        None => Ok(Default::default()),
                    }
                };
                let (association, (pods, workloads)) = futures::try_join!(association, users)?;
                Ok::<_, Failure>(Target { subject, association, pods, workloads })
            }
        });
        let read = stream::iter(reads).buffered(CONCURRENCY).try_collect();
        match ctx.deadline.within("reading the associations and their pods", read).await {
            Ok(targets) => Ok(targets),
            Err(failure) => Err(ctx.explain_kube(failure, true).await),
        }
    }

    /// The roles of the associations; with --delete-role also those that an interrupted run left, and their other users.
    async fn roles(&self, ctx: &Context, cluster: &Cluster, targets: &[Target]) -> Result<BTreeMap<String, RoleUse>> {
        let iam = ctx.iam()?;
        let mut names: BTreeMap<String, String> = targets
            .iter()
            .filter_map(|target| target.association.as_ref())
            .map(|association| (last(&association.role_arn).to_owned(), association.role_arn.clone()))
            .collect();
        if self.delete_role {
            let left = targets.iter().filter(|target| target.association.is_none());
            let left =
                left.map(|target| role::derived_name(cluster, &target.subject)).filter(|n| !names.contains_key(n));
            let reads = left.map(|name| async move { iam.role(&name).await });
            let found = ctx.deadline.within("searching for leftover roles", try_join_all(reads)).await?;
            names.extend(found.into_iter().flatten().map(|role| (role.name, role.arn.to_string())));
        }
        let reads = names.into_iter().map(|(name, arn)| async move {
            let view = observe::role(iam, &name, false, false).await?;
            Ok::<_, Failure>((arn, RoleUse { name, role: view.role, doomed: None, usage: Usage::default() }))
        });
        let mut roles: BTreeMap<String, RoleUse> =
            ctx.deadline.within("reading the roles", stream::iter(reads).buffered(CONCURRENCY).try_collect()).await?;
        if self.delete_role {
            self.users(ctx, cluster, targets, &mut roles).await?;
        }
        Ok(roles)
    }

    /// Who else uses the roles, in the clusters that their trust policies let; and what has to go before each.
    async fn users(
        &self,
        ctx: &Context,
        cluster: &Cluster,
        targets: &[Target],
        roles: &mut BTreeMap<String, RoleUse>,
    ) -> Result<()> {
        let (eks, iam) = (ctx.eks()?, ctx.iam()?);
        let line = ctx.term.progress("users");
        let tell = |text: String| line.count(text);
        let described = targets.iter().filter_map(|target| target.association.clone());
        let mut search = Search::new(eks, &cluster.arn, &tell).described(described);
        let read = async {
            // The cluster at hand is always read: an association may be broken, and still be there.
            search.cluster(&cluster.arn).await?;
            let trusts = roles.values().filter_map(|found| Some(&found.role.known()?.as_ref()?.trust));
            search.trusted(trusts).await
        };
        let read = ctx.deadline.within("searching for other users of the role", read).await;
        line.clear();
        read?;
        let leaves = |user: &User| {
            let leaving = |t: &Target| t.subject.namespace == user.namespace && t.subject.name == user.service_account;
            user.region.is_none() && user.cluster_name == cluster.name && targets.iter().any(leaving)
        };
        for found in roles.values_mut() {
            if let Observed::Known(Some(role)) = &found.role {
                found.usage = search.usage(&role.arn, &role.trust, leaves);
            }
        }
        let there = roles.values().filter_map(|found| Some((found.name.clone(), found.role.known()?.clone()?)));
        let reads = there
            .map(|(name, role)| async move { Ok::<_, Failure>((name, observe::doomed_as_read(iam, role).await?)) });
        let doomed: BTreeMap<_, _> =
            ctx.deadline.within("reading the policies of the role", try_join_all(reads)).await?.into_iter().collect();
        for found in roles.values_mut() {
            found.doomed = doomed.get(&found.name).cloned();
        }
        Ok(())
    }

    /// Patterns, and the end of a role, are asked about by the cluster name.
    fn consent(&self, plan: &Plan) -> Confirmation {
        let sweeping = self.subjects.0.iter().any(|pattern| pattern.literal().is_none())
            || plan.steps.iter().any(|step| matches!(step, Step::DeleteRole { .. }));
        match Confirmation::of(plan) {
            Confirmation::Nothing => Confirmation::Nothing,
            _ if sweeping => Confirmation::TypeClusterName,
            asked => asked,
        }
    }

    fn render(ctx: &Context, targets: &[Target], ending: &Ending) -> Result<()> {
        let associations: Vec<Value> = targets
            .iter()
            .filter_map(|target| target.association.as_ref())
            .map(|association| {
                let effective = ending.effective.iter().find(|(s, _)| *s == association.summary.subject);
                let mut value = json!(association);
                if let Value::Object(map) = &mut value {
                    map.insert("effective".to_owned(), json!(effective.map(|(_, e)| e.effect)));
                    map.insert("effectiveHow".to_owned(), json!(effective.map(|(_, e)| &e.how)));
                }
                value
            })
            .collect();
        let mut value = shared::steps_json(&ending.outcome);
        if let Value::Object(map) = &mut value {
            map.insert("associations".to_owned(), json!(associations));
            map.insert("rollouts".to_owned(), recycle::rollouts_json(&ending.rollouts));
        }
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&value),
            Format::Yaml => ctx.term.emit_yaml(&value),
            Format::Name => {
                for report in &ending.outcome.reports {
                    match (&report.step, report.status) {
                        (Step::DeleteAssociation { subject, .. }, Status::Done | Status::Planned) => {
                            ctx.term.emit_line(subject)?;
                        }
                        (Step::UpdateAddon(step), Status::Done | Status::Planned) => {
                            ctx.term.emit_line(&step.subject)?;
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Format::Table | Format::Wide => Ok(()),
        }
    }
}

/// Deletes the associations, waits until new pods do without, and restarts what still has the credentials.
///
/// # Errors
/// What failed; how far it came is in `ending`.
pub(super) async fn carry_out(
    ctx: &Context,
    targets: &[Target],
    plan: Plan,
    how: Removal<'_>,
    ending: &mut Ending,
) -> Result<()> {
    let kube = if how.kubernetes { Some(ctx.kube().await?) } else { None };
    let ports = Ports { eks: ctx.eks()?, iam: ctx.iam()?, kube };
    let watch = plan.watch.clone();
    let (restarts, writes): (Vec<Step>, Vec<Step>) =
        plan.steps.into_iter().partition(|step| matches!(step, Step::Restart { .. }));
    // EKS lets go of an add-on's association only at the end of an update: what the association used stays until then.
    let (after, writes): (Vec<Step>, Vec<Step>) =
        writes.into_iter().partition(|step| how.addon.is_some() && step.stage() > 3);
    ending.outcome = execute::run(&ports, &ctx.deadline, writes, |report| shared::report_step(ctx, report)).await;
    let mut failed = ending.outcome.failure().cloned();
    if let (Some(owning), None) = (how.addon, &failed) {
        failed = addon::settle(ctx, &owning.addon, &ending.outcome).await.err();
    }
    if failed.is_some() {
        ending.outcome.add(Outcome::not_started(after));
    } else if !after.is_empty() {
        let later = execute::run(&ports, &ctx.deadline, after, |report| shared::report_step(ctx, report)).await;
        ending.outcome.add(later);
        failed = ending.outcome.failure().cloned();
    }
    let Some(kube) = kube.filter(|_| failed.is_none()) else {
        ending.outcome.add(Outcome::not_started(restarts));
        return failed.map_or(Ok(()), Err);
    };
    let deleted: Vec<&ServiceAccount> = ending
        .outcome
        .reports
        .iter()
        .filter(|report| matches!(report.status, Status::Done | Status::Skipped))
        .filter_map(|report| match &report.step {
            Step::DeleteAssociation { subject, .. } => Some(subject),
            Step::UpdateAddon(step) => Some(&step.subject),
            _ => None,
        })
        .collect();
    // Deleted by a run before this one, it may not have arrived everywhere.
    let before = targets.iter().filter(|target| how.irsa && target.association.is_none()).map(|target| &target.subject);
    let proofs = join_all(deleted.into_iter().chain(before).map(|subject| async move {
        let line = ctx.term.progress(format!("{subject}"));
        let proved = if how.irsa {
            prove::effective::web_identity(kube, &ctx.deadline, &line, subject).await
        } else {
            prove::effective::gone(kube, &ctx.deadline, &line, subject).await
        };
        match &proved {
            Ok(effective) => effective.end_deleted(&line),
            Err(_) => line.clear(),
        }
        (subject.clone(), proved)
    }))
    .await;
    for (subject, proved) in proofs {
        match proved {
            Ok(effective) => ending.effective.push((subject, effective)),
            Err(failure) => {
                ending.outcome.add(Outcome::not_started(restarts));
                return Err(failure);
            }
        }
    }
    let mut left = restarts.clone();
    for target in targets {
        let Some(workloads) = target.workloads.known() else { continue };
        let own = |id: &crate::model::workload::WorkloadRef| workloads.iter().any(|w| w.id == *id);
        let steps = restarts.iter().filter(|s| matches!(s, Step::Restart { workload, .. } if own(workload)));
        let due = Plan {
            steps: steps.cloned().collect(),
            watch: watch.iter().filter(|id| own(id)).cloned().collect(),
            ..Plan::default()
        };
        if due.steps.is_empty() && due.watch.is_empty() {
            continue;
        }
        // No write of podid's explains a crash now: no time is given for it to spread.
        let carried = recycle::carry_out(ctx, &target.subject, workloads, due, None, None, how.pace).await;
        let (reports, rollouts) = carried.inspect_err(|_| {
            ending.outcome.add(Outcome::not_started(left.clone()));
        })?;
        left.retain(|step| !reports.iter().any(|report| report.step == *step));
        ending.outcome.reports.extend(reports);
        ending.rollouts.extend(rollouts);
    }
    recycle::verdict(&ending.rollouts, &ending.outcome)
}
