//! `podid apply`: brings a cluster to what a file says, and proves it.

use clap::Args;

use super::{
    Files, Missing, PlanOptions, Planned,
    annotations::OfServiceAccounts,
    carry::{Carry, Ending, render, verdict},
    plan, view,
};
use crate::{
    args::Changing,
    commands::shared::{self, Confirmation},
    context::Context,
    failure::{Code, Failure, Result},
    model::manifest::ClusterState,
    observe::file::KubernetesReads,
    plan::{Plan, Step},
};

/// Apply a manifest
///
/// Plans roles with their trust policies and permissions, associations and the agent. Shows the plan, asks once,
/// applies it in parallel, and waits until new pods get credentials. Keys that the manifest omits are left unchanged.
/// If the command is interrupted, run it again to finish. A role with podid's tags that no association uses yet, and
/// that differs from what podid creates where the manifest says nothing, is refused without --adopt.
///
/// With --from-annotations, each service account with the annotation eks.amazonaws.com/role-arn gets an association with
/// that role, if --allow-role allows it. The role's trust policy must already allow it. The annotation stays, and no
/// association is deleted when one is removed.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Apply {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    annotations: OfServiceAccounts,
    /// Delete what podid created for this cluster under the manifest's metadata.name and is no longer in it
    #[arg(long, conflicts_with = "from_annotations")]
    prune: bool,
    /// With --prune: maximum number of associations and roles to delete
    #[arg(long, value_name = "N", default_value_t = 10, requires = "prune")]
    prune_limit: usize,
    /// Accept a role with podid's tags that was changed outside podid before an association used it
    #[arg(long)]
    adopt: bool,
    /// Then restart the workloads whose pods do not use their association yet, and watch the rollouts
    #[arg(long, conflicts_with = "no_wait")]
    recycle: bool,
    /// Continue even if the pods' nodes have no ready agent
    #[arg(long)]
    allow_missing_agent: bool,
    #[command(flatten)]
    missing: Missing,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
    #[arg(long)]
    no_wait: bool,
    /// Do not include the application's log lines in errors
    #[arg(long)]
    no_logs: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid apply -f podid.yaml
  podid apply -f podid.yaml --prune --recycle
  podid apply -f podid.yaml --dry-run --exit-code
  podid export | podid apply -f - --yes
  podid apply --from-annotations --allow-role 'app-*' --dry-run";

impl Apply {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let entries = if self.annotations.are_wanted() {
            self.annotations.read(ctx, self.no_wait).await?
        } else {
            self.files.read(ctx).await?
        };
        if self.no_wait && entries.associations.iter().any(|a| a.value.create_service_account == Some(true)) {
            ctx.term.warn("`createServiceAccount` is ignored with `--no-wait`, which makes no call to Kubernetes");
        }
        let around = match (self.no_wait, self.recycle) {
            (true, _) => KubernetesReads::Nothing,
            (false, true) => KubernetesReads::All,
            (false, false) => KubernetesReads::New,
        };
        let how = PlanOptions {
            around,
            kube: !self.no_wait,
            look_up: false,
            prune: self.prune,
            allow_missing_agent: self.allow_missing_agent,
            allow: self.missing.allowed(),
            recycle: self.recycle,
            adopt: self.adopt,
            copied_from: None,
        };
        let mut planned = plan(ctx, entries, how).await?;
        for warning in &planned.plan.warnings {
            ctx.term.warn(warning);
        }
        let removed = removals(&planned);
        if removed > self.prune_limit {
            return Err(Failure::usage(format!(
                "`--prune` would delete {removed} associations and roles; the limit is {}",
                self.prune_limit
            ))
            .hint("check them with `podid diff -f FILE --prune`, then raise `--prune-limit`"));
        }
        let consent = Self::consent(&planned.plan, removed);
        if planned.plan.is_empty() {
            let size = view::size(planned.entries.roles.len(), planned.subjects.len());
            let with = if self.annotations.are_wanted() { "annotations" } else { "manifest" };
            ctx.term.status(format!("nothing to change: {size} match the {with}"));
        } else {
            self.show(ctx, &planned, consent).await?;
        }
        if self.changing.dry_run {
            let ending = Ending::planned(&planned.plan.steps);
            render(ctx, &ending, [])?;
            return Ok(shared::dry_run_code(&self.changing, &planned.plan));
        }
        if self.files.are_stdin()
            && !self.changing.yes
            && consent != Confirmation::Nothing
            && shared::asks(ctx.target()?, consent)
        {
            return Err(Failure::usage("confirmation required, and the manifest is read from stdin")
                .hint("check the plan with `--dry-run`, then pass `--yes`"));
        }
        shared::consent(ctx, &self.changing, consent).await?;
        let mut ending = Ending::default();
        let carry = Carry { wait: !self.no_wait, logs: !self.no_logs };
        let done = carry.all(ctx, &mut planned, &mut ending).await;
        render(ctx, &ending, [])?;
        verdict(ctx, done, &ending).map(|()| Code::Ok)
    }

    fn consent(plan: &Plan, removed: usize) -> Confirmation {
        match Confirmation::of(plan) {
            Confirmation::Nothing => Confirmation::Nothing,
            _ if removed > 0 => Confirmation::TypeClusterName,
            Confirmation::Creates if plan.restarts() => Confirmation::Changes,
            asked => asked,
        }
    }

    /// The plan; what is pruned stands apart.
    async fn show(&self, ctx: &Context, planned: &Planned, consent: Confirmation) -> Result<()> {
        let (pruned, kept): (Vec<Step>, Vec<Step>) =
            planned.plan.steps.iter().cloned().partition(|step| pruned(step, &planned.have));
        let title = shared::plan_title(ctx).await?;
        let mut sections: Vec<(&str, &[Step])> = Vec::new();
        if !kept.is_empty() {
            sections.push((&title, &kept));
        }
        if !pruned.is_empty() {
            sections.push(("Delete (no longer in the manifest)", &pruned));
        }
        let asked = shared::is_read(ctx, &self.changing, consent)? || !pruned.is_empty() && !self.changing.yes;
        if sections.is_empty() { Ok(()) } else { ctx.term.plan_steps(&sections, asked) }
    }
}

/// Whether a step removes something that is in no file any more.
fn pruned(step: &Step, have: &ClusterState) -> bool {
    match step {
        Step::DeleteAssociation { .. } => true,
        Step::DetachPolicy { role, .. } | Step::DeletePolicy { role, .. } | Step::DeleteRole { role, .. } => {
            have.leftover.roles.iter().any(|(doomed, _)| doomed.role.name == *role)
        }
        _ => false,
    }
}

/// Associations and roles that go.
fn removals(planned: &Planned) -> usize {
    let gone = |step: &&Step| matches!(step, Step::DeleteAssociation { .. } | Step::DeleteRole { .. });
    planned.plan.steps.iter().filter(gone).count()
}
