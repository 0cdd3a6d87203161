//! `podid copy`: the associations of one cluster for another one, as in a blue/green upgrade.

mod roles;
mod uncopied;

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::{
    PlanOptions, Planned, against,
    carry::{Carry, Ending, render, verdict},
};
use crate::{
    args::{AccountsArg, Changing},
    commands::shared::{self, Confirmation, count},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        addon::Addon,
        arn::{Arn, last},
        association::{Association, AssociationFilter},
        cluster::Cluster,
        glob::Pattern,
        have::Observed,
        manifest::{Agent, Entries, Manifest, Place, RoleState, configuration, entries},
        snapshot::RoleView,
        text::nearest,
        want::Allowed,
    },
    observe::{self, file::KubernetesReads},
    plan::{self, Uncopied},
};

/// Copy associations from another cluster
///
/// For a blue/green upgrade: creates the associations that the cluster lacks, with the same role, target role, session
/// tags, session policy and custom tags. Roles are shared: podid's statement for the new cluster is added to their trust
/// policies beside those that exist, so that the pods of the other cluster keep their access. Nothing is deleted in
/// either cluster.
///
/// Associations that belong to EKS add-ons are listed and not copied. One that exists and is different is not changed
/// without --replace: one that was named is refused, and of those that a pattern or no name selects, the others are
/// copied and the command exits with 3. Policies that name the other cluster are reported. If the command is
/// interrupted, run it again to finish.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Copy {
    #[command(flatten)]
    subjects: AccountsArg,
    /// Cluster to copy from, by name or ARN
    #[arg(long, value_name = "CLUSTER")]
    from: String,
    /// AWS profile to read that cluster with, if it is in another account
    #[arg(long, value_name = "PROFILE")]
    from_profile: Option<String>,
    /// Cluster to copy to, by name or ARN, instead of --cluster
    #[arg(long, value_name = "CLUSTER")]
    to: Option<String>,
    /// Change associations that exist and are different
    #[arg(long)]
    replace: bool,
    /// Install the agent add-on if there is no agent, with the configuration that it has in the other cluster
    #[arg(long)]
    install_agent: bool,
    /// Continue even if the pods' nodes have no ready agent
    #[arg(long)]
    allow_missing_agent: bool,
    /// Associate service accounts even if they, or their namespaces, do not exist yet
    #[arg(long)]
    allow_missing_service_account: bool,
    /// Make the AWS changes only: no Kubernetes calls, no check of new pods
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid copy --from blue --cluster green --dry-run
  podid copy --from blue --to green 'team-a/*' --install-agent
  podid copy --from blue --to green --allow-missing-service-account --yes
  podid diff --cluster green --against blue";

/// What is copied, and what was read for it.
struct Selected<'a> {
    from: &'a str,
    going: Vec<&'a Association>,
    staying: Vec<Uncopied>,
    /// Roles and target roles by ARN.
    roles: BTreeMap<String, RoleView>,
}

impl Copy {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match &self.to {
            None => self.copy(ctx).await,
            Some(_) if !ctx.clusters_by_flag().is_empty() => {
                Err(Failure::usage("`--to` and `--cluster` are the same: pass one of them"))
            }
            Some(to) => self.copy(&ctx.of_cluster(to, "--to")).await,
        }
    }

    async fn copy(&self, ctx: &Context) -> Result<Code> {
        let cluster = ctx.cluster().await?;
        let profile = self.from_profile.as_deref();
        let other = ctx.of_other_cluster(&self.from, "--from", &cluster.arn.region, profile);
        if profile.is_none() {
            self.readable(cluster)?;
        }
        let theirs = against::read(&other, &self.subjects.0).await?;
        against::is_another(&cluster.arn, &theirs.arn, "--from")?;
        self.found(ctx, &other, &theirs).await?;
        let from = Cluster::named(theirs.arn.clone());
        let how = self.options(&from);
        let (going, staying) = plan::copyable(cluster, &theirs.associations);
        let wanted = entries_of(&from, &going, self.install_agent.then(|| agent_of(theirs.agent.as_ref())));
        // What is in another account says nothing here.
        let owned: Vec<Association> = going.iter().map(|it| (*it).clone()).collect();
        let roles = observe::roles::of_associations(ctx.iam()?, &cluster.arn, &owned);
        let roles = ctx.deadline.within("reading the roles", roles);
        let (mut read, roles) = futures::try_join!(Box::pin(super::read(ctx, wanted, how)), Box::pin(roles))?;
        let mut selected = Selected { from: &from.name, going, staying, roles };
        self.settle(cluster, &mut selected, &mut read);
        uncopied::settle(ctx, cluster, &self.subjects.0, &selected).await?;
        let planned = Box::pin(super::planned(ctx, read, how)).await?;
        let names = roles::old_names(ctx, &from.arn, &cluster.arn, &selected);
        Box::pin(self.carry_out(ctx, cluster, &selected, planned, names)).await
    }

    fn options<'a>(&self, from: &'a Cluster) -> PlanOptions<'a> {
        PlanOptions {
            around: if self.no_wait { KubernetesReads::Nothing } else { KubernetesReads::New },
            kube: !self.no_wait,
            look_up: false,
            prune: false,
            allow_missing_agent: self.allow_missing_agent,
            allow: Allowed { service_account: self.allow_missing_service_account, resources: false },
            recycle: false,
            adopt: false,
            copied_from: Some(from),
        }
    }

    /// One profile reads one account.
    fn readable(&self, cluster: &Cluster) -> Result<()> {
        let Ok(from) = self.from.parse::<Arn>() else { return Ok(()) };
        if from.account == cluster.arn.account {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{} is in account {}, and {} is in {}",
            from.name(),
            from.account,
            cluster.name,
            cluster.arn.account
        ))
        .because("an association's role must be in the cluster's account: roles are not copied between accounts")
        .hint("to list the roles that are needed, pass the profile of that account with `--from-profile`")
        .hint(format!(
            "to create them: `podid export --cluster {}` with that profile, change the account in the ARNs, and apply the manifest",
            self.from
        )))
    }

    /// Whether there is anything to copy: a name typed wrong copies nothing.
    async fn found(&self, ctx: &Context, other: &Context, theirs: &against::Read) -> Result<()> {
        let there = |pattern: &&Pattern| theirs.associations.iter().any(|it| pattern.matches(&it.summary.subject));
        for pattern in self.subjects.0.iter().filter(|pattern| !there(pattern)) {
            let none = format!("{} has no association of {pattern}", theirs.arn.name());
            let Some(subject) = pattern.literal() else {
                ctx.term.warn(none);
                continue;
            };
            let whole = AssociationFilter::default();
            let all = other.eks()?.associations(theirs.arn.name(), &whole);
            let all = ctx.deadline.within("listing the associations", all).await?;
            let names: Vec<String> = all.iter().map(|it| it.subject.to_string()).collect();
            let near = nearest(&subject.to_string(), names.iter().map(String::as_str));
            let failure = Failure::usage(none);
            return Err(match near.first() {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("list them with `podid list --cluster {}`", self.from)),
            });
        }
        Ok(())
    }

    /// Leaves out what the cluster has differently, and lets the planner see the roles that were read.
    fn settle(&self, cluster: &Cluster, selected: &mut Selected<'_>, read: &mut super::Read) {
        let mine = &read.have.associations;
        let different = plan::different(cluster, selected.from, &selected.going, mine, self.replace);
        for one in &different {
            read.subjects.remove(&one.subject);
        }
        selected.going.retain(|it| read.subjects.contains_key(&it.summary.subject));
        selected.staying.extend(different);
        for (subject, index) in &read.subjects {
            if let Some(mine) = mine.get(subject) {
                plan::without_more_tags(&mut read.entries.associations[*index].value, mine);
            }
        }
        if matches!(read.have.addon, Observed::Known(Some(_))) {
            // What is there stays as it is.
            read.entries.agent = read.entries.agent.take().map(|_| Agent::default());
        }
        for it in &selected.going {
            if let Some(view) = selected.roles.get(&it.role_arn) {
                let state = RoleState { role: view.role.clone(), ..RoleState::default() };
                read.have.roles.insert(last(&it.role_arn).to_owned(), state);
            }
        }
    }

    async fn carry_out(
        &self,
        ctx: &Context,
        cluster: &Cluster,
        selected: &Selected<'_>,
        mut planned: Planned,
        names: Vec<roles::OldName>,
    ) -> Result<Code> {
        for warning in &planned.plan.warnings {
            ctx.term.warn(warning);
        }
        let consent = Confirmation::of(&planned.plan);
        if planned.plan.is_empty() {
            let from = selected.from;
            ctx.term.status(match selected.going.len() {
                0 => format!("nothing to copy from {from}"),
                n => format!("nothing to change: {} of {from} in {}", count(n, "association"), cluster.name),
            });
        } else {
            shared::show_plan_for(ctx, &planned.plan, &self.changing, consent).await?;
        }
        let mut ending = Ending::default();
        let done = if self.changing.dry_run {
            ending = Ending::planned(&planned.plan.steps);
            Ok(())
        } else {
            shared::consent(ctx, &self.changing, consent).await?;
            let carry = Carry { wait: !self.no_wait, logs: false };
            carry.all(ctx, &mut planned, &mut ending).await
        };
        let targets = match &done {
            Ok(()) => roles::target_trust(ctx, cluster, selected, &ending.associations(&planned)).await?,
            Err(_) => Vec::new(),
        };
        let more = [
            ("notCopied", uncopied::json(cluster, selected)),
            ("clusterNames", json!(names)),
            ("targetTrust", json!(targets)),
        ];
        render(ctx, &ending, more.map(|(key, value)| (key.to_owned(), value)))?;
        verdict(ctx, done, &ending)?;
        if selected.staying.iter().any(|it| !it.why.is_expected()) {
            return Ok(Code::Difference);
        }
        Ok(if self.changing.dry_run { shared::dry_run_code(&self.changing, &planned.plan) } else { Code::Ok })
    }
}

/// The agent as the other cluster has it, of the version that EKS takes by default for this one.
fn agent_of(theirs: Option<&Addon>) -> Agent {
    let configuration = theirs.and_then(|addon| configuration(addon.configuration.as_deref())).unwrap_or_default();
    Agent { version: None, configuration }
}

/// The associations as the entries of a manifest; with the agent, where it is to be installed.
fn entries_of(from: &Cluster, going: &[&Association], agent: Option<Agent>) -> Entries {
    let associations = going.iter().map(|it| plan::copied(it)).collect();
    let manifest = Manifest { agent, associations, ..Manifest::default() };
    let place = |_: &str| Place { source: from.name.clone(), ..Place::default() };
    // A cluster has one association for each service account: nothing in it contradicts.
    entries([(manifest, &place as &dyn Fn(&str) -> Place)]).unwrap_or_default()
}
