//! `podid list`: the associations of a cluster with their roles.

use std::pin::pin;

use clap::Args;
use futures::StreamExt;
use serde_json::json;

use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::{Arn, RoleRef},
        association::{Association, AssociationFilter, AssociationSummary},
        names,
    },
    observe,
    output::{
        Format,
        table::{Cell, Column, Table},
    },
};

/// List the associations of the cluster with their roles
///
/// Costs one List per 100 associations and one Describe each; `-o name` makes no Describe call.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    /// Only this namespace
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only associations with this role or target role, by name or ARN
    #[arg(long, value_name = "NAME|ARN")]
    role: Option<RoleRef>,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid list
  podid list -n carts -o wide
  podid list --role eks-workshop-carts-dynamo -o json
  podid list -o name";

impl List {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if let Some(namespace) = &self.namespace {
            names::check_namespace(namespace).map_err(|e| Failure::usage(format!("--namespace: {e}")))?;
        }
        let target = ctx.target()?;
        let eks = ctx.eks()?;
        let filter = AssociationFilter { namespace: self.namespace.clone(), service_account: None };
        let list = ctx.guard.run("listing associations", eks.associations(&target.cluster.value, &filter));
        // A cluster that a kube context or an ARN named must be the one that the credentials lead to.
        let summaries = if target.named() && target.account.is_none() {
            match list.await {
                Ok(summaries) => summaries,
                Err(failure) => return Err(ctx.no_cluster(failure).await),
            }
        } else {
            let (cluster, summaries) = futures::join!(ctx.cluster(), list);
            cluster?;
            summaries?
        };
        if ctx.term.format() == Format::Name && self.role.is_none() {
            return self.names(ctx, &summaries);
        }
        let associations = self.describe(ctx, summaries).await?;
        self.render(ctx, &associations)
    }

    async fn describe(&self, ctx: &Context, summaries: Vec<AssociationSummary>) -> Result<Vec<Association>> {
        let (eks, cluster) = (ctx.eks()?, &ctx.target()?.cluster.value);
        let total = summaries.len();
        let line = ctx.term.progress("associations");
        let mut described = pin!(observe::describe_all(eks, cluster, summaries));
        let mut associations = Vec::with_capacity(total);
        let mut read = 0;
        while let Some(next) =
            ctx.guard.run("reading associations", async { described.next().await.transpose() }).await?
        {
            read += 1;
            if total > observe::CONCURRENCY {
                line.update(format!("{read} of {total} read"));
            }
            associations.extend(next.filter(|a| self.matches(a)));
        }
        line.clear();
        associations.sort_by(|a, b| a.summary.subject.cmp(&b.summary.subject));
        Ok(associations)
    }

    fn matches(&self, association: &Association) -> bool {
        let is = |arn: &str| match &self.role {
            None => true,
            Some(RoleRef::Arn(wanted)) => arn == wanted.to_string(),
            Some(RoleRef::Name(wanted)) => role_name(arn) == wanted,
        };
        is(&association.role_arn) || self.role.is_some() && association.target_role_arn.as_deref().is_some_and(is)
    }

    fn names(&self, ctx: &Context, summaries: &[AssociationSummary]) -> Result<Code> {
        let mut lines: Vec<String> = summaries.iter().map(|s| s.subject.to_string()).collect();
        lines.sort();
        for line in &lines {
            ctx.term.emit_line(line)?;
        }
        self.note_if_empty(ctx, lines.is_empty())
    }

    fn note_if_empty(&self, ctx: &Context, empty: bool) -> Result<Code> {
        if empty {
            let cluster = &ctx.target()?.cluster.value;
            let mut place = String::new();
            if let Some(namespace) = &self.namespace {
                place = format!(" in namespace {namespace}");
            }
            if let Some(role) = &self.role {
                place = format!("{place} with role {}", role.name());
            }
            ctx.term.note(format!("no associations{place} in cluster {cluster}"));
        }
        Ok(Code::Ok)
    }

    fn render(&self, ctx: &Context, associations: &[Association]) -> Result<Code> {
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&json!({ "associations": associations }))?,
            Format::Yaml => ctx.term.emit_yaml(&json!({ "associations": associations }))?,
            Format::Name => {
                for association in associations {
                    ctx.term.emit_line(&association.summary.subject)?;
                }
            }
            Format::Table | Format::Wide if associations.is_empty() => {}
            Format::Table | Format::Wide => {
                ctx.term.emit_table(&table(associations, ctx.term.format() == Format::Wide))?;
            }
        }
        self.note_if_empty(ctx, associations.is_empty())
    }
}

/// Role names in the table, ARNs in `wide`.
fn table(associations: &[Association], wide: bool) -> Table {
    let role = |arn: &str| if wide { arn.to_owned() } else { role_name(arn).to_owned() };
    let mut table = Table::new(&[
        Column::new("NAMESPACE"),
        Column::new("SERVICE ACCOUNT"),
        Column::new("ROLE").priority(4),
        Column::new("TARGET ROLE").priority(2),
        Column::new("OWNER").priority(1),
        Column::new("AGE").priority(3),
        Column::new("ID").wide(),
    ]);
    for a in associations {
        table.row([
            Cell::new(&a.summary.subject.namespace),
            Cell::new(&a.summary.subject.name),
            Cell::new(role(&a.role_arn)),
            Cell::new(a.target_role_arn.as_deref().map(role).unwrap_or_default()),
            Cell::new(a.summary.owner_arn.as_deref().map(owner).unwrap_or_default()),
            Cell::maybe_time(a.created_at),
            Cell::new(&a.summary.association_id),
        ]);
    }
    table
}

/// Name at the end of a role ARN.
pub fn role_name(arn: &str) -> &str {
    crate::model::arn::last(arn)
}

/// `arn:…:addon/CLUSTER/NAME/UUID` gives `NAME`.
fn owner(arn: &str) -> String {
    let named = arn.parse::<Arn>().ok().and_then(|arn| arn.resource.split('/').nth(2).map(str::to_owned));
    named.unwrap_or_else(|| arn.to_owned())
}
