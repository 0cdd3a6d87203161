//! `podid list`: the associations of a cluster, or of many, with their roles.

mod many;

use std::{cell, pin::pin, task::Poll};

use clap::Args;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, Stream},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{clusters::ClustersArg, unread::NotRead},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::{RoleRef, last},
        association::{Association, AssociationFilter, AssociationSummary, add_on},
        glob::{self, Glob, Pattern},
        names::ServiceAccount,
        subject::SubjectText,
    },
    observe,
    output::{
        Format,
        table::{Cell, Column, Table},
    },
};

/// List the associations of the cluster with their roles
///
/// Makes one List call per 100 associations and one Describe call for each; `-o name` makes no Describe calls. With
/// several --cluster, --all-clusters or --all-regions it lists many clusters, and reports at the end which of them
/// could not be read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    /// Only these service accounts, by name or pattern ('team-*/*')
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subjects: Vec<SubjectText>,
    /// Only this namespace, by name or pattern
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only associations with this role or target role, by name or ARN
    #[arg(long, value_name = "NAME|ARN")]
    role: Option<RoleRef>,
    #[command(flatten)]
    clusters: ClustersArg,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid list
  podid list -n carts -o wide
  podid list 'team-*/*'
  podid list --role eks-workshop-carts-dynamo -o json
  podid list --cluster blue --cluster green
  podid list --all-regions --role eks-workshop-carts-dynamo
  podid list -o name";

/// The associations
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// The associations, by service account; empty when there are none
    associations: Vec<Listed<'a>>,
    /// In a list of several clusters: what could not be read; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<Vec<NotRead>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(flatten)]
    association: &'a Association,
    /// In a list of several clusters: the ARN of the association's cluster; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_arn: Option<String>,
}

/// What is asked for, checked.
struct Ask<'a> {
    subjects: &'a [Pattern],
    namespace: Option<Glob>,
    role: Option<&'a RoleRef>,
}

impl List {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let namespace = self.namespace.as_deref().map(Glob::namespace).transpose();
        let namespace = namespace.map_err(|e| Failure::usage(format!("--namespace: {e}")))?;
        let own = namespace.as_ref().and_then(Glob::literal);
        let named = self.subjects.iter().map(|text| text.pattern(own).map_err(|e| Failure::usage(e.to_string())));
        let subjects = named.collect::<Result<Vec<_>>>()?;
        let ask = Ask { subjects: &subjects, namespace, role: self.role.as_ref() };
        if self.clusters.several(ctx) {
            return many::run(&ask, ctx, self.clusters).await;
        }
        let target = ctx.target()?;
        let eks = ctx.eks()?;
        let filter = ask.filter();
        let mut pages = eks.association_pages(&target.cluster.value, &filter);
        let first = ctx.deadline.within("listing associations", async { pages.next().await.transpose() });
        // A cluster that a kube context or an ARN named must be the one that the credentials lead to.
        let first = if target.named() && target.account.is_none() {
            match first.await {
                Ok(first) => first,
                Err(failure) => return Err(ctx.no_cluster(failure).await),
            }
        } else {
            let (cluster, first) = futures::join!(ctx.cluster(), first);
            cluster?;
            first?
        };
        let pages = stream::iter(first.map(Ok)).chain(pages).map_ok(|mut page: Vec<AssociationSummary>| {
            page.retain(|summary| ask.wants(&summary.subject));
            page
        });
        let place = format!("cluster {}", target.cluster.value);
        if ctx.term.format() == Format::Name && ask.role.is_none() {
            let all = ctx.deadline.within("listing associations", pages.try_concat()).await?;
            return names(ctx, &ask, &place, &all);
        }
        let associations = ask.describe(ctx, pages).await?;
        ask.render(ctx, &place, &associations)
    }
}

impl Ask<'_> {
    /// The API's own filters, as far as they go.
    fn filter(&self) -> AssociationFilter {
        let filter = glob::filter(self.subjects);
        let own = self.namespace.as_ref().and_then(Glob::literal).map(str::to_owned);
        AssociationFilter { namespace: filter.namespace.or(own), ..filter }
    }

    fn wants(&self, subject: &ServiceAccount) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| namespace.matches(&subject.namespace))
            && (self.subjects.is_empty() || self.subjects.iter().any(|pattern| pattern.matches(subject)))
    }

    async fn describe(
        &self,
        ctx: &Context,
        pages: impl Stream<Item = Result<Vec<AssociationSummary>>>,
    ) -> Result<Vec<Association>> {
        let (eks, cluster) = (ctx.eks()?, &ctx.target()?.cluster.value);
        let (listed, over) = (cell::Cell::new(0), cell::Cell::new(false));
        let counted = pages.inspect_ok(|page| listed.set(listed.get() + page.len()));
        let counted = counted.chain(stream::poll_fn(|_| {
            over.set(true);
            Poll::Ready(None)
        }));
        let line = ctx.term.progress("associations");
        let mut described = pin!(observe::describe_listed(eks, cluster, counted));
        let mut associations = Vec::new();
        let mut read = 0;
        while let Some(next) =
            ctx.deadline.within("reading associations", async { described.next().await.transpose() }).await?
        {
            read += 1;
            if listed.get() > observe::CONCURRENCY {
                let least = if over.get() { "" } else { "at least " };
                line.count(format!("{read} of {least}{} read", listed.get()));
            }
            associations.extend(next.filter(|a| self.matches(a)));
        }
        line.clear();
        associations.sort_by(|a, b| a.summary.subject.cmp(&b.summary.subject));
        Ok(associations)
    }

    fn matches(&self, association: &Association) -> bool {
        let is = |arn: &str| match self.role {
            None => true,
            Some(RoleRef::Arn(wanted)) => arn == wanted.to_string(),
            Some(RoleRef::Name(wanted)) => last(arn) == wanted,
        };
        is(&association.role_arn) || self.role.is_some() && association.target_role_arn.as_deref().is_some_and(is)
    }

    /// `place` is where nothing was found.
    fn note_if_empty(&self, ctx: &Context, place: &str, empty: bool) {
        if !empty {
            return;
        }
        let mut what = String::new();
        if !self.subjects.is_empty() {
            let subjects: Vec<String> = self.subjects.iter().map(ToString::to_string).collect();
            what = format!(" of {}", subjects.join(", "));
        }
        if let Some(namespace) = &self.namespace {
            what = format!("{what} in namespace {namespace}");
        }
        if let Some(role) = self.role {
            what = format!("{what} with role {}", role.name());
        }
        ctx.term.note(format!("no associations{what} in {place}"));
    }

    fn render(&self, ctx: &Context, place: &str, associations: &[Association]) -> Result<Code> {
        let document = || {
            let listed = associations.iter().map(|association| Listed { association, cluster_arn: None });
            Document { associations: listed.collect(), unread: None }
        };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&document())?,
            Format::Yaml => ctx.term.emit_yaml(&document())?,
            Format::Name => {
                for association in associations {
                    ctx.term.emit_line(&association.summary.subject)?;
                }
            }
            Format::Table | Format::Wide if associations.is_empty() => {}
            Format::Table | Format::Wide => {
                let wide = ctx.term.format() == Format::Wide;
                let mut table = Table::new(&columns());
                for association in associations {
                    table.row(cells(association, wide));
                }
                ctx.term.emit_table(&table)?;
            }
        }
        self.note_if_empty(ctx, place, associations.is_empty());
        Ok(Code::Ok)
    }
}

fn names(ctx: &Context, ask: &Ask<'_>, place: &str, summaries: &[AssociationSummary]) -> Result<Code> {
    let mut lines: Vec<String> = summaries.iter().map(|s| s.subject.to_string()).collect();
    lines.sort();
    for line in &lines {
        ctx.term.emit_line(line)?;
    }
    ask.note_if_empty(ctx, place, lines.is_empty());
    Ok(Code::Ok)
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("NAMESPACE"),
        Column::new("SERVICE ACCOUNT"),
        Column::new("ROLE"),
        Column::new("TARGET ROLE").priority(2),
        Column::new("OWNER").priority(1),
        Column::new("AGE").priority(3),
        Column::new("ID").wide(),
    ]
}

/// Role names in the table, ARNs in `wide`.
fn cells(a: &Association, wide: bool) -> Vec<Cell> {
    let role = |arn: &str| if wide { arn.to_owned() } else { last(arn).to_owned() };
    vec![
        Cell::new(&a.summary.subject.namespace),
        Cell::new(&a.summary.subject.name),
        Cell::new(role(&a.role_arn)),
        Cell::new(a.target_role_arn.as_deref().map(role).unwrap_or_default()),
        Cell::new(a.summary.owner_arn.as_deref().map(owner).unwrap_or_default()),
        Cell::maybe_time(a.created_at),
        Cell::new(&a.summary.association_id),
    ]
}

fn owner(arn: &str) -> String {
    add_on(arn).unwrap_or(arn).to_owned()
}
